//! A consumer warpgroup: 64 rows of the tile, all columns. What it does in which order is the plan's
//! ([`crate::plan::roles`]); here are the instructions.

use super::barrier::{EMPTY, Turns};
use super::flow::{Flow, RoleFlow};
use super::product::{Factors, Product};
use super::tile_info::{Place, TileInfo};
use super::{Block, Hopper};
use crate::lower::instance::Instance;
use crate::lower::range::Ends;
use crate::lower::scalar::Uniforms;
use crate::lower::score::{Kept, Masks};
use crate::lower::state::State;
use crate::plan::attention::ACCUMULATORS;
use crate::plan::{Compute, Condition, Function, Meeting, Named, NamedBarrier, Node, Step};
use crate::schedule::{Rescale, WARPGROUP_WARPS};
use flashpage_ptx::ast::Name;
use flashpage_ptx::builder::{Reg, word};
use flashpage_ptx::words::{Opcode, Type, Word};
use std::rc::Rc;

/// What a consumer warp carries beside what every role does.
pub(super) struct Consumer {
    /// Warpgroup among the consumers.
    pub warpgroup: Reg,
    pub factors: Factors,
    turns: Option<Turns>,
    /// The tile whose scores are computed.
    pub tile: Reg,
    /// Where the next item begins, and where there is none.
    next: Name,
    done: Name,
    /// What was read of the item first.
    info: Option<TileInfo>,
    /// The item, as it was read last.
    pub instance: Option<Rc<Instance>>,
    uniforms: Uniforms,
    /// Accumulators and softmax; scores as the products leave them.
    pub state: Option<State>,
    /// The same with scores after maps and masks.
    scored: Option<State>,
    masks: Option<Rc<Masks>>,
    kept: Kept,
    maxima: Vec<Reg>,
    growth: Vec<Reg>,
    grown: Option<Reg>,
    /// Columns of the tile that exist.
    left: Option<Reg>,
    /// Row sums, at last.
    pub sums: Vec<Reg>,
    /// The thread of the warpgroup that begins its bulk copies.
    pub issuer: Option<Reg>,
    /// The warpgroup's own named barrier.
    alone: Option<Reg>,
    /// First row of the warpgroup.
    pub first_row: Option<Reg>,
    /// Shared address of O.
    pub o_tile: Option<Reg>,
}

impl Consumer {
    /// The item.
    pub fn instance(&self) -> Rc<Instance> {
        self.instance.clone().expect("an item has been read")
    }

    /// Accumulators and softmax.
    pub fn state(&self) -> State {
        self.state.clone().expect("an item has been begun")
    }

    fn scored(&self) -> State {
        self.scored.clone().expect("scores have been computed")
    }
}

impl Hopper<'_> {
    pub(super) fn consumer(&mut self, block: Block) {
        self.b.stage("CONSUMERS: a warpgroup for 64 rows each");
        let role = self.role("consumer");
        self.set_registers_of(role, Word::Inc);
        let warpgroup = self.b.shr(Type::U32, "warpgroup", &block.warp, 2);
        let first_lane = self.b.setp(Word::Eq, Type::U32, "first_lane", &block.lane, 0);
        let factors = self.factors(&block, &warpgroup);
        let turns = self.turns(&warpgroup);
        let columns = self.first_position(0);
        let tile = self.b.reg(Type::U32, "tile");
        let place = self.first_place(false);
        let (next, done) = (self.b.label("tile"), self.b.label("tiles_done"));
        let consumer = Consumer {
            warpgroup,
            factors,
            turns,
            tile,
            next,
            done,
            info: None,
            instance: None,
            uniforms: Uniforms::default(),
            state: None,
            scored: None,
            masks: None,
            kept: Kept::default(),
            maxima: Vec::new(),
            growth: Vec::new(),
            grown: None,
            left: None,
            sums: Vec::new(),
            issuer: None,
            alone: None,
            first_row: None,
            o_tile: None,
        };
        let mut flow = Flow::new(block, first_lane, columns, place, consumer);
        self.walk(&mut flow, &role.body);
    }

    /// What is told of an item. The first time it also decides whether there is one.
    fn read(&mut self, flow: &mut Flow<Consumer>) {
        let mut info = self.read_info(&flow.block, &flow.place);
        let begins = flow.role.info.is_none();
        if begins {
            self.agree(&mut info);
            let over = self.b.setp(Word::Ne, Type::U32, "p", &info.is_over(), 0);
            let done = flow.role.done.clone();
            self.b.guarded(&over, false, |b| b.bra(&done));
            flow.query_parity = Some(info.query_parity());
        }
        let lanes = self.lanes();
        let extent = self.extent_of(&info);
        let instance = self.instance(lanes, extent);
        if begins {
            flow.role.uniforms = self.hoist_uniform(&instance);
            flow.role.info = Some(info);
        }
        flow.role.instance = Some(Rc::new(instance));
    }

    /// What was read and worked out at first, again: to carry it through the loops would cost registers there.
    fn instance_again(&mut self, block: &Block, place: &Place) -> Instance {
        let info = self.read_info(block, place);
        let lanes = self.lanes();
        let extent = self.extent_of(&info);
        self.instance(lanes, extent)
    }

    fn compute(&mut self, flow: &mut Flow<Consumer>, compute: &Compute) {
        let Compute { what, writes, reads } = compute;
        match what {
            Function::Read => self.read(flow),
            Function::Clear if writes.iter().any(|view| view.buffer == ACCUMULATORS) => {
                for register in flow.role.state().acc.iter().flatten().flatten() {
                    self.b.mov(Type::F32, register, 0.0f32);
                }
            }
            Function::Clear => flow.role.state = Some(self.state(&flow.role.uniforms)),
            Function::ClearRows => {
                let left = flow.role.left.clone().expect("what exists of a tile was asked");
                self.clear_rows(flow, writes[0], &left);
            }
            Function::Conditions => {
                let (instance, masks) = (flow.role.instance(), flow.role.masks.clone());
                let masks = masks.expect("masks are prepared before columns");
                flow.role.kept = self.conditions(&instance, &masks, &flow.role.tile);
            }
            Function::Scores => {
                let (instance, masks) = (flow.role.instance(), flow.role.masks.clone());
                let masks = masks.expect("masks are prepared before columns");
                let mut scored = flow.role.state();
                self.scores(&instance, &masks, &flow.role.kept, &mut scored, &flow.role.tile);
                flow.role.scored = Some(scored);
            }
            Function::RowMaxima => flow.role.maxima = self.tile_maxima(&flow.role.scored()),
            Function::RaiseMaxima => {
                for (max, maximum) in flow.role.scored().softmax.max.iter().zip(&flow.role.maxima) {
                    self.b.max(Type::F32, max, max, maximum);
                }
            }
            Function::Growth => {
                flow.role.growth = flow.role.maxima.iter().map(|_| self.b.reg(Type::F32, "grow")).collect();
                flow.role.grown = match self.schedule.rescale {
                    Rescale::Always => None,
                    Rescale::Grown { threshold } => {
                        Some(self.any_grown(&flow.role.scored(), &flow.role.maxima, threshold))
                    }
                };
            }
            Function::MoveMaxima => {
                let scored = flow.role.scored();
                for (slot, maximum) in flow.role.maxima.iter().enumerate() {
                    self.move_maximum(&scored, slot, maximum, &flow.role.growth[slot]);
                }
            }
            Function::Exponentials { polynomials } => {
                self.exponentials(&flow.role.scored(), *polynomials);
            }
            Function::AddToSums => {
                let mut scored = flow.role.scored();
                self.add_to_sums(&scored);
                let (instance, masks) = (flow.role.instance(), flow.role.masks.clone());
                let masks = masks.expect("masks are prepared before columns");
                self.weigh(&instance, &masks, &mut scored, &flow.role.tile);
            }
            Function::Pin => self.pin_sums(&flow.role.scored()),
            Function::Round => self.round_probabilities(&flow.role.scored(), &flow.role.factors),
            Function::AddProducts => self.add_products(&flow.role.scored()),
            Function::Rescale => {
                let scored = flow.role.scored();
                for (slot, factor) in flow.role.growth.iter().enumerate() {
                    self.scale_row(&scored, slot, factor);
                }
            }
            Function::RowSums => {
                self.b.stage("row sums across the four lanes of a row");
                let sums = flow.role.state().softmax.sum;
                let sums = sums.into_iter().map(|sum| self.across_row(Opcode::Add, sum)).collect();
                let (instance, state) = (flow.role.instance(), flow.role.state());
                flow.role.sums = self.finish_rows(&instance, &state, &flow.role.uniforms, sums);
            }
            Function::StoreLse => {
                let (instance, state) = (flow.role.instance(), flow.role.state());
                let lse = self.attention.lse.expect("the plan stores what the program does");
                self.store_lse(&instance, &state, &flow.role.sums, lse);
            }
            Function::StorePartial => {
                let (instance, state) = (flow.role.instance(), flow.role.state());
                self.store_partial(&instance, &state, &flow.role.sums);
            }
            Function::StoreNothing => {
                self.store_nothing(&flow.role.instance(), &flow.role.state(), &flow.role.uniforms)
            }
            Function::StoreDirect => {
                let (instance, state) = (flow.role.instance(), flow.role.state());
                let output = self.attention.output.expect("the plan stores what the program does");
                self.store_direct(&instance, &state, &flow.role.sums, output);
            }
            Function::Divide => self.write_output(flow),
            Function::StoreRows => self.store_shared_rows(flow),
            Function::Describe
            | Function::LookUp
            | Function::Convert
            | Function::Load
            | Function::ClearSpareRows => {
                unreachable!("no consumer's: {what} of {reads:?}")
            }
        }
    }

    /// Emits `then`, jumped over where no maximum has grown.
    fn where_grown(&mut self, flow: &mut Flow<Consumer>, then: &[Node]) {
        let grown = flow.role.grown.clone().expect("growth was asked");
        let kept = self.b.label("maximum_kept");
        self.b.guarded(&grown, true, |b| b.bra(&kept));
        self.walk(flow, then);
        self.b.place(&kept);
    }

    /// Emits `then` for a tile in which the sequence ends. All lanes of all consumers find the same.
    fn where_it_ends(&mut self, flow: &mut Flow<Consumer>, then: &[Node]) {
        let instance = flow.role.instance();
        let cols = self.schedule.cols;
        let start = self.tile_start(&instance, &flow.role.tile);
        let left = self.b.sub(Type::U32, "r", &instance.kv_len, &start);
        let whole = self.b.setp(Word::Ge, Type::U32, "p", &left, cols);
        let done = self.b.label("whole_tile");
        self.b.guarded(&whole, false, |b| b.bra(&done));
        flow.role.left = Some(left);
        flow.inside(|flow| self.walk(flow, then));
        self.b.place(&done);
    }

    /// One of two ends of an item, which both go on to the next.
    fn where_columns_are_seen(&mut self, flow: &mut Flow<Consumer>, then: &[Node], otherwise: &[Node]) {
        let info = flow.role.info.as_ref().expect("an item has been read");
        self.b.sub(Type::S32, &flow.role.tile, &info.tiles_end(), 1);
        let nothing = self.b.label("no_columns");
        let is_nothing = self.b.setp(Word::Lt, Type::S32, "p", &flow.role.tile, &info.first_tile());
        // Where no tail is cleared nothing else tells ptxas that the lanes are together: then it keeps descriptors in
        // registers of their own, and a score costs 8.2 instructions and not 7.1.
        let is_nothing = match self.roles.copies_rows() {
            true => self.b.vote_any("p", &is_nothing),
            false => is_nothing,
        };
        self.b.guarded(&is_nothing, false, |b| b.bra(&nothing));
        let next = flow.role.next.clone();
        self.walk(flow, then);
        self.b.bra(&next);
        self.b.place(&nothing);
        self.b.stage("no row sees a column");
        self.walk(flow, otherwise);
        self.b.bra(&next);
    }

    /// The named barrier of this warpgroup.
    fn alone(&mut self, flow: &mut Flow<Consumer>) -> Reg {
        let known = flow.role.alone.take();
        let first = self.plan.named(Named::Meet(Meeting::Alone), 0).number;
        let alone = known.unwrap_or_else(|| self.b.add(Type::U32, "alone", &flow.role.warpgroup, first));
        flow.role.alone = Some(alone.clone());
        alone
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
        let any = self.b.vote_any("p", &below);
        let summed = self.b.label("summed");
        self.b.guarded(&any, true, |b| b.bra(&summed));
        self.b.emit(Opcode::Membar, &[word(Word::Cta)], vec![]);
        self.b.place(&summed);
    }
}

impl RoleFlow for Consumer {
    fn step(k: &mut Hopper<'_>, flow: &mut Flow<Consumer>, step: &Step) {
        match step {
            Step::Multiply { into, a, b, transposed, fresh } => {
                let product = Product { into: *into, a: *a, b: *b, transposed: *transposed, fresh: *fresh };
                let slot = k.slot(flow, *b);
                k.multiply(&slot, &flow.role.factors, &flow.role.state(), product);
            }
            Step::FenceProducts => k.b.wgmma_fence(),
            Step::AwaitProducts(groups) => k.b.wgmma_wait_group(*groups),
            Step::TakeTurn => k.take_turn(&flow.role.turns),
            Step::PassTurn => k.pass_turn(&flow.role.turns),
            Step::Meet(Meeting::Consumers) => {
                let NamedBarrier { number, threads, .. } = *k.plan.named(Named::Meet(Meeting::Consumers), 0);
                k.meet(number, threads);
            }
            Step::Meet(Meeting::Alone) => {
                let alone = k.alone(flow);
                let threads = k.plan.named(Named::Meet(Meeting::Alone), 0).threads;
                k.meet(&alone, threads);
            }
            Step::Store { .. } => k.store_output(flow),
            Step::AwaitStoresRead => {
                let issuer = k.issuer(flow);
                k.wait_stores_read(&issuer);
            }
            Step::ReleaseForAll(view) => {
                let issuer = k.issuer(flow);
                let (barriers, offset) = k.barriers_of(flow, *view);
                k.arrive(&barriers, offset + EMPTY, &issuer, WARPGROUP_WARPS);
            }
            Step::Compute(compute) => k.compute(flow, compute),
            other => unreachable!("no consumer's: {other:?}"),
        }
    }

    fn items(k: &mut Hopper<'_>, flow: &mut Flow<Consumer>, next: &[Node], each: &[Node], last: &[Node]) {
        let (top, done) = (flow.role.next.clone(), flow.role.done.clone());
        k.b.place(&top);
        k.b.stage("the next tile of rows");
        k.walk(flow, next);
        k.walk(flow, each);
        k.b.place(&done);
        flow.role.issuer = None;
        k.walk(flow, last);
    }

    fn columns(k: &mut Hopper<'_>, flow: &mut Flow<Consumer>, first: &[Node], each: &[Node], last: &[Node]) {
        k.b.stage("the rightmost tile, masked");
        let next_tile = |k: &mut Hopper<'_>, flow: &Flow<Consumer>| {
            k.advance(&flow.columns);
            k.b.sub(Type::S32, &flow.role.tile, &flow.role.tile, 1);
        };
        let instance = flow.role.instance();
        flow.role.masks = Some(Rc::new(k.prepare_scores(&instance, Ends::Both, &mut flow.role.uniforms)));
        flow.forget();
        k.walk(flow, first);
        next_tile(k, flow);

        let seen = &k.attention.seen;
        // Without a bound on the right only the rightmost tile needs its end masked.
        let skipped = usize::from(seen.exact && seen.hi.is_none());
        for (index, phase) in k.phases().into_iter().enumerate().skip(skipped) {
            k.b.stage(phase.title);
            let edge = k.read_edge(&flow.block, &flow.place, phase.first);
            // The first part goes on with what the rightmost tile has.
            if index > 0 {
                let asks = phase.ends != Ends::None || !k.attention.scores.is_empty();
                let part =
                    if asks { Rc::new(k.instance_again(&flow.block, &flow.place)) } else { instance.clone() };
                flow.role.masks = Some(Rc::new(k.prepare_scores(&part, phase.ends, &mut flow.role.uniforms)));
                flow.role.instance = Some(part);
            }
            let (top, done) = (k.b.label("columns"), k.b.label("columns_done"));
            let finished = k.b.setp(Word::Lt, Type::S32, "p", &flow.role.tile, &edge);
            k.b.guarded(&finished, false, |b| b.bra(&done));
            k.b.place(&top);
            flow.forget();
            flow.look_ahead(each);
            k.walk(flow, each);
            next_tile(k, flow);
            let more = k.b.setp(Word::Ge, Type::S32, "p", &flow.role.tile, &edge);
            k.b.guarded(&more, false, |b| b.bra(&top));
            k.b.place(&done);
        }
        k.b.stage("the last O += P V");
        flow.forget();
        k.walk(flow, last);
    }

    fn branch(
        k: &mut Hopper<'_>,
        flow: &mut Flow<Consumer>,
        when: Condition,
        then: &[Node],
        otherwise: &[Node],
    ) {
        match when {
            Condition::SeesColumns => k.where_columns_are_seen(flow, then, otherwise),
            Condition::EndsInTile => k.where_it_ends(flow, then),
            Condition::MaximumGrew => k.where_grown(flow, then),
            Condition::WholeRows => k.where_rows_are_whole(flow, then, otherwise),
            Condition::KeepsAny | Condition::FirstWarp => unreachable!("consumers multiply together"),
        }
    }
}
