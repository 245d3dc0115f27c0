//! What expressions ask of the sequence that they are evaluated in: its lengths, and the numbers that it has of vectors and tables.

use crate::program::{Along, Expr, ParamId, ParamKind, Program, Stmt, TileOp, Vector};

impl Program {
    /// Every scalar expression.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        let of_values = self.values.iter().filter_map(|value| match &value.op {
            TileOp::Map { expr, .. } | TileOp::Zip { expr, .. } | TileOp::Mask { keep: expr, .. } => {
                Some(expr)
            }
            _ => None,
        });
        let of_sinks = self.epilogue.iter().filter_map(|stmt| match stmt {
            Stmt::Sink { logit, .. } => Some(logit),
            _ => None,
        });
        of_values.chain(of_sinks)
    }

    /// What `expr` reads of which each sequence may have numbers of its own, each once: vectors by tokens, and tables.
    pub fn own_numbers(&self, expr: &Expr) -> Vec<ParamId> {
        let mut found = Vec::new();
        expr.any(&mut |leaf| {
            if let Expr::Index(param, _) | Expr::At(param, _) = leaf
                && self.params[param.0].kind.is_of_sequence()
                && !found.contains(param)
            {
                found.push(*param);
            }
            false
        });
        found
    }

    /// Whether a parameter has a number for each KV head of each sequence, however long that is.
    pub fn is_per_kv_head(&self, param: ParamId) -> bool {
        matches!(self.params[param.0].kind, ParamKind::Vector(Vector { along: Along::KvHeads, .. }))
    }

    /// Whether an element of a table is read at this very index along an axis of what indexes it.
    pub fn reads_at(&self, table: ParamId, axis: usize, index: &Expr) -> bool {
        self.expressions().any(|expr| {
            expr.any(&mut |leaf| match leaf {
                Expr::At(param, indices) => *param == table && indices.get(axis) == Some(index),
                _ => false,
            })
        })
    }

    /// Whether `expr` has to know how many queries or keys the sequence has: it says so, or an index is counted in them.
    pub fn asks_lens(&self, expr: &Expr) -> bool {
        expr.any(&mut |leaf| matches!(leaf, Expr::QLen | Expr::KvLen | Expr::Query))
            || self.own_numbers(expr).iter().any(|param| !self.is_per_kv_head(*param))
    }
}
