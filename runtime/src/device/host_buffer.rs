//! Host memory that a device copies from and to by itself: page-locked on a GPU, plain on the emulator.
//!
//! While a transfer of `stream.rs` has some of its bytes, nobody else gets at those: that is an error, not a wait and
//! not a torn read.

use super::buffer::{inside, zeros};
use super::{Device, DeviceError};
use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Host memory of [`Device::alloc_host`], all zeros at first, freed when dropped.
///
/// A range that a [`Transfer`](super::Transfer) copies from or to is the transfer's until that is over, which is when
/// its `wait` has returned, its `is_done` has said so, or it was dropped. All other bytes can be read and written.
pub struct HostBuffer {
    device: Device,
    bytes: usize,
    contents: Mutex<Contents>,
}

struct Contents {
    memory: Memory,
    /// One range for each transfer that is under way.
    pending: Vec<Range<usize>>,
}

pub(super) enum Memory {
    Plain(Vec<u8>),
    #[cfg(feature = "cuda")]
    Pinned(super::cuda::Pinned),
}

impl Memory {
    /// Plain memory.
    pub(super) fn plain(bytes: usize) -> Result<Memory, DeviceError> {
        Ok(Memory::Plain(zeros(bytes)?))
    }
}

impl HostBuffer {
    pub(super) fn new(device: Device, bytes: usize, memory: Memory) -> HostBuffer {
        HostBuffer { device, bytes, contents: Mutex::new(Contents { memory, pending: Vec::new() }) }
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there are no bytes in it.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Which device copies from and to it.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Copies bytes in.
    ///
    /// # Errors
    /// They do not fit, or a transfer has some of the bytes.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), DeviceError> {
        let mut contents = self.open(offset, bytes.len())?;
        contents.write(offset, bytes);
        Ok(())
    }

    /// Copies bytes out.
    ///
    /// # Errors
    /// There are not so many, or a transfer has some of them.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), DeviceError> {
        let contents = self.open(offset, bytes.len())?;
        contents.read(offset, bytes);
        Ok(())
    }

    /// All bytes.
    ///
    /// # Errors
    /// A transfer has some of them.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DeviceError> {
        let mut bytes = zeros(self.bytes)?;
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The contents, if the range is there and nobody else's.
    fn open(&self, offset: usize, len: usize) -> Result<MutexGuard<'_, Contents>, DeviceError> {
        inside(offset, len, self.bytes)?;
        let contents = self.lock();
        let taken = |range: &&Range<usize>| offset < range.end && range.start < offset + len;
        match contents.pending.iter().find(taken) {
            Some(range) => Err(DeviceError::Pending { start: range.start, end: range.end }),
            None => Ok(contents),
        }
    }

    /// Gives a range to a transfer.
    pub(super) fn begin(&self, range: &Range<usize>) {
        self.lock().pending.push(range.clone());
    }

    /// Takes it back.
    pub(super) fn end(&self, range: &Range<usize>) {
        let pending = &mut self.lock().pending;
        if let Some(i) = pending.iter().position(|taken| taken == range) {
            pending.swap_remove(i);
        }
    }

    /// The bytes of a transfer, which has them on the emulator.
    pub(super) fn with_bytes<T>(&self, range: &Range<usize>, body: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        match &mut self.lock().memory {
            Memory::Plain(plain) => plain.get_mut(range.clone()).map(body),
            #[cfg(feature = "cuda")]
            Memory::Pinned(_) => None,
        }
    }

    /// Where the bytes are, for the driver.
    #[cfg(feature = "cuda")]
    pub(super) fn pinned(&self) -> Option<*mut u8> {
        match &self.lock().memory {
            Memory::Plain(_) => None,
            Memory::Pinned(pinned) => Some(pinned.start()),
        }
    }
}

impl Contents {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        match &mut self.memory {
            Memory::Plain(plain) => plain[offset..offset + bytes.len()].copy_from_slice(bytes),
            #[cfg(feature = "cuda")]
            // SAFETY: `open` has seen that the range lies inside and that no transfer has it.
            Memory::Pinned(pinned) => unsafe {
                pinned.start().add(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            },
        }
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) {
        match &self.memory {
            Memory::Plain(plain) => bytes.copy_from_slice(&plain[offset..offset + bytes.len()]),
            #[cfg(feature = "cuda")]
            // SAFETY: `open` has seen that the range lies inside and that no transfer has it.
            Memory::Pinned(pinned) => unsafe {
                pinned.start().add(offset).copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len());
            },
        }
    }
}

impl fmt::Debug for HostBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostBuffer({} bytes of {:?})", self.bytes, self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Device, DeviceError};

    #[test]
    fn accesses_stay_inside() {
        let host = Device::emulator().alloc_host(8).unwrap();
        assert_eq!((host.len(), host.to_bytes().unwrap()), (8, vec![0; 8]));
        host.write(6, &[1, 2]).unwrap();
        assert_eq!(host.to_bytes().unwrap(), [0, 0, 0, 0, 0, 0, 1, 2]);
        for (offset, len) in [(8, 1), (0, 9), (usize::MAX, 2)] {
            let expected = format!("{len} bytes at offset {offset} do not fit in a buffer of 8 bytes");
            assert_eq!(host.write(offset, &vec![0; len]).unwrap_err().to_string(), expected);
            assert_eq!(host.read(offset, &mut vec![0; len]).unwrap_err().to_string(), expected);
        }
        assert!(host.write(8, &[]).is_ok());
        assert!(Device::emulator().alloc_host(0).unwrap().is_empty());
        let error = Device::emulator().alloc_host(usize::MAX).unwrap_err();
        assert!(matches!(error, DeviceError::Alloc { bytes: usize::MAX, .. }), "{error}");
    }
}
