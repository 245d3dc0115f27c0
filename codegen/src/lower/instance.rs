//! Which sequence, heads and rows a block owns, and where in the tensors they lie.
//!
//! A tile's rows are (query token, packed head) pairs: row `r` of a sequence is token `r / packed` and head
//! `head0 + r % packed`. With one packed head that is the token itself; with all heads of a group it lets one
//! decoded token fill a tile. Each lane works out the pair of one row of its warp and the others ask for it
//! by `shfl`, so the division is done once.
//!
//! A grid kernel works its extent out from the batch's starts and lengths; a planned one reads it from an item of its
//! list ([`crate::work_list`]), and then columns need not begin at 0.

use super::kernel::Kernel;
use crate::abi::{Divisor, Meaning};
use crate::layout::fragment::{FIRST_COL, QUAD_LANE};
use crate::work_list;
use flashpage_ptx::ast::Axis;
use flashpage_ptx::builder::{Builder, Reg, vector};
use flashpage_ptx::words::{Opcode, Space, Special, Type, Word};
use std::ops::Deref;

/// Registers that say what a tile of rows covers.
pub(super) struct Extent {
    /// Sequence of the batch.
    pub sequence: Reg,
    /// First token of the sequence's queries.
    pub q_begin: Reg,
    /// First token of the sequence's keys; contiguous sources only.
    pub kv_begin: Option<Reg>,
    /// First column of the leftmost tile of columns; `None` where that is column 0.
    pub col_begin: Option<Reg>,
    /// One past the last column: keys of the sequence, or where an item of a list ends.
    pub kv_len: Reg,
    /// Position of the first query: `kv_len - q_len` where the whole sequence is seen.
    pub q_offset: Reg,
    /// First KV head.
    pub kv_head: Reg,
    /// First query head of the tile.
    pub head0: Reg,
    /// First row of the tile.
    pub row0: Reg,
    /// One past the tile's last row, or past the sequence's where no tile that is shorter than others needs to know.
    pub end: Reg,
    /// Partial row of the tile's first row; partial kernels only.
    pub part: Option<Reg>,
    /// Whether sinks are counted here, 0 where they are not; partial kernels with sinks only.
    pub has_sinks: Option<Reg>,
}

/// An extent, and what this lane is in it.
pub(super) struct Instance {
    pub extent: Extent,
    /// Lane of the warp.
    pub lane: Reg,
    /// Thread of the block.
    pub thread: Reg,
    /// First of the warp's rows within the tile.
    pub warp_row: Reg,
    /// Which part of O's columns the warp has; `None` where it has all.
    pub columns_part: Option<Reg>,
    /// `lane % 4 * 2`: first column of a lane within an accumulator block.
    pub lane_col: Reg,
    /// The lane's first column in the leftmost tile of columns.
    pub first_col: Reg,
    /// Token of this lane's row (`warp_row + lane % rows_per_warp`), the last row's for rows past the end.
    pub lane_token: Reg,
    /// Query head of this lane's row.
    pub lane_head: Reg,
}

impl Deref for Instance {
    type Target = Extent;

    fn deref(&self) -> &Extent {
        &self.extent
    }
}

/// What a block does next.
#[derive(Clone)]
pub(super) enum Assignment {
    /// A tile of rows of the whole launch.
    Tile {
        sequence: Reg,
        /// Which of the groups of packed heads.
        head_block: Reg,
        /// Which tile of the sequence's rows.
        row_tile: Reg,
    },
    /// An item of a list, by its address.
    Item(Reg),
}

/// Who this thread is.
#[derive(Clone)]
pub(super) struct Lanes {
    pub thread: Reg,
    pub lane: Reg,
    pub warp_row: Reg,
    pub columns_part: Option<Reg>,
    pub lane_col: Reg,
}

impl Kernel<'_> {
    /// Thread and lane, with warps from 0 on owning the rows of a tile in order, once for each part of O's columns.
    pub(super) fn lanes(&mut self) -> Lanes {
        let rows_per_warp = self.schedule.rows_per_warp();
        let (split, warps) = (self.schedule.split, self.schedule.warps / self.schedule.split);
        let b = &mut self.b;
        let thread = b.special("thread", Special::Tid, Some(Axis::X));
        let lane = b.and(Type::B32, "lane", &thread, 31);
        let warp = b.shr(Type::U32, "warp", &thread, 5);
        let columns_part = (split > 1).then(|| b.div(Type::U32, "columns_part", &warp, warps));
        let warp = if split > 1 { b.rem(Type::U32, "r", &warp, warps) } else { warp };
        let warp_row = b.mul_lo(Type::U32, "warp_row", &warp, rows_per_warp);
        let lane_col = self.of_lane("lane_col", &lane, FIRST_COL);
        Lanes { thread, lane, warp_row, columns_part, lane_col }
    }

    /// What this lane is in a tile of rows.
    pub(super) fn instance(&mut self, lanes: Lanes, extent: Extent) -> Instance {
        let rows_per_warp = self.schedule.rows_per_warp();
        let (packed, by_packed) = (self.param(Meaning::PackedHeads), self.reciprocal(Divisor::PackedHeads));
        let Lanes { thread, lane, warp_row, columns_part, lane_col } = lanes;
        let b = &mut self.b;
        b.comment("this lane's row: its token and head");
        let in_warp = b.and(Type::B32, "r", &lane, rows_per_warp - 1);
        let row = b.add(Type::U32, "r", &warp_row, &in_warp);
        let row = b.add(Type::U32, "r", &row, &extent.row0);
        let last_row = b.sub(Type::U32, "r", &extent.end, 1);
        let row = b.min(Type::U32, "r", &row, &last_row);
        let lane_token = b.quotient("lane_token", &row, &by_packed);
        let whole = b.mul_lo(Type::U32, "r", &lane_token, &packed);
        let head = b.sub(Type::U32, "r", &row, &whole);
        let lane_head = b.add(Type::U32, "lane_head", &head, &extent.head0);
        let first_col = match &extent.col_begin {
            None => lane_col.clone(),
            Some(begin) => b.add(Type::U32, "first_col", begin, &lane_col),
        };
        Instance { extent, lane, thread, warp_row, columns_part, lane_col, first_col, lane_token, lane_head }
    }

    /// `at` behind the warp's first column of O, where a column takes so many bytes.
    pub(super) fn at_own_columns(&mut self, instance: &Instance, at: Reg, column_bytes: usize) -> Reg {
        let bytes = self.schedule.output_columns() * column_bytes;
        match &instance.columns_part {
            None => at,
            Some(part) if matches!(at.ty(), Type::B64 | Type::U64) => self.b.mad_wide("rd", part, bytes, &at),
            Some(part) => self.b.mad_lo(Type::U32, "r", part, bytes, &at),
        }
    }

    /// Whether the lane is the one that stores a number of its row: the first of its four, in a warp with O's first columns.
    pub(super) fn stores_of_row(&mut self, instance: &Instance) -> Reg {
        let lane_in_row = self.of_lane("r", &instance.lane, QUAD_LANE);
        match &instance.columns_part {
            None => self.b.setp(Word::Eq, Type::U32, "p", &lane_in_row, 0),
            Some(part) => {
                let either = self.b.or(Type::B32, "r", &lane_in_row, part);
                self.b.setp(Word::Eq, Type::U32, "p", &either, 0)
            }
        }
    }

    /// What a tile of rows covers. `past` leaves where it lies past its sequence's end, which no item of a list does.
    pub(super) fn extent(&mut self, work: Assignment, past: impl FnOnce(&mut Builder)) -> Extent {
        let group_blocks = self.reciprocal(Divisor::GroupBlocks);
        let attention = self.attention;
        let packed = self.param(Meaning::PackedHeads);
        let (sequence, head_block, row_tile) = match work {
            Assignment::Tile { sequence, head_block, row_tile } => (sequence, head_block, row_tile),
            Assignment::Item(item) => return self.extent_of_item(&item),
        };
        let (q_begin, q_len) = self.sequence_extent(Meaning::Starts(attention.q), &sequence, "q");
        let (kv_begin, kv_len) = match attention.table {
            None => {
                let (begin, len) = self.sequence_extent(Meaning::Starts(attention.k), &sequence, "kv");
                (Some(begin), len)
            }
            Some(table) => {
                let lens = self.param(Meaning::SeqLens(table));
                let at = self.b.mad_wide("rd", &sequence, 4, &lens);
                (None, self.b.ld_constant(Type::U32, "kv_len", &at, 0))
            }
        };
        let (rows, row0, end) = self.tile_extent(&q_len, &row_tile);
        let b = &mut self.b;
        let is_past = b.setp(Word::Ge, Type::U32, "p", &row0, &rows);
        b.guarded(&is_past, false, past);
        let q_offset = b.sub(Type::S32, "q_offset", &kv_len, &q_len);
        let head0 = b.mul_lo(Type::U32, "head0", &head_block, &packed);
        let kv_head = b.quotient("kv_head", &head_block, &group_blocks);
        Extent {
            sequence,
            q_begin,
            kv_begin,
            col_begin: None,
            kv_len,
            q_offset,
            kv_head,
            head0,
            row0,
            end,
            part: None,
            has_sinks: None,
        }
    }

    /// What an item of a work list covers.
    fn extent_of_item(&mut self, item: &Reg) -> Extent {
        use work_list::Word;
        let group_blocks = self.reciprocal(Divisor::GroupBlocks);
        let packed = self.param(Meaning::PackedHeads);
        let is_paged = self.attention.table.is_some();
        let is_partial = self.spec.work == crate::spec::Work::Partials;
        let counts_sinks = is_partial && self.attention.counts_once();
        let b = &mut self.b;
        let mut word = |group: &str, word: Word| b.ld_constant(Type::U32, group, item, word.offset());
        let q_begin = word("q_begin", Word::QBegin);
        let q_len = word("q_len", Word::QLen);
        let q_offset = word("q_offset", Word::QPosition);
        let sequence = word("sequence", Word::Sequence);
        let kv_begin = (!is_paged).then(|| word("kv_begin", Word::KvBegin));
        let col_begin = Some(word("col_begin", Word::ColBegin));
        let kv_len = word("col_end", Word::ColEnd);
        let head_block = word("head_block", Word::HeadBlock);
        let row_tile = word("row_tile", Word::RowTile);
        let part = is_partial.then(|| word("part", Word::Part));
        let has_sinks = counts_sinks.then(|| word("has_sinks", Word::HasSinks));
        let (_, row0, end) = self.tile_extent(&q_len, &row_tile);
        let b = &mut self.b;
        let head0 = b.mul_lo(Type::U32, "head0", &head_block, &packed);
        let kv_head = b.quotient("kv_head", &head_block, &group_blocks);
        Extent {
            sequence,
            q_begin,
            kv_begin,
            col_begin,
            kv_len,
            q_offset,
            kv_head,
            head0,
            row0,
            end,
            part,
            has_sinks,
        }
    }

    /// The address of item `index` of the work list.
    pub(super) fn item(&mut self, index: &Reg) -> Reg {
        let list = self.param(Meaning::WorkList);
        let b = &mut self.b;
        let at = b.mad_wide("rd", index, 4 * work_list::ITEM_WORDS, &list);
        b.add(Type::U64, "item", &at, 4 * work_list::HEADER_WORDS)
    }

    /// Items of the work list.
    pub(super) fn items(&mut self) -> Reg {
        let list = self.param(Meaning::WorkList);
        self.b.ld_constant(Type::U32, "items", &list, 0)
    }

    /// Rows of a sequence, and first and end of a tile of them.
    fn tile_extent(&mut self, q_len: &Reg, row_tile: &Reg) -> (Reg, Reg, Reg) {
        let (packed, by_packed) = (self.param(Meaning::PackedHeads), self.reciprocal(Divisor::PackedHeads));
        let b = &mut self.b;
        let rows = b.mul_lo(Type::U32, "rows", q_len, &packed);
        if self.schedule.roles().is_none() {
            let row0 = b.mul_lo(Type::U32, "row0", row_tile, self.schedule.rows);
            return (rows.clone(), row0, rows);
        }
        b.comment("a tile has whole tokens");
        let tokens = b.quotient("r", self.schedule.rows, &by_packed);
        let used = b.mul_lo(Type::U32, "tile_rows", &tokens, &packed);
        let row0 = b.mul_lo(Type::U32, "row0", row_tile, &used);
        let end = b.add(Type::U32, "r", &row0, &used);
        let end = b.min(Type::U32, "end", &end, &rows);
        (rows, row0, end)
    }

    /// Begin and length of a sequence from an array of starts.
    fn sequence_extent(&mut self, starts: Meaning, sequence: &Reg, name: &str) -> (Reg, Reg) {
        let starts = self.param(starts);
        let at = self.b.mad_wide("rd", sequence, 4, &starts);
        let begin = self.b.ld_constant(Type::U32, format!("{name}_begin").as_str(), &at, 0);
        let end = self.b.ld_constant(Type::U32, "r", &at, 4);
        let len = self.b.sub(Type::U32, format!("{name}_len").as_str(), &end, &begin);
        (begin, len)
    }

    /// `register` as held by the lane that worked out row `in_warp + lane / lanes_per_row` of the warp.
    pub(super) fn of_row(&mut self, group: &str, register: &Reg, source_lane: &Reg) -> Reg {
        self.b.shfl(Word::Idx, Type::U32, group, register, source_lane)
    }

    /// The 64-bit address of a (token, head) row of a [tokens, heads, D] tensor.
    pub(super) fn row_address(
        &mut self,
        base: &Reg,
        strides: (Meaning, Meaning),
        token: &Reg,
        head: &Reg,
    ) -> Reg {
        let (token_stride, head_stride) = (self.param(strides.0), self.param(strides.1));
        let at = self.b.mad_wide("rd", token, &token_stride, base);
        self.b.mad_wide("rd", head, &head_stride, &at)
    }

    /// `ld.shared.v4`, `st.global.v4` and the like: 16 bytes; or `v2`, half of it.
    pub(super) fn move_chunk<const WORDS: usize>(
        &mut self,
        op: Opcode,
        space: Space,
        regs: [&Reg; WORDS],
        at: &Reg,
        offset: i64,
    ) {
        use flashpage_ptx::builder::{address, space as in_space, ty, word};
        let mods = [in_space(space), word(if WORDS == 4 { Word::V4 } else { Word::V2 }), ty(Type::B32)];
        let (data, at) = (vector(&regs), address(at, offset));
        let operands = if op == Opcode::Ld { vec![data, at] } else { vec![at, data] };
        self.b.emit(op, &mods, operands);
    }
}
