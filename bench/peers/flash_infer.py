"""FlashInfer's wrappers: planned once, as a server does for all layers of a step, then run.

Needs the package.
"""

import math
from collections.abc import Callable
from typing import Any

import torch

from peers.batch import Batch
from peers.peer import Call, Skip

#: For its plans and for what split keys give; what its documentation recommends.
WORKSPACE_BYTES = 128 << 20
#: Tokens a page where a dense cache is taken for a paged one.
DENSE_PAGE = 16


def prepare(batch: Batch) -> Call:
    workload = batch.workload
    if workload.alibi:
        raise Skip("takes no slopes of ours")
    if workload.q_len == 1:
        return decode(batch)
    return append_paged(batch) if workload.block_size is not None else prefill(batch)


def shared_options(batch: Batch) -> dict[str, Any]:
    workload = batch.workload
    return {
        "window_left": -1 if workload.window is None else workload.window - 1,
        "logits_soft_cap": None if workload.softcap is None else float(workload.softcap),
        "sm_scale": batch.scale,
        "q_data_type": batch.dtype,
        "kv_data_type": batch.dtype,
    }


def workspace(batch: Batch) -> torch.Tensor:
    return torch.zeros(WORKSPACE_BYTES, dtype=torch.uint8, device=batch.device)


def pages(batch: Batch) -> tuple[tuple[torch.Tensor, torch.Tensor], int, tuple[torch.Tensor, ...]]:
    """Pools, tokens a page, and its form of a table: starts, pages in order, tokens of the last ones."""
    workload, table = batch.workload, batch.block_table
    k, v, size = batch.k, batch.v, workload.block_size
    if table is None:
        size = math.gcd(workload.longest, DENSE_PAGE)
        width = workload.longest // size
        k, v = (each.reshape(workload.batch * width, size, *each.shape[2:]) for each in (k, v))
        table = torch.arange(workload.batch * width, dtype=torch.int32, device=batch.device)
        table = table.view(workload.batch, width)
    counts = [-(-length // size) for length in workload.kv_lens]
    indices = torch.cat([table[row, :count] for row, count in enumerate(counts)])
    last = torch.tensor(
        [length - (count - 1) * size for length, count in zip(workload.kv_lens, counts)],
        dtype=torch.int32,
        device=batch.device,
    )
    return (k, v), size, (batch.starts(counts), indices, last)


def decode(batch: Batch) -> Call:
    import flashinfer

    workload = batch.workload
    pools, size, table = pages(batch)
    # Its kernel for tensor cores packs the heads of a group; the other one is meant for groups of few.
    wrapper = flashinfer.BatchDecodeWithPagedKVCacheWrapper(
        workspace(batch), "NHD", use_tensor_cores=workload.group > 2
    )
    wrapper.plan(
        *table, workload.heads, workload.kv_heads, workload.head_dim, size, **shared_options(batch),
    )
    return into_ours(batch, lambda q, out: wrapper.run(q, pools, out=out))


def append_paged(batch: Batch) -> Call:
    import flashinfer

    workload = batch.workload
    pools, size, table = pages(batch)
    wrapper = flashinfer.BatchPrefillWithPagedKVCacheWrapper(workspace(batch), "NHD")
    wrapper.plan(
        batch.starts([workload.q_len] * workload.batch), *table, workload.heads, workload.kv_heads,
        workload.head_dim, size, causal=workload.needs_causal, **shared_options(batch),
    )
    return into_ours(batch, lambda q, out: wrapper.run(q, pools, out=out))


def prefill(batch: Batch) -> Call:
    import flashinfer

    workload = batch.workload
    _, k, v = batch.ragged()
    wrapper = flashinfer.BatchPrefillWithRaggedKVCacheWrapper(workspace(batch), "NHD")
    wrapper.plan(
        batch.starts([workload.q_len] * workload.batch), batch.starts(list(workload.kv_lens)), workload.heads,
        workload.kv_heads, workload.head_dim, causal=workload.needs_causal, **shared_options(batch),
    )
    return into_ours(batch, lambda q, out: wrapper.run(q, k, v, out=out))


def into_ours(batch: Batch, run: Callable[[torch.Tensor, torch.Tensor], Any]) -> Call:
    """A call on all query tokens in a row, `[tokens, heads, head_dim]`, into a poisoned output."""
    out = batch.poisoned()
    q, flat = batch.q.flatten(0, 1), out.flatten(0, 1)

    def call() -> torch.Tensor:
        run(q, flat)
        return out

    return Call(call, lambda result: result, out)
