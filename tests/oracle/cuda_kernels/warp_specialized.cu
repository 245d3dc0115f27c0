// A product as Hopper kernels are written: one producer warpgroup that copies by TMA and gives its registers away, two
// consumer warpgroups, a ring of full and empty barriers, stmatrix and a TMA store at the end.
#include <cuda.h>
#include <cuda_fp16.h>
#include <cstdint>

constexpr int BM = 128, BN = 32, BK = 32, STAGES = 2;

struct Shared {
    alignas(1024) half a[STAGES][BM * BK];
    alignas(1024) half b[STAGES][BN * BK];
    alignas(1024) half c[BM * BN];
    alignas(8) uint64_t full[STAGES], empty[STAGES];
};

__device__ uint32_t shared(const void *p) { return uint32_t(__cvta_generic_to_shared(p)); }

__device__ void wait(uint64_t *bar, int parity) {
    asm volatile("{ .reg .pred done; again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
                 "@done bra leave; bra again; leave: }" ::"r"(shared(bar)), "r"(parity) : "memory");
}

__device__ void load(void *to, const CUtensorMap *map, uint64_t *bar, int x, int y) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];"
                 ::"r"(shared(to)), "l"(map), "r"(shared(bar)), "r"(x), "r"(y) : "memory");
}

// Rows of 64 bytes, swizzled so: 512 bytes to the next eight rows.
__device__ uint64_t descriptor(const half *p) {
    return (uint64_t(shared(p)) & 0x3ffff) >> 4 | uint64_t(1) << 16 | uint64_t(512 >> 4) << 32 | uint64_t(2) << 62;
}

extern "C" __global__ void __launch_bounds__(384, 1) warp_specialized(const __grid_constant__ CUtensorMap a,
        const __grid_constant__ CUtensorMap b, const __grid_constant__ CUtensorMap c, int depth) {
    extern __shared__ uint8_t raw[];
    Shared &s = *reinterpret_cast<Shared *>((reinterpret_cast<uintptr_t>(raw) + 1023) & ~uintptr_t(1023));
    int group = threadIdx.x / 128, lane = threadIdx.x % 32, warp = threadIdx.x % 128 / 32;
    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; i++) {
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared(&s.full[i])));
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 8;" ::"r"(shared(&s.empty[i])));
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    }
    __syncthreads();
    int row = blockIdx.x * BM, col = blockIdx.y * BN, steps = depth / BK;
    if (group == 0) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        if (threadIdx.x == 0)
            for (int step = 0; step < steps; step++) {
                int stage = step % STAGES;
                wait(&s.empty[stage], (step / STAGES & 1) ^ 1);
                asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared(&s.full[stage])),
                             "r"((BM + BN) * BK * 2) : "memory");
                load(s.a[stage], &a, &s.full[stage], step * BK, row);
                load(s.b[stage], &b, &s.full[stage], step * BK, col);
            }
        return;
    }
    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    float d[16] = {};
    for (int step = 0; step < steps; step++) {
        int stage = step % STAGES;
        wait(&s.full[stage], step / STAGES & 1);
        // Named so that the compiler does not move what sets them behind the fence.
        for (float &x : d) asm volatile("" : "+f"(x)::"memory");
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
        for (int k = 0; k < BK; k += 16)
            asm volatile("wgmma.mma_async.sync.aligned.m64n32k16.f32.f16.f16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, "
                         "%11, %12, %13, %14, %15}, %16, %17, 1, 1, 1, 0, 0;"
                         : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
                           "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]),
                           "+f"(d[15])
                         : "l"(descriptor(s.a[stage] + (group - 1) * 64 * BK + k)), "l"(descriptor(s.b[stage] + k))
                         : "memory");
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
        // Each of the eight warps is done with its rows.
        if (lane == 0)
            asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared(&s.empty[stage])) : "memory");
    }
    half *out = s.c + (group - 1) * 64 * BN;
    for (int j = 0; j < 2; j++) {
        uint32_t r[4];
        for (int i = 0; i < 4; i++) {
            half2 pair = __floats2half2_rn(d[8 * j + 2 * i], d[8 * j + 2 * i + 1]);
            r[i] = reinterpret_cast<uint32_t &>(pair);
        }
        uint32_t to = shared(out + (warp * 16 + lane % 16) * BN + j * 16 + lane / 16 * 8);
        asm volatile("stmatrix.sync.aligned.m8n8.x4.shared::cta.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(r[0]),
                     "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
    }
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    // The consumers of this half meet at a barrier of their own.
    asm volatile("bar.sync %0, 128;" ::"r"(group) : "memory");
    if (threadIdx.x % 128 == 0) {
        asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];" ::"l"(&c),
                     "r"(shared(out)), "r"(col), "r"(row + (group - 1) * 64) : "memory");
        asm volatile("cp.async.bulk.commit_group;" ::: "memory");
        asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
    }
}
