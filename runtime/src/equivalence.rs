//! Numeric equivalence: a kernel run on made-up problems and compared with the f64 reference.
//!
//! [`suite`] is the table of shapes on which every kernel is checked: lengths of nothing, one, primes and one
//! past a tile; long and short in one batch; prefill, chunked prefill and decode; each way of sharing heads.
//! Kernels for Hopper, which walk their tiles and pack heads by divisors, have some more.

use crate::args::{Argument, PoolLayout};
use crate::check::{Verdict, check_lse_beside, check_output, judged_as, lse_allowance};
use crate::device::{Device, DeviceError};
use crate::launch::{LaunchError, LaunchOptions, LaunchReport, launch};
use crate::problem::{Inputs, Problem, ProblemError};
use crate::reference::{
    Expected, Progress, ReferenceError, Row, plain_rows, plain_watched, reference, reference_rows,
};
use crate::rounding::Factors;
use crate::tensor::{Tensor, TensorError};
use flashpage_codegen::Arch;
use flashpage_codegen::HeadDim;
use flashpage_codegen::ValueLayout;
use flashpage_codegen::choice::{LATENT, tuned_head_dims};
use flashpage_codegen::layout::transposed_copy::{self, KEYS_OF_CHUNK};
use flashpage_codegen::program::{DType, Generic, ParamKind, Program};
use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// A problem run and judged.
#[derive(Debug)]
pub struct Equivalence {
    /// What ran.
    pub report: LaunchReport,
    /// A verdict for each output, by the parameter's name.
    pub verdicts: Vec<(String, Verdict)>,
}

impl Equivalence {
    /// Whether every output is right.
    pub fn passed(&self) -> bool {
        self.verdicts.iter().all(|(_, verdict)| verdict.passed)
    }
}

/// Why a problem could not be run.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EquivalenceError {
    /// No inputs.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// No launch.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// No reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// Results that cannot be read.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

impl EquivalenceError {
    /// Whether the device failed, rather than refused: a GPU may then be of no more use to this process.
    pub fn is_device_failure(&self) -> bool {
        let error = match self {
            EquivalenceError::Launch(LaunchError::Device(error))
            | EquivalenceError::Launch(LaunchError::Tensor(TensorError::Device(error)))
            | EquivalenceError::Problem(ProblemError::Tensor(TensorError::Device(error)))
            | EquivalenceError::Reference(ReferenceError::Tensor(TensorError::Device(error)))
            | EquivalenceError::Tensor(TensorError::Device(error)) => error,
            _ => return false,
        };
        matches!(error, DeviceError::Fault { .. } | DeviceError::Cuda { .. } | DeviceError::Load(_))
    }
}

/// Runs `program` on a problem and compares every output with the reference.
///
/// # Errors
/// Anything that keeps the kernel from running to its end; a wrong result is not an error but a verdict.
pub fn run(
    device: &Device,
    program: &Program,
    problem: &Problem,
    options: &LaunchOptions,
) -> Result<Equivalence, EquivalenceError> {
    let inputs = problem.inputs(device, program)?;
    let arguments = inputs.arguments();
    let report = launch(device, program, &arguments, options)?;
    let verdicts = check(program, &inputs, Factors::of(problem.dtype, options.tuning.f32_products()))?;
    Ok(Equivalence { report, verdicts })
}

/// Compares what a launch, or a plan, left in `inputs` with the reference. `factors` is the type of query, keys and values, or
/// how f32 was multiplied.
///
/// # Errors
/// Outputs that cannot be read.
pub fn check(
    program: &Program,
    inputs: &Inputs,
    factors: impl Into<Factors>,
) -> Result<Vec<(String, Verdict)>, EquivalenceError> {
    check_arguments(program, &inputs.arguments(), factors)
}

/// [`check`] of the arguments of a launch, or of a plan, wherever they come from.
///
/// # Errors
/// Arguments that do not fit, and outputs that cannot be read.
pub fn check_arguments(
    program: &Program,
    arguments: &[Argument<'_>],
    factors: impl Into<Factors>,
) -> Result<Vec<(String, Verdict)>, EquivalenceError> {
    let factors = factors.into();
    let expected = reference(program, arguments)?;
    let products = factors.f32_products().unwrap_or_default();
    let plain = plain_watched(program, arguments, products, &Progress::default())?;
    judge(arguments, factors, &expected, &plain, |tensor, _| tensor.to_f32_vec())
}

/// Compares what a launch left in `inputs` with the reference in these rows alone: for batches whose reference would
/// take longer than anybody waits.
///
/// # Errors
/// Rows that the batch does not have, or outputs that cannot be read.
pub fn check_rows(
    program: &Program,
    inputs: &Inputs,
    factors: impl Into<Factors>,
    rows: &[Row],
) -> Result<Vec<(String, Verdict)>, EquivalenceError> {
    let (arguments, factors) = (inputs.arguments(), factors.into());
    let expected = reference_rows(program, &arguments, rows)?;
    let plain = plain_rows(program, &arguments, factors.f32_products().unwrap_or_default(), rows)?;
    let starts = arguments.iter().zip(&program.params).find_map(|(argument, param)| match argument {
        Argument::Ragged(ragged) if param.kind == ParamKind::Query => Some(ragged.starts),
        _ => None,
    });
    judge(&arguments, factors, &expected, &plain, |tensor, width| {
        let heads = tensor.shape().get(1).copied().unwrap_or(0);
        let mut got = Vec::with_capacity(rows.len() * width);
        for row in rows {
            let token = starts.map_or(0, |starts| starts.start_of(row.sequence)) + row.index;
            got.extend(tensor.read_f32((token * heads + row.head) * width, width)?);
        }
        Ok(got)
    })
}

/// A verdict for each output, from the numbers that `read` gives of its tensor and the length of a row.
fn judge(
    arguments: &[Argument<'_>],
    factors: Factors,
    expected: &[Expected],
    plain: &[Expected],
    read: impl Fn(&Tensor, usize) -> Result<Vec<f32>, TensorError>,
) -> Result<Vec<(String, Verdict)>, EquivalenceError> {
    let mut verdicts = Vec::new();
    for (expected, plain) in expected.iter().zip(plain) {
        let Some(Argument::Output(tensor)) = arguments.get(expected.param.0) else { continue };
        let width = if expected.is_vector { 1 } else { tensor.shape().last().copied().unwrap_or(0) };
        let got: Vec<f64> = read(tensor, width)?.into_iter().map(f64::from).collect();
        let verdict = if expected.is_vector {
            let beside = lse_allowance(&plain.values, &expected.values, factors);
            check_lse_beside(&got, &expected.values, beside)
        } else {
            check_output(&got, &expected.values, &plain.values, judged_as(factors, tensor.dtype()))
        };
        verdicts.push((expected.name.clone(), verdict));
    }
    Ok(verdicts)
}

/// A batch of the suite: its name, lengths, query heads and KV heads.
type Batch = (&'static str, &'static [(usize, usize)], usize, usize);

/// Query and key length of each sequence. Tiles are 16, 64 or 128 rows and 64 columns.
const BATCHES: &[Batch] = &[
    ("one token", &[(1, 1)], 1, 1),
    ("nothing", &[(0, 0), (0, 5), (3, 0)], 2, 1),
    ("a tile and one more", &[(129, 129), (64, 65)], 1, 1),
    ("primes", &[(113, 211), (7, 31)], 3, 3),
    ("decode", &[(1, 1), (1, 63), (1, 64), (1, 65), (1, 200)], 8, 2),
    ("decode, one KV head", &[(1, 77), (1, 300)], 16, 1),
    ("chunked prefill", &[(17, 240), (33, 97)], 4, 2),
    ("speculative", &[(4, 130), (3, 66), (0, 10)], 12, 4),
    ("long and short", &[(200, 200), (1, 130), (40, 90), (0, 7)], 6, 2),
    ("more queries than keys", &[(70, 9), (20, 3)], 2, 2),
];

/// More for Hopper: tiles that are walked, and groups that have no power of two of heads to pack.
const HOPPER_BATCHES: &[Batch] = &[
    ("five of a group", &[(12, 70), (0, 9), (5, 140), (9, 9)], 10, 2),
    ("seven of a group", &[(2, 90), (1, 130), (0, 0), (1, 7)], 14, 2),
    ("eight of a group", &[(8, 600), (0, 3), (1, 513)], 8, 1),
    ("pairs of six", &[(40, 90), (33, 133)], 6, 1),
    ("a long past", &[(140, 600), (20, 389)], 2, 1),
];

/// The head dimensions with rows in a target's table that a kernel takes, with queries of each of these types; those that its author fixed, if
/// it takes none. [`LATENT`]'s rows are for kernels whose values are the first numbers of their keys, and not listed for others; queries of
/// 8 bits have kernels of [`transposed_copy::HEAD_DIMS`] alone.
pub fn head_dims(program: &Program, arch: Arch, dtypes: &[DType]) -> Vec<HeadDim> {
    let is_latent = program.has_values_in_keys();
    let of_eight_bits = dtypes.iter().any(|dtype| dtype.is_eight_bits());
    let takes = |head_dim: &HeadDim| {
        let is_made = transposed_copy::is_multiplied(*head_dim);
        program.takes(*head_dim).is_ok() && (is_latent || *head_dim != LATENT) && (is_made || !of_eight_bits)
    };
    let taken: Vec<HeadDim> = tuned_head_dims(arch).iter().copied().filter(takes).collect();
    if taken.is_empty() { vec![program.with_fixed(tuned_head_dims(arch)[0])] } else { taken }
}

/// The problems on which a kernel is checked for a target, in the head dimensions that are tuned for it: [`suite_in`].
pub fn suite(program: &Program, arch: Arch) -> Vec<(String, Problem)> {
    suite_in(program, arch, &head_dims(program, arch, &DTYPES))
}

/// Element types of the suite, where nobody asks for others.
pub const DTYPES: [DType; 2] = [DType::F16, DType::Bf16];

/// The same in these head dimensions: [`suite_of`].
pub fn suite_in(program: &Program, arch: Arch, head_dims: &[HeadDim]) -> Vec<(String, Problem)> {
    suite_of(program, arch, head_dims, &DTYPES)
}

/// The problems on which a kernel is checked for a target, each with a name, in these head dimensions and element types or, of
/// a kernel that has one, its own. Paged kernels see block sizes that are smaller than a tile, equal to it, larger, and neither multiple
/// nor divisor, in both pool layouts, values of 8 bits by rows and transposed; outputs of a type of their own have each by turns, and so have
/// keys and values. Of the element types each problem for Hopper, and in head dimensions above 128, has
/// one, by turns.
pub fn suite_of(
    program: &Program,
    arch: Arch,
    head_dims: &[HeadDim],
    dtypes: &[DType],
) -> Vec<(String, Problem)> {
    let paged = program.params.iter().any(|param| param.kind == ParamKind::BlockTable);
    let block_sizes: &[usize] = if paged { &[16, 8, 24, 128, 64, 40, 256] } else { &[16] };
    let has_window = program.params.iter().any(|param| param.name == "window");
    let mut head_dims: Vec<HeadDim> = head_dims.iter().map(|dim| program.with_fixed(*dim)).collect();
    head_dims.dedup();
    let dtypes = match program.input_element() {
        Generic::Fixed(dtype) => vec![*dtype],
        Generic::Open(_) => dtypes.to_vec(),
    };
    let more = if arch == Arch::Sm90a { HOPPER_BATCHES } else { &[] };
    let mut problems = Vec::new();
    for (place, &head_dim) in head_dims.iter().enumerate() {
        let types_by_turns = arch == Arch::Sm90a || head_dim.larger() > 128;
        for (turn, &dtype) in dtypes.iter().enumerate() {
            for (index, &(name, lens, q_heads, kv_heads)) in BATCHES.iter().chain(more).enumerate() {
                if types_by_turns && (place + index) % dtypes.len() != turn {
                    continue;
                }
                let number = problems.len();
                let mut scalars = BTreeMap::new();
                if has_window && index % 3 != 0 {
                    scalars.insert("window".to_owned(), [1.0, 37.0, 100.0, 300.0][number % 4]);
                }
                if program.params.iter().any(|param| param.name == "cap") {
                    scalars.insert("cap".to_owned(), 5.0);
                }
                let (outputs, stored) = (program.output_types(dtype), program.kv_types(dtype));
                let layout = if number % 2 == 0 { PoolLayout::Nhd } else { PoolLayout::Hnd };
                let block_size = block_sizes[number % block_sizes.len()];
                // As products of 8 bits read them, where they can lie so.
                let may_be_transposed =
                    paged && dtype.is_eight_bits() && block_size.is_multiple_of(KEYS_OF_CHUNK);
                let values = match may_be_transposed && number / 3 % 2 == 0 {
                    true => ValueLayout::Transposed,
                    false => ValueLayout::Rows,
                };
                problems.push((
                    name.to_owned(),
                    Problem {
                        dtype,
                        kv_dtype: (stored.len() > 1)
                            .then(|| stored[(number + number / stored.len()) % stored.len()]),
                        output: (outputs.len() > 1).then(|| outputs[number % outputs.len()]),
                        head_dim,
                        q_heads,
                        kv_heads,
                        lens: lens.to_vec(),
                        block_size,
                        layout,
                        values,
                        seed: number as u64,
                        scalars,
                    },
                ));
            }
        }
    }
    problems
}

impl fmt::Display for Problem {
    /// The arguments of `kgen` that make this problem again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |of: fn(&(usize, usize)) -> usize| {
            self.lens.iter().map(|pair| of(pair).to_string()).collect::<Vec<_>>().join(",")
        };
        let layout = if self.layout == PoolLayout::Nhd { "nhd" } else { "hnd" };
        let values = match self.values {
            ValueLayout::Rows => String::new(),
            values => format!(" --values {values}"),
        };
        let kv = self.kv_dtype.map_or_else(String::new, |kv| format!(" --kv-dtype {kv}"));
        let output = self.output.map_or_else(String::new, |output| format!(" --output-dtype {output}"));
        let mut scalars = String::new();
        for (name, value) in &self.scalars {
            write!(scalars, " --set {name}={value}")?;
        }
        write!(
            f,
            "--dtype {}{kv}{output} --head-dim {} --block-size {} --layout {layout}{values} --q-len {} --kv-len {} --heads {} \
             --kv-heads {} --seed {}{scalars}",
            self.dtype,
            self.head_dim,
            self.block_size,
            list(|pair| pair.0),
            list(|pair| pair.1),
            self.q_heads,
            self.kv_heads,
            self.seed
        )
    }
}
