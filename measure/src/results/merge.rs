//! A run as one document, `results.json`: what was read, with the figures that follow from it, in a stable order.
//!
//! A row counts as timed only if it is not known to be wrong. Where an implementation did a workload twice, as after a
//! run that was taken up again, the last line counts.

use super::comparison::{Comparison, Tally, compare};
use super::read::{Place, Run};
use super::{Ceiling, Checked, Machine, Measured, Parity, Step};
use crate::bench::OURS;
use crate::experiments::Tried;
use crate::workload::{Mask, Phase, Workload};
use serde::Serialize;

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has a time, and its result is not known to be wrong.
    Timed,
    /// It ran and has no time, as in an emulated run.
    Untimed,
    /// Its result is wrong; a time that it has does not count.
    Wrong,
    /// It did not run to its end.
    Failed,
    /// It was not to run here.
    Skipped,
}

/// One workload by one implementation, with what follows from it.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The workload's id.
    pub id: String,
    /// What became of it.
    pub status: Status,
    /// The row as it was written.
    #[serde(flatten)]
    pub measured: Measured,
    /// Operations, by [`workload`](crate::workload)'s convention.
    pub flops: f64,
    /// Bytes that must move at the least.
    pub bytes: f64,
    /// 10¹² operations a second.
    pub tflops: Option<f64>,
    /// 10⁹ bytes a second.
    pub gb_per_s: Option<f64>,
    /// The ceiling that holds for it: `copy` for decode, else `matmul-` and the element type.
    pub ceiling: String,
    /// Its share of that ceiling's highest measurement in this run, where there is one.
    pub share_of_ceiling: Option<f64>,
    /// The best peer's median time over this row's: above 1 it is faster than the best peer.
    pub speed_vs_best_peer: Option<f64>,
}

impl Row {
    /// The figure that its phase is judged by: GB/s for decode, else TFLOP/s.
    pub fn speed(&self) -> Option<f64> {
        if self.measured.workload.phase == Phase::Decode { self.gb_per_s } else { self.tflops }
    }

    /// The workload, whoever's kernel computed it: what rows are compared under.
    pub fn batch(&self) -> Workload {
        batch(&self.measured)
    }
}

/// `results.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// Of this document.
    pub schema: u32,
    /// Where the run was made, if that was recorded.
    pub machine: Option<Machine>,
    /// Files that are not there: their steps were not run.
    pub missing: Vec<&'static str>,
    /// Last lines that were cut off and kept out, as `bench.jsonl:12`.
    pub cut_off: Vec<String>,
    /// Lines that a later one of the same implementation and workload took the place of.
    pub superseded: Vec<String>,
    /// How the comparisons ended.
    pub tally: Tally,
    /// What the device did at most.
    pub ceilings: Vec<Ceiling>,
    /// Each workload, ours beside the peers.
    pub comparisons: Vec<Comparison>,
    /// Each implementation's figures.
    pub rows: Vec<Row>,
    /// The catalogue against f64, if it was run.
    pub check: Option<Vec<Checked>>,
    /// The device beside the emulator, if it was run.
    pub parity: Option<Vec<Parity>>,
    /// Choices of a schedule beside each other, as far as they were tried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub experiments: Vec<Tried>,
    /// How the steps ended, if that was recorded.
    pub steps: Option<Vec<Step>>,
    /// Ids in `causes.json` of which nothing loses.
    pub needless_causes: Vec<String>,
}

impl Results {
    /// Merges a run.
    pub fn of(run: &Run) -> Results {
        let (kept, superseded) = last_of_each(&run.measured);
        let ceilings: Vec<Ceiling> = run.ceilings.iter().map(|(_, ceiling)| ceiling.clone()).collect();
        let mut rows: Vec<Row> = kept.into_iter().map(|measured| derive(measured, &ceilings)).collect();
        rows.sort_by_cached_key(|row| (order(row), row.measured.who != OURS, row.measured.who.clone()));
        let comparisons = compare(&mut rows, &run.causes);
        let loses = |id: &&String| comparisons.iter().any(|c| c.loses() && &c.id == *id);
        Results {
            schema: 1,
            machine: run.machine.clone(),
            missing: run.missing.clone(),
            cut_off: run.cut_off.iter().map(Place::to_string).collect(),
            superseded,
            tally: Tally::of(&comparisons),
            ceilings,
            needless_causes: run.causes.keys().filter(|id| !loses(id)).cloned().collect(),
            comparisons,
            rows,
            check: run.check.clone(),
            parity: run.parity.clone(),
            experiments: run.experiments.iter().map(|(_, tried)| tried.clone()).collect(),
            steps: run.steps.clone(),
        }
    }

    /// The rows of a comparison.
    pub fn rows_of(&self, comparison: &Comparison) -> &[Row] {
        self.rows.get(comparison.rows.clone()).unwrap_or_default()
    }

    /// Whether nothing ran on hardware.
    pub fn emulated(&self) -> bool {
        self.machine.as_ref().is_some_and(|machine| machine.emulated)
    }

    /// The implementations, ours first.
    pub fn implementations(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.rows.iter().map(|row| row.measured.who.as_str()).collect();
        names.sort_by_key(|name| (*name != OURS, *name));
        names.dedup();
        names
    }

    /// The highest measurement of a ceiling.
    pub fn ceiling(&self, name: &str) -> Option<f64> {
        highest(&self.ceilings, name)
    }

    /// What the run's folder is best called: `2026-11-24-h200-4374516`; `None` where the machine is not known.
    pub fn name(&self) -> Option<String> {
        let machine = self.machine.as_ref()?;
        let lower = machine.gpu.to_lowercase();
        let words: Vec<&str> =
            lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let model = words.iter().find(|word| word.contains(|c: char| c.is_ascii_digit()));
        let gpu = model.map_or_else(|| words.join("-"), |model| (*model).to_owned());
        // It is a folder's: no more than words.
        let start = |text: &str, most: usize| -> String {
            text.chars().take(most).take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
        };
        let (date, short) = (start(&machine.date, 10), start(&machine.commit, 7));
        let dirty = if machine.commit.ends_with("-dirty") { "-dirty" } else { "" };
        if [date.is_empty(), gpu.is_empty(), short.is_empty()].contains(&true) {
            return None;
        }
        Some(format!("{date}-{gpu}-{short}{dirty}"))
    }

    /// The document.
    ///
    /// # Errors
    ///
    /// None that a run read from a folder can cause.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

/// The last line of each implementation and workload; and the places of the others.
fn last_of_each(measured: &[(Place, Measured)]) -> (Vec<Measured>, Vec<String>) {
    let (mut kept, mut superseded) = (Vec::new(), Vec::new());
    for (index, (place, row)) in measured.iter().enumerate() {
        let same = |later: &Measured| later.who == row.who && batch(later) == batch(row);
        if measured[index + 1..].iter().any(|(_, later)| same(later)) {
            superseded.push(place.to_string());
        } else {
            kept.push(row.clone());
        }
    }
    (kept, superseded)
}

fn batch(measured: &Measured) -> Workload {
    Workload { kernel: String::new(), ..measured.workload.clone() }
}

fn highest(ceilings: &[Ceiling], name: &str) -> Option<f64> {
    ceilings.iter().filter(|c| c.ceiling == name).map(|c| c.per_second).max_by(f64::total_cmp)
}

fn derive(measured: Measured, ceilings: &[Ceiling]) -> Row {
    let workload = &measured.workload;
    let status = match &measured {
        Measured { skipped: Some(_), .. } => Status::Skipped,
        Measured { error: Some(_), .. } => Status::Failed,
        Measured { right: Some(false), .. } => Status::Wrong,
        Measured { median_us: None, .. } => Status::Untimed,
        _ => Status::Timed,
    };
    let seconds = measured.median_us.filter(|_| status == Status::Timed).map(|us| us * 1e-6);
    let (flops, bytes) = (workload.flops(), workload.bytes());
    let (ceiling, amount) = match workload.phase {
        Phase::Decode => ("copy".to_owned(), bytes),
        Phase::Prefill | Phase::Append => (format!("matmul-{}", workload.dtype), flops),
    };
    let most = highest(ceilings, &ceiling);
    Row {
        id: workload.to_string(),
        status,
        flops,
        bytes,
        tflops: seconds.map(|seconds| flops / seconds / 1e12),
        gb_per_s: seconds.map(|seconds| bytes / seconds / 1e9),
        share_of_ceiling: seconds.zip(most).map(|(seconds, most)| amount / seconds / most),
        ceiling,
        speed_vs_best_peer: None,
        measured,
    }
}

/// Rows of a workload lie together, and workloads run from short to long in every series.
fn order(row: &Row) -> impl Ord + use<> {
    let w = &row.measured.workload;
    let what = (w.phase, w.mask == Mask::Causal, w.dtype.clone(), w.head_dim, w.heads, w.kv_heads);
    let variant = (w.block_size, w.window, w.softcap, w.alibi, !w.is_even());
    (what, variant, w.longest(), w.q_len, w.batch(), w.kv_lens.clone())
}
