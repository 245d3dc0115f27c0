//! Instructions that access memory, and what a copy would move.
//!
//! [`access`] finds the bytes of an address, tells the checks of every access, and has plain loads, stores and atomics; the
//! other files have accesses of other shapes. [`bulk`] and [`tensor`] settle what a bulk copy moves, and move it when they
//! are told to: when that is, is for `engines/` to say. What a load brought that nobody wrote is given back, and followed
//! by `defined/`. This folder uses the states, and `in_flight/` for
//! what a copy is.

pub(crate) mod access;
pub(crate) mod bulk;
pub(crate) mod dependency;
pub(crate) mod matrix;
pub(crate) mod quad;
pub(crate) mod tensor;
