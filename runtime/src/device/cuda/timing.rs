//! Times of work on the GPU, by the driver's events. See `device/timing.rs` for the method.

use super::{Cuda, CudaModule, failed};
use crate::device::{Buffer, DeviceError, Launch, Timing, TimingOptions};
use cudarc::driver::{result, sys};
use std::time::{Duration, Instant};

/// Two events, destroyed when dropped.
struct Interval {
    start: sys::CUevent,
    end: sys::CUevent,
}

impl Interval {
    fn new() -> Result<Interval, DeviceError> {
        let event =
            || result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT).map_err(failed("cuEventCreate"));
        let start = event()?;
        match event() {
            Ok(end) => Ok(Interval { start, end }),
            Err(error) => {
                // SAFETY: created above, and used by nobody.
                let _ = unsafe { result::event::destroy(start) };
                Err(error)
            }
        }
    }

    fn record(&self, event: sys::CUevent) -> Result<(), DeviceError> {
        // SAFETY: the event is one of ours, alive; the null stream always exists.
        unsafe { result::event::record(event, std::ptr::null_mut()) }.map_err(failed("cuEventRecord"))
    }

    /// The time between them; both must have come to pass.
    fn elapsed(&self) -> Result<Duration, DeviceError> {
        // SAFETY: both were recorded on the null stream and are alive.
        let millis =
            unsafe { result::event::elapsed(self.start, self.end) }.map_err(failed("cuEventElapsedTime"))?;
        Ok(Duration::from_secs_f64(f64::from(millis.max(0.0)) * 1e-3))
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        for event in [self.start, self.end] {
            // SAFETY: created by `new`, destroyed once. The driver waits for it where it is in use.
            let _ = unsafe { result::event::destroy(event) };
        }
    }
}

/// Memory that is overwritten to push everything else out of the L2 cache.
struct Flush {
    address: u64,
    bytes: usize,
}

impl Flush {
    fn run(&self) -> Result<(), DeviceError> {
        // SAFETY: the memory is `Cuda::samples`'s own, alive until it has synchronised.
        unsafe { result::memset_d8_async(self.address, 0, self.bytes, std::ptr::null_mut()) }
            .map_err(failed("cuMemsetD8Async"))
    }
}

impl Cuda {
    pub(in crate::device) fn time(
        &self,
        launches: &[(&CudaModule, &str, &Launch)],
        options: &TimingOptions,
    ) -> Result<Timing, DeviceError> {
        let prepared = self.prepare_all(launches)?;
        let entries: Vec<&str> = launches.iter().map(|(_, entry, _)| *entry).collect();
        self.samples(&entries, options, || prepared.iter().try_for_each(|launch| launch.enqueue()))
    }

    pub(in crate::device) fn time_copy(
        &self,
        to: &Buffer,
        from: &Buffer,
        options: &TimingOptions,
    ) -> Result<Timing, DeviceError> {
        let bytes = to.len().min(from.len());
        self.samples(&["copy"], options, || {
            // SAFETY: both buffers are alive until `samples` has waited for the copies, and as long as that.
            unsafe { result::memcpy_dtod_async(to.address(), from.address(), bytes, std::ptr::null_mut()) }
                .map_err(failed("cuMemcpyDtoDAsync"))
        })
    }

    /// Times `work`, which begins something on the null stream.
    pub(super) fn samples(
        &self,
        what: &[&str],
        options: &TimingOptions,
        work: impl Fn() -> Result<(), DeviceError>,
    ) -> Result<Timing, DeviceError> {
        self.bind()?;
        // Once alone, so that a fault is found before it is repeated and what is loaded lazily is loaded.
        work()?;
        self.synchronize(what)?;
        let begun = Instant::now();
        work()?;
        self.synchronize(what)?;
        let (warm_up, samples) = options.counts(begun.elapsed());

        // Twice the cache, and enough to keep the GPU busy while the host catches up.
        let bytes = (2 * self.properties.l2_bytes as usize).max(256 << 20);
        let flush = match options.flush_l2 {
            true => Some(Flush { address: self.alloc(bytes)?, bytes }),
            false => None,
        };
        let times = || -> Result<Vec<Duration>, DeviceError> {
            for _ in 0..warm_up {
                work()?;
            }
            let intervals: Vec<Interval> = (0..samples).map(|_| Interval::new()).collect::<Result<_, _>>()?;
            for interval in &intervals {
                if let Some(flush) = &flush {
                    flush.run()?;
                }
                interval.record(interval.start)?;
                work()?;
                interval.record(interval.end)?;
            }
            self.synchronize(what)?;
            intervals.iter().map(Interval::elapsed).collect()
        };
        let times = times();
        if let Some(flush) = flush {
            // Freeing waits for what is still going on.
            self.free(flush.address);
        }
        Timing::new(times?).ok_or(DeviceError::NoClock)
    }
}
