//! What accesses memory: loads, atomics, and copies that go on beside a warp.

use super::Condition;
use super::Reg;
use crate::address::Space;

/// What an access promises to other threads (PTX ISA §8.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// Nothing.
    Weak,
    /// `.volatile`: relaxed, and nothing that the source language would call atomic.
    Volatile {
        /// It is a load that looks whether something has happened, and takes no data.
        polls: bool,
    },
    /// `.relaxed`, and `atom` with no word on it.
    Relaxed,
    /// `.acquire`
    Acquire,
    /// `.release`
    Release,
    /// `.acq_rel`
    Both,
}

impl Strength {
    /// Whether what comes after it has seen what a release before it told.
    pub fn acquires(self) -> bool {
        matches!(self, Strength::Acquire | Strength::Both)
    }

    /// Whether it tells what came before it.
    pub fn releases(self) -> bool {
        matches!(self, Strength::Release | Strength::Both)
    }
}

/// Memory access of one instruction.
#[derive(Debug)]
pub struct Access {
    /// Where.
    pub space: Space,
    /// What the address starts from.
    pub base: Address,
    /// Bytes of an element.
    pub width: u8,
    /// Whether elements narrower than their register are extended by sign.
    pub signed: bool,
    /// What it promises to others.
    pub strength: Strength,
    /// Register of each element, and whether it has 64 bits.
    pub elements: Box<[(Reg, bool)]>,
    /// Whether it is a read of constant memory, which no kernel writes.
    pub constant: bool,
}

/// A register with an offset.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// The register.
    pub base: Reg,
    /// Whether it has 64 bits; an address of 32 is extended with zeros.
    pub wide: bool,
    /// Bytes added.
    pub offset: i64,
}

/// Old value and up to two operands to the new value, as the low bits.
pub type AtomicFn = fn(u64, u64, u64) -> u64;

/// `atom` and `red`.
#[derive(Debug)]
pub struct Atomic {
    /// Where.
    pub space: Space,
    /// Address.
    pub base: Address,
    /// Bytes: 2, 4 or 8.
    pub width: u8,
    /// What the address is a multiple of: more than the width where a vector begins.
    pub align: u8,
    /// What it promises to others.
    pub strength: Strength,
    /// The new value.
    pub update: AtomicFn,
    /// Old value; none for `red`.
    pub d: Option<Reg>,
    /// First operand.
    pub b: Reg,
    /// Second operand of `cas`.
    pub c: Reg,
}

/// `atom.exch.b128`, `atom.cas.b128`: each value is two registers of 64 bits.
#[derive(Debug)]
pub struct AtomicQuad {
    /// Where.
    pub space: Space,
    /// What it promises to others.
    pub strength: Strength,
    /// Address.
    pub base: Address,
    /// Old value.
    pub d: Option<[Reg; 2]>,
    /// New value, or what the old one must be.
    pub b: [Reg; 2],
    /// New value of `cas`.
    pub c: Option<[Reg; 2]>,
}

/// `cp.async`.
#[derive(Debug)]
pub struct AsyncCopy {
    /// Shared destination.
    pub to: Address,
    /// Generic destinations are resolved first.
    pub to_space: Space,
    /// Global source.
    pub from: Address,
    /// 4, 8 or 16.
    pub bytes: u8,
    /// Bytes that are read; the rest is zero.
    pub source_bytes: Option<Reg>,
    /// Where it holds, nothing is read and zeros are written.
    pub ignore_source: Option<Condition>,
}

/// What tells that a bulk copy is complete.
#[derive(Clone, Copy, Debug)]
pub enum Completion {
    /// Bytes are counted off the transactions of this mbarrier in shared memory.
    Mbarrier(Address),
    /// The thread's bulk group that is open.
    Group,
}

/// How a bulk copy combines what it brings with what is there.
#[derive(Clone, Copy)]
pub struct Reduction {
    /// Old value and source to new value.
    pub update: AtomicFn,
    /// Bytes of an element.
    pub width: u8,
}

impl std::fmt::Debug for Reduction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reduction of {} bytes", self.width)
    }
}

/// `cp.async.bulk` and `cp.reduce.async.bulk` without a tensor map.
#[derive(Debug)]
pub struct BulkCopy {
    /// Destination; shared ones may lie in another block of the cluster.
    pub to: Address,
    /// Global or shared.
    pub to_space: Space,
    /// Source.
    pub from: Address,
    /// Global or shared.
    pub from_space: Space,
    /// How many bytes.
    pub bytes: Reg,
    /// What tells that it is complete.
    pub completion: Completion,
    /// Ranks of the blocks that get it, as 16 bits.
    pub multicast: Option<Reg>,
    /// `cp.reduce`
    pub reduction: Option<Reduction>,
    /// `.cp_mask`: which bytes of every 16 are written.
    pub byte_mask: Option<Reg>,
}

/// Which way a tensor copy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorDirection {
    /// Global to shared memory.
    Load,
    /// Shared to global memory.
    Store,
    /// Nothing but a hint to the cache; the map and coordinates are checked all the same.
    Prefetch,
}

/// `cp.async.bulk.tensor`, `cp.reduce.async.bulk.tensor`, `cp.async.bulk.prefetch.tensor`, tiled.
#[derive(Debug)]
pub struct TensorCopy {
    /// Which way.
    pub direction: TensorDirection,
    /// Generic address of the tensor map.
    pub map: Address,
    /// Coordinates of the box's first element, innermost first, as signed numbers.
    pub coordinates: Box<[Reg]>,
    /// The box in shared memory; not read for a prefetch.
    pub shared: Address,
    /// What tells that it is complete; a prefetch has none that matters.
    pub completion: Completion,
    /// Ranks of the blocks that get it, as 16 bits.
    pub multicast: Option<Reg>,
    /// `cp.reduce`, by name: the element type is the tensor map's.
    pub reduction: Option<ReductionWord>,
}

/// What a tensor reduction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ReductionWord {
    Add,
    Min,
    Max,
    Inc,
    Dec,
    And,
    Or,
    Xor,
}

/// `st.async` and `red.async`: a store into a block of the cluster that counts off an mbarrier there.
#[derive(Debug)]
pub struct AsyncStore {
    /// Where, in shared memory of the cluster.
    pub to: Address,
    /// Bytes of an element.
    pub width: u8,
    /// Each element's register, and whether it has 64 bits.
    pub elements: Box<[(Reg, bool)]>,
    /// The mbarrier, in the same block.
    pub mbarrier: Address,
    /// `red.async`
    pub reduction: Option<Reduction>,
}

/// `tensormap.replace`: one field of a tensor map in memory.
#[derive(Debug)]
pub struct TensorMapField {
    /// Global or shared, or generic.
    pub space: Space,
    /// The map.
    pub at: Address,
    /// Which field, and for those with several which of them.
    pub field: crate::tensor_map::Field,
    /// New value.
    pub value: Reg,
    /// Whether that has 64 bits.
    pub wide: bool,
}
