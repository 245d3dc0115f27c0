//! The tables of `report.md`: each workload, ours beside every peer.

use super::comparison::{Comparison, Standing};
use super::merge::{Results, Row, Status};
use crate::bench::OURS;
use crate::workload::Phase;
use std::fmt::Write;

/// A Markdown table.
pub struct Table {
    text: String,
}

impl Table {
    /// A table with these columns; those that end in `:` hold numbers.
    pub fn new<S: AsRef<str>>(columns: &[S]) -> Table {
        let mut table = Table { text: String::new() };
        let names: Vec<&str> = columns.iter().map(|column| column.as_ref().trim_end_matches(':')).collect();
        table.row(&names);
        for column in columns {
            table.text += if column.as_ref().ends_with(':') { "|--:" } else { "|---" };
        }
        table.text += "|\n";
        table
    }

    /// One more row.
    pub fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        for cell in cells {
            // What a step said may hold anything.
            let text = cell.as_ref().replace('|', "\\|").replace(['\n', '\r'], " ");
            let _ = write!(self.text, "| {} ", text.trim());
        }
        self.text += "|\n";
    }

    /// The table as Markdown.
    pub fn finish(self) -> String {
        self.text
    }
}

/// Workloads of one phase, ours beside the peers; `None` where there are none.
pub fn of_phase(results: &Results, phase: Phase) -> Option<String> {
    let groups: Vec<(&Comparison, &[Row])> = results
        .comparisons
        .iter()
        .map(|comparison| (comparison, results.rows_of(comparison)))
        .filter(|(_, rows)| rows.iter().any(|row| row.measured.workload.phase == phase))
        .collect();
    if groups.is_empty() {
        return None;
    }
    let present = |who: &&str| groups.iter().flat_map(|(_, rows)| *rows).any(|row| row.measured.who == *who);
    let peers: Vec<&str> =
        results.implementations().into_iter().filter(|who| *who != OURS).filter(present).collect();
    Some(if results.emulated() { counted(&groups, &peers) } else { timed(&groups, &peers) })
}

fn timed(groups: &[(&Comparison, &[Row])], peers: &[&str]) -> String {
    let mut columns = vec!["workload".to_owned(), format!("**{OURS}**:")];
    columns.push("its µs (p10 to p90):".to_owned());
    columns.extend(peers.iter().map(|peer| format!("{peer}:")));
    columns.extend(["best peer", "ratio:", "ours is"].map(str::to_owned));
    let mut table = Table::new(&columns);
    for (comparison, rows) in groups {
        let mut cells = vec![comparison.id.clone()];
        let ours = of(rows, OURS);
        cells.push(format!("**{}**", ours.map_or("-".to_owned(), speed)));
        cells.push(ours.map_or("-".to_owned(), spread));
        cells.extend(peers.iter().map(|peer| of(rows, peer).map_or("-".to_owned(), speed)));
        cells.push(comparison.best_peer.clone().unwrap_or_else(|| "-".to_owned()));
        cells.push(comparison.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")));
        cells.push(standing(comparison).to_owned());
        table.row(&cells);
    }
    table.finish()
}

fn counted(groups: &[(&Comparison, &[Row])], peers: &[&str]) -> String {
    let mut columns = vec!["workload".to_owned(), "GFLOP:".to_owned(), "MB:".to_owned(), OURS.to_owned()];
    columns.extend(peers.iter().map(|peer| (*peer).to_owned()));
    let mut table = Table::new(&columns);
    for (comparison, rows) in groups {
        let Some(first) = rows.first() else { continue };
        let mut cells = vec![comparison.id.clone()];
        cells.push(format!("{:.3}", first.flops / 1e9));
        cells.push(format!("{:.3}", first.bytes / 1e6));
        let ran = |who: &str| of(rows, who).map_or("-".to_owned(), |row| ran(row).to_owned());
        cells.push(ran(OURS));
        cells.extend(peers.iter().map(|peer| ran(peer)));
        table.row(&cells);
    }
    table.finish()
}

fn of<'a>(rows: &'a [Row], who: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.measured.who == who)
}

/// `312.4 (41 %)`: its speed and the share of the ceiling; or why there is none.
fn speed(row: &Row) -> String {
    let Some(speed) = row.speed() else { return ran(row).to_owned() };
    let share = row.share_of_ceiling.map_or(String::new(), |share| format!(" ({:.0} %)", share * 100.0));
    format!("{speed:.1}{share}")
}

fn spread(row: &Row) -> String {
    match (
        row.measured.median_us.filter(|_| row.status == Status::Timed),
        row.measured.p10_us,
        row.measured.p90_us,
    ) {
        (Some(median), Some(p10), Some(p90)) => format!("{median:.1} ({p10:.1} to {p90:.1})"),
        (Some(median), ..) => format!("{median:.1}"),
        (None, ..) => "-".to_owned(),
    }
}

fn ran(row: &Row) -> &'static str {
    match (row.status, row.measured.right) {
        (Status::Skipped, _) => "skipped",
        (Status::Failed, _) => "failed",
        (Status::Wrong, _) => "wrong",
        (_, Some(true)) => "right",
        (_, _) => "ran",
    }
}

fn standing(comparison: &Comparison) -> &'static str {
    match comparison.standing {
        Some(Standing::Faster) => "faster",
        Some(Standing::Level) => "level",
        Some(Standing::Slower) => "**slower**",
        Some(Standing::NoPeer) => "alone",
        Some(Standing::NotOurs) => "not there",
        None => "-",
    }
}
