//! One thread of the host, running clusters.
//!
//! Usually one after another. A cluster that goes on for long may be waiting for one that has not begun (a grid-wide
//! barrier, a semaphore, a scan that looks back), so it has to let others in: those that are under way take turns,
//! and there may be as many as memory allows. A seeded schedule has a few under way from the start.

use super::asynchrony::Random;
use super::block::Setting;
use super::cluster::{Cluster, Progress};
use super::counters::Counters;
use super::schedule::Schedule;
use crate::fault::Fault;
use crate::findings::Key;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Instructions that a cluster may run before another begins beside it.
const ALONE: u64 = 1 << 21;
/// Instructions of a turn when several are under way.
const SHARED: u64 = 1 << 14;
/// Memory that the clusters under way may take, about.
const MEMORY: u64 = 1 << 30;
/// Clusters under way in a seeded schedule, and turns in which none of them ends after which there is one more.
const SEEDED: usize = 3;
const STUCK: usize = 256;

/// See the file's head.
pub(crate) struct Worker<'l> {
    setting: &'l Setting<'l>,
    under_way: VecDeque<Cluster<'l>>,
    idle: Vec<Cluster<'l>>,
    /// Clusters that may be under way at once.
    most: usize,
}

impl<'l> Worker<'l> {
    pub fn new(setting: &'l Setting<'l>) -> Worker<'l> {
        let registers = setting.program.rows as u64 * 128 + setting.program.local_bytes as u64 * 64;
        let block = setting.warps() as u64 * registers + setting.shared_bytes as u64 * 16;
        let most = (MEMORY / (block * setting.blocks() as u64).max(1)).clamp(2, 1 << 14) as usize;
        Worker { setting, under_way: VecDeque::new(), idle: Vec::new(), most }
    }

    /// Adds how often each instruction ran.
    pub fn executed(&self, sum: &mut [u64]) {
        for cluster in self.under_way.iter().chain(&self.idle) {
            for (total, own) in sum.iter_mut().zip(cluster.executed()) {
                *total += own;
            }
        }
    }

    /// Adds what instructions did.
    pub fn counters(&self, sum: &mut Counters) {
        let all = self.under_way.iter().chain(&self.idle);
        all.filter_map(Cluster::counters).for_each(|own| sum.merge(own));
    }

    /// Starts the next cluster, if there is one.
    fn begin(&mut self, take: &dyn Fn() -> Option<u64>) -> bool {
        let Some(index) = take() else { return false };
        let mut cluster = self.idle.pop().unwrap_or_else(|| Cluster::new(self.setting));
        let of = |i: usize| (self.setting.grid[i] / self.setting.cluster[i]) as u64;
        let at = [index % of(0), index / of(0) % of(1), index / (of(0) * of(1))];
        cluster.start(index, [0, 1, 2].map(|i| at[i] as u32 * self.setting.cluster[i]));
        self.under_way.push_back(cluster);
        true
    }

    /// Runs clusters until `take` gives none; faults go to `report`, and what a cluster printed to `printed`.
    pub fn run(
        &mut self,
        take: &dyn Fn() -> Option<u64>,
        spend: &dyn Fn(u64) -> Option<u64>,
        stop_at: &AtomicU64,
        found: &dyn Fn(u64, Vec<(Key, Fault, u64)>),
        report: &mut dyn FnMut(u64, Fault),
        printed: &mut dyn FnMut(u64, String),
    ) {
        let mut random = match self.setting.schedule {
            Schedule::InOrder => None,
            Schedule::Random(seed) => Some(Random(seed ^ 0x776f_726b_6572)),
        };
        let mut more = true;
        // Whether a cluster had its share and may be waiting for another.
        let mut stuck = false;
        // Turns since a cluster ended.
        let mut since = 0;
        loop {
            let wanted = match random {
                Some(_) => (SEEDED + since / STUCK).min(self.most),
                None if stuck => (self.under_way.len() + 1).min(self.most),
                None => 1,
            };
            while more && self.under_way.len() < wanted {
                more = self.begin(take);
            }
            stuck = false;
            let share = match &mut random {
                Some(random) => {
                    let next = random.below(self.under_way.len() as u64) as usize;
                    self.under_way.rotate_left(next.min(self.under_way.len().saturating_sub(1)));
                    1 << random.below(12)
                }
                None if self.under_way.len() == 1 => ALONE,
                None => SHARED,
            };
            let Some(mut cluster) = self.under_way.pop_front() else { return };
            if cluster.index >= stop_at.load(Relaxed) {
                // A lower one faulted: what this one does is of no interest any more.
                self.idle.push(cluster);
                continue;
            }
            let outcome = cluster.run(share, spend);
            since = if matches!(outcome, Ok(Progress::More)) { since + 1 } else { 0 };
            if !matches!(outcome, Ok(Progress::More))
                && let Some(text) = cluster.printed()
            {
                printed(cluster.index, text);
            }
            if !matches!(outcome, Ok(Progress::More)) {
                found(cluster.index, cluster.findings());
            }
            match outcome {
                Ok(Progress::Done) => self.idle.push(cluster),
                Ok(Progress::More) => {
                    self.under_way.push_back(cluster);
                    stuck = true;
                }
                Err(fault) => {
                    report(cluster.index, fault);
                    self.idle.push(cluster);
                }
            }
        }
    }
}
