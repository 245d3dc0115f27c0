//! `kgen parity`: launch cases on a GPU and on the emulator, and whether both give the same.

use crate::rows::{RowArgs, Rows};
use crate::run::DeviceChoice;
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::measure::parity::parity;
use flashpage::measure::results::Parity;
use flashpage::runtime::{AsyncPolicy, Device, EmulatorOptions, WarpOrder};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct KgenParity {
    /// launch.json files, or folders that hold them
    #[arg(required = true)]
    cases: Vec<PathBuf>,
    /// cuda:N, or emulator: beside itself with late copies and warps in another order
    #[arg(long, default_value = "cuda:0")]
    device: String,
    #[command(flatten)]
    rows: RowArgs,
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
                warp_order: WarpOrder::Random(1),
                ..EmulatorOptions::default()
            }),
            device => device,
        };
        if !self.rows.json && !self.rows.is_worker() {
            println!("on {}, beside the emulator", device.name());
        }
        let rows = Rows {
            total: cases.len(),
            row: |index: usize| parity(&cases[index], &device, &Device::emulator()),
            lost: |index: usize, reason| Parity {
                case: cases[index].display().to_string(),
                message: Some(reason),
                ..Parity::default()
            },
        };
        let Some(rows) = self.rows.collect("parity", &device, rows, print_row)? else { return Ok(()) };
        let passed = rows.iter().filter(|row| row.passed).count();
        let identical = rows.iter().filter(|row| row.identical).count();
        if !self.rows.json {
            let left = self.rows.not_begun(rows.len(), cases.len());
            println!("{passed} of {} agree, {identical} of them to the bit{left}", rows.len());
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
