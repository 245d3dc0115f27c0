//! The helper kernels on the emulator, with its sanitizers and under several orders of warps, against what a host computes
//! naively. Outputs start as NaN, and what must not change is held to every byte.

mod append;
mod blocks;
mod gather;
mod hadamard;
mod merge;
mod numbers;
mod ptx;
mod refusals;
mod rotary;
mod scatter;
mod survey;

use flashpage_codegen::Arch;
use flashpage_runtime::device::Buffer;
use flashpage_runtime::{AsyncPolicy, Device, EmulatorOptions, Sanitize, WarpOrder};

/// The emulator, looking at everything, with blocks and warps in order and by two other turns; for Hopper kernels are loaded
/// with a wait for the launch before them.
fn devices() -> Vec<Device> {
    let with = |arch, policy, warp_order| {
        Device::emulator_with(EmulatorOptions {
            arch,
            policy,
            warp_order,
            sanitize: Sanitize::USUAL,
            ..EmulatorOptions::default()
        })
    };
    vec![
        with(Arch::Sm80, AsyncPolicy::Eager, WarpOrder::InOrder),
        with(Arch::Sm90a, AsyncPolicy::Random(3), WarpOrder::Random(11)),
    ]
}

fn ints(device: &Device, values: &[i32]) -> Buffer {
    device.upload(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>()).unwrap()
}

fn longs(device: &Device, values: &[i64]) -> Buffer {
    device.upload(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>()).unwrap()
}

/// splitmix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Between -4 and 4.
    fn number(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 21) as f32 - 4.0
    }

    /// `0..n` in any order.
    fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}
