//! Expressions: names, literals, fields, casts, `if`; and what a kernel has none of.

use super::around::{Known, Named, name_of, several};
use super::body::Body;
use super::diagnostics::{did_you_mean, listed};
use super::scope::{Operand, Part, Scopes};
use super::signature::{last_name, scalar_type};
use crate::program::{Along, Axis, Expr, ParamId, ParamKind, ScalarType, UnaryOp, Vector};
use syn::{Lit, Member};

impl Body<'_> {
    pub fn eval(&mut self, expr: &syn::Expr) -> Operand {
        let operand = self.read(expr);
        self.wrote(expr);
        operand
    }

    fn read(&mut self, expr: &syn::Expr) -> Operand {
        match expr {
            syn::Expr::Paren(inner) => self.eval(&inner.expr),
            syn::Expr::Group(inner) => self.eval(&inner.expr),
            syn::Expr::Lit(lit) => self.literal(lit),
            syn::Expr::Path(path) => self.path(path),
            syn::Expr::Unary(unary) => self.unary(unary),
            syn::Expr::Binary(binary) => self.binary(binary),
            syn::Expr::MethodCall(call) => self.method(call),
            syn::Expr::Call(call) => self.call(call),
            syn::Expr::Field(field) => self.field(field),
            syn::Expr::Index(index) => self.index(index),
            syn::Expr::Cast(cast) => self.cast(cast),
            syn::Expr::If(branch) => self.branch(branch),
            syn::Expr::Block(block) if block.label.is_none() => self.block(&block.block),
            _ => {
                self.errors.push(expr, refusal(expr));
                Operand::Broken
            }
        }
    }

    /// An expression that must be a number or a truth value.
    pub fn scalar(&mut self, expr: &syn::Expr) -> Option<(Expr, ScalarType)> {
        match self.eval(expr) {
            Operand::Scalar(expr, ty) => Some((expr, ty)),
            Operand::Broken => None,
            other => {
                self.not_a_scalar(expr, &other);
                None
            }
        }
    }

    pub fn not_a_scalar(&mut self, expr: &syn::Expr, operand: &Operand) {
        let what = self.describe(operand);
        let message = match operand {
            Operand::HeadDim => {
                "the head dimension is not a number in a kernel: pass what you compute from it \
                                 as a scalar parameter"
                    .to_string()
            }
            Operand::At => {
                "this is `at` itself: write `at.row`, `at.col` or another of its numbers".to_string()
            }
            Operand::Param(id) => match self.vector(*id) {
                Some(Vector { along, .. }) => {
                    let (name, each, place) = (self.param_name(*id), along.each(), along.place());
                    format!("`{name}` holds a number for each {each}: write `{name}[{place}]`")
                }
                None => match self.element_usage(*id) {
                    Some(usage) => format!("this is {what}: write `{usage}`"),
                    None => format!("a number is meant here, this is {what}"),
                },
            },
            _ => format!("a number is meant here, this is {what}"),
        };
        self.errors.push(expr, message);
    }

    /// What a vector parameter is.
    fn vector(&self, id: ParamId) -> Option<Vector> {
        match self.param_kind(id) {
            Some(ParamKind::Vector(vector)) => Some(vector),
            _ => None,
        }
    }

    /// How many indices an element of a table has.
    pub fn table(&self, id: ParamId) -> Option<usize> {
        self.param_kind(id).and_then(ParamKind::indices)
    }

    /// An operand in words.
    pub fn describe(&self, operand: &Operand) -> String {
        match operand {
            Operand::Tile(_, ty) => format!("a `{}`", self.dims.spelled(*ty)),
            Operand::Scalar(_, ty) => match ty {
                ScalarType::I32 => "an `i32`".into(),
                ScalarType::F32 => "an `f32`".into(),
                ScalarType::Bool => "a `bool`".into(),
            },
            Operand::Param(id) => {
                if let Some(vector) = self.vector(*id) {
                    return format!("the per-{} numbers `{}`", vector.along.each(), self.param_name(*id));
                }
                let kind = self.param_kind(*id).map_or("parameter", |kind| kind.ty().noun);
                format!("the {kind} `{}`", self.param_name(*id))
            }
            Operand::Accumulator(id) => format!("the accumulator `{}`", self.state_name(*id)),
            Operand::Softmax(id) => format!("the online softmax `{}`", self.state_name(*id)),
            Operand::Zeros(_) => "a new accumulator (`Tile::zeros()`)".into(),
            Operand::ResumedTile(..) => "a resumed accumulator (`Tile::resume(o)`)".into(),
            Operand::NewSoftmax(_) => "a new online softmax".into(),
            Operand::Tiles(_) => format!("an iterator over {} tiles", self.loop_word()),
            Operand::LoopTile => format!("the {} tile of the loop", self.loop_word()),
            Operand::At => "`at`".into(),
            Operand::HeadDim => "the head dimension".into(),
            Operand::Unit => "nothing (`()`)".into(),
            Operand::Broken => "in error".into(),
        }
    }

    fn literal(&mut self, expr: &syn::ExprLit) -> Operand {
        match literal(&expr.lit, false) {
            Ok((expr, ty)) => Operand::Scalar(expr, ty),
            Err(message) => {
                self.errors.push(expr, message);
                Operand::Broken
            }
        }
    }

    fn path(&mut self, expr: &syn::ExprPath) -> Operand {
        if expr.qself.is_some() {
            self.errors.push(expr, "a kernel names variables and parameters only");
            return Operand::Broken;
        }
        let Some(name) = expr.path.get_ident() else { return self.constant(expr) };
        let text = name.to_string();
        let Some(binding) = self.scopes.get(&text) else {
            return match self.around_is(&expr.path) {
                Some(operand) => operand,
                None => {
                    self.unknown_name(name);
                    Operand::Broken
                }
            };
        };
        let operand = binding.operand.clone();
        if self.scopes.in_closure() && !self.scopes.is_local(&text) {
            let allowed = match &operand {
                Operand::Scalar(..) | Operand::HeadDim | Operand::Broken => true,
                Operand::Param(id) => self.vector(*id).is_some() || self.table(*id).is_some(),
                _ => false,
            };
            if !allowed {
                let what = self.describe(&operand);
                let message = match (&operand, self.closure) {
                    (Operand::Tile(..), Some("map")) => format!(
                        "a score function works on one element, `{name}` is {what}: the element is the closure's \
                         first argument"
                    ),
                    _ => format!(
                        "a score function sees `at`, scalar parameters and numbers; `{name}` is {what}"
                    ),
                };
                self.errors.push(expr, message);
                return Operand::Broken;
            }
        }
        operand
    }

    /// The number that a name around the kernel stands for.
    fn around_is(&mut self, path: &syn::Path) -> Option<Operand> {
        match self.around.get(path).cloned()? {
            Known::Value(value) => {
                let (expr, ty) = value.expr();
                Some(Operand::Scalar(expr, ty))
            }
            Known::Written(item) => {
                // It sees what stands around the kernel, and nothing of the kernel.
                let scopes = std::mem::replace(&mut self.scopes, Scopes::of_function());
                let value = self.eval(&item.expr);
                self.scopes = scopes;
                Some(value)
            }
            Known::Several => {
                self.errors.push(path, several(&name_of(path)));
                Some(Operand::Broken)
            }
            Known::Function(_) | Known::Beside(_) | Known::Gives(_) | Known::Unmarked => None,
        }
    }

    pub fn unknown_name(&mut self, name: &syn::Ident) {
        let text = name.to_string();
        let near = did_you_mean(&text, &self.scopes.names());
        let message = if self.closure == Some("mask") && text == "x" {
            "a mask sees where an element lies, not its score: change scores with `map(|x, at| …)`"
                .to_string()
        } else if near.is_empty() && is_constant(&text) {
            self.unknown.insert(text.clone(), Named::Constant);
            format!(
                "a kernel sees constants around it that are `f32`, `i32` or `bool`, and no `{text}`: write it inside the kernel, or \
                 make `{text}` a parameter"
            )
        } else {
            format!("there is no `{text}` here{near}")
        };
        self.errors.push(name, message);
    }

    /// `f32::INFINITY`, `i32::MAX`, `std::f32::consts::LN_2` and their like.
    fn constant(&mut self, expr: &syn::ExprPath) -> Operand {
        let segments: Vec<String> =
            expr.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let names = match segments.as_slice() {
            ["std" | "core", rest @ ..] => rest,
            all => all,
        };
        use std::f32::consts;
        let found = match names {
            ["f32", name] => match *name {
                "INFINITY" => Some(f32::INFINITY),
                "NEG_INFINITY" => Some(f32::NEG_INFINITY),
                "NAN" => Some(f32::NAN),
                "MAX" => Some(f32::MAX),
                "MIN" => Some(f32::MIN),
                "MIN_POSITIVE" => Some(f32::MIN_POSITIVE),
                "EPSILON" => Some(f32::EPSILON),
                _ => None,
            },
            ["f32", "consts", name] => match *name {
                "E" => Some(consts::E),
                "PI" => Some(consts::PI),
                "LN_2" => Some(consts::LN_2),
                "LN_10" => Some(consts::LN_10),
                "LOG2_E" => Some(consts::LOG2_E),
                "LOG10_E" => Some(consts::LOG10_E),
                "SQRT_2" => Some(consts::SQRT_2),
                "FRAC_1_SQRT_2" => Some(consts::FRAC_1_SQRT_2),
                _ => None,
            },
            ["i32", "MAX"] => return Operand::Scalar(Expr::Int(i32::MAX), ScalarType::I32),
            ["i32", "MIN"] => return Operand::Scalar(Expr::Int(i32::MIN), ScalarType::I32),
            _ => None,
        };
        match found {
            Some(value) => Operand::Scalar(Expr::Float(value), ScalarType::F32),
            None => {
                if let Some(operand) = self.around_is(&expr.path) {
                    return operand;
                }
                if names.last().is_some_and(|name| is_constant(name)) && !["f32", "i32"].contains(&names[0]) {
                    self.unknown.insert(name_of(&expr.path), Named::Constant);
                }
                let message = "a kernel sees constants that are `f32`, `i32` or `bool`, and none of this path: write the number, or \
                               make it a parameter (`f32::INFINITY`, `i32::MAX` and `std::f32::consts::LN_2` are known)";
                self.errors.push(expr, message);
                Operand::Broken
            }
        }
    }

    fn field(&mut self, expr: &syn::ExprField) -> Operand {
        let base = self.eval(&expr.base);
        let name = match &expr.member {
            Member::Named(name) => name.to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        match base {
            Operand::Broken => Operand::Broken,
            Operand::At => {
                let place = match name.as_str() {
                    "row" => Expr::Row,
                    "col" => Expr::Col,
                    "head" => Expr::Head,
                    "kv_head" => Expr::KvHead,
                    "seq" => Expr::Seq,
                    "query" => Expr::Query,
                    "q_len" => Expr::QLen,
                    "kv_len" => Expr::KvLen,
                    _ => {
                        let fields = ["row", "col", "query", "head", "kv_head", "seq", "q_len", "kv_len"];
                        let near = did_you_mean(&name, &fields);
                        let message = format!("`at` has no `{name}`{near}: it has {}", listed(&fields));
                        self.errors.push(&expr.member, message);
                        return Operand::Broken;
                    }
                };
                self.place_of_element(expr, place)
            }
            other => {
                let what = self.describe(&other);
                self.errors.push(expr, format!("only `at` has fields, this is {what}"));
                Operand::Broken
            }
        }
    }

    /// `at.row` and its like, of an element that has it.
    pub fn place_of_element(&mut self, expr: &dyn quote::ToTokens, place: Expr) -> Operand {
        let lacks = |axis| self.mapped.filter(|ty| !ty.has(axis));
        let (without, what) = match place {
            Expr::Row | Expr::Query => (lacks(Axis::Rows), "no rows"),
            Expr::Col => (lacks(Axis::Cols), "no columns"),
            Expr::Head if self.part != Part::Loop && self.owned() == Axis::Cols => {
                let message = "an instance that owns columns is of a KV head, and sees the query heads that share it one \
                               after the other, in the loop";
                self.errors.push(expr, message);
                return Operand::Broken;
            }
            _ => (None, ""),
        };
        if let Some(ty) = without {
            // A function is not told of what it is called for: it sees 0, as on the host.
            if !self.calling.is_empty() {
                return Operand::Scalar(Expr::Int(0), ScalarType::I32);
            }
            self.errors
                .push(expr, format!("this is an element of a `{}`, which has {what}", self.dims.spelled(ty)));
            return Operand::Broken;
        }
        Operand::Scalar(place, ScalarType::I32)
    }

    fn index(&mut self, expr: &syn::ExprIndex) -> Operand {
        let base = self.eval(&expr.expr);
        let index = self.scalar(&expr.index);
        match base {
            Operand::Broken => Operand::Broken,
            Operand::Param(id) if self.vector(id).is_some() => {
                let Some(Vector { element, .. }) = self.vector(id) else { return Operand::Broken };
                match index {
                    Some((index, ScalarType::I32)) => {
                        Operand::Scalar(Expr::Index(id, Box::new(index)), element)
                    }
                    Some((_, other)) => {
                        let message = format!("an index is an `i32`, this is `{other}`");
                        self.errors.push(&expr.index, message);
                        Operand::Broken
                    }
                    None => Operand::Broken,
                }
            }
            other => {
                let what = self.describe(&other);
                let vectors = Along::ALL.map(|along| format!("`{}` by `{}`", along.ty().name, along.place()));
                let message = format!("only vectors are indexed, a {}; this is {what}", vectors.join(", a "));
                self.errors.push(expr, message);
                Operand::Broken
            }
        }
    }

    fn cast(&mut self, expr: &syn::ExprCast) -> Operand {
        let Some((value, from)) = self.scalar(&expr.expr) else { return Operand::Broken };
        let to = scalar_type(&expr.ty);
        let made = match (from, to) {
            (ScalarType::F32, Some(ScalarType::F32)) | (ScalarType::I32, Some(ScalarType::I32)) => value,
            (ScalarType::I32, Some(ScalarType::F32)) => Expr::Unary(UnaryOp::ToF32, Box::new(value)),
            (ScalarType::F32 | ScalarType::Bool, Some(ScalarType::I32)) => {
                Expr::Unary(UnaryOp::ToI32, Box::new(value))
            }
            (ScalarType::Bool, Some(ScalarType::Bool)) => value,
            (ScalarType::Bool, Some(ScalarType::F32)) => {
                self.errors.push(expr, "Rust has no cast from `bool` to `f32`: write `select(c, 1.0, 0.0)`");
                return Operand::Broken;
            }
            (_, Some(ScalarType::Bool)) => {
                self.errors.push(expr, "Rust has no cast to `bool`: compare, as in `n != 0`");
                return Operand::Broken;
            }
            (ScalarType::I32, None) if last_name(&expr.ty).is_some_and(|name| name == "usize") => {
                self.errors.push(&expr.ty, "an index is an `i32` in a kernel: remove the cast");
                return Operand::Broken;
            }
            (_, None) => {
                self.errors.push(&expr.ty, "numbers in a kernel are `f32` and `i32`: cast to one of these");
                return Operand::Broken;
            }
        };
        Operand::Scalar(made, to.unwrap_or(from))
    }

    /// `if c { a } else { b }`, as `select(c, a, b)`.
    fn branch(&mut self, expr: &syn::ExprIf) -> Operand {
        if let syn::Expr::Let(_) = &*expr.cond {
            self.errors.push(&expr.cond, "there is nothing to match in a kernel: write a condition");
            return Operand::Broken;
        }
        let condition = self.condition(&expr.cond);
        let Some((_, otherwise)) = &expr.else_branch else {
            let leaves = |stmt: &syn::Stmt| {
                matches!(stmt, syn::Stmt::Expr(syn::Expr::Continue(_) | syn::Expr::Break(_), _))
            };
            let message = if expr.then_branch.stmts.iter().any(leaves) {
                "tiles are left out by the mask of their scores: write `s.mask(|at| …)`, and tiles that keep nothing are skipped \
                 where it bounds columns"
            } else {
                "an `if` chooses between two numbers, so it needs an `else`; to leave out scores, use `mask(|at| …)`"
            };
            self.errors.push(expr, message);
            return Operand::Broken;
        };
        let outer = std::mem::replace(&mut self.only_lets, true);
        let (a, b) = (self.block(&expr.then_branch), self.eval(otherwise));
        self.only_lets = outer;
        self.choose(expr, condition, a, b)
    }

    /// One of two numbers.
    pub fn choose(&mut self, expr: &syn::ExprIf, condition: Option<Expr>, a: Operand, b: Operand) -> Operand {
        match (a, b) {
            (Operand::Scalar(a, ty), Operand::Scalar(b, other)) if ty == other => match condition {
                Some(c) => Operand::Scalar(Expr::Select(Box::new(c), Box::new(a), Box::new(b)), ty),
                None => Operand::Broken,
            },
            (Operand::Broken, _) | (_, Operand::Broken) => Operand::Broken,
            (a @ Operand::Scalar(..), b @ Operand::Scalar(..)) => {
                let message = format!("the branches differ: {} and {}", self.describe(&a), self.describe(&b));
                self.errors.push(expr, message);
                Operand::Broken
            }
            (Operand::Scalar(..), other) | (other, _) => {
                let what = self.describe(&other);
                let message = format!("an `if` chooses between numbers, this gives {what}");
                self.errors.push(expr, message);
                Operand::Broken
            }
        }
    }

    /// An expression that must be a truth value.
    pub fn condition(&mut self, expr: &syn::Expr) -> Option<Expr> {
        match self.scalar(expr)? {
            (expr, ScalarType::Bool) => Some(expr),
            (_, other) => {
                self.errors.push(expr, format!("a condition is a `bool`, this is `{other}`"));
                None
            }
        }
    }

    /// What the loop runs over, in a message: "the column tile".
    pub fn loop_word(&self) -> &'static str {
        if self.looped == Axis::Rows { "row" } else { "column" }
    }

    /// The tile of the loop, as an argument.
    pub fn loop_tile(&mut self, expr: &syn::Expr) -> Option<()> {
        match self.eval(expr) {
            Operand::LoopTile => Some(()),
            Operand::Broken => None,
            other => {
                let what = self.describe(&other);
                let hint = match self.part {
                    Part::Loop => "pass the loop's variable",
                    _ if self.looped == Axis::Rows => "rows are read inside the loop, with its variable",
                    _ => "keys and values are read inside the loop, with its variable",
                };
                let message = format!("a {} tile is meant here, this is {what}: {hint}", self.loop_word());
                self.errors.push(expr, message);
                None
            }
        }
    }

    /// The variable behind `&mut name`.
    pub fn borrowed<'e>(&mut self, expr: &'e syn::Expr) -> Result<&'e syn::Ident, Option<&'e syn::Ident>> {
        match expr {
            syn::Expr::Reference(reference) if reference.mutability.is_some() => {
                plain_name(&reference.expr).ok_or(None)
            }
            syn::Expr::Reference(reference) => Err(plain_name(&reference.expr)),
            syn::Expr::Paren(inner) => self.borrowed(&inner.expr),
            syn::Expr::Group(inner) => self.borrowed(&inner.expr),
            _ => Err(plain_name(expr)),
        }
    }
}

/// Whether a name is written as constants are.
fn is_constant(name: &str) -> bool {
    name.chars().all(|c| c.is_uppercase() || c.is_numeric() || c == '_')
}

/// The name, if the expression is one.
pub(super) fn plain_name(expr: &syn::Expr) -> Option<&syn::Ident> {
    match expr {
        syn::Expr::Path(path) if path.qself.is_none() => path.path.get_ident(),
        syn::Expr::Paren(inner) => plain_name(&inner.expr),
        syn::Expr::Group(inner) => plain_name(&inner.expr),
        _ => None,
    }
}

/// A literal's value and type. `negated` says that a minus stands before it.
pub(super) fn literal(lit: &Lit, negated: bool) -> Result<(Expr, ScalarType), String> {
    match lit {
        Lit::Bool(b) if !negated => Ok((Expr::Bool(b.value), ScalarType::Bool)),
        Lit::Int(n) if matches!(n.suffix(), "" | "i32") => {
            let value: i128 = n.base10_parse().map_err(|error| error.to_string())?;
            let value = if negated { -value } else { value };
            match i32::try_from(value) {
                Ok(value) => Ok((Expr::Int(value), ScalarType::I32)),
                Err(_) => Err("this does not fit in an `i32`".into()),
            }
        }
        Lit::Int(n) if n.suffix() == "f32" => float(n.base10_digits(), negated),
        Lit::Float(x) if matches!(x.suffix(), "" | "f32") => float(x.base10_digits(), negated),
        Lit::Int(_) | Lit::Float(_) => {
            Err("numbers in a kernel are `f32` and `i32`: remove the suffix".into())
        }
        _ => Err("a kernel has numbers, `true` and `false` only".into()),
    }
}

fn float(digits: &str, negated: bool) -> Result<(Expr, ScalarType), String> {
    let value: f32 = digits.parse().map_err(|_| "this is not an `f32`".to_string())?;
    if value.is_infinite() {
        return Err("this does not fit in an `f32`: infinity is `f32::INFINITY`".into());
    }
    Ok((Expr::Float(if negated { -value } else { value }), ScalarType::F32))
}

/// What to say of an expression that a kernel has none of.
fn refusal(expr: &syn::Expr) -> &'static str {
    match expr {
        syn::Expr::While(_) | syn::Expr::Loop(_) => {
            "a kernel's one loop is `for cols in k.tiles()`, or `for cols in table.tiles()` for paged keys"
        }
        syn::Expr::ForLoop(_) => "the loop is a statement of the function itself",
        syn::Expr::Match(_) => {
            "a kernel has no `match`: choose numbers with `if … else` or `select(c, a, b)`"
        }
        syn::Expr::Return(_) => {
            "a kernel runs to its end: remove `return`; rows and keys out of range are \
                                 taken care of"
        }
        syn::Expr::Break(_) | syn::Expr::Continue(_) => {
            "the loop runs over all keys: leave keys out with `s.mask(|at| …)`, and tiles that keep nothing are \
             skipped"
        }
        syn::Expr::Closure(_) => "a closure is written in the call of `map` or `mask`",
        syn::Expr::Reference(_) => "nothing is borrowed here: remove the `&`",
        syn::Expr::Assign(_) => "an assignment has no value: write it as a statement",
        syn::Expr::Macro(_) => "a kernel calls no macros",
        syn::Expr::Unsafe(_) => "nothing in a kernel is unsafe: remove the block",
        syn::Expr::Async(_) | syn::Expr::Await(_) => "nothing in a kernel is asynchronous",
        syn::Expr::Try(_) => "nothing in a kernel can fail: remove the `?`",
        syn::Expr::Tuple(_) | syn::Expr::Array(_) | syn::Expr::Repeat(_) | syn::Expr::Struct(_) => {
            "a kernel has tiles and numbers only: name each value with its own `let`"
        }
        syn::Expr::Range(_) => "a kernel has no ranges: it loops over `k.tiles()` or `table.tiles()`",
        syn::Expr::Let(_) => "there is nothing to match in a kernel: write a condition",
        syn::Expr::Block(_) => "blocks have no labels here",
        _ => "a kernel has no such expression",
    }
}
