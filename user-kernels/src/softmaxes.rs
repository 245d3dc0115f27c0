//! What a row of scores becomes: sinks, caps, dropout, and weights that are no softmax.

use flashpage::prelude::*;

/// A learned score of each head beside those of a window: gpt-oss.
#[attention_kernel]
pub fn gpt_oss<const D: usize>(
    q: Query<bf16, D>,
    k: PagedKeys<bf16, D>,
    v: PagedValues<bf16, D>,
    table: BlockTable,
    sinks: PerHead<f32>,
    sliding_window: i32,
    sm_scale: f32,
    o: Output<bf16, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * sm_scale;
        let s = s.mask(|at| at.col <= at.row && at.row - at.col < sliding_window);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    softmax.sink(|at| sinks[at.head]);
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// `exp(s) / (1 + sum exp(s))`: heads that may attend to nothing ("Attention is off by one").
#[attention_kernel]
pub fn off_by_one<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax1 = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let p = softmax1.step(s.mask(|at| at.col <= at.row), &mut acc);
        acc += dot(p, v.load(cols));
    }
    softmax1.sink(|_| 0.0);
    o.store(softmax1.finish(acc));
    lse.store(softmax1.lse());
}

/// A sink of each sequence and head that grows with the position: what is learned of "registers" without tokens for them.
#[attention_kernel]
pub fn growing_sinks<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    of_head: PerHead<f32>,
    of_sequence: PerSequence<f32>,
    scale: f32,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let p = softmax.step(s.mask(|at| at.col <= at.row), &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    softmax.sink(|at| of_head[at.head] + of_sequence[at.seq] + (1.0 + at.row.max(0) as f32).ln());
    o.store(softmax.finish(acc));
}

/// `1 / (1 + exp(b - s))`, with `b` the logarithm of the number of keys: sigmoid attention.
#[attention_kernel]
pub fn sigmoid<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    scale: f32,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let p = s.map(|x, at| {
            let bias = (at.kv_len as f32).ln();
            (1.0 + (bias - x).exp()).recip()
        });
        acc += dot(p, v.load(cols));
    }
    o.store(acc);
}

/// The same with ALiBi's slopes, causal, over a cache: FlashSigmoid.
#[attention_kernel]
pub fn sigmoid_alibi<const D: usize>(
    q: Query<f16, D>,
    k: PagedKeys<f16, D>,
    v: PagedValues<f16, D>,
    table: BlockTable,
    slopes: PerHead<f32>,
    offset: f32,
    scale: f32,
    o: Output<f32, D>,
) {
    let q = q.tile();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let p = s.map(|x, at| {
            let x = x + slopes[at.head] * (at.col - at.row) as f32 - offset;
            let weight = 1.0 / (1.0 + (-x).exp());
            if at.col <= at.row { weight } else { 0.0 }
        });
        acc += dot(p, v.gather(table, cols));
    }
    o.store(acc);
}

/// `max(s, 0) / keys`: vision transformers with ReLU for softmax.
#[attention_kernel]
pub fn relu_attention<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    o: Output<T, E>,
    scale: f32,
) {
    let q = q.tile();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        acc += dot(s.map(|x, at| x.max(0.0) / at.kv_len as f32), v.load(cols));
    }
    o.store(acc);
}

/// `s * gamma^(row - col)`, with a decay of each head: RetNet's retention, Lightning Attention.
#[attention_kernel]
pub fn retention<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    log2_decay: PerHead<f32>,
    scale: f32,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t());
        let p = s.map(|x, at| {
            let back = at.row - at.col;
            let decay = (-log2_decay[at.head] * back.max(0) as f32).exp2();
            select(back >= 0, x * scale * decay, 0.0)
        });
        acc += dot(p, v.load(cols));
    }
    o.store(acc);
}

/// `1 + s + s²/2`, causal: the Taylor weights of linear attention (Based), by products.
#[attention_kernel]
pub fn taylor<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
) {
    let q = q.tile();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let p = s.map(|x, at| {
            let series = 1.0 + x + x.powi(2) * 0.5;
            select(at.col <= at.row, series / 64.0, 0.0)
        });
        let more = dot(p, v.load(cols));
        acc += more;
    }
    o.store(acc);
}

/// `cap tanh(s / cap)` in a window, with a scale of its own: Gemma 2.
#[attention_kernel]
pub fn gemma2<const D: usize>(
    q: Query<bf16, D>,
    k: PagedKeys<bf16, D>,
    v: PagedValues<bf16, D>,
    table: BlockTable,
    o: Output<bf16, D>,
    query_pre_attn_scalar: f32,
    attn_logit_softcapping: f32,
    sliding_window: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t());
        let s = s.map(|x, _| {
            let x = x / query_pre_attn_scalar.sqrt();
            attn_logit_softcapping * (x / attn_logit_softcapping).tanh()
        });
        let s = s.mask(|at| at.col <= at.row && at.col > at.row - sliding_window);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// `30 tanh(s / 30)` of scores that are multiplied before: Grok-1, with -1e30 for what is masked, as its source has it.
#[attention_kernel]
pub fn grok<T: Element>(
    q: Query<T, 128>,
    k: Keys<T, 128>,
    v: Values<T, 128>,
    o: Output<T, 128>,
    attn_output_multiplier: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let mut s = dot(q, k.load(cols).t()) * attn_output_multiplier;
        s = s.map(|x, at| {
            let capped = 30.0 * (x / 30.0).tanh();
            if at.col <= at.row { capped } else { -1e30 }
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Probabilities that a random number drops: training with `dropout_p`, as PyTorch's `scaled_dot_product_attention` has it.
#[attention_kernel]
pub fn dropout<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
    scale: f32,
    dropout_p: f32,
    philox_seed: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = (dot(q, k.load(cols).t()) * scale).mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        let p = p.map(|p, at| {
            let keep = 1.0 - dropout_p;
            if at.random(philox_seed) >= dropout_p { p / keep } else { 0.0 }
        });
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Dropout over a cache with a window and grouped heads, of a seed of each layer: fine-tuning through a server's pages.
#[attention_kernel]
pub fn dropout_paged<const D: usize>(
    q: Query<f16, D>,
    k: PagedKeys<f16, D>,
    v: PagedValues<f16, D>,
    table: BlockTable,
    o: Output<f16, D>,
    seed: i32,
    layer: i32,
    window: i32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let p = softmax.step(s.mask(|at| at.col <= at.row && at.row - at.col < window), &mut acc);
        let p = p.map(|w, at| select(at.random(seed + 7 * layer) < 0.9, w * (1.0 / 0.9), 0.0));
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// Probabilities times a number of each key: importance of tokens (FastGen, value-aware pruning).
#[attention_kernel]
pub fn weighed_keys<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    weights: PerKey<f32>,
    scale: f32,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let p = softmax.step(s.mask(|at| at.col <= at.row), &mut acc);
        acc += dot(p.map(|p, at| p * weights[at.col]), v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}
