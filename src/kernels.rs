//! The stock kernels: attention as most models use it, each a function that fits on a screen.
//!
//! They are also examples: copy one and change its mask or its scores to get a kernel of your own. `D` is the head dimension of
//! queries and keys, `E` that of values and the output: usually the same number.

use crate::codegen::Program;
use crate::prelude::*;

/// Full attention: every query sees every key of its sequence.
#[attention_kernel]
pub fn attention<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    o: Output<T, E>,
    lse: RowOutput,
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
    lse.store(softmax.lse());
}

/// Causal attention: a query sees the keys up to its own position.
#[attention_kernel]
pub fn causal_attention<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    o: Output<T, E>,
    lse: RowOutput,
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
    lse.store(softmax.lse());
}

/// Causal attention over a sliding window: a query sees the last `window` keys up to its own position.
#[attention_kernel]
pub fn sliding_window_attention<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    o: Output<T, E>,
    lse: RowOutput,
    scale: f32,
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
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Causal attention with soft-capped scores: `cap * tanh(score / cap)`.
#[attention_kernel]
pub fn softcap_attention<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    o: Output<T, E>,
    lse: RowOutput,
    scale: f32,
    cap: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, _| (x / cap).tanh() * cap);
        let s = s.mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Causal attention with linear biases (ALiBi): each head lowers a score by its slope times the distance.
#[attention_kernel]
pub fn alibi_attention<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    o: Output<T, E>,
    lse: RowOutput,
    slopes: PerHead<f32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| x - slopes[at.head] * (at.row - at.col) as f32);
        let s = s.mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Causal attention over a paged KV cache, in a sliding window (`i32::MAX` for none).
#[attention_kernel]
pub fn paged_attention<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, E>,
    table: BlockTable,
    o: Output<T, E>,
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

/// Full attention over a paged KV cache: every query sees every key of its sequence.
#[attention_kernel]
pub fn paged_full_attention<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, E>,
    table: BlockTable,
    o: Output<T, E>,
    lse: RowOutput,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Causal multi-head latent attention over a paged cache, as DeepSeek's models decode: a row of the cache is a latent vector of
/// `E` numbers and a rotated part behind it, `D` together (576 and 512). The row is the key, and the latent vector the value.
#[attention_kernel]
pub fn latent_attention<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    cache: PagedKeys<T, D>,
    table: BlockTable,
    o: Output<T, E>,
    lse: RowOutput,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let row = cache.gather(table, cols);
        let s = dot(q, row.t()) * scale;
        let s = s.mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, row.slice::<E>());
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Causal attention of inputs that are scaled, in a sliding window (`i32::MAX` for none): keys and values may have 8 bits, and queries as well.
/// What is stored of keys and values is multiplied by a scale for each KV head of each sequence; that of queries is part of `scale`, or, where it
/// is a head's, of the keys'.
#[attention_kernel]
pub fn scaled_attention<T: Element, C: Element, U: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<C, D>,
    v: Values<C, E>,
    o: Output<U, E>,
    lse: RowOutput,
    k_scales: HeadScales,
    v_scales: HeadScales,
    scale: f32,
    window: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t());
        let s = s.map(|x, at| x * (scale * k_scales[at.kv_head]));
        let s = s.mask(|at| at.col <= at.row && at.row - at.col < window);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc).map(|x, at| x * v_scales[at.kv_head]));
    lse.store(softmax.lse());
}

/// The same over a paged KV cache.
#[attention_kernel]
pub fn scaled_paged_attention<T: Element, C: Element, U: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: PagedKeys<C, D>,
    v: PagedValues<C, E>,
    table: BlockTable,
    o: Output<U, E>,
    lse: RowOutput,
    k_scales: HeadScales,
    v_scales: HeadScales,
    scale: f32,
    window: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t());
        let s = s.map(|x, at| x * (scale * k_scales[at.kv_head]));
        let s = s.mask(|at| at.col <= at.row && at.row - at.col < window);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc).map(|x, at| x * v_scales[at.kv_head]));
    lse.store(softmax.lse());
}

/// A kernel of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Stock {
    /// The function's name.
    pub name: &'static str,
    /// What it computes, in a line.
    pub doc: &'static str,
    /// Its program.
    pub program: fn() -> &'static Program,
}

/// All the stock kernels.
pub fn catalogue() -> &'static [Stock] {
    &[
        Stock { name: "attention", doc: "full attention", program: attention::program },
        Stock { name: "causal_attention", doc: "causal attention", program: causal_attention::program },
        Stock {
            name: "sliding_window_attention",
            doc: "causal attention over the last `window` keys",
            program: sliding_window_attention::program,
        },
        Stock {
            name: "softcap_attention",
            doc: "causal attention with scores capped by `cap * tanh(score / cap)`",
            program: softcap_attention::program,
        },
        Stock {
            name: "alibi_attention",
            doc: "causal attention with a linear bias per head (ALiBi)",
            program: alibi_attention::program,
        },
        Stock {
            name: "paged_attention",
            doc: "causal attention over a paged KV cache, in a sliding window",
            program: paged_attention::program,
        },
        Stock {
            name: "paged_full_attention",
            doc: "full attention over a paged KV cache",
            program: paged_full_attention::program,
        },
        Stock {
            name: "latent_attention",
            doc: "causal multi-head latent attention (MLA) over a paged cache",
            program: latent_attention::program,
        },
        Stock {
            name: "scaled_attention",
            doc: "causal attention of scaled inputs, which may have 8 bits, in a sliding window",
            program: scaled_attention::program,
        },
        Stock {
            name: "scaled_paged_attention",
            doc: "causal attention over a paged KV cache of 8 or 16 bits with scales, in a sliding window",
            program: scaled_paged_attention::program,
        },
    ]
}

/// The stock kernel of this name.
pub fn find(name: &str) -> Option<&'static Stock> {
    catalogue().iter().find(|stock| stock.name == name)
}
