//! The parameter types of the language, in one table: [`TYPES`].
//!
//! The front end reads signatures and says what a parameter can do by it, the printer and the macro write types by it, the
//! validator, the batch check and the maker of problems hold parameters against it. `codegen/tests/language.rs` holds the
//! host's types against it. The enums' matches are where the compiler asks what else a new row needs.

use super::{Axis, BinaryOp, DType, Expr, ScalarType};

/// The kinds of parameters of the language. What each is, [`ParamKind::ty`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// `Query<T, D>`
    Query,
    /// `Keys<T, D>`
    Keys,
    /// `Values<T, E>`
    Values,
    /// `PagedKeys<T, D>`: the pool of physical blocks.
    PagedKeys,
    /// `PagedValues<T, E>`: the pool of physical blocks.
    PagedValues,
    /// `BlockTable`: logical block to physical block.
    BlockTable,
    /// `Output<T, E>`, whose element type may be another than that of the inputs.
    Output,
    /// `Input<T, E>`: what an `Output` begins as, of its element type.
    Input,
    /// `RowInput`: a number for each query and query head, as a `RowOutput` holds them.
    RowInput,
    /// `RowOutput`
    RowOutput,
    /// `KeyOutput<T, D>`: rows as keys or values have them, of kernels whose instances own columns.
    KeyOutput,
    /// `ColOutput`: a number for each key and KV head, of such kernels.
    ColOutput,
    /// A scalar of the given type (`f32`, `i32`, `bool`).
    Scalar(ScalarType),
    /// `Bias<T>`: a number for each of heads, rows and columns, of all sequences or of each, read as
    /// `bias.at(at.head, at.query, at.col)`. Of this type, or of that of query, keys and values.
    Bias(Option<DType>),
    /// `BitMask`: a bit for each row and column of each sequence, read as `tree.at(at.query, at.col)`.
    BitMask,
    /// A number for each of something: `PerHead<f32>` or `PerHead<i32>`, read as `slopes[at.head]`, and its like.
    Vector(Vector),
}

/// A row of [`TYPES`].
#[derive(Clone, Copy, Debug)]
pub struct ParamType {
    /// What a parameter of this type is. A vector is one of f32 here, whatever its numbers.
    pub kind: ParamKind,
    /// The type's name, in the language and on the host.
    pub name: &'static str,
    /// What stands in its angle brackets.
    pub arguments: Arguments,
    /// Its axes, outermost first.
    pub axes: &'static [Size],
    /// The axis of tiles that its rows lie along, if it has such rows.
    pub along: Option<Axis>,
    /// Whether a kernel reads or writes it.
    pub access: Access,
    /// How its numbers lie, which decides what a launch is given for it.
    pub storage: Storage,
    /// What can be done with it in a kernel. Vectors are indexed, and have no methods.
    pub methods: &'static [Method],
    /// One of them in a message: "the query `q`".
    pub noun: &'static str,
    /// What a launch is given for it, in the documentation of its arguments.
    pub doc: &'static str,
}

/// What stands in a parameter type's angle brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// Nothing.
    None,
    /// An element type and a head dimension: `<T, D>`.
    ElementAndDim,
    /// The type of its numbers: `<f32>` or `<i32>`.
    Number,
    /// An element type, whatever others have: `<T>`, `<f32>`.
    Element,
}

/// Whether a kernel reads a parameter or writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Access {
    Read,
    Write,
}

/// How a parameter's numbers lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Tokens of all sequences end to end, and where each sequence begins.
    Ragged,
    /// Blocks of tokens, in any order.
    Pool,
    /// Where each sequence's blocks lie, and how long it is.
    Table,
    /// Bits, where those of each sequence begin, and how many columns they have.
    Bits,
    /// A tensor, and nothing beside it.
    Plain,
    /// A number, by value.
    Scalar,
}

/// A method of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `q.tile()`, `k.tile()`: what the instance owns of it.
    Tile,
    /// `for cols in k.tiles()`, `for rows in q.tiles()`
    Tiles,
    /// `k.load(cols)`, `q.load(rows)`
    Load,
    /// `k.gather(table, cols)`
    Gather,
    /// `o.store(…)`
    Store,
    /// `bias.at(at.head, at.query, at.col)`, `tree.at(at.query, at.col)`, in score functions.
    At,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 6] =
        [Method::Tile, Method::Tiles, Method::Load, Method::Gather, Method::Store, Method::At];

    /// As authors write it.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Tile => "tile",
            Method::Tiles => "tiles",
            Method::Load => "load",
            Method::Gather => "gather",
            Method::Store => "store",
            Method::At => "at",
        }
    }

    /// What a parameter is used as that has it called.
    pub const fn used_as(self) -> &'static str {
        match self {
            Method::Tile => "what an instance owns",
            Method::Tiles => "what the loop runs over",
            Method::Load => "what is loaded tile by tile",
            Method::Gather => "paged keys or values",
            Method::Store => "an output",
            Method::At => "a table of numbers or bits",
        }
    }
}

/// One number of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Query tokens of the batch.
    Tokens,
    /// Sequences of the batch.
    Sequences,
    /// Query heads.
    QHeads,
    /// Key and value heads.
    KvHeads,
    /// Key tokens of the batch.
    KeyTokens,
    /// The parameter's head dimension.
    Dim,
    /// The parameter's own, by its name: nothing else of the batch says how many.
    Own(&'static str),
}

impl Size {
    /// As shapes write it, where the head dimension is called `dim`.
    pub fn name(self, dim: &str) -> &str {
        match self {
            Size::Tokens => "tokens",
            Size::Sequences => "sequences",
            Size::QHeads => "q_heads",
            Size::KvHeads => "kv_heads",
            Size::KeyTokens => "key_tokens",
            Size::Dim => dim,
            Size::Own(name) => name,
        }
    }
}

const Q_SHAPE: &[Size] = &[Size::Tokens, Size::QHeads, Size::Dim];
const KV_SHAPE: &[Size] = &[Size::Own("tokens"), Size::KvHeads, Size::Dim];
const POOL_SHAPE: &[Size] = &[Size::Own("blocks"), Size::Own("block_size"), Size::KvHeads, Size::Dim];

/// What each type is before its row says otherwise: a tensor that is read.
const TENSOR: ParamType = ParamType {
    kind: ParamKind::Query,
    name: "",
    arguments: Arguments::ElementAndDim,
    axes: &[],
    along: None,
    access: Access::Read,
    storage: Storage::Ragged,
    methods: &[],
    noun: "",
    doc: "",
};

const OUTPUT: ParamType = ParamType {
    along: Some(Axis::Rows),
    access: Access::Write,
    storage: Storage::Plain,
    methods: &[Method::Store],
    noun: "output",
    ..TENSOR
};

const VECTOR: ParamType =
    ParamType { arguments: Arguments::Number, storage: Storage::Plain, noun: "numbers", ..TENSOR };

const SCALAR: ParamType = ParamType {
    arguments: Arguments::None,
    storage: Storage::Scalar,
    noun: "parameter",
    doc: "A number",
    ..TENSOR
};

/// Every type that a parameter can have, in the order in which messages list them.
pub static TYPES: &[ParamType] = &[
    ParamType {
        kind: ParamKind::Query,
        name: "Query",
        axes: Q_SHAPE,
        along: Some(Axis::Rows),
        methods: &[Method::Tile, Method::Load, Method::Tiles],
        noun: "query",
        doc: "Queries",
        ..TENSOR
    },
    ParamType {
        kind: ParamKind::Keys,
        name: "Keys",
        axes: KV_SHAPE,
        along: Some(Axis::Cols),
        methods: &[Method::Load, Method::Tile, Method::Tiles],
        noun: "keys",
        doc: "Keys",
        ..TENSOR
    },
    ParamType {
        kind: ParamKind::Values,
        name: "Values",
        axes: KV_SHAPE,
        along: Some(Axis::Cols),
        methods: &[Method::Load, Method::Tile],
        noun: "values",
        doc: "Values",
        ..TENSOR
    },
    ParamType {
        kind: ParamKind::PagedKeys,
        name: "PagedKeys",
        axes: POOL_SHAPE,
        along: Some(Axis::Cols),
        storage: Storage::Pool,
        methods: &[Method::Gather],
        noun: "keys",
        doc: "The pool of key blocks",
        ..TENSOR
    },
    ParamType {
        kind: ParamKind::PagedValues,
        name: "PagedValues",
        axes: POOL_SHAPE,
        along: Some(Axis::Cols),
        storage: Storage::Pool,
        methods: &[Method::Gather],
        noun: "values",
        doc: "The pool of value blocks",
        ..TENSOR
    },
    ParamType {
        kind: ParamKind::BlockTable,
        name: "BlockTable",
        arguments: Arguments::None,
        axes: &[Size::Sequences, Size::Own("blocks")],
        storage: Storage::Table,
        methods: &[Method::Tiles],
        noun: "block table",
        doc: "Where the blocks of each sequence lie, and its length",
        ..TENSOR
    },
    ParamType { kind: ParamKind::Output, name: "Output", axes: Q_SHAPE, doc: "Output", ..OUTPUT },
    ParamType {
        kind: ParamKind::Input,
        name: "Input",
        axes: Q_SHAPE,
        along: Some(Axis::Rows),
        storage: Storage::Plain,
        noun: "earlier output",
        doc: "What the output begins as: that of a kernel over other keys",
        ..TENSOR
    },
    ParamType {
        kind: ParamKind::RowInput,
        name: "RowInput",
        arguments: Arguments::None,
        axes: &[Size::Tokens, Size::QHeads],
        along: Some(Axis::Rows),
        storage: Storage::Plain,
        methods: &[Method::Load, Method::Tile],
        noun: "numbers",
        doc: "A number for each row",
        ..TENSOR
    },
    ParamType {
        kind: ParamKind::RowOutput,
        name: "RowOutput",
        arguments: Arguments::None,
        axes: &[Size::Tokens, Size::QHeads],
        doc: "Output, a number for each row",
        ..OUTPUT
    },
    ParamType {
        kind: ParamKind::KeyOutput,
        name: "KeyOutput",
        axes: &[Size::KeyTokens, Size::KvHeads, Size::Dim],
        along: Some(Axis::Cols),
        doc: "Output, with rows as the keys or the values have them",
        ..OUTPUT
    },
    ParamType {
        kind: ParamKind::ColOutput,
        name: "ColOutput",
        arguments: Arguments::None,
        axes: &[Size::KeyTokens, Size::KvHeads],
        along: Some(Axis::Cols),
        doc: "Output, a number for each key",
        ..OUTPUT
    },
    ParamType {
        kind: vector(Along::Heads),
        name: "PerHead",
        axes: &[Size::QHeads],
        doc: "A number for each query head",
        ..VECTOR
    },
    ParamType {
        kind: vector(Along::Sequences),
        name: "PerSequence",
        axes: &[Size::Sequences],
        doc: "A number for each sequence",
        ..VECTOR
    },
    ParamType {
        kind: vector(Along::KvHeads),
        name: "HeadScales",
        arguments: Arguments::None,
        axes: &[Size::Sequences, Size::KvHeads],
        noun: "scales",
        doc: "A scale for each KV head of each sequence, above zero: any other reads as NaN",
        ..VECTOR
    },
    ParamType {
        kind: vector(Along::Queries),
        name: "PerQuery",
        axes: &[Size::Tokens],
        doc: "A number for each query token",
        ..VECTOR
    },
    ParamType {
        kind: vector(Along::Keys),
        name: "PerKey",
        axes: &[Size::Own("tokens")],
        storage: Storage::Ragged,
        doc: "A number for each position of a sequence, and where each sequence's begin",
        ..VECTOR
    },
    ParamType {
        kind: ParamKind::Bias(None),
        name: "Bias",
        arguments: Arguments::Element,
        axes: &[
            Size::Own("sequences or 1"),
            Size::Own("q_heads or 1"),
            Size::Own("rows or 1"),
            Size::Own("columns"),
        ],
        storage: Storage::Plain,
        methods: &[Method::At],
        noun: "bias",
        doc: "A number for each head, row and column",
        ..TENSOR
    },
    ParamType {
        kind: ParamKind::BitMask,
        name: "BitMask",
        arguments: Arguments::None,
        axes: &[Size::Own("words")],
        storage: Storage::Bits,
        methods: &[Method::At],
        noun: "bit mask",
        doc: "A bit for each row and column of each sequence",
        ..TENSOR
    },
    ParamType { kind: ParamKind::Scalar(ScalarType::F32), name: "f32", ..SCALAR },
    ParamType { kind: ParamKind::Scalar(ScalarType::I32), name: "i32", ..SCALAR },
    ParamType { kind: ParamKind::Scalar(ScalarType::Bool), name: "bool", ..SCALAR },
];

impl ParamType {
    /// The row of this name.
    pub fn named(name: &str) -> Option<&'static ParamType> {
        TYPES.iter().find(|ty| ty.name == name)
    }

    /// Whether the language has this method of it.
    pub fn has(&self, method: Method) -> bool {
        self.methods.contains(&method)
    }

    /// Its shape, where its head dimension is called `dim`: `[tokens, q_heads, D]`.
    pub fn shape(&self, dim: &str) -> String {
        let names: Vec<&str> = self.axes.iter().map(|size| size.name(dim)).collect();
        format!("[{}]", names.join(", "))
    }

    /// As authors write it, with usual names for what is theirs to name: `Query<T, D>`, `PerHead<f32>`.
    pub fn usage(&self) -> String {
        match self.arguments {
            Arguments::None => self.name.into(),
            Arguments::ElementAndDim => format!("{}<T, D>", self.name),
            Arguments::Number => format!("{}<f32>", self.name),
            Arguments::Element => format!("{}<T>", self.name),
        }
    }
}

impl ParamKind {
    /// Whether each sequence has, or may have, numbers of its own in it, of which an index counts.
    pub fn is_of_sequence(self) -> bool {
        match self {
            ParamKind::Vector(vector) => vector.along.is_of_sequence(),
            ParamKind::Bias(_) | ParamKind::BitMask => true,
            _ => false,
        }
    }

    /// How many indices name an element of a table; none of what is no table.
    pub fn indices(self) -> Option<usize> {
        match self {
            ParamKind::Bias(_) => Some(3),
            ParamKind::BitMask => Some(2),
            _ => None,
        }
    }

    /// The row of its type.
    pub fn ty(self) -> &'static ParamType {
        let is_own = |ty: &&ParamType| match (ty.kind, self) {
            (ParamKind::Vector(row), ParamKind::Vector(own)) => row.along == own.along,
            (ParamKind::Bias(_), ParamKind::Bias(_)) => true,
            (row, own) => row == own,
        };
        TYPES.iter().find(is_own).expect("every kind has a row, which a test looks for")
    }
}

const fn vector(along: Along) -> ParamKind {
    ParamKind::Vector(Vector { along, element: ScalarType::F32 })
}

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
    /// Each sequence.
    Sequences,
    /// Each KV head of each sequence.
    KvHeads,
    /// Each query token: of its sequence, from the first of them on.
    Queries,
    /// Each position of a sequence, those of queries and keys alike: as many as it has keys.
    Keys,
}

impl Along {
    /// All of them.
    pub const ALL: [Along; 5] = [Along::Heads, Along::Sequences, Along::KvHeads, Along::Queries, Along::Keys];

    /// What it has a number for each of.
    pub const fn each(self) -> &'static str {
        match self {
            Along::Heads => "head",
            Along::Sequences => "sequence",
            Along::KvHeads => "KV head",
            Along::Queries => "query",
            Along::Keys => "key",
        }
    }

    /// The index that it is meant for, as authors write it.
    pub const fn place(self) -> &'static str {
        match self {
            Along::Heads => "at.head",
            Along::Sequences => "at.seq",
            Along::KvHeads => "at.kv_head",
            Along::Queries => "at.query",
            Along::Keys => "at.col",
        }
    }

    /// Whether each sequence has numbers of its own, of which an index counts.
    pub const fn is_of_sequence(self) -> bool {
        matches!(self, Along::KvHeads | Along::Queries | Along::Keys)
    }

    /// The row of its type.
    pub fn ty(self) -> &'static ParamType {
        vector(self).ty()
    }

    /// Whether an index is inside by construction, whatever its leaves are. Any other is clamped: one below 0 reads the first
    /// number, one past the end the last. No position is inside: there are rows before the first key, where a sequence has
    /// more queries than keys, and columns of tiles past the last.
    pub fn fits(self, index: &Expr) -> bool {
        match index {
            Expr::Head => self == Along::Heads,
            Expr::Seq => self == Along::Sequences,
            Expr::KvHead => self == Along::KvHeads,
            Expr::Query => self == Along::Queries,
            // Of what is not negative neither is larger than it; by 0 both are 0.
            Expr::Binary(BinaryOp::Rem | BinaryOp::RemEuclid, a, _) => self.fits(a),
            Expr::Binary(BinaryOp::Div, a, by) => self.fits(a) && matches!(**by, Expr::Int(by) if by >= 0),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_row() {
        use ParamKind::*;
        let tensors =
            [Query, Keys, Values, PagedKeys, PagedValues, BlockTable, Output, Input, RowInput, RowOutput];
        let tensors = tensors.into_iter().chain([KeyOutput, ColOutput, Bias(None), BitMask]);
        let scalars = [ScalarType::F32, ScalarType::I32, ScalarType::Bool].map(Scalar);
        let vectors = Along::ALL.map(|along| {
            [ScalarType::F32, ScalarType::I32].map(|element| Vector(super::Vector { along, element }))
        });
        let kinds: Vec<ParamKind> = tensors.chain(scalars).chain(vectors.into_iter().flatten()).collect();
        for kind in &kinds {
            assert!(std::mem::discriminant(&kind.ty().kind) == std::mem::discriminant(kind), "{kind:?}");
        }
        for ty in TYPES {
            assert!(kinds.contains(&ty.kind), "{} is the type of no kind", ty.name);
            assert_eq!(ParamType::named(ty.name).map(|found| found.kind), Some(ty.kind), "{}", ty.name);
            let has_dim = ty.axes.contains(&Size::Dim);
            assert_eq!(has_dim, ty.arguments == Arguments::ElementAndDim, "{}", ty.name);
        }
    }

    #[test]
    fn vectors_have_an_axis_of_what_they_count() {
        for along in Along::ALL {
            let ty = along.ty();
            let axes = if along == Along::KvHeads { 2 } else { 1 };
            assert_eq!(ty.axes.len(), axes, "{}", ty.name);
            // Of what the batch does not count, the parameter says itself where each sequence's begin.
            let is_own = matches!(ty.axes[0], Size::Own(_) | Size::Dim);
            assert_eq!(is_own, ty.storage == Storage::Ragged, "{}", ty.name);
        }
    }

    #[test]
    fn indices_that_fit() {
        let op = |op, a, b| Expr::Binary(op, Box::new(a), Box::new(b));
        use BinaryOp::{Add, Div, Rem};
        use Expr::{Col, Head, Int, KvHead, Query, Row, Seq};
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
        for (index, inside) in [
            (Seq, Some(Along::Sequences)),
            (KvHead, Some(Along::KvHeads)),
            (Query, Some(Along::Queries)),
            (op(Rem, Query, Int(4)), Some(Along::Queries)),
            (Row, None),
            (Col, None),
        ] {
            for along in Along::ALL {
                assert_eq!(along.fits(&index), inside == Some(along), "{index:?} of {along:?}");
            }
        }
    }
}
