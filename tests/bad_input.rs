//! Arguments that cannot be right, and the exact words they are refused with. Nothing is launched, and what the
//! output tensors held before they hold afterwards.

use crate::kernel_source;

use flashpage::codegen::program::Program;
use flashpage::codegen::{Arch, frontend};
use flashpage::kernels::{causal_attention, paged_attention};
use flashpage::prelude::*;
use flashpage::runtime;
use flashpage::runtime::problem::Problem;
use kernel_source::{Cache, kernel, program};

/// A good launch of `paged_attention`: sequences of two and three query tokens, of 20 and 9 keys, in blocks
/// of 16. Each case spoils one thing.
struct Launch {
    device: Device,
    q: Tensor,
    starts: Starts,
    k: Tensor,
    v: Tensor,
    table: DeviceBlockTable,
    o: Tensor,
    lse: Tensor,
    scale: f32,
    options: LaunchOptions,
}

/// What outputs hold before a launch.
const BEFORE: f32 = 42.0;

impl Launch {
    fn good() -> Launch {
        let device = Device::emulator();
        let mut launch = Launch {
            q: Tensor::zeros(&device, DType::F16, &[5, 4, 64]).unwrap(),
            starts: Starts::from_lens(&device, &[2, 3]).unwrap(),
            k: Tensor::zeros(&device, DType::F16, &[4, 16, 2, 64]).unwrap(),
            v: Tensor::zeros(&device, DType::F16, &[4, 16, 2, 64]).unwrap(),
            table: DeviceBlockTable::new(&device, &[3, 1, 0, -5], 2, &[20, 9]).unwrap(),
            o: Tensor::zeros(&device, DType::F16, &[]).unwrap(),
            lse: Tensor::from_slice(&device, &[BEFORE; 20], &[5, 4]).unwrap(),
            scale: 0.125,
            options: LaunchOptions::default(),
            device,
        };
        launch.outputs(5, 4, 64);
        launch
    }

    fn zeros(&self, dtype: DType, shape: &[usize]) -> Tensor {
        Tensor::zeros(&self.device, dtype, shape).unwrap()
    }

    fn outputs(&mut self, tokens: usize, heads: usize, dim: usize) {
        let before = vec![f16::from_f32(BEFORE); tokens * heads * dim];
        self.o = Tensor::from_slice(&self.device, &before, &[tokens, heads, dim]).unwrap();
        let before = vec![BEFORE; tokens * heads];
        self.lse = Tensor::from_slice(&self.device, &before, &[tokens, heads]).unwrap();
    }

    /// All three of another head dimension.
    fn head_dim(&mut self, dim: usize) {
        self.q = self.zeros(DType::F16, &[5, 4, dim]);
        self.k = self.zeros(DType::F16, &[4, 16, 2, dim]);
        self.v = self.zeros(DType::F16, &[4, 16, 2, dim]);
        self.outputs(5, 4, dim);
    }

    fn block_size(&mut self, size: usize) {
        self.k = self.zeros(DType::F16, &[4, size, 2, 64]);
        self.v = self.zeros(DType::F16, &[4, size, 2, 64]);
    }

    fn table(&mut self, entries: &[i32], width: usize, lens: &[i32]) {
        self.table = DeviceBlockTable::new(&self.device, entries, width, lens).unwrap();
    }

    fn run(&self) -> Result<LaunchReport, LaunchError> {
        let args = paged_attention::Args {
            q: Ragged { tensor: &self.q, starts: &self.starts },
            k: Pool { tensor: &self.k, layout: PoolLayout::Nhd },
            v: Pool { tensor: &self.v, layout: PoolLayout::Nhd },
            table: &self.table,
            o: &self.o,
            lse: &self.lse,
            scale: self.scale,
            window: i32::MAX,
        };
        args.launch_with(&self.device, &self.options)
    }

    /// Whether no output was written.
    fn untouched(&self) -> bool {
        [&self.o, &self.lse].iter().all(|t| t.to_f32_vec().unwrap().iter().all(|value| *value == BEFORE))
    }
}

#[test]
fn launches() {
    type Spoil = fn(&mut Launch);
    let table: &[(&str, Spoil, &str)] = &[
        ("good", |_| (), ""),
        (
            "head_dim 72",
            |l| l.head_dim(72),
            "head_dim 72 has no kernels: they are made for multiples of 16 from 32 to 256; heads padded with zeros to 80 give \
             the same, and zeros behind it",
        ),
        (
            "head_dim 288",
            |l| l.head_dim(288),
            "head_dim 288 has no kernels: they are made for multiples of 16 from 32 to 256",
        ),
        (
            "blocks of 12",
            |l| l.block_size(12),
            "argument `k` has blocks of 12 tokens: the block size must be 1, 2, 4 or a multiple of 8",
        ),
        (
            "blocks of nothing",
            |l| l.block_size(0),
            "argument `k` has blocks of 0 tokens: the block size must be 1, 2, 4 or a multiple of 8",
        ),
        (
            "five query heads",
            |l| {
                l.q = l.zeros(DType::F16, &[5, 5, 64]);
                l.outputs(5, 5, 64);
            },
            "5 query heads cannot share 2 KV heads: q_heads must be a multiple of kv_heads",
        ),
        (
            "a short table",
            |l| l.table(&[3, 1], 1, &[20, 9]),
            "sequence 0 has 20 tokens, which are 2 blocks of 16, and the table has 1 entries per sequence: widen \
             the table",
        ),
        (
            "a block past the pool",
            |l| l.table(&[3, 4, 0, -5], 2, &[20, 9]),
            "the table sends block 1 of sequence 0 to 4, and the pool `k` has blocks 0 to 3",
        ),
        (
            "a negative block",
            |l| l.table(&[3, 1, 0, -5], 2, &[20, 17]),
            "the table sends block 1 of sequence 1 to -5, and the pool `k` has blocks 0 to 3",
        ),
        (
            "a block past the values alone",
            |l| l.v = l.zeros(DType::F16, &[3, 16, 2, 64]),
            "the table sends block 0 of sequence 0 to 3, and the pool `v` has blocks 0 to 2",
        ),
        (
            "keys of bf16",
            |l| l.k = l.zeros(DType::Bf16, &[4, 16, 2, 64]),
            "argument `k` holds bf16, and must hold f16: as the queries do",
        ),
        (
            "queries of f32",
            |l| l.q = l.zeros(DType::F32, &[5, 4, 64]),
            "argument `k` holds f16, and must hold f32: as the queries do",
        ),
        (
            "values of another block size",
            |l| l.v = l.zeros(DType::F16, &[4, 24, 2, 64]),
            "argument `v` has shape [4, 24, 2, 64]: it takes [blocks, block_size, kv_heads, head_dim] = [4, 16, 2, 64]",
        ),
        ("a NaN scale", |l| l.scale = f32::NAN, "argument `scale` is NaN: it must be a finite number"),
        (
            "an infinite scale",
            |l| l.scale = f32::INFINITY,
            "argument `scale` is inf: it must be a finite number",
        ),
        (
            "head_dim 16 of sm_90a",
            |l| {
                l.options.arch = Some(Arch::Sm90a);
                l.head_dim(16);
            },
            "head_dim 16 has no kernels: they are made for multiples of 16 from 32 to 256; heads padded with zeros to 32 give \
             the same, and zeros behind it",
        ),
        (
            "a tile of 100 rows of sm_90a",
            |l| {
                l.options.arch = Some(Arch::Sm90a);
                l.options.tuning.tile = Some((100, 100));
            },
            "tile 100x100: rows must be 64, 128 or 192: a consumer warpgroup owns 64",
        ),
        (
            "polynomials of sm_80",
            |l| l.options.tuning.polynomial = Some(4),
            "tile 16x128: `--polynomial 4` is for sm_90a, not for sm_80: leave it out",
        ),
        (
            "a tile of 48 rows",
            |l| l.options.tuning.tile = Some((48, 64)),
            "tile 48x64: rows must be 16, 32, 64 or 128",
        ),
        (
            "a tile of 96 columns",
            |l| l.options.tuning.tile = Some((64, 96)),
            "tile 64x96: columns must be a power of two, at least 32 for 4 warps",
        ),
        (
            "a tile of too much",
            |l| l.options.tuning.tile = Some((128, 256)),
            "tile 128x256: 320 registers a lane for accumulators and scores, of at most 192; take fewer rows or \
             columns",
        ),
    ];
    for (what, spoil, expected) in table {
        let mut launch = Launch::good();
        spoil(&mut launch);
        assert!(launch.untouched(), "{what}: outputs do not begin as they should");
        let said = launch.run().map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(said, *expected, "{what}");
        // The good launch shows that the test would see a kernel run.
        assert_eq!(launch.untouched(), !expected.is_empty(), "{what}");
    }
}

#[test]
fn problems() {
    let device = Device::emulator();
    let with = |name: &str| Problem { scalars: [(name.to_owned(), 1.0)].into(), ..Problem::default() };
    let table: &[(&Program, Problem, &str)] = &[
        (
            paged_attention::program(),
            with("windw"),
            "kernel `paged_attention` has no scalar `windw`: it has scale, window",
        ),
        (
            causal_attention::program(),
            with("window"),
            "kernel `causal_attention` has no scalar `window`: it has scale",
        ),
        (
            paged_attention::program(),
            Problem { block_size: 0, ..Problem::default() },
            "a block size of 0 holds no tokens: use 8, 16, 32, …",
        ),
        (
            paged_attention::program(),
            Problem { dtype: DType::I32, ..Problem::default() },
            "inputs are f16, bf16, f32, e4m3 or e5m2, not i32",
        ),
    ];
    for (program, problem, expected) in table {
        let said = problem.inputs(&device, program).map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(said, *expected);
    }
}

/// Programs that are not attention, which nobody reads as kernels and a launch refuses as well.
#[test]
fn programs() {
    const STEPS: &str = "let s = (s * scale).mask(|at| at.col <= at.row);";
    const STEP: &str = "        let p = softmax.step(s, &mut acc);\n";
    const ADD: &str = "        acc += dot(p, v.load(cols));\n";
    let table: &[(&str, &str, &str, &str)] = &[
        ("good", "", "", ""),
        (
            "two softmax steps",
            STEP,
            "        let p0 = softmax.step(s * 2.0, &mut acc);\n        let p = softmax.step(s, &mut acc);\n",
            "kernel `user`: a second softmax step: a kernel that is compiled has one; write a kernel for each",
        ),
        (
            "two products",
            ADD,
            "        acc += dot(p, v.load(cols));\n        acc += dot(p, v.load(cols));\n",
            "kernel `user`: `acc` is added to again: a kernel that is compiled has one `acc += dot(p, v)`",
        ),
        ("no product", ADD, "", "kernel `user`: nothing is added to `acc`: write `acc += dot(p, v);`"),
        (
            "a product of scores",
            ADD,
            "        acc += dot(s, v.load(cols));\n",
            "kernel `user`: the left factor is not what `softmax.step` gives: write `dot(p, v)`",
        ),
        ("keys for values", "v.load(cols)", "k.load(cols)", ""),
        (
            "values for keys",
            "dot(q, k.load(cols).t())",
            "dot(q, v.load(cols).t())",
            "kernel `user`: `v` holds values, and scores are made of keys: add a parameter of `Keys`, or `PagedKeys`",
        ),
    ];
    for (what, from, to, expected) in table {
        let source = kernel(Cache::Contiguous, "", STEPS);
        assert!(source.contains(from), "{what}: `{from}` is not in the kernel");
        let source = source.replacen(from, to, 1);
        assert_eq!(frontend::parse_source(&source).is_ok(), expected.is_empty(), "{what}");
        let program =
            frontend::parse_program_source(&source).unwrap_or_else(|error| panic!("{what}: {error}"));
        let device = Device::emulator();
        let inputs = Problem::default().inputs(&device, &program).unwrap();
        let outputs = || (0..program.params.len()).filter_map(|index| inputs.output(index));
        let untouched = || outputs().all(|t| t.to_f32_vec().unwrap().iter().all(|x| x.is_nan()));
        let result = runtime::launch(&device, &program, &inputs.arguments(), &LaunchOptions::default());
        assert_eq!(result.map_or_else(|error| error.to_string(), |_| String::new()), *expected, "{what}");
        assert_eq!(untouched(), !expected.is_empty(), "{what}");
    }
}

/// A kernel that fixes what its inputs are otherwise.
#[test]
fn fixed_kernels() {
    let edits = [("<T: Element, const D: usize>", ""), ("<T, D>", "<bf16, 128>")];
    let mut source = kernel(Cache::Paged, "", "let s = s * scale;");
    for (from, to) in edits {
        source = source.replace(from, to);
    }
    let program = program(&source);
    let device = Device::emulator();
    let table = [
        (DType::Bf16, 128, ""),
        (DType::F16, 128, "argument `q` holds f16, and must hold bf16: kernel `user` is written for bf16"),
        (
            DType::Bf16,
            64,
            "argument `q` has shape [64, 1, 64]: kernel `user` is written for head_dim 128, asked for 64",
        ),
    ];
    for (dtype, head_dim, expected) in table {
        let inputs = Problem { dtype, head_dim: head_dim.into(), ..Problem::default() }
            .inputs(&device, &program)
            .unwrap();
        let result = runtime::launch(&device, &program, &inputs.arguments(), &LaunchOptions::default());
        assert_eq!(result.map_or_else(|error| error.to_string(), |_| String::new()), expected);
    }
}

/// A list of arguments that is not the kernel's is told by the first that does not fit.
#[test]
fn arguments_of_another_kernel() {
    let device = Device::emulator();
    let inputs = Problem::default().inputs(&device, paged_attention::program()).unwrap();
    let good = inputs.arguments();
    let mut swapped = good.clone();
    swapped.swap(0, 1);
    let mut outputs = good.clone();
    outputs[4] = outputs[0];
    let table = [
        (&good[..], ""),
        (&good[1..], "kernel `paged_attention` takes 8 arguments, and 7 were given"),
        (&swapped[..], "argument `q` takes a ragged tensor, and a pool was given"),
        (&outputs[..], "argument `o` takes an output, and a ragged tensor was given"),
    ];
    for (arguments, expected) in table {
        let said = match paged_attention::Args::try_from(arguments) {
            Ok(args) => {
                assert_eq!(args.arguments().len(), arguments.len());
                String::new()
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected);
    }
}
