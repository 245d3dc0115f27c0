"""Products of matrices in every type, shape and order of memory that the tensor cores take.

Operands are small multiples of a power of two, so that sums are exact in f32 in any order: what is expected is
exact, and an element in the wrong place cannot hide behind a tolerance.
"""

import numpy as np
import triton
import triton.language as tl

from case import Near
from numbers_of import Out, coarse, integers, rounded, tensor, to_bits, uniform
from triton_build import Kernel


@triton.jit
def matmul(a, b, c, M, N, K, am, ak, bk, bn, cm, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
           ACC: tl.constexpr, PRECISION: tl.constexpr, ZERO: tl.constexpr = 0.0):
    tiles_n = tl.cdiv(N, BN)
    tile = tl.program_id(0)
    rows = tile // tiles_n * BM + tl.arange(0, BM)
    cols = tile % tiles_n * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    at_a = a + rows[:, None] * am + inner[None, :] * ak
    at_b = b + inner[:, None] * bk + cols[None, :] * bn
    acc = tl.zeros([BM, BN], ACC)
    for k in range(0, K, BK):
        x = tl.load(at_a, (rows[:, None] < M) & (inner[None, :] + k < K), other=ZERO)
        y = tl.load(at_b, (inner[:, None] + k < K) & (cols[None, :] < N), other=ZERO)
        acc = tl.dot(x, y, acc, input_precision=PRECISION, out_dtype=ACC)
        at_a += BK * ak
        at_b += BK * bk
    inside = (rows[:, None] < M) & (cols[None, :] < N)
    tl.store(c + rows[:, None] * cm + cols[None, :], acc.to(c.dtype.element_ty), inside)


@triton.jit
def matmul_upcast(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, TO: tl.constexpr):
    """A is converted in registers, and multiplied from there."""
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    cols = tl.program_id(1) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    acc = tl.zeros([BM, BN], tl.float32)
    for k in range(0, K, BK):
        x = tl.load(a + rows[:, None] * K + inner[None, :] + k)
        y = tl.load(b + (inner[:, None] + k) * N + cols[None, :])
        acc = tl.dot(x.to(TO), y.to(TO), acc)
    tl.store(c + rows[:, None] * N + cols[None, :], acc)


@triton.jit
def chained(a, b, d, c, N: tl.constexpr, K: tl.constexpr, M: tl.constexpr):
    """C = (A · B) · D with the first product kept in registers."""
    m, n, k = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    x = tl.load(a + m[:, None] * K + k[None, :])
    y = tl.load(b + k[:, None] * N + n[None, :])
    z = tl.load(d + n[:, None] * K + k[None, :])
    p = tl.dot(x, y).to(a.dtype.element_ty)
    tl.store(c + m[:, None] * K + k[None, :], tl.dot(p, z))


@triton.jit
def split_k(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, PARTS: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    cols = tl.program_id(1) * BN + tl.arange(0, BN)
    part = tl.program_id(2)
    acc = tl.zeros([BM, BN], tl.float32)
    for k in range(part * BK, K, BK * PARTS):
        inner = k + tl.arange(0, BK)
        x = tl.load(a + rows[:, None] * K + inner[None, :], inner[None, :] < K, other=0.0)
        y = tl.load(b + inner[:, None] * N + cols[None, :], inner[:, None] < K, other=0.0)
        acc += tl.dot(x, y)
    tl.atomic_add(c + rows[:, None] * N + cols[None, :], acc)


@triton.jit
def persistent(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, FLATTEN: tl.constexpr):
    tiles_n = tl.cdiv(N, BN)
    tiles = tl.cdiv(M, BM) * tiles_n
    for tile in tl.range(tl.program_id(0), tiles, tl.num_programs(0), flatten=FLATTEN):
        rows = tile // tiles_n * BM + tl.arange(0, BM)
        cols = tile % tiles_n * BN + tl.arange(0, BN)
        acc = tl.zeros([BM, BN], tl.float32)
        for k in range(0, K, BK):
            inner = k + tl.arange(0, BK)
            x = tl.load(a + rows[:, None] * K + inner[None, :], rows[:, None] < M, other=0.0)
            y = tl.load(b + inner[:, None] * N + cols[None, :], cols[None, :] < N, other=0.0)
            acc = tl.dot(x, y, acc)
        inside = (rows[:, None] < M) & (cols[None, :] < N)
        tl.store(c + rows[:, None] * N + cols[None, :], acc.to(c.dtype.element_ty), inside)


@triton.jit
def batched(a, b, c, B: tl.constexpr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    i = tl.arange(0, B)[:, None, None]
    m, n = tl.arange(0, M), tl.arange(0, N)
    k = tl.arange(0, K)
    x = tl.load(a + i * M * K + m[None, :, None] * K + k[None, None, :])
    y = tl.load(b + i * K * N + k[None, :, None] * N + n[None, None, :])
    tl.store(c + i * M * N + m[None, :, None] * N + n[None, None, :], tl.dot(x, y))


@triton.jit
def scaled(a, a_scale, b, b_scale, c, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, A: tl.constexpr,
           B: tl.constexpr, PACK: tl.constexpr):
    """Micro-scaled operands: a power of two for each 32 elements along K."""
    m, n = tl.arange(0, M), tl.arange(0, N)
    ka, kb, ks = tl.arange(0, K // PACK), tl.arange(0, K), tl.arange(0, K // 32)
    x = tl.load(a + m[:, None] * (K // PACK) + ka[None, :])
    y = tl.load(b + kb[:, None] * N + n[None, :])
    sx = tl.load(a_scale + m[:, None] * (K // 32) + ks[None, :])
    sy = tl.load(b_scale + n[:, None] * (K // 32) + ks[None, :])
    tl.store(c + m[:, None] * N + n[None, :], tl.dot_scaled(x, sx, A, y, sy, B))


def exact_matmul(name, dtype, m, n, k, tile, *, out="f32", acc=tl.float32, order="nn", precision="tf32", steps=8,
                 unit=1 / 8, seed=1, **more):
    """One product; `order` says for A and B whether memory is as written (n) or transposed (t)."""
    make = (lambda s, shape: integers(s, shape, dtype, -9, 10)) if dtype[0] in "iu" else (
        lambda s, shape: coarse(s, shape, dtype, steps, unit))
    # Rows are padded to a multiple of 16 bytes, as allocators do.
    pad = 32
    wide = lambda size: -(-size // pad) * pad  # noqa: E731
    a = make(seed, (m, wide(k)) if order[0] == "n" else (k, wide(m)))
    b = make(seed + 1, (k, wide(n)) if order[1] == "n" else (n, wide(k)))
    left = a.f64[:, :k] if order[0] == "n" else a.f64[:, :m].T
    right = b.f64[:, :n] if order[1] == "n" else b.f64[:, :k].T
    want = left.astype(np.int64) @ right.astype(np.int64) if dtype[0] in "iu" else left @ right
    bm, bn, bk = tile
    am, ak = (a.shape[1], 1) if order[0] == "n" else (1, a.shape[1])
    bk_, bn_ = (b.shape[1], 1) if order[1] == "n" else (1, b.shape[1])
    grid = (-(-m // bm) * -(-n // bn),)
    want = to_bits(want, out) if out in ("e4m3", "e5m2") else rounded(want, out)
    return Kernel(name, matmul, grid,
                  dict(a=a, b=b, c=Out((m, n), out), M=m, N=n, K=k, am=am, ak=ak, bk=bk_, bn=bn_, cm=n, BM=bm, BN=bn,
                       BK=bk, ACC=acc, PRECISION=precision, ZERO=0 if dtype[0] in "iu" else 0.0), {"c": want}, **more)


def kernels():
    # Types, with four and eight warps.
    for warps in (4, 8):
        shape = (150, 72, 112, (64, 64, 32)) if warps == 4 else (150, 136, 176, (128, 128, 64))
        for dtype in ("f16", "bf16"):
            yield exact_matmul(f"matmul_{dtype}_w{warps}", dtype, *shape, out=dtype, num_warps=warps,
                               contains=("wgmma",))
        yield exact_matmul(f"matmul_tf32_w{warps}", "f32", *shape, num_warps=warps, contains=("wgmma",))
        yield exact_matmul(f"matmul_i8_w{warps}", "i8", *shape, out="i32", acc=tl.int32, num_warps=warps,
                           contains=("wgmma",))
        # On sm_90 the compiler reads f16 accumulators before the wait and the assembler has to mend it (C7517).
        yield exact_matmul(f"matmul_f16_to_f16_w{warps}", "f16", *shape, out="f16", acc=tl.float16, num_warps=warps,
                           steps=3, unit=1.0, targets=(80,))
        yield exact_matmul(f"matmul_e5m2_w{warps}", "e5m2", *shape, num_warps=warps, steps=4, unit=0.5,
                           targets=(90,), contains=("wgmma",))
        yield exact_matmul(f"matmul_e4m3_w{warps}", "e4m3", *shape, num_warps=warps, steps=8, unit=0.25,
                           targets=(90,), contains=("wgmma",))
    yield exact_matmul("matmul_e5m2_upcast", "e5m2", 64, 64, 64, (64, 64, 32), steps=4, unit=0.5, targets=(80,))
    yield exact_matmul("matmul_fma", "f32", 50, 40, 36, (32, 32, 16), precision="ieee", steps=30)
    yield exact_matmul("matmul_tf32x3", "f32", 64, 64, 64, (64, 64, 32), precision="tf32x3", steps=8)
    yield exact_matmul("matmul_bf16x3", "f32", 64, 64, 64, (64, 64, 32), precision="bf16x3", steps=8)
    yield exact_matmul("matmul_f64", "f64", 32, 32, 32, (32, 32, 16), out="f64", acc=tl.float64, precision="ieee")
    yield exact_matmul("matmul_to_e5m2", "f16", 64, 64, 32, (64, 64, 32), out="e5m2", steps=3, unit=0.5, targets=(90,))
    # Orders of memory: every transposition of wgmma's descriptors and of ldmatrix.
    for order in ("nn", "nt", "tn", "tt"):
        for dtype in ("f16", "bf16"):
            yield exact_matmul(f"matmul_{dtype}_{order}", dtype, 128, 128, 96, (64, 64, 32), order=order, seed=5)
        yield exact_matmul(f"matmul_f16_{order}_wide", "f16", 128, 128, 128, (128, 128, 64), order=order, seed=6,
                           num_warps=8)
    for order in ("nt", "tn", "tt"):
        yield exact_matmul(f"matmul_tf32_{order}", "f32", 64, 64, 64, (64, 64, 32), order=order, seed=7)
        yield exact_matmul(f"matmul_i8_{order}", "i8", 64, 64, 64, (64, 64, 64), order=order, out="i32", acc=tl.int32,
                           seed=8)
        yield exact_matmul(f"matmul_e4m3_{order}", "e4m3", 64, 64, 64, (64, 64, 64), order=order, seed=9,
                           targets=(90,))
    # Widths of tiles: the swizzles of 32, 64 and 128 bytes and every n that Triton asks of wgmma.
    for bn in (8, 16, 32, 128, 256):
        yield exact_matmul(f"matmul_n{bn}", "f16", 64, bn, 64, (64, bn, 32), seed=10)
        yield exact_matmul(f"matmul_n{bn}_t", "bf16", 64, bn, 64, (64, bn, 64), order="nt", seed=11)
    for bk in (16, 32, 128):
        yield exact_matmul(f"matmul_k{bk}", "f16", 64, 64, 128, (64, 64, bk), seed=12)
        yield exact_matmul(f"matmul_k{bk}_t", "f16", 64, 64, 128, (64, 64, bk), order="tt", seed=13)
    for bm in (16, 32):
        yield exact_matmul(f"matmul_m{bm}", "f16", 64, 64, 64, (bm, 64, 32), seed=14)
    yield exact_matmul("matmul_m16_w1", "bf16", 16, 16, 32, (16, 16, 16), seed=15, num_warps=1)
    yield exact_matmul("matmul_m256", "f16", 256, 64, 64, (256, 64, 32), seed=16, num_warps=8)
    # Depths of the pipeline.
    for stages in (1, 2, 3, 4, 5):
        yield exact_matmul(f"matmul_stages{stages}", "f16", 100, 64, 200, (64, 64, 32), seed=17, num_stages=stages)
    # Numbers as they come, where rounding shows.
    for dtype, eps in (("f16", 2.0**-11), ("bf16", 2.0**-8)):
        a, b = uniform(20, (96, 96), dtype), uniform(21, (96, 96), dtype)
        yield Kernel(f"matmul_rounding_{dtype}", matmul, (4,),
                     dict(a=a, b=b, c=Out((96, 96), dtype), M=96, N=96, K=96, am=96, ak=1, bk=96, bn=1, cm=96, BM=64,
                          BN=64, BK=32, ACC=tl.float32, PRECISION="tf32", ZERO=0.0), {"c": Near(a.f64 @ b.f64, eps * 1.001, 1e-5)})
    a, b = uniform(22, (64, 64), "f32"), uniform(23, (64, 64), "f32")
    for precision, eps in (("tf32", 2.0**-10), ("tf32x3", 2.0**-20), ("ieee", 2.0**-22)):
        # Both operands lose at most one part in 2^10 (cut off, not rounded) to tf32.
        yield Kernel(f"matmul_rounding_{precision}", matmul, (1,),
                     dict(a=a, b=b, c=Out((64, 64), "f32"), M=64, N=64, K=64, am=64, ak=1, bk=64, bn=1, cm=64, BM=64,
                          BN=64, BK=32, ACC=tl.float32, PRECISION=precision, ZERO=0.0),
                     {"c": Near(a.f64 @ b.f64, 2 * eps)})

    for source in ("i8", "e5m2", "f32"):
        a = integers(30, (64, 64), "i8", -8, 8) if source == "i8" else coarse(30, (64, 64), source, 4, 0.5)
        for to in (tl.float16, tl.bfloat16):
            b = coarse(31, (64, 64), "f16", 8)
            yield Kernel(f"matmul_{source}_as_{to.name}", matmul_upcast, (1, 1),
                         dict(a=a, b=b, c=Out((64, 64), "f32"), M=64, N=64, K=64, BM=64, BN=64, BK=32, TO=to),
                         {"c": a.f64 @ b.f64})
    for dtype in ("f16", "bf16"):
        for warps in (4, 8):
            size = 64 if warps == 4 else 128
            a, b, d = (coarse(32 + i, shape, dtype, 2, 0.5) for i, shape in enumerate(
                [(size, 64), (64, 128), (128, 64)]))
            want = rounded(a.f64 @ b.f64, dtype) @ d.f64
            yield Kernel(f"chained_{dtype}_w{warps}", chained, (1,),
                         dict(a=a, b=b, d=d, c=Out((size, 64), "f32"), M=size, N=128, K=64), {"c": want},
                         num_warps=warps)
    a, b = coarse(40, (64, 300), "f16"), coarse(41, (300, 128), "f16")
    yield Kernel("split_k", split_k, (1, 2, 3),
                 dict(a=a, b=b, c=tensor(np.zeros((64, 128)), "f32"), M=64, N=128, K=300, BM=64, BN=64, BK=32, PARTS=3),
                 {"c": a.f64 @ b.f64})
    a, b = coarse(42, (200, 64), "f16"), coarse(43, (64, 160), "f16")
    for flatten in (False, True):
        yield Kernel(f"persistent{'_flat' if flatten else ''}", persistent, (3,),
                     dict(a=a, b=b, c=Out((200, 160), "f16"), M=200, N=160, K=64, BM=64, BN=64, BK=32, FLATTEN=flatten),
                     {"c": rounded(a.f64 @ b.f64, "f16")})
    a, b = coarse(44, (4, 32, 32), "f16"), coarse(45, (4, 32, 32), "f16")
    yield Kernel("batched", batched, (1,), dict(a=a, b=b, c=Out((4, 32, 32), "f32"), B=4, M=32, N=32, K=32),
                 {"c": a.f64 @ b.f64})

    # Micro-scaled formats, which neither target has: the compiler converts to bf16.
    exponent = lambda seed, shape: integers(seed, shape, "u8", 125, 130)  # noqa: E731
    factor = lambda scale: np.repeat(2.0 ** (scale.bits.astype(float) - 127), 32, axis=1)  # noqa: E731
    sx, sy = exponent(50, (64, 4)), exponent(51, (64, 4))
    e2m1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])
    for kind, dtype in (("e4m3", "e4m3"), ("e5m2", "e5m2"), ("e2m1", None)):
        if dtype:
            x = coarse(52, (64, 128), dtype, 4, 0.5)
            values, pack = x.f64, 1
        else:
            x = integers(53, (64, 64), "u8", 0, 256)
            nibbles = np.stack([x.bits & 15, x.bits >> 4], -1).reshape(64, 128)
            values, pack = e2m1[nibbles & 7] * np.where(nibbles & 8, -1, 1), 2
        y = coarse(54, (128, 64), "bf16", 4, 0.5) if kind == "e2m1" else coarse(54, (128, 64), "e5m2", 4, 0.5)
        other = "bf16" if kind == "e2m1" else "e5m2"
        args = dict(a=x, a_scale=sx, b=y, b_scale=sy, c=Out((64, 64), "f32"), M=64, N=64, K=128, A=kind, B=other,
                    PACK=pack)
        want = (values * factor(sx)) @ (y.f64 * factor(sy).T)
        yield Kernel(f"scaled_{kind}", scaled, (1,), args, {"c": want},
                     targets=(90,) if kind == "e4m3" else (80, 90))
