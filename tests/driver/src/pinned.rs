//! Host memory that the driver allocates. There is as much as the device has.

use crate::device::memory_bytes;
use crate::driver::{Waits, in_context};
use crate::{Code, call, put};
use std::ffi::{c_uint, c_void};

/// Host memory; that it is portable, mapped or write-combined means nothing here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostAlloc(address: *mut *mut c_void, bytes: usize, flags: c_uint) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            if bytes == 0 || flags > 7 {
                return Err(Code::INVALID_VALUE);
            }
            let pinned = &mut driver.contents.pinned;
            if bytes > memory_bytes().saturating_sub(pinned.values().map(|memory| memory.len()).sum()) {
                return Err(Code::OUT_OF_MEMORY);
            }
            // What it holds is nobody's to know.
            let mut memory = vec![0xa5; bytes].into_boxed_slice();
            let start = memory.as_mut_ptr();
            // SAFETY: the call's contract.
            unsafe { put(address, start.cast()) }?;
            pinned.insert(start as usize, memory);
            Ok(())
        })
    })
}

/// Takes what an allocation gave, once, and waits for the copies first.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemFreeHost(address: *mut c_void) -> Code {
    call(|| {
        in_context(Waits::Yes, |driver, _| {
            driver.run_lines()?;
            driver.contents.pinned.remove(&(address as usize)).map(|_| ()).ok_or(Code::INVALID_VALUE)
        })
    })
}
