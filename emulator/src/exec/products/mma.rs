//! `mma.sync` m16n8kK (PTX ISA §9.7.14.5).
//!
//! Numerics: every product is exact in single precision (tf32 operands lose their low 13 bits first), and sums
//! are rounded after each one, k ascending, starting from C. Tensor cores add blocks of products at once with
//! a few more bits, so results agree to within the rounding of single precision, not bit for bit. Half
//! accumulators are rounded once, at the end. Integer products are exact and wrap, or clamp with `.satfinite`.
//!
//! Fragments, with `g = lane / 4`, `c = lane % 4` and `e` elements in a register:
//! register `r` of A holds row `g + 8 (r mod 2)`, depth `4 e (r / 2) + c e ..`; register `r` of B holds column
//! `g`, depth `4 e r + c e ..`; register `r` of C and D holds row `g + 8 (r / 2)`, column `2 c + r mod 2`, or as
//! packed halves row `g + 8 r`, columns `2 c, 2 c + 1`.

use crate::alu::float::canonical;
use crate::alu::halves::{Bf16, F16, Half};
use crate::alu::lanes::LANES;
use crate::exec::state::{Env, Warp};
use crate::program::{Element, MatrixProduct};

/// The deepest product.
const DEPTH: usize = 32;

/// Computes one product.
pub(crate) fn run(env: &Env, warp: &mut Warp, product: &MatrixProduct) {
    #[cfg(target_arch = "x86_64")]
    if env.wide_vectors {
        let plain = product.k == 16 && !product.half_c && !product.half_d;
        // SAFETY: the features were detected.
        unsafe {
            match product.a_type {
                Element::F16 if plain => super::mma_avx2::multiply::<false>(warp, product),
                Element::Bf16 if plain => super::mma_avx2::multiply::<true>(warp, product),
                _ => wide(warp, product),
            }
        }
        return;
    }
    let _ = env;
    portable(warp, product);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
fn wide(warp: &mut Warp, product: &MatrixProduct) {
    body(warp, product);
}

/// For any host.
pub(crate) fn portable(warp: &mut Warp, product: &MatrixProduct) {
    body(warp, product);
}

#[inline(always)]
fn body(warp: &mut Warp, product: &MatrixProduct) {
    match (product.a_type, product.k) {
        (Element::S8 | Element::U8, _) => integers(warp, product),
        (Element::F16, 16) => halves::<F16, 16>(warp, product),
        (Element::F16, _) => halves::<F16, 8>(warp, product),
        (Element::Bf16, 16) => halves::<Bf16, 16>(warp, product),
        (Element::Bf16, _) => halves::<Bf16, 8>(warp, product),
        (Element::Tf32, 8) => tf32::<8>(warp, product),
        (Element::Tf32, _) => tf32::<4>(warp, product),
        (Element::E4m3 | Element::E5m2 | Element::B1, _) => {}
    }
}

#[inline(always)]
fn halves<H: Half, const K: usize>(warp: &mut Warp, product: &MatrixProduct) {
    let value = |bits: u32| H::from_bits(bits as u16).f32();
    let mut a = [[0f32; K]; 16];
    for r in 0..K / 4 {
        let row = warp.row(product.a[r]);
        for g in 0..8 {
            for c in 0..4 {
                let word = row[4 * g + c];
                let depth = 8 * (r / 2) + 2 * c;
                a[g + 8 * (r % 2)][depth] = value(word);
                a[g + 8 * (r % 2)][depth + 1] = value(word >> 16);
            }
        }
    }
    let mut b = [[0f32; 8]; K];
    for r in 0..K / 8 {
        let row = warp.row(product.b[r]);
        for c in 0..4 {
            for n in 0..8 {
                let word = row[4 * n + c];
                b[8 * r + 2 * c][n] = value(word);
                b[8 * r + 2 * c + 1][n] = value(word >> 16);
            }
        }
    }
    multiply(warp, product, &a, &b);
}

#[inline(always)]
fn tf32<const K: usize>(warp: &mut Warp, product: &MatrixProduct) {
    let value = |bits: u32| f32::from_bits(bits & !0x1fff);
    let mut a = [[0f32; K]; 16];
    for r in 0..K / 2 {
        let row = warp.row(product.a[r]);
        for lane in 0..LANES {
            a[lane / 4 + 8 * (r % 2)][4 * (r / 2) + lane % 4] = value(row[lane]);
        }
    }
    let mut b = [[0f32; 8]; K];
    for r in 0..K / 4 {
        let row = warp.row(product.b[r]);
        for lane in 0..LANES {
            b[4 * r + lane % 4][lane / 4] = value(row[lane]);
        }
    }
    multiply(warp, product, &a, &b);
}

/// D = A B + C, once A and B are plain matrices.
#[inline(always)]
fn multiply<const K: usize>(warp: &mut Warp, product: &MatrixProduct, a: &[[f32; K]; 16], b: &[[f32; 8]; K]) {
    let mut c = [[0f32; 8]; 16];
    for half in 0..2 {
        if product.half_c {
            let row = warp.row(product.c[half]);
            for lane in 0..LANES {
                c[lane / 4 + 8 * half][2 * (lane % 4)] = F16(row[lane] as u16).f32();
                c[lane / 4 + 8 * half][2 * (lane % 4) + 1] = F16((row[lane] >> 16) as u16).f32();
            }
        } else {
            let (even, odd) = (warp.row(product.c[2 * half]), warp.row(product.c[2 * half + 1]));
            for lane in 0..LANES {
                c[lane / 4 + 8 * half][2 * (lane % 4)] = f32::from_bits(even[lane]);
                c[lane / 4 + 8 * half][2 * (lane % 4) + 1] = f32::from_bits(odd[lane]);
            }
        }
    }
    for m in 0..16 {
        let mut sum = c[m];
        for k in 0..K {
            let factor = a[m][k];
            for n in 0..8 {
                sum[n] = factor.mul_add(b[k][n], sum[n]);
            }
        }
        c[m] = sum;
    }
    for half in 0..2 {
        if product.half_d {
            let row = warp.row_mut(product.d[half]);
            for (lane, packed) in row.iter_mut().enumerate() {
                let (g, n) = (lane / 4 + 8 * half, 2 * (lane % 4));
                *packed = F16::nearest(c[g][n]).0 as u32 | (F16::nearest(c[g][n + 1]).0 as u32) << 16;
            }
        } else {
            for odd in 0..2 {
                let row = warp.row_mut(product.d[2 * half + odd]);
                for lane in 0..LANES {
                    row[lane] = canonical(c[lane / 4 + 8 * half][2 * (lane % 4) + odd]).to_bits();
                }
            }
        }
    }
}

fn integers(warp: &mut Warp, product: &MatrixProduct) {
    let byte = |word: u32, i: usize, element: Element| {
        let byte = (word >> (8 * i)) as u8;
        if element == Element::S8 { byte as i8 as i64 } else { byte as i64 }
    };
    let deep = product.k as usize / 16;
    let (mut a, mut b) = ([[0i64; DEPTH]; 16], [[0i64; 8]; DEPTH]);
    for lane in 0..LANES {
        let (g, c) = (lane / 4, lane % 4);
        for r in 0..2 * deep {
            for i in 0..4 {
                let word = warp.row(product.a[r])[lane];
                a[g + 8 * (r % 2)][16 * (r / 2) + 4 * c + i] = byte(word, i, product.a_type);
            }
        }
        for r in 0..deep {
            for i in 0..4 {
                b[16 * r + 4 * c + i][g] = byte(warp.row(product.b[r])[lane], i, product.b_type);
            }
        }
    }
    let mut results = [[0u32; LANES]; 4];
    for (r, result) in results.iter_mut().enumerate() {
        for (lane, value) in result.iter_mut().enumerate() {
            let (m, n) = (lane / 4 + 8 * (r / 2), 2 * (lane % 4) + r % 2);
            let start = warp.row(product.c[r])[lane] as i32 as i64;
            let sum = (0..product.k as usize).fold(start, |sum, k| sum + a[m][k] * b[k][n]);
            *value = if product.saturate {
                sum.clamp(i32::MIN as i64, i32::MAX as i64) as u32
            } else {
                sum as u32
            };
        }
    }
    for (reg, result) in product.d.iter().zip(&results) {
        *warp.row_mut(*reg) = *result;
    }
}
