//! Masks that keep few keys of many: windows, global tokens, strides, pages that were selected.

use flashpage::prelude::*;

/// The first `sinks` tokens, and the last `window`: StreamingLLM.
#[attention_kernel]
pub fn streaming<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    lse: RowOutput,
    sinks: i32,
    window: i32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| at.col <= at.row && (at.col < sinks || at.row - at.col < window));
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// A window both ways, and the tokens that are global by a flag of theirs, which see and are seen by all: Longformer.
#[attention_kernel]
pub fn longformer<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    is_global: PerKey<i32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| {
            const ONE_SIDE: i32 = 16;
            let is_near = (at.row - at.col).abs() <= ONE_SIDE;
            is_near || is_global[at.col] > 0 || is_global[at.row] > 0
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

const MULTIPLIER: i32 = 0x045d_9f3b;

/// Blocks of 16: the first, one's neighbours, and some that a hash draws: BigBird.
#[attention_kernel]
pub fn big_bird<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    seed: i32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| {
            let (own, other) = (at.row >> 4, at.col >> 4);
            let mixed = own.wrapping_mul(MULTIPLIER) ^ other.wrapping_add(seed).wrapping_mul(MULTIPLIER);
            let is_drawn = (mixed ^ (mixed >> 16)) & 3 == 0;
            other == 0 || own == 0 || (own - other).abs() <= 1 || is_drawn
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// The last `stride` tokens, and every `stride`th before: the sparse Transformer's strided pattern.
#[attention_kernel]
pub fn sparse_transformer<const D: usize>(
    q: Query<f16, D>,
    k: PagedKeys<f16, D>,
    v: PagedValues<f16, D>,
    table: BlockTable,
    o: Output<f16, D>,
    stride: i32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| {
            let back = at.row - at.col;
            back >= 0 && (back < stride || back % stride == 0)
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// Keys a power of two ago, and oneself: LogSparse Transformer.
#[attention_kernel]
pub fn log_sparse<T: Element, const D: usize>(
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
        let s = s.mask(|at| {
            let back = at.row.wrapping_sub(at.col);
            back >= 0 && back & (back - 1) == 0
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// A window of each head, and none where it is negative: MInference's heads, GPT-Neo's and Command R's layers in one launch.
#[attention_kernel]
pub fn windows_of_heads<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    windows: PerHead<i32>,
    scale: f32,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| {
            let window = if windows[at.head] < 0 { i32::MAX } else { windows[at.head] };
            at.col <= at.row && at.row - at.col < window
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// A window of each sequence, as requests ask for it: a server that mixes models' adapters in a batch.
#[attention_kernel]
pub fn windows_of_sequences<const D: usize>(
    q: Query<bf16, D>,
    k: PagedKeys<bf16, D>,
    v: PagedValues<bf16, D>,
    table: BlockTable,
    o: Output<bf16, D>,
    left: PerSequence<i32>,
    right: PerSequence<i32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| at.col >= at.row - left[at.seq] && at.col <= at.row + right[at.seq]);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// Keys of one's own bucket, and oneself only where there is nobody else: Reformer.
#[attention_kernel]
pub fn reformer<T: Element, const D: usize>(
    qk: Query<T, D>,
    shared: Keys<T, D>,
    v: Values<T, D>,
    buckets: PerKey<i32>,
    scale: f32,
    o: Output<T, D>,
) {
    let own = qk.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in shared.tiles() {
        let s = dot(own, shared.load(cols).t()) * scale;
        let s = s.map(|x, at| select(at.col == at.row, -1e5, x));
        let s = s.mask(|at| at.col <= at.row && buckets[at.col] == buckets[at.row]);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Keys of pages that were selected, of pages of 16, beside the window that is always there: Quest, native sparse attention.
#[attention_kernel]
pub fn selected_pages<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    is_selected: BitMask,
    window: i32,
    scale: f32,
    o: Output<T, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| {
            at.col <= at.row && (is_selected.at(at.query, at.col >> 4) || at.row - at.col < window)
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}
