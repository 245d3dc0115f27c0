//! Random operations against a model that is too simple to be wrong: a sequence is a list of tokens, memory is one token
//! for each slot. After every operation each sequence is read through its blocks and must hold its tokens, and every
//! invariant of the cache is checked.

use flashpage_cache::{
    BlockManager, BlockMove, CacheError, Eviction, LockId, ManagerOptions, Residence, SequenceId, SwapPlan,
    TableMirror, UNSET,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const NAMESPACES: [&str; 2] = ["", "adapter"];
/// What a slot holds that nobody has written.
const NOTHING: u32 = u32::MAX;

#[derive(Clone, Debug)]
enum Operation {
    /// A prompt: so many blocks of a shared text, then some tokens of its own.
    Admit {
        namespace: usize,
        shared: usize,
        own: usize,
    },
    Append {
        which: usize,
        count: usize,
    },
    /// All sequences on the device grow by this.
    Step {
        count: usize,
    },
    Fork {
        which: usize,
    },
    Truncate {
        which: usize,
        part: usize,
    },
    Free {
        which: usize,
    },
    Publish {
        which: usize,
    },
    Finish {
        which: usize,
    },
    Evict {
        count: usize,
    },
    EvictToHost {
        count: usize,
    },
    Lock {
        which: usize,
    },
    Unlock {
        which: usize,
    },
    SwapOut {
        which: usize,
        family: usize,
    },
    SwapIn {
        which: usize,
    },
    EndSwap {
        which: usize,
        fails: bool,
    },
    /// A step that is given up.
    Reserve {
        count: usize,
    },
    Sync,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation as O;
    let which = || 0..16usize;
    prop_oneof![
        4 => (0..2usize, 0..6usize, 0..20usize).prop_map(|(namespace, shared, own)| O::Admit { namespace, shared, own }),
        6 => (which(), 0..24usize).prop_map(|(which, count)| O::Append { which, count }),
        4 => (0..4usize).prop_map(|count| O::Step { count }),
        3 => which().prop_map(|which| O::Fork { which }),
        2 => (which(), 0..8usize).prop_map(|(which, part)| O::Truncate { which, part }),
        2 => which().prop_map(|which| O::Free { which }),
        2 => which().prop_map(|which| O::Publish { which }),
        3 => which().prop_map(|which| O::Finish { which }),
        1 => (0..9usize).prop_map(|count| O::Evict { count }),
        1 => (0..9usize).prop_map(|count| O::EvictToHost { count }),
        1 => which().prop_map(|which| O::Lock { which }),
        1 => which().prop_map(|which| O::Unlock { which }),
        1 => (which(), 1..4usize).prop_map(|(which, family)| O::SwapOut { which, family }),
        1 => which().prop_map(|which| O::SwapIn { which }),
        3 => (which(), any::<bool>()).prop_map(|(which, fails)| O::EndSwap { which, fails }),
        1 => (1..9usize).prop_map(|count| O::Reserve { count }),
        2 => Just(O::Sync),
    ]
}

struct Known {
    id: SequenceId,
    namespace: usize,
    tokens: Vec<u32>,
}

struct Model {
    cache: BlockManager,
    block_size: usize,
    device: Vec<u32>,
    host: Vec<u32>,
    sequences: Vec<Known>,
    swaps: Vec<(SwapPlan, bool)>,
    locks: Vec<LockId>,
    table: TableMirror,
    device_table: Vec<i32>,
    fresh: u32,
}

impl Model {
    fn new(block_size: usize, blocks: usize, host_blocks: usize, eviction: Eviction) -> Model {
        let options = ManagerOptions { blocks, block_size, host_blocks, eviction };
        let (rows, width) = (12, 16);
        Model {
            cache: BlockManager::new(options).unwrap(),
            block_size,
            device: vec![NOTHING; blocks * block_size],
            host: vec![NOTHING; host_blocks * block_size],
            sequences: Vec::new(),
            swaps: Vec::new(),
            locks: Vec::new(),
            table: TableMirror::new(rows, width).unwrap(),
            device_table: vec![UNSET; rows * width],
            fresh: 1_000_000,
        }
    }

    /// Few different prompts, so that they share; tokens of their own are few too, so that they part at every place.
    fn prompt(&mut self, shared: usize, own: usize) -> Vec<u32> {
        let text = (0..shared * self.block_size + own % 3).map(|i| (i / (2 * self.block_size)) as u32);
        let mut prompt: Vec<u32> = text.collect();
        for _ in 0..own {
            self.fresh = self.fresh.wrapping_mul(0x9e37_79b1).wrapping_add(1);
            prompt.push(10 + (self.fresh >> 28) % 3);
        }
        prompt
    }

    fn range(&self, block: u32) -> std::ops::Range<usize> {
        block as usize * self.block_size..(block as usize + 1) * self.block_size
    }

    fn copy_device(&mut self, copies: &[BlockMove]) {
        for copy in copies {
            let (from, to) = (self.range(copy.from), self.range(copy.to));
            self.device.copy_within(from, to.start);
        }
    }

    fn save(&mut self, saves: &[BlockMove]) {
        for copy in saves {
            let (from, to) = (self.range(copy.from), self.range(copy.to));
            self.host[to].copy_from_slice(&self.device[from]);
        }
    }

    fn load(&mut self, loads: &[BlockMove]) {
        for copy in loads {
            let (from, to) = (self.range(copy.from), self.range(copy.to));
            self.device[to].copy_from_slice(&self.host[from]);
        }
    }

    /// Appends tokens to some sequences in one step.
    fn grow(&mut self, which: &[usize], count: usize) -> Result<(), CacheError> {
        let work: Vec<_> = which.iter().map(|index| (self.sequences[*index].id, count)).collect();
        let step = self.cache.try_reserve(work)?;
        let (copies, saves) = (step.copies().to_vec(), step.saves().to_vec());
        let mut slots = Vec::new();
        step.commit(&mut slots);
        self.save(&saves);
        self.copy_device(&copies);
        assert_eq!(slots.len(), which.len() * count);
        for (index, slots) in which.iter().zip(slots.chunks(count.max(1))) {
            for slot in slots {
                self.fresh = self.fresh.wrapping_mul(0x9e37_79b1).wrapping_add(1);
                let token = 10 + (self.fresh >> 28) % 3;
                self.device[*slot as usize] = token;
                self.sequences[*index].tokens.push(token);
            }
        }
        Ok(())
    }

    fn admit(&mut self, namespace: usize, prompt: &[u32]) -> Result<(), CacheError> {
        let name = NAMESPACES[namespace];
        let admitted = self.cache.admit(name, prompt)?;
        let id = admitted.id;
        let mut cached = admitted.cached;
        if admitted.on_host > 0 {
            let restored = self.cache.restore(id, name, prompt).map(|restore| {
                let (loads, saves) = (restore.loads().to_vec(), restore.saves().to_vec());
                (restore.commit(), loads, saves)
            });
            if let Ok((tokens, loads, saves)) = restored {
                cached += tokens;
                self.save(&saves);
                self.load(&loads);
            }
        }
        assert!(cached.is_multiple_of(self.block_size) && cached <= prompt.len().saturating_sub(1));
        self.sequences.push(Known { id, namespace, tokens: prompt[..cached].to_vec() });
        match self.cache.append(id, prompt.len() - cached) {
            Ok(appended) => {
                self.save(&appended.saves);
                self.copy_device(&appended.copies);
                for (slot, token) in appended.slots.iter().zip(&prompt[cached..]) {
                    self.device[*slot as usize] = *token;
                }
                if let Some(last) = self.sequences.last_mut() {
                    last.tokens = prompt.to_vec();
                }
                Ok(())
            }
            Err(error) => {
                self.cache.free(id)?;
                self.sequences.pop();
                Err(error)
            }
        }
    }

    /// One operation; refusals are fine where the model agrees that there is no room.
    fn run(&mut self, operation: &Operation) -> Result<(), CacheError> {
        use Operation as O;
        let count = self.sequences.len();
        let pick = |which: usize| (count > 0).then(|| which % count);
        match *operation {
            O::Admit { namespace, shared, own } => {
                let prompt = self.prompt(shared, own);
                if self.sequences.len() < 12 {
                    self.admit(namespace, &prompt)?;
                }
            }
            O::Append { which, count } => {
                if let Some(index) = pick(which) {
                    self.grow(&[index], count)?;
                }
            }
            O::Step { count } => {
                let resident: Vec<usize> = (0..self.sequences.len())
                    .filter(|i| self.cache.residence(self.sequences[*i].id) == Ok(Residence::Device))
                    .collect();
                self.grow(&resident, count)?;
            }
            O::Fork { which } => {
                if let Some(index) = pick(which).filter(|_| count < 12) {
                    let id = self.cache.fork(self.sequences[index].id)?;
                    let (namespace, tokens) =
                        (self.sequences[index].namespace, self.sequences[index].tokens.clone());
                    self.sequences.push(Known { id, namespace, tokens });
                }
            }
            O::Truncate { which, part } => {
                if let Some(index) = pick(which) {
                    let sequence = &mut self.sequences[index];
                    let len = sequence.tokens.len() * part / 8;
                    self.cache.truncate(sequence.id, len)?;
                    sequence.tokens.truncate(len);
                }
            }
            O::Free { which } => {
                if let Some(index) = pick(which) {
                    self.cache.free(self.sequences[index].id)?;
                    let gone = self.sequences.swap_remove(index).id;
                    assert_eq!(self.cache.free(gone), Err(CacheError::FreedSequence(gone)));
                }
            }
            O::Publish { which } => {
                if let Some(index) = pick(which) {
                    let Known { id, namespace, tokens } = &self.sequences[index];
                    self.cache.publish(*id, NAMESPACES[*namespace], tokens)?;
                }
            }
            O::Finish { which } => {
                if let Some(index) = pick(which) {
                    let Known { id, namespace, tokens } = &self.sequences[index];
                    self.cache.finish(*id, NAMESPACES[*namespace], tokens)?;
                    self.sequences.swap_remove(index);
                }
            }
            O::Evict { count } => {
                let idle = self.cache.pool().idle_blocks();
                assert_eq!(self.cache.evict(count), count.min(idle), "every idle block can be evicted");
            }
            O::EvictToHost { count } => {
                let idle = self.cache.pool().idle_blocks();
                let eviction = self.cache.evict_to_host(count);
                let saves = eviction.saves().to_vec();
                assert_eq!(eviction.commit(), count.min(idle));
                self.save(&saves);
            }
            O::Lock { which } => {
                if let Some(index) = pick(which) {
                    let Known { namespace, tokens, .. } = &self.sequences[index];
                    self.locks.push(self.cache.lock(NAMESPACES[*namespace], tokens).0);
                }
            }
            O::Unlock { which } => {
                if !self.locks.is_empty() {
                    let lock = self.locks.swap_remove(which % self.locks.len());
                    self.cache.unlock(lock)?;
                    assert!(matches!(self.cache.unlock(lock), Err(CacheError::NotLocked(_))));
                }
            }
            O::SwapOut { which, family } => {
                if let Some(index) = pick(which) {
                    let ids: Vec<_> =
                        (0..family.min(count)).map(|i| self.sequences[(index + i) % count].id).collect();
                    let plan = self.cache.begin_swap_out(&ids)?;
                    self.swaps.push((plan, true));
                }
            }
            O::SwapIn { which } => {
                if let Some(index) = pick(which) {
                    let plan = self.cache.begin_swap_in(&[self.sequences[index].id])?;
                    let saves = plan.saves.clone();
                    self.save(&saves);
                    self.swaps.push((plan, false));
                }
            }
            O::EndSwap { which, fails } => self.end_swap(which, fails)?,
            O::Reserve { count } => {
                let ids: Vec<_> = self.sequences.iter().map(|s| (s.id, count)).collect();
                drop(self.cache.try_reserve(ids)?);
            }
            O::Sync => {
                let ids = self.resident();
                let mut changes = Vec::new();
                self.table.sync(&self.cache, &ids, &mut changes)?;
                for (index, value) in changes {
                    assert_ne!(self.device_table[index as usize], value, "only what changed is told");
                    self.device_table[index as usize] = value;
                }
                for (row, id) in ids.iter().enumerate() {
                    let blocks: Vec<i32> = self.cache.blocks(*id)?.iter().map(|b| *b as i32).collect();
                    let first = row * self.table.width();
                    assert_eq!(self.device_table[first..first + blocks.len()], blocks);
                }
            }
        }
        Ok(())
    }

    fn resident(&self) -> Vec<SequenceId> {
        let ids = self.sequences.iter().map(|known| known.id);
        ids.filter(|id| self.cache.residence(*id) == Ok(Residence::Device)).collect()
    }

    fn end_swap(&mut self, which: usize, fails: bool) -> Result<(), CacheError> {
        if self.swaps.is_empty() {
            return Ok(());
        }
        let (plan, out) = self.swaps.swap_remove(which % self.swaps.len());
        if fails {
            self.cache.abort_swap(&plan)?;
        } else {
            if out {
                self.save(&plan.moves);
            } else {
                self.load(&plan.moves);
            }
            self.cache.finish_swap(&plan)?;
        }
        assert!(matches!(self.cache.finish_swap(&plan), Err(CacheError::NoSwap(_))));
        Ok(())
    }

    /// Everything that must hold at any time.
    fn check(&self) -> Result<(), String> {
        self.cache.audit()?;
        let mut holders: BTreeMap<u32, u32> = BTreeMap::new();
        for known in &self.sequences {
            let len = self.cache.len(known.id).map_err(|error| error.to_string())?;
            if len != known.tokens.len() {
                return Err(format!("{} has {len} tokens, the model {}", known.id, known.tokens.len()));
            }
            let Ok(blocks) = self.cache.blocks(known.id) else { continue };
            if blocks.len() != len.div_ceil(self.block_size) {
                return Err(format!("{len} tokens in {} blocks", blocks.len()));
            }
            blocks.iter().for_each(|block| *holders.entry(*block).or_default() += 1);
            let slots = self.cache.slots(known.id, 0..len).map_err(|error| error.to_string())?;
            let read: Vec<u32> = slots.iter().map(|slot| self.device[*slot as usize]).collect();
            if read != known.tokens {
                return Err(format!("{}: {read:?} is not {:?}", known.id, known.tokens));
            }
        }
        // Nobody holds what the model does not know of, but for locks and sequences that move or are away.
        let quiet = self.swaps.is_empty()
            && self.locks.is_empty()
            && self.sequences.iter().all(|s| self.cache.residence(s.id) == Ok(Residence::Device));
        if quiet {
            let pool = self.cache.pool();
            for block in 0..pool.total() as u32 {
                let held =
                    pool.id_of(block).map_or(Ok(0), |id| pool.references(id)).map_err(|e| e.to_string())?;
                let own = holders.get(&block).copied().unwrap_or(0);
                if held != own && held != own + 1 {
                    return Err(format!("block {block} is held {held} times, by {own} sequences"));
                }
            }
            let held_by_tree = pool.total() - pool.free_blocks() - holders.len();
            if held_by_tree != pool.idle_blocks() {
                return Err(format!("{held_by_tree} blocks leaked or idle, {} idle", pool.idle_blocks()));
            }
        }
        Ok(())
    }

    /// Everything is given back, and the pool is as it was.
    fn close(mut self) -> Result<(), String> {
        while !self.swaps.is_empty() {
            self.end_swap(0, true).map_err(|error| error.to_string())?;
        }
        for lock in std::mem::take(&mut self.locks) {
            self.cache.unlock(lock).map_err(|error| error.to_string())?;
        }
        for known in std::mem::take(&mut self.sequences) {
            self.cache.free(known.id).map_err(|error| error.to_string())?;
        }
        self.cache.evict(usize::MAX);
        self.cache.audit()?;
        let (pool, host) = (self.cache.pool(), self.cache.host_pool());
        let kept = self.cache.stats().host[2];
        if pool.free_blocks() != pool.total() || host.free_blocks() + kept != host.total() {
            return Err(format!("{} blocks leaked", pool.total() - pool.free_blocks()));
        }
        if self.cache.tree().nodes() != 0 {
            return Err(format!("{} nodes of an empty tree", self.cache.tree().nodes()));
        }
        Ok(())
    }
}

proptest! {
    // 500 runs of 200: 100,000 operations.
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_cache_is_as_the_model(
        block_size in prop::sample::select(vec![1usize, 2, 4, 8]),
        blocks in 1..40usize,
        host_blocks in prop::sample::select(vec![0usize, 3, 20]),
        eviction in prop::sample::select(vec![Eviction::Lru, Eviction::Lfu, Eviction::SegmentedLru]),
        operations in prop::collection::vec(operation(), 200),
    ) {
        let mut model = Model::new(block_size, blocks, host_blocks, eviction);
        for (index, operation) in operations.iter().enumerate() {
            let before = (model.cache.pool().free_blocks(), model.cache.pool().idle_blocks());
            let result = model.run(operation);
            if let Err(CacheError::OutOfBlocks(error)) = result {
                prop_assert!(error.needed > error.free + error.idle, "{error}");
                let after = (model.cache.pool().free_blocks(), model.cache.pool().idle_blocks());
                // To bring a prefix back from the host is an operation of its own, which may have made room for itself.
                let restored = matches!(operation, Operation::Admit { .. });
                prop_assert!(restored || before == after, "after {index}, {operation:?}");
            }
            if let Err(error) = model.check() {
                return Err(TestCaseError::fail(format!("after {index}, {operation:?} ({result:?}): {error}")));
            }
        }
        if let Err(error) = model.close() {
            return Err(TestCaseError::fail(error));
        }
    }
}
