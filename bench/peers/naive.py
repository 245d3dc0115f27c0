"""Attention by its definition: scores in memory, softmax, product. What fused kernels exist to avoid.

Needs torch.
"""

import math

import torch

from peers.batch import Batch
from peers.peer import Call, Skip

#: What the scores may take in the dtype; in f32, with their softmax beside them, they take four times that.
MOST_BYTES = 4 << 30


def prepare(batch: Batch) -> Call:
    workload = batch.workload
    scores = workload.batch * workload.heads * workload.q_len * workload.longest
    if scores * 2 > MOST_BYTES:
        raise Skip(f"the scores would take {scores * 2 / 2**30:.0f} GB")
    q, k, v = batch.heads_first()
    # The heads of a group share their keys: they are rows of one product.
    packed = (workload.batch, workload.kv_heads, workload.group * workload.q_len, workload.head_dim)
    by_head = (workload.batch, workload.heads, workload.q_len, workload.longest)
    bias = bias_of(batch)
    transposed = k.transpose(2, 3)

    def run() -> torch.Tensor:
        scores = torch.matmul(q.view(packed), transposed).float().mul_(batch.scale).view(by_head)
        if workload.softcap is not None:
            scores.div_(workload.softcap).tanh_().mul_(workload.softcap)
        if bias is not None:
            scores.add_(bias)
        probabilities = torch.softmax(scores, -1).to(batch.dtype)
        return torch.matmul(probabilities.view(*packed[:3], workload.longest), v)

    def rows(out: torch.Tensor) -> torch.Tensor:
        shape = (workload.batch, workload.heads, workload.q_len, workload.head_dim)
        return out.view(shape).transpose(1, 2)

    return Call(run, rows)


def bias_of(batch: Batch) -> torch.Tensor | None:
    """What is added to the scores, broadcast over `[batch, heads, q_len, longest]`; minus infinity masks."""
    workload = batch.workload
    columns = torch.arange(workload.longest, device=batch.device)
    positions = (batch.kv_lens - workload.q_len)[:, None] + torch.arange(workload.q_len, device=batch.device)
    distance = positions[:, None, :, None] - columns
    if workload.is_even:
        distance = distance[:1]
    bias = torch.zeros(1, 1, 1, 1, device=batch.device)
    if workload.alibi:
        bias = -batch.slopes[None, :, None, None] * distance
    if workload.needs_causal:
        bias = bias.masked_fill(distance < 0, -math.inf)
    if workload.window is not None:
        bias = bias.masked_fill(distance >= workload.window, -math.inf)
    if not workload.is_even:
        bias = bias.masked_fill((columns >= batch.kv_lens[:, None])[:, None, None], -math.inf)
    return None if bias.numel() == 1 and not bias.any() else bias
