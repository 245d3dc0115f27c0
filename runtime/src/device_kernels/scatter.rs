//! Single entries of an array of i32 on the device.

use super::MoveError;
use super::arguments::{DeviceArray, MOST, Params, limited};
use crate::device::Device;
use flashpage_device_kernels::THREADS;

/// Arguments of [`scatter_i32`].
#[derive(Clone, Copy, Debug)]
pub struct ScatterI32<'a> {
    /// i32 `[len]`, as a block table is.
    pub target: DeviceArray<'a>,
    /// Its length.
    pub len: usize,
    /// i32 `[capacity, 2]`: index and value. An index outside `target` is passed over.
    pub pairs: DeviceArray<'a>,
    /// How many pairs there is room for.
    pub capacity: usize,
    /// i32: how many of them are in use.
    pub count: DeviceArray<'a>,
}

/// `target[index] = value` for each pair in use. Of two pairs with the same index, either may win.
///
/// # Errors
/// Arrays that are too short or on another device, or a device that fails.
pub fn scatter_i32(device: &Device, args: &ScatterI32<'_>) -> Result<(), MoveError> {
    let capacity = limited("`capacity`", args.capacity, MOST)?;
    let target = args.target.address(device, "target", args.len, 4)?;
    let pairs = args.pairs.address(device, "pairs", args.capacity.saturating_mul(2), 4)?;
    let count = args.count.address(device, "count", 1, 4)?;
    if capacity == 0 || args.len == 0 {
        return Ok(());
    }
    Params::default().u64(&[target, pairs, count]).u32(&[capacity]).u64(&[args.len as u64]).launch(
        device,
        "scatter_i32",
        [capacity.div_ceil(THREADS), 1, 1],
        [THREADS, 1, 1],
    )
}
