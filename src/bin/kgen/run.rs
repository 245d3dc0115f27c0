//! `kgen launch`: runs any PTX that a `launch.json` describes; and the device options that commands share.

use crate::{Failure, Outcome, progress};
use clap::Args;
use flashpage::emulator::{Fault, Site};
use flashpage::runtime::case::{Case, CaseReport};
use flashpage::runtime::{
    AsyncPolicy, Device, DeviceError, EmulatorOptions, Finding, ProductSums, Profile, Roofline, Sanitize,
    Target, WarpOrder,
};
use serde_json::json;
use std::path::PathBuf;

/// What `--sanitize` alone looks for.
const DEFAULT_CHECKS: &str = "races,unwritten,waits,fences";

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
    #[arg(long = "schedule", value_name = "SCHEDULE", default_value = "in-order")]
    warp_order: WarpOrder,
    /// How wgmma adds the products of floats on the emulator: rounded (in f32, one after the other), or hopper (as the hardware
    /// does, which cuts off, and of 8-bit floats keeps 14 bits); several times slower
    #[arg(long = "sums", value_name = "SUMS", default_value = "rounded")]
    product_sums: ProductSums,
    /// Have the emulator look for what is wrong and happens to go well. CHECKS are some of races, unwritten (uses of what
    /// nobody wrote), waits and fences (missing ones), and strict (races that write what is there already), with commas
    /// between; without them all but strict
    #[arg(long, value_name = "CHECKS", num_args = 0..=1, require_equals = true, default_missing_value = DEFAULT_CHECKS)]
    sanitize: Option<Sanitize>,
    #[command(flatten)]
    limits: Limits,
}

/// How far a launch on the emulator may go.
#[derive(Args, Clone)]
struct Limits {
    /// Warp instructions of a launch, after which the emulator gives it up; 2^30 of each block if absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    budget: Option<u64>,
    /// Memory of this machine that the emulator may take, as in 8G; three quarters of it if absent. A byte of a buffer takes
    /// two
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    memory: Option<u64>,
}

/// A number of bytes, as in `512M`.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        Some(b'T' | b't') => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
    number.and_then(|number| number.checked_mul(1 << shift)).ok_or_else(|| {
        format!("`{text}` is no amount of memory: write a number of bytes, or one with K, M, G or T")
    })
}

impl DeviceChoice {
    pub fn open(&self) -> Result<Device, Failure> {
        self.open_with(false, false)
    }

    /// Opens it with the emulator's counters on, or not, and going on after what is found, or not.
    fn open_with(&self, profile: bool, keep_going: bool) -> Result<Device, Failure> {
        let options = EmulatorOptions {
            profile,
            keep_going,
            policy: self.policy,
            warp_order: self.warp_order,
            product_sums: self.product_sums,
            sanitize: self.sanitize.unwrap_or_default(),
            instruction_budget: self.limits.budget.unwrap_or(0),
            memory: self.limits.memory.unwrap_or(0),
            ..EmulatorOptions::default()
        };
        match self.device.as_deref() {
            None => Ok(match Device::auto() {
                device if device.is_emulator() => Device::emulator_with(options),
                device => device,
            }),
            Some("emulator") => Ok(Device::emulator_with(options)),
            Some(name) => Ok(DeviceChoice::named(name)??),
        }
    }

    /// The device of this name: unusable, or not to be had.
    pub fn named(name: &str) -> Result<Result<Device, DeviceError>, Failure> {
        if name == "emulator" {
            return Ok(Ok(Device::emulator()));
        }
        let ordinal = name
            .strip_prefix("cuda:")
            .and_then(|n| n.parse().ok())
            .ok_or_else(|| Failure::Usage(format!("no device `{name}`: write emulator, or cuda:0")))?;
        Ok(Device::cuda(ordinal))
    }
}

#[derive(Args)]
pub struct RunCase {
    /// The launch.json of a case
    launch: PathBuf,
    #[command(flatten)]
    device: DeviceChoice,
    /// Go on after what --sanitize finds, and list all of it at the end: one of each kind and place, with a count. What is a
    /// fault without --sanitize still ends the run
    #[arg(long)]
    keep_going: bool,
    /// Count what the emulator runs: instructions, memory traffic, bank conflicts, and the least time for them
    #[arg(long)]
    profile: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl RunCase {
    pub fn run(&self) -> Outcome {
        let case = Case::load(&self.launch)?;
        let device = self.device.open_with(self.profile, self.keep_going)?;
        if self.profile && !device.is_emulator() {
            let message = "--profile counts on the emulator: add --device emulator".to_string();
            return Err(Failure::Usage(message));
        }
        if self.keep_going && (!device.is_emulator() || self.device.sanitize.is_none()) {
            let message = "--keep-going is about what --sanitize finds on the emulator: add that".to_string();
            return Err(Failure::Usage(message));
        }
        // A kernel that faults has failed its check; only what keeps it from starting is a usage error.
        let run = || case.run(&device);
        let report = match device.monitor() {
            Some(monitor) => progress::watch(&monitor, case.entry(), run)?,
            None => run(),
        };
        let report = match report {
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
            for finding in report.findings() {
                println!("{finding}");
            }
            for comparison in &report.comparisons {
                println!("  {comparison}");
            }
            for path in &report.outputs {
                println!("  wrote {}", path.display());
            }
            if let Some(emulated) = &report.emulated {
                print!("{}", emulated.printed);
            }
            if let Some((profile, roofline)) = profile(&case, &report) {
                print!("{profile}{roofline}");
            }
        }
        if report.passed() { Ok(()) } else { Err(Failure::Check) }
    }
}

/// What the emulator counted, beside the limits of the target that the PTX names.
fn profile<'r>(case: &Case, report: &'r CaseReport) -> Option<(&'r Profile, Roofline)> {
    let profile = report.emulated.as_ref()?.profile.as_ref()?;
    let target = case.ptx().lines().find_map(|line| line.trim().strip_prefix(".target"));
    let arch = target.and_then(|t| t.split([',', ' ']).find(|word| !word.is_empty())).unwrap_or_default();
    Some((profile, Roofline::new(&profile.totals, Target::of(arch))))
}

fn json_profile(profile: &Profile, roofline: &Roofline) -> serde_json::Value {
    let totals = &profile.totals;
    let by_opcode: serde_json::Map<String, serde_json::Value> =
        totals.by_opcode.iter().map(|(opcode, n)| (opcode.as_str().to_string(), json!(n))).collect();
    let lines: Vec<_> = profile
        .lines
        .iter()
        .map(|l| {
            json!({
                "line": l.line, "nth": l.nth, "instruction": l.instruction, "warps": l.warps, "lanes": l.lanes,
                "global_bytes": l.global_bytes, "global_sectors": l.global_sectors, "global_lines": l.global_lines,
                "shared_bytes": l.shared_bytes, "wavefronts": l.wavefronts,
                "least_wavefronts": l.least_wavefronts,
            })
        })
        .collect();
    let limits: Vec<_> = roofline
        .limits
        .iter()
        .map(|l| json!({ "part": l.part, "work": l.work, "unit": l.unit, "seconds": l.seconds }))
        .collect();
    json!({
        "warp_instructions": totals.warps, "by_opcode": by_opcode, "tensor_operations": totals.tensor,
        "fp32_lanes": totals.fp32, "special_lanes": totals.special, "barriers": totals.barriers,
        "global_bytes": totals.global_bytes, "global_sectors": totals.global_sectors,
        "global_lines": totals.global_lines, "distinct_sectors": totals.distinct_sectors, "shared_bytes": totals.shared_bytes,
        "wavefronts": totals.wavefronts, "least_wavefronts": totals.least_wavefronts,
        "roofline": { "target": roofline.target.name, "limits": limits }, "lines": lines,
    })
}

fn json_finding(finding: &Finding) -> serde_json::Value {
    let site = |site: &Site| {
        json!({
            "line": site.line, "nth": site.nth, "instruction": site.instruction, "block": site.block,
            "warp": site.warp, "lane": site.lane, "address": site.address,
        })
    };
    let Fault { kind, site: at, other, .. } = &finding.fault;
    json!({
        "what": kind.to_string(), "count": finding.count,
        "at": at.as_deref().map(site), "other": other.as_deref().map(site),
    })
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
    let mut document = json!({
        "entry": case.entry(), "device": device.name(), "passed": report.passed(),
        "comparisons": comparisons, "outputs": outputs,
    });
    if let Some(emulated) = &report.emulated {
        document["instructions"] = json!(emulated.instructions);
        document["printed"] = json!(emulated.printed);
    }
    if !report.findings().is_empty() {
        document["findings"] = report.findings().iter().map(json_finding).collect();
    }
    if let Some((profile, roofline)) = profile(case, report) {
        document["profile"] = json_profile(profile, &roofline);
    }
    document
}
