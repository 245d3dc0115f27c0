//! `merge_states` against sums in f64.

use crate::{Rng, devices, ints};
use flashpage_runtime::device_kernels::{DeviceArray, MergeStates, MoveError, merge_states};
use flashpage_runtime::{DType, Device, LogBase, Tensor};

/// Rows of parts: how many there are of each, and which saw no key.
struct Case {
    dtype: DType,
    head_dim: usize,
    /// Where the partial outputs begin in their buffer.
    shift: usize,
    in_use: i32,
    /// In how many numbers log-sum-exps are.
    lse_numbers: usize,
}

#[test]
fn as_in_f64() {
    let cases = [DType::F16, DType::Bf16, DType::F32].into_iter().flat_map(|dtype| {
        [(128, 0), (64, 4), (64, 16), (40, 0), (36, 0), (7, 0), (1, 8), (256, 0)].map(|(head_dim, shift)| {
            Case { dtype, head_dim, shift, in_use: 11, lse_numbers: 1 + head_dim / 4 % 2 }
        })
    });
    let more = Case { dtype: DType::F16, head_dim: 64, shift: 0, in_use: 500, lse_numbers: 1 };
    for case in cases.chain([more]) {
        for device in devices() {
            check(&device, &case);
        }
    }
}

fn check(device: &Device, case: &Case) {
    let Case { dtype, head_dim, shift, in_use, lse_numbers } = *case;
    let mut rng = Rng(head_dim as u64);
    // A row each: parts, then what it is: 0 as usual, 1 one part without keys, 2 none with keys, 3 to be left alone.
    let rows: [(usize, u8); 13] = [
        (1, 0),
        (2, 0),
        (5, 1),
        (3, 2),
        (0, 0),
        (4, 3),
        (17, 0),
        (2, 1),
        (1, 2),
        (8, 0),
        (3, 0),
        (2, 0),
        (2, 0),
    ];
    let stride = rows.len();
    let partial_rows = 17 * stride;
    let mut lse: Vec<f32> = (0..partial_rows).map(|_| 6.0 * rng.number()).collect();
    let mut o: Vec<f32> = (0..partial_rows * head_dim).map(|_| rng.number()).collect();
    for (row, (count, kind)) in rows.iter().enumerate() {
        for part in 0..*count {
            if *kind == 2 || (*kind == 1 && part == count / 2) {
                let at = row + part * stride;
                lse[at] = f32::NEG_INFINITY;
                o[at * head_dim..][..head_dim].fill(f32::NAN);
            }
        }
    }
    let bytes = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let o_part = device.upload(&[vec![0; shift], bytes(&o)].concat()).unwrap();
    // Of a part without keys the first is minus infinity.
    let in_two = |(at, lse): (usize, &f32)| [*lse - 0.25 * (at % 9) as f32, 0.25 * (at % 9) as f32];
    let lse_part = match lse_numbers {
        1 => device.upload(&bytes(&lse)),
        _ => device.upload(&bytes(&lse.iter().enumerate().flat_map(in_two).collect::<Vec<_>>())),
    };
    let lse_part = lse_part.unwrap();
    // Both bases by turns.
    let base = if dtype == DType::Bf16 { LogBase::Two } else { LogBase::E };
    // One workspace of ints, as a planner makes it.
    let out_rows = rng.order(rows.len() + 2);
    let of = |f: &dyn Fn(usize) -> i32| (0..rows.len()).map(f).collect::<Vec<i32>>();
    let workspace = [
        of(&|row| if rows[row].1 == 3 { -1 } else { row as i32 }),
        of(&|row| rows[row].0 as i32),
        vec![stride as i32; rows.len()],
        of(&|row| out_rows[row] as i32),
        vec![in_use],
    ]
    .concat();
    let workspace = ints(device, &workspace);
    let array = |nth: usize| DeviceArray { buffer: &workspace, byte_offset: 4 * nth * rows.len() };
    let out = Tensor::filled_nan(device, dtype, &[rows.len() + 2, head_dim]).unwrap();
    let out_lse = Tensor::filled_nan(device, DType::F32, &[rows.len() + 2]).unwrap();
    let args = MergeStates {
        o_part: DeviceArray { buffer: &o_part, byte_offset: shift },
        lse_part: (&lse_part).into(),
        lse_numbers,
        partial_rows,
        first: array(0),
        count: array(1),
        stride: array(2),
        out_row: array(3),
        rows_in_use: array(4),
        capacity: rows.len(),
        o: &out,
        lse: &out_lse,
        base,
    };
    merge_states(device, &args).unwrap_or_else(|error| panic!("{dtype} {head_dim}: {error}"));
    let (got, got_lse) = (out.to_f32_vec().unwrap(), out_lse.to_f32_vec().unwrap());
    let mut untouched = vec![true; rows.len() + 2];
    let tolerance = match dtype {
        DType::F16 => 2f64.powi(-11),
        DType::Bf16 => 2f64.powi(-8),
        _ => 1e-6,
    };
    for (row, (count, kind)) in rows.iter().enumerate().take(in_use.min(13) as usize) {
        if *kind == 3 {
            continue;
        }
        let out_row = out_rows[row];
        untouched[out_row] = false;
        let parts: Vec<usize> = (0..*count).map(|part| row + part * stride).collect();
        let sum: f64 = parts.iter().map(|part| f64::from(lse[*part]).exp()).sum();
        let expected = sum.ln() * base.from_natural();
        let found = f64::from(got_lse[out_row]);
        assert!(found == expected || (found - expected).abs() <= 1e-5, "row {row}: {found}, not {expected}");
        for i in 0..head_dim {
            let expected: f64 = parts
                .iter()
                .filter(|part| lse[**part] != f32::NEG_INFINITY)
                .map(|part| f64::from(lse[*part]).exp() / sum * f64::from(o[part * head_dim + i]))
                .sum();
            let found = f64::from(got[out_row * head_dim + i]);
            let most = tolerance * expected.abs().max(0.1) + 3e-6;
            assert!(
                (found - expected).abs() <= most,
                "{dtype} {head_dim} row {row}, {i}: {found}, not {expected}"
            );
        }
    }
    for (out_row, untouched) in untouched.into_iter().enumerate() {
        if untouched {
            assert!(got[out_row * head_dim..][..head_dim].iter().all(|x| x.is_nan()), "row {out_row}");
            assert!(got_lse[out_row].is_nan(), "row {out_row}");
        }
    }
}

#[test]
fn sizes_are_checked() {
    let device = Device::emulator();
    let (o, lse) = (
        Tensor::zeros(&device, DType::F16, &[3, 2, 8]).unwrap(),
        Tensor::zeros(&device, DType::F32, &[3, 2]).unwrap(),
    );
    let (part, few) = (device.alloc(10 * 8 * 4).unwrap(), ints(&device, &[0; 4]));
    let array = DeviceArray::from(&few);
    let good = MergeStates {
        o_part: (&part).into(),
        lse_part: (&part).into(),
        lse_numbers: 1,
        partial_rows: 10,
        first: array,
        count: array,
        stride: array,
        out_row: array,
        rows_in_use: array,
        capacity: 4,
        o: &o,
        lse: &lse,
        base: LogBase::E,
    };
    let other = Device::emulator();
    let elsewhere = Tensor::zeros(&other, DType::F32, &[6]).unwrap();
    let table: [(MergeStates<'_>, &str); 6] = [
        (MergeStates { capacity: 0, ..good }, ""),
        (MergeStates { capacity: 5, ..good }, "`first` has 16 bytes from offset 0 on: 20 are needed"),
        (MergeStates { partial_rows: 11, ..good }, "`o_part` has 320 bytes from offset 0 on: 352 are needed"),
        (
            MergeStates { o: &lse, ..good },
            "`lse` has shape [3, 2]: it takes one number for each of the 3 rows of `o`",
        ),
        (
            MergeStates { lse: &elsewhere, ..good },
            "`lse` belongs to another device: move it, or launch there",
        ),
        (
            MergeStates { count: DeviceArray { buffer: &few, byte_offset: 2 }, capacity: 3, ..good },
            "`count` begins at byte 2: it must begin at a multiple of 4",
        ),
    ];
    for (args, expected) in table {
        let message = merge_states(&device, &args)
            .map_or_else(|error: MoveError| error.to_string(), |()| String::new());
        assert_eq!(message, expected);
    }
}
