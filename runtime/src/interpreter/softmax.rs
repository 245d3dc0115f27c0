//! The online softmax's state, for the rows of a chunk: running maxima and sums of exponentials, in f64 whatever the
//! tiles hold.

use super::real::Real;

/// The running maximum and sum of each row.
#[derive(Clone, Debug)]
pub(super) struct OnlineSoftmax {
    max: Vec<f64>,
    sum: Vec<f64>,
    /// Of each row, the logarithm of the sum of the exponentials of its sinks.
    sinks: Vec<f64>,
}

impl OnlineSoftmax {
    /// No columns seen: maxima are -inf, sums are 0.
    pub(super) fn new(rows: usize) -> OnlineSoftmax {
        let nothing = vec![f64::NEG_INFINITY; rows];
        OnlineSoftmax { max: nothing.clone(), sum: vec![0.0; rows], sinks: nothing }
    }

    /// Rows that have these log-sum-exps, of columns that were seen elsewhere; minus infinity where there were none.
    pub(super) fn resumed(lse: Vec<f64>) -> OnlineSoftmax {
        let sum = lse.iter().map(|lse| if *lse == f64::NEG_INFINITY { 0.0 } else { 1.0 }).collect();
        OnlineSoftmax { sinks: vec![f64::NEG_INFINITY; lse.len()], max: lse, sum }
    }

    /// Whether a row has had a score above minus infinity.
    pub(super) fn has_seen(&self, row: usize) -> bool {
        self.max[row] != f64::NEG_INFINITY
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

    /// Gives a row one more score, of a column without a value.
    pub(super) fn sink(&mut self, row: usize, logit: f64) {
        self.sinks[row] = log_add(self.sinks[row], logit);
    }

    /// Divides by the row's sum; 0 where the row kept no column.
    pub(super) fn finish<T: Real>(&self, row: usize, acc: &mut [T]) {
        let all = self.sum[row] + (self.sinks[row] - self.max[row]).exp();
        for x in acc {
            *x = if self.sum[row] == 0.0 { T::default() } else { T::narrow(x.wide() / all) };
        }
    }

    /// The natural logarithm of each row's sum of exponentials, its sinks' among them; -inf where there is none.
    pub(super) fn lse(&self) -> Vec<f64> {
        let own = self.max.iter().zip(&self.sum).map(|(max, sum)| max + sum.ln());
        own.zip(&self.sinks).map(|(own, sinks)| log_add(own, *sinks)).collect()
    }
}

/// The logarithm of the sum of two exponentials.
fn log_add(a: f64, b: f64) -> f64 {
    let (less, more) = if a < b { (a, b) } else { (b, a) };
    if less == f64::NEG_INFINITY { more } else { more + (less - more).exp().ln_1p() }
}
