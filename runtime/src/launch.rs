//! One launch of an attention kernel: check the arguments, choose the spec, compile or find the kernel, fill
//! its parameters and run it.

use crate::args::{Argument, Ragged};
use crate::batch::Batch;
use crate::device::{Device, Launch, Report, Timing, TimingOptions};
use crate::kernels::Kernel;
pub use crate::launch_error::LaunchError;
use crate::scalar::{HostArgument, Place, Precision};
use flashpage_codegen::abi::{AbiArg, AbiType, Meaning};
use flashpage_codegen::attention::recognise;
use flashpage_codegen::program::{Expr, ParamId, Program};
use flashpage_codegen::schedule::Tuning;
use flashpage_codegen::{Arch, ShapeClass, Spec};
use std::sync::Arc;

/// What a launch may be told beyond its arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaunchOptions {
    /// Target, instead of the device's.
    pub arch: Option<Arch>,
    /// Shape class, instead of the one that the lengths call for.
    pub shape: Option<ShapeClass>,
    /// What of the schedule is not the table's.
    pub tuning: Tuning,
}

/// What a launch did.
#[derive(Debug)]
#[non_exhaustive]
pub struct LaunchReport {
    /// What the kernel was specialised to.
    pub spec: Spec,
    /// The PTX entry; `None` where there was nothing to do.
    pub entry: Option<String>,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// The emulator's report, if the kernel ran there.
    pub emulated: Option<Report>,
}

/// The grid's second and third dimensions have 16 bits.
const MAX_GRID_YZ: usize = 65_535;

/// Runs `program` on `device`, with one argument for each of its parameters.
///
/// A batch without sequences, query tokens or heads is not launched at all.
///
/// # Errors
/// Arguments that do not fit the kernel or each other, a program that cannot be compiled, or a device that
/// fails; nothing is launched unless every argument is good.
pub fn launch(
    device: &Device,
    program: &Program,
    arguments: &[Argument<'_>],
    options: &LaunchOptions,
) -> Result<LaunchReport, LaunchError> {
    let batch = Batch::check(program, arguments)?;
    batch.on_device(device)?;
    let plan = plan(device, &batch, options)?;
    let mut report =
        LaunchReport { spec: plan.spec, entry: None, grid: [0; 3], block: [0; 3], emulated: None };
    let Some(ready) = plan.ready else { return Ok(report) };
    let run = device.launch(&ready.kernel.module, &ready.kernel.compiled.entry, &ready.launch)?;
    report.entry = Some(ready.kernel.compiled.entry.clone());
    report.grid = ready.launch.grid;
    report.block = ready.launch.block;
    report.emulated = run.report;
    Ok(report)
}

/// Times a launch: runs `program` many times on the same arguments, and leaves what the last run wrote.
///
/// # Errors
/// As [`launch()`](launch()); a batch in which there is nothing to compute; and the emulator has no clock.
pub fn time(
    device: &Device,
    program: &Program,
    arguments: &[Argument<'_>],
    options: &LaunchOptions,
    timing: &TimingOptions,
) -> Result<(LaunchReport, Timing), LaunchError> {
    let batch = Batch::check(program, arguments)?;
    batch.on_device(device)?;
    let plan = plan(device, &batch, options)?;
    let Ready { kernel, launch } = plan.ready.ok_or(LaunchError::Empty)?;
    let entry = kernel.compiled.entry.clone();
    let timed = device.time(&kernel.module, &entry, &launch, timing)?;
    let (grid, block) = (launch.grid, launch.block);
    Ok((LaunchReport { spec: plan.spec, entry: Some(entry), grid, block, emulated: None }, timed))
}

/// A launch worked out but not begun.
pub(crate) struct Plan {
    pub spec: Spec,
    /// `None` where there is nothing to compute.
    pub ready: Option<Ready>,
}

/// A compiled kernel and what to launch it with.
pub(crate) struct Ready {
    pub kernel: Arc<Kernel>,
    pub launch: Launch,
}

/// Chooses the spec, compiles or finds the kernel, fills its parameters.
pub(crate) fn plan(device: &Device, batch: &Batch<'_>, options: &LaunchOptions) -> Result<Plan, LaunchError> {
    let spec = spec(device, batch, options);
    if batch.query.starts.tokens() == 0 || batch.q_heads == 0 {
        return Ok(Plan { spec, ready: None });
    }
    let kernel = device.kernels().get(device, batch.program, &spec)?;
    let compiled = &kernel.compiled;
    let packed_heads = if spec.shape == ShapeClass::Prefill { 1 } else { batch.group() };
    let grid = grid(batch, packed_heads, compiled.rows_per_tile as usize)?;
    let params =
        compiled.abi.iter().map(|arg| parameter(batch, arg, packed_heads)).collect::<Result<Vec<_>, _>>()?;
    let launch = Launch {
        grid,
        block: compiled.block,
        cluster: [1, 1, 1],
        dynamic_shared_bytes: compiled.dynamic_shared_bytes,
        params,
    };
    Ok(Plan { spec, ready: Some(Ready { kernel, launch }) })
}

/// What to specialise to.
fn spec(device: &Device, batch: &Batch<'_>, options: &LaunchOptions) -> Spec {
    let rows = batch.query.starts.longest() * batch.group();
    Spec {
        arch: options.arch.unwrap_or(device.arch()),
        dtype: batch.dtype,
        head_dim: batch.head_dim,
        block_size: batch.block_size,
        shape: options.shape.unwrap_or(ShapeClass::for_rows(rows)),
        tuning: options.tuning,
        fold_scale: may_fold(batch),
    }
}

/// Whether the kernel may fold its score scale into the exponential, which takes a scale above zero: the row
/// maximum is taken of unscaled scores. A scale that depends on more than scalars is not folded.
fn may_fold(batch: &Batch<'_>) -> bool {
    let Ok(attention) = recognise(batch.program, true) else {
        // The compiler will say what is wrong.
        return false;
    };
    let Some(scale) = attention.scale else { return true };
    if scale.any(&mut |e| matches!(e, Expr::Seq | Expr::Index(..))) {
        return false;
    }
    let scalars: Vec<HostArgument> = batch.arguments.iter().map(HostArgument::of_scalar).collect();
    let place = Place { arguments: &scalars, precision: Precision::Exact, row: 0, col: 0, head: 0, seq: 0 };
    place.float(&scale, f64::NAN) as f32 > 0.0
}

/// `[row tiles of the longest sequence, head groups, sequences]`, as [`flashpage_codegen::abi`] says.
fn grid(batch: &Batch<'_>, packed_heads: usize, rows_per_tile: usize) -> Result<[u32; 3], LaunchError> {
    let rows = batch.query.starts.longest() * packed_heads;
    let limited = |what: &str, value: usize, most: usize| {
        let what = what.to_string();
        u32::try_from(value).ok().filter(|_| value <= most).ok_or(LaunchError::TooLarge { what, value, most })
    };
    Ok([
        limited("the number of row tiles", rows.div_ceil(rows_per_tile.max(1)), i32::MAX as usize)?,
        limited("the number of head groups", batch.q_heads / packed_heads, MAX_GRID_YZ)?,
        limited("the number of sequences", batch.sequences(), MAX_GRID_YZ)?,
    ])
}

/// The bytes of one entry parameter.
fn parameter(batch: &Batch<'_>, arg: &AbiArg, packed_heads: usize) -> Result<Vec<u8>, LaunchError> {
    let element = batch.dtype.bytes();
    let argument = |param: ParamId| batch.arguments[param.0];
    let of = |what: &str, param: ParamId| format!("the {what} of `{}`", batch.name(param));
    let (what, value) = match arg.meaning {
        Meaning::Scalar(param) => {
            return Ok(match argument(param) {
                Argument::F32(value) => value.to_le_bytes().to_vec(),
                Argument::I32(value) => value.to_le_bytes().to_vec(),
                Argument::Bool(value) => i32::from(value).to_le_bytes().to_vec(),
                _ => Vec::new(),
            });
        }
        Meaning::Pointer(param) => (String::new(), pointer(&argument(param)) as usize),
        Meaning::Starts(param) => match argument(param) {
            Argument::Ragged(Ragged { starts, .. }) => (String::new(), starts.tensor().address() as usize),
            _ => (String::new(), 0),
        },
        Meaning::SeqLens(param) => match argument(param) {
            Argument::Table(table) => (String::new(), table.seq_lens_tensor().address() as usize),
            _ => (String::new(), 0),
        },
        Meaning::TableStride(param) => match argument(param) {
            Argument::Table(table) => (of("width", param), table.width()),
            _ => (String::new(), 0),
        },
        Meaning::BlockStride(param) => {
            (of("block stride", param), strides(batch, &argument(param)).0 * element)
        }
        Meaning::TokenStride(param) => {
            (of("token stride", param), strides(batch, &argument(param)).1 * element)
        }
        Meaning::HeadStride(param) => {
            (of("head stride", param), strides(batch, &argument(param)).2 * element)
        }
        Meaning::QueryHeads => ("q_heads".into(), batch.q_heads),
        Meaning::Group => ("the group".into(), batch.group()),
        Meaning::PackedHeads => ("packed heads".into(), packed_heads),
    };
    match arg.ty {
        AbiType::U64 => Ok((value as u64).to_le_bytes().to_vec()),
        AbiType::U32 | AbiType::I32 | AbiType::F32 => u32::try_from(value)
            .map(|value| value.to_le_bytes().to_vec())
            .map_err(|_| LaunchError::TooLarge { what, value, most: u32::MAX as usize }),
    }
}

fn pointer(argument: &Argument<'_>) -> u64 {
    match argument {
        Argument::Ragged(ragged) => ragged.tensor.address(),
        Argument::Pool(pool) => pool.tensor.address(),
        Argument::Table(table) => table.entries_tensor().address(),
        Argument::Output(tensor) | Argument::PerHead(tensor) => tensor.address(),
        Argument::F32(_) | Argument::I32(_) | Argument::Bool(_) => 0,
    }
}

/// Elements from one block, token and head to the next.
fn strides(batch: &Batch<'_>, argument: &Argument<'_>) -> (usize, usize, usize) {
    match argument {
        Argument::Pool(pool) => pool.shape().map_or((0, 0, 0), |shape| shape.strides()),
        Argument::Ragged(Ragged { tensor, .. }) | Argument::Output(tensor) => {
            (0, tensor.shape().get(1).copied().unwrap_or(0) * batch.head_dim, batch.head_dim)
        }
        _ => (0, 0, 0),
    }
}
