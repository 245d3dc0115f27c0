"""One value at a time: arithmetic of every type, conversions, the mathematical functions of libdevice, masks."""

import math

import numpy as np
import triton
import triton.language as tl
from triton.language.extra import libdevice

from case import Near
from numbers_of import Out, coarse, integers, rounded, tensor, to_bits, uniform
from triton_build import Kernel


@triton.jit
def masked_add(x, y, o, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    tl.store(o + at, tl.load(x + at, inside) + tl.load(y + at, inside), inside)


@triton.jit
def strided_add(x, o, n, stride, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    value = tl.load(x + at * stride, inside, other=-1.0)
    tl.store(o + at, tl.where(at % 3 == 0, value, -value * 2), inside)


@triton.jit
def convert(x, o, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(o + at, tl.load(x + at, at < n).to(o.dtype.element_ty), at < n)


@triton.jit
def integer_arithmetic(a, b, o, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(a + at, inside, other=1)
    y = tl.load(b + at, inside, other=1)
    tl.store(o + at, x // y, inside)
    tl.store(o + n + at, x % y, inside)
    tl.store(o + 2 * n + at, (x << 3) ^ (x >> 2), inside)
    tl.store(o + 3 * n + at, (x & y) | ~x, inside)
    tl.store(o + 4 * n + at, tl.minimum(x, y) * tl.maximum(x, y), inside)
    tl.store(o + 5 * n + at, tl.abs(x) - y, inside)


@triton.jit
def bit_counts(a, b, o, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(a + at, inside, other=1)
    y = tl.load(b + at, inside, other=1)
    tl.store(o + at, libdevice.popc(x), inside)
    tl.store(o + n + at, libdevice.clz(x), inside)
    tl.store(o + 2 * n + at, libdevice.brev(x), inside)
    tl.store(o + 3 * n + at, libdevice.mulhi(x, y), inside)
    tl.store(o + 4 * n + at, libdevice.sad(x, y, tl.full([BLOCK], 7, tl.uint32)).to(tl.int32), inside)
    tl.store(o + 5 * n + at, libdevice.hadd(x, y), inside)
    tl.store(o + 6 * n + at, libdevice.ffs(x), inside)
    tl.store(o + 7 * n + at, libdevice.byte_perm(x, y, tl.full([BLOCK], 0x3614, tl.int32)), inside)


@triton.jit
def f64_arithmetic(a, b, o, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(a + at, inside, other=1.0)
    y = tl.load(b + at, inside, other=1.0)
    tl.store(o + at, x * y + x, inside)
    tl.store(o + n + at, x / y, inside)
    tl.store(o + 2 * n + at, tl.sqrt(tl.abs(x)), inside)
    tl.store(o + 3 * n + at, tl.exp(x), inside)
    tl.store(o + 4 * n + at, tl.log(tl.abs(x) + 1.0), inside)
    tl.store(o + 5 * n + at, tl.sin(x), inside)
    tl.store(o + 6 * n + at, libdevice.pow(tl.abs(x), y), inside)
    tl.store(o + 7 * n + at, tl.floor(x) + tl.ceil(y) + libdevice.rint(x), inside)


@triton.jit
def mathematics(a, o, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(a + at, inside, other=1.0)
    tl.store(o + at, tl.exp(x * 0.25), inside)
    tl.store(o + n + at, tl.exp2(x * 0.5), inside)
    tl.store(o + 2 * n + at, tl.log(tl.abs(x) + 0.01), inside)
    tl.store(o + 3 * n + at, tl.log2(tl.abs(x) + 0.01), inside)
    tl.store(o + 4 * n + at, tl.sin(x), inside)
    tl.store(o + 5 * n + at, tl.cos(x), inside)
    tl.store(o + 6 * n + at, tl.erf(x), inside)
    tl.store(o + 7 * n + at, tl.rsqrt(tl.abs(x) + 0.01), inside)
    tl.store(o + 8 * n + at, tl.sqrt(tl.abs(x)), inside)
    tl.store(o + 9 * n + at, tl.sqrt_rn(tl.abs(x)), inside)
    tl.store(o + 10 * n + at, tl.div_rn(x, tl.abs(x) + 0.3), inside)
    tl.store(o + 11 * n + at, x / (tl.abs(x) + 0.3), inside)
    tl.store(o + 12 * n + at, tl.fma(x, x, 0.5), inside)
    tl.store(o + 13 * n + at, tl.floor(x) * 2 + tl.ceil(x), inside)
    tl.store(o + 14 * n + at, tl.sigmoid(x), inside)
    tl.store(o + 15 * n + at, tl.clamp(x, -1.5, 1.25), inside)


@triton.jit
def libdevice_functions(a, o, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(a + at, inside, other=1.0)
    tl.store(o + at, libdevice.tanh(x), inside)
    tl.store(o + n + at, libdevice.atan(x), inside)
    tl.store(o + 2 * n + at, libdevice.log1p(tl.abs(x)), inside)
    tl.store(o + 3 * n + at, libdevice.expm1(x * 0.25), inside)
    tl.store(o + 4 * n + at, libdevice.cbrt(x), inside)
    tl.store(o + 5 * n + at, libdevice.pow(tl.abs(x), 1.7), inside)
    tl.store(o + 6 * n + at, libdevice.lgamma(tl.abs(x) + 0.5), inside)
    tl.store(o + 7 * n + at, libdevice.atan2(x, 0.7), inside)
    tl.store(o + 8 * n + at, libdevice.fmod(x, 0.75), inside)
    tl.store(o + 9 * n + at, libdevice.round(x) + libdevice.trunc(x) + libdevice.nearbyint(x), inside)
    tl.store(o + 10 * n + at, libdevice.copysign(1.5, x) + libdevice.ldexp(x, -3), inside)
    tl.store(o + 11 * n + at, libdevice.erfinv(x * 0.15), inside)
    tl.store(o + 12 * n + at, libdevice.sin(x * 100000.0), inside)
    tl.store(o + 13 * n + at, libdevice.asin(x * 0.15) + libdevice.acos(x * 0.15), inside)
    tl.store(o + 14 * n + at, libdevice.sinh(x * 0.25) - libdevice.cosh(x * 0.5), inside)
    tl.store(o + 15 * n + at, libdevice.hypot(x, 2.0), inside)


@triton.jit
def directed_rounding(a, b, o, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(a + at, inside, other=1.0)
    y = tl.load(b + at, inside, other=1.0)
    tl.store(o + at, libdevice.add_rd(x, y), inside)
    tl.store(o + n + at, libdevice.add_ru(x, y), inside)
    tl.store(o + 2 * n + at, libdevice.add_rz(x, y), inside)
    tl.store(o + 3 * n + at, libdevice.mul_rd(x, y), inside)
    tl.store(o + 4 * n + at, libdevice.mul_ru(x, y), inside)
    tl.store(o + 5 * n + at, libdevice.div_rz(x, y), inside)
    tl.store(o + 6 * n + at, libdevice.fma_rd(x, y, 0.1), inside)
    tl.store(o + 7 * n + at, libdevice.float2int_rd(x * 50).to(tl.float32), inside)
    tl.store(o + 8 * n + at, libdevice.float2int_ru(x * 50).to(tl.float32), inside)
    tl.store(o + 9 * n + at, libdevice.float2int_rn(x * 50).to(tl.float32), inside)


@triton.jit
def random_numbers(o, u, normal, seed, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(o + at, tl.randint(seed, at))
    tl.store(u + at, tl.rand(seed, at))
    tl.store(normal + at, tl.randn(seed, at))


@triton.jit
def collatz(x, o, n, BLOCK: tl.constexpr):
    at = tl.program_id(0)
    value = tl.load(x + at)
    steps = 0
    while value != 1:
        if value % 2 == 0:
            value = value // 2
        else:
            value = 3 * value + 1
        steps += 1
    tl.store(o + at, steps)


@triton.jit
def packed_assembly(x, y, o, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    a = tl.load(x + at, at < n, other=0)
    b = tl.load(y + at, at < n, other=0)
    # Four bytes a register.
    c = tl.inline_asm_elementwise(
        """
        {
        .reg .b32 t, u;
        and.b32 t, $1, 0x0f0f0f0f;
        lop3.b32 u, t, $2, 0xf0f0f0f0, 0xf8;
        prmt.b32 $0, u, $1, 0x3210;
        }
        """,
        "=r,r,r", [a, b], dtype=tl.uint8, is_pure=True, pack=4)
    tl.store(o + at, c, at < n)


@triton.jit
def gather_rows(table, index, o, WIDTH: tl.constexpr, ROWS: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    col = tl.arange(0, WIDTH)
    source = tl.load(index + row)
    values = tl.load(table + source[:, None] * WIDTH + col[None, :], mask=source[:, None] >= 0, other=0.0)
    tl.store(o + row[:, None] * WIDTH + col[None, :], values)


@triton.jit
def scatter_rows(x, index, o, WIDTH: tl.constexpr, ROWS: tl.constexpr):
    row = tl.arange(0, ROWS)
    col = tl.arange(0, WIDTH)
    to = tl.load(index + row)
    tl.store(o + to[:, None] * WIDTH + col[None, :], tl.load(x + row[:, None] * WIDTH + col[None, :]))


@triton.jit
def gather_in_tile(x, index, o, M: tl.constexpr, N: tl.constexpr):
    at = tl.arange(0, M)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(o + at, tl.gather(tl.load(x + at), tl.load(index + at), axis=1))


@triton.jit
def permutations(x, o, M: tl.constexpr, N: tl.constexpr):
    at = tl.arange(0, M)[:, None] * N + tl.arange(0, N)[None, :]
    tile = tl.load(x + at)
    turned = tl.trans(tile)
    pairs = tl.reshape(turned, (M * N // 2, 2))
    even, odd = tl.split(pairs)
    joined = tl.join(odd, even)
    tl.store(o + tl.arange(0, M * N), tl.reshape(joined, (M * N,)))
    tl.store(o + M * N + tl.arange(0, M * N), tl.reshape(tl.flip(tile, 1), (M * N,)))
    both = tl.cat(tl.reshape(tile, (M * N,)), tl.reshape(tile, (M * N,)), can_reorder=True)
    tl.store(o + 2 * M * N, tl.sum(both, 0))


@triton.jit
def interleaved(x, y, o, N: tl.constexpr):
    at = tl.arange(0, N)
    tl.store(o + tl.arange(0, 2 * N), tl.interleave(tl.load(x + at), tl.load(y + at)))


@triton.jit
def prints(x, o, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    value = tl.load(x + at)
    tl.device_print("value", value)
    tl.store(o + at, value + 1)


@triton.jit
def asserts(x, o, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    value = tl.load(x + at)
    tl.device_assert(value < 1000, "below a thousand")
    tl.store(o + at, value + 1)


@triton.jit(noinline=True)
def polynomial(x, n):
    result = x * 0.0
    for i in range(n):
        result = result * x + i
    return result


@triton.jit
def calls(x, o, n):
    at = tl.program_id(0)
    tl.store(o + at, polynomial(tl.load(x + at), n) + polynomial(tl.load(x + 32 + at), n + 2))


@triton.jit
def cache_hints(x, y, o, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    a = tl.load(x + at, at < n, cache_modifier=".cg", eviction_policy="evict_first")
    b = tl.load(y + at, at < n, cache_modifier=".ca", eviction_policy="evict_last")
    c = tl.load(y + at, at < n, volatile=True)
    tl.store(o + at, a * 2 + b + c, at < n, cache_modifier=".cs", eviction_policy="evict_first")


def philox(seed, offset):
    """Philox 4x32-10 (Salmon et al., 2011) of counter (offset, 0, 0, 0), its first word."""
    c = [offset.astype(np.uint64), *(np.zeros_like(offset, dtype=np.uint64) for _ in range(3))]
    key = [np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)]
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> np.uint64(32)) ^ c[1] ^ key[0], b & low, (a >> np.uint64(32)) ^ c[3] ^ key[1], a & low]
        key = [(key[0] + np.uint64(0x9E3779B9)) & low, (key[1] + np.uint64(0xBB67AE85)) & low]
    return [word.astype(np.uint32) for word in c]


def to_unit(word):
    """Triton's `uint_to_uniform_float`: an integer of 32 bits folded to [0, 1)."""
    x = word.astype(np.int32).astype(np.int64)
    return np.where(x < 0, -x - 1, x) * 4.6566127342e-10


def vector(f):
    return np.vectorize(f, otypes=[np.float64])


def kernels():
    x, y = uniform(1, 1003), uniform(2, 1003)
    add = rounded(x.f64 + y.f64, "f32")
    yield Kernel("vector_add", masked_add, (2,), dict(x=x, y=y, o=Out((1010,), "f32", -7.0), n=1003, BLOCK=512),
                 {"o": np.r_[add, np.full(7, -7.0)]})
    for dtype in ("f16", "bf16", "f64", "i8", "i16", "i32", "i64"):
        make = integers if dtype[0] == "i" else coarse
        a, b = (make(3, 700, dtype, **(dict(low=-60, high=60) if dtype[0] == "i" else dict(steps=60))) for _ in "ab")
        yield Kernel(f"vector_add_{dtype}", masked_add, (3,), dict(x=a, y=b, o=Out((700,), dtype), n=700, BLOCK=256),
                     {"o": rounded(a.f64 + b.f64, dtype)})
    s = coarse(5, 900, "f32")
    taken = s.f64[:300 * 3:3]
    yield Kernel("strided_where", strided_add, (3,), dict(x=s, o=Out((300,), "f32"), n=300, stride=3, BLOCK=128),
                 {"o": np.where(np.arange(300) % 3 == 0, taken, -2 * taken)}, num_warps=2)
    yield Kernel("cache_hints", cache_hints, (3,), dict(x=s, y=coarse(6, 900, "f32"), o=Out((900,), "f32"), n=900,
                                                          BLOCK=512),
                 {"o": 2 * s.f64 + 2 * coarse(6, 900, "f32").f64})

    # Conversions; every one rounds to nearest even, integers from floats truncate.
    wide = np.r_[np.random.default_rng(7).normal(0, 3, 400), np.random.default_rng(8).normal(0, 300, 90),
                 0.0, -0.0, 1e-9, 447.0, 448.0, 2.0**-9, 2.0**-10, 3 * 2.0**-11, 1.0625, 1.1875]
    for source, target in [("f32", "f16"), ("f32", "bf16"), ("f16", "f32"), ("bf16", "f32"), ("f16", "bf16"),
                           ("bf16", "f16"), ("f64", "f32"), ("f32", "f64"), ("f32", "i32"), ("i32", "f32"),
                           ("i64", "f64"), ("f64", "i64"), ("i32", "i8"), ("i8", "f16"), ("u8", "f32"),
                           ("f32", "i64"), ("i64", "f32"), ("i8", "bf16"), ("f16", "i8"), ("bf16", "i32")]:
        values = wide if source[0] not in "iu" else np.random.default_rng(9).integers(0, 100, 500) * (
            1 if source in ("i8", "u8") else 10**6 + 7 if source == "i32" else 10**12 + 39)
        if target in ("i8",):
            values = np.clip(values, -120, 120) if source[0] != "i" else values
        a = tensor(values, source)
        want = a.f64
        if target[0] == "i" and source[0] not in "iu":
            want = np.trunc(want)
        with np.errstate(invalid="ignore"):
            want = rounded(want.astype(np.int64) if target[0] == "i" else want, target)
        yield Kernel(f"convert_{source}_{target}", convert, (2,), dict(x=a, o=Out(want.shape, target), n=want.size,
                                                                        BLOCK=256), {"o": want})
    in_range = np.clip(wide, -440, 440)
    for fp8, targets in (("e5m2", (80, 90)), ("e4m3", (90,))):
        for other in ("f16", "bf16", "f32"):
            a = tensor(in_range, other)
            if fp8 == "e5m2" and other != "f32":
                # Triton's own code for these: ties go away from zero, what is subnormal to zero or the least normal.
                middle = np.abs(rounded(a.f64 * 1.0001, fp8) - rounded(a.f64 * 0.9999, fp8)) > 0
                a = tensor(np.where(middle | (np.abs(a.f64) < 2.0**-14), 1.25, a.f64), other)
            yield Kernel(f"convert_{other}_{fp8}", convert, (2,), dict(x=a, o=Out((500,), fp8), n=500, BLOCK=256),
                         {"o": to_bits(a.f64, fp8)}, targets=targets)
            b = tensor(in_range, fp8)
            yield Kernel(f"convert_{fp8}_{other}", convert, (2,), dict(x=b, o=Out((500,), other), n=500, BLOCK=256),
                         {"o": b.f64}, targets=targets)

    rng = np.random.default_rng(11)
    for dtype in ("i32", "i64", "u32"):
        bits = 31 if dtype != "i64" else 62
        low = 0 if dtype[0] == "u" else -(2**bits)
        a = tensor(rng.integers(low, 2**bits, 200), dtype)
        divisors = rng.integers(1, 2**rng.integers(1, bits, 200), 200)
        b = tensor(divisors * (1 if dtype[0] == "u" else rng.choice([-1, 1], 200)), dtype)
        p, q = a.bits.astype(object), b.bits.astype(object)
        if dtype == "u32":
            absolute = p
        else:
            absolute = abs(p)
        cut = lambda v: np.array([int(e) & (2**64 - 1) for e in v], dtype=np.uint64).astype(  # noqa: E731
            {"i32": np.int32, "i64": np.int64, "u32": np.uint32}[dtype])
        quotient = np.array([int(abs(m) // abs(d)) * (1 if (m < 0) == (d < 0) else -1) for m, d in zip(p, q)], object)
        rows = [quotient, p - quotient * q, (p << 3) ^ (p >> 2), (p & q) | ~p, np.minimum(p, q) * np.maximum(p, q),
                absolute - q]
        yield Kernel(f"integer_arithmetic_{dtype}", integer_arithmetic, (1,),
                     dict(a=a, b=b, o=Out((6, 200), dtype), n=200, BLOCK=256), {"o": np.stack([cut(r) for r in rows])})
    a, b = (tensor(rng.integers(-(2**31), 2**31, 250), "i32") for _ in "ab")
    p, q = a.bits.astype(np.int64), b.bits.astype(np.int64)
    unsigned = [int(v) & 0xFFFFFFFF for v in p]
    other = [int(v) & 0xFFFFFFFF for v in q]
    pick = lambda u, v: sum((((v << 32 | u) >> (8 * int(s))) & 255) << (8 * i)  # noqa: E731
                            for i, s in enumerate("4163"))
    rows = [
        [bin(u).count("1") for u in unsigned], [32 - u.bit_length() for u in unsigned],
        [int(f"{u:032b}"[::-1], 2) for u in unsigned], (p * q) >> 32, abs(p - q) + 7, (p + q) >> 1,
        [(u & -u).bit_length() for u in unsigned], [pick(u, v) for u, v in zip(unsigned, other)],
    ]
    want = np.stack([np.array([int(v) & 0xFFFFFFFF for v in row], np.uint32).view(np.int32) for row in rows])
    yield Kernel("bit_counts", bit_counts, (1,), dict(a=a, b=b, o=Out((8, 250), "i32"), n=250, BLOCK=256),
                 {"o": want})

    a, b = uniform(12, 150, "f64", -6, 6), uniform(13, 150, "f64", 0.5, 3)
    p, q = a.f64, b.f64
    yield Kernel("f64_arithmetic", f64_arithmetic, (1,), dict(a=a, b=b, o=Out((8, 150), "f64"), n=150, BLOCK=256), {
        "o": Near(np.stack([p * q + p, p / q, np.sqrt(abs(p)), np.exp(p), np.log(abs(p) + 1), np.sin(p),
                            abs(p) ** q, np.floor(p) + np.ceil(q) + np.rint(p)]), 2e-15)})

    a = uniform(14, 250, "f32", -6, 6)
    p = a.f64
    rows = [np.exp(p / 4), np.exp2(p / 2), np.log(abs(p) + 0.01), np.log2(abs(p) + 0.01), np.sin(p), np.cos(p),
            vector(math.erf)(p), 1 / np.sqrt(abs(p) + 0.01), np.sqrt(abs(p)), np.sqrt(abs(p)), p / (abs(p) + 0.3),
            p / (abs(p) + 0.3), p * p + 0.5, 2 * np.floor(p) + np.ceil(p), 1 / (1 + np.exp(-p)),
            np.clip(p, -1.5, 1.25)]
    # None is over 36. Exponentials, quotients and roots are good to two units in the last place.
    yield Kernel("mathematics", mathematics, (1,), dict(a=a, o=Out((16, 250), "f32"), n=250, BLOCK=256),
                 {"o": Near(np.stack(rows), 2.0**-23, 1e-6)})
    rows = [np.tanh(p), np.arctan(p), np.log1p(abs(p)), np.expm1(p / 4), np.cbrt(p), abs(p) ** rounded(1.7, "f32"),
            vector(math.lgamma)(abs(p) + 0.5), np.arctan2(p, rounded(0.7, "f32")), np.fmod(p, 0.75),
            np.copysign(np.floor(abs(p) + 0.5), p) + np.trunc(p) + np.rint(p), np.copysign(1.5, p) + p / 8, None,
            np.sin(rounded(p * 100000.0, "f32")), np.arcsin(p * 0.15) + np.arccos(p * 0.15),
            np.sinh(p / 4) - np.cosh(p / 2), np.hypot(p, 2.0)]
    rows[11] = erfinv(p * rounded(0.15, "f32"))
    yield Kernel("libdevice_functions", libdevice_functions, (1,),
                 dict(a=a, o=Out((16, 250), "f32"), n=250, BLOCK=256), {"o": Near(np.stack(rows), 2.0**-23, 1e-6)})

    a, b = uniform(15, 200, "f32", -1, 1), uniform(16, 200, "f32", 0.1, 1)
    p, q = a.f64, b.f64
    tenth = rounded(0.1, "f32")
    product = rounded(p * 50, "f32")
    rows = [directed(p + q, "down"), directed(p + q, "up"), directed(p + q, "zero"), directed(p * q, "down"),
            directed(p * q, "up"), directed(p / q, "zero"), directed(p * q + tenth, "down"), np.floor(product),
            np.ceil(product), np.rint(product)]
    yield Kernel("directed_rounding", directed_rounding, (1,),
                 dict(a=a, b=b, o=Out((10, 200), "f32"), n=200, BLOCK=256), {"o": np.stack(rows)})

    words = philox(1234567, np.arange(512))
    unit = to_unit(words[0])
    other = to_unit(words[1])
    normal = np.sqrt(-2 * np.log(np.maximum(unit, 1e-7))) * np.cos(2 * math.pi * other)
    yield Kernel("philox", random_numbers, (2,), dict(
        o=Out((512,), "i32"), u=Out((512,), "f32"), normal=Out((512,), "f32"), seed=1234567, BLOCK=256),
        {"o": words[0].view(np.int32), "u": Near(unit, 2e-7), "normal": Near(normal, 4e-6)})

    starts = np.arange(1, 25)

    def steps(value):
        count = 0
        while value != 1:
            value = value // 2 if value % 2 == 0 else 3 * value + 1
            count += 1
        return count

    yield Kernel("while_loop", collatz, (24,), dict(x=tensor(starts, "i32"), o=Out((24,), "i32"), n=24, BLOCK=32),
                 {"o": [steps(int(v)) for v in starts]}, num_warps=1)
    a, b = integers(17, 512, "u8", 0, 256), integers(18, 512, "u8", 0, 256)
    yield Kernel("inline_assembly", packed_assembly, (1,), dict(x=a, y=b, o=Out((512,), "u8"), n=512, BLOCK=512),
                 {"o": (a.bits & 0x0F) | (b.bits & 0xF0)})
    table, index = coarse(19, (40, 64), "f16"), integers(20, 32, "i32", -1, 40)
    rows = np.where(index.bits[:, None] >= 0, table.f64[index.bits], 0)
    yield Kernel("gather_rows", gather_rows, (2,), dict(table=table, index=index, o=Out((32, 64), "f16"), WIDTH=64,
                                                          ROWS=16), {"o": rows})
    order = tensor(np.random.default_rng(21).permutation(32), "i64")
    rows = coarse(22, (32, 64), "f32")
    want = np.zeros((32, 64))
    want[order.bits] = rows.f64
    yield Kernel("scatter_rows", scatter_rows, (1,), dict(x=rows, index=order, o=Out((32, 64), "f32"), WIDTH=64,
                                                            ROWS=32), {"o": want})
    tile, index = coarse(23, (16, 64), "f32"), integers(24, (16, 64), "i32", 0, 64)
    yield Kernel("gather_in_tile", gather_in_tile, (1,), dict(x=tile, index=index, o=Out((16, 64), "f32"), M=16,
                                                                N=64),
                 {"o": np.take_along_axis(tile.f64, index.bits, 1)})
    tile = coarse(25, (16, 32), "f32")
    turned = tile.f64.T.reshape(-1, 2)[:, ::-1].ravel()
    yield Kernel("permutations", permutations, (1,), dict(x=tile, o=Out((1025,), "f32"), M=16, N=32),
                 {"o": np.r_[turned, tile.f64[:, ::-1].ravel(), 2 * tile.f64.sum()]})
    a, b = coarse(26, 256, "f16"), coarse(27, 256, "f16")
    yield Kernel("interleaved", interleaved, (1,), dict(x=a, y=b, o=Out((512,), "f16"), N=256),
                 {"o": np.stack([a.f64, b.f64], 1).ravel()})
    a = integers(28, 64, "i32")
    yield Kernel("prints", prints, (1,), dict(x=a, o=Out((64,), "i32"), BLOCK=64), {"o": a.bits + 1}, num_warps=1,
                 contains=("vprintf",))
    yield Kernel("asserts", asserts, (1,), dict(x=a, o=Out((64,), "i32"), BLOCK=64), {"o": a.bits + 1}, num_warps=1,
                 options=dict(debug=True), contains=("__assertfail",))
    a = coarse(29, 64, "f32", 4, 1 / 2)

    def horner(v, n):
        r = v * 0
        for i in range(n):
            r = r * v + i
        return r

    yield Kernel("calls", calls, (32,), dict(x=a, o=Out((32,), "f32"), n=4),
                 {"o": horner(a.f64[:32], 4) + horner(a.f64[32:], 6)}, num_warps=1, contains=("call",))


def erfinv(y):
    """By Newton's method on `erf`."""
    x = np.zeros_like(y)
    for _ in range(60):
        x = x - (vector(math.erf)(x) - y) / (2 / math.sqrt(math.pi) * np.exp(-x * x))
    return x


def directed(values, way):
    """Exact f64 values to f32 under a directed rounding."""
    near = values.astype(np.float32)
    below = np.where(near.astype(np.float64) > values, np.nextafter(near, np.float32(-np.inf)), near)
    above = np.where(near.astype(np.float64) < values, np.nextafter(near, np.float32(np.inf)), near)
    if way == "zero":
        return np.where(values > 0, below, above).astype(np.float64)
    return (below if way == "down" else above).astype(np.float64)
