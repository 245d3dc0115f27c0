//! Kernels run on the host against naive softmax attention in f64, written here without tiles.

use flashpage_dsl::host::{Batch, BlockLayout, HostError, PoolShape};
use flashpage_dsl::*;

#[allow(clippy::too_many_arguments)]
fn paged_attention<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    lse: RowOutput,
    scale: f32,
    window: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let k = k.gather(table, cols);
        let s = dot(q, k.t()) * scale;
        let s = s.mask(|at| at.col <= at.row && at.row - at.col < window);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[allow(clippy::too_many_arguments)]
fn attention<T: Element, const D: usize>(
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
        let s = scale * dot(q, k.load(cols).t());
        let s = s.map(|x, at| x + slopes[at.head] * (at.col - at.row) as f32);
        let s = s.mask(|at| at.col <= at.row && at.row - at.col < window);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Numbers in -1..1 that are the same on every run.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.next() + 1.0) / 2.0 * n as f32) as usize % n
    }

    fn many<T: Element>(&mut self, n: usize) -> Vec<T> {
        (0..n).map(|_| T::from_f32(self.next() * 3.0)).collect()
    }
}

const D: usize = 16;

/// q_len and kv_len of each sequence, query heads, KV heads, window, block size, tile.
struct Case(&'static [(usize, usize)], usize, usize, i32, usize, (usize, usize));

const CASES: &[Case] = &[
    Case(&[(1, 1)], 1, 1, i32::MAX, 16, (64, 64)),
    Case(&[(5, 7)], 2, 1, i32::MAX, 1, (2, 3)),
    Case(&[(67, 131), (0, 9), (9, 0), (1, 64)], 4, 2, i32::MAX, 16, (64, 64)),
    Case(&[(67, 131), (3, 65)], 6, 2, 20, 8, (64, 64)),
    Case(&[(13, 5), (64, 64), (65, 65)], 3, 3, 7, 32, (16, 8)),
    Case(&[(2, 40), (2, 2)], 8, 1, 0, 16, (1, 1)),
    Case(&[(0, 0)], 1, 1, 1, 16, (64, 64)),
];

/// The naive reference for one sequence and head: O and LSE of each query.
fn naive(
    (q_len, kv_len): (usize, usize),
    q: impl Fn(usize) -> Vec<f64>,
    k: impl Fn(usize) -> Vec<f64>,
    v: impl Fn(usize) -> Vec<f64>,
    (scale, slope, window): (f32, f32, i32),
) -> Vec<(Vec<f64>, f64)> {
    let row = |i: usize| i as i64 + kv_len as i64 - q_len as i64;
    let one = |i: usize| {
        let q = q(i);
        let kept: Vec<usize> = (0..kv_len)
            .filter(|&j| (j as i64) <= row(i) && row(i) - (j as i64) < i64::from(window))
            .collect();
        let score = |j: usize| {
            let dot: f64 = q.iter().zip(k(j)).map(|(a, b)| a * b).sum();
            dot * f64::from(scale) + f64::from(slope) * (j as i64 - row(i)) as f64
        };
        let scores: Vec<f64> = kept.iter().map(|&j| score(j)).collect();
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
        let mut o = vec![0.0; D];
        for (&j, s) in kept.iter().zip(&scores) {
            for (o, v) in o.iter_mut().zip(v(j)) {
                *o += (s - max).exp() / sum * v;
            }
        }
        (o, if kept.is_empty() { f64::NEG_INFINITY } else { max + sum.ln() })
    };
    (0..q_len).map(one).collect()
}

fn wide<T: Element>(data: &[T], at: usize) -> Vec<f64> {
    data[at..at + D].iter().map(|x| f64::from(x.to_f32())).collect()
}

fn starts(lens: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut starts = vec![0];
    for len in lens {
        starts.push(starts[starts.len() - 1] + len);
    }
    starts
}

fn batch(case: &Case) -> Batch {
    Batch {
        q_starts: starts(case.0.iter().map(|s| s.0)),
        kv_lens: case.0.iter().map(|s| s.1).collect(),
        q_heads: case.1,
        kv_heads: case.2,
    }
}

/// What a kernel wrote, beside the reference, for the rows of one sequence and head.
fn compare(
    what: &str,
    token: usize,
    (head, heads): (usize, usize),
    (o, lse): (&[f32], &[f32]),
    want: &[(Vec<f64>, f64)],
) {
    let near = |got: f32, want: f64| {
        f64::from(got) == want || (f64::from(got) - want).abs() < 2e-6 * (1.0 + want.abs())
    };
    for (i, (want_o, want_lse)) in want.iter().enumerate() {
        let line = (token + i) * heads + head;
        assert!(near(lse[line], *want_lse), "{what}: lse of query {i} is {}, not {want_lse}", lse[line]);
        for (d, &want) in want_o.iter().enumerate() {
            let got = o[line * D + d];
            assert!(near(got, want), "{what}: o of query {i}, element {d} is {got}, not {want}");
        }
    }
}

fn contiguous<T: Element>(case: &Case, seed: u64) {
    let &Case(seqs, q_heads, kv_heads, window, _, tile) = case;
    let batch = batch(case);
    let kv_starts = starts(batch.kv_lens.iter().copied());
    let (q_tokens, kv_tokens) = (batch.q_starts[seqs.len()], kv_starts[seqs.len()]);
    let mut draw = Draw(seed);
    let q = draw.many::<T>(q_tokens * q_heads * D);
    let (k, v) = (draw.many::<T>(kv_tokens * kv_heads * D), draw.many::<T>(kv_tokens * kv_heads * D));
    let slopes: Vec<f32> = (0..q_heads).map(|h| 0.5f32.powi(h as i32 + 1)).collect();
    let scale = 0.25;
    let mut o = vec![f32::NAN; q_tokens * q_heads * D];
    let mut lse = vec![f32::NAN; q_tokens * q_heads];
    let (o_view, lse_view) = (Output::new(&mut o, q_heads), RowOutput::new(&mut lse, q_heads));
    batch
        .run_tiled(tile, || {
            attention::<T, D>(
                Query::packed(&q, q_heads),
                Keys::packed(&k, kv_heads, &kv_starts),
                Values::packed(&v, kv_heads, &kv_starts),
                o_view,
                lse_view,
                PerHead::new(&slopes),
                scale,
                window,
            )
        })
        .unwrap();
    for (s, &lens) in seqs.iter().enumerate() {
        for (head, &slope) in slopes.iter().enumerate() {
            let kv_head = head / (q_heads / kv_heads);
            let kv = |j: usize| ((kv_starts[s] + j) * kv_heads + kv_head) * D;
            let want = naive(
                lens,
                |i| wide(&q, ((batch.q_starts[s] + i) * q_heads + head) * D),
                |j| wide(&k, kv(j)),
                |j| wide(&v, kv(j)),
                (scale, slope, window),
            );
            let what = format!("{} {seqs:?} seq {s} head {head}", T::NAME);
            compare(&what, batch.q_starts[s], (head, q_heads), (&o, &lse), &want);
        }
    }
}

fn paged<T: Element>(case: &Case, layout: BlockLayout, seed: u64) {
    let &Case(seqs, q_heads, kv_heads, window, block_size, tile) = case;
    let batch = batch(case);
    let needed: Vec<usize> = seqs.iter().map(|s| s.1.div_ceil(block_size)).collect();
    let used: usize = needed.iter().sum();
    let shape = PoolShape { blocks: 2 * used + 3, block_size, kv_heads, layout };
    let mut draw = Draw(seed);
    let q = draw.many::<T>(batch.q_starts[seqs.len()] * q_heads * D);

    // Everything that no sequence owns is NaN, and the tail of each table row is absurd.
    let elements = shape.offset(shape.blocks, 0, 0, D);
    let (mut k, mut v) = (vec![T::from_f32(f32::NAN); elements], vec![T::from_f32(f32::NAN); elements]);
    let stride = needed.iter().max().unwrap() + 2;
    let mut table = vec![-7i32; stride * seqs.len()];
    let mut free: Vec<usize> = (0..shape.blocks).collect();
    for (s, &(_, kv_len)) in seqs.iter().enumerate() {
        for b in 0..needed[s] {
            let block = free.swap_remove(draw.below(free.len()));
            table[s * stride + b] = block as i32;
            for token in 0..block_size.min(kv_len - b * block_size) {
                for kv_head in 0..kv_heads {
                    let at = shape.offset(block, token, kv_head, D);
                    k[at..at + D].copy_from_slice(&draw.many::<T>(D));
                    v[at..at + D].copy_from_slice(&draw.many::<T>(D));
                }
            }
        }
        table[(s + 1) * stride - 1] = i32::MAX;
    }

    let tokens = batch.q_starts[seqs.len()];
    let scale = 0.25;
    let mut o = vec![f32::NAN; tokens * q_heads * D];
    let mut lse = vec![f32::NAN; tokens * q_heads];
    let (o_view, lse_view) = (Output::new(&mut o, q_heads), RowOutput::new(&mut lse, q_heads));
    batch
        .run_tiled(tile, || {
            paged_attention::<T, D>(
                Query::packed(&q, q_heads),
                PagedKeys::new(&k, shape),
                PagedValues::new(&v, shape),
                BlockTable::new(&table, stride),
                o_view,
                lse_view,
                scale,
                window,
            )
        })
        .unwrap();
    for (s, &lens) in seqs.iter().enumerate() {
        for head in 0..q_heads {
            let kv_head = head / (q_heads / kv_heads);
            let kv = |j: usize| {
                let block = table[s * stride + j / block_size] as usize;
                shape.offset(block, j % block_size, kv_head, D)
            };
            let want = naive(
                lens,
                |i| wide(&q, ((batch.q_starts[s] + i) * q_heads + head) * D),
                |j| wide(&k, kv(j)),
                |j| wide(&v, kv(j)),
                (scale, 0.0, window),
            );
            let what = format!("{} {layout:?} {seqs:?} seq {s} head {head}", T::NAME);
            compare(&what, batch.q_starts[s], (head, q_heads), (&o, &lse), &want);
        }
    }
}

#[test]
fn contiguous_attention_is_the_naive_one() {
    for (seed, case) in (1..).zip(CASES) {
        contiguous::<f32>(case, seed);
        contiguous::<f16>(case, seed);
        contiguous::<bf16>(case, seed);
    }
}

#[test]
fn paged_attention_is_the_naive_one() {
    for (seed, case) in (1..).zip(CASES) {
        for layout in [BlockLayout::Nhd, BlockLayout::Hnd] {
            paged::<f32>(case, layout, seed);
            paged::<f16>(case, layout, seed);
        }
    }
}

#[test]
fn bad_inputs_are_errors() {
    let batch = |q_starts: &[usize], kv_lens: &[usize], q_heads, kv_heads| Batch {
        q_starts: q_starts.to_vec(),
        kv_lens: kv_lens.to_vec(),
        q_heads,
        kv_heads,
    };
    let shapes = [
        (batch(&[], &[], 1, 1), HostError::BadStarts),
        (batch(&[1, 2], &[1], 1, 1), HostError::BadStarts),
        (batch(&[0, 2, 1], &[1, 1], 1, 1), HostError::BadStarts),
        (batch(&[0, 2], &[1, 1], 1, 1), HostError::SequenceCount { kv_lens: 2, sequences: 1 }),
        (batch(&[0, 2], &[1], 3, 2), HostError::BadHeads { q_heads: 3, kv_heads: 2 }),
        (batch(&[0, 2], &[1], 3, 0), HostError::BadHeads { q_heads: 3, kv_heads: 0 }),
    ];
    for (batch, want) in shapes {
        assert_eq!(batch.run(|| ()), Err(want));
    }

    let shape = PoolShape { blocks: 2, block_size: 4, kv_heads: 1, layout: BlockLayout::Nhd };
    let pool = [0.0f32; 8 * D];
    let q = [0.0f32; D];
    // A table, how long the pool and the queries are, and what must be said.
    let tables: [(&[i32], usize, usize, HostError); 5] = [
        (&[1, 2], 8 * D, D, HostError::BlockOutOfRange { seq: 0, block: 1, entry: 2, blocks: 2 }),
        (&[-1, 0], 8 * D, D, HostError::BlockOutOfRange { seq: 0, block: 0, entry: -1, blocks: 2 }),
        (&[1], 8 * D, D, HostError::TableTooShort { seq: 0, block: 1 }),
        (&[0, 1], 7 * D, D, HostError::PoolTooShort { shape, head_dim: D, len: 7 * D }),
        (&[0, 1], 8 * D, 5, HostError::TensorTooShort { token: 0, head: 0, len: 5 }),
    ];
    for (table, pool_len, q_len, want) in tables {
        let (mut o, mut lse) = ([0.0; D], [0.0; 1]);
        let (o, lse) = (Output::new(&mut o, 1), RowOutput::new(&mut lse, 1));
        let got = batch(&[0, 1], &[8], 1, 1).run(|| {
            paged_attention::<f32, D>(
                Query::packed(&q[..q_len], 1),
                PagedKeys::new(&pool[..pool_len], shape),
                PagedValues::new(&pool, shape),
                BlockTable::new(table, table.len()),
                o,
                lse,
                1.0,
                i32::MAX,
            )
        });
        assert_eq!(got, Err(want));
    }
}

#[test]
fn tiles_are_values() {
    let batch = Batch { q_starts: vec![0, 2], kv_lens: vec![5], q_heads: 1, kv_heads: 1 };
    let q = [1.0f32, 2.0];
    let mut o = [0.0; 2];
    let o_view = Output::<f32, 1>::new(&mut o, 1);
    batch
        .run_tiled((2, 2), || {
            let q = Query::<f32, 1>::packed(&q, 1).tile();
            let mut acc = Tile::zeros();
            let first = acc;
            acc += q;
            let before = acc;
            acc += acc;
            acc += before;
            acc += first;
            o_view.store(acc);
        })
        .unwrap();
    assert_eq!(o, [3.0, 6.0]);
}

#[test]
fn indices_of_vectors_are_clamped() {
    let (some, none) = (PerHead::new(&[7i32, 8, 9]), PerHead::<f32>::new(&[]));
    let read = [i32::MIN, -1, 0, 1, 2, 3, i32::MAX].map(|index| some[index]);
    assert_eq!(read, [7, 7, 7, 8, 9, 9, 9]);
    assert_eq!((none[0], none[-1]), (0.0, 0.0));
}
