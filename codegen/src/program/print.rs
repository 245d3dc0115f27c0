//! Programs as text, for `kgen explain`, dumps and snapshots.
//!
//! One statement a line. Parameters are written `@scale`, tiles by the name that the author gave them (`s`,
//! and `s.2` for the second of that name) or by number (`%4`), states by theirs. Scalar expressions are
//! written as in the source, with `x`, `y`, `row`, `col`, `head` and `seq` for what the closure was given.

use super::{
    Arguments, Axis, BinaryOp, Dim, Element, Expr, Generic, Param, ParamId, ParamKind, Program, Resumed,
    ScalarType, StateId, StateKind, Stmt, TileOp, TileType, UnaryOp, ValueId, Vector,
};
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let printer = Printer { program: self, names: self.value_names() };
        let dims = self.dims.iter().map(open);
        let open = self.elements.iter().map(open).chain(dims).flatten().collect::<Vec<_>>();
        let generics = if open.is_empty() { String::new() } else { format!("<{}>", open.join(", ")) };
        writeln!(f, "kernel {}{generics}", self.name)?;
        for param in &self.params {
            writeln!(f, "  @{}: {}", param.name, self.param_type(param))?;
        }
        for state in &self.states {
            match (state.kind, state.from) {
                (StateKind::OnlineSoftmax, None) => writeln!(f, "  state {}: online softmax", state.name)?,
                (StateKind::OnlineSoftmax, Some(Resumed { param, base })) => {
                    let (lse, method) = (printer.param(param), base.method());
                    writeln!(f, "  state {}: online softmax from {method} {lse}", state.name)?;
                }
                (StateKind::Accumulator(ty), from) => {
                    let from = from.map_or_else(|| "0".to_owned(), |from| printer.param(from.param));
                    writeln!(f, "  state {}: {} = {from}", state.name, self.tile_text(ty))?;
                }
            }
        }
        printer.statements(f, "  ", &self.prologue)?;
        let over = printer.param(self.main_loop.over);
        writeln!(f, "  for {} in {over} {{", self.main_loop.var)?;
        printer.statements(f, "    ", &self.main_loop.body)?;
        writeln!(f, "  }}")?;
        printer.statements(f, "  ", &self.epilogue)
    }
}

fn open<T>(generic: &Generic<T>) -> Option<&str> {
    match generic {
        Generic::Open(name) => Some(name),
        Generic::Fixed(_) => None,
    }
}

impl Program {
    /// A name for each value, unique in the program: what the author called it, with a number where several
    /// are called the same, or `%` and its index where it has no name.
    pub fn value_names(&self) -> Vec<String> {
        let mut seen = HashMap::new();
        let name = |(index, value): (usize, &super::Value)| {
            let Some(name) = &value.name else { return format!("%{index}") };
            let count = seen.entry(name.clone()).or_insert(0);
            *count += 1;
            if *count == 1 { name.clone() } else { format!("{name}.{count}") }
        };
        self.values.iter().enumerate().map(name).collect()
    }

    /// An expression as [`Program`]'s own `Display` writes it.
    pub fn expr_text(&self, expr: &Expr) -> String {
        Printer { program: self, names: Vec::new() }.expr(expr, 0)
    }

    /// A tile's axes: `Rows×Dim`, or `Rows×Dim<E>` where there are several head dimensions; `Rows` of a number of each row.
    pub fn tile_text(&self, TileType { rows, cols }: TileType) -> String {
        let axis = |axis| match axis {
            Axis::Rows => "Rows".into(),
            Axis::Cols => "Cols".into(),
            Axis::One => "One".into(),
            Axis::Dim(_) if self.dims.len() == 1 => "Dim".into(),
            Axis::Dim(dim) => format!("Dim<{}>", self.dim_text(dim)),
        };
        match cols {
            Axis::One => axis(rows),
            _ => format!("{}×{}", axis(rows), axis(cols)),
        }
    }

    /// A head dimension as its author wrote it: a name or a number.
    pub fn dim_text(&self, dim: Dim) -> String {
        self.dims.get(dim.0).map_or_else(|| "?".into(), Generic::<usize>::text)
    }

    /// An element type as its author wrote it: the generic's name, or the type's.
    pub fn element_text(&self, element: Element) -> String {
        self.elements.get(element.0).map_or_else(|| "?".into(), Generic::<super::DType>::text)
    }

    fn param_type(&self, param: &Param) -> String {
        let ty = param.kind.ty();
        match (ty.arguments, param.kind) {
            (Arguments::ElementAndDim, _) => {
                let element = param.element.map_or_else(|| "?".into(), |element| self.element_text(element));
                let dim = param.dim.map_or_else(|| "?".into(), |dim| self.dim_text(dim));
                format!("{}<{element}, {dim}>", ty.name)
            }
            (Arguments::Element, ParamKind::Bias(dtype)) => {
                let dtype = dtype.map_or_else(|| self.input_element().text(), |dtype| dtype.to_string());
                format!("{}<{dtype}>", ty.name)
            }
            (Arguments::Number, ParamKind::Vector(Vector { element, .. })) => {
                format!("{}<{element}>", ty.name)
            }
            _ => ty.name.into(),
        }
    }
}

/// A program and what its values are called.
struct Printer<'a> {
    program: &'a Program,
    names: Vec<String>,
}

impl Printer<'_> {
    fn statements(&self, f: &mut Formatter<'_>, indent: &str, body: &[Stmt]) -> fmt::Result {
        for stmt in body {
            match stmt {
                Stmt::Define(id) => {
                    let ty = match self.program.values.get(id.0) {
                        Some(value) => self.program.tile_text(value.ty),
                        None => "?".to_string(),
                    };
                    writeln!(f, "{indent}{}: {ty} = {}", self.value(*id), self.op(*id))?;
                }
                Stmt::Accumulate { acc, value } => {
                    writeln!(f, "{indent}{} += {}", self.state(*acc), self.value(*value))?;
                }
                Stmt::Sink { softmax, logit } => {
                    writeln!(f, "{indent}sink {} {{ {} }}", self.state(*softmax), self.expr(logit, 0))?;
                }
                Stmt::Store { param, value } => {
                    writeln!(f, "{indent}store {} to {}", self.value(*value), self.param(*param))?;
                }
            }
        }
        Ok(())
    }

    fn op(&self, id: ValueId) -> String {
        let Some(value) = self.program.values.get(id.0) else { return "?".into() };
        match &value.op {
            TileOp::Owned { param } => format!("tile {}", self.param(*param)),
            TileOp::Load { source } => format!("load {}", self.param(*source)),
            TileOp::Gather { source, table } => {
                format!("gather {} through {}", self.param(*source), self.param(*table))
            }
            TileOp::Slice { of, dim } => {
                format!("slice {} to {}", self.value(*of), self.program.dim_text(*dim))
            }
            TileOp::Transpose { of } => format!("transpose {}", self.value(*of)),
            TileOp::Dot { a, b } => format!("dot {}, {}", self.value(*a), self.value(*b)),
            TileOp::Map { of, expr } => format!("map {} {{ {} }}", self.value(*of), self.expr(expr, 0)),
            TileOp::Zip { a, b, expr } => {
                format!("zip {}, {} {{ {} }}", self.value(*a), self.value(*b), self.expr(expr, 0))
            }
            TileOp::Sum { of } => format!("sum {}", self.value(*of)),
            TileOp::Mask { of, keep } => format!("mask {} {{ {} }}", self.value(*of), self.expr(keep, 0)),
            TileOp::SoftmaxStep { softmax, scores, acc } => format!(
                "step {} with {}, rescaling {}",
                self.state(*softmax),
                self.value(*scores),
                self.state(*acc)
            ),
            TileOp::Finish { softmax, acc } => {
                format!("finish {} with {}", self.state(*softmax), self.state(*acc))
            }
            TileOp::Lse { softmax, base } => format!("{} {}", base.method(), self.state(*softmax)),
            TileOp::Total { acc } => format!("total {}", self.state(*acc)),
        }
    }

    // Ids out of range print as `?`: dumps of ill-formed programs are what one looks at to see why.
    fn value(&self, id: ValueId) -> String {
        self.names.get(id.0).cloned().unwrap_or_else(|| format!("%{}?", id.0))
    }

    fn state(&self, id: StateId) -> String {
        self.program.states.get(id.0).map_or_else(|| format!("state {}?", id.0), |state| state.name.clone())
    }

    fn param(&self, id: ParamId) -> String {
        self.program
            .params
            .get(id.0)
            .map_or_else(|| format!("@{}?", id.0), |param| format!("@{}", param.name))
    }

    /// `outer` is how tightly the place binds: what binds more loosely is put in parentheses.
    fn expr(&self, expr: &Expr, outer: u8) -> String {
        match expr {
            Expr::X => "x".into(),
            Expr::Y => "y".into(),
            Expr::Row => "row".into(),
            Expr::Col => "col".into(),
            Expr::Head => "head".into(),
            Expr::KvHead => "kv_head".into(),
            Expr::Seq => "seq".into(),
            Expr::Query => "query".into(),
            Expr::QLen => "q_len".into(),
            Expr::KvLen => "kv_len".into(),
            Expr::Param(id) => self.param(*id),
            Expr::Index(id, index) => format!("{}[{}]", self.param(*id), self.expr(index, 0)),
            Expr::At(id, indices) => {
                let indices: Vec<String> = indices.iter().map(|index| self.expr(index, 0)).collect();
                format!("{}.at({})", self.param(*id), indices.join(", "))
            }
            Expr::Random(names) => {
                let names: Vec<String> = names.iter().map(|name| self.expr(name, 0)).collect();
                format!("random({})", names.join(", "))
            }
            Expr::Int(n) => negative(*n < 0, n.to_string(), outer),
            Expr::Float(x) => negative(x.is_sign_negative(), format!("{x:?}"), outer),
            Expr::Bool(b) => b.to_string(),
            Expr::Unary(op, of) => match op {
                UnaryOp::Neg => parenthesise(outer > PREFIX, format!("-{}", self.expr(of, PREFIX))),
                UnaryOp::Not => parenthesise(outer > PREFIX, format!("!{}", self.expr(of, PREFIX))),
                UnaryOp::Abs => format!("abs({})", self.expr(of, 0)),
                UnaryOp::Exp => format!("exp({})", self.expr(of, 0)),
                UnaryOp::Tanh => format!("tanh({})", self.expr(of, 0)),
                UnaryOp::Ln => format!("ln({})", self.expr(of, 0)),
                UnaryOp::Sqrt => format!("sqrt({})", self.expr(of, 0)),
                UnaryOp::Exp2 => format!("exp2({})", self.expr(of, 0)),
                UnaryOp::Log2 => format!("log2({})", self.expr(of, 0)),
                UnaryOp::Sin => format!("sin({})", self.expr(of, 0)),
                UnaryOp::Cos => format!("cos({})", self.expr(of, 0)),
                UnaryOp::Floor => format!("floor({})", self.expr(of, 0)),
                UnaryOp::Ceil => format!("ceil({})", self.expr(of, 0)),
                UnaryOp::Trunc => format!("trunc({})", self.expr(of, 0)),
                UnaryOp::Round => format!("round({})", self.expr(of, 0)),
                UnaryOp::BitNot => parenthesise(outer > PREFIX, format!("!{}", self.expr(of, PREFIX))),
                UnaryOp::ToF32 => format!("f32({})", self.expr(of, 0)),
                UnaryOp::ToI32 => format!("i32({})", self.expr(of, 0)),
            },
            Expr::Binary(op, a, b) => match infix(*op) {
                // Comparisons do not chain, so both their sides bind more tightly than they do.
                Some((sign, level)) => {
                    let left = self.expr(a, if level == COMPARISON { level + 1 } else { level });
                    let right = self.expr(b, level + 1);
                    parenthesise(outer > level, format!("{left} {sign} {right}"))
                }
                None => {
                    let name = function(*op);
                    format!("{name}({}, {})", self.expr(a, 0), self.expr(b, 0))
                }
            },
            Expr::Select(c, a, b) => {
                format!("select({}, {}, {})", self.expr(c, 0), self.expr(a, 0), self.expr(b, 0))
            }
        }
    }
}

fn negative(is: bool, text: String, outer: u8) -> String {
    parenthesise(is && outer > PREFIX, text)
}

fn parenthesise(is: bool, text: String) -> String {
    if is { format!("({text})") } else { text }
}

/// What an operator is called that is written before its operands.
fn function(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Min => "min",
        BinaryOp::Max => "max",
        BinaryOp::AtMost => "at_most",
        BinaryOp::AtLeast => "at_least",
        BinaryOp::Pow => "pow",
        BinaryOp::RemEuclid => "rem_euclid",
        BinaryOp::DivEuclid => "div_euclid",
        _ => "?",
    }
}

/// How an operator is written between its operands, and how tightly it binds.
fn infix(op: BinaryOp) -> Option<(&'static str, u8)> {
    Some(match op {
        BinaryOp::Or => ("||", 1),
        BinaryOp::And => ("&&", 2),
        BinaryOp::Eq => ("==", COMPARISON),
        BinaryOp::Ne => ("!=", COMPARISON),
        BinaryOp::Lt => ("<", COMPARISON),
        BinaryOp::Le => ("<=", COMPARISON),
        BinaryOp::Gt => (">", COMPARISON),
        BinaryOp::Ge => (">=", COMPARISON),
        BinaryOp::BitOr => ("|", 4),
        BinaryOp::BitXor => ("^", 5),
        BinaryOp::BitAnd => ("&", 6),
        BinaryOp::Shl => ("<<", 7),
        BinaryOp::Shr => (">>", 7),
        BinaryOp::Add => ("+", 8),
        BinaryOp::Sub => ("-", 8),
        BinaryOp::Mul => ("*", 9),
        BinaryOp::Div => ("/", 9),
        BinaryOp::Rem => ("%", 9),
        BinaryOp::Min | BinaryOp::Max | BinaryOp::AtMost | BinaryOp::AtLeast => return None,
        BinaryOp::Pow | BinaryOp::RemEuclid | BinaryOp::DivEuclid => return None,
    })
}

/// How tightly comparisons bind.
const COMPARISON: u8 = 3;

/// How tightly an operator before its operand binds.
const PREFIX: u8 = 12;

impl Display for ScalarType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ScalarType::F32 => "f32",
            ScalarType::I32 => "i32",
            ScalarType::Bool => "bool",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_have_only_the_parentheses_they_need() {
        let program = Program {
            name: "f".into(),
            elements: vec![Generic::Open("T".into())],
            dims: vec![Generic::Fixed(64)],
            params: vec![Param {
                name: "w".into(),
                kind: ParamKind::Scalar(ScalarType::I32),
                element: None,
                dim: None,
            }],
            values: vec![],
            states: vec![],
            prologue: vec![],
            main_loop: super::super::TileLoop { over: ParamId(9), var: "cols".into(), body: vec![] },
            epilogue: vec![],
        };
        let binary = |op, a: &Expr, b: &Expr| Expr::Binary(op, Box::new(a.clone()), Box::new(b.clone()));
        let unary = |op, a: &Expr| Expr::Unary(op, Box::new(a.clone()));
        let (row, col, w) = (Expr::Row, Expr::Col, Expr::Param(ParamId(0)));
        let minus = binary(BinaryOp::Sub, &row, &col);
        let less = binary(BinaryOp::Lt, &minus, &w);
        let cases = [
            (binary(BinaryOp::Sub, &minus, &w), "row - col - @w"),
            (binary(BinaryOp::Sub, &w, &minus), "@w - (row - col)"),
            (binary(BinaryOp::Mul, &minus, &w), "(row - col) * @w"),
            (binary(BinaryOp::And, &less, &less), "row - col < @w && row - col < @w"),
            (unary(UnaryOp::Not, &less), "!(row - col < @w)"),
            (binary(BinaryOp::Eq, &less, &less), "(row - col < @w) == (row - col < @w)"),
            (unary(UnaryOp::Neg, &unary(UnaryOp::Neg, &w)), "--@w"),
            (unary(UnaryOp::Abs, &minus), "abs(row - col)"),
            (binary(BinaryOp::Sub, &w, &Expr::Int(-1)), "@w - -1"),
            (Expr::Index(ParamId(0), Box::new(Expr::Head)), "@w[head]"),
            (Expr::Param(ParamId(7)), "@7?"),
        ];
        for (expr, want) in cases {
            assert_eq!(program.expr_text(&expr), want);
        }
    }
}
