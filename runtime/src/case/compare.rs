//! One buffer against what it should hold.

use crate::check::{distances, same_special};
use crate::npy::Array;
use std::fmt;

/// How a buffer compares with what was expected of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// The buffer.
    pub buffer: String,
    /// Whether it is as expected.
    pub passed: bool,
    /// What is not as expected; empty if all is.
    pub failure: String,
    /// Largest difference of two finite numbers.
    pub max_abs: f64,
    /// L2 norm of the difference over that of what was expected.
    pub relative_l2: f64,
    /// Index of the worst element, row-major, with what is there and what should be.
    pub worst: Option<(usize, f64, f64)>,
    /// The buffer's shape, to name the worst element by.
    pub shape: Vec<usize>,
}

impl Comparison {
    /// The worst element's index along each dimension.
    fn worst_index(&self) -> String {
        let Some((mut index, ..)) = self.worst else { return String::new() };
        let mut along = Vec::new();
        for dim in self.shape.iter().rev() {
            along.push((index % dim.max(&1)).to_string());
            index /= dim.max(&1);
        }
        along.reverse();
        along.join(", ")
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.passed { "ok    " } else { "FAILED" };
        write!(f, "{word} {}: max_abs {:.3e}  rel_l2 {:.3e}", self.buffer, self.max_abs, self.relative_l2)?;
        if !self.passed {
            write!(f, "  ({})", self.failure)?;
        }
        if let Some((_, got, expected)) = self.worst.filter(|_| !self.passed || self.max_abs > 0.0) {
            write!(f, "  worst [{}]: {got} instead of {expected}", self.worst_index())?;
        }
        Ok(())
    }
}

/// Compares; without any tolerance the numbers must be equal.
pub(super) fn compare(
    buffer: &str,
    got: &Array,
    expected: &Array,
    max_abs: Option<f64>,
    max_rel_l2: Option<f64>,
) -> Comparison {
    let mut result = Comparison {
        buffer: buffer.to_string(),
        passed: false,
        failure: String::new(),
        max_abs: 0.0,
        relative_l2: 0.0,
        worst: None,
        shape: got.shape.clone(),
    };
    if got.len() != expected.len() {
        result.failure = format!("{} elements, and {} are expected", got.len(), expected.len());
        return result;
    }
    // The first element that is not a number where one is expected, or the other way round, is the worst of all.
    let mut odd = None;
    // Element by element: a buffer may fill much of the memory.
    let mut index = 0;
    let pairs = got.elements().zip(expected.elements()).inspect(|(g, e)| {
        if !g.is_finite() || !e.is_finite() {
            if !same_special(*g, *e) && odd.is_none() {
                odd = Some((index, *g, *e));
            }
        } else if result.worst.is_none() || (g - e).abs() > result.max_abs {
            result.max_abs = (g - e).abs();
            result.worst = Some((index, *g, *e));
        }
        index += 1;
    });
    let relative_l2 = distances(pairs).1;
    result.relative_l2 = relative_l2;
    let exact = max_abs.is_none() && max_rel_l2.is_none();
    if let Some((_, g, e)) = odd {
        result.worst = odd;
        result.failure = format!("{g} where {e} is expected");
    } else if exact && result.max_abs > 0.0 {
        result.failure = "not equal, and no tolerance is given".into();
    } else if exact && got.ty == expected.ty && got.ty.is_integer() && got.bytes != expected.bytes {
        // 64-bit integers that differ in bits that an f64 does not hold.
        result.failure = "not equal in the last bits, and no tolerance is given".into();
    } else if let Some(most) = max_abs.filter(|most| result.max_abs > *most) {
        result.failure = format!("max_abs over {most:e}");
    } else if let Some(most) = max_rel_l2.filter(|most| result.relative_l2 > *most) {
        result.failure = format!("rel_l2 over {most:e}");
    }
    result.passed = result.failure.is_empty();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npy::NumberType;

    fn array(values: &[f64]) -> Array {
        let ty = NumberType::F64;
        Array { ty, shape: vec![values.len()], bytes: values.iter().flat_map(|x| ty.write(*x)).collect() }
    }

    #[test]
    fn comparisons() {
        const NAN: f64 = f64::NAN;
        const INF: f64 = f64::INFINITY;
        type Row<'a> = (&'a [f64], &'a [f64], Option<f64>, Option<f64>, &'a str, Option<usize>);
        let table: &[Row<'_>] = &[
            (&[1.0, 2.0], &[1.0, 2.0], None, None, "", Some(0)),
            (&[1.0, 2.5], &[1.0, 2.0], None, None, "not equal, and no tolerance is given", Some(1)),
            (&[1.0, 2.5], &[1.0, 2.0], Some(0.5), None, "", Some(1)),
            (&[1.0, 2.5], &[1.0, 2.0], Some(0.4), None, "max_abs over 4e-1", Some(1)),
            (&[1.0, 2.5], &[1.0, 2.0], Some(0.5), Some(0.1), "rel_l2 over 1e-1", Some(1)),
            (&[1.0, 2.5], &[1.0, 2.0], None, Some(0.3), "", Some(1)),
            (&[9.0, NAN], &[1.0, 2.0], Some(99.0), None, "NaN where 2 is expected", Some(1)),
            (&[1.0, 2.0], &[1.0, NAN], Some(99.0), None, "2 where NaN is expected", Some(1)),
            (&[NAN, INF, 1.0], &[NAN, INF, 1.0], None, None, "", Some(2)),
            (&[-INF], &[INF], Some(1.0), None, "-inf where inf is expected", Some(0)),
            (&[0.1], &[0.0], None, Some(1.0), "rel_l2 over 1e0", Some(0)),
            (&[], &[], Some(0.0), None, "", None),
            (&[1.0], &[1.0, 2.0], Some(9.0), None, "1 elements, and 2 are expected", None),
        ];
        for (got, expected, max_abs, max_rel_l2, failure, worst) in table {
            let result = compare("o", &array(got), &array(expected), *max_abs, *max_rel_l2);
            assert_eq!(result.failure, *failure, "{got:?} {expected:?}");
            assert_eq!(
                (result.passed, result.worst.map(|w| w.0)),
                (failure.is_empty(), *worst),
                "{got:?} {expected:?}"
            );
        }
    }

    #[test]
    fn the_worst_element_is_named_along_each_dimension() {
        let mut got = array(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        got.shape = vec![2, 3];
        let comparison = compare("o", &got, &array(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.5]), Some(0.1), None);
        assert_eq!(
            comparison.to_string(),
            "FAILED o: max_abs 5.000e-1  rel_l2 6.442e-2  (max_abs over 1e-1)  worst [1, 2]: 5 instead of 5.5"
        );
    }
}
