"""What the kernels of `cuda_kernels/` are launched with and what should come out, in f64 or exactly."""

import math

import numpy as np

from case import Near
from cuda_build import CudaKernel, Map
from numbers_of import FP8, Out, coarse, integers, rounded, tensor, uniform


def vector(f):
    return np.vectorize(f, otypes=[np.float64])


def zeros(shape, dtype="i32"):
    return tensor(np.zeros(shape), dtype)


def signed(values):
    """Integers of any size as i32."""
    return np.array([int(v) & 0xFFFFFFFF for v in np.ravel(values)], np.uint32).view(np.int32)


def wmma_matmul():
    a, b, ab, bb = (coarse(i, (32, 32), dtype) for i, dtype in enumerate(["f16", "f16", "bf16", "bf16"]))
    ai, bi = integers(4, (32, 32), "i8", -9, 10), integers(5, (32, 32), "i8", -9, 10)
    twice = lambda x, y: 2 * (x + 0.0) @ y + 2  # noqa: E731
    return CudaKernel("wmma_matmul", "sm_80", (1,), 128, [
        ("a", a), ("b", b), ("ab", ab), ("bb", bb), ("ai", ai), ("bi", bi), ("c", Out((2, 32, 32), "f32")),
        ("cb", Out((32, 32), "f32")), ("ci", Out((32, 32), "i32")), ("ch", Out((32, 32), "f16"))],
        # Columns of both operands in memory, and the result written by columns: A' B' transposed.
        {"c": np.stack([twice(a.f64, b.f64), twice(a.f64.T, b.f64.T).T]), "cb": twice(ab.f64, bb.f64.T),
         "ci": twice(ai.f64.astype(int), bi.f64.T.astype(int)), "ch": Near(twice(a.f64, b.f64.T), 2.0**-10)})


def wmma_tf32():
    a, b = coarse(6, (16, 32), "f32"), coarse(7, (16, 32), "f32")
    ad, bd = uniform(8, (8, 16), "f64"), uniform(9, (16, 8), "f64")
    return CudaKernel("wmma_tf32", "sm_80", (1,), 64, [
        ("a", a), ("b", b), ("c", Out((16, 16), "f32")), ("ad", ad), ("bd", bd), ("cd", Out((8, 8), "f64"))],
        {"c": a.f64 @ b.f64.T, "cd": Near(ad.f64 @ bd.f64, 1e-15)})


def pipelines():
    x = coarse(10, (5, 256), "f32")
    # From the third tile on the second half of each 16 bytes is zero.
    kept = x.f64.copy()
    kept[2:, np.arange(256) % 4 >= 2] = 0
    return CudaKernel("pipelines", "sm_80", (1,), 256, [
        ("x", x), ("o", Out((256,), "f32")), ("p", Out((256,), "f32")), ("tiles", 5)],
        {"o": (kept * np.arange(1, 6)[:, None]).sum(0), "p": x.f64.sum(0)[::-1]})


def groups():
    x = integers(11, 128, "i32", -40, 40)
    v = x.bits
    warps, eights = v.reshape(4, 32), v.reshape(16, 8)
    same, parity, active = np.zeros(128, int), np.zeros(128, int), np.full(128, -1)
    for w in range(4):
        lanes = range(32 * w, 32 * w + 32)
        # C's remainder has the sign of the number.
        label = np.fmod(v, 3)
        for i in lanes:
            peers = [j for j in lanes if label[j] == label[i]]
            same[i] = len(peers) * 100 + peers.index(i)
            half = [v[j] for j in lanes if (v[j] > 0) == (v[i] > 0)]
            parity[i] = np.bitwise_xor.reduce(half)
            over = [v[j] for j in lanes if v[j] > 10]
            if v[i] > 10:
                active[i] = over[0] + len(over) * 1000
    return CudaKernel("groups", "sm_80", (1,), 128, [
        ("x", x), ("o", Out((7, 128), "i32")), ("f", Out((2, 128), "f32"))],
        {"o": np.stack([np.full(128, v.sum()), np.repeat(eights.max(1), 8), eights.cumsum(1).ravel(),
                        (warps.cumsum(1) - warps).ravel(), same, parity, active]),
         "f": np.stack([np.repeat(warps.sum(1), 32) * 0.25, np.repeat(eights.min(1), 8) * 0.5])})


def warp_intrinsics():
    x = integers(12, 32, "i32", -60, 60)
    v, lane = x.bits, np.arange(32)
    unsigned = v.view(np.uint32)
    ballot = lambda p: sum(1 << int(i) for i in lane if p[i])  # noqa: E731
    up = lambda by, width: np.where(lane % width >= by, v[np.maximum(lane - by, 0)], v)  # noqa: E731
    down = lambda by, width: np.where(lane % width + by < width, v[np.minimum(lane + by, 31)], v)  # noqa: E731
    part = np.full(32, -1)
    thirds = v[lane % 3 == 0]
    rest = [i for i in range(16) if i % 3]
    part[lane % 3 == 0] = thirds.sum() + v[9]
    part[rest] = len(rest) + sum(v[i] & 1 for i in rest)
    within = np.where(lane < 16, np.minimum(lane + 1, 31), (lane + 1) % 32)
    rows = [np.full(32, v[5]), v[lane // 8 * 8 + (lane ^ 3) % 8], up(3, 32), up(2, 16), down(7, 32), down(1, 4),
            v[lane ^ 21], np.full(32, ballot(v > 0)), np.full(32, 2 * int((v == 7).any()) + 1),
            [ballot((v & 3) == (v[i] & 3)) for i in lane], np.full(32, 0), np.full(32, v.sum()), np.full(32, v.min()),
            np.full(32, unsigned.max()), np.full(32, np.bitwise_and.reduce(v | 0xFF00)),
            np.full(32, np.bitwise_or.reduce(v)), np.full(32, np.bitwise_xor.reduce(v)), part, v[within]]
    first = next((i for i in lane if v[i] < 0), -1) + 1
    rows.append(np.full(32, first))
    return CudaKernel("warp_intrinsics", "sm_80", (1,), 32, [
        ("x", x), ("o", Out((20, 32), "i32")), ("d", Out((32,), "f64"))],
        {"o": np.stack([signed(row) for row in rows]), "d": v[lane ^ 1] * 1.5})


def atomics():
    n, t = 256, np.arange(256)
    u = np.zeros(12, np.int64)
    u[0] = n % 100
    # Down from zero it starts again at seven.
    value = 0
    for _ in t:
        value = 7 if value == 0 or value > 7 else value - 1
    u[1] = value
    u[2] = -t.sum() % 2**32
    u[3] = 0
    u[4] = 2 * n
    u[5] = np.bitwise_xor.reduce(1 << t % 32)
    u[6] = 3 * n
    u[7] = 3 * n
    for slot in range(4):
        # Two blocks; within each a maximum with three may come before or after additions, which are larger in the end.
        u[8 + slot] = sum(max(int(sum(b[b % 4 == slot])), 3) for b in (t[:128], t[128:]))
    start = np.zeros(12, np.int64)
    start[3] = 5
    u[3] = 5
    w = [sum(1 << int(i) % 40 for i in t) % 2**64, int(t.max()) << 33, 0, int(np.array([n * 0.5 - 0.5]).view(np.uint64)[0])]
    return CudaKernel("atomics", "sm_90a", (2,), 128, [
        ("u", tensor(start, "u32")),
        ("w", tensor(np.array([0, 0, 2**64 - 1, 0], np.uint64), "u64")),
        ("h", zeros((3, 2), "f16")), ("b", zeros((2, 2), "bf16")), ("d", zeros(4, "f64")), ("f", zeros(7, "f32")),
        ("v", zeros(8, "f32"))],
        {"u": u, "w": np.array(w, np.uint64), "h": [[64, 128], [64, 128], [64, 0]], "b": [[128, 32], [128, 32]],
         "d": [0.125 * t[t % 4 == i].sum() for i in range(4)],
         "f": [*(0.5 * t[t % 4 == i].sum() for i in range(4)), 1.5, 4, 5],
         "v": [256, 512, 768, 1024, 128, 64, 0, 0]})


def lookback():
    x = integers(13, 40 * 128, "i32", -9, 10)
    return CudaKernel("lookback", "sm_80", (40,), 128, [
        ("x", x), ("o", Out((40 * 128,), "i32")), ("status", zeros(40, "u64")),
        ("ticket", zeros(1, "u32"))], {"o": x.bits.cumsum()})


def control():
    x = tensor(np.random.default_rng(14).permutation(80)[:50], "i32")
    table = [3, 1, 4, 1, 5, 9, 2, 6]

    def ackermann(m, n):
        if m == 0:
            return n + 1
        return ackermann(m - 1, 1) if n == 0 else ackermann(m - 1, ackermann(m, n - 1))

    operate = [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b]
    rows, doubles = [[], [], [], []], []
    for t, v in enumerate(int(v) for v in x.bits):
        rows[0].append([math.factorial(v % 16), ackermann(2, v % 4), operate[v % 3](v, 7), table[v & 7], v * 17 + 1,
                        v ^ 0x55, -v, v << 40, 1000 // (v + 1)][v % 9])
        rows[1].append(operate[t % 3](v, t))
        local = [i * i for i in range(16)]
        for i in range(16):
            local[(v + i) & 15] += local[(v + 3 * i + 1) & 15]
        rows[2].append(local[v & 15] + local[(v >> 4) & 15])
        steps, c = 0, v + 1
        while c != 1:
            steps += 1
            if steps > 60:
                break
            c = 3 * c + 1 if c % 2 else c // 2
        rows[3].append(steps)
        first, second = v, t * 0.5
        for by in (2, 3):
            first, second = (first * by if second > 2 else first), second + by
        doubles.append(first + second)
    return CudaKernel("control", "sm_80", (1,), 64, [
        ("x", x), ("o", Out((201,), "i64")), ("d", Out((50,), "f64")), ("n", 50)],
        {"o": np.r_[np.array(rows, np.int64).ravel(), 42], "d": doubles}, dynamic=256)


def mathematics():
    x = uniform(15, 20, "f32", -5, 5)
    a = x.f64
    f = np.float32
    erf, erfc = vector(math.erf), vector(math.erfc)
    small = rounded(a * float(f(0.15)), "f32")
    spot = float(f(0.7))
    nearest = lambda v, d: v - d * np.rint(v / d)  # noqa: E731
    exact = a * a + 1
    cut = exact.astype(np.float32)
    cut = np.where(cut.astype(float) > exact, np.nextafter(cut, f(0)), cut)
    rows = [np.sin(a), np.cos(a), np.cos(np.pi * a), np.exp(a / 4), 10 ** rounded(a * float(f(0.2)), "f32"), np.expm1(a / 4),
            np.log(abs(a)), np.log10(abs(a)), np.log1p(abs(a)), abs(a) ** float(f(1.3)), np.cbrt(a), erf(a), erfc(a),
            inverse_erf(small), np.sinh(a / 4), np.tanh(a), np.arcsinh(a), np.arcsin(small), np.arctan2(a, -2.0), np.hypot(a, 3), np.fmod(a, spot),
            nearest(a, spot), 1 / np.sqrt(abs(a) + 0.1), np.nextafter(x.bits, f(9)), a / 8, np.floor(np.log2(abs(a))), np.copysign(np.floor(abs(a) + 0.5), a),
            np.maximum(a - 1, 0), np.sin(a), np.exp(a / 4), np.log(abs(a)), a / 3, 1 / np.sqrt(abs(a)), np.clip(a, 0, 1),
            cut, np.tanh(rounded(a * float(f(0.01)), "f32")), 1 / np.sqrt(a * a + 5)]
    # None is over 30; the fast sine and logarithm are good to 2^-21 of one.
    return CudaKernel("mathematics", "sm_80", (1,), 64, [
        ("x", x), ("f", Out((len(rows), 20), "f32")), ("n", 20)], {"f": Near(np.stack(rows), 2.0**-23, 1e-6)})


def inverse_erf(y):
    x = np.zeros_like(y)
    for _ in range(60):
        x = x - (vector(math.erf)(x) - y) / (2 / math.sqrt(math.pi) * np.exp(-x * x))
    return x


def mathematics_f64():
    from fractions import Fraction

    y = uniform(16, 20, "f64", -5, 5)
    b = y.f64

    def toward(values, way):
        out = []
        for value in values:
            near = float(value)
            exact = Fraction(near)
            if way == "up" and exact < value or way == "zero" and value < 0 and exact < value:
                near = math.nextafter(near, math.inf)
            if way == "down" and exact > value or way == "zero" and value > 0 and exact > value:
                near = math.nextafter(near, -math.inf)
            out.append(near)
        return np.array(out)

    whole = [Fraction(float(v)) for v in b]
    tenth, third = Fraction(0.1), Fraction(0.3)
    rows = [np.sin(b), np.cos(b), np.exp(b / 4), np.log(abs(b)), abs(b) ** 1.7, np.cbrt(b), vector(math.erf)(b),
            np.tanh(b), np.arctan(b), np.fmod(b, 0.7), np.sqrt(abs(b)), 1 / b, b / 3,
            toward([v * v + tenth for v in whole], "near"), np.rint(b), np.floor(b), 1 / np.sqrt(abs(b)),
            toward([v + tenth for v in whole], "up"), toward([v * tenth for v in whole], "down"),
            toward([v / third for v in whole], "zero"), np.ceil(b) + np.floor(b * 1e9), np.log1p(abs(b)), np.exp2(b)]
    return CudaKernel("mathematics_f64", "sm_80", (1,), 64, [
        ("y", y), ("d", Out((len(rows), 20), "f64")), ("n", 20)], {"d": Near(np.stack(rows), 0, 5e-15)})


def halves():
    n = 32
    p, q = coarse(17, (n, 2), "f16", 40, 1 / 16), tensor(np.random.default_rng(18).choice([0.5, -1.25, 2, 3, -0.75], (n, 2)), "f16")
    u, v = coarse(19, (n, 2), "bf16", 40, 1 / 16), tensor(np.random.default_rng(20).choice([0.5, -1.25, 2, 3, -0.75], (n, 2)), "bf16")
    h = lambda x: rounded(x, "f16")  # noqa: E731
    b = lambda x: rounded(x, "bf16")  # noqa: E731
    x, y = p.f64, q.f64
    t = np.arange(n)
    low, high = x[:, 0], x[:, 1]
    f = lambda c, v: rounded(float(np.float32(c)) * v, "f32")  # noqa: E731
    toward_zero = lambda v: np.trunc(v / np.ldexp(1.0, np.frexp(v)[1] - 11)) * np.ldexp(1.0, np.frexp(v)[1] - 11)  # noqa: E731
    with np.errstate(divide="ignore"):
        rows = [x + y, x - y, h(x * y), h(x * y + x), h(np.maximum(x * y + x, 0)), np.clip(x + y, 0, 1),
                np.minimum(x, y), np.maximum(x, y), abs(x), -x, h(x / y), h(np.sqrt(abs(x))), h(1 / np.sqrt(abs(y))),
                h(1 / y), h(np.exp2(x)), h(np.exp(x)), h(np.log2(abs(y))), np.floor(x), np.ceil(x), np.rint(x),
                np.trunc(x), x[:, ::-1], x > y, h(x * y), h(np.tanh(x)),
                np.stack([h(f(3, low)), y[:, 1]], 1),
                np.stack([np.where(low == 0, 0, toward_zero(f(0.3, low))), t * 3.0 - 40], 1)]
    k, m = u.f64, v.f64
    more = [k + m, k - m, b(k * m), b(k * m + k), np.minimum(k, m), np.maximum(k, m), abs(k), -k, b(np.exp2(k)),
            b(1 / m), b(np.maximum(k * m + k, 0)), np.stack([b(f(0.3, k[:, 0])), b(f(0.7, m[:, 1]))], 1), np.maximum(k, m)]
    more[0], more[1] = b(more[0]), b(more[1])
    rows[0], rows[1], rows[5] = h(rows[0]), h(rows[1]), h(rows[5])
    o = [np.floor(low).astype(int) + 100 * np.rint(y[:, 1]).astype(int) + 10000 + 100000 * (low < y[:, 0]),
         p.bits[:, 0].view(np.uint16).astype(int) + (1 << 20),
         np.where(x[:, 0] > y[:, 0], 0xFFFF, 0) + np.where(x[:, 1] > y[:, 1], 0xFFFF0000, 0),
         np.trunc(k[:, 0]).astype(int) * 1000 + np.rint(m[:, 1]).astype(int)]
    # Exponentials and roots are good to a unit in the last place of 16 bits, at most 6 and 8 where they are largest.
    return CudaKernel("halves", "sm_80", (1,), n, [
        ("x", p), ("y", q), ("xb", u), ("yb", v), ("h", Out((len(rows), n, 2), "f16")),
        ("b", Out((len(more), n, 2), "bf16")), ("o", Out((4, n), "i32")), ("n", n)],
        {"h": Near(np.stack([np.asarray(r, float) for r in rows]), 2.0**-11), "b": Near(np.stack(more), 2.0**-8),
         "o": signed(np.stack(o)).reshape(4, n)})


def integer_intrinsics():
    n = 40
    rng = np.random.default_rng(21)
    x, y = (tensor(rng.integers(0, 2**32, n), "u32") for _ in "xy")
    mask = 0xFFFFFFFF

    def s(v, bits=32):
        v &= (1 << bits) - 1
        return v - (1 << bits) if v >> (bits - 1) else v

    def parts(v, bits, is_signed=False):
        out = [v >> i & ((1 << bits) - 1) for i in range(0, 32, bits)]
        return [s(p, bits) for p in out] if is_signed else out

    def join(values, bits):
        return sum((int(v) & ((1 << bits) - 1)) << (bits * i) for i, v in enumerate(values))

    def divide(a, b):
        q = abs(a) // abs(b)
        return q if (a < 0) == (b < 0) else -q

    words, longs = [], []
    for a, b in zip((int(v) for v in x.bits), (int(v) for v in y.bits)):
        a4, b4, sa4, sb4 = parts(a, 8), parts(b, 8), parts(a, 8, True), parts(b, 8, True)
        a2, b2, sa2, sb2 = parts(a, 16), parts(b, 16), parts(a, 16, True), parts(b, 16, True)
        shift = min(b & 63, 32)
        field = a >> 5 & 0x7FF
        insert = b & ~(0x1FF << 7) | (a & 0x1FF) << 7
        found = a >> 5
        at, width = a & 15, b & 15
        words.append([
            7 + sum(p * q for p, q in zip(sa4, sb4)), 7 + sum(p * q for p, q in zip(a4, b4)),
            5 + sa2[0] * sb4[0] + sa2[1] * sb4[1], 5 + a2[0] * b4[2] + a2[1] * b4[3],
            join([p + q for p, q in zip(a4, b4)], 8), join([abs(p - q) for p, q in zip(a4, b4)], 8),
            join([max(p, q) for p, q in zip(sa2, sb2)], 16), join([255 * (p > q) for p, q in zip(a4, b4)], 8),
            sum(abs(p - q) for p, q in zip(a4, b4)), ((b << 32 | a) << (b & 31)) >> 32, (b << 32 | a) >> shift,
            join([(b << 32 | a) >> 8 * i for i in (0, 4, 1, 5)], 8), a * b >> 32, s(a) * s(b) >> 32,
            s(a, 24) * s(b, 24), bin(a).count("1"), 32 - (a >> 3).bit_length(),
            ((a << 4 & mask) & -(a << 4 & mask)).bit_length(), int(f"{a:032b}"[::-1], 2), abs(a - b) + 3,
            (s(a) + s(b) + 1) >> 1, a // (b | 1), s(a) - divide(s(a), b >> 9 | 1) * (b >> 9 | 1),
            join([(p + q + (p + q >= 0)) >> 1 for p, q in zip(sa4, sb4)], 8), max(s(s(a) + s(b)), 5),
            min(a, b, 1 << 30), field, insert, a ^ b ^ (a + b), 32 - found.bit_length() if found else mask,
            s(a, 13), ((1 << width) - 1) << at])
        p, q = a << 32 | b, (b << 29 | a) & (2**64 - 1)
        wide = (p * q + p) & (2**128 - 1)
        divisor = q >> 20 | 1
        longs.append([
            p * q, p * q >> 64, p // (q | 1), s(p, 64) - divide(s(p, 64), divisor) * divisor, bin(p).count("1"),
            64 - (q >> 5).bit_length(), int(f"{p:064b}"[::-1], 2), ((q << 7) % 2**64 & -((q << 7) % 2**64)).bit_length(),
            wide, wide >> 64, wide // (b | 1), wide % (p | 1), wide >> (a & 127)])
    trim = lambda rows, bits: np.array([[v % 2**bits for v in row] for row in rows],  # noqa: E731
                                       np.uint32 if bits == 32 else np.uint64).T
    return CudaKernel("integers", "sm_80", (1,), n, [
        ("x", x), ("y", y), ("o", Out((len(words[0]), n), "u32")), ("w", Out((len(longs[0]), n), "u64")), ("n", n)],
        {"o": trim(words, 32), "w": trim(longs, 64)})


def collectives():
    x = integers(22, 256, "i32", -1000, 1000)
    order = np.argsort(x.bits, kind="stable")
    return CudaKernel("collectives", "sm_80", (1,), 64, [
        ("x", x), ("sorted", Out((256,), "i32")), ("from", Out((256,), "i32")), ("scan", Out((256,), "i32")),
        ("total", Out((1,), "i32"))],
        {"sorted": x.bits[order], "from": order, "scan": x.bits.cumsum() - x.bits, "total": [x.bits.sum()]})


def attend(q, k, v, scale, causal):
    s = q @ k.T * scale
    if causal:
        s = np.where(np.tril(np.ones(s.shape, bool)), s, -np.inf)
    high = s.max(-1, keepdims=True)
    lse = high + np.log(np.exp(s - high).sum(-1, keepdims=True))
    return np.exp(s - lse) @ v, lse[:, 0]


def paged_attention():
    lens, page, blocks, d = [1, 19, 32], 8, 4, 64
    rng = np.random.default_rng(23)
    table = rng.permutation(12)[:12].reshape(3, 4)
    k, v = (uniform(24 + i, (12, page, 1, d), "f16") for i in range(2))
    q = uniform(26, (3, 2, d), "f16")
    want = np.zeros((3, 2, d))
    for seq, length in enumerate(lens):
        at = [(table[seq, i // page], i % page) for i in range(length)]
        keys, values = (np.stack([x.f64[b, p, 0] for b, p in at]) for x in (k, v))
        want[seq] = attend(q.f64[seq], keys, values, 0.125, False)[0]
    past = np.arange(blocks) * page >= np.array(lens)[:, None]
    return CudaKernel("paged_attention", "sm_80", (2, 3), 64, [
        ("q", q), ("k", k), ("v", v), ("table", tensor(np.where(past, -(2**31), table), "i32")),
        ("lens", tensor(lens, "i32")), ("o", Out((3, 2, d), "f32")), ("scale", 0.125), ("blocks", blocks),
        ("kv_heads", 1)], {"o": Near(want, 2e-6)}, dynamic=32 * 4)


def flash_attention():
    q, k, v = (uniform(27 + i, (1, 45, 64), "f16") for i in range(3))
    out, lse = attend(q.f64[0], k.f64[0], v.f64[0], 0.125, True)
    return CudaKernel("flash_attention", "sm_80", (1, 1), 128, [
        ("q", q), ("k", k), ("v", v), ("o", Out((1, 45, 64), "f16")), ("lse", Out((1, 45), "f32")), ("scale", 0.125),
        ("n", 45)], {"o": Near(out[None], 2.0**-10), "lse": Near(lse[None], 1e-6)})


def cluster():
    x = integers(30, 4 * 128, "i32", 0, 1000)
    v = x.bits.reshape(4, 128)
    # Each thread of rank r writes what it read, reversed, plus its rank into the other block.
    want = np.stack([v[b][::-1] + (b % 2 ^ 1) for b in range(4)])
    ranks = [[100 + b % 2, 2, b % 2 ^ 1, b % 2 * 128] for b in range(4)]
    bins = [np.bincount(v[2 * c:2 * c + 2].ravel() % 16, minlength=16) for c in range(2)]
    return CudaKernel("cluster", "sm_90a", (4,), 128, [
        ("x", x), ("o", Out((4, 128), "i32")), ("ranks", Out((4, 4), "i32")), ("bins", Out((2, 16), "u32"))],
        {"o": want, "ranks": ranks, "bins": np.stack(bins)}, cluster=2)


def block_barriers():
    x = coarse(31, (6, 256), "f32")
    t = np.arange(256)
    sums = sum(x.f64[step, (t * 7 + step) % 256] for step in range(6))
    folded = sums[:128] + sums[128:]
    return CudaKernel("block_barriers", "sm_90a", (1,), 256, [
        ("x", x), ("o", Out((256,), "f32")), ("written", Out((128,), "f32"))],
        {"o": np.r_[folded[::-1], sums[128:]], "written": folded[::-1]})


def swizzle(tile, span):
    """How a tile of 32-bit words lies in shared memory: chunks of 16 bytes move by address bits from 7 on."""
    words = tile.reshape(-1)
    out = np.zeros_like(words)
    byte = np.arange(words.size) * 4
    out[(byte ^ ((byte >> 7 & (span // 16 - 1)) << 4)) // 4] = words
    return out


def tensor_maps():
    x = tensor(np.arange(1, 30 * 44 + 1).reshape(30, 44), "i32")
    y = tensor(np.arange(1, 6 * 5 * 12 + 1).reshape(6, 5, 12) * 7, "i32")

    def box(source, at, size):
        out = np.zeros(size, np.int64)
        for index in np.ndindex(*size):
            place = tuple(a + i for a, i in zip(at, index))
            if all(0 <= p < s for p, s in zip(place, source.shape)):
                out[index] = source.bits[place]
        return out

    o = np.full((5, 512), -5)
    o[0] = box(x, (5, -4), (16, 32)).ravel()
    o[1, :128] = swizzle(box(x, (-2, 8), (16, 8)), 32)
    o[2, :256] = swizzle(box(x, (4, 40), (16, 16)), 64)
    last = box(x, (17, 4), (16, 32))
    o[3] = swizzle(last, 128)
    o[4, :128] = box(y, (2, -1, 4), (4, 4, 8)).ravel()
    out, sums = np.full((30, 44), -1), np.arange(30 * 44).reshape(30, 44)
    want_out, want_sums = out.copy(), sums.copy()
    for i in range(16):
        for j in range(32):
            if 20 + i < 30 and 8 + j < 44:
                want_out[20 + i, 8 + j] = last[i, j] + 1000
            # The words are added as they lie: this map has no swizzle.
            if 2 + i < 30 and 0 <= j - 4 < 44:
                want_sums[2 + i, j - 4] += swizzle(last + 1000, 128).reshape(16, 32)[i, j]
    plain = lambda buffer, width, swizzle_="none": Map(buffer, "i32", [44, 30], [176], [width, 16], swizzle_)  # noqa: E731
    return CudaKernel("tensor_maps", "sm_90a", (1,), 128, [
        ("plain", plain("x", 32)), ("s32", plain("x", 8, "32B")), ("s64", plain("x", 16, "64B")),
        ("s128", plain("x", 32, "128B")), ("cube", Map("y", "i32", [12, 5, 6], [48, 240], [8, 4, 4])),
        ("out", plain("out", 32, "128B")), ("sums", plain("sums", 32)), ("o", tensor(np.full((5, 512), -5), "i32"))],
        {"o": o, "out": want_out, "sums": want_sums},
        buffers={"x": x, "y": y, "out": tensor(out, "i32"), "sums": tensor(sums, "i32")})


def multicast():
    x = integers(33, 128, "i32")
    y = integers(34, (8, 64), "i32")
    halves_ = np.r_[y.bits[3:7, :32].ravel(), y.bits[3:7, 32:].ravel(), x.bits]
    t = np.arange(64)
    sent = [(63 - t) * 10 + (1 - rank) for rank in range(2)]
    sums = [np.r_[t + 1000 * (2 - rank) + t, [sum(t[t % 4 == i] + 1) for i in range(4)]] for rank in range(2)]
    return CudaKernel("multicast", "sm_90a", (2,), 64, [
        ("map", Map("y", "i32", [64, 8], [256], [32, 4])), ("x", x), ("o", Out((2, 384), "i32")),
        ("sums", Out((2, 68), "u32")), ("sent", Out((2, 64), "i32"))],
        {"o": np.stack([halves_, halves_]), "sums": np.stack(sums), "sent": np.stack(sent)}, cluster=2, buffers={"y": y})


def bulk_reduce():
    x = integers(35, (3, 64), "u32", 0, 2**32)
    words = x.bits.astype(np.int64)
    h = (words % 17 - 8).astype(float)
    b = (words % 13 - 6) * 0.5
    s = x.bits.view(np.int32)
    tile = np.arange(256).reshape(16, 16)
    full = lambda values, dtype: tensor(np.concatenate([np.full(64, v) for v in values]), dtype)  # noqa: E731
    return CudaKernel("bulk_reduce", "sm_90a", (3,), 32, [
        ("x", x), ("u", full([5, 2**32 - 1, 0], "u32")), ("i", full([0, -1, 2**31 - 1], "i32")),
        ("w", tensor(np.arange(32), "u64")), ("h", full([1, -100], "f16")), ("b", full([2, 100], "bf16")),
        ("matrices", Out((2, 16, 16), "f16"))],
        {"u": np.r_[(words.sum(0) + 5) % 2**32, words.min(0), words.max(0)],
         "i": np.r_[np.bitwise_xor.reduce(s), np.bitwise_and.reduce(s), s.min(0)],
         "w": np.arange(32) + (words[:, :32] << 20).sum(0), "h": np.r_[h.sum(0) + 1, h.max(0)],
         "b": np.r_[b.sum(0) + 2, b.min(0)], "matrices": np.stack([tile, tile.T])})


def wgmma_descriptors():
    ah, bh = coarse(40, (64, 32), "f16"), coarse(41, (16, 32), "f16")
    ab, bb = coarse(42, (64, 32), "bf16"), coarse(43, (32, 16), "bf16")
    at, bt = coarse(44, (64, 16), "f32"), coarse(45, (16, 16), "f32")
    ai, bi = integers(46, (64, 64), "i8", -9, 10), integers(47, (16, 64), "i8", -9, 10)
    ae, be = coarse(48, (64, 64), "e4m3", 6, 0.5), coarse(49, (16, 64), "e4m3", 6, 0.5)
    assert np.isfinite(FP8["e4m3"][ae.bits]).all()
    return CudaKernel("wgmma_descriptors", "sm_90a", (1,), 128, [
        ("ah", ah), ("bh", bh), ("ab", ab), ("bb", bb), ("at", at), ("bt", bt), ("ai", ai), ("bi", bi), ("ae", ae),
        ("be", be), ("o", Out((4, 64, 16), "f32")), ("oi", Out((64, 16), "i32"))],
        {"o": np.stack([ah.f64 @ bh.f64.T, ab.f64 @ bb.f64, at.f64 @ bt.f64.T, -ae.f64 @ be.f64.T]),
         "oi": ai.f64.astype(int) @ bi.f64.astype(int).T})


def warp_specialized():
    a, b = coarse(50, (128, 96), "f16"), coarse(51, (32, 96), "f16")
    rows = lambda name, dims, box, swizzle_: Map(name, "f16", dims, [dims[0] * 2], box, swizzle_)  # noqa: E731
    return CudaKernel("warp_specialized", "sm_90a", (1, 1), 384, [
        ("a", rows("a", [96, 128], [32, 128], "64B")), ("b", rows("b", [96, 32], [32, 32], "64B")),
        ("c", rows("c", [32, 128], [32, 64], "none")), ("depth", 96)],
        {"c": rounded(a.f64 @ b.f64.T, "f16")}, dynamic=2 * (8192 + 2048) + 8192 + 1024 + 64,
        buffers={"a": a, "b": b, "c": Out((128, 32), "f16")})


def block_sync():
    x, y = integers(60, (128, 4), "i32", -(2**31), 2**31), integers(61, 128, "i32")
    t = np.arange(128)
    handed = (127 - t[64:]) ** 2
    rows = [np.full(128, 43), np.full(128, 1), np.full(128, 1), np.r_[handed + 1, handed],
            np.bitwise_xor.reduce(x.bits, 1), 3 * y.bits + y.bits[::-1], np.full(128, 100), np.full(128, 1),
            np.full(128, 8 + 4 + 2), np.full(128, 110000 + 256 + 1)]
    return CudaKernel("block_sync", "sm_90a", (1,), (64, 2), [
        ("x", x), ("y", y), ("o", Out((10, 128), "i32")), ("r", tensor([40, 0, 1], "u32"))],
        {"o": np.stack(rows), "r": [7, 41, 42]}, dynamic=256)


CASES = [block_sync, wmma_matmul, wmma_tf32, pipelines, groups, warp_intrinsics, atomics, lookback, control, mathematics,
         mathematics_f64, halves, integer_intrinsics, collectives, paged_attention, flash_attention, cluster,
         block_barriers, tensor_maps, multicast, bulk_reduce, wgmma_descriptors, warp_specialized]
