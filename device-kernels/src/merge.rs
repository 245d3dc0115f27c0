//! Merging attention over parts of the keys: outputs normalised by their own sums, and the logarithms of those sums.
//!
//! With `m` the largest log-sum-exp, part `s` weighs `exp(lse[s] - m)` (a power of 2 where logarithms are of base 2), the output is the weighted mean and the merged
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

/// The logarithms that parts come with and the whole is given: what one is multiplied by to be one of base 2, and back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// log₂ e of natural logarithms, 1 of those of base 2.
    pub to_base2: f32,
    /// ln 2 of natural logarithms, 1 of those of base 2.
    pub from_base2: f32,
}

/// What is known of the parts: the largest log-sum-exp, and the sum of the weights relative to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    largest: f32,
    sum: f32,
    unit: Unit,
}

impl Weights {
    /// Reads the log-sum-exp of `count` parts, twice, in order.
    #[inline(always)]
    pub fn of(unit: Unit, count: u32, lse: impl Fn(u32) -> f32) -> Weights {
        let mut largest = f32::NEG_INFINITY;
        let mut part = 0;
        while part < count {
            let lse = lse(part);
            largest = if lse > largest { lse } else { largest };
            part += 1;
        }
        let mut weights = Weights { largest, sum: 0.0, unit };
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
    fn relative(&self, lse: f32) -> f32 {
        exp2((lse - self.largest) * self.unit.to_base2)
    }

    /// What a part's output is multiplied by; `None` of a part that saw no key.
    #[inline(always)]
    pub fn weight(&self, lse: f32) -> Option<f32> {
        if seen(lse) { Some(self.relative(lse) / self.sum) } else { None }
    }

    /// The merged log-sum-exp.
    #[inline(always)]
    pub fn lse(&self) -> f32 {
        if self.sum == 0.0 {
            return f32::NEG_INFINITY;
        }
        self.largest + log2(self.sum) * self.unit.from_base2
    }
}

/// Whether a part saw any key. A NaN did: it is to be seen in the result.
#[inline(always)]
fn seen(lse: f32) -> bool {
    lse != f32::NEG_INFINITY
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: [(Unit, f64); 2] = [
        (
            Unit { to_base2: core::f32::consts::LOG2_E, from_base2: core::f32::consts::LN_2 },
            core::f64::consts::LN_2,
        ),
        (Unit { to_base2: 1.0, from_base2: 1.0 }, 1.0),
    ];

    #[test]
    fn as_if_never_split() {
        for (unit, of_base2) in UNITS {
            merged_is_the_whole(unit, of_base2);
        }
    }

    fn merged_is_the_whole(unit: Unit, of_base2: f64) {
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
            let weights = Weights::of(unit, parts.len() as u32, |part| parts[part as usize]);
            let largest = parts.iter().copied().fold(NONE, f32::max);
            let exact: f64 =
                parts.iter().map(|lse| ((f64::from(*lse) - f64::from(largest)) / of_base2).exp2()).sum();
            let lse = f64::from(largest) + exact.log2() * of_base2;
            assert!(
                (f64::from(weights.lse()) - lse).abs() <= 1e-6 * lse.abs().max(1.0),
                "{parts:?}: {weights:?}"
            );
            for part in parts {
                let expected = ((f64::from(*part) - f64::from(largest)) / of_base2).exp2() / exact;
                let got = f64::from(weights.weight(*part).unwrap_or(0.0));
                assert!((got - expected).abs() <= 1e-6, "{parts:?}: {got}, not {expected}");
                assert_eq!(weights.weight(*part).is_none(), *part == NONE);
            }
        }
        for parts in [&[][..], &[NONE], &[NONE; 5]] {
            let weights = Weights::of(unit, parts.len() as u32, |part| parts[part as usize]);
            assert_eq!(weights.lse(), NONE, "{parts:?}");
        }
        assert!(Weights::of(unit, 2, |part| if part == 0 { f32::NAN } else { NONE }).lse().is_nan());
    }
}
