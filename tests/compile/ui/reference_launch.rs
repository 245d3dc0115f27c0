//! A kernel for the reference is not launched.

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

fn run(args: linear::Args<'_>) {
    args.launch(&Device::emulator()).unwrap();
}

fn main() {}
