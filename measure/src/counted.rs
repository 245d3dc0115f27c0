//! What a launch does to memory, counted on the emulator: bytes moved against the least that could be, and passes over
//! shared memory lost to bank conflicts.

use crate::bench::problem;
use crate::suite::representative;
use crate::workload::Workload;
use flashpage_codegen::{Program, Spec};
use flashpage_runtime::equivalence::EquivalenceError;
use flashpage_runtime::problem::ProblemError;
use flashpage_runtime::{Device, EmulatorOptions, LaunchOptions, launch};

/// Counts of one launch.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// The launch.
    pub workload: Workload,
    /// Bytes of global memory asked for, in sectors of 32.
    pub global_bytes: f64,
    /// Bytes of different sectors among these: what comes from device memory if the caches forget nothing.
    pub distinct_bytes: f64,
    /// The least: every tensor once.
    pub least_bytes: f64,
    /// Passes over the banks of shared memory.
    pub wavefronts: u64,
    /// The fewest that could give as many bytes.
    pub least_wavefronts: u64,
    /// The line of the PTX that loses most passes, and how many.
    pub worst_line: Option<(u32, u64)>,
}

impl Counted {
    /// Passes lost to bank conflicts, of all.
    pub fn conflicts(&self) -> f64 {
        (self.wavefronts - self.least_wavefronts) as f64 / (self.wavefronts as f64).max(1.0)
    }
}

/// Runs `program` once on the emulator, on a batch that its shape class is made for.
///
/// # Errors
/// A program that cannot be compiled for it, or that faults.
pub fn count(program: &Program, spec: &Spec, options: &LaunchOptions) -> Result<Counted, EquivalenceError> {
    let Spec { dtype, kv_dtype, head_dim, block_size, shape, .. } = *spec;
    let workload = Workload {
        kv_dtype: (kv_dtype != dtype).then(|| kv_dtype.to_string()),
        ..representative(program, dtype, head_dim, block_size, shape)
    };
    let device = Device::emulator_with(EmulatorOptions { profile: true, ..EmulatorOptions::default() });
    let problem = problem(&workload).map_err(|_| ProblemError::DType(dtype))?;
    let inputs = problem.inputs(&device, program)?;
    let options = LaunchOptions { shape: Some(shape), ..*options };
    let report = launch(&device, program, &inputs.arguments(), &options)?;
    let profile = report.emulated.and_then(|emulated| emulated.profile).unwrap_or_default();
    let worst_line = profile.bank_conflicts().first().map(|(line, lost)| (line.line, *lost));
    Ok(Counted {
        global_bytes: 32.0 * profile.totals.global_sectors as f64,
        distinct_bytes: 32.0 * profile.totals.distinct_sectors as f64,
        least_bytes: workload.bytes(),
        wavefronts: profile.totals.wavefronts,
        least_wavefronts: profile.totals.least_wavefronts,
        worst_line,
        workload,
    })
}
