//! What a kernel is after decoding: a flat list of instructions over dense register rows.
//!
//! One program holds one entry and every function it calls, callees first, so that a lower program counter is
//! always the deeper one. All names are gone: registers are rows of the warp's register file, constants and
//! special registers are rows that are filled before the first instruction, labels are indices. The
//! registers and frames of functions are laid out once, side by side; calls that recurse put them away.

use crate::address::Space;
use crate::alu::lanes::{MaskFn, RowFn};
use crate::alu::video::{Video, VideoMad};
use flashpage_ptx::ast::Axis;
use flashpage_ptx::words::{Opcode, Special};
use std::collections::HashMap;

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
#[derive(Clone, Copy, Debug)]
pub enum Touch {
    /// An ordinary one.
    Row(Reg),
    /// A predicate.
    Pred(Pred),
}

/// Memory access of one instruction.
#[derive(Debug)]
pub struct Access {
    /// Where.
    pub space: Space,
    /// What the address starts from.
    pub base: Address,
    /// Bytes of an element.
    pub width: u8,
    /// Whether elements narrower than their register are extended by sign.
    pub signed: bool,
    /// `.volatile`, `.relaxed` and stronger: does not race with its like.
    pub strong: bool,
    /// Register of each element, and whether it has 64 bits.
    pub elements: Box<[(Reg, bool)]>,
}

/// A register with an offset.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// The register.
    pub base: Reg,
    /// Whether it has 64 bits; an address of 32 is extended with zeros.
    pub wide: bool,
    /// Bytes added.
    pub offset: i64,
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

/// A barrier of the block.
#[derive(Debug)]
pub struct Barrier {
    /// Which of the sixteen.
    pub id: Reg,
    /// Threads that take part, where given.
    pub count: Option<Reg>,
    /// Whether the warp waits.
    pub kind: BarrierKind,
}

/// What is done at a barrier.
#[derive(Debug)]
pub enum BarrierKind {
    /// Arrive and wait.
    Sync,
    /// Arrive and go on.
    Arrive,
    /// Wait, with the number of threads whose predicate holds.
    Popc(Reg, Condition),
    /// Wait, with whether all threads' predicates hold.
    All(Pred, Condition),
    /// Wait, with whether any thread's predicate holds.
    Any(Pred, Condition),
}

/// Old value and up to two operands to the new value, as the low bits.
pub type AtomicFn = fn(u64, u64, u64) -> u64;

/// `atom` and `red`.
#[derive(Debug)]
pub struct Atomic {
    /// Where.
    pub space: Space,
    /// Address.
    pub base: Address,
    /// Bytes: 2, 4 or 8.
    pub width: u8,
    /// What the address is a multiple of: more than the width where a vector begins.
    pub align: u8,
    /// The new value.
    pub update: AtomicFn,
    /// Old value; none for `red`.
    pub d: Option<Reg>,
    /// First operand.
    pub b: Reg,
    /// Second operand of `cas`.
    pub c: Reg,
}

/// `atom.exch.b128`, `atom.cas.b128`: each value is two registers of 64 bits.
#[derive(Debug)]
pub struct AtomicQuad {
    /// Where.
    pub space: Space,
    /// Address.
    pub base: Address,
    /// Old value.
    pub d: Option<[Reg; 2]>,
    /// New value, or what the old one must be.
    pub b: [Reg; 2],
    /// New value of `cas`.
    pub c: Option<[Reg; 2]>,
}

/// `ldmatrix` and `stmatrix` of 8x8 matrices of 16-bit elements.
#[derive(Debug)]
pub struct MatrixAccess {
    /// Shared, or generic.
    pub space: Space,
    /// Row addresses, lane by lane.
    pub base: Address,
    /// One register a matrix.
    pub registers: Box<[Reg]>,
    /// Columns instead of rows.
    pub transposed: bool,
}

/// Elements of a matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Element {
    F16,
    Bf16,
    Tf32,
    S8,
    U8,
    E4m3,
    E5m2,
    /// Single bits, whose product is "and".
    B1,
}

/// `mma.sync` m16n8kK.
#[derive(Debug)]
pub struct MatrixProduct {
    /// Depth.
    pub k: u8,
    /// Elements of A.
    pub a_type: Element,
    /// Elements of B.
    pub b_type: Element,
    /// C is packed halves.
    pub half_c: bool,
    /// D is packed halves.
    pub half_d: bool,
    /// Integer accumulators are clamped.
    pub saturate: bool,
    /// Two rows of eight, depth by depth.
    pub a: [Reg; 4],
    /// Columns, depth by depth.
    pub b: [Reg; 2],
    /// Accumulator.
    pub c: [Reg; 4],
    /// Result.
    pub d: [Reg; 4],
}

/// Elements of a [`Tile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TileElement {
    F16,
    Bf16,
    Tf32,
    E4m3,
    E5m2,
    F32,
    F64,
    S32,
    S8,
    U8,
    S4,
    U4,
    B1,
}

impl TileElement {
    /// Of one element.
    pub const fn bits(self) -> u8 {
        use TileElement::*;
        match self {
            B1 => 1,
            S4 | U4 => 4,
            E4m3 | E5m2 | S8 | U8 => 8,
            F16 | Bf16 => 16,
            Tf32 | F32 | S32 => 32,
            F64 => 64,
        }
    }

    /// Elements in a register, which has 64 bits for doubles and else 32.
    pub const fn per_register(self) -> usize {
        if self.bits() == 64 { 1 } else { 32 / self.bits() as usize }
    }

    /// Whether `wmma` has factors of this type in this shape.
    pub fn in_wmma(self, shape: [u16; 3]) -> bool {
        use TileElement::*;
        let deep = matches!(shape, [16, 16, 16] | [32, 8, 16] | [8, 32, 16]);
        match self {
            F16 | Bf16 | S8 | U8 => deep,
            Tf32 => shape == [16, 16, 8],
            F64 => shape == [8, 8, 4],
            S4 | U4 => shape == [8, 8, 32],
            B1 => shape == [8, 8, 128],
            _ => false,
        }
    }

    /// Registers of a `wmma` factor: halves have eight in every shape, the others what their elements need.
    pub const fn registers(self, outer: u16, depth: u16) -> usize {
        match self {
            TileElement::F16 => 8,
            _ => outer as usize * depth as usize / (32 * self.per_register()),
        }
    }

    /// Registers of a `wmma` accumulator.
    pub const fn sum_registers(self, rows: u16, columns: u16) -> usize {
        rows as usize * columns as usize / (32 * self.per_register())
    }
}

/// Which element of a matrix each lane holds where; [`crate::exec::tile`] has the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Factors of `mma`: a group of four lanes has a row of A or a column of B.
    Groups,
    /// Accumulators of `mma`: pairs of columns.
    Pairs,
    /// m8n8k4 of halves, four products at once: a lane has one outer index, or one inner one.
    QuadFactor {
        /// the outer index is the lane's
        by_lane: bool,
    },
    /// Single-precision accumulators of those.
    QuadSum,
    /// `wmma`: elements counted off over the warp.
    Linear,
}

/// A matrix in registers.
#[derive(Debug)]
pub struct Tile {
    /// Of what.
    pub element: TileElement,
    /// In which place.
    pub layout: Layout,
    /// Rows of A, C and D; columns of B.
    pub outer: u16,
    /// Depth of A and B; columns of C and D.
    pub inner: u16,
    /// Of every lane.
    pub registers: Box<[Reg]>,
}

/// `mma` of the rarer shapes and types, and `wmma.mma`.
#[derive(Debug)]
pub struct TileProduct {
    /// First factor.
    pub a: Tile,
    /// Second factor.
    pub b: Tile,
    /// Accumulator.
    pub c: Tile,
    /// Result.
    pub d: Tile,
    /// Of doubles: `'n'`, `'z'`, `'m'` or `'p'`.
    pub rounding: char,
    /// Integer accumulators are clamped.
    pub saturate: bool,
    /// Bits are combined by `and`, else by `xor`.
    pub both: bool,
}

/// `wmma.load` and `wmma.store`.
#[derive(Debug)]
pub struct TileAccess {
    /// Where.
    pub space: Space,
    /// Of the first element.
    pub base: Address,
    /// Elements from one line to the next.
    pub stride: Reg,
    /// A line has one outer index, else one inner one.
    pub along: bool,
    /// What.
    pub tile: Tile,
}

/// `cp.async`.
#[derive(Debug)]
pub struct AsyncCopy {
    /// Shared destination.
    pub to: Address,
    /// Generic destinations are resolved first.
    pub to_space: Space,
    /// Global source.
    pub from: Address,
    /// 4, 8 or 16.
    pub bytes: u8,
    /// Bytes that are read; the rest is zero.
    pub source_bytes: Option<Reg>,
    /// Where it holds, nothing is read and zeros are written.
    pub ignore_source: Option<Condition>,
}

/// What tells that a bulk copy is complete.
#[derive(Clone, Copy, Debug)]
pub enum Completion {
    /// Bytes are counted off the transactions of this mbarrier in shared memory.
    Mbarrier(Address),
    /// The thread's bulk group that is open.
    Group,
}

/// How a bulk copy combines what it brings with what is there.
#[derive(Clone, Copy)]
pub struct Reduction {
    /// Old value and source to new value.
    pub update: AtomicFn,
    /// Bytes of an element.
    pub width: u8,
}

impl std::fmt::Debug for Reduction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reduction of {} bytes", self.width)
    }
}

/// `cp.async.bulk` and `cp.reduce.async.bulk` without a tensor map.
#[derive(Debug)]
pub struct BulkCopy {
    /// Destination; shared ones may lie in another block of the cluster.
    pub to: Address,
    /// Global or shared.
    pub to_space: Space,
    /// Source.
    pub from: Address,
    /// Global or shared.
    pub from_space: Space,
    /// How many bytes.
    pub bytes: Reg,
    /// What tells that it is complete.
    pub completion: Completion,
    /// Ranks of the blocks that get it, as 16 bits.
    pub multicast: Option<Reg>,
    /// `cp.reduce`
    pub reduction: Option<Reduction>,
    /// `.cp_mask`: which bytes of every 16 are written.
    pub byte_mask: Option<Reg>,
}

/// Which way a tensor copy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorDirection {
    /// Global to shared memory.
    Load,
    /// Shared to global memory.
    Store,
    /// Nothing but a hint to the cache; the map and coordinates are checked all the same.
    Prefetch,
}

/// `cp.async.bulk.tensor`, `cp.reduce.async.bulk.tensor`, `cp.async.bulk.prefetch.tensor`, tiled.
#[derive(Debug)]
pub struct TensorCopy {
    /// Which way.
    pub direction: TensorDirection,
    /// Generic address of the tensor map.
    pub map: Address,
    /// Coordinates of the box's first element, innermost first, as signed numbers.
    pub coordinates: Box<[Reg]>,
    /// The box in shared memory; not read for a prefetch.
    pub shared: Address,
    /// What tells that it is complete; a prefetch has none that matters.
    pub completion: Completion,
    /// Ranks of the blocks that get it, as 16 bits.
    pub multicast: Option<Reg>,
    /// `cp.reduce`, by name: the element type is the tensor map's.
    pub reduction: Option<ReductionWord>,
}

/// What a tensor reduction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ReductionWord {
    Add,
    Min,
    Max,
    Inc,
    Dec,
    And,
    Or,
    Xor,
}

/// `mbarrier.*` on an object in shared memory.
#[derive(Debug)]
pub struct Mbarrier {
    /// Where it is.
    pub at: Address,
    /// Shared, or generic.
    pub space: Space,
    /// What is done.
    pub kind: MbarrierKind,
    /// Whether writes before it are seen by who waits, and writes before an arrival by who it waits for: not so
    /// with `.relaxed`.
    pub ordered: bool,
}

/// Low bits of the state that an arrival gives: arrivals that are pending. Its phase is above them.
pub const PENDING_BITS: u32 = 20;

/// What is done with an mbarrier.
#[derive(Debug)]
pub enum MbarrierKind {
    /// `init`, with the number of arrivals.
    Init { count: Reg },
    /// `inval`
    Inval,
    /// `arrive`, `arrive_drop`, with `.expect_tx` and `.noComplete`.
    Arrive { state: Option<Reg>, count: Option<Reg>, expect: Option<Reg>, drop: bool, no_complete: bool },
    /// `expect_tx`
    Expect { bytes: Reg },
    /// `complete_tx`: nothing but the count.
    Complete { bytes: Reg },
    /// `test_wait`, and `try_wait`, which may put the thread to sleep.
    Wait { done: Pred, phase: Phase, sleeps: bool },
}

impl Mbarrier {
    /// `test_wait` or `try_wait`
    pub fn is_wait(&self) -> bool {
        matches!(self.kind, MbarrierKind::Wait { .. })
    }
}

/// Which phase of an mbarrier is waited for.
#[derive(Clone, Copy, Debug)]
pub enum Phase {
    /// The one in which an arrival gave this state.
    State(Reg),
    /// The one with this parity.
    Parity(Reg),
}

/// `st.async` and `red.async`: a store into a block of the cluster that counts off an mbarrier there.
#[derive(Debug)]
pub struct AsyncStore {
    /// Where, in shared memory of the cluster.
    pub to: Address,
    /// Bytes of an element.
    pub width: u8,
    /// Each element's register, and whether it has 64 bits.
    pub elements: Box<[(Reg, bool)]>,
    /// The mbarrier, in the same block.
    pub mbarrier: Address,
    /// `red.async`
    pub reduction: Option<Reduction>,
}

/// Where the left matrix of a warpgroup's product is.
#[derive(Clone, Copy, Debug)]
pub enum LeftMatrix {
    /// In registers, as four registers of `mma.sync`'s left fragment.
    Registers([Reg; 4]),
    /// In shared memory, by its descriptor.
    Shared(Reg),
}

/// `wgmma.mma_async` m64nNkK.
#[derive(Debug)]
pub struct WarpgroupProduct {
    /// Columns.
    pub n: u16,
    /// Depth.
    pub k: u16,
    /// Elements of A.
    pub a_type: Element,
    /// Elements of B.
    pub b_type: Element,
    /// D is packed halves.
    pub half_d: bool,
    /// Integer accumulators are clamped.
    pub saturate: bool,
    /// Accumulator, `n / 2` registers, or half as many of packed halves.
    pub d: Box<[Reg]>,
    /// Left matrix.
    pub a: LeftMatrix,
    /// Descriptor of the right matrix.
    pub b: Reg,
    /// D is added to where this holds; elsewhere it starts from zero.
    pub accumulate: Condition,
    /// `imm-scale-a` is -1.
    pub negate_a: bool,
    /// `imm-scale-b` is -1.
    pub negate_b: bool,
    /// A is stored with M contiguous.
    pub transpose_a: bool,
    /// B is stored with N contiguous.
    pub transpose_b: bool,
}

/// `barrier.cluster`
#[derive(Clone, Copy, Debug)]
pub struct ClusterBarrier {
    /// `arrive` rather than `wait`.
    pub arrives: bool,
    /// `.release` or `.acquire` rather than `.relaxed`.
    pub ordered: bool,
}

/// `tensormap.replace`: one field of a tensor map in memory.
#[derive(Debug)]
pub struct TensorMapField {
    /// Global or shared, or generic.
    pub space: Space,
    /// The map.
    pub at: Address,
    /// Which field, and for those with several which of them.
    pub field: crate::tensor_map::Field,
    /// New value.
    pub value: Reg,
    /// Whether that has 64 bits.
    pub wide: bool,
}

/// A value on its way into or out of a function.
#[derive(Clone, Copy, Debug)]
pub enum Move {
    /// From the frame to the frame.
    Bytes {
        /// offset read
        from: u32,
        /// offset written
        to: u32,
        /// how many
        count: u32,
        /// added to `from`, where frames move
        from_base: Option<Reg>,
        /// added to `to`
        to_base: Option<Reg>,
    },
    /// From a register to a register.
    Row {
        /// read
        from: Reg,
        /// written
        to: Reg,
        /// 64 bits
        wide: bool,
    },
}

/// A call of a function of the program.
#[derive(Debug)]
pub struct Call {
    /// Its first instruction.
    pub target: u32,
    /// Row that keeps each lane's way back.
    pub way_back: Reg,
    /// Arguments.
    pub arguments: Box<[Move]>,
}

/// What functions that call one another in a circle have in common.
#[derive(Clone, Copy, Debug, Default)]
pub struct Region {
    /// Their registers: a range of [`Program::registers`].
    pub registers: (u32, u32),
    /// Their predicates.
    pub preds: (u32, u32),
    /// Row with what is added to the address of everything in a frame.
    pub frame: Reg,
    /// Where the first frame lies.
    pub start: u32,
    /// Bytes of a frame.
    pub bytes: u32,
    /// Alignment of a frame.
    pub align: u32,
}

/// A call inside a region.
#[derive(Debug)]
pub struct Recursion {
    /// Its first instruction.
    pub target: u32,
    /// Row that keeps each lane's way back.
    pub way_back: Reg,
    /// Arguments, from the caller's frame to the callee's.
    pub arguments: Box<[Move]>,
    /// What is put away.
    pub region: Region,
}

/// What follows such a call.
#[derive(Debug)]
pub struct Unwind {
    /// Results, from the callee's frame to the caller's.
    pub results: Box<[Move]>,
    /// What is put back.
    pub region: Region,
}

/// Use of a thread's stack.
#[derive(Clone, Copy, Debug)]
pub enum StackOp {
    /// `stacksave`
    Save { d: Reg, wide: bool },
    /// `stackrestore`
    Restore { a: Reg, wide: bool },
    /// `alloca`
    Alloca { d: Reg, wide: bool, size: Reg, align: u32 },
}

/// `vprintf`: where its arguments are, in the thread's memory.
#[derive(Debug)]
pub struct Print {
    /// Pointer to the format.
    pub format: Address,
    /// Pointer to the struct of arguments.
    pub arguments: Address,
    /// Where the number of arguments goes.
    pub result: Option<Address>,
}

/// `__assertfail`: where its arguments are.
#[derive(Debug)]
pub struct AssertFail {
    /// Pointer to what does not hold.
    pub message: Address,
    /// Pointer to the file's name.
    pub file: Address,
    /// The line.
    pub line: Address,
    /// Pointer to the function's name.
    pub function: Address,
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
    /// Fences, prefetches, hints.
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
