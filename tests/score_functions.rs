//! Functions marked `#[score_function]`: kernels that call them are right on both targets, on the host, and read of a file.

use crate::judge;
use crate::targets;

use flashpage::codegen::Program;
use flashpage::codegen::frontend::{kernel_names, parse_file, parse_source};
use flashpage::prelude::*;
use flashpage::runtime::args::Argument;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{self, LaunchOptions};
use judge::judge;
use targets::{ARCHS, harsh};

const BUCKETS: i32 = 8;

/// A bucket for each of the nearest, and one for twice as far as the last; negative distances are of the first.
#[score_function]
pub fn bucket(distance: i32) -> i32 {
    if distance < 0 {
        return 0;
    }
    if distance < BUCKETS / 2 {
        distance
    } else {
        let far = BUCKETS / 2 + (distance as f32 / (BUCKETS / 2) as f32).log2() as i32;
        far.min(BUCKETS - 1)
    }
}

mod masks {
    use flashpage::prelude::*;

    pub const REACH: i32 = 48;

    /// Columns at most so far before their row.
    #[score_function]
    pub fn near(at: At, reach: i32) -> bool {
        at.col <= at.row && at.row - at.col < reach
    }

    #[score_function]
    pub fn of_document(at: At, documents: PerKey<i32>) -> bool {
        if documents[at.row] != documents[at.col] {
            return false;
        } else if at.row - at.col >= super::masks::REACH {
            return at.col < 4;
        }
        self::near(at, i32::MAX)
    }

    /// A hash that wraps, and divides by zero where the row is 3.
    #[score_function]
    pub fn is_drawn(at: At) -> bool {
        let mixed = at.row * 1_640_531_527 + at.col * 97 / (at.row - 3);
        (mixed ^ (mixed >> 7)).abs() % 5 != 0
    }
}
use masks::of_document;

#[score_function]
fn biased<T: Element>(x: f32, at: At, bias: Bias<T>, slopes: PerHead<f32>) -> f32 {
    let x = x + bias.at(at.head, 0, bucket(at.row - at.col));
    x - slopes[at.head] * ((at.row - at.col) as f32).abs().sqrt()
}

#[score_function]
fn capped(x: f32, _: At) -> f32 {
    SOFT * (x / SOFT).tanh()
}

const SOFT: f32 = 6.0;

const FAR: f32 = -3.0;

/// Two that are of one type, whichever it is.
#[score_function]
fn is_less(at: At) -> bool {
    const TWICE: i32 = 2 * (3 - 1) / 2 % 5;
    distance(at).abs() * FAR + -FAR < -(FAR.abs()) - FAR || at.col % TWICE == 0
}

#[score_function]
fn distance(at: At) -> f32 {
    (at.row - at.col).clamp(-9, 9) as f32
}

/// A quarter of what is kept at random.
#[score_function]
fn thinned(p: f32, at: At) -> f32 {
    if at.random(7) < 0.25 {
        return 0.0;
    }
    p / 0.75
}

#[score_function]
fn logit(at: At, sinks: PerHead<f32>) -> f32 {
    // A sink has no column: it is 0.
    sinks[at.head] + at.col as f32
}

/// Functions in closures, one of which calls another, with tensors.
#[attention_kernel]
pub fn buckets_and_sinks<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    lse: RowOutput,
    bias: Bias<T>,
    slopes: PerHead<f32>,
    sinks: PerHead<f32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| biased(x, at, bias, slopes)).mask(|at| masks::near(at, masks::REACH));
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    softmax.sink(|at| logit(at, sinks));
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Functions in place of closures.
#[attention_kernel]
pub fn by_name<T: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = (dot(q, k.load(cols).t()) * scale).map(capped).mask(masks::is_drawn).mask(is_less);
        let p = softmax.step(s, &mut acc).map(thinned);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// One that a `use` names, in pages.
#[attention_kernel]
pub fn documents<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    documents: PerKey<i32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| of_document(at, documents));
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

fn problem() -> Problem {
    Problem {
        q_heads: 4,
        kv_heads: 2,
        lens: vec![(70, 131), (1, 9), (0, 3), (20, 20), (9, 2)],
        ..Problem::default()
    }
}

#[test]
fn kernels_that_call_functions_are_right() {
    let text = include_str!("score_functions.rs");
    let programs = [buckets_and_sinks::program(), by_name::program(), documents::program()];
    let names = kernel_names(text).unwrap();
    assert_eq!(names, programs.map(|program| program.name.clone()));
    for program in programs {
        // The file says the same as the modules around the kernels.
        let of_file = parse_file(text, Some(&program.name)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(of_file.to_string(), program.to_string());
        for arch in ARCHS {
            judge(&harsh(arch), "score_functions.rs", program, &problem(), &LaunchOptions::default())
                .unwrap();
        }
    }
}

/// What the functions themselves give on the host, against the reference, which reads them written out.
#[test]
fn functions_run_on_the_host() {
    let device = Device::emulator();
    let check = |program: &Program, run: &dyn Fn(&[Argument<'_>]) -> Vec<f32>| {
        let inputs = problem().inputs(&device, program).unwrap();
        let arguments = inputs.arguments();
        let (got, want) = (run(&arguments), runtime::reference(program, &arguments).unwrap());
        for (index, (got, want)) in got.iter().zip(&want[0].values).enumerate() {
            let near = (f64::from(*got) - want).abs() <= 3e-6 * (1.0 + want.abs());
            assert!(near || got.is_nan() && want.is_nan(), "{} {index}: {got}, not {want}", program.name);
        }
        assert_eq!(got.len(), want[0].values.len());
    };
    check(buckets_and_sinks::program(), &|arguments| {
        let [
            Argument::Ragged(q),
            Argument::Ragged(k),
            Argument::Ragged(v),
            Argument::Output(o),
            Argument::Output(lse),
            Argument::Vector(bias),
            Argument::Vector(slopes),
            Argument::Vector(sinks),
            Argument::F32(scale),
        ] = *arguments
        else {
            panic!("{arguments:?}")
        };
        let args = buckets_and_sinks::Args { q, k, v, o, lse, bias, slopes, sinks, scale };
        buckets_and_sinks::reference::<f16, 64>(&args).unwrap().o
    });
    check(by_name::program(), &|arguments| {
        let [
            Argument::Ragged(q),
            Argument::Ragged(k),
            Argument::Ragged(v),
            Argument::Output(o),
            Argument::F32(scale),
        ] = *arguments
        else {
            panic!("{arguments:?}")
        };
        by_name::reference::<f16, 64>(&by_name::Args { q, k, v, o, scale }).unwrap().o
    });
    assert_eq!([-3, 0, 3, 4, 9, 1000].map(bucket), [0, 0, 3, 4, 5, 7]);
}

/// What a file says of functions that it should not have.
#[test]
fn messages_say_what_to_write() {
    let kernel = |mask: &str| {
        format!(
            "#[attention_kernel]
pub fn user<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>, scale: f32) {{
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {{
        let s = (dot(q, k.load(cols).t()) * scale).mask({mask});
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }}
    o.store(softmax.finish(acc));
}}"
        )
    };
    let marked = "#[score_function] ";
    let table: &[(&str, &str, &str)] = &[
        (
            "fn near(at: At) -> bool { at.col <= at.row }",
            "|at| near(at)",
            "mark `near` with `#[score_function]`",
        ),
        ("", "|at| near(at)", "a kernel cannot call `near`"),
        ("#[score_function] fn near(at: At) -> bool { true }", "|at| naer(at)", "did you mean `near`?"),
        ("#[score_function] fn near(at: At) -> bool { near(at) }", "near", "`near` comes back to itself"),
        (
            "#[score_function] fn even(at: At) -> bool { odd(at) } #[score_function] fn odd(at: At) -> bool { !even(at) }",
            "even",
            "`even` comes back to itself",
        ),
        (
            "#[score_function] fn near(at: At) -> f32 { 1.0 }",
            "near",
            "a mask says whether to keep the score, a `bool`; this is an `f32`",
        ),
        (
            "#[score_function] fn near(at: At) -> bool { 1.0 }",
            "near",
            "`near` says that it gives `bool`, and gives an `f32`",
        ),
        ("#[score_function] fn near(at: At) { }", "near", "a score function gives a number: write `-> f32`"),
        (
            "#[score_function] fn near(at: At, n: i32) -> bool { at.col < n }",
            "near",
            "`near` takes 2, not 1: write `near(at, n)`",
        ),
        (
            "#[score_function] fn near(at: At, n: i32) -> bool { at.col < n }",
            "|at| near(at, 1.0)",
            "`n` is `i32`, this is an `f32`",
        ),
        (
            "#[score_function] fn near(at: At, n: i32) -> bool { at.col < n }",
            "|at| near(at.col, 1)",
            "`at` is `at`, this is an `i32`",
        ),
        (
            "#[score_function] fn near(q: Query<f16, 64>) -> bool { true }",
            "|at| near(at)",
            "a score function takes numbers, `At`",
        ),
        (
            "#[score_function] fn near<const W: usize>(at: At) -> bool { true }",
            "near",
            "a score function has no head dimension",
        ),
        (
            "#[score_function] fn near(at: At) -> bool { if at.col < 3 { let n = 2; } else { return true; } false }",
            "near",
            "this branch neither gives a number nor ends with `return`",
        ),
        ("const NEAR: i32 = 3;", "|at| NEAR(at)", "`NEAR` is a number, and cannot be called"),
        (
            "#[score_function] fn near(at: At) -> bool { at.colum < 3 }",
            "|at| near(at) || near(at)",
            "`at` has no `colum`",
        ),
    ];
    let grows = "#[score_function] fn grow(x: i32) -> i32 { let y = x + x + x + x; y + y + y + y }";
    let deep = "|at| grow(grow(grow(grow(at.col)))) > 3";
    let more: &[(&str, &str, &str)] = &[
        // Wrong where it is called for the third time, and right before.
        (grows, deep, "too large once"),
        (
            "mod a { const N: i32 = 3; } mod b { const N: i32 = 5; }",
            "|at| at.col < N",
            "several items of this file are called `N`",
        ),
        (
            "mod a { #[score_function] fn near(at: At) -> bool { true } } mod b { fn near() {} }",
            "near",
            "several items of this file are called `near`",
        ),
    ];
    for (function, mask, want) in table.iter().chain(more) {
        let said =
            parse_file(&format!("{function}\n{}", kernel(mask)), None).map(|program| program.to_string());
        let said = said.expect_err(mask).to_string();
        assert!(said.contains(want), "{function} {mask}: {said}");
        // What is wrong with a function is said once.
        assert_eq!(said.matches(want).count(), 1, "{said}");
    }
    let right = format!("{marked} fn near(at: At) -> bool {{ at.col <= at.row }}\n{}", kernel("near"));
    assert!(parse_file(&right, None).unwrap().to_string().contains("col <= row"));
    // Alone, without the file, a kernel sees no functions.
    assert!(parse_source(&kernel("near")).is_err());
}
