//! What numbers come to in a kernel where Rust would panic: integers wrap, as 32 bits on a device do, what is divided by zero is
//! 0, and shifts go by the lowest five bits. `#[attention_kernel]` writes these functions in place of the operators and methods of
//! a kernel's own text, so that its host run gives what the kernel does.

/// `a / b`
pub const fn div(a: i32, b: i32) -> i32 {
    if b == 0 { 0 } else { a.wrapping_div(b) }
}

/// `a % b`
pub const fn rem(a: i32, b: i32) -> i32 {
    if b == 0 { 0 } else { a.wrapping_rem(b) }
}

/// `a.div_euclid(b)`
pub const fn div_euclid(a: i32, b: i32) -> i32 {
    if b == 0 { 0 } else { a.wrapping_div_euclid(b) }
}

/// `a.rem_euclid(b)`
pub const fn rem_euclid(a: i32, b: i32) -> i32 {
    if b == 0 { 0 } else { a.wrapping_rem_euclid(b) }
}

/// `a << b`
pub const fn shl(a: i32, b: i32) -> i32 {
    a.wrapping_shl(b as u32)
}

/// `a >> b`
pub const fn shr(a: i32, b: i32) -> i32 {
    a.wrapping_shr(b as u32)
}

/// `x.clamp(least, most)`: `most`, where that is below `least`, and NaN where one of three floats is.
pub fn clamp<N: Clamp>(x: N, least: N, most: N) -> N {
    x.clamped(least, most)
}

/// What can be clamped: `i32` and `f32`.
pub trait Clamp {
    /// [`clamp`]
    fn clamped(self, least: Self, most: Self) -> Self;
}

impl Clamp for i32 {
    fn clamped(self, least: i32, most: i32) -> i32 {
        clamp_i32(self, least, most)
    }
}

impl Clamp for f32 {
    fn clamped(self, least: f32, most: f32) -> f32 {
        clamp_f32(self, least, most)
    }
}

const fn clamp_i32(n: i32, least: i32, most: i32) -> i32 {
    let at_least = if n < least { least } else { n };
    if at_least > most { most } else { at_least }
}

const fn clamp_f32(x: f32, least: f32, most: f32) -> f32 {
    if x.is_nan() || least.is_nan() || most.is_nan() {
        return f32::NAN;
    }
    let at_least = if x < least { least } else { x };
    if at_least > most { most } else { at_least }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_panics() {
        let table = [
            (div(7, 0), 0),
            (div(i32::MIN, -1), i32::MIN),
            (rem(7, 0), 0),
            (rem(i32::MIN, -1), 0),
            (rem(-7, 4), -3),
            (div_euclid(-7, 4), -2),
            (div_euclid(-7, 0), 0),
            (rem_euclid(-7, 4), 1),
            (rem_euclid(-7, 0), 0),
            (rem_euclid(i32::MIN, -1), 0),
            (shl(1, 33), 2),
            (shr(-8, -31), -4),
            (clamp_i32(5, 9, 3), 3),
            (clamp_i32(-5, -3, 3), -3),
        ];
        for (got, expected) in table {
            assert_eq!(got, expected);
        }
        assert!(clamp_f32(f32::NAN, 0.0, 1.0).is_nan() && clamp_f32(0.0, f32::NAN, 1.0).is_nan());
        assert_eq!((clamp_f32(5.0, 9.0, 3.0), clamp_f32(0.5, 0.0, 1.0)), (3.0, 0.5));
    }
}
