//! A kernel as data, before any PTX: what lies where, and who does what in which order.
//!
//! A [`Plan`] has *buffers* (tiles and words in shared memory or in registers), *barriers*, and *roles*: warps with a body
//! each. A body is a list of [`Node`]s: control around [`Step`]s. A step names the buffers that it reads and writes, as
//! [`View`]s: `K@0` is the tile of this iteration, `V@1` that of the iteration before it. Slots of a ring and parities of
//! phases are not said: they follow from how often a body has come by.
//!
//! Families ([`ring`], [`roles`]; [`attention`] has what they share) construct plans from a [`Schedule`], [`verify`] finds
//! what is wrong with one, `show` prints it, [`timeline`] runs it, and `lower/` makes the instructions of each step.

pub mod attention;
pub mod ring;
pub mod roles;
mod show;
pub mod timeline;
pub mod verify;

use crate::layout::key_groups::KeyGroups;
use crate::layout::panel::Panels;
use crate::layout::swizzle::{CHUNK, PERIOD, Swizzle};
use crate::schedule::{Products, Ring, Roles, Schedule};

/// Index into [`Plan::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub usize);

/// A kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Shared memory in order of offsets, then registers.
    pub buffers: Vec<Buffer>,
    /// Bytes of shared memory.
    pub shared_bytes: usize,
    /// Named barriers (`bar.sync`, `bar.arrive`), by number.
    pub named: Vec<NamedBarrier>,
    /// Whether the launch may begin before the one before it has ended.
    pub planned: bool,
    /// What products are of. Tiles of f32 are converted before they are factors.
    pub products: Products,
    /// Tiles of K and V, of 8 bits, are widened before they are factors.
    pub widens: bool,
    /// What every thread does before roles part.
    pub set_up: Vec<Step>,
    /// Who does what.
    pub roles: Vec<Role>,
}

/// A tile, a vector or words, once or in a ring of slots.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// `K`, `S`, `tile info`.
    pub name: &'static str,
    /// Where it is.
    pub place: Place,
}

/// Where a buffer is.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// In shared memory.
    Shared(Shared),
    /// In registers of the threads of a role.
    Registers {
        /// How many of a thread a slot takes.
        each: usize,
        /// Slots.
        slots: usize,
        /// What makes it another value.
        turns: Turns,
    },
    /// In device memory: a tensor.
    Memory,
}

/// A buffer of shared memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Shared {
    /// Byte offset of its first slot from the start of dynamic shared memory.
    pub offset: usize,
    /// Bytes of a slot.
    pub bytes: usize,
    /// Slots.
    pub slots: usize,
    /// Bytes from a slot to the next.
    pub stride: usize,
    /// How the rows of a tile lie; `None` for words.
    pub layout: Option<Layout>,
    /// Whose the rows are.
    pub owner: Owner,
    /// Its barriers; `None` of a buffer that shares them with another, or has none.
    pub barriers: Option<Barriers>,
    /// What takes it from slot to slot.
    pub turns: Turns,
}

/// How the rows of a tile lie in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// In panels, as bulk copies write and `wgmma` reads them.
    Panels(Panels),
    /// The same, transposed: panels whose rows are columns of the tile, as `wgmma` reads factors of 8 bits that are contracted over
    /// the tile's rows ([`crate::layout::transposed_copy`]).
    Columns(Panels),
    /// The same of a cache that holds values so: keys in groups of sixteen along memory.
    Groups(KeyGroups),
    /// So many rows, one after the other, as `ldmatrix` reads them.
    Rows(usize, Swizzle),
}

impl Layout {
    /// Bytes of the tile.
    pub fn bytes(self) -> usize {
        match self {
            Layout::Panels(panels) | Layout::Columns(panels) => panels.bytes(),
            Layout::Groups(groups) => groups.bytes(),
            Layout::Rows(rows, swizzle) => rows * swizzle.row_bytes,
        }
    }

    /// Rows of the tile.
    pub fn rows(self) -> usize {
        match self {
            Layout::Panels(panels) => panels.rows,
            // Of one byte each.
            Layout::Columns(panels) => panels.span * panels.count,
            Layout::Groups(groups) => groups.keys,
            Layout::Rows(rows, _) => rows,
        }
    }

    /// Bytes of a row.
    pub fn row_bytes(self) -> usize {
        match self {
            Layout::Panels(panels) => panels.span * panels.count,
            Layout::Columns(panels) => panels.rows,
            Layout::Groups(groups) => groups.numbers,
            Layout::Rows(_, swizzle) => swizzle.row_bytes,
        }
    }

    /// What the tile's offset is a multiple of, since the swizzle is bits of the address.
    pub fn align(self) -> usize {
        match self {
            Layout::Panels(panels) | Layout::Columns(panels) => panels.period_bytes(),
            Layout::Groups(_) => PERIOD * CHUNK,
            Layout::Rows(..) => PERIOD * CHUNK,
        }
    }

    /// The panels of a tile that has them, of its rows.
    pub fn panels(self) -> Option<Panels> {
        match self {
            Layout::Panels(panels) => Some(panels),
            Layout::Columns(..) | Layout::Groups(..) | Layout::Rows(..) => None,
        }
    }
}

/// Whose the rows of a tile in shared memory are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Everybody reads all of them.
    All,
    /// Each copy of a role has its own.
    Copies,
    /// Each warp has its own.
    Warps,
}

/// The `mbarrier`s of a buffer: a pair for each slot, *full* and *empty*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barriers {
    /// Byte offset of the first pair from the start of dynamic shared memory.
    pub offset: usize,
    /// Arrivals that end a phase of *full*, beside the bytes that come.
    pub fills: usize,
    /// Arrivals that end a phase of *empty*.
    pub empties: usize,
    /// Bytes of bulk copies that a phase of *full* waits for as well. Fewer where a tile is cut short.
    pub bytes: usize,
}

/// Bytes of an `mbarrier`.
pub const BARRIER_BYTES: usize = 8;

/// What takes a ring from slot to slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// Every item of the walk.
    Items,
    /// Every item that sees a column.
    SeenItems,
    /// Every tile of columns.
    Columns,
}

/// A buffer at an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct View {
    /// Which.
    pub buffer: BufferId,
    /// Iterations since: 0 is this one's, -1 the next one's.
    pub ago: isize,
}

/// Warps with a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    /// `producer`, `consumer`.
    pub name: &'static str,
    /// How many act as one, each on rows of its own: warpgroups of consumers.
    pub copies: usize,
    /// Warps of each copy that do something.
    pub warps: usize,
    /// Rows that a warp multiplies.
    pub warp_rows: usize,
    /// Registers of a thread, by `setmaxnreg`; `None` where all have the same.
    pub registers: Option<u32>,
    /// What they do.
    pub body: Vec<Node>,
}

/// Control, around steps.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// One step.
    Step(Step),
    /// For each item that the block does.
    Items {
        /// What is done to learn of the next one, or that there is none.
        next: Vec<Node>,
        /// What is done for each.
        each: Vec<Node>,
        /// What is done after the last.
        last: Vec<Node>,
    },
    /// The tiles of columns that some row of the item sees, from the right to the left.
    Columns {
        /// The rightmost, where it is not like the others.
        first: Option<Vec<Node>>,
        /// Every one, or every other one.
        each: Vec<Node>,
        /// After the leftmost: what it left to be done is one iteration ago.
        last: Vec<Node>,
    },
    /// One of two.
    If {
        /// What decides.
        when: Condition,
        /// Where it holds.
        then: Vec<Node>,
        /// Where it does not.
        otherwise: Vec<Node>,
    },
}

/// What a branch depends on. All warps of all roles that ask find the same, but for what is said to be of a warp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Some row of the item sees a column.
    SeesColumns,
    /// The sequence ends inside this tile of columns.
    EndsInTile,
    /// The warp keeps some score of this tile.
    KeepsAny,
    /// Some row maximum of the warp has grown by more than the threshold.
    MaximumGrew,
    /// All rows of the warpgroup exist, as whole tokens.
    WholeRows,
    /// The warp is the first of its role.
    FirstWarp,
}

/// Named barriers, by who meets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meeting {
    /// Every thread of the block.
    Block,
    /// All consumers.
    Consumers,
    /// One consumer warpgroup.
    Alone,
    /// The warps that transpose V.
    Transposers,
}

/// What a named barrier is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Named {
    /// [`Step::Meet`]
    Meet(Meeting),
    /// [`Step::TakeTurn`] of one copy of a role, and [`Step::PassTurn`] of the copy before it.
    Turn,
}

/// A named barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedBarrier {
    /// What it is for.
    pub of: Named,
    /// Of which copy of a role; 0 where all share it.
    pub copy: usize,
    /// Its number, of the sixteen that there are.
    pub number: usize,
    /// Threads that make a phase of it.
    pub threads: usize,
}

/// What a role does at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Waits until a slot is full.
    AwaitFull(View),
    /// Waits until a slot is empty.
    AwaitEmpty(View),
    /// Each warp arrives at a slot's full barrier, its writes to the slot done.
    Fill(View),
    /// Arrives at a slot's empty barrier: for every warp its share, once what it read has been read.
    Release(View),
    /// The thread that began bulk stores arrives at a slot's empty barrier for all warps of its warpgroup.
    ReleaseForAll(View),
    /// Bulk copies from a tensor into a slot, which count their bytes at its full barrier.
    Copy {
        /// The slot.
        to: View,
        /// The tensor.
        from: BufferId,
        /// Where in a pool that is, for a paged tensor.
        at: Option<View>,
    },
    /// Each warp's lanes copy rows from a tensor (`cp.async`), in the group that is open.
    CopyAsync {
        /// The slot.
        to: View,
        /// The tensor.
        from: BufferId,
        /// Where in a pool that is, for a paged tensor.
        at: Option<View>,
        /// Whether rows past the sequence's end become zero, where the tile may have some.
        checked: bool,
    },
    /// Every warp reads its share of a tile's rows, makes factors of them and writes these to a slot, by ordinary writes: it splits f32,
    /// and widens 8 bits. A row past the sequence's end becomes what the last one is.
    CopyConverted {
        /// The slot.
        to: View,
        /// The tensor.
        from: BufferId,
        /// Where in a pool that is, for a paged tensor.
        at: Option<View>,
    },
    /// Every warp asks for its share of a tile's rows, to registers, to be converted later. Of a tile that there is not it is some rows
    /// of the sequence's.
    AskFor {
        /// The registers.
        to: View,
        /// The tensor.
        from: BufferId,
        /// Where in a pool that is, for a paged tensor.
        at: Option<View>,
    },
    /// Every warp makes factors of what has come, and writes these to a slot, as [`Step::CopyConverted`] does.
    WriteConverted {
        /// The slot.
        to: View,
        /// The registers.
        from: View,
    },
    /// Every warp reads its share of a tile of shared memory by rows and writes it by columns, by ordinary writes.
    Transpose {
        /// The slot.
        to: View,
        /// The tile by rows.
        from: View,
    },
    /// Each lane arrives at a slot's full barrier once the copies that it began have landed.
    FillOnceCopied(View),
    /// Closes the warp's group of copies.
    CommitCopies,
    /// Waits until at most so many groups of this warp's copies are under way.
    AwaitCopies(usize),
    /// Waits for all copies of this warp, in a group or not.
    AwaitAllCopies,
    /// Bulk copies of a tile of shared memory to a tensor, a group of them.
    Store {
        /// The tile.
        from: View,
        /// The tensor.
        to: BufferId,
    },
    /// Waits until the bulk stores that this thread began have read their tiles.
    AwaitStoresRead,
    /// A product of a warpgroup begins, in a group of its own.
    Multiply {
        /// The accumulators.
        into: BufferId,
        /// First factor, its depth along its rows.
        a: View,
        /// Second factor.
        b: View,
        /// Whether `b` is read transposed: its depth runs over its rows.
        transposed: bool,
        /// Whether the accumulators begin at zero.
        fresh: bool,
    },
    /// A product that is there when the step is over (`mma.sync`).
    MultiplyAtOnce {
        /// The accumulators.
        into: BufferId,
        /// First factor, its depth along its rows.
        a: View,
        /// Second factor.
        b: View,
        /// Whether `b` is read transposed.
        transposed: bool,
        /// Whether the accumulators begin at zero.
        fresh: bool,
    },
    /// Registers written before are visible to products begun after.
    FenceProducts,
    /// Waits until at most so many groups of products are under way.
    AwaitProducts(usize),
    /// Ordinary writes to shared memory are visible to bulk copies and products.
    FenceProxy,
    /// Waits for this warpgroup's turn to begin products.
    TakeTurn,
    /// Lets the next warpgroup begin its products.
    PassTurn,
    /// Meets others at a named barrier.
    Meet(Meeting),
    /// The lanes of a warp have written and read what they did before.
    MeetWarp,
    /// One thread makes every `mbarrier` ready, and says so to bulk copies.
    InitBarriers,
    /// Waits until the grid before this one has ended, where a launch may begin earlier, and lets the one after it begin.
    AwaitGrid,
    /// Something worked out, lane by lane, at once.
    Compute(Compute),
}

/// A map or a reduction: what it makes of what.
#[derive(Clone, Debug, PartialEq)]
pub struct Compute {
    /// What is done.
    pub what: Function,
    /// What it reads.
    pub reads: Vec<View>,
    /// What it writes, by ordinary writes.
    pub writes: Vec<View>,
}

/// What is worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// What an item covers and which columns it sees.
    Describe,
    /// What was described is read.
    Read,
    /// Which blocks the columns of a tile lie in.
    LookUp,
    /// Each warp makes factors of products of the rows that its lanes have copied, where they lie: it narrows f32, and widens 8 bits.
    Convert,
    /// Fragments of a factor are read once.
    Load,
    /// A bit a score for each condition that is no interval.
    Conditions,
    /// Maps and masks of scores.
    Scores,
    /// The greatest score of each row, by its four lanes.
    RowMaxima,
    /// A running maximum becomes the greater of two.
    RaiseMaxima,
    /// Whether some maximum has grown, and by how much what went before shrinks.
    Growth,
    /// Running maxima and sums move on.
    MoveMaxima,
    /// Scores become exponentials.
    Exponentials {
        /// Of every 16, how many are polynomials on the FMA pipe.
        polynomials: usize,
    },
    /// Exponentials are added to a lane's sums, and then mapped where the program maps probabilities.
    AddToSums,
    /// Nothing, but the sums are there before what follows.
    Pin,
    /// Exponentials are rounded to the type of the factors.
    Round,
    /// The products of a tile are added to the accumulators.
    AddProducts,
    /// Accumulators shrink as a maximum has grown.
    Rescale,
    /// All is zero.
    Clear,
    /// Rows past the sequence's end become zero.
    ClearRows,
    /// Rows that no copy ever reaches become zero.
    ClearSpareRows,
    /// Sums of the four lanes of a row.
    RowSums,
    /// Accumulators over their sums, rounded.
    Divide,
    /// The log-sum-exp is stored.
    StoreLse,
    /// Rows of a tile are stored, each by the lanes of its warp.
    StoreRows,
    /// Accumulators over their sums are stored, in f32.
    StoreDirect,
    /// Accumulators over their sums and the log-sum-exp are stored, in f32.
    StorePartial,
    /// O = 0 and a log-sum-exp of minus infinity.
    StoreNothing,
}

impl Schedule {
    /// The plan of a kernel of this form.
    pub fn plan(&self, form: attention::Form) -> Plan {
        match self {
            Schedule::Ring(ring) => ring::plan(ring, form),
            Schedule::Roles(roles) => roles::plan(roles, form),
        }
    }

    /// Dynamic shared memory of a block.
    pub fn shared_bytes(&self) -> usize {
        match self {
            Schedule::Ring(ring) => ring.shared_bytes(),
            Schedule::Roles(roles) => roles.shared_bytes(),
        }
    }

    /// Bytes of shared memory that lie in tiles and hold no number of a head.
    pub fn padding_bytes(&self) -> usize {
        let (buffers, _) = match self {
            Schedule::Ring(ring) => ring::buffers(ring),
            Schedule::Roles(roles) => roles::buffers(roles),
        };
        let of = |(index, buffer): (usize, &Buffer)| match &buffer.place {
            Place::Shared(Shared { bytes, slots, layout: Some(layout), .. }) => {
                let row = match BufferId(index) {
                    attention::QUERY | attention::KEYS => self.qk_row(),
                    attention::OUTPUT => self.o_row(),
                    _ => self.v_row(),
                };
                slots * (bytes - layout.rows() * row.row_bytes)
            }
            _ => 0,
        };
        buffers.iter().enumerate().map(of).sum()
    }
}

impl Ring {
    /// Dynamic shared memory of a block.
    pub fn shared_bytes(&self) -> usize {
        ring::buffers(self).1
    }
}

impl Roles {
    /// Dynamic shared memory of a block.
    pub fn shared_bytes(&self) -> usize {
        roles::buffers(self).1
    }
}

impl Plan {
    /// Whether what is copied to a buffer is converted before it is a factor.
    pub fn converts(&self, buffer: BufferId) -> bool {
        self.products.are_of_f32() || self.widens && [attention::KEYS, attention::VALUES].contains(&buffer)
    }

    /// The named barrier of a copy of a role.
    ///
    /// # Panics
    /// If there is none.
    pub fn named(&self, of: Named, copy: usize) -> &NamedBarrier {
        let found = self.named.iter().find(|barrier| (barrier.of, barrier.copy) == (of, copy));
        found.unwrap_or_else(|| panic!("no named barrier for {of:?} of copy {copy}"))
    }

    /// A buffer.
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        &self.buffers[id.0]
    }

    /// A buffer of shared memory.
    ///
    /// # Panics
    /// If it is elsewhere.
    pub fn shared(&self, id: BufferId) -> &Shared {
        match &self.buffer(id).place {
            Place::Shared(shared) => shared,
            place => panic!("{} is in {place:?}", self.buffer(id).name),
        }
    }

    /// Registers of a thread that a slot of a buffer takes; 0 of one that is elsewhere.
    pub fn registers(&self, id: BufferId) -> usize {
        match self.buffer(id).place {
            Place::Registers { each, .. } => each,
            _ => 0,
        }
    }

    /// Byte offset of the first `mbarrier`.
    pub fn barriers_offset(&self) -> usize {
        let of = |buffer: &Buffer| match &buffer.place {
            Place::Shared(shared) => shared.barriers.map(|barriers| barriers.offset),
            _ => None,
        };
        self.buffers.iter().filter_map(of).min().unwrap_or(self.shared_bytes)
    }

    /// Every `mbarrier`, in order of offsets: the buffer's name, the slot, which of the pair, and its arrivals.
    pub fn mbarriers(&self) -> Vec<(&Buffer, usize, Side, usize)> {
        let mut all = Vec::new();
        for buffer in &self.buffers {
            let Place::Shared(Shared { slots, barriers: Some(barriers), .. }) = buffer.place else {
                continue;
            };
            for slot in 0..slots {
                let at = barriers.offset + slot * 2 * BARRIER_BYTES;
                all.push((at, (buffer, slot, Side::Full, barriers.fills)));
                all.push((at + BARRIER_BYTES, (buffer, slot, Side::Empty, barriers.empties)));
            }
        }
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, barrier)| barrier).collect()
    }
}

/// Which of a slot's two barriers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// What is awaited by those who read.
    Full,
    /// What is awaited by those who fill.
    Empty,
}

impl View {
    /// Of this iteration.
    pub fn now(buffer: BufferId) -> View {
        View { buffer, ago: 0 }
    }

    /// Of the iteration before.
    pub fn before(buffer: BufferId) -> View {
        View { buffer, ago: 1 }
    }
}

/// A map or reduction of these.
pub(crate) fn compute(what: Function, reads: &[View], writes: &[View]) -> Node {
    Node::Step(Step::Compute(Compute { what, reads: reads.to_vec(), writes: writes.to_vec() }))
}

/// Every step of a body, once.
pub(crate) fn each_step(nodes: &[Node], visit: &mut impl FnMut(&Step)) {
    for node in nodes {
        match node {
            Node::Step(step) => visit(step),
            Node::Items { next, each, last } => {
                for part in [next, each, last] {
                    each_step(part, visit);
                }
            }
            Node::Columns { first, each, last } => {
                for part in first.iter().chain([each, last]) {
                    each_step(part, visit);
                }
            }
            Node::If { then, otherwise, .. } => {
                each_step(then, visit);
                each_step(otherwise, visit);
            }
        }
    }
}
