// A scan across blocks in one pass (decoupled look-back): each block publishes its sum, then its prefix.
#include <cuda/atomic>

extern "C" __global__ void lookback(const int *x, int *o, unsigned long long *status, unsigned *ticket) {
    __shared__ int warps[4];
    __shared__ int prefix;
    __shared__ unsigned block;
    // Blocks number themselves as they start, so that each waits only for those that run.
    if (threadIdx.x == 0) block = atomicAdd(ticket, 1);
    __syncthreads();
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int value = x[block * 128 + threadIdx.x];
    int sum = value;
    for (int step = 1; step < 32; step *= 2) {
        int other = __shfl_up_sync(~0u, sum, step);
        if (lane >= step) sum += other;
    }
    if (lane == 31) warps[warp] = sum;
    __syncthreads();
    int before = 0, total = 0;
    for (int i = 0; i < 4; i++) {
        if (i < warp) before += warps[i];
        total += warps[i];
    }
    using Ref = cuda::atomic_ref<unsigned long long, cuda::thread_scope_device>;
    if (warp == 0) {
        const unsigned long long SUM = 1ull << 32, PREFIX = 2ull << 32;
        if (lane == 0)
            Ref(status[block]).store((block == 0 ? PREFIX : SUM) | unsigned(total), cuda::memory_order_release);
        int carry = 0;
        // The warp looks at 32 earlier blocks at once.
        for (int last = int(block) - 1; last >= 0; last -= 32) {
            int at = last - lane;
            unsigned long long seen = PREFIX;
            if (at >= 0)
                do seen = Ref(status[at]).load(cuda::memory_order_acquire);
                while (seen >> 32 == 0);
            unsigned done = __ballot_sync(~0u, seen >> 33 != 0);
            int stop = __ffs(done) - 1;
            carry += __reduce_add_sync(~0u, stop < 0 || lane <= stop ? int(unsigned(seen)) : 0);
            if (stop >= 0) break;
        }
        if (lane == 0) {
            prefix = carry;
            if (block > 0) Ref(status[block]).store(PREFIX | unsigned(carry + total), cuda::memory_order_release);
        }
    }
    __syncthreads();
    o[block * 128 + threadIdx.x] = prefix + before + sum;
}
