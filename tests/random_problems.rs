//! Problems drawn at random against the reference, for either target: batches of every make for stock kernels, and kernels whose
//! masks and maps are drawn from a grammar and printed as source text. Failures are kept in
//! `proptest-regressions/` and tried first. `PROPTEST_CASES` asks for more; a run in CI draws the same cases
//! every time.

use crate::drawn;
use crate::judge;
use crate::kernel_source;
use crate::targets;

use flashpage::codegen::choice::HEAD_DIMS;
use flashpage::codegen::{Arch, ShapeClass};
use flashpage::kernels::find;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{AsyncPolicy, DType, Device, LaunchOptions, PoolLayout, WarpOrder};
use judge::judge;
use kernel_source::{Cache, kernel, program};
use proptest::prelude::*;

/// Cases a test draws, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 50;

/// Runs `test` on what `strategy` draws.
fn check<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<(), String>) {
    let regressions = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/random_problems.txt");
    drawn::check(regressions, (CASES, 20), strategy, test);
}

/// A target and how its emulator runs.
fn device() -> impl Strategy<Value = (Arch, AsyncPolicy, WarpOrder)> {
    let policy = prop_oneof![
        Just(AsyncPolicy::Eager),
        Just(AsyncPolicy::Lazy),
        any::<u64>().prop_map(AsyncPolicy::Random)
    ];
    let warp_order = prop_oneof![Just(WarpOrder::InOrder), any::<u64>().prop_map(WarpOrder::Random)];
    (prop::sample::select(targets::ARCHS.to_vec()), policy, warp_order)
}

/// Nothing, one, a few, or around a tile and past it.
fn length(most: usize) -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(0), 1 => Just(1), 3 => 2..40usize, 3 => 40..=most]
}

/// A target and how its emulator runs; batches, all but their scalars.
fn problem(most: usize) -> impl Strategy<Value = (Device, Problem)> {
    let lens = prop_oneof![
        3 => prop::collection::vec((length(most), length(most)), 1..=4),
        1 => prop::collection::vec((Just(1), length(most)), 1..=4),
    ];
    let heads = (1..=8usize, 1..=3usize).prop_filter("at most eight query heads", |(g, kv)| g * kv <= 8);
    let tensors = (
        prop::sample::select(vec![DType::F16, DType::Bf16, DType::F32]),
        0..60usize,
        prop::sample::select(vec![8usize, 1, 2, 4, 16, 24, 32, 40, 48, 56, 64, 72]),
        prop::sample::select(vec![PoolLayout::Nhd, PoolLayout::Hnd]),
        0..1000u64,
    );
    (device(), lens, heads, tensors).prop_map(
        |(
            (arch, policy, warp_order),
            lens,
            (group, kv_heads),
            (dtype, head_dim, block_size, layout, seed),
        )| {
            let problem = Problem {
                dtype,
                head_dim: HEAD_DIMS[head_dim % HEAD_DIMS.len()].into(),
                q_heads: group * kv_heads,
                kv_heads,
                lens,
                block_size,
                layout,
                seed,
                ..Problem::default()
            };
            (targets::device(targets::options(arch, policy, warp_order)), problem)
        },
    )
}

/// The shape class that a launch chooses, or any.
fn shape() -> impl Strategy<Value = Option<ShapeClass>> {
    prop_oneof![2 => Just(None), 1 => prop::sample::select(ShapeClass::ALL.to_vec()).prop_map(Some)]
}

fn stock(name: &'static str, most: usize) {
    let stock = find(name).unwrap();
    let has_window = (stock.program)().params.iter().any(|param| param.name == "window");
    let window = prop_oneof![Just(i32::MAX), 0..200i32, Just(-1)];
    check((problem(most), window, shape()), |((device, mut problem), window, shape)| {
        if has_window {
            problem.scalars.insert("window".to_owned(), f64::from(window));
        }
        let options = LaunchOptions { shape, ..LaunchOptions::default() };
        judge(&device, name, (stock.program)(), &problem, &options)
    });
}

#[test]
fn paged_attention() {
    stock("paged_attention", 150);
}

#[test]
fn causal_attention() {
    stock("causal_attention", 150);
}

#[test]
fn sliding_window_attention() {
    stock("sliding_window_attention", 150);
}

/// An i32 of small numbers, so that nothing wraps.
fn integer() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => Just("at.row".to_owned()),
        3 => Just("at.col".to_owned()),
        1 => Just("at.head".to_owned()),
        1 => Just("at.seq".to_owned()),
        1 => Just("w".to_owned()),
        1 => Just("ids[at.head]".to_owned()),
        2 => (0..100i32).prop_map(|n| n.to_string()),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            3 => (pair.clone(), prop::sample::select(vec!["+", "-"]))
                .prop_map(|((a, b), op)| format!("({a} {op} {b})")),
            1 => (inner.clone(), -3..=3i32).prop_map(|(a, n)| format!("({a} * ({n}))")),
            1 => (inner.clone(), prop::sample::select(vec!["/", "%"]), 1..20i32)
                .prop_map(|(a, op, n)| format!("({a} {op} {n})")),
            1 => (pair.clone(), prop::sample::select(vec!["min", "max"]))
                .prop_map(|((a, b), f)| format!("({a}).{f}({b})")),
            1 => inner.clone().prop_map(|a| format!("({a}).abs()")),
            1 => inner.prop_map(|a| format!("(-{a})")),
        ]
    })
}

/// A condition on a place.
fn condition() -> impl Strategy<Value = String> {
    let compare = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    let leaf = prop_oneof![
        8 => (integer(), compare, integer()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        2 => Just("(at.col <= at.row)".to_owned()),
        2 => Just("(at.row - at.col < w)".to_owned()),
        1 => Just("flag".to_owned()),
        1 => prop::sample::select(vec!["true", "false"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            4 => (inner.clone(), prop::sample::select(vec!["&&", "||"]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            2 => inner.clone().prop_map(|a| format!("!{a}")),
            1 => (inner.clone(), inner.clone(), inner)
                .prop_map(|(c, a, b)| format!("(if {c} {{ {a} }} else {{ {b} }})")),
        ]
    })
}

/// An f32 of a score `x` and its place, continuous in `x` and of its size.
fn score() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => Just("x".to_owned()),
        1 => (-20..20i32).prop_map(|n| format!("({:?})", n as f32 / 8.0)),
        1 => Just("slopes[at.head]".to_owned()),
        1 => integer().prop_map(|n| format!("(({n}) as f32 * 0.01)")),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            3 => (inner.clone(), prop::sample::select(vec!["+", "-"]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            2 => (inner.clone(), -16..16i32).prop_map(|(a, n)| format!("({a} * ({:?}))", n as f32 / 8.0)),
            1 => inner.clone().prop_map(|a| format!("({a} / (1.5 + ({a}).abs()))")),
            1 => inner.clone().prop_map(|a| format!("({a}).tanh()")),
            1 => inner.clone().prop_map(|a| format!("(({a}).tanh()).exp()")),
            1 => inner.clone().prop_map(|a| format!("(({a}).abs() + 1.0).ln()")),
            1 => inner.clone().prop_map(|a| format!("(({a}).abs() + 0.25).sqrt()")),
            1 => (inner.clone(), prop::sample::select(vec!["min", "max"]), inner.clone())
                .prop_map(|(a, f, b)| format!("({a}).{f}({b})")),
            2 => (condition(), inner.clone(), inner)
                .prop_map(|(c, a, b)| format!("select({c}, {a}, {b})")),
        ]
    })
}

/// The steps from products to the scores of the softmax.
fn steps() -> impl Strategy<Value = String> {
    let mask = condition().prop_map(|c| format!("let s = s.mask(|at| {c});")).boxed();
    let map = score().prop_map(|x| format!("let s = s.map(|x, at| {x});")).boxed();
    // After a mask only what leaves minus infinity as it is.
    let shift = (condition(), integer()).prop_map(|(c, n)| {
        format!("let s = s.map(|x, at| x * 0.75 + select({c}, 0.5, ({n}) as f32 * 0.01));")
    });
    let scale = Just("let s = s * scale;".to_owned());
    prop_oneof![
        4 => (scale.clone(), mask.clone()).prop_map(|(a, b)| format!("{a}\n        {b}")),
        2 => (scale.clone(), map.clone()).prop_map(|(a, b)| format!("{a}\n        {b}")),
        2 => (scale.clone(), map.clone(), mask.clone())
            .prop_map(|(a, b, c)| format!("{a}\n        {b}\n        {c}")),
        1 => (scale.clone(), mask.clone(), shift).prop_map(|(a, b, c)| format!("{a}\n        {b}\n        {c}")),
        1 => (mask.clone(), scale, mask).prop_map(|(a, b, c)| format!("{a}\n        {b}\n        {c}")),
    ]
}

const PARAMS: &str = "w: i32,\n    flag: bool,\n    slopes: PerHead<f32>,\n    ids: PerHead<i32>,";

#[test]
fn masks_and_maps() {
    let paged = any::<bool>().prop_map(|paged| if paged { Cache::Paged } else { Cache::Contiguous });
    let strategy = (steps(), paged, problem(100), 0..120i32, any::<bool>(), shape());
    check(strategy, |(steps, cache, (device, mut problem), w, flag, shape)| {
        let source = kernel(cache, PARAMS, &steps);
        problem.scalars.insert("w".to_owned(), f64::from(w));
        problem.scalars.insert("flag".to_owned(), f64::from(u8::from(flag)));
        let options = LaunchOptions { shape, ..LaunchOptions::default() };
        judge(&device, "user.rs", &program(&source), &problem, &options)
            .map_err(|error| format!("{error}\nwhere user.rs is\n{source}"))
    });
}
