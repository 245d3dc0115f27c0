// Two kernels whose masks are no interval of columns: what schedules for such masks are ranked with. Text for the front end,
// and no part of the binary.

/// Causal attention to every `stride`th key.
#[attention_kernel]
pub fn strided_attention<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    o: Output<T, E>,
    lse: RowOutput,
    stride: i32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| at.col <= at.row && (at.row - at.col) % stride == 0);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Attention within blocks whose size each head has of its own, over a paged cache.
#[attention_kernel]
pub fn blockwise_attention<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, E>,
    table: BlockTable,
    o: Output<T, E>,
    lse: RowOutput,
    blocks: PerHead<i32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| at.col / blocks[at.head] == at.row / blocks[at.head]);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}
