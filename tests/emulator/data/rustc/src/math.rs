//! Plain functions of a few numbers. The device crate makes a kernel of each, one thread per element, and the
//! test that runs those kernels calls the same functions on the host.
//!
//! What is no method of `core` comes from the module `float` beside this one.

use super::float;

/// Hands the list of all functions here, with their types, to a macro.
macro_rules! elementwise {
    ($make:ident) => {
        $make! {
            fn div_u8(u8, u8) -> u8;
            fn div_i8(i8, i8) -> i8;
            fn div_u16(u16, u16) -> u16;
            fn div_i16(i16, i16) -> i16;
            fn div_u32(u32, u32) -> u32;
            fn div_i32(i32, i32) -> i32;
            fn div_u64(u64, u64) -> u64;
            fn div_i64(i64, i64) -> i64;
            fn div_u128(u64, u64, u64) -> u64;
            fn rem_u8(u8, u8) -> u8;
            fn rem_i8(i8, i8) -> i8;
            fn rem_u16(u16, u16) -> u16;
            fn rem_i16(i16, i16) -> i16;
            fn rem_u32(u32, u32) -> u32;
            fn rem_i32(i32, i32) -> i32;
            fn rem_u64(u64, u64) -> u64;
            fn rem_i64(i64, i64) -> i64;
            fn div_by_constants(u32, i32, u64) -> u64;
            fn arithmetic_i8(i8, i8) -> i8;
            fn arithmetic_i64(i64, i64) -> i64;
            fn checked_u8(u8, u8) -> u32;
            fn overflowing_i32(i32, i32) -> u64;
            fn carrying_u128(u64, u64, u64, u64) -> u64;
            fn product_u128(u64, u64) -> u64;
            fn product_i128(i64, i64) -> u64;
            fn shift_u128(u64, u64, u32) -> u64;
            fn compare_i128(i64, u64, i64, u64) -> u32;
            fn mul_high_i64(i64, i64) -> i64;
            fn saturating_i8(i8, i8) -> i8;
            fn saturating_u16(u16, u16) -> u16;
            fn saturating_i32(i32, i32) -> i32;
            fn saturating_u64(u64, u64) -> u64;
            fn saturating_i64(i64, i64) -> i64;
            fn abs_diff_i32(i32, i32) -> u32;
            fn abs_diff_u64(u64, u64) -> u64;
            fn abs_diff_i8(i8, i8) -> u8;
            fn euclid_i32(i32, i32) -> i32;
            fn power(u32, u32) -> u32;
            fn integer_root(u64) -> u64;
            fn gcd(u32, u32) -> u32;
            fn collatz(u32) -> u32;
            fn bits_u8(u8) -> u32;
            fn bits_u16(u16) -> u32;
            fn bits_u32(u32) -> u32;
            fn bits_u64(u64) -> u64;
            fn bits_u128(u64, u64) -> u32;
            fn rotate_u8(u8, u32) -> u8;
            fn rotate_u16(u16, u32) -> u16;
            fn rotate_u32(u32, u32) -> u32;
            fn rotate_u64(u64, u32) -> u64;
            fn funnel(u32, u32) -> u32;
            fn reverse_bits(u8, u16, u32, u64) -> u64;
            fn swap_bytes(u16, u32, u64) -> u64;
            fn shifts_u8(u8, u32) -> u8;
            fn shifts_i8(i8, u32) -> i8;
            fn shifts_i16(i16, u32) -> i16;
            fn shifts_u32(u32, u32) -> u32;
            fn shifts_i64(i64, u32) -> i64;
            fn checked_shift(u32, u32) -> u32;
            fn bit_field(u32, i32, u64) -> u64;
            fn interleave(u32, u32) -> u64;
            fn hash_bytes(u64) -> u32;
            fn fma_f32(f32, f32, f32) -> f32;
            fn fma_f64(f64, f64, f64) -> f64;
            fn separate_f32(f32, f32, f32) -> f32;
            fn separate_f64(f64, f64, f64) -> f64;
            fn div_f32(f32, f32) -> f32;
            fn div_f64(f64, f64) -> f64;
            fn reciprocal_f32(f32) -> f32;
            fn reciprocal_f64(f64) -> f64;
            fn sqrt_f32(f32) -> f32;
            fn sqrt_f64(f64) -> f64;
            fn norm_f32(f32, f32, f32) -> f32;
            fn min_f32(f32, f32) -> f32;
            fn max_f32(f32, f32) -> f32;
            fn min_f64(f64, f64) -> f64;
            fn max_f64(f64, f64) -> f64;
            fn clamp_f32(f32, f32) -> f32;
            fn sign_f32(f32, f32) -> f32;
            fn sign_f64(f64, f64) -> f64;
            fn round_f32(f32) -> f32;
            fn round_f64(f64) -> f64;
            fn polynomial(f32) -> f32;
            fn compare_f32(f32, f32) -> u32;
            fn compare_f64(f64, f64) -> u32;
            fn total_order_f32(f32, f32) -> i32;
            fn classify_f32(f32) -> u32;
            fn classify_f64(f64) -> u32;
            fn f32_to_u8(f32) -> u8;
            fn f32_to_i8(f32) -> i8;
            fn f32_to_u16(f32) -> u16;
            fn f32_to_i16(f32) -> i16;
            fn f32_to_u32(f32) -> u32;
            fn f32_to_i32(f32) -> i32;
            fn f32_to_u64(f32) -> u64;
            fn f32_to_i64(f32) -> i64;
            fn f64_to_u8(f64) -> u8;
            fn f64_to_i16(f64) -> i16;
            fn f64_to_u32(f64) -> u32;
            fn f64_to_i32(f64) -> i32;
            fn f64_to_u64(f64) -> u64;
            fn f64_to_i64(f64) -> i64;
            fn f32_to_f64(f32) -> f64;
            fn f64_to_f32(f64) -> f32;
            fn u8_to_f32(u8) -> f32;
            fn i8_to_f32(i8) -> f32;
            fn i16_to_f64(i16) -> f64;
            fn u32_to_f32(u32) -> f32;
            fn i32_to_f32(i32) -> f32;
            fn u32_to_f64(u32) -> f64;
            fn u64_to_f32(u64) -> f32;
            fn i64_to_f32(i64) -> f32;
            fn u64_to_f64(u64) -> f64;
            fn i64_to_f64(i64) -> f64;
            fn widen(u8, i8, u16, i16) -> i64;
            fn truncate(i64) -> i64;
            fn half_to_single(u16) -> f32;
            fn single_to_half(f32) -> u16;
            fn bfloat_to_single(u16) -> f32;
            fn single_to_bfloat(f32) -> u16;
            fn interpret(u32, u32, u32) -> u32;
            fn day_name(u32) -> u32;
            fn sparse_match(i64) -> u32;
            fn table_lookup(u8) -> u32;
            fn nested_table(u32) -> u64;
            fn text_bytes(u32, u32) -> u8;
            fn split(u64, u32) -> u32;
            fn called_twice(f32, u8, i16) -> f64;
            fn sort_bytes(u64) -> u64;
            fn local_words(u32, u32) -> u32;
            fn matrix_power(u32, u32) -> u32;
            fn optional(u32, u32) -> i32;
            fn text_number(u64) -> u32;
            fn indirect(u32, u32, u32) -> u32;
            fn virtual_call(u32, f32) -> f32;
        }
    };
}
pub(crate) use elementwise;

macro_rules! divisions {
    ($($div:ident $rem:ident $t:ty;)*) => {$(
        pub fn $div(a: $t, b: $t) -> $t {
            if b == 0 { a } else { a.wrapping_div(b) }
        }
        pub fn $rem(a: $t, b: $t) -> $t {
            if b == 0 { a } else { a.wrapping_rem(b) }
        }
    )*};
}
divisions! {
    div_u8 rem_u8 u8;
    div_i8 rem_i8 i8;
    div_u16 rem_u16 u16;
    div_i16 rem_i16 i16;
    div_u32 rem_u32 u32;
    div_i32 rem_i32 i32;
    div_u64 rem_u64 u64;
    div_i64 rem_i64 i64;
}

pub fn div_u128(high: u64, low: u64, by: u64) -> u64 {
    let (a, b) = (u128::from(high) << 64 | u128::from(low), u128::from(by) << 7 | 1);
    let (quotient, remainder) = (a / b, a % b);
    (quotient as u64) ^ (quotient >> 64) as u64 ^ (remainder as u64).rotate_left(3)
}

pub fn div_by_constants(a: u32, b: i32, c: u64) -> u64 {
    u64::from(a / 7) ^ (b / -10) as u64 ^ u64::from((b % 16) as u32) << 7 ^ c / 1_000_000_007 ^ c % 641 << 40
}

pub fn arithmetic_i8(a: i8, b: i8) -> i8 {
    a.wrapping_mul(b).wrapping_add(a).wrapping_sub(b >> 1).wrapping_neg() ^ b.wrapping_abs()
}

pub fn arithmetic_i64(a: i64, b: i64) -> i64 {
    a.wrapping_mul(b).wrapping_add(a.min(b)).wrapping_sub(b.signum()) ^ a.max(b).wrapping_abs()
}

pub fn checked_u8(a: u8, b: u8) -> u32 {
    let sum = a.checked_add(b).map_or(1000, u32::from);
    let product = a.checked_mul(b).map_or(2000, u32::from);
    let difference = a.checked_sub(b).map_or(3000, u32::from);
    sum | product << 12 ^ difference << 20
}

pub fn overflowing_i32(a: i32, b: i32) -> u64 {
    let (sum, s) = a.overflowing_add(b);
    let (product, p) = a.overflowing_mul(b);
    let (difference, d) = a.overflowing_sub(b);
    let flags = u64::from(s) | u64::from(p) << 1 | u64::from(d) << 2;
    (u64::from(sum as u32) ^ u64::from(product as u32) << 13 ^ u64::from(difference as u32) << 27) << 3
        | flags
}

pub fn carrying_u128(a: u64, b: u64, c: u64, d: u64) -> u64 {
    let (x, y) = (u128::from(a) << 64 | u128::from(b), u128::from(c) << 64 | u128::from(d));
    let (sum, difference) = (x.wrapping_add(y), x.wrapping_sub(y));
    (sum >> 64) as u64 ^ sum as u64 ^ (difference >> 64) as u64 ^ (difference as u64).swap_bytes()
}

pub fn product_u128(a: u64, b: u64) -> u64 {
    let p = u128::from(a) * u128::from(b);
    (p >> 64) as u64 ^ p as u64
}

pub fn product_i128(a: i64, b: i64) -> u64 {
    let p = (i128::from(a) * i128::from(b)).wrapping_mul(i128::from(a) << 40 | 12345);
    (p >> 64) as u64 ^ p as u64
}

pub fn shift_u128(a: u64, b: u64, by: u32) -> u64 {
    let x = u128::from(a) << 64 | u128::from(b);
    let y = x << (by & 127) ^ x >> ((by >> 8) & 127) ^ ((x as i128) >> ((by >> 16) & 127)) as u128;
    (y >> 64) as u64 ^ (y as u64).rotate_right(9)
}

pub fn compare_i128(a: i64, b: u64, c: i64, d: u64) -> u32 {
    let (x, y) = (i128::from(a) << 64 | i128::from(b), i128::from(c) << 64 | i128::from(d));
    u32::from(x < y) | u32::from(x == y) << 1 | u32::from((x as u128) < (y as u128)) << 2
}

pub fn mul_high_i64(a: i64, b: i64) -> i64 {
    ((i128::from(a) * i128::from(b)) >> 64) as i64
}

pub fn saturating_i8(a: i8, b: i8) -> i8 {
    a.saturating_add(b) ^ a.saturating_sub(b) ^ a.saturating_mul(b)
}

pub fn saturating_u16(a: u16, b: u16) -> u16 {
    a.saturating_add(b) ^ a.saturating_sub(b) ^ a.saturating_mul(b)
}

pub fn saturating_i32(a: i32, b: i32) -> i32 {
    a.saturating_add(b) ^ a.saturating_sub(b) ^ a.saturating_mul(b)
}

pub fn saturating_u64(a: u64, b: u64) -> u64 {
    a.saturating_add(b) ^ a.saturating_sub(b)
}

pub fn saturating_i64(a: i64, b: i64) -> i64 {
    a.saturating_add(b) ^ a.saturating_sub(b)
}

pub fn abs_diff_i32(a: i32, b: i32) -> u32 {
    a.abs_diff(b)
}

pub fn abs_diff_u64(a: u64, b: u64) -> u64 {
    a.abs_diff(b)
}

pub fn abs_diff_i8(a: i8, b: i8) -> u8 {
    a.abs_diff(b)
}

pub fn euclid_i32(a: i32, b: i32) -> i32 {
    if b == 0 { 0 } else { a.wrapping_rem_euclid(b) ^ a.wrapping_div_euclid(b) }
}

pub fn power(a: u32, b: u32) -> u32 {
    a.wrapping_pow(b & 63)
}

pub fn integer_root(a: u64) -> u64 {
    a.isqrt()
}

/// Stein's way: a loop whose turns depend on the data.
pub fn gcd(a: u32, b: u32) -> u32 {
    if a == 0 || b == 0 {
        return a | b;
    }
    let shift = (a | b).trailing_zeros();
    let (mut a, mut b) = (a >> a.trailing_zeros(), b);
    loop {
        b >>= b.trailing_zeros();
        if a > b {
            core::mem::swap(&mut a, &mut b);
        }
        b -= a;
        if b == 0 {
            return a << shift;
        }
    }
}

/// Steps to 1, or to giving up.
pub fn collatz(a: u32) -> u32 {
    let mut x = u64::from(a);
    for step in 0..500 {
        if x <= 1 {
            return step;
        }
        x = if x % 2 == 0 { x / 2 } else { 3 * x + 1 };
    }
    u32::MAX
}

pub fn bits_u8(a: u8) -> u32 {
    a.count_ones() | a.leading_zeros() << 8 | a.trailing_zeros() << 16 | a.leading_ones() << 24
}

pub fn bits_u16(a: u16) -> u32 {
    a.count_ones() | a.leading_zeros() << 8 | a.trailing_zeros() << 16 | a.trailing_ones() << 24
}

pub fn bits_u32(a: u32) -> u32 {
    a.count_ones() | a.leading_zeros() << 8 | a.trailing_zeros() << 16 | a.checked_ilog2().unwrap_or(99) << 24
}

pub fn bits_u64(a: u64) -> u64 {
    u64::from(a.count_ones() | a.leading_zeros() << 8 | a.trailing_zeros() << 16) ^ (a & a.wrapping_neg())
}

pub fn bits_u128(a: u64, b: u64) -> u32 {
    let x = u128::from(a) << 64 | u128::from(b);
    x.count_ones() | x.leading_zeros() << 8 | x.trailing_zeros() << 16
}

pub fn rotate_u8(a: u8, by: u32) -> u8 {
    a.rotate_left(by)
}

pub fn rotate_u16(a: u16, by: u32) -> u16 {
    a.rotate_right(by)
}

pub fn rotate_u32(a: u32, by: u32) -> u32 {
    a.rotate_left(by) ^ a.rotate_right(5)
}

pub fn rotate_u64(a: u64, by: u32) -> u64 {
    a.rotate_right(by) ^ a.rotate_left(17)
}

pub fn funnel(a: u32, b: u32) -> u32 {
    a << 11 | b >> 21
}

pub fn reverse_bits(a: u8, b: u16, c: u32, d: u64) -> u64 {
    u64::from(a.reverse_bits())
        ^ u64::from(b.reverse_bits()) << 8
        ^ u64::from(c.reverse_bits()) << 24
        ^ d.reverse_bits()
}

pub fn swap_bytes(a: u16, b: u32, c: u64) -> u64 {
    u64::from(a.swap_bytes()) ^ u64::from(b.swap_bytes()) << 16 ^ c.swap_bytes()
}

pub fn shifts_u8(a: u8, by: u32) -> u8 {
    a.wrapping_shl(by) ^ a.wrapping_shr(by >> 8)
}

pub fn shifts_i8(a: i8, by: u32) -> i8 {
    a.wrapping_shl(by) ^ a.wrapping_shr(by >> 8)
}

pub fn shifts_i16(a: i16, by: u32) -> i16 {
    a.wrapping_shl(by) ^ a.wrapping_shr(by >> 8)
}

pub fn shifts_u32(a: u32, by: u32) -> u32 {
    a.wrapping_shl(by) ^ a.wrapping_shr(by >> 8)
}

pub fn shifts_i64(a: i64, by: u32) -> i64 {
    a.wrapping_shl(by) ^ a.wrapping_shr(by >> 8)
}

pub fn checked_shift(a: u32, by: u32) -> u32 {
    a.checked_shl(by & 63).unwrap_or(7) ^ a.checked_shr(by >> 8 & 63).unwrap_or(70)
}

pub fn bit_field(a: u32, b: i32, c: u64) -> u64 {
    let (x, y, z) = (a >> 5 & 0x7ff, b << 9 >> 21, c >> 13 & 0xff_ffff);
    u64::from(x) ^ (y as i64 as u64) ^ z << 11 ^ u64::from(a & !0xff00 | (b as u32 & 0xff) << 8) << 32
}

pub fn interleave(a: u32, b: u32) -> u64 {
    let spread = |x: u32| {
        let mut x = u64::from(x);
        for (shift, mask) in [
            (16, 0x0000_ffff_0000_ffff),
            (8, 0x00ff_00ff_00ff_00ff),
            (4, 0x0f0f_0f0f_0f0f_0f0f),
            (2, 0x3333_3333_3333_3333),
            (1, 0x5555_5555_5555_5555u64),
        ] {
            x = (x | x << shift) & mask;
        }
        x
    };
    spread(a) | spread(b) << 1
}

/// FNV-1a.
pub fn hash_bytes(a: u64) -> u32 {
    a.to_be_bytes().iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

pub fn fma_f32(a: f32, b: f32, c: f32) -> f32 {
    float::fma32(a, b, c)
}

pub fn fma_f64(a: f64, b: f64, c: f64) -> f64 {
    float::fma64(a, -b, c)
}

/// Two roundings: a compiler must not make one of them.
pub fn separate_f32(a: f32, b: f32, c: f32) -> f32 {
    a * b + c - a
}

pub fn separate_f64(a: f64, b: f64, c: f64) -> f64 {
    a * b + c - a
}

pub fn div_f32(a: f32, b: f32) -> f32 {
    a / b
}

pub fn div_f64(a: f64, b: f64) -> f64 {
    a / b
}

pub fn reciprocal_f32(a: f32) -> f32 {
    1.0 / a
}

pub fn reciprocal_f64(a: f64) -> f64 {
    1.0 / a
}

pub fn sqrt_f32(a: f32) -> f32 {
    float::sqrt32(a)
}

pub fn sqrt_f64(a: f64) -> f64 {
    float::sqrt64(a)
}

pub fn norm_f32(a: f32, b: f32, c: f32) -> f32 {
    1.0 / float::sqrt32(a * a + b * b + c * c + 1e-6)
}

// Which zero a minimum of both is, is left open: a positive one is added.

pub fn min_f32(a: f32, b: f32) -> f32 {
    a.min(b) + 0.0
}

pub fn max_f32(a: f32, b: f32) -> f32 {
    a.max(b) + 0.0
}

pub fn min_f64(a: f64, b: f64) -> f64 {
    a.min(b) + 0.0
}

pub fn max_f64(a: f64, b: f64) -> f64 {
    a.max(b) + 0.0
}

pub fn clamp_f32(a: f32, b: f32) -> f32 {
    a.clamp(-1.5, 2.5) * b
}

pub fn sign_f32(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() { a } else { a.abs().copysign(b) + -b }
}

pub fn sign_f64(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { a } else { a.abs().copysign(b) + -b }
}

pub fn round_f32(a: f32) -> f32 {
    float::floor32(a) + 2.0 * float::ceil32(a) + 5.0 * float::trunc32(a) + 11.0 * float::even32(a)
}

pub fn round_f64(a: f64) -> f64 {
    float::floor64(a) + 2.0 * float::ceil64(a) + 5.0 * float::trunc64(a) + 11.0 * float::even64(a)
}

pub fn polynomial(x: f32) -> f32 {
    [0.25f32, -1.5, 3.0e-3, 7.25, 1.0e10, 0.1].iter().fold(0.0, |sum, c| sum * x + c)
}

pub fn compare_f32(a: f32, b: f32) -> u32 {
    [a < b, a <= b, a > b, a >= b, a == b, a != b, !(a < b), !(a >= b)]
        .iter()
        .enumerate()
        .map(|(i, holds)| u32::from(*holds) << i)
        .sum()
}

pub fn compare_f64(a: f64, b: f64) -> u32 {
    match a.partial_cmp(&b) {
        None => 5,
        Some(order) => (order as i32 + 1) as u32,
    }
}

pub fn total_order_f32(a: f32, b: f32) -> i32 {
    if a.is_nan() || b.is_nan() { 9 } else { a.total_cmp(&b) as i32 }
}

pub fn classify_f32(a: f32) -> u32 {
    u32::from(a.is_nan())
        | u32::from(a.is_infinite()) << 1
        | u32::from(a.is_finite()) << 2
        | u32::from(a.is_normal()) << 3
        | u32::from(a.is_subnormal()) << 4
        | (a.classify() as u32) << 8
}

pub fn classify_f64(a: f64) -> u32 {
    u32::from(a.is_nan())
        | u32::from(a.is_infinite()) << 1
        | u32::from(a.is_finite()) << 2
        | u32::from(a.is_normal()) << 3
        | u32::from(a.is_subnormal()) << 4
        | (a.classify() as u32) << 8
}

macro_rules! casts {
    ($($name:ident $from:ty => $to:ty;)*) => {$(
        pub fn $name(a: $from) -> $to {
            a as $to
        }
    )*};
}
casts! {
    f32_to_u8 f32 => u8;
    f32_to_i8 f32 => i8;
    f32_to_u16 f32 => u16;
    f32_to_i16 f32 => i16;
    f32_to_u32 f32 => u32;
    f32_to_i32 f32 => i32;
    f32_to_u64 f32 => u64;
    f32_to_i64 f32 => i64;
    f64_to_u8 f64 => u8;
    f64_to_i16 f64 => i16;
    f64_to_u32 f64 => u32;
    f64_to_i32 f64 => i32;
    f64_to_u64 f64 => u64;
    f64_to_i64 f64 => i64;
    f32_to_f64 f32 => f64;
    f64_to_f32 f64 => f32;
    u8_to_f32 u8 => f32;
    i8_to_f32 i8 => f32;
    i16_to_f64 i16 => f64;
    u32_to_f32 u32 => f32;
    i32_to_f32 i32 => f32;
    u32_to_f64 u32 => f64;
    u64_to_f32 u64 => f32;
    i64_to_f32 i64 => f32;
    u64_to_f64 u64 => f64;
    i64_to_f64 i64 => f64;
}

pub fn widen(a: u8, b: i8, c: u16, d: i16) -> i64 {
    i64::from(a) ^ i64::from(b) << 8 ^ i64::from(c) << 20 ^ i64::from(d) << 36
}

pub fn truncate(a: i64) -> i64 {
    i64::from(a as i8)
        ^ i64::from(a as u16) << 9
        ^ i64::from((a >> 20) as i32) << 21
        ^ i64::from((a >> 3) as i16)
}

/// By its bits, subnormals and all.
pub fn half_to_single(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (u32::from(bits >> 15) << 31, bits >> 10 & 31, u32::from(bits & 1023));
    match exponent {
        0 => {
            let magnitude = fraction as f32 * (1.0 / 16_777_216.0);
            f32::from_bits(magnitude.to_bits() | sign)
        }
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (u32::from(exponent) + 112) << 23 | fraction << 13),
    }
}

/// Nearest, ties to even.
pub fn single_to_half(a: f32) -> u16 {
    let bits = a.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    if magnitude >= 0x477f_f000 {
        return sign | 0x7c00;
    }
    if magnitude < 0x3880_0000 {
        // A unit in the last place of 0.5 is that of a subnormal half.
        let shifted = f32::from_bits(magnitude) + 0.5;
        return sign | (shifted.to_bits() - 0x3f00_0000) as u16;
    }
    let odd = magnitude >> 13 & 1;
    sign | ((magnitude - 0x3800_0000 + 0xfff + odd) >> 13) as u16
}

pub fn bfloat_to_single(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

pub fn single_to_bfloat(a: f32) -> u16 {
    let bits = a.to_bits();
    if a.is_nan() { 0x7fff } else { ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16 }
}

/// A machine with many instructions, four of them a word.
pub fn interpret(program: u32, a: u32, b: u32) -> u32 {
    let (mut x, mut y) = (a, b);
    for code in program.to_le_bytes() {
        match code % 19 {
            0 => x = x.wrapping_add(y),
            1 => x = x.wrapping_sub(y),
            2 => x = x.wrapping_mul(y),
            3 => x ^= y,
            4 => y = x.rotate_left(y),
            5 => core::mem::swap(&mut x, &mut y),
            6 => y = y.count_ones(),
            7 => x = x.checked_div(y).unwrap_or(13),
            8 => x = x.leading_zeros(),
            9 => y = !x,
            10 => x &= y,
            11 => x |= y,
            12 => return x ^ y,
            13 => x = x.min(y),
            14 => y = y.max(x),
            15 => y = x.swap_bytes(),
            16 => x = (x as f32 * 0.5) as u32,
            17 => y = y.wrapping_mul(2_654_435_761),
            _ => x = u32::from(x > y),
        }
    }
    x.wrapping_mul(31) ^ y
}

/// Text in constant memory behind slices of several lengths.
pub fn day_name(a: u32) -> u32 {
    let name = match a % 8 {
        0 => "Monday",
        1 => "Tuesday",
        2 => "Wednesday",
        3 => "Thursday",
        4 => "Friday",
        5 => "Saturday",
        6 => "Sunday",
        _ => "",
    };
    name.bytes().fold(name.len() as u32, |sum, byte| sum.wrapping_mul(33) ^ u32::from(byte))
}

pub fn sparse_match(a: i64) -> u32 {
    match a {
        i64::MIN..=-1_000_000 => 1,
        -999_999..=-1 => 2,
        0 | 2 | 4 | 8 | 16 | 32 => 3,
        1 | 3 | 5 | 7 => 4,
        100..=200 => 5,
        0xffff_ffff => 6,
        0x7fff_ffff_ffff_fff0.. => 7,
        _ => 8,
    }
}

/// Squares, built by the compiler.
static SQUARES: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = (i * i) as u32 ^ 0x5a5a;
        i += 1;
    }
    table
};

pub fn table_lookup(a: u8) -> u32 {
    SQUARES[a as usize]
}

/// A row of [`ROWS`]: padding, a pointer and numbers of several widths.
struct Row {
    tag: u8,
    scale: f64,
    values: &'static [u16],
    next: Option<&'static Row>,
    key: [i8; 3],
}

static LAST: Row = Row { tag: 200, scale: -0.125, values: &[], next: None, key: [-1, -2, -128] };
static MIDDLE: [Row; 2] = [
    Row { tag: 1, scale: 1.5, values: &[3, 1, 4, 1, 5], next: Some(&LAST), key: [1, 2, 3] },
    Row { tag: 99, scale: 2.5, values: &[9, 9], next: None, key: [4, 5, 6] },
];
static ROWS: [Row; 3] = [
    Row { tag: 7, scale: 1e300, values: &[65535], next: Some(&MIDDLE[1]), key: [-1, 0, 1] },
    Row { tag: 255, scale: 0.0, values: &[2, 7, 1, 8], next: Some(&MIDDLE[0]), key: [127, 0, -127] },
    Row { tag: 2, scale: -1.0, values: &[0], next: None, key: [0, 0, 1] },
];

/// Follows pointers between statics.
pub fn nested_table(a: u32) -> u64 {
    let mut row = Some(&ROWS[a as usize % 3]);
    let mut sum = u64::from(a);
    while let Some(Row { tag, scale, values, next, key }) = row {
        sum = sum.rotate_left(5) ^ u64::from(*tag) ^ scale.to_bits();
        for value in *values {
            sum = sum.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(u64::from(*value));
        }
        sum = key.iter().fold(sum, |sum, k| sum.wrapping_add(*k as u64));
        row = *next;
    }
    sum
}

static TEXT: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Digit `place` of `a` in base 36.
pub fn text_bytes(a: u32, place: u32) -> u8 {
    let mut a = a;
    for _ in 0..place % 7 {
        a /= 36;
    }
    TEXT[(a % 36) as usize]
}

/// What [`divide`] returns: by memory, with padding.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Parts {
    pub low: u8,
    pub high: u64,
    pub middle: [u16; 3],
}

#[inline(never)]
fn divide(a: u64, at: u32, salt: Parts) -> Parts {
    Parts {
        low: (a as u8).wrapping_add(salt.low),
        high: a.wrapping_shr(at) ^ salt.high,
        middle: [a as u16, salt.middle[(a % 3) as usize], (a >> 48) as u16],
    }
}

pub fn split(a: u64, at: u32) -> u32 {
    let salt = Parts { low: at as u8, high: a.rotate_left(7), middle: [1, at as u16, 3] };
    let once = divide(a, at, salt);
    let twice = divide(once.high, at >> 3, once);
    let mut sum = u32::from(twice.low) ^ (twice.high as u32) ^ (twice.high >> 32) as u32;
    for part in twice.middle {
        sum = sum.wrapping_mul(31).wrapping_add(u32::from(part));
    }
    sum
}

#[inline(never)]
fn mixed(a: f32, b: u8, c: i16, d: bool, e: (f64, u16)) -> (f64, i8) {
    let sum = f64::from(a) + f64::from(b) * f64::from(c) - e.0;
    (if d { sum } else { -sum }, (c as i8).wrapping_add(e.1 as i8))
}

/// Arguments narrower than a register, and a pair as the result.
pub fn called_twice(a: f32, b: u8, c: i16) -> f64 {
    let (x, small) = mixed(a, b, c, a > 0.0, (0.5, 300));
    let (y, _) = mixed(a, small as u8, i16::from(small), small > 3, (x, b.into()));
    y
}

/// Sorts in local memory.
pub fn sort_bytes(a: u64) -> u64 {
    let mut bytes = a.to_le_bytes();
    for end in (1..bytes.len()).rev() {
        for i in 0..end {
            if bytes[i] > bytes[i + 1] {
                bytes.swap(i, i + 1);
            }
        }
    }
    u64::from_le_bytes(bytes)
}

/// An array that is indexed by what was computed.
pub fn local_words(seed: u32, turns: u32) -> u32 {
    let mut words = [0u32; 16];
    for (i, word) in words.iter_mut().enumerate() {
        *word = seed.wrapping_mul(i as u32 * 2 + 1);
    }
    let mut at = (seed % 16) as usize;
    for turn in 0..turns % 40 {
        let next = (words[at] >> 13) as usize % 16;
        words[next] = words[next].wrapping_add(words[at]) ^ turn;
        at = (at + next) % 16;
    }
    words.iter().fold(at as u32, |sum, word| sum.rotate_left(3) ^ word)
}

/// Fibonacci numbers by squaring 2 by 2 matrices.
pub fn matrix_power(a: u32, n: u32) -> u32 {
    type Matrix = [[u32; 2]; 2];
    fn product(a: &Matrix, b: &Matrix) -> Matrix {
        let mut c = [[0u32; 2]; 2];
        for (i, row) in c.iter_mut().enumerate() {
            for (j, entry) in row.iter_mut().enumerate() {
                for (k, b) in b.iter().enumerate() {
                    *entry = entry.wrapping_add(a[i][k].wrapping_mul(b[j]));
                }
            }
        }
        c
    }
    let (mut result, mut base, mut n) = ([[1, 0], [0, 1]], [[1, a], [1, 0]], n % 1000);
    while n > 0 {
        if n & 1 == 1 {
            result = product(&result, &base);
        }
        base = product(&base, &base);
        n >>= 1;
    }
    result[0][1]
}

#[inline(never)]
fn lookup(a: u32, b: u32) -> Result<Option<i32>, u8> {
    match a % 4 {
        0 => Err(b as u8),
        1 => Ok(None),
        _ => Ok(Some(b as i32)),
    }
}

pub fn optional(a: u32, b: u32) -> i32 {
    match lookup(a, b) {
        Ok(Some(value)) => value.wrapping_neg(),
        Ok(None) => i32::MIN,
        Err(code) => i32::from(code),
    }
}

/// Bytes to a number and whether that is one, by `core`'s own parser.
pub fn text_number(a: u64) -> u32 {
    let mut text = a.to_le_bytes();
    for byte in &mut text {
        *byte = b"0123456789+-x"[*byte as usize % 13];
    }
    let length = (a >> 60) as usize % 9;
    match core::str::from_utf8(&text[..length]).map(str::parse::<i32>) {
        Ok(Ok(number)) => number as u32,
        Ok(Err(_)) => 0x8000_0000,
        Err(_) => 0x8000_0001,
    }
}

fn plus(a: u32, b: u32) -> u32 {
    a.wrapping_add(b)
}

fn times(a: u32, b: u32) -> u32 {
    a.wrapping_mul(b)
}

fn turned(a: u32, b: u32) -> u32 {
    a.rotate_left(b)
}

static OPERATIONS: [fn(u32, u32) -> u32; 4] = [plus, times, turned, gcd];

/// Lanes of a warp call different functions by pointer.
pub fn indirect(which: u32, a: u32, b: u32) -> u32 {
    OPERATIONS[which as usize % 4](a, b)
}

trait Shape {
    fn area(&self) -> f32;
    fn corners(&self) -> u32 {
        4
    }
}

struct Square(f32);
struct Rectangle {
    width: f32,
    height: f32,
}
struct Triangle {
    base: f32,
}

impl Shape for Square {
    fn area(&self) -> f32 {
        self.0 * self.0
    }
}

impl Shape for Rectangle {
    fn area(&self) -> f32 {
        self.width * self.height
    }
}

impl Shape for Triangle {
    fn area(&self) -> f32 {
        self.base * 0.5
    }
    fn corners(&self) -> u32 {
        3
    }
}

pub fn virtual_call(which: u32, size: f32) -> f32 {
    let (square, rectangle, triangle) =
        (Square(size), Rectangle { width: size, height: 3.0 }, Triangle { base: size });
    let shapes: [&dyn Shape; 3] = [&square, &rectangle, &triangle];
    let shape = shapes[which as usize % 3];
    shape.area() + shape.corners() as f32
}
