//! A load of paged keys.

use flashpage::prelude::*;

#[attention_kernel]
pub fn paged<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    lse: RowOutput,
    scale: f32,
    window: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.mask(|at| at.row - at.col < window);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

fn main() {}
