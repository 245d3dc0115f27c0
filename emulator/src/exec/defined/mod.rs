//! The check that follows values which nobody computed, from where they are read to where they decide something.
//!
//! [`follow`] looks at each instruction before and after it runs, and asks the others what its result depends on:
//! [`depends`] runs it again with other bits, [`products`] has rows and columns of matrices, [`doubt`] has branches around
//! nothing but computation. What is not known is kept by the warp and by memory; this folder changes nothing else. It uses
//! the states, and asks `control/`, `memory/` and `products/` which lanes and elements an instruction reads.

mod depends;
mod doubt;
mod follow;
pub(crate) mod products;

pub(crate) use follow::{after, before, loaded};
