//! New keys and values into the pools, at the slots that the host chose; keys rotated on the way.
//!
//! A thread block takes one token's keys or values: the grid is `[tokens, 2, 1]`. `threadIdx.x` goes along a head and
//! `threadIdx.y` over heads.

use super::memory::{load_f32, load_u64};
use super::place;
use super::rotate::rotation_of;
use super::row::{DividedBy, Rotation, Scaling, Share, Unscaled, move_row};
use crate::element::{Bf16, E4m3, E5m2, Element, F16, F32, chunk};

/// See [`append_kv_f16_f16`].
struct Append {
    k: u64,
    v: u64,
    k_pool: u64,
    v_pool: u64,
    slot_mapping: u64,
    kv_heads: u32,
    head_dim: u32,
    block_size: u32,
    block_stride: u64,
    token_stride: u64,
    head_stride: u64,
}

/// Scales by head in place of one for all: addresses of f32, 0 of none, and from one token's to the next.
struct HeadScales {
    k: u64,
    v: u64,
    stride: u32,
}

/// The tables of a rotation and the token's place in them.
struct Rotary {
    positions: u64,
    cos: u64,
    sin: u64,
    max_position: u32,
    rotary_dim: u32,
    interleaved: u32,
}

#[inline(always)]
unsafe fn append<A: Element, B: Element, S: Scaling, const N: usize>(
    args: Append,
    rotary: Rotary,
    scales: [S; 2],
    of_heads: HeadScales,
) {
    let place = place();
    let token = u64::from(place.block[0]);
    unsafe {
        let slot = load_u64(args.slot_mapping + 8 * token);
        // Negative: padding. A block of no tokens is never launched with, and the compiler is to know it.
        if slot >> 63 != 0 || args.block_size == 0 {
            return;
        }
        let (block, offset) = (slot / u64::from(args.block_size), slot % u64::from(args.block_size));
        let to = (block * args.block_stride + offset * args.token_stride) * B::BYTES as u64;
        let from = token * u64::from(args.kv_heads) * u64::from(args.head_dim) * A::BYTES as u64;
        let is_key = place.block[1] == 0;
        let rotation = if is_key && rotary.rotary_dim > 0 {
            rotation_of(
                token,
                rotary.positions,
                rotary.cos,
                rotary.sin,
                rotary.max_position,
                rotary.rotary_dim,
                rotary.interleaved,
            )
        } else {
            Some(Rotation::NONE)
        };
        // Positions outside the tables: nothing that could be written is right.
        let Some(rotation) = rotation else { return };
        let (from, to) =
            if is_key { (args.k + from, args.k_pool + to) } else { (args.v + from, args.v_pool + to) };
        let scaling = if is_key { scales[0] } else { scales[1] };
        let own = if is_key { of_heads.k } else { of_heads.v };
        let share = Share { thread: place.thread[0], threads: place.threads[0] };
        let mut head = place.thread[1];
        while head < args.kv_heads {
            let from = from + u64::from(head) * u64::from(args.head_dim) * A::BYTES as u64;
            let to = to + u64::from(head) * args.head_stride * B::BYTES as u64;
            let scaling = if own == 0 {
                scaling
            } else {
                let row = token * u64::from(of_heads.stride) + u64::from(head);
                scaling.of(load_f32(own + 4 * row))
            };
            move_row::<A, B, S, N>(from, to, args.head_dim, rotation, scaling, share);
            head += place.threads[1];
        }
    }
}

macro_rules! entries {
    ($($name:ident $from:ident $to:ident $scale:ident;)*) => {$(
        /// `k` and `v` `[tokens, kv_heads, head_dim]`; `slot_mapping` i64 `[tokens]`, where a slot is
        /// `block * block_size + offset` and a negative one is passed over. Strides of the pools are in elements.
        /// `positions` i32 `[tokens]`, `cos` and `sin` f32 `[max_position, rotary_dim / 2]`, for keys alone and only
        /// where `rotary_dim` is not 0; a key whose position is outside the tables is not written. `k_head_scales` and `v_head_scales`,
        /// where they are not 0, are f32 for each head, `scale_stride` further on for each token, and count in place of the scales.
        #[unsafe(no_mangle)]
        pub unsafe extern "ptx-kernel" fn $name(
            k: u64, v: u64, k_pool: u64, v_pool: u64, slot_mapping: u64, kv_heads: u32, head_dim: u32, block_size: u32,
            block_stride: u64, token_stride: u64, head_stride: u64, k_scale: f32, v_scale: f32, k_head_scales: u64,
            v_head_scales: u64, scale_stride: u32, positions: u64, cos: u64, sin: u64, max_position: u32, rotary_dim: u32, interleaved: u32,
        ) {
            let args = Append {
                k, v, k_pool, v_pool, slot_mapping, kv_heads, head_dim, block_size, block_stride, token_stride, head_stride,
            };
            let rotary = Rotary { positions, cos, sin, max_position, rotary_dim, interleaved };
            let scales = entries!(@scales $scale, k_scale, v_scale);
            let of_heads = HeadScales { k: k_head_scales, v: v_head_scales, stride: scale_stride };
            unsafe { append::<$from, $to, _, { chunk::<$from, $to>() }>(args, rotary, scales, of_heads) }
        }
    )*};
    (@scales Unscaled, $k:ident, $v:ident) => {{
        let _ = ($k, $v);
        [Unscaled; 2]
    }};
    (@scales DividedBy, $k:ident, $v:ident) => { [DividedBy($k), DividedBy($v)] };
}

entries! {
    append_kv_f16_f16 F16 F16 Unscaled;
    append_kv_f16_e4m3 F16 E4m3 DividedBy;
    append_kv_f16_e5m2 F16 E5m2 DividedBy;
    append_kv_bf16_bf16 Bf16 Bf16 Unscaled;
    append_kv_bf16_e4m3 Bf16 E4m3 DividedBy;
    append_kv_bf16_e5m2 Bf16 E5m2 DividedBy;
    append_kv_f32_f32 F32 F32 Unscaled;
    append_kv_f32_e4m3 F32 E4m3 DividedBy;
    append_kv_f32_e5m2 F32 E5m2 DividedBy;
}
