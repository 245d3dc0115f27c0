//! A mask of bits on a device: for each sequence a row of bits for each query.

use crate::args::ArgsError;
use crate::device::Device;
use crate::tensor::Tensor;

/// A bit for each row and column of each sequence: trees of speculative decoding, and masks that nothing else says.
///
/// The rows of a sequence are its queries and lie one after the other without gaps, bit `i` of the sequence in bit `i % 8` of
/// its byte `i / 8`. With as many columns as the sequence has keys that is FlashInfer's packed custom mask, whose `indptr`
/// are the starts.
#[derive(Clone, Debug)]
pub struct BitMask {
    bytes: Vec<u8>,
    starts: Vec<i32>,
    widths: Vec<i32>,
    words_tensor: Tensor,
    starts_tensor: Tensor,
    widths_tensor: Tensor,
}

impl BitMask {
    /// Bytes of all sequences: those of sequence `i` are `starts[i]..starts[i + 1]`, and its rows have `widths[i]` columns.
    ///
    /// # Errors
    /// Starts that do not begin at 0, fall, or end past the bytes; another number of widths than sequences, or one below zero.
    pub fn new(device: &Device, bytes: &[u8], starts: &[i32], widths: &[i32]) -> Result<BitMask, ArgsError> {
        crate::args::check_starts(starts)?;
        let sequences = starts.len() - 1;
        if widths.len() != sequences {
            return Err(ArgsError::Widths { sequences, given: widths.len() });
        }
        if let Some((sequence, len)) = widths.iter().enumerate().find(|(_, width)| **width < 0) {
            return Err(ArgsError::NegativeLength { sequence, len: *len });
        }
        let end = starts[sequences] as usize;
        if end > bytes.len() {
            return Err(ArgsError::BitsPastEnd { end, bytes: bytes.len() });
        }
        let mut padded = bytes[..end].to_vec();
        padded.resize(end.next_multiple_of(size_of::<i32>()), 0);
        let words: Vec<i32> =
            padded.as_chunks::<4>().0.iter().map(|word| i32::from_le_bytes(*word)).collect();
        Ok(BitMask {
            bytes: bytes[..end].to_vec(),
            starts: starts.to_vec(),
            widths: widths.to_vec(),
            words_tensor: Tensor::from_slice(device, &words, &[words.len()])?,
            starts_tensor: Tensor::from_slice(device, starts, &[starts.len()])?,
            widths_tensor: Tensor::from_slice(device, widths, &[sequences])?,
        })
    }

    /// Packs rows of truth values: of each sequence a row for each query, all of its rows as long.
    ///
    /// # Errors
    /// Rows of a sequence that differ in length.
    pub fn pack(device: &Device, sequences: &[Vec<Vec<bool>>]) -> Result<BitMask, ArgsError> {
        let (mut bytes, mut starts, mut widths) = (Vec::new(), vec![0], Vec::new());
        for (sequence, rows) in sequences.iter().enumerate() {
            let width = rows.first().map_or(0, Vec::len);
            if let Some((row, other)) = rows.iter().enumerate().find(|(_, row)| row.len() != width) {
                return Err(ArgsError::RowWidth { sequence, row, width, given: other.len() });
            }
            let bits: Vec<bool> = rows.iter().flatten().copied().collect();
            let byte = |bits: &[bool]| (0..).zip(bits).map(|(at, bit)| u8::from(*bit) << at).sum::<u8>();
            bytes.extend(bits.chunks(8).map(byte));
            starts.push(i32::try_from(bytes.len()).map_err(|_| ArgsError::TooManyTokens)?);
            widths.push(i32::try_from(width).map_err(|_| ArgsError::TooManyTokens)?);
        }
        BitMask::new(device, &bytes, &starts, &widths)
    }

    /// Number of sequences.
    pub fn sequences(&self) -> usize {
        self.widths.len()
    }

    /// Columns of the rows of a sequence.
    pub fn width_of(&self, sequence: usize) -> usize {
        self.widths[sequence] as usize
    }

    /// Bits that a sequence has room for.
    pub fn bits_of(&self, sequence: usize) -> usize {
        (self.starts[sequence + 1] - self.starts[sequence]) as usize * 8
    }

    /// The bytes of all sequences.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the bytes of each sequence begin, and where the last end.
    pub fn starts(&self) -> &[i32] {
        &self.starts
    }

    /// Columns of each sequence.
    pub fn widths(&self) -> &[i32] {
        &self.widths
    }

    /// The bytes as `i32[words]`, on the device.
    pub fn words_tensor(&self) -> &Tensor {
        &self.words_tensor
    }

    /// `i32[sequences + 1]` on the device.
    pub fn starts_tensor(&self) -> &Tensor {
        &self.starts_tensor
    }

    /// `i32[sequences]` on the device.
    pub fn widths_tensor(&self) -> &Tensor {
        &self.widths_tensor
    }

    /// A bit, the nearest where the row or the column is outside; `false` where the sequence has none.
    pub(crate) fn nearest(&self, sequence: usize, (row, rows): (i32, usize), column: i32) -> bool {
        let (Some(width), Some(start)) = (self.widths.get(sequence), self.starts.get(sequence)) else {
            return false;
        };
        if rows == 0 || *width == 0 {
            return false;
        }
        let width = *width as usize;
        let nearest = |index: i32, len: usize| (index.max(0) as usize).min(len - 1);
        let bit = nearest(row, rows) * width + nearest(column, width);
        self.bytes.get(*start as usize + bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_packed_without_gaps() {
        let device = Device::emulator();
        let (t, f) = (true, false);
        let mask = BitMask::pack(
            &device,
            &[vec![vec![t, f, t], vec![f, f, t], vec![t, t, t]], vec![], vec![vec![t]]],
        );
        let mask = mask.unwrap();
        assert_eq!(
            (mask.bytes(), mask.starts(), mask.widths()),
            (&[0b1110_0101, 1, 1][..], &[0, 2, 2, 3][..], &[3, 0, 1][..])
        );
        assert_eq!(mask.words_tensor().to_vec::<i32>().unwrap(), [0x0001_01e5]);
        for (row, column, expected) in [(0, 0, t), (0, 1, f), (1, 2, t), (9, 9, t), (-5, 1, f), (1, -1, f)] {
            assert_eq!(mask.nearest(0, (row, 3), column), expected, "{row} {column}");
        }
        assert!(!mask.nearest(1, (0, 2), 0) && mask.nearest(2, (0, 1), 5));
    }

    #[test]
    fn what_is_no_mask() {
        let device = Device::emulator();
        let table: [(Result<BitMask, ArgsError>, &str); 5] = [
            (BitMask::new(&device, &[1], &[1, 2], &[1]), "starts begins at 1: it must begin at 0"),
            (
                BitMask::new(&device, &[1], &[0, 1], &[1, 1]),
                "a bit mask of 1 sequences has a width for each, and 2 were given",
            ),
            (
                BitMask::new(&device, &[1], &[0, 1], &[-1]),
                "sequence 0 has length -1: lengths are zero or more",
            ),
            (
                BitMask::new(&device, &[1], &[0, 2], &[1]),
                "the starts of a bit mask end at byte 2, and it has 1: give the starts of these bytes",
            ),
            (
                BitMask::pack(&device, &[vec![vec![true], vec![]]]),
                "row 1 of sequence 0 has 0 bits, and the first row 1: give all rows of a sequence as many",
            ),
        ];
        for (result, expected) in table {
            assert_eq!(result.unwrap_err().to_string(), expected);
        }
    }
}
