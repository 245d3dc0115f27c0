//! Vectors of numbers that score functions index: a file for all of them, which the prelude takes whole.
//!
//! They do here what they do in a kernel: an index below 0 reads the first number, one past the end the last, and of a
//! vector without numbers any reads 0.

use crate::element::Scalar;
use crate::instance;
use std::ops::{Index, Range};

/// The number at an index, or the nearest.
fn nearest<S: Scalar>(values: &[S], at: i32) -> &S {
    values.get(at.max(0) as usize).or(values.last()).unwrap_or(S::ZERO)
}

/// `PerHead<f32>`, `PerHead<i32>`: `[q_heads]`, a number for each query head, read as `slopes[at.head]`.
#[derive(Clone, Copy, Debug)]
pub struct PerHead<'a, S>(&'a [S]);

/// `PerSequence<f32>`, `PerSequence<i32>`: `[sequences]`, a number for each sequence, read as `prefixes[at.seq]`.
#[derive(Clone, Copy, Debug)]
pub struct PerSequence<'a, S>(&'a [S]);

macro_rules! of_the_batch {
    ($Name:ident) => {
        impl<'a, S: Scalar> $Name<'a, S> {
            /// All of its numbers, in order.
            pub fn new(values: &'a [S]) -> Self {
                $Name(values)
            }
        }

        impl<S: Scalar> Index<i32> for $Name<'_, S> {
            type Output = S;

            fn index(&self, at: i32) -> &S {
                nearest(self.0, at)
            }
        }
    };
}

of_the_batch!(PerHead);
of_the_batch!(PerSequence);

/// `HeadScales`: `[sequences, kv_heads]`, what stored keys or values are multiplied by, for each KV head of each sequence. Those of
/// the instance's sequence are read as `scales[at.kv_head]`. Scales are above zero: what is not reads as NaN.
#[derive(Clone, Copy, Debug)]
pub struct HeadScales<'a>(&'a [f32]);

impl<'a> HeadScales<'a> {
    /// The scales of all sequences, end to end.
    pub fn new(values: &'a [f32]) -> Self {
        HeadScales(values)
    }
}

impl Index<i32> for HeadScales<'_> {
    type Output = f32;

    fn index(&self, at: i32) -> &f32 {
        let own = instance::with(|i| i.seq * i.kv_heads..(i.seq + 1) * i.kv_heads);
        let scale = nearest(part(self.0, own), at);
        if *scale > 0.0 { scale } else { &f32::NAN }
    }
}

/// `PerQuery<f32>`, `PerQuery<i32>`: `[tokens]`, a number for each query token, as the queries lie. Those of the instance's
/// sequence are read as `kinds[at.query]`.
#[derive(Clone, Copy, Debug)]
pub struct PerQuery<'a, S>(&'a [S]);

impl<'a, S: Scalar> PerQuery<'a, S> {
    /// The numbers of all sequences, end to end.
    pub fn new(values: &'a [S]) -> Self {
        PerQuery(values)
    }
}

impl<S: Scalar> Index<i32> for PerQuery<'_, S> {
    type Output = S;

    fn index(&self, at: i32) -> &S {
        let own = instance::with(|i| i.q_start..i.q_start + i.q_len);
        nearest(part(self.0, own), at)
    }
}

/// `PerKey<f32>`, `PerKey<i32>`: a number for each position of a sequence, from 0 to its keys, read as `documents[at.col]`; for
/// a query's position, `documents[at.row]`.
#[derive(Clone, Copy, Debug)]
pub struct PerKey<'a, S> {
    values: &'a [S],
    starts: &'a [usize],
}

impl<'a, S: Scalar> PerKey<'a, S> {
    /// The numbers of sequence `i` begin with `values[starts[i]]`, and are as many as it has keys.
    pub fn new(values: &'a [S], starts: &'a [usize]) -> Self {
        PerKey { values, starts }
    }
}

impl<S: Scalar> Index<i32> for PerKey<'_, S> {
    type Output = S;

    fn index(&self, at: i32) -> &S {
        let (seq, len) = instance::with(|i| (i.seq, i.kv_len));
        let first = self.starts.get(seq).copied().unwrap_or(self.values.len());
        nearest(part(self.values, first..first.saturating_add(len)), at)
    }
}

/// Those of a range, as far as there are any.
fn part<S>(values: &[S], range: Range<usize>) -> &[S] {
    let end = range.end.min(values.len());
    &values[range.start.min(end)..end]
}
