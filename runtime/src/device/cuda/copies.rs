//! Page-locked host memory, and copies on a stream of their own with an event behind each.

use super::{Cuda, failed};
use crate::device::stream::Direction;
use crate::device::{Buffer, DeviceError, HostBuffer};
use cudarc::driver::result::stream::StreamKind;
use cudarc::driver::{CudaContext, result, sys};
use std::ffi::c_void;
use std::ops::Range;
use std::sync::Arc;

/// Host memory that the driver has locked; all zeros at first, freed when dropped.
pub(in crate::device) struct Pinned {
    context: Arc<CudaContext>,
    start: *mut u8,
}

// SAFETY: the memory is nobody else's, and `HostBuffer` keeps threads apart.
unsafe impl Send for Pinned {}

impl Pinned {
    pub(in crate::device) fn start(&self) -> *mut u8 {
        self.start
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.context.bind_to_thread().is_ok() {
            // SAFETY: the driver gave it, and no transfer is left that could copy from or to it: each holds the memory.
            let _ = unsafe { result::free_host(self.start.cast()) };
        }
    }
}

/// A stream that does not wait for the null stream, nor that for it; destroyed when dropped.
pub(in crate::device) struct CopyStream {
    context: Arc<CudaContext>,
    stream: sys::CUstream,
}

// SAFETY: a CUstream is a handle that the driver lets any thread use while its context is current, and every call here makes
// it current first.
unsafe impl Send for CopyStream {}
// SAFETY: as above; the driver's stream calls are thread-safe.
unsafe impl Sync for CopyStream {}

/// A copy that was begun: the event behind it.
pub(in crate::device) struct Copy {
    stream: Arc<CopyStream>,
    event: sys::CUevent,
}

// SAFETY: as for `CopyStream`, of a CUevent.
unsafe impl Send for Copy {}
// SAFETY: likewise.
unsafe impl Sync for Copy {}

impl Cuda {
    pub(in crate::device) fn alloc_host(&self, bytes: usize) -> Result<Pinned, DeviceError> {
        self.bind()?;
        // The driver refuses to allocate nothing.
        let bytes = bytes.max(1);
        // SAFETY: what is allocated is written to before anyone reads it.
        let start = unsafe { result::malloc_host(bytes, 0) }.map_err(failed("cuMemHostAlloc"))?.cast::<u8>();
        // SAFETY: the driver gave so many bytes.
        unsafe { start.write_bytes(0, bytes) };
        Ok(Pinned { context: self.context.clone(), start })
    }

    pub(in crate::device) fn copy_stream(&self) -> Result<CopyStream, DeviceError> {
        self.bind()?;
        let stream = result::stream::create(StreamKind::NonBlocking).map_err(failed("cuStreamCreate"))?;
        Ok(CopyStream { context: self.context.clone(), stream })
    }

    /// Copies within the device and waits for it: the driver would not.
    pub(in crate::device) fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<(), DeviceError> {
        self.bind()?;
        // SAFETY: `Device::copy` has checked that both ranges lie in allocations and do not overlap.
        unsafe { result::memcpy_dtod_sync(to, from, bytes) }.map_err(failed("cuMemcpyDtoD"))?;
        // SAFETY: the null stream always exists.
        unsafe { result::stream::synchronize(std::ptr::null_mut()) }.map_err(failed("cuStreamSynchronize"))
    }
}

impl CopyStream {
    fn bind(&self) -> Result<(), DeviceError> {
        self.context.bind_to_thread().map_err(failed("cuCtxSetCurrent"))
    }

    /// Begins a copy; the ranges have been checked, and both memories live until the copy is over.
    pub(in crate::device) fn begin(
        stream: &Arc<CopyStream>,
        direction: Direction,
        (device, offset): (&Buffer, usize),
        (host, range): (&HostBuffer, &Range<usize>),
    ) -> Result<Copy, DeviceError> {
        let start = host.pinned().ok_or(DeviceError::OtherDevice("the host memory"))?;
        stream.bind()?;
        let event = result::event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING)
            .map_err(failed("cuEventCreate"))?;
        let copy = Copy { stream: stream.clone(), event };
        // A write of a few bytes, or a memset, may still be on its way on the null stream after its call has returned.
        copy.record(std::ptr::null_mut())?;
        let flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
        // SAFETY: both are alive. What is recorded in the event later changes nothing of this wait.
        unsafe { result::stream::wait_event(stream.stream, event, flags) }
            .map_err(failed("cuStreamWaitEvent"))?;
        if !range.is_empty() {
            copy.enqueue(
                direction,
                device.address() + offset as u64,
                start.wrapping_add(range.start),
                range.len(),
            )?;
        }
        if let Err(error) = copy.record(stream.stream) {
            // Without the event nobody can wait for the copy, which may be under way.
            // SAFETY: the stream is alive.
            let _ = unsafe { result::stream::synchronize(stream.stream) };
            return Err(error);
        }
        Ok(copy)
    }
}

impl Copy {
    fn enqueue(
        &self,
        direction: Direction,
        device: u64,
        host: *mut u8,
        len: usize,
    ) -> Result<(), DeviceError> {
        let stream = self.stream.stream;
        // In both calls:
        // SAFETY: the ranges lie in their allocations, which the transfer holds until the copy is over; raw pointers,
        // because the bytes are the device's until then.
        match direction {
            Direction::ToHost => {
                unsafe { sys::cuMemcpyDtoHAsync_v2(host.cast::<c_void>(), device, len, stream) }
                    .result()
                    .map_err(failed("cuMemcpyDtoHAsync"))
            }
            Direction::ToDevice => {
                unsafe { sys::cuMemcpyHtoDAsync_v2(device, host.cast::<c_void>(), len, stream) }
                    .result()
                    .map_err(failed("cuMemcpyHtoDAsync"))
            }
        }
    }

    fn record(&self, stream: sys::CUstream) -> Result<(), DeviceError> {
        // SAFETY: the event is alive, and the stream is this copy's or the null stream.
        unsafe { result::event::record(self.event, stream) }.map_err(failed("cuEventRecord"))
    }

    /// How it ended, or `None` while it has not.
    pub(in crate::device) fn poll(&self) -> Option<Result<(), DeviceError>> {
        if let Err(error) = self.stream.bind() {
            return Some(Err(error));
        }
        // SAFETY: the event is alive.
        match unsafe { result::event::query(self.event) } {
            Err(error) if error.0 == sys::CUresult::CUDA_ERROR_NOT_READY => None,
            outcome => Some(outcome.map_err(failed("cuEventQuery"))),
        }
    }

    pub(in crate::device) fn wait(&self) -> Result<(), DeviceError> {
        self.stream.bind()?;
        // SAFETY: the event is alive.
        unsafe { result::event::synchronize(self.event) }.map_err(failed("cuEventSynchronize"))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if self.stream.bind().is_ok() {
            // SAFETY: created by `begin`, destroyed once.
            let _ = unsafe { result::event::destroy(self.event) };
        }
    }
}

impl Drop for CopyStream {
    fn drop(&mut self) {
        if self.bind().is_ok() {
            // SAFETY: created by `copy_stream`, destroyed once; every copy on it holds it.
            let _ = unsafe { result::stream::destroy(self.stream) };
        }
    }
}
