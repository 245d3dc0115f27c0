//! Who has seen what, and the findings that follow from it.
//!
//! [`Order`] is the happens-before order of a cluster's warps and of the work that they set going. [`Watch`] is told of
//! every access to shared memory, asks the order whether it may come after those before it, and says what is wrong. This
//! folder knows warps and engines by their numbers alone: whoever makes an access says who it is ([`By`]), and whoever is
//! told of a finding decides whether the run goes on. It uses nothing of the other folders.

mod clocks;
mod prerequisites;
mod race;
mod shadow;
mod stamp;
mod watch;

pub(crate) use clocks::{Agent, Engine, Order, View, agent};
pub(crate) use stamp::Proxy;
pub(crate) use watch::{Behalf, By, Touching, Watch};
