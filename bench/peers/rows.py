"""The lines of `peers.jsonl`, in the form that `measure/src/results/mod.rs` reads. Needs no torch."""

import json
from dataclasses import dataclass
from typing import Any, TextIO

from peers.workload import Workload


@dataclass
class Measured:
    """One workload by one peer; the fields are those of the Rust type of this name."""

    who: str
    workload: Workload
    median_us: float | None = None
    p10_us: float | None = None
    p90_us: float | None = None
    samples: int = 0
    method: str = ""
    right: bool | None = None
    checked: str | None = None
    skipped: str | None = None
    error: str | None = None

    def json(self) -> dict[str, Any]:
        fields = {name: value for name, value in vars(self).items() if value is not None}
        fields["workload"] = self.workload.json()
        return fields

    def outcome(self) -> str:
        """In a few words, for a person who watches."""
        if self.skipped is not None:
            return f"skipped: {self.skipped}"
        if self.error is not None:
            return f"error: {self.error}"
        time = "" if self.median_us is None else f"{self.median_us:.1f} us ({self.method}), "
        return f"{time}{'right' if self.right else 'WRONG'}: {self.checked}"


@dataclass
class Ceiling:
    """What the device can do at most; the fields are those of the Rust type of this name."""

    ceiling: str
    per_second: float
    how: str
    who: str = "torch"

    def json(self) -> dict[str, Any]:
        return dict(vars(self))


def append(file: TextIO, row: Measured | Ceiling) -> None:
    """Writes a line and flushes it: a run that is cut off keeps what it had."""
    file.write(json.dumps(row.json()) + "\n")
    file.flush()


def table(rows: list[Measured]) -> str:
    """Median times in microseconds: a line a workload, a column a peer."""
    names = list(dict.fromkeys(row.who for row in rows))
    ids = list(dict.fromkeys(str(row.workload) for row in rows))
    cells = {(str(row.workload), row.who): cell(row) for row in rows}
    width = max([len(each) for each in ids] + [8])
    columns = [max(len(name), 8) for name in names]
    lines = ["  ".join(["us".ljust(width)] + [name.rjust(wide) for name, wide in zip(names, columns)])]
    for each in ids:
        texts = [cells.get((each, name), "").rjust(wide) for name, wide in zip(names, columns)]
        lines.append("  ".join([each.ljust(width)] + texts))
    return "\n".join(lines)


def cell(row: Measured) -> str:
    if row.skipped is not None:
        return "-"
    if row.error is not None:
        return "error"
    if row.right is False:
        return "WRONG"
    return "right" if row.median_us is None else f"{row.median_us:.1f}"
