"""Times a call on the device by the method of `kgen bench`: events around each launch, L2 overwritten.

Where the call can be captured into a CUDA graph the replay is timed, so that what Python takes to get to a
launch does not count. Needs torch; nothing here changes a setting of the device.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from peers.peer import Call, Skip
from peers.samples import is_warm, percentile, sample_count


@dataclass
class Timing:
    """Microseconds of a launch, and the tensor that the last one wrote."""

    median_us: float
    p10_us: float
    p90_us: float
    samples: int
    method: str
    result: torch.Tensor


class Flush:
    """A buffer of at least twice the L2, to overwrite between launches."""

    def __init__(self, device: torch.device) -> None:
        size = max(2 * torch.cuda.get_device_properties(device).L2_cache_size, 64 << 20)
        self.buffer = torch.empty(size // 4, dtype=torch.int32, device=device)

    def __call__(self) -> None:
        self.buffer.zero_()


def warm_up(run: Callable[[], object]) -> float:
    """Calls until the clocks and caches have settled; microseconds of a call, the wait for it included."""
    torch.cuda.synchronize()
    begin, calls = time.perf_counter(), 0
    while not is_warm(calls, time.perf_counter() - begin):
        run()
        torch.cuda.synchronize()
        calls += 1
    return (time.perf_counter() - begin) / calls * 1e6


def samples_us(run: Callable[[], object], flush: Callable[[], None], count: int) -> list[float]:
    """Microseconds of `count` launches; waits for the device only at the end."""
    events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(count)]
    for begin, end in events:
        flush()
        begin.record()
        run()
        end.record()
    torch.cuda.synchronize()
    return [begin.elapsed_time(end) * 1e3 for begin, end in events]


def capture(run: Callable[[], torch.Tensor]) -> tuple[torch.cuda.CUDAGraph, torch.Tensor] | None:
    """The call as a graph, and the tensor that it writes; None where it cannot be captured."""
    current, side = torch.cuda.current_stream(), torch.cuda.Stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        run()
    current.wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    try:
        # torch.cuda.graph does not leave its stream where the capture fails: this does.
        with torch.cuda.stream(current), torch.cuda.graph(graph, stream=side):
            result = run()
        # A capture that left nothing usable behind shows here, not among the samples.
        graph.replay()
        torch.cuda.synchronize()
    except torch.OutOfMemoryError:
        raise
    except Exception:
        torch.cuda.synchronize()
        return None
    return graph, result


def measure(call: Call, flush: Callable[[], None]) -> Timing:
    """Times a call. The first one, which may compile, is not counted."""
    call.run()
    torch.cuda.synchronize()
    captured = capture(call.run)
    if captured is None:
        method, run, poisoned = "event", call.run, call.out
    else:
        graph, poisoned = captured
        method, run = "graph", graph.replay
    count = sample_count(warm_up(run))
    if poisoned is not None:
        poisoned.fill_(float("nan"))
    last: list[torch.Tensor] = []

    def kept() -> None:
        last[:] = [run()]

    times = samples_us(kept, flush, count)
    result = last[0] if captured is None else captured[1]
    # The tensor lives in the graph's memory: it is copied before the graph goes.
    return Timing(
        percentile(times, 0.5), percentile(times, 0.1), percentile(times, 0.9), count, method, result.clone()
    )


def fastest(candidates: list[Callable[[], torch.Tensor]], device: torch.device) -> Callable[[], torch.Tensor]:
    """The candidate that a few launches show to be the fastest; without a GPU the first.

    One that the device does not take (too much shared memory) is left out.
    """
    if device.type != "cuda":
        return candidates[0]
    flush = Flush(device)
    best: tuple[float, Callable[[], torch.Tensor]] | None = None
    reasons = []
    for candidate in candidates:
        try:
            candidate()
            torch.cuda.synchronize()
            median = percentile(samples_us(candidate, flush, 10)[2:], 0.5)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            reasons.append(f"{type(error).__name__}: {error}")
            # Where the device itself is in trouble, this raises.
            torch.cuda.synchronize()
            continue
        if best is None or median < best[0]:
            best = (median, candidate)
    if best is None:
        raise Skip(f"no configuration ran: {reasons[0]}")
    return best[1]
