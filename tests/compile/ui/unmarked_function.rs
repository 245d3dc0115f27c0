//! A call of a function that is there, and not marked.

use flashpage::prelude::*;

fn visible(row: i32, col: i32, window: i32) -> bool {
    col <= row && row - col < window
}

#[score_function]
fn marked(at: At, window: i32) -> bool {
    visible(at.row, at.col, window)
}

#[score_function]
fn misread(at: At, window: usize) -> bool {
    at.colum < window as i32
}

#[attention_kernel]
pub fn attention<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
    window: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| visible(at.row, at.col, window) && marked(at, window));
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

fn main() {}
