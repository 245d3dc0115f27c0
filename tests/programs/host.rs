//! Drawn kernels as a file that rustc compiles, and how they are called on the host.

use super::drawn;
use flashpage::HostRunError;
use flashpage::runtime::args::BlockTable;
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
    f32, F32;
    i32, I32;
    bool, Bool;
}

/// The file of the kernels that these seeds draw.
pub fn file(seeds: &[u64]) -> String {
    let mut text = "//! Kernels that `tests/programs` draws, for rustc: made, and never changed by hand. `random_programs.rs` says how.
#![allow(unused, double_negations, clippy::all)]

use super::programs::host::{Field, Host};
use flashpage::prelude::*;
"
    .to_owned();
    let mut table = String::new();
    for &seed in seeds {
        let drawn = drawn(seed);
        write!(text, "\n{}", drawn.source()).unwrap();
        let name = &drawn.name;
        let fields = drawn
            .params
            .iter()
            .enumerate()
            .map(|(index, (name, _))| format!("{name}: Field::of(&a[{index}])"));
        let fields: Vec<String> = fields.collect();
        let outputs = drawn.params.iter().filter(|(_, ty)| ty.contains("Output"));
        let outputs: Vec<String> = outputs.map(|(name, _)| format!("(\"{name}\", got.{name})")).collect();
        write!(
            table,
            "    ({seed}, |a| {{\n        let args = {name}::Args {{ {} }};\n        let got = {name}::reference{}(&args)?;\n        Ok(vec![{}])\n    }}),\n",
            fields.join(", "),
            drawn.generics,
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
