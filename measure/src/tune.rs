//! Which schedule a shape should have: every one that can be lowered, read by the assembler, ranked by the time that
//! the limits of its main loop leave it ([`crate::predict`]), and by measurement where there is a GPU.
//!
//! A row of the table serves every kernel that does not bring its own schedule, so a schedule that spills in any of
//! the stock kernels is out, however fast one of them would be.

use crate::cost::{Cost, CostError, Tools};
use crate::gpu::Gpu;
use crate::machine_code::InnerLoop;
use crate::parallel;
use crate::workload::{Mask, Phase, Workload};
use flashpage_codegen::choice::{Carries, LATENT, MAX_STAGES, MaskClass, RingRow, RolesRow};
use flashpage_codegen::program::{DType, Program};
use flashpage_codegen::schedule::{OutputIn, QueryIn, Schedule, Sizes, Tuning};
use flashpage_codegen::{Arch, HeadDim, ShapeClass, Spec, Work, compile};

/// What a row of the table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Head dimension.
    pub head_dim: HeadDim,
    /// Shape class.
    pub shape: ShapeClass,
    /// Of what target and which kernels.
    pub of: Of,
}

/// What tells rows of one head dimension and shape apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// sm_80.
    Ampere {
        /// What lanes carry.
        carries: Carries,
    },
    /// sm_90a.
    Hopper {
        /// The mask, or either.
        mask: Option<MaskClass>,
    },
}

/// A kernel that a row must serve, with its block size where it is paged.
pub type Client<'p> = (&'p Program, Option<usize>);

/// A schedule and what was found of it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The schedule.
    pub schedule: Schedule,
    /// Of the kernel that it was ranked with.
    pub cost: Cost,
    /// Predicted seconds of the slot's workloads together.
    pub predicted: f64,
    /// Predicted seconds of each.
    pub each: Vec<f64>,
    /// What the multiprocessors need of it: less is more room where memory is the limit.
    pub compute: f64,
    /// Kernels in which it spills or is complained of.
    pub unfit: Vec<String>,
    /// Measured seconds of the slot's workloads together, where a GPU was asked.
    pub measured: Option<f64>,
}

impl From<&RingRow> for Slot {
    fn from(row: &RingRow) -> Slot {
        Slot { head_dim: row.head_dim, shape: row.shape, of: Of::Ampere { carries: row.carries } }
    }
}

impl From<&RolesRow> for Slot {
    fn from(row: &RolesRow) -> Slot {
        Slot { head_dim: row.head_dim, shape: row.shape, of: Of::Hopper { mask: row.mask } }
    }
}

impl Slot {
    /// The target.
    pub fn arch(&self) -> Arch {
        match self.of {
            Of::Ampere { .. } => Arch::Sm80,
            Of::Hopper { .. } => Arch::Sm90a,
        }
    }

    /// What tells it from others of its head dimension and shape, for a person; empty where nothing does.
    pub fn what(&self) -> &'static str {
        match self.of {
            Of::Ampere { carries: Carries::Rows } => ", values of rows",
            Of::Ampere { carries: Carries::Conditions }
            | Of::Hopper { mask: Some(MaskClass::Conditions) } => ", conditions",
            Of::Hopper { mask: Some(MaskClass::Full) } => ", no mask",
            Of::Hopper { mask: Some(MaskClass::Bounded) } => ", a mask",
            Of::Hopper { mask: Some(MaskClass::Placed) } => ", maps of places",
            _ => "",
        }
    }

    /// The workloads that its schedules are ranked by: as a server sees them, and where a grid is small.
    pub fn workloads(&self) -> Vec<Workload> {
        let base = |phase, mask, heads: usize, kv_heads, q_len, kv_len: usize, batch: usize| Workload {
            kernel: String::new(),
            phase,
            mask,
            window: None,
            softcap: None,
            alibi: false,
            dtype: "f16".to_owned(),
            kv_dtype: None,
            head_dim: self.head_dim,
            latent: self.head_dim == LATENT,
            heads,
            kv_heads,
            q_len,
            kv_lens: vec![kv_len; batch],
            block_size: None,
        };
        let heads = 2048 / self.head_dim.larger();
        let prefill = |mask, len, batch| base(Phase::Prefill, mask, heads, heads, len, len, batch);
        match (self.shape, self.of) {
            (ShapeClass::Prefill, Of::Hopper { mask: Some(mask) }) => {
                let mask = if mask == MaskClass::Full { Mask::Full } else { Mask::Causal };
                vec![prefill(mask, 4096, 4), prefill(mask, 1024, 16), prefill(mask, 16384, 1)]
            }
            (ShapeClass::Prefill, _) => vec![
                prefill(Mask::Causal, 4096, 4),
                prefill(Mask::Full, 4096, 4),
                prefill(Mask::Causal, 1024, 16),
            ],
            (ShapeClass::Append, _) => vec![
                base(Phase::Append, Mask::Causal, 32, 8, 16, 4096, 32),
                base(Phase::Append, Mask::Causal, 32, 8, 8, 4096, 32),
                base(Phase::Append, Mask::Causal, 32, 8, 16, 4096, 4),
            ],
            (ShapeClass::Decode, _) => vec![
                base(Phase::Decode, Mask::Full, 32, 8, 1, 4096, 64),
                base(Phase::Decode, Mask::Full, 32, 32, 1, 4096, 16),
                base(Phase::Decode, Mask::Full, 32, 8, 1, 4096, 4),
            ],
        }
    }

    /// Every schedule that can be lowered and that leaves a multiprocessor room for the blocks it promises.
    fn candidates(&self, gpu: &Gpu) -> Vec<Schedule> {
        match self.of {
            Of::Ampere { carries } => self.ampere(gpu, carries),
            Of::Hopper { mask } => self.hopper(mask),
        }
    }

    fn hopper(&self, mask: Option<MaskClass>) -> Vec<Schedule> {
        let of_table = RolesRow {
            head_dim: self.head_dim,
            shape: self.shape,
            mask,
            consumers: 1,
            cols: 16,
            stages: 1,
            blocks_per_sm: 1,
            output: OutputIn::Own,
            polynomial: 0,
            why: "",
        };
        let all_rows: &[usize] = if self.shape == ShapeClass::Prefill { &[128, 192] } else { &[64] };
        let least_stages = if self.shape == ShapeClass::Decode { 3 } else { 2 };
        // Where exponentials take nearly as long as products.
        let polynomials: &[usize] = if self.head_dim.larger() <= 96 && self.shape == ShapeClass::Prefill {
            &[0, 1, 2, 4]
        } else {
            &[0]
        };
        let mut found = Vec::new();
        for &rows in all_rows {
            for cols in (48..=208).step_by(16) {
                for blocks in 1..=if rows == 64 { 2 } else { 1 } {
                    for output in [OutputIn::Own, OutputIn::OverQuery] {
                        // The deepest ring that fits, and one of two stages where that leaves O room.
                        let tuned = |stages: usize, polynomial: usize| {
                            let tuning = Tuning {
                                tile: Some((rows, cols)),
                                stages: Some(stages),
                                blocks_per_sm: Some(blocks),
                                output: Some(output),
                                polynomial: Some(polynomial),
                                ..Tuning::default()
                            };
                            Schedule::from(of_table.schedule()).tuned(&tuning).ok()
                        };
                        let Some(stages) =
                            (least_stages..=MAX_STAGES).rev().find(|stages| tuned(*stages, 0).is_some())
                        else {
                            continue;
                        };
                        found.extend(polynomials.iter().filter_map(|polynomial| tuned(stages, *polynomial)));
                    }
                }
            }
        }
        found
    }

    fn ampere(&self, gpu: &Gpu, carries: Carries) -> Vec<Schedule> {
        let of_table = RingRow {
            head_dim: self.head_dim,
            shape: self.shape,
            carries,
            rows: 16,
            cols: 16,
            warps: 1,
            stages: 1,
            query: QueryIn::Shared,
            blocks_per_sm: 1,
            why: "",
        };
        let (all_rows, all_cols, most_stages): (&[usize], &[usize], usize) = match self.shape {
            ShapeClass::Prefill => (&[64, 128], &[32, 64, 128], 2),
            ShapeClass::Append => (&[32, 64], &[32, 64, 128], 3),
            ShapeClass::Decode => (&[16], &[16, 32, 64, 128], 4),
        };
        let mut found: Vec<Schedule> = Vec::new();
        for &rows in all_rows {
            for warps in [rows / 32, rows / 16].into_iter().filter(|warps| *warps > 0) {
                for &cols in all_cols {
                    for query in [QueryIn::Registers, QueryIn::Shared] {
                        for stages in 1..=most_stages {
                            for blocks in 1..=8 {
                                let tuning = Tuning {
                                    tile: Some((rows, cols)),
                                    warps: Some(warps),
                                    stages: Some(stages),
                                    query: Some(query),
                                    blocks_per_sm: Some(blocks),
                                    ..Tuning::default()
                                };
                                let Ok(schedule) = Schedule::from(of_table.schedule()).tuned(&tuning) else {
                                    continue;
                                };
                                if fits(&schedule, gpu) {
                                    found.push(schedule);
                                }
                            }
                        }
                    }
                }
            }
        }
        found
    }
}

/// What is asked of a schedule before anything is compiled: that what it holds has room, and that it is no repetition.
fn fits(schedule: &Schedule, gpu: &Gpu) -> bool {
    let rows = schedule.rows_per_warp();
    // Accumulators, scores and Q of a lane, and some 40 registers for the rest.
    let query = match schedule {
        Schedule::Ring(ring) if ring.query == QueryIn::Registers => rows * schedule.head_dim.qk / 64,
        _ => 0,
    };
    let held = rows * (schedule.head_dim.v + schedule.cols) / 32 + query;
    let room = |registers: usize| {
        gpu.occupancy(registers.min(255) as u32, schedule.shared_bytes(), schedule.threads()).blocks
    };
    let blocks = schedule.blocks_per_sm as usize;
    // As many blocks as fit with all registers a thread can have: promising fewer gives the same code.
    let free = room(255);
    held <= 224 && blocks <= room(held + 40) && blocks >= free
}

fn spec(slot: &Slot, block_size: Option<usize>, schedule: &Schedule) -> Spec {
    Spec {
        arch: slot.arch(),
        dtype: DType::F16,
        kv_dtype: DType::F16,
        output: DType::F16,
        head_dim: slot.head_dim,
        block_size,
        shape: slot.shape,
        tuning: schedule.tuning(),
        work: Work::Grid,
        values: Default::default(),
        fold_scale: true,
    }
}

/// How many of the best by prediction are compiled for every client, and come back.
pub const KEPT: usize = 12;

/// Ranks the schedules of a slot for `gpu`, best first: those that fit every client before those that do not.
///
/// The first client is the one they are ranked with. `progress` is called with how many are done and how many there are.
///
/// # Errors
/// A tool that cannot be run, or a client that cannot be compiled.
pub fn rank(
    tools: &Tools,
    slot: &Slot,
    clients: &[Client<'_>],
    gpu: &Gpu,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<Vec<Candidate>, CostError> {
    let Some((first, rest)) = clients.split_first() else { return Ok(Vec::new()) };
    let workloads = slot.workloads();
    let schedules = slot.candidates(gpu);
    let done = std::sync::atomic::AtomicUsize::new(0);
    let total = schedules.len();
    let ranked = parallel::map(&schedules, |schedule| -> Result<Option<Candidate>, CostError> {
        let candidate = candidate(tools, slot, first, schedule, &workloads, gpu);
        progress(done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1, total);
        candidate
    });
    let mut ranked: Vec<Candidate> =
        ranked.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
    sort(&mut ranked);
    ranked.truncate(KEPT);
    let unfit = parallel::map(&ranked, |candidate| -> Result<Vec<String>, CostError> {
        let mut unfit = Vec::new();
        for (program, block_size) in rest {
            let compiled = compile(program, &spec(slot, *block_size, &candidate.schedule))?;
            let assembled = tools.ptxas.assemble(slot.arch().as_str(), &compiled.text())?;
            if !assembled.is_clean() {
                let bytes = assembled.spill_stores + assembled.spill_loads;
                unfit.push(format!("{} ({bytes} bytes spilled)", program.name));
            }
        }
        Ok(unfit)
    });
    for (candidate, unfit) in ranked.iter_mut().zip(unfit) {
        candidate.unfit.extend(unfit?);
    }
    sort(&mut ranked);
    Ok(ranked)
}

/// One schedule, read; `None` where it spills already.
fn candidate(
    tools: &Tools,
    slot: &Slot,
    (program, block_size): &Client<'_>,
    schedule: &Schedule,
    workloads: &[Workload],
    gpu: &Gpu,
) -> Result<Option<Candidate>, CostError> {
    let compiled = compile(program, &spec(slot, *block_size, schedule))?;
    let cost = Cost::of(tools, &compiled, slot.shape, gpu)?;
    if !cost.code.assembled.is_clean() {
        return Ok(None);
    }
    let predictions: Option<Vec<_>> = workloads.iter().map(|workload| cost.predict(workload, gpu)).collect();
    let Some(predictions) = predictions else { return Ok(None) };
    let each: Vec<f64> = predictions.iter().map(|prediction| prediction.seconds).collect();
    let compute = predictions.iter().map(|prediction| prediction.compute).sum();
    let predicted = each.iter().sum();
    let (schedule, unfit, measured) = (*schedule, Vec::new(), None);
    Ok(Some(Candidate { schedule, cost, predicted, each, compute, unfit, measured }))
}

/// Times this close are alike: neither a prediction nor a measurement tells them apart.
pub const ALIKE: f64 = 0.03;

/// Fit ones first; then by measurement, by prediction, and by what the multiprocessors need: of two that wait for memory
/// as long, the one with more room. What is within [`ALIKE`] of the best is as good as it; of those, the one with fewest
/// instructions a score.
pub fn sort(candidates: &mut [Candidate]) {
    let best = |of: fn(&Candidate) -> f64| {
        candidates.iter().filter(|c| c.unfit.is_empty()).map(of).fold(f64::INFINITY, f64::min)
    };
    let (measured, predicted, compute) =
        (best(|c| c.measured.unwrap_or(f64::INFINITY)), best(|c| c.predicted), best(|c| c.compute));
    let behind = |seconds: f64, best: f64| ((seconds / best - 1.0) / ALIKE).floor() as i64;
    candidates.sort_by(|a, b| {
        let key = |c: &Candidate| {
            let measured = c.measured.map_or(i64::MAX, |seconds| behind(seconds, measured));
            (!c.unfit.is_empty(), measured, behind(c.predicted, predicted), behind(c.compute, compute))
        };
        let turn = |c: &Candidate| c.cost.code.inside().map_or(0.0, InnerLoop::executed_non_products);
        key(a).cmp(&key(b)).then(turn(a).total_cmp(&turn(b)))
    });
}

/// What the table says of a row: the figures that chose it, beside the best of those that were ranked behind it.
pub fn why(ranked: &[Candidate], gpu: &Gpu) -> Option<String> {
    let (best, rest) = ranked.split_first()?;
    let tile = |candidate: &Candidate| in_words(&candidate.schedule);
    let next = rest.iter().find(|next| next.unfit.is_empty() && tile(next) != tile(best));
    let against = next.map_or(String::new(), |next| {
        let (seconds, what) = match (best.measured, next.measured) {
            (Some(best), Some(next)) => (next / best, "measured"),
            _ => (next.predicted / best.predicted, "predicted"),
        };
        let percent = 100.0 * (seconds - 1.0);
        format!("; next {}: {percent:+.1} % of time, {what}", tile(next))
    });
    let measured = best.measured.map_or(String::new(), |seconds| format!(", measured {:.0}", seconds * 1e6));
    let limit = best.cost.limit();
    Some(format!(
        "executed per score {:.2}, registers {}, blocks {}; at most {:.0} TFLOP/s on {} by {}; predicted {:.0} µs{measured}{against}",
        best.cost.code.inside().map_or(0.0, InnerLoop::executed_non_products),
        best.cost.code.assembled.registers,
        best.cost.occupancy.blocks,
        limit.map_or(0.0, |limit| limit.flops / 1e12),
        gpu.name(),
        limit.map_or("nothing", |limit| limit.unit),
        best.predicted * 1e6,
    ))
}

/// What tells a schedule from others, blocks on a multiprocessor aside.
fn in_words(schedule: &Schedule) -> String {
    let Sizes { rows, cols, warps, stages, .. } = **schedule;
    match schedule {
        Schedule::Ring(ring) => {
            format!("{rows}x{cols}, warps {warps}, stages {stages}, Q in {}", ring.query)
        }
        Schedule::Roles(roles) => {
            let polynomials = match roles.polynomial {
                0 => String::new(),
                polynomial => format!(", polynomial {polynomial}"),
            };
            format!("{rows}x{cols}, stages {stages}, O in {}{polynomials}", roles.output)
        }
    }
}

/// The source of a schedule table, `codegen/src/choice/{ring_table,roles_table}.rs`, between its first row and its last.
pub fn table_rows(chosen: &[(Slot, Schedule, String)]) -> String {
    let name = |shape: ShapeClass| match shape {
        ShapeClass::Prefill => "Prefill",
        ShapeClass::Append => "Append",
        ShapeClass::Decode => "Decode",
    };
    let query = |query: QueryIn| match query {
        QueryIn::Registers => "Registers",
        QueryIn::Shared => "Shared",
    };
    let row = |(slot, schedule, why): &(Slot, Schedule, String)| {
        let Sizes { rows, cols, warps, stages, blocks_per_sm, .. } = **schedule;
        let head_dim = match slot.head_dim {
            HeadDim { qk, v } if qk == v => format!("both({qk})"),
            HeadDim { qk, v } => format!("pair({qk}, {v})"),
        };
        let shape = name(slot.shape);
        match (schedule, slot.of) {
            (Schedule::Roles(roles), Of::Hopper { mask }) => {
                let mask = mask.map_or("None".to_owned(), |mask| format!("Some({mask:?})"));
                format!(
                    "    RolesRow {{ head_dim: {head_dim}, shape: {shape}, mask: {mask}, consumers: {}, cols: {cols}, stages: {stages}, blocks_per_sm: {blocks_per_sm}, output: {:?}, polynomial: {},\n               why: {why:?} }},\n",
                    roles.consumers(),
                    roles.output,
                    roles.polynomial,
                )
            }
            (Schedule::Ring(ring), Of::Ampere { carries }) => format!(
                "    RingRow {{ head_dim: {head_dim}, shape: {shape}, carries: {carries:?}, rows: {rows}, cols: {cols}, warps: {warps}, stages: {stages}, query: {}, blocks_per_sm: {blocks_per_sm},\n              why: {why:?} }},\n",
                query(ring.query)
            ),
            _ => unreachable!("a slot's schedules are of its target"),
        }
    };
    chosen.iter().map(row).collect()
}
