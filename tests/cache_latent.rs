//! Multi-head latent attention over a paged cache of latent rows: what it stores, what it refuses, and the stock kernel over it,
//! whole and planned, after forks and truncations.

use crate::planning;
use crate::targets;

use flashpage::codegen::Arch;
use flashpage::prelude::*;
use flashpage::runtime::Argument;
use flashpage::runtime::cache::{
    CacheOptions, KvScales, NewRows, PagedCache, PagedCacheError, SequenceId, StoredValues,
};
use flashpage::runtime::device_kernels::{Rotary, RotaryStyle};
use flashpage::runtime::{Capacity, LaunchOptions, PlanOptions, launch};
use planning::{forced, judge_arguments, stock, wrong};
use targets::{ARCHS, harsh};

/// DeepSeek's, and a small one.
const HEAD_DIMS: [HeadDim; 2] = [HeadDim { qk: 576, v: 512 }, HeadDim { qk: 96, v: 64 }];

fn options(head_dim: HeadDim) -> CacheOptions {
    CacheOptions { head_dim, blocks: 48, values: StoredValues::InKeys, ..CacheOptions::default() }
}

/// Numbers between -1 and 1.
fn numbers(count: usize, salt: u32) -> Vec<f16> {
    let mut state = salt;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f16::from_f32((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    (0..count).map(|_| draw()).collect()
}

fn grow(cache: &mut PagedCache, id: SequenceId, tokens: usize, salt: u32) {
    let slots = cache.append(id, tokens).unwrap();
    cache.write_keys(0, &slots, &numbers(tokens * cache.options().head_dim.qk, salt)).unwrap();
}

/// A prompt, two samples of it that part inside a block, one of them taken back and gone on with otherwise, and a sequence of its
/// own. 170 is past a whole block; 137 is inside one that was shared.
fn sequences(cache: &mut PagedCache) -> Vec<SequenceId> {
    let prompt = cache.create();
    grow(cache, prompt, 170, 1);
    let (sample, retold, alone) = (cache.fork(prompt).unwrap(), cache.fork(prompt).unwrap(), cache.create());
    grow(cache, prompt, 3, 2);
    grow(cache, sample, 40, 3);
    grow(cache, retold, 9, 4);
    cache.truncate(retold, 137).unwrap();
    grow(cache, retold, 20, 5);
    grow(cache, alone, 33, 6);
    vec![prompt, sample, retold, alone]
}

#[test]
fn the_stock_kernel_whole_and_planned() {
    // Tokens that are new of each sequence: a decode, drafts to verify, and an append.
    const Q_LENS: [i32; 4] = [1, 2, 1, 5];
    const Q_HEADS: usize = 4;
    let program = stock("latent_attention");
    for (arch, head_dim) in ARCHS.into_iter().flat_map(|arch| HEAD_DIMS.map(|head_dim| (arch, head_dim))) {
        let device = harsh(arch);
        let mut cache = PagedCache::new(&device, options(head_dim)).unwrap();
        let ids = sequences(&mut cache);
        let table = cache.table(&ids).unwrap();
        let starts = Starts::from_lens(&device, &Q_LENS).unwrap();
        let (tokens, HeadDim { qk, v }) = (starts.tokens(), head_dim);
        let q = numbers(tokens * Q_HEADS * qk, 7);
        let q = Tensor::from_slice(&device, &q, &[tokens, Q_HEADS, qk]).unwrap();
        // On a grid, planned whole, with keys in three parts, and with the prompt's blocks attended to once for those that
        // share them.
        let prefixes = cache.shared_prefixes(&ids).unwrap();
        let together = PlanOptions { always_cascade: true, ..PlanOptions::default() };
        for options in [None, Some(forced(1)), Some(forced(3)), Some(together)] {
            let o = Tensor::filled_nan(&device, DType::F16, &[tokens, Q_HEADS, v]).unwrap();
            let lse = Tensor::filled_nan(&device, DType::F32, &[tokens, Q_HEADS]).unwrap();
            let arguments = [
                Argument::Ragged(Ragged { tensor: &q, starts: &starts }),
                Argument::Pool(cache.keys(0).unwrap()),
                Argument::Table(&table),
                Argument::Output(&o),
                Argument::Output(&lse),
                Argument::F32(1.0 / (qk as f32).sqrt()),
            ];
            let Some(options) = options else {
                launch(&device, program, &arguments, &LaunchOptions::default()).unwrap();
                assert_eq!(wrong(program, &arguments), None, "{arch}, {head_dim}");
                continue;
            };
            let capacity = Capacity {
                cascade: options.always_cascade,
                split_items: Some(100),
                partial_rows: Some(2000),
                ..Capacity::new(tokens, ids.len())
            };
            let shared = if options.always_cascade { &prefixes[..] } else { &[] };
            let plan = judge_arguments(&device, program, &arguments, (capacity, options), shared)
                .unwrap_or_else(|error| panic!("{arch}, {head_dim}: {error}"));
            assert_eq!(plan.groups, shared, "{arch}, {head_dim}\n{plan}");
            assert_eq!(options != forced(1), plan.merged_rows > 0, "{arch}, {head_dim}\n{plan}");
        }
        assert_eq!((prefixes.len(), prefixes[0].tokens), (1, 128));
    }
}

#[test]
fn half_the_memory_or_less() {
    let device = Device::emulator();
    let head_dim = HeadDim { qk: 576, v: 512 };
    let options = CacheOptions { layers: 3, host_blocks: 8, ..options(head_dim) };
    let cache = PagedCache::new(&device, options).unwrap();
    let block = |head_dim: usize| 3 * 16 * head_dim * 2;
    assert_eq!(cache.bytes_of_block(), block(576));
    let (keys, values) = cache.pool_shapes();
    assert_eq!((keys.dims(), values), (vec![48, 16, 1, 576], None));
    let both = CacheOptions { values: StoredValues::Own, ..options };
    let both = PagedCache::new(&device, both).unwrap();
    assert_eq!(both.bytes_of_block(), block(576 + 512));
    assert_eq!(both.pool_shapes().1.map(|shape| shape.dims()), Some(vec![48, 16, 1, 512]));
}

/// 8-bit rows have one scale, of keys; they go to the host and come back as they were.
#[test]
fn eight_bits_and_back() {
    for dtype in [DType::E4m3, DType::E5m2] {
        let device = harsh(Arch::Sm80);
        let options = CacheOptions { dtype, host_blocks: 8, ..options(HeadDim { qk: 48, v: 32 }) };
        let mut cache = PagedCache::new(&device, options).unwrap();
        cache.set_scales(0, KvScales { key: 0.5, value: 0.5 }).unwrap();
        let id = cache.create();
        grow(&mut cache, id, 37, 8);
        let read =
            |cache: &PagedCache| cache.gather_keys(0, &[id], DType::F32).unwrap().to_f32_vec().unwrap();
        let stored = read(&cache);
        for (stored, given) in stored.iter().zip(numbers(37 * 48, 8)) {
            assert!((stored - given.to_f32()).abs() <= given.to_f32().abs() / 8.0 + 0.002, "{dtype}");
        }
        cache.swap_out(&[id]).unwrap();
        cache.swap_in(&[id]).unwrap();
        assert_eq!(read(&cache), stored, "{dtype}");
    }
}

#[test]
fn a_mismatch_is_a_typed_error_and_changes_nothing() {
    let device = Device::emulator();
    let head_dim = HeadDim { qk: 48, v: 32 };
    let of = |values| {
        let options = CacheOptions { dtype: DType::E4m3, values, ..options(head_dim) };
        let mut cache = PagedCache::new(&device, options).unwrap();
        let id = cache.create();
        let slots = cache.append(id, 2).unwrap();
        (cache, id, slots)
    };
    let ((mut latent, id, slots), (ordinary, own, own_slots)) =
        (of(StoredValues::InKeys), of(StoredValues::Own));
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(&device, dtype, shape).unwrap();
    let (keys, values) = (zeros(DType::F16, &[2, 1, 48]), zeros(DType::F16, &[2, 1, 32]));
    let (angles, positions) = (zeros(DType::F32, &[4, 8]), zeros(DType::I32, &[2]));
    let mapping = latent.slot_mapping(&slots).unwrap();
    let rows =
        NewRows { keys: &keys, values: None, tokens: 2, slot_mapping: (&mapping).into(), rotary: None };
    let rotary =
        Rotary { positions: (&positions).into(), cos: &angles, sin: &angles, style: RotaryStyle::Halves };
    let (k, v) = (vec![f16::ONE; 96], vec![f16::ONE; 64]);
    let wider = CacheOptions { head_dim: HeadDim { qk: 64, v: 80 }, ..options(head_dim) };
    let in_keys =
        "this cache has its values in its keys (`StoredValues::InKeys`), the first 32 numbers of each";
    let of_its_own = "this cache has pools of values (`StoredValues::Own`), and none are given";
    let scale = latent.set_scales(0, KvScales { key: 0.5, value: 2.0 });
    let table: Vec<(Result<(), PagedCacheError>, String)> = vec![
        (
            PagedCache::new(&device, wider).map(drop),
            "head_dim 64/80 with `StoredValues::InKeys`: values are the first numbers of keys, so `v` can be 64 at most"
                .to_owned(),
        ),
        (
            latent.values(0).map(drop),
            format!("{in_keys}: launch a kernel that cuts them out of a row, such as `latent_attention`, on `keys`"),
        ),
        (latent.values(1).map(drop), "there is no layer 1: the cache has 1".to_owned()),
        (latent.write(0, &slots, &k, &v), format!("{in_keys}: write the rows with `write_keys`")),
        (latent.write(0, &slots, &k, &[]), format!("{in_keys}: write the rows with `write_keys`")),
        (latent.write_keys(0, &slots, &v), "64 numbers are not 2 tokens of 1 heads of 48".to_owned()),
        (latent.gather(0, &[id], DType::F16).map(drop), format!("{in_keys}: read the rows with `gather_keys`")),
        (
            latent.write_rows(0, &NewRows { values: Some(&values), ..rows }),
            format!("{in_keys}: give `values: None`"),
        ),
        (
            latent.write_rows(0, &NewRows { rotary: Some(rotary), ..rows }),
            "a rotation turns the first numbers of keys, which in this cache are the values (`StoredValues::InKeys`): \
             rotate the part behind them before the rows are written, and give `rotary: None`"
                .to_owned(),
        ),
        (
            scale,
            "scales of 0.5 and 2: this cache has its values in its keys (`StoredValues::InKeys`), give both one scale"
                .to_owned(),
        ),
        (ordinary.write_keys(0, &own_slots, &k), format!("{of_its_own}: write both with `write`")),
        (ordinary.write_rows(0, &rows), format!("{of_its_own}: give `values`")),
    ];
    for (result, expected) in table {
        assert_eq!(result.expect_err(&expected).to_string(), expected);
    }
    // Nothing was written: all is as it was when the pools were made. Keys alone can be read of either.
    for (cache, id) in [(&latent, id), (&ordinary, own)] {
        let read = cache.gather_keys(0, &[id], DType::F32).unwrap().to_f32_vec().unwrap();
        assert!(read.len() == 96 && read.iter().all(|x| x.is_nan()), "{read:?}");
    }
    latent.write_rows(0, &rows).unwrap();
    assert_eq!(latent.gather_keys(0, &[id], DType::F32).unwrap().to_f32_vec().unwrap(), [0.0; 96]);
}
