// cuda::barrier: arrivals and waits, bulk copies that count their bytes, arrive_and_drop, parity waits.
#include <cooperative_groups.h>
#include <cuda/barrier>
#include <cuda/ptx>

using Barrier = cuda::barrier<cuda::thread_scope_block>;
namespace ptx = cuda::ptx;

extern "C" __global__ void block_barriers(const float *x, float *o, float *written) {
    __shared__ alignas(128) float tile[2][256];
    __shared__ alignas(128) float result[256];
#pragma nv_diag_suppress static_var_with_dynamic_init
    __shared__ Barrier filled[2], half;
    int t = threadIdx.x;
    if (t == 0) {
        init(&filled[0], blockDim.x);
        init(&filled[1], blockDim.x);
        init(&half, blockDim.x);
        ptx::fence_proxy_async(ptx::space_shared);
    }
    __syncthreads();
    float sum = 0;
    for (int step = 0; step < 6; step++) {
        int stage = step & 1;
        Barrier::arrival_token token;
        if (t == 0) {
            cuda::device::memcpy_async_tx(tile[stage], x + 256 * step, cuda::aligned_size_t<16>(1024), filled[stage]);
            token = cuda::device::barrier_arrive_tx(filled[stage], 1, 1024);
        } else {
            token = filled[stage].arrive();
        }
        filled[stage].wait(std::move(token));
        sum += tile[stage][(t * 7 + step) % 256];
        __syncthreads();
    }
    // Half of the threads leave the barrier; the rest goes on with it.
    result[t] = sum;
    if (t >= 128) {
        half.arrive_and_drop();
    } else {
        half.arrive_and_wait();
        result[t] += result[t + 128];
        half.arrive_and_wait();
        sum = result[127 - t];
        half.arrive_and_wait();
        result[t] = sum;
        ptx::fence_proxy_async(ptx::space_shared);
        half.arrive_and_wait();
        if (t == 0) {
            ptx::cp_async_bulk(ptx::space_global, ptx::space_shared, written, result, 512);
            ptx::cp_async_bulk_commit_group();
            ptx::cp_async_bulk_wait_group(ptx::n32_t<0>());
        }
    }
    o[blockIdx.x * 256 + t] = sum;
}
