//! Functions that kernels share, and attention that goes on where a launch before it ended.

use flashpage::prelude::*;

/// Distances from which on a bucket holds more than one.
const EXACT: i32 = 8;

/// T5's bucket of a distance, of 16 for a decoder, whose keys do not come later.
#[score_function]
fn relative_bucket(relative_position: i32, max_distance: i32) -> i32 {
    let distance = -relative_position.min(0);
    if distance < EXACT {
        return distance;
    }
    let part = (distance as f32 / EXACT as f32).ln() / (max_distance as f32 / EXACT as f32).ln();
    (EXACT + (part * EXACT as f32) as i32).min(2 * EXACT - 1)
}

/// Learned numbers of buckets, the bucket worked out by a function: T5's decoder.
#[attention_kernel]
pub fn t5_decoder<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    relative_attention_bias: Bias<f32>,
    max_distance: i32,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()).map(|x, at| {
            x + relative_attention_bias.at(at.head, 0, relative_bucket(at.col - at.row, max_distance))
        });
        let p = softmax.step(s.mask(causal), &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

#[score_function]
pub fn causal(at: At) -> bool {
    at.col <= at.row
}

/// Every sixth layer sees all before it, the others a window: Gemma 3's interleaved layers, in one kernel.
#[score_function]
pub fn interleaved(at: At, layer: i32, window: i32) -> bool {
    if layer % 6 == 5 {
        return causal(at);
    }
    causal(at) && at.row - at.col < window
}

/// A layer of Gemma 3, whose mask two functions say.
#[attention_kernel]
pub fn gemma3<const D: usize>(
    q: Query<bf16, D>,
    k: PagedKeys<bf16, D>,
    v: PagedValues<bf16, D>,
    table: BlockTable,
    scale: f32,
    layer: i32,
    window: i32,
    o: Output<bf16, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let p = softmax.step(s.mask(|at| interleaved(at, layer, window)), &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// One device's keys of a ring, begun where the device before ended: ring attention, with log-sum-exps as FlashInfer's
/// `merge_state` has them.
#[attention_kernel]
pub fn ring<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    out: Input<f32, D>,
    lse_before: RowInput,
    scale: f32,
    o: Output<f32, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::resume_base2(lse_before);
    let mut acc = Tile::resume(out);
    for cols in k.tiles() {
        let p = softmax.step(dot(q, k.load(cols).t()) * scale, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse_base2());
}

/// New tokens after a prefix that is elsewhere, of which only the result is known: chunked prefills over an offloaded cache.
#[attention_kernel]
pub fn after_a_prefix<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    prefix_out: Input<T, D>,
    prefix_lse: RowInput,
    scale: f32,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::resume(prefix_lse);
    let mut acc = Tile::resume(prefix_out);
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let p = softmax.step(s.mask(causal), &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}
