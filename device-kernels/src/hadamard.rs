//! The randomised Hadamard transform of a head: an orthogonal matrix that spreads what stands out over many numbers, so that a scale of
//! 8 bits need not be made for it.
//!
//! ```text
//! y = H S x / sqrt(span)      S: signs drawn from a seed, one for each number of a head
//!                             H: +1 and -1, symmetric, H H = span I; element (i, j) is -1 ^ popcount(i & j)
//! ```
//!
//! Products of two heads turned by the same seed are what they were, so queries and keys are turned alike and scores stay (QuIP, Chee et
//! al. 2023; FlashAttention-3, 3.3, "incoherent processing"). H is that of a power of two, the [`span`]: a head of another size is
//! turned in as many spans as it has.

/// Neighbours that one thread has, and the least span.
pub const SHARE: usize = 16;

/// The greatest span: what the threads of a warp have.
pub const MOST: u32 = 32 * SHARE as u32;

/// Numbers that are turned together: the largest power of two that `head_dim` is a multiple of, at most [`MOST`].
pub const fn span(head_dim: u32) -> u32 {
    let power = head_dim & head_dim.wrapping_neg();
    if power < MOST { power } else { MOST }
}

/// `1 / sqrt(span)`.
#[inline(always)]
pub fn norm(span: u32) -> f32 {
    let half = span.trailing_zeros() / 2;
    let whole = 1.0 / (1u32 << half) as f32;
    if span.trailing_zeros() % 2 == 1 { whole * core::f32::consts::FRAC_1_SQRT_2 } else { whole }
}

/// The signs of share number `share` of a head, a bit each: the finaliser of MurmurHash3 over both.
#[inline(always)]
pub fn signs(seed: u32, share: u32) -> u32 {
    let mut bits = seed.wrapping_add(share.wrapping_add(1).wrapping_mul(0x9e37_79b9));
    bits = (bits ^ bits >> 16).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ bits >> 13).wrapping_mul(0xc2b2_ae35);
    bits ^ bits >> 16
}

/// With the signs where a bit is set.
#[inline(always)]
pub fn signed(mut values: [f32; SHARE], signs: u32) -> [f32; SHARE] {
    let mut i = 0;
    while i < SHARE {
        values[i] = f32::from_bits(values[i].to_bits() ^ (signs >> i & 1) << 31);
        i += 1;
    }
    values
}

/// The steps whose pairs lie within a share.
#[inline(always)]
pub fn within(mut values: [f32; SHARE]) -> [f32; SHARE] {
    let mut apart = 1;
    while apart < SHARE {
        let mut i = 0;
        while i < SHARE {
            if i & apart == 0 {
                let (a, b) = (values[i], values[i + apart]);
                (values[i], values[i + apart]) = (a + b, a - b);
            }
            i += 1;
        }
        apart *= 2;
    }
    values
}

/// One number of a step whose pairs lie in two shares: the share that is the second of the two takes the difference.
#[inline(always)]
pub fn across(mine: f32, other: f32, is_second: bool) -> f32 {
    other + if is_second { -mine } else { mine }
}

/// A span of numbers, the first of which is number `first` of its head, as the kernel turns it.
#[cfg(not(target_arch = "nvptx64"))]
pub fn turn(seed: u32, first: u32, span: &mut [f32]) {
    let norm = norm(span.len() as u32);
    let shares = span.as_chunks_mut::<SHARE>().0;
    for (number, share) in shares.iter_mut().enumerate() {
        *share = within(signed(*share, signs(seed, first / SHARE as u32 + number as u32)));
    }
    let mut apart = 1;
    while apart < shares.len() {
        for pair in shares.chunks_exact_mut(2 * apart) {
            let (first, second) = pair.split_at_mut(apart);
            for (a, b) in first.iter_mut().flatten().zip(second.iter_mut().flatten()) {
                (*a, *b) = (across(*a, *b, false), across(*b, *a, true));
            }
        }
        apart *= 2;
    }
    shares.iter_mut().flatten().for_each(|x| *x *= norm);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn spans() {
        for (head_dim, want) in
            [(16, 16), (64, 64), (80, 16), (96, 32), (192, 64), (512, 512), (576, 64), (2048, 512)]
        {
            assert_eq!(span(head_dim), want, "{head_dim}");
        }
        for power in 4..10 {
            assert!((f64::from(norm(1 << power)) - 2f64.powf(-f64::from(power) / 2.0)).abs() < 1e-8);
        }
    }

    /// Against the matrix by its definition, and lengths and products stay.
    #[test]
    fn turns_by_the_matrix() {
        for n in [16usize, 32, 64, 128, 256, 512] {
            let draw =
                |by: usize| (0..n).map(|i| ((i * by + 11) % 101) as f32 / 17.0 - 3.0).collect::<Vec<f32>>();
            let (x, other, first) = (draw(37), draw(23), 3 * n as u32);
            let sign = |j: usize| {
                let bits = signs(7, first / 16 + j as u32 / 16);
                if bits >> (j % 16) & 1 == 1 { -1.0 } else { 1.0 }
            };
            let (mut y, mut z) = (x.clone(), other.clone());
            turn(7, first, &mut y);
            turn(7, first, &mut z);
            for (i, got) in y.iter().enumerate() {
                let term = |j: usize| if (i & j).count_ones() % 2 == 1 { -1.0 } else { 1.0 } * sign(j) * f64::from(x[j]);
                let want = (0..n).map(term).sum::<f64>() / (n as f64).sqrt();
                assert!((f64::from(*got) - want).abs() < 1e-5, "{i} of {n}: {got}, not {want}");
            }
            let dot = |a: &[f32], b: &[f32]| {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
            };
            assert!((dot(&y, &z) - dot(&x, &other)).abs() < 1e-3 * n as f64, "{n}");
        }
    }

    /// About half of the signs are minus, and those of two seeds or two shares have nothing in common.
    #[test]
    fn signs_are_drawn() {
        let of = |seed: u32| (0..256).map(move |share| signs(seed, share) & 0xffff);
        let ones = |bits: u32| bits.count_ones();
        for seed in 0..20 {
            let minus: u32 = of(seed).map(ones).sum();
            let common: u32 = of(seed).zip(of(seed + 1)).map(|(a, b)| ones(a ^ b)).sum();
            let neighbours: u32 = of(seed).zip(of(seed).skip(1)).map(|(a, b)| ones(a ^ b)).sum();
            for count in [minus, common, neighbours] {
                assert!((1800..2300).contains(&count), "{count} of 4096 for seed {seed}");
            }
        }
    }
}
