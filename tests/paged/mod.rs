//! A paged cache on the emulator beside a model of it: a sequence is its tokens, and every token has rows of its own, so
//! that what is read back through the block table tells which tokens it is of.

use flashpage::prelude::*;
use flashpage::runtime::cache::{
    CacheError, CacheOptions, DeviceTable, PagedCache, PagedCacheError, PagedSwap, Residence, SequenceId,
    StoredValues,
};
use flashpage::runtime::device::EmulatorOptions;

pub const NAMESPACES: [&str; 2] = ["", "adapter"];
pub const ROWS: usize = 10;
const WIDTH: usize = 32;

/// A sequence as it should be.
pub struct Known {
    pub id: SequenceId,
    pub namespace: usize,
    pub tokens: Vec<u32>,
}

/// The cache and what should be in it.
pub struct Model {
    pub device: Device,
    pub cache: PagedCache,
    pub known: Vec<Known>,
    pub swaps: Vec<(PagedSwap, Vec<SequenceId>)>,
    pub table: DeviceTable,
    fresh: u32,
}

/// Numbers of a token's keys, or of its values.
fn numbers(options: &CacheOptions, values: bool) -> usize {
    options.num_kv_heads * if values { options.head_dim.v } else { options.head_dim.qk }
}

/// The numbers of a token: exact in every type that a cache holds.
fn row(token: u32, layer: usize, values: bool, count: usize) -> Vec<f32> {
    let bits = |i: usize| {
        token.wrapping_mul(0x9e37_79b1) ^ ((layer as u32) << 3) ^ (u32::from(values) << 5) ^ (i as u32 * 7)
    };
    (0..count).map(|i| (bits(i).wrapping_mul(0x85eb_ca6b) >> 29) as f32 - 3.5).map(f32::trunc).collect()
}

impl Model {
    pub fn new(options: CacheOptions, emulator: EmulatorOptions) -> Model {
        let device = Device::emulator_with(emulator);
        let cache = PagedCache::new(&device, options).unwrap();
        let table = DeviceTable::new(&device, ROWS, WIDTH).unwrap();
        Model { device, cache, known: Vec::new(), swaps: Vec::new(), table, fresh: 1 }
    }

    /// A token out of few, so that sequences begin alike and part anywhere.
    pub fn draw(&mut self) -> u32 {
        self.fresh = self.fresh.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        10 + (self.fresh >> 24) % 3
    }

    /// A prompt of whole blocks of a text that all share, then tokens of its own.
    pub fn prompt(&mut self, shared: usize, own: usize) -> Vec<u32> {
        let text: Vec<u32> = (0..shared * self.cache.options().block_size).map(|i| i as u32 / 16).collect();
        let own: Vec<u32> = (0..own).map(|_| self.draw()).collect();
        [text, own].concat()
    }

    pub fn is_here(&self, index: usize) -> bool {
        self.cache.residence(self.known[index].id).unwrap() == Residence::Device
    }

    /// Sequences that can be read.
    pub fn here(&self) -> Vec<usize> {
        (0..self.known.len()).filter(|index| self.is_here(*index)).collect()
    }

    /// Appends tokens to sequences and writes their rows into every layer. If a row cannot be written the tokens are taken
    /// back, as a server would.
    pub fn grow(&mut self, which: &[usize], tokens: &[Vec<u32>]) -> Result<(), PagedCacheError> {
        let mut slots = Vec::new();
        let work: Vec<_> = which.iter().zip(tokens).map(|(i, new)| (self.known[*i].id, new.len())).collect();
        self.cache.step(work, &mut slots)?;
        let all: Vec<u32> = tokens.concat();
        if let Err(error) = self.write(&slots, &all) {
            for index in which {
                let Known { id, tokens, .. } = &self.known[*index];
                self.cache.truncate(*id, tokens.len())?;
            }
            return Err(error);
        }
        for (index, new) in which.iter().zip(tokens) {
            self.known[*index].tokens.extend(new);
        }
        Ok(())
    }

    fn write(&self, slots: &[i64], tokens: &[u32]) -> Result<(), PagedCacheError> {
        let options = self.cache.options();
        for layer in 0..options.layers {
            let rows = |values| -> Vec<f16> {
                let count = numbers(options, values);
                tokens.iter().flat_map(|token| row(*token, layer, values, count)).map(f16::from_f32).collect()
            };
            match options.values {
                StoredValues::Own => self.cache.write(layer, slots, &rows(false), &rows(true))?,
                StoredValues::InKeys => self.cache.write_keys(layer, slots, &rows(false))?,
            }
        }
        Ok(())
    }

    pub fn admit(&mut self, namespace: usize, prompt: &[u32]) -> Result<(), PagedCacheError> {
        let admitted = self.cache.admit(NAMESPACES[namespace], prompt)?;
        let (id, cached) = (admitted.id, admitted.cached);
        assert!(cached < prompt.len().max(1));
        self.known.push(Known { id, namespace, tokens: prompt[..cached].to_vec() });
        let last = self.known.len() - 1;
        let grown = self.grow(&[last], &[prompt[cached..].to_vec()]);
        if grown.is_err() {
            self.cache.free(id)?;
            self.known.pop();
        }
        grown
    }

    pub fn fork(&mut self, index: usize) -> Result<(), PagedCacheError> {
        let id = self.cache.fork(self.known[index].id)?;
        let Known { namespace, tokens, .. } = &self.known[index];
        let (namespace, tokens) = (*namespace, tokens.clone());
        self.known.push(Known { id, namespace, tokens });
        Ok(())
    }

    pub fn truncate(&mut self, index: usize, len: usize) -> Result<(), PagedCacheError> {
        self.cache.truncate(self.known[index].id, len)?;
        self.known[index].tokens.truncate(len);
        Ok(())
    }

    pub fn free(&mut self, index: usize) -> Result<(), PagedCacheError> {
        self.cache.free(self.known[index].id)?;
        self.known.swap_remove(index);
        Ok(())
    }

    pub fn publish(&mut self, index: usize) -> Result<(), PagedCacheError> {
        let Known { id, namespace, tokens } = &self.known[index];
        self.cache.publish(*id, NAMESPACES[*namespace], tokens).map(drop)
    }

    pub fn finish(&mut self, index: usize) -> Result<(), PagedCacheError> {
        let Known { id, namespace, tokens } = &self.known[index];
        self.cache.finish(*id, NAMESPACES[*namespace], tokens)?;
        self.known.swap_remove(index);
        Ok(())
    }

    pub fn begin_swap(&mut self, which: &[usize], out: bool) -> Result<(), PagedCacheError> {
        let ids: Vec<SequenceId> = which.iter().map(|index| self.known[*index].id).collect();
        let swap = if out { self.cache.begin_swap_out(&ids) } else { self.cache.begin_swap_in(&ids) }?;
        self.swaps.push((swap, ids));
        Ok(())
    }

    pub fn end_swap(&mut self, which: usize) -> Result<(), PagedCacheError> {
        let (swap, _) = self.swaps.swap_remove(which);
        self.cache.finish_swap(swap)
    }

    /// Uploads the table of all that can be read and looks at it on the device.
    pub fn sync(&mut self) -> Result<(), PagedCacheError> {
        let ids: Vec<SequenceId> = self.here().into_iter().map(|index| self.known[index].id).collect();
        let table = self.table.sync(&self.cache, &ids)?;
        let (entries, lens) =
            (table.entries_tensor().to_vec::<i32>()?, table.seq_lens_tensor().to_vec::<i32>()?);
        for (row, id) in ids.iter().enumerate() {
            let blocks: Vec<i32> = self.cache.blocks(*id)?.iter().map(|block| *block as i32).collect();
            assert_eq!(entries[row * WIDTH..row * WIDTH + blocks.len()], blocks);
            assert_eq!(lens[row] as usize, self.cache.len(*id)?);
        }
        Ok(())
    }

    /// Everything that must hold: the bookkeeping's invariants, and that each sequence, read through its block table by the
    /// gather kernel, holds its tokens.
    pub fn check(&self) -> Result<(), String> {
        self.cache.manager().audit()?;
        let here = self.here();
        for known in &self.known {
            let len = self.cache.len(known.id).map_err(|error| error.to_string())?;
            if len != known.tokens.len() {
                return Err(format!("{} has {len} tokens, the model {}", known.id, known.tokens.len()));
            }
        }
        let ids: Vec<SequenceId> = here.iter().map(|index| self.known[*index].id).collect();
        let tokens: Vec<u32> =
            here.iter().flat_map(|index| self.known[*index].tokens.iter().copied()).collect();
        let options = self.cache.options();
        for layer in 0..options.layers {
            let gathered = match options.values {
                StoredValues::Own => {
                    self.cache.gather(layer, &ids, DType::F16).map(|(keys, values)| vec![keys, values])
                }
                StoredValues::InKeys => {
                    self.cache.gather_keys(layer, &ids, DType::F16).map(|keys| vec![keys])
                }
            };
            let gathered = gathered.map_err(|error| format!("gather: {error}"))?;
            for (tensor, of_values) in gathered.iter().zip([false, true]) {
                let read = tensor.to_f32_vec().map_err(|error| error.to_string())?;
                let count = numbers(options, of_values);
                for (index, (token, read)) in tokens.iter().zip(read.chunks(count)).enumerate() {
                    let wanted = row(*token, layer, of_values, count);
                    if read != wanted {
                        return Err(format!("layer {layer}, row {index}: {read:?} instead of {wanted:?}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Everything is given back: nothing has leaked.
    pub fn close(mut self) -> Result<(), String> {
        let text = |error: PagedCacheError| error.to_string();
        while !self.swaps.is_empty() {
            self.end_swap(0).map_err(text)?;
        }
        while !self.known.is_empty() {
            self.free(0).map_err(text)?;
        }
        self.cache.evict(usize::MAX);
        let manager = self.cache.manager();
        manager.audit()?;
        let kept = self.cache.stats().host[2];
        let (pool, host) = (manager.pool(), manager.host_pool());
        if pool.free_blocks() != pool.total() || host.free_blocks() + kept != host.total() {
            return Err(format!("{} of {} blocks are free", pool.free_blocks(), pool.total()));
        }
        Ok(())
    }
}

/// Whether an error is that there was no room, or that a sequence is elsewhere: what a random walk runs into.
pub fn is_refusal(error: &PagedCacheError) -> bool {
    use CacheError as E;
    matches!(
        error,
        PagedCacheError::Cache(
            E::OutOfBlocks(_)
                | E::OutOfHostBlocks { .. }
                | E::Moving(_)
                | E::SwappedOut(_)
                | E::NotSwappedOut(_)
        )
    )
}
