//! Rows of work on a GPU, in another process.
//!
//! A kernel that faults spoils the GPU for the process that launched it, and one that hangs never comes back. So the
//! rows are computed by this same program, started again with `--worker N`, which prints a JSON line for each row from
//! the Nth on. Where it ends early or says nothing for too long, its row is lost, and the next process goes on behind
//! it.

use crate::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How long a row may take: a reference on the host is part of it.
const PATIENCE: Duration = Duration::from_secs(90);

/// Rows in sequence that end their process before the rest is given up.
const LOST_IN_SEQUENCE: usize = 3;

/// Calls `each` for rows `0..total` in order, with the row or the reason there is none, until it breaks off.
pub fn rows<R: DeserializeOwned>(
    total: usize,
    mut each: impl FnMut(usize, Result<R, String>) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let (mut next, mut lost) = (0, 0);
    while next < total {
        let mut worker = Worker::start(next)?;
        let before = next;
        let end = loop {
            if next == total {
                break None;
            }
            let row = match worker.lines.recv_timeout(PATIENCE) {
                Ok(line) => serde_json::from_str(&line).map_err(|error| format!("{error} in `{line}`")),
                Err(RecvTimeoutError::Disconnected) => break Some(worker.how_it_ended()),
                Err(RecvTimeoutError::Timeout) => {
                    break Some(format!(
                        "no result within {} s, so its process was ended",
                        PATIENCE.as_secs()
                    ));
                }
            };
            (next, lost) = (next + 1, 0);
            if each(next - 1, row).is_break() {
                return Ok(());
            }
        };
        // A process that ends behind a row has told of it: the device is spoiled. One that ends without any is lost.
        if let Some(end) = end.filter(|_| next == before) {
            (next, lost) = (next + 1, lost + 1);
            if each(next - 1, Err(end)).is_break() {
                return Ok(());
            }
        }
        if lost == LOST_IN_SEQUENCE {
            for row in next..total {
                let reason =
                    format!("not run: the {LOST_IN_SEQUENCE} rows before it each ended their process");
                if each(row, Err(reason)).is_break() {
                    return Ok(());
                }
            }
            return Ok(());
        }
    }
    Ok(())
}

/// What a worker does: computes rows from `first` on and prints each, until one has spoiled the device.
pub fn work<R: Serialize>(
    first: usize,
    total: usize,
    mut row: impl FnMut(usize) -> flashpage::measure::check::Outcome<R>,
) -> Result<(), Failure> {
    for index in first..total {
        let outcome = row(index);
        println!("{}", serde_json::to_string(&outcome.row)?);
        if outcome.spoiled {
            break;
        }
    }
    Ok(())
}

struct Worker {
    child: Child,
    lines: Receiver<String>,
}

impl Worker {
    fn start(first: usize) -> Result<Worker, Failure> {
        let fail = |error: std::io::Error| Failure::Usage(format!("cannot start kgen again: {error}"));
        let mut child = Command::new(std::env::current_exe().map_err(fail)?)
            .args(std::env::args_os().skip(1))
            .args(["--worker", &first.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(fail)?;
        let (send, lines) = channel();
        if let Some(out) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if send.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Worker { child, lines })
    }

    fn how_it_ended(&mut self) -> String {
        match self.child.wait() {
            Ok(status) => format!("its process ended with {status}"),
            Err(error) => format!("its process is lost: {error}"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended already cannot be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
