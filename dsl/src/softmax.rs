//! The online softmax: row maxima and row sums that grow with every column tile.

use crate::axis::{Cols, Dim, Rows};
use crate::instance::{self, Grid, Owns, Span};
use crate::params::RowInput;
use crate::tile::{At, RowVector, Tile};

/// The running maximum and sum of each row, in f64.
///
/// After all columns have been through [`OnlineSoftmax::step`], [`OnlineSoftmax::finish`] gives what a softmax
/// over the whole row would have. A row that keeps no column gives O = 0 and LSE = -inf.
#[derive(Clone, Debug)]
#[must_use = "a softmax does nothing until `step` is called"]
pub struct OnlineSoftmax {
    max: Vec<f64>,
    sum: Vec<f64>,
    /// Of each row, the logarithm of the sum of the exponentials of its sinks.
    sinks: Vec<f64>,
}

impl OnlineSoftmax {
    /// No columns seen: maxima are -inf, sums are 0.
    // `Default` would offer a second spelling, which the compiler's front end would have to know.
    #[allow(clippy::new_without_default)]
    pub fn new() -> OnlineSoftmax {
        let rows = instance::with(|i| {
            i.expect(Owns::Rows);
            i.rows.len()
        });
        OnlineSoftmax {
            max: vec![f64::NEG_INFINITY; rows],
            sum: vec![0.0; rows],
            sinks: vec![f64::NEG_INFINITY; rows],
        }
    }

    /// Rows that have seen columns elsewhere, of which these are the natural log-sum-exps, as [`OnlineSoftmax::lse`] gives them;
    /// minus infinity where there was none. The accumulator goes with it: `Tile::resume(o)`.
    pub fn resume(lse: RowInput<'_>) -> OnlineSoftmax {
        OnlineSoftmax::from_natural(lse, 1.0)
    }

    /// The same of log-sum-exps to base 2, as [`OnlineSoftmax::lse_base2`] gives them, and FlashInfer.
    pub fn resume_base2(lse: RowInput<'_>) -> OnlineSoftmax {
        OnlineSoftmax::from_natural(lse, std::f64::consts::LN_2)
    }

    fn from_natural(lse: RowInput<'_>, unit: f64) -> OnlineSoftmax {
        let lse = lse.tile();
        let max: Vec<f64> =
            instance::with(|i| lse.get(i).data.iter().map(|lse| f64::from(*lse) * unit).collect());
        let sum = max.iter().map(|max| if *max == f64::NEG_INFINITY { 0.0 } else { 1.0 }).collect();
        OnlineSoftmax { sinks: vec![f64::NEG_INFINITY; max.len()], max, sum }
    }

    /// Takes in a tile of scores (in natural units), rescales `acc` by `exp(old maximum - new maximum)` and
    /// gives the unnormalised probabilities `exp(score - new maximum)`. A score that is NaN makes its row NaN.
    pub fn step<const D: usize>(
        &mut self,
        scores: Tile<Rows, Cols>,
        acc: &mut Tile<Rows, Dim<D>>,
    ) -> Tile<Rows, Cols> {
        instance::with(|i| {
            let mut p = scores.get(i);
            let mut scaled = acc.get(i);
            for r in 0..p.rows.len {
                let line = &mut p.data[r * p.cols.len..][..p.cols.len];
                let old = self.max[r];
                // `max` would lose a NaN. Nothing is larger than one.
                let larger = |max: f64, s: f64| if s > max || s.is_nan() { s } else { max };
                let new = line.iter().fold(old, |max, &s| larger(max, f64::from(s)));
                self.max[r] = new;
                // Nothing kept so far: there is no maximum to subtract, and -inf - -inf is NaN.
                let base = if new == f64::NEG_INFINITY { 0.0 } else { new };
                let rescale = (old - base).exp();
                self.sum[r] *= rescale;
                for s in line {
                    let p = (f64::from(*s) - base).exp();
                    self.sum[r] += p;
                    *s = p as f32;
                }
                for x in &mut scaled.data[r * D..][..D] {
                    // Of a row that had seen nothing there is nothing, whatever it began as.
                    *x = if old == f64::NEG_INFINITY { 0.0 } else { (f64::from(*x) * rescale) as f32 };
                }
            }
            acc.replace(i, scaled);
            Tile::put(i, p)
        })
    }

    /// Gives each row's softmax one more score, in natural units, of a column that holds no value: what is learned of a head
    /// (`|at| sinks[at.head]`), or 0, which adds 1 to the sum (`|_| 0.0`).
    pub fn sink(&mut self, logit: impl Fn(At) -> f32) {
        let (place, rows) = instance::with(|i| (At::of(i), i.row_span()));
        for (row, sinks) in self.sinks.iter_mut().enumerate() {
            let at = place.at(Some(rows.first.wrapping_add(row as i32)), None);
            *sinks = log_add(*sinks, f64::from(logit(at)));
        }
    }

    /// `acc` over the row sums; zero in rows that kept no column.
    pub fn finish<const D: usize>(&self, acc: Tile<Rows, Dim<D>>) -> Tile<Rows, Dim<D>> {
        instance::with(|i| {
            let mut out = acc.get(i);
            for (row, line) in out.data.chunks_exact_mut(D.max(1)).enumerate() {
                let all = self.sum[row] + (self.sinks[row] - self.max[row]).exp();
                for x in line {
                    *x = if self.sum[row] == 0.0 { 0.0 } else { (f64::from(*x) / all) as f32 };
                }
            }
            Tile::put(i, out)
        })
    }

    /// The natural logarithm of each row's sum of exponentials, its sinks' among them; -inf in rows that kept no column and have
    /// none.
    pub fn lse(&self) -> RowVector {
        self.lse_times(1.0)
    }

    /// The same to base 2, as FlashInfer has it: [`OnlineSoftmax::lse`] times log₂ e.
    pub fn lse_base2(&self) -> RowVector {
        self.lse_times(std::f64::consts::LOG2_E)
    }

    fn lse_times(&self, unit: f64) -> RowVector {
        let own = self.max.iter().zip(&self.sum).map(|(max, sum)| max + sum.ln());
        let data = own.zip(&self.sinks).map(|(own, sinks)| (log_add(own, *sinks) * unit) as f32).collect();
        instance::with(|i| Tile::put(i, Grid { rows: i.row_span(), cols: Span { first: 0, len: 1 }, data }))
    }
}

/// The logarithm of the sum of two exponentials.
fn log_add(a: f64, b: f64) -> f64 {
    let (less, more) = if a < b { (a, b) } else { (b, a) };
    if less == f64::NEG_INFINITY { more } else { more + (less - more).exp().ln_1p() }
}
