//! PTX loaded onto a device, and what its machine code has to be.

#[cfg(feature = "cuda")]
use super::cuda;
use super::emulator;
use std::fmt;
use std::sync::Arc;

/// PTX loaded onto a device. Clones are handles to the same one.
#[derive(Clone)]
pub struct Module(pub(super) Arc<Loaded>);

/// A module of either kind of device.
pub(super) enum Loaded {
    Emulator(emulator::LoadedModule),
    #[cfg(feature = "cuda")]
    Cuda(cuda::CudaModule),
}

impl Module {
    /// Whether an entry waits for the launch before it, as a launch that is [`super::Launch::programmatic`] has to: whether
    /// `griddepcontrol.wait` is in it, or in what it may call.
    pub fn waits(&self, entry: &str) -> bool {
        match &*self.0 {
            Loaded::Emulator(module) => module.waits(entry),
            #[cfg(feature = "cuda")]
            Loaded::Cuda(module) => module.waits(entry),
        }
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Module")
    }
}

/// What the machine code of a kernel of ours has to be.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "cuda"), expect(dead_code))]
pub(crate) struct CodePlan<'a> {
    /// The PTX entry.
    pub entry: &'a str,
    /// Registers of a thread at entry, where warps give and take some.
    pub registers: Option<u32>,
}
