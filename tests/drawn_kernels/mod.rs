//! Kernels that `tests/programs` draws, for rustc: made, and never changed by hand. `random_programs.rs` says how.
#![allow(unused, double_negations, clippy::all)]

use super::programs::host::{Field, Host};
use flashpage::prelude::*;

#[attention_kernel]
pub fn drawn_1<T: Element, const D: usize>(
    lse: RowOutput,
    scale: f32,
    m: i32,
    flag: bool,
    o: Output<T, D>,
    k: Keys<T, D>,
    q: Query<T, D>,
    documents: PerKey<i32>,
    shift: f32,
    ids: PerHead<i32>,
    n: i32,
) {
    const LIMIT: i32 = 8;
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
    o: Output<T, E>,
    v: PagedValues<T, E>,
    table: BlockTable,
    k: PagedKeys<T, D>,
    lse: RowOutput,
    m: i32,
    scale: f32,
    q: Query<T, D>,
) {
    let reach = (m) % 100;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in table.tiles() {
        let keys = k.gather(table, cols);
        let scores = (dot(x0, keys.t())).map(|x, _| x * scale);
        let scores = scores.map(|score, place| (((score).abs() + ((((((70i32 * 3) + place.q_len)) % 50) as f32 * 0.02) - score)) + (((15i32) % 50) as f32 * 0.02)));
        let weights = softmax.step(scores, &mut sum);
        sum += dot(weights, v.gather(table, cols));
    }
    o.store(softmax.finish(sum));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_4<T: Element, const D: usize>(
    ids: PerHead<i32>,
    flag: bool,
    k: Keys<T, D>,
    q: Query<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
    scale: f32,
) {
    let reach: i32 = (((39i32 % 5)).min((-73i32))).max(-50).min(80);
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let keys = k.load(block);
        let v = keys;
        let p = online.step((dot(keys, x0.t()).t()) * scale, &mut acc);
        acc += dot(p, v);
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_5<T: Element, const D: usize>(
    q: Query<T, D>,
    scale: f32,
    n: i32,
    lse: RowOutput,
    tree: BitMask,
    v: Values<T, D>,
    o: Output<T, D>,
    k: Keys<T, D>,
    shift: f32,
) {
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    let mut sum = Tile::<Rows, Dim<D>>::zeros();
    for block in k.tiles() {
        let mut scores = (dot(x0, k.load(block).t())) * scale;
        let scores = ((1.0 * scores).mask(|at| ((((2 * at.col <= at.row + n) && ((at.row - at.col) % (-7) == 4)) == ((at.row >= at.col - n) || (at.row <= at.row))) && select((at.row - at.col < 57), (at.col <= (at.query * (-2))), ((at.row / 5 + 0 > at.col) || tree.at(at.query, at.col)))))).map(|score, place| (score * 0.25).tanh() * 4.0);
        let weights = online.step(scores * 0.625, &mut sum);
        sum += dot(weights, v.load(block));
    }
    lse.store(online.lse());
    let result = online.finish(sum);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_7<T: Element>(
    table: BlockTable,
    kinds: PerQuery<i32>,
    ids: PerHead<i32>,
    lse: RowOutput,
    v: PagedValues<T, 32>,
    n: i32,
    q: Query<T, 32>,
    o: Output<T, 32>,
    shift: f32,
    k: PagedKeys<T, 32>,
    scale: f32,
    slopes: PerHead<f32>,
    m: i32,
) {
    let q = q.tile();
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    for block in table.tiles() {
        let values = v.gather(table, block);
        let s: Tile<Rows, Cols> = {
            scale * (dot(q, k.gather(table, block).t()))
        };
        let weights = online.step(s.map(|x, place| (if (place.row - place.col < m) { x } else { (((shift * 0.03125)).abs() + 1.0).ln() })), &mut acc);
        acc += dot(values.t(), weights.t()).t();
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_8<T: Element>(
    tree: BitMask,
    k: Keys<T, 224>,
    m: i32,
    n: i32,
    o: Output<T, 224>,
    lse: RowOutput,
    v: Values<T, 224>,
    q: Query<T, 224>,
    kinds: PerQuery<i32>,
    flag: bool,
    scale: f32,
) {
    let reach = (((m + 58i32)).rem_euclid(-5)) % 100;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let v = v.load(cols);
        let mut scores = (dot(x0, k.load(cols).t())) * scale;
        let scores = scores.map(|x, place| (((((((((place.col) ^ 21) - (if (place.row / (-7) + 4 <= place.col) { place.row } else { place.row }))) % 50) as f32 * 0.02)).sin() * ((((place.kv_len * (-2))) % 50) as f32 * 0.02)) + (((((place.col) % 50) as f32 * 0.02)).abs() + ((x).min(1.0)).exp2())));
        let p = softmax.step(scores, &mut acc);
        let more = dot(p.t().t(), v);
        acc += more;
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_10<T: Element, const E: usize>(
    lse: RowOutput,
    k: Keys<T, 48>,
    scale: f32,
    q: Query<T, 48>,
    shift: f32,
    o: Output<T, E>,
    ids: PerHead<i32>,
) {
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    let mut sum = Tile::zeros();
    for cols in k.tiles() {
        let mut s = (dot(x0, k.load(cols).t())).map(|x, _| x * scale);
        s = s.map(|x, at| (((-x) + (-x)) * (-1.125)));
        let p = softmax.step(s, &mut sum);
        sum += dot(p, k.load(cols).slice::<E>());
    }
    let result = softmax.finish(sum);
    o.store(result);
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_11<T: Element>(
    scale: f32,
    lse: RowOutput,
    q: Query<T, 32>,
    k: Keys<T, 32>,
    o: Output<T, 32>,
    other_values: Values<T, 32>,
) {
    let mut acc = Tile::<Rows, Dim<32>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let q = q.tile();
    for cols in k.tiles() {
        let k = k.load(cols);
        let weights = softmax.step((dot(q, k.t())) * scale, &mut acc);
        acc += dot(weights, k);
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_13<T: Element, const D: usize>(
    scale: f32,
    weights: PerKey<f32>,
    k: Keys<T, D>,
    lse: RowOutput,
    q: Query<T, D>,
    bias: Bias<bf16>,
    other_keys: Keys<T, D>,
    o: Output<T, D>,
    flag: bool,
    slopes: PerHead<f32>,
    n: i32,
) {
    const LIMIT: i32 = 61;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for block in other_keys.tiles() {
        let mut scores = (((scale * (dot(q, k.load(block).t()))).map(|score, place| ((if ((!(place.col > place.row + LIMIT) && (place.row >= place.col - LIMIT)) && ((place.row).abs() != (n - 75i32))) { (score + score) } else { { let y = score; if y > -1.25 { y } else { -1.25 + (y - -1.25) * 0.25 } } }) * (-0.75)))).mask(|at| ((at.row - at.col) % 2 < 0))).mask(|place| ((((flag as i32)).max(80i32) - ((place.row) | 5)) <= (10i32 - place.row)));
        let weights = online.step(scores, &mut acc);
        acc += dot(weights, k.load(block));
    }
    lse.store(online.lse());
    let result = online.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_14<T: Element, const D: usize>(
    n: i32,
    v: Values<T, D>,
    m: i32,
    k: Keys<T, D>,
    slopes: PerHead<f32>,
    scale: f32,
    q: Query<T, D>,
    lse: RowOutput,
) {
    let reach = (m) % 100;
    let lift = ((22i32).max(-90).min(90) as f32);
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let v = v.load(cols);
        let keys = k.load(cols);
        let mut s = (dot(x0, keys.t())) * scale;
        let mut s = 0.375 * s;
        let mut s = ((s.mask(|place| (((place.col).signum() < (m - 24i32)) || (place.col >= n)))).mask(|place| (place.col <= place.row))).mask(|at| ((at.col >= 47) && (at.col / 3 > at.row / 3)));
        let weights = softmax.step(s, &mut acc);
        acc += dot(weights, v);
    }
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_16<T: Element>(
    slopes: PerHead<f32>,
    scale: f32,
    bias: Bias<bf16>,
    v: Values<T, 64>,
    n: i32,
    m: i32,
    k: Keys<T, 64>,
    lse: RowOutput,
    o: Output<T, 64>,
    q: Query<T, 64>,
) {
    let reach = ((n).div_euclid(7)) % 100;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for block in k.tiles() {
        let s = scale * (dot(k.load(block), q.t()).t());
        let mut s = s.map(|score, place| ((((slopes[place.head] * bias.at(place.head, place.query, place.col)) + ((score).min(1.0)).exp2()) + (((score).min(1.0)).exp2() + { let y = score; if y > 0.25 { y } else { 0.25 + (y - 0.25) * 0.25 } })) * 0.5));
        let s: Tile<Rows, Cols> = {
            (s.map(|score, at| (-1.125f32 / (1.5 + (-1.125f32).abs())))).map(|x, at| (if (((at.row - at.col) % 2 < 0) || (at.col <= (at.seq).max(n))) { ((((x).abs() + 0.5).powf(-0.5)).abs() + 1.0).log2() } else { ((-1.25f32).abs() * (1.0)) }))
        };
        let p = online.step(s, &mut acc);
        let more = dot(p.t().t(), v.load(block));
        acc += more;
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_17<T: Element>(
    scale: f32,
    tree: BitMask,
    table: BlockTable,
    other_values: PagedValues<T, 64>,
    slopes: PerHead<f32>,
    k: PagedKeys<T, 64>,
    prefixes: PerSequence<i32>,
    lse: RowOutput,
    q: Query<T, 64>,
    flag: bool,
) {
    const LIMIT: i32 = 28;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for cols in table.tiles() {
        let k = k.gather(table, cols);
        let mut scores = (dot(k, queries.t()).t()) * scale;
        scores = scores.mask(|place| (slopes[place.head] * 4.0 < 0.3));
        let weights = online.step(scores.mask(|place| ((place.col - 40) / (-7) <= 0)), &mut sum);
        sum += dot(weights, k);
    }
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_19<T: Element, const D: usize, const E: usize>(
    scale: f32,
    q: Query<T, D>,
    v: Values<T, E>,
    o: Output<T, E>,
    n: i32,
    lse: RowOutput,
    k: Keys<T, D>,
) {
    const LIMIT: i32 = 32;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let keys = k.load(cols);
        let s: Tile<Rows, Cols> = {
            (((dot(queries.t().t().t(), keys.t())) * scale).mask(|at| (false || ((at.row - at.col) % 5 == 0)))).map(|x, place| x.min(3.0))
        };
        let p = online.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_20<T: Element>(
    q: Query<T, 64>,
    scale: f32,
    o: Output<f16, 64>,
    m: i32,
    v: Values<T, 64>,
    ids: PerHead<i32>,
    kinds: PerQuery<i32>,
    k: Keys<T, 64>,
) {
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile().t();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let k = k.load(cols);
        let mut s = (dot(queries.t(), k.t())) * scale;
        let mut s = (s.mask(|place| ((if ((place.row).abs() > 97i32) { m } else { (m + place.seq) }) == (place.query - m)))).mask(|at| ((((at.q_len).max(-90).min(90) as f32)).clamp(-20.0, 30.5) <= 0.125f32));
        let weights = softmax.step(s, &mut acc);
        acc += dot(weights, v.load(cols));
    }
    let result = softmax.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_22<T: Element, const D: usize>(
    ids: PerHead<i32>,
    lse: RowOutput,
    m: i32,
    o: Output<T, D>,
    documents: PerKey<i32>,
    scale: f32,
    k: Keys<T, D>,
    q: Query<T, D>,
) {
    let reach = ((29i32 / 16)) % 100;
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for tile in k.tiles() {
        let values = k.load(tile);
        let mut s = scale * (dot(queries.t().t(), k.load(tile).t()));
        let weights = online.step(s, &mut acc);
        acc += dot(values.t(), weights.t()).t();
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_23<T: Element>(
    n: i32,
    kinds: PerQuery<i32>,
    tree: BitMask,
    shift: f32,
    scale: f32,
    o: Output<T, 240>,
    lse: RowOutput,
    other_keys: Keys<T, 240>,
    q: Query<T, 240>,
    k: Keys<T, 240>,
    weights: PerKey<f32>,
) {
    let reach: i32 = (((2.75f32).floor() as i32)).max(-50).min(80);
    const LIMIT: i32 = 36;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile().t();
    for cols in other_keys.tiles() {
        let keys = k.load(cols);
        let values = keys;
        let s = (scale * (dot(q.t(), keys.t()))).mask(|at| ((at.row / 3 + 4 <= at.col) && (at.row % 3 != at.col % 3)));
        let s: Tile<Rows, Cols> = {
            s.map(|x, place| (x * 0.25).tanh() * 4.0)
        };
        let weights = online.step(s.map(|x, place| (shift * (1.5))), &mut acc);
        acc += dot(weights, values);
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_25<T: Element, const D: usize>(
    ids: PerHead<i32>,
    other_values: Values<T, D>,
    q: Query<T, D>,
    k: Keys<T, D>,
    flag: bool,
    m: i32,
    scale: f32,
    v: Values<T, D>,
    o: Output<T, D>,
) {
    let reach: i32 = (m).max(-50).min(80);
    const LIMIT: i32 = 47;
    let lift = ((LIMIT).max(-90).min(90) as f32);
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for block in k.tiles() {
        let s: Tile<Rows, Cols> = {
            (dot(queries.t(), k.load(block).t())) * scale
        };
        let p = online.step(s.mask(|place| (place.col == place.row)), &mut sum);
        let more = dot(p.t().t(), v.load(block));
        sum += more;
    }
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_26<T: Element, const D: usize, const E: usize>(
    slopes: PerHead<f32>,
    q: Query<T, D>,
    o: Output<T, E>,
    v: Values<T, E>,
    k: Keys<T, D>,
    scale: f32,
    documents: PerKey<i32>,
) {
    let lift = ((62i32).max(-90).min(90) as f32);
    let mut sum = Tile::<Rows, Dim<E>>::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile().t();
    for cols in k.tiles() {
        let scores = ((dot(q.t(), k.load(cols).t())) / 8.0).map(|x, place| (if ((place.row - place.col) % (-7) < 2) { (if ((((place.row * place.col) % 5 <= 4) || (place.col == place.row)) && !(place.col + 78 > place.row)) { x } else { (if (lift <= select((place.col < 31), -0.625f32, lift)) { ((((select((slopes[place.col - 1] * 4.0 < 0.3), place.col, place.col)).min(90).max(-90).pow(2)) % 50) as f32 * 0.02) } else { x }) }) } else { (if (2 * place.col <= place.row + 23) { (x).abs() } else { (x).abs() }) }));
        let scores = (scores.map(|score, at| score)).mask(|at| (if (at.row - at.col < 7) { ((at.col + 21 > at.row) && (at.col <= at.row)) } else { (select((at.row == (at.query % 5)), (if (slopes[at.head] * 4.0 < 1.1) { at.kv_len } else { 47i32 }), 47i32) != (at.head / 7)) }));
        let p = online.step(scores.mask(|at| ((at.col - 40) / 3 > 3)), &mut sum);
        sum += dot(v.load(cols).t(), p.t()).t();
    }
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_28<T: Element>(
    m: i32,
    slopes: PerHead<f32>,
    k: PagedKeys<T, 176>,
    scale: f32,
    o: Output<f16, 176>,
    q: Query<T, 176>,
    v: PagedValues<T, 176>,
    other_table: BlockTable,
    table: BlockTable,
    n: i32,
    lse: RowOutput,
) {
    const LIMIT: i32 = 32;
    let mut acc = Tile::<Rows, Dim<176>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in table.tiles() {
        let v = v.gather(table, tile);
        let s: Tile<Rows, Cols> = {
            ((dot(x0, k.gather(table, tile).t())) * scale).map(|score, at| ((((({ let held = LIMIT; held + 1 }).max(-90).min(90) as f32) * 0.03125)).abs() + 0.5).powf(-0.5))
        };
        let weights = softmax.step(s, &mut acc);
        acc += dot(weights, v);
    }
    lse.store(softmax.lse());
    let result = softmax.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_29<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    scale: f32,
    shift: f32,
    tree: BitMask,
    m: i32,
    lse: RowOutput,
    flag: bool,
) {
    const LIMIT: i32 = 9;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let keys = k.load(block);
        let values = keys;
        let s: Tile<Rows, Cols> = {
            (dot(keys, x0.t()).t()) / 8.0
        };
        let p = softmax.step(s.mask(|at| (at.row % 3 == at.col % 3)), &mut acc);
        acc += dot(p, values);
    }
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_31<T: Element, const D: usize>(
    shift: f32,
    o: Output<f32, 64>,
    k: Keys<T, D>,
    q: Query<T, D>,
    scale: f32,
    n: i32,
    lse: RowOutput,
    other_keys: Keys<T, D>,
    bias: Bias<T>,
) {
    let lift = shift;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let q = q.tile();
    for cols in other_keys.tiles() {
        let s: Tile<Rows, Cols> = {
            ((dot(q, k.load(cols).t())).map(|x, _| x * scale)).mask(|place| true)
        };
        let s: Tile<Rows, Cols> = {
            s.mask(|place| !(place.row - place.col < 13))
        };
        let s = s.map(|score, at| (score * 0.25).tanh() * 4.0);
        let s = s.mask(|at| !(at.row == at.row));
        let weights = softmax.step(s, &mut sum);
        sum += dot(weights, k.load(cols).slice::<64>());
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(sum));
}

#[attention_kernel]
pub fn drawn_32<T: Element, const E: usize>(
    k: Keys<T, 64>,
    lse: RowOutput,
    scale: f32,
    ids: PerHead<i32>,
    n: i32,
    q: Query<T, 64>,
    o: Output<T, E>,
    m: i32,
) {
    const LIMIT: i32 = 7;
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
    ids: PerHead<i32>,
    q: Query<f16, D>,
    m: i32,
    k: PagedKeys<f16, D>,
    slopes: PerHead<f32>,
    weights: PerKey<f32>,
    table: BlockTable,
    scale: f32,
    documents: PerKey<i32>,
    o: Output<bf16, E>,
    v: PagedValues<f16, E>,
) {
    let queries = q.tile();
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    for tile in table.tiles() {
        let keys = k.gather(table, tile);
        let s: Tile<Rows, Cols> = {
            (dot(queries, keys.t())) / 8.0
        };
        let s = s.mask(|at| ((at.col - 40) / 5 == 1));
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, tile));
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_35<T: Element, const D: usize, const E: usize>(
    lifts: PerQuery<f32>,
    k: Keys<T, D>,
    other_values: Values<T, E>,
    n: i32,
    documents: PerKey<i32>,
    scale: f32,
    kinds: PerQuery<i32>,
    q: Query<T, D>,
    bias: Bias<bf16>,
    o: Output<T, E>,
    shift: f32,
    m: i32,
) {
    let reach = (m) % 100;
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
    scale: f32,
    v: Values<T, D>,
    n: i32,
    prefixes: PerSequence<i32>,
    weights: PerKey<f32>,
    q: Query<T, D>,
    lse: RowOutput,
    k: Keys<T, D>,
    slopes: PerHead<f32>,
    m: i32,
) {
    let reach: i32 = (m).max(-50).min(80);
    const LIMIT: i32 = 62;
    let lift = 1.75f32;
    let mut sum = Tile::<Rows, Dim<D>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for block in k.tiles() {
        let v = v.load(block);
        let weights = softmax.step((dot(queries, k.load(block).t())).map(|x, _| x * scale), &mut sum);
        sum += dot(weights, v);
    }
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_38<T: Element, const D: usize>(
    n: i32,
    shift: f32,
    table: BlockTable,
    ids: PerHead<i32>,
    v: PagedValues<T, D>,
    scale: f32,
    o: Output<T, D>,
    lse: RowOutput,
    k: PagedKeys<T, D>,
    q: Query<T, D>,
) {
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in table.tiles() {
        let k = k.gather(table, block);
        let weights = online.step((dot(x0, k.t())) * scale, &mut acc);
        acc += dot(weights, v.gather(table, block));
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_40<T: Element, const D: usize, const E: usize>(
    table: BlockTable,
    lse: RowOutput,
    q: Query<T, D>,
    n: i32,
    v: PagedValues<T, E>,
    scale: f32,
    kinds: PerQuery<i32>,
    k: PagedKeys<T, D>,
) {
    let q = q.tile();
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    for cols in table.tiles() {
        let values = v.gather(table, cols);
        let mut scores = (dot(k.gather(table, cols), q.t()).t()) * scale;
        let scores: Tile<Rows, Cols> = {
            scores.mask(|place| !(place.col > place.row + 15))
        };
        let scores = scores.map(|x, place| x.min(3.0));
        let scores = scores.mask(|place| ((select(((-2.125f32 + ((place.col).max(-90).min(90) as f32)) <= -0.625f32), (place.row >= place.col - n), ((place.row - place.col) % 3 != 2)) == ((place.row / 5 + 3 <= place.col) == (((n).abs() + (-place.row)) != (place.q_len).min(place.row)))) == (((place.col >= n) || (place.row % 5 <= place.col % 5)) && (place.col >= (place.row).min(n)))));
        let mut scores = scores.mask(|place| (place.col <= (46i32 - 80i32)));
        let weights = online.step(scores, &mut sum);
        let more = dot(weights.t().t(), values);
        sum += more;
    }
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_41<T: Element, const D: usize>(
    scale: f32,
    o: Output<T, D>,
    lse: RowOutput,
    k: Keys<T, D>,
    documents: PerKey<i32>,
    ids: PerHead<i32>,
    q: Query<T, D>,
) {
    let lift = -1.625f32;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for block in k.tiles() {
        let v = k.load(block);
        let keys = k.load(block);
        let s = (dot(queries, keys.t()).t().t()).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 });
        let p = softmax.step(s.mask(|at| (-0.25f32 > select(((-(80i32 + at.col)) >= (at.col).clamp(-40, 70)), ((91i32).max(-90).min(90) as f32), 1.75f32))), &mut acc);
        acc += dot(p, v);
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_43<T: Element, const D: usize>(
    ids: PerHead<i32>,
    o: Output<T, D>,
    flag: bool,
    slopes: PerHead<f32>,
    k: Keys<T, D>,
    q: Query<T, D>,
    scale: f32,
    m: i32,
) {
    let reach = ((if (((flag as i32) - { let held = 82i32; held + 0 }) < m) { (18i32 % 7) } else { 50i32 })) % 100;
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for cols in k.tiles() {
        let v = k.load(cols);
        let k = k.load(cols);
        let mut scores = (dot(q, k.t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 });
        let mut scores = scores.map(|score, place| ((score).min(1.0)).exp());
        let mut scores = (scores.map(|x, at| ((x).min(1.0)).exp())) * 0.5;
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
    flag: bool,
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
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_46<T: Element, const D: usize, const E: usize>(
    scale: f32,
    n: i32,
    o: Output<T, E>,
    q: Query<T, D>,
    lse: RowOutput,
    shift: f32,
    k: Keys<T, D>,
    m: i32,
    slopes: PerHead<f32>,
) {
    let reach: i32 = ((9i32 * (-2))).max(-50).min(80);
    let mut sum = Tile::<Rows, Dim<E>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let s = scale * (dot(x0, k.load(tile).t()));
        let s = (s.map(|score, place| { let y = (score).min(((score).min(1.0)).exp2()); if y > -1.5 { y } else { -1.5 + (y - -1.5) * 0.25 } })).map(|x, at| select((select(!!(at.col > at.row + reach), (at.row - 76i32), 25i32) >= reach), ((((((((reach * (-1)) * 3)) % 50) as f32 * 0.02)).min(1.0)).exp2() * (0.25)), (((((0.0f32 * 2.0) * 0.03125)).abs() + 1.0).ln() / (1.5 + (((((0.0f32 * 2.0) * 0.03125)).abs() + 1.0).ln()).abs()))));
        let weights = online.step(s, &mut sum);
        let more = dot(weights.t().t(), k.load(tile).slice::<E>());
        sum += more;
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_47<T: Element, const D: usize>(
    k: Keys<T, D>,
    flag: bool,
    m: i32,
    q: Query<T, D>,
    scale: f32,
    ids: PerHead<i32>,
    n: i32,
    o: Output<T, D>,
) {
    let reach = ((89i32 - (-27i32))) % 100;
    const LIMIT: i32 = 22;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let scores: Tile<Rows, Cols> = {
            (dot(x0, k.load(cols).t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 })
        };
        let weights = softmax.step((scores.mask(|place| ((place.col - (ids[place.head]).max(LIMIT)) < 74i32))).map(|x, place| if ((place.col <= place.row) || !(place.col > place.row + 68)) { x } else { x * 0.5 - 1.0 }), &mut acc);
        acc += dot(weights, k.load(cols));
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_49<const D: usize>(
    other_keys: Keys<bf16, D>,
    slopes: PerHead<f32>,
    scale: f32,
    o: Output<bf16, D>,
    q: Query<bf16, D>,
    lse: RowOutput,
    shift: f32,
    ids: PerHead<i32>,
    lifts: PerQuery<f32>,
    v: Values<bf16, D>,
    k: Keys<bf16, D>,
) {
    let reach: i32 = (47i32).max(-50).min(80);
    const LIMIT: i32 = 38;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let v = v.load(block);
        let keys = k.load(block);
        let s = (scale * (dot(x0, keys.t()))) - 1.25;
        let s = s.mask(|place| (place.col >= 23));
        let s = 1.25 * s;
        let s: Tile<Rows, Cols> = {
            s.mask(|place| (place.col < LIMIT))
        };
        let weights = online.step(s, &mut sum);
        sum += dot(v.t(), weights.t()).t();
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_50<T: Element, const D: usize>(
    v: Values<T, D>,
    scale: f32,
    q: Query<T, D>,
    m: i32,
    ids: PerHead<i32>,
    n: i32,
    lse: RowOutput,
    o: Output<T, D>,
    k: Keys<T, D>,
    slopes: PerHead<f32>,
) {
    const LIMIT: i32 = 11;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for cols in k.tiles() {
        let keys = k.load(cols);
        let weights = softmax.step((dot(queries.t().t(), keys.t())) * scale, &mut sum);
        sum += dot(weights, v.load(cols));
    }
    o.store(softmax.finish(sum));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_52<T: Element, const D: usize, const E: usize>(
    k: Keys<T, D>,
    scale: f32,
    q: Query<T, D>,
    lse: RowOutput,
    tree: BitMask,
    n: i32,
    flag: bool,
    shift: f32,
    slopes: PerHead<f32>,
    o: Output<T, E>,
    ids: PerHead<i32>,
) {
    const LIMIT: i32 = 0;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let k = k.load(cols);
        let v = k.slice::<E>();
        let mut scores = scale * (dot(queries.t().t().t(), k.t()));
        let weights = online.step(scores.mask(|place| (if flag { tree.at(place.query, place.col) } else { (slopes[place.head] * 4.0 < 0.3) })), &mut sum);
        sum += dot(weights, v);
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_53<T: Element, const D: usize, const E: usize>(
    n: i32,
    shift: f32,
    scale: f32,
    other_keys: Keys<T, D>,
    o: Output<T, E>,
    k: Keys<T, D>,
    q: Query<T, D>,
    lifts: PerQuery<f32>,
) {
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    let mut acc = Tile::<Rows, Dim<E>>::zeros();
    for block in k.tiles() {
        let s = (dot(queries, k.load(block).t()).t().t()) * scale;
        let s = s.mask(|at| (((true && false) && (2.875f32 >= (((n).max(-90).min(90) as f32)).ceil())) && (((n - { let part = at.row; part + 8 }) <= (33i32).div_euclid(7)) && ((at.col / 16 != at.row / 16) != ((-1.25f32).max(shift) > 1.75f32)))));
        let p = online.step((s.mask(|at| ((lifts[at.query] * 4.0 < 0.3) == (at.col == at.row)))).mask(|place| ((place.col % (-4)) > place.q_len)), &mut acc);
        acc += dot(p, k.load(block).slice::<E>());
    }
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_55(
    lse: RowOutput,
    v: Values<bf16, 64>,
    scale: f32,
    o: Output<bf16, 64>,
    k: Keys<bf16, 64>,
    lifts: PerQuery<f32>,
    q: Query<bf16, 64>,
) {
    let q = q.tile();
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    for cols in k.tiles() {
        let k = k.load(cols);
        let mut scores = (((dot(k, q.t()).t()).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 })).mask(|at| !(at.col > at.row + 73))).map(|score, at| score.min(1.0).exp());
        let weights = softmax.step(scores, &mut sum);
        sum += dot(weights, v.load(cols));
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(sum));
}

#[attention_kernel]
pub fn drawn_56<T: Element, const D: usize>(
    lse: RowOutput,
    slopes: PerHead<f32>,
    o: Output<T, D>,
    k: Keys<T, D>,
    scale: f32,
    m: i32,
    bias: Bias<T>,
    shift: f32,
    q: Query<T, D>,
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
            scores.mask(|at| ((at.row * at.col) % 3 == 2))
        };
        let weights = online.step(scores, &mut sum);
        sum += dot(weights, keys);
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_58<const E: usize>(
    k: Keys<bf16, 32>,
    slopes: PerHead<f32>,
    q: Query<bf16, 32>,
    n: i32,
    flag: bool,
    m: i32,
    scale: f32,
    o: Output<bf16, E>,
    lifts: PerQuery<f32>,
) {
    const LIMIT: i32 = 31;
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
    k: PagedKeys<T, D>,
    o: Output<f16, D>,
    table: BlockTable,
    n: i32,
    scale: f32,
    q: Query<T, D>,
    documents: PerKey<i32>,
    v: PagedValues<T, D>,
    tree: BitMask,
    shift: f32,
    kinds: PerQuery<i32>,
    m: i32,
) {
    let reach: i32 = ((((n) ^ 21) * (-2))).max(-50).min(80);
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in table.tiles() {
        let s: Tile<Rows, Cols> = {
            (dot(x0, k.gather(table, tile).t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 })
        };
        let s = s.mask(|place| (place.row - place.col < 11));
        let mut s = s.map(|x, at| { let y = x + 0.5; y * 0.5 });
        let p = softmax.step(s, &mut sum);
        sum += dot(p, v.gather(table, tile));
    }
    let result = softmax.finish(sum);
    o.store(result);
}

/// The seeds, and each kernel on the host.
pub const KERNELS: &[(u64, Host)] = &[
    (1, |a| {
        let args = drawn_1::Args { lse: Field::of(&a[0]), scale: Field::of(&a[1]), m: Field::of(&a[2]), flag: Field::of(&a[3]), o: Field::of(&a[4]), k: Field::of(&a[5]), q: Field::of(&a[6]), documents: Field::of(&a[7]), shift: Field::of(&a[8]), ids: Field::of(&a[9]), n: Field::of(&a[10]) };
        let got = drawn_1::reference::<bf16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (2, |a| {
        let args = drawn_2::Args { o: Field::of(&a[0]), v: Field::of(&a[1]), table: Field::of(&a[2]), k: Field::of(&a[3]), lse: Field::of(&a[4]), m: Field::of(&a[5]), scale: Field::of(&a[6]), q: Field::of(&a[7]) };
        let got = drawn_2::reference::<bf16, 224, 128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (4, |a| {
        let args = drawn_4::Args { ids: Field::of(&a[0]), flag: Field::of(&a[1]), k: Field::of(&a[2]), q: Field::of(&a[3]), o: Field::of(&a[4]), lse: Field::of(&a[5]), scale: Field::of(&a[6]) };
        let got = drawn_4::reference::<f16, 240>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (5, |a| {
        let args = drawn_5::Args { q: Field::of(&a[0]), scale: Field::of(&a[1]), n: Field::of(&a[2]), lse: Field::of(&a[3]), tree: Field::of(&a[4]), v: Field::of(&a[5]), o: Field::of(&a[6]), k: Field::of(&a[7]), shift: Field::of(&a[8]) };
        let got = drawn_5::reference::<bf16, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (7, |a| {
        let args = drawn_7::Args { table: Field::of(&a[0]), kinds: Field::of(&a[1]), ids: Field::of(&a[2]), lse: Field::of(&a[3]), v: Field::of(&a[4]), n: Field::of(&a[5]), q: Field::of(&a[6]), o: Field::of(&a[7]), shift: Field::of(&a[8]), k: Field::of(&a[9]), scale: Field::of(&a[10]), slopes: Field::of(&a[11]), m: Field::of(&a[12]) };
        let got = drawn_7::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (8, |a| {
        let args = drawn_8::Args { tree: Field::of(&a[0]), k: Field::of(&a[1]), m: Field::of(&a[2]), n: Field::of(&a[3]), o: Field::of(&a[4]), lse: Field::of(&a[5]), v: Field::of(&a[6]), q: Field::of(&a[7]), kinds: Field::of(&a[8]), flag: Field::of(&a[9]), scale: Field::of(&a[10]) };
        let got = drawn_8::reference::<f16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (10, |a| {
        let args = drawn_10::Args { lse: Field::of(&a[0]), k: Field::of(&a[1]), scale: Field::of(&a[2]), q: Field::of(&a[3]), shift: Field::of(&a[4]), o: Field::of(&a[5]), ids: Field::of(&a[6]) };
        let got = drawn_10::reference::<f16, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (11, |a| {
        let args = drawn_11::Args { scale: Field::of(&a[0]), lse: Field::of(&a[1]), q: Field::of(&a[2]), k: Field::of(&a[3]), o: Field::of(&a[4]), other_values: Field::of(&a[5]) };
        let got = drawn_11::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (13, |a| {
        let args = drawn_13::Args { scale: Field::of(&a[0]), weights: Field::of(&a[1]), k: Field::of(&a[2]), lse: Field::of(&a[3]), q: Field::of(&a[4]), bias: Field::of(&a[5]), other_keys: Field::of(&a[6]), o: Field::of(&a[7]), flag: Field::of(&a[8]), slopes: Field::of(&a[9]), n: Field::of(&a[10]) };
        let got = drawn_13::reference::<f16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (14, |a| {
        let args = drawn_14::Args { n: Field::of(&a[0]), v: Field::of(&a[1]), m: Field::of(&a[2]), k: Field::of(&a[3]), slopes: Field::of(&a[4]), scale: Field::of(&a[5]), q: Field::of(&a[6]), lse: Field::of(&a[7]) };
        let got = drawn_14::reference::<bf16, 32>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (16, |a| {
        let args = drawn_16::Args { slopes: Field::of(&a[0]), scale: Field::of(&a[1]), bias: Field::of(&a[2]), v: Field::of(&a[3]), n: Field::of(&a[4]), m: Field::of(&a[5]), k: Field::of(&a[6]), lse: Field::of(&a[7]), o: Field::of(&a[8]), q: Field::of(&a[9]) };
        let got = drawn_16::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (17, |a| {
        let args = drawn_17::Args { scale: Field::of(&a[0]), tree: Field::of(&a[1]), table: Field::of(&a[2]), other_values: Field::of(&a[3]), slopes: Field::of(&a[4]), k: Field::of(&a[5]), prefixes: Field::of(&a[6]), lse: Field::of(&a[7]), q: Field::of(&a[8]), flag: Field::of(&a[9]) };
        let got = drawn_17::reference::<f16>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (19, |a| {
        let args = drawn_19::Args { scale: Field::of(&a[0]), q: Field::of(&a[1]), v: Field::of(&a[2]), o: Field::of(&a[3]), n: Field::of(&a[4]), lse: Field::of(&a[5]), k: Field::of(&a[6]) };
        let got = drawn_19::reference::<f16, 128, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (20, |a| {
        let args = drawn_20::Args { q: Field::of(&a[0]), scale: Field::of(&a[1]), o: Field::of(&a[2]), m: Field::of(&a[3]), v: Field::of(&a[4]), ids: Field::of(&a[5]), kinds: Field::of(&a[6]), k: Field::of(&a[7]) };
        let got = drawn_20::reference::<f16>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (22, |a| {
        let args = drawn_22::Args { ids: Field::of(&a[0]), lse: Field::of(&a[1]), m: Field::of(&a[2]), o: Field::of(&a[3]), documents: Field::of(&a[4]), scale: Field::of(&a[5]), k: Field::of(&a[6]), q: Field::of(&a[7]) };
        let got = drawn_22::reference::<bf16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (23, |a| {
        let args = drawn_23::Args { n: Field::of(&a[0]), kinds: Field::of(&a[1]), tree: Field::of(&a[2]), shift: Field::of(&a[3]), scale: Field::of(&a[4]), o: Field::of(&a[5]), lse: Field::of(&a[6]), other_keys: Field::of(&a[7]), q: Field::of(&a[8]), k: Field::of(&a[9]), weights: Field::of(&a[10]) };
        let got = drawn_23::reference::<f16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (25, |a| {
        let args = drawn_25::Args { ids: Field::of(&a[0]), other_values: Field::of(&a[1]), q: Field::of(&a[2]), k: Field::of(&a[3]), flag: Field::of(&a[4]), m: Field::of(&a[5]), scale: Field::of(&a[6]), v: Field::of(&a[7]), o: Field::of(&a[8]) };
        let got = drawn_25::reference::<bf16, 32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (26, |a| {
        let args = drawn_26::Args { slopes: Field::of(&a[0]), q: Field::of(&a[1]), o: Field::of(&a[2]), v: Field::of(&a[3]), k: Field::of(&a[4]), scale: Field::of(&a[5]), documents: Field::of(&a[6]) };
        let got = drawn_26::reference::<f16, 224, 128>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (28, |a| {
        let args = drawn_28::Args { m: Field::of(&a[0]), slopes: Field::of(&a[1]), k: Field::of(&a[2]), scale: Field::of(&a[3]), o: Field::of(&a[4]), q: Field::of(&a[5]), v: Field::of(&a[6]), other_table: Field::of(&a[7]), table: Field::of(&a[8]), n: Field::of(&a[9]), lse: Field::of(&a[10]) };
        let got = drawn_28::reference::<bf16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (29, |a| {
        let args = drawn_29::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), scale: Field::of(&a[2]), shift: Field::of(&a[3]), tree: Field::of(&a[4]), m: Field::of(&a[5]), lse: Field::of(&a[6]), flag: Field::of(&a[7]) };
        let got = drawn_29::reference::<f16, 160>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (31, |a| {
        let args = drawn_31::Args { shift: Field::of(&a[0]), o: Field::of(&a[1]), k: Field::of(&a[2]), q: Field::of(&a[3]), scale: Field::of(&a[4]), n: Field::of(&a[5]), lse: Field::of(&a[6]), other_keys: Field::of(&a[7]), bias: Field::of(&a[8]) };
        let got = drawn_31::reference::<f16, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (32, |a| {
        let args = drawn_32::Args { k: Field::of(&a[0]), lse: Field::of(&a[1]), scale: Field::of(&a[2]), ids: Field::of(&a[3]), n: Field::of(&a[4]), q: Field::of(&a[5]), o: Field::of(&a[6]), m: Field::of(&a[7]) };
        let got = drawn_32::reference::<f16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (34, |a| {
        let args = drawn_34::Args { ids: Field::of(&a[0]), q: Field::of(&a[1]), m: Field::of(&a[2]), k: Field::of(&a[3]), slopes: Field::of(&a[4]), weights: Field::of(&a[5]), table: Field::of(&a[6]), scale: Field::of(&a[7]), documents: Field::of(&a[8]), o: Field::of(&a[9]), v: Field::of(&a[10]) };
        let got = drawn_34::reference::<64, 256>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (35, |a| {
        let args = drawn_35::Args { lifts: Field::of(&a[0]), k: Field::of(&a[1]), other_values: Field::of(&a[2]), n: Field::of(&a[3]), documents: Field::of(&a[4]), scale: Field::of(&a[5]), kinds: Field::of(&a[6]), q: Field::of(&a[7]), bias: Field::of(&a[8]), o: Field::of(&a[9]), shift: Field::of(&a[10]), m: Field::of(&a[11]) };
        let got = drawn_35::reference::<bf16, 128, 128>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (37, |a| {
        let args = drawn_37::Args { scale: Field::of(&a[0]), v: Field::of(&a[1]), n: Field::of(&a[2]), prefixes: Field::of(&a[3]), weights: Field::of(&a[4]), q: Field::of(&a[5]), lse: Field::of(&a[6]), k: Field::of(&a[7]), slopes: Field::of(&a[8]), m: Field::of(&a[9]) };
        let got = drawn_37::reference::<f16, 32>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (38, |a| {
        let args = drawn_38::Args { n: Field::of(&a[0]), shift: Field::of(&a[1]), table: Field::of(&a[2]), ids: Field::of(&a[3]), v: Field::of(&a[4]), scale: Field::of(&a[5]), o: Field::of(&a[6]), lse: Field::of(&a[7]), k: Field::of(&a[8]), q: Field::of(&a[9]) };
        let got = drawn_38::reference::<f16, 128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (40, |a| {
        let args = drawn_40::Args { table: Field::of(&a[0]), lse: Field::of(&a[1]), q: Field::of(&a[2]), n: Field::of(&a[3]), v: Field::of(&a[4]), scale: Field::of(&a[5]), kinds: Field::of(&a[6]), k: Field::of(&a[7]) };
        let got = drawn_40::reference::<bf16, 32, 64>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (41, |a| {
        let args = drawn_41::Args { scale: Field::of(&a[0]), o: Field::of(&a[1]), lse: Field::of(&a[2]), k: Field::of(&a[3]), documents: Field::of(&a[4]), ids: Field::of(&a[5]), q: Field::of(&a[6]) };
        let got = drawn_41::reference::<bf16, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (43, |a| {
        let args = drawn_43::Args { ids: Field::of(&a[0]), o: Field::of(&a[1]), flag: Field::of(&a[2]), slopes: Field::of(&a[3]), k: Field::of(&a[4]), q: Field::of(&a[5]), scale: Field::of(&a[6]), m: Field::of(&a[7]) };
        let got = drawn_43::reference::<bf16, 160>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (44, |a| {
        let args = drawn_44::Args { scale: Field::of(&a[0]), lse: Field::of(&a[1]), q: Field::of(&a[2]), n: Field::of(&a[3]), m: Field::of(&a[4]), k: Field::of(&a[5]), shift: Field::of(&a[6]), o: Field::of(&a[7]), flag: Field::of(&a[8]) };
        let got = drawn_44::reference::<bf16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (46, |a| {
        let args = drawn_46::Args { scale: Field::of(&a[0]), n: Field::of(&a[1]), o: Field::of(&a[2]), q: Field::of(&a[3]), lse: Field::of(&a[4]), shift: Field::of(&a[5]), k: Field::of(&a[6]), m: Field::of(&a[7]), slopes: Field::of(&a[8]) };
        let got = drawn_46::reference::<bf16, 128, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (47, |a| {
        let args = drawn_47::Args { k: Field::of(&a[0]), flag: Field::of(&a[1]), m: Field::of(&a[2]), q: Field::of(&a[3]), scale: Field::of(&a[4]), ids: Field::of(&a[5]), n: Field::of(&a[6]), o: Field::of(&a[7]) };
        let got = drawn_47::reference::<f16, 32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (49, |a| {
        let args = drawn_49::Args { other_keys: Field::of(&a[0]), slopes: Field::of(&a[1]), scale: Field::of(&a[2]), o: Field::of(&a[3]), q: Field::of(&a[4]), lse: Field::of(&a[5]), shift: Field::of(&a[6]), ids: Field::of(&a[7]), lifts: Field::of(&a[8]), v: Field::of(&a[9]), k: Field::of(&a[10]) };
        let got = drawn_49::reference::<128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (50, |a| {
        let args = drawn_50::Args { v: Field::of(&a[0]), scale: Field::of(&a[1]), q: Field::of(&a[2]), m: Field::of(&a[3]), ids: Field::of(&a[4]), n: Field::of(&a[5]), lse: Field::of(&a[6]), o: Field::of(&a[7]), k: Field::of(&a[8]), slopes: Field::of(&a[9]) };
        let got = drawn_50::reference::<f16, 144>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (52, |a| {
        let args = drawn_52::Args { k: Field::of(&a[0]), scale: Field::of(&a[1]), q: Field::of(&a[2]), lse: Field::of(&a[3]), tree: Field::of(&a[4]), n: Field::of(&a[5]), flag: Field::of(&a[6]), shift: Field::of(&a[7]), slopes: Field::of(&a[8]), o: Field::of(&a[9]), ids: Field::of(&a[10]) };
        let got = drawn_52::reference::<bf16, 32, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (53, |a| {
        let args = drawn_53::Args { n: Field::of(&a[0]), shift: Field::of(&a[1]), scale: Field::of(&a[2]), other_keys: Field::of(&a[3]), o: Field::of(&a[4]), k: Field::of(&a[5]), q: Field::of(&a[6]), lifts: Field::of(&a[7]) };
        let got = drawn_53::reference::<bf16, 64, 64>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (55, |a| {
        let args = drawn_55::Args { lse: Field::of(&a[0]), v: Field::of(&a[1]), scale: Field::of(&a[2]), o: Field::of(&a[3]), k: Field::of(&a[4]), lifts: Field::of(&a[5]), q: Field::of(&a[6]) };
        let got = drawn_55::reference(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (56, |a| {
        let args = drawn_56::Args { lse: Field::of(&a[0]), slopes: Field::of(&a[1]), o: Field::of(&a[2]), k: Field::of(&a[3]), scale: Field::of(&a[4]), m: Field::of(&a[5]), bias: Field::of(&a[6]), shift: Field::of(&a[7]), q: Field::of(&a[8]) };
        let got = drawn_56::reference::<f16, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (58, |a| {
        let args = drawn_58::Args { k: Field::of(&a[0]), slopes: Field::of(&a[1]), q: Field::of(&a[2]), n: Field::of(&a[3]), flag: Field::of(&a[4]), m: Field::of(&a[5]), scale: Field::of(&a[6]), o: Field::of(&a[7]), lifts: Field::of(&a[8]) };
        let got = drawn_58::reference::<32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (59, |a| {
        let args = drawn_59::Args { k: Field::of(&a[0]), o: Field::of(&a[1]), table: Field::of(&a[2]), n: Field::of(&a[3]), scale: Field::of(&a[4]), q: Field::of(&a[5]), documents: Field::of(&a[6]), v: Field::of(&a[7]), tree: Field::of(&a[8]), shift: Field::of(&a[9]), kinds: Field::of(&a[10]), m: Field::of(&a[11]) };
        let got = drawn_59::reference::<f16, 64>(&args)?;
        Ok(vec![("o", got.o)])
    }),
];
