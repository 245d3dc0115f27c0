//! What asynchronous reductions compute (PTX ISA §9.7.9.25, `cp.reduce.async.bulk`).

use super::float;
use super::halves::Half;
use crate::program::{Reduction, ReductionWord};
use flashpage_ptx::words::Type;

fn half<H: Half>(a: u64, b: u64, f: fn(f32, f32) -> f32) -> u64 {
    H::nearest(f(H::from_bits(a as u16).f32(), H::from_bits(b as u16).f32())).bits() as u64
}

/// Old value and source to new value, for elements of this type.
///
/// Sums of single precision keep subnormals, which hardware flushes in global memory.
pub fn function(word: ReductionWord, ty: Type) -> Option<Reduction> {
    use ReductionWord::*;
    use Type::*;
    let update: crate::program::AtomicFn = match (word, ty) {
        (Add, U32 | S32) => |a, b, _| (a as u32).wrapping_add(b as u32) as u64,
        (Add, U64 | S64) => |a, b, _| a.wrapping_add(b),
        (Add, F16) => |a, b, _| half::<super::halves::F16>(a, b, |a, b| a + b),
        (Add, Bf16) => |a, b, _| half::<super::halves::Bf16>(a, b, |a, b| a + b),
        (Add, F32) => {
            |a, b, _| float::canonical(f32::from_bits(a as u32) + f32::from_bits(b as u32)).to_bits() as u64
        }
        (Add, F64) => |a, b, _| float::canonical64(f64::from_bits(a) + f64::from_bits(b)).to_bits(),
        (Min, U32) => |a, b, _| (a as u32).min(b as u32) as u64,
        (Max, U32) => |a, b, _| (a as u32).max(b as u32) as u64,
        (Min, S32) => |a, b, _| (a as i32).min(b as i32) as u32 as u64,
        (Max, S32) => |a, b, _| (a as i32).max(b as i32) as u32 as u64,
        (Min, U64) => |a, b, _| a.min(b),
        (Max, U64) => |a, b, _| a.max(b),
        (Min, S64) => |a, b, _| (a as i64).min(b as i64) as u64,
        (Max, S64) => |a, b, _| (a as i64).max(b as i64) as u64,
        (Min, F16) => |a, b, _| half::<super::halves::F16>(a, b, float::minimum),
        (Max, F16) => |a, b, _| half::<super::halves::F16>(a, b, float::maximum),
        (Min, Bf16) => |a, b, _| half::<super::halves::Bf16>(a, b, float::minimum),
        (Max, Bf16) => |a, b, _| half::<super::halves::Bf16>(a, b, float::maximum),
        (Inc, U32) => |a, b, _| if a as u32 >= b as u32 { 0 } else { a + 1 },
        (Dec, U32) => |a, b, _| if a as u32 == 0 || a as u32 > b as u32 { b } else { a - 1 },
        (And, B32 | B64 | U32 | S32 | U64 | S64) => |a, b, _| a & b,
        (Or, B32 | B64 | U32 | S32 | U64 | S64) => |a, b, _| a | b,
        (Xor, B32 | B64 | U32 | S32 | U64 | S64) => |a, b, _| a ^ b,
        _ => return None,
    };
    Some(Reduction { update, width: ty.bytes() as u8 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        use ReductionWord::*;
        #[rustfmt::skip]
        let table = [
            (Add, Type::U32, 0xffff_ffff, 2, 1),
            (Add, Type::S64, u64::MAX, 2, 1),
            (Add, Type::F16, 0x3c00, 0x4000, 0x4200),
            (Add, Type::Bf16, 0x3f80, 0x4000, 0x4040),
            (Add, Type::F32, 0x3f80_0000, 0x4000_0000, 0x4040_0000),
            (Add, Type::F64, 1f64.to_bits(), 2f64.to_bits(), 3f64.to_bits()),
            (Min, Type::S32, 1, 0xffff_ffff, 0xffff_ffff),
            (Max, Type::S32, 1, 0xffff_ffff, 1),
            (Min, Type::U32, 1, 0xffff_ffff, 1),
            (Max, Type::S64, 1, u64::MAX, 1),
            (Max, Type::U64, 1, u64::MAX, u64::MAX),
            (Min, Type::F16, 0x3c00, 0xbc00, 0xbc00),
            (Max, Type::Bf16, 0x3f80, 0x7fc0, 0x3f80),
            (Inc, Type::U32, 4, 5, 5),
            (Inc, Type::U32, 5, 5, 0),
            (Dec, Type::U32, 0, 5, 5),
            (Dec, Type::U32, 6, 5, 5),
            (Dec, Type::U32, 3, 5, 2),
            (And, Type::B32, 6, 3, 2),
            (Or, Type::B64, 6, 3, 7),
            (Xor, Type::B32, 6, 3, 5),
        ];
        for (word, ty, old, source, want) in table {
            let got = function(word, ty).map(|r| (r.update)(old, source, 0));
            assert_eq!(got, Some(want), "{word:?} of .{ty}");
        }
        assert!(function(Inc, Type::S32).is_none() && function(Add, Type::B32).is_none());
    }
}
