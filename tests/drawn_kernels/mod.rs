//! Kernels that `tests/programs` draws, for rustc: made, and never changed by hand. `random_programs.rs` says how.
#![allow(unused, double_negations, clippy::all)]

use super::programs::host::{Field, Host};
use flashpage::prelude::*;

#[attention_kernel]
pub fn drawn_1<T: Element, const D: usize>(
    n: i32,
    scale: f32,
    q: Query<T, D>,
    flag: bool,
    slopes: PerHead<f32>,
    k: Keys<T, D>,
    lse: RowOutput,
    o: Output<T, D>,
    ids: PerHead<i32>,
) {
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    let mut acc = Tile::zeros();
    for tile in k.tiles() {
        let k = k.load(tile);
        let mut scores = ((dot(x0, k.t()).t().t()) / 8.0).map(|x, place| (slopes[place.head]).abs());
        let mut scores = scores.map(|score, place| ((((score / (1.5 + (score).abs())) * -0.875f32) - ((score).tanh()).abs()) * 0.5));
        let p = online.step(scores.map(|x, place| (((-(slopes[place.head] + ((((place.col).max(-90).min(90) as f32)).max(-0.125f32) * 0.03125)))).abs() + 1.0).ln()), &mut acc);
        acc += dot(k.t(), p.t()).t();
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_2<T: Element, const D: usize, const E: usize>(
    table: BlockTable,
    n: i32,
    m: i32,
    scale: f32,
    k: PagedKeys<T, D>,
    q: Query<T, D>,
    o: Output<T, E>,
    lse: RowOutput,
    v: PagedValues<T, E>,
) {
    let reach: i32 = ((m + 35i32)).max(-50).min(80);
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
        sum += dot(weights, v.gather(table, cols));
    }
    lse.store(softmax.lse());
    let result = softmax.finish(sum);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_4<T: Element, const D: usize>(
    k: Keys<T, D>,
    lse: RowOutput,
    ids: PerHead<i32>,
    n: i32,
    scale: f32,
    flag: bool,
    o: Output<T, D>,
    q: Query<T, D>,
) {
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    let mut acc = Tile::zeros();
    for block in k.tiles() {
        let keys = k.load(block);
        let v = keys;
        let p = online.step((scale * (dot(keys, x0.t()).t())).mask(|at| (at.col == at.row)), &mut acc);
        acc += dot(p, v);
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_5<T: Element, const D: usize>(
    n: i32,
    scale: f32,
    flag: bool,
    v: Values<T, D>,
    k: Keys<T, D>,
    q: Query<T, D>,
    lse: RowOutput,
    o: Output<T, D>,
) {
    let reach = (n) % 100;
    let mut sum = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let mut scores = (dot(x0, k.load(block).t())) * scale;
        let scores = ((scores.mask(|at| (at.row <= at.row))).mask(|at| ((at.col != (at.seq - at.col)) || (((((at.col).max(-90).min(90) as f32) as i32)).min(at.col) < at.row)))).mask(|place| (((place.col - 14i32) + select((({ let t = place.col; t + 4 } + (if ((place.col + (13i32 % 3)) == 18i32) { 90i32 } else { reach })) >= (1.375f32 as i32)), place.col, place.row)) <= (if (place.col < n) { place.col } else { place.col })));
        let weights = online.step(scores.mask(|place| (place.col / 16 > place.row / 16)), &mut sum);
        sum += dot(weights, v.load(block));
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_7<T: Element>(
    k: PagedKeys<T, 32>,
    q: Query<T, 32>,
    scale: f32,
    v: PagedValues<T, 32>,
    flag: bool,
    ids: PerHead<i32>,
    m: i32,
    table: BlockTable,
    lse: RowOutput,
    shift: f32,
    o: Output<T, 32>,
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
    let result = online.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_8<T: Element>(
    n: i32,
    v: Values<T, 224>,
    o: Output<T, 224>,
    lse: RowOutput,
    q: Query<T, 224>,
    k: Keys<T, 224>,
    scale: f32,
    ids: PerHead<i32>,
) {
    let lift = 2.5f32;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let v = v.load(cols);
        let mut scores = scale * (dot(x0, k.load(cols).t()));
        let scores = scores.mask(|at| (at.col < n));
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
    n: i32,
    ids: PerHead<i32>,
    scale: f32,
    q: Query<T, 48>,
    o: Output<T, E>,
    shift: f32,
) {
    let lift = 1.75f32;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let mut s = (dot(x0, k.load(cols).t())) * scale;
        s = s.mask(|at| (((at.col >= 22) && ((at.row - at.col < 71) || ((at.col % 5) == (at.seq + at.row)))) && ((at.col < n) || (at.col <= at.row))));
        let p = softmax.step(s, &mut sum);
        sum += dot(p, k.load(cols).slice::<E>());
    }
    lse.store(softmax.lse());
    let result = softmax.finish(sum);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_11<T: Element>(
    n: i32,
    scale: f32,
    k: Keys<T, 32>,
    q: Query<T, 32>,
    lse: RowOutput,
    o: Output<T, 32>,
) {
    let reach: i32 = ((n + (n + 55i32))).max(-50).min(80);
    const LIMIT: i32 = 40;
    let mut acc = Tile::<Rows, Dim<32>>::zeros();
    let mut softmax = OnlineSoftmax::new();
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
pub fn drawn_13<T: Element, const D: usize>(
    lse: RowOutput,
    q: Query<T, D>,
    slopes: PerHead<f32>,
    other_values: Values<T, D>,
    m: i32,
    shift: f32,
    scale: f32,
    k: Keys<T, D>,
    ids: PerHead<i32>,
    o: Output<T, D>,
) {
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for block in k.tiles() {
        let weights = online.step((((dot(q, k.load(block).t())) * scale).map(|x, place| (((if (!true && ((2.375f32 > -3.0f32) || (place.col <= place.row))) { x } else { x })).tanh() * (-1.0)))).mask(|at| (0.875f32 >= select((shift < 0.75f32), shift, shift))), &mut acc);
        acc += dot(weights, k.load(block));
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_14<T: Element, const D: usize>(
    lse: RowOutput,
    flag: bool,
    scale: f32,
    n: i32,
    q: Query<T, D>,
    k: Keys<T, D>,
    m: i32,
    v: Values<T, D>,
    ids: PerHead<i32>,
) {
    let reach = ((46i32 * (-1))) % 100;
    const LIMIT: i32 = 13;
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let v = v.load(cols);
        let keys = k.load(cols);
        let mut s = scale * (dot(x0, keys.t()));
        let mut s = s.mask(|at| (at.row >= at.col - m));
        let mut s = ((s - 1.0).map(|score, place| { let y = score + 0.5; y * 0.5 })).map(|x, at| { let y = x + 0.5; y * 0.5 });
        let weights = softmax.step(s, &mut acc);
        acc += dot(weights, v);
    }
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_16<T: Element>(
    lse: RowOutput,
    k: Keys<T, 64>,
    q: Query<T, 64>,
    v: Values<T, 64>,
    ids: PerHead<i32>,
    shift: f32,
    scale: f32,
    n: i32,
    o: Output<T, 64>,
) {
    let reach = ({ let t = (30i32).min(n); t + 1 }) % 100;
    const LIMIT: i32 = 25;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for block in k.tiles() {
        let s = scale * (dot(k.load(block), q.t()).t());
        let mut s = s - 0.875;
        let p = online.step(s, &mut acc);
        acc += dot(p, v.load(block));
    }
    let result = online.finish(acc);
    o.store(result);
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_17<T: Element>(
    table: BlockTable,
    q: Query<T, 64>,
    n: i32,
    flag: bool,
    scale: f32,
    lse: RowOutput,
    slopes: PerHead<f32>,
    k: PagedKeys<T, 64>,
) {
    let reach = ((if (false || (select(({ let part = 38i32; part + 7 } != (n + (flag as i32))), ((25i32).max(-90).min(90) as f32), ((n).max(-90).min(90) as f32)) < (2.75f32).max(((37i32).max(-90).min(90) as f32)))) { (n).abs() } else { 64i32 })) % 100;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for cols in table.tiles() {
        let k = k.gather(table, cols);
        let mut scores = (dot(k, queries.t()).t()) * scale;
        scores = scores.map(|score, at| (((slopes[at.row % 5] * (-0.875))).min(((slopes[at.row % 5]).min(1.0)).exp()) / (1.5 + (((slopes[at.row % 5] * (-0.875))).min(((slopes[at.row % 5]).min(1.0)).exp())).abs())));
        let weights = online.step((scores.map(|x, place| (((x * (0.75))).tanh()).min(x))).mask(|place| ((place.row / (-7) + 4 != place.col) && ((select((place.row - place.col < n), n, place.row)).abs() != (place.row).min(reach)))), &mut sum);
        sum += dot(weights, k);
    }
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_19<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    scale: f32,
    v: Values<T, E>,
    k: Keys<T, D>,
    m: i32,
    lse: RowOutput,
    o: Output<T, E>,
) {
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let keys = k.load(cols);
        let p = online.step((scale * (dot(queries.t().t().t(), keys.t()))).map(|x, place| (((x / (1.5 + (x).abs()))).tanh() * ((((-(22i32 + place.col))) % 50) as f32 * 0.02))), &mut acc);
        acc += dot(p, v.load(cols));
    }
    let result = online.finish(acc);
    o.store(result);
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_20<T: Element>(
    shift: f32,
    m: i32,
    scale: f32,
    v: Values<T, 64>,
    k: Keys<T, 64>,
    q: Query<T, 64>,
    o: Output<T, 64>,
) {
    let lift = shift;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let k = k.load(cols);
        let mut s = (dot(queries.t(), k.t())) * scale;
        let weights = softmax.step(s.map(|score, at| (((((score).max(score)).min(1.0)).exp()).abs() + 1.0).ln()), &mut acc);
        acc += dot(v.load(cols).t(), weights.t()).t();
    }
    let result = softmax.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_22<T: Element, const D: usize>(
    shift: f32,
    lse: RowOutput,
    scale: f32,
    q: Query<T, D>,
    k: Keys<T, D>,
    o: Output<T, D>,
) {
    let queries = q.tile();
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    for tile in k.tiles() {
        let values = k.load(tile);
        let mut s = (dot(queries.t().t(), k.load(tile).t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 });
        let s = s.map(|score, at| ((((score).abs() + 0.25).sqrt() / (1.5 + (((score).abs() + 0.25).sqrt()).abs()))).tanh());
        let weights = online.step(s, &mut acc);
        acc += dot(values.t(), weights.t()).t();
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_23<T: Element>(
    scale: f32,
    other_values: Values<T, 240>,
    lse: RowOutput,
    o: Output<T, 240>,
    m: i32,
    n: i32,
    k: Keys<T, 240>,
    flag: bool,
    q: Query<T, 240>,
) {
    let q = q.tile().t();
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    for cols in k.tiles() {
        let keys = k.load(cols);
        let values = keys;
        let s = ((dot(q.t(), keys.t())) * scale).mask(|place| ((((-place.col)).abs() >= select((place.row >= place.col - n), place.row, (flag as i32))) && (place.row % 3 != place.col % 3)));
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
    flag: bool,
    v: Values<T, D>,
    o: Output<T, D>,
    ids: PerHead<i32>,
    n: i32,
    m: i32,
    q: Query<T, D>,
    scale: f32,
) {
    const LIMIT: i32 = 52;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for block in k.tiles() {
        let s: Tile<Rows, Cols> = {
            scale * (dot(queries.t(), k.load(block).t()))
        };
        let s = (s.mask(|place| (place.col >= 67))).mask(|at| ((at.col + at.head) % 5 == 3));
        let p = online.step(s, &mut sum);
        sum += dot(p, v.load(block));
    }
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_26<T: Element, const D: usize, const E: usize>(
    v: Values<T, E>,
    scale: f32,
    k: Keys<T, D>,
    o: Output<T, E>,
    ids: PerHead<i32>,
    q: Query<T, D>,
) {
    const LIMIT: i32 = 17;
    let mut sum = Tile::<Rows, Dim<E>>::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile().t();
    for cols in k.tiles() {
        let scores = ((dot(q.t(), k.load(cols).t())) * scale).map(|score, at| (((((((((at.col + (-at.row))) % 50) as f32 * 0.02) + (((((at.col / 16) + (if (at.row != (LIMIT).abs()) { at.row } else { LIMIT }))) % 50) as f32 * 0.02)) - (score - score))).tanh()).exp() * 0.5));
        let p = online.step(scores.mask(|place| (place.col == place.row)), &mut sum);
        let more = dot(p.t().t(), v.load(cols));
        sum += more;
    }
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_28<T: Element>(
    other_table: BlockTable,
    n: i32,
    v: PagedValues<T, 176>,
    lse: RowOutput,
    m: i32,
    q: Query<T, 176>,
    o: Output<T, 176>,
    scale: f32,
    table: BlockTable,
    k: PagedKeys<T, 176>,
) {
    let lift = 1.625f32;
    let mut acc = Tile::<Rows, Dim<176>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in table.tiles() {
        let v = v.gather(table, tile);
        let s: Tile<Rows, Cols> = {
            ((dot(x0, k.gather(table, tile).t())) * scale).map(|score, at| 1.875f32)
        };
        let weights = softmax.step(s, &mut acc);
        acc += dot(weights, v);
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_29<T: Element, const D: usize>(
    scale: f32,
    ids: PerHead<i32>,
    n: i32,
    slopes: PerHead<f32>,
    lse: RowOutput,
    q: Query<T, D>,
    k: Keys<T, D>,
    flag: bool,
) {
    let lift = ((n).max(-90).min(90) as f32);
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let keys = k.load(block);
        let values = keys;
        let s: Tile<Rows, Cols> = {
            (dot(keys, x0.t()).t()).map(|x, _| x * scale)
        };
        let mut s = (s + 1.375).map(|score, place| (if (((place.row % 3 > place.col % 3) && (place.row / 5 + 1 != place.col)) || (place.row % 16 > place.col % 16)) { score } else { (slopes[place.seq * 2] - (if ((place.col + n > place.row) && ((place.row % 16 == place.col % 16) || (place.row % 2 < place.col % 2))) { (lift * 0.03125) } else { score })) }));
        let p = softmax.step(s, &mut acc);
        acc += dot(values.t(), p.t()).t();
    }
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_31<T: Element, const D: usize>(
    ids: PerHead<i32>,
    q: Query<T, D>,
    scale: f32,
    lse: RowOutput,
    slopes: PerHead<f32>,
    k: Keys<T, D>,
    n: i32,
    o: Output<T, 64>,
    m: i32,
) {
    let reach = (((36i32 % 2)).abs()) % 100;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let q = q.tile();
    for cols in k.tiles() {
        let weights = softmax.step((dot(q, k.load(cols).t())) * scale, &mut sum);
        sum += dot(weights, k.load(cols).slice::<64>());
    }
    o.store(softmax.finish(sum));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_32<T: Element, const E: usize>(
    scale: f32,
    q: Query<T, 64>,
    k: Keys<T, 64>,
    lse: RowOutput,
    o: Output<T, E>,
    flag: bool,
    m: i32,
) {
    const LIMIT: i32 = 69;
    let lift = ((50i32).max(-90).min(90) as f32);
    let mut sum = Tile::<Rows, Dim<E>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let mut scores = (dot(x0, keys.t())) / 8.0;
        let scores: Tile<Rows, Cols> = {
            scores.map(|x, at| (((2.0f32 / (1.5 + (2.0f32).abs())) / (1.5 + ((2.0f32 / (1.5 + (2.0f32).abs()))).abs())) + ((if !(if ((at.col - 40) / 5 < 3) { ((at.col + at.row) <= (at.col + (flag as i32))) } else { true }) { -0.125f32 } else { x })).abs()))
        };
        let weights = softmax.step(scores, &mut sum);
        sum += dot(weights, keys.slice::<E>());
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(sum));
}

#[attention_kernel]
pub fn drawn_34<const D: usize, const E: usize>(
    shift: f32,
    o: Output<f16, E>,
    other_table: BlockTable,
    q: Query<f16, D>,
    scale: f32,
    v: PagedValues<f16, E>,
    k: PagedKeys<f16, D>,
    ids: PerHead<i32>,
    table: BlockTable,
    n: i32,
) {
    let lift = ((44i32).max(-90).min(90) as f32);
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for tile in table.tiles() {
        let keys = k.gather(table, tile);
        let s: Tile<Rows, Cols> = {
            scale * (dot(queries, keys.t()))
        };
        let p = softmax.step(s, &mut acc);
        let more = dot(p.t().t(), v.gather(table, tile));
        acc += more;
    }
    let result = softmax.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_35<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    m: i32,
    scale: f32,
    n: i32,
    k: Keys<T, D>,
    o: Output<T, E>,
    flag: bool,
) {
    let reach: i32 = (((n / 2)).min((if flag { 1i32 } else { (flag as i32) }))).max(-50).min(80);
    const LIMIT: i32 = 34;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let mut s = (((dot(queries, keys.t()).t().t()).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 })) - 0.875).map(|score, at| (((at.col) % 50) as f32 * 0.02));
        let weights = online.step(s.mask(|place| (select((((place.col + place.head) % 2 < 0) || ((((place.row / 16)).max(-90).min(90) as f32) >= (0.0f32 - ((place.col).max(-90).min(90) as f32)))), place.head, place.col) >= (m - place.row))), &mut acc);
        acc += dot(weights, keys.slice::<E>());
    }
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_37<T: Element, const D: usize>(
    q: Query<T, D>,
    v: Values<T, D>,
    scale: f32,
    lse: RowOutput,
    k: Keys<T, D>,
    ids: PerHead<i32>,
    shift: f32,
    m: i32,
) {
    let reach = ((6i32 - 90i32)) % 100;
    const LIMIT: i32 = 58;
    let mut sum = Tile::<Rows, Dim<D>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for block in k.tiles() {
        let v = v.load(block);
        let weights = softmax.step((dot(queries, k.load(block).t())) * scale, &mut sum);
        sum += dot(weights, v);
    }
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_38<T: Element, const D: usize>(
    v: PagedValues<T, D>,
    lse: RowOutput,
    table: BlockTable,
    n: i32,
    k: PagedKeys<T, D>,
    o: Output<T, D>,
    scale: f32,
    flag: bool,
    q: Query<T, D>,
) {
    let reach = ((select(true, n, 90i32) / (-4))) % 100;
    let lift = 0.125f32;
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in table.tiles() {
        let k = k.gather(table, block);
        let mut scores = ((dot(x0, k.t())) / 8.0).mask(|place| (if (lift <= (2.75f32 - ((place.col).max(-90).min(90) as f32))) { !(place.col > place.row + 84) } else { (place.col < reach) }));
        let weights = online.step(scores + 0.75, &mut acc);
        acc += dot(v.gather(table, block).t(), weights.t()).t();
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_40<T: Element, const D: usize, const E: usize>(
    k: PagedKeys<T, D>,
    q: Query<T, D>,
    scale: f32,
    table: BlockTable,
    n: i32,
    v: PagedValues<T, E>,
    lse: RowOutput,
) {
    const LIMIT: i32 = 0;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for cols in table.tiles() {
        let values = v.gather(table, cols);
        let mut scores = (dot(k.gather(table, cols), q.t()).t()) * scale;
        let scores: Tile<Rows, Cols> = {
            scores.mask(|place| ((((place.row - place.col) % 5 == 3) || ((place.col + place.head) % 16 != 4)) || (((select((place.col <= place.row), place.col, place.row) / 7) < (n * (-2))) == (select((place.col == place.row), (((41i32).max(-90).min(90) as f32) as i32), (place.row / 32)) != n))))
        };
        let scores = scores.mask(|at| (at.col <= (-at.row)));
        let scores = scores.mask(|place| ((place.row / 7) >= (LIMIT * (-1))));
        let mut scores = scores.map(|score, at| score.max(-6.0));
        let weights = online.step(scores, &mut sum);
        let more = dot(weights.t().t(), values);
        sum += more;
    }
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_41<T: Element, const D: usize>(
    k: Keys<T, D>,
    lse: RowOutput,
    q: Query<T, D>,
    o: Output<T, D>,
    ids: PerHead<i32>,
    scale: f32,
    n: i32,
) {
    let reach = (n) % 100;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for block in k.tiles() {
        let v = k.load(block);
        let keys = k.load(block);
        let s = scale * (dot(queries, keys.t()).t().t());
        let mut s = (((s.mask(|place| (place.col <= place.row))).mask(|at| (at.col + reach > at.row))).map(|score, at| score.min(1.0).exp())).map(|score, at| score);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v);
    }
    lse.store(softmax.lse());
    let result = softmax.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_43<T: Element, const D: usize>(
    shift: f32,
    slopes: PerHead<f32>,
    k: Keys<T, D>,
    o: Output<T, D>,
    scale: f32,
    ids: PerHead<i32>,
    q: Query<T, D>,
) {
    let reach: i32 = (((if (6i32 >= (80i32 + 33i32)) { 64i32 } else { 84i32 }) % 16)).max(-50).min(80);
    const LIMIT: i32 = 27;
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for cols in k.tiles() {
        let v = k.load(cols);
        let k = k.load(cols);
        let mut scores = (dot(q, k.t())) * scale;
        let mut scores = scores.map(|score, at| ((((shift).abs()).abs() + 0.25).sqrt() * (-0.75)));
        let mut scores = (scores.mask(|place| ((place.col - 40) / 16 != 1))).mask(|at| (at.col >= (at.col).max(ids[at.row % 5])));
        let p = online.step(scores, &mut acc);
        acc += dot(v.t(), p.t()).t();
    }
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_44<T: Element, const D: usize>(
    flag: bool,
    slopes: PerHead<f32>,
    lse: RowOutput,
    q: Query<T, D>,
    o: Output<T, D>,
    n: i32,
    shift: f32,
    scale: f32,
    k: Keys<T, D>,
) {
    let reach = ((-52i32)) % 100;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for block in k.tiles() {
        let k = k.load(block);
        let s = ((dot(q.t().t(), k.t())) * scale).mask(|place| (place.row / 3 + 0 > place.col));
        let s = (s.map(|x, place| x * 0.75 + select((slopes[place.row % 5] * 4.0 < 1.1), 0.5, -0.25))).map(|x, at| if !(at.row / 5 + 2 != at.col) { x } else { x * 0.5 - 1.0 });
        let weights = online.step(s.map(|x, place| x.min(1.0).exp()), &mut acc);
        acc += dot(weights, k);
    }
    lse.store(online.lse());
    let result = online.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_46<T: Element, const D: usize, const E: usize>(
    shift: f32,
    m: i32,
    o: Output<T, E>,
    slopes: PerHead<f32>,
    k: Keys<T, D>,
    scale: f32,
    lse: RowOutput,
    n: i32,
    q: Query<T, D>,
    flag: bool,
) {
    let reach: i32 = (((18i32 / 2)).abs()).max(-50).min(80);
    const LIMIT: i32 = -3;
    let lift = ((reach).max(-90).min(90) as f32);
    let mut sum = Tile::<Rows, Dim<E>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let s = (dot(x0, k.load(tile).t())) * scale;
        let weights = online.step(s, &mut sum);
        sum += dot(weights, k.load(tile).slice::<E>());
    }
    o.store(online.finish(sum));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_47<T: Element, const D: usize>(
    o: Output<T, D>,
    ids: PerHead<i32>,
    k: Keys<T, D>,
    slopes: PerHead<f32>,
    shift: f32,
    m: i32,
    scale: f32,
    q: Query<T, D>,
) {
    let x0 = q.tile();
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    for cols in k.tiles() {
        let scores: Tile<Rows, Cols> = {
            scale * (dot(x0, k.load(cols).t()))
        };
        let mut scores = ((scores.map(|x, place| ((((x * (((((((ids[place.head]).max(-90).min(90) as f32) as i32)).abs()) % 50) as f32 * 0.02))).tanh()).exp()).tanh())).map(|score, place| { let y = ((shift).abs() * (1.5)); if y > -2.0 { y } else { -2.0 + (y - -2.0) * 0.25 } })).map(|score, place| { let y = ((score - score) / (1.5 + ((score - score)).abs())); if y > 0.5 { y } else { 0.5 + (y - 0.5) * 0.25 } });
        let weights = softmax.step(scores - 0.875, &mut acc);
        acc += dot(weights, k.load(cols));
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_49<const D: usize>(
    v: Values<bf16, D>,
    n: i32,
    q: Query<bf16, D>,
    flag: bool,
    scale: f32,
    o: Output<bf16, D>,
    ids: PerHead<i32>,
    k: Keys<bf16, D>,
    lse: RowOutput,
) {
    let reach = ((if ((flag as i32) != (6i32).abs()) { (-n) } else { select(((75i32).max(29i32) >= (n - 60i32)), n, n) })) % 100;
    const LIMIT: i32 = 52;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let v = v.load(block);
        let keys = k.load(block);
        let s = (scale * (dot(x0, keys.t()))).map(|x, place| ((((((place.col / 16)) % 50) as f32 * 0.02) + select((place.col == place.row), x, (((place.col) % 50) as f32 * 0.02))) - select(((place.col <= place.row) && ((place.col < (17i32 % 3)) && (2 * place.col <= place.row + 82))), { let y = ((({ let held = (place.col - place.row); held + 6 }) % 50) as f32 * 0.02); if y > 1.75 { y } else { 1.75 + (y - 1.75) * 0.25 } }, (x).abs())));
        let weights = online.step(s, &mut sum);
        sum += dot(weights, v);
    }
    o.store(online.finish(sum));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_50<T: Element, const D: usize>(
    scale: f32,
    v: Values<T, D>,
    ids: PerHead<i32>,
    q: Query<T, D>,
    shift: f32,
    slopes: PerHead<f32>,
    n: i32,
    k: Keys<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
    m: i32,
) {
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for cols in k.tiles() {
        let keys = k.load(cols);
        let weights = softmax.step((((dot(queries.t().t(), keys.t())) * scale).mask(|place| select(!(place.col > place.row + n), (place.row / 16 + 3 <= place.col), ((50i32 - place.row) > (ids[place.head] % 3))))).mask(|at| ((2 * at.col <= at.row + n) && (at.row >= at.col - 38))), &mut sum);
        sum += dot(weights, v.load(cols));
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(sum));
}

#[attention_kernel]
pub fn drawn_52<T: Element, const D: usize, const E: usize>(
    m: i32,
    o: Output<T, E>,
    flag: bool,
    q: Query<T, D>,
    k: Keys<T, D>,
    scale: f32,
    slopes: PerHead<f32>,
    lse: RowOutput,
) {
    const LIMIT: i32 = 9;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let k = k.load(cols);
        let v = k.slice::<E>();
        let mut scores = scale * (dot(queries.t().t().t(), k.t()));
        let weights = online.step(scores.map(|score, at| (score * (1.375))), &mut sum);
        sum += dot(weights, v);
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_53<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    o: Output<T, E>,
    k: Keys<T, D>,
    scale: f32,
    other_values: Values<T, E>,
    flag: bool,
    n: i32,
    m: i32,
) {
    const LIMIT: i32 = 14;
    let mut acc = Tile::<Rows, Dim<E>>::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for block in k.tiles() {
        let s = (dot(queries, k.load(block).t()).t().t()) * scale;
        let s = s.map(|x, at| ((((x * ((((at.col).max(-90).min(90) as f32) - 2.375f32) * 0.03125))).tanh() * 0.0f32) * 0.125));
        let p = online.step((s.map(|x, place| (((if (!(2 * place.col <= place.row + m) && !((-(-place.row)) == (-89i32))) { x } else { (x / (1.5 + (x).abs())) })).min(1.0)).exp())) * 0.5, &mut acc);
        acc += dot(p, k.load(block).slice::<E>());
    }
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_55(
    n: i32,
    q: Query<bf16, 64>,
    k: Keys<bf16, 64>,
    lse: RowOutput,
    v: Values<bf16, 64>,
    scale: f32,
    o: Output<bf16, 64>,
) {
    let reach: i32 = ((select(((32i32).abs() < 65i32), 30i32, n) % 3)).max(-50).min(80);
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let q = q.tile();
    for cols in k.tiles() {
        let k = k.load(cols);
        let mut scores = ((scale * (dot(k, q.t()).t())).mask(|place| ((((n).max(-90).min(90) as f32) >= (((place.col).max(-90).min(90) as f32) * 2.0)) == (place.col <= place.row)))).mask(|at| (((19i32 + (at.col * (-1))) != 81i32) && (at.col / (-7) < at.row / (-7))));
        let weights = softmax.step(scores, &mut sum);
        sum += dot(weights, v.load(cols));
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(sum));
}

#[attention_kernel]
pub fn drawn_56<T: Element, const D: usize>(
    m: i32,
    shift: f32,
    n: i32,
    scale: f32,
    o: Output<T, D>,
    q: Query<T, D>,
    slopes: PerHead<f32>,
    k: Keys<T, D>,
    lse: RowOutput,
) {
    let reach = ((-n)) % 100;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let scores: Tile<Rows, Cols> = {
            (dot(keys, x0.t()).t()) * scale
        };
        let scores: Tile<Rows, Cols> = {
            scores.mask(|at| !((at.row * at.col) % 3 == 2))
        };
        let weights = online.step(scores, &mut sum);
        sum += dot(weights, keys);
    }
    let result = online.finish(sum);
    o.store(result);
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_58<const E: usize>(
    scale: f32,
    o: Output<bf16, E>,
    ids: PerHead<i32>,
    m: i32,
    k: Keys<bf16, 32>,
    q: Query<bf16, 32>,
) {
    let reach = (((26i32 - 68i32) * (-2))) % 100;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for block in k.tiles() {
        let keys = k.load(block);
        let s = ((dot(queries, keys.t())) * scale).mask(|at| true);
        let mut s = s.map(|x, place| x.min(3.0));
        let weights = softmax.step(s, &mut sum);
        sum += dot(weights, keys.slice::<E>());
    }
    let result = softmax.finish(sum);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_59<T: Element, const D: usize>(
    o: Output<T, D>,
    scale: f32,
    slopes: PerHead<f32>,
    table: BlockTable,
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    shift: f32,
    v: PagedValues<T, D>,
    flag: bool,
) {
    let reach: i32 = (37i32).max(-50).min(80);
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in table.tiles() {
        let s: Tile<Rows, Cols> = {
            (dot(x0, k.gather(table, tile).t())) * scale
        };
        let s = s.mask(|at| (((slopes[at.seq * 2] * 4.0 < 0.3) && (at.col > at.col)) == (((74i32).abs() - (reach - at.row)) == 64i32)));
        let mut s = s.mask(|at| (at.col + 69 > at.row));
        let p = softmax.step(s, &mut sum);
        sum += dot(p, v.gather(table, tile));
    }
    let result = softmax.finish(sum);
    o.store(result);
}

/// The seeds, and each kernel on the host.
pub const KERNELS: &[(u64, Host)] = &[
    (1, |a| {
        let args = drawn_1::Args { n: Field::of(&a[0]), scale: Field::of(&a[1]), q: Field::of(&a[2]), flag: Field::of(&a[3]), slopes: Field::of(&a[4]), k: Field::of(&a[5]), lse: Field::of(&a[6]), o: Field::of(&a[7]), ids: Field::of(&a[8]) };
        let got = drawn_1::reference::<bf16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (2, |a| {
        let args = drawn_2::Args { table: Field::of(&a[0]), n: Field::of(&a[1]), m: Field::of(&a[2]), scale: Field::of(&a[3]), k: Field::of(&a[4]), q: Field::of(&a[5]), o: Field::of(&a[6]), lse: Field::of(&a[7]), v: Field::of(&a[8]) };
        let got = drawn_2::reference::<bf16, 224, 128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (4, |a| {
        let args = drawn_4::Args { k: Field::of(&a[0]), lse: Field::of(&a[1]), ids: Field::of(&a[2]), n: Field::of(&a[3]), scale: Field::of(&a[4]), flag: Field::of(&a[5]), o: Field::of(&a[6]), q: Field::of(&a[7]) };
        let got = drawn_4::reference::<f16, 240>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (5, |a| {
        let args = drawn_5::Args { n: Field::of(&a[0]), scale: Field::of(&a[1]), flag: Field::of(&a[2]), v: Field::of(&a[3]), k: Field::of(&a[4]), q: Field::of(&a[5]), lse: Field::of(&a[6]), o: Field::of(&a[7]) };
        let got = drawn_5::reference::<bf16, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (7, |a| {
        let args = drawn_7::Args { k: Field::of(&a[0]), q: Field::of(&a[1]), scale: Field::of(&a[2]), v: Field::of(&a[3]), flag: Field::of(&a[4]), ids: Field::of(&a[5]), m: Field::of(&a[6]), table: Field::of(&a[7]), lse: Field::of(&a[8]), shift: Field::of(&a[9]), o: Field::of(&a[10]) };
        let got = drawn_7::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (8, |a| {
        let args = drawn_8::Args { n: Field::of(&a[0]), v: Field::of(&a[1]), o: Field::of(&a[2]), lse: Field::of(&a[3]), q: Field::of(&a[4]), k: Field::of(&a[5]), scale: Field::of(&a[6]), ids: Field::of(&a[7]) };
        let got = drawn_8::reference::<f16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (10, |a| {
        let args = drawn_10::Args { lse: Field::of(&a[0]), k: Field::of(&a[1]), n: Field::of(&a[2]), ids: Field::of(&a[3]), scale: Field::of(&a[4]), q: Field::of(&a[5]), o: Field::of(&a[6]), shift: Field::of(&a[7]) };
        let got = drawn_10::reference::<f16, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (11, |a| {
        let args = drawn_11::Args { n: Field::of(&a[0]), scale: Field::of(&a[1]), k: Field::of(&a[2]), q: Field::of(&a[3]), lse: Field::of(&a[4]), o: Field::of(&a[5]) };
        let got = drawn_11::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (13, |a| {
        let args = drawn_13::Args { lse: Field::of(&a[0]), q: Field::of(&a[1]), slopes: Field::of(&a[2]), other_values: Field::of(&a[3]), m: Field::of(&a[4]), shift: Field::of(&a[5]), scale: Field::of(&a[6]), k: Field::of(&a[7]), ids: Field::of(&a[8]), o: Field::of(&a[9]) };
        let got = drawn_13::reference::<f16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (14, |a| {
        let args = drawn_14::Args { lse: Field::of(&a[0]), flag: Field::of(&a[1]), scale: Field::of(&a[2]), n: Field::of(&a[3]), q: Field::of(&a[4]), k: Field::of(&a[5]), m: Field::of(&a[6]), v: Field::of(&a[7]), ids: Field::of(&a[8]) };
        let got = drawn_14::reference::<bf16, 32>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (16, |a| {
        let args = drawn_16::Args { lse: Field::of(&a[0]), k: Field::of(&a[1]), q: Field::of(&a[2]), v: Field::of(&a[3]), ids: Field::of(&a[4]), shift: Field::of(&a[5]), scale: Field::of(&a[6]), n: Field::of(&a[7]), o: Field::of(&a[8]) };
        let got = drawn_16::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (17, |a| {
        let args = drawn_17::Args { table: Field::of(&a[0]), q: Field::of(&a[1]), n: Field::of(&a[2]), flag: Field::of(&a[3]), scale: Field::of(&a[4]), lse: Field::of(&a[5]), slopes: Field::of(&a[6]), k: Field::of(&a[7]) };
        let got = drawn_17::reference::<f16>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (19, |a| {
        let args = drawn_19::Args { q: Field::of(&a[0]), scale: Field::of(&a[1]), v: Field::of(&a[2]), k: Field::of(&a[3]), m: Field::of(&a[4]), lse: Field::of(&a[5]), o: Field::of(&a[6]) };
        let got = drawn_19::reference::<f16, 128, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (20, |a| {
        let args = drawn_20::Args { shift: Field::of(&a[0]), m: Field::of(&a[1]), scale: Field::of(&a[2]), v: Field::of(&a[3]), k: Field::of(&a[4]), q: Field::of(&a[5]), o: Field::of(&a[6]) };
        let got = drawn_20::reference::<f16>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (22, |a| {
        let args = drawn_22::Args { shift: Field::of(&a[0]), lse: Field::of(&a[1]), scale: Field::of(&a[2]), q: Field::of(&a[3]), k: Field::of(&a[4]), o: Field::of(&a[5]) };
        let got = drawn_22::reference::<bf16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (23, |a| {
        let args = drawn_23::Args { scale: Field::of(&a[0]), other_values: Field::of(&a[1]), lse: Field::of(&a[2]), o: Field::of(&a[3]), m: Field::of(&a[4]), n: Field::of(&a[5]), k: Field::of(&a[6]), flag: Field::of(&a[7]), q: Field::of(&a[8]) };
        let got = drawn_23::reference::<f16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (25, |a| {
        let args = drawn_25::Args { k: Field::of(&a[0]), flag: Field::of(&a[1]), v: Field::of(&a[2]), o: Field::of(&a[3]), ids: Field::of(&a[4]), n: Field::of(&a[5]), m: Field::of(&a[6]), q: Field::of(&a[7]), scale: Field::of(&a[8]) };
        let got = drawn_25::reference::<bf16, 32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (26, |a| {
        let args = drawn_26::Args { v: Field::of(&a[0]), scale: Field::of(&a[1]), k: Field::of(&a[2]), o: Field::of(&a[3]), ids: Field::of(&a[4]), q: Field::of(&a[5]) };
        let got = drawn_26::reference::<f16, 224, 128>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (28, |a| {
        let args = drawn_28::Args { other_table: Field::of(&a[0]), n: Field::of(&a[1]), v: Field::of(&a[2]), lse: Field::of(&a[3]), m: Field::of(&a[4]), q: Field::of(&a[5]), o: Field::of(&a[6]), scale: Field::of(&a[7]), table: Field::of(&a[8]), k: Field::of(&a[9]) };
        let got = drawn_28::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (29, |a| {
        let args = drawn_29::Args { scale: Field::of(&a[0]), ids: Field::of(&a[1]), n: Field::of(&a[2]), slopes: Field::of(&a[3]), lse: Field::of(&a[4]), q: Field::of(&a[5]), k: Field::of(&a[6]), flag: Field::of(&a[7]) };
        let got = drawn_29::reference::<f16, 160>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (31, |a| {
        let args = drawn_31::Args { ids: Field::of(&a[0]), q: Field::of(&a[1]), scale: Field::of(&a[2]), lse: Field::of(&a[3]), slopes: Field::of(&a[4]), k: Field::of(&a[5]), n: Field::of(&a[6]), o: Field::of(&a[7]), m: Field::of(&a[8]) };
        let got = drawn_31::reference::<f16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (32, |a| {
        let args = drawn_32::Args { scale: Field::of(&a[0]), q: Field::of(&a[1]), k: Field::of(&a[2]), lse: Field::of(&a[3]), o: Field::of(&a[4]), flag: Field::of(&a[5]), m: Field::of(&a[6]) };
        let got = drawn_32::reference::<f16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (34, |a| {
        let args = drawn_34::Args { shift: Field::of(&a[0]), o: Field::of(&a[1]), other_table: Field::of(&a[2]), q: Field::of(&a[3]), scale: Field::of(&a[4]), v: Field::of(&a[5]), k: Field::of(&a[6]), ids: Field::of(&a[7]), table: Field::of(&a[8]), n: Field::of(&a[9]) };
        let got = drawn_34::reference::<64, 256>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (35, |a| {
        let args = drawn_35::Args { q: Field::of(&a[0]), m: Field::of(&a[1]), scale: Field::of(&a[2]), n: Field::of(&a[3]), k: Field::of(&a[4]), o: Field::of(&a[5]), flag: Field::of(&a[6]) };
        let got = drawn_35::reference::<bf16, 128, 128>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (37, |a| {
        let args = drawn_37::Args { q: Field::of(&a[0]), v: Field::of(&a[1]), scale: Field::of(&a[2]), lse: Field::of(&a[3]), k: Field::of(&a[4]), ids: Field::of(&a[5]), shift: Field::of(&a[6]), m: Field::of(&a[7]) };
        let got = drawn_37::reference::<f16, 32>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (38, |a| {
        let args = drawn_38::Args { v: Field::of(&a[0]), lse: Field::of(&a[1]), table: Field::of(&a[2]), n: Field::of(&a[3]), k: Field::of(&a[4]), o: Field::of(&a[5]), scale: Field::of(&a[6]), flag: Field::of(&a[7]), q: Field::of(&a[8]) };
        let got = drawn_38::reference::<f16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (40, |a| {
        let args = drawn_40::Args { k: Field::of(&a[0]), q: Field::of(&a[1]), scale: Field::of(&a[2]), table: Field::of(&a[3]), n: Field::of(&a[4]), v: Field::of(&a[5]), lse: Field::of(&a[6]) };
        let got = drawn_40::reference::<bf16, 32, 64>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (41, |a| {
        let args = drawn_41::Args { k: Field::of(&a[0]), lse: Field::of(&a[1]), q: Field::of(&a[2]), o: Field::of(&a[3]), ids: Field::of(&a[4]), scale: Field::of(&a[5]), n: Field::of(&a[6]) };
        let got = drawn_41::reference::<bf16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (43, |a| {
        let args = drawn_43::Args { shift: Field::of(&a[0]), slopes: Field::of(&a[1]), k: Field::of(&a[2]), o: Field::of(&a[3]), scale: Field::of(&a[4]), ids: Field::of(&a[5]), q: Field::of(&a[6]) };
        let got = drawn_43::reference::<bf16, 160>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (44, |a| {
        let args = drawn_44::Args { flag: Field::of(&a[0]), slopes: Field::of(&a[1]), lse: Field::of(&a[2]), q: Field::of(&a[3]), o: Field::of(&a[4]), n: Field::of(&a[5]), shift: Field::of(&a[6]), scale: Field::of(&a[7]), k: Field::of(&a[8]) };
        let got = drawn_44::reference::<bf16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (46, |a| {
        let args = drawn_46::Args { shift: Field::of(&a[0]), m: Field::of(&a[1]), o: Field::of(&a[2]), slopes: Field::of(&a[3]), k: Field::of(&a[4]), scale: Field::of(&a[5]), lse: Field::of(&a[6]), n: Field::of(&a[7]), q: Field::of(&a[8]), flag: Field::of(&a[9]) };
        let got = drawn_46::reference::<bf16, 128, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (47, |a| {
        let args = drawn_47::Args { o: Field::of(&a[0]), ids: Field::of(&a[1]), k: Field::of(&a[2]), slopes: Field::of(&a[3]), shift: Field::of(&a[4]), m: Field::of(&a[5]), scale: Field::of(&a[6]), q: Field::of(&a[7]) };
        let got = drawn_47::reference::<f16, 32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (49, |a| {
        let args = drawn_49::Args { v: Field::of(&a[0]), n: Field::of(&a[1]), q: Field::of(&a[2]), flag: Field::of(&a[3]), scale: Field::of(&a[4]), o: Field::of(&a[5]), ids: Field::of(&a[6]), k: Field::of(&a[7]), lse: Field::of(&a[8]) };
        let got = drawn_49::reference::<128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (50, |a| {
        let args = drawn_50::Args { scale: Field::of(&a[0]), v: Field::of(&a[1]), ids: Field::of(&a[2]), q: Field::of(&a[3]), shift: Field::of(&a[4]), slopes: Field::of(&a[5]), n: Field::of(&a[6]), k: Field::of(&a[7]), o: Field::of(&a[8]), lse: Field::of(&a[9]), m: Field::of(&a[10]) };
        let got = drawn_50::reference::<f16, 144>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (52, |a| {
        let args = drawn_52::Args { m: Field::of(&a[0]), o: Field::of(&a[1]), flag: Field::of(&a[2]), q: Field::of(&a[3]), k: Field::of(&a[4]), scale: Field::of(&a[5]), slopes: Field::of(&a[6]), lse: Field::of(&a[7]) };
        let got = drawn_52::reference::<bf16, 32, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (53, |a| {
        let args = drawn_53::Args { q: Field::of(&a[0]), o: Field::of(&a[1]), k: Field::of(&a[2]), scale: Field::of(&a[3]), other_values: Field::of(&a[4]), flag: Field::of(&a[5]), n: Field::of(&a[6]), m: Field::of(&a[7]) };
        let got = drawn_53::reference::<bf16, 64, 64>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (55, |a| {
        let args = drawn_55::Args { n: Field::of(&a[0]), q: Field::of(&a[1]), k: Field::of(&a[2]), lse: Field::of(&a[3]), v: Field::of(&a[4]), scale: Field::of(&a[5]), o: Field::of(&a[6]) };
        let got = drawn_55::reference(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (56, |a| {
        let args = drawn_56::Args { m: Field::of(&a[0]), shift: Field::of(&a[1]), n: Field::of(&a[2]), scale: Field::of(&a[3]), o: Field::of(&a[4]), q: Field::of(&a[5]), slopes: Field::of(&a[6]), k: Field::of(&a[7]), lse: Field::of(&a[8]) };
        let got = drawn_56::reference::<f16, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (58, |a| {
        let args = drawn_58::Args { scale: Field::of(&a[0]), o: Field::of(&a[1]), ids: Field::of(&a[2]), m: Field::of(&a[3]), k: Field::of(&a[4]), q: Field::of(&a[5]) };
        let got = drawn_58::reference::<32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (59, |a| {
        let args = drawn_59::Args { o: Field::of(&a[0]), scale: Field::of(&a[1]), slopes: Field::of(&a[2]), table: Field::of(&a[3]), q: Field::of(&a[4]), k: Field::of(&a[5]), shift: Field::of(&a[6]), v: Field::of(&a[7]), flag: Field::of(&a[8]) };
        let got = drawn_59::reference::<f16, 64>(&args)?;
        Ok(vec![("o", got.o)])
    }),
];
