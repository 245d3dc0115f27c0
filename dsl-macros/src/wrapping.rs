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
    Wrapping { arithmetic, in_const: false }.visit_item_fn_mut(function);
}

struct Wrapping<'a> {
    arithmetic: &'a Arithmetic,
    /// Inside a constant, where traits are not known: all that stands there are literals and constants, of the type that it says.
    in_const: bool,
}

impl VisitMut for Wrapping<'_> {
    fn visit_item_const_mut(&mut self, item: &mut syn::ItemConst) {
        let outer = std::mem::replace(&mut self.in_const, true);
        syn::visit_mut::visit_item_const_mut(self, item);
        self.in_const = outer;
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let replacement = self.arithmetic.has(expr);
        visit_expr_mut(self, expr);
        if replacement && let Some(call) = called(expr, self.in_const) {
            *expr = Expr::Verbatim(call);
        }
    }
}

/// The call that stands for an operator or a method.
fn called(expr: &Expr, in_const: bool) -> Option<proc_macro2::TokenStream> {
    let span = expr.span();
    let own = |name: &str| {
        let name = syn::Ident::new(name, span);
        quote_spanned!(span=> ::flashpage::dsl::arithmetic::#name)
    };
    let of_i32 = |name: &str| {
        let name = syn::Ident::new(name, span);
        quote_spanned!(span=> ::core::primitive::i32::#name)
    };
    // Of a number whose type is written nowhere here.
    let number = |name: &str| {
        let name = syn::Ident::new(name, span);
        quote_spanned!(span=> ::flashpage::dsl::arithmetic::Number::#name)
    };
    let (function, operands) = match expr {
        Expr::Binary(binary) => {
            let function = match binary.op {
                BinOp::Add(_) => {
                    if in_const {
                        of_i32("wrapping_add")
                    } else {
                        number("add")
                    }
                }
                BinOp::Sub(_) => {
                    if in_const {
                        of_i32("wrapping_sub")
                    } else {
                        number("sub")
                    }
                }
                BinOp::Mul(_) => {
                    if in_const {
                        of_i32("wrapping_mul")
                    } else {
                        number("mul")
                    }
                }
                BinOp::Div(_) => {
                    if in_const {
                        own("div")
                    } else {
                        number("div")
                    }
                }
                BinOp::Rem(_) => {
                    if in_const {
                        own("rem")
                    } else {
                        number("rem")
                    }
                }
                BinOp::Shl(_) => own("shl"),
                BinOp::Shr(_) => own("shr"),
                _ => return None,
            };
            (function, vec![&*binary.left, &*binary.right])
        }
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            (if in_const { of_i32("wrapping_neg") } else { number("neg") }, vec![&*unary.expr])
        }
        Expr::MethodCall(call) => {
            let function = match call.method.to_string().as_str() {
                "abs" => {
                    if in_const {
                        of_i32("wrapping_abs")
                    } else {
                        number("abs")
                    }
                }
                "pow" => of_i32("wrapping_pow"),
                "div_euclid" => own("div_euclid"),
                "rem_euclid" => own("rem_euclid"),
                "clamp" if !in_const => number("clamp"),
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
