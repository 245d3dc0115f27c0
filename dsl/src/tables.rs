//! Tables that score functions read element by element, by row and column: a file for all of them, which the prelude takes
//! whole.
//!
//! As of vectors, an index outside reads the nearest that there is, and of a table without elements any reads 0 or `false`.

use crate::element::Element;
use crate::instance;

/// `Bias<T>`, `Bias<f32>`, `Bias<E4m3>`: numbers by head, row and column, of all sequences or of each, read as
/// `bias.at(at.head, at.query, at.col)`. What a row and a column count is for the kernel to say: tokens, or buckets of them.
#[derive(Clone, Copy, Debug)]
pub struct Bias<'a, T> {
    data: &'a [T],
    shape: [usize; 4],
}

impl<'a, T: Element> Bias<'a, T> {
    /// Numbers of the shape `[sequences, q_heads, rows, columns]`, of which the first three may be 1: the same for all.
    pub fn new(data: &'a [T], shape: [usize; 4]) -> Self {
        Bias { data, shape }
    }

    /// The number of a head, row and column, of the instance's sequence.
    pub fn at(self, head: i32, row: i32, column: i32) -> f32 {
        let sequence = instance::with(|i| i.seq);
        let indices = [sequence, nearest(head), nearest(row), nearest(column)];
        let mut place = 0;
        for (index, len) in indices.into_iter().zip(self.shape) {
            place = place * len + index.min(len.saturating_sub(1));
        }
        self.data.get(place).map_or(0.0, |number| number.to_f32())
    }
}

/// `BitMask`: a bit for each row and column of each sequence, read as `tree.at(at.query, at.col)`. Rows lie one after the
/// other without gaps, and bit `i` of a sequence is bit `i % 8` of its byte `i / 8`.
#[derive(Clone, Copy, Debug)]
pub struct BitMask<'a> {
    bytes: &'a [u8],
    starts: &'a [usize],
    widths: &'a [usize],
}

impl<'a> BitMask<'a> {
    /// The bits of sequence `i` begin with byte `starts[i]`: a row for each of its queries, of `widths[i]` columns.
    pub fn new(bytes: &'a [u8], starts: &'a [usize], widths: &'a [usize]) -> Self {
        BitMask { bytes, starts, widths }
    }

    /// The bit of a row and a column of the instance's sequence.
    pub fn at(self, row: i32, column: i32) -> bool {
        let (sequence, rows) = instance::with(|i| (i.seq, i.q_len));
        let (Some(start), Some(width)) = (self.starts.get(sequence), self.widths.get(sequence)) else {
            return false;
        };
        if rows == 0 || *width == 0 {
            return false;
        }
        let bit = nearest(row).min(rows - 1) * width + nearest(column).min(width - 1);
        self.bytes.get(start + bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
    }
}

/// An index, or the first where it lies before that.
fn nearest(index: i32) -> usize {
    index.max(0) as usize
}
