//! Bulk tensor copies: from a tensor map and coordinates to the runs of bytes that [`super::bulk`] moves, and changes of
//! tensor maps in memory.

use super::access::{check_written, locate, watch};
use super::bulk::{address_in, check_there, mbarriers, own_source, ranks, refuse};
use super::dependency;
use crate::address::{RANK_SHIFT, Space};
use crate::alu::reduction;
use crate::exec::Result;
use crate::exec::in_flight::{Piece, Transfer};
use crate::exec::order::Touching;
use crate::exec::request::Request;
use crate::exec::state::{Env, Warp};
use crate::fault::Place;
use crate::memory::Span;
use crate::program::{Address, Strength, TensorCopy, TensorDirection, TensorMapField};
use crate::tensor_map::{BoxShape, TensorMap, replace};

/// Bytes of a tensor map.
const MAP_BYTES: usize = 128;
/// Bytes that a swizzle keeps together.
const CHUNK: u32 = 16;

/// The 128 bytes at a generic address.
fn read_map(env: &Env, warp: &mut Warp, at: u64, lane: usize) -> Result<[u8; MAP_BYTES]> {
    // Maps lie in parameters, constants or global memory, aligned to 64 bytes (PTX ISA §5.5.8).
    let mut bytes = [0; MAP_BYTES];
    for (half, into) in bytes.chunks_exact_mut(64).enumerate() {
        let address = at.wrapping_add(64 * half as u64);
        let request = Request { access: "read", space: Space::Generic, address, count: 64, lane };
        let span = locate(env, warp, request)?;
        if env.sanitize.unwritten {
            env.note(warp, check_written(span, request, 64))?;
        }
        read(span, into);
    }
    Ok(bytes)
}

fn read(span: Span, into: &mut [u8]) {
    for (i, byte) in into.iter_mut().enumerate() {
        *byte = span.read(i, 1) as u8;
    }
}

/// Settles a copy of one lane; nothing moves.
///
/// # Errors
/// No tensor map, one of another rank, or memory that is not there.
pub(crate) fn plan(env: &Env, warp: &mut Warp, lane: usize, copy: &TensorCopy) -> Result<Transfer> {
    let at = warp.address(copy.map, lane);
    let bytes = read_map(env, warp, at, lane)?;
    let map = match TensorMap::decode(&bytes) {
        Ok(map) => map,
        Err(error) => return refuse(lane, format!("the tensor map at {at:#x}: {error}")),
    };
    if map.dims.len() != copy.coordinates.len() {
        let (has, wants) = (map.dims.len(), copy.coordinates.len());
        return refuse(lane, format!("the tensor map at {at:#x} has {has} dimensions and not {wants}"));
    }
    let coordinates: Vec<i32> = copy.coordinates.iter().map(|c| warp.row(*c)[lane] as i32).collect();
    let shape = map.shape();
    let loads = copy.direction == TensorDirection::Load;
    let (to_space, from_space) =
        if loads { (Space::Shared, Space::Global) } else { (Space::Global, Space::Shared) };
    let mut transfer = Transfer {
        pieces: Vec::new(),
        to_space,
        from_space,
        ranks: Vec::new(),
        fill: map.fill_pattern(),
        reduction: None,
        byte_mask: u16::MAX,
        mbarriers: Vec::new(),
        place: Place { pc: warp.pc, warp: warp.agent, lane: Some(lane as u32) },
        lane,
    };
    if copy.direction == TensorDirection::Prefetch {
        return Ok(transfer);
    }
    // Not in the PTX ISA: an H100 takes such a copy for an illegal instruction, loads and stores alike.
    let along = i64::from(coordinates[0]) * i64::from(map.ty.bytes());
    if along % i64::from(CHUNK) != 0 {
        return refuse(
            lane,
            format!(
                "the box begins {along} bytes along the innermost dimension, which is no multiple of {CHUNK}: the hardware \
                 takes this for an illegal instruction"
            ),
        );
    }
    if let Some(word) = copy.reduction {
        transfer.reduction = reduction::function(word, map.ty.ty());
        if transfer.reduction.is_none() {
            return refuse(lane, format!("there is no {word:?} of {} elements", map.ty.as_str()));
        }
    }
    let shared = address_in(warp, copy.shared, Space::Shared, lane);
    if !shared.is_multiple_of(128) {
        return refuse(lane, format!("the box's shared address {shared:#x} is not a multiple of 128"));
    }
    own_source(warp, lane, from_space, shared)?;
    transfer.ranks = ranks(warp, copy.multicast, lane)?;
    let bytes = shape.rows * shape.inner;
    transfer.mbarriers = mbarriers(env, warp, lane, copy.completion, (shared, &transfer.ranks), bytes)?;
    let room = shape.rows * shape.pitch;
    let access = if loads { "write" } else { "read" };
    if transfer.ranks.is_empty() {
        check_there(env, warp, lane, access, (Space::Shared, shared, room))?;
    }
    for rank in &transfer.ranks {
        let at = (*rank as u64) << RANK_SHIFT | shared & 0xff_ffff;
        check_there(env, warp, lane, access, (Space::Shared, at, room))?;
    }
    pieces(env, warp, &map, &shape, (&coordinates, shared as u32), &mut transfer)?;
    Ok(transfer)
}

/// The runs of a box whose first row is at `shared`.
fn pieces(
    env: &Env,
    warp: &mut Warp,
    map: &TensorMap,
    shape: &BoxShape,
    (coordinates, shared): (&[i32], u32),
    transfer: &mut Transfer,
) -> Result<()> {
    let loads = transfer.to_space == Space::Shared;
    let access = match (loads, transfer.reduction) {
        (true, _) => "read",
        (_, None) => "write",
        (_, Some(_)) => "atomic",
    };
    for index in 0..shape.rows {
        let row = map.row(shape, coordinates, index);
        let (skip, inside) = row.map_or((shape.inner, 0), |row| (row.skip, row.bytes));
        if let Some(row) = row {
            check_there(env, warp, transfer.lane, access, (Space::Global, row.address, row.bytes))?;
        }
        let start = shared + index * shape.pitch;
        let mut at = 0;
        while at < shape.inner {
            // Up to where the tensor begins or ends, and within a chunk where those are exchanged.
            let (global, mut end) = match row {
                Some(row) if at >= skip && at < skip + inside => {
                    (Some(row.address + (at - skip) as u64), skip + inside)
                }
                Some(_) if at < skip => (None, skip),
                _ => (None, shape.inner),
            };
            if map.swizzle.span() != 0 {
                end = end.min((at / CHUNK + 1) * CHUNK);
            }
            let bytes = end - at;
            let local = map.swizzle.apply(start + at) as u64;
            match (loads, global) {
                (true, from) => transfer.pieces.push(Piece { to: local, from, bytes }),
                (false, Some(to)) => transfer.pieces.push(Piece { to, from: Some(local), bytes }),
                (false, None) => {}
            }
            at = end;
        }
    }
    Ok(())
}

/// `tensormap.replace`
pub(crate) fn set_field(env: &mut Env, warp: &mut Warp, lane: usize, field: &TensorMapField) -> Result<()> {
    let address = address_in(warp, field.at, field.space, lane);
    let count = MAP_BYTES as u32;
    let request = Request { access: "write", space: field.space, address, count, lane };
    let span = locate(env, warp, request)?;
    watch(env, warp, request, Touching::Write, Strength::Weak)?;
    if env.sanitize.unwritten {
        env.note(warp, check_written(span, request, count))?;
    }
    let mut bytes = [0; MAP_BYTES];
    read(span, &mut bytes);
    let value = warp.get(field.value, field.wide, lane);
    if let Err(error) = replace(&mut bytes, field.field, value) {
        return refuse(lane, format!("the tensor map at {address:#x}: {error}"));
    }
    bytes.iter().enumerate().for_each(|(i, byte)| span.write(i, 1, *byte as u64));
    span.mark(count);
    Ok(())
}

/// `tensormap.cp_fenceproxy`
pub(crate) fn copy_map(
    env: &mut Env,
    warp: &mut Warp,
    lane: usize,
    (to, from, count): (Address, Address, u32),
) -> Result<()> {
    let address = address_in(warp, from, Space::Shared, lane);
    let request = Request { access: "read", space: Space::Shared, address, count, lane };
    let source = locate(env, warp, request)?;
    watch(env, warp, request, Touching::Read, Strength::Weak)?;
    if env.sanitize.unwritten {
        env.note(warp, check_written(source, request, count))?;
    }
    let address = address_in(warp, to, Space::Global, lane);
    let request = Request { access: "write", space: Space::Global, address, count, lane };
    let target = locate(env, warp, request)?;
    dependency::judge(env, warp, request)?;
    source.copy_to(target, count);
    Ok(())
}
