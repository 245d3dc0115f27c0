//! Kernels of forms that are no attention as the compiler knows it, but for one that is only turned. What they compute does
//! not depend on how columns are cut into tiles.

use flashpage::prelude::*;

/// Probabilities are dropped, and scaled by head, after their sum was taken: with a condition on them.
#[attention_kernel(reference)]
pub fn mapped_probabilities<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
    slopes: PerHead<f32>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let p = softmax.step(dot(q, k.load(cols).t()) * 0.3, &mut acc);
        let p =
            p.map(|x, at| if x < 0.0 || (at.row + at.col) % 5 == at.seq { 0.0 } else { x * slopes[at.head] });
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Scores are made with keys down and queries across, which compiles as if they were not.
#[attention_kernel]
pub fn transposed_scores<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
) {
    let q = q.tile().t();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(k.load(cols), q).t().map(|x, at| x.tanh() - ((at.row - at.col).abs() % 9) as f32 * 0.25);
        let p = softmax.step(s.mask(|at| at.col % 4 != 1 && at.col <= at.row + 2), &mut acc);
        acc += dot(v.load(cols).t(), p.t()).t();
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// One softmax over keys and values together: two steps in an iteration.
#[attention_kernel(reference)]
pub fn keys_and_values<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let k = k.load(cols);
        let v = v.load(cols);
        let over_keys = softmax.step(dot(q, k.t()) * 0.2, &mut acc);
        acc += dot(over_keys, v);
        let over_values = softmax.step(dot(q, v.t()) * 0.25 + 1.0, &mut acc);
        acc += dot(over_values, k);
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// No softmax: what is divided by is the number of keys.
#[attention_kernel(reference)]
pub fn linear<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut count = OnlineSoftmax::new();
    let mut nothing = Tile::zeros();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let k = k.load(cols).t();
        let one = count.step(dot(q, k).map(|_, _| 0.0), &mut nothing);
        nothing += dot(one, v.load(cols));
        acc += dot(q, dot(k, v.load(cols)));
    }
    o.store(count.finish(acc));
    lse.store(count.lse());
}

/// Two softmaxes with an accumulator each, masked by integers near the largest. One gives O, the other the log-sum-exp.
#[attention_kernel(reference)]
pub fn crossed<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
    wide: i32,
) {
    let q = q.tile();
    let mut one = OnlineSoftmax::new();
    let mut two = OnlineSoftmax::new();
    let mut a = Tile::zeros();
    let mut b = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * 0.25;
        let p = one.step(s.mask(|at| at.col % 3 * (wide / 2) < wide - at.row.abs()), &mut a);
        let r = two.step(s.mask(|at| at.col <= at.row), &mut b);
        a += dot(p, v.load(cols));
        b += dot(r, k.load(cols));
    }
    o.store(one.finish(a));
    lse.store(two.lse());
}

/// Tiles that are used more than once, and an accumulator that is added to twice.
#[attention_kernel(reference)]
pub fn shared<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let k = k.load(cols);
        let s = dot(q, k.t());
        let bent = s.map(|x, _| x / (1.0 + x.abs()));
        let p = softmax.step(bent.mask(|at| at.head != 1 || at.col != at.row), &mut acc);
        let v = v.load(cols);
        acc += dot(p, v);
        acc += dot(p, k);
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Probabilities of one softmax over the sum of another, without those of the first column.
#[attention_kernel(reference)]
pub fn strayed<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut one = OnlineSoftmax::new();
    let mut two = OnlineSoftmax::new();
    let mut a = Tile::zeros();
    let mut unused = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * 0.25;
        let p = one.step(s, &mut a).map(|x, at| if x < 0.0 || at.col == 0 { 0.0 } else { x });
        let r = two.step(s.map(|x, at| if at.col == 0 { -1.0 } else { x }), &mut unused);
        a += dot(p, v.load(cols));
        unused += dot(r, v.load(cols));
    }
    o.store(two.finish(a));
    lse.store(two.lse());
}

/// Values and output have another head dimension; generics stand in an order of their own.
#[attention_kernel]
pub fn two_dims<const E: usize, T: Element, const D: usize>(
    v: Values<T, E>,
    k: Keys<T, D>,
    q: Query<T, D>,
    o: Output<T, E>,
    lse: RowOutput,
) {
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q.tile(), k.load(cols).t()).mask(|at| at.col <= at.row);
        let p = softmax.step(s * 0.2, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// The values are the first numbers of the keys, in a cache of blocks.
#[attention_kernel]
pub fn latent<T: Element, const D: usize>(
    q: Query<T, D>,
    cache: PagedKeys<T, D>,
    table: BlockTable,
    o: Output<T, 32>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc: Tile<Rows, Dim<32>> = Tile::zeros();
    for cols in table.tiles() {
        let c = cache.gather(table, cols);
        let p = softmax.step(dot(q, c.t()) * 0.2, &mut acc);
        acc += dot(p, c.slice::<32>());
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}
