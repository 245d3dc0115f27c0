//! How far the warps of a warpgroup have come with their `wgmma`: a product is complete when all four have issued it.

use super::warp::Warp;

/// How many products each warp of a cluster has issued.
#[derive(Default)]
pub(crate) struct Warpgroups {
    issued: Vec<u64>,
    /// Somebody issued one: who waits for that wakes.
    pub moved: bool,
}

impl Warpgroups {
    pub fn reset(&mut self, warps: u32) {
        self.issued.clear();
        self.issued.resize(warps as usize, 0);
    }

    /// A warp has issued one more.
    pub fn issue(&mut self, warp: &Warp) {
        self.issued[warp.agent as usize] = warp.products.issued();
        self.moved = true;
    }

    /// A warp has exited: nobody waits for it.
    pub fn exit(&mut self, warp: &Warp) {
        self.issued[warp.agent as usize] = u64::MAX;
        self.moved = true;
    }

    /// Whether all warps of this one's warpgroup have issued product `number`.
    pub fn have_issued(&self, warp: &Warp, number: u64) -> bool {
        let first = (warp.agent - warp.index % 4) as usize;
        // A block may end in the middle of a warpgroup.
        let last = (first + 4).min((warp.agent - warp.index + warp.of_block) as usize);
        self.issued[first..last].iter().all(|issued| *issued >= number)
    }
}
