//! Statements: `let`, `acc += …`, the loop, blocks, and expressions for what they do.

use super::body::{Body, Draft, DraftKind, DraftState, MAX_EXPR, size};
use super::expr::plain_name;
use super::scope::{Binding, Operand, Part};
use super::signature::scalar_type;
use crate::analysis::obstacles::Place;
use crate::program::{Resumed, StateId, Stmt};
use quote::ToTokens;
use syn::visit::Visit;
use syn::{Pat, Type};

impl Body<'_> {
    pub fn statement(&mut self, stmt: &syn::Stmt) {
        match stmt {
            syn::Stmt::Local(local) => self.local(local),
            syn::Stmt::Expr(expr, _) => self.effect(expr),
            syn::Stmt::Item(syn::Item::Const(item)) => {
                let operand = self.eval(&item.expr);
                let operand = self.ascribe(&item.ty, operand);
                self.bind(&item.ident, false, operand, &item.expr);
            }
            syn::Stmt::Item(item) => {
                self.errors.push(item, "items stand outside a kernel: move this above the function");
            }
            syn::Stmt::Macro(stmt) => {
                self.errors.push(stmt, "a kernel calls no macros: remove this");
            }
        }
    }

    /// Reads a block; its value is that of its last expression.
    pub fn block(&mut self, block: &syn::Block) -> Operand {
        self.scopes.push();
        let (body, tail) = match block.stmts.split_last() {
            Some((syn::Stmt::Expr(tail, None), body)) => (body, Some(tail)),
            _ => (block.stmts.as_slice(), None),
        };
        for stmt in body {
            self.statement(stmt);
        }
        let result = match tail {
            Some(tail) if is_effect(tail) => {
                self.effect(tail);
                Operand::Unit
            }
            Some(tail) => self.eval(tail),
            None => Operand::Unit,
        };
        self.scopes.pop();
        result
    }

    fn local(&mut self, local: &syn::Local) {
        let (pat, ty) = match &local.pat {
            Pat::Type(typed) => (&*typed.pat, Some(&*typed.ty)),
            pat => (pat, None),
        };
        let Some(init) = &local.init else {
            self.errors.push(local, "give the variable its value here: `let name = …;`");
            self.bind_broken(pat);
            return;
        };
        if let Some((_, otherwise)) = &init.diverge {
            self.errors
                .push(otherwise, "`let … else` has no meaning in a kernel: nothing here can fail to match");
        }
        let mut named = Vec::new();
        self.name_values(pat, ty, &init.expr, &mut named);
        for (name, operand, value) in named {
            self.bind(&name.ident, name.mutability.is_some(), operand, value);
        }
    }

    /// Reads the value of a name, or those of a tuple of names, before any of them is bound.
    fn name_values<'e>(
        &mut self,
        pat: &'e Pat,
        ty: Option<&Type>,
        value: &'e syn::Expr,
        named: &mut Vec<(&'e syn::PatIdent, Operand, &'e syn::Expr)>,
    ) {
        match (pat, value) {
            (Pat::Paren(inner), _) => self.name_values(&inner.pat, ty, value, named),
            (_, syn::Expr::Paren(inner)) => self.name_values(pat, ty, &inner.expr, named),
            (Pat::Tuple(names), syn::Expr::Tuple(values)) if names.elems.len() == values.elems.len() => {
                let mut types: Vec<Option<&Type>> = vec![None; names.elems.len()];
                if let Some(Type::Tuple(tuple)) = ty {
                    types.iter_mut().zip(&tuple.elems).for_each(|(own, ty)| *own = Some(ty));
                }
                for ((name, value), ty) in names.elems.iter().zip(&values.elems).zip(types) {
                    self.name_values(name, ty, value, named);
                }
            }
            (Pat::Tuple(names), _) => {
                let count = names.elems.len();
                let message =
                    format!("a tuple of names takes as many values: `let (a, b) = (…, …);`, here {count}");
                self.errors.push(value, message);
                self.bind_broken(pat);
            }
            (Pat::Ident(name), _) if name.by_ref.is_none() && name.subpat.is_none() => {
                let mut operand = self.eval(value);
                if let Some(ty) = ty {
                    operand = self.ascribe(ty, operand);
                }
                named.push((name, operand, value));
            }
            (Pat::Wild(_), _) => drop(self.eval(value)),
            _ => {
                self.eval(value);
                self.errors.push(pat, "give it a plain name: `let name = …;`");
                self.bind_broken(pat);
            }
        }
    }

    /// Checks a type that the author wrote for a value.
    fn ascribe(&mut self, ty: &Type, operand: Operand) -> Operand {
        let matches = match (&operand, scalar_type(ty), self.dims.tile_type(ty, self.errors)) {
            (Operand::Broken, ..) => true,
            (Operand::Scalar(_, known), Some(written), _) => *known == written,
            (Operand::Tile(_, known), _, Some(written)) => *known == written,
            (Operand::Zeros(None), _, Some(written)) => return Operand::Zeros(Some(written)),
            (Operand::Zeros(Some(known)) | Operand::ResumedTile(_, known), _, Some(written)) => {
                *known == written
            }
            // A number as a tile, or the other way round.
            (_, Some(_), _) | (Operand::Scalar(..), _, Some(_)) => false,
            // `_`, or a type that says nothing that we need.
            _ => true,
        };
        if matches {
            return operand;
        }
        let what = self.describe(&operand);
        self.errors.push(ty, format!("the value is {what}"));
        Operand::Broken
    }

    /// Gives an operand a name.
    fn bind(&mut self, name: &syn::Ident, mutable: bool, operand: Operand, value: &syn::Expr) {
        let operand = match operand {
            Operand::Tile(id, ty) => {
                self.values[id.0].name = Some(name.to_string());
                Operand::Tile(id, ty)
            }
            Operand::Zeros(ty) => self
                .begin_state(name, DraftKind::Accumulator(ty.map_or(Draft::Open, Draft::Is)), None, value)
                .map_or(Operand::Broken, Operand::Accumulator),
            Operand::ResumedTile(from, ty) => self
                .begin_state(name, DraftKind::Accumulator(Draft::Is(ty)), Some(from), value)
                .map_or(Operand::Broken, Operand::Accumulator),
            Operand::NewSoftmax(from) => self
                .begin_state(name, DraftKind::Softmax, from, value)
                .map_or(Operand::Broken, Operand::Softmax),
            Operand::Accumulator(id) | Operand::Softmax(id) => {
                let state = self.state_name(id);
                self.errors
                    .push(value, format!("`{state}` keeps its one name: use `{state}` where it is needed"));
                Operand::Broken
            }
            Operand::Unit => {
                self.errors.push(value, "this gives no value to name: write it as a statement");
                Operand::Broken
            }
            Operand::Scalar(expr, ty) => {
                if size(&expr) > MAX_EXPR {
                    let message = "this expression is too large once its `let`s are written out";
                    self.errors.push(value, message);
                    Operand::Broken
                } else {
                    Operand::Scalar(expr, ty)
                }
            }
            other => other,
        };
        self.bind_as(name, mutable, operand);
    }

    pub fn bind_as(&mut self, name: &syn::Ident, mutable: bool, operand: Operand) {
        let part = self.part;
        self.scopes.bind(&name.to_string(), Binding { operand, mutable, part });
    }

    /// Binds every name of a pattern that was refused, so that their uses are not refused again.
    pub fn bind_broken(&mut self, pat: &Pat) {
        struct Names(Vec<syn::Ident>);
        impl<'ast> Visit<'ast> for Names {
            fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
                self.0.push(pat.ident.clone());
            }
        }
        let mut names = Names(Vec::new());
        names.visit_pat(pat);
        for name in &names.0 {
            self.bind_as(name, false, Operand::Broken);
        }
    }

    fn begin_state(
        &mut self,
        name: &syn::Ident,
        kind: DraftKind,
        from: Option<Resumed>,
        value: &syn::Expr,
    ) -> Option<StateId> {
        if self.part != Part::Prologue {
            let message = "this would begin anew for every column tile: move it before the loop";
            self.errors
                .push(value, if self.part == Part::Loop { message } else { "begin it before the loop" });
            return None;
        }
        self.states.push(DraftState { name: name.clone(), kind, from, touched: false, has_lost: false });
        Some(StateId(self.states.len() - 1))
    }

    /// An expression for what it does.
    fn effect(&mut self, expr: &syn::Expr) {
        if self.only_lets {
            self.errors.push(expr, "only `let` may stand before the result here");
            return;
        }
        match expr {
            syn::Expr::ForLoop(expr) => self.for_loop(expr),
            syn::Expr::Assign(expr) => self.assign(expr),
            syn::Expr::Binary(binary) if is_effect(expr) => self.compound(binary),
            syn::Expr::Block(block) if block.label.is_none() => match self.block(&block.block) {
                Operand::Unit | Operand::Broken => {}
                _ => self.errors.push(expr, "the value of this block is not used: name it with `let`"),
            },
            syn::Expr::Paren(inner) => self.effect(&inner.expr),
            syn::Expr::Group(inner) => self.effect(&inner.expr),
            _ => {
                if matches!(expr, syn::Expr::While(_) | syn::Expr::Loop(_)) {
                    // What follows is meant to come after the loop, and the loop's body is not read.
                    self.loop_seen = true;
                    self.part = Part::Epilogue;
                    self.states.iter_mut().for_each(|state| state.touched = true);
                }
                match self.eval(expr) {
                    Operand::Unit | Operand::Broken => {}
                    _ => self.unused(expr),
                }
            }
        }
    }

    fn unused(&mut self, expr: &syn::Expr) {
        let message = match expr {
            syn::Expr::MethodCall(call) if call.method == "mask" || call.method == "map" => format!(
                "`{0}` makes a new tile and leaves the old one as it was: write `let s = s.{0}(…);`",
                call.method
            ),
            _ => "the result is not used: name it with `let`, or remove this".to_string(),
        };
        self.errors.push(expr, message);
    }

    fn for_loop(&mut self, expr: &syn::ExprForLoop) {
        match self.part {
            Part::Prologue => {}
            Part::Loop => {
                self.errors.push(expr.for_token, "a kernel has one loop, and nothing loops inside it");
                return;
            }
            Part::Epilogue => {
                let message = "a kernel has one loop: do in it all that needs the keys";
                self.errors.push(expr.for_token, message);
                return;
            }
        }
        self.loop_seen = true;
        if let Some(label) = &expr.label {
            self.errors.push(label, "the loop needs no label: it is never left early");
        }
        let over = match self.eval(&expr.expr) {
            Operand::Tiles(param) if self.runs_over(param) == self.looped => Some(param),
            Operand::Tiles(param) => {
                let name = self.param_name(param);
                let message =
                    format!("what the loop runs over is written with it: `for rows in {name}.tiles()`");
                self.errors.push(&expr.expr, message);
                None
            }
            Operand::Broken => None,
            other => {
                let what = self.describe(&other);
                let message = format!(
                    "a kernel loops over column tiles, this is {what}: write `for cols in k.tiles()`, or \
                     `table.tiles()` for paged keys"
                );
                self.errors.push(&expr.expr, message);
                None
            }
        };
        let (token, pat, tiles) = (&expr.for_token, &expr.pat, &expr.expr);
        self.written.at(Place::Loop, quote::quote!(#token #pat in #tiles));
        self.over = over;
        self.part = Part::Loop;
        self.scopes.push();
        match &*expr.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => {
                self.var = pat.ident.to_string();
                let operand = if over.is_some() { Operand::LoopTile } else { Operand::Broken };
                self.bind_as(&pat.ident, false, operand);
            }
            pat => {
                self.errors.push(pat, "name the column tile: `for cols in …`");
                self.bind_broken(pat);
            }
        }
        for stmt in &expr.body.stmts {
            self.statement(stmt);
        }
        self.scopes.pop();
        self.part = Part::Epilogue;
    }

    /// `s = …` is `let s = …` as long as nothing carries over to the next iteration.
    fn assign(&mut self, expr: &syn::ExprAssign) {
        let operand = self.eval(&expr.right);
        let Some(name) = plain_name(&expr.left) else {
            self.errors.push(&expr.left, "only a variable can be assigned to: write `let name = …;`");
            return;
        };
        let part = self.part;
        let Some(binding) = self.scopes.get(&name.to_string()).cloned() else {
            self.unknown_name(name);
            return;
        };
        let message = match (&binding.operand, &operand) {
            (Operand::Broken, _) | (_, Operand::Broken) => return,
            (Operand::Accumulator(_) | Operand::Softmax(_), _) => {
                format!("`{name}` changes by `+=` and by `step` only, and is never set again")
            }
            _ if !binding.mutable => {
                format!("`{name}` is not `mut`, and need not be: write `let {name} = …;`")
            }
            (Operand::Tile(..) | Operand::Scalar(..), _) if binding.part != part => format!(
                "`{name}` would carry a value out of its iteration, which only accumulators do: write \
                 `let {name} = …;`"
            ),
            (Operand::Tile(_, old), Operand::Tile(id, new)) if old == new => {
                self.values[id.0].name = Some(name.to_string());
                self.set(name, operand);
                return;
            }
            (Operand::Scalar(_, old), Operand::Scalar(new_expr, new))
                if old == new && size(new_expr) <= MAX_EXPR =>
            {
                self.set(name, operand);
                return;
            }
            (old, new) => {
                format!("`{name}` is {}, this is {}", self.describe(old), self.describe(new))
            }
        };
        self.errors.push(expr, message);
    }

    fn set(&mut self, name: &syn::Ident, operand: Operand) {
        if let Some(binding) = self.scopes.get_mut(&name.to_string()) {
            binding.operand = operand;
        }
    }

    /// `acc += tile`, and the compound assignments that there are not.
    fn compound(&mut self, expr: &syn::ExprBinary) {
        let value = self.eval(&expr.right);
        let target = match plain_name(&expr.left) {
            Some(name) => match self.scopes.get(&name.to_string()) {
                Some(binding) => (name, binding.clone()),
                None => return self.unknown_name(name),
            },
            None => {
                self.errors.push(&expr.left, "only an accumulator can be added to: `acc += …`");
                return;
            }
        };
        let (name, binding) = target;
        let state = match binding.operand {
            Operand::Accumulator(state) => state,
            Operand::Broken => return,
            Operand::Tile(..) if !matches!(expr.op, syn::BinOp::AddAssign(_)) => {
                let op = expr.op.to_token_stream().to_string();
                let op = op.trim_end_matches('=');
                self.errors.push(expr, format!("tiles do not change: write `let {name} = {name} {op} …;`"));
                return;
            }
            Operand::Tile(..) => {
                let message = format!(
                    "`{name}` is a tile, not an accumulator: begin one with `let mut acc = Tile::zeros();` before \
                     the loop, or write `let {name} = …;`"
                );
                self.errors.push(&expr.left, message);
                return;
            }
            other => {
                let what = self.describe(&other);
                self.errors.push(expr, format!("`{name}` is {what}: write `let {name} = …;`"));
                return;
            }
        };
        if !matches!(expr.op, syn::BinOp::AddAssign(_)) {
            self.errors.push(expr.op, "an accumulator takes `+=` only");
            return;
        }
        self.needs_mut(name, &binding);
        self.touch(state);
        match value {
            Operand::Broken => self.states[state.0].has_lost = true,
            Operand::Tile(value, ty) => {
                if self.part != Part::Loop {
                    self.errors.push(expr, "accumulators grow in the loop: move this there");
                } else if self.unify_accumulator(&expr.right, state, ty) {
                    self.emit_at(expr, Stmt::Accumulate { acc: state, value });
                }
            }
            other => {
                let what = self.describe(&other);
                let message =
                    format!("`{name}` is added tiles to, this is {what}: write `{name} += dot(p, v)`");
                self.errors.push(&expr.right, message);
            }
        }
    }

    /// rustc would say so too, but `kgen` reads kernels without it.
    pub fn needs_mut(&mut self, name: &syn::Ident, binding: &Binding) {
        if !binding.mutable {
            self.errors.push(name, format!("`{name}` changes here: declare it with `let mut {name} = …;`"));
        }
    }
}

/// Expressions that are statements by nature.
fn is_effect(expr: &syn::Expr) -> bool {
    use syn::BinOp;
    match expr {
        syn::Expr::ForLoop(_) | syn::Expr::Assign(_) => true,
        syn::Expr::Binary(binary) => matches!(
            binary.op,
            BinOp::AddAssign(_)
                | BinOp::SubAssign(_)
                | BinOp::MulAssign(_)
                | BinOp::DivAssign(_)
                | BinOp::RemAssign(_)
                | BinOp::BitXorAssign(_)
                | BinOp::BitAndAssign(_)
                | BinOp::BitOrAssign(_)
                | BinOp::ShlAssign(_)
                | BinOp::ShrAssign(_)
        ),
        _ => false,
    }
}
