//! Constants around a kernel: `const WINDOW: i32 = 128;` outside the function.
//!
//! A source file says what they are. The macro sees the function alone: there a name in capitals that nothing else explains is taken
//! for a constant, of the first type with which the kernel has no mistake, and what it is, the module beside the kernel says when
//! the program is made.

use super::signature::scalar_type;
use crate::program::{Expr, ScalarType};
use std::collections::BTreeMap;

/// The value of a constant.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Constant {
    F32(f32),
    I32(i32),
    Bool(bool),
}

impl From<f32> for Constant {
    fn from(value: f32) -> Constant {
        Constant::F32(value)
    }
}

impl From<i32> for Constant {
    fn from(value: i32) -> Constant {
        Constant::I32(value)
    }
}

impl From<bool> for Constant {
    fn from(value: bool) -> Constant {
        Constant::Bool(value)
    }
}

impl Constant {
    pub(super) fn expr(self) -> (Expr, ScalarType) {
        match self {
            Constant::F32(value) => (Expr::Float(value), ScalarType::F32),
            Constant::I32(value) => (Expr::Int(value), ScalarType::I32),
            Constant::Bool(value) => (Expr::Bool(value), ScalarType::Bool),
        }
    }
}

/// What is known of constants.
#[derive(Clone, Default)]
pub(super) struct Constants {
    known: BTreeMap<String, Known>,
}

#[derive(Clone)]
pub(super) enum Known {
    Value(Constant),
    /// As it stands in a source file.
    Written(Box<syn::ItemConst>),
}

impl Constants {
    pub(super) fn of(values: &[(&str, Constant)]) -> Constants {
        let known = values.iter().map(|(name, value)| ((*name).to_owned(), Known::Value(*value)));
        Constants { known: known.collect() }
    }

    /// The numbers among these items, those of inline modules too.
    pub(super) fn in_items(items: &[syn::Item]) -> Constants {
        let mut constants = Constants::default();
        for item in items {
            match item {
                syn::Item::Const(item) if scalar_type(&item.ty).is_some() => {
                    constants.known.insert(item.ident.to_string(), Known::Written(Box::new(item.clone())));
                }
                syn::Item::Mod(module) => {
                    let inside =
                        module.content.iter().flat_map(|(_, items)| Constants::in_items(items).known);
                    constants.known.extend(inside);
                }
                _ => {}
            }
        }
        constants
    }

    pub(super) fn get(&self, name: &str) -> Option<&Known> {
        self.known.get(name)
    }
}

/// Most constants whose types are guessed: every one makes three times as many guesses.
const MOST_GUESSED: usize = 5;

/// A value of each type that these may have, one after the other; none where they are too many.
pub(super) fn guesses(names: &[String]) -> Vec<Vec<(&str, Constant)>> {
    let types = [Constant::I32(1), Constant::F32(1.0), Constant::Bool(true)];
    if names.len() > MOST_GUESSED {
        return Vec::new();
    }
    let mut all: Vec<Vec<(&str, Constant)>> = vec![Vec::new()];
    for name in names {
        all = all
            .into_iter()
            .flat_map(|before| types.map(|ty| [&before[..], &[(name.as_str(), ty)]].concat()))
            .collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::{Purpose, parse_file, parse_for_host};

    const KERNEL: &str = "#[attention_kernel]
pub fn user<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = (dot(q, k.load(cols).t()) * SCALE).mask(|at| IS_FULL || at.row - at.col < WINDOW);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}
";

    #[test]
    fn a_file_says_what_constants_are() {
        let around = "const TILES: i32 = 3; const WINDOW: i32 = 16 * TILES; mod sizes { pub const SCALE: f32 = 0.125; }
            pub const IS_FULL: bool = false; const OTHER: &str = \"\";";
        let program = parse_file(&format!("{around}\n{KERNEL}"), None).unwrap().to_string();
        for text in ["* 0.125", "row - col < 16 * 3", "false ||"] {
            assert!(program.contains(text), "{text} is not in\n{program}");
        }
    }

    #[test]
    fn types_are_those_that_fit() {
        let item: syn::ItemFn = syn::parse_str(KERNEL).unwrap();
        let read = parse_for_host(&item, Purpose::Launch).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.constants, ["IS_FULL", "SCALE", "WINDOW"]);
        // What is wrong besides is all that is said.
        let wrong: syn::ItemFn =
            syn::parse_str(&KERNEL.replace("softmax.finish(acc)", "softmax.finsih(acc)")).unwrap();
        let said = parse_for_host(&wrong, Purpose::Launch).err().map(|error| error.into_iter().count());
        assert_eq!(said, Some(1));
    }
}
