//! PTX as data: the words of the language ([`words`]), a module as a tree ([`ast`]), and the ways in and
//! out of it: [`builder`] for code that is being generated, [`parse()`] and [`parse_apart`] for text from any compiler,
//! [`print()`](print()) to text, [`verify()`](verify()) for what can be known without running it.
//!
//! Invariants: this crate does not know what attention is, nor what an instruction computes, but for what stands for a
//! division ([`division`]). Whatever the builder makes prints to text that parses back to the same tree.

pub mod ast;
pub mod builder;
pub mod division;
mod lex;
mod parse;
mod print;
mod verify;
pub mod words;

pub use parse::{ParseError, Unread, parse, parse_apart};
pub use print::print;
pub use verify::{Problem, verify};
