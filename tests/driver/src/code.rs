//! `CUresult`: the codes that calls answer with, their names and the driver's words for them.

use crate::{Answer, call, put};
use std::ffi::{CStr, c_char};

/// A `CUresult`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Code(pub u32);

/// Declares the codes; each is documented by its text.
macro_rules! codes {
    ($($name:ident = $number:literal $full:literal $text:literal,)*) => {
        #[allow(missing_docs)]
        impl Code {
            $(pub const $name: Code = Code($number);)*

            /// Its name in `cuda.h`, and what the driver says of it.
            fn words(self) -> Option<(&'static CStr, &'static CStr)> {
                match self {
                    $(Code::$name => Some(($full, $text)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    SUCCESS = 0 c"CUDA_SUCCESS" c"no error",
    INVALID_VALUE = 1 c"CUDA_ERROR_INVALID_VALUE" c"invalid argument",
    OUT_OF_MEMORY = 2 c"CUDA_ERROR_OUT_OF_MEMORY" c"out of memory",
    NOT_INITIALIZED = 3 c"CUDA_ERROR_NOT_INITIALIZED" c"initialization error",
    NO_DEVICE = 100 c"CUDA_ERROR_NO_DEVICE" c"no CUDA-capable device is detected",
    INVALID_DEVICE = 101 c"CUDA_ERROR_INVALID_DEVICE" c"invalid device ordinal",
    INVALID_CONTEXT = 201 c"CUDA_ERROR_INVALID_CONTEXT" c"invalid device context",
    NO_BINARY_FOR_GPU = 209 c"CUDA_ERROR_NO_BINARY_FOR_GPU" c"no kernel image is available for execution on the device",
    INVALID_PTX = 218 c"CUDA_ERROR_INVALID_PTX" c"a PTX JIT compilation failed",
    UNSUPPORTED_PTX_VERSION = 222 c"CUDA_ERROR_UNSUPPORTED_PTX_VERSION"
        c"the provided PTX was compiled with an unsupported toolchain.",
    INVALID_HANDLE = 400 c"CUDA_ERROR_INVALID_HANDLE" c"invalid resource handle",
    NOT_FOUND = 500 c"CUDA_ERROR_NOT_FOUND" c"named symbol not found",
    NOT_READY = 600 c"CUDA_ERROR_NOT_READY" c"device not ready",
    ILLEGAL_ADDRESS = 700 c"CUDA_ERROR_ILLEGAL_ADDRESS" c"an illegal memory access was encountered",
    LAUNCH_TIMEOUT = 702 c"CUDA_ERROR_LAUNCH_TIMEOUT" c"the launch timed out and was terminated",
    ASSERT = 710 c"CUDA_ERROR_ASSERT" c"device-side assert triggered",
    MISALIGNED_ADDRESS = 716 c"CUDA_ERROR_MISALIGNED_ADDRESS" c"misaligned address",
    INVALID_PC = 718 c"CUDA_ERROR_INVALID_PC" c"invalid program counter",
    LAUNCH_FAILED = 719 c"CUDA_ERROR_LAUNCH_FAILED" c"unspecified launch failure",
    NOT_SUPPORTED = 801 c"CUDA_ERROR_NOT_SUPPORTED" c"operation not supported",
    INVALID_CLUSTER_SIZE = 912 c"CUDA_ERROR_INVALID_CLUSTER_SIZE" c"a kernel launch with an invalid cluster size",
    UNKNOWN = 999 c"CUDA_ERROR_UNKNOWN" c"unknown error",
}

/// # Safety
/// As [`put`].
unsafe fn words(
    code: Code,
    to: *mut *const c_char,
    which: fn((&'static CStr, &'static CStr)) -> &'static CStr,
) -> Answer {
    let found = code.words().map(which);
    // SAFETY: the caller's promise.
    unsafe { put(to, found.map_or(std::ptr::null(), CStr::as_ptr)) }?;
    found.map(|_| ()).ok_or(Code::INVALID_VALUE)
}

/// The name of a code; null for one that does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorName(code: Code, name: *mut *const c_char) -> Code {
    // SAFETY: the call's contract.
    call(|| unsafe { words(code, name, |(name, _)| name) })
}

/// What a code means; null for one that does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(code: Code, text: *mut *const c_char) -> Code {
    // SAFETY: the call's contract.
    call(|| unsafe { words(code, text, |(_, text)| text) })
}
