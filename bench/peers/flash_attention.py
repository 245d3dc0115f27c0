"""The packages of FlashAttention 2 (`flash_attn`) and 3 (`flash_attn_interface`, or `fa3_fwd_interface`).

Needs torch and the package.
"""

from typing import Any

import torch

from peers.batch import Batch
from peers.peer import Call, Skip


def options_of(batch: Batch) -> dict[str, Any]:
    """What both take by the same names. A window of n keys is the own key and n - 1 before it."""
    workload = batch.workload
    options: dict[str, Any] = {"softmax_scale": batch.scale, "causal": workload.needs_causal}
    if workload.window is not None:
        options["window_size"] = (workload.window - 1, 0)
    if workload.softcap is not None:
        options["softcap"] = float(workload.softcap)
    return options


def call_of(package: Any, batch: Batch, options: dict[str, Any], table: str | None) -> Call:
    """The entry for the batch: over pages or one query a sequence, of sequences of one length, or ragged.

    `table` is what the package calls its block table; one without pages gets a contiguous copy of the cache.
    """
    workload = batch.workload
    if workload.block_size is not None or workload.q_len == 1:
        k, v = batch.k, batch.v
        cache = {"cache_seqlens": batch.kv_lens}
        if workload.block_size is not None and table is None:
            k, v = batch.dense()
        elif workload.block_size is not None:
            cache[table] = batch.block_table

        def run() -> Any:
            return package.flash_attn_with_kvcache(batch.q, k, v, **cache, **options)
    elif workload.is_even:

        def run() -> Any:
            return package.flash_attn_func(batch.q, batch.k, batch.v, **options)
    else:
        q, k, v = batch.ragged()
        starts = {
            "cu_seqlens_q": batch.starts([workload.q_len] * workload.batch),
            "cu_seqlens_k": batch.starts(list(workload.kv_lens)),
            "max_seqlen_q": workload.q_len,
            "max_seqlen_k": workload.longest,
        }

        def run() -> Any:
            return package.flash_attn_varlen_func(q, k, v, **starts, **options)

    def output() -> torch.Tensor:
        # Some versions of FlashAttention-3 give the log-sum-exp along with it.
        out = run()
        return out[0] if isinstance(out, (tuple, list)) else out

    return Call(output, lambda out: out.view(batch.q.shape))


def prepare_fa2(batch: Batch) -> Call:
    import flash_attn

    workload = batch.workload
    if workload.block_size is not None and workload.block_size % 256 != 0:
        raise Skip("takes blocks of a multiple of 256 tokens only")
    options = options_of(batch)
    if workload.alibi:
        options["alibi_slopes"] = batch.slopes
    return call_of(flash_attn, batch, options, "block_table")


def prepare_fa3(batch: Batch) -> Call:
    import flash_attn_interface

    if batch.workload.alibi:
        raise Skip("takes no ALiBi")
    return call_of(flash_attn_interface, batch, options_of(batch), "page_table")


def prepare_fa3_fwd(batch: Batch) -> Call:
    """The build of the package `fa3-fwd`: bf16 alone, without windows and without pages."""
    import fa3_fwd_interface

    if batch.workload.dtype != "bf16":
        raise Skip("built for bf16 only")
    if batch.workload.alibi or batch.workload.window is not None:
        raise Skip("takes no ALiBi, and is built without windows")
    return call_of(fa3_fwd_interface, batch, options_of(batch), None)
