//! Values of another element type than the keys, and a fourth one.

use flashpage::prelude::*;

#[attention_kernel]
pub fn keys<T: Element, U: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<U, D>,
    v: Values<T, D>,
    o: Output<U, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let p = softmax.step(dot(q, k.load(cols).t()), &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn third<T: Element, U: Element, V: Element, W: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<U, D>,
) {
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
