// Products of one warpgroup with descriptors made by hand: no swizzle in either order, swizzles laid out by the threads,
// A from registers; f16, bf16, tf32, s8 and e4m3. Each is 64 by 16 by two steps of K.
#include <cstdint>

__device__ uint64_t descriptor(const void *p, int leading, int stride, int swizzle) {
    uint64_t address = __cvta_generic_to_shared(p);
    return (address & 0x3ffff) >> 4 | uint64_t(leading >> 4) << 16 | uint64_t(stride >> 4) << 32 | uint64_t(swizzle) << 62;
}

// The accumulators are named so that the compiler does not move what sets them behind the fence.
__device__ void fence(float (&d)[8]) {
    for (float &x : d) asm volatile("" : "+f"(x)::"memory");
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ void fence(int (&d)[8]) {
    for (int &x : d) asm volatile("" : "+r"(x)::"memory");
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ void finish() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
}

// The chunk of 16 bytes of a row moves by the bits of its address above 128 bytes.
__device__ int swizzled(int byte, int width) { return byte ^ ((byte >> 7 & (width / 16 - 1)) << 4); }

#define PRODUCT(SHAPE, C, SCALES, A_CONSTRAINT, A, B)                                                                  \
    asm volatile("wgmma.mma_async.sync.aligned.m64n16" SHAPE " {%0, %1, %2, %3, %4, %5, %6, %7}, %8, %9, 1" SCALES ";" \
                 : C(d[0]), C(d[1]), C(d[2]), C(d[3]), C(d[4]), C(d[5]), C(d[6]), C(d[7])                              \
                 : A_CONSTRAINT(A), "l"(B) : "memory")

// Rows of 32 bytes a step, two steps: element (row, col) of [rows, 64 bytes] in memory.
template <class T>
__device__ void fill_swizzled(T *to, const T *from, int rows, int width) {
    const int per_row = 64 / sizeof(T);
    for (int i = threadIdx.x; i < rows * per_row; i += blockDim.x) {
        int row = i / per_row, byte = i % per_row * sizeof(T);
        int tile = byte / width;
        int at = tile * rows * width + swizzled(row * width + byte % width, width);
        to[at / sizeof(T)] = from[i];
    }
}

// Without a swizzle: matrices of 8 rows of 16 bytes, contiguous; the next along K after it, the next rows after those.
template <class T>
__device__ void fill_plain(T *to, const T *from, int rows) {
    const int per_row = 64 / sizeof(T), chunk = 16 / sizeof(T);
    for (int i = threadIdx.x; i < rows * per_row; i += blockDim.x) {
        int row = i / per_row, col = i % per_row;
        to[row / 8 * (8 * per_row) + col / chunk * (8 * chunk) + row % 8 * chunk + col % chunk] = from[i];
    }
}

template <class D>
__device__ void store(D *o, const D (&d)[8]) {
    int row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4, col = threadIdx.x % 4 * 2;
    for (int i = 0; i < 8; i++) o[(row + (i / 2 & 1) * 8) * 16 + i / 4 * 8 + col + i % 2] = d[i];
}

extern "C" __global__ void __launch_bounds__(128) wgmma_descriptors(const uint16_t *ah, const uint16_t *bh,
        const uint16_t *ab, const uint16_t *bb, const uint32_t *at, const uint32_t *bt, const uint8_t *ai,
        const uint8_t *bi, const uint8_t *ae, const uint8_t *be, float *o, int *oi) {
    __shared__ alignas(1024) uint8_t left[4096], right[1024];
    int t = threadIdx.x;
    auto ready = [] {
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        __syncthreads();
    };
    {
        // f16, K-major, no swizzle: 128 bytes to the next matrix along K, 512 to the next eight rows.
        fill_plain(reinterpret_cast<uint16_t *>(left), ah, 64);
        fill_plain(reinterpret_cast<uint16_t *>(right), bh, 16);
        ready();
        float d[8] = {};
        fence(d);
        for (int step = 0; step < 2; step++)
            PRODUCT("k16.f32.f16.f16", "+f", ", 1, 1, 0, 0", "l", descriptor(left + step * 256, 128, 512, 0),
                    descriptor(right + step * 256, 128, 512, 0));
        finish();
        store(o, d);
        __syncthreads();
    }
    {
        // bf16, A from registers, B N-major without a swizzle: each matrix has 8 rows of K by 8 of N.
        for (int i = t; i < 32 * 16; i += blockDim.x) {
            int k = i / 16, n = i % 16;
            reinterpret_cast<uint16_t *>(right)[k / 8 * 128 + n / 8 * 64 + k % 8 * 8 + n % 8] = bb[i];
        }
        ready();
        float d[8] = {};
        uint32_t a[2][4];
        int row = t / 32 * 16 + t % 32 / 4, col = t % 4 * 2;
        for (int step = 0; step < 2; step++)
            for (int i = 0; i < 4; i++)
                a[step][i] = *reinterpret_cast<const uint32_t *>(ab + (row + (i & 1) * 8) * 32 + step * 16 + col + (i >> 1) * 8);
        for (auto &step : a)
            for (uint32_t &x : step) asm volatile("" : "+r"(x)::"memory");
        fence(d);
        for (int step = 0; step < 2; step++)
            asm volatile("wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7}, "
                         "{%8, %9, %10, %11}, %12, 1, 1, 1, 1;"
                         : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7])
                         : "r"(a[step][0]), "r"(a[step][1]), "r"(a[step][2]), "r"(a[step][3]),
                           "l"(descriptor(right + step * 512, 256, 128, 0)) : "memory");
        finish();
        store(o + 1024, d);
        __syncthreads();
    }
    {
        // tf32 in rows of 64 bytes, swizzled so; the second step is 32 bytes further.
        fill_swizzled(reinterpret_cast<uint32_t *>(left), at, 64, 64);
        fill_swizzled(reinterpret_cast<uint32_t *>(right), bt, 16, 64);
        ready();
        float d[8] = {};
        fence(d);
        for (int step = 0; step < 2; step++)
            PRODUCT("k8.f32.tf32.tf32", "+f", ", 1, 1", "l", descriptor(left + step * 32, 16, 512, 2),
                    descriptor(right + step * 32, 16, 512, 2));
        finish();
        store(o + 2048, d);
        __syncthreads();
    }
    {
        // s8 in rows of 32 bytes: each step its own tile.
        fill_swizzled(left, ai, 64, 32);
        fill_swizzled(right, bi, 16, 32);
        ready();
        int d[8] = {};
        fence(d);
        for (int step = 0; step < 2; step++)
            PRODUCT("k32.s32.s8.s8", "+r", "", "l", descriptor(left + step * 2048, 16, 256, 3),
                    descriptor(right + step * 512, 16, 256, 3));
        finish();
        store(oi, d);
        __syncthreads();
    }
    {
        // e4m3, B negated by its scale.
        fill_swizzled(left, ae, 64, 64);
        fill_swizzled(right, be, 16, 64);
        ready();
        float d[8] = {};
        fence(d);
        for (int step = 0; step < 2; step++)
            PRODUCT("k32.f32.e4m3.e4m3", "+f", ", 1, -1", "l", descriptor(left + step * 32, 16, 512, 2),
                    descriptor(right + step * 32, 16, 512, 2));
        finish();
        store(o + 3072, d);
    }
}
