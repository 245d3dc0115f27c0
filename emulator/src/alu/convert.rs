//! `cvt` (PTX ISA §9.7.9.21): a chain of one-source kernels, or one two-source kernel that packs halves.

use super::eight::{self, E4m3, E5m2};
use super::exact;
use super::float::{canonical, canonical64, directed, flush, saturate};
use super::halves::{Bf16, F16, Half, Pair, half_from_f64};
use super::lanes::{Kernel, lift1, lift2, lift3};
use flashpage_ptx::ast::Instruction;
use flashpage_ptx::words::{Type, Word};

/// How a conversion is done.
pub enum Conversion {
    /// Kernels of one source, applied one after another.
    Chain(Vec<Kernel>),
    /// `d = {a, b}`: `a` goes to the upper half.
    Pack(Kernel),
    /// `cvt.pack`: `a` and `b`, and perhaps what they are put in front of.
    Integers(Kernel, bool),
}

/// The conversion that a `cvt` asks for.
pub fn conversion(inst: &Instruction) -> Option<Conversion> {
    let (to, from) = (inst.ty(0)?, inst.ty(1)?);
    if inst.has(Word::Rs) {
        return None;
    }
    if inst.has(Word::Pack) {
        return pack_integers(inst, to);
    }
    if matches!(to, Type::E4m3x2 | Type::E5m2x2) || matches!(from, Type::E4m3x2 | Type::E5m2x2) {
        return bytes(inst, from, to);
    }
    if from == Type::F32 && matches!(to, Type::F16x2 | Type::Bf16x2) {
        return pack(inst, to).map(Conversion::Pack);
    }
    let mut chain = Vec::new();
    let done = match (from.is_float(), to.is_float()) {
        (false, false) => integers(from, to, inst.has(Word::Sat), &mut chain),
        (false, true) => to_float(from, to, inst, &mut chain),
        (true, false) => to_integer(from, to, inst, &mut chain),
        (true, true) => floats(from, to, inst, &mut chain),
    };
    done.map(|()| Conversion::Chain(chain))
}

macro_rules! integer_type {
    ($ty:expr, $go:ident $(, $arg:tt)*) => {
        match $ty {
            Type::U8 | Type::B8 => $go!(u8 $(, $arg)*),
            Type::S8 => $go!(i8 $(, $arg)*),
            Type::U16 | Type::B16 => $go!(u16 $(, $arg)*),
            Type::S16 => $go!(i16 $(, $arg)*),
            Type::U32 | Type::B32 => $go!(u32 $(, $arg)*),
            Type::S32 => $go!(i32 $(, $arg)*),
            Type::U64 | Type::B64 => $go!(u64 $(, $arg)*),
            Type::S64 => $go!(i64 $(, $arg)*),
            _ => return None,
        }
    };
}

fn integers(from: Type, to: Type, sat: bool, chain: &mut Vec<Kernel>) -> Option<()> {
    macro_rules! target {
        ($to:ty, $from:ty) => {
            if sat {
                lift1(|a: $from| (a as i128).clamp(<$to>::MIN as i128, <$to>::MAX as i128) as $to)
            } else {
                lift1(|a: $from| a as $to)
            }
        };
    }
    macro_rules! source {
        ($from:ty) => {
            integer_type!(to, target, $from)
        };
    }
    chain.push(integer_type!(from, source));
    Some(())
}

fn to_float(from: Type, to: Type, inst: &Instruction, chain: &mut Vec<Kernel>) -> Option<()> {
    let directed =
        ['z', 'm', 'p'].into_iter().zip([Word::Rz, Word::Rm, Word::Rp]).find(|(_, w)| inst.has(*w));
    match (to, directed) {
        (Type::F32, None) => {
            macro_rules! f {
                ($t:ty) => {
                    lift1(|a: $t| a as f32)
                };
            }
            chain.push(integer_type!(from, f));
        }
        (Type::F64, None) => {
            macro_rules! f {
                ($t:ty) => {
                    lift1(|a: $t| a as f64)
                };
            }
            chain.push(integer_type!(from, f));
        }
        (Type::F64, Some((mode, _))) => {
            macro_rules! f {
                ($t:ty) => {
                    match mode {
                        'z' => lift1(|a: $t| exact::integer::<'z'>(a as i128)),
                        'm' => lift1(|a: $t| exact::integer::<'m'>(a as i128)),
                        _ => lift1(|a: $t| exact::integer::<'p'>(a as i128)),
                    }
                };
            }
            chain.push(integer_type!(from, f));
        }
        (Type::F16 | Type::Bf16 | Type::F32, _) => {
            macro_rules! f {
                ($t:ty) => {
                    lift1(|a: $t| double_odd(a as i128))
                };
            }
            chain.push(integer_type!(from, f));
            narrow(to, directed.map(|(c, _)| c), chain)?;
        }
        _ => return None,
    }
    if inst.has(Word::Sat) {
        saturated(to, chain)?;
    }
    Some(())
}

/// An integer to a double, rounded to odd, so that narrowing it rounds the integer.
fn double_odd(a: i128) -> f64 {
    let magnitude = a.unsigned_abs() as u64;
    let sticky =
        if magnitude >> 53 != 0 && magnitude & 0x7ff != 0 { magnitude & !0x7ff | 0x800 } else { magnitude };
    (sticky as f64).copysign(a as f64)
}

fn to_integer(from: Type, to: Type, inst: &Instruction, chain: &mut Vec<Kernel>) -> Option<()> {
    let wide = from == Type::F64;
    match from {
        Type::F16 => chain.push(lift1(F16::f32)),
        Type::Bf16 => chain.push(lift1(Bf16::f32)),
        Type::F32 if inst.has(Word::Ftz) => chain.push(lift1(flush)),
        Type::F32 | Type::F64 => {}
        _ => return None,
    }
    if !inst.has(Word::Rzi) {
        chain.push(integral(inst, wide)?);
    }
    // Both clamp to the range and take NaN to zero.
    macro_rules! f {
        ($t:ty) => {
            if wide { lift1(|a: f64| a as $t) } else { lift1(|a: f32| a as $t) }
        };
    }
    chain.push(integer_type!(to, f));
    Some(())
}

/// Rounding to a whole number.
fn integral(inst: &Instruction, wide: bool) -> Option<Kernel> {
    macro_rules! f {
        ($f32:expr, $f64:expr) => {
            if wide { lift1(|a: f64| canonical64($f64(a))) } else { lift1(|a: f32| canonical($f32(a))) }
        };
    }
    Some(if inst.has(Word::Rni) {
        f!(f32::round_ties_even, f64::round_ties_even)
    } else if inst.has(Word::Rzi) {
        f!(f32::trunc, f64::trunc)
    } else if inst.has(Word::Rmi) {
        f!(f32::floor, f64::floor)
    } else if inst.has(Word::Rpi) {
        f!(f32::ceil, f64::ceil)
    } else {
        return None;
    })
}

fn floats(from: Type, to: Type, inst: &Instruction, chain: &mut Vec<Kernel>) -> Option<()> {
    let has = |w| inst.has(w);
    let integral_mode = [Word::Rni, Word::Rzi, Word::Rmi, Word::Rpi].iter().any(|w| has(*w));
    let mode = ['z', 'm', 'p'].into_iter().zip([Word::Rz, Word::Rm, Word::Rp]).find(|(_, w)| has(*w));
    let mode = mode.map(|(c, _)| c);
    match from {
        Type::F16 => chain.push(lift1(F16::f32)),
        Type::Bf16 => chain.push(lift1(Bf16::f32)),
        Type::F32 if has(Word::Ftz) => chain.push(lift1(flush)),
        Type::F32 | Type::F64 => {}
        _ => return None,
    }
    let wide = from == Type::F64;
    if integral_mode {
        chain.push(integral(inst, wide)?);
    }
    match (wide, to) {
        (false, Type::F32) => chain.push(lift1(canonical)),
        (false, Type::F64) => chain.push(lift1(|a: f32| canonical64(a as f64))),
        (true, Type::F64) => chain.push(lift1(canonical64)),
        (false, Type::F16) if mode.is_none() => chain.push(lift1(F16::nearest)),
        (false, Type::Bf16) if mode.is_none() => chain.push(lift1(Bf16::nearest)),
        (true, Type::F32) if mode.is_none() => chain.push(lift1(|a: f64| canonical(a as f32))),
        (false, Type::Tf32) => chain.push(if has(Word::Rn) {
            lift1(|a: u32| tf32(a, 0xfff + (a >> 13 & 1)))
        } else if has(Word::Rna) {
            lift1(|a: u32| tf32(a, 0x1000))
        } else if has(Word::Rz) {
            lift1(|a: u32| tf32(a, 0))
        } else {
            return None;
        }),
        (false, _) => {
            chain.push(lift1(|a: f32| a as f64));
            narrow(to, mode, chain)?;
        }
        (true, _) => narrow(to, mode, chain)?,
    }
    if has(Word::Satfinite) {
        chain.push(match to {
            Type::F16 => lift1(finite::<F16>),
            Type::Bf16 => lift1(finite::<Bf16>),
            Type::Tf32 => lift1(|a: u32| if a & 0x7fff_ffff == 0x7f80_0000 { a - 0x2000 } else { a }),
            _ => return None,
        });
    }
    if to == Type::F32 && has(Word::Ftz) {
        chain.push(lift1(flush));
    }
    if has(Word::Sat) {
        saturated(to, chain)?;
    }
    if has(Word::Relu) {
        chain.push(match to {
            Type::F16 => lift1(relu::<F16>),
            Type::Bf16 => lift1(relu::<Bf16>),
            Type::Tf32 => lift1(|a: f32| if a.is_nan() { a } else { a.max(0.0) }),
            _ => return None,
        });
    }
    Some(())
}

/// Single precision with ten bits of mantissa kept and `round` added below them.
#[inline(always)]
fn tf32(bits: u32, round: u32) -> u32 {
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        0x7fff_ffff
    } else if bits & 0x7f80_0000 == 0x7f80_0000 {
        bits
    } else {
        bits.wrapping_add(round) & !0x1fff
    }
}

/// A double, exact or rounded to odd, to a narrower format.
fn narrow(to: Type, mode: Option<char>, chain: &mut Vec<Kernel>) -> Option<()> {
    chain.push(match (to, mode) {
        (Type::F32, None) => lift1(|a: f64| canonical(a as f32)),
        (Type::F32, Some('z')) => lift1(|a: f64| canonical(directed::<'z'>(a))),
        (Type::F32, Some('m')) => lift1(|a: f64| canonical(directed::<'m'>(a))),
        (Type::F32, Some(_)) => lift1(|a: f64| canonical(directed::<'p'>(a))),
        (Type::F16, None) => lift1(half_from_f64::<F16>),
        (Type::Bf16, None) => lift1(half_from_f64::<Bf16>),
        (Type::F16, Some('z')) => lift1(half_toward::<F16, 'z'>),
        (Type::F16, Some('m')) => lift1(half_toward::<F16, 'm'>),
        (Type::F16, Some(_)) => lift1(half_toward::<F16, 'p'>),
        (Type::Bf16, Some('z')) => lift1(half_toward::<Bf16, 'z'>),
        (Type::Bf16, Some('m')) => lift1(half_toward::<Bf16, 'm'>),
        (Type::Bf16, Some(_)) => lift1(half_toward::<Bf16, 'p'>),
        _ => return None,
    });
    Some(())
}

/// In a directed mode: one step back from the nearest where that went past.
#[inline(always)]
fn half_toward<H: Half, const MODE: char>(x: f64) -> H {
    let nearest = half_from_f64::<H>(x);
    let back = nearest.f32() as f64;
    let (too_far, inwards) = match MODE {
        'z' => (back.abs() > x.abs(), true),
        'm' => (back > x, x > 0.0),
        _ => (back < x, x < 0.0),
    };
    match (too_far, inwards) {
        (false, _) => nearest,
        (true, true) => H::from_bits(nearest.bits() - 1),
        (true, false) => H::from_bits(nearest.bits() + 1),
    }
}

fn saturated(to: Type, chain: &mut Vec<Kernel>) -> Option<()> {
    chain.push(match to {
        Type::F32 => lift1(saturate),
        Type::F64 => lift1(|a: f64| if a > 0.0 { a.min(1.0) } else { 0.0 }),
        Type::F16 => lift1(|a: F16| F16::nearest(saturate(a.f32()))),
        Type::Bf16 => lift1(|a: Bf16| Bf16::nearest(saturate(a.f32()))),
        _ => return None,
    });
    Some(())
}

#[inline(always)]
fn relu<H: Half>(a: H) -> H {
    if a.bits() & 0x7fff > 0x7c00 && a.f32().is_nan() {
        H::from_bits(0x7fff)
    } else if a.bits() & 0x8000 != 0 {
        H::from_bits(0)
    } else {
        a
    }
}

#[inline(always)]
fn finite<H: Half>(a: H) -> H {
    // The infinity's magnitude is one above the largest number's; NaN stays.
    if a.bits() & 0x7fff == H::MAX.bits() + 1 { H::from_bits(H::MAX.bits() | a.bits() & 0x8000) } else { a }
}

/// `cvt.rn.f16x2.f32 d, a, b` and its relatives.
fn pack(inst: &Instruction, to: Type) -> Option<Kernel> {
    let relu_asked = inst.has(Word::Relu);
    let finite_asked = inst.has(Word::Satfinite);
    let toward_zero = inst.has(Word::Rz);
    macro_rules! of {
        ($h:ty) => {
            match (toward_zero, relu_asked, finite_asked) {
                (false, false, false) => lift2(|a: f32, b: f32| Pair(<$h>::nearest(b), <$h>::nearest(a))),
                (false, true, false) => lift2(|a: f32, b: f32| Pair(b, a).each(|x| relu(<$h>::nearest(x)))),
                (false, false, true) => lift2(|a: f32, b: f32| Pair(b, a).each(|x| finite(<$h>::nearest(x)))),
                (false, true, true) => {
                    lift2(|a: f32, b: f32| Pair(b, a).each(|x| relu(finite(<$h>::nearest(x)))))
                }
                (true, false, false) => {
                    lift2(|a: f32, b: f32| Pair(b, a).each(|x| half_toward::<$h, 'z'>(x as f64)))
                }
                (true, true, false) => {
                    lift2(|a: f32, b: f32| Pair(b, a).each(|x| relu(half_toward::<$h, 'z'>(x as f64))))
                }
                (true, false, true) => {
                    lift2(|a: f32, b: f32| Pair(b, a).each(|x| finite(half_toward::<$h, 'z'>(x as f64))))
                }
                (true, true, true) => lift2(|a: f32, b: f32| {
                    Pair(b, a).each(|x| relu(finite(half_toward::<$h, 'z'>(x as f64))))
                }),
            }
        };
    }
    Some(match to {
        Type::F16x2 => of!(F16),
        _ => of!(Bf16),
    })
}

impl Pair<f32> {
    #[inline(always)]
    fn each<H>(self, f: impl Fn(f32) -> H) -> Pair<H> {
        Pair(f(self.0), f(self.1))
    }
}

/// To and from pairs of 8-bit floats.
fn bytes(inst: &Instruction, from: Type, to: Type) -> Option<Conversion> {
    let nearest = inst.has(Word::Rn);
    let saturates = nearest && inst.has(Word::Satfinite);
    macro_rules! format {
        ($e:ty) => {
            match (from, to, inst.has(Word::Relu)) {
                (Type::F32, _, false) if saturates => {
                    Conversion::Pack(lift2(|a: f32, b: f32| eight::pack::<$e>(a, b)))
                }
                (Type::F32, _, true) if saturates => Conversion::Pack(lift2(|a: f32, b: f32| {
                    eight::pack::<$e>(eight::clip(a), eight::clip(b))
                })),
                (Type::F16x2, _, false) if saturates => {
                    Conversion::Chain(vec![lift1(|a: Pair<F16>| eight::pack::<$e>(a.1.f32(), a.0.f32()))])
                }
                (Type::F16x2, _, true) if saturates => Conversion::Chain(vec![lift1(|a: Pair<F16>| {
                    eight::pack::<$e>(eight::clip(a.1.f32()), eight::clip(a.0.f32()))
                })]),
                (_, Type::F16x2, relu_asked) if nearest => {
                    let widen = lift1(|a: u32| {
                        let (low, high) = eight::unpack::<$e>(a);
                        Pair(low, high).each(F16::nearest)
                    });
                    let clip = relu_asked.then(|| lift1(|a: Pair<F16>| a.map(relu)));
                    Conversion::Chain(std::iter::once(widen).chain(clip).collect())
                }
                _ => return None,
            }
        };
    }
    Some(match if to == Type::F16x2 { from } else { to } {
        Type::E4m3x2 => format!(E4m3),
        _ => format!(E5m2),
    })
}

/// `cvt.pack.sat`: two integers clamped to a few bits each, in front of the low bits of a third (§9.7.9.22).
fn pack_integers(inst: &Instruction, to: Type) -> Option<Conversion> {
    if !inst.has(Word::Sat) || inst.ty(1) != Some(Type::S32) {
        return None;
    }
    let three = inst.ty(2).is_some();
    macro_rules! of {
        ($bits:literal, $least:literal, $most:literal) => {{
            const MASK: u32 = (1 << $bits) - 1;
            lift3(|a: i32, b: i32, c: u32| {
                let (a, b) = (a.clamp($least, $most) as u32 & MASK, b.clamp($least, $most) as u32 & MASK);
                c << (2 * $bits) | a << $bits | b
            })
        }};
    }
    let kernel = match (to, three) {
        (Type::U16, false) => lift2(|a: i32, b: i32| (a.clamp(0, 65535) << 16 | b.clamp(0, 65535)) as u32),
        (Type::S16, false) => lift2(|a: i32, b: i32| {
            (a.clamp(-32768, 32767) << 16) as u32 | b.clamp(-32768, 32767) as u16 as u32
        }),
        (Type::U8, true) => of!(8, 0, 255),
        (Type::S8, true) => of!(8, -128, 127),
        (Type::U4, true) => of!(4, 0, 15),
        (Type::S4, true) => of!(4, -8, 7),
        (Type::U2, true) => of!(2, 0, 3),
        (Type::S2, true) => of!(2, -2, 1),
        _ => return None,
    };
    Some(Conversion::Integers(kernel, three))
}
