// What the runtime's own functions look like in PTX: printf, assert, recursion, alloca, indirect calls.
#include <cstdio>
#include <cassert>

struct Pair { int a; double b; };

extern "C" __global__ void prints(const char *name, int n) {
    int t = threadIdx.x;
    if (t == 0) printf("no arguments\n");
    if (t < 3) printf("lane %d of %s: %5.2f|%-6d|%+05d|%x|%c|%%|%llu|%e|%s\n", t, name, t * 1.5f, n + t, -t, 255 + t, 'a' + t, 1ull << 40, 12345.678, "text");
    if (t == 3) printf("%08.3f %g %G %o %#x %p %hhd %ld %zu %.3s %*d %i %u\n", 3.14159, 1e-10, 1e20, 8, 255, (void*)0x10, 300, -5L, (size_t)7, "abcdef", 6, 42, -1, 4000000000u);
}

extern "C" __global__ void asserts(int limit) {
    assert(threadIdx.x < limit);
}

__device__ __noinline__ int fibonacci(int n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

__device__ int odd(int n);
__device__ __noinline__ int even(int n) { return n == 0 ? 1 : odd(n - 1); }
__device__ __noinline__ int odd(int n) { return n == 0 ? 0 : even(n - 1); }

// The address of a local variable crosses the recursion, and what it points to is changed there.
__device__ __noinline__ int deep(int *above, int n) {
    int here[4] = {n, *above, n * 2, 0};
    *above += n;
    if (n == 0) return *above;
    int below = deep(&here[n & 1], n - 1);
    return below * 3 + here[0] + here[1] + here[2] + *above;
}

__device__ __noinline__ double of_struct(Pair p, int n) {
    if (n == 0) return p.b + p.a;
    Pair q = {p.a + n, p.b * 0.5};
    return of_struct(q, n - 1);
}

extern "C" __global__ void recursion(int *out, double *doubles) {
    int t = threadIdx.x, seed = t;
    out[4 * t] = fibonacci(t % 10);
    out[4 * t + 1] = even(t);
    out[4 * t + 2] = deep(&seed, t % 7);
    out[4 * t + 3] = fibonacci(3 + t / 16);
    doubles[t] = of_struct(Pair{t, 8.0}, t % 5);
}

extern "C" __global__ void endless(int *out) {
    int seed = out[0];
    out[0] = deep(&seed, 1 << 30);
}

typedef int (*Operation)(int, int);
__device__ __noinline__ int add(int a, int b) { return a + b; }
__device__ __noinline__ int multiply(int a, int b) { return a * b; }
__device__ Operation table[2] = {add, multiply};

__device__ __noinline__ int fold(Operation f, int n) { return n == 0 ? 1 : f(n, fold(f, n - 1)); }

extern "C" __global__ void indirect(int *out) {
    int t = threadIdx.x;
    out[t] = fold(table[t & 1], t % 6);
}

struct Node { double weight; int children[3]; };

// A struct by value, an array of its own in every call, and three calls in a loop.
__device__ __noinline__ Node visit(Node node, int depth) {
    int own[5];
    for (int i = 0; i < 5; i++) own[i] = node.children[i % 3] * (i + 1);
    if (depth == 0) return node;
    for (int i = 0; i < 3; i++) {
        if (own[i] % 2 == 0) continue;
        Node child = {node.weight / 2, {own[i + 1] % 7, own[i] % 5, own[i + 2] % 3}};
        Node back = visit(child, depth - 1);
        node.weight += back.weight;
        node.children[i] += back.children[2 - i] + own[4 - i];
    }
    return node;
}

extern "C" __global__ void tree(double *weights, int *children) {
    int t = threadIdx.x;
    Node node = visit(Node{1.0 + t, {t, t + 1, t * 3}}, 4);
    weights[t] = node.weight;
    for (int i = 0; i < 3; i++) children[3 * t + i] = node.children[i];
}
