//! The producer: one warp that copies.
//!
//! K and V come in boxes ([`KvBox`]): of contiguous keys one for each panel of the head dimension, with all rows of a
//! tile; of paged ones one for each block, with the whole head dimension. Each box is a lane's, and a lane has at most one.
//! A paged tile's blocks are looked up before the wait for its slot, so that no copy waits for the table, and what a
//! tile costs does not depend on where its blocks lie. Blocks of fewer than eight rows have no boxes: [`super::rows`].
//!
//! V is copied one tile behind K: consumers ask for it so, and a K does not wait for the slot of a V that is needed
//! after it.

use super::barrier::FULL;
use super::flow::{Flow, RoleFlow};
use super::rows::Rows;
use super::work::Walk;
use super::{Block, Hopper};
use crate::abi::{Divisor, Meaning, comes_by_map};
use crate::layout::copy_box::CopyBox;
use crate::layout::swizzle::PERIOD;
use crate::lower::instance::{Assignment, Extent};
use crate::lower::range::ColumnRange;
use crate::lower::scalar::Uniforms;
use crate::plan::attention::{BLOCKS, KEYS, QUERY, TENSORS};
use crate::plan::roles::INFO;
use crate::plan::{BufferId, Compute, Condition, Function, Layout, Node, Step, View};
use crate::program::ParamId;
use crate::schedule::{Copies, KvBox};
use crate::spec::ShapeClass;
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Type, Word};

/// What the producer carries beside what every role does.
pub(super) struct Producer {
    walk: Walk,
    /// The item to read next; `None` after the last.
    work: Option<Assignment>,
    /// What an item covers, and the columns it sees.
    item: Option<(Extent, ColumnRange)>,
    /// What consumers are to be told.
    description: Vec<[Reg; 4]>,
    /// The tile of columns whose K is copied.
    tile: Option<Reg>,
    /// The one before it, whose V is copied.
    before: Option<Reg>,
    /// The leftmost.
    first: Option<Reg>,
    /// The box that a lane copies of every tile.
    pub(super) lane_box: LaneBox,
    /// The sequence's row of the block table; paged only.
    table_row: Option<Reg>,
    /// Address of the slot to copy to.
    pub(super) slot: Option<Reg>,
    /// Address of the place to describe an item at.
    words: Option<Reg>,
    /// Addresses of tensor maps that ptxas keeps.
    maps: Vec<(ParamId, Reg)>,
}

impl Producer {
    pub(super) fn extent(&self) -> &Extent {
        &self.item.as_ref().expect("an item has been read").0
    }

    /// The address of a tensor's map, if it is kept.
    fn map(&self, param: ParamId) -> Option<Reg> {
        self.maps.iter().find(|(of, _)| *of == param).map(|(_, map)| map.clone())
    }

    /// The tile of columns whose K or V is copied.
    pub(super) fn tile(&self, view: View) -> Reg {
        let tile = if view.ago == 0 { &self.tile } else { &self.before };
        tile.clone().expect("columns have been begun")
    }
}

/// What of every tile a lane copies.
pub(super) enum LaneBox {
    /// Of contiguous keys and values, a panel of each.
    Panels { of_keys: Panel, of_values: Panel },
    /// Of paged ones, rows that lie in one block.
    Run(Run),
    /// Of those in blocks of fewer than eight rows, pieces of many rows.
    Rows(Box<Rows>),
}

/// All rows of a tile, and of the head dimension what one panel has.
#[derive(Clone)]
pub(super) struct Panel {
    /// Whether the lane has one.
    present: Reg,
    /// Its first column of the head dimension.
    col: Reg,
}

/// Rows of a tile that lie in one block.
pub(super) struct Run {
    /// Whether the lane has some.
    present: Reg,
    /// Where they lie of the K to copy next.
    of_keys: InPool,
    /// And of the V.
    of_values: InPool,
}

/// Where rows begin in a pool of blocks.
struct InPool {
    /// Physical block.
    block: Reg,
    /// Groups of eight rows of the block that come before them.
    group: Reg,
}

impl Hopper<'_> {
    pub(super) fn producer(&mut self, block: Block) {
        if self.roles.converts() {
            return self.converter(block);
        }
        self.b.stage("PRODUCER: one warp copies");
        let (role, warps) = (self.role("producer"), self.schedule.warps);
        let idle = self.b.setp(Word::Ne, Type::U32, "p", &block.warp, warps);
        self.b.guarded(&idle, false, |b| b.ret());
        let first_lane = self.b.setp(Word::Eq, Type::U32, "first_lane", &block.lane, 0);
        let columns = self.first_position(1);
        let query_parity = self.b.mov(Type::U32, "query_parity", 1);
        if !self.spec.work.is_planned() {
            self.prefetch_maps(&first_lane);
        }
        // Beside warps that transpose they are kept: worked out where they are needed, they cost registers that were spilled.
        let attention = self.attention;
        let kept =
            if self.roles.transposes { vec![attention.q, attention.k, attention.v] } else { Vec::new() };
        let is_map = |param: &ParamId| comes_by_map(self.roles, self.program.params[param.0].kind);
        let kept: Vec<ParamId> = kept.into_iter().filter(is_map).collect();
        let maps = kept.into_iter().map(|param| (param, self.kept_map(param))).collect();
        let lane_box = self.lane_box(&block);
        let place = self.first_place(true);
        let (walk, work) = self.begin_taking(&first_lane);
        let producer = Producer {
            walk,
            work: Some(work),
            item: None,
            description: Vec::new(),
            tile: None,
            before: None,
            first: None,
            lane_box,
            table_row: None,
            slot: None,
            words: None,
            maps,
        };
        let mut flow = Flow::new(block, first_lane, columns, place, producer);
        flow.query_parity = Some(query_parity);
        self.walk(&mut flow, &role.body);
    }

    /// What an item covers, and what consumers are to be told of it; or that there is none.
    fn read_item(&mut self, flow: &mut Flow<Producer>) {
        let Some(work) = flow.role.work.take() else {
            flow.role.description = self.description_of_end();
            return;
        };
        let next = flow.role.walk.next.clone();
        let extent = self.extent(work, |b| b.bra(&next));
        let range = self.column_range(&extent, &mut Uniforms::default());
        let query_parity = flow.query_parity.as_ref().expect("the producer has its own");
        flow.role.description = self.description(&extent, &range, query_parity);
        flow.role.item = Some((extent, range));
    }

    /// Emits `then` for an item that sees a column.
    fn where_seen(&mut self, flow: &mut Flow<Producer>, then: &[Node]) {
        let (_, range) = flow.role.item.as_ref().expect("an item has been read");
        let first = self.same_in_all_lanes(&range.first);
        let tile = self.b.sub(Type::S32, "r", &range.end, 1);
        let tile = self.b.shfl(Word::Idx, Type::U32, "tile", &tile, 0);
        let nothing = self.b.setp(Word::Lt, Type::S32, "p", &tile, &first);
        let next = flow.role.walk.next.clone();
        self.b.guarded(&nothing, false, |b| b.bra(&next));
        flow.role.table_row = self.table_row(flow.role.extent());
        if let LaneBox::Rows(rows) = &flow.role.lane_box {
            self.rows_of_item(rows, flow.role.extent());
        }
        (flow.role.first, flow.role.tile) = (Some(first), Some(tile));
        self.walk(flow, then);
    }

    /// Has one thread ask for the tensor maps before the first copy needs them: in a planned kernel before the block
    /// waits for the grid before it.
    pub(super) fn prefetch_maps(&mut self, who: &Reg) {
        self.b.set_guard(Some(who));
        for map in self.maps() {
            self.b.prefetch_tensormap(&map);
        }
        self.b.set_guard(None);
    }

    /// K and V are read once by a decode, whose rows are a single tile, and then make room for others; a prefill reads them
    /// again for every tile of rows, and everything else makes room for them.
    pub(super) fn policy_of_keys(&mut self) -> Option<Reg> {
        match self.spec.shape {
            ShapeClass::Prefill => Some(self.b.createpolicy("evict_last", Word::L2EvictLast)),
            ShapeClass::Append => None,
            ShapeClass::Decode => Some(self.b.createpolicy("evict_first", Word::L2EvictFirst)),
        }
    }

    /// Goes on to the next tile: what was K's is V's now.
    fn pass_on(&mut self, flow: &Flow<Producer>) {
        self.advance(&flow.columns);
        if let LaneBox::Run(Run { of_keys, of_values, .. }) = &flow.role.lane_box {
            self.b.mov(Type::U32, &of_values.block, &of_keys.block);
            self.b.mov(Type::U32, &of_values.group, &of_keys.group);
        }
    }

    /// A register that ptxas knows to be the same in all lanes, so that what is made of it can be too.
    pub(super) fn same_in_all_lanes(&mut self, value: &Reg) -> Reg {
        self.b.shfl(Word::Idx, Type::U32, "uniform", value, 0)
    }

    /// Which box of a tile is this lane's. There are never more than lanes: a tile has at most 256 columns, and a box at
    /// least eight.
    fn lane_box(&mut self, block: &Block) -> LaneBox {
        let (keys, values) = (self.roles.key_copies(), self.roles.value_copies());
        let kv_box = self.roles.kv_box;
        let element_bytes = self.roles.products.element_bytes();
        let b = &mut self.b;
        match kv_box {
            KvBox::Panel => {
                let mut panel = |copies: Copies| {
                    let present = b.setp(Word::Lt, Type::U32, "present", &block.lane, copies.boxes);
                    Panel {
                        present,
                        col: b.mul_lo(Type::U32, "box_col", &block.lane, copies.row_bytes / element_bytes),
                    }
                };
                let of_keys = panel(keys);
                let of_values = if keys == values { of_keys.clone() } else { panel(values) };
                LaneBox::Panels { of_keys, of_values }
            }
            KvBox::Run { .. } => {
                let present = b.setp(Word::Lt, Type::U32, "present", &block.lane, keys.boxes);
                let mut in_pool =
                    || InPool { block: b.reg(Type::U32, "block"), group: b.reg(Type::U32, "group") };
                let (of_keys, of_values) = (in_pool(), in_pool());
                LaneBox::Run(Run { present, of_keys, of_values })
            }
            KvBox::Rows => LaneBox::Rows(Box::new(self.lane_rows(&block.lane))),
        }
    }

    /// The sequence's row of the block table.
    pub(super) fn table_row(&mut self, extent: &Extent) -> Option<Reg> {
        let table = self.attention.table?;
        let base = self.param(Meaning::Pointer(table));
        let stride = self.param(Meaning::TableStride(table));
        let bytes = self.b.shl(Type::B32, "r", &stride, 2);
        Some(self.b.mad_wide("table_row", &extent.sequence, &bytes, &base))
    }

    /// Looks up the physical blocks of a tile. Past the sequence's end a table may hold anything.
    fn look_up(&mut self, lane: &Reg, producer: &Producer, blocks: View) {
        let Some(table_row) = &producer.table_row else { return };
        let (extent, tile) = (producer.extent(), &producer.tile(blocks));
        if let LaneBox::Rows(rows) = &producer.lane_box {
            return self.look_up_rows(rows, blocks.ago == 0, (extent, tile), table_row);
        }
        let block_size = self.spec.block_size.expect("compile() asks for a block size");
        let cols = self.schedule.cols;
        let LaneBox::Run(Run { present, of_keys: InPool { block, group }, .. }) = &producer.lane_box else {
            return;
        };
        let rows = self.roles.key_copies().rows;
        let b = &mut self.b;
        let start = b.mul_lo(Type::U32, "r", tile, cols);
        let position = b.mad_lo(Type::U32, "r", lane, rows, &start);
        let position = match &extent.col_begin {
            None => position,
            Some(begin) => b.add(Type::U32, "r", &position, begin),
        };
        let entry = b.div(Type::U32, "r", &position, block_size);
        let within = b.rem(Type::U32, "r", &position, block_size);
        b.shr(Type::U32, group, &within, PERIOD.ilog2() as i32);
        let at = b.mad_wide("rd", &entry, 4, table_row);
        b.mov(Type::U32, block, 0);
        let exists = b.setp_and(Word::Lt, Type::U32, "p", &position, &extent.kv_len, present);
        b.guarded(&exists, false, |b| {
            b.ld_constant(Type::U32, block, &at, 0);
        });
    }

    /// Copies the Q of a tile of rows, by bulk copies.
    pub(super) fn copy_query<R>(&mut self, flow: &Flow<R>, extent: &Extent, map: &Reg) {
        let parity = flow.query_parity.as_ref().expect("the producer has its own");
        let block = &flow.block;
        let by_packed = self.reciprocal(Divisor::PackedHeads);
        let panels = self.panels(QUERY);
        let (row_bytes, count) = (self.roles.qk_row().row_bytes, panels.count);
        let element_bytes = self.roles.products.element_bytes();
        self.b.xor(Type::B32, parity, parity, 1);
        let used = self.whole_tokens(panels.rows);
        let bytes = self.b.mul_lo(Type::U32, "r", &used, row_bytes);
        self.expect(&block.barriers, &bytes, &flow.first_lane);
        let b = &mut self.b;
        let token = b.quotient("r", &extent.row0, &by_packed);
        let token = b.add(Type::U32, "r", &token, &extent.q_begin);
        let col = b.mul_lo(Type::U32, "r", &block.lane, panels.span / element_bytes);
        let to = b.mad_lo(Type::U32, "r", &block.lane, panels.panel_stride(), &block.shared);
        let present = b.setp(Word::Lt, Type::U32, "p", &block.lane, count);
        // Q is read once. A policy is made where it is used, since it would take two registers to keep.
        let policy = self.b.createpolicy("evict_first", Word::L2EvictFirst);
        self.b.set_guard(Some(&present));
        self.b.bulk_tensor_load(
            &to,
            (map, &[&col, &extent.head0, &token]),
            (&block.barriers, FULL),
            Some(&policy),
        );
        self.b.set_guard(None);
    }

    /// Copies a tile of K or V into its slot.
    fn copy_tile(&mut self, flow: &mut Flow<Producer>, to: View, param: ParamId) {
        let barriers = self.slot(flow, to).barriers;
        let slot = flow.role.slot.clone().expect("a slot is awaited before it is copied to");
        let (block, extent, tile) = (&flow.block, flow.role.extent(), &flow.role.tile(to));
        let cols = self.schedule.cols;
        let layout = self.plan.shared(to.buffer).layout.expect("what is copied is a tile");
        let row_bytes = layout.row_bytes();
        let policy = self.policy_of_keys();
        let policy = policy.as_ref();
        match &flow.role.lane_box {
            LaneBox::Panels { of_keys, of_values } => {
                let Panel { present, col } = if to.buffer == KEYS { of_keys } else { of_values };
                self.expect(&barriers, cols * row_bytes, &flow.first_lane);
                let map = flow.role.map(param).unwrap_or_else(|| self.map(param));
                let panel = layout.panels().expect("what comes by panels lies in them").panel_stride();
                let b = &mut self.b;
                let to = b.mad_lo(Type::U32, "r", &block.lane, panel, &slot);
                let begin = extent.kv_begin.as_ref().expect("a contiguous source has starts");
                let row = b.mad_lo(Type::U32, "r", tile, cols, begin);
                let row = match &extent.col_begin {
                    None => row,
                    Some(first) => b.add(Type::U32, "r", &row, first),
                };
                let coordinates = [col, &row, &extent.kv_head];
                b.set_guard(Some(present));
                self.b.bulk_tensor_load(&to, (&map, &coordinates), (&barriers, FULL), policy);
            }
            LaneBox::Run(Run { of_keys, of_values, .. }) => {
                // Rows of this tile that exist: runs past the end are left out.
                let start = self.tile_start(extent, tile);
                let left = self.b.sub(Type::U32, "r", &extent.kv_len, &start);
                let rows = self.roles.key_copies().rows;
                let b = &mut self.b;
                let runs = b.add(Type::U32, "r", &left, rows - 1);
                let runs = b.div(Type::U32, "r", &runs, rows);
                let runs = b.min(Type::U32, "r", &runs, cols / rows);
                let bytes = b.mul_lo(Type::U32, "r", &runs, rows * row_bytes);
                self.expect(&barriers, &bytes, &flow.first_lane);
                let b = &mut self.b;
                let piece = b.mad_lo(Type::U32, "r", &block.lane, rows * row_bytes, &slot);
                let exists = b.setp(Word::Lt, Type::U32, "p", &block.lane, &runs);
                let InPool { block, group } = if to.ago == 0 { of_keys } else { of_values };
                if matches!(layout, Layout::Groups(_)) {
                    // Groups of a block follow each other in the pool as they do in the tile.
                    let base = self.param(Meaning::Pointer(param));
                    let head = self.param(Meaning::HeadStride(param));
                    let block_bytes = self.param(Meaning::BlockStride(param));
                    let b = &mut self.b;
                    let from = b.mad_wide("rd", &extent.kv_head, &head, &base);
                    let from = b.mad_wide("rd", block, &block_bytes, &from);
                    let from = b.mad_wide("rd", group, PERIOD * row_bytes, &from);
                    b.set_guard(Some(&exists));
                    b.bulk_load(&piece, &from, rows * row_bytes, (&barriers, FULL), policy);
                    b.set_guard(None);
                    return;
                }
                let map = flow.role.map(param).unwrap_or_else(|| self.map(param));
                let step = self.param(Meaning::BlockStep(param));
                let b = &mut self.b;
                let place = b.mad_lo(Type::U32, "place", block, &step, &extent.kv_head);
                let zero = b.mov(Type::U32, "r", 0);
                b.set_guard(Some(&exists));
                self.b.bulk_tensor_load(
                    &piece,
                    (&map, &[&zero, &zero, &zero, group, &place]),
                    (&barriers, FULL),
                    policy,
                );
            }
            LaneBox::Rows(_) => unreachable!("rows are no bulk copies"),
        }
        self.b.set_guard(None);
    }

    /// What a tensor of the plan is in the program.
    pub(super) fn pool(&self, tensor: BufferId) -> ParamId {
        if tensor == TENSORS[1] { self.attention.k } else { self.attention.v }
    }

    /// The address of a parameter's tensor map.
    pub(super) fn map(&self, param: ParamId) -> Reg {
        let kind = self.program.params[param.0].kind;
        let of: CopyBox = self.roles.copy_box(kind);
        self.param(Meaning::TensorMap(param, of))
    }
}

impl RoleFlow for Producer {
    fn step(k: &mut Hopper<'_>, flow: &mut Flow<Producer>, step: &Step) {
        match step {
            Step::Copy { to, .. } if to.buffer == QUERY => {
                let q = k.attention.q;
                let map = flow.role.map(q).unwrap_or_else(|| k.map(q));
                k.copy_query(flow, flow.role.extent(), &map);
            }
            Step::Copy { to, from, .. } => k.copy_tile(flow, *to, k.pool(*from)),
            Step::CopyAsync { to, from, checked, .. } => k.copy_rows(flow, *to, k.pool(*from), *checked),
            Step::FillOnceCopied(view) => k.fill_once_copied(flow, *view),
            Step::Compute(Compute { what: Function::Read, .. }) => k.read_item(flow),
            Step::Compute(Compute { what: Function::Describe, writes, .. }) if writes[0].buffer == INFO => {
                let words = flow.role.words.as_ref().expect("a place is awaited before it is written");
                k.describe(words, &flow.role.description, &flow.first_lane);
            }
            Step::Compute(Compute { what: Function::LookUp, writes, .. }) if writes[0].buffer == BLOCKS => {
                k.look_up(&flow.block.lane, &flow.role, writes[0]);
            }
            other => unreachable!("no producer's: {other:?}"),
        }
    }

    fn items(k: &mut Hopper<'_>, flow: &mut Flow<Producer>, next: &[Node], each: &[Node], last: &[Node]) {
        k.walk(flow, next);
        k.walk(flow, each);
        k.next_taken(&flow.role.walk);
        k.b.stage("consumers are told that this was all");
        k.walk(flow, last);
    }

    fn columns(k: &mut Hopper<'_>, flow: &mut Flow<Producer>, first: &[Node], each: &[Node], last: &[Node]) {
        let tiles = |role: &Producer| {
            let tiles = role.tile.clone().zip(role.first.clone());
            tiles.expect("an item sees columns")
        };
        k.right_to_left(flow, [first, each, last], tiles, |k, flow, before| {
            flow.role.before = Some(before);
            k.pass_on(flow);
        });
    }

    fn awaits(k: &mut Hopper<'_>, flow: &mut Flow<Producer>, view: View) {
        // What the copy or the description needs is worked out before the wait.
        if view.buffer == INFO {
            flow.role.words = Some(k.info_words(&flow.block, &flow.place));
        } else if view.buffer != QUERY {
            let at = k.slot(flow, view).at;
            flow.role.slot = Some(k.slot_address(&flow.block, view.buffer, &at));
        }
    }

    fn branch(k: &mut Hopper<'_>, flow: &mut Flow<Producer>, when: Condition, then: &[Node], _: &[Node]) {
        match when {
            Condition::SeesColumns => k.where_seen(flow, then),
            other => unreachable!("no producer asks whether {other}"),
        }
    }
}
