//! Standard output of all commands. `println!` and `print!` mean these here, as the standard ones panic when the
//! reader goes away, which `kgen emit … | head` does to them.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// The status of a program that SIGPIPE ends, as the shell gives it: nothing was said to hold or not to hold.
const READER_GONE: i32 = 141;

macro_rules! print {
    ($($text:tt)*) => { $crate::output::write(format_args!($($text)*)) };
}

macro_rules! println {
    () => { print!("\n") };
    ($($text:tt)*) => { print!("{}\n", format_args!($($text)*)) };
}

/// Writes, and ends the program where nobody reads any more or nothing can be written.
pub fn write(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    // What comes in pieces goes out in lines: a table of `kgen check` is read while it grows.
    let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) else { return };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(READER_GONE);
    }
    eprintln!("kgen: standard output: {error}");
    std::process::exit(2);
}
