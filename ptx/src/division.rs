//! Division without `div`.
//!
//! ptxas turns every `div` and `rem` of 32 bits into a reciprocal with corrections, some 20 instructions, even where the
//! divisor is a constant power of two. Here a divisor that is known while the text is made becomes shifts or a
//! multiplication by its inverse, and so does one that only the host knows: it passes the numbers of a [`Reciprocal`].
//! The arithmetic is that of Granlund and Montgomery, "Division by Invariant Integers using Multiplication" (1994).

use crate::ast::Operand;
use crate::builder::{Builder, Destination, Reg, ty, word};
use crate::words::{Opcode, Type, Word};

/// The most that a [`Reciprocal`] divides.
const MOST: u64 = 1 << 31;

/// What to multiply by, and how far to shift, to divide numbers up to 2^31 by a number from 1 to 2^31.
///
/// `n / d` is `n * multiplier >> shift`, worked out in 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reciprocal {
    /// 2^shift / d, rounded up; less than 2^32.
    pub multiplier: u32,
    /// From 31 to 62.
    pub shift: u32,
}

impl Reciprocal {
    /// That of a divisor; of 0, or what is above 2^31, one by which every quotient is 0.
    pub fn of(divisor: u32) -> Reciprocal {
        let divisor = u64::from(divisor);
        if divisor == 0 || divisor > MOST {
            return Reciprocal { multiplier: 0, shift: 31 };
        }
        // The rounding adds less than the divisor, so less than 2^s: too little to reach the next quotient.
        let shift = 31 + divisor.next_power_of_two().trailing_zeros();
        Reciprocal { multiplier: (1u64 << shift).div_ceil(divisor) as u32, shift }
    }
}

/// A [`Reciprocal`] in registers.
#[derive(Clone, Debug)]
pub struct ReciprocalRegs {
    /// Of type u32.
    pub multiplier: Reg,
    /// Of type u32.
    pub shift: Reg,
}

/// How to divide unsigned numbers of 32 bits by a constant that is no power of two.
#[derive(Debug, PartialEq)]
struct Constant {
    /// The dividend is shifted right first.
    before: u32,
    multiplier: u32,
    /// The multiplier has a 33rd bit.
    is_long: bool,
    /// The high half of the product is shifted right.
    after: u32,
}

impl Constant {
    fn of(divisor: u32) -> Constant {
        let fits = |before: u32| {
            let (odd, bits) = (u64::from(divisor >> before), 32 - before);
            (0..=32).find_map(|after| {
                let power = 1u128 << (32 + after);
                let multiplier = power / u128::from(odd) + 1;
                let excess = multiplier * u128::from(odd) - power;
                let exact = excess << bits <= power && multiplier < 1 << 32;
                exact.then_some(Constant { before, multiplier: multiplier as u32, is_long: false, after })
            })
        };
        let zeros = divisor.trailing_zeros();
        fits(0).or_else(|| fits(zeros).filter(|_| zeros > 0)).unwrap_or_else(|| {
            let after = divisor.ilog2() + 1;
            let multiplier = (1u128 << (32 + after)) / u128::from(divisor) + 1;
            Constant { before: 0, multiplier: multiplier as u32, is_long: true, after }
        })
    }
}

/// The multiplier and the shift for signed numbers and a divisor from 3 on that is no power of two.
fn signed_constant(divisor: u32) -> (i32, u32) {
    let power = divisor.ilog2();
    // At most one bit too long: then it wraps to a negative number, and the dividend is added.
    let multiplier = (1u64 << (32 + power)) / u64::from(divisor) + 1;
    (multiplier as u32 as i32, power)
}

impl Builder {
    /// `a / b` of u32 or s32, towards zero. Without `div` where `b` is a literal other than 0.
    pub fn div(&mut self, t: Type, d: impl Destination, a: impl Into<Operand>, b: impl Into<Operand>) -> Reg {
        let (a, b) = (a.into(), b.into());
        let d = d.register(self, t);
        match (t, &b) {
            (Type::U32, Operand::Int(divisor @ 1..=0xffff_ffff)) => self.div_unsigned(&d, a, *divisor as u32),
            (Type::S32, Operand::Int(divisor)) if *divisor != 0 && i32::try_from(*divisor).is_ok() => {
                self.div_signed(&d, a, *divisor as i32);
            }
            _ => {
                self.op(Opcode::Div, &[ty(t)], t, &d, vec![a, b]);
            }
        }
        d
    }

    /// `a % b` of u32 or s32, with the sign of `a`. Without `rem` where `b` is a literal other than 0.
    pub fn rem(&mut self, t: Type, d: impl Destination, a: impl Into<Operand>, b: impl Into<Operand>) -> Reg {
        let (a, b) = (a.into(), b.into());
        let d = d.register(self, t);
        match (t, &b) {
            (Type::U32, Operand::Int(divisor)) if divisor.count_ones() == 1 && *divisor >= 1 => {
                self.and(Type::B32, &d, a, divisor - 1);
            }
            (Type::U32 | Type::S32, Operand::Int(divisor)) if *divisor != 0 => {
                let quotient = self.div(t, "r", a.clone(), b.clone());
                let whole = self.mul_lo(t, "r", &quotient, b);
                self.sub(t, &d, a, &whole);
            }
            _ => {
                self.op(Opcode::Rem, &[ty(t)], t, &d, vec![a, b]);
            }
        }
        d
    }

    /// `a / b` of a u32 up to 2^31, where the host knows `b`.
    pub fn quotient(&mut self, d: impl Destination, a: impl Into<Operand>, by: &ReciprocalRegs) -> Reg {
        let mods = [word(Word::Wide), ty(Type::U32)];
        let from = vec![a.into(), (&by.multiplier).into()];
        let product = self.op(Opcode::Mul, &mods, Type::U64, "rd", from);
        let shifted = self.shr(Type::U64, "rd", &product, &by.shift);
        self.cvt(&[], Type::U32, Type::U64, d, &shifted)
    }

    /// `a / b` of s32, towards zero, where the host knows `b` and `by` is of its absolute value.
    pub fn quotient_signed(
        &mut self,
        d: impl Destination,
        a: impl Into<Operand>,
        b: &Reg,
        by: &ReciprocalRegs,
        never_negative: bool,
    ) -> Reg {
        let a = a.into();
        let (size, signs) = match never_negative {
            true => (a, b.clone()),
            false => (Operand::from(&self.size(a.clone())), self.xor(Type::B32, "r", a, b)),
        };
        let quotient = self.quotient("r", size, by);
        self.with_sign(d, &quotient, (&signs).into())
    }

    /// `a % b` of s32, with the sign of `a`, likewise. By 0 it is `a`.
    pub fn rest_signed(
        &mut self,
        d: impl Destination,
        a: impl Into<Operand>,
        b: &Reg,
        by: &ReciprocalRegs,
        never_negative: bool,
    ) -> Reg {
        let a = a.into();
        let b_size = self.size(b.into());
        let size = if never_negative { a.clone() } else { Operand::from(&self.size(a.clone())) };
        let quotient = self.quotient("r", size.clone(), by);
        let whole = self.mul_lo(Type::U32, "r", &quotient, &b_size);
        if never_negative {
            return self.sub(Type::S32, d, size, &whole);
        }
        let rest = self.sub(Type::S32, "r", size, &whole);
        self.with_sign(d, &rest, a)
    }

    /// `|a|` of an s32.
    fn size(&mut self, a: Operand) -> Reg {
        self.op(Opcode::Abs, &[ty(Type::S32)], Type::S32, "r", vec![a])
    }

    /// `size`, or its negative where `sign` is negative.
    fn with_sign(&mut self, d: impl Destination, size: &Reg, sign: Operand) -> Reg {
        let is_negative = self.setp(Word::Lt, Type::S32, "p", sign, 0);
        let negative = self.neg(Type::S32, "r", size);
        self.selp(Type::S32, d, &negative, size, &is_negative)
    }

    /// The high half of a product. Not by `mul.hi`, with which ptxas spills where registers are few.
    fn mul_high(&mut self, t: Type, a: &Operand, b: i64) -> Reg {
        let wide = if t == Type::S32 { Type::S64 } else { Type::U64 };
        let product = self.op(Opcode::Mul, &[word(Word::Wide), ty(t)], wide, "rd", vec![a.clone(), b.into()]);
        let high = self.shr(wide, "rd", &product, 32);
        self.cvt(&[], t, wide, "r", &high)
    }

    fn div_unsigned(&mut self, d: &Reg, a: Operand, divisor: u32) {
        if divisor == 1 {
            self.mov(Type::U32, d, a);
            return;
        }
        if divisor.is_power_of_two() {
            self.shr(Type::U32, d, a, divisor.trailing_zeros());
            return;
        }
        let Constant { before, multiplier, is_long, after } = Constant::of(divisor);
        let a = match before {
            0 => a,
            _ => Operand::from(&self.shr(Type::U32, "r", a, before)),
        };
        let high = self.mul_high(Type::U32, &a, i64::from(multiplier));
        if !is_long {
            self.shr(Type::U32, d, &high, after);
            return;
        }
        let rest = self.sub(Type::U32, "r", a, &high);
        let half = self.shr(Type::U32, "r", &rest, 1);
        let sum = self.add(Type::U32, "r", &half, &high);
        self.shr(Type::U32, d, &sum, after - 1);
    }

    fn div_signed(&mut self, d: &Reg, a: Operand, divisor: i32) {
        let size = divisor.unsigned_abs();
        let to = if divisor < 0 { self.reg(Type::S32, "r") } else { d.clone() };
        if size == 1 {
            self.mov(Type::S32, &to, a);
        } else if size.is_power_of_two() {
            let bits = size.trailing_zeros();
            let sign = self.shr(Type::S32, "r", a.clone(), 31);
            let below = self.shr(Type::U32, "r", &sign, 32 - bits);
            let moved = self.add(Type::S32, "r", a, &below);
            self.shr(Type::S32, &to, &moved, bits);
        } else {
            let (multiplier, shift) = signed_constant(size);
            let mut high = self.mul_high(Type::S32, &a, i64::from(multiplier));
            if multiplier < 0 {
                high = self.add(Type::S32, "r", &high, a.clone());
            }
            let shifted = self.shr(Type::S32, "r", &high, shift);
            let sign = self.shr(Type::U32, "r", a, 31);
            self.add(Type::S32, &to, &shifted, &sign);
        }
        if divisor < 0 {
            self.neg(Type::S32, d, &to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers where a rounding that is off shows.
    fn dividends(divisor: u32) -> impl Iterator<Item = u32> {
        let near = |n: u64| [n.wrapping_sub(1), n, n + 1].map(|n| n as u32);
        let multiples = [1u64, 2, 3, 1000, u64::from(u32::MAX / divisor), u64::from((1u32 << 31) / divisor)];
        let of_divisor = multiples.map(|k| k * u64::from(divisor));
        of_divisor.into_iter().chain([0, 1 << 16, 1 << 30, 1 << 31, 1 << 32]).flat_map(near)
    }

    fn divisors() -> impl Iterator<Item = u32> {
        (1..600)
            .chain([641, 1000, 65_535, 65_537, 1_000_003, (1 << 31) - 1, 1 << 31])
            .chain((0..31).map(|bit| 1 << bit))
    }

    #[test]
    fn reciprocals_are_exact_up_to_two_to_the_31() {
        for divisor in divisors() {
            let Reciprocal { multiplier, shift } = Reciprocal::of(divisor);
            for n in dividends(divisor).filter(|n| *n <= 1 << 31) {
                let quotient = (u64::from(n) * u64::from(multiplier)) >> shift;
                assert_eq!(quotient, u64::from(n / divisor), "{n} / {divisor}");
            }
        }
        assert_eq!(Reciprocal::of(0).multiplier, 0);
        assert_eq!(Reciprocal::of(u32::MAX).multiplier, 0);
    }

    #[test]
    fn constants_are_exact_for_all_of_32_bits() {
        let all = divisors().chain([u32::MAX, u32::MAX - 1, (1 << 31) + 1, 3 << 30]);
        for divisor in all.filter(|d| !d.is_power_of_two()) {
            let Constant { before, multiplier, is_long, after } = Constant::of(divisor);
            for n in dividends(divisor) {
                let a = n >> before;
                let high = ((u64::from(a) * u64::from(multiplier)) >> 32) as u32;
                let quotient =
                    if is_long { (((a - high) >> 1) + high) >> (after - 1) } else { high >> after };
                assert_eq!(quotient, n / divisor, "{n} / {divisor}");
            }
        }
    }

    #[test]
    fn signed_constants_are_exact() {
        for divisor in divisors().filter(|d| !d.is_power_of_two() && *d < 1 << 31) {
            let (multiplier, shift) = signed_constant(divisor);
            for n in dividends(divisor).map(|n| n as i32).flat_map(|n| [n, n.wrapping_neg()]) {
                let mut high = ((i64::from(n) * i64::from(multiplier)) >> 32) as i32;
                if multiplier < 0 {
                    high = high.wrapping_add(n);
                }
                let quotient = (high >> shift) + (n < 0) as i32;
                assert_eq!(quotient, n / divisor as i32, "{n} / {divisor}");
            }
        }
    }
}
