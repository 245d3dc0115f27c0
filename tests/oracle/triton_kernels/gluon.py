"""Gluon, where layouts are said rather than chosen: each swizzle, transposition and width of wgmma and TMA by name,
asynchronous copies that arrive on barriers, warps with roles, and conversions between register layouts.
"""

import numpy as np
from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia import hopper
from triton.experimental.gluon.language.nvidia.ampere import async_copy, mbarrier as ampere_mbarrier, mma_v2
from triton.experimental.gluon.language.nvidia.hopper import mbarrier, tma

from numbers_of import Out, coarse, integers, rounded
from triton_build import Desc, Kernel


@gluon.jit
def tile_offsets(ROWS: gl.constexpr, COLS: gl.constexpr, layout: gl.constexpr):
    rows = gl.arange(0, ROWS, gl.SliceLayout(1, layout))
    cols = gl.arange(0, COLS, gl.SliceLayout(0, layout))
    return rows[:, None] * COLS + cols[None, :]


@gluon.jit
def product(a, b, c, M: gl.constexpr, N: gl.constexpr, K: gl.constexpr, LAYOUT_A: gl.constexpr,
            LAYOUT_B: gl.constexpr, ACC: gl.constexpr, ACC_TYPE: gl.constexpr, FROM_REGISTERS: gl.constexpr,
            WIDTH: gl.constexpr):
    """C = A · B by one wgmma per 32 bytes of K; the operands lie in shared memory as the layouts say."""
    copy: gl.constexpr = gl.BlockedLayout([1, 1], [1, 32], [4, 1], [1, 0])
    x = gl.load(a + tile_offsets(M, K, copy))
    y = gl.load(b + tile_offsets(K, N, copy))
    right = gl.allocate_shared_memory(b.dtype.element_ty, [K, N], LAYOUT_B, y)
    zero = gl.full([M, N], 0, ACC_TYPE, ACC)
    if FROM_REGISTERS:
        hopper.fence_async_shared()
        left = gl.convert_layout(x, gl.DotOperandLayout(0, ACC, WIDTH))
        out = hopper.warpgroup_mma(left, right, zero)
    else:
        left = gl.allocate_shared_memory(a.dtype.element_ty, [M, K], LAYOUT_A, x)
        hopper.fence_async_shared()
        out = hopper.warpgroup_mma(left, right, zero)
    gl.store(c + gl.convert_layout(tile_offsets(M, N, copy), ACC), out)


@gluon.jit
def map_tile(x, o, row, col, LAYOUT: gl.constexpr, BM: gl.constexpr, BN: gl.constexpr):
    """Global to shared by TMA, to registers and back to shared memory, shared to global by TMA."""
    tile = gl.allocate_shared_memory(x.dtype, [BM, BN], LAYOUT)
    bar = gl.allocate_shared_memory(gl.int64, [1], mbarrier.MBarrierLayout())
    mbarrier.init(bar, count=1)
    mbarrier.expect(bar, x.block_type.nbytes)
    tma.async_copy_global_to_shared(x, [row, col], bar, tile)
    mbarrier.wait(bar, 0)
    mbarrier.invalidate(bar)
    registers: gl.constexpr = gl.BlockedLayout([1, 1], [4, 8], [4, 1], [1, 0])
    values = tile.load(registers)
    tile.store(values + values)
    hopper.fence_async_shared()
    tma.async_copy_shared_to_global(o, [row, col], tile)
    tma.store_wait(0)


@gluon.jit
def copies_that_arrive(x, o, N: gl.constexpr, STAGES: gl.constexpr):
    """cp.async whose completion arrives on an mbarrier, in a ring."""
    layout: gl.constexpr = gl.BlockedLayout([4], [32], [4], [0])
    ring = gl.allocate_shared_memory(gl.float32, [STAGES, N], gl.SwizzledSharedLayout(1, 1, 1, [0]))
    bars = gl.allocate_shared_memory(gl.int64, [STAGES, 1], ampere_mbarrier.MBarrierLayout())
    at = gl.arange(0, N, layout)
    for first in gl.static_range(STAGES):
        ampere_mbarrier.init(bars.index(first), count=128)
    gl.thread_barrier()
    for first in gl.static_range(STAGES):
        async_copy.async_copy_global_to_shared(ring.index(first), x + first * N + at)
        async_copy.mbarrier_arrive(bars.index(first), increment_count=False)
    total = gl.full([N], 0.0, gl.float32, layout)
    for step in range(2 * STAGES):
        stage = step % STAGES
        ampere_mbarrier.wait(bars.index(stage), (step // STAGES) & 1)
        value = ring.index(stage).load(layout)
        total += value * (step + 1)
        gl.thread_barrier()
        if step < STAGES:
            async_copy.async_copy_global_to_shared(ring.index(stage), x + (step + STAGES) * N + at)
            async_copy.mbarrier_arrive(bars.index(stage), increment_count=False)
    gl.store(o + at, total)


@gluon.jit
def product_v2(a, b, c, M: gl.constexpr, N: gl.constexpr, K: gl.constexpr, ACC: gl.constexpr, LAYOUT: gl.constexpr,
               WIDTH: gl.constexpr, ACC_TYPE: gl.constexpr):
    """mma.sync fed from a swizzled layout by ldmatrix."""
    copy: gl.constexpr = gl.BlockedLayout([1, 8], [4, 8], [4, 1], [1, 0])
    left = gl.allocate_shared_memory(a.dtype.element_ty, [M, K], LAYOUT)
    right = gl.allocate_shared_memory(b.dtype.element_ty, [K, N], LAYOUT)
    async_copy.async_copy_global_to_shared(left, a + tile_offsets(M, K, copy))
    async_copy.async_copy_global_to_shared(right, b + tile_offsets(K, N, copy))
    async_copy.commit_group()
    async_copy.wait_group(0)
    gl.thread_barrier()
    x = left.load(gl.DotOperandLayout(0, ACC, WIDTH))
    y = right.load(gl.DotOperandLayout(1, ACC, WIDTH))
    out = mma_v2(x, y, gl.full([M, N], 0, ACC_TYPE, ACC))
    gl.store(c + gl.convert_layout(tile_offsets(M, N, copy), ACC), out)


@gluon.jit
def producer(a, b, full, empty, ring_a, ring_b, row, col, K: gl.constexpr, BK: gl.constexpr, STAGES: gl.constexpr):
    for step in range(K // BK):
        stage = step % STAGES
        mbarrier.wait(empty.index(stage), ((step // STAGES) & 1) ^ 1)
        mbarrier.expect(full.index(stage), a.block_type.nbytes + b.block_type.nbytes)
        tma.async_copy_global_to_shared(a, [row, step * BK], full.index(stage), ring_a.index(stage))
        tma.async_copy_global_to_shared(b, [step * BK, col], full.index(stage), ring_b.index(stage))


@gluon.jit
def consumer(c, full, empty, ring_a, ring_b, row, col, K: gl.constexpr, BK: gl.constexpr, STAGES: gl.constexpr,
             ACC: gl.constexpr, BM: gl.constexpr, BN: gl.constexpr):
    acc = hopper.warpgroup_mma_init(gl.full([BM, BN], 0.0, gl.float32, ACC))
    for step in range(K // BK):
        stage = step % STAGES
        mbarrier.wait(full.index(stage), (step // STAGES) & 1)
        # The product before is done: its stage is free.
        done = hopper.warpgroup_mma_wait(0, deps=(acc,))
        mbarrier.arrive(empty.index((step + STAGES - 1) % STAGES), count=1, pred=step > 0)
        acc = hopper.warpgroup_mma(ring_a.index(stage), ring_b.index(stage), done, is_async=True)
    result = hopper.warpgroup_mma_wait(0, deps=(acc,))
    out = gl.allocate_shared_memory(c.dtype, [BM, BN], c.layout, result.to(c.dtype))
    hopper.fence_async_shared()
    tma.async_copy_shared_to_global(c, [row, col], out)
    tma.store_wait(0)


@gluon.jit
def specialized(a, b, c, K: gl.constexpr, STAGES: gl.constexpr, ACC: gl.constexpr):
    """One producer warp that copies, one warpgroup that multiplies, a ring of full and empty barriers between."""
    BM: gl.constexpr = a.block_type.shape[0]
    BK: gl.constexpr = a.block_type.shape[1]
    BN: gl.constexpr = b.block_type.shape[1]
    ring_a = gl.allocate_shared_memory(a.dtype, [STAGES, BM, BK], a.layout)
    ring_b = gl.allocate_shared_memory(b.dtype, [STAGES, BK, BN], b.layout)
    full = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    empty = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    for stage in gl.static_range(STAGES):
        mbarrier.init(full.index(stage), count=1)
        mbarrier.init(empty.index(stage), count=1)
    row = gl.program_id(0) * BM
    col = gl.program_id(1) * BN
    gl.warp_specialize([
        (consumer, (c, full, empty, ring_a, ring_b, row, col, K, BK, STAGES, ACC, BM, BN)),
        (producer, (a, b, full, empty, ring_a, ring_b, row, col, K, BK, STAGES)),
    ], [1], [24])


@gluon.jit
def converted(x, o, FROM: gl.constexpr, TO: gl.constexpr, M: gl.constexpr, N: gl.constexpr):
    """One register layout to another: shuffles, or through shared memory by stmatrix where it fits."""
    tile = gl.load(x + tile_offsets(M, N, FROM))
    gl.store(o + tile_offsets(M, N, TO), gl.convert_layout(tile, TO))


@gluon.jit
def through_shared(x, o, SHARED: gl.constexpr, FROM: gl.constexpr, TO: gl.constexpr, M: gl.constexpr,
                   N: gl.constexpr):
    """Registers to shared memory in one layout, read back, also transposed and by half tiles, in another."""
    tile = gl.load(x + tile_offsets(M, N, FROM))
    shared = gl.allocate_shared_memory(x.dtype.element_ty, [M, N], SHARED, tile)
    gl.store(o + tile_offsets(M, N, TO), shared.load(TO))
    turned = shared.permute([1, 0])
    gl.store(o + M * N + tile_offsets(N, M, TO), turned.load(TO))


GL = {"f16": gl.float16, "bf16": gl.bfloat16, "f32": gl.float32, "e4m3": gl.float8e4nv, "e5m2": gl.float8e5,
      "i8": gl.int8}
BITS = {"f16": 16, "bf16": 16, "f32": 32, "e4m3": 8, "e5m2": 8, "i8": 8}


def wgmma_case(name, dtype, n, k, swizzles, transposed, registers=False, acc="f32", m=64, seed=1):
    make = (lambda s, shape: integers(s, shape, "i8", -9, 10)) if dtype == "i8" else (
        lambda s, shape: coarse(s, shape, dtype, 4, 0.5))
    a, b = make(seed, (m, k)), make(seed + 1, (k, n))
    layout = lambda swizzle, turned: gl.NVMMASharedLayout(swizzle, BITS[dtype], 2, transposed=turned)  # noqa: E731
    instr_k = 256 // BITS[dtype]
    mma = gl.NVMMADistributedLayout(version=[3, 0], warps_per_cta=[4, 1], instr_shape=[16, n, instr_k])
    acc = "i32" if dtype == "i8" else acc
    want = a.f64.astype(float) @ b.f64.astype(float)
    return Kernel(name, product, (1,),
                  dict(a=a, b=b, c=Out((m, n), acc), M=m, N=n, K=k, LAYOUT_A=layout(swizzles[0], transposed[0]),
                       LAYOUT_B=layout(swizzles[1], transposed[1]), ACC=mma,
                       ACC_TYPE={"f32": gl.float32, "i32": gl.int32, "f16": gl.float16}[acc],
                       FROM_REGISTERS=registers, WIDTH=32 // BITS[dtype]), {"c": rounded(want, acc)}, targets=(90,),
                  contains=("wgmma.mma_async",))


def kernels():
    # A is [M, K]: K-major as it stands, M-major transposed; B is [K, N]: N-major as it stands, K-major transposed.
    for dtype in ("f16", "bf16"):
        for swizzle in (32, 64, 128):
            elements = swizzle // 2
            for ta in (False, True):
                for tb in (False, True):
                    yield wgmma_case(f"wgmma_{dtype}_s{swizzle}_{'t' if ta else 'n'}{'t' if tb else 'n'}", dtype,
                                     max(elements, 32), max(elements, 32), (swizzle, swizzle), (ta, tb), seed=swizzle)
    for swizzle_a, swizzle_b in ((128, 32), (32, 128), (64, 128), (128, 64)):
        yield wgmma_case(f"wgmma_mixed_s{swizzle_a}_s{swizzle_b}", "f16", 64, 64, (swizzle_a, swizzle_b),
                         (False, True), seed=2)
        yield wgmma_case(f"wgmma_mixed_s{swizzle_a}_s{swizzle_b}_n", "f16", 64, 64, (swizzle_a, swizzle_b),
                         (True, False), seed=2)
    # The other types take K-major operands only.
    for dtype in ("f32", "e4m3", "e5m2", "i8"):
        for swizzle in (32, 64, 128):
            k = swizzle * 8 // BITS[dtype]
            yield wgmma_case(f"wgmma_{dtype}_s{swizzle}", dtype, 32, k, (swizzle, swizzle), (False, True), seed=3)
    # Several repetitions of the swizzle along each dimension.
    for ta in (False, True):
        for tb in (False, True):
            yield wgmma_case(f"wgmma_far_{'t' if ta else 'n'}{'t' if tb else 'n'}", "f16", 256, 256, (128, 128),
                             (ta, tb), seed=4)
            yield wgmma_case(f"wgmma_far64_{'t' if ta else 'n'}{'t' if tb else 'n'}", "bf16", 128, 128, (64, 64),
                             (ta, tb), seed=4)
            yield wgmma_case(f"wgmma_far32_{'t' if ta else 'n'}{'t' if tb else 'n'}", "bf16", 64, 64, (32, 32),
                             (ta, tb), seed=4)
    yield wgmma_case("wgmma_m128", "f16", 64, 64, (128, 128), (False, False), m=128)
    yield wgmma_case("wgmma_m192_t", "f16", 64, 64, (128, 128), (True, False), m=256)
    for n in (8, 16, 128, 256):
        yield wgmma_case(f"wgmma_n{n}", "bf16", n, 64, (128, 128), (False, True), seed=5)
    for dtype, swizzle in (("f16", 128), ("bf16", 64), ("f32", 128), ("e4m3", 128), ("i8", 64)):
        turned = dtype not in ("f16", "bf16")
        k = max(2 * 256 // BITS[dtype], swizzle * 8 // BITS[dtype])
        yield wgmma_case(f"wgmma_registers_{dtype}", dtype, 64, k, (swizzle, swizzle), (False, True), True, seed=6)
        if not turned:
            yield wgmma_case(f"wgmma_registers_{dtype}_n", dtype, 64, k, (swizzle, swizzle), (False, False), True,
                             seed=7)
    yield wgmma_case("wgmma_f16_accumulator", "f16", 64, 64, (128, 128), (False, False), acc="f16", seed=8)

    for dtype in ("f16", "f32", "i8", "e5m2"):
        bits = BITS[dtype]
        if dtype == "e5m2":
            continue
        for swizzle in (0, 32, 64, 128):
            bn = max(swizzle, 32) * 8 // bits
            # Twice the width of the swizzle: the copy takes several boxes.
            for times in (1, 2):
                layout = gl.NVMMASharedLayout(swizzle, bits, 2)
                x = integers(9, (40, 3 * bn), "i8", -50, 50) if dtype == "i8" else coarse(9, (40, 3 * bn), dtype)
                want = np.zeros(x.shape)
                bm, bw = 32, bn * times
                # Rows of a box begin at multiples of 16 bytes.
                col = max(8, 16 * 8 // bits)
                want[16:16 + bm, col:col + bw] = 2 * x.f64[16:16 + bm, col:col + bw]
                yield Kernel(f"map_tile_{dtype}_s{swizzle}_x{times}", map_tile, (1,),
                             dict(x=Desc(x, (bm, bw), layout), o=Desc(Out(x.shape, dtype, 0), (bm, bw), layout), row=16,
                                  col=col, LAYOUT=layout, BM=bm, BN=bw), {"o": want}, targets=(90,))

    x = coarse(10, (8, 512), "f32")
    yield Kernel("copies_that_arrive", copies_that_arrive, (1,), dict(x=x, o=Out((512,), "f32"), N=512, STAGES=4),
                 {"o": (x.f64 * np.arange(1, 9)[:, None]).sum(0)}, targets=(80, 90),
                 contains=("cp.async.mbarrier.arrive.noinc",))
    for dtype in ("f16", "bf16", "f32", "i8"):
        bits = BITS[dtype]
        mma = gl.NVMMADistributedLayout(version=[2, 0], warps_per_cta=[2, 2], instr_shape=[16, 8])
        make = (lambda s, shape: integers(s, shape, "i8", -9, 10)) if dtype == "i8" else (  # noqa: E731
            lambda s, shape: coarse(s, shape, dtype, 4, 0.5))
        acc = "i32" if dtype == "i8" else "f32"
        for vec, per_phase, max_phase in ((1, 1, 1), (128 // bits, 1, 8), (128 // bits, 2, 4), (128 // bits, 4, 2)):
            if vec == 1 and bits == 8:
                continue
            a, b = make(11, (64, 64)), make(12, (64, 64))
            shared = gl.SwizzledSharedLayout(vec, per_phase, max_phase, [1, 0])
            yield Kernel(f"mma_{dtype}_phase{per_phase}x{max_phase}", product_v2, (1,),
                         dict(a=a, b=b, c=Out((64, 64), acc), M=64, N=64, K=64, ACC=mma, LAYOUT=shared,
                              WIDTH=32 // bits, ACC_TYPE=gl.int32 if acc == "i32" else gl.float32),
                         {"c": rounded(a.f64.astype(float) @ b.f64.astype(float), acc)})

    for dtype, stages in (("f16", 2), ("bf16", 3), ("f16", 4)):
        a, b = coarse(13, (128, 256), dtype, 4, 0.5), coarse(14, (256, 256), dtype, 4, 0.5)
        layout = gl.NVMMASharedLayout(128, 16, 2)
        mma = gl.NVMMADistributedLayout(version=[3, 0], warps_per_cta=[4, 1], instr_shape=[16, 128, 16])
        yield Kernel(f"specialized_{dtype}_stages{stages}", specialized, (2, 2),
                     dict(a=Desc(a, (64, 64), layout), b=Desc(b, (64, 128), layout),
                          c=Desc(Out((128, 256), dtype), (64, 128), layout), K=256, STAGES=stages, ACC=mma),
                     {"c": rounded(a.f64 @ b.f64, dtype)}, targets=(90,), contains=("setmaxnreg",))

    blocked = lambda size, threads, warps, order: gl.BlockedLayout(size, threads, warps, order)  # noqa: E731
    mma2 = gl.NVMMADistributedLayout(version=[2, 0], warps_per_cta=[2, 2], instr_shape=[16, 8])
    mma3 = gl.NVMMADistributedLayout(version=[3, 0], warps_per_cta=[4, 1], instr_shape=[16, 64, 16])
    layouts = {
        "rows": blocked([1, 4], [4, 8], [4, 1], [1, 0]), "cols": blocked([4, 1], [8, 4], [1, 4], [0, 1]),
        "mma": mma2, "operand": gl.DotOperandLayout(0, mma2, 2),
    }
    for dtype in ("f16", "f32", "i8"):
        x = integers(15, (64, 64), "i8") if dtype == "i8" else coarse(15, (64, 64), dtype)
        for source, target in (("rows", "cols"), ("mma", "rows"), ("rows", "operand"), ("mma", "operand"),
                               ("cols", "mma")):
            yield Kernel(f"converted_{dtype}_{source}_{target}", converted, (1,),
                         dict(x=x, o=Out((64, 64), dtype), FROM=layouts[source], TO=layouts[target], M=64, N=64),
                         {"o": x.f64})
    for dtype in ("f16", "f32", "i8"):
        bits = BITS[dtype]
        x = integers(16, (64, 64), "i8") if dtype == "i8" else coarse(16, (64, 64), dtype)
        for name, source in (("mma", mma3), ("rows", layouts["rows"])):
            for swizzle in (32, 64, 128):
                if swizzle * 8 // bits > 64:
                    continue
                yield Kernel(f"shared_{dtype}_{name}_s{swizzle}", through_shared, (1,),
                             dict(x=x, o=Out((2, 64, 64), dtype), SHARED=gl.NVMMASharedLayout(swizzle, bits, 2),
                                  FROM=source, TO=layouts["rows"], M=64, N=64), {"o": np.stack([x.f64, x.f64.T])},
                             targets=(90,))
