//! From the prefix tree to the planner: what sequences of a batch share in the cache is computed once for all of them.

mod planning;

use flashpage::codegen::Arch;
use flashpage::prelude::*;
use flashpage::runtime::cache::{CacheOptions, DeviceTable, PagedCache, SequenceId};
use flashpage::runtime::{Argument, Capacity, EmulatorOptions, PlanOptions};
use planning::{judge_arguments, stock};

const HEADS: (usize, usize) = (4, 2);
const HEAD_DIM: usize = 64;

fn numbers(count: usize, salt: u32) -> Vec<f16> {
    let mut state = salt;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f16::from_f32((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    (0..count).map(|_| draw()).collect()
}

/// Sequences with a system prompt in common, and templates that two each share, all admitted through the prefix tree.
fn admitted(cache: &mut PagedCache) -> Vec<SequenceId> {
    let mut ids = Vec::new();
    for request in 0..8u32 {
        let template = (request % 4) * 1000;
        let system = 0..400u32;
        let prompt: Vec<u32> = system.chain(template..template + 64).chain([90_000 + request; 21]).collect();
        let admitted = cache.admit("", &prompt).unwrap();
        let slots = cache.append(admitted.id, prompt.len() - admitted.cached).unwrap();
        let count = slots.len() * HEADS.1 * HEAD_DIM;
        cache.write(0, &slots, &numbers(count, request), &numbers(count, request + 100)).unwrap();
        cache.publish(admitted.id, "", &prompt).unwrap();
        ids.push(admitted.id);
    }
    ids
}

#[test]
fn prefixes_of_the_tree_become_a_cascade() {
    for arch in [Arch::Sm80, Arch::Sm90a] {
        let device = Device::emulator_with(EmulatorOptions { arch, ..EmulatorOptions::default() });
        let options =
            CacheOptions { blocks: 64, num_kv_heads: HEADS.1, head_dim: HEAD_DIM, ..CacheOptions::default() };
        let mut cache = PagedCache::new(&device, options).unwrap();
        let mut ids = admitted(&mut cache);
        assert_eq!(cache.stats().prefix.hit_tokens, 7 * 400 + 4 * 64);
        cache.manager().order_by_prefix(&mut ids).unwrap();
        let prefixes = cache.shared_prefixes(&ids).unwrap();
        let saved: usize = prefixes.iter().map(|p| (p.sequences.len() - 1) * p.tokens).sum();
        assert_eq!(saved, 7 * 400, "{prefixes:?}");

        let mut table = DeviceTable::new(&device, 8, 40).unwrap();
        let table = table.sync(&cache, &ids).unwrap();
        let starts = Starts::uniform(&device, ids.len(), 1).unwrap();
        let shape = [ids.len(), HEADS.0, HEAD_DIM];
        let q = Tensor::from_slice(&device, &numbers(shape.iter().product(), 7), &shape).unwrap();
        let o = Tensor::filled_nan(&device, DType::F16, &shape).unwrap();
        let lse = Tensor::filled_nan(&device, DType::F32, &shape[..2]).unwrap();
        let program = stock("paged_full_attention");
        let arguments = [
            Argument::Ragged(Ragged { tensor: &q, starts: &starts }),
            Argument::Pool(cache.keys(0).unwrap()),
            Argument::Pool(cache.values(0).unwrap()),
            Argument::Table(table),
            Argument::Output(&o),
            Argument::Output(&lse),
            Argument::F32(0.125),
        ];
        let capacity = Capacity { cascade: true, ..Capacity::new(8, 8) };
        let plan =
            judge_arguments(&device, program, &arguments, (capacity, PlanOptions::default()), &prefixes)
                .unwrap_or_else(|error| panic!("{arch}: {error}"));
        assert_eq!((&plan.groups, &plan.notes), (&prefixes, &vec![]), "{arch}\n{plan}");
    }
}
