//! The randomised Hadamard transform of queries and keys, before they become 8 bits wide.

use super::MoveError;
use super::arguments::{MOST, Params, limited, tensor, three};
use crate::device::Device;
use crate::tensor::Tensor;
use flashpage_codegen::program::DType;
use flashpage_device_kernels::THREADS;
use flashpage_device_kernels::hadamard::{SHARE, span};

/// Arguments of [`hadamard`].
#[derive(Clone, Copy, Debug)]
pub struct Hadamard<'a> {
    /// f16, bf16 or f32 `[rows, heads, head_dim]`, queries or keys, of which the first `tokens` rows are turned; `head_dim` is a multiple
    /// of 16.
    pub rows: &'a Tensor,
    /// How many.
    pub tokens: usize,
    /// Draws the signs. Queries and all keys of their sequences must have the same.
    pub seed: u32,
}

/// Turns every head in place by the same orthogonal matrix, which depends on `head_dim` and the seed alone: scores of queries and keys that
/// are both turned stay as they were, but for the rounding of what is stored, and a number that stands out is spread over as many as
/// the largest power of two that divides `head_dim` (at most 512). Turn after rotary embedding, and before scales are found.
///
/// Infinities and NaN spread as well.
///
/// # Errors
/// Shapes, types or sizes that do not fit, memory of another device, or a device that fails.
pub fn hadamard(device: &Device, args: &Hadamard<'_>) -> Result<(), MoveError> {
    let dtype = args.rows.dtype();
    if !matches!(dtype, DType::F16 | DType::Bf16 | DType::F32) {
        return Err(MoveError::DType { name: "rows", given: dtype, takes: "f16, bf16 or f32".into() });
    }
    let [rows, heads, head_dim] = three("rows", args.rows, "[rows, heads, head_dim]")?;
    if head_dim % SHARE != 0 {
        let takes = format!("a head_dim that is a multiple of {SHARE}: fill it up with zeros");
        return Err(MoveError::Shape { name: "rows", given: args.rows.shape().to_vec(), takes });
    }
    if rows < args.tokens {
        return Err(MoveError::Count { name: "rows", given: rows, takes: args.tokens });
    }
    let address = tensor(device, "rows", args.rows, dtype, "")?;
    let shares = args.tokens * heads * head_dim / SHARE;
    if shares == 0 {
        return Ok(());
    }
    let head_dim = limited("`head_dim`", head_dim, MOST)?;
    let blocks = limited("the number of numbers over 2048", shares.div_ceil(THREADS as usize), MOST)?;
    let params = Params::default().u64(&[address, shares as u64]).u32(&[head_dim, span(head_dim), args.seed]);
    params.launch(device, &format!("hadamard_{dtype}"), [blocks, 1, 1], [THREADS, 1, 1])
}
