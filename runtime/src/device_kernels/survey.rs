//! Scales for numbers that become 8 bits wide, found, and what a scale loses, counted.

use super::MoveError;
use super::arguments::{MOST, MOST_Y, Params, limited, scale, tensor, threads, three};
use crate::device::{Buffer, Device};
use crate::tensor::Tensor;
use flashpage_codegen::program::DType;

/// What has one scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalePer {
    /// All of the tensor.
    Tensor,
    /// Each head.
    Head,
    /// Each head of so many tokens, the last fewer.
    Run {
        /// How many.
        tokens: usize,
    },
}

/// Arguments of [`find_scales`].
#[derive(Clone, Copy, Debug)]
pub struct FindScales<'a> {
    /// f16, bf16 or f32 `[rows, heads, head_dim]`, keys or values.
    pub rows: &'a Tensor,
    /// How many of the rows count: the first ones.
    pub tokens: usize,
    /// What they are to become: e4m3 or e5m2.
    pub to: DType,
    /// What has one scale.
    pub per: ScalePer,
}

/// Tokens that one thread block goes over, where runs are nobody's business.
const TOKENS: usize = 64;

/// The largest number of a type of 8 bits.
///
/// # Errors
/// Another type.
pub(crate) fn largest_of(to: DType) -> Result<f32, MoveError> {
    match to {
        DType::E4m3 => Ok(448.0),
        DType::E5m2 => Ok(57344.0),
        given => Err(MoveError::DType { name: "to", given, takes: "e4m3 or e5m2".into() }),
    }
}

/// Finds what to divide numbers by so that the largest of them becomes the largest of the type, in two passes over device memory:
/// f32 `[1]`, `[heads]` or `[heads, runs]`. Of zeros alone it is 1. Infinities and NaN are not looked at.
///
/// # Errors
/// Shapes, types or sizes that do not fit, memory of another device, or a device that fails.
pub fn find_scales(device: &Device, args: &FindScales<'_>) -> Result<Tensor, MoveError> {
    let largest = largest_of(args.to)?;
    let [_, heads, _] = three("rows", args.rows, "[rows, heads, head_dim]")?;
    let (run, shape) = match args.per {
        ScalePer::Tensor => (TOKENS, vec![1]),
        ScalePer::Head => (TOKENS, vec![heads]),
        ScalePer::Run { tokens: 0 } => {
            return Err(MoveError::Count { name: "tokens of a run", given: 0, takes: 1 });
        }
        ScalePer::Run { tokens } => (tokens, vec![heads, args.tokens.div_ceil(tokens)]),
    };
    let found = survey(device, (args.rows, args.tokens), run, f32::INFINITY)?;
    let scales = Tensor::zeros(device, DType::F32, &shape)?;
    found.sum_up(device, &scales, largest)?;
    Ok(scales)
}

/// Arguments of [`count_saturated`].
#[derive(Clone, Copy, Debug)]
pub struct CountSaturated<'a> {
    /// f16, bf16 or f32 `[rows, heads, head_dim]`, keys or values.
    pub rows: &'a Tensor,
    /// How many of the rows count: the first ones.
    pub tokens: usize,
    /// What they are to become: e4m3 or e5m2.
    pub to: DType,
    /// What they are divided by before.
    pub scale: f32,
}

/// How many numbers of each head are beyond the largest of the type, divided by the scale, and become that: infinities are among them, NaN
/// stays NaN. Waits for the device.
///
/// # Errors
/// Shapes, types, sizes or a scale that do not fit, memory of another device, or a device that fails.
pub fn count_saturated(device: &Device, args: &CountSaturated<'_>) -> Result<Vec<u64>, MoveError> {
    let largest = largest_of(args.to)?;
    let by = scale("rows", args.to, Some(args.scale))?;
    let [_, heads, _] = three("rows", args.rows, "[rows, heads, head_dim]")?;
    let found = survey(device, (args.rows, args.tokens), TOKENS, largest * by)?;
    if heads == 0 {
        return Ok(Vec::new());
    }
    let beyond = found.sum_up(device, &Tensor::zeros(device, DType::F32, &[heads])?, largest)?;
    let bytes = beyond.to_bytes()?;
    let count = |word: &[u8]| u64::from(u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    Ok(bytes.chunks_exact(4).map(count).collect())
}

/// What every thread found: pairs of words, for each head, run and thread.
struct Found {
    words: Buffer,
    pairs: usize,
}

/// The first pass.
fn survey(
    device: &Device,
    (rows, tokens): (&Tensor, usize),
    run: usize,
    bound: f32,
) -> Result<Found, MoveError> {
    let dtype = rows.dtype();
    if !matches!(dtype, DType::F16 | DType::Bf16 | DType::F32) {
        return Err(MoveError::DType { name: "rows", given: dtype, takes: "f16, bf16 or f32".into() });
    }
    let [given, heads, head_dim] = three("rows", rows, "[rows, heads, head_dim]")?;
    if given < tokens {
        return Err(MoveError::Count { name: "rows", given, takes: tokens });
    }
    let address = tensor(device, "rows", rows, dtype, "")?;
    let runs = tokens.div_ceil(run);
    let [threads_of_run, ..] = threads(head_dim, dtype.bytes(), 1);
    let pairs = heads.saturating_mul(runs).saturating_mul(threads_of_run as usize);
    let numbers = [
        limited("`tokens`", tokens, MOST)?,
        limited("the number of heads", heads, MOST_Y)?,
        limited("`head_dim`", head_dim, MOST)?,
        limited("tokens of a run", run.min(tokens.max(1)), MOST)?,
    ];
    let words = device.upload(&vec![0; pairs.saturating_mul(8)])?;
    if pairs > 0 {
        let params = Params::default().u64(&[address, words.address()]).u32(&numbers).f32(&[bound]);
        let grid = [limited("runs", runs, MOST)?, numbers[1], 1];
        params.launch(device, &format!("survey_rows_{dtype}"), grid, [threads_of_run, 1, 1])?;
    }
    Ok(Found { words, pairs })
}

impl Found {
    /// The second pass: writes scales, each of as many neighbours as there are, and gives how many numbers were beyond the bound, u32.
    fn sum_up(&self, device: &Device, scales: &Tensor, largest: f32) -> Result<Buffer, MoveError> {
        let sums = scales.len();
        let each = self.pairs / sums.max(1);
        let numbers = [limited("sums", sums, MOST)?, limited("numbers of a sum", each, MOST)?];
        let beyond = device.upload(&vec![0; sums * 4])?;
        if sums > 0 {
            let block = sums.clamp(1, flashpage_device_kernels::THREADS as usize);
            let params = Params::default()
                .u64(&[self.words.address(), scales.address(), beyond.address()])
                .u32(&numbers)
                .f32(&[largest]);
            params.launch(
                device,
                "sum_up_survey",
                [sums.div_ceil(block) as u32, 1, 1],
                [block as u32, 1, 1],
            )?;
        }
        Ok(beyond)
    }
}
