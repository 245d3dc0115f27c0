//! How results are rounded: not at all, or to an element type after each operation. And how factors of products are, of f32.

use crate::tensor::round_to;
use flashpage_codegen::program::DType;
use flashpage_codegen::schedule::F32Products;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// What a kernel rounds the factors of its products to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factors {
    /// A type: that of the inputs, where tensor cores multiply it.
    Of(DType),
    /// Floats of 8 bits: inputs as they are, and probabilities as e4m3 after they have been multiplied by 2^8, the greatest power of two
    /// below its largest number. A sum over a head dimension is that of Hopper's tensor cores.
    EightBits,
    /// What f32 is multiplied by.
    F32(F32Products),
}

/// Of inputs of this type; of f32 as usual.
impl From<DType> for Factors {
    fn from(dtype: DType) -> Factors {
        match dtype {
            DType::F32 => Factors::F32(F32Products::default()),
            DType::E4m3 | DType::E5m2 => Factors::EightBits,
            dtype => Factors::Of(dtype),
        }
    }
}

impl Factors {
    /// Of inputs of this type, where f32 is multiplied by `products`.
    pub fn of(dtype: DType, products: F32Products) -> Factors {
        if dtype == DType::F32 { Factors::F32(products) } else { Factors::from(dtype) }
    }

    /// How f32 is multiplied, if it is.
    pub fn f32_products(self) -> Option<F32Products> {
        match self {
            Factors::Of(_) | Factors::EightBits => None,
            Factors::F32(products) => Some(products),
        }
    }

    /// How a plain computation over inputs of this type rounds what an operation gives. Where there are no results of that type, but of f32
    /// alone, it is factors that are rounded.
    pub(crate) fn plainly(self) -> Precision {
        match self {
            Factors::Of(dtype) => Precision::Plain(dtype),
            Factors::EightBits | Factors::F32(_) => Precision::Plain(DType::F32),
        }
    }
}

/// The nearest number with three bits behind the first, in steps of 2^-17 at least: e4m3 of 2^8 times as much, but for what is too large. The
/// numbers of both types of 8 bits stay as they are.
pub(crate) fn round_to_lifted_e4m3(x: f32) -> f32 {
    /// The smallest normal e4m3, less those 2^8.
    const SMALLEST: i32 = -6 - 8;
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let exponent = ((x.to_bits() >> 23 & 0xff) as i32 - 127).max(SMALLEST);
    let step = 2f32.powi(exponent - 3);
    (x / step).round_ties_even() * step
}

/// The nearest tf32 number, the greater in magnitude of two: 10 bits behind the point, and the exponents of f32.
pub(crate) fn round_to_tf32(x: f32) -> f32 {
    /// Bits that tf32 has not.
    const DROPPED: u32 = (1 << 13) - 1;
    if !x.is_finite() {
        return x;
    }
    f32::from_bits((x.to_bits() + DROPPED.div_ceil(2)) & !DROPPED)
}

/// A number as the nearest of bf16, and the nearest to what that leaves.
pub(crate) fn split(x: f32) -> [f32; 2] {
    let high = bf16::from_f32(x).to_f32();
    [high, bf16::from_f32(x - high).to_f32()]
}

/// How results are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Not at all: f64.
    Exact,
    /// To this type after each operation.
    Plain(DType),
}

/// Numbers that are converted at a time: some that stay in registers and the first cache.
const RUN: usize = 256;

impl Precision {
    pub(crate) fn round(self, value: f64) -> f64 {
        match self {
            Precision::Exact => value,
            Precision::Plain(dtype) => f64::from(round_to(dtype, value as f32)),
        }
    }

    /// Rounds each number.
    pub(crate) fn round_all(self, values: &mut [f64]) {
        let Precision::Plain(dtype) = self else { return };
        let mut single = [0f32; RUN];
        for values in values.chunks_mut(RUN) {
            let single = &mut single[..values.len()];
            single.iter_mut().zip(&*values).for_each(|(to, from)| *to = *from as f32);
            round_run(dtype, single);
            values.iter_mut().zip(&*single).for_each(|(to, from)| *to = f64::from(*from));
        }
    }

    /// Rounds each number.
    pub(crate) fn round_singles(self, values: &mut [f32]) {
        if let Precision::Plain(dtype) = self {
            values.chunks_mut(RUN).for_each(|values| round_run(dtype, values));
        }
    }
}

/// [`round_to`] of at most [`RUN`] numbers at once.
fn round_run(dtype: DType, values: &mut [f32]) {
    match dtype {
        DType::F16 => {
            let mut halves = [f16::ZERO; RUN];
            let halves = &mut halves[..values.len()];
            halves.convert_from_f32_slice(values);
            halves.convert_to_f32_slice(values);
        }
        DType::Bf16 => values.iter_mut().for_each(|value| *value = bf16::from_f32(*value).to_f32()),
        _ => values.iter_mut().for_each(|value| *value = round_to(dtype, *value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left is half a unit at most, of 10 bits and of some 16.
    #[test]
    fn factors_are_near() {
        for bits in (0x3f80_0000u32..0x4000_0000).step_by(997) {
            let x = f32::from_bits(bits);
            assert!((round_to_tf32(x) - x).abs() <= 2f32.powi(-11), "{x}");
            assert_eq!(round_to_tf32(x).to_bits() & 0x1fff, 0, "{x}");
            let [high, low] = split(x);
            assert!((f64::from(high) + f64::from(low) - f64::from(x)).abs() <= 2f64.powi(-17), "{x}");
        }
        let ties = [(0x3f80_1000, 0x3f80_2000), (0x3f80_0fff, 0x3f80_0000), (0xbf80_1000, 0xbf80_2000)];
        for (bits, rounded) in ties {
            assert_eq!(round_to_tf32(f32::from_bits(bits)).to_bits(), rounded, "{bits:x}");
        }
        assert!(round_to_tf32(f32::NAN).is_nan() && round_to_tf32(f32::INFINITY) == f32::INFINITY);
    }

    /// As e4m3 of 2^8 times as much, and numbers of 8 bits as they are.
    #[test]
    fn probabilities_are_lifted() {
        for bits in (0..0x3f80_0000u32).step_by(4099) {
            let x = f32::from_bits(bits);
            let expected = round_to(DType::E4m3, x * 256.0) / 256.0;
            assert_eq!(round_to_lifted_e4m3(x), expected, "{x:e}");
        }
        for dtype in [DType::E4m3, DType::E5m2] {
            for bits in 0..=0xffffu32 {
                let x = round_to(dtype, f32::from_bits(bits << 16));
                assert_eq!(round_to_lifted_e4m3(x).to_bits(), x.to_bits(), "{x:e}");
            }
        }
    }

    /// Every bit pattern of the upper half of an f32, with lower halves that are ties, near them and far from them.
    #[test]
    fn runs_are_rounded_as_single_numbers_are() {
        let lower = [0u32, 1, 0x0fff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001, 0xffff];
        let values: Vec<f32> = (0..=0xffffu32)
            .flat_map(|upper| lower.map(|lower| f32::from_bits(upper << 16 | lower)))
            .collect();
        for dtype in [DType::F16, DType::Bf16, DType::F32, DType::E4m3] {
            let precision = Precision::Plain(dtype);
            let mut singles = values.clone();
            precision.round_singles(&mut singles);
            let mut doubles: Vec<f64> = values.iter().copied().map(f64::from).collect();
            precision.round_all(&mut doubles);
            for ((value, single), double) in values.iter().zip(singles).zip(doubles) {
                let wanted = round_to(dtype, *value);
                let same = |got: f32| got.to_bits() == wanted.to_bits() || got.is_nan() && wanted.is_nan();
                assert!(
                    same(single) && same(double as f32),
                    "{dtype} of {value:e}: {single:e}, {double:e}, not {wanted:e}"
                );
            }
        }
    }
}
