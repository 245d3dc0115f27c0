//! Memory of a device: allocated by [`Device::alloc`], copied to and from while the caller waits, freed when dropped.
//!
//! Copies that go on beside the caller are `stream.rs`'s.

use super::{Backend, Device, DeviceError};
use std::fmt;

/// Whether `len` bytes at `offset` lie in `size` bytes.
pub(super) fn inside(offset: usize, len: usize, size: usize) -> Result<(), DeviceError> {
    match offset.checked_add(len) {
        Some(end) if end <= size => Ok(()),
        _ => Err(DeviceError::OutOfRange { offset, len, size }),
    }
}

/// Memory of a device, freed when dropped.
pub struct Buffer {
    pub(super) device: Device,
    pub(super) address: u64,
    pub(super) bytes: usize,
}

impl Buffer {
    /// Address of the first byte, as a kernel sees it.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there are no bytes in it.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whose memory it is.
    pub fn device(&self) -> &Device {
        &self.device
    }

    pub(super) fn check(&self, offset: usize, len: usize) -> Result<(), DeviceError> {
        inside(offset, len, self.bytes)
    }

    /// Copies bytes in.
    ///
    /// # Errors
    /// They do not fit, or the driver failed.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), DeviceError> {
        self.check(offset, bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        let address = self.address + offset as u64;
        match &self.device.0.backend {
            Backend::Emulator(emulator) => emulator.write(address, bytes),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.write(address, bytes),
        }
    }

    /// Copies bytes out. What was never written reads as whatever the device holds there.
    ///
    /// # Errors
    /// There are not so many, or the driver failed.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.check(offset, bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        let address = self.address + offset as u64;
        match &self.device.0.backend {
            Backend::Emulator(emulator) => emulator.read(address, bytes),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.read(address, bytes),
        }
    }

    /// All bytes.
    ///
    /// # Errors
    /// The driver failed.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DeviceError> {
        let mut bytes = zeros(self.bytes)?;
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Sets every byte.
    ///
    /// # Errors
    /// The driver failed.
    pub fn memset(&self, byte: u8) -> Result<(), DeviceError> {
        if self.bytes == 0 {
            return Ok(());
        }
        self.device.0.backend.memset(self.address, byte, self.bytes)
    }
}

/// So many zeros, if the host has memory for them.
pub(super) fn zeros(bytes: usize) -> Result<Vec<u8>, DeviceError> {
    let mut zeros = Vec::new();
    zeros
        .try_reserve_exact(bytes)
        .map_err(|error| DeviceError::Alloc { bytes, message: error.to_string() })?;
    zeros.resize(bytes, 0);
    Ok(zeros)
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.device.0.backend.free(self.address);
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes at {:#x} of {:?})", self.bytes, self.address, self.device)
    }
}
