"""What needs no torch: reading workloads, their order, which rows are checked, percentiles, lines written.

    cd bench && python3 -m unittest peers.test_without_torch
"""

import io
import json
import unittest

from peers.rows import Ceiling, Measured, append, table
from peers.rule import allowed_error, rounding_unit, sampled_rows
from peers.samples import is_warm, percentile, sample_count
from peers.workload import BadWorkload, by_importance, most_telling_first, parse, tiny

PREFILL = {
    "kernel": "causal_attention", "phase": "prefill", "mask": "causal", "dtype": "bf16", "head_dim": 128,
    "heads": 16, "kv_heads": 16, "q_len": 4096, "kv_lens": [4096] * 4,
}
DECODE = {
    "kernel": "paged_attention", "phase": "decode", "mask": "causal", "dtype": "f16", "head_dim": 128,
    "heads": 32, "kv_heads": 8, "q_len": 1, "kv_lens": [4096, 70, 1], "block_size": 16, "window": None,
}


class Workloads(unittest.TestCase):
    def test_ids_are_those_of_the_rust_type(self) -> None:
        table = [
            (PREFILL, "prefill causal bf16 d128 h16/16 b4 s4096"),
            (DECODE, "decode causal f16 d128 h32/8 b3 s4096 skewed page16"),
            (PREFILL | {"phase": "append", "q_len": 64, "window": 512, "softcap": 30, "alibi": True},
             "append causal bf16 d128 h16/16 b4 s4096 q64 window512 softcap30 alibi"),
        ]
        for value, expected in table:
            self.assertEqual(str(parse(value, "[0]")), expected)

    def test_what_is_wrong_is_named(self) -> None:
        table = [
            ({"kernel": None}, "[0].kernel: not a name"),
            ({"phase": "train"}, "[0].phase: not one of prefill, append, decode"),
            ({"dtype": "f32"}, "[0].dtype: not one of f16, bf16"),
            ({"head_dim": 0}, "[0].head_dim: not a positive whole number"),
            ({"q_len": True}, "[0].q_len: not a positive whole number"),
            ({"window": -1}, "[0].window: not a positive whole number"),
            ({"alibi": 1}, "[0].alibi: not true or false"),
            ({"kv_lens": []}, "[0].kv_lens: not a list"),
            ({"kv_lens": [4096, "1"]}, "[0].kv_lens: not a list"),
            ({"heads": 17}, "[0].heads: not a multiple of kv_heads"),
            ({"q_len": 5000}, "[0].q_len: not at most the shortest"),
            ({"phase": "decode"}, "[0].q_len: not 1"),
        ]
        for change, message in table:
            with self.assertRaises(BadWorkload) as raised:
                parse(PREFILL | change, "[0]")
            self.assertTrue(str(raised.exception).startswith(message), str(raised.exception))

    def test_lines_read_back(self) -> None:
        for value in (PREFILL, DECODE):
            workload = parse(value, "[0]")
            file = io.StringIO()
            append(file, Measured("flex", workload, skipped="no"))
            append(file, Ceiling("copy", 1e12, "a copy"))
            row, ceiling = map(json.loads, file.getvalue().splitlines())
            self.assertEqual(parse(row.pop("workload"), "[0]"), workload)
            self.assertEqual(row, {"who": "flex", "samples": 0, "method": "", "skipped": "no"})
            self.assertEqual(
                ceiling, {"ceiling": "copy", "who": "torch", "per_second": 1e12, "how": "a copy"}
            )

    def test_tiny_is_the_same_attention(self) -> None:
        small = tiny(parse(PREFILL | {"window": 1024}, "[0]"))
        self.assertEqual((small.q_len, small.kv_lens, small.window, small.heads), (200, (200,) * 3, 50, 2))
        small = tiny(parse(DECODE | {"kv_lens": [400000, 7000, 100]}, "[0]"))
        self.assertEqual((small.q_len, small.kv_lens, small.heads, small.kv_heads), (1, (200, 4, 1), 8, 2))
        self.assertEqual(tiny(small), small)

    def test_the_most_telling_come_first(self) -> None:
        variants = [
            PREFILL | {"window": 128}, PREFILL | {"head_dim": 64}, PREFILL, PREFILL | {"dtype": "f16"},
            DECODE, PREFILL,
        ]
        ids = [str(workload) for workload in most_telling_first([parse(each, "[0]") for each in variants])]
        self.assertEqual(ids, [
            "prefill causal bf16 d128 h16/16 b4 s4096",
            "decode causal f16 d128 h32/8 b3 s4096 skewed page16",
            "prefill causal f16 d128 h16/16 b4 s4096",
            "prefill causal bf16 d64 h16/16 b4 s4096",
            "prefill causal bf16 d128 h16/16 b4 s4096 window128",
        ])


    def test_leaders_come_before_the_rest(self) -> None:
        table = [
            ([], ["1a", "1b", "1c", "2a", "2b", "2c"]),
            (["b"], ["1b", "2b", "1a", "1c", "2a", "2c"]),
            (["a", "c"], ["1a", "1c", "2a", "2c", "1b", "2b"]),
        ]
        for leaders, expected in table:
            order = by_importance(["1", "2"], ["a", "b", "c"], leaders)
            self.assertEqual([workload + peer for workload, peer in order], expected)


class Rules(unittest.TestCase):
    def test_rounding_units(self) -> None:
        table = [
            ("f16", 1.0, -10), ("f16", 1.999, -10), ("f16", -0.5, -11), ("f16", 1e-9, -24), ("bf16", 3.0, -6),
        ]
        for dtype, magnitude, exponent in table:
            self.assertEqual(rounding_unit(dtype, magnitude), 2.0**exponent)
        self.assertEqual(rounding_unit("f16", 0.0), 0.0)

    def test_allowed_error(self) -> None:
        self.assertEqual(allowed_error("f16", 0.01, 1.0), 0.02)
        self.assertEqual(allowed_error("f16", 0.0, 1.0), 2.0**-10)

    def test_sampled_rows(self) -> None:
        workload = parse(PREFILL | {"phase": "append", "q_len": 100, "kv_lens": [200, 300, 100]}, "[0]")
        rows = sampled_rows(workload)
        self.assertEqual((len(rows), len(set(rows))), (64, 64))
        self.assertEqual(rows, sampled_rows(workload))
        self.assertTrue({(1, 0, 99), (1, 15, 0), (2, 0, 0), (2, 15, 99)} <= set(rows))
        # Of few rows all are taken.
        rows = sampled_rows(parse(DECODE | {"heads": 8, "kv_lens": [5, 6]}, "[0]"))
        self.assertEqual(sorted(rows), [(sequence, head, 0) for sequence in range(2) for head in range(8)])

    def test_percentiles(self) -> None:
        values = [5.0, 1.0, 4.0, 2.0, 3.0]
        for share, expected in ((0.0, 1.0), (0.5, 3.0), (0.1, 1.4), (0.9, 4.6), (1.0, 5.0)):
            self.assertAlmostEqual(percentile(values, share), expected)
        self.assertEqual(percentile([7.0], 0.9), 7.0)

    def test_samples(self) -> None:
        for call_us, expected in ((1.0, 200), (2000.0, 125), (1e6, 10)):
            self.assertEqual(sample_count(call_us), expected)
        self.assertEqual([is_warm(4, 0.5), is_warm(5, 0.05), is_warm(5, 0.1)], [False, False, True])


class Tables(unittest.TestCase):
    def test_cells(self) -> None:
        workload = parse(PREFILL, "[0]")
        rows = [
            Measured("flex", workload, median_us=12.34, right=True),
            Measured("naive", workload, skipped="no"),
            Measured("fa2", workload, median_us=1.0, right=False),
            Measured("fa3", workload, error="no"),
        ]
        self.assertEqual(table(rows).splitlines()[1].split()[-4:], ["12.3", "-", "WRONG", "error"])


if __name__ == "__main__":
    unittest.main()
