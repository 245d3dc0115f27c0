"""What a person sees while it runs, on stderr. Needs no torch."""

import sys

from peers.rows import Measured


class Progress:
    """On a terminal one line that is rewritten, and those worth keeping; elsewhere a line for every row."""

    def __init__(self, total: int, done: int = 0) -> None:
        self.total = total
        self.done = done
        self.rewrites = sys.stderr.isatty()

    def at(self, what: str) -> None:
        """What is about to run."""
        if self.rewrites:
            self.write(f"\r\x1b[K[{self.done}/{self.total}] {what}"[:120], end="")

    def row(self, row: Measured) -> None:
        self.done += 1
        worth_keeping = row.error is not None or row.right is False
        if not self.rewrites or worth_keeping:
            self.say(f"[{self.done}/{self.total}] {row.workload}  {row.who}  {row.outcome()}")

    def say(self, text: str) -> None:
        self.write(("\r\x1b[K" if self.rewrites else "") + text, end="\n")

    def finish(self) -> None:
        if self.rewrites:
            self.write("\r\x1b[K", end="")

    @staticmethod
    def write(text: str, end: str) -> None:
        print(text, end=end, file=sys.stderr, flush=True)
