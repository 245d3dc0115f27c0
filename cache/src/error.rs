//! What a cache can refuse. Whatever is refused has changed nothing.

use crate::id::{SequenceId, SwapId};
use crate::pool::OutOfBlocks;
use crate::tree::{InsertError, NotLocked};

/// What a cache can refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// No blocks left.
    #[error(transparent)]
    OutOfBlocks(#[from] OutOfBlocks),
    /// No host blocks left to swap to.
    #[error(
        "out of host blocks: {needed} needed, {free} free of {total}: swap in or free a sequence that is swapped out"
    )]
    OutOfHostBlocks {
        /// Blocks asked for.
        needed: usize,
        /// Blocks free, or held by evicted prefixes that give way.
        free: usize,
        /// Host blocks.
        total: usize,
    },
    /// A block without tokens.
    #[error("blocks of 0 tokens: a block holds at least 1")]
    BlockSize,
    /// More blocks than a table can name.
    #[error("{0} blocks: a table names at most 2^31 - 1")]
    TooManyBlocks(usize),
    /// The sequence was freed.
    #[error("sequence {0} was freed")]
    FreedSequence(SequenceId),
    /// The id is of another cache.
    #[error("sequence {0} belongs to another cache")]
    ForeignSequence(SequenceId),
    /// A sequence twice in one step.
    #[error("sequence {0} is named twice in one step: add its tokens together")]
    NamedTwice(SequenceId),
    /// The sequence is swapped out.
    #[error("sequence {0} is swapped out: swap it in first")]
    SwappedOut(SequenceId),
    /// The sequence is on the device.
    #[error("sequence {0} is not swapped out")]
    NotSwappedOut(SequenceId),
    /// The sequence is on its way.
    #[error("sequence {0} is being swapped: wait until that is finished")]
    Moving(SequenceId),
    /// No such swap under way.
    #[error("there is no swap {0} under way: it was finished or aborted")]
    NoSwap(SwapId),
    /// A sequence longer than a table can say.
    #[error("the sequence would have {0} tokens: a table holds lengths below 2^31")]
    TooLong(usize),
    /// A truncation that is none.
    #[error("the sequence has {len} tokens: it cannot be truncated to {to}")]
    Truncate {
        /// Tokens of the sequence.
        len: usize,
        /// Tokens it was to have.
        to: usize,
    },
    /// Tokens that nobody reserved.
    #[error(
        "tokens {start} to {end} are past the {len} that the sequence has room for: reserve them in a step first"
    )]
    PastEnd {
        /// First token asked for.
        start: usize,
        /// One past the last.
        end: usize,
        /// Tokens of the sequence.
        len: usize,
    },
    /// More token ids than the sequence has tokens.
    #[error("{given} token ids for a sequence of {len} tokens: give those whose keys and values are written")]
    Tokens {
        /// Token ids given.
        given: usize,
        /// Tokens of the sequence.
        len: usize,
    },
    /// Prefixes are restored where a sequence ends in a whole block.
    #[error(
        "the sequence has {len} tokens: a prefix is restored to whole blocks of {block_size}, before anything is appended"
    )]
    Unaligned {
        /// Tokens of the sequence.
        len: usize,
        /// Tokens of a block.
        block_size: usize,
    },
    /// A sequence that a table has no room for.
    #[error("sequence {id} has {blocks} blocks, and the table has {width} columns: make it wider")]
    TableWidth {
        /// The sequence.
        id: SequenceId,
        /// Its blocks.
        blocks: usize,
        /// Columns.
        width: usize,
    },
    /// A table larger than an i32 counts.
    #[error("a table of {rows} rows of {width} has more than 2^31 - 1 entries")]
    TableTooLarge {
        /// Rows.
        rows: usize,
        /// Columns.
        width: usize,
    },
    /// More sequences than a table has rows.
    #[error("{sequences} sequences for a table of {rows} rows: make it longer, or split the batch")]
    TableRows {
        /// Sequences.
        sequences: usize,
        /// Rows.
        rows: usize,
    },
    /// Blocks that cannot be put into the prefix tree.
    #[error(transparent)]
    Insert(#[from] InsertError),
    /// A lock that is not held.
    #[error(transparent)]
    NotLocked(#[from] NotLocked),
}
