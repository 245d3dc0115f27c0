//! What can go wrong: at load, and while a kernel runs.

use crate::findings::Finding;
use std::fmt;

/// Why a text cannot be run here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is not PTX as the parser knows it.
    #[error("PTX text, {0}")]
    Parse(#[from] flashpage_ptx::ParseError),
    /// An instruction that the emulator does not run.
    #[error("line {line}: `{instruction}` is not supported by the emulator")]
    Unsupported {
        /// Line of the text.
        line: u32,
        /// As it stands there.
        instruction: String,
    },
    /// Something that does not hold together.
    #[error("line {line}: {message}, in `{text}`")]
    Invalid {
        /// Line of the text.
        line: u32,
        /// What is wrong.
        message: String,
        /// As it stands there.
        text: String,
    },
}

/// Why a run stopped: what, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What happened.
    pub kind: FaultKind,
    /// Where, unless the launch itself was refused.
    pub site: Option<Box<Site>>,
    /// The earlier of two accesses that conflict, or the load that brought what was never written.
    pub other: Option<Box<Site>>,
    /// What `printf` wrote before: in clusters before the one that faulted, and in that one. At most 1 MiB.
    pub printed: String,
    /// What the sanitizer had found before that, where it was to keep going.
    pub findings: Vec<Finding>,
}

/// The instruction that a [`Fault`] happened at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Site {
    /// As it stands in the text.
    pub instruction: String,
    /// Line of the PTX text, from 1.
    pub line: u32,
    /// How many instructions come before it in that line; compilers write one a line.
    pub nth: u32,
    /// `%ctaid`
    pub block: [u32; 3],
    /// Warp of the block.
    pub warp: u32,
    /// Lane of the warp, where one is to blame.
    pub lane: Option<u32>,
    /// Address, where there is one.
    pub address: Option<u64>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// An access outside of what is there.
    #[error("{access} of {bytes} bytes at {address:#x} {place}")]
    OutOfBounds {
        /// `read`, `write`, `atomic`
        access: &'static str,
        /// How many.
        bytes: u32,
        /// Address in the space that was accessed.
        address: u64,
        /// Where that lies.
        place: String,
    },
    /// An address that is not a multiple of the access's size.
    #[error("{access} of {bytes} bytes at {address:#x}, which is not a multiple of {bytes}")]
    Misaligned {
        /// `read`, `write`, `atomic`
        access: &'static str,
        /// How many.
        bytes: u32,
        /// Address in the space that was accessed.
        address: u64,
    },
    /// A use of what nothing was written to: of a register, or of what was loaded from memory.
    #[error("{0} was never written")]
    NeverWritten(String),
    /// Lanes of a warp that should execute an instruction together do not.
    #[error("lanes {missing:#010x} are missing: {what}")]
    Divergent {
        /// Lanes that are needed and not there.
        missing: u32,
        /// What needs them.
        what: &'static str,
    },
    /// A lane executes a collective instruction whose mask leaves it out.
    #[error("lanes {lanes:#010x} execute this but are not in its member mask {members:#010x}")]
    NotMember {
        /// The lanes.
        lanes: u32,
        /// The mask.
        members: u32,
    },
    /// A barrier that is used wrongly.
    #[error("barrier {id}: {message}")]
    Barrier {
        /// Which.
        id: u32,
        /// How.
        message: String,
    },
    /// No warp of a block can go on.
    #[error("deadlock: {0}")]
    Deadlock(String),
    /// More instructions than allowed.
    #[error(
        "the budget of {budget} warp instructions is spent, with {state}: an endless loop, a wait that never ends, or work \
         that needs more (`--budget N`, `Options::instruction_budget`)"
    )]
    Budget {
        /// How many were allowed.
        budget: u64,
        /// Where the warps of the block stand, or how many blocks are done.
        state: String,
    },
    /// Somebody asked the launch to stop.
    #[error("interrupted: {0}")]
    Interrupted(String),
    /// A register that only cooperative launches fill.
    #[error(
        "{0} holds the address of the grid's barrier, as cooperative groups read it, in cooperative launches only: launch with \
         `\"cooperative\": true` in launch.json (`Launch::cooperative`)"
    )]
    NotCooperative(&'static str),
    /// An index outside of an indexed branch's targets.
    #[error("index {index} of a branch with {targets} targets")]
    BranchIndex {
        /// The index.
        index: u32,
        /// How many there are.
        targets: u32,
    },
    /// A call through a register that holds no function of these parameters and results, or one that is being
    /// called already.
    #[error("{address:#x} is no function that can be called like this")]
    CallTarget {
        /// What the register holds.
        address: u64,
    },
    /// Two accesses to shared memory that nothing orders.
    #[error(
        "race: {} {access} of shared memory at {address:#x} and an earlier {earlier} by warp {warp}, with no barrier between",
        article(.access)
    )]
    Race {
        /// `read`, `write`, `atomic`
        access: &'static str,
        /// Likewise.
        earlier: &'static str,
        /// Warp of the block that made the earlier one.
        warp: u32,
        /// First byte that both touch.
        address: u32,
    },
    /// Two accesses to shared memory by lanes of one warp, which nothing brought together in between.
    #[error(
        "race: {} {access} of shared memory at {address:#x} and an earlier {earlier} by another lane of the warp, with no `bar.warp.sync` between",
        article(.access)
    )]
    WarpRace {
        /// `read`, `write`, `atomic`
        access: &'static str,
        /// Likewise.
        earlier: &'static str,
        /// First byte that both touch.
        address: u32,
    },
    /// An access to shared memory that asynchronous work still uses.
    #[error(
        "{access} of shared memory at {address:#x}, which {engine} may still {use_}: nothing waited for it"
    )]
    InFlight {
        /// `read`, `write`, `atomic`
        access: &'static str,
        /// What works there.
        engine: &'static str,
        /// `read` or `write`
        use_: &'static str,
        /// First byte that both touch.
        address: u32,
    },
    /// Shared memory that ordinary stores wrote is read or written through the async proxy.
    #[error(
        "shared memory at {address:#x} is {access} through the async proxy, and since an ordinary store by warp {warp} wrote it \
         there was no `fence.proxy.async`"
    )]
    Unfenced {
        /// `read` or `written`
        access: &'static str,
        /// Warp of the block that wrote it.
        warp: u32,
        /// First such byte.
        address: u32,
    },
    /// A register of a `wgmma` is used while that may be running.
    #[error(
        "register {0} belongs to a wgmma that may still be running: `wgmma.wait_group` has to come first"
    )]
    RegisterInFlight(String),
    /// A `wgmma` uses a register that other instructions used since the last `wgmma.fence`.
    #[error("{0}: a `wgmma.fence` has to come between")]
    WarpgroupFence(String),
    /// A `wgmma` adds to a register that is read between the last `wgmma.fence` and it. The result is right: the
    /// assembler sees it and lets no two products overlap.
    #[error(
        "the assembler serialises this wgmma (its C7514; the result is right, and late): register {0} is read between the \
         last `wgmma.fence` and it"
    )]
    WarpgroupSerialised(String),
    /// An mbarrier that is used wrongly.
    #[error("mbarrier at {address:#x}: {message}")]
    Mbarrier {
        /// Where in shared memory.
        address: u32,
        /// How.
        message: String,
    },
    /// A matrix descriptor, a tensor map or a bulk copy that cannot be.
    #[error("{0}")]
    Operand(String),
    /// A block is gone while something still works with its shared memory.
    #[error("{0}")]
    Abandoned(String),
    /// Shared memory of a block is touched that may not have begun.
    #[error("{0}")]
    NotStarted(String),
    /// Global memory is touched while the launch before may still be at work there.
    #[error("{does} global memory before `griddepcontrol.wait`: the launch before may still be writing")]
    Prerequisites {
        /// `reads`, `writes`, `updates`
        does: &'static str,
    },
    /// `assert` of a condition that is false.
    #[error("assertion failed: {0}")]
    Assertion(String),
    /// Calls nest too deeply, or `alloca` asks for too much.
    #[error("stack overflow: more than the {bytes} bytes of local memory, or too many calls")]
    StackOverflow {
        /// A thread's local memory, its stack included.
        bytes: u32,
    },
    /// The kernel gave up.
    #[error("trap")]
    Trap,
    /// The launch does not fit the kernel.
    #[error("{0}")]
    Launch(String),
}

/// `a` or `an`.
fn article(access: &str) -> &'static str {
    if access.starts_with('a') { "an" } else { "a" }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(site) = &self.site {
            let [x, y, z] = site.block;
            write!(f, "\n  at line {}: {}", site.line, site.instruction)?;
            write!(f, "\n  block ({x}, {y}, {z}), warp {}", site.warp)?;
            if let Some(lane) = site.lane {
                write!(f, ", lane {lane}")?;
            }
            if let Some(address) = site.address {
                write!(f, ", address {address:#x}")?;
            }
        }
        if let Some(other) = &self.other {
            let [x, y, z] = other.block;
            let from = if matches!(self.kind, FaultKind::NeverWritten(_)) { "loaded by" } else { "and" };
            write!(f, "\n  {from} line {}: {}", other.line, other.instruction)?;
            write!(f, "\n  block ({x}, {y}, {z}), warp {}", other.warp)?;
            if let Some(lane) = other.lane {
                write!(f, ", lane {lane}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// A refused launch.
    pub(crate) fn launch(message: impl Into<String>) -> Fault {
        Fault {
            kind: FaultKind::Launch(message.into()),
            site: None,
            other: None,
            printed: String::new(),
            findings: Vec::new(),
        }
    }
}

/// A fault whose place the warp's loop will add.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub kind: FaultKind,
    pub lane: Option<u32>,
    pub address: Option<u64>,
    /// Where it is not the instruction that the warp is at: its place and who executed it.
    pub place: Option<Place>,
    /// The earlier of two accesses that conflict.
    pub other: Option<Place>,
}

/// An instruction that some warp of the cluster executed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub pc: u32,
    /// Warp of the cluster.
    pub warp: u32,
    pub lane: Option<u32>,
}

impl From<FaultKind> for Box<Trouble> {
    fn from(kind: FaultKind) -> Self {
        Box::new(Trouble { kind, lane: None, address: None, place: None, other: None })
    }
}

impl Trouble {
    pub fn at(kind: FaultKind, lane: u32, address: u64) -> Box<Trouble> {
        Box::new(Trouble { kind, lane: Some(lane), address: Some(address), place: None, other: None })
    }

    pub fn lane(kind: FaultKind, lane: u32) -> Box<Trouble> {
        Box::new(Trouble { kind, lane: Some(lane), address: None, place: None, other: None })
    }
}
