//! Drawn kernels as a file that rustc compiles, and how they are called on the host.

use flashpage::HostRunError;
use flashpage::runtime::args::{BitMask, BlockTable};
use flashpage::runtime::{Argument, Pool, Ragged, Tensor};
use std::fmt::Write;

/// Runs a kernel's own function over the arguments of a launch: its outputs by name.
pub type Host = fn(&[Argument<'_>]) -> Result<Vec<(&'static str, Vec<f32>)>, HostRunError>;

/// An argument of a launch as a field of `Args` has it.
pub trait Field<'a> {
    fn of(argument: &Argument<'a>) -> Self;
}

macro_rules! field {
    ($($ty:ty, $($variant:ident)|+;)*) => {$(
        impl<'a> Field<'a> for $ty {
            fn of(argument: &Argument<'a>) -> $ty {
                match *argument {
                    $(Argument::$variant(value) => value,)+
                    _ => panic!("the arguments are of another kernel"),
                }
            }
        }
    )*};
}

field! {
    Ragged<'a>, Ragged;
    Pool<'a>, Pool;
    &'a BlockTable, Table;
    &'a Tensor, Output | Vector;
    &'a BitMask, BitMask;
    f32, F32;
    i32, I32;
    bool, Bool;
}

/// A kernel for rustc.
pub struct Source {
    pub seed: u64,
    pub name: String,
    pub text: String,
    /// How `reference` is called: its generic arguments, as text.
    pub generics: String,
    /// Names and types of the parameters, in order.
    pub params: Vec<(String, String)>,
}

/// The file of these kernels.
pub fn file(kernels: impl Iterator<Item = Source>) -> String {
    let mut text = "//! Kernels that `tests/programs` draws, for rustc: made, and never changed by hand. `random_programs.rs` says how.
#![allow(unused, double_negations, clippy::all)]

use super::programs::host::{Field, Host};
use flashpage::prelude::*;
"
    .to_owned();
    let mut table = String::new();
    for Source { seed, name, text: source, generics, params } in kernels {
        write!(text, "\n{source}").unwrap();
        let fields =
            params.iter().enumerate().map(|(index, (name, _))| format!("{name}: Field::of(&a[{index}])"));
        let fields: Vec<String> = fields.collect();
        let outputs = params.iter().filter(|(_, ty)| ty.contains("Output"));
        let outputs: Vec<String> = outputs.map(|(name, _)| format!("(\"{name}\", got.{name})")).collect();
        write!(
            table,
            "    ({seed}, |a| {{\n        let args = {name}::Args {{ {} }};\n        let got = {name}::reference{}(&args)?;\n        Ok(vec![{}])\n    }}),\n",
            fields.join(", "),
            generics,
            outputs.join(", ")
        )
        .unwrap();
    }
    write!(
        text,
        "\n/// The seeds, and each kernel on the host.\npub const KERNELS: &[(u64, Host)] = &[\n{table}];\n"
    )
    .unwrap();
    text
}
