//! Single entries of an array of i32: how a block table on the device follows the one on the host.

use super::memory::{load_i32, store_u32};
use super::place;

/// `target[index] = value` for the first `*count` of `capacity` pairs (index, value) of i32. An index outside
/// `[0, len)` is passed over; of two pairs with one index, either may win.
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn scatter_i32(target: u64, pairs: u64, count: u64, capacity: u32, len: u64) {
    let place = place();
    let i = u64::from(place.block[0]) * u64::from(place.threads[0]) + u64::from(place.thread[0]);
    unsafe {
        if i >= u64::from(capacity) || i as i64 >= i64::from(load_i32(count)) {
            return;
        }
        let (index, value) = (load_i32(pairs + 8 * i), load_i32(pairs + 8 * i + 4));
        if index >= 0 && (index as u64) < len {
            store_u32(target + 4 * index as u64, value as u32);
        }
    }
}
