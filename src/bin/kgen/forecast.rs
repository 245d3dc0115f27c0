//! `kgen cost --predict`: how long workloads should take at the least, beside what a run on hardware measured.

use crate::cost::{KernelCost, usual_gpu};
use crate::kernel;
use crate::progress;
use crate::table::Style;
use crate::{Failure, Outcome};
use flashpage::measure::bench::{OURS, rate};
use flashpage::measure::cost::{Cost, Tools};
use flashpage::measure::gpu::Gpu;
use flashpage::measure::parallel;
use flashpage::measure::predict::Prediction;
use flashpage::measure::results::Measured;
use flashpage::measure::results::read::Run;
use flashpage::measure::suite::Suite;
use flashpage::measure::workload::Workload;
use serde_json::json;
use std::path::Path;

impl KernelCost {
    /// How long workloads should take at the least, beside what they took where a run says so.
    pub fn forecast(&self, tools: &Tools, suite: Suite) -> Outcome {
        let run = self.results.as_deref().map(newest_run).transpose()?.flatten();
        let measured_on = run.as_ref().and_then(|run| Gpu::named(&run.machine.as_ref()?.gpu));
        let gpu = self.gpu.or(measured_on).unwrap_or(usual_gpu(self.arch));
        let workloads: Vec<Workload> = suite
            .workloads()
            .into_iter()
            .filter(|workload| self.kernels.is_empty() || self.kernels.contains(&workload.kernel))
            .collect();
        let bar = progress::bar(workloads.len(), "cost");
        let rows = parallel::map(&workloads, |workload| -> Result<Option<Prediction>, Failure> {
            let cost =
                Cost::of_workload(tools, &kernel::program(&workload.kernel)?, workload, self.arch, &gpu)?;
            bar.inc(1);
            Ok(cost.predict(workload, &gpu))
        });
        bar.finish_and_clear();
        let took = |workload: &Workload| {
            let ours =
                |row: &&Measured| row.who == OURS && row.workload == *workload && row.right != Some(false);
            run.as_ref()?.measured.iter().map(|(_, row)| row).filter(ours).find_map(|row| row.median_us)
        };
        let mut cells = Vec::new();
        let mut documents = Vec::new();
        for (workload, prediction) in workloads.iter().zip(rows) {
            let Some(prediction) = prediction? else { continue };
            let predicted = prediction.seconds * 1e6;
            let (rate_of, unit) = rate(workload, predicted);
            let took = took(workload);
            documents.push(json!({
                "workload": workload, "gpu": gpu.name(), "predicted_us": predicted, "bound": prediction.bound,
                "dram_bytes": prediction.dram_bytes, "least_bytes": workload.bytes(), "waves": prediction.waves,
                "measured_us": took,
            }));
            cells.push(vec![
                workload.to_string(),
                format!("{predicted:.1}"),
                format!("{rate_of:.0} {unit}"),
                prediction.bound.to_owned(),
                format!("{:.2}", prediction.dram_bytes / workload.bytes()),
                format!("{:.2}", prediction.waves),
                took.map_or("-".to_owned(), |took| format!("{took:.1}")),
                took.map_or("-".to_owned(), |took| format!("{:.2}", predicted / took)),
            ]);
        }
        if self.json {
            println!("{:#}", json!(documents));
            return Ok(());
        }
        let style = Style::of(self.markdown);
        println!("{}The least time on one {} ({}), by what bounds it", style.title(), gpu.name(), self.arch);
        println!();
        let heads = [
            "workload",
            "predicted µs",
            "at most",
            "bound by",
            "bytes",
            "waves",
            "measured µs",
            "of it predicted",
        ];
        style.print(&heads, cells.into_iter());
        println!();
        println!("bytes: what memory moves over the least, by the model of the L2 cache (prefill).");
        match &run {
            Some(run) => {
                let machine = run.machine.clone().unwrap_or_default();
                println!("measured on {}, {}, commit {}", machine.gpu, machine.date, machine.commit);
            }
            None => println!("No results of a GPU to hold this against: bench/gpu.sh makes them."),
        }
        Ok(())
    }
}

/// The run in this folder, or the newest on hardware of those in its folders; none if there is none.
fn newest_run(folder: &Path) -> Result<Option<Run>, Failure> {
    let read = |folder: &Path| Run::read(folder).map_err(|error| Failure::Usage(error.to_string()));
    if Run::lies_in(folder) {
        return read(folder).map(Some);
    }
    let fail = |error: std::io::Error| Failure::Usage(format!("{}: {error}", folder.display()));
    let mut newest: Option<Run> = None;
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if !Run::lies_in(&path) {
            continue;
        }
        let run = read(&path)?;
        let date = |run: &Run| run.machine.as_ref().filter(|m| !m.emulated).map(|m| m.date.clone());
        if date(&run).is_some() && newest.as_ref().is_none_or(|newest| date(newest) < date(&run)) {
            newest = Some(run);
        }
    }
    Ok(newest)
}
