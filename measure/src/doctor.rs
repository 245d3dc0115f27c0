//! What a machine has of all that the project can use, what each is for, and how to get it.

use crate::results::Machine;
use crate::toolchain::{self, Tool};
use flashpage_runtime::{Device, Properties};
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// One thing that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name.
    pub what: &'static str,
    /// What is there, or why nothing is.
    pub found: Result<String, String>,
    /// What it is for.
    pub needed_for: &'static str,
    /// How to get it.
    pub how_to_get_it: &'static str,
}

/// What a program says, first line first; an error where it cannot be run or fails.
fn say(program: &str, args: &[&str]) -> Result<String, String> {
    let run = Command::new(program).args(args).output().map_err(|error| format!("`{program}`: {error}"))?;
    if run.status.success() {
        return Ok(String::from_utf8_lossy(&run.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&run.stderr).trim().to_owned();
    Err(said.lines().last().unwrap_or("it failed and said nothing").to_owned())
}

/// The Python that Triton and the peers are asked of.
fn python() -> String {
    std::env::var("TRITON_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

fn python_package(name: &str) -> Result<String, String> {
    // The package's own word: importing PyTorch takes seconds.
    let code = format!("import importlib.metadata as m; print('{name}', m.version('{name}'))");
    say(&python(), &["-c", &code])
}

/// The version of the driver's package, as in `580.159.04`; its library tells the CUDA version alone.
fn driver_version() -> Result<String, String> {
    say("nvidia-smi", &["--query-gpu=driver_version", "--format=csv,noheader", "--id=0"])
}

fn gpu(device: &Result<Device, String>) -> Result<String, String> {
    let device = device.as_ref().map_err(Clone::clone)?;
    let Some(Properties { name, compute_capability: (major, minor), sms, driver_supports_cuda, .. }) =
        device.properties()
    else {
        return Err("no properties".to_owned());
    };
    let (cuda, of) = driver_supports_cuda;
    Ok(format!(
        "{name}, compute capability {major}.{minor}, {sms} multiprocessors, driver for CUDA {cuda}.{of}"
    ))
}

fn tool(tool: Tool) -> Result<String, String> {
    let path = tool.find().map_err(|_| "not on the path".to_owned())?;
    let version = toolchain::version(&path).map_err(|error| error.to_string())?;
    Ok(format!("{}: {version}", path.display()))
}

/// Whether rustc can make PTX: it knows the target, and has the library's source or build for it.
fn rustc() -> Result<String, String> {
    const TARGET: &str = "nvptx64-nvidia-cuda";
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = say(&rustc, &["--version"])?;
    let targets = say(&rustc, &["--print", "target-list"])?;
    if !targets.lines().any(|line| line == TARGET) {
        return Err(format!("{version} does not know {TARGET}"));
    }
    let built = say(&rustc, &["--print", "target-libdir", "--target", TARGET])?;
    let source = Path::new(&say(&rustc, &["--print", "sysroot"])?).join("lib/rustlib/src/rust/library/core");
    match (Path::new(&built).is_dir(), source.is_dir()) {
        (true, _) => Ok(format!("{version}, with {TARGET}")),
        (false, true) => Ok(format!("{version}, with the source of core to build for {TARGET}")),
        (false, false) => Err(format!("{version} knows {TARGET}, without core for it")),
    }
}

/// Looks for everything.
pub fn examine() -> Vec<Finding> {
    let device = Device::cuda(0).map_err(|error| error.to_string());
    let finding = |what, found, needed_for, how_to_get_it| Finding { what, found, needed_for, how_to_get_it };
    vec![
        finding(
            "GPU and driver",
            gpu(&device),
            "running and timing kernels: `--device cuda:0`, `kgen bench`, bench/gpu.sh",
            "an NVIDIA GPU of compute capability 8.0 or later, and its driver from nvidia.com or the distribution",
        ),
        finding(
            "nvidia-smi",
            driver_version().map(|version| format!("driver {version}")),
            "recording driver, clocks and power with results",
            "it comes with the driver",
        ),
        finding(
            "ptxas",
            tool(Tool::Ptxas),
            "`kgen verify`, `kgen cost`, `kgen tune`: registers, spills, machine code",
            Tool::Ptxas.how_to_get_it(),
        ),
        finding(
            "nvdisasm",
            tool(Tool::Nvdisasm),
            "`kgen cost`, `kgen tune`: the instructions of main loops",
            Tool::Nvdisasm.how_to_get_it(),
        ),
        finding(
            "Triton",
            python_package("triton"),
            "the suite that holds the emulator against Triton's kernels; a peer in bench/peers.py",
            "`pip install triton==3.6.0 numpy`; TRITON_PYTHON names a Python that has it",
        ),
        finding(
            "PyTorch",
            python_package("torch"),
            "the peers that kernels are timed beside: bench/peers.py",
            "`pip install torch`",
        ),
        finding(
            "rustc for NVPTX",
            rustc(),
            "making the PTX of device-kernels/ again; what is committed of it needs nothing",
            "`rustup toolchain install nightly --component rust-src`, or Debian's rustc-web and rust-web-src",
        ),
    ]
}

/// What is recorded of this machine with results; of the emulator, that it is one.
pub fn machine(emulated: bool, suite: &str, commit: &str, samples: Vec<String>) -> Machine {
    let mut machine = Machine {
        emulated,
        date: now(),
        commit: commit.to_owned(),
        gpu: "emulator".to_owned(),
        host: host(),
        suite: suite.to_owned(),
        samples,
        software: ["torch", "triton"].iter().filter_map(|name| python_package(name).ok()).collect(),
        ..Machine::default()
    };
    let Ok(device) = Device::cuda(0) else { return machine };
    if let (false, Some(properties)) = (emulated, device.properties()) {
        let (major, minor) = properties.compute_capability;
        machine.gpu = properties.name.clone();
        machine.compute_capability = format!("{major}.{minor}");
        machine.sms = properties.sms;
        machine.memory_bytes = properties.memory_bytes;
        machine.l2_bytes = properties.l2_bytes;
        machine.max_sm_clock_mhz = properties.sm_clock_mhz;
        machine.max_memory_clock_mhz = properties.memory_clock_mhz;
        machine.driver = driver_version().unwrap_or_default();
        let power =
            say("nvidia-smi", &["--query-gpu=power.limit", "--format=csv,noheader,nounits", "--id=0"]);
        machine.power_limit_w = power.ok().and_then(|watts| watts.parse().ok()).unwrap_or(0.0);
    }
    machine
}

fn host() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        line.split_once(':').map(|(_, name)| name.trim().to_owned())
    });
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    format!(
        "{}, {cores} cores, kernel {}",
        cpu.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        kernel.trim()
    )
}

/// The time, UTC: `2026-11-24T11:30:00Z`.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    timestamp(seconds)
}

/// Seconds since 1970 as a date of the Gregorian calendar.
fn timestamp(seconds: u64) -> String {
    let (mut days, rest) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{year}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", month + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let table = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ];
        for (seconds, expected) in table {
            assert_eq!(timestamp(seconds), expected);
        }
    }
}
