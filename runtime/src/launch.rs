//! One launch of an attention kernel: check the arguments, choose the spec, compile or find the kernel, fill
//! its parameters and run it.

use crate::args::{Argument, Ragged};
use crate::batch::Batch;
use crate::bulk_copy::{block_step, tensor_map};
use crate::device::{Counter, Device, Launch, Report, Timing, TimingOptions};
use crate::kernels::Kernel;
pub use crate::launch_error::LaunchError;
use crate::scalar::{HostArgument, Place, Scalar, Sequence};
use flashpage_codegen::abi::{AbiArg, AbiType, BiasAxis, Divisor, Meaning};
use flashpage_codegen::analysis::attention::{Attention, recognise};
use flashpage_codegen::program::{BinaryOp, Expr, ParamId, Program};
use flashpage_codegen::schedule::{Schedule, Tuning};
use flashpage_codegen::{Arch, ShapeClass, Spec, Work};
use flashpage_ptx::division::Reciprocal;
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
    /// Bytes of a thread in local memory, where the device tells: more than 0 are what the driver's compiler did not keep in
    /// registers, and cost time.
    pub local_bytes: Option<u32>,
    /// The emulator's report, if the kernel ran there.
    pub emulated: Option<Report>,
}

impl LaunchReport {
    /// Of a launch that is not made.
    fn nothing(spec: Spec) -> LaunchReport {
        LaunchReport { spec, entry: None, grid: [0; 3], block: [0; 3], local_bytes: None, emulated: None }
    }

    /// Of one that is about to be made.
    fn of(spec: Spec, ready: &Ready) -> LaunchReport {
        LaunchReport {
            entry: Some(ready.kernel.compiled.entry.clone()),
            grid: ready.launch.grid,
            block: ready.launch.block,
            local_bytes: ready.kernel.local_bytes,
            ..LaunchReport::nothing(spec)
        }
    }
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
    let Some(ready) = plan.ready else { return Ok(LaunchReport::nothing(plan.spec)) };
    let mut report = LaunchReport::of(plan.spec, &ready);
    let run = device.launch(&ready.kernel.module, &ready.kernel.compiled.entry, &ready.launch)?;
    if let Some(counter) = ready.counter {
        counter.done();
    }
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
    let ready = plan.ready.ok_or(LaunchError::Empty)?;
    let report = LaunchReport::of(plan.spec, &ready);
    let Ready { kernel, launch, counter, .. } = ready;
    let timed = device.time(&kernel.module, &kernel.compiled.entry, &launch, timing)?;
    if let Some(counter) = counter {
        counter.done();
    }
    Ok((report, timed))
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
    pub tiles: Tiles,
    pub launch: Launch,
    /// What tiles are taken by, where blocks walk them. It goes back to the device with this.
    counter: Option<Counter>,
}

/// Chooses the spec, compiles or finds the kernel, fills its parameters.
pub(crate) fn plan(device: &Device, batch: &Batch<'_>, options: &LaunchOptions) -> Result<Plan, LaunchError> {
    let spec = spec(device, batch, options);
    if batch.query.starts.tokens() == 0 || batch.q_heads == 0 {
        return Ok(Plan { spec, ready: None });
    }
    let kernel = device.kernels().get(device, batch.program, &spec)?;
    let compiled = &kernel.compiled;
    let tiles = Tiles::of(batch, &compiled.schedule, spec.shape, device.l2_bytes());
    let counter = match compiled.abi.iter().any(|arg| arg.meaning == Meaning::TileCounter) {
        true => Some(device.counter()?),
        false => None,
    };
    let grid = tiles.grid(&compiled.schedule, device.sms())?;
    let parameter = |arg: &AbiArg| match (arg.meaning, &counter) {
        (Meaning::TileCounter, Some(counter)) => Ok(counter.address().to_le_bytes().to_vec()),
        _ => parameter(device, batch, arg, &tiles),
    };
    let params = compiled.abi.iter().map(parameter).collect::<Result<Vec<_>, _>>()?;
    let launch = Launch {
        grid,
        block: compiled.block,
        cluster: [1, 1, 1],
        dynamic_shared_bytes: compiled.dynamic_shared_bytes,
        cooperative: false,
        programmatic: false,
        params,
    };
    Ok(Plan { spec, ready: Some(Ready { kernel, tiles, launch, counter }) })
}

/// What to specialise to.
fn spec(device: &Device, batch: &Batch<'_>, options: &LaunchOptions) -> Spec {
    let rows = batch.query.starts.longest() * batch.group();
    Spec {
        arch: options.arch.unwrap_or(device.arch()),
        dtype: batch.dtype,
        kv_dtype: batch.kv_dtype,
        output: batch.output,
        head_dim: batch.head_dim,
        block_size: batch.block_size,
        shape: options.shape.unwrap_or(ShapeClass::for_rows(rows)),
        tuning: options.tuning,
        work: Work::Grid,
        values: batch.values,
        // Of what is not recognised the compiler says what is wrong.
        fold_scale: recognise(batch.program, true).is_ok_and(|attention| may_fold(batch, &attention)),
    }
}

/// Whether the kernel may fold its score scale into the exponential, which takes a scale above zero: the row
/// maximum is taken of unscaled scores. A scale that depends on more than scalars and `HeadScales` is not folded. `folded` is the program
/// recognised with its scale taken off.
pub(crate) fn may_fold(batch: &Batch<'_>, folded: &Attention) -> bool {
    let Some(scale) = &folded.scale else { return true };
    let scalars: Vec<HostArgument> = batch.arguments.iter().map(HostArgument::of_scalar).collect();
    is_above_zero(batch.program, &Place::of_sequence(&scalars, Sequence::default()), scale)
}

/// Whether a factor is above zero whatever tensors hold; NaN is, too.
fn is_above_zero(program: &Program, scalars: &Place<'_>, factor: &Expr) -> bool {
    match factor {
        Expr::Index(param, _) => program.is_per_kv_head(*param),
        Expr::Binary(BinaryOp::Mul | BinaryOp::Div, a, b)
            if factor.any(&mut |e| matches!(e, Expr::Index(..))) =>
        {
            is_above_zero(program, scalars, a) && is_above_zero(program, scalars, b)
        }
        _ => {
            let differs = factor.any(&mut |e| {
                matches!(e, Expr::Seq | Expr::KvHead | Expr::QLen | Expr::KvLen | Expr::Index(..))
            });
            !differs && matches!(scalars.scalar(factor), Scalar::Float(factor) if factor as f32 > 0.0)
        }
    }
}

/// How a batch falls into tiles.
pub(crate) struct Tiles {
    /// Query heads whose rows share a tile.
    pub packed_heads: usize,
    /// Of the longest sequence.
    row_tiles: usize,
    head_blocks: usize,
    sequences: usize,
    /// Pairs of a sequence and a head block that are done together.
    section: usize,
    /// Of a planned kernel.
    planned: Planned,
}

/// How many pairs of a sequence and a head block are done together. `bytes` are those of the keys and values of a KV head,
/// which `of_kv_head` head blocks read; all are taken to be as long as the longest.
///
/// Five eighths of the L2 cache are for keys and values, the rest for what passes through. All pairs are one section if
/// theirs fit; otherwise two sections have to, since the next begins before the last has ended. The last section is to be as
/// wide as the others, for the long tiles that a narrow one begins with would come when there is little left beside them.
pub fn section(bytes: usize, of_kv_head: usize, pairs: usize, l2_bytes: u64) -> usize {
    let of_kv_head = of_kv_head.max(1);
    let kv_heads = pairs.div_ceil(of_kv_head).max(1);
    let fit = (l2_bytes / 8 * 5) as usize / bytes.max(1);
    if fit >= kv_heads {
        return pairs.max(1);
    }
    let most = (fit / 2).max(1);
    // What part of a whole section the last one is, in 2^-20.
    let last = |width: &usize| (((kv_heads - 1) % width + 1) << 20) / width;
    let width = (most.div_ceil(2)..=most).max_by_key(last).unwrap_or(most);
    width * of_kv_head
}

/// Where a planned kernel's list is, and where its partial results go.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Planned {
    pub work_list: u64,
    pub o_part: u64,
    pub lse_part: u64,
}

impl Tiles {
    /// Those of a planned kernel: a list says the rest.
    pub(crate) fn planned(packed_heads: usize, planned: Planned) -> Tiles {
        Tiles { packed_heads, row_tiles: 0, head_blocks: 0, sequences: 0, section: 1, planned }
    }

    /// Pairs of the last section.
    fn last_section(&self) -> usize {
        let pairs = self.head_blocks.saturating_mul(self.sequences);
        match pairs % self.section.max(1) {
            0 => self.section,
            rest => rest,
        }
    }

    fn of(batch: &Batch<'_>, schedule: &Schedule, shape: ShapeClass, l2_bytes: u64) -> Tiles {
        let packed_heads = schedule.packed_heads(shape, batch.group()).max(1);
        let rows = batch.query.starts.longest() * packed_heads;
        let (head_blocks, sequences) = (batch.q_heads / packed_heads, batch.sequences());
        let longest = batch.kv_lens.iter().copied().max().unwrap_or(0);
        let bytes = longest.saturating_mul((batch.head_dim.qk + batch.head_dim.v) * batch.kv_dtype.bytes());
        let pairs = head_blocks.saturating_mul(sequences);
        Tiles {
            packed_heads,
            row_tiles: rows.div_ceil(schedule.rows_per_tile(packed_heads).max(1)),
            head_blocks,
            sequences,
            section: section(bytes, batch.group() / packed_heads, pairs, l2_bytes),
            planned: Planned::default(),
        }
    }

    /// The grid that [`flashpage_codegen::abi::abi`] says: a block for each tile, or as many blocks as walk all tiles.
    fn grid(&self, schedule: &Schedule, sms: u32) -> Result<[u32; 3], LaunchError> {
        let limited = |what: &str, value: usize, most: usize| {
            let what = what.to_string();
            let fits = u32::try_from(value).ok().filter(|_| value <= most);
            fits.ok_or(LaunchError::TooLarge { what, value, most })
        };
        let Tiles { row_tiles, head_blocks, sequences, .. } = *self;
        if schedule.roles().is_some() {
            // Blocks count tiles in 32 bits with a sign.
            let tiles = row_tiles.saturating_mul(head_blocks).saturating_mul(sequences);
            let tiles = limited("the number of tiles", tiles, i32::MAX as usize)?;
            return Ok([tiles.min(sms.saturating_mul(schedule.blocks_per_sm)).max(1), 1, 1]);
        }
        Ok([
            limited("the number of row tiles", row_tiles, i32::MAX as usize)?,
            limited("the number of head groups", head_blocks, MAX_GRID_YZ)?,
            limited("the number of sequences", sequences, MAX_GRID_YZ)?,
        ])
    }
}

/// The bytes of one entry parameter.
pub(crate) fn parameter(
    device: &Device,
    batch: &Batch<'_>,
    arg: &AbiArg,
    tiles: &Tiles,
) -> Result<Vec<u8>, LaunchError> {
    let bytes = |param: ParamId, elements: usize| elements * batch.dtype_of(param).bytes();
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
            Argument::BitMask(mask) => (String::new(), mask.starts_tensor().address() as usize),
            _ => (String::new(), 0),
        },
        Meaning::BiasStride(param, axis) => (of("stride", param), bias_stride(batch, param, axis)),
        Meaning::BiasLast(param, axis) => {
            (of("shape", param), batch.bias_shape(param)[axis as usize].saturating_sub(1))
        }
        Meaning::Widths(param) => match argument(param) {
            Argument::BitMask(mask) => (String::new(), mask.widths_tensor().address() as usize),
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
        Meaning::BlockStride(param) => (of("block stride", param), bytes(param, batch.strides(param).0)),
        Meaning::TokenStride(param) => (of("token stride", param), bytes(param, batch.strides(param).1)),
        Meaning::HeadStride(param) => (of("head stride", param), bytes(param, batch.strides(param).2)),
        Meaning::BlockStep(param) => (of("block step", param), block_step(batch, param)),
        Meaning::QueryHeads => ("q_heads".into(), batch.q_heads),
        Meaning::KvHeads => ("kv_heads".into(), batch.kv_heads),
        Meaning::PackedHeads => ("packed heads".into(), tiles.packed_heads),
        Meaning::RowTiles => ("the number of row tiles".into(), tiles.row_tiles),
        Meaning::HeadBlocks => ("the number of head groups".into(), tiles.head_blocks),
        Meaning::Sequences => ("the number of sequences".into(), tiles.sequences),
        Meaning::Section => ("a section of tiles".into(), tiles.section),
        // A launch that has one says so itself.
        Meaning::TileCounter => (String::new(), 0),
        Meaning::WorkList => (String::new(), tiles.planned.work_list as usize),
        Meaning::PartialOutput => (String::new(), tiles.planned.o_part as usize),
        Meaning::PartialLse => (String::new(), tiles.planned.lse_part as usize),
        Meaning::Multiplier(divisor) => {
            (String::new(), reciprocal(batch, divisor, tiles).multiplier as usize)
        }
        Meaning::Shift(divisor) => (String::new(), reciprocal(batch, divisor, tiles).shift as usize),
        Meaning::TensorMap(param, copy) => {
            let map = tensor_map(batch, param, copy, tiles.packed_heads);
            let encoded = device.encode_tensor_map(pointer(&argument(param)), &map);
            let refused = |error| LaunchError::TensorMap { param: batch.name(param).to_string(), error };
            return encoded.map(Vec::from).map_err(refused);
        }
    };
    match arg.ty {
        AbiType::U64 => Ok((value as u64).to_le_bytes().to_vec()),
        AbiType::U32 | AbiType::I32 | AbiType::F32 | AbiType::TensorMap => u32::try_from(value)
            .map(|value| value.to_le_bytes().to_vec())
            .map_err(|_| LaunchError::TooLarge { what, value, most: u32::MAX as usize }),
    }
}

/// The numbers to divide by one of what kernels divide by.
fn reciprocal(batch: &Batch<'_>, divisor: Divisor, tiles: &Tiles) -> Reciprocal {
    let by = match divisor {
        Divisor::PackedHeads => tiles.packed_heads,
        Divisor::GroupBlocks => batch.group() / tiles.packed_heads.max(1),
        Divisor::HeadBlocks => tiles.head_blocks,
        Divisor::SectionTiles => tiles.section.saturating_mul(tiles.row_tiles),
        Divisor::Section => tiles.section,
        Divisor::LastSection => tiles.last_section(),
        Divisor::Scalar(param) => match batch.arguments[param.0] {
            Argument::I32(value) => value.unsigned_abs() as usize,
            _ => 0,
        },
    };
    // What is too large is above all that is divided, so that quotients are 0; an argument says so itself if it must fit.
    Reciprocal::of(u32::try_from(by).unwrap_or(u32::MAX))
}

/// Bytes from one step along an axis of a bias to the next; 0 along one that has one number for all.
fn bias_stride(batch: &Batch<'_>, param: ParamId, axis: BiasAxis) -> usize {
    let (shape, dtype) = (batch.bias_shape(param), batch.program.bias_type(param, batch.dtype));
    if shape[axis as usize] == 1 {
        return 0;
    }
    shape[axis as usize + 1..].iter().product::<usize>() * dtype.bytes()
}

fn pointer(argument: &Argument<'_>) -> u64 {
    match argument {
        Argument::Ragged(ragged) => ragged.tensor.address(),
        Argument::Pool(pool) => pool.tensor.address(),
        Argument::Table(table) => table.entries_tensor().address(),
        Argument::Output(tensor) | Argument::Vector(tensor) => tensor.address(),
        Argument::BitMask(mask) => mask.words_tensor().address(),
        Argument::F32(_) | Argument::I32(_) | Argument::Bool(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::EmulatorOptions;
    use crate::problem::Problem;
    use crate::test_kernels::contiguous;
    use flashpage_codegen::choice::{SM80, SM90};
    use flashpage_codegen::layout::copy_box::CopyBox;

    fn problem(q_heads: usize, kv_heads: usize, lens: &[(usize, usize)]) -> Problem {
        Problem { q_heads, kv_heads, lens: lens.to_vec(), ..Problem::default() }
    }

    #[test]
    fn grids() {
        use Arch::{Sm80, Sm90a};
        use ShapeClass::{Append, Decode, Prefill};
        let ragged = problem(8, 2, &[(300, 300), (5, 9), (0, 3)]);
        let wide = problem(80, 1, &[(2, 70)]);
        let threes = problem(6, 2, &[(22, 30), (22, 22)]);
        // Target, shape, tile, blocks that fit on each of so many multiprocessors: the grid, and the tiles of the
        // longest sequence, head blocks, sequences and packed heads.
        type Row<'a> = (&'a Problem, Arch, ShapeClass, (usize, usize), u32, u32, [u32; 3], [u32; 4]);
        let table: [Row; 10] = [
            (&ragged, Sm80, Prefill, (128, 64), 1, 4, [3, 8, 3], [3, 8, 3, 1]),
            (&ragged, Sm80, Decode, (16, 64), 1, 4, [75, 2, 3], [75, 2, 3, 4]),
            // Where blocks walk the tiles there are as many as fit, or a block for each tile if those are fewer.
            (&ragged, Sm90a, Prefill, (128, 64), 1, 4, [4, 1, 1], [10, 2, 3, 4]),
            (&ragged, Sm90a, Prefill, (128, 64), 1, 0, [1, 1, 1], [10, 2, 3, 4]),
            (&ragged, Sm90a, Append, (64, 64), 2, 20, [40, 1, 1], [19, 2, 3, 4]),
            (&ragged, Sm90a, Append, (64, 64), 2, 132, [114, 1, 1], [19, 2, 3, 4]),
            // Heads that share no divisor with a warpgroup's rows are packed where they need not divide them.
            (&threes, Sm90a, Prefill, (128, 64), 1, 132, [12, 1, 1], [1, 6, 2, 1]),
            (&threes, Sm90a, Append, (64, 64), 1, 132, [8, 1, 1], [2, 2, 2, 3]),
            // More heads than rows: the most that divide them.
            (&wide, Sm90a, Decode, (64, 64), 1, 132, [4, 1, 1], [2, 2, 1, 40]),
            (&problem(1, 1, &[(1, 0)]), Sm90a, Decode, (64, 64), 1, 4, [1, 1, 1], [1, 1, 1, 1]),
        ];
        let program = contiguous();
        for (problem, arch, shape, tile, blocks_per_sm, sms, grid, numbers) in table {
            let device = Device::emulator_with(EmulatorOptions { sms, ..EmulatorOptions::default() });
            let inputs = problem.inputs(&device, &program).unwrap();
            let arguments = inputs.arguments();
            let batch = Batch::check(&program, &arguments).unwrap();
            let tuning = Tuning { tile: Some(tile), blocks_per_sm: Some(blocks_per_sm), ..Tuning::default() };
            let options = LaunchOptions { arch: Some(arch), shape: Some(shape), tuning };
            let Ready { kernel, launch, .. } = plan(&device, &batch, &options).unwrap().ready.unwrap();
            let what = format!("{arch} {shape} {problem}");
            assert_eq!(launch.grid, grid, "{what}");
            let counted = [Meaning::RowTiles, Meaning::HeadBlocks, Meaning::Sequences, Meaning::PackedHeads];
            for (meaning, number) in counted.iter().zip(numbers) {
                let found = kernel.compiled.abi.iter().position(|arg| arg.meaning == *meaning);
                assert_eq!(found.is_some(), arch == Sm90a || *meaning == Meaning::PackedHeads, "{what}");
                if let Some(index) = found {
                    assert_eq!(launch.params[index], number.to_le_bytes(), "{what}: {meaning:?}");
                }
            }
        }
    }

    #[test]
    fn sections_fit_the_l2_cache() {
        use Arch::Sm90a;
        // Heads, KV heads, lengths; bytes of the cache; pairs of a section, of all pairs. A key and its value are 256 bytes.
        type Row<'a> = (usize, usize, &'a [(usize, usize)], u64, u32);
        let table: [Row; 11] = [
            (8, 8, &[(300, 300), (300, 300)], 50 << 20, 16),
            // Five eighths of 1 MiB are 8 of 300 keys: all of a batch, or two sections of 4.
            (8, 8, &[(300, 300)], 1 << 20, 8),
            (8, 8, &[(300, 300), (300, 300)], 1 << 20, 4),
            (8, 8, &[(300, 300), (5, 9), (0, 3)], 1 << 20, 4),
            (8, 8, &[(300, 600)], 1 << 20, 2),
            // Ten by fours leave two, by threes one: by twos all sections are alike.
            (10, 10, &[(300, 300)], 1 << 20, 2),
            (11, 11, &[(300, 300)], 1 << 20, 4),
            // Nothing fits: one at a time.
            (8, 8, &[(300, 300)], 1000, 1),
            (8, 8, &[(300, 300)], 0, 1),
            // Heads of a group are packed by fours: there are two head blocks, each with a KV head of its own.
            (8, 2, &[(300, 300)], 1 << 17, 1),
            // By twos, of six: three head blocks share a KV head.
            (6, 1, &[(300, 300), (20, 300)], 1 << 17, 3),
        ];
        let program = contiguous();
        for (q_heads, kv_heads, lens, l2_bytes, section) in table {
            let device = Device::emulator_with(EmulatorOptions { l2_bytes, ..EmulatorOptions::default() });
            let problem = Problem { head_dim: 64.into(), ..problem(q_heads, kv_heads, lens) };
            let inputs = problem.inputs(&device, &program).unwrap();
            let arguments = inputs.arguments();
            let batch = Batch::check(&program, &arguments).unwrap();
            let options = LaunchOptions { arch: Some(Sm90a), ..LaunchOptions::default() };
            let Ready { kernel, launch, .. } = plan(&device, &batch, &options).unwrap().ready.unwrap();
            let index = kernel.compiled.abi.iter().position(|arg| arg.meaning == Meaning::Section).unwrap();
            assert_eq!(launch.params[index], section.to_le_bytes(), "{problem} {l2_bytes}");
        }
    }

    /// Each launch has a counter of its own, which is 0 afterwards and serves another; not that of one that failed.
    #[test]
    fn counters_are_of_one_launch() {
        // One block takes every tile: a counter that is off by one loses a tile before long.
        let options = EmulatorOptions { arch: Arch::Sm90a, sms: 1, ..EmulatorOptions::default() };
        let device = Device::emulator_with(options);
        let program = contiguous();
        let problem = problem(4, 2, &[(300, 300), (5, 9)]);
        let inputs = problem.inputs(&device, &program).unwrap();
        let arguments = inputs.arguments();
        let batch = Batch::check(&program, &arguments).unwrap();
        let defaults = LaunchOptions::default();
        let ready = || plan(&device, &batch, &defaults).unwrap().ready.unwrap();
        let address = |ready: &Ready| ready.counter.as_ref().map(Counter::address).unwrap();
        let run = |ready: &Ready| -> Vec<Vec<u8>> {
            let outputs = || (0..program.params.len()).filter_map(|index| inputs.output(index));
            // What the launch before wrote must not stand for what this one leaves out.
            outputs().for_each(|tensor| tensor.buffer().memset(0xff).unwrap());
            device.launch(&ready.kernel.module, &ready.kernel.compiled.entry, &ready.launch).unwrap();
            outputs().map(|tensor| tensor.buffer().to_bytes().unwrap()).collect()
        };
        let (one, two) = (ready(), ready());
        assert_ne!(address(&one), address(&two), "two launches at once");
        let used = address(&one);
        let expected = run(&one);
        for _ in 0..4 {
            // A replay finds what the launch before it left.
            assert_eq!(run(&one), expected);
        }
        one.counter.unwrap().done();
        let again = ready();
        assert_eq!(address(&again), used);
        assert_eq!(run(&again), expected);
        // Dropped, as where a launch fails, a counter is given up.
        drop(again);
        assert_eq!(run(&ready()), expected);
    }

    #[test]
    fn grids_that_are_too_large() {
        let (ampere, hopper) = (SM80[0].schedule().into(), SM90[0].schedule().into());
        let table: [(&Schedule, [usize; 3], &str); 6] = [
            (
                &ampere,
                [1 << 31, 1, 1],
                "the number of row tiles is 2147483648, and must be at most 2147483647",
            ),
            (&ampere, [1, 1 << 16, 1], "the number of head groups is 65536, and must be at most 65535"),
            (&ampere, [1, 1, 1 << 16], "the number of sequences is 65536, and must be at most 65535"),
            (&hopper, [1 << 10, 1 << 16, 31], ""),
            (
                &hopper,
                [1 << 20, 2, 1 << 10],
                "the number of tiles is 2147483648, and must be at most 2147483647",
            ),
            (&hopper, [usize::MAX, 2, 2], "the number of tiles is 18446744073709551615, and must be at most"),
        ];
        for (schedule, [row_tiles, head_blocks, sequences], expected) in table {
            let planned = Planned::default();
            let tiles = Tiles { packed_heads: 1, row_tiles, head_blocks, sequences, section: 1, planned };
            let said = tiles.grid(schedule, 132).map_or_else(|error| error.to_string(), |_| String::new());
            assert!(said.starts_with(expected) && said.is_empty() == expected.is_empty(), "{said}");
        }
    }

    #[test]
    fn a_refused_tensor_map_names_its_parameter() {
        let (device, program) = (Device::emulator(), contiguous());
        let inputs = Problem::default().inputs(&device, &program).unwrap();
        let arguments = inputs.arguments();
        let batch = Batch::check(&program, &arguments).unwrap();
        let meaning = Meaning::TensorMap(ParamId(1), CopyBox { rows: 512, span: 128 });
        let arg = AbiArg { name: "k_map".into(), ty: AbiType::TensorMap, meaning };
        let planned = Planned::default();
        let tiles =
            Tiles { packed_heads: 1, row_tiles: 1, head_blocks: 1, sequences: 1, section: 1, planned };
        let error = parameter(&device, &batch, &arg, &tiles).unwrap_err().to_string();
        let expected = "argument `k` cannot be copied in bulk, as kernels for sm_90a do: tensor map: box has 512: each \
                        takes 1 to 256; launch for sm_80 instead";
        assert_eq!(error, expected);
    }
}
