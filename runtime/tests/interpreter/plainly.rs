//! The plain evaluation, rounding for rounding.

use crate::inputs::{D, Inputs, attention, near, program, stored};
use crate::loops::{At, mix};
use flashpage_runtime::plain;
use half::f16;

fn round(x: f64) -> f64 {
    f64::from(f16::from_f32(x as f32).to_f32())
}

/// Scores, what maps make of them and probabilities are rounded; sums of probabilities and what is accumulated are not;
/// the quotient is.
fn softmax(at: &At<'_>, score: impl Fn(f64, i32) -> f64) -> (Vec<f64>, f64) {
    let scores = at.scores(|x, col| score(round(x), col));
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return (vec![0.0; D], largest);
    }
    let exps: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
    let sum: f64 = exps.iter().sum();
    let rounded: Vec<f64> = exps.iter().map(|p| round(*p)).collect();
    (mix(&rounded, at.v).into_iter().map(|x| round(x / sum)).collect(), largest + sum.ln())
}

/// The sums of products differ by what f32 loses, so that now and then a result is rounded the other way.
#[test]
fn each_operation_is_rounded() {
    type Row = fn(&At<'_>) -> (Vec<f64>, f64);
    let table: [(&str, Row); 5] = [
        (
            attention!(
                "let p = softmax.step(dot(q, k.load(cols).t()), &mut acc); acc += dot(p, v.load(cols));"
            ),
            |at| softmax(at, |x, _| x),
        ),
        (
            attention!(
                "let p = softmax.step((dot(q, k.load(cols).t()) * 0.3).mask(|at| at.col <= at.row), &mut acc);
                 acc += dot(p, v.load(cols));"
            ),
            |at| {
                let scaled = |x: f64| round(x * f64::from(0.3f32));
                softmax(at, |x, col| if col <= at.row { scaled(x) } else { f64::NEG_INFINITY })
            },
        ),
        // What depends on the place alone is not rounded, and so is what a choice takes from it.
        (
            attention!(
                "let s = dot(q, k.load(cols).t()).map(|x, at| {
                     select(at.col % 2 == 0, x.tanh(), 0.7) * 1.3 + 0.1 * at.col as f32
                 });
                 let p = softmax.step(s, &mut acc); acc += dot(p, v.load(cols));"
            ),
            |at| {
                softmax(at, |x, col| {
                    let by = |x: f64| x * f64::from(1.3f32);
                    let place = f64::from(0.1f32) * f64::from(col);
                    if col % 2 == 0 {
                        round(round(by(round(x.tanh()))) + place)
                    } else {
                        single(by(f64::from(0.7f32)) + place)
                    }
                })
            },
        ),
        // Of two tiles too; vectors are not rounded, but what is summed was.
        (
            attention!(
                "let s = (dot(q, k.load(cols).t()) - (q * q).sum()) * 0.25;
                 let p = softmax.step(s, &mut acc); acc += dot(p, v.load(cols));"
            ),
            |at| {
                let squares: f64 = at.q.iter().map(|q| round(q * q)).sum();
                softmax(at, |x, _| round(round(x - squares) * 0.25))
            },
        ),
        // A product that is read is rounded; one that is added to an accumulator is not.
        (
            attention!(
                "let k = k.load(cols); let t = dot(q, k.t());
                 let p = softmax.step(dot(dot(t, k), k.t()) * 0.125, &mut acc); acc += dot(p, v.load(cols));"
            ),
            |at| {
                let t: Vec<f64> = at.scores(|x, _| round(x));
                let through: Vec<f64> = mix(&t, at.k).into_iter().map(round).collect();
                let at = At { q: &through, ..*at };
                softmax(&at, |x, _| round(x * 0.125))
            },
        ),
    ];
    let inputs = Inputs::new(&[(40, 70), (9, 5)], |_, _, _| {});
    for (body, row) in table {
        let program = program("", body);
        let got = plain(&program, &inputs.arguments(&program)).unwrap();
        let (o, lse) = inputs.expected(row);
        near(body, stored(&got, "lse"), &lse, 1e-3);
        near(body, stored(&got, "o"), &o, 4e-3);
        let same = stored(&got, "o").iter().zip(&o).filter(|(got, want)| got == want).count();
        assert!(same * 100 >= o.len() * 97, "{body}: {same} of {} are the same", o.len());
    }
}

/// A tile holds what is not rounded to the element type as f32.
fn single(x: f64) -> f64 {
    f64::from(x as f32)
}
