//! Sequences out of a pool, laid end to end, with 8-bit numbers scaled back.
//!
//! The grid is `[any, sequences, 1]`: the blocks of a sequence take its tokens by turns. `threadIdx.x` goes along a head
//! and `threadIdx.y` over heads.

use super::memory::load_i32;
use super::place;
use super::row::{Rotation, Scaling, Share, Times, Unscaled, move_row};
use crate::element::{Bf16, E4m3, E5m2, Element, F16, F32, chunk};

/// See [`gather_kv_f16_f16`].
struct Gather {
    pool: u64,
    block_table: u64,
    seq_lens: u64,
    cu_seqlens: u64,
    out: u64,
    table_stride: u32,
    kv_heads: u32,
    head_dim: u32,
    block_size: u32,
    block_stride: u64,
    token_stride: u64,
    head_stride: u64,
}

#[inline(always)]
unsafe fn gather<A: Element, B: Element, S: Scaling, const N: usize>(args: Gather, scaling: S) {
    let place = place();
    let sequence = u64::from(place.block[1]);
    let share = Share { thread: place.thread[0], threads: place.threads[0] };
    unsafe {
        let len = load_i32(args.seq_lens + 4 * sequence);
        let start = load_i32(args.cu_seqlens + 4 * sequence) as u64;
        let table = args.block_table + 4 * sequence * u64::from(args.table_stride);
        let mut token = place.block[0];
        // A block of no tokens is never launched with, and the compiler is to know it.
        if args.block_size == 0 {
            return;
        }
        while (token as i32) < len {
            let block = load_i32(table + 4 * u64::from(token / args.block_size)) as u64;
            let from = block * args.block_stride + u64::from(token % args.block_size) * args.token_stride;
            let to = (start + u64::from(token)) * u64::from(args.kv_heads) * u64::from(args.head_dim);
            let mut head = place.thread[1];
            while head < args.kv_heads {
                let from = args.pool + (from + u64::from(head) * args.head_stride) * A::BYTES as u64;
                let to = args.out + (to + u64::from(head) * u64::from(args.head_dim)) * B::BYTES as u64;
                move_row::<A, B, S, N>(from, to, args.head_dim, Rotation::NONE, scaling, share);
                head += place.threads[1];
            }
            token += place.blocks;
        }
    }
}

macro_rules! entries {
    ($($name:ident $from:ident $to:ident $scale:ident;)*) => {$(
        /// `out[cu_seqlens[s] + t] = scale * pool[block_table[s, t / block_size]][t % block_size]` for
        /// `t < seq_lens[s]`; out is `[tokens, kv_heads, head_dim]`. Strides of the pool are in elements.
        #[unsafe(no_mangle)]
        pub unsafe extern "ptx-kernel" fn $name(
            pool: u64, block_table: u64, seq_lens: u64, cu_seqlens: u64, out: u64, table_stride: u32, kv_heads: u32,
            head_dim: u32, block_size: u32, block_stride: u64, token_stride: u64, head_stride: u64, scale: f32,
        ) {
            let args = Gather {
                pool, block_table, seq_lens, cu_seqlens, out, table_stride, kv_heads, head_dim, block_size, block_stride,
                token_stride, head_stride,
            };
            let scaling = entries!(@scale $scale, scale);
            unsafe { gather::<$from, $to, _, { chunk::<$from, $to>() }>(args, scaling) }
        }
    )*};
    (@scale Unscaled, $scale:ident) => {{
        let _ = $scale;
        Unscaled
    }};
    (@scale Times, $scale:ident) => { Times($scale) };
}

entries! {
    gather_kv_f16_f16 F16 F16 Unscaled;
    gather_kv_bf16_bf16 Bf16 Bf16 Unscaled;
    gather_kv_f32_f32 F32 F32 Unscaled;
    gather_kv_e4m3_f16 E4m3 F16 Times;
    gather_kv_e4m3_bf16 E4m3 Bf16 Times;
    gather_kv_e4m3_f32 E4m3 F32 Times;
    gather_kv_e5m2_f16 E5m2 F16 Times;
    gather_kv_e5m2_bf16 E5m2 Bf16 Times;
    gather_kv_e5m2_f32 E5m2 F32 Times;
}
