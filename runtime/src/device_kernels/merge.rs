//! Partial results of attention, over parts of the keys, into whole ones.

use super::MoveError;
use super::arguments::{DeviceArray, MOST, Params, limited, tensor, threads};
use crate::device::{Device, Launch, Module};
use crate::tensor::Tensor;
use flashpage_codegen::program::{DType, LogBase};

/// Arguments of [`merge_states`]. The parts of row `i` are the partial rows `first[i] + s * stride[i]` for
/// `s < count[i]`.
#[derive(Clone, Copy, Debug)]
pub struct MergeStates<'a> {
    /// f32 `[partial_rows, head_dim]`, each row normalised by its own sum. Rows whose log-sum-exp is minus infinity may
    /// hold anything.
    pub o_part: DeviceArray<'a>,
    /// f32 `[partial_rows]`, natural logarithm; or `[partial_rows, 2]`, the row's maximum, minus infinity where it saw no key, and
    /// the logarithm of its sum relative to that, of which the second is not lost in a maximum of -1e9.
    pub lse_part: DeviceArray<'a>,
    /// Numbers of a log-sum-exp: 1 or 2.
    pub lse_numbers: usize,
    /// How many partial rows there is room for.
    pub partial_rows: usize,
    /// i32 `[capacity]`: the first part of each row; a row with a negative one is left as it is.
    pub first: DeviceArray<'a>,
    /// i32 `[capacity]`: parts of each row. A row without parts becomes 0, and its log-sum-exp minus infinity.
    pub count: DeviceArray<'a>,
    /// i32 `[capacity]`: partial rows from one part to the next.
    pub stride: DeviceArray<'a>,
    /// i32 `[capacity]`: the row of `o` and `lse` that each goes to. No two are the same.
    pub out_row: DeviceArray<'a>,
    /// i32: how many rows are in use. Only `capacity` decides the grid.
    pub rows_in_use: DeviceArray<'a>,
    /// How many rows there is room for.
    pub capacity: usize,
    /// f16, bf16 or f32 `[..., head_dim]`.
    pub o: &'a Tensor,
    /// f32, one for each row of `o`, logarithms to `base`.
    pub lse: &'a Tensor,
    /// Of which base the merged log-sum-exps are: natural, or 2 as FlashInfer's are.
    pub base: LogBase,
}

/// Merges each row's parts by the weights that their log-sum-exps give them, always in the same order.
///
/// # Errors
/// Shapes, types or sizes that do not fit, memory of another device, or a device that fails.
pub fn merge_states(device: &Device, args: &MergeStates<'_>) -> Result<(), MoveError> {
    let rows: usize = args.o.shape().split_last().map_or(0, |(_, rows)| rows.iter().product());
    if args.lse.len() != rows {
        let takes = format!("one number for each of the {rows} rows of `o`");
        return Err(MoveError::Shape { name: "lse", given: args.lse.shape().to_vec(), takes });
    }
    if let Some((module, entry, launch)) = merge_launch(device, args)? {
        device.launch(&module, &entry, &launch)?;
    }
    Ok(())
}

/// Module, entry and parameters of [`merge_states`]; `None` where there is nothing to do. The log-sum-exp may have
/// another length than `o` has rows, if no row in use goes past it.
pub(crate) fn merge_launch(
    device: &Device,
    args: &MergeStates<'_>,
) -> Result<Option<(Module, String, Launch)>, MoveError> {
    let dtype = args.o.dtype();
    if !matches!(dtype, DType::F16 | DType::Bf16 | DType::F32) {
        return Err(MoveError::DType { name: "o", given: dtype, takes: "f16, bf16 or f32".into() });
    }
    let Some((head_dim, rows)) = args.o.shape().split_last() else {
        return Err(MoveError::Shape { name: "o", given: Vec::new(), takes: "[..., head_dim]".into() });
    };
    let rows: usize = rows.iter().product();
    limited("the number of rows", rows, MOST)?;
    limited("`partial_rows`", args.partial_rows, MOST)?;
    let capacity = limited("`capacity`", args.capacity, MOST)?;
    let numbers = limited("`lse_numbers`", args.lse_numbers.max(1), 2)?;
    let dim = limited("`head_dim`", *head_dim, MOST)?;
    let o = tensor(device, "o", args.o, dtype, "")?;
    let lse = tensor(device, "lse", args.lse, DType::F32, "f32")?;
    let elements = args.partial_rows.saturating_mul(*head_dim);
    let ints = |array: DeviceArray<'_>, name| array.address(device, name, args.capacity, 4);
    let params = Params::default()
        .u64(&[
            args.o_part.address(device, "o_part", elements, 4)?,
            args.lse_part.address(
                device,
                "lse_part",
                args.partial_rows.saturating_mul(numbers as usize),
                4,
            )?,
            ints(args.first, "first")?,
            ints(args.count, "count")?,
            ints(args.stride, "stride")?,
            ints(args.out_row, "out_row")?,
            o,
            lse,
            args.rows_in_use.address(device, "rows_in_use", 1, 4)?,
        ])
        .u32(&[capacity, dim, numbers, (args.base.from_natural() as f32).to_bits()]);
    if capacity == 0 || rows == 0 || dim == 0 {
        return Ok(None);
    }
    let block = threads(*head_dim, dtype.bytes(), args.capacity);
    let entry = format!("merge_states_{dtype}");
    let (module, launch) = params.ready(device, &entry, [capacity.div_ceil(block[1]), 1, 1], block)?;
    Ok(Some((module, entry, launch)))
}
