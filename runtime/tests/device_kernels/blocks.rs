//! Whole blocks: copied inside pools, staged and scattered back.

use crate::{Rng, devices, ints};
use flashpage_runtime::device_kernels::{PoolTable, copy_blocks, stage_blocks, unstage_blocks};
use flashpage_runtime::{DType, Device, Tensor};

const BLOCKS: usize = 9;

fn pools(device: &Device, elements: usize) -> (Vec<Tensor>, Vec<Vec<u8>>) {
    let mut rng = Rng(elements as u64);
    let bytes: Vec<Vec<u8>> =
        (0..4).map(|_| (0..BLOCKS * elements).map(|_| rng.next() as u8).collect()).collect();
    let tensor =
        |bytes: &Vec<u8>| Tensor::from_bytes(device, DType::E4m3, bytes, &[BLOCKS, elements]).unwrap();
    (bytes.iter().map(tensor).collect(), bytes)
}

/// Bytes of a block: whole accesses, more than four for each thread; some and a rest; none at all.
const SIZES: [usize; 6] = [16, 4096, 40_000, 48, 1000, 3];

#[test]
fn copies() {
    for device in devices() {
        for size in SIZES {
            let (tensors, mut expected) = pools(&device, size);
            let table = PoolTable::new(&device, &tensors.iter().collect::<Vec<_>>()).unwrap();
            let pairs = [[0, 8], [0, 7], [3, 1]];
            let on_device = ints(&device, pairs.as_flattened());
            copy_blocks(&device, &table, (&on_device).into(), pairs.len()).unwrap();
            for (tensor, expected) in tensors.iter().zip(&mut expected) {
                for [from, to] in pairs {
                    expected
                        .copy_within(from as usize * size..(from as usize + 1) * size, to as usize * size);
                }
                assert!(tensor.buffer().to_bytes().unwrap() == *expected, "blocks of {size} bytes");
            }
        }
    }
}

#[test]
fn out_and_back() {
    for device in devices() {
        for size in SIZES {
            let (tensors, before) = pools(&device, size);
            let table = PoolTable::new(&device, &tensors.iter().collect::<Vec<_>>()).unwrap();
            let (out, back) = ([5, 0, 8], [2, 0, 6]);
            let staging = device.alloc(table.staged_bytes(3) + 7).unwrap();
            staging.memset(0xee).unwrap();
            let (out_on, back_on) = (ints(&device, &out), ints(&device, &back));
            stage_blocks(&device, &table, (&out_on).into(), 3, (&staging).into()).unwrap();
            let block = |pool: &[u8], block: i32| pool[block as usize * size..][..size].to_vec();
            let mut expected: Vec<u8> =
                out.iter().flat_map(|at| before.iter().flat_map(|pool| block(pool, *at))).collect();
            expected.extend([0xee; 7]);
            assert!(staging.to_bytes().unwrap() == expected, "blocks of {size} bytes");
            unstage_blocks(&device, &table, (&back_on).into(), 3, (&staging).into()).unwrap();
            for (tensor, mut expected) in tensors.iter().zip(before) {
                let moved: Vec<Vec<u8>> = out.iter().map(|at| block(&expected, *at)).collect();
                for (at, bytes) in back.iter().zip(moved) {
                    expected[*at as usize * size..][..size].copy_from_slice(&bytes);
                }
                assert!(tensor.buffer().to_bytes().unwrap() == expected, "blocks of {size} bytes");
            }
        }
    }
}

#[test]
fn what_does_not_fit() {
    let device = Device::emulator();
    let zeros = |shape: &[usize]| Tensor::zeros(&device, DType::F16, shape).unwrap();
    let (pool, other) = (zeros(&[4, 8]), zeros(&[4, 9]));
    let error = PoolTable::new(&device, &[&pool, &other]).unwrap_err().to_string();
    assert_eq!(error, "`pools` has shape [4, 9]: it takes 4 blocks of 16 bytes, as the first pool");
    let table = PoolTable::new(&device, &[&pool, &pool]).unwrap();
    assert_eq!((table.len(), table.blocks(), table.block_bytes()), (2, 4, 16));
    let (list, staging) = (ints(&device, &[0, 1]), device.alloc(63).unwrap());
    let error = stage_blocks(&device, &table, (&list).into(), 2, (&staging).into()).unwrap_err().to_string();
    assert_eq!(error, "`staging` has 63 bytes from offset 0 on: 64 are needed");
    assert!(copy_blocks(&device, &table, (&list).into(), 2).is_err());
    assert!(copy_blocks(&device, &table, (&list).into(), 0).is_ok());
    let none = PoolTable::new(&device, &[]).unwrap();
    assert!(none.is_empty() && copy_blocks(&device, &none, (&list).into(), 1).is_ok());
}
