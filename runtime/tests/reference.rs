//! The reference against numbers worked out by hand.

use flashpage_codegen::frontend::parse_source;
use flashpage_codegen::schedule::F32Products;
use flashpage_runtime::{
    Argument, DType, Device, Progress, Ragged, Starts, Tensor, plain, plain_watched, reference,
    reference_watched,
};
use half::f16;

const SOURCE: &str = "
fn attention<T: Element, const D: usize>(
    q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>, lse: RowOutput, scale: f32, causal: bool,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| !causal || at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}";

/// One query head over one KV head of two numbers; gives outputs and log-sum-exps.
fn run(
    q: &[[f32; 2]],
    kv: &[([f32; 2], [f32; 2])],
    scale: f32,
    causal: bool,
    exact: bool,
) -> (Vec<f64>, Vec<f64>) {
    let device = Device::emulator();
    let tensor = |rows: Vec<[f32; 2]>| {
        let data: Vec<f16> = rows.concat().into_iter().map(f16::from_f32).collect();
        Tensor::from_slice(&device, &data, &[rows.len(), 1, 2]).unwrap()
    };
    let (queries, keys) = (tensor(q.to_vec()), tensor(kv.iter().map(|pair| pair.0).collect()));
    let values = tensor(kv.iter().map(|pair| pair.1).collect());
    let (q_starts, kv_starts) =
        (Starts::uniform(&device, 1, q.len()).unwrap(), Starts::uniform(&device, 1, kv.len()).unwrap());
    let o = Tensor::filled_nan(&device, DType::F16, &[q.len(), 1, 2]).unwrap();
    let lse = Tensor::filled_nan(&device, DType::F32, &[q.len(), 1]).unwrap();
    let arguments = [
        Argument::Ragged(Ragged { tensor: &queries, starts: &q_starts }),
        Argument::Ragged(Ragged { tensor: &keys, starts: &kv_starts }),
        Argument::Ragged(Ragged { tensor: &values, starts: &kv_starts }),
        Argument::Output(&o),
        Argument::Output(&lse),
        Argument::F32(scale),
        Argument::Bool(causal),
    ];
    let program = parse_source(SOURCE).unwrap();
    let progress = Progress::default();
    let results = match exact {
        true => reference_watched(&program, &arguments, &progress),
        false => plain_watched(&program, &arguments, F32Products::default(), &progress),
    };
    let results = results.unwrap();
    let scores = q.len() * (kv.len() + 1);
    assert_eq!(progress.scores(), (scores as u64, scores as u64));
    assert_eq!(
        results,
        if exact { reference(&program, &arguments) } else { plain(&program, &arguments) }.unwrap()
    );
    assert_eq!(results.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["o", "lse"]);
    (results[0].values.clone(), results[1].values.clone())
}

fn close(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (g, e) in got.iter().zip(expected) {
        assert!(g == e || (g - e).abs() < 1e-12, "{got:?} instead of {expected:?}");
    }
}

#[test]
fn by_hand() {
    let kv = [([1.0, 0.0], [8.0, 0.0]), ([0.0, 1.0], [0.0, 4.0]), ([-1.0, 0.0], [2.0, 2.0])];
    // One key: its value, whatever the score.
    close(&run(&[[3.0, 1.0]], &kv[..1], 0.5, false, true).0, &[8.0, 0.0]);
    close(&run(&[[3.0, 1.0]], &kv[..1], 0.5, false, true).1, &[1.5]);
    // Scores of zero: the mean of the values, and ln 3.
    let (o, lse) = run(&[[0.0, 0.0]], &kv, 1.0, false, true);
    close(&o, &[10.0 / 3.0, 2.0]);
    close(&lse, &[3f64.ln()]);
    // Scores 1 and 0.
    let e = 1f64.exp();
    let (o, lse) = run(&[[1.0, 0.0]], &kv[..2], 1.0, false, true);
    close(&o, &[8.0 * e / (e + 1.0), 4.0 / (e + 1.0)]);
    close(&lse, &[(e + 1.0).ln()]);
    // Causal, aligned bottom-right: two queries over three keys see two and three of them.
    let (o, lse) = run(&[[0.0, 0.0]; 2], &kv, 1.0, true, true);
    close(&o, &[4.0, 2.0, 10.0 / 3.0, 2.0]);
    close(&lse, &[2f64.ln(), 3f64.ln()]);
    // More queries than keys: the first sees nothing.
    let (o, lse) = run(&[[1.0, 1.0]; 2], &kv[..1], 1.0, true, true);
    close(&o, &[0.0, 0.0, 8.0, 0.0]);
    close(&lse, &[f64::NEG_INFINITY, 1.0]);
    // No keys at all, and no queries.
    let (o, lse) = run(&[[1.0, 1.0]], &[], 1.0, false, true);
    close(&o, &[0.0, 0.0]);
    close(&lse, &[f64::NEG_INFINITY]);
    assert_eq!(run(&[], &kv, 1.0, false, true), (vec![], vec![]));
}

#[test]
fn plain_rounds_and_the_reference_does_not() {
    let kv = [([1.0, 0.0], [1.0, 0.0]), ([0.0, 1.0], [0.0, 1.0]), ([0.0, 0.0], [0.0, 0.0])];
    let exact = run(&[[0.0, 0.0]], &kv, 1.0, false, true).0[0];
    let rounded = run(&[[0.0, 0.0]], &kv, 1.0, false, false).0[0];
    assert_eq!(exact, 1.0 / 3.0);
    assert_eq!(rounded, f16::from_f64(1.0 / 3.0).to_f64());
}
