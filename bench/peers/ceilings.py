"""What the device can do at most, by what torch has: a large copy and a large product of matrices.

Needs torch.
"""

from collections.abc import Callable, Iterator

import torch

from peers.batch import DTYPES
from peers.peer import Call
from peers.rows import Ceiling
from peers.timing import Flush, measure

COPIED_BYTES = 4 << 30
SIZE = 8192


def copy(device: torch.device, flush: Flush) -> Ceiling:
    """Bytes read and written a second."""
    size = min(COPIED_BYTES, torch.cuda.mem_get_info(device)[0] // 4) // 4096 * 4096
    source = torch.randn(size // 4, device=device)
    target = torch.empty_like(source)
    timing = measure(Call(lambda: target.copy_(source), lambda out: out), flush)
    how = f"copy of {size / 2**30:.1f} GiB on the device, {timing.method}, median of {timing.samples}"
    return Ceiling("copy", 2.0 * source.nbytes / (timing.median_us * 1e-6), how)


def matmul(device: torch.device, flush: Flush, dtype: str) -> Ceiling:
    """Operations a second on standard normal numbers: what they are changes the power, and so the clock."""
    generator = torch.Generator(device=device).manual_seed(0)
    a, b = (
        torch.randn(SIZE, SIZE, generator=generator, device=device, dtype=DTYPES[dtype]) for _ in range(2)
    )
    out = torch.empty_like(a)
    timing = measure(Call(lambda: torch.matmul(a, b, out=out), lambda result: result), flush)
    how = f"torch.matmul {SIZE}^3, standard normal, {timing.method}, median of {timing.samples}"
    return Ceiling(f"matmul-{dtype}", 2.0 * SIZE**3 / (timing.median_us * 1e-6), how)


def all_of(device: torch.device) -> Iterator[tuple[str, Callable[[], Ceiling]]]:
    """Each ceiling's name and what measures it."""
    flush = Flush(device)
    yield "copy", lambda: copy(device, flush)
    for dtype in ("bf16", "f16"):
        yield f"matmul-{dtype}", lambda dtype=dtype: matmul(device, flush, dtype)
