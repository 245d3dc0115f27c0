//! A workload on a device: timed, and the very buffers that were timed held against the f64 reference.

use crate::check::Outcome;
use crate::results::{Ceiling, Measured};
use crate::workload::{Phase, Workload};
use flashpage_codegen::Program;
use flashpage_codegen::program::DType;
use flashpage_runtime::equivalence::{self, EquivalenceError};
use flashpage_runtime::problem::Problem;
use flashpage_runtime::{
    Capacity, Device, DeviceError, LaunchOptions, PlanError, PlanOptions, Planner, PoolLayout, Row, Tensor,
    TensorError, TimingOptions, launch,
};
use std::collections::BTreeMap;

/// What our own rows are called.
pub const OURS: &str = "flashpage";

/// Rows of a workload that are held against the reference.
const CHECKED_ROWS: usize = 32;

/// The inputs of a workload.
///
/// # Errors
/// An element type that is none.
pub fn problem(workload: &Workload) -> Result<Problem, String> {
    let mut scalars = BTreeMap::new();
    if let Some(window) = workload.window {
        scalars.insert("window".to_owned(), window as f64);
    }
    if let Some(cap) = workload.softcap {
        scalars.insert("cap".to_owned(), f64::from(cap));
    }
    Ok(Problem {
        dtype: workload.dtype.parse()?,
        kv_dtype: workload.kv_dtype.as_ref().map(|kv| kv.parse()).transpose()?,
        output: None,
        head_dim: workload.head_dim,
        q_heads: workload.heads,
        kv_heads: workload.kv_heads,
        lens: workload.kv_lens.iter().map(|kv_len| (workload.q_len, *kv_len)).collect(),
        block_size: workload.block_size.unwrap_or(16),
        layout: PoolLayout::Nhd,
        values: Default::default(),
        seed: 1,
        scalars,
    })
}

/// Rows spread over sequences, heads and positions, the last query of the longest sequence among them.
fn sample(workload: &Workload) -> Vec<Row> {
    let longest = workload.kv_lens.iter().position(|len| *len == workload.longest()).unwrap_or(0);
    let last = Row { sequence: longest, head: 0, index: workload.q_len.saturating_sub(1) };
    // Multipliers that are prime to most lengths walk through all of them; rows of one sequence and head share the
    // conversion of its keys, so positions vary fastest.
    let row = |i: usize| Row {
        sequence: (i / 4) * 7919 % workload.batch().max(1),
        head: (i / 4) * 31 % workload.heads.max(1),
        index: i * 104_729 % workload.q_len.max(1),
    };
    let mut rows: Vec<Row> = (1..CHECKED_ROWS).map(row).chain([last]).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// Why a workload has no time.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Equivalence(#[from] EquivalenceError),
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl RunError {
    /// Whether the device failed, and not only the check.
    fn is_device_failure(&self) -> bool {
        match self {
            RunError::Equivalence(error) => error.is_device_failure(),
            RunError::Plan(PlanError::Device(error)) => {
                matches!(error, DeviceError::Fault { .. } | DeviceError::Cuda { .. } | DeviceError::Load(_))
            }
            RunError::Plan(_) => false,
        }
    }
}

/// Runs `program` on a workload: many times by the clock of a GPU, once on the emulator, which has none.
pub fn measure(
    device: &Device,
    program: &Program,
    workload: &Workload,
    options: &LaunchOptions,
    timing: &TimingOptions,
) -> Outcome<Measured> {
    let mut row = Measured::new(OURS, workload);
    let mut spoiled = false;
    match problem(workload) {
        Err(error) => row.error = Some(error),
        Ok(problem) => {
            if let Err(error) = run(device, program, &problem, options, timing, &mut row) {
                spoiled = !device.is_emulator() && error.is_device_failure();
                row.error = Some(error.to_string());
            }
        }
    }
    Outcome { row, spoiled }
}

fn run(
    device: &Device,
    program: &Program,
    problem: &Problem,
    options: &LaunchOptions,
    timing: &TimingOptions,
    row: &mut Measured,
) -> Result<(), RunError> {
    let inputs = problem.inputs(device, program).map_err(EquivalenceError::from)?;
    let arguments = inputs.arguments();
    // A few queries a sequence are planned, as an engine would; a prefill fills the device without.
    let plan = match row.workload.phase {
        Phase::Prefill => None,
        Phase::Append | Phase::Decode => {
            let capacity = Capacity::new(row.workload.q_len * row.workload.batch(), row.workload.batch());
            let plan_options =
                PlanOptions { tuning: options.tuning, arch: options.arch, ..PlanOptions::default() };
            let planner = Planner::new(device, program, &arguments, capacity, plan_options)?;
            let plan = planner.plan(&arguments, &[])?;
            Some((planner, plan))
        }
    };
    let planned = if plan.is_some() { ", planned" } else { "" };
    if device.is_emulator() {
        match &plan {
            None => drop(launch(device, program, &arguments, options).map_err(EquivalenceError::from)?),
            Some((planner, plan)) => drop(planner.run(plan, &arguments)?),
        }
        row.method = format!("emulated{planned}");
    } else {
        let mut spilled = String::new();
        let times = match &plan {
            None => {
                let (report, times) = launch::time(device, program, &arguments, options, timing)
                    .map_err(EquivalenceError::from)?;
                if let Some(bytes) = report.local_bytes.filter(|bytes| *bytes > 0) {
                    spilled = format!(", {bytes} bytes of a thread in local memory");
                }
                times
            }
            Some((planner, plan)) => planner.time(plan, &arguments, timing)?,
        };
        let micros = |share| times.percentile(share).as_secs_f64() * 1e6;
        row.median_us = Some(micros(0.5));
        row.p10_us = Some(micros(0.1));
        row.p90_us = Some(micros(0.9));
        row.samples = times.samples();
        row.method = format!("event{planned}{spilled}");
    }
    let rows = sample(&row.workload);
    let verdicts = equivalence::check_rows(program, &inputs, problem.dtype, &rows)?;
    row.right = Some(verdicts.iter().all(|(_, verdict)| verdict.passed));
    let said: Vec<String> = verdicts
        .iter()
        .map(|(output, verdict)| match (&verdict.worst, verdict.passed) {
            (Some(worst), true) if worst.allowed > 0.0 => {
                format!("{output} {:.2} of the error allowed", worst.error / worst.allowed)
            }
            (_, true) => format!("{output} ok"),
            (_, false) => format!("{output}: {verdict}"),
        })
        .collect();
    row.checked = Some(format!("f64, {} rows: {}", rows.len(), said.join(", ")));
    Ok(())
}

/// Bytes that a copy's ceiling moves, one way: many times any cache.
const COPY_BYTES: usize = 1 << 30;

/// Rows of the matrices of a product's ceiling.
const MATMUL_ROWS: usize = 8192;

/// What a device can do at most: a copy, and a matrix product in each type, with random data.
///
/// Each is a result of its own, for a machine may have no cuBLAS.
pub fn ceilings(device: &Device, timing: &TimingOptions) -> Vec<Result<Ceiling, DeviceError>> {
    let memory = device.properties().map_or(0, |properties| properties.memory_bytes as usize);
    let bytes = COPY_BYTES.min(memory / 4);
    let copy = device.time_copy(bytes, timing).map(|times| Ceiling {
        ceiling: "copy".to_owned(),
        who: "kgen".to_owned(),
        per_second: 2.0 * bytes as f64 / times.median().as_secs_f64(),
        how: format!("device to device, {} MiB, read and written", bytes >> 20),
    });
    let product = |dtype: DType| {
        let n = MATMUL_ROWS;
        let matrices =
            Problem { dtype, ..Problem::default() }.matrices(device, n).map_err(|error| match error {
                TensorError::Device(error) => error,
                other => DeviceError::Alloc { bytes: n * n * 2, message: other.to_string() },
            })?;
        let buffers = [0, 1, 2].map(|i: usize| Tensor::buffer(&matrices[i]));
        let times = device.time_matmul(n, dtype, buffers, timing)?;
        Ok(Ceiling {
            ceiling: format!("matmul-{dtype}"),
            who: "kgen".to_owned(),
            per_second: 2.0 * (n as f64).powi(3) / times.median().as_secs_f64(),
            how: format!("cuBLAS, {n} x {n} x {n}, sums in f32, random data"),
        })
    };
    vec![copy, product(DType::Bf16), product(DType::F16)]
}

/// Operations a second, of compute-bound phases, or bytes a second, of decode; and the unit it is told in.
pub fn rate(workload: &Workload, micros: f64) -> (f64, &'static str) {
    match workload.phase {
        Phase::Decode => (workload.bytes() / micros / 1e3, "GB/s"),
        _ => (workload.flops() / micros / 1e6, "TFLOP/s"),
    }
}
