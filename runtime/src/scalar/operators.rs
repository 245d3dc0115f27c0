//! The operators on strips. Integers wrap, and give 0 where they divide by zero; `min` and `max` of floats pass NaN
//! over.

use super::{ILL_TYPED, Strip, Value};
use flashpage_codegen::program::{BinaryOp, UnaryOp};

pub(super) fn unary(op: UnaryOp, a: &Value<'_>) -> Value<'static> {
    use Value::{Bool, Float, Int};
    match (op, a) {
        (UnaryOp::Neg, Float(a)) => Float(a.map(|a| -a)),
        (UnaryOp::Neg, Int(a)) => Int(a.map(i32::wrapping_neg)),
        (UnaryOp::Not, Bool(a)) => Bool(a.map(|a| !a)),
        (UnaryOp::Abs, Float(a)) => Float(a.map(f64::abs)),
        (UnaryOp::Abs, Int(a)) => Int(a.map(i32::wrapping_abs)),
        (UnaryOp::Exp, Float(a)) => Float(a.map(f64::exp)),
        (UnaryOp::Tanh, Float(a)) => Float(a.map(f64::tanh)),
        (UnaryOp::Ln, Float(a)) => Float(a.map(f64::ln)),
        (UnaryOp::Sqrt, Float(a)) => Float(a.map(f64::sqrt)),
        (UnaryOp::Exp2, Float(a)) => Float(a.map(f64::exp2)),
        (UnaryOp::Log2, Float(a)) => Float(a.map(f64::log2)),
        (UnaryOp::Sin, Float(a)) => Float(a.map(f64::sin)),
        (UnaryOp::Cos, Float(a)) => Float(a.map(f64::cos)),
        (UnaryOp::Floor, Float(a)) => Float(a.map(f64::floor)),
        (UnaryOp::Ceil, Float(a)) => Float(a.map(f64::ceil)),
        (UnaryOp::Trunc, Float(a)) => Float(a.map(f64::trunc)),
        (UnaryOp::Round, Float(a)) => Float(a.map(f64::round_ties_even)),
        (UnaryOp::BitNot, Int(a)) => Int(a.map(|a| !a)),
        // An i32 beyond 2^24 is rounded, as f32 it is on a device.
        (UnaryOp::ToF32, Int(a)) => Float(a.map(|a| f64::from(a as f32))),
        (UnaryOp::ToF32, Bool(a)) => Float(a.map(|a| f64::from(u8::from(a)))),
        (UnaryOp::ToI32, Float(a)) => Int(a.map(|a| a as i32)),
        (UnaryOp::ToI32, Bool(a)) => Int(a.map(i32::from)),
        _ => ILL_TYPED,
    }
}

pub(super) fn binary(op: BinaryOp, a: &Value<'_>, b: &Value<'_>) -> Value<'static> {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => floats(op, a, b),
        (Value::Int(a), Value::Int(b)) => ints(op, a, b),
        (Value::Bool(a), Value::Bool(b)) => bools(op, a, b),
        _ => ILL_TYPED,
    }
}

fn floats(op: BinaryOp, a: &Strip<'_, f64>, b: &Strip<'_, f64>) -> Value<'static> {
    use Value::{Bool, Float};
    match op {
        BinaryOp::Add => Float(a.zip(b, |a, b| a + b)),
        BinaryOp::Sub => Float(a.zip(b, |a, b| a - b)),
        BinaryOp::Mul => Float(a.zip(b, |a, b| a * b)),
        BinaryOp::Div => Float(a.zip(b, |a, b| a / b)),
        BinaryOp::Min => Float(a.zip(b, f64::min)),
        BinaryOp::Max => Float(a.zip(b, f64::max)),
        BinaryOp::AtMost => {
            Float(a.zip(b, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }))
        }
        BinaryOp::AtLeast => {
            Float(a.zip(b, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }))
        }
        BinaryOp::Pow => Float(a.zip(b, f64::powf)),
        BinaryOp::Eq => Bool(a.zip(b, |a, b| a == b)),
        BinaryOp::Ne => Bool(a.zip(b, |a, b| a != b)),
        BinaryOp::Lt => Bool(a.zip(b, |a, b| a < b)),
        BinaryOp::Le => Bool(a.zip(b, |a, b| a <= b)),
        BinaryOp::Gt => Bool(a.zip(b, |a, b| a > b)),
        BinaryOp::Ge => Bool(a.zip(b, |a, b| a >= b)),
        BinaryOp::Rem | BinaryOp::RemEuclid | BinaryOp::DivEuclid => ILL_TYPED,
        BinaryOp::Shl | BinaryOp::Shr | BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor => ILL_TYPED,
        BinaryOp::And | BinaryOp::Or => ILL_TYPED,
    }
}

fn ints(op: BinaryOp, a: &Strip<'_, i32>, b: &Strip<'_, i32>) -> Value<'static> {
    use Value::{Bool, Int};
    match op {
        BinaryOp::Add => Int(a.zip(b, i32::wrapping_add)),
        BinaryOp::Sub => Int(a.zip(b, i32::wrapping_sub)),
        BinaryOp::Mul => Int(a.zip(b, i32::wrapping_mul)),
        BinaryOp::Div => Int(a.zip(b, |a, b| if b == 0 { 0 } else { a.wrapping_div(b) })),
        BinaryOp::Rem => Int(a.zip(b, |a, b| if b == 0 { 0 } else { a.wrapping_rem(b) })),
        BinaryOp::RemEuclid => Int(a.zip(b, |a, b| if b == 0 { 0 } else { a.wrapping_rem_euclid(b) })),
        BinaryOp::DivEuclid => Int(a.zip(b, |a, b| if b == 0 { 0 } else { a.wrapping_div_euclid(b) })),
        BinaryOp::Shl => Int(a.zip(b, |a, b| a.wrapping_shl(b as u32))),
        BinaryOp::Shr => Int(a.zip(b, |a, b| a.wrapping_shr(b as u32))),
        BinaryOp::BitAnd => Int(a.zip(b, |a, b| a & b)),
        BinaryOp::BitOr => Int(a.zip(b, |a, b| a | b)),
        BinaryOp::BitXor => Int(a.zip(b, |a, b| a ^ b)),
        BinaryOp::Min => Int(a.zip(b, i32::min)),
        BinaryOp::Max => Int(a.zip(b, i32::max)),
        BinaryOp::Eq => Bool(a.zip(b, |a, b| a == b)),
        BinaryOp::Ne => Bool(a.zip(b, |a, b| a != b)),
        BinaryOp::Lt => Bool(a.zip(b, |a, b| a < b)),
        BinaryOp::Le => Bool(a.zip(b, |a, b| a <= b)),
        BinaryOp::Gt => Bool(a.zip(b, |a, b| a > b)),
        BinaryOp::Ge => Bool(a.zip(b, |a, b| a >= b)),
        BinaryOp::And | BinaryOp::Or => ILL_TYPED,
        BinaryOp::AtMost | BinaryOp::AtLeast | BinaryOp::Pow => ILL_TYPED,
    }
}

fn bools(op: BinaryOp, a: &Strip<'_, bool>, b: &Strip<'_, bool>) -> Value<'static> {
    Value::Bool(match op {
        BinaryOp::And => a.zip(b, |a, b| a & b),
        BinaryOp::Or => a.zip(b, |a, b| a | b),
        BinaryOp::Eq => a.zip(b, |a, b| a == b),
        BinaryOp::Ne => a.zip(b, |a, b| a != b),
        _ => return ILL_TYPED,
    })
}
