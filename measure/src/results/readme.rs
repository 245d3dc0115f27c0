//! The results in the project's `README.md`: a table of the newest run on hardware, between two marks.

use super::comparison::Comparison;
use super::markdown::verdict;
use super::merge::{Results, Row, Status};
use super::plot;
use super::table::Table;
use crate::bench::OURS;
use crate::workload::Phase;
use thiserror::Error;

/// Where the results begin.
pub const BEGIN: &str = "<!-- results: made by kgen report -->";
/// Where they end.
pub const END: &str = "<!-- /results -->";

const NONE: &str = "\
No results of a GPU are recorded yet. On a machine with one, `bench/gpu.sh` checks, times and reports everything within
ten minutes; [`bench/results`](bench/results/README.md) says how a run is kept.";

/// The marks are not there.
#[derive(Debug, Error)]
#[error("it has no place for the results: add these two lines where they are to be\n{BEGIN}\n{END}")]
pub struct NoMarks;

/// A README with the results in their place.
///
/// # Errors
///
/// Where the marks are not there, or not in their order.
pub fn with_results(readme: &str, block: &str) -> Result<String, NoMarks> {
    let (before, rest) = readme.split_once(BEGIN).ok_or(NoMarks)?;
    let (_, after) = rest.split_once(END).ok_or(NoMarks)?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", block.trim_end()))
}

/// The newest run on hardware, by its date and then its folder.
pub fn newest(runs: &[(String, Results)]) -> Option<&(String, Results)> {
    let hardware =
        |results: &Results| results.machine.as_ref().is_some_and(|m| !m.emulated && !m.date.is_empty());
    let date = |results: &Results| results.machine.as_ref().map(|m| m.date.clone());
    let runs = runs.iter().filter(|(_, results)| hardware(results));
    runs.max_by(|(a, x), (b, y)| (date(x), a).cmp(&(date(y), b)))
}

/// What stands between the marks, for a run in this folder; for none, that there is none.
pub fn block(run: Option<&(String, Results)>) -> String {
    let Some((folder, results)) = run else {
        return NONE.to_owned();
    };
    let mut text = String::new();
    if let Some(m) = &results.machine {
        let date: String = m.date.chars().take(10).collect();
        text += &format!("On {}, driver {}, {date}, commit {}", m.gpu, m.driver, m.commit);
    }
    text += &format!(" ([all of it]({folder}/report.md)):\n\n");
    for line in verdict(results) {
        text += &format!("- {line}\n");
    }
    let rows = ends_of_plots(results);
    if rows.is_empty() {
        return text;
    }
    text += "\nThe right ends of the report's plots; it has every workload, and the causes of what is slower:\n\n";
    let mut table =
        Table::new(&["workload", "flashpage:", "share of ceiling:", "best peer", "its:", "ratio:"]);
    for comparison in rows {
        let of = |who: &str| timed(results, comparison, who);
        let best = comparison.best_peer.as_deref();
        let speed = |row: Option<&Row>| row.and_then(|row| Some((row.speed()?, unit(row))));
        let speed = |row| speed(row).map_or("-".to_owned(), |(speed, unit)| format!("{speed:.1} {unit}"));
        let share = of(OURS).and_then(|row| row.share_of_ceiling);
        table.row(&[
            comparison.id.clone(),
            speed(of(OURS)),
            share.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0)),
            best.unwrap_or("-").to_owned(),
            speed(best.and_then(of)),
            comparison.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
        ]);
    }
    text + &table.finish()
}

fn timed<'a>(results: &'a Results, comparison: &Comparison, who: &str) -> Option<&'a Row> {
    let mut rows = results.rows_of(comparison).iter();
    rows.find(|row| row.measured.who == who && row.status == Status::Timed)
}

fn unit(row: &Row) -> &'static str {
    if row.measured.workload.phase == Phase::Decode { "GB/s" } else { "TFLOP/s" }
}

/// The last workload that somebody has a time for, of each series of several: they run from short to long.
fn ends_of_plots(results: &Results) -> Vec<&Comparison> {
    let mut last: Vec<(String, &Comparison, usize)> = Vec::new();
    for comparison in results.comparisons.iter().filter(|comparison| comparison.standing.is_some()) {
        let Some(series) = results.rows_of(comparison).first().and_then(plot::series) else { continue };
        match last.iter_mut().find(|(other, ..)| *other == series) {
            Some((_, end, count)) => (*end, *count) = (comparison, *count + 1),
            None => last.push((series, comparison, 1)),
        }
    }
    last.into_iter().filter(|(.., count)| *count > 1).map(|(_, end, _)| end).collect()
}
