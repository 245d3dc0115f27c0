// Shuffles, votes, matches and reductions of a warp, whole and in diverged parts.
extern "C" __global__ void warp_intrinsics(const int *x, int *o, double *d) {
    int lane = threadIdx.x;
    int v = x[lane];
    int row = 0;
    auto put = [&](int value) { o[32 * row++ + lane] = value; };
    put(__shfl_sync(~0u, v, 5));
    put(__shfl_sync(~0u, v, lane ^ 3, 8));
    put(__shfl_up_sync(~0u, v, 3));
    put(__shfl_up_sync(~0u, v, 2, 16));
    put(__shfl_down_sync(~0u, v, 7));
    put(__shfl_down_sync(~0u, v, 1, 4));
    put(__shfl_xor_sync(~0u, v, 21));
    put(__ballot_sync(~0u, v > 0));
    put(__any_sync(~0u, v == 7) * 2 + __all_sync(~0u, v > -1000));
    put(__match_any_sync(~0u, v & 3));
    int pred;
    put(__match_all_sync(~0u, v < 1000, &pred) + pred);
    put(__reduce_add_sync(~0u, v));
    put(__reduce_min_sync(~0u, v));
    put(__reduce_max_sync(~0u, unsigned(v)));
    put(__reduce_and_sync(~0u, v | 0xff00));
    put(__reduce_or_sync(~0u, v));
    put(__reduce_xor_sync(~0u, v));
    int part;
    if (lane % 3 == 0) {
        unsigned mask = 0x49249249;
        part = __reduce_add_sync(mask, v) + __shfl_sync(mask, v, 9);
    } else if (lane < 16) {
        unsigned mask = __activemask();
        part = __popc(mask) + __popc(__ballot_sync(mask, v & 1));
    } else {
        part = -1;
    }
    __syncwarp();
    put(part);
    put(__shfl_sync(0x0000ffffu << (lane & 16), v, lane + 1));
    d[lane] = __shfl_xor_sync(~0u, double(v) * 1.5, 1);
    unsigned leader = __ffs(__ballot_sync(~0u, v < 0));
    put(leader);
}
