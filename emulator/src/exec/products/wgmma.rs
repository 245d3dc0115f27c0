//! The arithmetic of `wgmma.mma_async` m64nNkK, one warp of the warpgroup at a time (PTX ISA §9.7.15.5).
//!
//! Warp `i` of the four computes rows `16 i .. 16 i + 16` of D from the same rows of A and all of B, so it needs
//! nothing of the other three. Where the matrices lie is for [`super::descriptor`] to say.
//!
//! Numerics are those of [`super::mma`]: products are exact in single precision (tf32 operands lose their low 13
//! bits first), sums are rounded after each one, k ascending, starting from D or zero; half accumulators are rounded
//! once an instruction. Integer sums are exact and wrap, or clamp with `.satfinite`. Tensor cores keep other bits in
//! between, fewer for 8-bit floats, so results agree to within rounding only; [`ProductSums::Hopper`] has theirs.
//!
//! Registers `4 j .. 4 j + 4` of D hold columns `8 j .. 8 j + 8` just as `mma.sync` holds its eight.

use super::descriptor::{DEEP, Layout, ROWS};
use super::hopper_sums::{Adder, Number};
use super::operand::{Matrix, fragment};
use crate::alu::eight::{E4m3, E5m2, Eight};
use crate::alu::float::canonical;
use crate::alu::halves::{Bf16, F16, Half};
use crate::exec::Result;
use crate::exec::in_flight::LeftRows;
use crate::exec::policy::ProductSums;
use crate::exec::state::{Env, Warp};
use crate::fault::{FaultKind, Trouble};
use crate::program::{Element, LeftMatrix, WarpgroupProduct};

/// The most columns.
const COLUMNS: usize = 256;

/// Rows of A, or columns of B, as numbers; depth beyond the product's is not used.
type Rows<T, const N: usize> = [[T; DEEP]; N];

/// The rows that a product takes from registers, which it reads when it is issued: compilers use them again at once.
pub(crate) fn left_rows(warp: &Warp, product: &WarpgroupProduct) -> Option<Box<LeftRows>> {
    match &product.a {
        LeftMatrix::Registers(registers) => Some(Box::new(fragment(warp, registers))),
        LeftMatrix::Shared(_) => None,
    }
}

/// Computes the warp's rows; `a` and `b` are the descriptors, of which `a` means nothing where A is in registers,
/// `accumulate` says whether D is added to.
///
/// # Errors
/// A bad descriptor, or a matrix that is not all in shared memory.
pub(crate) fn run(
    env: &Env,
    warp: &mut Warp,
    product: &WarpgroupProduct,
    (a, b): (u64, u64),
    left: Option<&LeftRows>,
    accumulate: bool,
) -> Result<()> {
    let rank = warp.rank;
    let layout = |bits, transposed, matrix| match Layout::operand(bits, transposed, matrix) {
        Ok(layout) => Ok(layout.of_block(rank)),
        Err(message) => Err(Box::<Trouble>::from(FaultKind::Operand(message))),
    };
    let rows = match &product.a {
        LeftMatrix::Registers(registers) => left.copied().unwrap_or_else(|| fragment(warp, registers)),
        LeftMatrix::Shared(_) => {
            let mut rows = [[0; DEEP]; ROWS];
            let a = Matrix::new(&env.shared, layout(a, product.transpose_a, ('A', 64))?, 4 * ROWS);
            a.rows(ROWS * (warp.index as usize % 4), &mut rows)?;
            rows
        }
    };
    let b = Matrix::new(
        &env.shared,
        layout(b, product.transpose_b, ('B', product.n as u32))?,
        product.n as usize,
    );
    if env.product_sums == ProductSums::Hopper && product.a_type.is_float() {
        return cut_off(warp, product, &rows, &b, accumulate);
    }
    #[cfg(target_arch = "x86_64")]
    if env.wide_vectors {
        // SAFETY: the features were detected.
        return unsafe {
            match product.a_type {
                Element::F16 if !product.half_d => {
                    super::wgmma_avx2::multiply::<false>(warp, product, &rows, &b, accumulate)
                }
                Element::Bf16 => super::wgmma_avx2::multiply::<true>(warp, product, &rows, &b, accumulate),
                _ => wide(warp, product, &rows, &b, accumulate),
            }
        };
    }
    portable(warp, product, &rows, &b, accumulate)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
fn wide(
    warp: &mut Warp,
    product: &WarpgroupProduct,
    rows: &[[u8; DEEP]; ROWS],
    b: &Matrix,
    accumulate: bool,
) -> Result<()> {
    body(warp, product, rows, b, accumulate)
}

/// For any host.
pub(crate) fn portable(
    warp: &mut Warp,
    product: &WarpgroupProduct,
    rows: &[[u8; DEEP]; ROWS],
    b: &Matrix,
    accumulate: bool,
) -> Result<()> {
    body(warp, product, rows, b, accumulate)
}

#[inline(always)]
fn body(
    warp: &mut Warp,
    product: &WarpgroupProduct,
    rows: &[[u8; DEEP]; ROWS],
    b: &Matrix,
    accumulate: bool,
) -> Result<()> {
    let mut columns = [[0; DEEP]; COLUMNS];
    b.rows(0, &mut columns[..product.n as usize])?;
    if product.a_type == Element::B1 {
        totals(warp, product, &columns, accumulate, |column| {
            let common =
                |row: &[u8; DEEP]| row.iter().zip(column).map(|(a, b)| (a & b).count_ones() as i32).sum();
            rows.each_ref().map(common)
        });
    } else if matches!(product.a_type, Element::S8 | Element::U8) {
        let a = rows.map(|row| row.map(|byte| integer(byte, product.a_type)));
        totals(warp, product, &columns, accumulate, |column| {
            let column = column.map(|byte| integer(byte, product.b_type));
            a.each_ref().map(|row| (0..DEEP).map(|k| row[k] * column[k]).sum())
        });
    } else {
        let (a_sign, b_sign) = signs(product);
        let a = rows.map(|row| floats(&row, product.a_type).map(|x| x * a_sign));
        sums(warp, product, &a, &columns, b_sign, accumulate);
    }
    Ok(())
}

/// A byte as a number.
fn integer(byte: u8, element: Element) -> i32 {
    if element == Element::S8 { byte as i8 as i32 } else { byte as i32 }
}

/// 32 bytes as the numbers that they hold.
#[inline(always)]
fn floats(bytes: &[u8; DEEP], element: Element) -> [f32; DEEP] {
    let half = |i: usize| u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]);
    let mut numbers = [0.0; DEEP];
    match element {
        Element::F16 => (0..16).for_each(|i| numbers[i] = F16(half(i)).f32()),
        Element::Bf16 => (0..16).for_each(|i| numbers[i] = Bf16(half(i)).f32()),
        Element::Tf32 => {
            for (number, word) in numbers.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *number = f32::from_bits(u32::from_le_bytes(*word) & !0x1fff);
            }
        }
        Element::E4m3 => (0..DEEP).for_each(|i| numbers[i] = E4m3::f32(bytes[i])),
        Element::E5m2 => (0..DEEP).for_each(|i| numbers[i] = E5m2::f32(bytes[i])),
        Element::S8 | Element::U8 | Element::B1 => {}
    }
    numbers
}

/// Where in a fragment of eight columns lane's element `r` of four is.
#[inline(always)]
fn place(lane: usize, r: usize) -> (usize, usize) {
    (lane / 4 + 8 * (r / 2), 2 * (lane % 4) + r % 2)
}

#[inline(always)]
fn sums(
    warp: &mut Warp,
    product: &WarpgroupProduct,
    a: &Rows<f32, ROWS>,
    columns: &[[u8; DEEP]; COLUMNS],
    b_sign: f32,
    accumulate: bool,
) {
    let depth = product.k as usize;
    by_blocks(warp, product, columns, accumulate, |columns, d| {
        let mut b = [[0f32; 8]; DEEP];
        for (x, column) in columns.iter().enumerate() {
            let column = floats(column, product.b_type);
            (0..depth).for_each(|k| b[k][x] = column[k] * b_sign);
        }
        for (sums, row) in d.iter_mut().zip(a) {
            for k in 0..depth {
                let factor = row[k];
                for x in 0..8 {
                    sums[x] = factor.mul_add(b[k][x], sums[x]);
                }
            }
        }
    });
}

/// Adds to D, or to zeros, what `add` does of eight columns of B at a time.
#[inline(always)]
fn by_blocks(
    warp: &mut Warp,
    product: &WarpgroupProduct,
    columns: &[[u8; DEEP]; COLUMNS],
    accumulate: bool,
    add: impl Fn(&[[u8; DEEP]], &mut [[f32; 8]; ROWS]),
) {
    for block in 0..product.n as usize / 8 {
        let mut d = [[0f32; 8]; ROWS];
        if accumulate {
            load(warp, product, block, &mut d);
        }
        add(&columns[8 * block..8 * block + 8], &mut d);
        store(warp, product, block, &d);
    }
}

/// What A and B are multiplied by.
fn signs(product: &WarpgroupProduct) -> (f32, f32) {
    let sign = |negate: bool| if negate { -1.0 } else { 1.0 };
    (sign(product.negate_a), sign(product.negate_b))
}

/// Sums as Hopper's tensor cores have them.
fn cut_off(
    warp: &mut Warp,
    product: &WarpgroupProduct,
    rows: &[[u8; DEEP]; ROWS],
    b: &Matrix,
    accumulate: bool,
) -> Result<()> {
    let mut columns = [[0; DEEP]; COLUMNS];
    b.rows(0, &mut columns[..product.n as usize])?;
    let adder = Adder::new(product.a_type, product.b_type, product.half_d);
    let depth = product.k as usize;
    let (a_sign, b_sign) = signs(product);
    let a: Rows<Number, ROWS> = rows.map(|row| floats(&row, product.a_type).map(|x| adder.left(x * a_sign)));
    by_blocks(warp, product, &columns, accumulate, |columns, d| {
        for (x, column) in columns.iter().enumerate() {
            let column = floats(column, product.b_type).map(|x| adder.right(x * b_sign));
            for (sums, row) in d.iter_mut().zip(&a) {
                sums[x] = adder.sum(&row[..depth], &column[..depth], sums[x]);
            }
        }
    });
    Ok(())
}

#[inline(always)]
fn load(warp: &Warp, product: &WarpgroupProduct, block: usize, d: &mut [[f32; 8]; ROWS]) {
    if product.half_d {
        for half in 0..2 {
            let row = warp.row(product.d[2 * block + half]);
            for (lane, packed) in row.iter().enumerate() {
                let (m, n) = place(lane, 2 * half);
                d[m][n] = F16(*packed as u16).f32();
                d[m][n + 1] = F16((*packed >> 16) as u16).f32();
            }
        }
    } else {
        for r in 0..4 {
            let row = warp.row(product.d[4 * block + r]);
            for (lane, bits) in row.iter().enumerate() {
                let (m, n) = place(lane, r);
                d[m][n] = f32::from_bits(*bits);
            }
        }
    }
}

#[inline(always)]
fn store(warp: &mut Warp, product: &WarpgroupProduct, block: usize, d: &[[f32; 8]; ROWS]) {
    if product.half_d {
        for half in 0..2 {
            let row = warp.row_mut(product.d[2 * block + half]);
            for (lane, packed) in row.iter_mut().enumerate() {
                let (m, n) = place(lane, 2 * half);
                *packed = F16::nearest(d[m][n]).0 as u32 | (F16::nearest(d[m][n + 1]).0 as u32) << 16;
            }
        }
    } else {
        for r in 0..4 {
            let row = warp.row_mut(product.d[4 * block + r]);
            for (lane, bits) in row.iter_mut().enumerate() {
                let (m, n) = place(lane, r);
                *bits = canonical(d[m][n]).to_bits();
            }
        }
    }
}

/// Adds what `dot` says of all rows and each column to the accumulator. 32 products of bytes, as 256 of bits, fit into 32 bits, so only
/// this addition wraps or is clamped.
#[inline(always)]
fn totals(
    warp: &mut Warp,
    product: &WarpgroupProduct,
    columns: &[[u8; DEEP]; COLUMNS],
    accumulate: bool,
    dot: impl Fn(&[u8; DEEP]) -> [i32; ROWS],
) {
    for block in 0..product.n as usize / 8 {
        let mut sums = [[0i32; 8]; ROWS];
        for (x, column) in columns[8 * block..8 * block + 8].iter().enumerate() {
            for (sums, dot) in sums.iter_mut().zip(dot(column)) {
                sums[x] = dot;
            }
        }
        for r in 0..4 {
            let row = warp.row_mut(product.d[4 * block + r]);
            for (lane, value) in row.iter_mut().enumerate() {
                let (m, n) = place(lane, r);
                let start = if accumulate { *value as i32 } else { 0 };
                *value = if product.saturate {
                    start.saturating_add(sums[m][n]) as u32
                } else {
                    start.wrapping_add(sums[m][n]) as u32
                };
            }
        }
    }
}
