//! What numbers would lose by becoming 8 bits wide: the largest magnitude among them, and how many are beyond the largest number that
//! there is. Of these a scale is made, or judged.

/// What is known of some numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The largest magnitude of those that are finite; 0 of none.
    pub largest: f32,
    /// How many are beyond the bound, infinities among them.
    pub beyond: u32,
}

impl Found {
    /// Of no numbers.
    pub const NOTHING: Found = Found { largest: 0.0, beyond: 0 };

    /// The same with one number more. NaN is neither large nor beyond: it stays NaN.
    #[inline(always)]
    pub fn with(self, value: f32, bound: f32) -> Found {
        let magnitude = f32::from_bits(value.to_bits() & 0x7fff_ffff);
        let is_finite = magnitude.to_bits() < 0x7f80_0000;
        Found {
            largest: if is_finite && magnitude > self.largest { magnitude } else { self.largest },
            beyond: self.beyond + u32::from(magnitude > bound),
        }
    }

    /// Of these numbers and others.
    #[inline(always)]
    pub fn and(self, other: Found) -> Found {
        let largest = if other.largest > self.largest { other.largest } else { self.largest };
        Found { largest, beyond: self.beyond.saturating_add(other.beyond) }
    }

    /// What to divide the numbers by so that the largest of them becomes `most`; 1 where all are 0, and at the least the smallest
    /// normal number, so that dividing gives no infinity.
    #[inline(always)]
    pub fn scale(self, most: f32) -> f32 {
        let scale = self.largest / most;
        match () {
            () if self.largest == 0.0 => 1.0,
            () if scale < f32::MIN_POSITIVE => f32::MIN_POSITIVE,
            () => scale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fp8::{E4M3, E5M2};

    #[test]
    fn what_is_found() {
        let values = [0.5f32, -3.0, f32::NAN, 449.0, -500.0, f32::INFINITY, 448.0];
        let found = values.iter().fold(Found::NOTHING, |found, value| found.with(*value, 448.0));
        assert_eq!(found, Found { largest: 500.0, beyond: 3 });
        let (first, others) = values.split_at(3);
        let [a, b] = [first, others].map(|some| some.iter().fold(Found::NOTHING, |f, x| f.with(*x, 448.0)));
        assert_eq!(a.and(b), found);
        assert_eq!(Found::NOTHING.and(Found::NOTHING).scale(448.0), 1.0);
    }

    /// With the scale that is found the largest number becomes the largest there is, and none is beyond it.
    #[test]
    fn the_scale_fits() {
        for (format, most) in [(E4M3, 448.0f32), (E5M2, 57344.0)] {
            for largest in [1e-30f32, 0.013, 1.0, 7.7, 3e4, 1e30] {
                let scale = Found { largest, beyond: 0 }.scale(most);
                assert_eq!(format.to_f32(format.from_f32(largest / scale)), most, "{largest}");
                assert!(largest / scale <= most * (1.0 + f32::EPSILON), "{largest}");
            }
            let tiny = Found { largest: 1e-40, beyond: 0 }.scale(most);
            assert_eq!(tiny, f32::MIN_POSITIVE);
        }
    }
}
