//! What is found out of a program once, before it is placed on a target, and passed on.
//!
//! - [`attention`]: which values are Q, K and V, and what happens to a score.
//! - [`obstacles`]: what of a program is no attention, and where it stands.
//! - `tiles`: values without their transposes.
//! - [`bounds`]: the columns that a mask leaves a row.
//! - `sequence`: what an expression asks of the sequence that it is evaluated in.
//! - `varies`: what an expression is the same for.

pub mod attention;
pub mod bounds;
pub mod obstacles;
mod sequence;
mod tiles;
mod varies;
