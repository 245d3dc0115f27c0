//! `kgen launch`: runs any PTX that a `launch.json` describes; and the device options that commands share.

use crate::{Failure, Outcome};
use clap::Args;
use flashpage::runtime::case::{Case, CaseReport};
use flashpage::runtime::{AsyncPolicy, Device, EmulatorOptions, Schedule};
use serde_json::json;
use std::path::PathBuf;

/// Where to run.
#[derive(Args, Clone)]
pub struct DeviceChoice {
    /// emulator, or cuda:N; a GPU if there is one, the emulator otherwise
    #[arg(long)]
    device: Option<String>,
    /// When asynchronous copies and products complete on the emulator: eager (at once), lazy (when a wait forces it) or
    /// random:SEED
    #[arg(long = "async", default_value = "eager")]
    policy: AsyncPolicy,
    /// How warps and blocks take turns on the emulator: in-order, or random:SEED
    #[arg(long, default_value = "in-order")]
    schedule: Schedule,
    /// Have the emulator look for races, missing waits and fences, and reads of what nobody wrote
    #[arg(long)]
    sanitize: bool,
}

impl DeviceChoice {
    pub fn open(&self) -> Result<Device, Failure> {
        let options = EmulatorOptions {
            policy: self.policy,
            schedule: self.schedule,
            sanitize: self.sanitize,
            ..EmulatorOptions::default()
        };
        match self.device.as_deref() {
            None => Ok(match Device::auto() {
                device if device.is_emulator() => Device::emulator_with(options),
                device => device,
            }),
            Some("emulator") => Ok(Device::emulator_with(options)),
            Some(name) => {
                let ordinal = name.strip_prefix("cuda:").and_then(|n| n.parse().ok()).ok_or_else(|| {
                    Failure::Usage(format!("no device `{name}`: write emulator, or cuda:0"))
                })?;
                Ok(Device::cuda(ordinal)?)
            }
        }
    }
}

#[derive(Args)]
pub struct RunCase {
    /// The launch.json of a case
    launch: PathBuf,
    #[command(flatten)]
    device: DeviceChoice,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl RunCase {
    pub fn run(&self) -> Outcome {
        let case = Case::load(&self.launch)?;
        let device = self.device.open()?;
        // A kernel that faults has failed its check; only what keeps it from starting is a usage error.
        let report = match case.run(&device) {
            Ok(report) => report,
            Err(error) if error.is_fault() => {
                println!("{error}");
                return Err(Failure::Check);
            }
            Err(error) => return Err(error.into()),
        };
        if self.json {
            println!("{:#}", json_report(&case, &device, &report));
        } else {
            println!("{} on {}", case.entry(), device.name());
            for comparison in &report.comparisons {
                println!("  {comparison}");
            }
            for path in &report.outputs {
                println!("  wrote {}", path.display());
            }
        }
        if report.passed() { Ok(()) } else { Err(Failure::Check) }
    }
}

fn json_report(case: &Case, device: &Device, report: &CaseReport) -> serde_json::Value {
    let comparisons: Vec<_> = report
        .comparisons
        .iter()
        .map(|c| {
            let worst = c
                .worst
                .map(|(index, got, expected)| json!({ "index": index, "got": got, "expected": expected }));
            json!({
                "buffer": c.buffer, "passed": c.passed, "failure": c.failure,
                "max_abs": c.max_abs, "relative_l2": c.relative_l2, "worst": worst,
            })
        })
        .collect();
    let outputs: Vec<String> = report.outputs.iter().map(|path| path.display().to_string()).collect();
    json!({
        "entry": case.entry(), "device": device.name(), "passed": report.passed(),
        "comparisons": comparisons, "outputs": outputs,
    })
}
