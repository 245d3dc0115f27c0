//! Random numbers that are named: the same for the same names, wherever, whenever and in whatever order they are asked for.
//!
//! Four integers name a number. They are mixed as PCG4D does (Jarzynski and Olano, *Hash Functions for GPU Rendering*, 2020): a
//! step of a linear generator each, then two rounds of adding products of the others, with the upper halves folded down between
//! them. The upper 24 bits of the last are the number.

/// What the linear generator multiplies by.
pub const MULTIPLIER: i32 = 1_664_525;
/// What it adds.
pub const INCREMENT: i32 = 1_013_904_223;
/// What a sequence's number is multiplied by before it is added to the seed: 2^32 over the golden ratio.
pub const OF_SEQUENCE: i32 = 0x9E37_79B9_u32 as i32;
/// Bits of a number.
pub const BITS: u32 = 24;
/// Which sum each word of a round adds to, and the two factors of what it adds.
pub const ROUND: [(usize, usize, usize); 4] = [(0, 1, 3), (1, 2, 0), (2, 0, 1), (3, 1, 2)];

/// The number of these names, from 0 to below 1.
pub fn number(names: [i32; 4]) -> f32 {
    let mut words = names.map(|name| name.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT));
    let round = |words: &mut [i32; 4]| {
        for (sum, a, b) in ROUND {
            words[sum] = words[sum].wrapping_add(words[a].wrapping_mul(words[b]));
        }
    };
    round(&mut words);
    words = words.map(|word| word ^ (word as u32 >> 16) as i32);
    round(&mut words);
    (words[3] as u32 >> (32 - BITS)) as f32 * (0.5f32).powi(BITS as i32)
}

#[cfg(test)]
mod tests {
    use super::number;

    /// Of a square of names, as many below a half as not, the mean a half, and no neighbours alike: within what chance allows.
    #[test]
    fn numbers_are_spread_evenly() {
        for along in [(0, 1), (1, 2), (0, 3), (2, 3)] {
            let side = 256;
            let mut numbers = Vec::new();
            for a in 0..side {
                for b in 0..side {
                    let mut names = [7, -3, 1, 42];
                    (names[along.0], names[along.1]) = (a - 40, b);
                    numbers.push(f64::from(number(names)));
                }
            }
            let count = numbers.len() as f64;
            let mean = numbers.iter().sum::<f64>() / count;
            assert!((mean - 0.5).abs() < 0.005, "{along:?}: {mean}");
            for tenth in 0..10 {
                let inside = |x: &&f64| (**x * 10.0) as i32 == tenth;
                let share = numbers.iter().filter(inside).count() as f64 / count;
                assert!((share - 0.1).abs() < 0.005, "{along:?}: {share} in tenth {tenth}");
            }
            for distance in [1, side as usize] {
                let pairs = numbers.iter().zip(&numbers[distance..]);
                let covariance = pairs.map(|(a, b)| (a - 0.5) * (b - 0.5)).sum::<f64>() / count;
                assert!(covariance.abs() < 0.0015, "{along:?}: {covariance} at {distance}");
            }
        }
    }

    #[test]
    fn numbers_stay_as_they_are() {
        let table =
            [([0, 0, 0, 0], 13837640), ([1, 2, 3, 4], 178508), ([-1, i32::MAX, 0, i32::MIN], 3977690)];
        for (names, expected) in table {
            assert_eq!((number(names) * 16_777_216.0) as u32, expected, "{names:?}");
        }
    }
}
