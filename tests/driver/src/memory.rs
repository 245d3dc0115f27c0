//! Global memory: allocations of the emulator's, and copies and sets in them.
//!
//! Work runs when it is issued, so the asynchronous forms differ from the others only in not telling of a fault; but for
//! the copies of `line.rs`.

use crate::device::memory_bytes;
use crate::driver::{Driver, Handle, Waits, in_context};
use crate::line::Work;
use crate::{Answer, Code, call, put};
use std::ffi::{c_uchar, c_uint, c_ushort, c_void};

/// What `cuMemAlloc` aligns to.
const ALIGN: usize = 256;

impl Driver {
    /// Bytes that are left.
    fn free(&self) -> usize {
        memory_bytes().saturating_sub(self.contents.allocations.values().sum())
    }

    fn allocate(&mut self, bytes: usize) -> Result<u64, Code> {
        if bytes == 0 {
            return Err(Code::INVALID_VALUE);
        }
        if bytes > self.free() {
            return Err(Code::OUT_OF_MEMORY);
        }
        let address = self.contents.memory.alloc(bytes, ALIGN).map_err(|_| Code::OUT_OF_MEMORY)?;
        self.contents.allocations.insert(address, bytes);
        Ok(address)
    }

    fn release(&mut self, address: u64) -> Answer {
        if address == 0 {
            return Ok(());
        }
        self.contents.allocations.remove(&address).ok_or(Code::INVALID_VALUE)?;
        self.contents.memory.free(address).map_err(|_| Code::INVALID_VALUE)
    }

    pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) -> Answer {
        self.contents.memory.write(address, bytes).map_err(|_| Code::INVALID_VALUE)
    }

    /// Whether the range lies in one allocation. Asked before there is room made for it: a size may be anything.
    fn holds(&self, address: u64, bytes: usize) -> Answer {
        let inside = |(start, size): (&u64, &usize)| {
            address
                .checked_sub(*start)
                .is_some_and(|offset| offset.saturating_add(bytes as u64) <= *size as u64)
        };
        if self.contents.allocations.iter().any(inside) { Ok(()) } else { Err(Code::INVALID_VALUE) }
    }

    pub(crate) fn read(&self, address: u64, bytes: usize) -> Result<Vec<u8>, Code> {
        self.holds(address, bytes)?;
        let mut read = vec![0; bytes];
        self.contents.memory.read(address, &mut read).map_err(|_| Code::INVALID_VALUE)?;
        Ok(read)
    }

    /// `count` times the same few bytes.
    fn set(&mut self, address: u64, value: &[u8], count: usize) -> Answer {
        if !address.is_multiple_of(value.len() as u64) {
            return Err(Code::INVALID_VALUE);
        }
        let bytes = count.checked_mul(value.len()).ok_or(Code::INVALID_VALUE)?;
        self.holds(address, bytes)?;
        let piece = value.repeat(count.min(1 << 16));
        for at in (0..bytes).step_by(piece.len().max(1)) {
            self.write(address + at as u64, &piece[..piece.len().min(bytes - at)])?;
        }
        Ok(())
    }
}

/// Memory aligned to 256 bytes; nothing is written to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAlloc_v2(address: *mut u64, bytes: usize) -> Code {
    // SAFETY: the call's contract.
    call(|| {
        in_context(Waits::No, |driver, _| driver.allocate(bytes).and_then(|at| unsafe { put(address, at) }))
    })
}

/// As [`cuMemAlloc_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocAsync(address: *mut u64, bytes: usize, stream: Handle) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            driver.stream(stream)?;
            let allocated = driver.allocate(bytes)?;
            // SAFETY: the call's contract.
            unsafe { put(address, allocated) }
        })
    })
}

/// Takes what an allocation gave, once; null is nothing.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemFree_v2(address: u64) -> Code {
    call(|| in_context(Waits::Yes, |driver, _| driver.run_lines().and_then(|()| driver.release(address))))
}

/// As [`cuMemFree_v2`], without waiting.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemFreeAsync(address: u64, stream: Handle) -> Code {
    call(|| in_context(Waits::No, |driver, _| driver.stream(stream).and_then(|()| driver.release(address))))
}

/// What is free, and what there is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            // SAFETY: the call's contract.
            unsafe { put(free, driver.free()) }?;
            // SAFETY: likewise.
            unsafe { put(total, memory_bytes()) }
        })
    })
}

/// # Safety
/// `from` has `bytes` bytes.
unsafe fn to_device(waits: Waits, to: u64, from: *const c_void, bytes: usize, stream: Handle) -> Code {
    call(|| {
        in_context(waits, |driver, _| {
            driver.stream(stream)?;
            match (bytes, from.is_null()) {
                (0, _) => Ok(()),
                (_, true) => Err(Code::INVALID_VALUE),
                _ if driver.waits_in_line(stream, from as usize, bytes) => {
                    driver.holds(to, bytes)?;
                    driver.stand_in_line(stream, Work::ToDevice(from as usize, to, bytes))
                }
                // SAFETY: the caller's promise.
                _ => driver.write(to, unsafe { std::slice::from_raw_parts(from.cast(), bytes) }),
            }
        })
    })
}

/// # Safety
/// `to` has room for `bytes` bytes.
unsafe fn to_host(waits: Waits, to: *mut c_void, from: u64, bytes: usize, stream: Handle) -> Code {
    call(|| {
        in_context(waits, |driver, _| {
            driver.stream(stream)?;
            if bytes == 0 {
                return Ok(());
            }
            if driver.waits_in_line(stream, to as usize, bytes) {
                driver.holds(from, bytes)?;
                return driver.stand_in_line(stream, Work::ToHost(from, to as usize, bytes));
            }
            let read = driver.read(from, bytes)?;
            if to.is_null() {
                return Err(Code::INVALID_VALUE);
            }
            // SAFETY: the caller's promise.
            unsafe { to.cast::<u8>().copy_from_nonoverlapping(read.as_ptr(), bytes) };
            Ok(())
        })
    })
}

fn on_device(waits: Waits, to: u64, from: u64, bytes: usize, stream: Handle) -> Code {
    call(|| {
        in_context(waits, |driver, _| {
            driver.stream(stream)?;
            let read = driver.read(from, bytes)?;
            driver.write(to, &read)
        })
    })
}

fn set(address: u64, value: &[u8], count: usize, stream: Handle) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            driver.stream(stream).and_then(|()| driver.set(address, value, count))
        })
    })
}

/// Host to device; waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) -> Code {
    // SAFETY: the call's contract.
    unsafe { to_device(Waits::Yes, to, from, bytes, 0) }
}

/// Host to device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoDAsync_v2(
    to: u64,
    from: *const c_void,
    bytes: usize,
    stream: Handle,
) -> Code {
    // SAFETY: the call's contract.
    unsafe { to_device(Waits::No, to, from, bytes, stream) }
}

/// Device to host; waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) -> Code {
    // SAFETY: the call's contract.
    unsafe { to_host(Waits::Yes, to, from, bytes, 0) }
}

/// Device to host.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2(
    to: *mut c_void,
    from: u64,
    bytes: usize,
    stream: Handle,
) -> Code {
    // SAFETY: the call's contract.
    unsafe { to_host(Waits::No, to, from, bytes, stream) }
}

/// Device to device, without waiting.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) -> Code {
    on_device(Waits::No, to, from, bytes, 0)
}

/// Device to device.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: Handle) -> Code {
    on_device(Waits::No, to, from, bytes, stream)
}

/// Bytes.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD8_v2(address: u64, value: c_uchar, count: usize) -> Code {
    set(address, &[value], count, 0)
}

/// Bytes.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD8Async(address: u64, value: c_uchar, count: usize, stream: Handle) -> Code {
    set(address, &[value], count, stream)
}

/// Words of 16 bits.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD16Async(address: u64, value: c_ushort, count: usize, stream: Handle) -> Code {
    set(address, &value.to_le_bytes(), count, stream)
}

/// Words of 32 bits.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD32_v2(address: u64, value: c_uint, count: usize) -> Code {
    set(address, &value.to_le_bytes(), count, 0)
}

/// Words of 32 bits.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD32Async(address: u64, value: c_uint, count: usize, stream: Handle) -> Code {
    set(address, &value.to_le_bytes(), count, stream)
}
