// Copies to every block of a cluster at once, stores and reductions that arrive on another block's barrier.
#include <cooperative_groups.h>
#include <cuda.h>
#include <cuda/ptx>

namespace cg = cooperative_groups;
namespace ptx = cuda::ptx;

extern "C" __global__ void __cluster_dims__(2, 1, 1) multicast(const __grid_constant__ CUtensorMap map, const int *x,
                                                               int *o, unsigned *sums, int *sent) {
    __shared__ alignas(128) int tile[2][64 * 2];
    __shared__ alignas(128) int line[2][64];
    __shared__ alignas(16) unsigned counts[4];
    __shared__ alignas(16) int letters[64];
    __shared__ alignas(128) unsigned total[64];
    __shared__ uint64_t bars[3];
    auto cluster = cg::this_cluster();
    int rank = cluster.block_rank(), t = threadIdx.x;
    if (t == 0) {
        for (auto &bar : bars) ptx::mbarrier_init(&bar, 1);
        ptx::fence_mbarrier_init(ptx::sem_release, ptx::scope_cluster);
    }
    if (t < 4) counts[t] = 0;
    total[t] = t;
    cluster.sync();
    if (t == 0) {
        // Each block's half comes from the block of that rank: two boxes of 32 words by 4, two lines of 64 words.
        ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared, &bars[0], 2 * 512 + 2 * 256);
        const int at[2] = {32 * rank, 3};
        ptx::cp_async_bulk_tensor(ptx::space_cluster, ptx::space_global, tile[rank], &map, at, &bars[0], uint16_t(3));
        ptx::cp_async_bulk(ptx::space_cluster, ptx::space_global, line[rank], x + 64 * rank, 256, &bars[0], uint16_t(3));
        ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared, &bars[1], 256 + 4 * 64);
        ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared, &bars[2], 256);
    }
    while (!ptx::mbarrier_try_wait_parity(&bars[0], 0));
    for (int i = t; i < 256; i += 64) o[blockIdx.x * 384 + i] = (&tile[0][0])[i];
    for (int i = t; i < 128; i += 64) o[blockIdx.x * 384 + 256 + i] = (&line[0][0])[i];
    // A word from each thread to the other block, and an addition there.
    ptx::st_async(cluster.map_shared_rank(&letters[63 - t], rank ^ 1), t * 10 + rank, cluster.map_shared_rank(&bars[1], rank ^ 1));
    ptx::red_async(ptx::op_add, cluster.map_shared_rank(&counts[t % 4], rank ^ 1), unsigned(t + 1),
                   cluster.map_shared_rank(&bars[1], rank ^ 1));
    while (!ptx::mbarrier_try_wait_parity(ptx::sem_acquire, ptx::scope_cluster, &bars[1], 0));
    sent[blockIdx.x * 64 + t] = letters[t];
    // A whole line added to the other block's.
    __shared__ alignas(128) unsigned addend[64];
    addend[t] = 1000 * (rank + 1) + t;
    ptx::fence_proxy_async(ptx::space_shared);
    __syncthreads();
    if (t == 0)
        ptx::cp_reduce_async_bulk(ptx::space_cluster, ptx::space_shared, ptx::op_add,
                                  cluster.map_shared_rank(total, rank ^ 1), addend, 256,
                                  cluster.map_shared_rank(&bars[2], rank ^ 1));
    while (!ptx::mbarrier_try_wait_parity(ptx::sem_acquire, ptx::scope_cluster, &bars[2], 0));
    sums[blockIdx.x * 68 + t] = total[t];
    if (t < 4) sums[blockIdx.x * 68 + 64 + t] = counts[t];
    cluster.sync();
}
