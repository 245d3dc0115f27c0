//! How an entry is launched, and what a launch tells.

use super::Report;

/// How to launch an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks, also where `cluster` is not one block.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// Blocks of a cluster.
    pub cluster: [u32; 3],
    /// Dynamic shared memory of a block.
    pub dynamic_shared_bytes: u32,
    /// Whether all blocks are on the device at once, and may wait for one another at the grid's barrier.
    pub cooperative: bool,
    /// Whether it may begin before the launch before it in the stream has ended: `griddepcontrol.wait` of its entry waits
    /// for that. Elsewhere known as programmatic dependent launch (CUDA C++ Programming Guide, "Programmatic Dependent
    /// Launch and Synchronization"; `CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION`). Refused of an entry that does
    /// not wait, of a cooperative launch and by GPUs before compute capability 9.0. Correctness needs it nowhere.
    pub programmatic: bool,
    /// The bytes of each parameter, in order.
    pub params: Vec<Vec<u8>>,
}

impl Default for Launch {
    /// One block of one thread, of a kernel without parameters.
    fn default() -> Launch {
        Launch {
            grid: [1; 3],
            block: [1; 3],
            cluster: [1; 3],
            dynamic_shared_bytes: 0,
            cooperative: false,
            programmatic: false,
            params: Vec::new(),
        }
    }
}

/// What a launch told.
#[derive(Debug)]
#[non_exhaustive]
pub struct Run {
    /// Counters and findings; only the emulator has them.
    pub report: Option<Report>,
}
