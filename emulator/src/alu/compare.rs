//! Comparisons of `setp` and `set` (PTX ISA §9.7.6), and `testp`.

use super::float::flush;
use super::halves::{Bf16, F16, Half, Pair};
use super::lanes::{Test, test};
use flashpage_ptx::ast::{Instruction, Mod};
use flashpage_ptx::words::{Type, Word};

/// A comparison with its results: one, or for packed halves one for each.
pub enum Comparison {
    /// One result.
    One(Test),
    /// Of the lower halves and of the upper halves.
    Two(Test, Test),
}

const OPERATORS: [Word; 18] = [
    Word::Eq,
    Word::Ne,
    Word::Lt,
    Word::Le,
    Word::Gt,
    Word::Ge,
    Word::Lo,
    Word::Ls,
    Word::Hi,
    Word::Hs,
    Word::Equ,
    Word::Neu,
    Word::Ltu,
    Word::Leu,
    Word::Gtu,
    Word::Geu,
    Word::Num,
    Word::Nan,
];

/// The comparison of `setp` or `set` over sources of type `ty`.
#[allow(clippy::neg_cmp_op_on_partial_ord)] // "unordered or not below" is what the words mean
pub fn comparison(inst: &Instruction, ty: Type) -> Option<Comparison> {
    let operator = inst.mods.iter().find_map(|m| match m {
        Mod::Word(w) if OPERATORS.contains(w) => Some(*w),
        _ => None,
    })?;
    macro_rules! integer {
        ($t:ty) => {
            Comparison::One(match operator {
                Word::Eq => test(|a: $t, b: $t| a == b),
                Word::Ne => test(|a: $t, b: $t| a != b),
                Word::Lt | Word::Lo => test(|a: $t, b: $t| a < b),
                Word::Le | Word::Ls => test(|a: $t, b: $t| a <= b),
                Word::Gt | Word::Hi => test(|a: $t, b: $t| a > b),
                Word::Ge | Word::Hs => test(|a: $t, b: $t| a >= b),
                _ => return None,
            })
        };
    }
    macro_rules! float {
        ($t:ty, $value:expr) => {
            match operator {
                Word::Eq => test(|a: $t, b: $t| $value(a) == $value(b)),
                // Ordered: false where either is NaN.
                Word::Ne => test(|a: $t, b: $t| $value(a) < $value(b) || $value(a) > $value(b)),
                Word::Lt => test(|a: $t, b: $t| $value(a) < $value(b)),
                Word::Le => test(|a: $t, b: $t| $value(a) <= $value(b)),
                Word::Gt => test(|a: $t, b: $t| $value(a) > $value(b)),
                Word::Ge => test(|a: $t, b: $t| $value(a) >= $value(b)),
                Word::Equ => test(|a: $t, b: $t| !($value(a) < $value(b) || $value(a) > $value(b))),
                Word::Neu => test(|a: $t, b: $t| $value(a) != $value(b)),
                Word::Ltu => test(|a: $t, b: $t| !($value(a) >= $value(b))),
                Word::Leu => test(|a: $t, b: $t| !($value(a) > $value(b))),
                Word::Gtu => test(|a: $t, b: $t| !($value(a) <= $value(b))),
                Word::Geu => test(|a: $t, b: $t| !($value(a) < $value(b))),
                Word::Num => test(|a: $t, b: $t| !$value(a).is_nan() && !$value(b).is_nan()),
                Word::Nan => test(|a: $t, b: $t| $value(a).is_nan() || $value(b).is_nan()),
                _ => return None,
            }
        };
    }
    Some(match ty {
        Type::B16 | Type::U16 => integer!(u16),
        Type::S16 => integer!(i16),
        Type::B32 | Type::U32 => integer!(u32),
        Type::S32 => integer!(i32),
        Type::B64 | Type::U64 => integer!(u64),
        Type::S64 => integer!(i64),
        Type::F32 if inst.has(Word::Ftz) => Comparison::One(float!(f32, flush)),
        Type::F32 => Comparison::One(float!(f32, (|a: f32| a))),
        Type::F64 => Comparison::One(float!(f64, (|a: f64| a))),
        Type::F16 => Comparison::One(float!(F16, F16::f32)),
        Type::Bf16 => Comparison::One(float!(Bf16, Bf16::f32)),
        Type::F16x2 => Comparison::Two(
            float!(Pair<F16>, (|a: Pair<F16>| a.0.f32())),
            float!(Pair<F16>, (|a: Pair<F16>| a.1.f32())),
        ),
        Type::Bf16x2 => Comparison::Two(
            float!(Pair<Bf16>, (|a: Pair<Bf16>| a.0.f32())),
            float!(Pair<Bf16>, (|a: Pair<Bf16>| a.1.f32())),
        ),
        _ => return None,
    })
}

/// `testp`: a property of one number. The second source is not looked at.
pub fn property(inst: &Instruction) -> Option<Test> {
    macro_rules! of {
        ($t:ty) => {
            match inst.mods.first()? {
                Mod::Word(Word::Finite) => test(|a: $t, _| a.is_finite()),
                Mod::Word(Word::Infinite) => test(|a: $t, _| a.is_infinite()),
                Mod::Word(Word::Number) => test(|a: $t, _| !a.is_nan()),
                Mod::Word(Word::Notanumber) => test(|a: $t, _| a.is_nan()),
                Mod::Word(Word::Normal) => test(|a: $t, _| a.is_normal()),
                Mod::Word(Word::Subnormal) => test(|a: $t, _| a.is_subnormal()),
                _ => return None,
            }
        };
    }
    Some(match inst.ty(0)? {
        Type::F32 => of!(f32),
        Type::F64 => of!(f64),
        _ => return None,
    })
}
