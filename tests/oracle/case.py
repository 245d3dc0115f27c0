"""Writes a case folder: `kernel.ptx`, `launch.json`, inputs and expected outputs as `.npy`.

What is expected is either exact, or a tolerance that is stated where the case is defined: `relative` times the
largest expected magnitude for single elements, `relative` itself for the relative L2 distance.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from numbers_of import NUMPY, Out, Tensor


@dataclass
class Near:
    """Within a tolerance of f64 values."""

    values: np.ndarray
    relative: float
    absolute: float = 0.0


@dataclass
class I64:
    """A scalar argument of 64 bits."""

    value: int


def tidy(ptx):
    """Without debug sections, line numbers and comments of the compiler's."""
    lines = []
    depth = None
    for line in ptx.splitlines():
        if depth is not None:
            depth += line.count("{") - line.count("}")
            if depth <= 0:
                depth = None
            continue
        if re.match(r"\s*\.section\s", line):
            depth = line.count("{") - line.count("}")
            if "{" not in line:
                depth = 1
            continue
        if re.match(r"\s*(\.loc\s|\.file\s|//)", line) or not line.strip():
            continue
        lines.append(re.sub(r"\s*//.*$", "", line).rstrip())
    return "\n".join(lines) + "\n"


def write_case(folder, ptx, entry, grid, block, cluster, dynamic_shared, buffers, args, expected):
    """`buffers`: name to `Tensor` or `Out`; `args` as in launch.json; `expected`: name to array or `Near`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.ptx").write_text(tidy(ptx))
    document = {
        "ptx": "kernel.ptx", "entry": entry, "grid": list(grid), "block": list(block), "cluster": list(cluster),
        "dynamic_shared_bytes": dynamic_shared, "buffers": {}, "args": args, "expected": {},
    }
    for name, buffer in buffers.items():
        if isinstance(buffer, Out):
            entry_ = {"dtype": storage(buffer.dtype), "shape": list(buffer.shape)}
            fill = buffer.fill
            if fill == "default":
                fill = "nan" if buffer.dtype in ("f16", "bf16", "f32", "f64") else 85
            if fill is not None:
                entry_["fill"] = fill
        else:
            np.save(folder / f"{name}.npy", np.ascontiguousarray(buffer.bits))
            entry_ = {"npy": f"{name}.npy"}
            if buffer.dtype == "bf16":
                entry_["dtype"] = "bf16"
        document["buffers"][name] = entry_
    for name, want in expected.items():
        near = want if isinstance(want, Near) else None
        values = np.asarray(near.values if near else want)
        entry_ = {"npy": f"expected_{name}.npy"}
        dtype = buffers[name].dtype
        if dtype == "f16" and near is None:
            values = values.astype(np.float16)
        elif dtype in ("f16", "bf16", "f32"):
            values = values.astype(np.float32)
        elif dtype in ("e4m3", "e5m2"):
            values = values.astype(np.uint8)
        else:
            values = values.astype(NUMPY[dtype])
        if near:
            finite = np.abs(values[np.isfinite(values)])
            largest = float(finite.max()) if finite.size else 0.0
            entry_["max_abs"] = float(f"{near.relative * largest + near.absolute:.3g}")
            if near.relative:
                entry_["max_rel_l2"] = float(f"{near.relative:.3g}")
        np.save(folder / f"expected_{name}.npy", np.ascontiguousarray(values))
        document["expected"][name] = entry_
    (folder / "launch.json").write_text(json.dumps(document, indent=1) + "\n")


def storage(dtype):
    """How launch.json says a type that has no number type of its own there."""
    return {"e4m3": "u8", "e5m2": "u8"}.get(dtype, dtype)


__all__ = ["I64", "Near", "Out", "Tensor", "storage", "write_case"]
