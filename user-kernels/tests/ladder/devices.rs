//! The emulator as a device of each target: sanitizers on, few multiprocessors, and copies and warps as a policy has them.

use flashpage::codegen::Arch;
use flashpage::prelude::*;
use flashpage::runtime::{AsyncPolicy, EmulatorOptions, Sanitize, WarpOrder};

/// Every target.
pub const ARCHS: [Arch; 2] = [Arch::Sm80, Arch::Sm90a];

/// When copies are complete, and which warp comes first.
pub type Policy = (AsyncPolicy, WarpOrder);

/// As late as may be, at once, and at drawn times.
pub const POLICIES: [Policy; 5] = [
    (AsyncPolicy::Lazy, WarpOrder::InOrder),
    (AsyncPolicy::Eager, WarpOrder::InOrder),
    (AsyncPolicy::Random(1), WarpOrder::Random(2)),
    (AsyncPolicy::Eager, WarpOrder::Random(3)),
    (AsyncPolicy::Random(4), WarpOrder::InOrder),
];

/// A device, for one of several threads that each have theirs.
pub fn device(arch: Arch, (policy, warp_order): Policy) -> Device {
    let sanitize = Sanitize::USUAL;
    let options = EmulatorOptions {
        arch,
        policy,
        warp_order,
        sanitize,
        sms: 2,
        threads: 1,
        ..EmulatorOptions::default()
    };
    Device::emulator_with(options)
}
