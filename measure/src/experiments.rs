//! What only a GPU can settle of the schedules for Hopper: each choice of a kind beside the others, on the same machine,
//! within minutes.
//!
//! Three choices were made by a model or by a single run: whether exponentials are held before the wait for products
//! ([`Overlap`]), when a warpgroup passes its turn ([`PassTurn`]), and the tile of head_dim 64. All of them together are one
//! table: a row for each pair of the first two, a column for each workload and tile.

use crate::results::Measured;
use crate::suite::{self, Suite};
use crate::workload::{Mask, Workload};
use flashpage_codegen::schedule::{Overlap, PassTurn, Tuning};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// One cell of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// What is computed.
    pub workload: Workload,
    /// What of the schedule is said.
    pub tuning: Tuning,
}

/// What came of a [`Trial`].
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Tried {
    /// The arguments of `kgen` that choose the schedule.
    pub schedule: String,
    /// Time and check.
    pub measured: Measured,
}

/// The first two choices; what the table of schedules has comes first.
const ROWS: [(Overlap, PassTurn); 4] = [
    (Overlap::Free, PassTurn::Issued),
    (Overlap::Free, PassTurn::Scored),
    (Overlap::Pinned, PassTurn::Issued),
    (Overlap::Pinned, PassTurn::Scored),
];

/// Masks and tiles: of head_dim 128, then of head_dim 64, where three consumers stand against two.
const COLUMNS: [(usize, Mask, (usize, usize)); 7] = [
    (128, Mask::Causal, (128, 128)),
    (128, Mask::Full, (128, 128)),
    (64, Mask::Causal, (192, 128)),
    (64, Mask::Causal, (128, 128)),
    (64, Mask::Full, (192, 128)),
    (64, Mask::Full, (128, 128)),
    (64, Mask::Full, (128, 192)),
];

/// What the cell of a row and a column says of the schedule.
fn tuning((overlap, pass): (Overlap, PassTurn), tile: (usize, usize)) -> Tuning {
    Tuning { tile: Some(tile), overlap: Some(overlap), pass: Some(pass), ..Tuning::default() }
}

/// All cells, row by row, so that a run that is cut short has whole rows. `suite` says how large the workloads are.
pub fn trials(suite: Suite) -> Vec<Trial> {
    let cell = |row, (head_dim, mask, tile)| Trial {
        workload: suite::experiment(suite, head_dim, mask),
        tuning: tuning(row, tile),
    };
    ROWS.into_iter().flat_map(|row| COLUMNS.into_iter().map(move |column| cell(row, column))).collect()
}

/// The table, as Markdown, of what there is: medians in µs, the best of each workload in bold.
pub fn table(tried: &[Tried]) -> String {
    let is_of = |t: &Tried, head_dim: usize, mask: Mask| {
        (t.measured.workload.head_dim, t.measured.workload.mask) == (head_dim.into(), mask)
    };
    // A run that was taken up again may have tried it twice.
    let find = |row, (head_dim, mask, tile)| {
        let schedule = tuning(row, tile).to_string();
        tried.iter().rev().find(|t| is_of(t, head_dim, mask) && t.schedule == schedule)
    };
    let best = |head_dim, mask| {
        let columns = COLUMNS.into_iter().filter(|column| (column.0, column.1) == (head_dim, mask));
        let cells = columns.flat_map(|column| ROWS.into_iter().filter_map(move |row| find(row, column)));
        let right = cells.filter(|t| t.measured.right == Some(true));
        right.filter_map(|t| t.measured.median_us).min_by(f64::total_cmp)
    };
    let cell = |row, (head_dim, mask, tile)| {
        let Some(Tried { measured, .. }) = find(row, (head_dim, mask, tile)) else { return "-".to_owned() };
        match (measured.error.is_some(), measured.right, measured.median_us) {
            (true, ..) => "error".to_owned(),
            (_, Some(false), _) => "wrong".to_owned(),
            (.., None) => "ok".to_owned(),
            (.., Some(median)) if best(head_dim, mask) == Some(median) => format!("**{median:.1}**"),
            (.., Some(median)) => format!("{median:.1}"),
        }
    };
    let mut text = "| overlap, turn passed when |".to_owned();
    for (head_dim, mask, (rows, cols)) in COLUMNS {
        let mask = if mask == Mask::Causal { "causal" } else { "full" };
        let _ = write!(text, " d{head_dim} {mask}, {rows}×{cols} |");
    }
    let _ = write!(text, "\n|---|{}\n", "--:|".repeat(COLUMNS.len()));
    for (overlap, pass) in ROWS {
        let _ = write!(text, "| {overlap}, {pass} |");
        for column in COLUMNS {
            let _ = write!(text, " {} |", cell((overlap, pass), column));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_where_they_belong() {
        let trials = trials(Suite::Tiny);
        assert_eq!(trials.len(), ROWS.len() * COLUMNS.len());
        let tried = |index: usize, median_us, right, error: Option<&str>| Tried {
            schedule: trials[index].tuning.to_string(),
            measured: Measured {
                median_us,
                right,
                error: error.map(str::to_owned),
                ..Measured::new("flashpage", &trials[index].workload)
            },
        };
        let width = COLUMNS.len();
        let rows = [
            // Of one workload, in two tiles: the faster one is wrong.
            tried(2, Some(3.04), Some(true), None),
            tried(3, Some(2.0), Some(false), None),
            tried(width + 2, Some(3.0), Some(true), None),
            tried(0, None, Some(true), None),
            tried(1, None, None, Some("it broke")),
        ];
        let table = table(&rows);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 2 + ROWS.len(), "{table}");
        assert_eq!(lines[2], "| free, issued | ok | error | 3.0 | wrong | - | - | - |");
        assert_eq!(lines[3], "| free, scored | - | - | **3.0** | - | - | - | - |");
        assert!(lines[0].contains("| d64 full, 128×192 |"), "{table}");
    }
}
