//! What a row of a form stores, by loops.

use crate::inputs::D;

/// What one row has: its query, the keys and values of its sequence, and where it stands.
pub struct At<'a> {
    pub q: &'a [f64],
    pub k: &'a [&'a [f64]],
    pub v: &'a [&'a [f64]],
    pub row: i32,
    pub head: i32,
    pub seq: i32,
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `sum of w[col] * x[col][d]` for each d.
pub fn mix(weights: &[f64], x: &[&[f64]]) -> Vec<f64> {
    (0..D).map(|d| weights.iter().zip(x).map(|(w, x)| w * x[d]).sum()).collect()
}

/// Weights over their sum, which is that of `of`; zero of nothing.
pub fn over(sums: Vec<f64>, of: &[f64]) -> Vec<f64> {
    let sum: f64 = of.iter().sum();
    sums.into_iter().map(|x| if sum == 0.0 { 0.0 } else { x / sum }).collect()
}

pub fn exps(scores: &[f64]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter().map(|s| if *s == f64::NEG_INFINITY { 0.0 } else { (s - largest).exp() }).collect()
}

pub fn lse(scores: &[f64]) -> f64 {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY { largest } else { largest + exps(scores).iter().sum::<f64>().ln() }
}

impl At<'_> {
    /// `f` of each score and its column.
    pub fn scores(&self, f: impl Fn(f64, i32) -> f64) -> Vec<f64> {
        self.k.iter().zip(0..).map(|(k, col)| f(dot(self.q, k), col)).collect()
    }

    pub fn softmax(&self, scores: &[f64]) -> Vec<f64> {
        over(mix(&exps(scores), self.v), &exps(scores))
    }
}

pub const NEVER: f64 = f64::NEG_INFINITY;
