"""Compiles a CUDA C++ kernel to PTX with nvcc (`NVCC`, else the one on PATH) and writes its case."""

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from case import I64, Out, Tensor, write_case

HERE = Path(__file__).resolve().parent


@dataclass
class Map:
    """A tensor map argument; dims and box from the innermost out, strides in bytes."""

    buffer: str
    dtype: str
    dims: list
    strides: list
    box: list
    swizzle: str = "none"


@dataclass
class CudaKernel:
    """A source of `cuda_kernels/`, whose entry has its name, and how it is launched."""

    name: str
    target: str
    grid: tuple
    block: object  # threads, or threads along x and y
    args: list  # (name, value) in the order of the parameters; a name comes again for a map of the same buffer
    expected: dict
    cluster: int = 1
    dynamic: int = 0
    buffers: dict = None  # those that are only reached through maps

    def write(self, folder):
        with tempfile.TemporaryDirectory() as work:
            ptx = Path(work) / "kernel.ptx"
            source = HERE / "cuda_kernels" / f"{self.name}.cu"
            command = [os.environ.get("NVCC", "nvcc"), "-ptx", f"-arch={self.target}", "-std=c++17",
                       "--extended-lambda", "-w", "-o", ptx, source]
            subprocess.run(command, check=True)
            text = ptx.read_text()
        buffers, args = dict(self.buffers or {}), []
        for name, value in self.args:
            if isinstance(value, (Tensor, Out)):
                buffers[name] = value
                args.append({"buffer": name})
            elif isinstance(value, Map):
                args.append({"tensor_map": {
                    "buffer": value.buffer, "dtype": value.dtype, "dims": value.dims, "strides": value.strides,
                    "box": value.box, "element_strides": [1] * len(value.dims), "swizzle": value.swizzle,
                    "interleave": "none", "l2_promotion": "none", "oob_fill": "zeros"}})
            elif isinstance(value, float):
                args.append({"f32": value})
            elif isinstance(value, I64):
                args.append({"i64": value.value})
            else:
                args.append({"i32": value})
        block = list(self.block) + [1] if isinstance(self.block, tuple) else [self.block, 1, 1]
        grid = list(self.grid) + [1] * (3 - len(self.grid))
        write_case(folder, text, self.name, grid, block, [self.cluster, 1, 1], self.dynamic, buffers, args,
                   self.expected)
