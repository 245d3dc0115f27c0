//! `kgen cost`: what a kernel costs, told without a GPU. Every number is one that `ptxas -v`, `nvdisasm -c` and
//! `kgen launch --profile` show; `kgen cost` of a single kernel says how.

use crate::assembled;
use crate::kernel::{self, ScheduleChoice};
use crate::progress;
use crate::table::Style;
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::codegen::choice::{LATENT, row_head_dim};
use flashpage::codegen::layout::swizzle::Swizzle;
use flashpage::codegen::program::{DType, Generic, ParamKind, Program};
use flashpage::codegen::schedule::Tuning;
use flashpage::codegen::{Arch, HeadDim, ShapeClass, Spec, Work, compile};
use flashpage::kernels;
use flashpage::measure::cost::{Code, Cost, Tools};
use flashpage::measure::counted::{Counted, count};
use flashpage::measure::gpu::Gpu;
use flashpage::measure::head_dim;
use flashpage::measure::leaders::{self, Leader};
use flashpage::measure::limits::Bound;
use flashpage::measure::machine_code::InnerLoop;
use flashpage::measure::parallel;
use flashpage::measure::suite::Suite;
use flashpage::measure::workload::Mask;
use flashpage::runtime::{LaunchOptions, equivalence};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct KernelCost {
    /// Stock kernels, FILE.rs or FILE.rs:function, or the PTX of anybody as FILE.ptx; the whole catalogue if none is named
    pub kernels: Vec<String>,
    /// Target: sm_80, or sm_90a for Hopper alone
    #[arg(long, default_value = "sm_80")]
    pub arch: Arch,
    /// GPU that the limits are of: a100, h100 or h200; the one that the target was made for if absent
    #[arg(long, value_parser = gpu)]
    pub gpu: Option<Gpu>,
    /// Element type of q, and of k and v; the machine code of both costs the same
    #[arg(long, default_value = "f16")]
    pub dtype: DType,
    /// Element type of k and v, of a kernel that leaves it open: that of q, e4m3 or e5m2; that of q if absent
    #[arg(long)]
    pub kv_dtype: Option<DType>,
    /// Head dimensions; those with rows in the target's table if absent. A FILE.ptx needs its own
    #[arg(long, value_delimiter = ',')]
    pub head_dim: Vec<HeadDim>,
    /// Shape classes: prefill, append, decode; all if absent
    #[arg(long, value_delimiter = ',')]
    pub shape: Vec<ShapeClass>,
    /// Tokens per block of a paged cache
    #[arg(long, value_delimiter = ',', default_value = "16")]
    pub block_size: Vec<usize>,
    /// Where tiles come from: grid, or list and partials for planned kernels
    #[arg(long, value_delimiter = ',', default_value = "grid")]
    pub work: Vec<Work>,
    #[command(flatten)]
    pub schedule: ScheduleChoice,
    /// Predict the workloads of this suite instead: full, quick or tiny
    #[arg(long)]
    pub predict: Option<Suite>,
    /// With --predict: a run on hardware to hold the prediction against, on its GPU; or a folder of runs, of which the
    /// newest
    #[arg(long, value_name = "DIR", requires = "predict")]
    pub results: Option<PathBuf>,
    /// Also draws the main loops as the assembler left them, of the one kernel that is named
    #[arg(long, value_name = "FILE.svg", conflicts_with = "predict")]
    pub svg: Option<PathBuf>,
    /// One JSON array
    #[arg(long)]
    pub json: bool,
    /// Tables as Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
}

/// `h200`
pub fn gpu(text: &str) -> Result<Gpu, String> {
    Gpu::named(text).ok_or_else(|| format!("no rates of a GPU `{text}`: write a100, h100 or h200"))
}

/// The GPU that a target was made for.
pub fn usual_gpu(arch: Arch) -> Gpu {
    match arch {
        Arch::Sm80 => Gpu::A100,
        Arch::Sm90a => Gpu::H200,
    }
}

/// Tokens per block that are not told.
const BLOCK_SIZE: usize = 16;

/// One kernel, made for one thing.
struct Row {
    program: Program,
    spec: Spec,
    cost: Cost,
    /// Not of a planned kernel, which is not launched without its plan.
    counted: Option<Counted>,
}

impl KernelCost {
    pub fn run(&self) -> Outcome {
        let given = self.schedule.tuning();
        if self.predict.is_some() && given != Tuning::default() {
            let message = format!("--predict goes by the schedules that launches choose: leave out {given}");
            return Err(Failure::Usage(message));
        }
        if self.predict.is_some() && self.work != [Work::Grid] {
            let message = "--predict goes by the kernels that launches run: leave out --work".to_owned();
            return Err(Failure::Usage(message));
        }
        if self.svg.is_some() && self.kernels.len() != 1 {
            let message = format!("--svg draws one kernel, and {} are named: name one", self.kernels.len());
            return Err(Failure::Usage(message));
        }
        let tools = Tools::find()?;
        if let Some(suite) = self.predict {
            return self.forecast(&tools, suite);
        }
        let gpu = self.gpu.unwrap_or(usual_gpu(self.arch));
        let (files, kernels): (Vec<&String>, Vec<&String>) =
            self.kernels.iter().partition(|name| name.ends_with(".ptx"));
        for file in &files {
            self.foreign(&tools, file)?;
        }
        if !files.is_empty() && kernels.is_empty() {
            return Ok(());
        }
        let rows = self.rows(&tools, &gpu, &kernels)?;
        if let Some(path) = &self.svg {
            let [row] = &rows[..] else {
                let message = format!(
                    "--svg draws one kernel, and these are {}: say one --head-dim, --shape and --work",
                    rows.len()
                );
                return Err(Failure::Usage(message));
            };
            draw(path, &row.title(), &row.cost.code)?;
        }
        if self.json {
            println!("{:#}", json!(rows.iter().map(|row| row.json(&gpu)).collect::<Vec<_>>()));
        } else if let ([row], false) = (&rows[..], self.markdown) {
            row.print(&gpu);
        } else {
            self.tables(&rows, &gpu);
        }
        if rows.iter().all(|row| row.cost.code.assembled.is_clean()) { Ok(()) } else { Err(Failure::Check) }
    }

    fn rows(&self, tools: &Tools, gpu: &Gpu, names: &[&String]) -> Result<Vec<Row>, Failure> {
        let programs: Vec<Program> = match names.is_empty() {
            true => kernels::catalogue().iter().map(|stock| (stock.program)().clone()).collect(),
            false => names.iter().map(|name| kernel::program(name)).collect::<Result<_, _>>()?,
        };
        let mut work = Vec::new();
        for program in &programs {
            let paged = program.params.iter().any(|param| param.kind == ParamKind::BlockTable);
            let dtype = match program.input_element() {
                Generic::Fixed(dtype) => *dtype,
                Generic::Open(_) => self.dtype,
            };
            let asked = match self.head_dim.is_empty() {
                true => equivalence::head_dims(program, self.arch, &[dtype]),
                false => self.head_dim.clone(),
            };
            let mut head_dims: Vec<HeadDim> = asked.iter().map(|dim| program.with_fixed(*dim)).collect();
            head_dims.dedup();
            let shapes = if self.shape.is_empty() { ShapeClass::ALL.to_vec() } else { self.shape.clone() };
            for head_dim in head_dims {
                let block_sizes: Vec<Option<usize>> =
                    if paged { self.block_size.iter().copied().map(Some).collect() } else { vec![None] };
                let kinds =
                    block_sizes.iter().flat_map(|size| shapes.iter().map(move |shape| (*size, *shape)));
                for (block_size, shape) in kinds {
                    let (arch, fold_scale, tuning) = (self.arch, true, self.schedule.tuning());
                    work.extend(self.work.iter().map(|work| {
                        let work = *work;
                        let output = program.output_type(dtype);
                        let kv_dtype = self.kv_dtype.unwrap_or_else(|| program.kv_type(dtype));
                        let spec = Spec {
                            arch,
                            dtype,
                            kv_dtype,
                            output,
                            head_dim,
                            block_size,
                            shape,
                            tuning,
                            work,
                            values: Default::default(),
                            fold_scale,
                        };
                        (program, spec)
                    }));
                }
            }
        }
        let bar = progress::bar(work.len(), "cost");
        let rows = parallel::map(&work, |(program, spec)| {
            let row = Row::new(tools, program, spec, gpu);
            bar.inc(1);
            row
        });
        bar.finish_and_clear();
        rows.into_iter().collect()
    }

    /// Anybody's PTX: its main loops.
    fn foreign(&self, tools: &Tools, path: &str) -> Outcome {
        let [head_dim] = self.head_dim[..] else {
            return Err(Failure::Usage(format!("{path}: say its head dimension, as in --head-dim 128")));
        };
        let text = std::fs::read_to_string(path).map_err(|e| Failure::Usage(format!("{path}: {e}")))?;
        let target = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(".target"))
            .and_then(|rest| rest.split([' ', ',', '\t']).find(|word| !word.is_empty()))
            .unwrap_or(self.arch.as_str());
        let code = tools.read(target, &text, head_dim.into())?;
        if let Some(svg) = &self.svg {
            draw(svg, &format!("{path} for {target}, head_dim {head_dim}"), &code)?;
        }
        if self.json {
            println!("{:#}", json!({ "file": path, "code": json_code(&code) }));
        } else {
            println!("{path} for {target}, head_dim {head_dim}");
            print_code(&code);
        }
        if code.assembled.cubin.is_empty() { Err(Failure::Check) } else { Ok(()) }
    }

    fn tables(&self, rows: &[Row], gpu: &Gpu) {
        let style = Style::of(self.markdown);
        println!(
            "{}The machine code ({}{}), its main loop inside the mask, and what the emulator counts",
            style.title(),
            self.arch,
            shown(&self.schedule.tuning())
        );
        println!();
        let mut heads = vec![
            "kernel",
            "dim",
            "shape",
            "tile",
            "registers",
            "spills",
            "shared",
            "blocks",
            "MMA",
            "static",
            "executed",
            "leader",
        ];
        if self.arch == Arch::Sm90a {
            heads.extend(["late exp", "leader's"]);
        }
        heads.extend(["bytes", "conflicts", "complaints"]);
        style.print(&heads, rows.iter().map(Row::machine_code));
        println!();
        println!(
            "{}Bounds on one {}, TFLOP/s: each unit alone, and the limit they leave",
            style.title(),
            gpu.name()
        );
        println!();
        let units: Vec<&str> =
            rows.first().map_or(Vec::new(), |row| row.cost.bounds.iter().map(|bound| bound.unit).collect());
        let heads: Vec<&str> =
            ["kernel", "dim", "shape", "warps"].into_iter().chain(units).chain(["limit", "by"]).collect();
        style.print(&heads, rows.iter().map(|row| row.limits()));
        println!();
        println!("{LEGEND}");
        let mut said: Vec<String> = Vec::new();
        for row in rows.iter().filter_map(Row::layout) {
            if !said.contains(&row) {
                said.push(row);
            }
        }
        if !said.is_empty() {
            println!();
            println!("{}", said.join("\n"));
        }
    }
}

const LEGEND: &str = "\
registers, spills: ptxas -v. shared: bytes of a block. blocks: that fit on a multiprocessor together. MMA, static, \
executed: of nvdisasm -c, the loop over tiles inside the mask: matrix products, and instructions that are no \
products, per score of a thread, where one that several warps compute counts once; executed leaves out the rescale that is \
jumped over while no row maximum grows. leader: the nearest leader's static figure (its own loop, same assembler). late exp: exponentials of the worst main \
loop that stand behind its last wait for products, which then go on beside none of them (sm_90a). bytes: global memory asked for over the \
least possible, in a small batch on the emulator. conflicts: passes over shared memory lost to bank conflicts. \
Limits: bench/README.md says how they are taken. `kgen cost KERNEL --head-dim N --shape CLASS` shows one kernel whole.";

impl Row {
    fn new(tools: &Tools, program: &Program, spec: &Spec, gpu: &Gpu) -> Result<Row, Failure> {
        let compiled = compile(program, spec)?;
        let cost = Cost::of(tools, &compiled, spec.shape, gpu)?;
        let options =
            LaunchOptions { arch: Some(spec.arch), tuning: spec.tuning, ..LaunchOptions::default() };
        let count = || count(program, spec, &options);
        let counted = (!spec.work.is_planned()).then(count).transpose()?;
        Ok(Row { program: program.clone(), spec: *spec, cost, counted })
    }

    /// The leaders' figures are of loops over whole tiles of rows: a prefill's, and of latent attention a decode's too, whose
    /// heads fill one.
    fn leader(&self) -> Option<&'static Leader> {
        if self.spec.shape != ShapeClass::Prefill && self.spec.head_dim != LATENT {
            return None;
        }
        let masked = self.cost.code.loops.iter().any(|code| code.is_boundary);
        let mask = if masked && self.program.name != "attention" { Mask::Causal } else { Mask::Full };
        leaders::nearest(self.spec.arch, self.spec.head_dim, mask, self.spec.block_size.is_some())
    }

    /// The shape, and where tiles come from where that is no grid.
    fn made_for(&self) -> String {
        let made_for = match self.spec.work {
            Work::Grid => self.spec.shape.to_string(),
            work => format!("{} {work}", self.spec.shape),
        };
        match self.spec.block_size {
            Some(size) if size != BLOCK_SIZE => format!("{made_for}, blocks of {size}"),
            _ => made_for,
        }
    }

    /// How rows lie in a tile of a head dimension that has no row in the target's table, and what of it is padding.
    fn layout(&self) -> Option<String> {
        let (schedule, head_dim) = (&self.cost.schedule, self.spec.head_dim);
        let of = row_head_dim(self.spec.arch, head_dim).filter(|of| *of != head_dim)?;
        let row = |row: Swizzle| format!("{} bytes in {} x {}", row.row_bytes, row.spans(), row.span());
        let (keys, values) = (row(schedule.qk_row()), row(schedule.v_row()));
        let rows = if keys == values { keys } else { format!("{keys}, of values {values}") };
        let padding = schedule.padding_bytes();
        Some(format!(
            "head_dim {head_dim}: tiles of head_dim {of}, of rows of {rows}; {padding} bytes of shared memory are padding"
        ))
    }

    /// The kernel in words.
    fn title(&self) -> String {
        let Spec { arch, dtype, head_dim, .. } = self.spec;
        let kv = if self.spec.widens() { format!(" over {}", self.spec.kv_dtype) } else { String::new() };
        format!("{} for {arch}, {dtype}{kv} head_dim {head_dim}, {}", self.program.name, self.made_for())
    }

    fn machine_code(&self) -> Vec<String> {
        let assembled = &self.cost.code.assembled;
        let inside = self.cost.code.inside();
        let per_score =
            |of: fn(&InnerLoop) -> f64| inside.map_or("-".to_owned(), |code| format!("{:.2}", of(code)));
        let counted = |of: fn(&Counted) -> String| self.counted.as_ref().map_or_else(|| "-".to_owned(), of);
        let mut cells = vec![
            self.program.name.clone(),
            self.spec.head_dim.to_string(),
            self.made_for(),
            format!("{}x{}", self.cost.schedule.rows, self.cost.schedule.cols),
            assembled.registers.to_string(),
            (assembled.spill_stores + assembled.spill_loads).to_string(),
            self.cost.schedule.shared_bytes().to_string(),
            self.cost.occupancy.blocks.to_string(),
            inside.map_or("-".to_owned(), |code| code.products.to_string()),
            per_score(InnerLoop::non_products),
            per_score(InnerLoop::executed_non_products),
            self.leader().map_or("-".to_owned(), |leader| format!("{:.2}", leader.per_score)),
        ];
        if self.spec.arch == Arch::Sm90a {
            let leaders = self.leader().and_then(|leader| leader.late_exponentials);
            cells.push(late(self.cost.code.late_exponentials()));
            cells.push(late(leaders.map(|percent| f64::from(percent) / 100.0)));
        }
        cells.extend([
            counted(|counted| format!("{:.2}", counted.global_bytes / counted.least_bytes)),
            counted(|counted| format!("{:.1} %", 100.0 * counted.conflicts())),
            if assembled.complaints.is_empty() { "none".to_owned() } else { assembled.complaints.join("; ") },
        ]);
        cells
    }

    fn limits(&self) -> Vec<String> {
        let mut cells = vec![
            self.program.name.clone(),
            self.spec.head_dim.to_string(),
            self.made_for(),
            (self.cost.schedule.warps * self.cost.occupancy.blocks).to_string(),
        ];
        cells.extend(self.cost.bounds.iter().map(|bound| tera(bound.flops)));
        let limit = self.cost.limit();
        cells.push(limit.map_or("-".to_owned(), |limit| tera(limit.flops)));
        cells.push(limit.map_or("-", |limit| limit.unit).to_owned());
        cells
    }

    fn json(&self, gpu: &Gpu) -> serde_json::Value {
        let bounds: serde_json::Map<String, serde_json::Value> =
            self.cost.bounds.iter().map(|Bound { unit, flops }| ((*unit).to_owned(), json!(flops))).collect();
        let limit = self.cost.limit();
        json!({
            "kernel": self.program.name, "arch": self.spec.arch.as_str(), "dtype": self.spec.dtype.as_str(), "kv_dtype": self.spec.kv_dtype.as_str(),
            "head_dim": head_dim::json(self.spec.head_dim), "block_size": self.spec.block_size, "shape": self.spec.shape.as_str(),
            "work": self.spec.work.as_str(), "tile": [self.cost.schedule.rows, self.cost.schedule.cols],
            "shared_bytes": self.cost.schedule.shared_bytes(), "padding_bytes": self.cost.schedule.padding_bytes(),
            "row_span_bytes": [self.cost.schedule.qk_row().span(), self.cost.schedule.v_row().span()], "code": json_code(&self.cost.code),
            "gpu": gpu.name(), "blocks_per_sm": self.cost.occupancy.blocks,
            "occupancy_limited_by": self.cost.occupancy.limited_by, "bounds_flops": bounds,
            "limit_flops": limit.map(|limit| limit.flops), "limited_by": limit.map(|limit| limit.unit),
            "leader": self.leader().map(|leader| json!({
                "who": leader.who, "non_products_per_score": leader.per_score,
                "late_exponentials_percent": leader.late_exponentials,
            })),
            "counted": self.counted.as_ref().map(|counted| json!({
                "workload": counted.workload, "global_bytes": counted.global_bytes,
                "distinct_bytes": counted.distinct_bytes, "least_bytes": counted.least_bytes,
                "wavefronts": counted.wavefronts, "least_wavefronts": counted.least_wavefronts,
            })),
        })
    }

    /// Everything, and how to see it again with the public tools.
    fn print(&self, gpu: &Gpu) {
        let Row { program, spec, cost, counted } = self;
        println!("{}", self.title());
        print_code(&cost.code);
        if let Some(leader) = self.leader() {
            let its =
                leader.late_exponentials.map_or(String::new(), |n| format!(", {n} % late exponentials"));
            println!("  beside it: {}, {:.2} static{its}", leader.who, leader.per_score);
        }
        println!(
            "occupancy of {}: {} blocks of {} warps, limited by {}; {} bytes of shared memory a block",
            gpu.name(),
            cost.occupancy.blocks,
            cost.schedule.warps,
            cost.occupancy.limited_by,
            cost.schedule.shared_bytes()
        );
        if let Some(layout) = self.layout() {
            println!("{layout}");
        }
        println!("bounds on one {}, TFLOP/s: each unit alone", gpu.name());
        let limit = cost.limit().map_or(0.0, |limit| limit.flops);
        for bound in &cost.bounds {
            let busy = limit / bound.flops;
            let bar = "█".repeat((30.0 * busy).round() as usize);
            println!(
                "  {:<18} {:>8}  {bar:<30} {:>3.0} % busy at the limit",
                bound.unit,
                tera(bound.flops),
                100.0 * busy
            );
        }
        if let Some(limit) = cost.limit() {
            println!("  limit {} by {}", tera(limit.flops), limit.unit);
        }
        if let Some(counted) = counted {
            print_counted(counted);
        }
        let block_size = spec.block_size.map_or(String::new(), |size| format!(" --block-size {size}"));
        let work = match spec.work {
            Work::Grid => String::new(),
            work => format!(" --work {work}"),
        };
        let kv = if spec.widens() { format!(" --kv-dtype {}", spec.kv_dtype) } else { String::new() };
        println!("again, with the public tools:");
        println!(
            "  kgen emit {} --arch {} --dtype {}{kv} --head-dim {} --shape {}{block_size}{work}{} -o k.ptx",
            program.name,
            spec.arch,
            spec.dtype,
            spec.head_dim,
            spec.shape,
            shown(&spec.tuning)
        );
        println!("  ptxas -v -arch={} k.ptx -o k.cubin && nvdisasm -c k.cubin > k.sass", spec.arch);
        if let Some(code) = cost.code.inside() {
            let (first, last) = code.addresses;
            println!(
                "  sed -n '/\\/\\*{first:04x}\\*\\//,/\\/\\*{last:04x}\\*\\//p' k.sass | grep -c '/\\*[0-9a-f]\\{{4\\}}\\*/'    # {} instructions, {} of them products",
                code.instructions, code.products
            );
        }
    }
}

/// Writes the picture of a kernel's main loops.
fn draw(path: &Path, title: &str, code: &Code) -> Outcome {
    let drawn = assembled::draw(title, &code.loops).ok_or_else(|| {
        Failure::Usage(format!(
            "{title}: its machine code has no loop with products, so there is nothing to draw"
        ))
    })?;
    std::fs::write(path, drawn).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))
}

/// What was said of the schedule by hand, behind what it is said of.
fn shown(tuning: &Tuning) -> String {
    if *tuning == Tuning::default() { String::new() } else { format!(" {tuning}") }
}

fn tera(flops: f64) -> String {
    format!("{:.0}", flops / 1e12)
}

/// A share of exponentials.
fn late(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.0} %", 100.0 * share))
}

fn print_counted(counted: &Counted) {
    println!("counted on the emulator, {}", counted.workload);
    println!(
        "  global memory: {:.0} bytes asked for, {:.2} of the least possible; {:.0} different",
        counted.global_bytes,
        counted.global_bytes / counted.least_bytes,
        counted.distinct_bytes
    );
    println!(
        "  shared memory: {} passes, {:.1} % lost to bank conflicts{}",
        counted.wavefronts,
        100.0 * counted.conflicts(),
        counted
            .worst_line
            .map_or(String::new(), |(line, lost)| format!(", most at line {line} of the PTX ({lost})"))
    );
}

fn print_code(code: &Code) {
    let assembled = &code.assembled;
    println!(
        "ptxas: {} registers, {} bytes spilled, {} complaints",
        assembled.registers,
        assembled.spill_stores + assembled.spill_loads,
        assembled.complaints.len()
    );
    for complaint in &assembled.complaints {
        println!("  {complaint}");
    }
    println!(
        "main loops: instructions that are no products, per score of a thread (one that several warps compute counts once)"
    );
    for code in &code.loops {
        let late = match code.late_exponentials {
            None => String::new(),
            share => format!(", {} of its exponentials behind the last wait for products", late(share)),
        };
        println!(
            "  {:04x}..{:04x} {:<8} {:>4} scores {:>4} products  {:>6.2} static {:>6.2} executed{late}",
            code.addresses.0,
            code.addresses.1,
            if code.is_boundary { "boundary" } else { "inside" },
            code.scores,
            code.products,
            code.non_products(),
            code.executed_non_products()
        );
        let mix: Vec<String> =
            code.by_frequency().iter().take(12).map(|(name, n)| format!("{name} {n}")).collect();
        println!("    {}", mix.join(", "));
    }
}

fn json_code(code: &Code) -> serde_json::Value {
    let assembled = &code.assembled;
    let loops: Vec<_> = code
        .loops
        .iter()
        .map(|code| {
            json!({
                "addresses": [code.addresses.0, code.addresses.1], "boundary": code.is_boundary,
                "scores": code.scores, "products": code.products, "instructions": code.instructions,
                "skippable": code.skippable, "non_products_per_score": code.non_products(),
                "executed_non_products_per_score": code.executed_non_products(), "mix": code.mix,
                "shared_passes": code.shared_passes, "late_exponentials": code.late_exponentials,
            })
        })
        .collect();
    json!({
        "registers": assembled.registers, "spill_stores": assembled.spill_stores,
        "spill_loads": assembled.spill_loads, "complaints": assembled.complaints, "loops": loops,
    })
}
