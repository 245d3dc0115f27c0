//! New keys and values into the pools.

use super::arguments::{DeviceArray, MOST, Params, limited, pool, scale, shape, tensor, threads, three};
use super::rotary::Checked;
use super::{MoveError, Rotary};
use crate::args::{Pool, PoolShape};
use crate::device::Device;
use crate::tensor::Tensor;
use flashpage_codegen::program::DType;

/// What keys and values are divided by before they become 8 bits wide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KvScales {
    /// Of keys.
    pub key: f32,
    /// Of values.
    pub value: f32,
}

/// Arguments of [`append_kv`].
#[derive(Clone, Copy, Debug)]
pub struct AppendKv<'a> {
    /// f16, bf16 or f32 `[rows, kv_heads, head_dim]`, of which the first `tokens` rows are new.
    pub keys: &'a Tensor,
    /// The same of values, which may have another `head_dim`.
    pub values: &'a Tensor,
    /// How many tokens are new.
    pub tokens: usize,
    /// Of the keys' type, e4m3 or e5m2.
    pub key_pool: Pool<'a>,
    /// Of the same type, shape and layout, but for the `head_dim`, which is that of the values.
    pub value_pool: Pool<'a>,
    /// i64 `[tokens]`: where each token goes, `block * block_size + offset`. A negative one is padding and goes nowhere.
    /// No two are the same.
    pub slot_mapping: DeviceArray<'a>,
    /// The same numbers, if the host has them: a slot outside the pool is then an error, and not an address.
    pub host_slots: Option<&'a [i64]>,
    /// How keys are rotated on the way.
    pub rotary: Option<Rotary<'a>>,
    /// For pools of 8 bits: what is stored is `x / scale`, to the nearest, saturated. 1 where not given.
    pub scales: Option<KvScales>,
}

/// Writes new keys and values to their slots.
///
/// # Errors
/// Shapes, types, sizes, slots or scales that do not fit, memory of another device, or a device that fails.
pub fn append_kv(device: &Device, args: &AppendKv<'_>) -> Result<(), MoveError> {
    let (from, to) = (args.keys.dtype(), args.key_pool.tensor.dtype());
    if !matches!(from, DType::F16 | DType::Bf16 | DType::F32) {
        return Err(MoveError::DType { name: "keys", given: from, takes: "f16, bf16 or f32".into() });
    }
    if to != from && !matches!(to, DType::E4m3 | DType::E5m2) {
        return Err(MoveError::DType { name: "key_pool", given: to, takes: format!("{from}, e4m3 or e5m2") });
    }
    let [rows, kv_heads, head_dim] = three("keys", args.keys, "[rows, kv_heads, head_dim]")?;
    let [rows_of_values, heads_of_values, dim_of_values] =
        three("values", args.values, "[rows, kv_heads, head_dim]")?;
    if (rows_of_values, heads_of_values) != (rows, kv_heads) {
        let takes = format!("[{rows}, {kv_heads}, head_dim], as the keys have them");
        return Err(MoveError::Shape { name: "values", given: args.values.shape().to_vec(), takes });
    }
    if rows < args.tokens {
        return Err(MoveError::Count { name: "keys", given: rows, takes: args.tokens });
    }
    let key_shape = pool("key_pool", &args.key_pool)?;
    let wanted = PoolShape { kv_heads, head_dim, ..key_shape };
    shape("key_pool", args.key_pool.tensor, &wanted.dims())?;
    let of_values = PoolShape { head_dim: dim_of_values, ..wanted };
    shape(
        "value_pool",
        args.value_pool.tensor,
        &PoolShape { layout: args.value_pool.layout, ..of_values }.dims(),
    )?;
    if args.value_pool.layout != args.key_pool.layout {
        let given = args.value_pool.tensor.shape().to_vec();
        let takes = format!("the layout {:?} of `key_pool`", args.key_pool.layout);
        return Err(MoveError::Shape { name: "value_pool", given, takes });
    }
    check_slots(args, &key_shape)?;
    let scales = [
        scale("keys", to, args.scales.map(|scales| scales.key))?,
        scale("values", to, args.scales.map(|scales| scales.value))?,
    ];
    let [keys, values, key_pool, value_pool] = [
        tensor(device, "keys", args.keys, from, "")?,
        tensor(device, "values", args.values, from, &format!("{from}, as the keys do"))?,
        tensor(device, "key_pool", args.key_pool.tensor, to, "")?,
        tensor(device, "value_pool", args.value_pool.tensor, to, &format!("{to}, as `key_pool` does"))?,
    ];
    let slot_mapping = args.slot_mapping.address(device, "slot_mapping", args.tokens, 8)?;
    let tokens = limited("`tokens`", args.tokens, MOST)?;
    let of_heads = limited("the number of KV heads", kv_heads, MOST)?;
    let of_blocks = limited("the block size", key_shape.block_size, MOST)?;
    for head_dim in [head_dim, dim_of_values] {
        limited("`head_dim`", head_dim, MOST)?;
    }
    let rotary = match &args.rotary {
        Some(rotary) => rotary.check(device, args.tokens, head_dim)?,
        None => Checked::NONE,
    };
    if tokens == 0 || kv_heads == 0 {
        return Ok(());
    }
    let launch =
        |[k, v, k_pool, v_pool]: [u64; 4], pool: &PoolShape, scales: [f32; 2], rotary: &Checked, grid| {
            if pool.head_dim == 0 {
                return Ok(());
            }
            let (block, token, head) = pool.strides();
            let params = Params::default()
                .u64(&[k, v, k_pool, v_pool, slot_mapping])
                .u32(&[of_heads, pool.head_dim as u32, of_blocks])
                .u64(&[block as u64, token as u64, head as u64])
                .f32(&scales)
                .u64(&rotary.addresses)
                .u32(&rotary.numbers);
            let block = threads(pool.head_dim, from.bytes().min(to.bytes()), kv_heads);
            params.launch(device, &format!("append_kv_{from}_{to}"), grid, block)
        };
    if head_dim == dim_of_values {
        return launch([keys, values, key_pool, value_pool], &wanted, scales, &rotary, [tokens, 2, 1]);
    }
    // The kernel takes one head dimension: once for keys, and once for values in their place.
    let grid = [tokens, 1, 1];
    launch([keys, keys, key_pool, key_pool], &wanted, [scales[0]; 2], &rotary, grid)?;
    launch([values, values, value_pool, value_pool], &of_values, [scales[1]; 2], &Checked::NONE, grid)
}

fn check_slots(args: &AppendKv<'_>, pool: &PoolShape) -> Result<(), MoveError> {
    let Some(slots) = args.host_slots else { return Ok(()) };
    if slots.len() != args.tokens {
        return Err(MoveError::Count { name: "host_slots", given: slots.len(), takes: args.tokens });
    }
    let len = pool.blocks.saturating_mul(pool.block_size);
    let outside = |slot: i64| slot >= 0 && usize::try_from(slot).map_or(true, |slot| slot >= len);
    match slots.iter().position(|slot| outside(*slot)) {
        Some(index) => Err(MoveError::OutOfPool { name: "host_slots", index, given: slots[index], len }),
        None => Ok(()),
    }
}
