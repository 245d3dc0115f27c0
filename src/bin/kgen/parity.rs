//! `kgen parity`: launch cases on a GPU and on the emulator, and whether both give the same.

use crate::isolate;
use crate::lines::Lines;
use crate::progress;
use crate::run::DeviceChoice;
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::measure::parity::parity;
use flashpage::measure::results::Parity;
use flashpage::runtime::{AsyncPolicy, Device, EmulatorOptions, Schedule};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct KgenParity {
    /// launch.json files, or folders that hold them
    #[arg(required = true)]
    cases: Vec<PathBuf>,
    /// cuda:N, or emulator: beside itself with late copies and warps in another order
    #[arg(long, default_value = "cuda:0")]
    device: String,
    /// One JSON array
    #[arg(long)]
    json: bool,
    /// Append a JSON line for each row to this file too, as it goes
    #[arg(long, value_name = "FILE")]
    append: Option<PathBuf>,
    /// Compute rows from this one on, for the process that started this one
    #[arg(long, hide = true)]
    worker: Option<usize>,
}

impl KgenParity {
    pub fn run(&self) -> Outcome {
        let mut cases = Vec::new();
        for path in &self.cases {
            cases.extend(launches(path)?);
        }
        let device = match DeviceChoice::named(&self.device)?? {
            device if device.is_emulator() => Device::emulator_with(EmulatorOptions {
                policy: AsyncPolicy::Lazy,
                schedule: Schedule::Random(1),
                ..EmulatorOptions::default()
            }),
            device => device,
        };
        let row = |index: usize| parity(&cases[index], &device, &Device::emulator());
        if let Some(first) = self.worker {
            return isolate::work(first, cases.len(), row);
        }
        if !self.json {
            println!("on {}, beside the emulator", device.name());
        }
        let mut lines = Lines::open(self.append.as_deref())?;
        let bar = progress::bar(cases.len(), "parity");
        let mut rows: Vec<Parity> = Vec::new();
        let mut written = Ok(());
        let mut found = |row: Parity| {
            if !self.json {
                bar.suspend(|| print_row(&row));
            }
            written = lines.push(&row);
            rows.push(row);
            bar.inc(1);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        if device.is_emulator() {
            let _ = (0..cases.len()).try_for_each(|index| found(row(index).row));
        } else {
            isolate::rows(cases.len(), |index, row| {
                found(row.unwrap_or_else(|lost| Parity {
                    case: cases[index].display().to_string(),
                    message: Some(lost),
                    ..Parity::default()
                }))
            })?;
        }
        bar.finish_and_clear();
        written?;
        let passed = rows.iter().filter(|row| row.passed).count();
        let identical = rows.iter().filter(|row| row.identical).count();
        if self.json {
            println!("{}", serde_json::to_string_pretty(&rows)?);
        } else {
            println!("{passed} of {} agree, {identical} of them to the bit", rows.len());
        }
        if passed == cases.len() { Ok(()) } else { Err(Failure::Check) }
    }
}

/// The case, or the cases in a folder, by name.
fn launches(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fail = |error: std::io::Error| Failure::Usage(format!("{}: {error}", path.display()));
    if !path.is_dir() {
        std::fs::metadata(path).map_err(fail)?;
        return Ok(vec![path.to_owned()]);
    }
    let own = path.join("launch.json");
    if own.is_file() {
        return Ok(vec![own]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        let launch = entry.map_err(fail)?.path().join("launch.json");
        if launch.is_file() {
            found.push(launch);
        }
    }
    found.sort_unstable();
    match found.is_empty() {
        true => {
            Err(Failure::Usage(format!("{}: no launch.json in it, nor one folder below", path.display())))
        }
        false => Ok(found),
    }
}

fn print_row(row: &Parity) {
    let how = match (row.identical, row.exact) {
        (true, _) => "to the bit".to_owned(),
        (false, true) => "must be to the bit".to_owned(),
        (false, false) => format!("within {:.1e}", row.max_abs.unwrap_or(0.0)),
    };
    println!("{:<44} {:<22} {}", row.case, how, if row.passed { "ok" } else { "FAILS" });
    if let Some(message) = &row.message {
        println!("    {message}");
    }
}
