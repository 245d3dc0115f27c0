//! The attribute on something that is not a function.

use flashpage::prelude::*;

#[attention_kernel]
pub struct Attention;

fn main() {}
