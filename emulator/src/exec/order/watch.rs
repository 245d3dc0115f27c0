//! The sanitizer's view of shared memory: who touches it, through what, and whether that was ordered. Of global memory it
//! knows whether the launch before, where that may still be running, was waited for ([`super::prerequisites`]).

use super::clocks::{Agent, Engine, Order, View, agent};
use super::prerequisites::Prerequisites;
use super::race::{Conflict, Fresh, Made, Races};
use super::stamp::{Proxy, Stamp};
use crate::address::RANK_SHIFT;
use crate::exec::Result;
use crate::fault::{FaultKind, Place, Trouble};
use crate::program::Strength;
use crate::sanitize::Sanitize;
use hashbrown::HashMap;

/// See the file's head.
pub(crate) struct Watch {
    pub order: Order,
    races: Races,
    /// What was released at an address by atomics and their like.
    handed: HashMap<u64, View>,
    /// What was released anywhere, once that is at too many addresses to tell them apart.
    anywhere: Option<View>,
    /// Warps of a block.
    warps: u32,
    /// Blocks whose warps have all exited: their shared memory may be another's by then.
    gone: Vec<bool>,
    /// Copies of each warp that were waited for just now.
    fresh: Vec<Fresh>,
    /// The stamp made last, and its record.
    last: Option<(Stamp, u32)>,
    /// The launch before, if it may still be running.
    pub prerequisites: Option<Prerequisites>,
    /// What is looked for.
    sanitize: Sanitize,
}

/// Addresses that atomics hand views on at, each by itself; a histogram has more, and orders nothing by them.
const ADDRESSES: usize = 1 << 12;

/// What is done to some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touching {
    Read,
    Write,
    Atomic,
}

impl Touching {
    fn name(self) -> &'static str {
        match self {
            Touching::Read => "read",
            Touching::Write => "write",
            Touching::Atomic => "atomic",
        }
    }
}

/// Who accesses shared memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By {
    /// Warp of the cluster.
    pub warp: u32,
    pub lane: u32,
    pub pc: u32,
    /// How often the warp has come together.
    pub sync: u32,
    /// The warp's lanes do it for each other.
    pub collective: bool,
    pub on_behalf: Behalf,
}

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behalf {
    /// The warp itself, at ordinary memory or at an mbarrier.
    Itself { strength: Strength, proxy: Proxy },
    /// One of its engines, the work of this number.
    Engine(Engine, u64),
    /// A bulk copy or an asynchronous store that an mbarrier tells of: its agent, the phase that it belongs to, whether
    /// it combines what it brings with what is there, and how it reaches memory.
    Mbarrier { agent: Agent, phase: u64, strength: Strength, proxy: Proxy },
}

impl Watch {
    pub fn new(blocks: u32, warps: u32, bytes: u32, sanitize: Sanitize) -> Watch {
        Watch {
            order: Order::new(blocks * warps),
            races: Races::new(blocks, bytes, sanitize.strict),
            handed: HashMap::new(),
            anywhere: None,
            gone: vec![false; blocks as usize],
            warps,
            fresh: vec![Fresh { from: 0, sync: u32::MAX }; (blocks * warps) as usize],
            last: None,
            prerequisites: None,
            sanitize,
        }
    }

    /// The launch before may still be running.
    pub fn has_prerequisites(&mut self) {
        self.prerequisites = Some(Prerequisites::new(self.order.hire(), self.fresh.len()));
    }

    fn stamp(&self, by: By, touching: Touching) -> Stamp {
        let (agent, clock, proxy, strength) = match by.on_behalf {
            Behalf::Itself { strength, proxy } => {
                (agent(by.warp, Engine::Itself), self.order.clock(by.warp), proxy, strength)
            }
            Behalf::Engine(engine, number) => {
                let proxy = if engine == Engine::Copies { Proxy::Copy } else { Proxy::Async };
                (agent(by.warp, engine), number, proxy, Strength::Weak)
            }
            Behalf::Mbarrier { agent, phase, strength, proxy } => (agent, phase + 1, proxy, strength),
        };
        Stamp {
            agent,
            clock,
            pc: by.pc,
            warp: by.warp,
            sync: by.sync,
            collective: by.collective,
            strength,
            writes: touching != Touching::Read,
            proxy,
        }
    }

    /// Checks an access to shared memory against those before it, and remembers it.
    pub fn touch(&mut self, by: By, touching: Touching, address: u32, count: u32) -> Result<()> {
        self.touch_with(by, touching, (address, count), &|| false)
    }

    /// Likewise; `same` tells whether the bytes hold already what is stored there.
    pub fn touch_with(
        &mut self,
        by: By,
        touching: Touching,
        (address, count): (u32, u32),
        same: &dyn Fn() -> bool,
    ) -> Result<()> {
        let rank = (address >> RANK_SHIFT) as usize;
        if self.sanitize.waits && self.gone.get(rank).is_some_and(|gone| *gone) {
            let what = touching.name();
            let message = format!(
                "{what} of shared memory of block {rank} of the cluster, which has exited: `barrier.cluster` has to \
                 keep it until nobody needs it"
            );
            return Err(Trouble::at(FaultKind::Abandoned(message), by.lane, address as u64));
        }
        if self.sanitize.waits && rank as u32 != by.warp / self.warps {
            self.must_have_started(rank as u32, &by, touching, address)?;
        }
        let stamp = self.stamp(by, touching);
        let record = match self.last {
            Some((last, record)) if last.same(&stamp) => record,
            _ => self.races.record(stamp),
        };
        self.last = Some((stamp, record));
        let strict = self.sanitize.strict;
        let (view, fresh) = (self.order.view(by.warp), self.fresh[by.warp as usize]);
        let made = Made { stamp: &stamp, record, view, fresh, lane: by.lane };
        let (mut at, end) = (address, address + count);
        let mut first = Ok(());
        loop {
            let found = match touching {
                Touching::Read => self.races.read(made, at, end - at),
                _ => self.races.write(made, at, end - at, &|| !strict && same()),
            };
            let Err(conflict) = found else { return first };
            let trouble = self.trouble(by, touching, conflict);
            if first.is_ok() && self.sanitize.finds(&trouble.kind) {
                first = Err(trouble);
            }
            // The run may go on after this, or nobody asked for it: as if it had not been.
            self.races.forget_byte(conflict.address);
            at = conflict.address;
        }
    }

    /// # Errors
    /// The block of this rank, whose memory is touched, may not have begun.
    fn must_have_started(&self, rank: u32, by: &By, touching: Touching, address: u32) -> Result<()> {
        if self.order.knows_start(by.warp, rank * self.warps..(rank + 1) * self.warps) {
            return Ok(());
        }
        let what = touching.name();
        let message = format!(
            "{what} of shared memory of block {rank} of the cluster, which may not have begun: `barrier.cluster` has to \
             come first"
        );
        Err(Trouble::at(FaultKind::NotStarted(message), by.lane, address as u64))
    }

    /// The last warp of a block of a cluster exits.
    ///
    /// # Errors
    /// Others, or copies, may still be at work in its shared memory as far as its warps know.
    pub fn exit(&mut self, rank: u32) -> Result<()> {
        self.gone[rank as usize] = true;
        if !self.sanitize.waits {
            return Ok(());
        }
        let mut view = View::default();
        let own = rank * self.warps..(rank + 1) * self.warps;
        own.for_each(|warp| view.join(self.order.view(warp)));
        let Some(Conflict { earlier, lane, wrote, address, .. }) =
            self.races.unfinished(rank, self.warps, &view)
        else {
            return Ok(());
        };
        let what = if wrote { "writes" } else { "reads" };
        let message = format!(
            "the block exits while another part of the cluster {what} its shared memory at {address:#x}, as far as it \
             knows: `barrier.cluster` or an mbarrier has to keep it"
        );
        let mut trouble = Box::<Trouble>::from(FaultKind::Abandoned(message));
        trouble.address = Some(address as u64);
        trouble.other = Some(Place { pc: earlier.pc, warp: earlier.warp, lane });
        Err(trouble)
    }

    /// Whether the warp that made this access, or set it going, may rely on it.
    fn is_complete(&self, stamp: &Stamp) -> bool {
        self.order.view(stamp.warp).has_seen(stamp.agent, stamp.clock)
    }

    #[cold]
    fn trouble(&self, by: By, touching: Touching, conflict: Conflict) -> Box<Trouble> {
        let Conflict { earlier, lane, wrote, address, unfenced } = conflict;
        let (access, warp) = (touching.name(), earlier.warp % self.warps);
        let first_of = |engine| agent(earlier.warp, engine);
        let kind = if unfenced {
            let access = if touching == Touching::Read { "read" } else { "written" };
            FaultKind::Unfenced { access, warp, address }
        } else if earlier.warp == by.warp && self.is_complete(&earlier) {
            let earlier = if wrote { "write" } else { "read" };
            FaultKind::WarpRace { access, earlier, address }
        } else if earlier.agent == first_of(Engine::Itself) {
            let earlier = if wrote { "write" } else { "read" };
            FaultKind::Race { access, earlier, warp, address }
        } else {
            let engine = if earlier.agent == first_of(Engine::Copies) {
                "a cp.async"
            } else if earlier.agent == first_of(Engine::Products) {
                "a wgmma"
            } else {
                "a bulk copy"
            };
            FaultKind::InFlight { access, engine, use_: if wrote { "write" } else { "read" }, address }
        };
        let mut trouble = Trouble::at(kind, by.lane, address as u64);
        trouble.place = Some(Place { pc: by.pc, warp: by.warp, lane: Some(by.lane) });
        trouble.other = Some(Place { pc: earlier.pc, warp: earlier.warp, lane });
        trouble
    }

    /// A strong access at an address: what others let know there is heard, and theirs to hear what the warp lets know.
    /// True if something is known at once.
    pub fn hand(&mut self, warp: u32, address: u64, touching: Touching, strength: Strength) -> bool {
        let mut learns = false;
        if touching != Touching::Write
            && let Some(view) = self.anywhere.as_ref().or_else(|| self.handed.get(&address))
        {
            learns = strength.acquires();
            self.order.hear(warp, view, learns);
        }
        if touching != Touching::Read && (strength.releases() || self.order.has_published(warp)) {
            if self.handed.len() >= ADDRESSES {
                let all = self.anywhere.get_or_insert_default();
                self.handed.drain().for_each(|(_, view)| all.join(&view));
            }
            let view = match &mut self.anywhere {
                Some(view) => view,
                None => self.handed.entry(address).or_default(),
            };
            self.order.tell(warp, view, strength.releases());
        }
        learns
    }

    /// A warp that has come together `syncs` times has waited for its copies up to number `complete`.
    pub fn copied(&mut self, (warp, syncs): (u32, u32), complete: u64) {
        let copies = agent(warp, Engine::Copies);
        let before = self.order.view(warp).known(copies);
        self.order.view_mut(warp).land(copies, complete);
        let fresh = &mut self.fresh[warp as usize];
        if fresh.sync != syncs {
            *fresh = Fresh { from: before, sync: syncs };
        }
    }
}
