//! Several texts in one sequence, and sequences that are not as long as their tensors: documents, padding.

use flashpage::prelude::*;

/// `col <= row` within a document: packed training of GPT-NeoX, Llama 3 and `flex_attention`'s document masks, over the pages of a
/// server that scores packed prompts.
#[attention_kernel]
pub fn packed_documents<T: Element, const D: usize>(
    queries: Query<T, D>,
    keys: PagedKeys<T, D>,
    values: PagedValues<T, D>,
    pages: BlockTable,
    document_of: PerKey<i32>,
    out: Output<T, D>,
    logsumexp: RowOutput,
    softmax_scale: f32,
) {
    let mine = queries.tile();
    let mut running = OnlineSoftmax::new();
    let mut sum = Tile::zeros();
    for tile in pages.tiles() {
        let scores = dot(mine, keys.gather(pages, tile).t()) * softmax_scale;
        let scores = scores.mask(|at| at.col <= at.row && document_of[at.col] == document_of[at.row]);
        let weights = running.step(scores, &mut sum);
        sum += dot(weights, values.gather(pages, tile));
    }
    out.store(running.finish(sum));
    logsumexp.store(running.lse());
}

/// `padding <= col <= row`: a batch of prompts padded at the left, as Hugging Face's `generate` has it.
#[attention_kernel]
pub fn left_padded<const D: usize>(
    q: Query<f16, D>,
    k: Keys<f16, D>,
    v: Values<f16, D>,
    padding: PerSequence<i32>,
    scale: f32,
    o: Output<f16, D>,
) {
    let q = q.tile();
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t());
        let s = s.mask(|at| padding[at.seq] <= at.col && at.row >= at.col);
        let p = softmax.step(s * scale, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// `col < length`: an encoder over sequences of one length, of which the real ones are shorter (BERT).
#[attention_kernel]
pub fn bert_lengths<T: Element>(
    q: Query<T, 64>,
    k: Keys<T, 64>,
    v: Values<T, 64>,
    o: Output<T, 64>,
    lengths: PerSequence<i32>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = (dot(q, k.load(cols).t()) / 8.0).mask(|at| at.col < lengths[at.seq]);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Keys that are marked are left out: PyTorch's `key_padding_mask` beside `is_causal`.
#[attention_kernel]
pub fn key_padding_mask<T: Element, const D: usize>(
    k: Keys<T, D>,
    v: Values<T, D>,
    q: Query<T, D>,
    key_padding_mask: PerKey<i32>,
    is_causal: bool,
    scale: f32,
    o: Output<T, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = scale * dot(q, k.load(cols).t());
        let s = s.mask(|at| key_padding_mask[at.col] == 0 && (!is_causal || at.col <= at.row));
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(acc));
}

/// The last `window` tokens of one's own document: ModernBERT's local layers over unpadded batches.
#[attention_kernel]
pub fn document_window<const D: usize>(
    q: Query<bf16, D>,
    k: Keys<bf16, D>,
    v: Values<bf16, D>,
    o: Output<f32, D>,
    cu_document: PerKey<i32>,
    window: i32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| (at.row - at.col).abs() <= window / 2);
        let s = s.mask(|at| {
            let (own, other) = (cu_document[at.row], cu_document[at.col]);
            own == other
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Packed examples, of each of which all see the prompt: prefix-LM (UL2, T5) with `flex_attention`'s document mask.
#[attention_kernel]
pub fn packed_prefix_lm<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    example: PerKey<i32>,
    is_prompt: PerKey<i32>,
    scale: f32,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| {
            let is_before = at.col <= at.row;
            (is_before | (is_prompt[at.col] == 1)) & (example[at.col] == example[at.row])
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}
