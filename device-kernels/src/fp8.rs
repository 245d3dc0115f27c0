//! 8-bit floats, of which the KV cache is made where half the memory counts: e4m3 and e5m2.
//!
//! Both are a sign, an exponent and a significand in one byte. GPUs older than compute capability 8.9 have no
//! instruction for them, so conversion is integer arithmetic and one addition, here and on the device alike:
//!
//! ```text
//! e4m3  s eeee mmm   bias 7,  largest 448 (0x7e),   no infinity, NaN is 0x7f and 0xff
//! e5m2  s eeeee mm   bias 15, largest 57344 (0x7b), infinity is 0x7c, NaN is above
//! ```
//!
//! To 8 bits is to the nearest, ties to even, and saturates: what is beyond the largest number, infinity included,
//! becomes the largest, as `cvt.rn.satfinite` does. NaN stays NaN, without its sign. From 8 bits is exact.

/// One of the two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fp8 {
    /// Digits of the significand that are stored.
    digits: u32,
    /// What is added to an exponent to store it.
    bias: u32,
    /// Bits of the largest finite number.
    largest: u8,
    /// Bits of infinity, or a number that no bits are.
    infinity: u32,
}

/// Four bits of exponent and three of significand, the `e4m3fn` of ONNX and PyTorch.
pub const E4M3: Fp8 = Fp8 { digits: 3, bias: 7, largest: 0x7e, infinity: u32::MAX };

/// Five bits of exponent and two of significand: the upper byte of an IEEE half.
pub const E5M2: Fp8 = Fp8 { digits: 2, bias: 15, largest: 0x7b, infinity: 0x7c };

/// What every NaN becomes.
const NAN: u8 = 0x7f;

impl Fp8 {
    /// Bits of an f32's significand that are rounded off.
    const fn dropped(self) -> u32 {
        23 - self.digits
    }

    /// The number of these bits.
    #[inline]
    pub fn to_f32(self, bits: u8) -> f32 {
        let magnitude = u32::from(bits) & 0x7f;
        let sign = (u32::from(bits) & 0x80) << 24;
        // The same fields in an f32, subnormals included, stand for a number that is smaller by the difference of
        // the biases, exactly.
        let small = f32::from_bits(magnitude << self.dropped());
        let value = small * f32::from_bits((254 - self.bias) << 23);
        let value = if magnitude <= u32::from(self.largest) {
            value
        } else if magnitude == self.infinity {
            f32::INFINITY
        } else {
            f32::NAN
        };
        f32::from_bits(value.to_bits() | sign)
    }

    /// The bits of the nearest number, ties to even; of the largest where there is none so large.
    #[inline]
    pub fn from_f32(self, value: f32) -> u8 {
        let bits = value.to_bits();
        let magnitude = bits & 0x7fff_ffff;
        let sign = (bits >> 24) & 0x80;
        let dropped = self.dropped();
        // Saturated first: the largest is its own nearest.
        let largest = (u32::from(self.largest) + ((127 - self.bias) << self.digits)) << dropped;
        let clamped = if magnitude < largest { magnitude } else { largest };
        // Normal numbers: round the bits that go, which may carry into the exponent, then change the bias.
        let rounded = clamped + ((1 << (dropped - 1)) - 1) + ((clamped >> dropped) & 1);
        let normal = (rounded >> dropped).wrapping_sub((127 - self.bias) << self.digits);
        // Subnormal ones are multiples of 2^(1 - bias - digits). A number whose last digit is worth that much makes
        // the addition round to it; what it adds to the sum's bits is how many there are.
        let ruler = (127 + 23 + 1 - self.bias - self.digits) << 23;
        let subnormal = (f32::from_bits(clamped) + f32::from_bits(ruler)).to_bits().wrapping_sub(ruler);
        let finite = if clamped < (127 + 1 - self.bias) << 23 { subnormal } else { normal };
        if magnitude > 0x7f80_0000 { NAN } else { (finite | sign) as u8 }
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $Name:ident: $format:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(transparent)]
        pub struct $Name(u8);

        impl $Name {
            /// The number of these bits.
            pub const fn from_bits(bits: u8) -> Self {
                $Name(bits)
            }

            /// Its bits.
            pub const fn to_bits(self) -> u8 {
                self.0
            }

            /// The value, exactly.
            pub fn to_f32(self) -> f32 {
                $format.to_f32(self.0)
            }

            /// The nearest number, ties to even; the largest where there is none so large.
            pub fn from_f32(value: f32) -> Self {
                $Name($format.from_f32(value))
            }

            /// Its only byte.
            pub const fn to_le_bytes(self) -> [u8; 1] {
                [self.0]
            }

            /// The number of this byte.
            pub const fn from_le_bytes([bits]: [u8; 1]) -> Self {
                $Name(bits)
            }
        }
    )*};
}

numbers! {
    /// A number of 8 bits, four of them exponent and three significand, up to 448, without infinity: OCP's and PyTorch's
    /// `float8_e4m3fn`.
    E4m3: E4M3;
    /// A number of 8 bits, five of them exponent and two significand, up to 57344: the upper byte of an IEEE half, OCP's and
    /// PyTorch's `float8_e5m2`.
    E5m2: E5M2;
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;

    /// What the bits stand for by the formats' definition, in f64: `None` of a NaN.
    fn value(format: Fp8, bits: u8) -> Option<f64> {
        let (digits, bias, specials) = match format {
            E4M3 => (3, 7, 0x7f),
            _ => (2, 15, 0x7c),
        };
        let sign = if bits & 0x80 == 0 { 1.0 } else { -1.0 };
        let magnitude = bits & 0x7f;
        if magnitude >= specials {
            return (format == E5M2 && magnitude == 0x7c).then_some(sign * f64::INFINITY);
        }
        let (exponent, significand) =
            (i32::from(magnitude >> digits), f64::from(magnitude & ((1 << digits) - 1)));
        let unit = 2f64.powi(-digits);
        Some(
            sign * match exponent {
                0 => significand * unit * 2f64.powi(1 - bias),
                _ => (1.0 + significand * unit) * 2f64.powi(exponent - bias),
            },
        )
    }

    /// The finite numbers from zero up: a number's place is its bits.
    fn table(format: Fp8) -> Vec<f64> {
        (0..0x80).filter_map(|bits| value(format, bits)).filter(|value| value.is_finite()).collect()
    }

    /// The bits of the nearest number by search in the table; of two as near, the even one.
    fn nearest(table: &[f64], number: f32) -> u8 {
        if number.is_nan() {
            return 0x7f;
        }
        let magnitude = f64::from(number).abs();
        let above = table.partition_point(|value| *value < magnitude);
        let at = if above == table.len() {
            above - 1
        } else if above == 0 {
            0
        } else {
            let (low, high) = (magnitude - table[above - 1], table[above] - magnitude);
            if low < high || (low == high && (above - 1) % 2 == 0) { above - 1 } else { above }
        };
        at as u8 | if number.is_sign_negative() { 0x80 } else { 0 }
    }

    fn check(format: Fp8, table: &[f64], number: f32) {
        let (got, expected) = (format.from_f32(number), nearest(table, number));
        assert_eq!(got, expected, "{format:?} of {number:e} ({:#010x})", number.to_bits());
    }

    #[test]
    fn every_byte_is_its_number() {
        for format in [E4M3, E5M2] {
            for bits in 0..=255u8 {
                let got = format.to_f32(bits);
                match value(format, bits) {
                    None => assert!(got.is_nan(), "{format:?} {bits:#04x}"),
                    Some(number) => {
                        assert_eq!(f64::from(got).to_bits(), number.to_bits(), "{format:?} {bits:#04x}");
                        let back = if number.is_finite() { bits } else { bits - 1 };
                        assert_eq!(format.from_f32(got), back, "{format:?} {bits:#04x}");
                    }
                }
            }
        }
        assert_eq!((table(E4M3).last(), table(E4M3).len()), (Some(&448.0), 0x7f));
        assert_eq!((table(E5M2).last(), table(E5M2).len()), (Some(&57344.0), 0x7c));
    }

    #[test]
    fn every_half_goes_to_the_nearest() {
        for format in [E4M3, E5M2] {
            let table = table(format);
            for bits in 0..=u16::MAX {
                check(format, &table, crate::half::F16::to_f32(bits));
                check(format, &table, crate::half::Bf16::to_f32(bits));
            }
        }
    }

    #[test]
    fn ties_and_their_neighbours() {
        for format in [E4M3, E5M2] {
            let table = table(format);
            for pair in table.windows(2) {
                let middle = ((pair[0] + pair[1]) / 2.0) as f32;
                for bits in [middle.to_bits() - 1, middle.to_bits(), middle.to_bits() + 1] {
                    check(format, &table, f32::from_bits(bits));
                    check(format, &table, -f32::from_bits(bits));
                }
            }
        }
    }

    #[test]
    fn any_f32_goes_to_the_nearest() {
        let mut state = 7u64;
        let corners =
            [0, 1, 0x007f_ffff, 0x7eff_ffff, 0x7f00_0000, 0x7f7f_ffff, 0x7f80_0000, 0x7f80_0001, 0x7fff_ffff];
        for format in [E4M3, E5M2] {
            let table = table(format);
            for corner in corners {
                check(format, &table, f32::from_bits(corner));
                check(format, &table, f32::from_bits(corner | 0x8000_0000));
            }
            for _ in 0..300_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let bits = (state >> 32) as u32;
                check(format, &table, f32::from_bits(bits));
                // Most of those are out of range; these are around it.
                check(format, &table, f32::from_bits(bits & 0x87ff_ffff | 0x3800_0000));
            }
        }
    }
}
