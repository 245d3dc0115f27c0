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

/// What a row's line begins with, so that it is told from what a kernel prints to the same place.
const ROW: char = '\u{1e}';

/// Rows in sequence that end their process before the rest is given up.
const LOST_IN_SEQUENCE: usize = 3;

/// Calls `each` for rows `0..total` in order, with the row or the reason there is none, until it breaks off. A row has
/// `patience` to come; a reference on the host is part of it.
pub fn rows<R: DeserializeOwned>(
    total: usize,
    patience: Duration,
    each: impl FnMut(usize, Result<R, String>) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let this = std::env::current_exe().map_err(no_start)?;
    let worker = |first: usize| {
        let mut command = Command::new(&this);
        command.args(std::env::args_os().skip(1)).args(["--worker", &first.to_string()]);
        command
    };
    supervise(total, patience, worker, each)
}

fn no_start(error: std::io::Error) -> Failure {
    Failure::Usage(format!("cannot start kgen again: {error}"))
}

/// [`rows`], computed by what `worker` starts from a row on.
fn supervise<R: DeserializeOwned>(
    total: usize,
    patience: Duration,
    worker: impl Fn(usize) -> Command,
    mut each: impl FnMut(usize, Result<R, String>) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let (mut next, mut lost) = (0, 0);
    while next < total {
        let mut worker = Worker::start(worker(next))?;
        let before = next;
        let end = loop {
            if next == total {
                break None;
            }
            let row = match worker.lines.recv_timeout(patience) {
                Ok(line) => serde_json::from_str(&line).map_err(|error| format!("{error} in `{line}`")),
                // A process that ends behind a row has told of it: the device is spoiled. One that ends without any has
                // lost its row.
                Err(RecvTimeoutError::Disconnected) if next > before => break None,
                Err(RecvTimeoutError::Disconnected) => break Some(worker.how_it_ended()),
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = patience.as_secs_f64();
                    break Some(format!("no result within {seconds} s, so its process was ended"));
                }
            };
            (next, lost) = (next + 1, 0);
            if each(next - 1, row).is_break() {
                return Ok(());
            }
        };
        if let Some(end) = end {
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
        // What a kernel printed may lack the end of its line.
        println!("\n{ROW}{}", serde_json::to_string(&outcome.row)?);
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
    fn start(mut command: Command) -> Result<Worker, Failure> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(no_start)?;
        let (send, lines) = channel();
        if let Some(out) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line);
                    // The rest is a kernel's own, which has its place in the row where it matters.
                    if let Some(row) = line.strip_prefix(ROW)
                        && send.send(row.to_owned()).is_err()
                    {
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// What comes of four rows by a worker that does as the shell text says with `$1`, its first row.
    fn supervised(worker: &str) -> Vec<(usize, Result<u32, String>)> {
        let start = |first: usize| {
            let mut command = Command::new("sh");
            let script = format!("row() {{ printf '\\n\\036%s\\n' \"$*\"; }}; {worker}");
            command.args(["-c", &script, "worker", &first.to_string()]);
            command
        };
        let mut all = Vec::new();
        let done = supervise(4, Duration::from_millis(500), start, |index, row| {
            all.push((index, row));
            ControlFlow::Continue(())
        });
        assert!(done.is_ok());
        all
    }

    #[test]
    fn rows_that_end_or_hold_up_their_process_are_lost_alone() {
        let table: [(&str, [Result<u32, &str>; 4]); 7] = [
            ("for i in 0 1 2 3; do [ $i -ge $1 ] && row 1$i; done; exit 0", [Ok(10), Ok(11), Ok(12), Ok(13)]),
            // One row a process: it tells of its row, and ends since the device is spoiled.
            ("row 1$1", [Ok(10), Ok(11), Ok(12), Ok(13)]),
            // Row 1 ends the process before it tells.
            (
                "[ $1 = 0 ] && row 10; [ $1 -le 1 ] && exit 7; row 12; row 13",
                [Ok(10), Err("its process ended with exit status: 7"), Ok(12), Ok(13)],
            ),
            // Row 2 never comes.
            (
                "[ $1 = 0 ] && row 10 && row 11; [ $1 -le 2 ] && exec sleep 60; row 13",
                [Ok(10), Ok(11), Err("no result within 0.5 s, so its process was ended"), Ok(13)],
            ),
            ("row no number", [Err("expected"), Err("expected"), Err("expected"), Err("expected")]),
            // Kernels print as well, and some end no line.
            (
                "printf 'half'; row 10; echo 7; row 11; printf '\\377'; row 12; row 13",
                [Ok(10), Ok(11), Ok(12), Ok(13)],
            ),
            // Nothing ever comes: the last is not tried.
            (
                "exit 3",
                [
                    Err("exit status: 3"),
                    Err("exit status: 3"),
                    Err("exit status: 3"),
                    Err("not run: the 3 rows"),
                ],
            ),
        ];
        for (worker, expected) in table {
            let got = supervised(worker);
            assert_eq!(got.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2, 3], "{worker}");
            for ((index, got), expected) in got.iter().zip(expected) {
                match (got, expected) {
                    (Ok(got), Ok(expected)) => assert_eq!(*got, expected, "{worker}: row {index}"),
                    (Err(got), Err(expected)) => {
                        assert!(got.contains(expected), "{worker}: row {index}: {got}")
                    }
                    _ => panic!("{worker}: row {index} is {got:?} instead of {expected:?}"),
                }
            }
        }
    }
}
