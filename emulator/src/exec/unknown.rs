//! Bits of registers that nobody computed, and where they came from.
//!
//! A warp has a mask of lanes for each register that say where all of it is known. What is not, is looked up in
//! [`Unknowns`], bit by bit, which is rare: the table holds only registers that have been unknown somewhere, and an entry
//! counts for a lane only as long as the mask says that the lane's value is not known.

use crate::alu::lanes::LANES;
use crate::fault::{FaultKind, Place, Trouble};
use crate::program::{Program, Touch};
use hashbrown::HashMap;

/// The load that brought what nobody wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub pc: u32,
    /// Warp of the cluster.
    pub warp: u32,
    pub lane: u8,
    /// The first byte of its access that nobody wrote, of so many at an address. Not of the thread's own memory, where
    /// compilers keep what would be in registers.
    pub bytes: Option<(u32, u32, u64)>,
}

impl Origin {
    /// The instruction.
    pub fn place(self) -> Place {
        Place { pc: self.pc, warp: self.warp, lane: Some(self.lane as u32) }
    }

    /// Bytes in words.
    pub fn text(byte: u32, count: u32, address: u64) -> String {
        format!("byte {byte} of the {count} at {address:#x}")
    }
}

/// What is not known of a lane's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// Which bits; any of a predicate.
    pub bits: u64,
    /// None where no register of those that went into it was ever written.
    pub origin: Option<Origin>,
}

/// A value that was never written.
const NEVER: Unknown = Unknown { bits: u64::MAX, origin: None };

impl Unknown {
    /// Unknown in all that it may be, if it is at all.
    pub fn spread(self) -> Unknown {
        Unknown { bits: if self.bits == 0 { 0 } else { u64::MAX }, ..self }
    }

    /// What comes of two values: bits of either, and the origin of the first that has any.
    pub fn with(self, other: Unknown) -> Unknown {
        let first = if self.bits != 0 { self } else { other };
        Unknown { bits: self.bits | other.bits, origin: first.origin }
    }

    /// These bits of the same origin.
    pub fn cut(self, bits: u64) -> Unknown {
        Unknown { bits, ..self }
    }

    /// The fault of using a value that is not known.
    #[cold]
    pub fn fault(self, program: &Program, touch: Touch, lane: usize) -> Box<Trouble> {
        let name = match touch {
            Touch::Row(reg) => program.names.get(&reg),
            Touch::Pred(pred) => program.predicate_names.get(&pred),
        };
        let what = match name {
            Some(name) => format!("register {name}"),
            None => "a value of this instruction".to_string(),
        };
        let what = match self.origin.and_then(|origin| origin.bytes) {
            Some((byte, count, address)) => {
                format!("{what} comes of {}, which", Origin::text(byte, count, address))
            }
            None => what,
        };
        let mut trouble = Trouble::lane(FaultKind::NeverWritten(what), lane as u32);
        trouble.other = self.origin.map(Origin::place);
        trouble
    }
}

/// Of all lanes of a register.
pub(crate) type Lanes = [Unknown; LANES];

/// What an instruction is about to leave unknown.
pub(crate) type Pending = Vec<(Touch, Box<Lanes>)>;

/// Lanes that are on one of two ways of a branch by what is not known, and why.
pub(crate) struct Doubt {
    /// The instructions of both ways.
    pub from: u32,
    pub until: u32,
    pub lanes: u32,
    pub why: Box<Lanes>,
}

/// What is not known of a warp's registers.
#[derive(Default)]
pub(crate) struct Unknowns {
    lanes: HashMap<Touch, Box<Lanes>>,
}

impl Unknowns {
    pub fn reset(&mut self) {
        self.lanes.clear();
    }

    /// What is not known of a register in a lane whose value is not known.
    pub fn of(&self, touch: Touch, lane: usize) -> Unknown {
        self.lanes.get(&touch).map_or(NEVER, |lanes| lanes[lane])
    }

    /// This is not known of it.
    pub fn set(&mut self, touch: Touch, lane: usize, unknown: Unknown) {
        self.lanes.entry(touch).or_insert_with(|| Box::new([NEVER; LANES]))[lane] = unknown;
    }
}
