//! Compiled kernels that a device has loaded, by program and spec.

use crate::device::{Device, DeviceError, Module};
use crate::launch_error::LaunchError;
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
}

/// The kernels of one device. They hold no handle to it, so that dropping the last handle drops them too.
#[derive(Default)]
pub(crate) struct KernelCache {
    kernels: Mutex<Kernels>,
    /// The module of `device-kernels/`, once something of it was launched.
    helpers: Mutex<Option<Module>>,
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
    /// The helper kernels, loaded now if they were not before.
    pub(crate) fn helpers(&self, device: &Device) -> Result<Module, DeviceError> {
        let mut helpers = self.helpers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = &*helpers {
            return Ok(module.clone());
        }
        let module = device.load(flashpage_device_kernels::PTX)?;
        *helpers = Some(module.clone());
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
        let module = device.load(&compiled.text())?;
        let kernel = Arc::new(Kernel { program: program.clone(), compiled, module });
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = find(&kernels) {
            return Ok(other);
        }
        kernels.entry(key).or_default().push(kernel.clone());
        Ok(kernel)
    }
}
