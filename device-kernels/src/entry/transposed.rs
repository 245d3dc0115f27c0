//! Values of 8 bits into a pool where tokens lie by sixteen along memory, and out of it ([`crate::transposed`]).
//!
//! `threadIdx.x` goes along a head and `threadIdx.y` over heads, as in [`super::append`] and [`super::gather`]. A number is a byte by itself,
//! and its token's next one lies sixteen bytes on.

use super::memory::{load_f32, load_i32, load_one, load_u64, store_one};
use super::place;
use super::row::{DividedBy, Scaling, Times};
use crate::element::{Bf16, E4m3, E5m2, Element, F16, F32};
use crate::transposed::{GROUP, first_number};

/// See [`append_values_f16_e4m3`].
struct Append {
    values: u64,
    pool: u64,
    slot_mapping: u64,
    kv_heads: u32,
    head_dim: u32,
    block_size: u32,
    block_stride: u64,
    head_stride: u64,
    scale: f32,
    head_scales: u64,
    scale_stride: u32,
}

#[inline(always)]
unsafe fn append<A: Element, B: Element>(args: Append) {
    let place = place();
    let token = u64::from(place.block[0]);
    unsafe {
        let slot = load_u64(args.slot_mapping + 8 * token);
        // Negative: padding. A block of no tokens is never launched with, and the compiler is to know it.
        if slot >> 63 != 0 || args.block_size == 0 {
            return;
        }
        let (block, offset) = (slot / u64::from(args.block_size), (slot % u64::from(args.block_size)) as u32);
        let to = args.pool + block * args.block_stride + first_number(offset, args.head_dim);
        let mut head = place.thread[1];
        while head < args.kv_heads {
            let row = token * u64::from(args.kv_heads) + u64::from(head);
            let from = args.values + row * u64::from(args.head_dim) * A::BYTES as u64;
            let to = to + u64::from(head) * args.head_stride;
            let scaling = if args.head_scales == 0 {
                DividedBy(args.scale)
            } else {
                let at = token * u64::from(args.scale_stride) + u64::from(head);
                DividedBy(load_f32(args.head_scales + 4 * at))
            };
            let mut number = place.thread[0];
            while number < args.head_dim {
                let value = A::to_f32(load_one(from + u64::from(number) * A::BYTES as u64, A::BYTES));
                store_one(to + u64::from(number * GROUP), B::BYTES, B::from_f32(scaling.apply(value)));
                number += place.threads[0];
            }
            head += place.threads[1];
        }
    }
}

/// See [`gather_values_e4m3_f16`].
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
    head_stride: u64,
    scale: f32,
}

#[inline(always)]
unsafe fn gather<A: Element, B: Element>(args: Gather) {
    let place = place();
    let sequence = u64::from(place.block[1]);
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
            let from =
                args.pool + block * args.block_stride + first_number(token % args.block_size, args.head_dim);
            let row = (start + u64::from(token)) * u64::from(args.kv_heads);
            let mut head = place.thread[1];
            while head < args.kv_heads {
                let from = from + u64::from(head) * args.head_stride;
                let to = args.out + (row + u64::from(head)) * u64::from(args.head_dim) * B::BYTES as u64;
                let mut number = place.thread[0];
                while number < args.head_dim {
                    let value = A::to_f32(load_one(from + u64::from(number * GROUP), A::BYTES));
                    let value = B::from_f32(Times(args.scale).apply(value));
                    store_one(to + u64::from(number) * B::BYTES as u64, B::BYTES, value);
                    number += place.threads[0];
                }
                head += place.threads[1];
            }
            token += place.blocks;
        }
    }
}

macro_rules! appends {
    ($($name:ident $from:ident $to:ident;)*) => {$(
        /// `values` `[tokens, kv_heads, head_dim]`; `slot_mapping` i64 `[tokens]`, where a slot is `block * block_size + offset` and a
        /// negative one is passed over. Strides of the pool are in elements. `head_scales`, where it is not 0, is f32 for each head,
        /// `scale_stride` further on for each token, and counts in place of the scale.
        #[unsafe(no_mangle)]
        pub unsafe extern "ptx-kernel" fn $name(
            values: u64, pool: u64, slot_mapping: u64, kv_heads: u32, head_dim: u32, block_size: u32, block_stride: u64,
            head_stride: u64, scale: f32, head_scales: u64, scale_stride: u32,
        ) {
            let args = Append {
                values, pool, slot_mapping, kv_heads, head_dim, block_size, block_stride, head_stride, scale, head_scales,
                scale_stride,
            };
            unsafe { append::<$from, $to>(args) }
        }
    )*};
}

appends! {
    append_values_f16_e4m3 F16 E4m3;
    append_values_f16_e5m2 F16 E5m2;
    append_values_bf16_e4m3 Bf16 E4m3;
    append_values_bf16_e5m2 Bf16 E5m2;
    append_values_f32_e4m3 F32 E4m3;
    append_values_f32_e5m2 F32 E5m2;
}

macro_rules! gathers {
    ($($name:ident $from:ident $to:ident;)*) => {$(
        /// `out[cu_seqlens[s] + t] = scale * pool[block_table[s, t / block_size]][t % block_size]` for
        /// `t < seq_lens[s]`; out is `[tokens, kv_heads, head_dim]`. Strides of the pool are in elements.
        #[unsafe(no_mangle)]
        pub unsafe extern "ptx-kernel" fn $name(
            pool: u64, block_table: u64, seq_lens: u64, cu_seqlens: u64, out: u64, table_stride: u32, kv_heads: u32,
            head_dim: u32, block_size: u32, block_stride: u64, head_stride: u64, scale: f32,
        ) {
            let args = Gather {
                pool, block_table, seq_lens, cu_seqlens, out, table_stride, kv_heads, head_dim, block_size, block_stride,
                head_stride, scale,
            };
            unsafe { gather::<$from, $to>(args) }
        }
    )*};
}

gathers! {
    gather_values_e4m3_f16 E4m3 F16;
    gather_values_e4m3_bf16 E4m3 Bf16;
    gather_values_e4m3_f32 E4m3 F32;
    gather_values_e5m2_f16 E5m2 F16;
    gather_values_e5m2_bf16 E5m2 Bf16;
    gather_values_e5m2_f32 E5m2 F32;
}
