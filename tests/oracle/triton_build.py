"""Compiles a Triton or Gluon kernel without a GPU and says how its launcher would call it.

The argument list is the one that Triton's launcher makes (`triton/backends/nvidia/driver.py`): parameters in order
without the constants, a descriptor as its tensor map (or, where the target has no TMA, as pointer, shape and
strides) followed by shape and strides, and two scratch pointers at the end. Specialisation is the JIT's: integers
that are 1 become constants, those divisible by 16 and all pointers are declared so.
"""

import os
import tempfile
from dataclasses import dataclass

os.environ.setdefault("TRITON_CACHE_DIR", tempfile.mkdtemp(prefix="flashpage-oracle-triton-"))

import numpy as np  # noqa: E402
import triton  # noqa: E402
from triton import knobs  # noqa: E402
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler.compiler import ASTSource  # noqa: E402
from triton.experimental.gluon._runtime import GluonASTSource, GluonJITFunction  # noqa: E402

from case import I64, Out, Tensor, write_case  # noqa: E402

knobs.compilation.disable_line_info = True
knobs.compilation.always_compile = True
# The assembler is not needed to have PTX; the suite's own check assembles the committed cases.
knobs.runtime.add_stages_inspection_hook = (
    lambda backend, stages, options, language, capability: stages.update(cubin=lambda src, metadata: b"")
)



class NoDevice:
    """What the front end asks of a driver: the target."""

    def __init__(self, target):
        self.target = GPUTarget("cuda", target, 32)

    def get_current_target(self):
        return self.target


POINTER = {
    "f16": "fp16", "bf16": "bf16", "f32": "fp32", "f64": "fp64", "e4m3": "fp8e4nv", "e5m2": "fp8e5",
    "i8": "i8", "i16": "i16", "i32": "i32", "i64": "i64", "u8": "u8", "u16": "u16", "u32": "u32", "u64": "u64",
}
BYTES = {"f16": 2, "bf16": 2, "f32": 4, "f64": 8, "e4m3": 1, "e5m2": 1, "i8": 1, "u8": 1, "i32": 4, "u32": 4, "i64": 8}
# CUtensorMapDataType by number, as launch.json spells it.
MAP_TYPES = ["u8", "u16", "u32", "i32", "u64", "i64", "f16", "f32", "f64", "bf16"]
SWIZZLES = ["none", "32B", "64B", "128B"]


@dataclass
class Desc:
    """A tensor descriptor made by the host of the whole of a buffer."""

    buffer: object
    block: tuple
    layout: object = None  # Gluon kernels name it.


@dataclass
class Kernel:
    """A kernel, its arguments by name, and what should come of it."""

    name: str
    fn: object
    grid: tuple
    args: dict
    expected: dict
    targets: tuple = (80, 90)
    num_warps: int = 4
    num_stages: int = 3
    num_ctas: int = 1
    options: dict = None
    contains: tuple = ()  # What the PTX must contain for the case to test what it is meant to.

    def write(self, folder, target):
        signature, constants, attrs = {}, {}, {}
        for index, parameter in enumerate(self.fn.params):
            name = parameter.name
            value = self.args[name]
            if parameter.is_constexpr or value is None or (type(value) is int and value == 1):
                signature[name] = "constexpr"
                constants[(index,)] = value
            elif isinstance(value, (Tensor, Out)):
                signature[name] = "*" + POINTER[value.dtype]
                attrs[(index,)] = [["tt.divisibility", 16]]
            elif isinstance(value, Desc):
                block = ", ".join(str(size) for size in value.block)
                layout = f", {value.layout!r}" if value.layout is not None else ""
                inner = f"{POINTER[value.buffer.dtype]}[{block}]{layout}"
                signature[name] = f"tensordesc<{inner}>"
            elif isinstance(value, I64):
                signature[name] = "i64"
                if value.value % 16 == 0:
                    attrs[(index,)] = [["tt.divisibility", 16]]
            elif isinstance(value, (int, np.integer)):
                signature[name] = "i32"
                if value % 16 == 0:
                    attrs[(index,)] = [["tt.divisibility", 16]]
            else:
                signature[name] = "fp32"
        source = GluonASTSource if isinstance(self.fn, GluonJITFunction) else ASTSource
        options = dict(num_warps=self.num_warps, num_stages=self.num_stages, num_ctas=self.num_ctas)
        triton.runtime.driver.set_active(NoDevice(target))
        compiled = triton.compile(
            source(self.fn, signature, constants, attrs),
            target=GPUTarget("cuda", target, 32),
            options=options | (self.options or {}),
        )
        metadata, ptx = compiled.metadata, compiled.asm["ptx"]
        for text in self.contains:
            assert target < 90 or text in ptx, f"{self.name}: the PTX has no `{text}`"
        buffers, args = {}, []
        descriptions = list(metadata.tensordesc_meta or [])
        for parameter in self.fn.params:
            name, value = parameter.name, self.args[parameter.name]
            kind = signature[name]
            if kind == "constexpr":
                continue
            if isinstance(value, (Tensor, Out)):
                buffers[name] = value
                args.append({"buffer": name})
            elif isinstance(value, Desc):
                buffers[name] = value.buffer
                args += descriptor(name, value, descriptions.pop(0) if descriptions else None)
            elif kind == "fp32":
                args.append({"f32": float(value)})
            else:
                args.append({kind: int(value.value if isinstance(value, I64) else value)})
        grid = list(self.grid) + [1] * (3 - len(self.grid))
        blocks = int(np.prod(grid)) * metadata.num_ctas
        if metadata.global_scratch_size:
            buffers["scratch"] = Out((metadata.global_scratch_size * blocks,), "u8", None)
            args.append({"buffer": "scratch"})
        else:
            args.append({"u64": 0})
        args.append({"u64": 0})
        grid[0] *= metadata.num_ctas
        block = [32 * metadata.num_warps, 1, 1]
        cluster = [metadata.num_ctas, 1, 1]
        write_case(folder, ptx, metadata.name, grid, block, cluster, metadata.shared, buffers, args, self.expected)


def descriptor(name, value, meta):
    """The launcher's expansion of a descriptor argument."""
    shape = [int(size) for size in value.buffer.shape]
    strides = [int(np.prod(shape[axis + 1:])) for axis in range(len(shape))]
    tail = [{"i32": size} for size in shape] + [{"i64": stride} for stride in strides]
    if meta is None:
        whole = [{"i64": number} for number in shape + strides]
        return [{"buffer": name}, *whole, {"i8": 0}, *tail]
    host = {8: 10, 9: 8, 10: 9}.get(meta["elem_type"], meta["elem_type"])
    # Numbers of the driver's: 6 is f16, 7 f32, 8 f64, 9 bf16.
    dtype = MAP_TYPES[host]
    size = meta["elem_size"]
    block = list(meta["block_size"])
    tensor_map = {
        "buffer": name, "dtype": dtype, "dims": shape[::-1], "strides": [s * size for s in strides[:-1]][::-1],
        "box": block[::-1], "element_strides": [1] * len(shape), "swizzle": SWIZZLES[meta["swizzle"]],
        "interleave": "none", "l2_promotion": "128B", "oob_fill": "zeros",
    }
    return [{"tensor_map": tensor_map}, *tail]
