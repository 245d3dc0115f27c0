//! Scalar expressions of maps, masks and scales as PTX.
//!
//! What is the same for the whole block is computed once at the top of the kernel, what is the same for a row
//! once per part of the main loop; the rest per element. Transcendentals use the approximate instructions,
//! accurate to a few units in the last place of f32; `tanh` is built from `ex2`, as `tanh.approx` has only
//! 11 good bits.

use super::instance::Extent;
use super::kernel::Kernel;
use super::sequence::{OwnNumbers, first_query};
use crate::abi::{Divisor, Meaning};
use crate::analysis::attention::ScoreOp;
use crate::program::{Along, BinaryOp, Expr, ParamId, ParamKind, ScalarType, UnaryOp, Vector, random};
use flashpage_ptx::ast::Operand;
use flashpage_ptx::builder::{Builder, Reg, ty, word};
use flashpage_ptx::words::{Opcode, Type, Word};
use std::f32::consts::{LN_2, LOG2_E};

/// What the leaves of an expression stand for, where it is evaluated.
#[derive(Default, Clone, Copy)]
pub(super) struct Place<'a> {
    pub sequence: Option<&'a Reg>,
    pub x: Option<&'a Reg>,
    pub row: Option<&'a Reg>,
    pub col: Option<&'a Reg>,
    pub head: Option<&'a Reg>,
    /// What is the same for the whole block, as far as it is there already.
    pub uniforms: Option<&'a Uniforms>,
    /// The KV head of the block, where what is evaluated is the same for all of it.
    pub kv_head: Option<&'a Reg>,
    /// Others that are. The row of a table is known as the element without its column.
    pub known: &'a [(Expr, Reg)],
    /// Whether every column is one that the sequence has.
    pub inside: bool,
    /// Whether arithmetic rounds each result as Rust does, for what it comes to is decided by: no product is added unrounded,
    /// and quotients are exact.
    pub exact: bool,
}

/// What is the same for the whole block, each worked out once for an item.
#[derive(Default, Clone)]
pub(super) struct Uniforms {
    /// Expressions, and what they came to.
    values: Vec<(Expr, Reg)>,
    /// What the item's sequence has of vectors that have numbers of each.
    own: Vec<(ParamId, OwnNumbers)>,
}

impl Uniforms {
    pub(super) fn get(&self, expr: &Expr) -> Option<&Reg> {
        self.values.iter().find(|(known, _)| known == expr).map(|(_, reg)| reg)
    }

    pub(super) fn know(&mut self, expr: Expr, reg: Reg) {
        self.values.push((expr, reg));
    }

    pub(super) fn own(&self, param: ParamId) -> Option<&OwnNumbers> {
        self.own.iter().find(|(known, _)| *known == param).map(|(_, own)| own)
    }

    pub(super) fn know_own(&mut self, param: ParamId, own: OwnNumbers) {
        self.own.push((param, own));
    }
}

impl<'a> Place<'a> {
    /// Where the operand of something is evaluated that decides by it, and not by a score: exactly.
    fn exact_for(&self, decides: bool, operand: &Expr) -> Place<'a> {
        let is_score = operand.any(&mut |e| *e == Expr::X);
        Place { exact: self.exact || decides && !is_score, ..*self }
    }

    /// Whether this is the number of a column that the sequence has.
    pub(super) fn is_inside(&self, index: &Expr) -> bool {
        self.inside && *index == Expr::Col
    }
}

/// What an expression came to.
#[derive(Clone)]
pub(super) enum Value {
    /// In a register.
    Register(Reg),
    /// A literal.
    Constant(Operand),
}

impl From<Value> for Operand {
    fn from(value: Value) -> Operand {
        match value {
            Value::Register(register) => (&register).into(),
            Value::Constant(operand) => operand,
        }
    }
}

/// Of what an expression asks of a sequence.
pub(super) const KNOWN: &str = "what expressions ask of a sequence is known before them";

/// A value and its type.
pub(super) type Typed = (Value, ScalarType);

impl Kernel<'_> {
    /// Evaluates every maximal uniform subexpression of the program.
    pub(super) fn hoist_uniform(&mut self, extent: &Extent) -> Uniforms {
        let attention = self.attention;
        let mut found = Vec::new();
        let mut look = |expr: &Expr| expr.maximal(&|e| e.is_uniform(), &mut found);
        attention.scale.iter().for_each(&mut look);
        attention.scores.iter().map(ScoreOp::expr).for_each(&mut look);
        attention.keep.iter().for_each(&mut look);
        attention.sink.iter().chain(&attention.weights).for_each(&mut look);
        found.retain(|expr| !expr.is_constant());
        if !found.is_empty() {
            self.b.stage("values that are the same for the whole block");
        }
        let mut uniforms = Uniforms::default();
        for expr in found {
            self.uniform_value(&expr, extent, &mut uniforms);
        }
        let exprs = attention
            .scores
            .iter()
            .map(ScoreOp::expr)
            .chain(&attention.keep)
            .chain(&attention.sink)
            .chain(&attention.weights);
        exprs.for_each(|expr| self.know_sequence(expr, extent, &mut uniforms));
        uniforms
    }

    /// A uniform expression of an item, computed at most once.
    pub(super) fn uniform_value(&mut self, expr: &Expr, extent: &Extent, uniforms: &mut Uniforms) -> Operand {
        self.know_sequence(expr, extent, uniforms);
        if let Some(reg) = uniforms.get(expr) {
            return reg.into();
        }
        let place = Place {
            sequence: Some(&extent.sequence),
            kv_head: Some(&extent.kv_head),
            uniforms: Some(uniforms),
            ..Place::default()
        };
        let (value, _) = self.value(expr, &place);
        if let Value::Register(register) = &value {
            uniforms.know(expr.clone(), register.clone());
        }
        value.into()
    }

    /// A uniform expression that [`Kernel::hoist_uniform`] has seen.
    pub(super) fn hoisted(&mut self, expr: &Expr, uniforms: &Uniforms) -> Operand {
        self.value(expr, &Place { uniforms: Some(uniforms), ..Place::default() }).0.into()
    }

    /// Evaluates to a register of the expression's type.
    pub(super) fn evaluate(&mut self, expr: &Expr, place: &Place) -> Reg {
        let (value, kind) = self.value(expr, place);
        let operand = match value {
            Value::Register(register) => return register,
            Value::Constant(operand) => operand,
        };
        match kind {
            ScalarType::F32 => self.b.mov(Type::F32, "f", operand),
            ScalarType::I32 => self.b.mov(Type::S32, "i", operand),
            ScalarType::Bool => self.b.op(Opcode::Mov, &[ty(Type::Pred)], Type::Pred, "p", vec![operand]),
        }
    }

    fn value(&mut self, expr: &Expr, place: &Place) -> Typed {
        use ScalarType::*;
        let in_register = |register: Reg, kind: ScalarType| (Value::Register(register), kind);
        let known = place.known.iter().find(|(known, _)| known == expr).map(|(_, reg)| reg);
        if let Some(reg) = place.uniforms.and_then(|uniforms| uniforms.get(expr)).or(known).cloned() {
            let kind = match reg.ty() {
                Type::F32 => F32,
                Type::Pred => Bool,
                _ => I32,
            };
            return in_register(reg, kind);
        }
        let leaf = |reg: Option<&Reg>| {
            reg.cloned().expect("the front end lets a leaf stand only where it has a value")
        };
        match expr {
            Expr::X => in_register(leaf(place.x), F32),
            Expr::Y => unreachable!("no program of two tiles is recognised as attention"),
            Expr::Row => in_register(leaf(place.row), I32),
            Expr::Col => in_register(leaf(place.col), I32),
            Expr::Head => in_register(leaf(place.head), I32),
            Expr::KvHead => in_register(leaf(place.kv_head), I32),
            Expr::Seq => in_register(leaf(place.sequence), I32),
            Expr::Query => {
                let first = leaf(place.uniforms.and_then(|uniforms| uniforms.get(&first_query())));
                in_register(self.b.sub(Type::S32, "i", &leaf(place.row), &first), I32)
            }
            Expr::QLen | Expr::KvLen => unreachable!("{KNOWN}"),
            Expr::Int(n) => (Value::Constant((*n).into()), I32),
            Expr::Float(x) => (Value::Constant((*x).into()), F32),
            Expr::Bool(value) => {
                let compare = if *value { Word::Eq } else { Word::Ne };
                let reg = self.b.setp(compare, Type::S32, "p", 0, 0);
                in_register(reg, Bool)
            }
            Expr::Param(param) => self.scalar_parameter(*param),
            Expr::Index(param, index) => self.vector(*param, index, place),
            Expr::At(param, indices) => self.element(*param, indices, place),
            Expr::Random(names) => in_register(self.random(names, place), F32),
            Expr::Unary(op, a) => {
                use UnaryOp::{Ceil, Floor, Round, ToI32, Trunc};
                let decides = matches!(op, ToI32 | Floor | Ceil | Trunc | Round);
                let a = self.value(a, &place.exact_for(decides, a));
                let (reg, kind) = self.unary(*op, a);
                in_register(reg, kind)
            }
            Expr::Binary(op, a, b) => {
                if let (BinaryOp::Div | BinaryOp::Rem, Some(by)) = (op, self.scalar_i32(b)) {
                    let reg = self.divide_by_scalar(*op, a, by, place);
                    return in_register(reg, I32);
                }
                if let BinaryOp::RemEuclid | BinaryOp::DivEuclid = op {
                    return in_register(self.euclidean(*op, a, b, place), I32);
                }
                use BinaryOp::{Eq, Ge, Gt, Le, Lt, Ne};
                let compares = matches!(op, Eq | Ne | Lt | Le | Gt | Ge);
                let [a, b] = [a, b].map(|operand| self.value(operand, &place.exact_for(compares, operand)));
                let exactly = place.exact || place.x.is_none() && place.col.is_none();
                let (reg, kind) = self.binary(*op, a, b, exactly);
                in_register(reg, kind)
            }
            Expr::Select(condition, a, b) => {
                let condition = self.evaluate(condition, place);
                let ((a, kind), (b, _)) = (self.value(a, place), self.value(b, place));
                let (a, b): (Operand, Operand) = (a.into(), b.into());
                let reg = match kind {
                    F32 => self.b.selp(Type::F32, "f", a, b, &condition),
                    I32 => self.b.selp(Type::S32, "i", a, b, &condition),
                    Bool => {
                        let yes = self.b.and(Type::Pred, "p", &condition, a);
                        let otherwise = self.b.op(
                            Opcode::Not,
                            &[ty(Type::Pred)],
                            Type::Pred,
                            "p",
                            vec![(&condition).into()],
                        );
                        let no = self.b.and(Type::Pred, "p", &otherwise, b);
                        self.b.or(Type::Pred, "p", &yes, &no)
                    }
                };
                in_register(reg, kind)
            }
        }
    }

    fn scalar_parameter(&mut self, param: ParamId) -> Typed {
        let reg = self.param(Meaning::Scalar(param));
        match self.program.params[param.0].kind {
            ParamKind::Scalar(ScalarType::Bool) => {
                let reg = self.b.setp(Word::Ne, Type::S32, "p", &reg, 0);
                (Value::Register(reg), ScalarType::Bool)
            }
            ParamKind::Scalar(kind) => (Value::Register(reg), kind),
            _ => (Value::Register(reg), ScalarType::I32),
        }
    }

    /// A number of a vector. An index that may lie outside is clamped: nothing outside is read, for a choice that is not taken
    /// is evaluated too.
    fn vector(&mut self, param: ParamId, index: &Expr, place: &Place) -> Typed {
        let ParamKind::Vector(Vector { along, element }) = self.program.params[param.0].kind else {
            unreachable!("a valid program indexes vectors")
        };
        let mut at = self.evaluate(index, place);
        let own = place.uniforms.and_then(|uniforms| uniforms.own(param)).cloned();
        if !(along.fits(index) || along == Along::Keys && place.is_inside(index)) {
            let last = match (along, &own) {
                (Along::Heads, _) => {
                    let length = self.param(Meaning::QueryHeads);
                    self.b.sub(Type::S32, "i", &length, 1)
                }
                (Along::Sequences, _) => self.last_sequence(),
                (Along::KvHeads | Along::Queries | Along::Keys, own) => {
                    own.as_ref().and_then(|own| own.last.clone()).expect(KNOWN)
                }
            };
            at = self.clamped(index, at, &last);
        }
        let base = own.map_or_else(|| self.param(Meaning::Pointer(param)), |own| own.first);
        let at = self.b.mad_wide("rd", &at, 4, &base);
        let (t, group) = if element == ScalarType::I32 { (Type::S32, "i") } else { (Type::F32, "f") };
        let mut reg = self.b.ld_constant(t, group, &at, 0);
        if along == Along::KvHeads {
            // So that what folds a scale into the exponential may take it to be above zero, or a NaN.
            let is_scale = self.b.setp(Word::Gt, Type::F32, "p", &reg, 0.0f32);
            reg = self.b.selp(Type::F32, "f", &reg, f32::NAN, &is_scale);
        }
        (Value::Register(reg), element)
    }

    /// An index that may lie outside, brought to the nearest from 0 to `last`.
    pub(super) fn clamped(&mut self, index: &Expr, mut at: Reg, last: &Reg) -> Reg {
        if !index.is_never_negative() {
            at = self.b.max(Type::S32, "i", &at, 0);
        }
        self.b.min(Type::S32, "i", &at, last)
    }

    /// A scalar parameter of type i32, if that is what the expression is.
    fn scalar_i32(&self, expr: &Expr) -> Option<ParamId> {
        let Expr::Param(param) = expr else { return None };
        let is_i32 = self.program.params[param.0].kind == ParamKind::Scalar(ScalarType::I32);
        is_i32.then_some(*param)
    }

    /// `a / by` or `a % by`: the host has made the numbers to divide with. By 0 both are 0.
    fn divide_by_scalar(&mut self, op: BinaryOp, a: &Expr, by: ParamId, place: &Place) -> Reg {
        let value = Operand::from(self.value(a, place).0);
        let reciprocal = self.reciprocal(Divisor::Scalar(by));
        let by = self.param(Meaning::Scalar(by));
        let b = &mut self.b;
        let never_negative = a.is_never_negative();
        if op == BinaryOp::Div {
            return b.quotient_signed("i", value, &by, &reciprocal, never_negative);
        }
        let rest = b.rest_signed("i", value, &by, &reciprocal, never_negative);
        let by_zero = b.setp(Word::Eq, Type::S32, "p", &by, 0);
        b.selp(Type::S32, "i", 0, &rest, &by_zero)
    }

    /// `a.rem_euclid(b)` or `a.div_euclid(b)`: what truncates, put right where its remainder is below 0. By 0 both are 0.
    fn euclidean(&mut self, op: BinaryOp, a: &Expr, b: &Expr, place: &Place) -> Reg {
        let truncated = |op| Expr::Binary(op, Box::new(a.clone()), Box::new(b.clone()));
        let rest = self.evaluate(&truncated(BinaryOp::Rem), place);
        if op == BinaryOp::RemEuclid && a.is_never_negative() {
            return rest;
        }
        let by = self.evaluate(b, place);
        let is_below = self.b.setp(Word::Lt, Type::S32, "p", &rest, 0);
        let (whole, other) = if op == BinaryOp::RemEuclid {
            let size = self.b.op(Opcode::Abs, &[ty(Type::S32)], Type::S32, "i", vec![(&by).into()]);
            let other = self.b.add(Type::S32, "i", &rest, &size);
            (rest, other)
        } else {
            let quotient = self.evaluate(&truncated(BinaryOp::Div), place);
            let is_positive = self.b.setp(Word::Gt, Type::S32, "p", &by, 0);
            let step = self.b.selp(Type::S32, "i", -1, 1, &is_positive);
            let other = self.b.add(Type::S32, "i", &quotient, &step);
            (quotient, other)
        };
        self.b.selp(Type::S32, "i", &other, &whole, &is_below)
    }

    /// A random number by its names.
    fn random(&mut self, names: &[Expr; 4], place: &Place) -> Reg {
        let words = names.each_ref().map(|name| self.value(name, place).0);
        let b = &mut self.b;
        let mut words = words
            .map(|word| b.mad_lo(Type::S32, "i", Operand::from(word), random::MULTIPLIER, random::INCREMENT));
        let round = |b: &mut Builder, words: &mut [Reg; 4]| {
            for (sum, x, y) in random::ROUND {
                words[sum] = b.mad_lo(Type::S32, "i", &words[x], &words[y], &words[sum]);
            }
        };
        round(b, &mut words);
        words = words.each_ref().map(|word| {
            let upper = b.shr(Type::U32, "i", word, 16);
            b.xor(Type::B32, "i", word, &upper)
        });
        round(b, &mut words);
        let bits = b.shr(Type::U32, "i", &words[3], 32 - random::BITS);
        let whole = b.cvt(&[Word::Rn], Type::F32, Type::U32, "f", &bits);
        b.mul(Type::F32, "f", &whole, (0.5f32).powi(random::BITS as i32))
    }

    /// A sine or cosine of an angle of any size, brought to between -π and π first, where the approximation is good: in three
    /// parts of 2π, of which the first two multiply exactly for some ten thousand turns.
    fn circular(&mut self, op: Opcode, angle: Operand) -> Reg {
        const TURN: [f32; 3] = [6.28125, 1.935_005_2e-3, 3.019_916e-7];
        let b = &mut self.b;
        let turns = b.mul(Type::F32, "f", angle.clone(), std::f32::consts::FRAC_1_PI / 2.0);
        let turns = b.cvt(&[Word::Rni], Type::F32, Type::F32, "f", &turns);
        let mut rest = angle;
        for part in TURN {
            rest = (&b.fma("f", &turns, -part, rest)).into();
        }
        b.approx(op, "f", rest)
    }

    /// `x.powf(y)`, as 2 to the `y log2 |x|`: of a negative number there are powers by integers alone.
    fn power(&mut self, x: Operand, y: Operand) -> Reg {
        let b = &mut self.b;
        let size = b.op(Opcode::Abs, &[ty(Type::F32)], Type::F32, "f", vec![x.clone()]);
        let log = b.approx(Opcode::Lg2, "f", &size);
        let scaled = b.mul(Type::F32, "f", &log, y.clone());
        let power = b.approx(Opcode::Ex2, "f", &scaled);
        let whole = b.cvt(&[Word::Rni], Type::F32, Type::F32, "f", y.clone());
        let is_whole = b.setp(Word::Eq, Type::F32, "p", &whole, y.clone());
        let half = b.mul(Type::F32, "f", y.clone(), 0.5f32);
        let half_whole = b.cvt(&[Word::Rni], Type::F32, Type::F32, "f", &half);
        let is_odd = b.setp(Word::Neu, Type::F32, "p", &half, &half_whole);
        let negative = b.neg(Type::F32, "f", &power);
        let signed = b.selp(Type::F32, "f", &negative, &power, &is_odd);
        let of_negative = b.selp(Type::F32, "f", &signed, f32::NAN, &is_whole);
        let is_negative = b.setp(Word::Lt, Type::F32, "p", x.clone(), 0.0f32);
        let result = b.selp(Type::F32, "f", &of_negative, &power, &is_negative);
        // Of both the logarithm and the exponent one may be infinite and the other 0.
        let is_none = b.setp(Word::Eq, Type::F32, "p", y, 0.0f32);
        let is_one = b.setp(Word::Eq, Type::F32, "p", x, 1.0f32);
        let is_one = b.or(Type::Pred, "p", &is_none, &is_one);
        b.selp(Type::F32, "f", 1.0f32, &result, &is_one)
    }

    fn unary(&mut self, op: UnaryOp, (a, kind): Typed) -> (Reg, ScalarType) {
        use ScalarType::*;
        let a = Operand::from(a);
        if let UnaryOp::Sin | UnaryOp::Cos = op {
            let op = if op == UnaryOp::Sin { Opcode::Sin } else { Opcode::Cos };
            return (self.circular(op, a), F32);
        }
        let b = &mut self.b;
        let simple = |b: &mut Builder, op: Opcode, a: Operand| match kind {
            F32 => (b.op(op, &[ty(Type::F32)], Type::F32, "f", vec![a]), F32),
            I32 => (b.op(op, &[ty(Type::S32)], Type::S32, "i", vec![a]), I32),
            Bool => (b.op(op, &[ty(Type::Pred)], Type::Pred, "p", vec![a]), Bool),
        };
        match op {
            UnaryOp::Neg => simple(b, Opcode::Neg, a),
            UnaryOp::Abs => simple(b, Opcode::Abs, a),
            UnaryOp::Not => simple(b, Opcode::Not, a),
            UnaryOp::Exp => {
                let scaled = b.mul(Type::F32, "f", a, LOG2_E);
                (b.approx(Opcode::Ex2, "f", &scaled), F32)
            }
            UnaryOp::Ln => {
                let log = b.approx(Opcode::Lg2, "f", a);
                (b.mul(Type::F32, "f", &log, LN_2), F32)
            }
            UnaryOp::Exp2 => (b.approx(Opcode::Ex2, "f", a), F32),
            UnaryOp::Log2 => (b.approx(Opcode::Lg2, "f", a), F32),
            UnaryOp::Sqrt => (b.approx(Opcode::Sqrt, "f", a), F32),
            UnaryOp::Sin | UnaryOp::Cos => unreachable!("made above"),
            UnaryOp::Floor => (b.cvt(&[Word::Rmi], Type::F32, Type::F32, "f", a), F32),
            UnaryOp::Ceil => (b.cvt(&[Word::Rpi], Type::F32, Type::F32, "f", a), F32),
            UnaryOp::Trunc => (b.cvt(&[Word::Rzi], Type::F32, Type::F32, "f", a), F32),
            UnaryOp::Round => (b.cvt(&[Word::Rni], Type::F32, Type::F32, "f", a), F32),
            UnaryOp::BitNot => (b.op(Opcode::Not, &[ty(Type::B32)], Type::S32, "i", vec![a]), I32),
            UnaryOp::Tanh => {
                // tanh x = 1 - 2 / (e^2x + 1), which is right at both infinities.
                let scaled = b.mul(Type::F32, "f", a, 2.0 * LOG2_E);
                let power = b.approx(Opcode::Ex2, "f", &scaled);
                let below = b.add(Type::F32, "f", &power, 1.0f32);
                let inverse = b.approx(Opcode::Rcp, "f", &below);
                (b.fma("f", &inverse, -2.0f32, 1.0f32), F32)
            }
            UnaryOp::ToF32 => match kind {
                F32 => (b.mov(Type::F32, "f", a), F32),
                I32 => (b.cvt(&[Word::Rn], Type::F32, Type::S32, "f", a), F32),
                Bool => (
                    b.op(
                        Opcode::Selp,
                        &[ty(Type::F32)],
                        Type::F32,
                        "f",
                        vec![1.0f32.into(), 0.0f32.into(), a],
                    ),
                    F32,
                ),
            },
            UnaryOp::ToI32 => match kind {
                F32 => (b.cvt(&[Word::Rzi], Type::S32, Type::F32, "i", a), I32),
                I32 => (b.mov(Type::S32, "i", a), I32),
                Bool => {
                    (b.op(Opcode::Selp, &[ty(Type::S32)], Type::S32, "i", vec![1.into(), 0.into(), a]), I32)
                }
            },
        }
    }

    fn binary(&mut self, op: BinaryOp, (x, kind): Typed, (y, _): Typed, exactly: bool) -> (Reg, ScalarType) {
        use BinaryOp::*;
        let (x, y) = (Operand::from(x), Operand::from(y));
        if op == Pow {
            return (self.power(x, y), kind);
        }
        let compare = match (op, kind) {
            (Eq, _) => Some(Word::Eq),
            // Rust's != holds for NaN.
            (Ne, ScalarType::F32) => Some(Word::Neu),
            (Ne, _) => Some(Word::Ne),
            (Lt, _) => Some(Word::Lt),
            (Le, _) => Some(Word::Le),
            (Gt, _) => Some(Word::Gt),
            (Ge, _) => Some(Word::Ge),
            _ => None,
        };
        let b = &mut self.b;
        if kind == ScalarType::Bool {
            let not =
                |b: &mut Builder, a: Operand| b.op(Opcode::Not, &[ty(Type::Pred)], Type::Pred, "p", vec![a]);
            let reg = match op {
                And => b.and(Type::Pred, "p", x, y),
                Or => b.or(Type::Pred, "p", x, y),
                Ne => b.xor(Type::Pred, "p", x, y),
                _ => {
                    let differ = b.xor(Type::Pred, "p", x, y);
                    not(b, (&differ).into())
                }
            };
            return (reg, ScalarType::Bool);
        }
        let (t, group) = if kind == ScalarType::F32 { (Type::F32, "f") } else { (Type::S32, "i") };
        if let Some(compare) = compare {
            return (b.setp(compare, t, "p", x, y), ScalarType::Bool);
        }
        let reg = match (op, kind) {
            // With a rounding mode it is not joined with another to a fused multiply-add.
            (Add | Sub | Mul, ScalarType::F32) if exactly => {
                let opcode = match op {
                    Add => Opcode::Add,
                    Sub => Opcode::Sub,
                    _ => Opcode::Mul,
                };
                b.op(opcode, &[word(Word::Rn), ty(t)], t, group, vec![x, y])
            }
            (Add, _) => b.add(t, group, x, y),
            (Sub, _) => b.sub(t, group, x, y),
            (Mul, ScalarType::F32) => b.mul(t, group, x, y),
            (Mul, _) => b.mul_lo(t, group, x, y),
            (Min, _) => b.min(t, group, x, y),
            (Max, _) => b.max(t, group, x, y),
            (AtMost, _) => b.op(Opcode::Min, &[word(Word::Nan), ty(t)], t, group, vec![x, y]),
            (AtLeast, _) => b.op(Opcode::Max, &[word(Word::Nan), ty(t)], t, group, vec![x, y]),
            (BitAnd, _) => b.op(Opcode::And, &[ty(Type::B32)], t, group, vec![x, y]),
            (BitOr, _) => b.op(Opcode::Or, &[ty(Type::B32)], t, group, vec![x, y]),
            (BitXor, _) => b.op(Opcode::Xor, &[ty(Type::B32)], t, group, vec![x, y]),
            (Shl | Shr, _) => {
                // The instructions take any count of 32 and more for all bits.
                let count: Operand = match y {
                    Operand::Int(n) => (n & 31).into(),
                    count => (&b.and(Type::B32, "r", count, 31)).into(),
                };
                let (opcode, of) =
                    if op == Shl { (Opcode::Shl, Type::B32) } else { (Opcode::Shr, Type::S32) };
                b.op(opcode, &[ty(of)], t, group, vec![x, count])
            }
            (Div, ScalarType::F32) => {
                let rounding = if exactly { Word::Rn } else { Word::Full };
                b.op(Opcode::Div, &[word(rounding), ty(t)], t, group, vec![x, y])
            }
            (Div | Rem, _) => {
                let result = match op {
                    Div => b.div(t, group, x, y.clone()),
                    _ => b.rem(t, group, x, y.clone()),
                };
                match y {
                    Operand::Int(n) if n != 0 => result,
                    divisor => {
                        let by_zero = b.op(
                            Opcode::Setp,
                            &[word(Word::Eq), ty(t)],
                            Type::Pred,
                            "p",
                            vec![divisor, 0.into()],
                        );
                        b.selp(t, group, 0, &result, &by_zero)
                    }
                }
            }
            // Comparisons and boolean operators were taken above; f32 has no remainder in the language.
            _ => b.add(t, group, x, y),
        };
        (reg, kind)
    }
}

impl Expr {
    /// Collects the maximal subexpressions for which `wanted` holds, each once.
    pub(super) fn maximal(&self, wanted: &impl Fn(&Expr) -> bool, found: &mut Vec<Expr>) {
        if wanted(self) {
            if !found.contains(self) {
                found.push(self.clone());
            }
            return;
        }
        match self {
            Expr::Index(_, a) | Expr::Unary(_, a) => a.maximal(wanted, found),
            Expr::At(_, indices) => indices.iter().for_each(|index| index.maximal(wanted, found)),
            Expr::Random(names) => names.iter().for_each(|name| name.maximal(wanted, found)),
            Expr::Binary(_, a, b) => {
                a.maximal(wanted, found);
                b.maximal(wanted, found);
            }
            Expr::Select(c, a, b) => {
                c.maximal(wanted, found);
                a.maximal(wanted, found);
                b.maximal(wanted, found);
            }
            _ => {}
        }
    }

    /// Whether an i32 expression is at least 0 whatever its leaves are. Sums and products may wrap.
    fn is_never_negative(&self) -> bool {
        match self {
            Expr::Col | Expr::Query | Expr::Head | Expr::KvHead | Expr::Seq | Expr::QLen | Expr::KvLen => {
                true
            }
            Expr::Int(n) => *n >= 0,
            Expr::Binary(BinaryOp::Div, a, b) => a.is_never_negative() && b.is_never_negative(),
            Expr::Binary(BinaryOp::Rem, a, _) => a.is_never_negative(),
            Expr::Binary(BinaryOp::RemEuclid, ..) => true,
            Expr::Binary(BinaryOp::BitAnd, a, b) => a.is_never_negative() || b.is_never_negative(),
            Expr::Binary(BinaryOp::Shr, a, _) => a.is_never_negative(),
            Expr::Binary(BinaryOp::Max, a, b) => a.is_never_negative() || b.is_never_negative(),
            Expr::Binary(BinaryOp::Min, a, b) => a.is_never_negative() && b.is_never_negative(),
            Expr::Select(_, a, b) => a.is_never_negative() && b.is_never_negative(),
            _ => false,
        }
    }

    /// A literal.
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self, Expr::Int(_) | Expr::Float(_) | Expr::Bool(_))
    }
}
