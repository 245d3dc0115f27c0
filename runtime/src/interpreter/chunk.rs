//! One run of a program: some lines of what an instance owns, and all of what its loop runs over, a tile for each head.
//!
//! Statements are executed in program order: those before the loop, those of its body once for each [`Pass`] that is not
//! empty, and those after it. Plainly evaluated, what an operation gives is rounded to the inputs' element type, with these
//! exceptions: a product that is added to an accumulator is rounded when it leaves that, for accumulators are f32; vectors,
//! which hold maxima, sums and log-sum-exps, are not rounded; what is stored is rounded to the output's element type, and to
//! no other on its way. Of f32 inputs results are f32, and what a product takes is rounded as a kernel's tensor cores take it.

use super::elementwise::{Elementwise, Positions};
use super::inputs::{Heads, Inputs, Looped, source_of};
use super::real::Real;
use super::softmax::OnlineSoftmax;
use super::tile::Tile;
use crate::rounding::{Factors, Precision};
use crate::scalar::HostArgument;
use flashpage_codegen::program::{
    Axis, Program, Resumed, StateId, StateKind, Stmt, TileOp, TileType, ValueId,
};

/// What all chunks of a run share.
pub(super) struct Shared<'a> {
    pub program: &'a Program,
    pub precision: Precision,
    /// Of what an output holds.
    pub stored: Precision,
    /// What factors of products are rounded to, plainly.
    pub factors: Option<Factors>,
    pub arguments: &'a [HostArgument],
    pub inputs: &'a Inputs<'a>,
}

/// The lines of a chunk: of one head of one sequence, along the axis that instances own.
pub(super) struct Own<'a> {
    pub sequence: usize,
    pub heads: Heads,
    /// Their numbers in the sequence.
    pub indices: &'a [usize],
    /// Their positions in the sequence.
    pub positions: Vec<i32>,
}

/// One run of the loop's body, on one tile of all that the loop runs over.
pub(super) struct Pass<T> {
    /// The query head of its rows; none, where it is columns.
    pub head: Option<usize>,
    pub tiles: Looped<T>,
    pub positions: Vec<i32>,
}

/// Runs the program on these lines. Gives the numbers of each store in program order, row-major.
pub(super) fn run<T: Real>(shared: &Shared<'_>, own: &Own<'_>, passes: &[Pass<T>]) -> Vec<Vec<f64>> {
    let program = shared.program;
    let lines = own.positions.len();
    let extent = |axis| match axis {
        Axis::Dim(dim) => shared.inputs.width(dim),
        Axis::One => 1,
        // No accumulator lies along the axis that the loop runs over.
        Axis::Rows | Axis::Cols => lines,
    };
    let read = |from: Resumed| -> Tile<T> {
        shared.inputs.tile((from.param, None), own.sequence, own.heads, own.indices)
    };
    let states = program.states.iter().map(|state| match (state.kind, state.from) {
        (StateKind::OnlineSoftmax, None) => State::Softmax(OnlineSoftmax::new(lines)),
        (StateKind::OnlineSoftmax, Some(from)) => {
            let natural = |lse: T| lse.wide() / from.base.from_natural();
            State::Softmax(OnlineSoftmax::resumed(read(from).into_rows().into_iter().map(natural).collect()))
        }
        (StateKind::Accumulator(ty), None) => State::Accumulator(Tile::zeros(ty, extent)),
        (StateKind::Accumulator(_), Some(from)) => State::Accumulator(read(from)),
    });
    let states = states.collect();
    let values = program.values.iter().map(|_| None).collect();
    // Of a sequence without keys, or without queries, the loop has no iteration.
    let passes: Vec<&Pass<T>> = passes.iter().filter(|pass| !pass.positions.is_empty()).collect();
    let uses = uses(program, passes.len());
    let mut chunk = Chunk { shared, own, pass: None, values, uses, states, stored: Vec::new() };
    chunk.statements(&program.prologue);
    for pass in passes {
        chunk.pass = Some(pass);
        chunk.statements(&program.main_loop.body);
    }
    chunk.pass = None;
    chunk.statements(&program.epilogue);
    chunk.stored
}

/// How often each value is an operand, where the loop's body is run `passes` times: with the last use its memory is free.
fn uses(program: &Program, passes: usize) -> Vec<usize> {
    let mut uses = vec![0; program.values.len()];
    let mut count = |statements: &[Stmt], times: usize| {
        for stmt in statements {
            let operands = match stmt {
                Stmt::Sink { .. } => [None, None],
                Stmt::Accumulate { value, .. } | Stmt::Store { value, .. } => [Some(*value), None],
                Stmt::Define(id) => match program.values[id.0].op {
                    TileOp::Slice { of, .. } | TileOp::Transpose { of } | TileOp::Sum { of } => {
                        [Some(of), None]
                    }
                    TileOp::Map { of, .. } | TileOp::Mask { of, .. } => [Some(of), None],
                    TileOp::SoftmaxStep { scores, .. } => [Some(scores), None],
                    TileOp::Dot { a, b } | TileOp::Zip { a, b, .. } => [Some(a), Some(b)],
                    TileOp::Owned { .. } | TileOp::Load { .. } | TileOp::Gather { .. } => [None, None],
                    TileOp::Finish { .. } | TileOp::Lse { .. } | TileOp::Total { .. } => [None, None],
                },
            };
            operands.into_iter().flatten().for_each(|value| uses[value.0] += times);
        }
    };
    count(&program.prologue, 1);
    count(&program.main_loop.body, passes);
    count(&program.epilogue, 1);
    uses
}

enum Value<T> {
    Tile(Tile<T>),
    /// A product that has not been rounded.
    Product(Tile<T>),
}

enum State<T> {
    Softmax(OnlineSoftmax),
    Accumulator(Tile<T>),
}

struct Chunk<'a, T> {
    shared: &'a Shared<'a>,
    own: &'a Own<'a>,
    /// In the loop.
    pass: Option<&'a Pass<T>>,
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
                Stmt::Sink { softmax, logit } => {
                    let (ty, rows) = (TileType::of_each(Axis::Rows), self.own.positions.len());
                    let zeros = Tile::new(ty, rows, 1, vec![T::default(); rows]);
                    let elementwise = Elementwise { precision: Precision::Exact, ..self.elementwise_of(ty) };
                    let logits = elementwise.map(zeros, logit).into_rows();
                    let State::Softmax(softmax) = &mut self.states[softmax.0] else {
                        unreachable!("{VALID}")
                    };
                    for (row, logit) in logits.into_iter().enumerate() {
                        softmax.sink(row, logit.wide());
                    }
                }
                Stmt::Store { value, .. } => {
                    let (Value::Tile(tile) | Value::Product(tile)) = self.used(*value);
                    let tile = match tile.ty.is_vector() {
                        true => tile,
                        false => tile.changed(|data| T::round_all(self.shared.stored, data)),
                    };
                    self.stored.push(tile.into_rows().into_iter().map(T::wide).collect());
                }
            }
        }
    }

    fn make(&mut self, id: ValueId) -> Value<T> {
        let shared = self.shared;
        let op = &shared.program.values[id.0].op;
        Value::Tile(match op {
            TileOp::Owned { param } => {
                let Own { sequence, heads, indices, .. } = *self.own;
                shared.inputs.tile((*param, None), sequence, heads, indices)
            }
            TileOp::Load { .. } | TileOp::Gather { .. } => {
                let source = source_of(op);
                let tiles = &self.pass.expect(VALID).tiles;
                tiles.iter().find(|(from, _)| Some(*from) == source).expect(VALID).1.clone()
            }
            TileOp::Slice { of, dim } => {
                let width = shared.inputs.width(*dim);
                match self.used(*of) {
                    Value::Product(tile) => return Value::Product(tile.sliced(*dim, width)),
                    Value::Tile(tile) => tile.sliced(*dim, width),
                }
            }
            TileOp::Transpose { of } => match self.used(*of) {
                Value::Product(tile) => return Value::Product(tile.transposed()),
                Value::Tile(tile) => tile.transposed(),
            },
            TileOp::Dot { a, b } => {
                let (a, b) = (self.operand(*a), self.operand(*b));
                return Value::Product(a.dot(&b, shared.factors));
            }
            TileOp::Map { of, expr } => {
                let tile = self.operand(*of);
                self.elementwise(id, tile.ty).map(tile, expr)
            }
            TileOp::Zip { a, b, expr } => {
                let (a, b) = (self.operand(*a), self.operand(*b));
                self.elementwise(id, a.ty).zip(a, b, expr)
            }
            TileOp::Sum { of } => {
                let tile = self.operand(*of);
                let (rows, width) = (tile.rows, tile.cols);
                let ty = TileType::of_each(tile.ty.rows);
                let data = tile.into_rows();
                let sum = |row: usize| data[row * width..][..width].iter().map(|x| x.wide()).sum();
                Tile::new(ty, rows, 1, (0..rows).map(sum).map(T::narrow).collect())
            }
            TileOp::Total { acc } => {
                let State::Accumulator(acc) = &self.states[acc.0] else { unreachable!("{VALID}") };
                return Value::Product(acc.clone());
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
            TileOp::Lse { softmax, base } => {
                let State::Softmax(softmax) = &self.states[softmax.0] else { unreachable!("{VALID}") };
                let lse: Vec<T> =
                    softmax.lse().into_iter().map(|lse| T::narrow(lse * base.from_natural())).collect();
                Tile::new(TileType::of_each(Axis::Rows), lse.len(), 1, lse)
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
            (Value::Product(tile), _) if tile.ty.is_vector() => tile,
            (Value::Product(tile), precision) => tile.changed(|data| T::round_all(precision, data)),
        }
    }

    /// How a value is rounded: one that is stored, as its output is; vectors are not.
    fn precision_of(&self, id: ValueId) -> Precision {
        let Shared { program, precision, stored, .. } = *self.shared;
        if program.values[id.0].ty.is_vector() {
            return Precision::Exact;
        }
        let stores = |stmt: &Stmt| matches!(stmt, Stmt::Store { value, .. } if *value == id);
        if program.epilogue.iter().any(stores) { stored } else { precision }
    }

    fn elementwise(&self, id: ValueId, ty: TileType) -> Elementwise<'_> {
        Elementwise { precision: self.precision_of(id), ..self.elementwise_of(ty) }
    }

    /// Of a tile of this type, in the precision of the run.
    fn elementwise_of(&self, ty: TileType) -> Elementwise<'_> {
        let owned = self.shared.program.owned();
        let positions = |axis| match self.pass {
            Some(pass) if axis != owned => &pass.positions[..],
            _ => &self.own.positions,
        };
        let along = |axis| match axis {
            Axis::Rows => Positions::Rows(positions(axis)),
            Axis::Cols => Positions::Cols(positions(axis)),
            Axis::Dim(_) | Axis::One => Positions::None,
        };
        let (arguments, precision) = (self.shared.arguments, self.shared.precision);
        let head = self.pass.and_then(|pass| pass.head).unwrap_or(self.own.heads.query);
        let (head, kv_head) = (head as i32, self.own.heads.kv as i32);
        let sequence = self.shared.inputs.sequence(self.own.sequence);
        Elementwise {
            arguments,
            precision,
            head,
            kv_head,
            sequence,
            down: along(ty.rows),
            across: along(ty.cols),
        }
    }

    fn accumulate(&mut self, acc: StateId, value: Value<T>) {
        let (Value::Tile(value) | Value::Product(value)) = value;
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
                let had_seen = softmax.has_seen(row);
                let factor = softmax.step(row, line);
                rescale.push(had_seen.then_some(factor));
                T::round_all(precision, line);
            }
        });
        let State::Accumulator(acc) = &mut self.states[acc.0] else { unreachable!("{VALID}") };
        let width = acc.cols.max(1);
        *acc = acc.take().changed(|data| {
            for (line, factor) in data.chunks_exact_mut(width).zip(rescale) {
                // Of a row that had seen nothing there is nothing, whatever it began as.
                let scaled = |x: &T| factor.map_or(0.0, |factor| x.wide() * factor);
                line.iter_mut().for_each(|x| *x = T::narrow(scaled(x)));
            }
        });
        probabilities
    }
}
