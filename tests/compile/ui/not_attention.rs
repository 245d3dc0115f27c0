//! Kernels that are well-typed, and nothing that the compiler takes.

use flashpage::prelude::*;

#[attention_kernel]
pub fn mapped_probabilities<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let p = softmax.step(dot(q, k.load(cols).t()), &mut acc);
        let p = p.map(|x, at| x * (at.col % 2) as f32);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn no_softmax<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>) {
    let q = q.tile();
    let softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        acc += dot(dot(q, k.load(cols).t()), v.load(cols));
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn two_steps<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let p = softmax.step(dot(q, k.load(cols).t()), &mut acc);
        acc += dot(p, v.load(cols));
        let p = softmax.step(dot(q, v.load(cols).t()) + 1.0, &mut acc);
        acc += dot(p, k.load(cols));
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn keys_for_values<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, more: Keys<T, D>, o: Output<T, D>) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let k = k.load(cols);
        let more = more.load(cols);
        let p = softmax.step(dot(q, k.t()), &mut acc);
        acc += dot(p, more);
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn values_for_keys<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let v = v.load(cols);
        let p = softmax.step(dot(q, v.t()), &mut acc);
        acc += dot(p, v);
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn products_of_products<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let kt = k.load(cols).t();
        let v = v.load(cols);
        let p = softmax.step(dot(dot(dot(q, kt), v), kt), &mut acc);
        acc += dot(dot(p, v), dot(kt, v));
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn other_accumulators<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut a = Tile::zeros();
    let mut b = Tile::zeros();
    for cols in k.tiles() {
        let p = softmax.step(dot(q, k.load(cols).t()), &mut a);
        a += q;
        b += dot(p, v.load(cols));
    }
    o.store(softmax.finish(b));
}

#[attention_kernel]
pub fn other_results<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    once: Output<T, D>,
    twice: Output<T, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let other = OnlineSoftmax::new();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let p = softmax.step(dot(q, k.load(cols).t()), &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(q);
    once.store(softmax.finish(acc));
    twice.store(softmax.finish(acc));
    lse.store(other.lse());
}

#[attention_kernel]
pub fn no_such_kernels(q: Query<f32, 100>, k: Keys<f32, 100>, v: Values<f32, 100>, o: Output<f32, 100>) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let p = softmax.step(dot(q, k.load(cols).t()), &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

fn main() {}
