//! Evaluating the scalar expressions of a program on the host, one element at a time.
//!
//! Integers are 32-bit and wrap, as on a device. Floats are f64; in *plain* evaluation, every operation on a
//! score rounds its result to the element type, which is what computing in that type means. What depends on
//! positions and parameters alone is not rounded: nobody computes those in 16 bits.

use crate::args::Argument;
use crate::tensor::round_to;
use flashpage_codegen::program::{BinaryOp, DType, Expr, ParamId, UnaryOp};

/// A value of one of the three scalar types.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar {
    Float(f64),
    Int(i32),
    Bool(bool),
}

/// A scalar or per-head argument, on the host.
#[derive(Clone, Debug)]
pub(crate) enum HostArgument {
    Scalar(Scalar),
    Floats(Vec<f32>),
    Ints(Vec<i32>),
    /// Not an operand of scalar expressions.
    Other,
}

impl HostArgument {
    /// A scalar argument; anything else is `Other`.
    pub(crate) fn of_scalar(argument: &Argument<'_>) -> HostArgument {
        match argument {
            Argument::F32(value) => HostArgument::Scalar(Scalar::Float(f64::from(*value))),
            Argument::I32(value) => HostArgument::Scalar(Scalar::Int(*value)),
            Argument::Bool(value) => HostArgument::Scalar(Scalar::Bool(*value)),
            _ => HostArgument::Other,
        }
    }
}

/// How results are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Not at all: f64.
    Exact,
    /// To this type after each operation.
    Plain(DType),
}

impl Precision {
    pub(crate) fn round(self, value: f64) -> f64 {
        match self {
            Precision::Exact => value,
            Precision::Plain(dtype) => f64::from(round_to(dtype, value as f32)),
        }
    }
}

/// Where an expression is evaluated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub arguments: &'a [HostArgument],
    pub precision: Precision,
    pub row: i32,
    pub col: i32,
    pub head: i32,
    pub seq: i32,
}

/// A value, and whether the element took part in it.
type Traced = (Scalar, bool);

impl Place<'_> {
    /// The expression with this element as `X`.
    pub(crate) fn eval(&self, expr: &Expr, x: f64) -> Scalar {
        self.trace(expr, x).0
    }

    /// An f32 expression.
    pub(crate) fn float(&self, expr: &Expr, x: f64) -> f64 {
        match self.eval(expr, x) {
            Scalar::Float(value) => value,
            _ => f64::NAN,
        }
    }

    /// A condition.
    pub(crate) fn bool(&self, expr: &Expr) -> bool {
        self.eval(expr, f64::NAN) == Scalar::Bool(true)
    }

    fn trace(&self, expr: &Expr, x: f64) -> Traced {
        match expr {
            Expr::X => (Scalar::Float(x), true),
            Expr::Row => (Scalar::Int(self.row), false),
            Expr::Col => (Scalar::Int(self.col), false),
            Expr::Head => (Scalar::Int(self.head), false),
            Expr::Seq => (Scalar::Int(self.seq), false),
            Expr::Int(value) => (Scalar::Int(*value), false),
            Expr::Float(value) => (Scalar::Float(f64::from(*value)), false),
            Expr::Bool(value) => (Scalar::Bool(*value), false),
            Expr::Param(param) => (self.parameter(*param), false),
            Expr::Index(param, index) => {
                let (index, traced) = self.trace(index, x);
                (self.element(*param, index), traced)
            }
            Expr::Unary(op, a) => {
                let (a, traced) = self.trace(a, x);
                (self.rounded(unary(*op, a), traced), traced)
            }
            Expr::Binary(op, a, b) => {
                let ((a, a_traced), (b, b_traced)) = (self.trace(a, x), self.trace(b, x));
                let traced = a_traced || b_traced;
                (self.rounded(binary(*op, a, b), traced), traced)
            }
            Expr::Select(condition, a, b) => {
                let (condition, ..) = self.trace(condition, x);
                self.trace(if condition == Scalar::Bool(true) { a } else { b }, x)
            }
        }
    }

    fn rounded(&self, value: Scalar, traced: bool) -> Scalar {
        match value {
            Scalar::Float(value) if traced => Scalar::Float(self.precision.round(value)),
            value => value,
        }
    }

    fn parameter(&self, param: ParamId) -> Scalar {
        match self.arguments.get(param.0) {
            Some(HostArgument::Scalar(value)) => *value,
            _ => Scalar::Float(f64::NAN),
        }
    }

    /// An element of a per-head argument; past its end NaN or 0, for a device would read anything there.
    fn element(&self, param: ParamId, index: Scalar) -> Scalar {
        let index = match index {
            Scalar::Int(index) => usize::try_from(index).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        match self.arguments.get(param.0) {
            Some(HostArgument::Floats(values)) => {
                Scalar::Float(values.get(index).map_or(f64::NAN, |value| f64::from(*value)))
            }
            Some(HostArgument::Ints(values)) => Scalar::Int(values.get(index).copied().unwrap_or(0)),
            _ => Scalar::Float(f64::NAN),
        }
    }
}

/// Ill-typed operands, which a validated program does not have, give NaN.
fn unary(op: UnaryOp, a: Scalar) -> Scalar {
    use Scalar::{Bool, Float, Int};
    match (op, a) {
        (UnaryOp::Neg, Float(a)) => Float(-a),
        (UnaryOp::Neg, Int(a)) => Int(a.wrapping_neg()),
        (UnaryOp::Not, Bool(a)) => Bool(!a),
        (UnaryOp::Abs, Float(a)) => Float(a.abs()),
        (UnaryOp::Abs, Int(a)) => Int(a.wrapping_abs()),
        (UnaryOp::Exp, Float(a)) => Float(a.exp()),
        (UnaryOp::Tanh, Float(a)) => Float(a.tanh()),
        (UnaryOp::Ln, Float(a)) => Float(a.ln()),
        (UnaryOp::Sqrt, Float(a)) => Float(a.sqrt()),
        (UnaryOp::ToF32, Float(a)) => Float(a),
        // An i32 beyond 2^24 is rounded, as f32 it is on a device.
        (UnaryOp::ToF32, Int(a)) => Float(f64::from(a as f32)),
        (UnaryOp::ToF32, Bool(a)) => Float(f64::from(u8::from(a))),
        (UnaryOp::ToI32, Float(a)) => Int(a as i32),
        (UnaryOp::ToI32, Int(a)) => Int(a),
        (UnaryOp::ToI32, Bool(a)) => Int(i32::from(a)),
        _ => Float(f64::NAN),
    }
}

fn binary(op: BinaryOp, a: Scalar, b: Scalar) -> Scalar {
    use BinaryOp::*;
    match (a, b) {
        (Scalar::Float(a), Scalar::Float(b)) => match op {
            Add => Scalar::Float(a + b),
            Sub => Scalar::Float(a - b),
            Mul => Scalar::Float(a * b),
            Div => Scalar::Float(a / b),
            Min => Scalar::Float(a.min(b)),
            Max => Scalar::Float(a.max(b)),
            Eq => Scalar::Bool(a == b),
            Ne => Scalar::Bool(a != b),
            Lt => Scalar::Bool(a < b),
            Le => Scalar::Bool(a <= b),
            Gt => Scalar::Bool(a > b),
            Ge => Scalar::Bool(a >= b),
            Rem | And | Or => Scalar::Float(f64::NAN),
        },
        (Scalar::Int(a), Scalar::Int(b)) => match op {
            Add => Scalar::Int(a.wrapping_add(b)),
            Sub => Scalar::Int(a.wrapping_sub(b)),
            Mul => Scalar::Int(a.wrapping_mul(b)),
            Div => Scalar::Int(if b == 0 { 0 } else { a.wrapping_div(b) }),
            Rem => Scalar::Int(if b == 0 { 0 } else { a.wrapping_rem(b) }),
            Min => Scalar::Int(a.min(b)),
            Max => Scalar::Int(a.max(b)),
            Eq => Scalar::Bool(a == b),
            Ne => Scalar::Bool(a != b),
            Lt => Scalar::Bool(a < b),
            Le => Scalar::Bool(a <= b),
            Gt => Scalar::Bool(a > b),
            Ge => Scalar::Bool(a >= b),
            And | Or => Scalar::Float(f64::NAN),
        },
        (Scalar::Bool(a), Scalar::Bool(b)) => match op {
            And => Scalar::Bool(a && b),
            Or => Scalar::Bool(a || b),
            Eq => Scalar::Bool(a == b),
            Ne => Scalar::Bool(a != b),
            _ => Scalar::Float(f64::NAN),
        },
        _ => Scalar::Float(f64::NAN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(op: BinaryOp, a: Expr, b: Expr) -> Expr {
        Expr::Binary(op, Box::new(a), Box::new(b))
    }

    #[test]
    fn expressions() {
        use Expr::*;
        let arguments = [
            HostArgument::Scalar(Scalar::Float(0.5)),
            HostArgument::Ints(vec![7, 8]),
            HostArgument::Floats(vec![0.25]),
        ];
        let place =
            Place { arguments: &arguments, precision: Precision::Exact, row: 5, col: 3, head: 1, seq: 2 };
        let table = [
            (op(BinaryOp::Mul, X, Param(ParamId(0))), Scalar::Float(1.0)),
            (op(BinaryOp::Sub, Row, Col), Scalar::Int(2)),
            (op(BinaryOp::Le, Col, Row), Scalar::Bool(true)),
            (op(BinaryOp::Add, Int(i32::MAX), Int(1)), Scalar::Int(i32::MIN)),
            (op(BinaryOp::Div, Int(i32::MIN), Int(-1)), Scalar::Int(i32::MIN)),
            (op(BinaryOp::Div, Int(7), Int(0)), Scalar::Int(0)),
            (op(BinaryOp::Rem, Int(-7), Int(4)), Scalar::Int(-3)),
            (Index(ParamId(1), Box::new(Head)), Scalar::Int(8)),
            (Index(ParamId(1), Box::new(Int(-1))), Scalar::Int(0)),
            (Unary(UnaryOp::ToI32, Box::new(Float(3e9))), Scalar::Int(i32::MAX)),
            (Unary(UnaryOp::ToI32, Box::new(Float(f32::NAN))), Scalar::Int(0)),
            (Unary(UnaryOp::ToF32, Box::new(Int(16_777_217))), Scalar::Float(16_777_216.0)),
            (Select(Box::new(Bool(false)), Box::new(Int(1)), Box::new(Seq)), Scalar::Int(2)),
        ];
        for (expr, expected) in table {
            assert_eq!(place.eval(&expr, 2.0), expected, "{expr:?}");
        }
    }

    #[test]
    fn plain_rounds_what_the_score_takes_part_in() {
        let precision = Precision::Plain(DType::Bf16);
        let place = Place { arguments: &[], precision, row: 0, col: 0, head: 0, seq: 0 };
        let third = Expr::Float(1.0 / 3.0);
        let scores = op(BinaryOp::Mul, Expr::X, third.clone());
        assert_eq!(place.float(&scores, 1.0), 0.333_984_375);
        let positions = op(BinaryOp::Mul, Expr::Float(1.0), third);
        assert_eq!(place.float(&positions, 1.0), f64::from(1f32 / 3.0));
    }
}
