//! The front end: what programs it makes of kernels, and what it says of mistakes.
//!
//! Snapshots are read as tables: in `mistakes`, each case is an edit of a good kernel and what is said of it.

use flashpage_codegen::frontend::{
    FrontendError, kernel_names, parse_file, parse_program_source, parse_source,
};
use flashpage_codegen::program::{DType, TYPES};
use flashpage_codegen::{Arch, ShapeClass, Spec, Work, compile};
use std::fmt::Write;

const CONTIGUOUS: &str = "\
pub fn attention<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
    slopes: PerHead<f32>,
    scale: f32,
    window: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| x + slopes[at.head]);
        let s = s.mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}
";

const PAGED: &str = "\
fn paged<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let k = k.gather(table, cols);
        let p = softmax.step(dot(q, k.t()) * scale, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}
";

/// Values and output of another dimension than queries and keys.
const TWO: &str = "\
fn two<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    o: Output<T, E>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let k = k.load(cols);
        let p = softmax.step(dot(q, k.t()), &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}
";

/// Keys whose first numbers are the values.
const LATENT: &str = "\
fn latent<T: Element, const WIDE: usize, const RANK: usize>(
    q: Query<T, WIDE>,
    cache: PagedKeys<T, WIDE>,
    table: BlockTable,
    o: Output<T, RANK>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let c = cache.gather(table, cols);
        let p = softmax.step(dot(q, c.t()) * 0.125, &mut acc);
        let values = c.slice::<RANK>();
        acc += dot(p, values);
    }
    o.store(softmax.finish(acc));
}
";

/// Replaces the one place where `from` stands.
fn edit(source: &str, from: &str, to: &str) -> String {
    assert_eq!(source.matches(from).count(), 1, "`{from}` must stand once in the kernel");
    source.replacen(from, to, 1)
}

/// Edits of [`CONTIGUOUS`] that are not kernels.
const MISTAKES: &[(&str, &str)] = &[
    // The signature.
    ("pub fn", "pub async fn"),
    ("pub fn", "pub unsafe fn"),
    ("pub fn", "pub const fn"),
    ("pub fn", "pub extern \"C\" fn"),
    ("window: i32,\n) {", "window: i32,\n) -> f32 {"),
    ("window: i32,", "self,"),
    ("window: i32,", "(a, b): (i32, i32),"),
    ("window: i32,", "mut window: i32,"),
    ("window: i32,", "window: u32,"),
    ("window: i32,", "scale: f32,"),
    ("window: i32,", "window: &i32,"),
    ("window: i32,", "window: i32, q2: Query<T, D>,"),
    ("window: i32,", "window: Window,"),
    ("k: Keys<T, D>", "k: Key<T, D>"),
    ("k: Keys<T, D>", "k: Keys<T>"),
    ("k: Keys<T, D>", "k: Keys<f16, D>"),
    ("k: Keys<T, D>", "k: Keys<T, 64>"),
    ("k: Keys<T, D>", "k: Keys<f64, 0>"),
    ("lse: RowOutput", "lse: RowOutput<T>"),
    ("slopes: PerHead<f32>", "slopes: PerHead<bool>"),
    ("T: Element", "T"),
    ("T: Element", "T: Element, U: Element"),
    ("T: Element", "T: Element, U: Element, V: Element, W: Element"),
    ("const D: usize", "const D: u32"),
    ("const D: usize", "const D: usize, const E: usize"),
    ("window: i32,\n) {", "window: i32,\n) where T: Copy {"),
    ("    q: Query<T, D>,\n", ""),
    ("    o: Output<T, D>,\n    lse: RowOutput,\n", ""),
    // Statements.
    ("o.store(softmax.finish(acc));", ""),
    ("lse.store(softmax.lse());", "lse.store(softmax.lse()); lse.store(softmax.lse());"),
    ("for cols in k.tiles()", "while true"),
    ("for cols in k.tiles()", "for cols in 0..4"),
    ("for cols in k.tiles()", "for cols in k"),
    ("for cols in k.tiles()", "for cols in k.tiles().rev()"),
    ("for cols in k.tiles()", "for cols in v.tiles()"),
    ("for cols in k.tiles()", "'a: for _ in k.tiles()"),
    ("let p = softmax", "for more in k.tiles() {} let p = softmax"),
    ("o.store(", "for cols in k.tiles() {} o.store("),
    ("o.store(", "return; o.store("),
    ("let p = softmax", "if at_end { break; } let p = softmax"),
    ("let q = q.tile();", "use std::fmt; let q = q.tile();"),
    ("let q = q.tile();", "println!(); let q = q.tile();"),
    ("let q = q.tile();", "let q; q = q.tile();"),
    ("let q = q.tile();", "let (q, r) = q.tile();"),
    ("let q = q.tile();", "let q: Tile<Cols, Dim<D>> = q.tile();"),
    ("let q = q.tile();", "let q = match q { q => q.tile() };"),
    ("let q = q.tile();", "let n: i32 = scale; let q = q.tile();"),
    ("let s = s.mask(|at| at.col <= at.row);", "s.mask(|at| at.col <= at.row);"),
    ("let s = s.mask(|at| at.col <= at.row);", "s = s.mask(|at| at.col <= at.row);"),
    ("let s = s.mask(|at| at.col <= at.row);", "s *= scale;"),
    ("let s = s.mask(|at| at.col <= at.row);", "s += s;"),
    ("let mut acc = Tile::zeros();", "let mut acc = q;"),
    ("let mut acc = Tile::zeros();", "let acc = Tile::zeros();"),
    ("let mut acc = Tile::zeros();", "let mut acc = Tile::<Cols, Dim<D>>::zeros();"),
    ("let mut acc = Tile::zeros();", "let mut acc = Tile::zeros(); let mut other = Tile::zeros();"),
    ("let mut acc = Tile::zeros();", "let mut acc = Tile::zeros(); let b = acc;"),
    ("let mut softmax = OnlineSoftmax::new();", "let softmax = OnlineSoftmax::new();"),
    ("let mut softmax = OnlineSoftmax::new();", "let mut softmax = OnlineSoftmax::default();"),
    ("let mut softmax = OnlineSoftmax::new();", "let mut softmax = OnlineSoftmax::resume(slopes);"),
    ("let mut softmax = OnlineSoftmax::new();", "let mut softmax = OnlineSoftmax::resume(lse);"),
    ("let mut acc = Tile::zeros();", "let mut acc = Tile::resume(o);"),
    ("let mut acc = Tile::zeros();", "let mut acc = Tile::resume();"),
    ("let p = softmax", "let mut inner = Tile::zeros(); let p = softmax"),
    ("acc += dot(p, v.load(cols));", "acc -= dot(p, v.load(cols));"),
    ("acc += dot(p, v.load(cols));", "acc += dot(q, k.load(cols).t());"),
    ("acc += dot(p, v.load(cols));", "acc = dot(p, v.load(cols));"),
    ("acc += dot(p, v.load(cols));", "acc += 1.0;"),
    ("acc += dot(p, v.load(cols));", "acc += dot(p, v.load(cols)); lse.store(softmax.lse());"),
    ("acc += dot(p, v.load(cols));", "acc += dot(p, v.load(cols)); let l = softmax.lse();"),
    // Tiles.
    ("k.load(cols).t()", "k.load(cols)"),
    ("dot(p, v.load(cols))", "dot(v.load(cols), p)"),
    ("dot(p, v.load(cols))", "p * v.load(cols)"),
    ("dot(p, v.load(cols))", "dot(p, v)"),
    ("dot(p, v.load(cols))", "dot(p)"),
    ("dot(p, v.load(cols))", "dto(p, v.load(cols))"),
    ("dot(p, v.load(cols))", "my_product(p, v.load(cols))"),
    ("k.load(cols).t()", "k.gather(cols).t()"),
    ("k.load(cols).t()", "k.lod(cols).t()"),
    ("k.load(cols).t()", "k.load().t()"),
    ("k.load(cols).t()", "k.load(3).t()"),
    ("k.load(cols).t()", "k.load(cosl).t()"),
    ("k.load(cols).t()", "k.load(cols).transpose()"),
    ("o.store(softmax.finish(acc))", "o.stroe(softmax.finish(acc))"),
    ("o.store(softmax.finish(acc))", "o.store(acc)"),
    ("o.store(softmax.finish(acc))", "o.store(softmax.lse())"),
    ("o.store(softmax.finish(acc))", "o.store(softmax.finish(q))"),
    ("o.store(softmax.finish(acc))", "v.store(softmax.finish(acc))"),
    ("lse.store(softmax.lse())", "lse.store(softmax.finish(acc))"),
    ("softmax.step(s, &mut acc)", "softmax.step(s, acc)"),
    ("softmax.step(s, &mut acc)", "softmax.step(s)"),
    ("softmax.step(s, &mut acc)", "softmax.step(q, &mut acc)"),
    ("softmax.step(s, &mut acc)", "softmax.stpe(s, &mut acc)"),
    ("* scale", "* window"),
    ("* scale", "* 2"),
    ("* scale", "- q"),
    ("let q = q.tile();", "let q = q.tile() * scale;"),
    // Score functions.
    ("at.col <= at.row", "at.col"),
    ("at.col <= at.row", "x > 0.0"),
    ("at.col <= at.row", "at.column <= at.row"),
    ("at.col <= at.row", "at.col <= at.row && window"),
    ("at.col <= at.row", "at.col <= scale"),
    ("at.col <= at.row", "at.col as u32 <= 3"),
    ("at.col <= at.row", "at < 3"),
    ("at.col <= at.row", "allowed(at)"),
    ("at.col <= at.row", "{ let d = at.row - at.col; d; d > 0 }"),
    ("at.col <= at.row", "if at.col <= at.row { true }"),
    ("at.col <= at.row", "at.col <= at.row & true"),
    ("s.mask(|at| at.col <= at.row)", "s.mask(|x, at| x > 0.0)"),
    ("s.mask(|at| at.col <= at.row)", "s.mask(causal)"),
    ("s.mask(|at| at.col <= at.row)", "s.maks(|at| at.col <= at.row)"),
    ("s.mask(|at| at.col <= at.row)", "k.load(cols).mask(|at| at.col <= at.row)"),
    ("|x, at| x + slopes[at.head]", "|x, at| x > slopes[at.head]"),
    ("|x, at| x + slopes[at.head]", "|x, at| at.row"),
    ("|x, at| x + slopes[at.head]", "|x, at| x + at.row"),
    ("|x, at| x + slopes[at.head]", "|x, at| x * 2"),
    ("|x, at| x + slopes[at.head]", "|x| x"),
    ("|x, at| x + slopes[at.head]", "|x, at| x + s"),
    ("|x, at| x + slopes[at.head]", "|x, at| x + slopes"),
    ("|x, at| x + slopes[at.head]", "|x, at| x + slopes[x]"),
    ("|x, at| x + slopes[at.head]", "|x, at| x + q"),
    ("|x, at| x + slopes[at.head]", "|x, at| x.atan()"),
    ("|x, at| x + slopes[at.head]", "|x, at| x.max(1)"),
    ("|x, at| x + slopes[at.head]", "|x, at| at.row.exp()"),
    ("|x, at| x + slopes[at.head]", "|x, at| x / (D as f32)"),
    ("|x, at| x + slopes[at.head]", "|x, at| x * CAP"),
    ("|x, at| x + slopes[at.head]", "|x, at| x * config::CAP"),
    ("|x, at| x + slopes[at.head]", "|x, at| x * 1.0f64"),
    ("|x, at| x + slopes[at.head]", "|x, at| x + 1e99"),
    ("|x, at| x + slopes[at.head]", "|x, at| x * (at.row == 99999999999) as i32 as f32"),
    ("|x, at| x + slopes[at.head]", "|x, at| x * (at.row == 1) as f32"),
    ("|x, at| x + slopes[at.head]", "|x, at| select(at.row, x, 1.0)"),
    ("|x, at| x + slopes[at.head]", "|x, at| select(at.row > 0, x, 1)"),
    ("|x, at| x + slopes[at.head]", "|x, at| if at.row > 0 { x } else { 1 }"),
    ("|x, at| x + slopes[at.head]", "|x, at| f32::exp(x)"),
    ("|x, at| x + slopes[at.head]", "|x, at| -(at.row == 1)"),
    ("|x, at| x + slopes[at.head]", "|x, at| !x"),
    ("|x, at| x + slopes[at.head]", "|(x, y), at| x"),
];

/// Every type that a parameter can have, as messages list them.
fn all_types() -> String {
    let types: Vec<String> = TYPES.iter().map(|ty| ty.usage()).collect();
    let (last, others) = types.split_last().unwrap();
    format!("{} and {last}", others.join(", "))
}

#[test]
fn mistakes() {
    let mut out = String::new();
    for (from, to) in MISTAKES {
        let said = match parse_source(&edit(CONTIGUOUS, from, to)) {
            Ok(program) => panic!("accepted with `{to}`:\n{program}"),
            Err(error) => error.to_string(),
        };
        assert!(!said.contains("misread"), "{to}: {said}");
        let said = said.replace(&all_types(), "(all types)");
        writeln!(out, "- {}\n+ {}\n{said}\n", from.replace('\n', " "), to.replace('\n', " ")).unwrap();
    }
    insta::assert_snapshot!(out);
}

#[test]
fn mistakes_with_pages() {
    let edits = [
        ("k.gather(table, cols)", "k.load(cols)"),
        ("k.gather(table, cols)", "k.gather(cols)"),
        ("k.gather(table, cols)", "k.gather(v, cols)"),
        ("k.gather(table, cols)", "k.gather(cols, table)"),
        ("table.tiles()", "k.tiles()"),
        ("table.tiles()", "table"),
        ("table: BlockTable,", "table: BlockTable, other: BlockTable,"),
        ("v.gather(table, cols)", "v.gather(other, cols)"),
        ("    table: BlockTable,\n", ""),
        ("v: PagedValues<T, D>", "v: Values<T, D>"),
        ("dot(q, k.t())", "dot(q, k)"),
    ];
    let mut out = String::new();
    for (from, to) in edits {
        let said = match parse_source(&edit(PAGED, from, to)) {
            Ok(_) => "accepted".to_string(),
            Err(error) => error.to_string(),
        };
        writeln!(out, "- {from}\n+ {to}\n{said}\n").unwrap();
    }
    insta::assert_snapshot!(out);
}

/// Edits of [`TWO`] and of [`LATENT`] that are not kernels.
const MISTAKES_OF_DIMENSIONS: &[(&str, &str, &str)] = &[
    (TWO, "k: Keys<T, D>", "k: Keys<T, E>"),
    (TWO, "v: Values<T, E>", "v: Values<T, D>"),
    (TWO, "o: Output<T, E>", "o: Output<T, D>"),
    (TWO, "v: Values<T, E>", "v: Values<T, 96>"),
    (TWO, "q: Query<T, D>", "q: Query<T, 192>"),
    (TWO, "const E: usize", "const E: usize, const F: usize"),
    (TWO, "v: Values<T, E>", "v: Values<T, F>"),
    (TWO, "lse: RowOutput", "lse: RowOutput, o2: Output<T, F>"),
    (TWO, "v: Values<T, E>", "v: Vlues<T, E>"),
    (TWO, "v.load(cols)", "k"),
    (TWO, "acc += dot(p, v.load(cols));", "acc += dot(p, v.load(cols)); acc += dot(p, k);"),
    (TWO, "o.store(softmax.finish(acc));", "o.store(q);"),
    (TWO, "Tile::zeros()", "Tile::<Rows, Dim<D>>::zeros()"),
    (TWO, "let mut acc", "let mut acc: Tile<Rows, Dim<F>>"),
    (TWO, "let mut acc", "let mut acc: Tile<Rows, Dim<64>>"),
    (TWO, "let k = k.load(cols);", "let k: Tile<Cols, Dim<E>> = k.load(cols);"),
    (TWO, "dot(q, k.t())", "dot(q, v.load(cols).t())"),
    (TWO, "dot(q, k.t())", "dot(q, v.load(cols))"),
    (TWO, "acc += dot(p, v.load(cols));", ""),
    (TWO, "acc += dot(p, v.load(cols));", "acc += dot(p, v.laod(cols));"),
    (LATENT, "slice::<RANK>()", "slice()"),
    (LATENT, "slice::<RANK>()", "slice::<RANK>(0)"),
    (LATENT, "slice::<RANK>()", "slice::<RANK, WIDE>()"),
    (LATENT, "slice::<RANK>()", "slice::<T>()"),
    (LATENT, "slice::<RANK>()", "slice::<64>()"),
    (LATENT, "slice::<RANK>()", "slice::<WIDE>()"),
    (LATENT, "slice::<RANK>()", "slcie::<RANK>()"),
    (LATENT, "c.slice::<RANK>()", "c.t().slice::<RANK>()"),
    (LATENT, "c.slice::<RANK>()", "c"),
    (LATENT, "c.slice::<RANK>()", "cache.slice::<RANK>()"),
    (LATENT, "o: Output<T, RANK>", "o: Output<T, WIDE>"),
];

#[test]
fn mistakes_of_dimensions() {
    let mut out = String::new();
    for (source, from, to) in MISTAKES_OF_DIMENSIONS {
        let said = match parse_source(&edit(source, from, to)) {
            Ok(program) => panic!("accepted with `{to}`:\n{program}"),
            Err(error) => error.to_string(),
        };
        assert!(!said.contains("misread"), "{to}: {said}");
        writeln!(out, "- {from}\n+ {to}\n{said}\n").unwrap();
    }
    let numbers = LATENT.replace(", const WIDE: usize, const RANK: usize", "");
    let small = numbers.replace("WIDE", "64").replace("RANK", "96");
    writeln!(out, "{}", parse_source(&small).unwrap_err()).unwrap();
    insta::assert_snapshot!(out);
}

/// What [`Program::takes`] says of a kernel with these in place of its two dimensions.
#[test]
fn head_dims_that_programs_take() {
    let of = |source: &str, (d, e): (&str, &str)| {
        let source = source.replace("const WIDE: usize, const RANK: usize", "const D: usize, const E: usize");
        let source = source.replace("WIDE", "D").replace("RANK", "E");
        let mut generics = Vec::new();
        for (name, number) in [("D", d), ("E", e)] {
            if number == name {
                generics.push(format!(", const {name}: usize"));
            }
        }
        let source = source.replace(", const D: usize, const E: usize", &generics.concat());
        let source = source.replace("T, D>", &format!("T, {d}>")).replace("T, E>", &format!("T, {e}>"));
        parse_source(&source.replace("slice::<E>", &format!("slice::<{e}>"))).unwrap()
    };
    let cases = [
        (TWO, ("D", "E"), "64", ""),
        (TWO, ("D", "E"), "192/128", ""),
        (TWO, ("D", "E"), "64/128", ""),
        (TWO, ("192", "128"), "192/128", ""),
        (TWO, ("192", "128"), "192", "kernel `two` is written for head_dim 192/128, asked for 192"),
        (TWO, ("192", "E"), "192/64", ""),
        (TWO, ("192", "E"), "128/64", "kernel `two` is written for head_dim 192/E, asked for 128/64"),
        (TWO, ("D", "64"), "192/128", "kernel `two` is written for head_dim D/64, asked for 192/128"),
        (TWO, ("64", "64"), "64", ""),
        (TWO, ("64", "64"), "128", "kernel `two` is written for head_dim 64, asked for 128"),
        (TWO, ("64", "64"), "64/128", "kernel `two` is written for head_dim 64, asked for 64/128"),
        (
            CONTIGUOUS,
            ("D", "D"),
            "192/128",
            "kernel `attention` has one head dimension, `D`, and 192/128 was asked for: give one number, or write the kernel \
             with a second (`Values<T, E>` and `Output<T, E>`)",
        ),
        (LATENT, ("D", "E"), "576/512", ""),
        (LATENT, ("D", "E"), "512", ""),
        (
            LATENT,
            ("D", "E"),
            "64/128",
            "kernel `latent`: `values` is the first 128 numbers of rows of 64 at a head_dim of 64/128: a slice is no larger \
             than what it is cut from",
        ),
    ];
    for (source, dims, asked, want) in cases {
        let program = of(source, dims);
        let said = program.takes(asked.parse().unwrap()).err().map(|error| error.to_string());
        assert_eq!(said.unwrap_or_default(), want, "{dims:?} at {asked}");
    }
}

/// Edits of [`CONTIGUOUS`] that are programs, and nothing that is compiled.
const FORMS: &[(&str, &str)] = &[
    // The softmax.
    ("let p = softmax.step(s, &mut acc);", "let p = s;"),
    ("acc += dot(p, v.load(cols));", "let p = softmax.step(s, &mut acc); acc += dot(p, v.load(cols));"),
    ("softmax.step(s, &mut acc)", "softmax.step(softmax.step(s, &mut acc), &mut acc)"),
    ("softmax.step(s, &mut acc)", "softmax.step(s, &mut acc).map(|x, _| x * 0.5)"),
    ("softmax.step(s, &mut acc)", "softmax.step(s, &mut acc).map(|x, _| x * x)"),
    ("softmax.step(s, &mut acc)", "softmax.step(s, &mut acc).map(|x, _| x + 0.1)"),
    ("softmax.step(s, &mut acc)", "softmax.step(s, &mut acc).mask(|at| at.col != 3)"),
    ("lse.store", "softmax.sink(|_| 0.0); softmax.sink(|at| at.row as f32); lse.store"),
    (
        "acc += dot(p, v.load(cols));",
        "let p = p.mask(|at| at.col != 3); let p = p * scale; acc += dot(p, v.load(cols));",
    ),
    // What is summed.
    ("acc += dot(p, v.load(cols));", ""),
    ("acc += dot(p, v.load(cols));", "acc += dot(p, k.load(cols));"),
    ("acc += dot(p, v.load(cols));", "acc += dot(s, v.load(cols));"),
    ("acc += dot(p, v.load(cols));", "acc += dot(p, v.load(cols)); acc += dot(p, v.load(cols));"),
    ("acc += dot(p, v.load(cols));", "acc += q;"),
    (
        "acc += dot(p, v.load(cols));",
        "acc += dot(dot(p, k.load(cols)), dot(k.load(cols).t(), v.load(cols)));",
    ),
    (
        "acc += dot(p, v.load(cols));",
        "acc += dot(dot(v.load(cols).t(), dot(k.load(cols), k.load(cols).t())), p.t()).t();",
    ),
    ("let mut acc = Tile::zeros();", "let mut acc = Tile::zeros(); let mut b = Tile::zeros();"),
    // The scores.
    ("dot(q, k.load(cols).t()) * scale", "dot(q, v.load(cols).t()) * scale"),
    ("dot(q, k.load(cols).t()) * scale", "dot(v.load(cols), q.t()).t() * scale"),
    (
        "dot(q, k.load(cols).t()) * scale",
        "dot(dot(dot(q, k.load(cols).t()), v.load(cols)), k.load(cols).t())",
    ),
    ("dot(q, k.load(cols).t()) * scale", "dot(q, k.load(cols).t()).map(|_, _| 1.0).t().t()"),
    ("dot(q, k.load(cols).t()) * scale", "dot(q, k.load(cols).t()) + dot(q, v.load(cols).t())"),
    ("dot(q, k.load(cols).t()) * scale", "(dot(q, k.load(cols).t()) - (q * q).sum()) * scale"),
    ("dot(q, k.load(cols).t()) * scale", "dot(q, (k.load(cols) * scale).t())"),
    ("dot(q, k.load(cols).t()) * scale", "(dot(k.load(cols), q.t()) * scale).mask(|at| at.col != 3).t()"),
    // What is stored.
    ("o.store(softmax.finish(acc));", "o.store(q);"),
    ("o.store(softmax.finish(acc));", "o.store(acc);"),
    ("o.store(softmax.finish(acc));", "o.store(softmax.finish(acc) * 2.0);"),
    ("window: i32,", "window: i32, x: RowInput,"),
    ("let mut acc = Tile::zeros();", "let mut acc = Tile::resume(before);"),
    (
        "let mut softmax = OnlineSoftmax::new();",
        "let mut softmax = OnlineSoftmax::new(); let other = OnlineSoftmax::new();",
    ),
    ("window: i32,", "window: i32, o2: Output<T, D>, lse2: RowOutput,"),
    // Dimensions that are fixed; of every element type there are kernels.
    ("<T: Element, const D: usize>", "<T: Element>"),
    ("<T: Element, const D: usize>", "<const D: usize>"),
];

/// What goes with an edit of [`FORMS`], where one is not enough.
const FORMS_FURTHER: &[(&str, &str, &str)] = &[
    ("let mut b = Tile", "acc += dot(p, v.load(cols));", "b += dot(p, v.load(cols));"),
    ("let other = Online", "lse.store(softmax.lse());", "lse.store(other.lse());"),
    ("let other = Online", "o.store(softmax.finish(acc));", "o.store(other.finish(acc));"),
    (
        "o2: Output",
        "lse.store(softmax.lse());",
        "lse.store(softmax.lse()); o2.store(softmax.finish(acc)); lse2.store(softmax.lse());",
    ),
    ("Tile::resume(before)", "o: Output<T, D>", "o: Output<T, D>, before: Input<T, D>"),
    ("<T: Element>", "q: Query<T, D>", "q: Query<T, 100>"),
    ("<T: Element>", "k: Keys<T, D>", "k: Keys<T, 100>"),
    ("<T: Element>", "v: Values<T, D>", "v: Values<T, 100>"),
    ("<T: Element>", "o: Output<T, D>", "o: Output<T, 100>"),
    ("<const D: usize>", "q: Query<T, D>", "q: Query<f32, D>"),
    ("<const D: usize>", "k: Keys<T, D>", "k: Keys<f32, D>"),
    ("<const D: usize>", "v: Values<T, D>", "v: Values<f32, D>"),
    ("<const D: usize>", "o: Output<T, D>", "o: Output<f32, D>"),
];

#[test]
fn forms_that_are_not_compiled() {
    let mut out = String::new();
    let mut accepted = Vec::new();
    for (from, to) in FORMS {
        let mut source = edit(CONTIGUOUS, from, to);
        for (_, from, to) in FORMS_FURTHER.iter().filter(|(marker, ..)| to.contains(marker)) {
            source = edit(&source, from, to);
        }
        parse_program_source(&source).unwrap_or_else(|error| panic!("{to}: {error}"));
        match parse_source(&source) {
            Ok(_) => accepted.push(*to),
            Err(error) => {
                let place = |line: &str| line.split(':').next().and_then(|n| n.parse::<usize>().ok());
                let said = error.to_string();
                writeln!(out, "- {from}\n+ {to}").unwrap();
                for line in said.lines() {
                    let written = place(line).and_then(|n| source.lines().nth(n - 1)).unwrap_or("");
                    let column: usize = line.split(':').nth(1).unwrap().parse().unwrap();
                    let marker = "^";
                    writeln!(out, "{written}\n{marker:>column$}\n{line}").unwrap();
                }
                out.push('\n');
            }
        }
    }
    // Probabilities may be weighed, keys may be the values as well, what is only turned twice is compiled, and a factor of O.
    let compiled = [
        "softmax.step(s, &mut acc).map(|x, _| x * 0.5)",
        "acc += dot(p, k.load(cols));",
        "dot(q, k.load(cols).t()).map(|_, _| 1.0).t().t()",
        "(dot(k.load(cols), q.t()) * scale).mask(|at| at.col != 3).t()",
        "o.store(softmax.finish(acc) * 2.0);",
        "<const D: usize>",
    ];
    assert_eq!(accepted, compiled);
    insta::assert_snapshot!(out);
}

/// An output of the inputs' type, of another, and of one that the launch decides on.
#[test]
fn outputs_have_an_element_type_of_their_own() {
    const GENERICS: (&str, &str) = ("T: Element", "T: Element, U: Element");
    let edited = |edits: &[(&str, &str)]| {
        edits.iter().fold(CONTIGUOUS.to_string(), |source, (from, to)| edit(&source, from, to))
    };
    use DType::{Bf16, E4m3, F16, F32, I32};
    let output = |to| ("o: Output<T, D>", to);
    // Edits, the output as it is printed, what it can be of inputs of f16, and which types compile.
    type Kernel<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a [DType], &'a [(DType, DType, &'a str)]);
    let kernels: [Kernel; 4] = [
        (
            &[],
            "Output<T, D>",
            &[F16],
            &[(Bf16, Bf16, ""), (F16, F32, "has one element type, `T`, and an output of f32")],
        ),
        (
            &[output("o: Output<f32, D>")],
            "Output<f32, D>",
            &[F32],
            &[(Bf16, F32, ""), (F16, F16, "is written for an output of f32, asked for one of f16")],
        ),
        (&[output("o: Output<bf16, D>")], "Output<bf16, D>", &[Bf16], &[(F16, Bf16, ""), (Bf16, Bf16, "")]),
        (
            &[GENERICS, output("o: Output<U, D>")],
            "Output<U, D>",
            &[F16, F32, Bf16],
            &[
                (Bf16, F16, ""),
                (F16, F32, ""),
                (F16, E4m3, "no kernel stores an output of e4m3"),
                (F32, F32, ""),
                (F32, Bf16, ""),
                (I32, F32, "element type i32 has no kernels"),
            ],
        ),
    ];
    for (edits, printed, types, specs) in kernels {
        let program = parse_source(&edited(edits)).unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert!(program.to_string().contains(&format!("@o: {printed}")), "{program}");
        assert_eq!(program.output_types(F16), types, "{printed}");
        for (dtype, output, refused) in specs.iter().copied() {
            for arch in Arch::ALL {
                let (head_dim, shape, work) = (64.into(), ShapeClass::Prefill, Work::Grid);
                let tuning = Default::default();
                let (block_size, fold_scale, kv_dtype) = (None, true, dtype);
                let spec = Spec {
                    arch,
                    dtype,
                    kv_dtype,
                    output,
                    head_dim,
                    block_size,
                    shape,
                    tuning,
                    work,
                    values: Default::default(),
                    fold_scale,
                };
                match compile(&program, &spec) {
                    Ok(compiled) => {
                        assert!(refused.is_empty(), "{printed} of {output}");
                        // Of f32 by what multiplies it.
                        let of = if dtype == F32 { "bf16x3".to_string() } else { dtype.to_string() };
                        let types = if dtype == output { of } else { format!("{of}o{output}") };
                        assert_eq!(compiled.entry, format!("attention_{types}_d64_prefill"));
                    }
                    Err(error) => {
                        let said = error.to_string();
                        assert!(
                            !refused.is_empty() && said.contains(refused),
                            "{printed} of {output}: {said}"
                        );
                    }
                }
            }
        }
    }
    let kv = "all keys and values have one element type: it is `";
    let mistakes: [(&[(&str, &str)], &str); 5] = [
        (
            &[GENERICS, ("k: Keys<T, D>", "k: Keys<U, D>")],
            &format!("{kv}U` of the first of them, and `T` here"),
        ),
        (
            &[("v: Values<T, D>", "v: Values<f32, D>")],
            &format!("{kv}T` of the first of them, and `f32` here"),
        ),
        (
            &[output("o: Output<f64, D>")],
            "an element type is the generic `T`, `f16`, `bf16`, `f32`, `E4m3` or `E5m2`",
        ),
        (
            &[GENERICS, output("o: Output<i32, D>")],
            "an element type is the generic `T` or `U`, `f16`, `bf16`, `f32`, `E4m3` or `E5m2`",
        ),
        (
            &[output("o: Output<f32, D>, o2: Output<T, D>")],
            "all outputs of a kernel, and what they begin as, have one element type: it is `f32` of the first of them, and `T` here",
        ),
    ];
    for (edits, expected) in mistakes {
        let said = parse_source(&edited(edits)).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
}

/// Whatever is read as a kernel compiles: every form that the edits above make of one.
#[test]
fn what_is_read_as_a_kernel_compiles() {
    let transposed = [
        ("dot(q, k.load(cols).t())", "dot(k.load(cols), q.t()).t()"),
        ("dot(p, v.load(cols))", "dot(v.load(cols).t(), p.t()).t()"),
        ("let q = q.tile();", "let q = q.tile().t().t();"),
        ("softmax.step(s, &mut acc)", "softmax.step(s.t().t(), &mut acc)"),
        ("softmax.finish(acc)", "softmax.finish(acc).t().t()"),
    ];
    let variants = VARIANTS.iter().map(|(from, to, _)| (*from, *to)).filter(|(_, to)| !to.is_empty());
    let mut kernels = 0;
    for (from, to) in transposed.into_iter().chain(variants) {
        let Ok(program) = parse_source(&edit(CONTIGUOUS, from, to)) else { continue };
        for arch in [Arch::Sm80, Arch::Sm90a] {
            let spec = Spec {
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
            };
            compile(&program, &spec).unwrap_or_else(|error| panic!("{to}: {error}"));
        }
        kernels += 1;
    }
    assert_eq!(kernels, transposed.len() + VARIANTS.len() - 1);
    // A product that is written transposed is the same kernel.
    let plain = parse_source(CONTIGUOUS).unwrap();
    let mut source = CONTIGUOUS.to_string();
    for (from, to) in transposed {
        source = edit(&source, from, to);
    }
    let turned = parse_source(&source).unwrap();
    let attention = |program| flashpage_codegen::analysis::attention::recognise(program, true).unwrap();
    assert_eq!(attention(&turned), attention(&plain));
}

#[test]
fn all_mistakes_are_said_at_once() {
    let source = edit(CONTIGUOUS, "* scale", "* window");
    let source = edit(&source, "at.col <= at.row", "at.col");
    let source = edit(&source, "o.store(softmax.finish(acc));", "");
    let said = parse_source(&source).unwrap_err().to_string();
    let want = [
        "5:5: `o` is never stored: write `o.store(softmax.finish(acc));` after the loop, or remove it",
        "15:44: this is an `i32` where an `f32` is meant: write `window as f32`",
        "17:29: a mask says whether to keep the score, a `bool`; this is an `i32`",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), want);
}

/// Edits of [`CONTIGUOUS`] that are kernels, and a line that the program must have.
const VARIANTS: &[(&str, &str, &str)] = &[
    ("* scale", "/ scale", "{ x / @scale }"),
    ("dot(q, k.load(cols).t()) * scale", "scale * dot(q, k.load(cols).t())", "{ @scale * x }"),
    ("dot(q, k.load(cols).t()) * scale", "(dot(q, (k.load(cols)).t())) + 1f32", "{ x + 1.0 }"),
    ("let s = s.mask(", "let mut s = s; s = s - 0.5; let s = s.mask(", "{ x - 0.5 }"),
    ("let q = q.tile();", "let c = scale * 2.0; let q = q.tile();", "{ x * @scale }"),
    ("let q = q.tile();", "let q: Tile<Rows, Dim<D>> = q.tile();", "q: Rows×Dim = tile @q"),
    ("let q = q.tile();", "", "tile @q"),
    ("Tile::zeros()", "Tile::<Rows, Dim<D>>::zeros()", "state acc: Rows×Dim = 0"),
    ("OnlineSoftmax::new()", "flashpage::dsl::OnlineSoftmax::new()", "state softmax: online softmax"),
    (
        "at.col <= at.row",
        "{ let d = at.row - at.col; const N: i32 = -2147483648; d >= N }",
        "row - col >= -2147483648",
    ),
    (
        "at.col <= at.row",
        "!(at.col > at.row) & (window != 0 || true)",
        "!(col > row) && (@window != 0 || true)",
    ),
    (
        "at.col <= at.row",
        "(at.row / 64 == at.col / 64) ^ (at.col % 4 < 1)",
        "(row / 64 == col / 64) != (col % 4 < 1)",
    ),
    (
        "at.col <= at.row",
        "if at.seq == 0 { at.col <= at.row } else if window > 0 { true } else { false }",
        "select(seq == 0, col <= row, select(@window > 0, true, false))",
    ),
    (
        "at.col <= at.row",
        "at.col.min(3).max(at.row).abs() < i32::MAX",
        "abs(max(min(col, 3), row)) < 2147483647",
    ),
    ("|x, at| x + slopes[at.head]", "move |score: f32, place: At| -> f32 { score }", "map s { x }"),
    ("|x, at| x + slopes[at.head]", "|_, _| f32::NEG_INFINITY", "{ -inf }"),
    ("|x, at| x + slopes[at.head]", "|x, _| (x / 50.0).tanh() * 50.0", "{ tanh(x / 50.0) * 50.0 }"),
    (
        "|x, at| x + slopes[at.head]",
        "|x, at| select(at.row > 2, -x, x.exp().ln().sqrt().abs())",
        "select(row > 2, -x, abs(sqrt(ln(exp(x)))))",
    ),
    (
        "|x, at| x + slopes[at.head]",
        "|x, at| x + slopes[at.head % 2] * (at.col - at.row) as f32",
        "x + @slopes[head % 2] * f32(col - row)",
    ),
    (
        "|x, at| x + slopes[at.head]",
        "|x, at| x * (x as i32 + (at.col == 1) as i32) as f32",
        "x * f32(i32(x) + i32(col == 1))",
    ),
    ("|x, at| x + slopes[at.head]", "|x, _| x * std::f32::consts::LN_2", "x * 0.6931472"),
    ("slopes[at.head]", "slopes[0]", "x + @slopes[0]"),
];

#[test]
fn variants() {
    for (from, to, want) in VARIANTS {
        let mut source = edit(CONTIGUOUS, from, to);
        if to.is_empty() {
            source = edit(&source, "dot(q, k", "dot(q.tile(), k");
        }
        match parse_source(&source) {
            Ok(program) => assert!(program.to_string().contains(want), "{to}: no `{want}` in\n{program}"),
            Err(error) => panic!("{to}: {error}"),
        }
    }
}

#[test]
fn programs() {
    insta::assert_snapshot!("contiguous", parse_source(CONTIGUOUS).unwrap());
    insta::assert_snapshot!("paged", parse_source(PAGED).unwrap());
    insta::assert_snapshot!("two", parse_source(TWO).unwrap());
    insta::assert_snapshot!("latent", parse_source(LATENT).unwrap());
}

#[test]
fn fixed_types_are_kept() {
    let source = PAGED.replace("<T: Element, const D: usize>", "").replace("<T, D>", "<half::bf16, 128>");
    let text = parse_source(&source).unwrap().to_string();
    assert!(text.starts_with("kernel paged\n  @q: Query<bf16, 128>\n"), "{text}");
}

#[test]
fn doublings_are_bounded() {
    let lets: String = (0..40).map(|_| "let x = x + x; ").collect();
    let closure = format!("|x, at| {{ {lets} x }}");
    let said = parse_source(&edit(CONTIGUOUS, "|x, at| x + slopes[at.head]", &closure)).unwrap_err();
    assert!(said.to_string().contains("too large"), "{said}");
}

#[test]
fn files_hold_several_kernels() {
    let marked = |source: &str| format!("/// Docs.\n#[flashpage::attention_kernel]\n{source}");
    let one = format!("use flashpage::prelude::*;\nfn other() {{}}\n{}", marked(PAGED));
    let two = format!("{one}\npub mod inner {{\n{}}}\n", marked(CONTIGUOUS));
    assert_eq!(kernel_names(&two).unwrap(), ["paged", "attention"]);
    assert_eq!(parse_file(&one, None).unwrap().name, "paged");
    assert_eq!(parse_file(&two, Some("attention")).unwrap().name, "attention");

    let found = vec!["paged".to_string(), "attention".to_string()];
    let cases = [
        (two.as_str(), None, FrontendError::SeveralKernels { found: found.clone() }),
        (&two, Some("other"), FrontendError::UnknownKernel { name: "other".into(), found }),
        ("fn f() {}", None, FrontendError::NoKernel),
        ("", Some("f"), FrontendError::NoKernel),
    ];
    for (text, function, want) in cases {
        assert_eq!(parse_file(text, function), Err(want));
    }

    let said = |text: &str| parse_file(text, None).unwrap_err().to_string();
    let mark = "#[flashpage::attention_kernel";
    let reference = one.replace(mark, &format!("{mark}(reference)"));
    let only = "kernel `paged` is for the host run and the reference only: ";
    assert!(said(&reference).starts_with(only), "{}", said(&reference));
    assert!(said(&edit(&reference, "k.t()", "k")).starts_with("18:37: "));
    let misspelt = edit(&one.replace(mark, &format!("{mark}(refrence)")), "k.t()", "k");
    assert!(said(&misspelt).contains("(did you mean `reference`?)"), "{}", said(&misspelt));
    assert_eq!(said(&misspelt).lines().count(), 2);
    assert!(said(&one.replace(mark, &format!("{mark} = 3"))).contains("write `#[attention_kernel]`"));
    assert!(said("fn f() {\n    let = 3;\n}").starts_with("this is not Rust: 2:9: "));
    assert!(said(&edit(&one, "k.t()", "k")).starts_with("18:37: `q` is a `Tile<Rows, Dim<D>>` and `k` a"));
}
