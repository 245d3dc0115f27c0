//! The special-function unit: `ex2`, `lg2`, `rsqrt`, `sin`, `cos`, `tanh` (PTX ISA §9.7.3.16–22, §9.7.4.9–10).
//!
//! All are computed in double precision and rounded once, so they are within 0.51 ulp where hardware's
//! approximations are within 2 ulp (`ex2`, `rsqrt`), an absolute 2^-22 (`lg2` near one) or about 2^-21 (`sin`,
//! `cos`, `tanh`). A kernel whose result depends on the hardware's last bit will differ; one that is
//! within its tolerance here has an ulp or two less of error than there. `ex2` does not call the host's
//! library, so it is the same on every host.

use super::Recipe;
use super::float::{canonical, flush};
use super::halves::{Bf16, F16, Half, Pair};
use super::lanes::{Kernel, lift1};
use flashpage_ptx::ast::Instruction;
use flashpage_ptx::words::{Opcode, Type, Word};

/// `2^x`, correctly rounded but for about one argument in a million.
#[inline(always)]
pub fn exp2(x: f32) -> f32 {
    const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52: adding it leaves the integer in the low bits
    const LN2: f64 = std::f64::consts::LN_2;
    const fn coefficient(n: u32) -> f64 {
        let (mut c, mut i) = (1.0, 1);
        while i <= n {
            c *= LN2 / i as f64;
            i += 1;
        }
        c
    }
    let x = x as f64;
    let x = if x > 130.0 { 130.0 } else { x };
    let x = if x < -160.0 { -160.0 } else { x };
    let shifted = x + ROUND;
    let f = x - (shifted - ROUND);
    // |f| <= 1/2: the first term left out is below 8e-12.
    let mut p = const { coefficient(9) };
    p = p * f + const { coefficient(8) };
    p = p * f + const { coefficient(7) };
    p = p * f + const { coefficient(6) };
    p = p * f + const { coefficient(5) };
    p = p * f + const { coefficient(4) };
    p = p * f + const { coefficient(3) };
    p = p * f + const { coefficient(2) };
    p = p * f + LN2;
    p = p * f + 1.0;
    let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    canonical((p * scale) as f32)
}

fn log2(x: f32) -> f32 {
    canonical((x as f64).log2() as f32)
}

fn rsqrt(x: f32) -> f32 {
    canonical((1.0 / (x as f64).sqrt()) as f32)
}

fn sin(x: f32) -> f32 {
    canonical((x as f64).sin() as f32)
}

fn cos(x: f32) -> f32 {
    canonical((x as f64).cos() as f32)
}

fn tanh(x: f32) -> f32 {
    canonical((x as f64).tanh() as f32)
}

/// The recipe of a transcendental instruction.
pub fn recipe(inst: &Instruction) -> Option<Recipe> {
    let ftz = inst.has(Word::Ftz);
    macro_rules! of_type {
        ($f:expr) => {
            match inst.ty(0)? {
                Type::F32 if ftz => lift1(|a: f32| flush($f(flush(a)))),
                Type::F32 => lift1(|a: f32| $f(a)),
                Type::F16 => lift1(|a: F16| F16::nearest($f(a.f32()))),
                Type::Bf16 => lift1(|a: Bf16| Bf16::nearest($f(a.f32()))),
                Type::F16x2 => lift1(|a: Pair<F16>| a.map(|a| F16::nearest($f(a.f32())))),
                Type::Bf16x2 => lift1(|a: Pair<Bf16>| a.map(|a| Bf16::nearest($f(a.f32())))),
                _ => return None,
            }
        };
    }
    let kernel: Kernel = match inst.op {
        Opcode::Ex2 => of_type!(exp2),
        Opcode::Tanh => of_type!(tanh),
        Opcode::Lg2 => of_type!(log2),
        Opcode::Rsqrt => of_type!(rsqrt),
        Opcode::Sin => of_type!(sin),
        Opcode::Cos => of_type!(cos),
        _ => return None,
    };
    Some(kernel.into())
}

#[cfg(test)]
mod tests {
    use super::exp2;

    #[test]
    fn powers_of_two() {
        let exact: &[(f32, f32)] = &[
            (0.0, 1.0),
            (-0.0, 1.0),
            (1.0, 2.0),
            (-1.0, 0.5),
            (127.0, 2f32.powi(127)),
            (128.0, f32::INFINITY),
            (f32::INFINITY, f32::INFINITY),
            (f32::NEG_INFINITY, 0.0),
            (-126.0, f32::MIN_POSITIVE),
            (-149.0, f32::from_bits(1)),
            (-151.0, 0.0),
            (f32::MIN, 0.0),
        ];
        for (x, want) in exact {
            assert_eq!(exp2(*x), *want, "2^{x}");
        }
        assert!(exp2(f32::NAN).is_nan());
    }

    #[test]
    fn within_half_an_ulp_of_the_host() {
        for i in 0..200_000 {
            let x = -150.0 + i as f32 * 0.001_39;
            let want = (x as f64).exp2();
            let ulp = (f32::from_bits((want as f32).to_bits() + 1) - want as f32) as f64;
            assert!((exp2(x) as f64 - want).abs() <= 0.501 * ulp, "2^{x}");
        }
    }
}
