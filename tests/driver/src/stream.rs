//! Streams, which are all in order because work runs at issue, and events, which take the host's time.

use crate::driver::{Handle, Waits, fresh_handle, in_context};
use crate::{Code, call, put};
use std::ffi::{c_int, c_uint};
use std::time::Instant;

/// An event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event {
    untimed: bool,
    at: Option<Instant>,
}

/// `CU_EVENT_DISABLE_TIMING`
const DISABLE_TIMING: c_uint = 2;

/// A stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreate(stream: *mut Handle, flags: c_uint) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            if flags > 1 {
                return Err(Code::INVALID_VALUE);
            }
            let handle = fresh_handle();
            // SAFETY: the call's contract.
            unsafe { put(stream, handle) }?;
            driver.contents.streams.insert(handle);
            Ok(())
        })
    })
}

/// Priorities mean nothing here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreateWithPriority(
    stream: *mut Handle,
    flags: c_uint,
    _priority: c_int,
) -> Code {
    // SAFETY: the call's contract.
    unsafe { cuStreamCreate(stream, flags) }
}

/// Tells of a fault.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamSynchronize(stream: Handle) -> Code {
    call(|| in_context(Waits::Yes, |driver, _| driver.stream(stream)))
}

/// Always done.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamQuery(stream: Handle) -> Code {
    cuStreamSynchronize(stream)
}

/// Only those that were made.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamDestroy_v2(stream: Handle) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            let removed = driver.contents.streams.remove(&stream);
            if removed { Ok(()) } else { Err(Code::INVALID_HANDLE) }
        })
    })
}

/// What was recorded has happened.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamWaitEvent(stream: Handle, event: Handle, _flags: c_uint) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            driver.stream(stream)?;
            driver.contents.events.get(&event).map(|_| ()).ok_or(Code::INVALID_HANDLE)
        })
    })
}

/// An event that nothing is recorded in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventCreate(event: *mut Handle, flags: c_uint) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            if flags > 7 {
                return Err(Code::INVALID_VALUE);
            }
            let handle = fresh_handle();
            // SAFETY: the call's contract.
            unsafe { put(event, handle) }?;
            driver.contents.events.insert(handle, Event { untimed: flags & DISABLE_TIMING != 0, at: None });
            Ok(())
        })
    })
}

/// Takes the time.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventRecord(event: Handle, stream: Handle) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            driver.stream(stream)?;
            driver.contents.events.get_mut(&event).ok_or(Code::INVALID_HANDLE)?.at = Some(Instant::now());
            Ok(())
        })
    })
}

/// Tells of a fault.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventSynchronize(event: Handle) -> Code {
    call(|| {
        in_context(Waits::Yes, |driver, _| {
            driver.contents.events.get(&event).map(|_| ()).ok_or(Code::INVALID_HANDLE)
        })
    })
}

/// Always done.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventQuery(event: Handle) -> Code {
    cuEventSynchronize(event)
}

/// Milliseconds between two events that were recorded and take time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime(milliseconds: *mut f32, start: Handle, end: Handle) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            let at = |event| match driver.contents.events.get(event) {
                Some(Event { untimed: false, at: Some(at) }) => Ok(*at),
                _ => Err(Code::INVALID_HANDLE),
            };
            let (start, end) = (at(&start)?, at(&end)?);
            let seconds = match end.checked_duration_since(start) {
                Some(later) => later.as_secs_f64(),
                None => -start.duration_since(end).as_secs_f64(),
            };
            // SAFETY: the call's contract.
            unsafe { put(milliseconds, (seconds * 1e3) as f32) }
        })
    })
}

/// Only once.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventDestroy_v2(event: Handle) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            driver.contents.events.remove(&event).map(|_| ()).ok_or(Code::INVALID_HANDLE)
        })
    })
}
