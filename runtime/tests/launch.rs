//! Launches: bad arguments and what they are told, and whole kernels on the emulator against the reference.

use flashpage_codegen::frontend::parse_source;
use flashpage_codegen::program::{ParamKind, Program};
use flashpage_runtime::check::{check_lse, check_output};
use flashpage_runtime::problem::Problem;
use flashpage_runtime::{
    Argument, BlockTable, DType, Device, LaunchOptions, Pool, PoolLayout, Ragged, Starts, Tensor, launch,
    plain, reference,
};

const PAGED: &str = "
fn paged<T: Element, const D: usize>(
    q: Query<T, D>, k: PagedKeys<T, D>, v: PagedValues<T, D>, table: BlockTable,
    o: Output<T, D>, lse: RowOutput, scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}";

const RAGGED: &str = "
fn ragged<T: Element, const D: usize>(
    q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, slopes: PerHead<f32>,
    o: Output<T, D>, lse: RowOutput, scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| x + slopes[at.head] * (at.col - at.row) as f32);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}";

fn program(source: &str) -> Program {
    parse_source(source).unwrap_or_else(|error| panic!("{error}"))
}

/// What every good launch of [`PAGED`] is made of: two sequences, three blocks of eight.
struct Good {
    device: Device,
    q: Tensor,
    pool: Tensor,
    o: Tensor,
    lse: Tensor,
    starts: Starts,
    table: BlockTable,
}

impl Good {
    fn new() -> Good {
        let device = Device::emulator();
        let zeros = |dtype, shape: &[usize]| Tensor::zeros(&device, dtype, shape).unwrap();
        Good {
            q: zeros(DType::F16, &[5, 4, 64]),
            pool: zeros(DType::F16, &[3, 8, 2, 64]),
            o: zeros(DType::F16, &[5, 4, 64]),
            lse: zeros(DType::F32, &[5, 4]),
            starts: Starts::new(&device, &[0, 2, 5]).unwrap(),
            table: BlockTable::new(&device, &[2, 0, 1, 99], 2, &[10, 3]).unwrap(),
            device,
        }
    }

    fn arguments(&self) -> Vec<Argument<'_>> {
        let pool = Argument::Pool(Pool { tensor: &self.pool, layout: PoolLayout::Nhd });
        vec![
            Argument::Ragged(Ragged { tensor: &self.q, starts: &self.starts }),
            pool,
            pool,
            Argument::Table(&self.table),
            Argument::Output(&self.o),
            Argument::Output(&self.lse),
            Argument::F32(0.125),
        ]
    }
}

#[test]
fn bad_arguments_are_told_what_is_wrong() {
    type Change = fn(&mut Good);
    let table: &[(Change, &str)] = &[
        (|_| (), ""),
        (
            |g| g.q = Tensor::zeros(&g.device, DType::F16, &[5, 3, 64]).unwrap(),
            "3 query heads cannot share 2 KV heads: q_heads must be a multiple of kv_heads",
        ),
        (
            |g| g.q = Tensor::zeros(&g.device, DType::F16, &[5, 256]).unwrap(),
            "argument `q` has shape [5, 256]: it takes [tokens, heads, head_dim]",
        ),
        (
            |g| g.pool = Tensor::zeros(&g.device, DType::E4m3, &[3, 8, 2, 64]).unwrap(),
            "argument `k` holds e4m3, and must hold f16: as the queries do",
        ),
        (
            |g| {
                g.q = Tensor::zeros(&g.device, DType::E5m2, &[5, 4, 64]).unwrap();
                g.pool = Tensor::zeros(&g.device, DType::E5m2, &[3, 8, 2, 64]).unwrap();
                g.o = Tensor::zeros(&g.device, DType::E5m2, &[5, 4, 64]).unwrap();
            },
            "no kernel stores an output of e5m2: use f16, bf16 or f32; a kernel that has one element type for inputs and output can have another for the output (`Output<U, D>` with `U: Element`)",
        ),
        (
            |g| g.pool = Tensor::zeros(&g.device, DType::Bf16, &[3, 8, 2, 64]).unwrap(),
            "argument `k` holds bf16, and must hold f16: as the queries do",
        ),
        (
            |g| g.pool = Tensor::zeros(&g.device, DType::F16, &[3, 8, 2, 128]).unwrap(),
            "argument `k` has shape [3, 8, 2, 128]: it takes [blocks, block_size, kv_heads, head_dim] = [3, 8, 2, 64]",
        ),
        (
            |g| g.pool = Tensor::zeros(&g.device, DType::F16, &[3, 12, 2, 64]).unwrap(),
            "argument `k` has blocks of 12 tokens: the block size must be 1, 2, 4 or a multiple of 8",
        ),
        (
            |g| g.o = Tensor::zeros(&g.device, DType::F16, &[4, 4, 64]).unwrap(),
            "argument `o` has shape [4, 4, 64]: it takes [tokens, q_heads, head_dim] = [5, 4, 64]",
        ),
        (
            |g| g.lse = Tensor::zeros(&g.device, DType::F16, &[5, 4]).unwrap(),
            "argument `lse` holds f16, and must hold f32: whatever the queries hold",
        ),
        (
            |g| g.starts = Starts::new(&g.device, &[0, 2, 6]).unwrap(),
            "the starts of `q` end at token 6, and it has 5: give the starts of this tensor",
        ),
        (
            |g| g.starts = Starts::new(&g.device, &[0, 5]).unwrap(),
            "argument `table` has 2 sequences, and the queries have 1",
        ),
        (
            |g| g.table = BlockTable::new(&g.device, &[2, 0, 1, 99], 2, &[10, 17]).unwrap(),
            "sequence 1 has 17 tokens, which are 3 blocks of 8, and the table has 2 entries per sequence: widen the table",
        ),
        (
            |g| g.table = BlockTable::new(&g.device, &[2, 0, 1, 99], 2, &[10, 9]).unwrap(),
            "the table sends block 1 of sequence 1 to 99, and the pool `k` has blocks 0 to 2",
        ),
        (
            |g| g.table = BlockTable::new(&g.device, &[2, -1, 1, 99], 2, &[10, 3]).unwrap(),
            "the table sends block 1 of sequence 0 to -1, and the pool `k` has blocks 0 to 2",
        ),
        (
            |g| g.o = Tensor::zeros(&Device::emulator(), DType::F16, &[5, 4, 64]).unwrap(),
            "argument `o` lies on another device (emulator) than the launch (emulator): make it there",
        ),
        (|g| g.starts = Starts::new(&g.device, &[0, 0, 0]).unwrap(), ""),
    ];
    let program = program(PAGED);
    for (change, expected) in table {
        let mut good = Good::new();
        change(&mut good);
        let result = launch(&good.device, &program, &good.arguments(), &LaunchOptions::default());
        assert_eq!(result.map_or_else(|error| error.to_string(), |_| String::new()), *expected);
    }
    let good = Good::new();
    let told = |change: &dyn Fn(&mut Vec<Argument<'_>>)| {
        let mut arguments = good.arguments();
        change(&mut arguments);
        launch(&good.device, &program, &arguments, &LaunchOptions::default()).unwrap_err().to_string()
    };
    assert_eq!(told(&|a| a.truncate(6)), "kernel `paged` takes 7 arguments, and 6 were given");
    assert_eq!(told(&|a| a.swap(4, 6)), "argument `o` takes an output, and an f32 was given");
    assert_eq!(
        told(&|a| a[6] = Argument::F32(f32::NAN)),
        "argument `scale` is NaN: it must be a finite number"
    );
    assert_eq!(
        told(&|a| a[6] = Argument::F32(f32::NEG_INFINITY)),
        "argument `scale` is -inf: it must be a finite number"
    );
    assert_eq!(told(&|a| a[1] = a[0]), "argument `k` takes a pool (keys), and a ragged tensor was given");
}

/// Runs a problem on the emulator and checks every output.
fn check(source: &str, problem: &Problem, options: &LaunchOptions) {
    let program = program(source);
    let device = Device::emulator();
    let inputs = problem.inputs(&device, &program).unwrap();
    let arguments = inputs.arguments();
    launch(&device, &program, &arguments, options).unwrap_or_else(|error| panic!("{problem:?}: {error}"));
    let expected = reference(&program, &arguments).unwrap();
    let plain = plain(&program, &arguments).unwrap();
    for (expected, plain) in expected.iter().zip(&plain) {
        let tensor = inputs.output(expected.param.0).unwrap();
        let got: Vec<f64> = tensor.to_f32_vec().unwrap().into_iter().map(f64::from).collect();
        let verdict = if program.params[expected.param.0].kind == ParamKind::RowOutput {
            check_lse(&got, &expected.values)
        } else {
            check_output(&got, &expected.values, &plain.values, problem.dtype)
        };
        assert!(verdict.passed, "{problem:?}: {}: {verdict}", expected.name);
    }
}

#[test]
fn kernels_compute_what_the_reference_does() {
    let base = Problem { head_dim: 64.into(), ..Problem::default() };
    let problems = [
        Problem { lens: vec![(64, 64)], ..base.clone() },
        Problem {
            lens: vec![(1, 1), (17, 40), (0, 9), (3, 0), (65, 70)],
            q_heads: 4,
            kv_heads: 2,
            ..base.clone()
        },
        Problem { lens: vec![(1, 33), (1, 7)], q_heads: 8, kv_heads: 1, dtype: DType::Bf16, ..base.clone() },
        Problem {
            lens: vec![(5, 20), (9, 9)],
            q_heads: 4,
            kv_heads: 4,
            layout: PoolLayout::Hnd,
            block_size: 8,
            ..base.clone()
        },
        Problem { lens: vec![(4, 2)], ..base.clone() },
        Problem { lens: vec![(20, 30)], scalars: [("scale".to_string(), -0.125)].into(), ..base.clone() },
        Problem { lens: vec![(20, 30)], scalars: [("scale".to_string(), 0.0)].into(), ..base },
    ];
    for problem in problems {
        for source in [PAGED, RAGGED] {
            check(source, &problem, &LaunchOptions::default());
        }
    }
}
