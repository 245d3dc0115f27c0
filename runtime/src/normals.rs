//! Standard normal numbers in a type of 8 or 16 bits or in f32, also by the gigabyte.
//!
//! The first million are drawn. What goes beyond is drawn from among these, at random and by all cores: a cache of
//! half a billion numbers is to be there in a second, and has the same distribution.

use flashpage_codegen::program::DType;
use flashpage_device_kernels::fp8::{E4M3, E5M2};
use half::{bf16, f16};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// Numbers that are drawn one by one: a power of two, of whose indices a random word holds three.
const DRAWN: usize = 1 << 20;

/// Numbers that one core writes at a time.
const CHUNK: usize = 1 << 18;

/// A generator for indices: one addition and three multiplications a word (SplitMix64, Steele et al. 2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// The bytes of `count` numbers of `dtype`, which is a float, little-endian.
pub(crate) fn normals(dtype: DType, count: usize, rng: &mut StdRng) -> Vec<u8> {
    match dtype {
        DType::F32 => drawn(count, rng, f32::to_le_bytes),
        DType::Bf16 => drawn(count, rng, |value| bf16::from_f32(value).to_le_bytes()),
        DType::E4m3 => drawn(count, rng, |value| [E4M3.from_f32(value)]),
        DType::E5m2 => drawn(count, rng, |value| [E5M2.from_f32(value)]),
        _ => drawn(count, rng, |value| f16::from_f32(value).to_le_bytes()),
    }
}

/// The same, of numbers of so many bytes.
fn drawn<const BYTES: usize>(
    count: usize,
    rng: &mut StdRng,
    rounded: impl Fn(f32) -> [u8; BYTES],
) -> Vec<u8> {
    let drawn: Vec<[u8; BYTES]> =
        (0..count.min(DRAWN)).map(|_| rounded(rng.sample(StandardNormal))).collect();
    let mut bytes = drawn.concat();
    if count > DRAWN {
        bytes.resize(count * BYTES, 0);
        let seed = rng.next_u64();
        bytes[DRAWN * BYTES..].par_chunks_mut(CHUNK * BYTES).enumerate().for_each(|(number, chunk)| {
            let mut indices = SplitMix(seed ^ (number as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93));
            for three in chunk.chunks_mut(3 * BYTES) {
                let word = indices.next();
                for (place, to) in three.chunks_exact_mut(BYTES).enumerate() {
                    to.copy_from_slice(&drawn[(word >> (20 * place)) as usize % DRAWN]);
                }
            }
        });
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn they_are_normal() {
        for dtype in [DType::F16, DType::Bf16, DType::F32] {
            for count in [0, 1, 7, 100_000, DRAWN + 2 * CHUNK + 5] {
                let bytes = normals(dtype, count, &mut StdRng::seed_from_u64(3));
                assert_eq!(bytes.len(), dtype.bytes() * count);
                let numbers = bytes.chunks_exact(dtype.bytes());
                let values: Vec<f64> =
                    numbers.map(|b| f64::from(crate::tensor::element_of(dtype, b))).collect();
                // Of the last: those that are drawn from among the drawn.
                let last = &values[count.saturating_sub(200_000)..];
                let n = last.len() as f64;
                let mean = last.iter().sum::<f64>() / n;
                let square = last.iter().map(|x| x * x).sum::<f64>() / n;
                if count > 1000 {
                    assert!(
                        mean.abs() < 0.02 && (square - 1.0).abs() < 0.03,
                        "{dtype} {count}: {mean} {square}"
                    );
                    let differ = last.windows(2).filter(|pair| pair[0] != pair[1]).count();
                    assert!(differ * 10 > last.len() * 9, "{dtype} {count}: {differ} differ");
                }
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        let of = |seed| normals(DType::F16, DRAWN + 1000, &mut StdRng::seed_from_u64(seed));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1)[DRAWN * 2..], of(2)[DRAWN * 2..]);
    }
}
