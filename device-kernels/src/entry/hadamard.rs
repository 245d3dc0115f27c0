//! Rows turned by the Hadamard transform, in place: [`crate::hadamard`] over where they lie.
//!
//! A thread has one share, 16 neighbours, and the rows lie without gaps, so share `i` is thread `i`'s. Shares of one span are those of
//! neighbouring lanes, which pass each other their numbers.

use super::memory::{load, store};
use super::place;
use crate::element::{Bf16, Element, F16, F32};
use crate::hadamard::{SHARE, across, norm, signed, signs, within};
use core::arch::asm;

/// The number of the lane whose number differs in these bits. Every lane of the warp is to be here.
#[inline(always)]
fn of_lane(value: f32, bits: u32) -> f32 {
    let other: f32;
    // Not pure: it must stay where all lanes are.
    unsafe {
        asm!("shfl.sync.bfly.b32 {}, {}, {}, 31, 0xffffffff;", out(reg32) other, in(reg32) value, in(reg32) bits, options(nomem, nostack));
    }
    other
}

#[inline(always)]
unsafe fn turn<E: Element>(rows: u64, shares: u64, head_dim: u32, span: u32, seed: u32) {
    let place = place();
    let share = u64::from(place.block[0]) * u64::from(place.threads[0]) + u64::from(place.thread[0]);
    // Threads past the end go along with what is there, so that no lane is missing; spans are whole, so nobody hears of them.
    let is_past = share >= shares;
    let number = if is_past { shares - 1 } else { share };
    let at = rows + number * (SHARE * E::BYTES) as u64;
    let shares_of_head = u64::from(head_dim / SHARE as u32);
    // There is a remainder of nothing that way, and no panic.
    let of_head = number.checked_rem(shares_of_head).unwrap_or(0) as u32;
    let mut values = within(signed(unsafe { load::<E, SHARE>(at) }, signs(seed, of_head)));
    let mut apart = 1;
    while apart * (SHARE as u32) < span {
        let is_second = place.thread[0] & apart != 0;
        let mut i = 0;
        while i < SHARE {
            values[i] = across(values[i], of_lane(values[i], apart), is_second);
            i += 1;
        }
        apart *= 2;
    }
    let norm = norm(span);
    let mut i = 0;
    while i < SHARE {
        values[i] *= norm;
        i += 1;
    }
    if !is_past {
        unsafe { store::<E, SHARE>(at, values) };
    }
}

macro_rules! entries {
    ($($name:ident $element:ty;)*) => {$(
        /// `rows` `[any, head_dim]` of `shares` times 16 numbers, turned in spans of `span`, a power of two. The grid is `[any, 1, 1]`, of whole
        /// warps, and has a thread or more for each share.
        #[unsafe(no_mangle)]
        pub unsafe extern "ptx-kernel" fn $name(rows: u64, shares: u64, head_dim: u32, span: u32, seed: u32) {
            unsafe { turn::<$element>(rows, shares, head_dim, span, seed) }
        }
    )*};
}

entries! {
    hadamard_f16 F16;
    hadamard_bf16 Bf16;
    hadamard_f32 F32;
}
