//! The element types of tensors and pools: how many bytes, and what number they are.

use crate::fp8::{E4M3, E5M2};
use crate::half;

/// An element type. Bits are in the low end of a word.
pub trait Element {
    /// Bytes of an element.
    const BYTES: usize;

    /// The number of these bits; those above the element are not looked at.
    fn to_f32(bits: u32) -> f32;

    /// The bits of the nearest number, and zeros above them.
    fn from_f32(value: f32) -> u32;
}

macro_rules! elements {
    ($($(#[$doc:meta])* $name:ident: $bytes:literal, |$bits:ident| $to:expr, |$value:ident| $from:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Element for $name {
            const BYTES: usize = $bytes;

            #[inline(always)]
            fn to_f32($bits: u32) -> f32 {
                $to
            }

            #[inline(always)]
            fn from_f32($value: f32) -> u32 {
                $from
            }
        }
    )*};
}

elements! {
    /// IEEE half precision.
    F16: 2, |bits| half::F16::to_f32(bits as u16), |value| u32::from(half::F16::from_f32(value));
    /// bfloat16.
    Bf16: 2, |bits| half::Bf16::to_f32(bits as u16), |value| u32::from(half::Bf16::from_f32(value));
    /// Single precision.
    F32: 4, |bits| f32::from_bits(bits), |value| value.to_bits();
    /// 8 bits, four of them exponent; saturates.
    E4m3: 1, |bits| E4M3.to_f32(bits as u8), |value| u32::from(E4M3.from_f32(value));
    /// 8 bits, five of them exponent; saturates.
    E5m2: 1, |bits| E5M2.to_f32(bits as u8), |value| u32::from(E5M2.from_f32(value));
}

/// Elements of types `A` and `B` that one thread moves at a time: as many of the narrower as one access has.
#[inline(always)]
pub const fn chunk<A: Element, B: Element>() -> usize {
    crate::ACCESS as usize / if A::BYTES < B::BYTES { A::BYTES } else { B::BYTES }
}
