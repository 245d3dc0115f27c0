//! Integer, logic, shift and bit-field instructions (PTX ISA §9.7.1, §9.7.2, §9.7.8).

use super::lanes::{Kernel, lift1, lift2, lift3, lift4};
use flashpage_ptx::ast::Instruction;
use flashpage_ptx::words::{Opcode, Type, Word};

/// One closure per integer type that the instruction may name; `$t` is the type inside.
macro_rules! by_type {
    ($ty:expr, [$($variant:ident => $t:ty),*], $make:ident) => {
        match $ty { $(Type::$variant => Some($make!($t)),)* _ => None }
    };
}

macro_rules! all_types {
    ($ty:expr, $make:ident) => {
        by_type!($ty, [U16 => u16, S16 => i16, U32 => u32, S32 => i32, U64 => u64, S64 => i64], $make)
    };
}

macro_rules! bit_types {
    ($ty:expr, $make:ident) => {
        by_type!($ty, [B16 => u16, B32 => u32, B64 => u64], $make)
    };
}

/// The kernel of an integer instruction, if it is one.
pub fn kernel(inst: &Instruction) -> Option<Kernel> {
    let ty = inst.ty(0)?;
    let has = |w| inst.has(w);
    match inst.op {
        Opcode::Add if has(Word::Cc) => None,
        Opcode::Sub if has(Word::Cc) => None,
        Opcode::Add if has(Word::Sat) => (ty == Type::S32).then(|| lift2(i32::saturating_add)),
        Opcode::Sub if has(Word::Sat) => (ty == Type::S32).then(|| lift2(i32::saturating_sub)),
        Opcode::Add => {
            macro_rules! f {
                ($t:ty) => {
                    lift2(|a: $t, b: $t| a.wrapping_add(b))
                };
            }
            all_types!(ty, f).or_else(|| packed16(inst.op, ty))
        }
        Opcode::Sub => {
            macro_rules! f {
                ($t:ty) => {
                    lift2(|a: $t, b: $t| a.wrapping_sub(b))
                };
            }
            all_types!(ty, f)
        }
        Opcode::Mul if has(Word::Wide) => match ty {
            Type::U16 => Some(lift2(|a: u16, b: u16| a as u32 * b as u32)),
            Type::S16 => Some(lift2(|a: i16, b: i16| a as i32 * b as i32)),
            Type::U32 => Some(lift2(|a: u32, b: u32| a as u64 * b as u64)),
            Type::S32 => Some(lift2(|a: i32, b: i32| a as i64 * b as i64)),
            _ => None,
        },
        Opcode::Mad if has(Word::Wide) => match ty {
            Type::U16 => Some(lift3(|a: u16, b: u16, c: u32| (a as u32 * b as u32).wrapping_add(c))),
            Type::S16 => Some(lift3(|a: i16, b: i16, c: i32| (a as i32 * b as i32).wrapping_add(c))),
            Type::U32 => Some(lift3(|a: u32, b: u32, c: u64| (a as u64 * b as u64).wrapping_add(c))),
            Type::S32 => Some(lift3(|a: i32, b: i32, c: i64| (a as i64 * b as i64).wrapping_add(c))),
            _ => None,
        },
        Opcode::Mul if has(Word::Hi) => multiply_high(ty),
        Opcode::Mad if has(Word::Sat) => (ty == Type::S32 && has(Word::Hi)).then(|| {
            lift3(|a: i32, b: i32, c: i32| (((a as i64 * b as i64) >> 32) as i32).saturating_add(c))
        }),
        Opcode::Mad if has(Word::Cc) => None,
        Opcode::Mad if has(Word::Hi) => multiply_add_high(ty),
        Opcode::Mul => {
            macro_rules! f {
                ($t:ty) => {
                    lift2(|a: $t, b: $t| a.wrapping_mul(b))
                };
            }
            all_types!(ty, f)
        }
        Opcode::Mad if !has(Word::Cc) => {
            macro_rules! f {
                ($t:ty) => {
                    lift3(|a: $t, b: $t, c: $t| a.wrapping_mul(b).wrapping_add(c))
                };
            }
            all_types!(ty, f)
        }
        Opcode::Mul24 | Opcode::Mad24 => twenty_four(inst, ty),
        Opcode::Div => {
            // Division by zero is unspecified (§9.7.1.8); all ones is what the hardware gives.
            macro_rules! f {
                ($t:ty) => {
                    lift2(|a: $t, b: $t| if b == 0 { !0 } else { a.wrapping_div(b) })
                };
            }
            all_types!(ty, f)
        }
        Opcode::Rem => {
            macro_rules! f {
                ($t:ty) => {
                    lift2(|a: $t, b: $t| if b == 0 { a } else { a.wrapping_rem(b) })
                };
            }
            all_types!(ty, f)
        }
        Opcode::Min if has(Word::Relu) => match ty {
            Type::S32 => Some(lift2(|a: i32, b: i32| a.min(b).max(0))),
            Type::S16x2 => {
                Some(lift2(|a: u32, b: u32| pairwise(a, b, |a, b| (a as i16).min(b as i16).max(0) as u16)))
            }
            _ => None,
        },
        Opcode::Max if has(Word::Relu) => match ty {
            Type::S32 => Some(lift2(|a: i32, b: i32| a.max(b).max(0))),
            Type::S16x2 => {
                Some(lift2(|a: u32, b: u32| pairwise(a, b, |a, b| (a as i16).max(b as i16).max(0) as u16)))
            }
            _ => None,
        },
        Opcode::Min => {
            macro_rules! f {
                ($t:ty) => {
                    lift2(|a: $t, b: $t| a.min(b))
                };
            }
            all_types!(ty, f).or_else(|| packed16(inst.op, ty))
        }
        Opcode::Max => {
            macro_rules! f {
                ($t:ty) => {
                    lift2(|a: $t, b: $t| a.max(b))
                };
            }
            all_types!(ty, f).or_else(|| packed16(inst.op, ty))
        }
        Opcode::Abs => {
            macro_rules! f {
                ($t:ty) => {
                    lift1(|a: $t| a.wrapping_abs())
                };
            }
            by_type!(ty, [S16 => i16, S32 => i32, S64 => i64], f)
        }
        Opcode::Neg => {
            macro_rules! f {
                ($t:ty) => {
                    lift1(|a: $t| a.wrapping_neg())
                };
            }
            by_type!(ty, [S16 => i16, S32 => i32, S64 => i64], f)
        }
        Opcode::Sad => {
            macro_rules! f {
                ($t:ty) => {
                    lift3(|a: $t, b: $t, c: $t| c.wrapping_add(a.abs_diff(b) as $t))
                };
            }
            all_types!(ty, f)
        }
        Opcode::Dp4a => dot4(inst),
        Opcode::Dp2a => dot2(inst),
        _ => logic(inst, ty).or_else(|| bits(inst, ty)),
    }
}

fn multiply_high(ty: Type) -> Option<Kernel> {
    Some(match ty {
        Type::U16 => lift2(|a: u16, b: u16| ((a as u32 * b as u32) >> 16) as u16),
        Type::S16 => lift2(|a: i16, b: i16| ((a as i32 * b as i32) >> 16) as i16),
        Type::U32 => lift2(|a: u32, b: u32| ((a as u64 * b as u64) >> 32) as u32),
        Type::S32 => lift2(|a: i32, b: i32| ((a as i64 * b as i64) >> 32) as i32),
        Type::U64 => lift2(|a: u64, b: u64| ((a as u128 * b as u128) >> 64) as u64),
        Type::S64 => lift2(|a: i64, b: i64| ((a as i128 * b as i128) >> 64) as i64),
        _ => return None,
    })
}

fn multiply_add_high(ty: Type) -> Option<Kernel> {
    Some(match ty {
        Type::U16 => lift3(|a: u16, b: u16, c: u16| (((a as u32 * b as u32) >> 16) as u16).wrapping_add(c)),
        Type::S16 => lift3(|a: i16, b: i16, c: i16| (((a as i32 * b as i32) >> 16) as i16).wrapping_add(c)),
        Type::U32 => lift3(|a: u32, b: u32, c: u32| (((a as u64 * b as u64) >> 32) as u32).wrapping_add(c)),
        Type::S32 => lift3(|a: i32, b: i32, c: i32| (((a as i64 * b as i64) >> 32) as i32).wrapping_add(c)),
        Type::U64 => lift3(|a: u64, b: u64, c: u64| (((a as u128 * b as u128) >> 64) as u64).wrapping_add(c)),
        Type::S64 => lift3(|a: i64, b: i64, c: i64| (((a as i128 * b as i128) >> 64) as i64).wrapping_add(c)),
        _ => return None,
    })
}

/// `mul24`, `mad24`: the low 24 bits of each factor, and the low or the high 32 of the product's 48.
fn twenty_four(inst: &Instruction, ty: Type) -> Option<Kernel> {
    #[inline(always)]
    fn high(a: i32, b: i32) -> i32 {
        (((a << 8 >> 8) as i64 * (b << 8 >> 8) as i64) >> 16) as i32
    }
    #[inline(always)]
    fn high_unsigned(a: u32, b: u32) -> u32 {
        (((a & 0xff_ffff) as u64 * (b & 0xff_ffff) as u64) >> 16) as u32
    }
    if inst.has(Word::Hi) {
        return Some(match (inst.op, ty, inst.has(Word::Sat)) {
            (Opcode::Mul24, Type::U32, false) => lift2(high_unsigned),
            (Opcode::Mul24, Type::S32, false) => lift2(high),
            (Opcode::Mad24, Type::U32, false) => {
                lift3(|a: u32, b: u32, c: u32| high_unsigned(a, b).wrapping_add(c))
            }
            (Opcode::Mad24, Type::S32, false) => lift3(|a: i32, b: i32, c: i32| high(a, b).wrapping_add(c)),
            (Opcode::Mad24, Type::S32, true) => lift3(|a: i32, b: i32, c: i32| high(a, b).saturating_add(c)),
            _ => return None,
        });
    }
    if inst.has(Word::Sat) {
        return None;
    }
    Some(match (inst.op, ty) {
        (Opcode::Mul24, Type::U32) => lift2(|a: u32, b: u32| (a & 0xff_ffff).wrapping_mul(b & 0xff_ffff)),
        (Opcode::Mul24, Type::S32) => lift2(|a: i32, b: i32| (a << 8 >> 8).wrapping_mul(b << 8 >> 8)),
        (Opcode::Mad24, Type::U32) => {
            lift3(|a: u32, b: u32, c: u32| (a & 0xff_ffff).wrapping_mul(b & 0xff_ffff).wrapping_add(c))
        }
        (Opcode::Mad24, Type::S32) => {
            lift3(|a: i32, b: i32, c: i32| (a << 8 >> 8).wrapping_mul(b << 8 >> 8).wrapping_add(c))
        }
        _ => return None,
    })
}

/// Two 16-bit integers in a register.
fn packed16(op: Opcode, ty: Type) -> Option<Kernel> {
    macro_rules! f {
        ($t:ty, $g:expr) => {
            lift2(|a: u32, b: u32| {
                let g: fn($t, $t) -> $t = $g;
                g(a as $t, b as $t) as u16 as u32 | (g((a >> 16) as $t, (b >> 16) as $t) as u16 as u32) << 16
            })
        };
    }
    Some(match (op, ty) {
        (Opcode::Add, Type::U16x2 | Type::S16x2) => f!(u16, |a, b| a.wrapping_add(b)),
        (Opcode::Min, Type::U16x2) => f!(u16, |a, b| a.min(b)),
        (Opcode::Min, Type::S16x2) => f!(i16, |a, b| a.min(b)),
        (Opcode::Max, Type::U16x2) => f!(u16, |a, b| a.max(b)),
        (Opcode::Max, Type::S16x2) => f!(i16, |a, b| a.max(b)),
        _ => return None,
    })
}

/// The same function on both halves of a register.
#[inline(always)]
fn pairwise(a: u32, b: u32, f: impl Fn(u16, u16) -> u16) -> u32 {
    f(a as u16, b as u16) as u32 | (f((a >> 16) as u16, (b >> 16) as u16) as u32) << 16
}

/// `dp2a`: the halves of `a` times two bytes of `b`, the lower or the upper two.
fn dot2(inst: &Instruction) -> Option<Kernel> {
    #[inline(always)]
    fn halves<const SIGNED: bool>(a: u32) -> [i32; 2] {
        [a, a >> 16].map(|a| if SIGNED { a as i16 as i32 } else { a as u16 as i32 })
    }
    #[inline(always)]
    fn bytes<const SIGNED: bool>(b: u32) -> [i32; 2] {
        [b, b >> 8].map(|b| if SIGNED { b as i8 as i32 } else { b as u8 as i32 })
    }
    #[inline(always)]
    fn dot(a: [i32; 2], b: [i32; 2], c: i32) -> i32 {
        c.wrapping_add(a[0].wrapping_mul(b[0])).wrapping_add(a[1].wrapping_mul(b[1]))
    }
    macro_rules! f {
        ($a:literal, $b:literal) => {
            if inst.has(Word::Hi) {
                lift3(|a: u32, b: u32, c: i32| dot(halves::<$a>(a), bytes::<$b>(b >> 16), c))
            } else {
                lift3(|a: u32, b: u32, c: i32| dot(halves::<$a>(a), bytes::<$b>(b), c))
            }
        };
    }
    Some(match (inst.ty(0)?, inst.ty(1)?) {
        (Type::U32, Type::U32) => f!(false, false),
        (Type::U32, Type::S32) => f!(false, true),
        (Type::S32, Type::U32) => f!(true, false),
        (Type::S32, Type::S32) => f!(true, true),
        _ => return None,
    })
}

/// `fns`: where the `offset`th set bit is, counted from `base` up or down (§9.7.1.17).
fn find_nth(mask: u32, base: u32, offset: i32) -> u32 {
    let set = |at: u32| at < 32 && mask >> at & 1 != 0;
    if offset == 0 {
        return if set(base) { base } else { u32::MAX };
    }
    let mut left = offset.unsigned_abs();
    let mut at = base as i32;
    while (0..32).contains(&at) {
        if set(at as u32) {
            left -= 1;
            if left == 0 {
                return at as u32;
            }
        }
        at += offset.signum();
    }
    u32::MAX
}

/// `szext`: the low `n` bits, extended.
#[inline(always)]
fn sign_extend(a: i32, n: u32) -> i32 {
    if n == 0 { 0 } else { a << (32 - n) >> (32 - n) }
}

#[inline(always)]
fn zero_extend(a: u32, n: u32) -> u32 {
    if n >= 32 { a } else { a & ((1 << n) - 1) }
}

/// `dp4a`: four products of bytes and a sum.
fn dot4(inst: &Instruction) -> Option<Kernel> {
    fn dot<A: Into<i32>, B: Into<i32>>(a: [A; 4], b: [B; 4], c: i32) -> i32 {
        a.into_iter().zip(b).fold(c, |sum, (a, b)| sum.wrapping_add(a.into() * b.into()))
    }
    fn signed(x: u32) -> [i8; 4] {
        x.to_le_bytes().map(|b| b as i8)
    }
    Some(match (inst.ty(0)?, inst.ty(1)?) {
        (Type::U32, Type::U32) => lift3(|a: u32, b: u32, c: i32| dot(a.to_le_bytes(), b.to_le_bytes(), c)),
        (Type::U32, Type::S32) => lift3(|a: u32, b: u32, c: i32| dot(a.to_le_bytes(), signed(b), c)),
        (Type::S32, Type::U32) => lift3(|a: u32, b: u32, c: i32| dot(signed(a), b.to_le_bytes(), c)),
        (Type::S32, Type::S32) => lift3(|a: u32, b: u32, c: i32| dot(signed(a), signed(b), c)),
        _ => return None,
    })
}

fn logic(inst: &Instruction, ty: Type) -> Option<Kernel> {
    match inst.op {
        Opcode::And => {
            macro_rules! f {
                ($t:ty) => {
                    lift2(|a: $t, b: $t| a & b)
                };
            }
            bit_types!(ty, f)
        }
        Opcode::Or => {
            macro_rules! f {
                ($t:ty) => {
                    lift2(|a: $t, b: $t| a | b)
                };
            }
            bit_types!(ty, f)
        }
        Opcode::Xor => {
            macro_rules! f {
                ($t:ty) => {
                    lift2(|a: $t, b: $t| a ^ b)
                };
            }
            bit_types!(ty, f)
        }
        Opcode::Not => {
            macro_rules! f {
                ($t:ty) => {
                    lift1(|a: $t| !a)
                };
            }
            bit_types!(ty, f)
        }
        Opcode::Cnot => {
            macro_rules! f {
                ($t:ty) => {
                    lift1(|a: $t| (a == 0) as $t)
                };
            }
            bit_types!(ty, f)
        }
        // The table has a bit for each of the eight combinations of a, b and c (§9.7.8.6).
        Opcode::Lop3 => Some(lift4(|a: u32, b: u32, c: u32, table: u32| {
            let mut out = 0;
            for i in 0..8u32 {
                let chosen = 0u32.wrapping_sub(table >> i & 1);
                let a = if i & 4 != 0 { a } else { !a };
                let b = if i & 2 != 0 { b } else { !b };
                let c = if i & 1 != 0 { c } else { !c };
                out |= chosen & a & b & c;
            }
            out
        })),
        Opcode::Shl => {
            macro_rules! f {
                ($t:ty) => {
                    lift2(|a: $t, n: u32| if n < <$t>::BITS { a << n } else { 0 })
                };
            }
            bit_types!(ty, f)
        }
        Opcode::Shr => {
            macro_rules! f {
                ($t:ty) => {
                    lift2(|a: $t, n: u32| if n < <$t>::BITS { a >> n } else { 0 })
                };
            }
            macro_rules! g {
                ($t:ty) => {
                    lift2(|a: $t, n: u32| a >> n.min(<$t>::BITS - 1))
                };
            }
            bit_types!(ty, f)
                .or_else(|| by_type!(ty, [U16 => u16, U32 => u32, U64 => u64], f))
                .or_else(|| by_type!(ty, [S16 => i16, S32 => i32, S64 => i64], g))
        }
        Opcode::Shf => {
            let (left, clamp) = (shf_is_left(inst)?, inst.has(Word::Clamp));
            Some(match (left, clamp) {
                (true, false) => lift3(|lo: u32, hi: u32, n: u32| (join(lo, hi) << (n & 31) >> 32) as u32),
                (true, true) => lift3(|lo: u32, hi: u32, n: u32| (join(lo, hi) << n.min(32) >> 32) as u32),
                (false, false) => lift3(|lo: u32, hi: u32, n: u32| (join(lo, hi) >> (n & 31)) as u32),
                (false, true) => lift3(|lo: u32, hi: u32, n: u32| (join(lo, hi) >> n.min(32)) as u32),
            })
        }
        _ => None,
    }
}

#[inline(always)]
fn join(lo: u32, hi: u32) -> u64 {
    (hi as u64) << 32 | lo as u64
}

/// `shf.l` and `shf.r`.
fn shf_is_left(inst: &Instruction) -> Option<bool> {
    if inst.has(Word::L) { Some(true) } else { inst.has(Word::R).then_some(false) }
}

fn bits(inst: &Instruction, ty: Type) -> Option<Kernel> {
    match inst.op {
        Opcode::Popc => match ty {
            Type::B32 => Some(lift1(|a: u32| a.count_ones())),
            Type::B64 => Some(lift1(|a: u64| a.count_ones())),
            _ => None,
        },
        Opcode::Clz => match ty {
            Type::B32 => Some(lift1(|a: u32| a.leading_zeros())),
            Type::B64 => Some(lift1(|a: u64| a.leading_zeros())),
            _ => None,
        },
        Opcode::Brev => match ty {
            Type::B32 => Some(lift1(|a: u32| a.reverse_bits())),
            Type::B64 => Some(lift1(|a: u64| a.reverse_bits())),
            _ => None,
        },
        Opcode::Bfind => {
            // Position of the highest bit that differs from the sign; with `.shiftamt`, the shift that
            // would bring it to the top. None: all ones (§9.7.1.18).
            let amount = inst.has(Word::Shiftamt);
            macro_rules! f {
                ($t:ty, $u:ty, $fold:expr) => {
                    if amount {
                        lift1(|a: $t| {
                            let fold: fn($t) -> $u = $fold;
                            let a = fold(a);
                            if a == 0 { u32::MAX } else { a.leading_zeros() }
                        })
                    } else {
                        lift1(|a: $t| {
                            let fold: fn($t) -> $u = $fold;
                            let a = fold(a);
                            if a == 0 { u32::MAX } else { <$u>::BITS - 1 - a.leading_zeros() }
                        })
                    }
                };
            }
            Some(match ty {
                Type::U32 => f!(u32, u32, |a| a),
                Type::S32 => f!(i32, u32, |a| if a < 0 { !a as u32 } else { a as u32 }),
                Type::U64 => f!(u64, u64, |a| a),
                Type::S64 => f!(i64, u64, |a| if a < 0 { !a as u64 } else { a as u64 }),
                _ => return None,
            })
        }
        Opcode::Bfe => Some(match ty {
            Type::U32 => lift3(|a: u32, pos: u32, len: u32| extract(a as u64, 32, pos, len, false) as u32),
            Type::S32 => {
                lift3(|a: i32, pos: u32, len: u32| extract(a as i64 as u64, 32, pos, len, true) as u32)
            }
            Type::U64 => lift3(|a: u64, pos: u32, len: u32| extract(a, 64, pos, len, false)),
            Type::S64 => lift3(|a: u64, pos: u32, len: u32| extract(a, 64, pos, len, true)),
            _ => return None,
        }),
        Opcode::Bfi => Some(match ty {
            Type::B32 => lift4(|a: u32, b: u32, pos: u32, len: u32| {
                let field = field_mask(pos, len) as u32;
                b & !field | (shift_left(a as u64, pos) as u32) & field
            }),
            Type::B64 => lift4(|a: u64, b: u64, pos: u32, len: u32| {
                let field = field_mask(pos, len);
                b & !field | shift_left(a, pos) & field
            }),
            _ => return None,
        }),
        Opcode::Bmsk => Some(if inst.has(Word::Clamp) {
            lift2(|a: u32, b: u32| field_mask(a.min(255), b.min(255)) as u32)
        } else {
            lift2(|a: u32, b: u32| field_mask(a & 31, b & 31) as u32)
        }),
        Opcode::Prmt => Some(permute(inst)),
        Opcode::Fns => Some(lift3(find_nth)),
        Opcode::Szext => Some(match (ty, inst.has(Word::Clamp)) {
            (Type::U32, true) => lift2(|a: u32, n: u32| zero_extend(a, n.min(32))),
            (Type::U32, false) => lift2(|a: u32, n: u32| zero_extend(a, n & 31)),
            (Type::S32, true) => lift2(|a: i32, n: u32| sign_extend(a, n.min(32))),
            (Type::S32, false) => lift2(|a: i32, n: u32| sign_extend(a, n & 31)),
            _ => return None,
        }),
        _ => None,
    }
}

#[inline(always)]
fn shift_left(a: u64, n: u32) -> u64 {
    if n & 0xff < 64 { a << (n & 0xff) } else { 0 }
}

/// Ones at `pos .. pos + len` as far as they fit 64 bits; both count modulo 256 (§9.7.1.20).
#[inline(always)]
fn field_mask(pos: u32, len: u32) -> u64 {
    let len = len & 0xff;
    let ones = if len >= 64 { u64::MAX } else { (1 << len) - 1 };
    shift_left(ones, pos)
}

/// `bfe`: past the top, a signed field goes on with the sign of `a` (§9.7.1.19). A signed 32-bit `a` comes
/// sign-extended, so the 64-bit shift already does.
#[inline(always)]
fn extract(a: u64, bits: u32, pos: u32, len: u32, signed: bool) -> u64 {
    let (pos, len) = (pos & 0xff, len & 0xff);
    if len == 0 {
        return 0;
    }
    let last = (pos + len - 1).min(bits - 1);
    if signed {
        let shifted = (a as i64) >> pos.min(63);
        let keep = if pos > last { 1 } else { last - pos + 1 };
        (shifted << (64 - keep) >> (64 - keep)) as u64
    } else if pos >= bits {
        0
    } else {
        let keep = last - pos + 1;
        (a >> pos) & (u64::MAX >> (64 - keep))
    }
}

/// `prmt` in its default and special modes (§9.7.9.7).
fn permute(inst: &Instruction) -> Kernel {
    /// Bytes `which` of `b:a`.
    #[inline(always)]
    fn pick(a: u32, b: u32, which: [u32; 4]) -> u32 {
        let both = join(a, b);
        let byte = |i: u32| (both >> (8 * (i & 7))) as u32 & 0xff;
        byte(which[0]) | byte(which[1]) << 8 | byte(which[2]) << 16 | byte(which[3]) << 24
    }
    let has = |w| inst.has(w);
    if has(Word::F4e) {
        lift3(|a: u32, b: u32, c: u32| pick(a, b, [c & 3, (c & 3) + 1, (c & 3) + 2, (c & 3) + 3]))
    } else if has(Word::B4e) {
        lift3(|a: u32, b: u32, c: u32| {
            pick(a, b, [c & 3, (c & 3).wrapping_sub(1), (c & 3).wrapping_sub(2), (c & 3).wrapping_sub(3)])
        })
    } else if has(Word::Rc8) {
        lift3(|a: u32, b: u32, c: u32| pick(a, b, [c & 3; 4]))
    } else if has(Word::Ecl) {
        lift3(|a: u32, b: u32, c: u32| pick(a, b, [c & 3, 1.max(c & 3), 2.max(c & 3), 3]))
    } else if has(Word::Ecr) {
        lift3(|a: u32, b: u32, c: u32| pick(a, b, [0, 1.min(c & 3), 2.min(c & 3), c & 3]))
    } else if has(Word::Rc16) {
        lift3(|a: u32, b: u32, c: u32| {
            let low = (c & 1) * 2;
            pick(a, b, [low, low + 1, low, low + 1])
        })
    } else {
        lift3(|a: u32, b: u32, c: u32| {
            let both = join(a, b);
            let mut out = 0;
            for i in 0..4 {
                let selector = c >> (4 * i);
                let byte = (both >> (8 * (selector & 7))) as u32 & 0xff;
                let sign = 0u32.wrapping_sub(byte >> 7) & 0xff;
                out |= (if selector & 8 != 0 { sign } else { byte }) << (8 * i);
            }
            out
        })
    }
}
