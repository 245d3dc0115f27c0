"""Every configuration of the Triton kernels compiles for sm_80 and sm_90: no GPU is needed for that.

    cd bench && python3 -m unittest peers.test_triton_compiles
"""

import multiprocessing
import os
import unittest

try:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from peers import triton_decode, triton_prefill
except ImportError:
    if os.environ.get("CI"):
        raise
    triton = None

#: Bytes of shared memory that a block can have.
SHARED = {80: 163 << 10, 90: 227 << 10}
VARIANTS = {
    "full": {},
    "causal": {"CAUSAL": True},
    "window": {"CAUSAL": True, "WINDOW": 1024},
    "softcap": {"CAUSAL": True, "SOFTCAP": True},
    "alibi": {"CAUSAL": True, "ALIBI": True},
}
NO_VARIANT = {"CAUSAL": False, "WINDOW": 0, "SOFTCAP": False, "ALIBI": False}


def shared_bytes(kernel, dtype: str, capability: int, constants: dict, warps: int, stages: int) -> int:
    """Compiles as a launch of the peer would be; the shared memory that it takes."""
    types = {name: f"*{dtype}" for name in ("q_base", "k_base", "v_base", "o_base")}
    types |= {name: "*i32" for name in ("table", "kv_lens")}
    types |= {name: "*fp32" for name in ("slopes", "parts", "lses")} | {"scale": "fp32", "cap": "fp32"}
    names = kernel.arg_names
    signature = {name: "constexpr" if name in constants else types.get(name, "i32") for name in names}
    # Pointers and strides are multiples of 16, lengths are not.
    odd = ("scale", "cap", "q_len", "table_row", "chunks")
    attributes = {
        (index,): [["tt.divisibility", 16]]
        for index, name in enumerate(names)
        if name not in constants and name not in odd
    }
    taken = {name: constants[name] for name in names if name in constants}
    source = ASTSource(kernel, signature, taken, attributes)
    options = {"num_warps": warps, "num_stages": stages}
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options).metadata.shared


#: What a process is to compile.
ROWS: list[tuple] = []


def of_row(number: int) -> int | str:
    """Shared memory of a row, or why it does not compile."""
    try:
        return shared_bytes(*ROWS[number])
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@unittest.skipIf(triton is None, "triton is not installed")
@unittest.skipIf(os.environ.get("TRITON_INTERPRET") == "1", "the interpreter compiles nothing")
class Compiles(unittest.TestCase):
    def setUp(self) -> None:
        self.rows: list[tuple] = []

    def check(self, *row: object) -> None:
        """Compiles one more configuration, with all others of the test."""
        self.rows.append(row)

    def tearDown(self) -> None:
        # A process for each core, which has the kernels by being forked: they cannot be sent.
        with multiprocessing.get_context("fork").Pool(initializer=ROWS.extend, initargs=(self.rows,)) as pool:
            said = pool.map(of_row, range(len(self.rows)), chunksize=1)
        for (_, dtype, capability, constants, warps, stages), shared in zip(self.rows, said, strict=True):
            with self.subTest(dtype=dtype, capability=capability, warps=warps, stages=stages, **constants):
                self.assertIsInstance(shared, int)
                self.assertLessEqual(shared, SHARED[capability])

    def test_prefill(self) -> None:
        for capability in SHARED:
            for block_m, block_n, warps, stages in triton_prefill.CONFIGS:
                shape = {"GROUP": 4, "HEAD_DIM": 128, "BLOCK_M": block_m, "BLOCK_N": block_n}
                constants = NO_VARIANT | VARIANTS["causal"] | shape
                self.check(triton_prefill.attend, "bf16", capability, constants, warps, stages)
            for variant in VARIANTS.values():
                for dtype, head_dim in (("fp16", 64), ("bf16", 128)):
                    shape = {"GROUP": 1, "HEAD_DIM": head_dim, "BLOCK_M": 128, "BLOCK_N": 64}
                    self.check(triton_prefill.attend, dtype, capability, NO_VARIANT | variant | shape, 8, 3)

    def test_decode(self) -> None:
        for capability in SHARED:
            for block_n, warps, stages in triton_decode.CONFIGS:
                for split in (False, True):
                    shape = {"HEADS": 32, "GROUP": 4, "ROWS": 16, "HEAD_DIM": 128, "BLOCK_SIZE": 16}
                    tile = {"BLOCK_N": block_n, "WINDOW": 0, "SOFTCAP": False, "ALIBI": False, "SPLIT": split}
                    self.check(triton_decode.attend_chunk, "bf16", capability, shape | tile, warps, stages)
            for window, softcap, alibi in ((1024, False, False), (0, True, False), (0, False, True)):
                shape = {"HEADS": 32, "GROUP": 8, "ROWS": 16, "HEAD_DIM": 64, "BLOCK_SIZE": 64, "BLOCK_N": 64}
                variant = {"WINDOW": window, "SOFTCAP": softcap, "ALIBI": alibi, "SPLIT": True}
                self.check(triton_decode.attend_chunk, "fp16", capability, shape | variant, 4, 3)
            constants = {"HEADS": 32, "HEAD_DIM": 128, "WINDOW": 0, "TILE": triton_decode.COMBINED_AT_ONCE}
            self.check(triton_decode.combine, "bf16", capability, constants, 4, 3)


if __name__ == "__main__":
    unittest.main()
