#!/usr/bin/env python3
"""Times the cache managers of the leading servers on the token streams on which ours is timed. One thread, no GPU.

    python3 bench/cache_peers.py --peer NAME[,...] [--workload NAME[,...]] [--runs N]     a JSON line for each
    python3 bench/cache_peers.py --check                                                 the streams alone

A peer runs in the environment that has it: vLLM's in one with `vllm`, SGLang's in one with `sglang`. Each workload has a
process of its own. A peer that is not installed, or does not take a workload, is a line that says so.

Exit status: 0 when everything ran, 1 when something did not, 2 for what is wrong on the command line.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable

from cache_peers import check_numbers
from cache_peers.peer import PEERS
from cache_peers.streams import Prompts, a_trace, b_appended, b_prompts
from cache_peers.timing import Run, row


# Of C and D: the prompts, and the pool as a share of the distinct tokens.
PROMPTS = {
    "C": (False, None), "D": (False, 20), "C_whole": (True, None), "D_whole": (True, 20), "D_tight": (True, 2),
}
WORKLOADS = ["A", "A_long", "B", *PROMPTS]


def check(workload: str) -> None:
    """That the streams are those of everybody else. Not in the process that measures memory: it takes some."""
    if workload in PROMPTS:
        prompts = Prompts(PROMPTS[workload][0])
        check_numbers.check_prompts(prompts, list(prompts), full=False)
    elif workload == "B":
        check_numbers.check_b(b_prompts())
    else:
        check_numbers.check_a(trace_of(workload), workload == "A_long")


def trace_of(workload: str) -> list[int]:
    return a_trace(calls=check_numbers.A_LONG_CALLS) if workload == "A_long" else a_trace(blocks=200_000)


def work(workload: str) -> Callable[[object], Run]:
    """What a peer is called with, made before any clock runs."""
    if workload in PROMPTS:
        whole, percent = PROMPTS[workload]
        prompts = Prompts(whole)
        made = list(prompts)
        return lambda peer: peer.prompts(made, prompts.pool(percent))
    if workload == "B":
        prompts_of_b, appended = b_prompts(), b_appended()
        return lambda peer: peer.b(prompts_of_b, appended)
    trace = trace_of(workload)
    return lambda peer: peer.a(trace)


def expected_hits(workload: str) -> int | None:
    """Where the pool forgets nothing that comes again, which leaves out D_tight."""
    if workload not in PROMPTS or workload == "D_tight":
        return None
    return (check_numbers.C_WHOLE if PROMPTS[workload][0] else check_numbers.C).hits_page_16


def child(name: str, workload: str, runs: int) -> dict[str, object]:
    try:
        peer = PEERS[name]()
    except ImportError as error:
        return {"workload": workload, "peer": name, "skipped": f"does not import here: {error}"}
    method = {"A": "a", "A_long": "a", "B": "b"}.get(workload, "prompts")
    if not hasattr(peer, method) or (name == "vllm-no-prefix-caching" and workload in PROMPTS):
        return {"workload": workload, "peer": name, "version": peer.version, "skipped": "keeps no such thing"}
    call = work(workload)
    measured = [call(peer) for _ in range(runs)]
    if (hits := expected_hits(workload)) is not None:
        for run in measured:
            check_numbers.equal("the hits", run.hit_tokens, hits)
    return row(name, peer.version, workload, measured)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cache_peers.py", description=__doc__.split("\n")[0])
    parser.add_argument("--peer", default="", help="of " + ", ".join(PEERS))
    parser.add_argument("--workload", default=",".join(WORKLOADS), help="of " + ", ".join(WORKLOADS))
    parser.add_argument("--runs", type=int, default=5, help="of which medians are told")
    parser.add_argument("--check", action="store_true", help="hold every stream against its check numbers, and end")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.peers = [name for name in options.peer.split(",") if name]
    options.workloads = options.workload.split(",")
    for what, given, known in [("peer", options.peers, PEERS), ("workload", options.workloads, WORKLOADS)]:
        for name in given:
            if name not in known:
                parser.error(f"no {what} is called {name!r}: there are {', '.join(known)}")
    if not options.check and not options.peers:
        parser.error("--peer or --check is needed")
    if options.runs < 1:
        parser.error("--runs is at least 1")
    return options


def main() -> int:
    options = arguments()
    if options.check:
        check_numbers.check_all()
        print("every check number holds")
        return 0
    if options.child:
        print(json.dumps(child(options.peers[0], options.workloads[0], options.runs)))
        return 0
    status = 0
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    for workload in options.workloads:
        check(workload)
        for name in options.peers:
            command = [sys.executable, __file__, "--child", "--peer", name, "--workload", workload,
                       "--runs", str(options.runs)]
            ran = subprocess.run(command, env=environment, capture_output=True, text=True)
            lines = [line for line in ran.stdout.splitlines() if line.startswith('{"workload"')]
            if ran.returncode != 0 or not lines:
                said = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
                lines = [json.dumps({"workload": workload, "peer": name, "error": said})]
            status |= "skipped" in lines[-1] or '"error"' in lines[-1]
            print(lines[-1], flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
