//! 16-bit floats as bits: IEEE half and bfloat16, to f32 and back.
//!
//! On the device both ways are single instructions; on the host, where stable Rust has neither type, they are spelt
//! out. To 16 bits is to the nearest, ties to even, without saturation.

/// IEEE half precision.
#[derive(Clone, Copy, Debug)]
pub struct F16;

/// bfloat16: the upper half of an f32.
#[derive(Clone, Copy, Debug)]
pub struct Bf16;

#[cfg(not(target_arch = "nvptx64"))]
impl F16 {
    /// The number of these bits.
    pub fn to_f32(bits: u16) -> f32 {
        let (sign, magnitude) = ((u32::from(bits) & 0x8000) << 16, u32::from(bits) & 0x7fff);
        let value = if magnitude >= 0x7c00 {
            // Infinity and NaN keep their significand.
            0x7f80_0000 | (magnitude & 0x3ff) << 13
        } else {
            (f32::from_bits(magnitude << 13) * f32::from_bits((254 - 15) << 23)).to_bits()
        };
        f32::from_bits(value | sign)
    }

    /// The bits of the nearest number.
    pub fn from_f32(value: f32) -> u16 {
        let bits = value.to_bits();
        let (sign, magnitude) = ((bits >> 16) & 0x8000, bits & 0x7fff_ffff);
        if magnitude > 0x7f80_0000 {
            return 0x7fff;
        }
        let rounded = if magnitude >= (127 + 16) << 23 {
            0x7c00
        } else if magnitude < (127 - 14) << 23 {
            // Subnormal: the last digit of 0.5 is worth as much as that of the result, 2^-24.
            (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits()
        } else {
            ((magnitude + 0xfff + ((magnitude >> 13) & 1)) >> 13) - ((127 - 15) << 10)
        };
        (rounded | sign) as u16
    }
}

#[cfg(not(target_arch = "nvptx64"))]
impl Bf16 {
    /// The number of these bits.
    pub fn to_f32(bits: u16) -> f32 {
        f32::from_bits(u32::from(bits) << 16)
    }

    /// The bits of the nearest number.
    pub fn from_f32(value: f32) -> u16 {
        let bits = value.to_bits();
        if bits & 0x7fff_ffff > 0x7f80_0000 {
            return 0x7fff;
        }
        ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
    }
}

#[cfg(target_arch = "nvptx64")]
mod device {
    use super::{Bf16, F16};
    use core::arch::asm;

    impl F16 {
        /// The number of these bits.
        #[inline(always)]
        pub fn to_f32(bits: u16) -> f32 {
            let value: f32;
            unsafe {
                asm!("cvt.f32.f16 {}, {};", out(reg32) value, in(reg16) bits, options(pure, nomem, nostack))
            };
            value
        }

        /// The bits of the nearest number.
        #[inline(always)]
        pub fn from_f32(value: f32) -> u16 {
            let bits: u16;
            unsafe {
                asm!("cvt.rn.f16.f32 {}, {};", out(reg16) bits, in(reg32) value, options(pure, nomem, nostack))
            };
            bits
        }
    }

    impl Bf16 {
        /// The number of these bits.
        #[inline(always)]
        pub fn to_f32(bits: u16) -> f32 {
            f32::from_bits(u32::from(bits) << 16)
        }

        /// The bits of the nearest number.
        #[inline(always)]
        pub fn from_f32(value: f32) -> u16 {
            let bits: u16;
            unsafe {
                asm!("cvt.rn.bf16.f32 {}, {};", out(reg16) bits, in(reg32) value, options(pure, nomem, nostack))
            };
            bits
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    #[test]
    fn as_everybody_converts() {
        let mut state = 3u64;
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (F16::to_f32(bits), f16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(), "{bits:#06x}");
            let (ours, theirs) = (Bf16::to_f32(bits), bf16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(), "{bits:#06x}");
            for low in [0, 1, 0xfff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001, 0xffff] {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(low);
                for value in [u32::from(bits) << 16 | low as u32, (state >> 32) as u32].map(f32::from_bits) {
                    if value.is_nan() {
                        assert_eq!((F16::from_f32(value), Bf16::from_f32(value)), (0x7fff, 0x7fff));
                        continue;
                    }
                    assert_eq!(F16::from_f32(value), f16::from_f32(value).to_bits(), "{value:e}");
                    assert_eq!(Bf16::from_f32(value), bf16::from_f32(value).to_bits(), "{value:e}");
                }
            }
        }
    }
}
