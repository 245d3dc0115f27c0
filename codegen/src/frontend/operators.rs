//! Operators, on numbers and on tiles.

use super::body::Body;
use super::calls::turned;
use super::diagnostics::source_text;
use super::expr::literal;
use super::scope::Operand;
use crate::program::{BinaryOp, Expr, ScalarType, TileOp, TileType, UnaryOp, ValueId};
use quote::ToTokens;
use syn::{BinOp, UnOp};

impl Body<'_> {
    pub fn unary(&mut self, unary: &syn::ExprUnary) -> Operand {
        // `-2147483648` is in range though 2147483648 is not.
        if let (UnOp::Neg(_), syn::Expr::Lit(lit)) = (&unary.op, &*unary.expr) {
            return match literal(&lit.lit, true) {
                Ok((expr, ty)) => Operand::Scalar(expr, ty),
                Err(message) => {
                    self.errors.push(unary, message);
                    Operand::Broken
                }
            };
        }
        let (expr, ty) = match self.eval(&unary.expr) {
            Operand::Scalar(expr, ty) => (expr, ty),
            Operand::Broken => return Operand::Broken,
            Operand::Tile(..) if matches!(unary.op, UnOp::Neg(_)) => {
                self.errors.push(unary, "write `s * -1.0`");
                return Operand::Broken;
            }
            other => {
                self.not_a_scalar(&unary.expr, &other);
                return Operand::Broken;
            }
        };
        let (op, message) = match (&unary.op, ty) {
            (UnOp::Neg(_), ScalarType::F32 | ScalarType::I32) => (Some(UnaryOp::Neg), ""),
            (UnOp::Not(_), ScalarType::Bool) => (Some(UnaryOp::Not), ""),
            (UnOp::Not(_), ScalarType::I32) => (Some(UnaryOp::BitNot), ""),
            (UnOp::Neg(_), _) => (None, "a `bool` has no negative: write `!`"),
            (UnOp::Not(_), _) => (None, "`!` is for `bool` and `i32`: compare first, as in `x == 0.0`"),
            _ => (None, "numbers are given by value: remove the `*`"),
        };
        match op {
            Some(op) => {
                if ty == ScalarType::I32 {
                    self.arithmetic.note(unary);
                }
                Operand::Scalar(Expr::Unary(op, Box::new(expr)), ty)
            }
            None => {
                self.errors.push(unary, message);
                Operand::Broken
            }
        }
    }

    pub fn binary(&mut self, binary: &syn::ExprBinary) -> Operand {
        let (left, right) = (self.eval(&binary.left), self.eval(&binary.right));
        let (left, right) = (self.total(&binary.left, left), self.total(&binary.right, right));
        match (left, right) {
            (Operand::Scalar(a, a_type), Operand::Scalar(b, b_type)) => {
                self.scalars(binary, (a, a_type), (b, b_type))
            }
            (Operand::Tile(a, a_type), Operand::Tile(b, b_type)) => {
                self.tiles(binary, (a, a_type), (b, b_type))
            }
            // The other is wrong, but the tile is what it is, unless it is one that spreads along the other.
            (tile @ Operand::Tile(..), Operand::Broken) => tile,
            (Operand::Broken, tile @ Operand::Tile(_, ty)) if !ty.is_vector() => tile,
            (Operand::Broken, _) | (_, Operand::Broken) => Operand::Broken,
            (tile @ Operand::Tile(..), Operand::Scalar(number, ty)) => {
                self.tile_and_number(binary, tile, (number, ty), false)
            }
            (Operand::Scalar(number, ty), tile @ Operand::Tile(..)) => {
                self.tile_and_number(binary, tile, (number, ty), true)
            }
            (Operand::Scalar(..) | Operand::Tile(..), other) => {
                self.not_a_term(&binary.right, &other);
                Operand::Broken
            }
            (other, _) => {
                self.not_a_term(&binary.left, &other);
                Operand::Broken
            }
        }
    }

    /// What is neither a number nor a tile, where one of these is meant.
    fn not_a_term(&mut self, expr: &syn::Expr, operand: &Operand) {
        let message = match operand {
            Operand::Accumulator(id) => {
                let name = self.state_name(*id);
                format!(
                    "`{name}` is an accumulator: add to it with `{name} += …`, and compute with it after the loop"
                )
            }
            Operand::Param(id) => match self.tile_hint(expr, *id) {
                hint if hint.is_empty() => return self.not_a_scalar(expr, operand),
                hint => format!("a tile or a number is meant here, this is {}{hint}", self.describe(operand)),
            },
            _ => return self.not_a_scalar(expr, operand),
        };
        self.errors.push(expr, message);
    }

    /// `p * ds`, `s - lse`: element by element, the second the same along an axis that it has not.
    fn tiles(&mut self, binary: &syn::ExprBinary, a: (ValueId, TileType), b: (ValueId, TileType)) -> Operand {
        let ((a, a_type), (b, b_type)) = (a, b);
        let Some(op) = arithmetic(&binary.op) else {
            let sign = binary.op.to_token_stream();
            let message =
                format!("tiles have no `{sign}`: compare and compute with `a.zip(b, |x, y, at| …)`");
            self.errors.push(binary, message);
            return Operand::Broken;
        };
        if b_type.spreads_to(a_type) {
            let expr = Expr::Binary(op, Box::new(Expr::X), Box::new(Expr::Y));
            return self.define(TileOp::Zip { a, b, expr }, a_type);
        }
        let (a_text, b_text) = (self.dims.spelled(a_type), self.dims.spelled(b_type));
        let hint = match op {
            _ if a_type.spreads_to(b_type) => "the one that is longer stands first".to_owned(),
            _ if TileType { rows: b_type.cols, cols: b_type.rows }.spreads_to(a_type) => {
                format!("write `{}`", turned(&source_text(&binary.right)))
            }
            BinaryOp::Mul => {
                "element by element both have the same axes; as matrices, write `dot(a, b)`".to_owned()
            }
            _ => "both have the same axes, or the second is one number along one of them".to_owned(),
        };
        self.errors.push(binary, format!("this is a `{a_text}` and a `{b_text}`: {hint}"));
        Operand::Broken
    }

    /// `s * scale` and its like are `map`s.
    fn tile_and_number(
        &mut self,
        binary: &syn::ExprBinary,
        tile: Operand,
        (number, ty): (Expr, ScalarType),
        number_first: bool,
    ) -> Operand {
        let Operand::Tile(of, tile_type) = tile else { return Operand::Broken };
        let sign = binary.op.to_token_stream();
        let Some(op) = arithmetic(&binary.op) else {
            let message = format!("a tile has no `{sign}`: compare and compute with `s.map(|x, at| …)`");
            self.errors.push(binary, message);
            return Operand::Broken;
        };
        if ty != ScalarType::F32 {
            let side = if number_first { &binary.left } else { &binary.right };
            self.errors.push(side, convert_hint(side, ty));
            return tile;
        }
        if number_first && op != BinaryOp::Mul {
            let message = format!("write the tile first, or `s.map(|x, _| c {sign} x)`");
            self.errors.push(binary, message);
            return tile;
        }
        let (a, b) = if number_first { (number, Expr::X) } else { (Expr::X, number) };
        self.define(TileOp::Map { of, expr: Expr::Binary(op, Box::new(a), Box::new(b)) }, tile_type)
    }

    fn scalars(
        &mut self,
        binary: &syn::ExprBinary,
        (a, a_type): (Expr, ScalarType),
        (b, b_type): (Expr, ScalarType),
    ) -> Operand {
        use ScalarType::{Bool, F32, I32};
        let sign = binary.op.to_token_stream();
        let op = match binary.op {
            BinOp::Add(_) => BinaryOp::Add,
            BinOp::Sub(_) => BinaryOp::Sub,
            BinOp::Mul(_) => BinaryOp::Mul,
            BinOp::Div(_) => BinaryOp::Div,
            BinOp::Rem(_) => BinaryOp::Rem,
            BinOp::Eq(_) => BinaryOp::Eq,
            BinOp::Ne(_) => BinaryOp::Ne,
            BinOp::Lt(_) => BinaryOp::Lt,
            BinOp::Le(_) => BinaryOp::Le,
            BinOp::Gt(_) => BinaryOp::Gt,
            BinOp::Ge(_) => BinaryOp::Ge,
            // On `bool`, `&` differs from `&&` only in evaluating both sides, and we always do.
            BinOp::And(_) => BinaryOp::And,
            BinOp::Or(_) => BinaryOp::Or,
            BinOp::BitAnd(_) if a_type == Bool => BinaryOp::And,
            BinOp::BitOr(_) if a_type == Bool => BinaryOp::Or,
            BinOp::BitXor(_) if a_type == Bool => BinaryOp::Ne,
            BinOp::BitAnd(_) => BinaryOp::BitAnd,
            BinOp::BitOr(_) => BinaryOp::BitOr,
            BinOp::BitXor(_) => BinaryOp::BitXor,
            BinOp::Shl(_) => BinaryOp::Shl,
            BinOp::Shr(_) => BinaryOp::Shr,
            _ => {
                self.errors.push(binary.op, format!("a kernel has no `{sign}`"));
                return Operand::Broken;
            }
        };
        if a_type != b_type {
            match (a_type, b_type) {
                (I32, F32) => self.errors.push(&binary.left, convert_hint(&binary.left, I32)),
                (F32, I32) => self.errors.push(&binary.right, convert_hint(&binary.right, I32)),
                _ => {
                    let message = format!("`{sign}` is given `{a_type}` and `{b_type}`");
                    self.errors.push(binary, message);
                }
            }
            return Operand::Broken;
        }
        let result = match (op, a_type) {
            (BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div, F32 | I32)
            | (BinaryOp::Rem, I32)
            | (BinaryOp::Shl | BinaryOp::Shr | BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor, I32)
            | (BinaryOp::And | BinaryOp::Or, Bool) => Ok(a_type),
            (BinaryOp::Eq | BinaryOp::Ne, _)
            | (BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge, F32 | I32) => Ok(Bool),
            (BinaryOp::Rem, F32) => Err("`%` is for `i32`".to_string()),
            (BinaryOp::And | BinaryOp::Or, _) => {
                Err(format!("`{sign}` joins conditions, these are `{a_type}`: compare first"))
            }
            _ => Err(format!("`{sign}` does not take `{a_type}`")),
        };
        if a_type == I32 {
            self.arithmetic.note(binary);
        }
        match result {
            Ok(ty) => Operand::Scalar(Expr::Binary(op, Box::new(a), Box::new(b)), ty),
            Err(message) => {
                self.errors.push(binary, message);
                Operand::Broken
            }
        }
    }
}

/// An operator that tiles have.
fn arithmetic(op: &BinOp) -> Option<BinaryOp> {
    Some(match op {
        BinOp::Mul(_) => BinaryOp::Mul,
        BinOp::Add(_) => BinaryOp::Add,
        BinOp::Sub(_) => BinaryOp::Sub,
        BinOp::Div(_) => BinaryOp::Div,
        _ => return None,
    })
}

/// How to make an f32 of this.
fn convert_hint(expr: &syn::Expr, ty: ScalarType) -> String {
    let text = source_text(expr);
    match (expr, ty) {
        (_, ScalarType::Bool) => {
            "this is a `bool` where an `f32` is meant: write `select(c, a, b)`".to_string()
        }
        (syn::Expr::Lit(_), _) => format!("this is an `i32` where an `f32` is meant: write `{text}.0`"),
        (syn::Expr::Path(_) | syn::Expr::Field(_) | syn::Expr::Paren(_), _) => {
            format!("this is an `i32` where an `f32` is meant: write `{text} as f32`")
        }
        _ => format!("this is an `i32` where an `f32` is meant: write `({text}) as f32`"),
    }
}
