//! Queries, keys and values on the host: as stored, until rows of them are needed as a tile.

use super::real::Real;
use super::statements;
use super::tile::Tile;
use crate::args::{Argument, PoolShape};
use crate::batch::Batch;
use crate::tensor::{Tensor, TensorError, elements_of};
use flashpage_codegen::program::{Axis, DType, Dim, ParamId, Program, Stmt, TileOp, TileType};
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

/// What a load in the loop reads: a parameter, and the block table it is read through.
pub(super) type Source = (ParamId, Option<ParamId>);

/// What `op` reads, if it is a load.
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
    sources: Vec<Source>,
}

/// The keys and values of one sequence and KV head: all columns of what each load reads.
pub(super) type Columns<T> = Vec<(Source, Tile<T>)>;

impl<'a> Inputs<'a> {
    pub(super) fn of(program: &Program, batch: &'a Batch<'a>) -> Result<Inputs<'a>, TensorError> {
        let mut inputs: Vec<Option<Input>> = program.params.iter().map(|_| None).collect();
        let mut sources = Vec::new();
        for stmt in statements(program) {
            let Stmt::Define(id) = stmt else { continue };
            let op = &program.values[id.0].op;
            let read = match (op, source_of(op)) {
                (TileOp::Query { param }, _) => *param,
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
        Ok(Inputs { batch, inputs, sources })
    }

    /// Numbers along a head dimension.
    pub(super) fn width(&self, dim: Dim) -> usize {
        self.batch.program.width(dim, self.batch.head_dim)
    }

    /// The head dimension of a parameter, which is a tensor.
    fn dim(&self, param: ParamId) -> Dim {
        self.batch.program.params[param.0].dim.unwrap_or(Dim(0))
    }

    /// Numbers that the tiles of [`Inputs::columns`] hold together.
    pub(super) fn column_numbers(&self, sequence: usize) -> usize {
        let widths = self.sources.iter().map(|(param, _)| self.width(self.dim(*param)));
        widths.sum::<usize>() * self.batch.kv_lens[sequence]
    }

    /// Every column of a sequence, of each source. What lies past the sequence's end is not read.
    pub(super) fn columns<T: Real>(&self, sequence: usize, kv_head: usize) -> Columns<T> {
        let tokens = self.batch.kv_lens[sequence];
        let tile = |source: &Source| {
            let dim = self.dim(source.0);
            let width = self.width(dim);
            let mut data = vec![T::default(); tokens * width];
            data.par_chunks_mut((TOKENS * width).max(1)).enumerate().for_each(|(run, lines)| {
                for (token, line) in (run * TOKENS..).zip(lines.chunks_exact_mut(width.max(1))) {
                    self.read_column(*source, sequence, kv_head, token, line);
                }
            });
            let ty = TileType { rows: Axis::Cols, cols: Axis::Dim(dim) };
            (*source, Tile::new(ty, tokens, width, data))
        };
        self.sources.iter().map(tile).collect()
    }

    fn read_column<T: Real>(
        &self,
        source: Source,
        sequence: usize,
        head: usize,
        token: usize,
        line: &mut [T],
    ) {
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
            _ => {}
        }
    }

    /// The queries of these numbers in their sequence.
    pub(super) fn queries<T: Real>(
        &self,
        param: ParamId,
        sequence: usize,
        head: usize,
        indices: &[usize],
    ) -> Tile<T> {
        let dim = self.dim(param);
        let width = self.width(dim);
        let mut data = vec![T::default(); indices.len() * width];
        if let Some(input) = &self.inputs[param.0] {
            let first = self.batch.query.starts.start_of(sequence);
            for (index, line) in indices.iter().zip(data.chunks_exact_mut(width.max(1))) {
                input.read((0, first + index, head), line);
            }
        }
        Tile::new(TileType { rows: Axis::Rows, cols: Axis::Dim(dim) }, indices.len(), width, data)
    }
}
