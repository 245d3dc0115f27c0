//! The methods of numbers, in a table: those of Rust's `f32` and `i32`, by their names.

use super::body::Body;
use super::diagnostics::{did_you_mean, listed};
use super::scope::Operand;
use crate::program::{BinaryOp, Expr, ScalarType, UnaryOp};

/// What a method makes.
#[derive(Clone, Copy)]
enum Made {
    Unary(UnaryOp),
    Binary(BinaryOp),
    /// `x.clamp(least, most)`
    Clamp,
    /// `x.mul_add(a, b)`
    MulAdd,
    /// `1.0 / x`
    Recip,
    /// `n.pow(3)`, `x.powi(-2)`: a product, for the exponent is a literal.
    Power,
    /// -1, 0 or 1.
    Sign,
}

use ScalarType::{F32, I32};

const METHODS: &[(&str, ScalarType, Made)] = &[
    ("abs", F32, Made::Unary(UnaryOp::Abs)),
    ("ceil", F32, Made::Unary(UnaryOp::Ceil)),
    ("clamp", F32, Made::Clamp),
    ("cos", F32, Made::Unary(UnaryOp::Cos)),
    ("exp", F32, Made::Unary(UnaryOp::Exp)),
    ("exp2", F32, Made::Unary(UnaryOp::Exp2)),
    ("floor", F32, Made::Unary(UnaryOp::Floor)),
    ("ln", F32, Made::Unary(UnaryOp::Ln)),
    ("log2", F32, Made::Unary(UnaryOp::Log2)),
    ("max", F32, Made::Binary(BinaryOp::Max)),
    ("min", F32, Made::Binary(BinaryOp::Min)),
    ("mul_add", F32, Made::MulAdd),
    ("powf", F32, Made::Binary(BinaryOp::Pow)),
    ("powi", F32, Made::Power),
    ("recip", F32, Made::Recip),
    ("round_ties_even", F32, Made::Unary(UnaryOp::Round)),
    ("sin", F32, Made::Unary(UnaryOp::Sin)),
    ("sqrt", F32, Made::Unary(UnaryOp::Sqrt)),
    ("tanh", F32, Made::Unary(UnaryOp::Tanh)),
    ("trunc", F32, Made::Unary(UnaryOp::Trunc)),
    ("abs", I32, Made::Unary(UnaryOp::Abs)),
    ("clamp", I32, Made::Clamp),
    ("div_euclid", I32, Made::Binary(BinaryOp::DivEuclid)),
    ("max", I32, Made::Binary(BinaryOp::Max)),
    ("min", I32, Made::Binary(BinaryOp::Min)),
    ("pow", I32, Made::Power),
    ("rem_euclid", I32, Made::Binary(BinaryOp::RemEuclid)),
    ("signum", I32, Made::Sign),
    ("wrapping_add", I32, Made::Binary(BinaryOp::Add)),
    ("wrapping_mul", I32, Made::Binary(BinaryOp::Mul)),
    ("wrapping_sub", I32, Made::Binary(BinaryOp::Sub)),
];

/// Largest exponent of a power that is written out as a product.
const MOST_POWER: u32 = 64;

fn names(ty: ScalarType) -> Vec<&'static str> {
    METHODS.iter().filter(|(_, of, _)| *of == ty).map(|(name, ..)| *name).collect()
}

/// Whether numbers of a type have this method.
pub fn has(ty: ScalarType, method: &str) -> bool {
    names(ty).contains(&method)
}

impl Body<'_> {
    pub fn scalar_method(
        &mut self,
        call: &syn::ExprMethodCall,
        value: Expr,
        ty: ScalarType,
        name: &str,
    ) -> Operand {
        if ty == ScalarType::Bool {
            self.errors.push(&call.method, "a `bool` has no methods here: write `&&`, `||` and `!`");
            return Operand::Broken;
        }
        let Some((.., made)) = METHODS.iter().find(|(known, of, _)| (*known, *of) == (name, ty)) else {
            let names = names(ty);
            let near = did_you_mean(name, &names);
            let convert = match (ty, name) {
                (I32, _) if has(F32, name) => " (convert it first, with `as f32`)",
                (F32, "round") => " (write `round_ties_even`)",
                (F32, "log") => " (write `x.ln() / base.ln()`)",
                _ => near.as_str(),
            };
            let message = format!("no `{name}` of `{ty}` in a kernel{convert}: there is {}", listed(&names));
            self.errors.push(&call.method, message);
            return Operand::Broken;
        };
        if ty == I32 || name == "clamp" {
            self.arithmetic.note(call);
        }
        let made = match made {
            Made::Unary(op) => self.operands::<0>(call, ty, name).map(|[]| Expr::Unary(*op, Box::new(value))),
            Made::Binary(op) => self.operands(call, ty, name).map(|[other]| binary(*op, value, other)),
            Made::Clamp => self.operands(call, ty, name).map(|[least, most]| {
                let (at_least, at_most) = match ty {
                    F32 => (BinaryOp::AtLeast, BinaryOp::AtMost),
                    _ => (BinaryOp::Max, BinaryOp::Min),
                };
                binary(at_most, binary(at_least, value, least), most)
            }),
            Made::MulAdd => self
                .operands(call, ty, name)
                .map(|[factor, term]| binary(BinaryOp::Add, binary(BinaryOp::Mul, value, factor), term)),
            Made::Recip => {
                self.operands::<0>(call, ty, name).map(|[]| binary(BinaryOp::Div, Expr::Float(1.0), value))
            }
            Made::Power => self.power(call, value, ty, name),
            Made::Sign => self.operands::<0>(call, ty, name).map(|[]| {
                let above = binary(BinaryOp::Max, value, Expr::Int(-1));
                binary(BinaryOp::Min, above, Expr::Int(1))
            }),
        };
        made.map_or(Operand::Broken, |made| Operand::Scalar(made, ty))
    }

    /// The arguments of a method, each of the type of what it is called on.
    fn operands<const N: usize>(
        &mut self,
        call: &syn::ExprMethodCall,
        ty: ScalarType,
        name: &str,
    ) -> Option<[Expr; N]> {
        let usage = format!("x.{name}({})", ["", "y", "a, b"][N.min(2)]);
        let args: [&syn::Expr; N] = self.args(&call.method, &call.args, &usage)?;
        let mut operands = Vec::new();
        for arg in args {
            match self.scalar(arg) {
                Some((operand, own)) if own == ty => operands.push(operand),
                Some((_, other)) => {
                    self.errors.push(arg, format!("`{name}` of `{ty}` takes `{ty}`, this is `{other}`"));
                }
                None => {}
            }
        }
        operands.try_into().ok()
    }

    /// `n.pow(3)`, `x.powi(-2)`
    fn power(&mut self, call: &syn::ExprMethodCall, value: Expr, ty: ScalarType, name: &str) -> Option<Expr> {
        let [arg] = self.args(&call.method, &call.args, &format!("x.{name}(3)"))?;
        let exponent = match self.scalar(arg)? {
            (Expr::Int(n), ScalarType::I32) if n.unsigned_abs() <= MOST_POWER && (ty == F32 || n >= 0) => n,
            (Expr::Int(n), ScalarType::I32) => {
                let least = if ty == F32 { format!("-{MOST_POWER}") } else { "0".into() };
                let message = format!("the exponent is {least} to {MOST_POWER}, not {n}");
                self.errors.push(arg, message);
                return None;
            }
            _ => {
                let other = if ty == F32 { "; any other power is `x.powf(y)`" } else { "" };
                self.errors.push(arg, format!("the exponent is a literal, as in `x.{name}(3)`{other}"));
                return None;
            }
        };
        let one = if ty == F32 { Expr::Float(1.0) } else { Expr::Int(1) };
        let product = product(&value, exponent.unsigned_abs()).unwrap_or_else(|| one.clone());
        Some(if exponent < 0 { binary(BinaryOp::Div, one, product) } else { product })
    }
}

/// So many factors, by squares; none for none.
fn product(factor: &Expr, count: u32) -> Option<Expr> {
    if count < 2 {
        return (count == 1).then(|| factor.clone());
    }
    let half = product(factor, count / 2)?;
    let square = binary(BinaryOp::Mul, half.clone(), half);
    Some(if count.is_multiple_of(2) { square } else { binary(BinaryOp::Mul, square, factor.clone()) })
}

fn binary(op: BinaryOp, a: Expr, b: Expr) -> Expr {
    Expr::Binary(op, Box::new(a), Box::new(b))
}
