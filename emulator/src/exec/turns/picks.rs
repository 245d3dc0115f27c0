//! Which warp is next, and for how long: the one place that decides how warps interleave.

use crate::exec::policy::{Random, WarpOrder};
use crate::exec::state::Warp;

/// Instructions that a warp runs before another has its turn.
const TURN: u32 = 2048;

/// The turns of one cluster.
pub(crate) struct Picks {
    warp_order: WarpOrder,
    random: Random,
    last: usize,
}

impl Picks {
    pub fn new(warp_order: WarpOrder) -> Picks {
        Picks { warp_order, random: Random::default(), last: 0 }
    }

    pub fn reset(&mut self, cluster: u64, warps: usize) {
        self.last = warps.saturating_sub(1);
        if let WarpOrder::Random(seed) = self.warp_order {
            self.random = Random(seed ^ cluster.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ 0x7363_6865_6475_6c65);
        }
    }

    /// The next warp that can run, and for how many instructions.
    pub fn next(&mut self, warps: &mut [Warp]) -> Option<(usize, u32)> {
        let n = warps.len();
        let ready = |warp: &Warp| warp.live != 0 && !warp.waiting && warp.sleep.is_none();
        match self.warp_order {
            WarpOrder::InOrder => {
                let found = (1..=n).map(|i| (self.last + i) % n).find(|w| ready(&warps[*w]))?;
                self.last = found;
                Some((found, TURN))
            }
            WarpOrder::Random(_) => {
                let count = warps.iter().filter(|w| ready(w)).count();
                if count == 0 {
                    return None;
                }
                let nth = self.random.below(count as u64) as usize;
                let found = (0..n).filter(|w| ready(&warps[*w])).nth(nth)?;
                // Lanes that diverged need not come together where they could.
                if self.random.below(4) == 0 {
                    warps[found].rest();
                }
                Some((found, 1 << self.random.below(8)))
            }
        }
    }
}
