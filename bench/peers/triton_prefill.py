"""A plain Triton kernel of attention over dense keys: what one writes in an afternoon.

One program computes `BLOCK_M` query rows of one head. Tiles of keys that every row sees whole run a loop
without masks; those at the edges of the causal triangle, of the window and of the sequence run a masked
one. Needs triton; launching needs torch.
"""

import os
from typing import TYPE_CHECKING

import triton
import triton.language as tl

if TYPE_CHECKING:
    import torch

    from peers.batch import Batch

LOG2E = tl.constexpr(1.4426950408889634)
#: Triton's interpreter, which a dry run uses, multiplies the bits of bf16 numbers as if they were integers,
#: and cuts numbers off where they should be rounded to bf16.
INTERPRETED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")


@triton.jit
def product(a, b, acc):
    if INTERPRETED:
        a = a.to(tl.float32)
        b = b.to(tl.float32)
    return tl.dot(a, b, acc)


@triton.jit
def narrow(x, DTYPE: tl.constexpr):
    if INTERPRETED and DTYPE == tl.bfloat16:
        bits = x.to(tl.int32, bitcast=True)
        bits += 0x7FFF + ((bits >> 16) & 1)
        x = (bits >> 16 << 16).to(tl.float32, bitcast=True)
    return x.to(DTYPE)


@triton.jit
def modify(scores, distance, scale, cap, slope, SOFTCAP: tl.constexpr, ALIBI: tl.constexpr):
    """Scores in units of log2, from plain products: scaled, capped, biased."""
    if SOFTCAP:
        # tanh(x) = 2 sigmoid(2 x) - 1, by the exponential that the hardware has.
        capped = 2.0 / (1.0 + tl.exp2(scores * (-2.0 * LOG2E * scale / cap))) - 1.0
        scores = capped * (cap * LOG2E)
    else:
        scores = scores * (scale * LOG2E)
    if ALIBI:
        scores = scores - distance.to(tl.float32) * (slope * LOG2E)
    return scores


@triton.jit
def walk(
    acc, row_sum, row_max, q, k_base, v_base, stride, first, last, positions, kv_len, scale, cap, slope,
    HEAD_DIM: tl.constexpr, BLOCK_N: tl.constexpr, CAUSAL: tl.constexpr, WINDOW: tl.constexpr,
    SOFTCAP: tl.constexpr, ALIBI: tl.constexpr, MASKED: tl.constexpr,
):
    """The online softmax over the tiles of keys from `first` to before `last`."""
    dims = tl.arange(0, HEAD_DIM)
    for start in range(first, last, BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N)
        k_tile = k_base + columns[None, :] * stride + dims[:, None]
        v_tile = v_base + columns[:, None] * stride + dims[None, :]
        if MASKED:
            k = tl.load(k_tile, mask=columns[None, :] < kv_len, other=0.0)
        else:
            k = tl.load(k_tile)
        distance = positions[:, None] - columns[None, :]
        scores = product(q, k, tl.zeros([q.shape[0], BLOCK_N], tl.float32))
        scores = modify(scores, distance, scale, cap, slope, SOFTCAP, ALIBI)
        if MASKED:
            seen = columns[None, :] < kv_len
            if CAUSAL:
                seen = seen & (distance >= 0)
            if WINDOW > 0:
                seen = seen & (distance < WINDOW)
            scores = tl.where(seen, scores, float("-inf"))
        new_max = tl.maximum(row_max, tl.max(scores, 1))
        # A row that has seen nothing yet has no maximum to subtract.
        base = tl.where(new_max == float("-inf"), 0.0, new_max) if MASKED else new_max
        p = tl.exp2(scores - base[:, None])
        shrink = tl.exp2(row_max - base)
        row_sum = row_sum * shrink + tl.sum(p, 1)
        acc = acc * shrink[:, None]
        if MASKED:
            v = tl.load(v_tile, mask=columns[:, None] < kv_len, other=0.0)
        else:
            v = tl.load(v_tile)
        acc = product(narrow(p, v.dtype), v, acc)
        row_max = new_max
    return acc, row_sum, row_max


@triton.jit
def attend(
    q_base, k_base, v_base, o_base, kv_lens, slopes, scale, cap,
    q_batch, q_row, q_head, k_batch, k_row, k_head, q_len,
    GROUP: tl.constexpr, HEAD_DIM: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    CAUSAL: tl.constexpr, WINDOW: tl.constexpr, SOFTCAP: tl.constexpr, ALIBI: tl.constexpr,
):
    """Strides are in elements; k and v share theirs, as do q and o."""
    # The tiles with the most keys go first, so that the short ones fill the gaps at the end.
    tile = tl.num_programs(0) - 1 - tl.program_id(0)
    head = tl.program_id(1)
    sequence = tl.program_id(2)
    kv_len = tl.load(kv_lens + sequence)
    rows = tile * BLOCK_M + tl.arange(0, BLOCK_M)
    dims = tl.arange(0, HEAD_DIM)
    positions = kv_len - q_len + rows
    first_position = kv_len - q_len + tile * BLOCK_M
    last_position = tl.minimum(first_position + BLOCK_M, kv_len) - 1

    q_offset = sequence.to(tl.int64) * q_batch + head * q_head
    q_tile = q_base + q_offset + rows[:, None] * q_row + dims[None, :]
    q = tl.load(q_tile, mask=rows[:, None] < q_len, other=0.0)
    k_offset = sequence.to(tl.int64) * k_batch + (head // GROUP) * k_head
    k_base += k_offset
    v_base += k_offset
    slope = 0.0
    if ALIBI:
        slope = tl.load(slopes + head)

    # Tiles from `low` to `high`; those from `whole_low` to `whole_high` are seen whole by every row.
    low = 0
    whole_low = 0
    high = kv_len
    whole_high = kv_len // BLOCK_N * BLOCK_N
    if CAUSAL:
        high = last_position + 1
        whole_high = (first_position + 1) // BLOCK_N * BLOCK_N
    if WINDOW > 0:
        low = tl.maximum(first_position - WINDOW + 1, 0) // BLOCK_N * BLOCK_N
        whole_low = tl.cdiv(tl.maximum(last_position - WINDOW + 1, 0), BLOCK_N) * BLOCK_N
    whole_low = tl.minimum(whole_low, tl.cdiv(high, BLOCK_N) * BLOCK_N)
    whole_high = tl.maximum(whole_high, whole_low)

    acc = tl.zeros([BLOCK_M, HEAD_DIM], tl.float32)
    row_sum = tl.zeros([BLOCK_M], tl.float32)
    row_max = tl.full([BLOCK_M], float("-inf"), tl.float32)
    if WINDOW > 0:
        acc, row_sum, row_max = walk(
            acc, row_sum, row_max, q, k_base, v_base, k_row, low, whole_low, positions, kv_len, scale, cap,
            slope, HEAD_DIM, BLOCK_N, CAUSAL, WINDOW, SOFTCAP, ALIBI, True,
        )
    acc, row_sum, row_max = walk(
        acc, row_sum, row_max, q, k_base, v_base, k_row, whole_low, whole_high, positions, kv_len, scale, cap,
        slope, HEAD_DIM, BLOCK_N, CAUSAL, WINDOW, SOFTCAP, ALIBI, False,
    )
    acc, row_sum, row_max = walk(
        acc, row_sum, row_max, q, k_base, v_base, k_row, whole_high, high, positions, kv_len, scale, cap,
        slope, HEAD_DIM, BLOCK_N, CAUSAL, WINDOW, SOFTCAP, ALIBI, True,
    )
    # Rows past the last query may have seen nothing; they are not stored.
    out = acc / tl.where(row_sum > 0.0, row_sum, 1.0)[:, None]
    o_tile = o_base + q_offset + rows[:, None] * q_row + dims[None, :]
    tl.store(o_tile, narrow(out, o_base.dtype.element_ty), mask=rows[:, None] < q_len)


#: BLOCK_M, BLOCK_N, num_warps, num_stages.
CONFIGS = [
    (128, 64, 4, 3),
    (128, 64, 8, 3),
    (128, 128, 8, 2),
    (128, 32, 4, 4),
    (64, 64, 4, 3),
    (64, 128, 4, 2),
    (16, 64, 4, 3),
]


def configs(q_len: int) -> list[tuple[int, int, int, int]]:
    """Those that make sense for so many query rows: small tiles for few of them, large ones for many."""
    return [each for each in CONFIGS if (each[0] == 16) == (q_len <= 16)]


def launch(batch: "Batch", out: "torch.Tensor", config: tuple[int, int, int, int]) -> "torch.Tensor":
    """Computes a dense batch into `out`, `[batch, q_len, heads, head_dim]`."""
    workload = batch.workload
    block_m, block_n, warps, stages = config
    q, k = batch.q, batch.k
    grid = (triton.cdiv(workload.q_len, block_m), workload.heads, workload.batch)
    attend[grid](
        q, k, batch.v, out, batch.kv_lens, batch.slopes, batch.scale, float(workload.softcap or 1.0),
        q.stride(0), q.stride(1), q.stride(2), k.stride(0), k.stride(1), k.stride(2), workload.q_len,
        GROUP=workload.group, HEAD_DIM=workload.head_dim, BLOCK_M=block_m, BLOCK_N=block_n,
        CAUSAL=workload.needs_causal, WINDOW=workload.window or 0, SOFTCAP=workload.softcap is not None,
        ALIBI=workload.alibi, num_warps=warps, num_stages=stages,
    )
    return out
