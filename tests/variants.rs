//! The kernels of `docs/variants.rs`: rustc compiles them, and each is held to the reference on both targets.

mod judge;
mod targets;
#[allow(dead_code)]
#[path = "../docs/variants.rs"]
mod variants;

use flashpage::codegen::frontend::{kernel_names, parse_file};
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
        for arch in ARCHS {
            let problem = Problem {
                q_heads: 4,
                kv_heads: 2,
                lens: vec![(70, 131), (1, 9), (0, 3), (20, 20)],
                dtype: [DType::F16, DType::Bf16][number % 2],
                seed: number as u64,
                scalars: [("window", 30.0), ("keep", 0.75)]
                    .into_iter()
                    .filter(|(scalar, _)| program.params.iter().any(|param| param.name == *scalar))
                    .map(|(scalar, value)| (scalar.to_owned(), value))
                    .collect(),
                ..Problem::default()
            };
            judge(&harsh(arch), "docs/variants.rs", &program, &problem, &LaunchOptions::default())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}
