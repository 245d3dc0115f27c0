//! What is wrong with a plan: its roles are run against each other on a few items, with everything that is asynchronous as
//! late as its waits allow and as early as its issue allows.
//!
//! Each warp, and each engine that works beside one (its bulk copies, its products), is a *thread* with a vector clock. A
//! barrier passes clocks on; what no clock orders may happen in any order, so every pair of accesses to a slot of which one
//! writes has to be ordered. Besides, every read has to find what its view says: the tile of this iteration or of the one
//! before, all of it, and of this item.
//!
//! Two warps stand for the four of a warpgroup: one that begins its bulk copies, and one that does not.

mod shape;
mod unrolled;

use super::attention::PRODUCTS;
use super::{
    Barriers, BufferId, Compute, Condition, Function, Meeting, Node, Owner, Place, Plan, Shared, Side, Step,
    Turns, View, each_step,
};
use crate::layout::lane::LANES;
use shape::{factors, limits, named, set_up};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use unrolled::{At, Counts, Item, Op, asks, flatten, turn};

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Who came upon it: role, warp, and the step as the plan prints it.
    pub at: String,
    /// What it is.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// Runs a plan, and gives the first fault.
///
/// # Errors
/// What is wrong.
pub fn verify(plan: &Plan) -> Result<(), Fault> {
    limits(plan)?;
    named(plan)?;
    set_up(plan)?;
    factors(plan)?;
    let slots = |buffer: &super::Buffer| match &buffer.place {
        Place::Shared(shared) => shared.slots,
        _ => 1,
    };
    let stages = plan.buffers.iter().map(slots).max().unwrap_or(1);
    let item = |tiles, ends_in_tile, whole_rows, grows| Item { tiles, ends_in_tile, whole_rows, grows };
    // Around every ring more than once, with items that see nothing between.
    let items = [
        item(0, false, true, false),
        item(1, true, false, true),
        item(2 * stages + 1, false, true, false),
        item(2, true, true, true),
        item(0, false, false, true),
        item(stages, false, false, true),
        item(1, false, true, false),
        item(3, true, true, false),
        // At last nothing but descriptions holds the producer back.
        item(0, false, true, false),
        item(0, false, true, false),
        item(0, false, true, false),
    ];
    let walks = plan.roles.iter().any(|role| role.body.iter().any(|node| matches!(node, Node::Items { .. })));
    match walks {
        true => Run::new(plan, &items).run(),
        // A block does one item.
        false => items.iter().try_for_each(|item| Run::new(plan, std::slice::from_ref(item)).run()),
    }
}

/// A thread: a warp, or an engine beside it.
type Thread = usize;

/// How far each thread had come.
#[derive(Clone, Default)]
struct Clock(Vec<u64>);

impl Clock {
    fn at(&self, thread: Thread) -> u64 {
        self.0.get(thread).copied().unwrap_or(0)
    }

    fn set(&mut self, thread: Thread, at: u64) {
        if self.0.len() <= thread {
            self.0.resize(thread + 1, 0);
        }
        self.0[thread] = at;
    }

    fn join(&mut self, other: &Clock) {
        for (thread, at) in other.0.iter().enumerate() {
            if *at > self.at(thread) {
                self.set(thread, *at);
            }
        }
    }
}

/// A slot of a buffer, or a part of one: the rows of a warpgroup, the registers of a warp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cell {
    /// By where it is: O may lie over Q.
    place: usize,
    slot: usize,
    part: usize,
}

/// How a tile is read. One that is K and V at once is a factor in two ways, and wanted as both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// As a product's second factor, along its rows or over them.
    Factor {
        transposed: bool,
    },
    Other,
}

/// Who has touched a cell, and what is in it.
#[derive(Clone, Default)]
struct Contents {
    /// Warps write parts of a shared tile, each its own.
    written: BTreeMap<Thread, u64>,
    /// Warps whose ordinary writes to it no fence has shown to bulk copies and products.
    unfenced: BTreeSet<usize>,
    /// Fences that have, of each warp: who reads by an engine has to have seen them.
    fenced: BTreeMap<Thread, u64>,
    read: BTreeMap<Thread, u64>,
    /// Which buffer's, and of which turn of it.
    tag: Option<(BufferId, usize)>,
    /// Warps whose lanes have copied their share.
    shares: BTreeSet<usize>,
    /// Those that have converted it.
    converted: BTreeSet<usize>,
    /// How it has been read.
    uses: BTreeSet<Use>,
    /// Rows past the sequence's end, not cleared.
    has_tail: bool,
}

/// A phase of a barrier under way.
#[derive(Clone, Default)]
struct Phases {
    done: usize,
    arrived: usize,
    /// What those who arrived in it had seen.
    clock: Clock,
    /// The same, of phases that are over.
    over: Vec<Clock>,
}

struct Warp {
    role: usize,
    copy: usize,
    /// Begins bulk stores.
    issues: bool,
    clock: Clock,
    /// As of its last fence of products.
    fenced: Option<Clock>,
    /// As of its last proxy fence: copies of lanes that it had seen then are visible to products.
    shown: Clock,
    /// Clocks of its groups of products under way.
    products: VecDeque<Clock>,
    /// Of its bulk stores.
    stores: Clock,
    /// Of its groups of copies under way, and of the one that is open.
    groups: VecDeque<Clock>,
    open: Clock,
    ops: Vec<Op>,
    at: usize,
}

/// Warps that stand for a warpgroup.
const WARPS: usize = 2;

struct Run<'p> {
    plan: &'p Plan,
    /// How the plan's products read their second factors.
    factors: BTreeSet<(BufferId, Use)>,
    /// Warps pass over tiles of which they keep nothing.
    may_pass: bool,
    /// How many warps' lanes copy to a buffer, each a share.
    copiers: BTreeMap<BufferId, usize>,
    warps: Vec<Warp>,
    cells: BTreeMap<Cell, Contents>,
    barriers: BTreeMap<(BufferId, usize, Side), Phases>,
    /// By (what meets there, which copy): who has come, and what they had seen.
    meetings: BTreeMap<(usize, usize), (Vec<usize>, Clock)>,
    /// Of each copy: whether its turn has come, and what was seen by who passed it.
    turns: BTreeMap<usize, Clock>,
}

impl<'p> Run<'p> {
    fn new(plan: &'p Plan, items: &'p [Item]) -> Run<'p> {
        let mut warps = Vec::new();
        for (index, role) in plan.roles.iter().enumerate() {
            for copy in 0..role.copies {
                for warp in 0..role.warps.min(WARPS) {
                    let mut ops = Vec::new();
                    let is_first = warp == 0;
                    let keeps = is_first && role.warps > 1;
                    let at = At { item: items.first().copied(), rightmost: 0, keeps, is_first };
                    flatten(&role.body, items, &mut Counts::default(), at, &mut ops);
                    let clock = Clock::default();
                    warps.push(Warp {
                        role: index,
                        copy,
                        issues: warp == 0,
                        fenced: None,
                        shown: clock.clone(),
                        stores: clock.clone(),
                        groups: VecDeque::new(),
                        open: clock.clone(),
                        clock,
                        products: VecDeque::new(),
                        ops,
                        at: 0,
                    });
                }
            }
        }
        let mut copiers: BTreeMap<BufferId, usize> = BTreeMap::new();
        for warp in &warps {
            let copied = |op: &Op| match op.step {
                Step::CopyAsync { to, .. }
                | Step::CopyConverted { to, .. }
                | Step::WriteConverted { to, .. }
                | Step::Transpose { to, .. } => Some(to.buffer),
                _ => None,
            };
            let copied: BTreeSet<BufferId> = warp.ops.iter().filter_map(copied).collect();
            copied.into_iter().for_each(|buffer| *copiers.entry(buffer).or_default() += 1);
        }
        let may_pass = plan.roles.iter().any(|role| asks(&role.body, Condition::KeepsAny));
        let turns = BTreeMap::from([(0, Clock::default())]);
        let mut factors = BTreeSet::new();
        for role in &plan.roles {
            each_step(&role.body, &mut |step| {
                if let Step::Multiply { b, transposed, .. } | Step::MultiplyAtOnce { b, transposed, .. } =
                    step
                {
                    factors.insert((b.buffer, Use::Factor { transposed: *transposed }));
                }
            });
        }
        Run {
            plan,
            factors,
            may_pass,
            copiers,
            warps,
            cells: BTreeMap::new(),
            barriers: BTreeMap::new(),
            meetings: BTreeMap::new(),
            turns,
        }
    }

    /// Lets warps go on by turns, each as far as it can, until all are done or nobody can.
    fn run(mut self) -> Result<(), Fault> {
        loop {
            let mut moved = false;
            for warp in 0..self.warps.len() {
                while self.warps[warp].at < self.warps[warp].ops.len() && self.step(warp)? {
                    self.warps[warp].at += 1;
                    moved = true;
                }
            }
            if self.warps.iter().all(|warp| warp.at == warp.ops.len()) {
                return self.end();
            }
            if !moved {
                let stuck = self.warps.iter().position(|warp| warp.at < warp.ops.len()).unwrap_or(0);
                return Err(self.fault(stuck, "waits for ever".to_owned()));
            }
        }
    }

    /// Nothing may be left under way, and barriers have come by as often as there was reason to.
    fn end(&self) -> Result<(), Fault> {
        for (warp, state) in self.warps.iter().enumerate() {
            if !state.products.is_empty() {
                return Err(self.fault_at(warp, "at its end", "products are under way".to_owned()));
            }
        }
        for ((buffer, slot, side), phases) in &self.barriers {
            if phases.arrived != 0 {
                let name = self.plan.buffer(*buffer).name;
                let what =
                    format!("{} have arrived of the next phase of {side:?} {name}{slot}", phases.arrived);
                return Err(Fault { at: "at the end".to_owned(), what });
            }
        }
        for (cell, contents) in &self.cells {
            let Some((buffer, _)) = contents.tag else { continue };
            if let (true, Some(missing)) = (self.wants_reading(buffer), self.unread(buffer, contents)) {
                let name = self.plan.buffer(buffer).name;
                let what = format!("{name}{} was filled and {missing}", cell.slot);
                return Err(Fault { at: "at the end".to_owned(), what });
            }
        }
        // Bulk stores read shared memory, which is not to be given up before they have.
        let stores = |warp: &Warp| warp.stores.0.iter().enumerate().any(|(t, at)| *at > warp.clock.at(t));
        match self.warps.iter().position(stores) {
            Some(warp) => {
                Err(self.fault_at(warp, "at its end", "bulk stores have not read shared memory".to_owned()))
            }
            None => Ok(()),
        }
    }

    fn fault(&self, warp: usize, what: String) -> Fault {
        let state = &self.warps[warp];
        let line = state.ops.get(state.at).map_or_else(String::new, |op| self.plan.line(&op.step));
        self.fault_at(warp, &line, what)
    }

    fn fault_at(&self, warp: usize, line: &str, what: String) -> Fault {
        let state = &self.warps[warp];
        Fault { at: format!("{} {}, {line}", self.plan.roles[state.role].name, state.copy), what }
    }

    /// Engines beside a warp have numbers of their own.
    fn tensor_cores(&self, warp: usize) -> Thread {
        self.warps.len() + warp
    }

    fn stores_of(&self, warp: usize) -> Thread {
        2 * self.warps.len() + warp
    }

    /// Copies of a warp's lanes into different slots, too.
    fn copies_of(&self, warp: usize, cell: Cell, buffer: BufferId) -> Thread {
        3 * self.warps.len() + 64 * (self.plan.buffers.len() + warp * 4 + buffer.0) + cell.slot
    }

    /// The first thread that is the copies of a warp's lanes.
    fn shares_from(&self) -> Thread {
        self.copies_of(0, Cell { place: 0, slot: 0, part: 0 }, BufferId(0))
    }

    /// Whether a thread is the copies of a warp's lanes.
    fn is_share(&self, thread: Thread) -> bool {
        thread >= self.shares_from()
    }

    /// Copies into different slots land in any order.
    fn copies_into(&self, cell: Cell, buffer: BufferId) -> Thread {
        3 * self.warps.len() + 64 * buffer.0 + cell.slot
    }

    fn shared(&self, buffer: BufferId) -> Option<&'p Shared> {
        match &self.plan.buffer(buffer).place {
            Place::Shared(shared) => Some(shared),
            _ => None,
        }
    }

    /// Where a view is for a warp, part by part, and which turn of its buffer it names.
    fn cells(&self, warp: usize, view: View, op: &Op) -> Result<(Vec<Cell>, usize), Fault> {
        let missing = || self.fault(warp, format!("there is no {} of so long ago", self.name(view)));
        let of = |turn: usize| turn.checked_add_signed(-view.ago).ok_or_else(missing);
        let shared = match &self.plan.buffer(view.buffer).place {
            Place::Shared(shared) => shared,
            Place::Registers { slots, turns, .. } => {
                let turn = of(turn(*turns, op.turns))?;
                let place = usize::MAX - view.buffer.0;
                return Ok((vec![Cell { place, slot: turn % slots, part: warp }], turn));
            }
            Place::Memory => return Err(self.fault(warp, format!("{} is a tensor", self.name(view)))),
        };
        let turn = of(turn(shared.turns, op.turns))?;
        let role = &self.plan.roles[self.warps[warp].role];
        let copy = self.warps[warp].copy;
        let parts = match (shared.owner, role.copies) {
            (Owner::All, _) => 0..1,
            (Owner::Warps, _) => warp..warp + 1,
            // Who is alone copies the rows of all.
            (Owner::Copies, 1) => 0..self.plan.roles.iter().map(|role| role.copies).max().unwrap_or(1),
            (Owner::Copies, _) => copy..copy + 1,
        };
        let slot = turn % shared.slots;
        Ok((parts.map(|part| Cell { place: shared.offset, slot, part }).collect(), turn))
    }

    /// Whether what is in a buffer has to be read before something else is: a tile of shared memory, or a product that is to be added.
    fn wants_reading(&self, buffer: BufferId) -> bool {
        self.shared(buffer).is_some() || buffer == PRODUCTS
    }

    /// What has not been done with what is in a cell: it has not been read, or not in each way in which the plan does.
    fn unread(&self, buffer: BufferId, contents: &Contents) -> Option<&'static str> {
        let misses = |wanted: &Use| {
            let is_asked = self.factors.contains(&(buffer, *wanted));
            is_asked && !contents.uses.contains(wanted)
        };
        let [along, over] = [false, true].map(|transposed| Use::Factor { transposed });
        match () {
            () if contents.uses.is_empty() => Some("never read"),
            () if misses(&along) => Some("never multiplied along its rows"),
            () if misses(&over) => Some("never multiplied over its rows"),
            () => None,
        }
    }

    fn name(&self, view: View) -> &'static str {
        self.plan.buffer(view.buffer).name
    }

    /// A read by `thread`, which has seen `clock`.
    fn read(&mut self, warp: usize, thread: Thread, clock: &Clock, view: View, op: &Op) -> Result<(), Fault> {
        // What a step says of its second factor.
        let usage = match &op.step {
            Step::Multiply { b, transposed, .. } | Step::MultiplyAtOnce { b, transposed, .. }
                if *b == view =>
            {
                Use::Factor { transposed: *transposed }
            }
            _ => Use::Other,
        };
        if self.plan.buffer(view.buffer).place == Place::Memory {
            return Ok(());
        }
        let (cells, turn) = self.cells(warp, view, op)?;
        let name = self.name(view);
        let by_engine = thread >= self.warps.len() && self.shared(view.buffer).is_some();
        let expected = (view.buffer, turn);
        // Who transposes reads rows of all.
        let acts_with = match &op.step {
            Step::Transpose { from, .. } if *from == view => Vec::new(),
            _ => self.those_with_own_rows(warp, thread, view),
        };
        let shares_from = self.shares_from();
        let owner = self.shared(view.buffer).map(|shared| shared.owner);
        let copiers = self.copiers.get(&view.buffer).copied().unwrap_or(0);
        let sharers = if owner == Some(Owner::Warps) { 1 } else { copiers };
        let shown = self.warps[warp].shown.clone();
        let converts = self.plan.converts(view.buffer);
        for cell in cells {
            let contents = self.cells.entry(cell).or_default();
            let is_seen =
                |(writer, at): (&Thread, &u64)| clock.at(*writer) >= *at || acts_with.contains(writer);
            let wrong = match &contents.written {
                none if none.is_empty() => Some("has nothing in it"),
                written if !written.iter().all(is_seen) => Some("may not have come yet"),
                _ if by_engine
                    && (!contents.unfenced.is_empty()
                        || contents.fenced.iter().any(|(writer, at)| clock.at(*writer) < *at)) =>
                {
                    Some("was written by ordinary writes, and no fence has shown them")
                }
                _ if !contents.shares.is_empty() && contents.shares.len() < sharers => {
                    Some("is not all there")
                }
                written
                    if by_engine
                        && written
                            .iter()
                            .any(|(writer, at)| *writer >= shares_from && shown.at(*writer) < *at) =>
                {
                    Some("was copied by lanes, and no fence has shown it")
                }
                _ if converts && !contents.shares.is_empty() && contents.converted.len() < sharers => {
                    Some("is not all converted")
                }
                _ if contents.tag != Some(expected) => Some("is not the one of this turn"),
                _ => None,
            };
            contents.read.insert(thread, clock.at(thread));
            contents.uses.insert(usage);
            if let Some(wrong) = wrong {
                return Err(self.fault(warp, format!("{name} {wrong}")));
            }
        }
        Ok(())
    }

    fn write(
        &mut self,
        warp: usize,
        thread: Thread,
        clock: &Clock,
        view: View,
        op: &Op,
    ) -> Result<(), Fault> {
        let (cells, turn) = self.cells(warp, view, op)?;
        let is_engine = thread >= self.warps.len();
        let shared = self.shared(view.buffer);
        let is_whole = is_engine && !self.is_share(thread);
        let turns_with_columns = shared.is_some_and(|shared| shared.turns == Turns::Columns);
        for cell in cells {
            self.alone((warp, thread), clock, (view, turn), cell)?;
            let before = self.cells.get(&cell).and_then(|contents| contents.tag.zip(Some(contents)));
            if let Some(((old, old_turn), contents)) = before
                && self.wants_reading(view.buffer)
                && (old, old_turn) != (view.buffer, turn)
                && let Some(missing) = self.unread(old, contents)
            {
                let what = format!("{} was filled and {missing}", self.plan.buffer(old).name);
                return Err(self.fault(warp, what));
            }
            if is_whole && self.cells.get(&cell).is_some_and(|contents| !contents.unfenced.is_empty()) {
                let what = format!(
                    "{} was written by ordinary writes, and no fence has shown them",
                    self.name(view)
                );
                return Err(self.fault(warp, what));
            }
            let contents = self.cells.entry(cell).or_default();
            if contents.tag.is_some_and(|old| old != (view.buffer, turn)) {
                contents.uses.clear();
            }
            if contents.tag != Some((view.buffer, turn)) || is_whole || shared.is_none() {
                contents.written.clear();
                contents.fenced.clear();
                contents.shares.clear();
                contents.converted.clear();
            }
            contents.written.insert(thread, clock.at(thread));
            if shared.is_some() && !is_engine {
                contents.unfenced.insert(warp);
            } else {
                contents.unfenced.clear();
                contents.fenced.clear();
            }
            // Warps write parts of a shared tile: who reads the others is not done with those.
            if shared.is_none() || is_whole {
                contents.read.clear();
            }
            contents.tag = Some((view.buffer, turn));
            contents.has_tail =
                is_engine && turns_with_columns && op.item.ends_in_tile && turn == op.rightmost;
        }
        Ok(())
    }

    /// Warps of the same role, which read and write rows of their own of a shared tile; none for an engine.
    fn those_with_own_rows(&self, warp: usize, thread: Thread, view: View) -> Vec<Thread> {
        if thread != warp || self.shared(view.buffer).is_none() {
            return Vec::new();
        }
        self.those(|other| other.role == self.warps[warp].role)
    }

    /// Everybody who has touched a cell is done with it. Warps of one role write rows of their own in shared memory.
    fn alone(
        &self,
        (warp, thread): (usize, Thread),
        clock: &Clock,
        (view, turn): (View, usize),
        cell: Cell,
    ) -> Result<(), Fault> {
        let Some(contents) = self.cells.get(&cell) else { return Ok(()) };
        let same = contents.tag == Some((view.buffer, turn));
        // What all read is nobody's own before it is filled again.
        let is_shared = self.shared(view.buffer).is_some_and(|shared| shared.owner == Owner::All);
        let acts_with = match same || !is_shared {
            true => self.those_with_own_rows(warp, thread, view),
            false => Vec::new(),
        };
        // Warps that copy by their lanes do so together, each its share of the same tile.
        let together = |other: Thread| self.is_share(thread) && self.is_share(other) && same;
        let written = contents.written.iter().filter(|(other, _)| !together(**other));
        for (other, at) in contents.read.iter().chain(written).map(|(other, at)| (*other, *at)) {
            if other != thread && clock.at(other) < at && !acts_with.contains(&other) {
                return Err(self.fault(warp, format!("{} may still be in use", self.name(view))));
            }
        }
        Ok(())
    }

    fn tick(&mut self, warp: usize) -> Clock {
        let state = &mut self.warps[warp];
        let at = state.clock.at(warp) + 1;
        state.clock.set(warp, at);
        state.clock.clone()
    }

    /// Arrives at a barrier so many times.
    fn arrive(
        &mut self,
        warp: usize,
        view: View,
        side: Side,
        share: usize,
        clock: &Clock,
        op: &Op,
    ) -> Result<(), Fault> {
        let (cells, _) = self.cells(warp, view, op)?;
        let slot = cells[0].slot;
        let Some(Barriers { fills, empties, .. }) =
            self.shared(view.buffer).and_then(|shared| shared.barriers)
        else {
            return Err(self.fault(warp, format!("{} has no barriers", self.name(view))));
        };
        // In shares of a modelled warp.
        let all = self.shares_of(view.buffer, side, if side == Side::Full { fills } else { empties });
        let phases = self.barriers.entry((view.buffer, slot, side)).or_default();
        phases.clock.join(clock);
        phases.arrived += share;
        if phases.arrived >= all {
            phases.arrived -= all;
            phases.done += 1;
            let clock = std::mem::take(&mut phases.clock);
            phases.over.push(clock);
            if phases.arrived > 0 {
                return Err(self.fault(warp, "more arrive than the barrier counts".to_owned()));
            }
        }
        Ok(())
    }

    /// Of the arrivals that a barrier counts, those of warps that are modelled: where every warp of all roles that arrive there
    /// counts, those of them that there are here.
    fn shares_of(&self, buffer: BufferId, side: Side, counted: usize) -> usize {
        let (mut all, mut modelled) = (0, 0);
        for role in &self.plan.roles {
            let mut arrives = false;
            each_step(&role.body, &mut |step| {
                arrives |= match (side, step) {
                    (Side::Full, Step::Fill(view)) => view.buffer == buffer,
                    (Side::Empty, Step::Release(view) | Step::ReleaseForAll(view)) => view.buffer == buffer,
                    _ => false,
                };
            });
            if arrives {
                all += role.copies * role.warps;
                modelled += role.copies * role.warps.min(WARPS);
            }
        }
        if all == counted { modelled } else { counted }
    }

    /// Waits for a phase; false if it is not over.
    fn wait(&mut self, warp: usize, view: View, side: Side, op: &Op) -> Result<bool, Fault> {
        let (cells, turn) = self.cells(warp, view, op)?;
        let slots = self.shared(view.buffer).map_or(1, |shared| shared.slots);
        // Who fills waits for the phase before: the first is free.
        let phase = match side {
            Side::Full => Some(turn / slots),
            Side::Empty => (turn / slots).checked_sub(1),
        };
        let Some(phase) = phase else { return Ok(true) };
        let phases = self.barriers.entry((view.buffer, cells[0].slot, side)).or_default();
        if phases.done <= phase {
            return Ok(false);
        }
        if phases.done > phase + 1 {
            let what = format!("{} is a phase ahead: its parity says that it is not over", self.name(view));
            return Err(self.fault(warp, what));
        }
        let clock = phases.over[phase].clone();
        self.warps[warp].clock.join(&clock);
        Ok(true)
    }

    /// Meets `others` and itself; false until all have come.
    fn meet(&mut self, warp: usize, key: (usize, usize), others: &[usize]) -> bool {
        let clock = self.warps[warp].clock.clone();
        let (come, seen) = self.meetings.entry(key).or_default();
        if !come.contains(&warp) {
            come.push(warp);
            seen.join(&clock);
        }
        if come.len() < others.len() {
            return false;
        }
        // The last to come lets all go on.
        let seen = seen.clone();
        self.meetings.remove(&key);
        for other in others {
            self.warps[*other].clock.join(&seen);
            if *other != warp {
                self.warps[*other].at += 1;
            }
        }
        true
    }

    fn those(&self, holds: impl Fn(&Warp) -> bool) -> Vec<usize> {
        (0..self.warps.len()).filter(|warp| holds(&self.warps[*warp])).collect()
    }

    /// One step of a warp; false if it has to wait.
    fn step(&mut self, warp: usize) -> Result<bool, Fault> {
        let op = self.warps[warp].ops[self.warps[warp].at].clone();
        let (role, copy, issues) = (self.warps[warp].role, self.warps[warp].copy, self.warps[warp].issues);
        match &op.step {
            Step::AwaitFull(view) => return self.wait(warp, *view, Side::Full, &op),
            Step::AwaitEmpty(view) => return self.wait(warp, *view, Side::Empty, &op),
            Step::Fill(view) => {
                let clock = self.tick(warp);
                self.arrive(warp, *view, Side::Full, 1, &clock, &op)?;
            }
            Step::Release(view) => {
                let clock = self.tick(warp);
                self.arrive(warp, *view, Side::Empty, 1, &clock, &op)?;
            }
            Step::ReleaseForAll(view) if issues => {
                let clock = self.tick(warp);
                let warps = self.those(|other| other.role == role && other.copy == copy).len();
                self.arrive(warp, *view, Side::Empty, warps, &clock, &op)?;
            }
            Step::Copy { to, at, .. } => {
                let clock = self.tick(warp);
                if let Some(at) = at {
                    self.read(warp, warp, &clock, *at, &op)?;
                }
                // It lands by itself; who waits for its barrier has seen it.
                let engine = self.copies_into(self.cells(warp, *to, &op)?.0[0], to.buffer);
                let mut landed = clock.clone();
                landed.set(engine, clock.at(warp));
                self.write(warp, engine, &landed, *to, &op)?;
                self.arrive(warp, *to, Side::Full, 1, &landed, &op)?;
            }
            Step::CopyAsync { to, at, checked, .. } => {
                let clock = self.tick(warp);
                let (cells, turn) = self.cells(warp, *to, &op)?;
                let columns = self.shared(to.buffer).is_some_and(|shared| shared.turns == Turns::Columns);
                // A tile that there is not is not copied.
                if columns && turn >= op.rightmost + op.item.tiles {
                    return Ok(true);
                }
                if let Some(at) = at {
                    self.read(warp, warp, &clock, *at, &op)?;
                }
                let engine = self.copies_of(warp, cells[0], to.buffer);
                let mut landed = clock.clone();
                landed.set(engine, clock.at(warp));
                self.write(warp, engine, &landed, *to, &op)?;
                let passes = self.may_pass && self.warps.len() == 1 && !op.item.grows && turn % 2 == 1;
                for cell in cells {
                    let contents = self.cells.entry(cell).or_default();
                    contents.has_tail &= !checked;
                    // Q is asked for before it is known whether a warp keeps any score; and where there is only
                    // one, it may pass a tile over.
                    if !columns || passes {
                        contents.uses.extend([Use::Other, Use::Factor { transposed: false }]);
                        contents.uses.insert(Use::Factor { transposed: true });
                    }
                    contents.shares.insert(warp);
                }
                self.warps[warp].open.join(&landed);
            }
            Step::AskFor { to, at, .. } => {
                let clock = self.tick(warp);
                // Of a tile that there is not it is of no use.
                if self.cells(warp, *to, &op)?.1 >= op.rightmost + op.item.tiles {
                    return Ok(true);
                }
                if let Some(at) = at {
                    self.read(warp, warp, &clock, *at, &op)?;
                }
                self.write(warp, warp, &clock, *to, &op)?;
            }
            Step::CopyConverted { .. } | Step::WriteConverted { .. } => {
                let (to, from) = match &op.step {
                    Step::WriteConverted { to, from } => (to, Some(from)),
                    Step::CopyConverted { to, at, .. } => (to, at.as_ref()),
                    _ => unreachable!("one of the two"),
                };
                let clock = self.tick(warp);
                if let Some(from) = from {
                    self.read(warp, warp, &clock, *from, &op)?;
                }
                self.write(warp, warp, &clock, *to, &op)?;
                for cell in self.cells(warp, *to, &op)?.0 {
                    let contents = self.cells.entry(cell).or_default();
                    contents.shares.insert(warp);
                    contents.converted.insert(warp);
                }
            }
            Step::Transpose { to, from } => {
                let clock = self.tick(warp);
                self.read(warp, warp, &clock, *from, &op)?;
                self.has_no_tail(warp, *from, &op)?;
                self.write(warp, warp, &clock, *to, &op)?;
                for cell in self.cells(warp, *to, &op)?.0 {
                    self.cells.entry(cell).or_default().shares.insert(warp);
                }
            }
            Step::FillOnceCopied(view) => {
                // All copies before, of each lane; it arrives once they have landed, whatever the warp does meanwhile.
                self.tick(warp);
                let landed = self.warps[warp].open.clone();
                self.arrive(warp, *view, Side::Full, LANES, &landed, &op)?;
            }
            Step::CommitCopies => {
                let group = std::mem::take(&mut self.warps[warp].open);
                self.warps[warp].groups.push_back(group);
            }
            Step::AwaitAllCopies => {
                let open = std::mem::take(&mut self.warps[warp].open);
                let groups = std::mem::take(&mut self.warps[warp].groups);
                groups.iter().chain([&open]).for_each(|group| self.warps[warp].clock.join(group));
            }
            Step::AwaitCopies(left) => {
                while self.warps[warp].groups.len() > *left {
                    if let Some(done) = self.warps[warp].groups.pop_front() {
                        self.warps[warp].clock.join(&done);
                    }
                }
            }
            Step::MultiplyAtOnce { into, a, b, fresh, .. } => {
                let clock = self.tick(warp);
                for factor in [*a, *b] {
                    self.read(warp, warp, &clock, factor, &op)?;
                    self.has_no_tail(warp, factor, &op)?;
                }
                let into = View::now(*into);
                if !fresh {
                    self.read(warp, warp, &clock, into, &op)?;
                }
                self.write(warp, warp, &clock, into, &op)?;
            }
            Step::Store { from, .. } if issues => {
                let clock = self.tick(warp);
                let engine = self.stores_of(warp);
                let mut begun = clock.clone();
                begun.set(engine, clock.at(warp));
                self.read(warp, engine, &begun, *from, &op)?;
                self.warps[warp].stores = begun;
            }
            Step::AwaitStoresRead if issues => {
                let stores = self.warps[warp].stores.clone();
                self.warps[warp].clock.join(&stores);
            }
            Step::Multiply { into, a, b, transposed, fresh } => {
                self.multiply(warp, (*into, *a, *b, *transposed, *fresh), &op)?;
            }
            Step::FenceProducts => self.warps[warp].fenced = Some(self.warps[warp].clock.clone()),
            Step::AwaitProducts(left) => {
                while self.warps[warp].products.len() > *left {
                    if let Some(done) = self.warps[warp].products.pop_front() {
                        self.warps[warp].clock.join(&done);
                    }
                }
            }
            Step::FenceProxy => {
                let clock = self.tick(warp);
                for contents in self.cells.values_mut() {
                    if contents.unfenced.remove(&warp) {
                        contents.fenced.insert(warp, clock.at(warp));
                    }
                }
                self.warps[warp].shown = clock;
            }
            Step::TakeTurn => {
                // A turn is a warpgroup's: its first warp speaks for it.
                if issues {
                    let Some(clock) = self.turns.remove(&copy) else { return Ok(false) };
                    self.warps[warp].clock.join(&clock);
                }
            }
            Step::PassTurn if issues => {
                let clock = self.tick(warp);
                let next = (copy + 1) % self.plan.roles[role].copies;
                if self.turns.insert(next, clock).is_some() {
                    return Err(self.fault(warp, "the turn has been passed already".to_owned()));
                }
            }
            Step::Meet(Meeting::Transposers) => {
                let all = self.those(|other| other.role == role);
                self.tick(warp);
                return Ok(self.meet(warp, (3, 0), &all));
            }
            Step::Meet(Meeting::Consumers) => {
                let all = self.those(|other| other.role == role);
                self.tick(warp);
                return Ok(self.meet(warp, (0, 0), &all));
            }
            Step::Meet(Meeting::Alone) => {
                let all = self.those(|other| other.role == role && other.copy == copy);
                self.tick(warp);
                return Ok(self.meet(warp, (1, copy), &all));
            }
            Step::Meet(Meeting::Block) => {
                let all = self.those(|_| true);
                self.tick(warp);
                return Ok(self.meet(warp, (2, 0), &all));
            }
            Step::Compute(compute) => self.compute(warp, compute, &op)?,
            // Of lanes; and what one warp does for all.
            // What is set up before roles part is looked at by itself.
            Step::InitBarriers
            | Step::AwaitGrid
            | Step::MeetWarp
            | Step::ReleaseForAll(_)
            | Step::Store { .. }
            | Step::AwaitStoresRead
            | Step::PassTurn => {}
        }
        Ok(true)
    }

    fn multiply(
        &mut self,
        warp: usize,
        (into, a, b, transposed, fresh): (BufferId, View, View, bool, bool),
        op: &Op,
    ) -> Result<(), Fault> {
        let clock = self.tick(warp);
        let engine = self.tensor_cores(warp);
        // Of registers it sees what the last fence has shown, and products before it.
        let Some(mut fenced) = self.warps[warp].fenced.clone() else {
            return Err(self.fault(warp, "no fence has come before the first product".to_owned()));
        };
        for earlier in &self.warps[warp].products {
            fenced.set(engine, earlier.at(engine).max(fenced.at(engine)));
        }
        let mut begun = clock.clone();
        for clock in [&mut fenced, &mut begun] {
            clock.set(engine, self.warps[warp].clock.at(warp));
        }
        for factor in [a, b] {
            let seen = if self.shared(factor.buffer).is_some() { &begun } else { &fenced };
            self.read(warp, engine, seen, factor, op)?;
            if self.shared(factor.buffer).is_some() && self.needs_clear_rows(transposed) {
                self.has_no_tail(warp, factor, op)?;
            }
        }
        let into = View::now(into);
        if !fresh {
            self.read(warp, engine, &fenced, into, op)?;
        }
        // Another product may be under way into the same accumulators: they are in order.
        self.write(warp, engine, &fenced, into, op)?;
        self.warps[warp].products.push_back(begun);
        Ok(())
    }

    fn has_no_tail(&self, warp: usize, factor: View, op: &Op) -> Result<(), Fault> {
        let (cells, _) = self.cells(warp, factor, op)?;
        let has_tail = |cell: &Cell| self.cells.get(cell).is_some_and(|contents| contents.has_tail);
        match cells.iter().any(has_tail) {
            true => {
                let what = format!("rows of {} past the sequence's end are not zero", self.name(factor));
                Err(self.fault(warp, what))
            }
            false => Ok(()),
        }
    }

    /// Rows past the end weigh nothing, but 0 · NaN is NaN: who contracts over them wants them to be zero. Other rows past the
    /// end are masked, if they come along; of blocks that do not exist nothing comes.
    fn needs_clear_rows(&self, transposed: bool) -> bool {
        let comes_by_blocks = |op: &Op| matches!(op.step, Step::Copy { at: Some(_), .. });
        transposed || self.warps.iter().flat_map(|warp| &warp.ops).any(comes_by_blocks)
    }

    /// A warp makes factors of its share, which has come. Who reads the tile has to have seen that, as it does the copies.
    fn convert(&mut self, warp: usize, clock: &Clock, view: View, op: &Op) -> Result<(), Fault> {
        let (cells, turn) = self.cells(warp, view, op)?;
        for cell in cells {
            let copies = self.copies_of(warp, cell, view.buffer);
            let contents = self.cells.entry(cell).or_default();
            let wrong = match contents.written.get(&copies) {
                _ if contents.tag != Some((view.buffer, turn)) => Some("is not the one of this turn"),
                None => Some("has nothing of this warp's in it"),
                Some(at) if clock.at(copies) < *at => Some("may not have come yet"),
                _ if contents.read.iter().any(|(reader, at)| clock.at(*reader) < *at) => {
                    Some("may still be in use")
                }
                _ if !contents.converted.insert(warp) => Some("has been converted before"),
                _ => None,
            };
            contents.written.insert(copies, clock.at(warp));
            self.warps[warp].clock.set(copies, clock.at(warp));
            if let Some(wrong) = wrong {
                return Err(self.fault(warp, format!("{} {wrong}", self.name(view))));
            }
        }
        Ok(())
    }

    fn compute(
        &mut self,
        warp: usize,
        Compute { what, reads, writes }: &Compute,
        op: &Op,
    ) -> Result<(), Fault> {
        let clock = self.tick(warp);
        if *what == Function::ClearRows {
            // A part of what is there: all consumers clear some.
            for view in writes {
                let (cells, turn) = self.cells(warp, *view, op)?;
                for cell in cells {
                    self.alone((warp, warp), &clock, (*view, turn), cell)?;
                    let contents = self.cells.entry(cell).or_default();
                    contents.has_tail = false;
                    contents.unfenced.insert(warp);
                    contents.written.insert(warp, clock.at(warp));
                }
            }
            return Ok(());
        }
        if *what == Function::Convert {
            return writes.iter().try_for_each(|view| self.convert(warp, &clock, *view, op));
        }
        for view in reads {
            self.read(warp, warp, &clock, *view, op)?;
        }
        for view in writes {
            self.write(warp, warp, &clock, *view, op)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
