//! Counters in device memory, by which the blocks of a launch take their tiles.
//!
//! A counter is 0 before a launch, serves that launch alone, and is 0 again when all its blocks have ended. So those of
//! launches that went well are kept for others; one that a launch failed with is given up.

use super::{Backend, Device, DeviceError};
use std::sync::{Mutex, PoisonError};

/// Bytes of a counter.
const BYTES: usize = 4;

/// Counters of a device that no launch has, by address.
#[derive(Default)]
pub(super) struct Counters(Mutex<Vec<u64>>);

impl Counters {
    fn take(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, address: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(address);
    }

    /// Frees them all, with the device.
    pub(super) fn free(&self, backend: &Backend) {
        while let Some(address) = self.take() {
            backend.free(address);
        }
    }
}

/// A `u32` in device memory that is 0, for one launch. Freed when dropped, unless the launch was [`done`](Counter::done).
pub(crate) struct Counter {
    device: Device,
    address: u64,
    is_done: bool,
}

impl Counter {
    /// Its address.
    pub(crate) fn address(&self) -> u64 {
        self.address
    }

    /// Keeps it for another launch: this one has ended well, and left 0 in it.
    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        match self.is_done {
            true => self.device.0.counters.put(self.address),
            false => self.device.0.backend.free(self.address),
        }
    }
}

impl Device {
    /// A counter for one launch.
    ///
    /// # Errors
    /// The device has no memory for it.
    pub(crate) fn counter(&self) -> Result<Counter, DeviceError> {
        if let Some(address) = self.0.counters.take() {
            return Ok(Counter { device: self.clone(), address, is_done: false });
        }
        let address = self.0.backend.alloc(BYTES)?;
        let counter = Counter { device: self.clone(), address, is_done: false };
        self.0.backend.memset(address, 0, BYTES)?;
        Ok(counter)
    }
}
