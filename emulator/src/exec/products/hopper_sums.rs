//! The sums of `wgmma` as Hopper's tensor cores have them, to the bit.
//!
//! An instruction adds its products and what D holds at once, in fixed point: all are shifted to the greatest exponent among them,
//! and what falls below the last bit is cut off. 25 bits stand behind the point, but 13 for 8-bit floats, whose sum is cut off
//! again when it is written: D then has a mantissa of 13 bits, where f32 has 23. So a sum of many steps loses up to a unit of
//! 2^-13 a step, always towards zero.
//!
//! The figures are those that Xie, Wang, Yang and Yang found by tests of the hardware and confirmed with a million random products
//! ("MMA-Sim: Bit-Accurate Reference Model of Tensor Cores and Matrix Cores", arXiv 2511.10909); the report of DeepSeek-V3 (arXiv
//! 2412.19437, 3.3.2) speaks of the same 14 bits. Exponents are those of the factors as they are stored, added: a product of two
//! numbers of 1.5 is not carried to the next, and subnormal numbers have the exponent of the least normal one.

use super::descriptor::DEEP;
use crate::alu::float::canonical;
use crate::alu::halves::narrow_odd;
use crate::program::Element;

/// A factor or a start: `significand * 2^(exponent - bits)` with the bits of its [`Format`], or what is not finite.
#[derive(Clone, Copy, Default)]
pub(super) struct Number {
    significand: i64,
    exponent: i32,
    /// The number itself.
    value: f32,
}

/// Bits of the mantissa of a type, and its least exponent.
#[derive(Clone, Copy)]
struct Format(i32, i32);

impl Format {
    fn of(element: Element) -> Format {
        match element {
            Element::F16 => Format(10, -14),
            Element::Bf16 => Format(7, -126),
            Element::E4m3 => Format(3, -6),
            Element::E5m2 => Format(2, -14),
            _ => Format(10, -126),
        }
    }

    #[inline(always)]
    fn number(self, value: f32) -> Number {
        let Format(bits, least) = self;
        let (biased, fraction) = (value.to_bits() >> 23 & 0xff, value.to_bits() as i64 & 0x7f_ffff);
        let (whole, exponent) = match biased {
            0 => (fraction, -126),
            _ => (fraction | 1 << 23, biased as i32 - 127),
        };
        // Numbers of the type have nothing below the last bit.
        let significand = shifted(whole, bits - 23 - (least - exponent).max(0));
        Number {
            significand: if value.is_sign_negative() { -significand } else { significand },
            exponent: exponent.max(least),
            value,
        }
    }
}

/// The exponent of a zero, which is so small that it decides nothing.
const OF_ZERO: i32 = -126;

/// How the sums of products of two types are cut off.
#[derive(Clone, Copy)]
pub(super) struct Adder {
    a: Format,
    b: Format,
    d: Format,
    /// Bits behind the point of the sum.
    point: i32,
    /// Bits of the mantissa of what is written; nothing if that is of half precision, and rounded.
    mantissa: Option<i32>,
}

impl Adder {
    pub fn new(a: Element, b: Element, half_d: bool) -> Adder {
        let (point, mantissa) = if a.bits() == 8 { (13, 13) } else { (25, 23) };
        let d = if half_d { Format(10, -14) } else { Format(23, -126) };
        Adder { a: Format::of(a), b: Format::of(b), d, point, mantissa: (!half_d).then_some(mantissa) }
    }

    /// An element of A.
    #[inline(always)]
    pub fn left(&self, x: f32) -> Number {
        self.a.number(x)
    }

    /// An element of B.
    #[inline(always)]
    pub fn right(&self, x: f32) -> Number {
        self.b.number(x)
    }

    /// `start` and the products of `a` and `b`. What half precision is to be made of, by rounding to nearest, is rounded to odd.
    #[inline(always)]
    pub fn sum(&self, a: &[Number], b: &[Number], start: f32) -> f32 {
        let mut terms = [(0, OF_ZERO); DEEP + 1];
        let mut is_finite = start.is_finite();
        for ((a, b), term) in a.iter().zip(b).zip(&mut terms) {
            is_finite &= a.value.is_finite() && b.value.is_finite();
            *term = (a.significand * b.significand, a.exponent + b.exponent);
        }
        if !is_finite {
            let product = |(a, b): (&Number, &Number)| a.value as f64 * b.value as f64;
            return canonical(
                a.iter().zip(b).map(product).fold(start as f64, |sum, product| sum + product) as f32
            );
        }
        let start = self.d.number(start);
        terms[DEEP] = (start.significand, start.exponent);
        let exponents =
            terms.iter().map(|(significand, exponent)| if *significand == 0 { OF_ZERO } else { *exponent });
        let greatest = exponents.max().unwrap_or(OF_ZERO);
        let below = |bits: i32| self.point - bits - greatest;
        let (of_products, of_start) = (below(self.a.0 + self.b.0), below(self.d.0));
        let products =
            terms[..DEEP].iter().map(|(significand, exponent)| shifted(*significand, exponent + of_products));
        let sum = products.sum::<i64>() + shifted(start.significand, start.exponent + of_start);
        let sum = sum as f64 * power(greatest - self.point);
        match self.mantissa {
            Some(mantissa) => truncated(sum, mantissa),
            None => narrow_odd(sum),
        }
    }
}

/// The product of two matrices of 8-bit floats as Hopper's tensor cores make it, `[rows][columns]`, for who asks what a kernel may lose
/// by them: `a` is `[rows][depth]`, `b` is `[columns][depth]`, both e4m3 or e5m2 as numbers. Each 32 are added at once, in order.
///
/// # Panics
/// If a factor is not a whole number of rows.
pub fn product_of_eight_bits(a: &[f32], b: &[f32], depth: usize) -> Vec<f32> {
    /// Digits of e4m3 and exponents of e5m2: numbers of either.
    const EITHER: Format = Format(3, -14);
    assert!(
        depth > 0 && a.len().is_multiple_of(depth) && b.len().is_multiple_of(depth),
        "{depth} numbers a row"
    );
    let adder = Adder { a: EITHER, b: EITHER, ..Adder::new(Element::E4m3, Element::E4m3, false) };
    let decoded = |numbers: &[f32]| numbers.iter().map(|x| EITHER.number(*x)).collect::<Vec<Number>>();
    let (a, b) = (decoded(a), decoded(b));
    let of = |row: &[Number], column: &[Number]| {
        let steps = row.chunks(DEEP).zip(column.chunks(DEEP));
        steps.fold(0.0, |sum, (row, column)| adder.sum(row, column, sum))
    };
    let rows = a.chunks_exact(depth);
    rows.flat_map(|row| b.chunks_exact(depth).map(move |column| of(row, column))).collect()
}

/// Times a power of two, towards zero.
#[inline(always)]
fn shifted(significand: i64, by: i32) -> i64 {
    match by {
        // Only zeros are shifted far to the left.
        0.. => significand.wrapping_shl(by as u32),
        -62.. => significand / (1 << -by),
        _ => 0,
    }
}

/// `2^exponent`, which is a normal double.
fn power(exponent: i32) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

/// The number of single precision with so many bits of mantissa that is next towards zero.
fn truncated(x: f64, mantissa: i32) -> f32 {
    let exponent = ((x.to_bits() >> 52 & 0x7ff) as i32 - 1023).max(-126);
    let unit = power(exponent - mantissa);
    ((x / unit).trunc() * unit) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alu::eight::{E4m3, Eight};

    const EIGHT: (Element, Element) = (Element::E4m3, Element::E4m3);

    fn sum((a_type, b_type): (Element, Element), a: &[f32], b: &[f32], start: f32) -> f32 {
        let adder = Adder::new(a_type, b_type, false);
        let (a, b): (Vec<_>, Vec<_>) =
            a.iter().zip(b).map(|(a, b)| (adder.left(*a), adder.right(*b))).unzip();
        adder.sum(&a, &b, start)
    }

    /// Worked out by hand from the rules at the head of the file.
    #[test]
    fn by_hand() {
        let tiny = |power: i32| 2f32.powi(power);
        // 2^-13 of the greatest term is kept, what is below is cut off: of each term by itself, and towards zero.
        assert_eq!(sum(EIGHT, &[tiny(-6)], &[tiny(-6)], 1.0), 1.0 + tiny(-12));
        assert_eq!(sum(EIGHT, &[tiny(-7)], &[tiny(-6)], 1.0), 1.0 + tiny(-13));
        assert_eq!(sum(EIGHT, &[tiny(-7)], &[tiny(-7)], 1.0), 1.0);
        assert_eq!(sum(EIGHT, &[tiny(-7); 2], &[tiny(-7); 2], 1.0), 1.0);
        assert_eq!(sum(EIGHT, &[-tiny(-7)], &[tiny(-7)], 1.0), 1.0);
        assert_eq!(sum(EIGHT, &[tiny(-7); 2], &[tiny(-7); 2], 0.0), tiny(-13));
        // What D held is cut off like any other.
        assert_eq!(sum(EIGHT, &[0.0], &[0.0], 1.0 + tiny(-13) + tiny(-14)), 1.0 + tiny(-13));
        assert_eq!(sum(EIGHT, &[64.0], &[1.0], 1.0 + tiny(-7) + tiny(-8)), 65.0 + tiny(-7));
        // 1.5 x 1.5 has the exponent of 1, so 2^-13 is kept beside it; and the sum, of exponent 1, cut off when it is written.
        assert_eq!(sum(EIGHT, &[1.5, tiny(-7)], &[1.5, tiny(-6)], 0.0), 2.25);
        assert_eq!(sum(EIGHT, &[1.5, -tiny(-7)], &[1.5, tiny(-6)], 0.0), 2.25 - tiny(-12));
        assert_eq!(sum(EIGHT, &[1.5, -2.0, tiny(-7)], &[1.5, 1.0, tiny(-6)], 0.0), 0.25);
        // A subnormal number has the exponent of the least normal one, 2^-6 here: 2^-27 of what D held is then too little.
        assert_eq!(sum(EIGHT, &[tiny(-9)], &[tiny(-9)], 0.0), tiny(-18));
        assert_eq!(sum(EIGHT, &[tiny(-9)], &[tiny(-9)], tiny(-14) + tiny(-27)), tiny(-14) + tiny(-18));
        assert_eq!(sum(EIGHT, &[0.0], &[0.0], tiny(-14) + tiny(-27)), tiny(-14) + tiny(-27));
        // 16-bit types have 25 bits, written as 23.
        let sixteen = (Element::F16, Element::F16);
        assert_eq!(sum(sixteen, &[tiny(-12)], &[tiny(-11)], 1.0), 1.0 + tiny(-23));
        assert_eq!(sum(sixteen, &[tiny(-12); 2], &[tiny(-12); 2], 1.0), 1.0 + tiny(-23));
        assert_eq!(sum(sixteen, &[tiny(-13); 3], &[tiny(-12); 3], 1.0), 1.0);
        assert_eq!(sum(sixteen, &[tiny(-13); 4], &[tiny(-12); 4], 1.0), 1.0 + tiny(-23));
        assert_eq!(sum(sixteen, &[tiny(-13); 8], &[tiny(-13); 8], 1.0), 1.0);
        // Bf16 and tf32, whose products may lie below any f32.
        assert_eq!(sum((Element::Bf16, Element::Bf16), &[tiny(-100)], &[tiny(-100)], 0.0), 0.0);
        assert_eq!(sum((Element::Tf32, Element::Tf32), &[1.0 + tiny(-10)], &[1.0], 0.0), 1.0 + tiny(-10));
        assert_eq!(sum((Element::E5m2, Element::E4m3), &[57344.0], &[-448.0], 0.0), -57344.0 * 448.0);
    }

    #[test]
    fn what_is_not_finite() {
        let inf = f32::INFINITY;
        let five = (Element::E5m2, Element::E5m2);
        assert_eq!(sum(five, &[inf], &[1.0], 0.0), inf);
        assert_eq!(sum(five, &[inf], &[-1.0], 3.0), -inf);
        for (a, b, start) in [(inf, 0.0, 0.0), (inf, -1.0, inf), (f32::NAN, 0.0, 1.0), (0.0, 0.0, f32::NAN)] {
            assert_eq!(sum(five, &[a], &[b], start).to_bits(), 0x7fff_ffff, "{a} x {b} + {start}");
        }
        assert_eq!(sum(five, &[0.0], &[0.0], -inf), -inf);
    }

    /// What attention over 131072 keys loses in P V: the root mean square of the error, of that of the values, where P V of so many
    /// tiles of 128 keys is added up by the tensor cores and then to f32, or of all (0).
    fn error_of(tiles: usize) -> f64 {
        const KEYS: usize = 1 << 17;
        let adder = Adder::new(Element::E4m3, Element::E4m3, false);
        let mut state = 1u64;
        // About normal: the sum of twelve.
        let mut normal = || {
            let uniform = (0..12).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1 << 24) as f32
            });
            uniform.sum::<f32>() - 6.0
        };
        let eight = |x: f32| E4m3::f32(E4m3::nearest(x));
        let steps = if tiles == 0 { usize::MAX } else { tiles * 128 / DEEP };
        let (mut squares, mut errors) = (0.0, 0.0);
        for _ in 0..16 {
            let (mut low, mut high, mut exact, mut weight) = (0f32, 0f32, 0f64, 0f64);
            for step in 0..KEYS / DEEP {
                // Weights of keys whose scores are normal; the largest of them 256.
                let p: [f32; DEEP] = std::array::from_fn(|_| {
                    eight((normal() * std::f32::consts::LOG2_E + 2.0).exp2().min(256.0))
                });
                let v: [f32; DEEP] = std::array::from_fn(|_| eight(normal() + 0.5));
                low = adder.sum(&p.map(|x| adder.left(x)), &v.map(|x| adder.right(x)), low);
                exact += p.iter().zip(&v).map(|(p, v)| *p as f64 * *v as f64).sum::<f64>();
                weight += p.iter().map(|p| *p as f64).sum::<f64>();
                if (step + 1) % steps.min(KEYS / DEEP) == 0 {
                    high += low;
                    low = 0.0;
                }
            }
            let error = (high as f64 - exact) / weight;
            (errors, squares) = (errors + error * error, squares + (exact / weight).powi(2));
        }
        (errors / squares).sqrt()
    }

    /// One level loses what two do not: by much more than the rounding of P to 8 bits costs, which is 2^-4 a key and averages out.
    #[test]
    fn long_sums() {
        let errors = [1, 4, 16, 0].map(error_of);
        println!(
            "error of P V over 131072 keys, of two levels every 1, 4 and 16 tiles, and of one: {errors:?}"
        );
        assert!(errors[0] < 1e-3 && errors[1] < 5e-3, "{errors:?}");
        assert!(errors[3] > 10.0 * errors[1], "{errors:?}");
        assert!(errors.is_sorted(), "{errors:?}");
    }
}
