//! How long a launch should take at the least: the limits of its main loop, spread over the blocks of its grid.
//!
//! Blocks go to multiprocessors in the order of the grid, as slots come free; each takes two trips to memory and its
//! turns of the main loop. Turns of blocks on one multiprocessor share its units. Over all of it, memory must move
//! every byte once.
//!
//! With roles, as many blocks as fit walk the list of tiles there and back, and a block takes its two trips once: the
//! producer fetches the next tile's Q, K and V while the last is multiplied. Where O lies over Q it cannot, and each
//! tile takes one more. This assumes that nothing else is waited for between tiles, and that copying costs the warps
//! that multiply nothing.

use crate::gpu::Gpu;
use crate::limits::{Cycles, L2_BYTES};
use crate::machine_code::InnerLoop;
use crate::workload::{Mask, Workload};
use flashpage_codegen::ShapeClass;
use flashpage_codegen::schedule::{OutputIn, Schedule};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A kernel whose machine code has been read.
#[derive(Clone, Copy, Debug)]
pub struct Kernel<'a> {
    /// How it is tiled.
    pub schedule: &'a Schedule,
    /// What it was made for, which says how many heads are packed.
    pub shape: ShapeClass,
    /// The loop over tiles that everybody sees whole.
    pub inside: &'a InnerLoop,
    /// The loop over tiles that need a mask.
    pub boundary: &'a InnerLoop,
    /// Blocks of a multiprocessor.
    pub blocks_per_sm: usize,
}

/// What is to be expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// At the least: the longer of the next two.
    pub seconds: f64,
    /// What the multiprocessors need for their turns.
    pub compute: f64,
    /// What memory needs for the bytes.
    pub memory: f64,
    /// What it is due to.
    pub bound: &'static str,
    /// Blocks of the grid over slots on the chip.
    pub waves: f64,
}

/// Turns of a block's main loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Turns {
    inside: usize,
    boundary: usize,
}

/// Turns of the tile whose queries are `first..=last` of the sequence's positions.
fn turns(workload: &Workload, cols: usize, kv_len: usize, first: usize, last: usize) -> Turns {
    if kv_len == 0 {
        return Turns::default();
    }
    let causal = workload.mask == Mask::Causal;
    // Seen by some row, and by all.
    let seen_to = if causal { (last + 1).min(kv_len) } else { kv_len };
    let whole_to = if causal { (first + 1).min(kv_len) } else { kv_len };
    let seen_from = workload.window.map_or(0, |window| (first + 1).saturating_sub(window));
    let whole_from = workload.window.map_or(0, |window| (last + 1).saturating_sub(window));
    let all = seen_to.div_ceil(cols).saturating_sub(seen_from / cols);
    let inside = (whole_to / cols).saturating_sub(whole_from.div_ceil(cols)).min(all);
    Turns { inside, boundary: all - inside }
}

/// Predicts the workload on a GPU.
pub fn predict(kernel: Kernel<'_>, workload: &Workload, gpu: &Gpu) -> Prediction {
    let Kernel { schedule, shape, .. } = kernel;
    let group = workload.heads / workload.kv_heads.max(1);
    let packed = schedule.packed_heads(shape, group.max(1)).max(1);
    let rows = schedule.rows_per_tile(packed).max(1);
    let tiles = (workload.q_len * packed).div_ceil(rows);
    let groups = workload.heads / packed;
    let blocks = tiles * groups * workload.batch();
    let sms = gpu.rates.sms as usize;
    // A grid that does not fill the chip leaves each multiprocessor with fewer.
    let together = kernel.blocks_per_sm.min(blocks.div_ceil(sms)).max(1);

    let tile_bytes = 2.0 * (schedule.cols * schedule.head_dim * 2) as f64;
    // One slot of the ring is in use; what was asked for into the others is on its way.
    let in_flight = ((schedule.slots() - 1) * schedule.slot_bytes()) as f64;
    // What another block reads too lies in the cache for most of them.
    let readers = tiles * groups / workload.kv_heads.max(1);
    let latency = if readers > 1 { gpu.cache_latency } else { gpu.memory_latency };
    let warps = (schedule.warps * together) as f64;
    let mut narrowest = ("", 0.0);
    let mut turn = |code: &InnerLoop| -> f64 {
        let mut busy = Cycles::of(code, gpu).busy(warps).to_vec();
        busy.push(("L2 cache", tile_bytes * together as f64 / L2_BYTES));
        // A turn's K and V are so many times what a block has on its way in one trip to memory.
        busy.push(("bytes in flight", latency * gpu.rates.clock * tile_bytes / in_flight));
        let (unit, cycles) = busy.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(("", 0.0));
        narrowest = (unit, cycles);
        cycles
    };
    let boundary = turn(kernel.boundary);
    let inside = turn(kernel.inside);
    let trip = gpu.memory_latency * gpu.rates.clock;
    let positions = (rows / packed).max(1);
    // As lowered: the last tile first, which is the longest under a causal mask.
    let cycles = |kv_len: usize, tile: usize| {
        let before = kv_len.saturating_sub(workload.q_len);
        let first = before + tile * positions;
        let last = before + ((tile + 1) * positions).min(workload.q_len).saturating_sub(1);
        let Turns { inside: n, boundary: m } = turns(workload, schedule.cols, kv_len, first, last);
        n as f64 * inside + m as f64 * boundary
    };
    let slots = sms * together;
    let end = match schedule.roles {
        // The grid: tiles of the longest sequence fastest, then heads, then sequences.
        None => {
            let all = workload.kv_lens.iter().flat_map(|kv_len| {
                (0..groups).flat_map(move |_| (0..tiles).rev().map(move |tile| (*kv_len, tile)))
            });
            last_of_next_free(all.map(|(kv_len, tile)| 2.0 * trip + cycles(kv_len, tile)), slots)
        }
        // The list: heads fastest, then sequences, then tiles.
        Some(roles) => {
            let each = if roles.output == OutputIn::OverQuery { trip } else { 0.0 };
            let all = (0..tiles).rev().flat_map(|tile| {
                workload.kv_lens.iter().flat_map(move |kv_len| (0..groups).map(move |_| (*kv_len, tile)))
            });
            2.0 * trip + last_of_walk(all.map(|(kv_len, tile)| each + cycles(kv_len, tile)), slots)
        }
    };
    let compute = end / gpu.rates.clock;
    let memory = workload.bytes() / gpu.rates.dram;
    let waves = blocks as f64 / (sms * kernel.blocks_per_sm.max(1)) as f64;
    let bound = match memory > compute {
        true => "device memory",
        false if blocks < sms => "a grid smaller than the chip",
        false => narrowest.0,
    };
    Prediction { seconds: compute.max(memory), compute, memory, bound, waves }
}

/// When the last of these blocks ends, if whichever of the slots is free first takes the next.
fn last_of_next_free(blocks: impl Iterator<Item = f64>, slots: usize) -> f64 {
    let mut free: BinaryHeap<Reverse<u64>> = (0..slots.max(1)).map(|_| Reverse(0)).collect();
    let mut end = 0;
    for cycles in blocks {
        let Some(Reverse(start)) = free.pop() else { break };
        let done = start + cycles as u64;
        end = end.max(done);
        free.push(Reverse(done));
    }
    end as f64
}

/// When the last of so many blocks has walked its part of the list: there in one round and back in the next.
fn last_of_walk(tiles: impl Iterator<Item = f64>, blocks: usize) -> f64 {
    let blocks = blocks.max(1);
    let mut busy = vec![0.0; blocks];
    for (index, cycles) in tiles.enumerate() {
        let place = index % blocks;
        let is_back = index / blocks % 2 == 1;
        busy[if is_back { blocks - 1 - place } else { place }] += cycles;
    }
    busy.into_iter().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Phase;

    #[test]
    fn blocks_and_walks() {
        // Slots, cycles: the end where the next free slot takes the next block, and of a walk there and back.
        let table: [(usize, &[f64], f64, f64); 5] = [
            (2, &[], 0.0, 0.0),
            (2, &[4.0, 3.0, 2.0, 1.0], 5.0, 5.0),
            (2, &[4.0, 1.0, 1.0, 1.0], 4.0, 5.0),
            (2, &[4.0, 4.0, 4.0], 8.0, 8.0),
            (3, &[5.0, 1.0], 5.0, 5.0),
        ];
        for (slots, cycles, free, walk) in table {
            let got = (
                last_of_next_free(cycles.iter().copied(), slots),
                last_of_walk(cycles.iter().copied(), slots),
            );
            assert_eq!(got, (free, walk), "{cycles:?} on {slots}");
        }
    }

    fn workload(mask: Mask, window: Option<usize>) -> Workload {
        Workload {
            kernel: String::new(),
            phase: Phase::Prefill,
            mask,
            window,
            softcap: None,
            alibi: false,
            dtype: "f16".to_owned(),
            head_dim: 64,
            heads: 1,
            kv_heads: 1,
            q_len: 0,
            kv_lens: Vec::new(),
            block_size: None,
        }
    }

    #[test]
    fn tiles_inside_and_on_the_boundary() {
        use Mask::{Causal, Full};
        // Mask, window, columns, keys, first and last position, tiles inside, tiles on the boundary.
        let table = [
            (Full, None, 64, 256, 0, 127, 4, 0),
            (Full, None, 64, 200, 0, 127, 3, 1),
            (Full, None, 64, 0, 0, 0, 0, 0),
            // Rows 128..=255 see columns up to their own: two tiles whole, two cut.
            (Causal, None, 64, 256, 128, 255, 2, 2),
            (Causal, None, 64, 256, 0, 127, 0, 2),
            // One query behind a long past: 4095 whole columns of 4096.
            (Causal, None, 64, 4096, 4095, 4095, 64, 0),
            // Rows 512..=575 see 128 keys each: columns 385..=575, of which 448..512 are whole for all.
            (Causal, Some(128), 64, 1024, 512, 575, 1, 2),
        ];
        for (mask, window, cols, keys, first, last, inside, boundary) in table {
            let got = turns(&workload(mask, window), cols, keys, first, last);
            assert_eq!(got, Turns { inside, boundary }, "{mask:?} {window:?} {keys} {first}..={last}");
        }
    }
}
