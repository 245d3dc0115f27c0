//! `Device::cuda` and what is built on it, over the stand-in driver of `tests/driver`: no GPU takes part, and the device's
//! name says so. The driver is found when a process starts, so each test runs one: `kgen`, or this suite again.

use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const NAME: &str = "flashpage stand-in driver (emulated)";

/// A folder with the stand-in under the driver's name. Cargo built it for this suite, beside this suite.
fn driver() -> TempDir {
    let folder = TempDir::new().unwrap();
    let beside = std::env::current_exe().unwrap().with_file_name("libflashpage_test_driver.so");
    std::fs::copy(&beside, folder.path().join("libcuda.so"))
        .unwrap_or_else(|error| panic!("{}: {error}", beside.display()));
    folder
}

/// How a run ended.
#[derive(Debug)]
struct Ran {
    status: i32,
    out: String,
    err: String,
}

impl Ran {
    /// Ended with this status, without a panic.
    fn with(self, status: i32) -> Ran {
        assert_eq!(self.status, status, "stdout: {}\nstderr: {}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }
}

/// A program on a machine with this device.
fn on_device(cc: &str, program: impl AsRef<Path>, args: &[&str]) -> Ran {
    let driver = driver();
    let run = Command::new(program.as_ref())
        .args(args)
        .env("LD_LIBRARY_PATH", driver.path())
        .env("FLASHPAGE_TEST_DRIVER_CC", cc)
        .output()
        .unwrap();
    Ran {
        status: run.status.code().unwrap_or(-1),
        out: String::from_utf8(run.stdout).unwrap(),
        err: String::from_utf8(run.stderr).unwrap(),
    }
}

fn kgen(cc: &str, args: &[&str]) -> Ran {
    on_device(cc, env!("CARGO_BIN_EXE_kgen"), args)
}

#[test]
fn check() {
    for kernel in ["causal_attention", "paged_attention"] {
        let ran = kgen("8.0", &["check", kernel, "--device", "cuda:0"]).with(0);
        assert!(ran.out.starts_with(&format!("on {NAME}\n")), "{}", ran.out);
        assert!(!ran.out.contains("FAILS"), "{}", ran.out);
    }
}
