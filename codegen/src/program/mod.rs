//! The tile program: what a kernel computes, with nothing said of how.
//!
//! A [`Program`] is one loop over tiles with straight-line code before, inside and after it, run once per *instance*. What
//! the loop runs over decides what an instance owns ([`Program::owned`]):
//!
//! | the loop runs over | an instance is | in an iteration it sees |
//! |---|---|---|
//! | Cols, key positions (`k.tiles()`, `table.tiles()`) | a query head of a sequence, and a tile of its rows | a tile of columns |
//! | Rows, query positions (`q.tiles()`) | a KV head of a sequence, and a tile of its columns | a tile of rows of one of the query heads that share the KV head |
//!
//! Its meaning:
//!
//! - **Values** ([`ValueId`]) are immutable tiles. [`TileOp`] says how one is made; a value made in the loop
//!   belongs to that iteration. Its [`TileType`] names the two axes, of which one is [`Axis::One`] in a vector.
//! - **States** ([`StateId`]) live across iterations: accumulators and online softmaxes. Statements change
//!   them in program order.
//! - **Scalar expressions** ([`Expr`]) are evaluated per element of a tile. `Row` and `Col` are
//!   logical positions in the sequence: `Row = kv_len - q_len + query index`, so equal positions line up
//!   bottom-right. Integers are 32-bit and wrap, floats are f32. Comparisons of a mask that bound columns are
//!   solved in 64 bits: where one would overflow 32 bits, it holds as if it did not.
//! - Rows and columns past the sequence's end do not exist: no instance owns them, and the loop never shows them to the
//!   program, whatever the tile size.
//! - A masked score is minus infinity. A row that keeps no column gives O = 0 and LSE = -inf, or what its sinks are. A score that is NaN makes
//!   every probability of its row NaN.
//! - The owned axis is cut into tiles as a schedule likes, so what sums over it, or has it on both sides, means nothing.
//!   Accumulators lie along other axes than the loop runs over, which has others in every iteration.
//! - What sums over the loop's axis is to be accumulated: of anything else that is made of it inside the loop, the meaning is
//!   that of a loop of one iteration, whose tile is the whole axis, which is how the runtime's reference runs it.
//!
//! Invariant: a `Program` that the front end returns is well-typed (axes and scalar types agree, every id is
//! in range); whoever builds one by hand calls [`Program::validate`].

mod dims;
mod elements;
mod kind;
mod print;
pub mod random;
mod validate;

pub use dims::HeadDimError;
pub(crate) use dims::MOST_DIMS;
pub(crate) use elements::MOST_ELEMENTS;
pub use elements::{ElementError, ElementOf, ElementTypes};
pub use kind::{Access, Along, Arguments, Method, ParamKind, ParamType, Size, Storage, TYPES, Vector};
pub use validate::ProgramError;

/// Index into [`Program::params`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub usize);

/// Index into [`Program::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// Index into [`Program::states`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateId(pub usize);

/// Index into [`Program::dims`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dim(pub usize);

/// Index into [`Program::elements`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Element(pub usize);

/// An element type of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// Single precision (LSE, scores; not a tensor-core input).
    F32,
    /// 32-bit signed integer (tables, lengths).
    I32,
    /// 8-bit float with four bits of exponent, for the cache; no kernel multiplies it yet.
    E4m3,
    /// 8-bit float with five bits of exponent, for the cache; no kernel multiplies it yet.
    E5m2,
}

/// A kernel as its author wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The function's name.
    pub name: String,
    /// The element types of tensors, each a generic parameter or fixed: one of queries, keys and values, and another of the
    /// output where it differs. No two are the same.
    pub elements: Vec<Generic<DType>>,
    /// The head dimensions, each a const generic parameter or fixed: one, or two. No two are the same.
    pub dims: Vec<Generic<usize>>,
    /// The parameters, in order.
    pub params: Vec<Param>,
    /// How each value is made.
    pub values: Vec<Value>,
    /// What lives across iterations.
    pub states: Vec<State>,
    /// Before the loop.
    pub prologue: Vec<Stmt>,
    /// The loop over tiles.
    pub main_loop: TileLoop,
    /// After the loop.
    pub epilogue: Vec<Stmt>,
}

impl Program {
    /// The axis that the loop runs over: of the tiles of its iterations.
    pub fn looped(&self) -> Axis {
        match self.params.get(self.main_loop.over.0).map(|param| param.kind) {
            Some(ParamKind::Query) => Axis::Rows,
            _ => Axis::Cols,
        }
    }

    /// The axis of which an instance owns a tile: the other one.
    pub fn owned(&self) -> Axis {
        match self.looped() {
            Axis::Rows => Axis::Cols,
            _ => Axis::Rows,
        }
    }

    /// Statements in the order in which they stand.
    pub fn statements(&self) -> impl Iterator<Item = &Stmt> {
        self.prologue.iter().chain(&self.main_loop.body).chain(&self.epilogue)
    }
}

impl TileType {
    /// The second axis is one number: a column of numbers.
    pub const fn of_each(rows: Axis) -> TileType {
        TileType { rows, cols: Axis::One }
    }

    /// Whether an axis of it is this one.
    pub fn has(self, axis: Axis) -> bool {
        self.rows == axis || self.cols == axis
    }

    /// Whether it has one number for each position along one axis, or one in all.
    pub fn is_vector(self) -> bool {
        self.has(Axis::One)
    }

    /// Whether a tile of this type can be the second of a [`TileOp::Zip`] whose first is `a`.
    pub fn spreads_to(self, a: TileType) -> bool {
        [a, TileType { rows: Axis::One, ..a }, TileType { cols: Axis::One, ..a }].contains(&self)
    }
}

/// A parameter of the kernel that its author left open, or fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Generic<T> {
    /// `T: Element` or `const D: usize`, with the name it was given.
    Open(String),
    /// A concrete type or number.
    Fixed(T),
}

impl<T> Generic<T> {
    fn written(&self, fixed: impl FnOnce(&T) -> String) -> String {
        match self {
            Generic::Open(name) => name.clone(),
            Generic::Fixed(it) => fixed(it),
        }
    }
}

impl Generic<usize> {
    /// As its author wrote it: the generic's name, or the number.
    pub fn text(&self) -> String {
        self.written(usize::to_string)
    }
}

impl Generic<DType> {
    /// As its author wrote it: the generic's name, or the type's.
    pub fn text(&self) -> String {
        self.written(|dtype| dtype.type_name().to_owned())
    }
}

/// One parameter of the kernel function.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name in the source.
    pub name: String,
    /// What it is.
    pub kind: ParamKind,
    /// The type of its numbers, if its type leaves it open.
    pub element: Option<Element>,
    /// The head dimension of its rows, if its type has one.
    pub dim: Option<Dim>,
}

/// Types of scalar expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ScalarType {
    F32,
    I32,
    Bool,
}

/// One axis of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Query positions.
    Rows,
    /// Key positions.
    Cols,
    /// A head dimension.
    Dim(Dim),
    /// One number: the second axis of a column of numbers, Rows × One, and the first of a row of them.
    One,
}

/// A tile's two axes, e.g. Rows × Dim for Q, Rows × One for a number of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct TileType {
    pub rows: Axis,
    pub cols: Axis,
}

/// An immutable tile.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The name the author bound it to last, for printing.
    pub name: Option<String>,
    /// Its axes.
    pub ty: TileType,
    /// How it is made.
    pub op: TileOp,
}

/// The base of a logarithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LogBase {
    /// Natural, as FlashAttention gives log-sum-exps.
    #[default]
    E,
    /// 2, as FlashInfer does.
    Two,
}

impl LogBase {
    /// The method of softmaxes that gives it.
    pub fn method(self) -> &'static str {
        match self {
            LogBase::E => "lse",
            LogBase::Two => "lse_base2",
        }
    }

    /// What a natural logarithm is multiplied by.
    pub fn from_natural(self) -> f64 {
        match self {
            LogBase::E => 1.0,
            LogBase::Two => std::f64::consts::LOG2_E,
        }
    }
}

/// How a tile is made.
#[derive(Clone, Debug, PartialEq)]
pub enum TileOp {
    /// `q.tile()`: what this instance owns of a parameter that lies along [`Program::owned`]. Rows × Dim of a query.
    Owned {
        /// the parameter
        param: ParamId,
    },
    /// `k.load(cols)`: of a parameter that lies along [`Program::looped`], the loop's current tile. Cols × Dim of keys.
    Load {
        /// the parameter
        source: ParamId,
    },
    /// `k.gather(table, cols)`: the same through a block table. Cols × Dim.
    Gather {
        /// a [`ParamKind::PagedKeys`] or [`ParamKind::PagedValues`]
        source: ParamId,
        /// a [`ParamKind::BlockTable`]
        table: ParamId,
    },
    /// `k.slice::<E>()`: the first numbers of each row of a tile whose second axis is a dimension, which is no smaller.
    Slice {
        /// the tile cut
        of: ValueId,
        /// the second axis of what is left
        dim: Dim,
    },
    /// `x.t()`
    Transpose {
        /// the tile transposed
        of: ValueId,
    },
    /// `dot(a, b)`: a's second axis is b's first.
    Dot {
        /// left factor
        a: ValueId,
        /// right factor
        b: ValueId,
    },
    /// `x.map(|x, at| …)`, `x * scalar` and the like: elementwise, an f32 expression.
    Map {
        /// [`Expr::X`] in `expr` is this tile's element
        of: ValueId,
        /// the new element
        expr: Expr,
    },
    /// `a * b`, `a.zip(b, |x, y, at| …)`: elementwise of two tiles, an f32 expression. It has the type of `a`.
    Zip {
        /// [`Expr::X`] in `expr` is this tile's element
        a: ValueId,
        /// [`Expr::Y`] is this one's: of `a`'s type, or with [`Axis::One`] for one of its axes, along which it is the same
        b: ValueId,
        /// the new element
        expr: Expr,
    },
    /// `x.sum()`: of each row, the sum along the second axis. R × One.
    Sum {
        /// the tile summed
        of: ValueId,
    },
    /// `x.mask(|at| …)`: elements where `keep` is false become minus infinity.
    Mask {
        /// the scores
        of: ValueId,
        /// a boolean expression without [`Expr::X`]
        keep: Expr,
    },
    /// `softmax.step(s, &mut acc)`: rescales `acc`, gives the unnormalised probabilities. Rows × Cols.
    SoftmaxStep {
        /// an online softmax
        softmax: StateId,
        /// natural-unit scores, Rows × Cols
        scores: ValueId,
        /// the accumulator rescaled by exp(m_old - m_new)
        acc: StateId,
    },
    /// `softmax.finish(acc)`: `acc` over the row sums. Rows × Dim.
    Finish {
        /// an online softmax
        softmax: StateId,
        /// the accumulator
        acc: StateId,
    },
    /// `softmax.lse()`, `softmax.lse_base2()`: the logarithm of each row's sum of exponentials. Rows × One.
    Lse {
        /// an online softmax
        softmax: StateId,
        /// of which base the logarithm is
        base: LogBase,
    },
    /// `acc` after the loop: what was added up.
    Total {
        /// the accumulator
        acc: StateId,
    },
}

/// A mutable variable that lives across iterations.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The author's name for it.
    pub name: String,
    /// What it is.
    pub kind: StateKind,
    /// Where another kernel's ended, if it does not begin anew.
    pub from: Option<Resumed>,
}

/// What a state begins as: what a kernel over other keys gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// Of a softmax a `RowInput`, log-sum-exps; of an accumulator an `Input`.
    pub param: ParamId,
    /// The base of the log-sum-exps.
    pub base: LogBase,
}

/// Kinds of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// `OnlineSoftmax::new()`, or `resume(lse)`: row maximum and row sum.
    OnlineSoftmax,
    /// `Tile::zeros()`, or `Tile::resume(o)`, an accumulator of this type.
    Accumulator(TileType),
}

/// One statement, in program order.
#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    /// The value comes to be here.
    Define(ValueId),
    /// `acc += value`
    Accumulate {
        /// the accumulator
        acc: StateId,
        /// a tile of the same type
        value: ValueId,
    },
    /// `softmax.sink(|at| …)`: each row's softmax has one more score, of a column that holds no value. After the loop.
    Sink {
        /// an online softmax
        softmax: StateId,
        /// the score, in natural units: an f32 expression of a row
        logit: Expr,
    },
    /// `o.store(value)`, `lse.store(value)`
    Store {
        /// an output that lies along [`Program::owned`]
        param: ParamId,
        /// what is stored
        value: ValueId,
    },
}

/// `for cols in table.tiles()`, `for cols in k.tiles()` or `for rows in q.tiles()`.
#[derive(Clone, Debug, PartialEq)]
pub struct TileLoop {
    /// Whose tiles: a [`ParamKind::BlockTable`], a [`ParamKind::Keys`] or a [`ParamKind::Query`].
    pub over: ParamId,
    /// The loop variable's name.
    pub var: String,
    /// The statements of one iteration.
    pub body: Vec<Stmt>,
}

/// A scalar expression. Every node has one [`ScalarType`]; see [`Program::scalar_type`].
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// The element of the tile being mapped. f32.
    X,
    /// The element of the second tile of a [`TileOp::Zip`]. f32.
    Y,
    /// `at.row`: the query's position in its sequence. i32.
    Row,
    /// `at.col`: the key's position in its sequence. i32.
    Col,
    /// `at.head`: the query head. i32.
    Head,
    /// `at.kv_head`: the KV head, which the query heads of a group share. i32.
    KvHead,
    /// `at.seq`: the sequence in the batch. i32.
    Seq,
    /// `at.query`: the query's number in its sequence, `row - (kv_len - q_len)`. i32.
    Query,
    /// `at.q_len`: queries of the sequence. i32.
    QLen,
    /// `at.kv_len`: keys of the sequence. i32.
    KvLen,
    /// A scalar parameter.
    Param(ParamId),
    /// `slopes[at.head]`: a vector parameter at an i32 index, which is clamped to those that there are.
    Index(ParamId, Box<Expr>),
    /// `bias.at(at.head, at.query, at.col)`, `tree.at(at.query, at.col)`: an element of a table at i32 indices, the last of
    /// them the column, each clamped to those that there are. f32 of a [`ParamKind::Bias`], bool of a [`ParamKind::BitMask`].
    At(ParamId, Vec<Expr>),
    /// `at.random(seed)`: an f32 from 0 to below 1 that these four integers name, row, column, head, and seed and sequence
    /// together: [`random`].
    Random(Box<[Expr; 4]>),
    /// An i32 constant.
    Int(i32),
    /// An f32 constant.
    Float(f32),
    /// `true` or `false`.
    Bool(bool),
    /// One operand.
    Unary(UnaryOp, Box<Expr>),
    /// Two operands of one type.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `select(c, a, b)` or `if c { a } else { b }`.
    Select(Box<Expr>, Box<Expr>, Box<Expr>),
}

impl Expr {
    /// The f32 that it is, if it is written in numbers alone.
    pub fn literal(&self) -> Option<f32> {
        match self {
            Expr::Float(value) => Some(*value),
            Expr::Unary(UnaryOp::Neg, a) => Some(-a.literal()?),
            Expr::Unary(UnaryOp::Sqrt, a) => Some(a.literal()?.sqrt()),
            Expr::Binary(BinaryOp::Add, a, b) => Some(a.literal()? + b.literal()?),
            Expr::Binary(BinaryOp::Sub, a, b) => Some(a.literal()? - b.literal()?),
            Expr::Binary(BinaryOp::Mul, a, b) => Some(a.literal()? * b.literal()?),
            Expr::Binary(BinaryOp::Div, a, b) => Some(a.literal()? / b.literal()?),
            _ => None,
        }
    }
}

/// Operators of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum UnaryOp {
    Neg,
    /// Boolean `!`.
    Not,
    Abs,
    Exp,
    /// 2 to this power.
    Exp2,
    Tanh,
    /// Natural logarithm.
    Ln,
    Log2,
    Sqrt,
    Sin,
    Cos,
    Floor,
    Ceil,
    /// Towards zero.
    Trunc,
    /// To the nearest integer, ties to even.
    Round,
    /// Every bit of an i32.
    BitNot,
    /// i32 or bool to f32.
    ToF32,
    /// f32 (towards zero, saturating, NaN to 0) or bool to i32.
    ToI32,
}

/// Operators of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    /// i32 division truncates, and by zero gives 0.
    Div,
    /// i32 only; by zero 0.
    Rem,
    /// i32 only: the remainder that is not negative; by zero 0.
    RemEuclid,
    /// i32 only: the quotient that goes with it; by zero 0.
    DivEuclid,
    /// f32: of a NaN and a number, the number.
    Min,
    /// f32: of a NaN and a number, the number.
    Max,
    /// f32 only: the smaller, or NaN where one is. `x.clamp(a, b)` is made of this and the next.
    AtMost,
    /// f32 only: the larger, or NaN where one is.
    AtLeast,
    /// f32 only.
    Pow,
    /// i32 only: by the lowest five bits of the second.
    Shl,
    /// i32 only, with the sign: by the lowest five bits of the second.
    Shr,
    /// i32 only.
    BitAnd,
    /// i32 only.
    BitOr,
    /// i32 only.
    BitXor,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// Boolean; both sides are evaluated.
    And,
    /// Boolean; both sides are evaluated.
    Or,
}
