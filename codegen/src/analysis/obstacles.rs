//! What of a well-formed program is in the way of compiling it, and where.

use crate::program::{ParamId, ValueId};
use std::fmt;

/// A place in a program, which the front end knows as a place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Where this tile is made.
    Value(ValueId),
    /// This statement of the loop's body.
    InLoop(usize),
    /// This statement after the loop.
    AfterLoop(usize),
    /// The loop as a whole.
    Loop,
    /// Where this output is stored.
    Store(ParamId),
    /// The declaration of this parameter.
    Param(ParamId),
}

/// One thing that is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Where it stands.
    pub place: Place,
    /// What it is, and what to write instead.
    pub message: String,
}

/// Why a well-formed program cannot be lowered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kernel `{kernel}`: {}", Messages(.obstacles))]
pub struct NotAttention {
    /// The kernel's name.
    pub kernel: String,
    /// What stands in the way: at least one thing.
    pub obstacles: Vec<Obstacle>,
}

struct Messages<'a>(&'a [Obstacle]);

impl fmt::Display for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, obstacle) in self.0.iter().enumerate() {
            write!(f, "{}{}", if index > 0 { "\n" } else { "" }, obstacle.message)?;
        }
        Ok(())
    }
}
