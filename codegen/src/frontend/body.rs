//! The body of a kernel while it is read: what has been made so far, and how it becomes a program.

use super::arithmetic::Arithmetic;
use super::around::{Around, Named};
use super::diagnostics::Errors;
use super::dims::Dims;
use super::expr::plain_name;
use super::scope::{Binding, Operand, Part, Scopes};
use super::signature::Signature;
use super::written::Written;
use crate::analysis::obstacles::Place;
use crate::program::{
    Access, Arguments, Axis, Dim, Method, ParamId, ParamKind, Program, Resumed, State, StateId, StateKind,
    Stmt, TileLoop, TileOp, TileType, Value, ValueId,
};
use std::collections::{BTreeMap, BTreeSet};

/// Reads a function's body, and where its parts are written. The program is right only if there were no errors.
pub(super) fn read(item: &syn::ItemFn, signature: Signature, around: Around, errors: &mut Errors) -> Read {
    let (looped, is_known) = match looped(item, &signature) {
        Some(axis) => (axis, true),
        None => (Axis::Cols, false),
    };
    let mut body = Body::new(&signature, around, looped, errors);
    body.is_loop_known = is_known;
    for stmt in &item.block.stmts {
        body.statement(stmt);
    }
    body.finish(&item.sig.ident)
}

/// A body that has been read.
pub(super) struct Read {
    pub program: Program,
    pub written: Written,
    pub arithmetic: Arithmetic,
    /// Names that may be those of constants and functions, of which nothing is known.
    pub unknown: BTreeMap<String, Named>,
}

/// What has been read so far.
pub(super) struct Body<'a> {
    pub errors: &'a mut Errors,
    pub signature: &'a Signature,
    /// Those of the signature, and of slices.
    pub dims: Dims,
    pub scopes: Scopes,
    pub part: Part,
    /// Inside closures and the branches of `if`, only `let` may stand before the result.
    pub only_lets: bool,
    /// `map` or `mask`, while its closure is read.
    pub closure: Option<&'static str>,
    /// The type of the tile whose elements it is given.
    pub mapped: Option<TileType>,
    /// Parameters that a method was called on, right or wrong.
    pub touched: Vec<bool>,
    pub stored: Vec<bool>,
    pub values: Vec<Value>,
    pub states: Vec<DraftState>,
    statements: [Vec<Stmt>; 3],
    pub written: Written,
    /// What the host would do otherwise.
    pub arithmetic: Arithmetic,
    /// What is around the kernel, or the function that it calls.
    pub around: Around,
    /// Names that may be those of others.
    pub unknown: BTreeMap<String, Named>,
    /// The functions that are being read, each called by the one before it.
    pub calling: Vec<String>,
    /// Functions with something wrong that has been said.
    pub wrong_functions: BTreeSet<String>,
    /// What the instance owns of each parameter that was asked for it.
    tiles: Vec<Option<(ValueId, TileType)>>,
    /// The axis that the loop runs over.
    pub looped: Axis,
    /// Whether that is written so that it can be read: what does not go with it is not an error again otherwise.
    pub is_loop_known: bool,
    /// What the loop runs over, and its variable, once it is known.
    pub over: Option<ParamId>,
    pub var: String,
    pub loop_seen: bool,
}

/// A state whose type may not be known yet: `Tile::zeros()` takes its axes from what is added to it.
pub(super) struct DraftState {
    pub name: syn::Ident,
    pub kind: DraftKind,
    /// What it begins as, if not anew.
    pub from: Option<Resumed>,
    /// Something was done with it, right or wrong.
    pub touched: bool,
    /// What was added to it is in error: its type is not known for that.
    pub has_lost: bool,
}

pub(super) enum DraftKind {
    Softmax,
    Accumulator(Draft),
}

/// What is known of an accumulator's type.
#[derive(Clone, Copy)]
pub(super) enum Draft {
    Open,
    /// Rows × some dimension, for a softmax rescales it.
    RowsByDim,
    Is(TileType),
}

impl<'a> Body<'a> {
    pub fn new(signature: &'a Signature, around: Around, looped: Axis, errors: &'a mut Errors) -> Body<'a> {
        let mut scopes = Scopes::default();
        scopes.push();
        let mut bind = |name: &str, operand| {
            scopes.bind(name, Binding { operand, mutable: false, part: Part::Prologue });
        };
        for name in &signature.dims.names {
            bind(&name.to_string(), Operand::HeadDim);
        }
        for (index, param) in signature.params.iter().enumerate() {
            let operand = match param.kind {
                Some(ParamKind::Scalar(ty)) => {
                    Operand::Scalar(crate::program::Expr::Param(ParamId(index)), ty)
                }
                Some(_) => Operand::Param(ParamId(index)),
                None => Operand::Broken,
            };
            bind(&param.name.to_string(), operand);
        }
        Body {
            errors,
            signature,
            dims: signature.dims.clone(),
            scopes,
            part: Part::Prologue,
            only_lets: false,
            closure: None,
            mapped: None,
            touched: vec![false; signature.params.len()],
            stored: vec![false; signature.params.len()],
            values: Vec::new(),
            states: Vec::new(),
            statements: Default::default(),
            written: Written::default(),
            arithmetic: Arithmetic::default(),
            around,
            unknown: BTreeMap::new(),
            calling: Vec::new(),
            wrong_functions: BTreeSet::new(),
            tiles: vec![None; signature.params.len()],
            looped,
            is_loop_known: true,
            over: None,
            var: "cols".into(),
            loop_seen: false,
        }
    }

    /// What can only be known at the end, and the program.
    fn finish(self, function: &syn::Ident) -> Read {
        let Body { errors, signature, .. } = self;
        if !self.loop_seen {
            let message = "a kernel loops over the keys once: write `for cols in k.tiles() { … }`, or \
                           `table.tiles()` for paged keys";
            errors.push(function, message);
        }
        let is_output = |kind: Option<ParamKind>| kind.is_some_and(|kind| kind.ty().access == Access::Write);
        for (index, param) in signature.params.iter().enumerate().filter(|(_, param)| is_output(param.kind)) {
            if self.stored[index] || self.touched[index] {
                continue;
            }
            let result = match param.kind {
                Some(ParamKind::RowOutput) => "softmax.lse()",
                Some(ParamKind::Output) => "softmax.finish(acc)",
                _ => "acc",
            };
            let name = &param.name;
            let message = format!(
                "`{name}` is never stored: write `{name}.store({result});` after the loop, or remove it"
            );
            errors.push(name, message);
        }
        if signature.params.iter().all(|param| param.kind.is_some() && !is_output(param.kind)) {
            errors.push(function, "a kernel has an output: add a parameter `o: Output<T, D>`");
        }
        let mut states = Vec::new();
        for state in &self.states {
            let kind = match state.kind {
                DraftKind::Softmax => StateKind::OnlineSoftmax,
                DraftKind::Accumulator(Draft::Is(ty)) => StateKind::Accumulator(ty),
                // Nothing is added to it and nobody reads it: which dimension it has shows nowhere.
                DraftKind::Accumulator(Draft::RowsByDim) => {
                    StateKind::Accumulator(TileType { rows: Axis::Rows, cols: Axis::Dim(Dim(0)) })
                }
                DraftKind::Accumulator(Draft::Open) if state.touched => continue,
                DraftKind::Accumulator(Draft::Open) => {
                    let name = &state.name;
                    errors.push(
                        name,
                        format!("nothing is ever added to `{name}`: remove it, or add with `+=`"),
                    );
                    continue;
                }
            };
            let same = self.states.iter().filter(|other| other.name == state.name).count();
            let name =
                if same == 1 { state.name.to_string() } else { format!("{}.{}", state.name, states.len()) };
            states.push(State { name, kind, from: state.from });
        }
        let [prologue, body, epilogue] = self.statements;
        let program = Program {
            name: function.to_string(),
            elements: signature.elements.clone(),
            dims: self.dims.used,
            params: signature.program_params(),
            values: self.values,
            states,
            prologue,
            main_loop: TileLoop { over: self.over.unwrap_or(ParamId(0)), var: self.var, body },
            epilogue,
        };
        Read { program, written: self.written, arithmetic: self.arithmetic, unknown: self.unknown }
    }

    /// Makes a value here.
    pub fn define(&mut self, op: TileOp, ty: TileType) -> Operand {
        let id = ValueId(self.values.len());
        self.values.push(Value { name: None, ty, op });
        self.emit(Stmt::Define(id));
        Operand::Tile(id, ty)
    }

    /// What an instance owns is the same wherever it is asked for, so it is made once, before the loop.
    pub fn define_owned(&mut self, param: ParamId, ty: TileType) -> Operand {
        if let Some((id, ty)) = self.tiles[param.0] {
            return Operand::Tile(id, ty);
        }
        let here = std::mem::replace(&mut self.part, Part::Prologue);
        let made = self.define(TileOp::Owned { param }, ty);
        self.part = here;
        if let Operand::Tile(id, ty) = made {
            self.tiles[param.0] = Some((id, ty));
        }
        made
    }

    /// An accumulator that is read after the loop is a tile; anything else is what it was.
    pub fn total(&mut self, at: &dyn quote::ToTokens, operand: Operand) -> Operand {
        let Operand::Accumulator(acc) = operand else { return operand };
        if self.part != Part::Epilogue {
            return operand;
        }
        self.touch(acc);
        match self.states[acc.0].kind {
            DraftKind::Accumulator(Draft::Is(ty)) => self.define(TileOp::Total { acc }, ty),
            _ if self.states[acc.0].has_lost => Operand::Broken,
            _ => {
                let name = &self.states[acc.0].name;
                let message =
                    format!("nothing is added to `{name}`, and what it is stays open: add with `+=`");
                self.errors.push(quote::quote!(#at), message);
                Operand::Broken
            }
        }
    }

    /// The axis that a loop over this parameter runs over.
    pub fn runs_over(&self, param: ParamId) -> Axis {
        if self.param_kind(param) == Some(ParamKind::Query) { Axis::Rows } else { Axis::Cols }
    }

    /// The axis of which an instance owns a tile.
    pub fn owned(&self) -> Axis {
        if self.looped == Axis::Rows { Axis::Cols } else { Axis::Rows }
    }

    fn emit(&mut self, stmt: Stmt) {
        self.statements[self.part as usize].push(stmt);
    }

    /// A statement that is written here.
    pub fn emit_at(&mut self, at: &dyn quote::ToTokens, stmt: Stmt) {
        let place = match stmt {
            Stmt::Define(value) => Place::Value(value),
            Stmt::Accumulate { .. } => Place::InLoop(self.statements[self.part as usize].len()),
            Stmt::Sink { .. } => Place::AfterLoop(self.statements[self.part as usize].len()),
            Stmt::Store { param, .. } => Place::Store(param),
        };
        self.written.at(place, at.to_token_stream());
        self.emit(stmt);
    }

    /// The accumulator has this type, or a different one already. In the second case, an error.
    pub fn unify_accumulator(&mut self, at: &dyn quote::ToTokens, id: StateId, ty: TileType) -> bool {
        if ty.has(self.looped) {
            let (name, of, what) = (self.state_name(id), axis_name(self.looped), self.dims.spelled(ty));
            let message = format!(
                "`{name}` keeps its axes from one iteration to the next, and this is a `{what}`, of other {of} each time"
            );
            self.states[id.0].has_lost = true;
            self.errors.push(quote::quote!(#at), message);
            return false;
        }
        let state = &mut self.states[id.0];
        let DraftKind::Accumulator(known) = &mut state.kind else { return false };
        let known = match known {
            Draft::Open => None,
            Draft::RowsByDim if matches!(ty, TileType { rows: Axis::Rows, cols: Axis::Dim(_) }) => None,
            Draft::RowsByDim => Some("Tile<Rows, Dim<_>>".to_string()),
            Draft::Is(known) if *known == ty => None,
            Draft::Is(known) => Some(self.dims.spelled(*known)),
        };
        let Some(known) = known else {
            state.kind = DraftKind::Accumulator(Draft::Is(ty));
            return true;
        };
        let (name, ty) = (&state.name, self.dims.spelled(ty));
        self.errors.push(quote::quote!(#at), format!("`{name}` is a `{known}`, this is about a `{ty}`"));
        false
    }

    /// The accumulator is Rows × some dimension, as softmaxes take it, or something else already: then an error.
    pub fn accumulates_rows(&mut self, at: &dyn quote::ToTokens, id: StateId) -> bool {
        let state = &mut self.states[id.0];
        match state.kind {
            DraftKind::Accumulator(Draft::Open) => {
                state.kind = DraftKind::Accumulator(Draft::RowsByDim);
                true
            }
            DraftKind::Accumulator(Draft::RowsByDim) => true,
            DraftKind::Accumulator(Draft::Is(TileType { rows: Axis::Rows, cols: Axis::Dim(_) })) => true,
            DraftKind::Accumulator(Draft::Is(known)) => {
                let (name, known) = (&state.name, self.dims.spelled(known));
                let message = format!("`{name}` is a `{known}`, this is about a `Tile<Rows, Dim<_>>`");
                self.errors.push(quote::quote!(#at), message);
                false
            }
            DraftKind::Softmax => false,
        }
    }

    /// The type of an accumulator that is read, for which it must be known.
    pub fn accumulator_type(&mut self, at: &dyn quote::ToTokens, id: StateId) -> Option<TileType> {
        if !self.accumulates_rows(at, id) {
            return None;
        }
        let state = &mut self.states[id.0];
        match state.kind {
            DraftKind::Accumulator(Draft::Is(ty)) => Some(ty),
            _ if state.has_lost => None,
            _ if self.dims.used.len() == 1 => {
                let ty = TileType { rows: Axis::Rows, cols: Axis::Dim(Dim(0)) };
                state.kind = DraftKind::Accumulator(Draft::Is(ty));
                Some(ty)
            }
            _ => {
                let (name, dim) = (&state.name, self.dims.text(Dim(self.dims.used.len().saturating_sub(1))));
                let message = format!(
                    "nothing is added to `{name}`, which leaves its head dimension open: add with `+=`, or begin it with \
                     `let mut {name} = Tile::<Rows, Dim<{dim}>>::zeros();`"
                );
                self.errors.push(quote::quote!(#at), message);
                None
            }
        }
    }

    /// The type of a parameter's tiles; none of one whose type could not be read.
    pub fn tile_of(&self, id: ParamId) -> Option<TileType> {
        let param = &self.signature.params[id.0];
        let ty = param.kind?.ty();
        let rows = ty.along?;
        match ty.arguments {
            Arguments::None => Some(TileType::of_each(rows)),
            _ => Some(TileType { rows, cols: Axis::Dim(param.dim?) }),
        }
    }

    /// The author did something with this state.
    pub fn touch(&mut self, id: StateId) {
        self.states[id.0].touched = true;
    }

    pub fn param_name(&self, id: ParamId) -> String {
        self.signature.params[id.0].name.to_string()
    }

    pub fn param_kind(&self, id: ParamId) -> Option<ParamKind> {
        self.signature.params[id.0].kind
    }

    pub fn state_name(&self, id: StateId) -> String {
        self.states[id.0].name.to_string()
    }

    /// The name of a parameter of this kind, to write in a suggestion.
    pub fn example_param(&self, kind: ParamKind, otherwise: &str) -> String {
        let found = self.signature.params.iter().find(|param| param.kind == Some(kind));
        found.map_or_else(|| otherwise.to_string(), |param| param.name.to_string())
    }
}

/// What the first loop of a kernel runs over: rows, if it is `for … in q.tiles()` of a query, and columns of any other
/// parameter that has tiles. Known before the body is read, for what comes before the loop depends on it.
fn looped(item: &syn::ItemFn, signature: &Signature) -> Option<Axis> {
    struct First<'ast>(Option<&'ast syn::Expr>);
    impl<'ast> syn::visit::Visit<'ast> for First<'ast> {
        fn visit_expr_for_loop(&mut self, expr: &'ast syn::ExprForLoop) {
            self.0.get_or_insert(&expr.expr);
        }
    }
    let mut first = First(None);
    syn::visit::Visit::visit_block(&mut first, &item.block);
    let Some(syn::Expr::MethodCall(call)) = first.0 else { return None };
    let name = plain_name(&call.receiver).filter(|_| call.method == "tiles")?;
    let kind = signature.params.iter().find(|param| param.name == *name)?.kind?;
    kind.ty().has(Method::Tiles).then_some(if kind == ParamKind::Query { Axis::Rows } else { Axis::Cols })
}

/// Positions along an axis, in a message.
pub(super) fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Rows => "rows",
        Axis::Cols => "columns",
        Axis::Dim(_) | Axis::One => "numbers",
    }
}

/// `let`s are substituted, so ten doublings in a row make a thousand copies: there is an end to it.
pub(super) const MAX_EXPR: usize = 2000;

/// Nodes of an expression.
pub(super) fn size(expr: &crate::program::Expr) -> usize {
    use crate::program::Expr;
    1 + match expr {
        Expr::Index(_, a) | Expr::Unary(_, a) => size(a),
        Expr::Random(names) => names.iter().map(size).fold(0, usize::saturating_add),
        Expr::At(_, indices) => indices.iter().map(size).fold(0, usize::saturating_add),
        Expr::Binary(_, a, b) => size(a) + size(b),
        Expr::Select(c, a, b) => size(c) + size(a) + size(b),
        _ => 0,
    }
}
