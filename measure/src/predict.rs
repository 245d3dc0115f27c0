//! How long a launch should take at the least: the limits of its main loop, spread over the blocks of its grid.
//!
//! Blocks go to multiprocessors in the order of the grid, as slots come free; each takes two trips to memory and its
//! turns of the main loop. Turns of blocks on one multiprocessor share its units. Over all of it, memory must move
//! every byte once; of a prefill, K and V as often as the L2 cache forgets them ([`crate::l2_cache`]).
//!
//! With roles, as many blocks as fit take tiles from the list, and a block takes its two trips once: the producer fetches
//! the next tile's Q, K and V while the last is multiplied. Where O lies over Q it cannot, and each tile takes one more.
//! This assumes that nothing else is waited for between tiles, and that copying costs the warps that multiply nothing.

use crate::gpu::Gpu;
use crate::l2_cache::{RowTile, USABLE, misses};
use crate::limits::{Cycles, L2_BYTES};
use crate::machine_code::InnerLoop;
use crate::workload::{Mask, Phase, Workload};
use flashpage_codegen::ShapeClass;
use flashpage_codegen::schedule::{OutputIn, Schedule};
use flashpage_runtime::launch::section;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

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
    /// The bytes that memory moves.
    pub dram_bytes: f64,
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

/// The tiles of columns that queries `first..=last` of the sequence's positions see.
fn columns(workload: &Workload, cols: usize, kv_len: usize, first: usize, last: usize) -> Range<usize> {
    let to = if workload.mask == Mask::Causal { (last + 1).min(kv_len) } else { kv_len };
    let from = workload.window.map_or(0, |window| (first + 1).saturating_sub(window));
    let to = to.div_ceil(cols);
    (from / cols).min(to)..to
}

/// Turns of the tile whose queries are `first..=last` of the sequence's positions.
fn turns(workload: &Workload, cols: usize, kv_len: usize, first: usize, last: usize) -> Turns {
    if kv_len == 0 {
        return Turns::default();
    }
    // Seen by all rows.
    let whole_to = if workload.mask == Mask::Causal { (first + 1).min(kv_len) } else { kv_len };
    let whole_from = workload.window.map_or(0, |window| (last + 1).saturating_sub(window));
    let all = columns(workload, cols, kv_len, first, last).len();
    let inside = (whole_to / cols).saturating_sub(whole_from.div_ceil(cols)).min(all);
    Turns { inside, boundary: all - inside }
}

/// A tile of rows.
#[derive(Clone, Copy, Debug)]
struct Place {
    sequence: usize,
    /// Of the blocks of heads that share a tile's rows.
    head_block: usize,
    /// From the start of the queries.
    tile: usize,
}

/// How a launch cuts a workload into tiles of rows, and in which order they are done.
struct Tiling<'a> {
    workload: &'a Workload,
    schedule: &'a Schedule,
    /// Of the longest sequence.
    tiles: usize,
    head_blocks: usize,
    /// Head blocks of a KV head.
    of_kv_head: usize,
    /// Queries of a tile.
    positions: usize,
}

impl Tiling<'_> {
    fn of<'a>(workload: &'a Workload, schedule: &'a Schedule, shape: ShapeClass) -> Tiling<'a> {
        let group = (workload.heads / workload.kv_heads.max(1)).max(1);
        let packed = schedule.packed_heads(shape, group).max(1);
        let rows = schedule.rows_per_tile(packed).max(1);
        Tiling {
            workload,
            schedule,
            tiles: (workload.q_len * packed).div_ceil(rows),
            head_blocks: workload.heads / packed,
            of_kv_head: (group / packed).max(1),
            positions: (rows / packed).max(1),
        }
    }

    /// Pairs of a sequence and a head block.
    fn pairs(&self) -> usize {
        self.workload.batch() * self.head_blocks
    }

    /// The pairs that a launch does together.
    fn section(&self, gpu: &Gpu) -> usize {
        let bytes = self.workload.longest() * 2 * (self.schedule.head_dim.qk + self.schedule.head_dim.v);
        section(bytes, self.of_kv_head, self.pairs(), gpu.l2_bytes)
    }

    /// As lowered: the last tile first, which is the longest under a causal mask. A grid has tiles fastest, then heads,
    /// then sequences; blocks with roles have so many pairs in a section, and tiles slowest in it.
    fn order(&self, section: usize) -> Vec<Place> {
        let section = if self.schedule.roles().is_some() { section.max(1) } else { 1 };
        let place = |pair: usize, tile: usize| Place {
            sequence: pair / self.head_blocks.max(1),
            head_block: pair % self.head_blocks.max(1),
            tile,
        };
        let pairs = self.pairs();
        (0..pairs)
            .step_by(section)
            .flat_map(|first| {
                let of_tile =
                    move |tile| (first..(first + section).min(pairs)).map(move |pair| place(pair, tile));
                (0..self.tiles).rev().flat_map(of_tile)
            })
            .collect()
    }

    /// The keys of a tile's sequence, and its first and last query there.
    fn queries(&self, place: Place) -> (usize, usize, usize) {
        let kv_len = self.workload.kv_lens[place.sequence];
        let before = kv_len.saturating_sub(self.workload.q_len);
        let first = before + place.tile * self.positions;
        let last = before + ((place.tile + 1) * self.positions).min(self.workload.q_len).saturating_sub(1);
        (kv_len, first, last)
    }

    /// Bytes that memory moves if `blocks` blocks at once do the tiles in this order. Of anything but a prefill the least:
    /// every byte once.
    fn dram_bytes(&self, order: &[Place], blocks: usize, gpu: &Gpu) -> f64 {
        let Tiling { workload, schedule, .. } = self;
        let (least, kv_least) = (workload.bytes(), workload.kv_bytes());
        let usable = gpu.l2_bytes as f64 * USABLE;
        if workload.phase != Phase::Prefill || kv_least <= usable {
            return least;
        }
        let read = |place: &Place| {
            let (kv_len, first, last) = self.queries(*place);
            RowTile {
                pair: place.sequence * workload.kv_heads + place.head_block / self.of_kv_head,
                columns: columns(workload, schedule.cols, kv_len, first, last),
            }
        };
        let list: Vec<RowTile> = order.iter().map(read).collect();
        let tile_bytes = schedule.kv_copied_bytes() as f64 / 2.0;
        let missed = misses(&list, blocks, (usable / tile_bytes) as usize) as f64;
        // The last tile of a sequence is cut short.
        let longest = workload.longest();
        let filled = longest as f64 / (longest.div_ceil(schedule.cols) * schedule.cols).max(1) as f64;
        least - kv_least + (missed * tile_bytes * filled).max(kv_least)
    }
}

/// Predicts the workload on a GPU.
pub fn predict(kernel: Kernel<'_>, workload: &Workload, gpu: &Gpu) -> Prediction {
    let Kernel { schedule, shape, .. } = kernel;
    let tiling = Tiling::of(workload, schedule, shape);
    let blocks = tiling.tiles * tiling.pairs();
    let sms = gpu.rates.sms as usize;
    // A grid that does not fill the chip leaves each multiprocessor with fewer.
    let together = kernel.blocks_per_sm.min(blocks.div_ceil(sms)).max(1);

    let tile_bytes = schedule.kv_copied_bytes() as f64;
    // One slot of the ring is in use; what was asked for into the others is on its way.
    let in_slots = (schedule.slots() - 1) as f64 * schedule.kv_copied_bytes() as f64 / 2.0;
    // A producer that converts has it in registers.
    let in_flight = match schedule.roles().filter(|roles| roles.converts()) {
        Some(roles) => roles.bytes_on_their_way() as f64,
        None => in_slots,
    };
    // What another block reads too lies in the cache for most of them.
    let readers = tiling.tiles * tiling.head_blocks / workload.kv_heads.max(1);
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
    let cycles = |place: &Place| {
        let (kv_len, first, last) = tiling.queries(*place);
        let Turns { inside: n, boundary: m } = turns(workload, schedule.cols, kv_len, first, last);
        n as f64 * inside + m as f64 * boundary
    };
    let slots = sms * together;
    let order = tiling.order(tiling.section(gpu));
    // Trips of a tile, and of a block's beginning.
    let (each, begin) = match schedule.roles() {
        None => (2.0 * trip, 0.0),
        Some(roles) if roles.output == OutputIn::OverQuery => (trip, 2.0 * trip),
        Some(_) => (0.0, 2.0 * trip),
    };
    let end = begin + last_of_next_free(order.iter().map(|place| each + cycles(place)), slots);
    let compute = end / gpu.rates.clock;
    let dram_bytes = tiling.dram_bytes(&order, slots, gpu);
    let memory = dram_bytes / gpu.rates.dram;
    let waves = blocks as f64 / (sms * kernel.blocks_per_sm.max(1)) as f64;
    let bound = match memory > compute {
        true => "device memory",
        false if blocks < sms => "a grid smaller than the chip",
        false => narrowest.0,
    };
    Prediction { seconds: compute.max(memory), compute, memory, dram_bytes, bound, waves }
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

#[cfg(test)]
mod tests {
    use super::*;
    use flashpage_codegen::choice::{MaskClass, SM80, SM90};

    #[test]
    fn the_next_free_slot_takes_the_next_tile() {
        // Slots, cycles, the end.
        let table: [(usize, &[f64], f64); 5] = [
            (2, &[], 0.0),
            (2, &[4.0, 3.0, 2.0, 1.0], 5.0),
            (2, &[4.0, 1.0, 1.0, 1.0], 4.0),
            (2, &[4.0, 4.0, 4.0], 8.0),
            (3, &[5.0, 1.0], 5.0),
        ];
        for (slots, cycles, end) in table {
            assert_eq!(last_of_next_free(cycles.iter().copied(), slots), end, "{cycles:?} on {slots}");
        }
    }

    /// `batch` sequences of `len` queries and keys, at head_dim 128.
    fn prefill(mask: Mask, heads: usize, kv_heads: usize, batch: usize, len: usize) -> Workload {
        let whole = workload(mask, None);
        Workload { head_dim: 128.into(), heads, kv_heads, q_len: len, kv_lens: vec![len; batch], ..whole }
    }

    /// Sections are as large as the L2 cache allows: then memory moves little more than it must, where an order of all
    /// heads together has it move every K and V for each row tile.
    #[test]
    fn sections_keep_keys_and_values_in_the_l2_cache() {
        use Mask::{Causal, Full};
        let gpu = Gpu::H100;
        // Mask, heads, KV heads, sequences, length; at most so many times what must move, and at least so many times in
        // one section of everything.
        let table = [
            (Causal, 48, 48, 4, 8192, 1.2, 15.0),
            (Full, 48, 48, 4, 8192, 1.2, 25.0),
            (Causal, 64, 8, 1, 16384, 1.2, 1.0),
            (Full, 64, 8, 1, 16384, 1.2, 1.0),
            (Causal, 16, 16, 8, 2048, 1.2, 4.0),
        ];
        for (mask, heads, kv_heads, batch, len, most, without) in table {
            let workload = prefill(mask, heads, kv_heads, batch, len);
            let class = if mask == Causal { MaskClass::Bounded } else { MaskClass::Full };
            let is_made_for = |mask: Option<MaskClass>| mask.is_none_or(|mask| mask == class);
            let row = SM90
                .iter()
                .find(|row| {
                    row.head_dim == 128.into() && row.shape == ShapeClass::Prefill && is_made_for(row.mask)
                })
                .expect("a prefill");
            let schedule = Schedule::from(row.schedule());
            let tiling = Tiling::of(&workload, &schedule, ShapeClass::Prefill);
            let times = |section: usize| {
                let order = tiling.order(section);
                tiling.dram_bytes(&order, gpu.rates.sms as usize, &gpu) / workload.bytes()
            };
            let (with, all) = (times(tiling.section(&gpu)), times(tiling.pairs()));
            assert!((1.0..=most).contains(&with), "{workload}: {with} times what must move");
            assert!(
                all >= without && all >= with - 0.01,
                "{workload}: {all} times in one section, {with} in many"
            );
        }
    }

    /// Without roles the order is the grid's, whatever the section.
    #[test]
    fn orders() {
        let workload = prefill(Mask::Full, 2, 2, 2, 256);
        let places = |schedule: &Schedule, section: usize| -> Vec<(usize, usize, usize)> {
            let tiling = Tiling::of(&workload, schedule, ShapeClass::Prefill);
            tiling.order(section).iter().map(|at| (at.sequence, at.head_block, at.tile)).collect()
        };
        let row = SM90.iter().find(|row| row.consumers == 2).expect("two consumers");
        let mut hopper = row.schedule();
        hopper.sizes.head_dim = 128.into();
        let hopper = Schedule::from(hopper);
        let three = [(0, 0, 1), (0, 1, 1), (1, 0, 1), (0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 1), (1, 1, 0)];
        assert_eq!(places(&hopper, 3), three);
        let grid = [(0, 0, 1), (0, 0, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (1, 1, 1), (1, 1, 0)];
        assert_eq!(places(&hopper, 1), grid);
        let row = SM80.iter().find(|row| row.rows == 128).expect("a row of 128 rows");
        assert_eq!(places(&Schedule::from(row.schedule()), 3), grid);
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
            kv_dtype: None,
            head_dim: 64.into(),
            latent: false,
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
