//! Calls: the methods of parameters, tiles, softmaxes and numbers, and the few functions.

use super::body::{Body, plain_name, tile_arguments};
use super::diagnostics::{did_you_mean, listed, source_text};
use super::scope::{COLS_DIM, Operand, PER_ROW, Part, ROWS_DIM, SCORES, spelled};
use crate::program::{
    BinaryOp, Expr, ParamId, ParamKind, ScalarType, StateId, Stmt, TileOp, TileType, UnaryOp,
};
use quote::ToTokens;
use syn::Token;
use syn::punctuated::Punctuated;

type Args = Punctuated<syn::Expr, Token![,]>;

const F32_METHODS: [&str; 7] = ["abs", "exp", "ln", "max", "min", "sqrt", "tanh"];
const I32_METHODS: [&str; 3] = ["abs", "max", "min"];

impl Body<'_> {
    pub fn method(&mut self, call: &syn::ExprMethodCall) -> Operand {
        let receiver = self.eval(&call.receiver);
        if let Operand::Param(id) = receiver {
            self.touched[id.0] = true;
        }
        if let Some(turbofish) = &call.turbofish {
            self.errors.push(turbofish, "the types are known: remove this");
        }
        let name = call.method.to_string();
        match receiver {
            Operand::Broken => {
                // The arguments may hold mistakes of their own.
                for arg in &call.args {
                    match (arg, name.as_str()) {
                        (syn::Expr::Closure(_), "mask") => drop(self.closure("mask", arg)),
                        (syn::Expr::Closure(_), "map") => drop(self.closure("map", arg)),
                        (syn::Expr::Closure(_), _) => {}
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
                "map" | "mask" if ty == SCORES => {
                    let (method, usage) = match name.as_str() {
                        "map" => ("map", "s.map(|x, at| …)"),
                        _ => ("mask", "s.mask(|at| …)"),
                    };
                    // After a mistake the scores are still scores, and what follows can be checked.
                    let Some([closure]) = self.args(&call.method, &call.args, usage) else {
                        return receiver;
                    };
                    let Some(expr) = self.closure(method, closure) else { return receiver };
                    let op = match method {
                        "map" => TileOp::Map { of: id, expr },
                        _ => TileOp::Mask { of: id, keep: expr },
                    };
                    self.define(op, SCORES)
                }
                "map" | "mask" => {
                    let message = format!(
                        "only scores, `Tile<Rows, Cols>`, have `{name}`; this is a `{}`",
                        spelled(ty)
                    );
                    self.errors.push(&call.receiver, message);
                    Operand::Broken
                }
                _ => {
                    let methods: &[&str] = if ty == SCORES { &["map", "mask", "t"] } else { &["t"] };
                    self.no_method(call, &format!("a `{}`", spelled(ty)), methods)
                }
            },
            Operand::Softmax(id) => self.softmax_method(call, id, &name),
            Operand::Accumulator(id) => {
                let message = format!(
                    "`{}` is an accumulator: add to it with `+=`, and take its value with `softmax.finish({0})`",
                    self.state_name(id)
                );
                self.errors.push(&call.method, message);
                Operand::Broken
            }
            Operand::Scalar(value, ty) => self.scalar_method(call, value, ty, &name),
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

    fn no_method(&mut self, call: &syn::ExprMethodCall, what: &str, methods: &[&str]) -> Operand {
        let name = call.method.to_string();
        let near = did_you_mean(&name, methods);
        let message = format!("`{name}` is not a method of {what}{near}: there is {}", listed(methods));
        self.errors.push(&call.method, message);
        Operand::Broken
    }

    fn param_method(&mut self, call: &syn::ExprMethodCall, id: ParamId, name: &str) -> Operand {
        let (var, method) = (self.param_name(id), &call.method);
        let Some(kind) = self.param_kind(id) else { return Operand::Broken };
        match (kind, name) {
            (ParamKind::Query, "tile") => match self.args(method, &call.args, &format!("{var}.tile()")) {
                Some([]) => self.define_query(id, ROWS_DIM),
                None => Operand::Broken,
            },
            (ParamKind::Keys | ParamKind::BlockTable, "tiles") => {
                match self.args(method, &call.args, &format!("{var}.tiles()")) {
                    Some([]) => Operand::Tiles(id),
                    None => Operand::Broken,
                }
            }
            (ParamKind::Keys | ParamKind::Values, "load") => {
                let Some([cols]) = self.args(method, &call.args, &format!("{var}.load(cols)")) else {
                    return Operand::Broken;
                };
                if self.col_tile(cols).is_none() || !self.follows(call, ParamKind::Keys) {
                    return Operand::Broken;
                }
                self.define(TileOp::Load { source: id }, COLS_DIM)
            }
            (ParamKind::PagedKeys | ParamKind::PagedValues, "gather") => self.gather(call, id),
            (ParamKind::Output | ParamKind::RowOutput, "store") => self.store(call, id, kind),
            (ParamKind::Keys | ParamKind::Values, "gather") => {
                let message = format!("`{var}` is contiguous: write `{var}.load(cols)`");
                self.errors.push(method, message);
                Operand::Broken
            }
            (ParamKind::PagedKeys | ParamKind::PagedValues, "load") => {
                let table = self.example_param(ParamKind::BlockTable, "table");
                let message = format!("`{var}` is paged: write `{var}.gather({table}, cols)`");
                self.errors.push(method, message);
                Operand::Broken
            }
            (ParamKind::PagedKeys | ParamKind::PagedValues, "tiles") => {
                let table = self.example_param(ParamKind::BlockTable, "table");
                let message = format!(
                    "the blocks of `{var}` belong to all sequences: the tiles of this one are `{table}.tiles()`"
                );
                self.errors.push(method, message);
                Operand::Broken
            }
            (ParamKind::Values, "tiles") => {
                let keys = self.example_param(ParamKind::Keys, "k");
                self.errors.push(method, format!("the loop runs over the keys: write `{keys}.tiles()`"));
                Operand::Broken
            }
            _ => {
                let methods: &[&str] = match kind {
                    ParamKind::Query => &["tile"],
                    ParamKind::Keys => &["load", "tiles"],
                    ParamKind::Values => &["load"],
                    ParamKind::PagedKeys | ParamKind::PagedValues => &["gather"],
                    ParamKind::BlockTable => &["tiles"],
                    ParamKind::Output | ParamKind::RowOutput => &["store"],
                    ParamKind::Scalar(_) | ParamKind::PerHead(_) => &[],
                };
                let what = self.describe(&Operand::Param(id));
                if methods.is_empty() {
                    self.errors.push(method, format!("{what} have no methods: write `{var}[at.head]`"));
                    return Operand::Broken;
                }
                self.no_method(call, &what, methods)
            }
        }
    }

    /// Does the loop run over what this reads by? Contiguous keys go with contiguous keys only.
    fn follows(&mut self, call: &syn::ExprMethodCall, kind: ParamKind) -> bool {
        let Some(over) = self.over else { return true };
        if self.param_kind(over) == Some(kind) {
            return true;
        }
        let over = self.param_name(over);
        let message = match kind {
            ParamKind::Keys => {
                format!(
                    "this loop runs over the blocks of `{over}`: contiguous keys and values go with `k.tiles()`"
                )
            }
            _ => format!("this loop runs over `{over}`: paged keys and values go with `table.tiles()`"),
        };
        self.errors.push(&call.method, message);
        false
    }

    fn gather(&mut self, call: &syn::ExprMethodCall, id: ParamId) -> Operand {
        let var = self.param_name(id);
        let table = self.example_param(ParamKind::BlockTable, "table");
        let usage = format!("{var}.gather({table}, cols)");
        if let [only] = call.args.iter().collect::<Vec<_>>()[..]
            && matches!(self.eval(only), Operand::ColTile)
        {
            let message = format!("the table is missing: write `{usage}`");
            self.errors.push(&call.method, message);
            return Operand::Broken;
        }
        let Some([table_arg, cols]) = self.args(&call.method, &call.args, &usage) else {
            return Operand::Broken;
        };
        let through = match self.eval(table_arg) {
            Operand::Param(table) if self.param_kind(table) == Some(ParamKind::BlockTable) => Some(table),
            Operand::Broken => None,
            other => {
                let what = self.describe(&other);
                let message = format!("the block table is meant here, this is {what}: write `{usage}`");
                self.errors.push(table_arg, message);
                None
            }
        };
        let cols = self.col_tile(cols);
        let (Some(through), Some(())) = (through, cols) else { return Operand::Broken };
        if !self.follows(call, ParamKind::BlockTable) {
            return Operand::Broken;
        }
        match self.over {
            Some(over) if over != through => {
                let over = self.param_name(over);
                let message = format!("this loop runs over `{over}`: gather through it");
                self.errors.push(table_arg, message);
                Operand::Broken
            }
            _ => self.define(TileOp::Gather { source: id, table: through }, COLS_DIM),
        }
    }

    fn store(&mut self, call: &syn::ExprMethodCall, id: ParamId, kind: ParamKind) -> Operand {
        let var = self.param_name(id);
        let (usage, want) = match kind {
            ParamKind::Output => (format!("{var}.store(softmax.finish(acc))"), ROWS_DIM),
            _ => (format!("{var}.store(softmax.lse())"), PER_ROW),
        };
        let Some([arg]) = self.args(&call.method, &call.args, &usage) else { return Operand::Broken };
        if self.part != Part::Epilogue {
            let when = if self.part == Part::Loop { "once, after the loop" } else { "after the loop" };
            self.errors.push(call, format!("results are stored {when}"));
            return Operand::Broken;
        }
        let value = match (self.eval(arg), kind) {
            (Operand::Broken, _) => return Operand::Broken,
            (Operand::Tile(value, ty), ParamKind::Output) if ty == want => value,
            (Operand::PerRow(value), ParamKind::RowOutput) => value,
            (other, _) => {
                let what = self.describe(&other);
                let takes = match kind {
                    ParamKind::Output => format!("a `{}`", spelled(want)),
                    _ => "one number per row".to_string(),
                };
                self.errors.push(arg, format!("`{var}` takes {takes}, this is {what}: write `{usage};`"));
                return Operand::Broken;
            }
        };
        if std::mem::replace(&mut self.stored[id.0], true) {
            self.errors.push(call, format!("`{var}` is stored already: each output is stored once"));
            return Operand::Broken;
        }
        self.emit(Stmt::Store { param: id, value });
        Operand::Unit
    }

    fn softmax_method(&mut self, call: &syn::ExprMethodCall, id: StateId, name: &str) -> Operand {
        let (var, method) = (self.state_name(id), &call.method);
        match name {
            "step" => self.step(call, id),
            "finish" => {
                let usage = format!("{var}.finish(acc)");
                let Some([arg]) = self.args(method, &call.args, &usage) else { return Operand::Broken };
                let acc = match self.eval(arg) {
                    Operand::Accumulator(acc) => acc,
                    Operand::Broken => return Operand::Broken,
                    other => {
                        let what = self.describe(&other);
                        self.errors.push(arg, format!("`finish` takes the accumulator, this is {what}"));
                        return Operand::Broken;
                    }
                };
                if !self.after_the_loop(call) || !self.unify_accumulator(arg, acc, ROWS_DIM) {
                    return Operand::Broken;
                }
                self.define(TileOp::Finish { softmax: id, acc }, ROWS_DIM)
            }
            "lse" => {
                let Some([]) = self.args(method, &call.args, &format!("{var}.lse()")) else {
                    return Operand::Broken;
                };
                if !self.after_the_loop(call) {
                    return Operand::Broken;
                }
                match self.define(TileOp::Lse { softmax: id }, PER_ROW) {
                    Operand::Tile(value, _) => Operand::PerRow(value),
                    other => other,
                }
            }
            _ => self.no_method(call, "an online softmax", &["step", "finish", "lse"]),
        }
    }

    fn after_the_loop(&mut self, call: &syn::ExprMethodCall) -> bool {
        if self.part == Part::Epilogue {
            return true;
        }
        let message =
            format!("`{}` is known when all keys have been seen: move this after the loop", call.method);
        self.errors.push(&call.method, message);
        false
    }

    fn step(&mut self, call: &syn::ExprMethodCall, softmax: StateId) -> Operand {
        let var = self.state_name(softmax);
        let usage = format!("{var}.step(s, &mut acc)");
        let Some([scores, acc_arg]) = self.args(&call.method, &call.args, &usage) else {
            return Operand::Broken;
        };
        if let Some(name) = plain_name(&call.receiver)
            && let Some(binding) = self.scopes.get(&name.to_string()).cloned()
        {
            self.needs_mut(name, &binding);
        }
        let scores = match self.eval(scores) {
            Operand::Tile(id, SCORES) => Some(id),
            Operand::Broken => None,
            other => {
                let what = self.describe(&other);
                let message = format!("`step` takes scores, a `Tile<Rows, Cols>`; this is {what}");
                self.errors.push(scores, message);
                None
            }
        };
        let acc = self.step_accumulator(acc_arg, &usage);
        let (Some(scores), Some(acc)) = (scores, acc) else { return Operand::Broken };
        if !self.unify_accumulator(acc_arg, acc, ROWS_DIM) {
            return Operand::Broken;
        }
        self.define(TileOp::SoftmaxStep { softmax, scores, acc }, SCORES)
    }

    /// The second argument of `step`.
    fn step_accumulator(&mut self, arg: &syn::Expr, usage: &str) -> Option<StateId> {
        let (name, is_borrowed) = match self.borrowed(arg) {
            Ok(name) => (name, true),
            Err(Some(name)) => (name, false),
            Err(None) => {
                self.errors.push(arg, format!("the accumulator is meant here: write `{usage}`"));
                return None;
            }
        };
        let Some(binding) = self.scopes.get(&name.to_string()).cloned() else {
            self.unknown_name(name);
            return None;
        };
        if let Operand::Accumulator(id) = &binding.operand {
            self.touch(*id);
        }
        match &binding.operand {
            Operand::Accumulator(_) if !is_borrowed => {
                self.errors.push(arg, format!("`step` rescales `{name}`: write `&mut {name}`"));
                None
            }
            Operand::Accumulator(id) => {
                self.needs_mut(name, &binding);
                Some(*id)
            }
            Operand::Broken => None,
            other => {
                let what = self.describe(other);
                let message = format!(
                    "`step` rescales an accumulator, `{name}` is {what}: begin one with `let mut acc = \
                     Tile::zeros();` before the loop"
                );
                self.errors.push(arg, message);
                None
            }
        }
    }

    fn scalar_method(
        &mut self,
        call: &syn::ExprMethodCall,
        value: Expr,
        ty: ScalarType,
        name: &str,
    ) -> Operand {
        let methods: &[&str] = match ty {
            ScalarType::F32 => &F32_METHODS,
            ScalarType::I32 => &I32_METHODS,
            ScalarType::Bool => {
                self.errors.push(&call.method, "a `bool` has no methods here: write `&&`, `||` and `!`");
                return Operand::Broken;
            }
        };
        if !methods.contains(&name) {
            let near = did_you_mean(name, methods);
            let convert = match ty {
                ScalarType::I32 if F32_METHODS.contains(&name) => " (convert it first, with `as f32`)",
                _ => near.as_str(),
            };
            let message = format!("no `{name}` of `{ty}` in a kernel{convert}: there is {}", listed(methods));
            self.errors.push(&call.method, message);
            return Operand::Broken;
        }
        let unary = match name {
            "abs" => UnaryOp::Abs,
            "exp" => UnaryOp::Exp,
            "ln" => UnaryOp::Ln,
            "sqrt" => UnaryOp::Sqrt,
            "tanh" => UnaryOp::Tanh,
            _ => {
                let Some([arg]) = self.args(&call.method, &call.args, &format!("x.{name}(y)")) else {
                    return Operand::Broken;
                };
                let Some((other, other_type)) = self.scalar(arg) else { return Operand::Broken };
                if other_type != ty {
                    self.errors.push(arg, format!("`{name}` of `{ty}` takes `{ty}`, this is `{other_type}`"));
                    return Operand::Broken;
                }
                let op = if name == "min" { BinaryOp::Min } else { BinaryOp::Max };
                return Operand::Scalar(Expr::Binary(op, Box::new(value), Box::new(other)), ty);
            }
        };
        match self.args(&call.method, &call.args, &format!("x.{name}()")) {
            Some([]) => Operand::Scalar(Expr::Unary(unary, Box::new(value)), ty),
            None => Operand::Broken,
        }
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
                Some([]) => Operand::NewSoftmax,
                None => Operand::Broken,
            },
            (Some("Tile"), "zeros") => match self.args(path, &call.args, "Tile::zeros()") {
                Some([]) => {
                    let tile = path.path.segments.iter().find(|segment| segment.ident == "Tile");
                    Operand::Zeros(tile.and_then(|tile| tile_arguments(&tile.arguments)))
                }
                None => Operand::Broken,
            },
            (_, "dot") => self.dot(call, path),
            (_, "select") => self.select(call, path),
            (Some(owner @ ("f32" | "i32")), method) => {
                let known = F32_METHODS.contains(&method);
                let message = if known {
                    format!("write it as a method: `x.{method}(…)`")
                } else {
                    format!("a kernel has no `{owner}::{method}`")
                };
                self.errors.push(path, message);
                Operand::Broken
            }
            _ => {
                let functions = ["dot", "select", "OnlineSoftmax::new", "Tile::zeros"];
                let written = segments.join("::");
                let near = did_you_mean(&written, &functions);
                let message = format!(
                    "a kernel cannot call `{written}`{near}: the compiler sees this function only. Write what it \
                     computes here; there is {}",
                    listed(&functions)
                );
                self.errors.push(path, message);
                Operand::Broken
            }
        }
    }

    fn dot(&mut self, call: &syn::ExprCall, path: &syn::ExprPath) -> Operand {
        let Some([a_arg, b_arg]) = self.args(path, &call.args, "dot(a, b)") else { return Operand::Broken };
        let (a, b) = (self.eval(a_arg), self.eval(b_arg));
        let (a, b) = (self.factor(a_arg, a), self.factor(b_arg, b));
        let (Some((a, a_type)), Some((b, b_type))) = (a, b) else { return Operand::Broken };
        if a_type.cols == b_type.rows {
            let ty = TileType { rows: a_type.rows, cols: b_type.cols };
            return self.define(TileOp::Dot { a, b }, ty);
        }
        let (a_text, b_text) = (source_text(a_arg), source_text(b_arg));
        let found = format!("`{a_text}` is a `{}` and `{b_text}` a `{}`", spelled(a_type), spelled(b_type));
        let (message, meant) = if a_type.cols == b_type.cols {
            let meant = TileType { rows: a_type.rows, cols: b_type.rows };
            (format!("{found}, whose inner axes differ: write `{b_text}.t()`"), Some(meant))
        } else if a_type.rows == b_type.rows {
            let meant = TileType { rows: a_type.cols, cols: b_type.cols };
            (format!("{found}, whose inner axes differ: write `{a_text}.t()`"), Some(meant))
        } else {
            (format!("{found}: the second axis of the one is not the first of the other"), None)
        };
        self.errors.push(b_arg, message);
        // What follows is checked against what was meant.
        meant.map_or(Operand::Broken, |meant| Operand::Tile(a, meant))
    }

    fn factor(&mut self, arg: &syn::Expr, operand: Operand) -> Option<(crate::program::ValueId, TileType)> {
        match operand {
            Operand::Tile(id, ty) => Some((id, ty)),
            Operand::Broken => None,
            other => {
                let what = self.describe(&other);
                let hint = match &other {
                    Operand::Param(id) => {
                        let var = source_text(arg);
                        match self.param_kind(*id) {
                            Some(ParamKind::Query) => format!(": write `{var}.tile()`"),
                            Some(ParamKind::Keys | ParamKind::Values) => {
                                format!(": write `{var}.load(cols)`")
                            }
                            Some(ParamKind::PagedKeys | ParamKind::PagedValues) => {
                                let table = self.example_param(ParamKind::BlockTable, "table");
                                format!(": write `{var}.gather({table}, cols)`")
                            }
                            _ => String::new(),
                        }
                    }
                    _ => String::new(),
                };
                self.errors.push(arg, format!("`dot` multiplies tiles, this is {what}{hint}"));
                None
            }
        }
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
    fn args<'e, const N: usize>(
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
