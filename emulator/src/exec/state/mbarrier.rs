//! mbarrier objects in shared memory (PTX ISA §9.7.13.15).
//!
//! An object counts arrivals and the bytes of transactions; when both have come the phase is over and the next one
//! begins. The eight bytes in shared memory hold a copy of the state, so that an ordinary store over a living object
//! is found at its next use. The state that an arrival returns has the phase in its upper bits and the arrivals that
//! were pending before it in the lower twenty.

use crate::exec::order::{Agent, View};
use crate::program::PENDING_BITS;
use hashbrown::HashMap;

/// The most arrivals, and bytes of transactions, that an object counts.
const LARGEST: i64 = (1 << 20) - 1;

/// One object.
#[derive(Debug, Default)]
pub(crate) struct Mbarrier {
    /// Arrivals of every phase from the next on.
    expected: i64,
    /// Arrivals that this phase still lacks.
    pending: i64,
    /// Bytes that this phase still lacks.
    transactions: i64,
    /// Phases that are over, and how many were when it was made.
    pub phase: u64,
    born: u64,
    /// What who waits for the current phase, or for the last, may rely on.
    view: View,
    over: View,
    /// Who announced bytes in this phase, and when, and what was known to those who arrived in it without telling.
    announced: Vec<(Agent, u64)>,
    untold: View,
    /// What ends this phase, and what ended the last.
    ends: Ends,
    last: Ends,
    /// Warps and instructions that were told "not yet" though nothing had to keep them, and of which phase.
    put_off: HashMap<(Agent, u32), u64>,
    /// Stamps what asynchronous copies write: done when phase `n` is over has clock `n`.
    pub agent: Agent,
    /// What the eight bytes in memory hold.
    word: u64,
}

/// What a phase waits for, as far as it has come.
#[derive(Clone, Debug, Default)]
struct Ends {
    /// Threads that arrived, and when.
    arrivals: Vec<(Agent, u64)>,
    /// Copies: only who waits for the object knows that they are over.
    copies: bool,
}

/// All objects of a cluster, by their addresses in its shared memory.
#[derive(Default)]
pub(crate) struct Mbarriers {
    objects: HashMap<u32, Mbarrier>,
    /// Agents of objects that are no more: what they stamped stays stamped, so the next object goes on from there.
    retired: HashMap<u32, (Agent, u64)>,
    /// Objects with a phase that just ended: who sleeps there wakes.
    pub ended: Vec<u32>,
}

/// Which phase is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    State(u64),
    Parity(u32),
}

type Result<T> = std::result::Result<T, String>;

impl Mbarrier {
    fn settle(&mut self) -> Result<bool> {
        if self.pending != 0 || self.transactions != 0 {
            return Ok(false);
        }
        let known = |(agent, clock): &(Agent, u64)| {
            self.view.has_seen(*agent, *clock) || self.untold.has_seen(*agent, *clock)
        };
        if !self.announced.iter().all(known) {
            let message = "its phase ends, and nothing orders an `expect_tx` before the arrivals that end it: it could \
                           have come too late";
            return Err(message.to_string());
        }
        self.announced.clear();
        self.untold = View::default();
        self.last = std::mem::take(&mut self.ends);
        self.phase += 1;
        self.pending = self.expected;
        let view = std::mem::take(&mut self.view);
        self.over.join(&view);
        self.over.complete(self.agent, self.phase);
        Ok(true)
    }

    /// Whether who knows this much knows that the phase before this one is over, so that what it does counts for this one
    /// and could not have for that.
    pub fn is_current(&self, view: &View) -> bool {
        let Ends { arrivals, copies } = &self.last;
        let knows = |(agent, clock): &(Agent, u64)| view.has_seen(*agent, *clock);
        self.phase == self.born
            || view.has_seen(self.agent, self.phase)
            || (!copies && arrivals.iter().all(knows))
    }

    /// Whether a wait that nothing but luck ends at once is to be told "not yet" this time, as it may be on hardware,
    /// where `try_wait` gives up after a while. Each instruction of a warp is told so once a phase.
    pub fn puts_off(&mut self, asked: Asked, view: &View, by: (Agent, u32)) -> bool {
        let phase = match asked {
            Asked::State(state) => state >> PENDING_BITS,
            Asked::Parity(parity) if self.phase & 1 == parity as u64 & 1 => self.phase,
            Asked::Parity(_) => self.phase.wrapping_sub(1),
        };
        let is_known = match phase.wrapping_add(1) == self.phase {
            true => self.is_current(view),
            false => phase < self.phase && view.has_seen(self.agent, phase + 1),
        };
        !is_known && self.put_off.insert(by, phase) != Some(phase)
    }

    /// Whether something has come of the current phase.
    fn is_in_use(&self) -> bool {
        self.pending != self.expected || self.transactions != 0
    }

    /// What an arrival returns.
    fn state(&self) -> u64 {
        self.phase << PENDING_BITS | self.pending as u64
    }

    fn image(&self) -> u64 {
        // Any function of the state that a stray store is unlikely to hit.
        (self.phase ^ (self.pending as u64) << 20 ^ (self.transactions as u64) << 40) ^ 0x6d62_6172_7269_6572
    }

    /// Whether so many arrivals would end the phase.
    pub fn would_end(&self, count: u32) -> bool {
        self.pending == count as i64 && self.transactions == 0
    }

    /// How far it has come, for reports.
    pub fn progress(&self) -> String {
        format!(
            "phase {}, {} of {} arrivals and {} bytes to come",
            self.phase, self.pending, self.expected, self.transactions
        )
    }
}

impl Mbarriers {
    pub fn reset(&mut self) {
        *self = Mbarriers::default();
    }

    /// The object at an address whose eight bytes hold `word`.
    ///
    /// # Errors
    /// There is none, or something was stored over it.
    pub fn get(&mut self, address: u32, word: u64) -> Result<&mut Mbarrier> {
        match self.objects.get_mut(&address) {
            None => Err("there is none: `mbarrier.init` has to come first".to_string()),
            Some(object) if object.word != word => Err("something else was stored over it".to_string()),
            Some(object) => Ok(object),
        }
    }

    pub fn find(&self, address: u32) -> Option<&Mbarrier> {
        self.objects.get(&address)
    }

    /// `init`; gives the bytes to store. `hire` gives an agent where one is needed.
    ///
    /// # Errors
    /// A count out of range, or, if `strict`, an object in the middle of a phase.
    pub fn init(
        &mut self,
        address: u32,
        count: u32,
        word: u64,
        strict: bool,
        hire: impl FnOnce() -> Agent,
    ) -> Result<u64> {
        if count == 0 || count as i64 > LARGEST {
            return Err(format!("{count} arrivals; 1 to {LARGEST} are possible"));
        }
        // Compilers do initialise an object again that nobody has used since; one in use is another matter.
        if strict && self.objects.get(&address).is_some_and(|old| old.word == word && old.is_in_use()) {
            return Err(
                "a phase of it has begun: `mbarrier.inval` has to come before another `init`".to_string()
            );
        }
        if let Some(old) = self.objects.remove(&address) {
            self.retired.insert(address, (old.agent, old.phase));
        }
        let (agent, past) = self.retired.get(&address).copied().unwrap_or_else(|| (hire(), 0));
        // A new object is in an even phase; whatever copies still aimed at the old one stays unseen.
        let phase = if past == 0 { 0 } else { (past + 2).next_multiple_of(2) };
        let count = count as i64;
        let born = phase;
        let mut object =
            Mbarrier { expected: count, pending: count, phase, born, agent, ..Mbarrier::default() };
        object.word = object.image();
        let word = object.word;
        self.objects.insert(address, object);
        Ok(word)
    }

    /// `inval`
    pub fn invalidate(&mut self, address: u32, word: u64) -> Result<()> {
        self.get(address, word)?;
        if let Some(old) = self.objects.remove(&address) {
            self.retired.insert(address, (old.agent, old.phase));
        }
        Ok(())
    }

    /// Applies `change` and ends the phase if nothing is lacking; gives its result and the bytes to store.
    fn change<T>(
        &mut self,
        address: u32,
        word: u64,
        change: impl FnOnce(&mut Mbarrier) -> Result<T>,
    ) -> Result<(T, u64)> {
        let object = self.get(address, word)?;
        let result = change(object)?;
        let ended = object.settle()?;
        object.word = object.image();
        let word = object.word;
        if ended {
            self.ended.push(address);
        }
        Ok((result, word))
    }

    /// An arrival of `count`, after `expect` bytes more were announced; gives the state before it.
    pub fn arrive(
        &mut self,
        address: u32,
        word: u64,
        (count, expect): (u32, u32),
        drop: bool,
        view: Option<&View>,
    ) -> Result<(u64, u64)> {
        self.change(address, word, |object| {
            object.announce(expect as i64)?;
            let state = object.state();
            if count as i64 > object.pending {
                let (pending, expected) = (object.pending, object.expected);
                return Err(format!(
                    "{count} arrivals where this phase lacks {pending} of {expected}: more arrive than `init` said"
                ));
            }
            object.pending -= count as i64;
            if drop {
                object.expected -= count as i64;
            }
            if let Some(view) = view {
                object.view.join(view);
            }
            Ok(state)
        })
    }

    /// One arrival more is needed in this phase: `cp.async.mbarrier.arrive` without `.noinc`.
    pub fn increment(&mut self, address: u32, word: u64, count: u32) -> Result<u64> {
        let changed = self.change(address, word, |object| {
            object.pending += count as i64;
            if object.pending > LARGEST { Err("more arrivals than it can count".to_string()) } else { Ok(()) }
        })?;
        Ok(changed.1)
    }

    /// `expect_tx` with a positive number of bytes, `complete_tx` with a negative one.
    pub fn transact(&mut self, address: u32, word: u64, bytes: i64) -> Result<u64> {
        Ok(self.change(address, word, |object| object.announce(bytes))?.1)
    }

    /// Bytes will be announced by this agent, at this clock, with no arrival.
    pub fn announced(&mut self, address: u32, by: (Agent, u64)) {
        if let Some(object) = self.objects.get_mut(&address) {
            object.announced.push(by);
        }
    }

    /// This agent will arrive, at this clock; if it does not tell of it, `untold` is what it knows.
    pub fn comes(&mut self, address: u32, by: (Agent, u64), untold: Option<&View>) {
        let Some(object) = self.objects.get_mut(&address) else { return };
        if object.ends.arrivals.last() != Some(&by) {
            object.ends.arrivals.push(by);
        }
        if let Some(view) = untold {
            object.untold.join(view);
        }
    }

    /// Whoever sees the present phase end knows this.
    pub fn learns(&mut self, address: u32, view: &View) {
        if let Some(object) = self.objects.get_mut(&address) {
            object.view.join(view);
        }
    }

    /// A copy will arrive.
    pub fn copy_comes(&mut self, address: u32) {
        if let Some(object) = self.objects.get_mut(&address) {
            object.ends.copies = true;
        }
    }

    /// Whether the phase that is asked for is over.
    pub fn is_over(&mut self, address: u32, word: u64, asked: Asked) -> Result<bool> {
        let object = self.get(address, word)?;
        Ok(match asked {
            Asked::Parity(parity) => object.phase & 1 != parity as u64 & 1,
            Asked::State(state) => object.phase != state >> PENDING_BITS,
        })
    }

    /// The object at an address, to tell a wait that it is too early.
    pub fn find_mut(&mut self, address: u32) -> Option<&mut Mbarrier> {
        self.objects.get_mut(&address)
    }

    /// What who has waited may rely on.
    pub fn over(&self, address: u32) -> Option<&View> {
        self.objects.get(&address).map(|object| &object.over)
    }
}

impl Mbarrier {
    fn announce(&mut self, bytes: i64) -> Result<()> {
        self.transactions += bytes;
        self.ends.copies |= bytes != 0;
        if self.transactions.abs() > LARGEST {
            return Err(format!(
                "{} bytes of transactions; at most {LARGEST} can be counted",
                self.transactions
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object with its bytes, as memory would hold them.
    struct Held(Mbarriers, u64);

    impl Held {
        fn new(count: u32) -> Held {
            let mut all = Mbarriers::default();
            let word = all.init(64, count, 0, true, || 9).unwrap();
            Held(all, word)
        }
        fn arrive(&mut self, count: u32, expect: u32) -> Result<u64> {
            let (state, word) = self.0.arrive(64, self.1, (count, expect), false, None)?;
            self.1 = word;
            Ok(state)
        }
        fn transact(&mut self, bytes: i64) -> Result<()> {
            self.1 = self.0.transact(64, self.1, bytes)?;
            Ok(())
        }
        fn over(&mut self, asked: Asked) -> bool {
            self.0.is_over(64, self.1, asked).unwrap()
        }
    }

    #[test]
    fn a_phase_ends_when_arrivals_and_bytes_have_come() {
        let mut held = Held::new(2);
        let state = held.arrive(1, 128).unwrap();
        assert_eq!((state >> 20, state & 0xfffff), (0, 2));
        held.arrive(1, 0).unwrap();
        assert!(!held.over(Asked::State(state)));
        held.transact(-64).unwrap();
        assert!(!held.over(Asked::Parity(0)));
        held.transact(-64).unwrap();
        assert!(
            held.over(Asked::State(state)) && held.over(Asked::Parity(0)) && !held.over(Asked::Parity(1))
        );
        // Bytes may come before they are announced.
        held.transact(-32).unwrap();
        held.arrive(2, 32).unwrap();
        assert!(held.over(Asked::Parity(1)));
    }

    #[test]
    fn misuse_is_named() {
        let mut held = Held::new(1);
        assert!(held.arrive(2, 0).unwrap_err().contains("more arrive than `init` said"));
        held.transact(8).unwrap();
        assert!(held.0.init(64, 1, held.1, true, || 9).unwrap_err().contains("a phase of it has begun"));
        assert!(held.0.get(64, 7).unwrap_err().contains("stored over"));
        assert!(held.0.get(72, 0).unwrap_err().contains("there is none"));
        assert!(held.0.init(8, 0, 0, true, || 9).unwrap_err().contains("0 arrivals"));
        held.0.invalidate(64, held.1).unwrap();
        assert!(held.0.get(64, held.1).is_err());
    }
}
