//! The kernels. Every entry takes addresses as `u64` and reads and writes global memory through [`memory`].

mod append;
mod blocks;
mod gather;
mod hadamard;
pub(crate) mod math;
mod memory;
mod merge;
mod rotate;
mod row;
mod scatter;
mod survey;
mod transposed;

use core::arch::nvptx::{
    _block_dim_x, _block_dim_y, _block_idx_x, _block_idx_y, _block_idx_z, _grid_dim_x, _thread_idx_x,
    _thread_idx_y, trap,
};

/// Nothing here panics, which the tests of the PTX hold it to.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    unsafe { trap() }
}

/// Two dimensions of a launch: of this thread in its block, and of its block.
struct Place {
    thread: [u32; 2],
    threads: [u32; 2],
    block: [u32; 3],
    blocks: u32,
}

/// Where this thread is.
#[inline(always)]
fn place() -> Place {
    unsafe {
        Place {
            thread: [_thread_idx_x() as u32, _thread_idx_y() as u32],
            threads: [_block_dim_x() as u32, _block_dim_y() as u32],
            block: [_block_idx_x() as u32, _block_idx_y() as u32, _block_idx_z() as u32],
            blocks: _grid_dim_x() as u32,
        }
    }
}
