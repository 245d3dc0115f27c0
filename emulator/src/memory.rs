//! Bytes: the device's global memory, and the storage that every other space is made of.
//!
//! This file holds the emulator's unsafe memory accesses. Blocks run on several threads at once and may touch
//! the same global bytes, so bytes are only ever read and written as relaxed atomics; a kernel's data race
//! gives one value or the other, as on hardware, and is never the host's undefined behaviour.

use crate::address::{GLOBAL_BASE, SHARED_WINDOW};
use crate::host;
use hashbrown::HashMap;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

/// What cannot be done with global memory from the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// An alignment that is not a power of two, or larger than any memory.
    #[error(
        "cannot allocate {bytes} bytes aligned to {align}: an alignment is a power of two up to {LARGEST}"
    )]
    Allocation {
        /// Bytes asked for.
        bytes: usize,
        /// Alignment asked for.
        align: usize,
    },
    /// More than the memory may take of the host's.
    #[error(
        "cannot allocate {bytes} bytes: the emulator keeps two bytes of the host for each, and {used} of the {limit} that it \
         may take are in use: make it smaller, or allow more (`--memory`, `Memory::with_limit`)"
    )]
    Limit {
        /// Bytes asked for.
        bytes: usize,
        /// Bytes of the host that are in use.
        used: u64,
        /// Bytes of the host that may be.
        limit: u64,
    },
    /// More than the host gives.
    #[error("cannot allocate {bytes} bytes: the host has no memory for them")]
    Host {
        /// Bytes asked for.
        bytes: usize,
    },
    /// A range that is not inside one allocation.
    #[error("{bytes} bytes at {address:#x} {place}")]
    OutOfBounds {
        /// First address.
        address: u64,
        /// How many.
        bytes: usize,
        /// Where that lies.
        place: String,
    },
}

/// Bytes that several threads may touch.
pub(crate) struct Storage {
    /// In units that the widest atomic access is aligned by.
    cells: Box<[UnsafeCell<u64>]>,
    /// A byte for each byte: which of its bits were written.
    known: Box<[UnsafeCell<u64>]>,
    bytes: usize,
}

// SAFETY: the bytes are reached through `Span` only, which uses atomics.
unsafe impl Sync for Storage {}

/// What memory holds before anything is written: a NaN in every format.
const GARBAGE: u64 = u64::MAX;

fn cells(value: u64, bytes: usize) -> Option<Box<[UnsafeCell<u64>]>> {
    let mut plain = host::zeros(bytes.div_ceil(8))?;
    if value != 0 {
        plain.fill(value);
    }
    // SAFETY: `UnsafeCell<u64>` has the layout of `u64`.
    Some(unsafe { Box::from_raw(Box::into_raw(plain) as *mut [UnsafeCell<u64>]) })
}

impl Storage {
    /// Bytes of the host that a byte takes.
    pub const COST: u64 = 2;

    /// Nothing if the host has no room for so many bytes.
    pub fn new(bytes: usize) -> Option<Storage> {
        Some(Storage { cells: cells(GARBAGE, bytes)?, known: cells(0, bytes)?, bytes })
    }

    /// As it was when new.
    pub fn reset(&mut self) {
        self.cells.iter_mut().for_each(|c| *c.get_mut() = GARBAGE);
        self.known.iter_mut().for_each(|c| *c.get_mut() = 0);
    }

    pub fn len(&self) -> usize {
        self.bytes
    }

    /// `count` bytes from `offset`, if they are all there.
    #[inline(always)]
    pub fn span(&self, offset: u64, count: u32) -> Option<Span> {
        if offset.checked_add(count as u64)? > self.bytes as u64 {
            return None;
        }
        // SAFETY: `offset + count` is within both arrays.
        unsafe {
            Some(Span {
                bytes: self.cells.as_ptr().cast::<u8>().cast_mut().add(offset as usize),
                known: self.known.as_ptr().cast::<u8>().cast_mut().add(offset as usize),
            })
        }
    }
}

/// A range of storage that was checked. It must not outlive the storage, which the executor sees to: spans live
/// for one instruction.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    bytes: *mut u8,
    known: *mut u8,
}

impl Span {
    /// The little-endian value of `width` bytes at `offset`; both are within the span and aligned.
    #[inline(always)]
    pub fn read(self, offset: usize, width: u8) -> u64 {
        // SAFETY: the span was checked for `offset + width`, and the address for alignment.
        unsafe {
            let at = self.bytes.add(offset);
            match width {
                1 => AtomicU8::from_ptr(at).load(Relaxed) as u64,
                2 => AtomicU16::from_ptr(at.cast()).load(Relaxed) as u64,
                4 => AtomicU32::from_ptr(at.cast()).load(Relaxed) as u64,
                _ => AtomicU64::from_ptr(at.cast()).load(Relaxed),
            }
        }
    }

    /// Stores the low `width` bytes of `value`, without noting that they are written.
    #[inline(always)]
    pub fn write(self, offset: usize, width: u8, value: u64) {
        // SAFETY: as in `read`.
        unsafe {
            let at = self.bytes.add(offset);
            match width {
                1 => AtomicU8::from_ptr(at).store(value as u8, Relaxed),
                2 => AtomicU16::from_ptr(at.cast()).store(value as u16, Relaxed),
                4 => AtomicU32::from_ptr(at.cast()).store(value as u32, Relaxed),
                _ => AtomicU64::from_ptr(at.cast()).store(value, Relaxed),
            }
        }
    }

    /// Replaces the value of `width` bytes atomically and returns the old one.
    #[inline]
    pub fn update(self, width: u8, f: impl Fn(u64) -> u64) -> u64 {
        // SAFETY: as in `read`.
        unsafe {
            match width {
                2 => AtomicU16::from_ptr(self.bytes.cast())
                    .fetch_update(Relaxed, Relaxed, |old| Some(f(old as u64) as u16))
                    .map_or(0, |old| old as u64),
                4 => AtomicU32::from_ptr(self.bytes.cast())
                    .fetch_update(Relaxed, Relaxed, |old| Some(f(old as u64) as u32))
                    .map_or(0, |old| old as u64),
                _ => AtomicU64::from_ptr(self.bytes.cast())
                    .fetch_update(Relaxed, Relaxed, |old| Some(f(old)))
                    .unwrap_or(0),
            }
        }
    }

    /// From an offset in it on.
    pub fn at(self, offset: u32) -> Span {
        // SAFETY: the span was checked for more than `offset`.
        unsafe { Span { bytes: self.bytes.add(offset as usize), known: self.known.add(offset as usize) } }
    }

    /// Copies the first `count` bytes, and which of their bits are known, to another span; they may be the same.
    pub fn copy_to(self, to: Span, count: u32) {
        for i in 0..count as usize {
            to.write(i, 1, self.read(i, 1));
        }
        self.copy_known_to(to, count);
    }

    /// Copies which bits of the first `count` bytes are known.
    pub fn copy_known_to(self, to: Span, count: u32) {
        let (from, to) = (self.shadow(), to.shadow());
        (0..count as usize).for_each(|i| to.write(i, 1, from.read(i, 1)));
    }

    /// What is known, as bytes of its own.
    #[inline(always)]
    fn shadow(self) -> Span {
        Span { bytes: self.known, known: self.known }
    }

    /// Calls `each` with offsets and widths of 1 to 8 that cover `count` bytes, aligned.
    #[inline(always)]
    fn pieces(self, count: u32, mut each: impl FnMut(usize, u8) -> bool) {
        let mut done = 0;
        while done < count {
            let aligned = 1 << (self.known as usize + done as usize).trailing_zeros().min(3);
            let left = count - done;
            let width = aligned.min(if left >= 8 { 8 } else { 1 << left.ilog2() });
            if !each(done as usize, width as u8) {
                return;
            }
            done += width;
        }
    }

    /// Notes that the span's first `count` bytes are written. Aligned spans of a power of two take one store.
    #[inline(always)]
    pub fn mark(self, count: u32) {
        self.pieces(count, |at, width| {
            self.shadow().write(at, width, u64::MAX);
            true
        });
    }

    /// Notes that `count` bytes from `offset` hold nothing that was ever computed.
    pub fn unmark(self, offset: usize, count: usize) {
        (offset..offset + count).for_each(|i| self.shadow().write(i, 1, 0));
    }

    /// Notes which bits of the `width` bytes at `offset` hold nothing that was ever computed.
    pub fn mark_but(self, offset: usize, width: u8, unknown: u64) {
        for i in 0..width as usize {
            self.shadow().write(offset + i, 1, !(unknown >> (8 * i)) & 0xff);
        }
    }

    /// Which bits of the `width` bytes at `offset` hold nothing that was ever computed.
    #[inline]
    pub fn unknown(self, offset: usize, width: u8) -> u64 {
        (0..width as usize).fold(0, |bits, i| bits | (!self.shadow().read(offset + i, 1) & 0xff) << (8 * i))
    }

    /// Whether all of `count` bytes from `offset` were written.
    pub fn is_written(self, offset: usize, count: usize) -> bool {
        (offset..offset + count).all(|i| self.shadow().read(i, 1) == 0xff)
    }

    /// The first of `count` bytes that was not written, or not all of it.
    #[inline(always)]
    pub fn unwritten(self, count: u32) -> Option<u32> {
        let mut first = None;
        self.pieces(count, |at, width| {
            let missing = !self.shadow().read(at, width) << (64 - 8 * width as u32);
            if missing != 0 {
                let byte = (missing.trailing_zeros() - (64 - 8 * width as u32)) / 8;
                first = Some(at as u32 + byte);
            }
            missing == 0
        });
        first
    }
}

/// A piece of global memory.
struct Allocation {
    address: u64,
    storage: Storage,
}

impl Allocation {
    fn end(&self) -> u64 {
        self.address + self.storage.len() as u64
    }
}

/// Unused addresses after every allocation, at least.
const GUARD: u64 = 4096;
/// The largest alignment.
const LARGEST: usize = 1 << 37;

/// Bytes of the host that an allocation takes; an empty one takes some as well.
fn cost(bytes: usize) -> u64 {
    (bytes as u64).saturating_mul(Storage::COST).saturating_add(64)
}

/// The device's global memory.
///
/// Addresses are never given out twice, so a stale pointer is always found. It takes no more of the host's memory than its
/// limit, and leaves the rest of that to launches.
pub struct Memory {
    /// Bytes of the host that it may take, and those that it does.
    limit: u64,
    used: u64,
    /// In the order of their addresses.
    allocations: Vec<Allocation>,
    freed: Vec<(u64, u64)>,
    next: u64,
    /// Where each loaded module's variables lie.
    modules: HashMap<u64, Vec<u64>>,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::with_limit(host::default_limit())
    }
}

impl Memory {
    /// Empty memory, which may take three quarters of the host's.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// Empty memory, which with the launches that use it takes about so many bytes of the host at most. A byte of the
    /// device takes two.
    pub fn with_limit(limit: u64) -> Memory {
        Memory {
            limit,
            used: 0,
            allocations: Vec::new(),
            freed: Vec::new(),
            next: 0,
            modules: HashMap::new(),
        }
    }

    /// The limit of [`Memory::new`].
    pub fn default_limit() -> u64 {
        host::default_limit()
    }

    /// Bytes of the host that are left for launches.
    pub(crate) fn room(&self) -> u64 {
        self.limit - self.used
    }

    /// Reserves `bytes` bytes at a device address that is a multiple of `align` (and of 256). Nothing is written:
    /// the bytes are garbage, and using what is read of them under the sanitizer is a fault.
    ///
    /// # Errors
    /// An alignment that is not a power of two, or a size that cannot be had.
    pub fn alloc(&mut self, bytes: usize, align: usize) -> Result<u64, MemoryError> {
        if !align.is_power_of_two() || align > LARGEST {
            return Err(MemoryError::Allocation { bytes, align });
        }
        let address = self.next.max(GLOBAL_BASE).next_multiple_of(align.max(256) as u64);
        let end = address.saturating_add(bytes as u64).saturating_add(GUARD);
        let cost = cost(bytes);
        if cost > self.room() || end >= SHARED_WINDOW {
            return Err(MemoryError::Limit { bytes, used: self.used, limit: self.limit });
        }
        let storage = Storage::new(bytes).ok_or(MemoryError::Host { bytes })?;
        self.next = end;
        self.used += cost;
        self.allocations.push(Allocation { address, storage });
        Ok(address)
    }

    /// Gives an allocation back; `address` is what [`Memory::alloc`] returned.
    ///
    /// # Errors
    /// There is no allocation there.
    pub fn free(&mut self, address: u64) -> Result<(), MemoryError> {
        let found = self.allocations.binary_search_by_key(&address, |a| a.address);
        let index = found.map_err(|_| self.outside(address, 0))?;
        let allocation = self.allocations.remove(index);
        self.used -= cost(allocation.storage.len());
        self.freed.push((allocation.address, allocation.end()));
        Ok(())
    }

    /// Copies from the host.
    ///
    /// # Errors
    /// The range is not inside one allocation.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        let Some(span) = self.range(address, bytes.len()) else {
            return Err(self.outside(address, bytes.len()));
        };
        // SAFETY: checked by `range`; `&mut self` excludes every other access.
        unsafe {
            span.bytes.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            span.known.write_bytes(0xff, bytes.len());
        }
        Ok(())
    }

    /// Sets every byte of a range.
    ///
    /// # Errors
    /// The range is not inside one allocation.
    pub fn fill(&mut self, address: u64, bytes: usize, byte: u8) -> Result<(), MemoryError> {
        let Some(span) = self.range(address, bytes) else {
            return Err(self.outside(address, bytes));
        };
        // SAFETY: as in `write`.
        unsafe {
            span.bytes.write_bytes(byte, bytes);
            span.known.write_bytes(0xff, bytes);
        }
        Ok(())
    }

    /// Copies to the host, whatever is there.
    ///
    /// # Errors
    /// The range is not inside one allocation.
    pub fn read(&self, address: u64, into: &mut [u8]) -> Result<(), MemoryError> {
        let Some(span) = self.range(address, into.len()) else {
            return Err(self.outside(address, into.len()));
        };
        // SAFETY: checked by `range`; launches hold `&mut Memory`, so nothing writes meanwhile.
        unsafe { into.as_mut_ptr().copy_from_nonoverlapping(span.bytes, into.len()) };
        Ok(())
    }

    fn range(&self, address: u64, bytes: usize) -> Option<Span> {
        let allocation = &self.allocations[self.holder(address)?];
        let offset = address - allocation.address;
        if bytes > allocation.storage.len() {
            return None;
        }
        allocation.storage.span(offset + bytes as u64, 0)?;
        allocation.storage.span(offset, 0)
    }

    fn outside(&self, address: u64, bytes: usize) -> MemoryError {
        MemoryError::OutOfBounds { address, bytes, place: self.describe(address) }
    }

    /// Index of the last allocation that does not begin after `address`.
    fn holder(&self, address: u64) -> Option<usize> {
        self.allocations.partition_point(|a| a.address <= address).checked_sub(1)
    }

    /// `count` bytes at `address`, if they are all in one allocation; `hint` remembers which.
    #[inline(always)]
    pub(crate) fn span(&self, address: u64, count: u32, hint: &mut usize) -> Option<Span> {
        if let Some(allocation) = self.allocations.get(*hint)
            && let Some(span) = allocation.storage.span(address.wrapping_sub(allocation.address), count)
        {
            return Some(span);
        }
        *hint = self.holder(address)?;
        let allocation = &self.allocations[*hint];
        allocation.storage.span(address - allocation.address, count)
    }

    /// Where an address lies that should not have been accessed.
    #[cold]
    pub(crate) fn describe(&self, address: u64) -> String {
        if let Some((from, to)) = self.freed.iter().find(|(from, to)| (*from..*to).contains(&address)) {
            return format!("is in the {}-byte allocation at {from:#x}, which was freed", to - from);
        }
        let before = self.holder(address).map(|i| &self.allocations[i]);
        let after = self.allocations.get(self.holder(address).map_or(0, |i| i + 1));
        match (before, after) {
            (Some(a), _) if address < a.end() + GUARD => {
                format!("is past the end of the {}-byte allocation at {:#x}", a.storage.len(), a.address)
            }
            (_, Some(a)) if address + GUARD >= a.address => {
                format!("is before the {}-byte allocation at {:#x}", a.storage.len(), a.address)
            }
            _ => "is in no allocation".to_string(),
        }
    }

    /// Where the variables of module `id` lie, if they were placed before.
    pub(crate) fn variables(&self, id: u64) -> Option<&Vec<u64>> {
        self.modules.get(&id)
    }

    pub(crate) fn place_variables(&mut self, id: u64, addresses: Vec<u64>) {
        self.modules.insert(id, addresses);
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ranges = self.allocations.iter().map(|a| (a.address, a.storage.len()));
        f.debug_map().entries(ranges).finish()
    }
}
