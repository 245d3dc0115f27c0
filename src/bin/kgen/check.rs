//! `kgen check`: kernels against the f64 reference over the suite of shapes, as a table.

use crate::kernel;
use crate::progress;
use crate::run::DeviceChoice;
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::codegen::ShapeClass;
use flashpage::kernels;
use flashpage::runtime::LaunchOptions;
use flashpage::runtime::check::Verdict;
use flashpage::runtime::equivalence::{self, Equivalence, EquivalenceError};
use flashpage::runtime::problem::Problem;
use serde_json::json;

#[derive(Args)]
pub struct Check {
    /// Stock kernels, FILE.rs or FILE.rs:function; the whole catalogue if none is named
    kernels: Vec<String>,
    #[command(flatten)]
    device: DeviceChoice,
    /// Shape class instead of the one each batch calls for: prefill, append or decode
    #[arg(long)]
    shape: Option<ShapeClass>,
    /// One JSON array
    #[arg(long)]
    json: bool,
}

/// One problem of one kernel.
struct Row {
    kernel: String,
    batch: String,
    problem: Problem,
    result: Result<Equivalence, EquivalenceError>,
}

impl Check {
    pub fn run(&self) -> Outcome {
        let device = self.device.open()?;
        let names: Vec<String> = match self.kernels.is_empty() {
            true => kernels::catalogue().iter().map(|stock| stock.name.to_owned()).collect(),
            false => self.kernels.clone(),
        };
        let mut work = Vec::new();
        for name in &names {
            let program = kernel::program(name)?;
            work.extend(
                equivalence::suite(&program).into_iter().map(|(batch, p)| (program.clone(), batch, p)),
            );
        }
        let options = LaunchOptions { shape: self.shape, ..LaunchOptions::default() };
        if !self.json {
            println!("on {}", device.name());
            println!(
                "{:<26} {:<24} {:<5} {:>4} {:>6} {:<8} {:>10} {:>10}  verdict",
                "kernel", "batch", "dtype", "dim", "block", "shape", "error", "allowed"
            );
        }
        let bar = progress::bar(work.len(), "check");
        let mut rows = Vec::new();
        for (program, batch, problem) in work {
            let result = equivalence::run(&device, &program, &problem, &options);
            let row = Row { kernel: program.name.clone(), batch, problem, result };
            if !self.json {
                bar.suspend(|| row.print());
            }
            rows.push(row);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let passed = rows.iter().filter(|row| row.passed()).count();
        if self.json {
            println!("{:#}", json!(rows.iter().map(Row::json).collect::<Vec<_>>()));
        } else {
            println!("{passed} of {} hold", rows.len());
        }
        if passed == rows.len() { Ok(()) } else { Err(Failure::Check) }
    }
}

impl Row {
    fn passed(&self) -> bool {
        self.result.as_ref().is_ok_and(Equivalence::passed)
    }

    /// The verdict with the largest share of its allowance.
    fn worst(&self) -> Option<&(String, Verdict)> {
        let share = |verdict: &Verdict| match &verdict.worst {
            _ if !verdict.passed => f64::INFINITY,
            Some(worst) if worst.allowed > 0.0 => worst.error / worst.allowed,
            _ => 0.0,
        };
        let verdicts = &self.result.as_ref().ok()?.verdicts;
        verdicts.iter().max_by(|(_, a), (_, b)| share(a).total_cmp(&share(b)))
    }

    fn print(&self) {
        let p = &self.problem;
        let worst = self.worst().and_then(|(_, verdict)| verdict.worst.as_ref());
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2e}"));
        let (shape, block) = match &self.result {
            Ok(Equivalence { report, .. }) => (
                report.spec.shape.to_string(),
                report.spec.block_size.map_or("-".to_owned(), |size| size.to_string()),
            ),
            Err(_) => ("-".to_owned(), "-".to_owned()),
        };
        println!(
            "{:<26} {:<24} {:<5} {:>4} {block:>6} {shape:<8} {:>10} {:>10}  {}",
            self.kernel,
            self.batch,
            p.dtype.as_str(),
            p.head_dim,
            number(worst.map(|w| w.error)),
            number(worst.map(|w| w.allowed)),
            if self.passed() { "ok" } else { "FAILS" }
        );
        match &self.result {
            Err(error) => println!("    {error}"),
            Ok(result) => {
                for (output, verdict) in result.verdicts.iter().filter(|(_, verdict)| !verdict.passed) {
                    println!("    {output}: {verdict}");
                }
            }
        }
        if !self.passed() {
            println!("    again: kgen case {} {} -o d && kgen launch d/launch.json", self.kernel, p);
        }
    }

    fn json(&self) -> serde_json::Value {
        let outputs: Vec<_> = match &self.result {
            Err(_) => Vec::new(),
            Ok(result) => result
                .verdicts
                .iter()
                .map(|(name, v)| {
                    json!({
                        "output": name, "passed": v.passed, "failure": v.failure,
                        "error": v.worst.as_ref().map(|w| w.error), "allowed": v.worst.as_ref().map(|w| w.allowed),
                        "cosine_distance": v.cosine_distance, "relative_l2": v.relative_l2,
                    })
                })
                .collect(),
        };
        json!({
            "kernel": self.kernel, "batch": self.batch, "problem": self.problem.to_string(),
            "passed": self.passed(), "outputs": outputs,
            "message": self.result.as_ref().err().map(ToString::to_string),
        })
    }
}
