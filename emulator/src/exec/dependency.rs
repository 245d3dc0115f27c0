//! Programmatic dependent launch: nothing of global memory is touched before `griddepcontrol.wait`, which waits until all
//! prerequisite grids have ended (PTX ISA §9.7.13, `griddepcontrol`).
//!
//! The prerequisites are an agent of the happens-before order, whose one event is their end. A warp sees it when it
//! waits, and everybody to whom a barrier, an mbarrier or another synchronisation hands that warp's view: the wait makes
//! the prerequisites' writes visible to the grid, not to the thread alone, so one role of a kernel may wait for all, as
//! those of CUTLASS do. Views are of warps; lanes that have not waited themselves, and that nothing has brought together
//! with those of their warp that have, are told apart here.
//!
//! Launches run one after the other, so what the one before really touches is not asked: it is unknown to whoever writes
//! the kernel, too. Constants and parameters are written by no grid, and a prefetch brings nothing that is used.

use super::access::Request;
use super::block::Env;
use super::order::Agent;
use super::warp::Warp;
use super::{FULL, Result};
use crate::address::{Space, resolve};
use crate::fault::{FaultKind, Trouble};

/// That they have ended.
const ENDED: u64 = 1;

/// See the file's head.
pub(crate) struct Dependency {
    prerequisites: Agent,
    /// Of each warp: its lanes that have waited themselves, and how often the warp had come together then.
    waited: Vec<(u32, u32)>,
}

impl Dependency {
    /// Of a cluster of so many warps.
    pub fn new(prerequisites: Agent, warps: usize) -> Dependency {
        Dependency { prerequisites, waited: vec![(FULL, 0); warps] }
    }
}

/// `griddepcontrol.wait`
pub(crate) fn wait(env: &mut Env, warp: &Warp, mask: u32) {
    let Some(watch) = &mut env.watch else { return };
    let Some(dependency) = &mut watch.dependency else { return };
    let view = watch.order.view_mut(warp.agent);
    let (lanes, syncs) = &mut dependency.waited[warp.agent as usize];
    if !view.has_seen(dependency.prerequisites, ENDED) {
        view.complete(dependency.prerequisites, ENDED);
        (*lanes, *syncs) = (mask, warp.syncs);
    } else if *syncs == warp.syncs {
        *lanes |= mask;
    }
}

/// Whether the prerequisites may still be running as far as a lane knows.
#[inline(always)]
fn may_run(env: &Env, warp: &Warp, lane: usize) -> bool {
    let Some(watch) = &env.watch else { return false };
    let Some(dependency) = &watch.dependency else { return false };
    let (lanes, syncs) = dependency.waited[warp.agent as usize];
    !watch.order.view(warp.agent).has_seen(dependency.prerequisites, ENDED)
        || (syncs == warp.syncs && lanes >> lane & 1 == 0)
}

/// Judges an access that may be one to global memory.
#[inline(always)]
pub(crate) fn judge(env: &Env, warp: &Warp, request: Request) -> Result<()> {
    if !may_run(env, warp, request.lane) {
        return Ok(());
    }
    let (space, address) = match request.space {
        Space::Generic => resolve(request.address),
        space => (space, request.address),
    };
    match space {
        Space::Global => env.note(warp, Err(early(request.access, request.lane, address))),
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
