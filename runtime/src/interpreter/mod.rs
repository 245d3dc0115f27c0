//! The tile program, executed on the host: what a kernel should have computed.
//!
//! ```text
//!  chosen rows ─▶ groups: a sequence, a KV head ─▶ chunks of a head's rows ─▶ chunk.rs: statements in order ─▶ stores
//!                  inputs.rs: its keys and values, once       on all cores       tile.rs, elementwise.rs, softmax.rs
//! ```
//!
//! The loop runs once, on one tile of all columns, so nothing depends on how a kernel cuts its work. Rows are
//! independent of each other, so they may be cut, which bounds the memory that tiles of Rows × Cols take. It takes
//! every valid program but those whose products sum over rows or have rows on both sides: what they compute depends
//! on how rows are cut, which nothing says.
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
use crate::rounding::Precision;
use crate::scalar::HostArgument;
use crate::tensor::TensorError;
pub use request::{Progress, Row};

use chunk::{Rows, Shared};
use flashpage_codegen::program::{Axis, Program, Stmt, TileOp, ValueId};
use inputs::{Columns, Inputs};
use rayon::prelude::*;
use real::Real;
use std::collections::BTreeMap;

/// Numbers of a Rows × Cols tile: 2 MB of f64, some of which the second cache holds.
const TILE_NUMBERS: usize = 1 << 18;
/// Rows of a chunk: with fewer, products spend their time on fetching columns; with more, few rows share the cores badly.
const CHUNK_ROWS: (usize, usize) = (32, 128);
/// Numbers of keys and values that are on the host as tiles at a time, if one KV head's are not more: 256 MB of f64.
const COLUMN_NUMBERS: usize = 1 << 25;

/// A program's statements in order.
fn statements(program: &Program) -> impl Iterator<Item = &Stmt> {
    program.prologue.iter().chain(&program.main_loop.body).chain(&program.epilogue)
}

/// Of a valid program that means nothing without a row tile: the value that multiplies rows with rows.
pub(crate) fn product_of_rows(program: &Program) -> Option<String> {
    let ty = |id: ValueId| program.values[id.0].ty;
    let id = statements(program).find_map(|stmt| match stmt {
        Stmt::Define(id) => match program.values[id.0].op {
            TileOp::Dot { a, .. } if ty(a).cols == Axis::Rows => Some(*id),
            TileOp::Dot { a, b } if (ty(a).rows, ty(b).cols) == (Axis::Rows, Axis::Rows) => Some(*id),
            _ => None,
        },
        _ => None,
    });
    id.map(|id: ValueId| program.value_names()[id.0].clone())
}

/// What a program stores for some rows.
pub(crate) struct Lines {
    /// Where each row stands among those that were asked for.
    pub lines: Vec<usize>,
    /// For each store in program order: its numbers, row-major.
    pub stored: Vec<Vec<f64>>,
}

/// Runs a valid program for each of `rows`, which are rows of the batch, in chunks.
pub(crate) fn run(
    program: &Program,
    batch: &Batch<'_>,
    arguments: &[HostArgument],
    precision: Precision,
    rows: &[Row],
    progress: &Progress,
) -> Result<Vec<Lines>, TensorError> {
    let inputs = Inputs::of(program, batch)?;
    let stored = match precision {
        Precision::Exact => Precision::Exact,
        Precision::Plain(_) => Precision::Plain(batch.output),
    };
    let shared = Shared { program, precision, stored, arguments, inputs: &inputs };
    Ok(match precision {
        Precision::Exact => groups::<f64>(&shared, batch, rows, progress),
        Precision::Plain(_) => groups::<f32>(&shared, batch, rows, progress),
    })
}

/// The rows of a chunk, all of one head, by their place among those asked for.
struct Part {
    head: usize,
    lines: Vec<usize>,
}

/// All rows that read one KV head of one sequence, in chunks.
struct Group {
    sequence: usize,
    kv_head: usize,
    parts: Vec<Part>,
}

fn groups<T: Real>(shared: &Shared<'_>, batch: &Batch<'_>, rows: &[Row], progress: &Progress) -> Vec<Lines> {
    let groups = cut(batch, rows);
    let cost = |group: &Group| {
        let lines: usize = group.parts.iter().map(|part| part.lines.len()).sum();
        lines as u64 * (1 + batch.kv_lens[group.sequence] as u64)
    };
    progress.begin(groups.iter().map(cost).sum());
    let longest = batch.kv_lens.iter().copied().max().unwrap_or(0);
    let cols: Vec<i32> = (0..longest).map(|col| col as i32).collect();
    let mut done = Vec::new();
    let mut rest = &groups[..];
    while !rest.is_empty() {
        let numbers = rest.iter().map(|group| shared.inputs.column_numbers(group.sequence));
        let (turn, later) = rest.split_at(together(numbers));
        rest = later;
        let columns: Vec<Columns<T>> =
            turn.par_iter().map(|group| shared.inputs.columns(group.sequence, group.kv_head)).collect();
        let chunks: Vec<(&Group, &Columns<T>, &Part)> = turn
            .iter()
            .zip(&columns)
            .flat_map(|(group, columns)| group.parts.iter().map(move |part| (group, columns, part)))
            .collect();
        done.par_extend(chunks.into_par_iter().map(|(group, columns, part)| {
            let (sequence, kv_len) = (group.sequence, batch.kv_lens[group.sequence]);
            let indices: Vec<usize> = part.lines.iter().map(|line| rows[*line].index).collect();
            let first = kv_len as i64 - batch.query.starts.len_of(sequence) as i64;
            let positions = indices.iter().map(|index| (first + *index as i64) as i32).collect();
            let of = Rows { sequence, head: part.head, indices: &indices, positions };
            let stored = chunk::run(shared, &of, columns, &cols[..kv_len]);
            progress.advance(part.lines.len() as u64 * (1 + kv_len as u64));
            Lines { lines: part.lines.clone(), stored }
        }));
    }
    done
}

/// How many groups, of which the first few have so many numbers of keys and values, have theirs on the host at a time:
/// one at least.
fn together(numbers: impl Iterator<Item = usize>) -> usize {
    let mut sum: usize = 0;
    let fits = |numbers: &usize| {
        sum = sum.saturating_add(*numbers);
        sum <= COLUMN_NUMBERS
    };
    numbers.take_while(fits).count().max(1)
}

/// The rows in chunks, by sequence and KV head.
fn cut(batch: &Batch<'_>, rows: &[Row]) -> Vec<Group> {
    let mut heads: BTreeMap<(usize, usize, usize), Vec<usize>> = BTreeMap::new();
    for (line, row) in rows.iter().enumerate() {
        heads.entry((row.sequence, row.head / batch.group(), row.head)).or_default().push(line);
    }
    let mut groups: Vec<Group> = Vec::new();
    for ((sequence, kv_head, head), lines) in heads {
        let most = (TILE_NUMBERS / batch.kv_lens[sequence].max(1)).clamp(CHUNK_ROWS.0, CHUNK_ROWS.1);
        let parts = lines.chunks(most).map(|lines| Part { head, lines: lines.to_vec() });
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
        let most = COLUMN_NUMBERS;
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
