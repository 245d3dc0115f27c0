//! What a launch passes for each parameter of a kernel function: tensors with the shape of a batch.
//!
//! These are what a person has at hand (a query tensor and where its sequences begin, a pool and a block
//! table); how they become the entry's parameters is [`crate::launch()`]'s business.

pub use crate::bit_mask::BitMask;
use crate::device::Device;
use crate::tensor::{Tensor, TensorError, elements_of};
use flashpage_codegen::layout::transposed_copy::{KEYS_OF_CHUNK, place_of_key};
use flashpage_codegen::program::DType;

/// What is wrong with the shape of a batch.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgsError {
    /// Starts are one more than the sequences, so never none.
    #[error("starts is empty: it holds 0 and then the end of each sequence")]
    NoStarts,
    /// Starts begin elsewhere.
    #[error("starts begins at {0}: it must begin at 0")]
    FirstStart(i32),
    /// Starts fall.
    #[error("starts falls from {from} to {to} at sequence {sequence}: it holds cumulative lengths")]
    Falling {
        /// Which sequence would have a negative length.
        sequence: usize,
        /// Its start.
        from: i32,
        /// Its end.
        to: i32,
    },
    /// A length below zero.
    #[error("sequence {sequence} has length {len}: lengths are zero or more")]
    NegativeLength {
        /// Which sequence.
        sequence: usize,
        /// Its length.
        len: i32,
    },
    /// Another number of sequences than there is memory for.
    #[error("{given} sequences do not take the place of {sequences}: give sequences of nothing to fill up")]
    SequenceCount {
        /// Sequences there are.
        sequences: usize,
        /// Sequences given.
        given: usize,
    },
    /// More tokens than an i32 counts.
    #[error("the sequences have more than 2^31 - 1 tokens together: split the batch")]
    TooManyTokens,
    /// Not a table of `width` columns and one row per sequence.
    #[error("a block table of width {width} for {sequences} sequences has {} entries, and {given} were given", width * sequences)]
    TableShape {
        /// Columns.
        width: usize,
        /// Rows.
        sequences: usize,
        /// Entries.
        given: usize,
    },
    /// More entries than an i32 counts.
    #[error("a block table of {rows} rows of {width} has more than 2^31 - 1 entries")]
    TableTooLarge {
        /// Rows.
        rows: usize,
        /// Columns.
        width: usize,
    },
    /// Another number of widths than sequences.
    #[error("a bit mask of {sequences} sequences has a width for each, and {given} were given")]
    Widths {
        /// Sequences of its starts.
        sequences: usize,
        /// Widths given.
        given: usize,
    },
    /// Starts that reach past the bits.
    #[error("the starts of a bit mask end at byte {end}, and it has {bytes}: give the starts of these bytes")]
    BitsPastEnd {
        /// The starts' last entry.
        end: usize,
        /// Bytes given.
        bytes: usize,
    },
    /// Rows of a sequence that are not of one width.
    #[error(
        "row {row} of sequence {sequence} has {given} bits, and the first row {width}: give all rows of a sequence as many"
    )]
    RowWidth {
        /// The sequence.
        sequence: usize,
        /// The row.
        row: usize,
        /// Bits of its first row.
        width: usize,
        /// Bits of that row.
        given: usize,
    },
    /// The tensor could not be made.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// Where the sequences of a batch begin in a tensor of tokens (`cu_seqlens`): `0`, then the end of each.
#[derive(Clone, Debug)]
pub struct Starts {
    host: Vec<i32>,
    tensor: Tensor,
}

impl Starts {
    /// Cumulative starts, `sequences + 1` of them.
    ///
    /// # Errors
    /// They do not begin at 0, or they fall.
    pub fn new(device: &Device, starts: &[i32]) -> Result<Starts, ArgsError> {
        check_starts(starts)?;
        Ok(Starts { host: starts.to_vec(), tensor: Tensor::from_slice(device, starts, &[starts.len()])? })
    }

    /// The same memory with sequences of other lengths, as many as before. Clones share that memory: they are of no
    /// use afterwards.
    ///
    /// # Errors
    /// Another number of them, a length below zero, or too many tokens; nothing has changed then.
    pub fn set_lens(&mut self, lens: &[i32]) -> Result<(), ArgsError> {
        let sequences = self.sequences();
        if lens.len() != sequences {
            return Err(ArgsError::SequenceCount { sequences, given: lens.len() });
        }
        let starts = starts_of(lens)?;
        self.tensor.write(0, &starts)?;
        self.host = starts;
        Ok(())
    }

    /// Starts of sequences of these lengths.
    ///
    /// # Errors
    /// A length below zero, or too many tokens.
    pub fn from_lens(device: &Device, lens: &[i32]) -> Result<Starts, ArgsError> {
        Starts::new(device, &starts_of(lens)?)
    }

    /// Starts of `batch` sequences of `len` tokens each.
    ///
    /// # Errors
    /// Too many tokens.
    pub fn uniform(device: &Device, batch: usize, len: usize) -> Result<Starts, ArgsError> {
        let len = i32::try_from(len).map_err(|_| ArgsError::TooManyTokens)?;
        Starts::from_lens(device, &vec![len; batch])
    }

    /// Number of sequences.
    pub fn sequences(&self) -> usize {
        self.host.len() - 1
    }

    /// Length of one sequence.
    pub fn len_of(&self, sequence: usize) -> usize {
        (self.host[sequence + 1] - self.host[sequence]) as usize
    }

    /// First token of one sequence.
    pub fn start_of(&self, sequence: usize) -> usize {
        self.host[sequence] as usize
    }

    /// Tokens of all sequences together.
    pub fn tokens(&self) -> usize {
        self.host.last().copied().unwrap_or(0) as usize
    }

    /// Length of the longest sequence; 0 of none.
    pub fn longest(&self) -> usize {
        (0..self.sequences()).map(|sequence| self.len_of(sequence)).max().unwrap_or(0)
    }

    /// The numbers themselves.
    pub fn as_slice(&self) -> &[i32] {
        &self.host
    }

    /// `i32[sequences + 1]` on the device.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }
}

/// Whether these are cumulative.
pub(crate) fn check_starts(starts: &[i32]) -> Result<(), ArgsError> {
    match starts.first() {
        None => return Err(ArgsError::NoStarts),
        Some(0) => {}
        Some(first) => return Err(ArgsError::FirstStart(*first)),
    }
    for (sequence, pair) in starts.windows(2).enumerate() {
        if pair[1] < pair[0] {
            return Err(ArgsError::Falling { sequence, from: pair[0], to: pair[1] });
        }
    }
    Ok(())
}

fn starts_of(lens: &[i32]) -> Result<Vec<i32>, ArgsError> {
    let mut starts = Vec::with_capacity(lens.len() + 1);
    let mut end = 0i32;
    starts.push(end);
    for (sequence, len) in lens.iter().enumerate() {
        if *len < 0 {
            return Err(ArgsError::NegativeLength { sequence, len: *len });
        }
        end = end.checked_add(*len).ok_or(ArgsError::TooManyTokens)?;
        starts.push(end);
    }
    Ok(starts)
}

/// Queries, keys or values: `[tokens, heads, D]`, sequences laid end to end.
#[derive(Clone, Copy, Debug)]
pub struct Ragged<'a> {
    /// The tokens of all sequences.
    pub tensor: &'a Tensor,
    /// Where each sequence begins.
    pub starts: &'a Starts,
}

/// How the tokens and heads of a block lie in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolLayout {
    /// `[blocks, block_size, kv_heads, D]`
    Nhd,
    /// `[blocks, kv_heads, block_size, D]`
    Hnd,
    /// `[blocks, kv_heads, block_size / 16, D, 16]`: values alone, of 8 bits, as products of 8 bits read them. The last dimension is tokens,
    /// by [`place_of_key`].
    Transposed,
}

impl PoolLayout {
    /// How an argument's dimensions are called.
    pub fn dims(self) -> &'static str {
        match self {
            PoolLayout::Nhd => "[blocks, block_size, kv_heads, head_dim]",
            PoolLayout::Hnd => "[blocks, kv_heads, block_size, head_dim]",
            PoolLayout::Transposed => "[blocks, kv_heads, block_size / 16, head_dim, 16]",
        }
    }
}

/// A pool of physical blocks of keys or values.
#[derive(Clone, Copy, Debug)]
pub struct Pool<'a> {
    /// All blocks, in the order that `layout` names.
    pub tensor: &'a Tensor,
    /// How a block is laid out.
    pub layout: PoolLayout,
}

/// What a pool's dimensions are, whatever their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Physical blocks.
    pub blocks: usize,
    /// Tokens per block.
    pub block_size: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Numbers per token and head.
    pub head_dim: usize,
    /// How a block is laid out.
    pub layout: PoolLayout,
}

impl PoolShape {
    /// The dimensions in the order of the memory.
    pub fn dims(&self) -> Vec<usize> {
        let PoolShape { blocks, block_size, kv_heads, head_dim, layout } = *self;
        match layout {
            PoolLayout::Nhd => vec![blocks, block_size, kv_heads, head_dim],
            PoolLayout::Hnd => vec![blocks, kv_heads, block_size, head_dim],
            PoolLayout::Transposed => {
                vec![blocks, kv_heads, block_size / KEYS_OF_CHUNK, head_dim, KEYS_OF_CHUNK]
            }
        }
    }

    /// Elements from one block, one token and one head to the next. Where tokens lie by sixteen, to the next token there is no stride: 0.
    pub fn strides(&self) -> (usize, usize, usize) {
        let line = self.head_dim;
        let block = self.block_size * self.kv_heads * line;
        match self.layout {
            PoolLayout::Nhd => (block, self.kv_heads * line, line),
            PoolLayout::Hnd => (block, line, self.block_size * line),
            PoolLayout::Transposed => (block, 0, self.block_size * line),
        }
    }

    /// The element at which a token's numbers of a head begin, and elements from one of these numbers to the next.
    pub fn numbers(&self, block: usize, token: usize, head: usize) -> (usize, usize) {
        let (of_block, of_token, of_head) = self.strides();
        let first = block * of_block + token * of_token + head * of_head;
        match self.layout {
            PoolLayout::Nhd | PoolLayout::Hnd => (first, 1),
            PoolLayout::Transposed => {
                let (group, key) = (token / KEYS_OF_CHUNK, token % KEYS_OF_CHUNK);
                (first + group * KEYS_OF_CHUNK * self.head_dim + place_of_key(key), KEYS_OF_CHUNK)
            }
        }
    }
}

impl Pool<'_> {
    /// The pool's dimensions by name; `None` if it has not as many as its layout.
    pub fn shape(&self) -> Option<PoolShape> {
        let layout = self.layout;
        let of = |blocks, block_size, kv_heads, head_dim| PoolShape {
            blocks,
            block_size,
            kv_heads,
            head_dim,
            layout,
        };
        match (layout, self.tensor.shape()) {
            (PoolLayout::Nhd, &[blocks, block_size, kv_heads, head_dim])
            | (PoolLayout::Hnd, &[blocks, kv_heads, block_size, head_dim]) => {
                Some(of(blocks, block_size, kv_heads, head_dim))
            }
            (PoolLayout::Transposed, &[blocks, kv_heads, groups, head_dim, KEYS_OF_CHUNK]) => {
                Some(of(blocks, groups * KEYS_OF_CHUNK, kv_heads, head_dim))
            }
            _ => None,
        }
    }

    /// The numbers of a pool on the host; of one that is transposed with a row for each token, as [`PoolLayout::Hnd`].
    ///
    /// # Errors
    /// A device that fails.
    pub fn by_rows_as_f32(&self) -> Result<Vec<f32>, TensorError> {
        let bytes = self.by_rows()?;
        let mut numbers = vec![0.0; bytes.len() / self.tensor.dtype().bytes()];
        elements_of(self.tensor.dtype(), &bytes, &mut numbers);
        Ok(numbers)
    }

    /// The same pool with a row for each token, [`PoolLayout::Hnd`], on the host: bytes of elements.
    ///
    /// # Errors
    /// Dimensions that are not its layout's, or a device that fails.
    pub(crate) fn by_rows(&self) -> Result<Vec<u8>, TensorError> {
        let (bytes, size) = (self.tensor.buffer().to_bytes()?, self.tensor.dtype().bytes());
        let Some(shape) = self.shape().filter(|shape| shape.layout == PoolLayout::Transposed) else {
            return Ok(bytes);
        };
        let by_rows = PoolShape { layout: PoolLayout::Hnd, ..shape };
        let mut rows = vec![0; bytes.len()];
        for block in 0..shape.blocks {
            for (token, head) in (0..shape.block_size).flat_map(|t| (0..shape.kv_heads).map(move |h| (t, h)))
            {
                let ((from, step), (to, _)) =
                    (shape.numbers(block, token, head), by_rows.numbers(block, token, head));
                for number in 0..shape.head_dim {
                    let (from, to) = ((from + number * step) * size, (to + number) * size);
                    rows[to..to + size].copy_from_slice(&bytes[from..from + size]);
                }
            }
        }
        Ok(rows)
    }
}

/// Where the blocks of each sequence lie in the pools: one row of `width` physical block numbers per sequence,
/// and each sequence's length in tokens. Entries past a sequence's last block may be anything.
#[derive(Clone, Debug)]
pub struct BlockTable {
    entries: Vec<i32>,
    width: usize,
    seq_lens: Vec<i32>,
    entries_tensor: Tensor,
    seq_lens_tensor: Tensor,
}

impl BlockTable {
    /// A table of `seq_lens.len()` rows of `width` entries.
    ///
    /// # Errors
    /// Another number of entries, or a length below zero. Whether the entries name blocks of a pool is checked
    /// at launch, where the pool is known.
    pub fn new(
        device: &Device,
        entries: &[i32],
        width: usize,
        seq_lens: &[i32],
    ) -> Result<BlockTable, ArgsError> {
        let sequences = seq_lens.len();
        check_table(entries, width, seq_lens)?;
        Ok(BlockTable {
            entries: entries.to_vec(),
            width,
            seq_lens: seq_lens.to_vec(),
            entries_tensor: Tensor::from_slice(device, entries, &[sequences, width])?,
            seq_lens_tensor: Tensor::from_slice(device, seq_lens, &[sequences])?,
        })
    }

    /// A table with room for `rows` sequences of `width` entries, and none in it yet. What is set later stays at the
    /// same addresses.
    pub(crate) fn of_size(device: &Device, rows: usize, width: usize) -> Result<BlockTable, ArgsError> {
        let entries = rows.checked_mul(width).filter(|entries| *entries <= i32::MAX as usize);
        let entries = entries.ok_or(ArgsError::TableTooLarge { rows, width })?;
        Ok(BlockTable {
            // -1 in every entry.
            entries_tensor: Tensor::filled_nan(device, DType::I32, &[rows, width])?,
            seq_lens_tensor: Tensor::zeros(device, DType::I32, &[rows])?,
            entries: vec![-1; entries],
            width,
            seq_lens: Vec::new(),
        })
    }

    /// Takes over entries that have been changed on the device already, and uploads the lengths of the sequences from
    /// now on, no more than the table has rows for. Gives the bytes uploaded.
    pub(crate) fn update(&mut self, changes: &[(i32, i32)], seq_lens: Vec<i32>) -> Result<usize, ArgsError> {
        for (index, value) in changes {
            self.entries[*index as usize] = *value;
        }
        if seq_lens == self.seq_lens {
            return Ok(0);
        }
        self.seq_lens_tensor.write(0, &seq_lens)?;
        self.seq_lens = seq_lens;
        Ok(4 * self.seq_lens.len())
    }

    /// The same memory with other entries and lengths, for as many sequences as before. Clones share that memory: they
    /// are of no use afterwards.
    ///
    /// # Errors
    /// Another number of sequences or entries, or a length below zero; nothing has changed then.
    pub fn set(&mut self, entries: &[i32], seq_lens: &[i32]) -> Result<(), ArgsError> {
        let sequences = self.sequences();
        if seq_lens.len() != sequences {
            return Err(ArgsError::SequenceCount { sequences, given: seq_lens.len() });
        }
        check_table(entries, self.width, seq_lens)?;
        self.entries_tensor.write(0, entries)?;
        self.seq_lens_tensor.write(0, seq_lens)?;
        self.entries = entries.to_vec();
        self.seq_lens = seq_lens.to_vec();
        Ok(())
    }

    /// Number of sequences.
    pub fn sequences(&self) -> usize {
        self.seq_lens.len()
    }

    /// Entries per sequence.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Tokens of each sequence.
    pub fn seq_lens(&self) -> &[i32] {
        &self.seq_lens
    }

    /// The entries of one sequence, used or not.
    pub fn row(&self, sequence: usize) -> &[i32] {
        &self.entries[sequence * self.width..(sequence + 1) * self.width]
    }

    /// `i32[sequences, width]` on the device.
    pub fn entries_tensor(&self) -> &Tensor {
        &self.entries_tensor
    }

    /// `i32[sequences]` on the device.
    pub fn seq_lens_tensor(&self) -> &Tensor {
        &self.seq_lens_tensor
    }
}

fn check_table(entries: &[i32], width: usize, seq_lens: &[i32]) -> Result<(), ArgsError> {
    let sequences = seq_lens.len();
    if width.checked_mul(sequences) != Some(entries.len()) {
        return Err(ArgsError::TableShape { width, sequences, given: entries.len() });
    }
    match seq_lens.iter().enumerate().find(|(_, len)| **len < 0) {
        None => Ok(()),
        Some((sequence, len)) => Err(ArgsError::NegativeLength { sequence, len: *len }),
    }
}

/// One launch argument, for the kernel's parameter at the same place.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// For `Query`, `Keys` and `Values`; and for `PerKey`, `[tokens]` of f32 or i32.
    Ragged(Ragged<'a>),
    /// For `PagedKeys` and `PagedValues`.
    Pool(Pool<'a>),
    /// For `BlockTable`.
    Table(&'a BlockTable),
    /// For `Output`, `[tokens, q_heads, D]` of f16, bf16 or f32, as the kernel has it (`Program::output_types`), and `RowOutput`, `[tokens, q_heads]` of f32.
    Output(&'a Tensor),
    /// For an `f32`.
    F32(f32),
    /// For an `i32`.
    I32(i32),
    /// For a `bool`.
    Bool(bool),
    /// For `PerHead`, `PerSequence` and `PerQuery`, a vector of f32 or i32; for `HeadScales`, `[sequences, kv_heads]` of f32; for
    /// `RowInput`; and for `Bias`, of which leading axes of 1 may be left out.
    Vector(&'a Tensor),
    /// For `BitMask`.
    BitMask(&'a BitMask),
}

impl Argument<'_> {
    /// The tensor of queries, keys, values or an output.
    pub(crate) fn tensor(&self) -> Option<&Tensor> {
        match self {
            Argument::Ragged(Ragged { tensor, .. }) | Argument::Pool(Pool { tensor, .. }) => Some(tensor),
            Argument::Output(tensor) | Argument::Vector(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Argument::Ragged(_) => "a ragged tensor",
            Argument::Pool(_) => "a pool",
            Argument::Table(_) => "a block table",
            Argument::Output(_) => "an output",
            Argument::F32(_) => "an f32",
            Argument::I32(_) => "an i32",
            Argument::Bool(_) => "a bool",
            Argument::Vector(_) => "a vector",
            Argument::BitMask(_) => "a bit mask",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts() {
        let device = Device::emulator();
        let starts = Starts::from_lens(&device, &[3, 0, 4]).unwrap();
        assert_eq!(starts.as_slice(), [0, 3, 3, 7]);
        assert_eq!((starts.sequences(), starts.tokens(), starts.longest(), starts.len_of(1)), (3, 7, 4, 0));
        let mut moved = starts.clone();
        moved.set_lens(&[0, 9, 1]).unwrap();
        assert_eq!(
            (moved.as_slice(), moved.tensor().address()),
            (&[0, 0, 9, 10][..], starts.tensor().address())
        );
        assert!(moved.set_lens(&[1]).is_err() && moved.set_lens(&[1, -1, 1]).is_err());
        assert_eq!(moved.as_slice(), [0, 0, 9, 10]);
        assert_eq!(Starts::uniform(&device, 2, 5).unwrap().as_slice(), [0, 5, 10]);
        assert_eq!(Starts::new(&device, &[0]).unwrap().sequences(), 0);
        let table: [(Result<Starts, ArgsError>, &str); 5] = [
            (Starts::new(&device, &[]), "starts is empty: it holds 0 and then the end of each sequence"),
            (Starts::new(&device, &[1, 2]), "starts begins at 1: it must begin at 0"),
            (
                Starts::new(&device, &[0, 5, 4]),
                "starts falls from 5 to 4 at sequence 1: it holds cumulative lengths",
            ),
            (Starts::from_lens(&device, &[1, -1]), "sequence 1 has length -1: lengths are zero or more"),
            (
                Starts::from_lens(&device, &[i32::MAX, 1]),
                "the sequences have more than 2^31 - 1 tokens together: split the batch",
            ),
        ];
        for (result, expected) in table {
            assert_eq!(result.unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn block_tables() {
        let device = Device::emulator();
        let table = BlockTable::new(&device, &[1, 2, 3, -7, 0, 9], 3, &[20, 0]).unwrap();
        assert_eq!((table.sequences(), table.row(1)), (2, &[-7, 0, 9][..]));
        let bad = BlockTable::new(&device, &[1, 2, 3], 2, &[1, 1]).unwrap_err().to_string();
        assert_eq!(bad, "a block table of width 2 for 2 sequences has 4 entries, and 3 were given");
        let mut table = table;
        let (entries, lens) = (table.entries_tensor().address(), table.seq_lens_tensor().address());
        table.set(&[4, 5, 6, 7, 8, 9], &[1, 40]).unwrap();
        assert_eq!((table.row(0), table.seq_lens()), (&[4, 5, 6][..], &[1, 40][..]));
        assert_eq!(table.entries_tensor().to_vec::<i32>().unwrap(), [4, 5, 6, 7, 8, 9]);
        assert_eq!((table.entries_tensor().address(), table.seq_lens_tensor().address()), (entries, lens));
        let bad = table.set(&[1, 2, 3], &[1]).unwrap_err().to_string();
        assert_eq!(bad, "1 sequences do not take the place of 2: give sequences of nothing to fill up");
        assert!(table.set(&[1, 2, 3], &[1, 1]).is_err());
        assert_eq!(table.row(1), [7, 8, 9]);
        let bad = BlockTable::new(&device, &[1], 1, &[-3]).unwrap_err().to_string();
        assert_eq!(bad, "sequence 0 has length -3: lengths are zero or more");
    }

    #[test]
    fn pool_strides() {
        let shape = |layout| PoolShape { blocks: 5, block_size: 16, kv_heads: 2, head_dim: 64, layout };
        assert_eq!(shape(PoolLayout::Nhd).dims(), [5, 16, 2, 64]);
        assert_eq!(shape(PoolLayout::Nhd).strides(), (2048, 128, 64));
        assert_eq!(shape(PoolLayout::Hnd).dims(), [5, 2, 16, 64]);
        assert_eq!(shape(PoolLayout::Hnd).strides(), (2048, 64, 1024));
        let transposed = shape(PoolLayout::Transposed);
        assert_eq!(transposed.dims(), [5, 2, 1, 64, 16]);
        assert_eq!(transposed.numbers(3, 9, 1), (3 * 2048 + 1024 + 3, 16));
        // Every number of every token has a place of its own.
        for layout in [PoolLayout::Nhd, PoolLayout::Hnd, PoolLayout::Transposed] {
            let shape = PoolShape { blocks: 2, block_size: 32, kv_heads: 3, head_dim: 8, layout };
            let mut seen = vec![false; shape.dims().iter().product()];
            for block in 0..2 {
                for (token, head) in (0..32).flat_map(|token| (0..3).map(move |head| (token, head))) {
                    let (first, step) = shape.numbers(block, token, head);
                    (0..8).for_each(|number| {
                        assert!(!std::mem::replace(&mut seen[first + number * step], true), "{layout:?}");
                    });
                }
            }
            assert!(seen.into_iter().all(|seen| seen));
        }
    }
}
