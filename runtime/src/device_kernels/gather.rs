//! Sequences out of a pool, laid end to end.

use super::MoveError;
use super::arguments::{DeviceArray, MOST, MOST_Y, Params, limited, pool, scale, tensor, threads, three};
use crate::args::{Pool, PoolLayout};
use crate::device::Device;
use crate::tensor::Tensor;
use flashpage_codegen::program::DType;
use flashpage_device_kernels::ACCESS;

/// Arguments of [`gather_kv`].
#[derive(Clone, Copy, Debug)]
pub struct GatherKv<'a> {
    /// The keys or the values.
    pub pool: Pool<'a>,
    /// i32 `[sequences, table_width]`: the blocks of each sequence. Entries past its last block may be anything.
    pub block_table: DeviceArray<'a>,
    /// Entries of a row.
    pub table_width: usize,
    /// Rows.
    pub sequences: usize,
    /// i32 `[sequences]`: tokens of each.
    pub seq_lens: DeviceArray<'a>,
    /// i32 `[sequences + 1]`: where each begins in `out`.
    pub cu_seqlens: DeviceArray<'a>,
    /// Tokens of the longest sequence, or a guess: it decides how many blocks share a sequence, and nothing else.
    pub longest: usize,
    /// `[tokens, kv_heads, head_dim]`: of the pool's type, or f16, bf16 or f32 where the pool has 8 bits.
    pub out: &'a Tensor,
    /// For pools of 8 bits: what each number is multiplied by. 1 where not given.
    pub scale: Option<f32>,
}

/// Blocks that share one sequence at most: enough to fill a GPU by one.
const SHARING: usize = 1024;

/// Copies the tokens of each sequence to where it begins in `out`.
///
/// # Errors
/// Shapes, types, sizes or a scale that do not fit, memory of another device, or a device that fails.
pub fn gather_kv(device: &Device, args: &GatherKv<'_>) -> Result<(), MoveError> {
    let (from, to) = (args.pool.tensor.dtype(), args.out.dtype());
    let takes = match from {
        DType::E4m3 | DType::E5m2 => "f16, bf16 or f32".to_owned(),
        DType::F16 | DType::Bf16 | DType::F32 => from.to_string(),
        given => {
            let takes = "f16, bf16, f32, e4m3 or e5m2".into();
            return Err(MoveError::DType { name: "pool", given, takes });
        }
    };
    if !takes.split([' ', ',']).any(|word| word == to.as_str()) {
        return Err(MoveError::DType { name: "out", given: to, takes });
    }
    if args.pool.layout == PoolLayout::Transposed && !from.is_eight_bits() {
        let takes = "e4m3 or e5m2, where values lie transposed".into();
        return Err(MoveError::DType { name: "pool", given: from, takes });
    }
    let shape = pool("pool", &args.pool)?;
    let [_, kv_heads, head_dim] = three("out", args.out, "[tokens, kv_heads, head_dim]")?;
    if (kv_heads, head_dim) != (shape.kv_heads, shape.head_dim) {
        let takes = format!("[tokens, {}, {}], as the pool has them", shape.kv_heads, shape.head_dim);
        return Err(MoveError::Shape { name: "out", given: args.out.shape().to_vec(), takes });
    }
    let scale = scale("the pool", from, args.scale)?;
    let sequences = limited("the number of sequences", args.sequences, MOST_Y)?;
    let entries = args.sequences.saturating_mul(args.table_width);
    let addresses = [
        tensor(device, "pool", args.pool.tensor, from, "")?,
        args.block_table.address(device, "block_table", entries, 4)?,
        args.seq_lens.address(device, "seq_lens", args.sequences, 4)?,
        args.cu_seqlens.address(device, "cu_seqlens", args.sequences, 4)?,
        tensor(device, "out", args.out, to, "")?,
    ];
    let sizes = [
        limited("the table's width", args.table_width, MOST)?,
        limited("the number of KV heads", kv_heads, MOST)?,
        limited("`head_dim`", head_dim, MOST)?,
        limited("the block size", shape.block_size, MOST)?,
    ];
    if sequences == 0 || kv_heads == 0 || head_dim == 0 || args.table_width == 0 || args.out.is_empty() {
        return Ok(());
    }
    let (block, token, head) = shape.strides();
    let grid = [args.longest.clamp(1, SHARING) as u32, sequences, 1];
    let params = Params::default().u64(&addresses).u32(&sizes);
    if shape.layout == PoolLayout::Transposed {
        let params = params.u64(&[block as u64, head as u64]).f32(&[scale]);
        let threads = threads(head_dim, ACCESS as usize, kv_heads);
        return params.launch(device, &format!("gather_values_{from}_{to}"), grid, threads);
    }
    let params = params.u64(&[block as u64, token as u64, head as u64]).f32(&[scale]);
    let block = threads(head_dim, from.bytes().min(to.bytes()), kv_heads);
    params.launch(device, &format!("gather_kv_{from}_{to}"), grid, block)
}
