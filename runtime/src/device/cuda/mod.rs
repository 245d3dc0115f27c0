//! The CUDA driver, loaded at run time.
//!
//! Calls go to the driver API through `cudarc`'s thin wrappers. `cudarc` panics where `libcuda` is missing,
//! so [`Cuda::new`] looks for it first; nothing else here runs without a `Cuda`. `timing.rs` times work by
//! events, `matmul.rs` has cuBLAS multiply, `copies.rs` has streams and the host memory they copy from and to; `guard.rs`
//! refuses what the driver's compiler has made of our kernels where they would hang.

mod copies;
mod guard;
mod matmul;
mod timing;

pub(super) use copies::{Copy, CopyStream, Pinned};

use super::signature::{Misfit, Signatures};
use super::tensor_map::{Interleave, L2Promotion, OutOfBounds, Swizzle, TensorMap, TensorMapType};
use super::{CodePlan, DeviceError, Launch, Properties, programmatic};
use cudarc::driver::sys::{self, CUfunction_attribute_enum as Attribute};
use cudarc::driver::{CudaContext, DriverError, result};
use flashpage_codegen::Arch;
use guard::MachineCode;
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::ptr::without_provenance_mut;
use std::sync::{Arc, Mutex, PoisonError};

/// A GPU's primary context.
pub(super) struct Cuda {
    context: Arc<CudaContext>,
    properties: Properties,
}

/// A module of the driver, unloaded when dropped.
pub(super) struct CudaModule {
    context: Arc<CudaContext>,
    module: sys::CUmodule,
    signatures: Signatures,
    /// By entry: the dynamic shared memory that launches may have, where more than the driver gives was asked for.
    shared: Mutex<HashMap<String, i32>>,
    /// What its compiler complained of, where it was compiled: see `guard.rs`.
    complaints: Vec<String>,
}

// SAFETY: a CUmodule is a handle that the driver lets any thread use while its context is current, and
// every call here makes it current first.
unsafe impl Send for CudaModule {}
// SAFETY: as above; the driver's module calls are thread-safe.
unsafe impl Sync for CudaModule {}

impl CudaModule {
    pub(super) fn waits(&self, entry: &str) -> bool {
        self.signatures.waits(entry)
    }
}

impl Drop for CudaModule {
    fn drop(&mut self) {
        if self.context.bind_to_thread().is_ok() {
            // SAFETY: the module was loaded in this context and is used by nobody any more. A failure to
            // unload leaks it, which is all that can be done about it here.
            let _ = unsafe { result::module::unload(self.module) };
        }
    }
}

/// Room for what the driver's compiler says, of errors and of all else.
const LOG_BYTES: usize = 16 * 1024;

/// What was written to a log, which ends at its first zero.
fn written(log: &[u8]) -> String {
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..end]).trim().to_string()
}

/// Shared memory that a block may have without asking for more.
const DEFAULT_SHARED_BYTES: u64 = 48 * 1024;

/// The version of CUDA that brought tensor maps.
const TENSOR_MAPS: (u32, u32) = (12, 0);

/// The version of CUDA that brought `cuLaunchKernelEx`, and with it clusters and programmatic launches.
const LAUNCH_ATTRIBUTES: (u32, u32) = (11, 8);

/// Blocks of a cluster that every GPU with clusters runs.
const PORTABLE_CLUSTER: u32 = 8;

fn failed(call: &'static str) -> impl Fn(DriverError) -> DeviceError {
    move |error| {
        let name = error.error_name().ok().and_then(|s| s.to_str().ok()).unwrap_or("unknown error");
        let text = error.error_string().ok().and_then(|s| s.to_str().ok()).unwrap_or("");
        DeviceError::Cuda { call, message: format!("{name} ({text})") }
    }
}

impl Cuda {
    pub(super) fn new(ordinal: usize) -> Result<Cuda, DeviceError> {
        // SAFETY: looks for a library by name and closes it again.
        if !unsafe { sys::is_culib_present() } {
            return Err(DeviceError::NoDriver);
        }
        result::init().map_err(failed("cuInit"))?;
        let count = result::device::get_count().map_err(failed("cuDeviceGetCount"))?;
        if ordinal >= usize::try_from(count).unwrap_or(0) {
            let message = format!("there is no GPU {ordinal}, this machine has {count}");
            return Err(DeviceError::Cuda { call: "cuDeviceGet", message });
        }
        let context = CudaContext::new(ordinal).map_err(failed("cuDevicePrimaryCtxRetain"))?;
        let name = context.name().map_err(failed("cuDeviceGetName"))?;
        let attribute = |attribute| -> Result<u64, DeviceError> {
            let value = context.attribute(attribute).map_err(failed("cuDeviceGetAttribute"))?;
            Ok(u64::try_from(value).unwrap_or(0))
        };
        use sys::CUdevice_attribute_enum as A;
        let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let properties = Properties {
            name,
            compute_capability: (
                number(attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?),
                number(attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?),
            ),
            sms: number(attribute(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?),
            l2_bytes: attribute(A::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)?,
            memory_bytes: context.total_mem().map_err(failed("cuDeviceTotalMem"))? as u64,
            sm_clock_mhz: number(attribute(A::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)? / 1000),
            memory_clock_mhz: number(attribute(A::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)? / 1000),
            driver_supports_cuda: driver_version()?,
        };
        Ok(Cuda { context, properties })
    }

    pub(super) fn properties(&self) -> &Properties {
        &self.properties
    }

    pub(super) fn arch(&self) -> Arch {
        // What code for sm_90a needs came later than the GPU: its version of PTX, and tensor maps.
        if self.properties.driver_supports_cuda < TENSOR_MAPS {
            return Arch::Sm80;
        }
        Arch::for_compute_capability(self.properties.compute_capability.0)
    }

    pub(super) fn has_programmatic_launches(&self) -> bool {
        self.properties.compute_capability >= programmatic::CAPABILITY
            && self.properties.driver_supports_cuda >= LAUNCH_ATTRIBUTES
    }

    fn bind(&self) -> Result<(), DeviceError> {
        self.context.bind_to_thread().map_err(failed("cuCtxSetCurrent"))
    }

    pub(super) fn alloc(&self, bytes: usize) -> Result<u64, DeviceError> {
        self.bind()?;
        // The driver refuses to allocate nothing.
        // SAFETY: the memory is not read before it is written, or its contents do not matter.
        unsafe { result::malloc_sync(bytes.max(1)) }.map_err(failed("cuMemAlloc"))
    }

    pub(super) fn free(&self, address: u64) {
        if self.bind().is_ok() {
            // SAFETY: `Buffer` frees what `alloc` gave, once. Launches are waited for, so nobody uses it.
            let _ = unsafe { result::free_sync(address) };
        }
    }

    pub(super) fn write(&self, address: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        self.bind()?;
        // SAFETY: `Buffer` has checked that the bytes lie in an allocation.
        unsafe { result::memcpy_htod_sync(address, bytes) }.map_err(failed("cuMemcpyHtoD"))
    }

    pub(super) fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.bind()?;
        // SAFETY: `Buffer` has checked that the bytes lie in an allocation, and any byte is a u8.
        unsafe { result::memcpy_dtoh_sync(bytes, address) }.map_err(failed("cuMemcpyDtoH"))
    }

    pub(super) fn memset(&self, address: u64, byte: u8, bytes: usize) -> Result<(), DeviceError> {
        self.bind()?;
        // SAFETY: `Buffer` passes its own address and size.
        unsafe { result::memset_d8_sync(address, byte, bytes) }.map_err(failed("cuMemsetD8"))
    }

    /// Has the driver compile PTX; its error log is part of the error.
    pub(super) fn load(&self, text: &str) -> Result<CudaModule, DeviceError> {
        self.bind()?;
        // Without the entries' signatures no launch could be checked; what is in their bodies is the driver's to judge.
        let (parsed, _) =
            flashpage_ptx::parse_apart(text).map_err(|error| DeviceError::Load(error.to_string()))?;
        let image =
            CString::new(text).map_err(|_| DeviceError::Load("the text has a zero byte in it".into()))?;
        let (mut log, mut info) = (vec![0u8; LOG_BYTES], vec![0u8; LOG_BYTES]);
        let mut options = [
            sys::CUjit_option_enum::CU_JIT_ERROR_LOG_BUFFER,
            sys::CUjit_option_enum::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
            sys::CUjit_option_enum::CU_JIT_INFO_LOG_BUFFER,
            sys::CUjit_option_enum::CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES,
            sys::CUjit_option_enum::CU_JIT_LOG_VERBOSE,
        ];
        let mut values = [
            log.as_mut_ptr().cast::<c_void>(),
            without_provenance_mut(LOG_BYTES),
            info.as_mut_ptr().cast::<c_void>(),
            without_provenance_mut(LOG_BYTES),
            without_provenance_mut(1),
        ];
        let mut module = std::ptr::null_mut();
        // SAFETY: the image ends in a zero; the logs are as long as their options say and outlive the call.
        let loaded = unsafe {
            sys::cuModuleLoadDataEx(
                &mut module,
                image.as_ptr().cast(),
                options.len() as u32,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        loaded.result().map_err(|error| {
            let log = written(&log);
            // What the driver says of a target or a version that it does not take names neither.
            let (properties, target) = (&self.properties, parsed.target.first().map_or("no target", |t| t));
            let ((major, minor), has, cuda) =
                (parsed.version, properties.compute_capability, properties.driver_supports_cuda);
            DeviceError::Load(format!(
                "{}\n  PTX {major}.{minor} for {target}, on compute capability {}.{} with a driver for CUDA {}.{}{}{log}",
                failed("cuModuleLoadDataEx")(error),
                has.0,
                has.1,
                cuda.0,
                cuda.1,
                if log.is_empty() { "" } else { "\n" }
            ))
        })?;
        let (context, signatures) = (self.context.clone(), Signatures::of(&parsed));
        let complaints = guard::complaints(&written(&info));
        Ok(CudaModule { context, module, signatures, shared: Mutex::default(), complaints })
    }

    /// Loads a kernel of ours, and says how many bytes of a thread are in local memory.
    pub(super) fn load_kernel(
        &self,
        text: &str,
        plan: &CodePlan<'_>,
    ) -> Result<(CudaModule, u32), DeviceError> {
        let module = self.load(text)?;
        let code = self.machine_code(&module, plan.entry)?;
        let may_be_slow = std::env::var_os(guard::ALLOW_SLOW).is_some_and(|value| value == "1");
        match code.misfit(plan).filter(|misfit| !(misfit.ends && may_be_slow)) {
            None => Ok((module, code.local_bytes)),
            Some(misfit) => Err(DeviceError::Unfit {
                entry: plan.entry.to_string(),
                found: misfit.found,
                cuda: self.properties.driver_supports_cuda,
            }),
        }
    }

    /// What the driver tells of an entry.
    fn machine_code(&self, module: &CudaModule, entry: &str) -> Result<MachineCode, DeviceError> {
        let function = self.function(module, entry)?;
        let attribute = |attribute| {
            // SAFETY: the function belongs to a loaded module.
            unsafe { result::function::get_function_attribute(function, attribute) }
                .map(|value| u32::try_from(value).unwrap_or(0))
                .map_err(failed("cuFuncGetAttribute"))
        };
        Ok(MachineCode {
            registers: attribute(Attribute::CU_FUNC_ATTRIBUTE_NUM_REGS)?,
            local_bytes: attribute(Attribute::CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)?,
            complaints: module.complaints.clone(),
        })
    }

    /// The handle of an entry.
    fn function(&self, module: &CudaModule, entry: &str) -> Result<sys::CUfunction, DeviceError> {
        self.bind()?;
        let refused = |message: String| DeviceError::Launch { entry: entry.to_string(), message };
        let name = CString::new(entry).map_err(|_| refused("its name has a zero byte in it".into()))?;
        // SAFETY: the module is loaded, the name ends in a zero.
        unsafe { result::module::get_function(module.module, name) }
            .map_err(|error| refused(failed("cuModuleGetFunction")(error).to_string()))
    }

    /// Runs an entry and waits for it.
    pub(super) fn launch(
        &self,
        module: &CudaModule,
        entry: &str,
        launch: &Launch,
    ) -> Result<(), DeviceError> {
        self.launch_all(&[(module, entry, launch)])
    }

    /// Runs entries one after the other and waits for all.
    pub(super) fn launch_all(&self, launches: &[(&CudaModule, &str, &Launch)]) -> Result<(), DeviceError> {
        let prepared = self.prepare_all(launches)?;
        for (index, next) in prepared.iter().enumerate() {
            if let Err(refused) = next.enqueue() {
                // What the driver says may be the fault of a launch that has begun, and that one is waited for either way.
                if index > 0 {
                    self.finish(&prepared[..index])?;
                }
                return Err(refused);
            }
        }
        self.finish(&prepared)
    }

    /// As [`Cuda::prepare`], of each.
    fn prepare_all<'l>(
        &self,
        launches: &[(&CudaModule, &str, &'l Launch)],
    ) -> Result<Vec<Prepared<'l>>, DeviceError> {
        launches.iter().map(|(module, entry, launch)| self.prepare(module, entry, launch)).collect()
    }

    /// Waits for everything that was begun; a fault of these launches shows here.
    fn finish(&self, begun: &[Prepared<'_>]) -> Result<(), DeviceError> {
        self.synchronize(&begun.iter().map(|launch| launch.entry.as_str()).collect::<Vec<_>>())
    }

    /// Likewise, of the work of these names.
    fn synchronize(&self, names: &[&str]) -> Result<(), DeviceError> {
        self.context.synchronize().map_err(|error| {
            let mut message = failed("the kernel")(error).to_string();
            if names.len() > 1 {
                message += "; one of these launches, which were waited for together: run them one by one \
                            (`Device::launch`) to learn which";
            }
            DeviceError::Fault { entry: names.join(", "), message }
        })
    }

    /// Checks a launch and looks up what it needs, so that all that is left is to begin it.
    fn prepare<'l>(
        &self,
        module: &CudaModule,
        entry: &str,
        launch: &'l Launch,
    ) -> Result<Prepared<'l>, DeviceError> {
        if !Arc::ptr_eq(&self.context, &module.context) {
            return Err(DeviceError::OtherDevice("the module"));
        }
        let refused = |message: String| DeviceError::Launch { entry: entry.to_string(), message };
        module.signatures.check(entry, &launch.params).map_err(|misfit| match misfit {
            Misfit::NoEntry(known) => DeviceError::NoEntry { entry: entry.to_string(), known },
            Misfit::Count(message) | Misfit::Size(_, message) => refused(message),
        })?;
        programmatic::check(launch, || module.waits(entry)).map_err(refused)?;
        if launch.programmatic {
            self.allow_programmatic().map_err(refused)?;
        }
        let function = self.function(module, entry)?;
        self.allow_shared(module, entry, function, launch.dynamic_shared_bytes).map_err(refused)?;
        self.allow_cluster(function, launch.cluster).map_err(refused)?;
        Ok(Prepared { function, entry: entry.to_string(), launch })
    }

    /// Sees to it that `function` may have so much dynamic shared memory. The driver gives 48 KiB, of which what the kernel
    /// declares is a part; beyond that it has to be asked, and refuses what the GPU does not have.
    fn allow_shared(
        &self,
        module: &CudaModule,
        entry: &str,
        function: sys::CUfunction,
        bytes: u32,
    ) -> Result<(), String> {
        let declared = Attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES;
        // SAFETY: here and below: the function belongs to a loaded module.
        let declared = unsafe { result::function::get_function_attribute(function, declared) }
            .map_err(|error| failed("cuFuncGetAttribute")(error).to_string())?;
        if u64::from(bytes) + u64::try_from(declared).unwrap_or(0) <= DEFAULT_SHARED_BYTES {
            return Ok(());
        }
        let wanted = i32::try_from(bytes).map_err(|_| format!("{bytes} bytes of shared memory"))?;
        // The most of all launches stays: another thread may be about to launch with it.
        let mut allowed = module.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if allowed.get(entry).is_some_and(|most| *most >= wanted) {
            return Ok(());
        }
        let attribute = Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        unsafe { result::function::set_function_attribute(function, attribute, wanted) }.map_err(
            |error| {
                let beside = match declared {
                    0 => String::new(),
                    declared => format!(" beside the {declared} that the kernel declares"),
                };
                format!("{bytes} bytes of shared memory{beside}: {}", failed("cuFuncSetAttribute")(error))
            },
        )?;
        allowed.insert(entry.to_string(), wanted);
        Ok(())
    }

    /// Launches that begin early need a GPU and a driver that know them.
    fn allow_programmatic(&self) -> Result<(), String> {
        let ((major, minor), has) = (programmatic::CAPABILITY, self.properties.compute_capability);
        if has < programmatic::CAPABILITY {
            return Err(format!(
                "programmatic launches need compute capability {major}.{minor}, and this GPU has {}.{}: clear \
                 `Launch::programmatic` (`\"programmatic\"` in launch.json)",
                has.0, has.1
            ));
        }
        self.need(LAUNCH_ATTRIBUTES, "programmatic launches").map_err(|error| error.to_string())
    }

    /// Clusters need a driver that knows them, and those of more than eight blocks have to be asked for.
    fn allow_cluster(&self, function: sys::CUfunction, cluster: [u32; 3]) -> Result<(), String> {
        if cluster == [1, 1, 1] {
            return Ok(());
        }
        self.need(LAUNCH_ATTRIBUTES, "clusters").map_err(|error| error.to_string())?;
        let blocks = cluster.iter().fold(1u32, |blocks, n| blocks.saturating_mul(*n));
        if blocks <= PORTABLE_CLUSTER {
            return Ok(());
        }
        let attribute = Attribute::CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED;
        // SAFETY: the function belongs to a loaded module.
        unsafe { result::function::set_function_attribute(function, attribute, 1) }
            .map_err(|error| format!("clusters of {blocks} blocks: {}", failed("cuFuncSetAttribute")(error)))
    }

    /// Whether the driver has what came with this version of CUDA: `cudarc` panics where a symbol is missing.
    fn need(&self, version: (u32, u32), what: &str) -> Result<(), DeviceError> {
        let (has, (major, minor)) = (self.properties.driver_supports_cuda, version);
        if has >= version {
            return Ok(());
        }
        let message =
            format!("{what} need a driver for CUDA {major}.{minor}, this one is for {}.{}", has.0, has.1);
        Err(DeviceError::Cuda { call: "cuDriverGetVersion", message })
    }

    pub(super) fn encode_tensor_map(&self, address: u64, map: &TensorMap) -> Result<[u8; 128], DeviceError> {
        use sys::CUtensorMapDataType_enum as T;
        self.need(TENSOR_MAPS, "tensor maps")?;
        let ty = match map.ty {
            TensorMapType::U8 => T::CU_TENSOR_MAP_DATA_TYPE_UINT8,
            TensorMapType::U16 => T::CU_TENSOR_MAP_DATA_TYPE_UINT16,
            TensorMapType::U32 => T::CU_TENSOR_MAP_DATA_TYPE_UINT32,
            TensorMapType::I32 => T::CU_TENSOR_MAP_DATA_TYPE_INT32,
            TensorMapType::U64 => T::CU_TENSOR_MAP_DATA_TYPE_UINT64,
            TensorMapType::I64 => T::CU_TENSOR_MAP_DATA_TYPE_INT64,
            TensorMapType::F16 => T::CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
            TensorMapType::Bf16 => T::CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
            TensorMapType::F32 => T::CU_TENSOR_MAP_DATA_TYPE_FLOAT32,
            TensorMapType::F64 => T::CU_TENSOR_MAP_DATA_TYPE_FLOAT64,
            TensorMapType::Tf32 => T::CU_TENSOR_MAP_DATA_TYPE_TFLOAT32,
        };
        let interleave = match map.interleave {
            Interleave::None => sys::CUtensorMapInterleave_enum::CU_TENSOR_MAP_INTERLEAVE_NONE,
            Interleave::B16 => sys::CUtensorMapInterleave_enum::CU_TENSOR_MAP_INTERLEAVE_16B,
            Interleave::B32 => sys::CUtensorMapInterleave_enum::CU_TENSOR_MAP_INTERLEAVE_32B,
        };
        let swizzle = match map.swizzle {
            Swizzle::None => sys::CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_NONE,
            Swizzle::B32 => sys::CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_32B,
            Swizzle::B64 => sys::CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_64B,
            Swizzle::B128 => sys::CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_128B,
        };
        let promotion = match map.l2_promotion {
            L2Promotion::None => sys::CUtensorMapL2promotion_enum::CU_TENSOR_MAP_L2_PROMOTION_NONE,
            L2Promotion::B64 => sys::CUtensorMapL2promotion_enum::CU_TENSOR_MAP_L2_PROMOTION_L2_64B,
            L2Promotion::B128 => sys::CUtensorMapL2promotion_enum::CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
            L2Promotion::B256 => sys::CUtensorMapL2promotion_enum::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
        };
        let fill = match map.oob_fill {
            OutOfBounds::Zeros => sys::CUtensorMapFloatOOBfill_enum::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
            OutOfBounds::Nan => {
                sys::CUtensorMapFloatOOBfill_enum::CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA
            }
        };
        self.bind()?;
        // SAFETY: a CUtensorMap is plain data.
        let mut encoded: sys::CUtensorMap = unsafe { std::mem::zeroed() };
        // SAFETY: the lists are as long as the rank says, which `TensorMap::check` has seen to.
        unsafe {
            sys::cuTensorMapEncodeTiled(
                &mut encoded,
                ty,
                map.dims.len() as u32,
                address as *mut c_void,
                map.dims.as_ptr(),
                map.strides.as_ptr(),
                map.box_dims.as_ptr(),
                map.element_strides.as_ptr(),
                interleave,
                swizzle,
                promotion,
                fill,
            )
        }
        .result()
        .map_err(failed("cuTensorMapEncodeTiled"))?;
        let mut bytes = [0; 128];
        for (to, from) in bytes.chunks_exact_mut(8).zip(encoded.opaque) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        Ok(bytes)
    }
}

/// A launch that has been checked; its module outlives it.
struct Prepared<'l> {
    function: sys::CUfunction,
    entry: String,
    launch: &'l Launch,
}

impl Prepared<'_> {
    /// Begins it on the null stream, behind all that was begun before.
    fn enqueue(&self) -> Result<(), DeviceError> {
        let Prepared { function, entry, launch } = self;
        let mut params: Vec<*mut c_void> =
            launch.params.iter().map(|bytes| bytes.as_ptr().cast_mut().cast::<c_void>()).collect();
        let [gx, gy, gz] = launch.grid;
        let [bx, by, bz] = launch.block;
        let (shared, stream) = (launch.dynamic_shared_bytes, std::ptr::null_mut());
        let (grid, block) = ((gx, gy, gz), (bx, by, bz));
        // In all three calls:
        // SAFETY: the parameters are as many and as long as the entry declares, which was checked above; the
        // driver copies them before it returns.
        let launched = if launch.cluster == [1, 1, 1] && launch.cooperative {
            unsafe { result::launch_cooperative_kernel(*function, grid, block, shared, stream, &mut params) }
                .map_err(failed("cuLaunchCooperativeKernel"))
        } else if launch.cluster == [1, 1, 1] && !launch.programmatic {
            // Drivers before 11.8 do not know the call below.
            unsafe { result::launch_kernel(*function, grid, block, shared, stream, &mut params) }
                .map_err(failed("cuLaunchKernel"))
        } else {
            let mut attributes = attributes(launch);
            let config = sys::CUlaunchConfig {
                gridDimX: gx,
                gridDimY: gy,
                gridDimZ: gz,
                blockDimX: bx,
                blockDimY: by,
                blockDimZ: bz,
                sharedMemBytes: shared,
                hStream: stream,
                attrs: attributes.as_mut_ptr(),
                numAttrs: attributes.len() as u32,
            };
            unsafe { sys::cuLaunchKernelEx(&config, *function, params.as_mut_ptr(), std::ptr::null_mut()) }
                .result()
                .map_err(failed("cuLaunchKernelEx"))
        };
        launched.map_err(|error| DeviceError::Launch { entry: entry.clone(), message: error.to_string() })
    }
}

/// What of a launch is told by attributes.
fn attributes(launch: &Launch) -> Vec<sys::CUlaunchAttribute> {
    use sys::CUlaunchAttributeID_enum as Id;
    let mut attributes = Vec::new();
    let mut add = |id: Id, set: &dyn Fn(&mut sys::CUlaunchAttributeValue)| {
        // SAFETY: an all-zero attribute is a valid one of the kind "ignore".
        let mut attribute: sys::CUlaunchAttribute = unsafe { std::mem::zeroed() };
        attribute.id = id;
        set(&mut attribute.value);
        attributes.push(attribute);
    };
    if launch.cluster != [1, 1, 1] {
        let [x, y, z] = launch.cluster;
        add(Id::CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, &|value| {
            value.clusterDim = sys::CUlaunchAttributeValue_union__bindgen_ty_1 { x, y, z };
        });
    }
    if launch.cooperative {
        add(Id::CU_LAUNCH_ATTRIBUTE_COOPERATIVE, &|value| value.cooperative = 1);
    }
    if launch.programmatic {
        add(Id::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, &|value| {
            value.programmaticStreamSerializationAllowed = 1;
        });
    }
    attributes
}

/// The CUDA version that the driver supports, as in (13, 0).
fn driver_version() -> Result<(u32, u32), DeviceError> {
    let mut version = 0;
    // SAFETY: writes one int.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result().map_err(failed("cuDriverGetVersion"))?;
    let version = u32::try_from(version).unwrap_or(0);
    Ok((version / 1000, version % 1000 / 10))
}
