//! What stands around a kernel and is named in it: `const WINDOW: i32 = 128;`, and functions marked `#[score_function]`.
//!
//! A source file says what they are. The macro sees the function alone: there a name that nothing else explains, in capitals or
//! called, is taken for such, of the first type with which the kernel has no mistake, and what it is, the module beside the kernel
//! says when the program is made.

use super::signature::scalar_type;
use crate::program::{Expr, ScalarType};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The value of a constant.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Constant {
    F32(f32),
    I32(i32),
    Bool(bool),
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

/// What a name around a kernel stands for, as the module beside the kernel says it.
#[derive(Clone, Copy, Debug)]
pub enum Outer {
    /// A number.
    Constant(Constant),
    /// A function that is marked `#[score_function]`.
    Function(fn() -> ScoreFunction),
}

impl From<f32> for Outer {
    fn from(value: f32) -> Outer {
        Outer::Constant(Constant::F32(value))
    }
}

impl From<i32> for Outer {
    fn from(value: i32) -> Outer {
        Outer::Constant(Constant::I32(value))
    }
}

impl From<bool> for Outer {
    fn from(value: bool) -> Outer {
        Outer::Constant(Constant::Bool(value))
    }
}

/// A function marked `#[score_function]`, as the module beside it says it.
#[derive(Clone, Debug)]
pub struct ScoreFunction {
    /// Its source.
    pub source: &'static str,
    /// What it names of what stands around it, as it writes it.
    pub around: Vec<(&'static str, Outer)>,
}

/// What is known of names around a kernel or a function.
#[derive(Clone, Default)]
pub(super) struct Around(Rc<BTreeMap<String, Known>>);

#[derive(Clone)]
pub(super) enum Known {
    Value(Constant),
    /// A constant as it stands in a source file.
    Written(Rc<syn::ItemConst>),
    /// A marked function of the same source file.
    Function(Rc<syn::ItemFn>),
    /// A function of the same source file that is not marked.
    Unmarked,
    /// A marked function, which says itself what is around it.
    Beside(fn() -> ScoreFunction),
    /// A function that gives something of this type.
    Gives(Constant),
    /// Several items of the same source file have the name, in modules of their own.
    Several,
}

/// What a name can be of which nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// One that is written in capitals.
    Constant,
    /// One that is called, or given to `map` or `mask`.
    Function,
}

impl Around {
    pub(super) fn of(names: &[(&str, Outer)]) -> Around {
        let known = |outer: Outer| match outer {
            Outer::Constant(value) => Known::Value(value),
            Outer::Function(function) => Known::Beside(function),
        };
        Around(Rc::new(names.iter().map(|(name, outer)| ((*name).to_owned(), known(*outer))).collect()))
    }

    /// The numbers and the functions among these items, those of inline modules too.
    pub(super) fn in_items(items: &[syn::Item]) -> Around {
        let mut known = BTreeMap::new();
        gather(items, &mut known);
        Around(Rc::new(known))
    }

    /// What is known of a name, or of the last of a path that a file knows.
    pub(super) fn get(&self, path: &syn::Path) -> Option<&Known> {
        let last = path.segments.last()?.ident.to_string();
        self.0.get(&name_of(path)).or_else(|| self.0.get(&last))
    }

    /// The names of the functions.
    pub(super) fn functions(&self) -> Vec<&str> {
        let is_function = |known: &Known| matches!(known, Known::Function(_) | Known::Beside(_));
        self.0.iter().filter(|(_, known)| is_function(known)).map(|(name, _)| name.as_str()).collect()
    }
}

fn gather(items: &[syn::Item], known: &mut BTreeMap<String, Known>) {
    for item in items {
        match item {
            syn::Item::Const(item) if scalar_type(&item.ty).is_some() => {
                add(known, &item.ident, Known::Written(Rc::new(item.clone())));
            }
            syn::Item::Fn(item) => {
                let is_marked = item.attrs.iter().any(super::functions::is_mark);
                let function = match is_marked {
                    true => Known::Function(Rc::new(item.clone())),
                    false => Known::Unmarked,
                };
                add(known, &item.sig.ident, function);
            }
            syn::Item::Mod(module) => {
                module.content.iter().for_each(|(_, items)| gather(items, known));
            }
            _ => {}
        }
    }
}

/// Which of several items a name means, only the compiler of the file knows.
fn add(known: &mut BTreeMap<String, Known>, name: &syn::Ident, item: Known) {
    known.entry(name.to_string()).and_modify(|known| *known = Known::Several).or_insert(item);
}

/// What is said of such a name.
pub(super) fn several(name: &str) -> String {
    format!("several items of this file are called `{name}`, in modules of their own: give each another name")
}

/// A path as a name: `masks::causal`.
pub(super) fn name_of(path: &syn::Path) -> String {
    let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    segments.join("::")
}

/// Most names of which all types are tried together: every one makes three times as many guesses.
const MOST_TOGETHER: usize = 6;

/// Something of each type.
const TYPES: [Constant; 3] = [Constant::I32(1), Constant::F32(1.0), Constant::Bool(true)];

/// A guess at what names stand for of which nothing is known: a type for each.
#[derive(Clone)]
pub(super) struct Guess<'n> {
    names: &'n BTreeMap<String, Named>,
    types: Vec<Constant>,
}

impl<'n> Guess<'n> {
    /// Integers, all of them.
    pub(super) fn first(names: &'n BTreeMap<String, Named>) -> Guess<'n> {
        Guess { names, types: vec![TYPES[0]; names.len()] }
    }

    /// All there are, one after the other; nothing where they are too many.
    pub(super) fn all(names: &'n BTreeMap<String, Named>) -> Option<Vec<Guess<'n>>> {
        if names.len() > MOST_TOGETHER {
            return None;
        }
        let mut all: Vec<Vec<Constant>> = vec![Vec::new()];
        for _ in names {
            let with = |before: &[Constant], ty: Constant| [before, &[ty]].concat();
            all = all.iter().flat_map(|before| TYPES.map(|ty| with(before, ty))).collect();
        }
        Some(all.into_iter().map(|types| Guess { names, types }).collect())
    }

    /// Those that differ from this one in one name.
    pub(super) fn beside(&self) -> impl Iterator<Item = Guess<'n>> {
        (0..self.types.len()).flat_map(move |place| {
            TYPES.map(|ty| {
                let mut other = self.clone();
                other.types[place] = ty;
                other
            })
        })
    }

    /// What is known then.
    pub(super) fn around(&self) -> Around {
        let known = |named: &Named, ty: Constant| match named {
            Named::Constant => Known::Value(ty),
            Named::Function => Known::Gives(ty),
        };
        let names = self.names.iter().zip(&self.types);
        Around(Rc::new(names.map(|((name, named), ty)| (name.clone(), known(named, *ty))).collect()))
    }
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
        assert_eq!(read.around, ["IS_FULL", "SCALE", "WINDOW"]);
        // Of many names as well.
        let names: Vec<String> = (1..=12).map(|number| format!("LIMIT_{number}")).collect();
        let sum = names.join(" * WEIGHT * 2.0 + x * ");
        let many = KERNEL.replace("* SCALE).mask", &format!("* SCALE).map(|x, _| x * {sum} - x).mask"));
        let read = parse_for_host(&syn::parse_str(&many).unwrap(), Purpose::Launch);
        assert_eq!(read.unwrap_or_else(|error| panic!("{error}")).around.len(), 3 + 12 + 1);
        // What is wrong besides is all that is said.
        let wrong: syn::ItemFn =
            syn::parse_str(&KERNEL.replace("softmax.finish(acc)", "softmax.finsih(acc)")).unwrap();
        let many_wrong = syn::parse_str(&many.replace("softmax.finish(acc)", "softmax.finsih(acc)")).unwrap();
        for wrong in [wrong, many_wrong] {
            let said = parse_for_host(&wrong, Purpose::Launch).err().map(|error| error.into_iter().count());
            assert_eq!(said, Some(1));
        }
    }
}
