"""The generator against its check numbers: what takes no more than seconds; `cache_peers.py --check` does the rest.

    cd bench && python3 -m unittest cache_peers.test_streams
"""

import unittest

from cache_peers.check_numbers import C, WrongStream, check_a, check_b, check_prompts, endless_hits, equal, fnv
from cache_peers.streams import Prompts, a_moved, a_trace, b_prompts, tokens, u


class Streams(unittest.TestCase):
    def test_the_generator_is_splitmix64(self) -> None:
        self.assertEqual(u(0, 0), 0xE220A8397B1DCDAF)
        self.assertEqual([token < 128_256 for token in tokens(5, 100)], [True] * 100)

    def test_a(self) -> None:
        check_a(a_trace(blocks=200_000), long=False)
        self.assertEqual(a_moved([3, 4, -1, -1]), 14)
        self.assertEqual(len(a_trace(calls=100)), 100)

    def test_b(self) -> None:
        check_b(b_prompts())

    def test_c(self) -> None:
        for whole in (False, True):
            prompts = Prompts(whole)
            check_prompts(prompts, list(prompts), full=False)

    def test_what_differs_is_named(self) -> None:
        prompts = Prompts(False)
        made = [list(prompt) for prompt in prompts]
        made[3][100] += 1
        with self.assertRaisesRegex(WrongStream, "FNV-1a of the first 100 prompts: 0x"):
            check_prompts(prompts, made, full=False)
        with self.assertRaisesRegex(WrongStream, "A's blocks: 7, and it must be 8"):
            equal("A's blocks", 7, 8)


class Hits(unittest.TestCase):
    def test_by_hand(self) -> None:
        table = [
            # The last token is computed, also where it is there.
            (1, [[1, 2, 3], [1, 2, 3]], 2),
            (1, [[1, 2, 3], [1, 2, 4], [1, 2, 4, 5]], 2 + 3),
            (2, [[1, 2, 3, 4], [1, 2, 3, 4]], 2),
            (2, [[1, 2, 3, 4], [1, 2, 3, 4, 5]], 4),
            # A page counts only behind those before it.
            (2, [[1, 2, 3, 4], [9, 9, 3, 4, 5]], 0),
            (2, [[1], [1], []], 0),
        ]
        for page, prompts, expected in table:
            self.assertEqual(endless_hits(prompts, page), expected, (page, prompts))

    def test_fnv(self) -> None:
        # Of no bytes, and of the bytes of "a" with three zeros behind it.
        self.assertEqual(fnv([]), 0xCBF29CE484222325)
        self.assertEqual(fnv([[0x61], []]), fnv([[], [0x61]]))
        self.assertNotEqual(fnv([[1, 2]]), fnv([[2, 1]]))
        self.assertEqual(C.fnv_100 >> 60, 6)


if __name__ == "__main__":
    unittest.main()
