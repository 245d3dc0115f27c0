//! Bulk copies and asynchronous stores on their way: those of a cluster that land when the policy says so, and a warp's
//! bulk groups
//! (PTX ISA §9.7.9.25.3.2).

use super::MOST;
use super::transfer::Transfer;
use crate::alu::lanes::LANES;
use crate::exec::lanes;
use crate::exec::policy::{AsyncPolicy, Landing};
use crate::program::Reduction;

/// Whom a copy tells that it is complete.
#[derive(Clone, Debug)]
pub(crate) enum Tells {
    /// Each of these mbarriers, in the phase it was in, of so many bytes.
    Mbarriers(Vec<(u32, u64, u32)>),
    /// The bulk group that was open in the thread that issued it.
    Group,
}

/// `st.async` or `red.async` of one thread.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    /// Where, in shared memory of the cluster.
    pub to: u32,
    /// Bytes of an element.
    pub width: u8,
    pub values: Vec<u64>,
    pub reduction: Option<Reduction>,
}

/// What is done when it lands.
pub(crate) enum Work {
    Copy(Transfer),
    Store(Store),
}

/// Work on its way.
pub(crate) struct Task {
    pub work: Work,
    pub tells: Tells,
    /// Who issued it.
    pub warp: u32,
    pub lane: u32,
    pub pc: u32,
    /// Which of the warp's group copies it is.
    number: u64,
}

/// Work of a cluster, oldest first.
pub(crate) struct Tasks {
    landing: Landing,
    pending: Vec<Task>,
}

impl Tasks {
    pub fn new(policy: AsyncPolicy) -> Tasks {
        Tasks { landing: Landing::new(policy), pending: Vec::new() }
    }

    pub fn reset(&mut self, cluster: u64) {
        self.pending.clear();
        self.landing.seed(cluster, 0x7fff);
    }

    /// Takes a task; gives it back if it lands at once.
    pub fn issue(&mut self, task: Task) -> Option<Task> {
        if self.landing.at_once() {
            return Some(task);
        }
        self.pending.push(task);
        None
    }

    /// What happens to land now.
    pub fn poll(&mut self) -> Vec<Task> {
        // A kernel that never waits must not fill the host's memory: the oldest land after all.
        let mut due: Vec<Task> = self.pending.drain(..self.pending.len().saturating_sub(MOST)).collect();
        if self.landing.polls() && !self.pending.is_empty() {
            let landing = &mut self.landing;
            due.extend(self.pending.extract_if(.., |_| landing.now()));
        }
        due
    }

    /// The oldest task that somebody may be waiting for without saying so.
    pub fn force(&mut self) -> Option<Task> {
        let at = self.pending.iter().position(|t| matches!(t.tells, Tells::Mbarriers(_)))?;
        Some(self.pending.remove(at))
    }

    /// These copies of a warp's groups.
    pub fn take(&mut self, warp: u32, numbers: &[u64]) -> Vec<Task> {
        let wanted =
            |t: &mut Task| matches!(t.tells, Tells::Group) && t.warp == warp && numbers.contains(&t.number);
        self.pending.extract_if(.., wanted).collect()
    }

    /// All that is left.
    pub fn drain(&mut self) -> Vec<Task> {
        std::mem::take(&mut self.pending)
    }
}

impl Task {
    pub fn new(work: Work, tells: Tells, (warp, lane, pc): (u32, u32, u32), number: u64) -> Task {
        Task { work, tells, warp, lane, pc, number }
    }
}

/// A copy of a bulk group that was not waited for; it may have landed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub lane: u32,
    pub pc: u32,
    group: u32,
    number: u64,
    /// It reads shared memory.
    pub reads: bool,
    /// `wait_group.read` covered it.
    read: bool,
}

/// The bulk groups of a warp's threads.
#[derive(Default)]
pub(crate) struct BulkGroups {
    open: Vec<Open>,
    committed: [u32; LANES],
    issued: u64,
}

impl BulkGroups {
    /// The number of the copy that a lane issues now.
    pub fn issue(&mut self, lane: u32, pc: u32, reads: bool) -> u64 {
        self.issued += 1;
        let group = self.committed[lane as usize];
        if self.open.len() > 2 * MOST {
            self.open.drain(..MOST);
        }
        self.open.push(Open { lane, pc, group, number: self.issued, reads, read: false });
        self.issued
    }

    pub fn commit(&mut self, mask: u32) {
        for lane in lanes(mask) {
            self.committed[lane] += 1;
        }
    }

    /// The copies that must land if at most `allowed` groups of these lanes may be on their way, or still read.
    pub fn wait(&mut self, mask: u32, allowed: u32, read: bool) -> Vec<u64> {
        let committed = self.committed;
        let covered = |open: &Open| {
            mask >> open.lane & 1 != 0
                && (open.group as u64 + allowed as u64) < committed[open.lane as usize] as u64
        };
        let numbers = self.open.iter().filter(|o| covered(o)).map(|o| o.number).collect();
        if read {
            self.open.iter_mut().filter(|o| covered(o)).for_each(|o| o.read = true);
        } else {
            self.open.retain(|o| !covered(o));
        }
        numbers
    }

    /// The last copy such that it and all before it have done with shared memory as far as was waited for.
    pub fn complete(&self) -> u64 {
        self.open.iter().find(|o| !o.read).map_or(self.issued, |o| o.number - 1)
    }

    /// A copy that may still read shared memory.
    pub fn unread(&self) -> Option<Open> {
        self.open.iter().find(|o| o.reads && !o.read).copied()
    }
}
