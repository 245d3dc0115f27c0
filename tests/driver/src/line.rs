//! Work that is still under way: copies between pinned memory and the device, on a stream that the null stream does not wait
//! for. They stay in the stream's line until somebody waits, so whoever forgets to sees what was there before.

use crate::driver::{Driver, Handle};
use crate::{Answer, Code};
use std::collections::VecDeque;
use std::time::Instant;

/// What stands in a line.
pub enum Work {
    /// From an address of the device to one of the host.
    ToHost(u64, usize, usize),
    /// From an address of the host to one of the device.
    ToDevice(usize, u64, usize),
    /// The record of this number of an event.
    Record(Handle, u64),
}

/// A stream: its line, and whether there ever is one.
pub struct Stream {
    pub non_blocking: bool,
    pub line: VecDeque<Work>,
}

impl Driver {
    /// Whether a copy of these bytes of the host stands in line, instead of running at once.
    pub fn waits_in_line(&self, stream: Handle, host: usize, bytes: usize) -> bool {
        let inside = |start: usize, size: usize| {
            host.checked_sub(start).is_some_and(|offset| offset.saturating_add(bytes) <= size)
        };
        self.contents.streams.get(&stream).is_some_and(|stream| stream.non_blocking)
            && self.contents.pinned.iter().any(|(start, memory)| inside(*start, memory.len()))
    }

    pub fn stand_in_line(&mut self, stream: Handle, work: Work) -> Answer {
        self.contents.streams.get_mut(&stream).ok_or(Code::INVALID_HANDLE)?.line.push_back(work);
        Ok(())
    }

    /// Runs what is in a stream's line, up to the record that an event waits for if one is named.
    pub fn run_line(&mut self, stream: Handle, until: Option<Handle>) -> Answer {
        let pending = |driver: &Driver, event| {
            driver.contents.events.get(&event).is_some_and(|event| event.pending.is_some())
        };
        while until.is_none_or(|event| pending(self, event)) {
            let Some(stream) = self.contents.streams.get_mut(&stream) else { break };
            let Some(work) = stream.line.pop_front() else { break };
            self.run(work)?;
        }
        Ok(())
    }

    /// Runs what is in every line.
    pub fn run_lines(&mut self) -> Answer {
        let streams: Vec<Handle> = self.contents.streams.keys().copied().collect();
        streams.into_iter().try_for_each(|stream| self.run_line(stream, None))
    }

    fn run(&mut self, work: Work) -> Answer {
        match work {
            // In both copies:
            // SAFETY: the host's range was pinned when the copy was issued, and pinned memory waits for all lines before
            // it is freed.
            Work::ToHost(from, to, bytes) => {
                let read = self.read(from, bytes)?;
                unsafe { (to as *mut u8).copy_from_nonoverlapping(read.as_ptr(), bytes) };
            }
            Work::ToDevice(from, to, bytes) => {
                self.write(to, unsafe { std::slice::from_raw_parts(from as *const u8, bytes) })?;
            }
            Work::Record(event, number) => {
                if let Some(event) =
                    self.contents.events.get_mut(&event).filter(|event| event.records == number)
                {
                    (event.at, event.pending) = (Some(Instant::now()), None);
                }
            }
        }
        Ok(())
    }
}
