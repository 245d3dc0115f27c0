//! Evaluating the scalar expressions of a program on the host, a strip of elements at a time.
//!
//! A strip is a stretch of one line of a tile. Each node of an expression is computed for the whole strip before the
//! next; what is the same for all its elements (parameters, constants, the position along the other axis) stays one
//! number. Nothing is left out: both choices of a `select` are computed, which no element can tell.
//!
//! Integers are 32-bit and wrap, as on a device. What is made of a score is f64; in *plain* evaluation, every operation on a
//! score rounds its result to the element type, which is what computing in that type means. What depends on
//! positions and parameters alone is f32 in both, as everywhere: it may decide something, as where it is made an integer.

mod operators;
mod strip;

use crate::args::{Argument, BitMask};
use crate::rounding::Precision;
use flashpage_codegen::program::{Expr, ParamId, random};
use operators::{binary, unary};
use std::ops::Range;
pub(crate) use strip::Strip;

/// A value of one of the three scalar types.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar {
    Float(f64),
    Int(i32),
    Bool(bool),
}

/// A scalar argument, or a vector, on the host.
#[derive(Clone, Debug)]
pub(crate) enum HostArgument {
    Scalar(Scalar),
    Floats(Numbers<f32>),
    Ints(Numbers<i32>),
    Bias(Bias),
    Bits(BitMask),
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

/// The numbers of a vector.
#[derive(Clone, Debug)]
pub(crate) struct Numbers<T> {
    pub values: Vec<T>,
    /// Which of them are those of each sequence, where each has its own.
    pub of_sequence: Option<Vec<Range<usize>>>,
}

impl<T: Copy> Numbers<T> {
    /// The number at an index, or the nearest; none, where there is no number.
    fn nearest(&self, sequence: i32, index: i32) -> Option<T> {
        let own = match &self.of_sequence {
            Some(ranges) => self.values.get(ranges.get(sequence as usize)?.clone())?,
            None => &self.values[..],
        };
        own.get(index.max(0) as usize).or(own.last()).copied()
    }
}

/// The numbers of a bias.
#[derive(Clone, Debug)]
pub(crate) struct Bias {
    pub values: Vec<f32>,
    /// Sequences, heads, rows and columns.
    pub shape: [usize; 4],
}

impl Bias {
    /// The number at these indices, or the nearest. There is one.
    fn nearest(&self, indices: [i32; 4]) -> f64 {
        let step =
            |place: usize, (index, len): (i32, usize)| place * len + (index.max(0) as usize).min(len - 1);
        f64::from(self.values[indices.into_iter().zip(self.shape).fold(0, step)])
    }
}

/// The sequence whose elements these are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sequence {
    pub index: i32,
    pub q_len: i32,
    pub kv_len: i32,
}

/// What an expression is for a strip.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Float(Strip<'a, f64>),
    Int(Strip<'a, i32>),
    Bool(Strip<'a, bool>),
}

/// What ill-typed operands give, which a validated program does not have.
const ILL_TYPED: Value<'static> = Value::Float(Strip::One(f64::NAN));

/// A value, and whether the element took part in it: a `select` may choose what it did not take part in.
type Traced<'a> = (Value<'a>, Strip<'static, bool>);

/// Where an expression is evaluated.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    pub arguments: &'a [HostArgument],
    pub precision: Precision,
    /// The elements of a second tile.
    pub y: Strip<'a, f64>,
    pub row: Strip<'a, i32>,
    pub col: Strip<'a, i32>,
    pub head: i32,
    pub kv_head: i32,
    pub sequence: Sequence,
}

impl<'a> Place<'a> {
    /// No element of a tile, but what all elements of all instances of a sequence share.
    pub(crate) fn of_sequence(arguments: &'a [HostArgument], sequence: Sequence) -> Place<'a> {
        let (y, row, col) = (Strip::One(f64::NAN), Strip::One(0), Strip::One(0));
        Place { arguments, precision: Precision::Exact, y, row, col, head: 0, kv_head: 0, sequence }
    }

    /// An expression that depends on nothing which differs between elements.
    pub(crate) fn scalar(&self, expr: &Expr) -> Scalar {
        let nan = Strip::One(f64::NAN);
        match self.trace(expr, &nan).0 {
            Value::Float(Strip::One(value)) => Scalar::Float(value),
            Value::Int(Strip::One(value)) => Scalar::Int(value),
            Value::Bool(Strip::One(value)) => Scalar::Bool(value),
            _ => Scalar::Float(f64::NAN),
        }
    }

    /// An f32 expression with these elements as `X`.
    pub(crate) fn floats<'x>(&'x self, expr: &Expr, x: &'x Strip<'x, f64>) -> Strip<'x, f64> {
        match self.trace(expr, x).0 {
            Value::Float(values) => values,
            _ => Strip::One(f64::NAN),
        }
    }

    /// A condition without `X`.
    pub(crate) fn bools(&self, expr: &Expr) -> Strip<'static, bool> {
        match self.trace(expr, &Strip::One(f64::NAN)).0 {
            Value::Bool(values) => values.map(|value| value),
            _ => Strip::One(false),
        }
    }

    fn trace<'x>(&'x self, expr: &Expr, x: &'x Strip<'x, f64>) -> Traced<'x> {
        let untraced = |value| (value, Strip::One(false));
        match expr {
            Expr::X => (Value::Float(x.lend()), Strip::One(true)),
            Expr::Y => (Value::Float(self.y.lend()), Strip::One(true)),
            Expr::Row => untraced(Value::Int(self.row.lend())),
            Expr::Col => untraced(Value::Int(self.col.lend())),
            Expr::Head => untraced(Value::Int(Strip::One(self.head))),
            Expr::KvHead => untraced(Value::Int(Strip::One(self.kv_head))),
            Expr::Seq => untraced(Value::Int(Strip::One(self.sequence.index))),
            Expr::QLen => untraced(Value::Int(Strip::One(self.sequence.q_len))),
            Expr::KvLen => untraced(Value::Int(Strip::One(self.sequence.kv_len))),
            Expr::Query => {
                let first = self.sequence.kv_len.wrapping_sub(self.sequence.q_len);
                untraced(Value::Int(self.row.map(|row| row.wrapping_sub(first))))
            }
            Expr::Int(value) => untraced(Value::Int(Strip::One(*value))),
            Expr::Float(value) => untraced(Value::Float(Strip::One(f64::from(*value)))),
            Expr::Bool(value) => untraced(Value::Bool(Strip::One(*value))),
            Expr::Param(param) => untraced(self.parameter(*param)),
            Expr::Index(param, index) => {
                let (index, traced) = self.trace(index, x);
                (self.element(*param, &index), traced)
            }
            Expr::At(param, indices) => {
                let mut traced = Strip::One(false);
                let mut strips = Vec::new();
                for index in indices {
                    let (index, index_traced) = self.trace(index, x);
                    let Value::Int(index) = index else { return untraced(ILL_TYPED) };
                    traced = traced.zip(&index_traced, |a, b| a || b);
                    strips.push(index);
                }
                (self.table(*param, &strips), traced)
            }
            Expr::Random(names) => {
                let strip = |name: &Expr| match self.trace(name, x).0 {
                    Value::Int(strip) => strip.map(|name| name),
                    _ => Strip::One(0),
                };
                let [a, b, c, d] = names.each_ref().map(strip);
                let pairs = a.zip(&b, |a, b| (a, b)).zip(&c.zip(&d, |c, d| (c, d)), |ab, cd| (ab, cd));
                let number = |((a, b), (c, d))| f64::from(random::number([a, b, c, d]));
                untraced(Value::Float(pairs.map(number)))
            }
            Expr::Unary(op, a) => {
                let (a, traced) = self.trace(a, x);
                (self.rounded(unary(*op, &a), &traced), traced)
            }
            Expr::Binary(op, a, b) => {
                let ((a, a_traced), (b, b_traced)) = (self.trace(a, x), self.trace(b, x));
                let traced = a_traced.zip(&b_traced, |a, b| a || b);
                (self.rounded(binary(*op, &a, &b), &traced), traced)
            }
            Expr::Select(condition, a, b) => {
                let (Value::Bool(condition), _) = self.trace(condition, x) else {
                    return untraced(ILL_TYPED);
                };
                let ((a, a_traced), (b, b_traced)) = (self.trace(a, x), self.trace(b, x));
                let traced = match (&a_traced, &b_traced) {
                    (Strip::One(a), Strip::One(b)) if a == b => Strip::One(*a),
                    _ => Strip::select(&condition, a_traced, b_traced),
                };
                let value = match (a, b) {
                    (Value::Float(a), Value::Float(b)) => Value::Float(Strip::select(&condition, a, b)),
                    (Value::Int(a), Value::Int(b)) => Value::Int(Strip::select(&condition, a, b)),
                    (Value::Bool(a), Value::Bool(b)) => Value::Bool(Strip::select(&condition, a, b)),
                    _ => ILL_TYPED,
                };
                (value, traced)
            }
        }
    }

    fn rounded(&self, value: Value<'static>, traced: &Strip<'_, bool>) -> Value<'static> {
        let Value::Float(mut values) = value else { return value };
        let single = |value: f64| f64::from(value as f32);
        match traced.parts() {
            Ok(false) => values = values.map(single),
            Ok(true) => match &mut values {
                Strip::Each(values) => self.precision.round_all(values),
                values => *values = values.map(|value| self.precision.round(value)),
            },
            Err(_) => {
                values = values
                    .zip(traced, |value, is| if is { self.precision.round(value) } else { single(value) });
            }
        }
        Value::Float(values)
    }

    fn parameter(&self, param: ParamId) -> Value<'static> {
        match self.arguments.get(param.0) {
            Some(HostArgument::Scalar(Scalar::Float(value))) => Value::Float(Strip::One(*value)),
            Some(HostArgument::Scalar(Scalar::Int(value))) => Value::Int(Strip::One(*value)),
            Some(HostArgument::Scalar(Scalar::Bool(value))) => Value::Bool(Strip::One(*value)),
            _ => ILL_TYPED,
        }
    }

    /// Elements of a table, the nearest where an index lies outside.
    fn table(&self, param: ParamId, indices: &[Strip<'_, i32>]) -> Value<'static> {
        let sequence = self.sequence;
        match (self.arguments.get(param.0), indices) {
            (Some(HostArgument::Bias(bias)), [head, row, column]) => {
                let rows = head.zip(row, |head, row| (head, row));
                Value::Float(
                    rows.zip(column, |(head, row), column| bias.nearest([sequence.index, head, row, column])),
                )
            }
            (Some(HostArgument::Bits(mask)), [row, column]) => {
                let (index, rows) = (sequence.index as usize, sequence.q_len as usize);
                Value::Bool(row.zip(column, |row, column| mask.nearest(index, (row, rows), column)))
            }
            _ => ILL_TYPED,
        }
    }

    /// Elements of a vector: the first or the last where an index lies outside.
    fn element(&self, param: ParamId, index: &Value<'_>) -> Value<'static> {
        let Value::Int(indices) = index else { return ILL_TYPED };
        let sequence = self.sequence.index;
        match self.arguments.get(param.0) {
            Some(HostArgument::Floats(values)) => {
                Value::Float(indices.map(|index| values.nearest(sequence, index).map_or(0.0, f64::from)))
            }
            Some(HostArgument::Ints(values)) => {
                Value::Int(indices.map(|index| values.nearest(sequence, index).unwrap_or(0)))
            }
            _ => ILL_TYPED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flashpage_codegen::program::{BinaryOp, DType, UnaryOp};

    fn op(op: BinaryOp, a: Expr, b: Expr) -> Expr {
        Expr::Binary(op, Box::new(a), Box::new(b))
    }

    fn select(condition: Expr, a: Expr, b: Expr) -> Expr {
        Expr::Select(Box::new(condition), Box::new(a), Box::new(b))
    }

    const COLS: [i32; 4] = [3, 4, 5, 6];

    /// What an expression is for each of four elements, the third of which is NaN.
    fn each(place: &Place<'_>, expr: &Expr) -> Vec<Scalar> {
        let x = Strip::Each(vec![2.0, -1.0, f64::NAN, 0.0]);
        let value = place.trace(expr, &x).0;
        let at = |index| match &value {
            Value::Float(values) => Scalar::Float(values.at(index)),
            Value::Int(values) => Scalar::Int(values.at(index)),
            Value::Bool(values) => Scalar::Bool(values.at(index)),
        };
        (0..4).map(at).collect()
    }

    fn place(arguments: &[HostArgument], precision: Precision) -> Place<'_> {
        let y = Strip::One(3.0);
        let sequence = Sequence { index: 2, q_len: 7, kv_len: 9 };
        Place {
            arguments,
            precision,
            y,
            row: Strip::One(5),
            col: Strip::Lent(&COLS),
            head: 1,
            kv_head: 0,
            sequence,
        }
    }

    #[test]
    fn one_number_for_all() {
        use Expr::*;
        let arguments = [
            HostArgument::Scalar(Scalar::Float(0.5)),
            HostArgument::Ints(Numbers { values: vec![7, 8], of_sequence: None }),
            HostArgument::Floats(Numbers { values: vec![0.25], of_sequence: None }),
            HostArgument::Ints(Numbers {
                values: vec![5, 6, 7, 8],
                of_sequence: Some(vec![0..0, 0..1, 1..3]),
            }),
        ];
        let table = [
            (op(BinaryOp::Mul, Float(4.0), Param(ParamId(0))), Scalar::Float(2.0)),
            (op(BinaryOp::Sub, Row, Int(3)), Scalar::Int(2)),
            (op(BinaryOp::Le, Int(5), Row), Scalar::Bool(true)),
            (op(BinaryOp::Add, Int(i32::MAX), Int(1)), Scalar::Int(i32::MIN)),
            (op(BinaryOp::Mul, Int(1 << 30), Int(5)), Scalar::Int(1 << 30)),
            (op(BinaryOp::Div, Int(i32::MIN), Int(-1)), Scalar::Int(i32::MIN)),
            (op(BinaryOp::Rem, Int(i32::MIN), Int(-1)), Scalar::Int(0)),
            (op(BinaryOp::Div, Int(7), Int(0)), Scalar::Int(0)),
            (op(BinaryOp::Rem, Int(7), Int(0)), Scalar::Int(0)),
            (op(BinaryOp::Rem, Int(-7), Int(4)), Scalar::Int(-3)),
            (op(BinaryOp::Div, Int(-7), Int(4)), Scalar::Int(-1)),
            (op(BinaryOp::Max, Float(f32::NAN), Float(1.0)), Scalar::Float(1.0)),
            (op(BinaryOp::Min, Float(1.0), Float(f32::NAN)), Scalar::Float(1.0)),
            (op(BinaryOp::Eq, Float(f32::NAN), Float(f32::NAN)), Scalar::Bool(false)),
            (op(BinaryOp::Or, Bool(true), Bool(false)), Scalar::Bool(true)),
            (Unary(UnaryOp::Abs, Box::new(Int(i32::MIN))), Scalar::Int(i32::MIN)),
            (Unary(UnaryOp::Neg, Box::new(Int(i32::MIN))), Scalar::Int(i32::MIN)),
            (Index(ParamId(1), Box::new(Head)), Scalar::Int(8)),
            (Index(ParamId(1), Box::new(Int(-1))), Scalar::Int(7)),
            (Index(ParamId(1), Box::new(Int(i32::MAX))), Scalar::Int(8)),
            (Index(ParamId(2), Box::new(Int(0))), Scalar::Float(0.25)),
            (Index(ParamId(3), Box::new(Int(-3))), Scalar::Int(6)),
            (Index(ParamId(3), Box::new(Int(1))), Scalar::Int(7)),
            (Index(ParamId(3), Box::new(Int(2))), Scalar::Int(7)),
            (op(BinaryOp::Sub, KvLen, QLen), Scalar::Int(2)),
            (Query, Scalar::Int(3)),
            (Unary(UnaryOp::ToI32, Box::new(Float(3e9))), Scalar::Int(i32::MAX)),
            (Unary(UnaryOp::ToI32, Box::new(Float(-3e9))), Scalar::Int(i32::MIN)),
            (Unary(UnaryOp::ToI32, Box::new(Float(-1.9))), Scalar::Int(-1)),
            (Unary(UnaryOp::ToI32, Box::new(Float(f32::NAN))), Scalar::Int(0)),
            (Unary(UnaryOp::ToI32, Box::new(Bool(true))), Scalar::Int(1)),
            (Unary(UnaryOp::ToF32, Box::new(Int(16_777_217))), Scalar::Float(16_777_216.0)),
            (select(Bool(false), Int(1), Seq), Scalar::Int(2)),
        ];
        let place = place(&arguments, Precision::Exact);
        for (expr, expected) in table {
            assert_eq!(place.scalar(&expr), expected, "{expr:?}");
            assert_eq!(each(&place, &expr), [expected; 4], "{expr:?}");
        }
    }

    /// NaN is written as nothing.
    #[test]
    fn a_number_for_each() {
        use Expr::*;
        let arguments = [
            HostArgument::Ints(Numbers { values: vec![9, 8, 7, 6, 5], of_sequence: None }),
            HostArgument::Floats(Numbers { values: vec![0.5; 4], of_sequence: None }),
        ];
        let floats = |of: [Option<f64>; 4]| of.map(|x| Scalar::Float(x.unwrap_or(f64::NAN)));
        let (ints, bools) = (|of: [i32; 4]| of.map(Scalar::Int), |of: [bool; 4]| of.map(Scalar::Bool));
        let index = |param| Index(ParamId(param), Box::new(Col));
        let table = [
            (op(BinaryOp::Mul, X, Float(0.5)), floats([Some(1.0), Some(-0.5), None, Some(0.0)])),
            (op(BinaryOp::Div, Float(1.0), X), floats([Some(0.5), Some(-1.0), None, Some(f64::INFINITY)])),
            (op(BinaryOp::Max, X, Float(1.0)), floats([Some(2.0), Some(1.0), Some(1.0), Some(1.0)])),
            (op(BinaryOp::Sub, Row, Col), ints([2, 1, 0, -1])),
            (op(BinaryOp::Mul, Col, Col), ints([9, 16, 25, 36])),
            (op(BinaryOp::Lt, Col, Row), bools([true, true, false, false])),
            (op(BinaryOp::Gt, X, Float(0.0)), bools([true, false, false, false])),
            (
                Unary(UnaryOp::Not, Box::new(op(BinaryOp::Gt, X, Float(0.0)))),
                bools([false, true, true, true]),
            ),
            // Past the end stands the last.
            (index(0), ints([6, 5, 5, 5])),
            (index(1), floats([Some(0.5); 4])),
            (select(op(BinaryOp::Le, Col, Int(4)), X, Float(7.0)), floats([2.0, -1.0, 7.0, 7.0].map(Some))),
            (select(op(BinaryOp::Le, Col, Int(4)), Int(0), Col), ints([0, 0, 5, 6])),
            // What is not chosen is computed, and does no harm.
            (
                select(op(BinaryOp::Eq, Col, Int(3)), op(BinaryOp::Div, Int(1), Int(0)), Row),
                ints([0, 5, 5, 5]),
            ),
        ];
        let place = place(&arguments, Precision::Exact);
        for (expr, expected) in table {
            assert_eq!(format!("{:?}", each(&place, &expr)), format!("{expected:?}"), "{expr:?}");
        }
    }

    #[test]
    fn plain_rounds_what_the_score_takes_part_in() {
        let place = place(&[], Precision::Plain(DType::Bf16));
        let third = || Expr::Float(1.0 / 3.0);
        let exact = f64::from(1f32 / 3.0);
        let scores = op(BinaryOp::Mul, op(BinaryOp::Max, Expr::X, Expr::Float(1.0)), third());
        assert_eq!(each(&place, &scores)[1], Scalar::Float(0.333_984_375));
        let positions = op(BinaryOp::Mul, Expr::Float(1.0), third());
        assert_eq!(each(&place, &positions)[0], Scalar::Float(exact));
        // Of each element it is known which choice was taken.
        let chosen = select(
            op(BinaryOp::Lt, Expr::Col, Expr::Int(4)),
            op(BinaryOp::Sub, Expr::X, Expr::X),
            Expr::Float(0.0),
        );
        let sum = op(BinaryOp::Add, chosen, third());
        assert_eq!(each(&place, &sum)[..2], [Scalar::Float(0.333_984_375), Scalar::Float(exact)]);
    }
}
