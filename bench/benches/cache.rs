//! The bookkeeping of the cache, timed on one core: the workloads that other managers are timed on
//! (`bench/cache_peers.py`), and the single operations of a step.
//!
//! `cargo bench -p flashpage-bench --bench cache [-- WORKLOAD...]` prints a JSON line for each: the median of 5 runs.
//! Whatever the streams fix (blocks moved, hits) is checked in every run. Memory is what the process has gained when the
//! first run's clock stops: name one workload alone for a figure that owes nothing to those before it.

use flashpage::cache::{
    BlockId, BlockManager, BlockPool, Eviction, ManagerOptions, PrefixTree, SequenceId, TableMirror,
};
use flashpage_bench::streams::{Call, Prompts, allocations, decode_prompts};
use std::hint::black_box;
use std::time::{Duration, Instant};

const BLOCK_SIZE: usize = 16;
const RUNS: usize = 5;

/// What one run of a workload gave.
struct Run {
    ops: usize,
    time: Duration,
    /// Memory of the process when the clock stopped, MiB.
    resident: f64,
    hits: usize,
    /// Bytes of bookkeeping for each cached block, where blocks are cached.
    bytes_per_block: Option<f64>,
}

type Workload = (&'static str, Box<dyn Fn() -> Run>);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for (name, run) in workloads() {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        let before = resident_mib();
        let mut runs: Vec<Run> = (0..RUNS).map(|_| run()).collect();
        // Of the first run, whose memory is not yet that of an earlier one.
        let added = runs[0].resident - before;
        runs.sort_by_key(|run| run.time);
        let Run { ops, time, hits, bytes_per_block, .. } = &runs[RUNS / 2];
        let seconds = time.as_secs_f64();
        let bytes = bytes_per_block
            .map_or(String::new(), |bytes| format!(", \"bytes_per_cached_block\": {bytes:.1}"));
        println!(
            "{{\"workload\": \"{name}\", \"block_size\": {BLOCK_SIZE}, \"ops\": {ops}, \"seconds\": {seconds:.6}, \
             \"ops_per_s\": {:.0}, \"ns_per_op\": {:.2}, \"hit_tokens\": {hits}, \"rss_added_mib\": {added:.1}{bytes}}}",
            *ops as f64 / seconds,
            1e9 * seconds / *ops as f64,
        );
    }
}

fn workloads() -> Vec<Workload> {
    // One copy for all, made before any clock runs.
    let c: &'static Prompts = Box::leak(Box::new(Prompts::c()));
    let whole: &'static Prompts = Box::leak(Box::new(Prompts::c_whole()));
    let fits = |prompts: &Prompts| prompts.distinct / BLOCK_SIZE + 6_000;
    let (all_c, all_whole) = (2_752_720, 3_060_736);
    let prefix =
        |prompts: &'static Prompts, pool: usize, eviction, hits: Option<usize>| -> Box<dyn Fn() -> Run> {
            Box::new(move || {
                let run = prompts_through(prompts, pool, eviction);
                assert!(hits.is_none_or(|hits| hits == run.hits), "{} hits", run.hits);
                run
            })
        };
    use Eviction::{Lfu, Lru, SegmentedLru};
    vec![
        ("A", Box::new(|| blocks_moved(&allocations(200_000, usize::MAX), 200_066))),
        ("A_long", Box::new(|| blocks_moved(&allocations(usize::MAX, 200_000), 51_241_936))),
        ("B", Box::new(tokens_appended)),
        ("C", prefix(c, fits(c), Lru, Some(all_c))),
        ("C_whole", prefix(whole, fits(whole), Lru, Some(all_whole))),
        ("D", prefix(c, c.pool(20, BLOCK_SIZE), Lru, Some(all_c))),
        ("D_whole", prefix(whole, whole.pool(20, BLOCK_SIZE), Lru, Some(all_whole))),
        ("D_tight", prefix(whole, whole.pool(2, BLOCK_SIZE), Lru, None)),
        ("D_tight_lfu", prefix(whole, whole.pool(2, BLOCK_SIZE), Lfu, None)),
        ("D_tight_segmented", prefix(whole, whole.pool(2, BLOCK_SIZE), SegmentedLru, None)),
        ("alloc_free_one", Box::new(one_by_one)),
        ("decode_step_256", Box::new(|| decode_steps(false))),
        ("decode_step_256_with_table", Box::new(|| decode_steps(true))),
        ("match_4096_in_a_million", Box::new(matches_in_a_million)),
        ("store_4096_under_pressure", Box::new(stores_under_pressure)),
    ]
}

/// A: every allocation is one call of the pool, and every free.
fn blocks_moved((trace, moved): &(Vec<Call>, usize), expected: usize) -> Run {
    assert_eq!(*moved, expected);
    let mut pool = BlockPool::new(100_000);
    let mut live: Vec<Vec<BlockId>> = Vec::new();
    let begin = Instant::now();
    for call in trace {
        match *call {
            Call::Allocate(count) => {
                let mut blocks = Vec::with_capacity(count);
                pool.alloc_many(count, &mut blocks).expect("the trace fits");
                live.push(blocks);
            }
            Call::Free(which) => {
                let blocks = live.swap_remove(which);
                pool.release_many(&blocks).expect("blocks that are held");
            }
        }
    }
    let (time, resident) = (begin.elapsed(), resident_mib());
    let left: usize = live.iter().map(Vec::len).sum();
    assert_eq!(pool.free_blocks() + left, 100_000);
    Run { ops: *moved, time, resident, hits: 0, bytes_per_block: None }
}

fn manager(blocks: usize, eviction: Eviction) -> BlockManager {
    let options = ManagerOptions { blocks, block_size: BLOCK_SIZE, host_blocks: 0, eviction };
    BlockManager::new(options).expect("a block size above 0")
}

/// B's sequences with their prompts.
fn decoding(blocks: usize) -> (BlockManager, Vec<SequenceId>) {
    let mut cache = manager(blocks, Eviction::Lru);
    let ids = decode_prompts().into_iter().map(|len| {
        let id = cache.create();
        cache.append(id, len).expect("room");
        id
    });
    let ids = ids.collect();
    (cache, ids)
}

/// B: 2000 steps of 256 sequences; then they are freed, which is in the time.
fn tokens_appended() -> Run {
    let (mut cache, ids) = decoding(100_000);
    let mut slots = Vec::new();
    let begin = Instant::now();
    for _ in 0..2000 {
        slots.clear();
        cache.try_reserve(ids.iter().map(|id| (*id, 1))).expect("room").commit(&mut slots);
        black_box(&slots);
    }
    assert_eq!(cache.pool().total() - cache.pool().free_blocks(), 36_524);
    ids.iter().for_each(|id| cache.free(*id).expect("a sequence"));
    let (time, resident) = (begin.elapsed(), resident_mib());
    assert_eq!(cache.pool().free_blocks(), 100_000);
    Run { ops: 512_000, time, resident, hits: 0, bytes_per_block: None }
}

/// C and D: a prompt is admitted with what is cached of it, gets blocks and slots for the rest, and is finished.
fn prompts_through(prompts: &Prompts, blocks: usize, eviction: Eviction) -> Run {
    let mut cache = manager(blocks, eviction);
    let (mut slots, mut hits) = (Vec::new(), 0);
    let begin = Instant::now();
    for prompt in &prompts.all {
        let admitted = cache.admit("", prompt).expect("a prompt");
        hits += admitted.cached;
        slots.clear();
        let rest = prompt.len() - admitted.cached;
        cache.try_reserve([(admitted.id, rest)]).expect("room").commit(&mut slots);
        black_box(&slots);
        cache.finish(admitted.id, "", prompt).expect("a sequence");
    }
    let (time, resident) = (begin.elapsed(), resident_mib());
    let pool = cache.pool();
    assert_eq!(pool.free_blocks() + pool.cached_blocks(), blocks);
    let bytes_per_block = Some(cache.tree().bytes() as f64 / pool.cached_blocks() as f64);
    Run { ops: prompts.all.len(), time, resident, hits, bytes_per_block }
}

/// One block at a time, four held: two operations a turn.
fn one_by_one() -> Run {
    let mut pool = BlockPool::new(100_000);
    let turns = 5_000_000;
    let mut held = [0; 4].map(|_| pool.alloc().expect("a block"));
    let begin = Instant::now();
    for turn in 0..turns {
        let place = &mut held[turn % 4];
        pool.release(*place).expect("a held block");
        *place = pool.alloc().expect("a block");
    }
    Run { ops: 2 * turns, time: begin.elapsed(), resident: resident_mib(), hits: 0, bytes_per_block: None }
}

/// One step of 256 sequences is one operation.
fn decode_steps(with_table: bool) -> Run {
    let (mut cache, ids) = decoding(200_000);
    let mut table = TableMirror::new(256, 1024).expect("a small table");
    let (mut slots, mut changes) = (Vec::new(), Vec::new());
    table.sync(&cache, &ids, &mut changes).expect("a table that is large enough");
    let steps = 10_000;
    let begin = Instant::now();
    for _ in 0..steps {
        slots.clear();
        cache.try_reserve(ids.iter().map(|id| (*id, 1))).expect("room").commit(&mut slots);
        if with_table {
            changes.clear();
            table.sync(&cache, &ids, &mut changes).expect("a table that is large enough");
        }
        black_box((&slots, &changes));
    }
    Run { ops: steps, time: begin.elapsed(), resident: resident_mib(), hits: 0, bytes_per_block: None }
}

/// A prompt of 4,096 tokens: 2,048 that all share, then one of 4 texts of 1,024, then its own.
fn long_prompt(own: u64) -> Vec<u32> {
    use flashpage_bench::streams::token;
    let run = |seed: u64, len: u64| (0..len).map(move |i| token(seed, i));
    run(1, 2048).chain(run(10 + own % 4, 1024)).chain(run(100 + own, 1024)).collect()
}

/// A tree of a million tokens and the pool of its blocks.
fn million(blocks: usize) -> (PrefixTree, BlockPool, Vec<Vec<u32>>) {
    let (mut tree, mut pool) = (PrefixTree::new(BLOCK_SIZE, Eviction::Lru), BlockPool::new(blocks));
    let prompts: Vec<Vec<u32>> = (0..1000).map(long_prompt).collect();
    prompts.iter().for_each(|prompt| store(&mut tree, &mut pool, prompt));
    (tree, pool, prompts)
}

/// What a server does with a prompt that is computed: its blocks go to the tree, which keeps what is new.
fn store(tree: &mut PrefixTree, pool: &mut BlockPool, prompt: &[u32]) {
    let mut blocks = Vec::new();
    tree.match_prefix(pool, "", prompt, &mut blocks);
    let (known, whole) = (blocks.len(), prompt.len() / BLOCK_SIZE);
    blocks.iter().for_each(|block| pool.retain(*block).expect("a held block"));
    let lacking = (whole - known).saturating_sub(pool.free_blocks());
    tree.evict(pool, lacking);
    pool.alloc_many(whole - known, &mut blocks).expect("room");
    tree.insert(pool, "", prompt, &blocks).expect("blocks that are held");
    pool.release_many(&blocks).expect("blocks that are held");
}

fn matches_in_a_million() -> Run {
    let (mut tree, pool, prompts) = million(100_000);
    assert!(pool.cached_blocks() * BLOCK_SIZE >= 1_000_000);
    let (turns, mut hits, mut blocks) = (20_000, 0, Vec::new());
    let begin = Instant::now();
    for turn in 0..turns {
        blocks.clear();
        hits += tree.match_prefix(&pool, "", &prompts[turn * 7 % prompts.len()], &mut blocks);
        black_box(&blocks);
    }
    let (time, resident) = (begin.elapsed(), resident_mib());
    assert_eq!(hits, turns * 4096);
    let bytes_per_block = Some(tree.bytes() as f64 / pool.cached_blocks() as f64);
    Run { ops: turns, time, resident, hits, bytes_per_block }
}

/// The pool is full: every prompt of 4,096 tokens, none of them cached, pushes out as many.
fn stores_under_pressure() -> Run {
    let (mut tree, mut pool, _) = million(65_536);
    let prompts: Vec<Vec<u32>> = (0..512u64)
        .map(|p| (0..4096).map(|i| flashpage_bench::streams::token(9_000_000 + p, i)).collect())
        .collect();
    // Full once, so that every turn evicts.
    prompts[..256].iter().for_each(|prompt| store(&mut tree, &mut pool, prompt));
    let turns = 2_000;
    let begin = Instant::now();
    for turn in 0..turns {
        store(&mut tree, &mut pool, &prompts[turn % prompts.len()]);
    }
    let (time, resident) = (begin.elapsed(), resident_mib());
    assert!(tree.stats().evicted_blocks >= 256 * (turns as u64 - 512));
    Run { ops: turns, time, resident, hits: 0, bytes_per_block: None }
}

/// Memory of the process, MiB; 0 where the system does not tell.
fn resident_mib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / f64::from(1 << 20)
}
