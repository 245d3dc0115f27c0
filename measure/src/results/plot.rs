//! Which plots a run has, and what is on them: prefill by sequence length, decode by batch, a line for each
//! implementation. How they are drawn is [`svg`](super::svg)'s.
//!
//! An emulated run has no times: its plots show the operations and bytes that were counted, under the same names,
//! axes and legends, and say so.

use super::merge::{Results, Row, Status};
use crate::bench::OURS;
use crate::workload::Phase;
use std::collections::{BTreeMap, BTreeSet};

/// A plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// Its file's name: `prefill-causal-bf16-d128-h16-16.svg`.
    pub file: String,
    /// What all of it has in common, and whether it was emulated.
    pub title: String,
    /// What is shown, where and when.
    pub subtitle: String,
    /// What x is.
    pub x: &'static str,
    /// What y is, with its unit.
    pub y: &'static str,
    /// A line for each implementation, ours first.
    pub lines: Vec<Line>,
    /// A measured ceiling: its name, and its height.
    pub ceiling: Option<(String, f64)>,
}

/// An implementation's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Whose.
    pub who: String,
    /// Which of the run's implementations it is, ours being 0: the same in all plots of a run.
    pub number: usize,
    /// From left to right.
    pub points: Vec<(usize, f64)>,
}

/// What the points of a plot have in common: a workload's id without what x is, and without what goes with it, as in
/// `prefill causal bf16 d128 h16/16`. `None` where there is no plot of its phase.
pub(super) fn series(row: &Row) -> Option<String> {
    const BATCH: usize = 5;
    const LENGTH: usize = 6;
    let left_out: &[usize] = match row.measured.workload.phase {
        Phase::Prefill => &[BATCH, LENGTH],
        Phase::Decode => &[BATCH],
        Phase::Append => return None,
    };
    let words = row.id.split(' ').enumerate().filter(|(place, _)| !left_out.contains(place));
    Some(words.map(|(_, word)| word).collect::<Vec<_>>().join(" "))
}

/// The plots of a run, in the order of its rows. One that would have a single x is left to the tables.
pub fn plots(results: &Results) -> Vec<Plot> {
    let mut plotted: Vec<(String, Vec<&Row>)> = Vec::new();
    for row in &results.rows {
        let Some(series) = series(row) else { continue };
        match plotted.iter_mut().find(|(other, _)| *other == series) {
            Some((_, rows)) => rows.push(row),
            None => plotted.push((series, vec![row])),
        }
    }
    let plots = plotted.into_iter().filter_map(|(series, rows)| {
        let phase = rows.first()?.measured.workload.phase;
        Some(plot(results, &series, phase, &rows))
    });
    let xs = |plot: &Plot| {
        let points = plot.lines.iter().flat_map(|line| &line.points);
        points.map(|(x, _)| *x).collect::<BTreeSet<usize>>()
    };
    plots.filter(|plot| xs(plot).len() > 1).collect()
}

fn plot(results: &Results, common: &str, phase: Phase, rows: &[&Row]) -> Plot {
    let decode = phase == Phase::Decode;
    let emulated = results.emulated();
    let (x, y) = match (decode, emulated) {
        (false, false) => ("sequence length", "TFLOP/s"),
        (true, false) => ("batch", "GB/s"),
        (false, true) => ("sequence length", "work, GFLOP"),
        (true, true) => ("batch", "least traffic, MB"),
    };
    let implementations = results.implementations();
    let peers: Vec<&str> = implementations.iter().copied().filter(|who| *who != OURS).collect();
    let lines = implementations.iter().filter_map(|&who| {
        let number = peers.iter().position(|peer| *peer == who).map_or(0, |peer| peer + 1);
        let points = points(rows, who, emulated);
        (!points.is_empty()).then(|| Line { who: who.to_owned(), number, points })
    });
    let measured = results.ceiling("copy").filter(|_| decode && !emulated);
    Plot {
        file: format!("{}.svg", common.replace([' ', '/'], "-")),
        title: if emulated { format!("{common} (emulated: no timings)") } else { common.to_owned() },
        subtitle: format!("{y} by {x}; {}", place(results)),
        x,
        y,
        lines: lines.collect(),
        ceiling: measured.map(|per_second| ("copy, measured".to_owned(), per_second / 1e9)),
    }
}

fn place(results: &Results) -> String {
    let Some(machine) = &results.machine else { return "on a machine that was not recorded".to_owned() };
    let date: String = machine.date.chars().take(10).collect();
    let short: String = machine.commit.chars().take(7).collect();
    format!("{}, {date}, commit {short}", machine.gpu)
}

/// An implementation's points. Where a length was run in several batches all lines show the largest.
fn points(rows: &[&Row], who: &str, emulated: bool) -> Vec<(usize, f64)> {
    let x = |row: &Row| match row.measured.workload.phase {
        Phase::Decode => row.measured.workload.batch(),
        Phase::Prefill | Phase::Append => row.measured.workload.longest(),
    };
    let mut largest: BTreeMap<usize, usize> = BTreeMap::new();
    for row in rows {
        let batch = largest.entry(x(row)).or_default();
        *batch = (*batch).max(row.measured.workload.batch());
    }
    let shown = |row: &&&Row| largest.get(&x(row)) == Some(&row.measured.workload.batch());
    let value = |row: &Row| match (emulated, row.measured.workload.phase) {
        (false, _) => row.speed(),
        (true, _) if row.status != Status::Untimed => None,
        (true, Phase::Decode) => Some(row.bytes / 1e6),
        (true, _) => Some(row.flops / 1e9),
    };
    let own = rows.iter().filter(|row| row.measured.who == who).filter(shown);
    let points: BTreeMap<usize, f64> = own.filter_map(|row| Some((x(row), value(row)?))).collect();
    points.into_iter().collect()
}
