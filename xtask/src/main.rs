//! `cargo xtask`: makes what is committed beside the sources it is made from, and tells whether it still fits them.
//!
//! Uses nothing but the standard library, so that building it costs nothing.

mod compiler;
mod drift;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "cargo xtask device-kernels [--check]

  device-kernels           compiles device-kernels/ and writes device-kernels/ptx/device_kernels.ptx
  device-kernels --check   compiles it and fails where the committed PTX differs";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["device-kernels"] => device_kernels(false),
        ["device-kernels", "--check"] => device_kernels(true),
        ["help" | "-h" | "--help"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(message) => {
            println!("{message}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The repository, which this crate lies in.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

fn device_kernels(check: bool) -> Result<String, String> {
    let root = root();
    let committed = root.join("device-kernels/ptx/device_kernels.ptx");
    let made = compiler::Compiler::find()?.ptx_of(&root)?;
    let name = "device-kernels/ptx/device_kernels.ptx";
    let entries = made.lines().filter(|line| line.starts_with(".visible .entry")).count();
    if check {
        let old = std::fs::read_to_string(&committed)
            .map_err(|error| format!("{name} cannot be read ({error}): run `cargo xtask device-kernels`"))?;
        return match drift::difference(&old, &made) {
            None => Ok(format!("{name} is what its source gives: {entries} kernels")),
            Some(difference) => Err(format!(
                "{name} is not what its source gives; run `cargo xtask device-kernels` and commit it\n{difference}"
            )),
        };
    }
    std::fs::write(&committed, &made).map_err(|error| format!("cannot write {name}: {error}"))?;
    Ok(format!("{name}: {entries} kernels, {} bytes", made.len()))
}
