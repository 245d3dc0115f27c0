//! Shared prefixes: what several sequences of a batch begin with is computed once for all their query rows together.
//!
//! A group's query tokens lie next to each other in the batch, so over the prefix they are one sequence of that many
//! rows whose keys are the prefix. What follows the prefix is each sequence's own, and the two are merged row by row.
//!
//! **Where it pays.** Every row tile reads the keys and values of its columns. Apart, the tiles of each sequence read
//! the prefix; together, the tiles of all rows do. Against that stand partial results: each row leaves one in f32 for
//! the prefix and one for its own part, both written once and read once. A prefix is shared where the first saves at
//! least [`WORTH`] times the second: part of what is saved would have come from L2.
//!
//! **Where it is possible.** Keys are paged, an output is stored, and no score depends on the row's position or on the sequence:
//! a table that all sequences have in common does not. What a mask asks of the row, every row has to fulfil over all of the
//! prefix: a window that reaches back to its beginning is none; what it asks of the column alone may be anything. Else the plan
//! says why not.

use super::SharedPrefix;
use super::error::PlanError;
use super::visible::Visible;
use crate::args::Argument;
use crate::batch::Batch;
use flashpage_codegen::analysis::attention::{Attention, ScoreOp};
use flashpage_codegen::program::{Along, Expr, ParamKind};

/// How many times the traffic that merging adds must be saved.
pub(super) const WORTH: usize = 2;

/// Bytes of a number of a partial result.
const F32: usize = 4;

/// Why a program's prefixes cannot be shared; `None` if they can.
pub(super) fn obstacle(batch: &Batch<'_>, attention: &Attention, visible: &Visible) -> Option<&'static str> {
    if attention.table.is_none() {
        return Some("its keys are not paged, so no two sequences have the same");
    }
    if attention.output.is_none() {
        return Some("it stores no output to merge");
    }
    if !attention.normalised {
        return Some("it has no softmax, by which results are merged");
    }
    let asks = |expr: &Expr, of: fn(&Expr) -> bool| expr.any(&mut |leaf| of(leaf));
    let maps = attention.scores.iter().filter_map(|op| match op {
        ScoreOp::Map(expr) => Some(expr),
        // What rows see, the mask says of each batch.
        ScoreOp::Mask(_) => None,
    });
    let factors = || attention.scale.iter().chain(&attention.value_factor).chain(&attention.output_factor);
    let mut maps = maps.chain(factors()).chain(&attention.weights);
    if maps.any(|expr| asks(expr, |leaf| matches!(leaf, Expr::Row | Expr::Query))) {
        return Some("its scores depend on the row's position, which differs between the sequences");
    }
    let all = attention.scores.iter().map(ScoreOp::expr);
    let mut all = all.chain(factors()).chain(&attention.weights).chain(&attention.keep);
    if all.any(|expr| is_of_sequence(batch, expr)) {
        return Some("its scores or its mask depend on the sequence");
    }
    if visible.is_opaque() {
        return Some("its mask depends on the row's position, which differs between the sequences");
    }
    None
}

/// Whether `expr` may differ between the sequences of a batch, rows and columns being the same.
fn is_of_sequence(batch: &Batch<'_>, expr: &Expr) -> bool {
    expr.any(&mut |leaf| match leaf {
        Expr::Seq | Expr::QLen | Expr::KvLen | Expr::Query => true,
        Expr::Index(param, _) | Expr::At(param, _) => match batch.program.params[param.0].kind {
            ParamKind::Vector(vector) => vector.along != Along::Heads,
            ParamKind::Bias(_) => batch.bias_shape(*param)[0] != 1,
            _ => true,
        },
        _ => false,
    })
}

/// A group that shares a prefix.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// First and one past the last sequence.
    pub sequences: std::ops::Range<usize>,
    /// Tokens of the prefix.
    pub tokens: usize,
    /// Query rows for one block of heads.
    pub rows: usize,
}

/// Checks that prefixes are what they say: they do not overlap, they end with a block and within every sequence, and
/// the sequences' tables begin alike.
pub(super) fn check(batch: &Batch<'_>, prefixes: &[SharedPrefix]) -> Result<(), PlanError> {
    let mut last = 0;
    for SharedPrefix { sequences, tokens } in prefixes {
        let refuse = |why: String| {
            let (first, last) = (sequences.start, sequences.end.saturating_sub(1));
            Err(PlanError::Prefix { first, last, tokens: *tokens, why })
        };
        if sequences.is_empty() || sequences.end > batch.sequences() {
            return refuse(format!("the batch has {} sequences: name some of them", batch.sequences()));
        }
        if sequences.start < last {
            return refuse(format!(
                "sequence {} is in a prefix before it: list prefixes in order, each sequence in one at most",
                sequences.start
            ));
        }
        last = sequences.end;
        let Some(block_size) = batch.block_size else { continue };
        if !tokens.is_multiple_of(block_size) {
            return refuse(format!("blocks have {block_size} tokens: share whole blocks"));
        }
        if let Some(short) = sequences.clone().find(|sequence| batch.kv_lens[*sequence] < *tokens) {
            return refuse(format!("sequence {short} has {} tokens: share no more", batch.kv_lens[short]));
        }
        let tables = batch.arguments.iter().filter_map(|argument| match argument {
            Argument::Table(table) => Some(*table),
            _ => None,
        });
        for table in tables {
            let blocks = tokens / block_size;
            let shared = &table.row(sequences.start)[..blocks];
            let differs = |sequence: &usize| table.row(*sequence)[..blocks] != *shared;
            if let Some(other) = sequences.clone().find(differs) {
                return refuse(format!("sequence {other} has other blocks there: share what is the same"));
            }
        }
    }
    Ok(())
}

/// Whether sharing pays: the row tiles that read the prefix apart and together, the bytes that each reads of it, the rows
/// merged, and numbers of a row's output.
pub(super) fn pays(apart: usize, together: usize, bytes: usize, rows: usize, v: usize) -> bool {
    let saved = apart.saturating_sub(together) * bytes;
    // Two results a row, written and read.
    let added = rows * 2 * 2 * (v + 1) * F32;
    saved >= WORTH * added
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_prefixes_of_many_pay() {
        // Tiles apart and together, tokens of the prefix, rows.
        let table = [
            // 32 decoding sequences with groups of 4 heads, and a system prompt of 2048 tokens.
            (32, 1, 2048, 128, true),
            (32, 1, 16, 128, false),
            (2, 1, 72, 8, true),
            (2, 1, 16, 8, false),
            // As many tiles as before: nothing is saved.
            (8, 8, 100_000, 1024, false),
            (1, 1, 4096, 4, false),
        ];
        for (apart, together, tokens, rows, expected) in table {
            assert_eq!(
                pays(apart, together, tokens * (128 + 128) * 2, rows, 128),
                expected,
                "{apart} {together} {tokens}"
            );
        }
    }
}
