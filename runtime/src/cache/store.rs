//! Where keys and values lie: a pool of each for every layer on the device, or of keys alone where values are in them, and
//! blocks on the host.
//!
//! A block on the host holds that block of every pool, one after another: `[host block, pool, bytes of a block]`, the pools
//! being layer 0's keys, layer 0's values, layer 1's keys and so on; where values have another head dimension than keys, the
//! keys of all layers, and then their values. It is as it is on the device, whatever the layout, so a
//! block that comes back is bit for bit what it was.

use super::PagedCacheError;
use super::paged::CacheOptions;
use crate::args::{Pool, PoolLayout, PoolShape};
use crate::device::{Buffer, Device, HostBuffer, Stream, Transfer};
use crate::device_kernels::{DeviceArray, KvScales, PoolTable, copy_blocks, stage_blocks, unstage_blocks};
use crate::tensor::Tensor;
use flashpage_cache::BlockMove;
use std::sync::Arc;

/// A layer's pools.
#[derive(Debug)]
pub(super) struct Layer {
    pub keys: Tensor,
    /// `None` where values are in the keys.
    pub values: Option<Tensor>,
    pub scales: KvScales,
}

/// The blocks that go through the device's staging memory at once.
const STAGED: usize = 32;

/// Pools on the device and blocks on the host.
#[derive(Debug)]
pub(super) struct Store {
    pub device: Device,
    pub layers: Vec<Layer>,
    pub layout: PoolLayout,
    /// Of values in blocks of their own.
    pub layout_of_values: PoolLayout,
    /// Pools of one size: all of them, or those of keys and those of values.
    pools: Vec<PoolTable>,
    host: Option<Host>,
}

#[derive(Debug)]
struct Host {
    memory: Arc<HostBuffer>,
    stream: Stream,
    /// Staging memory that nobody uses.
    staging: Vec<Arc<Buffer>>,
}

/// Copies between the device and the host that were begun.
#[derive(Debug, Default)]
pub(super) struct Copies {
    transfers: Vec<Transfer>,
    staging: Option<Arc<Buffer>>,
    /// Blocks of the device to fill from `staging` once it has arrived.
    unstage: Vec<i32>,
}

impl Copies {
    /// Whether all have arrived.
    pub fn are_done(&self) -> Result<bool, PagedCacheError> {
        for transfer in &self.transfers {
            if !transfer.is_done()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Store {
    pub fn new(device: &Device, options: &CacheOptions) -> Result<Store, PagedCacheError> {
        let CacheOptions { dtype, layers, block_size, num_kv_heads, layout, host_blocks, .. } = *options;
        let (of_keys, of_values) = options.pool_shapes();
        let too_large = || PagedCacheError::TooLarge(block_size);
        let both = of_keys.head_dim.checked_add(of_values.map_or(0, |shape| shape.head_dim));
        let numbers = both.and_then(|n| block_size.checked_mul(num_kv_heads)?.checked_mul(n));
        let block_bytes = numbers.and_then(|n| n.checked_mul(dtype.bytes())).ok_or_else(too_large)?;
        let host_bytes = block_bytes.checked_mul(layers).and_then(|n| n.checked_mul(host_blocks));
        let host_bytes = host_bytes.ok_or_else(too_large)?;
        let mut made = Vec::with_capacity(layers);
        for _ in 0..layers {
            // What nobody has written is NaN, so that a kernel that reads it is seen.
            let pool = |shape: PoolShape| Tensor::filled_nan(device, dtype, &shape.dims());
            let (keys, values) = (pool(of_keys)?, of_values.map(pool).transpose()?);
            made.push(Layer { keys, values, scales: KvScales { key: 1.0, value: 1.0 } });
        }
        let tables: Vec<Vec<&Tensor>> = match of_values {
            Some(shape) if shape.head_dim != of_keys.head_dim => vec![
                made.iter().map(|layer| &layer.keys).collect(),
                made.iter().filter_map(|layer| layer.values.as_ref()).collect(),
            ],
            _ => vec![
                made.iter().flat_map(|layer| [Some(&layer.keys), layer.values.as_ref()]).flatten().collect(),
            ],
        };
        let pools = tables.iter().map(|pools| PoolTable::new(device, pools)).collect::<Result<_, _>>()?;
        let host = match host_blocks {
            0 => None,
            _ => Some(Host {
                memory: Arc::new(device.alloc_host(host_bytes)?),
                stream: device.stream()?,
                staging: Vec::new(),
            }),
        };
        let layout_of_values = options.layout_of_values();
        Ok(Store { device: device.clone(), layers: made, layout, layout_of_values, pools, host })
    }

    pub fn keys(&self, layer: usize) -> Pool<'_> {
        Pool { tensor: &self.layers[layer].keys, layout: self.layout }
    }

    pub fn values(&self, layer: usize) -> Option<Pool<'_>> {
        let layout = self.layout_of_values;
        self.layers[layer].values.as_ref().map(|tensor| Pool { tensor, layout })
    }

    /// Bytes of a block over all layers, in all pools.
    pub fn bytes_of_block(&self) -> usize {
        self.pools.iter().map(|pools| pools.staged_bytes(1)).sum()
    }

    /// The tables of pools, each with its bytes of a block, and with the bytes of a block that are in those before it.
    fn parts(&self) -> impl Iterator<Item = (&PoolTable, usize, usize)> {
        self.pools.iter().scan(0, |before, pools| {
            let (bytes, at) = (pools.staged_bytes(1), *before);
            *before += bytes;
            Some((pools, bytes, at))
        })
    }

    /// Copies blocks within every pool: no block is read after it was written.
    pub fn copy(&self, copies: &[BlockMove]) -> Result<(), PagedCacheError> {
        if copies.is_empty() {
            return Ok(());
        }
        let pairs: Vec<i32> = copies.iter().flat_map(|copy| [copy.from as i32, copy.to as i32]).collect();
        let pairs = self.device.upload(&bytes_of(&pairs))?;
        for pools in &self.pools {
            copy_blocks(&self.device, pools, (&pairs).into(), copies.len())?;
        }
        Ok(())
    }

    /// Copies blocks to the host, and waits.
    pub fn save(&mut self, saves: &[BlockMove]) -> Result<(), PagedCacheError> {
        let copies = self.begin_save(saves)?;
        self.finish(copies)
    }

    /// Copies blocks from the host, and waits.
    pub fn load(&mut self, loads: &[BlockMove]) -> Result<(), PagedCacheError> {
        let copies = self.begin_load(loads)?;
        self.finish(copies)
    }

    /// Begins to copy blocks of the device (`from`) to the host (`to`). Those that the staging memory has no room for are
    /// waited for first.
    pub fn begin_save(&mut self, saves: &[BlockMove]) -> Result<Copies, PagedCacheError> {
        let mut copies = Copies::default();
        for round in saves.chunks(STAGED) {
            self.finish(std::mem::take(&mut copies))?;
            let staging = self.take_staging()?;
            copies.staging = Some(staging.clone());
            let blocks: Vec<i32> = round.iter().map(|save| save.from as i32).collect();
            let blocks = self.device.upload(&bytes_of(&blocks))?;
            let (of_block, Some(host)) = (self.bytes_of_block(), &self.host) else { break };
            for (pools, bytes, at) in self.parts() {
                stage_blocks(&self.device, pools, (&blocks).into(), round.len(), staged(&staging, at))?;
                for (index, save) in round.iter().enumerate() {
                    let (from, to) = (STAGED * at + index * bytes, save.to as usize * of_block + at);
                    copies.transfers.push(host.stream.copy_to_host(
                        &staging,
                        from,
                        &host.memory,
                        to,
                        bytes,
                    )?);
                }
            }
        }
        Ok(copies)
    }

    /// Begins to copy blocks of the host (`from`) to the device (`to`), where they are when this is finished.
    pub fn begin_load(&mut self, loads: &[BlockMove]) -> Result<Copies, PagedCacheError> {
        let mut copies = Copies::default();
        for round in loads.chunks(STAGED) {
            self.finish(std::mem::take(&mut copies))?;
            let staging = self.take_staging()?;
            copies.staging = Some(staging.clone());
            copies.unstage = round.iter().map(|load| load.to as i32).collect();
            let (of_block, Some(host)) = (self.bytes_of_block(), &self.host) else { break };
            for (_, bytes, at) in self.parts() {
                for (index, load) in round.iter().enumerate() {
                    let (from, to) = (load.from as usize * of_block + at, STAGED * at + index * bytes);
                    copies.transfers.push(host.stream.copy_to_device(
                        &host.memory,
                        from,
                        &staging,
                        to,
                        bytes,
                    )?);
                }
            }
        }
        Ok(copies)
    }

    /// Waits until copies have arrived, and puts what came from the host into its blocks.
    pub fn finish(&mut self, copies: Copies) -> Result<(), PagedCacheError> {
        let Copies { transfers, staging, unstage } = copies;
        let mut outcome = Ok(());
        for transfer in transfers {
            // All are waited for, so that none is under way when its memory is used again.
            outcome = outcome.and(transfer.wait());
        }
        let Some(staging) = staging else { return Ok(outcome?) };
        let unstaged = match outcome {
            Ok(()) if !unstage.is_empty() => self.unstage(&unstage, &staging),
            outcome => outcome.map_err(PagedCacheError::from),
        };
        if let Some(host) = &mut self.host {
            host.staging.push(staging);
        }
        unstaged
    }

    fn unstage(&self, blocks: &[i32], staging: &Arc<Buffer>) -> Result<(), PagedCacheError> {
        let count = blocks.len();
        let blocks = self.device.upload(&bytes_of(blocks))?;
        for (pools, _, at) in self.parts() {
            unstage_blocks(&self.device, pools, (&blocks).into(), count, staged(staging, at))?;
        }
        Ok(())
    }

    fn take_staging(&mut self) -> Result<Arc<Buffer>, PagedCacheError> {
        if let Some(staging) = self.host.as_mut().and_then(|host| host.staging.pop()) {
            return Ok(staging);
        }
        Ok(Arc::new(self.device.alloc(STAGED * self.bytes_of_block())?))
    }
}

/// Where the pools whose blocks begin `at` bytes behind a block's first are in staging memory.
fn staged(staging: &Buffer, at: usize) -> DeviceArray<'_> {
    DeviceArray { buffer: staging, byte_offset: STAGED * at }
}

/// The bytes of i32s as a device reads them.
pub(super) fn bytes_of(numbers: &[i32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}
