//! Whether a result is right: one rule for outputs, one for the log-sum-exp.
//!
//! An output passes when its largest error is at most twice that of the same computation done plainly
//! in its precision, and its direction and its relative L2 error are within fixed caps. The caps catch what a
//! maximum cannot see, such as a small error everywhere; the maximum catches the one bad row.
//!
//! The allowed error never falls below one rounding unit of the largest output. Where the plain computation
//! happens to be exact (one key, or values that are powers of two) twice its error is nothing, and a kernel
//! that adds up in another order may still round the last bit differently.
//!
//! An output may have another type than the inputs. The plain computation rounds what it stores to the output's type: to f32,
//! not at all, so what it loses is what rounding the probabilities loses, and twice that is what a kernel may lose. Its unit
//! and caps are those of the coarser of the two types ([`judged_as`]): a kernel of 16 bits that stores f32 still multiplies
//! probabilities of 16 bits, and which multiples of them it rounds depends on the order of its tiles.
//!
//! Of inputs of 8 bits the plain computation rounds probabilities alone, to e4m3 as a kernel does, and caps are wider by as much. Its sums over a
//! head dimension are those of Hopper's tensor cores, which keep 13 bits behind the point; those over keys are f32.
//!
//! Of f32 inputs the plain computation rounds the factors of products as a kernel does ([`Factors`]): to tf32, or to two of bf16.
//! So a split that is wrong is found, and products of tf32 are not taken for split ones. Scores lose by it too, and
//! with them the log-sum-exp ([`lse_allowance`]).

use crate::rounding::Factors;
use flashpage_codegen::program::DType;
use flashpage_codegen::schedule::F32Products;
use std::fmt;

/// Largest cosine distance of an output, of factors of 16 bits and more.
pub const MAX_COSINE_DISTANCE: f64 = 5e-6;

/// Absolute and relative tolerance of the log-sum-exp.
pub const LSE_TOLERANCE: f64 = 1e-5;

/// Largest relative L2 error of an output: some three times what rounding the probabilities and the output
/// to the type gives on random inputs.
pub fn max_relative_l2(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 1e-3,
        DType::Bf16 => 8e-3,
        DType::F32 => 1e-5,
        DType::I32 => 0.0,
        DType::E4m3 => 0.128,
        DType::E5m2 => 0.256,
    }
}

impl Factors {
    /// Largest relative L2 error of an output, as [`max_relative_l2`].
    pub fn max_relative_l2(self) -> f64 {
        match self {
            Factors::Of(dtype) => max_relative_l2(dtype),
            // Probabilities with three bits behind the first: by these alone 1.8e-2 of normal inputs over 16 keys, 2.6e-2 over 8192.
            Factors::EightBits => 7e-2,
            // As many digits as f16.
            Factors::F32(F32Products::Tf32) => 1e-3,
            Factors::F32(F32Products::Bf16x3) => 2e-5,
        }
    }

    /// Largest cosine distance of an output.
    pub fn max_cosine_distance(self) -> f64 {
        match self {
            // Half the square of what the relative L2 error may be.
            Factors::EightBits => 2.5e-3,
            _ => MAX_COSINE_DISTANCE,
        }
    }

    /// The distance between neighbouring numbers around `magnitude`, as [`rounding_unit`]. Where factors are split, the most that
    /// a product loses: half a unit of 16 digits of either factor, and the product of two small parts, which is a whole one.
    /// The probability of a row's largest score loses nothing of that in the plain computation, where it is 1; in a kernel,
    /// which may keep it relative to an older maximum, it does.
    pub fn unit(self, magnitude: f64) -> f64 {
        match self {
            Factors::Of(dtype) => rounding_unit(dtype, magnitude),
            // The probability of a row's largest score is a power of two in the plain computation, and rounds in a kernel that keeps it
            // relative to an older maximum.
            Factors::EightBits => rounding_unit(DType::E4m3, magnitude),
            Factors::F32(F32Products::Tf32) => unit_of((10, -126), magnitude),
            Factors::F32(F32Products::Bf16x3) => unit_of((15, -126), magnitude),
        }
    }
}

/// By whose rounding unit and caps an output is judged, that is of `output` where factors are of `factors`: the one with fewer
/// digits.
pub fn judged_as(factors: impl Into<Factors>, output: DType) -> Factors {
    let (factors, output) = (factors.into(), Factors::Of(output));
    if output.unit(1.0) > factors.unit(1.0) { output } else { factors }
}

/// The distance between neighbouring numbers of a type around `magnitude`.
pub fn rounding_unit(dtype: DType, magnitude: f64) -> f64 {
    unit_of(
        match dtype {
            DType::F16 => (10, -14),
            DType::Bf16 => (7, -126),
            DType::F32 => (23, -126),
            DType::I32 => return 0.0,
            DType::E4m3 => (3, -6),
            DType::E5m2 => (2, -14),
        },
        magnitude,
    )
}

/// The same of numbers with so many digits of the significand after the first, and this exponent of the smallest normal one.
fn unit_of((digits, smallest): (i32, i32), magnitude: f64) -> f64 {
    if magnitude == 0.0 || !magnitude.is_finite() {
        return 0.0;
    }
    let exponent = (magnitude.abs().log2().floor() as i32).max(smallest);
    2f64.powi(exponent - digits)
}

/// One element and what was allowed of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// Its index, row-major.
    pub index: usize,
    /// What the kernel gave.
    pub got: f64,
    /// What the reference gives.
    pub expected: f64,
    /// How far apart they are; NaN if one is not a finite number and they differ.
    pub error: f64,
    /// How far apart they may be.
    pub allowed: f64,
}

/// What was found of one output.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether every rule holds.
    pub passed: bool,
    /// The rule that does not hold, with its numbers; empty if all do.
    pub failure: String,
    /// The worst element; `None` of an empty output.
    pub worst: Option<Worst>,
    /// The largest error of the plain computation, where it was asked for.
    pub plain_error: Option<f64>,
    /// 1 minus the cosine of the angle between result and reference.
    pub cosine_distance: f64,
    /// L2 norm of the difference over that of the reference.
    pub relative_l2: f64,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", if self.passed { "ok    " } else { "FAILED" })?;
        if let Some(worst) = self.worst {
            write!(f, "  error {:.3e} of {:.3e} allowed", worst.error, worst.allowed)?;
        }
        if let Some(plain) = self.plain_error {
            write!(f, "  plain {plain:.3e}")?;
        }
        write!(f, "  cos {:.2e}  l2 {:.2e}", self.cosine_distance, self.relative_l2)?;
        if !self.passed {
            if let Some(worst) = self.worst {
                write!(f, "  at [{}]: {} instead of {}", worst.index, worst.got, worst.expected)?;
            }
            write!(f, "  ({})", self.failure)?;
        }
        Ok(())
    }
}

/// Whether two numbers that are not both finite are the same: NaN and NaN, or infinities of one sign.
pub(crate) fn same_special(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan()
}

/// Cosine distance and relative L2 error over the elements that are finite in both.
pub(crate) fn distances(pairs: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let (mut product, mut got_square, mut expected_square, mut difference) = (0.0, 0.0, 0.0, 0.0);
    for (g, e) in pairs.filter(|(g, e)| g.is_finite() && e.is_finite()) {
        product += g * e;
        got_square += g * g;
        expected_square += e * e;
        difference += (g - e) * (g - e);
    }
    let cosine = if got_square == 0.0 && expected_square == 0.0 {
        0.0
    } else if got_square == 0.0 || expected_square == 0.0 {
        1.0
    } else {
        // Rounding may bring the cosine over 1 by a hair.
        (1.0 - product / (got_square.sqrt() * expected_square.sqrt())).max(0.0)
    };
    let l2 = match (difference == 0.0, expected_square == 0.0) {
        (true, _) => 0.0,
        (false, true) => f64::INFINITY,
        (false, false) => (difference / expected_square).sqrt(),
    };
    (cosine, l2)
}

/// The element with the largest error over its allowance. Special numbers must be the same: where they are
/// not, that element is the worst.
fn worst(got: &[f64], expected: &[f64], allowed: impl Fn(f64) -> f64) -> Option<Worst> {
    let mut worst: Option<(f64, Worst)> = None;
    for (index, (got, expected)) in got.iter().copied().zip(expected.iter().copied()).enumerate() {
        // A number that is not finite must be met exactly.
        let allowed = if expected.is_finite() { allowed(expected) } else { 0.0 };
        let (error, badness) = if got.is_finite() && expected.is_finite() {
            let error = (got - expected).abs();
            (error, if error == 0.0 { 0.0 } else { error / allowed })
        } else if same_special(got, expected) {
            (0.0, 0.0)
        } else {
            (f64::NAN, f64::INFINITY)
        };
        if worst.is_none_or(|(most, _)| badness > most) {
            worst = Some((badness, Worst { index, got, expected, error, allowed }));
        }
    }
    worst.map(|(_, worst)| worst)
}

fn verdict(got: &[f64], expected: &[f64], plain_error: Option<f64>, allowed: impl Fn(f64) -> f64) -> Verdict {
    let (cosine_distance, relative_l2) = distances(got.iter().copied().zip(expected.iter().copied()));
    let worst = worst(got, expected, allowed);
    let mut failure = String::new();
    if got.len() != expected.len() {
        failure = format!("{} elements instead of {}", got.len(), expected.len());
    } else if let Some(worst) = worst {
        if worst.error.is_nan() {
            failure = "a number that is not finite".into();
        } else if worst.error > worst.allowed {
            failure = "an error larger than allowed".into();
        }
    }
    Verdict { passed: failure.is_empty(), failure, worst, plain_error, cosine_distance, relative_l2 }
}

/// The rule for an output tensor.
///
/// `got` are the kernel's numbers, `expected` the reference's and `plain` the plain computation's, all of one
/// length; `judged` is the type of inputs and output, or [`judged_as`] of the two. NaN in `expected` is a failure of the
/// reference's inputs, and so of the check.
pub fn check_output(got: &[f64], expected: &[f64], plain: &[f64], judged: impl Into<Factors>) -> Verdict {
    let judged = judged.into();
    let plain_error = largest_error(plain, expected);
    let largest = expected.iter().copied().filter(|e| e.is_finite()).fold(0.0, |m: f64, e| m.max(e.abs()));
    let allowed = (2.0 * plain_error).max(judged.unit(largest));
    let mut verdict = verdict(got, expected, Some(plain_error), |_| allowed);
    if let Some(index) = got.iter().position(|x| x.is_nan()) {
        verdict.failure = "NaN".into();
        verdict.worst = Some(Worst {
            index,
            got: f64::NAN,
            expected: expected.get(index).copied().unwrap_or(f64::NAN),
            error: f64::NAN,
            allowed,
        });
    } else if verdict.failure.is_empty() && verdict.cosine_distance > judged.max_cosine_distance() {
        verdict.failure = format!("cosine distance over {:e}", judged.max_cosine_distance());
    } else if verdict.failure.is_empty() && verdict.relative_l2 > judged.max_relative_l2() {
        verdict.failure = format!("relative L2 over {:e}", judged.max_relative_l2());
    }
    verdict.passed = verdict.failure.is_empty();
    verdict
}

/// The largest error of a plain computation.
fn largest_error(plain: &[f64], expected: &[f64]) -> f64 {
    let errors = plain.iter().zip(expected).map(|(p, e)| (p - e).abs());
    // A plain computation that overflows its type allows nothing.
    errors.filter(|error| error.is_finite()).fold(0.0, f64::max)
}

/// The rule for a log-sum-exp: within 1e-5 plus 1e-5 of its size; minus infinity exactly where expected.
pub fn check_lse(got: &[f64], expected: &[f64]) -> Verdict {
    check_lse_beside(got, expected, 0.0)
}

/// What a log-sum-exp may be off beside [`check_lse`]: nothing where products are of the inputs as they are; of f32 inputs, of
/// which factors are rounded before scores are there, and of 8 bits, whose scores tensor cores cut off, twice the largest error of the plain
/// computation.
pub fn lse_allowance(plain: &[f64], expected: &[f64], factors: Factors) -> f64 {
    match factors {
        Factors::Of(_) => 0.0,
        Factors::EightBits | Factors::F32(_) => 2.0 * largest_error(plain, expected),
    }
}

/// [`check_lse`] with [`lse_allowance`].
pub fn check_lse_beside(got: &[f64], expected: &[f64], beside: f64) -> Verdict {
    let allowed = |expected: f64| LSE_TOLERANCE * (1.0 + expected.abs()) + beside;
    let mut verdict = verdict(got, expected, None, allowed);
    if let Some(index) = got.iter().position(|x| x.is_nan()) {
        verdict.failure = "NaN".into();
        verdict.passed = false;
        verdict.worst = Some(Worst {
            index,
            got: f64::NAN,
            expected: expected.get(index).copied().unwrap_or(f64::NAN),
            error: f64::NAN,
            allowed: LSE_TOLERANCE + beside,
        });
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_units() {
        let table = [
            (DType::F16, 1.0, 2f64.powi(-10)),
            (DType::F16, 1.999, 2f64.powi(-10)),
            (DType::F16, 0.5, 2f64.powi(-11)),
            (DType::F16, 1e-9, 2f64.powi(-24)),
            (DType::Bf16, 3.0, 2f64.powi(-6)),
            (DType::F32, 1.0, 2f64.powi(-23)),
            (DType::F16, 0.0, 0.0),
        ];
        for (dtype, magnitude, expected) in table {
            assert_eq!(rounding_unit(dtype, magnitude), expected, "{dtype} {magnitude}");
        }
    }

    #[test]
    fn outputs() {
        const NAN: f64 = f64::NAN;
        let expected = [1.0, -0.5, 0.25, 0.0];
        let plain = [1.0, -0.5, 0.2505, 0.0];
        let table: [(&str, [f64; 4], &str); 7] = [
            ("exact", expected, ""),
            ("within twice the plain error", [1.0009, -0.5, 0.25, 0.0], ""),
            ("over twice the plain error", [1.0011, -0.5, 0.25, 0.0], "an error larger than allowed"),
            ("NaN", [1.0, NAN, 0.25, 0.0], "NaN"),
            ("infinite", [1.0, f64::INFINITY, 0.25, 0.0], "a number that is not finite"),
            ("zeros", [0.0; 4], "an error larger than allowed"),
            ("small everywhere", [1.0008, -0.5008, 0.2508, 0.0008], "relative L2 over 1e-3"),
        ];
        for (name, got, failure) in table {
            let verdict = check_output(&got, &expected, &plain, DType::F16);
            assert_eq!(
                (verdict.failure.as_str(), verdict.passed),
                (failure, failure.is_empty()),
                "{name}: {verdict}"
            );
        }
        // The plain computation is exact: one rounding unit of the largest element is allowed all the same.
        let unit = 2f64.powi(-10);
        assert!(check_output(&[1.0 + unit, -0.5, 0.25, 0.0], &expected, &expected, DType::F16).passed);
        assert!(!check_output(&[1.0 + 1.5 * unit, -0.5, 0.25, 0.0], &expected, &expected, DType::F16).passed);
        assert!(check_output(&[], &[], &[], DType::F16).passed);
        assert!(check_output(&[0.0; 3], &[0.0; 3], &[0.0; 3], DType::F16).passed);
        assert!(!check_output(&[1e-6; 3], &[0.0; 3], &[0.0; 3], DType::F16).passed);
        assert!(!check_output(&[1.0], &[1.0, 2.0], &[1.0, 2.0], DType::F16).passed);
    }

    #[test]
    fn log_sum_exp() {
        const LOW: f64 = f64::NEG_INFINITY;
        let table = [
            (10.0, 10.0001, true),
            (10.0, 10.0002, false),
            (0.0, 9e-6, true),
            (LOW, LOW, true),
            (LOW, -1e30, false),
            (-1e30, LOW, false),
            (1.0, f64::NAN, false),
            (LOW, f64::NAN, false),
        ];
        for (expected, got, passes) in table {
            assert_eq!(check_lse(&[0.0, got], &[0.0, expected]).passed, passes, "{got} for {expected}");
        }
    }

    #[test]
    fn rows_read_well() {
        let verdict = check_output(&[1.5, 2.0], &[1.0, 2.0], &[1.0, 2.0], DType::F16);
        assert_eq!(
            verdict.to_string(),
            "FAILED  error 5.000e-1 of 1.953e-3 allowed  plain 0.000e0  cos 1.61e-2  l2 2.24e-1  at [0]: 1.5 instead of 1  (an error larger than allowed)"
        );
    }
}
