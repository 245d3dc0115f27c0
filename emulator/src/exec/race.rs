//! Races on shared memory, found by what was last done to each byte.
//!
//! A byte remembers who wrote it last and who has read it since. An access is checked against these: each must be
//! known to the view of who makes the access (see [`super::order`]). Lanes of one warp are ordered by what brings
//! the warp together: with no barrier of the warp, of the block or in memory between, one lane may not use what another
//! writes, whatever order a warp that happens to run in step would give them. Votes and shuffles order no memory
//! (PTX ISA §9.7.9.6). Strong accesses (atomics, `.volatile`, `.relaxed` and stronger, PTX ISA §8.7) do not
//! race with each other.

use super::order::{Agent, View};
use std::collections::HashMap;

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
    /// Atomics and their like.
    pub strong: bool,
    /// Done through the async proxy, or by a copy that is complete once it is waited for.
    pub proxy: Proxy,
}

impl Stamp {
    /// Whether it is the same instruction, executed with nothing in between.
    pub fn same(&self, other: &Stamp) -> bool {
        (self.agent, self.clock, self.pc, self.sync, self.strong)
            == (other.agent, other.clock, other.pc, other.sync, other.strong)
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
    /// Record of the last write, shifted left by five, and its lane; zero for none.
    written: Vec<u32>,
    /// Set of the reads since.
    read: Vec<u32>,
    /// Record of the last read, and its lane.
    reader: Vec<u32>,
}

/// Records, and sets of them, that are kept at most; then all is forgotten and begins anew. They take a few
/// hundred MiB, and a number shifted left by a lane's five bits still fits a word.
const MOST: usize = 1 << 22;

/// See the file's head.
pub(crate) struct Races {
    shadows: Vec<Shadow>,
    /// Record zero is nobody's.
    records: Vec<Stamp>,
    /// Sets of reads, one record an agent; set zero is empty.
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
    strong: true,
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

impl Races {
    /// For blocks of so many bytes of shared memory.
    pub fn new(blocks: u32, bytes: u32) -> Races {
        let shadow = || {
            let none = || vec![0; bytes as usize];
            Shadow { written: none(), read: none(), reader: none() }
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
            [&mut shadow.written, &mut shadow.read, &mut shadow.reader]
                .into_iter()
                .for_each(|all| all.fill(0));
        }
        self.records.truncate(1);
        self.sets.truncate(1);
        self.latest.clear();
    }

    /// As if nothing had been done to this byte.
    pub fn forget_byte(&mut self, address: u32) {
        if let Some((shadow, range)) = self.shadow(address, 1) {
            (shadow.written[range.start], shadow.read[range.start]) = (0, 0);
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
            || (earlier.strong && later.strong)
            || earlier.same(later)
    }

    /// Whether `later` goes through the async proxy, and the write before it does not and was not made known there.
    /// Reads before a write through it need no fence: whoever knows that they are over knows enough.
    #[inline]
    fn unfenced(earlier: &Stamp, later: &Stamp, view: &View) -> bool {
        later.proxy == Proxy::Async
            && earlier.proxy == Proxy::Generic
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
            Proxy::Generic | Proxy::Object => earlier.sync == later.sync && !(earlier.strong && later.strong),
            Proxy::Copy => fresh.sync == later.sync && earlier.clock > fresh.from,
            Proxy::Store | Proxy::Async => false,
        }
    }

    /// A read of `count` bytes by `lane`; `record` is the number of `stamp`.
    ///
    /// # Errors
    /// A write that is not ordered before it.
    pub fn read(
        &mut self,
        (stamp, record, view, fresh): (&Stamp, u32, &View, Fresh),
        lane: u32,
        address: u32,
        count: u32,
    ) -> Result<(), Conflict> {
        let Some((_, range)) = self.shadow(address, count) else { return Ok(()) };
        let rank = (address >> crate::address::RANK_SHIFT) as usize;
        // The last answer of each question, which is nearly always the next one's too.
        let (mut fine, mut before, mut after) = (0u32, u32::MAX, 0u32);
        for byte in range.clone() {
            let written = self.shadows[rank].written[byte];
            if written >> 5 != fine {
                let earlier = self.records[(written >> 5) as usize];
                let conflict = |unfenced| Conflict {
                    earlier,
                    lane: Some(written & 31),
                    wrote: true,
                    address: address + (byte - range.start) as u32,
                    unfenced,
                };
                let apart = Self::apart(&earlier, stamp, fresh);
                let other = written & 31 != lane || earlier.collective || stamp.collective;
                if !Self::ordered(&earlier, stamp, view) || (apart && other) {
                    return Err(conflict(false));
                }
                if Self::unfenced(&earlier, stamp, view) {
                    return Err(conflict(true));
                }
                if !apart {
                    fine = written >> 5;
                }
            }
            let set = self.shadows[rank].read[byte];
            if set != before {
                (before, after) = (set, self.with(set, record));
            }
            let shadow = &mut self.shadows[rank];
            shadow.read[byte] = after;
            shadow.reader[byte] = record << 5 | lane;
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
        let (mut fine, mut fine_set) = (0, 0);
        for (byte, (written, set)) in shadow.written.iter().zip(&shadow.read).enumerate() {
            let address = rank << crate::address::RANK_SHIFT | byte as u32;
            if written >> 5 != fine {
                if let Some(earlier) = open(written >> 5) {
                    let lane = Some(written & 31);
                    return Some(Conflict { earlier, lane, wrote: true, address, unfenced: false });
                }
                fine = written >> 5;
            }
            if *set != fine_set {
                if let Some(earlier) = self.sets[*set as usize].iter().find_map(|record| open(*record)) {
                    return Some(Conflict { earlier, lane: None, wrote: false, address, unfenced: false });
                }
                fine_set = *set;
            }
        }
        None
    }

    /// A set with one more record, which takes the place of one of the same agent.
    fn with(&mut self, set: u32, record: u32) -> u32 {
        let old = &self.sets[set as usize];
        if record == 0 || old.contains(&record) {
            return set;
        }
        let agent = self.records[record as usize].agent;
        let others = old.iter().copied().filter(|r| self.records[*r as usize].agent != agent);
        let new: Box<[u32]> = others.chain([record]).collect();
        // Neighbouring bytes are read together again and again: look at what was made last.
        let recent = self.sets.len().saturating_sub(8).max(1);
        if let Some(found) = self.sets[recent..].iter().position(|s| *s == new) {
            return (recent + found) as u32;
        }
        self.sets.push(new);
        (self.sets.len() - 1) as u32
    }

    /// A write of `count` bytes by `lane`.
    ///
    /// # Errors
    /// A read or a write that is not ordered before it.
    pub fn write(
        &mut self,
        (stamp, record, view, fresh): (&Stamp, u32, &View, Fresh),
        lane: u32,
        address: u32,
        count: u32,
    ) -> Result<(), Conflict> {
        let Some((_, range)) = self.shadow(address, count) else { return Ok(()) };
        let rank = (address >> crate::address::RANK_SHIFT) as usize;
        let (mut fine, mut fine_set) = (0u32, 0u32);
        let shadow = &mut self.shadows[rank];
        for byte in range.clone() {
            let at = address + (byte - range.start) as u32;
            let (written, set) = (shadow.written[byte], shadow.read[byte]);
            if written >> 5 != fine {
                let earlier = self.records[(written >> 5) as usize];
                let apart = Self::apart(&earlier, stamp, fresh);
                let other = written & 31 != lane || earlier.collective || stamp.collective;
                // Lanes that write the same byte in one instruction leave it to chance which wins; that is theirs.
                let at_once = earlier.pc == stamp.pc;
                let raced = !Self::ordered(&earlier, stamp, view) || (apart && !at_once && other);
                if raced || Self::unfenced(&earlier, stamp, view) {
                    let lane = Some(written & 31);
                    return Err(Conflict { earlier, lane, wrote: true, address: at, unfenced: !raced });
                }
                if !apart {
                    fine = written >> 5;
                }
            }
            if set != fine_set {
                let mut apart = false;
                for reader in &self.sets[set as usize] {
                    let earlier = self.records[*reader as usize];
                    let last = shadow.reader[byte];
                    let by = (last >> 5 == *reader).then_some(last & 31);
                    let own = Self::apart(&earlier, stamp, fresh) && earlier.pc != stamp.pc;
                    apart |= own;
                    let other = earlier.collective || stamp.collective || by.is_some_and(|by| by != lane);
                    if !Self::ordered(&earlier, stamp, view) || (own && other) {
                        return Err(Conflict {
                            earlier,
                            lane: by,
                            wrote: false,
                            address: at,
                            unfenced: false,
                        });
                    }
                }
                if !apart {
                    fine_set = set;
                }
            }
            shadow.written[byte] = record << 5 | lane;
            shadow.read[byte] = 0;
        }
        Ok(())
    }
}
