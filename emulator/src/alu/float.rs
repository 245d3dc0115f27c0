//! Floating-point arithmetic (PTX ISA §9.7.3, §9.7.4): sums, products, minima, signs, exact quotients.
//!
//! NaN results are the canonical ones of the hardware whatever the host makes. Single-precision results are
//! rounded once in every mode: the modes other than to nearest go through a double that was rounded to odd.

use super::Recipe;
use super::exact;
use super::halves::{Bf16, F16, Half, Pair, half_fma, narrow_odd, sum_odd};
use super::lanes::{Kernel, lift1, lift2, lift3};
use flashpage_ptx::ast::Instruction;
use flashpage_ptx::words::{Opcode, Type, Word};

/// Subnormals to zero of the same sign.
#[inline(always)]
pub fn flush(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits(if bits & 0x7f80_0000 == 0 { bits & 0x8000_0000 } else { bits })
}

/// Any NaN to the one that single-precision instructions return. Tested as an integer: as a float, one NaN for
/// another is something that the host's compiler may leave out.
#[inline(always)]
pub fn canonical(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits(if bits & 0x7fff_ffff > 0x7f80_0000 { 0x7fff_ffff } else { bits })
}

/// Any NaN to the one that double-precision instructions return.
#[inline(always)]
pub fn canonical64(x: f64) -> f64 {
    let bits = x.to_bits();
    let is_nan = bits & 0x7fff_ffff_ffff_ffff > 0x7ff0_0000_0000_0000;
    f64::from_bits(if is_nan { 0xfff8_0000_0000_0000 } else { bits })
}

/// Clamped to `0..=1`, NaN to zero.
#[inline(always)]
pub fn saturate(x: f32) -> f32 {
    if x > 0.0 { if x < 1.0 { x } else { 1.0 } } else { 0.0 }
}

/// A double, itself exact or rounded to odd, to single precision towards zero (`'z'`), down (`'m'`) or up (`'p'`).
#[inline(always)]
pub fn directed<const MODE: char>(x: f64) -> f32 {
    let nearest = x as f32;
    let back = nearest as f64;
    let bits = nearest.to_bits();
    let too_far = match MODE {
        'z' => back.abs() > x.abs(),
        'm' => back > x,
        _ => back < x,
    };
    if !too_far {
        return nearest;
    }
    let magnitude_down = match MODE {
        'z' => true,
        'm' => x > 0.0,
        _ => x < 0.0,
    };
    if magnitude_down {
        f32::from_bits(bits - 1)
    } else if bits & 0x7fff_ffff == 0 {
        // Rounded to zero, but this mode goes away from it.
        f32::from_bits(if x < 0.0 { 0x8000_0001 } else { 1 })
    } else {
        f32::from_bits(bits + 1)
    }
}

/// `a + b` rounded to odd; rounding down, two that cancel give the negative zero.
#[inline(always)]
pub fn sum<const MODE: char>(a: f64, b: f64) -> f64 {
    let sum = sum_odd(a, b);
    let positive = a == 0.0 && b == 0.0 && !a.is_sign_negative() && !b.is_sign_negative();
    if MODE == 'm' && sum == 0.0 && !positive { -0.0 } else { sum }
}

#[inline(always)]
pub fn maximum(a: f32, b: f32) -> f32 {
    let larger = if a > b { a } else { b };
    // Equal values differ in sign only where both are zero; +0 is the larger.
    let larger = if a == b { f32::from_bits(a.to_bits() & b.to_bits()) } else { larger };
    canonical(if b.is_nan() { a } else { larger })
}

#[inline(always)]
pub fn minimum(a: f32, b: f32) -> f32 {
    let smaller = if a < b { a } else { b };
    let smaller = if a == b { f32::from_bits(a.to_bits() | b.to_bits()) } else { smaller };
    canonical(if b.is_nan() { a } else { smaller })
}

#[inline(always)]
pub fn either_nan(a: f32, b: f32, otherwise: f32) -> f32 {
    if a.is_nan() || b.is_nan() { f32::from_bits(0x7fff_ffff) } else { otherwise }
}

/// Of the magnitudes, with the product's sign.
#[inline(always)]
fn xorsign(a: f32, b: f32, f: impl Fn(f32, f32) -> f32) -> f32 {
    let of = f(a.abs(), b.abs());
    if of.is_nan() { of } else { f32::from_bits(of.to_bits() | (a.to_bits() ^ b.to_bits()) & 0x8000_0000) }
}

#[inline(always)]
fn maximum64(a: f64, b: f64) -> f64 {
    let larger = if a > b { a } else { b };
    let larger = if a == b { f64::from_bits(a.to_bits() & b.to_bits()) } else { larger };
    canonical64(if b.is_nan() { a } else { larger })
}

#[inline(always)]
fn minimum64(a: f64, b: f64) -> f64 {
    let smaller = if a < b { a } else { b };
    let smaller = if a == b { f64::from_bits(a.to_bits() | b.to_bits()) } else { smaller };
    canonical64(if b.is_nan() { a } else { smaller })
}

/// The recipe of a floating-point instruction other than a transcendental or a conversion.
pub fn recipe(inst: &Instruction) -> Option<Recipe> {
    if inst.has(Word::Oob) {
        return None;
    }
    match inst.ty(0)? {
        Type::F32 => single(inst),
        Type::F64 => double(inst).map(Recipe::from),
        Type::F16 => half::<F16>(inst),
        Type::Bf16 => half::<Bf16>(inst),
        Type::F16x2 => pair::<F16>(inst),
        Type::Bf16x2 => pair::<Bf16>(inst),
        _ => None,
    }
}

fn single(inst: &Instruction) -> Option<Recipe> {
    let has = |w| inst.has(w);
    let ftz = has(Word::Ftz);
    let mode = ['z', 'm', 'p'].into_iter().zip([Word::Rz, Word::Rm, Word::Rp]).find(|(_, w)| has(*w));
    let mode = mode.map(|(c, _)| c);
    let saturated = |main: Kernel, flushed: bool| {
        let mut recipe = Recipe::from(main);
        if ftz && !flushed {
            recipe.before = Some(lift1(flush));
            recipe.after.push(lift1(flush));
        }
        if has(Word::Sat) {
            recipe.after.push(lift1(saturate));
        }
        Some(recipe)
    };
    macro_rules! nearest {
        ($lift:ident, |$($v:ident),*| $e:expr) => {
            if ftz {
                saturated($lift(|$($v: f32),*| { $(let $v = flush($v);)* canonical(flush($e)) }), true)
            } else {
                saturated($lift(|$($v: f32),*| canonical($e)), true)
            }
        };
    }
    macro_rules! toward {
        ($lift:ident, |$($v:ident),*| $e:expr) => {
            saturated(match mode {
                Some('z') => {
                    #[allow(dead_code)]
                    const MODE: char = 'z';
                    $lift(|$($v: f32),*| canonical(directed::<'z'>($e)))
                }
                Some('m') => {
                    #[allow(dead_code)]
                    const MODE: char = 'm';
                    $lift(|$($v: f32),*| canonical(directed::<'m'>($e)))
                }
                _ => {
                    #[allow(dead_code)]
                    const MODE: char = 'p';
                    $lift(|$($v: f32),*| canonical(directed::<'p'>($e)))
                }
            }, false)
        };
    }
    match (inst.op, mode) {
        (Opcode::Add, None) => nearest!(lift2, |a, b| a + b),
        (Opcode::Sub, None) => nearest!(lift2, |a, b| a - b),
        (Opcode::Mul, None) => nearest!(lift2, |a, b| a * b),
        (Opcode::Fma | Opcode::Mad, None) => nearest!(lift3, |a, b, c| a.mul_add(b, c)),
        (Opcode::Add, _) => toward!(lift2, |a, b| sum::<MODE>(a as f64, b as f64)),
        (Opcode::Sub, _) => toward!(lift2, |a, b| sum::<MODE>(a as f64, -b as f64)),
        (Opcode::Mul, _) => toward!(lift2, |a, b| a as f64 * b as f64),
        (Opcode::Fma | Opcode::Mad, _) => {
            toward!(lift3, |a, b, c| sum::<MODE>(a as f64 * b as f64, c as f64))
        }
        // `.approx` and `.full` allow 2 ulp; the exact quotient is within any bound (§9.7.3.8).
        (Opcode::Div, None) => nearest!(lift2, |a, b| a / b),
        (Opcode::Rcp, None) => nearest!(lift1, |a| 1.0 / a),
        (Opcode::Sqrt, None) => nearest!(lift1, |a| a.sqrt()),
        // No quotient or root of singles lies so close to a single that the double's rounding could cross it.
        (Opcode::Div, _) => toward!(lift2, |a, b| a as f64 / b as f64),
        (Opcode::Rcp, _) => toward!(lift1, |a| 1.0 / a as f64),
        (Opcode::Sqrt, _) => toward!(lift1, |a| (a as f64).sqrt()),
        (Opcode::Max | Opcode::Min, _) if has(Word::Xorsign) => {
            let mut recipe = saturated(
                match (inst.op == Opcode::Max, has(Word::Nan)) {
                    (true, false) => lift2(|a: f32, b: f32| xorsign(a, b, maximum)),
                    (true, true) => {
                        lift2(|a: f32, b: f32| xorsign(a, b, |a, b| either_nan(a, b, maximum(a, b))))
                    }
                    (false, false) => lift2(|a: f32, b: f32| xorsign(a, b, minimum)),
                    (false, true) => {
                        lift2(|a: f32, b: f32| xorsign(a, b, |a, b| either_nan(a, b, minimum(a, b))))
                    }
                },
                false,
            )?;
            recipe.after.clear();
            Some(recipe)
        }
        (Opcode::Max, None) if has(Word::Nan) => nearest!(lift2, |a, b| either_nan(a, b, maximum(a, b))),
        (Opcode::Min, None) if has(Word::Nan) => nearest!(lift2, |a, b| either_nan(a, b, minimum(a, b))),
        (Opcode::Max, None) => nearest!(lift2, |a, b| maximum(a, b)),
        (Opcode::Min, None) => nearest!(lift2, |a, b| minimum(a, b)),
        (Opcode::Neg, None) => nearest!(lift1, |a| -a),
        (Opcode::Abs, None) => nearest!(lift1, |a| a.abs()),
        (Opcode::Copysign, None) => Some(lift2(|sign: f32, a: f32| a.copysign(sign)).into()),
        _ => None,
    }
}

fn double(inst: &Instruction) -> Option<Kernel> {
    macro_rules! directed {
        ($mode:literal) => {
            Some(match inst.op {
                Opcode::Add => lift2(exact::add::<$mode>),
                Opcode::Sub => lift2(exact::sub::<$mode>),
                Opcode::Mul => lift2(exact::mul::<$mode>),
                Opcode::Fma | Opcode::Mad => lift3(exact::fma::<$mode>),
                Opcode::Div => lift2(exact::div::<$mode>),
                Opcode::Rcp => lift1(|a: f64| exact::div::<$mode>(1.0, a)),
                Opcode::Sqrt => lift1(exact::sqrt::<$mode>),
                _ => return None,
            })
        };
    }
    if inst.has(Word::Rz) {
        return directed!('z');
    } else if inst.has(Word::Rm) {
        return directed!('m');
    } else if inst.has(Word::Rp) {
        return directed!('p');
    }
    Some(match inst.op {
        Opcode::Add => lift2(|a: f64, b: f64| canonical64(a + b)),
        Opcode::Sub => lift2(|a: f64, b: f64| canonical64(a - b)),
        Opcode::Mul => lift2(|a: f64, b: f64| canonical64(a * b)),
        Opcode::Fma | Opcode::Mad => lift3(|a: f64, b: f64, c: f64| canonical64(a.mul_add(b, c))),
        Opcode::Div => lift2(|a: f64, b: f64| canonical64(a / b)),
        // Only the upper words of the argument and of the result count (§9.7.3.14, §9.7.3.18).
        Opcode::Rcp if inst.has(Word::Approx) => lift1(|a: f64| upper(canonical64(1.0 / upper(a)))),
        Opcode::Rsqrt if inst.has(Word::Ftz) => lift1(|a: f64| upper(canonical64(1.0 / upper(a).sqrt()))),
        Opcode::Rcp => lift1(|a: f64| canonical64(1.0 / a)),
        Opcode::Sqrt => lift1(|a: f64| canonical64(a.sqrt())),
        Opcode::Rsqrt => lift1(|a: f64| canonical64(1.0 / a.sqrt())),
        Opcode::Max => lift2(maximum64),
        Opcode::Min => lift2(minimum64),
        Opcode::Neg => lift1(|a: f64| -a),
        Opcode::Abs => lift1(|a: f64| a.abs()),
        Opcode::Copysign => lift2(|sign: f64, a: f64| a.copysign(sign)),
        _ => return None,
    })
}

/// The upper word, subnormals flushed.
#[inline(always)]
fn upper(x: f64) -> f64 {
    let bits = x.to_bits() & !0xffff_ffff;
    f64::from_bits(if bits & 0x7ff0_0000_0000_0000 == 0 { bits & 1 << 63 } else { bits })
}

/// Sums and products of halves are exact or innocuously rounded in single precision; a fused one is not.
#[inline(always)]
fn add<H: Half>(a: H, b: H) -> H {
    H::nearest(a.f32() + b.f32())
}

#[inline(always)]
fn sub<H: Half>(a: H, b: H) -> H {
    H::nearest(a.f32() - b.f32())
}

#[inline(always)]
fn mul<H: Half>(a: H, b: H) -> H {
    H::nearest(narrow_odd(a.f32() as f64 * b.f32() as f64))
}

#[inline(always)]
fn max<H: Half>(a: H, b: H) -> H {
    H::nearest(maximum(a.f32(), b.f32()))
}

#[inline(always)]
fn min<H: Half>(a: H, b: H) -> H {
    H::nearest(minimum(a.f32(), b.f32()))
}

#[inline(always)]
fn max_nan<H: Half>(a: H, b: H) -> H {
    H::nearest(either_nan(a.f32(), b.f32(), maximum(a.f32(), b.f32())))
}

#[inline(always)]
fn min_nan<H: Half>(a: H, b: H) -> H {
    H::nearest(either_nan(a.f32(), b.f32(), minimum(a.f32(), b.f32())))
}

#[inline(always)]
fn max_xorsign<H: Half>(a: H, b: H) -> H {
    H::nearest(xorsign(a.f32(), b.f32(), maximum))
}

#[inline(always)]
fn min_xorsign<H: Half>(a: H, b: H) -> H {
    H::nearest(xorsign(a.f32(), b.f32(), minimum))
}

#[inline(always)]
fn max_nan_xorsign<H: Half>(a: H, b: H) -> H {
    H::nearest(xorsign(a.f32(), b.f32(), |a, b| either_nan(a, b, maximum(a, b))))
}

#[inline(always)]
fn min_nan_xorsign<H: Half>(a: H, b: H) -> H {
    H::nearest(xorsign(a.f32(), b.f32(), |a, b| either_nan(a, b, minimum(a, b))))
}

#[inline(always)]
fn neg<H: Half>(a: H) -> H {
    H::from_bits(a.bits() ^ 0x8000)
}

#[inline(always)]
fn abs<H: Half>(a: H) -> H {
    H::from_bits(a.bits() & 0x7fff)
}

#[inline(always)]
fn relu<H: Half>(a: H) -> H {
    // NaN becomes the canonical one, negative values and -0 become +0 (§9.7.4.4).
    if a.f32().is_nan() {
        H::from_bits(0x7fff)
    } else if a.bits() & 0x8000 != 0 {
        H::from_bits(0)
    } else {
        a
    }
}

#[inline(always)]
fn clamp_unit<H: Half>(a: H) -> H {
    H::nearest(saturate(a.f32()))
}

/// Subnormals to zero; only `.f16` has `.ftz`.
#[inline(always)]
fn flush_half<H: Half>(a: H) -> H {
    let smallest = if H::MAX.bits() == 0x7bff { 0x0400 } else { 0x0080 };
    if a.bits() & 0x7fff < smallest { H::from_bits(a.bits() & 0x8000) } else { a }
}

macro_rules! half_recipe {
    ($name:ident, $t:ty, |$f1:ident, $a:ident| $one:expr, |$f2:ident, $a2:ident, $b2:ident| $two:expr,
     |$f3:ident, $a3:ident, $b3:ident, $c3:ident| $three:expr) => {
        #[allow(clippy::multiple_bound_locations)] // the lane type is `H` itself in one instance
        fn $name<H: Half>(inst: &Instruction) -> Option<Recipe>
        where
            $t: super::lanes::Lane<Raw = u32>,
        {
            macro_rules! one {
                ($f: expr) => {{
                    let _ = $f;
                    lift1(|$a: $t| {
                        let $f1 = $f;
                        $one
                    })
                }};
            }
            macro_rules! two {
                ($f: expr) => {
                    lift2(|$a2: $t, $b2: $t| {
                        let $f2 = $f;
                        $two
                    })
                };
            }
            let has = |w| inst.has(w);
            if [Word::Rz, Word::Rm, Word::Rp].iter().any(|w| has(*w)) {
                return None;
            }
            let mut recipe = Recipe::from(match inst.op {
                Opcode::Add => two!(add::<H>),
                Opcode::Sub => two!(sub::<H>),
                Opcode::Mul => two!(mul::<H>),
                Opcode::Fma => lift3(|$a3: $t, $b3: $t, $c3: $t| {
                    let $f3 = half_fma::<H>;
                    $three
                }),
                Opcode::Max if has(Word::Xorsign) && has(Word::Nan) => two!(max_nan_xorsign::<H>),
                Opcode::Min if has(Word::Xorsign) && has(Word::Nan) => two!(min_nan_xorsign::<H>),
                Opcode::Max if has(Word::Xorsign) => two!(max_xorsign::<H>),
                Opcode::Min if has(Word::Xorsign) => two!(min_xorsign::<H>),
                Opcode::Max if has(Word::Nan) => two!(max_nan::<H>),
                Opcode::Min if has(Word::Nan) => two!(min_nan::<H>),
                Opcode::Max => two!(max::<H>),
                Opcode::Min => two!(min::<H>),
                Opcode::Neg => one!(neg::<H>),
                Opcode::Abs => one!(abs::<H>),
                _ => return None,
            });
            if has(Word::Ftz) {
                recipe.before = Some(one!(flush_half::<H>));
                recipe.after.push(one!(flush_half::<H>));
            }
            if has(Word::Sat) {
                recipe.after.push(one!(clamp_unit::<H>));
            }
            if has(Word::Relu) {
                recipe.after.push(one!(relu::<H>));
            }
            Some(recipe)
        }
    };
}

half_recipe!(half, H, |f, a| f(a), |f, a, b| f(a, b), |f, a, b, c| f(a, b, c));
half_recipe!(pair, Pair<H>, |f, a| a.map(f), |f, a, b| a.zip(b, f), |f, a, b, c| a.zip3(b, c, f));
