//! A role's body, node by node: what its warps carry from step to step, and the instructions of the steps that both roles
//! have. [`super::consumer`] and [`super::producer`] have those of their own.

use super::barrier::{EMPTY, FULL, Position};
use super::tile_info::Place;
use super::{Block, Hopper};
use crate::plan::{BufferId, Condition, Node, Side, Step, Turns, View};
use flashpage_ptx::ast::Name;
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Type, Word};

/// What the warps of a role carry from step to step.
pub(super) struct Flow<R> {
    pub block: Block,
    /// Whether this lane arrives at barriers for its warp.
    pub first_lane: Reg,
    /// Slot of this iteration's tile, in every ring that turns with tiles of columns. What is an iteration old has the slot
    /// before it.
    pub columns: Position,
    /// Parity of the phase in which Q comes, or of the one before it for who copies it.
    pub query_parity: Option<Reg>,
    /// Where the item is described.
    pub place: Place,
    /// Shared address of its barriers, between a wait and what it is for.
    place_barriers: Option<Reg>,
    /// Slots that have been worked out where we are.
    known: Vec<(View, Slot)>,
    /// Slots that the body will ask for: worked out together, with the first.
    ahead: Vec<View>,
    /// What this role alone carries.
    pub role: R,
}

/// A slot of a ring that turns with tiles of columns.
#[derive(Clone)]
pub(super) struct Slot {
    pub at: Position,
    /// Shared address of its barriers.
    pub barriers: Reg,
}

/// What a role has of its own.
pub(super) trait RoleFlow: Sized {
    /// Whether it reads a ring that turns with tiles of columns and fills another: then its position is that of who reads, and the phase in
    /// which a slot became empty is the one before.
    const READS_AND_FILLS: bool = false;

    /// A step that [`Hopper::walk`] does not know.
    fn step(k: &mut Hopper<'_>, flow: &mut Flow<Self>, step: &Step);
    /// [`Node::Items`]
    fn items(k: &mut Hopper<'_>, flow: &mut Flow<Self>, next: &[Node], each: &[Node], last: &[Node]);
    /// [`Node::Columns`]
    fn columns(k: &mut Hopper<'_>, flow: &mut Flow<Self>, first: &[Node], each: &[Node], last: &[Node]);
    /// Something is about to be awaited.
    fn awaits(_k: &mut Hopper<'_>, _flow: &mut Flow<Self>, _view: View) {}
    /// [`Node::If`]
    fn branch(k: &mut Hopper<'_>, flow: &mut Flow<Self>, when: Condition, then: &[Node], otherwise: &[Node]);
}

impl<R> Flow<R> {
    pub fn new(block: Block, first_lane: Reg, columns: Position, place: Place, role: R) -> Flow<R> {
        let query_parity = None;
        Flow {
            block,
            first_lane,
            columns,
            query_parity,
            place,
            place_barriers: None,
            known: Vec::new(),
            ahead: Vec::new(),
            role,
        }
    }

    /// Begins a body that is come by again and again, or once more elsewhere: nothing is known there.
    pub fn forget(&mut self) {
        self.known.clear();
        self.ahead.clear();
    }

    /// Has the slots of a body worked out together where the first of them is asked for.
    pub fn look_ahead(&mut self, nodes: &[Node]) {
        for node in nodes {
            let Node::Step(step) = node else { continue };
            let (Step::AwaitFull(view) | Step::AwaitEmpty(view)) = step else { continue };
            self.ahead.push(*view);
        }
    }

    /// What is worked out by `body` is known in there alone.
    pub fn inside<T>(&mut self, body: impl FnOnce(&mut Flow<R>) -> T) -> T {
        let known = self.known.clone();
        let result = body(self);
        self.known = known;
        result
    }
}

impl Hopper<'_> {
    /// [`Node::Columns`] of a role that copies: the rightmost tile, then the others down to the leftmost. `tiles` gives the registers of
    /// the tile and of the leftmost, once the first has been worked out; `pass_on` takes the number of the tile that is left, and makes the
    /// rings and what else is carried ready for the next.
    pub(super) fn right_to_left<R: RoleFlow>(
        &mut self,
        flow: &mut Flow<R>,
        [first, each, last]: [&[Node]; 3],
        tiles: impl FnOnce(&R) -> (Reg, Reg),
        pass_on: impl FnOnce(&mut Self, &mut Flow<R>, Reg),
    ) {
        self.b.stage("the rightmost tile");
        flow.forget();
        self.walk(flow, first);
        self.b.stage("right to left");
        let (top, done) = (self.b.label("copy"), self.b.label("copied"));
        self.b.place(&top);
        let (tile, leftmost) = tiles(&flow.role);
        let before = self.b.mov(Type::U32, "before", &tile);
        pass_on(self, flow, before);
        self.b.sub(Type::S32, &tile, &tile, 1);
        let over = self.b.setp(Word::Lt, Type::S32, "p", &tile, &leftmost);
        self.b.guarded(&over, false, |b| b.bra(&done));
        flow.forget();
        self.walk(flow, each);
        self.b.bra(&top);
        self.b.place(&done);
        flow.forget();
        self.walk(flow, last);
    }

    /// [`Node::Items`] of a role that learns of items where consumers do, and finds at `done` that there is none.
    pub(super) fn told_items<R: RoleFlow>(
        &mut self,
        flow: &mut Flow<R>,
        [next, each, last]: [&[Node]; 3],
        done: &Name,
    ) {
        let top = self.b.label("tile");
        self.b.place(&top);
        self.b.stage("the next tile of rows");
        self.walk(flow, next);
        self.walk(flow, each);
        self.b.bra(&top);
        self.b.place(done);
        self.walk(flow, last);
    }

    /// The instructions of a body.
    pub(super) fn walk<R: RoleFlow>(&mut self, flow: &mut Flow<R>, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Step(step) => {
                    let line = self.plan.line(step);
                    self.b.comment(&line);
                    self.step(flow, step);
                }
                Node::Items { next, each, last } => R::items(self, flow, next, each, last),
                Node::Columns { first, each, last } => {
                    R::columns(self, flow, first.as_ref().unwrap_or(each), each, last);
                }
                Node::If { when, then, otherwise } => R::branch(self, flow, *when, then, otherwise),
            }
        }
    }

    fn step<R: RoleFlow>(&mut self, flow: &mut Flow<R>, step: &Step) {
        match step {
            Step::AwaitFull(view) => self.await_slot(flow, *view, Side::Full),
            Step::AwaitEmpty(view) => self.await_slot(flow, *view, Side::Empty),
            Step::Release(view) => {
                let (barriers, offset) = self.barriers_of(flow, *view);
                self.arrive(&barriers, offset + EMPTY, &flow.first_lane, 1);
                self.turn_item(flow, view.buffer);
            }
            Step::Fill(view) => {
                let (barriers, offset) = self.barriers_of(flow, *view);
                self.arrive(&barriers, offset + FULL, &flow.first_lane, 1);
                self.turn_item(flow, view.buffer);
            }
            Step::FenceProxy => self.fence_proxy_async(),
            Step::MeetWarp => self.b.bar_warp_sync(),
            step => R::step(self, flow, step),
        }
    }

    /// What goes on with items has the next place once it has been filled, or released.
    fn turn_item<R>(&mut self, flow: &Flow<R>, buffer: BufferId) {
        if self.plan.shared(buffer).turns == Turns::Items {
            self.other_place(&flow.place);
        }
    }

    fn await_slot<R: RoleFlow>(&mut self, flow: &mut Flow<R>, view: View, side: Side) {
        let (barriers, offset) = self.barriers_of(flow, view);
        // Who fills a place goes on with what it has worked out; who reads one would carry it through its loops.
        if side == Side::Empty && self.plan.shared(view.buffer).turns == Turns::Items {
            flow.place_barriers = Some(barriers.clone());
        }
        R::awaits(self, flow, view);
        let parity = match self.plan.shared(view.buffer).turns {
            Turns::Items => self.parity(&flow.place),
            Turns::SeenItems => flow.query_parity.clone().expect("whose turn it is has been read"),
            Turns::Columns => {
                let parity = self.slot(flow, view).at.parity;
                let is_before = R::READS_AND_FILLS && side == Side::Empty;
                if is_before { self.b.xor(Type::B32, "r", &parity, 1) } else { parity }
            }
        };
        let side = if side == Side::Full { FULL } else { EMPTY };
        self.wait(&barriers, offset + side, &parity);
    }

    /// The barriers of a view's slot: a shared address, and what is added to it.
    pub(super) fn barriers_of<R>(&mut self, flow: &mut Flow<R>, view: View) -> (Reg, usize) {
        match self.plan.shared(view.buffer).turns {
            Turns::Items => match flow.place_barriers.take() {
                Some(barriers) => (barriers, 0),
                None => (self.info_barriers(&flow.block, &flow.place), 0),
            },
            Turns::SeenItems => (flow.block.barriers.clone(), self.first_pair(view.buffer)),
            Turns::Columns => (self.slot(flow, view).barriers, 0),
        }
    }

    /// The slot of a view, worked out once in a body.
    pub(super) fn slot<R>(&mut self, flow: &mut Flow<R>, view: View) -> Slot {
        if !flow.known.iter().any(|(known, _)| *known == view) {
            let mut wanted = std::mem::take(&mut flow.ahead);
            if !wanted.contains(&view) {
                wanted.push(view);
            }
            for view in wanted {
                let at = match view.ago {
                    0 => flow.columns.clone(),
                    _ => self.before(&flow.columns),
                };
                let barriers = self.slot_barriers(&flow.block, view.buffer, &at);
                flow.known.push((view, Slot { at, barriers }));
            }
        }
        let found = flow.known.iter().find(|(known, _)| *known == view);
        found.map(|(_, slot)| slot.clone()).expect("worked out above")
    }
}
