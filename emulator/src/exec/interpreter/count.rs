//! What an instruction is about to do to memory, told to the counters of a profile.

use crate::address::Space;
use crate::exec::products::{descriptor, tile};
use crate::exec::state::{Env, Warp};
use crate::exec::{FULL, lanes};
use crate::program::{LeftMatrix, Op};

/// Tells the counters what an instruction is about to do.
#[cold]
pub(super) fn count(env: &mut Env, warp: &Warp, op: &Op, mask: u32) {
    let Some(counters) = &mut env.counters else { return };
    counters.execute(warp.pc as usize, mask);
    match op {
        Op::Load(access) | Op::Store(access) => {
            let bytes = access.width as u32 * access.elements.len() as u32;
            counters.access(warp, (access.space, access.base), bytes, mask);
        }
        Op::Atomic(atomic) => {
            counters.access(warp, (atomic.space, atomic.base), atomic.width as u32, mask);
        }
        Op::AtomicQuad(atomic) => counters.access(warp, (atomic.space, atomic.base), 16, mask),
        Op::AsyncStore(store) => {
            let bytes = store.width as u32 * store.elements.len() as u32;
            counters.access(warp, (Space::Shared, store.to), bytes, mask);
        }
        Op::LoadTile(access) | Op::StoreTile(access) => {
            let (bytes, accesses) = tile::addresses(warp, access);
            for addresses in accesses {
                counters.together(warp.pc, access.space, &addresses, bytes);
            }
        }
        Op::LoadMatrix(access) | Op::StoreMatrix(access) => {
            let rows = FULL.checked_shr(32 - 8 * access.registers.len() as u32).unwrap_or(FULL);
            counters.access(warp, (access.space, access.base), 16, rows);
        }
        Op::AsyncCopy(copy) => {
            counters.access(warp, (copy.to_space, copy.to), copy.bytes as u32, mask);
            let ignored = copy.ignore_source.map_or(0, |p| warp.condition(p));
            let reads = lanes(mask & !ignored)
                .filter(|lane| copy.source_bytes.is_none_or(|reg| warp.row(reg)[*lane] != 0));
            let from: Vec<u64> = reads.map(|lane| warp.address(copy.from, lane)).collect();
            counters.global(warp.pc, &from, copy.bytes as u32);
        }
        Op::WarpgroupProduct(product) => {
            let a = match product.a {
                LeftMatrix::Shared(a) => warp.wide(a)[0],
                LeftMatrix::Registers(_) => 0,
            };
            // What is wrong with a descriptor is told when the product is issued.
            let b = warp.wide(product.b)[0];
            let chunks = descriptor::passes(product, warp.index % 4, a, b).unwrap_or_default();
            let chunks: Vec<u64> = chunks.into_iter().map(u64::from).collect();
            counters.shared(warp.pc, &chunks, descriptor::CHUNK as u32);
        }
        _ => {}
    }
}
