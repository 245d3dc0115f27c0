//! A stream of the emulator: copies wait in line until the device's [`AsyncPolicy`] has them land.
//!
//! - *Eager*: a copy lands when it is begun.
//! - *Lazy*: a copy lands when it, or one behind it, is waited for. The first question whether it is done gets a no, the
//!   second is taken for a wait, so that a loop of questions ends.
//! - *Random*: after every copy that is begun and at every question, the foremost copies land for as long as a coin says so.

use super::super::stream::Direction;
use super::super::{Backend, Buffer, DeviceError, HostBuffer};
use super::AsyncPolicy;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The copies of one stream that have not landed.
pub(in crate::device) struct Queue {
    eager: bool,
    line: Mutex<Line>,
}

struct Line {
    waiting: VecDeque<Waiting>,
    /// `Random`'s.
    coin: Option<StdRng>,
}

struct Waiting {
    direction: Direction,
    device: Arc<Buffer>,
    offset: usize,
    host: Arc<HostBuffer>,
    range: Range<usize>,
    /// What it comes to instead, by `faults.rs`.
    fault: Option<DeviceError>,
    landing: Arc<Landing>,
}

/// How a copy ended, once it has.
#[derive(Default)]
pub(in crate::device) struct Landing {
    outcome: OnceLock<Result<(), DeviceError>>,
    asked: AtomicBool,
}

impl Queue {
    /// The queue of the stream of this number.
    pub(super) fn new(policy: AsyncPolicy, number: u64) -> Queue {
        let coin = match policy {
            AsyncPolicy::Random(seed) => Some(StdRng::seed_from_u64(seed.wrapping_add(number))),
            AsyncPolicy::Eager | AsyncPolicy::Lazy => None,
        };
        let line = Mutex::new(Line { waiting: VecDeque::new(), coin });
        Queue { eager: policy == AsyncPolicy::Eager, line }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a copy at the end of the line. Its ranges have been checked.
    pub(in crate::device) fn push(
        &self,
        direction: Direction,
        (device, offset): (&Arc<Buffer>, usize),
        (host, range): (&Arc<HostBuffer>, Range<usize>),
    ) -> Result<Arc<Landing>, DeviceError> {
        let fault = match &device.device().0.backend {
            Backend::Emulator(emulator) => emulator.begin_transfer()?,
            #[cfg(feature = "cuda")]
            Backend::Cuda(_) => return Err(DeviceError::OtherDevice("the device memory")),
        };
        let landing = Arc::new(Landing::default());
        let (device, host) = (device.clone(), host.clone());
        let mut line = self.line();
        line.waiting.push_back(Waiting {
            direction,
            device,
            offset,
            host,
            range,
            fault,
            landing: landing.clone(),
        });
        match self.eager {
            true => line.land_until(&landing),
            false => line.land_by_chance(),
        }
        Ok(landing)
    }

    /// How a copy ended, or `None` while it has not.
    pub(in crate::device) fn poll(&self, landing: &Landing) -> Option<Result<(), DeviceError>> {
        let mut line = self.line();
        match &line.coin {
            Some(_) => line.land_by_chance(),
            None if landing.asked.swap(true, Ordering::Relaxed) => line.land_until(landing),
            None => {}
        }
        landing.outcome.get().cloned()
    }

    /// Has a copy land, and all that are before it.
    pub(in crate::device) fn wait(&self, landing: &Landing) -> Result<(), DeviceError> {
        self.line().land_until(landing);
        landing.outcome.get().cloned().unwrap_or(Ok(()))
    }
}

impl Line {
    fn land_until(&mut self, landing: &Landing) {
        while landing.outcome.get().is_none() && self.land_one() {}
    }

    fn land_by_chance(&mut self) {
        while self.coin.as_mut().is_some_and(|coin| coin.random_bool(0.5)) && self.land_one() {}
    }

    /// Whether there was one.
    fn land_one(&mut self) -> bool {
        let Some(first) = self.waiting.pop_front() else { return false };
        let _ = first.landing.outcome.set(first.land());
        true
    }
}

impl Waiting {
    fn land(&self) -> Result<(), DeviceError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let address = self.device.address() + self.offset as u64;
        let copied = match &self.device.device().0.backend {
            Backend::Emulator(emulator) => self.host.with_bytes(&self.range, |bytes| match self.direction {
                _ if bytes.is_empty() => Ok(()),
                Direction::ToHost => emulator.fetch(address, bytes),
                Direction::ToDevice => emulator.store(address, bytes),
            }),
            #[cfg(feature = "cuda")]
            Backend::Cuda(_) => None,
        };
        copied.unwrap_or(Err(DeviceError::OtherDevice("the host memory")))
    }
}
