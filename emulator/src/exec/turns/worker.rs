//! One thread of the host, running clusters.
//!
//! Usually one after another. A cluster that goes on for long may be waiting for one that has not begun (a semaphore, a
//! scan that looks back), so it has to let others in: those that are under way take turns, and there may be as many as
//! memory allows. A seeded order has a few under way from the start, and a cooperative launch all of them.

use super::cluster::{Cluster, Progress};
use crate::exec::policy::{Random, WarpOrder};
use crate::exec::state::{Counters, Setting};
use crate::fault::{Fault, FaultKind, Site};
use crate::findings::Key;
use crate::ledger::Ledger;
use crate::monitor::Monitor;
use std::collections::VecDeque;
use std::time::Duration;

/// Instructions that a cluster may run before another begins beside it.
const ALONE: u64 = 1 << 21;
/// Instructions of a turn when several are under way, and when they wait for one another often.
const SHARED: u64 = 1 << 14;
const COOPERATIVE: u64 = 1 << 11;
/// Instructions in which no cluster ended after which the first of them has every other turn, so that an endless loop in
/// all of them is found in it before long.
const LONG: u64 = 1 << 26;
/// Memory that the clusters under way may take, about.
const MEMORY: u64 = 1 << 30;
/// The most clusters that are under way where they need not be.
const MOST: u64 = 1 << 14;
/// Clusters under way in a seeded order, and turns in which none of them ends after which there is one more.
const SEEDED: usize = 3;
const STUCK: usize = 256;

/// What a worker tells the launch.
pub(crate) trait Listener {
    /// A cluster cannot go on.
    fn fault(&mut self, index: u64, fault: Fault);
    /// What a cluster printed.
    fn printed(&mut self, index: u64, text: String);
    /// What the sanitizer found in a cluster that went on after that.
    fn found(&mut self, index: u64, found: Vec<(Key, Fault, u64)>);
    /// A cluster was interrupted: which blocks it has, and where their warps stand.
    fn interrupted(&mut self, index: u64, standing: String);
}

/// See the file's head.
pub(crate) struct Worker<'l> {
    setting: &'l Setting<'l>,
    ledger: &'l Ledger,
    monitor: Option<&'l Monitor>,
    under_way: VecDeque<Cluster<'l>>,
    idle: Vec<Cluster<'l>>,
    /// A cluster for which there was no room yet.
    held: Option<u64>,
    /// Clusters that may be under way at once, and those that begin at once.
    most: usize,
    at_once: usize,
}

impl<'l> Worker<'l> {
    /// One of so many workers, which may take so many bytes of the host together.
    pub fn new(
        setting: &'l Setting<'l>,
        ledger: &'l Ledger,
        monitor: Option<&'l Monitor>,
        (workers, room): (u64, u64),
    ) -> Worker<'l> {
        let cost = setting.cost().max(1);
        let most = (MEMORY / cost).max(2).min(room / workers / cost).clamp(1, MOST);
        // Blocks that wait for one another by right are all there from the start; if another worker's thread is long in
        // coming, this one begins its share as well.
        let (at_once, most) = match setting.workspace {
            Some(_) => (ledger.clusters().div_ceil(workers), ledger.clusters()),
            None => (1, most),
        };
        Worker {
            setting,
            ledger,
            monitor,
            under_way: VecDeque::new(),
            idle: Vec::new(),
            held: None,
            most: most as usize,
            at_once: at_once as usize,
        }
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

    /// `%ctaid` of a cluster's first block.
    fn origin(&self, index: u64) -> [u32; 3] {
        let of = |i: usize| (self.setting.grid[i] / self.setting.cluster[i]) as u64;
        let at = [index % of(0), index / of(0) % of(1), index / (of(0) * of(1))];
        [0, 1, 2].map(|i| at[i] as u32 * self.setting.cluster[i])
    }

    /// Starts a cluster; false if the host has no room for it.
    fn begin(&mut self, index: u64) -> bool {
        let Some(mut cluster) = self.idle.pop().or_else(|| Cluster::new(self.setting)) else { return false };
        cluster.start(index, self.origin(index));
        self.under_way.push_back(cluster);
        true
    }

    /// Begins clusters until so many are under way; false if there are no more.
    fn fill(&mut self, wanted: usize, listener: &mut dyn Listener) -> bool {
        while self.under_way.len() < wanted.min(self.most) {
            let Some(index) = self.held.take().or_else(|| self.ledger.take()) else { return false };
            if self.begin(index) {
                continue;
            }
            if self.under_way.is_empty() {
                let message = format!(
                    "a block takes about {} bytes of the host's memory, which it does not have",
                    self.setting.cost() / self.setting.blocks() as u64
                );
                self.ledger.stop(index);
                listener.fault(index, Fault::launch(message));
                return false;
            }
            // Those that are under way end sooner or later, and leave theirs.
            self.held = Some(index);
            self.most = self.under_way.len();
        }
        true
    }

    /// Puts the only cluster that may go on first; false if it is not this worker's.
    fn focus(&mut self, only: u64) -> bool {
        match self.under_way.iter().position(|cluster| cluster.index == only) {
            Some(at) => {
                let cluster = self.under_way.remove(at);
                cluster.into_iter().for_each(|cluster| self.under_way.push_front(cluster));
            }
            None if self.held == Some(only) || self.ledger.take_only(only) => {
                self.held = None;
                let found = self.begin(only);
                self.under_way.rotate_right(found as usize);
                return found;
            }
            None => return false,
        }
        true
    }

    /// Says where everything stands that is under way.
    fn interrupt(&mut self, listener: &mut dyn Listener) {
        let Some(first) = self.under_way.iter().min_by_key(|cluster| cluster.index) else { return };
        listener.fault(first.index, first.stopped(FaultKind::Interrupted));
        for cluster in &mut self.under_way {
            listener.interrupted(cluster.index, format!("{}: {}", cluster.blocks(), cluster.standing()));
            if let Some(text) = cluster.printed() {
                listener.printed(cluster.index, text);
            }
        }
    }

    /// Runs clusters until there are no more.
    pub fn run(&mut self, listener: &mut dyn Listener) {
        let mut random = match self.setting.warp_order {
            WarpOrder::InOrder => None,
            WarpOrder::Random(seed) => Some(Random(seed ^ 0x776f_726b_6572)),
        };
        let mut more = true;
        // Whether a cluster had its share and may be waiting for another.
        let mut stuck = false;
        // Turns since a cluster ended, and instructions.
        let (mut since, mut long) = (0, 0u64);
        loop {
            let wanted = match random {
                Some(_) => SEEDED + since / STUCK,
                None if stuck => self.under_way.len() + 1,
                None => 1,
            };
            let only = self.ledger.only();
            if more && only.is_none() {
                more = self.fill(wanted.max(self.at_once), listener);
            }
            if self.monitor.is_some_and(Monitor::is_interrupted) {
                return self.interrupt(listener);
            }
            stuck = false;
            // A lower one faulted: what these do is of no interest any more.
            if self.ledger.has_stopped() {
                let all = std::mem::take(&mut self.under_way);
                for cluster in all {
                    let past = self.ledger.is_past(cluster.index);
                    if past { self.idle.push(cluster) } else { self.under_way.push_back(cluster) }
                }
            }
            if let Some(only) = only
                && !self.focus(only)
            {
                if self.ledger.is_past(only) || (self.under_way.is_empty() && self.held.is_none()) {
                    return;
                }
                std::thread::sleep(Duration::from_micros(50));
                continue;
            }
            let share = match &mut random {
                _ if only.is_some() => ALONE,
                Some(random) => {
                    let next = random.below(self.under_way.len() as u64) as usize;
                    self.under_way.rotate_left(next.min(self.under_way.len().saturating_sub(1)));
                    1 << random.below(12)
                }
                None if self.under_way.len() == 1 => ALONE,
                None if self.setting.workspace.is_some() => COOPERATIVE,
                None => SHARED,
            };
            if random.is_none()
                && long > LONG
                && since % 2 == 0
                && let Some(first) = self.under_way.iter().map(|cluster| cluster.index).min()
            {
                self.focus(first);
            }
            let Some(mut cluster) = self.under_way.pop_front() else { return };
            let before = cluster.spent;
            let outcome = cluster.run(share, self.ledger);
            long += cluster.spent - before;
            if matches!(outcome, Ok(Progress::More)) {
                since += 1;
                stuck = true;
                self.under_way.push_back(cluster);
                continue;
            }
            (since, long) = (0, 0);
            if let Some(text) = cluster.printed() {
                listener.printed(cluster.index, text);
            }
            listener.found(cluster.index, cluster.findings());
            match outcome {
                Err(fault) => {
                    // Who waits for it would wait for ever.
                    let is_spent = matches!(fault.kind, FaultKind::Budget { .. });
                    let awaited = self.setting.workspace.is_some() && !is_spent;
                    self.ledger.stop(if awaited { 0 } else { cluster.index });
                    listener.fault(cluster.index, fault);
                }
                Ok(_) => self.end(&cluster, listener),
            }
            self.idle.push(cluster);
        }
    }

    /// A cluster has ended well, unless it was the one too many.
    fn end(&mut self, cluster: &Cluster, listener: &mut dyn Listener) {
        if let Some(monitor) = self.monitor {
            monitor.advance(self.setting.blocks() as u64);
        }
        let Some(index) = self.ledger.end(cluster.index, cluster.spent) else { return };
        // It has ended, perhaps long ago and elsewhere: its place is where it began.
        let program = self.setting.program;
        let (line, nth) =
            program.code.get(program.start as usize).map_or((0, 0), |inst| (inst.line, inst.nth));
        let (block, instruction) = (self.origin(index), String::new());
        let site = Site { instruction, line, nth, block, warp: 0, lane: None, address: None };
        let blocks = self.setting.blocks() as u64;
        let state = format!("{} of {} blocks done", index * blocks, self.ledger.clusters() * blocks);
        let kind = FaultKind::Budget { budget: self.ledger.budget(), state };
        self.ledger.stop(index);
        listener.fault(
            index,
            Fault {
                kind,
                site: Some(Box::new(site)),
                other: None,
                printed: String::new(),
                findings: Vec::new(),
            },
        );
    }
}
