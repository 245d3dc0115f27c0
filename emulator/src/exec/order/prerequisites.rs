//! What warps know of the launch before theirs, where that may still be running.
//!
//! The prerequisites of a launch are an agent of the happens-before order, whose one event is their end. A warp sees it
//! when it waits, and everybody to whom a barrier, an mbarrier or another synchronisation hands that warp's view: the
//! wait makes the prerequisites' writes visible to the grid, not to the thread alone, so one role of a kernel may wait
//! for all, as those of CUTLASS do. Views are of warps; lanes that have not waited themselves, and that nothing has
//! brought together with those of their warp that have, are told apart here.

use super::clocks::{Agent, View};
use crate::exec::FULL;

/// That they have ended.
const ENDED: u64 = 1;

/// See the file's head.
pub(crate) struct Prerequisites {
    agent: Agent,
    /// Of each warp: its lanes that have waited themselves, and how often the warp had come together then.
    waited: Vec<(u32, u32)>,
}

impl Prerequisites {
    /// Of a cluster of so many warps.
    pub fn new(agent: Agent, warps: usize) -> Prerequisites {
        Prerequisites { agent, waited: vec![(FULL, 0); warps] }
    }

    /// Lanes of a warp wait for them; the warp has come together `syncs` times, and `view` is what it knows.
    pub fn wait(&mut self, (warp, syncs): (u32, u32), mask: u32, view: &mut View) {
        let (lanes, then) = &mut self.waited[warp as usize];
        if !view.has_seen(self.agent, ENDED) {
            view.complete(self.agent, ENDED);
            (*lanes, *then) = (mask, syncs);
        } else if *then == syncs {
            *lanes |= mask;
        }
    }

    /// Whether they may still be running as far as a lane of a warp knows.
    #[inline(always)]
    pub fn may_run(&self, (warp, syncs): (u32, u32), lane: usize, view: &View) -> bool {
        let (lanes, then) = self.waited[warp as usize];
        !view.has_seen(self.agent, ENDED) || (then == syncs && lanes >> lane & 1 == 0)
    }
}
