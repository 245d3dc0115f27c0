"""Whether a result is right: sampled rows against f64, on the device that computed it. Needs torch."""

import math
from collections.abc import Callable

import torch

from peers.batch import Batch
from peers.rule import allowed_error, sampled_rows


def attend(
    batch: Batch, sequence: int, head: int, row: int, rounded: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """One row of the output in f64, of which `rounded` is applied to scores, probabilities and output."""
    workload = batch.workload
    keys, values = batch.sequence(sequence)
    keys = keys[:, head // workload.group].double()
    values = values[:, head // workload.group].double()
    position = workload.kv_lens[sequence] - workload.q_len + row
    distance = position - torch.arange(len(keys), device=batch.device)
    scores = rounded(keys @ batch.q[sequence, row, head].double()) * batch.scale
    if workload.softcap is not None:
        scores = workload.softcap * torch.tanh(scores / workload.softcap)
    if workload.alibi:
        scores = scores - batch.slopes[head].double() * distance
    if workload.is_causal:
        scores = scores.masked_fill(distance < 0, -math.inf)
    if workload.window is not None:
        scores = scores.masked_fill(distance >= workload.window, -math.inf)
    return rounded(rounded(torch.softmax(scores, 0)) @ values)


def check(batch: Batch, rows: torch.Tensor) -> tuple[bool, str]:
    """Whether `rows`, `[batch, q_len, heads, head_dim]`, is right, and how that was found."""
    workload = batch.workload
    if tuple(rows.shape) != tuple(batch.q.shape):
        return False, f"shape {list(rows.shape)} instead of {list(batch.q.shape)}"
    if not bool(torch.isfinite(rows).all()):
        return False, "a number that is not finite"
    chosen = sampled_rows(workload)
    expected = torch.stack([attend(batch, *each, lambda exact: exact) for each in chosen])
    # Plainly in the dtype, as `runtime/src/reference.rs` has it: rounded at each step, products exact.
    plain = torch.stack([
        attend(batch, *each, lambda exact: exact.to(batch.dtype).double()) for each in chosen
    ])
    got = torch.stack([rows[sequence, row, head] for sequence, head, row in chosen]).double()
    error = (got - expected).abs().max().item()
    plain_error = (plain - expected).abs().max().item()
    allowed = allowed_error(workload.dtype, plain_error, expected.abs().max().item())
    share = error / allowed if allowed > 0.0 else math.inf if error > 0.0 else 0.0
    return share <= 1.0, f"f64, {len(chosen)} rows: {share:.2f} of the error allowed"
