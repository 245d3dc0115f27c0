//! Recognises attention in a [`Program`]: which values are Q, K and V, what happens to a score between the
//! first product and the softmax, and what is stored.
//!
//! The lowerings take programs of this form, transposes put aside. Anything else the language can say is refused here,
//! each thing with its place.

use super::bounds::Interval;
use super::obstacles::{NotAttention, Obstacle, Place};
use super::tiles::Tile;
use crate::program::{
    Axis, BinaryOp, Expr, LogBase, ParamId, ParamKind, Program, Resumed, StateId, Stmt, TileOp, Value,
    ValueId,
};

/// A program in the form `softmax(scores(Q Kᵀ)) V`.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// The query parameter.
    pub q: ParamId,
    /// The keys: contiguous or paged.
    pub k: ParamId,
    /// The values: as the keys. The keys themselves where their first numbers are the values.
    pub v: ParamId,
    /// The block table of paged keys and values.
    pub table: Option<ParamId>,
    /// What happens to a score, in order.
    pub scores: Vec<ScoreOp>,
    /// Whether a softmax makes probabilities of scores. Else what maps made of them multiplies values as it is.
    pub normalised: bool,
    /// What becomes of a probability before it multiplies values, in order: [`Expr::X`] is the probability, up to a factor.
    pub weights: Vec<Expr>,
    /// A uniform factor of all probabilities after these, by which accumulators are multiplied once, when all columns have been.
    pub value_factor: Option<Expr>,
    /// A uniform factor of the output.
    pub output_factor: Option<Expr>,
    /// A uniform factor of the score after all maps, before the masks; folded into the exponential.
    pub scale: Option<Expr>,
    /// Masks after the last map, as one condition: `None` keeps everything.
    pub keep: Option<Expr>,
    /// The columns that `keep` leaves a row.
    pub seen: Interval,
    /// One more score of each row, of a column without a value.
    pub sink: Option<Expr>,
    /// The log-sum-exps that the softmax begins with, and their base.
    pub lse_before: Option<Resumed>,
    /// The output that the accumulator begins with.
    pub output_before: Option<ParamId>,
    /// Where the output goes, if it is stored.
    pub output: Option<ParamId>,
    /// Where the log-sum-exp goes, if it is stored.
    pub lse: Option<ParamId>,
    /// The base of its logarithm.
    pub lse_base: LogBase,
}

/// One step from the product to the softmax, other than the trailing scale and masks.
#[derive(Clone, Debug, PartialEq)]
pub enum ScoreOp {
    /// The score becomes this expression of it.
    Map(Expr),
    /// The score becomes minus infinity where this is false.
    Mask(Expr),
}

impl ScoreOp {
    /// Its expression.
    pub fn expr(&self) -> &Expr {
        match self {
            ScoreOp::Map(expr) | ScoreOp::Mask(expr) => expr,
        }
    }
}

impl Program {
    /// Whether it is attention whose values are its keys, or their first numbers.
    pub fn has_values_in_keys(&self) -> bool {
        recognise(self, true).is_ok_and(|attention| attention.has_values_in_keys())
    }
}

impl Attention {
    /// Whether the values are the keys, or their first numbers: what is loaded once for both.
    pub fn has_values_in_keys(&self) -> bool {
        self.v == self.k
    }

    /// Whether scores are made of what is read for each of them, or bits are: loads begin early, and each has a register
    /// until it is used.
    pub fn reads_by_column(&self) -> bool {
        let is_table = |expr: &Expr| expr.any(&mut |e| matches!(e, Expr::At(..)) && !e.is_row_only());
        let conditions = self.keep.iter().filter(|_| !self.seen.exact);
        self.scores.iter().any(|op| match op {
            ScoreOp::Map(expr) => expr.reads_by_column(),
            ScoreOp::Mask(expr) => is_table(expr),
        }) || self.weights.iter().any(Expr::reads_by_column)
            || conditions.into_iter().any(is_table)
    }

    /// How many times a schedule has to make room for what is made of each score: for what is read, for the words of a random number,
    /// for all that a long expression has on its way.
    pub fn room(&self) -> usize {
        /// Instructions a score that the tiles of the tables have no registers for.
        const MUCH: usize = 30;
        let maps = || self.scores.iter().map(ScoreOp::expr).chain(&self.weights);
        let conditions = || self.keep.iter().filter(|_| !self.seen.exact);
        let draws = |expr: &Expr| expr.any(&mut |e| matches!(e, Expr::Random(_)));
        // A vector of which a condition reads a number for each column is one more for each of them.
        let mut read = Vec::new();
        for expr in maps().chain(conditions()) {
            expr.any(&mut |e| {
                if let Expr::Index(vector, at) = e {
                    read.extend((!at.is_row_only() && !read.contains(vector)).then_some(*vector));
                }
                false
            });
        }
        let reads = self.reads_by_column() || read.len() > usize::from(!self.is_placed());
        let effort: usize = maps().chain(conditions()).map(Expr::effort).sum();
        usize::from(reads || maps().any(draws) || effort >= MUCH) + usize::from(effort >= 2 * MUCH)
    }

    /// Whether maps ask where a score stands.
    pub fn is_placed(&self) -> bool {
        let of_place =
            |expr: &Expr| expr.any(&mut |e| matches!(e, Expr::Row | Expr::Query | Expr::Head | Expr::Col));
        let of_scores = |op: &ScoreOp| matches!(op, ScoreOp::Map(expr) if of_place(expr));
        self.scores.iter().any(of_scores) || self.weights.iter().any(of_place)
    }

    /// Whether maps may put a number in a score's place, or add one to it, that is so large that one more or less is lost in it:
    /// the -1e9 and the like that stand for minus infinity, written in the map or read.
    pub fn has_huge_scores(&self) -> bool {
        self.scores.iter().any(|op| matches!(op, ScoreOp::Map(expr) if expr.may_be_huge()))
    }

    /// Whether the factor that is folded into the exponential is above zero whatever a launch is given.
    pub fn has_literal_scale(&self) -> bool {
        self.scale.as_ref().is_none_or(|scale| scale.literal().is_some())
    }

    /// Whether something joins a row at its end that is to be counted once, however its keys are split.
    pub fn counts_once(&self) -> bool {
        self.sink.is_some() || self.lse_before.is_some()
    }

    /// Numbers of a partial log-sum-exp: where scores may be huge, the row's maximum and the logarithm of its sum, which would be
    /// lost in the maximum, and with it what the part weighs.
    pub fn partial_lse_numbers(&self) -> usize {
        if self.has_huge_scores() { 2 } else { 1 }
    }

    /// Whether some mask has to be evaluated for every score: it is no interval, or stands before a map.
    pub fn has_conditions(&self) -> bool {
        !self.seen.exact || self.scores.iter().any(|op| matches!(op, ScoreOp::Mask(_)))
    }
}

/// Recognises `program`, which is well-formed, folding a trailing uniform factor into [`Attention::scale`] if
/// `fold_scale`.
///
/// # Errors
/// Everything that stands in the way, as far as one thing does not follow from another.
pub fn recognise(program: &Program, fold_scale: bool) -> Result<Attention, NotAttention> {
    let mut recogniser = Recogniser { program, obstacles: Vec::new() };
    match recogniser.run(fold_scale) {
        Some(attention) if recogniser.obstacles.is_empty() => Ok(attention),
        _ => Err(NotAttention { kernel: program.name.clone(), obstacles: recogniser.obstacles }),
    }
}

struct Recogniser<'a> {
    program: &'a Program,
    obstacles: Vec<Obstacle>,
}

/// The one softmax step of the loop.
#[derive(Clone, Copy)]
struct Step {
    /// What it gives: the probabilities.
    p: ValueId,
    softmax: StateId,
    scores: ValueId,
    acc: StateId,
}

/// Keys or values as they are loaded.
struct Source {
    param: ParamId,
    table: Option<ParamId>,
}

/// What is summed.
struct Values {
    source: Source,
    tile: ValueId,
    /// The first numbers of its rows.
    is_slice: bool,
    /// What becomes of probabilities before.
    weights: Vec<Expr>,
}

impl Recogniser<'_> {
    /// `None` only where something is in the way.
    fn run(&mut self, fold_scale: bool) -> Option<Attention> {
        if self.program.owned() != Axis::Rows {
            let message = "there are no kernels yet whose instances own columns and loop over rows: write \
                           `for cols in k.tiles()`";
            self.stop(Place::Loop, message);
            return None;
        }
        self.params();
        if let Some(attention) = self.without_softmax() {
            return Some(attention);
        }
        let step = self.step()?;
        let values = self.values(step);
        let scores = self.scores(step);
        let Stores { output, output_factor, lse, lse_base } = self.stores(step);
        let sink = self.sink();
        let (lse_before, output_before) = self.before(step);
        if let (Some(values), Some((_, keys, _))) = (&values, &scores) {
            self.check_values(values, keys);
        }
        let (q, k, ops) = scores?;
        let Values { source, mut weights, .. } = values?;
        let value_factor = take_factors(&mut weights);
        let v = source.param;
        let (scores, scale, keep) = split_scores(ops, fold_scale);
        let normalised = true;
        let seen = keep.as_ref().map_or(Interval::ALL, Interval::of);
        Some(Attention {
            q,
            k: k.param,
            v,
            table: k.table,
            scores,
            normalised,
            weights,
            value_factor,
            output_factor,
            scale,
            keep,
            seen,
            sink,
            lse_before,
            output_before,
            output,
            lse,
            lse_base,
        })
    }

    fn stop(&mut self, place: Place, message: impl Into<String>) {
        self.obstacles.push(Obstacle { place, message: message.into() });
    }

    fn op(&self, id: ValueId) -> &TileOp {
        &self.program.values[id.0].op
    }

    fn state(&self, id: StateId) -> &str {
        &self.program.states[id.0].name
    }

    fn param(&self, id: ParamId) -> &str {
        &self.program.params[id.0].name
    }

    /// Parameters that no kernel takes.
    fn params(&mut self) {
        let mut has_query = false;
        for (index, param) in self.program.params.iter().enumerate() {
            let message = match param.kind {
                ParamKind::Query if !std::mem::replace(&mut has_query, true) => continue,
                ParamKind::Query => "a second `Query`: a kernel that is compiled has one".to_owned(),
                ParamKind::RowInput if !self.is_before(ParamId(index)) => {
                    let message = "kernels read a `RowInput` as what a softmax begins as: write `OnlineSoftmax::resume({})`";
                    message.replace("{}", &param.name)
                }
                _ => continue,
            };
            self.stop(Place::Param(ParamId(index)), message);
        }
    }

    /// Whether a state begins as this parameter has it.
    fn is_before(&self, param: ParamId) -> bool {
        self.program.states.iter().any(|state| state.from.is_some_and(|from| from.param == param))
    }

    /// What `tile` loads, if it does nothing else.
    fn source(&self, tile: Tile, transposed: bool) -> Option<Source> {
        match *self.op(tile.value) {
            _ if tile.transposed != transposed => None,
            TileOp::Load { source } => Some(Source { param: source, table: None }),
            TileOp::Gather { source, table } => Some(Source { param: source, table: Some(table) }),
            _ => None,
        }
    }

    /// Attention whose scores go through maps and nothing else: `acc += dot(f(dot(q, k.t())), v)`, and `o.store(acc)`. None of what
    /// is meant to be something else.
    fn without_softmax(&mut self) -> Option<Attention> {
        let program = self.program;
        let is_step = |value: &Value| matches!(value.op, TileOp::SoftmaxStep { .. });
        if program.values.iter().any(is_step) {
            return None;
        }
        let mut sums = program.main_loop.body.iter().filter_map(|stmt| match *stmt {
            Stmt::Accumulate { acc, value } => Some((acc, value)),
            _ => None,
        });
        let (Some((acc, value)), None) = (sums.next(), sums.next()) else { return None };
        let (weights, v) = Tile::of(program, value).factors(program)?;
        let (mut ops, product) = self.score_chain(weights.value);
        let product = if weights.transposed { product.t() } else { product };
        let (a, b) = product.factors(program)?;
        let (TileOp::Owned { param: q }, Some(keys)) = (self.op(a.value), self.source(b, true)) else {
            return None;
        };
        let (loaded, is_slice) = match *self.op(v.value) {
            TileOp::Slice { of, .. } if !v.transposed => (Tile::of(program, of), true),
            _ => (v, false),
        };
        let source = self.source(loaded, false)?;
        let (mut output, mut output_factor) = (None, None);
        for stmt in &program.epilogue {
            let Stmt::Store { param, value } = *stmt else { continue };
            let (tile, factor) = self.with_factor(value);
            match *self.op(tile.value) {
                TileOp::Total { acc: of } if of == acc && output.is_none() => {
                    (output, output_factor) = (Some(param), factor);
                }
                _ => return None,
            }
        }
        let q = *q;
        let values = Values { source, tile: v.value, is_slice, weights: Vec::new() };
        self.check_values(&values, &keys);
        while let Some(ScoreOp::Mask(_)) = ops.last() {
            let message = "what is masked last would be minus infinity times values: mask before a map that makes 0 of that, or \
                           choose, as in `s.map(|x, at| select(…, x, 0.0))`";
            self.stop(Place::Value(weights.value), message);
            ops.pop();
        }
        let (k, v, table) = (keys.param, values.source.param, keys.table);
        let (normalised, weights, scale, keep, seen) = (false, Vec::new(), None, None, Interval::ALL);
        let (sink, lse, lse_before) = (None, None, None);
        let output_before = program.states[acc.0].from.map(|from| from.param);
        Some(Attention {
            q,
            k,
            v,
            table,
            scores: ops,
            normalised,
            weights,
            value_factor: None,
            output_factor,
            scale,
            keep,
            seen,
            sink,
            lse_before,
            output_before,
            output,
            lse,
            lse_base: LogBase::E,
        })
    }

    /// The first softmax step of the loop; any other is in the way.
    fn step(&mut self) -> Option<Step> {
        let mut first = None;
        for stmt in &self.program.main_loop.body {
            let Stmt::Define(p) = *stmt else { continue };
            let TileOp::SoftmaxStep { softmax, scores, acc } = *self.op(p) else { continue };
            if first.is_none() {
                first = Some(Step { p, softmax, scores, acc });
            } else {
                let message =
                    "a second softmax step: a kernel that is compiled has one; write a kernel for each";
                self.stop(Place::Value(p), message);
            }
        }
        if first.is_none() {
            let message = "the loop has no softmax step: write `let p = softmax.step(s, &mut acc);`";
            self.stop(Place::Loop, message);
        }
        first
    }

    /// Where the values come from that are summed, weighted with what `step` gives.
    fn values(&mut self, step: Step) -> Option<Values> {
        let mut summed = None;
        let mut strays = false;
        let acc = self.state(step.acc).to_owned();
        for (index, stmt) in self.program.main_loop.body.iter().enumerate() {
            let Stmt::Accumulate { acc: to, value } = *stmt else { continue };
            if to != step.acc {
                let (to, softmax) = (self.state(to), self.state(step.softmax));
                let message = format!(
                    "`{softmax}.step` rescales `{acc}`, and only that is added to: `{to}` is another accumulator"
                );
                self.stop(Place::InLoop(index), message);
                strays = true;
            } else if summed.is_none() {
                summed = Some((index, value));
            } else {
                let message = format!(
                    "`{acc}` is added to again: a kernel that is compiled has one `{acc} += dot(p, v)`"
                );
                self.stop(Place::InLoop(index), message);
            }
        }
        let Some((index, value)) = summed else {
            if !strays {
                let message = format!("nothing is added to `{acc}`: write `{acc} += dot(p, v);`");
                self.stop(Place::Value(step.p), message);
            }
            return None;
        };
        let product = Tile::of(self.program, value);
        let Some((p, v)) = product.factors(self.program) else {
            let message = format!("only products with values are summed: write `{acc} += dot(p, v)`");
            self.stop(Place::InLoop(index), message);
            return None;
        };
        let (ops, under) = self.score_chain(p.value);
        let mut weights = Vec::new();
        if under.value == step.p && under.transposed == p.transposed {
            weights = self.weights(p, ops);
        } else if !matches!(self.op(under.value), TileOp::SoftmaxStep { .. }) {
            let softmax = self.state(step.softmax);
            let message = format!("the left factor is not what `{softmax}.step` gives: write `dot(p, v)`");
            self.stop(Place::Value(product.value), message);
        }
        let (loaded, is_slice) = match *self.op(v.value) {
            TileOp::Slice { of, .. } if !v.transposed => (Tile::of(self.program, of), true),
            _ => (v, false),
        };
        let Some(source) = self.source(loaded, false) else {
            let message = "the right factor is not values as they are loaded: write `dot(p, v.load(cols))`, or \
                           `dot(p, v.gather(table, cols))`";
            self.stop(Place::Value(product.value), message);
            return None;
        };
        Some(Values { source, tile: v.value, is_slice, weights })
    }

    /// What becomes of probabilities, which are known up to a factor of their row: they are multiplied, and chosen.
    fn weights(&mut self, p: Tile, ops: Vec<ScoreOp>) -> Vec<Expr> {
        let mut weights = Vec::new();
        for op in ops {
            match op {
                ScoreOp::Map(expr) if expr.is_linear() => weights.push(expr),
                ScoreOp::Map(_) => {
                    let message = "probabilities are known up to a factor of their row before `finish`: multiply them by what is \
                                   no probability, or choose between them and 0";
                    self.stop(Place::Value(p.value), message);
                }
                ScoreOp::Mask(_) => {
                    let message = "a masked probability would be minus infinity: mask the scores, or write \
                                   `p.map(|p, at| select(…, p, 0.0))`";
                    self.stop(Place::Value(p.value), message);
                }
            }
        }
        weights
    }

    /// Values are a parameter of their own, or the keys of the scores: those whole, or their first numbers.
    fn check_values(&mut self, Values { source, tile, is_slice, .. }: &Values, keys: &Source) {
        if source.param == keys.param {
            return;
        }
        let name = self.param(source.param);
        if matches!(self.program.params[source.param.0].kind, ParamKind::Keys | ParamKind::PagedKeys) {
            let message = format!(
                "`{name}` holds keys, and not those of the scores: add a parameter of `Values`, or `PagedValues`, or sum `{}`",
                self.param(keys.param)
            );
            self.stop(Place::Value(*tile), message);
        } else if *is_slice {
            let message =
                format!("`{name}` is cut: give `{name}` the dimension of the output, `Values<T, E>`");
            self.stop(Place::Value(*tile), message);
        }
    }

    /// Where queries and keys of the scores come from, and what happens to their product.
    fn scores(&mut self, step: Step) -> Option<(ParamId, Source, Vec<ScoreOp>)> {
        let (ops, product) = self.score_chain(step.scores);
        let Some((a, b)) = product.factors(self.program) else {
            if matches!(self.op(product.value), TileOp::Zip { .. }) {
                let message = "there are no kernels yet whose scores come of two tiles: a sum of two products is one product of \
                               queries and keys that have both parts in a row, one behind the other; what is added to scores \
                               otherwise is a `map`, which may read a `Bias`";
                self.stop(Place::Value(product.value), message);
                return None;
            }
            let message = "the scores are not made of a product: write `dot(q, k.t())`, then `map`, `mask` and arithmetic";
            self.stop(Place::Value(step.p), message);
            return None;
        };
        let is_changed = |tile: &Tile| {
            matches!(self.op(tile.value), TileOp::Map { .. } | TileOp::Mask { .. } | TileOp::Zip { .. })
        };
        if let Some(changed) = [a, b].into_iter().find(is_changed) {
            let message = match self.op(changed.value) {
                TileOp::Map { expr: Expr::Binary(BinaryOp::Mul | BinaryOp::Div, a, b), .. }
                    if a.is_uniform() != b.is_uniform() =>
                {
                    "queries and keys are multiplied as they are loaded: scale the scores instead, as in \
                     `dot(q, k.t()) * scale`, which costs no instruction"
                }
                _ => {
                    "queries and keys are multiplied as they are loaded: change the scores instead, with `map`, `mask` and \
                     arithmetic"
                }
            };
            self.stop(Place::Value(changed.value), message);
            return None;
        }
        let (TileOp::Owned { param: q }, Some(source)) = (self.op(a.value), self.source(b, true)) else {
            let message = "scores are products of queries and keys as they are loaded: write `dot(q, k.load(cols).t())`, \
                           or `dot(q, k.gather(table, cols).t())`";
            self.stop(Place::Value(product.value), message);
            return None;
        };
        let q = *q;
        if matches!(self.program.params[source.param.0].kind, ParamKind::Values | ParamKind::PagedValues) {
            let message = format!(
                "`{}` holds values, and scores are made of keys: add a parameter of `Keys`, or `PagedKeys`",
                self.param(source.param)
            );
            self.stop(Place::Value(b.value), message);
        }
        Some((q, source, ops))
    }

    /// The steps from a product to `last`, first to last, and the product.
    fn score_chain(&self, last: ValueId) -> (Vec<ScoreOp>, Tile) {
        let mut ops = Vec::new();
        let mut at = Tile::of(self.program, last);
        loop {
            let (op, of) = match self.op(at.value) {
                TileOp::Map { of, expr } => (ScoreOp::Map(expr.clone()), of),
                TileOp::Mask { of, keep } => (ScoreOp::Mask(keep.clone()), of),
                _ => break,
            };
            ops.push(op);
            let of = Tile::of(self.program, *of);
            at = Tile { transposed: at.transposed != of.transposed, ..of };
        }
        ops.reverse();
        (ops, at)
    }

    /// What the softmax and its accumulator begin as.
    fn before(&mut self, step: Step) -> (Option<Resumed>, Option<ParamId>) {
        let from = |state: StateId| self.program.states[state.0].from;
        let (lse, output) = (from(step.softmax), from(step.acc));
        if let (None, Some(output)) = (lse, output) {
            let (softmax, name) = (self.state(step.softmax), self.param(output.param));
            let message = format!(
                "`{name}` weighs what its log-sum-exp says, and `{softmax}` begins anew: begin it with \
                 `OnlineSoftmax::resume(lse)`"
            );
            self.stop(Place::Param(output.param), message);
        }
        (lse, output.map(|from| from.param))
    }

    /// The sink of the softmax. A valid program has it of the one that steps, or of one that nothing is made of.
    fn sink(&mut self) -> Option<Expr> {
        let mut sink = None;
        for (index, stmt) in self.program.epilogue.iter().enumerate() {
            let Stmt::Sink { logit, .. } = stmt else { continue };
            if sink.is_some() {
                let message = "a second sink: a kernel that is compiled has one; write one score for both, the logarithm of the sum \
                               of their exponentials";
                self.stop(Place::AfterLoop(index), message);
            }
            sink.get_or_insert(logit.clone());
        }
        sink
    }

    /// What is multiplied by uniform factors, and nothing else, to give this value; and their product.
    fn with_factor(&self, value: ValueId) -> (Tile, Option<Expr>) {
        let (ops, of) = self.score_chain(value);
        let expr = |op| match op {
            ScoreOp::Map(expr) => Some(expr),
            ScoreOp::Mask(_) => None,
        };
        let Some(mut maps) = ops.into_iter().map(expr).collect::<Option<Vec<Expr>>>() else {
            return (Tile::of(self.program, value), None);
        };
        let factor = take_factors(&mut maps);
        if maps.is_empty() { (of, factor) } else { (Tile::of(self.program, value), None) }
    }

    /// Where the result of the loop goes, and its log-sum-exp.
    fn stores(&mut self, step: Step) -> Stores {
        let (mut output, mut lse, mut lse_base) = (None, None, LogBase::E);
        let mut output_factor = None;
        let (softmax, acc) = (self.state(step.softmax).to_owned(), self.state(step.acc).to_owned());
        for stmt in &self.program.epilogue {
            let Stmt::Store { param, value } = *stmt else { continue };
            let (tile, factor) = self.with_factor(value);
            let is_scaled = factor.is_some();
            let place = match *self.op(tile.value) {
                TileOp::Finish { softmax: s, acc: a } if s == step.softmax && a == step.acc => {
                    output_factor = output_factor.or(factor);
                    &mut output
                }
                TileOp::Lse { softmax: s, base } if s == step.softmax && !is_scaled => {
                    lse_base = base;
                    &mut lse
                }
                ref other => {
                    let result = match other {
                        TileOp::Lse { base, .. } => format!("{softmax}.{}()", base.method()),
                        _ => format!("{softmax}.finish({acc})"),
                    };
                    let to = self.param(param);
                    let message =
                        format!("only what comes of the loop is stored: write `{to}.store({result});`");
                    self.stop(Place::Store(param), message);
                    continue;
                }
            };
            if let Some(first) = place.replace(param) {
                let (first, second) = (self.param(first), self.param(param));
                let message = format!("this is stored to `{first}` already, once for all: remove `{second}`");
                self.stop(Place::Store(param), message);
            }
        }
        Stores { output, output_factor, lse, lse_base }
    }
}

/// Where results go.
struct Stores {
    output: Option<ParamId>,
    output_factor: Option<Expr>,
    lse: Option<ParamId>,
    lse_base: LogBase,
}

/// The product of two expressions.
fn product(a: Option<Expr>, b: Expr) -> Expr {
    match a {
        None => b,
        Some(a) => Expr::Binary(BinaryOp::Mul, Box::new(a), Box::new(b)),
    }
}

/// What is multiplied, and the uniform factor, of a product of the two.
fn uniform_factor(expr: &Expr) -> Option<(&Expr, &Expr)> {
    let Expr::Binary(BinaryOp::Mul, a, b) = expr else { return None };
    match (a.is_uniform(), b.is_uniform()) {
        (false, true) => Some((a, b)),
        (true, false) => Some((b, a)),
        _ => None,
    }
}

/// Takes uniform factors off the last of `maps`, as far as maps are nothing but that.
fn take_factors(maps: &mut Vec<Expr>) -> Option<Expr> {
    let mut taken = None;
    while let Some((inner, factor)) = maps.last().and_then(uniform_factor) {
        taken = Some(product(taken, factor.clone()));
        let inner = inner.clone();
        maps.pop();
        if inner != Expr::X {
            maps.push(inner);
        }
    }
    taken
}

/// Takes the trailing masks off as one condition, then uniform factors off the maps before them.
fn split_scores(mut ops: Vec<ScoreOp>, fold_scale: bool) -> (Vec<ScoreOp>, Option<Expr>, Option<Expr>) {
    let mut keep = None;
    while let Some(ScoreOp::Mask(_)) = ops.last() {
        let Some(ScoreOp::Mask(condition)) = ops.pop() else { break };
        keep = Some(match keep {
            None => condition,
            Some(later) => Expr::Binary(BinaryOp::And, Box::new(condition), Box::new(later)),
        });
    }
    let mut scale = None;
    while fold_scale && let Some(ScoreOp::Map(map)) = ops.last() {
        let split = uniform_factor(map);
        // One that is written, and is not above zero, stays where it is, whatever was asked.
        let split = split.filter(|(_, factor)| factor.literal().is_none_or(|factor| factor > 0.0));
        let Some((inner, factor)) = split else { break };
        scale = Some(product(scale, factor.clone()));
        let inner = inner.clone();
        ops.pop();
        if inner != Expr::X {
            ops.push(ScoreOp::Map(inner));
        }
    }
    (ops, scale, keep)
}
