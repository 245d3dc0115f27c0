//! Streams, which are all in order because work runs at issue or stands in line, and events, which take the host's time.

use crate::driver::{Handle, Waits, fresh_handle, in_context};
use crate::line::{Stream, Work};
use crate::{Code, call, put};
use std::collections::VecDeque;
use std::ffi::{c_int, c_uint};
use std::time::Instant;

/// An event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event {
    untimed: bool,
    /// When it came to pass.
    pub at: Option<Instant>,
    /// How often it was recorded.
    pub records: u64,
    /// The stream in whose line the last record of it stands.
    pub pending: Option<Handle>,
    /// Whether somebody has been told that it is not ready.
    asked: bool,
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
            let stream = Stream { non_blocking: flags == 1, line: VecDeque::new() };
            driver.contents.streams.insert(handle, stream);
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
    call(|| {
        in_context(Waits::Yes, |driver, _| {
            driver.stream(stream)?;
            driver.run_line(stream, None)
        })
    })
}

/// As good as waiting.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamQuery(stream: Handle) -> Code {
    cuStreamSynchronize(stream)
}

/// Only those that were made. What stands in line is done first, which the driver does later.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamDestroy_v2(stream: Handle) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            driver.run_line(stream, None)?;
            driver.contents.streams.remove(&stream).map(|_| ()).ok_or(Code::INVALID_HANDLE)
        })
    })
}

/// What was recorded has happened, if need be now.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamWaitEvent(stream: Handle, event: Handle, _flags: c_uint) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            driver.stream(stream)?;
            match driver.contents.events.get(&event).ok_or(Code::INVALID_HANDLE)?.pending {
                Some(other) => driver.run_line(other, Some(event)),
                None => Ok(()),
            }
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
            driver
                .contents
                .events
                .insert(handle, Event { untimed: flags & DISABLE_TIMING != 0, ..Event::default() });
            Ok(())
        })
    })
}

/// Takes the time, or its place in the line.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventRecord(event: Handle, stream: Handle) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            driver.stream(stream)?;
            let line = driver.contents.streams.get(&stream).is_some_and(|stream| !stream.line.is_empty());
            let known = driver.contents.events.get_mut(&event).ok_or(Code::INVALID_HANDLE)?;
            known.records += 1;
            let number = known.records;
            (known.at, known.pending, known.asked) = match line {
                true => (None, Some(stream), false),
                false => (Some(Instant::now()), None, false),
            };
            if line { driver.stand_in_line(stream, Work::Record(event, number)) } else { Ok(()) }
        })
    })
}

/// Tells of a fault.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventSynchronize(event: Handle) -> Code {
    call(|| {
        in_context(Waits::Yes, |driver, _| {
            match driver.contents.events.get(&event).ok_or(Code::INVALID_HANDLE)?.pending {
                Some(stream) => driver.run_line(stream, Some(event)),
                None => Ok(()),
            }
        })
    })
}

/// The first question after what stands in line gets a no, the second waits.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventQuery(event: Handle) -> Code {
    call(|| {
        in_context(Waits::Yes, |driver, _| {
            let known = driver.contents.events.get_mut(&event).ok_or(Code::INVALID_HANDLE)?;
            match known.pending {
                Some(stream) if known.asked => driver.run_line(stream, Some(event)),
                Some(_) => {
                    known.asked = true;
                    Err(Code::NOT_READY)
                }
                None => Ok(()),
            }
        })
    })
}

/// Milliseconds between two events that were recorded and take time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime(milliseconds: *mut f32, start: Handle, end: Handle) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            let at = |event| match driver.contents.events.get(event) {
                Some(Event { untimed: false, at: Some(at), .. }) => Ok(*at),
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
