//! What a run leaves behind, and what is made of it.
//!
//! A run is a folder. Each step appends JSON lines to a file of its own as it goes, so that a run that is cut off
//! keeps what it had:
//!
//! | file | a line is |
//! |---|---|
//! | `machine.json` | one [`Machine`]: where and of what commit |
//! | `check.jsonl` | a [`Checked`]: one problem of the catalogue against f64 |
//! | `parity.jsonl` | a [`Parity`]: one case on the device beside the emulator |
//! | `bench.jsonl` | a [`Measured`] of ours, or a [`Ceiling`] |
//! | `peers.jsonl` | the same of others |
//! | `experiments.jsonl` | a [`Tried`](crate::experiments::Tried): one schedule of some that stand beside each other |
//! | `steps.jsonl` | a [`Step`]: how a step ended |
//!
//! `causes.json`, written by hand, says why a workload loses to a peer, by its id. A folder goes through these in order:
//! [`read`] (files to rows), [`merge`] and [`comparison`] (rows to what follows from them: `results.json`),
//! [`plot`] and [`svg`], [`markdown`] and [`table`] (`report.md`), [`readme`].

pub mod comparison;
pub mod markdown;
pub mod merge;
pub mod plot;
pub mod read;
pub mod readme;
pub mod svg;
pub mod table;
pub mod write;

use crate::workload::Workload;
use flashpage_codegen::HeadDim;
use serde::{Deserialize, Serialize};

/// Where a run was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Whether kernels ran on the emulator: then there are no timings.
    pub emulated: bool,
    /// UTC, as in `2026-11-24T11:30:00Z`.
    pub date: String,
    /// Of flashpage; ends in `-dirty` where the tree had changes.
    pub commit: String,
    /// The GPU's name, or `emulator`.
    pub gpu: String,
    /// The driver's version.
    pub driver: String,
    /// As in `9.0`.
    pub compute_capability: String,
    /// Multiprocessors.
    pub sms: u32,
    /// Bytes of its memory.
    pub memory_bytes: u64,
    /// Bytes of its L2 cache.
    pub l2_bytes: u64,
    /// Highest clock of the multiprocessors, MHz.
    pub max_sm_clock_mhz: u32,
    /// Highest clock of the memory, MHz.
    pub max_memory_clock_mhz: u32,
    /// Limit of its power, W.
    pub power_limit_w: f64,
    /// Clocks and temperature while the run went on, as `nvidia-smi` gave them: `step: sm MHz, mem MHz, W, °C`.
    pub samples: Vec<String>,
    /// The host's processor and kernel.
    pub host: String,
    /// Versions of what the peers need, as in `torch 2.11.0+cu130`.
    pub software: Vec<String>,
    /// How the run was asked for: `full`, `quick` or `dry-run`.
    pub suite: String,
}

/// One problem of the catalogue, on the device, against the f64 reference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checked {
    /// The kernel.
    pub kernel: String,
    /// The suite's name of the batch.
    pub batch: String,
    /// `kgen case` arguments that make the problem again.
    pub problem: String,
    /// Whether every output is right.
    pub passed: bool,
    /// What went wrong, where it did not run to its end.
    pub message: Option<String>,
    /// What was found of each output.
    pub outputs: Vec<CheckedOutput>,
    /// Element type.
    pub dtype: String,
    /// Head dimensions.
    #[serde(with = "crate::head_dim")]
    pub head_dim: HeadDim,
    /// Tokens a block, of a paged kernel.
    pub block_size: Option<usize>,
    /// The shape class that ran.
    pub shape: Option<String>,
}

/// One output of a [`Checked`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckedOutput {
    /// The parameter's name.
    pub output: String,
    /// Whether it is right.
    pub passed: bool,
    /// The rule that does not hold, with its numbers; empty if all do.
    pub failure: String,
    /// Error of the worst element; absent where it is no number.
    pub error: Option<f64>,
    /// What is allowed of it.
    pub allowed: Option<f64>,
    /// 1 minus the cosine of the angle between result and reference.
    pub cosine_distance: Option<f64>,
    /// L2 norm of the difference over that of the reference.
    pub relative_l2: Option<f64>,
}

impl Checked {
    /// The output that used the largest share of what it was allowed; a failed one before all others.
    pub fn worst(&self) -> Option<&CheckedOutput> {
        let share = |output: &CheckedOutput| match (output.error, output.allowed) {
            _ if !output.passed => f64::INFINITY,
            (Some(error), Some(allowed)) if allowed > 0.0 => error / allowed,
            _ => 0.0,
        };
        self.outputs.iter().max_by(|a, b| share(a).total_cmp(&share(b)))
    }
}

/// One case on the device beside the emulator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parity {
    /// The case's folder.
    pub case: String,
    /// The entry.
    pub entry: String,
    /// Whether its outputs must be the same to the bit, or within rounding.
    pub exact: bool,
    /// Why not to the bit: the instructions whose results are the hardware's own.
    pub inexact_because: Vec<String>,
    /// Whether they are.
    pub passed: bool,
    /// What differs, or what kept it from running.
    pub message: Option<String>,
    /// Largest difference of an output.
    pub max_abs: Option<f64>,
    /// Whether every output is the same to the bit, asked for or not.
    pub identical: bool,
}

/// One workload by one implementation.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Measured {
    /// `flashpage`, or a peer: `sdpa-cudnn`, `sdpa-flash`, `flex`, `triton`, `naive`, `flashinfer`, `fa3`, …
    pub who: String,
    /// What was computed.
    pub workload: Workload,
    /// Median time of a launch, µs. Absent where it was emulated or did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_us: Option<f64>,
    /// A tenth of the launches were faster, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p10_us: Option<f64>,
    /// A tenth were slower, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90_us: Option<f64>,
    /// Launches timed.
    #[serde(default)]
    pub samples: usize,
    /// How it was timed: `event` around a launch, or `graph` around the replay of a captured one.
    #[serde(default)]
    pub method: String,
    /// Whether the result of the very buffers that were timed was right; absent where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<bool>,
    /// How that was found: `f64, 64 rows: 0.41 of the error allowed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<String>,
    /// Why it did not run here (no such package, shape not taken); no failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Measured {
    /// A row that has nothing in it yet.
    pub fn new(who: &str, workload: &Workload) -> Measured {
        Measured {
            who: who.to_owned(),
            workload: workload.clone(),
            median_us: None,
            p10_us: None,
            p90_us: None,
            samples: 0,
            method: String::new(),
            right: None,
            checked: None,
            skipped: None,
            error: None,
        }
    }
}

/// What the device can do at most, measured in the same run.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Ceiling {
    /// `copy` (bytes read and written) or `matmul-bf16`, `matmul-f16`.
    pub ceiling: String,
    /// Who measured: `kgen` or `torch`.
    pub who: String,
    /// Bytes or operations a second.
    pub per_second: f64,
    /// What was run.
    pub how: String,
}

/// How a step of a run ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
#[serde(default)]
pub struct Step {
    /// `check`, `parity`, `bench`, `peers`, …
    pub step: String,
    /// Exit status; 124 where it was cut off.
    pub status: i32,
    /// How long it took.
    pub seconds: f64,
    /// What it said last, where it failed.
    pub message: String,
}
