//! Where things lie in the 64-bit generic address space (PTX ISA §5.1, §6.4.1).
//!
//! Global memory has generic addresses equal to its own. Shared, local and parameter memory are seen through
//! windows whose low 32 bits are zero, so that truncating a generic shared address gives the shared one, as on
//! hardware. In a cluster, the shared memory of the block of rank `r` begins at `r << 24`, which makes a
//! block's own shared addresses cluster addresses too.

/// Where global allocations begin.
pub const GLOBAL_BASE: u64 = 0x0000_0010_0000_0000;
/// Window of shared memory, the cluster's blocks one after another.
pub const SHARED_WINDOW: u64 = 0x0001_0000_0000_0000;
/// Window of each thread's own memory.
pub const LOCAL_WINDOW: u64 = 0x0001_0001_0000_0000;
/// Window of the kernel's parameters.
pub const PARAM_WINDOW: u64 = 0x0001_0002_0000_0000;
/// Where functions have their addresses; nothing can be read there.
pub const FUNCTION_WINDOW: u64 = 0x0001_0003_0000_0000;
/// Bits of a shared address below the block's rank.
pub const RANK_SHIFT: u32 = 24;

/// A space that an access is made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Global and constant memory.
    Global,
    /// The block's shared memory, or that of a block of its cluster.
    Shared,
    /// The thread's own.
    Local,
    /// The kernel's parameters.
    Param,
    /// Decided by the address.
    Generic,
}

impl Space {
    /// As PTX calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Space::Global => "global",
            Space::Shared => "shared",
            Space::Local => "local",
            Space::Param => "param",
            Space::Generic => "generic",
        }
    }
}

/// The space that a generic address lies in, and the address there.
#[inline(always)]
pub fn resolve(address: u64) -> (Space, u64) {
    if address < SHARED_WINDOW {
        return (Space::Global, address);
    }
    match address >> 32 {
        w if w == SHARED_WINDOW >> 32 => (Space::Shared, address - SHARED_WINDOW),
        w if w == LOCAL_WINDOW >> 32 => (Space::Local, address - LOCAL_WINDOW),
        w if w == PARAM_WINDOW >> 32 => (Space::Param, address - PARAM_WINDOW),
        _ => (Space::Global, address),
    }
}
