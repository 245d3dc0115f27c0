//! Compiled kernels that a device has loaded, by program and spec.

use crate::device::{CodePlan, Device, DeviceError, Module};
use crate::device_kernels::dependent;
use crate::launch_error::LaunchError;
use flashpage_codegen::schedule::Roles;
use flashpage_codegen::{Compiled, Program, Spec, compile};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::{self, Write};
use std::hash::Hasher;
use std::sync::{Arc, Mutex, PoisonError};

/// A kernel that is compiled and loaded.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// For whom it was compiled: two programs may hash alike.
    program: Program,
    pub compiled: Compiled,
    pub module: Module,
    /// Bytes of a thread in local memory, where the device tells.
    pub local_bytes: Option<u32>,
}

/// The kernels of one device. They hold no handle to it, so that dropping the last handle drops them too.
#[derive(Default)]
pub(crate) struct KernelCache {
    kernels: Mutex<Kernels>,
    /// Kernels of `device-kernels/` that were launched, by entry.
    helpers: Mutex<HashMap<String, Module>>,
}

/// By hash of the program and spec; a list, for hashes may collide.
type Kernels = HashMap<(u64, Spec), Vec<Arc<Kernel>>>;

/// Feeds a hasher what is formatted into it.
struct HashWriter(DefaultHasher);

impl Write for HashWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

fn hash(program: &Program) -> u64 {
    let mut writer = HashWriter(DefaultHasher::new());
    // Programs hold floats, which do not hash; their debug text says everything that is in them.
    let _ = write!(writer, "{program:?}");
    writer.0.finish()
}

impl KernelCache {
    /// A helper kernel, loaded now if it was not before.
    pub(crate) fn helper(&self, device: &Device, entry: &str) -> Result<Module, DeviceError> {
        let mut helpers = self.helpers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = helpers.get(entry) {
            return Ok(module.clone());
        }
        let text = flashpage_device_kernels::module_of(entry);
        // An entry that is not there is named by the device.
        let mut text = text.unwrap_or_else(|| flashpage_device_kernels::PTX.into());
        if device.has_programmatic_launches() {
            text = dependent(&text).map_err(|error| DeviceError::Load(error.to_string()))?;
        }
        let module = device.load(&text)?;
        helpers.insert(entry.to_string(), module.clone());
        Ok(module)
    }

    /// The kernel, compiled now if it was not before.
    pub(crate) fn get(
        &self,
        device: &Device,
        program: &Program,
        spec: &Spec,
    ) -> Result<Arc<Kernel>, LaunchError> {
        let key = (hash(program), *spec);
        let find = |kernels: &Kernels| {
            kernels.get(&key).and_then(|list| list.iter().find(|kernel| kernel.program == *program)).cloned()
        };
        if let Some(kernel) = find(&self.kernels.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(kernel);
        }
        // Not under the lock: other kernels may be launched while this one is compiled.
        let compiled = compile(program, spec)?;
        let registers = compiled.schedule.roles().map(Roles::registers_at_entry);
        let plan = CodePlan { entry: &compiled.entry, registers };
        let (module, local_bytes) = device.load_kernel(&compiled.text(), &plan)?;
        let kernel = Arc::new(Kernel { program: program.clone(), compiled, module, local_bytes });
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = find(&kernels) {
            return Ok(other);
        }
        kernels.entry(key).or_default().push(kernel.clone());
        Ok(kernel)
    }
}
