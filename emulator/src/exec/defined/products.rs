//! Which elements of a product of matrices come of what nobody computed.
//!
//! An element of D depends on its row of A, its column of B and its element of C, whatever the numbers: a zero opposite
//! does not help, since what was never written may be infinite. So rows past the end of a sequence spoil what is
//! computed from them and nothing else, and kernels that leave them as they are, since their scores are masked away, are
//! told from those that sum over them.

use crate::address::Space;
use crate::alu::lanes::LANES;
use crate::exec::in_flight::LeftUnknown;
use crate::exec::memory::access::locate;
use crate::exec::products::descriptor::{CHUNK, Layout, ROWS};
use crate::exec::request::Request;
use crate::exec::state::{Env, Warp};
use crate::exec::unknown::{Lanes, Unknown};
use crate::exec::{FULL, Result, lanes};
use crate::fault::{FaultKind, Trouble};
use crate::program::{LeftMatrix, MatrixProduct, Reg, Tile, TileProduct, Touch, WarpgroupProduct};

/// Rows of A from the fragment that `mma.m16n8` and `wgmma` have.
fn fragment_rows(warp: &Warp, registers: &[Reg]) -> [Unknown; ROWS] {
    let mut rows = [Unknown::default(); ROWS];
    for (r, reg) in registers.iter().enumerate() {
        for lane in lanes(!warp.known(Touch::Row(*reg))) {
            let row = &mut rows[lane / 4 + 8 * (r % 2)];
            *row = row.with(warp.unknown_row(*reg, lane).cut_word());
        }
    }
    rows
}

impl Unknown {
    /// Of a register of 32 bits.
    fn cut_word(self) -> Unknown {
        self.cut(self.bits & u32::MAX as u64)
    }
}

/// What is not known of register `r` of a fragment of D, eight columns of it, packed halves or not.
fn element(
    (rows, columns): (&[Unknown; ROWS], &[Unknown]),
    before: &dyn Fn(usize) -> Unknown,
    r: usize,
    packed: bool,
) -> Box<Lanes> {
    let of = |lane: usize| {
        let row = rows[lane / 4 + 8 * if packed { r % 2 } else { r / 2 % 2 }];
        let old = before(lane);
        let one = |column: usize, bits: u64| {
            let parts = row.with(columns[column]).with(old.cut(old.bits & bits));
            parts.cut(if parts.bits == 0 { 0 } else { bits })
        };
        let column = 2 * (lane % 4);
        if packed {
            one(column, 0xffff).with(one(column + 1, 0xffff_0000))
        } else {
            one(column + r % 2, u32::MAX as u64)
        }
    };
    Box::new(std::array::from_fn(of))
}

/// `mma` m16n8.
pub(crate) fn product(warp: &mut Warp, product: &MatrixProduct) {
    let k = product.k as usize;
    let (a, b) = match product.a_type.bits() {
        8 => (k / 8, k / 16),
        16 => (k / 4, k / 8),
        _ => (k / 2, k / 4),
    };
    let rows = fragment_rows(warp, &product.a[..a]);
    let mut columns = [Unknown::default(); 8];
    for reg in &product.b[..b] {
        for lane in lanes(!warp.known(Touch::Row(*reg))) {
            let column = &mut columns[lane / 4];
            *column = column.with(warp.unknown_row(*reg, lane).cut_word());
        }
    }
    let registers = if product.half_d { 2 } else { 4 };
    for r in 0..registers {
        let before = |lane: usize| {
            if product.half_c == product.half_d {
                return warp.unknown_row(product.c[r], lane);
            }
            // A sum that is wider or narrower than what it starts from: some of a pair is all of it.
            let pair: &[usize] = match (product.half_d, r) {
                (true, 0) => &[0, 1],
                (true, _) => &[2, 3],
                (false, r) => {
                    if r < 2 {
                        &[0]
                    } else {
                        &[1]
                    }
                }
            };
            let all = pair.iter().map(|r| warp.unknown_row(product.c[*r], lane));
            all.fold(Unknown::default(), Unknown::with).spread()
        };
        let result = element((&rows, &columns), &before, r, product.half_d);
        warp.pending.push((Touch::Row(product.d[r]), result));
    }
}

/// Every element of a tile's matrices, row after row.
fn matrix(warp: &Warp, tile: &Tile) -> Vec<Unknown> {
    let mut all = vec![Unknown::default(); tile.elements()];
    tile.each(|lane, r, j, at| {
        let reg = tile.registers[r];
        if warp.known(Touch::Row(reg)) >> lane & 1 == 0 {
            let unknown = warp.unknown_row(reg, lane);
            all[at] = all[at].with(unknown.cut(unknown.bits & tile.bits_of(j)));
        }
    });
    all
}

/// `mma` of the rarer shapes, `wmma.mma`.
pub(crate) fn tiles(warp: &mut Warp, product: &TileProduct) {
    let lines = |tile: &Tile| -> Vec<Unknown> {
        let matrix = matrix(warp, tile);
        let line = |line: &[Unknown]| line.iter().copied().fold(Unknown::default(), Unknown::with);
        matrix.chunks_exact(tile.inner as usize).map(line).collect()
    };
    let (rows, columns, sums) = (lines(&product.a), lines(&product.b), matrix(warp, &product.c));
    let (m, n) = (product.d.outer as usize, product.d.inner as usize);
    let mut results: Vec<Box<Lanes>> =
        product.d.registers.iter().map(|_| Box::new([Unknown::default(); LANES])).collect();
    product.d.each(|lane, r, j, at| {
        let (part, row, column) = (at / (m * n), at / n % m, at % n);
        let parts = rows[part * m + row].with(columns[part * n + column]).with(sums[at]);
        if parts.bits != 0 {
            results[r][lane] = results[r][lane].with(parts.cut(product.d.bits_of(j)));
        }
    });
    for (reg, result) in product.d.registers.iter().zip(results) {
        warp.pending.push((Touch::Row(*reg), result));
    }
}

// --- wgmma ---

/// The registers of a `wgmma` that say where its matrices are and whether D is added to.
pub(crate) fn descriptors(product: &WarpgroupProduct) -> Vec<Touch> {
    let mut all = vec![Touch::Row(product.b), Touch::Pred(product.accumulate.pred)];
    if let LeftMatrix::Shared(a) = product.a {
        all.push(Touch::Row(a));
    }
    all
}

/// What is not known of the warp's rows of A, where they come from registers, which a product reads when it is issued.
pub(crate) fn left_rows(warp: &Warp, product: &WarpgroupProduct) -> Option<Box<LeftUnknown>> {
    let LeftMatrix::Registers(registers) = &product.a else { return None };
    let rows = fragment_rows(warp, registers);
    rows.iter().any(|row| row.bits != 0).then(|| Box::new(rows))
}

/// What is not known of a row or a column that lies in shared memory, for each of `count` from `from` on.
fn lines(
    env: &Env,
    warp: &mut Warp,
    (pc, layout): (u32, Layout),
    from: usize,
    all: &mut [Unknown],
) -> Result<bool> {
    let mut found = false;
    let count = all.len();
    let mut chunks = Vec::with_capacity(2 * count);
    layout.chunks(from, count, &mut chunks);
    for (i, at) in chunks.into_iter().enumerate() {
        let request = Request {
            access: "read",
            space: Space::Shared,
            address: at as u64,
            count: CHUNK as u32,
            lane: 0,
        };
        let span = locate(env, warp, request)?;
        let Some(first) = span.unwritten(CHUNK as u32) else { continue };
        found = true;
        let mut origin = env.origins.of(warp, request, first);
        if origin.pc == warp.pc {
            // It lands where the warp is by then.
            origin.pc = pc;
        }
        let unknown = Unknown { bits: u64::MAX, origin: Some(origin) };
        // Core matrix after core matrix of sixteen chunks, which are eight lines or, across the depth, pieces of all.
        let core = &mut all[i / 16 * 8..][..8];
        if layout.is_transposed() {
            for (x, line) in core.iter_mut().enumerate() {
                if span.unknown(2 * x, 2) != 0 {
                    *line = line.with(unknown);
                }
            }
        } else {
            core[i % 8] = core[i % 8].with(unknown);
        }
    }
    Ok(found)
}

/// A product lands: what is not known of the accumulator after it. It was issued at `pc`, with these descriptors.
///
/// # Errors
/// A bad descriptor, or a matrix that is not all in shared memory.
pub(crate) fn landed(
    env: &Env,
    warp: &mut Warp,
    (pc, product): (u32, &WarpgroupProduct),
    (a, b): (u64, u64),
    left: Option<&LeftUnknown>,
    accumulate: bool,
) -> Result<()> {
    let rank = warp.rank;
    let layout = |bits, transposed, which| match Layout::decode(bits, transposed, which) {
        Ok(layout) => Ok((pc, layout.of_block(rank))),
        Err(message) => Err(Box::<Trouble>::from(FaultKind::Operand(message))),
    };
    let mut rows = left.copied().unwrap_or_default();
    let mut found = left.is_some();
    if let LeftMatrix::Shared(_) = product.a {
        let a = layout(a, product.transpose_a, 'A')?;
        found |= lines(env, warp, a, ROWS * (warp.index as usize % 4), &mut rows)?;
    }
    let mut columns = vec![Unknown::default(); product.n as usize];
    found |= lines(env, warp, layout(b, product.transpose_b, 'B')?, 0, &mut columns)?;
    let sums = product.d.iter().fold(FULL, |all, reg| all & warp.known(Touch::Row(*reg)));
    if !found && (!accumulate || sums == FULL) {
        product.d.iter().for_each(|reg| warp.learn(Touch::Row(*reg), FULL));
        return Ok(());
    }
    let block = if product.half_d { 2 } else { 4 };
    for (i, reg) in product.d.iter().enumerate() {
        let before = |lane| if accumulate { warp.unknown_row(*reg, lane) } else { Unknown::default() };
        let columns = &columns[i / block * 8..][..8];
        let result = element((&rows, columns), &before, i % block, product.half_d);
        for (lane, unknown) in result.into_iter().enumerate() {
            warp.forget(Touch::Row(*reg), lane, unknown);
        }
    }
    Ok(())
}
