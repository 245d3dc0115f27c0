//! Rotary position embedding: pairs of a head's numbers are turned by an angle that grows with the position.
//!
//! ```text
//! halves        (NeoX)   x[i] pairs with x[i + rotary_dim / 2]
//! interleaved   (GPT-J)  x[2 i] pairs with x[2 i + 1]
//! ```
//!
//! Pair `i` at position `p` is turned by the angle whose cosine and sine are at `[p, i]` of two tables of f32. What is
//! past `rotary_dim` stays as it is.

/// The pair turned: `(a cos - b sin, b cos + a sin)`, each operation rounded to f32.
#[inline(always)]
pub fn rotate(a: f32, b: f32, cos: f32, sin: f32) -> (f32, f32) {
    (a * cos - b * sin, b * cos + a * sin)
}

/// Which two numbers of a head are pair `i`.
#[inline(always)]
pub fn pair(i: u32, rotary_dim: u32, interleaved: bool) -> (u32, u32) {
    if interleaved { (2 * i, 2 * i + 1) } else { (i, i + rotary_dim / 2) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// As complex numbers in f64: the magnitude stays, the angle grows.
    #[test]
    fn turns_by_the_angle() {
        for (rotary_dim, interleaved) in [(2, false), (2, true), (64, false), (64, true), (10, false)] {
            let x: Vec<f32> = (0..rotary_dim).map(|i| ((i * 37 + 11) % 101) as f32 / 17.0 - 3.0).collect();
            let mut seen = std::vec![false; rotary_dim as usize];
            for i in 0..rotary_dim / 2 {
                let (first, second) = pair(i, rotary_dim, interleaved);
                let [a, b] = [first, second].map(|at| x[at as usize]);
                let angle = 1234.0 * 10000f64.powf(-2.0 * f64::from(i) / f64::from(rotary_dim));
                let got = rotate(a, b, angle.cos() as f32, angle.sin() as f32);
                let (radius, before) = (f64::from(a).hypot(f64::from(b)), f64::from(b).atan2(f64::from(a)));
                let expected = ((before + angle).cos() * radius, (before + angle).sin() * radius);
                let worst = (f64::from(got.0) - expected.0).abs().max((f64::from(got.1) - expected.1).abs());
                assert!(worst <= 3e-7 * radius, "pair {i} of {rotary_dim}: {got:?}, not {expected:?}");
                for at in [first, second] {
                    assert!(!std::mem::replace(&mut seen[at as usize], true), "{at} is in two pairs");
                }
            }
            assert!(seen.iter().all(|seen| *seen), "{rotary_dim} {interleaved}");
        }
    }
}
