//! How bulk copies see a tensor: the tensor maps of a kernel with a warp that copies by them.
//!
//! [`CopyBox`] says which dimension is which. Copies stay inside a map's dimensions whatever the box: what is read
//! outside of them is zero, and nothing is written there.

use crate::args::{Argument, PoolShape, Ragged};
use crate::batch::Batch;
use crate::device::{Interleave, L2Promotion, OutOfBounds, Swizzle, TensorMap, TensorMapType};
use crate::tensor::Tensor;
use flashpage_codegen::layout::copy_box::CopyBox;
use flashpage_codegen::program::{DType, ParamId, ParamKind};
use std::iter::once;

/// Keys and values are read in long runs, and again by every row tile and every head that shares them: what L2 fetches
/// beside what was asked for is asked for soon.
const KEYS_PROMOTION: L2Promotion = L2Promotion::B256;

/// Queries and outputs pass once, in rows of a panel, of which the widest are 128 bytes: more would be fetched in vain.
const ROWS_PROMOTION: L2Promotion = L2Promotion::B128;

/// A dimension of a map: its elements, elements of memory from one to the next, and the box along it.
type Dimension = (usize, usize, u32);

/// Rows within which a pool's map tells panels apart: those of a swizzle.
const GROUP: u32 = 8;

/// Places of a pool's map from one block to the next ([`CopyBox`]).
pub(crate) fn block_step(batch: &Batch<'_>, param: ParamId) -> usize {
    let (block, _, head) = batch.strides(param);
    block / head.max(1)
}

/// The swizzle of panels of so many bytes.
fn swizzle(span: u32) -> Swizzle {
    match span {
        32 => Swizzle::B32,
        64 => Swizzle::B64,
        _ => Swizzle::B128,
    }
}

/// The tensor map of a parameter of which one copy moves `copy`, where `packed_heads` query heads share a tile.
pub(crate) fn tensor_map(batch: &Batch<'_>, param: ParamId, copy: CopyBox, packed_heads: usize) -> TensorMap {
    let (_, token, head) = batch.strides(param);
    let dtype = batch.dtype_of(param);
    let tokens = |tensor: &Tensor| tensor.shape().first().copied().unwrap_or(0);
    let (outer, l2_promotion): (Vec<Dimension>, _) =
        match (batch.program.params[param.0].kind, &batch.arguments[param.0]) {
            (_, Argument::Pool(pool)) => {
                let (blocks, block_size) =
                    pool.shape().map_or((0, 0), |PoolShape { blocks, block_size, .. }| (blocks, block_size));
                let span = copy.span as usize / dtype.bytes();
                let (group, panels) = (GROUP as usize, batch.head_dim_of(param) / span);
                let of_a_place = [
                    (group, token, GROUP),
                    (panels, span, panels as u32),
                    (block_size / group, group * token, copy.rows / GROUP),
                ];
                // The last block's last head is the last place: none reaches past the pool. Coordinates have 31 bits; so
                // many places, of 128 bytes and more, are 256 GiB.
                let places = blocks.saturating_sub(1) * block_step(batch, param) + batch.kv_heads;
                (of_a_place.into_iter().chain([(places, head, 1)]).collect(), KEYS_PROMOTION)
            }
            (ParamKind::Keys | ParamKind::Values, Argument::Ragged(Ragged { tensor, .. })) => {
                (vec![(tokens(tensor), token, copy.rows), (batch.kv_heads, head, 1)], KEYS_PROMOTION)
            }
            (_, Argument::Ragged(Ragged { tensor, .. }) | Argument::Output(tensor)) => {
                let packed = packed_heads.max(1) as u32;
                let rows = (copy.rows / packed).max(1);
                (vec![(batch.q_heads, head, packed), (tokens(tensor), token, rows)], ROWS_PROMOTION)
            }
            // No tensor of heads: the ABI has no map of it.
            _ => (Vec::new(), L2Promotion::None),
        };
    let bytes = dtype.bytes();
    // A dimension has at least one element; of a tensor that has none, none is copied.
    let inner = match &batch.arguments[param.0] {
        Argument::Pool(_) => copy.span as usize / bytes,
        _ => batch.head_dim_of(param),
    };
    let elements = once(inner).chain(outer.iter().map(|(elements, ..)| *elements));
    TensorMap {
        ty: match dtype {
            DType::F16 => TensorMapType::F16,
            DType::Bf16 => TensorMapType::Bf16,
            DType::F32 => TensorMapType::F32,
            DType::I32 => TensorMapType::I32,
            DType::E4m3 | DType::E5m2 => TensorMapType::U8,
        },
        dims: elements.map(|elements| elements.max(1) as u64).collect(),
        strides: outer.iter().map(|(_, stride, _)| (stride * bytes) as u64).collect(),
        box_dims: once(copy.span / bytes as u32).chain(outer.iter().map(|(.., boxed)| *boxed)).collect(),
        element_strides: vec![1; 1 + outer.len()],
        interleave: Interleave::None,
        swizzle: swizzle(copy.span),
        l2_promotion,
        oob_fill: OutOfBounds::Zeros,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::PoolLayout;
    use crate::device::Device;
    use crate::problem::Problem;
    use crate::test_kernels::{contiguous, paged};

    #[test]
    fn maps() {
        let dense = Problem { q_heads: 8, kv_heads: 2, lens: vec![(5, 20), (2, 9)], ..Problem::default() };
        let wide =
            Problem { dtype: DType::Bf16, head_dim: 96.into(), q_heads: 3, kv_heads: 3, ..dense.clone() };
        let empty = Problem { lens: vec![(1, 0)], ..dense.clone() };
        let nhd = Problem { block_size: 24, ..dense.clone() };
        let hnd = Problem { layout: PoolLayout::Hnd, ..nhd.clone() };
        let wide_nhd = Problem { block_size: 24, ..wide.clone() };
        let wide_hnd = Problem { layout: PoolLayout::Hnd, ..wide_nhd.clone() };
        let odd = Problem { head_dim: 80.into(), ..wide_nhd.clone() };
        let odd_hnd = Problem { layout: PoolLayout::Hnd, ..odd.clone() };
        // The problem, the parameter, whether it is paged, rows and span of a copy, packed heads: dimensions, strides and
        // box of the map.
        type Map = (&'static [u64], &'static [u64], &'static [u32]);
        type Row<'a> = (&'a Problem, &'a str, bool, (u32, u32), usize, Map);
        let table: [Row; 17] = [
            (&dense, "q", false, (128, 128), 1, (&[64, 8, 7], &[128, 1024], &[64, 1, 128])),
            (&dense, "q", false, (128, 128), 4, (&[64, 8, 7], &[128, 1024], &[64, 4, 32])),
            (&dense, "o", false, (64, 128), 4, (&[64, 8, 7], &[128, 1024], &[64, 4, 16])),
            // Rows that no whole token fills are left out; a token with more rows than the box is one all the same.
            (&dense, "q", false, (64, 128), 6, (&[64, 8, 7], &[128, 1024], &[64, 6, 10])),
            (&dense, "o", false, (64, 128), 80, (&[64, 8, 7], &[128, 1024], &[64, 80, 1])),
            (&dense, "k", false, (80, 128), 4, (&[64, 29, 2], &[256, 128], &[64, 80, 1])),
            (&wide, "q", false, (192, 64), 1, (&[96, 3, 7], &[192, 576], &[32, 1, 192])),
            (&wide, "v", false, (128, 64), 1, (&[96, 29, 3], &[576, 192], &[32, 128, 1])),
            (&empty, "v", false, (64, 128), 4, (&[64, 1, 2], &[256, 128], &[64, 64, 1])),
            // Two sequences of a block each, and three that nobody uses.
            (&nhd, "k", true, (8, 128), 4, (&[64, 8, 1, 3, 194], &[256, 128, 2048, 128], &[64, 8, 1, 1, 1])),
            (&hnd, "v", true, (8, 128), 4, (&[64, 8, 1, 3, 10], &[128, 128, 1024, 3072], &[64, 8, 1, 1, 1])),
            // Three panels of 64 bytes; blocks of 24 rows whole.
            (
                &wide_nhd,
                "v",
                true,
                (24, 64),
                1,
                (&[32, 8, 3, 3, 291], &[576, 64, 4608, 192], &[32, 8, 3, 3, 1]),
            ),
            (
                &wide_hnd,
                "k",
                true,
                (24, 64),
                1,
                (&[32, 8, 3, 3, 15], &[192, 64, 1536, 4608], &[32, 8, 3, 3, 1]),
            ),
            (&hnd, "q", true, (64, 128), 4, (&[64, 8, 7], &[128, 1024], &[64, 4, 16])),
            // Five panels of 32 bytes: full, so that the last place's last row ends with the pool.
            (&odd, "q", false, (64, 32), 1, (&[80, 3, 7], &[160, 480], &[16, 1, 64])),
            (&odd, "v", true, (24, 32), 1, (&[16, 8, 5, 3, 291], &[480, 32, 3840, 160], &[16, 8, 5, 3, 1])),
            (
                &odd_hnd,
                "k",
                true,
                (8, 32),
                1,
                (&[16, 8, 5, 3, 15], &[160, 32, 1280, 3840], &[16, 8, 5, 1, 1]),
            ),
        ];
        let device = Device::emulator();
        for (problem, name, is_paged, (rows, span), packed_heads, (dims, strides, box_dims)) in table {
            let program = if is_paged { paged() } else { contiguous() };
            let inputs = problem.inputs(&device, &program).unwrap();
            let arguments = inputs.arguments();
            let batch = Batch::check(&program, &arguments).unwrap();
            let param = ParamId(program.params.iter().position(|param| param.name == name).unwrap());
            let map = tensor_map(&batch, param, CopyBox { rows, span }, packed_heads);
            let is_keys = matches!(name, "k" | "v");
            let expected = TensorMap {
                ty: if problem.dtype == DType::F16 { TensorMapType::F16 } else { TensorMapType::Bf16 },
                dims: dims.to_vec(),
                strides: strides.to_vec(),
                box_dims: box_dims.to_vec(),
                element_strides: vec![1; dims.len()],
                interleave: Interleave::None,
                swizzle: swizzle(span),
                l2_promotion: if is_keys { L2Promotion::B256 } else { L2Promotion::B128 },
                oob_fill: OutOfBounds::Zeros,
            };
            assert_eq!(
                map, expected,
                "{name}, {rows} rows of {span} bytes, {packed_heads} heads of {problem}"
            );
            assert!(device.encode_tensor_map(0x1000, &map).is_ok(), "{map:?}");
        }
    }
}
