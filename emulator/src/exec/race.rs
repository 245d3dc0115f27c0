//! Races on shared memory, found by what was last done to each byte.
//!
//! A byte remembers who wrote it last, who has read it since, and apart from these who accessed it *strongly*
//! (`.volatile`, `.relaxed` and stronger, atomics, mbarriers, PTX ISA §8.7): a strong access does not hide the ordinary
//! one before it, so whoever was not ordered after that is found whatever came between. An access is checked against all
//! of these: each must be known to the view of who makes the access (see [`super::order`]). Lanes of one warp are ordered
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

use super::order::{Agent, View};
use super::stamp::{Last, Proxy, Stamp};
use crate::program::Strength;
use std::collections::HashMap;

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

/// What a block's shared memory remembers, byte by byte.
struct Shadow {
    /// The last ordinary write.
    written: Vec<Last>,
    /// Set of the ordinary reads since.
    read: Vec<u32>,
    /// The last of them.
    reader: Vec<Last>,
    /// Set of the strong accesses since, and of writes that stored what was there.
    others: Vec<u32>,
    /// The last of them.
    other: Vec<Last>,
    /// Bytes that may have such a set.
    strong: std::ops::Range<usize>,
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
    pub fn new(blocks: u32, bytes: u32) -> Races {
        let bytes = bytes as usize;
        let shadow = || Shadow {
            written: vec![Last::default(); bytes],
            read: vec![0; bytes],
            reader: vec![Last::default(); bytes],
            others: vec![0; bytes],
            other: vec![Last::default(); bytes],
            strong: bytes..0,
        };
        Races {
            shadows: (0..blocks).map(|_| shadow()).collect(),
            records: vec![NOBODY],
            sets: vec![Box::default()],
            latest: HashMap::new(),
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
            for all in [&mut shadow.written, &mut shadow.reader, &mut shadow.other] {
                all.fill(Last::default());
            }
            shadow.read.fill(0);
            shadow.others.fill(0);
        }
        self.records.truncate(1);
        self.sets.truncate(1);
        self.latest.clear();
    }

    /// As if nothing had been done to this byte.
    pub fn forget_byte(&mut self, address: u32) {
        if let Some((shadow, range)) = self.shadow(address, 1) {
            shadow.written[range.start] = Last::default();
            (shadow.read[range.start], shadow.others[range.start]) = (0, 0);
        }
    }

    fn shadow(&mut self, address: u32, count: u32) -> Option<(&mut Shadow, std::ops::Range<usize>)> {
        let rank = (address >> crate::address::RANK_SHIFT) as usize;
        let offset = (address & ((1 << crate::address::RANK_SHIFT) - 1)) as usize;
        let shadow = self.shadows.get_mut(rank)?;
        let range = offset..offset + count as usize;
        (range.end <= shadow.written.len()).then_some((shadow, range))
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
    /// Reads before a write through it need no fence: whoever knows that they are over knows enough.
    #[inline]
    fn unfenced(earlier: &Stamp, later: &Stamp, view: &View) -> bool {
        later.proxy == Proxy::Async
            && earlier.proxy == Proxy::Generic
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
            } else if raced || Self::unfenced(&earlier, stamp, view) {
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

    /// Puts `made` into the set that `set` and `last` stand for.
    fn join(&mut self, set: u32, last: Last, made: Made) -> (u32, Last) {
        let now = Last::new(made.record, made.lane);
        if last.record() == 0 {
            return (self.with(set, made.record), now);
        }
        let before = &self.records[last.record() as usize];
        let together = before.agent == made.stamp.agent && before.sync == made.stamp.sync;
        let several = together && last.is_other(made.lane);
        (self.with(set, made.record), if several { now.among_several() } else { now })
    }

    /// A read of `count` bytes.
    ///
    /// # Errors
    /// A write that is not ordered before it.
    pub fn read(&mut self, made: Made, address: u32, count: u32) -> Result<(), Conflict> {
        let Some((shadow, range)) = self.shadow(address, count) else { return Ok(()) };
        let rank = (address >> crate::address::RANK_SHIFT) as usize;
        let Made { stamp, view, fresh, lane, .. } = made;
        if stamp.is_strong() {
            shadow.strong = shadow.strong.start.min(range.start)..shadow.strong.end.max(range.end);
        }
        let others = shadow.strong.start < range.end && range.start < shadow.strong.end;
        // The last answer of each question, which is nearly always the next one's too.
        let (mut fine, mut fine_set) = (0u32, 0u32);
        let mut joined = (u32::MAX, Last::default(), 0u32, Last::default());
        for byte in range.clone() {
            let at = address + (byte - range.start) as u32;
            let written = self.shadows[rank].written[byte];
            if written.record() != fine {
                let earlier = self.records[written.record() as usize];
                let conflict = |unfenced| Conflict {
                    earlier,
                    lane: Some(written.lane()),
                    wrote: true,
                    address: at,
                    unfenced,
                };
                let apart = Self::apart(&earlier, stamp, fresh);
                let other = written.is_other(lane) || earlier.collective || stamp.collective;
                if !Self::ordered(&earlier, stamp, view) || (apart && other) {
                    return Err(conflict(false));
                }
                if Self::unfenced(&earlier, stamp, view) {
                    return Err(conflict(true));
                }
                if !apart {
                    fine = written.record();
                }
            }
            if others {
                let shadow = &self.shadows[rank];
                let (set, last) = (shadow.others[byte], shadow.other[byte]);
                if set != 0 && set != fine_set && self.against(set, last, made, at, |_| false)?.for_all {
                    fine_set = set;
                }
            }
            let shadow = &self.shadows[rank];
            let (set, last) = match stamp.is_strong() {
                true => (shadow.others[byte], shadow.other[byte]),
                false => (shadow.read[byte], shadow.reader[byte]),
            };
            if (set, last) != (joined.0, joined.1) {
                let (new, now) = self.join(set, if set == 0 { Last::default() } else { last }, made);
                joined = (set, last, new, now);
            }
            let shadow = &mut self.shadows[rank];
            match stamp.is_strong() {
                true => (shadow.others[byte], shadow.other[byte]) = (joined.2, joined.3),
                false => (shadow.read[byte], shadow.reader[byte]) = (joined.2, joined.3),
            }
        }
        Ok(())
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
        for (byte, written) in shadow.written.iter().enumerate() {
            let address = rank << crate::address::RANK_SHIFT | byte as u32;
            if written.record() != fine {
                if let Some(earlier) = open(written.record()) {
                    let lane = Some(written.lane());
                    return Some(Conflict { earlier, lane, wrote: true, address, unfenced: false });
                }
                fine = written.record();
            }
            for (set, fine) in [(shadow.read[byte], &mut fine_set), (shadow.others[byte], &mut fine_others)] {
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
        let Some((shadow, range)) = self.shadow(address, count) else { return Ok(()) };
        let rank = (address >> crate::address::RANK_SHIFT) as usize;
        let Made { stamp, record, view, fresh, lane } = made;
        let strong = stamp.is_strong();
        if strong {
            shadow.strong = shadow.strong.start.min(range.start)..shadow.strong.end.max(range.end);
        }
        let others = shadow.strong.start < range.end && range.start < shadow.strong.end;
        let (mut fine, mut fine_set, mut fine_others) = (0u32, 0u32, 0u32);
        for byte in range.clone() {
            let at = address + (byte - range.start) as u32;
            let shadow = &self.shadows[rank];
            let (written, set, reader) = (shadow.written[byte], shadow.read[byte], shadow.reader[byte]);
            let (mut other_set, mut other_last) = match others {
                true => (shadow.others[byte], shadow.other[byte]),
                false => (0, Last::default()),
            };
            // Both store the same: they are beside each other.
            let mut beside = false;
            if written.record() != fine {
                let earlier = self.records[written.record() as usize];
                let apart = Self::apart(&earlier, stamp, fresh);
                let other = written.is_other(lane) || earlier.collective || stamp.collective;
                // Lanes that write the same byte in one instruction leave it to chance which wins; that is theirs.
                let at_once = earlier.pc == stamp.pc;
                let raced = !Self::ordered(&earlier, stamp, view) || (apart && !at_once && other);
                let unfenced = !raced && Self::unfenced(&earlier, stamp, view);
                let pass = raced && Self::by_threads(&earlier, stamp) && same();
                if (raced || unfenced) && !pass {
                    let lane = Some(written.lane());
                    return Err(Conflict { earlier, lane, wrote: true, address: at, unfenced });
                }
                beside = pass;
                if !apart && !pass {
                    fine = written.record();
                }
            }
            if set != 0 && set != fine_set && self.against(set, reader, made, at, |_| false)?.for_all {
                fine_set = set;
            }
            if other_set != 0 && other_set != fine_others {
                let passes = |earlier: &Stamp| {
                    earlier.writes
                        && (self.is_flag(other_set, earlier, stamp)
                            || (Self::by_threads(earlier, stamp) && same()))
                };
                let verdict = self.against(other_set, other_last, made, at, passes)?;
                beside |= verdict.passed;
                if verdict.for_all {
                    fine_others = other_set;
                }
            }
            if strong || beside {
                let last = if other_set == 0 { Last::default() } else { other_last };
                (other_set, other_last) = self.join(other_set, last, made);
                let shadow = &mut self.shadows[rank];
                if beside {
                    shadow.strong = shadow.strong.start.min(byte)..shadow.strong.end.max(byte + 1);
                }
                (shadow.others[byte], shadow.other[byte]) = (other_set, other_last);
            } else {
                let shadow = &mut self.shadows[rank];
                shadow.written[byte] = Last::new(record, lane);
                shadow.read[byte] = 0;
                if others {
                    shadow.others[byte] = 0;
                }
            }
        }
        Ok(())
    }

    /// Whether threads make both accesses themselves.
    fn by_threads(earlier: &Stamp, later: &Stamp) -> bool {
        earlier.proxy == Proxy::Generic && later.proxy == Proxy::Generic
    }
}
