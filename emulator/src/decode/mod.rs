//! From a parsed module ([`Source`]) to [`Program`]s, one for each entry.
//!
//! Everything that can be known before running is settled here, once: registers become rows, names become
//! numbers, words become kernels. What this emulator does not run is an error here, with its line, and never
//! a surprise half way through a launch. An entry answers for what it calls, and for what its own addresses of functions
//! lead to; a function that only a stray address could lead to is left out where it cannot run.

mod arithmetic;
mod bulk;
mod cache;
mod cluster;
mod collective;
mod control;
mod function;
mod graph;
mod mbarrier;
mod memory;
mod operand;
mod polls;
mod quad;
mod source;
mod tile;
mod video;
mod warpgroup;

use crate::alu::lanes::Kernel;
use crate::program::{CARRY, Condition, Constant, Inst, Op, Pred, Program, Reg, TRUE, Touch};
use flashpage_ptx::ParseError;
use flashpage_ptx::ast::{self, Function, Instruction, Name};
use flashpage_ptx::words::{Opcode, Space, Special, Type, Word};
use hashbrown::{HashMap, HashSet};

pub use function::FunctionTable;
pub(crate) use function::{variable_align, variable_bytes};
pub use source::Source;

/// Bytes of a thread's stack, for calls that recurse and for `alloca`. The runtime's own default is 1 KiB.
const STACK: u32 = 16 << 10;
/// Steps of a program, so that what calls multiply stays in the host's memory. The largest kernels that compilers make
/// have a hundredth of it.
const MAX_CODE: usize = 1 << 22;

/// Why an instruction could not be decoded.
#[derive(Debug)]
pub enum Fail {
    /// It means something, but not here.
    Unsupported,
    /// It does not hold together.
    Invalid(String),
    /// It is not PTX.
    Unread(ParseError),
}

/// A failure and where it happened.
#[derive(Debug)]
pub struct Located {
    /// Line of the text.
    pub line: u32,
    /// How many instructions come before it in that line.
    pub nth: u32,
    /// The function that it stands in.
    pub function: Name,
    /// Why.
    pub fail: Fail,
}

type Result<T, E = Fail> = std::result::Result<T, E>;

/// An error that says what is wrong.
fn invalid<T>(message: impl Into<String>) -> Result<T> {
    Err(Fail::Invalid(message.into()))
}

/// What a name stands for.
enum Binding {
    /// A register.
    Register(Declared),
    /// A variable.
    Variable(Place),
    /// Targets of an indexed branch.
    Targets(Vec<Name>),
}

/// What a declaration says of its registers.
#[derive(Clone, Copy)]
struct Declared {
    /// Which declaration it was.
    number: usize,
    ty: Type,
    vector: Option<u32>,
}

/// Where a variable lies.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// A module variable in global or constant memory.
    Global(usize),
    /// At this offset of shared memory.
    Shared(u32),
    /// At the start of dynamic shared memory.
    DynamicShared,
    /// At this offset of the thread's memory.
    Local(u32),
    /// At this offset of the kernel's parameters.
    Parameter(u32),
    /// A parameter of a function or an argument of a call: at this offset of the thread's memory, so long.
    Frame(u32, u32),
}

/// A braced block.
#[derive(Default)]
struct Scope {
    names: HashMap<Name, Binding>,
    /// Registers `stem0` to `stem(count - 1)`, by their stem, which may be a name of its own as well.
    families: HashMap<Name, (Declared, u32)>,
    labels: HashMap<Name, u32>,
    fixups: Vec<Fixup>,
}

/// A branch whose label is not known yet.
struct Fixup {
    inst: usize,
    slot: usize,
    label: Name,
    line: u32,
    nth: u32,
}

/// Decodes one entry.
struct Decoder<'m> {
    source: &'m Source,
    /// Functions that the entry answers for, and those that are not there for it.
    needed: HashSet<usize>,
    left_out: HashSet<usize>,
    /// Those of the others that turned out not to run.
    broken: Vec<usize>,
    /// The one that is being decoded.
    function: Name,
    table: FunctionTable,
    /// Functions that calls through registers were held against.
    considered: usize,
    program: Program,
    scopes: Vec<Scope>,
    declarations: usize,
    registers: HashMap<(usize, u32, u32), u32>,
    constants: HashMap<(Constant, bool), Reg>,
    specials: HashMap<(Special, Option<ast::Axis>, bool), Reg>,
    /// Narrow ones, and wide ones.
    scratch: [Vec<Reg>; 2],
    scratch_used: [usize; 2],
    reads: Vec<Touch>,
    writes: Vec<Touch>,
    /// The instruction that is being decoded.
    line: u32,
    nth: u32,
    opcode: Option<Opcode>,
    guard: Condition,
    /// Whether `nth` counts instructions of `line` already.
    in_line: bool,
    /// Scopes of functions that were announced: their parameters.
    heads: HashMap<Name, Scope>,
    /// Functions that the one being decoded may call in a circle, itself included, if it recurses.
    members: HashSet<Name>,
    /// Where the frame of this call begins, while functions that recurse are decoded.
    frame: Option<Reg>,
    /// The largest alignment in the thread's memory.
    frame_align: u32,
    /// Instructions that are to learn the extent of their region.
    recursions: Vec<usize>,
    /// Calls whose callee may not have its place yet.
    calls: Vec<(usize, Name)>,
    /// Row with the top of the stack when the function began, where it takes from it.
    stack_at_entry: Option<Reg>,
    /// Row of the way back, while a function that is not the entry is decoded.
    way_back: Option<Reg>,
}

/// Decodes the entry of this number.
///
/// # Errors
/// The first thing in the entry, or in a function that it needs, that is not supported.
pub fn decode(source: &Source, number: usize, entry: &Function) -> Result<Program, Located> {
    let needed = source.graph.needs(number).map_err(|(line, callee)| {
        let fail = Fail::Invalid(format!("`{callee}` has no body here"));
        Located { line, nth: 0, function: entry.name.clone(), fail }
    })?;
    let mut left_out = HashSet::new();
    loop {
        let mut decoder = Decoder::new(source, entry, needed.clone(), left_out);
        let done = decoder.run(number);
        done.map_err(|fail| {
            let (line, nth) = match &fail {
                Fail::Unread(error) => (error.line, 0),
                _ => (decoder.line, decoder.nth),
            };
            Located { line, nth, function: decoder.function.clone(), fail }
        })?;
        if decoder.broken.is_empty() {
            return Ok(decoder.program);
        }
        // Once more without them, and without whoever calls them by name.
        left_out = decoder.left_out;
        left_out.extend(source.graph.callers(decoder.broken));
    }
}

impl<'m> Decoder<'m> {
    fn new(
        source: &'m Source,
        entry: &Function,
        needed: HashSet<usize>,
        left_out: HashSet<usize>,
    ) -> Decoder<'m> {
        Decoder {
            source,
            needed,
            left_out,
            broken: Vec::new(),
            function: entry.name.clone(),
            table: FunctionTable::default(),
            considered: 0,
            program: Program { name: entry.name.to_string(), preds: CARRY.0 + 1, ..Program::default() },
            scopes: vec![Scope::default()],
            declarations: 0,
            registers: HashMap::new(),
            constants: HashMap::new(),
            specials: HashMap::new(),
            scratch: Default::default(),
            scratch_used: [0; 2],
            reads: Vec::new(),
            writes: Vec::new(),
            line: entry.line,
            nth: 0,
            opcode: None,
            guard: Condition { pred: TRUE, negated: false },
            in_line: false,
            heads: HashMap::new(),
            members: HashSet::new(),
            frame: None,
            frame_align: 1,
            recursions: Vec::new(),
            calls: Vec::new(),
            stack_at_entry: None,
            way_back: None,
        }
    }

    fn run(&mut self, entry: usize) -> Result<()> {
        // Rows that every program has: one to write what nobody reads.
        self.program.rows = 2;
        for group in self.source.graph.callees_first(entry, &self.left_out) {
            self.group(&group)?;
        }
        if !self.broken.is_empty() {
            return Ok(());
        }
        for (at, name) in std::mem::take(&mut self.calls) {
            let start = self.table.callees.get(&name).map_or(0, |callee| callee.start);
            match &mut self.program.code[at].op {
                Op::Call(call) => call.target = start,
                Op::Recurse(call) => call.target = start,
                _ => {}
            }
        }
        self.program.stack_start = self.program.local_bytes.next_multiple_of(16);
        if self.program.uses_stack {
            self.program.local_bytes = self.program.stack_start + STACK;
        }
        self.program.dynamic_shared = self.program.shared_bytes.next_multiple_of(128);
        self.mark_products();
        polls::mark(&mut self.program);
        Ok(())
    }

    /// Notes which instructions touch the registers of a `wgmma`.
    fn mark_products(&mut self) {
        let mut held = HashSet::new();
        for inst in &self.program.code {
            if let Op::WarpgroupProduct(product) = &inst.op {
                held.extend(product.registers());
            }
        }
        if held.is_empty() {
            return;
        }
        let operands = &self.program.operands;
        let touches = |(from, to): (u32, u32)| {
            let mut range = operands[from as usize..to as usize].iter();
            range.any(|touch| matches!(touch, Touch::Row(reg) if held.contains(reg)))
        };
        for inst in &mut self.program.code {
            let is_product = matches!(inst.op, Op::WarpgroupProduct(_));
            inst.touches_product = !is_product && (touches(inst.reads) || touches(inst.writes));
        }
    }

    /// Appends an instruction that touches what was resolved since the last one.
    fn emit(&mut self, op: Op) -> usize {
        let range = |touches: &mut Vec<Touch>, all: &mut Vec<Touch>| {
            let start = all.len() as u32;
            all.append(touches);
            (start, all.len() as u32)
        };
        if self.guard.pred != TRUE {
            self.reads.push(Touch::Pred(self.guard.pred));
        }
        let reads = range(&mut self.reads, &mut self.program.operands);
        let writes = range(&mut self.writes, &mut self.program.operands);
        let opcode = self.opcode.take();
        self.program.code.push(Inst {
            op,
            guard: self.guard,
            line: self.line,
            nth: self.nth,
            opcode,
            reads,
            writes,
            touches_product: false,
        });
        self.program.code.len() - 1
    }

    /// Appends a kernel over registers that were already resolved.
    fn emit_kernel(&mut self, kernel: Kernel, d: Reg, sources: &[Reg]) {
        let at = |i: usize| sources.get(i).copied().unwrap_or(Reg(0));
        let op =
            Op::Alu { run: kernel.run, d, a: at(0), b: at(1), c: at(2), e: at(3), wide: kernel.out == 2 };
        self.emit(op);
    }

    /// A register for a value inside one instruction. Lanes may part between the steps of one, so the same register
    /// is never used with both widths: a row's lanes would not be where those of the pair of rows are.
    fn scratch(&mut self, wide: bool) -> Reg {
        let used = self.scratch_used[wide as usize];
        if used == self.scratch[wide as usize].len() {
            let reg = self.new_row(wide);
            self.scratch[wide as usize].push(reg);
        }
        self.scratch_used[wide as usize] += 1;
        self.scratch[wide as usize][used]
    }

    fn new_row(&mut self, wide: bool) -> Reg {
        let reg = Reg(self.program.rows);
        self.program.rows += 1 + wide as u32;
        self.program.registers.push((reg, wide));
        reg
    }

    fn new_pred(&mut self) -> Pred {
        let pred = Pred(self.program.preds);
        self.program.preds += 1;
        pred
    }

    /// Whether there is room for what calls multiply.
    fn check_size(&self) -> Result<()> {
        if self.program.code.len() > MAX_CODE || self.considered > 4 * MAX_CODE {
            return invalid(format!(
                "more than {MAX_CODE} instructions in one kernel and all that it may call"
            ));
        }
        Ok(())
    }

    fn instruction(&mut self, inst: &Instruction) -> Result<()> {
        self.check_size()?;
        self.nth = if self.line == inst.line && self.in_line { self.nth + 1 } else { 0 };
        (self.line, self.in_line) = (inst.line, true);
        self.opcode = Some(inst.op);
        self.scratch_used = [0; 2];
        self.reads.clear();
        self.writes.clear();
        self.guard = match &inst.guard {
            None => Condition { pred: TRUE, negated: false },
            Some(guard) => {
                Condition { pred: self.named_predicate(&guard.predicate)?, negated: guard.negated }
            }
        };
        self.reads.clear();
        match inst.op {
            Opcode::Cp if inst.has(Word::Bulk) => self.bulk(inst),
            Opcode::Cp if inst.has(Word::Mbarrier) => self.copy_arrive(inst),
            Opcode::St | Opcode::Red if inst.has(Word::Async) => {
                self.async_store(inst, inst.op == Opcode::Red)
            }
            Opcode::Mbarrier => self.mbarrier(inst),
            Opcode::Barrier if inst.has(Word::Cluster) => self.cluster_barrier(inst),
            Opcode::Membar | Opcode::Fence => self.fence(inst),
            Opcode::Isspacep if matches!(inst.space(), Some(Space::Shared | Space::SharedCta)) => {
                self.is_own_shared(inst)
            }
            Opcode::Setmaxnreg => self.set_max_registers(inst),
            Opcode::Wgmma => self.warpgroup(inst),
            Opcode::Tensormap => self.tensor_map(inst),
            Opcode::Ld | Opcode::Ldu | Opcode::St | Opcode::Atom | Opcode::Red | Opcode::Cp => {
                self.memory(inst)
            }
            Opcode::Cvta | Opcode::Isspacep | Opcode::Mapa | Opcode::Getctarank => self.addresses(inst),
            Opcode::Bra
            | Opcode::Brx
            | Opcode::Call
            | Opcode::Ret
            | Opcode::Exit
            | Opcode::Trap
            | Opcode::Brkpt
            | Opcode::Alloca
            | Opcode::Stacksave
            | Opcode::Stackrestore => self.control(inst),
            Opcode::Shfl
            | Opcode::Vote
            | Opcode::Match
            | Opcode::Redux
            | Opcode::Activemask
            | Opcode::Elect
            | Opcode::Bar
            | Opcode::Barrier
            | Opcode::Ldmatrix
            | Opcode::Stmatrix
            | Opcode::Movmatrix
            | Opcode::Mma => self.collective(inst),
            Opcode::Wmma => self.wmma(inst),
            Opcode::Vmad => self.video_mad(inst),
            op if op.as_str().starts_with('v') && op != Opcode::Vote => self.video(inst),
            Opcode::Prefetch if inst.has(Word::Tensormap) => self.prefetch_map(inst),
            Opcode::Prefetch
            | Opcode::Prefetchu
            | Opcode::Applypriority
            | Opcode::Discard
            | Opcode::Pmevent => {
                self.emit(Op::Nothing);
                Ok(())
            }
            Opcode::Griddepcontrol => {
                // Dependents begin once this launch has ended.
                self.emit(if inst.has(Word::Wait) { Op::GridDependencyWait } else { Op::Nothing });
                Ok(())
            }
            Opcode::Nanosleep => {
                self.emit(Op::Pause);
                Ok(())
            }
            _ => self.arithmetic(inst),
        }
    }
}
