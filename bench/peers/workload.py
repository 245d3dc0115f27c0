"""The batches to time: reads the JSON that `measure/src/workload.rs` fixes, and says what is wrong with it.

Needs no torch.
"""

import dataclasses
import json
import re
from dataclasses import dataclass
from typing import Any


class BadWorkload(Exception):
    """What is wrong, with the field's name."""


@dataclass(frozen=True)
class Workload:
    """A batch of attention; the fields are those of the Rust type of this name."""

    kernel: str
    phase: str
    mask: str
    dtype: str
    head_dim: int
    heads: int
    kv_heads: int
    q_len: int
    kv_lens: tuple[int, ...]
    window: int | None = None
    softcap: int | None = None
    alibi: bool = False
    block_size: int | None = None
    #: Element type of keys and values, where it is not that of the queries.
    kv_dtype: str | None = None

    @property
    def batch(self) -> int:
        return len(self.kv_lens)

    @property
    def longest(self) -> int:
        return max(self.kv_lens)

    @property
    def is_even(self) -> bool:
        """Whether all sequences are as long as each other."""
        return min(self.kv_lens) == self.longest

    @property
    def is_causal(self) -> bool:
        """Whether a query sees no key after its own position; a window implies it."""
        return self.mask == "causal" or self.window is not None

    @property
    def needs_causal(self) -> bool:
        """Whether that makes a difference: a single query at the end sees every key anyhow."""
        return self.is_causal and self.q_len > 1

    @property
    def group(self) -> int:
        """Query heads for each KV head."""
        return self.heads // self.kv_heads

    @property
    def pairs(self) -> int:
        """Pairs of a query and a key of all sequences and heads, masked ones included."""
        return self.heads * self.q_len * sum(self.kv_lens)

    def json(self) -> dict[str, Any]:
        """The form that serde reads: what is absent is left out."""
        fields = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        fields["kv_lens"] = list(self.kv_lens)
        return fields

    def __str__(self) -> str:
        """Its id, as the Rust type prints it: `decode full f16 d128 h32/8 b32 s4096 page16`."""
        parts = [
            f"{self.phase} {self.mask} {self.dtype} d{self.head_dim} h{self.heads}/{self.kv_heads}",
            f"b{self.batch} s{self.longest}",
            "" if self.is_even else "skewed",
            f"q{self.q_len}" if self.phase == "append" else "",
            f"page{self.block_size}" if self.block_size else "",
            f"kv-{self.kv_dtype}" if self.kv_dtype else "",
            f"window{self.window}" if self.window else "",
            f"softcap{self.softcap}" if self.softcap else "",
            "alibi" if self.alibi else "",
        ]
        return " ".join(part for part in parts if part)


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


WORDS = {"phase": ("prefill", "append", "decode"), "mask": ("full", "causal"), "dtype": ("f16", "bf16")}
COUNTS = ("head_dim", "heads", "kv_heads", "q_len")
OPTIONAL_COUNTS = ("window", "softcap", "block_size")


def parse(value: Any, where: str) -> Workload:
    """One workload of the file; `where` is its place there, for the message."""
    if not isinstance(value, dict):
        raise BadWorkload(f"{where}: not an object")

    def need(holds: bool, name: str, what: str) -> None:
        if not holds:
            found = json.dumps(value[name]) if name in value else "absent"
            raise BadWorkload(f"{where}.{name}: not {what} ({found})")

    need(isinstance(value.get("kernel"), str), "kernel", "a name")
    for name, words in WORDS.items():
        need(value.get(name) in words, name, "one of " + ", ".join(words))
    for name in COUNTS:
        need(is_count(value.get(name)), name, "a positive whole number")
    for name in OPTIONAL_COUNTS:
        holds = value.get(name) is None or is_count(value[name])
        need(holds, name, "a positive whole number, null or absent")
    need(value.get("kv_dtype") in (None, "e4m3", "e5m2"), "kv_dtype", "e4m3, e5m2, null or absent")
    need(isinstance(value.get("alibi", False), bool), "alibi", "true or false")
    lens = value.get("kv_lens")
    need(isinstance(lens, list) and bool(lens) and all(map(is_count, lens)), "kv_lens",
         "a list of positive whole numbers")
    need(value["heads"] % value["kv_heads"] == 0, "heads", f"a multiple of kv_heads, {value['kv_heads']}")
    need(value["q_len"] <= min(lens), "q_len", f"at most the shortest of kv_lens, {min(lens)}")
    need(value["phase"] != "decode" or value["q_len"] == 1, "q_len", "1, though the phase is decode")
    names = {field.name for field in dataclasses.fields(Workload)} & value.keys()
    return Workload(**{name: value[name] for name in names} | {"kv_lens": tuple(lens)})


def read(path: str) -> list[Workload]:
    """The workloads of a file."""
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except OSError as error:
        raise BadWorkload(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise BadWorkload(f"{path}: no JSON: {error}") from None
    if not isinstance(value, list):
        raise BadWorkload(f"{path}: not an array of workloads")
    return [parse(each, f"{path}: [{index}]") for index, each in enumerate(value)]


def tiny(workload: Workload, longest: int = 200) -> Workload:
    """The same attention of few and short sequences, for a processor: what is small enough stays as it is."""
    if workload.pairs * workload.head_dim <= 16 << 20:
        return workload
    shrink = max(1.0, workload.longest / longest)
    lens = sorted(workload.kv_lens, reverse=True)
    kept = [lens[0], lens[len(lens) // 2], lens[-1]][: workload.batch]
    kv_lens = tuple(max(1, round(length / shrink)) for length in kept)
    kv_heads = min(workload.kv_heads, 2)
    q_len = kv_lens[0] if workload.phase == "prefill" else max(1, round(workload.q_len / shrink))
    return dataclasses.replace(
        workload,
        kv_lens=kv_lens,
        q_len=min(q_len, *kv_lens),
        kv_heads=kv_heads,
        heads=kv_heads * min(workload.group, 8),
        window=workload.window and max(1, round(workload.window / shrink)),
    )


def most_telling_first(workloads: list[Workload]) -> list[Workload]:
    """An order in which a run that is cut short says the most.

    Plain attention with the head dimension of most models goes before variants of it, and prefill, paged
    decode and the rest take turns; otherwise the file's order holds, and of two that are equal the first
    stands.
    """
    def rank(workload: Workload) -> tuple[bool, bool]:
        plain = workload.window is None and workload.softcap is None and not workload.alibi
        return (not plain, workload.head_dim != 128)

    turns: dict[tuple[str, bool], int] = {}
    keyed = []
    for workload in sorted(dict.fromkeys(workloads), key=rank):
        kind = (workload.phase, workload.block_size is not None)
        turns[kind] = turns.get(kind, -1) + 1
        keyed.append((rank(workload), turns[kind], workload))
    return [workload for _, _, workload in sorted(keyed, key=lambda each: each[:2])]


def by_importance(workloads: list[Workload], peers: list[Any], leaders: list[Any]) -> list[tuple[Workload, Any]]:
    """What is measured, in order: the leaders among the peers, workload by workload, then the other peers."""
    rest = [peer for peer in peers if peer not in leaders]
    return [(workload, peer) for group in (leaders, rest) for workload in workloads for peer in group]


def one_line(text: str, limit: int = 300) -> str:
    """A message without line breaks, so that it fits into a row of a table."""
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= limit else text[: limit - 3] + "..."
