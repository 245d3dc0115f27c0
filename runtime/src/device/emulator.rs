//! The emulator as a device: its memory under a lock, its options, and its errors in our words.
//!
//! Everything that this crate knows of `flashpage_emulator` is in this file. Its streams are `emulator/queue.rs`'s.

pub(super) mod queue;

use super::faults::{Faults, Operation};
use super::host_buffer;
use super::tensor_map::TensorMap;
use super::{DeviceError, Launch, PIECE, programmatic};
use flashpage_codegen::Arch;
use flashpage_emulator as engine;
use flashpage_emulator::{Memory, Module};
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// When asynchronous work is seen to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AsyncPolicy {
    /// As soon as it is issued.
    #[default]
    Eager,
    /// Only when a wait forces it.
    Lazy,
    /// At a time drawn from this seed.
    Random(u64),
}

impl From<AsyncPolicy> for engine::AsyncPolicy {
    fn from(policy: AsyncPolicy) -> Self {
        match policy {
            AsyncPolicy::Eager => engine::AsyncPolicy::Eager,
            AsyncPolicy::Lazy => engine::AsyncPolicy::Lazy,
            AsyncPolicy::Random(seed) => engine::AsyncPolicy::Random(seed),
        }
    }
}

impl FromStr for AsyncPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("unknown policy `{text}`: write eager, lazy or random:SEED");
        match text {
            "eager" => Ok(AsyncPolicy::Eager),
            "lazy" => Ok(AsyncPolicy::Lazy),
            _ => text
                .strip_prefix("random:")
                .and_then(|seed| seed.parse().ok())
                .map(AsyncPolicy::Random)
                .ok_or_else(unknown),
        }
    }
}

impl fmt::Display for AsyncPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AsyncPolicy::Eager => f.write_str("eager"),
            AsyncPolicy::Lazy => f.write_str("lazy"),
            AsyncPolicy::Random(seed) => write!(f, "random:{seed}"),
        }
    }
}

/// How warps and blocks take turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WarpOrder {
    /// One after another, each for a while.
    #[default]
    InOrder,
    /// At random, for a few instructions each, drawn from this seed.
    Random(u64),
}

impl From<WarpOrder> for engine::WarpOrder {
    fn from(warp_order: WarpOrder) -> Self {
        match warp_order {
            WarpOrder::InOrder => engine::WarpOrder::InOrder,
            WarpOrder::Random(seed) => engine::WarpOrder::Random(seed),
        }
    }
}

impl FromStr for WarpOrder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("random:").map(str::parse) {
            None if text == "in-order" => Ok(WarpOrder::InOrder),
            Some(Ok(seed)) => Ok(WarpOrder::Random(seed)),
            _ => Err(format!("unknown schedule `{text}`: write in-order or random:SEED")),
        }
    }
}

impl fmt::Display for WarpOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WarpOrder::InOrder => f.write_str("in-order"),
            WarpOrder::Random(seed) => write!(f, "random:{seed}"),
        }
    }
}

/// How `wgmma` adds the products of floats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProductSums {
    /// One after the other, each sum rounded to nearest in single precision.
    #[default]
    Rounded,
    /// As Hopper's tensor cores do, which cut off, and of 8-bit floats keep a mantissa of 13 bits
    /// ([the emulator's description](flashpage_emulator::ProductSums)). Several times slower.
    Hopper,
}

impl From<ProductSums> for engine::ProductSums {
    fn from(sums: ProductSums) -> Self {
        match sums {
            ProductSums::Rounded => engine::ProductSums::Rounded,
            ProductSums::Hopper => engine::ProductSums::Hopper,
        }
    }
}

impl FromStr for ProductSums {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "rounded" => Ok(ProductSums::Rounded),
            "hopper" => Ok(ProductSums::Hopper),
            _ => Err(format!("unknown sums `{text}`: write rounded or hopper")),
        }
    }
}

impl fmt::Display for ProductSums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProductSums::Rounded => "rounded",
            ProductSums::Hopper => "hopper",
        })
    }
}

/// How the emulator runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmulatorOptions {
    /// The target that kernels are compiled for.
    pub arch: Arch,
    /// When asynchronous copies and products complete.
    pub policy: AsyncPolicy,
    /// How warps and blocks take turns.
    pub warp_order: WarpOrder,
    /// How `wgmma` adds the products of floats.
    pub product_sums: ProductSums,
    /// Which checks run, beyond what is a fault always.
    pub sanitize: Sanitize,
    /// Whether what the checks find goes to [`Report::findings`](flashpage_emulator::Report::findings) and a launch goes on,
    /// rather than failing there.
    pub keep_going: bool,
    /// Whether to count what every instruction does: [`Report::profile`](flashpage_emulator::Report::profile).
    pub profile: bool,
    /// Multiprocessors of the GPU that it stands for. Nothing but the grid of kernels that walk their tiles goes by it;
    /// few, so that blocks of small launches already walk several.
    pub sms: u32,
    /// Bytes of the L2 cache, which decide in which order kernels that walk their tiles take them. The emulator itself has
    /// no caches.
    pub l2_bytes: u64,
    /// Host threads; 0 for one per core.
    pub threads: usize,
    /// Instructions of warps, over a whole launch, after which it is given up; 0 for the emulator's own limit.
    pub instruction_budget: u64,
    /// Bytes of the host's memory that it may take; 0 for three quarters of them. A byte of a buffer takes two.
    pub memory: u64,
}

impl Default for EmulatorOptions {
    fn default() -> Self {
        EmulatorOptions {
            arch: Arch::Sm80,
            policy: AsyncPolicy::default(),
            warp_order: WarpOrder::default(),
            product_sums: ProductSums::default(),
            sanitize: Sanitize::NONE,
            keep_going: false,
            profile: false,
            sms: 4,
            // An H100's.
            l2_bytes: 50 << 20,
            threads: 0,
            instruction_budget: 0,
            memory: 0,
        }
    }
}

pub use engine::{Finding, Monitor, Profile, Report, Roofline, Sanitize, Target};

/// A loaded module.
pub(super) struct LoadedModule(Box<Module>);

impl LoadedModule {
    pub(super) fn waits(&self, entry: &str) -> bool {
        self.0.waits_for_prerequisites(entry)
    }
}

/// The emulator and its memory.
pub(super) struct Emulator {
    options: EmulatorOptions,
    memory: Mutex<Memory>,
    monitor: Monitor,
    faults: Faults,
    /// Streams so far, so that each draws its own numbers.
    streams: AtomicU64,
}

/// What a buffer is aligned to.
const ALIGN: usize = 256;

impl Emulator {
    pub(super) fn new(options: EmulatorOptions) -> Emulator {
        let memory = match options.memory {
            0 => Memory::new(),
            bytes => Memory::with_limit(bytes),
        };
        Emulator {
            options,
            memory: Mutex::new(memory),
            monitor: Monitor::new(),
            faults: Faults::new(),
            streams: AtomicU64::new(0),
        }
    }

    pub(super) fn options(&self) -> &EmulatorOptions {
        &self.options
    }

    /// A launch that panicked leaves memory as it was at that moment, which is still memory.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Bytes that buffers may have: a byte takes two of the host's.
    pub(super) fn memory_bytes(&self) -> u64 {
        match self.options.memory {
            0 => Memory::default_limit() / 2,
            bytes => bytes / 2,
        }
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn alloc(&self, bytes: usize) -> Result<u64, DeviceError> {
        self.faults.pass(Operation::Alloc)?;
        self.memory().alloc(bytes.max(1), ALIGN).map_err(|error| {
            let message = error.to_string();
            // Both begin with what was asked for.
            let why = message.split_once(": ").map_or(message.as_str(), |(_, why)| why);
            DeviceError::Alloc { bytes, message: why.to_owned() }
        })
    }

    pub(super) fn free(&self, address: u64) {
        let _ = self.memory().free(address);
    }

    pub(super) fn alloc_host(&self, bytes: usize) -> Result<host_buffer::Memory, DeviceError> {
        self.faults.pass(Operation::AllocHost)?;
        let most = 2 * self.memory_bytes();
        if bytes as u64 > most {
            let message = format!(
                "the emulator may take {most} of the host's: make it smaller, or allow more (`--memory`)"
            );
            return Err(DeviceError::Alloc { bytes, message });
        }
        host_buffer::Memory::plain(bytes)
    }

    pub(super) fn write(&self, address: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        self.faults.pass(Operation::Write)?;
        self.store(address, bytes)
    }

    pub(super) fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.faults.pass(Operation::Read)?;
        self.fetch(address, bytes)
    }

    pub(super) fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<(), DeviceError> {
        self.faults.pass(Operation::Copy)?;
        let mut piece = vec![0; bytes.min(PIECE)];
        for at in (0..bytes).step_by(PIECE) {
            let piece = &mut piece[..PIECE.min(bytes - at)];
            self.fetch(from + at as u64, piece)?;
            self.store(to + at as u64, piece)?;
        }
        Ok(())
    }

    pub(super) fn memset(&self, address: u64, byte: u8, bytes: usize) -> Result<(), DeviceError> {
        self.faults.pass(Operation::Write)?;
        self.memory()
            .fill(address, bytes, byte)
            .map_err(|error| DeviceError::Alloc { bytes, message: error.to_string() })
    }

    /// A write that was counted where it was asked for.
    fn store(&self, address: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        self.memory()
            .write(address, bytes)
            .map_err(|error| DeviceError::Alloc { bytes: bytes.len(), message: error.to_string() })
    }

    /// A read that was counted where it was asked for.
    fn fetch(&self, address: u64, bytes: &mut [u8]) -> Result<(), DeviceError> {
        let len = bytes.len();
        self.memory()
            .read(address, bytes)
            .map_err(|error| DeviceError::Alloc { bytes: len, message: error.to_string() })
    }

    pub(super) fn queue(&self) -> Result<queue::Queue, DeviceError> {
        self.faults.pass(Operation::Stream)?;
        Ok(queue::Queue::new(self.options.policy, self.streams.fetch_add(1, Ordering::Relaxed)))
    }

    /// Counts a copy's two operations: that it begins, and that it arrives, which fails later if it does. Both are counted
    /// here, so that numbers do not depend on when it arrives.
    fn begin_transfer(&self) -> Result<Option<DeviceError>, DeviceError> {
        self.faults.pass(Operation::Transfer)?;
        Ok(self.faults.pass(Operation::Arrival).err())
    }

    pub(super) fn load(&self, text: &str) -> Result<LoadedModule, DeviceError> {
        self.faults.pass(Operation::Load)?;
        Module::load(text)
            .map(|module| LoadedModule(Box::new(module)))
            .map_err(|error| DeviceError::Load(error.to_string()))
    }

    pub(super) fn launch(
        &self,
        module: &LoadedModule,
        entry: &str,
        launch: &Launch,
    ) -> Result<Report, DeviceError> {
        self.faults.pass(Operation::Launch)?;
        let config = engine::Launch {
            grid: launch.grid,
            block: launch.block,
            cluster: launch.cluster,
            dynamic_shared_bytes: launch.dynamic_shared_bytes,
            cooperative: launch.cooperative,
            programmatic: launch.programmatic,
            params: launch.params.clone(),
        };
        let EmulatorOptions {
            policy, warp_order, product_sums, sanitize, keep_going, profile, threads, ..
        } = self.options;
        let instruction_budget = self.options.instruction_budget;
        let options = engine::Options {
            policy: policy.into(),
            warp_order: warp_order.into(),
            product_sums: product_sums.into(),
            sanitize,
            keep_going,
            profile,
            threads,
            instruction_budget,
            monitor: Some(self.monitor.clone()),
        };
        if !module.0.names().any(|known| known == entry) {
            let known = module.0.names().map(str::to_string).collect();
            return Err(DeviceError::NoEntry { entry: entry.to_string(), known });
        }
        programmatic::check(launch, || module.waits(entry))
            .map_err(|message| DeviceError::Launch { entry: entry.to_string(), message })?;
        module.0.launch(&mut self.memory(), entry, &config, &options).map_err(|fault| {
            let (entry, mut message) = (entry.to_string(), fault.to_string());
            for finding in &fault.findings {
                message += &format!("\n  found before that: {}", finding.to_string().replace('\n', "\n  "));
            }
            if !fault.printed.is_empty() {
                message += &format!("\n  printed before that:\n{}", fault.printed.trim_end());
            }
            // A fault without a place is a launch that never began.
            match fault.site {
                Some(_) => DeviceError::Fault { entry, message },
                None => DeviceError::Launch { entry, message },
            }
        })
    }
}

/// The 128 bytes of a tensor map, in the emulator's own layout.
pub(super) fn encode_tensor_map(address: u64, map: &TensorMap) -> Result<[u8; 128], DeviceError> {
    use super::tensor_map::{Interleave, L2Promotion, OutOfBounds, Swizzle, TensorMapError, TensorMapType};
    let map = engine::TensorMap {
        ty: match map.ty {
            TensorMapType::U8 => engine::ElementType::U8,
            TensorMapType::U16 => engine::ElementType::U16,
            TensorMapType::U32 => engine::ElementType::U32,
            TensorMapType::I32 => engine::ElementType::S32,
            TensorMapType::U64 => engine::ElementType::U64,
            TensorMapType::I64 => engine::ElementType::S64,
            TensorMapType::F16 => engine::ElementType::F16,
            TensorMapType::Bf16 => engine::ElementType::Bf16,
            TensorMapType::F32 => engine::ElementType::F32,
            TensorMapType::F64 => engine::ElementType::F64,
            TensorMapType::Tf32 => engine::ElementType::Tf32,
        },
        address,
        dims: map.dims.clone(),
        strides: map.strides.clone(),
        box_dims: map.box_dims.clone(),
        element_strides: map.element_strides.clone(),
        interleave: match map.interleave {
            Interleave::None => engine::Interleave::None,
            Interleave::B16 => engine::Interleave::B16,
            Interleave::B32 => engine::Interleave::B32,
        },
        swizzle: match map.swizzle {
            Swizzle::None => engine::Swizzle::None,
            Swizzle::B32 => engine::Swizzle::B32,
            Swizzle::B64 => engine::Swizzle::B64,
            Swizzle::B128 => engine::Swizzle::B128,
        },
        fill: match map.oob_fill {
            OutOfBounds::Zeros => engine::Fill::Zeros,
            OutOfBounds::Nan => engine::Fill::Nan,
        },
        l2_promotion: match map.l2_promotion {
            L2Promotion::None => engine::L2Promotion::None,
            L2Promotion::B64 => engine::L2Promotion::B64,
            L2Promotion::B128 => engine::L2Promotion::B128,
            L2Promotion::B256 => engine::L2Promotion::B256,
        },
    };
    map.encode().map_err(|error| TensorMapError(error.0).into())
}
