//! Kernels that `tests/programs` draws, for rustc: made, and never changed by hand. `random_programs.rs` says how.
#![allow(unused, double_negations, clippy::all)]

use super::programs::host::{Field, Host};
use flashpage::prelude::*;

#[attention_kernel]
pub fn drawn_1<T: Element, const D: usize>(
    scale: f32,
    m: i32,
    o: Output<T, D>,
    flag: bool,
    v: Values<T, D>,
    k: Keys<T, D>,
    shift: f32,
    q: Query<T, D>,
) {
    let reach: i32 = (m).max(-50).min(80);
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let k = k.load(tile);
        let p = online.step((dot(x0, k.t()).t().t()).map(|x, _| x * scale), &mut acc);
        acc += dot(v.load(tile).t(), p.t()).t();
    }
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_2<const D: usize>(
    shift: f32,
    q: Query<f16, D>,
    v: PagedValues<f16, D>,
    o: Output<f16, D>,
    k: PagedKeys<f16, D>,
    scale: f32,
    lse: RowOutput,
    n: i32,
    table: BlockTable,
) {
    let x0 = q.tile();
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    for cols in table.tiles() {
        let keys = k.gather(table, cols);
        let scores = (dot(x0, keys.t())) * scale;
        let scores = scores.mask(|at| ((at.col - 40) / 3 != 2));
        let mut scores = scores + 1.5;
        let scores: Tile<Rows, Cols> = {
            scores + 1.0
        };
        let mut scores = scores.mask(|at| (2 * at.col <= at.row + 40));
        let weights = softmax.step(scores, &mut sum);
        sum += dot(v.gather(table, cols).t(), weights.t()).t();
    }
    lse.store(softmax.lse());
    let result = softmax.finish(sum);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_4<T: Element, const D: usize>(
    k: Keys<T, D>,
    scale: f32,
    v: Values<T, D>,
    n: i32,
    q: Query<T, D>,
    flag: bool,
    shift: f32,
    o: Output<T, D>,
    lse: RowOutput,
) {
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    let mut acc = Tile::zeros();
    for block in k.tiles() {
        let keys = k.load(block);
        let v = v.load(block);
        let p = online.step(((dot(keys, x0.t()).t()).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 })).map(|x, place| { let y = ((((((place.row).max(-90).min(90) as f32) - shift) * 0.03125) / (1.5 + (((((place.row).max(-90).min(90) as f32) - shift) * 0.03125)).abs())) * (0.5)); if y > 1.75 { y } else { 1.75 + (y - 1.75) * 0.25 } }), &mut acc);
        acc += dot(p, v);
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_5<T: Element>(
    lse: RowOutput,
    q: Query<T, 64>,
    scale: f32,
    k: Keys<T, 64>,
    v: Values<T, 64>,
) {
    const LIMIT: i32 = -5;
    let mut sum = Tile::<Rows, Dim<64>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let mut scores = (dot(x0, k.load(block).t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 });
        let weights = online.step((scores.map(|x, at| ((x + x) / (1.5 + ((x + x)).abs())))).mask(|at| (if (at.row >= at.col - LIMIT) { (at.row / 16 + 0 == at.col) } else { ((at.row - at.col) % 16 <= 1) })), &mut sum);
        let more = dot(weights.t().t(), v.load(block));
        sum += more;
    }
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_7<T: Element, const D: usize>(
    k: PagedKeys<T, D>,
    flag: bool,
    lse: RowOutput,
    q: Query<T, D>,
    shift: f32,
    table: BlockTable,
    n: i32,
    slopes: PerHead<f32>,
    o: Output<T, D>,
    v: PagedValues<T, D>,
    scale: f32,
) {
    let q = q.tile();
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    for block in table.tiles() {
        let values = v.gather(table, block);
        let s: Tile<Rows, Cols> = {
            (dot(q, k.gather(table, block).t())) * scale
        };
        let s = (s * 1.375).mask(|at| (at.row >= at.col - 76));
        let s = s.map(|score, at| { let y = score + 0.5; y * 0.5 });
        let s = s.mask(|at| ((((at.col).max(-90).min(90) as f32) - shift) < (-0.625f32).max(shift)));
        let weights = online.step(s, &mut acc);
        acc += dot(weights, values);
    }
    lse.store(online.lse());
    let result = online.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_8<T: Element>(
    v: Values<T, 32>,
    n: i32,
    k: Keys<T, 32>,
    o: Output<T, 32>,
    q: Query<T, 32>,
    scale: f32,
    lse: RowOutput,
    m: i32,
) {
    const LIMIT: i32 = 39;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let v = v.load(cols);
        let mut scores = (dot(x0, k.load(cols).t())) * scale;
        let scores = scores.map(|x, at| (if (at.col <= at.row) { (((((if !(((at.seq - at.seq)).max((at.col * 2)) <= n) { (at.head).max(at.row) } else { m })) % 50) as f32 * 0.02) - x) } else { (((x / (1.5 + (x).abs()))).tanh()).exp() }));
        let scores = scores.mask(|place| (((52i32 / 3)).min((place.row * (-1))) != place.col));
        let p = softmax.step(scores, &mut acc);
        acc += dot(p, v);
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_10<T: Element, const D: usize>(
    lse: RowOutput,
    v: Values<T, D>,
    k: Keys<T, D>,
    o: Output<T, D>,
    scale: f32,
    q: Query<T, D>,
) {
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    let mut sum = Tile::zeros();
    for cols in k.tiles() {
        let mut s = (dot(x0, k.load(cols).t())) * scale;
        s = s.map(|score, at| ((((score * (((69i32) % 50) as f32 * 0.02))).abs() + 1.0).ln() / (1.5 + ((((score * (((69i32) % 50) as f32 * 0.02))).abs() + 1.0).ln()).abs())));
        let p = softmax.step(s, &mut sum);
        sum += dot(p, v.load(cols));
    }
    o.store(softmax.finish(sum));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_11<T: Element, const D: usize>(
    m: i32,
    k: Keys<T, D>,
    q: Query<T, D>,
    v: Values<T, D>,
    scale: f32,
    o: Output<T, D>,
    n: i32,
) {
    const LIMIT: i32 = 30;
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let q = q.tile();
    for cols in k.tiles() {
        let k = k.load(cols);
        let weights = softmax.step((((dot(q, k.t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 })).mask(|at| ((at.col - 40) / 3 == 3))).mask(|place| (((place.col + place.head) % 16 == 1) || (place.row / 5 + 0 != place.col))), &mut acc);
        let more = dot(weights.t().t(), v.load(cols));
        acc += more;
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_13<T: Element, const D: usize>(
    lse: RowOutput,
    q: Query<T, D>,
    slopes: PerHead<f32>,
    v: Values<T, D>,
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
        acc += dot(weights, v.load(block));
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_14<T: Element, const D: usize>(
    lse: RowOutput,
    n: i32,
    flag: bool,
    q: Query<T, D>,
    slopes: PerHead<f32>,
    v: Values<T, D>,
    k: Keys<T, D>,
    scale: f32,
    m: i32,
    o: Output<T, D>,
) {
    const LIMIT: i32 = 70;
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let v = v.load(cols);
        let keys = k.load(cols);
        let mut s = (dot(x0, keys.t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 });
        let mut s = s.mask(|at| !(at.col <= at.row));
        let weights = softmax.step(s, &mut acc);
        acc += dot(weights, v);
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_16<const D: usize>(
    scale: f32,
    q: Query<bf16, D>,
    o: Output<bf16, D>,
    k: Keys<bf16, D>,
    v: Values<bf16, D>,
    n: i32,
) {
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    let mut acc = Tile::zeros();
    for block in k.tiles() {
        let s = (dot(k.load(block), q.t()).t()) * scale;
        let mut s = s.mask(|place| ((place.col + place.head) % 5 == 2));
        let p = online.step(s, &mut acc);
        acc += dot(p, v.load(block));
    }
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_17<T: Element, const D: usize>(
    o: Output<T, D>,
    flag: bool,
    table: BlockTable,
    lse: RowOutput,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    scale: f32,
    q: Query<T, D>,
    slopes: PerHead<f32>,
) {
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for cols in table.tiles() {
        let k = k.gather(table, cols);
        let mut scores = (dot(k, queries.t()).t()) / 8.0;
        let weights = online.step(scores, &mut sum);
        sum += dot(weights, v.gather(table, cols));
    }
    let result = online.finish(sum);
    o.store(result);
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_19<const D: usize>(
    q: Query<bf16, D>,
    flag: bool,
    v: Values<bf16, D>,
    k: Keys<bf16, D>,
    n: i32,
    lse: RowOutput,
    m: i32,
    o: Output<bf16, D>,
    scale: f32,
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
    flag: bool,
    scale: f32,
    n: i32,
    shift: f32,
    lse: RowOutput,
    v: Values<T, 64>,
    k: Keys<T, 64>,
    q: Query<T, 64>,
    m: i32,
    o: Output<T, 64>,
) {
    let reach = ((((flag as i32) - n) + select((((n + n) - (94i32 - 3i32)) < (79i32 / 7)), n, n))) % 100;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let k = k.load(cols);
        let mut s = (dot(queries.t(), k.t())).map(|x, _| x * scale);
        let weights = softmax.step(s - 0.375, &mut acc);
        acc += dot(v.load(cols).t(), weights.t()).t();
    }
    lse.store(softmax.lse());
    let result = softmax.finish(acc);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_22<T: Element, const D: usize>(
    scale: f32,
    o: Output<T, D>,
    flag: bool,
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    lse: RowOutput,
) {
    let queries = q.tile();
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    for tile in k.tiles() {
        let values = v.load(tile);
        let mut s = (dot(queries.t().t(), k.load(tile).t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 });
        let s = s.map(|score, at| ((((score).abs() + 0.25).sqrt() / (1.5 + (((score).abs() + 0.25).sqrt()).abs()))).tanh());
        let weights = online.step(s, &mut acc);
        acc += dot(values.t(), weights.t()).t();
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_23<T: Element, const D: usize>(
    flag: bool,
    lse: RowOutput,
    v: Values<T, D>,
    scale: f32,
    m: i32,
    shift: f32,
    k: Keys<T, D>,
    ids: PerHead<i32>,
    n: i32,
    q: Query<T, D>,
) {
    let reach = (m) % 100;
    const LIMIT: i32 = 24;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile().t();
    for cols in k.tiles() {
        let keys = k.load(cols);
        let values = v.load(cols);
        let weights = online.step((dot(q.t(), keys.t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 }), &mut acc);
        acc += dot(values.t(), weights.t()).t();
    }
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_25<const D: usize>(
    slopes: PerHead<f32>,
    lse: RowOutput,
    v: Values<bf16, D>,
    flag: bool,
    o: Output<bf16, D>,
    q: Query<bf16, D>,
    k: Keys<bf16, D>,
    n: i32,
    scale: f32,
) {
    const LIMIT: i32 = 13;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for block in k.tiles() {
        let s: Tile<Rows, Cols> = {
            scale * (dot(queries.t(), k.load(block).t()))
        };
        let p = online.step(s.map(|x, place| ((select(((((place.row * place.col) % (-7) < 1) || (place.row >= place.col - LIMIT)) || false), (-(((((place.col - place.seq) % 3)) % 50) as f32 * 0.02)), (((((-(-place.row))) % 50) as f32 * 0.02)).max(x))).abs() + 0.25).sqrt()), &mut sum);
        let more = dot(p.t().t(), v.load(block));
        sum += more;
    }
    lse.store(online.lse());
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_26<T: Element>(
    n: i32,
    v: Values<T, 64>,
    shift: f32,
    q: Query<T, 64>,
    k: Keys<T, 64>,
    lse: RowOutput,
    scale: f32,
    slopes: PerHead<f32>,
    flag: bool,
) {
    let mut sum = Tile::<Rows, Dim<64>>::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile().t();
    for cols in k.tiles() {
        let scores = (scale * (dot(q.t(), k.load(cols).t()))).mask(|place| ((place.col + (-place.row)) != (-1.375f32 as i32)));
        let p = online.step(scores, &mut sum);
        sum += dot(p, v.load(cols));
    }
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_28(
    m: i32,
    k: PagedKeys<f16, 32>,
    q: Query<f16, 32>,
    table: BlockTable,
    v: PagedValues<f16, 32>,
    scale: f32,
    n: i32,
    o: Output<f16, 32>,
) {
    const LIMIT: i32 = 12;
    let mut acc = Tile::<Rows, Dim<32>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in table.tiles() {
        let v = v.gather(table, tile);
        let weights = softmax.step((dot(x0, k.gather(table, tile).t())) * scale, &mut acc);
        acc += dot(weights, v);
    }
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_29<T: Element>(
    flag: bool,
    slopes: PerHead<f32>,
    n: i32,
    v: Values<T, 128>,
    ids: PerHead<i32>,
    scale: f32,
    o: Output<T, 128>,
    lse: RowOutput,
    q: Query<T, 128>,
    k: Keys<T, 128>,
) {
    let reach = ((((flag as i32) - n) + (n * 2))) % 100;
    const LIMIT: i32 = 50;
    let lift = -2.375f32;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let keys = k.load(block);
        let values = v.load(block);
        let s: Tile<Rows, Cols> = {
            (dot(keys, x0.t()).t()).map(|x, _| x * scale)
        };
        let mut s = (s.mask(|place| (((place.col).max(-90).min(90) as f32) < 2.875f32))).mask(|place| ((place.col / (-7) == place.row / (-7)) && (place.col / 2 != place.row / 2)));
        let p = softmax.step(s, &mut acc);
        acc += dot(values.t(), p.t()).t();
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_31<const D: usize>(
    k: Keys<f16, D>,
    lse: RowOutput,
    m: i32,
    ids: PerHead<i32>,
    scale: f32,
    v: Values<f16, D>,
    q: Query<f16, D>,
    n: i32,
    slopes: PerHead<f32>,
) {
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let q = q.tile();
    for cols in k.tiles() {
        let s: Tile<Rows, Cols> = {
            ((dot(q, k.load(cols).t())) * scale).mask(|at| !(at.col > at.row + m))
        };
        let s: Tile<Rows, Cols> = {
            s.map(|x, place| x.min(3.0))
        };
        let weights = softmax.step(s, &mut sum);
        let more = dot(weights.t().t(), v.load(cols));
        sum += more;
    }
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_32<T: Element, const D: usize>(
    scale: f32,
    o: Output<T, D>,
    v: Values<T, D>,
    slopes: PerHead<f32>,
    q: Query<T, D>,
    m: i32,
    n: i32,
    k: Keys<T, D>,
    lse: RowOutput,
) {
    let reach = (((4i32 / 7) + (if (((75i32).abs() - (m).abs()) > select((-1.25f32 <= (((26i32).max(-90).min(90) as f32) * 2.0)), m, n)) { 13i32 } else { n }))) % 100;
    let mut sum = Tile::<Rows, Dim<D>>::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let mut scores = (dot(x0, keys.t())).map(|x, _| x * scale);
        let scores: Tile<Rows, Cols> = {
            scores.mask(|at| true)
        };
        let weights = softmax.step(scores.mask(|at| (at.row % 16 == at.col % 16)), &mut sum);
        sum += dot(v.load(tile).t(), weights.t()).t();
    }
    lse.store(softmax.lse());
    let result = softmax.finish(sum);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_34<T: Element, const D: usize>(
    table: BlockTable,
    scale: f32,
    v: PagedValues<T, D>,
    m: i32,
    k: PagedKeys<T, D>,
    ids: PerHead<i32>,
    slopes: PerHead<f32>,
    o: Output<T, D>,
    lse: RowOutput,
    q: Query<T, D>,
) {
    let queries = q.tile();
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    for tile in table.tiles() {
        let keys = k.gather(table, tile);
        let s: Tile<Rows, Cols> = {
            (dot(queries, keys.t())) * scale
        };
        let s = s.map(|score, place| score);
        let p = softmax.step(s.map(|score, at| ((select(((at.col / 16 > at.row / 16) || !(at.col > at.row + m)), (score + ((((m % 1)) % 50) as f32 * 0.02)), (-2.0f32 - score))).min(1.0)).exp()), &mut acc);
        acc += dot(p, v.gather(table, tile));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_35<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    slopes: PerHead<f32>,
    v: Values<T, D>,
    scale: f32,
    flag: bool,
    o: Output<T, D>,
    m: i32,
    lse: RowOutput,
) {
    let reach = (((m).min(m)).min((m + 1i32))) % 100;
    const LIMIT: i32 = 37;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let mut s = (((dot(queries, keys.t()).t().t()).map(|x, _| x * scale)).mask(|at| (({ let held = at.col; held + 7 } % 1) == { let held = at.col; held + 6 }))).map(|score, at| (score * 0.25).tanh() * 4.0);
        let weights = online.step((s.map(|x, at| ((select((at.col <= at.row), (if (((at.col < 5) && flag) && ((2.375f32 > (((at.row / 16)).max(-90).min(90) as f32)) && ((at.col + at.head) % (-7) == 2))) { x } else { x }), ((((44i32).max(-90).min(90) as f32) - ((LIMIT).max(-90).min(90) as f32)) * 0.03125))).min(1.0)).exp())).mask(|place| ((place.row).abs() == place.row)), &mut acc);
        acc += dot(weights, v.load(tile));
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_37<T: Element, const D: usize>(
    v: Values<T, D>,
    lse: RowOutput,
    n: i32,
    k: Keys<T, D>,
    q: Query<T, D>,
    scale: f32,
    m: i32,
    slopes: PerHead<f32>,
    o: Output<T, D>,
) {
    let reach: i32 = (((((90i32).max(-90).min(90) as f32) as i32) + m)).max(-50).min(80);
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
    let result = softmax.finish(sum);
    o.store(result);
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
pub fn drawn_40<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    scale: f32,
    v: PagedValues<T, D>,
    n: i32,
    table: BlockTable,
    shift: f32,
    o: Output<T, D>,
) {
    let reach = (((n % 32) + (n * 2))) % 100;
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
    o.store(online.finish(sum));
}

#[attention_kernel]
pub fn drawn_41<T: Element, const D: usize>(
    k: Keys<T, D>,
    o: Output<T, D>,
    q: Query<T, D>,
    v: Values<T, D>,
    ids: PerHead<i32>,
    lse: RowOutput,
    scale: f32,
) {
    let reach = (0i32) % 100;
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for block in k.tiles() {
        let v = v.load(block);
        let keys = k.load(block);
        let s = scale * (dot(queries, keys.t()).t().t());
        let mut s = (((s.mask(|place| (place.col <= place.row))).mask(|at| (at.col + reach > at.row))).map(|score, at| score.min(1.0).exp())).map(|score, at| score);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v);
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

#[attention_kernel]
pub fn drawn_43<const D: usize>(
    q: Query<bf16, D>,
    k: Keys<bf16, D>,
    o: Output<bf16, D>,
    lse: RowOutput,
    scale: f32,
    v: Values<bf16, D>,
) {
    let reach: i32 = (((31i32 - 52i32) - (29i32 / (-4)))).max(-50).min(80);
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for cols in k.tiles() {
        let v = v.load(cols);
        let k = k.load(cols);
        let mut scores = (dot(q, k.t())) * scale;
        let p = online.step(scores, &mut acc);
        acc += dot(v.t(), p.t()).t();
    }
    lse.store(online.lse());
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_44<T: Element>(
    n: i32,
    m: i32,
    v: Values<T, 32>,
    o: Output<T, 32>,
    shift: f32,
    q: Query<T, 32>,
    k: Keys<T, 32>,
    lse: RowOutput,
    scale: f32,
) {
    let reach: i32 = ({ let part = (m % 5); part + 7 }).max(-50).min(80);
    let lift = -1.375f32;
    let mut acc = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let q = q.tile();
    for block in k.tiles() {
        let k = k.load(block);
        let s = ((dot(q.t().t(), k.t())) / 8.0).map(|x, place| (((((-0.125f32).min(x)).min(1.0)).exp()).abs() + 0.25).sqrt());
        let weights = online.step(s, &mut acc);
        acc += dot(weights, v.load(block));
    }
    o.store(online.finish(acc));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_46<T: Element, const D: usize>(
    k: Keys<T, D>,
    lse: RowOutput,
    v: Values<T, D>,
    scale: f32,
    m: i32,
    q: Query<T, D>,
    slopes: PerHead<f32>,
    o: Output<T, D>,
    ids: PerHead<i32>,
) {
    let lift = ((60i32).max(-90).min(90) as f32);
    let mut sum = Tile::<Rows, Dim<D>>::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for tile in k.tiles() {
        let s = (dot(x0, k.load(tile).t())) * scale;
        let s = (s.map(|score, place| (((((-2.25f32 * (-1.0))).tanh()).exp()).tanh()).exp())).mask(|at| (at.row != 54i32));
        let weights = online.step(s, &mut sum);
        let more = dot(weights.t().t(), v.load(tile));
        sum += more;
    }
    let result = online.finish(sum);
    o.store(result);
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_47<T: Element>(
    flag: bool,
    q: Query<T, 64>,
    v: Values<T, 64>,
    lse: RowOutput,
    k: Keys<T, 64>,
    o: Output<T, 64>,
    scale: f32,
    n: i32,
) {
    let reach: i32 = ((73i32).min(n)).max(-50).min(80);
    let mut acc = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let x0 = q.tile();
    for cols in k.tiles() {
        let scores: Tile<Rows, Cols> = {
            (dot(x0, k.load(cols).t())).map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 })
        };
        let weights = softmax.step((scores - 0.125).mask(|place| ((place.row >= place.col - reach) && (place.row >= place.col - 55))), &mut acc);
        acc += dot(weights, v.load(cols));
    }
    lse.store(softmax.lse());
    o.store(softmax.finish(acc));
}

#[attention_kernel]
pub fn drawn_49<const D: usize>(
    lse: RowOutput,
    o: Output<bf16, D>,
    q: Query<bf16, D>,
    k: Keys<bf16, D>,
    ids: PerHead<i32>,
    scale: f32,
    v: Values<bf16, D>,
    flag: bool,
) {
    const LIMIT: i32 = 25;
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let x0 = q.tile();
    for block in k.tiles() {
        let v = v.load(block);
        let keys = k.load(block);
        let s = (scale * (dot(x0, keys.t()))).map(|x, place| (-((x).abs() + 1.0).ln()));
        let weights = online.step(s, &mut sum);
        sum += dot(weights, v);
    }
    o.store(online.finish(sum));
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_50<const D: usize>(
    scale: f32,
    v: Values<f16, D>,
    ids: PerHead<i32>,
    q: Query<f16, D>,
    shift: f32,
    slopes: PerHead<f32>,
    n: i32,
    k: Keys<f16, D>,
    o: Output<f16, D>,
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
pub fn drawn_52<T: Element, const D: usize>(
    v: Values<T, D>,
    q: Query<T, D>,
    shift: f32,
    scale: f32,
    lse: RowOutput,
    o: Output<T, D>,
    k: Keys<T, D>,
    slopes: PerHead<f32>,
    flag: bool,
) {
    let reach: i32 = (((flag as i32) + 84i32)).max(-50).min(80);
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    let queries = q.tile().t();
    for cols in k.tiles() {
        let k = k.load(cols);
        let v = v.load(cols);
        let mut scores = (dot(queries.t().t().t(), k.t())) * scale;
        let weights = online.step((((scores.map(|score, at| (((score).tanh()).exp() * (-0.875)))).mask(|place| (slopes[3 - place.col] * 4.0 < 0.3))).map(|score, at| score * 0.75 + select(((at.row - at.col < 74) && ((select((at.col == (86i32 - 35i32)), at.row, (flag as i32)) - 17i32) <= (50i32 % 16))), 0.5, -0.25))).mask(|place| ((place.col + reach > place.row) || !(place.row > (0.375f32 as i32)))), &mut sum);
        let more = dot(weights.t().t(), v);
        sum += more;
    }
    let result = online.finish(sum);
    o.store(result);
    lse.store(online.lse());
}

#[attention_kernel]
pub fn drawn_53<T: Element, const D: usize>(
    scale: f32,
    o: Output<T, D>,
    k: Keys<T, D>,
    q: Query<T, D>,
    v: Values<T, D>,
    shift: f32,
) {
    let mut online = OnlineSoftmax::new();
    let queries = q.tile();
    let mut acc = Tile::<Rows, Dim<D>>::zeros();
    for block in k.tiles() {
        let s = (dot(queries, k.load(block).t()).t().t()) * scale;
        let s = s.map(|x, place| (x - ((((({ let held = place.row; held + 3 }).abs()) % 50) as f32 * 0.02) / (1.5 + ((((({ let held = place.row; held + 3 }).abs()) % 50) as f32 * 0.02)).abs()))));
        let p = online.step(s, &mut acc);
        acc += dot(p, v.load(block));
    }
    o.store(online.finish(acc));
}

#[attention_kernel]
pub fn drawn_55<const D: usize>(
    lse: RowOutput,
    o: Output<bf16, D>,
    scale: f32,
    v: Values<bf16, D>,
    shift: f32,
    other_keys: Keys<bf16, D>,
    k: Keys<bf16, D>,
    q: Query<bf16, D>,
    m: i32,
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
pub fn drawn_56(
    q: Query<bf16, 128>,
    k: Keys<bf16, 128>,
    o: Output<bf16, 128>,
    flag: bool,
    ids: PerHead<i32>,
    lse: RowOutput,
    m: i32,
    v: Values<bf16, 128>,
    shift: f32,
    scale: f32,
    n: i32,
) {
    let x0 = q.tile();
    let mut sum = Tile::zeros();
    let mut online = OnlineSoftmax::new();
    for tile in k.tiles() {
        let keys = k.load(tile);
        let scores: Tile<Rows, Cols> = {
            (dot(keys, x0.t()).t()) / 8.0
        };
        let scores: Tile<Rows, Cols> = {
            scores.map(|x, at| ((((shift + x) + select((((at.col == (18i32).abs()) && ((at.row * at.col) % 2 < 3)) == ((at.col - 40) / 5 < 3)), 2.0f32, x)) - (x - (((((at.row - select((at.col / 16 < at.row / 16), at.row, n))) % 50) as f32 * 0.02)).min(-1.625f32)))).max(-12.0).min(18.0))
        };
        let scores: Tile<Rows, Cols> = {
            scores.mask(|place| (place.row / (-7) + 3 != place.col))
        };
        let scores = (scores.map(|score, place| { let y = score + 0.5; y * 0.5 })).mask(|at| (at.row <= (at.col * 2)));
        let weights = online.step(scores, &mut sum);
        let more = dot(weights.t().t(), v.load(tile));
        sum += more;
    }
    lse.store(online.lse());
    let result = online.finish(sum);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_58(
    ids: PerHead<i32>,
    o: Output<bf16, 128>,
    v: Values<bf16, 128>,
    scale: f32,
    m: i32,
    k: Keys<bf16, 128>,
    q: Query<bf16, 128>,
) {
    let mut sum = Tile::zeros();
    let mut softmax = OnlineSoftmax::new();
    let queries = q.tile();
    for block in k.tiles() {
        let keys = k.load(block);
        let s = ((dot(queries, keys.t())) * scale).map(|score, at| (((((((((1.75f32 as i32)) % 50) as f32 * 0.02)).tanh()).exp()).tanh()).exp()).abs());
        let weights = softmax.step(s, &mut sum);
        sum += dot(v.load(block).t(), weights.t()).t();
    }
    let result = softmax.finish(sum);
    o.store(result);
}

#[attention_kernel]
pub fn drawn_59<T: Element, const D: usize>(
    q: Query<T, D>,
    table: BlockTable,
    flag: bool,
    m: i32,
    v: PagedValues<T, D>,
    lse: RowOutput,
    k: PagedKeys<T, D>,
    scale: f32,
    o: Output<T, D>,
    shift: f32,
) {
    let reach: i32 = ((m / 7)).max(-50).min(80);
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
    lse.store(softmax.lse());
    let result = softmax.finish(sum);
    o.store(result);
}

/// The seeds, and each kernel on the host.
pub const KERNELS: &[(u64, Host)] = &[
    (1, |a| {
        let args = drawn_1::Args { scale: Field::of(&a[0]), m: Field::of(&a[1]), o: Field::of(&a[2]), flag: Field::of(&a[3]), v: Field::of(&a[4]), k: Field::of(&a[5]), shift: Field::of(&a[6]), q: Field::of(&a[7]) };
        let got = drawn_1::reference::<f16, 64>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (2, |a| {
        let args = drawn_2::Args { shift: Field::of(&a[0]), q: Field::of(&a[1]), v: Field::of(&a[2]), o: Field::of(&a[3]), k: Field::of(&a[4]), scale: Field::of(&a[5]), lse: Field::of(&a[6]), n: Field::of(&a[7]), table: Field::of(&a[8]) };
        let got = drawn_2::reference::<64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (4, |a| {
        let args = drawn_4::Args { k: Field::of(&a[0]), scale: Field::of(&a[1]), v: Field::of(&a[2]), n: Field::of(&a[3]), q: Field::of(&a[4]), flag: Field::of(&a[5]), shift: Field::of(&a[6]), o: Field::of(&a[7]), lse: Field::of(&a[8]) };
        let got = drawn_4::reference::<bf16, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (5, |a| {
        let args = drawn_5::Args { lse: Field::of(&a[0]), q: Field::of(&a[1]), scale: Field::of(&a[2]), k: Field::of(&a[3]), v: Field::of(&a[4]) };
        let got = drawn_5::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (7, |a| {
        let args = drawn_7::Args { k: Field::of(&a[0]), flag: Field::of(&a[1]), lse: Field::of(&a[2]), q: Field::of(&a[3]), shift: Field::of(&a[4]), table: Field::of(&a[5]), n: Field::of(&a[6]), slopes: Field::of(&a[7]), o: Field::of(&a[8]), v: Field::of(&a[9]), scale: Field::of(&a[10]) };
        let got = drawn_7::reference::<bf16, 32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (8, |a| {
        let args = drawn_8::Args { v: Field::of(&a[0]), n: Field::of(&a[1]), k: Field::of(&a[2]), o: Field::of(&a[3]), q: Field::of(&a[4]), scale: Field::of(&a[5]), lse: Field::of(&a[6]), m: Field::of(&a[7]) };
        let got = drawn_8::reference::<bf16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (10, |a| {
        let args = drawn_10::Args { lse: Field::of(&a[0]), v: Field::of(&a[1]), k: Field::of(&a[2]), o: Field::of(&a[3]), scale: Field::of(&a[4]), q: Field::of(&a[5]) };
        let got = drawn_10::reference::<bf16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (11, |a| {
        let args = drawn_11::Args { m: Field::of(&a[0]), k: Field::of(&a[1]), q: Field::of(&a[2]), v: Field::of(&a[3]), scale: Field::of(&a[4]), o: Field::of(&a[5]), n: Field::of(&a[6]) };
        let got = drawn_11::reference::<bf16, 128>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (13, |a| {
        let args = drawn_13::Args { lse: Field::of(&a[0]), q: Field::of(&a[1]), slopes: Field::of(&a[2]), v: Field::of(&a[3]), m: Field::of(&a[4]), shift: Field::of(&a[5]), scale: Field::of(&a[6]), k: Field::of(&a[7]), ids: Field::of(&a[8]), o: Field::of(&a[9]) };
        let got = drawn_13::reference::<bf16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (14, |a| {
        let args = drawn_14::Args { lse: Field::of(&a[0]), n: Field::of(&a[1]), flag: Field::of(&a[2]), q: Field::of(&a[3]), slopes: Field::of(&a[4]), v: Field::of(&a[5]), k: Field::of(&a[6]), scale: Field::of(&a[7]), m: Field::of(&a[8]), o: Field::of(&a[9]) };
        let got = drawn_14::reference::<f16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (16, |a| {
        let args = drawn_16::Args { scale: Field::of(&a[0]), q: Field::of(&a[1]), o: Field::of(&a[2]), k: Field::of(&a[3]), v: Field::of(&a[4]), n: Field::of(&a[5]) };
        let got = drawn_16::reference::<176>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (17, |a| {
        let args = drawn_17::Args { o: Field::of(&a[0]), flag: Field::of(&a[1]), table: Field::of(&a[2]), lse: Field::of(&a[3]), k: Field::of(&a[4]), v: Field::of(&a[5]), scale: Field::of(&a[6]), q: Field::of(&a[7]), slopes: Field::of(&a[8]) };
        let got = drawn_17::reference::<f16, 96>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (19, |a| {
        let args = drawn_19::Args { q: Field::of(&a[0]), flag: Field::of(&a[1]), v: Field::of(&a[2]), k: Field::of(&a[3]), n: Field::of(&a[4]), lse: Field::of(&a[5]), m: Field::of(&a[6]), o: Field::of(&a[7]), scale: Field::of(&a[8]) };
        let got = drawn_19::reference::<80>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (20, |a| {
        let args = drawn_20::Args { flag: Field::of(&a[0]), scale: Field::of(&a[1]), n: Field::of(&a[2]), shift: Field::of(&a[3]), lse: Field::of(&a[4]), v: Field::of(&a[5]), k: Field::of(&a[6]), q: Field::of(&a[7]), m: Field::of(&a[8]), o: Field::of(&a[9]) };
        let got = drawn_20::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (22, |a| {
        let args = drawn_22::Args { scale: Field::of(&a[0]), o: Field::of(&a[1]), flag: Field::of(&a[2]), q: Field::of(&a[3]), k: Field::of(&a[4]), v: Field::of(&a[5]), lse: Field::of(&a[6]) };
        let got = drawn_22::reference::<f16, 128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (23, |a| {
        let args = drawn_23::Args { flag: Field::of(&a[0]), lse: Field::of(&a[1]), v: Field::of(&a[2]), scale: Field::of(&a[3]), m: Field::of(&a[4]), shift: Field::of(&a[5]), k: Field::of(&a[6]), ids: Field::of(&a[7]), n: Field::of(&a[8]), q: Field::of(&a[9]) };
        let got = drawn_23::reference::<f16, 32>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (25, |a| {
        let args = drawn_25::Args { slopes: Field::of(&a[0]), lse: Field::of(&a[1]), v: Field::of(&a[2]), flag: Field::of(&a[3]), o: Field::of(&a[4]), q: Field::of(&a[5]), k: Field::of(&a[6]), n: Field::of(&a[7]), scale: Field::of(&a[8]) };
        let got = drawn_25::reference::<32>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (26, |a| {
        let args = drawn_26::Args { n: Field::of(&a[0]), v: Field::of(&a[1]), shift: Field::of(&a[2]), q: Field::of(&a[3]), k: Field::of(&a[4]), lse: Field::of(&a[5]), scale: Field::of(&a[6]), slopes: Field::of(&a[7]), flag: Field::of(&a[8]) };
        let got = drawn_26::reference::<bf16>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (28, |a| {
        let args = drawn_28::Args { m: Field::of(&a[0]), k: Field::of(&a[1]), q: Field::of(&a[2]), table: Field::of(&a[3]), v: Field::of(&a[4]), scale: Field::of(&a[5]), n: Field::of(&a[6]), o: Field::of(&a[7]) };
        let got = drawn_28::reference(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (29, |a| {
        let args = drawn_29::Args { flag: Field::of(&a[0]), slopes: Field::of(&a[1]), n: Field::of(&a[2]), v: Field::of(&a[3]), ids: Field::of(&a[4]), scale: Field::of(&a[5]), o: Field::of(&a[6]), lse: Field::of(&a[7]), q: Field::of(&a[8]), k: Field::of(&a[9]) };
        let got = drawn_29::reference::<f16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (31, |a| {
        let args = drawn_31::Args { k: Field::of(&a[0]), lse: Field::of(&a[1]), m: Field::of(&a[2]), ids: Field::of(&a[3]), scale: Field::of(&a[4]), v: Field::of(&a[5]), q: Field::of(&a[6]), n: Field::of(&a[7]), slopes: Field::of(&a[8]) };
        let got = drawn_31::reference::<128>(&args)?;
        Ok(vec![("lse", got.lse)])
    }),
    (32, |a| {
        let args = drawn_32::Args { scale: Field::of(&a[0]), o: Field::of(&a[1]), v: Field::of(&a[2]), slopes: Field::of(&a[3]), q: Field::of(&a[4]), m: Field::of(&a[5]), n: Field::of(&a[6]), k: Field::of(&a[7]), lse: Field::of(&a[8]) };
        let got = drawn_32::reference::<f16, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (34, |a| {
        let args = drawn_34::Args { table: Field::of(&a[0]), scale: Field::of(&a[1]), v: Field::of(&a[2]), m: Field::of(&a[3]), k: Field::of(&a[4]), ids: Field::of(&a[5]), slopes: Field::of(&a[6]), o: Field::of(&a[7]), lse: Field::of(&a[8]), q: Field::of(&a[9]) };
        let got = drawn_34::reference::<bf16, 128>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (35, |a| {
        let args = drawn_35::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), slopes: Field::of(&a[2]), v: Field::of(&a[3]), scale: Field::of(&a[4]), flag: Field::of(&a[5]), o: Field::of(&a[6]), m: Field::of(&a[7]), lse: Field::of(&a[8]) };
        let got = drawn_35::reference::<f16, 32>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (37, |a| {
        let args = drawn_37::Args { v: Field::of(&a[0]), lse: Field::of(&a[1]), n: Field::of(&a[2]), k: Field::of(&a[3]), q: Field::of(&a[4]), scale: Field::of(&a[5]), m: Field::of(&a[6]), slopes: Field::of(&a[7]), o: Field::of(&a[8]) };
        let got = drawn_37::reference::<f16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (38, |a| {
        let args = drawn_38::Args { k: Field::of(&a[0]), shift: Field::of(&a[1]), ids: Field::of(&a[2]), table: Field::of(&a[3]), lse: Field::of(&a[4]), o: Field::of(&a[5]), n: Field::of(&a[6]), q: Field::of(&a[7]), v: Field::of(&a[8]), scale: Field::of(&a[9]) };
        let got = drawn_38::reference::<f16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (40, |a| {
        let args = drawn_40::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), scale: Field::of(&a[2]), v: Field::of(&a[3]), n: Field::of(&a[4]), table: Field::of(&a[5]), shift: Field::of(&a[6]), o: Field::of(&a[7]) };
        let got = drawn_40::reference::<bf16, 240>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (41, |a| {
        let args = drawn_41::Args { k: Field::of(&a[0]), o: Field::of(&a[1]), q: Field::of(&a[2]), v: Field::of(&a[3]), ids: Field::of(&a[4]), lse: Field::of(&a[5]), scale: Field::of(&a[6]) };
        let got = drawn_41::reference::<bf16, 64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (43, |a| {
        let args = drawn_43::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), o: Field::of(&a[2]), lse: Field::of(&a[3]), scale: Field::of(&a[4]), v: Field::of(&a[5]) };
        let got = drawn_43::reference::<64>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (44, |a| {
        let args = drawn_44::Args { n: Field::of(&a[0]), m: Field::of(&a[1]), v: Field::of(&a[2]), o: Field::of(&a[3]), shift: Field::of(&a[4]), q: Field::of(&a[5]), k: Field::of(&a[6]), lse: Field::of(&a[7]), scale: Field::of(&a[8]) };
        let got = drawn_44::reference::<f16>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (46, |a| {
        let args = drawn_46::Args { k: Field::of(&a[0]), lse: Field::of(&a[1]), v: Field::of(&a[2]), scale: Field::of(&a[3]), m: Field::of(&a[4]), q: Field::of(&a[5]), slopes: Field::of(&a[6]), o: Field::of(&a[7]), ids: Field::of(&a[8]) };
        let got = drawn_46::reference::<f16, 48>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (47, |a| {
        let args = drawn_47::Args { flag: Field::of(&a[0]), q: Field::of(&a[1]), v: Field::of(&a[2]), lse: Field::of(&a[3]), k: Field::of(&a[4]), o: Field::of(&a[5]), scale: Field::of(&a[6]), n: Field::of(&a[7]) };
        let got = drawn_47::reference::<f16>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (49, |a| {
        let args = drawn_49::Args { lse: Field::of(&a[0]), o: Field::of(&a[1]), q: Field::of(&a[2]), k: Field::of(&a[3]), ids: Field::of(&a[4]), scale: Field::of(&a[5]), v: Field::of(&a[6]), flag: Field::of(&a[7]) };
        let got = drawn_49::reference::<64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (50, |a| {
        let args = drawn_50::Args { scale: Field::of(&a[0]), v: Field::of(&a[1]), ids: Field::of(&a[2]), q: Field::of(&a[3]), shift: Field::of(&a[4]), slopes: Field::of(&a[5]), n: Field::of(&a[6]), k: Field::of(&a[7]), o: Field::of(&a[8]), lse: Field::of(&a[9]), m: Field::of(&a[10]) };
        let got = drawn_50::reference::<144>(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (52, |a| {
        let args = drawn_52::Args { v: Field::of(&a[0]), q: Field::of(&a[1]), shift: Field::of(&a[2]), scale: Field::of(&a[3]), lse: Field::of(&a[4]), o: Field::of(&a[5]), k: Field::of(&a[6]), slopes: Field::of(&a[7]), flag: Field::of(&a[8]) };
        let got = drawn_52::reference::<bf16, 128>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (53, |a| {
        let args = drawn_53::Args { scale: Field::of(&a[0]), o: Field::of(&a[1]), k: Field::of(&a[2]), q: Field::of(&a[3]), v: Field::of(&a[4]), shift: Field::of(&a[5]) };
        let got = drawn_53::reference::<bf16, 32>(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (55, |a| {
        let args = drawn_55::Args { lse: Field::of(&a[0]), o: Field::of(&a[1]), scale: Field::of(&a[2]), v: Field::of(&a[3]), shift: Field::of(&a[4]), other_keys: Field::of(&a[5]), k: Field::of(&a[6]), q: Field::of(&a[7]), m: Field::of(&a[8]) };
        let got = drawn_55::reference::<96>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
    (56, |a| {
        let args = drawn_56::Args { q: Field::of(&a[0]), k: Field::of(&a[1]), o: Field::of(&a[2]), flag: Field::of(&a[3]), ids: Field::of(&a[4]), lse: Field::of(&a[5]), m: Field::of(&a[6]), v: Field::of(&a[7]), shift: Field::of(&a[8]), scale: Field::of(&a[9]), n: Field::of(&a[10]) };
        let got = drawn_56::reference(&args)?;
        Ok(vec![("o", got.o), ("lse", got.lse)])
    }),
    (58, |a| {
        let args = drawn_58::Args { ids: Field::of(&a[0]), o: Field::of(&a[1]), v: Field::of(&a[2]), scale: Field::of(&a[3]), m: Field::of(&a[4]), k: Field::of(&a[5]), q: Field::of(&a[6]) };
        let got = drawn_58::reference(&args)?;
        Ok(vec![("o", got.o)])
    }),
    (59, |a| {
        let args = drawn_59::Args { q: Field::of(&a[0]), table: Field::of(&a[1]), flag: Field::of(&a[2]), m: Field::of(&a[3]), v: Field::of(&a[4]), lse: Field::of(&a[5]), k: Field::of(&a[6]), scale: Field::of(&a[7]), o: Field::of(&a[8]), shift: Field::of(&a[9]) };
        let got = drawn_59::reference::<bf16, 64>(&args)?;
        Ok(vec![("lse", got.lse), ("o", got.o)])
    }),
];
