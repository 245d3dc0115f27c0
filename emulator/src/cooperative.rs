//! Cooperative launches: whether all blocks of a grid can be on a GPU at once, and the memory of their barrier.
//!
//! `grid.sync()` of cooperative groups finds its barrier by `%envreg1` and `%envreg2`, the upper and the lower half of the
//! address of a *workspace* that the driver makes for the launch: its own size in four bytes, and the barrier in the next
//! four (`grid_workspace` in `cooperative_groups/details/driver_abi.h`). The first block of the grid adds 2^31 less one for
//! each other block, the others add one, and each waits until the highest bit has changed.

use crate::exec::state::Setting;
use crate::fault::Fault;
use crate::memory::{Memory, MemoryError};

/// Bytes of a workspace.
const WORKSPACE: u32 = 8;

/// Multiprocessors of an H200, and what each has room for (CUDA C++ Programming Guide, compute capability 9.0): the registers
/// of a block, which nobody knows before assembly, leave room for fewer.
const SMS: u64 = 132;
const THREADS: u64 = 2048;
const BLOCKS: u64 = 32;
const SHARED: u64 = 228 << 10;
/// Shared memory of a block that the system takes.
const RESERVED: u64 = 1 << 10;

/// A fresh workspace.
pub(crate) fn workspace(memory: &mut Memory) -> Result<u64, MemoryError> {
    let address = memory.alloc(WORKSPACE as usize, 256)?;
    memory.write(address, &(WORKSPACE as u64).to_le_bytes())?;
    Ok(address)
}

/// Whether all blocks can be on a GPU at once, and in the memory that the emulator has left.
pub(crate) fn check(setting: &Setting, clusters: u64, room: u64) -> Result<(), Fault> {
    let blocks = clusters * setting.blocks() as u64;
    let threads = (setting.warps() * 32) as u64;
    let shared = setting.shared_bytes as u64 + RESERVED;
    let resident = SMS * BLOCKS.min(THREADS / threads).min(SHARED / shared);
    if blocks > resident {
        return Err(Fault::launch(format!(
            "a cooperative launch of {blocks} blocks, each of {threads} threads and {} bytes of shared memory: all must be on \
             the GPU at once, and the largest, an H200, has room for {resident}",
            setting.shared_bytes
        )));
    }
    let cost = setting.cost().saturating_mul(clusters);
    if cost > room {
        return Err(Fault::launch(format!(
            "a cooperative launch of {blocks} blocks, which run at once: they take about {cost} bytes of the host's memory, and \
             {room} are left (`--memory`, `Memory::with_limit`)"
        )));
    }
    Ok(())
}
