//! A launch: what is asked for, whether it fits the kernel, and its blocks spread over the host's cores.

use crate::cooperative;
use crate::exec::interpreter::print;
use crate::exec::policy::{AsyncPolicy, ProductSums, WarpOrder};
use crate::exec::state::{Counters, Setting};
use crate::exec::turns::{Listener, Worker};
use crate::fault::{Fault, FaultKind};
use crate::findings::{Finding, Findings, Key};
use crate::ledger::Ledger;
use crate::memory::{Memory, Storage};
use crate::monitor::Monitor;
use crate::profile::Profile;
use crate::program::{Inst, Program};
use crate::sanitize::Sanitize;
use flashpage_ptx::words::Opcode;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// The shape of a launch and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks along x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y, z.
    pub block: [u32; 3],
    /// Blocks of a cluster along x, y, z; all ones for none.
    pub cluster: [u32; 3],
    /// Shared memory beyond what the module declares.
    pub dynamic_shared_bytes: u32,
    /// Whether all blocks run at once, so that they may wait for one another at the grid's barrier (`grid.sync()` of
    /// cooperative groups).
    pub cooperative: bool,
    /// Whether it may begin before the launch before it has ended (programmatic dependent launch: CUDA C++ Programming
    /// Guide). Launches run one after the other here all the same; [`Sanitize::waits`] finds what touches global memory
    /// before `griddepcontrol.wait`.
    pub programmatic: bool,
    /// Little-endian bytes of each parameter of the entry, in order.
    pub params: Vec<Vec<u8>>,
}

impl Default for Launch {
    fn default() -> Self {
        Launch {
            grid: [1; 3],
            block: [32, 1, 1],
            cluster: [1; 3],
            dynamic_shared_bytes: 0,
            cooperative: false,
            programmatic: false,
            params: Vec::new(),
        }
    }
}

/// How to run a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// When asynchronous work takes effect.
    pub policy: AsyncPolicy,
    /// How warps and blocks take turns.
    pub warp_order: WarpOrder,
    /// How tensor cores add.
    pub product_sums: ProductSums,
    /// What is a fault beyond what always is: reads of what was never written, races on shared memory, missing waits and
    /// fences.
    pub sanitize: Sanitize,
    /// Whether what the sanitizer finds goes to [`Report::findings`] and the launch goes on, instead of ending there. What
    /// is a fault without it still ends the launch.
    pub keep_going: bool,
    /// Whether to count what every instruction does; see [`Profile`].
    pub profile: bool,
    /// Threads of the host to use; 0 for all its cores, and never more than those.
    pub threads: usize,
    /// Instructions of warps, over the whole launch, after which it is given up: the same way on any number of threads. 0 for
    /// as many blocks as there are, of which each cluster may run 2^30 instructions.
    pub instruction_budget: u64,
    /// Who watches the launch, and may interrupt it.
    pub monitor: Option<Monitor>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            policy: AsyncPolicy::Eager,
            warp_order: WarpOrder::InOrder,
            product_sums: ProductSums::Rounded,
            sanitize: Sanitize::NONE,
            keep_going: false,
            profile: false,
            threads: 0,
            instruction_budget: 0,
            monitor: None,
        }
    }
}

/// What a launch did.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Instructions of warps.
    pub instructions: u64,
    /// The same by opcode.
    pub by_opcode: BTreeMap<Opcode, u64>,
    /// Line by line, if that was asked for.
    pub profile: Option<Profile>,
    /// What `printf` wrote, block after block and of a block as its warps came to it; at most 1 MiB.
    pub printed: String,
    /// What the sanitizer found, if it was to keep going: the first 256 that differ in kind or instructions.
    pub findings: Vec<Finding>,
}

/// The most threads a block may have.
const MAX_THREADS: u64 = 1024;
/// The largest grid (CUDA C++ Programming Guide, compute capabilities).
const MAX_GRID: [u32; 3] = [i32::MAX as u32, 65535, 65535];
/// The most shared memory a block may have on any target.
const MAX_SHARED: u64 = 227 * 1024;

/// The most blocks that a cluster may have.
const MAX_CLUSTER: u64 = 16;

/// The clusters of a launch: those that the kernel requires, if the launch asks for none.
fn cluster_of(program: &Program, launch: &Launch) -> [u32; 3] {
    match program.required_cluster {
        Some(required) if launch.cluster == [1; 3] => required,
        _ => launch.cluster,
    }
}
/// The most local memory that the threads of a block may have together, so that the host has it.
const MAX_LOCAL: u64 = 1 << 28;

/// Checks a launch against its kernel and lays out the parameters.
fn parameters(program: &Program, launch: &Launch) -> Result<Storage, Fault> {
    let refuse = |message: String| Err(Fault::launch(message));
    let name = &program.name;
    let product = |d: [u32; 3]| d.iter().map(|n| *n as u64).fold(1u64, u64::saturating_mul);
    if product(launch.grid) == 0 || product(launch.block) == 0 || product(launch.cluster) == 0 {
        return refuse(format!("a dimension of the launch of `{name}` is zero"));
    }
    if launch.grid.iter().zip(MAX_GRID).any(|(n, max)| *n > max) {
        return refuse(format!("a grid of {:?} blocks; at most {MAX_GRID:?} are possible", launch.grid));
    }
    if product(launch.block) > MAX_THREADS {
        return refuse(format!("a block of {} threads; at most 1024 are possible", product(launch.block)));
    }
    let cluster = cluster_of(program, launch);
    if product(cluster) > MAX_CLUSTER {
        return refuse(format!("a cluster of {cluster:?} blocks; at most {MAX_CLUSTER} are possible"));
    }
    if launch.grid.iter().zip(cluster).any(|(grid, cluster)| grid % cluster != 0) {
        let grid = launch.grid;
        return refuse(format!("a grid of {grid:?} blocks cannot be divided into clusters of {cluster:?}"));
    }
    if let Some(required) = program.required_cluster
        && required != cluster
    {
        return refuse(format!("`{name}` requires clusters of {required:?} blocks, not {cluster:?}"));
    }
    if let Some(required) = program.required_block
        && required != launch.block
    {
        return refuse(format!("`{name}` requires blocks of {required:?} threads, not {:?}", launch.block));
    }
    if let Some(max) = program.max_threads
        && product(launch.block) > max as u64
    {
        return refuse(format!(
            "`{name}` takes at most {max} threads a block, not {}",
            product(launch.block)
        ));
    }
    let shared = program.dynamic_shared as u64 + launch.dynamic_shared_bytes as u64;
    if shared > MAX_SHARED {
        return refuse(format!("{shared} bytes of shared memory; at most {MAX_SHARED} are possible"));
    }
    let local = program.local_bytes as u64 * product(launch.block);
    if local > MAX_LOCAL {
        return refuse(format!(
            "{local} bytes of local memory in a block; at most {MAX_LOCAL} are possible here"
        ));
    }
    if launch.params.len() != program.parameters.len() {
        let (has, got) = (program.parameters.len(), launch.params.len());
        return refuse(format!("`{name}` has {has} parameters and the launch gives {got}"));
    }
    let Some(storage) = Storage::new(program.parameter_bytes as usize) else {
        return refuse(format!("the host has no memory for {} bytes of parameters", program.parameter_bytes));
    };
    for (parameter, bytes) in program.parameters.iter().zip(&launch.params) {
        if bytes.len() != parameter.bytes as usize {
            return refuse(format!(
                "parameter `{}` has {} bytes and the launch gives {}",
                parameter.name,
                parameter.bytes,
                bytes.len()
            ));
        }
        if let Some(span) = storage.span(parameter.offset as u64, parameter.bytes) {
            for (i, byte) in bytes.iter().enumerate() {
                span.write(i, 1, *byte as u64);
            }
            span.mark(parameter.bytes);
        }
    }
    Ok(storage)
}

/// What clusters printed, as far as there is room for it.
fn joined<'t>(texts: impl Iterator<Item = &'t String>) -> String {
    let mut all = String::new();
    for text in texts {
        let room = print::LARGEST - all.len();
        let cut = (0..=text.len().min(room)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        all.push_str(&text[..cut]);
    }
    all
}

/// What workers told.
struct Told<'l> {
    program: &'l Program,
    /// Of the lowest cluster that has one.
    fault: Option<(u64, Fault)>,
    executed: Vec<u64>,
    counters: Counters,
    printed: BTreeMap<u64, String>,
    /// Where clusters stood when they were interrupted.
    standing: BTreeMap<u64, String>,
    findings: Findings,
}

/// Blocks whose warps an interruption names.
const MOST_STANDING: usize = 32;

impl Told<'_> {
    /// An interruption, in words.
    fn interruption(&self, blocks: u64, done: u64) -> String {
        let mut text = format!("{done} of {blocks} blocks are done; under way are");
        for standing in self.standing.values().take(MOST_STANDING) {
            text += &format!("\n  {standing}");
        }
        if self.standing.len() > MOST_STANDING {
            text += &format!("\n  and {} more are under way", self.standing.len() - MOST_STANDING);
        }
        text
    }
}

impl Told<'_> {
    /// What became of the launch.
    fn report(
        mut self,
        profile: bool,
        (blocks, done): (u64, u64),
        text_of: impl Fn(&Inst) -> String,
    ) -> Result<Report, Fault> {
        if let Some((index, mut fault)) = self.fault.take() {
            // Which of the later clusters ran at all is the host's doing.
            fault.printed = joined(self.printed.range(..=index).map(|(_, text)| text));
            fault.findings = std::mem::take(&mut self.findings).list(Some(index));
            if let FaultKind::Interrupted(_) = fault.kind {
                fault.kind = FaultKind::Interrupted(self.interruption(blocks, done));
            }
            return Err(fault);
        }
        let findings = std::mem::take(&mut self.findings).list(None);
        let mut report = Report { printed: joined(self.printed.values()), findings, ..Report::default() };
        if profile {
            report.profile = Some(Profile::new(self.program, &self.executed, &self.counters, text_of));
        }
        for (inst, count) in self.program.code.iter().zip(self.executed) {
            if let Some(opcode) = inst.opcode
                && count != 0
            {
                report.instructions += count;
                *report.by_opcode.entry(opcode).or_default() += count;
            }
        }
        Ok(report)
    }
}

/// One worker's way to tell.
struct Teller<'t, 'l> {
    told: &'t Mutex<Told<'l>>,
    /// Room for what it still prints: what its earlier clusters printed comes first.
    room: usize,
}

impl<'l> Teller<'_, 'l> {
    fn told(&self) -> MutexGuard<'_, Told<'l>> {
        self.told.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Listener for Teller<'_, '_> {
    fn fault(&mut self, index: u64, found: Fault) {
        let fault = &mut self.told().fault;
        if fault.as_ref().is_none_or(|(other, _)| index < *other) {
            *fault = Some((index, found));
        }
    }

    fn printed(&mut self, index: u64, text: String) {
        if self.room > 0 {
            self.room = self.room.saturating_sub(text.len());
            self.told().printed.insert(index, text);
        }
    }

    fn found(&mut self, index: u64, found: Vec<(Key, Fault, u64)>) {
        if !found.is_empty() {
            self.told().findings.add(index, found);
        }
    }

    fn interrupted(&mut self, index: u64, standing: String) {
        self.told().standing.insert(index, standing);
    }
}

/// Runs every block of a launch.
///
/// Clusters are handed out in order, and when some fault the one with the lowest index is reported, so that the
/// outcome does not depend on how the host schedules its threads.
pub(crate) fn launch(
    program: &Program,
    memory: &mut Memory,
    globals: &[u64],
    launch: &Launch,
    options: &Options,
    text_of: impl Fn(&Inst) -> String,
) -> Result<Report, Fault> {
    let params = parameters(program, launch)?;
    let workspace = match launch.cooperative {
        true => Some(cooperative::workspace(memory).map_err(|error| Fault::launch(error.to_string()))?),
        false => None,
    };
    let report = run(program, memory, (&params, globals, workspace), launch, options, text_of);
    if let Some(workspace) = workspace {
        // It was allocated above.
        let _ = memory.free(workspace);
    }
    report
}

/// Runs a launch that fits its kernel.
fn run(
    program: &Program,
    memory: &Memory,
    (params, globals, workspace): (&Storage, &[u64], Option<u64>),
    launch: &Launch,
    options: &Options,
    text_of: impl Fn(&Inst) -> String,
) -> Result<Report, Fault> {
    let setting = Setting {
        program,
        memory,
        params,
        globals,
        grid: launch.grid,
        block: launch.block,
        cluster: cluster_of(program, launch),
        shared_bytes: match launch.dynamic_shared_bytes {
            0 => program.shared_bytes,
            dynamic => program.dynamic_shared + dynamic,
        },
        dynamic_shared_bytes: launch.dynamic_shared_bytes,
        policy: options.policy,
        warp_order: options.warp_order,
        product_sums: options.product_sums,
        sanitize: options.sanitize,
        programmatic: launch.programmatic,
        keep_going: options.keep_going,
        profile: options.profile,
        workspace,
    };
    let clusters: u64 = (0..3).map(|i| (launch.grid[i] / setting.cluster[i]) as u64).product();
    let blocks = clusters * setting.blocks() as u64;
    let (cost, room) = (setting.cost(), memory.room());
    if cost > room {
        return Err(Fault::launch(format!(
            "{} of `{}` take about {cost} bytes of the host's memory, and {room} are left: allow more (`--memory`, \
             `Memory::with_limit`)",
            if setting.blocks() == 1 { "the registers and memory of a block" } else { "those of a cluster" },
            program.name
        )));
    }
    if workspace.is_some() {
        cooperative::check(&setting, clusters, room)?;
    }
    if let Some(monitor) = &options.monitor {
        monitor.begin(blocks);
    }
    let cores = rayon::current_num_threads();
    let threads = match (options.threads, options.warp_order) {
        (_, WarpOrder::Random(_)) => 1,
        (0, _) => cores,
        (threads, _) => threads.min(cores),
    };
    let threads = (threads as u64).min(clusters).min(room / cost.max(1)).max(1);
    let ledger = Ledger::new(clusters, options.instruction_budget);
    let told = Mutex::new(Told {
        program,
        fault: None,
        executed: vec![0u64; program.code.len()],
        counters: Counters::new(program),
        printed: BTreeMap::new(),
        standing: BTreeMap::new(),
        findings: Findings::default(),
    });
    let work = || {
        let mut teller = Teller { told: &told, room: print::LARGEST };
        let mut worker = Worker::new(&setting, &ledger, options.monitor.as_ref(), (threads, room));
        worker.run(&mut teller);
        let mut told = teller.told();
        worker.executed(&mut told.executed);
        if options.profile {
            worker.counters(&mut told.counters);
        }
    };
    if threads <= 1 {
        work();
    } else {
        rayon::scope(|scope| (0..threads).for_each(|_| scope.spawn(|_| work())));
    }
    let told = told.into_inner().unwrap_or_else(|e| e.into_inner());
    let done = options.monitor.as_ref().map_or(0, |monitor| monitor.progress().0);
    told.report(options.profile, (blocks, done), text_of)
}
