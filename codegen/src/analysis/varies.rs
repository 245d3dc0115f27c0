//! What an expression varies with: the element, its row, its column, its head.

use crate::program::Expr;

impl Expr {
    /// Whether `predicate` holds for this node or any below it.
    pub fn any(&self, predicate: &mut impl FnMut(&Expr) -> bool) -> bool {
        predicate(self)
            || match self {
                Expr::Index(_, a) | Expr::Unary(_, a) => a.any(predicate),
                Expr::At(_, indices) => indices.iter().any(|index| index.any(predicate)),
                Expr::Binary(_, a, b) => a.any(predicate) || b.any(predicate),
                Expr::Select(c, a, b) => c.any(predicate) || a.any(predicate) || b.any(predicate),
                _ => false,
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

    /// The same for every element of a column.
    pub fn is_col_only(&self) -> bool {
        !self.any(&mut |e| matches!(e, Expr::X | Expr::Y | Expr::Row | Expr::Query | Expr::Head))
    }
}
