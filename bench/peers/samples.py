"""How many launches are timed and what is said of them: the numbers that `kgen bench` uses.

Needs no torch.
"""

from collections.abc import Sequence

#: Warming up ends when so many calls were made and so many seconds have gone by.
WARM_CALLS, WARM_SECONDS = 5, 0.1
#: As many samples as fit into so many microseconds, within these bounds.
SAMPLED_US, FEWEST, MOST = 250_000.0, 10, 200


def sample_count(call_us: float) -> int:
    """Launches to time, where one takes about `call_us`."""
    return max(FEWEST, min(MOST, int(SAMPLED_US / max(call_us, 1e-3))))


def is_warm(calls: int, seconds: float) -> bool:
    return calls >= WARM_CALLS and seconds >= WARM_SECONDS


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all are at most, 0 to 1: linear between the two nearest."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
