//! Follows what nobody computed, from memory and registers that were never written to where it is used.
//!
//! Compilers move values about that nobody computed: a predicated load leaves its register alone in some lanes,
//! and a butterfly reduction shuffles it all the same; a vector is loaded with the padding behind it; rows past the end
//! of a sequence are multiplied, and what comes of them is selected away. So neither a load nor arithmetic is a fault. A
//! result is unknown, bit by bit, as far as it depends on what is ([`super::depends`]; [`super::products`] for
//! products of matrices, element by element). A fault is what lets such a value *decide* something or leave the block:
//! an address, a branch ([`super::doubt`]), a vote, an atomic, a store to global memory. It names the load that the value
//! came from.
//!
//! Shared memory and a thread's own keep what is unknown as they keep the value, whoever copies it there.

use super::depends::{self, Function};
use super::{doubt, products};
use crate::exec::control::collective;
use crate::exec::memory::matrix;
use crate::exec::state::{Env, Warp};
use crate::exec::unknown::{Lanes, Unknown};
use crate::exec::{FULL, Result, lanes};
use crate::fault::{FaultKind, Trouble};
use crate::program::{Condition, Inst, Logic, Move, Op, Reg, Touch};

/// Before `inst` runs in the lanes of `mask`; says whether it reads something that is not known.
///
/// # Errors
/// It would decide something by what nobody computed.
#[inline(always)]
pub(crate) fn before(env: &Env, warp: &mut Warp, inst: &Inst, mask: u32) -> Result<bool> {
    if inst.touches_product && mask != 0 && env.sanitize.holds_registers() {
        product_registers(env, warp, inst, mask)?;
    }
    if !env.sanitize.unwritten {
        return Ok(false);
    }
    let all_known = env.program.reads(inst).iter().fold(FULL, |all, touch| all & warp.known(*touch));
    // The guard decides for every lane of the part, whatever it says.
    if warp.mask & !all_known == 0 && !reaches_others(inst, all_known) && warp.doubts.is_empty() {
        return Ok(false);
    }
    reads_unknown(env, warp, inst, mask)?;
    Ok(true)
}

/// Whether lanes read what others have that are not here, and not known.
fn reaches_others(inst: &Inst, all_known: u32) -> bool {
    all_known != FULL && matches!(inst.op, Op::Shuffle { .. })
}

/// A `wgmma` on its way has registers that nobody else may touch.
fn product_registers(env: &Env, warp: &mut Warp, inst: &Inst, mask: u32) -> Result<()> {
    let touches = env.program.reads(inst).iter().map(|touch| (touch, false));
    for (touch, written) in touches.chain(env.program.writes(inst).iter().map(|touch| (touch, true))) {
        if let Touch::Row(reg) = touch
            && !warp.products.touch(reg.0 as usize, written)
            && env.sanitize.waits
        {
            let name = env.program.names.get(reg).cloned().unwrap_or_default();
            let trouble = Trouble::lane(FaultKind::RegisterInFlight(name), mask.trailing_zeros());
            env.note(warp, Err(trouble))?;
        }
    }
    Ok(())
}

/// Faults if one of these is not known in a lane of `mask`.
fn all(env: &Env, warp: &Warp, touches: &[Touch], mask: u32) -> Result<()> {
    for touch in touches {
        if let Some(lane) = lanes(mask & !warp.known(*touch)).next() {
            env.note(warp, Err(warp.unknown(*touch, lane).fault(env.program, *touch, lane)))?;
        }
    }
    Ok(())
}

/// Faults if `inst` uses what is not known; else notes in `warp.pending` what it leaves unknown.
#[cold]
fn reads_unknown(env: &Env, warp: &mut Warp, inst: &Inst, mask: u32) -> Result<()> {
    let guard = Touch::Pred(inst.guard.pred);
    doubt::settle(warp);
    let doubtful = warp.mask & !warp.known(guard);
    if doubtful != 0 && !doubt::raise(env.program, warp, inst, guard, doubtful) {
        all(env, warp, &[guard], warp.mask)?;
    }
    warp.pending.clear();
    let row = |reg: &Reg| Touch::Row(*reg);
    match &inst.op {
        Op::Alu { run, d, a, b, c, e, wide } => {
            let sources = [*a, *b, *c, *e];
            let function = Function {
                run: *run,
                sources,
                wide: sources.map(|reg| env.is_wide(reg)),
                wide_result: *wide,
                opcode: inst.opcode,
            };
            let result = depends::result(warp, &function, mask);
            warp.pending.push((Touch::Row(*d), result));
        }
        Op::Select { d, a, b, p, wide } => {
            let chosen = warp.condition(*p);
            let width = if *wide { u64::MAX } else { u32::MAX as u64 };
            let of = |lane: usize| {
                let by = warp.unknown(Touch::Pred(p.pred), lane);
                let taken = warp.unknown_row(if chosen >> lane & 1 != 0 { *a } else { *b }, lane);
                let all = by.spread().with(taken);
                all.cut(all.bits & width)
            };
            let result = Box::new(std::array::from_fn(of));
            warp.pending.push((Touch::Row(*d), result));
        }
        Op::Predicate { d, a, b, logic } => {
            let sides = [*a, *b].map(|side| (known_pred(warp, side), warp.condition(side)));
            let settled = settled_by(*logic, sides[0]) | settled_by(*logic, sides[1]);
            let result = spread(warp, &[Touch::Pred(a.pred), Touch::Pred(b.pred)], settled);
            warp.pending.push((Touch::Pred(*d), result));
        }
        // What any bit decides, or a comparison, is not known at all.
        Op::Compare { run, a, b, d, q, combine } => {
            // SAFETY: the decoder matched the kernel's widths to the registers'.
            let holds = unsafe { run(warp.row_ptr(*a), warp.row_ptr(*b)) };
            for (d, holds) in std::iter::once((*d, holds)).chain(q.map(|q| (q, !holds))) {
                let result = compared(warp, (*a, *b), holds, *combine);
                warp.pending.push((Touch::Pred(d), result));
            }
        }
        Op::SetRow { run, a, b, d, combine, .. } => {
            // SAFETY: as above.
            let holds = unsafe { run(warp.row_ptr(*a), warp.row_ptr(*b)) };
            let result = compared(warp, (*a, *b), holds, *combine);
            warp.pending.push((Touch::Row(*d), result));
        }
        Op::Carry { .. } | Op::Video { .. } => {
            let result = spread(warp, env.program.reads(inst), 0);
            for touch in env.program.writes(inst) {
                warp.pending.push((*touch, result.clone()));
            }
        }
        Op::Shuffle { mode, d, a, b, c, members, .. } => {
            all(env, warp, &[row(b), row(c), row(members)], mask)?;
            let sources = collective::sources(*mode, warp.row(*b), warp.row(*c)).0;
            let result = Box::new(sources.map(|from| warp.unknown_row(*a, from as usize & 31)));
            warp.pending.push((Touch::Row(*d), result));
        }
        Op::MoveMatrix { d, a } => {
            let moved = matrix::transposed(&std::array::from_fn(|lane| warp.unknown_row(*a, lane)));
            warp.pending.push((Touch::Row(*d), Box::new(moved)));
        }
        Op::Call(call) => moves(warp, &call.arguments),
        Op::Results(results) => moves(warp, results),
        Op::Recurse(_) => {}
        // What is stored goes on in memory, if it may.
        Op::Store(access) => all(env, warp, &[Touch::Row(access.base.base)], mask)?,
        Op::StoreMatrix(access) => all(env, warp, &[Touch::Row(access.base.base)], mask)?,
        Op::StoreTile(access) => all(env, warp, &[row(&access.base.base), row(&access.stride)], mask)?,
        Op::MatrixProduct(product) => products::product(warp, product),
        Op::TileProduct(product) => products::tiles(warp, product),
        Op::WarpgroupProduct(product) => {
            let descriptors = products::descriptors(product);
            all(env, warp, &descriptors, mask)?;
        }
        Op::Load(access) => all(env, warp, &[Touch::Row(access.base.base)], mask)?,
        // A step that a call through a register has, for its target.
        Op::Nothing => {
            for touch in env.program.reads(inst).iter().filter(|touch| matches!(touch, Touch::Row(_))) {
                all(env, warp, &[*touch], mask)?;
            }
        }
        Op::Branch { .. } => {}
        _ => {
            // The guard had its turn.
            for touch in env.program.reads(inst).iter().filter(|touch| **touch != guard) {
                all(env, warp, &[*touch], mask)?;
            }
        }
    }
    doubt::cast(env.program, warp, inst);
    Ok(())
}

fn known_pred(warp: &Warp, side: Condition) -> u32 {
    warp.known(Touch::Pred(side.pred))
}

/// Lanes in which one side, known where the first mask says and holding where the second does, settles what comes of two:
/// kernels ask of a row whether it is there and of its value in one.
fn settled_by(logic: Logic, (known, holds): (u32, u32)) -> u32 {
    match logic {
        Logic::And => known & !holds,
        Logic::Or => known & holds,
        Logic::Xor => 0,
    }
}

/// What comes of a comparison that holds in these lanes, as far as it is known, combined with a predicate.
fn compared(warp: &Warp, (a, b): (Reg, Reg), holds: u32, combine: Option<(Logic, Condition)>) -> Box<Lanes> {
    let rows = [Touch::Row(a), Touch::Row(b)];
    let Some((logic, c)) = combine else { return spread(warp, &rows, 0) };
    let known = warp.known(rows[0]) & warp.known(rows[1]);
    let settled =
        settled_by(logic, (known, holds)) | settled_by(logic, (known_pred(warp, c), warp.condition(c)));
    spread(warp, &[rows[0], rows[1], Touch::Pred(c.pred)], settled)
}

/// What comes of all of these, to the last bit, but where it is settled.
fn spread(warp: &Warp, reads: &[Touch], settled: u32) -> Box<Lanes> {
    let of = |lane: usize| {
        if settled >> lane & 1 != 0 {
            return Unknown::default();
        }
        let all = reads.iter().map(|touch| warp.unknown(*touch, lane));
        all.fold(Unknown::default(), Unknown::with).spread()
    };
    Box::new(std::array::from_fn(of))
}

fn moves(warp: &mut Warp, moves: &[Move]) {
    for m in moves {
        if let Move::Row { from, to, .. } = m {
            let moved = Box::new(std::array::from_fn(|lane| warp.unknown_row(*from, lane)));
            warp.pending.push((Touch::Row(*to), moved));
        }
    }
}

/// After `inst` ran in the lanes of `mask`: what it wrote is as known as what it read.
#[inline(always)]
pub(crate) fn after(env: &Env, warp: &mut Warp, inst: &Inst, mask: u32, read_unknown: bool) {
    for touch in env.program.writes(inst) {
        warp.learn(*touch, mask);
    }
    if read_unknown {
        settle(warp, mask);
    }
}

/// Notes what an instruction left unknown.
#[cold]
pub(crate) fn settle(warp: &mut Warp, mask: u32) {
    for (touch, result) in std::mem::take(&mut warp.pending) {
        for lane in lanes(mask) {
            warp.forget(touch, lane, result[lane]);
        }
    }
}

/// After a load: this is not known of what it brought.
pub(crate) fn loaded(warp: &mut Warp, unknown: &[(Reg, usize, Unknown)]) {
    for (reg, lane, unknown) in unknown {
        warp.forget(Touch::Row(*reg), *lane, *unknown);
    }
}
