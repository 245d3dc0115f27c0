//! What an expression varies with: the element, its row, its column, its head.

use crate::program::{BinaryOp, Expr, UnaryOp};

impl Expr {
    /// Whether `predicate` holds for this node or any below it.
    pub fn any(&self, predicate: &mut impl FnMut(&Expr) -> bool) -> bool {
        predicate(self)
            || match self {
                Expr::Index(_, a) | Expr::Unary(_, a) => a.any(predicate),
                Expr::At(_, indices) => indices.iter().any(|index| index.any(predicate)),
                Expr::Random(names) => names.iter().any(|name| name.any(predicate)),
                Expr::Binary(_, a, b) => a.any(predicate) || b.any(predicate),
                Expr::Select(c, a, b) => c.any(predicate) || a.any(predicate) || b.any(predicate),
                _ => false,
            }
    }

    /// How many operations stand in it.
    pub fn operations(&self) -> usize {
        match self {
            Expr::Index(_, a) | Expr::Unary(_, a) => 1 + a.operations(),
            Expr::At(_, indices) => 1 + indices.iter().map(Expr::operations).sum::<usize>(),
            Expr::Random(names) => 1 + names.iter().map(Expr::operations).sum::<usize>(),
            Expr::Binary(_, a, b) => 1 + a.operations() + b.operations(),
            Expr::Select(c, a, b) => 1 + c.operations() + a.operations() + b.operations(),
            _ => 0,
        }
    }

    /// The same for every element of an instance's tiles, and for every head packed into its rows.
    pub fn is_uniform(&self) -> bool {
        !self.any(&mut |e| matches!(e, Expr::X | Expr::Y | Expr::Row | Expr::Query | Expr::Col | Expr::Head))
    }

    /// The same for every element of a row.
    pub fn is_row_only(&self) -> bool {
        !self.any(&mut |e| matches!(e, Expr::X | Expr::Y | Expr::Col))
    }

    /// Whether a vector or a table is read at numbers that differ between the columns.
    pub fn reads_by_column(&self) -> bool {
        self.any(&mut |e| matches!(e, Expr::Index(..) | Expr::At(..)) && !e.is_row_only())
    }

    /// Instructions, roughly, that make it of one score: of all that is not the same for a whole row.
    pub fn effort(&self) -> usize {
        if self.is_row_only() {
            return 0;
        }
        let (own, of): (usize, Vec<&Expr>) = match self {
            Expr::Index(_, at) => (4, vec![at]),
            Expr::At(_, at) => (4, at.iter().collect()),
            Expr::Random(names) => (40, names.iter().collect()),
            Expr::Unary(UnaryOp::Sin | UnaryOp::Cos, a) => (16, vec![a]),
            Expr::Unary(_, a) => (1, vec![a]),
            Expr::Binary(BinaryOp::RemEuclid | BinaryOp::DivEuclid, a, b) => (8, vec![a, b]),
            Expr::Binary(BinaryOp::Div | BinaryOp::Rem, a, b) if b.is_constant() => (4, vec![a]),
            Expr::Binary(BinaryOp::Div | BinaryOp::Rem, a, b) => (6, vec![a, b]),
            Expr::Binary(_, a, b) => (1, vec![a, b]),
            Expr::Select(c, a, b) => (1, vec![c, a, b]),
            _ => (0, Vec::new()),
        };
        own + of.into_iter().map(Expr::effort).sum::<usize>()
    }

    /// Whether a number that nothing bounds stands here for a score, or is added to one. What is computed of several numbers is
    /// not taken to be one of these.
    pub fn may_be_huge(&self) -> bool {
        /// From here on a score is lost in it.
        const HUGE: f32 = 1e7;
        match self {
            Expr::Float(x) => x.abs() >= HUGE && x.is_finite(),
            Expr::Param(_) | Expr::Index(..) | Expr::At(..) => true,
            Expr::Unary(UnaryOp::Neg, a) => a.may_be_huge(),
            Expr::Binary(BinaryOp::Add | BinaryOp::Sub | BinaryOp::Min | BinaryOp::Max, a, b) => {
                a.may_be_huge() || b.may_be_huge()
            }
            Expr::Select(_, a, b) => a.may_be_huge() || b.may_be_huge(),
            _ => false,
        }
    }

    /// Whether it is the element times something that the element is not in, or a sum or a choice of such.
    pub fn is_linear(&self) -> bool {
        let is_free = |e: &Expr| !e.any(&mut |e| matches!(e, Expr::X | Expr::Y));
        match self {
            Expr::X => true,
            Expr::Float(x) => *x == 0.0,
            Expr::Unary(UnaryOp::Neg, a) => a.is_linear(),
            Expr::Binary(BinaryOp::Mul, a, b) => a.is_linear() && is_free(b) || is_free(a) && b.is_linear(),
            Expr::Binary(BinaryOp::Div, a, b) => a.is_linear() && is_free(b),
            Expr::Binary(BinaryOp::Add | BinaryOp::Sub, a, b) => a.is_linear() && b.is_linear(),
            Expr::Select(c, a, b) => is_free(c) && a.is_linear() && b.is_linear(),
            _ => false,
        }
    }

    /// The same for every element of a column.
    pub fn is_col_only(&self) -> bool {
        !self.any(&mut |e| matches!(e, Expr::X | Expr::Y | Expr::Row | Expr::Query | Expr::Head))
    }
}
