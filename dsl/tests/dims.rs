//! Kernels whose head dimensions differ, and slices, on the host.

use flashpage_dsl::host::{Batch, BlockLayout, HostError, PoolShape};
use flashpage_dsl::*;

fn two<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    o: Output<T, E>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let p = softmax.step(dot(q, k.load(cols).t()) * 0.2, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// The values are the first numbers of the keys.
fn latent<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    cache: PagedKeys<T, D>,
    table: BlockTable,
    o: Output<T, E>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let c = cache.gather(table, cols);
        let p = softmax.step(dot(q, c.t()) * 0.2, &mut acc);
        acc += dot(p, c.slice::<E>());
    }
    o.store(softmax.finish(acc));
}

/// Numbers between -2 and 2 that are the same on every run.
fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 22) as f32 - 2.0
    };
    (0..n).map(|_| next()).collect()
}

const Q_LEN: usize = 7;
const KV_LEN: usize = 40;
const HEADS: usize = 2;

fn batch() -> Batch {
    Batch { q_starts: vec![0, Q_LEN], kv_lens: vec![KV_LEN], q_heads: HEADS, kv_heads: 1 }
}

/// Softmax attention in f64, by loops: rows of `D` numbers score, rows of `E` numbers are mixed.
fn naive<const D: usize, const E: usize>(q: &[f32], k: &[f32], v: &[f32]) -> Vec<f64> {
    let mut out = Vec::new();
    for q in q.chunks(D) {
        let scores = k.chunks(D).map(|k| {
            let dot: f64 = q.iter().zip(k).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            (dot * f64::from(0.2f32)).exp()
        });
        let scores: Vec<f64> = scores.collect();
        let sum: f64 = scores.iter().sum();
        let mix = |d: usize| scores.iter().zip(v.chunks(E)).map(|(s, v)| s * f64::from(v[d])).sum::<f64>();
        out.extend((0..E).map(|d| mix(d) / sum));
    }
    out
}

fn near(what: &str, got: &[f32], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        let near = (f64::from(*got) - want).abs() < 3e-6 * (1.0 + want.abs());
        assert!(near, "{what}: element {index} is {got}, not {want}");
    }
}

fn runs_two<const D: usize, const E: usize>() {
    let (q, k, v) = (numbers(1, Q_LEN * HEADS * D), numbers(2, KV_LEN * D), numbers(3, KV_LEN * E));
    let mut o = vec![f32::NAN; Q_LEN * HEADS * E];
    let (o_view, starts) = (Output::new(&mut o, HEADS), [0, KV_LEN]);
    let (q_view, k_view) = (Query::packed(&q, HEADS), Keys::packed(&k, 1, &starts));
    let v_view = Values::packed(&v, 1, &starts);
    batch().run_tiled((4, 16), || two::<f32, D, E>(q_view, k_view, v_view, o_view)).unwrap();
    near(&format!("{D}/{E}"), &o, &naive::<D, E>(&q, &k, &v));
}

#[test]
fn values_have_a_dimension_of_their_own() {
    runs_two::<48, 32>();
    runs_two::<32, 48>();
    runs_two::<16, 16>();
    runs_two::<3, 1>();
}

fn runs_latent<const D: usize, const E: usize>() {
    let (q, k) = (numbers(4, Q_LEN * HEADS * D), numbers(5, KV_LEN * D));
    let v: Vec<f32> = k.chunks(D).flat_map(|row| &row[..E]).copied().collect();
    let mut o = vec![f32::NAN; Q_LEN * HEADS * E];
    let shape = PoolShape { blocks: 5, block_size: 8, kv_heads: 1, layout: BlockLayout::Nhd };
    let o_view = Output::new(&mut o, HEADS);
    let (q_view, cache) = (Query::packed(&q, HEADS), PagedKeys::new(&k, shape));
    let table = BlockTable::new(&[0, 1, 2, 3, 4], 5);
    batch().run_tiled((4, 16), || latent::<f32, D, E>(q_view, cache, table, o_view)).unwrap();
    near(&format!("{D}/{E}"), &o, &naive::<D, E>(&q, &k, &v));
}

#[test]
fn values_may_be_a_slice_of_the_keys() {
    runs_latent::<40, 32>();
    runs_latent::<40, 40>();
    runs_latent::<9, 1>();
}

#[test]
fn slices_are_of_every_row() {
    let q = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
    let mut o = [0.0; 4];
    let (q_view, o_view) = (Query::<f32, 3>::packed(&q, 1), Output::<f32, 2>::new(&mut o, 1));
    let batch = Batch { q_starts: vec![0, 2], kv_lens: vec![1], q_heads: 1, kv_heads: 1 };
    batch.run(|| o_view.store(q_view.tile().slice())).unwrap();
    assert_eq!(o, [1.0, 2.0, 4.0, 5.0]);
    let stale = batch.run(|| {
        let mut kept = None;
        for cols in Keys::<f32, 3>::packed(&q, 1, &[0, 2]).tiles() {
            kept = Some(Keys::<f32, 3>::packed(&q, 1, &[0, 2]).load(cols));
        }
        let _ = kept.map(|tile| tile.slice::<2>());
    });
    assert_eq!(stale, Err(HostError::StaleTile));
}
