//! Tensor maps: the driver's numbers to the emulator's map, whose 128 bytes are its own.

use crate::driver::initialised;
use crate::{Code, call};
use flashpage_emulator::{ElementType, Fill, Interleave, L2Promotion, Swizzle, TensorMap};
use std::ffi::c_uint;

/// `CUtensorMapDataType`, in its order.
const TYPES: [ElementType; 13] = {
    use ElementType::*;
    [U8, U16, U32, S32, U64, S64, F16, F32, F64, Bf16, F32Ftz, Tf32, Tf32Ftz]
};
const INTERLEAVES: [Interleave; 3] = [Interleave::None, Interleave::B16, Interleave::B32];
const SWIZZLES: [Swizzle; 4] = [Swizzle::None, Swizzle::B32, Swizzle::B64, Swizzle::B128];
const PROMOTIONS: [L2Promotion; 4] =
    [L2Promotion::None, L2Promotion::B64, L2Promotion::B128, L2Promotion::B256];
const FILLS: [Fill; 2] = [Fill::Zeros, Fill::Nan];

fn pick<T: Copy>(from: &[T], number: c_uint) -> Result<T, Code> {
    from.get(number as usize).copied().ok_or(Code::INVALID_VALUE)
}

/// # Safety
/// `from` is null or has `count` numbers.
unsafe fn list<T: Copy>(from: *const T, count: usize) -> Result<Vec<T>, Code> {
    match (count, from.is_null()) {
        (0, _) => Ok(Vec::new()),
        (_, true) => Err(Code::INVALID_VALUE),
        // SAFETY: the caller's promise.
        _ => Ok(unsafe { std::slice::from_raw_parts(from, count) }.to_vec()),
    }
}

/// Needs no context.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C" fn cuTensorMapEncodeTiled(
    map: *mut [u8; 128],
    data_type: c_uint,
    rank: c_uint,
    address: u64,
    dims: *const u64,
    strides: *const u64,
    box_dims: *const c_uint,
    element_strides: *const c_uint,
    interleave: c_uint,
    swizzle: c_uint,
    promotion: c_uint,
    fill: c_uint,
) -> Code {
    call(|| {
        initialised(|_, _| {
            let rank = rank as usize;
            // "tensorMap address must be aligned to 64 bytes."
            if map.is_null() || !map.addr().is_multiple_of(64) || !(1..=5).contains(&rank) {
                return Err(Code::INVALID_VALUE);
            }
            // SAFETY: the call's contract: as many numbers as there are dimensions, strides one fewer.
            let (dims, strides, box_dims, element_strides) = unsafe {
                (
                    list(dims, rank)?,
                    list(strides, rank - 1)?,
                    list(box_dims, rank)?,
                    list(element_strides, rank)?,
                )
            };
            let described = TensorMap {
                ty: pick(&TYPES, data_type)?,
                address,
                dims,
                strides,
                box_dims,
                element_strides,
                interleave: pick(&INTERLEAVES, interleave)?,
                swizzle: pick(&SWIZZLES, swizzle)?,
                fill: pick(&FILLS, fill)?,
                l2_promotion: pick(&PROMOTIONS, promotion)?,
            };
            let encoded = described.encode().map_err(|_| Code::INVALID_VALUE)?;
            // SAFETY: not null, and the caller has 128 bytes there.
            unsafe { map.cast::<[u8; 128]>().write(encoded) };
            Ok(())
        })
    })
}
