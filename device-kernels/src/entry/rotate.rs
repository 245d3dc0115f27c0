//! Queries rotated in place. The grid is `[tokens, 1, 1]`; threads as in [`super::append`].

use super::memory::load_i32;
use super::place;
use super::row::{Rotation, Share, Unscaled, move_row};
use crate::element::{Bf16, Element, F16, F32, chunk};

/// The rotation of a token; `None` if its position is outside the tables.
#[inline(always)]
pub(super) unsafe fn rotation_of(
    token: u64,
    positions: u64,
    cos: u64,
    sin: u64,
    max_position: u32,
    rotary_dim: u32,
    interleaved: u32,
) -> Option<Rotation> {
    let position = unsafe { load_i32(positions + 4 * token) };
    if position as u32 >= max_position {
        return None;
    }
    let row = position as u64 * u64::from(rotary_dim / 2) * 4;
    Some(Rotation { cos: cos + row, sin: sin + row, rotary_dim, interleaved: interleaved != 0 })
}

#[inline(always)]
unsafe fn rotate<E: Element, const N: usize>(x: u64, heads: u32, head_dim: u32, rotation: Rotation) {
    let place = place();
    let share = Share { thread: place.thread[0], threads: place.threads[0] };
    let mut head = place.thread[1];
    while head < heads {
        let row = u64::from(place.block[0]) * u64::from(heads) + u64::from(head);
        let at = x + row * u64::from(head_dim) * E::BYTES as u64;
        // What is past the rotation stays, so it is as if the row ended there.
        unsafe { move_row::<E, E, Unscaled, N>(at, at, rotation.rotary_dim, rotation, Unscaled, share) };
        head += place.threads[1];
    }
}

macro_rules! entries {
    ($($name:ident $element:ident;)*) => {$(
        /// `x` `[tokens, heads, head_dim]`; the rest as `append_kv` has it. A token whose position is outside the
        /// tables, as that of padding may be, stays as it is.
        #[unsafe(no_mangle)]
        pub unsafe extern "ptx-kernel" fn $name(
            x: u64, heads: u32, head_dim: u32, positions: u64, cos: u64, sin: u64, max_position: u32, rotary_dim: u32,
            interleaved: u32,
        ) {
            unsafe {
                let token = u64::from(place().block[0]);
                let rotation = rotation_of(token, positions, cos, sin, max_position, rotary_dim, interleaved);
                let Some(rotation) = rotation else { return };
                rotate::<$element, { chunk::<$element, $element>() }>(x, heads, head_dim, rotation)
            }
        }
    )*};
}

entries! {
    rotate_f16 F16;
    rotate_bf16 Bf16;
    rotate_f32 F32;
}
