//! Copies between device and host memory that go on beside the caller.
//!
//! # What is ordered
//!
//! - The copies of one [`Stream`] happen in the order in which they were begun. Those of two streams do not.
//! - A copy sees all that was done on the device before it was begun: launches, writes, [`Device::copy`]. Launches are
//!   synchronous, so a copy that is begun after [`Device::launch`] has returned copies what the kernel wrote.
//! - Nothing else waits for a copy. Before a launch, a [`Buffer::read`] or a [`Buffer::write`] touches the device memory
//!   of a copy that was begun, its [`Transfer`] has to be waited for. On the emulator, code that forgets this sees what was
//!   there before, with [`AsyncPolicy::Lazy`](super::AsyncPolicy::Lazy) always and with `Random` at some seeds.
//! - Host memory of a transfer that is under way cannot be reached: [`HostBuffer`] answers with an error.

use super::emulator::queue::{Landing, Queue};
use super::{Backend, Buffer, Device, DeviceError, HostBuffer};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Which way a copy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    ToHost,
    ToDevice,
}

/// An ordered queue of copies beside the launches; see the module for what is ordered.
///
/// Dropping it leaves its transfers as they are.
pub struct Stream {
    device: Device,
    copies: Copies,
}

enum Copies {
    Emulator(Arc<Queue>),
    #[cfg(feature = "cuda")]
    Cuda(Arc<super::cuda::CopyStream>),
}

/// A copy that was begun. It holds both memories, and waits when it is dropped, so neither is freed under it.
#[must_use = "a transfer that is dropped is waited for there and then, and its error is lost"]
pub struct Transfer {
    under_way: UnderWay,
    /// The range of `host` that is this transfer's until there is an outcome.
    range: Range<usize>,
    host: Arc<HostBuffer>,
    /// Only held.
    _device: Arc<Buffer>,
    outcome: OnceLock<Result<(), DeviceError>>,
}

enum UnderWay {
    Emulator(Arc<Queue>, Arc<Landing>),
    #[cfg(feature = "cuda")]
    Cuda(super::cuda::Copy),
}

impl Stream {
    pub(super) fn new(device: &Device) -> Result<Stream, DeviceError> {
        let copies = match &device.0.backend {
            Backend::Emulator(emulator) => Copies::Emulator(Arc::new(emulator.queue()?)),
            #[cfg(feature = "cuda")]
            Backend::Cuda(cuda) => Copies::Cuda(Arc::new(cuda.copy_stream()?)),
        };
        Ok(Stream { device: device.clone(), copies })
    }

    /// Whose stream it is.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Begins to copy `len` bytes from device memory to host memory.
    ///
    /// # Errors
    /// A range that is not inside its memory, memory of another device, or the device does not take the copy. Nothing has
    /// been begun then.
    pub fn copy_to_host(
        &self,
        from: &Arc<Buffer>,
        from_offset: usize,
        to: &Arc<HostBuffer>,
        to_offset: usize,
        len: usize,
    ) -> Result<Transfer, DeviceError> {
        self.begin(Direction::ToHost, (from, from_offset), (to, to_offset), len)
    }

    /// Begins to copy `len` bytes from host memory to device memory.
    ///
    /// # Errors
    /// As [`Stream::copy_to_host`].
    pub fn copy_to_device(
        &self,
        from: &Arc<HostBuffer>,
        from_offset: usize,
        to: &Arc<Buffer>,
        to_offset: usize,
        len: usize,
    ) -> Result<Transfer, DeviceError> {
        self.begin(Direction::ToDevice, (to, to_offset), (from, from_offset), len)
    }

    fn begin(
        &self,
        direction: Direction,
        (device, device_offset): (&Arc<Buffer>, usize),
        (host, host_offset): (&Arc<HostBuffer>, usize),
        len: usize,
    ) -> Result<Transfer, DeviceError> {
        device.check(device_offset, len)?;
        super::buffer::inside(host_offset, len, host.len())?;
        for (memory, what) in [(device.device(), "the device memory"), (host.device(), "the host memory")] {
            if !memory.is_same(&self.device) {
                return Err(DeviceError::OtherDevice(what));
            }
        }
        let range = host_offset..host_offset + len;
        // Taken before the copy can run, and given back if there is none.
        host.begin(&range);
        let under_way = match &self.copies {
            Copies::Emulator(queue) => queue
                .push(direction, (device, device_offset), (host, range.clone()))
                .map(|landing| UnderWay::Emulator(queue.clone(), landing)),
            #[cfg(feature = "cuda")]
            Copies::Cuda(stream) => {
                super::cuda::CopyStream::begin(stream, direction, (device, device_offset), (host, &range))
                    .map(UnderWay::Cuda)
            }
        };
        let under_way = under_way.inspect_err(|_| host.end(&range))?;
        let (host, _device) = (host.clone(), device.clone());
        Ok(Transfer { under_way, range, host, _device, outcome: OnceLock::new() })
    }
}

impl Transfer {
    /// Whether the copy is over. `true` is as good as a [`Transfer::wait`].
    ///
    /// # Errors
    /// The copy failed, and so it is over.
    pub fn is_done(&self) -> Result<bool, DeviceError> {
        if let Some(outcome) = self.outcome.get() {
            return outcome.clone().map(|()| true);
        }
        let outcome = match &self.under_way {
            UnderWay::Emulator(queue, landing) => queue.poll(landing),
            #[cfg(feature = "cuda")]
            UnderWay::Cuda(copy) => copy.poll(),
        };
        match outcome {
            Some(outcome) => self.settle(outcome).map(|()| true),
            None => Ok(false),
        }
    }

    /// Waits until the copy is over.
    ///
    /// # Errors
    /// The copy failed. What is in the memory it copied to is then anybody's guess.
    pub fn wait(self) -> Result<(), DeviceError> {
        self.finish()
    }

    fn finish(&self) -> Result<(), DeviceError> {
        if let Some(outcome) = self.outcome.get() {
            return outcome.clone();
        }
        self.settle(match &self.under_way {
            UnderWay::Emulator(queue, landing) => queue.wait(landing),
            #[cfg(feature = "cuda")]
            UnderWay::Cuda(copy) => copy.wait(),
        })
    }

    /// The host's range goes back before anyone sees that the copy is over.
    fn settle(&self, outcome: Result<(), DeviceError>) -> Result<(), DeviceError> {
        self.outcome
            .get_or_init(|| {
                self.host.end(&self.range);
                outcome
            })
            .clone()
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        // An error has nowhere to go; the copy is over either way.
        let _ = self.finish();
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream(of {:?})", self.device)
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.outcome.get() {
            None => "begun",
            Some(Ok(())) => "done",
            Some(Err(_)) => "failed",
        };
        write!(f, "Transfer({} bytes, {state})", self.range.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AsyncPolicy, EmulatorOptions, Operation};
    use super::*;

    fn device(policy: AsyncPolicy) -> Device {
        Device::emulator_with(EmulatorOptions { policy, ..EmulatorOptions::default() })
    }

    fn policies() -> Vec<AsyncPolicy> {
        let random = (0..20).map(AsyncPolicy::Random);
        [AsyncPolicy::Eager, AsyncPolicy::Lazy].into_iter().chain(random).collect()
    }

    /// Device memory of 1, 2, 3, 4 and host memory of 5, 6, 7, 8.
    fn memories(device: &Device) -> (Stream, Arc<Buffer>, Arc<HostBuffer>) {
        let host = device.alloc_host(4).unwrap();
        host.write(0, &[5, 6, 7, 8]).unwrap();
        (device.stream().unwrap(), Arc::new(device.upload(&[1, 2, 3, 4]).unwrap()), Arc::new(host))
    }

    #[test]
    fn copies_arrive() {
        for policy in policies() {
            let (stream, buffer, host) = memories(&device(policy));
            stream.copy_to_device(&host, 1, &buffer, 0, 2).unwrap().wait().unwrap();
            assert_eq!(buffer.to_bytes().unwrap(), [6, 7, 3, 4], "{policy}");
            stream.copy_to_host(&buffer, 1, &host, 0, 3).unwrap().wait().unwrap();
            assert_eq!(host.to_bytes().unwrap(), [7, 3, 4, 8], "{policy}");
            stream.copy_to_host(&buffer, 4, &host, 4, 0).unwrap().wait().unwrap();
        }
    }

    #[test]
    fn copies_of_a_stream_are_in_order() {
        for policy in policies() {
            let device = device(policy);
            let (stream, buffer, host) = memories(&device);
            let back = Arc::new(device.alloc_host(4).unwrap());
            let transfers: Vec<Transfer> = (0..4)
                .flat_map(|i| {
                    [
                        stream.copy_to_device(&host, i, &buffer, 0, 1).unwrap(),
                        stream.copy_to_host(&buffer, 0, &back, i, 1).unwrap(),
                    ]
                })
                .collect();
            // The last is over, so all are.
            let mut transfers = transfers.into_iter().rev();
            transfers.next().unwrap().wait().unwrap();
            assert_eq!(buffer.to_bytes().unwrap(), [8, 2, 3, 4], "{policy}");
            transfers.for_each(|transfer| assert!(transfer.wait().is_ok()));
            assert_eq!(back.to_bytes().unwrap(), [5, 6, 7, 8], "{policy}");
        }
    }

    #[test]
    fn a_forgotten_wait_is_seen() {
        let early: Vec<bool> = policies()
            .into_iter()
            .map(|policy| {
                let (stream, buffer, host) = memories(&device(policy));
                let transfer = stream.copy_to_device(&host, 0, &buffer, 0, 4).unwrap();
                let arrived = buffer.to_bytes().unwrap() == [5, 6, 7, 8];
                transfer.wait().unwrap();
                assert_eq!(buffer.to_bytes().unwrap(), [5, 6, 7, 8]);
                arrived
            })
            .collect();
        assert_eq!(early[..2], [true, false], "eager, lazy");
        assert!(early[2..].contains(&true) && early[2..].contains(&false), "{early:?}");
    }

    #[test]
    fn questions_come_to_an_end() {
        for policy in policies() {
            let (stream, buffer, host) = memories(&device(policy));
            let transfer = stream.copy_to_host(&buffer, 0, &host, 0, 4).unwrap();
            let noes = (0..1000).take_while(|_| !transfer.is_done().unwrap()).count();
            match policy {
                AsyncPolicy::Eager => assert_eq!(noes, 0),
                AsyncPolicy::Lazy => assert_eq!(noes, 1),
                AsyncPolicy::Random(_) => assert!(noes < 1000),
            }
            // A yes is as good as a wait.
            assert_eq!(host.to_bytes().unwrap(), [1, 2, 3, 4], "{policy}");
            assert_eq!((transfer.is_done().unwrap(), transfer.wait().is_ok()), (true, true));
        }
    }

    #[test]
    fn host_memory_belongs_to_its_transfer() {
        for policy in policies() {
            let (stream, buffer, host) = memories(&device(policy));
            for to_host in [true, false] {
                let transfer = match to_host {
                    true => stream.copy_to_host(&buffer, 0, &host, 1, 2),
                    false => stream.copy_to_device(&host, 1, &buffer, 0, 2),
                }
                .unwrap();
                let table =
                    [(0, 1, true), (0, 2, false), (2, 1, false), (0, 4, false), (3, 1, true), (1, 0, true)];
                for (offset, len, free) in table {
                    assert_eq!(host.read(offset, &mut vec![0; len]).is_ok(), free, "{policy} {offset} {len}");
                    assert_eq!(host.write(offset, &vec![9; len]).is_ok(), free, "{policy} {offset} {len}");
                }
                assert_eq!(
                    host.to_bytes().unwrap_err().to_string(),
                    "bytes 1..3 of the host memory belong to a transfer that is under way: wait for it, or ask `is_done`"
                );
                transfer.wait().unwrap();
                assert_eq!(host.to_bytes().unwrap(), [9, 1, 2, 9]);
            }
        }
    }

    #[test]
    fn memory_outlives_its_transfers() {
        for policy in policies() {
            let device = device(policy);
            let (stream, buffer, host) = memories(&device);
            let (device_memory, host_memory) = (Arc::downgrade(&buffer), Arc::downgrade(&host));
            let transfer = stream.copy_to_host(&buffer, 0, &host, 0, 4).unwrap();
            drop((buffer, host, stream));
            assert!(device_memory.upgrade().is_some() && host_memory.upgrade().is_some());
            drop(transfer);
            assert!(device_memory.upgrade().is_none() && host_memory.upgrade().is_none(), "{policy}");

            // Dropped, it has been waited for.
            let (stream, buffer, host) = memories(&device);
            drop(stream.copy_to_host(&buffer, 0, &host, 0, 4).unwrap());
            assert_eq!(host.to_bytes().unwrap(), [1, 2, 3, 4], "{policy}");
        }
    }

    #[test]
    fn refused() {
        let (device, other) = (device(AsyncPolicy::Lazy), Device::emulator());
        let ((stream, buffer, host), (other_stream, other_buffer, other_host)) =
            (memories(&device), memories(&other));
        let range = |offset, len| format!("{len} bytes at offset {offset} do not fit in a buffer of 4 bytes");
        let device_memory = "the device memory belongs to another device".to_string();
        let host_memory = "the host memory belongs to another device".to_string();
        let before = device.faults().unwrap().operations();
        let table = [
            (&stream, &buffer, 0, &host, 0, 5, range(0, 5)),
            (&stream, &buffer, 4, &host, 0, 1, range(4, 1)),
            (&stream, &buffer, 0, &host, 3, 2, range(3, 2)),
            (&stream, &buffer, usize::MAX, &host, 0, 2, range(usize::MAX, 2)),
            (&stream, &buffer, 0, &host, usize::MAX, 2, range(usize::MAX, 2)),
            (&stream, &other_buffer, 0, &host, 0, 4, device_memory.clone()),
            (&stream, &buffer, 0, &other_host, 0, 4, host_memory),
            (&other_stream, &buffer, 0, &other_host, 0, 4, device_memory),
        ];
        for (stream, buffer, at, host, host_at, len, expected) in table {
            let to_host = stream.copy_to_host(buffer, at, host, host_at, len).unwrap_err().to_string();
            let to_device = stream.copy_to_device(host, host_at, buffer, at, len).unwrap_err().to_string();
            assert_eq!((&to_host, &to_device), (&expected, &expected));
        }
        // Nothing came to the device, and nothing is held.
        assert_eq!(device.faults().unwrap().operations(), before);
        assert_eq!(
            (host.to_bytes().unwrap(), buffer.to_bytes().unwrap()),
            (vec![5, 6, 7, 8], vec![1, 2, 3, 4])
        );
    }

    #[test]
    fn failures() {
        for policy in policies() {
            let device = device(policy);
            let (stream, buffer, host) = memories(&device);
            let faults = device.faults().unwrap();
            // As it begins: there is no transfer.
            faults.fail_after(0);
            let error = stream.copy_to_host(&buffer, 0, &host, 0, 4).unwrap_err();
            assert!(matches!(error, DeviceError::Injected { operation: "transfer", .. }), "{error}");
            assert_eq!(host.to_bytes().unwrap(), [5, 6, 7, 8]);
            // As it arrives: the wait says so, once and again, nothing has moved, and the next one is not harmed.
            faults.fail_after(1);
            let failing = stream.copy_to_host(&buffer, 0, &host, 0, 4).unwrap();
            let next = stream.copy_to_host(&buffer, 0, &host, 3, 1).unwrap();
            let answer = (0..1000).find_map(|_| failing.is_done().err()).expect("it fails").to_string();
            assert_eq!(failing.wait().unwrap_err().to_string(), answer);
            assert!(answer.starts_with("arrival failed because `Faults` was asked for it"), "{answer}");
            next.wait().unwrap();
            assert_eq!(host.to_bytes().unwrap(), [5, 6, 7, 1], "{policy}");
            assert_eq!((faults.count(Operation::Transfer), faults.count(Operation::Arrival)), (3, 2));
        }
    }

    /// Threads share a stream; each gets what it copied.
    #[test]
    fn threads() {
        for policy in policies() {
            let device = device(policy);
            let stream = device.stream().unwrap();
            std::thread::scope(|threads| {
                for i in 0..4u8 {
                    let (device, stream) = (&device, &stream);
                    threads.spawn(move || {
                        let buffer = Arc::new(device.upload(&[i; 64]).unwrap());
                        let host = Arc::new(device.alloc_host(64).unwrap());
                        for _ in 0..20 {
                            stream.copy_to_host(&buffer, 0, &host, 0, 64).unwrap().wait().unwrap();
                            assert_eq!(host.to_bytes().unwrap(), [i; 64]);
                        }
                    });
                }
            });
        }
    }
}
