//! Functions marked `#[score_function]`: numbers computed of numbers, of where an element lies and of what is indexed. A kernel or
//! another such function calls them, or gives them to `map`, `mask`, `zip` or `sink` in place of a closure.
//!
//! A call is what the function's body says with the arguments in it: the program knows no functions. So a function may do what a
//! score function may, and none comes back to itself.

use super::arithmetic::Arithmetic;
use super::around::{Around, Known, Named, name_of, several};
use super::body::{Body, MAX_EXPR, size};
use super::diagnostics::{Errors, did_you_mean, listed};
use super::dims::Dims;
use super::scope::{Operand, Scopes};
use super::signature::{self, Signature, SignatureParam, last_name, scalar_type};
use crate::program::{Expr, ParamId, ParamKind, ScalarType};
use std::collections::BTreeMap;
use std::rc::Rc;
use syn::{FnArg, Pat, ReturnType, Stmt, Type};

/// The attribute.
const MARK: &str = "score_function";

pub(super) fn is_mark(attribute: &syn::Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == MARK)
}

/// Most functions that call one another in turn: more are taken for a way back under other names.
const MOST_CALLS: usize = 32;

/// What of a kernel can be given to a function, in a message.
const PARAMETERS: &str = "a score function takes numbers, `At`, and what is indexed: `PerHead<f32>` and its like, `Bias<T>`, `BitMask`";

/// What a parameter of a function is.
#[derive(Clone, Copy, PartialEq)]
enum Takes {
    At,
    /// A number, or what is indexed.
    A(ParamKind),
    /// It could not be read.
    Broken,
}

/// What a function's signature says.
struct Head {
    params: Vec<(syn::Ident, Takes)>,
    /// None where it could not be read.
    result: Option<ScalarType>,
}

/// What was read of a function by itself.
pub(super) struct ReadFunction {
    pub arithmetic: Arithmetic,
    pub unknown: BTreeMap<String, Named>,
}

/// Reads a marked function by itself, whoever calls it.
pub(super) fn read_alone(item: &syn::ItemFn, around: &Around, errors: &mut Errors) -> ReadFunction {
    let head = head(item, errors);
    // Where an element lies is no parameter that a program has.
    let of_program = head.params.iter().filter(|(_, takes)| *takes != Takes::At);
    let params = of_program.map(|(name, takes)| SignatureParam {
        name: name.clone(),
        kind: match takes {
            Takes::A(kind) => Some(*kind),
            Takes::At | Takes::Broken => None,
        },
        element: None,
        dim: None,
    });
    let dims = Dims { names: Vec::new(), used: Vec::new() };
    let signature = Signature { elements: Vec::new(), dims, params: params.collect() };
    let mut body = Body::new(&signature, around.clone(), crate::program::Axis::Cols, errors);
    for (name, _) in head.params.iter().filter(|(_, takes)| *takes == Takes::At) {
        body.bind_as(name, false, Operand::At);
    }
    body.calling.push(item.sig.ident.to_string());
    body.function_body(item, head.result);
    ReadFunction { arithmetic: body.arithmetic, unknown: body.unknown }
}

/// Reads a function's signature.
fn head(item: &syn::ItemFn, errors: &mut Errors) -> Head {
    let sig = &item.sig;
    if let Some(token) = &sig.asyncness {
        errors.push(token, "a score function is not `async`: remove it");
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        errors.push(token, "a score function is not `unsafe`: remove it");
    }
    let result = match &sig.output {
        ReturnType::Default => {
            errors.push(&sig.ident, "a score function gives a number: write `-> f32`, `-> i32` or `-> bool`");
            None
        }
        ReturnType::Type(_, ty) => {
            let result = scalar_type(ty);
            if result.is_none() {
                errors.push(ty, "a score function gives one number: `f32`, `i32` or `bool`");
            }
            result
        }
    };
    let mut reader = signature::Reader::of_function(sig, errors);
    let mut params: Vec<(syn::Ident, Takes)> = Vec::new();
    for input in &sig.inputs {
        let typed = match input {
            FnArg::Typed(typed) => typed,
            FnArg::Receiver(receiver) => {
                reader.errors.push(receiver, "a score function is a free function: it has no `self`");
                continue;
            }
        };
        let takes = takes(&typed.ty, &mut reader);
        match &*typed.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() && pat.mutability.is_none() => {
                params.push((pat.ident.clone(), takes));
            }
            Pat::Wild(wild) => {
                params.push((syn::Ident::new("_", wild.underscore_token.span), takes));
            }
            pat => reader.errors.push(pat, "a parameter is a plain name, and does not change"),
        }
    }
    Head { params, result }
}

fn takes(ty: &Type, reader: &mut signature::Reader<'_>) -> Takes {
    if last_name(ty).is_some_and(|name| name == "At") {
        return Takes::At;
    }
    match reader.kind(ty) {
        Some((
            kind @ (ParamKind::Scalar(_) | ParamKind::Vector(_) | ParamKind::Bias(_) | ParamKind::BitMask),
            _,
        )) => Takes::A(kind),
        Some(_) => {
            reader.errors.push(ty, PARAMETERS);
            Takes::Broken
        }
        None => Takes::Broken,
    }
}

impl Body<'_> {
    /// `bucket(at.row - at.col)`
    pub fn marked_call(&mut self, call: &syn::ExprCall, path: &syn::ExprPath) -> Operand {
        let given: Vec<(&syn::Expr, Operand)> = call.args.iter().map(|arg| (arg, self.eval(arg))).collect();
        let given = given.iter().map(|(arg, operand)| (*arg as &dyn quote::ToTokens, operand.clone()));
        self.function(path, &given.collect::<Vec<_>>())
    }

    /// What a function that is named gives of these.
    pub fn function(&mut self, path: &syn::ExprPath, given: &[(&dyn quote::ToTokens, Operand)]) -> Operand {
        let name = name_of(&path.path);
        let (item, around) = match self.around.get(&path.path).cloned() {
            Some(Known::Function(item)) => (item, self.around.clone()),
            Some(Known::Beside(function)) => {
                let function = function();
                match syn::parse_str::<syn::ItemFn>(function.source) {
                    Ok(item) => (Rc::new(item), Around::of(&function.around)),
                    Err(error) => {
                        self.errors.push(path, format!("`{name}` cannot be read: {error}"));
                        return Operand::Broken;
                    }
                }
            }
            Some(Known::Gives(value)) => return like(value.expr(), given),
            Some(Known::Unmarked) => {
                self.errors.push(
                    path,
                    format!(
                        "mark `{name}` with `#[score_function]`: then the compiler sees what it computes"
                    ),
                );
                return Operand::Broken;
            }
            Some(Known::Several) => {
                self.errors.push(path, several(&name));
                return Operand::Broken;
            }
            Some(Known::Value(_) | Known::Written(_)) => {
                self.errors.push(path, format!("`{name}` is a number, and cannot be called"));
                return Operand::Broken;
            }
            None => return self.no_function(path, &name),
        };
        if self.calling.contains(&name) || self.calling.len() == MOST_CALLS {
            let message = format!("`{name}` comes back to itself, and a score function has an end");
            self.errors.push(path, message);
            return Operand::Broken;
        }
        let mut of_head = Errors::default();
        let head = head(&item, &mut of_head);
        if let Some(error) = of_head.take() {
            // It is said once of a function.
            if self.wrong_functions.insert(name) {
                self.errors.add(error);
            }
            return Operand::Broken;
        }
        if head.params.len() != given.len() {
            let names: Vec<String> = head.params.iter().map(|(name, _)| name.to_string()).collect();
            let message = format!(
                "`{name}` takes {}, not {}: write `{name}({})`",
                names.len(),
                given.len(),
                names.join(", ")
            );
            self.errors.push(path, message);
            return Operand::Broken;
        }
        let mut fits = true;
        for ((param, takes), (at, operand)) in head.params.iter().zip(given) {
            fits &= self.is_taken(param, *takes, *at, operand);
        }
        if !fits {
            return Operand::Broken;
        }
        let before = self.errors.count();
        let scopes = std::mem::replace(&mut self.scopes, Scopes::of_function());
        let around = std::mem::replace(&mut self.around, around);
        let closure = self.closure.take();
        self.calling.push(name.clone());
        for ((param, _), (_, operand)) in head.params.iter().zip(given) {
            self.bind_as(param, false, operand.clone());
        }
        let result = self.function_body(&item, head.result);
        self.calling.pop();
        self.closure = closure;
        self.around = around;
        self.scopes = scopes;
        // So is what is wrong with its body; what is wrong here alone is said here.
        if self.errors.count() > before && !self.wrong_functions.insert(name.clone()) {
            self.errors.forget_after(before);
        }
        match &result {
            Operand::Scalar(expr, _) if size(expr) > MAX_EXPR => {
                self.errors.push(path, format!("`{name}` is too large once it is written out here"));
                Operand::Broken
            }
            _ => result,
        }
    }

    /// Whether a parameter of a function takes what it is given; an error if not.
    fn is_taken(
        &mut self,
        param: &syn::Ident,
        takes: Takes,
        at: &dyn quote::ToTokens,
        operand: &Operand,
    ) -> bool {
        let wants = match (takes, operand) {
            (_, Operand::Broken) | (Takes::Broken, _) => return false,
            (Takes::At, Operand::At) => return true,
            (Takes::At, _) => "`at`".to_owned(),
            (Takes::A(ParamKind::Scalar(ty)), Operand::Scalar(_, given)) if ty == *given => return true,
            (Takes::A(ParamKind::Scalar(ty)), _) => format!("`{ty}`"),
            (Takes::A(kind), Operand::Param(id)) if self.goes_for(*id, kind) => return true,
            (Takes::A(kind), _) => format!("`{}`", kind.ty().usage()),
        };
        let what = self.describe(operand);
        self.errors.push(quote::quote!(#at), format!("`{param}` is {wants}, this is {what}"));
        false
    }

    /// Whether a parameter of the kernel is of a kind.
    fn goes_for(&self, id: ParamId, kind: ParamKind) -> bool {
        match (self.param_kind(id), kind) {
            // The function's type is generic.
            (Some(ParamKind::Bias(_)), ParamKind::Bias(None)) => true,
            (own, kind) => own == Some(kind),
        }
    }

    /// A name that is called and that nothing explains.
    fn no_function(&mut self, path: &syn::ExprPath, name: &str) -> Operand {
        let own =
            ["dot", "select", "OnlineSoftmax::new", "OnlineSoftmax::resume", "Tile::zeros", "Tile::resume"];
        let all: Vec<&str> = self.around.functions().into_iter().chain(own).collect();
        let near = did_you_mean(name, &all);
        let is_of_type = path.path.segments.iter().any(|segment| {
            let word = segment.ident.to_string();
            word.starts_with(char::is_uppercase) || ["std", "core"].contains(&word.as_str())
        });
        if near.is_empty() && !is_of_type {
            self.unknown.insert(name.to_owned(), Named::Function);
        }
        let message = format!(
            "a kernel cannot call `{name}`{near}: the compiler sees functions that are marked `#[score_function]`; there is {}",
            listed(&all)
        );
        self.errors.push(path, message);
        Operand::Broken
    }

    /// The value of a function's body, of the type that it says.
    fn function_body(&mut self, item: &syn::ItemFn, result: Option<ScalarType>) -> Operand {
        let value = self.returning(&item.block.stmts);
        match (value, result) {
            (Operand::Scalar(expr, ty), Some(says)) if ty == says => Operand::Scalar(expr, ty),
            (Operand::Broken, _) | (_, None) => Operand::Broken,
            (other, Some(says)) => {
                let what = self.describe(&other);
                let output = &item.sig.output;
                self.errors.push(
                    output,
                    format!("`{}` says that it gives `{says}`, and gives {what}", item.sig.ident),
                );
                Operand::Broken
            }
        }
    }

    /// The value of statements one of which may be `return`, or an `if` that ends with it: what follows it is then the other
    /// choice.
    pub fn returning(&mut self, stmts: &[Stmt]) -> Operand {
        let outer = std::mem::replace(&mut self.only_lets, true);
        let value = self.value_of(&stmts.iter().collect::<Vec<_>>());
        self.only_lets = outer;
        value
    }

    fn value_of(&mut self, stmts: &[&Stmt]) -> Operand {
        self.scopes.push();
        let mut value = Operand::Unit;
        for (index, stmt) in stmts.iter().enumerate() {
            value = match stmt {
                Stmt::Expr(syn::Expr::Return(leaving), _) => match &leaving.expr {
                    Some(value) => self.eval(value),
                    None => {
                        self.errors.push(leaving, "this gives no number: write `return x;`");
                        Operand::Broken
                    }
                },
                Stmt::Expr(syn::Expr::If(branch), _) if leaves(branch) => {
                    self.leaving(branch, &stmts[index + 1..])
                }
                Stmt::Expr(syn::Expr::Block(block), None) if block.label.is_none() => {
                    self.value_of(&block.block.stmts.iter().collect::<Vec<_>>())
                }
                Stmt::Expr(value, None) => self.eval(value),
                _ => {
                    self.statement(stmt);
                    continue;
                }
            };
            break;
        }
        self.scopes.pop();
        value
    }

    /// `if c { return a; }` with what follows, where it is not left.
    fn leaving(&mut self, branch: &syn::ExprIf, rest: &[&Stmt]) -> Operand {
        let condition = self.condition(&branch.cond);
        let a = self.then(&branch.then_branch, rest);
        let b = match branch.else_branch.as_ref().map(|(_, otherwise)| &**otherwise) {
            Some(syn::Expr::Block(block)) => self.then(&block.block, rest),
            Some(syn::Expr::If(inner)) => self.leaving(inner, rest),
            _ => self.value_of(rest),
        };
        self.choose(branch, condition, a, b)
    }

    /// A branch, and what follows it where it is not left.
    fn then(&mut self, branch: &syn::Block, rest: &[&Stmt]) -> Operand {
        let own: Vec<&Stmt> = branch.stmts.iter().collect();
        if ends(branch) {
            return self.value_of(&own);
        }
        // Names of a branch mean nothing after it.
        if let Some(local) = own.iter().find(|stmt| matches!(stmt, Stmt::Local(_))) {
            self.errors.push(local, "this branch neither gives a number nor ends with `return`");
            return Operand::Broken;
        }
        self.value_of(&[&own, rest].concat())
    }
}

/// Whether a `return` stands at the end of a branch.
fn leaves(branch: &syn::ExprIf) -> bool {
    ends(&branch.then_branch)
        || match branch.else_branch.as_ref().map(|(_, otherwise)| &**otherwise) {
            Some(syn::Expr::Block(block)) => ends(&block.block),
            Some(syn::Expr::If(inner)) => leaves(inner),
            _ => false,
        }
}

fn ends(block: &syn::Block) -> bool {
    match block.stmts.last() {
        Some(Stmt::Expr(syn::Expr::Return(_), _)) => true,
        Some(Stmt::Expr(syn::Expr::If(inner), _)) => leaves(inner),
        _ => false,
    }
}

/// What stands for the value of a function of which only the type is known: an argument of that type, since what is made of a
/// probability is to be linear in it.
fn like((value, ty): (Expr, ScalarType), given: &[(&dyn quote::ToTokens, Operand)]) -> Operand {
    let of_type = given.iter().find_map(|(_, operand)| match operand {
        Operand::Scalar(expr, own) if *own == ty => Some(expr.clone()),
        _ => None,
    });
    if given.iter().any(|(_, operand)| *operand == Operand::Broken) {
        return Operand::Broken;
    }
    Operand::Scalar(of_type.unwrap_or(value), ty)
}
