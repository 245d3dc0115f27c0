//! `find_scales` and `count_saturated` against the host.

use crate::numbers::{EIGHT_BITS, FLOATS, decode, encode_all};
use crate::{Rng, devices};
use flashpage_runtime::device_kernels::{CountSaturated, FindScales, ScalePer, count_saturated, find_scales};
use flashpage_runtime::{DType, Device, Tensor};

const PER: [ScalePer; 4] =
    [ScalePer::Tensor, ScalePer::Head, ScalePer::Run { tokens: 64 }, ScalePer::Run { tokens: 7 }];

/// Rows with a few that are huge, infinite, NaN and zero, and what they hold.
fn rows(device: &Device, from: DType, [tokens, heads, dim]: [usize; 3]) -> (Tensor, Vec<f32>) {
    let mut rng = Rng((tokens + dim) as u64);
    let mut numbers: Vec<f32> = (0..tokens * heads * dim).map(|_| rng.number()).collect();
    for (at, special) in [f32::INFINITY, f32::NAN, 3e4, -5e4, 0.0, 700.0].into_iter().enumerate() {
        let place = rng.below(numbers.len());
        numbers[place] = if at % 2 == 0 { special } else { -special };
    }
    let bytes = encode_all(from, &numbers);
    let held = bytes.chunks_exact(from.bytes()).map(|bytes| decode(from, bytes)).collect();
    (Tensor::from_bytes(device, from, &bytes, &[tokens, heads, dim]).unwrap(), held)
}

#[test]
fn scales_are_those_of_the_largest() {
    for (turn, device) in devices().iter().enumerate() {
        for (number, shape) in [[150, 2, 64], [1, 3, 33], [65, 1, 128], [200, 5, 8]].into_iter().enumerate() {
            for from in FLOATS {
                let (tensor, held) = rows(device, from, shape);
                let to = EIGHT_BITS[(number + turn) % 2];
                let most = if to == DType::E4m3 { 448.0 } else { 57344.0 };
                let [given, heads, dim] = shape;
                // Rows behind those that count.
                let tokens = given - given / 10;
                for per in PER {
                    let args = FindScales { rows: &tensor, tokens, to, per };
                    let got = find_scales(device, &args).unwrap();
                    let of = |head: usize, token: usize| match per {
                        ScalePer::Tensor => 0,
                        ScalePer::Head => head,
                        ScalePer::Run { tokens: run } => head * tokens.div_ceil(run) + token / run,
                    };
                    let mut largest = vec![0f32; got.len()];
                    for (at, value) in held.iter().enumerate() {
                        let (token, head) = (at / dim / heads, at / dim % heads);
                        if token < tokens && value.is_finite() {
                            let place = &mut largest[of(head, token)];
                            *place = place.max(value.abs());
                        }
                    }
                    let scales: Vec<f32> = largest
                        .iter()
                        .map(|most_of| if *most_of == 0.0 { 1.0 } else { most_of / most })
                        .collect();
                    assert_eq!(got.to_f32_vec().unwrap(), scales, "{shape:?} {from} {to} {per:?}");
                }
                for scale in [1.0, 0.01, 50.0] {
                    let args = CountSaturated { rows: &tensor, tokens, to, scale };
                    let mut expected = vec![0u64; heads];
                    for (at, value) in held.iter().enumerate() {
                        let (token, head) = (at / dim / heads, at / dim % heads);
                        expected[head] += u64::from(token < tokens && value.abs() > most * scale);
                    }
                    assert_eq!(
                        count_saturated(device, &args).unwrap(),
                        expected,
                        "{shape:?} {from} {to} {scale}"
                    );
                }
            }
        }
    }
}

#[test]
fn nothing_has_a_scale_of_one() {
    let device = Device::emulator();
    let tensor = Tensor::zeros(&device, DType::F16, &[4, 2, 8]).unwrap();
    for (tokens, per, expected) in [
        (4, ScalePer::Head, vec![1.0; 2]),
        (0, ScalePer::Tensor, vec![1.0]),
        (0, ScalePer::Run { tokens: 4 }, vec![]),
    ] {
        let args = FindScales { rows: &tensor, tokens, to: DType::E4m3, per };
        assert_eq!(find_scales(&device, &args).unwrap().to_f32_vec().unwrap(), expected, "{per:?}");
    }
}

#[test]
fn what_is_refused() {
    let device = Device::emulator();
    let tensor = |dtype, shape: &[usize]| Tensor::zeros(&device, dtype, shape).unwrap();
    let (good, flat, bits) =
        (tensor(DType::F16, &[4, 2, 8]), tensor(DType::F16, &[4, 16]), tensor(DType::E4m3, &[4, 2, 8]));
    let find = FindScales { rows: &good, tokens: 4, to: DType::E4m3, per: ScalePer::Tensor };
    for (args, expected) in [
        (FindScales { rows: &flat, ..find }, "`rows` has shape [4, 16]: it takes [rows, heads, head_dim]"),
        (FindScales { rows: &bits, ..find }, "`rows` holds e4m3: it takes f16, bf16 or f32"),
        (FindScales { tokens: 5, ..find }, "`rows` has 4 values, and there are 5"),
        (FindScales { to: DType::F16, ..find }, "`to` holds f16: it takes e4m3 or e5m2"),
        (
            FindScales { per: ScalePer::Run { tokens: 0 }, ..find },
            "`tokens of a run` has 0 values, and there are 1",
        ),
    ] {
        assert_eq!(find_scales(&device, &args).unwrap_err().to_string(), expected);
    }
    let count = CountSaturated { rows: &good, tokens: 4, to: DType::E5m2, scale: 0.0 };
    let said = count_saturated(&device, &count).unwrap_err().to_string();
    assert_eq!(said, "the scale of rows is 0: it must be finite and above zero");
}
