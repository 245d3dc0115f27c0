//! Launches: they run to their end at once, and a fault is kept for the call that waits.

use crate::device::Model;
use crate::driver::{Driver, Handle, Health, Waits, in_context};
use crate::{Answer, Code, call};
use flashpage_emulator::{FaultKind, Launch, Options, Sanitize};
use std::ffi::{c_uint, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

/// `CUlaunchConfig`
#[repr(C)]
#[allow(missing_docs)]
pub struct LaunchConfig {
    pub grid: [c_uint; 3],
    pub block: [c_uint; 3],
    pub shared_bytes: c_uint,
    pub stream: Handle,
    pub attributes: *const LaunchAttribute,
    pub attribute_count: c_uint,
}

/// `CUlaunchAttribute`: the cluster's dimensions are the first words of its value, a flag is the first.
#[repr(C)]
#[allow(missing_docs)]
pub struct LaunchAttribute {
    pub id: c_uint,
    pub pad: [u8; 4],
    pub value: [c_uint; 16],
}

/// `CU_LAUNCH_ATTRIBUTE_COOPERATIVE`
const COOPERATIVE: c_uint = 2;
/// `CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION`
const CLUSTER: c_uint = 4;
/// `CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION`
const PROGRAMMATIC: c_uint = 6;
/// The last attribute of CUDA 12.0, `CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN`.
const LAST: c_uint = 10;
/// Blocks of a cluster that every GPU with clusters has.
const PORTABLE_CLUSTER: u32 = 8;

/// The code that a GPU's driver has for what the emulator tells in words.
fn code_of(kind: &FaultKind) -> Code {
    match kind {
        FaultKind::OutOfBounds { .. } => Code::ILLEGAL_ADDRESS,
        FaultKind::Misaligned { .. } => Code::MISALIGNED_ADDRESS,
        FaultKind::CallTarget { .. } => Code::INVALID_PC,
        FaultKind::Assertion(_) => Code::ASSERT,
        // A GPU would hang.
        FaultKind::Deadlock(_) | FaultKind::Budget { .. } => Code::LAUNCH_TIMEOUT,
        FaultKind::Launch(_) => Code::INVALID_VALUE,
        _ => Code::LAUNCH_FAILED,
    }
}

/// The arguments: each parameter has as many bytes as the entry declares.
///
/// # Safety
/// The list has an address for each, of so many bytes.
unsafe fn arguments(sizes: &[usize], params: *const *const c_void) -> Result<Vec<Vec<u8>>, Code> {
    if params.is_null() && !sizes.is_empty() {
        return Err(Code::INVALID_VALUE);
    }
    let read = |(i, size): (usize, &usize)| {
        // SAFETY: the caller's promise.
        let from = unsafe { params.add(i).read() };
        if from.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        // SAFETY: the caller's promise.
        Ok(unsafe { std::slice::from_raw_parts(from.cast::<u8>(), *size) }.to_vec())
    };
    sizes.iter().enumerate().map(read).collect()
}

/// Whether this launch is the one that `FLASHPAGE_TEST_DRIVER_FAULT` names.
fn injected() -> bool {
    static LAUNCHES: AtomicU64 = AtomicU64::new(0);
    let launch = LAUNCHES.fetch_add(1, Ordering::Relaxed) + 1;
    std::env::var("FLASHPAGE_TEST_DRIVER_FAULT").is_ok_and(|named| named.parse() == Ok(launch))
}

/// # Safety
/// As [`arguments`].
unsafe fn run(
    (driver, model): (&mut Driver, &Model),
    function: Handle,
    stream: Handle,
    launch: Launch,
    params: *const *const c_void,
) -> Answer {
    driver.stream(stream)?;
    let function = driver.function(function)?.clone();
    if launch.dynamic_shared_bytes > function.max_dynamic_shared as u32 {
        return Err(Code::INVALID_VALUE);
    }
    let blocks = launch.cluster.iter().fold(1u32, |blocks, n| blocks.saturating_mul(*n));
    if blocks != 1 && model.cc.0 < 9 {
        return Err(Code::NOT_SUPPORTED);
    }
    // That a launch cannot be both is taken for granted: no documentation says what a driver answers.
    if launch.programmatic && launch.cooperative {
        return Err(Code::INVALID_VALUE);
    }
    if launch.programmatic && model.cc.0 < 9 {
        return Err(Code::NOT_SUPPORTED);
    }
    if blocks > PORTABLE_CLUSTER && !function.large_clusters {
        return Err(Code::INVALID_CLUSTER_SIZE);
    }
    // SAFETY: the caller's promise.
    let launch = Launch { params: unsafe { arguments(&function.params, params) }?, ..launch };
    if driver.health() != Health::Well {
        return Ok(());
    }
    if injected() {
        driver.fault(Code::ILLEGAL_ADDRESS);
        return Ok(());
    }
    let memory = &mut driver.contents.memory;
    // A GPU would not tell that a launch reads what the one before may still be writing, and give another's results.
    let sanitize = Sanitize { waits: launch.programmatic, ..Sanitize::NONE };
    let options = Options { sanitize, ..Options::default() };
    let Err(fault) = function.loaded.module.launch(memory, &function.name, &launch, &options) else {
        return Ok(());
    };
    if std::env::var_os("FLASHPAGE_TEST_DRIVER_LOG").is_some() {
        eprintln!("flashpage stand-in driver: `{}`: {fault}", function.name);
    }
    match fault.kind {
        FaultKind::Launch(_) => Err(Code::INVALID_VALUE),
        kind => {
            driver.fault(code_of(&kind));
            Ok(())
        }
    }
}

/// Without clusters, or with those that the entry requires.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    shared_bytes: c_uint,
    stream: Handle,
    params: *const *const c_void,
    extra: *const *const c_void,
) -> Code {
    let config = LaunchConfig {
        grid: [grid_x, grid_y, grid_z],
        block: [block_x, block_y, block_z],
        shared_bytes,
        stream,
        attributes: std::ptr::null(),
        attribute_count: 0,
    };
    // SAFETY: the call's contract.
    unsafe { cuLaunchKernelEx(&config, function, params, extra) }
}

/// Without clusters of its own, and with all blocks on the device at once.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C" fn cuLaunchCooperativeKernel(
    function: Handle,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    shared_bytes: c_uint,
    stream: Handle,
    params: *const *const c_void,
) -> Code {
    let mut value = [0; 16];
    value[0] = 1;
    let attribute = LaunchAttribute { id: COOPERATIVE, pad: [0; 4], value };
    let config = LaunchConfig {
        grid: [grid_x, grid_y, grid_z],
        block: [block_x, block_y, block_z],
        shared_bytes,
        stream,
        attributes: &attribute,
        attribute_count: 1,
    };
    // SAFETY: the call's contract.
    unsafe { cuLaunchKernelEx(&config, function, params, std::ptr::null()) }
}

/// With attributes, of which clusters, cooperation and programmatic launches mean something here. Parameters come as a list, not packed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchKernelEx(
    config: *const LaunchConfig,
    function: Handle,
    params: *const *const c_void,
    extra: *const *const c_void,
) -> Code {
    call(|| {
        in_context(Waits::No, |driver, model| {
            // SAFETY: null, or the call's contract.
            let config = unsafe { config.as_ref() }.ok_or(Code::INVALID_VALUE)?;
            if !extra.is_null() {
                return Err(Code::NOT_SUPPORTED);
            }
            let count = config.attribute_count as usize;
            if count > 0 && config.attributes.is_null() {
                return Err(Code::INVALID_VALUE);
            }
            let mut launch = Launch {
                grid: config.grid,
                block: config.block,
                dynamic_shared_bytes: config.shared_bytes,
                ..Launch::default()
            };
            for i in 0..count {
                // SAFETY: the call's contract.
                let attribute = unsafe { &*config.attributes.add(i) };
                match attribute.id {
                    COOPERATIVE => launch.cooperative = attribute.value[0] != 0,
                    CLUSTER => launch.cluster.copy_from_slice(&attribute.value[..3]),
                    PROGRAMMATIC => launch.programmatic = attribute.value[0] != 0,
                    id if id > LAST => return Err(Code::INVALID_VALUE),
                    _ => {}
                }
            }
            // SAFETY: the call's contract.
            unsafe { run((driver, model), function, config.stream, launch, params) }
        })
    })
}
