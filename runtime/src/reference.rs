//! What a kernel should have computed: naive attention on the host, without tiles.
//!
//! [`reference()`] takes the stored inputs as they are, rounded to their type, and computes in f64. It walks the
//! program itself and shares nothing with the compiler's analysis, so that an error there cannot hide here.
//! [`plain()`] is the same computation done plainly in the element type: scores and probabilities are rounded to
//! it at each step, products accumulate in f32. What it loses is what a kernel is allowed to lose (see
//! [`crate::check`]).
//!
//! A row that keeps no key gives O = 0 and LSE = -inf.

use crate::args::{Argument, PoolShape};
use crate::batch::Batch;
use crate::launch_error::LaunchError;
use crate::scalar::{HostArgument, Place, Precision};
use crate::tensor::{Tensor, TensorError, element_of};
use flashpage_codegen::program::{
    DType, Expr, ParamId, Program, ProgramError, ScalarType, StateId, Stmt, TileOp, ValueId,
};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Why there is no reference for a program and its arguments.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The arguments do not fit.
    #[error(transparent)]
    Arguments(#[from] LaunchError),
    /// The program is not well-formed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A program of another form than attention.
    #[error("kernel `{kernel}`: {message}")]
    Form {
        /// The kernel.
        kernel: String,
        /// What stands in the way.
        message: &'static str,
    },
    /// A row asked for that the batch does not have.
    #[error("the batch has no row {0:?}")]
    NoRow(Row),
    /// An input could not be read.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// The values of one output parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The `Output` or `RowOutput`.
    pub param: ParamId,
    /// Its name.
    pub name: String,
    /// Whether it is a `RowOutput`: `[tokens, q_heads]` instead of `[tokens, q_heads, D]`.
    pub is_row_output: bool,
    /// Row-major, for the tokens that belong to sequences (what the tensor holds beyond them stays as it was) or for
    /// the rows that were asked for.
    pub values: Vec<f64>,
}

/// Naive attention in f64 over the inputs as stored: one entry per stored output, in the order of the program.
///
/// # Errors
/// The arguments do not fit the program, or it is no attention.
pub fn reference(program: &Program, arguments: &[Argument<'_>]) -> Result<Vec<Expected>, ReferenceError> {
    run(program, arguments, |_| Precision::Exact, None)
}

/// The same computation done plainly in the element type of the queries.
///
/// # Errors
/// As [`reference()`].
pub fn plain(program: &Program, arguments: &[Argument<'_>]) -> Result<Vec<Expected>, ReferenceError> {
    run(program, arguments, |batch| Precision::Plain(batch.dtype), None)
}

/// One query of one head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The sequence.
    pub sequence: usize,
    /// The query head.
    pub head: usize,
    /// The query's number in its sequence.
    pub index: usize,
}

/// [`reference()`] of some rows alone, where all would take too long: the values of each store are those of `rows`, in
/// their order.
///
/// # Errors
/// As [`reference()`], and rows that there are not.
pub fn reference_rows(
    program: &Program,
    arguments: &[Argument<'_>],
    rows: &[Row],
) -> Result<Vec<Expected>, ReferenceError> {
    run(program, arguments, |_| Precision::Exact, Some(rows))
}

/// [`plain()`] of some rows alone.
///
/// # Errors
/// As [`reference_rows`].
pub fn plain_rows(
    program: &Program,
    arguments: &[Argument<'_>],
    rows: &[Row],
) -> Result<Vec<Expected>, ReferenceError> {
    run(program, arguments, |batch| Precision::Plain(batch.dtype), Some(rows))
}

/// Elementwise steps, first to last.
#[derive(Debug)]
enum Step<'p> {
    Map(&'p Expr),
    Mask(&'p Expr),
}

/// A tile that is loaded, and the maps after it.
#[derive(Debug)]
struct Factor<'p> {
    source: ParamId,
    table: Option<ParamId>,
    maps: Vec<&'p Expr>,
}

/// `softmax(steps(q kᵀ)) v`, as the program says it.
#[derive(Debug)]
struct Form<'p> {
    q: Factor<'p>,
    k: Factor<'p>,
    v: Option<Factor<'p>>,
    steps: Vec<Step<'p>>,
    /// What is stored, the maps after the softmax, and whether it is the log-sum-exp.
    stores: Vec<(ParamId, Vec<&'p Expr>, bool)>,
}

struct Walker<'p> {
    program: &'p Program,
}

impl<'p> Walker<'p> {
    fn op(&self, id: ValueId) -> &'p TileOp {
        &self.program.values[id.0].op
    }

    /// The maps and masks that end in `last`, first to last, and what they begin with.
    fn chain(&self, last: ValueId) -> (Vec<Step<'p>>, ValueId) {
        let (mut steps, mut at) = (Vec::new(), last);
        loop {
            match self.op(at) {
                TileOp::Map { of, expr } => {
                    steps.push(Step::Map(expr));
                    at = *of;
                }
                TileOp::Mask { of, keep } => {
                    steps.push(Step::Mask(keep));
                    at = *of;
                }
                _ => break,
            }
        }
        steps.reverse();
        (steps, at)
    }

    /// A chain of maps alone, none of which asks where it is.
    fn maps(&self, last: ValueId) -> Result<(Vec<&'p Expr>, ValueId), &'static str> {
        let (steps, first) = self.chain(last);
        let maps = steps.into_iter().map(|step| match step {
            Step::Map(expr) if !expr.any(&mut |e| matches!(e, Expr::Row | Expr::Col)) => Ok(expr),
            Step::Map(_) => Err("a map of a tile that is not scores asks for `at.row` or `at.col`"),
            Step::Mask(_) => Err("a mask of a tile that is not scores"),
        });
        Ok((maps.collect::<Result<_, _>>()?, first))
    }

    fn factor(&self, value: ValueId) -> Result<Factor<'p>, &'static str> {
        let (maps, first) = self.maps(value)?;
        match self.op(first) {
            TileOp::Query { param } => Ok(Factor { source: *param, table: None, maps }),
            TileOp::Load { source } => Ok(Factor { source: *source, table: None, maps }),
            TileOp::Gather { source, table } => Ok(Factor { source: *source, table: Some(*table), maps }),
            _ => Err("a factor of a product is not loaded from a parameter"),
        }
    }

    fn form(&self) -> Result<Form<'p>, &'static str> {
        let body = &self.program.main_loop.body;
        let mut step: Option<(ValueId, StateId, ValueId)> = None;
        for stmt in body {
            if let Stmt::Define(value) = stmt
                && let TileOp::SoftmaxStep { softmax, scores, .. } = self.op(*value)
                && step.replace((*value, *softmax, *scores)).is_some()
            {
                return Err("the loop has more than one softmax step");
            }
        }
        let (p, softmax, scores) = step.ok_or("the loop has no softmax step")?;
        let (steps, product) = self.chain(scores);
        let TileOp::Dot { a, b } = self.op(product) else {
            return Err("the scores do not begin with a product");
        };
        let (k_maps, transposed) = self.maps(*b)?;
        let TileOp::Transpose { of } = self.op(transposed) else {
            return Err("the right factor of the scores is not transposed");
        };
        let (q, mut k) = (self.factor(*a)?, self.factor(*of)?);
        k.maps.extend(k_maps);
        let mut accumulated: Option<(StateId, ValueId)> = None;
        for stmt in body {
            if let Stmt::Accumulate { acc, value } = stmt
                && accumulated.replace((*acc, *value)).is_some()
            {
                return Err("the loop accumulates more than once");
            }
        }
        let v = match accumulated {
            None => None,
            Some((_, value)) => match self.op(value) {
                TileOp::Dot { a, b } if *a == p => Some(self.factor(*b)?),
                _ => return Err("what is accumulated is not the product of the probabilities and values"),
            },
        };
        let mut stores = Vec::new();
        for stmt in &self.program.epilogue {
            let Stmt::Store { param, value } = stmt else { continue };
            let (maps, first) = self.maps(*value)?;
            match self.op(first) {
                TileOp::Finish { softmax: s, acc }
                    if *s == softmax && accumulated.is_some_and(|(a, _)| a == *acc) =>
                {
                    stores.push((*param, maps, false));
                }
                TileOp::Lse { softmax: s } if *s == softmax => stores.push((*param, maps, true)),
                _ => return Err("what is stored comes neither from `finish` nor from `lse`"),
            }
        }
        Ok(Form { q, k, v, steps, stores })
    }
}

/// A `[…, heads, D]` input on the host.
struct Input {
    /// As stored: a cache of some gigabytes is not widened for the rows that are needed of it.
    bytes: Vec<u8>,
    dtype: DType,
    head_dim: usize,
    /// Elements from one block, token and head to the next.
    strides: (usize, usize, usize),
    block_size: usize,
}

impl Input {
    fn of(batch: &Batch<'_>, param: ParamId) -> Result<Input, TensorError> {
        let ragged = |tensor: &Tensor, heads: usize| {
            let head_dim = batch.head_dim;
            Ok(Input {
                bytes: tensor.buffer().to_bytes()?,
                dtype: tensor.dtype(),
                head_dim,
                strides: (0, heads * head_dim, head_dim),
                block_size: 0,
            })
        };
        match batch.arguments[param.0] {
            Argument::Ragged(r) => ragged(r.tensor, r.tensor.shape().get(1).copied().unwrap_or(0)),
            Argument::Pool(pool) => {
                let PoolShape { block_size, head_dim, .. } = pool.shape().unwrap_or(PoolShape {
                    blocks: 0,
                    block_size: 1,
                    kv_heads: 0,
                    head_dim: 0,
                    layout: pool.layout,
                });
                let strides = pool.shape().map_or((0, 0, 0), |shape| shape.strides());
                let (bytes, dtype) = (pool.tensor.buffer().to_bytes()?, pool.tensor.dtype());
                Ok(Input { bytes, dtype, head_dim, strides, block_size })
            }
            _ => Ok(Input {
                bytes: Vec::new(),
                dtype: batch.dtype,
                head_dim: 0,
                strides: (0, 0, 0),
                block_size: 0,
            }),
        }
    }

    fn row(&self, block: usize, token: usize, head: usize) -> impl Iterator<Item = f64> {
        let at = block * self.strides.0 + token * self.strides.1 + head * self.strides.2;
        let size = self.dtype.bytes();
        let dtype = self.dtype;
        self.bytes[at * size..(at + self.head_dim) * size]
            .chunks_exact(size)
            .map(move |bytes| f64::from(element_of(dtype, bytes)))
    }
}

/// Rows of one sequence and head, mapped, in f64: those of `tokens`.
fn rows(
    batch: &Batch<'_>,
    input: &Input,
    factor: &Factor<'_>,
    place: &Place<'_>,
    head: usize,
    tokens: impl ExactSizeIterator<Item = usize>,
) -> Vec<f64> {
    let sequence = place.seq as usize;
    let mut rows = Vec::with_capacity(tokens.len() * input.head_dim);
    for token in tokens {
        let (block, token) =
            match (batch.arguments[factor.source.0], factor.table.map(|t| batch.arguments[t.0])) {
                (Argument::Pool(_), Some(Argument::Table(table))) => {
                    // Checked by `Batch`: the entry exists and names a block.
                    (table.row(sequence)[token / input.block_size] as usize, token % input.block_size)
                }
                (Argument::Ragged(ragged), _) => (0, ragged.starts.start_of(sequence) + token),
                _ => continue,
            };
        let row = input.row(block, token, head);
        rows.extend(row.map(|x| factor.maps.iter().fold(x, |x, map| place.float(map, x))));
    }
    rows
}

/// A product of vectors: in f64, or in f32 as a tensor core adds it up, before it is rounded.
fn dot(precision: Precision, a: impl Iterator<Item = f64>, b: impl Iterator<Item = f64>) -> f64 {
    match precision {
        Precision::Exact => a.zip(b).map(|(a, b)| a * b).sum(),
        Precision::Plain(_) => f64::from(a.zip(b).fold(0f32, |sum, (a, b)| sum + a as f32 * b as f32)),
    }
}

/// What one row gives.
struct RowResult {
    output: Vec<f64>,
    lse: f64,
}

fn row_result(
    precision: Precision,
    scores: &mut [f64],
    values: Option<&[f64]>,
    head_dim: usize,
) -> RowResult {
    // NaN must not be lost, and `max` would.
    let largest = scores
        .iter()
        .fold(f64::NEG_INFINITY, |m, s| if s.is_nan() || m.is_nan() { f64::NAN } else { m.max(*s) });
    if largest == f64::NEG_INFINITY {
        return RowResult { output: vec![0.0; head_dim], lse: f64::NEG_INFINITY };
    }
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    for p in scores.iter_mut() {
        *p = precision.round(*p / sum);
    }
    let output = match values {
        None => Vec::new(),
        Some(values) => (0..head_dim)
            .map(|d| {
                let column = values.iter().skip(d).step_by(head_dim).copied();
                precision.round(dot(precision, scores.iter().copied(), column))
            })
            .collect(),
    };
    RowResult { output, lse: largest + sum.ln() }
}

/// Evaluates the program for `chosen` rows, or for all, in the order of the output tensors.
fn run(
    program: &Program,
    arguments: &[Argument<'_>],
    precision: impl Fn(&Batch<'_>) -> Precision,
    chosen: Option<&[Row]>,
) -> Result<Vec<Expected>, ReferenceError> {
    program.validate()?;
    let batch = Batch::check(program, arguments)?;
    let form = Walker { program }
        .form()
        .map_err(|message| ReferenceError::Form { kernel: program.name.clone(), message })?;
    let precision = precision(&batch);
    let host = host_arguments(program, arguments)?;
    let inputs = (
        Input::of(&batch, form.q.source)?,
        Input::of(&batch, form.k.source)?,
        form.v.as_ref().map(|v| Input::of(&batch, v.source)).transpose()?,
    );
    let (heads, head_dim) = (batch.q_heads, batch.head_dim);
    let chosen: Vec<Row> = match chosen {
        Some(chosen) => chosen.to_vec(),
        None => (0..batch.sequences())
            .flat_map(|sequence| {
                (0..batch.query.starts.len_of(sequence))
                    .flat_map(move |index| (0..heads).map(move |head| Row { sequence, head, index }))
            })
            .collect(),
    };
    let lines = chosen.len();
    // Rows of one sequence and head share its keys and values.
    let mut instances: BTreeMap<(usize, usize), Instance> = BTreeMap::new();
    for (line, row) in chosen.into_iter().enumerate() {
        let Row { sequence, head, index } = row;
        if sequence >= batch.sequences() || head >= heads || index >= batch.query.starts.len_of(sequence) {
            return Err(ReferenceError::NoRow(row));
        }
        let instance = instances.entry((sequence, head)).or_default();
        instance.lines.push(line);
        instance.indices.push(index);
    }
    let mut results: Vec<Expected> = form
        .stores
        .iter()
        .map(|(param, _, is_row_output)| Expected {
            param: *param,
            name: program.params[param.0].name.clone(),
            is_row_output: *is_row_output,
            values: vec![f64::NAN; lines * if *is_row_output { 1 } else { head_dim }],
        })
        .collect();
    let place = |seq: usize, head: usize| Place {
        arguments: &host,
        precision,
        row: 0,
        col: 0,
        head: head as i32,
        seq: seq as i32,
    };
    let computed: Vec<Vec<RowResult>> = instances
        .par_iter()
        .map(|((seq, head), rows)| {
            let inputs = (&inputs.0, &inputs.1, inputs.2.as_ref());
            instance(&batch, &form, inputs, &place(*seq, *head), &rows.indices)
        })
        .collect();
    for (((seq, head), instance), computed) in instances.iter().zip(computed) {
        let place = place(*seq, *head);
        for (line, row) in instance.lines.iter().zip(computed) {
            for (result, (_, maps, is_row_output)) in results.iter_mut().zip(&form.stores) {
                let mapped = |x: f64| maps.iter().fold(x, |x, map| place.float(map, x));
                if *is_row_output {
                    result.values[*line] = mapped(row.lse);
                } else {
                    for (to, x) in result.values[line * head_dim..][..head_dim].iter_mut().zip(&row.output) {
                        *to = mapped(*x);
                    }
                }
            }
        }
    }
    Ok(results)
}

/// The rows of one sequence and query head that are asked for.
#[derive(Default)]
struct Instance {
    /// Where in the results each goes.
    lines: Vec<usize>,
    /// Its query's number in the sequence.
    indices: Vec<usize>,
}

fn instance(
    batch: &Batch<'_>,
    form: &Form<'_>,
    (q, k, v): (&Input, &Input, Option<&Input>),
    place: &Place<'_>,
    indices: &[usize],
) -> Vec<RowResult> {
    let (seq, head) = (place.seq as usize, place.head as usize);
    let (q_len, kv_len) = (batch.query.starts.len_of(seq), batch.kv_lens[seq]);
    let (kv_head, d) = (head / batch.group(), batch.head_dim);
    let queries = rows(batch, q, &form.q, place, head, indices.iter().copied());
    let keys = rows(batch, k, &form.k, place, kv_head, 0..kv_len);
    let values =
        form.v.as_ref().zip(v).map(|(factor, input)| rows(batch, input, factor, place, kv_head, 0..kv_len));
    let mut scores = vec![0.0; kv_len];
    indices
        .iter()
        .zip(queries.chunks_exact(d.max(1)))
        .map(|(index, query)| {
            let row = (kv_len as i64 - q_len as i64 + *index as i64) as i32;
            for (col, score) in scores.iter_mut().enumerate() {
                let place = Place { row, col: col as i32, ..*place };
                let key = &keys[col * d..(col + 1) * d];
                let first =
                    place.precision.round(dot(place.precision, query.iter().copied(), key.iter().copied()));
                *score = form.steps.iter().fold(first, |x, step| match step {
                    Step::Map(expr) => place.float(expr, x),
                    Step::Mask(keep) if place.bool(keep) => x,
                    Step::Mask(_) => f64::NEG_INFINITY,
                });
            }
            row_result(place.precision, &mut scores, values.as_deref(), d)
        })
        .collect()
}

fn host_arguments(program: &Program, arguments: &[Argument<'_>]) -> Result<Vec<HostArgument>, TensorError> {
    use flashpage_codegen::program::ParamKind;
    let one = |(param, argument): (&flashpage_codegen::program::Param, &Argument<'_>)| {
        Ok(match (param.kind, argument) {
            (ParamKind::PerHead(ScalarType::I32), Argument::PerHead(tensor)) => {
                HostArgument::Ints(tensor.to_vec()?)
            }
            (_, Argument::PerHead(tensor)) => HostArgument::Floats(tensor.to_vec()?),
            _ => HostArgument::of_scalar(argument),
        })
    };
    program.params.iter().zip(arguments).map(one).collect()
}
