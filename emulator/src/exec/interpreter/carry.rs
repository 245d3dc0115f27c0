//! Arithmetic of more words than a register has: what it does with the carry.

use crate::exec::lanes;
use crate::exec::state::Warp;
use crate::program::{CARRY, Reg};

/// `add.cc` and its relatives: operands, then what they do with the carry.
pub(crate) fn carry(
    warp: &mut Warp,
    mask: u32,
    (d, a, b, wide): (Reg, Reg, Reg, bool),
    subtract: bool,
    carry_in: bool,
    carry_out: bool,
) {
    let before = warp.pred(CARRY);
    let mut after = 0;
    for lane in lanes(mask) {
        let (a, b) = (warp.get(a, wide, lane) as u128, warp.get(b, wide, lane) as u128);
        let (bits, flag) = (if wide { 64 } else { 32 }, before >> lane & 1 != 0);
        // The ISA calls the flag of a subtraction the borrow (§9.7.2.3), which is what `subc` makes of it. An `addc`
        // after it tells more: the flag is the carry of a + !b + 1, set where nothing is borrowed. The 128-bit
        // division that nvcc writes takes it so.
        let sum = if subtract {
            let flipped = !b & ((1u128 << bits) - 1);
            a + flipped + (!carry_in || flag) as u128
        } else {
            a + b + (carry_in && flag) as u128
        };
        after |= ((sum >> bits & 1) as u32) << lane;
        warp.set(d, wide, lane, sum as u64);
    }
    if carry_out {
        warp.write_pred(CARRY, after, mask);
    }
}
