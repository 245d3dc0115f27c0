//! How long a launch should take at the least: the limits of its main loop, spread over the blocks of its grid.
//!
//! Blocks go to multiprocessors in the order of the grid, as slots come free; each takes two trips to memory and its
//! turns of the main loop. Turns of blocks on one multiprocessor share its units. Over all of it, memory must move
//! every byte once.

use crate::gpu::Gpu;
use crate::limits::{Cycles, L2_BYTES};
use crate::machine_code::InnerLoop;
use crate::workload::{Mask, Workload};
use flashpage_codegen::ShapeClass;
use flashpage_codegen::schedule::Schedule;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A kernel whose machine code has been read.
#[derive(Clone, Copy, Debug)]
pub struct Kernel<'a> {
    /// How it is tiled.
    pub schedule: &'a Schedule,
    /// What it was made for: kernels for prefill do not pack heads.
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
    let packed = if shape == ShapeClass::Prefill { 1 } else { group.max(1) };
    let tiles = (workload.q_len * packed).div_ceil(schedule.rows.max(1));
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
    let fixed = 2.0 * gpu.memory_latency * gpu.rates.clock;

    // The grid: tiles of the longest sequence fastest, then heads, then sequences. Slots take the next block.
    let mut slots: BinaryHeap<Reverse<u64>> = (0..sms * together).map(|_| Reverse(0)).collect();
    let mut end = 0;
    for kv_len in &workload.kv_lens {
        let positions = schedule.rows / packed.min(schedule.rows);
        for _ in 0..groups {
            // As lowered: the last tile first, which is the longest under a causal mask.
            for tile in (0..tiles).rev() {
                let before = kv_len.saturating_sub(workload.q_len);
                let first = before + tile * positions;
                let last = before + ((tile + 1) * positions).min(workload.q_len).saturating_sub(1);
                let Turns { inside: n, boundary: m } = turns(workload, schedule.cols, *kv_len, first, last);
                let cycles = fixed + n as f64 * inside + m as f64 * boundary;
                let Some(Reverse(start)) = slots.pop() else { break };
                let done = start + cycles as u64;
                end = end.max(done);
                slots.push(Reverse(done));
            }
        }
    }
    let compute = end as f64 / gpu.rates.clock;
    let memory = workload.bytes() / gpu.rates.dram;
    let waves = blocks as f64 / (sms * kernel.blocks_per_sm.max(1)) as f64;
    let bound = match memory > compute {
        true => "device memory",
        false if blocks < sms => "a grid smaller than the chip",
        false => narrowest.0,
    };
    Prediction { seconds: compute.max(memory), compute, memory, bound, waves }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Phase;

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
