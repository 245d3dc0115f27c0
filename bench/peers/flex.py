"""torch's FlexAttention, compiled: dense with a BlockMask, and over a paged cache by its PagedAttention.

On a processor it runs uncompiled: that tests the masks and page tables it is given, not its kernels.
Needs torch.
"""

import warnings
from collections.abc import Callable

import torch
from torch.nn.attention.experimental._paged_attention import PagedAttention
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from peers.batch import Batch
from peers.peer import Call

#: The block of a BlockMask where nothing asks for another one; torch's own default.
Q_BLOCK = KV_BLOCK = 128
#: Keys that a tile of its kernels has at most where blocks of the mask are smaller than theirs.
MOST_KEYS = 64


def prepare(batch: Batch) -> Call:
    workload = batch.workload
    options = {"scale": batch.scale, "enable_gqa": workload.group > 1}
    q = batch.q.transpose(1, 2).contiguous()
    if workload.block_size is None:
        _, k, v = batch.heads_first()
        mask, score_mod = dense_mask(batch), score_mod_of(batch)
    else:
        k, v, mask, score_mod = paged(batch, workload.block_size)
        if workload.block_size < KV_BLOCK:
            options["kernel_options"] = {"BLOCK_N": min(MOST_KEYS, workload.block_size)}

    if batch.device.type == "cuda":
        # A new shape would be compiled with symbolic sizes, and after eight shapes not at all.
        torch._dynamo.reset()
        attend = torch.compile(flex_attention, dynamic=False, fullgraph=True)
    else:
        warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
        options.pop("kernel_options", None)
        attend = flex_attention

    def run() -> torch.Tensor:
        return attend(q, k, v, score_mod=score_mod, block_mask=mask, **options)

    return Call(run, lambda out: out.transpose(1, 2))


def mask_mod_of(batch: Batch) -> Callable | None:
    """Which keys a query sees, by their places in the sequence; None where all."""
    workload, kv_lens = batch.workload, batch.kv_lens
    q_len, longest, window = workload.q_len, workload.longest, workload.window
    is_even, is_causal = workload.is_even, workload.needs_causal
    if is_even and not is_causal and window is None and workload.block_size is None:
        return None

    def mask_mod(b, h, q_idx, kv_idx):
        # Bottom-right aligned: the last query stands at the last key.
        kv_len = longest if is_even else kv_lens[b]
        distance = q_idx + (kv_len - q_len) - kv_idx
        seen = kv_idx < kv_len
        if is_causal or window is not None:
            seen = seen & (distance >= 0)
        if window is not None:
            seen = seen & (distance < window)
        return seen

    return mask_mod


def score_mod_of(batch: Batch) -> Callable | None:
    """What is done to a score; None where nothing."""
    workload, kv_lens, slopes = batch.workload, batch.kv_lens, batch.slopes
    q_len, longest, cap, alibi = workload.q_len, workload.longest, workload.softcap, workload.alibi
    is_even = workload.is_even
    if cap is None and not alibi:
        return None

    def score_mod(score, b, h, q_idx, kv_idx):
        if cap is not None:
            score = cap * torch.tanh(score / cap)
        if alibi:
            kv_len = longest if is_even else kv_lens[b]
            score = score - slopes[h] * (q_idx + (kv_len - q_len) - kv_idx)
        return score

    return score_mod


def dense_mask(batch: Batch) -> BlockMask | None:
    workload, mask_mod = batch.workload, mask_mod_of(batch)
    if mask_mod is None:
        return None
    sequences = None if workload.is_even else workload.batch
    return create_block_mask(
        mask_mod, sequences, None, workload.q_len, workload.longest, device=batch.device,
        BLOCK_SIZE=(Q_BLOCK, KV_BLOCK),
    )


def paged(
    batch: Batch, page_size: int
) -> tuple[torch.Tensor, torch.Tensor, BlockMask, Callable | None]:
    """The pool as PagedAttention has it, `[1, kv_heads, tokens, head_dim]`, with its mask and score function.

    The table is ours, so that the cache is as scattered as everybody's; `reserve` would lay it out in order.
    """
    workload, table = batch.workload, batch.block_table
    pages = batch.k.shape[0]
    paging = PagedAttention(pages, page_size, workload.batch, device=str(batch.device))
    for sequence, length in enumerate(workload.kv_lens):
        count = -(-length // page_size)
        physical = table[sequence, :count].long()
        paging.page_table[sequence, :count] = physical
        paging.physical_to_logical[sequence, physical] = torch.arange(count, device=batch.device)
        paging.capacity[sequence] = count * page_size
    # A whole number of pages, so that every column of the mask is one.
    columns = table.shape[1] * page_size
    logical = create_block_mask(
        mask_mod_of(batch), workload.batch, None, workload.q_len, columns, device=batch.device,
        BLOCK_SIZE=(Q_BLOCK, page_size),
    )
    kv_lens = batch.kv_lens.long()
    mask = paging.convert_logical_block_mask(logical, kv_len=kv_lens)
    score_mod = score_mod_of(batch)
    if score_mod is not None:
        score_mod = paging.get_score_mod(score_mod, kv_lens)
    k, v = (pool.flatten(0, 1).transpose(0, 1).contiguous()[None] for pool in (batch.k, batch.v))
    return k, v, mask, score_mod
