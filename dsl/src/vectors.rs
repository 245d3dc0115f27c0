//! Vectors of numbers that score functions index: a file for all of them, which the prelude takes whole.
//!
//! They do here what they do in a kernel: an index below 0 reads the first number, one past the end the last, and of a
//! vector without numbers any reads 0.

use crate::element::Scalar;
use std::ops::Index;

macro_rules! indexed {
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
                self.0.get(at.max(0) as usize).or(self.0.last()).unwrap_or(S::ZERO)
            }
        }
    };
}

/// `PerHead<f32>`, `PerHead<i32>`: `[q_heads]`, a number for each query head, read as `slopes[at.head]`.
#[derive(Clone, Copy, Debug)]
pub struct PerHead<'a, S>(&'a [S]);
indexed!(PerHead);
