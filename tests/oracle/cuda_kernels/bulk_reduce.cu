// Bulk reductions into global memory in every type that has them, and stmatrix before a bulk copy.
#include <cuda/ptx>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace ptx = cuda::ptx;

extern "C" __global__ void bulk_reduce(const unsigned *x, unsigned *u, int *i, unsigned long long *w, half *h,
                                       __nv_bfloat16 *b, half *matrices) {
    __shared__ alignas(128) unsigned words[64];
    __shared__ alignas(128) unsigned long long longs[32];
    __shared__ alignas(128) half halves[64];
    __shared__ alignas(128) __nv_bfloat16 brains[64];
    __shared__ alignas(128) half tile[2][256];
    int t = threadIdx.x;
    for (int k = t; k < 64; k += 32) {
        words[k] = x[blockIdx.x * 64 + k];
        halves[k] = __float2half(float(int(words[k] % 17) - 8));
        brains[k] = __float2bfloat16(float(int(words[k] % 13) - 6) * 0.5f);
    }
    longs[t] = (unsigned long long)x[blockIdx.x * 64 + t] << 20;
    // Fragments of a 16 by 16 tile, as they are and transposed.
    unsigned r[4];
    for (int k = 0; k < 4; k++) {
        int row = t / 4 + 8 * (k & 1), col = t % 4 * 2 + 8 * (k >> 1);
        half2 pair = __floats2half2_rn(row * 16 + col, row * 16 + col + 1);
        r[k] = reinterpret_cast<unsigned &>(pair);
    }
    unsigned to = unsigned(__cvta_generic_to_shared(tile[0] + (t % 16) * 16 + t / 16 * 8));
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(r[0]), "r"(r[1]),
                 "r"(r[2]), "r"(r[3]) : "memory");
    to = unsigned(__cvta_generic_to_shared(tile[1] + (t % 8 + t / 16 * 8) * 16 + (t / 8 & 1) * 8));
    asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(r[0]),
                 "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
    ptx::fence_proxy_async(ptx::space_shared);
    __syncwarp();
    if (t == 0) {
        using namespace ptx;
        cp_reduce_async_bulk(space_global, space_shared, op_add, u, words, 256);
        cp_reduce_async_bulk(space_global, space_shared, op_min, u + 64, words, 256);
        cp_reduce_async_bulk(space_global, space_shared, op_max, u + 128, words, 256);
        cp_reduce_async_bulk(space_global, space_shared, op_xor_op, i, reinterpret_cast<int *>(words), 256);
        cp_reduce_async_bulk(space_global, space_shared, op_and_op, i + 64, reinterpret_cast<int *>(words), 256);
        cp_reduce_async_bulk(space_global, space_shared, op_min, i + 128, reinterpret_cast<int *>(words), 256);
        cp_reduce_async_bulk(space_global, space_shared, op_add, reinterpret_cast<uint64_t *>(w), reinterpret_cast<uint64_t *>(longs), 256);
        cp_reduce_async_bulk(space_global, space_shared, op_add, h, halves, 128);
        cp_reduce_async_bulk(space_global, space_shared, op_max, h + 64, halves, 128);
        cp_reduce_async_bulk(space_global, space_shared, op_add, b, brains, 128);
        cp_reduce_async_bulk(space_global, space_shared, op_min, b + 64, brains, 128);
        if (blockIdx.x == 0) cp_async_bulk(space_global, space_shared, matrices, tile, 1024);
        cp_async_bulk_commit_group();
        cp_async_bulk_wait_group(n32_t<0>());
    }
}
