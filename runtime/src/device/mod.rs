//! Where kernels run: an NVIDIA GPU through its driver (`cuda/`), or the emulator (`emulator.rs`).
//!
//! A [`Device`] is a cheap handle to either, with the same calls: allocate, copy, load PTX text, launch.
//! Kernel parameters are the raw bytes of each, so that any PTX can be launched, not only ours. Launches are
//! synchronous: when [`Device::launch`] returns, the kernel has run and its faults are known. So are the copies of a
//! [`Buffer`]; those of a [`Stream`] go on beside the caller (`stream.rs` says what is ordered). [`Device::launch_all`] waits
//! once for several launches, of which one may begin while the one before it is finishing (`programmatic.rs`). The emulator
//! fails on request, for tests of what comes after a failure (`faults.rs`).

mod buffer;
mod counters;
#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod emulator;
mod error;
mod faults;
mod host_buffer;
mod launch;
mod module;
mod programmatic;
pub(crate) mod signature;
mod stream;
mod tensor_map;
mod timing;

pub use buffer::Buffer;
pub(crate) use counters::Counter;
pub use emulator::{
    AsyncPolicy, EmulatorOptions, Finding, Monitor, ProductSums, Profile, Report, Roofline, Sanitize, Target,
    WarpOrder,
};
pub use error::DeviceError;
pub use faults::{Faults, Operation};
pub use host_buffer::HostBuffer;
pub use launch::{Launch, Run};
pub(crate) use module::CodePlan;
pub use module::Module;
pub use stream::{Stream, Transfer};
pub use tensor_map::{
    Interleave, L2Promotion, OutOfBounds, Swizzle, TensorMap, TensorMapError, TensorMapType,
};
pub use timing::{Timing, TimingOptions};

use flashpage_codegen::Arch;
use flashpage_codegen::program::DType;
use module::Loaded;
use std::fmt;
use std::sync::Arc;

/// Bytes that are moved at once where a whole need not be in memory.
pub(crate) const PIECE: usize = 1 << 20;

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
    counters: counters::Counters,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.counters.free(&self.backend);
    }
}

enum Backend {
    Emulator(emulator::Emulator),
    #[cfg(feature = "cuda")]
    Cuda(cuda::Cuda),
}

impl Backend {
    fn alloc(&self, bytes: usize) -> Result<u64, DeviceError> {
        match self {
            Backend::Emulator(emulator) => emulator.alloc(bytes),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.alloc(bytes),
        }
    }

    fn free(&self, address: u64) {
        match self {
            Backend::Emulator(emulator) => emulator.free(address),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.free(address),
        }
    }

    fn memset(&self, address: u64, byte: u8, bytes: usize) -> Result<(), DeviceError> {
        match self {
            Backend::Emulator(emulator) => emulator.memset(address, byte, bytes),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.memset(address, byte, bytes),
        }
    }
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
        Device(Arc::new(Inner { backend, kernels: Default::default(), counters: Default::default() }))
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

    /// Bytes of the L2 cache.
    pub fn l2_bytes(&self) -> u64 {
        match &self.0.backend {
            Backend::Emulator(emulator) => emulator.options().l2_bytes,
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.properties().l2_bytes,
        }
    }

    /// Memory aligned to 256 bytes, not written to.
    ///
    /// # Errors
    /// Not enough memory.
    pub fn alloc(&self, bytes: usize) -> Result<Buffer, DeviceError> {
        let address = self.0.backend.alloc(bytes)?;
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

    /// Host memory that this device copies from and to by itself, all zeros: page-locked on a GPU.
    ///
    /// # Errors
    /// Not enough memory, or not so much that may be locked.
    pub fn alloc_host(&self, bytes: usize) -> Result<HostBuffer, DeviceError> {
        let memory = match &self.0.backend {
            Backend::Emulator(emulator) => emulator.alloc_host(bytes)?,
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => host_buffer::Memory::Pinned(cuda.alloc_host(bytes)?),
        };
        Ok(HostBuffer::new(self.clone(), bytes, memory))
    }

    /// A new queue of copies that go on beside the caller.
    ///
    /// # Errors
    /// The driver failed.
    pub fn stream(&self) -> Result<Stream, DeviceError> {
        Stream::new(self)
    }

    /// Copies from device memory to device memory, and waits for it.
    ///
    /// # Errors
    /// A range that is not inside its buffer, ranges of one buffer that overlap, a buffer of another device, or the driver
    /// failed.
    pub fn copy(
        &self,
        from: &Buffer,
        from_offset: usize,
        to: &Buffer,
        to_offset: usize,
        len: usize,
    ) -> Result<(), DeviceError> {
        for (buffer, offset, what) in
            [(from, from_offset, "the memory copied from"), (to, to_offset, "the memory copied to")]
        {
            buffer.check(offset, len)?;
            if !buffer.device.is_same(self) {
                return Err(DeviceError::OtherDevice(what));
            }
        }
        if len == 0 {
            return Ok(());
        }
        if from.address == to.address && from_offset.abs_diff(to_offset) < len {
            return Err(DeviceError::Overlap { from: from_offset, to: to_offset, len });
        }
        let (from, to) = (from.address + from_offset as u64, to.address + to_offset as u64);
        match &self.0.backend {
            Backend::Emulator(emulator) => emulator.copy(from, to, len),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.copy(from, to, len),
        }
    }

    /// The faults that this device can be asked for; `None` of a GPU.
    pub fn faults(&self) -> Option<Faults> {
        match &self.0.backend {
            Backend::Emulator(emulator) => Some(emulator.faults().clone()),
            #[cfg(feature = "cuda")]
            Backend::Cuda(_) => None,
        }
    }

    /// What tells how far a launch is, and interrupts it; `None` of a GPU.
    pub fn monitor(&self) -> Option<Monitor> {
        match &self.0.backend {
            Backend::Emulator(emulator) => Some(emulator.monitor().clone()),
            #[cfg(feature = "cuda")]
            Backend::Cuda(_) => None,
        }
    }

    /// Bytes that all buffers may have together, at most.
    pub fn memory_bytes(&self) -> u64 {
        match &self.0.backend {
            Backend::Emulator(emulator) => emulator.memory_bytes(),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.properties().memory_bytes,
        }
    }

    /// Memory that holds a pattern over and over.
    ///
    /// # Errors
    /// As [`Device::alloc`] and [`Buffer::write`].
    pub(crate) fn filled(&self, bytes: usize, pattern: &[u8]) -> Result<Buffer, DeviceError> {
        let buffer = self.alloc(bytes)?;
        let whole = pattern.repeat((PIECE / pattern.len().max(1)).max(1));
        for at in (0..bytes).step_by(whole.len().max(1)) {
            buffer.write(at, &whole[..whole.len().min(bytes - at)])?;
        }
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

    /// Loads a kernel of ours; on a GPU also says how many bytes of a thread are in local memory.
    ///
    /// # Errors
    /// As [`Device::load`]; and a kernel of which the driver's compiler has made what would hang, or crawl.
    #[cfg_attr(not(feature = "cuda"), expect(unused_variables))]
    pub(crate) fn load_kernel(
        &self,
        text: &str,
        plan: &CodePlan<'_>,
    ) -> Result<(Module, Option<u32>), DeviceError> {
        match &self.0.backend {
            Backend::Emulator(_) => Ok((self.load(text)?, None)),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => {
                let (module, local_bytes) = cuda.load_kernel(text, plan)?;
                Ok((Module(Arc::new(Loaded::Cuda(module))), Some(local_bytes)))
            }
        }
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

    /// Runs launches one after the other on one stream and waits once, at the end; on the emulator each ends before the next
    /// begins. One that is marked [`Launch::programmatic`] may begin before the one before it has ended, every other begins
    /// when that has.
    ///
    /// # Errors
    /// As [`Device::launch`]. On a GPU all are checked before the first begins; a fault names every launch that may have
    /// caused it, for the driver does not tell which it was.
    pub fn launch_all(&self, launches: &[(&Module, &str, &Launch)]) -> Result<Vec<Run>, DeviceError> {
        match &self.0.backend {
            Backend::Emulator(_) => {
                launches.iter().map(|(module, entry, launch)| self.launch(module, entry, launch)).collect()
            }
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => {
                cuda.launch_all(&loaded(launches)?)?;
                Ok(launches.iter().map(|_| Run { report: None }).collect())
            }
        }
    }

    /// Whether launches may be marked [`Launch::programmatic`]: on a GPU of compute capability 9.0 or later whose driver is
    /// for CUDA 11.8 or later. The emulator takes them always, and says what a GPU of its target would.
    pub fn has_programmatic_launches(&self) -> bool {
        match &self.0.backend {
            Backend::Emulator(emulator) => emulator.options().arch == Arch::Sm90a,
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.has_programmatic_launches(),
        }
    }

    /// Runs one entry of a module many times and times each.
    ///
    /// # Errors
    /// As [`Device::launch`]; and the emulator has no clock.
    pub fn time(
        &self,
        module: &Module,
        entry: &str,
        launch: &Launch,
        options: &TimingOptions,
    ) -> Result<Timing, DeviceError> {
        self.time_all(&[(module, entry, launch)], options)
    }

    /// Runs launches one after the other, many times, and times them together.
    ///
    /// # Errors
    /// As [`Device::time`].
    #[cfg_attr(not(feature = "cuda"), expect(unused_variables))]
    pub(crate) fn time_all(
        &self,
        launches: &[(&Module, &str, &Launch)],
        options: &TimingOptions,
    ) -> Result<Timing, DeviceError> {
        match &self.0.backend {
            Backend::Emulator(_) => Err(DeviceError::NoClock),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => cuda.time(&loaded(launches)?, options),
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

/// Launches with what a GPU has loaded.
#[cfg(feature = "cuda")]
fn loaded<'l>(
    launches: &[(&'l Module, &'l str, &'l Launch)],
) -> Result<Vec<(&'l cuda::CudaModule, &'l str, &'l Launch)>, DeviceError> {
    let loaded = |(module, entry, launch): &(&'l Module, &'l str, &'l Launch)| match &*module.0 {
        Loaded::Cuda(module) => Ok((module, *entry, *launch)),
        Loaded::Emulator(_) => Err(DeviceError::OtherDevice("the module")),
    };
    launches.iter().map(loaded).collect()
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
    fn copies_within_a_device() {
        let (device, other) = (Device::emulator(), Device::emulator());
        let (a, b) = (device.upload(&[1, 2, 3, 4]).unwrap(), device.upload(&[5, 6, 7, 8]).unwrap());
        let far = other.upload(&[0; 4]).unwrap();
        let fit = |len, offset| format!("{len} bytes at offset {offset} do not fit in a buffer of 4 bytes");
        let table = [
            (&a, 0, &b, 2, 2, Ok([5, 6, 1, 2])),
            (&b, 0, &b, 2, 2, Ok([5, 6, 5, 6])),
            (&b, 1, &b, 1, 0, Ok([5, 6, 5, 6])),
            (&a, 3, &b, 0, 1, Ok([4, 6, 5, 6])),
            (&a, 0, &b, 0, 5, Err(fit(5, 0))),
            (&a, 4, &b, 0, 1, Err(fit(1, 4))),
            (&a, 0, &b, usize::MAX, 2, Err(fit(2, usize::MAX))),
            (
                &b,
                0,
                &b,
                1,
                2,
                Err("2 bytes at offset 0 and at offset 1 of one buffer overlap: copy by way of another buffer"
                    .into()),
            ),
            (&far, 0, &b, 0, 1, Err("the memory copied from belongs to another device".into())),
            (&a, 0, &far, 0, 1, Err("the memory copied to belongs to another device".into())),
        ];
        for (from, from_offset, to, to_offset, len, expected) in table {
            let copied = device.copy(from, from_offset, to, to_offset, len);
            let got = copied.map(|()| to.to_bytes().unwrap()).map_err(|error| error.to_string());
            assert_eq!(got, expected.map(Vec::from));
        }
    }

    #[test]
    fn bad_launches_are_refused() {
        let device = Device::emulator();
        let text = ".version 7.0\n.target sm_80\n.address_size 64\n.entry k(.param .u64 a) { ret; }";
        let module = device.load(text).unwrap();
        let good = Launch { block: [32, 1, 1], params: vec![vec![0; 8]], ..Launch::default() };
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

    /// What may begin before the launch before it has ended has to wait for that; launches of a sequence see what those
    /// before them wrote, and the one that fails is named.
    #[test]
    fn launches_in_sequence() {
        let options = EmulatorOptions { arch: Arch::Sm90a, sanitize: Sanitize::USUAL, ..Default::default() };
        let device = Device::emulator_with(options);
        assert!(device.has_programmatic_launches() && !Device::emulator().has_programmatic_launches());
        let text = ".version 8.0\n.target sm_90a\n.address_size 64\n
            .entry add(.param .u64 at) { .reg .b64 %rd<2>; .reg .b32 %r<2>; griddepcontrol.wait;
              ld.param.u64 %rd1, [at]; ld.global.u32 %r1, [%rd1]; add.u32 %r1, %r1, 1; st.global.u32 [%rd1], %r1; ret; }
            .entry late(.param .u64 at) { .reg .b64 %rd<2>; .reg .b32 %r<2>; ld.param.u64 %rd1, [at];
              ld.global.u32 %r1, [%rd1]; griddepcontrol.wait; ret; }
            .entry never(.param .u64 at) { ret; }";
        let module = device.load(text).unwrap();
        let at = device.upload(&[0; 4]).unwrap();
        let plain = Launch { params: vec![at.address().to_le_bytes().to_vec()], ..Launch::default() };
        let early = Launch { programmatic: true, ..plain.clone() };
        let both = Launch { cooperative: true, ..early.clone() };
        let runs = device.launch_all(&[
            (&module, "add", &plain),
            (&module, "add", &early),
            (&module, "never", &plain),
        ]);
        assert_eq!(runs.unwrap().iter().filter(|run| run.report.is_some()).count(), 3);
        assert_eq!(at.to_bytes().unwrap(), [2, 0, 0, 0]);
        assert!(device.launch_all(&[]).unwrap().is_empty());
        let table = [
            ("late", &plain, ""),
            ("never", &plain, ""),
            ("add", &early, ""),
            ("late", &early, "`late` failed: reads global memory before `griddepcontrol.wait`"),
            (
                "never",
                &early,
                "cannot launch `never`: a programmatic launch may begin before the one before it has ended",
            ),
            (
                "never",
                &early,
                "put one before its first access to global memory, or clear `Launch::programmatic`",
            ),
            ("add", &both, "cannot launch `add`: a launch is programmatic or cooperative, not both: clear"),
            ("gone", &early, "the module has no entry `gone`"),
        ];
        for (entry, launch, message) in table {
            let outcome = device.launch_all(&[(&module, "add", &plain), (&module, entry, launch)]);
            match outcome {
                Ok(_) => assert_eq!(message, "", "{entry}"),
                Err(error) => assert!(!message.is_empty() && error.to_string().contains(message), "{error}"),
            }
        }
        for (entry, waits) in [("add", true), ("late", true), ("never", false), ("gone", false)] {
            assert_eq!(module.waits(entry), waits, "{entry}");
        }
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
        for (text, sums) in [("rounded", ProductSums::Rounded), ("hopper", ProductSums::Hopper)] {
            assert_eq!((text.parse(), sums.to_string().as_str()), (Ok(sums), text));
        }
        let expected = "unknown sums `f32`: write rounded or hopper".to_string();
        assert_eq!("f32".parse::<ProductSums>(), Err(expected));
    }
}
