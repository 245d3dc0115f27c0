//! Programs whose instances own columns, vectors, and what is made of several tiles: how they are read, and mistakes in them.

use flashpage_codegen::frontend::{parse_program_source, parse_source};
use std::fmt::Write;

/// The gradients of keys and values.
const COLUMNS: &str = "\
fn of_columns<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>, k: Keys<T, D>, v: Values<T, E>, g: Query<T, E>, lse: RowInput, delta: RowInput,
    dk: KeyOutput<f32, D>, dv: KeyOutput<f32, E>, seen: ColOutput, scale: f32,
) {
    let kt = k.tile();
    let mut dk_sum = Tile::zeros();
    let mut dv_sum = Tile::zeros();
    let mut total = ColVector::zeros();
    for rows in q.tiles() {
        let qt = q.load(rows);
        let gt = g.load(rows);
        let s = dot(qt, kt.t()) * scale;
        let p = (s - lse.load(rows)).map(|x, at| if at.col <= at.row { x.exp() } else { 0.0 });
        let ds = p * (dot(gt, v.tile().t()) - delta.load(rows));
        let ds = ds.zip(s, |x, s, at| x * s * at.head as f32);
        dv_sum += dot(p.t(), gt);
        dk_sum += dot(ds.t(), qt);
        total += p.t().sum();
    }
    dk.store(dk_sum * scale);
    dv.store(dv_sum);
    seen.store(total);
}
";

/// The gradient of queries, whose instances own rows.
const ROWS: &str = "\
fn of_rows<T: Element, const D: usize>(
    q: Query<T, D>, k: Keys<T, D>, o: Query<T, D>, g: Query<T, D>, lse: RowInput, dq: Output<T, D>, delta: RowOutput,
) {
    let qt = q.tile();
    let gt = g.tile();
    let products: RowVector = (gt * o.tile()).sum();
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    for cols in k.tiles() {
        let kt = k.load(cols);
        let p = (dot(qt, kt.t()) - lse.tile()).map(|x, _| x.exp());
        acc += dot(p * (dot(gt, kt.t()) - products), kt);
    }
    dq.store(acc / products.map(|x, at| x + at.row as f32));
    delta.store(products);
}
";

#[test]
fn programs_are_read() {
    let programs = [COLUMNS, ROWS].map(|source| parse_program_source(source).unwrap().to_string());
    insta::assert_snapshot!(programs.concat());
}

/// Edits of [`COLUMNS`] and of [`ROWS`] that mean nothing.
const MISTAKES: &[(&str, &str, &str)] = &[
    // What is owned, and what is seen tile by tile.
    (COLUMNS, "let kt = k.tile();", "let kt = q.tile();"),
    (COLUMNS, "let kt = k.tile();", "let kt = lse.tile();"),
    (COLUMNS, "let qt = q.load(rows);", "let qt = q.tile();"),
    (COLUMNS, "let qt = q.load(rows);", "let qt = q.load(k);"),
    (COLUMNS, "v.tile().t()", "v.load(rows).t()"),
    (COLUMNS, "v.tile().t()", "v.t()"),
    (COLUMNS, "let gt = g.load(rows);", "let gt = g.load(rows); let mut softmax = OnlineSoftmax::new();"),
    (COLUMNS, "let mut total = ColVector::zeros();", "let mut total = OnlineSoftmax::new();"),
    (ROWS, "q.tile()", "q.load(cols)"),
    (ROWS, "k.load(cols)", "k.tile()"),
    (ROWS, "lse.tile()", "lse.load(cols)"),
    (ROWS, "lse.tile()", "lse"),
    // What is stored.
    (COLUMNS, "dv: KeyOutput<f32, E>", "dv: Output<f32, E>"),
    (COLUMNS, "seen: ColOutput", "seen: RowOutput"),
    (COLUMNS, "seen.store(total);", "seen.store(dv_sum);"),
    (COLUMNS, "seen.store(total);", ""),
    (ROWS, "dq: Output<T, D>", "dq: KeyOutput<T, D>"),
    (ROWS, "delta.store(products);", "delta.store(gt);"),
    // What depends on how an axis is cut.
    (COLUMNS, "total += p.t().sum();", "total += p.sum().t();"),
    (COLUMNS, "total += p.t().sum();", "total += p.sum();"),
    (COLUMNS, "dot(p.t(), gt)", "dot(p, v.tile())"),
    (COLUMNS, "dot(p.t(), gt)", "dot(kt, kt.t())"),
    (COLUMNS, "dv_sum += dot(p.t(), gt);", "dv_sum += p;"),
    (COLUMNS, "dv_sum += dot(p.t(), gt);", "dv_sum = dv_sum + dot(p.t(), gt);"),
    (COLUMNS, "dv.store(dv_sum);", "dv.store(dot(dv_sum.t(), dv_sum));"),
    (ROWS, "(gt * o.tile()).sum();", "dot(gt.t(), o.tile());"),
    (ROWS, "(gt * o.tile()).sum();", "(gt * o.tile()).t().sum();"),
    // Several tiles.
    (COLUMNS, "(s - lse.load(rows))", "(lse.load(rows) - s)"),
    (COLUMNS, "(s - lse.load(rows))", "(s - lse.load(rows).t())"),
    (COLUMNS, "(s - lse.load(rows))", "(s - kt)"),
    (COLUMNS, "(s - lse.load(rows))", "(s * kt.t())"),
    (COLUMNS, "(s - lse.load(rows))", "(s % lse.load(rows))"),
    (COLUMNS, "(s - lse.load(rows))", "(s < s)"),
    (COLUMNS, "ds.zip(s, |x, s, at|", "ds.zip(delta.load(rows), |x, s, at|"),
    (COLUMNS, "ds.zip(s, |x, s, at|", "ds.zip(|x, s, at|"),
    (COLUMNS, "ds.zip(s, |x, s, at|", "ds.zip(s, |x, at|"),
    (COLUMNS, "ds.zip(s, |x, s, at| x * s", "ds.zip(s, |x, y, at| x * s"),
    // Where an element lies.
    (ROWS, "|x, at| x + at.row as f32", "|x, at| x + at.col as f32"),
    (COLUMNS, "dk.store(dk_sum * scale);", "dk.store(dk_sum.map(|x, at| x * at.head as f32));"),
    (COLUMNS, "dk.store(dk_sum * scale);", "dk.store(dk_sum.map(|x, at| x * at.row as f32));"),
    // Types that are written out.
    (ROWS, "products: RowVector", "products: ColVector"),
    (ROWS, "products: RowVector", "products: Tile<Rows, Dim<D>>"),
    (COLUMNS, "ColVector::zeros()", "RowVector::zeros()"),
    (COLUMNS, "let mut dv_sum = Tile::zeros();", "let mut dv_sum = Tile::<Cols, Dim<D>>::zeros();"),
    (COLUMNS, "dv_sum += dot(p.t(), gt);", ""),
    // The loop.
    (COLUMNS, "q.tiles()", "lse.tiles()"),
    (COLUMNS, "q.tiles()", "q"),
];

#[test]
fn mistakes() {
    let mut out = String::new();
    for (source, from, to) in MISTAKES {
        assert_eq!(source.matches(from).count(), 1, "`{from}` must stand once in the kernel");
        let said = match parse_program_source(&source.replacen(from, to, 1)) {
            Ok(program) => panic!("accepted with `{to}`:\n{program}"),
            Err(error) => error.to_string(),
        };
        assert!(!said.contains("misread"), "{to}: {said}");
        writeln!(out, "- {from}\n+ {to}\n{said}\n").unwrap();
    }
    insta::assert_snapshot!(out);
}

/// None of it is compiled yet, which is said where it is written.
#[test]
fn what_is_not_compiled() {
    let said = [COLUMNS, ROWS].map(|source| parse_source(source).unwrap_err().to_string() + "\n");
    insta::assert_snapshot!(said.concat());
}
