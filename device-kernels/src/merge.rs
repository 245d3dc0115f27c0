//! Merging attention over parts of the keys: outputs normalised by their own sums, and the logarithms of those sums.
//!
//! A log-sum-exp is a number, or where scores may be so large that the logarithm is lost in them, the maximum and the logarithm
//! of the sum relative to it: [`LogSumExp`]. With `m` the largest log-sum-exp, part `s` weighs `exp(lse[s] - m)`, the output is the weighted mean and the merged
//! log-sum-exp `m` and the logarithm of the weights' sum. A part that saw no key has a log-sum-exp of minus infinity:
//! it weighs nothing and its output, which may be anything, is not looked at. If no part saw a key, the output is 0
//! and the log-sum-exp minus infinity.

#[cfg(target_arch = "nvptx64")]
use crate::entry::math::{exp2, log2};

#[cfg(not(target_arch = "nvptx64"))]
fn exp2(x: f32) -> f32 {
    x.exp2()
}

#[cfg(not(target_arch = "nvptx64"))]
fn log2(x: f32) -> f32 {
    x.log2()
}

/// A part's log-sum-exp, in two numbers of which it is the sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogSumExp {
    /// All of it, or the maximum; minus infinity of a part that saw no key.
    pub largest: f32,
    /// 0, or the logarithm of the sum relative to the maximum.
    pub rest: f32,
}

/// What is known of the parts: the largest log-sum-exp, and the sum of the weights relative to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    largest: f32,
    sum: f32,
}

impl Weights {
    /// Reads the log-sum-exp of `count` parts, twice, in order.
    #[inline(always)]
    pub fn of(count: u32, lse: impl Fn(u32) -> LogSumExp) -> Weights {
        let mut largest = f32::NEG_INFINITY;
        let mut part = 0;
        while part < count {
            let lse = lse(part).largest;
            largest = if lse > largest { lse } else { largest };
            part += 1;
        }
        let mut weights = Weights { largest, sum: 0.0 };
        part = 0;
        while part < count {
            let lse = lse(part);
            if seen(lse) {
                weights.sum += weights.relative(lse);
            }
            part += 1;
        }
        weights
    }

    #[inline(always)]
    fn relative(&self, lse: LogSumExp) -> f32 {
        exp2((lse.largest - self.largest + lse.rest) * core::f32::consts::LOG2_E)
    }

    /// What a part's output is multiplied by; `None` of a part that saw no key.
    #[inline(always)]
    pub fn weight(&self, lse: LogSumExp) -> Option<f32> {
        if seen(lse) { Some(self.relative(lse) / self.sum) } else { None }
    }

    /// The merged log-sum-exp, a natural logarithm.
    #[inline(always)]
    pub fn lse(&self) -> f32 {
        if self.sum == 0.0 {
            return f32::NEG_INFINITY;
        }
        self.largest + log2(self.sum) * core::f32::consts::LN_2
    }
}

/// Whether a part saw any key. A NaN did: it is to be seen in the result.
#[inline(always)]
fn seen(lse: LogSumExp) -> bool {
    lse.largest != f32::NEG_INFINITY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(largest: f32) -> LogSumExp {
        LogSumExp { largest, rest: 0.0 }
    }

    /// What a logarithm that is lost in its maximum says all the same.
    #[test]
    fn in_two_numbers() {
        /// Maxima and sums of parts, and what each weighs.
        type Row<'a> = (&'a [(f32, f32)], &'a [f32]);
        let table: [Row; 4] = [
            (&[(-1e9, 30.0), (-1e9, 10.0)], &[0.75, 0.25]),
            (&[(f32::MIN, 1.0), (f32::MIN, 3.0)], &[0.25, 0.75]),
            (&[(-1e9, 30.0), (2.0, 5.0)], &[0.0, 1.0]),
            (&[(f32::MIN, 2.0), (f32::NEG_INFINITY, 0.0)], &[1.0, 0.0]),
        ];
        for (parts, expected) in table {
            let lse = |part: u32| {
                let (largest, sum) = parts[part as usize];
                LogSumExp { largest, rest: sum.ln() }
            };
            let weights = Weights::of(parts.len() as u32, lse);
            for (part, expected) in expected.iter().enumerate() {
                let got = weights.weight(lse(part as u32)).unwrap_or(0.0);
                assert!((got - expected).abs() < 1e-6, "{parts:?}: {got}, not {expected}");
            }
        }
    }

    #[test]
    fn as_if_never_split() {
        const NONE: f32 = f32::NEG_INFINITY;
        let table: [&[f32]; 7] = [
            &[0.0],
            &[-3.5, -3.5],
            &[1.0, 2.0, 3.0, -20.0],
            &[NONE, 7.25, NONE],
            &[90.0, -90.0, 88.0],
            &[-1000.0, -1001.0],
            &[5.0; 64],
        ];
        for parts in table {
            let weights = Weights::of(parts.len() as u32, |part| whole(parts[part as usize]));
            let largest = parts.iter().copied().fold(NONE, f32::max);
            let exact: f64 = parts.iter().map(|lse| (f64::from(*lse) - f64::from(largest)).exp()).sum();
            let lse = f64::from(largest) + exact.ln();
            assert!(
                (f64::from(weights.lse()) - lse).abs() <= 1e-6 * lse.abs().max(1.0),
                "{parts:?}: {weights:?}"
            );
            for part in parts {
                let expected = (f64::from(*part) - f64::from(largest)).exp() / exact;
                let got = f64::from(weights.weight(whole(*part)).unwrap_or(0.0));
                assert!((got - expected).abs() <= 1e-6, "{parts:?}: {got}, not {expected}");
                assert_eq!(weights.weight(whole(*part)).is_none(), *part == NONE);
            }
        }
        for parts in [&[][..], &[NONE], &[NONE; 5]] {
            let weights = Weights::of(parts.len() as u32, |part| whole(parts[part as usize]));
            assert_eq!(weights.lse(), NONE, "{parts:?}");
        }
        assert!(Weights::of(2, |part| whole(if part == 0 { f32::NAN } else { NONE })).lse().is_nan());
    }
}
