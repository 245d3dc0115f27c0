//! Both targets, and the emulator as a device of each: with the sanitizer, and so few multiprocessors that blocks that
//! walk their tiles walk several.
#![allow(dead_code)]

use flashpage::codegen::Arch;
use flashpage::runtime::{AsyncPolicy, Device, EmulatorOptions, ProductSums, Sanitize, WarpOrder};

/// Every target.
pub const ARCHS: [Arch; 2] = [Arch::Sm80, Arch::Sm90a];

/// Multiprocessors of these devices.
pub const SMS: u32 = 2;

/// How an emulator runs kernels for this target.
pub fn options(arch: Arch, policy: AsyncPolicy, warp_order: WarpOrder) -> EmulatorOptions {
    EmulatorOptions {
        arch,
        policy,
        warp_order,
        sanitize: Sanitize::USUAL,
        sms: SMS,
        ..EmulatorOptions::default()
    }
}

/// The device that `options` describe; or the GPU that `FLASHPAGE_TEST_DEVICE` names, as in `cuda:0`, whose kernels are
/// then those of its own target whatever the test goes through.
pub fn device(options: EmulatorOptions) -> Device {
    match std::env::var("FLASHPAGE_TEST_DEVICE") {
        Err(_) => Device::emulator_with(options),
        Ok(name) => {
            let ordinal = name.strip_prefix("cuda:").and_then(|number| number.parse().ok());
            Device::cuda(ordinal.unwrap_or_else(|| panic!("FLASHPAGE_TEST_DEVICE={name}: write cuda:0")))
                .unwrap()
        }
    }
}

/// Without the sanitizer: for results alone.
pub fn plain(arch: Arch) -> Device {
    let options = options(arch, AsyncPolicy::Eager, WarpOrder::InOrder);
    device(EmulatorOptions { sanitize: Sanitize::NONE, ..options })
}

/// Copies complete only when a wait forces them, and reads of what nobody wrote are faults.
pub fn harsh(arch: Arch) -> Device {
    device(options(arch, AsyncPolicy::Lazy, WarpOrder::InOrder))
}

/// Devices to be taken by turns. Where warps have roles, who comes first matters too; and one of them adds as the hardware does.
pub fn by_turns(arch: Arch) -> Vec<Device> {
    use AsyncPolicy::{Eager, Lazy, Random};
    use ProductSums::{Hopper, Rounded};
    let all: &[(AsyncPolicy, WarpOrder, ProductSums)] = match arch {
        Arch::Sm80 => &[(Lazy, WarpOrder::InOrder, Rounded)],
        Arch::Sm90a => &[
            (Lazy, WarpOrder::InOrder, Rounded),
            (Random(1), WarpOrder::Random(2), Rounded),
            (Eager, WarpOrder::Random(3), Hopper),
        ],
    };
    let device_of = |(policy, warp_order, product_sums): &(AsyncPolicy, WarpOrder, ProductSums)| {
        device(EmulatorOptions { product_sums: *product_sums, ..options(arch, *policy, *warp_order) })
    };
    all.iter().map(device_of).collect()
}
