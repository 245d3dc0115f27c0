//! Indexed branches, calls and returns.

use crate::exec::state::Warp;
use crate::exec::{Result, lanes};
use crate::fault::{FaultKind, Trouble};
use crate::program::{Call, Move, Reg};

/// `brx.idx`
pub(crate) fn branch_indexed(warp: &mut Warp, mask: u32, index: Reg, targets: &[u32]) -> Result<()> {
    let indices = *warp.row(index);
    if let Some(lane) = lanes(mask).find(|l| indices[*l] as usize >= targets.len()) {
        let kind = FaultKind::BranchIndex { index: indices[lane], targets: targets.len() as u32 };
        return Err(Trouble::lane(kind, lane as u32));
    }
    scatter(warp, mask, |lane| targets[indices[lane] as usize]);
    Ok(())
}

/// Sends each lane of `mask` where `to` says; the others go on with the next instruction.
fn scatter(warp: &mut Warp, mask: u32, to: impl Fn(usize) -> u32) {
    let mut left = mask;
    let first = to(mask.trailing_zeros() as usize);
    if mask == warp.mask && lanes(mask).all(|l| to(l) == first) {
        warp.jump(first);
        return;
    }
    warp.pc += 1;
    let staying = warp.mask & !mask;
    let mut leaving = Vec::new();
    while left != 0 {
        let target = to(left.trailing_zeros() as usize);
        let group = lanes(left).filter(|l| to(*l) == target).fold(0, |m, l| m | 1 << l);
        leaving.push((group, target));
        left &= !group;
    }
    warp.scatter(staying, &leaving);
}

/// `call`
pub(crate) fn call(warp: &mut Warp, mask: u32, call: &Call) {
    moves(warp, mask, &call.arguments);
    let back = warp.pc + 1;
    let row = warp.row_mut(call.way_back);
    for lane in lanes(mask) {
        row[lane] = back;
    }
    if mask == warp.mask {
        warp.jump(call.target);
    } else {
        warp.pc += 1;
        warp.split(mask, call.target);
    }
}

/// `ret` from a function: lanes may have come from different calls.
pub(crate) fn ret(warp: &mut Warp, mask: u32, way_back: Reg) {
    let back = *warp.row(way_back);
    scatter(warp, mask, |lane| back[lane]);
}

/// Arguments or results.
pub(crate) fn moves(warp: &mut Warp, mask: u32, moves: &[Move]) {
    for m in moves {
        match *m {
            Move::Row { from, to, wide } => {
                for lane in lanes(mask) {
                    let value = warp.get(from, wide, lane);
                    warp.set(to, wide, lane, value);
                }
            }
            Move::Bytes { from, to, count, from_base, to_base } => {
                for lane in lanes(mask) {
                    let at = |at: u32, base: Option<Reg>| {
                        base.map_or(0, |base| warp.wide(base)[lane]).wrapping_add(at as u64)
                    };
                    let (from, to) = (at(from, from_base), at(to, to_base));
                    let local = &warp.local[lane];
                    let (Some(from), Some(to)) = (local.span(from, count), local.span(to, count)) else {
                        continue;
                    };
                    from.copy_to(to, count);
                }
            }
        }
    }
}
