//! The producer: one warp that copies.
//!
//! K and V come in boxes, one for each 64 columns of the head dimension and each run of rows that lie together: a
//! tile of contiguous keys, a block of paged ones. Each box is a lane's: lane `l` copies the boxes `l`, `l + 32`, …
//! A paged tile's blocks are looked up while the tile before it is being copied, so that no copy waits for the table,
//! and what a tile costs does not depend on where its blocks lie.

use super::barrier::{EMPTY, FULL, Position, Which};
use super::{Block, Hopper};
use crate::abi::{CopyBox, Meaning};
use crate::lower::instance::{Instance, Lanes};

use crate::program::ParamId;
use flashpage_ptx::ast::Operand;
use flashpage_ptx::builder::{Reg, address, space, vector, word};
use flashpage_ptx::words::{Opcode, Space, Type, Word};

/// The boxes that a lane copies of every tile.
struct Boxes {
    /// A lane's rounds.
    rounds: Vec<Round>,
    /// Row of the block table; paged only.
    table_row: Option<Reg>,
}

/// One box a lane.
struct Round {
    /// Whether the lane has one.
    present: Reg,
    /// First row within the tile.
    row: Reg,
    /// First column of the head dimension.
    col: Reg,
    /// Byte offset within a tile.
    offset: Reg,
    /// Physical block of the tile about to be copied; paged only.
    block: Option<Reg>,
    /// First row within the block; paged only.
    within: Option<Reg>,
}

impl Hopper<'_> {
    pub(super) fn producer(&mut self, block: &Block) {
        self.b.stage("PRODUCER: one warp copies");
        let (registers, warps) = (self.roles().producer_registers, self.schedule.warps);
        self.set_registers(Word::Dec, registers);
        let idle = self.b.setp(Word::Ne, Type::U32, "p", &block.warp, warps);
        self.b.guarded(&idle, false, |b| b.ret());
        let first_lane = self.b.setp(Word::Eq, Type::U32, "p", &block.lane, 0);
        let position = self.first_position(1);
        let query_parity = self.b.mov(Type::U32, "query_parity", 1);
        let mut boxes = self.boxes(block);

        let (walk, work) = self.begin_walk();
        self.uniform.clear();
        let lanes = Lanes {
            thread: block.thread.clone(),
            lane: block.lane.clone(),
            warp_row: block.lane.clone(),
            lane_col: block.lane.clone(),
        };
        let instance = self.instance(lanes, work, |b| b.bra(&walk.next));
        let range = self.column_range(&instance);
        let first = self.same_in_all_lanes(&range.first);
        let tile = self.b.sub(Type::S32, "tile", &range.end, 1);
        let tile = self.b.shfl(Word::Idx, Type::U32, "tile", &tile, 0);
        let nothing = self.b.setp(Word::Lt, Type::S32, "p", &tile, &first);
        self.b.guarded(&nothing, false, |b| b.bra(&walk.next));
        self.begin_table(&instance, &mut boxes);
        self.look_up(&instance, &boxes, &tile, true);

        self.b.stage("the rightmost tile, and Q before V");
        self.copy_tile(block, &instance, &boxes, Which::Keys, &position, &tile, true, &first_lane);
        self.copy_query(block, &instance, &query_parity, &first_lane);
        self.copy_tile(block, &instance, &boxes, Which::Values, &position, &tile, true, &first_lane);
        self.advance(&position);

        self.b.stage("the others, right to left");
        let (top, done) = (self.b.label("copy"), self.b.label("copied"));
        self.b.place(&top);
        self.b.sub(Type::S32, &tile, &tile, 1);
        let over = self.b.setp(Word::Lt, Type::S32, "p", &tile, &first);
        self.b.guarded(&over, false, |b| b.bra(&done));
        self.look_up(&instance, &boxes, &tile, false);
        self.copy_tile(block, &instance, &boxes, Which::Keys, &position, &tile, false, &first_lane);
        self.copy_tile(block, &instance, &boxes, Which::Values, &position, &tile, false, &first_lane);
        self.advance(&position);
        self.b.bra(&top);
        self.b.place(&done);
        self.next_work(&walk);
    }

    /// A register that ptxas knows to be the same in all lanes, so that what is made of it can be too.
    pub(super) fn same_in_all_lanes(&mut self, value: &Reg) -> Reg {
        self.b.shfl(Word::Idx, Type::U32, "uniform", value, 0)
    }

    /// Which boxes of a tile are this lane's.
    fn boxes(&mut self, block: &Block) -> Boxes {
        let rows = self.roles().box_rows;
        let granules = self.schedule.cols / rows;
        let count = granules * self.schedule.panels();
        let panels = self.column_panels();
        let paged = self.attention.table.is_some();
        let mut rounds = Vec::new();
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
            let block = paged.then(|| b.reg(Type::U32, "block"));
            let within = paged.then(|| b.reg(Type::U32, "within"));
            rounds.push(Round { present, row, col, offset, block, within });
        }
        Boxes { rounds, table_row: None }
    }

    /// The sequence's row of the block table.
    fn begin_table(&mut self, instance: &Instance, boxes: &mut Boxes) {
        let Some(table) = self.attention.table else { return };
        let base = self.param(Meaning::Pointer(table));
        let stride = self.param(Meaning::TableStride(table));
        let bytes = self.b.shl(Type::B32, "r", &stride, 2);
        boxes.table_row = Some(self.b.mad_wide("table_row", &instance.sequence, &bytes, &base));
    }

    /// Looks up the physical blocks of tile `tile`. Only the rightmost may reach past the sequence, where a table may
    /// hold anything.
    fn look_up(&mut self, instance: &Instance, boxes: &Boxes, tile: &Reg, rightmost: bool) {
        let Some(table_row) = &boxes.table_row else { return };
        let block_size = self.spec.block_size.expect("compile() asks for a block size");
        for round in &boxes.rounds {
            let (Some(physical), Some(within)) = (&round.block, &round.within) else { continue };
            let cols = self.schedule.cols;
            let b = &mut self.b;
            let position = b.mad_lo(Type::U32, "r", tile, cols, &round.row);
            let entry = b.div(Type::U32, "r", &position, block_size);
            b.rem(Type::U32, within, &position, block_size);
            let at = b.mad_wide("rd", &entry, 4, table_row);
            b.mov(Type::U32, physical, 0);
            let exists = match rightmost {
                true => b.setp_and(Word::Lt, Type::U32, "p", &position, &instance.kv_len, &round.present),
                false => round.present.clone(),
            };
            b.guarded(&exists, false, |b| {
                b.ld_constant(Type::U32, physical, &at, 0);
            });
        }
    }

    /// Copies the Q of this tile.
    fn copy_query(&mut self, block: &Block, instance: &Instance, parity: &Reg, first_lane: &Reg) {
        self.b.comment("Q");
        let query = self.attention.q;
        let packed = self.param(Meaning::PackedHeads);
        let panels = self.row_panels();
        let (row_bytes, count) = (self.schedule.head_dim * 2, self.schedule.panels());
        self.wait(&block.barriers, EMPTY, parity);
        self.b.xor(Type::B32, parity, parity, 1);
        let b = &mut self.b;
        let spare = b.rem(Type::U32, "r", panels.rows, &packed);
        let used = b.sub(Type::U32, "r", panels.rows, &spare);
        let bytes = b.mul_lo(Type::U32, "r", &used, row_bytes);
        self.expect(&block.barriers, &bytes, first_lane);
        let b = &mut self.b;
        let token = b.div(Type::U32, "r", &instance.row0, &packed);
        let token = b.add(Type::U32, "r", &token, &instance.q_begin);
        let col = b.mul_lo(Type::U32, "r", &block.lane, panels.span / 2);
        let to = b.mad_lo(Type::U32, "r", &block.lane, panels.panel_bytes(), &block.shared);
        let present = b.setp(Word::Lt, Type::U32, "p", &block.lane, count);
        let map = self.map(query);
        self.b.set_guard(Some(&present));
        self.bulk_load(&map, &[&col, &instance.head0, &token], &to, &block.barriers);
        self.b.set_guard(None);
    }

    /// Copies tile `tile` of K or V into its slot, once that is empty.
    #[allow(clippy::too_many_arguments)]
    fn copy_tile(
        &mut self,
        block: &Block,
        instance: &Instance,
        boxes: &Boxes,
        which: Which,
        at: &Position,
        tile: &Reg,
        rightmost: bool,
        first_lane: &Reg,
    ) {
        let (name, param) = match which {
            Which::Keys => ("K", self.attention.k),
            Which::Values => ("V", self.attention.v),
        };
        self.b.comment(name);
        let barriers = self.slot_barriers(block, which, at);
        let slot = self.slot_address(block, which, at);
        self.wait(&barriers, EMPTY, &at.parity);
        let paged = self.attention.table.is_some();
        let cols = self.schedule.cols;
        let row_bytes = self.schedule.head_dim * 2;
        // Rows of this tile that exist, where boxes past the end are left out.
        let left = (rightmost && paged).then(|| {
            let start = self.b.mul_lo(Type::U32, "r", tile, cols);
            self.b.sub(Type::U32, "r", &instance.kv_len, &start)
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
        self.expect(&barriers, bytes, first_lane);
        let map = self.map(param);
        for round in &boxes.rounds {
            let b = &mut self.b;
            let to = b.add(Type::U32, "r", &slot, &round.offset);
            let present = match &left {
                Some(left) => b.setp_and(Word::Lt, Type::U32, "p", &round.row, left, &round.present),
                None => round.present.clone(),
            };
            let coordinates = match (&round.block, &round.within, &instance.kv_begin) {
                (Some(physical), Some(within), _) => vec![&round.col, within, &instance.kv_head, physical],
                (_, _, Some(begin)) => {
                    let row = b.mad_lo(Type::U32, "r", tile, cols, begin);
                    let row = b.add(Type::U32, "r", &row, &round.row);
                    self.b.set_guard(Some(&present));
                    self.bulk_load(&map, &[&round.col, &row, &instance.kv_head], &to, &barriers);
                    self.b.set_guard(None);
                    continue;
                }
                _ => continue,
            };
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
