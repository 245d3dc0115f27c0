//! `scatter_i32`: what is in use is written, and nothing else.

use crate::{devices, ints};
use flashpage_runtime::device_kernels::{ScatterI32, scatter_i32};

#[test]
fn entries() {
    for device in devices() {
        for in_use in [0, 1, 200, 300, 9999, -5] {
            let table: Vec<i32> = (0..1000).collect();
            let mut pairs: Vec<i32> = (0..300).flat_map(|i| [(i * 37) % 1000, -i]).collect();
            // Outside, on both sides.
            (pairs[4], pairs[6]) = (-1, 1000);
            let (target, pairs_on, count) =
                (ints(&device, &table), ints(&device, &pairs), ints(&device, &[in_use]));
            let args = ScatterI32 {
                target: (&target).into(),
                len: 1000,
                pairs: (&pairs_on).into(),
                capacity: 300,
                count: (&count).into(),
            };
            scatter_i32(&device, &args).unwrap();
            let mut expected = table;
            for pair in pairs.chunks(2).take(in_use.clamp(0, 300) as usize) {
                if let Some(entry) = usize::try_from(pair[0]).ok().and_then(|at| expected.get_mut(at)) {
                    *entry = pair[1];
                }
            }
            let expected: Vec<u8> = expected.iter().flat_map(|entry| entry.to_le_bytes()).collect();
            assert!(target.to_bytes().unwrap() == expected, "{in_use} in use");
        }
        let (few, count) = (ints(&device, &[1, 2, 3]), ints(&device, &[1]));
        let args = ScatterI32 {
            target: (&few).into(),
            len: 4,
            pairs: (&few).into(),
            capacity: 1,
            count: (&count).into(),
        };
        let error = scatter_i32(&device, &args).unwrap_err().to_string();
        assert_eq!(error, "`target` has 12 bytes from offset 0 on: 16 are needed");
    }
}
