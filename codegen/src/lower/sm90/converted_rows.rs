//! Rows that the producer's warps read from device memory, convert and write to where `wgmma` reads them
//! ([`crate::layout::converted_copy`]): f32, which is split, and 8 bits, which are widened.
//!
//! A row's address is worked out by the lanes that copy it, so contiguous, ragged and paged keys of any block size come alike, and so
//! does Q of f32. Where keys are paged each of a row's lanes looks its block up; those of rows that are on their way next are asked
//! for while these come. A row past the sequence's end is read as the last one: no lane asks whether its row exists, what is written is
//! some number of the sequence's own, and its probability is 0.
//!
//! What a lane has on its way is in registers. So rows come in pieces, each as many as there are registers for, in a loop: unrolled,
//! ptxas asks for all of a tile at first.

use super::Hopper;
use super::converter::Converter;
use super::flow::Flow;
use crate::abi::{Divisor, Meaning};
use crate::layout::converted_copy::{Conversion, ConvertedCopy, WORDS};
use crate::layout::panel::Panels;
use crate::layout::swizzle::{CHUNK, PERIOD};
use crate::lower::instance::Extent;
use crate::plan::attention::{KEYS, QUERY, VALUES};
use crate::plan::{BufferId, View};
use crate::program::ParamId;
use crate::schedule::ValuesIn;
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Opcode, Space, Type, Word};

/// What of every tile a lane copies.
pub(super) struct ConvertedRows {
    /// Of Q, where it is split.
    query: Option<Share>,
    keys: Share,
    values: Share,
    /// Blocks of the rows that are on their way next.
    blocks: Vec<Reg>,
}

/// What of a tile of Q, K or V a lane copies.
#[derive(Clone)]
struct Share {
    copy: ConvertedCopy,
    /// Its row of a tile, in the first round.
    row: Reg,
    /// Where its numbers lie in a tile then.
    place: Reg,
    /// In a row of the tensor: bytes before them.
    along: Reg,
    /// In the tensor, those of the item's head in row 0, or in the first row of block 0. Set for each item.
    from: Reg,
}

/// Where the next rows are read and written.
struct Cursor {
    /// Position of the lane's row, and the last that there is.
    position: Reg,
    last: Reg,
    /// Shared address of what it makes of its numbers: half a chunk, or two chunks.
    targets: Vec<Reg>,
    /// Its row of the tile, where the last round has rows for some warps only.
    row: Option<Reg>,
}

impl Hopper<'_> {
    /// What a lane copies, as far as it is the same of all tiles.
    pub(super) fn converted_rows(&mut self, lane: &Reg, warp: &Reg) -> ConvertedRows {
        let mut made: Vec<Share> = Vec::new();
        let mut share = |k: &mut Self, buffer: BufferId| {
            let copy = k.roles.converted_copy(k.panels(buffer));
            let alike = made.iter().find(|share| share.copy.panels.span == copy.panels.span).cloned();
            let share = match alike {
                Some(alike) => Share { copy, from: k.b.reg(Type::U64, "from"), ..alike },
                None => k.share_of(copy, lane, warp),
            };
            made.push(share.clone());
            share
        };
        let query = self.roles.splits().then(|| share(self, QUERY));
        let keys = share(self, KEYS);
        let values = match self.roles.values {
            ValuesIn::Own => share(self, VALUES),
            ValuesIn::Keys => keys.clone(),
        };
        let each = keys.copy.rounds() / keys.copy.pieces(self.roles.chunks_on_their_way());
        let of_values = values.copy.rounds() / values.copy.pieces(self.roles.chunks_on_their_way());
        let blocks = match self.attention.table {
            None => Vec::new(),
            Some(_) => (0..each.max(of_values)).map(|_| self.b.reg(Type::U32, "block")).collect(),
        };
        ConvertedRows { query, keys, values, blocks }
    }

    fn share_of(&mut self, copy: ConvertedCopy, lane: &Reg, warp: &Reg) -> Share {
        let Panels { span, .. } = copy.panels;
        let in_warp = self.of_lane("r", lane, copy.row());
        let chunk = self.of_lane("r", lane, copy.chunk());
        let half = self.of_lane("r", lane, copy.half());
        let row = self.b.mad_lo(Type::U32, "copy_row", warp, copy.warp_rows(), &in_warp);
        let in_eight = self.b.and(Type::B32, "r", &row, PERIOD - 1);
        let phase = self.phase_of(in_eight, span);
        let b = &mut self.b;
        let swizzled = b.xor(Type::B32, "r", &phase, &chunk);
        let place = b.shl(Type::B32, "r", &swizzled, CHUNK.ilog2() as i32);
        let place = b.mad_lo(Type::U32, "r", &half, CHUNK / 2, &place);
        let place = b.mad_lo(Type::U32, "place", &row, span, &place);
        let of_row = b.and(Type::B32, "r", lane, copy.lanes_of_row() - 1);
        let along = b.shl(Type::B32, "along", &of_row, CHUNK.ilog2() as i32);
        Share { copy, row, place, along, from: b.reg(Type::U64, "from") }
    }

    /// Where the item's rows begin in the tensors.
    pub(super) fn converted_rows_of_item(&mut self, rows: &ConvertedRows, extent: &Extent) {
        self.begin_converted_rows(&rows.keys, extent, self.attention.k);
        if self.roles.values == ValuesIn::Own {
            self.begin_converted_rows(&rows.values, extent, self.attention.v);
        }
    }

    fn begin_converted_rows(&mut self, share: &Share, extent: &Extent, tensor: ParamId) {
        let base = self.param(Meaning::Pointer(tensor));
        let head = self.param(Meaning::HeadStride(tensor));
        let token = self.param(Meaning::TokenStride(tensor));
        let b = &mut self.b;
        let at = b.mad_wide("rd", &extent.kv_head, &head, &base);
        let at = b.mad_wide("rd", &share.along, 1, &at);
        let at = match &extent.kv_begin {
            None => at,
            Some(begin) => b.mad_wide("rd", begin, &token, &at),
        };
        b.mov(Type::U64, &share.from, &at);
    }

    /// The rows of tile `tile` from the first round on.
    fn cursor(&mut self, share: &Share, (extent, tile): (&Extent, &Reg), slot: &Reg) -> Cursor {
        let start = self.tile_start(extent, tile);
        let b = &mut self.b;
        let position = b.add(Type::U32, "position", &start, &share.row);
        let last = b.sub(Type::U32, "last", &extent.kv_len, 1);
        self.cursor_at(share, position, last, slot)
    }

    fn cursor_at(&mut self, share: &Share, position: Reg, last: Reg, tile: &Reg) -> Cursor {
        let b = &mut self.b;
        let first = b.add(Type::U32, "target", &share.place, tile);
        let targets = match share.copy.how {
            Conversion::Split => vec![first],
            Conversion::Widen => {
                let second = b.xor(Type::B32, "target", &first, CHUNK);
                vec![first, second]
            }
        };
        let row = (!share.copy.is_even()).then(|| b.mov(Type::U32, "row", &share.row));
        Cursor { position, last, targets, row }
    }

    /// Looks up the blocks of a tile's first rows.
    pub(super) fn look_up_converted(&mut self, flow: &Flow<Converter>, blocks: View) {
        let (extent, tile) = (flow.role.extent(), flow.role.tile(blocks));
        let rows = &flow.role.rows;
        let share = if blocks.ago == 0 { &rows.keys } else { &rows.values };
        let start = self.tile_start(&extent, &tile);
        let position = self.b.add(Type::U32, "r", &start, &share.row);
        let last = self.b.sub(Type::U32, "r", &extent.kv_len, 1);
        self.blocks_of(flow, share, (&position, &last), 0);
    }

    /// Looks up the blocks of the rows of a piece, which is so many rounds further on.
    fn blocks_of(
        &mut self,
        flow: &Flow<Converter>,
        share: &Share,
        (position, last): (&Reg, &Reg),
        from: usize,
    ) {
        let (Some(table_row), Some(block_size)) = (&flow.role.table_row, self.spec.block_size) else {
            return;
        };
        let copy = share.copy;
        let each = copy.rounds() / copy.pieces(self.roles.chunks_on_their_way());
        for (round, block) in flow.role.rows.blocks[..each].iter().enumerate() {
            let b = &mut self.b;
            let at = position_of(b, position, last, (from + round) * copy.round_rows());
            let entry = b.div(Type::U32, "r", &at, block_size);
            let entry = b.mad_wide("rd", &entry, 4, table_row);
            b.ld_constant(Type::U32, block, &entry, 0);
        }
    }

    /// Copies the rows of a tile of K or V into its slot.
    pub(super) fn copy_converted(&mut self, flow: &mut Flow<Converter>, to: View, tensor: ParamId) {
        let slot = flow.role.slot.clone().expect("a slot is awaited before it is copied to");
        let (extent, tile) = (flow.role.extent(), flow.role.tile(to));
        let share = if to.buffer == KEYS { &flow.role.rows.keys } else { &flow.role.rows.values };
        let cursor = self.cursor(share, (&extent, &tile), &slot);
        let token = self.param(Meaning::TokenStride(tensor));
        let block_size = self.spec.block_size.filter(|_| self.attention.table.is_some());
        let block_bytes = block_size.map(|_| self.param(Meaning::BlockStride(tensor)));
        let copy = share.copy;
        let pieces = copy.pieces(self.roles.chunks_on_their_way());
        let each = copy.rounds() / pieces;
        let address = |k: &mut Self, round: usize, position: &Reg| match block_size.zip(block_bytes.as_ref())
        {
            None => k.b.mad_wide("rd", position, &token, &share.from),
            Some((size, bytes)) => {
                let at = k.b.mad_wide("rd", &flow.role.rows.blocks[round], bytes, &share.from);
                let within = k.b.rem(Type::U32, "r", position, size);
                k.b.mad_wide("rd", &within, &token, &at)
            }
        };
        let next = |k: &mut Self, cursor: &Cursor| {
            if pieces > 1 {
                k.blocks_of(flow, share, (&cursor.position, &cursor.last), each);
            }
        };
        self.copy_rounds(copy, &cursor, address, next);
    }

    /// Copies the rows of Q, packed heads next to each other. Rows past the last token are what it is.
    pub(super) fn copy_converted_query(&mut self, flow: &mut Flow<Converter>) {
        let parity = flow.query_parity.as_ref().expect("the producer has its own");
        self.b.xor(Type::B32, parity, parity, 1);
        let (extent, query) = (flow.role.extent(), self.attention.q);
        let share = flow.role.rows.query.as_ref().expect("only what is split is copied so");
        let (packed, by_packed) = (self.param(Meaning::PackedHeads), self.reciprocal(Divisor::PackedHeads));
        let base = self.param(Meaning::Pointer(query));
        let (token, head) = (self.param(Meaning::TokenStride(query)), self.param(Meaning::HeadStride(query)));
        let b = &mut self.b;
        let at = b.mad_wide("rd", &share.along, 1, &base);
        let at = b.mad_wide("rd", &extent.head0, &head, &at);
        let from = b.mad_wide("rd", &extent.q_begin, &token, &at);
        let position = b.add(Type::U32, "position", &extent.row0, &share.row);
        let last = b.sub(Type::U32, "last", &extent.end, 1);
        let cursor = self.cursor_at(share, position, last, &flow.block.shared);
        let address = |k: &mut Self, _: usize, row: &Reg| {
            let b = &mut k.b;
            let of_token = b.quotient("r", row, &by_packed);
            let before = b.mul_lo(Type::U32, "r", &of_token, &packed);
            let of_head = b.sub(Type::U32, "r", row, &before);
            let at = b.mad_wide("rd", &of_token, &token, &from);
            b.mad_wide("rd", &of_head, &head, &at)
        };
        self.copy_rounds(share.copy, &cursor, address, |_, _| {});
    }

    /// Copies a tile, piece by piece. `address` is that of a round's row at a position; `next` is done while a piece is on its way.
    fn copy_rounds(
        &mut self,
        copy: ConvertedCopy,
        cursor: &Cursor,
        address: impl Fn(&mut Self, usize, &Reg) -> Reg,
        next: impl FnOnce(&mut Self, &Cursor),
    ) {
        let pieces = copy.pieces(self.roles.chunks_on_their_way());
        let each = copy.rounds() / pieces;
        let left = (pieces > 1).then(|| self.b.mov(Type::U32, "left", pieces));
        let top = self.b.label("piece");
        if left.is_some() {
            self.b.place(&top);
            self.b.do_not_unroll();
        }
        let mut come = Vec::new();
        for round in 0..each {
            let at = position_of(&mut self.b, &cursor.position, &cursor.last, round * copy.round_rows());
            let at = address(self, round, &at);
            for panel in 0..copy.panels_of_part() {
                let numbers: [Reg; WORDS] = std::array::from_fn(|_| self.b.reg(Type::B32, "x"));
                let along = (panel * copy.panel_bytes()) as i64;
                self.move_chunk(Opcode::Ld, Space::Global, numbers.each_ref(), &at, along);
                come.push(((round, panel), numbers));
            }
        }
        next(self, cursor);
        let exists: Vec<Option<Reg>> = (0..each)
            .map(|round| {
                let row = cursor.row.as_ref()?;
                let row = self.b.add(Type::U32, "r", row, round * copy.round_rows());
                Some(self.b.setp(Word::Lt, Type::U32, "p", &row, copy.panels.rows))
            })
            .collect();
        for ((round, panel), words) in &come {
            let at = round * copy.round_stride() + panel * copy.panels.panel_stride();
            match copy.how {
                Conversion::Split => {
                    let [x0, x1, x2, x3] = words;
                    let [first, second] = [self.split_pair("x", x0, x1), self.split_pair("x", x2, x3)];
                    self.b.set_guard(exists[*round].as_ref());
                    for part in 0..2 {
                        let at = (at + part * copy.part_stride()) as i64;
                        let pair = [&first[part], &second[part]];
                        self.move_chunk(Opcode::St, Space::Shared, pair, &cursor.targets[0], at);
                    }
                }
                Conversion::Widen => {
                    let chunks = self.widen(words);
                    self.b.set_guard(exists[*round].as_ref());
                    for (chunk, target) in chunks.iter().zip(&cursor.targets) {
                        self.move_chunk(Opcode::St, Space::Shared, chunk.each_ref(), target, at as i64);
                    }
                }
            }
            self.b.set_guard(None);
        }
        let Some(left) = left else { return };
        let b = &mut self.b;
        b.add(Type::U32, &cursor.position, &cursor.position, each * copy.round_rows());
        for target in &cursor.targets {
            b.add(Type::U32, target, target, each * copy.round_stride());
        }
        if let Some(row) = &cursor.row {
            b.add(Type::U32, row, row, each * copy.round_rows());
        }
        b.sub(Type::U32, &left, &left, 1);
        let more = b.setp(Word::Ne, Type::U32, "p", &left, 0);
        b.guarded(&more, false, |b| b.bra(&top));
    }
}

/// The row so much further on, the last one where that is past it.
fn position_of(b: &mut flashpage_ptx::builder::Builder, position: &Reg, last: &Reg, further: usize) -> Reg {
    match further {
        0 => b.min(Type::U32, "r", position, last),
        _ => {
            let at = b.add(Type::U32, "r", position, further);
            b.min(Type::U32, "r", &at, last)
        }
    }
}
