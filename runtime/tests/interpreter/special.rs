//! NaN and infinities.

use crate::inputs::{D, GROUP, Inputs, KV_HEADS, Q_HEADS, attention, near, program, stored};
use crate::loops::{NEVER, lse};
use flashpage_runtime::{plain, reference};
use half::f16;

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

/// A row with a score that is NaN has no probability that is a number: here NaN itself is taken out before it is
/// accumulated, and another softmax's sum divides.
#[test]
fn no_maximum_loses_a_nan() {
    let body = "let mut one = OnlineSoftmax::new(); let mut two = OnlineSoftmax::new();
         let mut a = Tile::zeros(); let mut b = Tile::zeros();
         for cols in k.tiles() {
             let s = dot(q, k.load(cols).t());
             let p = one.step(s, &mut a).map(|x, at| if at.col == 1 { 0.0 } else { x });
             let r = two.step(s.map(|x, _| 0.0), &mut b); b += dot(r, v.load(cols)); a += dot(p, v.load(cols));
         }
         o.store(two.finish(a)); lse.store(two.lse());";
    let program = program("", body);
    for nan in [false, true] {
        let inputs = Inputs::new(&[(3, 5)], |_, k, _| {
            if nan {
                k[KV_HEADS * D] = f16::NAN;
            }
        });
        let got = reference(&program, &inputs.arguments(&program)).unwrap();
        let o = stored(&got, "o");
        // KV head 0 has the NaN.
        let head = |index: usize| index / D % Q_HEADS;
        assert!(o.iter().enumerate().all(|(i, x)| x.is_nan() == (nan && head(i) < GROUP)), "{nan}: {o:?}");
        assert!(stored(&got, "lse").iter().all(|x| x.is_finite()));
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
