//! The producer: one warp that copies.
//!
//! K and V come in boxes, one for each 64 columns of the head dimension and each run of rows that lie together: a
//! tile of contiguous keys, a block of paged ones. Each box is a lane's: lane `l` copies the boxes `l`, `l + 32`, …
//! A paged tile's blocks are looked up before the wait for its slot, so that no copy waits for the table, and what a
//! tile costs does not depend on where its blocks lie.
//!
//! V is copied one tile behind K: consumers ask for it so, and a K does not wait for the slot of a V that is needed
//! after it.

use super::barrier::{EMPTY, FULL, Position, Which};
use super::{Block, Hopper};
use crate::abi::{CopyBox, Divisor, Meaning};
use crate::lower::instance::Extent;
use crate::program::ParamId;
use flashpage_ptx::ast::Operand;
use flashpage_ptx::builder::{Reg, address, space, vector, word};
use flashpage_ptx::words::{Opcode, Space, Type, Word};

/// What the producer carries from tile to tile.
pub(super) struct Producer {
    /// Whether this lane says how many bytes come.
    pub first_lane: Reg,
    /// Slot of the K to copy next.
    keys: Position,
    /// Slot of the V to copy next, one tile behind.
    values: Position,
    pub query_parity: Reg,
    /// The boxes that a lane copies of every tile, one a round.
    boxes: Vec<LaneBox>,
    /// The sequence's row of the block table; paged only.
    table_row: Option<Reg>,
}

/// One box a lane.
struct LaneBox {
    /// Whether the lane has one.
    present: Reg,
    /// First row within the tile.
    row: Reg,
    /// First column of the head dimension.
    col: Reg,
    /// Byte offset within a tile.
    offset: Reg,
    /// Where it lies; paged only.
    paged: Option<Paged>,
}

/// Where a box lies of the K to copy next, and of the V.
struct Paged {
    of_keys: InPool,
    of_values: InPool,
}

/// A place in a pool of blocks.
struct InPool {
    /// Physical block.
    block: Reg,
    /// First row within the block.
    within: Reg,
}

impl Hopper<'_> {
    pub(super) fn producer(&mut self, block: &Block) {
        self.b.stage("PRODUCER: one warp copies");
        let (registers, warps) = (self.roles().producer_registers, self.schedule.warps);
        self.set_registers(Word::Dec, registers);
        let idle = self.b.setp(Word::Ne, Type::U32, "p", &block.warp, warps);
        self.b.guarded(&idle, false, |b| b.ret());
        let first_lane = self.b.setp(Word::Eq, Type::U32, "first_lane", &block.lane, 0);
        let (keys, values) = (self.first_position(1), self.first_position(1));
        let query_parity = self.b.mov(Type::U32, "query_parity", 1);
        let boxes = self.boxes(block);
        let mut producer = Producer { first_lane, keys, values, query_parity, boxes, table_row: None };

        let (walk, work) = self.begin_taking(&producer.first_lane);
        self.uniform.clear();
        let extent = self.extent(work, |b| b.bra(&walk.next));
        let range = self.column_range(&extent);
        self.tell(block, &walk.place, (&extent, &range), &producer);
        let first = self.same_in_all_lanes(&range.first);
        let tile = self.b.sub(Type::S32, "r", &range.end, 1);
        let tile = self.b.shfl(Word::Idx, Type::U32, "tile", &tile, 0);
        let nothing = self.b.setp(Word::Lt, Type::S32, "p", &tile, &first);
        self.b.guarded(&nothing, false, |b| b.bra(&walk.next));
        producer.table_row = self.table_row(&extent);

        self.b.stage("K of the rightmost tile, and Q");
        self.look_up(&extent, &producer, &tile);
        self.copy_tile(block, &extent, &producer, Which::Keys, &tile);
        self.copy_query(block, &extent, &producer);

        self.b.stage("right to left: K of a tile, and V of the one before it");
        let (top, done) = (self.b.label("copy"), self.b.label("copied"));
        self.b.place(&top);
        let before = self.b.mov(Type::U32, "before", &tile);
        self.pass_on(&producer);
        self.b.sub(Type::S32, &tile, &tile, 1);
        let over = self.b.setp(Word::Lt, Type::S32, "p", &tile, &first);
        self.b.guarded(&over, false, |b| b.bra(&done));
        self.look_up(&extent, &producer, &tile);
        self.copy_tile(block, &extent, &producer, Which::Keys, &tile);
        self.copy_tile(block, &extent, &producer, Which::Values, &before);
        self.b.bra(&top);
        self.b.place(&done);

        self.b.stage("V of the leftmost tile");
        self.copy_tile(block, &extent, &producer, Which::Values, &before);
        self.next_taken(&walk);
        self.tell_over(block, &walk.place, &producer.first_lane);
    }

    /// Goes on to the next tile: what was K's is V's now.
    fn pass_on(&mut self, producer: &Producer) {
        self.move_position(&producer.values, &producer.keys);
        self.advance(&producer.keys);
        for Paged { of_keys, of_values } in
            producer.boxes.iter().filter_map(|lane_box| lane_box.paged.as_ref())
        {
            self.b.mov(Type::U32, &of_values.block, &of_keys.block);
            self.b.mov(Type::U32, &of_values.within, &of_keys.within);
        }
    }

    /// A register that ptxas knows to be the same in all lanes, so that what is made of it can be too.
    pub(super) fn same_in_all_lanes(&mut self, value: &Reg) -> Reg {
        self.b.shfl(Word::Idx, Type::U32, "uniform", value, 0)
    }

    /// Which boxes of a tile are this lane's.
    fn boxes(&mut self, block: &Block) -> Vec<LaneBox> {
        let rows = self.roles().box_rows;
        let granules = self.schedule.cols / rows;
        let count = granules * self.schedule.panels();
        let panels = self.column_panels();
        let paged = self.attention.table.is_some();
        let mut boxes = Vec::new();
        for first in (0..count).step_by(32) {
            let b = &mut self.b;
            let index = b.add(Type::U32, "r", &block.lane, first);
            let present = b.setp(Word::Lt, Type::U32, "present", &index, count);
            let panel = b.div(Type::U32, "r", &index, granules);
            let granule = b.rem(Type::U32, "r", &index, granules);
            let row = b.mul_lo(Type::U32, "box_row", &granule, rows);
            let col = b.mul_lo(Type::U32, "box_col", &panel, panels.span / 2);
            let along = b.mul_lo(Type::U32, "r", &row, panels.span);
            let offset = b.mad_lo(Type::U32, "box_at", &panel, panels.panel_bytes(), &along);
            let mut in_pool =
                || InPool { block: b.reg(Type::U32, "block"), within: b.reg(Type::U32, "within") };
            let paged = paged.then(|| Paged { of_keys: in_pool(), of_values: in_pool() });
            boxes.push(LaneBox { present, row, col, offset, paged });
        }
        boxes
    }

    /// The sequence's row of the block table.
    fn table_row(&mut self, extent: &Extent) -> Option<Reg> {
        let table = self.attention.table?;
        let base = self.param(Meaning::Pointer(table));
        let stride = self.param(Meaning::TableStride(table));
        let bytes = self.b.shl(Type::B32, "r", &stride, 2);
        Some(self.b.mad_wide("table_row", &extent.sequence, &bytes, &base))
    }

    /// Looks up the physical blocks of tile `tile`. Past the sequence's end a table may hold anything.
    fn look_up(&mut self, extent: &Extent, producer: &Producer, tile: &Reg) {
        let Some(table_row) = &producer.table_row else { return };
        let block_size = self.spec.block_size.expect("compile() asks for a block size");
        let cols = self.schedule.cols;
        for lane_box in &producer.boxes {
            let Some(Paged { of_keys: InPool { block, within }, .. }) = &lane_box.paged else { continue };
            let b = &mut self.b;
            let position = b.mad_lo(Type::U32, "r", tile, cols, &lane_box.row);
            let position = match &extent.col_begin {
                None => position,
                Some(begin) => b.add(Type::U32, "r", &position, begin),
            };
            let entry = b.div(Type::U32, "r", &position, block_size);
            b.rem(Type::U32, within, &position, block_size);
            let at = b.mad_wide("rd", &entry, 4, table_row);
            b.mov(Type::U32, block, 0);
            let exists = b.setp_and(Word::Lt, Type::U32, "p", &position, &extent.kv_len, &lane_box.present);
            b.guarded(&exists, false, |b| {
                b.ld_constant(Type::U32, block, &at, 0);
            });
        }
    }

    /// Copies the Q of this tile.
    fn copy_query(&mut self, block: &Block, extent: &Extent, producer: &Producer) {
        let parity = &producer.query_parity;
        self.b.comment("Q");
        let query = self.attention.q;
        let by_packed = self.reciprocal(Divisor::PackedHeads);
        let panels = self.row_panels();
        let (row_bytes, count) = (self.schedule.head_dim * 2, self.schedule.panels());
        self.wait(&block.barriers, EMPTY, parity);
        self.b.xor(Type::B32, parity, parity, 1);
        let used = self.whole_tokens(panels.rows);
        let bytes = self.b.mul_lo(Type::U32, "r", &used, row_bytes);
        self.expect(&block.barriers, &bytes, &producer.first_lane);
        let b = &mut self.b;
        let token = b.quotient("r", &extent.row0, &by_packed);
        let token = b.add(Type::U32, "r", &token, &extent.q_begin);
        let col = b.mul_lo(Type::U32, "r", &block.lane, panels.span / 2);
        let to = b.mad_lo(Type::U32, "r", &block.lane, panels.panel_bytes(), &block.shared);
        let present = b.setp(Word::Lt, Type::U32, "p", &block.lane, count);
        let map = self.map(query);
        self.b.set_guard(Some(&present));
        self.bulk_load(&map, &[&col, &extent.head0, &token], &to, &block.barriers);
        self.b.set_guard(None);
    }

    /// Copies a tile of K or V into its slot, once that is empty.
    fn copy_tile(&mut self, block: &Block, extent: &Extent, producer: &Producer, which: Which, tile: &Reg) {
        let (name, param, at) = match which {
            Which::Keys => ("K", self.attention.k, &producer.keys),
            Which::Values => ("V", self.attention.v, &producer.values),
        };
        self.b.comment(name);
        let barriers = self.slot_barriers(block, which, at);
        let slot = self.slot_address(block, which, at);
        self.wait(&barriers, EMPTY, &at.parity);
        let paged = self.attention.table.is_some();
        let cols = self.schedule.cols;
        let row_bytes = self.schedule.head_dim * 2;
        // Rows of this tile that exist: boxes past the end are left out.
        let left = paged.then(|| {
            let start = self.tile_start(extent, tile);
            self.b.sub(Type::U32, "r", &extent.kv_len, &start)
        });
        let bytes: Operand = match &left {
            None => (cols * row_bytes).into(),
            Some(left) => {
                let rows = self.roles().box_rows;
                let b = &mut self.b;
                let granules = b.add(Type::U32, "r", left, rows - 1);
                let granules = b.div(Type::U32, "r", &granules, rows);
                let granules = b.min(Type::U32, "r", &granules, cols / rows);
                (&b.mul_lo(Type::U32, "r", &granules, rows * row_bytes)).into()
            }
        };
        self.expect(&barriers, bytes, &producer.first_lane);
        let map = self.map(param);
        for lane_box in &producer.boxes {
            let b = &mut self.b;
            let to = b.add(Type::U32, "r", &slot, &lane_box.offset);
            let present = match &left {
                Some(left) => b.setp_and(Word::Lt, Type::U32, "p", &lane_box.row, left, &lane_box.present),
                None => lane_box.present.clone(),
            };
            let mut coordinates = vec![lane_box.col.clone()];
            match &lane_box.paged {
                Some(paged) => {
                    let InPool { block, within } =
                        if which == Which::Keys { &paged.of_keys } else { &paged.of_values };
                    coordinates.extend([within.clone(), extent.kv_head.clone(), block.clone()]);
                }
                None => {
                    let begin = extent.kv_begin.as_ref().expect("a contiguous source has starts");
                    let row = b.mad_lo(Type::U32, "r", tile, cols, begin);
                    let row = match &extent.col_begin {
                        None => row,
                        Some(first) => b.add(Type::U32, "r", &row, first),
                    };
                    let row = b.add(Type::U32, "r", &row, &lane_box.row);
                    coordinates.extend([row, extent.kv_head.clone()]);
                }
            }
            let coordinates: Vec<&Reg> = coordinates.iter().collect();
            self.b.set_guard(Some(&present));
            self.bulk_load(&map, &coordinates, &to, &barriers);
            self.b.set_guard(None);
        }
    }

    /// The address of a parameter's tensor map.
    pub(super) fn map(&self, param: ParamId) -> Reg {
        let kind = self.program.params[param.0].kind;
        let of: CopyBox = self.schedule.copy_box(kind);
        self.param(Meaning::TensorMap(param, of))
    }

    /// A bulk copy into shared memory that counts its bytes at `barrier`.
    fn bulk_load(&mut self, map: &Reg, coordinates: &[&Reg], to: &Reg, barrier: &Reg) {
        let rank = if coordinates.len() == 3 { Word::D3 } else { Word::D4 };
        let mods = [
            word(Word::Async),
            word(Word::Bulk),
            word(Word::Tensor),
            word(rank),
            space(Space::SharedCluster),
            space(Space::Global),
            word(Word::Tile),
            word(Word::MbarrierCompleteTxBytes),
        ];
        let from = Operand::AddressList(vec![map.into(), vector(coordinates)]);
        self.b.emit(Opcode::Cp, &mods, vec![address(to, 0), from, address(barrier, FULL as i64)]);
    }
}
