//! The sixteen barriers of a block (PTX ISA §9.7.13.1).
//!
//! Barriers count warps: a warp arrives with all the lanes it has left. Without a count, a barrier is for every
//! warp that has not exited.

use crate::alu::lanes::LANES;
use crate::exec::order::{Agent, Engine, Order, View, agent};
use crate::exec::state::Warp;
use crate::exec::{Result, lanes};
use crate::fault::FaultKind;
use crate::program::{Barrier, BarrierKind, Condition, Pred, Reg};

/// One barrier.
#[derive(Default)]
struct State {
    /// Warps that have arrived, those that do not wait included.
    arrived: u32,
    /// Warps that wait, and where they want the result.
    waiting: Vec<(usize, Outcome)>,
    /// Warps that take part, where the instruction said how many.
    expected: Option<u32>,
    votes: u32,
    voters: u32,
    /// What those who wait may rely on, under the sanitizer.
    view: View,
    /// Who has arrived, and when; and who did the last time.
    arrivals: Vec<(Agent, u64)>,
    last: Vec<(Agent, u64)>,
}

/// What a waiting warp gets.
#[derive(Clone, Copy)]
enum Outcome {
    Nothing,
    Count(Reg, u32),
    All(Pred, u32),
    Any(Pred, u32),
}

/// See the file's head.
#[derive(Default)]
pub(crate) struct Barriers {
    states: [State; 16],
}

impl Barriers {
    pub fn reset(&mut self) {
        *self = Barriers::default();
    }

    /// Warp `index` arrives with the lanes of `mask`; `live` warps have not exited. True if it goes on at once.
    pub fn arrive(
        &mut self,
        warps: &mut [Warp],
        index: usize,
        barrier: &Barrier,
        mask: u32,
        live: u32,
        mut order: Option<&mut Order>,
    ) -> Result<()> {
        let warp = &mut warps[index];
        warp.syncs += 1;
        let first = mask.trailing_zeros() as usize;
        let uniform = |reg: Reg| {
            let row = warp.row(reg);
            lanes(mask).all(|l| row[l] == row[first]).then_some(row[first])
        };
        let Some(id) = uniform(barrier.id) else {
            let message = "lanes of one warp name different barriers".to_string();
            return Err(FaultKind::Barrier { id: warp.row(barrier.id)[first], message }.into());
        };
        let fail = |message: String| Err(FaultKind::Barrier { id, message }.into());
        let Some(state) = self.states.get_mut(id as usize) else {
            return fail("there are sixteen, 0 to 15".to_string());
        };
        let count = match barrier.count {
            None => None,
            Some(reg) => match uniform(reg) {
                Some(n) if n != 0 && n % LANES as u32 == 0 => Some(n / LANES as u32),
                Some(n) => return fail(format!("{n} threads are not a multiple of 32")),
                None => return fail("lanes of one warp give different numbers of threads".to_string()),
            },
        };
        if state.arrived != 0 && state.expected != count {
            let say = |n: Option<u32>| n.map_or("all".to_string(), |n| (32 * n).to_string());
            return fail(format!(
                "this warp counts on {} threads and an earlier one on {}",
                say(count),
                say(state.expected)
            ));
        }
        state.expected = count;
        state.arrived += 1;
        if let Some(order) = &mut order {
            let view = order.view(warp.agent);
            if !state.last.iter().all(|(agent, clock)| view.has_seen(*agent, *clock)) {
                return fail(
                    "this warp arrives, and nothing tells it that the last use of the barrier is over: it could have \
                     counted for that"
                        .to_string(),
                );
            }
            state.arrivals.push((agent(warp.agent, Engine::Itself), order.clock(warp.agent)));
            order.release(warp.agent, &mut state.view);
        }
        let mut vote = |p: Condition| {
            state.votes += (warp.condition(p) & mask).count_ones();
            state.voters += mask.count_ones();
        };
        let outcome = match barrier.kind {
            BarrierKind::Arrive => None,
            BarrierKind::Sync => Some(Outcome::Nothing),
            BarrierKind::Popc(d, p) => {
                vote(p);
                Some(Outcome::Count(d, mask))
            }
            BarrierKind::All(d, p) => {
                vote(p);
                Some(Outcome::All(d, mask))
            }
            BarrierKind::Any(d, p) => {
                vote(p);
                Some(Outcome::Any(d, mask))
            }
        };
        match outcome {
            Some(outcome) => {
                warp.waiting = true;
                state.waiting.push((index, outcome));
            }
            None => warp.advance(),
        }
        if state.arrived > state.expected.unwrap_or(live) {
            return fail("more warps arrive than take part".to_string());
        }
        self.release(warps, id as usize, live, order);
        Ok(())
    }

    /// A warp has exited: barriers for all warps may be complete now.
    pub fn warp_exited(&mut self, warps: &mut [Warp], live: u32, mut order: Option<&mut Order>) {
        for id in 0..self.states.len() {
            self.release(warps, id, live, order.as_deref_mut());
        }
    }

    fn release(&mut self, warps: &mut [Warp], id: usize, live: u32, mut order: Option<&mut Order>) {
        let state = &mut self.states[id];
        if state.arrived == 0 || state.arrived < state.expected.unwrap_or(live) {
            return;
        }
        let last = std::mem::take(&mut state.arrivals);
        let state = std::mem::replace(state, State { last, ..State::default() });
        for (index, outcome) in state.waiting {
            let warp = &mut warps[index];
            if let Some(order) = &mut order {
                order.acquire(warp.agent, &state.view);
                order.fence(warp.agent);
            }
            let ones = |holds: bool| 0u32.wrapping_sub(holds as u32);
            match outcome {
                Outcome::Nothing => {}
                Outcome::Count(d, mask) => warp.write_row(d, &[state.votes; LANES], mask),
                Outcome::All(d, mask) => warp.write_pred(d, ones(state.votes == state.voters), mask),
                Outcome::Any(d, mask) => warp.write_pred(d, ones(state.votes != 0), mask),
            }
            warp.waiting = false;
            warp.advance();
        }
    }

    /// How far a barrier that a warp waits at has come.
    pub fn progress(&self, index: usize, live: u32) -> Option<(usize, u32, u32)> {
        self.states.iter().enumerate().find_map(|(id, state)| {
            let here = state.waiting.iter().any(|(w, _)| *w == index);
            here.then(|| (id, state.arrived, state.expected.unwrap_or(live)))
        })
    }
}
