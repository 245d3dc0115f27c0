//! How steep the softmax is: by position, by length, by head; and pieces of attention that are put together afterwards.

use flashpage::prelude::*;

/// `1 + scale ln(1 + floor((row + 1) / floor_scale))` times the score: the global layers of Llama 4.
#[attention_kernel]
pub fn llama4_temperature<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    scale: f32,
    attn_scale: f32,
    floor_scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.map(|x, at| {
            let place = ((at.row.max(0) + 1) as f32 / floor_scale).floor();
            x * (1.0 + attn_scale * (1.0 + place).ln())
        });
        let p = softmax.step(s.mask(|at| at.col <= at.row), &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// `max(1, log_trained(row + 1))` times the score: Qwen's scaling with the logarithm of the position.
#[attention_kernel]
pub fn log_n<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    trained: f32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| x * ((at.row.max(0) as f32 + 1.0).log2() / trained.log2()).max(1.0));
        let p = softmax.step(s.mask(|at| at.col <= at.row), &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// `c ln(keys) s`, with a number of each head: scalable softmax.
#[attention_kernel]
pub fn scalable_softmax<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
    of_head: PerHead<f32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| of_head[at.head] * (at.kv_len as f32).ln() * x);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// `exp(min(logit, ln 100)) s`, with a logit of each head, of queries and keys of length one: Swin v2's cosine attention.
#[attention_kernel]
pub fn cosine<const D: usize>(
    q: Query<f16, D>,
    k: Keys<f16, D>,
    v: Values<f16, D>,
    logit_scale: PerHead<f32>,
    position_bias: Bias<f16>,
    o: Output<f16, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t());
        let s = s.map(|x, at| {
            let temperature = logit_scale[at.head].clamp(-9.0, 4.6052).exp();
            x * 0.125 * temperature + position_bias.at(at.head, at.query, at.col)
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// One of the two softmaxes of differential attention: values twice as wide as keys, and O in f32, for the other is subtracted
/// from it.
#[attention_kernel]
pub fn differential_piece<T: Element>(
    q: Query<T, 64>,
    k: Keys<T, 64>,
    v: Values<T, 128>,
    o: Output<f32, 128>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let p = softmax.step(s.mask(|at| at.col <= at.row), &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// A factor of each query and a bias of each key: per-token temperatures of a router.
#[attention_kernel]
pub fn token_temperatures<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    temperature: PerQuery<f32>,
    prior: PerKey<f32>,
    scale: f32,
    o: Output<T, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t());
        let s = s.map(|x, at| x * scale / temperature[at.query].abs().max(0.25) + prior[at.col]);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}
