//! 8-bit floating point: e4m3, which has no infinity and one NaN, and e5m2, the upper half of a binary16
//! (PTX ISA §5.2.3).

use super::halves::{F16, Half};

/// An 8-bit format.
pub trait Eight: Copy {
    /// Bits of the mantissa.
    const MANTISSA: u32;
    /// Of the exponent.
    const BIAS: i32;
    /// The largest finite number.
    const MAX: u8;
    /// Exact.
    fn f32(bits: u8) -> f32;

    /// To nearest, ties to even; what is too large becomes the largest number, NaN the one with all ones.
    #[inline(always)]
    fn nearest(x: f32) -> u8 {
        if x.is_nan() {
            return 0x7f;
        }
        let sign = (x.to_bits() >> 24) as u8 & 0x80;
        let magnitude = x.to_bits() & 0x7fff_ffff;
        let lowest = 1 - Self::BIAS;
        let exponent = ((magnitude >> 23) as i32 - 127).max(lowest);
        // The unit in the last place is a power of two, and the quotient fits a double many times over.
        let unit = f64::from_bits(((exponent - Self::MANTISSA as i32 + 1023) as u64) << 52);
        let quotient = (f32::from_bits(magnitude) as f64 / unit).round_ties_even().min(1e6) as u32;
        let bits = (((exponent - lowest) as u32) << Self::MANTISSA) + quotient;
        sign | bits.min(Self::MAX as u32) as u8
    }
}

/// Four bits of exponent, three of mantissa.
#[derive(Clone, Copy, Debug)]
pub struct E4m3;

/// Five bits of exponent, two of mantissa.
#[derive(Clone, Copy, Debug)]
pub struct E5m2;

impl Eight for E4m3 {
    const MANTISSA: u32 = 3;
    const BIAS: i32 = 7;
    const MAX: u8 = 0x7e;

    #[inline(always)]
    fn f32(bits: u8) -> f32 {
        let magnitude = bits as u32 & 0x7f;
        // As in `F16::f32`: the bias is 120 too small, and the product normalises subnormals.
        let finite = f32::from_bits(magnitude << 20) * f32::from_bits((120 + 127) << 23);
        let value = if magnitude == 0x7f { f32::from_bits(0x7fff_ffff) } else { finite };
        f32::from_bits(value.to_bits() | (bits as u32 & 0x80) << 24)
    }
}

impl Eight for E5m2 {
    const MANTISSA: u32 = 2;
    const BIAS: i32 = 15;
    const MAX: u8 = 0x7b;

    #[inline(always)]
    fn f32(bits: u8) -> f32 {
        F16((bits as u16) << 8).f32()
    }
}

/// Negative numbers to zero; NaN stays.
#[inline(always)]
pub fn clip(x: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { x }
}

/// Two numbers to two bytes, `a` in the upper one.
#[inline(always)]
pub fn pack<E: Eight>(a: f32, b: f32) -> u32 {
    (E::nearest(a) as u32) << 8 | E::nearest(b) as u32
}

/// Two bytes to two halves.
#[inline(always)]
pub fn unpack<E: Eight>(bytes: u32) -> (f32, f32) {
    (E::f32(bytes as u8), E::f32((bytes >> 8) as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number is its own nearest, and what lies between two goes to the nearer one, a tie to the even one.
    fn every<E: Eight>(largest: f32) {
        for bits in 0..E::MAX {
            let (a, b) = (E::f32(bits) as f64, E::f32(bits + 1) as f64);
            assert!(a < b, "{bits:#x}");
            assert_eq!(E::nearest(a as f32), bits);
            assert_eq!(E::nearest(-a as f32), bits | 0x80);
            let middle = ((a + b) / 2.0) as f32;
            assert_eq!(E::nearest(middle), bits + (bits & 1), "{middle}");
            assert_eq!(E::nearest(f32::from_bits(middle.to_bits() - 1)), bits, "{middle}");
            assert_eq!(E::nearest(f32::from_bits(middle.to_bits() + 1)), bits + 1, "{middle}");
        }
        assert_eq!(E::f32(E::MAX), largest);
        for (x, want) in [
            (largest * 1.5, E::MAX),
            (f32::INFINITY, E::MAX),
            (f32::NEG_INFINITY, E::MAX | 0x80),
            (f32::NAN, 0x7f),
            (-0.0, 0x80),
            (f32::MIN_POSITIVE, 0),
        ] {
            assert_eq!(E::nearest(x), want, "{x}");
        }
        assert!(E::f32(0x7f).is_nan() && E::f32(0xff).is_nan());
    }

    #[test]
    fn every_number_of_both_formats() {
        every::<E4m3>(448.0);
        every::<E5m2>(57344.0);
        assert_eq!(E4m3::f32(1), 1.0 / 512.0);
        assert_eq!(E5m2::f32(1), 1.0 / 65536.0);
        assert_eq!(E4m3::f32(0x38), 1.0);
    }
}
