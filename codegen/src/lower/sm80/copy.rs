//! Copies from global memory: Q once, K and V tiles into the ring, right to left.
//!
//! A tile is copied in passes of `threads / chunks per row` rows; a thread keeps its chunk and goes down the
//! rows. Contiguous sources need one running address per tensor. A paged source is walked in *granules* of
//! `gcd(block size, columns)` rows, each inside one block: lane `g` of every warp looks up granule `g` of the
//! next tile while the current one is multiplied, and the copies ask for it by `shfl`.
//!
//! Only the rightmost tile can reach past the sequence. There the copy's source size is 0, which fills the
//! row with zeros and reads nothing: rows past the end of V must be zero, since 0 · NaN is NaN. Table
//! entries past the end are never loaded.

use super::instance::Instance;
use super::range::ColumnRange;
use super::{Kernel, SHARED};
use crate::abi::Meaning;
use crate::layout::swizzle::{CHUNK, PERIOD};
use crate::program::ParamId;
use flashpage_ptx::ast::{Mod, Operand};
use flashpage_ptx::builder::{Reg, address};
use flashpage_ptx::words::{Opcode, Space, Type, Word};

/// The K/V ring and what walks it.
pub(super) struct Ring {
    /// Index of the tile being multiplied.
    pub tile: Reg,
    /// Byte offset of the current stage from the first, when there are several.
    pub stage: Option<Reg>,
    /// Shared address of the tiles.
    pub shared: Reg,
    /// Keys of the sequence.
    kv_len: Reg,
    /// Row of this thread in the first pass.
    row: Reg,
    /// Destination addresses of this thread, by what the pass XORs into the chunk.
    targets: Vec<Reg>,
    keys: Source,
    values: Source,
    table: Option<Table>,
}

/// Where K or V comes from.
struct Source {
    /// Contiguous: the running address of this thread's next chunk. Paged: its chunk in block 0.
    address: Reg,
    /// Bytes from one pass's row to the next's.
    pass_bytes: Reg,
    /// Bytes from one token to the next; paged only.
    token_bytes: Reg,
    /// Bytes from one block to the next; paged only.
    block_bytes: Option<Reg>,
}

/// A sequence's row of the block table, and the entries of one tile, a lane each.
struct Table {
    row: Reg,
    block_size: usize,
    /// Rows of a granule.
    granule: usize,
    /// This lane's first row within a tile.
    lane_row: Reg,
    lane_block: Reg,
    /// First row of the granule within its block; absent where granules are whole blocks.
    lane_within: Option<Reg>,
}

impl Kernel<'_> {
    fn chunks(&self) -> usize {
        self.schedule.swizzle().chunks()
    }

    /// Rows that all threads copy in one pass.
    fn pass_rows(&self) -> usize {
        self.schedule.threads() / self.chunks()
    }

    /// Copies the warp's own rows of Q, as one group. Rows past the end repeat the last one.
    pub(super) fn copy_query(&mut self, instance: &Instance) {
        let (chunks, q) = (self.chunks(), self.attention.q);
        let rows_per_pass = 32 / chunks;
        self.b.stage("copy Q: each warp its own rows");
        let base = self.param(Meaning::Pointer(q));
        let (lane_row, chunk) = self.lane_chunk(instance);
        let base = self.b.mad_wide("rd", &chunk, CHUNK, &base);
        let targets = self.swizzled_targets(&instance.warp_row, &lane_row, &chunk, rows_per_pass);
        let base = self.rows_from(base, q, &instance.q_begin);
        for pass in 0..self.schedule.rows_per_warp() / rows_per_pass {
            let source = self.b.add(Type::U32, "r", &lane_row, pass * rows_per_pass);
            let token = self.of_row("r", &instance.lane_token, &source);
            let head = self.of_row("r", &instance.lane_head, &source);
            let strides = (Meaning::TokenStride(q), Meaning::HeadStride(q));
            let from = self.row_address(&base, strides, &token, &head);
            let offset = pass * rows_per_pass * self.schedule.swizzle().row_bytes;
            self.cp_async(&targets[pass % targets.len()], offset, &from, None);
        }
        self.cp_async_commit();
    }

    /// This lane's row and chunk when a warp moves whole rows: 32 / chunks rows at a time.
    pub(super) fn lane_chunk(&mut self, instance: &Instance) -> (Reg, Reg) {
        let chunks = self.chunks();
        let row = self.b.shr(Type::U32, "lane_row", &instance.lane, chunks.ilog2() as i32);
        let chunk = self.b.and(Type::B32, "lane_chunk", &instance.lane, chunks - 1);
        (row, chunk)
    }

    /// `base + begin * token stride` of a tensor laid end to end.
    fn rows_from(&mut self, base: Reg, param: ParamId, begin: &Reg) -> Reg {
        let stride = self.param(Meaning::TokenStride(param));
        self.b.mad_wide("rd", begin, &stride, &base)
    }

    /// Shared addresses of (first_row + row, chunk), one for each different XOR that `row + n * pass_rows`
    /// puts on the chunk. Pass `n` uses address `n % len` at `n * pass_rows` rows' offset.
    pub(super) fn swizzled_targets(&mut self, first_row: &Reg, row: &Reg, chunk: &Reg, pass_rows: usize) -> Vec<Reg> {
        let row_bytes = self.schedule.swizzle().row_bytes;
        let b = &mut self.b;
        let low = b.and(Type::B32, "r", row, PERIOD - 1);
        let place = b.xor(Type::B32, "r", &low, chunk);
        let place = b.shl(Type::B32, "r", &place, CHUNK.ilog2() as i32);
        let whole = b.add(Type::U32, "r", first_row, row);
        let place = b.mad_lo(Type::U32, "r", &whole, row_bytes, &place);
        let shared = b.shared_address("r", SHARED);
        let first = b.add(Type::U32, "target", &place, &shared);
        let mut targets = vec![first.clone()];
        for pass in 1..(PERIOD / pass_rows).max(1) {
            targets.push(b.xor(Type::B32, "target", &first, pass * pass_rows * CHUNK));
        }
        targets
    }

    /// Where the ring starts: the rightmost tile.
    pub(super) fn ring(&mut self, instance: &Instance, range: &ColumnRange) -> Ring {
        let (chunks, cols) = (self.chunks(), self.schedule.cols);
        self.b.stage("the K/V ring");
        let tile = self.b.sub(Type::S32, "tile", &range.end, 1);
        let stage = (self.schedule.stages > 1).then(|| self.b.mov(Type::U32, "stage", 0));
        let row = self.b.shr(Type::U32, "copy_row", &instance.thread, chunks.ilog2() as i32);
        let chunk = self.b.and(Type::B32, "r", &instance.thread, chunks - 1);
        let zero = self.b.mov(Type::U32, "r", 0);
        let targets = self.swizzled_targets(&zero, &row, &chunk, self.pass_rows());
        let shared = self.b.shared_address("shared", SHARED);

        let table = self.attention.table.map(|param| {
            let block_size = self.spec.block_size.expect("compile() asks for a block size");
            self.table(instance, param, block_size, gcd(block_size, cols))
        });
        let granule = table.as_ref().map(|t| t.granule);
        // The running address starts at the tile's last pass and goes down.
        let start = match granule {
            None => {
                let start = self.b.mul_lo(Type::U32, "r", &tile, cols);
                let start = self.b.add(Type::U32, "r", &start, cols - self.pass_rows());
                let start = self.b.add(Type::U32, "r", &start, &row);
                let begin = instance.kv_begin.as_ref().expect("a contiguous source has starts");
                self.b.add(Type::U32, "r", &start, begin)
            }
            Some(granule) => self.b.and(Type::B32, "r", &row, granule - 1),
        };
        let (k, v) = (self.attention.k, self.attention.v);
        let keys = self.source(instance, k, "k", &start, &chunk);
        let values = self.source(instance, v, "v", &start, &chunk);
        Ring { tile, stage, shared, kv_len: instance.kv_len.clone(), row, targets, keys, values, table }
    }

    fn source(&mut self, instance: &Instance, param: ParamId, name: &str, row: &Reg, chunk: &Reg) -> Source {
        let base = self.param(Meaning::Pointer(param));
        let token_bytes = self.param(Meaning::TokenStride(param));
        let head_bytes = self.param(Meaning::HeadStride(param));
        let at = self.b.mad_wide("rd", &instance.kv_head, &head_bytes, &base);
        let at = self.b.mad_wide("rd", chunk, CHUNK, &at);
        let address = self.b.mad_wide(format!("{name}_at").as_str(), row, &token_bytes, &at);
        let pass_bytes = self.b.mul_wide(format!("{name}_pass").as_str(), &token_bytes, self.pass_rows());
        let block_bytes = self.attention.table.map(|_| self.param(Meaning::BlockStride(param)));
        Source { address, pass_bytes, token_bytes, block_bytes }
    }

    fn table(&mut self, instance: &Instance, param: ParamId, block_size: usize, granule: usize) -> Table {
        let base = self.param(Meaning::Pointer(param));
        let stride = self.param(Meaning::TableStride(param));
        let bytes = self.b.shl(Type::B32, "r", &stride, 2);
        let row = self.b.mad_wide("table_row", &instance.sequence, &bytes, &base);
        let lane_row = self.b.mul_lo(Type::U32, "granule_row", &instance.lane, granule);
        let lane_block = self.b.reg(Type::U32, "block");
        let whole_blocks = self.schedule.cols % block_size == 0;
        let lane_within = (!whole_blocks).then(|| self.b.reg(Type::U32, "within"));
        Table { row, block_size, granule, lane_row, lane_block, lane_within }
    }

    /// Looks up the blocks of tile `index`, a granule a lane. Positions outside the sequence, those of a tile
    /// left of column 0 among them, give block 0 and no access.
    fn look_up(&mut self, ring: &Ring, index: &Reg) {
        let Some(table) = &ring.table else { return };
        let b = &mut self.b;
        let position = b.mad_lo(Type::U32, "r", index, self.schedule.cols, &table.lane_row);
        let inside = b.setp(Word::Lt, Type::U32, "p", &position, &ring.kv_len);
        let entry = b.div(Type::U32, "r", &position, table.block_size);
        if let Some(within) = &table.lane_within {
            b.rem(Type::U32, within, &position, table.block_size);
        }
        let at = b.mad_wide("rd", &entry, 4, &table.row);
        b.mov(Type::U32, &table.lane_block, 0);
        b.guarded(&inside, false, |b| {
            b.ld_constant(Type::U32, &table.lane_block, &at, 0);
        });
    }

    /// Fills all slots but one: K and V of the rightmost tiles, in the order in which they are consumed.
    pub(super) fn fill_ring(&mut self, ring: &mut Ring, range: &ColumnRange) {
        let stages = self.schedule.stages;
        self.b.stage("fill the ring");
        let mut index = ring.tile.clone();
        self.look_up(ring, &index);
        for stage in 0..stages {
            let present = self.in_range(&index, range);
            let at = |k: &Kernel, slot: usize| k.slot_offset(2 * stage + slot);
            let (k_slot, v_slot) = (at(self, 0), at(self, 1));
            let checked = (stage == 0).then(|| index.clone());
            self.copy_tile(ring, Which::Keys, None, k_slot, checked.as_ref(), Some(&present));
            self.cp_async_commit();
            if stage + 1 < stages {
                self.copy_tile(ring, Which::Values, None, v_slot, checked.as_ref(), Some(&present));
                self.cp_async_commit();
                index = self.b.sub(Type::S32, "r", &index, 1);
                self.look_up(ring, &index);
            }
        }
    }

    /// At the K step: V of the tile `stages - 1` to the left, then the table entries for the K step after it.
    pub(super) fn copy_values(&mut self, ring: &mut Ring, range: &ColumnRange, masked: bool) {
        let ahead = self.schedule.stages - 1;
        let tile = ring.tile.clone();
        if ahead == 0 {
            let checked = masked.then_some(&tile);
            let slot = self.slot_offset(1);
            self.copy_tile(ring, Which::Values, None, slot, checked, None);
        } else {
            let index = self.b.sub(Type::S32, "r", &tile, ahead);
            let present = self.in_range(&index, range);
            let stage = self.stage_before(ring);
            let slot = self.slot_offset(1);
            self.copy_tile(ring, Which::Values, Some(&stage), slot, None, Some(&present));
        }
        self.cp_async_commit();
        if ring.table.is_some() {
            let next = self.b.sub(Type::S32, "r", &tile, ahead + 1);
            self.look_up(ring, &next);
        }
    }

    /// At the V step: K of the tile `stages` to the left, into the slot of the K just used.
    pub(super) fn copy_next_keys(&mut self, ring: &mut Ring, range: &ColumnRange) {
        let index = self.b.sub(Type::S32, "r", &ring.tile, self.schedule.stages);
        let present = self.in_range(&index, range);
        let stage = ring.stage.clone();
        let slot = self.slot_offset(0);
        self.copy_tile(ring, Which::Keys, stage.as_ref(), slot, None, Some(&present));
        self.cp_async_commit();
    }

    /// Moves on to the next stage of the ring.
    pub(super) fn next_stage(&mut self, ring: &Ring) {
        let Some(stage) = &ring.stage else { return };
        let bytes = 2 * self.schedule.slot_bytes();
        let b = &mut self.b;
        let next = b.add(Type::U32, "r", stage, bytes);
        let wraps = b.setp(Word::Eq, Type::U32, "p", &next, bytes * self.schedule.stages);
        b.selp(Type::U32, stage, 0, &next, &wraps);
    }

    /// Byte offset of the stage before the current one, around the ring.
    fn stage_before(&mut self, ring: &Ring) -> Reg {
        let stage = ring.stage.as_ref().expect("several stages");
        let bytes = 2 * self.schedule.slot_bytes();
        let b = &mut self.b;
        let first = b.setp(Word::Eq, Type::U32, "p", stage, 0);
        let before = b.sub(Type::U32, "r", stage, bytes);
        b.selp(Type::U32, "r", bytes * (self.schedule.stages - 1), &before, &first)
    }

    /// Shared offset of a ring slot, from the start of the tiles.
    fn slot_offset(&self, slot: usize) -> usize {
        self.schedule.ring_offset() + slot * self.schedule.slot_bytes()
    }

    /// Copies one tile, last pass first. `checked` names the tile if it may reach past the sequence;
    /// `present` guards the copies of a tile that may not exist.
    fn copy_tile(
        &mut self,
        ring: &Ring,
        which: Which,
        stage: Option<&Reg>,
        slot: usize,
        checked: Option<&Reg>,
        present: Option<&Reg>,
    ) {
        let source = if which == Which::Keys { &ring.keys } else { &ring.values };
        let (pass_rows, row_bytes) = (self.pass_rows(), self.schedule.swizzle().row_bytes);
        let passes = self.schedule.cols / pass_rows;
        let targets: Vec<Reg> = match stage {
            None => ring.targets.clone(),
            Some(stage) => ring.targets.iter().map(|t| self.b.add(Type::U32, "r", t, stage)).collect(),
        };
        let left = checked.map(|tile| {
            // Rows of the tile that exist, less this thread's row of the first pass.
            let start = self.b.mad_lo(Type::U32, "r", tile, self.schedule.cols, &ring.row);
            self.b.sub(Type::S32, "r", &ring.kv_len, &start)
        });
        let mut issue = |k: &mut Self, pass: usize, from: &Reg| {
            let size = left.as_ref().map(|left| {
                let inside = k.b.setp(Word::Gt, Type::S32, "p", left, pass * pass_rows);
                k.b.selp(Type::U32, "r", CHUNK, 0, &inside)
            });
            let (target, offset) = (&targets[pass % targets.len()], slot + pass * pass_rows * row_bytes);
            match present {
                Some(present) => {
                    // The size is computed outside the guard, the copy inside.
                    let copy = k.copy_operands(target, offset, from, size.as_ref());
                    k.b.guarded(present, false, |b| b.emit(Opcode::Cp, &COPY, copy));
                }
                None => k.cp_async(target, offset, from, size.as_ref()),
            }
        };
        match &ring.table {
            None => {
                for pass in (0..passes).rev() {
                    issue(self, pass, &source.address);
                    self.b.sub(Type::U64, &source.address, &source.address, &source.pass_bytes);
                }
            }
            Some(table) => {
                let per_granule = (table.granule / pass_rows).max(1);
                let mut at = source.address.clone();
                for pass in 0..passes {
                    if pass % per_granule == 0 {
                        at = self.granule_address(ring, table, source, pass * pass_rows);
                    } else {
                        at = self.b.add(Type::U64, "rd", &at, &source.pass_bytes);
                    }
                    issue(self, pass, &at);
                }
            }
        }
    }

    /// Address of this thread's chunk in the granule that holds row `first + copy_row` of the tile.
    fn granule_address(&mut self, ring: &Ring, table: &Table, source: &Source, first: usize) -> Reg {
        let lane: Operand = if self.pass_rows() > table.granule {
            let of_row = self.b.shr(Type::U32, "r", &ring.row, table.granule.ilog2() as i32);
            let lane = self.b.add(Type::U32, "r", &of_row, first / table.granule);
            (&lane).into()
        } else {
            (first / table.granule).into()
        };
        let block = self.b.shfl(Word::Idx, Type::U32, "r", &table.lane_block, lane.clone());
        let stride = source.block_bytes.as_ref().expect("a paged source has a block stride");
        let at = self.b.mad_wide("rd", &block, stride, &source.address);
        match &table.lane_within {
            None => at,
            Some(within) => {
                let within = self.b.shfl(Word::Idx, Type::U32, "r", within, lane);
                self.b.mad_wide("rd", &within, &source.token_bytes, &at)
            }
        }
    }

    /// `cp.async.cg` of 16 bytes, of which `size` are read and the rest zero.
    fn cp_async(&mut self, target: &Reg, offset: usize, from: &Reg, size: Option<&Reg>) {
        let operands = self.copy_operands(target, offset, from, size);
        self.b.emit(Opcode::Cp, &COPY, operands);
    }

    fn copy_operands(&self, target: &Reg, offset: usize, from: &Reg, size: Option<&Reg>) -> Vec<Operand> {
        let mut operands = vec![address(target, offset as i64), address(from, 0), CHUNK.into()];
        operands.extend(size.map(Operand::from));
        operands
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Which {
    Keys,
    Values,
}

/// `cp.async.cg.shared.global`: past L1, which tiles would only sweep.
const COPY: [Mod; 4] =
    [Mod::Word(Word::Async), Mod::Word(Word::Cg), Mod::Space(Space::Shared), Mod::Space(Space::Global)];

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
