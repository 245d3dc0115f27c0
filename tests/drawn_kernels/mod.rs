//! Kernels that `tests/programs` draws, for rustc: made, and never changed by hand. `random_programs.rs` says how.
#![allow(unused, double_negations, clippy::all)]

use super::programs::host::{Field, Host};
use flashpage::prelude::*;

#[attention_kernel]
pub fn drawn_0<T: Element, const D: usize>(
    lse: RowOutput,
    n: i32,
    q: Query<T, D>,
    wide: i32,
    table: BlockTable,
    v: PagedValues<T, D>,
    k: PagedKeys<T, D>,
    scale: f32,
    shift: f32,
    m: i32,
) {
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for block in table.tiles() {
        let mut scores = (dot(queries, k.gather(table, block).t())) * scale;
        let mut scores = scores.mask(|place| (2 * place.col <= place.row + n));
        let weights = online.step(scores.map(|score, at| score.min(1.0).exp()), &mut sum);
        let weights = weights.map(|w, at| if at.random(79i32) < 0.75 { w / 0.75 } else { 0.0 });
        sum += dot(v.gather(table, block).t(), weights.t()).t();
    }
    lse.store(online.lse());
}

#[score_function]
fn drawn_1_2(score: f32, at: At) -> f32 {
    let result = if (at.row / 5 + 0 <= at.col) { score } else { score * 0.5 - 1.0 };
    return result;
}

#[attention_kernel]
pub fn drawn_1<T: Element, const D: usize>(
    o: Output<T, D>,
    q: Query<T, D>,
    k: Keys<T, D>,
    shift: f32,
    ids: PerHead<i32>,
    m: i32,
    lse: RowOutput,
    scale: f32,
    flag: bool,
    slopes: PerHead<f32>,
    worths: PerKey<f32>,
) {
    let reach: i32 = ((((m) << 2) % 5)).max(-50).min(80);
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let k = k.load(tile);
        let mut scores = ((dot(x0, k.t()).t().t()).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 })).mask(|place| (2 * place.col <= place.row + 62));
        let mut scores = scores.map(|a, b| drawn_1_2(a, b));
        let p = online.step(scores.mask(|place| (((place.col).max(place.col) >= m) || (((place.col).abs() + (-ids[place.head])) == m))), &mut acc);
        let p = p.map(|w, at| select(!(worths[at.col] * 4.0 < 0.3), -w, 0.0));
        acc += dot(k.t(), p.t()).t();
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[score_function]
fn drawn_2_0(dot: f32, at: At, scale: f32) -> f32 {
    let result = if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 };
    return result;
}

#[attention_kernel]
pub fn drawn_2<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    before: RowInput,
    v: PagedValues<T, E>,
    tree: BitMask,
    n: i32,
    table: BlockTable,
    k: PagedKeys<T, D>,
    lse: RowOutput,
    o: Output<T, E>,
    scale: f32,
) {
    let x0 = q.tile();
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::resume(before);
    for cols in table.tiles() {
        let keys = k.gather(table, cols);
        let scores = (dot(x0, keys.t())).map(|a, b| drawn_2_0(a, b, scale));
        let weights = softmax.step(scores, &mut sum);
        let more = dot(weights.t().t(), v.gather(table, cols));
        sum += more;
    }
    o.store(softmax.finish(sum));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_3<T: Element, const D: usize>(
    scale: f32,
    m: i32,
    other_values: PagedValues<T, D>,
    wide: i32,
    flag: bool,
    k: PagedKeys<T, D>,
    before: RowInput,
    q: Query<T, D>,
    table: BlockTable,
    lse: RowOutput,
) {
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::resume(before);
    let x0 = q.tile().t();
    for block in table.tiles() {
        let k = k.gather(table, block);
        let scores = (dot(x0.t(), k.t())) * scale;
        let mut scores = scores.mask(|at| (at.col >= 90));
        let mut scores = scores.map(|score, at| score * 0.75 + select(((at.row + at.query) <= ((-(wide + at.row)).max(wide) % 16)), 0.5, -0.25));
        let scores: Tile<Rows, Cols> = {
            scores + 1.25
        };
        let weights = online.step(scores, &mut acc);
        acc += dot(k.t(), weights.t()).t();
    }
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_4<T: Element, const D: usize>(
    k: Keys<T, D>,
    o: Output<T, D>,
    ids: PerHead<i32>,
    scale: f32,
    shift: f32,
    slopes: PerHead<f32>,
    wide: i32,
    lse: RowOutput,
    q: Query<T, D>,
) {
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    let mut acc = Tile::zeros();
    for block in k.tiles() {
        let keys = k.load(block);
        let v = keys;
        let p = online.step((((dot(keys, x0.t()).t()) * scale) - 0.5).mask(|place| (((62i32 + place.seq)).min((place.row / 3)) > (place.query + place.row))), &mut acc);
        let p = p.map(|w, at| w * 0.5 - slopes[at.head] * w);
        acc += dot(v.t(), p.t()).t();
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_5<T: Element, const D: usize>(
    k: Keys<T, D>,
    o: Output<T, D>,
    q: Query<T, D>,
    v: Values<T, D>,
    scale: f32,
    shift: f32,
    lse: RowOutput,
    bias: Bias<f32>,
) {
    let lift = shift;
    let mut sum = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let mut scores = (dot(x0, k.load(block).t())) * scale;
        let weights = online.step(scores.mask(|place| !((place.col == place.row) || ((place.row - place.col) % 3 < 1))), &mut sum);
        sum += dot(weights, v.load(block));
    }
    lse.store(online.lse());
    let result = online.finish(sum);
    o.store(result);
}

#[score_function]
fn drawn_6_1(place: At, n: i32) -> bool {
    if (place.row >= place.col - n) { return true; } else { return false; }
}

#[attention_kernel]
pub fn drawn_6<T: Element, const D: usize>(
    other_keys: Keys<T, D>,
    scale: f32,
    o: Output<T, 64>,
    before: RowInput,
    k: Keys<T, D>,
    n: i32,
    q: Query<T, D>,
) {
    let x0 = q.tile();
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::resume(before);
    for tile in other_keys.tiles() {
        let values = k.load(tile).slice::<64>();
        let s = (dot(x0, k.load(tile).t())) * scale;
        let weights = online.step(s.mask(|a| drawn_6_1(a, n)), &mut acc);
        let more = dot(weights.t().t(), values);
        acc += more;
    }
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_7<T: Element>(
    table: BlockTable,
    shift: f32,
    documents: PerKey<i32>,
    lse: RowOutput,
    v: PagedValues<T, 32>,
    n: i32,
    q: Query<T, 32>,
    o: Output<T, 32>,
    wide: i32,
    k: PagedKeys<T, 32>,
    scale: f32,
) {
    let q = q.tile();
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    for block in table.tiles() {
        let values = v.gather(table, block);
        let s: Tile<Rows, Cols> = {
            scale * (dot(q, k.gather(table, block).t()))
        };
        let weights = online.step(s.map(|x, place| (if (place.row - place.col < n) { x } else { (((shift * 0.03125)).abs() + 1.0).ln() })), &mut acc);
        acc += dot(values.t(), weights.t()).t();
    }
    lse.store(online.lse_base2());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_8<T: Element>(
    ids: PerHead<i32>,
    scale: f32,
    k: Keys<T, 224>,
    prefixes: PerSequence<i32>,
    v: Values<T, 224>,
    o: Output<T, 224>,
    documents: PerKey<i32>,
    lse: RowOutput,
    flag: bool,
    q: Query<T, 224>,
    m: i32,
    wide: i32,
) {
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let v = v.load(cols);
        let mut scores = (dot(x0, k.load(cols).t())) * scale;
        let p = softmax.step(scores, &mut acc);
        acc += dot(v.t(), p.t()).t();
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_9<const D: usize>(
    v: PagedValues<f16, D>,
    scale: f32,
    o: Output<bf16, D>,
    table: BlockTable,
    q: Query<f16, D>,
    slopes: PerHead<f32>,
    lse: RowOutput,
    shift: f32,
    documents: PerKey<i32>,
    kinds: PerQuery<i32>,
    ids: PerHead<i32>,
    n: i32,
    k: PagedKeys<f16, D>,
) {
    let mut softmax = OnlineSoftmax::new();
    let q = q.tile();
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    for block in table.tiles() {
        let p = softmax.step((dot(q, k.gather(table, block).t()).t().t()) * scale, &mut acc);
        let p = p.map(|w, at| w * 0.5 - (((n) % 50) as f32 * 0.02) * w);
        acc += dot(p, v.gather(table, block));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[score_function]
fn drawn_10_0(x: f32, _: At, scale: f32) -> f32 {
    x * scale
}

#[attention_kernel]
pub fn drawn_10<T: Element, const E: usize>(
    wide: i32,
    m: i32,
    q: Query<T, 48>,
    ids: PerHead<i32>,
    o: Output<T, E>,
    k: Keys<T, 48>,
    lse: RowOutput,
    scale: f32,
) {
    const LIMIT: i32 = 55;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let mut s = (dot(x0, k.load(cols).t())).map(|a, b| drawn_10_0(a, b, scale));
        let p = softmax.step(s, &mut sum);
        sum += dot(p, k.load(cols).slice::<E>());
    }
    let result = softmax.finish(sum);
    o.store(result);
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_11<T: Element>(
    before: RowInput,
    o: Output<T, 32>,
    scale: f32,
    lse: RowOutput,
    bias: Bias<T>,
    k: Keys<T, 32>,
    m: i32,
    other_values: Values<T, 32>,
    wide: i32,
    q: Query<T, 32>,
) {
    const LIMIT: i32 = 40;
    let mut acc = Tile::<Rows, Dim<32>>::zeros();
    let mut softmax = OnlineSoftmax::resume(before);
    let q = q.tile();
    for cols in k.tiles() {
        let k = k.load(cols);
        let weights = softmax.step(((dot(q, k.t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 })).mask(|at| (at.col == at.row)), &mut acc);
        acc += dot(weights, k);
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_12<T: Element, const D: usize, const E: usize>(
    flag: bool,
    o: Output<T, E>,
    n: i32,
    lse: RowOutput,
    q: Query<T, D>,
    wide: i32,
    m: i32,
    k: Keys<T, D>,
    kinds: PerQuery<i32>,
    worths: PerKey<f32>,
    slopes: PerHead<f32>,
    scale: f32,
) {
    let reach: i32 = (m).max(-50).min(80);
    let mut sum = Tile::<Rows, Dim<E>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let scores = (dot(x0, k.load(block).t())) * scale;
        let mut scores = ((scores.mask(|place| ((place.col >= 89) || (place.col >= 50)))).map(|score, at| if ((at.row / m + 2 <= at.col) == (3.0f32 >= (0.125f32 - (((flag as i32)).max(-90).min(90) as f32)))) { score } else { score * 0.5 - 1.0 })).mask(|at| ((1.25f32 - ((at.col).max(-90).min(90) as f32)) < ((at.col).max(-90).min(90) as f32)));
        let p = online.step(scores.map(|score, at| (score * 0.25).tanh() * 4.0), &mut sum);
        sum += dot(p, k.load(block).slice::<E>());
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_13<T: Element, const D: usize>(
    k: Keys<T, D>,
    n: i32,
    q: Query<T, D>,
    shift: f32,
    scale: f32,
    other_keys: Keys<T, D>,
    m: i32,
    ids: PerHead<i32>,
    documents: PerKey<i32>,
    lse: RowOutput,
    wide: i32,
    o: Output<T, D>,
) {
    let reach = (m) % 100;
    let lift = shift;
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
    ids: PerHead<i32>,
    kinds: PerQuery<i32>,
    q: Query<T, D>,
    flag: bool,
    lse: RowOutput,
    wide: i32,
    k: Keys<T, D>,
    slopes: PerHead<f32>,
    scale: f32,
    tree: BitMask,
    n: i32,
    m: i32,
    v: Values<T, D>,
) {
    let reach = ((-(m).rem_euclid(2))) % 100;
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
pub fn drawn_15<T: Element, const D: usize, const E: usize>(
    shift: f32,
    k: PagedKeys<T, D>,
    prefixes: PerSequence<i32>,
    scale: f32,
    flag: bool,
    table: BlockTable,
    bias: Bias<f32>,
    v: PagedValues<T, E>,
    o: Output<T, E>,
    lifts: PerQuery<f32>,
    q: Query<T, D>,
    slopes: PerHead<f32>,
    documents: PerKey<i32>,
    m: i32,
    lse: RowOutput,
    wide: i32,
) {
    const LIMIT: i32 = -1;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for tile in table.tiles() {
        let v = v.gather(table, tile);
        let s = (dot(queries, k.gather(table, tile).t())).map(|x, _| x * scale);
        let p = online.step(s.mask(|place| !((slopes[place.head] * 4.0 < 1.1) || !(place.col > place.row + m))), &mut sum);
        sum += dot(p, v);
    }
    o.store(online.finish(sum));
    lse.store(online.lse());
}

#[score_function]
fn drawn_16_1(score: f32, place: At) -> f32 {
    let result = ((({ let y = ((((place.seq).abs()) % 50) as f32 * 0.02); if y > 0.5 { y } else { 0.5 + (y - 0.5) * 0.25 } } + ((score).min(1.0)).exp2()) + (((score).min(1.0)).exp2() + { let y = score; if y > 0.25 { y } else { 0.25 + (y - 0.25) * 0.25 } })) * 0.5);
    return result;
}

#[attention_kernel]
pub fn drawn_16<T: Element>(
    kinds: PerQuery<i32>,
    scale: f32,
    q: Query<T, 64>,
    v: Values<T, 64>,
    m: i32,
    wide: i32,
    k: Keys<T, 64>,
    before: RowInput,
    lse: RowOutput,
    o: Output<T, 64>,
) {
    let reach = ((m).div_euclid(7)) % 100;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::resume_base2(before);
    let q = q.tile();
    for block in k.tiles() {
        let s = scale * (dot(k.load(block), q.t()).t());
        let mut s = s.map(drawn_16_1);
        let s: Tile<Rows, Cols> = {
            (s.map(|score, at| (-1.125f32 / (1.5 + (-1.125f32).abs())))).map(|x, at| (if ((at.row / 2 + 2 < at.col) != (((kinds[at.query] / (at.row % 3)) % 1) <= (((at.col).max(-90).min(90) as f32) as i32))) { ((((x).abs() + 0.5).powf(-0.5)).abs() + 1.0).log2() } else { ((-1.25f32).abs() * (1.0)) }))
        };
        let p = online.step(s, &mut acc);
        let more = dot(p.t().t(), v.load(block));
        acc += more;
    }
    o.store(online.finish(acc));
    lse.store(online.lse_base2());
}

#[attention_kernel]
pub fn drawn_17<T: Element>(
    table: BlockTable,
    flag: bool,
    shift: f32,
    lifts: PerQuery<f32>,
    scale: f32,
    wide: i32,
    q: Query<T, 64>,
    lse: RowOutput,
    other_values: PagedValues<T, 64>,
    worths: PerKey<f32>,
    k: PagedKeys<T, 64>,
) {
    let reach = ((91i32 / (-4))) % 100;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for cols in table.tiles() {
        let k = k.gather(table, cols);
        let mut scores = scale * (dot(k, queries.t()).t());
        scores = scores.mask(|place| ((place.row >= place.col - 74) && !(place.col > place.row + 28)));
        let weights = online.step(scores, &mut sum);
        sum += dot(weights, k);
    }
    lse.store(online.lse_base2());
}

#[attention_kernel]
pub fn drawn_18<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    lse: RowOutput,
    k: Keys<T, D>,
    scale: f32,
    wide: i32,
    worths: PerKey<f32>,
    shift: f32,
    flag: bool,
    o: Output<T, E>,
) {
    const LIMIT: i32 = 33;
    let lift = 1.25f32;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let q = q.tile();
    for block in k.tiles() {
        let k = k.load(block);
        let v = k.slice::<E>();
        let weights = softmax.step((dot(q, k.t())).map(|x, _| x * scale), &mut sum);
        sum += dot(weights, v);
    }
    lse.store(softmax.lse_base2());
    o.store(softmax.finish(sum));
}

#[score_function]
fn drawn_19_1(score: f32, place: At) -> f32 {
    (score).cos()
}

#[attention_kernel]
pub fn drawn_19<T: Element, const D: usize, const E: usize>(
    scale: f32,
    k: Keys<T, D>,
    lse: RowOutput,
    ids: PerHead<i32>,
    v: Values<T, E>,
    wide: i32,
    tree: BitMask,
    o: Output<T, E>,
    q: Query<T, D>,
) {
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let keys = k.load(cols);
        let p = online.step(((dot(queries.t().t().t(), keys.t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 })).map(|a, b| drawn_19_1(a, b)), &mut acc);
        acc += dot(p, v.load(cols));
    }
    lse.store(online.lse_base2());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_20<T: Element>(
    ids: PerHead<i32>,
    v: Values<T, 64>,
    scale: f32,
    q: Query<T, 64>,
    n: i32,
    flag: bool,
    o: Output<f16, 64>,
    k: Keys<T, 64>,
) {
    let reach = (n) % 100;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let k = k.load(cols);
        let mut s = (dot(queries.t(), k.t())).map(|x, _| x * scale);
        let weights = softmax.step(s, &mut acc);
        let weights = weights * 0.5;
        acc += dot(weights, v.load(cols));
    }
    softmax.sink(|at| -2.5 + at.head as f32);
    let result = softmax.finish(acc);
    o.store(result);
}

#[score_function]
fn drawn_21_4(x: f32, at: At) -> f32 {
    x.min(3.0)
}

#[attention_kernel]
pub fn drawn_21<T: Element, const D: usize>(
    scale: f32,
    n: i32,
    shift: f32,
    o: Output<T, D>,
    ids: PerHead<i32>,
    k: Keys<T, D>,
    q: Query<T, D>,
) {
    let lift = -1.375f32;
    let mut sum = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let v = k.load(block);
        let mut scores = ((dot(k.load(block), x0.t()).t()).map(|x, _| x * scale)).mask(|at| (-0.25f32 < -0.875f32));
        let mut scores = scores.mask(|place| ((place.row * place.col) % (-7) <= 3));
        scores = (scores.map(|score, at| score.min(3.0))).map(|a, b| drawn_21_4(a, b));
        let p = online.step(scores, &mut sum);
        sum += dot(p, v);
    }
    online.sink(|at| -2.5 + at.head as f32);
    let result = online.finish(sum);
    o.store(result);
}

#[score_function]
fn drawn_22_1(at: At) -> bool {
    if ((at.row * at.col) % (-7) > 2) { return true; } else { return false; }
}

#[attention_kernel]
pub fn drawn_22<T: Element, const D: usize>(
    k: Keys<T, D>,
    tree: BitMask,
    scale: f32,
    o: Output<T, D>,
    lse: RowOutput,
    q: Query<T, D>,
    n: i32,
    wide: i32,
    slopes: PerHead<f32>,
) {
    let queries = q.tile();
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    for tile in k.tiles() {
        let values = k.load(tile);
        let mut s = (dot(queries.t().t(), k.load(tile).t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 });
        let s = s.mask(|a| drawn_22_1(a));
        let mut s = s.map(|x, place| if (false && (({ let held = place.col; held + 2 } % 2) >= (if ((place.col - 40) / n != 4) { place.query } else { place.kv_len }))) { x } else { x * 0.5 - 1.0 });
        let mut s = s.mask(|at| (((at.row - at.col) % n < 3) || (((-0.625f32 * 2.0) < (((n).max(-90).min(90) as f32) * 0.5)) && ((at.col + at.head) % n != 4))));
        let weights = online.step(s.mask(|at| ((((26i32) ^ 21) + (if (((at.row).max(-90).min(90) as f32) < (((at.col).max(-90).min(90) as f32) * 2.0)) { at.q_len } else { n })) == { let part = at.row; part + 0 })), &mut acc);
        acc += dot(weights, values);
    }
    lse.store(online.lse_base2());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_23<T: Element>(
    other_keys: Keys<T, 240>,
    kinds: PerQuery<i32>,
    worths: PerKey<f32>,
    n: i32,
    m: i32,
    o: Output<T, 240>,
    wide: i32,
    lse: RowOutput,
    q: Query<T, 240>,
    scale: f32,
    k: Keys<T, 240>,
) {
    let lift = ((17i32).max(-90).min(90) as f32);
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile().t();
    for cols in other_keys.tiles() {
        let keys = k.load(cols);
        let values = keys;
        let s = ((dot(q.t(), keys.t())) * scale).mask(|place| !(place.col >= m));
        let weights = online.step(s, &mut acc);
        acc += dot(weights, values);
    }
    o.store(online.finish(acc));
    lse.store(online.lse_base2());
}

#[attention_kernel]
pub fn drawn_24<T: Element>(
    o: Output<T, 32>,
    shift: f32,
    lse: RowOutput,
    q: Query<T, 32>,
    ids: PerHead<i32>,
    flag: bool,
    table: BlockTable,
    wide: i32,
    scale: f32,
    n: i32,
    k: PagedKeys<T, 32>,
    v: PagedValues<T, 32>,
    m: i32,
) {
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for block in table.tiles() {
        let keys = k.gather(table, block);
        let s = (dot(q, keys.t()).t().t()) * scale;
        let p = online.step((s.map(|score, place| (((score - 2.5f32)).clamp(-4.0, 5.5)).sin())).mask(|at| ((at.row - at.col < m) || (((((at.query).max(-90).min(90) as f32)).powi(1) > shift) && (((at.q_len + at.col) % 3) <= (at.row % 2))))), &mut acc);
        let more = dot(p.t().t(), v.gather(table, block));
        acc += more;
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_25<T: Element, const D: usize>(
    slopes: PerHead<f32>,
    prefixes: PerSequence<i32>,
    n: i32,
    wide: i32,
    other_values: Values<T, D>,
    scale: f32,
    o: Output<T, D>,
    q: Query<T, D>,
    m: i32,
    v: Values<T, D>,
    k: Keys<T, D>,
) {
    let reach = ((31i32).abs()) % 100;
    const LIMIT: i32 = 58;
    let lift = 3.0f32;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for block in k.tiles() {
        let s: Tile<Rows, Cols> = {
            (dot(queries.t(), k.load(block).t())) * scale
        };
        let p = online.step(s, &mut sum);
        sum += dot(p, v.load(block));
    }
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_26<T: Element, const D: usize, const E: usize>(
    v: Values<T, E>,
    flag: bool,
    wide: i32,
    scale: f32,
    q: Query<T, D>,
    k: Keys<T, D>,
    prefixes: PerSequence<i32>,
    o: Output<T, E>,
) {
    let mut sum = Tile::<Rows, Dim<E>>::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile().t();
    for cols in k.tiles() {
        let scores = ((dot(q.t(), k.load(cols).t())) * scale).map(|x, at| x);
        let p = online.step(scores.map(|x, place| (((x).max((((select((place.row != (98i32).min(90).max(-90).pow(2)), (place.col % 2), (-0.625f32 as i32))) % 50) as f32 * 0.02))).clamp(-4.0, 5.5) * (((place.query) % 50) as f32 * 0.02))), &mut sum);
        let more = dot(p.t().t(), v.load(cols));
        sum += more;
    }
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_27<const D: usize, const E: usize>(
    scale: f32,
    shift: f32,
    wide: i32,
    slopes: PerHead<f32>,
    k: Keys<bf16, D>,
    o: Output<f32, E>,
    worths: PerKey<f32>,
    m: i32,
    n: i32,
    q: Query<bf16, D>,
) {
    let reach: i32 = (n).max(-50).min(80);
    const LIMIT: i32 = 29;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let q = q.tile().t();
    for cols in k.tiles() {
        let weights = softmax.step((dot(q.t(), k.load(cols).t())) * scale, &mut acc);
        let more = dot(weights.t().t(), k.load(cols).slice::<E>());
        acc += more;
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_28<T: Element>(
    v: PagedValues<T, 176>,
    lse: RowOutput,
    n: i32,
    other_table: BlockTable,
    wide: i32,
    before: RowInput,
    slopes: PerHead<f32>,
    ids: PerHead<i32>,
    scale: f32,
    earlier: Input<f16, 176>,
    q: Query<T, 176>,
    o: Output<f16, 176>,
    k: PagedKeys<T, 176>,
    table: BlockTable,
) {
    let lift = ((n).max(-90).min(90) as f32);
    let mut acc = Tile::resume(earlier);
    let mut softmax = OnlineSoftmax::resume(before);
    let x0 = q.tile();
    for tile in table.tiles() {
        let v = v.gather(table, tile);
        let s: Tile<Rows, Cols> = {
            ((dot(x0, k.gather(table, tile).t())) * scale).mask(|at| !(at.col > at.row + 71))
        };
        let weights = softmax.step(s.mask(|place| (place.col == place.row)), &mut acc);
        let weights = weights.map(|w, at| if at.random((n / (n % 3))) < 0.75 { w / 0.75 } else { 0.0 });
        acc += dot(weights, v);
    }
    lse.store(softmax.lse());
    let result = softmax.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_29<T: Element, const D: usize>(
    prefixes: PerSequence<i32>,
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
pub fn drawn_30<T: Element, const D: usize>(
    lse: RowOutput,
    n: i32,
    table: BlockTable,
    m: i32,
    other_table: BlockTable,
    o: Output<T, 64>,
    wide: i32,
    scale: f32,
    flag: bool,
    k: PagedKeys<T, D>,
    q: Query<T, D>,
    slopes: PerHead<f32>,
) {
    let reach = (((n).min((flag as i32))).min((n).max(m))) % 100;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for cols in table.tiles() {
        let values = k.gather(table, cols).slice::<64>();
        let scores: Tile<Rows, Cols> = {
            ((dot(k.gather(table, cols), queries.t()).t()).map(|x, _| x * scale)).mask(|at| (((slopes[at.head] * 4.0 < 0.3) || (((at.col - at.head) + ((at.head) ^ 21)) != (m).clamp(-40, 70))) == (at.col <= at.row)))
        };
        let weights = softmax.step(scores, &mut sum);
        sum += dot(weights, values);
    }
    o.store(softmax.finish(sum));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_31<T: Element, const D: usize>(
    kinds: PerQuery<i32>,
    o: Output<f32, 64>,
    k: Keys<T, D>,
    q: Query<T, D>,
    scale: f32,
    m: i32,
    lse: RowOutput,
    other_keys: Keys<T, D>,
) {
    let lift = ((m).max(-90).min(90) as f32);
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let q = q.tile();
    for cols in other_keys.tiles() {
        let s: Tile<Rows, Cols> = {
            ((dot(q, k.load(cols).t())).map(|x, _| x * scale)).mask(|place| (2 * place.col <= place.row + m))
        };
        let weights = softmax.step(s, &mut sum);
        sum += dot(weights, k.load(cols).slice::<64>());
    }
    softmax.sink(|at| -2.5 + at.head as f32);
    lse.store(softmax.lse_base2());
    o.store(softmax.finish(sum));
}

#[score_function]
fn drawn_32_4(at: At) -> bool {
    if !(((at.col == at.row) && (at.row >= at.col - 7))) {
        return false;
    }
    true
}

#[attention_kernel]
pub fn drawn_32<T: Element, const E: usize>(
    o: Output<T, E>,
    before: RowInput,
    slopes: PerHead<f32>,
    k: Keys<T, 64>,
    lse: RowOutput,
    q: Query<T, 64>,
    earlier: Input<T, E>,
    m: i32,
    tree: BitMask,
    scale: f32,
) {
    let reach = (((75i32 % 5)).min(90).max(-90).pow(2)) % 100;
    let mut sum = Tile::resume(earlier);
    let mut softmax = OnlineSoftmax::resume(before);
    let x0 = q.tile();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let mut scores = scale * (dot(x0, keys.t()));
        let scores: Tile<Rows, Cols> = {
            scores.map(|score, place| ((score).min(1.0)).exp2())
        };
        let scores = (scores.map(|score, at| score)).mask(|place| (((41i32 / (-4))).min(place.col) < 70i32));
        let scores = scores.mask(drawn_32_4);
        let weights = softmax.step(scores, &mut sum);
        sum += dot(keys.slice::<E>().t(), weights.t()).t();
    }
    o.store(softmax.finish(sum));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_33<T: Element, const D: usize>(
    n: i32,
    v: Values<T, 64>,
    q: Query<T, D>,
    scale: f32,
    k: Keys<T, D>,
    prefixes: PerSequence<i32>,
    o: Output<T, 64>,
    wide: i32,
) {
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for cols in k.tiles() {
        let k = k.load(cols);
        let scores: Tile<Rows, Cols> = {
            (dot(k, queries.t()).t()) * scale
        };
        let scores = scores.mask(|at| !(at.col < 38));
        let scores = scores - 0.875;
        let weights = online.step(scores, &mut acc);
        acc += dot(weights, v.load(cols));
    }
    let result = online.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_34<const D: usize, const E: usize>(
    q: Query<f16, D>,
    v: PagedValues<f16, E>,
    flag: bool,
    slopes: PerHead<f32>,
    table: BlockTable,
    k: PagedKeys<f16, D>,
    n: i32,
    wide: i32,
    o: Output<bf16, E>,
    scale: f32,
) {
    let reach: i32 = (((n) >> 1)).max(-50).min(80);
    const LIMIT: i32 = 6;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for tile in table.tiles() {
        let keys = k.gather(table, tile);
        let s: Tile<Rows, Cols> = {
            (dot(queries, keys.t())) * scale
        };
        let p = softmax.step(s, &mut acc);
        let more = dot(p.t().t(), v.gather(table, tile));
        acc += more;
    }
    o.store(softmax.finish(acc));
}

#[score_function]
fn drawn_35_1(at: At) -> bool {
    ((at.row - at.col) % 5 > 2)
}

#[score_function]
fn drawn_35_2(place: At, shift: f32) -> bool {
    if ((place.col <= place.row) || !((shift + 0.5f32) <= (-2.75f32).min(((place.head).max(-90).min(90) as f32)))) { return true; } else { return false; }
}

#[attention_kernel]
pub fn drawn_35<T: Element, const D: usize, const E: usize>(
    documents: PerKey<i32>,
    k: Keys<T, D>,
    other_values: Values<T, E>,
    n: i32,
    worths: PerKey<f32>,
    scale: f32,
    lifts: PerQuery<f32>,
    q: Query<T, D>,
    prefixes: PerSequence<i32>,
    o: Output<T, E>,
    ids: PerHead<i32>,
    shift: f32,
) {
    let reach = (n) % 100;
    let lift = ((n).max(-90).min(90) as f32);
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let mut s = (((dot(queries, keys.t()).t().t()) / 8.0).mask(drawn_35_1)).mask(|a| drawn_35_2(a, shift));
        let weights = online.step(s, &mut acc);
        acc += dot(weights, keys.slice::<E>());
    }
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_36<const D: usize>(
    prefixes: PerSequence<i32>,
    k: PagedKeys<f16, D>,
    table: BlockTable,
    scale: f32,
    m: i32,
    lse: RowOutput,
    shift: f32,
    flag: bool,
    wide: i32,
    v: PagedValues<f16, D>,
    n: i32,
    q: Query<f16, D>,
) {
    let lift = shift;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in table.tiles() {
        let keys = k.gather(table, cols);
        let v = v.gather(table, cols);
        let s = scale * (dot(x0, keys.t()));
        let p = softmax.step(s.mask(|place| (((i32::MAX - place.col * i32::MIN) % 16) == (prefixes[place.seq * 2]).div_euclid(7))), &mut sum);
        sum += dot(p, v);
    }
    lse.store(softmax.lse());
}

#[score_function]
fn drawn_37_0(x: f32, _: At, scale: f32) -> f32 {
    x * scale
}

#[attention_kernel]
pub fn drawn_37<T: Element, const D: usize>(
    tree: BitMask,
    ids: PerHead<i32>,
    flag: bool,
    k: Keys<T, D>,
    lse: RowOutput,
    scale: f32,
    v: Values<T, D>,
    worths: PerKey<f32>,
    m: i32,
    before: RowInput,
    n: i32,
    wide: i32,
    q: Query<T, D>,
) {
    const LIMIT: i32 = 55;
    let mut sum = Tile::<Rows, Dim<D>>::zeros();
    let mut softmax = OnlineSoftmax::resume_base2(before);
    let queries = q.tile();
    for block in k.tiles() {
        let v = v.load(block);
        let weights = softmax.step((dot(queries, k.load(block).t())).map(|a, b| drawn_37_0(a, b, scale)), &mut sum);
        sum += dot(weights, v);
    }
    lse.store(softmax.lse_base2());
}

#[attention_kernel]
pub fn drawn_38<T: Element, const D: usize>(
    shift: f32,
    slopes: PerHead<f32>,
    table: BlockTable,
    q: Query<T, D>,
    v: PagedValues<T, D>,
    scale: f32,
    o: Output<T, D>,
    before: RowInput,
    lse: RowOutput,
    k: PagedKeys<T, D>,
) {
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::resume_base2(before);
    let x0 = q.tile();
    for block in table.tiles() {
        let k = k.gather(table, block);
        let weights = online.step((dot(x0, k.t())) * scale, &mut acc);
        let weights = weights * 0.5;
        acc += dot(weights, v.gather(table, block));
    }
    lse.store(online.lse_base2());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_39<T: Element, const D: usize, const E: usize>(
    o: Output<T, E>,
    v: PagedValues<T, E>,
    n: i32,
    table: BlockTable,
    m: i32,
    wide: i32,
    scale: f32,
    k: PagedKeys<T, D>,
    q: Query<T, D>,
) {
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for block in table.tiles() {
        let mut scores = (dot(queries, k.gather(table, block).t())) / 8.0;
        scores = scores.mask(|at| (at.col < (((at.seq).max(-90).min(90) as f32) as i32)));
        let scores: Tile<Rows, Cols> = {
            scores.map(|x, place| x.min(3.0))
        };
        let p = online.step(scores, &mut sum);
        sum += dot(p, v.gather(table, block));
    }
    let result = online.finish(sum);
    o.store(result);
}

/// The seeds, and each kernel on the host.
pub const KERNELS: &[(u64, Host)] = &[
    (0, |a| {
        let args = drawn_0::Args { lse: Field::of(&a[0]), n: Field::of(&a[1]), q: Field::of(&a[2]), wide: Field::of(&a[3]), table: Field::of(&a[4]), v: Field::of(&a[5]), k: Field::of(&a[6]), scale: Field::of(&a[7]), shift: Field::of(&a[8]), m: Field::of(&a[9]) };
        let got = drawn_0::reference::<bf16, 128>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (1, |a| {
        let args = drawn_1::Args { o: Field::of(&a[0]), q: Field::of(&a[1]), k: Field::of(&a[2]), shift: Field::of(&a[3]), ids: Field::of(&a[4]), m: Field::of(&a[5]), lse: Field::of(&a[6]), scale: Field::of(&a[7]), flag: Field::of(&a[8]), slopes: Field::of(&a[9]), worths: Field::of(&a[10]) };
        let got = drawn_1::reference::<bf16, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (2, |a| {
        let args = drawn_2::Args { q: Field::of(&a[0]), before: Field::of(&a[1]), v: Field::of(&a[2]), tree: Field::of(&a[3]), n: Field::of(&a[4]), table: Field::of(&a[5]), k: Field::of(&a[6]), lse: Field::of(&a[7]), o: Field::of(&a[8]), scale: Field::of(&a[9]) };
        let got = drawn_2::reference::<bf16, 224, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (3, |a| {
        let args = drawn_3::Args { scale: Field::of(&a[0]), m: Field::of(&a[1]), other_values: Field::of(&a[2]), wide: Field::of(&a[3]), flag: Field::of(&a[4]), k: Field::of(&a[5]), before: Field::of(&a[6]), q: Field::of(&a[7]), table: Field::of(&a[8]), lse: Field::of(&a[9]) };
        let got = drawn_3::reference::<bf16, 32>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (4, |a| {
        let args = drawn_4::Args { k: Field::of(&a[0]), o: Field::of(&a[1]), ids: Field::of(&a[2]), scale: Field::of(&a[3]), shift: Field::of(&a[4]), slopes: Field::of(&a[5]), wide: Field::of(&a[6]), lse: Field::of(&a[7]), q: Field::of(&a[8]) };
        let got = drawn_4::reference::<f16, 240>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (5, |a| {
        let args = drawn_5::Args { k: Field::of(&a[0]), o: Field::of(&a[1]), q: Field::of(&a[2]), v: Field::of(&a[3]), scale: Field::of(&a[4]), shift: Field::of(&a[5]), lse: Field::of(&a[6]), bias: Field::of(&a[7]) };
        let got = drawn_5::reference::<bf16, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (6, |a| {
        let args = drawn_6::Args { other_keys: Field::of(&a[0]), scale: Field::of(&a[1]), o: Field::of(&a[2]), before: Field::of(&a[3]), k: Field::of(&a[4]), n: Field::of(&a[5]), q: Field::of(&a[6]) };
        let got = drawn_6::reference::<f16, 64>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (7, |a| {
        let args = drawn_7::Args { table: Field::of(&a[0]), shift: Field::of(&a[1]), documents: Field::of(&a[2]), lse: Field::of(&a[3]), v: Field::of(&a[4]), n: Field::of(&a[5]), q: Field::of(&a[6]), o: Field::of(&a[7]), wide: Field::of(&a[8]), k: Field::of(&a[9]), scale: Field::of(&a[10]) };
        let got = drawn_7::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (8, |a| {
        let args = drawn_8::Args { ids: Field::of(&a[0]), scale: Field::of(&a[1]), k: Field::of(&a[2]), prefixes: Field::of(&a[3]), v: Field::of(&a[4]), o: Field::of(&a[5]), documents: Field::of(&a[6]), lse: Field::of(&a[7]), flag: Field::of(&a[8]), q: Field::of(&a[9]), m: Field::of(&a[10]), wide: Field::of(&a[11]) };
        let got = drawn_8::reference::<f16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (9, |a| {
        let args = drawn_9::Args { v: Field::of(&a[0]), scale: Field::of(&a[1]), o: Field::of(&a[2]), table: Field::of(&a[3]), q: Field::of(&a[4]), slopes: Field::of(&a[5]), lse: Field::of(&a[6]), shift: Field::of(&a[7]), documents: Field::of(&a[8]), kinds: Field::of(&a[9]), ids: Field::of(&a[10]), n: Field::of(&a[11]), k: Field::of(&a[12]) };
        let got = drawn_9::reference::<128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (10, |a| {
        let args = drawn_10::Args { wide: Field::of(&a[0]), m: Field::of(&a[1]), q: Field::of(&a[2]), ids: Field::of(&a[3]), o: Field::of(&a[4]), k: Field::of(&a[5]), lse: Field::of(&a[6]), scale: Field::of(&a[7]) };
        let got = drawn_10::reference::<f16, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (11, |a| {
        let args = drawn_11::Args { before: Field::of(&a[0]), o: Field::of(&a[1]), scale: Field::of(&a[2]), lse: Field::of(&a[3]), bias: Field::of(&a[4]), k: Field::of(&a[5]), m: Field::of(&a[6]), other_values: Field::of(&a[7]), wide: Field::of(&a[8]), q: Field::of(&a[9]) };
        let got = drawn_11::reference::<bf16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (12, |a| {
        let args = drawn_12::Args { flag: Field::of(&a[0]), o: Field::of(&a[1]), n: Field::of(&a[2]), lse: Field::of(&a[3]), q: Field::of(&a[4]), wide: Field::of(&a[5]), m: Field::of(&a[6]), k: Field::of(&a[7]), kinds: Field::of(&a[8]), worths: Field::of(&a[9]), slopes: Field::of(&a[10]), scale: Field::of(&a[11]) };
        let got = drawn_12::reference::<f16, 32, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (13, |a| {
        let args = drawn_13::Args { k: Field::of(&a[0]), n: Field::of(&a[1]), q: Field::of(&a[2]), shift: Field::of(&a[3]), scale: Field::of(&a[4]), other_keys: Field::of(&a[5]), m: Field::of(&a[6]), ids: Field::of(&a[7]), documents: Field::of(&a[8]), lse: Field::of(&a[9]), wide: Field::of(&a[10]), o: Field::of(&a[11]) };
        let got = drawn_13::reference::<f16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (14, |a| {
        let args = drawn_14::Args { ids: Field::of(&a[0]), kinds: Field::of(&a[1]), q: Field::of(&a[2]), flag: Field::of(&a[3]), lse: Field::of(&a[4]), wide: Field::of(&a[5]), k: Field::of(&a[6]), slopes: Field::of(&a[7]), scale: Field::of(&a[8]), tree: Field::of(&a[9]), n: Field::of(&a[10]), m: Field::of(&a[11]), v: Field::of(&a[12]) };
        let got = drawn_14::reference::<bf16, 32>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (15, |a| {
        let args = drawn_15::Args { shift: Field::of(&a[0]), k: Field::of(&a[1]), prefixes: Field::of(&a[2]), scale: Field::of(&a[3]), flag: Field::of(&a[4]), table: Field::of(&a[5]), bias: Field::of(&a[6]), v: Field::of(&a[7]), o: Field::of(&a[8]), lifts: Field::of(&a[9]), q: Field::of(&a[10]), slopes: Field::of(&a[11]), documents: Field::of(&a[12]), m: Field::of(&a[13]), lse: Field::of(&a[14]), wide: Field::of(&a[15]) };
        let got = drawn_15::reference::<f16, 64, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (16, |a| {
        let args = drawn_16::Args { kinds: Field::of(&a[0]), scale: Field::of(&a[1]), q: Field::of(&a[2]), v: Field::of(&a[3]), m: Field::of(&a[4]), wide: Field::of(&a[5]), k: Field::of(&a[6]), before: Field::of(&a[7]), lse: Field::of(&a[8]), o: Field::of(&a[9]) };
        let got = drawn_16::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (17, |a| {
        let args = drawn_17::Args { table: Field::of(&a[0]), flag: Field::of(&a[1]), shift: Field::of(&a[2]), lifts: Field::of(&a[3]), scale: Field::of(&a[4]), wide: Field::of(&a[5]), q: Field::of(&a[6]), lse: Field::of(&a[7]), other_values: Field::of(&a[8]), worths: Field::of(&a[9]), k: Field::of(&a[10]) };
        let got = drawn_17::reference::<f16>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (18, |a| {
        let args = drawn_18::Args { q: Field::of(&a[0]), lse: Field::of(&a[1]), k: Field::of(&a[2]), scale: Field::of(&a[3]), wide: Field::of(&a[4]), worths: Field::of(&a[5]), shift: Field::of(&a[6]), flag: Field::of(&a[7]), o: Field::of(&a[8]) };
        let got = drawn_18::reference::<bf16, 32, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (19, |a| {
        let args = drawn_19::Args { scale: Field::of(&a[0]), k: Field::of(&a[1]), lse: Field::of(&a[2]), ids: Field::of(&a[3]), v: Field::of(&a[4]), wide: Field::of(&a[5]), tree: Field::of(&a[6]), o: Field::of(&a[7]), q: Field::of(&a[8]) };
        let got = drawn_19::reference::<f16, 128, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (20, |a| {
        let args = drawn_20::Args { ids: Field::of(&a[0]), v: Field::of(&a[1]), scale: Field::of(&a[2]), q: Field::of(&a[3]), n: Field::of(&a[4]), flag: Field::of(&a[5]), o: Field::of(&a[6]), k: Field::of(&a[7]) };
        let got = drawn_20::reference::<f16>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (21, |a| {
        let args = drawn_21::Args { scale: Field::of(&a[0]), n: Field::of(&a[1]), shift: Field::of(&a[2]), o: Field::of(&a[3]), ids: Field::of(&a[4]), k: Field::of(&a[5]), q: Field::of(&a[6]) };
        let got = drawn_21::reference::<f16, 64>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (22, |a| {
        let args = drawn_22::Args { k: Field::of(&a[0]), tree: Field::of(&a[1]), scale: Field::of(&a[2]), o: Field::of(&a[3]), lse: Field::of(&a[4]), q: Field::of(&a[5]), n: Field::of(&a[6]), wide: Field::of(&a[7]), slopes: Field::of(&a[8]) };
        let got = drawn_22::reference::<bf16, 128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (23, |a| {
        let args = drawn_23::Args { other_keys: Field::of(&a[0]), kinds: Field::of(&a[1]), worths: Field::of(&a[2]), n: Field::of(&a[3]), m: Field::of(&a[4]), o: Field::of(&a[5]), wide: Field::of(&a[6]), lse: Field::of(&a[7]), q: Field::of(&a[8]), scale: Field::of(&a[9]), k: Field::of(&a[10]) };
        let got = drawn_23::reference::<f16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (24, |a| {
        let args = drawn_24::Args { o: Field::of(&a[0]), shift: Field::of(&a[1]), lse: Field::of(&a[2]), q: Field::of(&a[3]), ids: Field::of(&a[4]), flag: Field::of(&a[5]), table: Field::of(&a[6]), wide: Field::of(&a[7]), scale: Field::of(&a[8]), n: Field::of(&a[9]), k: Field::of(&a[10]), v: Field::of(&a[11]), m: Field::of(&a[12]) };
        let got = drawn_24::reference::<f16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (25, |a| {
        let args = drawn_25::Args { slopes: Field::of(&a[0]), prefixes: Field::of(&a[1]), n: Field::of(&a[2]), wide: Field::of(&a[3]), other_values: Field::of(&a[4]), scale: Field::of(&a[5]), o: Field::of(&a[6]), q: Field::of(&a[7]), m: Field::of(&a[8]), v: Field::of(&a[9]), k: Field::of(&a[10]) };
        let got = drawn_25::reference::<bf16, 32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (26, |a| {
        let args = drawn_26::Args { v: Field::of(&a[0]), flag: Field::of(&a[1]), wide: Field::of(&a[2]), scale: Field::of(&a[3]), q: Field::of(&a[4]), k: Field::of(&a[5]), prefixes: Field::of(&a[6]), o: Field::of(&a[7]) };
        let got = drawn_26::reference::<f16, 224, 128>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (27, |a| {
        let args = drawn_27::Args { scale: Field::of(&a[0]), shift: Field::of(&a[1]), wide: Field::of(&a[2]), slopes: Field::of(&a[3]), k: Field::of(&a[4]), o: Field::of(&a[5]), worths: Field::of(&a[6]), m: Field::of(&a[7]), n: Field::of(&a[8]), q: Field::of(&a[9]) };
        let got = drawn_27::reference::<128, 64>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (28, |a| {
        let args = drawn_28::Args { v: Field::of(&a[0]), lse: Field::of(&a[1]), n: Field::of(&a[2]), other_table: Field::of(&a[3]), wide: Field::of(&a[4]), before: Field::of(&a[5]), slopes: Field::of(&a[6]), ids: Field::of(&a[7]), scale: Field::of(&a[8]), earlier: Field::of(&a[9]), q: Field::of(&a[10]), o: Field::of(&a[11]), k: Field::of(&a[12]), table: Field::of(&a[13]) };
        let got = drawn_28::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (29, |a| {
        let args = drawn_29::Args { prefixes: Field::of(&a[0]), k: Field::of(&a[1]), n: Field::of(&a[2]), scale: Field::of(&a[3]), m: Field::of(&a[4]), q: Field::of(&a[5]), lse: Field::of(&a[6]), shift: Field::of(&a[7]) };
        let got = drawn_29::reference::<f16, 160>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (30, |a| {
        let args = drawn_30::Args { lse: Field::of(&a[0]), n: Field::of(&a[1]), table: Field::of(&a[2]), m: Field::of(&a[3]), other_table: Field::of(&a[4]), o: Field::of(&a[5]), wide: Field::of(&a[6]), scale: Field::of(&a[7]), flag: Field::of(&a[8]), k: Field::of(&a[9]), q: Field::of(&a[10]), slopes: Field::of(&a[11]) };
        let got = drawn_30::reference::<bf16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (31, |a| {
        let args = drawn_31::Args { kinds: Field::of(&a[0]), o: Field::of(&a[1]), k: Field::of(&a[2]), q: Field::of(&a[3]), scale: Field::of(&a[4]), m: Field::of(&a[5]), lse: Field::of(&a[6]), other_keys: Field::of(&a[7]) };
        let got = drawn_31::reference::<f16, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (32, |a| {
        let args = drawn_32::Args { o: Field::of(&a[0]), before: Field::of(&a[1]), slopes: Field::of(&a[2]), k: Field::of(&a[3]), lse: Field::of(&a[4]), q: Field::of(&a[5]), earlier: Field::of(&a[6]), m: Field::of(&a[7]), tree: Field::of(&a[8]), scale: Field::of(&a[9]) };
        let got = drawn_32::reference::<f16, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (33, |a| {
        let args = drawn_33::Args { n: Field::of(&a[0]), v: Field::of(&a[1]), q: Field::of(&a[2]), scale: Field::of(&a[3]), k: Field::of(&a[4]), prefixes: Field::of(&a[5]), o: Field::of(&a[6]), wide: Field::of(&a[7]) };
        let got = drawn_33::reference::<bf16, 64>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (34, |a| {
        let args = drawn_34::Args { q: Field::of(&a[0]), v: Field::of(&a[1]), flag: Field::of(&a[2]), slopes: Field::of(&a[3]), table: Field::of(&a[4]), k: Field::of(&a[5]), n: Field::of(&a[6]), wide: Field::of(&a[7]), o: Field::of(&a[8]), scale: Field::of(&a[9]) };
        let got = drawn_34::reference::<64, 256>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (35, |a| {
        let args = drawn_35::Args { documents: Field::of(&a[0]), k: Field::of(&a[1]), other_values: Field::of(&a[2]), n: Field::of(&a[3]), worths: Field::of(&a[4]), scale: Field::of(&a[5]), lifts: Field::of(&a[6]), q: Field::of(&a[7]), prefixes: Field::of(&a[8]), o: Field::of(&a[9]), ids: Field::of(&a[10]), shift: Field::of(&a[11]) };
        let got = drawn_35::reference::<bf16, 128, 128>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (36, |a| {
        let args = drawn_36::Args { prefixes: Field::of(&a[0]), k: Field::of(&a[1]), table: Field::of(&a[2]), scale: Field::of(&a[3]), m: Field::of(&a[4]), lse: Field::of(&a[5]), shift: Field::of(&a[6]), flag: Field::of(&a[7]), wide: Field::of(&a[8]), v: Field::of(&a[9]), n: Field::of(&a[10]), q: Field::of(&a[11]) };
        let got = drawn_36::reference::<32>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (37, |a| {
        let args = drawn_37::Args { tree: Field::of(&a[0]), ids: Field::of(&a[1]), flag: Field::of(&a[2]), k: Field::of(&a[3]), lse: Field::of(&a[4]), scale: Field::of(&a[5]), v: Field::of(&a[6]), worths: Field::of(&a[7]), m: Field::of(&a[8]), before: Field::of(&a[9]), n: Field::of(&a[10]), wide: Field::of(&a[11]), q: Field::of(&a[12]) };
        let got = drawn_37::reference::<f16, 32>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (38, |a| {
        let args = drawn_38::Args { shift: Field::of(&a[0]), slopes: Field::of(&a[1]), table: Field::of(&a[2]), q: Field::of(&a[3]), v: Field::of(&a[4]), scale: Field::of(&a[5]), o: Field::of(&a[6]), before: Field::of(&a[7]), lse: Field::of(&a[8]), k: Field::of(&a[9]) };
        let got = drawn_38::reference::<f16, 128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (39, |a| {
        let args = drawn_39::Args { o: Field::of(&a[0]), v: Field::of(&a[1]), n: Field::of(&a[2]), table: Field::of(&a[3]), m: Field::of(&a[4]), wide: Field::of(&a[5]), scale: Field::of(&a[6]), k: Field::of(&a[7]), q: Field::of(&a[8]) };
        let got = drawn_39::reference::<f16, 32, 80>(&args)?;
        Ok(vec![("o", got.o)])
    }),
];
