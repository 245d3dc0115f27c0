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

/// What the operators are of, `i32` and `f32`: the macro does not always know which of the two a name around a kernel is. Floats do
/// what they do everywhere.
pub trait Number: Copy {
    /// `a + b`
    fn add(a: Self, b: Self) -> Self;
    /// `a - b`
    fn sub(a: Self, b: Self) -> Self;
    /// `a * b`
    fn mul(a: Self, b: Self) -> Self;
    /// `a / b`
    fn div(a: Self, b: Self) -> Self;
    /// `a % b`
    fn rem(a: Self, b: Self) -> Self;
    /// `-a`
    fn neg(a: Self) -> Self;
    /// `a.abs()`
    fn abs(a: Self) -> Self;
    /// `a.clamp(least, most)`: `most`, where that is below `least`, and NaN where one of three floats is.
    fn clamp(a: Self, least: Self, most: Self) -> Self;
}

impl Number for i32 {
    fn add(a: i32, b: i32) -> i32 {
        a.wrapping_add(b)
    }
    fn sub(a: i32, b: i32) -> i32 {
        a.wrapping_sub(b)
    }
    fn mul(a: i32, b: i32) -> i32 {
        a.wrapping_mul(b)
    }
    fn div(a: i32, b: i32) -> i32 {
        div(a, b)
    }
    fn rem(a: i32, b: i32) -> i32 {
        rem(a, b)
    }
    fn neg(a: i32) -> i32 {
        a.wrapping_neg()
    }
    fn abs(a: i32) -> i32 {
        a.wrapping_abs()
    }
    fn clamp(a: i32, least: i32, most: i32) -> i32 {
        clamp_i32(a, least, most)
    }
}

impl Number for f32 {
    fn add(a: f32, b: f32) -> f32 {
        a + b
    }
    fn sub(a: f32, b: f32) -> f32 {
        a - b
    }
    fn mul(a: f32, b: f32) -> f32 {
        a * b
    }
    fn div(a: f32, b: f32) -> f32 {
        a / b
    }
    fn rem(a: f32, b: f32) -> f32 {
        a % b
    }
    fn neg(a: f32) -> f32 {
        -a
    }
    fn abs(a: f32) -> f32 {
        a.abs()
    }
    fn clamp(a: f32, least: f32, most: f32) -> f32 {
        clamp_f32(a, least, most)
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
