//! Kernels for the host run and the reference, of forms that are not compiled; and one that is turned, which is.

use flashpage::prelude::*;

#[attention_kernel(reference)]
pub fn linear<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>) {
    let q = q.tile();
    let softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        acc += dot(dot(q, k.load(cols).t()), v.load(cols));
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel(reference)]
pub fn single(q: Query<f32, 7>, k: Keys<f32, 7>, v: Values<f32, 7>, o: Output<f32, 7>) {
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
pub fn turned<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>) {
    let q = q.tile().t();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(k.load(cols), q).t().mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(v.load(cols).t(), p.t()).t();
    }
    o.store(softmax.finish(acc));
}

#[test]
fn has_programs() {
    assert_eq!(linear::program().name, "linear");
    assert_eq!(single::program().name, "single");
    assert_eq!(turned::program().name, "turned");
}
