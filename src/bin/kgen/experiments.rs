//! `kgen experiments`: the choices of a schedule that only a GPU can settle, as one table.

use crate::bench;
use crate::kernel;
use crate::rows::{RowArgs, Rows};
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::codegen::{Arch, Program};
use flashpage::measure::bench::{OURS, measure};
use flashpage::measure::check;
use flashpage::measure::experiments::{Tried, table, trials};
use flashpage::measure::results::Measured;
use flashpage::measure::suite::Suite;
use flashpage::runtime::{Device, LaunchOptions, TimingOptions};

#[derive(Args)]
pub struct Experiments {
    /// GPU, as in cuda:0; of compute capability 9.0
    #[arg(long, default_value = "cuda:0")]
    device: String,
    /// Run each once on the emulator, small and without a time, and check it
    #[arg(long, conflicts_with = "device")]
    dry_run: bool,
    #[command(flatten)]
    rows: RowArgs,
}

impl Experiments {
    pub fn run(&self) -> Outcome {
        let device = if self.dry_run { Device::emulator() } else { bench::gpu(&self.device)? };
        if !device.is_emulator() && device.arch() != Arch::Sm90a {
            println!("nothing to settle on {}: the choices are of kernels for sm_90a", device.name());
            return Ok(());
        }
        let trials = trials(if self.dry_run { Suite::Tiny } else { Suite::Full });
        let programs: Vec<Program> =
            trials.iter().map(|trial| kernel::program(&trial.workload.kernel)).collect::<Result<_, _>>()?;
        let tried =
            |index: usize, measured: Measured| Tried { schedule: trials[index].tuning.to_string(), measured };
        let rows = Rows {
            total: trials.len(),
            row: |index: usize| {
                let trial = &trials[index];
                let options = LaunchOptions {
                    arch: Some(Arch::Sm90a),
                    tuning: trial.tuning,
                    ..LaunchOptions::default()
                };
                let timing = TimingOptions::default();
                let found = measure(&device, &programs[index], &trial.workload, &options, &timing);
                check::Outcome { row: tried(index, found.row), spoiled: found.spoiled }
            },
            lost: |index: usize, reason| {
                let measured = Measured::new(OURS, &trials[index].workload);
                tried(index, Measured { error: Some(reason), ..measured })
            },
        };
        let Some(rows) = self.rows.collect("experiments", &device, rows, print_row)? else { return Ok(()) };
        let bad = rows.iter().filter(|row| row.measured.right != Some(true)).count();
        if !self.rows.json {
            println!("\nmedians in µs:\n\n{}", table(&rows));
            println!(
                "{} of {} ran and are right{}",
                rows.len() - bad,
                rows.len(),
                self.rows.not_begun(rows.len(), trials.len())
            );
        }
        if bad == 0 && rows.len() == trials.len() { Ok(()) } else { Err(Failure::Check) }
    }
}

fn print_row(row: &Tried) {
    let Tried { schedule, measured } = row;
    let median = measured.median_us.map_or("not timed".to_owned(), |median| format!("{median:.1}"));
    let verdict = match (&measured.error, measured.right) {
        (Some(_), _) => "FAILS",
        (None, Some(false)) => "WRONG",
        (None, _) => "ok",
    };
    println!("{:<44} {schedule:<60} {median:>10}  {verdict}", measured.workload.to_string());
    if let Some(message) = measured.error.as_ref().or(measured.checked.as_ref().filter(|_| verdict != "ok")) {
        println!("    {message}");
    }
}
