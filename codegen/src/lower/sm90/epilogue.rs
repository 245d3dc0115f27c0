//! After the last tile of columns: divide by the row sums, store O and the log-sum-exp.
//!
//! O goes to shared memory as `stmatrix` writes it, swizzled, and from there as one bulk copy for each 64 columns.
//! A bulk copy stores whole boxes of tokens: where a warpgroup's rows reach past their sequence, or heads are packed
//! that do not divide them, its warps store their rows themselves. An output of 32 bits takes another way:
//! [`crate::lower::direct`].

use super::Hopper;
use super::consumer::Consumer;
use super::flow::Flow;
use crate::abi::{Divisor, Meaning};
use crate::layout::fragment::ROWS_FIRST;
use crate::layout::swizzle::{CHUNK, PERIOD};
use crate::lower::instance::Instance;
use crate::lower::lane::Lane;
use crate::lower::scalar::Uniforms;
use crate::lower::state::State;
use crate::lower::state::row;
use crate::plan::Node;
use crate::plan::attention::OUTPUT;
use crate::program::ParamId;
use crate::schedule::{WARPGROUP, WARPGROUP_ROWS};
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Opcode, Space, Type, Word};

impl Hopper<'_> {
    /// O = 0 and a log-sum-exp of minus infinity, or what sinks make it.
    pub(super) fn store_nothing(&mut self, instance: &Instance, state: &State, uniforms: &Uniforms) {
        let has_output = self.attention.output_before.is_some();
        if has_output {
            state
                .acc
                .iter()
                .flatten()
                .flatten()
                .for_each(|element| drop(self.b.mov(Type::F32, element, 0.0f32)));
        }
        let sums = self.finish_rows(instance, state, uniforms, state.softmax.sum.clone());
        if instance.part.is_some() {
            return self.store_partial(instance, state, &sums);
        }
        if let Some(lse) = self.attention.lse {
            self.store_lse(instance, state, &sums, lse);
        }
        if let Some(output) = self.attention.output {
            if has_output {
                return self.store_direct(instance, state, &sums, output);
            }
            self.b.comment("O = 0");
            if self.form.direct {
                return self.store_direct_zeros(instance, output);
            }
            let zero = self.b.mov(Type::B32, "r", 0);
            self.store_rows(instance, output, |_, _, _| std::array::from_fn(|_| zero.clone()));
        }
    }

    /// The thread of a warpgroup that issues its bulk copies.
    pub(super) fn issuer(&mut self, flow: &mut Flow<Consumer>) -> Reg {
        if let Some(issuer) = &flow.role.issuer {
            return issuer.clone();
        }
        let within = self.b.and(Type::B32, "r", &flow.block.thread, WARPGROUP - 1);
        let issuer = self.b.setp(Word::Eq, Type::U32, "issuer", &within, 0);
        flow.role.issuer = Some(issuer.clone());
        issuer
    }

    pub(super) fn wait_stores_read(&mut self, issuer: &Reg) {
        self.b.set_guard(Some(issuer));
        self.b.bulk_wait_group_read(0);
        self.b.set_guard(None);
    }

    /// Emits `then` where all rows of the warpgroup exist, as whole tokens, and `otherwise` where some do not.
    pub(super) fn where_rows_are_whole(
        &mut self,
        flow: &mut Flow<Consumer>,
        then: &[Node],
        otherwise: &[Node],
    ) {
        let instance = flow.role.instance();
        let used = self.whole_tokens(WARPGROUP_ROWS);
        let split = self.roles.split;
        let b = &mut self.b;
        let first = match split {
            1 => b.mad_lo(Type::U32, "r", &flow.role.warpgroup, WARPGROUP_ROWS, &instance.row0),
            _ => instance.row0.clone(),
        };
        let past = b.add(Type::U32, "r", &first, WARPGROUP_ROWS);
        let divides = b.setp(Word::Eq, Type::U32, "p", &used, WARPGROUP_ROWS);
        let whole = b.setp_and(Word::Le, Type::U32, "p", &past, &instance.end, &divides);
        let (by_rows, done) = (b.label("by_rows"), b.label("stored"));
        b.guarded(&whole, true, |b| b.bra(&by_rows));
        flow.role.first_row = Some(first);
        self.walk(flow, then);
        self.b.bra(&done);
        self.b.place(&by_rows);
        self.walk(flow, otherwise);
        self.b.place(&done);
    }

    /// Bulk copies of this warpgroup's rows of O: one for each panel.
    pub(super) fn store_output(&mut self, flow: &mut Flow<Consumer>) {
        let issuer = self.issuer(flow);
        let instance = flow.role.instance();
        let by_packed = self.reciprocal(Divisor::PackedHeads);
        let panels = self.panels(OUTPUT);
        let map = self.map(self.output());
        let Consumer { first_row, o_tile, warpgroup, .. } = &flow.role;
        let (first, tile) = (first_row.as_ref(), o_tile.as_ref());
        let (first, tile) = (first.expect("rows are known to be whole"), tile.expect("O has been written"));
        let b = &mut self.b;
        let token = b.quotient("r", first, &by_packed);
        let token = b.add(Type::U32, "r", &token, &instance.q_begin);
        let from = match instance.columns_part {
            None => b.mad_lo(Type::U32, "r", warpgroup, WARPGROUP_ROWS * panels.span, tile),
            // The tile begins with the warpgroup's own columns.
            Some(_) => tile.clone(),
        };
        for panel in 0..self.own_panels(panels) {
            let col = self.b.mov(Type::U32, "r", panel * panels.span / 2);
            let col = self.at_own_columns(&instance, col, 1);
            self.b.set_guard(Some(&issuer));
            let coordinates = [&col, &instance.head0, &token];
            self.b.bulk_tensor_store_3d((&map, coordinates), &from, panel * panels.panel_stride());
            self.b.set_guard(None);
        }
        self.b.set_guard(Some(&issuer));
        self.b.bulk_commit_group();
        self.b.set_guard(None);
    }

    fn output(&self) -> ParamId {
        self.attention.output.expect("the plan stores what the program does")
    }

    /// Writes this warp's rows of O, divided by their sums, to shared memory.
    pub(super) fn write_output(&mut self, flow: &mut Flow<Consumer>) {
        self.b.stage("O / row sum, rounded, to shared memory");
        let offset = self.plan.shared(OUTPUT).offset;
        let (instance, state, sums) = (flow.role.instance(), flow.role.state(), &flow.role.sums);
        let panels = self.panels(OUTPUT);
        let mut tile = self.b.add(Type::U32, "o_tile", &flow.block.shared, offset);
        if let Some(part) = &instance.columns_part {
            let own_panels = self.own_panels(panels) * panels.panel_stride();
            tile = self.b.mad_lo(Type::U32, "o_tile", part, own_panels, &tile);
        }
        let tile = &tile;
        flow.role.o_tile = Some(tile.clone());
        let steps = panels.steps();
        let mut lane = Lane::new(&instance.lane);
        let lane_row = lane.number(&mut self.b, "r", ROWS_FIRST.row);
        let half = lane.number(&mut self.b, "r", ROWS_FIRST.chunk);
        let phase = lane.modulo_eight(&mut self.b, "r", ROWS_FIRST.row);
        let phase = self.phase_of(phase, panels.span);
        let place = self.b.xor(Type::B32, "r", &half, &phase);
        let b = &mut self.b;
        let rows = b.add(Type::U32, "r", &instance.warp_row, &lane_row);
        let at = b.mad_lo(Type::U32, "r", &rows, panels.span, tile);
        let first = b.mad_lo(Type::U32, "o_at", &place, CHUNK, &at);
        let at: Vec<Reg> = (0..steps)
            .map(|step| match step {
                0 => first.clone(),
                step => b.xor(Type::B32, "o_at", &first, step * 2 * CHUNK),
            })
            .collect();
        let inverses: Vec<Reg> = sums.iter().map(|sum| self.inverse(sum)).collect();
        let packed = self.packed_output();
        // Of each row, pairs of neighbours in order.
        let pairs: Vec<Vec<Reg>> = inverses
            .iter()
            .enumerate()
            .map(|(slot, inverse)| {
                let elements: Vec<Reg> = row(&state.acc, slot).cloned().collect();
                elements
                    .chunks(2)
                    .map(|pair| {
                        let low = self.b.mul(Type::F32, "f", &pair[0], inverse);
                        let high = self.b.mul(Type::F32, "f", &pair[1], inverse);
                        self.b.pack(packed, "of", &high, &low)
                    })
                    .collect()
            })
            .collect();
        for step in 0..self.schedule.output_columns() / 16 {
            let data =
                [&pairs[0][2 * step], &pairs[1][2 * step], &pairs[0][2 * step + 1], &pairs[1][2 * step + 1]];
            self.b.stmatrix_x4(&at[step % steps], step / steps * panels.panel_stride(), data);
        }
    }

    /// Stores this warp's rows of O that exist, from shared memory.
    pub(super) fn store_shared_rows(&mut self, flow: &Flow<Consumer>) {
        let (instance, output) = (&flow.role.instance(), self.output());
        let tile = flow.role.o_tile.as_ref().expect("O has been written");
        let panels = self.panels(OUTPUT);
        let lanes_per_row = panels.span / CHUNK;
        let b = &mut self.b;
        let lane_row = b.shr(Type::U32, "r", &instance.lane, lanes_per_row.ilog2() as i32);
        let chunk = b.and(Type::B32, "r", &instance.lane, lanes_per_row - 1);
        let base = b.mad_lo(Type::U32, "r", &instance.warp_row, panels.span, tile);
        let mut at_row: Option<(usize, Reg)> = None;
        self.store_rows(instance, output, |k, first, panel| {
            let at = match &at_row {
                Some((row, at)) if *row == first => at.clone(),
                _ => {
                    let row = k.b.add(Type::U32, "r", &lane_row, first);
                    let phase = k.b.and(Type::B32, "r", &row, PERIOD - 1);
                    let phase = k.phase_of(phase, panels.span);
                    let place = k.b.xor(Type::B32, "r", &chunk, &phase);
                    let at = k.b.mad_lo(Type::U32, "r", &row, panels.span, &base);
                    let at = k.b.mad_lo(Type::U32, "r", &place, CHUNK, &at);
                    at_row = Some((first, at.clone()));
                    at
                }
            };
            let data: [Reg; 4] = std::array::from_fn(|_| k.b.reg(Type::B32, "of"));
            k.move_chunk(
                Opcode::Ld,
                Space::Shared,
                data.each_ref(),
                &at,
                (panel * panels.panel_stride()) as i64,
            );
            data
        });
    }

    /// Stores this warp's rows of O that exist, a chunk a lane: `chunk(row, panel)` gives the data of the pass that
    /// begins at `row`.
    fn store_rows(
        &mut self,
        instance: &Instance,
        output: ParamId,
        mut chunk: impl FnMut(&mut Self, usize, usize) -> [Reg; 4],
    ) {
        let panels = self.panels(OUTPUT);
        let lanes_per_row = panels.span / CHUNK;
        let rows_per_pass = 32 / lanes_per_row;
        let base = self.param(Meaning::Pointer(output));
        let token_stride = self.param(Meaning::TokenStride(output));
        let b = &mut self.b;
        let lane_row = b.shr(Type::U32, "r", &instance.lane, lanes_per_row.ilog2() as i32);
        let lane_chunk = b.and(Type::B32, "r", &instance.lane, lanes_per_row - 1);
        let base = b.mad_wide("rd", &lane_chunk, CHUNK, &base);
        let base = self.at_own_columns(instance, base, 2);
        let b = &mut self.b;
        let base = b.mad_wide("rd", &instance.q_begin, &token_stride, &base);
        let first_row = b.add(Type::U32, "r", &instance.row0, &instance.warp_row);
        for first in (0..self.schedule.rows_per_warp()).step_by(rows_per_pass) {
            let source = self.b.add(Type::U32, "r", &lane_row, first);
            let token = self.of_row("r", &instance.lane_token, &source);
            let head = self.of_row("r", &instance.lane_head, &source);
            let strides = (Meaning::TokenStride(output), Meaning::HeadStride(output));
            let to = self.row_address(&base, strides, &token, &head);
            let row = self.b.add(Type::U32, "r", &first_row, &source);
            let inside = self.b.setp(Word::Lt, Type::U32, "p", &row, &instance.end);
            for panel in 0..self.own_panels(panels) {
                let data = chunk(self, first, panel);
                self.b.set_guard(Some(&inside));
                self.move_chunk(
                    Opcode::St,
                    Space::Global,
                    data.each_ref(),
                    &to,
                    (panel * panels.span) as i64,
                );
                self.b.set_guard(None);
            }
        }
    }
}
