//! Elements by their formats' definitions, apart from the code under test.

use flashpage_runtime::DType;
use half::{bf16, f16};

/// What keys, values and queries may hold.
pub const FLOATS: [DType; 3] = [DType::F16, DType::Bf16, DType::F32];

/// The 8-bit types.
pub const EIGHT_BITS: [DType; 2] = [DType::E4m3, DType::E5m2];

/// The finite numbers of an 8-bit format from zero up: a number's place is its bits.
fn table(dtype: DType) -> Vec<f64> {
    let (digits, bias, end) = if dtype == DType::E4m3 { (3, 7, 0x7f) } else { (2, 15, 0x7c) };
    let value = |bits: i32| {
        let (exponent, significand) =
            (bits >> digits, f64::from(bits & ((1 << digits) - 1)) / 2f64.powi(digits));
        let normal = f64::from(u8::from(exponent > 0));
        (normal + significand) * 2f64.powi(exponent.max(1) - bias)
    };
    (0..end).map(value).collect()
}

/// The bytes of the nearest number.
pub fn encode(dtype: DType, value: f32) -> Vec<u8> {
    match dtype {
        DType::F16 => f16::from_f32(value).to_le_bytes().to_vec(),
        DType::Bf16 => bf16::from_f32(value).to_le_bytes().to_vec(),
        DType::F32 => value.to_le_bytes().to_vec(),
        _ if value.is_nan() => vec![0x7f],
        _ => {
            let table = table(dtype);
            let magnitude = f64::from(value).abs().min(table[table.len() - 1]);
            let distance = |at: f64| (magnitude - at).abs();
            let best = (0..table.len()).min_by(|a, b| {
                distance(table[*a]).total_cmp(&distance(table[*b])).then((a % 2).cmp(&(b % 2)))
            });
            vec![best.unwrap() as u8 | if value.is_sign_negative() { 0x80 } else { 0 }]
        }
    }
}

pub fn encode_all(dtype: DType, values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| encode(dtype, *value)).collect()
}

pub fn decode(dtype: DType, bytes: &[u8]) -> f32 {
    match dtype {
        DType::F16 => f16::from_le_bytes(bytes.try_into().unwrap()).to_f32(),
        DType::Bf16 => bf16::from_le_bytes(bytes.try_into().unwrap()).to_f32(),
        DType::F32 => f32::from_le_bytes(bytes.try_into().unwrap()),
        _ => {
            let infinite = dtype == DType::E5m2 && bytes[0] & 0x7f == 0x7c;
            let special = if infinite { f32::INFINITY } else { f32::NAN };
            let magnitude =
                table(dtype).get(usize::from(bytes[0] & 0x7f)).map_or(special, |value| *value as f32);
            if bytes[0] & 0x80 == 0 { magnitude } else { -magnitude }
        }
    }
}
