//! Head dimensions that do not meet: both compilers name them.

use flashpage::prelude::*;

#[attention_kernel]
pub fn attention<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, E>,
    v: Values<T, E>,
    o: Output<T, D>,
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
