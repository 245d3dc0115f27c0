//! The matrix product that attention spends its time in, m16n8k16 of halves into single precision, with AVX2.
//!
//! Sums go in the same order and round in the same places as in [`super::mma`], which says what is computed;
//! a test holds the two against each other.

use crate::exec::state::Warp;
use crate::program::MatrixProduct;
use std::arch::x86_64::*;

/// Eight halves of a fragment's row to single precision.
#[target_feature(enable = "avx2,fma,f16c")]
fn widen<const BF16: bool>(row: &[u32; 32], g: usize) -> __m256 {
    // SAFETY: `g < 8`, so four words from `4 g` are in the row.
    let halves = unsafe { _mm_loadu_si128(row.as_ptr().add(4 * g).cast()) };
    if BF16 {
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
    } else {
        _mm256_cvtph_ps(halves)
    }
}

/// Columns for rows.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn transpose(r: [__m256; 8]) -> [__m256; 8] {
    let pair = |i: usize| (_mm256_unpacklo_ps(r[i], r[i + 1]), _mm256_unpackhi_ps(r[i], r[i + 1]));
    let ((a0, a1), (b0, b1), (c0, c1), (d0, d1)) = (pair(0), pair(2), pair(4), pair(6));
    let low = |x, y| _mm256_shuffle_ps::<0x44>(x, y);
    let high = |x, y| _mm256_shuffle_ps::<0xee>(x, y);
    let top = [low(a0, b0), high(a0, b0), low(a1, b1), high(a1, b1)];
    let bottom = [low(c0, d0), high(c0, d0), low(c1, d1), high(c1, d1)];
    std::array::from_fn(|i| {
        if i < 4 {
            _mm256_permute2f128_ps::<0x20>(top[i], bottom[i])
        } else {
            _mm256_permute2f128_ps::<0x31>(top[i - 4], bottom[i - 4])
        }
    })
}

/// D = A B + C.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn multiply<const BF16: bool>(warp: &mut Warp, product: &MatrixProduct) {
    let mut a = [[0f32; 16]; 16];
    for (r, reg) in product.a.iter().enumerate() {
        let row = warp.row(*reg);
        for g in 0..8 {
            let eight = widen::<BF16>(row, g);
            // SAFETY: half of a row of sixteen.
            unsafe { _mm256_storeu_ps(a[g + 8 * (r % 2)].as_mut_ptr().add(8 * (r / 2)), eight) };
        }
    }
    let mut b = [_mm256_setzero_ps(); 16];
    for (r, reg) in product.b.iter().enumerate() {
        let row = warp.row(*reg);
        let columns = std::array::from_fn(|n| widen::<BF16>(row, n));
        b[8 * r..8 * r + 8].copy_from_slice(&transpose(columns));
    }
    let mut results = [[0u32; 32]; 4];
    for half in 0..2 {
        let (even, odd) = (warp.row(product.c[2 * half]), warp.row(product.c[2 * half + 1]));
        let mut sums: [__m256; 8] = std::array::from_fn(|g| {
            // SAFETY: four words from `4 g` are in the row.
            let (even, odd) = unsafe {
                (_mm_loadu_ps(even.as_ptr().add(4 * g).cast()), _mm_loadu_ps(odd.as_ptr().add(4 * g).cast()))
            };
            _mm256_set_m128(_mm_unpackhi_ps(even, odd), _mm_unpacklo_ps(even, odd))
        });
        for k in 0..16 {
            for g in 0..8 {
                sums[g] = _mm256_fmadd_ps(_mm256_set1_ps(a[8 * half + g][k]), b[k], sums[g]);
            }
        }
        for (g, sum) in sums.into_iter().enumerate() {
            let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(sum, sum);
            let canonical = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fff_ffff));
            let sum = _mm256_blendv_ps(sum, canonical, nan);
            let (low, high) = (_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
            let (even, odd) = (_mm_shuffle_ps::<0x88>(low, high), _mm_shuffle_ps::<0xdd>(low, high));
            // SAFETY: four words from `4 g` are in the row.
            unsafe {
                _mm_storeu_ps(results[2 * half].as_mut_ptr().add(4 * g).cast(), even);
                _mm_storeu_ps(results[2 * half + 1].as_mut_ptr().add(4 * g).cast(), odd);
            }
        }
    }
    for (reg, result) in product.d.iter().zip(&results) {
        *warp.row_mut(*reg) = *result;
    }
}

#[cfg(test)]
mod tests {
    use super::super::mma;
    use super::*;
    use crate::alu::lanes::wide_vectors;
    use crate::exec::policy::AsyncPolicy;
    use crate::program::{Element, Program, Reg};

    /// The same bits as the portable product, for random bits: subnormals, infinities and NaN included.
    #[test]
    fn same_bits_as_the_portable_product() {
        if !wide_vectors() {
            return;
        }
        let mut state = 1u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        for round in 0..2000 {
            let bf16 = round % 2 == 1;
            let element = if bf16 { Element::Bf16 } else { Element::F16 };
            let reg = |i: u32| Reg(i);
            let product = MatrixProduct {
                k: 16,
                a_type: element,
                b_type: element,
                half_c: false,
                half_d: false,
                saturate: false,
                a: [reg(0), reg(1), reg(2), reg(3)],
                b: [reg(4), reg(5)],
                c: [reg(6), reg(7), reg(8), reg(9)],
                d: [reg(10), reg(11), reg(12), reg(13)],
            };
            let program = Program { rows: 14, preds: 2, ..Program::default() };
            let mut warp = Warp::new((0, 0, 1), &program, AsyncPolicy::Eager).unwrap();
            for r in 0..10 {
                // Half of the rounds stay in a range where sums do not overflow.
                let keep = if round % 4 < 2 { 0xbfff_bfff } else { u32::MAX };
                *warp.row_mut(reg(r)) = std::array::from_fn(|_| draw() & keep);
            }
            mma::portable(&mut warp, &product);
            let want: Vec<[u32; 32]> = (10..14).map(|r| *warp.row(reg(r))).collect();
            // SAFETY: the features were detected.
            unsafe {
                if bf16 {
                    multiply::<true>(&mut warp, &product)
                } else {
                    multiply::<false>(&mut warp, &product)
                }
            }
            let got: Vec<[u32; 32]> = (10..14).map(|r| *warp.row(reg(r))).collect();
            assert_eq!(got, want, "round {round}");
        }
    }
}
