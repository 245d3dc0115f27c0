//! Kernels that `tests/programs` draws, for rustc: made, and never changed by hand. `random_programs.rs` says how.
#![allow(unused, double_negations, clippy::all)]

use super::programs::host::{Field, Host};
use flashpage::prelude::*;

#[attention_kernel]
pub fn drawn_1<T: Element, const D: usize>(
    q: Query<T, D>,
    flag: bool,
    shift: f32,
    scale: f32,
    n: i32,
    m: i32,
    o: Output<T, D>,
    lse: RowOutput,
    k: Keys<T, D>,
    ids: PerHead<i32>,
) {
    let reach = (((7i32 + 11i32) - ((flag as i32) - 17i32))) % 100;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let k = k.load(tile);
        let mut scores = (scale * (dot(x0, k.t()).t().t())).mask(|at| ((2 * at.col <= at.row + 62) && (((if (at.row % 2 != at.col % 2) { 21i32 } else { at.col }) + (at.row - at.head)) > (at.row - ids[3 - at.col]))));
        let mut scores = scores.map(|x, place| x * 0.75 + select((place.seq != (-2.625f32 as i32)), 0.5, -0.25));
        let p = online.step(scores, &mut acc);
        acc += dot(p, k);
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_2<T: Element, const D: usize, const E: usize>(
    k: PagedKeys<T, D>,
    o: Output<T, E>,
    m: i32,
    scale: f32,
    v: PagedValues<T, E>,
    lse: RowOutput,
    table: BlockTable,
    q: Query<T, D>,
) {
    const LIMIT: i32 = 59;
    let lift = 0.25f32;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in table.tiles() {
        let keys = k.gather(table, cols);
        let scores = (dot(x0, keys.t())) * scale;
        let scores = scores.map(|score, at| (((((score).tanh()).exp()).tanh()).exp() * 0.25));
        let mut scores = scores.mask(|at| ((at.col <= at.row) != ((at.row - at.col) % 16 == 0)));
        let scores: Tile<Rows, Cols> = {
            scores.map(|score, at| score.min(3.0))
        };
        let weights = softmax.step(scores, &mut sum);
        sum += dot(weights, v.gather(table, cols));
    }
    o.store(softmax.finish(sum));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_4<T: Element, const D: usize>(
    scale: f32,
    o: Output<T, D>,
    k: Keys<T, D>,
    q: Query<T, D>,
    flag: bool,
    lse: RowOutput,
    ids: PerHead<i32>,
) {
    let reach = ({ let t = 92i32; t + 7 }) % 100;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
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
    scale: f32,
    lse: RowOutput,
    k: Keys<T, D>,
    v: Values<T, D>,
    shift: f32,
    o: Output<T, D>,
    q: Query<T, D>,
    n: i32,
) {
    let reach = (n) % 100;
    const LIMIT: i32 = 57;
    let lift = shift;
    let mut sum = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let mut scores = (dot(x0, k.load(block).t())).map(|x, _| x * scale);
        let weights = online.step(scores, &mut sum);
        sum += dot(weights, v.load(block));
    }
    lse.store(online.lse());
    let result = online.finish(sum);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_7<T: Element>(
    slopes: PerHead<f32>,
    table: BlockTable,
    k: PagedKeys<T, 32>,
    ids: PerHead<i32>,
    shift: f32,
    scale: f32,
    n: i32,
    q: Query<T, 32>,
    m: i32,
    lse: RowOutput,
    o: Output<T, 32>,
    v: PagedValues<T, 32>,
) {
    const LIMIT: i32 = 19;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for block in table.tiles() {
        let values = v.gather(table, block);
        let s: Tile<Rows, Cols> = {
            (dot(q, k.gather(table, block).t())).map(|x, _| x * scale)
        };
        let s = (s.map(|score, place| (-0.25f32 * (-0.75)))).mask(|place| select(((-2.375f32).max(shift) < 0.5f32), ((place.col + place.head) % 2 < 2), (select(((place.row != (ids[place.head] / 3)) || !(place.col > place.row + 21)), (place.row).abs(), (m + place.head)) > (place.col).min(place.seq))));
        let s = s.map(|x, at| x.min(3.0));
        let s = s.map(|x, at| x * 0.75 + select((slopes[at.seq * 2] * 4.0 < 0.3), 0.5, -0.25));
        let weights = online.step(s, &mut acc);
        acc += dot(weights, values);
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_8<T: Element>(
    q: Query<T, 224>,
    m: i32,
    o: Output<T, 224>,
    n: i32,
    scale: f32,
    v: Values<T, 224>,
    flag: bool,
    lse: RowOutput,
    k: Keys<T, 224>,
) {
    const LIMIT: i32 = 35;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let v = v.load(cols);
        let mut scores = (dot(x0, k.load(cols).t())) * scale;
        let scores = scores.mask(|at| (((at.row * at.col) % 2 != 4) == (at.col == at.seq)));
        let scores = scores.mask(|at| (((at.row).max((-at.col)) == at.col) || (2 * at.col <= at.row + 79)));
        let scores = scores.mask(|at| (at.col > at.head));
        let p = softmax.step(scores, &mut acc);
        acc += dot(p, v);
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_10<T: Element, const E: usize>(
    scale: f32,
    o: Output<T, E>,
    q: Query<T, 48>,
    lse: RowOutput,
    ids: PerHead<i32>,
    k: Keys<T, 48>,
    shift: f32,
) {
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    let mut sum = Tile::zeros();
    for cols in k.tiles() {
        let mut s = (dot(x0, k.load(cols).t())) * scale;
        s = s.map(|score, place| (((if (((place.col).min(place.seq) + place.seq) == (2.0f32 as i32)) { { let y = score; if y > 0.0 { y } else { 0.0 + (y - 0.0) * 0.25 } } } else { ((((((place.col / (-4))) % 50) as f32 * 0.02)).abs() + 0.25).sqrt() }) + (((score).tanh()).exp() * (shift * 0.03125))) * 0.125));
        let s = (s.map(|score, at| ((0.625f32).max(((at.row).max(-90).min(90) as f32)) * 0.03125))) + 1.75;
        let p = softmax.step(s, &mut sum);
        let more = dot(p.t().t(), k.load(cols).slice::<E>());
        sum += more;
    }
    let result = softmax.finish(sum);
    o.store(result);
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_11<T: Element>(
    scale: f32,
    lse: RowOutput,
    k: Keys<T, 32>,
    q: Query<T, 32>,
    o: Output<T, 32>,
    other_values: Values<T, 32>,
) {
    let reach: i32 = ((51i32 + (41i32 + 55i32))).max(-50).min(80);
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
    slopes: PerHead<f32>,
    k: Keys<T, D>,
    lse: RowOutput,
    o: Output<T, D>,
    other_keys: Keys<T, D>,
    flag: bool,
    q: Query<T, D>,
    n: i32,
    scale: f32,
) {
    const LIMIT: i32 = 63;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for block in other_keys.tiles() {
        let weights = online.step((dot(q, k.load(block).t())).map(|x, _| x * scale), &mut acc);
        acc += dot(weights, k.load(block));
    }
    lse.store(online.lse());
    let result = online.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_14<T: Element, const D: usize>(
    lse: RowOutput,
    slopes: PerHead<f32>,
    scale: f32,
    n: i32,
    q: Query<T, D>,
    k: Keys<T, D>,
    m: i32,
    v: Values<T, D>,
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
    q: Query<T, 64>,
    k: Keys<T, 64>,
    n: i32,
    slopes: PerHead<f32>,
    m: i32,
    scale: f32,
    v: Values<T, 64>,
    o: Output<T, 64>,
    lse: RowOutput,
) {
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    let mut acc = Tile::zeros();
    for block in k.tiles() {
        let s = (dot(k.load(block), q.t()).t()) * scale;
        let mut s = s.map(|x, at| (-((x).tanh()).tanh()));
        let s: Tile<Rows, Cols> = {
            (s.map(|score, at| score)).map(|score, place| ((((((place.col) % 50) as f32 * 0.02)).min(score)).tanh() * (0.0)))
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
    table: BlockTable,
    q: Query<T, 64>,
    scale: f32,
    flag: bool,
    lse: RowOutput,
    other_values: PagedValues<T, 64>,
    slopes: PerHead<f32>,
    k: PagedKeys<T, 64>,
) {
    let reach = ((if (false || (select(({ let part = 38i32; part + 7 } != (94i32 + (flag as i32))), ((25i32).max(-90).min(90) as f32), ((57i32).max(-90).min(90) as f32)) < (2.75f32).max(((37i32).max(-90).min(90) as f32)))) { (90i32).abs() } else { 64i32 })) % 100;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for cols in table.tiles() {
        let k = k.gather(table, cols);
        let mut scores = (dot(k, queries.t()).t()) * scale;
        scores = scores.map(|score, at| (((slopes[at.row % 5] * (-0.875))).min(((slopes[at.row % 5]).min(1.0)).exp()) / (1.5 + (((slopes[at.row % 5] * (-0.875))).min(((slopes[at.row % 5]).min(1.0)).exp())).abs())));
        let weights = online.step((scores.map(|x, place| (((x * (0.75))).tanh()).min(x))).mask(|place| ((place.row / (-7) + 4 != place.col) && ((select((place.row - place.col < reach), reach, place.row)).abs() != (place.row).min(reach)))), &mut sum);
        sum += dot(weights, k);
    }
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_19<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    n: i32,
    v: Values<T, E>,
    scale: f32,
    o: Output<T, E>,
    k: Keys<T, D>,
    lse: RowOutput,
) {
    let reach = (((n - 85i32) - (88i32 / 1))) % 100;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let keys = k.load(cols);
        let s: Tile<Rows, Cols> = {
            (((dot(queries.t().t().t(), keys.t())) / 8.0).mask(|at| (at.col / 2 == at.row / 2))).mask(|at| (((at.col + at.row)).min((at.col + 9i32)) > { let held = n; held + 4 }))
        };
        let s = (s.map(|x, place| x.min(1.0).exp())).mask(|place| ((place.row - place.col) % 2 == 4));
        let p = online.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_20<T: Element>(
    ids: PerHead<i32>,
    scale: f32,
    v: Values<T, 64>,
    q: Query<T, 64>,
    k: Keys<T, 64>,
    o: Output<f16, 64>,
    m: i32,
) {
    const LIMIT: i32 = 53;
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
    k: Keys<T, D>,
    q: Query<T, D>,
    lse: RowOutput,
    o: Output<T, D>,
    ids: PerHead<i32>,
    scale: f32,
    m: i32,
) {
    let queries = q.tile();
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    for tile in k.tiles() {
        let values = k.load(tile);
        let mut s = (dot(queries.t().t(), k.load(tile).t())) * scale;
        let s = s.mask(|at| ((at.row * at.col) % 3 <= 1));
        let weights = online.step(s, &mut acc);
        acc += dot(values.t(), weights.t()).t();
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_23<T: Element>(
    scale: f32,
    other_keys: Keys<T, 240>,
    lse: RowOutput,
    o: Output<T, 240>,
    shift: f32,
    n: i32,
    k: Keys<T, 240>,
    q: Query<T, 240>,
) {
    let q = q.tile().t();
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    for cols in other_keys.tiles() {
        let keys = k.load(cols);
        let values = keys;
        let s = ((dot(q.t(), keys.t())) * scale).mask(|place| ((((-place.col)).abs() >= select((place.row >= place.col - n), place.row, 13i32)) && (place.row % 3 != place.col % 3)));
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
    other_values: Values<T, D>,
    ids: PerHead<i32>,
    scale: f32,
    m: i32,
    q: Query<T, D>,
    o: Output<T, D>,
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
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    slopes: PerHead<f32>,
    o: Output<T, E>,
    scale: f32,
) {
    let reach = ((90i32 % (-4))) % 100;
    let lift = ((reach).max(-90).min(90) as f32);
    let mut sum = Tile::<Rows, Dim<E>>::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile().t();
    for cols in k.tiles() {
        let scores = ((dot(q.t(), k.load(cols).t())) / 8.0).map(|x, place| (((x - (-1.375f32).abs())).abs() + 0.25).sqrt());
        let scores = (scores.map(|x, place| select(false, ((if (((-(place.seq).min(place.col)) != place.seq) && ((place.col == place.row) || (((((place.row).max(-90).min(90) as f32) as i32)).abs() > (place.row / 3)))) { x } else { x })).tanh(), select(((2 * place.col <= place.row + 70) && (2 * place.col <= place.row + reach)), ((x).abs() + 0.25).sqrt(), (-0.25f32 * (-1.0)))))).mask(|at| (at.col / 5 < at.row / 5));
        let p = online.step(scores.mask(|at| (at.row % 3 == at.col % 3)), &mut sum);
        sum += dot(v.load(cols).t(), p.t()).t();
    }
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_28<T: Element>(
    n: i32,
    v: PagedValues<T, 176>,
    m: i32,
    lse: RowOutput,
    other_table: BlockTable,
    scale: f32,
    q: Query<T, 176>,
    o: Output<f16, 176>,
    table: BlockTable,
    k: PagedKeys<T, 176>,
    slopes: PerHead<f32>,
) {
    let reach = (((-0.375f32 as i32) - 50i32)) % 100;
    const LIMIT: i32 = 13;
    let mut acc = Tile::<Rows, Dim<176>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in table.tiles() {
        let v = v.gather(table, tile);
        let s: Tile<Rows, Cols> = {
            ((dot(x0, k.gather(table, tile).t())) / 8.0) + 0.75
        };
        let weights = softmax.step(s.map(|score, at| score), &mut acc);
        acc += dot(weights, v);
    }
    lse.store(softmax.lse());
    let result = softmax.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_29<T: Element, const D: usize>(
    m: i32,
    q: Query<T, D>,
    flag: bool,
    lse: RowOutput,
    k: Keys<T, D>,
    shift: f32,
    scale: f32,
) {
    let reach = ((((flag as i32) - m) + (m * 2))) % 100;
    const LIMIT: i32 = 50;
    let lift = -2.375f32;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let keys = k.load(block);
        let values = keys;
        let s: Tile<Rows, Cols> = {
            (dot(keys, x0.t()).t()).map(|x, _| x * scale)
        };
        let mut s = (s.mask(|place| (((place.col).max(-90).min(90) as f32) < 2.875f32))).mask(|place| ((place.col / (-7) == place.row / (-7)) && (place.col / 2 != place.row / 2)));
        let p = softmax.step(s, &mut acc);
        acc += dot(values.t(), p.t()).t();
    }
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_31<T: Element, const D: usize>(
    k: Keys<T, D>,
    n: i32,
    other_keys: Keys<T, D>,
    q: Query<T, D>,
    lse: RowOutput,
    shift: f32,
    scale: f32,
    o: Output<f32, 64>,
) {
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let q = q.tile();
    for cols in other_keys.tiles() {
        let weights = softmax.step((dot(q, k.load(cols).t())) / 8.0, &mut sum);
        sum += dot(weights, k.load(cols).slice::<64>());
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(sum));
}

#[attention_kernel]
pub fn drawn_32<T: Element, const E: usize>(
    m: i32,
    ids: PerHead<i32>,
    o: Output<T, E>,
    scale: f32,
    q: Query<T, 64>,
    lse: RowOutput,
    n: i32,
    k: Keys<T, 64>,
) {
    let reach = (75i32) % 100;
    let mut sum = Tile::<Rows, Dim<E>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let mut scores = (dot(x0, keys.t())) * scale;
        let scores: Tile<Rows, Cols> = {
            scores.mask(|at| !(at.col > at.row + 50))
        };
        let weights = softmax.step(scores.map(|score, place| { let y = score + 0.5; y * 0.5 }), &mut sum);
        sum += dot(keys.slice::<E>().t(), weights.t()).t();
    }
    o.store(softmax.finish(sum));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_34<const D: usize, const E: usize>(
    ids: PerHead<i32>,
    scale: f32,
    o: Output<bf16, E>,
    q: Query<f16, D>,
    m: i32,
    v: PagedValues<f16, E>,
    k: PagedKeys<f16, D>,
    slopes: PerHead<f32>,
    table: BlockTable,
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
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_35<T: Element, const D: usize, const E: usize>(
    shift: f32,
    scale: f32,
    n: i32,
    k: Keys<T, D>,
    q: Query<T, D>,
    o: Output<T, E>,
    other_values: Values<T, E>,
    m: i32,
) {
    let lift = ((n).max(-90).min(90) as f32);
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let mut s = (((dot(queries, keys.t()).t().t()) * scale) + 1.25).mask(|place| (((place.col - 40) / 5 > 3) || (({ let held = place.col; held + 7 } % 1) == { let held = place.col; held + 6 })));
        let weights = online.step((s.map(|score, place| score * 0.75 + select((((place.row * place.col) % 2 > 4) && ((if (shift >= select(((place.col + place.head) % 2 == 3), ((50i32).max(-90).min(90) as f32), lift)) { 5i32 } else { (place.row).abs() }) >= 81i32)), 0.5, -0.25))).mask(|place| ((-2.375f32).max(lift) > (-2.5f32 * 2.0))), &mut acc);
        acc += dot(weights, keys.slice::<E>());
    }
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_37<T: Element, const D: usize>(
    m: i32,
    n: i32,
    q: Query<T, D>,
    v: Values<T, D>,
    scale: f32,
    slopes: PerHead<f32>,
    k: Keys<T, D>,
    lse: RowOutput,
) {
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    let mut sum = Tile::<Rows, Dim<D>>::zeros();
    for block in k.tiles() {
        let v = v.load(block);
        let mut s = ((dot(queries, k.load(block).t())) * scale).mask(|at| ((at.col / 16 > at.row / 16) || (at.col >= 24)));
        let weights = softmax.step(s, &mut sum);
        let more = dot(weights.t().t(), v);
        sum += more;
    }
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_38<T: Element, const D: usize>(
    k: PagedKeys<T, D>,
    shift: f32,
    ids: PerHead<i32>,
    table: BlockTable,
    lse: RowOutput,
    o: Output<T, D>,
    n: i32,
    q: Query<T, D>,
    v: PagedValues<T, D>,
    scale: f32,
) {
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in table.tiles() {
        let k = k.gather(table, block);
        let mut scores = ((dot(x0, k.t())).map(|x, _| x * scale)).map(|score, place| ((((score).abs() + 0.25).sqrt() * (-1.25))).min((shift * (0.5))));
        let weights = online.step(scores, &mut acc);
        acc += dot(weights, v.gather(table, block));
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_40<T: Element, const D: usize, const E: usize>(
    scale: f32,
    k: PagedKeys<T, D>,
    n: i32,
    table: BlockTable,
    lse: RowOutput,
    q: Query<T, D>,
    v: PagedValues<T, E>,
) {
    let reach: i32 = (((n).min(78i32) / 1)).max(-50).min(80);
    const LIMIT: i32 = 65;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for cols in table.tiles() {
        let values = v.gather(table, cols);
        let mut scores = (dot(k.gather(table, cols), q.t()).t()) * scale;
        let scores: Tile<Rows, Cols> = {
            scores.map(|x, at| ((((select(!!(at.col < (at.col).abs()), x, x)).tanh()).exp() * (-1.25)) * 0.5))
        };
        let scores = scores.mask(|at| (at.col / 3 <= at.row / 3));
        let scores = scores.map(|score, place| score.min(1.0).exp());
        let mut scores = scores.mask(|at| ((at.row - at.col) % 2 > 3));
        let weights = online.step(scores, &mut sum);
        let more = dot(weights.t().t(), values);
        sum += more;
    }
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_41<T: Element, const D: usize>(
    k: Keys<T, D>,
    ids: PerHead<i32>,
    o: Output<T, D>,
    lse: RowOutput,
    scale: f32,
    q: Query<T, D>,
) {
    const LIMIT: i32 = -5;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for block in k.tiles() {
        let v = k.load(block);
        let keys = k.load(block);
        let s = (dot(queries, keys.t()).t().t()) * scale;
        let p = softmax.step(s.map(|score, at| ((({ let held = (at.head + at.row); held + 1 }) % 50) as f32 * 0.02)), &mut acc);
        acc += dot(p, v);
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_43<T: Element, const D: usize>(
    flag: bool,
    o: Output<T, D>,
    q: Query<T, D>,
    slopes: PerHead<f32>,
    k: Keys<T, D>,
    m: i32,
    scale: f32,
    ids: PerHead<i32>,
) {
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    for cols in k.tiles() {
        let v = k.load(cols);
        let k = k.load(cols);
        let mut scores = (dot(q, k.t())) * scale;
        let mut scores = scores.mask(|place| (slopes[3 - place.col] * 4.0 < 1.1));
        let p = online.step(scores.map(|score, at| score * 0.75 + select(!(((at.row / 5) % 5) == { let t = at.head; t + 1 }), 0.5, -0.25)), &mut acc);
        acc += dot(p, v);
    }
    let result = online.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_44<T: Element, const D: usize>(
    m: i32,
    k: Keys<T, D>,
    flag: bool,
    lse: RowOutput,
    scale: f32,
    q: Query<T, D>,
    shift: f32,
    n: i32,
    o: Output<T, D>,
) {
    let reach = (52i32) % 100;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for block in k.tiles() {
        let k = k.load(block);
        let s = ((dot(q.t().t(), k.t())) * scale).mask(|place| (place.row / 3 + 0 > place.col));
        let s = (s.map(|x, place| x.max(-6.0))).map(|score, place| ({ let y = ((score).abs() + 1.0).ln(); if y > 1.75 { y } else { 1.75 + (y - 1.75) * 0.25 } }).abs());
        let weights = online.step(s.map(|score, at| (((-1.5f32).max(select((!((at.col + at.head) % 3 < 1) || ({ let held = (at.row + at.row); held + 4 } < 89i32)), score, ((((-26i32)) % 50) as f32 * 0.02)))).tanh()).exp()), &mut acc);
        acc += dot(weights, k);
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_46<T: Element, const D: usize, const E: usize>(
    slopes: PerHead<f32>,
    q: Query<T, D>,
    m: i32,
    o: Output<T, E>,
    shift: f32,
    lse: RowOutput,
    k: Keys<T, D>,
    n: i32,
    scale: f32,
) {
    const LIMIT: i32 = 34;
    let mut sum = Tile::<Rows, Dim<E>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let s = (dot(x0, k.load(tile).t())) * scale;
        let s = (s + 1.875).mask(|at| (at.col >= n));
        let s = s.map(|score, place| score.max(-6.0));
        let weights = online.step(s, &mut sum);
        sum += dot(weights, k.load(tile).slice::<E>());
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_47<T: Element, const D: usize>(
    m: i32,
    flag: bool,
    q: Query<T, D>,
    n: i32,
    ids: PerHead<i32>,
    k: Keys<T, D>,
    scale: f32,
    o: Output<T, D>,
) {
    let x0 = q.tile();
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    for cols in k.tiles() {
        let scores: Tile<Rows, Cols> = {
            (dot(x0, k.load(cols).t())) * scale
        };
        let weights = softmax.step((scores.mask(|at| (at.col >= 28))).map(|score, place| score.min(3.0)), &mut acc);
        acc += dot(weights, k.load(cols));
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_49<const D: usize>(
    lse: RowOutput,
    q: Query<bf16, D>,
    o: Output<bf16, D>,
    k: Keys<bf16, D>,
    slopes: PerHead<f32>,
    other_keys: Keys<bf16, D>,
    scale: f32,
    shift: f32,
    v: Values<bf16, D>,
    ids: PerHead<i32>,
) {
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let v = v.load(block);
        let keys = k.load(block);
        let s = (scale * (dot(x0, keys.t()))).map(|score, at| score);
        let weights = online.step(s, &mut sum);
        sum += dot(weights, v);
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_50<T: Element, const D: usize>(
    k: Keys<T, D>,
    v: Values<T, D>,
    m: i32,
    ids: PerHead<i32>,
    n: i32,
    slopes: PerHead<f32>,
    q: Query<T, D>,
    scale: f32,
    lse: RowOutput,
    o: Output<T, D>,
) {
    let reach = ((m % 32)) % 100;
    let lift = ((m).max(-90).min(90) as f32);
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for cols in k.tiles() {
        let keys = k.load(cols);
        let weights = softmax.step((scale * (dot(queries.t().t(), keys.t()))).map(|score, at| (((slopes[at.head] / (1.5 + (slopes[at.head]).abs()))).tanh()).tanh()), &mut sum);
        sum += dot(weights, v.load(cols));
    }
    o.store(softmax.finish(sum));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_52<T: Element, const D: usize, const E: usize>(
    k: Keys<T, D>,
    o: Output<T, E>,
    lse: RowOutput,
    flag: bool,
    slopes: PerHead<f32>,
    ids: PerHead<i32>,
    n: i32,
    q: Query<T, D>,
    shift: f32,
    scale: f32,
) {
    let reach = (((84i32 + n) * 3)) % 100;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let k = k.load(cols);
        let v = k.slice::<E>();
        let mut scores = (dot(queries.t().t().t(), k.t())) * scale;
        let weights = online.step((((scores.mask(|place| (place.row >= place.col - reach))) + 0.875).mask(|place| ((place.row - place.col) % 2 == 3))).map(|score, place| score.max(-6.0)), &mut sum);
        let more = dot(weights.t().t(), v);
        sum += more;
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
    other_keys: Keys<T, D>,
    shift: f32,
    n: i32,
) {
    const LIMIT: i32 = 14;
    let mut acc = Tile::<Rows, Dim<E>>::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for block in k.tiles() {
        let s = (dot(queries, k.load(block).t()).t().t()) * scale;
        let s = s.map(|x, at| ((((x * ((((at.col).max(-90).min(90) as f32) - 2.375f32) * 0.03125))).tanh() * 0.0f32) * 0.125));
        let p = online.step((s.map(|x, place| (((if (!(2 * place.col <= place.row + LIMIT) && !((-(-place.row)) == (-89i32))) { x } else { (x / (1.5 + (x).abs())) })).min(1.0)).exp())) * 0.5, &mut acc);
        acc += dot(p, k.load(block).slice::<E>());
    }
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_55(
    scale: f32,
    lse: RowOutput,
    k: Keys<bf16, 64>,
    v: Values<bf16, 64>,
    q: Query<bf16, 64>,
    o: Output<bf16, 64>,
) {
    let q = q.tile();
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    for cols in k.tiles() {
        let k = k.load(cols);
        let weights = softmax.step((scale * (dot(k, q.t()).t())).mask(|place| ((((place.col).max(-90).min(90) as f32) * (-1.0)) < ((place.row).max(-90).min(90) as f32))), &mut sum);
        sum += dot(v.load(cols).t(), weights.t()).t();
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(sum));
}

#[attention_kernel]
pub fn drawn_56<T: Element, const D: usize>(
    k: Keys<T, D>,
    o: Output<T, D>,
    slopes: PerHead<f32>,
    m: i32,
    shift: f32,
    scale: f32,
    q: Query<T, D>,
    lse: RowOutput,
) {
    const LIMIT: i32 = 29;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let scores: Tile<Rows, Cols> = {
            (dot(keys, x0.t()).t()) * scale
        };
        let scores: Tile<Rows, Cols> = {
            scores.mask(|place| (((75i32 + place.row) % 1) == 18i32))
        };
        let scores: Tile<Rows, Cols> = {
            scores.map(|x, at| x.min(3.0))
        };
        let weights = online.step(scores.map(|score, at| score * 0.75 + select((true == ((at.col - 40) / (-7) > 0)), 0.5, -0.25)), &mut sum);
        sum += dot(weights, keys);
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_58<const E: usize>(
    q: Query<bf16, 32>,
    slopes: PerHead<f32>,
    scale: f32,
    n: i32,
    flag: bool,
    m: i32,
    o: Output<bf16, E>,
    k: Keys<bf16, 32>,
) {
    let reach = ((29i32 + 4i32)) % 100;
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for block in k.tiles() {
        let keys = k.load(block);
        let s = ((dot(queries, keys.t())) * scale).mask(|place| (place.row % 5 == place.col % 5));
        let mut s = s.mask(|at| !((at.col >= reach) || !(at.col > at.row + 23)));
        let weights = softmax.step(s, &mut sum);
        sum += dot(weights, keys.slice::<E>());
    }
    o.store(softmax.finish(sum));
}

#[attention_kernel]
pub fn drawn_59<T: Element, const D: usize>(
    q: Query<T, D>,
    table: BlockTable,
    shift: f32,
    m: i32,
    v: PagedValues<T, D>,
    scale: f32,
    k: PagedKeys<T, D>,
    n: i32,
    o: Output<f16, D>,
) {
    let reach: i32 = ((n / 7)).max(-50).min(80);
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
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
        let args = drawn_1::Args { q: Field::of(&a[0]), flag: Field::of(&a[1]), shift: Field::of(&a[2]), scale: Field::of(&a[3]), n: Field::of(&a[4]), m: Field::of(&a[5]), o: Field::of(&a[6]), lse: Field::of(&a[7]), k: Field::of(&a[8]), ids: Field::of(&a[9]) };
        let got = drawn_1::reference::<bf16, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (2, |a| {
        let args = drawn_2::Args { k: Field::of(&a[0]), o: Field::of(&a[1]), m: Field::of(&a[2]), scale: Field::of(&a[3]), v: Field::of(&a[4]), lse: Field::of(&a[5]), table: Field::of(&a[6]), q: Field::of(&a[7]) };
        let got = drawn_2::reference::<bf16, 224, 128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (4, |a| {
        let args = drawn_4::Args { scale: Field::of(&a[0]), o: Field::of(&a[1]), k: Field::of(&a[2]), q: Field::of(&a[3]), flag: Field::of(&a[4]), lse: Field::of(&a[5]), ids: Field::of(&a[6]) };
        let got = drawn_4::reference::<f16, 240>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (5, |a| {
        let args = drawn_5::Args { scale: Field::of(&a[0]), lse: Field::of(&a[1]), k: Field::of(&a[2]), v: Field::of(&a[3]), shift: Field::of(&a[4]), o: Field::of(&a[5]), q: Field::of(&a[6]), n: Field::of(&a[7]) };
        let got = drawn_5::reference::<bf16, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (7, |a| {
        let args = drawn_7::Args { slopes: Field::of(&a[0]), table: Field::of(&a[1]), k: Field::of(&a[2]), ids: Field::of(&a[3]), shift: Field::of(&a[4]), scale: Field::of(&a[5]), n: Field::of(&a[6]), q: Field::of(&a[7]), m: Field::of(&a[8]), lse: Field::of(&a[9]), o: Field::of(&a[10]), v: Field::of(&a[11]) };
        let got = drawn_7::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (8, |a| {
        let args = drawn_8::Args { q: Field::of(&a[0]), m: Field::of(&a[1]), o: Field::of(&a[2]), n: Field::of(&a[3]), scale: Field::of(&a[4]), v: Field::of(&a[5]), flag: Field::of(&a[6]), lse: Field::of(&a[7]), k: Field::of(&a[8]) };
        let got = drawn_8::reference::<f16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (10, |a| {
        let args = drawn_10::Args { scale: Field::of(&a[0]), o: Field::of(&a[1]), q: Field::of(&a[2]), lse: Field::of(&a[3]), ids: Field::of(&a[4]), k: Field::of(&a[5]), shift: Field::of(&a[6]) };
        let got = drawn_10::reference::<f16, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (11, |a| {
        let args = drawn_11::Args { scale: Field::of(&a[0]), lse: Field::of(&a[1]), k: Field::of(&a[2]), q: Field::of(&a[3]), o: Field::of(&a[4]), other_values: Field::of(&a[5]) };
        let got = drawn_11::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (13, |a| {
        let args = drawn_13::Args { slopes: Field::of(&a[0]), k: Field::of(&a[1]), lse: Field::of(&a[2]), o: Field::of(&a[3]), other_keys: Field::of(&a[4]), flag: Field::of(&a[5]), q: Field::of(&a[6]), n: Field::of(&a[7]), scale: Field::of(&a[8]) };
        let got = drawn_13::reference::<f16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (14, |a| {
        let args = drawn_14::Args { lse: Field::of(&a[0]), slopes: Field::of(&a[1]), scale: Field::of(&a[2]), n: Field::of(&a[3]), q: Field::of(&a[4]), k: Field::of(&a[5]), m: Field::of(&a[6]), v: Field::of(&a[7]) };
        let got = drawn_14::reference::<bf16, 32>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (16, |a| {
        let args = drawn_16::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), n: Field::of(&a[2]), slopes: Field::of(&a[3]), m: Field::of(&a[4]), scale: Field::of(&a[5]), v: Field::of(&a[6]), o: Field::of(&a[7]), lse: Field::of(&a[8]) };
        let got = drawn_16::reference::<bf16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (17, |a| {
        let args = drawn_17::Args { table: Field::of(&a[0]), q: Field::of(&a[1]), scale: Field::of(&a[2]), flag: Field::of(&a[3]), lse: Field::of(&a[4]), other_values: Field::of(&a[5]), slopes: Field::of(&a[6]), k: Field::of(&a[7]) };
        let got = drawn_17::reference::<f16>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (19, |a| {
        let args = drawn_19::Args { q: Field::of(&a[0]), n: Field::of(&a[1]), v: Field::of(&a[2]), scale: Field::of(&a[3]), o: Field::of(&a[4]), k: Field::of(&a[5]), lse: Field::of(&a[6]) };
        let got = drawn_19::reference::<f16, 128, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (20, |a| {
        let args = drawn_20::Args { ids: Field::of(&a[0]), scale: Field::of(&a[1]), v: Field::of(&a[2]), q: Field::of(&a[3]), k: Field::of(&a[4]), o: Field::of(&a[5]), m: Field::of(&a[6]) };
        let got = drawn_20::reference::<f16>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (22, |a| {
        let args = drawn_22::Args { k: Field::of(&a[0]), q: Field::of(&a[1]), lse: Field::of(&a[2]), o: Field::of(&a[3]), ids: Field::of(&a[4]), scale: Field::of(&a[5]), m: Field::of(&a[6]) };
        let got = drawn_22::reference::<bf16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (23, |a| {
        let args = drawn_23::Args { scale: Field::of(&a[0]), other_keys: Field::of(&a[1]), lse: Field::of(&a[2]), o: Field::of(&a[3]), shift: Field::of(&a[4]), n: Field::of(&a[5]), k: Field::of(&a[6]), q: Field::of(&a[7]) };
        let got = drawn_23::reference::<f16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (25, |a| {
        let args = drawn_25::Args { k: Field::of(&a[0]), flag: Field::of(&a[1]), v: Field::of(&a[2]), other_values: Field::of(&a[3]), ids: Field::of(&a[4]), scale: Field::of(&a[5]), m: Field::of(&a[6]), q: Field::of(&a[7]), o: Field::of(&a[8]) };
        let got = drawn_25::reference::<bf16, 32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (26, |a| {
        let args = drawn_26::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), v: Field::of(&a[2]), slopes: Field::of(&a[3]), o: Field::of(&a[4]), scale: Field::of(&a[5]) };
        let got = drawn_26::reference::<f16, 224, 128>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (28, |a| {
        let args = drawn_28::Args { n: Field::of(&a[0]), v: Field::of(&a[1]), m: Field::of(&a[2]), lse: Field::of(&a[3]), other_table: Field::of(&a[4]), scale: Field::of(&a[5]), q: Field::of(&a[6]), o: Field::of(&a[7]), table: Field::of(&a[8]), k: Field::of(&a[9]), slopes: Field::of(&a[10]) };
        let got = drawn_28::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (29, |a| {
        let args = drawn_29::Args { m: Field::of(&a[0]), q: Field::of(&a[1]), flag: Field::of(&a[2]), lse: Field::of(&a[3]), k: Field::of(&a[4]), shift: Field::of(&a[5]), scale: Field::of(&a[6]) };
        let got = drawn_29::reference::<f16, 160>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (31, |a| {
        let args = drawn_31::Args { k: Field::of(&a[0]), n: Field::of(&a[1]), other_keys: Field::of(&a[2]), q: Field::of(&a[3]), lse: Field::of(&a[4]), shift: Field::of(&a[5]), scale: Field::of(&a[6]), o: Field::of(&a[7]) };
        let got = drawn_31::reference::<f16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (32, |a| {
        let args = drawn_32::Args { m: Field::of(&a[0]), ids: Field::of(&a[1]), o: Field::of(&a[2]), scale: Field::of(&a[3]), q: Field::of(&a[4]), lse: Field::of(&a[5]), n: Field::of(&a[6]), k: Field::of(&a[7]) };
        let got = drawn_32::reference::<f16, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (34, |a| {
        let args = drawn_34::Args { ids: Field::of(&a[0]), scale: Field::of(&a[1]), o: Field::of(&a[2]), q: Field::of(&a[3]), m: Field::of(&a[4]), v: Field::of(&a[5]), k: Field::of(&a[6]), slopes: Field::of(&a[7]), table: Field::of(&a[8]) };
        let got = drawn_34::reference::<64, 256>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (35, |a| {
        let args = drawn_35::Args { shift: Field::of(&a[0]), scale: Field::of(&a[1]), n: Field::of(&a[2]), k: Field::of(&a[3]), q: Field::of(&a[4]), o: Field::of(&a[5]), other_values: Field::of(&a[6]), m: Field::of(&a[7]) };
        let got = drawn_35::reference::<bf16, 128, 128>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (37, |a| {
        let args = drawn_37::Args { m: Field::of(&a[0]), n: Field::of(&a[1]), q: Field::of(&a[2]), v: Field::of(&a[3]), scale: Field::of(&a[4]), slopes: Field::of(&a[5]), k: Field::of(&a[6]), lse: Field::of(&a[7]) };
        let got = drawn_37::reference::<f16, 32>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (38, |a| {
        let args = drawn_38::Args { k: Field::of(&a[0]), shift: Field::of(&a[1]), ids: Field::of(&a[2]), table: Field::of(&a[3]), lse: Field::of(&a[4]), o: Field::of(&a[5]), n: Field::of(&a[6]), q: Field::of(&a[7]), v: Field::of(&a[8]), scale: Field::of(&a[9]) };
        let got = drawn_38::reference::<f16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (40, |a| {
        let args = drawn_40::Args { scale: Field::of(&a[0]), k: Field::of(&a[1]), n: Field::of(&a[2]), table: Field::of(&a[3]), lse: Field::of(&a[4]), q: Field::of(&a[5]), v: Field::of(&a[6]) };
        let got = drawn_40::reference::<bf16, 32, 64>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (41, |a| {
        let args = drawn_41::Args { k: Field::of(&a[0]), ids: Field::of(&a[1]), o: Field::of(&a[2]), lse: Field::of(&a[3]), scale: Field::of(&a[4]), q: Field::of(&a[5]) };
        let got = drawn_41::reference::<bf16, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (43, |a| {
        let args = drawn_43::Args { flag: Field::of(&a[0]), o: Field::of(&a[1]), q: Field::of(&a[2]), slopes: Field::of(&a[3]), k: Field::of(&a[4]), m: Field::of(&a[5]), scale: Field::of(&a[6]), ids: Field::of(&a[7]) };
        let got = drawn_43::reference::<bf16, 160>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (44, |a| {
        let args = drawn_44::Args { m: Field::of(&a[0]), k: Field::of(&a[1]), flag: Field::of(&a[2]), lse: Field::of(&a[3]), scale: Field::of(&a[4]), q: Field::of(&a[5]), shift: Field::of(&a[6]), n: Field::of(&a[7]), o: Field::of(&a[8]) };
        let got = drawn_44::reference::<bf16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (46, |a| {
        let args = drawn_46::Args { slopes: Field::of(&a[0]), q: Field::of(&a[1]), m: Field::of(&a[2]), o: Field::of(&a[3]), shift: Field::of(&a[4]), lse: Field::of(&a[5]), k: Field::of(&a[6]), n: Field::of(&a[7]), scale: Field::of(&a[8]) };
        let got = drawn_46::reference::<bf16, 128, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (47, |a| {
        let args = drawn_47::Args { m: Field::of(&a[0]), flag: Field::of(&a[1]), q: Field::of(&a[2]), n: Field::of(&a[3]), ids: Field::of(&a[4]), k: Field::of(&a[5]), scale: Field::of(&a[6]), o: Field::of(&a[7]) };
        let got = drawn_47::reference::<f16, 32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (49, |a| {
        let args = drawn_49::Args { lse: Field::of(&a[0]), q: Field::of(&a[1]), o: Field::of(&a[2]), k: Field::of(&a[3]), slopes: Field::of(&a[4]), other_keys: Field::of(&a[5]), scale: Field::of(&a[6]), shift: Field::of(&a[7]), v: Field::of(&a[8]), ids: Field::of(&a[9]) };
        let got = drawn_49::reference::<128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (50, |a| {
        let args = drawn_50::Args { k: Field::of(&a[0]), v: Field::of(&a[1]), m: Field::of(&a[2]), ids: Field::of(&a[3]), n: Field::of(&a[4]), slopes: Field::of(&a[5]), q: Field::of(&a[6]), scale: Field::of(&a[7]), lse: Field::of(&a[8]), o: Field::of(&a[9]) };
        let got = drawn_50::reference::<f16, 144>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (52, |a| {
        let args = drawn_52::Args { k: Field::of(&a[0]), o: Field::of(&a[1]), lse: Field::of(&a[2]), flag: Field::of(&a[3]), slopes: Field::of(&a[4]), ids: Field::of(&a[5]), n: Field::of(&a[6]), q: Field::of(&a[7]), shift: Field::of(&a[8]), scale: Field::of(&a[9]) };
        let got = drawn_52::reference::<bf16, 32, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (53, |a| {
        let args = drawn_53::Args { q: Field::of(&a[0]), o: Field::of(&a[1]), k: Field::of(&a[2]), scale: Field::of(&a[3]), other_keys: Field::of(&a[4]), shift: Field::of(&a[5]), n: Field::of(&a[6]) };
        let got = drawn_53::reference::<bf16, 64, 64>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (55, |a| {
        let args = drawn_55::Args { scale: Field::of(&a[0]), lse: Field::of(&a[1]), k: Field::of(&a[2]), v: Field::of(&a[3]), q: Field::of(&a[4]), o: Field::of(&a[5]) };
        let got = drawn_55::reference(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (56, |a| {
        let args = drawn_56::Args { k: Field::of(&a[0]), o: Field::of(&a[1]), slopes: Field::of(&a[2]), m: Field::of(&a[3]), shift: Field::of(&a[4]), scale: Field::of(&a[5]), q: Field::of(&a[6]), lse: Field::of(&a[7]) };
        let got = drawn_56::reference::<f16, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (58, |a| {
        let args = drawn_58::Args { q: Field::of(&a[0]), slopes: Field::of(&a[1]), scale: Field::of(&a[2]), n: Field::of(&a[3]), flag: Field::of(&a[4]), m: Field::of(&a[5]), o: Field::of(&a[6]), k: Field::of(&a[7]) };
        let got = drawn_58::reference::<32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (59, |a| {
        let args = drawn_59::Args { q: Field::of(&a[0]), table: Field::of(&a[1]), shift: Field::of(&a[2]), m: Field::of(&a[3]), v: Field::of(&a[4]), scale: Field::of(&a[5]), k: Field::of(&a[6]), n: Field::of(&a[7]), o: Field::of(&a[8]) };
        let got = drawn_59::reference::<f16, 64>(&args)?;
        Ok(vec![("o", got.o)])
    }),
];
