// Cooperative groups: reductions and scans over tiles, partitions by label, coalesced groups.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>

namespace cg = cooperative_groups;

extern "C" __global__ void groups(const int *x, int *o, float *f) {
    __shared__ int partial[32];
    auto block = cg::this_thread_block();
    auto warp = cg::tiled_partition<32>(block);
    auto eight = cg::tiled_partition<8>(block);
    int rank = block.thread_rank();
    int n = block.num_threads();
    int value = x[rank];
    int sum = cg::reduce(warp, value, cg::plus<int>());
    if (warp.thread_rank() == 0) partial[warp.meta_group_rank()] = sum;
    block.sync();
    int all = 0;
    for (int i = 0; i < warp.meta_group_size(); i++) all += partial[i];
    o[rank] = all;
    o[n + rank] = cg::reduce(eight, value, cg::greater<int>());
    o[2 * n + rank] = cg::inclusive_scan(eight, value);
    o[3 * n + rank] = cg::exclusive_scan(warp, value);
    auto same = cg::labeled_partition(warp, value % 3);
    o[4 * n + rank] = same.size() * 100 + same.thread_rank();
    auto parity = cg::binary_partition(warp, value > 0);
    o[5 * n + rank] = cg::reduce(parity, value, cg::bit_xor<int>());
    int result = -1;
    if (value > 10) {
        auto active = cg::coalesced_threads();
        result = active.shfl(value, 0) + active.size() * 1000;
    }
    o[6 * n + rank] = result;
    f[rank] = cg::reduce(warp, float(value) * 0.25f, cg::plus<float>());
    f[n + rank] = cg::reduce(eight, float(value) * 0.5f, cg::less<float>());
}
