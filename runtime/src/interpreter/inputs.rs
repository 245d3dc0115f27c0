//! What a program reads of tensors, on the host: as stored, until lines of it are needed as a tile.

use super::real::Real;
use super::tile::Tile;
use crate::args::{Argument, PoolLayout, PoolShape};
use crate::batch::Batch;
use crate::scalar::Sequence;
use crate::tensor::{Tensor, TensorError, elements_of};
use flashpage_codegen::program::{Axis, DType, Dim, Param, ParamId, Program, Stmt, TileOp, TileType};
use rayon::prelude::*;

/// Tokens that a core widens in one go.
const TOKENS: usize = 512;
/// Elements of a token that are converted at a time.
const RUN: usize = 256;

/// A `[…, heads, D]` input.
struct Input {
    /// As stored: a cache of some gigabytes is not widened for the rows that are needed of it.
    bytes: Vec<u8>,
    dtype: DType,
    /// Elements from one block, token and head to the next.
    strides: (usize, usize, usize),
    block_size: usize,
}

impl Input {
    fn of(batch: &Batch<'_>, param: ParamId) -> Result<Input, TensorError> {
        let read = |tensor: &Tensor, block_size| {
            let (bytes, dtype) = (tensor.buffer().to_bytes()?, tensor.dtype());
            Ok(Input { bytes, dtype, strides: batch.strides(param), block_size })
        };
        match batch.arguments[param.0] {
            Argument::Ragged(ragged) => read(ragged.tensor, 0),
            Argument::Vector(tensor) => read(tensor, 0),
            Argument::Pool(pool) if pool.layout == PoolLayout::Transposed => {
                let by_rows = pool.shape().map(|shape| PoolShape { layout: PoolLayout::Hnd, ..shape });
                let strides = by_rows.map_or((0, 0, 0), |shape| shape.strides());
                let block_size = by_rows.map_or(1, |shape| shape.block_size);
                Ok(Input { bytes: pool.by_rows()?, dtype: pool.tensor.dtype(), strides, block_size })
            }
            Argument::Pool(pool) => {
                read(pool.tensor, pool.shape().map_or(1, |PoolShape { block_size, .. }| block_size))
            }
            _ => Ok(Input { bytes: Vec::new(), dtype: batch.dtype, strides: (0, 0, 0), block_size: 0 }),
        }
    }

    /// The numbers of one token and head.
    fn read<T: Real>(&self, (block, token, head): (usize, usize, usize), to: &mut [T]) {
        let at = block * self.strides.0 + token * self.strides.1 + head * self.strides.2;
        let size = self.dtype.bytes();
        let mut single = [0.0; RUN];
        for (run, to) in to.chunks_mut(RUN).enumerate() {
            let single = &mut single[..to.len()];
            elements_of(self.dtype, &self.bytes[(at + run * RUN) * size..], single);
            to.iter_mut().zip(single).for_each(|(to, from)| *to = T::narrow(f64::from(*from)));
        }
    }
}

/// What is read: a parameter, and the block table it is read through.
pub(super) type Source = (ParamId, Option<ParamId>);

/// What `op` reads of the loop's tile, if it is a load.
pub(super) fn source_of(op: &TileOp) -> Option<Source> {
    match op {
        TileOp::Load { source } => Some((*source, None)),
        TileOp::Gather { source, table } => Some((*source, Some(*table))),
        _ => None,
    }
}

/// All that a program reads of tensors.
pub(super) struct Inputs<'a> {
    batch: &'a Batch<'a>,
    /// Of each parameter that is read.
    inputs: Vec<Option<Input>>,
    /// Read in the loop.
    sources: Vec<Source>,
}

/// A query head and the KV head that it reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    pub query: usize,
    pub kv: usize,
}

/// What each load reads of the axis that the loop runs over: all of a sequence.
pub(super) type Looped<T> = Vec<(Source, Tile<T>)>;

impl<'a> Inputs<'a> {
    pub(super) fn of(program: &Program, batch: &'a Batch<'a>) -> Result<Inputs<'a>, TensorError> {
        let mut inputs: Vec<Option<Input>> = program.params.iter().map(|_| None).collect();
        let mut sources = Vec::new();
        for stmt in program.statements() {
            let Stmt::Define(id) = stmt else { continue };
            let op = &program.values[id.0].op;
            let read = match (op, source_of(op)) {
                (TileOp::Owned { param }, _) => *param,
                (_, Some(source)) => {
                    if !sources.contains(&source) {
                        sources.push(source);
                    }
                    source.0
                }
                _ => continue,
            };
            if inputs[read.0].is_none() {
                inputs[read.0] = Some(Input::of(batch, read)?);
            }
        }
        for from in program.states.iter().filter_map(|state| state.from) {
            inputs[from.param.0] = Some(Input::of(batch, from.param)?);
        }
        Ok(Inputs { batch, inputs, sources })
    }

    /// What score functions can ask of a sequence.
    pub(super) fn sequence(&self, index: usize) -> Sequence {
        let lens = (self.batch.query.starts.len_of(index), self.batch.kv_lens[index]);
        Sequence { index: index as i32, q_len: lens.0 as i32, kv_len: lens.1 as i32 }
    }

    /// Numbers along a head dimension.
    pub(super) fn width(&self, dim: Dim) -> usize {
        self.batch.program.width(dim, self.batch.head_dim)
    }

    /// The type of a parameter's tiles, and numbers of their lines.
    fn lines_of(&self, param: ParamId) -> (TileType, usize) {
        let Param { kind, dim, .. } = self.batch.program.params[param.0];
        let rows = kind.ty().along.unwrap_or(Axis::Rows);
        match dim {
            Some(dim) => (TileType { rows, cols: Axis::Dim(dim) }, self.width(dim)),
            None => (TileType::of_each(rows), 1),
        }
    }

    /// Numbers of a line of all that is read in the loop.
    pub(super) fn looped_width(&self) -> usize {
        self.sources.iter().map(|(param, _)| self.lines_of(*param).1).sum()
    }

    /// All of a sequence, of each source that is read in the loop. What lies past the sequence's end is not read.
    pub(super) fn looped<T: Real>(&self, sequence: usize, heads: Heads, indices: &[usize]) -> Looped<T> {
        let tile = |source: &Source| (*source, self.tile(*source, sequence, heads, indices));
        self.sources.iter().map(tile).collect()
    }

    /// The lines of these numbers in their sequence.
    pub(super) fn tile<T: Real>(
        &self,
        source: Source,
        sequence: usize,
        heads: Heads,
        indices: &[usize],
    ) -> Tile<T> {
        let (ty, width) = self.lines_of(source.0);
        let head = if ty.rows == Axis::Rows { heads.query } else { heads.kv };
        let mut data = vec![T::default(); indices.len() * width];
        data.par_chunks_mut((TOKENS * width).max(1)).zip(indices.par_chunks(TOKENS)).for_each(
            |(lines, indices)| {
                for (index, line) in indices.iter().zip(lines.chunks_exact_mut(width.max(1))) {
                    self.read(source, sequence, head, *index, line);
                }
            },
        );
        Tile::new(ty, indices.len(), width, data)
    }

    fn read<T: Real>(&self, source: Source, sequence: usize, head: usize, token: usize, line: &mut [T]) {
        let (param, table) = source;
        let Some(input) = &self.inputs[param.0] else { return };
        let table = table.map(|table| self.batch.arguments[table.0]);
        match (self.batch.arguments[param.0], table) {
            (Argument::Pool(_), Some(Argument::Table(table))) => {
                // Checked by `Batch`: the entry exists and names a block.
                let block = table.row(sequence)[token / input.block_size] as usize;
                input.read((block, token % input.block_size, head), line);
            }
            (Argument::Ragged(ragged), _) => {
                input.read((0, ragged.starts.start_of(sequence) + token, head), line)
            }
            // A number for each row.
            (Argument::Vector(_), _) => {
                input.read((0, self.batch.query.starts.start_of(sequence) + token, head), line)
            }
            _ => {}
        }
    }
}
