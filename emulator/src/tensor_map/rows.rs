//! A box of a tensor, row by row: where in global memory each is, and which of its elements are in the tensor.

use super::{Fill, MAX_RANK, TensorMap};

impl TensorMap {
    /// The box in shared memory.
    pub(crate) fn shape(&self) -> BoxShape {
        let counts = std::array::from_fn(|i| self.count(i));
        let inner = counts[0] * self.ty.bytes();
        let rows = counts[1..].iter().product();
        // A box that is narrower than the swizzle's row has that row to itself all the same (CUDA C++ Programming
        // Guide, "TMA swizzle": shared memory has to have room for the full width).
        BoxShape { counts, inner, rows, pitch: inner.max(self.swizzle.span()) }
    }

    /// Where a row of the box, `row` of [`BoxShape::rows`], is in global memory, with the box's first element at
    /// `coordinates`: the address of the first element that is in the tensor, and which elements are.
    pub(crate) fn row(&self, shape: &BoxShape, coordinates: &[i32], row: u32) -> Option<Row> {
        let mut rest = row;
        let mut address = self.address;
        for (i, start) in coordinates.iter().enumerate().skip(1) {
            let index = rest % shape.counts[i];
            rest /= shape.counts[i];
            let at = *start as i64 + index as i64 * self.element_strides[i] as i64;
            if at < 0 || at as u64 >= self.dims[i] {
                return None;
            }
            address = address.wrapping_add((at as u64).wrapping_mul(self.strides[i - 1]));
        }
        let (first, count) = (coordinates[0] as i64, shape.counts[0] as i64);
        let end = (first + count).min(self.dims[0] as i64);
        let begin = first.max(0);
        if begin >= end {
            return None;
        }
        let bytes = self.ty.bytes();
        Some(Row {
            address: address.wrapping_add(begin as u64 * bytes as u64),
            skip: (begin - first) as u32 * bytes,
            bytes: (end - begin) as u32 * bytes,
        })
    }

    /// The element that those outside of the tensor read as, repeated to 64 bits.
    pub(crate) fn fill_pattern(&self) -> u64 {
        match (self.fill, self.ty.bytes()) {
            (Fill::Zeros, _) => 0,
            (Fill::Nan, 2) => 0x7fff_7fff_7fff_7fff,
            (Fill::Nan, 4) => 0x7fff_ffff_7fff_ffff,
            (Fill::Nan, _) => 0x7fff_ffff_ffff_ffff,
        }
    }
}

/// A box in shared memory: rows of the innermost dimension, one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BoxShape {
    /// Elements along each dimension.
    pub counts: [u32; MAX_RANK],
    /// Bytes of a row.
    pub inner: u32,
    /// How many.
    pub rows: u32,
    /// Bytes from one to the next.
    pub pitch: u32,
}

/// The part of a box's row that is in the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// In global memory.
    pub address: u64,
    /// Bytes of the row before it.
    pub skip: u32,
    /// Bytes of it.
    pub bytes: u32,
}

#[cfg(test)]
mod tests {
    use super::super::tests::map;
    use super::*;

    #[test]
    fn rows() {
        let map = map();
        let shape = map.shape();
        assert_eq!(shape, BoxShape { counts: [64, 4, 2, 1, 1], inner: 128, rows: 8, pitch: 128 });
        let row = |address, skip, bytes| Some(Row { address, skip, bytes });
        let table = [
            // Everything inside.
            ([0, 0, 0], 0, row(4096, 0, 128)),
            // The next row is two further on, the next plane three, which there is not.
            ([0, 0, 0], 1, row(4096 + 2 * 208, 0, 128)),
            ([0, 0, 0], 4, None),
            ([0, 0, -3], 4, row(4096, 0, 128)),
            // Cut at either end.
            ([50, 0, 0], 0, row(4096 + 100, 0, 108)),
            ([-3, 10, 2], 0, row(4096 + 10 * 208 + 2 * 208 * 150, 6, 122)),
            ([104, 0, 0], 0, None),
            ([-64, 0, 0], 0, None),
            ([i32::MIN, 0, 0], 0, None),
            ([i32::MAX, 0, 0], 0, None),
            ([0, 148, 0], 0, row(4096 + 148 * 208, 0, 128)),
            ([0, 148, 0], 1, None),
        ];
        for (coordinates, index, want) in table {
            assert_eq!(map.row(&shape, &coordinates, index), want, "{coordinates:?}, row {index}");
        }
        let narrow = TensorMap { box_dims: vec![16, 8, 4], ..map };
        assert_eq!((narrow.shape().inner, narrow.shape().pitch), (32, 128));
    }
}
