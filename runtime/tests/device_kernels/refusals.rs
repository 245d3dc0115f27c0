//! Arguments that do not fit each other, and what they are told.

use crate::{ints, longs};
use flashpage_runtime::device_kernels::{
    AppendKv, DeviceArray, GatherKv, KvScales, MoveError, QuantScales, Rotary, RotaryStyle, append_kv,
    gather_kv,
};
use flashpage_runtime::{DType, Device, Pool, PoolLayout, Tensor};

fn told(result: Result<(), MoveError>) -> String {
    result.map_or_else(|error| error.to_string(), |()| String::new())
}

#[test]
fn append() {
    let device = Device::emulator();
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(&device, dtype, shape).unwrap();
    let (new, pool) = (zeros(DType::F16, &[3, 2, 8]), zeros(DType::F16, &[4, 16, 2, 8]));
    let (single, bits, wide) = (
        zeros(DType::F32, &[3, 2, 8]),
        zeros(DType::E4m3, &[4, 16, 2, 8]),
        zeros(DType::F16, &[4, 16, 2, 16]),
    );
    let (cos, sin) = (zeros(DType::F32, &[5, 4]), zeros(DType::F32, &[5, 5]));
    let (slots, positions) = (longs(&device, &[0, 1, 2]), ints(&device, &[0, 1, 2]));
    let nhd = |tensor| Pool { tensor, layout: PoolLayout::Nhd };
    let good = AppendKv {
        keys: &new,
        tokens: 3,
        key_pool: nhd(&pool),
        values: Some((&new, nhd(&pool))),
        slot_mapping: (&slots).into(),
        host_slots: None,
        rotary: None,
        scales: None,
    };
    let rotary = Rotary { positions: (&positions).into(), cos: &cos, sin: &cos, style: RotaryStyle::Halves };
    let (bad, few, scales) = ([0, -9, 64], [0], KvScales { key: 1.0, value: 2.0 });
    let (hnd, bits) = (Pool { tensor: &pool, layout: PoolLayout::Hnd }, nhd(&bits));
    let (row_of_wide, few_heads) = (zeros(DType::F16, &[3, 2, 16]), zeros(DType::F16, &[3, 1, 8]));
    let square = zeros(DType::F16, &[4, 2, 2, 8]);
    let alone = AppendKv { values: None, ..good };
    let square = |layout| Pool { tensor: &square, layout };
    let short = device.upload(&[0; 4]).unwrap();
    let of_heads = QuantScales::OfHeads { keys: (&short).into(), values: (&short).into() };
    let transposed = |tensor| Pool { tensor, layout: PoolLayout::Transposed };
    let (lying, halves) = (zeros(DType::E4m3, &[4, 2, 1, 8, 16]), zeros(DType::F16, &[4, 2, 1, 8, 16]));
    let short_blocks = zeros(DType::E4m3, &[8, 8, 2, 8]);
    let table: [(AppendKv<'_>, &str); 28] = [
        (AppendKv { key_pool: bits, values: Some((&new, transposed(&lying))), ..good }, ""),
        (
            AppendKv { key_pool: transposed(&lying), ..alone },
            "`key_pool` has shape [4, 2, 1, 8, 16]: it takes the layout Nhd or Hnd: values alone may lie transposed",
        ),
        (
            AppendKv { values: Some((&new, transposed(&halves))), ..good },
            "`value_pool` holds f16: it takes e4m3 or e5m2, where values lie transposed",
        ),
        (
            AppendKv { key_pool: nhd(&short_blocks), values: Some((&new, transposed(&lying))), ..good },
            "`value_pool` has shape [4, 2, 1, 8, 16]: it takes blocks of a multiple of 16 tokens, and `key_pool` has 8",
        ),
        (
            AppendKv { scales: Some(of_heads), key_pool: bits, ..alone },
            "`the scales of keys` has 4 bytes from offset 0 on: 8 are needed",
        ),
        (AppendKv { tokens: 0, ..good }, ""),
        (AppendKv { values: Some((&row_of_wide, nhd(&wide))), ..good }, ""),
        (alone, ""),
        (AppendKv { tokens: 4, ..alone }, "`keys` has 3 values, and there are 4"),
        (
            AppendKv { key_pool: nhd(&wide), ..alone },
            "`key_pool` has shape [4, 16, 2, 16]: it takes [4, 16, 2, 8]",
        ),
        (
            AppendKv { scales: Some(scales.into()), ..alone },
            "keys holds f16, which takes no scale: leave it out, or use a pool of e4m3 or e5m2",
        ),
        (
            AppendKv { values: Some((&few_heads, nhd(&pool))), ..good },
            "`values` has shape [3, 1, 8]: it takes [3, 2, head_dim], as the keys have them",
        ),
        (
            AppendKv { values: Some((&new, nhd(&wide))), ..good },
            "`value_pool` has shape [4, 16, 2, 16]: it takes [4, 16, 2, 8]",
        ),
        (
            AppendKv {
                key_pool: square(PoolLayout::Nhd),
                values: Some((&new, square(PoolLayout::Hnd))),
                ..good
            },
            "`value_pool` has shape [4, 2, 2, 8]: it takes the layout Nhd of `key_pool`",
        ),
        (AppendKv { tokens: 4, ..good }, "`keys` has 3 values, and there are 4"),
        (
            AppendKv { values: Some((&single, nhd(&pool))), ..good },
            "`values` holds f32: it takes f16, as the keys do",
        ),
        (
            AppendKv { keys: &pool, ..good },
            "`keys` has shape [4, 16, 2, 8]: it takes [rows, kv_heads, head_dim]",
        ),
        (
            AppendKv { keys: &single, values: Some((&single, nhd(&pool))), ..good },
            "`key_pool` holds f16: it takes f32, e4m3 or e5m2",
        ),
        (
            AppendKv { values: Some((&new, bits)), ..good },
            "`value_pool` holds e4m3: it takes f16, as `key_pool` does",
        ),
        (
            AppendKv { key_pool: nhd(&wide), ..good },
            "`key_pool` has shape [4, 16, 2, 16]: it takes [4, 16, 2, 8]",
        ),
        (
            AppendKv { key_pool: nhd(&new), ..good },
            "`key_pool` has shape [3, 2, 8]: it takes [blocks, block_size, kv_heads, head_dim], and blocks of one token or more",
        ),
        (AppendKv { key_pool: hnd, ..good }, "`key_pool` has shape [4, 16, 2, 8]: it takes [4, 2, 2, 8]"),
        (
            AppendKv { scales: Some(scales.into()), ..good },
            "keys holds f16, which takes no scale: leave it out, or use a pool of e4m3 or e5m2",
        ),
        (
            AppendKv {
                key_pool: bits,
                values: Some((&new, bits)),
                scales: Some(KvScales { value: -1.0, ..scales }.into()),
                ..good
            },
            "the scale of values is -1: it must be finite and above zero",
        ),
        (
            AppendKv { host_slots: Some(&bad), ..good },
            "`host_slots`[2] is 64, and the pool has 64: give less, or a negative slot for padding",
        ),
        (AppendKv { host_slots: Some(&few), ..good }, "`host_slots` has 1 values, and there are 3"),
        (
            AppendKv { rotary: Some(Rotary { cos: &sin, ..rotary }), ..good },
            "`cos` has shape [5, 5]: it takes [max_position, rotary_dim / 2], where head_dim is 8 and rotary_dim no more",
        ),
        (
            AppendKv { rotary: Some(Rotary { sin: &sin, ..rotary }), ..good },
            "`sin` has shape [5, 5]: it takes [5, 4]",
        ),
    ];
    for (args, expected) in table {
        assert_eq!(told(append_kv(&device, &args)), expected);
    }
}

#[test]
fn gather() {
    let device = Device::emulator();
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(&device, dtype, shape).unwrap();
    let (pool, bits) = (zeros(DType::F16, &[4, 16, 2, 8]), zeros(DType::E5m2, &[4, 16, 2, 8]));
    let (out, single, narrow) =
        (zeros(DType::F16, &[5, 2, 8]), zeros(DType::F32, &[5, 2, 8]), zeros(DType::F16, &[5, 1, 8]));
    let list = ints(&device, &[0; 6]);
    let array = DeviceArray::from(&list);
    let good = GatherKv {
        pool: Pool { tensor: &pool, layout: PoolLayout::Nhd },
        block_table: array,
        table_width: 3,
        sequences: 2,
        seq_lens: array,
        cu_seqlens: array,
        longest: 0,
        out: &out,
        scale: None,
    };
    let bits = Pool { tensor: &bits, ..good.pool };
    let table: [(GatherKv<'_>, &str); 8] = [
        (good, ""),
        (GatherKv { sequences: 0, ..good }, ""),
        (GatherKv { out: &single, ..good }, "`out` holds f32: it takes f16"),
        (GatherKv { out: &single, pool: bits, scale: Some(2.0), ..good }, ""),
        (
            GatherKv { out: &narrow, ..good },
            "`out` has shape [5, 1, 8]: it takes [tokens, 2, 8], as the pool has them",
        ),
        (GatherKv { table_width: 4, ..good }, "`block_table` has 24 bytes from offset 0 on: 32 are needed"),
        (
            GatherKv { pool: bits, scale: Some(f32::NAN), ..good },
            "the scale of the pool is NaN: it must be finite and above zero",
        ),
        (
            GatherKv { sequences: 65_536, ..good },
            "the number of sequences is 65536, and can be 65535 at most: split the work",
        ),
    ];
    for (args, expected) in table {
        assert_eq!(told(gather_kv(&device, &args)), expected);
    }
}
