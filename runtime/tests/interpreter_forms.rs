//! The reference on programs of every form that the language has, most of which no kernel is made of, against nested
//! loops over rows, columns and elements, written here.

use flashpage_codegen::Program;
use flashpage_codegen::frontend::parse_source;
use flashpage_runtime::{
    Argument, BlockTable, DType, Device, Pool, PoolLayout, Ragged, Row, Starts, Tensor, plain, reference,
    reference_rows,
};
use half::f16;

const D: usize = 8;
const Q_HEADS: usize = 4;
const GROUP: usize = 2;
const KV_HEADS: usize = Q_HEADS / GROUP;

/// What one row has: its query, the keys and values of its sequence, and where it stands.
struct At<'a> {
    q: &'a [f64],
    k: &'a [&'a [f64]],
    v: &'a [&'a [f64]],
    row: i32,
    head: i32,
    seq: i32,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `sum of w[col] * x[col][d]` for each d.
fn mix(weights: &[f64], x: &[&[f64]]) -> Vec<f64> {
    (0..D).map(|d| weights.iter().zip(x).map(|(w, x)| w * x[d]).sum()).collect()
}

/// Weights over their sum, which is that of `of`; zero of nothing.
fn over(sums: Vec<f64>, of: &[f64]) -> Vec<f64> {
    let sum: f64 = of.iter().sum();
    sums.into_iter().map(|x| if sum == 0.0 { 0.0 } else { x / sum }).collect()
}

fn exps(scores: &[f64]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter().map(|s| if *s == f64::NEG_INFINITY { 0.0 } else { (s - largest).exp() }).collect()
}

fn lse(scores: &[f64]) -> f64 {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY { largest } else { largest + exps(scores).iter().sum::<f64>().ln() }
}

impl At<'_> {
    /// `f` of each score and its column.
    fn scores(&self, f: impl Fn(f64, i32) -> f64) -> Vec<f64> {
        self.k.iter().zip(0..).map(|(k, col)| f(dot(self.q, k), col)).collect()
    }

    fn softmax(&self, scores: &[f64]) -> Vec<f64> {
        over(mix(&exps(scores), self.v), &exps(scores))
    }
}

const NEVER: f64 = f64::NEG_INFINITY;

/// What it is, further parameters, the program after `let q = q.tile();`, and what a row stores: `o` and `lse`.
type Form = (&'static str, &'static str, &'static str, fn(&At<'_>) -> (Vec<f64>, f64));

/// The parts that most forms have around the body of their loop.
macro_rules! attention {
    ($body:literal) => {
        concat!(
            "let mut softmax = OnlineSoftmax::new(); let mut acc = Tile::zeros(); for cols in k.tiles() {",
            $body,
            "} o.store(softmax.finish(acc)); lse.store(softmax.lse());"
        )
    };
}

const FORMS: &[Form] = &[
    (
        "attention",
        "",
        attention!(
            "let p = softmax.step(dot(q, k.load(cols).t()) * 0.25, &mut acc); acc += dot(p, v.load(cols));"
        ),
        |at| {
            let s = at.scores(|x, _| x * 0.25);
            (at.softmax(&s), lse(&s))
        },
    ),
    (
        "a map of probabilities",
        "",
        attention!(
            "let p = softmax.step(dot(q, k.load(cols).t()), &mut acc);
             let p = p.map(|x, at| if (at.col + at.row) % 3 == 0 { 0.0 } else { x * 1.5 });
             acc += dot(p, v.load(cols));"
        ),
        |at| {
            let s = at.scores(|x, _| x);
            let kept = exps(&s).into_iter().zip(0..);
            let kept: Vec<f64> =
                kept.map(|(p, col)| if (col + at.row) % 3 == 0 { 0.0 } else { p * 1.5 }).collect();
            (over(mix(&kept, at.v), &exps(&s)), lse(&s))
        },
    ),
    (
        "a map of probabilities that is not linear",
        "",
        attention!(
            "let p = softmax.step(dot(q, k.load(cols).t()), &mut acc).map(|x, _| x.sqrt());
             acc += dot(p, v.load(cols));"
        ),
        |at| {
            let s = at.scores(|x, _| x);
            let roots: Vec<f64> = exps(&s).into_iter().map(f64::sqrt).collect();
            (over(mix(&roots, at.v), &exps(&s)), lse(&s))
        },
    ),
    (
        "a mask whose minus infinities a map makes finite",
        "",
        attention!(
            "let s = dot(q, k.load(cols).t()).mask(|at| at.col <= at.row).map(|x, _| x.min(1.0).exp());
             let p = softmax.step(s, &mut acc); acc += dot(p, v.load(cols));"
        ),
        |at| {
            let s = at.scores(|x, col| if col <= at.row { x.min(1.0).exp() } else { 0.0 });
            (at.softmax(&s), lse(&s))
        },
    ),
    (
        "scores made transposed",
        "",
        attention!(
            "let s = dot(k.load(cols), q.t()).t().map(|x, at| x + 0.125 * ((at.col - 2 * at.row) % 16) as f32);
             let s = s.mask(|at| at.col != 3 + at.head); let p = softmax.step(s, &mut acc);
             acc += dot(p, v.load(cols));"
        ),
        |at| {
            let s = at.scores(|x, col| {
                if col == 3 + at.head { NEVER } else { x + 0.125 * f64::from((col - 2 * at.row) % 16) }
            });
            (at.softmax(&s), lse(&s))
        },
    ),
    (
        "products of products",
        "",
        attention!(
            "let vt = v.load(cols).t(); let kt = k.load(cols).t();
             let s = dot(dot(dot(q, kt), v.load(cols)), kt); let p = softmax.step(s * 0.01, &mut acc);
             acc += dot(p, vt.t());"
        ),
        |at| {
            let through = mix(&at.scores(|x, _| x), at.v);
            let s: Vec<f64> = at.k.iter().map(|k| f64::from(0.01f32) * dot(&through, k)).collect();
            (at.softmax(&s), lse(&s))
        },
    ),
    (
        "no softmax but the count of columns",
        "",
        attention!(
            "let s = dot(q, k.load(cols).t()); let one = softmax.step(s * 0.0, &mut acc);
             acc += dot(s, v.load(cols)); let more = dot(one, v.load(cols)); acc += more;"
        ),
        |at| {
            let s = at.scores(|x, _| x + 1.0);
            let n = at.k.len() as f64;
            (over(mix(&s, at.v), &vec![1.0; at.k.len()]), n.ln())
        },
    ),
    (
        "queries times a matrix of keys and values",
        "",
        attention!(
            "let kt = k.load(cols).t(); let one = softmax.step(dot(q, kt).map(|x, _| 0.0), &mut acc);
             acc += dot(q, dot(kt, v.load(cols)));"
        ),
        |at| {
            let s = at.scores(|x, _| x);
            (over(mix(&s, at.v), &vec![1.0; at.k.len()]), (at.k.len() as f64).ln())
        },
    ),
    (
        "two steps of one softmax, over keys and over values",
        "",
        attention!(
            "let kc = k.load(cols); let vc = v.load(cols);
             let p = softmax.step(dot(q, kc.t()), &mut acc); acc += dot(p, vc);
             let r = softmax.step(dot(q, vc.t()) + 1.5, &mut acc); acc += dot(r, kc);"
        ),
        |at| {
            let mut s = at.scores(|x, _| x);
            s.extend(at.v.iter().map(|v| dot(at.q, v) + 1.5));
            let both: Vec<&[f64]> = at.v.iter().chain(at.k).copied().collect();
            (over(mix(&exps(&s), &both), &exps(&s)), lse(&s))
        },
    ),
    (
        "two softmaxes and two accumulators",
        "o2: Output<T, D>, lse2: RowOutput",
        "let mut one = OnlineSoftmax::new(); let mut two = OnlineSoftmax::new();
         let mut a = Tile::zeros(); let mut b = Tile::zeros();
         for cols in k.tiles() {
             let s = dot(q, k.load(cols).t()); let p = one.step(s.mask(|at| at.col <= at.row), &mut a);
             let r = two.step(s * 0.5 - 0.25, &mut b); b += dot(r, k.load(cols)); a += dot(p, v.load(cols));
         }
         o2.store(two.finish(b)); lse.store(one.lse()); lse2.store(two.lse()); o.store(one.finish(a));",
        |at| {
            let s = at.scores(|x, col| if col <= at.row { x } else { NEVER });
            (at.softmax(&s), lse(&s))
        },
    ),
    (
        "one softmax and two accumulators",
        "o2: Output<T, D>, lse2: RowOutput",
        "let mut softmax = OnlineSoftmax::new(); let mut a = Tile::zeros(); let mut b = Tile::zeros();
         for cols in k.tiles() {
             let p = softmax.step(dot(q, k.load(cols).t()), &mut a);
             a += dot(p, v.load(cols)); b += dot(p, k.load(cols)); b += dot(p, v.load(cols));
         }
         o.store(softmax.finish(b)); lse.store(softmax.lse()); lse2.store(softmax.lse());
         o2.store(softmax.finish(a));",
        |at| {
            let s = at.scores(|x, _| x);
            let sums: Vec<f64> =
                mix(&exps(&s), at.v).iter().zip(mix(&exps(&s), at.k)).map(|(a, b)| a + b).collect();
            (over(sums, &exps(&s)), lse(&s))
        },
    ),
    (
        "nothing but the query",
        "",
        "let softmax = OnlineSoftmax::new(); for cols in k.tiles() {} o.store(q); lse.store(softmax.lse());",
        |at| (at.q.to_vec(), NEVER),
    ),
    (
        "integers that wrap, and divisions by nothing",
        "zero: i32, wide: i32",
        attention!(
            "let s = dot(q, k.load(cols).t()).mask(|at| {
                 at.col * wide + at.row > 0 || (at.col / zero == 0 && at.row % zero == at.col)
             });
             let p = softmax.step(s, &mut acc); acc += dot(p, v.load(cols));"
        ),
        |at| {
            let s = at.scores(|x, col| {
                let kept = col.wrapping_mul(WIDE).wrapping_add(at.row) > 0 || col == 0;
                if kept { x } else { NEVER }
            });
            (at.softmax(&s), lse(&s))
        },
    ),
    (
        "parameters per head, sequences, and choices",
        "slopes: PerHead<f32>, ids: PerHead<i32>, flag: bool",
        attention!(
            "let s = dot(q, k.load(cols).t()).map(|x, at| {
                 select(x < slopes[at.head] && !flag, x.abs() * 0.5, x.tanh() + at.seq as f32)
                     + slopes[ids[at.head]] * (at.col % 7) as f32
             });
             let p = softmax.step(s, &mut acc); acc += dot(p, v.load(cols));"
        ),
        |at| {
            let slope = |head: i32| f64::from(SLOPES[head as usize]);
            let s = at.scores(|x, col| {
                let chosen = if x < slope(at.head) { x.abs() * 0.5 } else { x.tanh() + f64::from(at.seq) };
                chosen + slope(IDS[at.head as usize]) * f64::from(col % 7)
            });
            (at.softmax(&s), lse(&s))
        },
    ),
];

const WIDE: i32 = 2_000_000_000;
const SLOPES: [f32; Q_HEADS] = [0.5, -0.25, 0.0, 2.0];
const IDS: [i32; Q_HEADS] = [3, 2, 1, 0];

fn program(params: &str, body: &str) -> Program {
    let source = format!(
        "fn form<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>, lse: RowOutput, \
         {params}) {{ let q = q.tile(); {body} }}"
    );
    parse_source(&source).unwrap_or_else(|error| panic!("{error}\n{source}"))
}

/// Numbers between -1 and 1 that are the same on every run.
fn numbers(seed: u64, n: usize) -> Vec<f16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        f16::from_f32((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
    };
    (0..n).map(|_| next()).collect()
}

/// Tensors of a batch, and their numbers.
struct Inputs {
    lens: Vec<(usize, usize)>,
    q: Vec<f16>,
    k: Vec<f16>,
    v: Vec<f16>,
    tensors: [Tensor; 7],
    starts: [Starts; 2],
}

impl Inputs {
    /// After `change` has had queries, keys and values.
    fn new(lens: &[(usize, usize)], change: impl Fn(&mut [f16], &mut [f16], &mut [f16])) -> Inputs {
        let device = Device::emulator();
        let list = |of: fn(&(usize, usize)) -> usize| lens.iter().map(|l| of(l) as i32).collect::<Vec<_>>();
        let starts = [list(|l| l.0), list(|l| l.1)].map(|lens| Starts::from_lens(&device, &lens).unwrap());
        // Some tokens that belong to no sequence.
        let (tokens, kv_tokens) = (starts[0].tokens() + 2, starts[1].tokens() + 2);
        let mut q = numbers(1, tokens * Q_HEADS * D);
        let [mut k, mut v] = [2, 3].map(|seed| numbers(seed, kv_tokens * KV_HEADS * D));
        for (numbers, unused) in [(&mut q, Q_HEADS), (&mut k, KV_HEADS), (&mut v, KV_HEADS)] {
            let end = numbers.len() - 2 * unused * D;
            numbers[end..].fill(f16::NAN);
        }
        change(&mut q, &mut k, &mut v);
        let output = || Tensor::zeros(&device, DType::F16, &[tokens, Q_HEADS, D]).unwrap();
        let row_output = || Tensor::zeros(&device, DType::F32, &[tokens, Q_HEADS]).unwrap();
        let tensors = [
            Tensor::from_slice(&device, &q, &[tokens, Q_HEADS, D]).unwrap(),
            Tensor::from_slice(&device, &k, &[kv_tokens, KV_HEADS, D]).unwrap(),
            Tensor::from_slice(&device, &v, &[kv_tokens, KV_HEADS, D]).unwrap(),
            output(),
            row_output(),
            Tensor::from_slice(&device, &SLOPES, &[Q_HEADS]).unwrap(),
            Tensor::from_slice(&device, &IDS, &[Q_HEADS]).unwrap(),
        ];
        Inputs { lens: lens.to_vec(), q, k, v, tensors, starts }
    }

    fn arguments<'a>(&'a self, program: &Program) -> Vec<Argument<'a>> {
        let [q, k, v, o, lse, slopes, ids] = &self.tensors;
        let [q_starts, kv_starts] = &self.starts;
        let argument = |name: &str| match name {
            "q" => Argument::Ragged(Ragged { tensor: q, starts: q_starts }),
            "k" => Argument::Ragged(Ragged { tensor: k, starts: kv_starts }),
            "v" => Argument::Ragged(Ragged { tensor: v, starts: kv_starts }),
            "o" | "o2" => Argument::Output(o),
            "lse" | "lse2" => Argument::Output(lse),
            "slopes" => Argument::PerHead(slopes),
            "ids" => Argument::PerHead(ids),
            "flag" => Argument::Bool(false),
            "zero" => Argument::I32(0),
            "wide" => Argument::I32(WIDE),
            other => panic!("no argument for {other}"),
        };
        program.params.iter().map(|param| argument(&param.name)).collect()
    }

    /// What `f` gives for every row: `o` and `lse` as the reference lays them out.
    fn expected(&self, f: fn(&At<'_>) -> (Vec<f64>, f64)) -> (Vec<f64>, Vec<f64>) {
        let wide = |numbers: &[f16]| numbers.iter().map(|x| x.to_f64()).collect::<Vec<f64>>();
        let (q, k, v) = (wide(&self.q), wide(&self.k), wide(&self.v));
        let (mut o, mut lse) = (Vec::new(), Vec::new());
        let (mut q_first, mut kv_first) = (0, 0);
        for (seq, (q_len, kv_len)) in self.lens.iter().enumerate() {
            for index in 0..*q_len {
                for head in 0..Q_HEADS {
                    let line = |token: usize| (token * KV_HEADS + head / GROUP) * D;
                    let of = |x: &'_ Vec<f64>| -> Vec<Vec<f64>> {
                        (kv_first..kv_first + kv_len).map(|token| x[line(token)..][..D].to_vec()).collect()
                    };
                    let (k, v) = (of(&k), of(&v));
                    let (k, v): (Vec<&[f64]>, Vec<&[f64]>) =
                        (k.iter().map(Vec::as_slice).collect(), v.iter().map(Vec::as_slice).collect());
                    let (row, head_at) = (*kv_len as i32 - *q_len as i32 + index as i32, head as i32);
                    let q = &q[((q_first + index) * Q_HEADS + head) * D..][..D];
                    let (line, sum) = f(&At { q, k: &k, v: &v, row, head: head_at, seq: seq as i32 });
                    o.extend(line);
                    lse.push(sum);
                }
            }
            q_first += q_len;
            kv_first += kv_len;
        }
        (o, lse)
    }
}

/// Each of `got` within `bound` of what is wanted, relative to numbers above 1; special numbers are the same.
fn near(what: &str, got: &[f64], want: &[f64], bound: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        let same = got == want || got.is_nan() && want.is_nan();
        let near = same || (got - want).abs() <= bound * (1.0 + want.abs());
        assert!(near, "{what}: element {index} is {got}, not {want}");
    }
}

fn stored<'a>(expected: &'a [flashpage_runtime::Expected], name: &str) -> &'a [f64] {
    &expected.iter().find(|expected| expected.name == name).expect("an output of this name").values
}

/// Shapes with rows before the first key, sequences of nothing, more rows than a chunk has, and more columns than a strip.
const LENS: [&[(usize, usize)]; 2] = [&[(5, 9), (0, 4), (7, 2), (3, 0), (1, 1), (150, 40)], &[(3, 2100)]];

#[test]
fn every_form() {
    for (what, params, body, expected) in FORMS {
        let program = program(params, body);
        for lens in LENS {
            let inputs = Inputs::new(lens, |_, _, _| {});
            let arguments = inputs.arguments(&program);
            let got = reference(&program, &arguments).unwrap();
            let (o, lse) = inputs.expected(*expected);
            near(&format!("{what}: o"), stored(&got, "o"), &o, 1e-12);
            near(&format!("{what}: lse"), stored(&got, "lse"), &lse, 1e-12);
            let rounded = plain(&program, &arguments).unwrap();
            near(&format!("{what}, plain: o"), stored(&rounded, "o"), &o, 2e-2);
            near(&format!("{what}, plain: lse"), stored(&rounded, "lse"), &lse, 2e-2);
            let is_half = |x: &&f64| f64::from(f16::from_f64(**x).to_f32()) == **x;
            assert_eq!(stored(&rounded, "o").iter().find(|x| !is_half(x)), None, "{what}");
            let rows = [(0, 3, 2), (0, 0, 0), (0, 3, 2), (0, 1, 1)];
            let rows = rows.map(|(sequence, head, index)| Row { sequence, head, index });
            let some = reference_rows(&program, &arguments, &rows).unwrap();
            let line = |row: &Row| o[(row.index * Q_HEADS + row.head) * D..][..D].to_vec();
            near(what, stored(&some, "o"), &rows.iter().flat_map(line).collect::<Vec<f64>>(), 1e-12);
        }
    }
}

/// The outputs that [`FORMS`] say nothing of.
#[test]
fn second_outputs() {
    let inputs = Inputs::new(LENS[0], |_, _, _| {});
    type Second = fn(&At<'_>) -> (Vec<f64>, f64);
    let table: [(&str, Second); 2] = [
        ("two softmaxes and two accumulators", |at| {
            let s = at.scores(|x, _| x * 0.5 - 0.25);
            (over(mix(&exps(&s), at.k), &exps(&s)), lse(&s))
        }),
        ("one softmax and two accumulators", |at| {
            let s = at.scores(|x, _| x);
            (at.softmax(&s), lse(&s))
        }),
    ];
    for (name, second) in table {
        let (_, params, body, _) = FORMS.iter().find(|form| form.0 == name).unwrap();
        let program = program(params, body);
        let got = reference(&program, &inputs.arguments(&program)).unwrap();
        let (o, lse) = inputs.expected(second);
        near(name, stored(&got, "o2"), &o, 1e-12);
        near(name, stored(&got, "lse2"), &lse, 1e-12);
    }
}

/// NaN and infinities go where arithmetic sends them, and nowhere else.
#[test]
fn special_numbers() {
    let plain_attention =
        attention!("let p = softmax.step(dot(q, k.load(cols).t()), &mut acc); acc += dot(p, v.load(cols));");
    let masked = attention!(
        "let p = softmax.step(dot(q, k.load(cols).t()).mask(|at| at.col != 1), &mut acc);
         acc += dot(p, v.load(cols));"
    );
    // Of the second sequence's four keys and two queries, head 0 (KV head 0).
    let (key, query) = (|col: usize| (3 + col) * KV_HEADS * D, |index: usize| (2 + index) * Q_HEADS * D);
    type Change<'a> = Box<dyn Fn(&mut [f16], &mut [f16], &mut [f16]) + 'a>;
    let change = |f: fn(&mut [f16], &mut [f16], &mut [f16], usize, usize)| -> Change<'_> {
        Box::new(move |q, k, v| f(q, k, v, key(1), query(1)))
    };
    // Kernel, change, whether `o` and `lse` of the second sequence's first and second query are numbers.
    let table: [(&str, Change<'_>, [[bool; 2]; 2]); 8] = [
        (plain_attention, change(|_, _, _, _, _| {}), [[true; 2]; 2]),
        (plain_attention, change(|_, k, _, at, _| k[at] = f16::NAN), [[false; 2]; 2]),
        (plain_attention, change(|_, _, v, at, _| v[at..at + D].fill(f16::NAN)), [[false, true]; 2]),
        (plain_attention, change(|q, _, _, _, at| q[at] = f16::NAN), [[true; 2], [false; 2]]),
        // A masked score is minus infinity whatever it was; 0 times NaN is NaN all the same.
        (masked, change(|_, k, _, at, _| k[at] = f16::NAN), [[true; 2]; 2]),
        (masked, change(|_, _, v, at, _| v[at..at + D].fill(f16::NAN)), [[false, true]; 2]),
        (masked, change(|_, _, v, at, _| v[at..at + D].fill(f16::INFINITY)), [[false, true]; 2]),
        // An infinite score of either sign: with the queries' signs made positive, plus infinity.
        (
            plain_attention,
            change(|q, k, _, at, _| {
                q.iter_mut().for_each(|x| *x = f16::from_f32(x.to_f32().abs() + 0.125));
                k[at] = f16::INFINITY;
            }),
            [[false; 2]; 2],
        ),
    ];
    for (case, (body, change, numbers)) in table.iter().enumerate() {
        let inputs = Inputs::new(&[(2, 3), (2, 4), (2, 3)], change);
        let program = program("", body);
        for run in [reference, plain] {
            let got = run(&program, &inputs.arguments(&program)).unwrap();
            let (o, lse) = (stored(&got, "o"), stored(&got, "lse"));
            for (row, numbers) in numbers.iter().enumerate() {
                let line = query(row);
                let finite = [o[line..line + D].iter().all(|x| x.is_finite()), lse[line / D].is_finite()];
                assert_eq!(
                    finite,
                    *numbers,
                    "case {case}, row {row}: {:?} {}",
                    &o[line..line + D],
                    lse[line / D]
                );
            }
            // Other sequences, and heads of the other KV head, see nothing of it.
            let elsewhere =
                |index: usize| index / D % Q_HEADS >= GROUP || !(2..4).contains(&(index / D / Q_HEADS));
            assert!(o.iter().enumerate().all(|(i, x)| !elsewhere(i) || x.is_finite()), "case {case}");
            assert!(lse.iter().enumerate().all(|(i, x)| !elsewhere(i * D) || x.is_finite()), "case {case}");
        }
    }
}

/// A key of minus infinity counts for nothing, as a masked one does.
#[test]
fn minus_infinity_is_a_mask() {
    let body =
        attention!("let p = softmax.step(dot(q, k.load(cols).t()), &mut acc); acc += dot(p, v.load(cols));");
    let program = program("", body);
    let inputs = Inputs::new(&[(2, 5)], |q, k, _| {
        q.iter_mut().for_each(|x| *x = f16::from_f32(x.to_f32().abs() + 0.125));
        k[KV_HEADS * D] = f16::NEG_INFINITY;
        k[KV_HEADS * D + D] = f16::NEG_INFINITY;
    });
    let got = reference(&program, &inputs.arguments(&program)).unwrap();
    let (o, sums) = inputs.expected(|at| {
        let s = at.scores(|x, col| if col == 1 { NEVER } else { x });
        (at.softmax(&s), lse(&s))
    });
    near("o", stored(&got, "o"), &o, 1e-12);
    near("lse", stored(&got, "lse"), &sums, 1e-12);
}

/// The same keys and values through block tables give the same bits.
#[test]
fn paged_and_contiguous_are_the_same() {
    let contiguous = attention!(
        "let s = dot(q, k.load(cols).t()).mask(|at| at.col <= at.row); let p = softmax.step(s, &mut acc);
         acc += dot(p, v.load(cols));"
    );
    let inputs = Inputs::new(&[(5, 9), (3, 40), (2, 0)], |_, _, _| {});
    let device = inputs.tensors[0].device().clone();
    let (block_size, width) = (8, 6);
    let mut entries = vec![-1; 3 * width];
    let blocks = 9;
    let mut pools =
        [PoolLayout::Nhd, PoolLayout::Hnd].map(|_| vec![f16::NAN; blocks * block_size * KV_HEADS * D]);
    let (mut first, mut block) = (0, blocks);
    for (sequence, (_, kv_len)) in inputs.lens.iter().enumerate() {
        for token in 0..*kv_len {
            if token % block_size == 0 {
                block -= 1;
                entries[sequence * width + token / block_size] = block as i32;
            }
            for head in 0..KV_HEADS {
                let from = ((first + token) * KV_HEADS + head) * D;
                let at = token % block_size;
                let nhd = ((block * block_size + at) * KV_HEADS + head) * D;
                let hnd = ((block * KV_HEADS + head) * block_size + at) * D;
                pools[0][nhd..nhd + D].copy_from_slice(&inputs.k[from..from + D]);
                pools[1][hnd..hnd + D].copy_from_slice(&inputs.v[from..from + D]);
            }
        }
        first += kv_len;
    }
    let kv_lens: Vec<i32> = inputs.lens.iter().map(|lens| lens.1 as i32).collect();
    let table = BlockTable::new(&device, &entries, width, &kv_lens).unwrap();
    let k = Tensor::from_slice(&device, &pools[0], &[blocks, block_size, KV_HEADS, D]).unwrap();
    let v = Tensor::from_slice(&device, &pools[1], &[blocks, KV_HEADS, block_size, D]).unwrap();
    let text = contiguous.replace("k.tiles(", "table.tiles(").replace(".load(", ".gather(table, ");
    let source = format!(
        "fn form<T: Element, const D: usize>(q: Query<T, D>, k: PagedKeys<T, D>, v: PagedValues<T, D>, o: Output<T, D>, \
         lse: RowOutput, table: BlockTable) {{ let q = q.tile(); {text} }}"
    );
    let (paged, contiguous) = (parse_source(&source).unwrap(), program("", contiguous));
    let plain_arguments = inputs.arguments(&contiguous);
    let mut arguments = plain_arguments.clone();
    arguments[1] = Argument::Pool(Pool { tensor: &k, layout: PoolLayout::Nhd });
    arguments[2] = Argument::Pool(Pool { tensor: &v, layout: PoolLayout::Hnd });
    arguments.push(Argument::Table(&table));
    for run in [reference, plain] {
        assert_eq!(run(&paged, &arguments).unwrap(), run(&contiguous, &plain_arguments).unwrap());
    }
}

/// What rows are multiplied with each other for depends on how they are cut into tiles.
#[test]
fn products_of_rows_are_refused() {
    let inputs = Inputs::new(&[(2, 3)], |_, _, _| {});
    let table = [
        ("let r = dot(q, q.t()); o.store(dot(r, q)); lse.store(softmax.lse());", "r"),
        ("let m = dot(q.t(), q); o.store(dot(q, m)); lse.store(softmax.lse());", "m"),
    ];
    for (after, value) in table {
        let body = format!("let softmax = OnlineSoftmax::new(); for cols in k.tiles() {{}} {after}");
        let program = program("", &body);
        let said = reference(&program, &inputs.arguments(&program)).unwrap_err().to_string();
        assert!(said.starts_with(&format!("kernel `form`: `{value}` multiplies rows with rows")), "{said}");
    }
}
