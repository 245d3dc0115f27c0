//! Ours beside the peers, workload by workload.
//!
//! Times are of the device, by events around a launch or around the replay of a captured one, and are compared
//! whichever it was: the method is told beside them. One implementation is faster than another by
//! more than the spread if nine tenths of its launches took less than nine tenths of the other's did: its p90 is
//! below the other's p10. Anything closer is level.

use super::merge::{Row, Status};
use crate::bench::OURS;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;

/// How ours stands on a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Faster than every peer by more than the spread.
    Faster,
    /// No peer is faster by more than the spread, nor are we than all of them.
    Level,
    /// A peer is faster by more than the spread.
    Slower,
    /// No peer has a time.
    NoPeer,
    /// A peer has a time and we have none.
    NotOurs,
}

/// One workload.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The workload's id.
    pub id: String,
    /// How ours stands; `None` where nobody has a time.
    pub standing: Option<Standing>,
    /// The peer of the least median time.
    pub best_peer: Option<String>,
    /// The best peer's median time over ours: above 1 ours is faster.
    pub ratio: Option<f64>,
    /// Peers that are faster by more than the spread, best first.
    pub faster_peers: Vec<String>,
    /// Why it loses, as a person found it.
    pub cause: Option<String>,
    /// Its rows among the results' rows, ours first.
    #[serde(skip)]
    pub rows: Range<usize>,
}

impl Comparison {
    /// Whether a peer is faster by more than the spread.
    pub fn loses(&self) -> bool {
        self.standing == Some(Standing::Slower)
    }
}

/// How many workloads ended how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Workloads that somebody has a time for.
    pub timed: usize,
    /// [`Standing::Faster`]
    pub faster: usize,
    /// [`Standing::Level`]
    pub level: usize,
    /// [`Standing::Slower`]
    pub slower: usize,
    /// [`Standing::NoPeer`]
    pub no_peer: usize,
    /// [`Standing::NotOurs`]
    pub not_ours: usize,
}

impl Tally {
    /// Counts.
    pub fn of(comparisons: &[Comparison]) -> Tally {
        let count = |standing| comparisons.iter().filter(|c| c.standing == Some(standing)).count();
        Tally {
            timed: comparisons.iter().filter(|c| c.standing.is_some()).count(),
            faster: count(Standing::Faster),
            level: count(Standing::Level),
            slower: count(Standing::Slower),
            no_peer: count(Standing::NoPeer),
            not_ours: count(Standing::NotOurs),
        }
    }
}

/// Compares rows, those of a workload lying together and ours first, and writes each its speed beside the best peer's.
pub(super) fn compare(rows: &mut [Row], causes: &BTreeMap<String, String>) -> Vec<Comparison> {
    let mut first = 0;
    let workloads = rows.chunk_by_mut(|a, b| a.batch() == b.batch());
    let comparisons = workloads.map(|group| {
        let rows = first..first + group.len();
        first = rows.end;
        Comparison::of(group, rows, causes)
    });
    comparisons.collect()
}

/// µs.
#[derive(Clone, Copy)]
struct Time {
    median: f64,
    p10: f64,
    p90: f64,
}

impl Time {
    /// A row's that counts; one that came without a spread is taken to have none.
    fn of(row: &Row) -> Option<Time> {
        let median = row.measured.median_us.filter(|_| row.status == Status::Timed)?;
        Some(Time {
            median,
            p10: row.measured.p10_us.unwrap_or(median),
            p90: row.measured.p90_us.unwrap_or(median),
        })
    }

    fn is_clearly_less(self, other: Time) -> bool {
        self.p90 < other.p10
    }
}

impl Comparison {
    fn of(group: &mut [Row], rows: Range<usize>, causes: &BTreeMap<String, String>) -> Self {
        let mut times: Vec<(String, Time)> =
            group.iter().filter_map(|row| Some((row.measured.who.clone(), Time::of(row)?))).collect();
        times.sort_by(|(_, a), (_, b)| a.median.total_cmp(&b.median));
        let (ours, peers): (Vec<_>, Vec<_>) = times.into_iter().partition(|(who, _)| who == OURS);
        let (ours, best) = (ours.first().map(|(_, time)| *time), peers.first());
        for row in group.iter_mut() {
            let own = Time::of(row);
            row.speed_vs_best_peer = best.zip(own).map(|((_, best), own)| best.median / own.median);
        }
        let faster = |(_, peer): &&(String, Time)| ours.is_some_and(|ours| peer.is_clearly_less(ours));
        let faster_peers: Vec<String> = peers.iter().filter(faster).map(|(who, _)| who.clone()).collect();
        let standing = match ours {
            None if peers.is_empty() => None,
            None => Some(Standing::NotOurs),
            Some(_) if peers.is_empty() => Some(Standing::NoPeer),
            Some(_) if !faster_peers.is_empty() => Some(Standing::Slower),
            Some(ours) if peers.iter().all(|(_, peer)| ours.is_clearly_less(*peer)) => Some(Standing::Faster),
            Some(_) => Some(Standing::Level),
        };
        let id = group.first().map(|row| row.id.clone()).unwrap_or_default();
        Comparison {
            standing,
            best_peer: best.map(|(who, _)| who.clone()),
            ratio: best.zip(ours).map(|((_, best), ours)| best.median / ours.median),
            faster_peers,
            cause: causes.get(&id).cloned(),
            rows,
            id,
        }
    }
}
