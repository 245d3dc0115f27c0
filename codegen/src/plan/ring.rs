//! Attention by warps that are all alike, FlashAttention-2's: each copies its share of a tile, waits for its own copies, meets
//! the others, and multiplies rows of its own. Of f32, and of K and V of 8 bits, each converts what it has copied before it meets the
//! others.
//!
//! K and V take turns in a ring. A meeting says that a tile has come, and that everybody is done with the slot used before,
//! which is refilled at once: `K@-s` is the tile `s` iterations from now. Where V is in K's rows the ring has K alone, and each
//! iteration has one meeting.

use super::Function::*;
use super::attention::*;
use super::{
    Buffer, BufferId, Condition, Layout, Meeting, Named, NamedBarrier, Node, Owner, Place, Plan, Role,
    Shared, Step, Turns, View, compute,
};
use crate::schedule::{QueryIn, Rescale, Ring, ValuesIn};

/// Fragments of Q, where they stay in registers.
pub const FRAGMENTS: BufferId = OWN;

/// The buffers of a schedule, and the bytes of shared memory.
pub fn buffers(ring: &Ring) -> (Vec<Buffer>, usize) {
    let (qk, v, o) = (ring.qk_row(), ring.v_row(), ring.o_row());
    let tile = |offset, (rows, swizzle), slots, stride, owner, turns| {
        let layout = Layout::Rows(rows, swizzle);
        let (bytes, layout) = (layout.bytes(), Some(layout));
        Place::Shared(Shared { offset, bytes, slots, stride, layout, owner, barriers: None, turns })
    };
    let (rows, cols, stages) = (ring.rows, ring.cols, ring.stages);
    // O goes over Q, each warp's over its own.
    let first = rows * qk.row_bytes.max(o.row_bytes);
    let (keys, stage) = (cols * qk.row_bytes, ring.kv_bytes());
    // Where O's columns are cut into parts, all warps have the same rows.
    let owner = if ring.split == 1 { Owner::Warps } else { Owner::All };
    // 16 or 32 rows of a warp over its 32 lanes.
    let of = |columns: usize| ring.rows_per_warp() * columns / 32;
    // Of factors in registers.
    let of_factor = |columns: usize| of(columns) * ring.products.element_bytes() / 4;
    let of_tile = |each| Place::Registers { each, slots: 1, turns: Turns::Columns };
    let of_item = |each| Place::Registers { each, slots: 1, turns: Turns::Items };
    let slots = 2 * ring.rows_per_warp() / 16;
    let values = match ring.values {
        ValuesIn::Own => tile(first + keys, (cols, v), stages, stage, Owner::All, Turns::Columns),
        ValuesIn::Keys => NOWHERE,
    };
    let fragments = if ring.query == QueryIn::Registers { of_factor(ring.head_dim.qk) } else { 0 };
    let all = [
        ("Q", tile(0, (rows, qk), 1, first, owner, Turns::Items)),
        ("O tile", tile(0, (rows, o), 1, first, owner, Turns::Items)),
        ("K", tile(first, (cols, qk), stages, stage, Owner::All, Turns::Columns)),
        ("V", values),
        ("fragments of Q", of_item(fragments)),
        ("S", of_tile(of(cols))),
        ("P", of_tile(of_factor(cols))),
        ("O", of_item(of(ring.output_columns()))),
        ("maxima", of_item(slots)),
        ("sums", of_item(slots)),
        ("tile maxima", of_tile(slots)),
        ("growth", of_tile(slots)),
        ("bits", of_tile(of(cols).div_ceil(32))),
        ("item", of_item(10)),
        // What is looked up for a tile of K is kept for its V, which may be copied an iteration later.
        ("blocks", Place::Registers { each: 2, slots: 2, turns: Turns::Columns }),
        ("q", Place::Memory),
        ("k", Place::Memory),
        ("v", Place::Memory),
        ("o", Place::Memory),
    ];
    let buffers = all.map(|(name, place)| Buffer { name, place }).to_vec();
    (buffers, first + stages * stage)
}

/// The plan of a kernel.
pub fn plan(ring: &Ring, form: Form) -> Plan {
    let (buffers, shared_bytes) = buffers(ring);
    let family = Family { ring, form };
    let warps = Role {
        name: "warps",
        copies: 1,
        warps: ring.warps,
        warp_rows: ring.rows_per_warp(),
        registers: None,
        body: family.body(),
    };
    let of = Named::Meet(Meeting::Block);
    let named = vec![NamedBarrier { of, copy: 0, number: 0, threads: 32 * ring.warps }];
    Plan {
        buffers,
        shared_bytes,
        named,
        planned: false,
        products: ring.products,
        widens: ring.widens,
        set_up: Vec::new(),
        roles: vec![warps],
    }
}

struct Family<'a> {
    ring: &'a Ring,
    form: Form,
}

fn view(buffer: BufferId, ago: isize) -> View {
    View { buffer, ago }
}

impl Family<'_> {
    fn body(&self) -> Vec<Node> {
        let in_registers = self.ring.query == QueryIn::Registers;
        let [q, ..] = TENSORS;
        let query = View::now(QUERY);
        let mut body = vec![compute(Read, &[], &registers([ITEM]))];
        body.extend(steps([Step::CopyAsync { to: query, from: q, at: None, checked: false }]));
        let narrows = self.narrows();
        if in_registers || narrows {
            body.extend(steps([Step::CommitCopies]));
        }
        body.extend(self.fill());
        body.push(compute(Clear, &[], &registers([MAXIMA, SUMS, ACCUMULATORS])));
        if in_registers || narrows {
            // All of K and V that has been asked for may still be under way.
            body.extend(steps([Step::AwaitCopies(self.ring.slots() - 1), Step::MeetWarp]));
        }
        if narrows {
            body.push(compute(Convert, &[], &[query]));
        }
        if in_registers {
            body.extend(only_if(narrows, step(Step::MeetWarp)));
            body.push(compute(Load, &[query], &registers([FRAGMENTS])));
        }
        body.push(Node::Columns { first: None, each: self.iteration(), last: Vec::new() });
        // What is needed late is worked out again: to carry it through the loop would cost registers there.
        body.push(compute(Read, &[], &registers([ITEM])));
        body.extend(self.epilogue());
        body
    }

    /// K or V of a tile to come, in a group of its own.
    fn copy(&self, to: View, checked: bool) -> Vec<Node> {
        let from = if to.buffer == KEYS { TENSORS[1] } else { TENSORS[2] };
        let at = self.form.paged.then_some(view(BLOCKS, to.ago));
        steps([Step::CopyAsync { to, from, at, checked }, Step::CommitCopies])
    }

    fn look_up(&self, ago: isize) -> Vec<Node> {
        match self.form.paged {
            true => vec![compute(LookUp, &[View::now(ITEM)], &[view(BLOCKS, ago)])],
            false => Vec::new(),
        }
    }

    /// Fills all slots but one: K and V of the rightmost tiles, in the order in which they are asked for. The rightmost
    /// alone may reach past the sequence's end.
    fn fill(&self) -> Vec<Node> {
        let mut nodes = self.look_up(0);
        let stages = self.ring.stages as isize;
        if self.ring.values == ValuesIn::Keys {
            for stage in 0..stages - 1 {
                nodes.extend(self.copy(view(KEYS, -stage), stage == 0));
                nodes.extend(self.look_up(-stage - 1));
            }
            return nodes;
        }
        for stage in 0..stages {
            let checked = stage == 0;
            nodes.extend(self.copy(view(KEYS, -stage), checked));
            if stage + 1 < stages {
                nodes.extend(self.copy(view(VALUES, -stage), checked));
                nodes.extend(self.look_up(-stage - 1));
            }
        }
        nodes
    }

    /// Whether Q, K and V are made into factors where they lie.
    fn narrows(&self) -> bool {
        self.ring.products.are_of_f32()
    }

    /// Waits until the oldest slot that is asked for, of this buffer, has come, for all warps. The slot before it is free then.
    fn acquire(&self, buffer: BufferId) -> Vec<Node> {
        // Who widens does so with what its own lane has copied, and nothing else.
        let convert = nodes([
            only_if(self.narrows(), step(Step::MeetWarp)),
            vec![compute(Convert, &[], &[View::now(buffer)])],
        ]);
        nodes([
            step(Step::AwaitCopies(self.ring.slots() - 2)),
            only_if(self.narrows() || self.ring.widens, convert),
            step(Step::Meet(Meeting::Block)),
        ])
    }

    fn iteration(&self) -> Vec<Node> {
        let stages = self.ring.stages as isize;
        let mut nodes = Vec::new();
        if self.form.conditions {
            nodes.push(compute(Conditions, &registers([ITEM]), &registers([BITS])));
        }
        nodes.extend(self.acquire(KEYS));
        let in_keys = self.ring.values == ValuesIn::Keys;
        nodes.extend(match in_keys {
            true => self.copy(view(KEYS, 1 - stages), false),
            false => self.copy(view(VALUES, 1 - stages), stages == 1),
        });
        nodes.extend(self.look_up(-stages));
        let next_keys = || match in_keys {
            true => Vec::new(),
            false => [self.acquire(VALUES), self.copy(view(KEYS, -stages), false)].concat(),
        };
        let mut kept = steps([Step::MultiplyAtOnce {
            into: SCORES,
            a: View::now(if self.ring.query == QueryIn::Registers { FRAGMENTS } else { QUERY }),
            b: View::now(KEYS),
            transposed: false,
            fresh: true,
        }]);
        kept.extend(next_keys());
        kept.extend(self.softmax());
        kept.extend(steps([Step::MultiplyAtOnce {
            into: ACCUMULATORS,
            a: View::now(PROBABILITIES),
            b: View::now(if in_keys { KEYS } else { VALUES }),
            transposed: true,
            fresh: false,
        }]));
        match self.form.ends_with_condition {
            // Where a warp keeps no score of a tile, it takes part in the copies and leaves the rest out.
            true => nodes.push(Node::If { when: Condition::KeepsAny, then: kept, otherwise: next_keys() }),
            false => nodes.extend(kept),
        }
        nodes
    }

    fn softmax(&self) -> Vec<Node> {
        let with_bits = registers([SCORES, ITEM, BITS]);
        let scored = if self.form.conditions { &with_bits[..] } else { &with_bits[..2] };
        // Row by row, so that no row's factor is kept.
        let moved = [TILE_MAXIMA, MAXIMA, SUMS, ACCUMULATORS];
        let rescale = vec![compute(Rescale, &registers(moved), &registers([MAXIMA, SUMS, ACCUMULATORS]))];
        let rescale = match self.ring.rescale {
            Rescale::Always => rescale,
            Rescale::Grown { .. } => {
                vec![Node::If { when: Condition::MaximumGrew, then: rescale, otherwise: Vec::new() }]
            }
        };
        let before = vec![
            compute(Scores, scored, &registers([SCORES])),
            compute(RowMaxima, &registers([SCORES]), &registers([TILE_MAXIMA])),
            compute(Growth, &registers([TILE_MAXIMA, MAXIMA]), &registers([GROWTH])),
        ];
        let after = vec![compute(Round, &registers([SCORES]), &registers([PROBABILITIES]))];
        [before, rescale, exponentials(0), after].concat()
    }

    /// O over the row sums goes through the warp's own rows of shared memory, where Q was; of 32 bits, straight from the
    /// accumulators.
    fn epilogue(&self) -> Vec<Node> {
        let mut nodes = vec![compute(RowSums, &registers([SUMS]), &registers([SUMS]))];
        if self.form.partial {
            nodes.push(compute(StorePartial, &registers([ACCUMULATORS, SUMS, MAXIMA, ITEM]), &[]));
            return nodes;
        }
        if self.form.lse {
            nodes.push(compute(StoreLse, &registers([SUMS, MAXIMA, ITEM]), &[]));
        }
        if self.form.output && self.form.direct {
            nodes.push(compute(StoreDirect, &registers([ACCUMULATORS, SUMS, ITEM]), &[]));
        } else if self.form.output {
            // A block that saw no column may have Q still in flight to the memory that O is about to use.
            if self.ring.query == QueryIn::Shared && !self.narrows() {
                nodes.extend(steps([Step::AwaitAllCopies]));
            }
            // Whose rows it goes over are the warp's own, or everybody's.
            let meet = if self.ring.split == 1 { Step::MeetWarp } else { Step::Meet(Meeting::Block) };
            nodes.extend(steps([meet]));
            nodes.push(compute(Divide, &registers([ACCUMULATORS, SUMS]), &registers([OUTPUT])));
            // Each warp stores what it has written.
            nodes.extend(steps([Step::MeetWarp]));
            nodes.push(compute(StoreRows, &registers([OUTPUT, ITEM]), &[]));
        }
        nodes
    }
}
