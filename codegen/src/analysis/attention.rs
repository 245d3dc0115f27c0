//! Recognises attention in a [`Program`]: which values are Q, K and V, what happens to a score between the
//! first product and the softmax, and what is stored.
//!
//! The lowerings take programs of this form. Anything else the language can say is refused here, by name.

use super::bounds::Interval;
use crate::program::{BinaryOp, Expr, ParamId, ParamKind, Program, StateId, Stmt, TileOp, ValueId};

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
    /// A uniform factor of the score after all maps, before the masks; folded into the exponential.
    pub scale: Option<Expr>,
    /// Masks after the last map, as one condition: `None` keeps everything.
    pub keep: Option<Expr>,
    /// The columns that `keep` leaves a row.
    pub seen: Interval,
    /// Where the output goes, if it is stored.
    pub output: Option<ParamId>,
    /// Where the log-sum-exp goes, if it is stored.
    pub lse: Option<ParamId>,
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

impl Attention {
    /// Whether some mask has to be evaluated for every score: it is no interval, or stands before a map.
    pub fn has_conditions(&self) -> bool {
        !self.seen.exact || self.scores.iter().any(|op| matches!(op, ScoreOp::Mask(_)))
    }
}

/// Why a well-formed program cannot be lowered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kernel `{kernel}`: {message}")]
pub struct NotAttention {
    /// The kernel's name.
    pub kernel: String,
    /// What stands in the way, and what to write instead.
    pub message: String,
}

/// Recognises `program`, folding a trailing uniform factor into [`Attention::scale`] if `fold_scale`.
pub fn recognise(program: &Program, fold_scale: bool) -> Result<Attention, NotAttention> {
    Recogniser { program }
        .run(fold_scale)
        .map_err(|message| NotAttention { kernel: program.name.clone(), message: message.to_owned() })
}

struct Recogniser<'a> {
    program: &'a Program,
}

impl Recogniser<'_> {
    fn run(&self, fold_scale: bool) -> Result<Attention, &'static str> {
        let body = &self.program.main_loop.body;
        let mut step = None;
        let mut product = None;
        for stmt in body {
            match stmt {
                Stmt::Define(id) => {
                    if let TileOp::SoftmaxStep { softmax, scores, acc } = self.op(*id)
                        && step.replace((*id, *softmax, *scores, *acc)).is_some()
                    {
                        return Err("the loop has two softmax steps; write one kernel for each");
                    }
                }
                Stmt::Accumulate { acc, value } => {
                    if product.replace((*acc, *value)).is_some() {
                        return Err("the loop accumulates twice; one `acc += dot(p, v)` is lowered");
                    }
                }
                Stmt::Store { .. } => return Err("a store inside the loop; store after it"),
            }
        }
        let (p, softmax, scores, acc) = step.ok_or("the loop has no `softmax.step(scores, &mut acc)`")?;
        let (accumulated, value) = product.ok_or("the loop has no `acc += dot(p, v)`")?;
        if accumulated != acc {
            return Err(
                "the accumulator given to `softmax.step` is not the one that `dot(p, v)` is added to",
            );
        }
        let TileOp::Dot { a, b } = self.op(value) else {
            return Err("only a product is accumulated: write `acc += dot(p, v)`");
        };
        if *a != p {
            return Err("the left factor of `acc += dot(p, v)` must be what `softmax.step` returned");
        }
        // The first numbers of the keys may be the values.
        let (values, is_slice) = match self.op(*b) {
            TileOp::Slice { of, .. } => (*of, true),
            _ => (*b, false),
        };
        let (v, v_table) =
            self.tile_source(values).ok_or("the right factor of `dot(p, v)` must be loaded values")?;

        let (score_ops, dot) = self.score_chain(scores)?;
        let TileOp::Dot { a, b } = self.op(dot) else {
            return Err("scores must come from `dot(q, k.t())` through `map`, `mask` and arithmetic");
        };
        let TileOp::Query { param: q } = self.op(*a) else {
            return Err("the left factor of the scores must be `q.tile()`");
        };
        let TileOp::Transpose { of } = self.op(*b) else {
            return Err("the right factor of the scores must be transposed keys: `k.t()`");
        };
        let (k, k_table) =
            self.tile_source(*of).ok_or("the right factor of the scores must be loaded keys")?;
        if is_slice && v != k {
            return Err(
                "only keys are cut into values, `dot(p, k.slice::<E>())`; give a `Values<T, E>` that is as wide as the output",
            );
        }
        if k_table != v_table {
            return Err("keys and values must both go through the same block table, or both be contiguous");
        }
        if self.param_is(k, &[ParamKind::Values, ParamKind::PagedValues]) {
            return Err("the scores are made from values; pass a `Keys` or `PagedKeys` parameter");
        }
        if v != k && self.param_is(v, &[ParamKind::Keys, ParamKind::PagedKeys]) {
            return Err(
                "`dot(p, …)` takes other keys than the scores; pass a `Values` or `PagedValues` parameter",
            );
        }

        let (output, lse) = self.stores(softmax, acc)?;
        let (scores, scale, keep) = split_scores(score_ops, fold_scale);
        let seen = keep.as_ref().map_or(Interval::ALL, Interval::of);
        Ok(Attention { q: *q, k, v, table: k_table, scores, scale, keep, seen, output, lse })
    }

    fn op(&self, id: ValueId) -> &TileOp {
        &self.program.values[id.0].op
    }

    fn param_is(&self, id: ParamId, kinds: &[ParamKind]) -> bool {
        kinds.contains(&self.program.params[id.0].kind)
    }

    fn tile_source(&self, id: ValueId) -> Option<(ParamId, Option<ParamId>)> {
        match self.op(id) {
            TileOp::Load { source } => Some((*source, None)),
            TileOp::Gather { source, table } => Some((*source, Some(*table))),
            _ => None,
        }
    }

    /// The steps from a product to `last`, first to last, and the product.
    fn score_chain(&self, last: ValueId) -> Result<(Vec<ScoreOp>, ValueId), &'static str> {
        let mut ops = Vec::new();
        let mut at = last;
        loop {
            match self.op(at) {
                TileOp::Map { of, expr } => {
                    ops.push(ScoreOp::Map(expr.clone()));
                    at = *of;
                }
                TileOp::Mask { of, keep } => {
                    ops.push(ScoreOp::Mask(keep.clone()));
                    at = *of;
                }
                _ => break,
            }
        }
        ops.reverse();
        Ok((ops, at))
    }

    fn stores(
        &self,
        softmax: StateId,
        acc: StateId,
    ) -> Result<(Option<ParamId>, Option<ParamId>), &'static str> {
        let (mut output, mut lse) = (None, None);
        for stmt in &self.program.epilogue {
            let Stmt::Store { param, value } = stmt else { continue };
            match self.op(*value) {
                TileOp::Finish { softmax: s, acc: a } if *s == softmax && *a == acc => output = Some(*param),
                TileOp::Lse { softmax: s } if *s == softmax => lse = Some(*param),
                _ => return Err("only `softmax.finish(acc)` and `softmax.lse()` are stored"),
            }
        }
        match (output, lse) {
            (None, None) => Err("nothing is stored; end with `o.store(softmax.finish(acc))`"),
            stores => Ok(stores),
        }
    }
}

/// Takes the trailing masks off as one condition, then a uniform factor off the map before them.
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
    if fold_scale && let Some(ScoreOp::Map(Expr::Binary(BinaryOp::Mul, a, b))) = ops.last() {
        let split = match (a.is_uniform(), b.is_uniform()) {
            (false, true) => Some((a, b)),
            (true, false) => Some((b, a)),
            _ => None,
        };
        if let Some((inner, factor)) = split {
            scale = Some((**factor).clone());
            let inner = (**inner).clone();
            ops.pop();
            if inner != Expr::X {
                ops.push(ScoreOp::Map(inner));
            }
        }
    }
    (ops, scale, keep)
}
