//! The producer of what is converted: four warps that copy Q, K and V of f32 and split each number into two of bf16, or K and V of
//! 8 bits and widen them ([`super::converted_rows`]).
//!
//! The first warp takes row tiles and tells what they cover, as the producer of bulk copies does; then all four read it where
//! consumers do, and each copies its rows of every tile. V is copied one tile behind K, as ever.

use super::converted_rows::ConvertedRows;
use super::flow::{Flow, RoleFlow};
use super::tile_info::TileInfo;
use super::work::Taking;
use super::{Block, Hopper};
use crate::lower::instance::Extent;
use crate::lower::scalar::Uniforms;
use crate::plan::attention::{BLOCKS, BLOCKS_OF_VALUES, QUERY};
use crate::plan::roles::INFO;
use crate::plan::{Compute, Condition, Function, Node, Step, View};
use crate::program::ParamId;
use flashpage_ptx::ast::Name;
use flashpage_ptx::builder::{Reg, ty, vector};
use flashpage_ptx::words::{Opcode, Type, Word};
use std::rc::Rc;

/// What a warp of this producer carries beside what every role does.
pub(super) struct Converter {
    /// Whether this is the warp that takes row tiles.
    is_first: Reg,
    taking: Taking,
    /// What is told: words, four by four.
    words: Vec<[Reg; 4]>,
    /// After the last item.
    done: Name,
    /// What was read of the item.
    info: Option<TileInfo>,
    extent: Option<Rc<Extent>>,
    /// The tile of columns whose K is copied.
    tile: Option<Reg>,
    /// The one before it, whose V is copied.
    before: Option<Reg>,
    /// The leftmost of the item.
    leftmost: Option<Reg>,
    /// Address of the tensor map of Q, where that comes by bulk copies.
    query_map: Option<Reg>,
    /// What of every tile the lane copies.
    pub rows: ConvertedRows,
    /// The sequence's row of the block table; paged only.
    pub table_row: Option<Reg>,
    /// Address of the slot to copy to.
    pub slot: Option<Reg>,
}

impl Converter {
    pub(super) fn extent(&self) -> Rc<Extent> {
        self.extent.clone().expect("an item has been read")
    }

    /// The last tile of columns.
    pub(super) fn leftmost(&self) -> &Reg {
        self.leftmost.as_ref().expect("columns have been begun")
    }

    /// The tile of columns whose K or V is copied.
    pub(super) fn tile(&self, view: View) -> Reg {
        let tile = if view.ago == 0 { &self.tile } else { &self.before };
        tile.clone().expect("columns have been begun")
    }
}

impl Hopper<'_> {
    pub(super) fn converter(&mut self, block: Block) {
        self.b.stage("PRODUCER: four warps copy and convert, the first of them takes tiles of rows");
        let (role, warps) = (self.role("producer"), self.schedule.warps);
        let warp = self.b.sub(Type::U32, "copy_warp", &block.warp, warps);
        let is_first = self.b.setp(Word::Eq, Type::U32, "first_warp", &warp, 0);
        let first_lane = self.b.setp(Word::Eq, Type::U32, "first_lane", &block.lane, 0);
        let columns = self.first_position(1);
        let query_parity = self.b.mov(Type::U32, "query_parity", 1);
        // Not beside bulk copies of Q, whose map is kept in registers: there ptxas spilled some of the address for it.
        if self.roles.splits() && !self.spec.work.is_planned() {
            let first = self.b.setp_and(Word::Eq, Type::U32, "p", &block.lane, 0, &is_first);
            self.prefetch_maps(&first);
        }
        let query_map = (!self.roles.splits()).then(|| self.kept_map(self.attention.q));
        let rows = self.converted_rows(&block.lane, &warp);
        let place = self.first_place(false);
        let taking = self.taking();
        let quads = self.roles.tile_info_bytes() / 16;
        let words = (0..quads).map(|_| std::array::from_fn(|_| self.b.reg(Type::U32, "word"))).collect();
        let converter = Converter {
            is_first,
            taking,
            words,
            done: self.b.label("tiles_done"),
            info: None,
            extent: None,
            tile: None,
            leftmost: None,
            before: None,
            query_map,
            rows,
            table_row: None,
            slot: None,
        };
        let mut flow = Flow::new(block, first_lane, columns, place, converter);
        flow.query_parity = Some(query_parity);
        self.walk(&mut flow, &role.body);
    }

    /// The address of a tensor's map, in registers that ptxas keeps: worked out where it is needed, behind a branch that not all warps
    /// take, it cost other registers, which were spilled.
    pub(super) fn kept_map(&mut self, tensor: ParamId) -> Reg {
        let map = self.map(tensor);
        let halves = [0, 1].map(|_| self.b.reg(Type::B32, "r"));
        self.b.emit(Opcode::Mov, &[ty(Type::B64)], vec![vector(&[&halves[0], &halves[1]]), (&map).into()]);
        let kept = halves.map(|half| self.same_in_all_lanes(&half));
        let whole = self.b.reg(Type::B64, "query_map");
        self.b.emit(Opcode::Mov, &[ty(Type::B64)], vec![(&whole).into(), vector(&[&kept[0], &kept[1]])]);
        whole
    }

    /// Takes an item, and works out what is to be told of it; or that there is none.
    fn take_item(&mut self, flow: &mut Flow<Converter>) {
        let Converter { taking, words, .. } = &flow.role;
        let (none, taken) = (self.b.label("none_left"), self.b.label("taken"));
        let work = self.take(taking, &flow.first_lane, |b| b.bra(&none));
        let extent = self.extent(work, |b| b.bra(&taking.again));
        let range = self.column_range(&extent, &mut Uniforms::default());
        let query_parity = flow.query_parity.as_ref().expect("the producer has its own");
        let description = self.description(&extent, &range, query_parity);
        let all = |words: &[[Reg; 4]]| words.iter().flatten().cloned().collect::<Vec<Reg>>();
        for (to, from) in all(words).iter().zip(all(&description)) {
            self.b.mov(Type::B32, to, &from);
        }
        self.b.bra(&taken);
        self.b.place(&none);
        let end = self.description_of_end();
        for (to, from) in all(words).iter().zip(all(&end)) {
            self.b.mov(Type::B32, to, &from);
        }
        self.b.place(&taken);
    }

    /// Reads what was told.
    fn read_told(&mut self, flow: &mut Flow<Converter>) {
        let (info, extent) = self.told_item(&flow.block, &flow.place, &flow.role.done);
        (flow.role.info, flow.role.extent) = (Some(info), Some(Rc::new(extent)));
    }

    /// Emits `then` for the first warp alone. What it tells, if it does, is of the next place.
    fn where_first(&mut self, flow: &mut Flow<Converter>, then: &[Node]) {
        let told = self.b.label("told");
        let is_first = flow.role.is_first.clone();
        self.b.guarded(&is_first, true, |b| b.bra(&told));
        let ahead = self.place_ahead(&flow.place);
        let here = std::mem::replace(&mut flow.place, ahead);
        flow.inside(|flow| self.walk(flow, then));
        flow.place = here;
        self.b.place(&told);
    }

    /// Emits `then` for an item that sees a column.
    fn where_columns_are_copied(&mut self, flow: &mut Flow<Converter>, then: &[Node]) {
        let info = flow.role.info.as_ref().expect("an item has been read");
        let tile = self.b.sub(Type::S32, "tile", &info.tiles_end(), 1);
        let nothing = self.b.setp(Word::Lt, Type::S32, "p", &tile, &info.first_tile());
        let done = self.b.label("tile_done");
        self.b.guarded(&nothing, false, |b| b.bra(&done));
        let extent = flow.role.extent();
        flow.role.table_row = self.table_row(&extent);
        self.converted_rows_of_item(&flow.role.rows, &extent);
        flow.role.leftmost = Some(flow.role.info.as_ref().expect("an item has been read").first_tile());
        flow.role.tile = Some(tile);
        self.walk(flow, then);
        self.b.place(&done);
    }
}

impl RoleFlow for Converter {
    fn step(k: &mut Hopper<'_>, flow: &mut Flow<Converter>, step: &Step) {
        match step {
            Step::Copy { to, .. } if to.buffer == QUERY => {
                let map = flow.role.query_map.clone().expect("who copies Q as it is knows its map");
                k.copy_query(flow, &flow.role.extent(), &map);
            }
            Step::CopyConverted { to, .. } if to.buffer == QUERY => k.copy_converted_query(flow),
            Step::CopyConverted { to, from, .. } => k.copy_converted(flow, *to, k.pool(*from)),
            Step::AskFor { to, from, .. } => k.ask_for(flow, *to, k.pool(*from)),
            Step::WriteConverted { to, .. } => k.write_converted(flow, *to),
            Step::Compute(Compute { what: Function::Read, reads, .. }) => match reads.is_empty() {
                true => k.take_item(flow),
                false => k.read_told(flow),
            },
            Step::Compute(Compute { what: Function::Describe, writes, .. }) if writes[0].buffer == INFO => {
                let words = k.info_words(&flow.block, &flow.place);
                k.describe(&words, &flow.role.words, &flow.first_lane);
            }
            Step::Compute(Compute { what: Function::LookUp, writes, .. })
                if [BLOCKS, BLOCKS_OF_VALUES].contains(&writes[0].buffer) =>
            {
                k.look_up_converted(flow, writes[0]);
            }
            other => unreachable!("no producer's: {other:?}"),
        }
    }

    fn items(k: &mut Hopper<'_>, flow: &mut Flow<Converter>, next: &[Node], each: &[Node], last: &[Node]) {
        let done = flow.role.done.clone();
        k.told_items(flow, [next, each, last], &done);
    }

    fn columns(k: &mut Hopper<'_>, flow: &mut Flow<Converter>, first: &[Node], each: &[Node], last: &[Node]) {
        let tiles = |role: &Converter| (role.tile(View { buffer: QUERY, ago: 0 }), role.leftmost().clone());
        k.right_to_left(flow, [first, each, last], tiles, |k, flow, before| {
            flow.role.before = Some(before);
            k.advance(&flow.columns);
        });
    }

    fn awaits(k: &mut Hopper<'_>, flow: &mut Flow<Converter>, view: View) {
        // Where to copy is worked out before the wait.
        if view.buffer != INFO && view.buffer != QUERY {
            let at = k.slot(flow, view).at;
            flow.role.slot = Some(k.slot_address(&flow.block, view.buffer, &at));
        }
    }

    fn branch(k: &mut Hopper<'_>, flow: &mut Flow<Converter>, when: Condition, then: &[Node], _: &[Node]) {
        match when {
            Condition::FirstWarp => k.where_first(flow, then),
            Condition::SeesColumns => k.where_columns_are_copied(flow, then),
            other => unreachable!("no producer asks whether {other}"),
        }
    }
}
