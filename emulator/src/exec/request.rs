//! What a lane is about to touch, as every check and every fault is told of it.

use crate::address::{Space, resolve};

/// See the file's head.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    /// `read`, `write`, `atomic`
    pub access: &'static str,
    pub space: Space,
    pub address: u64,
    pub count: u32,
    pub lane: usize,
}

impl Request {
    /// The space of its address, and the address there.
    #[inline(always)]
    pub fn place(self) -> (Space, u64) {
        match self.space {
            Space::Generic => resolve(self.address),
            space => (space, self.address),
        }
    }
}
