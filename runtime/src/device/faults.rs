//! Faults on purpose: the emulator counts what is asked of it, and fails the operation that a test names.
//!
//! Code that holds several things of a device at once has an error path behind every call. A test runs the code once
//! to learn how many operations it takes, and then once for each of them, with that one failing:
//!
//! ```
//! use flashpage_runtime::{Device, DeviceError};
//!
//! let device = Device::emulator();
//! let faults = device.faults().expect("the emulator has them");
//! let run = || -> Result<(), DeviceError> {
//!     let buffer = device.upload(&[1, 2, 3])?;
//!     buffer.to_bytes().map(|_| ())
//! };
//! let before = faults.operations();
//! run()?;
//! for n in 0..faults.operations() - before {
//!     faults.fail_after(n);
//!     assert!(matches!(run(), Err(DeviceError::Injected { .. })));
//! }
//! # Ok::<(), DeviceError>(())
//! ```

use super::DeviceError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is asked of a device, and can fail. Freeing cannot, and a call that is refused for its arguments, or that has
/// no bytes to move, never comes to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Device::alloc`](super::Device::alloc).
    Alloc,
    /// [`Device::alloc_host`](super::Device::alloc_host).
    AllocHost,
    /// [`Buffer::write`](super::Buffer::write) and [`Buffer::memset`](super::Buffer::memset).
    Write,
    /// [`Buffer::read`](super::Buffer::read).
    Read,
    /// [`Device::copy`](super::Device::copy).
    Copy,
    /// [`Device::stream`](super::Device::stream).
    Stream,
    /// A [`Stream`](super::Stream) is asked for a copy: it fails at once, and there is no transfer.
    Transfer,
    /// The same copy, counted when it is asked for, arrives: it fails at its wait, and no byte has moved.
    Arrival,
    /// [`Device::load`](super::Device::load).
    Load,
    /// [`Device::launch`](super::Device::launch).
    Launch,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 10] = [
        Operation::Alloc,
        Operation::AllocHost,
        Operation::Write,
        Operation::Read,
        Operation::Copy,
        Operation::Stream,
        Operation::Transfer,
        Operation::Arrival,
        Operation::Load,
        Operation::Launch,
    ];

    /// As messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Alloc => "alloc",
            Operation::AllocHost => "alloc_host",
            Operation::Write => "write",
            Operation::Read => "read",
            Operation::Copy => "copy",
            Operation::Stream => "stream",
            Operation::Transfer => "transfer",
            Operation::Arrival => "arrival",
            Operation::Load => "load",
            Operation::Launch => "launch",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A handle to the faults of one emulated device. Clones are handles to the same ones.
#[derive(Clone)]
pub struct Faults(Arc<State>);

struct State {
    /// The number of the next operation.
    next: AtomicU64,
    counts: [AtomicU64; Operation::ALL.len()],
    /// Operations of these numbers fail, `end` being the first that does not.
    begin: AtomicU64,
    end: AtomicU64,
}

impl Faults {
    pub(super) fn new() -> Faults {
        Faults(Arc::new(State {
            next: AtomicU64::new(0),
            counts: Default::default(),
            begin: AtomicU64::new(u64::MAX),
            end: AtomicU64::new(u64::MAX),
        }))
    }

    /// How many operations there have been, with those that failed.
    pub fn operations(&self) -> u64 {
        self.0.next.load(Ordering::SeqCst)
    }

    /// How many there have been of one kind.
    pub fn count(&self, operation: Operation) -> u64 {
        self.0.counts[operation as usize].load(Ordering::SeqCst)
    }

    /// The `n`-th operation from now, where 0 is the next, fails once with [`DeviceError::Injected`] and does nothing.
    /// It takes the place of what was asked for before.
    pub fn fail_after(&self, n: u64) {
        let begin = self.operations().saturating_add(n);
        self.set(begin, begin.saturating_add(1));
    }

    /// The `n`-th operation from now, where 0 is the next, and all that come after it fail, until [`Faults::clear`].
    pub fn fail_every_after(&self, n: u64) {
        self.set(self.operations().saturating_add(n), u64::MAX);
    }

    /// Nothing fails any more.
    pub fn clear(&self) {
        self.set(u64::MAX, u64::MAX);
    }

    fn set(&self, begin: u64, end: u64) {
        // No operation of another thread sees the old begin with the new end.
        self.0.begin.store(u64::MAX, Ordering::SeqCst);
        self.0.end.store(end, Ordering::SeqCst);
        self.0.begin.store(begin, Ordering::SeqCst);
    }

    /// Counts one operation, which may go on if this is no error.
    pub(super) fn pass(&self, operation: Operation) -> Result<(), DeviceError> {
        self.0.counts[operation as usize].fetch_add(1, Ordering::SeqCst);
        let number = self.0.next.fetch_add(1, Ordering::SeqCst);
        if number < self.0.begin.load(Ordering::SeqCst) || number >= self.0.end.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(DeviceError::Injected { operation: operation.name(), number })
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = Operation::ALL.map(|operation| (operation.name(), self.count(operation)));
        f.debug_map().entries(counts.into_iter().filter(|(_, count)| *count > 0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Device, Launch};
    use super::*;

    const PTX: &str = ".version 7.0\n.target sm_80\n.address_size 64\n.entry k { ret; }";

    /// Every operation once, in the order of [`Operation::ALL`] but for the write and the read, which need memory first.
    fn run(device: &Device) -> Result<(), DeviceError> {
        let (a, b) = (Arc::new(device.alloc(4)?), device.alloc(4)?);
        let host = Arc::new(device.alloc_host(4)?);
        a.write(0, &[1; 4])?;
        b.memset(2)?;
        device.copy(&b, 0, &a, 0, 2)?;
        a.read(0, &mut [0; 4])?;
        device.stream()?.copy_to_host(&a, 0, &host, 0, 4)?.wait()?;
        device.launch(&device.load(PTX)?, "k", &Launch::default())?;
        assert_eq!(host.to_bytes()?, [2, 2, 1, 1]);
        Ok(())
    }

    const ORDER: [&str; 12] = [
        "alloc",
        "alloc",
        "alloc_host",
        "write",
        "write",
        "copy",
        "read",
        "stream",
        "transfer",
        "arrival",
        "load",
        "launch",
    ];

    #[test]
    fn each_operation_fails_once() {
        let device = Device::emulator();
        let faults = device.faults().unwrap();
        run(&device).unwrap();
        assert_eq!(faults.operations(), ORDER.len() as u64);
        for operation in Operation::ALL {
            let expected = ORDER.iter().filter(|name| **name == operation.name()).count();
            assert_eq!(faults.count(operation), expected as u64, "{operation}");
        }
        for (n, expected) in ORDER.iter().enumerate() {
            let before = faults.operations();
            faults.fail_after(n as u64);
            match run(&device) {
                Err(DeviceError::Injected { operation, number }) => {
                    assert_eq!((operation, number), (*expected, before + n as u64));
                }
                other => panic!("{expected}: {other:?}"),
            }
            run(&device).unwrap();
        }
        faults.fail_after(ORDER.len() as u64);
        run(&device).unwrap();
        let error = device.alloc(1).unwrap_err().to_string();
        assert!(error.starts_with("alloc failed because `Faults` was asked for it (operation "), "{error}");
    }

    #[test]
    fn every_operation_fails_until_cleared() {
        let device = Device::emulator();
        let faults = device.faults().unwrap();
        let buffer = device.upload(&[7; 4]).unwrap();
        faults.fail_every_after(1);
        assert!(buffer.write(0, &[8]).is_ok());
        for _ in 0..3 {
            let failed = [
                buffer.write(0, &[9]),
                buffer.memset(9),
                buffer.to_bytes().map(|_| ()),
                device.alloc(1).map(|_| ()),
                device.upload(&[]).map(|_| ()),
                device.copy(&buffer, 0, &buffer, 2, 2),
            ];
            for error in failed {
                assert!(matches!(error, Err(DeviceError::Injected { .. })), "{error:?}");
            }
        }
        // Nothing to do, or nothing that may be done: the device is not asked.
        assert!(buffer.write(4, &[]).is_ok());
        assert!(matches!(buffer.write(4, &[1]), Err(DeviceError::OutOfRange { .. })));
        faults.clear();
        assert_eq!(buffer.to_bytes().unwrap(), [8, 7, 7, 7]);
        // A later wish takes the place of an earlier one; far away is never.
        faults.fail_after(0);
        faults.fail_every_after(u64::MAX);
        run(&device).unwrap();
    }
}
