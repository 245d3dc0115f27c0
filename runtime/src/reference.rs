//! What a kernel should have computed: its program, executed on the host over all columns at once.
//!
//! [`reference()`] takes the stored inputs as they are, rounded to their type, and computes in f64, operation by
//! operation, whatever the program's form (`interpreter/`). [`plain()`] is the same computation done plainly in the
//! element type: what each operation gives is rounded to it, products add up in f32, and what is stored is rounded to the
//! output's type instead. Of f32 inputs it is the factors of products that are rounded, as tensor cores take them
//! ([`F32Products`]), and so it is of inputs of 8 bits, whose products are f32 and whose probabilities are e4m3 ([`Factors::EightBits`]). What
//! it loses is what a kernel is allowed to lose (see [`crate::check`]).
//!
//! A row that keeps no key gives O = 0 and LSE = -inf.

use crate::args::{Argument, Ragged};
use crate::batch::Batch;
use crate::interpreter;
pub use crate::interpreter::{Progress, Row};
use crate::launch_error::LaunchError;
use crate::rounding::{Factors, Precision};
use crate::scalar::{Bias, HostArgument, Numbers};
use crate::tensor::TensorError;
use flashpage_codegen::program::{
    Along, Axis, Param, ParamId, ParamKind, Program, ProgramError, ScalarType, Stmt,
};
use flashpage_codegen::schedule::F32Products;

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
    /// A line asked for that the batch does not have.
    #[error("the batch has no row {0:?}")]
    NoRow(Row),
    /// An input could not be read.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// The values of one output parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The output.
    pub param: ParamId,
    /// Its name.
    pub name: String,
    /// Whether it has one number for each line (`RowOutput`, `ColOutput`): `[tokens, q_heads]` instead of `[tokens, q_heads, D]`.
    pub is_vector: bool,
    /// Row-major, for the tokens that belong to sequences (what the tensor holds beyond them stays as it was) or for
    /// the rows that were asked for.
    pub values: Vec<f64>,
}

/// The program in f64 over the inputs as stored: one entry per stored output, in the order of the program.
///
/// # Errors
/// The arguments do not fit the program, or it is not well-formed.
pub fn reference(program: &Program, arguments: &[Argument<'_>]) -> Result<Vec<Expected>, ReferenceError> {
    reference_watched(program, arguments, &Progress::default())
}

/// The same computation done plainly in the element type of the queries, its results rounded to that of the output.
///
/// # Errors
/// As [`reference()`].
pub fn plain(program: &Program, arguments: &[Argument<'_>]) -> Result<Vec<Expected>, ReferenceError> {
    plain_watched(program, arguments, F32Products::default(), &Progress::default())
}

/// [`reference()`], whose progress another thread sees.
///
/// # Errors
/// As [`reference()`].
pub fn reference_watched(
    program: &Program,
    arguments: &[Argument<'_>],
    progress: &Progress,
) -> Result<Vec<Expected>, ReferenceError> {
    run(program, arguments, None, None, progress)
}

/// [`plain()`], whose progress another thread sees, with f32 multiplied by `products`.
///
/// # Errors
/// As [`reference()`].
pub fn plain_watched(
    program: &Program,
    arguments: &[Argument<'_>],
    products: F32Products,
    progress: &Progress,
) -> Result<Vec<Expected>, ReferenceError> {
    run(program, arguments, Some(products), None, progress)
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
    run(program, arguments, None, Some(rows), &Progress::default())
}

/// [`plain()`] of some rows alone, with f32 multiplied by `products`.
///
/// # Errors
/// As [`reference_rows`].
pub fn plain_rows(
    program: &Program,
    arguments: &[Argument<'_>],
    products: F32Products,
    rows: &[Row],
) -> Result<Vec<Expected>, ReferenceError> {
    run(program, arguments, Some(products), Some(rows), &Progress::default())
}

/// Evaluates the program for `chosen` rows, or for all, in the order of the output tensors: plainly, with f32 multiplied by
/// `products`, or exactly.
fn run(
    program: &Program,
    arguments: &[Argument<'_>],
    products: Option<F32Products>,
    chosen: Option<&[Row]>,
    progress: &Progress,
) -> Result<Vec<Expected>, ReferenceError> {
    program.validate()?;
    let batch = Batch::check(program, arguments)?;
    let rows = match chosen {
        Some(chosen) => chosen.to_vec(),
        None => all_rows(program, &batch),
    };
    let is_there = |row: &Row| {
        let (heads, len) = lines_of(program, &batch);
        row.sequence < batch.sequences() && row.head < heads && row.index < len(row.sequence)
    };
    if let Some(row) = rows.iter().find(|row| !is_there(row)) {
        return Err(ReferenceError::NoRow(*row));
    }
    let host = host_arguments(&batch)?;
    let precision = match products {
        None => (Precision::Exact, None),
        Some(products) => {
            let factors = Factors::of(batch.dtype, products);
            (factors.plainly(), Some(factors))
        }
    };
    let computed = interpreter::run(program, &batch, &host, precision, &rows, progress)?;
    let stores = program.epilogue.iter().filter_map(|stmt| match stmt {
        Stmt::Store { param, .. } => Some(*param),
        _ => None,
    });
    let expected = stores.enumerate().map(|(store, param)| {
        let is_vector = matches!(program.params[param.0].kind, ParamKind::RowOutput | ParamKind::ColOutput);
        let width = batch.head_dim_of(param);
        let mut values = vec![f64::NAN; rows.len() * width];
        for lines in &computed {
            let numbers = lines.stored[store].chunks_exact(width.max(1));
            for (line, numbers) in lines.lines.iter().zip(numbers) {
                values[line * width..][..width].copy_from_slice(numbers);
            }
        }
        Expected { param, name: program.params[param.0].name.clone(), is_vector, values }
    });
    Ok(expected.collect())
}

/// Heads of what the program stores, and how long each sequence is there.
fn lines_of<'a>(program: &Program, batch: &'a Batch<'_>) -> (usize, impl Fn(usize) -> usize + Copy + 'a) {
    let is_rows = program.owned() == Axis::Rows;
    let heads = if is_rows { batch.q_heads } else { batch.kv_heads };
    let len = move |sequence: usize| match is_rows {
        true => batch.query.starts.len_of(sequence),
        false => batch.kv_lens[sequence],
    };
    (heads, len)
}

/// All lines of a batch in the order of the output tensors.
fn all_rows(program: &Program, batch: &Batch<'_>) -> Vec<Row> {
    let (heads, len) = lines_of(program, batch);
    let of_sequence = |sequence: usize| {
        (0..len(sequence)).flat_map(move |index| (0..heads).map(move |head| Row { sequence, head, index }))
    };
    (0..batch.sequences()).flat_map(of_sequence).collect()
}

/// What scalar expressions can ask for, downloaded.
fn host_arguments(batch: &Batch<'_>) -> Result<Vec<HostArgument>, TensorError> {
    let one = |(index, (param, argument)): (usize, (&Param, &Argument<'_>))| {
        let id = ParamId(index);
        let vector = match (param.kind, argument) {
            (ParamKind::Vector(vector), _) => vector,
            (ParamKind::Bias(_), Argument::Vector(tensor)) => {
                let shape = batch.bias_shape(id);
                return Ok(HostArgument::Bias(Bias { values: tensor.to_f32_vec()?, shape }));
            }
            (_, Argument::BitMask(mask)) => return Ok(HostArgument::Bits((*mask).clone())),
            _ => return Ok(HostArgument::of_scalar(argument)),
        };
        let (tensor, starts) = match argument {
            Argument::Ragged(Ragged { tensor, starts }) => (*tensor, Some(*starts)),
            Argument::Vector(tensor) => (*tensor, None),
            _ => return Ok(HostArgument::Other),
        };
        let own = |sequence: usize| match (vector.along, starts) {
            (Along::KvHeads, _) => (sequence * batch.kv_heads, batch.kv_heads),
            (Along::Keys, Some(starts)) => (starts.start_of(sequence), batch.kv_lens[sequence]),
            _ => (batch.query.starts.start_of(sequence), batch.query.starts.len_of(sequence)),
        };
        let ranges = || (0..batch.sequences()).map(own).map(|(first, len)| first..first + len).collect();
        let of_sequence = vector.along.is_of_sequence().then(ranges);
        Ok(match vector.element {
            ScalarType::I32 => HostArgument::Ints(Numbers { values: tensor.to_vec()?, of_sequence }),
            _ => {
                let mut values: Vec<f32> = tensor.to_vec()?;
                if vector.along == Along::KvHeads {
                    values.iter_mut().filter(|scale| **scale <= 0.0).for_each(|scale| *scale = f32::NAN);
                }
                HostArgument::Floats(Numbers { values, of_sequence })
            }
        })
    };
    batch.program.params.iter().zip(batch.arguments).enumerate().map(one).collect()
}
