//! Programs on a machine whose CUDA driver is the stand-in. A process looks for its driver once, so each is a new one.

use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

pub const NAME: &str = "flashpage stand-in driver (emulated)";

/// A folder with the stand-in under the driver's name. Cargo built it for this suite, beside this suite.
pub fn driver() -> TempDir {
    let folder = TempDir::new().unwrap();
    let beside = std::env::current_exe().unwrap().with_file_name("libflashpage_test_driver.so");
    std::fs::copy(&beside, folder.path().join("libcuda.so"))
        .unwrap_or_else(|error| panic!("{}: {error}", beside.display()));
    folder
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(run: Output) -> Ran {
        Ran {
            status: run.status.code().unwrap_or(-1),
            out: String::from_utf8(run.stdout).unwrap(),
            err: String::from_utf8(run.stderr).unwrap(),
        }
    }

    /// Ended with this status, without a panic.
    pub fn with(self, status: i32) -> Ran {
        assert_eq!(self.status, status, "stdout: {}\nstderr: {}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }
}

/// A program on a machine with this device. `cc` is its compute capability, and may be followed by `@` and the version of
/// the driver.
pub fn run_on(driver: &TempDir, cc: &str, program: impl AsRef<Path>) -> Command {
    let (cc, version) = cc.split_once('@').unwrap_or((cc, "12000"));
    let mut command = Command::new(program.as_ref());
    command
        .env("LD_LIBRARY_PATH", driver.path())
        .env("FLASHPAGE_TEST_DRIVER_CC", cc)
        .env("FLASHPAGE_TEST_DRIVER_VERSION", version)
        .env("FLASHPAGE_TEST_DRIVER_MIB", "512");
    command
}

pub fn kgen(cc: &str, args: &[&str]) -> Ran {
    let driver = driver();
    Ran::of(run_on(&driver, cc, env!("CARGO_BIN_EXE_kgen")).args(args).output().unwrap())
}

/// Runs a test's body in a process of its own that has the driver, on each of these devices.
pub fn with_driver(test: &str, devices: &[&str], body: fn(cc: &str)) {
    if std::env::var_os("FLASHPAGE_TEST_CHILD").is_some() {
        return body(&std::env::var("FLASHPAGE_TEST_DRIVER_CC").unwrap());
    }
    for cc in devices {
        let driver = driver();
        let mut command = run_on(&driver, cc, std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture"]).env("FLASHPAGE_TEST_CHILD", "1");
        let ran = Ran::of(command.output().unwrap()).with(0);
        assert!(ran.out.contains("1 passed"), "{}", ran.out);
    }
}
