//! Without the macro, what rustc says of elements and axes that there are not.

use flashpage::prelude::*;

pub fn element(q: Query<u8, 64>, o: Output<f16, 64>) {
    o.store(q.tile());
    let _ = select("yes" == "no", "a", "b");
}

pub fn axes<T: Element, const D: usize>(q: Query<T, D>) {
    let _ = q.tile().mask(|at| at.col <= at.row);
    let _: Tile<Rows, f32> = Tile::zeros();
}

fn main() {}
