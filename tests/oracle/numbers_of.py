"""Arrays of the element types that numpy has and of those that it lacks (bf16, fp8), with their exact values.

`Tensor` holds the bits of an array; `.f64` is what those bits mean. `rounded` gives the f64 values that the nearest
numbers of a type have (ties to even, as the hardware's `.rn`).
"""

from dataclasses import dataclass

import numpy as np

NUMPY = {
    "f16": np.float16, "f32": np.float32, "f64": np.float64,
    "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
    "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64,
}
# Explicit mantissa bits and the least exponent of a normal number.
MINIFLOATS = {"bf16": (7, -126), "e4m3": (3, -6), "e5m2": (2, -14), "tf32": (10, -126)}
LARGEST = {"bf16": 3.3895313892515355e38, "e4m3": 448.0, "e5m2": 57344.0, "tf32": 3.4e38}
EPSILON = {"f16": 2.0**-11, "bf16": 2.0**-8, "f32": 2.0**-24, "f64": 2.0**-53, "e4m3": 2.0**-4, "e5m2": 2.0**-3}


def rounded(values, dtype):
    """The values after rounding to `dtype`, as f64 (integers: as they are)."""
    values = np.asarray(values)
    if dtype in NUMPY:
        with np.errstate(over="ignore"):
            out = values.astype(NUMPY[dtype])
        return out.astype(np.float64) if dtype.startswith("f") else out
    mantissa, least = MINIFLOATS[dtype]
    values = values.astype(np.float64)
    _, exponent = np.frexp(values)
    step = np.ldexp(1.0, np.maximum(exponent - 1, least) - mantissa)
    out = np.round(values / step) * step
    return np.where(np.abs(out) > LARGEST[dtype], np.copysign(np.inf, values), out)


def _fp8_table(dtype):
    codes = np.arange(256)
    mantissa_bits, least = MINIFLOATS[dtype]
    mantissa = codes & ((1 << mantissa_bits) - 1)
    exponent = (codes & 0x7F) >> mantissa_bits
    normal = np.ldexp(1.0 + mantissa / 2.0**mantissa_bits, exponent + least - 1)
    small = np.ldexp(mantissa / 2.0**mantissa_bits, least)
    values = np.where(exponent == 0, small, normal)
    if dtype == "e4m3":
        values = np.where((codes & 0x7F) == 0x7F, np.nan, values)
    else:
        values = np.where(exponent == 31, np.where(mantissa == 0, np.inf, np.nan), values)
    return np.where(codes >= 128, -values, values)


FP8 = {dtype: _fp8_table(dtype) for dtype in ("e4m3", "e5m2")}


def to_bits(values, dtype):
    """Storage of the values, which must be representable or are rounded."""
    if dtype in NUMPY:
        return np.asarray(values).astype(NUMPY[dtype])
    values = rounded(values, dtype)
    if dtype == "bf16":
        return (np.ascontiguousarray(values, dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16)
    table = FP8[dtype][:128]
    order = [code for code in range(128) if np.isfinite(table[code])]
    positive = np.array([table[code] for code in order])
    codes = np.array(order)[np.searchsorted(positive, np.abs(values))]
    return (codes | np.where(np.signbit(values), 128, 0)).astype(np.uint8)


def from_bits(bits, dtype):
    if dtype == "bf16":
        return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    if dtype in FP8:
        return FP8[dtype][bits]
    return bits.astype(np.float64) if dtype.startswith("f") else bits


@dataclass
class Tensor:
    """An input, or a buffer that is read and written."""

    bits: np.ndarray
    dtype: str

    @property
    def f64(self):
        return from_bits(self.bits, self.dtype)

    @property
    def shape(self):
        return self.bits.shape


@dataclass
class Out:
    """A buffer that is only written; `fill` None means that nothing was ever written to it."""

    shape: tuple
    dtype: str
    fill: object = "default"


def tensor(values, dtype):
    return Tensor(np.ascontiguousarray(to_bits(values, dtype)), dtype)


def uniform(seed, shape, dtype="f32", low=-1.0, high=1.0):
    """Random numbers as they come."""
    return tensor(np.random.default_rng(seed).uniform(low, high, shape), dtype)


def coarse(seed, shape, dtype, steps=8, unit=1 / 8):
    """Multiples of `unit` up to `steps` of them: sums of products are exact in f32, whatever the order."""
    return tensor(np.random.default_rng(seed).integers(-steps, steps + 1, shape) * unit, dtype)


def integers(seed, shape, dtype="i32", low=-100, high=100):
    return tensor(np.random.default_rng(seed).integers(low, high, shape), dtype)
