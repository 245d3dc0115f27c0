"""Attention, forward and backward, over plain and paged caches: products chained through registers and softmax."""

import numpy as np
import triton
import triton.language as tl

from case import Near
from numbers_of import Out, coarse, tensor, uniform
from triton_build import Kernel


@triton.jit
def flash_forward(q, k, v, o, lse, scale, n, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
                  CAUSAL: tl.constexpr):
    head = tl.program_id(1)
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    dim = tl.arange(0, D)
    base = head * n * D
    query = tl.load(q + base + rows[:, None] * D + dim[None, :], rows[:, None] < n, other=0.0)
    high = tl.full([BM], -float("inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    acc = tl.zeros([BM, D], tl.float32)
    end = min(n, (tl.program_id(0) + 1) * BM) if CAUSAL else n
    for start in range(0, end, BN):
        cols = start + tl.arange(0, BN)
        key = tl.load(k + base + cols[None, :] * D + dim[:, None], cols[None, :] < n, other=0.0)
        s = tl.dot(query, key) * (scale * 1.44269504)
        keep = cols[None, :] < n
        if CAUSAL:
            keep = keep & (cols[None, :] <= rows[:, None])
        s = tl.where(keep, s, -float("inf"))
        higher = tl.maximum(high, tl.max(s, 1))
        p = tl.exp2(s - higher[:, None])
        fade = tl.exp2(high - higher)
        total = total * fade + tl.sum(p, 1)
        value = tl.load(v + base + cols[:, None] * D + dim[None, :], cols[:, None] < n, other=0.0)
        acc = tl.dot(p.to(v.dtype.element_ty), value, acc * fade[:, None])
        high = higher
    tl.store(o + base + rows[:, None] * D + dim[None, :], acc / total[:, None], rows[:, None] < n)
    tl.store(lse + head * n + rows, (high + tl.log2(total)) * 0.69314718, rows < n)


@triton.jit
def flash_backward_keys(q, k, v, do, dk, dv, lse, delta, scale, n, D: tl.constexpr, BM: tl.constexpr,
                        BN: tl.constexpr):
    """dK and dV of one tile of keys, causal."""
    base = tl.program_id(1) * n
    start = tl.program_id(0) * BN
    cols = start + tl.arange(0, BN)
    dim = tl.arange(0, D)
    key = tl.load(k + (base + cols[:, None]) * D + dim[None, :])
    value = tl.load(v + (base + cols[:, None]) * D + dim[None, :])
    grad_k = tl.zeros([BN, D], tl.float32)
    grad_v = tl.zeros([BN, D], tl.float32)
    for row in range(start // BM * BM, n, BM):
        rows = row + tl.arange(0, BM)
        query_t = tl.load(q + (base + rows[None, :]) * D + dim[:, None])
        p = tl.exp(tl.dot(key, query_t) * scale - tl.load(lse + base + rows)[None, :])
        p = tl.where(cols[:, None] <= rows[None, :], p, 0.0)
        grad_o = tl.load(do + (base + rows[:, None]) * D + dim[None, :])
        grad_v += tl.dot(p.to(do.dtype.element_ty), grad_o)
        grad_p = tl.dot(value, tl.trans(grad_o))
        ds = p * (grad_p - tl.load(delta + base + rows)[None, :]) * scale
        grad_k += tl.dot(ds.to(q.dtype.element_ty), tl.trans(query_t))
    tl.store(dk + (base + cols[:, None]) * D + dim[None, :], grad_k)
    tl.store(dv + (base + cols[:, None]) * D + dim[None, :], grad_v)


@triton.jit
def flash_backward_queries(q, k, v, do, dq, lse, delta, scale, n, D: tl.constexpr, BM: tl.constexpr,
                           BN: tl.constexpr):
    base = tl.program_id(1) * n
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    dim = tl.arange(0, D)
    query = tl.load(q + (base + rows[:, None]) * D + dim[None, :])
    grad_o = tl.load(do + (base + rows[:, None]) * D + dim[None, :])
    high = tl.load(lse + base + rows)
    row_delta = tl.load(delta + base + rows)
    grad_q = tl.zeros([BM, D], tl.float32)
    for col in range(0, (tl.program_id(0) + 1) * BM, BN):
        cols = col + tl.arange(0, BN)
        key_t = tl.load(k + (base + cols[None, :]) * D + dim[:, None])
        value_t = tl.load(v + (base + cols[None, :]) * D + dim[:, None])
        p = tl.exp(tl.dot(query, key_t) * scale - high[:, None])
        p = tl.where(cols[None, :] <= rows[:, None], p, 0.0)
        ds = p * (tl.dot(grad_o, value_t) - row_delta[:, None]) * scale
        grad_q += tl.dot(ds.to(q.dtype.element_ty), tl.trans(key_t))
    tl.store(dq + (base + rows[:, None]) * D + dim[None, :], grad_q)


@triton.jit
def paged_decode(q, k, v, table, lens, o, lse, scale, blocks, D: tl.constexpr, GROUP: tl.constexpr,
                 PAGE: tl.constexpr, KV_HEADS: tl.constexpr):
    """One new token a sequence; pools are [block, position, head, dim]."""
    seq, head = tl.program_id(0), tl.program_id(1)
    row = tl.arange(0, GROUP)
    dim = tl.arange(0, D)
    pos = tl.arange(0, PAGE)
    at_q = (seq * KV_HEADS + head) * GROUP * D + row[:, None] * D + dim[None, :]
    query = tl.load(q + at_q)
    length = tl.load(lens + seq)
    high = tl.full([GROUP], -float("inf"), tl.float32)
    total = tl.zeros([GROUP], tl.float32)
    acc = tl.zeros([GROUP, D], tl.float32)
    for block in range(0, tl.cdiv(length, PAGE)):
        physical = tl.load(table + seq * blocks + block).to(tl.int64)
        cols = block * PAGE + pos
        at = (physical * PAGE + pos) * KV_HEADS + head
        key = tl.load(k + at[None, :] * D + dim[:, None], cols[None, :] < length, other=0.0)
        value = tl.load(v + at[:, None] * D + dim[None, :], cols[:, None] < length, other=0.0)
        s = tl.where(cols[None, :] < length, tl.dot(query, key) * scale, -float("inf"))
        higher = tl.maximum(high, tl.max(s, 1))
        p = tl.exp(s - higher[:, None])
        fade = tl.exp(high - higher)
        total = total * fade + tl.sum(p, 1)
        acc = acc * fade[:, None] + tl.dot(p.to(v.dtype.element_ty), value)
        high = higher
    tl.store(o + at_q, acc / total[:, None])
    tl.store(lse + (seq * KV_HEADS + head) * GROUP + row, high + tl.log(total))


def attend(q, k, v, scale, causal):
    """Probabilities, output and log-sum-exp of [heads, n, d] in f64."""
    s = np.einsum("hmd,hnd->hmn", q, k) * scale
    if causal:
        s = np.where(np.tril(np.ones(s.shape[1:], bool)), s, -np.inf)
    high = s.max(-1, keepdims=True)
    lse = (high + np.log(np.exp(s - high).sum(-1, keepdims=True)))[..., 0]
    p = np.exp(s - lse[..., None])
    return p, np.einsum("hmn,hnd->hmd", p, v), lse


# What rounding the probabilities (and the output) to the element type may cost, relative to the largest output.
SLACK = {"f16": 2.0**-10, "bf16": 2.0**-7, "e5m2": 2.0**-2}


def kernels():
    for dtype in ("f16", "bf16"):
        for d in (64, 128):
            for causal in (False, True):
                q, k, v = (uniform(seed, (2, 150, d), dtype) for seed in (1, 2, 3))
                scale = d**-0.5
                _, out, lse = attend(q.f64, k.f64, v.f64, scale, causal)
                yield Kernel(f"flash_{dtype}_d{d}_{'causal' if causal else 'full'}", flash_forward, (3, 2),
                             dict(q=q, k=k, v=v, o=Out(q.shape, dtype), lse=Out((2, 150), "f32"), scale=scale, n=150,
                                  D=d, BM=64, BN=32 if d == 64 else 64, CAUSAL=causal),
                             {"o": Near(out, SLACK[dtype]), "lse": Near(lse, 1e-6)})
    q, k, v = (uniform(seed, (1, 256, 64), "f16") for seed in (4, 5, 6))
    _, out, lse = attend(q.f64, k.f64, v.f64, 0.125, True)
    for stages in (1, 2, 4):
        yield Kernel(f"flash_w8_stages{stages}", flash_forward, (2, 1),
                     dict(q=q, k=k, v=v, o=Out(q.shape, "f16"), lse=Out((1, 256), "f32"), scale=0.125, n=256, D=64,
                          BM=128, BN=64, CAUSAL=True),
                     {"o": Near(out, SLACK["f16"]), "lse": Near(lse, 1e-6)}, num_warps=8, num_stages=stages)
    q, k, v = (coarse(seed, (1, 128, 64), "e5m2", 4, 0.25) for seed in (7, 8, 9))
    _, out, lse = attend(q.f64, k.f64, v.f64, 0.125, False)
    yield Kernel("flash_e5m2", flash_forward, (2, 1),
                 dict(q=q, k=k, v=v, o=Out(q.shape, "f32"), lse=Out((1, 128), "f32"), scale=0.125, n=128, D=64, BM=64,
                      BN=64, CAUSAL=False),
                 {"o": Near(out, SLACK["e5m2"]), "lse": Near(lse, 1e-6)}, targets=(90,))

    for dtype in ("f16", "bf16"):
        q, k, v, do = (uniform(seed, (2, 128, 64), dtype) for seed in (10, 11, 12, 13))
        p, out, lse = attend(q.f64, k.f64, v.f64, 0.125, True)
        delta = (do.f64 * out).sum(-1)
        dp = np.einsum("hmd,hnd->hmn", do.f64, v.f64)
        ds = p * (dp - delta[..., None]) * 0.125
        given = dict(q=q, k=k, v=v, do=do, lse=tensor(lse, "f32"), delta=tensor(delta, "f32"), scale=0.125, n=128,
                     D=64, BM=32, BN=64)
        slack = 2 * SLACK[dtype]
        yield Kernel(f"flash_backward_keys_{dtype}", flash_backward_keys, (2, 2),
                     dict(given, dk=Out(q.shape, "f32"), dv=Out(q.shape, "f32")),
                     {"dk": Near(np.einsum("hmn,hmd->hnd", ds, q.f64), slack),
                      "dv": Near(np.einsum("hmn,hmd->hnd", p, do.f64), slack)})
        yield Kernel(f"flash_backward_queries_{dtype}", flash_backward_queries, (2, 2),
                     dict(given, BM=64, BN=32, dq=Out(q.shape, "f32")),
                     {"dq": Near(np.einsum("hmn,hnd->hmd", ds, k.f64), slack)})

    for dtype in ("f16", "bf16"):
        lens, page, blocks, heads, group, d = [1, 37, 64, 90], 16, 6, 2, 16, 64
        rng = np.random.default_rng(14)
        pool = uniform(15, (24, page, heads, d), dtype).f64
        values = uniform(16, (24, page, heads, d), dtype).f64
        table = rng.permutation(24)[:24].reshape(4, 6)
        used = np.zeros((24, page), bool)
        for seq, length in enumerate(lens):
            for at in range(length):
                used[table[seq, at // page], at % page] = True
        # What no sequence reaches is not a number; table entries past the end are absurd.
        pool[~used] = np.nan
        values[~used] = np.nan
        absurd = np.where(np.arange(blocks) * page < np.array(lens)[:, None], table, -(2**31))
        q = uniform(17, (4, heads, group, d), dtype)
        out, lse = np.zeros(q.shape), np.zeros(q.shape[:3])
        for seq, length in enumerate(lens):
            at = [(table[seq, i // page], i % page) for i in range(length)]
            k, v = (np.stack([x[b, p] for b, p in at], 1) for x in (pool, values))
            _, out[seq], lse[seq] = attend(q.f64[seq], k, v, 0.125, False)
        nan_bits = {"f16": np.uint16(0x7E00), "bf16": np.uint16(0x7FC0)}[dtype]

        def stored(x):
            made = tensor(np.nan_to_num(x), dtype)
            made.bits.view(np.uint16)[np.isnan(x)] = nan_bits
            return made

        yield Kernel(f"paged_decode_{dtype}", paged_decode, (4, heads),
                     dict(q=q, k=stored(pool), v=stored(values), table=tensor(absurd, "i32"), lens=tensor(lens, "i32"),
                          o=Out(q.shape, "f32"), lse=Out(lse.shape, "f32"), scale=0.125, blocks=blocks, D=d,
                          GROUP=group, PAGE=page, KV_HEADS=heads),
                     {"o": Near(out, SLACK[dtype]), "lse": Near(lse, 1e-6)})
