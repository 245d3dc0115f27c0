//! What a kernel is after decoding: a flat list of instructions over dense register rows.
//!
//! One program holds one entry and every function it calls, callees first, so that a lower program counter is
//! always the deeper one. All names are gone: registers are rows of the warp's register file, constants and
//! special registers are rows that are filled before the first instruction, labels are indices. The
//! registers and frames of functions are laid out once, side by side; calls that recurse put them away.

mod call;
mod flow;
mod matrix;
mod memory;
mod sync;

use crate::address::Space;
use crate::alu::lanes::{MaskFn, RowFn};
use crate::alu::video::{Video, VideoMad};
use flashpage_ptx::ast::Axis;
use flashpage_ptx::words::{Opcode, Special};
use hashbrown::HashMap;

pub use call::*;
pub use matrix::*;
pub use memory::*;
pub use sync::*;

/// First row of a register in the warp's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reg(pub u32);

/// A predicate register: a mask of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pred(pub u32);

/// The predicate that is always true.
pub const TRUE: Pred = Pred(0);
/// Carry between extended-precision instructions.
pub const CARRY: Pred = Pred(1);

/// A predicate as an operand.
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    /// Which
    pub pred: Pred,
    /// `!p`
    pub negated: bool,
}

/// The condition that always holds.
pub const ALWAYS: Condition = Condition { pred: TRUE, negated: false };

/// One step of a program.
#[derive(Debug)]
pub struct Inst {
    /// What it does.
    pub op: Op,
    /// In which lanes.
    pub guard: Condition,
    /// Line of the PTX text.
    pub line: u32,
    /// How many instructions come before it in that line.
    pub nth: u32,
    /// For counting; `None` for a further step of the instruction before.
    pub opcode: Option<Opcode>,
    /// What it touches, for the check of never-written registers: ranges of [`Program::operands`].
    pub reads: (u32, u32),
    /// Likewise, written.
    pub writes: (u32, u32),
    /// Whether it touches a register that some `wgmma` of the program holds while it runs.
    pub touches_product: bool,
}

/// A register that an instruction reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Touch {
    /// An ordinary one.
    Row(Reg),
    /// A predicate.
    Pred(Pred),
}

/// How predicates combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Logic {
    And,
    Or,
    Xor,
}

impl Logic {
    /// On masks.
    pub fn apply(self, a: u32, b: u32) -> u32 {
        match self {
            Logic::And => a & b,
            Logic::Or => a | b,
            Logic::Xor => a ^ b,
        }
    }
}

/// `shfl` modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

/// `vote` modes with a predicate result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Vote {
    All,
    Any,
    Uni,
}

/// A video instruction.
#[derive(Clone, Copy, Debug)]
pub enum VideoForm {
    /// Of one lane or several.
    Lanes(Video),
    /// `vmad`
    Mad(VideoMad),
}

/// What an instruction does.
pub enum Op {
    /// A pure function of up to four registers.
    Alu { run: RowFn, d: Reg, a: Reg, b: Reg, c: Reg, e: Reg, wide: bool },
    /// `d = (a ? b) combined with c`, and for `d|q` also its opposite.
    Compare { run: MaskFn, a: Reg, b: Reg, d: Pred, q: Option<Pred>, combine: Option<(Logic, Condition)> },
    /// A comparison into a register.
    SetRow { run: MaskFn, a: Reg, b: Reg, d: Reg, truth: u32, combine: Option<(Logic, Condition)> },
    /// `d = p ? a : b`
    Select { d: Reg, a: Reg, b: Reg, p: Condition, wide: bool },
    /// Logic of predicates.
    Predicate { d: Pred, a: Condition, b: Condition, logic: Logic },
    /// `add.cc`, `addc`, `sub.cc`, `subc`
    Carry { d: Reg, a: Reg, b: Reg, wide: bool, subtract: bool, carry_in: bool, carry_out: bool },
    /// `vadd4` and its relatives
    Video { form: Box<VideoForm>, d: Reg, a: Reg, b: Reg, c: Reg },
    /// `%envreg1` and `%envreg2`: the upper and the lower half of the address of the grid's barrier.
    GridWorkspace { d: Reg, upper: bool, wide: bool },
    /// The warp's instruction count.
    Clock { d: Reg, wide: bool },
    /// `ld`
    Load(Box<Access>),
    /// `st`
    Store(Box<Access>),
    /// `atom`, `red`
    Atomic(Box<Atomic>),
    /// `atom.b128`
    AtomicQuad(Box<AtomicQuad>),
    /// `bra`
    Branch { target: u32 },
    /// `brx.idx`
    BranchIndexed { index: Reg, targets: Box<[u32]> },
    /// `call`
    Call(Box<Call>),
    /// Results of a call, after it.
    Results(Box<[Move]>),
    /// A call of a function that is being called, or may be.
    Recurse(Box<Recursion>),
    /// Results of such a call, after it.
    Unwind(Box<Unwind>),
    /// `alloca` and its relatives
    Stack(StackOp),
    /// `vprintf`
    Print(Box<Print>),
    /// `__assertfail`
    AssertFail(Box<AssertFail>),
    /// A call through a register that holds none of the functions that it could.
    NoTarget { target: Reg },
    /// `ret` from a function.
    Return { way_back: Reg },
    /// `exit`, or `ret` from the entry.
    Exit,
    /// `trap`
    Trap,
    /// `shfl`
    Shuffle { mode: Shuffle, d: Reg, p: Option<Pred>, a: Reg, b: Reg, c: Reg, members: Reg },
    /// `vote.all/any/uni`
    Vote { mode: Vote, d: Pred, a: Condition, members: Reg },
    /// `vote.ballot`
    Ballot { d: Reg, a: Condition, members: Reg },
    /// `match.any`, and `match.all` with its predicate
    Match { d: Reg, all: Option<Option<Pred>>, a: Reg, wide: bool, members: Reg },
    /// `redux`
    Redux { d: Reg, a: Reg, fold: fn(u32, u32) -> u32, members: Reg },
    /// `activemask`
    ActiveMask { d: Reg },
    /// `elect`
    Elect { d: Option<Reg>, p: Pred, members: Reg },
    /// `bar`, `barrier`
    Barrier(Box<Barrier>),
    /// `bar.warp.sync`
    WarpSync { members: Reg },
    /// `ldmatrix`
    LoadMatrix(Box<MatrixAccess>),
    /// `stmatrix`
    StoreMatrix(Box<MatrixAccess>),
    /// `movmatrix`
    MoveMatrix { d: Reg, a: Reg },
    /// `mma`
    MatrixProduct(Box<MatrixProduct>),
    /// `mma`, `wmma.mma`
    TileProduct(Box<TileProduct>),
    /// `wmma.load`
    LoadTile(Box<TileAccess>),
    /// `wmma.store`
    StoreTile(Box<TileAccess>),
    /// `cp.async`
    AsyncCopy(Box<AsyncCopy>),
    /// `cp.async.commit_group`
    CommitGroup,
    /// `cp.async.wait_group`, `wait_all`: at most so many groups may be pending.
    WaitGroup { pending: u32 },
    /// `cp.async.mbarrier.arrive`: the mbarrier gets an arrival when the thread's copies before it have landed.
    CopyArrive { at: Address, space: Space, no_increment: bool },
    /// `cp.async.bulk`
    BulkCopy(Box<BulkCopy>),
    /// `cp.async.bulk.tensor`
    TensorCopy(Box<TensorCopy>),
    /// `cp.async.bulk.commit_group`
    BulkCommit,
    /// `cp.async.bulk.wait_group`: at most so many groups may be pending, or with `.read` may still read.
    BulkWait { pending: u32, read: bool },
    /// `st.async`, `red.async`
    AsyncStore(Box<AsyncStore>),
    /// `mbarrier`
    Mbarrier(Box<Mbarrier>),
    /// `wgmma.fence`
    WarpgroupFence,
    /// `wgmma.mma_async`
    WarpgroupProduct(Box<WarpgroupProduct>),
    /// `wgmma.commit_group`
    WarpgroupCommit,
    /// `wgmma.wait_group`
    WarpgroupWait { pending: u32 },
    /// `barrier.cluster`
    ClusterBarrier(ClusterBarrier),
    /// `fence.proxy.async` of shared memory, alone or with other spaces.
    ProxyFence,
    /// `tensormap.replace`
    TensorMapField(Box<TensorMapField>),
    /// `tensormap.cp_fenceproxy`: copies a tensor map of so many bytes from shared to global memory.
    TensorMapCopy { to: Address, from: Address, bytes: u32 },
    /// `fence`, `membar`: between threads.
    Fence,
    /// `griddepcontrol.wait`
    GridDependencyWait,
    /// Prefetches, hints, fences of proxies that are not looked at.
    Nothing,
    /// Gives other warps a turn.
    Pause,
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Op")
    }
}

/// A value that a row holds from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Constant {
    /// Known.
    Value(u64),
    /// Address of a module variable plus an offset.
    Global(usize, i64),
    /// Address in the block's shared memory.
    Shared(u32),
    /// Address in the dynamic part of shared memory.
    DynamicShared(i64),
}

/// One kernel parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Bytes from the start of the parameter block.
    pub offset: u32,
    /// Bytes.
    pub bytes: u32,
    /// Bytes.
    pub align: u32,
}

/// One entry with everything it calls.
#[derive(Debug, Default)]
pub struct Program {
    /// The entry's name.
    pub name: String,
    /// Instructions, callees first.
    pub code: Vec<Inst>,
    /// First instruction of the entry.
    pub start: u32,
    /// Rows of the register file.
    pub rows: u32,
    /// Every register, and whether it has 64 bits.
    pub registers: Vec<(Reg, bool)>,
    /// Predicate registers.
    pub preds: u32,
    /// Rows with constants; the flag says 64 bits.
    pub constants: Vec<(Reg, Constant, bool)>,
    /// Rows with special registers; the flag says 64 bits.
    pub specials: Vec<(Reg, Special, Option<Axis>, bool)>,
    /// What instructions touch.
    pub operands: Vec<Touch>,
    /// Parameters of the entry.
    pub parameters: Vec<Parameter>,
    /// Bytes of the parameter block.
    pub parameter_bytes: u32,
    /// Bytes of local memory of a thread, frames included.
    pub local_bytes: u32,
    /// Where the thread's stack begins in it.
    pub stack_start: u32,
    /// Whether there is one.
    pub uses_stack: bool,
    /// Bytes of shared memory that the module declares.
    pub shared_bytes: u32,
    /// Where dynamic shared memory begins.
    pub dynamic_shared: u32,
    /// What the text calls each register.
    pub names: HashMap<Reg, String>,
    /// What the text calls each predicate.
    pub predicate_names: HashMap<Pred, String>,
    /// `.reqntid`
    pub required_block: Option<[u32; 3]>,
    /// `.maxntid`, as a number of threads.
    pub max_threads: Option<u32>,
    /// `.reqnctapercluster`
    pub required_cluster: Option<[u32; 3]>,
}
