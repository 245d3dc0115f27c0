//! A paged KV cache on a device.

use super::store::Store;
use super::{PagedCacheError, SequenceId};
use crate::args::{BlockTable, Pool, PoolLayout, PoolShape, Starts};
use crate::device::{Buffer, Device};
use crate::device_kernels::{
    AppendKv, CountSaturated, DeviceArray, FindScales, GatherKv, KvScales, Rotary, ScalePer, append_kv,
    count_saturated, find_scales, gather_kv,
};
use crate::tensor::{HostElement, Tensor};
use flashpage_cache::{
    Admitted, BlockManager, CacheStats, Eviction, Inserted, LockId, ManagerOptions, PrefixEvent, Residence,
    SharedPrefix,
};
use flashpage_codegen::HeadDim;
use flashpage_codegen::layout::transposed_copy::KEYS_OF_CHUNK;
use flashpage_codegen::program::DType;
use flashpage_codegen::spec::{ValueLayout, takes_block_size};
use std::collections::HashMap;

/// Where a [`PagedCache`] has its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredValues {
    /// In pools of their own.
    #[default]
    Own,
    /// In the keys: a token's values are the first `head_dim.v` numbers of its keys, as in multi-head latent attention
    /// (`HeadDim { qk: 576, v: 512 }` and one head). There are no pools of values, on the device or on the host:
    /// [`PagedCache::write_keys`] and [`PagedCache::gather_keys`] go with it, and kernels that cut values out of a row,
    /// such as the stock kernel `latent_attention`. Rows are stored as they are given: of a row with a rotated part behind
    /// its values, the caller rotates that part before.
    InKeys,
}

/// How a [`PagedCache`] is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// What is stored: f16, bf16, f32, or fp8 (e4m3, e5m2) with a scale for keys and one for values in each layer.
    pub dtype: DType,
    /// Layers, each with a pool of keys and, where values have their own, one of values; all behind one block table.
    pub layers: usize,
    /// Physical blocks.
    pub blocks: usize,
    /// Tokens of a block: 1, 2, 4 or a multiple of 8.
    pub block_size: usize,
    /// Key and value heads.
    pub num_kv_heads: usize,
    /// Numbers of a head: those of keys, and those of values.
    pub head_dim: HeadDim,
    /// Whether values have pools of their own, or are the first numbers of keys.
    pub values: StoredValues,
    /// How tokens and heads of a block lie.
    pub layout: PoolLayout,
    /// How values lie in blocks of their own: as keys do, or transposed, in a cache of 8 bits whose blocks are multiples of 16 tokens. So queries of
    /// 8 bits read them.
    pub value_layout: ValueLayout,
    /// Blocks in page-locked host memory, for what is swapped out or evicted. 0: no swap.
    pub host_blocks: usize,
    /// Which idle prefixes are evicted first.
    pub eviction: Eviction,
}

impl Default for CacheOptions {
    /// One layer of f16, 256 blocks of 16 tokens, one head of 64, values of their own, NHD, no swap, LRU.
    fn default() -> Self {
        CacheOptions {
            dtype: DType::F16,
            layers: 1,
            blocks: 256,
            block_size: 16,
            num_kv_heads: 1,
            head_dim: 64.into(),
            values: StoredValues::Own,
            layout: PoolLayout::Nhd,
            value_layout: ValueLayout::Rows,
            host_blocks: 0,
            eviction: Eviction::default(),
        }
    }
}

impl CacheOptions {
    /// The dimensions of the pools of keys, and of those of values, if there are any.
    pub fn pool_shapes(&self) -> (PoolShape, Option<PoolShape>) {
        let CacheOptions { blocks, block_size, num_kv_heads, head_dim, layout, .. } = *self;
        let shape = |head_dim| PoolShape { blocks, block_size, kv_heads: num_kv_heads, head_dim, layout };
        let of_values = PoolShape { layout: self.layout_of_values(), ..shape(head_dim.v) };
        (shape(head_dim.qk), (self.values == StoredValues::Own).then_some(of_values))
    }

    /// How the blocks of values are laid out.
    pub fn layout_of_values(&self) -> PoolLayout {
        match self.value_layout {
            ValueLayout::Rows => self.layout,
            ValueLayout::Transposed => PoolLayout::Transposed,
        }
    }
}

/// Keys and values of every layer in pools of blocks, the sequences in them, and the prefixes that finished ones left.
#[derive(Debug)]
pub struct PagedCache {
    pub(super) manager: BlockManager,
    pub(super) store: Store,
    options: CacheOptions,
}

/// Numbers that became the largest of a cache of 8 bits because they were beyond it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saturated {
    /// Of keys.
    pub keys: u64,
    /// Of values.
    pub values: u64,
}

/// New rows of one layer, on the device.
#[derive(Clone, Copy, Debug)]
pub struct NewRows<'a> {
    /// `[tokens, num_kv_heads, head_dim]`, with the head dimension of keys.
    pub keys: &'a Tensor,
    /// `[tokens, num_kv_heads, head_dim]`, with the head dimension of values. `None` where values are in the keys
    /// ([`StoredValues::InKeys`]), and only there.
    pub values: Option<&'a Tensor>,
    /// Tokens that are new: the first rows, if there are more.
    pub tokens: usize,
    /// `i64[tokens]`, as [`PagedCache::append`] gives them; negative ones are padding.
    pub slot_mapping: DeviceArray<'a>,
    /// Rotates the keys on the way, of each the first numbers. `None` where these are its values
    /// ([`StoredValues::InKeys`]).
    pub rotary: Option<Rotary<'a>>,
}

impl PagedCache {
    /// An empty cache. Memory that nobody has written is NaN, so that a kernel that reads it is seen.
    ///
    /// # Errors
    /// A block size that is not 1, 2, 4 or a multiple of 8, an element type that is none of a cache, a dimension of 0, values in keys that
    /// are wider than these, or no room.
    pub fn new(device: &Device, options: CacheOptions) -> Result<PagedCache, PagedCacheError> {
        let CacheOptions {
            dtype,
            layers,
            blocks,
            block_size,
            num_kv_heads,
            head_dim,
            values,
            host_blocks,
            eviction,
            ..
        } = options;
        if !takes_block_size(block_size) {
            return Err(PagedCacheError::BlockSize(block_size));
        }
        if dtype == DType::I32 {
            return Err(PagedCacheError::DType(dtype));
        }
        if options.layout == PoolLayout::Transposed {
            return Err(PagedCacheError::TransposedKeys);
        }
        let may_be_transposed =
            dtype.is_eight_bits() && block_size.is_multiple_of(KEYS_OF_CHUNK) && values == StoredValues::Own;
        if options.value_layout == ValueLayout::Transposed && !may_be_transposed {
            return Err(PagedCacheError::TransposedValues { dtype, block_size, values });
        }
        if layers == 0 || num_kv_heads == 0 || head_dim.qk == 0 || head_dim.v == 0 {
            return Err(PagedCacheError::Empty { layers, num_kv_heads, head_dim });
        }
        if values == StoredValues::InKeys && head_dim.v > head_dim.qk {
            return Err(PagedCacheError::WiderThanKeys(head_dim));
        }
        // Memory first: a pool that does not fit is refused before anything of its size is counted.
        let store = Store::new(device, &options)?;
        let manager = BlockManager::new(ManagerOptions { blocks, block_size, host_blocks, eviction })?;
        Ok(PagedCache { manager, store, options })
    }

    /// How it was made.
    pub fn options(&self) -> &CacheOptions {
        &self.options
    }

    /// The bookkeeping.
    pub fn manager(&self) -> &BlockManager {
        &self.manager
    }

    /// Whose memory it is.
    pub fn device(&self) -> &Device {
        &self.store.device
    }

    /// Bytes of a block over all layers: keys, and values where they have pools of their own.
    pub fn bytes_of_block(&self) -> usize {
        self.store.bytes_of_block()
    }

    /// The scales of an fp8 layer. What is stored already keeps the scales it was stored with: set them first.
    ///
    /// # Errors
    /// No such layer, scales that are not above 0, a type that is not scaled, or, of values that are in the keys
    /// ([`StoredValues::InKeys`]), another scale than that of keys.
    pub fn set_scales(&mut self, layer: usize, scales: KvScales) -> Result<(), PagedCacheError> {
        self.check_layer(layer)?;
        if !matches!(self.options.dtype, DType::E4m3 | DType::E5m2) {
            return Err(PagedCacheError::Unscaled(self.options.dtype));
        }
        let good = |scale: f32| scale.is_finite() && scale > 0.0;
        if !good(scales.key) || !good(scales.value) {
            return Err(PagedCacheError::Scale(scales.key, scales.value));
        }
        if self.options.values == StoredValues::InKeys && scales.key != scales.value {
            return Err(PagedCacheError::ValueScale { key: scales.key, value: scales.value });
        }
        self.store.layers[layer].scales = scales;
        Ok(())
    }

    /// Sets the scales of an fp8 layer so that the largest of these keys and of these values become the largest numbers of its type, times
    /// `headroom`: 1 for what will be written itself, more where what is written later may be larger. Waits for the device.
    ///
    /// # Errors
    /// As [`PagedCache::set_scales`] and [`PagedCache::write_rows`]; a headroom that is not above 0.
    pub fn fit_scales(
        &mut self,
        layer: usize,
        rows: &NewRows<'_>,
        headroom: f32,
    ) -> Result<KvScales, PagedCacheError> {
        self.check_layer(layer)?;
        if !matches!(self.options.dtype, DType::E4m3 | DType::E5m2) {
            return Err(PagedCacheError::Unscaled(self.options.dtype));
        }
        let scale = |rows_of: &Tensor| -> Result<f32, PagedCacheError> {
            let (tokens, to) = (rows.tokens, self.options.dtype);
            let find = FindScales { rows: rows_of, tokens, to, per: ScalePer::Tensor };
            Ok(find_scales(&self.store.device, &find)?.read_f32(0, 1)?[0] * headroom)
        };
        let key = scale(rows.keys)?;
        let value = match rows.values {
            Some(values) => scale(values)?,
            None => key,
        };
        let scales = KvScales { key, value };
        self.set_scales(layer, scales)?;
        Ok(scales)
    }

    /// How many of these keys and values lose more than a rounding in an fp8 layer: they are beyond its largest number times the scale,
    /// and become that. 0 of any other layer. Waits for the device.
    ///
    /// # Errors
    /// No such layer, or tensors of other shapes or types.
    pub fn saturated(&self, layer: usize, rows: &NewRows<'_>) -> Result<Saturated, PagedCacheError> {
        self.check_layer(layer)?;
        let Some(scales) = self.scales(layer) else { return Ok(Saturated::default()) };
        let count = |rows_of: &Tensor, scale: f32| -> Result<u64, PagedCacheError> {
            let (tokens, to) = (rows.tokens, self.options.dtype);
            let count = CountSaturated { rows: rows_of, tokens, to, scale };
            Ok(count_saturated(&self.store.device, &count)?.iter().sum())
        };
        let values = rows.values.map_or(Ok(0), |values| count(values, scales.value))?;
        Ok(Saturated { keys: count(rows.keys, scales.key)?, values })
    }

    /// The scales of a layer as attention takes them (`HeadScales`): f32 `[sequences, num_kv_heads]` of keys, and of values. 1 where
    /// numbers are stored as they are.
    ///
    /// # Errors
    /// No such layer, or no room on the device.
    pub fn head_scales(&self, layer: usize, sequences: usize) -> Result<[Tensor; 2], PagedCacheError> {
        self.check_layer(layer)?;
        let KvScales { key, value } = self.scales(layer).unwrap_or(KvScales { key: 1.0, value: 1.0 });
        let shape = [sequences, self.options.num_kv_heads];
        let all = |scale: f32| {
            Tensor::from_slice(
                &self.store.device,
                &vec![scale; sequences * self.options.num_kv_heads],
                &shape,
            )
        };
        Ok([all(key)?, all(value)?])
    }

    // Sequences.

    /// A new sequence without tokens.
    pub fn create(&mut self) -> SequenceId {
        self.manager.create()
    }

    /// A new sequence for a prompt, with the blocks that are cached of it, on the device or on the host. At least the
    /// prompt's last token is left to compute.
    ///
    /// # Errors
    /// A prompt of 2^31 tokens or more.
    pub fn admit(&mut self, namespace: &str, prompt: &[u32]) -> Result<Admitted, PagedCacheError> {
        let mut admitted = self.manager.admit(namespace, prompt)?;
        if admitted.on_host > 0 {
            // A prefix that cannot be brought back is computed again.
            if let Ok(tokens) = self.restore(admitted.id, namespace, prompt) {
                admitted.cached += tokens;
                admitted.on_host -= tokens;
            }
        }
        Ok(admitted)
    }

    fn restore(&mut self, id: SequenceId, namespace: &str, prompt: &[u32]) -> Result<usize, PagedCacheError> {
        let PagedCache { manager, store, .. } = self;
        let mut restore = manager.restore(id, namespace, prompt)?;
        if store.save(restore.saves()).is_err() {
            restore.forget_saves();
        }
        store.load(restore.loads())?;
        Ok(restore.commit())
    }

    /// Tokens of a sequence.
    ///
    /// # Errors
    /// There is no such sequence.
    pub fn len(&self, id: SequenceId) -> Result<usize, PagedCacheError> {
        Ok(self.manager.len(id)?)
    }

    /// Physical blocks of a sequence, in the order of its tokens.
    ///
    /// # Errors
    /// There is no such sequence, or it is not on the device.
    pub fn blocks(&self, id: SequenceId) -> Result<&[u32], PagedCacheError> {
        Ok(self.manager.blocks(id)?)
    }

    /// Where a sequence is.
    ///
    /// # Errors
    /// There is no such sequence.
    pub fn residence(&self, id: SequenceId) -> Result<Residence, PagedCacheError> {
        Ok(self.manager.residence(id)?)
    }

    /// Makes room for `count` more tokens of a sequence and gives the slot of each.
    ///
    /// # Errors
    /// As [`PagedCache::step`].
    pub fn append(&mut self, id: SequenceId, count: usize) -> Result<Vec<i64>, PagedCacheError> {
        let mut slots = Vec::with_capacity(count);
        self.step([(id, count)], &mut slots)?;
        Ok(slots)
    }

    /// Makes room for the next tokens of a batch, all or none, and adds the slot of each to `slots`, in the order of the
    /// batch: its `slot_mapping`. A last block that others hold is copied first; idle prefixes are evicted if need be, to
    /// the host if there is room.
    ///
    /// # Errors
    /// Out of blocks, a sequence that is not there or not on the device or named twice, or the device failed. Every
    /// sequence is as it was; where the device failed, idle prefixes may have been evicted.
    pub fn step<W>(&mut self, work: W, slots: &mut Vec<i64>) -> Result<(), PagedCacheError>
    where
        W: IntoIterator<Item = (SequenceId, usize)>,
    {
        let PagedCache { manager, store, .. } = self;
        let mut step = manager.try_reserve(work)?;
        if !step.saves().is_empty() && store.save(step.saves()).is_err() {
            // Prefixes that could not be kept are computed again by whoever wants them.
            step.forget_saves();
        }
        store.copy(step.copies())?;
        step.commit(slots);
        Ok(())
    }

    /// A sequence that shares every block of another; what either appends the other does not see.
    ///
    /// # Errors
    /// There is no such sequence, or it is not on the device.
    pub fn fork(&mut self, id: SequenceId) -> Result<SequenceId, PagedCacheError> {
        Ok(self.manager.fork(id)?)
    }

    /// Takes the last tokens of a sequence back, down to `len`.
    ///
    /// # Errors
    /// There is no such sequence, it is not on the device, or it is shorter.
    pub fn truncate(&mut self, id: SequenceId, len: usize) -> Result<(), PagedCacheError> {
        Ok(self.manager.truncate(id, len)?)
    }

    /// Lets a sequence go, wherever it is.
    ///
    /// # Errors
    /// There is no such sequence, or it is being swapped.
    pub fn free(&mut self, id: SequenceId) -> Result<(), PagedCacheError> {
        Ok(self.manager.free(id)?)
    }

    // Prefixes.

    /// Puts the whole blocks of a sequence into the prefix tree; see [`BlockManager::publish`].
    ///
    /// # Errors
    /// There is no such sequence, it is not on the device, or it has not so many tokens.
    pub fn publish(
        &mut self,
        id: SequenceId,
        namespace: &str,
        tokens: &[u32],
    ) -> Result<Inserted, PagedCacheError> {
        Ok(self.manager.publish(id, namespace, tokens)?)
    }

    /// The sequence is done: its whole blocks stay in the prefix tree until memory is needed, the rest is free.
    ///
    /// # Errors
    /// As [`PagedCache::publish`] and [`PagedCache::free`]; nothing was changed.
    pub fn finish(
        &mut self,
        id: SequenceId,
        namespace: &str,
        tokens: &[u32],
    ) -> Result<Inserted, PagedCacheError> {
        Ok(self.manager.finish(id, namespace, tokens)?)
    }

    /// Keeps what is cached of `tokens` from being evicted; gives the lock and the tokens that it covers.
    pub fn lock(&mut self, namespace: &str, tokens: &[u32]) -> (LockId, usize) {
        self.manager.lock(namespace, tokens)
    }

    /// Gives a lock back.
    ///
    /// # Errors
    /// The lock is not held.
    pub fn unlock(&mut self, lock: LockId) -> Result<(), PagedCacheError> {
        Ok(self.manager.unlock(lock)?)
    }

    /// Takes up to `count` idle blocks out of the prefix tree, without keeping them on the host; gives how many.
    pub fn evict(&mut self, count: usize) -> usize {
        self.manager.evict(count)
    }

    /// Moves up to `count` idle blocks, the least wanted first, from the device to the host, where whoever comes with
    /// their tokens finds them; gives how many device blocks became free.
    ///
    /// # Errors
    /// The device failed: the blocks are free and were not kept.
    pub fn evict_to_host(&mut self, count: usize) -> Result<usize, PagedCacheError> {
        let eviction = self.manager.evict_to_host(count);
        self.store.save(eviction.saves())?;
        Ok(eviction.commit())
    }

    /// Begins to record what the prefix tree stores and removes.
    pub fn record_events(&mut self) {
        self.manager.record_events();
    }

    /// What the prefix tree has stored and removed since the last call.
    pub fn take_events(&mut self) -> Vec<PrefixEvent> {
        self.manager.take_events()
    }

    /// How much of the cache is used, shared and wasted.
    pub fn stats(&self) -> CacheStats {
        self.manager.stats()
    }

    // Keys and values.

    /// Writes new rows of a layer into their slots, with a kernel; quantises where the cache is fp8.
    ///
    /// # Errors
    /// No such layer; tensors of other shapes or types; values of a cache that has them in its keys, or a rotation, which
    /// would turn these; no values of any other cache; or the device failed.
    pub fn write_rows(&self, layer: usize, rows: &NewRows<'_>) -> Result<(), PagedCacheError> {
        self.append_rows(layer, rows, None)
    }

    fn append_rows(
        &self,
        layer: usize,
        rows: &NewRows<'_>,
        slots: Option<&[i64]>,
    ) -> Result<(), PagedCacheError> {
        self.check_layer(layer)?;
        let NewRows { keys, values, tokens, slot_mapping, rotary } = *rows;
        let values = match (values, self.store.values(layer)) {
            (Some(values), Some(pool)) => Some((values, pool)),
            (Some(_), None) => return Err(self.values_in_keys("give `values: None`")),
            (None, Some(_)) => return Err(PagedCacheError::NoValues("give `values`")),
            (None, None) if rotary.is_some() => return Err(PagedCacheError::RotatesValues),
            (None, None) => None,
        };
        let append = AppendKv {
            keys,
            tokens,
            key_pool: self.store.keys(layer),
            values,
            slot_mapping,
            host_slots: slots,
            rotary,
            scales: self.scales(layer).map(Into::into),
        };
        Ok(append_kv(&self.store.device, &append)?)
    }

    /// Writes rows of keys and values from the host into their slots: `[slots, num_kv_heads, head_dim]` of a layer, each with
    /// its own head dimension.
    ///
    /// # Errors
    /// No such layer; values are in the keys ([`PagedCache::write_keys`] is for these); another number of rows than slots; a
    /// slot that is negative, outside the pool, past what its sequence has reserved, or of a block that no sequence holds or
    /// several do; or the device failed. Nothing was written but in the last case.
    pub fn write<T: HostElement>(
        &self,
        layer: usize,
        slots: &[i64],
        keys: &[T],
        values: &[T],
    ) -> Result<(), PagedCacheError> {
        self.check_layer(layer)?;
        if self.options.values == StoredValues::InKeys {
            return Err(self.values_in_keys("write the rows with `write_keys`"));
        }
        self.write_host(layer, slots, keys, Some(values))
    }

    /// [`PagedCache::write`] where values are in the keys: `[slots, num_kv_heads, head_dim]`, with the head dimension of keys.
    ///
    /// # Errors
    /// As [`PagedCache::write`], but that the cache must have no pools of values.
    pub fn write_keys<T: HostElement>(
        &self,
        layer: usize,
        slots: &[i64],
        keys: &[T],
    ) -> Result<(), PagedCacheError> {
        self.check_layer(layer)?;
        if self.options.values == StoredValues::Own {
            return Err(PagedCacheError::NoValues("write both with `write`"));
        }
        self.write_host(layer, slots, keys, None)
    }

    fn write_host<T: HostElement>(
        &self,
        layer: usize,
        slots: &[i64],
        keys: &[T],
        values: Option<&[T]>,
    ) -> Result<(), PagedCacheError> {
        self.check_slots(slots)?;
        let CacheOptions { num_kv_heads, head_dim: HeadDim { qk, v }, .. } = self.options;
        let tokens = slots.len();
        for (given, head_dim) in [(Some(keys), qk), (values, v)] {
            let Some(given) = given.map(<[T]>::len) else { continue };
            if given != tokens * num_kv_heads * head_dim {
                return Err(PagedCacheError::Rows { given, tokens, num_kv_heads, head_dim });
            }
        }
        if slots.is_empty() {
            return Ok(());
        }
        let device = &self.store.device;
        let tensor =
            |numbers, head_dim| Tensor::from_slice(device, numbers, &[tokens, num_kv_heads, head_dim]);
        let keys = tensor(keys, qk)?;
        let values = values.map(|values| tensor(values, v)).transpose()?;
        let mapping = self.slot_mapping(slots)?;
        let slot_mapping = (&mapping).into();
        let rows = NewRows { keys: &keys, values: values.as_ref(), tokens, slot_mapping, rotary: None };
        self.append_rows(layer, &rows, Some(slots))
    }

    /// A slot mapping on the device: `i64[slots]`.
    ///
    /// # Errors
    /// No room on the device.
    pub fn slot_mapping(&self, slots: &[i64]) -> Result<Buffer, PagedCacheError> {
        let bytes: Vec<u8> = slots.iter().flat_map(|slot| slot.to_le_bytes()).collect();
        Ok(self.store.device.upload(&bytes)?)
    }

    /// Keys and values of sequences laid end to end, read through their block table by a kernel:
    /// `[tokens, num_kv_heads, head_dim]` of `dtype` each, with its own head dimension; fp8 is multiplied by its scale.
    ///
    /// # Errors
    /// No such layer, values that are in the keys ([`PagedCache::gather_keys`] is for these), a sequence that is not there or
    /// not on the device, a type that is not to be had, or the device failed.
    pub fn gather(
        &self,
        layer: usize,
        ids: &[SequenceId],
        dtype: DType,
    ) -> Result<(Tensor, Tensor), PagedCacheError> {
        self.check_layer(layer)?;
        let Some(values) = self.store.values(layer) else {
            return Err(self.values_in_keys("read the rows with `gather_keys`"));
        };
        let (table, scales) = (self.table(ids)?, self.scales(layer));
        let keys = self.gathered(&self.store.keys(layer), &table, dtype, scales.map(|scales| scales.key))?;
        Ok((keys, self.gathered(&values, &table, dtype, scales.map(|scales| scales.value))?))
    }

    /// [`PagedCache::gather`] of keys alone, in any cache: `[tokens, num_kv_heads, head_dim]` of `dtype`, with the head
    /// dimension of keys.
    ///
    /// # Errors
    /// As [`PagedCache::gather`], wherever values are.
    pub fn gather_keys(
        &self,
        layer: usize,
        ids: &[SequenceId],
        dtype: DType,
    ) -> Result<Tensor, PagedCacheError> {
        self.check_layer(layer)?;
        let scale = self.scales(layer).map(|scales| scales.key);
        self.gathered(&self.store.keys(layer), &self.table(ids)?, dtype, scale)
    }

    fn gathered(
        &self,
        pool: &Pool<'_>,
        table: &BlockTable,
        dtype: DType,
        scale: Option<f32>,
    ) -> Result<Tensor, PagedCacheError> {
        let device = &self.store.device;
        let tokens = table.seq_lens().iter().map(|len| *len as usize).sum();
        let head_dim = pool.shape().map_or(0, |shape| shape.head_dim);
        let out = Tensor::filled_nan(device, dtype, &[tokens, self.options.num_kv_heads, head_dim])?;
        let starts = Starts::from_lens(device, table.seq_lens())?;
        let gather = GatherKv {
            pool: *pool,
            block_table: table.entries_tensor().into(),
            table_width: table.width(),
            sequences: table.sequences(),
            seq_lens: table.seq_lens_tensor().into(),
            cu_seqlens: starts.tensor().into(),
            longest: starts.longest(),
            out: &out,
            scale,
        };
        gather_kv(device, &gather)?;
        Ok(out)
    }

    /// The block table of these sequences, made anew: [`super::DeviceTable`] keeps one.
    ///
    /// # Errors
    /// There is no such sequence, or it is not on the device, or no room there.
    pub fn table(&self, ids: &[SequenceId]) -> Result<BlockTable, PagedCacheError> {
        let rows = ids.iter().map(|id| self.blocks(*id)).collect::<Result<Vec<_>, _>>()?;
        let width = rows.iter().map(|blocks| blocks.len()).max().unwrap_or(0);
        let mut entries = Vec::with_capacity(width * rows.len());
        for blocks in &rows {
            entries.extend(blocks.iter().map(|block| *block as i32));
            entries.resize(entries.len() + width - blocks.len(), flashpage_cache::UNSET);
        }
        let lens =
            ids.iter().map(|id| Ok(self.len(*id)? as i32)).collect::<Result<Vec<i32>, PagedCacheError>>()?;
        Ok(BlockTable::new(&self.store.device, &entries, width, &lens)?)
    }

    /// Neighbours of a batch that begin with the same blocks, for [`Planner::plan`](crate::Planner::plan), which computes
    /// attention over those once where that pays. [`BlockManager::order_by_prefix`] makes neighbours of them.
    ///
    /// # Errors
    /// There is no such sequence, or it is not on the device.
    pub fn shared_prefixes(&self, ids: &[SequenceId]) -> Result<Vec<SharedPrefix>, PagedCacheError> {
        Ok(self.manager.shared_prefixes(ids)?)
    }

    /// A layer's keys, as a launch argument.
    ///
    /// # Errors
    /// No such layer.
    pub fn keys(&self, layer: usize) -> Result<Pool<'_>, PagedCacheError> {
        self.check_layer(layer)?;
        Ok(self.store.keys(layer))
    }

    /// A layer's values, as a launch argument.
    ///
    /// # Errors
    /// No such layer, or values are in the keys.
    pub fn values(&self, layer: usize) -> Result<Pool<'_>, PagedCacheError> {
        self.check_layer(layer)?;
        let in_keys = "launch a kernel that cuts them out of a row, such as `latent_attention`, on `keys`";
        self.store.values(layer).ok_or_else(|| self.values_in_keys(in_keys))
    }

    fn values_in_keys(&self, instead: &'static str) -> PagedCacheError {
        PagedCacheError::ValuesInKeys { v: self.options.head_dim.v, instead }
    }

    /// The dimensions of the pools of keys, and of those of values, if there are any.
    pub fn pool_shapes(&self) -> (PoolShape, Option<PoolShape>) {
        self.options.pool_shapes()
    }

    /// The scales of an fp8 layer; `None` where numbers are stored as they are.
    fn scales(&self, layer: usize) -> Option<KvScales> {
        matches!(self.options.dtype, DType::E4m3 | DType::E5m2).then(|| self.store.layers[layer].scales)
    }

    fn check_layer(&self, layer: usize) -> Result<(), PagedCacheError> {
        let layers = self.store.layers.len();
        if layer < layers { Ok(()) } else { Err(PagedCacheError::Layer { layer, layers }) }
    }

    /// Only slots of blocks that one sequence has to itself are written.
    fn check_slots(&self, slots: &[i64]) -> Result<(), PagedCacheError> {
        let (pool, block_size) = (self.manager.pool(), self.options.block_size);
        let all = pool.total() * block_size;
        let partial: HashMap<u32, usize> = self.manager.partial_blocks().collect();
        for slot in slots {
            let index = usize::try_from(*slot).map_err(|_| PagedCacheError::NegativeSlot(*slot))?;
            if index >= all {
                return Err(PagedCacheError::Slot { slot: *slot, slots: all });
            }
            let block = (index / block_size) as u32;
            let id = pool.id_of(block).filter(|id| pool.is_idle(*id) == Ok(false));
            let id = id.ok_or(PagedCacheError::FreeSlot { slot: *slot, block })?;
            let holders = pool.references(id).unwrap_or(0);
            if holders > 1 {
                return Err(PagedCacheError::SharedSlot { slot: *slot, block, holders });
            }
            if let Some(tokens) = partial.get(&block).copied().filter(|tokens| index % block_size >= *tokens)
            {
                return Err(PagedCacheError::UnreservedSlot { slot: *slot, block, tokens });
            }
        }
        Ok(())
    }
}
