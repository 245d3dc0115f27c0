//! New keys and values into the pools.

use super::arguments::{
    DeviceArray, MOST, Params, by_rows, limited, pool, scale, shape, tensor, threads, three,
};
use super::rotary::Checked;
use super::{MoveError, Rotary};
use crate::args::{Pool, PoolLayout, PoolShape};
use crate::device::Device;
use crate::tensor::Tensor;
use flashpage_codegen::layout::transposed_copy::KEYS_OF_CHUNK;
use flashpage_codegen::program::DType;
use flashpage_device_kernels::ACCESS;

/// What keys and values are divided by before they become 8 bits wide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KvScales {
    /// Of keys.
    pub key: f32,
    /// Of values.
    pub value: f32,
}

/// What numbers are divided by on their way into pools of 8 bits.
#[derive(Clone, Copy, Debug)]
pub enum QuantScales<'a> {
    /// One number for all keys, one for all values.
    OfAll(KvScales),
    /// f32 `[kv_heads]` each, above zero.
    OfHeads {
        /// Of keys.
        keys: DeviceArray<'a>,
        /// Of values.
        values: DeviceArray<'a>,
    },
    /// f32 `[tokens, kv_heads]` each, above zero: those of the sequence or of the run of keys that a token belongs to.
    OfTokens {
        /// Of keys.
        keys: DeviceArray<'a>,
        /// Of values.
        values: DeviceArray<'a>,
    },
}

impl From<KvScales> for QuantScales<'_> {
    fn from(scales: KvScales) -> Self {
        QuantScales::OfAll(scales)
    }
}

impl QuantScales<'_> {
    /// Those of all keys and values, where they are so.
    fn of_all(self) -> KvScales {
        match self {
            QuantScales::OfAll(scales) => scales,
            _ => KvScales { key: 1.0, value: 1.0 },
        }
    }

    /// Addresses of the scales of heads, of keys and of values, and numbers from one token's to the next.
    fn of_heads(self, device: &Device, tokens: usize, heads: usize) -> Result<([u64; 2], u32), MoveError> {
        let (keys, values, rows, stride) = match self {
            QuantScales::OfAll(_) => return Ok(([0, 0], 0)),
            QuantScales::OfHeads { keys, values } => (keys, values, 1, 0),
            QuantScales::OfTokens { keys, values } => (keys, values, tokens, heads),
        };
        let numbers = rows.saturating_mul(heads);
        let addresses = [
            keys.address(device, "the scales of keys", numbers, 4)?,
            values.address(device, "the scales of values", numbers, 4)?,
        ];
        Ok((addresses, limited("the number of KV heads", stride, MOST)?))
    }
}

/// Arguments of [`append_kv`].
#[derive(Clone, Copy, Debug)]
pub struct AppendKv<'a> {
    /// f16, bf16 or f32 `[rows, kv_heads, head_dim]`, of which the first `tokens` rows are new.
    pub keys: &'a Tensor,
    /// How many tokens are new.
    pub tokens: usize,
    /// Of the keys' type, e4m3 or e5m2.
    pub key_pool: Pool<'a>,
    /// The new values, like the keys, and their pool, like that of keys; both may have another `head_dim`. `None`: keys
    /// alone are written. The pool has the layout of that of keys, or is transposed.
    pub values: Option<(&'a Tensor, Pool<'a>)>,
    /// i64 `[tokens]`: where each token goes, `block * block_size + offset`. A negative one is padding and goes nowhere.
    /// No two are the same.
    pub slot_mapping: DeviceArray<'a>,
    /// The same numbers, if the host has them: a slot outside the pool is then an error, and not an address.
    pub host_slots: Option<&'a [i64]>,
    /// How keys are rotated on the way.
    pub rotary: Option<Rotary<'a>>,
    /// For pools of 8 bits: what is stored is `x / scale`, to the nearest, saturated. 1 where not given.
    pub scales: Option<QuantScales<'a>>,
}

/// Keys or values on their way into a pool.
struct Side {
    rows: u64,
    pool: u64,
    shape: PoolShape,
    scale: f32,
}

/// Writes new keys and values, or keys alone, to their slots.
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
    if rows < args.tokens {
        return Err(MoveError::Count { name: "keys", given: rows, takes: args.tokens });
    }
    by_rows("key_pool", &args.key_pool)?;
    let key_shape = PoolShape { kv_heads, head_dim, ..pool("key_pool", &args.key_pool)? };
    shape("key_pool", args.key_pool.tensor, &key_shape.dims())?;
    check_slots(args, &key_shape)?;
    let keys = Side {
        rows: tensor(device, "keys", args.keys, from, "")?,
        pool: tensor(device, "key_pool", args.key_pool.tensor, to, "")?,
        shape: key_shape,
        scale: scale("keys", to, args.scales.map(|scales| scales.of_all().key))?,
    };
    let values = args.values.map(|values| side_of_values(device, args, values, &key_shape)).transpose()?;
    let slot_mapping = args.slot_mapping.address(device, "slot_mapping", args.tokens, 8)?;
    let tokens = limited("`tokens`", args.tokens, MOST)?;
    let of_heads = limited("the number of KV heads", kv_heads, MOST)?;
    let of_blocks = limited("the block size", key_shape.block_size, MOST)?;
    for side in [Some(&keys), values.as_ref()].into_iter().flatten() {
        limited("`head_dim`", side.shape.head_dim, MOST)?;
    }
    let (scales_of_heads, scale_stride) = match args.scales {
        Some(scales) => scales.of_heads(device, args.tokens, kv_heads)?,
        None => ([0, 0], 0),
    };
    let rotary = match &args.rotary {
        Some(rotary) => rotary.check(device, args.tokens, head_dim)?,
        None => Checked::NONE,
    };
    if tokens == 0 || kv_heads == 0 {
        return Ok(());
    }
    // Blocks (token, 0) write keys and blocks (token, 1) values; both have one head dimension.
    let launch = |k: &Side, v: &Side, rotary: &Checked, sides, k_and_v: [u64; 2]| {
        let shape = &k.shape;
        if shape.head_dim == 0 {
            return Ok(());
        }
        let (block, token, head) = shape.strides();
        let params = Params::default()
            .u64(&[k.rows, v.rows, k.pool, v.pool, slot_mapping])
            .u32(&[of_heads, shape.head_dim as u32, of_blocks])
            .u64(&[block as u64, token as u64, head as u64])
            .f32(&[k.scale, v.scale])
            .u64(&k_and_v)
            .u32(&[scale_stride])
            .u64(&rotary.addresses)
            .u32(&rotary.numbers);
        let block = threads(shape.head_dim, from.bytes().min(to.bytes()), kv_heads);
        params.launch(device, &format!("append_kv_{from}_{to}"), [tokens, sides, 1], block)
    };
    match &values {
        Some(values) if values.shape.layout == PoolLayout::Transposed => {
            let [of_keys, of_values] = scales_of_heads;
            launch(&keys, &keys, &rotary, 1, [of_keys; 2])?;
            append_transposed(device, (from, to), values, (slot_mapping, tokens), (of_values, scale_stride))
        }
        Some(values) if values.shape.head_dim == head_dim => {
            launch(&keys, values, &rotary, 2, scales_of_heads)
        }
        // Once for keys, and once for values in their place.
        Some(values) => {
            let [of_keys, of_values] = scales_of_heads;
            launch(&keys, &keys, &rotary, 1, [of_keys; 2])?;
            launch(values, values, &Checked::NONE, 1, [of_values; 2])
        }
        None => launch(&keys, &keys, &rotary, 1, scales_of_heads),
    }
}

/// Values into a pool where they lie transposed: by an entry of their own.
fn append_transposed(
    device: &Device,
    (from, to): (DType, DType),
    values: &Side,
    (slot_mapping, tokens): (u64, u32),
    (scales, scale_stride): (u64, u32),
) -> Result<(), MoveError> {
    let PoolShape { kv_heads, head_dim, block_size, .. } = values.shape;
    if head_dim == 0 {
        return Ok(());
    }
    let (block, _, head) = values.shape.strides();
    let params = Params::default()
        .u64(&[values.rows, values.pool, slot_mapping])
        .u32(&[kv_heads as u32, head_dim as u32, block_size as u32])
        .u64(&[block as u64, head as u64])
        .f32(&[values.scale])
        .u64(&[scales])
        .u32(&[scale_stride]);
    let threads = threads(head_dim, ACCESS as usize, kv_heads);
    params.launch(device, &format!("append_values_{from}_{to}"), [tokens, 1, 1], threads)
}

fn side_of_values(
    device: &Device,
    args: &AppendKv<'_>,
    (values, value_pool): (&Tensor, Pool<'_>),
    key_shape: &PoolShape,
) -> Result<Side, MoveError> {
    let (from, to) = (args.keys.dtype(), args.key_pool.tensor.dtype());
    let (rows, kv_heads) = (args.keys.shape()[0], key_shape.kv_heads);
    let [given_rows, given_heads, head_dim] = three("values", values, "[rows, kv_heads, head_dim]")?;
    if (given_rows, given_heads) != (rows, kv_heads) {
        let takes = format!("[{rows}, {kv_heads}, head_dim], as the keys have them");
        return Err(MoveError::Shape { name: "values", given: values.shape().to_vec(), takes });
    }
    let of_values = PoolShape { head_dim, layout: value_pool.layout, ..*key_shape };
    if value_pool.layout == PoolLayout::Transposed {
        if !to.is_eight_bits() {
            let takes = "e4m3 or e5m2, where values lie transposed".into();
            return Err(MoveError::DType { name: "value_pool", given: to, takes });
        }
        if !key_shape.block_size.is_multiple_of(KEYS_OF_CHUNK) {
            let given = value_pool.tensor.shape().to_vec();
            let takes = format!(
                "blocks of a multiple of {KEYS_OF_CHUNK} tokens, and `key_pool` has {}",
                key_shape.block_size
            );
            return Err(MoveError::Shape { name: "value_pool", given, takes });
        }
    }
    shape("value_pool", value_pool.tensor, &of_values.dims())?;
    if value_pool.layout != key_shape.layout && value_pool.layout != PoolLayout::Transposed {
        let given = value_pool.tensor.shape().to_vec();
        let takes = format!("the layout {:?} of `key_pool`", key_shape.layout);
        return Err(MoveError::Shape { name: "value_pool", given, takes });
    }
    Ok(Side {
        rows: tensor(device, "values", values, from, &format!("{from}, as the keys do"))?,
        pool: tensor(device, "value_pool", value_pool.tensor, to, &format!("{to}, as `key_pool` does"))?,
        shape: of_values,
        scale: scale("values", to, args.scales.map(|scales| scales.of_all().value))?,
    })
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
