//! The paged cache on the emulator: random operations against a model, everything read back through the gather kernel
//! after each; and device failures at every point of every operation.

use crate::paged;

use flashpage::prelude::*;
use flashpage::runtime::cache::{CacheOptions, Eviction, PagedCacheError, StoredValues};
use flashpage::runtime::device::{AsyncPolicy, EmulatorOptions};
use paged::{Model, ROWS, is_refusal};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Operation {
    Admit { namespace: usize, shared: usize, own: usize },
    Append { which: usize, count: usize },
    Step { count: usize },
    Fork { which: usize },
    Truncate { which: usize, eighths: usize },
    Free { which: usize },
    Publish { which: usize },
    Finish { which: usize },
    Evict { count: usize },
    EvictToHost { count: usize },
    SwapOut { which: usize, family: usize },
    SwapIn { which: usize },
    EndSwap { which: usize },
    Sync,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation as O;
    let which = || 0..16usize;
    prop_oneof![
        4 => (0..2usize, 0..4usize, 1..20usize).prop_map(|(namespace, shared, own)| O::Admit { namespace, shared, own }),
        4 => (which(), 0..20usize).prop_map(|(which, count)| O::Append { which, count }),
        4 => (1..4usize).prop_map(|count| O::Step { count }),
        3 => which().prop_map(|which| O::Fork { which }),
        2 => (which(), 0..8usize).prop_map(|(which, eighths)| O::Truncate { which, eighths }),
        2 => which().prop_map(|which| O::Free { which }),
        2 => which().prop_map(|which| O::Publish { which }),
        3 => which().prop_map(|which| O::Finish { which }),
        1 => (0..9usize).prop_map(|count| O::Evict { count }),
        1 => (0..9usize).prop_map(|count| O::EvictToHost { count }),
        1 => (which(), 1..4usize).prop_map(|(which, family)| O::SwapOut { which, family }),
        1 => which().prop_map(|which| O::SwapIn { which }),
        3 => which().prop_map(|which| O::EndSwap { which }),
        2 => Just(O::Sync),
    ]
}

fn run(model: &mut Model, operation: &Operation) -> Result<(), PagedCacheError> {
    use Operation as O;
    let count = model.known.len();
    let pick = |which: usize| which % count.max(1);
    match *operation {
        O::Admit { namespace, shared, own } if count < ROWS => {
            let prompt = model.prompt(shared, own);
            model.admit(namespace, &prompt)
        }
        O::Step { count } => {
            let here = model.here();
            let tokens: Vec<Vec<u32>> =
                here.iter().map(|_| (0..count).map(|_| model.draw()).collect()).collect();
            model.grow(&here, &tokens)
        }
        O::Evict { count } => {
            model.cache.evict(count);
            Ok(())
        }
        O::EvictToHost { count } => model.cache.evict_to_host(count).map(drop),
        O::EndSwap { which } if !model.swaps.is_empty() => model.end_swap(which % model.swaps.len()),
        O::Sync => model.sync(),
        _ if count == 0 => Ok(()),
        O::Append { which, count } => {
            let tokens = (0..count).map(|_| model.draw()).collect();
            model.grow(&[pick(which)], &[tokens])
        }
        O::Fork { which } if count < ROWS => model.fork(pick(which)),
        O::Truncate { which, eighths } => {
            let len = model.known[pick(which)].tokens.len() * eighths / 8;
            model.truncate(pick(which), len)
        }
        O::Free { which } => model.free(pick(which)),
        O::Publish { which } => model.publish(pick(which)),
        O::Finish { which } => model.finish(pick(which)),
        O::SwapOut { which, family } => {
            let which: Vec<usize> = (0..family.min(count)).map(|i| (which + i) % count).collect();
            model.begin_swap(&which, true)
        }
        O::SwapIn { which } => model.begin_swap(&[pick(which)], false),
        O::Admit { .. } | O::Fork { .. } | O::EndSwap { .. } => Ok(()),
    }
}

/// Numbers of a head, where values are, and how they lie there: like keys, in pools of another size, in the keys, or transposed.
type Kind = (HeadDim, StoredValues, ValueLayout);

const KINDS: [Kind; 4] = [
    (HeadDim { qk: 8, v: 8 }, StoredValues::Own, ValueLayout::Rows),
    (HeadDim { qk: 8, v: 4 }, StoredValues::Own, ValueLayout::Rows),
    (HeadDim { qk: 8, v: 4 }, StoredValues::InKeys, ValueLayout::Rows),
    (HeadDim { qk: 8, v: 8 }, StoredValues::Own, ValueLayout::Transposed),
];

fn options(kind: Kind, blocks: usize, host_blocks: usize) -> CacheOptions {
    let (head_dim, values, value_layout) = kind;
    let others =
        CacheOptions { blocks, head_dim, values, value_layout, host_blocks, ..CacheOptions::default() };
    match value_layout {
        ValueLayout::Rows => CacheOptions { block_size: 8, ..others },
        ValueLayout::Transposed => CacheOptions { block_size: 16, dtype: DType::E4m3, ..others },
    }
}

/// A cache, and what is done to it.
fn drawn(layout: PoolLayout) -> impl Strategy<Value = (CacheOptions, AsyncPolicy, Vec<Operation>)> {
    let evictions = vec![Eviction::Lru, Eviction::Lfu, Eviction::SegmentedLru];
    let policies = vec![AsyncPolicy::Lazy, AsyncPolicy::Random(7), AsyncPolicy::Eager];
    let kinds = prop::sample::select(KINDS.to_vec());
    let block_sizes = prop::sample::select(vec![8usize, 1, 2, 4]);
    let host_blocks = prop::sample::select(vec![0usize, 3, 12]);
    let cache = (kinds, 1..24usize, block_sizes, host_blocks, prop::sample::select(evictions)).prop_map(
        move |(kind, blocks, block_size, host_blocks, eviction)| {
            let options = CacheOptions { eviction, layout, ..options(kind, blocks, host_blocks) };
            match options.value_layout {
                ValueLayout::Rows => CacheOptions { block_size, ..options },
                ValueLayout::Transposed => options,
            }
        },
    );
    (cache, prop::sample::select(policies), prop::collection::vec(operation(), 200))
}

/// Everything is read after every operation.
fn is_as_the_model(
    options: CacheOptions,
    policy: AsyncPolicy,
    operations: &[Operation],
) -> Result<(), TestCaseError> {
    let emulator = EmulatorOptions { policy, threads: 1, ..EmulatorOptions::default() };
    let mut model = Model::new(options, emulator);
    for (index, operation) in operations.iter().enumerate() {
        let result = run(&mut model, operation);
        if let Err(error) = &result {
            prop_assert!(is_refusal(error), "after {index}, {operation:?}: {error}");
        }
        if let Err(error) = model.check() {
            return Err(TestCaseError::fail(format!("after {index}, {operation:?} ({result:?}): {error}")));
        }
    }
    model.close().map_err(TestCaseError::fail)
}

/// Runs of 200 operations for each layout of a pool: 100,000 in all in CI, a fifth of that elsewhere.
fn config() -> ProptestConfig {
    let cases = if std::env::var_os("CI").is_some() { 250 } else { 50 };
    ProptestConfig { cases, max_shrink_iters: 2000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_cache_on_a_device_is_as_the_model((options, policy, operations) in drawn(PoolLayout::Nhd)) {
        is_as_the_model(options, policy, &operations)?;
    }

    #[test]
    fn the_cache_on_a_device_is_as_the_model_head_by_head(
        (options, policy, operations) in drawn(PoolLayout::Hnd),
    ) {
        is_as_the_model(options, policy, &operations)?;
    }
}

/// A cache with something of everything: a shared prefix, forks that end in the same block, a sequence on the host, an
/// evicted prefix on the host, idle prefixes, few free blocks, two layers of two heads.
fn busy(kind: Kind) -> Model {
    let options = CacheOptions { layers: 2, num_kv_heads: 2, ..options(kind, 14, 8) };
    let emulator = EmulatorOptions { policy: AsyncPolicy::Lazy, threads: 1, ..EmulatorOptions::default() };
    let mut model = Model::new(options, emulator);
    let prompts = [(2, 5), (2, 9), (3, 3)].map(|(shared, own)| model.prompt(shared, own));
    model.admit(0, &prompts[0]).unwrap();
    model.finish(0).unwrap();
    model.admit(1, &prompts[2]).unwrap();
    model.finish(0).unwrap();
    model.cache.evict_to_host(9).unwrap();
    model.admit(0, &prompts[1]).unwrap();
    model.fork(0).unwrap();
    model.admit(1, &[80; 20]).unwrap();
    model.finish(2).unwrap();
    model.admit(0, &[90; 12]).unwrap();
    model.begin_swap(&[2], true).unwrap();
    model.end_swap(0).unwrap();
    model.check().unwrap();
    model
}

#[test]
fn a_device_that_fails_leaves_every_sequence_as_it_was() {
    type Attempt = fn(&mut Model) -> Result<(), PagedCacheError>;
    let table: [(&str, Attempt); 9] = [
        ("append to a shared block", |m| m.grow(&[0], &[vec![1, 2]])),
        ("a step of both forks", |m| m.grow(&[0, 1], &[vec![1], vec![2]])),
        ("a step that evicts to the host", |m| m.grow(&[0], &[vec![3; 72]])),
        ("admit a prefix that is on the host", |m| {
            let mut prompt = m.prompt(3, 0);
            prompt.extend([4; 6]);
            m.admit(1, &prompt)
        }),
        ("swap out", |m| {
            m.begin_swap(&[0, 1], true)?;
            m.end_swap(0)
        }),
        ("swap in", |m| {
            m.begin_swap(&[2], false)?;
            m.end_swap(0)
        }),
        ("evict to the host", |m| m.cache.evict_to_host(3).map(drop)),
        ("sync the table", |m| m.sync()),
        ("finish, fork and truncate, which ask the device for nothing", |m| {
            m.fork(0)?;
            m.truncate(0, 9)?;
            m.finish(1)
        }),
    ];
    let mut points = 0;
    let table = KINDS.into_iter().flat_map(|kind| table.map(|row| (kind, row)));
    for ((kind, (name, attempt)), lasting) in table.flat_map(|row| [(row, false), (row, true)]) {
        // The operation that fails is the first, then the second, until there are no more: alone, or with all after it.
        for point in 0.. {
            let mut model = busy(kind);
            let faults = model.device.faults().expect("the emulator can fail");
            if lasting {
                faults.fail_every_after(point)
            } else {
                faults.fail_after(point)
            }
            let before = faults.operations();
            let result = attempt(&mut model);
            let operations = faults.operations() - before;
            faults.clear();
            model.check().unwrap_or_else(|error| panic!("{name}, failing at {point} ({result:?}): {error}"));
            // What failed can be done after all, or there is no room for it.
            if let Err(error) = &result {
                assert!(!is_refusal(error), "{name}, failing at {point}: {error}");
                if let Err(error) = attempt(&mut model) {
                    assert!(is_refusal(&error), "{name}, again after failing at {point}: {error}");
                }
                model
                    .check()
                    .unwrap_or_else(|error| panic!("{name}, again after failing at {point}: {error}"));
            }
            model.sync().unwrap();
            // Whatever prefixes are still found, on the device or on the host, are what they should be.
            while !model.known.is_empty() {
                model.free(0).unwrap();
            }
            let shared = model.prompt(4, 3);
            for (namespace, prompt) in [(0, &shared[..]), (1, &shared[..]), (1, &[80; 20])] {
                model.admit(namespace, prompt).unwrap();
                model
                    .check()
                    .unwrap_or_else(|error| panic!("{name}, prefixes after failing at {point}: {error}"));
                model.finish(0).unwrap();
            }
            model.close().unwrap_or_else(|error| panic!("{name}, failing at {point}: {error}"));
            points += 1;
            if operations <= point {
                assert!(result.is_ok(), "{name}: {result:?}");
                break;
            }
        }
    }
    println!("{points} points of failure");
    assert!(points > 180, "{points} points of failure");
}
