//! Sequences: what is shared, what is copied, what is refused, and what the statistics say.

use flashpage_cache::{
    BlockManager, BlockMove, CacheError, Candidate, Eviction, ManagerOptions, Recovery, Residence,
    SequenceId, TableMirror, preemption_order, waste_of_max, waste_of_paging, waste_of_pow2,
};
use std::time::Duration;

fn manager(blocks: usize, host_blocks: usize) -> BlockManager {
    let options = ManagerOptions { blocks, block_size: 8, host_blocks, eviction: Eviction::Lru };
    BlockManager::new(options).unwrap()
}

fn with_tokens(cache: &mut BlockManager, count: usize) -> SequenceId {
    let id = cache.create();
    cache.append(id, count).unwrap();
    id
}

#[test]
fn slots_follow_the_blocks() {
    let mut cache = manager(4, 0);
    let (a, b) = (cache.create(), cache.create());
    assert_eq!(cache.append(a, 3).unwrap().slots, [0, 1, 2]);
    assert_eq!(cache.append(b, 1).unwrap().slots, [8]);
    assert_eq!(cache.append(a, 6).unwrap().slots, [3, 4, 5, 6, 7, 16]);
    assert_eq!((cache.blocks(a).unwrap(), cache.slots(a, 7..9).unwrap()), (&[0, 2][..], vec![7, 16]));
    // Three blocks are missing: nothing changes.
    let error = cache.append(b, 24).unwrap_err().to_string();
    assert!(error.starts_with("out of blocks: 3 needed, 1 free and 0 reclaimable of 4"), "{error}");
    assert_eq!((cache.len(b), cache.blocks(b), cache.pool().free_blocks()), (Ok(1), Ok(&[1][..]), 1));
    cache.free(a).unwrap();
    assert_eq!(cache.append(b, 24).unwrap().slots.len(), 24);
}

#[test]
fn a_shared_last_block_is_copied_once() {
    let mut cache = manager(8, 0);
    let a = with_tokens(&mut cache, 12);
    let b = cache.fork(a).unwrap();
    assert_eq!(cache.pool().free_blocks(), 6);
    // The first to write gets a copy of the block that both end in; the other has the old one to itself then.
    let first = cache.append(b, 1).unwrap();
    assert_eq!((first.copies, first.slots), (vec![BlockMove { from: 1, to: 2 }], vec![20]));
    let second = cache.append(a, 1).unwrap();
    assert_eq!((second.copies, second.slots), (vec![], vec![12]));
    // In one step as well: of three that share, two are given copies, and they are made before anybody writes.
    let (c, d) = (cache.fork(a).unwrap(), cache.fork(a).unwrap());
    let step = cache.try_reserve([(c, 1), (a, 1), (d, 1)]).unwrap();
    assert_eq!(step.copies(), [BlockMove { from: 1, to: 3 }, BlockMove { from: 1, to: 4 }]);
    let mut slots = Vec::new();
    step.commit(&mut slots);
    assert_eq!(slots, [29, 37, 13]);
    // Whole blocks stay shared.
    assert!([b, c, d].iter().all(|id| cache.blocks(*id).unwrap()[0] == 0));
    // A block that is full is not copied: the next token begins one.
    let e = with_tokens(&mut cache, 8);
    let f = cache.fork(e).unwrap();
    assert!(cache.append(f, 1).unwrap().copies.is_empty());
    cache.audit().unwrap();
}

#[test]
fn a_step_that_is_dropped_changes_nothing() {
    let mut cache = manager(4, 0);
    let a = with_tokens(&mut cache, 12);
    let b = cache.fork(a).unwrap();
    let before = (cache.pool().free_blocks(), cache.epoch(a), cache.blocks(a).map(<[u32]>::to_vec));
    drop(cache.try_reserve([(a, 9), (b, 1)]).unwrap());
    assert_eq!(before, (cache.pool().free_blocks(), cache.epoch(a), cache.blocks(a).map(<[u32]>::to_vec)));
    assert_eq!(cache.append(b, 1).unwrap().slots.len(), 1);
    cache.audit().unwrap();
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut cache = manager(4, 0);
    let mut other = manager(4, 0);
    let (a, foreign) = (with_tokens(&mut cache, 12), with_tokens(&mut other, 1));
    let freed = with_tokens(&mut cache, 1);
    cache.free(freed).unwrap();
    let (lock, _) = other.lock("", &[1]);
    type Attempt = Box<dyn Fn(&mut BlockManager) -> Result<(), CacheError>>;
    let append =
        |id: SequenceId, count: usize| -> Attempt { Box::new(move |c| c.append(id, count).map(drop)) };
    let table: [(Attempt, &str); 16] = [
        (append(freed, 1), "was freed"),
        (append(foreign, 1), "belongs to another cache"),
        (append(a, usize::MAX), "a table holds lengths below 2^31"),
        (append(a, 100), "out of blocks: 12 needed, 2 free and 0 reclaimable of 4"),
        (Box::new(move |c| c.try_reserve([(a, 1), (a, 1)]).map(drop)), "is named twice in one step"),
        (Box::new(move |c| c.truncate(a, 13)), "the sequence has 12 tokens: it cannot be truncated to 13"),
        (Box::new(move |c| c.slots(a, 10..13).map(drop)), "tokens 10 to 13 are past the 12"),
        (Box::new(move |c| c.publish(a, "", &[0; 13]).map(drop)), "13 token ids for a sequence of 12 tokens"),
        (Box::new(move |c| c.finish(a, "", &[0; 13]).map(drop)), "13 token ids for a sequence of 12 tokens"),
        (Box::new(move |c| c.fork(freed).map(drop)), "was freed"),
        (Box::new(move |c| c.free(foreign)), "belongs to another cache"),
        (Box::new(move |c| c.unlock(lock)), "is not held"),
        (Box::new(move |c| c.begin_swap_in(&[a]).map(drop)), "is not swapped out"),
        (Box::new(move |c| c.begin_swap_out(&[a, a]).map(drop)), "is named twice"),
        (Box::new(move |c| c.begin_swap_out(&[a]).map(drop)), "out of host blocks: 2 needed, 0 free of 0"),
        (
            Box::new(move |c| c.restore(a, "", &[0; 20]).map(drop)),
            "a prefix is restored to whole blocks of 8",
        ),
    ];
    for (attempt, expected) in table {
        let error = attempt(&mut cache).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        assert_eq!((cache.len(a), cache.pool().free_blocks(), cache.sequences()), (Ok(12), 2, 1), "{error}");
        assert_eq!(cache.residence(a), Ok(Residence::Device));
        cache.audit().unwrap();
    }
    let options =
        ManagerOptions { blocks: usize::MAX, block_size: 8, host_blocks: 0, eviction: Eviction::Lru };
    assert!(matches!(BlockManager::new(options), Err(CacheError::TooManyBlocks(usize::MAX))));
    assert!(matches!(TableMirror::new(usize::MAX, 2), Err(CacheError::TableTooLarge { .. })));
    assert!(matches!(TableMirror::new(1 << 16, 1 << 15), Err(CacheError::TableTooLarge { .. })));
    let options = ManagerOptions { blocks: 1, block_size: 0, host_blocks: 0, eviction: Eviction::Lru };
    assert_eq!(
        BlockManager::new(options).unwrap_err().to_string(),
        "blocks of 0 tokens: a block holds at least 1"
    );
}

#[test]
fn a_table_that_is_too_small_is_refused() {
    let mut cache = manager(8, 0);
    let (a, b) = (with_tokens(&mut cache, 9), with_tokens(&mut cache, 17));
    let mut table = TableMirror::new(1, 2).unwrap();
    let mut changes = Vec::new();
    let error = table.sync(&cache, &[a, b], &mut changes).unwrap_err().to_string();
    assert_eq!(error, "2 sequences for a table of 1 rows: make it longer, or split the batch");
    let error = table.sync(&cache, &[b], &mut changes).unwrap_err().to_string();
    assert!(error.ends_with("has 3 blocks, and the table has 2 columns: make it wider"), "{error}");
    assert!(changes.is_empty() && table.entries() == [-1, -1]);
    table.sync(&cache, &[a], &mut changes).unwrap();
    assert_eq!(changes, [(0, 0), (1, 1)]);
    // Nothing new costs nothing; what was lost on the way is told again.
    changes.clear();
    table.sync(&cache, &[a], &mut changes).unwrap();
    assert!(changes.is_empty());
    table.invalidate();
    table.sync(&cache, &[a], &mut changes).unwrap();
    assert_eq!(changes, [(0, 0), (1, 1)]);
}

#[test]
fn finished_sequences_are_found_until_memory_is_needed() {
    let mut cache = manager(4, 0);
    let prompt: Vec<u32> = (0..20).collect();
    let a = with_tokens(&mut cache, 20);
    cache.finish(a, "", &prompt).unwrap();
    assert_eq!((cache.pool().free_blocks(), cache.pool().idle_blocks()), (2, 2));
    // Its last token is always left to compute; another namespace shares nothing.
    for (namespace, prompt, cached) in
        [("", &prompt[..], 16), ("", &prompt[..16], 8), ("", &prompt[..8], 0), ("other", &prompt[..], 0)]
    {
        let admitted = cache.admit(namespace, prompt).unwrap();
        assert_eq!((admitted.cached, cache.len(admitted.id)), (cached, Ok(cached)));
        cache.free(admitted.id).unwrap();
    }
    let b = with_tokens(&mut cache, 25);
    assert_eq!((cache.pool().idle_blocks(), cache.peek("", &prompt)), (0, 0));
    cache.free(b).unwrap();
    cache.audit().unwrap();
}

#[test]
fn evicted_prefixes_come_back_from_the_host() {
    let mut cache = manager(4, 2);
    let prompt: Vec<u32> = (0..20).collect();
    let a = with_tokens(&mut cache, 20);
    let blocks = cache.blocks(a).unwrap()[..2].to_vec();
    cache.finish(a, "", &prompt).unwrap();
    let b = cache.create();
    let appended = cache.append(b, 32).unwrap();
    let saved: Vec<u32> = appended.saves.iter().map(|save| save.from).collect();
    assert_eq!(saved.len(), 2);
    assert!(blocks.iter().all(|block| saved.contains(block)));
    cache.free(b).unwrap();
    // A tenant finds its own alone, and a text that only ends like it is another.
    for (namespace, prompt) in [("other", &prompt[..]), ("", &prompt[8..])] {
        let admitted = cache.admit(namespace, prompt).unwrap();
        assert_eq!((admitted.cached, admitted.on_host), (0, 0));
        cache.free(admitted.id).unwrap();
    }
    let admitted = cache.admit("", &prompt).unwrap();
    assert_eq!((admitted.cached, admitted.on_host), (0, 16));
    let restore = cache.restore(admitted.id, "", &prompt).unwrap();
    assert_eq!(restore.loads().len(), 2);
    assert_eq!((restore.commit(), cache.len(admitted.id)), (16, Ok(16)));
    cache.audit().unwrap();
}

#[test]
fn a_block_on_the_host_is_found_behind_what_came_before_it() {
    let mut cache = manager(4, 2);
    let prompt: Vec<u32> = (0..24).collect();
    let id = with_tokens(&mut cache, 16);
    cache.finish(id, "", &prompt[..16]).unwrap();
    // The second block goes to the host, the first stays.
    assert_eq!(cache.evict_to_host(1).commit(), 1);
    for (prompt, cached, on_host) in [(&prompt[..], 8, 8), (&prompt[8..], 0, 0), (&prompt[..16], 8, 0)] {
        let admitted = cache.admit("", prompt).unwrap();
        assert_eq!((admitted.cached, admitted.on_host), (cached, on_host), "{prompt:?}");
        cache.free(admitted.id).unwrap();
    }
}

#[test]
fn swapped_sequences_make_room() {
    let mut cache = manager(4, 4);
    let a = with_tokens(&mut cache, 12);
    let b = cache.fork(a).unwrap();
    let c = with_tokens(&mut cache, 8);
    // What a shares with b stays for b's sake.
    let plan = cache.begin_swap_out(&[a]).unwrap();
    assert!(plan.moves.is_empty());
    assert!(matches!(cache.append(a, 1), Err(CacheError::Moving(_))));
    cache.abort_swap(&plan).unwrap();
    // Together they go, each block once.
    let plan = cache.begin_swap_out(&[a, b]).unwrap();
    assert_eq!(plan.moves.len(), 2);
    assert!(matches!(cache.free(a), Err(CacheError::Moving(_))));
    cache.finish_swap(&plan).unwrap();
    assert_eq!((cache.pool().free_blocks(), cache.host_pool().free_blocks()), (3, 2));
    assert!(matches!(cache.append(a, 1), Err(CacheError::SwappedOut(_))));
    assert!(matches!(cache.fork(b), Err(CacheError::SwappedOut(_))));
    let plan = cache.begin_swap_in(&[b]).unwrap();
    cache.finish_swap(&plan).unwrap();
    // One that is away is freed where it is.
    cache.free(a).unwrap();
    assert_eq!((cache.pool().free_blocks(), cache.host_pool().free_blocks(), cache.len(b)), (1, 4, Ok(12)));
    assert!(matches!(cache.finish_swap(&plan), Err(CacheError::NoSwap(_))));
    cache.free(b).unwrap();
    cache.free(c).unwrap();
    cache.audit().unwrap();
}

#[test]
fn a_table_follows_what_moves() {
    // Whatever changes entries that a row has already, the row has the right ones after it.
    type Change = fn(&mut BlockManager, SequenceId);
    let table: [(&str, Change); 4] = [
        ("truncated, and grown elsewhere", |cache, id| {
            cache.truncate(id, 8).unwrap();
            with_tokens(cache, 8);
            cache.append(id, 8).unwrap();
        }),
        ("copied on write", |cache, id| {
            cache.truncate(id, 12).unwrap();
            cache.fork(id).unwrap();
            cache.append(id, 1).unwrap();
        }),
        ("published where others were before", |cache, id| {
            let other = with_tokens(cache, 16);
            cache.publish(other, "", &[5; 16]).unwrap();
            assert_eq!(cache.publish(id, "", &[5; 16]).unwrap().replaced, 2);
        }),
        ("away and back", |cache, id| {
            let out = cache.begin_swap_out(&[id]).unwrap();
            cache.finish_swap(&out).unwrap();
            with_tokens(cache, 8);
            let back = cache.begin_swap_in(&[id]).unwrap();
            cache.finish_swap(&back).unwrap();
        }),
    ];
    for (name, change) in table {
        let mut cache = manager(8, 4);
        let id = with_tokens(&mut cache, 16);
        let (mut mirror, mut changes) = (TableMirror::new(1, 4).unwrap(), Vec::new());
        mirror.sync(&cache, &[id], &mut changes).unwrap();
        let before = cache.blocks(id).unwrap().to_vec();
        change(&mut cache, id);
        assert_ne!(cache.blocks(id).unwrap(), before, "{name}");
        mirror.sync(&cache, &[id], &mut changes).unwrap();
        let blocks: Vec<i32> = cache.blocks(id).unwrap().iter().map(|block| *block as i32).collect();
        assert_eq!(mirror.entries()[..blocks.len()], blocks, "{name}");
    }
}

#[test]
fn groups_are_those_that_save_most() {
    let mut cache = manager(64, 0);
    // A system prompt of two blocks, two templates of one block, two sequences of each; and one that is alone.
    let mut ids = Vec::new();
    for (template, own) in [(0, 1), (1, 2), (0, 3), (1, 4)] {
        let prompt: Vec<u32> = (0..16).chain([100 + template; 8]).chain([200 + own; 5]).collect();
        let admitted = cache.admit("", &prompt).unwrap();
        cache.append(admitted.id, prompt.len() - admitted.cached).unwrap();
        cache.publish(admitted.id, "", &prompt).unwrap();
        ids.push(admitted.id);
    }
    ids.push(with_tokens(&mut cache, 20));
    let found = |ids: &[SequenceId], cache: &BlockManager| -> Vec<(usize, usize, usize)> {
        let groups = cache.shared_prefixes(ids).unwrap();
        groups.iter().map(|g| (g.sequences.start, g.sequences.end, g.tokens)).collect()
    };
    // Templates by turns: the system prompt for all saves 3 * 2 blocks.
    assert_eq!(found(&ids, &cache), [(0, 4, 16)]);
    // Side by side: two groups of 3 blocks save as much as one of 2; the first found stays.
    cache.order_by_prefix(&mut ids).unwrap();
    let saved: usize =
        found(&ids, &cache).iter().map(|(begin, end, tokens)| (end - begin - 1) * tokens).sum();
    assert_eq!(saved, 48);
    // A sequence that ends with what it shares keeps its last block to itself.
    let fork = with_tokens(&mut cache, 16);
    let twin = cache.fork(fork).unwrap();
    assert_eq!(found(&[fork, twin], &cache), [(0, 2, 8)]);
    assert_eq!(found(&[], &cache), []);
}

#[test]
fn victims_are_the_fewest() {
    let mut cache = manager(8, 0);
    let ids: Vec<SequenceId> = [16, 24, 8].map(|count| with_tokens(&mut cache, count)).to_vec();
    let mut candidates: Vec<Candidate> = ids
        .iter()
        .zip([(0, 1), (1, 0), (2, 0)])
        .map(|(id, (arrival, priority))| Candidate { id: *id, arrival, priority })
        .collect();
    preemption_order(&mut candidates);
    let order: Vec<SequenceId> = candidates.iter().map(|candidate| candidate.id).collect();
    assert_eq!(order, [ids[2], ids[1], ids[0]]);
    for (needed, expected) in [(2, Some(0)), (3, Some(1)), (4, Some(2)), (8, Some(3)), (9, None)] {
        let victims = cache.victims(&order, needed).unwrap().map(|victims| victims.len());
        assert_eq!(victims, expected, "{needed} blocks");
    }
    // A block that two share comes free when both go.
    let fork = cache.fork(ids[2]).unwrap();
    assert_eq!((cache.reclaimable(&[fork]), cache.reclaimable(&[fork, ids[2]])), (Ok(0), Ok(1)));
    let table = [((1 << 20, 1e9, 100, 1e3), Recovery::Swap), ((1 << 40, 1e9, 100, 1e3), Recovery::Recompute)];
    for ((bytes, bandwidth, tokens, rate), expected) in table {
        assert_eq!(Recovery::cheaper(bytes, bandwidth, tokens, rate).0, expected);
    }
    assert_eq!(Recovery::cheaper(1, 0.0, 1, f64::NAN).1, Duration::MAX);
}

#[test]
fn waste_by_the_formulas() {
    // Lengths 5, 16 and 0, blocks of 8, room for 32.
    let lens = [5, 16, 0];
    for (waste, reserved, fraction) in [
        (waste_of_max(&lens, 32), 96, 75.0 / 96.0),
        (waste_of_pow2(&lens, 32), 24, 3.0 / 24.0),
        (waste_of_paging(&lens, 8), 24, 3.0 / 24.0),
    ] {
        assert_eq!((waste.reserved, waste.used), (reserved, 21));
        assert!((waste.fraction() - fraction).abs() < 1e-12);
    }
    let mut cache = manager(16, 0);
    let a = with_tokens(&mut cache, 20);
    let b = cache.fork(a).unwrap();
    cache.append(b, 1).unwrap();
    let stats = cache.stats();
    // Three blocks each without sharing, four with it; each last one is the sequence's own.
    assert_eq!((stats.logical_blocks, stats.physical_blocks), (6, 4));
    assert_eq!((stats.paged.reserved, stats.paged.used), (32, 16 + 4 + 5));
    assert!(stats.paged.wasted() <= 2 * 7 && (stats.sharing() - 1.0 / 3.0).abs() < 1e-12);
    let text = stats.to_string();
    for line in
        ["blocks     16 of 8 tokens: 4 in use", "6 blocks without it: 33.3 % saved", "21.9 % of the slots"]
    {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}
