//! A kernel that never looks at the keys.

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
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

fn main() {}
