//! Copies from global memory: Q once, K and V tiles into the ring, right to left.
//!
//! A tile is copied in passes of eight rows a warp, four lanes a row (`swizzle::copy_row`); a thread works out the
//! address of its row once and walks along it by instruction offsets. Half of what four lanes copy may be left at a row's
//! end; it goes by half chunks, so that every lane has a part of it. (With the lanes that have none guarded, ptxas spilled a
//! hundred bytes of a prefill of head_dim 240.)
//!
//! Of K and V of 8 bits a lane copies the first chunk of each group that it will convert ([`crate::layout::converted`]): sixteen
//! numbers, to a place that has room for them when they are widened.
//!
//! A paged source is walked in *granules* of `gcd(block size, columns)` rows, each inside one block: lane `g` of every warp
//! looks up granule `g` of the next tile while the current one is multiplied, and the copies ask for it by `shfl`.
//! Where a block is smaller than the eight rows of a pass there may be more granules than lanes, and a warp needs but its own:
//! there each of a row's four lanes looks up the block of that row in another pass of four, and of as many fours as a tile has.
//!
//! Only the rightmost tile can reach past the sequence. There the copy's source size is 0, which fills the
//! row with zeros and reads nothing: rows past the end of V must be zero, since 0 · NaN is NaN. Table
//! entries past the end are never loaded.

use super::{Ampere, SHARED};
use crate::abi::Meaning;
use crate::layout::converted::{GROUP_CHUNKS, GROUPS, group_row};
use crate::layout::lane::LANES;
use crate::layout::swizzle::{CHUNK, COPY_CHUNK, COPY_LANES, HALF_CHUNK, PERIOD, Swizzle, copy_row};
use crate::lower::instance::Instance;
use crate::lower::range::ColumnRange;
use crate::plan::attention::{KEYS, VALUES};
use crate::plan::{BufferId, Shared};
use crate::program::ParamId;
use crate::schedule::{ValuesIn, gcd};
use flashpage_ptx::ast::Operand;
use flashpage_ptx::builder::{Builder, Reg};
use flashpage_ptx::words::{Type, Word};

/// Where the warps are in the ring of K and V, and what they copy it from.
pub(super) struct InRing {
    /// Index of the tile being multiplied.
    pub tile: Reg,
    /// Byte offset of the current stage from the first, when there are several.
    pub stage: Option<Reg>,
    /// Shared address of the tiles.
    pub shared: Reg,
    /// Keys from the first column on.
    kv_len: Reg,
    lane: Reg,
    /// This thread's chunk of a segment.
    chunk: Reg,
    /// First column of the leftmost tile, from which rows are counted; `None` where that is column 0.
    col_begin: Option<Reg>,
    keys: Source,
    values: Source,
    table: Option<Table>,
}

impl InRing {
    /// The column at a row counted from the leftmost tile's first.
    fn column(&self, b: &mut Builder, row: Reg) -> Reg {
        match &self.col_begin {
            None => row,
            Some(begin) => b.add(Type::U32, "r", &row, begin),
        }
    }
}

/// What of a tile of K or V is a thread's. The same of both where their rows are as wide.
#[derive(Clone)]
struct Share {
    /// Its row in the first pass.
    row: Reg,
    /// Where that lies in a slot at offset 0.
    target: Segments,
}

/// Where K or V comes from, and goes to.
struct Source {
    share: Share,
    /// Of this thread's chunk: contiguous, in the first column's token; paged, in block 0, in this thread's
    /// row of a granule unless the row within the block is worked out for every tile.
    address: Reg,
    /// Bytes from one token to the next.
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
    of_keys: LookedUp,
    /// Of V, where its lanes copy other rows than K's and blocks are smaller than a pass's rows.
    of_values: Option<LookedUp>,
    /// The granule's first row within its block, where that takes a division to know.
    lane_within: Option<Reg>,
}

/// What a lane looks up of a tile.
struct LookedUp {
    /// The first row within a tile of which it does.
    row: Reg,
    /// The blocks: one, or where blocks are smaller than a pass's rows one for every four passes.
    blocks: Vec<Reg>,
}

impl Table {
    /// Whether blocks are smaller than the rows of a pass.
    fn goes_by_rows(&self) -> bool {
        self.block_size < PERIOD
    }

    fn looked_up(&self, which: Which) -> &LookedUp {
        self.of_values.as_ref().filter(|_| which == Which::Values).unwrap_or(&self.of_keys)
    }
}

/// A thread's chunk in a row of a swizzled tile, for each segment (64 bytes) of a span; one for all where a span is no
/// wider. Segment `n` of the row lies as segment `n` modulo their number, so many spans further on.
#[derive(Clone)]
pub(super) struct Segments {
    /// Bytes of a row as it comes, and how it lies.
    bytes: usize,
    /// Bytes of the place that a segment has.
    place: usize,
    swizzle: Swizzle,
    of_span: Vec<Reg>,
    /// The thread's half chunk of half a segment, in a row that ends with one.
    half: Option<Reg>,
    /// Whether the thread has a chunk of what is left of a row behind its whole segments, where it goes by whole chunks.
    at_end: Option<Reg>,
}

impl Segments {
    /// Whole segments of a row.
    pub fn count(&self) -> usize {
        self.bytes / SEGMENT
    }

    /// The address register and offset of segment `n`.
    pub fn at(&self, n: usize) -> (&Reg, usize) {
        let count = self.of_span.len();
        (&self.of_span[n % count], n / count * count * self.place)
    }
}

/// Where rows begin in shared memory, a thread's.
pub(super) struct RowsOf {
    row: Reg,
    row_bytes: usize,
    /// What is added, where the rows before are not as wide.
    before: Option<Reg>,
}

impl RowsOf {
    /// Row `row` behind `first_row`, of which there is one every `pitch` bytes.
    pub fn new(b: &mut Builder, swizzle: Swizzle, (first_row, pitch): (&Reg, usize), row: &Reg) -> RowsOf {
        let row_bytes = swizzle.row_bytes;
        match pitch == row_bytes {
            true => RowsOf { row: b.add(Type::U32, "r", first_row, row), row_bytes, before: None },
            false => {
                let before = Some(b.mul_lo(Type::U32, "r", first_row, pitch));
                RowsOf { row: row.clone(), row_bytes, before }
            }
        }
    }

    /// What lies at `within` of the row.
    pub fn at(&self, b: &mut Builder, hint: &str, within: &Reg) -> Reg {
        let at = b.mad_lo(Type::U32, hint, &self.row, self.row_bytes, within);
        match &self.before {
            None => at,
            Some(before) => b.add(Type::U32, hint, &at, before),
        }
    }
}

/// Half a segment at the end of a row: where a thread's half chunk lies, and what is added to either address.
pub(super) struct HalfSegment {
    /// In shared memory.
    pub shared: Reg,
    /// In global memory.
    pub global: Reg,
    /// Bytes of the row before it.
    pub along: usize,
}

/// Bytes that the lanes of one row copy at once.
pub(super) const SEGMENT: usize = COPY_LANES * CHUNK;

impl Ampere<'_> {
    /// The half segment that a row ends with, if it does. `global` is the address of this thread's `chunk`.
    pub(super) fn half_segment(
        &mut self,
        segments: &Segments,
        chunk: &Reg,
        global: &Reg,
    ) -> Option<HalfSegment> {
        let shared = segments.half.clone()?;
        let global = self.b.mad_wide_signed("rd", chunk, HALF_CHUNK as i64 - CHUNK as i64, global);
        Some(HalfSegment { shared, global, along: segments.count() * SEGMENT })
    }

    /// Of a row of O, the columns that the warp has: whole spans of it.
    pub(super) fn in_own_columns(&mut self, instance: &Instance, row: Segments) -> Segments {
        if instance.columns_part.is_none() {
            return row;
        }
        let of_span = row.of_span.into_iter().map(|at| self.at_own_columns(instance, at, 2)).collect();
        Segments { bytes: 2 * self.ring.output_columns(), of_span, ..row }
    }

    /// Rows that all threads copy in one pass.
    pub(super) fn pass_rows(&self) -> usize {
        self.ring.warps * PERIOD
    }

    /// Copies the warp's own rows of Q. Rows past the end repeat the last one.
    pub(super) fn copy_query(&mut self, instance: &Instance) {
        let q = self.attention.q;
        self.b.stage("copy Q: each warp its own rows");
        let base = self.param(Meaning::Pointer(q));
        let swizzle = self.ring.qk_row();
        let (lane_row, chunk) = self.copy_lane(swizzle, &instance.lane);
        let base = self.b.mad_wide("rd", &chunk, CHUNK, &base);
        let stride = self.param(Meaning::TokenStride(q));
        let base = self.b.mad_wide("rd", &instance.q_begin, &stride, &base);
        let pitch = self.row_pitch();
        let target = self.swizzled_segments(swizzle, (&instance.warp_row, pitch), &lane_row, &chunk);
        for first in (0..self.ring.rows_per_warp()).step_by(PERIOD) {
            let source = self.b.add(Type::U32, "r", &lane_row, first);
            let token = self.of_row("r", &instance.lane_token, &source);
            let head = self.of_row("r", &instance.lane_head, &source);
            let from =
                self.row_address(&base, (Meaning::TokenStride(q), Meaning::HeadStride(q)), &token, &head);
            let offset = first * swizzle.row_bytes;
            // Where all warps have the same rows, eight are one's to copy.
            let whose = first / PERIOD % self.ring.split;
            let part = instance.columns_part.as_ref();
            let mine = part.map(|part| self.b.setp(Word::Eq, Type::U32, "p", part, whose));
            self.copy_row((&target, offset), (&from, &chunk), None, mine.as_ref());
        }
    }

    /// The row of eight and the chunk of four that a lane copies.
    pub(super) fn copy_lane(&mut self, swizzle: Swizzle, lane: &Reg) -> (Reg, Reg) {
        let row = copy_row(swizzle.span());
        (self.of_lane("copy_row", lane, row), self.of_lane("copy_chunk", lane, COPY_CHUNK))
    }

    /// Shared addresses of row `row`, below eight, behind `first_row`, a multiple of eight, of which there is one every
    /// `pitch` bytes.
    pub(super) fn swizzled_segments(
        &mut self,
        swizzle: Swizzle,
        (first_row, pitch): (&Reg, usize),
        row: &Reg,
        chunk: &Reg,
    ) -> Segments {
        let phase = self.phase_of(row.clone(), swizzle.span());
        let b = &mut self.b;
        let place = b.xor(Type::B32, "r", &phase, chunk);
        let place = b.shl(Type::B32, "r", &place, CHUNK.ilog2() as i32);
        let rows = RowsOf::new(b, swizzle, (first_row, pitch), row);
        let place = rows.at(b, "r", &place);
        let shared = b.shared_address("r", SHARED);
        let first = b.add(Type::U32, "target", &place, &shared);
        let half = (!swizzle.row_bytes.is_multiple_of(SEGMENT)).then(|| {
            let phase = b.shl(Type::B32, "r", &phase, 1);
            let place = b.xor(Type::B32, "r", &phase, chunk);
            let place = b.mad_lo(Type::U32, "r", &place, HALF_CHUNK, &shared);
            rows.at(b, "half_target", &place)
        });
        let others = (SEGMENT..swizzle.span()).step_by(SEGMENT);
        let others: Vec<Reg> = others.map(|along| b.xor(Type::B32, "target", &first, along)).collect();
        let of_span = [vec![first], others].concat();
        Segments { bytes: swizzle.row_bytes, place: SEGMENT, swizzle, of_span, half, at_end: None }
    }

    /// Shared addresses of a row of 8 bits in a tile of 16, as [`Self::swizzled_segments`] has them of one that comes as it is.
    fn widened_segments(&mut self, swizzle: Swizzle, first_row: &Reg, row: &Reg, chunk: &Reg) -> Segments {
        let phase = self.phase_of(row.clone(), swizzle.span());
        let b = &mut self.b;
        let chunk_of_group = b.mul_lo(Type::U32, "r", chunk, GROUP_CHUNKS);
        let place = b.xor(Type::B32, "r", &phase, &chunk_of_group);
        let shared = b.shared_address("r", SHARED);
        let place = b.mad_lo(Type::U32, "r", &place, CHUNK, &shared);
        let rows = RowsOf::new(b, swizzle, (first_row, swizzle.row_bytes), row);
        let first = rows.at(b, "target", &place);
        let bytes = swizzle.row_bytes / GROUP_CHUNKS;
        let left = bytes % SEGMENT / CHUNK;
        let at_end = (left > 0).then(|| b.setp(Word::Lt, Type::U32, "at_end", chunk, left));
        Segments { bytes, place: GROUPS, swizzle, of_span: vec![first], half: None, at_end }
    }

    /// The row of eight of K or V that a lane copies.
    fn column_row(&mut self, swizzle: Swizzle, lane: &Reg) -> Reg {
        let span = swizzle.span();
        let row = if self.ring.widens { group_row(span) } else { copy_row(span) };
        self.of_lane("copy_row", lane, row)
    }

    /// Where the ring starts: the rightmost tile.
    pub(super) fn in_ring(&mut self, instance: &Instance, range: &ColumnRange) -> InRing {
        self.b.stage("the K/V ring");
        let tile = self.b.sub(Type::S32, "tile", &range.end, 1);
        let stage = (self.ring.stages > 1).then(|| self.b.mov(Type::U32, "stage", 0));
        let (qk, v) = (self.ring.qk_row(), self.ring.v_row());
        let lane_row = self.column_row(qk, &instance.lane);
        let chunk = self.of_lane("copy_chunk", &instance.lane, COPY_CHUNK);
        let warp = self.b.shr(Type::U32, "r", &instance.thread, 5);
        let first_row = self.b.mul_lo(Type::U32, "r", &warp, PERIOD);
        let of_keys = self.share(qk, &first_row, &lane_row, &chunk);
        let shared = self.b.shared_address("shared", SHARED);
        let of_values = match qk == v {
            true => of_keys.clone(),
            false => {
                let lane_row = self.column_row(v, &instance.lane);
                self.share(v, &first_row, &lane_row, &chunk)
            }
        };

        let table = self.attention.table.map(|param| {
            let block_size = self.spec.block_size.expect("compile() asks for a block size");
            let has_others = self.ring.values == ValuesIn::Own && qk.span() != v.span();
            let rows_of_values = has_others.then_some(&of_values.row);
            self.table(instance, (param, block_size), (&of_keys.row, rows_of_values), &chunk)
        });
        let mut row_in_block = |share: &Share| {
            table.as_ref().map(|t| match t.granule == t.block_size || t.lane_within.is_some() {
                true => self.b.and(Type::B32, "r", &share.row, t.granule - 1),
                false => self.b.mov(Type::U32, "r", 0),
            })
        };
        let row_of_keys = row_in_block(&of_keys);
        let row_of_values = if qk == v { row_of_keys.clone() } else { row_in_block(&of_values) };
        let (k, v) = (self.attention.k, self.attention.v);
        let keys = self.source(instance, of_keys, (k, "k"), row_of_keys.as_ref(), &chunk);
        let values = self.source(instance, of_values, (v, "v"), row_of_values.as_ref(), &chunk);
        let col_begin = instance.col_begin.clone();
        let kv_len = match &col_begin {
            None => instance.kv_len.clone(),
            Some(begin) => self.b.sub(Type::U32, "keys_left", &instance.kv_len, begin),
        };
        let lane = instance.lane.clone();
        InRing { tile, stage, shared, kv_len, lane, chunk, col_begin, keys, values, table }
    }

    fn share(&mut self, swizzle: Swizzle, first_row: &Reg, lane_row: &Reg, chunk: &Reg) -> Share {
        let target = match self.ring.widens {
            true => self.widened_segments(swizzle, first_row, lane_row, chunk),
            false => self.swizzled_segments(swizzle, (first_row, swizzle.row_bytes), lane_row, chunk),
        };
        Share { row: self.b.add(Type::U32, "pass_row", first_row, lane_row), target }
    }

    fn source(
        &mut self,
        instance: &Instance,
        share: Share,
        (param, name): (ParamId, &str),
        row_in_block: Option<&Reg>,
        chunk: &Reg,
    ) -> Source {
        let base = self.param(Meaning::Pointer(param));
        let token_bytes = self.param(Meaning::TokenStride(param));
        let head_bytes = self.param(Meaning::HeadStride(param));
        let at = self.b.mad_wide("rd", &instance.kv_head, &head_bytes, &base);
        let at = self.b.mad_wide("rd", chunk, CHUNK, &at);
        let row = row_in_block.or(instance.kv_begin.as_ref()).expect("a contiguous source has starts");
        let row = &match &instance.col_begin {
            Some(begin) if row_in_block.is_none() => self.b.add(Type::U32, "r", row, begin),
            _ => row.clone(),
        };
        let address = self.b.mad_wide(format!("{name}_at").as_str(), row, &token_bytes, &at);
        let block_bytes = self.attention.table.map(|_| self.param(Meaning::BlockStride(param)));
        Source { share, address, token_bytes, block_bytes }
    }

    /// `rows` are those that this lane copies in the first pass, of K and, where they are others, of V.
    fn table(
        &mut self,
        instance: &Instance,
        (param, block_size): (ParamId, usize),
        rows: (&Reg, Option<&Reg>),
        chunk: &Reg,
    ) -> Table {
        let granule = gcd(block_size, self.ring.cols);
        let base = self.param(Meaning::Pointer(param));
        let stride = self.param(Meaning::TableStride(param));
        let bytes = self.b.shl(Type::B32, "r", &stride, 2);
        let row = self.b.mad_wide("table_row", &instance.sequence, &bytes, &base);
        let (of_keys, of_values) = match block_size < PERIOD {
            true => {
                let (of_keys, of_values) = rows;
                (self.rows_looked_up(of_keys, chunk), of_values.map(|row| self.rows_looked_up(row, chunk)))
            }
            false => {
                let row = self.b.mul_lo(Type::U32, "granule_row", &instance.lane, granule);
                (LookedUp { row, blocks: vec![self.b.reg(Type::U32, "block")] }, None)
            }
        };
        let divides = granule != block_size && !block_size.is_power_of_two();
        let lane_within = divides.then(|| self.b.reg(Type::U32, "within"));
        Table { row, block_size, granule, of_keys, of_values, lane_within }
    }

    /// A lane looks up its own row, in the pass of four that its chunk numbers.
    fn rows_looked_up(&mut self, row: &Reg, chunk: &Reg) -> LookedUp {
        let pass_rows = self.pass_rows();
        let passes = self.ring.cols / pass_rows;
        let row = self.b.mad_lo(Type::U32, "looked_up_row", chunk, pass_rows, row);
        let blocks = (0..passes.div_ceil(COPY_LANES)).map(|_| self.b.reg(Type::U32, "block")).collect();
        LookedUp { row, blocks }
    }

    /// Looks up the blocks of tile `index`, a granule or a few rows a lane. Positions outside the sequence, those of a tile
    /// left of column 0 among them, give block 0 and no access.
    pub(super) fn look_up(&mut self, ring: &InRing, index: &Reg) {
        let Some(table) = &ring.table else { return };
        let cols = self.ring.cols;
        let rows_apart = COPY_LANES * self.pass_rows();
        for LookedUp { row, blocks } in [&table.of_keys].into_iter().chain(&table.of_values) {
            let b = &mut self.b;
            let first = b.mad_lo(Type::U32, "r", index, cols, row);
            for (n, block) in blocks.iter().enumerate() {
                let position =
                    if n == 0 { first.clone() } else { b.add(Type::U32, "r", &first, n * rows_apart) };
                let inside = b.setp(Word::Lt, Type::U32, "p", &position, &ring.kv_len);
                let position = ring.column(b, position);
                let entry = b.div(Type::U32, "r", &position, table.block_size);
                if let Some(within) = &table.lane_within {
                    b.rem(Type::U32, within, &position, table.block_size);
                }
                let at = b.mad_wide("rd", &entry, 4, &table.row);
                b.mov(Type::U32, block, 0);
                b.guarded(&inside, false, |b| {
                    b.ld_constant(Type::U32, block, &at, 0);
                });
            }
        }
    }

    /// Fills a slot before the loop: K or V of tile `tile`, so many stages ahead, if it is `present`.
    pub(super) fn fill_slot(
        &mut self,
        ring: &InRing,
        keys: bool,
        stage: usize,
        tile: &Reg,
        checked: bool,
        present: &Reg,
    ) {
        let (which, buffer) = if keys { (Which::Keys, KEYS) } else { (Which::Values, VALUES) };
        let slot = self.slot_offset(buffer, stage);
        self.copy_tile(ring, (which, tile), (None, slot), checked, Some(present));
    }

    /// In the loop: K or V of the tile so many to the left. Where that is once around the ring it goes into the slot just used,
    /// else into the one before.
    pub(super) fn copy_ahead(
        &mut self,
        ring: &InRing,
        range: &ColumnRange,
        (buffer, ahead): (BufferId, usize),
        may_end: bool,
    ) {
        let which = if buffer == KEYS { Which::Keys } else { Which::Values };
        let slot = self.slot_offset(buffer, 0);
        if ahead == 0 {
            return self.copy_tile(ring, (which, &ring.tile), (None, slot), may_end, None);
        }
        let index = self.b.sub(Type::S32, "r", &ring.tile, ahead);
        let present = self.in_range(&index, range);
        let stage = match ahead == self.ring.stages {
            true => ring.stage.clone(),
            false => Some(self.stage_before(ring)),
        };
        self.copy_tile(ring, (which, &index), (stage.as_ref(), slot), false, Some(&present));
    }

    /// Moves on to the next stage of the ring.
    pub(super) fn next_stage(&mut self, ring: &InRing) {
        let Some(stage) = &ring.stage else { return };
        let (bytes, stages) = (self.plan.shared(KEYS).stride, self.ring.stages);
        let b = &mut self.b;
        let next = b.add(Type::U32, "r", stage, bytes);
        let wraps = b.setp(Word::Eq, Type::U32, "p", &next, bytes * stages);
        b.selp(Type::U32, stage, 0, &next, &wraps);
    }

    /// Byte offset of the stage before the current one, around the ring.
    fn stage_before(&mut self, ring: &InRing) -> Reg {
        let stage = ring.stage.as_ref().expect("several stages");
        let (bytes, stages) = (self.plan.shared(KEYS).stride, self.ring.stages);
        let b = &mut self.b;
        let first = b.setp(Word::Eq, Type::U32, "p", stage, 0);
        let before = b.sub(Type::U32, "r", stage, bytes);
        b.selp(Type::U32, "r", bytes * (stages - 1), &before, &first)
    }

    /// Shared offset of a ring's slot, from the start of the tiles.
    pub(super) fn slot_offset(&self, buffer: BufferId, slot: usize) -> usize {
        let Shared { offset, stride, .. } = *self.plan.shared(buffer);
        offset + slot * stride
    }

    /// Copies tile `index`. `checked` if it may reach past the sequence; `present` guards the copies of a tile
    /// that may not exist.
    fn copy_tile(
        &mut self,
        ring: &InRing,
        (which, index): (Which, &Reg),
        (stage, slot): (Option<&Reg>, usize),
        checked: bool,
        present: Option<&Reg>,
    ) {
        let source = if which == Which::Keys { &ring.keys } else { &ring.values };
        let Share { row: own_row, target: own } = &source.share;
        let (pass_rows, row_bytes) = (self.pass_rows(), own.swizzle.row_bytes);
        let cols = self.ring.cols;
        let passes = cols / pass_rows;
        let target = match stage {
            None => own.clone(),
            Some(stage) => {
                let mut in_stage = |at: &Reg| self.b.add(Type::U32, "r", at, stage);
                Segments {
                    of_span: own.of_span.iter().map(&mut in_stage).collect(),
                    half: own.half.as_ref().map(in_stage),
                    at_end: own.at_end.clone(),
                    ..*own
                }
            }
        };
        let left = checked.then(|| {
            // Rows of the tile that exist, less this thread's row of the first pass.
            let start = self.b.mad_lo(Type::U32, "r", index, cols, own_row);
            self.b.sub(Type::S32, "r", &ring.kv_len, &start)
        });
        let issue = |k: &mut Self, pass: usize, from: &Reg| {
            let inside = left.as_ref().map(|left| k.b.setp(Word::Gt, Type::S32, "p", left, pass * pass_rows));
            let to = (&target, slot + pass * pass_rows * row_bytes);
            k.copy_row(to, (from, &ring.chunk), inside.as_ref(), present);
        };
        match &ring.table {
            None => {
                let row = self.b.mad_lo(Type::U32, "r", index, cols, own_row);
                let mut at = self.b.mad_wide("rd", &row, &source.token_bytes, &source.address);
                for pass in 0..passes {
                    if pass > 0 {
                        at = self.b.mad_wide("rd", &source.token_bytes, pass_rows, &at);
                    }
                    issue(self, pass, &at);
                }
            }
            Some(table) => {
                let per_granule = (table.granule / pass_rows).max(1);
                let mut at = source.address.clone();
                for pass in 0..passes {
                    if pass % per_granule == 0 {
                        at = self.granule_address(ring, table, (which, source), index, pass * pass_rows);
                    } else {
                        at = self.b.mad_wide("rd", &source.token_bytes, pass_rows, &at);
                    }
                    issue(self, pass, &at);
                }
            }
        }
    }

    /// Address of this thread's chunk of row `first + pass_row` of tile `index`.
    fn granule_address(
        &mut self,
        ring: &InRing,
        table: &Table,
        (which, source): (Which, &Source),
        index: &Reg,
        first: usize,
    ) -> Reg {
        let stride = source.block_bytes.as_ref().expect("a paged source has a block stride");
        let blocks = &table.looked_up(which).blocks;
        if table.goes_by_rows() {
            let pass = first / self.pass_rows();
            let (block, lane) = (&blocks[pass / COPY_LANES], pass % COPY_LANES);
            // By a register where a warp copies little: with the constant ptxas spilled 8 to 124 bytes of prefills.
            let block = match self.ring.warps {
                1 => self.b.shfl_in_segment(Type::U32, "r", block, (lane, COPY_LANES)),
                _ => {
                    let of_row = self.b.and(Type::B32, "r", &ring.lane, LANES - COPY_LANES);
                    let lane = self.b.add(Type::U32, "r", &of_row, lane);
                    self.b.shfl(Word::Idx, Type::U32, "r", block, &lane)
                }
            };
            return self.b.mad_wide("rd", &block, stride, &source.address);
        }
        let lane: Operand = if self.pass_rows() > table.granule {
            let of_row = self.b.shr(Type::U32, "r", &source.share.row, table.granule.ilog2() as i32);
            let lane = self.b.add(Type::U32, "r", &of_row, first / table.granule);
            (&lane).into()
        } else {
            (first / table.granule).into()
        };
        let block = self.b.shfl(Word::Idx, Type::U32, "r", &blocks[0], lane.clone());
        let at = self.b.mad_wide("rd", &block, stride, &source.address);
        if table.granule == table.block_size {
            return at;
        }
        if let Some(within) = &table.lane_within {
            let within = self.b.shfl(Word::Idx, Type::U32, "r", within, lane);
            return self.b.mad_wide("rd", &within, &source.token_bytes, &at);
        }
        let (cols, row) = (self.ring.cols, self.b.add(Type::U32, "r", &source.share.row, first));
        let position = self.b.mad_lo(Type::U32, "r", index, cols, &row);
        let position = ring.column(&mut self.b, position);
        let within = self.b.rem(Type::U32, "r", &position, table.block_size);
        self.b.mad_wide("rd", &within, &source.token_bytes, &at)
    }

    /// Copies this lane's chunk of every segment of a row, where it is `present`: its numbers where it is `inside`, else
    /// zeros. It goes past L1, which tiles would only sweep. The four lanes of a row ask for half a line of 128 bytes; L2
    /// fetches all of it, and has the other half when the next instruction asks.
    fn copy_row(
        &mut self,
        (target, offset): (&Segments, usize),
        (from, chunk): (&Reg, &Reg),
        inside: Option<&Reg>,
        present: Option<&Reg>,
    ) {
        let size =
            |k: &mut Self, bytes: usize| inside.map(|inside| k.b.selp(Type::U32, "r", bytes, 0, inside));
        let of_chunk = size(self, CHUNK);
        let half = self.half_segment(target, chunk, from).map(|half| (half, size(self, HALF_CHUNK)));
        self.b.set_guard(present);
        for segment in 0..target.count() {
            let (to, along) = target.at(segment);
            self.b.cp_async_16((to, offset + along), (from, segment * SEGMENT), of_chunk.as_ref(), None);
        }
        if let Some(at_end) = &target.at_end {
            let (to, along) = target.at(target.count());
            let (n, has_chunk) = (
                target.count(),
                match present {
                    None => at_end.clone(),
                    Some(present) => {
                        self.b.set_guard(None);
                        self.b.and(Type::Pred, "p", present, at_end)
                    }
                },
            );
            self.b.set_guard(Some(&has_chunk));
            self.b.cp_async_16((to, offset + along), (from, n * SEGMENT), of_chunk.as_ref(), None);
        }
        if let Some((HalfSegment { shared, global, along }, size)) = half {
            self.b.cp_async_8((&shared, offset + along), (&global, along), size.as_ref());
        }
        self.b.set_guard(None);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Which {
    Keys,
    Values,
}
