//! The kernels of `docs/variants.rs`: rustc compiles them, and each is held to the reference on both targets.

mod judge;
mod targets;
#[allow(dead_code)]
#[path = "../docs/variants.rs"]
mod variants;

use flashpage::codegen::frontend::{kernel_names, parse_file};
use flashpage::prelude::*;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{DType, LaunchOptions};
use judge::judge;
use targets::{ARCHS, harsh};

const TEXT: &str = include_str!("../docs/variants.rs");

#[test]
fn variants_are_right() {
    let names = kernel_names(TEXT).unwrap();
    assert!(names.len() >= 18, "{names:?}");
    for (number, name) in names.iter().enumerate() {
        let program = parse_file(TEXT, Some(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let of_16_bits = [DType::F16, DType::Bf16][number % 2];
        for (arch, dtype) in ARCHS.into_iter().flat_map(|arch| [(arch, of_16_bits), (arch, DType::F32)]) {
            let problem = Problem {
                q_heads: 4,
                kv_heads: 2,
                lens: vec![(70, 131), (1, 9), (0, 3), (20, 20)],
                dtype,
                seed: number as u64,
                scalars: [("window", 30.0), ("keep", 0.75)]
                    .into_iter()
                    .filter(|(scalar, _)| program.params.iter().any(|param| param.name == *scalar))
                    .map(|(scalar, value)| (scalar.to_owned(), value))
                    .collect(),
                ..Problem::default()
            };
            judge(&harsh(arch), "docs/variants.rs", &program, &problem, &LaunchOptions::default())
                .unwrap_or_else(|error| panic!("{name}, {dtype}: {error}"));
        }
    }
}

const REACH: i32 = 16 * TILES;
const TILES: i32 = 3;
mod sizes {
    pub const SOFT: f32 = 20.0;
}
use sizes::SOFT;
const IS_CAUSAL: bool = REACH > 4;

/// Constants that stand around it, whatever they are computed of.
#[attention_kernel]
pub fn among_constants<T: Element, const D: usize>(
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
        let s = (dot(q, k.load(cols).t()) * scale).map(|x, _| SOFT * (x / SOFT).tanh());
        let s = s.mask(|at| (!IS_CAUSAL || at.col <= at.row) && at.row - at.col < REACH);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

#[test]
fn constants_around_a_kernel_are_seen() {
    let program = among_constants::program();
    let text = program.to_string();
    assert!(text.contains("20.0 * tanh(x / 20.0)") && text.contains("row - col < 48"), "{text}");
    let problem = Problem { lens: vec![(70, 131), (3, 9)], ..Problem::default() };
    for arch in ARCHS {
        judge(&harsh(arch), "among_constants", program, &problem, &LaunchOptions::default()).unwrap();
    }
}
