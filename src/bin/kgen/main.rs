//! `kgen`: emit, explain, run, check and assemble attention kernels from the command line.
//!
//! Exit 0 where all holds, 1 where a check failed, 2 for arguments that cannot be used.

#[macro_use]
mod output;

mod assembled;
mod bench;
mod case;
mod check;
mod cost;
mod doctor;
mod emit;
mod experiments;
mod forecast;
mod isolate;
mod kernel;
mod lines;
mod parity;
mod picture;
mod progress;
mod report;
mod rows;
mod run;
mod table;
mod tune;
mod verify;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Compile tiled attention from Rust to PTX, run it without a GPU, and check it.
///
/// A kernel is named as `kgen list` prints it, or as a Rust file that holds a function under
/// `#[attention_kernel]`: `kernels.rs`, or `kernels.rs:my_kernel` where there are several.
#[derive(Parser)]
#[command(name = "kgen", version, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Start here:
  kgen list
  kgen emit causal_attention --head-dim 128 -o k.ptx
  kgen explain my_kernels.rs:my_kernel --dtype bf16
  kgen check paged_attention
  kgen case paged_attention --q-len 1,33 --kv-len 200,33 --heads 8 --kv-heads 2 -o d && kgen launch d/launch.json

Exit status: 0 where all holds, 1 where a check failed, 2 for arguments that cannot be used.";

#[derive(Subcommand)]
enum Command {
    /// The stock kernels and what each takes
    List(emit::List),
    /// The PTX of a kernel
    Emit(emit::Emit),
    /// The program, the schedule and the shared-memory map of a kernel
    Explain(emit::Explain),
    /// A self-contained case: kernel.ptx, launch.json, inputs and expected outputs as .npy
    Case(case::MakeCase),
    /// Run any PTX described by a launch.json, write its outputs, compare them with what is expected
    Launch(run::RunCase),
    /// Numeric equivalence of kernels with the f64 reference, over a table of shapes
    Check(check::Check),
    /// Every kernel through the real ptxas: registers, spills, warnings; with --overlap pinned, late exponentials
    Verify(verify::Verify),
    /// What the machine code of kernels costs, and the limits that follow from it; needs no GPU
    Cost(cost::KernelCost),
    /// Schedules ranked for a shape, by predicted and by measured time
    Tune(tune::Tune),
    /// Launch cases on a GPU and on the emulator: whether both give the same
    Parity(parity::KgenParity),
    /// What this machine has and lacks, and how to get it
    Doctor(doctor::Doctor),
    /// Timings on a GPU, beside what the GPU can do at most
    Bench(bench::Bench),
    /// The choices of a schedule that only a GPU can settle, timed beside each other
    Experiments(experiments::Experiments),
    /// What a run on a GPU left behind, as a report with plots
    Report(report::Report),
}

/// How a command ended, other than well.
enum Failure {
    /// Something was checked and does not hold; said already.
    Check,
    /// The arguments cannot be used.
    Usage(String),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Usage(error.to_string())
    }
}

type Outcome = Result<(), Failure>;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::List(list) => list.run(),
        Command::Emit(emit) => emit.run(),
        Command::Explain(explain) => explain.run(),
        Command::Case(case) => case.run(),
        Command::Launch(launch) => launch.run(),
        Command::Check(check) => check.run(),
        Command::Verify(verify) => verify.run(),
        Command::Cost(cost) => cost.run(),
        Command::Tune(tune) => tune.run(),
        Command::Parity(parity) => parity.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Bench(bench) => bench.run(),
        Command::Experiments(experiments) => experiments.run(),
        Command::Report(report) => report.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Check) => ExitCode::from(1),
        Err(Failure::Usage(message)) => {
            eprintln!("kgen: {message}");
            ExitCode::from(2)
        }
    }
}
