//! Which registers hold something, lane by lane.
//!
//! Compilers move values about that nobody computed: a predicated load leaves its register alone in some lanes,
//! and a butterfly reduction shuffles it all the same. So a read is not yet a fault. A result is undefined where
//! a source is; a fault is what lets such a value *decide* something or leave the block: an address, a guard, a
//! vote, an operand of a matrix product, a store to global memory.
//!
//! A thread's own memory is treated like its registers, since that is what compilers use it for: a struct is copied
//! with its padding. And a value of which a part was written counts as written, be it put together in memory, by
//! `mov` of a vector, `bfi` or `prmt`: this looks for what was forgotten, not for every bit.

use super::block::Env;
use super::warp::Warp;
use super::{Result, collective};
use crate::fault::{FaultKind, Trouble};
use crate::program::{Inst, Op, Reg, Touch};
use flashpage_ptx::words::Opcode;

/// Lanes in which what `inst` computes is undefined, for instructions that pass it on.
fn undefined(warp: &Warp, reads: &[Touch]) -> u32 {
    reads.iter().fold(0, |mask, touch| mask | !written(warp, *touch))
}

fn written(warp: &Warp, touch: Touch) -> u32 {
    match touch {
        Touch::Row(reg) => warp.written_rows[reg.0 as usize],
        Touch::Pred(pred) => warp.written_preds[pred.0 as usize],
    }
}

/// The fault of using an undefined register.
#[cold]
pub(crate) fn never(env: &Env, touch: Touch, lanes: u32) -> Box<Trouble> {
    let name = match touch {
        Touch::Row(reg) => env.program.names.get(&reg),
        Touch::Pred(pred) => env.program.predicate_names.get(&pred),
    };
    let what = match name {
        Some(name) => format!("register {name}"),
        None => "a value of this instruction".to_string(),
    };
    Trouble::lane(FaultKind::NeverWritten(what), lanes.trailing_zeros())
}

fn reads<'p>(env: &Env<'p>, inst: &Inst) -> &'p [Touch] {
    &env.program.operands[inst.reads.0 as usize..inst.reads.1 as usize]
}

/// Before `inst` runs in the lanes of `mask`.
///
/// # Errors
/// It would decide something by a register that was never written.
pub(crate) fn before(env: &Env, warp: &mut Warp, inst: &Inst, mask: u32) -> Result<()> {
    if inst.touches_product && mask != 0 && env.sanitize.holds_registers() {
        product_registers(env, warp, inst, mask)?;
    }
    if !env.sanitize.unwritten {
        return Ok(());
    }
    // The guard decides for every lane of the part, whatever it says.
    let guard = Touch::Pred(inst.guard.pred);
    let undecided = warp.mask & !written(warp, guard);
    if undecided != 0 {
        return Err(never(env, guard, undecided));
    }
    let strict = match &inst.op {
        Op::Alu { .. }
        | Op::Compare { .. }
        | Op::SetRow { .. }
        | Op::Select { .. }
        | Op::Predicate { .. }
        | Op::Carry { .. }
        | Op::Call(_)
        | Op::Recurse(_)
        | Op::StoreMatrix(_) => false,
        Op::Shuffle { b, c, members, .. } => {
            return all(env, warp, &[Touch::Row(*b), Touch::Row(*c), Touch::Row(*members)], mask);
        }
        Op::Store(access) => return all(env, warp, &[Touch::Row(access.base.base)], mask),
        _ => true,
    };
    if strict { all(env, warp, reads(env, inst), mask) } else { Ok(()) }
}

/// A `wgmma` on its way has registers that nobody else may touch.
fn product_registers(env: &Env, warp: &mut Warp, inst: &Inst, mask: u32) -> Result<()> {
    let writes = &env.program.operands[inst.writes.0 as usize..inst.writes.1 as usize];
    let touches = reads(env, inst).iter().map(|touch| (touch, false));
    for (touch, written) in touches.chain(writes.iter().map(|touch| (touch, true))) {
        if let Touch::Row(reg) = touch
            && !warp.products.touch(reg.0 as usize, written)
            && env.sanitize.waits
        {
            let name = env.program.names.get(reg).cloned().unwrap_or_default();
            return Err(Trouble::lane(FaultKind::RegisterInFlight(name), mask.trailing_zeros()));
        }
    }
    Ok(())
}

fn all(env: &Env, warp: &Warp, touches: &[Touch], mask: u32) -> Result<()> {
    for touch in touches {
        let missing = mask & !written(warp, *touch);
        if missing != 0 {
            return Err(never(env, *touch, missing));
        }
    }
    Ok(())
}

/// After `inst` ran in the lanes of `mask`: what it wrote is as defined as what it read.
pub(crate) fn after(env: &Env, warp: &mut Warp, inst: &Inst, mask: u32) {
    let writes = &env.program.operands[inst.writes.0 as usize..inst.writes.1 as usize];
    if writes.is_empty() {
        return;
    }
    let unknown = match &inst.op {
        Op::Select { a, b, p, .. } => {
            let chosen = warp.condition(*p);
            let (a, b) = (written(warp, Touch::Row(*a)), written(warp, Touch::Row(*b)));
            !written(warp, Touch::Pred(p.pred)) | (chosen & !a) | (!chosen & !b)
        }
        Op::Shuffle { mode, a, b, c, .. } => {
            let known = written(warp, Touch::Row(*a));
            let sources = collective::sources(*mode, warp.row(*b), warp.row(*c)).0;
            let gives = |lane: usize| (known >> sources[lane] & 1) << lane;
            !(0..32).fold(0, |mask, lane| mask | gives(lane))
        }
        Op::Alu { a, b, c, e, .. } if matches!(inst.opcode, Some(Opcode::Bfi | Opcode::Prmt)) => {
            let known = |reg: &Reg| written(warp, Touch::Row(*reg));
            let parts = match inst.opcode {
                Some(Opcode::Bfi) => (known(a) | known(b)) & known(e),
                _ => known(a) | known(b),
            };
            !(parts & known(c))
        }
        Op::Alu { .. } if inst.opcode == Some(Opcode::Mov) => match reads(env, inst) {
            [] => 0,
            parts => parts.iter().fold(u32::MAX, |mask, part| mask & !written(warp, *part)),
        },
        Op::Alu { .. }
        | Op::Compare { .. }
        | Op::SetRow { .. }
        | Op::Predicate { .. }
        | Op::Carry { .. }
        | Op::Call(_) => undefined(warp, reads(env, inst)),
        _ => 0,
    };
    for touch in writes {
        let shadow = match touch {
            Touch::Row(reg) => &mut warp.written_rows[reg.0 as usize],
            Touch::Pred(pred) => &mut warp.written_preds[pred.0 as usize],
        };
        *shadow = *shadow & !mask | mask & !unknown;
    }
}

/// After a load: these registers got what was never written.
pub(crate) fn loaded(warp: &mut Warp, undefined: &[(Reg, usize)]) {
    for (reg, lane) in undefined {
        warp.written_rows[reg.0 as usize] &= !(1 << lane);
    }
}
