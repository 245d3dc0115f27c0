//! Calls that recurse, and the thread's stack.
//!
//! Functions that may call one another in a circle share a *region*: the registers of all of them and a frame in the
//! thread's memory. A call inside the region puts the lane's registers away, gives it a fresh frame at the top of its
//! stack, and comes back to an [`Unwind`], which takes the results out of the callee's registers and frame and
//! restores the caller's. Addresses in such a frame are relative to a register that belongs to the region, so a
//! pointer to a caller's variable stays good. `alloca` takes from the same stack.

use crate::alu::lanes::LANES;
use crate::exec::state::{Env, Warp};
use crate::exec::unknown::Unknown;
use crate::exec::{Result, lanes};
use crate::fault::{FaultKind, Trouble};
use crate::program::{Move, Pred, Program, Recursion, Reg, Region, StackOp, Touch, Unwind};

/// Bytes of registers that a lane may put away.
const MOST_SAVED: usize = 256 << 10;

fn overflow(env: &Env, lane: usize) -> Box<Trouble> {
    Trouble::lane(FaultKind::StackOverflow { bytes: env.program.local_bytes }, lane as u32)
}

/// The registers of a region.
fn registers<'p>(env: &Env<'p>, region: &Region) -> &'p [(Reg, bool)] {
    let program: &'p Program = env.program;
    program.registers.get(region.registers.0 as usize..region.registers.1 as usize).unwrap_or_default()
}

/// Everything of a region in one lane, in a fixed order: values, predicates, and what is not known of each.
fn words(env: &Env, warp: &Warp, region: &Region, lane: usize, out: &mut Vec<u32>) {
    let bit = |mask: u32| mask >> lane & 1;
    for (reg, wide) in registers(env, region) {
        let value = warp.get(*reg, *wide, lane);
        out.extend([value as u32, (value >> 32) as u32]);
        if env.sanitize.unwritten {
            let unknown = warp.unknown_row(*reg, lane).bits;
            out.extend([unknown as u32, (unknown >> 32) as u32]);
        }
    }
    for pred in region.preds.0..region.preds.1 {
        let written = warp.written_preds.get(pred as usize).map_or(0, |m| bit(*m));
        out.push(bit(warp.pred(Pred(pred))) | written << 1);
    }
}

fn restore(env: &Env, warp: &mut Warp, region: &Region, lane: usize, saved: &[u32]) {
    let set = |mask: Option<&mut u32>, value: u32| {
        if let Some(mask) = mask {
            *mask = *mask & !(1 << lane) | (value & 1) << lane;
        }
    };
    let mut saved = saved.iter().copied();
    let mut next = || saved.next().unwrap_or(0);
    for (reg, wide) in registers(env, region) {
        let (low, high) = (next() as u64, next() as u64);
        warp.set(*reg, *wide, lane, low | high << 32);
        if env.sanitize.unwritten {
            let bits = next() as u64 | (next() as u64) << 32;
            warp.forget(Touch::Row(*reg), lane, Unknown { bits, origin: None });
        }
    }
    for pred in region.preds.0..region.preds.1 {
        let value = next();
        warp.write_pred(Pred(pred), 0u32.wrapping_sub(value & 1), 1 << lane);
        set(warp.written_preds.get_mut(pred as usize), value >> 1);
    }
}

/// Words that [`words`] gives.
fn size(env: &Env, region: &Region) -> usize {
    let each = if env.sanitize.unwritten { 4 } else { 2 };
    each * registers(env, region).len() + (region.preds.1 - region.preds.0) as usize
}

/// Values of the moves between registers.
fn rows(warp: &Warp, moves: &[Move], lane: usize) -> Vec<u64> {
    let of = |m: &Move| match *m {
        Move::Row { from, wide, .. } => Some(warp.get(from, wide, lane)),
        Move::Bytes { .. } => None,
    };
    moves.iter().filter_map(of).collect()
}

/// Puts them where they belong, and copies between two frames.
fn place(warp: &mut Warp, moves: &[Move], lane: usize, values: Vec<u64>, (from_base, to_base): (u64, u64)) {
    let mut values = values.into_iter();
    for m in moves {
        match *m {
            Move::Row { to, wide, .. } => {
                warp.set(to, wide, lane, values.next().unwrap_or(0));
                if !warp.written_rows.is_empty() {
                    warp.learn(Touch::Row(to), 1 << lane);
                }
            }
            Move::Bytes { from, to, count, .. } => {
                let local = &warp.local[lane];
                let (from, to) = (from_base.wrapping_add(from as u64), to_base.wrapping_add(to as u64));
                if let (Some(from), Some(to)) = (local.span(from, count), local.span(to, count)) {
                    from.copy_to(to, count);
                }
            }
        }
    }
}

/// A call inside a region.
pub(crate) fn recurse(env: &Env, warp: &mut Warp, mask: u32, call: &Recursion) -> Result<()> {
    let region = &call.region;
    let back = warp.pc + 1;
    if warp.stacks.saved.is_empty() {
        warp.stacks.saved = vec![Vec::new(); LANES];
    }
    for lane in lanes(mask) {
        let base = warp.wide(region.frame)[lane];
        // Everything in the frame moves by this, so it keeps its alignment.
        let fresh =
            (warp.stacks.top(env.program.stack_start, lane) - region.start).next_multiple_of(region.align);
        let bottom = region.start + fresh;
        if bottom + region.bytes > env.program.local_bytes {
            return Err(overflow(env, lane));
        }
        let mut saved = std::mem::take(&mut warp.stacks.saved[lane]);
        if (saved.len() + size(env, region)) * 4 > MOST_SAVED {
            return Err(overflow(env, lane));
        }
        // Where the stack ends now goes with the registers.
        saved.push(warp.stacks.top[lane]);
        words(env, warp, region, lane, &mut saved);
        warp.stacks.saved[lane] = saved;
        warp.stacks.top[lane] = bottom + region.bytes;
        if env.sanitize.unwritten
            && let Some(span) = warp.local.get(lane).and_then(|l| l.span(bottom as u64, region.bytes))
        {
            span.unmark(0, region.bytes as usize);
        }
        let values = rows(warp, &call.arguments, lane);
        place(warp, &call.arguments, lane, values, (base, fresh as u64));
        warp.wide_mut(region.frame)[lane] = fresh as u64;
        warp.row_mut(call.way_back)[lane] = back;
    }
    if mask == warp.mask {
        warp.jump(call.target);
    } else {
        warp.pc += 1;
        warp.split(mask, call.target);
    }
    Ok(())
}

/// Back from a call inside a region.
pub(crate) fn unwind(env: &Env, warp: &mut Warp, mask: u32, unwind: &Unwind) {
    let region = &unwind.region;
    for lane in lanes(mask) {
        let callee = warp.wide(region.frame)[lane];
        let values = rows(warp, &unwind.results, lane);
        let words = size(env, region);
        let Some(mut saved) = warp.stacks.saved.get_mut(lane).map(std::mem::take) else { continue };
        let at = saved.len().saturating_sub(words);
        restore(env, warp, region, lane, &saved[at..]);
        saved.truncate(at);
        warp.stacks.top[lane] = saved.pop().unwrap_or(0);
        warp.stacks.saved[lane] = saved;
        let caller = warp.wide(region.frame)[lane];
        place(warp, &unwind.results, lane, values, (callee, caller));
    }
}

/// `alloca`, `stacksave`, `stackrestore`.
pub(crate) fn stack(env: &Env, warp: &mut Warp, mask: u32, op: &StackOp) -> Result<()> {
    for lane in lanes(mask) {
        let top = warp.stacks.top(env.program.stack_start, lane);
        match *op {
            StackOp::Save { d, wide } => warp.set(d, wide, lane, top as u64),
            StackOp::Restore { a, wide } => {
                let to = warp.get(a, wide, lane);
                if to > env.program.local_bytes as u64 || to < env.program.stack_start as u64 {
                    return Err(overflow(env, lane));
                }
                warp.stacks.top[lane] = to as u32;
            }
            StackOp::Alloca { d, wide, size, align } => {
                let at = top.next_multiple_of(align) as u64;
                let size = warp.get(size, wide, lane);
                if size > env.program.local_bytes as u64 || at + size > env.program.local_bytes as u64 {
                    return Err(overflow(env, lane));
                }
                warp.stacks.top[lane] = (at + size) as u32;
                warp.set(d, wide, lane, at);
            }
        }
    }
    Ok(())
}
