//! All mistakes of a body come at once.

use flashpage::prelude::*;

#[attention_kernel]
pub fn attention<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
    scale: f32,
    window: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scal;
        let s = s.mask(|at| at.row - at.cols);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

fn main() {}
