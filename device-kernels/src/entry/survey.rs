//! The largest magnitudes of rows, and how many numbers are beyond a bound: [`crate::survey`] over where they lie, in two passes.
//!
//! The first pass has the grid `[runs, heads, 1]`: a thread block goes over one head of a run of tokens, and each of its threads leaves
//! what it found. The second sums up what lies together: a thread for each sum.

use super::memory::{aligned, load, load_f32, load_u32, store_u32};
use super::place;
use crate::element::{Bf16, Element, F16, F32, chunk};
use crate::survey::Found;

/// See [`survey_rows_f16`].
struct Survey {
    rows: u64,
    found: u64,
    tokens: u32,
    heads: u32,
    head_dim: u32,
    run: u32,
    bound: f32,
}

#[inline(always)]
unsafe fn survey<E: Element, const N: usize>(args: Survey) {
    let place = place();
    let (run, head) = (place.block[0], place.block[1]);
    let first = u64::from(run) * u64::from(args.run);
    let end = first + u64::from(args.run);
    let end = if end < u64::from(args.tokens) { end } else { u64::from(args.tokens) };
    let token_bytes = u64::from(args.heads) * u64::from(args.head_dim) * E::BYTES as u64;
    let mut found = Found::NOTHING;
    let mut token = first;
    unsafe {
        while token < end {
            let row = args.rows
                + token * token_bytes
                + u64::from(head) * u64::from(args.head_dim) * E::BYTES as u64;
            found = if aligned(row) && args.head_dim % N as u32 == 0 {
                of_row::<E, N>(found, row, &args, place.thread[0], place.threads[0])
            } else {
                of_row::<E, 1>(found, row, &args, place.thread[0], place.threads[0])
            };
            token += 1;
        }
        let threads = u64::from(place.threads[0]);
        let place = (u64::from(head) * u64::from(place.blocks) + u64::from(run)) * threads
            + u64::from(place.thread[0]);
        store_u32(args.found + 8 * place, found.largest.to_bits());
        store_u32(args.found + 8 * place + 4, found.beyond);
    }
}

/// With a thread's share of a row, `N` elements at a time.
#[inline(always)]
unsafe fn of_row<E: Element, const N: usize>(
    mut found: Found,
    row: u64,
    args: &Survey,
    thread: u32,
    threads: u32,
) -> Found {
    let mut element = thread * N as u32;
    while element < args.head_dim {
        let values = unsafe { load::<E, N>(row + u64::from(element) * E::BYTES as u64) };
        let mut i = 0;
        while i < N {
            found = found.with(values[i], args.bound);
            i += 1;
        }
        element += threads * N as u32;
    }
    found
}

macro_rules! entries {
    ($($name:ident $element:ty;)*) => {$(
        /// `rows` `[tokens, heads, head_dim]`; of each head of each `run` tokens every thread leaves the largest magnitude, f32, and how
        /// many are beyond `bound`, u32: `found` `[heads, runs, threads, 2]`.
        #[unsafe(no_mangle)]
        pub unsafe extern "ptx-kernel" fn $name(
            rows: u64, found: u64, tokens: u32, heads: u32, head_dim: u32, run: u32, bound: f32,
        ) {
            let args = Survey { rows, found, tokens, heads, head_dim, run, bound };
            unsafe { survey::<$element, { chunk::<$element, F32>() }>(args) }
        }
    )*};
}

entries! {
    survey_rows_f16 F16;
    survey_rows_bf16 Bf16;
    survey_rows_f32 F32;
}

/// Sums up `each` neighbours of `found`, `[sums, each, 2]`, in order: `scales` f32 `[sums]` are what makes the largest of them `most`,
/// and `beyond` u32 `[sums]` how many were beyond the bound. The grid is `[any, 1, 1]`.
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn sum_up_survey(
    found: u64,
    scales: u64,
    beyond: u64,
    sums: u32,
    each: u32,
    most: f32,
) {
    let place = place();
    let sum = place.block[0] * place.threads[0] + place.thread[0];
    if sum >= sums {
        return;
    }
    let mut all = Found::NOTHING;
    let mut at = found + 8 * u64::from(sum) * u64::from(each);
    let mut left = each;
    while left > 0 {
        all = all.and(unsafe { Found { largest: load_f32(at), beyond: load_u32(at + 4) } });
        at += 8;
        left -= 1;
    }
    unsafe {
        store_u32(scales + 4 * u64::from(sum), all.scale(most).to_bits());
        store_u32(beyond + 4 * u64::from(sum), all.beyond);
    }
}
