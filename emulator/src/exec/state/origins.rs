//! Where what is not known came from: shared memory keeps that beside the values.

use super::warp::Warp;
use crate::address::{Space, resolve};
use crate::exec::request::Request;
use crate::exec::unknown::Origin;
use hashbrown::HashMap;
use std::cell::RefCell;

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
        kept.unwrap_or_else(|| read_by(warp, request, byte))
    }
}

/// What a lane of `warp` reads with the instruction that it is at.
fn read_by(warp: &Warp, request: Request, byte: u32) -> Origin {
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
