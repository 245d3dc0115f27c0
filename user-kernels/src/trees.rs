//! Drafts of speculative decoding behind what is accepted already, and beams.

use flashpage::prelude::*;

/// All that is accepted, and of the drafts what a tree of bits says: Medusa, as vLLM and TensorRT-LLM verify it.
#[attention_kernel]
pub fn medusa_tree<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
    tree: BitMask,
    block_table: BlockTable,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in block_table.tiles() {
        let s = dot(q, k.gather(block_table, cols).t()) * scale;
        let s = s.mask(|at| {
            let accepted = at.kv_len - at.q_len;
            at.col < accepted || tree.at(at.query, at.col - accepted)
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(block_table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// `ancestors >> draft & 1`: each draft's ancestors as the bits of one integer, at most 32 drafts (EAGLE-2, SGLang).
#[attention_kernel]
pub fn eagle_ancestors<const D: usize>(
    q: Query<bf16, D>,
    k: PagedKeys<bf16, D>,
    v: PagedValues<bf16, D>,
    table: BlockTable,
    ancestors: PerQuery<i32>,
    o: Output<bf16, D>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(k.gather(table, cols), q.t()).t() * scale;
        let s = s.mask(|at| {
            let draft = at.col - (at.kv_len - at.q_len);
            draft < 0 || draft == at.query || (ancestors[at.query] >> draft) & 1 != 0
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// Whatever mask an engine has packed for the batch: FlashInfer's `custom_mask`.
#[attention_kernel]
pub fn custom_mask<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    packed_custom_mask: BitMask,
    sm_scale: f32,
    logits_soft_cap: f32,
    o: Output<T, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * sm_scale;
        let s = s.map(|logit, _| (logit / logits_soft_cap).tanh() * logits_soft_cap);
        let s = s.mask(|at| packed_custom_mask.at(at.query, at.col));
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Rows of a window of Jacobi iterations see what is accepted, and of the window their own column up to themselves: lookahead
/// decoding.
#[attention_kernel]
pub fn lookahead<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    width: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| {
            let guess = at.col - at.kv_len + at.q_len;
            let is_of_column = guess % width == at.query % width;
            guess < 0 || (is_of_column && guess <= at.query)
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// A prompt that all beams share, and of what was generated the tokens of one's own beam: beam search in one sequence.
#[attention_kernel]
pub fn beams<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    prompt_len: PerSequence<i32>,
    beam_of_key: PerKey<i32>,
    beam_of_query: PerQuery<i32>,
    scale: f32,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| {
            if at.col < prompt_len[at.seq] { true } else { beam_of_key[at.col] == beam_of_query[at.query] }
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}
