//! A third head dimension, and a generic that nothing uses.

use flashpage::prelude::*;

#[attention_kernel]
pub fn attention<T: Element, const D: usize, const E: usize, const F: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    o: Output<T, F>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc: Tile<Rows, Dim<E>> = Tile::zeros();
    for cols in k.tiles() {
        let p = softmax.step(dot(q, k.load(cols).t()), &mut acc);
        acc += dot(p, v.load(cols));
    }
}

#[attention_kernel]
pub fn unused<T: Element, const D: usize, const E: usize>(q: Query<T, D>, k: Keys<T, D>, o: Output<T, D>) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let k = k.load(cols);
        let p = softmax.step(dot(q, k.t()), &mut acc);
        acc += dot(p, k);
    }
    o.store(softmax.finish(acc));
}

fn main() {}
