//! The driver's state: one context, and what lives in it under numbers that stand for handles.

use crate::device::{self, Model};
use crate::line::Stream;
use crate::module::{Function, Loaded};
use crate::stream::Event;
use crate::{Answer, Code};
use flashpage_emulator::Memory;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// What handles are to callers. They are never followed.
pub type Handle = usize;

/// The primary context's handle: like a driver's, it is the same after a release.
pub const CONTEXT: Handle = 0xc0de;

/// How the context is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing has gone wrong.
    Well,
    /// A kernel has faulted, and nobody has been told.
    Faulted(Code),
    /// Somebody has been told. This stays.
    Dead(Code),
}

/// Everything but which context is current, which each thread has for itself.
#[derive(Default)]
pub struct Driver {
    initialised: bool,
    health: Option<Code>,
    told: bool,
    /// How often the primary context was retained.
    pub retained: usize,
    pub contents: Contents,
}

/// What a context holds; gone with it.
#[derive(Default)]
pub struct Contents {
    pub memory: Memory,
    /// Addresses that callers have, with their sizes.
    pub allocations: HashMap<u64, usize>,
    pub modules: HashMap<Handle, Arc<Loaded>>,
    pub functions: HashMap<Handle, Function>,
    /// Host memory, by its address.
    pub pinned: HashMap<usize, Box<[u8]>>,
    pub streams: HashMap<Handle, Stream>,
    pub events: HashMap<Handle, Event>,
}

static DRIVER: LazyLock<Mutex<Driver>> = LazyLock::new(Mutex::default);

thread_local! {
    static CURRENT: Cell<Handle> = const { Cell::new(0) };
}

/// Whether a call waits for work, and so has to tell how that went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    Yes,
    No,
}

fn lock() -> MutexGuard<'static, Driver> {
    DRIVER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call that `cuInit` has to come before.
pub fn initialised<T>(body: impl FnOnce(&mut Driver, &'static Model) -> Result<T, Code>) -> Result<T, Code> {
    let mut driver = lock();
    match device::model() {
        Some(model) if driver.initialised => body(&mut driver, model),
        _ => Err(Code::NOT_INITIALIZED),
    }
}

/// A call in the current context.
pub fn in_context<T>(
    waits: Waits,
    body: impl FnOnce(&mut Driver, &'static Model) -> Result<T, Code>,
) -> Result<T, Code> {
    initialised(|driver, model| {
        if CURRENT.get() != CONTEXT || driver.retained == 0 {
            return Err(Code::INVALID_CONTEXT);
        }
        match driver.health() {
            Health::Dead(code) => return Err(code),
            Health::Faulted(code) if waits == Waits::Yes => {
                driver.told = true;
                return Err(code);
            }
            Health::Well | Health::Faulted(_) => {}
        }
        body(driver, model)
    })
}

/// `cuInit`
pub fn initialise() -> Answer {
    device::model().ok_or(Code::NO_DEVICE)?;
    lock().initialised = true;
    Ok(())
}

/// This thread's context; 0 for none.
pub fn current() -> Handle {
    CURRENT.get()
}

/// Makes a context this thread's; 0 for none.
pub fn set_current(context: Handle) {
    CURRENT.set(context);
}

impl Driver {
    pub fn health(&self) -> Health {
        match self.health {
            None => Health::Well,
            Some(code) if self.told => Health::Dead(code),
            Some(code) => Health::Faulted(code),
        }
    }

    /// A kernel went wrong.
    pub fn fault(&mut self, code: Code) {
        self.health.get_or_insert(code);
    }

    /// Whether a stream is one: created here, or one of the two that always are (`CU_STREAM_LEGACY`,
    /// `CU_STREAM_PER_THREAD`) or null.
    pub fn stream(&self, stream: Handle) -> Answer {
        match stream {
            0..=2 => Ok(()),
            _ if self.contents.streams.contains_key(&stream) => Ok(()),
            _ => Err(Code::INVALID_HANDLE),
        }
    }
}

/// A handle that was never given out before, and looks like an address.
pub fn fresh_handle() -> Handle {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0x10000);
    NEXT.fetch_add(0x10, Ordering::Relaxed)
}
