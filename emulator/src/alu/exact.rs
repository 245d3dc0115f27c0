//! Double precision in every rounding mode (PTX ISA §9.7.3), from the exact result.
//!
//! A finite result is kept as `sign * mantissa * 2^exponent` with a 128-bit mantissa whose lowest bit also stands for
//! everything below it, and is rounded once. The host's own arithmetic is used only to nearest and for results that
//! are not finite.

use super::float::canonical64;

/// Not zero; the lowest bit is sticky.
#[derive(Clone, Copy)]
struct Exact {
    negative: bool,
    mantissa: u128,
    exponent: i32,
}

/// Towards zero (`'z'`), down (`'m'`) or up (`'p'`); anything else is to nearest.
fn away(mode: char, negative: bool) -> bool {
    matches!((mode, negative), ('m', true) | ('p', false))
}

/// A finite number that is not zero.
fn split(x: f64) -> Exact {
    let bits = x.to_bits();
    let field = (bits >> 52) as i32 & 0x7ff;
    let fraction = (bits & ((1 << 52) - 1)) as u128;
    let (mantissa, exponent) =
        if field == 0 { (fraction, -1074) } else { (fraction | 1 << 52, field - 1075) };
    Exact { negative: bits >> 63 != 0, mantissa, exponent }
}

/// Shifted right, what is lost going into the lowest bit.
fn jam(mantissa: u128, by: u32) -> u128 {
    if by >= 128 {
        (mantissa != 0) as u128
    } else {
        mantissa >> by | (mantissa << (128 - by.max(1)) != 0 && by != 0) as u128
    }
}

impl Exact {
    /// The highest bit in place 125, which leaves room for a carry.
    fn normalised(self) -> Exact {
        let up = self.mantissa.leading_zeros() as i32 - 2;
        if up >= 0 {
            Exact { mantissa: self.mantissa << up, exponent: self.exponent - up, ..self }
        } else {
            Exact { mantissa: jam(self.mantissa, -up as u32), exponent: self.exponent - up, ..self }
        }
    }

    fn round(self, mode: char) -> f64 {
        let x = self.normalised();
        // 53 bits stay, or fewer where the result is subnormal.
        let drop = (125 - 52).max(-1074 - x.exponent) as u32;
        // The dropped part against one half: its upper bit, and a sticky one.
        let (kept, rest) = if drop >= 128 {
            (0, 1)
        } else {
            let half = (x.mantissa >> (drop - 1) & 1) as u8;
            let low = (x.mantissa & ((1u128 << (drop - 1)) - 1) != 0) as u8;
            (x.mantissa >> drop, half << 1 | low)
        };
        let kept = kept as u64;
        let up = match mode {
            'z' | 'm' | 'p' => rest != 0 && away(mode, x.negative),
            _ => rest == 3 || (rest == 2 && kept & 1 != 0),
        };
        let kept = kept + up as u64;
        let exponent = x.exponent as i64 + drop as i64;
        // A normal mantissa carries the hidden one, which is the exponent's unit.
        let bits = (((exponent + 1074) as u64) << 52) + kept;
        let infinity = 0x7ff0_0000_0000_0000;
        let largest = infinity - 1;
        let bits = if bits < infinity {
            bits
        } else if matches!(mode, 'z' | 'm' | 'p') && !away(mode, x.negative) {
            largest
        } else {
            infinity
        };
        f64::from_bits(bits | (x.negative as u64) << 63)
    }
}

fn plain(x: f64) -> bool {
    x.is_finite() && x != 0.0
}

/// The sum of two that are not zero; `None` where it is exactly zero.
fn sum(a: Exact, b: Exact) -> Option<Exact> {
    let (a, b) = (a.normalised(), b.normalised());
    let (large, small) = if a.exponent >= b.exponent { (a, b) } else { (b, a) };
    let aligned = jam(small.mantissa, (large.exponent - small.exponent) as u32);
    if large.negative == small.negative {
        return Some(Exact { mantissa: large.mantissa + aligned, ..large });
    }
    let (mantissa, flipped) = match large.mantissa.checked_sub(aligned) {
        Some(difference) => (difference, false),
        None => (aligned - large.mantissa, true),
    };
    (mantissa != 0).then_some(Exact { mantissa, negative: large.negative ^ flipped, ..large })
}

/// A sum that is exactly zero: negative only when rounding down.
fn zero(mode: char) -> f64 {
    if mode == 'm' { -0.0 } else { 0.0 }
}

/// `a * b + c` rounded once.
pub fn fma<const MODE: char>(a: f64, b: f64, c: f64) -> f64 {
    if !plain(a) || !plain(b) {
        // A zero factor: the sum of a zero and c, whose sign depends on the mode only where both are zeros.
        let product = a * b;
        return if product == 0.0 && c == 0.0 && product.is_sign_negative() != c.is_sign_negative() {
            zero(MODE)
        } else {
            canonical64(product + c)
        };
    }
    if !c.is_finite() {
        return canonical64(c);
    }
    let (x, y) = (split(a), split(b));
    let product = Exact {
        negative: x.negative != y.negative,
        mantissa: x.mantissa * y.mantissa,
        exponent: x.exponent + y.exponent,
    };
    if c == 0.0 {
        return product.round(MODE);
    }
    sum(product, split(c)).map_or(zero(MODE), |sum| sum.round(MODE))
}

/// `a + b`
pub fn add<const MODE: char>(a: f64, b: f64) -> f64 {
    fma::<MODE>(a, 1.0, b)
}

/// `a - b`
pub fn sub<const MODE: char>(a: f64, b: f64) -> f64 {
    fma::<MODE>(a, 1.0, -b)
}

/// `a * b`
pub fn mul<const MODE: char>(a: f64, b: f64) -> f64 {
    if !plain(a) || !plain(b) {
        return canonical64(a * b);
    }
    let (x, y) = (split(a), split(b));
    let mantissa = x.mantissa * y.mantissa;
    Exact { negative: x.negative != y.negative, mantissa, exponent: x.exponent + y.exponent }.round(MODE)
}

/// `a / b`
pub fn div<const MODE: char>(a: f64, b: f64) -> f64 {
    if !plain(a) || !plain(b) {
        return canonical64(a / b);
    }
    let (x, y) = (split(a).normalised(), split(b));
    let (quotient, rest) = (x.mantissa / y.mantissa, x.mantissa % y.mantissa);
    // The quotient has at least 72 bits, so a bit below them all stands for the remainder.
    let mantissa = quotient << 1 | (rest != 0) as u128;
    Exact { negative: x.negative != y.negative, mantissa, exponent: x.exponent - y.exponent - 1 }.round(MODE)
}

/// The square root.
pub fn sqrt<const MODE: char>(a: f64) -> f64 {
    if !plain(a) || a < 0.0 {
        return canonical64(a.sqrt());
    }
    let x = split(a).normalised();
    let odd = x.exponent & 1;
    let (radicand, exponent) = (x.mantissa << odd, (x.exponent - odd) / 2);
    let root = radicand.isqrt();
    let mantissa = root << 1 | (root * root != radicand) as u128;
    Exact { negative: false, mantissa, exponent: exponent - 1 }.round(MODE)
}

/// A whole number.
pub fn integer<const MODE: char>(a: i128) -> f64 {
    if a == 0 {
        return 0.0;
    }
    Exact { negative: a < 0, mantissa: a.unsigned_abs(), exponent: 0 }.round(MODE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of every kind, close to one another often enough that sums cancel.
    fn numbers() -> impl Iterator<Item = f64> {
        let mut state = 7u64;
        let mut draw = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 11
        };
        (0..60_000).map(move |i| match i % 6 {
            0 => f64::from_bits(draw() << 11 ^ draw()),
            1 => (draw() % 1000) as f64 - 500.0,
            2 => f64::from_bits(draw() >> 8 & 0xf_ffff_ffff_ffff),
            3 => 1.0 + draw() as f64 * f64::EPSILON * 1e-3,
            4 => {
                [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MAX, 5e-324][draw() as usize % 7]
            }
            _ => -(draw() as f64) * 2f64.powi((draw() % 200) as i32 - 100),
        })
    }

    fn same(a: f64, b: f64) -> bool {
        a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
    }

    /// To nearest, this is the host's arithmetic.
    #[test]
    fn nearest_is_the_hosts() {
        let all: Vec<f64> = numbers().collect();
        for w in all.windows(3) {
            let (a, b, c) = (w[0], w[1], w[2]);
            assert!(same(add::<'n'>(a, b), a + b), "{a:e} + {b:e}: {:e}", add::<'n'>(a, b));
            assert!(same(mul::<'n'>(a, b), a * b), "{a:e} * {b:e}: {:e}", mul::<'n'>(a, b));
            assert!(same(div::<'n'>(a, b), a / b), "{a:e} / {b:e}: {:e}", div::<'n'>(a, b));
            assert!(same(fma::<'n'>(a, b, c), a.mul_add(b, c)), "{a:e} * {b:e} + {c:e}");
            assert!(same(fma::<'n'>(a, b, -a * b), a.mul_add(b, -a * b)), "{a:e} * {b:e} less itself");
            assert!(same(sqrt::<'n'>(a.abs()), a.abs().sqrt()), "{a:e}");
        }
    }

    /// Down and up are neighbours that enclose the nearest, and towards zero is one of them.
    #[test]
    fn directed_modes_enclose() {
        let all: Vec<f64> = numbers().collect();
        for w in all.windows(3) {
            let (a, b, c) = (w[0], w[1], w[2]);
            let results = [
                (add::<'m'>(a, b), add::<'p'>(a, b), add::<'z'>(a, b), a + b),
                (mul::<'m'>(a, b), mul::<'p'>(a, b), mul::<'z'>(a, b), a * b),
                (div::<'m'>(a, b), div::<'p'>(a, b), div::<'z'>(a, b), a / b),
                (fma::<'m'>(a, b, c), fma::<'p'>(a, b, c), fma::<'z'>(a, b, c), a.mul_add(b, c)),
                (sqrt::<'m'>(a), sqrt::<'p'>(a), sqrt::<'z'>(a), a.sqrt()),
            ];
            for (down, up, zero, nearest) in results {
                if nearest.is_nan() {
                    assert!(down.is_nan() && up.is_nan() && zero.is_nan());
                    continue;
                }
                assert!(down <= nearest && nearest <= up, "{a:e} {b:e} {c:e}: {down:e} {nearest:e} {up:e}");
                assert!(down == up || down.next_up() == up, "{a:e} {b:e} {c:e}: {down:e} {up:e}");
                let inner = if down.abs() < up.abs() { down } else { up };
                assert!(zero == inner, "{zero:e} of {down:e} {up:e}");
            }
        }
        assert_eq!(add::<'m'>(1.0, -1.0).to_bits(), (-0.0f64).to_bits());
        assert_eq!(add::<'z'>(1.0, -1.0).to_bits(), 0);
    }
}
