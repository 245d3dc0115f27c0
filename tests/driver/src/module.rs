//! Modules and functions: what PTX the device takes, what the driver's compiler says of other text, and what is known of an
//! entry.

use crate::device::{Model, PTX_VERSION};
use crate::driver::{Driver, Handle, Waits, fresh_handle, in_context};
use crate::{Code, call, put};
use flashpage_emulator::Module;
use flashpage_ptx::ast::{Function as Entry, Item};
use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::Arc;

/// Shared memory that a block has without asking for more, and the most that an entry may declare.
const SHARED_BYTES: i32 = 48 * 1024;

/// A loaded module.
pub(crate) struct Loaded {
    pub module: Module,
    target: u32,
    /// Of each entry, what it begins with: see [`registers`].
    registers: HashMap<String, c_int>,
}

/// An entry of a module, with what callers set for it.
#[derive(Clone)]
pub(crate) struct Function {
    module: Handle,
    pub loaded: Arc<Loaded>,
    pub name: String,
    /// Bytes of each parameter, in order.
    pub params: Vec<usize>,
    /// Shared memory that it declares.
    pub static_shared: i32,
    max_threads: i32,
    /// The most dynamic shared memory that a launch may ask for.
    pub max_dynamic_shared: i32,
    /// Whether clusters of more than eight blocks are allowed.
    pub large_clusters: bool,
    registers: c_int,
}

/// A plausible number of registers of a thread; or, of an entry that says how many threads and blocks it is for, all that
/// there are, as the assembler gives to entries whose warps give and take some.
fn registers(entry: &Entry) -> c_int {
    let number = |name: &str| {
        let found = entry.directives.iter().find(|(word, _)| word == name);
        found.map(|(_, numbers)| numbers.iter().product::<u32>())
    };
    match (number("maxntid"), number("minnctapersm")) {
        (Some(threads), Some(blocks)) => (65536 / (threads * blocks).max(1) / 8 * 8).min(255) as c_int,
        _ => 64,
    }
}

/// A number that a test has the driver tell, instead of its own.
fn told(variable: &str, own: c_int) -> c_int {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(own)
}

/// Whether a device runs PTX for this target: code for an earlier one runs on later ones, but for that of `sm_90a` and its
/// like, which runs on that one alone, and that of `sm_100f`, which runs on the rest of its family.
fn runs(model: &Model, target: &str) -> Option<u32> {
    let digits: String = target.strip_prefix("sm_")?.chars().take_while(char::is_ascii_digit).collect();
    let number: u32 = digits.parse().ok()?;
    let (wants, has) = ((number / 10, number % 10), model.cc);
    let holds = match &target[3 + digits.len()..] {
        "" => has >= wants,
        "a" => has == wants,
        "f" => has.0 == wants.0 && has >= wants,
        _ => false,
    };
    holds.then_some(number)
}

/// Loads an image; the message is what the compiler has to say.
fn load(model: &Model, image: &[u8]) -> Result<Loaded, (Code, String)> {
    // A cubin or a fat binary is for some GPU, and this is none.
    if image.starts_with(b"\x7fELF") || image.starts_with(&[0x50, 0xed, 0x55, 0xba]) {
        return Err((Code::NO_BINARY_FOR_GPU, String::new()));
    }
    let invalid = |message: String| (Code::INVALID_PTX, format!("flashpage stand-in driver: {message}"));
    let text = std::str::from_utf8(image).map_err(|error| invalid(error.to_string()))?;
    let parsed = flashpage_ptx::parse(text).map_err(|error| invalid(error.to_string()))?;
    let (major, minor) = parsed.version;
    if parsed.version > PTX_VERSION {
        return Err((Code::UNSUPPORTED_PTX_VERSION, format!("Unsupported .version {major}.{minor}")));
    }
    let target = parsed.target.first().and_then(|target| runs(model, target));
    let target = target.ok_or((Code::NO_BINARY_FOR_GPU, String::new()))?;
    let module = Module::load(text).map_err(|error| invalid(error.to_string()))?;
    if let Some(entry) = module.entries().find(|entry| entry.static_shared_bytes > SHARED_BYTES as u32) {
        let (name, bytes) = (entry.name, entry.static_shared_bytes);
        return Err(invalid(format!(
            "entry `{name}` declares {bytes} bytes of shared memory, of at most {SHARED_BYTES}"
        )));
    }
    let entries = parsed.items.iter().filter_map(|item| match item {
        Item::Function(entry) if entry.is_entry => Some((entry.name.to_string(), registers(entry))),
        _ => None,
    });
    let registers = entries.collect();
    Ok(Loaded { module, target, registers })
}

/// A log of the compiler: the numbers of its buffer and of that buffer's size in `CUjit_option`.
#[derive(Clone, Copy)]
struct Which {
    buffer: c_uint,
    size: c_uint,
}

const INFO: Which = Which { buffer: 3, size: 4 };
const ERROR: Which = Which { buffer: 5, size: 6 };

/// Where a log goes: a buffer and its size, in and out.
struct Log {
    buffer: *mut u8,
    /// The option's value, whose low half is the number.
    size: *mut c_uint,
}

impl Log {
    /// # Safety
    /// The lists have `count` values of the kinds that the options say.
    unsafe fn of(which: Which, count: c_uint, options: *const c_uint, values: *mut *mut c_void) -> Log {
        let mut log = Log { buffer: std::ptr::null_mut(), size: std::ptr::null_mut() };
        if options.is_null() || values.is_null() {
            return log;
        }
        for i in 0..count as usize {
            // SAFETY: within the lists.
            match unsafe { options.add(i).read() } {
                // SAFETY: likewise.
                option if option == which.buffer => log.buffer = unsafe { values.add(i).read() }.cast(),
                // SAFETY: likewise.
                option if option == which.size => log.size = unsafe { values.add(i) }.cast(),
                _ => {}
            }
        }
        log
    }

    /// # Safety
    /// As [`Log::of`].
    unsafe fn write(&self, message: &str) {
        if self.buffer.is_null() || self.size.is_null() {
            return;
        }
        // SAFETY: the buffer is as long as the size says, and the option's value is the caller's to be written to.
        unsafe {
            let room = self.size.read() as usize;
            let length = message.len().min(room.saturating_sub(1));
            self.buffer.copy_from_nonoverlapping(message.as_ptr(), length);
            if room > 0 {
                self.buffer.add(length).write(0);
            }
            self.size.write(length as c_uint);
        }
    }
}

/// Loads PTX text that ends in a zero; logs are written where the options ask for them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadDataEx(
    module: *mut Handle,
    image: *const c_void,
    count: c_uint,
    options: *const c_uint,
    values: *mut *mut c_void,
) -> Code {
    call(|| {
        in_context(Waits::No, |driver, model| {
            if image.is_null() {
                return Err(Code::INVALID_VALUE);
            }
            // SAFETY: the call's contract; an image that is no text has no less than its magic number, and is not read
            // past a zero.
            let text = unsafe { CStr::from_ptr(image.cast()) };
            // SAFETY: likewise, of the lists.
            let log = |which, message: &str| unsafe { Log::of(which, count, options, values).write(message) };
            let loaded = load(model, text.to_bytes()).map_err(|(code, message)| {
                log(ERROR, &message);
                code
            })?;
            log(ERROR, "");
            log(INFO, &std::env::var("FLASHPAGE_TEST_DRIVER_INFO").unwrap_or_default());
            let handle = fresh_handle();
            // SAFETY: the call's contract.
            unsafe { put(module, handle) }?;
            driver.contents.modules.insert(handle, Arc::new(loaded));
            Ok(())
        })
    })
}

/// As [`cuModuleLoadDataEx`], without options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadData(module: *mut Handle, image: *const c_void) -> Code {
    // SAFETY: the call's contract.
    unsafe { cuModuleLoadDataEx(module, image, 0, std::ptr::null(), std::ptr::null_mut()) }
}

/// Its functions go with it.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleUnload(module: Handle) -> Code {
    call(|| {
        in_context(Waits::Yes, |driver, _| {
            driver.contents.modules.remove(&module).ok_or(Code::INVALID_HANDLE)?;
            driver.contents.functions.retain(|_, function| function.module != module);
            Ok(())
        })
    })
}

impl Driver {
    /// The handle of an entry: the same each time.
    fn function_of(&mut self, module: Handle, name: &str) -> Result<Handle, Code> {
        let loaded = self.contents.modules.get(&module).ok_or(Code::INVALID_HANDLE)?;
        let known = self.contents.functions.iter().find(|(_, f)| f.module == module && f.name == name);
        if let Some((handle, _)) = known {
            return Ok(*handle);
        }
        let entry = loaded.module.entries().find(|entry| entry.name == name).ok_or(Code::NOT_FOUND)?;
        let static_shared = entry.static_shared_bytes as i32;
        let threads = entry.required_block.map(|block| block.iter().product()).or(entry.max_threads);
        let function = Function {
            module,
            name: name.to_string(),
            params: entry.parameters.iter().map(|parameter| parameter.bytes as usize).collect(),
            static_shared,
            max_threads: threads.unwrap_or(1024) as i32,
            max_dynamic_shared: SHARED_BYTES - static_shared,
            large_clusters: false,
            registers: loaded.registers.get(name).copied().unwrap_or(64),
            loaded: loaded.clone(),
        };
        let handle = fresh_handle();
        self.contents.functions.insert(handle, function);
        Ok(handle)
    }

    /// The function of a handle.
    pub fn function(&mut self, handle: Handle) -> Result<&mut Function, Code> {
        self.contents.functions.get_mut(&handle).ok_or(Code::INVALID_HANDLE)
    }
}

/// An entry by its name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunction(
    function: *mut Handle,
    module: Handle,
    name: *const c_char,
) -> Code {
    call(|| {
        in_context(Waits::No, |driver, _| {
            if name.is_null() {
                return Err(Code::INVALID_VALUE);
            }
            // SAFETY: the call's contract.
            let name = unsafe { CStr::from_ptr(name) }.to_str().map_err(|_| Code::NOT_FOUND)?;
            let handle = driver.function_of(module, name)?;
            // SAFETY: the call's contract.
            unsafe { put(function, handle) }
        })
    })
}

/// Sets what may be set: dynamic shared memory, up to what the device has, and clusters that are not portable.
#[unsafe(no_mangle)]
pub extern "C" fn cuFuncSetAttribute(function: Handle, attribute: c_uint, value: c_int) -> Code {
    call(|| {
        in_context(Waits::No, |driver, model| {
            let function = driver.function(function)?;
            match attribute {
                8 if (0..=model.shared_opt_in - function.static_shared).contains(&value) => {
                    function.max_dynamic_shared = value;
                }
                9 if (-1..=100).contains(&value) => {} // how to divide L1 and shared memory
                14 => function.large_clusters = value != 0,
                _ => return Err(Code::INVALID_VALUE),
            }
            Ok(())
        })
    })
}

/// What is known of an entry. Registers and local memory are not: the answers are what an assembler would give that has all
/// that it needs, or what a test says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetAttribute(value: *mut c_int, attribute: c_uint, function: Handle) -> Code {
    call(|| {
        in_context(Waits::No, |driver, model| {
            let function = driver.function(function)?;
            let found = match attribute {
                0 => function.max_threads,
                1 => function.static_shared,
                2 | 7 => 0, // constants, caching of loads
                3 => told("FLASHPAGE_TEST_DRIVER_LOCAL_BYTES", 0),
                4 => told("FLASHPAGE_TEST_DRIVER_REGISTERS", function.registers),
                5 => function.loaded.target as c_int, // `cuda.h` calls it PTX version
                6 => (model.cc.0 * 10 + model.cc.1) as c_int,
                8 => function.max_dynamic_shared,
                9 => -1,
                10..=13 => 0, // required clusters
                14 => c_int::from(function.large_clusters),
                15 => 0,
                _ => return Err(Code::INVALID_VALUE),
            };
            // SAFETY: the call's contract.
            unsafe { put(value, found) }
        })
    })
}

/// By threads and shared memory alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
    blocks: *mut c_int,
    function: Handle,
    threads: c_int,
    dynamic_shared: usize,
) -> Code {
    call(|| {
        in_context(Waits::No, |driver, model| {
            let function = driver.function(function)?;
            if threads <= 0 {
                return Err(Code::INVALID_VALUE);
            }
            let dynamic = c_int::try_from(dynamic_shared).unwrap_or(c_int::MAX);
            let fits = threads <= function.max_threads && dynamic <= function.max_dynamic_shared;
            let shared = function.static_shared.saturating_add(dynamic);
            // SAFETY: the call's contract.
            unsafe { put(blocks, if fits { model.blocks_of(threads, shared) } else { 0 }) }
        })
    })
}
