//! Variants of attention as one writes them: [the page of the language](language.md) says what each costs. `kgen explain
//! docs/variants.rs:documents` says what becomes of one, `kgen check docs/variants.rs:documents` that it is right.

use flashpage::prelude::*;

/// Attention, and nothing else.
#[attention_kernel]
pub fn plain<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// No query sees what comes after it.
#[attention_kernel]
pub fn causal<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Causal, counted from the first query and key.
#[attention_kernel]
pub fn top_left<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| at.col <= at.query);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Documents packed into sequences: no token sees another document's. The ids are those of positions.
#[attention_kernel]
pub fn documents<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    documents: PerKey<i32>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| at.col <= at.row && documents[at.col] == documents[at.row]);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Keys that a number of each marks as there.
#[attention_kernel]
pub fn padding<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    is_there: PerKey<i32>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| is_there[at.col] != 0);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// A prefix of each sequence that all of its queries see.
#[attention_kernel]
pub fn prefix_of_each<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    prefixes: PerSequence<i32>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| at.col < prefixes[at.seq] || at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Causal by positions that are given for each token, as where images share one.
#[attention_kernel]
pub fn positions<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    positions: PerKey<i32>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| positions[at.col] <= positions[at.row]);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// The bits of a speculative tree, or any mask of an engine's: FlashInfer's custom mask.
#[attention_kernel]
pub fn tree<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    tree: BitMask,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| tree.at(at.query, at.col));
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Slopes of heads times distances.
#[attention_kernel]
pub fn alibi<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    slopes: PerHead<f32>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| x + slopes[at.head] * (at.col - at.row) as f32);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// A number added to each score, of each head, query and key, or the same for some of these.
#[attention_kernel]
pub fn bias<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    bias: Bias<T>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| x + bias.at(at.head, at.query, at.col));
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// A number of each key added to its scores.
#[attention_kernel]
pub fn key_bias<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    bias: PerKey<f32>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| x + bias[at.col]);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// The bucket of a distance, of 32: half of them of one distance each, the others of more the farther.
#[score_function]
fn bucket(distance: i32) -> i32 {
    if distance < 16 {
        return distance;
    }
    let far = 16 + ((distance as f32 / 16.0).ln() / (128.0f32 / 16.0).ln() * 16.0) as i32;
    far.min(31)
}

/// Learned numbers of buckets of distances, as T5 has them, causal.
#[attention_kernel]
pub fn t5<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    buckets: Bias<f32>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| x + buckets.at(at.head, 0, bucket((at.row - at.col).max(0))));
        let s = s.mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Scores that a hyperbolic tangent bounds, as Gemma 2 has them.
#[attention_kernel]
pub fn softcap<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    cap: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, _| cap * (x / cap).tanh());
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// A factor of each query.
#[attention_kernel]
pub fn query_temperature<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    factors: PerQuery<f32>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| x * factors[at.query]);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// A learned score of each head that takes part of the sum and has no value, in a window: gpt-oss.
#[attention_kernel]
pub fn sinks<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    sinks: PerHead<f32>,
    window: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| at.col <= at.row && at.row - at.col < window);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    softmax.sink(|at| sinks[at.head]);
    o.store(softmax.finish(acc));
}

/// One more in the sum: heads may attend to nothing.
#[attention_kernel]
pub fn softmax_plus_one<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    softmax.sink(|_| 0.0);
    o.store(softmax.finish(acc));
}

/// Weights without a softmax: each is of its own score alone.
#[attention_kernel]
pub fn sigmoid<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    offset: f32,
) {
    let q = q.tile();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let p = s.map(|x, _| 1.0 / (1.0 + (offset - x).exp()));
        acc += dot(p, v.load(cols));
    }
    o.store(acc);
}

/// Probabilities that a random number of each element drops, the same number wherever it is asked for.
#[attention_kernel]
pub fn dropout<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    keep: f32,
    seed: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let p = softmax.step(s, &mut acc);
        let p = p.map(|p, at| select(at.random(seed) < keep, p / keep, 0.0));
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Keys in chunks, a launch for each, as ring attention and chunked prefills have them: each begins where the one before ended, and may
/// write to what it reads. The first begins with log-sum-exps of minus infinity.
#[attention_kernel]
pub fn chunk<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o_before: Input<f32, D>,
    lse_before: RowInput,
    o: Output<f32, D>,
    lse: RowOutput,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::resume(lse_before);
    let mut acc = Tile::resume(o_before);
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Keys and values of a type of their own, of 8 bits (`E4m3`, `E5m2`) under queries of 16, each multiplied by a scale for each KV head of
/// each sequence.
#[attention_kernel]
pub fn scaled<T: Element, C: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<C, D>,
    v: Values<C, D>,
    o: Output<T, D>,
    k_scales: HeadScales,
    v_scales: HeadScales,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()).map(|x, at| x * (scale * k_scales[at.kv_head]));
        let p = softmax.step(s, &mut acc).map(|p, at| p * v_scales[at.kv_head]);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}
