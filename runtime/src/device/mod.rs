//! Where kernels run: an NVIDIA GPU through its driver (`cuda/`), or the emulator (`emulator.rs`).
//!
//! A [`Device`] is a cheap handle to either, with the same calls: allocate, copy, load PTX text, launch.
//! Kernel parameters are the raw bytes of each, so that any PTX can be launched, not only ours. Launches are
//! synchronous: when [`Device::launch`] returns, the kernel has run and its faults are known.

#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod emulator;
pub(crate) mod signature;
mod tensor_map;
mod timing;

pub use emulator::{AsyncPolicy, EmulatorOptions, Profile, Report, Roofline, Schedule, Target};
pub use tensor_map::{
    Interleave, L2Promotion, OutOfBounds, Swizzle, TensorMap, TensorMapError, TensorMapType,
};

pub use timing::{Timing, TimingOptions};

use flashpage_codegen::Arch;
use flashpage_codegen::program::DType;
use std::fmt;
use std::sync::Arc;

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
    /// PTX that cannot be loaded.
    #[error("cannot load the PTX: {0}")]
    Load(String),
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

/// Names in backticks, for messages.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    match names {
        [] => "none".into(),
        names => names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", "),
    }
}

/// A GPU or the emulator. Clones are handles to the same one.
#[derive(Clone)]
pub struct Device(Arc<Inner>);

struct Inner {
    backend: Backend,
    kernels: crate::kernels::KernelCache,
}

enum Backend {
    Emulator(emulator::Emulator),
    #[cfg(feature = "cuda")]
    Cuda(cuda::Cuda),
}

impl Device {
    /// The first GPU if there is a driver and a GPU, else the emulator.
    pub fn auto() -> Device {
        Device::cuda(0).unwrap_or_else(|_| Device::emulator())
    }

    /// The emulator, with its defaults.
    pub fn emulator() -> Device {
        Device::emulator_with(EmulatorOptions::default())
    }

    /// The emulator as `options` say.
    pub fn emulator_with(options: EmulatorOptions) -> Device {
        Device::of(Backend::Emulator(emulator::Emulator::new(options)))
    }

    /// The GPU of this number.
    ///
    /// # Errors
    /// There is no driver or no such GPU, or this was built without the `cuda` feature.
    #[cfg(feature = "cuda")]
    pub fn cuda(ordinal: usize) -> Result<Device, DeviceError> {
        Ok(Device::of(Backend::Cuda(cuda::Cuda::new(ordinal)?)))
    }

    /// Always an error: built without the `cuda` feature.
    #[cfg(not(feature = "cuda"))]
    pub fn cuda(_ordinal: usize) -> Result<Device, DeviceError> {
        Err(DeviceError::NotBuilt)
    }

    fn of(backend: Backend) -> Device {
        Device(Arc::new(Inner { backend, kernels: crate::kernels::KernelCache::default() }))
    }

    /// `emulator`, or the GPU's name.
    pub fn name(&self) -> String {
        match &self.0.backend {
            Backend::Emulator(_) => "emulator".into(),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.properties().name.clone(),
        }
    }

    /// Whether this is the emulator.
    pub fn is_emulator(&self) -> bool {
        matches!(self.0.backend, Backend::Emulator(_))
    }

    /// What the GPU says of itself; `None` of the emulator.
    pub fn properties(&self) -> Option<&Properties> {
        match &self.0.backend {
            Backend::Emulator(_) => None,
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => Some(cuda.properties()),
        }
    }

    /// The best target of ours that this device runs.
    pub fn arch(&self) -> Arch {
        match &self.0.backend {
            Backend::Emulator(emulator) => emulator.options().arch,
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.arch(),
        }
    }

    /// Multiprocessors, which is how many blocks a kernel that walks its tiles is launched with, times those that fit
    /// on each.
    pub fn sms(&self) -> u32 {
        match &self.0.backend {
            Backend::Emulator(emulator) => emulator.options().sms,
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.properties().sms,
        }
    }

    /// Memory aligned to 256 bytes, not written to.
    ///
    /// # Errors
    /// Not enough memory.
    pub fn alloc(&self, bytes: usize) -> Result<Buffer, DeviceError> {
        let address = match &self.0.backend {
            Backend::Emulator(emulator) => emulator.alloc(bytes)?,
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.alloc(bytes)?,
        };
        Ok(Buffer { device: self.clone(), address, bytes })
    }

    /// Memory with these bytes.
    ///
    /// # Errors
    /// As [`Device::alloc`] and [`Buffer::write`].
    pub fn upload(&self, bytes: &[u8]) -> Result<Buffer, DeviceError> {
        let buffer = self.alloc(bytes.len())?;
        buffer.write(0, bytes)?;
        Ok(buffer)
    }

    /// Loads PTX text.
    ///
    /// # Errors
    /// Text that the emulator does not know or the driver does not take.
    pub fn load(&self, text: &str) -> Result<Module, DeviceError> {
        let loaded = match &self.0.backend {
            Backend::Emulator(emulator) => Loaded::Emulator(emulator.load(text)?),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => Loaded::Cuda(cuda.load(text)?),
        };
        Ok(Module(Arc::new(loaded)))
    }

    /// Runs one entry of a module and waits for it.
    ///
    /// # Errors
    /// A launch that the device refuses, or a fault while the kernel runs.
    pub fn launch(&self, module: &Module, entry: &str, launch: &Launch) -> Result<Run, DeviceError> {
        match (&self.0.backend, &*module.0) {
            (Backend::Emulator(emulator), Loaded::Emulator(module)) => {
                Ok(Run { report: Some(emulator.launch(module, entry, launch)?) })
            }
            #[cfg(feature = "cuda")]
            (Backend::Cuda(cuda), Loaded::Cuda(module)) => {
                cuda.launch(module, entry, launch)?;
                Ok(Run { report: None })
            }
            #[cfg(feature = "cuda")]
            _ => Err(DeviceError::OtherDevice("the module")),
        }
    }

    /// Runs one entry of a module many times and times each.
    ///
    /// # Errors
    /// As [`Device::launch`]; and the emulator has no clock.
    #[cfg_attr(not(feature = "cuda"), expect(unused_variables))]
    pub fn time(
        &self,
        module: &Module,
        entry: &str,
        launch: &Launch,
        options: &TimingOptions,
    ) -> Result<Timing, DeviceError> {
        match (&self.0.backend, &*module.0) {
            (Backend::Emulator(_), _) => Err(DeviceError::NoClock),
            #[cfg(feature = "cuda")]
            (Backend::Cuda(cuda), Loaded::Cuda(module)) => cuda.time(module, entry, launch, options),
            #[cfg(feature = "cuda")]
            _ => Err(DeviceError::OtherDevice("the module")),
        }
    }

    /// Times copies of `bytes` bytes from device memory to device memory. Twice as many move.
    ///
    /// # Errors
    /// No room for both sides, or the emulator, which has no clock.
    #[cfg_attr(not(feature = "cuda"), expect(unused_variables))]
    pub fn time_copy(&self, bytes: usize, options: &TimingOptions) -> Result<Timing, DeviceError> {
        match &self.0.backend {
            Backend::Emulator(_) => Err(DeviceError::NoClock),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => {
                let (from, to) = (self.alloc(bytes)?, self.alloc(bytes)?);
                from.memset(0x3c)?;
                cuda.time_copy(&to, &from, options)
            }
        }
    }

    /// Times cuBLAS on `c = a b`, square matrices of `n` rows of 16-bit elements, accumulated in f32.
    ///
    /// # Errors
    /// Buffers of other sizes, no cuBLAS on this machine, or the emulator, which has no clock.
    #[cfg_attr(not(feature = "cuda"), expect(unused_variables))]
    pub fn time_matmul(
        &self,
        n: usize,
        dtype: DType,
        [a, b, c]: [&Buffer; 3],
        options: &TimingOptions,
    ) -> Result<Timing, DeviceError> {
        for buffer in [a, b, c] {
            buffer.check(0, n.saturating_mul(n).saturating_mul(dtype.bytes()))?;
            if !buffer.device.is_same(self) {
                return Err(DeviceError::OtherDevice("a matrix"));
            }
        }
        match &self.0.backend {
            Backend::Emulator(_) => Err(DeviceError::NoClock),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.time_matmul(n, dtype, [a, b, c], options),
        }
    }

    /// The 128 bytes of a tensor map over memory at `address`.
    ///
    /// # Errors
    /// A map that breaks the rules of `cuTensorMapEncodeTiled`.
    pub fn encode_tensor_map(&self, address: u64, map: &TensorMap) -> Result<[u8; 128], DeviceError> {
        map.check(address)?;
        match &self.0.backend {
            Backend::Emulator(_) => emulator::encode_tensor_map(address, map),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.encode_tensor_map(address, map),
        }
    }

    pub(crate) fn kernels(&self) -> &crate::kernels::KernelCache {
        &self.0.kernels
    }

    pub(crate) fn is_same(&self, other: &Device) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What a GPU says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Properties {
    /// As in `NVIDIA H200`.
    pub name: String,
    /// As in (9, 0).
    pub compute_capability: (u32, u32),
    /// Multiprocessors.
    pub sms: u32,
    /// Bytes of the L2 cache.
    pub l2_bytes: u64,
    /// Bytes of device memory.
    pub memory_bytes: u64,
    /// Highest clock of the multiprocessors, MHz.
    pub sm_clock_mhz: u32,
    /// Highest clock of the memory, MHz.
    pub memory_clock_mhz: u32,
    /// The newest CUDA version that the driver supports, as in (13, 0).
    pub driver_supports_cuda: (u32, u32),
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.name())
    }
}

/// Memory of a device, freed when dropped.
pub struct Buffer {
    device: Device,
    address: u64,
    bytes: usize,
}

impl Buffer {
    /// Address of the first byte, as a kernel sees it.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there are no bytes in it.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whose memory it is.
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn check(&self, offset: usize, len: usize) -> Result<(), DeviceError> {
        match offset.checked_add(len) {
            Some(end) if end <= self.bytes => Ok(()),
            _ => Err(DeviceError::OutOfRange { offset, len, size: self.bytes }),
        }
    }

    /// Copies bytes in.
    ///
    /// # Errors
    /// They do not fit, or the driver failed.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), DeviceError> {
        self.check(offset, bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        let address = self.address + offset as u64;
        match &self.device.0.backend {
            Backend::Emulator(emulator) => emulator.write(address, bytes),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.write(address, bytes),
        }
    }

    /// Copies bytes out. What was never written reads as whatever the device holds there.
    ///
    /// # Errors
    /// There are not so many, or the driver failed.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.check(offset, bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        let address = self.address + offset as u64;
        match &self.device.0.backend {
            Backend::Emulator(emulator) => emulator.read(address, bytes),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.read(address, bytes),
        }
    }

    /// All bytes.
    ///
    /// # Errors
    /// The driver failed.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DeviceError> {
        let mut bytes = vec![0; self.bytes];
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Sets every byte.
    ///
    /// # Errors
    /// The driver failed.
    pub fn memset(&self, byte: u8) -> Result<(), DeviceError> {
        if self.bytes == 0 {
            return Ok(());
        }
        match &self.device.0.backend {
            Backend::Emulator(emulator) => emulator.write(self.address, &vec![byte; self.bytes]),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.memset(self.address, byte, self.bytes),
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        match &self.device.0.backend {
            Backend::Emulator(emulator) => emulator.free(self.address),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.free(self.address),
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes at {:#x} of {:?})", self.bytes, self.address, self.device)
    }
}

/// PTX loaded onto a device. Clones are handles to the same one.
#[derive(Clone)]
pub struct Module(Arc<Loaded>);

enum Loaded {
    Emulator(emulator::LoadedModule),
    #[cfg(feature = "cuda")]
    Cuda(cuda::CudaModule),
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Module")
    }
}

/// How to launch an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks, also where `cluster` is not one block.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// Blocks of a cluster.
    pub cluster: [u32; 3],
    /// Dynamic shared memory of a block.
    pub dynamic_shared_bytes: u32,
    /// The bytes of each parameter, in order.
    pub params: Vec<Vec<u8>>,
}

/// What a launch told.
#[derive(Debug)]
#[non_exhaustive]
pub struct Run {
    /// Counters and findings; only the emulator has them.
    pub report: Option<Report>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_device() {
        let bytes = [1u8, 2, 3, 4];
        let device = Device::auto();
        let buffer = device.upload(&bytes).unwrap();
        assert_eq!(buffer.to_bytes().unwrap(), bytes);
        assert!(buffer.address().is_multiple_of(128));
        buffer.memset(7).unwrap();
        assert_eq!(buffer.to_bytes().unwrap(), [7; 4]);
        assert!(device.alloc(0).unwrap().is_empty());
        // With a driver there is no such GPU, without one there is none at all: an error either way.
        assert!(Device::cuda(4096).is_err());
    }

    #[test]
    fn accesses_stay_inside() {
        let buffer = Device::emulator().upload(&[0; 8]).unwrap();
        for (offset, len) in [(8, 1), (0, 9), (usize::MAX, 2)] {
            let expected = format!("{len} bytes at offset {offset} do not fit in a buffer of 8 bytes");
            assert_eq!(buffer.write(offset, &vec![0; len]).unwrap_err().to_string(), expected);
            assert_eq!(buffer.read(offset, &mut vec![0; len]).unwrap_err().to_string(), expected);
        }
        assert!(buffer.write(8, &[]).is_ok());
    }

    #[test]
    fn bad_launches_are_refused() {
        let device = Device::emulator();
        let text = ".version 7.0\n.target sm_80\n.address_size 64\n.entry k(.param .u64 a) { ret; }";
        let module = device.load(text).unwrap();
        let good = Launch {
            grid: [1; 3],
            block: [32, 1, 1],
            cluster: [1; 3],
            dynamic_shared_bytes: 0,
            params: vec![vec![0; 8]],
        };
        assert!(device.launch(&module, "k", &good).unwrap().report.is_some());
        let error = device.launch(&module, "m", &good).unwrap_err().to_string();
        assert_eq!(error, "the module has no entry `m`: it has `k`");
        let bad = Launch { params: Vec::new(), ..good.clone() };
        assert!(matches!(device.launch(&module, "k", &bad), Err(DeviceError::Launch { .. })));
        let bad = Launch { block: [2048, 1, 1], ..good };
        assert!(matches!(device.launch(&module, "k", &bad), Err(DeviceError::Launch { .. })));
        let error = device.load(".version 7.0\n.target sm_80\n.entry k { frob; }").unwrap_err().to_string();
        assert!(error.contains("unknown opcode `frob`"), "{error}");
    }

    #[test]
    fn tensor_maps() {
        let device = Device::emulator();
        let map = TensorMap {
            ty: TensorMapType::F16,
            dims: vec![64, 512, 4],
            strides: vec![128, 65536],
            box_dims: vec![64, 64, 1],
            element_strides: vec![1; 3],
            interleave: Interleave::None,
            swizzle: Swizzle::B128,
            l2_promotion: L2Promotion::B128,
            oob_fill: OutOfBounds::Nan,
        };
        assert!(device.encode_tensor_map(4096, &map).is_ok());
        let interleaved = TensorMap { interleave: Interleave::B16, ..map.clone() };
        let large = TensorMap { box_dims: vec![64, 256, 64], ..map };
        for (map, expected) in [
            (interleaved, "tensor map: interleave 16B is not supported by the emulator"),
            (large, "tensor map: box has 2097152 bytes: a block has at most 232448 of shared memory"),
        ] {
            assert_eq!(device.encode_tensor_map(4096, &map).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn policies() {
        for (text, policy) in [
            ("eager", AsyncPolicy::Eager),
            ("lazy", AsyncPolicy::Lazy),
            ("random:18446744073709551615", AsyncPolicy::Random(u64::MAX)),
        ] {
            assert_eq!(text.parse(), Ok(policy));
            assert_eq!(policy.to_string(), text);
        }
        for text in ["", "Eager", "random", "random:", "random:-1"] {
            let expected = format!("unknown policy `{text}`: write eager, lazy or random:SEED");
            assert_eq!(text.parse::<AsyncPolicy>(), Err(expected));
        }
    }
}
