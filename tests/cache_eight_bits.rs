//! Attention over a cache of 8 bits: scales found of a prompt, keys and values quantised on their way in, shared, forked, swapped out and
//! back, and read by the stock kernel, whole and planned.

use crate::planning;
use crate::targets;

use flashpage::codegen::Arch;
use flashpage::prelude::*;
use flashpage::runtime::Argument;
use flashpage::runtime::cache::{CacheOptions, KvScales, NewRows, PagedCache, Saturated, SequenceId};
use flashpage::runtime::{Capacity, LaunchOptions, launch, reference};
use planning::{forced, judge_arguments, stock, wrong};
use targets::harsh;

const HEADS: usize = 2;
const DIM: usize = 64;
/// Keys and values are not as large as each other.
const SIZES: [f32; 2] = [3.0, 0.02];

fn options(dtype: DType, value_layout: ValueLayout) -> CacheOptions {
    CacheOptions {
        dtype,
        num_kv_heads: HEADS,
        head_dim: DIM.into(),
        blocks: 48,
        host_blocks: 16,
        value_layout,
        ..CacheOptions::default()
    }
}

/// Numbers between -size and size.
fn numbers(count: usize, size: f32, salt: u32) -> Vec<f16> {
    let mut state = salt;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f16::from_f32(size * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0))
    };
    (0..count).map(|_| draw()).collect()
}

/// New rows of keys and of values.
fn rows(device: &Device, tokens: usize, salt: u32) -> [Tensor; 2] {
    [0, 1].map(|which| {
        let numbers = numbers(tokens * HEADS * DIM, SIZES[which], salt + which as u32);
        Tensor::from_slice(device, &numbers, &[tokens, HEADS, DIM]).unwrap()
    })
}

fn grow(cache: &mut PagedCache, id: SequenceId, tokens: usize, salt: u32) {
    let slots = cache.append(id, tokens).unwrap();
    let [keys, values] = rows(cache.device(), tokens, salt);
    let slot_mapping = cache.slot_mapping(&slots).unwrap();
    let slot_mapping = (&slot_mapping).into();
    let new = NewRows { keys: &keys, values: Some(&values), tokens, slot_mapping, rotary: None };
    cache.write_rows(0, &new).unwrap();
}

/// A sequence, a sample of it that parts inside a block, and one of its own, which leaves for the host and comes back.
fn sequences(cache: &mut PagedCache) -> [SequenceId; 3] {
    let first = cache.create();
    grow(cache, first, 170, 1);
    let (second, third) = (cache.fork(first).unwrap(), cache.create());
    grow(cache, first, 3, 2);
    grow(cache, second, 40, 3);
    grow(cache, third, 33, 6);
    let read = |cache: &PagedCache| {
        let (keys, values) = cache.gather(0, &[third], DType::F32).unwrap();
        [keys, values].map(|numbers| numbers.to_f32_vec().unwrap())
    };
    let before = if cache.options().dtype == DType::F16 { None } else { Some(read(cache)) };
    cache.swap_out(&[third]).unwrap();
    cache.swap_in(&[third]).unwrap();
    assert!(before.is_none_or(|before| before == read(cache)));
    [first, second, third]
}

#[test]
fn quantised_shared_swapped_and_read() {
    const Q_LENS: [i32; 3] = [1, 2, 5];
    const Q_HEADS: usize = 4;
    let program = stock("scaled_paged_attention");
    // Queries of 16 bits, and of 8, which read values that lie transposed, or by rows.
    use ValueLayout::{Rows, Transposed};
    let table = [
        (Arch::Sm80, DType::F16, DType::E4m3, Rows),
        (Arch::Sm90a, DType::F16, DType::E5m2, Rows),
        (Arch::Sm90a, DType::E4m3, DType::E4m3, Transposed),
        (Arch::Sm90a, DType::E5m2, DType::E4m3, Rows),
        (Arch::Sm90a, DType::E4m3, DType::E5m2, Transposed),
    ];
    for (arch, of_queries, dtype, value_layout) in table {
        let device = harsh(arch);
        let mut cache = PagedCache::new(&device, options(dtype, value_layout)).unwrap();
        // A prompt says what numbers are like.
        let prompt = rows(&device, 170, 1);
        let mapping = cache.slot_mapping(&[-1; 170]).unwrap();
        let of_prompt = NewRows {
            keys: &prompt[0],
            values: Some(&prompt[1]),
            tokens: 170,
            slot_mapping: (&mapping).into(),
            rotary: None,
        };
        let KvScales { key, value } = cache.fit_scales(0, &of_prompt, 1.0).unwrap();
        let most = if dtype == DType::E4m3 { 448.0 } else { 57344.0 };
        assert!((key * most / SIZES[0] - 1.0).abs() < 1e-2 && (value * most / SIZES[1] - 1.0).abs() < 1e-2);
        assert_eq!(cache.saturated(0, &of_prompt).unwrap(), Saturated::default());
        // A third of the scale has a third of the room: of even numbers two thirds are beyond it.
        cache.set_scales(0, KvScales { key: key / 3.0, value }).unwrap();
        let lost = cache.saturated(0, &of_prompt).unwrap();
        let share = lost.keys as f64 / prompt[0].len() as f64;
        assert!((share - 2.0 / 3.0).abs() < 0.02 && lost.values == 0, "{lost:?}");
        cache.set_scales(0, KvScales { key, value }).unwrap();
        let ids = sequences(&mut cache);
        let table = cache.table(&ids).unwrap();
        // The same, unquantised.
        let mut plain = PagedCache::new(&device, options(DType::F16, Rows)).unwrap();
        let plain_ids = sequences(&mut plain);
        let plain_table = plain.table(&plain_ids).unwrap();
        let ones = plain.head_scales(0, ids.len()).unwrap();
        let starts = Starts::from_lens(&device, &Q_LENS).unwrap();
        let tokens = starts.tokens();
        let q = numbers(tokens * Q_HEADS * DIM, 1.0, 7);
        let shape = [tokens, Q_HEADS, DIM];
        let q = match of_queries {
            DType::F16 => Tensor::from_slice(&device, &q, &shape),
            DType::E4m3 => {
                let q: Vec<E4m3> = q.iter().map(|x| E4m3::from_f32(x.to_f32())).collect();
                Tensor::from_slice(&device, &q, &shape)
            }
            _ => {
                let q: Vec<E5m2> = q.iter().map(|x| E5m2::from_f32(x.to_f32())).collect();
                Tensor::from_slice(&device, &q, &shape)
            }
        }
        .unwrap();
        let [k_scales, v_scales] = cache.head_scales(0, ids.len()).unwrap();
        let of_shape = |dtype, shape: &[usize]| Tensor::filled_nan(&device, dtype, shape).unwrap();
        for options in [None, Some(forced(1)), Some(forced(3))] {
            let o = of_shape(DType::F16, &[tokens, Q_HEADS, DIM]);
            let lse = of_shape(DType::F32, &[tokens, Q_HEADS]);
            let arguments = [
                Argument::Ragged(Ragged { tensor: &q, starts: &starts }),
                Argument::Pool(cache.keys(0).unwrap()),
                Argument::Pool(cache.values(0).unwrap()),
                Argument::Table(&table),
                Argument::Output(&o),
                Argument::Output(&lse),
                Argument::Vector(&k_scales),
                Argument::Vector(&v_scales),
                Argument::F32(1.0 / (DIM as f32).sqrt()),
                Argument::I32(i32::MAX),
            ];
            let Some(options) = options else {
                launch(&device, program, &arguments, &LaunchOptions::default()).unwrap();
                assert_eq!(wrong(program, &arguments), None, "{arch}, {dtype}");
                let mut unquantised = arguments;
                unquantised[1] = Argument::Pool(plain.keys(0).unwrap());
                unquantised[2] = Argument::Pool(plain.values(0).unwrap());
                unquantised[3] = Argument::Table(&plain_table);
                unquantised[6] = Argument::Vector(&ones[0]);
                unquantised[7] = Argument::Vector(&ones[1]);
                let expected = reference(program, &unquantised).unwrap();
                let (mut off, mut all) = (0.0, 0.0);
                for (got, wanted) in o.to_f32_vec().unwrap().iter().zip(&expected[0].values) {
                    off += (f64::from(*got) - wanted).powi(2);
                    all += wanted.powi(2);
                }
                // A number of 8 bits is off by 1/32 of itself at the most, or 1/16; these are off by half of that in the mean, and O by
                // little more.
                // Probabilities of 8 bits lose as much again.
                let most = if dtype == DType::E4m3 { 0.04 } else { 0.08 };
                let most = if of_queries == DType::F16 { most } else { 1.5 * most };
                assert!((off / all).sqrt() < most, "{arch}, {dtype}: {}", (off / all).sqrt());
                continue;
            };
            let capacity = Capacity {
                split_items: Some(100),
                partial_rows: Some(2000),
                ..Capacity::new(tokens, ids.len())
            };
            judge_arguments(&device, program, &arguments, (capacity, options), &[])
                .unwrap_or_else(|error| panic!("{arch}, {dtype}: {error}"));
        }
    }
}
