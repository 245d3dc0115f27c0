//! Why a device refused or failed.

use super::{TensorMapError, list};

/// What a device can refuse or fail at.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No CUDA driver library on this machine.
    #[error("no CUDA driver here (libcuda.so was not found): install the NVIDIA driver, or use the emulator")]
    NoDriver,
    /// Built without the `cuda` feature.
    #[error("built without the `cuda` feature: build with `--features cuda`, or use the emulator")]
    NotBuilt,
    /// A driver call failed.
    #[error("CUDA: {call} failed: {message}")]
    Cuda {
        /// What was asked of the driver.
        call: &'static str,
        /// The driver's words.
        message: String,
    },
    /// The emulator could not allocate.
    #[error("cannot allocate {bytes} bytes: {message}")]
    Alloc {
        /// How many bytes.
        bytes: usize,
        /// Why not.
        message: String,
    },
    /// A copy past a buffer's end.
    #[error("{len} bytes at offset {offset} do not fit in a buffer of {size} bytes")]
    OutOfRange {
        /// First byte.
        offset: usize,
        /// How many bytes.
        len: usize,
        /// The buffer's size.
        size: usize,
    },
    /// Host memory that a transfer is copying from or to.
    #[error(
        "bytes {start}..{end} of the host memory belong to a transfer that is under way: wait for it, or ask `is_done`"
    )]
    Pending {
        /// The transfer's first byte.
        start: usize,
        /// The first byte past it.
        end: usize,
    },
    /// A copy onto itself.
    #[error(
        "{len} bytes at offset {from} and at offset {to} of one buffer overlap: copy by way of another buffer"
    )]
    Overlap {
        /// First byte to be copied.
        from: usize,
        /// Where it would go.
        to: usize,
        /// How many bytes.
        len: usize,
    },
    /// A failure that a test asked for.
    #[error("{operation} failed because `Faults` was asked for it (operation {number} of this device)")]
    Injected {
        /// What was asked of the device: an [`Operation::name`](super::Operation::name).
        operation: &'static str,
        /// Which operation of the device it was, from 0.
        number: u64,
    },
    /// PTX that cannot be loaded.
    #[error("cannot load the PTX: {0}")]
    Load(String),
    /// A kernel of ours of which the driver's compiler has made what it was not made for.
    #[error(
        "`{entry}` is not run: {found}. Take another tile (`Tuning::tile`, `--tile ROWSxCOLUMNS`), the kernel for sm_80 \
         (`arch` of the options, `--arch sm_80`), or another driver: this one is for CUDA {}.{}",
        .cuda.0, .cuda.1
    )]
    Unfit {
        /// The kernel.
        entry: String,
        /// What was found.
        found: String,
        /// The CUDA version that the driver supports.
        cuda: (u32, u32),
    },
    /// No such entry.
    #[error("the module has no entry `{entry}`: it has {}", list(.known))]
    NoEntry {
        /// What was asked for.
        entry: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A launch that cannot begin.
    #[error("cannot launch `{entry}`: {message}")]
    Launch {
        /// The entry.
        entry: String,
        /// Why not.
        message: String,
    },
    /// A kernel that went wrong while it ran.
    #[error("`{entry}` failed: {message}")]
    Fault {
        /// The entry.
        entry: String,
        /// What happened, and where.
        message: String,
    },
    /// Time asked of the emulator.
    #[error("the emulator has no clock: time on a GPU (`--device cuda:0`), or count with `kgen cost`")]
    NoClock,
    /// No library to multiply with.
    #[error(
        "no cuBLAS here ({tried}): put the CUDA toolkit's or PyTorch's on LD_LIBRARY_PATH, or name it in CUBLAS"
    )]
    NoBlas {
        /// The names that were tried.
        tried: String,
    },
    /// A module or buffer of another device.
    #[error("{0} belongs to another device")]
    OtherDevice(&'static str),
    /// A tensor map that is no tensor map.
    #[error(transparent)]
    TensorMap(#[from] TensorMapError),
}
