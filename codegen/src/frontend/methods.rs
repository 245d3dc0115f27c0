//! The methods of parameters (`load`, `gather`, `store` and the others) and of online softmaxes.

use super::body::{Body, axis_name};
use super::expr::plain_name;
use super::scope::{Operand, Part, SCORES};
use crate::program::{
    Axis, Expr, LogBase, Method, ParamId, ParamKind, ScalarType, StateId, Stmt, Storage, TileOp, TileType,
};

impl Body<'_> {
    pub fn param_method(&mut self, call: &syn::ExprMethodCall, id: ParamId, name: &str) -> Operand {
        let (var, method) = (self.param_name(id), &call.method);
        let Some(kind) = self.param_kind(id) else { return Operand::Broken };
        let ty = kind.ty();
        let method_named = Method::ALL.into_iter().find(|method| method.name() == name);
        match method_named.filter(|method| ty.has(*method)) {
            Some(Method::Tile) => {
                let Some([]) = self.args(method, &call.args, &format!("{var}.tile()")) else {
                    return Operand::Broken;
                };
                match self.tile_of(id) {
                    Some(ty) if self.is_along(call, id, self.owned()) => self.define_owned(id, ty),
                    _ => Operand::Broken,
                }
            }
            Some(Method::Tiles) => match self.args(method, &call.args, &format!("{var}.tiles()")) {
                Some([]) => Operand::Tiles(id),
                None => Operand::Broken,
            },
            Some(Method::Load) => {
                let usage = match ty.along {
                    Some(Axis::Rows) => format!("{var}.load(rows)"),
                    _ => format!("{var}.load(cols)"),
                };
                let Some([tile]) = self.args(method, &call.args, &usage) else { return Operand::Broken };
                if !self.is_along(call, id, self.looped) {
                    return Operand::Broken;
                }
                if self.loop_tile(tile).is_none() || !self.follows(call, false) {
                    return Operand::Broken;
                }
                match self.tile_of(id) {
                    Some(ty) => self.define(TileOp::Load { source: id }, ty),
                    None => Operand::Broken,
                }
            }
            Some(Method::Gather) => self.gather(call, id),
            Some(Method::Store) => self.store(call, id),
            Some(Method::At) => self.element(call, id),
            None => self.no_such_method(call, id, kind, method_named),
        }
    }

    /// How an element of a table is written.
    pub fn element_usage(&self, id: ParamId) -> Option<String> {
        let var = self.param_name(id);
        match self.param_kind(id)? {
            ParamKind::Bias(_) => Some(format!("{var}.at(at.head, at.query, at.col)")),
            ParamKind::BitMask => Some(format!("{var}.at(at.query, at.col)")),
            _ => None,
        }
    }

    /// `bias.at(at.head, at.query, at.col)`, `tree.at(at.query, at.col)`
    fn element(&mut self, call: &syn::ExprMethodCall, id: ParamId) -> Operand {
        let usage = self.element_usage(id).unwrap_or_default();
        let takes = self.table(id).unwrap_or_default();
        if call.args.len() != takes {
            let message = format!("this takes {takes} indices, not {}: write `{usage}`", call.args.len());
            self.errors.push(&call.method, message);
            return Operand::Broken;
        }
        let mut indices = Vec::new();
        for arg in &call.args {
            match self.scalar(arg) {
                Some((index, ScalarType::I32)) => indices.push(index),
                Some((_, other)) => self.errors.push(arg, format!("an index is an `i32`, this is `{other}`")),
                None => {}
            }
        }
        if indices.len() < takes {
            return Operand::Broken;
        }
        let is_bit = self.param_kind(id) == Some(ParamKind::BitMask);
        Operand::Scalar(Expr::At(id, indices), if is_bit { ScalarType::Bool } else { ScalarType::F32 })
    }

    /// What to write where a parameter is asked for what it does not have.
    fn no_such_method(
        &mut self,
        call: &syn::ExprMethodCall,
        id: ParamId,
        kind: ParamKind,
        asked: Option<Method>,
    ) -> Operand {
        let (var, method, ty) = (self.param_name(id), &call.method, kind.ty());
        let message = match asked {
            Some(Method::Gather) if ty.has(Method::Load) => {
                format!("`{var}` is contiguous: write `{var}.load(cols)`")
            }
            Some(Method::Load) if ty.has(Method::Gather) => {
                let table = self.example_param(ParamKind::BlockTable, "table");
                format!("`{var}` is paged: write `{var}.gather({table}, cols)`")
            }
            Some(Method::Tiles) if ty.storage == Storage::Pool => {
                let table = self.example_param(ParamKind::BlockTable, "table");
                format!(
                    "the blocks of `{var}` belong to all sequences: the tiles of this one are `{table}.tiles()`"
                )
            }
            Some(Method::Tiles) if ty.has(Method::Load) => {
                let keys = self.example_param(ParamKind::Keys, "k");
                format!("the loop runs over the keys: write `{keys}.tiles()`")
            }
            _ => {
                let what = self.describe(&Operand::Param(id));
                let methods: Vec<&str> = ty.methods.iter().map(|method| method.name()).collect();
                if !methods.is_empty() {
                    return self.no_method(call, &what, &methods);
                }
                let place = match kind {
                    ParamKind::Vector(vector) => format!("`{var}[{}]`", vector.along.place()),
                    _ => format!("`{var}`"),
                };
                format!("{what} have no methods: write {place}")
            }
        };
        self.errors.push(method, message);
        Operand::Broken
    }

    /// Does a parameter lie along this axis, the one that the loop runs over or the one that instances own?
    fn is_along(&mut self, call: &syn::ExprMethodCall, id: ParamId, axis: Axis) -> bool {
        let (var, ty) = (self.param_name(id), self.param_kind(id).map(ParamKind::ty));
        let Some(along) = ty.and_then(|ty| ty.along) else { return false };
        if along == axis {
            return true;
        }
        let (loops, owns) = (axis_name(self.looped), axis_name(self.owned()));
        let message = if axis == self.looped {
            format!(
                "the loop runs over {loops}, and an instance owns the {owns} of `{var}` that it works on: write `{var}.tile()`"
            )
        } else if ty.is_some_and(|ty| ty.storage == Storage::Pool) {
            let table = self.example_param(ParamKind::BlockTable, "table");
            format!("the loop runs over {loops}: write `{var}.gather({table}, cols)` in it")
        } else {
            let each = if along == Axis::Rows { "rows" } else { "cols" };
            format!(
                "an instance owns {owns}, and sees {loops} tile by tile: write `{var}.load({each})` in the loop"
            )
        };
        self.loop_error(&call.method, message);
        false
    }

    /// An error that follows from what the loop runs over, if it could be read what that is.
    fn loop_error(&mut self, at: &dyn quote::ToTokens, message: String) {
        match self.is_loop_known {
            true => self.errors.push(at, message),
            false => self.errors.push_doubtful(at, message),
        }
    }

    /// Does the loop run over what this reads by? Contiguous keys go with contiguous keys, and paged ones with a table.
    fn follows(&mut self, call: &syn::ExprMethodCall, is_paged: bool) -> bool {
        let Some(over) = self.over else { return true };
        if (self.param_kind(over) == Some(ParamKind::BlockTable)) == is_paged {
            return true;
        }
        let over = self.param_name(over);
        let message = match is_paged {
            false => format!(
                "this loop runs over the blocks of `{over}`: contiguous keys and values go with `k.tiles()`"
            ),
            true => format!("this loop runs over `{over}`: paged keys and values go with `table.tiles()`"),
        };
        self.errors.push(&call.method, message);
        false
    }

    fn gather(&mut self, call: &syn::ExprMethodCall, id: ParamId) -> Operand {
        let var = self.param_name(id);
        let table = self.example_param(ParamKind::BlockTable, "table");
        let usage = format!("{var}.gather({table}, cols)");
        if let [only] = call.args.iter().collect::<Vec<_>>()[..]
            && matches!(self.eval(only), Operand::LoopTile)
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
        let cols = self.loop_tile(cols);
        let (Some(through), Some(())) = (through, cols) else { return Operand::Broken };
        if !self.follows(call, true) {
            return Operand::Broken;
        }
        match self.over {
            Some(over) if over != through => {
                let over = self.param_name(over);
                let message = format!("this loop runs over `{over}`: gather through it");
                self.errors.push(table_arg, message);
                Operand::Broken
            }
            _ => match self.tile_of(id) {
                Some(ty) => self.define(TileOp::Gather { source: id, table: through }, ty),
                None => Operand::Broken,
            },
        }
    }

    fn store(&mut self, call: &syn::ExprMethodCall, id: ParamId) -> Operand {
        let var = self.param_name(id);
        let Some(want) = self.tile_of(id) else { return Operand::Broken };
        let usage = match (want.rows, want.cols) {
            (Axis::Rows, Axis::Dim(_)) => format!("{var}.store(softmax.finish(acc))"),
            (Axis::Rows, _) => format!("{var}.store(softmax.lse())"),
            _ => format!("{var}.store(acc)"),
        };
        let Some([arg]) = self.args(&call.method, &call.args, &usage) else { return Operand::Broken };
        if self.part != Part::Epilogue {
            let when = if self.part == Part::Loop { "once, after the loop" } else { "after the loop" };
            self.errors.push(call, format!("results are stored {when}"));
            return Operand::Broken;
        }
        if want.rows != self.owned() {
            let (owns, has) = (axis_name(self.owned()), axis_name(want.rows));
            let message = format!(
                "an instance stores what it owns, {owns} here, and `{var}` has {has}: {}",
                match want.rows {
                    Axis::Rows => "write `for cols in k.tiles()`, or make it a `KeyOutput` or a `ColOutput`",
                    _ => "write `for rows in q.tiles()`, or make it an `Output` or a `RowOutput`",
                }
            );
            self.loop_error(call, message);
            return Operand::Broken;
        }
        let operand = self.eval(arg);
        let value = match self.total(arg, operand) {
            Operand::Broken => return Operand::Broken,
            Operand::Tile(value, ty) if ty == want => value,
            // What is computed is right, and the dimension is not: in the signature, or of what is stored.
            Operand::Tile(_, ty)
                if ty.rows == want.rows && matches!((ty.cols, want.cols), (Axis::Dim(_), Axis::Dim(_))) =>
            {
                let (takes, what) = (self.dims.spelled(want), self.dims.spelled(ty));
                let message = format!(
                    "`{var}` takes a `{takes}`, this is a `{what}`: give `{var}` the head dimension of what is stored"
                );
                self.errors.push(arg, message);
                return Operand::Broken;
            }
            other => {
                let (what, takes) = (self.describe(&other), self.dims.spelled(want));
                self.errors.push(arg, format!("`{var}` takes a `{takes}`, this is {what}: write `{usage};`"));
                return Operand::Broken;
            }
        };
        if std::mem::replace(&mut self.stored[id.0], true) {
            self.errors.push(call, format!("`{var}` is stored already: each output is stored once"));
            return Operand::Broken;
        }
        self.emit_at(call, Stmt::Store { param: id, value });
        Operand::Unit
    }

    pub fn softmax_method(&mut self, call: &syn::ExprMethodCall, id: StateId, name: &str) -> Operand {
        let (var, method) = (self.state_name(id), &call.method);
        match name {
            "step" => self.step(call, id),
            "sink" => self.sink(call, id),
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
                if !self.after_the_loop(call) {
                    return Operand::Broken;
                }
                match self.accumulator_type(arg, acc) {
                    Some(ty) => self.define(TileOp::Finish { softmax: id, acc }, ty),
                    None => Operand::Broken,
                }
            }
            "lse" | "lse_base2" => {
                let Some([]) = self.args(method, &call.args, &format!("{var}.{name}()")) else {
                    return Operand::Broken;
                };
                if !self.after_the_loop(call) {
                    return Operand::Broken;
                }
                let base = if name == "lse" { LogBase::E } else { LogBase::Two };
                self.define(TileOp::Lse { softmax: id, base }, TileType::of_each(Axis::Rows))
            }
            _ => self.no_method(call, "an online softmax", &["step", "sink", "finish", "lse", "lse_base2"]),
        }
    }

    /// `softmax.sink(|at| sinks[at.head])`
    fn sink(&mut self, call: &syn::ExprMethodCall, softmax: StateId) -> Operand {
        let usage = format!("{}.sink(|at| sinks[at.head])", self.state_name(softmax));
        let Some([closure]) = self.args(&call.method, &call.args, &usage) else { return Operand::Broken };
        if let Some(name) = plain_name(&call.receiver)
            && let Some(binding) = self.scopes.get(&name.to_string()).cloned()
        {
            self.needs_mut(name, &binding);
        }
        let is_after = self.after_the_loop(call);
        match self.closure("sink", Some(TileType::of_each(Axis::Rows)), closure) {
            Some(logit) if is_after => {
                self.emit_at(call, Stmt::Sink { softmax, logit });
                Operand::Unit
            }
            _ => Operand::Broken,
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
        if !self.accumulates_rows(acc_arg, acc) {
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
}
