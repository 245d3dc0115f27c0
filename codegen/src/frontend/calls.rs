//! Calls: the methods of tiles and numbers, and the few functions. Methods of parameters and of softmaxes
//! are in `methods`.

use super::body::{Body, axis_name};
use super::diagnostics::{did_you_mean, listed, source_text};
use super::expr::plain_name;
use super::scalars;
use super::scope::Operand;
use crate::program::{
    Axis, BinaryOp, Expr, Generic, LogBase, Method, ParamId, ParamKind, Resumed, ScalarType, TileOp,
    TileType, ValueId, random,
};
use quote::ToTokens;
use syn::Token;
use syn::punctuated::Punctuated;

type Args = Punctuated<syn::Expr, Token![,]>;

impl Body<'_> {
    pub fn method(&mut self, call: &syn::ExprMethodCall) -> Operand {
        let receiver = self.eval(&call.receiver);
        let receiver = self.total(&call.receiver, receiver);
        if let Operand::Param(id) = receiver {
            self.touched[id.0] = true;
        }
        let name = call.method.to_string();
        let is_slice = name == "slice" && matches!(receiver, Operand::Tile(..) | Operand::Broken);
        if let Some(turbofish) = call.turbofish.as_ref().filter(|_| !is_slice) {
            self.errors.push(turbofish, "the types are known: remove this");
        }
        match receiver {
            Operand::Broken => {
                // The arguments may hold mistakes of their own.
                for arg in &call.args {
                    let is_named = plain_name(arg).is_some_and(|name| !self.scopes.has(&name.to_string()));
                    match (arg, name.as_str()) {
                        (syn::Expr::Closure(_), "mask") => drop(self.closure("mask", None, arg)),
                        (syn::Expr::Closure(_), "map") => drop(self.closure("map", None, arg)),
                        (syn::Expr::Closure(_), "zip") => drop(self.closure("zip", None, arg)),
                        (syn::Expr::Closure(_), _) => {}
                        (_, "mask") if is_named => drop(self.closure("mask", None, arg)),
                        (_, "map") if is_named => drop(self.closure("map", None, arg)),
                        (syn::Expr::Reference(borrow), _) => drop(self.eval(&borrow.expr)),
                        _ => drop(self.eval(arg)),
                    }
                }
                Operand::Broken
            }
            Operand::Param(id) => self.param_method(call, id, &name),
            Operand::Tile(id, ty) => match name.as_str() {
                "t" => match self.args::<0>(&call.method, &call.args, "x.t()") {
                    Some([]) => {
                        let ty = TileType { rows: ty.cols, cols: ty.rows };
                        self.define(TileOp::Transpose { of: id }, ty)
                    }
                    None => Operand::Broken,
                },
                "slice" => self.slice(call, id, ty),
                "sum" => match self.args::<0>(&call.method, &call.args, "x.sum()") {
                    Some([]) if ty.cols == self.owned() => {
                        let of = axis_name(ty.cols);
                        let message = format!(
                            "an instance has a tile of the {of} only, and how many is the schedule's choice: a sum over them \
                             means nothing"
                        );
                        self.errors.push(&call.method, message);
                        Operand::Broken
                    }
                    Some([]) => self.define(TileOp::Sum { of: id }, TileType::of_each(ty.rows)),
                    None => Operand::Broken,
                },
                "zip" => self.zip(call, id, ty),
                "map" | "mask" => {
                    let (method, usage) = match name.as_str() {
                        "map" => ("map", "s.map(|x, at| …)"),
                        _ => ("mask", "s.mask(|at| …)"),
                    };
                    // After a mistake the scores are still scores, and what follows can be checked.
                    let Some([closure]) = self.args(&call.method, &call.args, usage) else {
                        return receiver;
                    };
                    let Some(expr) = self.closure(method, Some(ty), closure) else { return receiver };
                    let op = match method {
                        "map" => TileOp::Map { of: id, expr },
                        _ => TileOp::Mask { of: id, keep: expr },
                    };
                    self.define(op, ty)
                }
                _ => {
                    let methods: &[&str] = match ty.cols {
                        Axis::Dim(_) => &["map", "mask", "slice", "sum", "t", "zip"],
                        _ => &["map", "mask", "sum", "t", "zip"],
                    };
                    self.no_method(call, &format!("a `{}`", self.dims.spelled(ty)), methods)
                }
            },
            Operand::Softmax(id) => self.softmax_method(call, id, &name),
            Operand::Accumulator(id) => {
                let message = format!(
                    "`{}` is an accumulator: add to it with `+=`, and take its value after the loop, with `softmax.finish({0})`",
                    self.state_name(id)
                );
                self.errors.push(&call.method, message);
                Operand::Broken
            }
            Operand::Scalar(value, ty) => self.scalar_method(call, value, ty, &name),
            Operand::At if name == "random" => self.random(call),
            Operand::At => self.no_method(call, "`at`", &["random"]),
            Operand::Tiles(_) => {
                let message =
                    "the loop takes the column tiles as they are: in which order is the schedule's choice";
                self.errors.push(&call.method, message);
                Operand::Broken
            }
            other => {
                let what = self.describe(&other);
                self.errors.push(&call.method, format!("{what} has no methods"));
                Operand::Broken
            }
        }
    }

    /// `at.random(seed)`
    fn random(&mut self, call: &syn::ExprMethodCall) -> Operand {
        let Some([arg]) = self.args(&call.method, &call.args, "at.random(seed)") else {
            return Operand::Broken;
        };
        let seed = match self.scalar(arg) {
            Some((seed, ScalarType::I32)) => seed,
            Some((_, other)) => {
                self.errors.push(arg, format!("a seed is an `i32`, this is `{other}`"));
                return Operand::Broken;
            }
            None => return Operand::Broken,
        };
        for place in [Expr::Row, Expr::Col, Expr::Head] {
            if matches!(self.place_of_element(call, place), Operand::Broken) {
                return Operand::Broken;
            }
        }
        let times = |a, b| Expr::Binary(BinaryOp::Mul, Box::new(a), Box::new(b));
        let of_sequence = times(Expr::Seq, Expr::Int(random::OF_SEQUENCE));
        let seed = Expr::Binary(BinaryOp::Add, Box::new(seed), Box::new(of_sequence));
        let names = [Expr::Row, Expr::Col, Expr::Head, seed];
        Operand::Scalar(Expr::Random(Box::new(names)), ScalarType::F32)
    }

    /// `a.zip(b, |x, y, at| …)`
    fn zip(&mut self, call: &syn::ExprMethodCall, a: ValueId, ty: TileType) -> Operand {
        let Some([other, closure]) = self.args(&call.method, &call.args, "a.zip(b, |x, y, at| …)") else {
            return Operand::Broken;
        };
        let operand = self.eval(other);
        let b = match self.total(other, operand) {
            Operand::Tile(b, other) if other == ty => Some(b),
            Operand::Broken => None,
            operand => {
                let (what, takes) = (self.describe(&operand), self.dims.spelled(ty));
                self.errors.push(other, format!("`zip` pairs this with another `{takes}`; that is {what}"));
                None
            }
        };
        let expr = self.closure("zip", Some(ty), closure);
        match (b, expr) {
            (Some(b), Some(expr)) => self.define(TileOp::Zip { a, b, expr }, ty),
            // After a mistake it is still such a tile.
            _ => Operand::Tile(a, ty),
        }
    }

    /// `k.slice::<E>()`
    fn slice(&mut self, call: &syn::ExprMethodCall, of: ValueId, ty: TileType) -> Operand {
        let Axis::Dim(from) = ty.cols else {
            let message = format!(
                "a slice is of rows of a tensor, tiles whose second axis is a `Dim`; this is a `{}`",
                self.dims.spelled(ty)
            );
            self.errors.push(&call.receiver, message);
            return Operand::Broken;
        };
        let var = source_text(&call.receiver);
        let usage = format!("{var}.slice::<E>()");
        let arguments = call.turbofish.iter().flat_map(|turbofish| &turbofish.args).collect::<Vec<_>>();
        let [arg] = arguments[..] else {
            let message = format!("say how many numbers of each row: write `{usage}`");
            self.errors.push(&call.method, message);
            return Operand::Broken;
        };
        let Some([]) = self.args(&call.method, &call.args, &usage) else { return Operand::Broken };
        let Some(dim) = self.dims.read(arg, self.errors) else { return Operand::Broken };
        let ty = TileType { rows: ty.rows, cols: Axis::Dim(dim) };
        if let (Generic::Fixed(there_are), Generic::Fixed(asked)) =
            (&self.dims.used[from.0], &self.dims.used[dim.0])
            && asked > there_are
        {
            let message = format!("`{var}` has {there_are} numbers in a row, fewer than these {asked}");
            self.errors.push(arg, message);
            return Operand::Tile(of, ty);
        }
        // All of a row is the row.
        if dim == from { Operand::Tile(of, ty) } else { self.define(TileOp::Slice { of, dim }, ty) }
    }

    pub fn no_method(&mut self, call: &syn::ExprMethodCall, what: &str, methods: &[&str]) -> Operand {
        let name = call.method.to_string();
        let near = did_you_mean(&name, methods);
        let message = format!("`{name}` is not a method of {what}{near}: there is {}", listed(methods));
        self.errors.push(&call.method, message);
        Operand::Broken
    }

    pub fn call(&mut self, call: &syn::ExprCall) -> Operand {
        let syn::Expr::Path(path) = &*call.func else {
            self.errors.push(&call.func, "only functions and methods of the language can be called");
            return Operand::Broken;
        };
        let segments: Vec<String> =
            path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let Some((name, owner)) = segments.split_last() else { return Operand::Broken };
        match (owner.last().map(String::as_str), name.as_str()) {
            (Some("OnlineSoftmax"), "new") => match self.args(path, &call.args, "OnlineSoftmax::new()") {
                Some([]) if self.owned() != Axis::Rows => {
                    let message = "an online softmax goes along rows that an instance owns, and here one owns columns: take \
                                   what the forward pass stored, `lse: RowInput`, and `(s - lse.load(rows)).map(|x, _| x.exp())`";
                    self.errors.push(call, message);
                    Operand::Broken
                }
                Some([]) => Operand::NewSoftmax(None),
                None => Operand::Broken,
            },
            (Some("OnlineSoftmax"), "default") => {
                self.errors.push(path, "an online softmax begins with `OnlineSoftmax::new()`");
                Operand::Broken
            }
            (Some("OnlineSoftmax"), "resume" | "resume_base2") => {
                let base = if name == "resume" { LogBase::E } else { LogBase::Two };
                match self.resumed(call, path, ParamKind::RowInput, "OnlineSoftmax::resume(lse)") {
                    Some(param) => Operand::NewSoftmax(Some(Resumed { param, base })),
                    None => Operand::Broken,
                }
            }
            (Some("Tile"), "resume") => {
                let param = self.resumed(call, path, ParamKind::Input, "Tile::resume(o)");
                match param.and_then(|param| Some((param, self.tile_of(param)?))) {
                    Some((param, ty)) => Operand::ResumedTile(Resumed { param, base: LogBase::E }, ty),
                    None => Operand::Broken,
                }
            }
            (Some("Tile" | "RowVector" | "ColVector"), "zeros") => {
                match self.args(path, &call.args, "Tile::zeros()") {
                    Some([]) => {
                        let tile = path.path.segments.iter().rev().nth(1);
                        Operand::Zeros(tile.and_then(|tile| self.dims.named_tile(tile, self.errors)))
                    }
                    None => Operand::Broken,
                }
            }
            (_, "dot") => self.dot(call, path),
            (_, "select") => self.select(call, path),
            (Some(owner @ ("f32" | "i32")), method) => {
                let ty = if owner == "f32" { ScalarType::F32 } else { ScalarType::I32 };
                let message = if scalars::has(ty, method) {
                    format!("write it as a method: `x.{method}(…)`")
                } else {
                    format!("a kernel has no `{owner}::{method}`")
                };
                self.errors.push(path, message);
                Operand::Broken
            }
            _ => self.marked_call(call, path),
        }
    }

    /// What a state begins as: a parameter of this kind.
    fn resumed(
        &mut self,
        call: &syn::ExprCall,
        path: &syn::ExprPath,
        kind: ParamKind,
        usage: &str,
    ) -> Option<ParamId> {
        let [arg] = self.args(path, &call.args, usage)?;
        let operand = self.eval(arg);
        if let Operand::Param(param) = operand {
            self.touched[param.0] = true;
        }
        match operand {
            Operand::Broken => None,
            Operand::Param(param) if self.param_kind(param) == Some(kind) && self.owned() == Axis::Rows => {
                Some(param)
            }
            other => {
                let (what, ty) = (self.describe(&other), kind.ty().usage());
                let message = format!(
                    "rows that an instance owns begin where a kernel over other keys ended, `{usage}` of a parameter that is a \
                     `{ty}`; this is {what}"
                );
                self.errors.push(arg, message);
                None
            }
        }
    }

    fn dot(&mut self, call: &syn::ExprCall, path: &syn::ExprPath) -> Operand {
        let Some([a_arg, b_arg]) = self.args(path, &call.args, "dot(a, b)") else { return Operand::Broken };
        let (a, b) = (self.eval(a_arg), self.eval(b_arg));
        let (a, b) = (self.total(a_arg, a), self.total(b_arg, b));
        let (a, b) = (self.factor(a_arg, a), self.factor(b_arg, b));
        let (Some((a, a_type)), Some((b, b_type))) = (a, b) else { return Operand::Broken };
        if a_type.cols == b_type.rows && self.is_whole(call, a_type, b_type) {
            let ty = TileType { rows: a_type.rows, cols: b_type.cols };
            return self.define(TileOp::Dot { a, b }, ty);
        }
        if a_type.cols == b_type.rows {
            return Operand::Broken;
        }
        let (a_text, b_text) = (source_text(a_arg), source_text(b_arg));
        let (a_spelled, b_spelled) = (self.dims.spelled(a_type), self.dims.spelled(b_type));
        let found = format!("`{a_text}` is a `{a_spelled}` and `{b_text}` a `{b_spelled}`");
        let (message, meant) = if let (Axis::Dim(a_dim), Axis::Dim(b_dim)) = (a_type.cols, b_type.rows) {
            let (a_dim, b_dim) = (self.dims.text(a_dim), self.dims.text(b_dim));
            let meant = TileType { rows: a_type.rows, cols: b_type.cols };
            let message = format!(
                "{found}, whose head dimensions differ, `{a_dim}` and `{b_dim}`: give both tensors one, or cut the longer \
                 rows with `slice`"
            );
            (message, Some(meant))
        } else if a_type.cols == b_type.cols {
            let meant = TileType { rows: a_type.rows, cols: b_type.rows };
            (format!("{found}, whose inner axes differ: write `{}`", turned(&b_text)), Some(meant))
        } else if a_type.rows == b_type.rows {
            let meant = TileType { rows: a_type.cols, cols: b_type.cols };
            (format!("{found}, whose inner axes differ: write `{}`", turned(&a_text)), Some(meant))
        } else {
            (format!("{found}: the second axis of the one is not the first of the other"), None)
        };
        self.errors.push(b_arg, message);
        // What follows is checked against what was meant.
        meant.map_or(Operand::Broken, |meant| Operand::Tile(a, meant))
    }

    /// Whether a product is the same however the axis is cut that instances own; an error if not.
    fn is_whole(&mut self, call: &syn::ExprCall, a: TileType, b: TileType) -> bool {
        let (owned, of) = (self.owned(), axis_name(self.owned()));
        let how = match () {
            () if a.cols == owned => "sums over",
            () if (a.rows, b.cols) == (owned, owned) => "multiplies",
            () => return true,
        };
        let message = format!(
            "this product {how} {of}, of which an instance has a tile only, and how many is the schedule's choice: it means \
             nothing"
        );
        self.errors.push(call, message);
        false
    }

    fn factor(&mut self, arg: &syn::Expr, operand: Operand) -> Option<(crate::program::ValueId, TileType)> {
        match operand {
            Operand::Tile(id, ty) => Some((id, ty)),
            Operand::Broken => None,
            other => {
                let what = self.describe(&other);
                let hint = match &other {
                    Operand::Param(id) => self.tile_hint(arg, *id),
                    _ => String::new(),
                };
                self.errors.push(arg, format!("`dot` multiplies tiles, this is {what}{hint}"));
                None
            }
        }
    }

    /// How a parameter becomes a tile, after what is wrong; nothing of one that has none.
    pub fn tile_hint(&self, arg: &syn::Expr, id: ParamId) -> String {
        let var = source_text(arg);
        let ty = self.param_kind(id).map(ParamKind::ty);
        let has = |method| ty.is_some_and(|ty| ty.has(method));
        if has(Method::Tile) && ty.and_then(|ty| ty.along) == Some(self.owned()) {
            return format!(": write `{var}.tile()`");
        }
        if has(Method::Load) {
            let each = if self.looped == Axis::Rows { "rows" } else { "cols" };
            return format!(": write `{var}.load({each})`");
        }
        if has(Method::Gather) {
            let table = self.example_param(ParamKind::BlockTable, "table");
            return format!(": write `{var}.gather({table}, cols)`");
        }
        String::new()
    }

    fn select(&mut self, call: &syn::ExprCall, path: &syn::ExprPath) -> Operand {
        let Some([c, a, b]) = self.args(path, &call.args, "select(condition, a, b)") else {
            return Operand::Broken;
        };
        let condition = self.condition(c);
        let (a, b_value) = (self.scalar(a), self.scalar(b));
        match (condition, a, b_value) {
            (Some(c), Some((a, ty)), Some((b, other))) if ty == other => {
                Operand::Scalar(Expr::Select(Box::new(c), Box::new(a), Box::new(b)), ty)
            }
            (_, Some((_, ty)), Some((_, other))) if ty != other => {
                let message =
                    format!("`select` chooses between two of a type, these are `{ty}` and `{other}`");
                self.errors.push(b, message);
                Operand::Broken
            }
            _ => Operand::Broken,
        }
    }

    /// Exactly this many arguments, or an error that says how it is written.
    pub fn args<'e, const N: usize>(
        &mut self,
        at: &dyn ToTokens,
        args: &'e Args,
        usage: &str,
    ) -> Option<[&'e syn::Expr; N]> {
        let all: Vec<&syn::Expr> = args.iter().collect();
        let given = all.len();
        match all.try_into() {
            Ok(args) => Some(args),
            Err(_) => {
                let plural = if N == 1 { "" } else { "s" };
                let message = format!("this takes {N} argument{plural}, not {given}: write `{usage}`");
                self.errors.push(quote::quote!(#at), message);
                None
            }
        }
    }
}

/// The text of a transpose, without one that is there already.
pub(super) fn turned(text: &str) -> String {
    text.strip_suffix(".t()").map_or_else(|| format!("{text}.t()"), str::to_owned)
}
