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

/// As written in PTX.
const OPERATORS: [&str; 18] = [
    "eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu",
    "num", "nan",
];

/// The comparison of `setp` or `set` over sources of type `ty`.
#[allow(clippy::neg_cmp_op_on_partial_ord)] // "unordered or not below" is what the words mean
pub fn comparison(inst: &Instruction, ty: Type) -> Option<Comparison> {
    let operator = inst.mods.iter().find_map(|m| match m {
        Mod::Word(w) if OPERATORS.contains(&w.as_str()) => Some(w.as_str()),
        _ => None,
    })?;
    macro_rules! integer {
        ($t:ty) => {
            Comparison::One(match operator {
                "eq" => test(|a: $t, b: $t| a == b),
                "ne" => test(|a: $t, b: $t| a != b),
                "lt" | "lo" => test(|a: $t, b: $t| a < b),
                "le" | "ls" => test(|a: $t, b: $t| a <= b),
                "gt" | "hi" => test(|a: $t, b: $t| a > b),
                "ge" | "hs" => test(|a: $t, b: $t| a >= b),
                _ => return None,
            })
        };
    }
    macro_rules! float {
        ($t:ty, $value:expr) => {
            match operator {
                "eq" => test(|a: $t, b: $t| $value(a) == $value(b)),
                // Ordered: false where either is NaN.
                "ne" => test(|a: $t, b: $t| $value(a) < $value(b) || $value(a) > $value(b)),
                "lt" => test(|a: $t, b: $t| $value(a) < $value(b)),
                "le" => test(|a: $t, b: $t| $value(a) <= $value(b)),
                "gt" => test(|a: $t, b: $t| $value(a) > $value(b)),
                "ge" => test(|a: $t, b: $t| $value(a) >= $value(b)),
                "equ" => test(|a: $t, b: $t| !($value(a) < $value(b) || $value(a) > $value(b))),
                "neu" => test(|a: $t, b: $t| $value(a) != $value(b)),
                "ltu" => test(|a: $t, b: $t| !($value(a) >= $value(b))),
                "leu" => test(|a: $t, b: $t| !($value(a) > $value(b))),
                "gtu" => test(|a: $t, b: $t| !($value(a) <= $value(b))),
                "geu" => test(|a: $t, b: $t| !($value(a) < $value(b))),
                "num" => test(|a: $t, b: $t| !$value(a).is_nan() && !$value(b).is_nan()),
                "nan" => test(|a: $t, b: $t| $value(a).is_nan() || $value(b).is_nan()),
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
