#!/usr/bin/env python3
"""Times what a machine with PyTorch has, on the workloads of `kgen bench`.

    python3 bench/peers.py WORKLOADS.json -o peers.jsonl [--only NAME,...] [--seconds N] [--dry-run] [--list]

WORKLOADS.json is an array of the `Workload` of measure/src/workload.rs. To the output it appends a line for
each peer and workload, and for each ceiling of the device, in the form of measure/src/results/mod.rs. What
a peer does not take is a line with `skipped`, what fails is one with `error`; neither ends the run.

Exit status: 0 when it came to its end, 1 when a dry run found a wrong result or an error, 2 when it could not
begin.
"""

import argparse
import os
import sys
import time

from peers.peer import PEERS, Peer
from peers.progress import Progress
from peers.rows import Ceiling, Measured, append, table
from peers.workload import BadWorkload, Workload, by_importance, most_telling_first, one_line, read, tiny

OUT_OF_TIME = "out of time"

#: How many of the peers that are there come before all others.
LEADERS = 2


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="peers.py", description=__doc__.split("\n")[0])
    parser.add_argument("workloads", metavar="WORKLOADS.json", help="a JSON array of workloads")
    parser.add_argument("-o", dest="output", metavar="peers.jsonl", help="where rows are appended")
    parser.add_argument("--only", metavar="NAME,...", type=lambda text: text.split(","),
                        help="only these of: " + ", ".join(peer.who for peer in PEERS))
    parser.add_argument("--seconds", type=float, metavar="N", help="after so many, begin no new measurement")
    parser.add_argument("--dry-run", action="store_true",
                        help="no GPU, no timings: check on the processor what can run there, of tiny shapes")
    parser.add_argument("--list", action="store_true", help="say what would run, in order, and end")
    # For a process that takes over from one whose device is lost: how many measurements are done.
    parser.add_argument("--after", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.only or ()) - {peer.who for peer in PEERS}
    if unknown:
        parser.error(f"no peer is called {', '.join(sorted(unknown))}")
    if options.output is None and not options.list:
        parser.error("-o is needed, but with --list")
    return options


def why_no_torch() -> str | None:
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        return f"{error.name} is not installed"
    except Exception as error:
        return f"torch does not import: {one_line(str(error))}"
    return None


def why_no_gpu() -> str | None:
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    try:
        torch.cuda.init()
        torch.zeros(1, device="cuda")
    except Exception as error:
        return f"torch {torch.__version__} (CUDA {torch.version.cuda}) finds no GPU: {one_line(str(error))}"
    return None


class Run:
    """The work in order, and where its rows go."""

    def __init__(self, options: argparse.Namespace, workloads: list[Workload], peers: list[Peer]) -> None:
        self.options = options
        self.workloads = workloads
        self.peers = peers
        self.begin = time.monotonic()
        self.rows: list[Measured] = []
        self.file = open(options.output, "a", encoding="utf-8")
        self.progress = Progress(len(workloads) * len(peers), options.after)

    def is_out_of_time(self) -> bool:
        return self.options.seconds is not None and time.monotonic() - self.begin >= self.options.seconds

    def record(self, row: Measured) -> None:
        append(self.file, row)
        self.rows.append(row)
        self.progress.row(row)

    def skip_all(self, reason: str) -> None:
        for workload in self.workloads:
            for peer in self.peers:
                self.record(Measured(peer.who, workload, skipped=reason))

    def ceilings(self, device) -> None:
        from peers import ceilings

        for name, ceiling in ceilings.all_of(device):
            if self.is_out_of_time():
                self.progress.say(f"{name}: {OUT_OF_TIME}")
                continue
            self.progress.at(name)
            try:
                line: Ceiling = ceiling()
            except Exception as error:
                self.progress.say(f"{name}: {type(error).__name__}: {one_line(str(error))}")
                continue
            append(self.file, line)
            self.progress.say(f"{name}: {line.per_second / 1e12:.2f} T/s, {line.how}")

    def measure(self, device) -> None:
        """Every peer on every workload: those that are the hardest to beat on all of them, then the rest."""
        from peers.session import DeviceLost, Session

        session = Session(device)
        unusable = {peer.who: peer.why_not_importable() for peer in self.peers}
        for peer in self.peers:
            if self.options.dry_run and not peer.on_cpu and unusable[peer.who] is None:
                unusable[peer.who] = "needs a GPU"
        usable = [peer for peer in self.peers if unusable[peer.who] is None]
        work = by_importance(self.workloads, self.peers, usable[:LEADERS])
        for number, (workload, peer) in enumerate(work[self.options.after :], self.options.after + 1):
            reason = unusable[peer.who] or (OUT_OF_TIME if self.is_out_of_time() else None)
            if reason is not None:
                self.record(Measured(peer.who, workload, skipped=reason))
                continue
            self.progress.at(f"{workload}  {peer.who}")
            try:
                self.record(session.run(peer, workload))
            except DeviceLost as lost:
                self.record(lost.row)
                self.take_over(number)

    def take_over(self, done: int) -> None:
        """Goes on in a new process: in this one the device answers nothing any more."""
        self.progress.say("the device is lost to this process: going on in a new one")
        self.file.close()
        arguments = [*sys.argv, "--after", str(done)]
        if self.options.seconds is not None:
            left = max(0.0, self.options.seconds - (time.monotonic() - self.begin))
            arguments += ["--seconds", f"{left:.1f}"]
        os.execv(sys.executable, [sys.executable, *arguments])

    def finish(self) -> int:
        self.progress.finish()
        self.file.close()
        print(table(self.rows))
        failed = [row for row in self.rows if row.error is not None or row.right is False]
        return 1 if self.options.dry_run and failed else 0


def main() -> int:
    options = arguments()
    try:
        workloads = read(options.workloads)
    except BadWorkload as error:
        print(f"peers.py: {error}", file=sys.stderr)
        return 2
    if options.dry_run:
        workloads = [tiny(workload) for workload in workloads]
        # Triton reads it when it is imported.
        os.environ["TRITON_INTERPRET"] = "1"
    workloads = most_telling_first(workloads)
    peers = [peer for peer in PEERS if options.only is None or peer.who in options.only]
    missing = why_no_torch()
    if options.list:
        print("\n".join(str(workload) for workload in workloads))
        for peer in peers:
            print(f"{peer.who:12} {missing or peer.why_not_importable() or 'importable':40} {peer.about}")
        return 0
    if missing is None and not options.dry_run:
        missing = why_no_gpu()
    if missing is not None and not options.dry_run:
        print(f"peers.py: {missing}; --dry-run needs no GPU", file=sys.stderr)
        return 2
    try:
        run = Run(options, workloads, peers)
    except OSError as error:
        print(f"peers.py: {options.output}: {error.strerror}", file=sys.stderr)
        return 2
    if missing is not None:
        run.skip_all(missing)
        return run.finish()

    import torch

    device = torch.device("cpu" if options.dry_run else "cuda")
    if not options.dry_run and options.after == 0 and options.only is None:
        run.ceilings(device)
    run.measure(device)
    return run.finish()


if __name__ == "__main__":
    sys.exit(main())
