// Tiles by TMA through tensor maps in the parameters, and their bytes as they lie in shared memory: each swizzle,
// over every edge, in two and three dimensions; stored back and added by TMA.
#include <cuda.h>
#include <cuda/barrier>
#include <cuda/ptx>

using Barrier = cuda::barrier<cuda::thread_scope_block>;
namespace cde = cuda::device::experimental;
namespace ptx = cuda::ptx;

extern "C" __global__ void tensor_maps(const __grid_constant__ CUtensorMap plain, const __grid_constant__ CUtensorMap s32,
                                       const __grid_constant__ CUtensorMap s64, const __grid_constant__ CUtensorMap s128,
                                       const __grid_constant__ CUtensorMap cube, const __grid_constant__ CUtensorMap out,
                                       const __grid_constant__ CUtensorMap sums, int *o) {
    __shared__ alignas(1024) int tile[5][512];
#pragma nv_diag_suppress static_var_with_dynamic_init
    __shared__ Barrier bar;
    int t = threadIdx.x;
    if (t == 0) {
        init(&bar, blockDim.x);
        cde::fence_proxy_async_shared_cta();
    }
    __syncthreads();
    Barrier::arrival_token token;
    if (t == 0) {
        // 16 rows: of 128 bytes, of 32, of 64, of 128; a cube of 4 by 4 by 8. Rows begin at multiples of 16 bytes: an H100
        // takes others for an illegal instruction.
        cde::cp_async_bulk_tensor_2d_global_to_shared(tile[0], &plain, -4, 5, bar);
        cde::cp_async_bulk_tensor_2d_global_to_shared(tile[1], &s32, 8, -2, bar);
        cde::cp_async_bulk_tensor_2d_global_to_shared(tile[2], &s64, 40, 4, bar);
        cde::cp_async_bulk_tensor_2d_global_to_shared(tile[3], &s128, 4, 17, bar);
        cde::cp_async_bulk_tensor_3d_global_to_shared(tile[4], &cube, 4, -1, 2, bar);
        token = cuda::device::barrier_arrive_tx(bar, 1, 2048 + 512 + 1024 + 2048 + 512);
    } else {
        token = bar.arrive();
    }
    bar.wait(std::move(token));
    for (int buffer = 0; buffer < 5; buffer++) {
        int words = buffer == 1 || buffer == 4 ? 128 : buffer == 2 ? 256 : 512;
        for (int i = t; i < words; i += blockDim.x) o[buffer * 512 + i] = tile[buffer][i];
    }
    __syncthreads();
    // The swizzled tile goes back through the same swizzle, past the edge, and is added elsewhere.
    for (int i = t; i < 512; i += blockDim.x) tile[3][i] += 1000;
    cde::fence_proxy_async_shared_cta();
    __syncthreads();
    if (t == 0) {
        cde::cp_async_bulk_tensor_2d_shared_to_global(&out, 8, 20, tile[3]);
        const int at[2] = {-4, 2};
        ptx::cp_reduce_async_bulk_tensor(ptx::space_global, ptx::space_shared, ptx::op_add, &sums, at, tile[3]);
        cde::cp_async_bulk_commit_group();
        cde::cp_async_bulk_wait_group_read<0>();
    }
    __syncthreads();
    if (t == 0) ptx::cp_async_bulk_wait_group(ptx::n32_t<0>());
}
