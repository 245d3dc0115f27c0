"""How one run is timed: wall and processor time of the loop alone, and the memory that it added.

A machine that is shared delays a loop without costing it processor time, so rates are told by processor time and
the wall's are beside them. Everything is one thread; what the process spends in others would count.
"""

import gc
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class Broken(Exception):
    """A run that gave what it cannot have given."""


def hold(what: str, got: object, expected: object) -> None:
    """A manager's own conservation law, or a number that everybody must come to."""
    if got != expected:
        raise Broken(f"{what}: {got}, and it must be {expected}")


@dataclass
class Run:
    """One run of one workload."""

    ops: int = 0
    hit_tokens: int | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    rss_added_mib: float = 0.0


def rss_mib() -> float:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@contextmanager
def clock(run: Run, rss_before: float) -> Iterator[None]:
    """Times its body. What was made before it is out of the collector's way, as a server that has started has it."""
    gc.collect()
    gc.freeze()
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    run.cpu_seconds = time.process_time() - cpu
    run.seconds = time.perf_counter() - wall
    run.rss_added_mib = rss_mib() - rss_before
    gc.unfreeze()


def row(peer: str, version: str, workload: str, runs: list[Run]) -> dict[str, object]:
    """The line of a workload: medians, and the spread of the rate by processor time."""
    ops = runs[0].ops
    seconds = statistics.median(run.seconds for run in runs)
    cpu_seconds = statistics.median(run.cpu_seconds for run in runs)
    rates = sorted(ops / run.cpu_seconds for run in runs)
    for run in runs:
        hold(f"{workload}'s hits in another run", run.hit_tokens, runs[0].hit_tokens)
    return {
        "workload": workload,
        "peer": peer,
        "version": version,
        "block_size": 16,
        "ops": ops,
        "seconds": round(seconds, 4),
        "ops_per_s": round(ops / seconds, 1),
        "cpu_seconds": round(cpu_seconds, 4),
        "ops_per_cpu_s": round(ops / cpu_seconds, 1),
        "ops_per_cpu_s_range": [round(rates[0], 1), round(rates[-1], 1)],
        "hit_tokens": runs[0].hit_tokens,
        # Of the first run: later ones find memory that the process already has.
        "rss_added_mib": round(runs[0].rss_added_mib, 1),
        "runs": len(runs),
    }
