//! One launch case on two devices: a GPU beside the emulator, or the emulator beside itself under another policy.
//!
//! Where a kernel's arithmetic is defined to the bit (integers, IEEE operations, conversions, copies), its outputs must
//! be the same bits. Some instructions leave their result to the hardware: matrix products sum in an order of their
//! own, approximations differ in the last bits, and atomics add floats as they come. A kernel that has any of these
//! must agree within rounding: two units in the last place of an output's largest number, and the checker's cap on the
//! L2 norm of the difference.

use crate::check::Outcome;
use crate::results::Parity;
use flashpage_runtime::case::{Case, CaseError};
use flashpage_runtime::check::{max_relative_l2, rounding_unit};
use flashpage_runtime::npy::{Array, NumberType};
use flashpage_runtime::{DType, Device};
use std::collections::BTreeSet;
use std::path::Path;

/// The instructions of PTX text whose results are the hardware's own, by their first words.
pub fn inexact(ptx: &str) -> Vec<String> {
    let mut found = BTreeSet::new();
    for line in ptx.lines() {
        let line = line.split("//").next().unwrap_or_default();
        for word in line.split([' ', '\t', ';', '{', '}']) {
            let parts: Vec<&str> = word.split('.').collect();
            let has = |part: &str| parts.contains(&part);
            let float = ["f16", "f16x2", "bf16", "bf16x2", "f32", "f64"].iter().any(|ty| has(ty));
            let own = match parts[0] {
                "mma" | "wgmma" | "wmma" => !has("s32") && (has("mma") || has("mma_async")),
                "ex2" | "lg2" | "sin" | "cos" | "tanh" => true,
                "rcp" | "rsqrt" | "sqrt" | "div" => has("approx") || has("full"),
                // Bulk reductions name the type too.
                "atom" | "red" | "cp" => has("add") && float,
                _ => false,
            };
            if own {
                let last = parts.last().copied().unwrap_or_default();
                found.insert(match parts.len() {
                    1 => parts[0].to_owned(),
                    2 => format!("{}.{last}", parts[0]),
                    _ => format!("{}.{}.{last}", parts[0], parts[1]),
                });
            }
        }
    }
    found.into_iter().collect()
}

/// Runs a case on both devices and compares what it leaves in every output.
pub fn parity(path: &Path, device: &Device, beside: &Device) -> Outcome<Parity> {
    let name = path.parent().and_then(Path::file_name).unwrap_or(path.as_os_str());
    let mut row = Parity { case: name.to_string_lossy().into_owned(), ..Parity::default() };
    let mut spoiled = false;
    match compare(path, device, beside, &mut row) {
        Ok(None) => row.passed = true,
        Ok(Some(difference)) => row.message = Some(difference),
        Err(error) => {
            spoiled = !device.is_emulator() && matches!(error, CaseError::Device(_) | CaseError::Load { .. });
            row.message = Some(error.to_string());
        }
    }
    Outcome { row, spoiled }
}

fn compare(
    path: &Path,
    device: &Device,
    beside: &Device,
    row: &mut Parity,
) -> Result<Option<String>, CaseError> {
    let case = Case::load(path)?;
    row.entry = case.entry().to_owned();
    row.inexact_because = inexact(case.ptx());
    row.exact = row.inexact_because.is_empty();
    let expected = case.evaluate(beside)?.arrays;
    let got = case.evaluate(device)?.arrays;
    row.identical = true;
    let mut difference = None;
    let mut largest = 0.0f64;
    for (name, expected) in &expected {
        let Some(got) = got.get(name) else { continue };
        row.identical &= got.bytes == expected.bytes;
        let found = Difference::of(got, expected);
        largest = largest.max(found.max_abs);
        let wrong = if row.exact { found.bits() } else { found.beyond_rounding(expected.ty) };
        if let Some(wrong) = wrong {
            difference.get_or_insert(format!("{name}: {wrong}"));
        }
    }
    row.max_abs = Some(largest);
    Ok(difference)
}

/// How two arrays differ.
struct Difference {
    /// Elements whose bits differ, and the first of them with both values.
    different: usize,
    first: Option<(usize, f64, f64)>,
    /// A number on one side that the other does not have: the first place where one is not finite.
    special: Option<(usize, f64, f64)>,
    max_abs: f64,
    /// The largest finite number.
    largest: f64,
    relative_l2: f64,
}

impl Difference {
    fn of(got: &Array, expected: &Array) -> Difference {
        let mut found = Difference {
            different: 0,
            first: None,
            special: None,
            max_abs: 0.0,
            largest: 0.0,
            relative_l2: 0.0,
        };
        let size = expected.ty.bytes().max(1);
        let bytes = got.bytes.chunks(size).zip(expected.bytes.chunks(size));
        let numbers = got.to_f64().into_iter().zip(expected.to_f64());
        let (mut off, mut all) = (0.0, 0.0);
        for (index, ((g_bytes, e_bytes), (g, e))) in bytes.zip(numbers).enumerate() {
            // NaNs are told apart by nobody: which bits one has is the hardware's own.
            if g_bytes == e_bytes || g.is_nan() && e.is_nan() {
                if e.is_finite() {
                    found.largest = found.largest.max(e.abs());
                    all += e * e;
                }
                continue;
            }
            found.different += 1;
            found.first.get_or_insert((index, g, e));
            if !g.is_finite() || !e.is_finite() {
                found.special.get_or_insert((index, g, e));
                continue;
            }
            found.largest = found.largest.max(e.abs());
            found.max_abs = found.max_abs.max((g - e).abs());
            all += e * e;
            off += (g - e) * (g - e);
        }
        found.relative_l2 = match (off == 0.0, all == 0.0) {
            (true, _) => 0.0,
            (false, true) => f64::INFINITY,
            (false, false) => (off / all).sqrt(),
        };
        found
    }

    fn bits(&self) -> Option<String> {
        let (index, got, expected) = self.first?;
        Some(format!("{} elements differ, [{index}] is {got} instead of {expected}", self.different))
    }

    fn beyond_rounding(&self, ty: NumberType) -> Option<String> {
        if let Some((index, got, expected)) = self.special {
            return Some(format!("[{index}] is {got} instead of {expected}"));
        }
        let (unit, cap) = match ty {
            NumberType::F16 => (rounding_unit(DType::F16, self.largest), max_relative_l2(DType::F16)),
            NumberType::Bf16 => (rounding_unit(DType::Bf16, self.largest), max_relative_l2(DType::Bf16)),
            // Sums of some hundred products, each rounded as the hardware does.
            NumberType::F32 => (256.0 * rounding_unit(DType::F32, self.largest), max_relative_l2(DType::F32)),
            // Twenty-nine more bits than f32; approximations of reciprocals are where such code begins.
            NumberType::F64 => (256.0 * 2f64.powi(-52) * self.largest, 1e-13),
            _ => return self.bits(),
        };
        if self.max_abs > 2.0 * unit {
            return Some(format!("differs by {:.3e}, {:.3e} is rounding", self.max_abs, 2.0 * unit));
        }
        (self.relative_l2 > cap).then(|| format!("relative L2 {:.3e} over {cap:e}", self.relative_l2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_that_are_the_hardwares_own() {
        let table: &[(&str, &[&str])] = &[
            ("add.rn.f32 %f1, %f2, %f3;", &[]),
            ("@%p1 fma.rn.f32 %f1, %f2, %f3, %f4; // ex2.approx", &[]),
            ("ex2.approx.ftz.f32 %f1, %f2;", &["ex2.approx.f32"]),
            ("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1}, {%r1};", &["mma.sync.f32"]),
            ("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%r1}, {%r2};", &[]),
            ("wgmma.fence.sync.aligned;", &[]),
            ("wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {%f1}, %rd1;", &["wgmma.mma_async.f16"]),
            ("div.rn.f32 %f1, %f2, %f3; sqrt.approx.f32 %f1, %f2;", &["sqrt.approx.f32"]),
            ("atom.global.add.u32 %r1, [%rd1], 1;", &[]),
            ("red.global.add.f32 [%rd1], %f1;", &["red.global.f32"]),
            ("cp.async.cg.shared.global [%r1], [%rd1], 16;", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(inexact(text), *expected, "{text}");
        }
    }

    #[test]
    fn arrays_that_differ() {
        let array = |values: &[f64], ty: NumberType| Array {
            ty,
            shape: vec![values.len()],
            bytes: values.iter().flat_map(|x| ty.write(*x)).collect(),
        };
        let unit = 2f64.powi(-10);
        // Values on the device, on the emulator, whether they are the same bits, and the same within rounding.
        type Case<'a> = (&'a [f64], &'a [f64], bool, bool);
        let table: &[Case<'_>] = &[
            (&[1.0, 2.0], &[1.0, 2.0], true, true),
            (&[f64::NAN, 2.0], &[f64::NAN, 2.0], true, true),
            // Among many numbers: a single one off by a unit leaves the norm where it was.
            (
                &[1.0 + unit, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5],
                &[1.0, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5],
                false,
                true,
            ),
            (&[1.0 + 3.0 * unit, 1.5], &[1.0, 1.5], false, false),
            // Within two units everywhere, and yet too far off together.
            (&[1.0 + 2.0 * unit, 1.0 + 2.0 * unit], &[1.0, 1.0], false, false),
            (&[f64::INFINITY, 2.0], &[1.0, 2.0], false, false),
            (&[1.0, 2.0], &[f64::NAN, 2.0], false, false),
        ];
        for (got, expected, bits, rounding) in table {
            let found = Difference::of(&array(got, NumberType::F16), &array(expected, NumberType::F16));
            assert_eq!(found.bits().is_none(), *bits, "{got:?} {expected:?}");
            assert_eq!(found.beyond_rounding(NumberType::F16).is_none(), *rounding, "{got:?} {expected:?}");
        }
        // The same numbers in wider types: how far apart they are, and whether that is rounding.
        let table = [
            (NumberType::F32, 3e-5, true),
            (NumberType::F32, 3e-4, false),
            (NumberType::F64, 3e-14, true),
            (NumberType::F64, 3e-9, false),
            (NumberType::I32, 1.0, false),
        ];
        for (ty, apart, rounding) in table {
            let mut got = [1.0; 64];
            let expected = got;
            got[7] += apart;
            let found = Difference::of(&array(&got, ty), &array(&expected, ty));
            assert_eq!(found.beyond_rounding(ty).is_none(), rounding, "{} {apart}", ty.as_str());
        }
    }
}
