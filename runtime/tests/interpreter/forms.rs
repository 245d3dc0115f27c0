//! Programs of every form, and the loops that give the same.

use crate::inputs::{D, IDS, Inputs, Q_HEADS, SLOPES, WIDE, attention, near, program, stored};
use crate::loops::{At, NEVER, dot, exps, lse, mix, over};
use flashpage_runtime::{Row, plain, reference, reference_rows};
use half::f16;

/// What it is, further parameters, the program after `let q = q.tile();`, and what a row stores: `o` and `lse`.
type Form = (&'static str, &'static str, &'static str, fn(&At<'_>) -> (Vec<f64>, f64));

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
