//! What the language's numbers can do, and the types, widths and pages that kernels may have.

use flashpage::prelude::*;

const REACH: i32 = 8 * STEPS;
const STEPS: i32 = 5;
const SOFT: f32 = 20.0;
const IS_CAUSAL: bool = REACH > 10;

/// Constants of the file, which are computed of each other.
#[attention_kernel]
pub fn constants<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = (dot(q, k.load(cols).t()) * scale).map(|x, _| SOFT * (x / SOFT).tanh());
        let s = s.mask(|at| (at.col <= at.row || !IS_CAUSAL) && at.row - at.col <= REACH);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Rounding of every kind, and powers.
#[attention_kernel]
pub fn roundings<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = (dot(q, k.load(cols).t()) * scale).map(|x, at| {
            let place = at.col as f32 * 0.37 - at.row as f32 * 0.11;
            let rounded = place.floor() + place.ceil() + place.trunc() + place.round_ties_even();
            let root = (x.abs() + 0.25).sqrt() + (x.abs() + 0.5).powf(1.5) * 0.1 + x.powi(3) * 0.01;
            x.clamp(-4.0, 4.0) + rounded * 0.003 + root + (x * x + 1.0).recip().min(0.75)
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// Integers that wrap, shift and divide by nothing, as hashes of places do.
#[attention_kernel]
pub fn hashes<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    n: i32,
    salt: i32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.map(|x, at| {
            let mixed = (at.row.wrapping_mul(73_856_093) ^ (at.col << 7) ^ salt) | 1;
            let by_nothing = 1_000 / (at.col % 2) + at.row % (at.row & 2);
            let ring = (at.row - at.col).rem_euclid(n) - (at.col - 40).div_euclid(n).clamp(-5, 5);
            let cube = at.col.pow(3) >> 28;
            x + (mixed & 31) as f32 * 0.01
                + (by_nothing % 64 + ring) as f32 * 0.02
                + (cube + (!at.col).signum()) as f32 * 0.1
        });
        let s = s.mask(|at| {
            let far = i32::MAX - at.col;
            (far + at.row) % 5 != 3 && i32::MIN / -1 - at.row < 0
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// Kept or dropped by a number that stands for minus infinity, in rows that hold nothing else: `masked_fill(f32::MIN)`.
#[attention_kernel]
pub fn masked_fill<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
    kinds: PerQuery<i32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = (dot(q, k.load(cols).t()) * scale).map(|x, at| {
            let kind = kinds[at.query] % 3;
            if kind == 0 { f32::MIN } else { select(kind == 1 && at.col > at.row, -1e9, x) }
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Everything in f32: sums of energies in physics, tests of models.
#[attention_kernel]
pub fn all_f32<const D: usize>(
    q: Query<f32, D>,
    k: Keys<f32, D>,
    v: Values<f32, D>,
    o: Output<f32, D>,
    lse: RowOutput,
    charge: PerKey<f32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| x + 0.5 * charge[at.col]);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// A cache in f32, whose output is bf16 for the layer behind it.
#[attention_kernel]
pub fn f32_cache<const D: usize>(
    q: Query<f32, D>,
    k: PagedKeys<f32, D>,
    v: PagedValues<f32, D>,
    table: BlockTable,
    o: Output<bf16, D>,
    window: i32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let p = softmax.step(s.mask(|at| at.col <= at.row && at.col + window > at.row), &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// Keys of 192 numbers and values of 128: multi-head latent attention after its up-projection (DeepSeek-V3's prefill).
#[attention_kernel]
pub fn mla_prefill<T: Element>(
    q: Query<T, 192>,
    k: Keys<T, 192>,
    v: Values<T, 128>,
    o: Output<T, 128>,
    lse: RowOutput,
    softmax_scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let v = v.load(cols);
        let s = dot(q, k.load(cols).t()) * softmax_scale;
        let p = softmax.step(s.mask(|at| at.col <= at.row), &mut acc);
        acc += dot(p, v);
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// A cache whose rows are keys, and their first numbers values: multi-head latent attention with the projection absorbed, small.
#[attention_kernel]
pub fn latent_rows<T: Element, const D: usize>(
    q: Query<T, D>,
    latent: PagedKeys<T, D>,
    pages: BlockTable,
    o: Output<T, 64>,
    lse: RowOutput,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in pages.tiles() {
        let rows = latent.gather(pages, cols);
        let s = (dot(q, rows.t()) * scale).mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, rows.slice::<64>());
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}
