//! One head of one token, moved from where it lies to where it belongs: converted, scaled, rotated.

use super::memory::{aligned, load, load_16, load_f32, load_one, store, store_16, store_one};
use crate::element::{Element, F32};
use crate::rotary::{pair, rotate};

/// The rotation of one token: its rows of the tables.
#[derive(Clone, Copy)]
pub(super) struct Rotation {
    /// Address of `rotary_dim / 2` cosines.
    pub cos: u64,
    /// Address of as many sines.
    pub sin: u64,
    /// Numbers of a head that are rotated; 0 of none.
    pub rotary_dim: u32,
    pub interleaved: bool,
}

impl Rotation {
    pub(super) const NONE: Rotation = Rotation { cos: 0, sin: 0, rotary_dim: 0, interleaved: false };
}

/// What happens to the numbers after the rotation.
pub(super) trait Scaling: Copy {
    fn apply(self, value: f32) -> f32;
    /// The same by another scale, if there is one.
    fn of(self, scale: f32) -> Self;
    /// Whether nothing happens, so that bits of the same type can be moved as they are.
    const NOTHING: bool;
}

#[derive(Clone, Copy)]
pub(super) struct Unscaled;

impl Scaling for Unscaled {
    #[inline(always)]
    fn apply(self, value: f32) -> f32 {
        value
    }
    #[inline(always)]
    fn of(self, _: f32) -> Self {
        self
    }
    const NOTHING: bool = true;
}

/// Into 8 bits.
#[derive(Clone, Copy)]
pub(super) struct DividedBy(pub f32);

impl Scaling for DividedBy {
    #[inline(always)]
    fn apply(self, value: f32) -> f32 {
        value / self.0
    }
    #[inline(always)]
    fn of(self, scale: f32) -> Self {
        DividedBy(scale)
    }
    const NOTHING: bool = false;
}

/// Out of 8 bits.
#[derive(Clone, Copy)]
pub(super) struct Times(pub f32);

impl Scaling for Times {
    #[inline(always)]
    fn apply(self, value: f32) -> f32 {
        value * self.0
    }
    #[inline(always)]
    fn of(self, scale: f32) -> Self {
        Times(scale)
    }
    const NOTHING: bool = false;
}

/// Threads that share a row.
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub thread: u32,
    pub threads: u32,
}

/// Moves `head_dim` elements. `N` is a chunk of the two types: what one thread moves at a time where the row, the
/// rotation and the tables are made of such chunks. Both may be the same memory.
#[inline(always)]
pub(super) unsafe fn move_row<A: Element, B: Element, S: Scaling, const N: usize>(
    from: u64,
    to: u64,
    head_dim: u32,
    rotation: Rotation,
    scaling: S,
    share: Share,
) {
    let half = rotation.rotary_dim / 2;
    let chunks = |elements: u32| elements % N as u32 == 0;
    let row = aligned(from | to) && chunks(head_dim);
    unsafe {
        if half == 0 {
            if row {
                straight::<A, B, S, N>(from, to, 0, head_dim, scaling, share);
            } else {
                straight::<A, B, S, 1>(from, to, 0, head_dim, scaling, share);
            }
        } else if row && aligned(rotation.cos | rotation.sin) && !rotation.interleaved && chunks(half) {
            halves::<A, B, S, N>(from, to, rotation, scaling, share);
            straight::<A, B, S, N>(from, to, rotation.rotary_dim, head_dim, scaling, share);
        } else if row && rotation.interleaved && chunks(rotation.rotary_dim) {
            interleaved::<A, B, S, N>(from, to, rotation, scaling, share);
            straight::<A, B, S, N>(from, to, rotation.rotary_dim, head_dim, scaling, share);
        } else {
            pairs::<A, B, S>(from, to, rotation, scaling, share);
            straight::<A, B, S, 1>(from, to, rotation.rotary_dim, head_dim, scaling, share);
        }
    }
}

/// Elements `[begin, end)`, not rotated.
#[inline(always)]
unsafe fn straight<A: Element, B: Element, S: Scaling, const N: usize>(
    from: u64,
    to: u64,
    begin: u32,
    end: u32,
    scaling: S,
    share: Share,
) {
    let mut i = begin + share.thread * N as u32;
    while i < end {
        let (from, to) = (from + u64::from(i) * A::BYTES as u64, to + u64::from(i) * B::BYTES as u64);
        unsafe {
            // Nothing is computed between types of the same size without a scale: they are the same type.
            if S::NOTHING && A::BYTES == B::BYTES {
                if N == 1 {
                    store_one(to, B::BYTES, load_one(from, A::BYTES));
                } else {
                    store_16(to, load_16(from));
                }
            } else {
                store::<B, N>(to, scaled(load::<A, N>(from), scaling));
            }
        }
        i += share.threads * N as u32;
    }
}

/// Pairs of the first half and the second, `N` at a time.
#[inline(always)]
unsafe fn halves<A: Element, B: Element, S: Scaling, const N: usize>(
    from: u64,
    to: u64,
    rotation: Rotation,
    scaling: S,
    share: Share,
) {
    let half = rotation.rotary_dim / 2;
    let mut i = share.thread * N as u32;
    while i < half {
        let (low, high) = (u64::from(i), u64::from(i + half));
        unsafe {
            let mut a = load::<A, N>(from + low * A::BYTES as u64);
            let mut b = load::<A, N>(from + high * A::BYTES as u64);
            let (cos, sin) = (load::<F32, N>(rotation.cos + 4 * low), load::<F32, N>(rotation.sin + 4 * low));
            let mut j = 0;
            while j < N {
                (a[j], b[j]) = rotate(a[j], b[j], cos[j], sin[j]);
                j += 1;
            }
            store::<B, N>(to + low * B::BYTES as u64, scaled(a, scaling));
            store::<B, N>(to + high * B::BYTES as u64, scaled(b, scaling));
        }
        i += share.threads * N as u32;
    }
}

/// Neighbours, `N / 2` pairs at a time.
#[inline(always)]
unsafe fn interleaved<A: Element, B: Element, S: Scaling, const N: usize>(
    from: u64,
    to: u64,
    rotation: Rotation,
    scaling: S,
    share: Share,
) {
    let mut i = share.thread * N as u32;
    while i < rotation.rotary_dim {
        let at = u64::from(i);
        unsafe {
            let mut x = load::<A, N>(from + at * A::BYTES as u64);
            let mut j = 0;
            while j < N / 2 {
                let angle = 4 * (at / 2 + j as u64);
                let (cos, sin) = (load_f32(rotation.cos + angle), load_f32(rotation.sin + angle));
                (x[2 * j], x[2 * j + 1]) = rotate(x[2 * j], x[2 * j + 1], cos, sin);
                j += 1;
            }
            store::<B, N>(to + at * B::BYTES as u64, scaled(x, scaling));
        }
        i += share.threads * N as u32;
    }
}

/// Pairs of either kind, wherever they lie.
#[inline(always)]
unsafe fn pairs<A: Element, B: Element, S: Scaling>(
    from: u64,
    to: u64,
    rotation: Rotation,
    scaling: S,
    share: Share,
) {
    let mut i = share.thread;
    while i < rotation.rotary_dim / 2 {
        let (first, second) = pair(i, rotation.rotary_dim, rotation.interleaved);
        let (first, second) = (u64::from(first), u64::from(second));
        unsafe {
            let [a] = load::<A, 1>(from + first * A::BYTES as u64);
            let [b] = load::<A, 1>(from + second * A::BYTES as u64);
            let angle = 4 * u64::from(i);
            let (a, b) = rotate(a, b, load_f32(rotation.cos + angle), load_f32(rotation.sin + angle));
            store::<B, 1>(to + first * B::BYTES as u64, [scaling.apply(a)]);
            store::<B, 1>(to + second * B::BYTES as u64, [scaling.apply(b)]);
        }
        i += share.threads;
    }
}

#[inline(always)]
fn scaled<S: Scaling, const N: usize>(mut values: [f32; N], scaling: S) -> [f32; N] {
    let mut i = 0;
    while i < N {
        values[i] = scaling.apply(values[i]);
        i += 1;
    }
    values
}
