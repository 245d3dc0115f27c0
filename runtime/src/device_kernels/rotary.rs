//! Rotary position embedding: its tables, and queries rotated in place.

use super::MoveError;
use super::arguments::{DeviceArray, MOST, Params, limited, shape, tensor, threads, three};
use crate::device::Device;
use crate::tensor::Tensor;
use flashpage_codegen::program::DType;

/// Which numbers of a head are pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RotaryStyle {
    /// `x[i]` and `x[i + rotary_dim / 2]`, as in GPT-NeoX and Llama.
    Halves,
    /// `x[2 i]` and `x[2 i + 1]`, as in GPT-J.
    Interleaved,
}

/// How tokens are rotated.
#[derive(Clone, Copy, Debug)]
pub struct Rotary<'a> {
    /// i32 `[tokens]`. A token whose position is outside the tables, as that of padding may be, is not written.
    pub positions: DeviceArray<'a>,
    /// f32 `[max_position, rotary_dim / 2]`: cosines of each pair's angle at each position.
    pub cos: &'a Tensor,
    /// The sines, in the same shape.
    pub sin: &'a Tensor,
    /// Which numbers are pairs.
    pub style: RotaryStyle,
}

/// A rotation as parameters: three addresses, then the tables' positions, `rotary_dim` and the style.
pub(super) struct Checked {
    pub addresses: [u64; 3],
    pub numbers: [u32; 3],
}

impl Checked {
    pub(super) const NONE: Checked = Checked { addresses: [0; 3], numbers: [0; 3] };
}

impl Rotary<'_> {
    pub(super) fn check(
        &self,
        device: &Device,
        tokens: usize,
        head_dim: usize,
    ) -> Result<Checked, MoveError> {
        let [positions, half] = *self.cos.shape() else {
            let takes = "[max_position, rotary_dim / 2]".into();
            return Err(MoveError::Shape { name: "cos", given: self.cos.shape().to_vec(), takes });
        };
        if half > head_dim / 2 {
            let takes = format!(
                "[max_position, rotary_dim / 2], where head_dim is {head_dim} and rotary_dim no more"
            );
            return Err(MoveError::Shape { name: "cos", given: self.cos.shape().to_vec(), takes });
        }
        shape("sin", self.sin, self.cos.shape())?;
        let addresses = [
            self.positions.address(device, "positions", tokens, 4)?,
            tensor(device, "cos", self.cos, DType::F32, "f32")?,
            tensor(device, "sin", self.sin, DType::F32, "f32")?,
        ];
        let positions = limited("the number of positions", positions, MOST)?;
        let interleaved = u32::from(self.style == RotaryStyle::Interleaved);
        Ok(Checked { addresses, numbers: [positions, 2 * half as u32, interleaved] })
    }
}

/// Arguments of [`rotate_queries`].
#[derive(Clone, Copy, Debug)]
pub struct RotateQueries<'a> {
    /// f16, bf16 or f32 `[rows, heads, head_dim]`, of which the first `tokens` rows are rotated.
    pub queries: &'a Tensor,
    /// How many.
    pub tokens: usize,
    /// By what.
    pub rotary: Rotary<'a>,
}

/// Rotates queries in place, with the arithmetic that keys are rotated with.
///
/// # Errors
/// Shapes, types or sizes that do not fit, memory of another device, or a device that fails.
pub fn rotate_queries(device: &Device, args: &RotateQueries<'_>) -> Result<(), MoveError> {
    let dtype = args.queries.dtype();
    if !matches!(dtype, DType::F16 | DType::Bf16 | DType::F32) {
        return Err(MoveError::DType { name: "queries", given: dtype, takes: "f16, bf16 or f32".into() });
    }
    let [rows, heads, head_dim] = three("queries", args.queries, "[rows, heads, head_dim]")?;
    if rows < args.tokens {
        return Err(MoveError::Count { name: "queries", given: rows, takes: args.tokens });
    }
    let tokens = limited("`tokens`", args.tokens, MOST)?;
    let x = tensor(device, "queries", args.queries, dtype, "")?;
    let sizes = [limited("the number of heads", heads, MOST)?, limited("`head_dim`", head_dim, MOST)?];
    let Checked { addresses, numbers } = args.rotary.check(device, args.tokens, head_dim)?;
    if tokens == 0 || heads == 0 || numbers[1] == 0 {
        return Ok(());
    }
    let params = Params::default().u64(&[x]).u32(&sizes).u64(&addresses).u32(&numbers);
    params.launch(device, &format!("rotate_{dtype}"), [tokens, 1, 1], threads(head_dim, dtype.bytes(), heads))
}
