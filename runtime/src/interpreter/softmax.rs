//! The online softmax's state, for the rows of a chunk: running maxima and sums of exponentials, in f64 whatever the
//! tiles hold.

use super::real::Real;

/// The running maximum and sum of each row.
#[derive(Clone, Debug)]
pub(super) struct OnlineSoftmax {
    max: Vec<f64>,
    sum: Vec<f64>,
}

impl OnlineSoftmax {
    /// No columns seen: maxima are -inf, sums are 0.
    pub(super) fn new(rows: usize) -> OnlineSoftmax {
        OnlineSoftmax { max: vec![f64::NEG_INFINITY; rows], sum: vec![0.0; rows] }
    }

    /// Takes in the scores of `row`, in natural units, and leaves `exp(score - new maximum)` in their place. Gives
    /// `exp(old maximum - new maximum)`, by which what was accumulated before is to be multiplied. What is added up
    /// are the exponentials before they are rounded to the tile's numbers.
    ///
    /// Scores that are NaN make the row NaN. Where no score so far is above -inf, exponentials are 0.
    pub(super) fn step<T: Real>(&mut self, row: usize, scores: &mut [T]) -> f64 {
        let old = self.max[row];
        // `max` would lose a NaN. Nothing is larger than one.
        let larger = |m: f64, s: f64| if s > m || s.is_nan() { s } else { m };
        let new = scores.iter().fold(old, |m, s| larger(m, s.wide()));
        self.max[row] = new;
        let base = if new == f64::NEG_INFINITY { 0.0 } else { new };
        let mut sum = 0.0;
        for score in scores {
            let p = (score.wide() - base).exp();
            sum += p;
            *score = T::narrow(p);
        }
        let rescale = (old - base).exp();
        self.sum[row] = self.sum[row] * rescale + sum;
        rescale
    }

    /// Divides by the row's sum; 0 where the row kept no column.
    pub(super) fn finish<T: Real>(&self, row: usize, acc: &mut [T]) {
        let sum = self.sum[row];
        for x in acc {
            *x = if sum == 0.0 { T::default() } else { T::narrow(x.wide() / sum) };
        }
    }

    /// The natural logarithm of each row's sum of exponentials; -inf where the row kept no column.
    pub(super) fn lse(&self) -> Vec<f64> {
        self.max.iter().zip(&self.sum).map(|(max, sum)| max + sum.ln()).collect()
    }
}
