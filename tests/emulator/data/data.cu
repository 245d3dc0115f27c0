// Parameters by value, tables in constant and global memory, shared arrays, switches.
#include <cuda_fp16.h>
#include <cuda_bf16.h>

struct __align__(64) Map { unsigned char bytes[128]; };
struct Odd { char a; short b; char c[3]; int d; double e; char f; };
struct Big { int words[8000]; };

__constant__ float grid[2][3] = {{1.5f, -2.0f}, {3.0f, 4.0f, 0.25f}};
__constant__ short shorts[5] = {1, -2, 3};
__device__ unsigned short halves[4] = {0x3c00, 0xbf80, 0x7bff, 1};
__device__ double doubles[2] = {1e-300, -3.5};
__device__ int target[4] = {10, 20, 30, 40};
__device__ int *pointers[3] = {target, target + 2, 0};
__device__ const char *names[2] = {"first", "second"};
struct Mixed { char tag; int *where; float values[2]; };
__device__ Mixed mixed[2] = {{'a', target + 1, {0.5f, 2.0f}}, {'b', target + 3, {8.0f}}};

extern "C" __global__ void tables(float *out) {
    int t = threadIdx.x;
    float sum = grid[t % 2][t % 3] * 100 + shorts[t % 5];
    sum += __half2float(__ushort_as_half(halves[t % 2 == 0 ? 0 : 2])) + (float)doubles[1];
    sum += *pointers[t % 2] + (pointers[2] == 0 ? 1000 : 0) + names[t % 2][t % 5];
    sum += mixed[t % 2].tag + *mixed[t % 2].where + mixed[t % 2].values[t % 2];
    out[t] = sum;
}

extern "C" __global__ void parameters(int *out, Odd odd, const __grid_constant__ Map map, Big big, char last) {
    int t = threadIdx.x;
    const unsigned char *through = map.bytes;
    out[t] = odd.a + odd.b * 2 + odd.c[t % 3] * 3 + odd.d + (int)odd.e + odd.f + through[t * 4 % 128] + big.words[t * 250] + last;
}

extern "C" __global__ void shared_memory(int *out, int n) {
    extern __shared__ int dynamic[];
    __shared__ int fixed[2][16];
    __shared__ unsigned char small[3];
    int t = threadIdx.x;
    dynamic[t] = t * t;
    fixed[t / 16][t % 16] = t;
    if (t < 3) small[t] = 7 * t;
    __syncthreads();
    out[t] = dynamic[31 - t] + fixed[1 - t / 16][t % 16] + small[t % 3] + n;
}

extern "C" __global__ void inline_assembly(int *out) {
    int t = threadIdx.x, r = 0;
    asm volatile("{\n .reg .pred p;\n .reg .s32 r1, %%r2;\n setp.gt.s32 p, %1, 7;\n mov.s32 r1, 5;\n mov.s32 %%r2, 100;\n"
                 " @p bra L;\n add.s32 r1, r1, %%r2;\n L: mov.s32 %0, r1;\n }" : "=r"(r) : "r"(t));
    int s = 0;
    asm volatile("{\n .reg .s32 r1;\n mov.s32 r1, %1;\n { .reg .s32 r1; mov.s32 r1, 9; bra L; mov.s32 r1, 1; L: add.s32 %0, r1, r1; }\n add.s32 %0, %0, r1;\n }"
                 : "=&r"(s) : "r"(t));
    switch (t % 9) {
        case 0: s += 1; break;
        case 1: s *= 3; break;
        case 2: s -= t; break;
        case 3: s ^= 0x55; break;
        case 4: s = -s; break;
        case 5: s <<= 2; break;
        case 6: s %= 5; break;
        case 7: s |= 0x100; break;
    }
    out[t] = r * 1000 + s;
}
