//! 16-bit floating point as bits: branch-free conversions that vectorise, and exact rounding to them from
//! wider sums.

/// IEEE binary16.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct F16(pub u16);

/// The upper half of a binary32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bf16(pub u16);

/// Two packed values, the one in the low bits first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair<T>(pub T, pub T);

impl<T: Copy> Pair<T> {
    /// The same function on both.
    #[inline(always)]
    pub fn map(self, f: impl Fn(T) -> T) -> Self {
        Pair(f(self.0), f(self.1))
    }

    /// The same function on both pairs of values.
    #[inline(always)]
    pub fn zip(self, other: Self, f: impl Fn(T, T) -> T) -> Self {
        Pair(f(self.0, other.0), f(self.1, other.1))
    }

    /// The same function on both triples of values.
    #[inline(always)]
    pub fn zip3(self, b: Self, c: Self, f: impl Fn(T, T, T) -> T) -> Self {
        Pair(f(self.0, b.0, c.0), f(self.1, b.1, c.1))
    }
}

/// A 16-bit format.
pub trait Half: Copy {
    /// The largest finite value.
    const MAX: Self;
    /// From its bits.
    fn from_bits(bits: u16) -> Self;
    /// Its bits.
    fn bits(self) -> u16;
    /// Exact.
    fn f32(self) -> f32;
    /// To nearest, ties to even; NaN becomes the canonical one.
    fn nearest(x: f32) -> Self;
}

impl Half for F16 {
    const MAX: Self = F16(0x7bff);

    #[inline(always)]
    fn from_bits(bits: u16) -> Self {
        F16(bits)
    }

    #[inline(always)]
    fn bits(self) -> u16 {
        self.0
    }

    #[inline(always)]
    fn f32(self) -> f32 {
        let magnitude = ((self.0 & 0x7fff) as u32) << 13;
        // Exponent and mantissa are in place but for the bias; a multiplication by a power of two mends it
        // and normalises subnormals on the way.
        let finite = (f32::from_bits(magnitude) * f32::from_bits(0x7780_0000)).to_bits();
        let special = magnitude | 0x7f80_0000;
        let bits = if magnitude >= 0x0f80_0000 { special } else { finite };
        f32::from_bits(bits | ((self.0 & 0x8000) as u32) << 16)
    }

    #[inline(always)]
    fn nearest(x: f32) -> Self {
        let sign = (x.to_bits() >> 16) & 0x8000;
        let magnitude = x.to_bits() & 0x7fff_ffff;
        let normal = magnitude.wrapping_add(0xc800_0fff).wrapping_add((magnitude >> 13) & 1) >> 13;
        // 0.5 has the ulp of a half's subnormals: adding it rounds at the right bit.
        let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
        let finite = if magnitude < 0x3880_0000 { subnormal } else { normal };
        let bits = if magnitude >= 0x4780_0000 { 0x7c00 } else { finite };
        let bits = sign | bits;
        F16(if magnitude > 0x7f80_0000 { 0x7fff } else { bits as u16 })
    }
}

impl Half for Bf16 {
    const MAX: Self = Bf16(0x7f7f);

    #[inline(always)]
    fn from_bits(bits: u16) -> Self {
        Bf16(bits)
    }

    #[inline(always)]
    fn bits(self) -> u16 {
        self.0
    }

    #[inline(always)]
    fn f32(self) -> f32 {
        f32::from_bits((self.0 as u32) << 16)
    }

    #[inline(always)]
    fn nearest(x: f32) -> Self {
        let bits = x.to_bits();
        let rounded = bits.wrapping_add(0x7fff).wrapping_add((bits >> 16) & 1) >> 16;
        Bf16(if bits & 0x7fff_ffff > 0x7f80_0000 { 0x7fff } else { rounded as u16 })
    }
}

/// `a + b` rounded to odd: rounding the result again, to fewer bits and in any mode, rounds the exact sum.
#[inline(always)]
pub fn sum_odd(a: f64, b: f64) -> f64 {
    let s = a + b;
    let bb = s - a;
    let error = (a - (s - bb)) + (b - bb);
    if error != 0.0 && error.is_finite() && s.to_bits() & 1 == 0 {
        // The exact sum lies strictly between s and its neighbour on the error's side, which is odd.
        let away = (error > 0.0) == (s > 0.0);
        f64::from_bits(if away { s.to_bits() + 1 } else { s.to_bits() - 1 })
    } else {
        s
    }
}

/// `x` rounded to odd in single precision.
#[inline(always)]
pub fn narrow_odd(x: f64) -> f32 {
    let nearest = x as f32;
    if nearest.is_nan() || nearest as f64 == x {
        return nearest;
    }
    let truncated =
        if (nearest as f64).abs() > x.abs() { f32::from_bits(nearest.to_bits() - 1) } else { nearest };
    f32::from_bits(truncated.to_bits() | 1)
}

/// A double to a 16-bit format, rounded once.
#[inline(always)]
pub fn half_from_f64<H: Half>(x: f64) -> H {
    H::nearest(narrow_odd(x))
}

/// `a * b + c` rounded once.
#[inline(always)]
pub fn half_fma<H: Half>(a: H, b: H, c: H) -> H {
    half_from_f64(sum_odd(a.f32() as f64 * b.f32() as f64, c.f32() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every half there and back, against the `half` crate.
    #[test]
    fn every_half_converts() {
        for bits in 0..=u16::MAX {
            let theirs = half::f16::from_bits(bits).to_f32();
            let ours = F16(bits).f32();
            assert!(ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan()), "{bits:#06x}");
            if !ours.is_nan() {
                assert_eq!(F16::nearest(ours), F16(bits));
            }
            let b = half::bf16::from_bits(bits).to_f32();
            assert!(Bf16(bits).f32().to_bits() == b.to_bits() || b.is_nan(), "{bits:#06x}");
        }
    }

    /// Rounding at, just below and just above every boundary between halves.
    #[test]
    fn halves_round_to_nearest_even() {
        for bits in (0..0x7c00u16).chain(0x8000..0xfc00) {
            let (a, b) = (F16(bits).f32(), F16(bits + 1).f32());
            let middle = if bits & 0x7fff == 0x7bff { 65520f32.copysign(a) } else { (a + b) / 2.0 };
            for x in [middle, f32::from_bits(middle.to_bits() - 1), f32::from_bits(middle.to_bits() + 1)] {
                assert_eq!(F16::nearest(x).0, half::f16::from_f32(x).to_bits(), "{x:e}");
                assert_eq!(half_from_f64::<F16>(x as f64).0, half::f16::from_f32(x).to_bits(), "{x:e}");
            }
        }
        for bits in (0..u32::MAX - 4096).step_by(4093) {
            let x = f32::from_bits(bits);
            if !x.is_nan() {
                assert_eq!(F16::nearest(x).0, half::f16::from_f32(x).to_bits(), "{x:e}");
                assert_eq!(Bf16::nearest(x).0, half::bf16::from_f32(x).to_bits(), "{x:e}");
            }
        }
    }

    #[test]
    fn fma_rounds_once() {
        // (1 + 2^-10)^2 = 1 + 2^-9 + 2^-20; with c = -2^-24 * 2^4 the tie is broken downwards.
        let a = F16::nearest(1.0 + 1.0 / 1024.0);
        for c in [-1.0f32, -1e-3, -6e-8, 0.0, 6e-8, 1e-3, 1.0] {
            let c = F16::nearest(c);
            let exact = a.f32() as f64 * a.f32() as f64 + c.f32() as f64; // 46 bits at most here
            assert_eq!(half_fma(a, a, c).0, half::f16::from_f64(exact).to_bits());
        }
    }
}
