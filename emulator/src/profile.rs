//! What a launch did, in the units that decide its speed.
//!
//! [`Profile`] is what [`crate::Options::profile`] asks for: every line of the PTX with how often it ran and what it
//! moved, and the sums. It says nothing of time: overlap, latency and caches are not modelled. [`Roofline`] puts the
//! sums beside what a target can do at most, which gives a time below which no overlap can bring it.

use crate::exec::state::{Count, Counters};
use crate::program::{Element, Inst, Op, Program, TileElement};
use flashpage_ptx::words::{Opcode, Type};
use std::collections::BTreeMap;
use std::fmt;

/// What one line of the text did, over all warps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// Line of the PTX text, from 1.
    pub line: u32,
    /// How many instructions come before it in that line.
    pub nth: u32,
    /// As it stands there.
    pub instruction: String,
    /// Executions by warps.
    pub warps: u64,
    /// Executions by lanes.
    pub lanes: u64,
    /// Bytes of global memory that lanes asked for.
    pub global_bytes: u64,
    /// Sectors of 32 bytes that moved for them.
    pub global_sectors: u64,
    /// Requests that it took: of each access one for each line of 128 bytes.
    pub global_lines: u64,
    /// Bytes of shared memory that lanes, `wgmma` and bulk copies asked for.
    pub shared_bytes: u64,
    /// Passes over the 32 banks that it took.
    pub wavefronts: u64,
    /// The fewest passes that could give as many bytes.
    pub least_wavefronts: u64,
}

/// Sums over a launch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Instructions of warps.
    pub warps: u64,
    /// The same by opcode.
    pub by_opcode: BTreeMap<Opcode, u64>,
    /// Operations of matrix products (a multiplication and an addition are two), by element type.
    pub tensor: BTreeMap<&'static str, u64>,
    /// Single-precision additions, multiplications and fused ones, by lanes.
    pub fp32: u64,
    /// `ex2`, `lg2`, `rcp`, `rsqrt`, `sqrt`, `sin`, `cos` and `tanh`, by lanes; a packed one counts twice.
    pub special: u64,
    /// Barriers of blocks and clusters, and waits on mbarriers, by warps.
    pub barriers: u64,
    /// Bytes of global memory that lanes and bulk copies asked for.
    pub global_bytes: u64,
    /// Sectors of 32 bytes that moved for them, were there no cache.
    pub global_sectors: u64,
    /// Requests that it took: of each access one for each line of 128 bytes.
    pub global_lines: u64,
    /// Different sectors among these: what moves with a cache that forgets nothing.
    pub distinct_sectors: u64,
    /// Bytes of shared memory that lanes, `wgmma` and bulk copies asked for.
    pub shared_bytes: u64,
    /// Passes over the banks that it took.
    pub wavefronts: u64,
    /// The fewest that it could have taken.
    pub least_wavefronts: u64,
}

/// See the module's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// Lines that ran, in the order of the text.
    pub lines: Vec<Line>,
    /// Sums over all of them.
    pub totals: Totals,
}

/// Operations of one warp's execution, and of which elements.
fn tensor_work(op: &Op) -> Option<(&'static str, u64)> {
    let name = |element: Element| match element {
        Element::F16 => "f16",
        Element::Bf16 => "bf16",
        Element::Tf32 => "tf32",
        Element::S8 | Element::U8 => "int8",
        Element::E4m3 | Element::E5m2 => "fp8",
        Element::B1 => "bits",
    };
    match op {
        Op::MatrixProduct(p) => Some((name(p.a_type), 2 * 16 * 8 * p.k as u64)),
        Op::TileProduct(p) => {
            let name = match p.a.element {
                TileElement::F16 => "f16",
                TileElement::Bf16 => "bf16",
                TileElement::Tf32 | TileElement::F32 => "tf32",
                TileElement::E4m3 | TileElement::E5m2 => "fp8",
                TileElement::F64 => "f64",
                TileElement::S8 | TileElement::U8 | TileElement::S32 => "int8",
                TileElement::S4 | TileElement::U4 => "int4",
                TileElement::B1 => "bits",
            };
            Some((name, 2 * p.a.outer as u64 * p.b.outer as u64 * p.a.inner as u64))
        }
        Op::WarpgroupProduct(p) => Some((name(p.a_type), 2 * 16 * p.n as u64 * p.k as u64)),
        _ => None,
    }
}

impl Profile {
    pub(crate) fn new(
        program: &Program,
        executed: &[u64],
        counters: &Counters,
        types: impl Fn(&Inst) -> String,
    ) -> Profile {
        let mut profile = Profile::default();
        let totals = &mut profile.totals;
        totals.distinct_sectors = counters.touched.len() as u64;
        for ((inst, warps), count) in program.code.iter().zip(executed).zip(&counters.counts) {
            if *warps == 0 {
                continue;
            }
            let Count {
                lanes,
                global_bytes,
                global_sectors,
                global_lines,
                shared_bytes,
                wavefronts,
                least_wavefronts,
            } = *count;
            totals.global_bytes += global_bytes;
            totals.global_sectors += global_sectors;
            totals.global_lines += global_lines;
            totals.shared_bytes += shared_bytes;
            totals.wavefronts += wavefronts;
            totals.least_wavefronts += least_wavefronts;
            if let Some((element, work)) = tensor_work(&inst.op) {
                *totals.tensor.entry(element).or_default() += work * warps;
            }
            // Further steps of an instruction belong to its line.
            let Some(opcode) = inst.opcode else {
                if let Some(line) = profile.lines.last_mut()
                    && (line.line, line.nth) == (inst.line, inst.nth)
                {
                    line.global_bytes += global_bytes;
                    line.global_sectors += global_sectors;
                    line.global_lines += global_lines;
                    line.shared_bytes += shared_bytes;
                    line.wavefronts += wavefronts;
                    line.least_wavefronts += least_wavefronts;
                }
                continue;
            };
            totals.warps += warps;
            *totals.by_opcode.entry(opcode).or_default() += warps;
            let instruction = types(inst);
            let mentions = |ty: Type| instruction.split(['.', ' ', ';']).any(|word| word == ty.as_str());
            match opcode {
                Opcode::Ex2
                | Opcode::Lg2
                | Opcode::Rcp
                | Opcode::Rsqrt
                | Opcode::Sqrt
                | Opcode::Sin
                | Opcode::Cos
                | Opcode::Tanh => {
                    let packed = mentions(Type::F16x2) || mentions(Type::Bf16x2);
                    totals.special += lanes * if packed { 2 } else { 1 };
                }
                Opcode::Add | Opcode::Sub | Opcode::Mul | Opcode::Fma | Opcode::Mad
                    if mentions(Type::F32) =>
                {
                    totals.fp32 += lanes;
                }
                Opcode::Bar | Opcode::Barrier => totals.barriers += warps,
                Opcode::Mbarrier if matches!(&inst.op, Op::Mbarrier(m) if m.is_wait()) => {
                    totals.barriers += warps;
                }
                _ => {}
            }
            profile.lines.push(Line {
                line: inst.line,
                nth: inst.nth,
                instruction,
                warps: *warps,
                lanes,
                global_bytes,
                global_sectors,
                global_lines,
                shared_bytes,
                wavefronts,
                least_wavefronts,
            });
        }
        // Functions come before their callers in the program, and anywhere in the text.
        profile.lines.sort_by_key(|line| (line.line, line.nth));
        profile
    }

    /// The lines that lose most passes over the banks, and how many.
    pub fn bank_conflicts(&self) -> Vec<(&Line, u64)> {
        let lost = |line: &Line| line.wavefronts - line.least_wavefronts;
        worst(self.lines.iter().map(|line| (line, lost(line))))
    }

    /// The lines that move most sectors beyond those that their bytes fill, and how many.
    pub fn scattered(&self) -> Vec<(&Line, u64)> {
        let lost = |line: &Line| line.global_sectors.saturating_sub(line.global_bytes.div_ceil(32));
        worst(self.lines.iter().map(|line| (line, lost(line))))
    }
}

fn worst<'p>(lines: impl Iterator<Item = (&'p Line, u64)>) -> Vec<(&'p Line, u64)> {
    let mut lines: Vec<_> = lines.filter(|(_, lost)| *lost > 0).collect();
    lines.sort_by_key(|(_, lost)| std::cmp::Reverse(*lost));
    lines
}

/// What a target can do at most, each number over the whole chip.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// Multiprocessors.
    pub sms: f64,
    /// Cycles a second.
    pub clock: f64,
    /// Operations of 16-bit matrix products, a cycle and multiprocessor.
    pub tensor: f64,
    /// Single-precision lanes, a cycle and multiprocessor.
    pub fp32: f64,
    /// Bytes a second between memory and chip.
    pub dram: f64,
}

impl Target {
    /// A100 SXM, 80 GB: 312 TFLOP/s in 16 bits.
    pub const A100: Target =
        Target { name: "A100", sms: 108.0, clock: 1.41e9, tensor: 2048.0, fp32: 64.0, dram: 2.04e12 };
    /// H100 SXM, 80 GB: 989.5 TFLOP/s in 16 bits.
    pub const H100: Target =
        Target { name: "H100", sms: 132.0, clock: 1.83e9, tensor: 4096.0, fp32: 128.0, dram: 3.35e12 };
    /// H200 SXM: 989.5 TFLOP/s in 16 bits.
    pub const H200: Target =
        Target { name: "H200", sms: 132.0, clock: 1.83e9, tensor: 4096.0, fp32: 128.0, dram: 4.8e12 };

    /// The target that PTX for `arch` (`sm_80`, `sm_90a`) is usually run on.
    pub fn of(arch: &str) -> Target {
        let number: u32 = arch.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
        if number >= 90 { Target::H200 } else { Target::A100 }
    }
}

/// Warp instructions that a multiprocessor issues in a cycle.
const ISSUE: f64 = 4.0;
/// Lanes of special functions, a cycle and multiprocessor.
const SPECIAL: f64 = 16.0;
/// Bytes between a multiprocessor and the L2 cache, a cycle.
const L2: f64 = 64.0;

/// One limit of a target, and how long a launch's work takes there.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limit {
    /// Which part of the chip.
    pub part: String,
    /// How much it has to do.
    pub work: f64,
    /// In which unit.
    pub unit: &'static str,
    /// Seconds at its best, with the work spread evenly over the chip.
    pub seconds: f64,
}

/// The limits of a target for one launch, the narrowest first.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Roofline {
    /// Which target.
    pub target: Target,
    /// Its limits.
    pub limits: Vec<Limit>,
}

impl Roofline {
    /// Of a launch on a target.
    pub fn new(totals: &Totals, target: Target) -> Roofline {
        let chip = target.sms * target.clock;
        let mut limits = Vec::new();
        let mut limit = |part: &str, work: u64, unit, rate: f64| {
            if work != 0 {
                let work = work as f64;
                limits.push(Limit { part: part.to_string(), work, unit, seconds: work / rate });
            }
        };
        for (element, work) in &totals.tensor {
            // Relative to 16-bit elements, which every tensor core has twice as many of as tf32 and half of bytes.
            let speed = match *element {
                "tf32" => 0.5,
                "int8" | "fp8" => 2.0,
                "int4" => 4.0,
                "bits" => 16.0,
                "f64" => 1.0 / 16.0,
                _ => 1.0,
            };
            limit(&format!("tensor cores, {element}"), *work, "FLOP", chip * target.tensor * speed);
        }
        limit("special functions", totals.special, "lanes", chip * SPECIAL);
        limit("single precision", totals.fp32, "lanes", chip * target.fp32);
        limit("issue", totals.warps, "warp instructions", chip * ISSUE);
        limit("shared memory", totals.wavefronts, "passes", chip);
        limit("L2 to multiprocessors", totals.global_sectors * 32, "bytes", chip * L2);
        limit("device memory", totals.distinct_sectors * 32, "bytes", target.dram);
        limits.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        Roofline { target, limits }
    }
}

impl fmt::Display for Roofline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "least time on {} by part, were each alone and evenly loaded:", self.target.name)?;
        let longest = self.limits.first().map_or(1.0, |l| l.seconds);
        for limit in &self.limits {
            let bar = "█".repeat((24.0 * limit.seconds / longest).ceil() as usize);
            writeln!(
                f,
                "  {:22} {:>9.3} µs  {bar:24}  {:.4e} {}",
                limit.part,
                limit.seconds * 1e6,
                limit.work,
                limit.unit
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = &self.totals;
        let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
        writeln!(f, "{} warp instructions", t.warps)?;
        let mut mix: Vec<_> = t.by_opcode.iter().collect();
        mix.sort_by_key(|(opcode, n)| (std::cmp::Reverse(**n), **opcode));
        for (opcode, n) in mix.iter().take(12) {
            writeln!(f, "  {:12} {n:>12}  {:5.1} %", opcode.as_str(), share(**n, t.warps))?;
        }
        if mix.len() > 12 {
            let rest: u64 = mix[12..].iter().map(|(_, n)| **n).sum();
            writeln!(f, "  {:12} {rest:>12}  {:5.1} %", "others", share(rest, t.warps))?;
        }
        for (element, work) in &t.tensor {
            writeln!(f, "matrix products: {work} operations of {element}")?;
        }
        writeln!(f, "special functions: {} lanes; barriers: {} warps", t.special, t.barriers)?;
        writeln!(
            f,
            "global memory: {} bytes asked for in {} sectors of 32 bytes ({:.2} for each byte moved), {} different; \
             by {} requests for lines of 128",
            t.global_bytes,
            t.global_sectors,
            t.global_bytes as f64 / (32 * t.global_sectors).max(1) as f64,
            t.distinct_sectors,
            t.global_lines
        )?;
        writeln!(
            f,
            "shared memory: {} bytes asked for in {} passes, {} at least",
            t.shared_bytes, t.wavefronts, t.least_wavefronts
        )?;
        let mut list = |title: &str, lines: Vec<(&Line, u64)>| {
            if lines.is_empty() {
                return Ok(());
            }
            writeln!(f, "{title}")?;
            for (line, lost) in lines.iter().take(5) {
                let text: String = line.instruction.chars().take(80).collect();
                writeln!(f, "  line {:5} {lost:>10}  {text}", line.line)?;
            }
            Ok(())
        };
        list("passes lost to bank conflicts:", self.bank_conflicts())?;
        list("sectors moved beyond those that the bytes would fill:", self.scattered())
    }
}
