//! Vectors of numbers that scalar expressions index: the table of what there are numbers for. The front end, the ABI, the
//! batch check, the reference, the maker of problems and the macro read it.

use super::{BinaryOp, Expr, ScalarType};

/// A vector parameter: `PerHead<f32>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vector {
    /// What it has a number for.
    pub along: Along,
    /// f32 or i32.
    pub element: ScalarType,
}

/// What a vector has a number for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Along {
    /// Each query head.
    Heads,
}

impl Along {
    /// All of them.
    pub const ALL: [Along; 1] = [Along::Heads];

    /// The type's name in the language.
    pub const fn type_name(self) -> &'static str {
        match self {
            Along::Heads => "PerHead",
        }
    }

    /// What it has a number for each of.
    pub const fn each(self) -> &'static str {
        match self {
            Along::Heads => "head",
        }
    }

    /// Its length, as shapes write it.
    pub const fn length(self) -> &'static str {
        match self {
            Along::Heads => "q_heads",
        }
    }

    /// The index that it is meant for, as authors write it.
    pub const fn place(self) -> &'static str {
        match self {
            Along::Heads => "at.head",
        }
    }

    /// Whether an index is inside by construction, whatever its leaves are. Any other is clamped: one below 0 reads the first
    /// number, one past the end the last.
    pub fn fits(self, index: &Expr) -> bool {
        match index {
            Expr::Head => self == Along::Heads,
            // Of what is not negative neither is larger than it; by 0 both are 0.
            Expr::Binary(BinaryOp::Rem, a, _) => self.fits(a),
            Expr::Binary(BinaryOp::Div, a, by) => self.fits(a) && matches!(**by, Expr::Int(by) if by >= 0),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_that_fit() {
        let op = |op, a, b| Expr::Binary(op, Box::new(a), Box::new(b));
        use BinaryOp::{Add, Div, Rem};
        use Expr::{Head, Int, Seq};
        let table = [
            (Head, true),
            (op(Rem, Head, Int(4)), true),
            (op(Rem, Head, Seq), true),
            (op(Div, Head, Int(4)), true),
            (op(Div, op(Rem, Head, Int(-3)), Int(0)), true),
            (op(Div, Head, Int(-1)), false),
            (op(Div, Head, Seq), false),
            (op(Add, Head, Int(1)), false),
            (Seq, false),
            (Int(0), false),
        ];
        for (index, expected) in table {
            assert_eq!(Along::Heads.fits(&index), expected, "{index:?}");
        }
    }
}
