//! What is known of a warp's registers, as the sanitizer follows it.

use super::warp::Warp;
use crate::exec::unknown::Unknown;
use crate::program::{Reg, Touch};

impl Warp {
    /// Lanes in which a register is known whole.
    #[inline(always)]
    pub fn known(&self, touch: Touch) -> u32 {
        match touch {
            Touch::Row(reg) => self.written_rows[reg.0 as usize],
            Touch::Pred(pred) => self.written_preds[pred.0 as usize],
        }
    }

    /// What is not known of a register in one lane.
    pub fn unknown(&self, touch: Touch, lane: usize) -> Unknown {
        if self.known(touch) >> lane & 1 != 0 {
            return Unknown::default();
        }
        self.unknowns.of(touch, lane)
    }

    /// The same of an ordinary register.
    pub fn unknown_row(&self, reg: Reg, lane: usize) -> Unknown {
        self.unknown(Touch::Row(reg), lane)
    }

    /// The lanes of `mask` get a value that is known, to all of its bits.
    #[inline(always)]
    pub fn learn(&mut self, touch: Touch, mask: u32) {
        match touch {
            Touch::Row(reg) => self.written_rows[reg.0 as usize] |= mask,
            Touch::Pred(pred) => self.written_preds[pred.0 as usize] |= mask,
        }
    }

    /// A lane gets a value of which this is not known.
    pub fn forget(&mut self, touch: Touch, lane: usize, unknown: Unknown) {
        let known = match touch {
            Touch::Row(reg) => &mut self.written_rows[reg.0 as usize],
            Touch::Pred(pred) => &mut self.written_preds[pred.0 as usize],
        };
        *known = *known & !(1 << lane) | ((unknown.bits == 0) as u32) << lane;
        if unknown.bits != 0 {
            self.unknowns.set(touch, lane, unknown);
        }
    }
}
