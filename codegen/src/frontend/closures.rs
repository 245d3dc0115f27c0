//! The score functions: the closures given to `map`, `mask` and `zip`.

use super::body::{Body, MAX_EXPR, size};
use super::scope::Operand;
use crate::program::{Expr, ScalarType, TileType};
use syn::{Pat, PatIdent};

impl Body<'_> {
    /// Reads `|x, at| …` for `map`, `|x, y, at| …` for `zip` or `|at| …` for `mask`, over the elements of a tile of this type;
    /// of one that is in error, without.
    pub fn closure(&mut self, method: &'static str, of: Option<TileType>, expr: &syn::Expr) -> Option<Expr> {
        let (usage, want) = match method {
            "mask" => ("mask(|at| …)", ScalarType::Bool),
            "sink" => ("sink(|at| …)", ScalarType::F32),
            "zip" => ("zip(other, |x, y, at| …)", ScalarType::F32),
            _ => ("map(|x, at| …)", ScalarType::F32),
        };
        let closure = match expr {
            syn::Expr::Closure(closure) => closure,
            syn::Expr::Paren(inner) => return self.closure(method, of, &inner.expr),
            syn::Expr::Group(inner) => return self.closure(method, of, &inner.expr),
            syn::Expr::Path(path)
                if path.path.get_ident().is_none_or(|name| !self.scopes.has(&name.to_string())) =>
            {
                let given: Vec<(&dyn quote::ToTokens, Operand)> =
                    roles(method).iter().map(|role| (expr as &dyn quote::ToTokens, role.clone())).collect();
                self.mapped = of;
                let result = self.function(path, &given);
                self.mapped = None;
                return self.of_type(method, result, want, expr);
            }
            _ => {
                self.errors.push(expr, format!("write the closure here: `{usage}`, or name a function that is marked `#[score_function]`"));
                return None;
            }
        };
        if let Some(token) = &closure.asyncness {
            self.errors.push(token, "a score function is not `async`: remove it");
        }
        if let Some(token) = &closure.constness {
            self.errors.push(token, "a score function is not `const`: remove it");
        }
        let roles = roles(method);
        if closure.inputs.len() != roles.len() {
            let message = match (method, closure.inputs.len()) {
                ("mask", 2) => "a mask sees where an element lies, not its score: write `mask(|at| …)`, or \
                                change scores with `map(|x, at| …)`"
                    .to_string(),
                ("map", 1) => {
                    "`map` gives the score and where it lies: write `map(|x, at| …)`, or `map(|x, _| …)`"
                        .to_string()
                }
                _ => format!("write `{usage}`"),
            };
            let at = &closure.inputs;
            if at.is_empty() {
                self.errors.push(closure, message)
            } else {
                self.errors.push(at, message)
            }
            return None;
        }
        self.scopes.enter_closure();
        self.closure = Some(method);
        self.mapped = of;
        let outer = std::mem::replace(&mut self.only_lets, true);
        for (pat, role) in closure.inputs.iter().zip(&roles) {
            self.closure_param(pat, role);
        }
        let result = match &*closure.body {
            syn::Expr::Block(block) if block.label.is_none() => self.returning(&block.block.stmts),
            value => self.eval(value),
        };
        self.only_lets = outer;
        self.closure = None;
        self.mapped = None;
        self.scopes.leave_closure();

        if let Operand::Scalar(value, _) = &result
            && size(value) > MAX_EXPR
        {
            self.errors.push(closure, "this function is too large once its `let`s are written out");
            return None;
        }
        self.of_type(method, result, want, result_of(&closure.body))
    }

    /// What a score function gives, where it is of the type that it should be; an error if not.
    fn of_type(
        &mut self,
        method: &str,
        result: Operand,
        want: ScalarType,
        blame: &syn::Expr,
    ) -> Option<Expr> {
        match result {
            Operand::Broken => None,
            Operand::Scalar(expr, ty) if ty == want => Some(expr),
            other => {
                let what = self.describe(&other);
                let message = match (method, &other) {
                    ("mask", _) => {
                        format!("a mask says whether to keep the score, a `bool`; this is {what}")
                    }
                    ("sink", _) => format!("a sink is one more score of each row, an `f32`; this is {what}"),
                    (_, Operand::Scalar(_, ScalarType::I32)) => {
                        format!(
                            "`{method}` gives the new score, an `f32`; this is {what}: convert it with `as f32`"
                        )
                    }
                    (_, Operand::Scalar(_, ScalarType::Bool)) => format!(
                        "`{method}` gives the new score, an `f32`; this is {what}: drop scores with `mask(|at| …)`, or \
                         choose with `select(c, a, b)`"
                    ),
                    _ => format!("`{method}` gives the new score, an `f32`; this is {what}"),
                };
                self.errors.push(blame, message);
                None
            }
        }
    }

    fn closure_param(&mut self, pat: &Pat, role: &Operand) {
        match pat {
            Pat::Ident(PatIdent { by_ref: None, subpat: None, mutability: None, ident, .. }) => {
                self.bind_as(ident, false, role.clone());
            }
            Pat::Wild(_) => {}
            Pat::Type(typed) => self.closure_param(&typed.pat, role),
            Pat::Paren(inner) => self.closure_param(&inner.pat, role),
            _ => {
                let message = match pat {
                    Pat::Struct(_) => "name it `at`, and write `at.row` and `at.col`",
                    Pat::Ident(_) | Pat::Reference(_) => {
                        "write a plain name: numbers are given by value and do not change"
                    }
                    _ => "write a plain name",
                };
                self.errors.push(pat, message);
                self.bind_broken(pat);
            }
        }
    }
}

/// What the function given to a method is given.
fn roles(method: &str) -> Vec<Operand> {
    let (x, y) = (Operand::Scalar(Expr::X, ScalarType::F32), Operand::Scalar(Expr::Y, ScalarType::F32));
    match method {
        "mask" | "sink" => vec![Operand::At],
        "zip" => vec![x, y, Operand::At],
        _ => vec![x, Operand::At],
    }
}

/// The expression that gives the value: of a block, its last.
fn result_of(expr: &syn::Expr) -> &syn::Expr {
    match expr {
        syn::Expr::Block(block) => match block.block.stmts.last() {
            Some(syn::Stmt::Expr(tail, None)) => result_of(tail),
            _ => expr,
        },
        syn::Expr::Paren(inner) => result_of(&inner.expr),
        _ => expr,
    }
}
