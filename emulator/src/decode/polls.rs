//! Which volatile loads only look whether something has happened.
//!
//! `.volatile` makes flags and, in old code, carries data. A load *polls* if its value decides whether the loop that it
//! is in goes on, or if it decides branches, guards and exits and is used for nothing else. A load whose value is stored,
//! computed with or dropped takes data. Values are followed through arithmetic, selections, votes and shuffles, along
//! every path; where they cannot be followed (into a call, or for too long) a load is said to poll.

use crate::address::Space;
use crate::program::{Op, Program, Strength, Touch};
use hashbrown::HashMap;
use std::collections::BTreeSet;

/// Instructions that are looked at in all, for one program.
const STEPS: usize = 1 << 20;

/// Marks the loads of a program that poll.
pub(super) fn mark(program: &mut Program) {
    let mut steps = STEPS;
    for pc in 0..program.code.len() {
        let Op::Load(access) = &program.code[pc].op else { continue };
        let watched = matches!(access.space, Space::Shared | Space::Generic);
        if !watched || !matches!(access.strength, Strength::Volatile { .. }) {
            continue;
        }
        let found = Trail::of(program, pc as u32, &mut steps).is_none_or(|trail| trail.polls());
        if let Op::Load(access) = &mut program.code[pc].op {
            access.strength = Strength::Volatile { polls: found };
        }
    }
}

/// Registers that hold something of the value, as numbers that can be ordered.
type Held = BTreeSet<(bool, u32)>;

fn key(touch: &Touch) -> (bool, u32) {
    match touch {
        Touch::Row(reg) => (false, reg.0),
        Touch::Pred(pred) => (true, pred.0),
    }
}

/// What a value is used for.
#[derive(Default)]
struct Trail {
    /// It decides where control goes.
    decides: bool,
    /// It decides whether the loop around the load goes on.
    ends_loop: bool,
    /// It is used for something else.
    used: bool,
}

impl Trail {
    fn polls(&self) -> bool {
        self.ends_loop || (self.decides && !self.used)
    }

    /// Follows what the load at `load` gives; nothing if it cannot be followed.
    fn of(program: &Program, load: u32, steps: &mut usize) -> Option<Trail> {
        let mut trail = Trail::default();
        let first = &program.code[load as usize];
        let held: Held = program.writes(first).iter().map(key).collect();
        let mut states: HashMap<u32, Held> = HashMap::new();
        let mut open = Vec::new();
        first.successors(load, |next| open.push((next, held.clone())));
        while let Some((pc, arriving)) = open.pop() {
            let Some(inst) = program.code.get(pc as usize) else { continue };
            let state = states.entry(pc).or_default();
            let before = state.len();
            state.extend(arriving);
            if state.len() == before {
                continue;
            }
            *steps = steps.checked_sub(state.len())?;
            let mut held = state.clone();
            let guarded = held.contains(&(true, inst.guard.pred.0));
            let has = |touch: &Touch| held.contains(&key(touch)) && *touch != Touch::Pred(inst.guard.pred);
            let reads = program.reads(inst).iter().any(has);
            let chooses = matches!(inst.op, Op::BranchIndexed { .. });
            if guarded || (chooses && reads) {
                trail.decides = true;
                let (mut stays, mut leaves) = (false, matches!(inst.op, Op::Exit));
                let mut nexts = Vec::new();
                inst.successors(pc, |next| nexts.push(next));
                for next in nexts {
                    let back = program.reaches(next, load, steps)?;
                    (stays, leaves) = (stays | back, leaves | !back);
                }
                trail.ends_loop |= stays && leaves;
            }
            match &inst.op {
                _ if !reads => {}
                Op::Branch { .. } | Op::BranchIndexed { .. } => {}
                Op::Call(_) | Op::Recurse(_) | Op::Return { .. } => return None,
                Op::Alu { .. }
                | Op::Compare { .. }
                | Op::SetRow { .. }
                | Op::Select { .. }
                | Op::Predicate { .. }
                | Op::Carry { .. }
                | Op::Video { .. }
                | Op::Results(_)
                | Op::Unwind(_)
                | Op::Shuffle { .. }
                | Op::Vote { .. }
                | Op::Ballot { .. }
                | Op::Match { .. }
                | Op::Redux { .. }
                | Op::Barrier(_) => {
                    held.extend(program.writes(inst).iter().map(key));
                    inst.successors(pc, |next| open.push((next, held.clone())));
                    continue;
                }
                _ => trail.used = true,
            }
            if inst.guard.pred == crate::program::TRUE {
                for touch in program.writes(inst) {
                    held.remove(&key(touch));
                }
            }
            if !held.is_empty() {
                inst.successors(pc, |next| open.push((next, held.clone())));
            }
        }
        Some(trail)
    }
}
