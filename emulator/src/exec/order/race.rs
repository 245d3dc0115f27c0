//! Races on shared memory, found by what was last done to each byte.
//!
//! A byte remembers who wrote it last, who has read it since, and apart from these who accessed it *strongly*
//! (`.volatile`, `.relaxed` and stronger, atomics, mbarriers, PTX ISA §8.7): a strong access does not hide the ordinary
//! one before it, so whoever was not ordered after that is found whatever came between. An access is checked against all
//! of these: each must be known to the view of who makes the access (see [`super::clocks`]). Lanes of one warp are ordered
//! by what brings the warp together: with no barrier of the warp, of the block or in memory between, one lane may not use
//! what another writes, whatever order a warp that happens to run in step would give them. Votes and shuffles order no
//! memory (PTX ISA §9.7.9.6).
//!
//! Strong accesses do not race with each other, with one exception. `.volatile` is what code before Volta exchanged data
//! with, and what flags are made of to this day. The model gives both the meaning of `.relaxed`; what tells them apart is
//! what becomes of the value. A load *polls* if it decides whether the loop that it is in goes on, or decides branches
//! and nothing else (`decode/polls.rs`): that is a flag. Any other volatile load takes data, and races with the volatile
//! stores of others that nothing orders with it. So do two volatile stores of different values, unless one of the two
//! polls that word or uses it atomically. Accesses that are atomic in the source language (`.relaxed` and stronger, `atom`) never do.
//!
//! Writes that nothing orders are let pass where both store the same value, as compilers do from every warp, unless the
//! check is strict. A write over what another reads is a race whatever it stores.

use super::clocks::{Agent, View};
use super::shadow::{Cell, Memory, Shadow, WORD};
use super::stamp::{Last, Proxy, Stamp};
use crate::address::RANK_SHIFT;
use crate::program::Strength;
use hashbrown::HashMap;

/// Two accesses that nothing orders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conflict {
    /// The one that came first here.
    pub earlier: Stamp,
    /// Its lane, where it is known.
    pub lane: Option<u32>,
    /// Whether it was a write.
    pub wrote: bool,
    /// The first byte that both touch.
    pub address: u32,
    /// They are ordered, and only the fence between the proxies is missing.
    pub unfenced: bool,
}

/// Records, and sets of them, that are kept at most; then all is forgotten and begins anew. They take a few
/// hundred MiB, and a number shifted left by six bits still fits a word.
const MOST: usize = 1 << 22;

/// See the file's head.
pub(crate) struct Races {
    shadows: Vec<Shadow>,
    /// Record zero is nobody's.
    records: Vec<Stamp>,
    /// Sets of accesses, a read and a write an agent; set zero is empty.
    sets: Vec<Box<[u32]>>,
    /// Last record of an agent and an instruction.
    latest: HashMap<(Agent, u32), u32>,
    asked: Asked,
    /// Copies of lanes (`cp.async`) want a proxy fence as ordinary writes do.
    copies_want_fences: bool,
}

const NOBODY: Stamp = Stamp {
    agent: 0,
    clock: 0,
    pc: 0,
    warp: 0,
    sync: 0,
    collective: false,
    strength: Strength::Relaxed,
    writes: false,
    proxy: Proxy::Copy,
};

/// Copies of one warp that it waited for with nothing to bring its lanes together since: each is complete for the
/// lane that issued it, and for no other (PTX ISA §9.7.9.25.3.3).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fresh {
    /// The last copy that is complete for all.
    pub from: u64,
    /// How often the warp had come together when it waited.
    pub sync: u32,
}

/// What became of checking an access against a set of others.
struct Verdict {
    /// The same would do for another lane.
    for_all: bool,
    /// There was something that was let pass.
    passed: bool,
}

/// Questions about an access that have been answered: neighbouring cells, and the lanes of one instruction, nearly
/// always ask the same ones. Views only grow, so what was fine stays so.
#[derive(Default)]
struct Asked {
    /// The record of the access.
    by: u32,
    /// The record of a write that it may follow, and sets of reads and of others.
    written: u32,
    read: u32,
    others: u32,
    /// A set that it was put into, and what that became.
    joined: (u32, u32),
}

/// An access that is being checked: what it is, the number of its record, what is known to who makes it, and of which
/// copies.
#[derive(Clone, Copy)]
pub(crate) struct Made<'v> {
    pub stamp: &'v Stamp,
    pub record: u32,
    pub view: &'v View,
    pub fresh: Fresh,
    pub lane: u32,
}

impl Races {
    /// For blocks of so many bytes of shared memory.
    pub fn new(blocks: u32, bytes: u32, copies_want_fences: bool) -> Races {
        Races {
            shadows: (0..blocks).map(|_| Shadow::new(bytes as usize)).collect(),
            records: vec![NOBODY],
            sets: vec![Box::default()],
            latest: HashMap::new(),
            asked: Asked::default(),
            copies_want_fences,
        }
    }

    /// The number of a stamp; repeated in a loop without synchronisation it is the same.
    pub fn record(&mut self, stamp: Stamp) -> u32 {
        if self.records.len() >= MOST || self.sets.len() >= MOST {
            self.forget();
        }
        let next = self.records.len();
        let known = self.latest.entry((stamp.agent, stamp.pc)).or_insert(0);
        let last = &self.records[*known as usize];
        if *known != 0 && last.same(&stamp) {
            return *known;
        }
        *known = next as u32;
        self.records.push(stamp);
        next as u32
    }

    /// As if nothing had been done yet.
    #[cold]
    fn forget(&mut self) {
        for shadow in &mut self.shadows {
            *shadow = Shadow::new(shadow.len);
        }
        self.records.truncate(1);
        self.sets.truncate(1);
        self.latest.clear();
        self.asked = Asked::default();
    }

    /// As if nothing had been done to this byte.
    pub fn forget_byte(&mut self, address: u32) {
        if let Some((rank, range)) = self.place(address, 1) {
            let (shadow, word) = (&mut self.shadows[rank], range.start / WORD);
            let mut cells = shadow.cells(word);
            cells[range.start % WORD] = Cell::default();
            shadow.set_cells(word, cells);
        }
    }

    /// The block whose memory an access is to, and where it is there.
    fn place(&self, address: u32, count: u32) -> Option<(usize, std::ops::Range<usize>)> {
        let rank = (address >> RANK_SHIFT) as usize;
        let offset = (address & ((1 << RANK_SHIFT) - 1)) as usize;
        let range = offset..offset + count as usize;
        (range.end <= self.shadows.get(rank)?.len).then_some((rank, range))
    }

    /// Whether `later` may follow the write or the read that `record` stands for.
    #[inline]
    fn ordered(earlier: &Stamp, later: &Stamp, view: &View) -> bool {
        earlier.clock == 0
            || view.has_seen(earlier.agent, earlier.clock)
            || earlier.agrees(later)
            || earlier.same(later)
    }

    /// Whether `later` goes through the async proxy, and the write before it does not and was not made known there.
    /// Reads before a write through it need no fence: whoever knows that they are over knows enough. Copies of lanes are
    /// ordinary writes by the letter (PTX ISA §8.5), yet FlashAttention-3 and CUTLASS have `wgmma` read what they brought
    /// without a fence: they count where that is asked for.
    #[inline]
    fn unfenced(&self, earlier: &Stamp, later: &Stamp, view: &View) -> bool {
        let wants_fence = match earlier.proxy {
            Proxy::Generic => true,
            Proxy::Copy => self.copies_want_fences,
            _ => false,
        };
        later.proxy == Proxy::Async
            && wants_fence
            && earlier.writes
            && !view.has_fenced(earlier.agent, earlier.clock)
    }

    /// Whether lanes of one warp did these with nothing to bring them together between.
    #[inline]
    fn apart(earlier: &Stamp, later: &Stamp, fresh: Fresh) -> bool {
        let beside = matches!(later.proxy, Proxy::Store | Proxy::Async);
        if earlier.warp != later.warp || beside || earlier.clock == 0 {
            return false;
        }
        match earlier.proxy {
            Proxy::Generic | Proxy::Object => earlier.sync == later.sync && !earlier.agrees(later),
            Proxy::Copy => fresh.sync == later.sync && earlier.clock > fresh.from,
            Proxy::Store | Proxy::Async => false,
        }
    }

    /// The first access of a set that `made` must not follow, and that `passes` does not let pass; `last` is the last of
    /// the set.
    fn against(
        &self,
        set: u32,
        last: Last,
        made: Made,
        address: u32,
        passes: impl Fn(&Stamp) -> bool,
    ) -> Result<Verdict, Conflict> {
        let Made { stamp, view, fresh, lane, .. } = made;
        let mut verdict = Verdict { for_all: true, passed: false };
        for record in &self.sets[set as usize] {
            let earlier = self.records[*record as usize];
            let is_last = last.record() == *record;
            // Lanes that access the same byte in one instruction leave it to chance which comes first; that is theirs.
            let own = earlier.pc != stamp.pc && Self::apart(&earlier, stamp, fresh);
            let other = earlier.collective || stamp.collective || (is_last && last.is_other(lane));
            let raced = !Self::ordered(&earlier, stamp, view) || (own && other);
            verdict.for_all &= !own && !raced;
            if raced && passes(&earlier) {
                verdict.passed = true;
            } else if raced || self.unfenced(&earlier, stamp, view) {
                let lane = is_last.then_some(last.lane());
                return Err(Conflict { earlier, lane, wrote: earlier.writes, address, unfenced: !raced });
            }
        }
        Ok(verdict)
    }

    /// Whether one of two volatile writes that nothing orders is by somebody who polls the word, or uses it atomically.
    fn is_flag(&self, set: u32, earlier: &Stamp, later: &Stamp) -> bool {
        let is_volatile = |stamp: &Stamp| matches!(stamp.strength, Strength::Volatile { .. });
        let looks = |record: &u32| {
            let stamp = &self.records[*record as usize];
            let takes_part = stamp.agent == earlier.agent || stamp.agent == later.agent;
            takes_part && (stamp.polls() || (stamp.is_strong() && !is_volatile(stamp)))
        };
        is_volatile(earlier) && is_volatile(later) && self.sets[set as usize].iter().any(looks)
    }

    /// Puts `made` into a set, and after the last of that.
    fn join(&mut self, set: u32, last: Last, made: Made) -> (u32, Last) {
        if self.asked.joined.0 != set || self.asked.joined.1 == 0 {
            self.asked.joined = (set, self.with(set, made.record));
        }
        let now = Last::new(made.record, made.lane);
        if set == 0 {
            return (self.asked.joined.1, now);
        }
        let before = &self.records[last.record() as usize];
        let together = before.agent == made.stamp.agent && before.sync == made.stamp.sync;
        let several = together && last.is_other(made.lane);
        (self.asked.joined.1, if several { now.among_several() } else { now })
    }

    /// A read of `count` bytes.
    ///
    /// # Errors
    /// A write that is not ordered before it.
    pub fn read(&mut self, made: Made, address: u32, count: u32) -> Result<(), Conflict> {
        self.each_cell(made, address, count, |races, cell, at| races.of_read(cell, made, at))
    }

    /// A write of `count` bytes; `same` tells whether they hold already what it stores.
    ///
    /// # Errors
    /// A read or a write that is not ordered before it.
    pub fn write(
        &mut self,
        made: Made,
        address: u32,
        count: u32,
        same: &dyn Fn() -> bool,
    ) -> Result<(), Conflict> {
        self.each_cell(made, address, count, |races, cell, at| races.of_write(cell, made, at, same))
    }

    /// Lets each cell of these bytes remember what `next` says, until it finds a conflict.
    #[inline]
    fn each_cell(
        &mut self,
        made: Made,
        address: u32,
        count: u32,
        mut next: impl FnMut(&mut Races, Cell, u32) -> Result<Memory, Conflict>,
    ) -> Result<(), Conflict> {
        let Some((rank, range)) = self.place(address, count) else { return Ok(()) };
        if self.asked.by != made.record {
            self.asked = Asked { by: made.record, ..Asked::default() };
        }
        let mut byte = range.start;
        // Neighbours mostly were accessed together, and what one of them remembers all do.
        let mut before: Option<(Cell, Cell)> = None;
        while byte < range.end {
            let at = address + (byte - range.start) as u32;
            let word = byte / WORD;
            let end = range.end.min((word + 1) * WORD);
            match self.shadows[rank].words[word] {
                (cell, 0) if end - byte == WORD => {
                    let after = match before {
                        Some((same, after)) if same == cell => after,
                        _ => {
                            let mut after = cell;
                            after.remember(next(self, cell, at)?);
                            before = Some((cell, after));
                            after
                        }
                    };
                    self.shadows[rank].words[word].0 = after;
                }
                _ => self.each_byte(rank, byte..end, at, &mut next)?,
            }
            byte = end;
        }
        Ok(())
    }

    /// Likewise for these bytes of one word.
    fn each_byte(
        &mut self,
        rank: usize,
        range: std::ops::Range<usize>,
        address: u32,
        next: &mut impl FnMut(&mut Races, Cell, u32) -> Result<Memory, Conflict>,
    ) -> Result<(), Conflict> {
        let word = range.start / WORD;
        let mut cells = self.shadows[rank].cells(word);
        let mut outcome = Ok(());
        for byte in range.clone() {
            let cell = &mut cells[byte % WORD];
            match next(self, *cell, address + (byte - range.start) as u32) {
                Ok(memory) => cell.remember(memory),
                Err(conflict) => {
                    outcome = Err(conflict);
                    break;
                }
            }
        }
        self.shadows[rank].set_cells(word, cells);
        outcome
    }

    /// What a cell remembers of a read.
    #[inline]
    fn of_read(&mut self, cell: Cell, made: Made, at: u32) -> Result<Memory, Conflict> {
        let Made { stamp, view, fresh, lane, .. } = made;
        let Cell { written, others, other, .. } = cell;
        if written.record() != self.asked.written {
            let earlier = self.records[written.record() as usize];
            let apart = Self::apart(&earlier, stamp, fresh);
            let foreign = written.is_other(lane) || earlier.collective || stamp.collective;
            let raced = !Self::ordered(&earlier, stamp, view) || (apart && foreign);
            if raced || self.unfenced(&earlier, stamp, view) {
                let lane = Some(written.lane());
                return Err(Conflict { earlier, lane, wrote: true, address: at, unfenced: !raced });
            }
            if !apart {
                self.asked.written = written.record();
            }
        }
        if others != 0
            && others != self.asked.others
            && self.against(others, other, made, at, |_| false)?.for_all
        {
            self.asked.others = others;
        }
        let (set, last) = if stamp.is_strong() { (others, other) } else { (cell.read, cell.reader) };
        let (set, last) = self.join(set, last, made);
        Ok(if stamp.is_strong() { Memory::Other(set, last) } else { Memory::Read(set, last) })
    }

    /// What a cell remembers of a write.
    #[inline]
    fn of_write(
        &mut self,
        cell: Cell,
        made: Made,
        at: u32,
        same: &dyn Fn() -> bool,
    ) -> Result<Memory, Conflict> {
        let Made { stamp, record, view, fresh, lane } = made;
        let Cell { written, read, reader, others, other } = cell;
        // Both store the same: they are beside each other.
        let mut beside = false;
        if written.record() != self.asked.written {
            let earlier = self.records[written.record() as usize];
            let apart = Self::apart(&earlier, stamp, fresh);
            let foreign = written.is_other(lane) || earlier.collective || stamp.collective;
            // Lanes that write the same byte in one instruction leave it to chance which wins; that is theirs.
            let at_once = earlier.pc == stamp.pc;
            let raced = !Self::ordered(&earlier, stamp, view) || (apart && !at_once && foreign);
            let unfenced = !raced && self.unfenced(&earlier, stamp, view);
            beside = raced && Self::by_threads(&earlier, stamp) && same();
            if (raced || unfenced) && !beside {
                let lane = Some(written.lane());
                return Err(Conflict { earlier, lane, wrote: true, address: at, unfenced });
            }
            if !apart && !beside {
                self.asked.written = written.record();
            }
        }
        if read != 0 && read != self.asked.read && self.against(read, reader, made, at, |_| false)?.for_all {
            self.asked.read = read;
        }
        if others != 0 && others != self.asked.others {
            let passes = |earlier: &Stamp| {
                earlier.writes
                    && (self.is_flag(others, earlier, stamp) || (Self::by_threads(earlier, stamp) && same()))
            };
            let verdict = self.against(others, other, made, at, passes)?;
            beside |= verdict.passed;
            if verdict.for_all {
                self.asked.others = others;
            }
        }
        if stamp.is_strong() || beside {
            let (others, other) = self.join(others, other, made);
            return Ok(Memory::Other(others, other));
        }
        Ok(Memory::Write(Last::new(record, lane)))
    }

    /// What was last done to the shared memory of the block of this rank, by others or beside its warps, and is not
    /// known to `view`: it may still be going on. Addresses come with it.
    pub fn unfinished(&self, rank: u32, warps: u32, view: &View) -> Option<Conflict> {
        let shadow = self.shadows.get(rank as usize)?;
        let open = |record: u32| {
            let stamp = self.records[record as usize];
            let beside = matches!(stamp.proxy, Proxy::Store | Proxy::Async);
            let foreign = stamp.warp / warps != rank || beside;
            (stamp.clock != 0 && foreign && !view.has_seen(stamp.agent, stamp.clock)).then_some(stamp)
        };
        let (mut fine, mut fine_set, mut fine_others) = (0, 0, 0);
        let cells =
            |word| shadow.cells(word).into_iter().enumerate().map(move |(i, cell)| (word * WORD + i, cell));
        for (byte, Cell { written, read, others, .. }) in (0..shadow.words.len()).flat_map(cells) {
            let address = rank << RANK_SHIFT | byte as u32;
            if written.record() != fine {
                if let Some(earlier) = open(written.record()) {
                    let lane = Some(written.lane());
                    return Some(Conflict { earlier, lane, wrote: true, address, unfenced: false });
                }
                fine = written.record();
            }
            for (set, fine) in [(read, &mut fine_set), (others, &mut fine_others)] {
                if set != *fine {
                    if let Some(earlier) = self.sets[set as usize].iter().find_map(|record| open(*record)) {
                        let wrote = earlier.writes;
                        return Some(Conflict { earlier, lane: None, wrote, address, unfenced: false });
                    }
                    *fine = set;
                }
            }
        }
        None
    }

    /// A set with one more record, which takes the place of one of the same agent that does the same.
    fn with(&mut self, set: u32, record: u32) -> u32 {
        let old = &self.sets[set as usize];
        if record == 0 || old.contains(&record) {
            return set;
        }
        let Stamp { agent, writes, .. } = self.records[record as usize];
        let stays = |r: &u32| {
            let other = &self.records[*r as usize];
            (other.agent, other.writes) != (agent, writes)
        };
        let new: Box<[u32]> = old.iter().copied().filter(stays).chain([record]).collect();
        // Neighbouring bytes are accessed together again and again: look at what was made last.
        let recent = self.sets.len().saturating_sub(8).max(1);
        if let Some(found) = self.sets[recent..].iter().position(|s| *s == new) {
            return (recent + found) as u32;
        }
        self.sets.push(new);
        (self.sets.len() - 1) as u32
    }

    /// Whether threads make both accesses themselves.
    fn by_threads(earlier: &Stamp, later: &Stamp) -> bool {
        earlier.proxy == Proxy::Generic && later.proxy == Proxy::Generic
    }
}
