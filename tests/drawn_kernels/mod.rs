//! Kernels that `tests/programs` draws, for rustc: made, and never changed by hand. `random_programs.rs` says how.
#![allow(unused, double_negations, clippy::all)]

use super::programs::host::{Field, Host};
use flashpage::prelude::*;

#[attention_kernel]
pub fn drawn_1<T: Element, const D: usize>(
    q: Query<T, D>,
    documents: PerKey<i32>,
    m: i32,
    ids: PerHead<i32>,
    k: Keys<T, D>,
    shift: f32,
    o: Output<T, D>,
    scale: f32,
    lse: RowOutput,
    flag: bool,
) {
    let lift = -1.25f32;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let k = k.load(tile);
        let mut scores = ((dot(x0, k.t()).t().t()) * scale).mask(|place| (place.row % 3 == place.col % 3));
        let mut scores = scores.mask(|at| ((2 * at.col <= at.row + 62) == ((at.col).clamp(-40, 70) > (at.query % 5))));
        let p = online.step(scores.mask(|place| (place.row % 2 != place.col % 2)), &mut acc);
        acc += dot(k.t(), p.t()).t();
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_2<T: Element, const D: usize, const E: usize>(
    scale: f32,
    k: PagedKeys<T, D>,
    lse: RowOutput,
    n: i32,
    table: BlockTable,
    q: Query<T, D>,
    v: PagedValues<T, E>,
    o: Output<T, E>,
) {
    let reach: i32 = (35i32).max(-50).min(80);
    let lift = ((5i32).max(-90).min(90) as f32);
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in table.tiles() {
        let keys = k.gather(table, cols);
        let scores = (dot(x0, keys.t())) * scale;
        let scores = scores.mask(|at| ((at.col - 40) / (-7) != 1));
        let mut scores = scores.map(|score, place| score.min(1.0).exp());
        let weights = softmax.step(scores, &mut sum);
        let weights = weights * 0.5;
        sum += dot(weights, v.gather(table, cols));
    }
    o.store(softmax.finish(sum));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_4<T: Element, const D: usize>(
    q: Query<T, D>,
    scale: f32,
    slopes: PerHead<f32>,
    shift: f32,
    k: Keys<T, D>,
    lse: RowOutput,
    o: Output<T, D>,
) {
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    let mut acc = Tile::zeros();
    for block in k.tiles() {
        let keys = k.load(block);
        let v = keys;
        let p = online.step((dot(keys, x0.t()).t()).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 }), &mut acc);
        acc += dot(p, v);
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_5<T: Element, const D: usize>(
    lse: RowOutput,
    scale: f32,
    v: Values<T, D>,
    q: Query<T, D>,
    tree: BitMask,
    o: Output<T, D>,
    shift: f32,
    k: Keys<T, D>,
) {
    let reach = ((select((2.375f32 <= (((8i32).max(-90).min(90) as f32) - shift)), 10i32, 17i32) + (19i32 % 7))) % 100;
    const LIMIT: i32 = 53;
    let mut sum = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let mut scores = (dot(x0, k.load(block).t())) / 8.0;
        let scores = ((scores.map(|score, place| (((-score)).clamp(-4.0, 5.5)).max((((if ((((((LIMIT + place.row)) & 63) <= (place.kv_len / 5)) || false) && ((-((place.row) ^ 21)) != (reach * (-2)))) { score } else { score })).min(1.0)).exp2()))).map(|x, at| (x).tanh())).mask(|at| (2 * at.col <= at.row + 26));
        let weights = online.step(scores, &mut sum);
        sum += dot(weights, v.load(block));
    }
    lse.store(online.lse());
    let result = online.finish(sum);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_7<T: Element>(
    lse: RowOutput,
    slopes: PerHead<f32>,
    shift: f32,
    ids: PerHead<i32>,
    o: Output<T, 32>,
    scale: f32,
    kinds: PerQuery<i32>,
    n: i32,
    q: Query<T, 32>,
    table: BlockTable,
    k: PagedKeys<T, 32>,
    v: PagedValues<T, 32>,
) {
    let q = q.tile();
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    for block in table.tiles() {
        let values = v.gather(table, block);
        let s: Tile<Rows, Cols> = {
            (dot(q, k.gather(table, block).t())) * scale
        };
        let weights = online.step(s, &mut acc);
        acc += dot(weights, values);
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_8<T: Element>(
    o: Output<T, 224>,
    scale: f32,
    m: i32,
    flag: bool,
    lse: RowOutput,
    v: Values<T, 224>,
    kinds: PerQuery<i32>,
    q: Query<T, 224>,
    k: Keys<T, 224>,
    tree: BitMask,
) {
    let reach: i32 = ((m - (58i32 + 37i32))).max(-50).min(80);
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let v = v.load(cols);
        let mut scores = (dot(x0, k.load(cols).t())) / 8.0;
        let scores = scores.map(|x, at| ((((select((at.row - at.col < reach), (((reach) % 50) as f32 * 0.02), x)).min(1.0)).exp() + ((x - -0.625f32) * (0.625))) * 0.5));
        let scores = scores.mask(|place| ((place.col <= (place.row).min(place.seq)) || ((place.row * place.col) % 16 <= 3)));
        let scores = scores.mask(|at| (at.col < 83));
        let p = softmax.step(scores, &mut acc);
        acc += dot(p, v);
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_10<T: Element, const E: usize>(
    m: i32,
    slopes: PerHead<f32>,
    k: Keys<T, 48>,
    scale: f32,
    lse: RowOutput,
    q: Query<T, 48>,
    o: Output<T, E>,
) {
    let lift = 3.0f32;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let mut s = (dot(x0, k.load(cols).t())) * scale;
        s = s.map(|x, place| ((x).min(1.0)).exp());
        let s = (s.mask(|at| (at.col != select(((at.seq + (at.row).abs()) != (at.head - 55i32)), 50i32, at.row)))).mask(|place| ((((place.head).max(-90).min(90) as f32) * 2.0) > (-2.625f32).max(((m).max(-90).min(90) as f32))));
        let s = s.map(|score, at| score.min(3.0));
        let p = softmax.step(s, &mut sum);
        sum += dot(p, k.load(cols).slice::<E>());
    }
    let result = softmax.finish(sum);
    o.store(result);
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_11<T: Element>(
    m: i32,
    o: Output<T, 32>,
    scale: f32,
    other_values: Values<T, 32>,
    k: Keys<T, 32>,
    q: Query<T, 32>,
    lse: RowOutput,
) {
    let reach: i32 = (((m % 5) * (-1))).max(-50).min(80);
    const LIMIT: i32 = 48;
    let lift = ((55i32).max(-90).min(90) as f32);
    let mut acc = Tile::<Rows, Dim<32>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let q = q.tile();
    for cols in k.tiles() {
        let k = k.load(cols);
        let weights = softmax.step((scale * (dot(q, k.t()))).map(|score, place| score), &mut acc);
        acc += dot(weights, k);
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_13<T: Element, const D: usize>(
    m: i32,
    kinds: PerQuery<i32>,
    o: Output<T, D>,
    slopes: PerHead<f32>,
    scale: f32,
    n: i32,
    shift: f32,
    k: Keys<T, D>,
    q: Query<T, D>,
    other_keys: Keys<T, D>,
    lse: RowOutput,
) {
    let reach = ((((m * 3)) >> 1)) % 100;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for block in other_keys.tiles() {
        let weights = online.step(((dot(q, k.load(block).t())).map(|x, _| x * scale)).map(|x, at| ((x * (1.5))).max({ let y = ((x).abs() + 1.0).ln(); if y > -1.5 { y } else { -1.5 + (y - -1.5) * 0.25 } })), &mut acc);
        acc += dot(weights, k.load(block));
    }
    lse.store(online.lse());
    let result = online.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_14<T: Element, const D: usize>(
    k: Keys<T, D>,
    lse: RowOutput,
    q: Query<T, D>,
    n: i32,
    flag: bool,
    bias: Bias<T>,
    m: i32,
    v: Values<T, D>,
    scale: f32,
    ids: PerHead<i32>,
) {
    let reach = (m) % 100;
    let lift = ((92i32).max(-90).min(90) as f32);
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let v = v.load(cols);
        let keys = k.load(cols);
        let mut s = (dot(x0, keys.t())) / 8.0;
        let weights = softmax.step(s, &mut acc);
        acc += dot(v.t(), weights.t()).t();
    }
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_16<T: Element>(
    bias: Bias<bf16>,
    m: i32,
    slopes: PerHead<f32>,
    lse: RowOutput,
    scale: f32,
    v: Values<T, 64>,
    k: Keys<T, 64>,
    q: Query<T, 64>,
    o: Output<T, 64>,
) {
    const LIMIT: i32 = 0;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for block in k.tiles() {
        let s = (dot(k.load(block), q.t()).t()) * scale;
        let mut s = s.mask(|at| (at.col == at.row));
        let p = online.step(s.mask(|place| (((place.row).max(place.seq)).max((place.col % 7)) == (place.head).rem_euclid(7))), &mut acc);
        acc += dot(p, v.load(block));
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_17<T: Element>(
    lse: RowOutput,
    other_values: PagedValues<T, 64>,
    scale: f32,
    k: PagedKeys<T, 64>,
    shift: f32,
    lifts: PerQuery<f32>,
    q: Query<T, 64>,
    prefixes: PerSequence<i32>,
    flag: bool,
    table: BlockTable,
    slopes: PerHead<f32>,
) {
    let lift = -2.625f32;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for cols in table.tiles() {
        let k = k.gather(table, cols);
        let mut scores = (dot(k, queries.t()).t()).map(|x, _| x * scale);
        scores = scores.map(|x, place| ((if (!((84i32).signum() != place.kv_len) == (if ((place.row - place.col) % 16 != 4) { (lifts[place.query] * 4.0 < 1.1) } else { ((place.row * 2) < 22i32) })) { (-(-1.375f32 * 0.03125)) } else { (x * (-0.125)) })).abs());
        let weights = online.step(scores, &mut sum);
        sum += dot(weights, k);
    }
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_19<T: Element, const D: usize, const E: usize>(
    lse: RowOutput,
    q: Query<T, D>,
    v: Values<T, E>,
    o: Output<T, E>,
    scale: f32,
    k: Keys<T, D>,
) {
    let lift = 0.125f32;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let keys = k.load(cols);
        let s: Tile<Rows, Cols> = {
            (((dot(queries.t().t().t(), keys.t())) * scale).mask(|at| (false || ((at.row - at.col) % 5 == 0)))).map(|x, place| x * 0.75 + select(((place.row % 3 == place.col % 3) == (((place.q_len % 1) - select(((if ((place.row >= place.col - 71) && (((place.col + place.col)).div_euclid(2) < 32i32)) { 93i32 } else { (14i32).abs() }) >= (place.row * 2)), place.col, place.head)) > (place.row + place.query))), 0.5, -0.25))
        };
        let p = online.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_20<T: Element>(
    o: Output<f16, 64>,
    n: i32,
    v: Values<T, 64>,
    flag: bool,
    q: Query<T, 64>,
    worths: PerKey<f32>,
    k: Keys<T, 64>,
    scale: f32,
) {
    let lift = -0.375f32;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let k = k.load(cols);
        let mut s = (dot(queries.t(), k.t())).map(|x, _| x * scale);
        let mut s = (s + 1.375).map(|score, at| ((((at.kv_len).max(-90).min(90) as f32) + 3.0f32) * 0.03125));
        let weights = softmax.step(s - 1.375, &mut acc);
        let weights = weights.map(|w, at| w * 0.5 - (((((59i32).abs() / 7)) % 50) as f32 * 0.02) * w);
        acc += dot(weights, v.load(cols));
    }
    softmax.sink(|at| -2.5 + at.head as f32);
    let result = softmax.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_22<T: Element, const D: usize>(
    o: Output<T, D>,
    scale: f32,
    q: Query<T, D>,
    n: i32,
    slopes: PerHead<f32>,
    k: Keys<T, D>,
    lse: RowOutput,
    worths: PerKey<f32>,
) {
    const LIMIT: i32 = 3;
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for tile in k.tiles() {
        let values = k.load(tile);
        let mut s = (dot(queries.t().t(), k.load(tile).t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 });
        let s = s.mask(|at| (at.col < LIMIT));
        let mut s = s - 1.625;
        let mut s = s.mask(|place| ((select((place.col <= place.row), place.col, 83i32) - LIMIT) >= (place.q_len).abs()));
        let weights = online.step(s, &mut acc);
        let weights = weights.map(|w, at| if at.random((59i32 * (-2))) < 0.75 { w / 0.75 } else { 0.0 });
        acc += dot(weights, values);
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_23<T: Element>(
    other_keys: Keys<T, 240>,
    q: Query<T, 240>,
    m: i32,
    k: Keys<T, 240>,
    n: i32,
    ids: PerHead<i32>,
    bias: Bias<T>,
    o: Output<T, 240>,
    lifts: PerQuery<f32>,
    lse: RowOutput,
    scale: f32,
) {
    let q = q.tile().t();
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    for cols in other_keys.tiles() {
        let keys = k.load(cols);
        let values = keys;
        let s = ((dot(q.t(), keys.t())) * scale).mask(|place| ((((place.row + place.row)).max(-90).min(90) as f32) <= 1.5f32));
        let s: Tile<Rows, Cols> = {
            s.map(|x, place| (x * 0.25).tanh() * 4.0)
        };
        let weights = online.step(s, &mut acc);
        acc += dot(weights, values);
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_25<T: Element, const D: usize>(
    k: Keys<T, D>,
    m: i32,
    ids: PerHead<i32>,
    other_values: Values<T, D>,
    tree: BitMask,
    q: Query<T, D>,
    o: Output<T, D>,
    v: Values<T, D>,
    slopes: PerHead<f32>,
    n: i32,
    scale: f32,
) {
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for block in k.tiles() {
        let s: Tile<Rows, Cols> = {
            scale * (dot(queries.t(), k.load(block).t()))
        };
        let s = (s.mask(|place| (place.col >= 40))).mask(|place| (place.row / (-7) + 4 > place.col));
        let p = online.step(s, &mut sum);
        let p = p.map(|w, at| if at.random((ids[3]).rem_euclid(7)) < 0.75 { w / 0.75 } else { 0.0 });
        sum += dot(p, v.load(block));
    }
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_26<T: Element, const D: usize, const E: usize>(
    scale: f32,
    q: Query<T, D>,
    v: Values<T, E>,
    o: Output<T, E>,
    k: Keys<T, D>,
    ids: PerHead<i32>,
    tree: BitMask,
    flag: bool,
) {
    let mut sum = Tile::<Rows, Dim<E>>::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile().t();
    for cols in k.tiles() {
        let scores = ((dot(q.t(), k.load(cols).t())) / 8.0).map(|x, place| (if ((place.row >= (place.col).signum()) || (place.col / 3 > place.row / 3)) { (if (place.row / (-7) + 1 < place.col) { x } else { ((((((if ((select(!(place.col > place.row + 4), place.row, place.kv_len) * (-1)) < (-78i32)) { place.col } else { place.kv_len })).clamp(-40, 70)) % 50) as f32 * 0.02) * (0.0)) }) } else { (((-((({ let part = (place.query).abs(); part + 3 }) % 50) as f32 * 0.02))).min(1.0)).exp2() }));
        let scores = (scores.mask(|place| (place.col <= place.row))).mask(|place| (place.col >= 65));
        let p = online.step(scores.mask(|at| (at.col / 5 < at.row / 5)), &mut sum);
        sum += dot(v.load(cols).t(), p.t()).t();
    }
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_28<T: Element>(
    n: i32,
    k: PagedKeys<T, 176>,
    lse: RowOutput,
    table: BlockTable,
    q: Query<T, 176>,
    o: Output<f16, 176>,
    v: PagedValues<T, 176>,
    scale: f32,
    slopes: PerHead<f32>,
    other_table: BlockTable,
) {
    let lift = 0.375f32;
    let mut acc = Tile::<Rows, Dim<176>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in table.tiles() {
        let v = v.gather(table, tile);
        let s: Tile<Rows, Cols> = {
            ((dot(x0, k.gather(table, tile).t())) * scale).map(|score, at| ((((({ let held = n; held + 1 }).max(-90).min(90) as f32) * 0.03125)).abs() + 0.5).powf(-0.5))
        };
        let weights = softmax.step(s, &mut acc);
        let weights = weights.map(|w, at| w * 0.5 - ((((49i32 % 5)) % 50) as f32 * 0.02) * w);
        acc += dot(weights, v);
    }
    lse.store(softmax.lse());
    let result = softmax.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_29<T: Element, const D: usize>(
    bias: Bias<f32>,
    k: Keys<T, D>,
    n: i32,
    scale: f32,
    m: i32,
    q: Query<T, D>,
    lse: RowOutput,
    shift: f32,
) {
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let keys = k.load(block);
        let values = keys;
        let s: Tile<Rows, Cols> = {
            (dot(keys, x0.t()).t()) * scale
        };
        let mut s = (s.mask(|at| ((at.row / 5 + 1 != at.col) == (((((at.row).max(-90).min(90) as f32) * 0.5) < select(((at.row * at.col) % 3 != 2), ((at.row).max(-90).min(90) as f32), shift)) || ((at.col == at.row) || (at.row != 55i32)))))).mask(|at| (((at.row - at.col) % 2 == 1) || (at.col < 24)));
        let p = softmax.step(s, &mut acc);
        acc += dot(values.t(), p.t()).t();
    }
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_31<T: Element, const D: usize>(
    prefixes: PerSequence<i32>,
    lse: RowOutput,
    m: i32,
    o: Output<f32, 64>,
    scale: f32,
    k: Keys<T, D>,
    other_keys: Keys<T, D>,
    q: Query<T, D>,
) {
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let q = q.tile();
    for cols in other_keys.tiles() {
        let weights = softmax.step((dot(q, k.load(cols).t())) * scale, &mut sum);
        sum += dot(weights, k.load(cols).slice::<64>());
    }
    softmax.sink(|at| -2.5 + at.head as f32);
    lse.store(softmax.lse());
    o.store(softmax.finish(sum));
}

#[attention_kernel]
pub fn drawn_32<T: Element, const E: usize>(
    o: Output<T, E>,
    k: Keys<T, 64>,
    m: i32,
    scale: f32,
    ids: PerHead<i32>,
    q: Query<T, 64>,
    lse: RowOutput,
) {
    let lift = 1.375f32;
    let mut sum = Tile::<Rows, Dim<E>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let mut scores = (dot(x0, keys.t())) * scale;
        let scores: Tile<Rows, Cols> = {
            scores.mask(|at| (((-m) + (at.col * 2)) <= at.col))
        };
        let weights = softmax.step(scores.mask(|place| (((41i32 / (-4))).min(place.col) < 70i32)), &mut sum);
        sum += dot(keys.slice::<E>().t(), weights.t()).t();
    }
    o.store(softmax.finish(sum));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_34<const D: usize, const E: usize>(
    v: PagedValues<f16, E>,
    flag: bool,
    n: i32,
    k: PagedKeys<f16, D>,
    q: Query<f16, D>,
    o: Output<bf16, E>,
    scale: f32,
    ids: PerHead<i32>,
    slopes: PerHead<f32>,
    table: BlockTable,
) {
    let lift = ((n).max(-90).min(90) as f32);
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for tile in table.tiles() {
        let keys = k.gather(table, tile);
        let s: Tile<Rows, Cols> = {
            (dot(queries, keys.t())) * scale
        };
        let s = s.mask(|place| (place.row - place.col < 41));
        let p = softmax.step(s.map(|x, at| x.min(1.0).exp()), &mut acc);
        acc += dot(p, v.gather(table, tile));
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_35<T: Element, const D: usize, const E: usize>(
    documents: PerKey<i32>,
    o: Output<T, E>,
    q: Query<T, D>,
    shift: f32,
    lifts: PerQuery<f32>,
    other_values: Values<T, E>,
    n: i32,
    scale: f32,
    bias: Bias<bf16>,
    k: Keys<T, D>,
    kinds: PerQuery<i32>,
) {
    let reach = (41i32) % 100;
    const LIMIT: i32 = 42;
    let lift = ((n).max(-90).min(90) as f32);
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let mut s = (((dot(queries, keys.t()).t().t()) / 8.0).mask(|at| ((at.row - at.col) % 5 > 2))).mask(|place| ((place.col <= place.row) || !((shift + 0.5f32) <= (-2.75f32).min(((place.head).max(-90).min(90) as f32)))));
        let weights = online.step(s, &mut acc);
        acc += dot(weights, keys.slice::<E>());
    }
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_37<T: Element, const D: usize>(
    k: Keys<T, D>,
    flag: bool,
    lse: RowOutput,
    v: Values<T, D>,
    slopes: PerHead<f32>,
    n: i32,
    scale: f32,
    q: Query<T, D>,
    m: i32,
    lifts: PerQuery<f32>,
) {
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    let mut sum = Tile::<Rows, Dim<D>>::zeros();
    for block in k.tiles() {
        let v = v.load(block);
        let mut s = ((dot(queries, k.load(block).t())) * scale).map(|x, at| { let y = (x - (((((at.query - at.col) + at.col)) % 50) as f32 * 0.02)); if y > 1.5 { y } else { 1.5 + (y - 1.5) * 0.25 } });
        let weights = softmax.step(s, &mut sum);
        let more = dot(weights.t().t(), v);
        sum += more;
    }
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_38<T: Element, const D: usize>(
    shift: f32,
    v: PagedValues<T, D>,
    ids: PerHead<i32>,
    lse: RowOutput,
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    o: Output<T, D>,
    scale: f32,
    table: BlockTable,
) {
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in table.tiles() {
        let k = k.gather(table, block);
        let mut scores = ((dot(x0, k.t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 })) - 1.625;
        let weights = online.step(scores.map(|x, place| x), &mut acc);
        acc += dot(v.gather(table, block).t(), weights.t()).t();
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_40<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    lse: RowOutput,
    kinds: PerQuery<i32>,
    v: PagedValues<T, E>,
    table: BlockTable,
    scale: f32,
    k: PagedKeys<T, D>,
) {
    let reach = (((23i32) & 63)) % 100;
    const LIMIT: i32 = 48;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for cols in table.tiles() {
        let values = v.gather(table, cols);
        let mut scores = scale * (dot(k.gather(table, cols), q.t()).t());
        let scores: Tile<Rows, Cols> = {
            scores.map(|score, at| (((score * (((((at.q_len / 3)).signum()) % 50) as f32 * 0.02)) - (score).abs())).abs())
        };
        let scores = scores.mask(|at| ((at.col == at.row) && ((at.col).max((at.row + at.q_len)) >= at.col)));
        let scores = scores.mask(|place| select(!(((place.col + place.head) % 16 > 1) && (place.col + 11 > place.row)), ((place.row == (place.col % (-4))) == ((place.row / 2 + 3 > place.col) && ((39i32 + place.col) > (place.row).min(LIMIT)))), (2 * place.col <= place.row + 10)));
        let mut scores = scores.map(|score, at| if (at.row >= at.col - LIMIT) { score } else { score * 0.5 - 1.0 });
        let weights = online.step(scores, &mut sum);
        let more = dot(weights.t().t(), values);
        sum += more;
    }
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_41<T: Element, const D: usize>(
    slopes: PerHead<f32>,
    m: i32,
    tree: BitMask,
    k: Keys<T, D>,
    lse: RowOutput,
    q: Query<T, D>,
    flag: bool,
    o: Output<T, D>,
    scale: f32,
) {
    let lift = -2.625f32;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for block in k.tiles() {
        let v = k.load(block);
        let keys = k.load(block);
        let s = (dot(queries, keys.t()).t().t()).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 });
        let p = softmax.step(s.mask(|at| (((select((at.col < 27), m, at.kv_len) + (at.row).rem_euclid(7)) == (at.seq).max(at.seq)) || (at.row >= at.col - m))), &mut acc);
        acc += dot(p, v);
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_43<T: Element, const D: usize>(
    o: Output<T, D>,
    q: Query<T, D>,
    n: i32,
    k: Keys<T, D>,
    flag: bool,
    scale: f32,
    shift: f32,
) {
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    for cols in k.tiles() {
        let v = k.load(cols);
        let k = k.load(cols);
        let mut scores = (dot(q, k.t())) * scale;
        let p = online.step(scores, &mut acc);
        acc += dot(v.t(), p.t()).t();
    }
    let result = online.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_44<T: Element, const D: usize>(
    scale: f32,
    lse: RowOutput,
    q: Query<T, D>,
    n: i32,
    m: i32,
    k: Keys<T, D>,
    shift: f32,
    o: Output<T, D>,
) {
    let reach: i32 = ((shift as i32)).max(-50).min(80);
    let lift = -1.375f32;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for block in k.tiles() {
        let k = k.load(block);
        let s = ((dot(q.t().t(), k.t())) / 8.0).map(|x, place| ((({ let y = lift; if y > -1.0 { y } else { -1.0 + (y - -1.0) * 0.25 } }).min(1.0)).exp2() / (1.5 + ((({ let y = lift; if y > -1.0 { y } else { -1.0 + (y - -1.0) * 0.25 } }).min(1.0)).exp2()).abs())));
        let weights = online.step(s, &mut acc);
        acc += dot(weights, k);
    }
    online.sink(|at| (at.seq - at.query % 3) as f32);
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_46<T: Element, const D: usize, const E: usize>(
    slopes: PerHead<f32>,
    q: Query<T, D>,
    k: Keys<T, D>,
    o: Output<T, E>,
    flag: bool,
    n: i32,
    shift: f32,
    m: i32,
    scale: f32,
    lse: RowOutput,
) {
    const LIMIT: i32 = -3;
    let lift = ((m).max(-90).min(90) as f32);
    let mut sum = Tile::<Rows, Dim<E>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let s = (dot(x0, k.load(tile).t())) * scale;
        let weights = online.step(s, &mut sum);
        sum += dot(weights, k.load(tile).slice::<E>());
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_47<T: Element, const D: usize>(
    scale: f32,
    q: Query<T, D>,
    flag: bool,
    k: Keys<T, D>,
    o: Output<T, D>,
    n: i32,
    ids: PerHead<i32>,
) {
    const LIMIT: i32 = 69;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let scores: Tile<Rows, Cols> = {
            scale * (dot(x0, k.load(cols).t()))
        };
        let mut scores = ((scores.map(|score, place| ((((((score).abs() + 0.25).sqrt()).tanh()).exp() + ((score).abs() + 1.0).log2()) * 0.5))).mask(|at| (at.col <= at.row))).map(|score, place| score * 0.75 + select(((place.col + place.head) % 2 <= 4), 0.5, -0.25));
        let weights = softmax.step(scores, &mut acc);
        acc += dot(weights, k.load(cols));
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_49<const D: usize>(
    worths: PerKey<f32>,
    q: Query<bf16, D>,
    other_keys: Keys<bf16, D>,
    m: i32,
    bias: Bias<bf16>,
    flag: bool,
    v: Values<bf16, D>,
    o: Output<bf16, D>,
    lse: RowOutput,
    scale: f32,
    k: Keys<bf16, D>,
) {
    let lift = (((flag as i32)).max(-90).min(90) as f32);
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let v = v.load(block);
        let keys = k.load(block);
        let s = ((dot(x0, keys.t())) * scale).mask(|place| (place.col / 5 < place.row / 5));
        let s = s.mask(|place| ((place.row).abs() != (place.col % (-4))));
        let s = s.map(|x, place| { let y = x + 0.5; y * 0.5 });
        let s: Tile<Rows, Cols> = {
            s.mask(|at| ((((m - at.col) / 2) == m) || ((at.row - at.col) % (-7) == 1)))
        };
        let weights = online.step(s, &mut sum);
        sum += dot(v.t(), weights.t()).t();
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_50<T: Element, const D: usize>(
    flag: bool,
    v: Values<T, D>,
    ids: PerHead<i32>,
    o: Output<T, D>,
    scale: f32,
    n: i32,
    tree: BitMask,
    lse: RowOutput,
    k: Keys<T, D>,
    m: i32,
    q: Query<T, D>,
) {
    const LIMIT: i32 = 66;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for cols in k.tiles() {
        let keys = k.load(cols);
        let weights = softmax.step(((dot(queries.t().t(), keys.t())) * scale).map(|x, at| ((((((((LIMIT % 32) * 3)) % 50) as f32 * 0.02)).cos()).min((x).abs())).max(((x).abs() / (1.5 + ((x).abs()).abs())))), &mut sum);
        sum += dot(weights, v.load(cols));
    }
    o.store(softmax.finish(sum));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_52<T: Element, const D: usize, const E: usize>(
    flag: bool,
    shift: f32,
    k: Keys<T, D>,
    slopes: PerHead<f32>,
    q: Query<T, D>,
    tree: BitMask,
    o: Output<T, E>,
    ids: PerHead<i32>,
    lse: RowOutput,
    scale: f32,
) {
    let reach = (((-51i32) - (5i32).min(59i32))) % 100;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let k = k.load(cols);
        let v = k.slice::<E>();
        let mut scores = (dot(queries.t().t().t(), k.t())) * scale;
        let weights = online.step(scores.mask(|place| (place.row >= place.col - reach)), &mut sum);
        sum += dot(weights, v);
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_53<T: Element, const D: usize, const E: usize>(
    k: Keys<T, D>,
    documents: PerKey<i32>,
    scale: f32,
    m: i32,
    other_keys: Keys<T, D>,
    q: Query<T, D>,
    n: i32,
    tree: BitMask,
    o: Output<T, E>,
) {
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    let mut acc = Tile::<Rows, Dim<E>>::zeros();
    for block in k.tiles() {
        let s = (dot(queries, k.load(block).t()).t().t()).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 });
        let s = s.mask(|place| ((place.col - 40) / 2 > 0));
        let mut s = ((s.map(|score, at| score.min(1.0).exp())).map(|score, at| ((((score).clamp(-4.0, 5.5)).tanh()).min(1.0)).exp())) - 1.0;
        let p = online.step(s, &mut acc);
        acc += dot(p, k.load(block).slice::<E>());
    }
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_55(
    k: Keys<bf16, 64>,
    o: Output<bf16, 64>,
    lse: RowOutput,
    documents: PerKey<i32>,
    q: Query<bf16, 64>,
    v: Values<bf16, 64>,
    scale: f32,
) {
    let q = q.tile();
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    for cols in k.tiles() {
        let k = k.load(cols);
        let weights = softmax.step(((dot(k, q.t()).t()).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 })).map(|x, place| ((x - (if ((((place.row - place.col) % (-7) == 1) || ((((place.query).max(-90).min(90) as f32) + ((place.row).max(-90).min(90) as f32)) > 2.5f32)) && (place.col / (-7) < place.row / (-7))) { (((((15i32).abs()) % 50) as f32 * 0.02) * (((((-0.25f32 as i32) - (if (place.row / (-7) + 0 != place.col) { place.col } else { place.col }))) % 50) as f32 * 0.02)) } else { ((x).min(1.0)).exp() })) * 0.5)), &mut sum);
        sum += dot(v.load(cols).t(), weights.t()).t();
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(sum));
}

#[attention_kernel]
pub fn drawn_56<T: Element, const D: usize>(
    flag: bool,
    m: i32,
    lse: RowOutput,
    o: Output<T, D>,
    ids: PerHead<i32>,
    q: Query<T, D>,
    scale: f32,
    n: i32,
    slopes: PerHead<f32>,
    tree: BitMask,
    k: Keys<T, D>,
    kinds: PerQuery<i32>,
) {
    let x0 = q.tile();
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let scores: Tile<Rows, Cols> = {
            (dot(keys, x0.t()).t()) * scale
        };
        let scores: Tile<Rows, Cols> = {
            scores.mask(|at| (at.col <= at.row))
        };
        let weights = online.step(scores, &mut sum);
        sum += dot(weights, keys);
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_58<const E: usize>(
    scale: f32,
    slopes: PerHead<f32>,
    flag: bool,
    n: i32,
    lifts: PerQuery<f32>,
    k: Keys<bf16, 32>,
    o: Output<bf16, E>,
    q: Query<bf16, 32>,
) {
    let lift = 2.875f32;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for block in k.tiles() {
        let keys = k.load(block);
        let s = ((dot(queries, keys.t())) / 8.0).map(|score, place| { let y = (0.375f32 * (0.625)); if y > 0.75 { y } else { 0.75 + (y - 0.75) * 0.25 } });
        let mut s = s.mask(|at| (flag && (at.row > at.row)));
        let weights = softmax.step(s, &mut sum);
        sum += dot(weights, keys.slice::<E>());
    }
    o.store(softmax.finish(sum));
}

#[attention_kernel]
pub fn drawn_59<T: Element, const D: usize>(
    o: Output<f16, D>,
    k: PagedKeys<T, D>,
    table: BlockTable,
    scale: f32,
    q: Query<T, D>,
    v: PagedValues<T, D>,
    n: i32,
    documents: PerKey<i32>,
    kinds: PerQuery<i32>,
    shift: f32,
    tree: BitMask,
) {
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    let mut sum = Tile::zeros();
    for tile in table.tiles() {
        let s: Tile<Rows, Cols> = {
            (dot(x0, k.gather(table, tile).t())) * scale
        };
        let p = softmax.step(s, &mut sum);
        sum += dot(p, v.gather(table, tile));
    }
    let result = softmax.finish(sum);
    o.store(result);
}

/// The seeds, and each kernel on the host.
pub const KERNELS: &[(u64, Host)] = &[
    (1, |a| {
        let args = drawn_1::Args { q: Field::of(&a[0]), documents: Field::of(&a[1]), m: Field::of(&a[2]), ids: Field::of(&a[3]), k: Field::of(&a[4]), shift: Field::of(&a[5]), o: Field::of(&a[6]), scale: Field::of(&a[7]), lse: Field::of(&a[8]), flag: Field::of(&a[9]) };
        let got = drawn_1::reference::<bf16, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (2, |a| {
        let args = drawn_2::Args { scale: Field::of(&a[0]), k: Field::of(&a[1]), lse: Field::of(&a[2]), n: Field::of(&a[3]), table: Field::of(&a[4]), q: Field::of(&a[5]), v: Field::of(&a[6]), o: Field::of(&a[7]) };
        let got = drawn_2::reference::<bf16, 224, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (4, |a| {
        let args = drawn_4::Args { q: Field::of(&a[0]), scale: Field::of(&a[1]), slopes: Field::of(&a[2]), shift: Field::of(&a[3]), k: Field::of(&a[4]), lse: Field::of(&a[5]), o: Field::of(&a[6]) };
        let got = drawn_4::reference::<f16, 240>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (5, |a| {
        let args = drawn_5::Args { lse: Field::of(&a[0]), scale: Field::of(&a[1]), v: Field::of(&a[2]), q: Field::of(&a[3]), tree: Field::of(&a[4]), o: Field::of(&a[5]), shift: Field::of(&a[6]), k: Field::of(&a[7]) };
        let got = drawn_5::reference::<bf16, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (7, |a| {
        let args = drawn_7::Args { lse: Field::of(&a[0]), slopes: Field::of(&a[1]), shift: Field::of(&a[2]), ids: Field::of(&a[3]), o: Field::of(&a[4]), scale: Field::of(&a[5]), kinds: Field::of(&a[6]), n: Field::of(&a[7]), q: Field::of(&a[8]), table: Field::of(&a[9]), k: Field::of(&a[10]), v: Field::of(&a[11]) };
        let got = drawn_7::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (8, |a| {
        let args = drawn_8::Args { o: Field::of(&a[0]), scale: Field::of(&a[1]), m: Field::of(&a[2]), flag: Field::of(&a[3]), lse: Field::of(&a[4]), v: Field::of(&a[5]), kinds: Field::of(&a[6]), q: Field::of(&a[7]), k: Field::of(&a[8]), tree: Field::of(&a[9]) };
        let got = drawn_8::reference::<f16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (10, |a| {
        let args = drawn_10::Args { m: Field::of(&a[0]), slopes: Field::of(&a[1]), k: Field::of(&a[2]), scale: Field::of(&a[3]), lse: Field::of(&a[4]), q: Field::of(&a[5]), o: Field::of(&a[6]) };
        let got = drawn_10::reference::<f16, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (11, |a| {
        let args = drawn_11::Args { m: Field::of(&a[0]), o: Field::of(&a[1]), scale: Field::of(&a[2]), other_values: Field::of(&a[3]), k: Field::of(&a[4]), q: Field::of(&a[5]), lse: Field::of(&a[6]) };
        let got = drawn_11::reference::<bf16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (13, |a| {
        let args = drawn_13::Args { m: Field::of(&a[0]), kinds: Field::of(&a[1]), o: Field::of(&a[2]), slopes: Field::of(&a[3]), scale: Field::of(&a[4]), n: Field::of(&a[5]), shift: Field::of(&a[6]), k: Field::of(&a[7]), q: Field::of(&a[8]), other_keys: Field::of(&a[9]), lse: Field::of(&a[10]) };
        let got = drawn_13::reference::<f16, 128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (14, |a| {
        let args = drawn_14::Args { k: Field::of(&a[0]), lse: Field::of(&a[1]), q: Field::of(&a[2]), n: Field::of(&a[3]), flag: Field::of(&a[4]), bias: Field::of(&a[5]), m: Field::of(&a[6]), v: Field::of(&a[7]), scale: Field::of(&a[8]), ids: Field::of(&a[9]) };
        let got = drawn_14::reference::<bf16, 32>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (16, |a| {
        let args = drawn_16::Args { bias: Field::of(&a[0]), m: Field::of(&a[1]), slopes: Field::of(&a[2]), lse: Field::of(&a[3]), scale: Field::of(&a[4]), v: Field::of(&a[5]), k: Field::of(&a[6]), q: Field::of(&a[7]), o: Field::of(&a[8]) };
        let got = drawn_16::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (17, |a| {
        let args = drawn_17::Args { lse: Field::of(&a[0]), other_values: Field::of(&a[1]), scale: Field::of(&a[2]), k: Field::of(&a[3]), shift: Field::of(&a[4]), lifts: Field::of(&a[5]), q: Field::of(&a[6]), prefixes: Field::of(&a[7]), flag: Field::of(&a[8]), table: Field::of(&a[9]), slopes: Field::of(&a[10]) };
        let got = drawn_17::reference::<f16>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (19, |a| {
        let args = drawn_19::Args { lse: Field::of(&a[0]), q: Field::of(&a[1]), v: Field::of(&a[2]), o: Field::of(&a[3]), scale: Field::of(&a[4]), k: Field::of(&a[5]) };
        let got = drawn_19::reference::<f16, 128, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (20, |a| {
        let args = drawn_20::Args { o: Field::of(&a[0]), n: Field::of(&a[1]), v: Field::of(&a[2]), flag: Field::of(&a[3]), q: Field::of(&a[4]), worths: Field::of(&a[5]), k: Field::of(&a[6]), scale: Field::of(&a[7]) };
        let got = drawn_20::reference::<f16>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (22, |a| {
        let args = drawn_22::Args { o: Field::of(&a[0]), scale: Field::of(&a[1]), q: Field::of(&a[2]), n: Field::of(&a[3]), slopes: Field::of(&a[4]), k: Field::of(&a[5]), lse: Field::of(&a[6]), worths: Field::of(&a[7]) };
        let got = drawn_22::reference::<bf16, 128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (23, |a| {
        let args = drawn_23::Args { other_keys: Field::of(&a[0]), q: Field::of(&a[1]), m: Field::of(&a[2]), k: Field::of(&a[3]), n: Field::of(&a[4]), ids: Field::of(&a[5]), bias: Field::of(&a[6]), o: Field::of(&a[7]), lifts: Field::of(&a[8]), lse: Field::of(&a[9]), scale: Field::of(&a[10]) };
        let got = drawn_23::reference::<f16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (25, |a| {
        let args = drawn_25::Args { k: Field::of(&a[0]), m: Field::of(&a[1]), ids: Field::of(&a[2]), other_values: Field::of(&a[3]), tree: Field::of(&a[4]), q: Field::of(&a[5]), o: Field::of(&a[6]), v: Field::of(&a[7]), slopes: Field::of(&a[8]), n: Field::of(&a[9]), scale: Field::of(&a[10]) };
        let got = drawn_25::reference::<bf16, 32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (26, |a| {
        let args = drawn_26::Args { scale: Field::of(&a[0]), q: Field::of(&a[1]), v: Field::of(&a[2]), o: Field::of(&a[3]), k: Field::of(&a[4]), ids: Field::of(&a[5]), tree: Field::of(&a[6]), flag: Field::of(&a[7]) };
        let got = drawn_26::reference::<f16, 224, 128>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (28, |a| {
        let args = drawn_28::Args { n: Field::of(&a[0]), k: Field::of(&a[1]), lse: Field::of(&a[2]), table: Field::of(&a[3]), q: Field::of(&a[4]), o: Field::of(&a[5]), v: Field::of(&a[6]), scale: Field::of(&a[7]), slopes: Field::of(&a[8]), other_table: Field::of(&a[9]) };
        let got = drawn_28::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (29, |a| {
        let args = drawn_29::Args { bias: Field::of(&a[0]), k: Field::of(&a[1]), n: Field::of(&a[2]), scale: Field::of(&a[3]), m: Field::of(&a[4]), q: Field::of(&a[5]), lse: Field::of(&a[6]), shift: Field::of(&a[7]) };
        let got = drawn_29::reference::<f16, 160>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (31, |a| {
        let args = drawn_31::Args { prefixes: Field::of(&a[0]), lse: Field::of(&a[1]), m: Field::of(&a[2]), o: Field::of(&a[3]), scale: Field::of(&a[4]), k: Field::of(&a[5]), other_keys: Field::of(&a[6]), q: Field::of(&a[7]) };
        let got = drawn_31::reference::<f16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (32, |a| {
        let args = drawn_32::Args { o: Field::of(&a[0]), k: Field::of(&a[1]), m: Field::of(&a[2]), scale: Field::of(&a[3]), ids: Field::of(&a[4]), q: Field::of(&a[5]), lse: Field::of(&a[6]) };
        let got = drawn_32::reference::<f16, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (34, |a| {
        let args = drawn_34::Args { v: Field::of(&a[0]), flag: Field::of(&a[1]), n: Field::of(&a[2]), k: Field::of(&a[3]), q: Field::of(&a[4]), o: Field::of(&a[5]), scale: Field::of(&a[6]), ids: Field::of(&a[7]), slopes: Field::of(&a[8]), table: Field::of(&a[9]) };
        let got = drawn_34::reference::<64, 256>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (35, |a| {
        let args = drawn_35::Args { documents: Field::of(&a[0]), o: Field::of(&a[1]), q: Field::of(&a[2]), shift: Field::of(&a[3]), lifts: Field::of(&a[4]), other_values: Field::of(&a[5]), n: Field::of(&a[6]), scale: Field::of(&a[7]), bias: Field::of(&a[8]), k: Field::of(&a[9]), kinds: Field::of(&a[10]) };
        let got = drawn_35::reference::<bf16, 128, 128>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (37, |a| {
        let args = drawn_37::Args { k: Field::of(&a[0]), flag: Field::of(&a[1]), lse: Field::of(&a[2]), v: Field::of(&a[3]), slopes: Field::of(&a[4]), n: Field::of(&a[5]), scale: Field::of(&a[6]), q: Field::of(&a[7]), m: Field::of(&a[8]), lifts: Field::of(&a[9]) };
        let got = drawn_37::reference::<f16, 32>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (38, |a| {
        let args = drawn_38::Args { shift: Field::of(&a[0]), v: Field::of(&a[1]), ids: Field::of(&a[2]), lse: Field::of(&a[3]), q: Field::of(&a[4]), k: Field::of(&a[5]), o: Field::of(&a[6]), scale: Field::of(&a[7]), table: Field::of(&a[8]) };
        let got = drawn_38::reference::<f16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (40, |a| {
        let args = drawn_40::Args { q: Field::of(&a[0]), lse: Field::of(&a[1]), kinds: Field::of(&a[2]), v: Field::of(&a[3]), table: Field::of(&a[4]), scale: Field::of(&a[5]), k: Field::of(&a[6]) };
        let got = drawn_40::reference::<bf16, 32, 64>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (41, |a| {
        let args = drawn_41::Args { slopes: Field::of(&a[0]), m: Field::of(&a[1]), tree: Field::of(&a[2]), k: Field::of(&a[3]), lse: Field::of(&a[4]), q: Field::of(&a[5]), flag: Field::of(&a[6]), o: Field::of(&a[7]), scale: Field::of(&a[8]) };
        let got = drawn_41::reference::<bf16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (43, |a| {
        let args = drawn_43::Args { o: Field::of(&a[0]), q: Field::of(&a[1]), n: Field::of(&a[2]), k: Field::of(&a[3]), flag: Field::of(&a[4]), scale: Field::of(&a[5]), shift: Field::of(&a[6]) };
        let got = drawn_43::reference::<bf16, 160>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (44, |a| {
        let args = drawn_44::Args { scale: Field::of(&a[0]), lse: Field::of(&a[1]), q: Field::of(&a[2]), n: Field::of(&a[3]), m: Field::of(&a[4]), k: Field::of(&a[5]), shift: Field::of(&a[6]), o: Field::of(&a[7]) };
        let got = drawn_44::reference::<bf16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (46, |a| {
        let args = drawn_46::Args { slopes: Field::of(&a[0]), q: Field::of(&a[1]), k: Field::of(&a[2]), o: Field::of(&a[3]), flag: Field::of(&a[4]), n: Field::of(&a[5]), shift: Field::of(&a[6]), m: Field::of(&a[7]), scale: Field::of(&a[8]), lse: Field::of(&a[9]) };
        let got = drawn_46::reference::<bf16, 128, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (47, |a| {
        let args = drawn_47::Args { scale: Field::of(&a[0]), q: Field::of(&a[1]), flag: Field::of(&a[2]), k: Field::of(&a[3]), o: Field::of(&a[4]), n: Field::of(&a[5]), ids: Field::of(&a[6]) };
        let got = drawn_47::reference::<f16, 32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (49, |a| {
        let args = drawn_49::Args { worths: Field::of(&a[0]), q: Field::of(&a[1]), other_keys: Field::of(&a[2]), m: Field::of(&a[3]), bias: Field::of(&a[4]), flag: Field::of(&a[5]), v: Field::of(&a[6]), o: Field::of(&a[7]), lse: Field::of(&a[8]), scale: Field::of(&a[9]), k: Field::of(&a[10]) };
        let got = drawn_49::reference::<128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (50, |a| {
        let args = drawn_50::Args { flag: Field::of(&a[0]), v: Field::of(&a[1]), ids: Field::of(&a[2]), o: Field::of(&a[3]), scale: Field::of(&a[4]), n: Field::of(&a[5]), tree: Field::of(&a[6]), lse: Field::of(&a[7]), k: Field::of(&a[8]), m: Field::of(&a[9]), q: Field::of(&a[10]) };
        let got = drawn_50::reference::<f16, 144>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (52, |a| {
        let args = drawn_52::Args { flag: Field::of(&a[0]), shift: Field::of(&a[1]), k: Field::of(&a[2]), slopes: Field::of(&a[3]), q: Field::of(&a[4]), tree: Field::of(&a[5]), o: Field::of(&a[6]), ids: Field::of(&a[7]), lse: Field::of(&a[8]), scale: Field::of(&a[9]) };
        let got = drawn_52::reference::<bf16, 32, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (53, |a| {
        let args = drawn_53::Args { k: Field::of(&a[0]), documents: Field::of(&a[1]), scale: Field::of(&a[2]), m: Field::of(&a[3]), other_keys: Field::of(&a[4]), q: Field::of(&a[5]), n: Field::of(&a[6]), tree: Field::of(&a[7]), o: Field::of(&a[8]) };
        let got = drawn_53::reference::<bf16, 64, 64>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (55, |a| {
        let args = drawn_55::Args { k: Field::of(&a[0]), o: Field::of(&a[1]), lse: Field::of(&a[2]), documents: Field::of(&a[3]), q: Field::of(&a[4]), v: Field::of(&a[5]), scale: Field::of(&a[6]) };
        let got = drawn_55::reference(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (56, |a| {
        let args = drawn_56::Args { flag: Field::of(&a[0]), m: Field::of(&a[1]), lse: Field::of(&a[2]), o: Field::of(&a[3]), ids: Field::of(&a[4]), q: Field::of(&a[5]), scale: Field::of(&a[6]), n: Field::of(&a[7]), slopes: Field::of(&a[8]), tree: Field::of(&a[9]), k: Field::of(&a[10]), kinds: Field::of(&a[11]) };
        let got = drawn_56::reference::<f16, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (58, |a| {
        let args = drawn_58::Args { scale: Field::of(&a[0]), slopes: Field::of(&a[1]), flag: Field::of(&a[2]), n: Field::of(&a[3]), lifts: Field::of(&a[4]), k: Field::of(&a[5]), o: Field::of(&a[6]), q: Field::of(&a[7]) };
        let got = drawn_58::reference::<32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (59, |a| {
        let args = drawn_59::Args { o: Field::of(&a[0]), k: Field::of(&a[1]), table: Field::of(&a[2]), scale: Field::of(&a[3]), q: Field::of(&a[4]), v: Field::of(&a[5]), n: Field::of(&a[6]), documents: Field::of(&a[7]), kinds: Field::of(&a[8]), shift: Field::of(&a[9]), tree: Field::of(&a[10]) };
        let got = drawn_59::reference::<f16, 64>(&args)?;
        Ok(vec![("o", got.o)])
    }),
];
