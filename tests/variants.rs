//! The kernels of `docs/variants.rs`: rustc compiles them, and each is held to the reference on both targets.

use crate::judge;
use crate::targets;
#[allow(dead_code)]
#[path = "../docs/variants.rs"]
mod in_docs;

use flashpage::codegen::frontend::{kernel_names, parse_file};
use flashpage::prelude::*;
use flashpage::runtime::args::Argument;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{self, LaunchOptions};
use judge::judge;
use targets::{ARCHS, harsh};

const TEXT: &str = include_str!("../docs/variants.rs");

#[test]
fn variants_are_right() {
    let names = kernel_names(TEXT).unwrap();
    assert!(names.len() >= 20, "{names:?}");
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

/// Three chunks of keys, one launch after the other, in place, are attention over all of them.
#[test]
fn chunks_chain() {
    const D: usize = 64;
    for arch in ARCHS {
        let device = harsh(arch);
        let problem = Problem { lens: vec![(70, 131), (1, 9), (3, 1), (20, 20)], ..Problem::default() };
        let inputs = problem.inputs(&device, in_docs::plain::program()).unwrap();
        let arguments = inputs.arguments();
        let [
            Argument::Ragged(q),
            Argument::Ragged(k),
            Argument::Ragged(v),
            Argument::Output(_),
            Argument::F32(scale),
        ] = arguments[..]
        else {
            panic!("{arguments:?}")
        };
        let rows = q.tensor.shape()[0] * problem.q_heads;
        let shape = [q.tensor.shape()[0], problem.q_heads];
        // Of a row that has seen nothing, nothing is read.
        let o = Tensor::filled_nan(&device, DType::F32, &[shape[0], shape[1], D]).unwrap();
        let lse = Tensor::from_slice(&device, &vec![f32::NEG_INFINITY; rows], &shape).unwrap();
        let numbers = [k, v].map(|tensor| tensor.tensor.to_f32_vec().unwrap());
        let width = problem.kv_heads * D;
        for (from, to) in [(0.0, 0.3), (0.3, 0.4), (0.4, 1.0)] {
            // This share of each sequence's keys, which may be none.
            let cut = |share: f64, len: usize| (share * len as f64) as usize;
            let lens: Vec<i32> =
                problem.lens.iter().map(|(_, len)| (cut(to, *len) - cut(from, *len)) as i32).collect();
            let starts = Starts::from_lens(&device, &lens).unwrap();
            let chunk = numbers.each_ref().map(|numbers| {
                let mut first = 0;
                let mut taken = Vec::new();
                for (_, len) in &problem.lens {
                    let range = (first + cut(from, *len)) * width..(first + cut(to, *len)) * width;
                    taken.extend(numbers[range].iter().map(|number| f16::from_f32(*number)));
                    first += len;
                }
                Tensor::from_slice(&device, &taken, &[taken.len() / width, problem.kv_heads, D]).unwrap()
            });
            let [k, v] = chunk.each_ref().map(|tensor| Ragged { tensor, starts: &starts });
            let args =
                in_docs::chunk::Args { q, k, v, o_before: &o, lse_before: &lse, o: &o, lse: &lse, scale };
            args.launch(&device).unwrap();
        }
        let want = runtime::reference(in_docs::plain::program(), &arguments).unwrap();
        for (got, want) in o.to_f32_vec().unwrap().iter().zip(&want[0].values) {
            assert!((f64::from(*got) - want).abs() <= 2e-3, "{got}, not {want}");
        }
    }
}
