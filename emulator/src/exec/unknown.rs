//! Bits of registers that nobody computed, and where they came from.
//!
//! A warp has a mask of lanes for each register that say where all of it is known. What is not, is looked up here, bit
//! by bit, which is rare: the table holds only registers that have been unknown somewhere, and an entry counts for a
//! lane only as long as the mask says that the lane's value is not known.

use super::access::Request;
use super::warp::Warp;
use crate::address::{Space, resolve};
use crate::alu::lanes::LANES;
use crate::fault::Place;
use crate::program::{Reg, Touch};
use std::cell::RefCell;
use std::collections::HashMap;

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

/// Where values in shared memory came from of which not all is known, word by word: it is a load before they were stored
/// there.
#[derive(Default)]
pub(crate) struct Origins {
    words: RefCell<HashMap<u64, Origin>>,
}

impl Origins {
    pub fn reset(&self) {
        self.words.borrow_mut().clear();
    }

    /// A value of this origin is stored at an address of shared memory.
    pub fn keep(&self, address: u64, bytes: u32, origin: Option<Origin>) {
        let mut words = self.words.borrow_mut();
        for word in address / 4..(address + bytes as u64).div_ceil(4) {
            match origin {
                Some(origin) => words.insert(word, origin),
                None => words.remove(&word),
            };
        }
    }

    /// The origin of a value at an address of shared memory.
    pub fn kept(&self, address: u64) -> Option<Origin> {
        self.words.borrow().get(&(address / 4)).copied()
    }

    /// The origin of what is read with the instruction that `warp` is at: byte `byte` of the request is not known.
    pub fn of(&self, warp: &Warp, request: Request, byte: u32) -> Origin {
        let address = request.address + byte as u64;
        let kept = match request.space {
            Space::Shared => self.kept(address),
            Space::Generic if resolve(address).0 == Space::Shared => self.kept(resolve(address).1),
            _ => None,
        };
        kept.unwrap_or_else(|| Origin::of(warp, request, byte))
    }
}

impl Origin {
    /// What a lane of `warp` reads with the instruction that it is at.
    fn of(warp: &Warp, request: Request, byte: u32) -> Origin {
        let Request { space, address, count, lane, .. } = request;
        let is_local = match space {
            Space::Generic | Space::Param => resolve(address).0 == Space::Local,
            space => space == Space::Local,
        };
        Origin {
            pc: warp.pc,
            warp: warp.agent,
            lane: lane as u8,
            bytes: (!is_local).then_some((byte, count, address)),
        }
    }

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
pub(crate) const NEVER: Unknown = Unknown { bits: u64::MAX, origin: None };

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
}

/// Of all lanes of a register.
pub(crate) type Lanes = [Unknown; LANES];

/// What an instruction is about to leave unknown.
pub(crate) type Pending = Vec<(Touch, Box<Lanes>)>;

/// See the file's head.
#[derive(Default)]
pub(crate) struct Unknowns {
    lanes: HashMap<Touch, Box<Lanes>>,
}

impl Unknowns {
    pub fn reset(&mut self) {
        self.lanes.clear();
    }
}

impl Warp {
    /// Lanes in which a register is known whole.
    #[inline(always)]
    pub fn known(&self, touch: Touch) -> u32 {
        match touch {
            Touch::Row(reg) => self.written_rows[reg.0 as usize],
            Touch::Pred(pred) => self.written_preds[pred.0 as usize],
        }
    }

    /// What is not known of a register in one lane.
    pub fn unknown(&self, touch: Touch, lane: usize) -> Unknown {
        if self.known(touch) >> lane & 1 != 0 {
            return Unknown::default();
        }
        self.unknowns.lanes.get(&touch).map_or(NEVER, |lanes| lanes[lane])
    }

    /// The same of an ordinary register.
    pub fn unknown_row(&self, reg: Reg, lane: usize) -> Unknown {
        self.unknown(Touch::Row(reg), lane)
    }

    /// The lanes of `mask` get a value that is known, to all of its bits.
    #[inline(always)]
    pub fn learn(&mut self, touch: Touch, mask: u32) {
        match touch {
            Touch::Row(reg) => self.written_rows[reg.0 as usize] |= mask,
            Touch::Pred(pred) => self.written_preds[pred.0 as usize] |= mask,
        }
    }

    /// A lane gets a value of which this is not known.
    pub fn forget(&mut self, touch: Touch, lane: usize, unknown: Unknown) {
        let known = match touch {
            Touch::Row(reg) => &mut self.written_rows[reg.0 as usize],
            Touch::Pred(pred) => &mut self.written_preds[pred.0 as usize],
        };
        *known = *known & !(1 << lane) | ((unknown.bits == 0) as u32) << lane;
        if unknown.bits != 0 {
            self.unknowns.lanes.entry(touch).or_insert_with(|| Box::new([NEVER; LANES]))[lane] = unknown;
        }
    }
}
