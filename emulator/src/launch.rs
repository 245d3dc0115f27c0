//! A launch: what is asked for, whether it fits the kernel, and its blocks spread over the host's cores.

use crate::exec::asynchrony::AsyncPolicy;
use crate::exec::block::Setting;
use crate::exec::counters::Counters;
use crate::exec::print;
use crate::exec::schedule::Schedule;
use crate::exec::worker::Worker;
use crate::fault::Fault;
use crate::findings::{Finding, Findings};
use crate::memory::{Memory, Storage};
use crate::profile::Profile;
use crate::program::{Inst, Program};
use crate::sanitize::Sanitize;
use flashpage_ptx::words::Opcode;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
    pub schedule: Schedule,
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
    /// Instructions of warps, over the whole launch, after which it is given up.
    pub instruction_budget: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            policy: AsyncPolicy::Eager,
            schedule: Schedule::InOrder,
            sanitize: Sanitize::NONE,
            keep_going: false,
            profile: false,
            threads: 0,
            instruction_budget: 1 << 36,
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
    let storage = Storage::new(program.parameter_bytes as usize);
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

/// Runs every block of a launch.
///
/// Clusters are handed out in order, and when some fault the one with the lowest index is reported, so that the
/// outcome does not depend on how the host schedules its threads.
pub(crate) fn launch(
    program: &Program,
    memory: &Memory,
    globals: &[u64],
    launch: &Launch,
    options: &Options,
    text_of: impl Fn(&Inst) -> String,
) -> Result<Report, Fault> {
    let params = parameters(program, launch)?;
    let setting = Setting {
        program,
        memory,
        params: &params,
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
        schedule: options.schedule,
        sanitize: options.sanitize,
        keep_going: options.keep_going,
        profile: options.profile,
    };
    let clusters = (0..3).map(|i| (launch.grid[i] / setting.cluster[i]) as u64).product();
    let next = AtomicU64::new(0);
    let spent = AtomicU64::new(0);
    // Index of the lowest cluster that faulted, which is also where to stop.
    let stop_at = AtomicU64::new(clusters);
    let fault = Mutex::new(None::<(u64, Fault)>);
    let executed = Mutex::new(vec![0u64; program.code.len()]);
    let counters = Mutex::new(Counters::new(program));
    let printed = Mutex::new(BTreeMap::new());
    let findings = Mutex::new(Findings::default());
    let work = || {
        let mut room = print::LARGEST;
        let spend = |n: u64| {
            let total = spent.fetch_add(n, Relaxed) + n;
            (total > options.instruction_budget).then_some(options.instruction_budget)
        };
        let take = || {
            let index = next.fetch_add(1, Relaxed);
            (index < stop_at.load(Relaxed)).then_some(index)
        };
        let mut worker = Worker::new(&setting);
        worker.run(
            &take,
            &spend,
            &stop_at,
            &|index, found| findings.lock().unwrap_or_else(|e| e.into_inner()).add(index, found),
            &mut |index, found| {
                stop_at.fetch_min(index, Relaxed);
                let mut fault = fault.lock().unwrap_or_else(|e| e.into_inner());
                if fault.as_ref().is_none_or(|(other, _)| index < *other) {
                    *fault = Some((index, found));
                }
            },
            &mut |index, text| {
                // What this worker's earlier clusters printed comes first, and may have used up the room.
                if room > 0 {
                    room = room.saturating_sub(text.len());
                    printed.lock().unwrap_or_else(|e| e.into_inner()).insert(index, text);
                }
            },
        );
        let mut sum = executed.lock().unwrap_or_else(|e| e.into_inner());
        worker.executed(&mut sum);
        if options.profile {
            worker.counters(&mut counters.lock().unwrap_or_else(|e| e.into_inner()));
        }
    };
    let cores = rayon::current_num_threads();
    let threads = match (options.threads, options.schedule) {
        (_, Schedule::Random(_)) => 1,
        (0, _) => cores,
        (threads, _) => threads.min(cores),
    };
    let threads = threads.min(clusters.try_into().unwrap_or(usize::MAX));
    if threads <= 1 {
        work();
    } else {
        rayon::scope(|scope| (0..threads).for_each(|_| scope.spawn(|_| work())));
    }
    let printed = printed.into_inner().unwrap_or_else(|e| e.into_inner());
    let findings = findings.into_inner().unwrap_or_else(|e| e.into_inner());
    if let Some((index, mut fault)) = fault.into_inner().unwrap_or_else(|e| e.into_inner()) {
        // Which of the later clusters ran at all is the host's doing.
        fault.printed = joined(printed.range(..=index).map(|(_, text)| text));
        fault.findings = findings.list(Some(index));
        return Err(fault);
    }
    let mut report =
        Report { printed: joined(printed.values()), findings: findings.list(None), ..Report::default() };
    let executed = executed.into_inner().unwrap_or_else(|e| e.into_inner());
    if options.profile {
        let counters = counters.into_inner().unwrap_or_else(|e| e.into_inner());
        report.profile = Some(Profile::new(program, &executed, &counters, text_of));
    }
    for (inst, count) in program.code.iter().zip(executed) {
        if let Some(opcode) = inst.opcode
            && count != 0
        {
            report.instructions += count;
            *report.by_opcode.entry(opcode).or_default() += count;
        }
    }
    Ok(report)
}
