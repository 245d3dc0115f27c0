//! A plan, run: the main loop in steady state, as rough times.
//!
//! Every copy of every role goes through its body by itself, step by step; whoever's next step can begin first is next. It
//! waits where the plan waits: for slots to be full or empty, for turns, for copies and products under way. Memory and the
//! tensor cores serve one after the other. When the roles have settled, one period is cut out: one iteration, or a few, for
//! a ring that waits for copies has long and short ones in turn.
//!
//! The times are estimates from shapes alone: they show who waits for whom, not how fast a kernel is.

use super::attention::{COMING, KEYS, SCORES, VALUES};
use super::{
    BufferId, Compute, Condition, Function, Node, Place, Plan, Role, Shared, Step, Turns, View, each_step,
};
use crate::layout::converted::NUMBER;
use crate::schedule::{F32Products, Products};
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

/// Bytes a cycle that copies bring to a multiprocessor. Near what the L2 cache gives each if all ask.
const COPY_BYTES_PER_CYCLE: usize = 32;
/// Cycles until the first byte of a copy comes.
const COPY_LATENCY: usize = 600;
/// Multiplications a cycle of all tensor cores by `wgmma`: m64nNk16 takes N / 2 cycles.
const OF_WARPGROUPS: usize = 2048;
/// Multiplications a cycle of all tensor cores by `mma.sync` on Ampere.
const OF_WARPS: usize = 1024;
/// Schedulers of a multiprocessor, each of which issues one instruction a cycle.
const SCHEDULERS: usize = 4;
/// Cycles that a warp's exponentials of one register occupy the special-function unit: 32 lanes, 4 at a time.
const SPECIAL_CYCLES: usize = 8;
/// Instructions of a score before the first exponential: its part of the maximum.
const BEFORE: usize = 1;
/// Instructions of a score beside its exponential: scaling and sum.
const BESIDE: usize = 2;
/// Instructions of a polynomial exponential.
const POLYNOMIAL_INSTRUCTIONS: usize = 10;
/// Iterations until the roles have settled.
const SETTLED: usize = 64;
/// Most iterations of a period.
const LONGEST: usize = 4;
/// Characters of a printed lane.
const WIDTH: usize = 112;

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Memory, by copies.
    Copies,
    /// A copy of the role that multiplies.
    Warps(usize),
    /// The tensor cores of the multiprocessor.
    TensorCores,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activity {
    /// A tile is copied to this buffer.
    Copy(BufferId),
    /// S = Q Kᵀ, by this copy of a role.
    Scores(usize),
    /// O += P V, by this copy of a role.
    Output(usize),
    /// Mask, maxima, exponentials, sums.
    Softmax,
    /// P is rounded to what factors are.
    Round,
    /// A tile of f32 becomes a factor.
    Convert,
    /// O shrinks.
    Rescale,
}

/// What happens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The iteration's first product is issued.
    Issue,
    /// A slot of this buffer is released.
    Release(BufferId),
}

/// Something that takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Who.
    pub lane: Lane,
    /// What.
    pub work: Activity,
    /// Which tile: 0 is `j`, 1 the one to its right, which came before.
    pub tile: isize,
    /// First cycle, from the start of the period.
    pub from: usize,
    /// One past the last.
    pub to: usize,
}

/// A moment in an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Of which copy of the role that multiplies.
    pub copy: usize,
    /// What.
    pub event: Event,
    /// Cycle, from the start of the period.
    pub at: usize,
}

/// One period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Its cycles.
    pub cycles: usize,
    /// Its iterations.
    pub iterations: usize,
    /// Who does something, from top to bottom, and what it is called.
    pub lanes: Vec<(Lane, String)>,
    /// What is done, cut at both ends of the period.
    pub spans: Vec<Span>,
    /// What happens.
    pub moments: Vec<Moment>,
}

/// One copy of one role, on its way through its body.
struct Actor<'p> {
    role: &'p Role,
    copy: usize,
    /// Steps that are left, the next one last, each with its iteration.
    steps: Vec<(isize, &'p Step)>,
    clock: usize,
    /// When the groups of products that it issued are over.
    products: Vec<usize>,
    /// When the groups of copies that it closed are over, and what the open one is to bring.
    copies: Vec<usize>,
    open: Vec<View>,
    /// When the first product of each iteration was issued.
    issues: Vec<(isize, usize)>,
    turns_taken: usize,
}

/// What all share.
struct Machine<'p> {
    plan: &'p Plan,
    memory: usize,
    tensor_cores: usize,
    full: HashMap<(BufferId, isize), usize>,
    /// When what was asked for has come, by the tile that it is to become.
    asked: HashMap<(BufferId, isize), usize>,
    released: HashMap<(BufferId, isize), Vec<usize>>,
    /// When each copy was given its turns.
    turns: Vec<Vec<usize>>,
    /// With the tile, counted from the rightmost.
    spans: Vec<(isize, Span)>,
    moments: Vec<Moment>,
}

impl Plan {
    /// The main loop in steady state; `None` of a plan without one.
    pub fn timeline(&self) -> Option<Timeline> {
        let mut machine = Machine::new(self);
        let mut actors: Vec<Actor<'_>> = self.roles.iter().flat_map(Actor::of_role).collect();
        // Whose next step can begin first; of several the first in order.
        while let Some((_, next)) =
            (0..actors.len()).filter_map(|index| machine.ready(&actors[index]).map(|at| (at, index))).min()
        {
            machine.step(&mut actors[next]);
        }
        let who: Vec<&Actor<'_>> = actors.iter().filter(|actor| !actor.issues.is_empty()).collect();
        machine.cut(&who)
    }
}

impl<'p> Actor<'p> {
    fn of_role(role: &'p Role) -> impl Iterator<Item = Actor<'p>> {
        (0..role.copies).map(move |copy| {
            let mut steps = Vec::new();
            flatten(&role.body, 0, &mut steps);
            steps.reverse();
            Actor {
                role,
                copy,
                steps,
                clock: 0,
                products: Vec::new(),
                copies: Vec::new(),
                open: Vec::new(),
                issues: Vec::new(),
                turns_taken: 0,
            }
        })
    }

    fn issued(&self, iteration: usize) -> Option<usize> {
        let found = self.issues.iter().find(|(at, _)| *at == iteration as isize);
        found.map(|(_, clock)| *clock)
    }
}

/// The steps of one item that sees columns without end: no sequence ends, and no maximum grows.
fn flatten<'p>(nodes: &'p [Node], iteration: isize, steps: &mut Vec<(isize, &'p Step)>) {
    for node in nodes {
        match node {
            Node::Step(step) => steps.push((iteration, step)),
            Node::Items { next, each, .. } => {
                flatten(next, iteration, steps);
                flatten(each, iteration, steps);
            }
            Node::Columns { first, each, .. } => {
                flatten(first.as_ref().unwrap_or(each), 0, steps);
                for iteration in 1..SETTLED as isize {
                    flatten(each, iteration, steps);
                }
                // What comes after the last is never reached.
                return;
            }
            Node::If { when, then, otherwise } => {
                let holds = match when {
                    Condition::SeesColumns | Condition::KeepsAny | Condition::WholeRows => true,
                    Condition::FirstWarp => true,
                    Condition::EndsInTile | Condition::MaximumGrew => false,
                };
                flatten(if holds { then } else { otherwise }, iteration, steps);
            }
        }
    }
}

impl<'p> Machine<'p> {
    fn new(plan: &'p Plan) -> Machine<'p> {
        let copies = plan.roles.iter().map(|role| role.copies).max().unwrap_or(1);
        let mut turns = vec![Vec::new(); copies];
        // The first turn is the first copy's.
        turns[0].push(0);
        Machine {
            plan,
            memory: 0,
            tensor_cores: 0,
            full: HashMap::new(),
            asked: HashMap::new(),
            released: HashMap::new(),
            turns,
            spans: Vec::new(),
            moments: Vec::new(),
        }
    }

    /// The tile that a view is of.
    fn tile(&self, view: View, iteration: isize) -> (BufferId, isize) {
        let turns = match &self.plan.buffer(view.buffer).place {
            Place::Shared(Shared { turns, .. }) | Place::Registers { turns, .. } => *turns,
            Place::Memory => Turns::Items,
        };
        (view.buffer, if turns == Turns::Columns { iteration - view.ago } else { 0 })
    }

    /// When an actor's next step can begin; `None` where that is not known yet, or nothing is left.
    fn ready(&self, actor: &Actor<'_>) -> Option<usize> {
        let (iteration, step) = actor.steps.last()?;
        let event = match step {
            Step::AwaitFull(view) => *self.full.get(&self.tile(*view, *iteration))?,
            Step::AwaitEmpty(view) => {
                let (buffer, tile) = self.tile(*view, *iteration);
                let shared = self.plan.shared(buffer);
                let before = tile - shared.slots as isize;
                if before < 0 {
                    return Some(actor.clock);
                }
                let released = self.released.get(&(buffer, before))?;
                let of_all: usize = released.len() * self.warps_that_release(buffer);
                if of_all < shared.barriers.map_or(0, |barriers| barriers.empties) {
                    return None;
                }
                released.iter().copied().max().unwrap_or(0)
            }
            Step::TakeTurn => *self.turns[actor.copy].get(actor.turns_taken)?,
            Step::AwaitProducts(left) => ended(&actor.products, *left),
            Step::AwaitCopies(left) => ended(&actor.copies, *left),
            Step::AwaitAllCopies => ended(&actor.copies, 0),
            _ => 0,
        };
        Some(actor.clock.max(event))
    }

    /// Warps of one copy of the role that releases a buffer.
    fn warps_that_release(&self, buffer: BufferId) -> usize {
        let releases = |role: &&Role| {
            let mut found = false;
            each_step(&role.body, &mut |step| {
                let of = |view: &View| view.buffer == buffer;
                found |= matches!(step, Step::Release(view) | Step::ReleaseForAll(view) if of(view));
            });
            found
        };
        self.plan.roles.iter().find(releases).map_or(1, |role| role.warps)
    }

    fn step(&mut self, actor: &mut Actor<'p>) {
        let Some(at) = self.ready(actor) else { return };
        let Some((iteration, step)) = actor.steps.pop() else { return };
        actor.clock = at;
        match step {
            Step::Fill(view) => {
                self.full.insert(self.tile(*view, iteration), at);
            }
            Step::Release(view) | Step::ReleaseForAll(view) => {
                self.released.entry(self.tile(*view, iteration)).or_default().push(at);
                let (copy, event) = (actor.copy, Event::Release(view.buffer));
                self.moments.push(Moment { copy, event, at });
            }
            Step::Copy { to, .. } => {
                let there = self.copy(*to, iteration, at);
                self.full.insert(self.tile(*to, iteration), there);
            }
            Step::CopyAsync { to, .. } => actor.open.push(*to),
            Step::AskFor { to, .. } => {
                let tile = View { buffer: COMING_TO[usize::from(to.buffer == COMING[1])], ..*to };
                let there = self.copy(tile, iteration, at);
                self.asked.insert(self.tile(tile, iteration), there);
            }
            Step::WriteConverted { to, .. } => {
                let there = self.asked.get(&self.tile(*to, iteration)).copied().unwrap_or(at);
                let issued =
                    self.conversion(*to) / 32 / actor.role.warps * actor.role.warps.div_ceil(SCHEDULERS);
                actor.clock = there.max(at) + issued;
            }
            Step::CopyConverted { to, .. } => {
                // What comes is converted meanwhile: whichever takes longer.
                let all = self.conversion(*to) / 32;
                let issued = all / actor.role.warps * actor.role.warps.div_ceil(SCHEDULERS);
                actor.clock = self.copy(*to, iteration, at).max(at + COPY_LATENCY + issued);
            }
            Step::Transpose { to, .. } => {
                let all = self.plan.shared(to.buffer).bytes / (64 * 32) * TRANSPOSING;
                actor.clock = at + all / actor.role.warps * actor.role.warps.div_ceil(SCHEDULERS);
            }
            Step::CommitCopies => {
                let open = std::mem::take(&mut actor.open);
                let there = open.into_iter().map(|to| self.copy(to, iteration, at)).max();
                actor.copies.push(there.unwrap_or(at));
            }
            Step::FillOnceCopied(view) => {
                let open = std::mem::take(&mut actor.open);
                let there = open.into_iter().map(|to| self.copy(to, iteration, at)).max();
                self.full.insert(self.tile(*view, iteration), there.unwrap_or(at));
            }
            Step::TakeTurn => actor.turns_taken += 1,
            Step::PassTurn => {
                let next = (actor.copy + 1) % actor.role.copies;
                self.turns[next].push(at);
            }
            Step::Multiply { into, b, transposed, .. } => {
                let over = self.multiply(actor, (*into, *b, *transposed), iteration, OF_WARPGROUPS);
                actor.products.push(over);
            }
            Step::MultiplyAtOnce { into, b, transposed, .. } => {
                actor.clock = self.multiply(actor, (*into, *b, *transposed), iteration, OF_WARPS);
            }
            Step::Compute(compute) => self.compute(actor, compute, iteration),
            _ => {}
        }
    }

    /// Copies a tile: when it is there.
    fn copy(&mut self, to: View, iteration: isize, at: usize) -> usize {
        let from = self.memory.max(at + COPY_LATENCY);
        self.memory = from + self.plan.shared(to.buffer).bytes / COPY_BYTES_PER_CYCLE;
        let (buffer, tile) = self.tile(to, iteration);
        let (lane, work, to) = (Lane::Copies, Activity::Copy(buffer), self.memory);
        if self.plan.shared(buffer).turns == Turns::Columns {
            self.spans.push((tile, Span { lane, work, tile: 0, from, to }));
        }
        self.memory
    }

    /// Multiplies: when it is over.
    fn multiply(
        &mut self,
        actor: &mut Actor<'_>,
        (into, b, transposed): (BufferId, View, bool),
        iteration: isize,
        each_cycle: usize,
    ) -> usize {
        let depth = match self.plan.shared(b.buffer).layout {
            Some(layout) if transposed => layout.rows(),
            Some(layout) => layout.row_bytes() / self.plan.products.element_bytes(),
            None => 0,
        };
        let elements = self.plan.registers(into) * 32 * actor.role.warps;
        let from = self.tensor_cores.max(actor.clock);
        let to = from + self.plan.products.in_halves(elements * depth) / each_cycle;
        self.tensor_cores = to;
        let work = if into == SCORES { Activity::Scores(actor.copy) } else { Activity::Output(actor.copy) };
        let tile = iteration - b.ago;
        self.spans.push((tile, Span { lane: Lane::TensorCores, work, tile: 0, from, to }));
        if actor.issued(iteration as usize).is_none() {
            actor.issues.push((iteration, actor.clock));
            self.moments.push(Moment { copy: actor.copy, event: Event::Issue, at: actor.clock });
        }
        to
    }

    /// Instructions that convert a tile.
    fn conversion(&self, view: View) -> usize {
        let bytes = self.plan.shared(view.buffer).bytes;
        if self.plan.widens { bytes / 2 * WIDENING } else { bytes / NUMBER * narrowing(self.plan.products) }
    }

    fn compute(&mut self, actor: &mut Actor<'_>, compute: &Compute, iteration: isize) {
        let Compute { what, writes, .. } = compute;
        let scores = self.plan.registers(SCORES);
        let (work, cycles) = match what {
            Function::RowMaxima => (Activity::Softmax, scores * BEFORE),
            // The sum goes on beside the special-function unit, and is counted here.
            Function::Exponentials { polynomials } => {
                let special = scores * SPECIAL_CYCLES * (16 - polynomials) / 16;
                let each = POLYNOMIAL_INSTRUCTIONS * polynomials + 16 - polynomials;
                (Activity::Softmax, special.max(scores * (16 * BESIDE + each) / 16))
            }
            Function::Round => match self.plan.products {
                // One for two scores: of 8 bits the second merges with the first.
                Products::Halves | Products::Bytes => (Activity::Round, scores / 2),
                products => (Activity::Round, scores * narrowing(products)),
            },
            Function::Convert => {
                let all: usize = writes.iter().map(|view| self.conversion(*view)).sum();
                (Activity::Convert, all / (32 * actor.role.warps))
            }
            Function::AddProducts => (Activity::Rescale, self.plan.registers(super::attention::ACCUMULATORS)),
            Function::Rescale => (Activity::Rescale, self.plan.registers(super::attention::ACCUMULATORS)),
            _ => return,
        };
        let cycles = cycles * actor.role.warps.div_ceil(SCHEDULERS);
        let (from, to) = (actor.clock, actor.clock + cycles);
        actor.clock = to;
        let lane = Lane::Warps(actor.copy);
        let before = self.spans.iter_mut().rev().find(|(_, span)| span.lane == lane);
        match before {
            Some((tile, span)) if (*tile, span.work, span.to) == (iteration, work, from) => span.to = to,
            _ => self.spans.push((iteration, Span { lane, work, tile: 0, from, to })),
        }
    }

    /// One period, from one issue of the first copy to a later one, well before the end.
    fn cut(self, who: &[&Actor<'_>]) -> Option<Timeline> {
        let j = SETTLED / 2;
        let first = who.first()?;
        let iterations = (1..=LONGEST).find(|n| repeats(who, j, *n)).unwrap_or(1);
        let (start, end) = (first.issued(j)?, first.issued(j + iterations)?);
        let inside = |span: &(isize, Span)| span.1.from < end && span.1.to > start && span.1.from < span.1.to;
        let cut = |(at, span): (isize, Span)| Span {
            tile: j as isize - at,
            from: span.from.max(start) - start,
            to: span.to.min(end) - start,
            ..span
        };
        let spans = self.spans.into_iter().filter(inside).map(cut).collect();
        let moments = self
            .moments
            .into_iter()
            .filter(|moment| (start..end).contains(&moment.at))
            .map(|moment| Moment { at: moment.at - start, ..moment })
            .collect();
        let mut lanes = vec![(Lane::Copies, "copies".to_owned())];
        lanes.extend(who.iter().map(|actor| {
            let Role { name, copies, .. } = actor.role;
            let numbered = format!("{name} {}", actor.copy);
            (Lane::Warps(actor.copy), if *copies == 1 { (*name).to_owned() } else { numbered })
        }));
        lanes.push((Lane::TensorCores, "tensor cores".to_owned()));
        Some(Timeline { cycles: end - start, iterations, lanes, spans, moments })
    }
}

/// When all but so many of the groups are over.
fn ended(groups: &[usize], left: usize) -> usize {
    groups.len().checked_sub(left + 1).map_or(0, |last| groups[..=last].iter().copied().max().unwrap_or(0))
}

/// Whether all do the same again after `iterations` from iteration `at` on.
fn repeats(who: &[&Actor<'_>], at: usize, iterations: usize) -> bool {
    let period = |actor: &Actor<'_>, at: usize| {
        let (from, to) = (actor.issued(at).unwrap_or(0), actor.issued(at + iterations).unwrap_or(0));
        to.saturating_sub(from)
    };
    let Some(first) = who.first() else { return false };
    who.iter().all(|actor| (at..at + LONGEST).all(|i| period(actor, i) == period(first, at)))
}

impl Timeline {
    /// What is done on a lane, in order.
    pub fn on(&self, lane: Lane) -> Vec<Span> {
        let mut spans: Vec<Span> = self.spans.iter().copied().filter(|span| span.lane == lane).collect();
        spans.sort_by_key(|span| span.from);
        spans
    }

    /// Cycles of a lane in which something is done.
    pub fn busy(&self, lane: Lane) -> usize {
        self.on(lane).iter().map(|span| span.to - span.from).sum()
    }

    /// `one iteration`, `2 iterations`.
    pub fn length(&self) -> String {
        match self.iterations {
            1 => "one iteration".to_owned(),
            n => format!("{n} iterations"),
        }
    }

    /// What the times assume, in words.
    pub fn assumptions() -> String {
        format!(
            "rough cycles: all tensor cores multiply {OF_WARPGROUPS} pairs a cycle by wgmma, {OF_WARPS} by mma.sync; a \
             scheduler issues one instruction a cycle and {SPECIAL_CYCLES} cycles fill the special-function unit with 32 \
             exponentials; a score costs {} instructions, half of one to round, and an exponential or \
             {POLYNOMIAL_INSTRUCTIONS} instructions of a polynomial; copies bring {COPY_BYTES_PER_CYCLE} bytes a cycle, \
             {COPY_LATENCY} cycles after they are asked for; masks, barriers and other blocks cost nothing",
            BEFORE + BESIDE
        )
    }

    fn marks(&self, copy: usize) -> String {
        let mut line = vec![' '; WIDTH + 1];
        for moment in self.moments.iter().filter(|moment| moment.copy == copy) {
            let mark = match moment.event {
                Event::Issue => '^',
                Event::Release(KEYS) => 'k',
                Event::Release(VALUES) => 'v',
                Event::Release(_) => continue,
            };
            let at = moment.at * WIDTH / self.cycles.max(1);
            // Two at one place stand next to each other.
            if let Some(cell) = line.iter_mut().skip(at).find(|cell| **cell == ' ') {
                *cell = mark;
            }
        }
        line.into_iter().collect::<String>().trim_end().to_owned()
    }

    /// A lane: `│` where something begins, its name as far as there is room, `─` to its end.
    fn draw(&self, lane: Lane) -> String {
        let column = |at: usize| at * WIDTH / self.cycles.max(1);
        let mut line = vec![' '; WIDTH + 1];
        for span in self.on(lane) {
            let (from, to) = (column(span.from), column(span.to).min(WIDTH));
            let room = to.saturating_sub(from + 1);
            let label: Vec<char> = span.label().chars().take(room).collect();
            for (place, cell) in line[from..to].iter_mut().enumerate() {
                *cell = match place {
                    0 => '│',
                    place => label.get(place - 1).copied().unwrap_or('─'),
                };
            }
            line[to] = '│';
        }
        line.into_iter().collect::<String>().trim_end().to_owned()
    }
}

impl Display for Timeline {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} of the main loop, some {} cycles", self.length(), self.cycles)?;
        for (lane, name) in &self.lanes {
            writeln!(f, "  {name:<12} {}", self.draw(*lane))?;
            if let Lane::Warps(copy) = lane {
                writeln!(f, "  {:<12} {}", "", self.marks(*copy))?;
            }
        }
        let releases = self.moments.iter().any(|moment| moment.event == Event::Release(KEYS));
        let released = if releases { ", k its K slot released, v its V slot released" } else { "" };
        writeln!(f, "  ^ products issued{released}")?;
        writeln!(
            f,
            "  0 S(j): S = Q Kᵀ of copy 0 of the role that multiplies; PV: O += P V; P: rounding; j+1 is the tile before j"
        )?;
        let share = self.busy(Lane::TensorCores) * 100 / self.cycles.max(1);
        writeln!(f, "  tensor cores are busy for {share} % of it")?;
        wrapped(&Timeline::assumptions(), f)
    }
}

/// What [`COMING`] is to become.
const COMING_TO: [BufferId; 2] = [KEYS, VALUES];

/// Instructions that widen a number of 8 bits: conversions, and its part of a load and a store.
const WIDENING: usize = 3;

/// Instructions of a warp that transpose 64 bytes a lane: loads and stores, two permutations a word and some addresses.
const TRANSPOSING: usize = 16 + 4 + 32 + 12;

/// Instructions that make a factor of a number of f32: conversions, and its part of a load and a store.
fn narrowing(products: Products) -> usize {
    match products {
        Products::Halves | Products::Bytes => 0,
        Products::F32(F32Products::Tf32) => 2,
        Products::F32(F32Products::Bf16x3) => 4,
    }
}

fn wrapped(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    let mut line = String::new();
    for word in text.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            writeln!(f, "  {line}")?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(f, "  {line}")
}

impl Span {
    /// What it is called in a picture.
    pub fn label(&self) -> String {
        let tile = match self.tile {
            0 => "j".to_owned(),
            offset => format!("j{offset:+}"),
        };
        match self.work {
            Activity::Copy(KEYS) => format!("K({tile})"),
            Activity::Copy(_) => format!("V({tile})"),
            Activity::Scores(copy) => format!("{copy} S({tile})"),
            Activity::Output(copy) => format!("{copy} PV({tile})"),
            Activity::Softmax => format!("softmax({tile})"),
            Activity::Round => format!("P({tile})"),
            Activity::Convert => format!("convert({tile})"),
            Activity::Rescale => format!("O({tile})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::{F32_ROLES, SM80, SM90};
    use crate::plan::attention::Form;
    use crate::schedule::{KvBox, PassTurn, Rescale, Roles, Schedule};

    fn form() -> Form {
        Form { output: true, lse: true, ..Form::default() }
    }

    fn schedules() -> Vec<Schedule> {
        let ring = SM80.iter().map(|row| Schedule::from(row.schedule()));
        let roles = SM90.iter().flat_map(|row| {
            let roles = row.schedule();
            [roles, Roles { kv_box: KvBox::Rows, ..roles }].map(Schedule::from)
        });
        let of_f32 = F32_ROLES.iter().map(|row| Schedule::from(row.schedule_of_f32()));
        ring.chain(roles).chain(of_f32).collect()
    }

    /// S = Q Kᵀ and O += P V of all rows, by one of so many copies of a role: cycles, and those of its softmax and rounding.
    fn costs(schedule: &Schedule) -> [usize; 3] {
        let (copies, rate) = match schedule {
            Schedule::Ring(_) => (1, OF_WARPS),
            Schedule::Roles(roles) => (roles.consumers(), OF_WARPGROUPS),
        };
        let warps = schedule.warps / copies;
        let elements = schedule.rows_per_warp() * warps * schedule.cols;
        let each = elements / (32 * warps) * warps.div_ceil(4);
        let products = [schedule.head_dim.qk, schedule.output_columns()]
            .map(|depth| schedule.products.in_halves(elements * depth) / rate);
        let round = match schedule.products {
            Products::F32(_) => each * narrowing(schedule.products),
            _ => each / 2,
        };
        [products.iter().sum(), each * 9, round]
    }

    #[test]
    fn a_period_holds_whole_iterations() {
        for schedule in schedules() {
            let timeline = schedule.plan(form()).timeline().expect("a main loop");
            let Timeline { cycles, iterations, .. } = timeline;
            let what = format!("{schedule}\n{timeline}");
            let copies = timeline.lanes.len() - 2;
            let [products, softmax, round] = costs(&schedule);
            // Both products of each copy once an iteration, and no more than there is time for.
            assert_eq!(timeline.busy(Lane::TensorCores), iterations * copies * products, "{what}");
            let copied = [schedule.qk_row(), schedule.v_row()]
                .map(|row| schedule.cols * row.row_bytes / COPY_BYTES_PER_CYCLE);
            assert_eq!(timeline.busy(Lane::Copies), iterations * copied.iter().sum::<usize>(), "{what}");
            let polynomial = schedule.roles().map_or(0, |roles| roles.polynomial);
            for copy in (0..copies).filter(|_| polynomial == 0) {
                let busy = timeline.busy(Lane::Warps(copy));
                assert_eq!(busy, iterations * (softmax + round), "{what}");
            }
            for (lane, _) in &timeline.lanes {
                let spans = timeline.on(*lane);
                assert!(spans.windows(2).all(|pair| pair[0].to <= pair[1].from), "{lane:?} of {what}");
                assert!(spans.iter().all(|span| span.from < span.to && span.to <= cycles), "{what}");
            }
            let count = |event| timeline.moments.iter().filter(|moment| moment.event == event).count();
            assert_eq!(count(Event::Issue), iterations * copies, "{what}");
            let releases = if schedule.roles().is_some() { iterations * copies } else { 0 };
            for buffer in [KEYS, VALUES] {
                assert_eq!(count(Event::Release(buffer)), releases, "{buffer:?} of {what}");
            }
        }
    }

    #[test]
    fn costs_follow_shapes() {
        let row =
            SM90.iter().find(|row| row.head_dim == 128.into() && row.consumers == 2).expect("a prefill");
        let mut roles = row.schedule();
        roles.sizes.cols = 128;
        let of = |roles| Schedule::Roles(roles).plan(form()).timeline().expect("a main loop");
        let spans = |timeline: &Timeline, lane, work| -> usize {
            let of_work = timeline.on(lane).into_iter().filter(|span| span.work == work);
            of_work.map(|span| span.to - span.from).sum::<usize>() / timeline.iterations
        };
        let timeline = of(roles);
        // 8 products of 64 cycles each; 64 scores a thread; 32 KiB.
        assert_eq!(spans(&timeline, Lane::TensorCores, Activity::Scores(1)), 512);
        assert_eq!(spans(&timeline, Lane::TensorCores, Activity::Output(0)), 512);
        assert_eq!(spans(&timeline, Lane::Copies, Activity::Copy(KEYS)), 1024);
        assert_eq!(spans(&timeline, Lane::Warps(0), Activity::Softmax), 64 + 512);
        assert_eq!(spans(&timeline, Lane::Warps(1), Activity::Round), 32);
        // A quarter of the exponentials leaves the special-function unit.
        roles.polynomial = 4;
        assert_eq!(spans(&of(roles), Lane::Warps(0), Activity::Softmax), 64 + 384);
        // O shrinks every time: so many multiplications of a thread's elements.
        roles.sizes.rescale = Rescale::Always;
        assert_eq!(spans(&of(roles), Lane::Warps(0), Activity::Rescale), 64);
    }

    /// The run follows the plan: a ring with a slot less takes longer; where a turn is passed on later, products are issued
    /// later, though the tensor cores are as busy; who waits for a turn that nobody passes on goes no further.
    #[test]
    fn what_the_plan_says_is_what_is_run() {
        let run = |roles| Schedule::Roles(roles).plan(form()).timeline().expect("a main loop");
        let cycles = |roles| {
            let timeline = run(roles);
            timeline.cycles as f64 / timeline.iterations as f64
        };
        for row in SM90.iter().filter(|row| row.consumers > 1 && row.stages > 1) {
            let roles = row.schedule();
            let late = crate::schedule::Roles { pass: PassTurn::Scored, ..roles };
            assert!(cycles(late) >= cycles(roles), "{row}");
            assert_ne!(run(late).moments, run(roles).moments, "{row}");
            let mut one_stage = roles;
            one_stage.sizes.stages = 1;
            assert!(
                cycles(one_stage) > 1.2 * cycles(roles),
                "{row}: {} {}",
                cycles(one_stage),
                cycles(roles)
            );
            let mut stuck = Schedule::Roles(roles).plan(form());
            for role in &mut stuck.roles {
                without_turns_passed(&mut role.body);
            }
            assert_eq!(stuck.timeline(), None, "{row}");
        }
    }

    fn without_turns_passed(nodes: &mut Vec<Node>) {
        nodes.retain(|node| *node != Node::Step(Step::PassTurn));
        for node in nodes {
            match node {
                Node::Step(_) => {}
                Node::Items { next, each, last } => {
                    [next, each, last].into_iter().for_each(without_turns_passed)
                }
                Node::Columns { first, each, last } => {
                    first.iter_mut().chain([each, last]).for_each(without_turns_passed);
                }
                Node::If { then, otherwise, .. } => {
                    [then, otherwise].into_iter().for_each(without_turns_passed)
                }
            }
        }
    }
}
