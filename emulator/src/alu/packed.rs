//! Single precision of the newer targets: two numbers in a 64-bit register, three-input minima, and sums with a half
//! (PTX ISA §9.7.3, §9.7.5).

use super::Recipe;
use super::float::{canonical, directed, either_nan, flush, maximum, minimum, saturate, sum};
use super::halves::{Bf16, F16, Half, Pair};
use super::lanes::{Kernel, lift1, lift2, lift3};
use flashpage_ptx::ast::Instruction;
use flashpage_ptx::words::{Opcode, Type, Word};

/// The recipe of an instruction of this file; `None` for any other.
pub fn recipe(inst: &Instruction) -> Option<Recipe> {
    match (inst.op, inst.ty(0)?, inst.ty(1)) {
        (_, Type::F32x2, None) => two(inst),
        (Opcode::Min | Opcode::Max, Type::F32, None) if inst.operands.len() == 4 => {
            three(inst).map(Recipe::from)
        }
        (Opcode::Add | Opcode::Sub | Opcode::Fma, Type::F32, Some(Type::F16)) => mixed::<F16>(inst),
        (Opcode::Add | Opcode::Sub | Opcode::Fma, Type::F32, Some(Type::Bf16)) => mixed::<Bf16>(inst),
        _ => None,
    }
}

fn rounding(inst: &Instruction) -> char {
    let modes = [(Word::Rz, 'z'), (Word::Rm, 'm'), (Word::Rp, 'p')];
    modes.into_iter().find(|(w, _)| inst.has(*w)).map_or('n', |(_, c)| c)
}

/// From a double that is exact or rounded to odd.
#[inline(always)]
fn rounded<const MODE: char>(x: f64) -> f32 {
    canonical(if MODE == 'n' { x as f32 } else { directed::<MODE>(x) })
}

fn two(inst: &Instruction) -> Option<Recipe> {
    type P = Pair<f32>;
    macro_rules! of_mode {
        ($m:literal) => {
            match inst.op {
                Opcode::Add => {
                    lift2(|a: P, b: P| a.zip(b, |a, b| rounded::<$m>(sum::<$m>(a as f64, b as f64))))
                }
                Opcode::Sub => {
                    lift2(|a: P, b: P| a.zip(b, |a, b| rounded::<$m>(sum::<$m>(a as f64, -b as f64))))
                }
                Opcode::Mul => lift2(|a: P, b: P| a.zip(b, |a, b| rounded::<$m>(a as f64 * b as f64))),
                Opcode::Fma => lift3(|a: P, b: P, c: P| {
                    a.zip3(b, c, |a, b, c| rounded::<$m>(sum::<$m>(a as f64 * b as f64, c as f64)))
                }),
                _ => return None,
            }
        };
    }
    let mut recipe = Recipe::from(match rounding(inst) {
        'z' => of_mode!('z'),
        'm' => of_mode!('m'),
        'p' => of_mode!('p'),
        _ => of_mode!('n'),
    });
    if inst.has(Word::Ftz) {
        recipe.before = Some(lift1(|a: P| a.map(flush)));
        recipe.after.push(lift1(|a: P| a.map(flush)));
    }
    Some(recipe)
}

/// `min` and `max` of three.
fn three(inst: &Instruction) -> Option<Kernel> {
    fn of<const MAX: bool, const NAN: bool, const ABS: bool, const FTZ: bool>(a: f32, b: f32, c: f32) -> f32 {
        let [a, b, c] = [a, b, c].map(|x| if FTZ { flush(x) } else { x });
        let [a, b, c] = [a, b, c].map(|x| if ABS { x.abs() } else { x });
        let pick = |a, b| if MAX { maximum(a, b) } else { minimum(a, b) };
        let result = pick(pick(a, b), c);
        if NAN { either_nan(a, b, either_nan(a, c, result)) } else { result }
    }
    macro_rules! choose {
        ($($max:literal $nan:literal $abs:literal $ftz:literal),*) => {
            match (inst.op == Opcode::Max, inst.has(Word::Nan), inst.has(Word::AbsWord), inst.has(Word::Ftz)) {
                $(($max, $nan, $abs, $ftz) => lift3(of::<$max, $nan, $abs, $ftz>),)*
            }
        };
    }
    Some(choose!(
        false false false false, false false false true, false false true false, false false true true,
        false true false false, false true false true, false true true false, false true true true,
        true false false false, true false false true, true false true false, true false true true,
        true true false false, true true false true, true true true false, true true true true
    ))
}

/// `add.f32.f16 d, a, c`: the half is widened, and the result rounded once.
fn mixed<H: Half + super::lanes::Lane<Raw = u32>>(inst: &Instruction) -> Option<Recipe> {
    macro_rules! of_mode {
        ($m:literal) => {
            match inst.op {
                Opcode::Add => lift2(|a: H, c: f32| rounded::<$m>(sum::<$m>(a.f32() as f64, c as f64))),
                Opcode::Sub => lift2(|a: H, c: f32| rounded::<$m>(sum::<$m>(a.f32() as f64, -c as f64))),
                Opcode::Fma => lift3(|a: H, b: H, c: f32| {
                    rounded::<$m>(sum::<$m>(a.f32() as f64 * b.f32() as f64, c as f64))
                }),
                _ => return None,
            }
        };
    }
    let mut recipe = Recipe::from(match rounding(inst) {
        'z' => of_mode!('z'),
        'm' => of_mode!('m'),
        'p' => of_mode!('p'),
        _ => of_mode!('n'),
    });
    if inst.has(Word::Sat) {
        recipe.after.push(lift1(saturate));
    }
    Some(recipe)
}
