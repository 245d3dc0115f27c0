//! K and V in small blocks: rows that the producer's lanes copy.
//!
//! Fewer than eight rows are no whole piece of a tile. The pattern would allow boxes of as few as one row and one panel, since it
//! goes by address; but 128 rows of two panels are then 256 instructions a tile, each of one lane, where copies of
//! 16 bytes by all lanes (`cp.async`) are 64 ([`PanelCopy`]). So the warp copies like warps of `sm_80`: before the wait for the slot
//! each of a row's lanes looks up the block of that row in another pass, and in every 32nd row after it; in a pass one of them
//! tells the others.
//!
//! Copies arrive at the slot's full barrier by themselves once they have landed, so the producer is ahead by as many tiles as
//! with bulk copies. What is past the sequence's end is not read: there the source size is 0, and zeros are written.

use super::Hopper;
use super::barrier::FULL;
use super::flow::Flow;
use super::producer::{LaneBox, Producer};
use crate::abi::Meaning;
use crate::layout::lane::LANES;
use crate::layout::panel::PanelCopy;
use crate::layout::swizzle::{CHUNK, PERIOD};
use crate::lower::instance::Extent;
use crate::plan::attention::{KEYS, VALUE_ROWS, VALUES};
use crate::plan::{BufferId, View};
use crate::program::ParamId;
use crate::schedule::ValuesIn;
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Type, Word};

/// What of every tile a lane copies.
pub(super) struct Rows {
    of_keys: Share,
    of_values: Share,
    /// Blocks of the rows that the lane looks up.
    blocks: Vec<Reg>,
}

/// What of a tile of K or of V a lane copies.
#[derive(Clone)]
struct Share {
    copy: PanelCopy,
    /// Its row of a pass, and its chunk of a span.
    row: Reg,
    chunk: Reg,
    /// The first row of a tile whose block it looks up: its own, in the pass that its chunk numbers.
    looked_up: Reg,
    /// Where the chunk lies in a tile in the first pass.
    place: Reg,
    /// In the pool, in block 0: the chunk of the item's head, in the row of a block that the lane's rows are. Set for each item.
    from: Reg,
}

impl Hopper<'_> {
    /// What a lane copies, as far as it is the same of all tiles.
    pub(super) fn lane_rows(&mut self, lane: &Reg) -> Rows {
        let of_keys = self.share(KEYS, lane);
        let of_values = match self.roles.values {
            ValuesIn::Own if self.roles.transposes => self.share(VALUE_ROWS, lane),
            ValuesIn::Own => self.share(VALUES, lane),
            ValuesIn::Keys => of_keys.clone(),
        };
        let looked_up = self.schedule.cols.div_ceil(LANES);
        let blocks = (0..looked_up).map(|_| self.b.reg(Type::U32, "block")).collect();
        Rows { of_keys, of_values, blocks }
    }

    fn share(&mut self, buffer: BufferId, lane: &Reg) -> Share {
        let copy = PanelCopy { panels: self.panels(buffer) };
        let span = copy.panels.span;
        let row = self.of_lane("copy_row", lane, copy.row());
        let chunk = self.of_lane("copy_chunk", lane, copy.chunk());
        let looked_up = self.b.mad_lo(Type::U32, "looked_up_row", &chunk, copy.pass_rows(), &row);
        let in_eight = self.b.and(Type::B32, "r", &row, PERIOD - 1);
        let phase = self.phase_of(in_eight, span);
        let b = &mut self.b;
        let place = b.xor(Type::B32, "r", &phase, &chunk);
        let place = b.shl(Type::B32, "r", &place, CHUNK.ilog2() as i32);
        let place = b.mad_lo(Type::U32, "place", &row, span, &place);
        Share { copy, row, chunk, looked_up, place, from: b.reg(Type::U64, "from") }
    }

    /// Where the item's rows begin in the pools.
    pub(super) fn rows_of_item(&mut self, rows: &Rows, extent: &Extent) {
        self.begin_rows(&rows.of_keys, extent, self.attention.k);
        if self.roles.values == ValuesIn::Own {
            self.begin_rows(&rows.of_values, extent, self.attention.v);
        }
    }

    fn begin_rows(&mut self, share: &Share, extent: &Extent, pool: ParamId) {
        let block_size = self.spec.block_size.expect("compile() asks for a block size");
        let base = self.param(Meaning::Pointer(pool));
        let (head, token) = (self.param(Meaning::HeadStride(pool)), self.param(Meaning::TokenStride(pool)));
        let b = &mut self.b;
        let at = b.mad_wide("rd", &extent.kv_head, &head, &base);
        let at = b.mad_wide("rd", &share.chunk, CHUNK, &at);
        // Passes and tiles begin with a block.
        let within = b.and(Type::B32, "r", &share.row, block_size - 1);
        let at = b.mad_wide("rd", &within, &token, &at);
        b.mov(Type::U64, &share.from, &at);
    }

    /// Looks up the blocks of tile `tile`. Past the sequence's end a table may hold anything: nothing is read there, and
    /// block 0 is what its rows are not copied from.
    pub(super) fn look_up_rows(
        &mut self,
        rows: &Rows,
        of_keys: bool,
        (extent, tile): (&Extent, &Reg),
        table_row: &Reg,
    ) {
        let block_size = self.spec.block_size.expect("compile() asks for a block size");
        let start = self.tile_start(extent, tile);
        let Share { looked_up, .. } = if of_keys { &rows.of_keys } else { &rows.of_values };
        let b = &mut self.b;
        let first = b.add(Type::U32, "r", &start, looked_up);
        for (n, block) in rows.blocks.iter().enumerate() {
            let position = if n == 0 { first.clone() } else { b.add(Type::U32, "r", &first, n * LANES) };
            let entry = b.div(Type::U32, "r", &position, block_size);
            let at = b.mad_wide("rd", &entry, 4, table_row);
            let exists = b.setp(Word::Lt, Type::U32, "p", &position, &extent.kv_len);
            b.mov(Type::U32, block, 0);
            b.guarded(&exists, false, |b| {
                b.ld_constant(Type::U32, block, &at, 0);
            });
        }
    }

    /// Copies the rows of a tile of K or V into its slot. `checked` if it may reach past the sequence.
    pub(super) fn copy_rows(&mut self, flow: &mut Flow<Producer>, to: View, pool: ParamId, checked: bool) {
        let slot = flow.role.slot.clone().expect("a slot is awaited before it is copied to");
        let (extent, tile) = (flow.role.extent(), flow.role.tile(to));
        let LaneBox::Rows(rows) = &flow.role.lane_box else { unreachable!("whose lanes copy has rows") };
        let Rows { of_keys, of_values, blocks } = &**rows;
        let Share { copy, row, place, from, .. } = if to.buffer == KEYS { of_keys } else { of_values };
        let left = checked.then(|| {
            // Rows of the tile that exist, less this lane's row of the first pass.
            let start = self.tile_start(extent, &tile);
            let left = self.b.sub(Type::S32, "r", &extent.kv_len, &start);
            self.b.sub(Type::S32, "r", &left, row)
        });
        let block_bytes = self.param(Meaning::BlockStride(pool));
        let policy = self.policy_of_keys();
        let b = &mut self.b;
        let target = b.add(Type::U32, "target", place, &slot);
        // One more for each other pattern that a pass has.
        let mut targets = vec![(0, target)];
        for pass in 0..copy.passes() {
            let (pattern, along) = copy.step(pass);
            if !targets.iter().any(|(of, _)| *of == pattern) {
                let turned = b.xor(Type::B32, "target", &targets[0].1, pattern);
                targets.push((pattern, turned));
            }
            let (_, target) = targets.iter().find(|(of, _)| *of == pattern).expect("one for each pattern");
            let first = pass * copy.pass_rows();
            let lane = (pass % copy.lanes_of_row(), copy.lanes_of_row());
            let block = b.shfl_in_segment(Type::U32, "r", &blocks[first / LANES], lane);
            let at = b.mad_wide("rd", &block, &block_bytes, from);
            let size = left.as_ref().map(|left| {
                let inside = b.setp(Word::Gt, Type::S32, "p", left, first);
                b.selp(Type::U32, "r", CHUNK, 0, &inside)
            });
            for panel in 0..copy.panels.count {
                let to = along + panel * copy.panels.panel_stride();
                b.cp_async_16((target, to), (&at, panel * copy.panels.span), size.as_ref(), policy.as_ref());
            }
        }
    }

    /// Has each lane's copies arrive at the slot's full barrier once they have landed.
    pub(super) fn fill_once_copied(&mut self, flow: &mut Flow<Producer>, of: View) {
        let barriers = self.slot(flow, of).barriers;
        self.b.cp_async_mbarrier_arrive(&barriers, FULL);
    }
}
