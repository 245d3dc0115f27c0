//! Kernels that `tests/programs` draws, for rustc: made, and never changed by hand. `random_programs.rs` says how.
#![allow(unused, double_negations, clippy::all)]

use super::programs::host::{Field, Host};
use flashpage::prelude::*;

#[attention_kernel(reference)]
pub fn form_0<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    r: RowInput,
    scale: f32,
    out0: ColOutput,
    out1: ColOutput,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let t2 = t1.map(|x, _| (x * 0.5).tanh());
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    for rows in q.tiles() {
        let t3 = q.load(rows);
        let t4 = r.load(rows);
        let t5 = dot(t0, t3.t()) * scale;
        let t6 = t2.t();
        let t7 = t0.t();
        let t8 = t3 / (t4).map(|x, _| x * x + 1.0);
        let t9 = t3.t();
        sum0 += t5.sum();
        sum1 += t5.sum();
    }
    out0.store(sum0);
    out1.store(sum1 * 0.5);
}

#[attention_kernel(reference)]
pub fn form_1<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    g: Query<T, D>,
    r: RowInput,
    table: BlockTable,
    scale: f32,
    out0: Output<f32, D>,
    out1: RowOutput,
    out2: Output<f32, D>,
    out3: RowOutput,
    out4: Output<f32, D>,
) {
    let t0 = q.tile();
    let t1 = g.tile();
    let t2 = r.tile();
    let t3 = 1.5 * t2;
    let t4 = t1 * t2;
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    let mut sum0 = Tile::zeros();
    let mut sum1 = RowVector::zeros();
    let mut sum2 = Tile::zeros();
    for cols in table.tiles() {
        let t5 = k.gather(table, cols);
        let t6 = v.gather(table, cols);
        let t7 = dot(t1, t5.t()) * scale;
        let t8 = t5.t();
        let t9 = t1 - t2;
        let t10 = 1.5 * t7;
        let t11 = t6 * t8.t();
        let t12 = t11.t();
        let t13 = t4.map(|x, _| (x * 0.5).tanh());
        let p = softmax.step(t10.mask(|at| at.col % 3 != 1), &mut acc);
        acc += dot(p, t12.t());
        sum0 += dot(t7, t8.t());
        sum1 += t7.sum();
        sum2 += dot(t7, t11);
    }
    out0.store(softmax.finish(acc) * t0);
    out1.store(softmax.lse() * t2);
    let less14 = sum0 - 0.25;
    out2.store(less14);
    out3.store(sum1);
    out4.store(sum2);
}

#[attention_kernel(reference)]
pub fn form_2<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, E>,
    g: Query<T, E>,
    r: RowInput,
    table: BlockTable,
    scale: f32,
    out0: RowOutput,
    out1: RowOutput,
) {
    let t0 = q.tile();
    let t1 = g.tile();
    let t2 = r.tile();
    let t3 = t1 / (t2).map(|x, _| x * x + 1.0);
    let t4 = t1.map(|x, _| (x * 0.5).tanh());
    let mut sum0 = RowVector::zeros();
    let mut sum1 = Tile::zeros();
    for cols in table.tiles() {
        let t5 = k.gather(table, cols);
        let t6 = v.gather(table, cols);
        let t7 = (dot(t5.t().t(), t0.t()) * scale);
        let t8 = t7 * t7;
        sum0 += t7.t().sum();
        sum1 += t8.t().sum();
    }
    out0.store(sum0);
    out1.store(sum1 * t2);
}

#[attention_kernel(reference)]
pub fn form_3<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, E>,
    r: RowInput,
    table: BlockTable,
    scale: f32,
    out0: Output<f32, D>,
    out1: Output<f32, E>,
    out2: RowOutput,
) {
    let t0 = q.tile();
    let t1 = r.tile();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = Tile::zeros();
    for cols in table.tiles() {
        let t2 = k.gather(table, cols);
        let t3 = v.gather(table, cols);
        let t4 = dot(t0, t2.t()) * scale;
        let t5 = 1.5 * t0;
        let t6 = t4 / (t1).map(|x, _| x * x + 1.0);
        sum0 += dot(t4, t2);
        sum1 += dot(t4, t3);
        sum2 += t6.sum();
    }
    out0.store(sum0);
    out1.store(sum1 * 0.5);
    out2.store(sum2);
}

#[attention_kernel(reference)]
pub fn form_4<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    g: Query<T, E>,
    r: RowInput,
    scale: f32,
    out0: KeyOutput<f32, D>,
    out1: KeyOutput<f32, D>,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let t2 = (t0 * 0.25).sum();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    for rows in q.tiles() {
        let t3 = q.load(rows);
        let t4 = g.load(rows);
        let t5 = r.load(rows);
        let t6 = dot(t0, t3.t()) * scale;
        let t7 = t6 - 0.25;
        let t8 = t1.map(|x, _| (x * 0.5).tanh());
        let t9 = t5 + t5;
        let t10 = 1.5 * t1;
        let t11 = t8 + t2;
        let t12 = t6 - 0.25;
        sum0 += dot(t6, t3);
        sum1 += dot(t12, t3);
    }
    out0.store(sum0);
    out1.store(sum1);
}

#[attention_kernel(reference)]
pub fn form_5<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    scale: f32,
    out0: KeyOutput<f32, D>,
    out1: KeyOutput<f32, D>,
    out2: KeyOutput<f32, D>,
    out3: KeyOutput<f32, E>,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let t2 = t1.t();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = Tile::zeros();
    for rows in q.tiles() {
        let t3 = q.load(rows);
        let t4 = dot(t0, t3.t()) * scale;
        let t5 = t0 - t0;
        sum0 += dot(t4, t3);
        sum1 += dot(t4, t3);
        sum2 += dot(t4, t3);
    }
    out0.store(sum0);
    out1.store(sum1);
    out2.store(sum2 * t0);
    out3.store(t1 * t1);
}

#[attention_kernel(reference)]
pub fn form_6<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    r: RowInput,
    scale: f32,
    out0: KeyOutput<f32, D>,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let t2 = t1 - t1;
    let mut sum0 = Tile::zeros();
    for rows in q.tiles() {
        let t3 = q.load(rows);
        let t4 = r.load(rows);
        let t5 = dot(t0, t3.t()) * scale;
        let t6 = t3.map(|x, _| (x * 0.5).tanh());
        sum0 += dot(t5, t3);
    }
    out0.store(sum0 * 0.5);
}

#[attention_kernel(reference)]
pub fn form_7<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    g: Query<T, E>,
    scale: f32,
    out0: Output<f32, D>,
    out1: RowOutput,
    out2: Output<f32, E>,
) {
    let t0 = q.tile();
    let t1 = g.tile();
    let t2 = t0 + t0;
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    let mut sum0 = Tile::zeros();
    for cols in k.tiles() {
        let t3 = k.load(cols);
        let t4 = v.load(cols);
        let t5 = dot(t2, t3.t()) * scale;
        let t6 = t5 - 0.25;
        let t7 = t0 - t0;
        let p = softmax.step(t6.mask(|at| at.col % 3 != 1), &mut acc);
        acc += dot(p, t3);
        sum0 += dot(t5, t4);
    }
    out0.store(softmax.finish(acc));
    out1.store(softmax.lse());
    out2.store(sum0 * t1);
}

#[attention_kernel(reference)]
pub fn form_8<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    scale: f32,
    out0: RowOutput,
    out1: RowOutput,
    out2: Output<f32, D>,
    out3: Output<f32, D>,
) {
    let t0 = q.tile();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = Tile::zeros();
    for cols in k.tiles() {
        let t1 = k.load(cols);
        let t2 = v.load(cols);
        let t3 = dot(t0, t1.t()) * scale;
        let t4 = t3 * 0.5;
        let t5 = t2 + t2;
        sum0 += t4.sum();
        sum1 += t4.sum();
        sum2 += dot(t4, t1);
    }
    out0.store(sum0 * 0.5);
    out1.store(sum1);
    out2.store(sum2);
    out3.store(t0 * t0);
}

#[attention_kernel(reference)]
pub fn form_9<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    r: RowInput,
    scale: f32,
    out0: Output<f32, D>,
    out1: RowOutput,
) {
    let t0 = q.tile();
    let t1 = r.tile();
    let mut sum0 = Tile::zeros();
    for cols in k.tiles() {
        let t2 = k.load(cols);
        let t3 = v.load(cols);
        let t4 = dot(t0, t3.t()) * scale;
        let t5 = 1.5 * t3;
        let t6 = t2 / (t2).map(|x, _| x * x + 1.0);
        let t7 = t5 - t3;
        sum0 += dot(t4, t3);
    }
    let less8 = sum0 - 0.25;
    out0.store(less8);
    let less9 = t1 - 0.25;
    out1.store(less9);
}

#[attention_kernel(reference)]
pub fn form_10<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, E>,
    r: RowInput,
    table: BlockTable,
    scale: f32,
    out0: Output<f32, E>,
    out1: RowOutput,
    out2: Output<f32, D>,
    out3: Output<f32, D>,
) {
    let t0 = q.tile();
    let t1 = r.tile();
    let t2 = t1 - 0.25;
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    let mut sum0 = Tile::zeros();
    for cols in table.tiles() {
        let t3 = k.gather(table, cols);
        let t4 = v.gather(table, cols);
        let t5 = (dot(t3.t().t(), t0.t()) * scale);
        let t6 = t4 * t4;
        let t7 = t2 + t2;
        let t8 = t5 / (t5).map(|x, _| x * x + 1.0);
        let t9 = 1.5 * t7;
        let t10 = (dot(t3.t().t(), t0.t()) * scale);
        let p = softmax.step(t10.t().mask(|at| at.row - at.col < 40), &mut acc);
        acc += dot(p, t4);
        sum0 += dot(t8.t(), t3);
    }
    out0.store(softmax.finish(acc) * 0.5);
    out1.store(softmax.lse() * 0.5);
    out2.store(sum0 * t2);
    out3.store(t0);
}

#[attention_kernel(reference)]
pub fn form_11<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    g: Query<T, E>,
    scale: f32,
    out0: KeyOutput<f32, D>,
    out1: KeyOutput<f32, D>,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    for rows in q.tiles() {
        let t2 = q.load(rows);
        let t3 = g.load(rows);
        let t4 = dot(t0, t2.t()) * scale;
        let t5 = (t0 * 0.25).sum();
        let t6 = t2.t();
        let t7 = t5 - 0.25;
        let t8 = 1.5 * t5;
        sum0 += dot(t4, t2);
        sum1 += dot(t4, t6.t());
    }
    out0.store(sum0 * t0);
    out1.store(sum1 * 0.5);
}

#[attention_kernel(reference)]
pub fn form_12<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    g: Query<T, E>,
    scale: f32,
    out0: ColOutput,
    out1: KeyOutput<f32, E>,
    out2: ColOutput,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let mut sum0 = ColVector::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = ColVector::zeros();
    for rows in q.tiles() {
        let t2 = q.load(rows);
        let t3 = g.load(rows);
        let t4 = dot(t0, t2.t()) * scale;
        let t5 = (dot(t2.t().t(), t0.t()) * scale);
        let t6 = t4 * t4;
        let t7 = t3.zip(t3, |x, y, _| x * 0.5 + y.max(x));
        let t8 = (t2 * 0.25).sum();
        sum0 += t6.sum();
        sum1 += dot(t6, t3);
        sum2 += t4.sum();
    }
    out0.store(sum0);
    out1.store(sum1);
    let less9 = sum2 - 0.25;
    out2.store(less9);
}

#[attention_kernel(reference)]
pub fn form_13<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    g: Query<T, D>,
    r: RowInput,
    table: BlockTable,
    scale: f32,
    out0: Output<f32, D>,
    out1: RowOutput,
    out2: RowOutput,
) {
    let t0 = q.tile();
    let t1 = g.tile();
    let t2 = r.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    let mut sum0 = Tile::zeros();
    for cols in table.tiles() {
        let t3 = k.gather(table, cols);
        let t4 = v.gather(table, cols);
        let t5 = dot(t0, t3.t()) * scale;
        let t6 = 1.5 * t2;
        let t7 = t5.map(|x, _| (x * 0.5).tanh());
        let p = softmax.step(t5.mask(|at| at.row - at.col < 40), &mut acc);
        acc += dot(p, t4);
        sum0 += t7.sum();
    }
    out0.store(softmax.finish(acc));
    out1.store(softmax.lse() * t2);
    out2.store(sum0);
}

#[attention_kernel(reference)]
pub fn form_14<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    r: RowInput,
    scale: f32,
    out0: Output<f32, E>,
    out1: RowOutput,
    out2: RowOutput,
    out3: Output<f32, E>,
) {
    let t0 = q.tile();
    let t1 = r.tile();
    let t2 = t1.t();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    for cols in k.tiles() {
        let t3 = k.load(cols);
        let t4 = v.load(cols);
        let t5 = dot(t0, t3.t()) * scale;
        let t6 = t2 - 0.25;
        let t7 = t4.map(|x, at| x + 0.125 * (at.head % 5) as f32);
        let t8 = t1 * t2.t();
        let t9 = 1.5 * t6;
        let p = softmax.step(t5.mask(|at| at.row - at.col < 40), &mut acc);
        acc += dot(p, t7);
        sum0 += t5.sum();
        sum1 += dot(t5, t4);
    }
    out0.store(softmax.finish(acc) * t1);
    out1.store(softmax.lse() * t1);
    let less10 = sum0 - 0.25;
    out2.store(less10);
    let less11 = sum1 - 0.25;
    out3.store(less11);
}

#[attention_kernel(reference)]
pub fn form_15<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    scale: f32,
    out0: KeyOutput<f32, D>,
    out1: KeyOutput<f32, D>,
    out2: KeyOutput<f32, D>,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let t2 = t0 * t0;
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    for rows in q.tiles() {
        let t3 = q.load(rows);
        let t4 = (dot(t3.t().t(), t2.t()) * scale);
        let t5 = t2 / (t1).map(|x, _| x * x + 1.0);
        let t6 = (dot(t0, t3.t())).map(|x, _| x.tanh());
        let t7 = t6 - t4.t();
        let t8 = t7.t();
        let t9 = (t1 * 0.25).sum();
        let t10 = t6 * 0.5;
        sum0 += dot(t7, t3);
        sum1 += dot(t8.t(), t3);
    }
    out0.store(sum0 * 0.5);
    out1.store(sum1);
    out2.store(t0 * 0.5);
}

#[attention_kernel(reference)]
pub fn form_16<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    scale: f32,
    out0: KeyOutput<f32, D>,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let t2 = 1.5 * t0;
    let t3 = t0 - 0.25;
    let mut sum0 = Tile::zeros();
    for rows in q.tiles() {
        let t4 = q.load(rows);
        let t5 = (dot(t4.t().t(), t1.t()) * scale);
        sum0 += dot(t5.t(), t4);
    }
    out0.store(sum0 * t0);
}

#[attention_kernel(reference)]
pub fn form_17<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    g: Query<T, D>,
    r: RowInput,
    scale: f32,
    out0: ColOutput,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let t2 = t1.t();
    let t3 = t0 * t0;
    let mut sum0 = ColVector::zeros();
    for rows in q.tiles() {
        let t4 = q.load(rows);
        let t5 = g.load(rows);
        let t6 = r.load(rows);
        let t7 = dot(t2.t(), t5.t()) * scale;
        let t8 = t6 / (t6).map(|x, _| x * x + 1.0);
        let t9 = (t3 * 0.25).sum();
        let t10 = t5 + t5;
        let t11 = (t10 * 0.25).sum();
        sum0 += t7.sum();
    }
    let less12 = sum0 - 0.25;
    out0.store(less12);
}

#[attention_kernel(reference)]
pub fn form_18<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    r: RowInput,
    scale: f32,
    out0: ColOutput,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let t2 = 1.5 * t0;
    let t3 = t2 / (t0).map(|x, _| x * x + 1.0);
    let mut sum0 = ColVector::zeros();
    for rows in q.tiles() {
        let t4 = q.load(rows);
        let t5 = r.load(rows);
        let t6 = dot(t3, t4.t()) * scale;
        let t7 = t1 - t1;
        sum0 += t6.sum();
    }
    out0.store(sum0);
}

#[attention_kernel(reference)]
pub fn form_19<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    r: RowInput,
    scale: f32,
    out0: Output<f32, D>,
    out1: RowOutput,
    out2: Output<f32, D>,
    out3: RowOutput,
    out4: Output<f32, D>,
) {
    let t0 = q.tile();
    let t1 = r.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = Tile::zeros();
    for cols in k.tiles() {
        let t2 = k.load(cols);
        let t3 = v.load(cols);
        let t4 = dot(t0, t2.t()) * scale;
        let t5 = t1.t();
        let t6 = 1.5 * t4;
        let t7 = t4.map(|x, at| x + 0.125 * (at.head % 6) as f32);
        let t8 = t1.zip(t1, |x, y, _| x * 0.5 + y.max(x));
        let p = softmax.step(t6.mask(|at| at.col >= at.row - 7 * at.head), &mut acc);
        acc += dot(p, t2);
        sum0 += dot(t4, t2);
        sum1 += t7.sum();
        sum2 += dot(t6, t2);
    }
    out0.store(softmax.finish(acc));
    out1.store(softmax.lse() * t1);
    out2.store(sum0);
    out3.store(sum1 * 0.5);
    out4.store(sum2);
}

#[attention_kernel(reference)]
pub fn form_20<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    r: RowInput,
    scale: f32,
    out0: RowOutput,
    out1: Output<f32, D>,
    out2: Output<f32, D>,
    out3: Output<f32, D>,
) {
    let t0 = q.tile();
    let t1 = r.tile();
    let t2 = t0 - 0.25;
    let mut sum0 = RowVector::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = Tile::zeros();
    for cols in k.tiles() {
        let t3 = k.load(cols);
        let t4 = v.load(cols);
        let t5 = (dot(t3.t().t(), t2.t()) * scale);
        let t6 = 1.5 * t2;
        let t7 = t1 * t1;
        let t8 = t1 - t1;
        let t9 = (t6 * t8).map(|x, _| x.tanh());
        sum0 += t5.t().sum();
        sum1 += dot(t5.t(), t3);
        sum2 += dot(t5.t(), t3);
    }
    out0.store(sum0);
    out1.store(sum1);
    out2.store(sum2 * 0.5);
    out3.store(t2);
}

#[attention_kernel(reference)]
pub fn form_21<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    g: Query<T, E>,
    scale: f32,
    out0: KeyOutput<f32, E>,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let mut sum0 = Tile::zeros();
    for rows in q.tiles() {
        let t2 = q.load(rows);
        let t3 = g.load(rows);
        let t4 = (dot(t2.t().t(), t0.t()) * scale);
        let t5 = t1 * 0.5;
        let t6 = t1 * t1;
        let t7 = t6 + t5;
        let t8 = t7 * 0.5;
        sum0 += dot(t4.t(), t3);
    }
    out0.store(sum0 * t1);
}

#[attention_kernel(reference)]
pub fn form_22<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    r: RowInput,
    scale: f32,
    out0: KeyOutput<f32, D>,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let mut sum0 = Tile::zeros();
    for rows in q.tiles() {
        let t2 = q.load(rows);
        let t3 = r.load(rows);
        let t4 = dot(t1, t2.t()) * scale;
        let t5 = t0.t();
        let t6 = t2.t();
        let t7 = t1.map(|x, at| x + 0.125 * (at.seq % 5) as f32);
        let t8 = t4 * 0.5;
        let t9 = t4 * t4;
        sum0 += dot(t9, t6.t());
    }
    let less10 = sum0 - 0.25;
    out0.store(less10);
}

#[attention_kernel(reference)]
pub fn form_23<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    g: Query<T, E>,
    scale: f32,
    out0: Output<f32, D>,
    out1: Output<f32, D>,
) {
    let t0 = q.tile();
    let t1 = g.tile();
    let t2 = t0 / (t0).map(|x, _| x * x + 1.0);
    let t3 = 1.5 * t2;
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    for cols in k.tiles() {
        let t4 = k.load(cols);
        let t5 = v.load(cols);
        let t6 = dot(t2, t4.t()) * scale;
        let t7 = t3.map(|x, _| (x * 0.5).tanh());
        let t8 = (t2 * 0.25).sum();
        let t9 = t8.t();
        let t10 = t3.map(|x, at| x + 0.125 * (at.head % 9) as f32);
        sum0 += dot(t6, t4);
        sum1 += dot(t6, t4);
    }
    out0.store(sum0);
    out1.store(sum1 * 0.5);
}

#[attention_kernel(reference)]
pub fn form_24<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, E>,
    table: BlockTable,
    scale: f32,
    out0: RowOutput,
    out1: RowOutput,
) {
    let t0 = q.tile();
    let t1 = t0.map(|x, _| (x * 0.5).tanh());
    let t2 = t1 - 0.25;
    let mut sum0 = RowVector::zeros();
    let mut sum1 = Tile::zeros();
    for cols in table.tiles() {
        let t3 = k.gather(table, cols);
        let t4 = v.gather(table, cols);
        let t5 = dot(t0, t3.t()) * scale;
        let t6 = (t3 * 0.25).sum();
        let t7 = t1.map(|x, at| x + 0.125 * (at.head % 3) as f32);
        let t8 = t4 * t4;
        sum0 += t5.sum();
        sum1 += t5.sum();
    }
    out0.store(sum0);
    out1.store(sum1);
}

#[attention_kernel(reference)]
pub fn form_25<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    r: RowInput,
    scale: f32,
    out0: ColOutput,
    out1: ColOutput,
    out2: ColOutput,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let t2 = t1 * 0.5;
    let t3 = t0 - 0.25;
    let mut sum0 = ColVector::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = Tile::zeros();
    for rows in q.tiles() {
        let t4 = q.load(rows);
        let t5 = r.load(rows);
        let t6 = dot(t3, t4.t()) * scale;
        let t7 = t2.map(|x, _| (x * 0.5).tanh());
        let t8 = t0 * t3;
        let t9 = t2.map(|x, _| (x * 0.5).tanh());
        sum0 += t6.sum();
        sum1 += t6.sum();
        sum2 += t6.sum();
    }
    out0.store(sum0);
    let less10 = sum1 - 0.25;
    out1.store(less10);
    out2.store(sum2 * 0.5);
}

#[attention_kernel(reference)]
pub fn form_26<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    g: Query<T, E>,
    r: RowInput,
    scale: f32,
    out0: Output<f32, D>,
    out1: RowOutput,
    out2: RowOutput,
    out3: RowOutput,
) {
    let t0 = q.tile();
    let t1 = g.tile();
    let t2 = r.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    let mut sum0 = Tile::zeros();
    let mut sum1 = RowVector::zeros();
    for cols in k.tiles() {
        let t3 = k.load(cols);
        let t4 = v.load(cols);
        let t5 = dot(t0, t3.t()) * scale;
        let t6 = (t1 * 0.25).sum();
        let t7 = t1 / (t2).map(|x, _| x * x + 1.0);
        let t8 = (dot(t3, t0.t())).map(|x, _| x.tanh());
        let t9 = dot(t0, t3.t()) * scale;
        let p = softmax.step(t9.mask(|at| at.col >= at.row - 7 * at.head), &mut acc);
        acc += dot(p, t3);
        sum0 += t8.t().sum();
        sum1 += t8.t().sum();
    }
    out0.store(softmax.finish(acc));
    let less10 = softmax.lse() - 0.25;
    out1.store(less10);
    out2.store(sum0);
    out3.store(sum1 * t2);
}

#[attention_kernel(reference)]
pub fn form_27<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    r: RowInput,
    scale: f32,
    out0: KeyOutput<f32, D>,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let mut sum0 = Tile::zeros();
    for rows in q.tiles() {
        let t2 = q.load(rows);
        let t3 = r.load(rows);
        let t4 = (dot(t2.t().t(), t0.t()) * scale);
        let t5 = t4 * t4;
        sum0 += dot(t4.t(), t2);
    }
    out0.store(sum0 * 0.5);
}

#[attention_kernel(reference)]
pub fn form_28<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    g: Query<T, D>,
    scale: f32,
    out0: KeyOutput<f32, D>,
    out1: KeyOutput<f32, D>,
    out2: ColOutput,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let t2 = t0.t();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = ColVector::zeros();
    for rows in q.tiles() {
        let t3 = q.load(rows);
        let t4 = g.load(rows);
        let t5 = dot(t2.t(), t4.t()) * scale;
        let t6 = (dot(t1, t4.t())).map(|x, _| x.tanh());
        let t7 = (dot(t4, t1.t())).map(|x, _| x.tanh());
        let t8 = t6 * t7.t();
        sum0 += dot(t7.t(), t3);
        sum1 += dot(t5, t3);
        sum2 += t8.sum();
    }
    out0.store(sum0);
    out1.store(sum1);
    out2.store(sum2);
}

#[attention_kernel(reference)]
pub fn form_29<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    scale: f32,
    out0: KeyOutput<f32, D>,
    out1: ColOutput,
    out2: KeyOutput<f32, D>,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = Tile::zeros();
    for rows in q.tiles() {
        let t2 = q.load(rows);
        let t3 = (dot(t2.t().t(), t0.t()) * scale);
        let t4 = dot(t0, t2.t()) * scale;
        let t5 = t0.t();
        let t6 = t1 * 0.5;
        let t7 = t3 * 0.5;
        let t8 = t4 * 0.5;
        sum0 += dot(t7.t(), t2);
        sum1 += t3.t().sum();
        sum2 += dot(t7.t(), t2);
    }
    out0.store(sum0);
    out1.store(sum1 * 0.5);
    out2.store(sum2);
}

#[attention_kernel(reference)]
pub fn form_30<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    r: RowInput,
    scale: f32,
    out0: Output<f32, E>,
    out1: RowOutput,
    out2: RowOutput,
) {
    let t0 = q.tile();
    let t1 = r.tile();
    let t2 = t1.t();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = Tile::zeros();
    for cols in k.tiles() {
        let t3 = k.load(cols);
        let t4 = v.load(cols);
        let t5 = (dot(t3.t().t(), t0.t()) * scale);
        let t6 = (t0 * 0.25).sum();
        let t7 = t4 * 0.5;
        let t8 = t7.t();
        let t9 = t3 * 0.5;
        sum0 += dot(t5.t(), t7);
        sum1 += t5.t().sum();
        sum2 += t5.t().sum();
    }
    out0.store(sum0);
    out1.store(sum1 * t1);
    out2.store(sum2);
}

#[attention_kernel(reference)]
pub fn form_31<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, E>,
    r: RowInput,
    table: BlockTable,
    scale: f32,
    out0: Output<f32, E>,
    out1: RowOutput,
) {
    let t0 = q.tile();
    let t1 = r.tile();
    let t2 = 1.5 * t0;
    let mut sum0 = Tile::zeros();
    let mut sum1 = RowVector::zeros();
    for cols in table.tiles() {
        let t3 = k.gather(table, cols);
        let t4 = v.gather(table, cols);
        let t5 = (dot(t3.t().t(), t2.t()) * scale);
        let t6 = 1.5 * t3;
        let t7 = 1.5 * t3;
        let t8 = t0 * 0.5;
        let t9 = t2.map(|x, _| (x * 0.5).tanh());
        sum0 += dot(t5.t(), t4);
        sum1 += t5.t().sum();
    }
    out0.store(sum0);
    out1.store(sum1 * t1);
}

#[attention_kernel(reference)]
pub fn form_32<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    g: Query<T, D>,
    scale: f32,
    out0: KeyOutput<f32, D>,
    out1: KeyOutput<f32, D>,
    out2: KeyOutput<f32, D>,
    out3: KeyOutput<f32, D>,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = Tile::zeros();
    for rows in q.tiles() {
        let t2 = q.load(rows);
        let t3 = g.load(rows);
        let t4 = (dot(t3.t().t(), t1.t()) * scale);
        let t5 = t2.t();
        let t6 = t4 + t4;
        let t7 = (t3 * 0.25).sum();
        let t8 = t2 + t2;
        let t9 = t0 * 0.5;
        sum0 += dot(t6.t(), t5.t());
        sum1 += dot(t6.t(), t2);
        sum2 += dot(t4.t(), t3);
    }
    let less10 = sum0 - 0.25;
    out0.store(less10);
    let less11 = sum1 - 0.25;
    out1.store(less11);
    out2.store(sum2);
    out3.store(t0);
}

#[attention_kernel(reference)]
pub fn form_33<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, E>,
    g: Query<T, E>,
    table: BlockTable,
    scale: f32,
    out0: Output<f32, D>,
    out1: RowOutput,
) {
    let t0 = q.tile();
    let t1 = g.tile();
    let mut sum0 = Tile::zeros();
    let mut sum1 = RowVector::zeros();
    for cols in table.tiles() {
        let t2 = k.gather(table, cols);
        let t3 = v.gather(table, cols);
        let t4 = dot(t0, t2.t()) * scale;
        let t5 = dot(t0, t2.t()) * scale;
        let t6 = t1 * 0.5;
        sum0 += dot(t5, t2);
        sum1 += t5.sum();
    }
    out0.store(sum0);
    let less7 = sum1 - 0.25;
    out1.store(less7);
}

#[attention_kernel(reference)]
pub fn form_34<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    r: RowInput,
    scale: f32,
    out0: KeyOutput<f32, D>,
    out1: KeyOutput<f32, D>,
    out2: ColOutput,
    out3: KeyOutput<f32, D>,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let t2 = t1 + t0;
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = Tile::zeros();
    for rows in q.tiles() {
        let t3 = q.load(rows);
        let t4 = r.load(rows);
        let t5 = dot(t1, t3.t()) * scale;
        let t6 = (t3 * 0.25).sum();
        let t7 = (t1 * 0.25).sum();
        let t8 = t6 - 0.25;
        let t9 = t5 + t4.t();
        let t10 = (t9 * t7).map(|x, _| x.tanh());
        sum0 += dot(t10, t3);
        sum1 += dot(t10, t3);
        sum2 += t10.sum();
    }
    out0.store(sum0 * 0.5);
    out1.store(sum1 * 0.5);
    let less11 = sum2 - 0.25;
    out2.store(less11);
    out3.store(t2);
}

#[attention_kernel(reference)]
pub fn form_35<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    r: RowInput,
    scale: f32,
    out0: Output<f32, D>,
    out1: RowOutput,
    out2: Output<f32, D>,
    out3: Output<f32, D>,
    out4: RowOutput,
) {
    let t0 = q.tile();
    let t1 = r.tile();
    let t2 = t0.map(|x, at| x + 0.125 * (at.head % 6) as f32);
    let t3 = t0 - 0.25;
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = Tile::zeros();
    for cols in k.tiles() {
        let t4 = k.load(cols);
        let t5 = v.load(cols);
        let t6 = dot(t2, t5.t()) * scale;
        let t7 = t5 - 0.25;
        let t8 = t7 - t5;
        let t9 = t3 * t1;
        let t10 = t7 * t8;
        let t11 = t2 * t0;
        let p = softmax.step(t6.mask(|at| at.row - at.col < 40), &mut acc);
        acc += dot(p, t4);
        sum0 += dot(t6, t8);
        sum1 += dot(t6, t8);
        sum2 += t6.sum();
    }
    let less12 = softmax.finish(acc) - 0.25;
    out0.store(less12);
    out1.store(softmax.lse() * 0.5);
    let less13 = sum0 - 0.25;
    out2.store(less13);
    out3.store(sum1);
    out4.store(sum2);
}

#[attention_kernel(reference)]
pub fn form_36<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    scale: f32,
    out0: KeyOutput<f32, D>,
    out1: KeyOutput<f32, D>,
) {
    let t0 = k.tile();
    let t1 = v.tile();
    let t2 = (t1 * 0.25).sum();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    for rows in q.tiles() {
        let t3 = q.load(rows);
        let t4 = (dot(t3.t().t(), t1.t()) * scale);
        let t5 = t3 - t3;
        let t6 = 1.5 * t4;
        sum0 += dot(t6.t(), t5);
        sum1 += dot(t6.t(), t5);
    }
    out0.store(sum0 * t1);
    out1.store(sum1 * t0);
}

#[attention_kernel(reference)]
pub fn form_37<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    g: Query<T, D>,
    r: RowInput,
    table: BlockTable,
    scale: f32,
    out0: Output<f32, D>,
    out1: RowOutput,
    out2: Output<f32, D>,
) {
    let t0 = q.tile();
    let t1 = g.tile();
    let t2 = r.tile();
    let mut sum0 = Tile::zeros();
    let mut sum1 = RowVector::zeros();
    for cols in table.tiles() {
        let t3 = k.gather(table, cols);
        let t4 = v.gather(table, cols);
        let t5 = dot(t1, t4.t()) * scale;
        let t6 = (dot(t4.t().t(), t1.t()) * scale);
        let t7 = t2 - 0.25;
        sum0 += dot(t6.t(), t3);
        sum1 += t5.sum();
    }
    out0.store(sum0 * 0.5);
    out1.store(sum1 * t2);
    out2.store(t0 * t2);
}

#[attention_kernel(reference)]
pub fn form_38<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, E>,
    g: Query<T, E>,
    r: RowInput,
    table: BlockTable,
    scale: f32,
    out0: RowOutput,
    out1: RowOutput,
    out2: Output<f32, E>,
) {
    let t0 = q.tile();
    let t1 = g.tile();
    let t2 = r.tile();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    let mut sum2 = Tile::zeros();
    for cols in table.tiles() {
        let t3 = k.gather(table, cols);
        let t4 = v.gather(table, cols);
        let t5 = dot(t0, t3.t()) * scale;
        let t6 = t5 * 0.5;
        sum0 += t6.sum();
        sum1 += t6.sum();
        sum2 += dot(t6, t4);
    }
    out0.store(sum0 * 0.5);
    let less7 = sum1 - 0.25;
    out1.store(less7);
    out2.store(sum2 * 0.5);
}

#[attention_kernel(reference)]
pub fn form_39<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    scale: f32,
    out0: Output<f32, D>,
    out1: Output<f32, D>,
    out2: Output<f32, D>,
) {
    let t0 = q.tile();
    let mut sum0 = Tile::zeros();
    let mut sum1 = Tile::zeros();
    for cols in table.tiles() {
        let t1 = k.gather(table, cols);
        let t2 = v.gather(table, cols);
        let t3 = dot(t0, t2.t()) * scale;
        let t4 = t1.map(|x, _| (x * 0.5).tanh());
        let t5 = t0.t();
        sum0 += dot(t3, t4);
        sum1 += dot(t3, t4);
    }
    out0.store(sum0);
    let less6 = sum1 - 0.25;
    out1.store(less6);
    out2.store(t0 * t0);
}

/// The seeds, and each kernel on the host.
pub const KERNELS: &[(u64, Host)] = &[
    (0, |a| {
        let args = form_0::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]) };
        let got = form_0::reference::<f16, 8, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1)])
    }),
    (1, |a| {
        let args = form_1::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), r: Field::of(&a[4]), table: Field::of(&a[5]), scale: Field::of(&a[6]), out0: Field::of(&a[7]), out1: Field::of(&a[8]), out2: Field::of(&a[9]), out3: Field::of(&a[10]), out4: Field::of(&a[11]) };
        let got = form_1::reference::<f16, 40>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2), ("out3", got.out3), ("out4", got.out4)])
    }),
    (2, |a| {
        let args = form_2::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), r: Field::of(&a[4]), table: Field::of(&a[5]), scale: Field::of(&a[6]), out0: Field::of(&a[7]), out1: Field::of(&a[8]) };
        let got = form_2::reference::<bf16, 16, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1)])
    }),
    (3, |a| {
        let args = form_3::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), table: Field::of(&a[4]), scale: Field::of(&a[5]), out0: Field::of(&a[6]), out1: Field::of(&a[7]), out2: Field::of(&a[8]) };
        let got = form_3::reference::<f16, 8, 8>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2)])
    }),
    (4, |a| {
        let args = form_4::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), r: Field::of(&a[4]), scale: Field::of(&a[5]), out0: Field::of(&a[6]), out1: Field::of(&a[7]) };
        let got = form_4::reference::<bf16, 16, 40>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1)])
    }),
    (5, |a| {
        let args = form_5::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), scale: Field::of(&a[3]), out0: Field::of(&a[4]), out1: Field::of(&a[5]), out2: Field::of(&a[6]), out3: Field::of(&a[7]) };
        let got = form_5::reference::<f16, 24, 40>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2), ("out3", got.out3)])
    }),
    (6, |a| {
        let args = form_6::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]) };
        let got = form_6::reference::<f16, 16, 8>(&args)?;
        Ok(vec![("out0", got.out0)])
    }),
    (7, |a| {
        let args = form_7::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]), out2: Field::of(&a[7]) };
        let got = form_7::reference::<bf16, 40, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2)])
    }),
    (8, |a| {
        let args = form_8::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), scale: Field::of(&a[3]), out0: Field::of(&a[4]), out1: Field::of(&a[5]), out2: Field::of(&a[6]), out3: Field::of(&a[7]) };
        let got = form_8::reference::<bf16, 16, 16>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2), ("out3", got.out3)])
    }),
    (9, |a| {
        let args = form_9::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]) };
        let got = form_9::reference::<bf16, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1)])
    }),
    (10, |a| {
        let args = form_10::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), table: Field::of(&a[4]), scale: Field::of(&a[5]), out0: Field::of(&a[6]), out1: Field::of(&a[7]), out2: Field::of(&a[8]), out3: Field::of(&a[9]) };
        let got = form_10::reference::<bf16, 24, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2), ("out3", got.out3)])
    }),
    (11, |a| {
        let args = form_11::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]) };
        let got = form_11::reference::<bf16, 40, 8>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1)])
    }),
    (12, |a| {
        let args = form_12::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]), out2: Field::of(&a[7]) };
        let got = form_12::reference::<f16, 40, 8>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2)])
    }),
    (13, |a| {
        let args = form_13::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), r: Field::of(&a[4]), table: Field::of(&a[5]), scale: Field::of(&a[6]), out0: Field::of(&a[7]), out1: Field::of(&a[8]), out2: Field::of(&a[9]) };
        let got = form_13::reference::<bf16, 40>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2)])
    }),
    (14, |a| {
        let args = form_14::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]), out2: Field::of(&a[7]), out3: Field::of(&a[8]) };
        let got = form_14::reference::<bf16, 24, 40>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2), ("out3", got.out3)])
    }),
    (15, |a| {
        let args = form_15::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), scale: Field::of(&a[3]), out0: Field::of(&a[4]), out1: Field::of(&a[5]), out2: Field::of(&a[6]) };
        let got = form_15::reference::<f16, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2)])
    }),
    (16, |a| {
        let args = form_16::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), scale: Field::of(&a[3]), out0: Field::of(&a[4]) };
        let got = form_16::reference::<f16, 16>(&args)?;
        Ok(vec![("out0", got.out0)])
    }),
    (17, |a| {
        let args = form_17::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), r: Field::of(&a[4]), scale: Field::of(&a[5]), out0: Field::of(&a[6]) };
        let got = form_17::reference::<bf16, 24>(&args)?;
        Ok(vec![("out0", got.out0)])
    }),
    (18, |a| {
        let args = form_18::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]) };
        let got = form_18::reference::<bf16, 8, 16>(&args)?;
        Ok(vec![("out0", got.out0)])
    }),
    (19, |a| {
        let args = form_19::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]), out2: Field::of(&a[7]), out3: Field::of(&a[8]), out4: Field::of(&a[9]) };
        let got = form_19::reference::<f16, 16, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2), ("out3", got.out3), ("out4", got.out4)])
    }),
    (20, |a| {
        let args = form_20::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]), out2: Field::of(&a[7]), out3: Field::of(&a[8]) };
        let got = form_20::reference::<f16, 8, 40>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2), ("out3", got.out3)])
    }),
    (21, |a| {
        let args = form_21::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]) };
        let got = form_21::reference::<f16, 40, 40>(&args)?;
        Ok(vec![("out0", got.out0)])
    }),
    (22, |a| {
        let args = form_22::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]) };
        let got = form_22::reference::<f16, 8>(&args)?;
        Ok(vec![("out0", got.out0)])
    }),
    (23, |a| {
        let args = form_23::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]) };
        let got = form_23::reference::<bf16, 40, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1)])
    }),
    (24, |a| {
        let args = form_24::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), table: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]) };
        let got = form_24::reference::<bf16, 24, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1)])
    }),
    (25, |a| {
        let args = form_25::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]), out2: Field::of(&a[7]) };
        let got = form_25::reference::<bf16, 16, 16>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2)])
    }),
    (26, |a| {
        let args = form_26::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), r: Field::of(&a[4]), scale: Field::of(&a[5]), out0: Field::of(&a[6]), out1: Field::of(&a[7]), out2: Field::of(&a[8]), out3: Field::of(&a[9]) };
        let got = form_26::reference::<bf16, 16, 16>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2), ("out3", got.out3)])
    }),
    (27, |a| {
        let args = form_27::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]) };
        let got = form_27::reference::<f16, 8, 16>(&args)?;
        Ok(vec![("out0", got.out0)])
    }),
    (28, |a| {
        let args = form_28::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]), out2: Field::of(&a[7]) };
        let got = form_28::reference::<bf16, 16>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2)])
    }),
    (29, |a| {
        let args = form_29::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), scale: Field::of(&a[3]), out0: Field::of(&a[4]), out1: Field::of(&a[5]), out2: Field::of(&a[6]) };
        let got = form_29::reference::<bf16, 8, 8>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2)])
    }),
    (30, |a| {
        let args = form_30::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]), out2: Field::of(&a[7]) };
        let got = form_30::reference::<f16, 8, 40>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2)])
    }),
    (31, |a| {
        let args = form_31::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), table: Field::of(&a[4]), scale: Field::of(&a[5]), out0: Field::of(&a[6]), out1: Field::of(&a[7]) };
        let got = form_31::reference::<f16, 8, 8>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1)])
    }),
    (32, |a| {
        let args = form_32::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]), out2: Field::of(&a[7]), out3: Field::of(&a[8]) };
        let got = form_32::reference::<f16, 16>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2), ("out3", got.out3)])
    }),
    (33, |a| {
        let args = form_33::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), table: Field::of(&a[4]), scale: Field::of(&a[5]), out0: Field::of(&a[6]), out1: Field::of(&a[7]) };
        let got = form_33::reference::<bf16, 40, 40>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1)])
    }),
    (34, |a| {
        let args = form_34::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]), out2: Field::of(&a[7]), out3: Field::of(&a[8]) };
        let got = form_34::reference::<f16, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2), ("out3", got.out3)])
    }),
    (35, |a| {
        let args = form_35::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), r: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]), out2: Field::of(&a[7]), out3: Field::of(&a[8]), out4: Field::of(&a[9]) };
        let got = form_35::reference::<f16, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2), ("out3", got.out3), ("out4", got.out4)])
    }),
    (36, |a| {
        let args = form_36::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), scale: Field::of(&a[3]), out0: Field::of(&a[4]), out1: Field::of(&a[5]) };
        let got = form_36::reference::<bf16, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1)])
    }),
    (37, |a| {
        let args = form_37::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), r: Field::of(&a[4]), table: Field::of(&a[5]), scale: Field::of(&a[6]), out0: Field::of(&a[7]), out1: Field::of(&a[8]), out2: Field::of(&a[9]) };
        let got = form_37::reference::<bf16, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2)])
    }),
    (38, |a| {
        let args = form_38::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), g: Field::of(&a[3]), r: Field::of(&a[4]), table: Field::of(&a[5]), scale: Field::of(&a[6]), out0: Field::of(&a[7]), out1: Field::of(&a[8]), out2: Field::of(&a[9]) };
        let got = form_38::reference::<bf16, 16, 24>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2)])
    }),
    (39, |a| {
        let args = form_39::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), table: Field::of(&a[3]), scale: Field::of(&a[4]), out0: Field::of(&a[5]), out1: Field::of(&a[6]), out2: Field::of(&a[7]) };
        let got = form_39::reference::<f16, 16>(&args)?;
        Ok(vec![("out0", got.out0), ("out1", got.out1), ("out2", got.out2)])
    }),
];
