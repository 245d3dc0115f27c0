"""A plain Triton kernel of decoding over a paged cache, split over the keys, with a second one that combines.

One program computes one chunk of the keys of one sequence and one KV head: the query heads that share it
are the rows of its tile. A chunk has the same number of keys everywhere, so that long sequences get more
programs and all end at about the same time. Needs triton; launching needs torch.
"""

from typing import TYPE_CHECKING

import triton
import triton.language as tl

from peers.triton_prefill import modify, narrow, product

if TYPE_CHECKING:
    import torch

    from peers.batch import Batch


@triton.jit
def attend_chunk(
    q_base, k_base, v_base, table, kv_lens, slopes, o_base, parts, lses, scale, cap,
    pool_block, pool_row, pool_head, table_row, chunk,
    HEADS: tl.constexpr, GROUP: tl.constexpr, ROWS: tl.constexpr, HEAD_DIM: tl.constexpr,
    BLOCK_SIZE: tl.constexpr, BLOCK_N: tl.constexpr, WINDOW: tl.constexpr, SOFTCAP: tl.constexpr,
    ALIBI: tl.constexpr, SPLIT: tl.constexpr,
):
    """Strides are in elements; q and o are `[batch, heads, head_dim]` without gaps, both pools have the
    same strides.

    `parts`, `[batch, heads, chunks, head_dim]` f32, and `lses`, `[batch, heads, chunks]` in units of log2,
    are written where the keys are split; otherwise `o_base`.
    """
    index = tl.program_id(0)
    kv_head = tl.program_id(1)
    sequence = tl.program_id(2)
    kv_len = tl.load(kv_lens + sequence)
    oldest = 0
    if WINDOW > 0:
        oldest = tl.maximum(kv_len - WINDOW, 0)
    first = oldest + index * chunk
    last = tl.minimum(first + chunk, kv_len)
    if first < last:
        rows = tl.arange(0, ROWS)
        dims = tl.arange(0, HEAD_DIM)
        heads = kv_head * GROUP + rows
        row = sequence * HEADS + heads
        q = tl.load(q_base + row[:, None] * HEAD_DIM + dims[None, :], mask=rows[:, None] < GROUP, other=0.0)
        slope = tl.zeros([ROWS, 1], tl.float32)
        if ALIBI:
            slope = tl.load(slopes + heads, mask=rows < GROUP, other=0.0)[:, None]
        acc = tl.zeros([ROWS, HEAD_DIM], tl.float32)
        row_sum = tl.zeros([ROWS], tl.float32)
        row_max = tl.full([ROWS], float("-inf"), tl.float32)
        for start in range(first, last, BLOCK_N):
            columns = start + tl.arange(0, BLOCK_N)
            seen = columns < last
            block = tl.load(table + sequence * table_row + columns // BLOCK_SIZE, mask=seen, other=0)
            offset = block.to(tl.int64) * pool_block + (columns % BLOCK_SIZE) * pool_row + kv_head * pool_head
            tile = offset[:, None] + dims[None, :]
            k = tl.load(k_base + tile, mask=seen[:, None], other=0.0)
            distance = (kv_len - 1 - columns)[None, :]
            scores = product(q, tl.trans(k), tl.zeros([ROWS, BLOCK_N], tl.float32))
            scores = modify(scores, distance, scale, cap, slope, SOFTCAP, ALIBI)
            scores = tl.where(seen[None, :], scores, float("-inf"))
            # Every tile has a key that is seen, so the maximum is a number.
            new_max = tl.maximum(row_max, tl.max(scores, 1))
            p = tl.exp2(scores - new_max[:, None])
            shrink = tl.exp2(row_max - new_max)
            row_sum = row_sum * shrink + tl.sum(p, 1)
            v = tl.load(v_base + tile, mask=seen[:, None], other=0.0)
            acc = product(narrow(p, v.dtype), v, acc * shrink[:, None])
            row_max = new_max
        out = acc / row_sum[:, None]
        mine = rows < GROUP
        if SPLIT:
            place = row * tl.num_programs(0) + index
            tl.store(parts + place[:, None].to(tl.int64) * HEAD_DIM + dims[None, :], out, mask=mine[:, None])
            tl.store(lses + place, row_max + tl.log2(row_sum), mask=mine)
        else:
            target = o_base + row[:, None] * HEAD_DIM + dims[None, :]
            tl.store(target, narrow(out, o_base.dtype.element_ty), mask=mine[:, None])


@triton.jit
def combine(
    parts, lses, kv_lens, o_base, chunk, chunks,
    HEADS: tl.constexpr, HEAD_DIM: tl.constexpr, WINDOW: tl.constexpr, TILE: tl.constexpr,
):
    """One output row from its chunks, `TILE` of them at a time."""
    row = tl.program_id(0)
    kept = tl.load(kv_lens + row // HEADS)
    if WINDOW > 0:
        kept = tl.minimum(kept, WINDOW)
    count = tl.cdiv(kept, chunk)
    dims = tl.arange(0, HEAD_DIM)
    acc = tl.zeros([HEAD_DIM], tl.float32)
    total = 0.0
    highest = float("-inf")
    for start in range(0, count, TILE):
        each = start + tl.arange(0, TILE)
        place = row * chunks + each
        lse = tl.load(lses + place, mask=each < count, other=float("-inf"))
        part = tl.load(
            parts + place[:, None].to(tl.int64) * HEAD_DIM + dims[None, :],
            mask=each[:, None] < count,
            other=0.0,
        )
        new_highest = tl.maximum(highest, tl.max(lse, 0))
        weight = tl.exp2(lse - new_highest)
        shrink = tl.exp2(highest - new_highest)
        acc = acc * shrink + tl.sum(part * weight[:, None], 0)
        total = total * shrink + tl.sum(weight, 0)
        highest = new_highest
    tl.store(o_base + row * HEAD_DIM + dims, narrow(acc / total, o_base.dtype.element_ty))


#: BLOCK_N, num_warps, num_stages.
CONFIGS = [(64, 4, 3), (128, 4, 2), (32, 2, 4), (128, 8, 2)]
#: Programs a multiprocessor, over all chunks.
WAVES = (1, 2, 4, 8)
COMBINED_AT_ONCE = 16


def chunk_lengths(kv_lens: list[int], kv_heads: int, multiprocessors: int) -> list[int]:
    """Keys a chunk for about `WAVES` programs a multiprocessor: multiples of 128, the shortest first."""
    total = sum(kv_lens) * kv_heads
    chunks = {max(128, -(-total // (wave * multiprocessors * 128)) * 128) for wave in WAVES}
    # Beyond the longest sequence nothing is split any more, however long the chunk.
    longest = -(-max(kv_lens) // 128) * 128
    return sorted({min(chunk, longest) for chunk in chunks})


class Split:
    """A chunk length, and the memory for what the chunks give."""

    def __init__(self, batch: "Batch", chunk: int) -> None:
        import torch

        workload = batch.workload
        kept = min(workload.longest, workload.window or workload.longest)
        self.chunk = chunk
        self.chunks = triton.cdiv(kept, chunk)
        rows = (workload.batch, workload.heads, self.chunks)
        self.lses = torch.empty(rows, dtype=torch.float32, device=batch.device)
        self.parts = torch.empty(*rows, workload.head_dim, dtype=torch.float32, device=batch.device)


def launch(batch: "Batch", out: "torch.Tensor", split: Split, config: tuple[int, int, int]) -> "torch.Tensor":
    """Computes a batch of single queries into `out`, `[batch, 1, heads, head_dim]`."""
    workload = batch.workload
    block_n, warps, stages = config
    k, v, table = batch.pages()
    window = workload.window or 0
    attend_chunk[(split.chunks, workload.kv_heads, workload.batch)](
        batch.q, k, v, table, batch.kv_lens, batch.slopes, out, split.parts, split.lses, batch.scale,
        float(workload.softcap or 1.0), k.stride(0), k.stride(1), k.stride(2), table.stride(0), split.chunk,
        HEADS=workload.heads, GROUP=workload.group, ROWS=max(16, triton.next_power_of_2(workload.group)),
        HEAD_DIM=workload.head_dim, BLOCK_SIZE=k.shape[1], BLOCK_N=block_n, WINDOW=window,
        SOFTCAP=workload.softcap is not None, ALIBI=workload.alibi, SPLIT=split.chunks > 1,
        num_warps=warps, num_stages=stages,
    )
    if split.chunks > 1:
        combine[(workload.batch * workload.heads,)](
            split.parts, split.lses, batch.kv_lens, out, split.chunk, split.chunks,
            HEADS=workload.heads, HEAD_DIM=workload.head_dim, WINDOW=window, TILE=COMBINED_AT_ONCE,
            num_warps=4,
        )
    return out
