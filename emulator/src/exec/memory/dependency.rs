//! Programmatic dependent launch: nothing of global memory is touched before `griddepcontrol.wait`, which waits until all
//! prerequisite grids have ended (PTX ISA §9.7.13, `griddepcontrol`).
//!
//! Who knows that they have ended is for [`Watch`](crate::exec::order::Watch) to tell. Launches run one after the other,
//! so what the one before really touches is not asked: it is unknown to whoever writes the kernel, too. Constants and
//! parameters are written by no grid, and a prefetch brings nothing that is used.

use crate::address::Space;
use crate::exec::Result;
use crate::exec::request::Request;
use crate::exec::state::{Env, Warp};
use crate::fault::{FaultKind, Trouble};

/// `griddepcontrol.wait`
pub(crate) fn wait(env: &mut Env, warp: &Warp, mask: u32) {
    let Some(watch) = &mut env.watch else { return };
    let Some(prerequisites) = &mut watch.prerequisites else { return };
    prerequisites.wait((warp.agent, warp.syncs), mask, watch.order.view_mut(warp.agent));
}

/// Whether the prerequisites may still be running as far as a lane knows.
#[inline(always)]
fn may_run(env: &Env, warp: &Warp, lane: usize) -> bool {
    let Some(watch) = &env.watch else { return false };
    let Some(prerequisites) = &watch.prerequisites else { return false };
    prerequisites.may_run((warp.agent, warp.syncs), lane, watch.order.view(warp.agent))
}

/// Judges an access that may be one to global memory.
#[inline(always)]
pub(crate) fn judge(env: &Env, warp: &Warp, request: Request) -> Result<()> {
    if !may_run(env, warp, request.lane) {
        return Ok(());
    }
    match request.place() {
        (Space::Global, address) => env.note(warp, Err(early(request.access, request.lane, address))),
        _ => Ok(()),
    }
}

#[cold]
fn early(access: &'static str, lane: usize, address: u64) -> Box<Trouble> {
    let does = match access {
        "read" => "reads",
        "write" => "writes",
        _ => "updates",
    };
    Trouble::at(FaultKind::Prerequisites { does }, lane as u32, address)
}
