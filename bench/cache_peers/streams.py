"""The token streams on which cache managers are compared: one rule, so that everybody is timed on the same.

The generator is splitmix64: `u(seed, i)` is output number `i`, from 0, of a generator started at `seed`. Plain
Python without NumPy, so that a peer's own environment is enough.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

MASK = (1 << 64) - 1
VOCABULARY = 128_256
BLOCK_SIZE = 16

SYSTEM_TOKENS, TEMPLATES, TEMPLATE_TOKENS = 1_024, 20, 512
SHARED_TOKENS = SYSTEM_TOKENS + TEMPLATE_TOKENS
PROMPTS = 2_000


def u(seed: int, i: int) -> int:
    z = (seed + (i + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def tokens(seed: int, count: int) -> list[int]:
    return [u(seed, i) % VOCABULARY for i in range(count)]


# A: blocks allocated and freed. A trace is a list of steps: `n` allocates as many blocks, `-1 - j` frees live[j],
# whose place the last entry of `live` takes.

A_POOL = 100_000


def a_trace(blocks: int | None = None, calls: int | None = None) -> list[int]:
    """Until so many blocks have been moved, or so many calls been made."""
    trace: list[int] = []
    live: list[int] = []
    free, k, moved = A_POOL, 0, 0
    while moved < blocks if blocks is not None else len(trace) < (calls or 0):
        want = u(7, k) & 1 == 0
        k += 1
        if want or not live:
            n = 1 + u(7, k) % 512
            k += 1
            if n <= free:
                free -= n
                moved += n
                live.append(n)
                trace.append(n)
                continue
        j = u(7, k) % len(live)
        k += 1
        free += live[j]
        moved += live[j]
        live[j] = live[-1]
        live.pop()
        trace.append(-1 - j)
    return trace


def a_moved(trace: list[int]) -> int:
    """Blocks that a trace moves."""
    moved, live = 0, []
    for step in trace:
        if step >= 0:
            live.append(step)
            moved += step
        else:
            moved += live[-1 - step]
            live[-1 - step] = live[-1]
            live.pop()
    return moved


# B: sequences that decode side by side.

B_POOL, B_SEQUENCES, B_STEPS = 100_000, 256, 2_000


def b_prompts() -> list[list[int]]:
    return [tokens(3_000_000 + i, 1 + u(11, i) % 512) for i in range(B_SEQUENCES)]


def b_appended() -> list[list[int]]:
    """What each sequence appends, step by step."""
    return [tokens(4_000_000 + i, B_STEPS) for i in range(B_SEQUENCES)]


def blocks_of(count: int) -> int:
    return -(-count // BLOCK_SIZE)


# C, D: prompts that share prefixes.

@dataclass(frozen=True)
class Prompts:
    """The prompts of C, or of C_whole, in which each holds the whole shared part."""

    whole: bool
    lengths: list[tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lengths", [self._length(p) for p in range(PROMPTS)])

    def _length(self, p: int) -> tuple[int, int]:
        """How long, and of which template."""
        drawn = u(42, 2 * p)
        length = 1_537 + drawn % 2_560 if self.whole else 512 + drawn % 3_585
        return length, u(42, 2 * p + 1) % TEMPLATES

    def __iter__(self) -> Iterator[list[int]]:
        system = tokens(1_000, SYSTEM_TOKENS)
        templates = [tokens(2_000 + t, TEMPLATE_TOKENS) for t in range(TEMPLATES)]
        for p, (length, t) in enumerate(self.lengths):
            own = tokens(1_000_000 + p, max(0, length - SHARED_TOKENS))
            yield (system + templates[t] + own)[:length]

    @property
    def count(self) -> int:
        return sum(length for length, _ in self.lengths)

    @property
    def distinct(self) -> int:
        own = sum(max(0, length - SHARED_TOKENS) for length, _ in self.lengths)
        return SYSTEM_TOKENS + TEMPLATES * TEMPLATE_TOKENS + own

    def pool(self, percent: int | None) -> int:
        """Blocks of a pool for so much of the distinct tokens; without a number, one in which all fits."""
        if percent is None:
            return self.distinct // BLOCK_SIZE + 6_000
        return self.distinct * percent // 100 // BLOCK_SIZE
