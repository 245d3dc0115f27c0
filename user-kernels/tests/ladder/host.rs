//! What a kernel's own function gives on the host, in f32 with sums in f64, against the program in f64.

use crate::batches::BLOCK_SIZES;
use crate::devices::{POLICIES, device};
use crate::sample::{failures, kernels, report};
use flashpage::codegen::Arch;
use flashpage::codegen::program::Generic;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{DType, reference};
use user_kernels::Kernel;

/// How far the two may be apart.
const TOLERANCE: f64 = 1e-5;

/// Lengths, query heads, KV heads.
const BATCHES: [crate::batches::Batch; 3] =
    [(&[(37, 71), (0, 9), (9, 0), (1, 70)], 4, 2), (&[(13, 5), (40, 40), (3, 65)], 3, 1), (&[], 2, 1)];

fn check(
    kernel: &Kernel,
    number: usize,
    (lens, q_heads, kv_heads): crate::batches::Batch,
) -> Result<(), String> {
    let program = (kernel.program)();
    let problem = kernel.problem(Problem {
        dtype: match program.input_element() {
            Generic::Fixed(dtype) => *dtype,
            Generic::Open(_) => DType::F16,
        },
        head_dim: kernel.host_dims(),
        q_heads,
        kv_heads,
        lens: lens.to_vec(),
        block_size: BLOCK_SIZES[number % BLOCK_SIZES.len()],
        seed: number as u64,
        ..Problem::default()
    });
    let inputs =
        kernel.inputs(&device(Arch::Sm80, POLICIES[0]), &problem).map_err(|error| error.to_string())?;
    let arguments = inputs.arguments();
    let what = |said: String| format!("{}: {said}\nof {problem}", kernel.name);
    let wanted = reference(program, &arguments).map_err(|error| what(error.to_string()))?;
    let got = (kernel.host)(&arguments).map_err(|error| what(error.to_string()))?;
    assert_eq!(wanted.len(), got.len(), "{}", kernel.name);
    for want in &wanted {
        let (_, got) = got.iter().find(|(name, _)| *name == want.name).expect("an output for each");
        assert_eq!(want.values.len(), got.len(), "{}: {}", kernel.name, want.name);
        for (index, (want_value, value)) in want.values.iter().zip(got).enumerate() {
            let value = f64::from(*value);
            let is_near =
                value == *want_value || (value - want_value).abs() <= TOLERANCE * (1.0 + want_value.abs());
            if !is_near {
                return Err(what(format!("{}[{index}] is {value}, not {want_value}", want.name)));
            }
        }
    }
    Ok(())
}

#[test]
fn host() {
    let kernels = kernels();
    let items: Vec<_> =
        kernels.iter().flat_map(|(number, kernel)| BATCHES.map(|batch| (*number, *kernel, batch))).collect();
    let failures = failures(&items, |(number, kernel, batch)| check(kernel, *number, *batch));
    report("host runs", items.len(), &failures);
}
