//! What the race check remembers of an access: who made it, when, how, and what it promised.

use super::clocks::Agent;
use crate::program::Strength;

/// Who makes an access.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    /// Whom it is done for.
    pub agent: Agent,
    /// When.
    pub clock: u64,
    /// Instruction.
    pub pc: u32,
    /// Warp of the cluster that executes it.
    pub warp: u32,
    /// How often the warp had come together by then.
    pub sync: u32,
    /// Done by all lanes for each other: `ldmatrix`, `stmatrix`.
    pub collective: bool,
    /// What it promises.
    pub strength: Strength,
    /// Whether it writes.
    pub writes: bool,
    /// Done through the async proxy, or by a copy that is complete once it is waited for.
    pub proxy: Proxy,
}

impl Stamp {
    /// Whether it is the same instruction, executed with nothing in between.
    pub fn same(&self, other: &Stamp) -> bool {
        (self.agent, self.clock, self.pc, self.sync, self.strength, self.writes)
            == (other.agent, other.clock, other.pc, other.sync, other.strength, other.writes)
    }

    pub fn is_strong(&self) -> bool {
        self.strength != Strength::Weak
    }

    pub fn polls(&self) -> bool {
        matches!(self.strength, Strength::Volatile { polls: true })
    }

    /// Whether these two do no harm to each other in any order.
    pub fn agrees(&self, other: &Stamp) -> bool {
        if !self.writes && !other.writes {
            return true;
        }
        match (self.strength, other.strength) {
            (Strength::Weak, _) | (_, Strength::Weak) => false,
            (Strength::Volatile { .. }, Strength::Volatile { .. }) => self.polls() || other.polls(),
            _ => true,
        }
    }
}

/// How an access reaches memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// Loads, stores, atomics.
    Generic,
    /// `mbarrier.init` and the like: generic too, but compilers let bulk copies fill the place of a barrier that nobody
    /// uses any more, or ever did, with no fence between.
    Object,
    /// `cp.async`: generic too, but needs no fence before `wgmma` reads what it wrote, as compilers rely on.
    Copy,
    /// `st.async` and `red.async`: beside the warp as bulk copies are, but the ISA does not name them among what goes
    /// through the async proxy.
    Store,
    /// `wgmma` and bulk copies.
    Async,
}

/// Who accessed a byte last, in a word: a record, whether several lanes did since the warp came together, and the last
/// of them. Zero is nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Last(u32);

impl Last {
    pub fn new(record: u32, lane: u32) -> Last {
        Last(record << 6 | lane)
    }

    /// The same, with what was there before by another lane since the warp came together.
    pub fn among_several(self) -> Last {
        Last(self.0 | 1 << 5)
    }

    pub fn record(self) -> u32 {
        self.0 >> 6
    }

    pub fn lane(self) -> u32 {
        self.0 & 31
    }

    /// Whether a lane other than this one did it.
    pub fn is_other(self, lane: u32) -> bool {
        self.0 & 63 != lane
    }
}
