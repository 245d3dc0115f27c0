//! Running a kernel function on the host.
//!
//! [`Batch::run`] calls the function once per instance, with the same arguments each time; [`Batch::run_columns`] does so for
//! kernels that loop over rows, whose instances own columns:
//!
//! ```
//! use flashpage_dsl::host::Batch;
//! use flashpage_dsl::*;
//!
//! fn copy<T: Element, const D: usize>(q: Query<T, D>, o: Output<T, D>) {
//!     o.store(q.tile());
//! }
//!
//! let q = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]; // two tokens, one head, D = 4
//! let mut o = [0.0; 8];
//! let (q_view, o_view) = (Query::packed(&q, 1), Output::new(&mut o, 1));
//! let batch = Batch { q_starts: vec![0, 2], kv_lens: vec![2], q_heads: 1, kv_heads: 1 };
//! batch.run(|| copy::<f32, 4>(q_view, o_view))?;
//! assert_eq!(o, q);
//! # Ok::<(), flashpage_dsl::host::HostError>(())
//! ```

use crate::instance::{self, Instance, Owns};

/// Rows × columns of the tiles that [`Batch::run`] uses. The result does not depend on them.
pub const TILE: (usize, usize) = (64, 64);

/// The shapes of one launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Where each sequence's queries begin, and where the last ends: `sequences + 1` numbers from 0.
    pub q_starts: Vec<usize>,
    /// Keys of each sequence.
    pub kv_lens: Vec<usize>,
    /// Query heads.
    pub q_heads: usize,
    /// Key and value heads; divides `q_heads`.
    pub kv_heads: usize,
}

/// How the tokens and heads of a block lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockLayout {
    /// `[blocks, block_size, kv_heads, D]`
    Nhd,
    /// `[blocks, kv_heads, block_size, D]`
    Hnd,
}

/// The shape of a pool of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Physical blocks.
    pub blocks: usize,
    /// Tokens per block.
    pub block_size: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// How a block is laid out.
    pub layout: BlockLayout,
}

impl PoolShape {
    /// The element at which a token's `head_dim` numbers begin.
    pub fn offset(&self, block: usize, token: usize, kv_head: usize, head_dim: usize) -> usize {
        let line = match self.layout {
            BlockLayout::Nhd => (block * self.block_size + token) * self.kv_heads + kv_head,
            BlockLayout::Hnd => (block * self.kv_heads + kv_head) * self.block_size + token,
        };
        line * head_dim
    }
}

/// What a host run can find wrong with its inputs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// `q_starts` is not a list of starts.
    #[error("q_starts must begin at 0 and never fall, and have one number more than there are sequences")]
    BadStarts,
    /// `kv_lens` and `q_starts` disagree.
    #[error("{kv_lens} key lengths for {sequences} sequences")]
    SequenceCount {
        /// `kv_lens.len()`
        kv_lens: usize,
        /// by `q_starts`
        sequences: usize,
    },
    /// `kv_heads` does not divide `q_heads`.
    #[error("{q_heads} query heads cannot share {kv_heads} KV heads evenly")]
    BadHeads {
        /// query heads
        q_heads: usize,
        /// KV heads
        kv_heads: usize,
    },
    /// A tile with no rows or no columns.
    #[error("a tile has at least one row and one column")]
    EmptyTile,
    /// A tensor ends before a token that the batch has.
    #[error("token {token}, head {head} lies past the end of a tensor of {len} elements")]
    TensorTooShort {
        /// the token
        token: usize,
        /// the head
        head: usize,
        /// elements in the tensor
        len: usize,
    },
    /// Starts of keys or values lack a sequence.
    #[error("sequence {seq} has no start and end among the keys or values")]
    NoSuchSequence {
        /// the sequence
        seq: usize,
    },
    /// Contiguous keys or values are fewer than `kv_lens` says.
    #[error("sequence {seq} has {len} keys or values where {wanted} are read")]
    SequenceTooShort {
        /// the sequence
        seq: usize,
        /// by its starts
        len: usize,
        /// what the loop reads
        wanted: usize,
    },
    /// A sequence has more blocks than its table row has entries.
    #[error("the block table has no entry for logical block {block} of sequence {seq}")]
    TableTooShort {
        /// the sequence
        seq: usize,
        /// the logical block
        block: usize,
    },
    /// A used table entry names no block of the pool.
    #[error(
        "the block table sends logical block {block} of sequence {seq} to {entry}; the pool has {blocks} blocks"
    )]
    BlockOutOfRange {
        /// the sequence
        seq: usize,
        /// the logical block
        block: usize,
        /// what the table says
        entry: i32,
        /// how many there are
        blocks: usize,
    },
    /// A pool has fewer elements than its shape says.
    #[error("a pool of shape {shape:?} and head_dim {head_dim} does not fit in {len} elements")]
    PoolTooShort {
        /// its shape
        shape: PoolShape,
        /// the head dimension
        head_dim: usize,
        /// its elements
        len: usize,
    },
    /// The kernel is of the other kind than the call that runs it.
    #[error(
        "the kernel's instances own {}: run it with `{}`",
        if *owns_rows { "columns" } else { "rows" },
        if *owns_rows { "Batch::run_columns" } else { "Batch::run" }
    )]
    Owner {
        /// Whether it was run with instances that own rows.
        owns_rows: bool,
    },
    /// A tile of one iteration was used in another: no kernel that the compiler accepts does this.
    #[error("a tile was used after its iteration; only accumulators live from one iteration to the next")]
    StaleTile,
}

impl Batch {
    /// Calls `kernel` once for each sequence, query head and tile of rows.
    ///
    /// # Errors
    /// What is wrong with the batch, or the first thing that the kernel ran into; outputs are then
    /// unspecified.
    pub fn run(&self, kernel: impl FnMut()) -> Result<(), HostError> {
        self.run_tiled(TILE, kernel)
    }

    /// As [`Batch::run`], with tiles of at most this many rows and columns.
    ///
    /// # Errors
    /// As [`Batch::run`].
    pub fn run_tiled(&self, tile: (usize, usize), mut kernel: impl FnMut()) -> Result<(), HostError> {
        self.check(tile)?;
        for seq in 0..self.kv_lens.len() {
            for head in 0..self.q_heads {
                let q_len = self.q_starts[seq + 1] - self.q_starts[seq];
                for first in (0..q_len).step_by(tile.0) {
                    let mut instance = self.instance(Owns::Rows, seq, head, head / self.group());
                    instance.rows = first..q_len.min(first + tile.0);
                    instance.tile_len = tile.1;
                    instance::run(instance, &mut kernel)?;
                }
            }
        }
        Ok(())
    }

    /// Calls `kernel`, which loops over rows, once for each sequence, KV head and tile of columns.
    ///
    /// # Errors
    /// As [`Batch::run`].
    pub fn run_columns(&self, kernel: impl FnMut()) -> Result<(), HostError> {
        self.run_columns_tiled(TILE, kernel)
    }

    /// As [`Batch::run_columns`], with tiles of at most this many rows and columns.
    ///
    /// # Errors
    /// As [`Batch::run`].
    pub fn run_columns_tiled(&self, tile: (usize, usize), mut kernel: impl FnMut()) -> Result<(), HostError> {
        self.check(tile)?;
        for (seq, &kv_len) in self.kv_lens.iter().enumerate() {
            for kv_head in 0..self.kv_heads {
                for first in (0..kv_len).step_by(tile.1) {
                    let mut instance = self.instance(Owns::Cols, seq, kv_head * self.group(), kv_head);
                    instance.cols = first..kv_len.min(first + tile.1);
                    instance.tile_len = tile.0;
                    instance::run(instance, &mut kernel)?;
                }
            }
        }
        Ok(())
    }

    /// Query heads that share a KV head.
    fn group(&self) -> usize {
        self.q_heads / self.kv_heads.max(1)
    }

    /// One of a sequence, of which only its own tile is to be said.
    fn instance(&self, owns: Owns, seq: usize, head: usize, kv_head: usize) -> Instance {
        let (start, end, kv_len) = (self.q_starts[seq], self.q_starts[seq + 1], self.kv_lens[seq]);
        let mut instance = Instance::new(owns, seq, head, kv_head);
        instance.q_start = start;
        instance.q_len = end - start;
        instance.group = self.group();
        instance.kv_heads = self.kv_heads;
        instance.row_origin = (kv_len as i64 - instance.q_len as i64) as i32;
        instance.kv_len = kv_len;
        instance.kv_start = self.kv_lens[..seq].iter().sum();
        instance
    }

    fn check(&self, tile: (usize, usize)) -> Result<(), HostError> {
        let rising = self.q_starts.windows(2).all(|pair| pair[0] <= pair[1]);
        if self.q_starts.first() != Some(&0) || !rising {
            return Err(HostError::BadStarts);
        }
        let sequences = self.q_starts.len() - 1;
        if self.kv_lens.len() != sequences {
            return Err(HostError::SequenceCount { kv_lens: self.kv_lens.len(), sequences });
        }
        let (q_heads, kv_heads) = (self.q_heads, self.kv_heads);
        if q_heads > 0 && (kv_heads == 0 || q_heads % kv_heads != 0) {
            return Err(HostError::BadHeads { q_heads, kv_heads });
        }
        if tile.0 == 0 || tile.1 == 0 {
            return Err(HostError::EmptyTile);
        }
        Ok(())
    }
}
