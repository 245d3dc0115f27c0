//! A kernel's arithmetic on the host: where Rust would panic, what a kernel gives (`dsl/src/arithmetic.rs`).
//!
//! Which operators and methods are of integers, the front end knows: it says so by where they lie in the function that it read.

use flashpage_codegen::frontend::Arithmetic;
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::visit_mut::{VisitMut, visit_expr_mut};
use syn::{BinOp, Expr, ItemFn, UnOp};

/// Writes the function's arithmetic so that it does not panic. It must not have been moved since the front end read it.
pub(crate) fn wrap(function: &mut ItemFn, arithmetic: &Arithmetic) {
    Wrapping { arithmetic }.visit_item_fn_mut(function);
}

struct Wrapping<'a> {
    arithmetic: &'a Arithmetic,
}

impl VisitMut for Wrapping<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let replacement = self.arithmetic.has(expr);
        visit_expr_mut(self, expr);
        if replacement && let Some(call) = called(expr) {
            *expr = Expr::Verbatim(call);
        }
    }
}

/// The call that stands for an operator or a method.
fn called(expr: &Expr) -> Option<proc_macro2::TokenStream> {
    let span = expr.span();
    let own = |name: &str| {
        let name = syn::Ident::new(name, span);
        quote_spanned!(span=> ::flashpage::dsl::arithmetic::#name)
    };
    let wrapping = |name: &str| {
        let name = syn::Ident::new(name, span);
        quote_spanned!(span=> ::core::primitive::i32::#name)
    };
    let (function, operands) = match expr {
        Expr::Binary(binary) => {
            let function = match binary.op {
                BinOp::Add(_) => wrapping("wrapping_add"),
                BinOp::Sub(_) => wrapping("wrapping_sub"),
                BinOp::Mul(_) => wrapping("wrapping_mul"),
                BinOp::Div(_) => own("div"),
                BinOp::Rem(_) => own("rem"),
                BinOp::Shl(_) => own("shl"),
                BinOp::Shr(_) => own("shr"),
                _ => return None,
            };
            (function, vec![&*binary.left, &*binary.right])
        }
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            (wrapping("wrapping_neg"), vec![&*unary.expr])
        }
        Expr::MethodCall(call) => {
            let function = match call.method.to_string().as_str() {
                "abs" => wrapping("wrapping_abs"),
                "pow" => wrapping("wrapping_pow"),
                "div_euclid" => own("div_euclid"),
                "rem_euclid" => own("rem_euclid"),
                // Its first operand says of which type it is.
                "clamp" => own("clamp"),
                _ => return None,
            };
            (function, std::iter::once(&*call.receiver).chain(&call.args).collect())
        }
        _ => return None,
    };
    let operands = operands.into_iter().map(bare);
    Some(quote_spanned!(span=> #function(#(#operands),*)))
}

/// Without parentheses around it, which an argument needs none of.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(inner) => bare(&inner.expr),
        _ => expr,
    }
}
