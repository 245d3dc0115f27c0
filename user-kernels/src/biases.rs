//! What is added to scores: slopes, buckets, tables, and logarithms of distances.

use flashpage::prelude::*;

/// `s - slope * (row - col)`, with slopes that are given: ALiBi (BLOOM), over a cache, into f32.
#[attention_kernel]
pub fn alibi_bloom<T: Element, const D: usize>(
    slopes: PerHead<f32>,
    scale: f32,
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<f32, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.map(|x, at| x - slopes[at.head] * (at.row - at.col) as f32);
        let s = s.mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// The same with slopes that are worked out: `2^(-8 (head + 1) / heads)` (MPT).
#[attention_kernel]
pub fn alibi_mpt<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    heads: i32,
    alibi_bias_max: f32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = (dot(q, k.load(cols).t()) * scale).map(|x, at| {
            let step = alibi_bias_max / heads as f32;
            let slope = (-step * (at.head + 1) as f32).exp2();
            slope.mul_add((at.col - at.row) as f32, x)
        });
        let p = softmax.step(s.mask(|at| at.row >= at.col), &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// `s - slope * |row - col|`, of every pair: encoders with ALiBi (Jina's embeddings).
#[attention_kernel]
pub fn alibi_encoder<const D: usize>(
    q: Query<f16, D>,
    k: Keys<f16, D>,
    v: Values<f16, D>,
    o: Output<f16, D>,
    m: PerHead<f32>,
    is_there: PerKey<i32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| {
            let distance = (at.row - at.col).abs() as f32;
            let biased = x - m[at.head] * distance;
            select(is_there[at.col] != 0, biased, f32::MIN)
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Learned numbers of 32 buckets of distances, sixteen for each direction, and no scale: T5's encoder.
#[attention_kernel]
pub fn t5_encoder<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    relative_attention_bias: Bias<f32>,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t());
        let s = s.map(|x, at| {
            const EXACT: i32 = 8;
            let relative = at.col - at.row;
            let (is_after, n) = (if relative > 0 { 16 } else { 0 }, relative.abs());
            let ratio = (n.max(1) as f32 / EXACT as f32).ln() / (16.0f32).ln();
            let far = (EXACT + (ratio * 8.0) as i32).min(15);
            x + relative_attention_bias.at(at.head, 0, is_after + select(n < EXACT, n, far))
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// A number of each head, query and key: BEiT, and whatever `attn_mask` of floats PyTorch is given.
#[attention_kernel]
pub fn attn_mask<T: Element, const D: usize>(
    query: Query<T, D>,
    key: Keys<T, D>,
    value: Values<T, D>,
    attn_mask: Bias<T>,
    scale: f32,
    output: Output<T, D>,
    lse: RowOutput,
) {
    let query = query.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in key.tiles() {
        let s = dot(query, key.load(cols).t()) * scale;
        let p = softmax.step(s.map(|x, at| x + attn_mask.at(at.head, at.query, at.col)), &mut acc);
        acc += dot(p, value.load(cols));
    }
    output.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// A table of distances that ends at `most` either way: relative position representations (Shaw), as Music Transformer has them.
#[attention_kernel]
pub fn clipped_distances<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    of_distance: Bias<bf16>,
    most: i32,
    scale: f32,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.map(|x, at| x + of_distance.at(at.head, 0, (at.row - at.col).clamp(-most, most) + most));
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// `s - a ln(1 + b |row - col|)`, with two learned numbers of each head: KERPLE's logarithmic kernel.
#[attention_kernel]
pub fn kerple<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    a: PerHead<f32>,
    b: PerHead<f32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| {
            let far = (at.row - at.col).max(0) as f32;
            x - a[at.head] * (1.0 + b[at.head] * far).ln()
        });
        let s = s.mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Cosines of the distance, of a few frequencies: Sandwich's bias.
#[attention_kernel]
pub fn sandwich<const D: usize>(
    q: Query<bf16, D>,
    k: Keys<bf16, D>,
    v: Values<bf16, D>,
    scale: f32,
    o: Output<bf16, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = (dot(q, k.load(cols).t()) * scale).map(|x, at| {
            let distance = (at.row - at.col) as f32;
            let waves = distance.cos() + (distance * 0.1).cos() + (distance * 0.01).sin();
            waves.mul_add(1.0 / (at.head + 1) as f32, x)
        });
        let p = softmax.step(s.mask(|at| at.col <= at.row), &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// A bias of each pair, and -1e9 for keys that are masked: AlphaFold's triangle attention.
#[attention_kernel]
pub fn triangle<T: Element>(
    q: Query<T, 32>,
    k: Keys<T, 32>,
    v: Values<T, 32>,
    o: Output<T, 32>,
    pair: Bias<f32>,
    mask: PerKey<f32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = scale * dot(q, k.load(cols).t());
        let s = s.map(|x, at| x + pair.at(at.head, at.query, at.col) + 1e9 * (mask[at.col] - 1.0));
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}
