//! The one device: which GPU it is like, by `FLASHPAGE_TEST_DRIVER_CC`, and what it tells of itself.

use crate::driver::{self, initialised};
use crate::{Answer, Code, call, put};
use std::ffi::{c_char, c_int, c_uint};
use std::sync::LazyLock;

/// The version of CUDA that this driver says it is of, as in 12000: 12.0, or what `FLASHPAGE_TEST_DRIVER_VERSION` is.
fn driver_version() -> c_int {
    std::env::var("FLASHPAGE_TEST_DRIVER_VERSION").ok().and_then(|v| v.parse().ok()).unwrap_or(12_000)
}

/// The newest `.version` it takes. More than 12.0 has, because the cases of `tests/oracle` are by newer compilers.
pub const PTX_VERSION: (u32, u32) = (9, 0);

const NAME: &[u8] = b"flashpage stand-in driver (emulated)\0";
const KIB: c_int = 1024;

/// A GPU, as far as its attributes tell.
#[derive(Debug)]
pub struct Model {
    /// Compute capability.
    pub cc: (u32, u32),
    multiprocessors: c_int,
    clock_khz: c_int,
    memory_khz: c_int,
    bus_bits: c_int,
    l2_bytes: c_int,
    /// The most shared memory of a block that asks for it.
    pub shared_opt_in: c_int,
    /// Shared memory of a multiprocessor.
    pub shared_multiprocessor: c_int,
    /// Threads that a multiprocessor holds.
    pub threads_multiprocessor: c_int,
    blocks_multiprocessor: c_int,
}

/// Compute capability, multiprocessors, clock, memory clock and bus, L2, shared memory and threads. The figures are those of
/// A100, RTX 3090, RTX 4090, H100 SXM and RTX 5090, rounded; shared memory is after the CUDA C++ Programming Guide.
#[rustfmt::skip]
pub const MODELS: [Model; 5] = [
    gpu((8, 0), 108, [1_410_000,  1_215_000, 5120], 40, [163, 164], [2048, 32]),
    gpu((8, 6),  82, [1_695_000,  9_751_000,  384],  6, [ 99, 100], [1536, 16]),
    gpu((8, 9), 128, [2_520_000, 10_501_000,  384], 72, [ 99, 100], [1536, 24]),
    gpu((9, 0), 132, [1_980_000,  2_619_000, 5120], 50, [227, 228], [2048, 32]),
    gpu((12, 0), 170, [2_407_000, 14_001_000,  512], 96, [ 99, 100], [1536, 24]),
];

const fn gpu(
    cc: (u32, u32),
    multiprocessors: c_int,
    [clock_khz, memory_khz, bus_bits]: [c_int; 3],
    l2_mib: c_int,
    [opt_in, shared]: [c_int; 2],
    [threads, blocks]: [c_int; 2],
) -> Model {
    Model {
        cc,
        multiprocessors,
        clock_khz,
        memory_khz,
        bus_bits,
        l2_bytes: l2_mib * KIB * KIB,
        shared_opt_in: opt_in * KIB,
        shared_multiprocessor: shared * KIB,
        threads_multiprocessor: threads,
        blocks_multiprocessor: blocks,
    }
}

impl Model {
    /// The attribute of this number in `CUdevice_attribute`. What is not listed is 0: unsupported, or none.
    fn attribute(&self, number: c_uint) -> Option<c_int> {
        Some(match number {
            1..=3 => 1024, // threads of a block, of them along x and y
            4 => 64,
            5 => c_int::MAX, // blocks of a grid along x
            6 | 7 => 65535,
            8 => 48 * KIB,    // shared memory of a block
            9 => 64 * KIB,    // constant memory
            10 => 32,         // lanes of a warp
            12 | 82 => 65536, // registers of a block, of a multiprocessor
            13 => self.clock_khz,
            14 => 512,                                  // texture alignment
            15 | 31 | 41 | 78 | 79 | 80 | 90 | 95 => 1, // overlap, concurrent kernels, one address space, …
            16 => self.multiprocessors,
            36 => self.memory_khz,
            37 => self.bus_bits,
            38 => self.l2_bytes,
            39 => self.threads_multiprocessor,
            40 => 3, // copy engines
            75 => self.cc.0 as c_int,
            76 => self.cc.1 as c_int,
            81 => self.shared_multiprocessor,
            97 => self.shared_opt_in,
            106 => self.blocks_multiprocessor,
            111 => KIB,
            115 => 1,                           // memory pools
            120 => c_int::from(self.cc.0 >= 9), // clusters
            127 => c_int::from(self.cc.0 >= 9), // tensor maps
            0 => return None,
            _ if number > 200 => return None,
            _ => 0,
        })
    }

    /// How many blocks of this shape a multiprocessor holds, as far as threads and shared memory limit them.
    pub fn blocks_of(&self, threads: c_int, shared: c_int) -> c_int {
        let by_threads =
            self.threads_multiprocessor / (threads.clamp(1, 1024) as u32).next_multiple_of(32) as c_int;
        let by_shared = self.shared_multiprocessor / shared.saturating_add(KIB);
        by_threads.min(by_shared).min(self.blocks_multiprocessor)
    }
}

/// The device, if there is one.
pub fn model() -> Option<&'static Model> {
    static MODEL: LazyLock<Option<&Model>> = LazyLock::new(|| {
        let cc = std::env::var("FLASHPAGE_TEST_DRIVER_CC").unwrap_or_else(|_| "9.0".into());
        MODELS.iter().find(|model| format!("{}.{}", model.cc.0, model.cc.1) == cc)
    });
    *MODEL
}

/// What the device has of memory. It is the host's, so there is less of it than GPUs have.
pub fn memory_bytes() -> usize {
    static BYTES: LazyLock<usize> = LazyLock::new(|| {
        let mib = std::env::var("FLASHPAGE_TEST_DRIVER_MIB").ok().and_then(|mib| mib.parse().ok());
        mib.unwrap_or(8192usize).saturating_mul(1 << 20)
    });
    *BYTES
}

/// Whether there is a device of this number.
pub(crate) fn known(device: c_int) -> Answer {
    if device == 0 { Ok(()) } else { Err(Code::INVALID_DEVICE) }
}

/// Comes before every other call.
#[unsafe(no_mangle)]
pub extern "C" fn cuInit(flags: c_uint) -> Code {
    call(|| if flags == 0 { driver::initialise() } else { Err(Code::INVALID_VALUE) })
}

/// The version of CUDA, also before `cuInit`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(version: *mut c_int) -> Code {
    // SAFETY: the call's contract.
    call(|| unsafe { put(version, driver_version()) })
}

/// One.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> Code {
    // SAFETY: the call's contract.
    call(|| initialised(|_, _| unsafe { put(count, 1) }))
}

/// Device 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> Code {
    call(|| {
        initialised(|_, _| {
            known(ordinal)?;
            // SAFETY: the call's contract.
            unsafe { put(device, ordinal) }
        })
    })
}

/// As much of the name as there is room for, with a zero at its end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, room: c_int, device: c_int) -> Code {
    call(|| {
        initialised(|_, _| {
            known(device)?;
            let room = usize::try_from(room).unwrap_or(0);
            if name.is_null() || room == 0 {
                return Err(Code::INVALID_VALUE);
            }
            let length = (NAME.len() - 1).min(room - 1);
            // SAFETY: the caller has `room` bytes there, of which there is at least one.
            unsafe {
                name.cast::<u8>().copy_from_nonoverlapping(NAME.as_ptr(), length);
                name.add(length).write(0);
            }
            Ok(())
        })
    })
}

/// The same for every machine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetUuid(uuid: *mut [u8; 16], device: c_int) -> Code {
    // SAFETY: the call's contract.
    call(|| initialised(|_, _| known(device).and_then(|()| unsafe { put(uuid, *b"flashpage driver") })))
}

/// See [`MODELS`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_uint, device: c_int) -> Code {
    call(|| {
        initialised(|_, model| {
            known(device)?;
            let found = model.attribute(attribute).ok_or(Code::INVALID_VALUE)?;
            // SAFETY: the call's contract.
            unsafe { put(value, found) }
        })
    })
}

/// What the host gives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) -> Code {
    // SAFETY: the call's contract.
    call(|| initialised(|_, _| known(device).and_then(|()| unsafe { put(bytes, memory_bytes()) })))
}
