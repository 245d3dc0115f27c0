//! Whole blocks, as bytes: copied inside pools, gathered into a staging buffer and scattered back.
//!
//! All pools (K and V of every layer) have blocks of the same size; their base addresses are an array of `u64`. One
//! thread block copies one block of one pool: the grid is `[blocks, pools, 1]`.

use super::memory::{copy, load_i32, load_u64};
use super::place;

/// Address of a pool's block.
#[inline(always)]
unsafe fn block_of(pools: u64, pool: u32, block: i32, block_bytes: u64) -> u64 {
    (unsafe { load_u64(pools + 8 * u64::from(pool)) }) + block as u64 * block_bytes
}

/// `pairs`: i32 `[grid.x, 2]`, the block copied from and the block copied to. No block may be in two pairs that are
/// not both copied from it.
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn copy_blocks(pools: u64, pairs: u64, block_bytes: u64) {
    let place = place();
    let [pair, pool, _] = place.block;
    unsafe {
        let at = pairs + 8 * u64::from(pair);
        let (from, to) = (load_i32(at), load_i32(at + 4));
        let (from, to) = (block_of(pools, pool, from, block_bytes), block_of(pools, pool, to, block_bytes));
        copy(from, to, block_bytes, place.thread[0], place.threads[0]);
    }
}

/// `staging[i, pool] = pools[pool][blocks[i]]`, for `pool_count` pools.
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn stage_blocks(
    pools: u64,
    blocks: u64,
    staging: u64,
    pool_count: u32,
    block_bytes: u64,
) {
    let place = place();
    let [i, pool, _] = place.block;
    unsafe {
        let from = block_of(pools, pool, load_i32(blocks + 4 * u64::from(i)), block_bytes);
        let to = staging + (u64::from(i) * u64::from(pool_count) + u64::from(pool)) * block_bytes;
        copy(from, to, block_bytes, place.thread[0], place.threads[0]);
    }
}

/// `pools[pool][blocks[i]] = staging[i, pool]`, for `pool_count` pools. No block may be listed twice.
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn unstage_blocks(
    pools: u64,
    blocks: u64,
    staging: u64,
    pool_count: u32,
    block_bytes: u64,
) {
    let place = place();
    let [i, pool, _] = place.block;
    unsafe {
        let to = block_of(pools, pool, load_i32(blocks + 4 * u64::from(i)), block_bytes);
        let from = staging + (u64::from(i) * u64::from(pool_count) + u64::from(pool)) * block_bytes;
        copy(from, to, block_bytes, place.thread[0], place.threads[0]);
    }
}
