use flashpage_codegen::program::*;
use flashpage_codegen::*;
fn program(paged: bool, causal: bool, window: bool) -> Program {
    use ParamKind::*;
    let mut params = vec![("q", Query)];
    if paged {
        params.extend([("k", PagedKeys), ("v", PagedValues), ("table", BlockTable)])
    } else {
        params.extend([("k", Keys), ("v", Values)])
    }
    params.extend([("o", Output), ("lse", RowOutput), ("scale", Scalar(ScalarType::F32))]);
    if window {
        params.push(("window", Scalar(ScalarType::I32)));
    }
    let id = |n: &str| ParamId(params.iter().position(|(m, _)| *m == n).unwrap());
    let (rd, cd, rc, rr) = (
        TileType { rows: Axis::Rows, cols: Axis::Dim },
        TileType { rows: Axis::Cols, cols: Axis::Dim },
        TileType { rows: Axis::Rows, cols: Axis::Cols },
        TileType { rows: Axis::Rows, cols: Axis::Rows },
    );
    let load = |p: &str| {
        if paged {
            TileOp::Gather { source: id(p), table: id("table") }
        } else {
            TileOp::Load { source: id(p) }
        }
    };
    let bin = |o, a, b| Expr::Binary(o, Box::new(a), Box::new(b));
    let mut values: Vec<Value> = vec![];
    let mut body = vec![];
    let mut v = |ty, op| {
        values.push(Value { name: None, ty, op });
        ValueId(values.len() - 1)
    };
    let q = v(rd, TileOp::Query { param: id("q") });
    let k = v(cd, load("k"));
    body.push(Stmt::Define(k));
    let kt = v(TileType { rows: Axis::Dim, cols: Axis::Cols }, TileOp::Transpose { of: k });
    body.push(Stmt::Define(kt));
    let mut s = v(rc, TileOp::Dot { a: q, b: kt });
    body.push(Stmt::Define(s));
    s = v(rc, TileOp::Map { of: s, expr: bin(BinaryOp::Mul, Expr::X, Expr::Param(id("scale"))) });
    body.push(Stmt::Define(s));
    if causal {
        let mut keep = bin(BinaryOp::Le, Expr::Col, Expr::Row);
        if window {
            keep = bin(
                BinaryOp::And,
                keep,
                bin(BinaryOp::Lt, bin(BinaryOp::Sub, Expr::Row, Expr::Col), Expr::Param(id("window"))),
            );
        }
        s = v(rc, TileOp::Mask { of: s, keep });
        body.push(Stmt::Define(s));
    }
    let p = v(rc, TileOp::SoftmaxStep { softmax: StateId(0), scores: s, acc: StateId(1) });
    body.push(Stmt::Define(p));
    let vv = v(cd, load("v"));
    body.push(Stmt::Define(vv));
    let d = v(rd, TileOp::Dot { a: p, b: vv });
    body.push(Stmt::Define(d));
    body.push(Stmt::Accumulate { acc: StateId(1), value: d });
    let f = v(rd, TileOp::Finish { softmax: StateId(0), acc: StateId(1) });
    let l = v(rr, TileOp::Lse { softmax: StateId(0) });
    Program {
        name: format!(
            "{}{}attention",
            if paged { "paged_" } else { "" },
            if causal { "causal_" } else { "" }
        ),
        element: Generic::Open("T".into()),
        head_dim: Generic::Open("D".into()),
        states: vec![
            State { name: "softmax".into(), kind: StateKind::OnlineSoftmax },
            State { name: "acc".into(), kind: StateKind::Accumulator(rd) },
        ],
        prologue: vec![Stmt::Define(q)],
        main_loop: ColumnLoop { over: if paged { id("table") } else { id("k") }, var: "cols".into(), body },
        epilogue: vec![
            Stmt::Define(f),
            Stmt::Store { param: id("o"), value: f },
            Stmt::Define(l),
            Stmt::Store { param: id("lse"), value: l },
        ],
        params: params.iter().map(|(n, k)| Param { name: n.to_string(), kind: *k }).collect(),
        values,
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let flag = |f: &str| a.iter().any(|x| x == f);
    let val = |f: &str, d: &str| a.iter().position(|x| x == f).map(|i| a[i + 1].clone()).unwrap_or(d.into());
    let p = program(flag("paged"), flag("causal") || flag("window"), flag("window"));
    let spec = Spec {
        arch: Arch::Sm80,
        dtype: val("--dtype", "f16").parse().unwrap(),
        head_dim: val("--d", "128").parse().unwrap(),
        block_size: flag("paged").then(|| val("--bs", "16").parse().unwrap()),
        shape: val("--shape", "prefill").parse().unwrap(),
        tile: a.iter().position(|x| x == "--tile").map(|i| {
            let (m, n) = a[i + 1].split_once('x').unwrap();
            (m.parse().unwrap(), n.parse().unwrap())
        }),
        fold_scale: true,
    };
    let t = std::time::Instant::now();
    let c = compile(&p, &spec).unwrap_or_else(|e| panic!("{e}"));
    let text = c.text();
    eprintln!("{:?} {} lines {}", t.elapsed(), text.lines().count(), c.entry);
    let m = flashpage_ptx::parse(&text).unwrap();
    for pr in flashpage_ptx::verify(&m).iter().take(5) {
        eprintln!("{pr:?}");
    }
    println!("{text}");
}
