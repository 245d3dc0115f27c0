//! Global memory by address: words of 8 to 64 bits, 16 bytes at once, and runs of elements as f32.
//!
//! Instructions are written out, for two reasons: an address that is itself read from memory has no address space that
//! the compiler could know, and 16 bytes are to be one access and not four.

use crate::ACCESS;
use crate::element::Element;
use core::arch::asm;

macro_rules! words {
    (@load $load:ident $ty:ty, $class:ident, $word:literal) => {
        #[inline(always)]
        pub(super) unsafe fn $load(at: u64) -> $ty {
            let value: $ty;
            unsafe {
                asm!(concat!("ld.global.", $word, " {}, [{}];"), out($class) value, in(reg64) at, options(readonly, nostack));
            }
            value
        }
    };
    ($($load:ident $store:ident $ty:ty, $class:ident, $word:literal;)*) => {$(
        words!(@load $load $ty, $class, $word);

        #[inline(always)]
        pub(super) unsafe fn $store(at: u64, value: $ty) {
            unsafe {
                asm!(concat!("st.global.", $word, " [{}], {};"), in(reg64) at, in($class) value, options(nostack));
            }
        }
    )*};
}

words! {
    load_u8 store_u8 u16, reg16, "u8";
    load_u16 store_u16 u16, reg16, "u16";
    load_u32 store_u32 u32, reg32, "u32";
}
words!(@load load_u64 u64, reg64, "u64");

#[inline(always)]
pub(super) unsafe fn load_i32(at: u64) -> i32 {
    (unsafe { load_u32(at) }) as i32
}

#[inline(always)]
pub(super) unsafe fn load_f32(at: u64) -> f32 {
    f32::from_bits(unsafe { load_u32(at) })
}

/// 16 bytes at a multiple of 16.
#[inline(always)]
pub(super) unsafe fn load_16(at: u64) -> [u32; 4] {
    let (a, b, c, d): (u32, u32, u32, u32);
    unsafe {
        asm!("ld.global.v4.b32 {{{}, {}, {}, {}}}, [{}];",
            out(reg32) a, out(reg32) b, out(reg32) c, out(reg32) d, in(reg64) at, options(readonly, nostack));
    }
    [a, b, c, d]
}

/// 16 bytes at a multiple of 16.
#[inline(always)]
pub(super) unsafe fn store_16(at: u64, [a, b, c, d]: [u32; 4]) {
    unsafe {
        asm!("st.global.v4.b32 [{}], {{{}, {}, {}, {}}};",
            in(reg64) at, in(reg32) a, in(reg32) b, in(reg32) c, in(reg32) d, options(nostack));
    }
}

/// `N` elements from `at` on: one, wherever it lies, or as many accesses of 16 bytes as they are.
#[inline(always)]
pub(super) unsafe fn load<E: Element, const N: usize>(at: u64) -> [f32; N] {
    let mut values = [0.0; N];
    if N == 1 {
        values[0] = E::to_f32(unsafe { load_one(at, E::BYTES) });
        return values;
    }
    let in_word = 4 / E::BYTES;
    let mut i = 0;
    while i < N {
        let words = unsafe { load_16(at + (i * E::BYTES) as u64) };
        let mut word = 0;
        while word < 4 {
            let mut j = 0;
            while j < in_word {
                values[i + word * in_word + j] = E::to_f32(words[word] >> (8 * E::BYTES * j));
                j += 1;
            }
            word += 1;
        }
        i += 4 * in_word;
    }
    values
}

/// The inverse of [`load`].
#[inline(always)]
pub(super) unsafe fn store<E: Element, const N: usize>(at: u64, values: [f32; N]) {
    if N == 1 {
        unsafe { store_one(at, E::BYTES, E::from_f32(values[0])) };
        return;
    }
    let in_word = 4 / E::BYTES;
    let mut i = 0;
    while i < N {
        let mut words = [0; 4];
        let mut word = 0;
        while word < 4 {
            let mut j = 0;
            while j < in_word {
                words[word] |= E::from_f32(values[i + word * in_word + j]) << (8 * E::BYTES * j);
                j += 1;
            }
            word += 1;
        }
        unsafe { store_16(at + (i * E::BYTES) as u64, words) };
        i += 4 * in_word;
    }
}

/// A number of 1, 2 or 4 bytes.
#[inline(always)]
pub(super) unsafe fn load_one(at: u64, bytes: usize) -> u32 {
    unsafe {
        match bytes {
            1 => u32::from(load_u8(at)),
            2 => u32::from(load_u16(at)),
            _ => load_u32(at),
        }
    }
}

/// A number of 1, 2 or 4 bytes.
#[inline(always)]
pub(super) unsafe fn store_one(at: u64, bytes: usize, bits: u32) {
    unsafe {
        match bytes {
            1 => store_u8(at, bits as u16),
            2 => store_u16(at, bits as u16),
            _ => store_u32(at, bits),
        }
    }
}

/// Whether all of these, or-ed, are multiples of 16.
#[inline(always)]
pub(super) fn aligned(addresses: u64) -> bool {
    addresses & (ACCESS - 1) == 0
}

/// Copies bytes, thread `thread` of `threads` its share: 16 at once where both sides allow, then the rest one by one.
#[inline(always)]
pub(super) unsafe fn copy(from: u64, to: u64, bytes: u64, thread: u32, threads: u32) {
    let (thread, threads) = (u64::from(thread), u64::from(threads));
    let whole = if aligned(from | to) { bytes & !(ACCESS - 1) } else { 0 };
    let step = threads * ACCESS;
    let mut at = thread * ACCESS;
    unsafe {
        // Four loads on their way at once.
        while at + 3 * step < whole {
            let read = [
                load_16(from + at),
                load_16(from + at + step),
                load_16(from + at + 2 * step),
                load_16(from + at + 3 * step),
            ];
            store_16(to + at, read[0]);
            store_16(to + at + step, read[1]);
            store_16(to + at + 2 * step, read[2]);
            store_16(to + at + 3 * step, read[3]);
            at += 4 * step;
        }
        while at < whole {
            store_16(to + at, load_16(from + at));
            at += step;
        }
        at = whole + thread;
        while at < bytes {
            store_u8(to + at, load_u8(from + at));
            at += threads;
        }
    }
}
