//! Bulk copies (PTX ISA §9.7.9.25): settled and checked when they are issued, and the moving itself.
//!
//! A copy without a tensor map is one run of bytes; [`super::tensor`] makes the runs of one with. A copy reads its source
//! and writes its destination when it lands, which is up to the engine.

use super::access::check_written;
use crate::address::{RANK_SHIFT, Space};
use crate::exec::Result;
use crate::exec::in_flight::{Piece, Transfer, at_rank};
use crate::exec::request::Request;
use crate::exec::state::{Env, Warp};
use crate::fault::{FaultKind, Place, Trouble};
use crate::memory::Span;
use crate::program::{Address, BulkCopy, Completion, Reduction, Reg};

/// An error of what a lane asks for.
pub(crate) fn refuse<T>(lane: usize, message: impl Into<String>) -> Result<T> {
    Err(Trouble::lane(FaultKind::Operand(message.into()), lane as u32))
}

/// The bytes at an address of either space.
fn span(env: &Env, space: Space, address: u64, bytes: u32, hint: &mut usize) -> Option<Span> {
    if space == Space::Shared {
        env.shared.span(address, bytes)
    } else {
        env.memory.span(address, bytes, hint)
    }
}

/// Faults unless all these bytes are there.
pub(crate) fn check_there(
    env: &Env,
    warp: &mut Warp,
    lane: usize,
    access: &'static str,
    (space, address, bytes): (Space, u64, u32),
) -> Result<()> {
    if span(env, space, address, bytes, &mut warp.hint).is_some() {
        return Ok(());
    }
    let place =
        if space == Space::Shared { env.shared.describe(address) } else { env.memory.describe(address) };
    Err(Trouble::at(FaultKind::OutOfBounds { access, bytes, address, place }, lane as u32, address))
}

/// The lane's address in this space.
pub(crate) fn address_in(warp: &Warp, at: Address, space: Space, lane: usize) -> u64 {
    let address = warp.address(at, lane);
    // Shared addresses have 32 bits, whatever register they are in.
    if space == Space::Shared { address as u32 as u64 } else { address }
}

/// The blocks of a multicast, or none.
pub(crate) fn ranks(warp: &Warp, multicast: Option<Reg>, lane: usize) -> Result<Vec<u32>> {
    let Some(reg) = multicast else { return Ok(Vec::new()) };
    let mask = warp.row(reg)[lane] & 0xffff;
    if mask == 0 {
        return refuse(lane, "a multicast to no block");
    }
    Ok((0..16).filter(|rank| mask >> rank & 1 != 0).collect())
}

/// Which mbarriers are counted off by `bytes` each, for a copy to `to`.
pub(crate) fn mbarriers(
    env: &Env,
    warp: &mut Warp,
    lane: usize,
    completion: Completion,
    (to, ranks): (u64, &[u32]),
    bytes: u32,
) -> Result<Vec<(u32, u32)>> {
    let Completion::Mbarrier(at) = completion else { return Ok(Vec::new()) };
    let at = address_in(warp, at, Space::Shared, lane);
    if !at.is_multiple_of(8) {
        return refuse(lane, format!("the mbarrier's address {at:#x} is not a multiple of 8"));
    }
    if at >> RANK_SHIFT != to >> RANK_SHIFT {
        return refuse(
            lane,
            format!(
                "the mbarrier at {at:#x} is in another block's shared memory than the destination {to:#x}"
            ),
        );
    }
    let all = if ranks.is_empty() {
        vec![at as u32]
    } else {
        ranks.iter().map(|r| at_rank(at as u32, *r)).collect()
    };
    for at in &all {
        check_there(env, warp, lane, "atomic", (Space::Shared, *at as u64, 8))?;
    }
    Ok(all.into_iter().map(|at| (at, bytes)).collect())
}

/// Settles a copy without a tensor map; nothing moves.
///
/// # Errors
/// Addresses or a size that are not multiples of 16, or memory that is not there.
pub(crate) fn plan(env: &Env, warp: &mut Warp, lane: usize, copy: &BulkCopy) -> Result<Transfer> {
    let to = address_in(warp, copy.to, copy.to_space, lane);
    let from = address_in(warp, copy.from, copy.from_space, lane);
    let bytes = warp.row(copy.bytes)[lane];
    if !bytes.is_multiple_of(16) {
        return refuse(lane, format!("a bulk copy of {bytes} bytes, which is not a multiple of 16"));
    }
    for (what, address) in [("destination", to), ("source", from)] {
        if !address.is_multiple_of(16) {
            return refuse(lane, format!("the {what} {address:#x} of a bulk copy is not a multiple of 16"));
        }
    }
    own_source(warp, lane, copy.from_space, from)?;
    let ranks = ranks(warp, copy.multicast, lane)?;
    let mbarriers = mbarriers(env, warp, lane, copy.completion, (to, &ranks), bytes)?;
    let transfer = Transfer {
        pieces: if bytes == 0 { Vec::new() } else { vec![Piece { to, from: Some(from), bytes }] },
        to_space: copy.to_space,
        from_space: copy.from_space,
        ranks,
        fill: 0,
        reduction: copy.reduction,
        byte_mask: copy.byte_mask.map_or(u16::MAX, |mask| warp.row(mask)[lane] as u16),
        mbarriers,
        place: Place { pc: warp.pc, warp: warp.agent, lane: Some(lane as u32) },
        lane,
    };
    check_there(env, warp, lane, "read", (copy.from_space, from, bytes))?;
    let access = if copy.reduction.is_some() { "atomic" } else { "write" };
    for to in transfer.targets(to) {
        check_there(env, warp, lane, access, (copy.to_space, to, bytes))?;
    }
    Ok(transfer)
}

/// A source in shared memory is the block's own.
pub(crate) fn own_source(warp: &Warp, lane: usize, space: Space, from: u64) -> Result<()> {
    if space == Space::Shared && from >> RANK_SHIFT != warp.rank as u64 {
        let rank = from >> RANK_SHIFT;
        return refuse(
            lane,
            format!(
                "the source {from:#x} is in shared memory of block {rank}, and .shared::cta is the block's own"
            ),
        );
    }
    Ok(())
}

/// The first bytes of global memory that a copy reads or writes.
pub(crate) fn global_access(transfer: &Transfer) -> Option<Request> {
    let (reads, writes) = (transfer.from_space == Space::Global, transfer.to_space == Space::Global);
    let access = match transfer.reduction {
        _ if !writes => "read",
        None => "write",
        Some(_) => "atomic",
    };
    let at = |piece: &Piece| if writes { Some(piece.to) } else { piece.from.filter(|_| reads) };
    let (address, count) = transfer.pieces.iter().find_map(|piece| Some((at(piece)?, piece.bytes)))?;
    Some(Request { access, space: Space::Global, address, count, lane: transfer.lane })
}

/// Moves the bytes.
///
/// # Errors
/// What never was written would leave the block, or be reduced with.
pub(crate) fn land(env: &Env, transfer: &Transfer) -> Result<()> {
    let mut hints = (0, 0);
    for piece in &transfer.pieces {
        let from = match piece.from {
            None => None,
            Some(from) => Some((from, found(env, transfer.from_space, from, piece.bytes, &mut hints.0)?)),
        };
        for to in transfer.targets(piece.to) {
            let target = found(env, transfer.to_space, to, piece.bytes, &mut hints.1)?;
            match (from, transfer.reduction) {
                (None, _) => {
                    for at in 0..piece.bytes as usize {
                        // Runs begin at multiples of an element.
                        let shift = 8 * ((piece.to as usize + at) % 8);
                        target.write(at, 1, transfer.fill >> shift);
                    }
                    target.mark(piece.bytes);
                }
                (Some((from, source)), None) => {
                    write(env, transfer, (from, source), (to, target), piece.bytes)?;
                }
                (Some((from, source)), Some(reduction)) => {
                    let width = reduction.width as u32;
                    let whole = (from, source, to);
                    reduce(env, transfer, whole, piece.bytes / width, reduction, &mut hints.1)?;
                }
            }
        }
    }
    Ok(())
}

fn found(env: &Env, space: Space, address: u64, bytes: u32, hint: &mut usize) -> Result<Span> {
    match span(env, space, address, bytes, hint) {
        Some(span) => Ok(span),
        // It was there when the copy was issued.
        None => Err(FaultKind::Operand(format!("{bytes} bytes at {address:#x} are gone")).into()),
    }
}

/// What is found of a copy is of the instruction that issued it.
fn note(env: &Env, transfer: &Transfer, outcome: Result<()>) -> Result<()> {
    outcome.or_else(|trouble| env.found_at(transfer.place, trouble))
}

/// Faults if what is read was never written.
fn must_be_written(env: &Env, transfer: &Transfer, from: u64, source: Span, bytes: u32) -> Result<()> {
    if !env.sanitize.unwritten {
        return Ok(());
    }
    let (space, lane) = (transfer.from_space, transfer.lane);
    let request = Request { access: "read", space, address: from, count: bytes, lane };
    let outcome = check_written(source, request, bytes).map_err(|mut trouble| {
        let kept = trouble.address.filter(|_| space == Space::Shared).and_then(|at| env.origins.kept(at));
        trouble.other = kept.map(|origin| origin.place());
        trouble
    });
    note(env, transfer, outcome)
}

fn write(
    env: &Env,
    transfer: &Transfer,
    (from, source): (u64, Span),
    (to, target): (u64, Span),
    bytes: u32,
) -> Result<()> {
    if transfer.byte_mask != u16::MAX {
        for at in (0..bytes).filter(|at| transfer.byte_mask >> (at % 16) & 1 != 0) {
            let (source, target) = (source.at(at), target.at(at));
            if transfer.to_space == Space::Global {
                must_be_written(env, transfer, from + at as u64, source, 1)?;
            }
            source.copy_to(target, 1);
        }
        return Ok(());
    }
    if transfer.to_space == Space::Global {
        must_be_written(env, transfer, from, source, bytes)?;
    }
    // A box may hold rows that nobody wrote and nobody uses: that they were not goes with the bytes.
    if env.sanitize.unwritten && source.unwritten(bytes).is_some() {
        source.copy_to(target, bytes);
        return Ok(());
    }
    let width = match (from | to | bytes as u64).trailing_zeros() {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => 8,
    };
    for at in (0..bytes as usize).step_by(width as usize) {
        target.write(at, width, source.read(at, width));
    }
    target.mark(bytes);
    Ok(())
}

/// Element by element, each of them atomic.
fn reduce(
    env: &Env,
    transfer: &Transfer,
    (from, source, to): (u64, Span, u64),
    count: u32,
    reduction: Reduction,
    hint: &mut usize,
) -> Result<()> {
    let width = reduction.width as u32;
    must_be_written(env, transfer, from, source, count * width)?;
    for i in 0..count {
        let address = to + (i * width) as u64;
        let target = found(env, transfer.to_space, address, width, hint)?;
        if env.sanitize.unwritten {
            let (space, lane) = (transfer.to_space, transfer.lane);
            let request = Request { access: "atomic", space, address, count: width, lane };
            note(env, transfer, check_written(target, request, width))?;
        }
        let value = source.read((i * width) as usize, reduction.width);
        target.update(reduction.width, |old| (reduction.update)(old, value, 0));
        target.mark(width);
    }
    Ok(())
}
