//! Turns a scalar function into a kernel over the 32 lanes of a warp.
//!
//! A register is a *row*: 32 lanes of 32 bits, or two rows seen as 32 lanes of 64 bits. A [`Kernel`] reads up
//! to four source registers and writes one; it is made from an ordinary closure over typed lanes
//! (`lift2(|a: i32, b: i32| a.wrapping_add(b))`), once for the baseline instruction set and once for AVX2,
//! and the decoder picks one when the program is loaded. Kernels are pure: which lanes are active is the
//! executor's business, so they compute all of them.

use super::halves::{Bf16, F16, Pair};

/// Lanes in a warp.
pub const LANES: usize = 32;

/// One 32-bit register of a warp, or half of a 64-bit one.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Row(pub [u32; LANES]);

/// Destination and up to four sources, each the first row of its register.
pub type RowFn = unsafe fn(*mut Row, *const Row, *const Row, *const Row, *const Row);

/// Two sources to a mask of lanes.
pub type MaskFn = unsafe fn(*const Row, *const Row) -> u32;

/// A pure function of registers.
#[derive(Clone, Copy)]
pub struct Kernel {
    /// What runs.
    pub run: RowFn,
    /// Rows of the destination.
    pub out: u8,
    /// Rows of each source; zero where there is none.
    pub ins: [u8; 4],
}

/// A comparison of two registers.
#[derive(Clone, Copy)]
pub struct Test {
    /// What runs.
    pub run: MaskFn,
}

/// What a lane of a register can be read as.
pub trait Lane: Copy {
    /// `u32` or `u64`.
    type Raw: Copy + Default;
    /// Reads the register's bits.
    fn from_raw(raw: Self::Raw) -> Self;
    /// Bits to store: values narrower than a register are extended by their own sign.
    fn to_raw(self) -> Self::Raw;
}

macro_rules! lanes {
    ($($ty:ty, $raw:ty, |$r:ident| $from:expr, |$v:ident| $to:expr;)*) => {$(
        impl Lane for $ty {
            type Raw = $raw;
            #[inline(always)]
            fn from_raw($r: $raw) -> Self { $from }
            #[inline(always)]
            fn to_raw(self) -> $raw { let $v = self; $to }
        }
    )*};
}

lanes! {
    u8, u32, |r| r as u8, |v| v as u32;
    i8, u32, |r| r as i8, |v| v as i32 as u32;
    u16, u32, |r| r as u16, |v| v as u32;
    i16, u32, |r| r as i16, |v| v as i32 as u32;
    u32, u32, |r| r, |v| v;
    i32, u32, |r| r as i32, |v| v as u32;
    f32, u32, |r| f32::from_bits(r), |v| v.to_bits();
    u64, u64, |r| r, |v| v;
    i64, u64, |r| r as i64, |v| v as u64;
    f64, u64, |r| f64::from_bits(r), |v| v.to_bits();
    F16, u32, |r| F16(r as u16), |v| v.0 as u32;
    Bf16, u32, |r| Bf16(r as u16), |v| v.0 as u32;
    Pair<F16>, u32, |r| Pair(F16(r as u16), F16((r >> 16) as u16)), |v| v.0.0 as u32 | (v.1.0 as u32) << 16;
    Pair<f32>, u64, |r| Pair(f32::from_bits(r as u32), f32::from_bits((r >> 32) as u32)),
        |v| v.0.to_bits() as u64 | (v.1.to_bits() as u64) << 32;
    Pair<Bf16>, u32, |r| Pair(Bf16(r as u16), Bf16((r >> 16) as u16)), |v| v.0.0 as u32 | (v.1.0 as u32) << 16;
}

/// Whether the AVX2 instances may be called on this machine.
#[inline]
pub fn wide_vectors() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The closure back from its type: it captures nothing, so there is nothing to it but the type.
#[inline(always)]
fn conjure<F: Copy>() -> F {
    const { assert!(size_of::<F>() == 0, "a lane function captures nothing") };
    // SAFETY: `F` is zero-sized and `Copy`, and the caller of `lift*` showed one; there is nothing to read.
    unsafe { std::ptr::NonNull::<F>::dangling().read() }
}

const fn rows<T: Lane>() -> u8 {
    (size_of::<T::Raw>() / 4) as u8
}

const CHUNK: usize = 8;

/// Lanes `c * CHUNK ..` of a register.
#[inline(always)]
unsafe fn chunk<T: Lane>(row: *const Row, c: usize) -> [T::Raw; CHUNK] {
    unsafe { row.cast::<[T::Raw; CHUNK]>().add(c).read() }
}

macro_rules! lift {
    ($lift:ident, $body:ident, $plain:ident, $wide:ident; $($t:ident $p:ident $n:tt),*; $($unused:ident),*; $ins:expr) => {
        // Sources are read a chunk at a time before the chunk is written: a destination may be a source.
        #[inline(always)]
        unsafe fn $body<$($t: Lane,)* O: Lane, F: Fn($($t),*) -> O + Copy>(d: *mut Row, $($p: *const Row),*) {
            let f = conjure::<F>();
            for i in 0..LANES / CHUNK {
                $(let $p = unsafe { chunk::<$t>($p, i) };)*
                let mut out = [O::Raw::default(); CHUNK];
                for l in 0..CHUNK {
                    out[l] = f($($t::from_raw($p[l])),*).to_raw();
                }
                unsafe { d.cast::<[O::Raw; CHUNK]>().add(i).write(out) };
            }
        }

        unsafe fn $plain<$($t: Lane,)* O: Lane, F: Fn($($t),*) -> O + Copy>(
            d: *mut Row, $($p: *const Row,)* $($unused: *const Row),*
        ) {
            unsafe { $body::<$($t,)* O, F>(d, $($p),*) }
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
        unsafe fn $wide<$($t: Lane,)* O: Lane, F: Fn($($t),*) -> O + Copy>(
            d: *mut Row, $($p: *const Row,)* $($unused: *const Row),*
        ) {
            unsafe { $body::<$($t,)* O, F>(d, $($p),*) }
        }

        /// A kernel from a function of typed lanes, which must not capture anything.
        pub fn $lift<$($t: Lane,)* O: Lane, F: Fn($($t),*) -> O + Copy>(_: F) -> Kernel {
            #[cfg(target_arch = "x86_64")]
            if wide_vectors() {
                return Kernel { run: $wide::<$($t,)* O, F>, out: rows::<O>(), ins: $ins };
            }
            Kernel { run: $plain::<$($t,)* O, F>, out: rows::<O>(), ins: $ins }
        }
    };
}

lift!(lift1, body1, plain1, wide1; A a 0; _b, _c, _e; [rows::<A>(), 0, 0, 0]);
lift!(lift2, body2, plain2, wide2; A a 0, B b 1; _c, _e; [rows::<A>(), rows::<B>(), 0, 0]);
lift!(lift3, body3, plain3, wide3; A a 0, B b 1, C c 2; _e; [rows::<A>(), rows::<B>(), rows::<C>(), 0]);
lift!(lift4, body4, plain4, wide4; A a 0, B b 1, C c 2, E e 3; ; [rows::<A>(), rows::<B>(), rows::<C>(), rows::<E>()]);

#[inline(always)]
unsafe fn test_body<A: Lane, F: Fn(A, A) -> bool + Copy>(a: *const Row, b: *const Row) -> u32 {
    let f = conjure::<F>();
    let mut mask = 0;
    for i in 0..LANES / CHUNK {
        let (a, b) = unsafe { (chunk::<A>(a, i), chunk::<A>(b, i)) };
        for l in 0..CHUNK {
            mask |= (f(A::from_raw(a[l]), A::from_raw(b[l])) as u32) << (i * CHUNK + l);
        }
    }
    mask
}

unsafe fn test_plain<A: Lane, F: Fn(A, A) -> bool + Copy>(a: *const Row, b: *const Row) -> u32 {
    unsafe { test_body::<A, F>(a, b) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn test_wide<A: Lane, F: Fn(A, A) -> bool + Copy>(a: *const Row, b: *const Row) -> u32 {
    unsafe { test_body::<A, F>(a, b) }
}

/// A comparison from a function of two lanes, which must not capture anything.
pub fn test<A: Lane, F: Fn(A, A) -> bool + Copy>(_: F) -> Test {
    #[cfg(target_arch = "x86_64")]
    if wide_vectors() {
        return Test { run: test_wide::<A, F> };
    }
    Test { run: test_plain::<A, F> }
}
