//! A kernel for Ampere, node by node: what its warps carry from step to step, and the instructions of each step.

use super::Ampere;
use super::convert::Converting;
use super::copy::InRing;
use super::product::Fragments;
use crate::lower::instance::Instance;
use crate::lower::range::{ColumnRange, Ends};
use crate::lower::scalar::Uniforms;
use crate::lower::score::{Kept, Masks};
use crate::lower::state::State;
use crate::plan::attention::{KEYS, QUERY, SCORES};
use crate::plan::{Compute, Condition, Function, Named, Node, Step, View};
use crate::schedule::{Products, Rescale};
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Opcode, Type, Word};
use std::rc::Rc;

/// What the warps carry.
pub(super) struct Flow {
    /// What the block owns, as it was worked out last.
    instance: Option<Rc<Instance>>,
    uniforms: Uniforms,
    range: Option<Rc<ColumnRange>>,
    ring: Option<Rc<InRing>>,
    /// Accumulators, softmax, and scores as they are now.
    state: Option<State>,
    fragments: Option<Rc<Fragments>>,
    /// Of tiles of f32.
    converting: Option<Rc<Converting>>,
    masks: Option<Rc<Masks>>,
    kept: Kept,
    keeps_any: Option<Reg>,
    maxima: Vec<Reg>,
    grown: Option<Reg>,
    sums: Vec<Reg>,
    /// While the ring is filled: how many tiles ahead that is, the tile, and whether there is one.
    ahead: (isize, Option<Reg>, Option<Reg>),
    /// In the loop over tiles of columns; and whether this part of it may have the sequence's end.
    inside: Option<bool>,
}

impl Flow {
    pub fn new() -> Flow {
        Flow {
            instance: None,
            uniforms: Uniforms::default(),
            range: None,
            ring: None,
            state: None,
            fragments: None,
            converting: None,
            masks: None,
            kept: Kept::default(),
            keeps_any: None,
            maxima: Vec::new(),
            grown: None,
            sums: Vec::new(),
            ahead: (0, None, None),
            inside: None,
        }
    }

    fn instance(&self) -> Rc<Instance> {
        self.instance.clone().expect("the block knows what it owns")
    }

    fn range(&self) -> Rc<ColumnRange> {
        self.range.clone().expect("the block knows what it owns")
    }

    fn state(&self) -> &State {
        self.state.as_ref().expect("accumulators have been cleared")
    }

    fn masks(&self) -> Rc<Masks> {
        self.masks.clone().expect("masks are prepared before columns")
    }
}

impl Ampere<'_> {
    /// The instructions of a body.
    pub(super) fn walk(&mut self, flow: &mut Flow, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Step(step) => {
                    let line = self.plan.line(step);
                    self.b.comment(line);
                    self.step(flow, step);
                }
                Node::Columns { each, .. } => self.columns(flow, each),
                Node::If { when: Condition::KeepsAny, then, otherwise } => {
                    self.where_any_is_kept(flow, then, otherwise);
                }
                Node::If { then, .. } => self.where_grown(flow, then),
                Node::Items { .. } => unreachable!("a block does one item"),
            }
        }
    }

    fn step(&mut self, flow: &mut Flow, step: &Step) {
        match step {
            Step::CopyAsync { to, .. } if to.buffer == QUERY => self.copy_query(&flow.instance()),
            Step::CopyAsync { to, checked, .. } => self.copy_columns(flow, *to, *checked),
            Step::CommitCopies => {
                self.b.cp_async_commit_group();
            }
            Step::AwaitCopies(groups) => {
                self.b.cp_async_wait_group(*groups);
            }
            Step::AwaitAllCopies => {
                self.b.cp_async_wait_all();
            }
            Step::Meet(meeting) => {
                let number = self.plan.named(Named::Meet(*meeting), 0).number;
                self.b.bar_sync(number as u32);
            }
            Step::MeetWarp => self.b.bar_warp_sync(),
            Step::MultiplyAtOnce { into, .. } => {
                let fragments = flow.fragments.clone().expect("lanes know where they read");
                let ring = self.ring_of(flow);
                match *into == SCORES {
                    true => self.product_scores(flow.state(), &fragments, &ring),
                    false => self.product_output(flow.state(), &fragments, &ring),
                }
            }
            Step::Compute(compute) => self.compute(flow, compute),
            other => unreachable!("no step for Ampere: {other:?}"),
        }
    }

    fn compute(&mut self, flow: &mut Flow, Compute { what, writes, .. }: &Compute) {
        match what {
            Function::Read => {
                let begins = flow.instance.is_none();
                let instance = self.own_instance();
                if begins {
                    flow.uniforms = self.hoist_uniform(&instance);
                    flow.range = Some(Rc::new(self.column_range(&instance, &mut flow.uniforms)));
                }
                flow.instance = Some(Rc::new(instance));
            }
            Function::LookUp => self.look_up_columns(flow, writes[0]),
            Function::Clear => {
                self.b.stage("accumulators and running softmax");
                let state = self.state(&flow.uniforms);
                for register in state.acc.iter().flatten().flatten() {
                    self.b.mov(Type::F32, register, 0.0f32);
                }
                flow.state = Some(state);
                let ring = self.ring_of(flow);
                flow.fragments = Some(Rc::new(self.fragments(&flow.instance(), &ring)));
                if self.ring.products != Products::Halves || self.ring.widens {
                    flow.converting = Some(Rc::new(self.converting(&flow.instance())));
                }
            }
            Function::Convert => {
                let ring = self.ring_of(flow);
                let converting = flow.converting.clone().expect("lanes know where they convert");
                self.convert(&flow.instance(), &ring, &converting, writes[0]);
            }
            Function::Load => {
                let fragments = flow.fragments.as_mut().and_then(Rc::get_mut);
                self.load_query_fragments(fragments.expect("nobody else has them yet"));
            }
            Function::Conditions => {
                let (instance, masks, tile) =
                    (flow.instance(), flow.masks(), self.ring_of(flow).tile.clone());
                flow.kept = self.conditions(&instance, &masks, &tile);
                flow.keeps_any = self.keeps_any(&flow.kept);
            }
            Function::Scores => {
                let (instance, masks, tile) =
                    (flow.instance(), flow.masks(), self.ring_of(flow).tile.clone());
                let state = flow.state.as_mut().expect("accumulators have been cleared");
                self.scores(&instance, &masks, &flow.kept, state, &tile);
            }
            Function::RowMaxima => flow.maxima = self.tile_maxima(flow.state()),
            Function::Growth => {
                flow.grown = match self.ring.rescale {
                    Rescale::Always => None,
                    Rescale::Grown { threshold } => {
                        Some(self.any_grown(flow.state(), &flow.maxima, threshold))
                    }
                };
            }
            Function::Rescale => self.rescale(flow.state(), &flow.maxima),
            Function::Exponentials { polynomials } => self.exponentials(flow.state(), *polynomials),
            Function::AddToSums => {
                self.add_to_sums(flow.state());
                let (instance, masks, tile) =
                    (flow.instance(), flow.masks(), self.ring_of(flow).tile.clone());
                let state = flow.state.as_mut().expect("accumulators have been cleared");
                self.weigh(&instance, &masks, state, &tile);
            }
            // The product does so as it goes: rounded, all of P would take registers beside all of S.
            Function::Round => {}
            Function::RowSums => {
                self.b.stage("row sums across the four lanes of a row");
                let sums = flow.state().softmax.sum.clone();
                let sums = sums.into_iter().map(|sum| self.across_row(Opcode::Add, sum)).collect();
                flow.sums = self.finish_rows(&flow.instance(), flow.state(), &flow.uniforms, sums);
            }
            Function::StorePartial => self.store_partial(&flow.instance(), flow.state(), &flow.sums),
            Function::StoreLse => {
                let lse = self.attention.lse.expect("the plan stores what the program does");
                self.store_lse(&flow.instance(), flow.state(), &flow.sums, lse);
            }
            Function::StoreDirect => {
                let output = self.attention.output.expect("the plan stores what the program does");
                self.store_direct(&flow.instance(), flow.state(), &flow.sums, output);
            }
            Function::Divide => self.write_output(&flow.instance(), flow.state(), &flow.sums),
            Function::StoreRows => {
                let output = self.attention.output.expect("the plan stores what the program does");
                self.copy_output(&flow.instance(), output);
            }
            other => unreachable!("no warp of Ampere does {other}"),
        }
    }

    /// The ring, which is set up where it is needed first.
    fn ring_of(&mut self, flow: &mut Flow) -> Rc<InRing> {
        if let Some(ring) = &flow.ring {
            return ring.clone();
        }
        let ring = Rc::new(self.in_ring(&flow.instance(), &flow.range()));
        self.b.stage("fill the ring");
        flow.ring = Some(ring.clone());
        ring
    }

    /// The tile so many iterations from now, before the loop.
    fn tile_ahead(&mut self, flow: &mut Flow, ago: isize) -> Reg {
        let ring = self.ring_of(flow);
        let (ahead, tile, _) = flow.ahead.clone();
        let tile = tile.unwrap_or_else(|| ring.tile.clone());
        if ahead == -ago {
            flow.ahead.1 = Some(tile.clone());
            return tile;
        }
        let tile = self.b.sub(Type::S32, "r", &tile, 1);
        flow.ahead = (-ago, Some(tile.clone()), None);
        tile
    }

    fn look_up_columns(&mut self, flow: &mut Flow, blocks: View) {
        let ring = self.ring_of(flow);
        let tile = match flow.inside {
            None => self.tile_ahead(flow, blocks.ago),
            Some(_) => self.b.sub(Type::S32, "r", &ring.tile, -blocks.ago as i64),
        };
        self.look_up(&ring, &tile);
    }

    fn copy_columns(&mut self, flow: &mut Flow, to: View, checked: bool) {
        let (ring, range) = (self.ring_of(flow), flow.range());
        match flow.inside {
            None => {
                let tile = self.tile_ahead(flow, to.ago);
                let present = match flow.ahead.2.clone() {
                    Some(present) => present,
                    None => self.in_range(&tile, &range),
                };
                flow.ahead.2 = Some(present.clone());
                self.fill_slot(&ring, to.buffer == KEYS, -to.ago as usize, &tile, checked, &present);
            }
            Some(may_end) => {
                self.copy_ahead(&ring, &range, (to.buffer, -to.ago as usize), checked && may_end);
            }
        }
    }

    /// The main loop in up to three parts, right to left: boundary tiles with masks, inner tiles without,
    /// boundary tiles of a mask that also has a left end.
    fn columns(&mut self, flow: &mut Flow, each: &[Node]) {
        let (instance, ring, range) = (flow.instance(), self.ring_of(flow), flow.range());
        let tile = ring.tile.clone();
        for (index, phase) in self.phases().into_iter().enumerate() {
            let first = range.at(phase.first).expect("every part has its edge").clone();
            let masked = phase.ends != Ends::None;
            self.b.stage(phase.title);
            // A left boundary comes last: rather than carry rows and lengths through the inner loop, ask again.
            let again = (index > 0 && masked).then(|| Rc::new(self.own_instance()));
            let own = again.as_ref().unwrap_or(&instance);
            flow.masks = Some(Rc::new(self.prepare_scores(own, phase.ends, &mut flow.uniforms)));
            flow.instance = Some(own.clone());
            // Only the first part has the tile that can reach past the end. Planned kernels, which carry more, save
            // what it takes to know.
            flow.inside = Some(masked && (index == 0 || !self.spec.work.is_planned()));
            let (top, done) = (self.b.label("columns"), self.b.label("columns_done"));
            let finished = self.b.setp(Word::Lt, Type::S32, "p", &tile, &first);
            self.b.guarded(&finished, false, |b| b.bra(&done));
            self.b.place(&top);
            self.walk(flow, each);
            self.next_stage(&ring);
            self.b.sub(Type::S32, &tile, &tile, 1);
            let more = self.b.setp(Word::Ge, Type::S32, "p", &tile, &first);
            self.b.guarded(&more, false, |b| b.bra(&top));
            self.b.place(&done);
        }
    }

    /// Emits `then` for a warp that keeps some score of the tile, `otherwise` for one that keeps none. Besides, nothing
    /// moves past a branch that depends on all conditions: ptxas would put off parts of them into the products, whose
    /// registers they were to use before.
    fn where_any_is_kept(&mut self, flow: &mut Flow, then: &[Node], otherwise: &[Node]) {
        let Some(keeps_any) = flow.keeps_any.clone() else { return self.walk(flow, then) };
        let (some, nothing) = (self.b.label("some_kept"), self.b.label("nothing_kept"));
        self.b.guarded(&keeps_any, false, |b| b.bra(&some));
        self.walk(flow, otherwise);
        self.b.bra(&nothing);
        self.b.place(&some);
        self.walk(flow, then);
        self.b.place(&nothing);
    }

    /// Emits `then`, jumped over where no maximum has grown.
    fn where_grown(&mut self, flow: &mut Flow, then: &[Node]) {
        let grown = flow.grown.clone().expect("growth was asked");
        let kept = self.b.label("maximum_kept");
        self.b.guarded(&grown, true, |b| b.bra(&kept));
        self.walk(flow, then);
        self.b.place(&kept);
    }
}
