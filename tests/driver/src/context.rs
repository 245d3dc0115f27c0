//! The primary context, which is the only one, and which thread has it as its current one.

use crate::device::known;
use crate::driver::{self, CONTEXT, Contents, Handle, Waits, in_context, initialised};
use crate::{Code, call, put};
use std::ffi::{c_int, c_uint};

/// Makes the context, or counts one more user of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(context: *mut Handle, device: c_int) -> Code {
    call(|| {
        initialised(|driver, _| {
            known(device)?;
            // SAFETY: the call's contract.
            unsafe { put(context, CONTEXT) }?;
            driver.retained += 1;
            Ok(())
        })
    })
}

/// The last release destroys the context and all that is in it.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxRelease_v2(device: c_int) -> Code {
    call(|| {
        initialised(|driver, _| {
            known(device)?;
            driver.retained = driver.retained.checked_sub(1).ok_or(Code::INVALID_CONTEXT)?;
            if driver.retained == 0 {
                driver.contents = Contents::default();
            }
            Ok(())
        })
    })
}

/// Flags say how the host waits; it never does.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxSetFlags_v2(device: c_int, _flags: c_uint) -> Code {
    call(|| initialised(|_, _| known(device)))
}

/// Likewise.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSetFlags(_flags: c_uint) -> Code {
    call(|| in_context(Waits::No, |_, _| Ok(())))
}

/// For this thread; null for none.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSetCurrent(context: Handle) -> Code {
    call(|| {
        initialised(|driver, _| {
            if context != 0 && (context != CONTEXT || driver.retained == 0) {
                return Err(Code::INVALID_CONTEXT);
            }
            driver::set_current(context);
            Ok(())
        })
    })
}

/// This thread's; null for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCurrent(context: *mut Handle) -> Code {
    // SAFETY: the call's contract.
    call(|| initialised(|_, _| unsafe { put(context, driver::current()) }))
}

/// The device of this thread's context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetDevice(device: *mut c_int) -> Code {
    // SAFETY: the call's contract.
    call(|| in_context(Waits::No, |_, _| unsafe { put(device, 0) }))
}

/// Everything has run; tells of a fault.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSynchronize() -> Code {
    call(|| in_context(Waits::Yes, |driver, _| driver.run_lines()))
}
