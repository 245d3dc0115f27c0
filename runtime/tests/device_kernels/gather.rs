//! `gather_kv` against element by element on the host, to the byte.

use crate::append::place;
use crate::numbers::{EIGHT_BITS, FLOATS, decode, encode_all};
use crate::{Rng, devices, ints};
use flashpage_runtime::args::PoolShape;
use flashpage_runtime::device_kernels::{GatherKv, gather_kv};
use flashpage_runtime::{DType, Device, Pool, PoolLayout, Tensor};

#[test]
fn every_type_and_layout() {
    let mut types: Vec<(DType, DType)> = FLOATS.map(|dtype| (dtype, dtype)).to_vec();
    types.extend(EIGHT_BITS.into_iter().flat_map(|from| FLOATS.map(|to| (from, to))));
    for device in devices() {
        for (kv_heads, head_dim, block_size) in [(2, 64, 16), (1, 40, 5), (3, 33, 8), (5, 7, 1)] {
            for layout in [PoolLayout::Nhd, PoolLayout::Hnd] {
                let shape = PoolShape { blocks: 80 / block_size, block_size, kv_heads, head_dim, layout };
                for (from, to) in &types {
                    check(&device, shape, *from, *to);
                    if from.bytes() == 1 && block_size % 16 == 0 {
                        check(&device, PoolShape { layout: PoolLayout::Transposed, ..shape }, *from, *to);
                    }
                }
            }
        }
    }
}

fn check(device: &Device, shape: PoolShape, from: DType, to: DType) {
    let lens = [21i32, 0, 1, 16, 5];
    let width = 24usize.div_ceil(shape.block_size);
    let mut rng = Rng(shape.head_dim as u64);
    // Every bit pattern of 8 bits is a number, or none.
    let mut bytes: Vec<u8> =
        (0..shape.dims().iter().product::<usize>() * from.bytes()).map(|_| rng.next() as u8).collect();
    if from.bytes() > 1 {
        let numbers: Vec<f32> = (0..bytes.len() / from.bytes()).map(|_| rng.number()).collect();
        bytes = encode_all(from, &numbers);
    }
    let pool = Tensor::from_bytes(device, from, &bytes, &shape.dims()).unwrap();
    let mut free = rng.order(shape.blocks).into_iter();
    let mut entries = Vec::new();
    for len in lens {
        let used = (len as usize).div_ceil(shape.block_size);
        entries.extend((0..width).map(|i| if i < used { free.next().unwrap() as i32 } else { i32::MIN + 5 }));
    }
    let starts: Vec<i32> =
        lens.iter().scan(0, |end, len| Some(std::mem::replace(end, *end + len))).chain([43]).collect();
    let out = Tensor::filled_nan(device, to, &[44, shape.kv_heads, shape.head_dim]).unwrap();
    let [table, seq_lens, cu_seqlens] = [&entries[..], &lens, &starts].map(|values| ints(device, values));
    let scale = (from.bytes() == 1).then_some(0.37);
    let args = GatherKv {
        pool: Pool { tensor: &pool, layout: shape.layout },
        block_table: (&table).into(),
        table_width: width,
        sequences: lens.len(),
        seq_lens: (&seq_lens).into(),
        cu_seqlens: (&cu_seqlens).into(),
        // Fewer than there are: blocks take turns.
        longest: 6,
        out: &out,
        scale,
    };
    gather_kv(device, &args).unwrap_or_else(|error| panic!("{from} {to} {shape:?}: {error}"));
    let mut expected = Vec::new();
    for (sequence, len) in lens.iter().enumerate() {
        for token in 0..*len as usize {
            let block = entries[sequence * width + token / shape.block_size] as usize;
            for head in 0..shape.kv_heads {
                let slot = block * shape.block_size + token % shape.block_size;
                let row: Vec<u8> = (0..shape.head_dim)
                    .flat_map(|number| {
                        &bytes[place(&shape, slot, head, number) * from.bytes()..][..from.bytes()]
                    })
                    .copied()
                    .collect();
                if from == to {
                    expected.extend(row);
                    continue;
                }
                let scaled: Vec<f32> = row.iter().map(|bits| decode(from, &[*bits]) * 0.37).collect();
                expected.extend(encode_all(to, &scaled));
            }
        }
    }
    expected.resize(out.len() * to.bytes(), 0xff);
    let got = out.buffer().to_bytes().unwrap();
    for (i, (a, b)) in got.chunks_exact(to.bytes()).zip(expected.chunks_exact(to.bytes())).enumerate() {
        let same = a == b || decode(to, a).is_nan() && decode(to, b).is_nan();
        assert!(same, "{from} {to} {shape:?}: element {i} is {a:?}, not {b:?}");
    }
}
