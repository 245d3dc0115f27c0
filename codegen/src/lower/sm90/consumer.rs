//! A consumer warpgroup: 64 rows of the tile, all columns.
//!
//! ```text
//! tile j:  │ issue S(j) = Q K(j)ᵀ │ issue O += P(j+1) V(j+1) │ wait S │ softmax of S(j) │ wait O │ P(j) := S(j), rescale O │
//! ```
//!
//! Tiles go from right to left. The rightmost is peeled: it has no O += P V before it. The last O += P V follows the
//! loops. Tensor cores are busy with O += P V while a warpgroup is in its softmax, and with the other warpgroups'
//! products: they take turns issuing theirs.

use super::barrier::{EMPTY, FULL, Position, Turns, Which};
use super::product::Factors;
use super::tile_info::{Place, TileInfo};
use super::{Block, Hopper};
use crate::lower::instance::Instance;
use crate::lower::kernel::State;
use crate::lower::range::Ends;
use crate::lower::score::Masks;
use crate::schedule::{Overlap, PassTurn, Rescale};
use flashpage_ptx::ast::Operand;
use flashpage_ptx::builder::{Reg, ty, word};
use flashpage_ptx::words::{Opcode, Type, Word};

/// What a consumer warp carries from tile to tile.
pub(super) struct Consumer {
    /// Warpgroup among the consumers.
    pub warpgroup: Reg,
    /// Whether this lane arrives at barriers for its warp.
    pub first_lane: Reg,
    factors: Factors,
    turns: Option<Turns>,
    /// K slot of the tile whose scores are computed. The V slot of the tile before, whose probabilities wait to be
    /// multiplied, is the one before it.
    keys: Position,
    /// The tile whose scores are computed.
    tile: Reg,
}

impl Hopper<'_> {
    pub(super) fn consumer(&mut self, block: &Block) {
        self.b.stage("CONSUMERS: a warpgroup for 64 rows each");
        let registers = self.roles().consumer_registers;
        self.set_registers(Word::Inc, registers);
        let warpgroup = self.b.shr(Type::U32, "warpgroup", &block.warp, 2);
        let first_lane = self.b.setp(Word::Eq, Type::U32, "first_lane", &block.lane, 0);
        let factors = self.factors(block, &warpgroup);
        let turns = self.turns(&warpgroup);
        let keys = self.first_position(0);
        let tile = self.b.reg(Type::U32, "tile");
        let consumer = Consumer { warpgroup, first_lane, factors, turns, keys, tile };

        let place = self.first_place(false);
        let (top, done) = (self.b.label("tile"), self.b.label("tiles_done"));
        self.b.place(&top);
        self.b.stage("the next tile of rows");
        self.await_info(block, &place);
        let mut info = self.read_info(block, &place);
        self.agree(&mut info);
        let over = self.b.setp(Word::Ne, Type::U32, "p", &info.is_over(), 0);
        self.b.guarded(&over, false, |b| b.bra(&done));
        self.uniform.clear();
        let instance = self.instance_told(&info);
        self.hoist_uniform(&instance);
        let state = self.state();
        self.b.sub(Type::S32, &consumer.tile, &info.tiles_end(), 1);
        let nothing = self.b.label("no_columns");
        let is_nothing = self.b.setp(Word::Lt, Type::S32, "p", &consumer.tile, &info.first_tile());
        self.b.guarded(&is_nothing, false, |b| b.bra(&nothing));

        let masks = self.rightmost_tile(block, &instance, &info.query_parity(), &consumer, &state);
        let bounded = &self.attention.seen;
        for (index, phase) in self.phases().into_iter().enumerate() {
            // Without a bound on the right only the rightmost tile needs its end masked.
            if index == 0 && bounded.exact && bounded.hi.is_none() {
                continue;
            }
            self.b.stage(phase.title);
            let first = self.read_edge(block, &place, phase.first);
            // The first part goes on with what the rightmost tile has.
            let asks = phase.ends != Ends::None || !self.attention.scores.is_empty();
            let again = (index > 0 && asks).then(|| self.instance_again(block, &place));
            let instance = again.as_ref().unwrap_or(&instance);
            let own = (index > 0).then(|| self.prepare_scores(instance, phase.ends));
            let masks = own.as_ref().unwrap_or(&masks);
            self.columns(block, instance, &consumer, masks, &state, &first);
        }
        self.last_output(block, &consumer, &state);

        let again = self.instance_again(block, &place);
        self.release_info(block, &place, &consumer.first_lane);
        self.epilogue(block, &again, &consumer, &state);
        self.b.bra(&top);

        self.b.place(&nothing);
        self.b.stage("no row sees a column");
        let again = self.instance_again(block, &place);
        self.release_info(block, &place, &consumer.first_lane);
        if again.part.is_some() {
            self.clear_accumulators(&state);
        }
        self.store_nothing(&again, &state);
        self.b.bra(&top);
        self.b.place(&done);
        self.finish_stores(block);
    }

    /// What was read and worked out at first: to carry it through the loops would cost registers there.
    fn instance_again(&mut self, block: &Block, place: &Place) -> Instance {
        let info = self.read_info(block, place);
        self.instance_told(&info)
    }

    fn instance_told(&mut self, info: &TileInfo) -> Instance {
        let lanes = self.lanes();
        let extent = self.extent_of(info);
        self.instance(lanes, extent)
    }

    fn clear_accumulators(&mut self, state: &State) {
        for register in state.acc.iter().flatten().flatten() {
            self.b.mov(Type::F32, register, 0.0f32);
        }
    }

    /// The first tile: nothing is in flight before it. Gives its masks, which serve every tile on the right boundary.
    fn rightmost_tile(
        &mut self,
        block: &Block,
        instance: &Instance,
        query_parity: &Reg,
        consumer: &Consumer,
        state: &State,
    ) -> Masks {
        self.b.stage("the rightmost tile, masked");
        let masks = self.prepare_scores(instance, Ends::Both);
        let kept = self.conditions(instance, &masks, &consumer.tile);
        self.wait(&block.barriers, FULL, query_parity);
        // K that was not copied comes with a table only.
        if self.attention.table.is_some() {
            self.zero_tail(block, instance, Which::Keys, &consumer.tile, &consumer.keys);
        }
        let keys = self.slot_barriers(block, Which::Keys, &consumer.keys);
        self.wait(&keys, FULL, &consumer.keys.parity);
        self.fence_products();
        self.issue_scores(state, &consumer.factors, &consumer.keys);
        self.wait_products(0);
        self.arrive(&keys, EMPTY, &consumer.first_lane, 1);
        let mut state = state.clone();
        self.scores(instance, &masks, &kept, &mut state, &consumer.tile);
        self.b.comment("online softmax");
        let maxima = self.tile_maxima(&state);
        for (slot, maximum) in maxima.iter().enumerate() {
            // Nothing has been summed or accumulated: only the maximum moves.
            let max = &state.softmax.max[slot];
            self.b.max(Type::F32, max, max, maximum);
        }
        self.probabilities(&state, consumer);
        self.zero_tail(block, instance, Which::Values, &consumer.tile, &consumer.keys);
        self.next_tile(consumer);
        // Not earlier: until here they would only take registers.
        self.clear_accumulators(&state);
        masks
    }

    /// Tiles from the current one down to `first`.
    fn columns(
        &mut self,
        block: &Block,
        instance: &Instance,
        consumer: &Consumer,
        masks: &Masks,
        state: &State,
        first: &Reg,
    ) {
        let (top, done) = (self.b.label("columns"), self.b.label("columns_done"));
        let finished = self.b.setp(Word::Lt, Type::S32, "p", &consumer.tile, first);
        self.b.guarded(&finished, false, |b| b.bra(&done));
        self.b.place(&top);

        let kept = self.conditions(instance, masks, &consumer.tile);
        let keys = self.slot_barriers(block, Which::Keys, &consumer.keys);
        let values_at = self.before(&consumer.keys);
        let values = self.slot_barriers(block, Which::Values, &values_at);
        // Who takes turns has all that its products need before it does: a turn is not held while V is on its way. Who is
        // alone begins with what is there.
        let takes_turns = self.roles().take_turns;
        self.wait(&keys, FULL, &consumer.keys.parity);
        if takes_turns {
            self.wait(&values, FULL, &values_at.parity);
        }
        self.take_turn(&consumer.turns);
        self.fence_products();
        self.issue_scores(state, &consumer.factors, &consumer.keys);
        if !takes_turns {
            self.wait(&values, FULL, &values_at.parity);
            // Behind a wait ptxas wants a fence again, or adds one and complains (C7519).
            self.fence_products();
        }
        self.issue_output(state, &consumer.factors, &values_at);
        let pass = self.roles().pass;
        if pass == PassTurn::Issued {
            self.pass_turn(&consumer.turns);
        }
        self.b.comment("scores are there; the output is on its way");
        self.wait_products(1);
        if pass == PassTurn::Scored {
            self.pass_turn(&consumer.turns);
        }
        self.arrive(&keys, EMPTY, &consumer.first_lane, 1);

        let polynomials = self.roles().polynomial;
        let mut scored = state.clone();
        self.scores(instance, masks, &kept, &mut scored, &consumer.tile);
        self.b.comment("online softmax");
        let maxima = self.tile_maxima(&scored);
        let factors: Vec<Reg> = maxima.iter().map(|_| self.b.reg(Type::F32, "grow")).collect();
        let skips = match self.schedule.rescale {
            Rescale::Always => None,
            Rescale::Grown { threshold } => Some(self.any_grown(&scored, &maxima, threshold)),
        };
        self.unless_kept(&skips, |k| {
            for (slot, (maximum, factor)) in maxima.iter().zip(&factors).enumerate() {
                k.move_maximum(&scored, slot, maximum, factor);
            }
        });
        self.exponentials(&scored, polynomials);
        self.add_to_sums(&scored);
        if self.roles().overlap == Overlap::Pinned {
            self.pin_sums(&scored);
        }
        self.b.comment("the output is there");
        self.wait_products(0);
        self.arrive(&values, EMPTY, &consumer.first_lane, 1);
        self.round_probabilities(&scored, &consumer.factors);
        self.unless_kept(&skips, |k| {
            for (slot, factor) in factors.iter().enumerate() {
                k.scale_row(&scored, slot, factor);
            }
        });
        self.next_tile(consumer);

        let more = self.b.setp(Word::Ge, Type::S32, "p", &consumer.tile, first);
        self.b.guarded(&more, false, |b| b.bra(&top));
        self.b.place(&done);
    }

    /// Keeps what the sums are made of before what follows. ptxas moves arithmetic across the wait for products freely, and
    /// the exponentials are to be computed while O += P V is in flight. A branch that depends on the sums holds them: it is
    /// never taken, since sums of exponentials are not below zero, but the assembler cannot know. It has to rejoin, as a
    /// trap would not: that makes ptxas serialise the products (C7512).
    fn pin_sums(&mut self, state: &State) {
        self.b.comment("never below zero: this only keeps the exponentials before the wait");
        let mut below: Option<Reg> = None;
        for sum in &state.softmax.sum {
            let is_below = self.b.setp(Word::Lt, Type::F32, "p", sum, 0.0f32);
            below = Some(match below {
                None => is_below,
                Some(other) => self.b.or(Type::Pred, "p", &is_below, &other),
            });
        }
        let below = below.expect("a lane has rows");
        let mods = [word(Word::Sync), word(Word::Any), ty(Type::Pred)];
        let any = self.b.op(Opcode::Vote, &mods, Type::Pred, "p", vec![(&below).into(), Operand::Int(-1)]);
        let summed = self.b.label("summed");
        self.b.guarded(&any, true, |b| b.bra(&summed));
        self.b.emit(Opcode::Membar, &[word(Word::Cta)], vec![]);
        self.b.place(&summed);
    }

    /// Emits `body`, jumped over where no maximum has grown.
    fn unless_kept(&mut self, grown: &Option<Reg>, body: impl FnOnce(&mut Self)) {
        let Some(grown) = grown else { return body(self) };
        let kept = self.b.label("maximum_kept");
        self.b.guarded(grown, true, |b| b.bra(&kept));
        body(self);
        self.b.place(&kept);
    }

    fn probabilities(&mut self, state: &State, consumer: &Consumer) {
        let polynomials = self.roles().polynomial;
        self.exponentials(state, polynomials);
        self.add_to_sums(state);
        self.round_probabilities(state, &consumer.factors);
    }

    /// The tile to the left, and its K slot.
    fn next_tile(&mut self, consumer: &Consumer) {
        self.advance(&consumer.keys);
        self.b.sub(Type::S32, &consumer.tile, &consumer.tile, 1);
    }

    /// O += P V of the leftmost tile.
    fn last_output(&mut self, block: &Block, consumer: &Consumer, state: &State) {
        self.b.stage("the last O += P V");
        if !self.output_over_query() {
            self.arrive(&block.barriers, EMPTY, &consumer.first_lane, 1);
        }
        let values_at = self.before(&consumer.keys);
        let values = self.slot_barriers(block, Which::Values, &values_at);
        self.wait(&values, FULL, &values_at.parity);
        self.fence_products();
        self.issue_output(state, &consumer.factors, &values_at);
        self.wait_products(0);
        self.arrive(&values, EMPTY, &consumer.first_lane, 1);
    }
}
