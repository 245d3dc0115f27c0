//! `append_kv` against element by element on the host, to the byte: what no slot names stays as it was.

use crate::numbers::{EIGHT_BITS, FLOATS, decode, encode_all};
use crate::rotary::{STYLES, Tables};
use crate::{Rng, devices, ints, longs};
use flashpage_runtime::args::PoolShape;
use flashpage_runtime::device_kernels::{AppendKv, KvScales, QuantScales, Rotary, RotaryStyle, append_kv};
use flashpage_runtime::{DType, Device, Pool, PoolLayout, Tensor};

/// The pools' shape, the head dimension of values if there are any, and how much of a head is rotated how.
#[derive(Clone, Copy, Debug)]
struct Case {
    shape: PoolShape,
    values: Option<usize>,
    /// Whether values lie transposed.
    transposed: bool,
    from: DType,
    to: DType,
    rotation: Option<(usize, RotaryStyle)>,
    scales: Scales,
}

/// What numbers are divided by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scales {
    None,
    OfAll,
    OfHeads,
    OfTokens,
}

impl Scales {
    /// Of a token's head, of keys or of values.
    fn of(self, token: usize, head: usize, is_key: bool) -> f32 {
        let base = if is_key { 0.03 } else { 1.7 };
        match self {
            Scales::None => 1.0,
            Scales::OfAll => base,
            Scales::OfHeads => base * (1 + head) as f32,
            Scales::OfTokens => base * (1 + head + 3 * token) as f32,
        }
    }
}

fn cases() -> Vec<Case> {
    // kv_heads, head_dim, block_size, rotary_dim: aligned for every type, for some, for none; one token to a block.
    let shapes =
        [(2, 64, 16, 64), (3, 128, 8, 32), (1, 40, 5, 24), (2, 33, 16, 10), (5, 7, 1, 2), (2, 72, 4, 48)];
    let mut cases = Vec::new();
    for (kv_heads, head_dim, block_size, rotary_dim) in shapes {
        for layout in [PoolLayout::Nhd, PoolLayout::Hnd] {
            for from in FLOATS {
                for to in [from, EIGHT_BITS[0], EIGHT_BITS[1]] {
                    let shape =
                        PoolShape { blocks: 40 / block_size + 2, block_size, kv_heads, head_dim, layout };
                    let by_turns = [Scales::OfAll, Scales::OfHeads, Scales::OfTokens];
                    let scales = match to != from && kv_heads != 3 {
                        true => by_turns[cases.len() % by_turns.len()],
                        false => Scales::None,
                    };
                    let rotations = [None, Some((rotary_dim, STYLES[0])), Some((rotary_dim, STYLES[1]))];
                    for rotation in rotations {
                        // As wide as keys, narrower, wider, and none.
                        let widths = [Some(head_dim), Some(head_dim / 2), Some(head_dim + 24), None];
                        // The others with one rotation.
                        let widths = if rotation == rotations[1] { &widths[..] } else { &widths[..1] };
                        cases.extend(widths.iter().map(|&values| Case {
                            shape,
                            values,
                            transposed: false,
                            from,
                            to,
                            rotation,
                            scales,
                        }));
                    }
                }
            }
        }
    }
    // The same with values that lie transposed, where they can.
    let fits = |case: &&Case| {
        case.to.bytes() == 1 && case.values.is_some() && case.shape.block_size.is_multiple_of(16)
    };
    let transposed: Vec<Case> =
        cases.iter().filter(fits).map(|case| Case { transposed: true, ..*case }).collect();
    assert!(transposed.len() > 20);
    cases.extend(transposed);
    cases
}

#[test]
fn every_type_layout_and_rotation() {
    let devices = devices();
    for (nth, case) in cases().iter().enumerate() {
        check(&devices[nth % 2], case);
        if nth % 5 == 0 {
            check(&devices[(nth + 1) % 2], case);
        }
    }
}

/// Where a number of a token's head is in a pool, in elements. Written out, where tokens lie by sixteen, from what a product's factor is: bytes
/// 4t to 4t + 3 are of columns 2t, 2t + 1, 8 + 2t, 9 + 2t.
pub fn place(shape: &PoolShape, slot: usize, head: usize, number: usize) -> usize {
    let PoolShape { block_size, kv_heads, head_dim, layout, .. } = *shape;
    let (block, token) = (slot / block_size, slot % block_size);
    match layout {
        PoolLayout::Nhd => ((block * block_size + token) * kv_heads + head) * head_dim + number,
        PoolLayout::Hnd => ((block * kv_heads + head) * block_size + token) * head_dim + number,
        PoolLayout::Transposed => {
            const TOKENS: [usize; 16] = [0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15];
            let place = TOKENS.iter().position(|of| *of == token % 16).unwrap();
            let group = (block * kv_heads + head) * (block_size / 16) + token / 16;
            (group * head_dim + number) * 16 + place
        }
    }
}

fn check(device: &Device, case: &Case) {
    let Case { shape, values, transposed, from, to, rotation, scales } = *case;
    let (tokens, heads, dim) = (19, shape.kv_heads, shape.head_dim);
    let layout = if transposed { PoolLayout::Transposed } else { shape.layout };
    let of_values = PoolShape { head_dim: values.unwrap_or(dim), layout, ..shape };
    let mut rng = Rng(dim as u64);
    let row = heads * (dim + of_values.head_dim);
    let mut numbers: Vec<f32> = (0..(tokens + 1) * row).map(|_| rng.number()).collect();
    // Values that no rotation touches: what is too large, too small, and no number.
    let last = numbers.len() - heads * of_values.head_dim;
    for (at, special) in
        [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e30, -6e4, 3e-6, -0.0].into_iter().enumerate()
    {
        numbers[last - 1 - at] = special;
    }
    let bytes = encode_all(from, &numbers);
    let (key_bytes, value_bytes) = bytes.split_at((tokens + 1) * heads * dim * from.bytes());
    let new = |bytes: &[u8], shape: &PoolShape| {
        Tensor::from_bytes(device, from, bytes, &[tokens + 1, heads, shape.head_dim]).unwrap()
    };
    let (new_keys, new_values) = (new(key_bytes, &shape), new(value_bytes, &of_values));
    let pool = |shape: &PoolShape| Tensor::filled_nan(device, to, &shape.dims()).unwrap();
    let (key_pool, value_pool) = (pool(&shape), pool(&of_values));
    let free = rng.order(shape.blocks * shape.block_size);
    let slots: Vec<i64> =
        (0..tokens).map(|i| if i % 7 == 3 { -1 - i as i64 } else { free[i] as i64 }).collect();
    let position = |i: i32| if i > 15 { [39, i32::MIN, 40][i as usize - 16] } else { 2 * i };
    let positions: Vec<i32> = (0..tokens as i32).map(position).collect();
    let tables = rotation.map(|(rotary_dim, style)| (Tables::new(40, rotary_dim), style));
    let tensors = tables.as_ref().map(|(tables, _)| tables.tensors(device));
    let (slots_on, positions_on) = (longs(device, &slots), ints(device, &positions));
    let rotary = tables.as_ref().zip(tensors.as_ref()).map(|((_, style), [cos, sin])| Rotary {
        positions: (&positions_on).into(),
        cos,
        sin,
        style: *style,
    });
    let scale_array = |rows: usize, is_key: bool| -> Tensor {
        let of = |at: usize| scales.of(at / heads, at % heads, is_key);
        let numbers: Vec<f32> = (0..rows * heads).map(of).collect();
        Tensor::from_slice(device, &numbers, &[rows, heads]).unwrap()
    };
    let arrays =
        [true, false].map(|is_key| scale_array(if scales == Scales::OfTokens { tokens } else { 1 }, is_key));
    let [of_keys, of_values_too] = arrays.each_ref().map(Into::into);
    let given = match scales {
        Scales::None => None,
        Scales::OfAll => Some(KvScales { key: scales.of(0, 0, true), value: scales.of(0, 0, false) }.into()),
        Scales::OfHeads => Some(QuantScales::OfHeads { keys: of_keys, values: of_values_too }),
        Scales::OfTokens => Some(QuantScales::OfTokens { keys: of_keys, values: of_values_too }),
    };
    let args = AppendKv {
        keys: &new_keys,
        tokens,
        key_pool: Pool { tensor: &key_pool, layout: shape.layout },
        values: values.map(|_| (&new_values, Pool { tensor: &value_pool, layout })),
        slot_mapping: (&slots_on).into(),
        host_slots: Some(&slots),
        rotary,
        scales: given,
    };
    append_kv(device, &args).unwrap_or_else(|error| panic!("{case:?}: {error}"));
    for (pool, shape, source, is_key) in
        [(&key_pool, &shape, key_bytes, true), (&value_pool, &of_values, value_bytes, false)]
    {
        let mut expected = vec![0xff; pool.len() * to.bytes()];
        let row = shape.head_dim * from.bytes();
        // Nothing where there are no values.
        let written = if is_key || values.is_some() { &slots[..] } else { &[] };
        for (token, slot) in written.iter().enumerate() {
            let Ok(slot) = usize::try_from(*slot) else { continue };
            for head in 0..heads {
                let bytes = &source[(token * heads + head) * row..][..row];
                let mut x: Vec<f32> =
                    bytes.chunks_exact(from.bytes()).map(|bytes| decode(from, bytes)).collect();
                let turns = if is_key { tables.as_ref() } else { None };
                if let Some((tables, style)) = turns {
                    let Some(turned) = tables.turned(&x, positions[token], *style) else { continue };
                    x = turned;
                }
                let stored = if from == to && turns.is_none() {
                    bytes.to_vec()
                } else {
                    let scale = scales.of(token, head, is_key);
                    x.iter_mut().for_each(|x| *x /= scale);
                    encode_all(to, &x)
                };
                for (number, stored) in stored.chunks_exact(to.bytes()).enumerate() {
                    let at = place(shape, slot, head, number) * to.bytes();
                    expected[at..at + to.bytes()].copy_from_slice(stored);
                }
            }
        }
        let got = pool.buffer().to_bytes().unwrap();
        let wrong = got.iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!(wrong, None, "{case:?}, keys {is_key}: first wrong byte");
    }
}
