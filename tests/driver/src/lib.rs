//! A stand-in for the CUDA driver: the entry points that `cudarc` and the runtime call, over the emulator.
//!
//! It is for tests of what is built on the driver: that calls come in the right order, with the right sizes, structs and
//! handles, and that errors are told as what they are. It says nothing of a GPU: its one device is called
//! `flashpage stand-in driver (emulated)`, its time is the host's, and kernels run as the emulator understands them. The
//! C ABI is declared here by hand, after `cuda.h` of CUDA 12.0, and not taken from `cudarc`, which is under test too.
//! Calls that came later than 12.0 are missing on purpose, so that nobody comes to need them.
//!
//! A test puts the library into a folder of its own as `libcuda.so` and that folder on `LD_LIBRARY_PATH`.
//!
//! - `FLASHPAGE_TEST_DRIVER_CC=8.0` chooses the device, one of [`device::MODELS`]; 9.0 if it is not set, and no device
//!   for anything that is not there, such as `none`.
//! - `FLASHPAGE_TEST_DRIVER_MIB=64` is how much memory it has; 8192 if it is not set.
//! - `FLASHPAGE_TEST_DRIVER_VERSION=11040` is the version it says it has; no call goes away with it. 12000 otherwise.
//! - `FLASHPAGE_TEST_DRIVER_FAULT=3` makes the third launch of a process fault, whatever it is.
//! - `FLASHPAGE_TEST_DRIVER_REGISTERS=152` and `FLASHPAGE_TEST_DRIVER_LOCAL_BYTES=16` are what every entry is said to have
//!   of these, and `FLASHPAGE_TEST_DRIVER_INFO="(C7510) …"` is what the compiler says of every module that it takes.
//! - `FLASHPAGE_TEST_DRIVER_LOG=1` writes to stderr what the emulator says of a fault; a driver tells only a code.
//!
//! # What it keeps to
//!
//! - Work runs when it is issued, so every stream is in order and no call has to wait; but for copies between pinned memory
//!   and the device on a stream with `CU_STREAM_NON_BLOCKING`. Those run when somebody waits for them, and the first question
//!   after an event behind them gets `CUDA_ERROR_NOT_READY`.
//! - A fault of a kernel is told by the next call that would wait, and from then on by every call that needs the context.
//! - Handles are numbers that are looked up, addresses are looked up too: wrong ones are errors.
//! - No panic leaves it: that would be `CUDA_ERROR_UNKNOWN`.
//!
//! # What it does not model
//!
//! Other work that is still under way, and so all that comes of a missing wait for a kernel; graphs, peers, managed memory,
//! textures, several devices; registers, so no `CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES`; how `ptxas` reads PTX.

// Every function's contract is that of the driver call of its name.
#![allow(non_snake_case, clippy::missing_safety_doc)]

pub mod code;
pub mod context;
pub mod device;
mod driver;
pub mod launch;
mod line;
pub mod memory;
pub mod module;
pub mod pinned;
pub mod stream;
pub mod tensor_map;

pub use code::Code;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a call comes to, before it is a number.
type Answer = Result<(), Code>;

/// Runs a call's body; a panic in it is an answer too.
fn call(body: impl FnOnce() -> Answer) -> Code {
    let answer = catch_unwind(AssertUnwindSafe(body));
    // Others come between two calls of a thread whenever they can.
    std::thread::yield_now();
    match answer {
        Ok(Ok(())) => Code::SUCCESS,
        Ok(Err(code)) => code,
        Err(_) => Code::UNKNOWN,
    }
}

/// Writes a result where the caller wants it.
///
/// # Safety
/// `to` is null or may be written to.
unsafe fn put<T>(to: *mut T, value: T) -> Answer {
    if to.is_null() {
        return Err(Code::INVALID_VALUE);
    }
    // SAFETY: not null, so the caller's promise holds.
    unsafe { to.write(value) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_stay_inside() {
        assert_eq!(call(|| panic!("on purpose")), Code::UNKNOWN);
        assert_eq!(call(|| Err(Code::INVALID_HANDLE)), Code::INVALID_HANDLE);
        assert_eq!(call(|| Ok(())), Code::SUCCESS);
    }
}
