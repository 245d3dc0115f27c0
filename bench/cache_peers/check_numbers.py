"""What the streams must come to, whoever generates them, and what a cache that never forgets must find in them.

A run whose streams come to anything else measures something else, so `cache_peers.py` refuses to begin.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cache_peers.streams import BLOCK_SIZE, Prompts, a_moved, a_trace, b_prompts, blocks_of, u, B_STEPS

FNV_OFFSET, FNV_PRIME, MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


def fnv(prompts: Iterable[list[int]]) -> int:
    """FNV-1a of 64 bits over all tokens in order, each as 4 little-endian bytes."""
    digest = FNV_OFFSET
    for prompt in prompts:
        for token in prompt:
            for byte in token.to_bytes(4, "little"):
                digest = ((digest ^ byte) * FNV_PRIME) & MASK
    return digest


def endless_hits(prompts: Iterable[list[int]], page: int) -> int:
    """Tokens that a cache of such pages finds if it keeps everything. The last token of a prompt is always computed."""
    nodes: dict[tuple, int] = {}
    hits = 0
    for prompt in prompts:
        node, found, most = 0, True, (len(prompt) - 1) // page * page
        for at in range(0, len(prompt) // page * page, page):
            key = (node, prompt[at]) if page == 1 else (node, *prompt[at:at + page])
            child = nodes.get(key)
            if child is None:
                found = False
                child = nodes[key] = len(nodes) + 1
            elif found and at + page <= most:
                hits += page
            node = child
    return hits


@dataclass(frozen=True)
class Expected:
    """The numbers of C or C_whole."""

    tokens: int
    distinct: int
    first_four: list[tuple[int, int]]
    fnv_100: int
    fnv: int
    hits_page_1: int
    hits_page_16: int
    pools: dict[int, int]


FIRST_TOKENS = [105544, 96943, 60241, 111015, 23455, 87138, 50420, 123767]

C = Expected(
    tokens=4_615_024, distinct=1_857_307, first_four=[(870, 11), (2540, 4), (3102, 2), (1347, 8)],
    fnv_100=0x619753CD2F5C29FD, fnv=0xA2BBF0187FE94A8E, hits_page_1=2_757_149, hits_page_16=2_752_720,
    pools={20: 23_216},
)
C_WHOLE = Expected(
    tokens=5_595_119, distinct=2_534_383, first_four=[(2710, 11), (1875, 4), (2547, 2), (3422, 8)],
    fnv_100=0x6239A8356B858182, fnv=0xC0EA570142A37E82, hits_page_1=3_060_738, hits_page_16=3_060_736,
    pools={20: 31_679, 2: 3_167},
)

A_START = [29, 460, 18, 255, -2, -2, 49, 505]
A_CALLS, A_MOVED = 788, 200_066
A_LONG_CALLS, A_LONG_MOVED = 200_000, 51_241_936
B_PROMPT_TOKENS, B_PROMPT_BLOCKS, B_END_BLOCKS = 70_364, 4_524, 36_524


class WrongStream(Exception):
    """A stream that is not the one everybody else is timed on."""


def equal(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise WrongStream(f"{what}: {got}, and it must be {expected}: the generator differs from the rule")


def check_a(trace: list[int], long: bool) -> None:
    equal("u(0, 0)", u(0, 0), 0xE220A8397B1DCDAF)
    equal("A's first steps", trace[:8], A_START)
    equal("A's calls", len(trace), A_LONG_CALLS if long else A_CALLS)
    equal("A's blocks", a_moved(trace), A_LONG_MOVED if long else A_MOVED)


def check_b(prompts: list[list[int]]) -> None:
    lengths = [len(prompt) for prompt in prompts]
    equal("B's prompt tokens", sum(lengths), B_PROMPT_TOKENS)
    equal("B's prompt blocks", sum(map(blocks_of, lengths)), B_PROMPT_BLOCKS)
    equal("B's blocks at the end", sum(blocks_of(length + B_STEPS) for length in lengths), B_END_BLOCKS)


def check_prompts(prompts: Prompts, made: list[list[int]], full: bool = True) -> None:
    """Everything, or what takes no seconds."""
    expected = C_WHOLE if prompts.whole else C
    equal("the prompts' tokens", prompts.count, expected.tokens)
    equal("the tokens made", sum(map(len, made)), expected.tokens)
    equal("the distinct tokens", prompts.distinct, expected.distinct)
    equal("the first four prompts", prompts.lengths[:4], expected.first_four)
    for percent, pool in expected.pools.items():
        equal(f"the pool of {percent} %", prompts.pool(percent), pool)
    for prompt in made:
        if prompt[:8] != FIRST_TOKENS:
            equal("a prompt's first tokens", prompt[:8], FIRST_TOKENS)
    equal("FNV-1a of the first 100 prompts", hex(fnv(made[:100])), hex(expected.fnv_100))
    equal(f"hits in pages of {BLOCK_SIZE}", endless_hits(made, BLOCK_SIZE), expected.hits_page_16)
    if full:
        equal("FNV-1a of all prompts", hex(fnv(made)), hex(expected.fnv))
        equal("hits in pages of 1", endless_hits(made, 1), expected.hits_page_1)


def check_all() -> None:
    """Every number there is; half a minute."""
    check_a(a_trace(blocks=200_000), long=False)
    check_a(a_trace(calls=A_LONG_CALLS), long=True)
    check_b(b_prompts())
    for whole in (False, True):
        prompts = Prompts(whole)
        check_prompts(prompts, list(prompts))
