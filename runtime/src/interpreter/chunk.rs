//! One run of a program: some rows of a sequence's query head, and all its columns as one tile.
//!
//! Statements are executed in program order: those before the loop, those of its body once, unless there are no
//! columns, and those after it. Plainly evaluated, what an operation gives is rounded to the inputs' element type, with four
//! exceptions: the product that is added to an accumulator is rounded when it leaves that, for accumulators are f32;
//! maxima and sums of softmaxes, and log-sum-exps, are not rounded; what is stored is rounded to the output's element type,
//! and to no other on its way.

use super::elementwise::{Elementwise, Positions};
use super::inputs::{Columns, Inputs, source_of};
use super::real::Real;
use super::softmax::OnlineSoftmax;
use super::statements;
use super::tile::Tile;
use crate::rounding::Precision;
use crate::scalar::HostArgument;
use flashpage_codegen::program::{Axis, Program, StateId, StateKind, Stmt, TileOp, TileType, ValueId};

/// What all chunks of a run share.
pub(super) struct Shared<'a> {
    pub program: &'a Program,
    pub precision: Precision,
    /// Of what an output holds.
    pub stored: Precision,
    pub arguments: &'a [HostArgument],
    pub inputs: &'a Inputs<'a>,
}

/// The rows of a chunk.
pub(super) struct Rows<'a> {
    pub sequence: usize,
    pub head: usize,
    /// Their numbers among the sequence's queries.
    pub indices: &'a [usize],
    /// Their positions in the sequence.
    pub positions: Vec<i32>,
}

/// Runs the program on these rows. Gives the numbers of each store in program order, row-major.
pub(super) fn run<T: Real>(
    shared: &Shared<'_>,
    rows: &Rows<'_>,
    columns: &Columns<T>,
    cols: &[i32],
) -> Vec<Vec<f64>> {
    let program = shared.program;
    let extent = |axis| match axis {
        Axis::Rows => rows.positions.len(),
        Axis::Cols => cols.len(),
        Axis::Dim(dim) => shared.inputs.width(dim),
    };
    let states = program.states.iter().map(|state| match state.kind {
        StateKind::OnlineSoftmax => State::Softmax(OnlineSoftmax::new(rows.positions.len())),
        StateKind::Accumulator(ty) => State::Accumulator(Tile::zeros(ty, extent)),
    });
    let states = states.collect();
    let values = program.values.iter().map(|_| None).collect();
    let mut chunk =
        Chunk { shared, rows, columns, cols, values, uses: uses(program), states, stored: Vec::new() };
    chunk.statements(&program.prologue);
    // Of a sequence without keys the loop has no iteration.
    if !cols.is_empty() {
        chunk.statements(&program.main_loop.body);
    }
    chunk.statements(&program.epilogue);
    chunk.stored
}

/// How often each value is an operand: with the last use its memory is free.
fn uses(program: &Program) -> Vec<usize> {
    let mut uses = vec![0; program.values.len()];
    for stmt in statements(program) {
        let operands = match stmt {
            Stmt::Accumulate { value, .. } | Stmt::Store { value, .. } => [Some(*value), None],
            Stmt::Define(id) => match program.values[id.0].op {
                TileOp::Slice { of, .. } | TileOp::Transpose { of } => [Some(of), None],
                TileOp::Map { of, .. } | TileOp::Mask { of, .. } => [Some(of), None],
                TileOp::SoftmaxStep { scores, .. } => [Some(scores), None],
                TileOp::Dot { a, b } => [Some(a), Some(b)],
                TileOp::Query { .. } | TileOp::Load { .. } | TileOp::Gather { .. } => [None, None],
                TileOp::Finish { .. } | TileOp::Lse { .. } => [None, None],
            },
        };
        operands.into_iter().flatten().for_each(|value| uses[value.0] += 1);
    }
    uses
}

enum Value<T> {
    Tile(Tile<T>),
    /// A product that has not been rounded.
    Product(Tile<T>),
    /// One number for each row.
    PerRow(Vec<f64>),
}

enum State<T> {
    Softmax(OnlineSoftmax),
    Accumulator(Tile<T>),
}

struct Chunk<'a, T> {
    shared: &'a Shared<'a>,
    rows: &'a Rows<'a>,
    columns: &'a Columns<T>,
    /// Positions of the columns.
    cols: &'a [i32],
    values: Vec<Option<Value<T>>>,
    /// Uses of each value that are still to come.
    uses: Vec<usize>,
    states: Vec<State<T>>,
    stored: Vec<Vec<f64>>,
}

/// What [`Program::validate`] has seen to.
const VALID: &str = "a valid program defines before it uses, and uses states and values as what they are";

impl<T: Real> Chunk<'_, T> {
    fn statements(&mut self, statements: &[Stmt]) {
        for stmt in statements {
            match stmt {
                Stmt::Define(id) => {
                    let value = self.make(*id);
                    self.values[id.0] = Some(value);
                }
                Stmt::Accumulate { acc, value } => {
                    let value = self.used(*value);
                    self.accumulate(*acc, value);
                }
                Stmt::Store { value, .. } => {
                    let numbers = match self.used(*value) {
                        Value::PerRow(numbers) => numbers,
                        Value::Tile(tile) | Value::Product(tile) => {
                            let tile = tile.changed(|data| T::round_all(self.shared.stored, data));
                            tile.into_rows().into_iter().map(T::wide).collect()
                        }
                    };
                    self.stored.push(numbers);
                }
            }
        }
    }

    fn make(&mut self, id: ValueId) -> Value<T> {
        let shared = self.shared;
        let op = &shared.program.values[id.0].op;
        Value::Tile(match op {
            TileOp::Query { param } => {
                let Rows { sequence, head, indices, .. } = *self.rows;
                shared.inputs.queries(*param, sequence, head, indices)
            }
            TileOp::Load { .. } | TileOp::Gather { .. } => {
                let source = source_of(op);
                let loaded = self.columns.iter().find(|(from, _)| Some(*from) == source);
                loaded.expect(VALID).1.clone()
            }
            TileOp::Slice { of, dim } => {
                let width = shared.inputs.width(*dim);
                match self.used(*of) {
                    Value::PerRow(_) => unreachable!("{VALID}"),
                    Value::Product(tile) => return Value::Product(tile.sliced(*dim, width)),
                    Value::Tile(tile) => tile.sliced(*dim, width),
                }
            }
            TileOp::Transpose { of } => match self.used(*of) {
                Value::PerRow(numbers) => return Value::PerRow(numbers),
                Value::Product(tile) => return Value::Product(tile.transposed()),
                Value::Tile(tile) => tile.transposed(),
            },
            TileOp::Dot { a, b } => {
                let (a, b) = (self.operand(*a), self.operand(*b));
                return Value::Product(a.dot(&b));
            }
            TileOp::Map { of, expr } => {
                let tile = self.operand(*of);
                self.elementwise(id, tile.ty).map(tile, expr)
            }
            TileOp::Mask { of, keep } => {
                let tile = self.operand(*of);
                self.elementwise(id, tile.ty).mask(tile, keep)
            }
            TileOp::SoftmaxStep { softmax, scores, acc } => {
                let scores = self.operand(*scores);
                self.step(*softmax, scores, *acc)
            }
            TileOp::Finish { softmax, acc } => {
                let (State::Softmax(softmax), State::Accumulator(acc)) =
                    (&self.states[softmax.0], &self.states[acc.0])
                else {
                    unreachable!("{VALID}")
                };
                acc.clone().changed(|data| {
                    for (row, line) in data.chunks_exact_mut(acc.cols.max(1)).enumerate() {
                        softmax.finish(row, line);
                    }
                    T::round_all(self.precision_of(id), data);
                })
            }
            TileOp::Lse { softmax } => {
                let State::Softmax(softmax) = &self.states[softmax.0] else { unreachable!("{VALID}") };
                return Value::PerRow(softmax.lse());
            }
        })
    }

    /// A value, with its memory if this is its last use.
    fn used(&mut self, id: ValueId) -> Value<T> {
        self.uses[id.0] -= 1;
        if self.uses[id.0] == 0 {
            return self.values[id.0].take().expect(VALID);
        }
        match self.values[id.0].as_ref().expect(VALID) {
            Value::Tile(tile) => Value::Tile(tile.clone()),
            Value::Product(tile) => Value::Product(tile.clone()),
            Value::PerRow(numbers) => Value::PerRow(numbers.clone()),
        }
    }

    /// A tile that an operation takes.
    fn operand(&mut self, id: ValueId) -> Tile<T> {
        let value = self.used(id);
        self.rounded(value)
    }

    fn rounded(&self, value: Value<T>) -> Tile<T> {
        match (value, self.shared.precision) {
            (Value::Tile(tile), _) | (Value::Product(tile), Precision::Exact) => tile,
            (Value::Product(tile), precision) => tile.changed(|data| T::round_all(precision, data)),
            (Value::PerRow(_), _) => {
                unreachable!("programs that multiply rows with rows are refused before they run")
            }
        }
    }

    /// How a value is rounded: one that is stored, as its output is.
    fn precision_of(&self, id: ValueId) -> Precision {
        let Shared { program, precision, stored, .. } = *self.shared;
        let stores = |stmt: &Stmt| matches!(stmt, Stmt::Store { value, .. } if *value == id);
        if program.epilogue.iter().any(stores) { stored } else { precision }
    }

    fn elementwise(&self, id: ValueId, ty: TileType) -> Elementwise<'_> {
        let along = |axis| match axis {
            Axis::Rows => Positions::Rows(&self.rows.positions),
            Axis::Cols => Positions::Cols(self.cols),
            Axis::Dim(_) => Positions::None,
        };
        let (arguments, precision) = (self.shared.arguments, self.precision_of(id));
        let (head, seq) = (self.rows.head as i32, self.rows.sequence as i32);
        Elementwise { arguments, precision, head, seq, down: along(ty.rows), across: along(ty.cols) }
    }

    fn accumulate(&mut self, acc: StateId, value: Value<T>) {
        // Numbers per row go into accumulators that nothing reads.
        let (Value::Tile(value) | Value::Product(value)) = value else { return };
        let State::Accumulator(acc) = &mut self.states[acc.0] else { unreachable!("{VALID}") };
        let value = value.into_rows();
        let add = |data: &mut [T]| {
            data.iter_mut().zip(&value).for_each(|(sum, x)| *sum = T::narrow(sum.wide() + x.wide()));
        };
        *acc = acc.take().changed(add);
    }

    fn step(&mut self, softmax: StateId, scores: Tile<T>, acc: StateId) -> Tile<T> {
        let mut rescale = Vec::with_capacity(scores.rows);
        let State::Softmax(softmax) = &mut self.states[softmax.0] else { unreachable!("{VALID}") };
        let width = scores.cols.max(1);
        let precision = self.shared.precision;
        let probabilities = scores.changed(|data| {
            for (row, line) in data.chunks_exact_mut(width).enumerate() {
                rescale.push(softmax.step(row, line));
                T::round_all(precision, line);
            }
        });
        let State::Accumulator(acc) = &mut self.states[acc.0] else { unreachable!("{VALID}") };
        let width = acc.cols.max(1);
        *acc = acc.take().changed(|data| {
            for (line, factor) in data.chunks_exact_mut(width).zip(rescale) {
                line.iter_mut().for_each(|x| *x = T::narrow(x.wide() * factor));
            }
        });
        probabilities
    }
}
