//! From the prefix tree to the planner: what sequences of a batch share in the cache is computed once for all of them.

use crate::planning;
use crate::targets;

use flashpage::codegen::program::Generic;
use flashpage::codegen::{Arch, Program};
use flashpage::prelude::*;
use flashpage::runtime::cache::{CacheOptions, DeviceTable, PagedCache, SequenceId};
use flashpage::runtime::{Argument, Capacity, EmulatorOptions, PlanOptions, Planner};
use planning::{judge_arguments, stock, storing};

const HEADS: (usize, usize) = (4, 2);
const HEAD_DIM: usize = 64;

fn numbers<T: Element>(count: usize, salt: u32) -> Vec<T> {
    let mut state = salt;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        T::from_f32((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    (0..count).map(|_| draw()).collect()
}

/// Sequences with a system prompt in common, and templates that two each share, all admitted through the prefix tree.
fn admitted<T: Element + HostElement>(cache: &mut PagedCache) -> Vec<SequenceId> {
    let mut ids = Vec::new();
    for request in 0..8u32 {
        let template = (request % 4) * 1000;
        let system = 0..400u32;
        let prompt: Vec<u32> = system.chain(template..template + 64).chain([90_000 + request; 21]).collect();
        let admitted = cache.admit("", &prompt).unwrap();
        let slots = cache.append(admitted.id, prompt.len() - admitted.cached).unwrap();
        let count = slots.len() * HEADS.1 * HEAD_DIM;
        let [keys, values] = [request, request + 100].map(|salt| numbers::<T>(count, salt));
        cache.write(0, &slots, &keys, &values).unwrap();
        cache.publish(admitted.id, "", &prompt).unwrap();
        ids.push(admitted.id);
    }
    ids
}

fn cache(device: &Device, dtype: DType) -> PagedCache {
    cache_of(device, CacheOptions { dtype, ..CacheOptions::default() })
}

fn cache_of(device: &Device, options: CacheOptions) -> PagedCache {
    let options = CacheOptions { blocks: 128, num_kv_heads: HEADS.1, head_dim: HEAD_DIM.into(), ..options };
    PagedCache::new(device, options).unwrap()
}

/// What a decode of some sequences is launched on.
struct Decode {
    starts: Starts,
    q: Tensor,
    o: Tensor,
    lse: Tensor,
}

impl Decode {
    /// Of queries of `T`, with an output of `dtype`.
    fn new<T: Element + HostElement>(device: &Device, dtype: DType, sequences: usize) -> Decode {
        let shape = [sequences, HEADS.0, HEAD_DIM];
        Decode {
            starts: Starts::uniform(device, sequences, 1).unwrap(),
            q: Tensor::from_slice(device, &numbers::<T>(shape.iter().product(), 7), &shape).unwrap(),
            o: Tensor::filled_nan(device, dtype, &shape).unwrap(),
            lse: Tensor::filled_nan(device, DType::F32, &shape[..2]).unwrap(),
        }
    }

    /// For a paged kernel, with what it takes beyond the scale.
    fn arguments<'a>(
        &'a self,
        cache: &'a PagedCache,
        table: &'a DeviceBlockTable,
        scalars: &[Argument<'a>],
    ) -> Vec<Argument<'a>> {
        let mut arguments = vec![
            Argument::Ragged(Ragged { tensor: &self.q, starts: &self.starts }),
            Argument::Pool(cache.keys(0).unwrap()),
            Argument::Pool(cache.values(0).unwrap()),
            Argument::Table(table),
            Argument::Output(&self.o),
            Argument::Output(&self.lse),
            Argument::F32(0.125),
        ];
        arguments.extend(scalars);
        arguments
    }
}

fn room() -> Capacity {
    Capacity { cascade: true, ..Capacity::new(8, 8) }
}

/// A cache so made, from prompts of `W` that come to what is stored, to queries of `Q` and an output of `dtype`.
fn become_a_cascade<W: Element + HostElement, Q: Element + HostElement>(
    archs: &[Arch],
    program: &Program,
    options: CacheOptions,
    dtype: DType,
) {
    for &arch in archs {
        let device = Device::emulator_with(EmulatorOptions { arch, ..EmulatorOptions::default() });
        let mut cache = cache_of(&device, options);
        let mut ids = admitted::<W>(&mut cache);
        assert_eq!(cache.stats().prefix.hit_tokens, 7 * 400 + 4 * 64);
        cache.manager().order_by_prefix(&mut ids).unwrap();
        let prefixes = cache.shared_prefixes(&ids).unwrap();
        let saved: usize = prefixes.iter().map(|p| (p.sequences.len() - 1) * p.tokens).sum();
        assert_eq!(saved, 7 * 400, "{prefixes:?}");

        let mut table = DeviceTable::new(&device, 8, 40).unwrap();
        let table = table.sync(&cache, &ids).unwrap();
        let decode = Decode::new::<Q>(&device, dtype, ids.len());
        let arguments = decode.arguments(&cache, table, &[]);
        let plan = judge_arguments(&device, program, &arguments, (room(), PlanOptions::default()), &prefixes)
            .unwrap_or_else(|error| panic!("{arch}, {options:?}: {error}"));
        assert_eq!((&plan.groups, &plan.notes), (&prefixes, &vec![]), "{arch}, {options:?}\n{plan}");
    }
}

#[test]
fn prefixes_of_the_tree_become_a_cascade() {
    let program = stock("paged_full_attention");
    become_a_cascade::<f16, f16>(&targets::ARCHS, program, CacheOptions::default(), DType::F16);
    let of_f32 = CacheOptions { dtype: DType::F32, ..CacheOptions::default() };
    become_a_cascade::<f32, f32>(&targets::ARCHS, program, of_f32, DType::F32);
}

#[test]
fn prefixes_of_a_tree_of_8_bits_become_a_cascade() {
    let program = storing("paged_full_attention", Generic::Open("U".into()));
    for value_layout in [ValueLayout::Rows, ValueLayout::Transposed] {
        let options = CacheOptions { dtype: DType::E4m3, value_layout, ..CacheOptions::default() };
        become_a_cascade::<f16, E4m3>(&[Arch::Sm90a], &program, options, DType::F16);
    }
}

#[test]
fn a_plan_does_not_outlive_what_it_was_made_of() {
    let device = Device::emulator();
    let mut cache = cache(&device, DType::F16);
    let mut ids = admitted::<f16>(&mut cache);
    let lone = cache.create();
    cache.append(lone, 485).unwrap();
    let (decode, table) = (Decode::new::<f16>(&device, DType::F16, ids.len()), cache.table(&ids).unwrap());
    let prefixes = cache.shared_prefixes(&ids).unwrap();
    let full = decode.arguments(&cache, &table, &[]);
    let none = PlanOptions::default();
    let planner = Planner::new(&device, stock("paged_full_attention"), &full, room(), none).unwrap();
    let plan = planner.plan(&full, &prefixes).unwrap();
    assert_eq!(plan.groups, prefixes);
    planner.run(&plan, &full).unwrap();
    // As long, but of other blocks.
    ids[7] = lone;
    let other = cache.table(&ids).unwrap();
    let error = planner.run(&plan, &decode.arguments(&cache, &other, &[])).unwrap_err().to_string();
    assert!(error.ends_with("sequence 7 has other blocks there: share what is the same"), "{error}");
    // The window says where there is work.
    let windowed = |window| decode.arguments(&cache, &table, &[Argument::I32(window)]);
    let planner = Planner::new(&device, stock("paged_attention"), &windowed(9), room(), none).unwrap();
    let plan = planner.plan(&windowed(9), &[]).unwrap();
    planner.run(&plan, &windowed(9)).unwrap();
    let error = planner.run(&plan, &windowed(300)).unwrap_err().to_string();
    assert_eq!(error, "the plan is for the scalars [9], and these are [300]: plan them");
}
