//! The front end: from a Rust function to a [`Program`].
//!
//! It reads syntax only (a [`syn::ItemFn`]), so it serves the attribute macro and `kgen emit FILE.rs` alike,
//! and therefore checks axes and scalar types itself: `kgen` runs without rustc. Whatever it refuses, it
//! refuses at the exact span with what to write instead, and all that is wrong with a function is said at
//! once.
//!
//! | file | reads |
//! |---|---|
//! | `signature` | generics and parameters |
//! | `elements` | element types |
//! | `dims` | head dimensions, and the types of tiles that have them |
//! | `body` | what has been made so far, and the program in the end |
//! | `statements` | `let`, `+=`, the loop, blocks |
//! | `expr` | expressions: names, literals, `if`, casts, and the refusals |
//! | `operators` | `+`, `<=`, `!` and their like, on numbers and on tiles |
//! | `calls` | functions, and methods of tiles |
//! | `scalars` | methods of numbers |
//! | `methods` | methods of parameters and of softmaxes |
//! | `closures` | the score functions given to `map` and `mask` |
//! | `scope` | what a name or an expression stands for |
//! | `functions` | functions marked `#[score_function]`, which kernels call |
//! | `around` | constants and functions around the kernel |
//! | `arithmetic` | what the host run is to do as a kernel does |
//! | `diagnostics` | collecting errors, and guessing at misspellings |
//! | `written` | where the parts of a program were written |
//! | `compiles` | whether what was read is a program that compiles |
//! | `purpose` | the arguments of `#[attention_kernel]` |
//!
//! # What a kernel may say
//!
//! - **Signature**: `T: Element` and `const D: usize`, or fixed types (`Query<f16, 64>`); a `Query`, and any number
//!   of parameters of [`TYPES`](crate::program::TYPES). Values and outputs may have another head dimension than
//!   queries and keys: `const D: usize, const E: usize`, or two numbers. Outputs may have another element type than query,
//!   keys and values: `T: Element, U: Element`, or a fixed one (`Output<f32, D>`).
//! - **Before the loop**: `q.tile()`, `OnlineSoftmax::new()`, `Tile::zeros()`, and `let`s of numbers anywhere.
//! - **The loop**, one: `for cols in k.tiles()` with `k.load(cols)`, or `for cols in table.tiles()` with
//!   `k.gather(table, cols)`; or `for rows in q.tiles()` with `q.load(rows)`, which makes instances own columns, `k.tile()`.
//!   In it `softmax.step(s, &mut acc)` and `acc += …`.
//! - **After it**: `o.store(softmax.finish(acc))`, `lse.store(softmax.lse())`, `dk.store(acc)`, each output once; an
//!   accumulator is a tile there.
//! - **Tiles**, anywhere: `x.t()`, `x.slice::<E>()`, `dot(a, b)`, `x.map(|x, at| …)`, `x.mask(|at| …)`, a tile `* + - /` a number,
//!   `number * x`; of two tiles `a * b` and its like and `a.zip(b, |x, y, at| …)`, where the second of an operator may be a vector
//!   along the first; `x.sum()`, of each row a number. Vectors are tiles with an axis `One`: `RowVector`, `ColVector`.
//! - **Numbers**: f32, i32 and bool; literals, parameters, `at.row`, `at.col` and the others of `At`; vectors by an index,
//!   `slopes[at.head]`, and tables by theirs, `bias.at(at.head, at.query, at.col)`, `tree.at(at.query, at.col)`; arithmetic,
//!   comparisons, `&& || !`, of integers `& | ^ << >> !`; `as f32`, `as i32`; the methods of numbers that `scalars` lists;
//!   `if … else`, `select(c, a, b)`, blocks with `let`, `let (a, b) = (…, …)`, `const` inside the body and around it, `f32::INFINITY` and
//!   its like. A `let` of a number is substituted where it is used.
//!
//! # What of it compiles
//!
//! All that can be said so has a meaning, which the host run and the reference give it: [`parse_program`] reads it.
//! A kernel that is to be launched is attention: `acc += dot(p, v.load(cols))` with what one `softmax.step` makes of
//! `dot(q, k.load(cols).t())` through maps and masks, in whatever order its parts are named and however they are
//! transposed; it stores `softmax.finish(acc)`, `softmax.lse()` or both. [`parse_kernel`] reads that, and refuses
//! everything else where it is written. So what it returns compiles for every target, unless a tile asked for by hand
//! does not fit.

mod arithmetic;
mod around;
mod body;
mod calls;
mod closures;
mod compiles;
mod diagnostics;
mod dims;
mod elements;
mod expr;
mod functions;
mod methods;
mod operators;
mod purpose;
mod scalars;
mod scope;
mod signature;
mod statements;
mod written;

pub use arithmetic::Arithmetic;
pub use around::{Constant, Outer, ScoreFunction};
pub use purpose::Purpose;

use crate::program::Program;
use around::{Around, Guess, Named};
use proc_macro2::{LineColumn, Span};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use written::Written;

/// The attribute that marks a kernel.
const ATTRIBUTE: &str = "attention_kernel";

/// Reads one kernel function that is to be launched: what is returned compiles. Attributes on the function, the macro's
/// own included, mean nothing here.
///
/// # Errors
/// Everything that is wrong with the function, or is in the way of compiling it, combined into one error.
pub fn parse_kernel(item: &syn::ItemFn) -> Result<Program, syn::Error> {
    kernel_with(item, &Around::default())
}

/// A function that was read for the module beside it.
#[derive(Clone, Debug)]
pub struct ForHost<Read> {
    /// What was read of it, in which names around it stand for something.
    pub read: Read,
    /// What of the function the host run is to do as a kernel does.
    pub arithmetic: Arithmetic,
    /// The constants and the functions around it that it names, as it writes them.
    pub around: Vec<String>,
}

/// Reads one kernel function as [`parse_kernel`] or [`parse_program`] does, without what stands around it.
///
/// # Errors
/// As they do.
pub fn parse_for_host(item: &syn::ItemFn, purpose: Purpose) -> Result<ForHost<Program>, syn::Error> {
    guessing(|around| {
        let (program, written, arithmetic) = read(item, around)?;
        if purpose == Purpose::Launch {
            compiles::check(item, &program, &written).map_err(Refused::from)?;
        }
        Ok((program, arithmetic))
    })
}

/// Reads one function that is marked `#[score_function]`, without what stands around it.
///
/// # Errors
/// Everything that is wrong with it, combined into one error.
pub fn parse_score_function(item: &syn::ItemFn) -> Result<ForHost<()>, syn::Error> {
    guessing(|around| {
        let mut errors = diagnostics::Errors::default();
        let read = functions::read_alone(item, around, &mut errors);
        match errors.take() {
            Some(error) => Err(Refused { error, unknown: read.unknown }),
            None => Ok(((), read.arithmetic)),
        }
    })
}

/// Reads with nothing around, and then with what names that nothing explains may stand for.
fn guessing<R>(
    read_with: impl Fn(&Around) -> Result<(R, Arithmetic), Refused>,
) -> Result<ForHost<R>, syn::Error> {
    let mut least = match read_with(&Around::default()) {
        Ok((read, arithmetic)) => return Ok(ForHost { read, arithmetic, around: Vec::new() }),
        Err(refused) => refused,
    };
    let mut names = BTreeMap::new();
    // What is not read for one name that nothing explains may hold another.
    while least.unknown.keys().any(|name| !names.contains_key(name)) {
        names.append(&mut least.unknown);
        match with_types(&names, least, &read_with) {
            Ok((read, arithmetic)) => {
                return Ok(ForHost { read, arithmetic, around: names.into_keys().collect() });
            }
            Err(other) => least = other,
        }
    }
    Err(least.error)
}

/// Reads with the types of names with which nothing is wrong: of few names all are tried, of many one is changed after the other. Where
/// something is wrong with all, that with the fewest mistakes is what was meant.
fn with_types<R>(
    names: &BTreeMap<String, Named>,
    mut least: Refused,
    read_with: impl Fn(&Around) -> Result<(R, Arithmetic), Refused>,
) -> Result<(R, Arithmetic), Refused> {
    if let Some(all) = Guess::all(names) {
        for guess in all {
            match read_with(&guess.around()) {
                Ok(read) => return Ok(read),
                Err(other) if other.count() < least.count() || !other.unknown.is_empty() => least = other,
                Err(_) => {}
            }
        }
        return Err(least);
    }
    let mut best = Guess::first(names);
    least = match read_with(&best.around()) {
        Ok(read) => return Ok(read),
        Err(refused) => refused,
    };
    while least.unknown.is_empty() {
        let better = best.beside().find_map(|guess| match read_with(&guess.around()) {
            Err(other) if other.unknown.is_empty() && other.wrong() >= least.wrong() => None,
            read => Some((guess, read)),
        });
        match better {
            Some((_, Ok(read))) => return Ok(read),
            Some((guess, Err(other))) => (best, least) = (guess, other),
            None => break,
        }
    }
    Err(least)
}

/// Reads one kernel function of any form, for the host run and the reference: what is returned is well-typed, and may
/// be nothing that compiles.
///
/// # Errors
/// Everything that is wrong with the function, combined into one error.
pub fn parse_program(item: &syn::ItemFn) -> Result<Program, syn::Error> {
    Ok(read(item, &Around::default()).map_err(|refused| refused.error)?.0)
}

fn kernel_with(item: &syn::ItemFn, around: &Around) -> Result<Program, syn::Error> {
    let (program, written, _) = read(item, around).map_err(|refused| refused.error)?;
    compiles::check(item, &program, &written)?;
    Ok(program)
}

/// Why a function is no kernel, and what may be names of what stands around it.
struct Refused {
    error: syn::Error,
    unknown: BTreeMap<String, Named>,
}

impl Refused {
    fn count(&self) -> usize {
        self.error.clone().into_iter().count()
    }

    /// How far from right: by mistakes, and of as many by how late the first of them comes.
    fn wrong(&self) -> (usize, Reverse<Option<LineColumn>>) {
        let first = self.error.clone().into_iter().map(|error| error.span().start()).min();
        (self.count(), Reverse(first))
    }
}

impl From<syn::Error> for Refused {
    fn from(error: syn::Error) -> Refused {
        Refused { error, unknown: BTreeMap::new() }
    }
}

fn read(item: &syn::ItemFn, around: &Around) -> Result<(Program, Written, Arithmetic), Refused> {
    let mut errors = diagnostics::Errors::default();
    let signature = signature::read(item, &mut errors);
    let body::Read { program, written, arithmetic, unknown } =
        body::read(item, signature, around.clone(), &mut errors);
    if let Some(error) = errors.take() {
        return Err(Refused { error, unknown });
    }
    // The validator does not share this module's reasoning: if it objects, the mistake is ours, and the
    // author still gets an error and not a wrong kernel.
    match program.validate() {
        Ok(()) => Ok((program, written, arithmetic)),
        Err(error) => Err(Refused::from(syn::Error::new_spanned(
            &item.sig.ident,
            format!("the compiler misread this kernel: {error}. Please report it with the kernel's source"),
        ))),
    }
}

/// Reads the source text of one kernel function and nothing else, as [`parse_kernel`] does.
///
/// # Errors
/// If the text is not one function, or not a kernel.
pub fn parse_source(text: &str) -> Result<Program, FrontendError> {
    let item = syn::parse_str::<syn::ItemFn>(text).map_err(FrontendError::syntax)?;
    parse_kernel(&item).map_err(FrontendError::kernel)
}

/// Reads the source text of one kernel function and nothing else, as [`parse_program`] does.
///
/// # Errors
/// If the text is not one function, or not a kernel.
pub fn parse_program_source(text: &str) -> Result<Program, FrontendError> {
    parse_program_source_with(text, &[])
}

/// The same with what stands around it: names as the kernel writes them, and what they are.
///
/// # Errors
/// If the text is not one function, or not a kernel.
pub fn parse_program_source_with(text: &str, around: &[(&str, Outer)]) -> Result<Program, FrontendError> {
    let item = syn::parse_str::<syn::ItemFn>(text).map_err(FrontendError::syntax)?;
    let read = read(&item, &Around::of(around));
    read.map(|(program, ..)| program).map_err(|refused| FrontendError::kernel(refused.error))
}

/// Reads one kernel of a Rust source file: the function of this name that is marked `#[attention_kernel]`,
/// or the only one so marked. Inline modules are searched too. What is returned compiles.
///
/// # Errors
/// If the file is not Rust, has no such kernel or several, the function is not a kernel, or one for the reference only.
pub fn parse_file(text: &str, function: Option<&str>) -> Result<Program, FrontendError> {
    let file = syn::parse_file(text).map_err(FrontendError::syntax)?;
    let kernels = find_kernels(&file.items);
    let names = || kernels.iter().map(|item| item.sig.ident.to_string()).collect::<Vec<_>>();
    let item = match (function, kernels.as_slice()) {
        (_, []) => return Err(FrontendError::NoKernel),
        (None, [only]) => *only,
        (None, _) => return Err(FrontendError::SeveralKernels { found: names() }),
        (Some(name), all) => match all.iter().find(|item| item.sig.ident == name) {
            Some(item) => *item,
            None => {
                return Err(FrontendError::UnknownKernel { name: name.to_string(), found: names() });
            }
        },
    };
    let attribute = item.attrs.iter().find(|attribute| is_kernel_attribute(attribute));
    match attribute.map_or(Ok(Purpose::Launch), Purpose::of) {
        Ok(Purpose::Launch) => {
            kernel_with(item, &Around::in_items(&file.items)).map_err(FrontendError::kernel)
        }
        Ok(Purpose::Reference) => {
            let program = parse_program(item).map_err(FrontendError::kernel)?;
            Err(FrontendError::ReferenceOnly { name: program.name })
        }
        Err(mut error) => {
            if let Err(others) = parse_program(item) {
                error.combine(others);
            }
            Err(FrontendError::kernel(error))
        }
    }
}

/// The names of the functions of a source file that are marked `#[attention_kernel]`, in order.
///
/// # Errors
/// If the file is not Rust.
pub fn kernel_names(text: &str) -> Result<Vec<String>, FrontendError> {
    let file = syn::parse_file(text).map_err(FrontendError::syntax)?;
    Ok(find_kernels(&file.items).iter().map(|item| item.sig.ident.to_string()).collect())
}

fn find_kernels(items: &[syn::Item]) -> Vec<&syn::ItemFn> {
    let mut found = Vec::new();
    for item in items {
        match item {
            syn::Item::Fn(item) if item.attrs.iter().any(is_kernel_attribute) => found.push(item),
            syn::Item::Mod(module) => {
                found.extend(module.content.iter().flat_map(|(_, items)| find_kernels(items)));
            }
            _ => {}
        }
    }
    found
}

fn is_kernel_attribute(attribute: &syn::Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == ATTRIBUTE)
}

/// Why a source text gives no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontendError {
    /// The text is not Rust.
    #[error("this is not Rust: {0}")]
    Syntax(Diagnostic),
    /// No function is marked.
    #[error("no function here is marked #[attention_kernel]")]
    NoKernel,
    /// No kernel has the name asked for.
    #[error("there is no kernel `{name}` here; there is {}", list(.found))]
    UnknownKernel {
        /// the name
        name: String,
        /// those that there are
        found: Vec<String>,
    },
    /// A name is needed to choose.
    #[error("there are several kernels here, say which: {}", list(.found))]
    SeveralKernels {
        /// those that there are
        found: Vec<String>,
    },
    /// The kernel says of itself that it is not compiled.
    #[error(
        "kernel `{name}` is for the host run and the reference only: it is marked #[attention_kernel(reference)], and no PTX \
         is made of it"
    )]
    ReferenceOnly {
        /// the kernel
        name: String,
    },
    /// The function is not a kernel.
    #[error("{}", .0.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n"))]
    Kernel(Vec<Diagnostic>),
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// One thing wrong, and where. Lines and columns are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Line in the text.
    pub line: usize,
    /// Column in the line, in characters.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl Diagnostic {
    fn new(span: Span, message: String) -> Diagnostic {
        let start = span.start();
        Diagnostic { line: start.line, column: start.column + 1, message }
    }
}

impl FrontendError {
    fn syntax(error: syn::Error) -> FrontendError {
        FrontendError::Syntax(Diagnostic::new(error.span(), error.to_string()))
    }

    fn kernel(errors: syn::Error) -> FrontendError {
        let one = |error: syn::Error| Diagnostic::new(error.span(), error.to_string());
        let mut all: Vec<Diagnostic> = errors.into_iter().map(one).collect();
        all.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        FrontendError::Kernel(all)
    }
}
