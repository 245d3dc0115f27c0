//! `wgmma` of halves into single precision, with AVX2: most of what a Hopper kernel spends its time in.
//!
//! Sums go in the same order and round in the same places as in [`super::wgmma`]; a test holds the two
//! against each other.

use super::descriptor::{DEEP, ROWS};
use super::mma_avx2::transpose;
use super::operand::Matrix;
use crate::exec::Result;
use crate::exec::state::Warp;
use crate::program::WarpgroupProduct;
use std::arch::x86_64::*;

/// Depth of the product.
const K: usize = 16;

/// Eight halves to single precision.
#[target_feature(enable = "avx2,fma,f16c")]
fn widen<const BF16: bool>([low, high]: [u64; 2]) -> __m256 {
    let halves = _mm_set_epi64x(high as i64, low as i64);
    if BF16 {
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
    } else {
        _mm256_cvtph_ps(halves)
    }
}

/// Eight columns of B, depth by depth.
#[target_feature(enable = "avx2,fma,f16c")]
fn eight_columns<const BF16: bool>(b: &Matrix, block: usize) -> Result<[__m256; K]> {
    let mut rows = [_mm256_setzero_ps(); K];
    if b.layout.is_transposed() {
        for (k, row) in rows.iter_mut().enumerate() {
            *row = widen::<BF16>(b.chunk(b.layout.across_depth(block, k))?);
        }
    } else {
        for j in 0..2 {
            let mut columns = [_mm256_setzero_ps(); 8];
            for (x, column) in columns.iter_mut().enumerate() {
                *column = widen::<BF16>(b.chunk(b.layout.along_depth(8 * block + x, j))?);
            }
            rows[8 * j..8 * j + 8].copy_from_slice(&transpose(columns));
        }
    }
    Ok(rows)
}

/// D = A B + D, or A B.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn multiply<const BF16: bool>(
    warp: &mut Warp,
    product: &WarpgroupProduct,
    rows: &[[u8; DEEP]; ROWS],
    b: &Matrix,
    accumulate: bool,
) -> Result<()> {
    // Both signs go into A: a product has the sign of both its factors.
    let sign = if product.negate_a != product.negate_b { i32::MIN } else { 0 };
    let sign = _mm256_castsi256_ps(_mm256_set1_epi32(sign));
    let mut a = [[0f32; K]; ROWS];
    for (row, bytes) in a.iter_mut().zip(rows) {
        for j in 0..2 {
            let word = |i: usize| u64::from_le_bytes(std::array::from_fn(|b| bytes[16 * j + 8 * i + b]));
            let eight = _mm256_xor_ps(widen::<BF16>([word(0), word(1)]), sign);
            // SAFETY: half of a row of sixteen.
            unsafe { _mm256_storeu_ps(row.as_mut_ptr().add(8 * j), eight) };
        }
    }
    for block in 0..product.n as usize / 8 {
        let columns = eight_columns::<BF16>(b, block)?;
        let registers = &product.d[4 * block..4 * block + 4];
        for half in 0..2 {
            let mut sums = [_mm256_setzero_ps(); 8];
            if accumulate {
                let (even, odd) = (warp.row(registers[2 * half]), warp.row(registers[2 * half + 1]));
                for (g, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: `g < 8`, so four words from `4 g` are in the row.
                    let (even, odd) = unsafe {
                        (
                            _mm_loadu_ps(even.as_ptr().add(4 * g).cast()),
                            _mm_loadu_ps(odd.as_ptr().add(4 * g).cast()),
                        )
                    };
                    *sum = _mm256_set_m128(_mm_unpackhi_ps(even, odd), _mm_unpacklo_ps(even, odd));
                }
            }
            for k in 0..K {
                for (g, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm256_fmadd_ps(_mm256_set1_ps(a[8 * half + g][k]), columns[k], *sum);
                }
            }
            let (mut even, mut odd) = ([0u32; 32], [0u32; 32]);
            for (g, sum) in sums.into_iter().enumerate() {
                let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(sum, sum);
                let canonical = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fff_ffff));
                let sum = _mm256_blendv_ps(sum, canonical, nan);
                let (low, high) = (_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
                // SAFETY: four words from `4 g` are in the row.
                unsafe {
                    _mm_storeu_ps(even.as_mut_ptr().add(4 * g).cast(), _mm_shuffle_ps::<0x88>(low, high));
                    _mm_storeu_ps(odd.as_mut_ptr().add(4 * g).cast(), _mm_shuffle_ps::<0xdd>(low, high));
                }
            }
            *warp.row_mut(registers[2 * half]) = even;
            *warp.row_mut(registers[2 * half + 1]) = odd;
        }
    }
    Ok(())
}
