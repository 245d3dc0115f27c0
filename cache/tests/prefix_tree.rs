//! The prefix tree against a search by brute force, its events, its locks, and what it refuses.

use flashpage_cache::{
    BlockError, BlockId, BlockPool, Eviction, InsertError, NotLocked, PrefixEvent, PrefixTree, block_hash,
    namespace_hash,
};
use proptest::prelude::*;
use std::collections::HashSet;

/// Puts a prompt into the tree as a server does: with the blocks that are cached of it, and new ones for the rest.
fn store(tree: &mut PrefixTree, pool: &mut BlockPool, namespace: &str, tokens: &[u32]) -> Vec<BlockId> {
    let mut blocks = Vec::new();
    tree.match_prefix(pool, namespace, tokens, &mut blocks);
    blocks.iter().for_each(|block| pool.retain(*block).unwrap());
    let lacking = tokens.len() / tree.block_size() - blocks.len();
    pool.alloc_many(lacking, &mut blocks).unwrap();
    tree.insert(pool, namespace, tokens, &blocks).unwrap();
    pool.release_many(&blocks).unwrap();
    blocks
}

fn tokens() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0..2u32, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Without eviction a match is the longest common prefix with anything stored, in whole blocks, and its blocks are
    /// those that were stored.
    #[test]
    fn matches_are_the_longest(
        block_size in 1..5usize,
        prompts in prop::collection::vec((0..2usize, tokens()), 1..30),
    ) {
        let (mut tree, mut pool) = (PrefixTree::new(block_size, Eviction::Lru), BlockPool::new(2000));
        let names = ["", "tenant"];
        let mut stored: Vec<(usize, &[u32], Vec<BlockId>)> = Vec::new();
        for (namespace, prompt) in &prompts {
            let longest = stored.iter().filter(|(n, ..)| n == namespace).map(|(_, other, blocks)| {
                let common = prompt.iter().zip(*other).take_while(|(a, b)| a == b).count() / block_size;
                (common, &blocks[..common])
            });
            let (expected, blocks) = longest.max_by_key(|(common, _)| *common).unwrap_or((0, &[]));
            let mut found = Vec::new();
            prop_assert_eq!(tree.peek(names[*namespace], prompt), expected * block_size);
            let hit = tree.match_prefix(&pool, names[*namespace], prompt, &mut found);
            prop_assert_eq!((hit, &found[..]), (expected * block_size, blocks));
            let whole = prompt.len() / block_size * block_size;
            let blocks = store(&mut tree, &mut pool, names[*namespace], prompt);
            stored.push((*namespace, &prompt[..whole], blocks));
            tree.audit(&pool).map_err(TestCaseError::fail)?;
        }
        // A node ends only where prompts part: there are fewer than two for each that is stored.
        let different: HashSet<_> = stored.iter().map(|(n, prompt, _)| (n, prompt)).collect();
        prop_assert!(tree.nodes() <= 2 * different.len() + 2, "{} nodes", tree.nodes());
    }

    /// Blocks are evicted in the order of their last use, the deeper first of those that were used together.
    #[test]
    fn the_least_recently_used_goes_first(prompts in prop::collection::vec(tokens(), 1..20), count in 0..30usize) {
        let (mut tree, mut pool) = (PrefixTree::new(1, Eviction::Lru), BlockPool::new(2000));
        // By prefix: when it was last used.
        let mut uses: std::collections::HashMap<Vec<u32>, usize> = Default::default();
        for (now, prompt) in prompts.iter().enumerate() {
            store(&mut tree, &mut pool, "", prompt);
            uses.extend((1..=prompt.len()).map(|len| (prompt[..len].to_vec(), now)));
        }
        let mut order: Vec<(usize, usize)> = uses.iter().map(|(prefix, now)| (*now, prefix.len())).collect();
        order.sort_by_key(|(now, len)| (*now, std::cmp::Reverse(*len)));
        let evicted = tree.evict(&mut pool, count);
        prop_assert_eq!(evicted, count.min(order.len()));
        tree.audit(&pool).map_err(TestCaseError::fail)?;
        // What is left is what was used last. Between prefixes of the same use any may go.
        let border = order.get(evicted).map_or(usize::MAX, |(now, _)| *now);
        for (prefix, now) in &uses {
            let here = tree.peek("", prefix) == prefix.len();
            prop_assert!(*now == border || here == (*now > border), "{prefix:?} used at {now}, border {border}");
        }
    }
}

#[test]
fn policies_differ_in_what_they_keep() {
    // Prompt 0 is matched twice, then 1 once, then 2 is stored and never matched.
    let table = [(Eviction::Lru, [0, 1, 2]), (Eviction::Lfu, [2, 1, 0]), (Eviction::SegmentedLru, [2, 0, 1])];
    for (policy, order) in table {
        let (mut tree, mut pool) = (PrefixTree::new(2, policy), BlockPool::new(16));
        let prompt = |n: u32| [n, n, n, n];
        store(&mut tree, &mut pool, "", &prompt(0));
        store(&mut tree, &mut pool, "", &prompt(1));
        for n in [0, 0, 1] {
            tree.match_prefix(&pool, "", &prompt(n), &mut Vec::new());
        }
        store(&mut tree, &mut pool, "", &prompt(2));
        for (gone, n) in order.iter().enumerate() {
            assert_eq!(tree.evict(&mut pool, 2), 2);
            let left: Vec<u32> = (0..3).filter(|n| tree.peek("", &prompt(*n)) > 0).collect();
            assert!(
                !left.contains(n) && left.len() == 2 - gone,
                "{policy:?}: {left:?} left after {n} was to go"
            );
        }
    }
}

#[test]
fn what_was_held_goes_when_its_turn_comes() {
    let (mut tree, mut pool) = (PrefixTree::new(2, Eviction::Lru), BlockPool::new(16));
    let prompt = |n: u32| [n, n];
    let blocks: Vec<BlockId> = (0..4).flat_map(|n| store(&mut tree, &mut pool, "", &prompt(n))).collect();
    let left = |tree: &PrefixTree| (0..4).filter(|n| tree.peek("", &prompt(*n)) > 0).collect::<Vec<_>>();
    // The oldest is held: the next goes. It is given back: now it is first.
    pool.retain(blocks[0]).unwrap();
    assert_eq!((tree.evict(&mut pool, 1), left(&tree)), (1, vec![0, 2, 3]));
    pool.release(blocks[0]).unwrap();
    assert_eq!((tree.evict(&mut pool, 1), left(&tree)), (1, vec![2, 3]));
}

#[test]
fn events_say_what_a_router_needs() {
    let (mut tree, mut pool) = (PrefixTree::new(2, Eviction::Lru), BlockPool::new(16));
    store(&mut tree, &mut pool, "a", &[9, 9]);
    assert!(tree.take_events().is_empty(), "nothing is recorded before it is asked for");
    tree.record_events();
    store(&mut tree, &mut pool, "a", &[1, 2, 3, 4, 5]);
    store(&mut tree, &mut pool, "a", &[1, 2, 7, 7]);
    let root = namespace_hash("a");
    let first = block_hash(root, &[1, 2]);
    let (second, other) = (block_hash(first, &[3, 4]), block_hash(first, &[7, 7]));
    let namespace = || "a".to_string();
    let stored = |parent, hashes: &[u64], tokens: &[u32]| PrefixEvent::Stored {
        namespace: namespace(),
        parent,
        hashes: hashes.to_vec(),
        tokens: tokens.to_vec(),
    };
    assert_eq!(
        tree.take_events(),
        [stored(root, &[first, second], &[1, 2, 3, 4]), stored(first, &[other], &[7, 7])]
    );
    assert_eq!(tree.clear(&mut pool), 4);
    let removed = tree.take_events().into_iter().flat_map(|event| match event {
        PrefixEvent::Removed { hashes, .. } => hashes,
        _ => Vec::new(),
    });
    assert_eq!(removed.collect::<Vec<_>>(), [block_hash(root, &[9, 9]), second, other, first]);
    assert_eq!((pool.free_blocks(), tree.nodes()), (16, 0));
}

#[test]
fn a_tree_prints() {
    let (mut tree, mut pool) = (PrefixTree::new(2, Eviction::Lru), BlockPool::new(32));
    assert_eq!(tree.to_string(), "0 blocks of 2 tokens in 0 runs");
    for last in 0..10 {
        store(&mut tree, &mut pool, "tenant", &[1, 2, 3, 4, last, last]);
    }
    let text = tree.to_string();
    for line in [
        "12 blocks of 2 tokens in 11 runs",
        "namespace \"tenant\"",
        "└─ 2 blocks, 9 hits: tokens 1 2 3 4 …",
        "   ├─ 1 blocks, 0 hits: tokens",
        "   └─ and 2 more",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line:?} is not in\n{text}");
    }
}

#[test]
fn locks_hold_what_they_cover() {
    let (mut tree, mut pool) = (PrefixTree::new(2, Eviction::Lru), BlockPool::new(16));
    store(&mut tree, &mut pool, "", &[1, 2, 3, 4, 5, 6]);
    let (lock, covered) = tree.lock(&mut pool, "", &[1, 2, 3, 4, 9]);
    assert_eq!((covered, tree.locks()), (4, 1));
    // The rest of the node can go, what is locked cannot.
    assert_eq!((tree.evict(&mut pool, 9), tree.peek("", &[1, 2, 3, 4, 5, 6])), (1, 4));
    tree.unlock(&mut pool, lock).unwrap();
    let again = tree.unlock(&mut pool, lock).unwrap_err();
    assert_eq!(again, NotLocked(lock));
    assert!(
        again.to_string().ends_with("is not held: it was given back, or belongs to another tree"),
        "{again}"
    );
    // A place that is used again is not the old lock's; nor does a lock of another tree count here.
    let (newer, _) = tree.lock(&mut pool, "", &[1, 2]);
    assert!(tree.unlock(&mut pool, lock).is_err());
    let (mut other, mut others) = (PrefixTree::new(2, Eviction::Lru), BlockPool::new(16));
    let (foreign, covered) = other.lock(&mut others, "", &[1, 2]);
    assert_eq!(covered, 0);
    assert!(tree.unlock(&mut pool, foreign).is_err());
    tree.unlock(&mut pool, newer).unwrap();
    assert_eq!(tree.evict(&mut pool, 9), 2);
    pool.audit().unwrap();
}

#[test]
fn what_cannot_be_stored_changes_nothing() {
    let (mut tree, mut pool, mut other) =
        (PrefixTree::new(2, Eviction::Lru), BlockPool::new(4), BlockPool::new(4));
    let mut ids = Vec::new();
    pool.alloc_many(3, &mut ids).unwrap();
    let foreign = other.alloc().unwrap();
    let freed = pool.alloc().unwrap();
    pool.release(freed).unwrap();
    tree.insert(&mut pool, "", &[1, 1], &ids[..1]).unwrap();
    let table: [(&[BlockId], InsertError); 5] = [
        (&ids[..1], InsertError::Blocks { tokens: 5, whole: 2, block_size: 2, blocks: 1 }),
        // Already under other tokens; the same block twice.
        (&[ids[1], ids[0]], InsertError::Cached(0)),
        (&[ids[1], ids[1]], InsertError::Cached(1)),
        (&[ids[1], foreign], InsertError::Block(BlockError::Foreign(0))),
        (&[ids[1], freed], InsertError::Block(BlockError::Freed(3))),
    ];
    for (blocks, expected) in table {
        assert_eq!(tree.insert(&mut pool, "", &[5, 6, 7, 8, 9], blocks), Err(expected));
        assert_eq!((pool.cached_blocks(), tree.nodes(), pool.free_blocks()), (1, 2, 1), "{expected}");
        pool.audit().and_then(|()| tree.audit(&pool)).unwrap();
    }
}
