//! Video instructions (PTX ISA §9.7.19): arithmetic on bytes, halves and words, taken from registers and merged into
//! them or summed up.
//!
//! An instruction takes one lane, two or four from each of its sources, computes every lane without loss, clamps it if
//! asked to, and either puts it into its place in the third source or adds it to that.

/// What is computed of two lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primary {
    /// `vadd`
    Add,
    /// `vsub`
    Sub,
    /// `vavrg`: the mean, of which a half is rounded away from zero.
    Mean,
    /// `vabsdiff`
    Difference,
    /// `vmin`
    Min,
    /// `vmax`
    Max,
    /// `vshl`
    Left,
    /// `vshr`
    Right,
    /// `vset`: one where the first is below, equal to, or above the second, as this says.
    Set([bool; 3]),
}

/// What is done with the third source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secondary {
    /// Lanes are put in their places in it.
    Merge,
    /// Lanes are added to it.
    Add,
    /// The lower of it and the result.
    Min,
    /// The higher.
    Max,
}

/// Lanes of a source.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// Byte of both sources together at which each lane begins.
    pub at: [u8; 4],
    /// Bits of a lane.
    pub bits: u8,
    /// Whether lanes are extended by their sign.
    pub signed: bool,
}

impl Taken {
    fn lane(&self, both: u64, lane: usize) -> i128 {
        let unused = 64 - self.bits as u32;
        let top = both >> (8 * self.at[lane]) << unused;
        if self.signed { (top as i64 >> unused) as i128 } else { (top >> unused) as i128 }
    }
}

/// A video instruction other than `vmad`.
#[derive(Clone, Copy, Debug)]
pub struct Video {
    /// What is computed.
    pub primary: Primary,
    /// Lanes of the first source.
    pub a: Taken,
    /// Lanes of the second.
    pub b: Taken,
    /// How many lanes there are.
    pub lanes: u8,
    /// Bits of a lane of the result.
    pub bits: u8,
    /// Byte of the result at which the first lane lies; the others follow.
    pub at: u8,
    /// Lanes that are kept.
    pub mask: u8,
    /// The result's type has a sign.
    pub signed: bool,
    /// `.sat`
    pub saturate: bool,
    /// `.wrap`: shifts go by the distance modulo 32 and not by 32 at most.
    pub wrap: bool,
    /// What becomes of the lanes.
    pub secondary: Secondary,
}

/// The values of a type.
fn clamp(value: i128, bits: u32, signed: bool) -> i128 {
    if signed {
        value.clamp(-1 << (bits - 1), (1 << (bits - 1)) - 1)
    } else {
        value.clamp(0, (1 << bits) - 1)
    }
}

impl Video {
    fn compute(&self, a: i128, b: i128) -> i128 {
        let distance = if self.wrap { b & 31 } else { b.min(32) };
        match self.primary {
            Primary::Add => a + b,
            Primary::Sub => a - b,
            Primary::Mean => (a + b + (a + b >= 0) as i128) >> 1,
            Primary::Difference => (a - b).abs(),
            Primary::Min => a.min(b),
            Primary::Max => a.max(b),
            Primary::Left => a << distance,
            Primary::Right => a >> distance,
            Primary::Set(holds) => holds[(a.cmp(&b) as i8 + 1) as usize] as i128,
        }
    }

    /// The result in one thread.
    pub fn run(&self, a: u32, b: u32, c: u32) -> u32 {
        let both = (b as u64) << 32 | a as u64;
        let whole = if self.signed { c as i32 as i128 } else { c as i128 };
        let mut result = if self.secondary == Secondary::Add { whole } else { c as i128 };
        for lane in (0..self.lanes as usize).filter(|lane| self.mask >> lane & 1 != 0) {
            let mut value = self.compute(self.a.lane(both, lane), self.b.lane(both, lane));
            if self.saturate {
                value = clamp(value, self.bits as u32, self.signed);
            }
            result = match self.secondary {
                Secondary::Add => result + value,
                Secondary::Min => value.min(whole),
                Secondary::Max => value.max(whole),
                Secondary::Merge => {
                    let shift = 8 * self.at as usize + self.bits as usize * lane;
                    let field = ((1i128 << self.bits) - 1) << shift;
                    result & !field | value << shift & field
                }
            };
        }
        result as u32
    }

    /// Whether the result depends on the third source.
    pub fn reads_c(&self) -> bool {
        let kept = self.mask.count_ones() * self.bits as u32;
        self.secondary != Secondary::Merge || kept < 32
    }
}

/// `vmad`: a product and a sum, exact, then shifted right.
#[derive(Clone, Copy, Debug)]
pub struct VideoMad {
    /// What is taken of the first source.
    pub a: Taken,
    /// What is taken of the second.
    pub b: Taken,
    /// One factor is negated.
    pub negate_product: bool,
    /// The third source is.
    pub negate_c: bool,
    /// `.po`: one more.
    pub plus_one: bool,
    /// `.shr7`, `.shr15`
    pub shift: u8,
    /// `.sat`
    pub saturate: bool,
}

impl VideoMad {
    /// The result in one thread.
    pub fn run(&self, a: u32, b: u32, c: u32) -> u32 {
        let both = (b as u64) << 32 | a as u64;
        let product = self.a.lane(both, 0) * self.b.lane(both, 0);
        // What is added is of the product's kind, and a result that can be negative is signed (§9.7.19.1.4).
        let product_is_signed = self.a.signed || self.b.signed || self.negate_product;
        let c = if product_is_signed { c as i32 as i128 } else { c as i128 };
        let product = if self.negate_product { -product } else { product };
        let c = if self.negate_c { -c } else { c };
        let sum = (product + c + self.plus_one as i128) >> self.shift;
        (if self.saturate { clamp(sum, 32, product_is_signed || self.negate_c) } else { sum }) as u32
    }
}
