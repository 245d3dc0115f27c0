//! `kgen bench`: the stock kernels on a GPU, timed and checked, beside what that GPU can do at most.

use crate::kernel::{self, ScheduleChoice};
use crate::lines::Lines;
use crate::progress;
use crate::rows::{RowArgs, Rows};
use crate::run::DeviceChoice;
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::codegen::Program;
use flashpage::measure::bench::{self, OURS, rate};
use flashpage::measure::check;
use flashpage::measure::results::{Ceiling, Measured};
use flashpage::measure::suite::Suite;
use flashpage::measure::workload::{Phase, Workload};
use flashpage::runtime::{Device, LaunchOptions, TimingOptions};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::time::Instant;

#[derive(Args)]
pub struct Bench {
    /// Stock kernels; all of the suite's if none is named
    kernels: Vec<String>,
    /// GPU, as in cuda:0
    #[arg(long, default_value = "cuda:0")]
    device: String,
    /// Workloads: full, quick or tiny
    #[arg(long, default_value = "full")]
    suite: Suite,
    /// Only workloads whose name holds this, as `--list` prints them: `prefill causal bf16 d128`
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    #[command(flatten)]
    schedule: ScheduleChoice,
    /// Time no copy and no matrix product: rates are then no share of anything
    #[arg(long)]
    no_ceilings: bool,
    /// Print the workloads and time nothing: with --json as bench/peers.py takes them
    #[arg(long)]
    list: bool,
    /// Run each workload once on the emulator, without a time, and check it
    #[arg(long, conflicts_with = "device")]
    dry_run: bool,
    #[command(flatten)]
    rows: RowArgs,
}

/// What a worker tells.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Row {
    Measured(Box<Measured>),
    Ceilings {
        ceilings: Vec<Ceiling>,
        /// Why there are not more.
        missing: Vec<String>,
    },
}

impl Bench {
    pub fn run(&self) -> Outcome {
        let workloads = self.workloads()?;
        if self.list {
            return list(&workloads, self.rows.json);
        }
        let device = self.open()?;
        let mut programs: Vec<Program> = Vec::new();
        for workload in &workloads {
            programs.push(kernel::program(&workload.kernel)?);
        }
        // The ceilings come first: everything else is told beside them. The emulator has none.
        let first = usize::from(!device.is_emulator() && !self.no_ceilings);
        let mut table = Table::new(self, &device, workloads.len())?;
        let rows = Rows {
            total: workloads.len() + first,
            row: |index: usize| match index.checked_sub(first) {
                None => ceilings(&device),
                Some(index) => {
                    let timing = TimingOptions::default();
                    let options =
                        LaunchOptions { tuning: self.schedule.tuning(), ..LaunchOptions::default() };
                    let measured =
                        bench::measure(&device, &programs[index], &workloads[index], &options, &timing);
                    check::Outcome { row: Row::Measured(Box::new(measured.row)), spoiled: measured.spoiled }
                }
            },
            lost: |index: usize, reason| match index.checked_sub(first) {
                None => Row::Ceilings { ceilings: Vec::new(), missing: vec![reason] },
                Some(index) => Row::Measured(Box::new(Measured {
                    error: Some(reason),
                    ..Measured::new(OURS, &workloads[index])
                })),
            },
        };
        self.rows.each(&device, rows, |row| table.add(row))?;
        if self.rows.is_worker() { Ok(()) } else { table.finish(&workloads) }
    }

    fn workloads(&self) -> Result<Vec<Workload>, Failure> {
        let mut workloads = self.suite.workloads();
        if let Some(only) = &self.only {
            workloads.retain(|workload| workload.to_string().contains(only.as_str()));
            if workloads.is_empty() {
                return Err(Failure::Usage(format!(
                    "no workload of the {} suite is called like `{only}`: `kgen bench --list` names them",
                    self.suite
                )));
            }
        }
        if self.kernels.is_empty() {
            return Ok(workloads);
        }
        for name in &self.kernels {
            if !workloads.iter().any(|workload| workload.kernel == *name) {
                let mut known: Vec<&str> = workloads.iter().map(|w| w.kernel.as_str()).collect();
                known.sort_unstable();
                known.dedup();
                return Err(Failure::Usage(format!(
                    "no workload of the {} suite runs `{name}`: there are {}",
                    self.suite,
                    known.join(", ")
                )));
            }
        }
        workloads.retain(|workload| self.kernels.contains(&workload.kernel));
        Ok(workloads)
    }

    fn open(&self) -> Result<Device, Failure> {
        if self.dry_run { Ok(Device::emulator()) } else { gpu(&self.device) }
    }
}

/// A GPU by its name; what there is instead, where there is none.
pub fn gpu(name: &str) -> Result<Device, Failure> {
    match DeviceChoice::named(name)? {
        Ok(device) if !device.is_emulator() => Ok(device),
        Ok(_) => Err(Failure::Usage(format!("the emulator has no clock. {INSTEAD}"))),
        Err(error) => Err(Failure::Usage(format!("{error}. {INSTEAD}"))),
    }
}

/// What there is where there is no GPU.
const INSTEAD: &str = "Timing needs an NVIDIA GPU and its driver.\n\
    Without one:\n  \
    kgen cost                    what the machine code costs, and the limits that follow from it\n  \
    kgen launch … --profile      what a launch does, counted on the emulator\n  \
    kgen bench --dry-run --suite tiny, or bench/gpu.sh --dry-run\n                               \
    every step of a run on the emulator, without a time\n\
    On a machine with a GPU, bench/gpu.sh does everything in one command; `kgen doctor` says what is missing here";

fn list(workloads: &[Workload], json: bool) -> Outcome {
    if json {
        println!("{}", serde_json::to_string_pretty(workloads)?);
        return Ok(());
    }
    for workload in workloads {
        println!(
            "{:<52} {:>9.1} GFLOP {:>9.1} MB  {}",
            workload.to_string(),
            workload.flops() / 1e9,
            workload.bytes() / 1e6,
            workload.kernel
        );
    }
    Ok(())
}

fn ceilings(device: &Device) -> check::Outcome<Row> {
    // Long work: fewer samples are steady enough.
    let timing = TimingOptions { samples: (5, 30), ..TimingOptions::default() };
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for ceiling in bench::ceilings(device, &timing) {
        match ceiling {
            Ok(ceiling) => found.push(ceiling),
            Err(error) => missing.push(error.to_string()),
        }
    }
    missing.dedup();
    check::Outcome { row: Row::Ceilings { ceilings: found, missing }, spoiled: false }
}

/// What is printed and kept while it goes on.
struct Table<'a> {
    bench: &'a Bench,
    lines: Lines,
    bar: indicatif::ProgressBar,
    begun: Instant,
    ceilings: Vec<Ceiling>,
    rows: Vec<Measured>,
}

impl<'a> Table<'a> {
    fn new(bench: &'a Bench, device: &Device, workloads: usize) -> Result<Table<'a>, Failure> {
        let rows = &bench.rows;
        if !rows.json && !rows.is_worker() {
            println!("on {}", device.name());
        }
        Ok(Table {
            bench,
            lines: Lines::open(rows.append.as_deref().filter(|_| !rows.is_worker()))?,
            bar: progress::bar(workloads, "bench"),
            begun: Instant::now(),
            ceilings: Vec::new(),
            rows: Vec::new(),
        })
    }

    fn add(&mut self, row: Row) -> Result<ControlFlow<()>, Failure> {
        match row {
            Row::Ceilings { ceilings, missing } => {
                for ceiling in &ceilings {
                    self.lines.push(ceiling)?;
                }
                if !self.bench.rows.json {
                    self.bar.suspend(|| print_ceilings(&ceilings, &missing));
                }
                self.ceilings = ceilings;
            }
            Row::Measured(row) => {
                self.lines.push(&*row)?;
                if !self.bench.rows.json {
                    self.bar.suspend(|| self.print(&row));
                }
                self.rows.push(*row);
                self.bar.inc(1);
            }
        }
        Ok(if self.bench.rows.is_over(self.begun) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }

    fn print(&self, row: &Measured) {
        let verdict = match (&row.error, row.right) {
            (Some(_), _) => "FAILS",
            (None, Some(false)) => "WRONG",
            (None, _) => "ok",
        };
        let workload = row.workload.to_string();
        match row.median_us {
            None => println!("{workload:<52} {:>47}  {verdict}", "not timed"),
            Some(median) => {
                let (rate, unit) = rate(&row.workload, median);
                let share = self.share(&row.workload, rate).map_or("-".to_owned(), |s| format!("{s:.0} %"));
                let spread =
                    format!("{:.1}..{:.1}", row.p10_us.unwrap_or(median), row.p90_us.unwrap_or(median));
                println!(
                    "{workload:<52} {median:>10.1} {spread:>17} {rate:>8.1} {unit:<8} {share:>6}  {verdict}"
                );
            }
        }
        if let Some(message) = row.error.as_ref().or(row.checked.as_ref().filter(|_| verdict != "ok")) {
            println!("    {message}");
        }
    }

    /// Per cent of the ceiling of the same run that speaks of this workload.
    fn share(&self, workload: &Workload, rate: f64) -> Option<f64> {
        let (name, unit) = match workload.phase {
            Phase::Decode => ("copy".to_owned(), 1e9),
            _ => (format!("matmul-{}", workload.dtype), 1e12),
        };
        let ceiling = self.ceilings.iter().find(|ceiling| ceiling.ceiling == name)?;
        Some(100.0 * rate * unit / ceiling.per_second)
    }

    fn finish(mut self, workloads: &[Workload]) -> Outcome {
        self.bar.finish_and_clear();
        for workload in &workloads[self.rows.len().min(workloads.len())..] {
            let seconds = self.bench.rows.seconds.unwrap_or(0);
            let skipped = Some(format!("out of time: {seconds} s had passed"));
            let row = Measured { skipped, ..Measured::new(OURS, workload) };
            self.lines.push(&row)?;
            self.rows.push(row);
        }
        let bad = self.rows.iter().filter(|row| row.error.is_some() || row.right == Some(false)).count();
        let skipped = self.rows.iter().filter(|row| row.skipped.is_some()).count();
        if self.bench.rows.json {
            println!("{}", serde_json::to_string_pretty(&self.rows)?);
        } else {
            let good = self.rows.len() - bad - skipped;
            println!(
                "{good} of {} ran and are right{}",
                self.rows.len(),
                match skipped {
                    0 => String::new(),
                    n => format!("; {n} were not begun in time"),
                }
            );
        }
        if bad == 0 { Ok(()) } else { Err(Failure::Check) }
    }
}

fn print_ceilings(ceilings: &[Ceiling], missing: &[String]) {
    for ceiling in ceilings {
        let (value, unit) = match ceiling.ceiling.as_str() {
            "copy" => (ceiling.per_second / 1e9, "GB/s"),
            _ => (ceiling.per_second / 1e12, "TFLOP/s"),
        };
        println!("ceiling {:<44} {value:>8.1} {unit:<8} {}", ceiling.ceiling, ceiling.how);
    }
    for message in missing {
        println!("no ceiling: {message}");
    }
    println!(
        "{:<52} {:>10} {:>17} {:>8} {:<8} {:>6}  result",
        "workload", "median µs", "p10..p90", "rate", "", "share"
    );
}
