//! The reference on programs of every form that the language has, most of which no kernel is made of, against nested
//! loops over rows, columns and elements, written here.

mod dims;
mod forms;
mod inputs;
mod loops;
mod paged;
mod plainly;
mod refused;
mod special;
