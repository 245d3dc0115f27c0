//! Methods with typing mistakes.

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
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.maks(|at| at.row - at.col < window);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finsih(acc));
    lse.store(softmax.lse());
}

fn main() {}
