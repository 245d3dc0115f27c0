"""What needs no peer: lines of medians, laws that do not hold, and what the command says of what it does not have.

    cd bench && python3 -m unittest cache_peers.test_timing
"""

import json
import subprocess
import sys
import unittest
from pathlib import Path

from cache_peers.peer import PEERS, version_of
from cache_peers.timing import Broken, Run, clock, hold, row, rss_mib

BENCH = Path(__file__).parent.parent


def command(*args: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, BENCH / "cache_peers.py", *args], capture_output=True, text=True)


class Lines(unittest.TestCase):
    def test_medians(self) -> None:
        runs = [Run(100, 7, seconds, seconds / 2, rss) for seconds, rss in [(1.0, 5.0), (4.0, 0.0), (2.0, 1.0)]]
        line = row("peer", "1.2", "C", runs)
        expected = {"ops": 100, "seconds": 2.0, "ops_per_s": 50.0, "cpu_seconds": 1.0, "ops_per_cpu_s": 100.0,
                    "ops_per_cpu_s_range": [50.0, 200.0], "hit_tokens": 7, "rss_added_mib": 5.0, "runs": 3}
        self.assertEqual({key: line[key] for key in expected}, expected)

    def test_runs_that_differ_are_no_line(self) -> None:
        with self.assertRaisesRegex(Broken, "C's hits in another run: 8, and it must be 7"):
            row("peer", "1.2", "C", [Run(1, 7, 1, 1), Run(1, 8, 1, 1)])
        with self.assertRaises(Broken):
            hold("blocks", 1, 2)

    def test_the_clock_times_its_body(self) -> None:
        run = Run()
        with clock(run, rss_mib()):
            sum(range(100_000))
        self.assertGreater(run.seconds, 0)
        self.assertGreater(run.cpu_seconds, 0)


class Command(unittest.TestCase):
    def test_mistakes_are_named(self) -> None:
        table = [
            (["--peer", "vlm"], "no peer is called 'vlm'"),
            (["--peer", "vllm", "--workload", "E"], "no workload is called 'E'"),
            (["--peer", "vllm", "--runs", "0"], "--runs is at least 1"),
            ([], "--peer or --check is needed"),
        ]
        for args, message in table:
            ran = command(*args)
            self.assertEqual(ran.returncode, 2, args)
            self.assertIn(message, ran.stderr)

    def test_a_peer_that_is_not_here_is_a_line(self) -> None:
        absent = [name for name in PEERS if version_of(name.split("-")[0]) == "not installed"]
        for name in absent:
            ran = command("--peer", name, "--workload", "A", "--runs", "1")
            self.assertEqual(ran.returncode, 1, ran.stderr)
            self.assertIn("does not import here", json.loads(ran.stdout)["skipped"])


if __name__ == "__main__":
    unittest.main()
