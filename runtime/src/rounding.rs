//! How results are rounded: not at all, or to an element type after each operation.

use crate::tensor::round_to;
use flashpage_codegen::program::DType;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

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
