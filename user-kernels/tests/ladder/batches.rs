//! Batches on which a mistake would show: lengths of nothing, of one and of primes, more queries than keys, decodes, heads in
//! groups; and the types, widths and pages that come by turns.

use flashpage::codegen::program::{Generic, ParamKind};
use flashpage::codegen::{Arch, Program};
use flashpage::prelude::*;
use flashpage::runtime::equivalence::head_dims;
use flashpage::runtime::problem::Problem;
use user_kernels::Kernel;

/// Query and key length of each sequence, query heads, KV heads.
pub type Batch = (&'static [(usize, usize)], usize, usize);

pub const BATCHES: [Batch; 8] = [
    (&[(100, 230), (0, 5), (20, 20)], 2, 1),
    (&[(1, 190), (1, 3), (1, 65), (1, 0)], 8, 2),
    (&[(9, 130), (4, 9)], 4, 1),
    (&[(150, 150)], 1, 1),
    (&[(70, 9), (3, 0)], 2, 2),
    (&[(113, 211), (7, 31)], 3, 3),
    (&[(0, 0), (0, 5), (3, 0)], 2, 1),
    (&[(12, 70), (5, 140)], 10, 2),
];

/// Prefill, append and decode in one batch, with sequences of nothing between them.
pub const MIXED: Batch = (&[(1, 300), (70, 131), (0, 9), (5, 200), (1, 1), (3, 0), (1, 65), (17, 17)], 4, 2);

/// Tokens of a block, odd multiples of what a tile takes and pages of one among them.
pub const BLOCK_SIZES: [usize; 8] = [16, 1, 8, 40, 2, 24, 4, 128];

/// Element types of what leaves them open.
const DTYPES: [DType; 5] = [DType::F16, DType::Bf16, DType::F16, DType::Bf16, DType::F32];

/// The problem of a number: the batch, with everything else by turns.
pub fn problem(kernel: &Kernel, arch: Arch, (lens, q_heads, kv_heads): Batch, number: usize) -> Problem {
    let program = (kernel.program)();
    let dtype = match program.input_element() {
        Generic::Fixed(dtype) => *dtype,
        Generic::Open(_) => DTYPES[number % DTYPES.len()],
    };
    let tuned = head_dims(program, arch, &[dtype]);
    let (outputs, stored) = (program.output_types(dtype), program.kv_types(dtype));
    kernel.problem(Problem {
        dtype,
        kv_dtype: (stored.len() > 1).then(|| stored[(number + number / 3) % stored.len()]),
        output: (outputs.len() > 1).then(|| outputs[number % outputs.len()]),
        head_dim: tuned[number / 2 % tuned.len()],
        q_heads,
        kv_heads,
        lens: lens.to_vec(),
        block_size: BLOCK_SIZES[number % BLOCK_SIZES.len()],
        layout: if number.is_multiple_of(3) { PoolLayout::Hnd } else { PoolLayout::Nhd },
        seed: number as u64,
        ..Problem::default()
    })
}

/// Whether keys lie in blocks.
pub fn is_paged(program: &Program) -> bool {
    program.params.iter().any(|param| param.kind == ParamKind::BlockTable)
}
