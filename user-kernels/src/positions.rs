//! Masks of positions that are not one after the other: images, frames, chunks, and orders that are given.

use flashpage::prelude::*;

/// `position[col] <= position[row]`, where the tokens of an image share one: Qwen2-VL's M-RoPE ids.
#[attention_kernel]
pub fn mrope_positions<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    position_ids: PerKey<i32>,
    scale: f32,
    o: Output<T, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let p = softmax.step(s.mask(|at| position_ids[at.col] <= position_ids[at.row]), &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Causal, but that the tokens of an image see each other: PaliGemma and Gemma 3. No image is 0.
#[attention_kernel]
pub fn image_spans<const D: usize>(
    q: Query<bf16, D>,
    k: PagedKeys<bf16, D>,
    v: PagedValues<bf16, D>,
    table: BlockTable,
    o: Output<bf16, D>,
    image_of: PerKey<i32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| {
            let image = image_of[at.row];
            at.col <= at.row || (image != 0 && image_of[at.col] == image)
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// Causal within chunks of `chunk` tokens: Llama 4's local layers.
#[attention_kernel]
pub fn chunked<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    scale: f32,
    attention_chunk_size: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s =
            s.mask(|at| at.col / attention_chunk_size == at.row / attention_chunk_size && at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// A block sees itself and all blocks before it: block diffusion (BD3-LM, LLaDA), MAR.
#[attention_kernel]
pub fn block_causal<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    block: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| at.col < (at.row.div_euclid(block) + 1) * block);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// The tokens around a query in an image of rows of `width`, moved inside where they would reach over its edge: neighbourhood
/// attention of two dimensions (NATTEN).
#[attention_kernel]
pub fn neighbourhood_2d<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    width: i32,
    radius: i32,
    scale: f32,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| {
            let height = at.kv_len / width;
            let (y, x) = (at.row / width, at.row % width);
            let top = y.min(height - 1 - radius).max(radius);
            let left = x.min(width - 1 - radius).max(radius);
            (at.col / width - top).abs() <= radius && (at.col % width - left).abs() <= radius
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Keys at multiples of `dilation` from the query, `reach` of them each way: dilated neighbourhood attention of one dimension.
#[attention_kernel]
pub fn dilated_neighbours<const D: usize>(
    q: Query<f16, D>,
    k: Keys<f16, D>,
    v: Values<f16, D>,
    o: Output<bf16, D>,
    dilation: i32,
    reach: i32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| {
            let away = at.col - at.row;
            away % dilation == 0 && away <= reach * dilation && -away <= reach * dilation
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// One's own row and column of an image: axial attention, CCNet.
#[attention_kernel]
pub fn axial<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
    width: i32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| at.row / width == at.col / width || at.row % width == at.col % width);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// A bias of places in a window, and -100 between the regions that a shift brought together: Swin's shifted windows.
#[attention_kernel]
pub fn shifted_window<T: Element>(
    q: Query<T, 32>,
    k: Keys<T, 32>,
    v: Values<T, 32>,
    o: Output<T, 32>,
    relative_position_bias: Bias<T>,
    region: PerKey<i32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| x + relative_position_bias.at(at.head, at.query, at.col));
        let s = s.map(|x, at| if region[at.col] == region[at.row] { x } else { x - 100.0 });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// `order[col] < order[row]`, with one's own place: the content stream of XLNet's permutations.
#[attention_kernel]
pub fn permutation<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    order: PerKey<i32>,
    scale: f32,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| order[at.col] < order[at.row] || at.col == at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// All of the frames up to one's own, of a video whose frames have numbers: causal in time, full in space (Genie, V-JEPA).
#[attention_kernel]
pub fn frame_causal<T: Element, U: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<U, D>,
    frame_of_key: PerKey<i32>,
    frame_of_query: PerQuery<i32>,
    frames: i32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| {
            let ago = frame_of_query[at.query] - frame_of_key[at.col];
            0 <= ago && ago < frames
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}
