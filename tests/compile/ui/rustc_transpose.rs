//! Without the macro, rustc's own message for a forgotten transpose names the axes.

use flashpage::prelude::*;

pub fn scores<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>) {
    let q = q.tile();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols));
        let _ = s.mask(|at| at.col <= at.row);
    }
}

fn main() {}
