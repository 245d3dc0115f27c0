"""Tensor maps: made by the host, made by the kernel, loads, stores, reductions, warp-specialised loops, clusters.

On sm_80 the compiler turns the same sources into plain loads and stores.
"""

import numpy as np
import triton
import triton.language as tl

from case import Near
from numbers_of import Out, coarse, integers, rounded, tensor, uniform
from triton_build import Desc, Kernel


@triton.jit
def copy_shifted(x, o, row, col, BM: tl.constexpr, BN: tl.constexpr):
    """Tile by tile, from a place that reaches over every edge."""
    m = tl.program_id(0) * BM
    n = tl.program_id(1) * BN
    o.store([m, n], x.load([m + row, n + col]))


@triton.jit
def copy_device(x, o, M, N, row, col, BM: tl.constexpr, BN: tl.constexpr):
    source = tl.make_tensor_descriptor(x, [M, N], [N, 1], [BM, BN])
    target = tl.make_tensor_descriptor(o, [M, N], [N, 1], [BM, BN])
    m = tl.program_id(0) * BM
    n = tl.program_id(1) * BN
    target.store([m, n], source.load([m + row, n + col]))


@triton.jit
def copy_cube(x, o, A: tl.constexpr, B: tl.constexpr, C: tl.constexpr):
    at = tl.program_id(0) * A
    tile = x.load([at, 0, 0])
    o.store([at, 0, 0], tile * 2)


@triton.jit
def copy_row(x, o, N: tl.constexpr):
    at = tl.program_id(0) * N
    o.store([at], x.load([at]) + 1)


@triton.jit
def transposed_load(x, o, M: tl.constexpr, N: tl.constexpr):
    tile = x.load([0, 0])
    tl.store(o + tl.arange(0, N)[:, None] * M + tl.arange(0, M)[None, :], tile.T)


@triton.jit
def reduce_into(x, add, low, high, BM: tl.constexpr, BN: tl.constexpr):
    n = tl.program_id(1) * BN
    tile = x.load([tl.program_id(0) * BM, n])
    add.atomic_add([0, n], tile)
    low.atomic_min([0, n], tile)
    high.atomic_max([0, n], tile)


@triton.jit
def reduce_bits(x, both, either, odd, BM: tl.constexpr, BN: tl.constexpr):
    tile = x.load([tl.program_id(0) * BM, 0])
    both.atomic_and([0, 0], tile)
    either.atomic_or([0, 0], tile)
    odd.atomic_xor([0, 0], tile)


@triton.jit
def matmul_host(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, ORDER: tl.constexpr,
                SPECIALIZE: tl.constexpr):
    m = tl.program_id(0) * BM
    n = tl.program_id(1) * BN
    acc = tl.zeros([BM, BN], tl.float32)
    for k in tl.range(0, K, BK, warp_specialize=SPECIALIZE):
        x = a.load([m, k]) if ORDER[0] == "n" else a.load([k, m]).T
        y = b.load([k, n]) if ORDER[1] == "n" else b.load([n, k]).T
        acc = tl.dot(x, y, acc)
    c.store([m, n], acc.to(c.dtype))


@triton.jit
def matmul_specialized(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """A producer warp and consumer warpgroups."""
    m = tl.program_id(0) * BM
    n = tl.program_id(1) * BN
    acc = tl.zeros([BM, BN], tl.float32)
    for k in tl.range(0, K, BK, warp_specialize=True):
        acc = tl.dot(a.load([m, k]), b.load([k, n]), acc)
    rows, cols = m + tl.arange(0, BM), n + tl.arange(0, BN)
    tl.store(c + rows[:, None] * N + cols[None, :], acc.to(c.dtype.element_ty))


@triton.jit
def matmul_persistent(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
                      SPECIALIZE: tl.constexpr, FLATTEN: tl.constexpr):
    tiles_n = tl.cdiv(N, BN)
    tiles = tl.cdiv(M, BM) * tiles_n
    for tile in tl.range(tl.program_id(0), tiles, tl.num_programs(0), warp_specialize=SPECIALIZE, flatten=FLATTEN):
        m = tile // tiles_n * BM
        n = tile % tiles_n * BN
        acc = tl.zeros([BM, BN], tl.float32)
        for k in range(0, K, BK):
            acc = tl.dot(a.load([m, k]), b.load([k, n]), acc)
        c.store([m, n], acc.to(c.dtype))


@triton.jit
def matmul_device(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    left = tl.make_tensor_descriptor(a, [M, K], [K, 1], [BM, BK])
    right = tl.make_tensor_descriptor(b, [N, K], [K, 1], [BN, BK])
    out = tl.make_tensor_descriptor(c, [M, N], [N, 1], [BM, BN])
    m = tl.program_id(0) * BM
    n = tl.program_id(1) * BN
    acc = tl.zeros([BM, BN], tl.float32)
    for k in range(0, K, BK):
        acc = tl.dot(left.load([m, k]), right.load([n, k]).T, acc)
    out.store([m, n], acc.to(c.dtype.element_ty))


@triton.jit
def flash_maps(q, k, v, o, lse, scale, n, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
               SPECIALIZE: tl.constexpr):
    """Causal attention whose tiles all come and go by tensor maps; rows of all heads lie end to end."""
    first = tl.program_id(0) * BM
    base = tl.program_id(1) * n
    rows = first + tl.arange(0, BM)
    query = q.load([base + first, 0])
    high = tl.full([BM], -float("inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    acc = tl.zeros([BM, D], tl.float32)
    for start in tl.range(0, first + BM, BN, warp_specialize=SPECIALIZE):
        cols = start + tl.arange(0, BN)
        s = tl.dot(query, k.load([base + start, 0]).T) * (scale * 1.44269504)
        s = tl.where(cols[None, :] <= rows[:, None], s, -float("inf"))
        higher = tl.maximum(high, tl.max(s, 1))
        p = tl.exp2(s - higher[:, None])
        fade = tl.exp2(high - higher)
        total = total * fade + tl.sum(p, 1)
        acc = tl.dot(p.to(v.dtype), v.load([base + start, 0]), acc * fade[:, None])
        high = higher
    o.store([base + first, 0], (acc / total[:, None]).to(o.dtype))
    tl.store(lse + base + rows, (high + tl.log2(total)) * 0.69314718)


@triton.jit
def cluster_matmul(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    cols = tl.program_id(1) * BN + tl.arange(0, BN)
    acc = tl.zeros([BM, BN], tl.float32)
    for k in range(0, K, BK):
        inner = k + tl.arange(0, BK)
        acc = tl.dot(tl.load(a + rows[:, None] * K + inner[None, :]), tl.load(b + inner[:, None] * N + cols[None, :]),
                     acc)
    tl.store(c + rows[:, None] * N + cols[None, :], acc.to(c.dtype.element_ty))


def shifted(x, row, col):
    """`x` read from (row, col) on, zero outside."""
    out = np.zeros_like(x)
    m, n = x.shape
    for i in range(m):
        for j in range(n):
            if 0 <= i + row < m and 0 <= j + col < n:
                out[i, j] = x[i + row, j + col]
    return out


def kernels():
    # Boxes of every width that a swizzle has, over every edge.
    for dtype in ("f16", "bf16", "f32", "i8", "e5m2", "i32"):
        width = {"i8": 1, "e5m2": 1, "f32": 4, "i32": 4}.get(dtype, 2)
        for span in (16, 32, 64, 128, 256):
            if dtype not in ("f16", "i8") and span != 128:
                continue
            bn = span // width
            x = (integers if dtype[0] == "i" else coarse)(1, (40, 3 * bn), dtype, **(
                dict(low=-99, high=99) if dtype[0] == "i" else dict(steps=8, unit=0.25)))
            # An H100 takes a row that begins off a multiple of 16 bytes for an illegal instruction.
            col = 16 // width
            want = shifted(x.f64 if dtype != "e5m2" else x.bits, -3, col)
            yield Kernel(f"tma_copy_{dtype}_{span}", copy_shifted, (3, 3),
                         dict(x=Desc(x, (16, bn)), o=Desc(Out(x.shape, dtype), (16, bn)), row=-3, col=col, BM=16, BN=bn),
                         {"o": want}, contains=("cp.async.bulk.tensor",))
    x = coarse(2, (40, 96), "f16")
    yield Kernel("tma_copy_device", copy_device, (3, 3),
                 dict(x=x, o=Out(x.shape, "f16"), M=40, N=96, row=2, col=-8, BM=16, BN=32),
                 {"o": shifted(x.f64, 2, -8)}, contains=("tensormap.replace",))
    x = coarse(3, (8, 6, 32), "f16")
    yield Kernel("tma_cube", copy_cube, (2,),
                 dict(x=Desc(x, (4, 8, 32)), o=Desc(Out(x.shape, "f16"), (4, 8, 32)), A=4, B=8, C=32),
                 {"o": 2 * x.f64})
    x = coarse(4, (200,), "f32")
    yield Kernel("tma_row", copy_row, (2,), dict(x=Desc(x, (128,)), o=Desc(Out((200,), "f32"), (128,)), N=128),
                 {"o": x.f64 + 1})
    x = coarse(5, (64, 32), "f16")
    yield Kernel("tma_transposed", transposed_load, (1,), dict(x=Desc(x, (64, 32)), o=Out((32, 64), "f16"), M=64, N=32),
                 {"o": x.f64.T})
    for dtype in ("f16", "bf16", "i32"):
        x = integers(6, (64, 64), dtype, -9, 10) if dtype[0] == "i" else coarse(6, (64, 64), dtype, 8, 0.5)
        tiles = x.f64.reshape(4, 16, 64)
        zeros = lambda value=0: tensor(np.full((16, 64), value), dtype)  # noqa: E731
        args = dict(x=Desc(x, (16, 32)), add=Desc(zeros(1), (16, 32)), low=Desc(zeros(), (16, 32)),
                    high=Desc(zeros(), (16, 32)), BM=16, BN=32)
        want = {"add": tiles.sum(0) + 1, "low": np.minimum(tiles.min(0), 0), "high": np.maximum(tiles.max(0), 0)}
        yield Kernel(f"tma_reduce_{dtype}", reduce_into, (4, 2), args, want, contains=("cp.reduce.async.bulk.tensor",),
                     targets=(80, 90) if dtype == "i32" else (90,))
    x = integers(7, (64, 32), "i32", -(2**31), 2**31)
    tiles = x.bits.reshape(4, 16, 32)
    yield Kernel("tma_reduce_bits", reduce_bits, (4,),
                 dict(x=Desc(x, (16, 32)), both=Desc(tensor(np.full((16, 32), -1), "i32"), (16, 32)),
                      either=Desc(tensor(np.zeros((16, 32)), "i32"), (16, 32)),
                      odd=Desc(tensor(np.zeros((16, 32)), "i32"), (16, 32)), BM=16, BN=32),
                 {"both": np.bitwise_and.reduce(tiles), "either": np.bitwise_or.reduce(tiles),
                  "odd": np.bitwise_xor.reduce(tiles)})

    # Products fed by tensor maps.
    for order in ("nn", "nt", "tn", "tt"):
        a = coarse(10, (150, 104) if order[0] == "n" else (104, 152), "f16")
        b = coarse(11, (104, 72) if order[1] == "n" else (72, 104), "f16")
        left, right = (a.f64 if order[0] == "n" else a.f64.T), (b.f64 if order[1] == "n" else b.f64.T)
        m, n, k = left.shape[0], 72, 104
        blocks = [(64, 32) if order[0] == "n" else (32, 64), (32, 64) if order[1] == "n" else (64, 32)]
        yield Kernel(f"tma_matmul_{order}", matmul_host, (3, 2),
                     dict(a=Desc(a, blocks[0]), b=Desc(b, blocks[1]), c=Desc(Out((m, n), "f16"), (64, 64)), M=m, N=n,
                          K=k, BM=64, BN=64, BK=32, ORDER=order, SPECIALIZE=False),
                     {"c": rounded(left @ right, "f16")})
    for dtype in ("bf16", "f32", "e4m3", "e5m2"):
        a, b = coarse(12, (128, 128), dtype, 4, 0.5), coarse(13, (128, 128), dtype, 4, 0.5)
        order = "nt" if dtype[0] == "e" else "nn"
        want = a.f64 @ (b.f64.T if order == "nt" else b.f64)
        yield Kernel(f"tma_matmul_{dtype}", matmul_host, (1, 1),
                     dict(a=Desc(a, (128, 64)), b=Desc(b, (128, 64) if order == "nt" else (64, 128)),
                          c=Desc(Out((128, 128), "f32"), (128, 128)), M=128, N=128, K=128, BM=128, BN=128, BK=64,
                          ORDER=order, SPECIALIZE=False), {"c": want}, num_warps=8,
                     targets=(90,) if dtype[0] == "e" else (80, 90))
    a, b = coarse(14, (128, 256), "f16", 4, 0.5), coarse(15, (256, 128), "f16", 4, 0.5)
    for stages in (2, 3, 4):
        yield Kernel(f"tma_matmul_stages{stages}", matmul_host, (1, 1),
                     dict(a=Desc(a, (128, 64)), b=Desc(b, (64, 128)), c=Desc(Out((128, 128), "f16"), (128, 128)), M=128,
                          N=128, K=256, BM=128, BN=128, BK=64, ORDER="nn", SPECIALIZE=False),
                     {"c": rounded(a.f64 @ b.f64, "f16")}, num_warps=8, num_stages=stages, targets=(90,))
    # Not with 128 rows, which the compiler gives to two consumers: that code ends in a deadlock here, and whether it
    # does on hardware is not known.
    for bm in (64,):
        yield Kernel(f"tma_specialized_m{bm}", matmul_specialized, (128 // bm, 1),
                     dict(a=Desc(a, (bm, 64)), b=Desc(b, (64, 128)), c=Out((128, 128), "f16"), M=128, N=128, K=256,
                          BM=bm, BN=128, BK=64),
                     {"c": rounded(a.f64 @ b.f64, "f16")}, targets=(90,))
    a, b = coarse(16, (200, 128), "f16", 4, 0.5), coarse(17, (128, 160), "f16", 4, 0.5)
    for specialize in (False, True):
        for flatten in (False, True):
            name = f"tma_persistent{'_specialized' if specialize else ''}{'_flat' if flatten else ''}"
            yield Kernel(name, matmul_persistent, (3,),
                         dict(a=Desc(a, (64, 64)), b=Desc(b, (64, 64)), c=Desc(Out((200, 160), "f16"), (64, 64)), M=200,
                              N=160, K=128, BM=64, BN=64, BK=64, SPECIALIZE=specialize, FLATTEN=flatten),
                         {"c": rounded(a.f64 @ b.f64, "f16")}, targets=(90,))
    a, b = coarse(18, (96, 80), "bf16", 4, 0.5), coarse(19, (72, 80), "bf16", 4, 0.5)
    yield Kernel("tma_matmul_device", matmul_device, (2, 2),
                 dict(a=a, b=b, c=Out((96, 72), "bf16"), M=96, N=72, K=80, BM=64, BN=64, BK=32),
                 {"c": rounded(a.f64 @ b.f64.T, "bf16")}, contains=("tensormap.replace",))

    for dtype, d in (("f16", 64), ("bf16", 128)):
        q, k, v = (uniform(seed, (256, d), dtype) for seed in (23, 24, 25))
        out, lse = np.zeros((256, d)), np.zeros(256)
        for head in (slice(0, 128), slice(128, 256)):
            s = np.where(np.tril(np.ones((128, 128), bool)), q.f64[head] @ k.f64[head].T * 0.125, -np.inf)
            lse[head] = np.log(np.exp(s).sum(1))
            out[head] = np.exp(s - lse[head, None]) @ v.f64[head]
        for specialize in (False, True):
            yield Kernel(f"tma_flash_{dtype}{'_specialized' if specialize else ''}", flash_maps, (2, 2),
                         dict(q=Desc(q, (64, d)), k=Desc(k, (64, d)), v=Desc(v, (64, d)),
                              o=Desc(Out((256, d), dtype), (64, d)), lse=Out((256,), "f32"), scale=0.125, n=128, D=d,
                              BM=64, BN=64, SPECIALIZE=specialize),
                         {"o": Near(out, 2.0**-10 if dtype == "f16" else 2.0**-7), "lse": Near(lse, 1e-6)},
                         targets=(90,) if specialize else (80, 90))
    a, b = coarse(20, (128, 64), "f16"), coarse(21, (64, 128), "f16")
    for ctas in (2, 4):
        yield Kernel(f"cluster{ctas}_matmul", cluster_matmul, (1, 1),
                     dict(a=a, b=b, c=Out((128, 128), "f16"), M=128, N=128, K=64, BM=128, BN=128, BK=32),
                     {"c": rounded(a.f64 @ b.f64, "f16")}, targets=(90,), num_ctas=ctas)
