"""Which rows of an output are checked, and how far off they may be: the rule of `runtime/src/check.rs`.

An output is right when its largest error is at most twice that of the same computation done plainly in its
precision, and never less than one rounding unit of the largest output is allowed. Needs no torch.
"""

import math
import random

from peers.workload import Workload

#: Digits of the significand after the first, and the exponent of the smallest normal number.
FORMATS = {"f16": (10, -14), "bf16": (7, -126)}


def rounding_unit(dtype: str, magnitude: float) -> float:
    """The distance between neighbouring numbers of a type around `magnitude`."""
    digits, smallest = FORMATS[dtype]
    if magnitude == 0.0 or not math.isfinite(magnitude):
        return 0.0
    return 2.0 ** (max(math.floor(math.log2(abs(magnitude))), smallest) - digits)


def allowed_error(dtype: str, plain_error: float, largest: float) -> float:
    """What the largest error may be, from that of the plain computation and the largest expected output."""
    return max(2.0 * plain_error, rounding_unit(dtype, largest))


def sampled_rows(workload: Workload, count: int = 64, seed: int = 0) -> list[tuple[int, int, int]]:
    """Up to `count` different triples of a sequence, a query head and a query row, always the same.

    The corners come first: the first and the last row and head of the longest and of the shortest sequence,
    where masks and ends of tiles go wrong.
    """
    lens = workload.kv_lens
    longest, shortest = lens.index(max(lens)), lens.index(min(lens))
    corners = [
        (sequence, head, row)
        for sequence in (longest, shortest)
        for head in (0, workload.heads - 1)
        for row in (0, workload.q_len - 1)
    ]
    chosen = dict.fromkeys(corners)
    total = workload.batch * workload.heads * workload.q_len
    drawn = random.Random(seed).sample(range(total), min(total, count + len(corners)))
    for index in drawn:
        rest, row = divmod(index, workload.q_len)
        sequence, head = divmod(rest, workload.heads)
        chosen.setdefault((sequence, head, row))
    return list(chosen)[:count]
