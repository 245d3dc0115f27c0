"""Over rows: softmax, layer norm, sums, scans, sorts, histograms: shuffles, votes and shared memory between warps."""

import numpy as np
import triton
import triton.language as tl

from case import Near
from numbers_of import Out, coarse, integers, rounded, tensor, uniform
from triton_build import Kernel


@triton.jit
def softmax_row(x, o, n, stride, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    value = tl.load(x + row * stride + at, at < n, other=-float("inf")).to(tl.float32)
    value = tl.exp(value - tl.max(value, 0))
    tl.store(o + row * stride + at, value / tl.sum(value, 0), at < n)


@triton.jit
def softmax_online(x, o, n, stride, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    col = tl.arange(0, BLOCK)
    high = tl.full([ROWS], -float("inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    for start in range(0, n, BLOCK):
        inside = (col + start < n)[None, :]
        value = tl.load(x + row[:, None] * stride + start + col[None, :], inside, other=-float("inf")).to(tl.float32)
        higher = tl.maximum(high, tl.max(value, 1))
        total = total * tl.exp(high - higher) + tl.sum(tl.exp(value - higher[:, None]), 1)
        high = higher
    for start in range(0, n, BLOCK):
        inside = (col + start < n)[None, :]
        value = tl.load(x + row[:, None] * stride + start + col[None, :], inside, other=0.0).to(tl.float32)
        tl.store(o + row[:, None] * stride + start + col[None, :], tl.exp(value - high[:, None]) / total[:, None], inside)


@triton.jit
def layer_norm(x, weight, bias, o, mean, rstd, n, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < n
    value = tl.load(x + row * n + at, inside, other=0.0).to(tl.float32)
    m = tl.sum(value, 0) / n
    centred = tl.where(inside, value - m, 0.0)
    r = 1 / tl.sqrt(tl.sum(centred * centred, 0) / n + eps)
    tl.store(mean + row, m)
    tl.store(rstd + row, r)
    w = tl.load(weight + at, inside)
    b = tl.load(bias + at, inside)
    tl.store(o + row * n + at, centred * r * w + b, inside)


@triton.jit
def layer_norm_backward(dx, dy, dw, db, x, weight, mean, rstd, lock, n, GROUPS: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < n
    value = tl.load(x + row * n + at, inside, other=0.0).to(tl.float32)
    grad = tl.load(dy + row * n + at, inside, other=0.0).to(tl.float32)
    w = tl.load(weight + at, inside, other=0.0).to(tl.float32)
    r = tl.load(rstd + row)
    hat = tl.where(inside, (value - tl.load(mean + row)) * r, 0.0)
    scaled = tl.where(inside, w * grad, 0.0)
    c1 = tl.sum(hat * scaled, 0) / n
    c2 = tl.sum(scaled, 0) / n
    tl.store(dx + row * n + at, (scaled - (hat * c1 + c2)) * r, inside)
    # Partial sums of the weights' gradients, a group of rows behind a spin lock each.
    group = row % GROUPS
    count = lock + GROUPS + group
    while tl.atomic_cas(lock + group, 0, 1) == 1:
        pass
    part_w = grad * hat
    part_b = grad
    if tl.load(count) != 0:
        part_w += tl.load(dw + group * n + at, inside)
        part_b += tl.load(db + group * n + at, inside)
    tl.store(dw + group * n + at, part_w, inside)
    tl.store(db + group * n + at, part_b, inside)
    # Every warp has read the count, and written its part, before it changes and the lock opens.
    tl.debug_barrier()
    tl.atomic_xchg(count, 1)
    tl.atomic_xchg(lock + group, 0)


@triton.jit
def reduce_axes(x, sums, highs, lows, where_high, where_low, M: tl.constexpr, N: tl.constexpr, AXIS: tl.constexpr):
    tile = tl.load(x + tl.arange(0, M)[:, None] * N + tl.arange(0, N)[None, :])
    at = tl.arange(0, M if AXIS == 1 else N)
    tl.store(sums + at, tl.sum(tile, AXIS))
    tl.store(highs + at, tl.max(tile, AXIS))
    tl.store(lows + at, tl.min(tile, AXIS))
    tl.store(where_high + at, tl.argmax(tile, AXIS))
    tl.store(where_low + at, tl.argmin(tile, AXIS))


@triton.jit
def xor_and_or(x, o, N: tl.constexpr):
    value = tl.load(x + tl.arange(0, N))
    tl.store(o, tl.xor_sum(value, 0))
    tl.store(o + 1, tl.reduce(value, 0, lowest_bits))
    tl.store(o + 2, tl.sum(value, 0))
    tl.store(o + 3, tl.max(value, 0))


@triton.jit
def lowest_bits(a, b):
    return (a | b) & 0xFFFF


@triton.jit
def cumulative(x, sums, products, backward, M: tl.constexpr, N: tl.constexpr, AXIS: tl.constexpr):
    at = tl.arange(0, M)[:, None] * N + tl.arange(0, N)[None, :]
    tile = tl.load(x + at)
    tl.store(sums + at, tl.cumsum(tile, AXIS))
    tl.store(products + at, tl.cumprod(tl.where(tile > 0, 1.0, -1.0), AXIS))
    tl.store(backward + at, tl.cumsum(tile, AXIS, reverse=True))


@triton.jit
def linear_step(a0, b0, a1, b1):
    return a0 * a1, b0 * a1 + b1


@triton.jit
def recurrence(a, b, o, M: tl.constexpr, N: tl.constexpr):
    """o[i] = a[i] * o[i - 1] + b[i]"""
    at = tl.arange(0, M)[:, None] * N + tl.arange(0, N)[None, :]
    _, state = tl.associative_scan((tl.load(a + at), tl.load(b + at)), 1, linear_step)
    tl.store(o + at, state)


@triton.jit
def sorts(x, up, down, top, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    row = tl.arange(0, M)[:, None]
    at = row * N + tl.arange(0, N)[None, :]
    tile = tl.load(x + at)
    tl.store(up + at, tl.sort(tile))
    tl.store(down + at, tl.sort(tile, descending=True))
    tl.store(top + row * K + tl.arange(0, K)[None, :], tl.topk(tile, K))


@triton.jit
def histogram(x, o, n, BINS: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at, at < n, other=0)
    counts = tl.histogram(value, BINS, mask=at < n)
    tl.atomic_add(o + tl.arange(0, BINS), counts)


@triton.jit
def welford_step(mean_1, m2_1, w_1, mean_2, m2_2, w_2):
    delta = mean_2 - mean_1
    w = w_1 + w_2
    ratio = tl.where(w == 0, 0.0, w_2 / w)
    return mean_1 + delta * ratio, m2_1 + m2_2 + delta * delta * w_1 * ratio, w


@triton.jit
def welford(x, mean, var, M: tl.constexpr, N: tl.constexpr):
    row = tl.arange(0, M)
    tile = tl.load(x + row[:, None] * N + tl.arange(0, N)[None, :])
    m, m2, w = tl.reduce((tile, tl.zeros([M, N], tl.float32), tl.full([M, N], 1.0, tl.float32)), 1, welford_step)
    tl.store(mean + row, m)
    tl.store(var + row, m2 / w)


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def kernels():
    x = uniform(1, (5, 784), "f32", -4, 4)
    want = np.full((5, 784), 7.0)
    want[:, :781] = softmax(x.f64[:, :781])
    for warps in (1, 4, 8):
        yield Kernel(f"softmax_block_w{warps}", softmax_row, (5,),
                     dict(x=x, o=tensor(np.full((5, 784), 7.0), "f32"), n=781, stride=784, BLOCK=1024),
                     {"o": Near(want, 3e-7)}, num_warps=warps)
    for dtype, relative in (("f16", 2.0**-11), ("bf16", 2.0**-8)):
        x = uniform(2, (8, 200), dtype, -3, 3)
        yield Kernel(f"softmax_online_{dtype}", softmax_online, (2,),
                     dict(x=x, o=Out((8, 200), dtype), n=200, stride=200, ROWS=4, BLOCK=64),
                     {"o": Near(softmax(x.f64), relative)})
    for dtype, relative in (("f32", 4e-7), ("f16", 2.0**-11 * 1.01)):
        x, w, b = uniform(3, (6, 300), dtype, -2, 2), uniform(4, 300, dtype), uniform(5, 300, dtype)
        m = x.f64.mean(1)
        r = 1 / np.sqrt(x.f64.var(1) + 1e-5)
        want = (x.f64 - m[:, None]) * r[:, None] * w.f64 + b.f64
        yield Kernel(f"layer_norm_{dtype}", layer_norm, (6,),
                     dict(x=x, weight=w, bias=b, o=Out((6, 300), dtype), mean=Out((6,), "f32"), rstd=Out((6,), "f32"),
                          n=300, eps=1e-5, BLOCK=512),
                     {"o": Near(want, relative), "mean": Near(m, 0, 1e-7), "rstd": Near(r, 5e-7)})
        # Two rows a group, and no fused multiply-add: their sum is the same in either order.
        x, m, r = tensor(x.f64[:4], dtype), m[:4], r[:4]
        dy = uniform(6, (4, 300), dtype)
        hat = (x.f64 - rounded(m, "f32")[:, None]) * rounded(r, "f32")[:, None]
        scaled = w.f64 * dy.f64
        dx = (scaled - hat * (hat * scaled).mean(1, keepdims=True) - scaled.mean(1, keepdims=True)) * r[:, None]
        dw = np.stack([(dy.f64 * hat)[g::2].sum(0) for g in range(2)])
        db = np.stack([dy.f64[g::2].sum(0) for g in range(2)])
        yield Kernel(f"layer_norm_backward_{dtype}", layer_norm_backward, (4,),
                     dict(dx=Out((4, 300), dtype), dy=dy, dw=Out((2, 300), "f32"), db=Out((2, 300), "f32"), x=x,
                          weight=w, mean=tensor(m, "f32"), rstd=tensor(r, "f32"),
                          lock=tensor(np.zeros(4), "i32"), n=300, GROUPS=2, BLOCK=512),
                     {"dx": Near(dx, relative * 1.5), "dw": Near(dw, 4e-7), "db": Near(db, 4e-7),
                      "lock": [0, 0, 1, 1]}, options=dict(enable_fp_fusion=False))
    for dtype in ("f32", "i32", "f16", "i64"):
        x = coarse(7, (32, 64), dtype, 200, 1 / 8) if dtype[0] == "f" else integers(7, (32, 64), dtype, -999, 999)
        for axis in (0, 1):
            size = (64, 32)[axis]
            v = x.f64
            sums = rounded(v.astype(np.float32).astype(np.float64).sum(axis), dtype) if dtype != "i64" else v.sum(axis)
            if dtype == "f16":
                continue
            yield Kernel(f"reduce_{dtype}_axis{axis}", reduce_axes, (1,),
                         dict(x=x, sums=Out((size,), dtype), highs=Out((size,), dtype), lows=Out((size,), dtype),
                              where_high=Out((size,), "i32"), where_low=Out((size,), "i32"), M=32, N=64, AXIS=axis),
                         {"sums": sums, "highs": v.max(axis), "lows": v.min(axis), "where_high": v.argmax(axis),
                          "where_low": v.argmin(axis)})
    x = integers(8, 1024, "i32", -(2**31), 2**31)
    bits = x.bits.view(np.uint32)
    yield Kernel("reduce_bits", xor_and_or, (1,), dict(x=x, o=Out((4,), "i32"), N=1024),
                 {"o": np.array([np.bitwise_xor.reduce(bits), np.bitwise_or.reduce(bits) & 0xFFFF,
                                 bits.sum(dtype=np.uint32), x.bits.max().astype(np.int32).view(np.uint32)],
                                np.uint32).view(np.int32)})
    x = coarse(9, (16, 128), "f32", 64, 1 / 16)
    for axis in (0, 1):
        sign = np.where(x.f64 > 0, 1.0, -1.0)
        turn = (lambda v: v[::-1]) if axis == 0 else (lambda v: v[:, ::-1])
        yield Kernel(f"cumulative_axis{axis}", cumulative, (1,),
                     dict(x=x, sums=Out(x.shape, "f32"), products=Out(x.shape, "f32"), backward=Out(x.shape, "f32"),
                          M=16, N=128, AXIS=axis),
                     {"sums": x.f64.cumsum(axis), "products": sign.cumprod(axis),
                      "backward": turn(turn(x.f64).cumsum(axis))})
    a, b = uniform(10, (4, 256), "f32", -0.9, 0.9), uniform(11, (4, 256), "f32")
    state, states = np.zeros(4), []
    for step in range(256):
        state = a.f64[:, step] * state + b.f64[:, step]
        states.append(state)
    yield Kernel("recurrence", recurrence, (1,), dict(a=a, b=b, o=Out((4, 256), "f32"), M=4, N=256),
                 {"o": Near(np.stack(states, 1), 4e-7)})
    for dtype in ("f32", "i32"):
        x = uniform(12, (8, 128), dtype) if dtype == "f32" else integers(12, (8, 128), dtype)
        order = np.sort(x.f64, 1)
        yield Kernel(f"sort_{dtype}", sorts, (1,),
                     dict(x=x, up=Out((8, 128), dtype), down=Out((8, 128), dtype), top=Out((8, 16), dtype), M=8, N=128,
                          K=16), {"up": order, "down": order[:, ::-1], "top": order[:, :-17:-1]})
    x = integers(13, 1000, "i32", 0, 64)
    yield Kernel("histogram", histogram, (2,), dict(x=x, o=tensor(np.zeros(64), "i32"), n=1000, BINS=64, BLOCK=512),
                 {"o": np.bincount(x.bits, minlength=64)})
    x = uniform(14, (8, 256), "f32", -1, 3)
    yield Kernel("welford", welford, (1,), dict(x=x, mean=Out((8,), "f32"), var=Out((8,), "f32"), M=8, N=256),
                 {"mean": Near(x.f64.mean(1), 3e-7), "var": Near(x.f64.var(1), 5e-7)})
