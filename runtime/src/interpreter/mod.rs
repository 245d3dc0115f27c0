//! The tile program, executed on the host: what a kernel should have computed.
//!
//! ```text
//!  chosen lines ─▶ groups: a sequence, a KV head ─▶ chunks of a head's lines ─▶ chunk.rs: statements in order ─▶ stores
//!                   inputs.rs: its keys and values, once       on all cores        tile.rs, elementwise.rs, softmax.rs
//! ```
//!
//! A *line* is what a store has of one position: a row of a query head, or, where instances own columns, a column of a KV
//! head. The loop runs once on one tile of all columns, or once for each query head that shares the KV head on one tile of all
//! its rows; so nothing depends on how a kernel cuts its work. Lines are independent of each other, so they may be cut, which
//! bounds the memory that tiles of Rows × Cols take.
//!
//! Nothing here is known of attention, or shared with the compiler's analysis.

mod chunk;
mod elementwise;
mod inputs;
mod real;
mod request;
mod softmax;
mod tile;

use crate::batch::Batch;
use crate::rounding::{Factors, Precision};
use crate::scalar::HostArgument;
use crate::tensor::TensorError;
pub use request::{Progress, Row};

use chunk::{Own, Pass, Shared};
use flashpage_codegen::program::{Axis, Program};
use inputs::{Heads, Inputs};
use rayon::prelude::*;
use real::Real;
use std::collections::BTreeMap;

/// Numbers of a Rows × Cols tile: 2 MB of f64, some of which the second cache holds.
const TILE_NUMBERS: usize = 1 << 18;
/// Lines of a chunk: with fewer, products spend their time on fetching the other axis; with more, few share the cores badly.
const CHUNK_LINES: (usize, usize) = (32, 128);
/// Numbers that are read in loops and on the host as tiles at a time, if one KV head's are not more: 256 MB of f64.
const LOOPED_NUMBERS: usize = 1 << 25;

/// What a program stores for some lines.
pub(crate) struct Lines {
    /// Where each stands among those that were asked for.
    pub lines: Vec<usize>,
    /// For each store in program order: its numbers, row-major.
    pub stored: Vec<Vec<f64>>,
}

/// Runs a valid program for each of `rows`, which are lines of the batch, in chunks. Factors of products are rounded to `factors`, if it
/// says to what.
pub(crate) fn run(
    program: &Program,
    batch: &Batch<'_>,
    arguments: &[HostArgument],
    (precision, factors): (Precision, Option<Factors>),
    rows: &[Row],
    progress: &Progress,
) -> Result<Vec<Lines>, TensorError> {
    let inputs = Inputs::of(program, batch)?;
    let stored = match precision {
        Precision::Exact => Precision::Exact,
        Precision::Plain(_) => Precision::Plain(batch.output),
    };
    let shared = Shared { program, precision, stored, factors, arguments, inputs: &inputs };
    Ok(match precision {
        Precision::Exact => groups::<f64>(&shared, batch, rows, progress),
        Precision::Plain(_) => groups::<f32>(&shared, batch, rows, progress),
    })
}

/// The lines of a chunk, all of one head, by their place among those asked for.
struct Part {
    heads: Heads,
    lines: Vec<usize>,
}

/// All lines that share a KV head of one sequence, in chunks.
struct Group {
    sequence: usize,
    kv_head: usize,
    parts: Vec<Part>,
}

fn groups<T: Real>(shared: &Shared<'_>, batch: &Batch<'_>, rows: &[Row], progress: &Progress) -> Vec<Lines> {
    let groups = cut(shared.program, batch, rows);
    // Positions that a line meets in the loop.
    let meets = |sequence: usize| match shared.program.owned() {
        Axis::Rows => batch.kv_lens[sequence],
        _ => batch.query.starts.len_of(sequence) * batch.group(),
    };
    let cost = |group: &Group| {
        let lines: usize = group.parts.iter().map(|part| part.lines.len()).sum();
        lines as u64 * (1 + meets(group.sequence) as u64)
    };
    progress.begin(groups.iter().map(cost).sum());
    let mut done = Vec::new();
    let mut rest = &groups[..];
    while !rest.is_empty() {
        let numbers = rest.iter().map(|group| shared.inputs.looped_width() * meets(group.sequence));
        let (turn, later) = rest.split_at(together(numbers));
        rest = later;
        let looped: Vec<Vec<Pass<T>>> =
            turn.par_iter().map(|group| passes(shared, batch, group.sequence, group.kv_head)).collect();
        let chunks: Vec<(&Group, &[Pass<T>], &Part)> = turn
            .iter()
            .zip(&looped)
            .flat_map(|(group, passes)| group.parts.iter().map(move |part| (group, &passes[..], part)))
            .collect();
        done.par_extend(chunks.into_par_iter().map(|(group, passes, part)| {
            let sequence = group.sequence;
            let indices: Vec<usize> = part.lines.iter().map(|line| rows[*line].index).collect();
            let positions = positions(batch, sequence, shared.program.owned(), &indices);
            let own = Own { sequence, heads: part.heads, indices: &indices, positions };
            let stored = chunk::run(shared, &own, passes);
            progress.advance(part.lines.len() as u64 * (1 + meets(sequence) as u64));
            Lines { lines: part.lines.clone(), stored }
        }));
    }
    done
}

/// The runs of the loop's body for the lines of a KV head.
fn passes<T: Real>(shared: &Shared<'_>, batch: &Batch<'_>, sequence: usize, kv: usize) -> Vec<Pass<T>> {
    let looped = shared.program.looped();
    let (len, heads) = match looped {
        Axis::Rows => (
            batch.query.starts.len_of(sequence),
            (0..batch.group()).map(|head| Some(kv * batch.group() + head)).collect(),
        ),
        _ => (batch.kv_lens[sequence], vec![None]),
    };
    let indices: Vec<usize> = (0..len).collect();
    let pass = |head: Option<usize>| {
        let heads = Heads { query: head.unwrap_or(kv * batch.group()), kv };
        let tiles = shared.inputs.looped(sequence, heads, &indices);
        Pass { head, tiles, positions: positions(batch, sequence, looped, &indices) }
    };
    heads.into_iter().map(pass).collect()
}

/// The positions in a sequence of rows or columns of these numbers.
fn positions(batch: &Batch<'_>, sequence: usize, axis: Axis, indices: &[usize]) -> Vec<i32> {
    let first = match axis {
        Axis::Rows => batch.kv_lens[sequence] as i64 - batch.query.starts.len_of(sequence) as i64,
        _ => 0,
    };
    indices.iter().map(|index| (first + *index as i64) as i32).collect()
}

/// How many groups, of which the first few have so many numbers of keys and values, have theirs on the host at a time:
/// one at least.
fn together(numbers: impl Iterator<Item = usize>) -> usize {
    let mut sum: usize = 0;
    let fits = |numbers: &usize| {
        sum = sum.saturating_add(*numbers);
        sum <= LOOPED_NUMBERS
    };
    numbers.take_while(fits).count().max(1)
}

/// The lines in chunks, by sequence and KV head.
fn cut(program: &Program, batch: &Batch<'_>, rows: &[Row]) -> Vec<Group> {
    let heads_of = |row: &Row| match program.owned() {
        Axis::Rows => Heads { query: row.head, kv: row.head / batch.group() },
        _ => Heads { query: row.head * batch.group(), kv: row.head },
    };
    let mut heads: BTreeMap<(usize, usize, usize), Vec<usize>> = BTreeMap::new();
    for (line, row) in rows.iter().enumerate() {
        let Heads { query, kv } = heads_of(row);
        heads.entry((row.sequence, kv, query)).or_default().push(line);
    }
    let mut groups: Vec<Group> = Vec::new();
    for ((sequence, kv_head, query), lines) in heads {
        let across = match program.owned() {
            Axis::Rows => batch.kv_lens[sequence],
            _ => batch.query.starts.len_of(sequence),
        };
        let most = (TILE_NUMBERS / across.max(1)).clamp(CHUNK_LINES.0, CHUNK_LINES.1);
        let heads = Heads { query, kv: kv_head };
        let parts = lines.chunks(most).map(|lines| Part { heads, lines: lines.to_vec() });
        match groups.last_mut() {
            Some(last) if (last.sequence, last.kv_head) == (sequence, kv_head) => last.parts.extend(parts),
            _ => groups.push(Group { sequence, kv_head, parts: parts.collect() }),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_fit_are_held_together() {
        let most = LOOPED_NUMBERS;
        let table: [(&[usize], usize); 6] = [
            (&[1, 2, 3], 3),
            (&[most, 1], 1),
            (&[most + 1, 1], 1),
            (&[most / 2, most / 2, 0, 1], 3),
            (&[0, usize::MAX, usize::MAX], 1),
            (&[most - 1, 2, 1], 1),
        ];
        for (numbers, expected) in table {
            assert_eq!(together(numbers.iter().copied()), expected, "{numbers:?}");
        }
    }
}
