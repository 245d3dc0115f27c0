// A cluster of two blocks: shared memory of the other one read, written and added to; ranks and barriers.
#include <cooperative_groups.h>

namespace cg = cooperative_groups;

extern "C" __global__ void __cluster_dims__(2, 1, 1) cluster(const int *x, int *o, int *ranks, unsigned *bins) {
    __shared__ int mine[128];
    __shared__ unsigned histogram[16];
    auto all = cg::this_cluster();
    int rank = all.block_rank(), t = threadIdx.x;
    mine[t] = x[blockIdx.x * 128 + t];
    if (t < 16) histogram[t] = 0;
    all.sync();
    // Reads of the other block, in reverse.
    int *other = all.map_shared_rank(mine, rank ^ 1);
    int value = other[127 - t];
    // Sixteen bins, eight in each block.
    int bin = unsigned(mine[t]) % 16;
    atomicAdd(all.map_shared_rank(histogram, bin / 8) + bin % 8, 1u);
    all.sync();
    other[t] = value + rank;
    all.sync();
    o[blockIdx.x * 128 + t] = mine[t];
    if (t < 8) bins[(blockIdx.x / 2) * 16 + rank * 8 + t] = histogram[t];
    if (t == 0) {
        ranks[blockIdx.x * 4] = rank;
        ranks[blockIdx.x * 4 + 1] = all.num_blocks();
        ranks[blockIdx.x * 4 + 2] = all.query_shared_rank(other);
        ranks[blockIdx.x * 4 + 3] = all.thread_rank();
    }
    // Arrive and wait apart from one another.
    auto token = all.barrier_arrive();
    if (t == 1) ranks[blockIdx.x * 4] += 100;
    all.barrier_wait(std::move(token));
}
