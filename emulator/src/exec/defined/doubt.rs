//! Branches by what nobody computed, around nothing but arithmetic.
//!
//! Compilers make a branch of what could be a selection: nvcc skips the division of a row by a sum that is zero, also for
//! rows that are not there. So such a branch decides nothing yet, if both its ways do no more than to compute, and meet
//! again: what is computed on them is not known for the lanes that were in doubt. An instruction that does no more under a
//! guard is the same in small. Everything else that lanes could do or leave undone decides something.

use crate::alu::lanes::LANES;
use crate::exec::lanes;
use crate::exec::state::Warp;
use crate::exec::unknown::{Doubt, Lanes, Unknown};
use crate::program::{Inst, Op, Program, Strength, Touch};

/// The most instructions of both ways.
const MOST: usize = 512;

/// Whether an instruction does nothing but to fill registers.
pub(crate) fn only_computes(op: &Op) -> bool {
    match op {
        Op::Load(access) => access.strength == Strength::Weak,
        Op::Alu { .. }
        | Op::Compare { .. }
        | Op::SetRow { .. }
        | Op::Select { .. }
        | Op::Predicate { .. }
        | Op::Carry { .. }
        | Op::Video { .. }
        | Op::Nothing => true,
        _ => false,
    }
}

/// Where the ways of the branch at `pc` meet again, if there is nothing but computation on them.
fn meet(program: &Program, pc: u32) -> Option<u32> {
    let Op::Branch { target } = program.code[pc as usize].op else { return None };
    let mut end = target;
    let mut at = pc + 1;
    while at < end {
        let inst = program.code.get(at as usize)?;
        match inst.op {
            Op::Branch { target } if target > at => end = end.max(target),
            ref op if only_computes(op) => {}
            _ => return None,
        }
        at += 1;
        if (at - pc) as usize > MOST {
            return None;
        }
    }
    (target > pc).then_some(end)
}

/// Why lanes are in doubt: all of what is not known of a predicate.
fn reason(warp: &Warp, by: Touch) -> Box<Lanes> {
    Box::new(std::array::from_fn(|lane| warp.unknown(by, lane).spread()))
}

/// The guard `by` of `inst`, where the warp is, is not known in these lanes; false if that decides something.
pub(crate) fn raise(program: &Program, warp: &mut Warp, inst: &Inst, by: Touch, doubtful: u32) -> bool {
    let (pc, why) = (warp.pc, reason(warp, by));
    let until = match meet(program, pc) {
        Some(until) => until,
        None if only_computes(&inst.op) => pc + 1,
        None => return false,
    };
    let first = if matches!(inst.op, Op::Branch { .. }) { pc + 1 } else { pc };
    for inst in &program.code[first as usize..until as usize] {
        for touch in program.writes(inst) {
            for lane in lanes(doubtful) {
                let unknown = warp.unknown(*touch, lane).with(why[lane]);
                warp.forget(*touch, lane, unknown);
            }
        }
    }
    warp.doubts.push(Doubt { from: first, until, lanes: doubtful, why });
    true
}

/// Forgets the doubts of lanes that are past them.
pub(crate) fn settle(warp: &mut Warp) {
    let (pc, mask) = (warp.pc, warp.mask);
    for doubt in &mut warp.doubts {
        if !(doubt.from..doubt.until).contains(&pc) {
            doubt.lanes &= !mask;
        }
    }
    warp.doubts.retain(|doubt| doubt.lanes & warp.live != 0);
}

/// What `inst` is about to write is not known for lanes that are in doubt.
pub(crate) fn cast(program: &Program, warp: &mut Warp, inst: &Inst) {
    for doubt in &warp.doubts {
        if !(doubt.from..doubt.until).contains(&warp.pc) {
            continue;
        }
        for touch in program.writes(inst) {
            let at = warp.pending.iter().position(|(known, _)| known == touch).unwrap_or_else(|| {
                warp.pending.push((*touch, Box::new([Unknown::default(); LANES])));
                warp.pending.len() - 1
            });
            for lane in lanes(doubt.lanes) {
                let pending = &mut warp.pending[at].1[lane];
                *pending = pending.with(doubt.why[lane]);
            }
        }
    }
}
