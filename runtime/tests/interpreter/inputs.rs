//! Programs from their source, and batches to run them on.

use crate::loops::At;
use flashpage_codegen::Program;
use flashpage_codegen::frontend::parse_program_source;
use flashpage_runtime::{Argument, DType, Device, Expected, Ragged, Starts, Tensor};
use half::f16;

pub const D: usize = 8;
pub const Q_HEADS: usize = 4;
pub const GROUP: usize = 2;
pub const KV_HEADS: usize = Q_HEADS / GROUP;

/// The parts that most forms have around the body of their loop.
macro_rules! attention {
    ($body:literal) => {
        concat!(
            "let mut softmax = OnlineSoftmax::new(); let mut acc = Tile::zeros(); for cols in k.tiles() {",
            $body,
            "} o.store(softmax.finish(acc)); lse.store(softmax.lse());"
        )
    };
}
pub(crate) use attention;

pub const WIDE: i32 = 2_000_000_000;
pub const SLOPES: [f32; Q_HEADS] = [0.5, -0.25, 0.0, 2.0];
pub const IDS: [i32; Q_HEADS] = [3, 2, 1, 0];

pub fn program(params: &str, body: &str) -> Program {
    let source = format!(
        "fn form<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>, lse: RowOutput, \
         {params}) {{ let q = q.tile(); {body} }}"
    );
    parse_program_source(&source).unwrap_or_else(|error| panic!("{error}\n{source}"))
}

/// Numbers between -1 and 1 that are the same on every run.
pub fn numbers(seed: u64, n: usize) -> Vec<f16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        f16::from_f32((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
    };
    (0..n).map(|_| next()).collect()
}

/// Tensors of a batch, and their numbers.
pub struct Inputs {
    pub lens: Vec<(usize, usize)>,
    pub q: Vec<f16>,
    pub k: Vec<f16>,
    pub v: Vec<f16>,
    pub tensors: [Tensor; 7],
    starts: [Starts; 2],
}

impl Inputs {
    /// After `change` has had queries, keys and values.
    pub fn new(lens: &[(usize, usize)], change: impl Fn(&mut [f16], &mut [f16], &mut [f16])) -> Inputs {
        let device = Device::emulator();
        let list = |of: fn(&(usize, usize)) -> usize| lens.iter().map(|l| of(l) as i32).collect::<Vec<_>>();
        let starts = [list(|l| l.0), list(|l| l.1)].map(|lens| Starts::from_lens(&device, &lens).unwrap());
        // Some tokens that belong to no sequence.
        let (tokens, kv_tokens) = (starts[0].tokens() + 2, starts[1].tokens() + 2);
        let mut q = numbers(1, tokens * Q_HEADS * D);
        let [mut k, mut v] = [2, 3].map(|seed| numbers(seed, kv_tokens * KV_HEADS * D));
        for (numbers, unused) in [(&mut q, Q_HEADS), (&mut k, KV_HEADS), (&mut v, KV_HEADS)] {
            let end = numbers.len() - 2 * unused * D;
            numbers[end..].fill(f16::NAN);
        }
        change(&mut q, &mut k, &mut v);
        let output = || Tensor::zeros(&device, DType::F16, &[tokens, Q_HEADS, D]).unwrap();
        let row_output = || Tensor::zeros(&device, DType::F32, &[tokens, Q_HEADS]).unwrap();
        let tensors = [
            Tensor::from_slice(&device, &q, &[tokens, Q_HEADS, D]).unwrap(),
            Tensor::from_slice(&device, &k, &[kv_tokens, KV_HEADS, D]).unwrap(),
            Tensor::from_slice(&device, &v, &[kv_tokens, KV_HEADS, D]).unwrap(),
            output(),
            row_output(),
            Tensor::from_slice(&device, &SLOPES, &[Q_HEADS]).unwrap(),
            Tensor::from_slice(&device, &IDS, &[Q_HEADS]).unwrap(),
        ];
        Inputs { lens: lens.to_vec(), q, k, v, tensors, starts }
    }

    pub fn arguments<'a>(&'a self, program: &Program) -> Vec<Argument<'a>> {
        let [q, k, v, o, lse, slopes, ids] = &self.tensors;
        let [q_starts, kv_starts] = &self.starts;
        let argument = |name: &str| match name {
            "q" => Argument::Ragged(Ragged { tensor: q, starts: q_starts }),
            "k" => Argument::Ragged(Ragged { tensor: k, starts: kv_starts }),
            "v" => Argument::Ragged(Ragged { tensor: v, starts: kv_starts }),
            "o" | "o2" => Argument::Output(o),
            "lse" | "lse2" => Argument::Output(lse),
            "slopes" => Argument::Vector(slopes),
            "ids" => Argument::Vector(ids),
            "flag" => Argument::Bool(false),
            "zero" => Argument::I32(0),
            "wide" => Argument::I32(WIDE),
            other => panic!("no argument for {other}"),
        };
        program.params.iter().map(|param| argument(&param.name)).collect()
    }

    /// What `f` gives for every row: `o` and `lse` as the reference lays them out.
    pub fn expected(&self, f: fn(&At<'_>) -> (Vec<f64>, f64)) -> (Vec<f64>, Vec<f64>) {
        let wide = |numbers: &[f16]| numbers.iter().map(|x| x.to_f64()).collect::<Vec<f64>>();
        let (q, k, v) = (wide(&self.q), wide(&self.k), wide(&self.v));
        let (mut o, mut lse) = (Vec::new(), Vec::new());
        let (mut q_first, mut kv_first) = (0, 0);
        for (seq, (q_len, kv_len)) in self.lens.iter().enumerate() {
            for index in 0..*q_len {
                for head in 0..Q_HEADS {
                    let line = |token: usize| (token * KV_HEADS + head / GROUP) * D;
                    let of = |x: &'_ Vec<f64>| -> Vec<Vec<f64>> {
                        (kv_first..kv_first + kv_len).map(|token| x[line(token)..][..D].to_vec()).collect()
                    };
                    let (k, v) = (of(&k), of(&v));
                    let (k, v): (Vec<&[f64]>, Vec<&[f64]>) =
                        (k.iter().map(Vec::as_slice).collect(), v.iter().map(Vec::as_slice).collect());
                    let (row, head_at) = (*kv_len as i32 - *q_len as i32 + index as i32, head as i32);
                    let q = &q[((q_first + index) * Q_HEADS + head) * D..][..D];
                    let (line, sum) = f(&At { q, k: &k, v: &v, row, head: head_at, seq: seq as i32 });
                    o.extend(line);
                    lse.push(sum);
                }
            }
            q_first += q_len;
            kv_first += kv_len;
        }
        (o, lse)
    }
}

/// Each of `got` within `bound` of what is wanted, relative to numbers above 1; special numbers are the same.
pub fn near(what: &str, got: &[f64], want: &[f64], bound: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        let same = got == want || got.is_nan() && want.is_nan();
        let near = same || (got - want).abs() <= bound * (1.0 + want.abs());
        assert!(near, "{what}: element {index} is {got}, not {want}");
    }
}

pub fn stored<'a>(expected: &'a [Expected], name: &str) -> &'a [f64] {
    &expected.iter().find(|expected| expected.name == name).expect("an output of this name").values
}
