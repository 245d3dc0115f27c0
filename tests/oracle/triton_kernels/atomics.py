"""Blocks that meet in memory: every atomic in every type, locks, and blocks that wait for one another's results."""

import numpy as np
import triton
import triton.language as tl

from numbers_of import Out, coarse, integers, tensor
from triton_build import Kernel


@triton.jit
def add_columns(x, o, n, BLOCK: tl.constexpr, SEM: tl.constexpr, SCOPE: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    tl.atomic_add(o + at % 32, tl.load(x + row * n + at, at < n, other=0), at < n, sem=SEM, scope=SCOPE)


@triton.jit
def every_operation(x, o, old, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at)
    slot = at % n
    tl.atomic_max(o + slot, value)
    tl.atomic_min(o + n + slot, value)
    tl.atomic_and(o + 2 * n + slot, value)
    tl.atomic_or(o + 3 * n + slot, value)
    tl.atomic_xor(o + 4 * n + slot, value)
    tl.store(old + at, tl.atomic_xchg(o + 5 * n + at, value))


@triton.jit
def float_extremes(x, o, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at)
    tl.atomic_max(o + at % n, value)
    tl.atomic_min(o + n + at % n, value)


@triton.jit
def compare_and_swap(keys, o, SLOTS: tl.constexpr):
    """Each block puts its key into a hash table with linear probing."""
    key = tl.load(keys + tl.program_id(0))
    slot = key % SLOTS
    seen = tl.atomic_cas(o + slot, -1, key)
    while (seen != -1) & (seen != key):
        slot = (slot + 1) % SLOTS
        seen = tl.atomic_cas(o + slot, -1, key)


@triton.jit
def locked_sum(x, o, lock, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    value = tl.load(x + tl.program_id(0) * BLOCK + at)
    while tl.atomic_cas(lock, 0, 1) == 1:
        pass
    tl.store(o + at, tl.load(o + at) + value)
    tl.debug_barrier()
    tl.atomic_xchg(lock, 0)


@triton.jit
def last_block_sums(x, partial, count, o, BLOCK: tl.constexpr, BLOCKS: tl.constexpr):
    block = tl.program_id(0)
    total = tl.sum(tl.load(x + block * BLOCK + tl.arange(0, BLOCK)), 0)
    tl.store(partial + block, total)
    arrived = tl.atomic_add(count, 1, sem="acq_rel")
    if arrived == BLOCKS - 1:
        tl.store(o, tl.sum(tl.load(partial + tl.arange(0, BLOCKS)), 0))


@triton.jit
def chained_scan(x, o, state, BLOCK: tl.constexpr):
    """Each block waits for the sum of those before it."""
    block = tl.program_id(0)
    at = block * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at)
    total = tl.sum(value, 0)
    before = 0
    if block > 0:
        while tl.atomic_add(state + 2 * (block - 1), 0, sem="acquire") == 0:
            pass
        before = tl.load(state + 2 * (block - 1) + 1, volatile=True)
    tl.store(state + 2 * block + 1, before + total)
    tl.debug_barrier()
    tl.atomic_xchg(state + 2 * block, 1, sem="release")
    tl.store(o + at, tl.cumsum(value, 0) + before)


def kernels():
    for dtype in ("f32", "f16", "bf16", "f64", "i32", "i64"):
        x = coarse(1, (6, 100), dtype, 4, 1 / 2) if dtype[0] in "fb" else integers(1, (6, 100), dtype)
        want = np.zeros(32, x.f64.dtype)
        for at in range(100):
            want[at % 32] += x.f64[:, at].sum()
        for sem, scope in (("relaxed", "gpu"), ("acq_rel", "sys")):
            if dtype not in ("f32", "i32") and sem != "relaxed":
                continue
            yield Kernel(f"atomic_add_{dtype}_{sem}", add_columns, (6,),
                         dict(x=x, o=tensor(np.zeros(32), dtype), n=100, BLOCK=128, SEM=sem, SCOPE=scope), {"o": want})
    for dtype in ("i32", "u32", "i64"):
        low = 0 if dtype[0] == "u" else -(2**31)
        x = integers(2, 256, dtype, low, 2**31)
        fold = lambda f, start: np.array([f.reduce(np.r_[x.bits[s::32], x.bits.dtype.type(start)])  # noqa: E731
                                          for s in range(32)])
        ones = -1 if dtype[0] == "i" else 2**32 - 1
        start = np.r_[np.full(32, low), np.full(32, 2**31 - 1), np.full(32, ones), np.zeros(64), np.arange(256)]
        want = np.r_[fold(np.maximum, low), fold(np.minimum, 2**31 - 1), fold(np.bitwise_and, ones),
                     fold(np.bitwise_or, 0), fold(np.bitwise_xor, 0), x.bits]
        yield Kernel(f"atomics_{dtype}", every_operation, (2,),
                     dict(x=x, o=tensor(start.astype(np.int64), dtype), old=Out((256,), dtype), n=32, BLOCK=128),
                     {"o": want, "old": np.arange(256)})
    x = coarse(3, 256, "f32", 500)
    yield Kernel("atomic_float_extremes", float_extremes, (2,),
                 dict(x=x, o=tensor(np.zeros(64), "f32"), n=32, BLOCK=128),
                 {"o": np.r_[[max(0, x.f64[s::32].max()) for s in range(32)],
                             [min(0, x.f64[s::32].min()) for s in range(32)]]})
    x = integers(4, 8 * 64, "i32")
    yield Kernel("spin_lock", locked_sum, (8,),
                 dict(x=x, o=tensor(np.zeros(64), "i32"), lock=tensor([0], "i32"), n=0, BLOCK=64),
                 {"o": x.bits.reshape(8, 64).sum(0), "lock": [0]})
    keys = tensor(np.random.default_rng(5).permutation(64)[:24], "i32")
    want = np.full(64, -1)
    want[keys.bits] = keys.bits
    yield Kernel("compare_and_swap", compare_and_swap, (24,),
                 dict(keys=keys, o=tensor(np.full(64, -1), "i32"), SLOTS=64), {"o": want}, num_warps=1)
    x = integers(6, 8 * 128, "i32")
    yield Kernel("last_block", last_block_sums, (8,),
                 dict(x=x, partial=Out((8,), "i32", None), count=tensor([0], "i32"), o=Out((1,), "i32"), BLOCK=128,
                      BLOCKS=8), {"o": [x.bits.sum()], "count": [8]})
    yield Kernel("chained_scan", chained_scan, (8,),
                 dict(x=x, o=Out((1024,), "i32"), state=tensor(np.zeros(16), "i32"), BLOCK=128),
                 {"o": x.bits.cumsum()})
