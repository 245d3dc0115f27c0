//! `kgen tune`: schedules ranked for a shape, and the table that comes of it.

use crate::cost::{gpu, usual_gpu};
use crate::progress;
use crate::run::DeviceChoice;
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::codegen::choice::{Carries, LATENT, MaskClass, SM80, SM80_TUNED, SM90, SM90_TUNED};
use flashpage::codegen::schedule::Schedule;
use flashpage::codegen::{Arch, HeadDim, Program, ShapeClass, frontend};
use flashpage::kernels;
use flashpage::measure::bench::problem;
use flashpage::measure::cost::Tools;
use flashpage::measure::gpu::Gpu;
use flashpage::measure::head_dim;
use flashpage::measure::machine_code::InnerLoop;
use flashpage::measure::tune::{Candidate, Client, Of, Slot, rank, sort, table_rows, why};
use flashpage::runtime::{Device, LaunchOptions, TimingOptions, launch};
use serde_json::json;
use std::path::PathBuf;
use std::sync::LazyLock;

#[derive(Args)]
pub struct Tune {
    /// Target
    #[arg(long, default_value = "sm_80")]
    arch: Arch,
    /// Head dimensions; all if absent
    #[arg(long, value_delimiter = ',')]
    head_dim: Vec<HeadDim>,
    /// Shape classes: prefill, append, decode; all if absent
    #[arg(long, value_delimiter = ',')]
    shape: Vec<ShapeClass>,
    /// On sm_80 only the rows for kernels whose lanes carry little, values of rows (ALiBi, odd block sizes) or conditions
    /// (masks that are no interval of columns)
    #[arg(long)]
    carries: Option<Carries>,
    /// GPU that times are predicted for: a100, h100 or h200
    #[arg(long, value_parser = gpu)]
    gpu: Option<Gpu>,
    /// Measure the best of the prediction on this GPU, as in cuda:0, and rank them by that
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Print so many of each ranking
    #[arg(long, default_value_t = 5)]
    top: usize,
    /// Write the table of the best to this file, in place of its rows: codegen/src/choice/ring_table.rs, or roles_table.rs
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// One JSON array
    #[arg(long)]
    json: bool,
}

impl Tune {
    pub fn run(&self) -> Outcome {
        let known = if self.arch == Arch::Sm80 { SM80_TUNED } else { SM90_TUNED };
        if let Some(unknown) = self.head_dim.iter().find(|dim| !known.contains(dim)) {
            return Err(Failure::Usage(format!(
                "the table of {} has no rows of head_dim {unknown}: it has {}",
                self.arch,
                known.iter().map(HeadDim::to_string).collect::<Vec<_>>().join(", ")
            )));
        }
        if self.carries.is_some() && self.arch != Arch::Sm80 {
            return Err(Failure::Usage(format!(
                "--carries tells rows of sm_80 apart, not of {}: leave it out",
                self.arch
            )));
        }
        let tools = Tools::find()?;
        let device = self.device.as_deref().map(DeviceChoice::named).transpose()?.transpose()?;
        let gpu = match (&device, self.gpu) {
            (_, Some(gpu)) => gpu,
            (Some(device), None) => Gpu::named(&device.name()).unwrap_or(usual_gpu(self.arch)),
            (None, None) => usual_gpu(self.arch),
        };
        let slots: Vec<Slot> = table(self.arch)
            .into_iter()
            .map(|(slot, _, _)| slot)
            .filter(|slot| self.head_dim.is_empty() || self.head_dim.contains(&slot.head_dim))
            .filter(|slot| self.shape.is_empty() || self.shape.contains(&slot.shape))
            .filter(|slot| self.carries.is_none_or(|carries| slot.of == Of::Ampere { carries }))
            .collect();
        let mut chosen: Vec<(Slot, Schedule, String)> = Vec::new();
        let mut documents = Vec::new();
        for slot in &slots {
            let clients = clients(slot);
            let bar = progress::bar(0, "tune");
            let mut ranked = rank(&tools, slot, &clients, &gpu, |done, total| {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
            })?;
            bar.finish_and_clear();
            if let Some(device) = &device {
                measure(device, slot, clients[0], &mut ranked)?;
                sort(&mut ranked);
            }
            if self.json {
                documents.push(json_slot(slot, &ranked, &gpu));
            } else {
                print_slot(slot, &ranked, self.top, &gpu);
            }
            match ranked.first().filter(|best| best.unfit.is_empty()) {
                Some(best) => chosen.push((*slot, best.schedule, why(&ranked, &gpu).unwrap_or_default())),
                None => return Err(Failure::Usage(format!("no schedule fits every kernel of {slot:?}"))),
            }
        }
        if self.json {
            println!("{:#}", json!(documents));
        }
        match &self.write {
            None => Ok(()),
            Some(path) => write(path, self.arch, &slots, &chosen),
        }
    }
}

/// The rows of a target's table.
fn table(arch: Arch) -> Vec<(Slot, Schedule, String)> {
    match arch {
        Arch::Sm80 => SM80.iter().map(|r| (r.into(), r.schedule().into(), r.why.to_owned())).collect(),
        Arch::Sm90a => SM90.iter().map(|r| (r.into(), r.schedule().into(), r.why.to_owned())).collect(),
    }
}

/// Kernels whose masks are evaluated for every score, as users write them: no stock kernel has one.
static CONDITIONS: LazyLock<Vec<Program>> = LazyLock::new(|| {
    const TEXT: &str = include_str!("conditions.rs");
    let parse = |name| frontend::parse_file(TEXT, Some(name)).expect("they compile");
    ["strided_attention", "blockwise_attention"].map(parse).to_vec()
});

/// The kernels that a row of the table serves; the first is the one that schedules are ranked with.
fn clients(slot: &Slot) -> Vec<Client<'static>> {
    let program =
        |name: &str| -> Option<&'static Program> { kernels::find(name).map(|stock| (stock.program)()) };
    let named: &[(&str, Option<usize>)] = match slot.of {
        Of::Ampere { .. } | Of::Hopper { mask: None } if slot.head_dim == LATENT => {
            &[("latent_attention", Some(16)), ("latent_attention", Some(8)), ("latent_attention", Some(64))]
        }
        Of::Hopper { mask: Some(MaskClass::Full) } => &[
            ("attention", None),
            ("paged_full_attention", Some(16)),
            ("paged_full_attention", Some(8)),
            ("paged_full_attention", Some(40)),
        ],
        Of::Hopper { mask: Some(MaskClass::Bounded) } => &[
            ("causal_attention", None),
            ("sliding_window_attention", None),
            ("softcap_attention", None),
            ("alibi_attention", None),
            ("paged_attention", Some(16)),
            ("paged_attention", Some(8)),
            ("paged_attention", Some(24)),
        ],
        Of::Hopper { mask: Some(MaskClass::Placed) } => &[("alibi_attention", None)],
        Of::Hopper { mask: None } => &[
            ("paged_attention", Some(16)),
            ("attention", None),
            ("softcap_attention", None),
            ("alibi_attention", None),
            ("paged_attention", Some(8)),
            ("paged_full_attention", Some(24)),
        ],
        Of::Ampere { carries: Carries::Conditions } | Of::Hopper { mask: Some(MaskClass::Conditions) } => {
            return CONDITIONS.iter().map(|program| (program, Some(16))).collect();
        }
        Of::Ampere { carries: Carries::Rows } => {
            &[("alibi_attention", None), ("paged_attention", Some(24)), ("paged_full_attention", Some(40))]
        }
        Of::Ampere { carries: Carries::Little } => &[
            ("paged_attention", Some(16)),
            ("attention", None),
            ("causal_attention", None),
            ("sliding_window_attention", None),
            ("softcap_attention", None),
            ("paged_attention", Some(8)),
            ("paged_attention", Some(128)),
            ("paged_full_attention", Some(16)),
        ],
    };
    named.iter().filter_map(|(name, block)| program(name).map(|program| (program, *block))).collect()
}

/// Times every candidate that fits on the slot's workloads.
fn measure(
    device: &Device,
    slot: &Slot,
    (program, block_size): Client<'_>,
    ranked: &mut [Candidate],
) -> Result<(), Failure> {
    let bar = progress::bar(ranked.len() * slot.workloads().len(), "measure");
    for workload in slot.workloads() {
        let mut workload = workload;
        workload.block_size = block_size;
        let problem = problem(&workload).map_err(Failure::Usage)?;
        let inputs = problem.inputs(device, program)?;
        for candidate in ranked.iter_mut().filter(|candidate| candidate.unfit.is_empty()) {
            let options = LaunchOptions {
                arch: Some(candidate.schedule.arch()),
                shape: Some(slot.shape),
                tuning: candidate.schedule.tuning(),
            };
            let (_, times) =
                launch::time(device, program, &inputs.arguments(), &options, &TimingOptions::default())?;
            *candidate.measured.get_or_insert(0.0) += times.median().as_secs_f64();
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn print_slot(slot: &Slot, ranked: &[Candidate], top: usize, gpu: &Gpu) {
    println!("head_dim {}, {}{}: predicted for {}", slot.head_dim, slot.shape, slot.what(), gpu.name());
    println!(
        "  {:<8} {:>5} {:>6} {:<10} {:>10} {:>6} {:>9} {:>8} {:>9} {:>10} {:>10}  {}",
        "tile",
        "warps",
        "stages",
        if slot.arch() == Arch::Sm80 { "Q" } else { "O" },
        "polynomial",
        "blocks",
        "registers",
        "executed",
        "TFLOP/s",
        "predicted",
        "measured",
        "by"
    );
    for candidate in ranked.iter().take(top) {
        let schedule = &candidate.schedule;
        let limit = candidate.cost.limit();
        println!(
            "  {:<8} {:>5} {:>6} {:<10} {:>10} {:>6} {:>9} {:>8.2} {:>9.0} {:>7.0} µs {:>10}  {}{}",
            format!("{}x{}", schedule.rows, schedule.cols),
            schedule.warps,
            schedule.stages,
            lies(schedule),
            schedule.roles().map_or(0, |roles| roles.polynomial),
            candidate.cost.occupancy.blocks,
            candidate.cost.code.assembled.registers,
            candidate.cost.code.inside().map_or(0.0, InnerLoop::executed_non_products),
            limit.map_or(0.0, |limit| limit.flops / 1e12),
            candidate.predicted * 1e6,
            candidate.measured.map_or("-".to_owned(), |seconds| format!("{:.0} µs", seconds * 1e6)),
            limit.map_or("-", |limit| limit.unit),
            if candidate.unfit.is_empty() {
                String::new()
            } else {
                format!("; not for {}", candidate.unfit.join(", "))
            },
        );
    }
}

/// Where Q is for Ampere, and O for Hopper.
fn lies(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Ring(ring) => ring.query.to_string(),
        Schedule::Roles(roles) => roles.output.to_string(),
    }
}

fn json_slot(slot: &Slot, ranked: &[Candidate], gpu: &Gpu) -> serde_json::Value {
    let rows: Vec<_> = ranked
        .iter()
        .map(|candidate| {
            let schedule = &candidate.schedule;
            json!({
                "tile": [schedule.rows, schedule.cols], "warps": schedule.warps, "stages": schedule.stages,
                "query": schedule.tuning().query.map(|query| query.to_string()), "blocks_per_sm": schedule.blocks_per_sm,
                "output": schedule.roles().map(|roles| roles.output.to_string()),
                "polynomial": schedule.roles().map(|roles| roles.polynomial),
                "registers": candidate.cost.code.assembled.registers, "blocks": candidate.cost.occupancy.blocks,
                "predicted_seconds": candidate.each, "measured_seconds": candidate.measured,
                "unfit": candidate.unfit,
            })
        })
        .collect();
    json!({
        "head_dim": head_dim::json(slot.head_dim), "shape": slot.shape.as_str(), "of": slot.what().trim_start_matches(", "), "gpu": gpu.name(),
        "workloads": slot.workloads(), "ranking": rows,
    })
}

/// Puts the rows into the file; rows of slots that were not asked for stay.
fn write(path: &PathBuf, arch: Arch, slots: &[Slot], chosen: &[(Slot, Schedule, String)]) -> Outcome {
    let fail = |error: std::io::Error| Failure::Usage(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(fail)?;
    let begin = match arch {
        Arch::Sm80 => "pub const SM80: &[RingRow] = &[\n",
        Arch::Sm90a => "pub const SM90: &[RolesRow] = &[\n",
    };
    let parts =
        text.split_once(begin).and_then(|(head, rest)| rest.split_once("];\n").map(|(_, tail)| (head, tail)));
    let Some((head, tail)) = parts else {
        return Err(Failure::Usage(format!(
            "{}: there is no table in it that begins with `{}`",
            path.display(),
            begin.trim()
        )));
    };
    let rows: Vec<(Slot, Schedule, String)> = table(arch)
        .into_iter()
        .map(|row| slots.iter().position(|slot| *slot == row.0).map_or(row, |index| chosen[index].clone()))
        .collect();
    std::fs::write(path, format!("{head}{begin}{}];\n{tail}", table_rows(&rows))).map_err(fail)?;
    println!("wrote {} rows to {}", chosen.len(), path.display());
    Ok(())
}
