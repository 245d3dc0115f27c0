"""Our plain Triton kernels as a peer: picks the kernel for a batch and the fastest of a few configurations.

Needs torch and triton.
"""

from collections.abc import Callable

import torch

from peers import triton_decode, triton_prefill
from peers.batch import Batch
from peers.peer import Call, Skip
from peers.timing import fastest


def prepare(batch: Batch) -> Call:
    workload = batch.workload
    if workload.head_dim & (workload.head_dim - 1) != 0 or workload.head_dim < 16:
        raise Skip("head_dim is no power of two of 16 or more")
    if triton_prefill.INTERPRETED and numpy_is_too_new():
        raise Skip("Triton's interpreter needs numpy before 2.4")
    out = batch.poisoned()
    if workload.q_len == 1:
        candidates = decode_candidates(batch, out)
    elif workload.block_size is not None:
        raise Skip("takes one query a sequence over a paged cache")
    else:
        candidates = prefill_candidates(batch, out)
    return Call(fastest(candidates, batch.device), lambda result: result, out)


def numpy_is_too_new() -> bool:
    """Triton 3.6 takes arrays of one element, as loop bounds are, for numbers; numpy 2.4 does not."""
    import numpy

    return tuple(map(int, numpy.__version__.split(".")[:2])) >= (2, 4)


def prefill_candidates(batch: Batch, out: torch.Tensor) -> list[Callable[[], torch.Tensor]]:
    configs = triton_prefill.configs(batch.workload.q_len)
    return [lambda config=config: triton_prefill.launch(batch, out, config) for config in configs]


def decode_candidates(batch: Batch, out: torch.Tensor) -> list[Callable[[], torch.Tensor]]:
    workload = batch.workload
    kept = [min(length, workload.window or length) for length in workload.kv_lens]
    chunks = triton_decode.chunk_lengths(kept, workload.kv_heads, batch.multiprocessors)
    splits = [triton_decode.Split(batch, chunk) for chunk in chunks]
    return [
        lambda split=split, config=config: triton_decode.launch(batch, out, split, config)
        for config in triton_decode.CONFIGS
        for split in splits
    ]
