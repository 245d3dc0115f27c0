//! Kernels in plain Rust, one thread per element, as `rustc` compiles them for NVIDIA GPUs.
//!
//! See README.md for how they become PTX.

#![no_std]
#![feature(abi_ptx, asm_experimental_arch, core_float_math, stdarch_nvptx)]
#![allow(clippy::missing_safety_doc, improper_ctypes_definitions)]

mod math;

use core::arch::{asm, nvptx::*};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The operations that are methods of `f32` and `f64` on the host only.
mod float {
    pub use core::f32::math::{
        ceil as ceil32, floor as floor32, mul_add as fma32, round_ties_even as even32, sqrt as sqrt32,
        trunc as trunc32,
    };
    pub use core::f64::math::{
        ceil as ceil64, floor as floor64, mul_add as fma64, round_ties_even as even64, sqrt as sqrt64,
        trunc as trunc64,
    };
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    unsafe { trap() }
}

/// This thread's index in a one-dimensional launch.
fn index() -> usize {
    unsafe { (_block_idx_x() * _block_dim_x() + _thread_idx_x()) as usize }
}

unsafe fn input<'a, T>(at: *const T, len: u32) -> &'a [T] {
    unsafe { core::slice::from_raw_parts(at, len as usize) }
}

/// A kernel of each function: a pointer to every argument's array, one to the results', and their length.
macro_rules! kernels {
    ($(fn $name:ident($($t:ty),+) -> $out:ty;)*) => {$(
        kernels!(@one $name, $out, [a b c d], [], $($t),+);
    )*};
    (@one $name:ident, $out:ty, [$x:ident $($rest:ident)*], [$($done:tt)*], $t:ty $(, $more:ty)*) => {
        kernels!(@one $name, $out, [$($rest)*], [$($done)* $x: $t;] $(, $more)*);
    };
    (@one $name:ident, $out:ty, [$($rest:ident)*], [$($x:ident: $t:ty;)+]) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "ptx-kernel" fn $name($($x: *const $t,)+ out: *mut $out, len: u32) {
            let i = index();
            if i < len as usize {
                unsafe { *out.add(i) = math::$name($(*$x.add(i)),+) }
            }
        }
    };
}
math::elementwise!(kernels);

/// `y = a x + y` over slices; a thread past the end of `x` but not of `out` panics.
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn saxpy(a: f32, x: *const f32, x_len: u32, y: *mut f32, y_len: u32) {
    let x = unsafe { input(x, x_len) };
    let i = index();
    if i < y_len as usize {
        unsafe { *y.add(i) += a * x[i] }
    }
}

/// A struct that a kernel takes by value.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Affine {
    pub flip: bool,
    pub matrix: [[f32; 2]; 2],
    pub offset: [f64; 2],
    pub out: *mut f32,
    pub len: u16,
}

/// Applies a map of the plane to the points (i, -i).
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn affine(map: Affine, scale: u8) {
    let i = index();
    if i >= map.len as usize {
        return;
    }
    let point = [i as f32, -(i as f32)];
    for row in 0..2 {
        let mut sum = map.offset[row] as f32;
        for column in 0..2 {
            sum += map.matrix[row][column] * point[column] * scale as f32;
        }
        unsafe { *map.out.add(2 * i + if map.flip { 1 - row } else { row }) = sum }
    }
}

/// Counts the values of bytes.
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn histogram(bytes: *const u8, len: u32, counts: *const AtomicU32) {
    let (bytes, counts) = unsafe { (input(bytes, len), input(counts, 256)) };
    let stride = unsafe { (_grid_dim_x() * _block_dim_x()) as usize };
    for byte in bytes.iter().skip(index()).step_by(stride) {
        counts[*byte as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// Every atomic operation on 32 and 64 bits, all threads on the same words.
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn atomics(words: *const AtomicU32, longs: *const AtomicU64) {
    let (words, longs) = unsafe { (input(words, 10), input(longs, 10)) };
    let i = index() as u32;
    let l = (i as u64) << 33 | 1;
    words[0].fetch_add(i, Ordering::Relaxed);
    words[1].fetch_sub(i, Ordering::AcqRel);
    words[2].fetch_max(i ^ 77, Ordering::SeqCst);
    words[3].fetch_min(i ^ 77, Ordering::Acquire);
    words[4].fetch_or(1 << (i % 32), Ordering::Release);
    words[5].fetch_and(!(1 << (i % 7)), Ordering::Relaxed);
    words[6].fetch_xor(i, Ordering::Relaxed);
    // A product, by comparing and swapping.
    let _ = words[7].fetch_update(Ordering::SeqCst, Ordering::Relaxed, |x| Some(x.wrapping_mul(2 * i + 1)));
    if words[8].swap(1, Ordering::AcqRel) == 0 {
        words[9].store(words[8].load(Ordering::Acquire) + 41, Ordering::Release);
    }
    longs[0].fetch_add(l, Ordering::Relaxed);
    longs[1].fetch_sub(l, Ordering::AcqRel);
    longs[2].fetch_max(l, Ordering::SeqCst);
    longs[3].fetch_min(l, Ordering::Acquire);
    longs[4].fetch_or(1 << (i % 64), Ordering::Release);
    longs[5].fetch_and(!(1 << (i % 60)), Ordering::Relaxed);
    longs[6].fetch_xor(l, Ordering::Relaxed);
    let _ = longs[7].fetch_update(Ordering::SeqCst, Ordering::Relaxed, |x| Some(x.wrapping_mul(l)));
    if longs[8].swap(1, Ordering::AcqRel) == 0 {
        longs[9].store(longs[8].load(Ordering::Acquire) + 41, Ordering::Release);
    }
}

/// How many of the block's values up to a thread's own are even; through shared memory.
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn prefix_count(values: *const u32, counts: *mut u32) {
    let (thread, threads) = unsafe { (_thread_idx_x() as usize, _block_dim_x() as usize) };
    unsafe {
        let shared: *mut u32;
        asm!(".shared .align 4 .b8 prefix_buffer[4096]; cvta.shared.u64 {}, prefix_buffer;", out(reg64) shared);
        let mut sum = u32::from(*values.add(index()) % 2 == 0);
        let mut step = 1;
        while step < threads {
            *shared.add(thread) = sum;
            _syncthreads();
            if thread >= step {
                sum += *shared.add(thread - step);
            }
            _syncthreads();
            step *= 2;
        }
        *counts.add(index()) = sum;
    }
}

/// Whole slices, one per thread.
macro_rules! copies {
    ($($name:ident $t:ty;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "ptx-kernel" fn $name(from: *const $t, to: *mut $t, each: u32) {
            let (first, each) = (index() * each as usize, each as usize);
            unsafe {
                let from = core::slice::from_raw_parts(from.add(first), each);
                let to = core::slice::from_raw_parts_mut(to.add(first), each);
                to.copy_from_slice(from);
                to.reverse();
            }
        }
    )*};
}
copies! {
    copy_u8 u8;
    copy_u16 u16;
    copy_u32 u32;
    copy_u64 u64;
}

/// Unaligned loads and stores, and a fill.
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn unaligned(from: *const u8, to: *mut u8) {
    let at = index() * 32;
    unsafe {
        core::ptr::write_bytes(to.add(at), 0xa5, 32);
        let word = core::ptr::read_unaligned(from.add(at + 1).cast::<u64>());
        let wide = core::ptr::read_unaligned(from.add(at + 11).cast::<u32>());
        core::ptr::write_unaligned(to.add(at + 3).cast(), word ^ u64::from(wide) << 32);
        core::ptr::write_unaligned(to.add(at + 21).cast(), wide as u16);
    }
}

/// The first place of `wanted` in a thread's slice, or its length.
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn find(values: *const u16, each: u32, wanted: u16, out: *mut u32) {
    let i = index();
    let values = unsafe { input(values.add(i * each as usize), each) };
    let found = values.iter().position(|v| *v == wanted);
    unsafe { *out.add(i) = found.map_or(each, |at| at as u32) }
}

/// All that a thread knows of the launch.
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn geometry(out: *mut [u32; 12]) {
    unsafe {
        let threads = _block_dim_x() * _block_dim_y() * _block_dim_z();
        let block = (_block_idx_z() * _grid_dim_y() + _block_idx_y()) * _grid_dim_x() + _block_idx_x();
        let thread = (_thread_idx_z() * _block_dim_y() + _thread_idx_y()) * _block_dim_x() + _thread_idx_x();
        *out.add((block * threads + thread) as usize) = [
            _thread_idx_x(),
            _thread_idx_y(),
            _thread_idx_z(),
            _block_idx_x(),
            _block_idx_y(),
            _block_idx_z(),
            _block_dim_x(),
            _block_dim_y(),
            _block_dim_z(),
            _grid_dim_x(),
            _grid_dim_y(),
            _grid_dim_z(),
        ];
    }
}
