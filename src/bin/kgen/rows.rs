//! Commands that compute row after row on a device: what they share of arguments and of going about it.

use crate::isolate;
use crate::lines::Lines;
use crate::progress;
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::measure::check;
use flashpage::runtime::Device;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct RowArgs {
    /// One JSON array
    #[arg(long)]
    pub json: bool,
    /// Append a JSON line for each row to this file too, as it goes
    #[arg(long, value_name = "FILE")]
    pub append: Option<PathBuf>,
    /// On a GPU, give up a row that has not come after so many seconds, and go on with the next in a new process
    #[arg(long, value_name = "SECONDS", default_value_t = 45, value_parser = clap::value_parser!(u64).range(1..))]
    pub patience: u64,
    /// Begin no further row after so many seconds
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
    /// Compute rows from this one on, for the process that started this one
    #[arg(long, hide = true)]
    worker: Option<usize>,
}

/// How rows are computed, and what stands for one whose process was lost, for the reason given.
pub struct Rows<F, L> {
    pub total: usize,
    pub row: F,
    pub lost: L,
}

impl RowArgs {
    /// Whether this process computes rows for another, and so must print nothing else.
    pub fn is_worker(&self) -> bool {
        self.worker.is_some()
    }

    /// Whether no further row is to be begun, so long after the first.
    pub fn is_over(&self, begun: Instant) -> bool {
        self.seconds.is_some_and(|most| begun.elapsed() >= Duration::from_secs(most))
    }

    /// What is said of rows that were not begun in time, of so many in all; nothing if there are none.
    pub fn not_begun(&self, done: usize, total: usize) -> String {
        match total - done {
            0 => String::new(),
            left => format!("; {left} were not begun within {} s", self.seconds.unwrap_or(0)),
        }
    }

    /// Computes the rows: here on the emulator, in processes that may be lost on a GPU. Calls `found` with each until
    /// it breaks off; not in a worker, which hands its rows to the process that started it.
    pub fn each<R: Serialize + DeserializeOwned>(
        &self,
        device: &Device,
        mut rows: Rows<impl FnMut(usize) -> check::Outcome<R>, impl Fn(usize, String) -> R>,
        mut found: impl FnMut(R) -> Result<ControlFlow<()>, Failure>,
    ) -> Outcome {
        if let Some(first) = self.worker {
            return isolate::work(first, rows.total, rows.row);
        }
        if device.is_emulator() {
            for index in 0..rows.total {
                if found((rows.row)(index).row)?.is_break() {
                    break;
                }
            }
            return Ok(());
        }
        let mut failed = Ok(());
        isolate::rows(rows.total, Duration::from_secs(self.patience), |index, row| {
            found(row.unwrap_or_else(|reason| (rows.lost)(index, reason))).unwrap_or_else(|error| {
                failed = Err(error);
                ControlFlow::Break(())
            })
        })?;
        failed
    }

    /// Computes the rows, as many as there is time for, under a progress bar named `what`, and prints each with `print`, or
    /// at the end as JSON. `None` in a worker.
    pub fn collect<R: Serialize + DeserializeOwned>(
        &self,
        what: &str,
        device: &Device,
        rows: Rows<impl FnMut(usize) -> check::Outcome<R>, impl Fn(usize, String) -> R>,
        print: impl Fn(&R),
    ) -> Result<Option<Vec<R>>, Failure> {
        let mut lines = Lines::open(self.append.as_deref().filter(|_| !self.is_worker()))?;
        let bar = progress::bar(rows.total, what);
        let (begun, mut all) = (Instant::now(), Vec::new());
        self.each(device, rows, |row| {
            if !self.json {
                bar.suspend(|| print(&row));
            }
            lines.push(&row)?;
            all.push(row);
            bar.inc(1);
            Ok(if self.is_over(begun) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        bar.finish_and_clear();
        if self.is_worker() {
            return Ok(None);
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&all)?);
        }
        Ok(Some(all))
    }
}
