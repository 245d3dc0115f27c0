//! A progress bar on standard error, for work of more than a moment, and Ctrl-C for work that can be stopped. Silent where
//! nobody looks.

use flashpage::runtime::Monitor;
use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// A bar of `steps`.
pub fn bar(steps: usize, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

/// How long work may take before it has a bar.
const PATIENCE: Duration = Duration::from_secs(2);
const REDRAWN: Duration = Duration::from_millis(200);
/// What a shell gives for a program that Ctrl-C ended.
const KILLED: i32 = 130;

/// Does work that launches on the emulator: with a bar of its blocks if it takes long, and stopped by Ctrl-C, which then says
/// where every warp stands. A second Ctrl-C ends the program.
///
/// # Errors
/// The system takes no handler of signals.
pub fn watch<T>(monitor: &Monitor, what: &str, work: impl FnOnce() -> T) -> std::io::Result<T> {
    // In this order: the second signal finds the flag set.
    flag::register_conditional_shutdown(SIGINT, KILLED, monitor.flag())?;
    flag::register(SIGINT, monitor.flag())?;
    Ok(show(|| monitor.progress(), what, work))
}

/// Does work with a bar if it takes long. `steps` gives how many are done and how many there are, of whatever kind.
pub fn show<T>(steps: impl Fn() -> (u64, u64) + Send, what: &str, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let (done, is_done) = channel::<()>();
        scope.spawn(move || {
            if is_done.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = bar(0, what);
            while is_done.recv_timeout(REDRAWN) == Err(RecvTimeoutError::Timeout) {
                let (done, all) = steps();
                bar.set_length(all);
                bar.set_position(done);
            }
            bar.finish_and_clear();
        });
        let result = work();
        drop(done);
        result
    })
}
