//! Rows that the producer's warps read from device memory, convert and write to where `wgmma` reads them
//! ([`crate::layout::converted_copy`]): f32, which is split, and 8 bits, which are widened.
//!
//! A row's address is worked out by the lanes that copy it, so contiguous, ragged and paged keys of any block size come alike, and so
//! does Q of f32. Where keys are paged each of a row's lanes looks its block up; those of rows that are on their way next are asked
//! for while these come. A row past the sequence's end is read as the last one: no lane asks whether its row exists, what is written is
//! some number of the sequence's own, and its probability is 0.
//!
//! What a lane has on its way is in registers. Where there are enough for a tile of K and one of V, each is asked for long before it is
//! written. Elsewhere rows come in pieces, each as many as there are registers for, in a loop: unrolled, ptxas asks for all of a tile
//! at first.

use super::Hopper;
use super::converter::Converter;
use super::flow::Flow;
use crate::abi::{Divisor, Meaning};
use crate::layout::converted_copy::{Conversion, ConvertedCopy, WORDS};
use crate::layout::panel::Panels;
use crate::layout::swizzle::{CHUNK, PERIOD};
use crate::lower::instance::Extent;
use crate::plan::attention::{BLOCKS, COMING, KEYS, QUERY, VALUES};
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
    /// Blocks of the rows of K and of V that are on their way next: the same registers, but where both are asked for ahead.
    blocks: [Vec<Reg>; 2],
    /// Tiles of K and V that are asked for ahead.
    coming: [Vec<Chunk>; 2],
}

/// What a lane asks for at once, by round and panel: sixteen bytes.
type Chunk = ((usize, usize), [Reg; WORDS]);

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
        let (is_paged, ahead) = (self.attention.table.is_some(), self.roles.asks_ahead());
        let mut blocks = |rounds: usize| -> Vec<Reg> {
            let rounds = if is_paged { rounds } else { 0 };
            (0..rounds).map(|_| self.b.reg(Type::U32, "block")).collect()
        };
        let blocks = match ahead {
            true => [blocks(each), blocks(of_values)],
            false => {
                let shared = blocks(each.max(of_values));
                [shared.clone(), shared]
            }
        };
        let coming = [&keys, &values].map(|share| match ahead {
            true => self.chunks(share.copy, share.copy.rounds()),
            false => Vec::new(),
        });
        ConvertedRows { query, keys, values, blocks, coming }
    }

    /// Registers for the chunks of so many rounds.
    fn chunks(&mut self, copy: ConvertedCopy, rounds: usize) -> Vec<Chunk> {
        let all = (0..rounds).flat_map(|round| (0..copy.panels_of_part()).map(move |panel| (round, panel)));
        all.map(|of| (of, std::array::from_fn(|_| self.b.reg(Type::B32, "x")))).collect()
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
        let targets = self.targets(share, tile);
        let row = (!share.copy.is_even()).then(|| self.b.mov(Type::U32, "row", &share.row));
        Cursor { position, last, targets, row }
    }

    /// Where in a tile the lane writes in the first round.
    fn targets(&mut self, share: &Share, tile: &Reg) -> Vec<Reg> {
        let b = &mut self.b;
        let first = b.add(Type::U32, "target", &share.place, tile);
        match share.copy.how {
            Conversion::Split => vec![first],
            Conversion::Widen => {
                let second = b.xor(Type::B32, "target", &first, CHUNK);
                vec![first, second]
            }
        }
    }

    /// Looks up the blocks of a tile's first rows.
    pub(super) fn look_up_converted(&mut self, flow: &Flow<Converter>, blocks: View) {
        let (extent, tile) = (flow.role.extent(), self.tile_of(flow, blocks));
        let is_of_keys = match self.roles.asks_ahead() {
            true => blocks.buffer == BLOCKS,
            false => blocks.ago == 0,
        };
        let share = if is_of_keys { &flow.role.rows.keys } else { &flow.role.rows.values };
        let start = self.tile_start(&extent, &tile);
        let position = self.b.add(Type::U32, "r", &start, &share.row);
        let last = self.b.sub(Type::U32, "r", &extent.kv_len, 1);
        self.blocks_of(flow, (share, is_of_keys), (&position, &last), 0);
    }

    /// A tile of columns: of now, the one before, or the next. Behind the leftmost that is itself, which nobody will use: what is before
    /// it may be gone.
    fn tile_of(&mut self, flow: &Flow<Converter>, view: View) -> Reg {
        if view.ago >= 0 {
            return flow.role.tile(view);
        }
        let tile = flow.role.tile(View { ago: 0, ..view });
        let next = self.b.sub(Type::S32, "r", &tile, 1);
        self.b.max(Type::S32, "next", &next, flow.role.leftmost())
    }

    /// Looks up the blocks of the rows of a piece, which is so many rounds further on.
    fn blocks_of(
        &mut self,
        flow: &Flow<Converter>,
        (share, is_of_keys): (&Share, bool),
        (position, last): (&Reg, &Reg),
        from: usize,
    ) {
        let (Some(table_row), Some(block_size)) = (&flow.role.table_row, self.spec.block_size) else {
            return;
        };
        let copy = share.copy;
        let each = copy.rounds() / copy.pieces(self.roles.chunks_on_their_way());
        let blocks = &flow.role.rows.blocks[usize::from(!is_of_keys)];
        for (round, block) in blocks[..each].iter().enumerate() {
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
        let copy = share.copy;
        let pieces = copy.pieces(self.roles.chunks_on_their_way());
        let each = copy.rounds() / pieces;
        let is_of_keys = to.buffer == KEYS;
        let blocks = &flow.role.rows.blocks[usize::from(!is_of_keys)];
        let address =
            |k: &mut Self, round: usize, position: &Reg| k.row_at(share, tensor, blocks.get(round), position);
        let next = |k: &mut Self, cursor: &Cursor| {
            if pieces > 1 {
                k.blocks_of(flow, (share, is_of_keys), (&cursor.position, &cursor.last), each);
            }
        };
        self.copy_rounds(copy, &cursor, address, next);
    }

    /// Address of the lane's numbers in the row of K or V at a position, in that block where they are paged.
    fn row_at(&mut self, share: &Share, tensor: ParamId, block: Option<&Reg>, position: &Reg) -> Reg {
        let token = self.param(Meaning::TokenStride(tensor));
        let Some((block, size)) = block.zip(self.spec.block_size) else {
            return self.b.mad_wide("rd", position, &token, &share.from);
        };
        let bytes = self.param(Meaning::BlockStride(tensor));
        let at = self.b.mad_wide("rd", block, &bytes, &share.from);
        let within = self.b.rem(Type::U32, "r", position, size);
        self.b.mad_wide("rd", &within, &token, &at)
    }

    /// Asks for the rows of a tile of K or V, whose blocks have been looked up.
    pub(super) fn ask_for(&mut self, flow: &Flow<Converter>, of: View, tensor: ParamId) {
        let is_of_keys = of.buffer == COMING[0];
        let (extent, tile) = (flow.role.extent(), self.tile_of(flow, of));
        let ConvertedRows { keys, values, blocks, coming, .. } = &flow.role.rows;
        let share = if is_of_keys { keys } else { values };
        let (blocks, coming) = (&blocks[usize::from(!is_of_keys)], &coming[usize::from(!is_of_keys)]);
        let start = self.tile_start(&extent, &tile);
        let position = self.b.add(Type::U32, "position", &start, &share.row);
        let last = self.b.sub(Type::U32, "last", &extent.kv_len, 1);
        let copy = share.copy;
        let mut rows = Vec::new();
        for round in 0..copy.rounds() {
            let at = position_of(&mut self.b, &position, &last, round * copy.round_rows());
            rows.push(self.row_at(share, tensor, blocks.get(round), &at));
        }
        self.load_chunks(copy, &rows, coming);
    }

    /// Writes what has come of a tile of K or V into its slot.
    pub(super) fn write_converted(&mut self, flow: &Flow<Converter>, to: View) {
        let slot = flow.role.slot.clone().expect("a slot is awaited before it is written to");
        let ConvertedRows { keys, values, coming, .. } = &flow.role.rows;
        let (share, coming) = if to.buffer == KEYS { (keys, &coming[0]) } else { (values, &coming[1]) };
        let targets = self.targets(share, &slot);
        let row = (!share.copy.is_even()).then_some(&share.row);
        self.store_chunks(share.copy, (&targets, row), coming);
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
        let chunks = self.chunks(copy, each);
        let mut rows = Vec::new();
        for round in 0..each {
            let at = position_of(&mut self.b, &cursor.position, &cursor.last, round * copy.round_rows());
            rows.push(address(self, round, &at));
        }
        self.load_chunks(copy, &rows, &chunks);
        next(self, cursor);
        self.store_chunks(copy, (&cursor.targets, cursor.row.as_ref()), &chunks);
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

    /// Asks for chunks of these rows, one for each round.
    fn load_chunks(&mut self, copy: ConvertedCopy, rows: &[Reg], chunks: &[Chunk]) {
        for ((round, panel), words) in chunks {
            let along = (panel * copy.panel_bytes()) as i64;
            self.move_chunk(Opcode::Ld, Space::Global, words.each_ref(), &rows[*round], along);
        }
    }

    /// Converts chunks and writes them, those of rows that exist where a tile's last round has rows for some lanes only: `row` is the
    /// lane's in the first of these rounds.
    fn store_chunks(
        &mut self,
        copy: ConvertedCopy,
        (targets, row): (&[Reg], Option<&Reg>),
        chunks: &[Chunk],
    ) {
        let rounds = chunks.last().map_or(0, |((round, _), _)| round + 1);
        let exists: Vec<Option<Reg>> = (0..rounds)
            .map(|round| {
                let row = self.b.add(Type::U32, "r", row?, round * copy.round_rows());
                Some(self.b.setp(Word::Lt, Type::U32, "p", &row, copy.panels.rows))
            })
            .collect();
        for ((round, panel), words) in chunks {
            let at = round * copy.round_stride() + panel * copy.panels.panel_stride();
            match copy.how {
                Conversion::Split => {
                    let [x0, x1, x2, x3] = words;
                    let [first, second] = [self.split_pair("x", x0, x1), self.split_pair("x", x2, x3)];
                    self.b.set_guard(exists[*round].as_ref());
                    for part in 0..2 {
                        let at = (at + part * copy.part_stride()) as i64;
                        let pair = [&first[part], &second[part]];
                        self.move_chunk(Opcode::St, Space::Shared, pair, &targets[0], at);
                    }
                }
                Conversion::Widen => {
                    let widened = self.widen(words);
                    self.b.set_guard(exists[*round].as_ref());
                    for (chunk, target) in widened.iter().zip(targets) {
                        self.move_chunk(Opcode::St, Space::Shared, chunk.each_ref(), target, at as i64);
                    }
                }
            }
            self.b.set_guard(None);
        }
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
