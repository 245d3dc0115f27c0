//! Numbers of f32 as two of bf16 each: what tensor cores multiply in their place.

use super::kernel::Kernel;
use flashpage_ptx::builder::{Destination, Reg};
use flashpage_ptx::words::Type;

impl Kernel<'_> {
    /// Two numbers as pairs of bf16: what is nearest to them, and what is nearest to what that leaves.
    pub(super) fn split_pair(&mut self, group: &str, first: &Reg, second: &Reg) -> [Reg; 2] {
        self.split_into([group, group], first, second)
    }

    /// The same, to these registers.
    pub(super) fn split_into(
        &mut self,
        [to_high, to_low]: [impl Destination; 2],
        first: &Reg,
        second: &Reg,
    ) -> [Reg; 2] {
        /// Bits of the second of two packed numbers, which are the upper half of an f32.
        const UPPER: i64 = 0xffff_0000;
        let b = &mut self.b;
        let high = b.pack(Type::Bf16x2, to_high, second, first);
        let of_first = b.shl(Type::B32, "h", &high, 16);
        let of_second = b.and(Type::B32, "h", &high, UPPER);
        let of_first = b.sub(Type::F32, "l", first, &of_first);
        let of_second = b.sub(Type::F32, "l", second, &of_second);
        let low = b.pack(Type::Bf16x2, to_low, &of_second, &of_first);
        [high, low]
    }
}
