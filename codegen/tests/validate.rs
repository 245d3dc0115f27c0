//! The validator: programs broken by hand, and that the front end and the validator agree whatever is read.

use flashpage_codegen::frontend::{parse_program_source, parse_source};
use flashpage_codegen::program::{
    Axis, BinaryOp, DType, Dim, Element, Expr, Generic, LogBase, ParamId, ParamKind, ProgramError, Resumed,
    ScalarType, State, StateId, StateKind, Stmt, TileOp, TileType, UnaryOp, Value, ValueId,
};
use flashpage_codegen::{Arch, Program, ShapeClass, Spec, Work, compile};
use proc_macro2::{TokenStream, TokenTree};

const SOURCE: &str = "\
fn f<T: Element, const D: usize>(
    q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>, lse: RowOutput, slopes: PerHead<f32>, n: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()).map(|x, at| x + slopes[at.head]);
        let s = s.mask(|at| at.col < n);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}
";

/// Keys that are values too, in their first numbers.
const LATENT: &str = "\
fn f<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>, kv: PagedKeys<T, D>, table: BlockTable, o: Output<T, E>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc: Tile<Rows, Dim<E>> = Tile::zeros();
    for cols in table.tiles() {
        let c = kv.gather(table, cols);
        let p = softmax.step(dot(q, c.t()) * 0.5, &mut acc);
        acc += dot(p, c.slice::<E>());
    }
    o.store(softmax.finish(acc));
}
";

/// The gradients of keys and values: an instance owns columns, and loops over rows.
const COLUMNS: &str = "\
fn f<T: Element, const D: usize>(
    q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, g: Query<T, D>, lse: RowInput, delta: RowInput,
    dk: KeyOutput<T, D>, dv: KeyOutput<T, D>, mass: ColOutput,
) {
    let k = k.tile();
    let mut dv_sum = Tile::zeros();
    let mut dk_sum = Tile::zeros();
    let mut seen = ColVector::zeros();
    for rows in q.tiles() {
        let qi = q.load(rows);
        let gi = g.load(rows);
        let p = (dot(qi, k.t()) * 0.5 - lse.load(rows)).map(|x, at| if at.col <= at.row { x.exp() } else { 0.0 });
        let ds = p * (dot(gi, v.tile().t()) - delta.load(rows)) * 0.5;
        dv_sum += dot(p.t(), gi);
        dk_sum += dot(ds.t(), qi);
        seen += p.t().sum();
    }
    dk.store(dk_sum);
    dv.store(dv_sum * 1.0);
    mass.store(seen);
}
";

fn good() -> Program {
    parse_program_source(SOURCE).unwrap()
}

/// The value whose operation is of this kind.
fn find(program: &Program, is: fn(&TileOp) -> bool) -> ValueId {
    ValueId(program.values.iter().position(|value| is(&value.op)).unwrap())
}

fn set_map(program: &mut Program, new: Expr) {
    let id = find(program, |op| matches!(op, TileOp::Map { .. }));
    if let TileOp::Map { expr, .. } = &mut program.values[id.0].op {
        *expr = new;
    }
}

fn set_mask(program: &mut Program, expr: Expr) {
    let id = find(program, |op| matches!(op, TileOp::Mask { .. }));
    if let TileOp::Mask { keep, .. } = &mut program.values[id.0].op {
        *keep = expr;
    }
}

const SCORES: TileType = TileType { rows: Axis::Rows, cols: Axis::Cols };
/// Keys as they are loaded.
const CACHED: TileType = TileType { rows: Axis::Cols, cols: Axis::Dim(Dim(0)) };

fn row() -> Expr {
    Expr::Unary(UnaryOp::ToF32, Box::new(Expr::Row))
}

/// A value that nobody defines yet.
fn make(program: &mut Program, op: TileOp, ty: TileType) -> ValueId {
    program.values.push(Value { name: None, ty, op });
    ValueId(program.values.len() - 1)
}

/// Cuts a tile at the end of the loop.
fn slice(program: &mut Program, of: ValueId, dim: Dim) {
    let ty = TileType { rows: Axis::Cols, cols: Axis::Dim(dim) };
    program.values.push(Value { name: None, ty, op: TileOp::Slice { of, dim } });
    program.main_loop.body.push(Stmt::Define(ValueId(program.values.len() - 1)));
}

type Break = fn(&mut Program);

const BROKEN: &[(Break, &str)] = &[
    (|p| p.main_loop.over = ParamId(2), "`v` is used as what the loop runs over, which it is not"),
    (|p| p.main_loop.over = ParamId(0), "`q` is used as a tensor of columns, which it is not"),
    (
        |p| {
            p.main_loop.over = ParamId(0);
            p.values[0].op = TileOp::Owned { param: ParamId(1) };
        },
        "`q`: Rows×Dim where Cols×Dim is meant",
    ),
    (|p| p.main_loop.over = ParamId(99), "there is no parameter 99"),
    (|p| p.params[0].kind = ParamKind::Keys, "a program has a query"),
    (|p| p.params[1].kind = ParamKind::Query, "`q` is used as a tensor of columns, which it is not"),
    (|p| p.elements.clear(), "a program has one to three element types"),
    (|p| p.elements.push(p.elements[0].clone()), "the element types of a program differ"),
    (|p| p.elements.push(Generic::Fixed(DType::F32)), "an element type is that of some tensor"),
    (|p| p.params[1].element = None, "tensors have an element type, and nothing else has one"),
    (|p| p.params[4].element = Some(Element(0)), "tensors have an element type, and nothing else has one"),
    (|p| p.params[1].element = Some(Element(7)), "there is no element type 7"),
    (
        |p| {
            p.elements.push(Generic::Fixed(DType::F32));
            p.params[1].element = Some(Element(1));
        },
        "queries have one element type, keys and values have one, and all outputs have one",
    ),
    (|p| p.dims.clear(), "a program has one head dimension, or two"),
    (|p| p.dims.extend([64, 128].map(Generic::Fixed)), "a program has one head dimension, or two"),
    (|p| p.dims.push(p.dims[0].clone()), "the head dimensions of a program differ"),
    (|p| p.dims.push(Generic::Open("E".into())), "a head dimension that is left open is that of some tensor"),
    (|p| p.params[1].dim = None, "tensors have a head dimension, and nothing else has one"),
    (|p| p.params[4].dim = Some(Dim(0)), "tensors have a head dimension, and nothing else has one"),
    (|p| p.params[1].dim = Some(Dim(7)), "there is no head dimension 7"),
    (|p| p.values[0].ty.cols = Axis::Dim(Dim(7)), "there is no head dimension 7"),
    (
        |p| {
            p.dims.push(Generic::Open("E".into()));
            p.params[1].dim = Some(Dim(1));
        },
        "`%1`: Cols×Dim<D> where Cols×Dim<E> is meant",
    ),
    (
        |p| {
            p.dims.push(Generic::Open("E".into()));
            p.params[3].dim = Some(Dim(1));
        },
        "`%9`: Rows×Dim<D> where Rows×Dim<E> is meant",
    ),
    (|p| slice(p, ValueId(3), Dim(0)), "`%11`: a slice of rows of Rows×Cols"),
    (|p| slice(p, ValueId(1), Dim(7)), "there is no head dimension 7"),
    (
        |p| {
            p.dims = [64, 96].map(Generic::Fixed).to_vec();
            slice(p, ValueId(1), Dim(1));
        },
        "`%11`: the first 96 numbers of rows of 64",
    ),
    (|p| p.epilogue.truncate(p.epilogue.len() - 1), "`lse` is stored 0 times, not once"),
    (
        |p| {
            let last = p.epilogue.last().unwrap().clone();
            p.epilogue.push(last);
        },
        "`lse` is stored 2 times, not once",
    ),
    (|p| p.prologue.clear(), "`q` is used where it is not defined"),
    (|p| p.main_loop.body.swap(0, 1), "`%1` is used where it is not defined"),
    (|p| p.prologue.push(Stmt::Define(ValueId(0))), "`q` is defined twice"),
    (|p| p.prologue.push(Stmt::Define(ValueId(99))), "there is no value 99"),
    (|p| p.epilogue.push(p.main_loop.body[0].clone()), "`%1` is defined twice"),
    (
        |p| {
            let scores = find(p, |op| matches!(op, TileOp::Mask { .. }));
            p.epilogue.push(Stmt::Accumulate { acc: StateId(1), value: scores });
        },
        "`s.2` is used where it is not defined",
    ),
    (
        |p| p.main_loop.body.push(Stmt::Accumulate { acc: StateId(0), value: ValueId(0) }),
        "`softmax` is used as an accumulator, which it is not",
    ),
    (
        |p| p.main_loop.body.push(Stmt::Accumulate { acc: StateId(9), value: ValueId(0) }),
        "there is no state 9",
    ),
    (
        |p| {
            let ty = TileType { rows: Axis::Cols, cols: Axis::Dim(Dim(0)) };
            p.states[1].kind = StateKind::Accumulator(ty);
        },
        "`p`: Cols×Dim where Rows×Dim is meant",
    ),
    (|p| p.values[0].ty.rows = Axis::Cols, "`q`: Cols×Dim where Rows×Dim is meant"),
    (
        |p| {
            let dot = find(p, |op| matches!(op, TileOp::Dot { .. }));
            if let TileOp::Dot { b, .. } = &mut p.values[dot.0].op {
                *b = ValueId(1);
            }
        },
        "`%3`: Rows×Dim and Cols×Dim share no inner axis",
    ),
    (
        |p| p.main_loop.body.push(Stmt::Store { param: ParamId(3), value: ValueId(0) }),
        "`o` may only be made after the loop",
    ),
    (
        |p| p.epilogue.push(Stmt::Store { param: ParamId(1), value: ValueId(0) }),
        "`k` is used as an output, which it is not",
    ),
    (|p| set_mask(p, Expr::Col), "in `col`: this is i32 where bool is meant"),
    (
        |p| set_mask(p, Expr::Binary(BinaryOp::Lt, Box::new(Expr::X), Box::new(Expr::Float(0.0)))),
        "in `x < 0.0`: `x` is not known here",
    ),
    (
        |p| set_mask(p, Expr::Binary(BinaryOp::Lt, Box::new(Expr::X), Box::new(Expr::Col))),
        "in `x < col`: the operands are f32 and i32",
    ),
    (|p| set_map(p, Expr::Y), "in `y`: `y` is not known here"),
    (
        |p| {
            let made = make(p, TileOp::Map { of: ValueId(1), expr: row() }, CACHED);
            p.main_loop.body.push(Stmt::Define(made));
        },
        "in `f32(row)`: `row` is not known here",
    ),
    (
        |p| {
            let zip = TileOp::Zip { a: ValueId(3), b: ValueId(1), expr: Expr::Y };
            let made = make(p, zip, SCORES);
            p.main_loop.body.push(Stmt::Define(made));
        },
        "`%11`: Cols×Dim is not along Rows×Cols",
    ),
    (
        |p| {
            let made = make(p, TileOp::Sum { of: ValueId(3) }, SCORES);
            p.main_loop.body.push(Stmt::Define(made));
        },
        "`%11`: Rows×Cols where Rows is meant",
    ),
    (
        |p| {
            let turned = TileType { rows: Axis::Cols, cols: Axis::Rows };
            let transpose = make(p, TileOp::Transpose { of: ValueId(3) }, turned);
            let sum = make(p, TileOp::Sum { of: transpose }, TileType::of_each(Axis::Cols));
            p.main_loop.body.extend([transpose, sum].map(Stmt::Define));
        },
        "`%12` sums over rows, of which an instance has a tile only: what it holds depends on how they are cut",
    ),
    (
        |p| {
            let turned = TileType { rows: Axis::Dim(Dim(0)), cols: Axis::Rows };
            let transpose = make(p, TileOp::Transpose { of: ValueId(0) }, turned);
            let of_rows = TileType { rows: Axis::Rows, cols: Axis::Rows };
            let product = make(p, TileOp::Dot { a: ValueId(0), b: transpose }, of_rows);
            p.main_loop.body.extend([transpose, product].map(Stmt::Define));
        },
        "`%12` multiplies rows, of which an instance has a tile only: what it holds depends on how they are cut",
    ),
    (
        |p| {
            let made = make(p, TileOp::Total { acc: StateId(1) }, p.values[0].ty);
            p.main_loop.body.push(Stmt::Define(made));
        },
        "`%11` may only be made after the loop",
    ),
    (
        |p| {
            let made = make(p, TileOp::Total { acc: StateId(0) }, p.values[0].ty);
            p.epilogue.push(Stmt::Define(made));
        },
        "`softmax` is used as an accumulator, which it is not",
    ),
    (
        |p| {
            p.states.push(State { name: "sums".into(), kind: StateKind::Accumulator(SCORES), from: None });
            p.main_loop.body.push(Stmt::Accumulate { acc: StateId(2), value: ValueId(3) });
        },
        "`sums`: an accumulator of Rows×Cols, which are others each time",
    ),
    (
        |p| p.states[0].from = Some(Resumed { param: ParamId(5), base: LogBase::E }),
        "`slopes` is used as what a state begins as, which it is not",
    ),
    (
        |p| p.states[1].from = Some(Resumed { param: ParamId(3), base: LogBase::E }),
        "`o` is used as what a state begins as, which it is not",
    ),
    (
        |p| p.states[1].from = Some(Resumed { param: ParamId(99), base: LogBase::E }),
        "there is no parameter 99",
    ),
    (|p| set_mask(p, Expr::Unary(UnaryOp::Not, Box::new(Expr::Row))), "in `!row`: Not does not take i32"),
    (|p| set_mask(p, Expr::Param(ParamId(5))), "`slopes` is used as a scalar, which it is not"),
    (
        |p| set_mask(p, Expr::Index(ParamId(5), Box::new(Expr::X))),
        "in `@slopes[x]`: an index is i32, this is f32",
    ),
    (
        |p| set_mask(p, Expr::Index(ParamId(6), Box::new(Expr::Row))),
        "`n` is used as a vector, which it is not",
    ),
    (
        |p| {
            let select = [Expr::Bool(true), Expr::Row, Expr::Float(1.0)].map(Box::new);
            let [c, a, b] = select;
            set_mask(p, Expr::Select(c, a, b));
        },
        "in `select(true, row, 1.0)`: the choices are i32 and f32",
    ),
];

#[test]
fn broken_programs_are_refused() {
    assert_eq!(good().validate(), Ok(()));
    for (index, (breaks, want)) in BROKEN.iter().enumerate() {
        let mut program = good();
        breaks(&mut program);
        let said = program.validate().map_err(|error: ProgramError| error.to_string());
        assert_eq!(said.as_ref().map_err(String::as_str), Err(*want), "case {index}:\n{program}");
    }
}

#[test]
fn scalar_types() {
    let program = good();
    let cases = [
        (Expr::Param(ParamId(6)), ScalarType::I32),
        (Expr::Index(ParamId(5), Box::new(Expr::Head)), ScalarType::F32),
        (Expr::Unary(UnaryOp::ToF32, Box::new(Expr::Bool(true))), ScalarType::F32),
        (Expr::Binary(BinaryOp::Eq, Box::new(Expr::X), Box::new(Expr::X)), ScalarType::Bool),
    ];
    for (expr, want) in cases {
        assert_eq!(program.scalar_type(&expr), Ok(want), "{}", program.expr_text(&expr));
    }
}

/// The source's tokens with one of them, counted over all groups, put through `change`.
fn change_one(
    tokens: TokenStream,
    at: &mut isize,
    change: &dyn Fn(TokenTree) -> Vec<TokenTree>,
) -> TokenStream {
    let mut out = Vec::new();
    for token in tokens {
        *at -= 1;
        if *at == -1 {
            out.extend(change(token));
            continue;
        }
        out.push(match token {
            TokenTree::Group(group) => {
                let inner = change_one(group.stream(), at, change);
                TokenTree::Group(proc_macro2::Group::new(group.delimiter(), inner))
            }
            other => other,
        });
    }
    out.into_iter().collect()
}

fn spec(arch: Arch) -> Spec {
    Spec {
        arch,
        dtype: DType::F16,
        kv_dtype: DType::F16,
        output: DType::F16,
        head_dim: 64.into(),
        block_size: None,
        shape: ShapeClass::Prefill,
        tuning: Default::default(),
        work: Work::Grid,
        values: Default::default(),
        fold_scale: true,
    }
}

/// Deletes, doubles and replaces every token of a kernel. Whatever comes of it, nothing panics, what the front end
/// accepts the validator accepts, which `parse_program_source` says by not speaking of a misreading, and what it accepts as
/// a kernel compiles.
#[test]
fn mutations_confuse_nobody() {
    let words = "q k v o lse n slopes softmax acc cols s p x at row head dot tile t load tiles map mask step lse \
                 finish store zeros Query Keys i32 f32 mut let for in 0 1.5 true + * == && < | . & !";
    mutate(SOURCE, words);
    let words = "q kv o table softmax acc cols c p D E T Dim Rows Cols Tile dot tile t slice gather tiles step finish \
                 store zeros Query Output Values f32 mut let 0 32 1.5 * < > , : :: | . &";
    mutate(LATENT, words);
    let words = "q k lse dk seen dk_sum p qi rows at head tile t load tiles sum Query KeyOutput 1.5 * - ,";
    let [compiled, accepted, tried] = mutate_programs(COLUMNS, words);
    assert!(accepted > 100 && tried > 5000 && compiled == 0, "{compiled} of {accepted} of {tried}");
}

fn mutate(source: &str, words: &str) {
    let [compiled, accepted, tried] = mutate_programs(source, words);
    assert!(accepted > 100 && tried > 5000 && compiled > 50, "{compiled} of {accepted} of {tried}");
}

/// How many were changed, accepted and compiled.
fn mutate_programs(source: &str, words: &str) -> [usize; 3] {
    let tokens: TokenStream = source.parse().unwrap();
    let words: TokenStream = words.parse().unwrap();
    let mut accepted = 0;
    let mut compiled = 0;
    let mut tried = 0;
    for index in 0.. {
        let mut at = index;
        change_one(tokens.clone(), &mut at, &|token| vec![token]);
        if at >= 0 {
            break;
        }
        let mut read = |change: &dyn Fn(TokenTree) -> Vec<TokenTree>| {
            let changed = change_one(tokens.clone(), &mut index.clone(), change).to_string();
            tried += 1;
            match parse_program_source(&changed) {
                Ok(program) => {
                    accepted += 1;
                    assert!(!program.to_string().contains('?'), "{program}");
                    if parse_source(&changed).is_ok() {
                        compiled += 1;
                        let arch = [Arch::Sm80, Arch::Sm90a][compiled % 2];
                        let is_paged = program.params.iter().any(|param| param.kind == ParamKind::BlockTable);
                        let dtypes = match program.input_element() {
                            Generic::Fixed(dtype) => vec![*dtype],
                            Generic::Open(_) => vec![DType::F16, DType::Bf16, DType::F32],
                        };
                        let is_multiplied = |dtype: &DType| dtype.multiplies(program.kv_type(*dtype));
                        let dtype = dtypes.into_iter().find(is_multiplied).expect("a type of queries");
                        let (kv_dtype, output) = (program.kv_type(dtype), program.output_type(dtype));
                        let block_size = is_paged.then_some(16);
                        let spec = Spec { dtype, kv_dtype, output, block_size, ..spec(arch) };
                        compile(&program, &spec).unwrap_or_else(|error| panic!("{error}\n{changed}"));
                    }
                }
                Err(error) => assert!(!error.to_string().contains("misread"), "{error}\n{changed}"),
            }
        };
        read(&|_| vec![]);
        read(&|token| vec![token.clone(), token]);
        for word in words.clone() {
            read(&|_| vec![word.clone()]);
        }
    }
    [compiled, accepted, tried]
}
