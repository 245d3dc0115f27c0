//! Whole blocks of many pools: copied inside them, gathered into a staging buffer and scattered back.

use super::MoveError;
use super::arguments::{DeviceArray, MOST, MOST_Y, Params, limited};
use crate::device::{Buffer, Device};
use crate::tensor::Tensor;
use flashpage_device_kernels::THREADS;

/// Pools that share their block numbers, such as the keys and values of every layer, and their addresses on the device.
#[derive(Debug)]
pub struct PoolTable {
    /// Kept, so that the addresses stay good.
    pools: Vec<Tensor>,
    addresses: Buffer,
    blocks: usize,
    block_bytes: usize,
}

impl PoolTable {
    /// A table of pools whose first dimension is blocks, all of the same number and size.
    ///
    /// # Errors
    /// Pools without that dimension, that differ, or of another device.
    pub fn new(device: &Device, pools: &[&Tensor]) -> Result<PoolTable, MoveError> {
        limited("the number of pools", pools.len(), MOST_Y)?;
        let size = |pool: &Tensor| pool.len() * pool.dtype().bytes();
        let blocks = pools.first().and_then(|pool| pool.shape().first().copied()).unwrap_or(0);
        let block_bytes = pools.first().map_or(0, |pool| size(pool)).checked_div(blocks).unwrap_or(0);
        for pool in pools {
            if pool.shape().first() != Some(&blocks) || size(pool) != blocks * block_bytes {
                let takes = format!("{blocks} blocks of {block_bytes} bytes, as the first pool");
                return Err(MoveError::Shape { name: "pools", given: pool.shape().to_vec(), takes });
            }
            if !pool.device().is_same(device) {
                return Err(MoveError::OtherDevice("pools"));
            }
        }
        let addresses: Vec<u8> = pools.iter().flat_map(|pool| pool.address().to_le_bytes()).collect();
        Ok(PoolTable {
            pools: pools.iter().map(|pool| (*pool).clone()).collect(),
            addresses: device.upload(&addresses)?,
            blocks,
            block_bytes,
        })
    }

    /// How many pools.
    pub fn len(&self) -> usize {
        self.pools.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pools.is_empty()
    }

    /// Blocks of each pool.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Bytes of a block in one pool.
    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Bytes that `count` blocks of all pools take in a staging buffer.
    pub fn staged_bytes(&self, count: usize) -> usize {
        count.saturating_mul(self.len()).saturating_mul(self.block_bytes)
    }

    fn launch(&self, device: &Device, entry: &str, count: usize, params: Params) -> Result<(), MoveError> {
        if !self.addresses.device().is_same(device) {
            return Err(MoveError::OtherDevice("pools"));
        }
        let grid = [limited("the number of blocks", count, MOST)?, self.len() as u32, 1];
        if count == 0 || self.is_empty() || self.block_bytes == 0 {
            return Ok(());
        }
        params.launch(device, entry, grid, [2 * THREADS, 1, 1])
    }
}

/// Copies blocks inside every pool. `pairs` is i32 `[count, 2]`: the block copied from, and the block copied to; no
/// block is copied to twice, or both from and to.
///
/// # Errors
/// Arrays that are too short or of another device, or a device that fails.
pub fn copy_blocks(
    device: &Device,
    pools: &PoolTable,
    pairs: DeviceArray<'_>,
    count: usize,
) -> Result<(), MoveError> {
    let pairs = pairs.address(device, "pairs", count.saturating_mul(2), 4)?;
    let params = Params::default().u64(&[pools.addresses.address(), pairs, pools.block_bytes as u64]);
    pools.launch(device, "copy_blocks", count, params)
}

/// Gathers blocks of every pool into `staging`, `[count, pools, block_bytes]`. `blocks` is i32 `[count]`.
///
/// # Errors
/// As [`copy_blocks`].
pub fn stage_blocks(
    device: &Device,
    pools: &PoolTable,
    blocks: DeviceArray<'_>,
    count: usize,
    staging: DeviceArray<'_>,
) -> Result<(), MoveError> {
    staged(device, "stage_blocks", pools, blocks, count, staging)
}

/// Scatters what [`stage_blocks`] gathered to these blocks, none of which is listed twice.
///
/// # Errors
/// As [`copy_blocks`].
pub fn unstage_blocks(
    device: &Device,
    pools: &PoolTable,
    blocks: DeviceArray<'_>,
    count: usize,
    staging: DeviceArray<'_>,
) -> Result<(), MoveError> {
    staged(device, "unstage_blocks", pools, blocks, count, staging)
}

fn staged(
    device: &Device,
    entry: &str,
    pools: &PoolTable,
    blocks: DeviceArray<'_>,
    count: usize,
    staging: DeviceArray<'_>,
) -> Result<(), MoveError> {
    let blocks = blocks.address(device, "blocks", count, 4)?;
    let staging = staging.address(device, "staging", pools.staged_bytes(count), 1)?;
    let params = Params::default()
        .u64(&[pools.addresses.address(), blocks, staging])
        .u32(&[pools.len() as u32])
        .u64(&[pools.block_bytes as u64]);
    pools.launch(device, entry, count, params)
}
