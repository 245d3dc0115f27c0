//! The paged cache as a server uses it: every element type and layout, scales, rotated keys, bad input, tables that
//! cost what changed, swaps that go on beside, and many threads.

use flashpage::prelude::*;
use flashpage::runtime::cache::{
    CacheError, CacheOptions, DeviceTable, Eviction, KvScales, NewRows, PagedCache, PagedCacheError,
    Residence, handle,
};
use flashpage::runtime::device::{AsyncPolicy, EmulatorOptions, Sanitize};
use flashpage::runtime::device_kernels::{Rotary, RotaryStyle};

fn options() -> CacheOptions {
    CacheOptions {
        blocks: 16,
        block_size: 8,
        num_kv_heads: 2,
        head_dim: 16.into(),
        layers: 2,
        ..CacheOptions::default()
    }
}

/// Numbers between -2 and 2 that every type but fp8 holds exactly.
fn numbers(count: usize, salt: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 + salt * 11) % 65) as f32 / 16.0 - 2.0).collect()
}

fn write<T: HostElement + Element>(cache: &PagedCache, layer: usize, slots: &[i64], k: &[f32], v: &[f32]) {
    let of = |numbers: &[f32]| -> Vec<T> { numbers.iter().map(|x| T::from_f32(*x)).collect() };
    cache.write(layer, slots, &of(k), &of(v)).unwrap();
}

#[test]
fn every_type_and_layout_comes_back() {
    // Type; what a number may be off by, relative to it and absolute: half a step of 3 or 2 bits of mantissa, in units of
    // the scale below 2^-6 or 2^-14.
    let table = [
        (DType::F16, 0.0, 0.0),
        (DType::Bf16, 0.0, 0.0),
        (DType::E4m3, 1.0 / 16.0, 0.002),
        (DType::E5m2, 1.0 / 8.0, 0.001),
    ];
    for (dtype, relative, absolute) in table {
        for layout in [PoolLayout::Nhd, PoolLayout::Hnd] {
            let device = Device::emulator_with(EmulatorOptions {
                sanitize: Sanitize::USUAL,
                policy: AsyncPolicy::Lazy,
                ..EmulatorOptions::default()
            });
            let mut cache =
                PagedCache::new(&device, CacheOptions { dtype, layout, host_blocks: 8, ..options() })
                    .unwrap();
            if relative > 0.0 {
                cache.set_scales(1, KvScales { key: 0.5, value: 2.0 }).unwrap();
            }
            let id = cache.create();
            let slots = cache.append(id, 21).unwrap();
            let rows: Vec<[Vec<f32>; 2]> =
                (0..2).map(|layer| [numbers(21 * 32, layer), numbers(21 * 32, layer + 5)]).collect();
            for (layer, [k, v]) in rows.iter().enumerate() {
                if dtype == DType::Bf16 {
                    write::<bf16>(&cache, layer, &slots, k, v);
                } else {
                    write::<f16>(&cache, layer, &slots, k, v);
                }
            }
            let read = |cache: &PagedCache| -> Vec<Vec<f32>> {
                let out = if relative > 0.0 { DType::F32 } else { dtype };
                (0..2)
                    .flat_map(|layer| {
                        let (k, v) = cache.gather(layer, &[id], out).unwrap();
                        [k.to_f32_vec().unwrap(), v.to_f32_vec().unwrap()]
                    })
                    .collect()
            };
            let stored = read(&cache);
            for (read, written) in stored.iter().zip(rows.iter().flatten()) {
                for (read, written) in read.iter().zip(written) {
                    let allowed = relative * written.abs() + absolute;
                    assert!((read - written).abs() <= allowed, "{dtype} {layout:?}: {read} of {written}");
                }
            }
            // Away and back: bit for bit, wherever it lies then.
            let before = cache.blocks(id).unwrap().to_vec();
            let swap = cache.begin_swap_out(&[id]).unwrap();
            assert_eq!((cache.residence(id).unwrap(), swap.blocks()), (Residence::Moving, 3));
            assert!(!swap.is_done().unwrap(), "a lazy copy has not arrived");
            cache.finish_swap(swap).unwrap();
            assert_eq!(
                (cache.residence(id).unwrap(), cache.manager().pool().free_blocks()),
                (Residence::Host, 16)
            );
            let other = cache.create();
            cache.append(other, 8).unwrap();
            cache.swap_in(&[id]).unwrap();
            assert_ne!(cache.blocks(id).unwrap(), before);
            assert_eq!(read(&cache), stored, "{dtype} {layout:?}");
        }
    }
}

/// More blocks than the device stages at once: several rounds, each waited for before its memory is used again.
#[test]
fn long_sequences_move_in_rounds() {
    let device =
        Device::emulator_with(EmulatorOptions { policy: AsyncPolicy::Lazy, ..EmulatorOptions::default() });
    let mut cache =
        PagedCache::new(&device, CacheOptions { blocks: 100, host_blocks: 90, ..options() }).unwrap();
    let (id, tokens) = (cache.create(), 81 * 8 + 3);
    let slots = cache.append(id, tokens).unwrap();
    let (k, v) = (numbers(tokens * 32, 3), numbers(tokens * 32, 4));
    (0..2).for_each(|layer| write::<f16>(&cache, layer, &slots, &k, &v));
    for _ in 0..2 {
        cache.swap_out(&[id]).unwrap();
        // Other tokens where they were, so that what comes back came from the host.
        let other = cache.create();
        let slots = cache.append(other, 90 * 8).unwrap();
        let zeros = vec![0.0; 90 * 8 * 32];
        (0..2).for_each(|layer| write::<f16>(&cache, layer, &slots, &zeros, &zeros));
        cache.free(other).unwrap();
        let swap = cache.begin_swap_in(&[id]).unwrap();
        assert_eq!(swap.blocks(), 82);
        cache.finish_swap(swap).unwrap();
        for layer in 0..2 {
            let (keys, values) = cache.gather(layer, &[id], DType::F16).unwrap();
            assert!(keys.to_f32_vec().unwrap() == k && values.to_f32_vec().unwrap() == v, "layer {layer}");
        }
    }
}

#[test]
fn keys_are_rotated_on_the_way() {
    let device = Device::emulator();
    let mut cache = PagedCache::new(&device, options()).unwrap();
    let id = cache.create();
    let slots = cache.append(id, 5).unwrap();
    let slots = cache.slot_mapping(&slots).unwrap();
    let shape = [5, 2, 16];
    let halves = |salt| -> Vec<f16> { numbers(160, salt).into_iter().map(f16::from_f32).collect() };
    let keys = Tensor::from_slice(&device, &halves(1), &shape).unwrap();
    let values = Tensor::from_slice(&device, &halves(2), &shape).unwrap();
    // Position p turns pair i by p / 10^i.
    let angles: Vec<f32> = (0..8 * 4).map(|i| (i / 4) as f32 / 10f32.powi(i % 4)).collect();
    let table = |f: fn(f32) -> f32| {
        Tensor::from_slice(&device, &angles.iter().map(|a| f(*a)).collect::<Vec<_>>(), &[8, 4]).unwrap()
    };
    let (cos, sin) = (table(f32::cos), table(f32::sin));
    let positions = Tensor::from_slice(&device, &[3i32, 4, 5, 6, 7], &[5]).unwrap();
    let rotary = Rotary { positions: (&positions).into(), cos: &cos, sin: &sin, style: RotaryStyle::Halves };
    let rows = NewRows {
        keys: &keys,
        values: Some(&values),
        tokens: 5,
        slot_mapping: (&slots).into(),
        rotary: Some(rotary),
    };
    cache.write_rows(0, &rows).unwrap();
    let (k, v) = cache.gather(0, &[id], DType::F16).unwrap();
    assert_eq!(v.to_f32_vec().unwrap(), numbers(160, 2));
    let (read, given) = (k.to_f32_vec().unwrap(), numbers(160, 1));
    for token in 0..5 {
        for head in 0..2 {
            let at = (token * 2 + head) * 16;
            for pair in 0..4 {
                let angle = f64::from(token as u32 + 3) / 10f64.powi(pair as i32);
                let (a, b) = (f64::from(given[at + pair]), f64::from(given[at + 4 + pair]));
                let expected = [a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()];
                for (read, expected) in [read[at + pair], read[at + 4 + pair]].iter().zip(expected) {
                    assert!((f64::from(*read) - expected).abs() < 2e-3, "{read} of {expected}");
                }
            }
            // What is not rotated passes.
            assert_eq!(read[at + 8..at + 16], given[at + 8..at + 16]);
        }
    }
}

#[test]
fn bad_input_is_a_typed_error() {
    let device = Device::emulator();
    let made = |options| PagedCache::new(&device, options).map(drop);
    let mut cache = PagedCache::new(&device, options()).unwrap();
    let (a, b) = (cache.create(), cache.create());
    cache.append(a, 12).unwrap();
    let fork = cache.fork(a).unwrap();
    cache.append(b, 8).unwrap();
    let freed = cache.create();
    cache.append(freed, 8).unwrap();
    let old = cache.slot_mapping(&[0]).map(drop);
    assert!(old.is_ok());
    cache.free(freed).unwrap();
    let (short, done) = (cache.create(), cache.create());
    cache.append(short, 3).unwrap();
    cache.append(done, 8).unwrap();
    let idle = i64::from(cache.blocks(done).unwrap()[0]) * 8;
    let past = i64::from(cache.blocks(short).unwrap()[0]) * 8 + 3;
    cache.finish(done, "", &[1; 8]).unwrap();
    let before = (cache.stats(), cache.blocks(a).unwrap().to_vec());
    let row = [f16::ONE; 32];
    let table: Vec<(Result<(), PagedCacheError>, &str)> = vec![
        (
            made(CacheOptions { block_size: 0, ..options() }),
            "blocks of 0 tokens: the block size must be 1, 2, 4 or a multiple of 8",
        ),
        (
            made(CacheOptions { block_size: 12, ..options() }),
            "blocks of 12 tokens: the block size must be 1, 2, 4 or a multiple of 8",
        ),
        (
            made(CacheOptions { dtype: DType::I32, ..options() }),
            "a cache of i32: it holds f16, bf16, f32, e4m3 or e5m2",
        ),
        (made(CacheOptions { layers: 0, ..options() }), "a cache of 0 layers, 2 KV heads and head_dim 16"),
        (
            made(CacheOptions { head_dim: (usize::MAX / 2).into(), ..options() }),
            "has more bytes than can be counted",
        ),
        (made(CacheOptions { blocks: usize::MAX, ..options() }), "too large"),
        (made(CacheOptions { host_blocks: usize::MAX, ..options() }), "has more bytes than can be counted"),
        (cache.write(2, &[64], &row, &row), "there is no layer 2: the cache has 2"),
        (cache.write(0, &[-1], &row, &row), "slot -1 is negative"),
        (cache.write(0, &[128], &row, &row), "slot 128 is past the pool's 128 slots"),
        (cache.write(0, &[i64::MIN], &row, &row), "is negative"),
        (cache.write(0, &[120], &row, &row), "slot 120 is in block 15, which no sequence holds"),
        (cache.write(0, &[idle], &row, &row), "which no sequence holds"),
        (cache.write(0, &[past], &row, &row), "is past the 3 tokens that its sequence has in block"),
        (cache.write(0, &[0], &row, &row), "slot 0 is in block 0, which 2 hold"),
        (cache.write(0, &[16, 17], &row, &row), "32 numbers are not 2 tokens of 2 heads of 16"),
        (cache.write(0, &[16], &[0i32; 32], &[0i32; 32]), "i32"),
        (cache.set_scales(0, KvScales { key: 1.0, value: 1.0 }), "a cache of f16 is stored as it is"),
        (cache.append(freed, 1).map(drop), "was freed"),
        (cache.append(a, 1000).map(drop), "out of blocks: 126 needed, 11 free and 1 reclaimable"),
        (cache.gather(0, &[freed], DType::F16).map(drop), "was freed"),
        (cache.gather(0, &[a], DType::I32).map(drop), "i32"),
        (cache.swap_out(&[b]), "out of host blocks: 1 needed, 0 free of 0"),
        (cache.swap_in(&[a]), "is not swapped out"),
        (cache.truncate(a, 99), "cannot be truncated to 99"),
        (cache.publish(a, "", &[1; 13]).map(drop), "13 token ids for a sequence of 12 tokens"),
        (DeviceTable::new(&device, usize::MAX, 2).map(drop), "more than 2^31 - 1 entries"),
    ];
    for (result, expected) in table {
        let error = result.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
    assert_eq!(before, (cache.stats(), cache.blocks(a).unwrap().to_vec()));
    let mut table = DeviceTable::new(&device, 2, 1).unwrap();
    let error = table.sync(&cache, &[a]).map(drop).unwrap_err();
    assert!(
        matches!(error, PagedCacheError::Cache(CacheError::TableWidth { blocks: 2, width: 1, .. })),
        "{error}"
    );
    let error = table.sync(&cache, &[b, b, b]).map(drop).unwrap_err();
    assert!(
        matches!(error, PagedCacheError::Cache(CacheError::TableRows { sequences: 3, rows: 2 })),
        "{error}"
    );
    let (lock, covered) = cache.lock("", &[1; 40]);
    assert_eq!(covered, 8);
    cache.unlock(lock).unwrap();
    assert!(cache.unlock(lock).unwrap_err().to_string().contains("is not held"));
    let fp8 = CacheOptions { dtype: DType::E4m3, ..options() };
    let mut fp8 = PagedCache::new(&device, fp8).unwrap();
    for scales in [KvScales { key: 0.0, value: 1.0 }, KvScales { key: 1.0, value: f32::NAN }] {
        assert!(
            fp8.set_scales(0, scales).unwrap_err().to_string().contains("both must be above 0 and finite")
        );
    }
    // Sequences of one cache are not those of another, though the numbers are alike.
    assert!(fp8.len(fork).unwrap_err().to_string().contains("belongs to another cache"));
}

#[test]
fn a_table_costs_what_changed() {
    let device = Device::emulator();
    let mut cache = PagedCache::new(&device, CacheOptions { blocks: 64, ..options() }).unwrap();
    let ids: Vec<_> = (0..6).map(|_| cache.create()).collect();
    cache.step(ids.iter().map(|id| (*id, 8)), &mut Vec::new()).unwrap();
    let mut table = DeviceTable::new(&device, 8, 8).unwrap();
    let mut cost = |cache: &PagedCache| {
        let before = table.uploaded_bytes();
        table.sync(cache, &ids).unwrap();
        table.uploaded_bytes() - before
    };
    // A count, six entries of two words, six lengths.
    assert_eq!(cost(&cache), 8 + 6 * 8 + 6 * 4);
    assert_eq!(cost(&cache), 0);
    cache.append(ids[3], 1).unwrap();
    assert_eq!(cost(&cache), 8 + 8 + 6 * 4);
    // Tokens into blocks that are there already: lengths alone.
    cache.append(ids[3], 1).unwrap();
    assert_eq!(cost(&cache), 6 * 4);
}

#[test]
fn events_and_policies_reach_the_user() {
    let device = Device::emulator();
    let mut cache = PagedCache::new(&device, CacheOptions { eviction: Eviction::Lfu, ..options() }).unwrap();
    cache.record_events();
    let id = cache.create();
    cache.append(id, 17).unwrap();
    cache.finish(id, "tenant", &[7; 17]).unwrap();
    assert_eq!((cache.take_events().len(), cache.evict(9), cache.take_events().len()), (1, 2, 1));
}

#[test]
fn many_threads_one_owner() {
    let device = Device::emulator();
    let mut cache = PagedCache::new(&device, CacheOptions { blocks: 64, ..options() }).unwrap();
    let (handle, inbox) = handle::channel();
    let servers: Vec<_> = (0..4u32)
        .map(|server| {
            let handle = handle.clone();
            std::thread::spawn(move || {
                for request in 0..10 {
                    let prompt: Vec<u32> =
                        (0..20).map(|i| if i < 16 { i } else { server * 100 + request }).collect();
                    let cached = handle
                        .call(move |cache: &mut PagedCache| -> Result<usize, PagedCacheError> {
                            let admitted = cache.admit("", &prompt)?;
                            cache.append(admitted.id, prompt.len() - admitted.cached)?;
                            cache.finish(admitted.id, "", &prompt)?;
                            Ok(admitted.cached)
                        })
                        .unwrap()
                        .unwrap();
                    assert!(cached == 16 || cached == 0);
                }
            })
        })
        .collect();
    // The owner's own sequence grows step by step, whatever the others ask.
    let own = cache.create();
    let mut steps = 0;
    while servers.iter().any(|server| !server.is_finished()) {
        inbox.run(&mut cache);
        cache.append(own, 1).unwrap();
        if cache.len(own).unwrap() == 200 {
            cache.truncate(own, 0).unwrap();
        }
        steps += 1;
    }
    servers.into_iter().for_each(|server| server.join().unwrap());
    assert!(steps > 0);
    inbox.run(&mut cache);
    cache.free(own).unwrap();
    cache.manager().audit().unwrap();
    // The first of 40 computes the shared part, the others find it.
    assert_eq!(cache.stats().prefix.hit_tokens, 39 * 16);
    drop(inbox);
    assert!(handle.post(|_| {}).is_err(), "nobody is there to run it");
}
