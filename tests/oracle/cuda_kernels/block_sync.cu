// What is left of a block's synchronisation and a thread's surroundings: counting barriers, named barriers of some
// warps, volatile and cached loads, prefetches, special registers, clocks, elections, waits for another grid.
#include <cstdint>

extern "C" __global__ void block_sync(const int4 *x, const int *y, int *o, unsigned *r) {
    extern __shared__ int dynamic[];
    __shared__ int turn[64];
    int t = threadIdx.x + threadIdx.y * blockDim.x, warp = t / 32, n = blockDim.x * blockDim.y;
    int row = 0;
    auto put = [&](int value) { o[n * row++ + t] = value; };
    put(__syncthreads_count(t % 3 == 0));
    put(__syncthreads_and(t < 1000));
    put(__syncthreads_or(t == 77));
    // Warps 0 and 1 hand values to warps 2 and 3 through named barriers: arrive without waiting, wait without working.
    if (warp < 2) {
        turn[t] = t * t;
        asm volatile("bar.arrive 3, 128;" ::: "memory");
        asm volatile("barrier.sync.aligned 4, 128;" ::: "memory");
        put(dynamic[t]);
    } else {
        asm volatile("bar.sync 3, 128;" ::: "memory");
        int value = turn[127 - t];
        dynamic[t - 64] = value + 1;
        asm volatile("barrier.arrive.aligned 4, 128;" ::: "memory");
        put(value);
    }
    int4 wide = __ldg(x + t);
    put(wide.x ^ wide.y ^ wide.z ^ wide.w);
    put(__ldcg(y + t) + __ldcs(y + n - 1 - t) + __ldlu(y + t) + __ldcv(y + t));
    asm volatile("prefetch.global.L2 [%0];" ::"l"(y + t));
    unsigned leader, elected;
    asm volatile("{ .reg .pred p; elect.sync %0|p, 0xffffffff; selp.u32 %1, 1, 0, p; }" : "=r"(leader), "=r"(elected));
    put(__popc(__ballot_sync(~0u, elected)) * 100 + leader);
    long long begin = clock64();
    __nanosleep(20);
    unsigned long long now;
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
    put(clock64() >= begin && now > 0);
    put(__isShared(turn) * 8 + __isGlobal(o) * 4 + __isLocal(&leader) * 2 + __isConstant(o));
    unsigned lanes, below, bytes, warps, total;
    asm("mov.u32 %0, %lanemask_eq;" : "=r"(lanes));
    asm("mov.u32 %0, %lanemask_lt;" : "=r"(below));
    asm volatile("mov.u32 %0, %dynamic_smem_size;" : "=r"(bytes));
    asm volatile("mov.u32 %0, %nctaid.x;" : "=r"(warps));
    asm volatile("mov.u32 %0, %total_smem_size;" : "=r"(total));
    put((lanes - 1 == below) * 10000 + bytes + warps + (total >= bytes + 256) * 100000);
    asm volatile("griddepcontrol.wait;" ::: "memory");
    asm volatile("griddepcontrol.launch_dependents;");
    __threadfence_system();
    if (t == 0) {
        unsigned old;
        asm volatile("atom.acq_rel.gpu.global.exch.b32 %0, [%1], 7;" : "=r"(old) : "l"(r) : "memory");
        asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(r + 1), "r"(old + 1) : "memory");
        asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(old) : "l"(r + 1) : "memory");
        asm volatile("red.relaxed.gpu.global.add.u32 [%0], %1;" ::"l"(r + 2), "r"(old) : "memory");
    }
}
