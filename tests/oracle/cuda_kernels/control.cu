// Control flow that compilers rarely keep: recursion, calls through a table, jump tables, early exits, local arrays.
#include <cassert>
#include <cstdio>

__constant__ int table[8] = {3, 1, 4, 1, 5, 9, 2, 6};
__device__ int counter = 40;

__device__ __noinline__ long long factorial(int n) { return n < 2 ? 1 : n * factorial(n - 1); }

__device__ __noinline__ int ackermann(int m, int n) {
    if (m == 0) return n + 1;
    if (n == 0) return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

__device__ __noinline__ int add(int a, int b) { return a + b; }
__device__ __noinline__ int sub(int a, int b) { return a - b; }
__device__ __noinline__ int mul(int a, int b) { return a * b; }

__device__ int (*const operations[3])(int, int) = {add, sub, mul};

struct Pair {
    int first;
    double second;
};

__device__ __noinline__ Pair both(Pair p, int by) { return {p.second > 2 ? p.first * by : p.first, p.second + by}; }

extern "C" __global__ void control(const int *x, long long *o, double *d, int n) {
    extern __shared__ int dynamic[];
    int t = threadIdx.x;
    if (t >= n) return;
    int v = x[t];
    assert(v >= 0);
    long long result;
    switch (v % 9) {
        case 0: result = factorial(v % 16); break;
        case 1: result = ackermann(2, v % 4); break;
        case 2: result = operations[v % 3](v, 7); break;
        case 3: result = table[v & 7]; break;
        case 4: result = v * 17 + 1; break;
        case 5: result = v ^ 0x55; break;
        case 6: result = -v; break;
        case 7: result = (long long)v << 40; break;
        default: result = 1000 / (v + 1);
    }
    o[t] = result;
    o[n + t] = operations[t % 3](v, t);
    // An array that is indexed by data lives in local memory.
    int local[16];
    for (int i = 0; i < 16; i++) local[i] = i * i;
    for (int i = 0; i < 16; i++) local[(v + i) & 15] += local[(v + 3 * i + 1) & 15];
    o[2 * n + t] = local[v & 15] + local[(v >> 4) & 15];
    dynamic[t] = v;
    __syncwarp(__activemask());
    int steps = 0;
    for (long long c = v + 1; c != 1; c = c % 2 ? 3 * c + 1 : c / 2) {
        if (++steps > 60) goto out;
        if (c == 5) continue;
    }
out:
    o[3 * n + t] = steps;
    Pair p = both(both({v, t * 0.5}, 2), 3);
    d[t] = p.first + p.second;
    if (t == 0) {
        atomicAdd(&counter, 2);
        printf("counter %d of %s, %5.2f %llx %c\n", counter, "the module", 2.5, 0xabcdef012345ull, '!');
        o[4 * n] = counter;
    }
}
