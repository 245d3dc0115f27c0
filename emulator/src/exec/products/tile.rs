//! Matrix products of every other shape, and `wmma` (PTX ISA §9.7.14.4–5).
//!
//! A matrix is seen with its *outer* index (a row of A, C and D, a column of B) and its *inner* one (the depth of A
//! and B, a column of C and D), so that A and B are alike. [`Layout`] says which element each lane holds where; all
//! else here is the textbook's product.
//!
//! Numerics are those of [`super::mma`]: floats are multiplied exactly and summed in single precision, depth
//! ascending, from C; halves are rounded once at the end. Doubles are fused multiply-adds in the same order, in the
//! mode that is asked for. Integers wrap, or clamp with `.satfinite`.
//!
//! How `wmma` spreads a matrix over a warp is left open by PTX. Here registers count first, then lanes, then the
//! elements in a register, along the inner index: register `r` of lane `l` holds elements `(32 r + l) e ..`, and where
//! a fragment has room for a matrix twice, as that of 16-bit factors has, it is there twice.

use crate::alu::eight::{E4m3, E5m2, Eight};
use crate::alu::exact;
use crate::alu::float::{canonical, canonical64};
use crate::alu::halves::{Bf16, F16, Half};
use crate::alu::lanes::LANES;
use crate::exec::Result;
use crate::exec::memory::access::{keep_unknown, locate, watch};
use crate::exec::order::Touching;
use crate::exec::request::Request;
use crate::exec::state::{Env, Warp};
use crate::exec::unknown::Unknown;
use crate::program::{Layout, Strength, Tile, TileAccess, TileElement, TileProduct, Touch};

/// An element of a matrix: which of the warp's products it belongs to, and its outer and inner index.
struct Place {
    part: usize,
    outer: usize,
    inner: usize,
}

impl Layout {
    /// Where element `j` of register `r` of `lane` belongs, in registers of `e` elements.
    fn place(self, tile: &Tile, lane: usize, r: usize, j: usize) -> Place {
        let e = tile.element.per_register();
        let (g, c) = (lane / 4, lane % 4);
        let (part, quad) = (g % 4, c + 4 * (lane / 16));
        let v = r * e + j;
        match self {
            Layout::Groups => {
                let blocks = tile.outer as usize / 8;
                Place { part: 0, outer: g + 8 * (r % blocks), inner: 4 * e * (r / blocks) + c * e + j }
            }
            Layout::Pairs => Place { part: 0, outer: g + 8 * (v / 2), inner: 2 * c + v % 2 },
            Layout::QuadFactor { by_lane: true } => Place { part, outer: quad, inner: v },
            Layout::QuadFactor { by_lane: false } => Place { part, outer: v + (quad & 4), inner: quad & 3 },
            Layout::QuadSum => {
                Place { part, outer: (quad & 5) + (v & 2), inner: (v & 4) + (quad & 2) + (v & 1) }
            }
            Layout::Linear => {
                let at = ((r * LANES + lane) * e + j) % (tile.outer as usize * tile.inner as usize);
                Place { part: 0, outer: at / tile.inner as usize, inner: at % tile.inner as usize }
            }
        }
    }

    /// Products of a warp.
    fn parts(self) -> usize {
        match self {
            Layout::QuadFactor { .. } | Layout::QuadSum => 4,
            _ => 1,
        }
    }
}

impl Tile {
    /// Elements of all its matrices.
    pub fn elements(&self) -> usize {
        self.layout.parts() * self.outer as usize * self.inner as usize
    }

    /// Calls `each` with every lane, register and element in it, and where in its matrices that is, row after row.
    pub fn each(&self, mut each: impl FnMut(usize, usize, usize, usize)) {
        let (outer, inner) = (self.outer as usize, self.inner as usize);
        for lane in 0..LANES {
            for r in 0..self.registers.len() {
                for j in 0..self.element.per_register() {
                    let Place { part, outer: o, inner: i } = self.layout.place(self, lane, r, j);
                    each(lane, r, j, (part * outer + o) * inner + i);
                }
            }
        }
    }

    /// The bits of element `j` of a register.
    pub fn bits_of(&self, j: usize) -> u64 {
        let bits = self.element.bits() as usize;
        (u64::MAX >> (64 - bits)) << (bits * j)
    }
}

/// Every matrix of a tile as numbers, row after row.
fn read<T: Copy + Default>(warp: &Warp, tile: &Tile, value: impl Fn(u64, TileElement) -> T) -> Vec<T> {
    let (outer, inner) = (tile.outer as usize, tile.inner as usize);
    let mut matrix = vec![T::default(); tile.layout.parts() * outer * inner];
    let (e, bits) = (tile.element.per_register(), tile.element.bits());
    for (r, reg) in tile.registers.iter().enumerate() {
        for lane in 0..LANES {
            let word = warp.get(*reg, bits == 64, lane);
            for j in 0..e {
                let Place { part, outer: o, inner: i } = tile.layout.place(tile, lane, r, j);
                matrix[(part * outer + o) * inner + i] = value(word >> (bits as usize * j), tile.element);
            }
        }
    }
    matrix
}

/// The reverse.
fn write<T: Copy>(warp: &mut Warp, tile: &Tile, matrix: &[T], bits_of: impl Fn(T, TileElement) -> u64) {
    let (outer, inner) = (tile.outer as usize, tile.inner as usize);
    let (e, bits) = (tile.element.per_register(), tile.element.bits());
    for (r, reg) in tile.registers.iter().enumerate() {
        for lane in 0..LANES {
            let mut word = 0;
            for j in 0..e {
                let Place { part, outer: o, inner: i } = tile.layout.place(tile, lane, r, j);
                word |= bits_of(matrix[(part * outer + o) * inner + i], tile.element) << (bits as usize * j);
            }
            warp.set(*reg, bits == 64, lane, word);
        }
    }
}

fn real(bits: u64, element: TileElement) -> f32 {
    match element {
        TileElement::F16 => F16(bits as u16).f32(),
        TileElement::Bf16 => Bf16(bits as u16).f32(),
        TileElement::E4m3 => E4m3::f32(bits as u8),
        TileElement::E5m2 => E5m2::f32(bits as u8),
        TileElement::Tf32 => f32::from_bits(bits as u32 & !0x1fff),
        _ => f32::from_bits(bits as u32),
    }
}

fn real_bits(x: f32, element: TileElement) -> u64 {
    match element {
        TileElement::F16 => F16::nearest(x).0 as u64,
        _ => canonical(x).to_bits() as u64,
    }
}

fn integer(bits: u64, element: TileElement) -> i64 {
    let unused = 64 - element.bits();
    match element {
        TileElement::S8 | TileElement::S4 | TileElement::S32 => (bits << unused) as i64 >> unused,
        _ => (bits << unused >> unused) as i64,
    }
}

/// D from A, B and C, each sum by `step` along the depth.
fn multiply<F: Copy, S: Copy>(
    product: &TileProduct,
    (a, b): (&[F], &[F]),
    mut sums: Vec<S>,
    step: impl Fn(S, F, F) -> S,
) -> Vec<S> {
    let (m, n, k) = (product.a.outer as usize, product.b.outer as usize, product.a.inner as usize);
    for (i, sum) in sums.iter_mut().enumerate() {
        let (part, row, column) = (i / (m * n), i / n % m, i % n);
        let (a, b) = (&a[(part * m + row) * k..][..k], &b[(part * n + column) * k..][..k]);
        for (a, b) in a.iter().zip(b) {
            *sum = step(*sum, *a, *b);
        }
    }
    sums
}

/// `mma`, `wmma.mma`
pub(crate) fn run(warp: &mut Warp, product: &TileProduct) {
    let TileProduct { a, b, c, d, .. } = product;
    match c.element {
        TileElement::F64 => {
            let double = |bits: u64, _| f64::from_bits(bits);
            let (x, y, z) = (read(warp, a, double), read(warp, b, double), read(warp, c, double));
            let step = match product.rounding {
                'z' => |sum, a, b| exact::fma::<'z'>(a, b, sum),
                'm' => |sum, a, b| exact::fma::<'m'>(a, b, sum),
                'p' => |sum, a, b| exact::fma::<'p'>(a, b, sum),
                _ => |sum, a: f64, b| a.mul_add(b, sum),
            };
            let sums = multiply(product, (&x, &y), z, step);
            write(warp, d, &sums, |x, _| canonical64(x).to_bits());
        }
        TileElement::S32 => {
            let (x, y, z) = (read(warp, a, integer), read(warp, b, integer), read(warp, c, integer));
            let step: fn(i64, i64, i64) -> i64 = match (a.element, product.both) {
                (TileElement::B1, true) => |sum, a, b| sum + (a & b),
                (TileElement::B1, false) => |sum, a, b| sum + (a ^ b),
                _ => |sum, a, b| sum + a * b,
            };
            let sums = multiply(product, (&x, &y), z, step);
            let saturate = product.saturate;
            write(warp, d, &sums, |x, _| {
                (if saturate { x.clamp(i32::MIN as i64, i32::MAX as i64) } else { x }) as u32 as u64
            });
        }
        _ => {
            let (x, y, z) = (read(warp, a, real), read(warp, b, real), read(warp, c, real));
            let sums = multiply(product, (&x, &y), z, |sum: f32, a: f32, b| a.mul_add(b, sum));
            write(warp, d, &sums, real_bits);
        }
    }
}

/// Calls `each` with every register, lane, first element in it and address of `bytes` bytes.
fn every(
    warp: &mut Warp,
    access: &TileAccess,
    mut each: impl FnMut(&mut Warp, usize, usize, usize, u64) -> Result<()>,
) -> Result<()> {
    let tile = &access.tile;
    let bits = tile.element.bits() as u64;
    let e = tile.element.per_register();
    // What is smaller than a byte is moved by whole registers.
    let step = if bits < 8 { e } else { 1 };
    for lane in 0..LANES {
        for r in 0..tile.registers.len() {
            for j in (0..e).step_by(step) {
                let at = element_address(warp, access, lane, r, j);
                each(warp, lane, r, j, at)?;
            }
        }
    }
    Ok(())
}

/// What a `wmma.load` or `wmma.store` accesses, for counting: bytes, and addresses of the lanes that go together. A
/// register whose elements lie side by side is moved at once, any other element by element.
pub(crate) fn addresses(warp: &Warp, access: &TileAccess) -> (u32, Vec<Vec<u64>>) {
    let tile = &access.tile;
    let (bits, e) = (tile.element.bits() as u64, tile.element.per_register());
    let step = if access.along || bits < 8 { e } else { 1 };
    let mut all = Vec::new();
    for r in 0..tile.registers.len() {
        for j in (0..e).step_by(step) {
            all.push((0..LANES).map(|lane| element_address(warp, access, lane, r, j)).collect());
        }
    }
    ((step as u64 * bits / 8) as u32, all)
}

/// Where element `j` of register `r` of a lane is in memory.
fn element_address(warp: &Warp, access: &TileAccess, lane: usize, r: usize, j: usize) -> u64 {
    let stride = warp.row(access.stride)[lane] as u64;
    let Place { outer, inner, .. } = access.tile.layout.place(&access.tile, lane, r, j);
    let (outer, inner) = (outer as u64, inner as u64);
    let at = if access.along { outer * stride + inner } else { inner * stride + outer };
    let bits = access.tile.element.bits() as u64;
    warp.address(access.base, lane).wrapping_add(at.wrapping_mul(bits) / 8)
}

fn bytes(tile: &Tile) -> u8 {
    match tile.element.bits() {
        1 | 4 => 4,
        bits => bits / 8,
    }
}

/// `wmma.load`
pub(crate) fn load(env: &mut Env, warp: &mut Warp, access: &TileAccess) -> Result<()> {
    let tile = &access.tile;
    let (width, bits) = (bytes(tile), tile.element.bits());
    let mut words = vec![[0u64; LANES]; tile.registers.len()];
    warp.pending.clear();
    every(warp, access, |warp, lane, r, j, address| {
        let request = Request { access: "read", space: access.space, address, count: width as u32, lane };
        let span = locate(env, warp, request)?;
        watch(env, warp, request, Touching::Read, Strength::Weak)?;
        if env.sanitize.unwritten && span.unwritten(width as u32).is_some() {
            let reg = Touch::Row(tile.registers[r]);
            let found = span.unknown(0, width);
            let origin = Some(env.origins.of(warp, request, found.trailing_zeros() / 8));
            let at = warp.pending.iter().position(|(known, _)| *known == reg).unwrap_or_else(|| {
                warp.pending.push((reg, Box::new([Unknown::default(); LANES])));
                warp.pending.len() - 1
            });
            let old = &mut warp.pending[at].1[lane];
            *old = old.with(Unknown { bits: found << (bits as usize * j), origin });
        }
        words[r][lane] |= span.read(0, width) << (bits as usize * j);
        Ok(())
    })?;
    for (reg, values) in tile.registers.iter().zip(&words) {
        for (lane, value) in values.iter().enumerate() {
            warp.set(*reg, bits == 64, lane, *value);
        }
    }
    Ok(())
}

/// `wmma.store`
pub(crate) fn store(env: &mut Env, warp: &mut Warp, access: &TileAccess) -> Result<()> {
    let tile = &access.tile;
    let (width, bits) = (bytes(tile), tile.element.bits());
    every(warp, access, |warp, lane, r, j, address| {
        let request = Request { access: "write", space: access.space, address, count: width as u32, lane };
        let span = locate(env, warp, request)?;
        watch(env, warp, request, Touching::Write, Strength::Weak)?;
        let word = warp.get(tile.registers[r], bits == 64, lane);
        span.write(0, width, word >> (bits as usize * j));
        span.mark(width as u32);
        let touch = Touch::Row(tile.registers[r]);
        if env.sanitize.unwritten && warp.known(touch) >> lane & 1 == 0 {
            let unknown = warp.unknown(touch, lane);
            let value = (touch, unknown.cut(unknown.bits >> (bits as usize * j)));
            keep_unknown(env, warp, value, request, (span, (0, width)))?;
        }
        Ok(())
    })
}
