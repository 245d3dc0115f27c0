//! From a mask to loop bounds.
//!
//! A condition on (row, col) is turned into an interval of columns per row, `lo(row) ≤ col ≤ hi(row)`, with
//! the ends affine in the row and in uniform values, or minima and maxima of such. An interval is *exact* if
//! the condition holds for precisely those columns; otherwise it only contains them, and the condition is
//! evaluated element by element inside it.
//!
//! The lowering then never loads tiles outside the interval of a tile's rows, runs tiles inside every row's
//! interval without predicates, and masks the few between.

use crate::program::{BinaryOp, Expr, Program, UnaryOp};

/// `row·r + col·c + Σ coefficient·atom + constant`, where an atom is a uniform i32 expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// Coefficient of the row.
    pub row: i64,
    /// Coefficient of the column.
    pub col: i64,
    /// Uniform expressions and their coefficients.
    pub atoms: Vec<(Expr, i64)>,
    /// What is added.
    pub constant: i64,
}

/// One end of an interval: no column appears in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// An affine form of the row.
    Affine(Affine),
    /// The least of several.
    Min(Vec<Bound>),
    /// The greatest of several.
    Max(Vec<Bound>),
}

/// The columns that a condition may keep, per row. Both ends belong to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// No column below this is kept.
    pub lo: Option<Bound>,
    /// No column above this is kept.
    pub hi: Option<Bound>,
    /// Every column between is kept.
    pub exact: bool,
}

impl Interval {
    /// Keeps everything.
    pub const ALL: Interval = Interval { lo: None, hi: None, exact: true };
    /// Says nothing: keeps an unknown set of columns.
    const UNKNOWN: Interval = Interval { lo: None, hi: None, exact: false };

    /// The interval of `keep`.
    pub fn of(keep: &Expr) -> Interval {
        interval(keep, false)
    }
}

/// The conditions that `keep` is the conjunction of.
pub fn conjuncts(keep: &Expr) -> Vec<&Expr> {
    match keep {
        Expr::Binary(BinaryOp::And, a, b) => [conjuncts(a), conjuncts(b)].concat(),
        condition => vec![condition],
    }
}

fn interval(keep: &Expr, negated: bool) -> Interval {
    match keep {
        Expr::Bool(true) if !negated => Interval::ALL,
        Expr::Bool(false) if negated => Interval::ALL,
        Expr::Unary(UnaryOp::Not, inner) => interval(inner, !negated),
        Expr::Binary(op @ (BinaryOp::And | BinaryOp::Or), a, b) => {
            let (a, b) = (interval(a, negated), interval(b, negated));
            // De Morgan: a negated `and` is an `or` of negations.
            if (*op == BinaryOp::And) != negated { intersect(a, b) } else { unite(a, b) }
        }
        Expr::Binary(op, a, b) => {
            let Some(op) = Compare::of(*op, negated) else { return Interval::UNKNOWN };
            match (affine(a), affine(b)) {
                (Some(a), Some(b)) => compare(op, a, b),
                _ => Interval::UNKNOWN,
            }
        }
        _ => Interval::UNKNOWN,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Compare {
    Eq,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Compare {
    fn of(op: BinaryOp, negated: bool) -> Option<Compare> {
        Some(match (op, negated) {
            (BinaryOp::Eq, false) | (BinaryOp::Ne, true) => Compare::Eq,
            (BinaryOp::Lt, false) | (BinaryOp::Ge, true) => Compare::Lt,
            (BinaryOp::Le, false) | (BinaryOp::Gt, true) => Compare::Le,
            (BinaryOp::Gt, false) | (BinaryOp::Le, true) => Compare::Gt,
            (BinaryOp::Ge, false) | (BinaryOp::Lt, true) => Compare::Ge,
            _ => return None,
        })
    }
}

/// `a op b`, solved for the column. A coefficient other than ±1 would need a rounded division: not taken.
fn compare(op: Compare, a: Affine, b: Affine) -> Interval {
    let difference = a.plus(&b, -1); // a - b op 0
    // col·c + rest op 0: with c = 1, col op -rest; with c = -1, col (mirrored op) rest.
    let (solution, mirrored) = match difference.col {
        1 => (difference.without_col().negated(), false),
        -1 => (difference.without_col(), true),
        _ => return Interval::UNKNOWN,
    };
    let op = match (op, mirrored) {
        (Compare::Lt, true) => Compare::Gt,
        (Compare::Le, true) => Compare::Ge,
        (Compare::Gt, true) => Compare::Lt,
        (Compare::Ge, true) => Compare::Le,
        (op, _) => op,
    };
    let end = |offset: i64| {
        let mut end = solution.clone();
        end.constant += offset;
        Some(Bound::Affine(end))
    };
    let (lo, hi) = match op {
        Compare::Lt => (None, end(-1)),
        Compare::Le => (None, end(0)),
        Compare::Gt => (end(1), None),
        Compare::Ge => (end(0), None),
        Compare::Eq => (end(0), end(0)),
    };
    Interval { lo, hi, exact: true }
}

fn intersect(a: Interval, b: Interval) -> Interval {
    Interval {
        lo: either(a.lo, b.lo, Bound::Max),
        hi: either(a.hi, b.hi, Bound::Min),
        exact: a.exact && b.exact,
    }
}

fn unite(a: Interval, b: Interval) -> Interval {
    // A union of intervals is an interval for certain only if both reach to the same infinity.
    let rays = (a.lo.is_none() && b.lo.is_none()) || (a.hi.is_none() && b.hi.is_none());
    Interval {
        exact: rays && a.exact && b.exact,
        lo: both(a.lo, b.lo, Bound::Min),
        hi: both(a.hi, b.hi, Bound::Max),
    }
}

fn either(a: Option<Bound>, b: Option<Bound>, join: fn(Vec<Bound>) -> Bound) -> Option<Bound> {
    match (a, b) {
        (Some(a), Some(b)) => Some(join(vec![a, b])),
        (a, b) => a.or(b),
    }
}

fn both(a: Option<Bound>, b: Option<Bound>, join: fn(Vec<Bound>) -> Bound) -> Option<Bound> {
    Some(join(vec![a?, b?]))
}

/// The affine form of an i32 expression, if it has one.
fn affine(expr: &Expr) -> Option<Affine> {
    const ZERO: Affine = Affine { row: 0, col: 0, atoms: Vec::new(), constant: 0 };
    match expr {
        Expr::Row => Some(Affine { row: 1, ..ZERO }),
        Expr::Col => Some(Affine { col: 1, ..ZERO }),
        // `row - (kv_len - q_len)`
        Expr::Query => {
            let atoms = vec![(Expr::KvLen, -1), (Expr::QLen, 1)];
            Some(Affine { row: 1, atoms, ..ZERO })
        }
        Expr::Int(n) => Some(Affine { constant: i64::from(*n), ..ZERO }),
        Expr::Binary(BinaryOp::Add, a, b) => Some(affine(a)?.plus(&affine(b)?, 1)),
        Expr::Binary(BinaryOp::Sub, a, b) => Some(affine(a)?.plus(&affine(b)?, -1)),
        Expr::Unary(UnaryOp::Neg, a) => Some(affine(a)?.negated()),
        Expr::Binary(BinaryOp::Mul, a, b) => match (&**a, &**b) {
            (Expr::Int(n), other) | (other, Expr::Int(n)) => Some(ZERO.plus(&affine(other)?, i64::from(*n))),
            _ => uniform_atom(expr),
        },
        _ => uniform_atom(expr),
    }
}

fn uniform_atom(expr: &Expr) -> Option<Affine> {
    let float = expr.any(&mut |e| matches!(e, Expr::Float(_) | Expr::Unary(UnaryOp::ToF32, _)));
    (expr.is_uniform() && !float).then(|| Affine {
        row: 0,
        col: 0,
        atoms: vec![(expr.clone(), 1)],
        constant: 0,
    })
}

impl Affine {
    fn plus(&self, other: &Affine, factor: i64) -> Affine {
        let mut sum = self.clone();
        sum.row += factor * other.row;
        sum.col += factor * other.col;
        sum.constant += factor * other.constant;
        for (atom, coefficient) in &other.atoms {
            match sum.atoms.iter_mut().find(|(a, _)| a == atom) {
                Some((_, c)) => *c += factor * coefficient,
                None => sum.atoms.push((atom.clone(), factor * coefficient)),
            }
        }
        sum.atoms.retain(|(_, c)| *c != 0);
        sum
    }

    fn negated(&self) -> Affine {
        Affine { row: 0, col: 0, atoms: Vec::new(), constant: 0 }.plus(self, -1)
    }

    fn without_col(&self) -> Affine {
        Affine { col: 0, ..self.clone() }
    }
}

impl Affine {
    fn text(&self, atom: &dyn Fn(&Expr) -> String) -> String {
        let mut terms: Vec<(i64, String)> = Vec::new();
        terms.extend((self.row != 0).then(|| (self.row, "row".to_owned())));
        terms.extend((self.col != 0).then(|| (self.col, "col".to_owned())));
        terms.extend(self.atoms.iter().map(|(expr, c)| (*c, atom(expr))));
        terms.extend((self.constant != 0 || terms.is_empty()).then(|| (self.constant, String::new())));
        let mut text = String::new();
        for (index, (coefficient, name)) in terms.iter().enumerate() {
            text += match (index, *coefficient < 0) {
                (0, true) => "-",
                (0, false) => "",
                (_, true) => " - ",
                (_, false) => " + ",
            };
            text += &match (coefficient.unsigned_abs(), name.as_str()) {
                (n, "") => n.to_string(),
                (1, name) => name.to_owned(),
                (n, name) => format!("{n}·{name}"),
            };
        }
        text
    }
}

impl Bound {
    /// Whether it differs from row to row.
    pub fn uses_row(&self) -> bool {
        match self {
            Bound::Affine(form) => form.row != 0,
            Bound::Min(parts) | Bound::Max(parts) => parts.iter().any(Bound::uses_row),
        }
    }

    /// For a person, with the names of the program's parameters.
    pub fn show(&self, program: &Program) -> String {
        self.text(&|atom| program.expr_text(atom))
    }

    fn text(&self, atom: &dyn Fn(&Expr) -> String) -> String {
        let (name, parts) = match self {
            Bound::Affine(affine) => return affine.text(atom),
            Bound::Min(parts) => ("min", parts),
            Bound::Max(parts) => ("max", parts),
        };
        let parts: Vec<String> = parts.iter().map(|part| part.text(atom)).collect();
        format!("{name}({})", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::ParamId;

    fn binary(op: BinaryOp, a: Expr, b: Expr) -> Expr {
        Expr::Binary(op, Box::new(a), Box::new(b))
    }

    fn window() -> Expr {
        Expr::Param(ParamId(0))
    }

    #[test]
    fn masks_become_intervals() {
        use BinaryOp::*;
        let causal = || binary(Le, Expr::Col, Expr::Row);
        let recent = || binary(Lt, binary(Sub, Expr::Row, Expr::Col), window());
        let prefix = || binary(Lt, Expr::Col, Expr::Int(100));
        let table: &[(Expr, &str, &str, bool)] = &[
            (causal(), "-inf", "row", true),
            (binary(And, causal(), recent()), "row - window + 1", "row", true),
            (binary(Or, causal(), prefix()), "-inf", "max(row, 99)", true),
            (binary(Or, causal(), recent()), "-inf", "inf", false),
            (Expr::Unary(UnaryOp::Not, Box::new(causal())), "row + 1", "inf", true),
            (binary(Eq, Expr::Col, Expr::Row), "row", "row", true),
            (binary(Le, Expr::Col, Expr::Query), "-inf", "row - kv_len + q_len", true),
            (binary(Lt, Expr::Col, binary(Sub, Expr::KvLen, Expr::QLen)), "-inf", "kv_len - q_len - 1", true),
            (binary(Ne, Expr::Col, Expr::Row), "-inf", "inf", false),
            (binary(Le, binary(Mul, Expr::Int(2), Expr::Col), Expr::Row), "-inf", "inf", false),
            (binary(And, causal(), binary(Eq, Expr::Head, Expr::Int(1))), "-inf", "row", false),
            (Expr::Bool(true), "-inf", "inf", true),
            (Expr::Bool(false), "-inf", "inf", false),
        ];
        for (mask, lo, hi, exact) in table {
            let got = Interval::of(mask);
            let show = |b: &Option<Bound>, infinite: &str| {
                let atom = |atom: &Expr| match atom {
                    Expr::KvLen => "kv_len".to_owned(),
                    Expr::QLen => "q_len".to_owned(),
                    _ => "window".to_owned(),
                };
                b.as_ref().map_or(infinite.to_owned(), |b| b.text(&atom))
            };
            assert_eq!(
                (show(&got.lo, "-inf"), show(&got.hi, "inf"), got.exact),
                (lo.to_string(), hi.to_string(), *exact),
                "{mask:?}"
            );
        }
    }
}
