//! A Hopper kernel's main loop in steady state, as rough times: the roles run against each other by the rules of the
//! barriers until they have settled, and one period is cut out. That is one iteration, or a few: a ring of two stages
//! that waits for copies has long and short iterations in turn.
//!
//! The times are estimates from shapes alone ([`Costs`]): they show who waits for whom, not how fast a kernel is.

use super::{Roles, Schedule, WARPGROUP_ROWS};

/// Bytes a cycle that bulk copies bring to a multiprocessor. Near what the L2 cache gives each if all ask.
const COPY_BYTES_PER_CYCLE: usize = 32;
/// Cycles until the first byte of a copy comes.
const COPY_LATENCY: usize = 600;
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

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// The producer warp: its copies.
    Producer,
    /// A consumer warpgroup.
    Consumer(usize),
    /// The tensor cores of the multiprocessor.
    TensorCores,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activity {
    /// A tile of K is copied.
    CopyKeys,
    /// A tile of V is copied.
    CopyValues,
    /// S = Q Kᵀ, by this consumer.
    Scores(usize),
    /// O += P V, by this consumer.
    Output(usize),
    /// Mask, maxima, exponentials, sums.
    Softmax,
    /// P is rounded to 16 bits.
    Round,
}

/// What happens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Products are issued, and the turn is passed on.
    Issue,
    /// This consumer is done with its K slot.
    FreeKeys,
    /// This consumer is done with its V slot.
    FreeValues,
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

/// A moment in a consumer's iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Whose.
    pub consumer: usize,
    /// What.
    pub event: Event,
    /// Cycle, from the start of the period.
    pub at: usize,
}

/// Rough cycles of the parts of an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// S = Q Kᵀ of one consumer: `m64nNk16` takes N / 2 cycles of all tensor cores.
    pub scores: usize,
    /// O += P V of one consumer.
    pub output: usize,
    /// Softmax of one tile by one consumer.
    pub softmax: usize,
    /// Rounding the probabilities.
    pub round: usize,
    /// Copying a tile of K, or one of V.
    pub copy: usize,
}

/// One period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Its cycles.
    pub cycles: usize,
    /// Its iterations.
    pub iterations: usize,
    /// What the parts cost.
    pub costs: Costs,
    /// What is done, cut at both ends of the period.
    pub spans: Vec<Span>,
    /// What happens.
    pub moments: Vec<Moment>,
}

impl Costs {
    fn of(s: &Schedule, roles: Roles) -> Costs {
        let product = |n: usize, depth: usize| depth / 16 * (n / 2);
        let per_thread = s.cols * WARPGROUP_ROWS / 128;
        // A warp of the warpgroup on each of the four schedulers: one instruction a cycle.
        let special = per_thread * SPECIAL_CYCLES * (16 - roles.polynomial) / 16;
        let exponentials = POLYNOMIAL_INSTRUCTIONS * roles.polynomial + 16 - roles.polynomial;
        let issued = per_thread * (16 * BESIDE + exponentials) / 16;
        Costs {
            scores: product(s.cols, s.head_dim),
            output: product(s.head_dim, s.cols),
            // All maxima come before the first exponential; the rest goes on beside the special-function unit.
            softmax: per_thread * BEFORE + special.max(issued),
            round: per_thread / 2,
            copy: s.column_panels().bytes() / COPY_BYTES_PER_CYCLE,
        }
    }
}

/// What a consumer has done, by iteration.
#[derive(Clone, Default)]
struct History {
    /// When products were issued.
    issue: Vec<usize>,
    /// When scores were there, and K was done with.
    scores: Vec<usize>,
    /// When V of a tile was done with.
    freed: Vec<usize>,
}

/// When the slot of tile `at` is free: the tile that was there is done with by all.
fn released(done: &[History], stages: usize, at: usize, ends: fn(&History) -> &Vec<usize>) -> usize {
    let Some(old) = at.checked_sub(stages) else { return 0 };
    done.iter().filter_map(|history| ends(history).get(old).copied()).max().unwrap_or(0)
}

/// Whether all consumers do the same again after `iterations` from iteration `at` on.
fn repeats(done: &[History], at: usize, iterations: usize) -> bool {
    let issue = |consumer: usize, at: usize| done[consumer].issue.get(at).copied().unwrap_or(0);
    let period =
        |consumer: usize, at: usize| issue(consumer, at + iterations).saturating_sub(issue(consumer, at));
    (0..done.len()).all(|c| (at..at + LONGEST).all(|i| period(c, i) == period(0, at)))
}

impl Timeline {
    /// The steady state of a schedule; `None` without roles.
    pub fn of(s: &Schedule) -> Option<Timeline> {
        let costs = Costs::of(s, s.roles?);
        let consumers = s.consumers();
        let mut spans: Vec<(usize, Span)> = Vec::new();
        let mut moments = Vec::new();
        let mut done = vec![History::default(); consumers];
        // When each tile of K and V is there, when memory and tensor cores are free, when the turn is passed.
        let (mut keys, mut values): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        let (mut memory, mut tensor, mut turn) = (0, 0, 0);
        let mut copy = |spans: &mut Vec<(usize, Span)>, work, at: usize, free: usize| {
            let from = memory.max(free + COPY_LATENCY);
            memory = from + costs.copy;
            spans.push((at, Span { lane: Lane::Producer, work, tile: 0, from, to: memory }));
            memory
        };
        let mut ready = vec![0; consumers];
        let put = |spans: &mut Vec<(usize, Span)>, lane, work, at: usize, from, to| {
            spans.push((at, Span { lane, work, tile: 0, from, to }));
        };
        for at in 0..SETTLED {
            // The producer waits for slots in the order of its copies: K, V of the tile before, the next K.
            keys.push(copy(
                &mut spans,
                Activity::CopyKeys,
                at,
                released(&done, s.stages, at, |history| &history.scores),
            ));
            if let Some(before) = at.checked_sub(1) {
                values.push(copy(
                    &mut spans,
                    Activity::CopyValues,
                    before,
                    released(&done, s.stages, before, |history| &history.freed),
                ));
            }
            for consumer in 0..consumers {
                let mut issue: usize = ready[consumer].max(keys[at]);
                // V is waited for before a turn; who takes none waits for it once S is issued.
                let before = at.checked_sub(1).map(|before| (before, values[before]));
                if s.roles.is_some_and(|roles| roles.take_turns) {
                    issue = issue.max(turn).max(before.map_or(0, |(_, there)| there));
                    turn = issue;
                }
                moments.push((at, Moment { consumer, event: Event::Issue, at: issue }));
                let from = tensor.max(issue);
                tensor = from + costs.scores;
                let scored = tensor;
                put(&mut spans, Lane::TensorCores, Activity::Scores(consumer), at, from, scored);
                moments.push((at, Moment { consumer, event: Event::FreeKeys, at: scored }));
                let mut accumulated = scored;
                if let Some((before, there)) = before {
                    let from = scored.max(there);
                    accumulated = from + costs.output;
                    tensor = accumulated;
                    put(&mut spans, Lane::TensorCores, Activity::Output(consumer), before, from, accumulated);
                }
                let softmax = scored + costs.softmax;
                put(&mut spans, Lane::Consumer(consumer), Activity::Softmax, at, scored, softmax);
                let begin = softmax.max(accumulated);
                moments.push((at, Moment { consumer, event: Event::FreeValues, at: begin }));
                if at > 0 {
                    done[consumer].freed.push(begin);
                }
                ready[consumer] = begin + costs.round;
                put(&mut spans, Lane::Consumer(consumer), Activity::Round, at, begin, ready[consumer]);
                done[consumer].issue.push(issue);
                done[consumer].scores.push(scored);
            }
        }
        // From one issue of the first consumer to a later one, well before the end.
        let j = SETTLED / 2;
        let iterations = (1..=LONGEST).find(|n| repeats(&done, j, *n)).unwrap_or(1);
        let issues = &done.first()?.issue;
        let (start, end) = (*issues.get(j)?, *issues.get(j + iterations)?);
        let inside = |at: usize| (start..end).contains(&at);
        let spans = spans
            .into_iter()
            .filter(|(_, span)| span.from < end && span.to > start)
            .map(|(at, span)| Span {
                tile: j as isize - at as isize,
                from: span.from.max(start) - start,
                to: span.to.min(end) - start,
                ..span
            })
            .collect();
        let moments = moments
            .into_iter()
            .filter(|(_, moment)| inside(moment.at))
            .map(|(_, moment)| Moment { at: moment.at - start, ..moment })
            .collect();
        Some(Timeline { cycles: end - start, iterations, costs, spans, moments })
    }

    /// Lanes from top to bottom.
    pub fn lanes(consumers: usize) -> Vec<Lane> {
        let mut lanes = vec![Lane::Producer];
        lanes.extend((0..consumers).map(Lane::Consumer));
        lanes.push(Lane::TensorCores);
        lanes
    }

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

    /// What the times assume, in words.
    pub fn assumptions() -> String {
        format!(
            "rough cycles: wgmma m64nNk16 takes N/2 of all tensor cores; a warp issues one instruction a cycle and \
             {SPECIAL_CYCLES} cycles fill the special-function unit with 32 exponentials; a score costs \
             {} instructions, half of one to round, and an exponential or {POLYNOMIAL_INSTRUCTIONS} instructions of a \
             polynomial; copies bring {COPY_BYTES_PER_CYCLE} bytes a cycle, {COPY_LATENCY} cycles \
             after their slot is free; masks, barriers and other blocks cost nothing",
            BEFORE + BESIDE
        )
    }
}

impl Span {
    /// What it is called in a picture.
    pub fn label(&self) -> String {
        let tile = tile(self.tile);
        match self.work {
            Activity::CopyKeys => format!("K({tile})"),
            Activity::CopyValues => format!("V({tile})"),
            Activity::Scores(consumer) => format!("{consumer} S({tile})"),
            Activity::Output(consumer) => format!("{consumer} PV({tile})"),
            Activity::Softmax => format!("softmax({tile})"),
            Activity::Round => format!("P({tile})"),
        }
    }
}

/// `j`, `j+1` for the tile before it, `j-1` for the one after.
fn tile(offset: isize) -> String {
    if offset == 0 { "j".to_owned() } else { format!("j{offset:+}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::SM90;

    #[test]
    fn a_period_holds_whole_iterations() {
        for row in SM90 {
            let schedule = Schedule::of_hopper_row(row);
            let timeline = Timeline::of(&schedule).expect("a Hopper schedule has roles");
            let Timeline { cycles, costs, iterations, .. } = timeline;
            let what = format!("{row:?}\n{timeline:?}");
            // Each product of each consumer once an iteration, and no more than there is time for.
            let products = iterations * row.consumers * (costs.scores + costs.output);
            assert_eq!(timeline.busy(Lane::TensorCores), products, "{what}");
            assert_eq!(timeline.busy(Lane::Producer), iterations * 2 * costs.copy, "{what}");
            for consumer in 0..row.consumers {
                let busy = timeline.busy(Lane::Consumer(consumer));
                assert_eq!(busy, iterations * (costs.softmax + costs.round), "{what}");
            }
            for lane in Timeline::lanes(row.consumers) {
                let spans = timeline.on(lane);
                assert!(spans.windows(2).all(|pair| pair[0].to <= pair[1].from), "{lane:?} of {what}");
                assert!(spans.iter().all(|span| span.from < span.to && span.to <= cycles), "{what}");
            }
            for event in [Event::Issue, Event::FreeKeys, Event::FreeValues] {
                let count = timeline.moments.iter().filter(|moment| moment.event == event).count();
                assert_eq!(count, iterations * row.consumers, "{event:?} of {what}");
            }
        }
    }

    #[test]
    fn costs_follow_shapes() {
        let row = SM90.iter().find(|row| row.head_dim == 128 && row.consumers == 2).expect("a prefill");
        let mut schedule = Schedule { cols: 128, ..Schedule::of_hopper_row(row) };
        let of = |schedule: &Schedule| Timeline::of(schedule).expect("roles").costs;
        // 8 products of 64 cycles each; 64 scores a thread; 32 KiB.
        assert_eq!((of(&schedule).scores, of(&schedule).output, of(&schedule).copy), (512, 512, 1024));
        assert_eq!((of(&schedule).softmax, of(&schedule).round), (64 + 512, 32));
        if let Some(roles) = &mut schedule.roles {
            roles.polynomial = 4;
        }
        // A quarter of the exponentials leaves the special-function unit.
        assert_eq!(of(&schedule).softmax, 64 + 384);
    }
}
