//! Attention by warps of two roles, FlashAttention-3's: a producer that copies, and consumers that multiply.
//!
//! A consumer's iteration, with both products under way at once:
//!
//! ```text
//! S(j) = Q K(j)ᵀ │ O += P V(j+1) │ wait for S │ softmax of S(j) │ wait for O │ round P(j), rescale O
//! ```
//!
//! `V@1` is the tile to the right, which came before. The rightmost tile has no `O += P V` before it, and one follows the
//! leftmost. The producer copies in the order in which consumers ask: K(j), then V(j+1).
//!
//! Rows of small blocks ([`KvBox::Rows`](crate::schedule::KvBox)) are copied by the producer's lanes. Those copies are ordinary
//! writes, which consumers fence before products read them (PTX ISA, proxies: a fence on the way from the write to the read); rows
//! past the sequence's end come as zeros, so there is no tail to clear.
//!
//! Of products of 8 bits, whose sums tensor cores cut short, `P V` goes to registers of its own and is added to O in f32, before O is
//! rescaled.
//!
//! V of 8 bits by rows is transposed in shared memory by a third role, from a ring of its own into V's.
//!
//! Of f32 all warps of the producer copy, Q too, and split what they copy into factors before they write it; K and V of 8 bits they
//! widen. Each learns what an item covers where consumers do; its first warp takes items and tells, and asks for Q where nothing is
//! to be made of it. Who writes fences, so consumers need not; and a row past the sequence's end is what the last one is, weighs
//! nothing, and is no more than that one is in other rows' eyes.

use super::Function::*;
use super::attention::*;
use super::{BARRIER_BYTES, compute};
use super::{
    Barriers, Buffer, BufferId, Compute, Condition, Layout, Meeting, Named, NamedBarrier, Node, Owner, Place,
    Plan, Role, Shared, Step, Turns, View,
};
use crate::layout::converted_copy::WORDS;
use crate::layout::lane::LANES;
use crate::layout::panel::Panels;
use crate::schedule::{
    OutputIn, Overlap, PassTurn, Rescale, Roles, Sums, TILE_INFOS, TRANSPOSERS, ValuesIn, WARPGROUP,
};

/// What the producer tells consumers of an item.
pub const INFO: BufferId = OWN;

/// Barriers are made, and rows of Q that no copy reaches are zeroed, for all to see: with heads packed that do not divide the
/// tile its last rows are never copied, yet multiplied. All that needs no device memory comes before the wait for the grid
/// before this one.
fn set_up(roles: &Roles, form: Form) -> Vec<Step> {
    let mut steps = vec![Step::InitBarriers];
    // Who splits Q writes all of them.
    if !roles.splits() {
        let clear = Compute { what: ClearSpareRows, reads: Vec::new(), writes: vec![Q] };
        steps.extend([Step::Compute(clear), Step::FenceProxy]);
    }
    steps.push(Step::Meet(Meeting::Block));
    if form.planned {
        steps.push(Step::AwaitGrid);
    }
    steps
}

/// Named barriers: the whole block's, those of turns, of all consumers together, and of each alone.
fn named(roles: &Roles) -> Vec<NamedBarrier> {
    let consumers = roles.consumers();
    let of_all =
        |meeting, number, threads| NamedBarrier { of: Named::Meet(meeting), copy: 0, number, threads };
    let mut named = vec![of_all(Meeting::Block, 0, roles.threads())];
    if roles.take_turns() {
        // Who waits, and who passed the turn on.
        let turn = |copy| NamedBarrier { of: Named::Turn, copy, number: 1 + copy, threads: 2 * WARPGROUP };
        named.extend((0..consumers).map(turn));
    }
    // Who shares rows, or clears what is past a sequence's end.
    if roles.split > 1 || !roles.copies_rows() {
        named.push(of_all(Meeting::Consumers, 4, consumers * WARPGROUP));
    }
    if roles.transposes && !roles.copies_rows() {
        named.push(of_all(Meeting::Transposers, 8, TRANSPOSERS * LANES));
    }
    if roles.split == 1 {
        named.extend((0..consumers).map(|copy| {
            let of = Named::Meet(Meeting::Alone);
            NamedBarrier { of, copy, number: 5 + copy, threads: WARPGROUP }
        }));
    }
    named
}

/// The buffers of a schedule, and the bytes of shared memory.
pub fn buffers(roles: &Roles) -> (Vec<Buffer>, usize) {
    let (of_query, of_output) = (roles.query_panels(), roles.output_panels());
    let (of_keys, of_values) = (roles.key_panels(), roles.value_layout());
    let (stages, warps) = (roles.stages, roles.warps);
    // O behind Q, or in its place, which both then need to have room in.
    let (output, keys) = match roles.output {
        OutputIn::Own => (of_query.bytes(), of_query.bytes() + of_output.bytes()),
        OutputIn::OverQuery => (0, of_query.bytes().max(of_output.bytes())),
    };
    // Spans may differ, and with them what a tile begins at a multiple of.
    let keys = keys.next_multiple_of(of_keys.period_bytes());
    let values = (keys + stages * of_keys.bytes()).next_multiple_of(of_values.align());
    let in_keys = roles.values == ValuesIn::Keys;
    let behind_values = if in_keys { values } else { values + stages * of_values.bytes() };
    let value_rows =
        behind_values.next_multiple_of(roles.transposed_copy().map_or(1, |copy| copy.rows.period_bytes()));
    let row_slots = if roles.transposes { stages } else { 0 };
    let barriers = match roles.transposed_copy() {
        Some(copy) => value_rows + row_slots * copy.rows.bytes(),
        None => behind_values,
    };
    let pairs = 1 + roles.slots() + TILE_INFOS + row_slots;
    // Of lanes that copy each arrives, once its copies have landed; of warps that write each.
    let writers = roles.producer_warps();
    let (fills, counted) = match roles.copies_rows() {
        _ if roles.converts() => (writers, 0),
        true => (LANES, 0),
        false => (1, 1),
    };
    let infos = barriers + pairs * 2 * BARRIER_BYTES;
    let pair = |before: usize, bytes: usize| {
        Some(Barriers { offset: barriers + before * 2 * BARRIER_BYTES, fills: 1, empties: warps, bytes })
    };
    let of_ring = |before: usize, bytes: usize| {
        pair(before, counted * bytes).map(|barriers| Barriers { fills, ..barriers })
    };
    let of_queries = match roles.splits() {
        true => of_ring(0, 0),
        false => pair(0, of_query.bytes()),
    };
    // Warps that convert or transpose read what an item covers, too.
    let readers = match () {
        () if roles.converts() => warps + writers,
        () if roles.transposes => warps + TRANSPOSERS,
        () => warps,
    };
    let info_bytes = roles.tile_info_bytes();
    let tile = |offset, slots, layout: Layout, barriers, turns| {
        let (bytes, layout) = (layout.bytes(), Some(layout));
        // Where O's columns are cut into parts, all consumers have the same rows.
        let owner = if turns == Turns::Columns || roles.split > 1 { Owner::All } else { Owner::Copies };
        Place::Shared(Shared { offset, bytes, slots, stride: bytes, layout, owner, barriers, turns })
    };
    let info = Shared {
        offset: infos,
        bytes: info_bytes,
        slots: TILE_INFOS,
        stride: info_bytes,
        layout: None,
        owner: Owner::All,
        barriers: pair(1 + roles.slots(), 0).map(|barriers| Barriers { empties: readers, ..barriers }),
        turns: Turns::Items,
    };
    let [accumulators, of_products, of_scores, of_probabilities] = roles.consumer_holds();
    let of_tile = |each| Place::Registers { each, slots: 1, turns: Turns::Columns };
    let of_item = |each| Place::Registers { each, slots: 1, turns: Turns::Items };
    let blocks = match roles.copies_rows() {
        // Of the rows that are on their way at once.
        _ if roles.converts() => {
            let copy = roles.converted_copy(of_keys);
            let each = copy.rounds() / copy.pieces(roles.chunks_on_their_way());
            Place::Registers { each, slots: 1, turns: Turns::Columns }
        }
        // A block for each row is too much to keep: it is looked up again for V.
        true => Place::Registers { each: roles.cols.div_ceil(LANES), slots: 1, turns: Turns::Columns },
        // What is looked up for a tile of K is kept for its V, which may be copied an iteration later.
        false => Place::Registers { each: 2, slots: 2, turns: Turns::Columns },
    };
    let blocks_of_values = match roles.converts() {
        true => of_tile(roles.converted_copy(roles.value_panels()).rounds()),
        false => NOWHERE,
    };
    let coming = |panels: Panels| match roles.asks_ahead() {
        true => of_tile(roles.converted_copy(panels).chunks() * WORDS),
        false => NOWHERE,
    };
    let all = [
        ("Q", tile(0, 1, Layout::Panels(of_query), of_queries, Turns::SeenItems)),
        ("O tile", tile(output, 1, Layout::Panels(of_output), None, Turns::SeenItems)),
        ("K", tile(keys, stages, Layout::Panels(of_keys), of_ring(1, of_keys.bytes()), Turns::Columns)),
        (
            "V",
            match in_keys {
                true => NOWHERE,
                false => {
                    let barriers = match roles.transposes {
                        // Of warps that transpose.
                        true => {
                            let barriers = pair(1 + stages, 0);
                            barriers.map(|barriers| Barriers { fills: TRANSPOSERS, ..barriers })
                        }
                        false => of_ring(1 + stages, of_values.bytes()),
                    };
                    tile(values, stages, of_values, barriers, Turns::Columns)
                }
            },
        ),
        ("tile info", Place::Shared(info)),
        ("S", of_tile(of_scores)),
        ("P", of_tile(of_probabilities)),
        ("O", of_item(accumulators)),
        ("maxima", of_item(2)),
        ("sums", of_item(2)),
        ("tile maxima", of_tile(2)),
        ("growth", of_tile(2)),
        ("bits", of_tile(of_scores.div_ceil(32))),
        ("item", of_item(info_bytes / 4)),
        ("blocks", blocks),
        ("q", Place::Memory),
        ("k", Place::Memory),
        ("v", Place::Memory),
        ("o", Place::Memory),
        ("K coming", coming(of_keys)),
        ("V coming", if in_keys { NOWHERE } else { coming(roles.value_panels()) }),
        ("blocks of V", if roles.asks_ahead() && !in_keys { blocks_of_values } else { NOWHERE }),
        ("products", of_tile(of_products)),
        (
            "V rows",
            match roles.transposed_copy() {
                Some(copy) => {
                    let layout = Layout::Panels(copy.rows);
                    let barriers = of_ring(1 + roles.slots() + TILE_INFOS, layout.bytes());
                    let barriers = barriers.map(|barriers| Barriers { empties: TRANSPOSERS, ..barriers });
                    tile(value_rows, stages, layout, barriers, Turns::Columns)
                }
                None => NOWHERE,
            },
        ),
    ];
    let buffers = all.map(|(name, place)| Buffer { name, place }).to_vec();
    (buffers, infos + TILE_INFOS * info_bytes)
}

/// The plan of a kernel.
pub fn plan(roles: &Roles, form: Form) -> Plan {
    let (buffers, shared_bytes) = buffers(roles);
    let (producer_registers, consumer_registers) = roles.registers();
    let family = Family { roles, form };
    let producer = Role {
        name: "producer",
        copies: 1,
        warps: roles.producer_warps(),
        warp_rows: 0,
        registers: Some(producer_registers),
        body: if roles.converts() { family.converting_producer() } else { family.producer() },
    };
    let consumer = Role {
        name: "consumer",
        copies: roles.consumers(),
        warps: roles.warps / roles.consumers(),
        warp_rows: roles.rows_per_warp(),
        registers: Some(consumer_registers),
        body: family.consumer(),
    };
    let transposer = roles.transposes.then(|| Role {
        name: "transposer",
        copies: 1,
        warps: TRANSPOSERS,
        warp_rows: 0,
        registers: Some(producer_registers),
        body: family.transposer(),
    });
    Plan {
        products: roles.products,
        widens: roles.widens,
        buffers,
        shared_bytes,
        named: named(roles),
        planned: form.planned,
        set_up: set_up(roles, form),
        roles: [producer, consumer].into_iter().chain(transposer).collect(),
    }
}

struct Family<'a> {
    roles: &'a Roles,
    form: Form,
}

const K: View = View { buffer: KEYS, ago: 0 };
const V: View = View { buffer: VALUES, ago: 0 };
const V_BEFORE: View = View { buffer: VALUES, ago: 1 };
const Q: View = View { buffer: QUERY, ago: 0 };
const O_TILE: View = View { buffer: OUTPUT, ago: 0 };
const TOLD: View = View { buffer: INFO, ago: 0 };

impl Family<'_> {
    /// What consumers are told of an item, or that there is none.
    fn tell(&self) -> Vec<Node> {
        nodes([
            vec![compute(Read, &[], &registers([ITEM]))],
            step(Step::AwaitEmpty(TOLD)),
            vec![compute(Describe, &registers([ITEM]), &[TOLD])],
            step(Step::Fill(TOLD)),
        ])
    }

    /// The first warp tells, all read it and copy.
    fn converting_producer(&self) -> Vec<Node> {
        let [q, k, v, _] = TENSORS;
        if self.roles.asks_ahead() {
            return self.asking_producer();
        }
        let copy = |to: View, from, is_pool: bool| {
            let at = (is_pool && self.form.paged).then_some(View { buffer: BLOCKS, ago: to.ago });
            nodes([
                at.map_or_else(Vec::new, |at| vec![compute(LookUp, &registers([ITEM]), &[at])]),
                steps([
                    Step::AwaitEmpty(to),
                    Step::CopyConverted { to, from, at },
                    Step::FenceProxy,
                    Step::MeetWarp,
                    Step::Fill(to),
                ]),
            ])
        };
        let keys = || copy(K, k, true);
        let values = || only_if(!self.in_keys(), copy(V_BEFORE, v, true));
        let query = match self.roles.splits() {
            true => copy(Q, q, false),
            false => when(
                Condition::FirstWarp,
                steps([Step::AwaitEmpty(Q), Step::Copy { to: Q, from: q, at: None }]),
            ),
        };
        let columns = Node::Columns {
            first: Some(nodes([keys(), query])),
            each: nodes([keys(), values()]),
            last: values(),
        };
        self.told_items(columns)
    }

    /// The same of tiles that lanes have registers for: K and V are asked for as soon as the tile before has been written, and come while
    /// the other is converted, and while a slot is awaited.
    fn asking_producer(&self) -> Vec<Node> {
        let [q, k, v, _] = TENSORS;
        let [coming_keys, coming_values] = COMING;
        let look_up = |at: View| only_if(self.form.paged, vec![compute(LookUp, &registers([ITEM]), &[at])]);
        let ask = |to, from, at| step(Step::AskFor { to, from, at: self.form.paged.then_some(at) });
        let write = |to: View, buffer| {
            steps([
                Step::AwaitEmpty(to),
                Step::WriteConverted { to, from: View { buffer, ago: to.ago } },
                Step::FenceProxy,
                Step::MeetWarp,
                Step::Fill(to),
            ])
        };
        // Blocks are looked up while what came before is written.
        let keys = |ago, before: Vec<Node>| {
            let at = View { buffer: BLOCKS, ago };
            nodes([look_up(at), before, ask(View { buffer: coming_keys, ago }, k, at)])
        };
        let values = |before: Vec<Node>| {
            let at = View::now(BLOCKS_OF_VALUES);
            only_if(!self.in_keys(), nodes([look_up(at), before, ask(View::now(coming_values), v, at)]))
        };
        let write_values = || write(V_BEFORE, coming_values);
        let query =
            when(Condition::FirstWarp, steps([Step::AwaitEmpty(Q), Step::Copy { to: Q, from: q, at: None }]));
        let next_keys = || keys(-1, write(K, coming_keys));
        self.told_items(Node::Columns {
            first: Some(nodes([keys(0, Vec::new()), values(Vec::new()), next_keys(), query])),
            each: nodes([next_keys(), values(write_values())]),
            last: only_if(!self.in_keys(), write_values()),
        })
    }

    /// A producer's items, which its first warp takes and tells all of, with what is done of those that see a column.
    fn told_items(&self, columns: Node) -> Vec<Node> {
        let next = nodes([
            when(Condition::FirstWarp, self.tell()),
            step(Step::AwaitFull(TOLD)),
            vec![compute(Read, &[TOLD], &registers([ITEM]))],
        ]);
        let each = nodes([
            steps([Step::MeetWarp, Step::Release(TOLD)]),
            when(Condition::SeesColumns, vec![columns]),
        ]);
        vec![Node::Items { next, each, last: Vec::new() }]
    }

    fn producer(&self) -> Vec<Node> {
        let [q, k, v, _] = TENSORS;
        let blocks = |ago| View { buffer: BLOCKS, ago };
        let look_up = |ago| vec![compute(LookUp, &[View::now(ITEM)], &[blocks(ago)])];
        let by_boxes = |to: View, from, at| steps([Step::AwaitEmpty(to), Step::Copy { to, from, at }]);
        // The rightmost tile may reach past the sequence's end, and so may any whose V is copied a tile later.
        let by_rows = |to: View, from, checked| {
            let copy = Step::CopyAsync { to, from, at: Some(blocks(to.ago)), checked };
            nodes([look_up(to.ago), steps([Step::AwaitEmpty(to), copy, Step::FillOnceCopied(to)])])
        };
        let keys = |rightmost| match self.roles.copies_rows() {
            true => by_rows(K, k, rightmost),
            false => {
                let at = self.form.paged.then_some(blocks(0));
                nodes([only_if(self.form.paged, look_up(0)), by_boxes(K, k, at)])
            }
        };
        let values = || match self.roles.copies_rows() {
            _ if self.in_keys() => Vec::new(),
            true => by_rows(self.copied_values(), v, true),
            false => by_boxes(self.copied_values(), v, self.form.paged.then_some(blocks(1))),
        };
        let columns = Node::Columns {
            first: Some(nodes([keys(true), by_boxes(Q, q, None)])),
            each: nodes([keys(false), values()]),
            last: values(),
        };
        let seen = when(Condition::SeesColumns, vec![columns]);
        vec![Node::Items { next: Vec::new(), each: nodes([self.tell(), seen]), last: self.tell() }]
    }

    /// Where V is copied, a tile behind K.
    fn copied_values(&self) -> View {
        if self.roles.transposes { View::before(VALUE_ROWS) } else { V_BEFORE }
    }

    /// V by rows becomes V by columns, tile by tile. What is past the sequence's end becomes zero first.
    fn transposer(&self) -> Vec<Node> {
        let rows = View::now(VALUE_ROWS);
        let by_rows = self.roles.copies_rows();
        let tail = when(
            Condition::EndsInTile,
            nodes([
                vec![compute(ClearRows, &[View::now(ITEM)], &[rows])],
                step(Step::Meet(Meeting::Transposers)),
            ]),
        );
        let tile = |clears: bool| {
            nodes([
                step(Step::AwaitFull(rows)),
                only_if(clears, tail.clone()),
                steps([
                    Step::AwaitEmpty(V),
                    Step::Transpose { to: V, from: rows },
                    // Products read what was written, and what is copied over rows that were cleared comes after that.
                    Step::FenceProxy,
                    Step::MeetWarp,
                    Step::Fill(V),
                    Step::Release(rows),
                ]),
            ])
        };
        let columns = Node::Columns { first: Some(tile(!by_rows)), each: tile(false), last: Vec::new() };
        let next = nodes([step(Step::AwaitFull(TOLD)), vec![compute(Read, &[TOLD], &registers([ITEM]))]]);
        let each = nodes([
            steps([Step::MeetWarp, Step::Release(TOLD)]),
            when(Condition::SeesColumns, vec![columns]),
        ]);
        vec![Node::Items { next, each, last: Vec::new() }]
    }

    fn consumer(&self) -> Vec<Node> {
        let read = || vec![compute(Read, &[TOLD], &registers([ITEM]))];
        let columns =
            Node::Columns { first: Some(self.rightmost()), each: self.iteration(), last: self.last_output() };
        // What is needed late is read again: to carry it through the loops would cost registers there.
        let read_again = || nodes([read(), steps([Step::MeetWarp, Step::Release(TOLD)])]);
        let seen = nodes([vec![columns], read_again(), self.epilogue()]);
        let clear = only_if(self.form.partial, vec![compute(Clear, &[], &registers([ACCUMULATORS]))]);
        let nothing: &[View] = if self.form.partial {
            &registers([ITEM, ACCUMULATORS, MAXIMA, SUMS])
        } else {
            &registers([ITEM])
        };
        let store = vec![compute(StoreNothing, nothing, &[])];
        let unseen = nodes([read_again(), clear, store]);
        let by_copies = self.form.output && !self.form.partial && !self.form.direct && !self.over_query();
        vec![Node::Items {
            next: nodes([step(Step::AwaitFull(TOLD)), read()]),
            each: nodes([
                vec![compute(Clear, &[], &registers([MAXIMA, SUMS]))],
                vec![Node::If { when: Condition::SeesColumns, then: seen, otherwise: unseen }],
            ]),
            last: only_if(by_copies, step(Step::AwaitStoresRead)),
        }]
    }

    /// What leaves straight from the accumulators is nowhere.
    fn over_query(&self) -> bool {
        self.roles.output == OutputIn::OverQuery && !self.form.direct
    }

    /// V is in K's rows.
    fn in_keys(&self) -> bool {
        self.roles.values == ValuesIn::Keys
    }

    /// Waits for a slot that products then read. Who converts or transposes what it writes there fences.
    fn await_tile(&self, of: View) -> Vec<Node> {
        let is_transposed = of.buffer == VALUES && self.roles.transposes;
        let by_lanes = self.roles.copies_rows() && !self.roles.converts() && !is_transposed;
        nodes([step(Step::AwaitFull(of)), only_if(by_lanes, step(Step::FenceProxy))])
    }

    /// V of the tile before.
    fn values_before(&self) -> View {
        if self.in_keys() { View::before(KEYS) } else { V_BEFORE }
    }

    /// All whose rows a tile of rows has.
    fn meeting(&self) -> Meeting {
        if self.roles.split == 1 { Meeting::Alone } else { Meeting::Consumers }
    }

    /// The rightmost tile: nothing is under way before it. It has the end of the sequence, and always masks.
    fn rightmost(&self) -> Vec<Node> {
        let tail = |of: View| {
            when(
                Condition::EndsInTile,
                nodes([
                    step(Step::AwaitFull(of)),
                    vec![compute(ClearRows, &[View::now(ITEM)], &[of])],
                    steps([Step::FenceProxy, Step::Meet(Meeting::Consumers)]),
                ]),
            )
        };
        let by_rows = self.roles.copies_rows();
        nodes([
            self.conditions(),
            step(Step::AwaitFull(Q)),
            // K that was not copied comes with a table only. What is V too is contracted over its rows.
            only_if((self.form.paged || self.in_keys()) && !by_rows, tail(K)),
            self.await_tile(K),
            step(Step::FenceProducts),
            self.scores(),
            step(Step::AwaitProducts(0)),
            only_if(!self.in_keys(), step(Step::Release(K))),
            self.map_scores(),
            vec![
                compute(RowMaxima, &registers([SCORES]), &registers([TILE_MAXIMA])),
                // Nothing has been summed or accumulated: only the maximum moves.
                compute(RaiseMaxima, &registers([TILE_MAXIMA, MAXIMA]), &registers([MAXIMA])),
            ],
            exponentials(self.roles.polynomial),
            vec![compute(Round, &registers([SCORES]), &registers([PROBABILITIES]))],
            only_if(!self.in_keys() && !by_rows && !self.roles.transposes, tail(V)),
            // Not earlier: until here they would only take registers.
            vec![compute(Clear, &[], &registers([ACCUMULATORS]))],
        ])
    }

    /// Any other tile. Who takes turns has all that its products need before it does: a turn is not held while V is on its
    /// way. Who is alone begins with what is there.
    fn iteration(&self) -> Vec<Node> {
        let turns = self.roles.take_turns();
        let (issued, scored) =
            (self.roles.pass == PassTurn::Issued && turns, self.roles.pass == PassTurn::Scored && turns);
        let may_skip = self.roles.rescale != Rescale::Always;
        let unless_kept = |then: Vec<Node>| if may_skip { when(Condition::MaximumGrew, then) } else { then };
        nodes([
            self.conditions(),
            match turns && !self.in_keys() {
                // One fence is for both.
                true if self.roles.transposes => nodes([step(Step::AwaitFull(V_BEFORE)), self.await_tile(K)]),
                true => nodes([step(Step::AwaitFull(K)), self.await_tile(V_BEFORE)]),
                false => self.await_tile(K),
            },
            only_if(turns, step(Step::TakeTurn)),
            step(Step::FenceProducts),
            self.scores(),
            // Behind a wait ptxas wants a fence again, or adds one and complains (C7519).
            only_if(!turns && !self.in_keys(), nodes([self.await_tile(V_BEFORE), step(Step::FenceProducts)])),
            self.output(),
            only_if(issued, step(Step::PassTurn)),
            step(Step::AwaitProducts(1)),
            only_if(scored, step(Step::PassTurn)),
            only_if(!self.in_keys(), step(Step::Release(K))),
            self.map_scores(),
            vec![
                compute(RowMaxima, &registers([SCORES]), &registers([TILE_MAXIMA])),
                compute(Growth, &registers([TILE_MAXIMA, MAXIMA]), &registers([GROWTH])),
            ],
            unless_kept(vec![compute(
                MoveMaxima,
                &registers([TILE_MAXIMA, MAXIMA, SUMS]),
                &registers([MAXIMA, SUMS, GROWTH]),
            )]),
            exponentials(self.roles.polynomial),
            only_if(self.roles.overlap == Overlap::Pinned, vec![compute(Pin, &registers([SUMS]), &[])]),
            steps([Step::AwaitProducts(0), Step::Release(self.values_before())]),
            vec![compute(Round, &registers([SCORES]), &registers([PROBABILITIES]))],
            self.add_products(),
            unless_kept(vec![compute(
                Rescale,
                &registers([GROWTH, ACCUMULATORS]),
                &registers([ACCUMULATORS]),
            )]),
        ])
    }

    fn conditions(&self) -> Vec<Node> {
        only_if(self.form.conditions, vec![compute(Conditions, &registers([ITEM]), &registers([BITS]))])
    }

    fn map_scores(&self) -> Vec<Node> {
        let bits: &[View] =
            if self.form.conditions { &registers([SCORES, ITEM, BITS]) } else { &registers([SCORES, ITEM]) };
        vec![compute(Scores, bits, &registers([SCORES]))]
    }

    /// S = Q Kᵀ
    fn scores(&self) -> Vec<Node> {
        step(Step::Multiply { into: SCORES, a: Q, b: K, transposed: false, fresh: true })
    }

    /// O += P V of the tile before, or the product alone where products add up at two levels.
    fn output(&self) -> Vec<Node> {
        let (a, b) = (View::before(PROBABILITIES), self.values_before());
        let (into, fresh) = match self.roles.sums {
            Sums::OneLevel => (ACCUMULATORS, false),
            Sums::TwoLevels => (PRODUCTS, true),
        };
        step(Step::Multiply { into, a, b, transposed: true, fresh })
    }

    /// What is left of O += P V once the product is there.
    fn add_products(&self) -> Vec<Node> {
        let add = compute(AddProducts, &registers([PRODUCTS, ACCUMULATORS]), &registers([ACCUMULATORS]));
        only_if(self.roles.sums == Sums::TwoLevels, vec![add])
    }

    /// O += P V of the leftmost tile.
    fn last_output(&self) -> Vec<Node> {
        nodes([
            only_if(!self.over_query(), step(Step::Release(Q))),
            only_if(!self.in_keys(), self.await_tile(V_BEFORE)),
            step(Step::FenceProducts),
            self.output(),
            steps([Step::AwaitProducts(0), Step::Release(self.values_before())]),
            self.add_products(),
        ])
    }

    /// O over the row sums, and the log-sum-exp. Where O goes over Q, Q is free only then; of 32 bits it goes nowhere but to
    /// memory.
    fn epilogue(&self) -> Vec<Node> {
        let Form { output, direct, lse, partial, .. } = self.form;
        let release_query = || only_if(self.over_query(), step(Step::Release(Q)));
        let sums = vec![compute(RowSums, &registers([SUMS]), &registers([SUMS]))];
        if partial {
            let store = compute(StorePartial, &registers([ACCUMULATORS, SUMS, MAXIMA, ITEM]), &[]);
            return nodes([sums, vec![store], release_query()]);
        }
        let lse = only_if(lse, vec![compute(StoreLse, &registers([SUMS, MAXIMA, ITEM]), &[])]);
        if !output {
            return nodes([sums, lse, release_query()]);
        }
        if direct {
            let store = compute(StoreDirect, &registers([ACCUMULATORS, SUMS, ITEM]), &[]);
            return nodes([sums, lse, vec![store]]);
        }
        let by_copies = nodes([
            steps([Step::Meet(self.meeting()), Step::Store { from: O_TILE, to: TENSORS[3] }]),
            only_if(self.over_query(), steps([Step::AwaitStoresRead, Step::ReleaseForAll(Q)])),
        ]);
        let by_rows = nodes([
            step(Step::MeetWarp),
            vec![compute(StoreRows, &[O_TILE, View::now(ITEM)], &[])],
            only_if(self.over_query(), nodes([step(Step::MeetWarp), step(Step::Release(Q))])),
        ]);
        nodes([
            sums,
            lse,
            // The last tile's O has left.
            only_if(!self.over_query(), step(Step::AwaitStoresRead)),
            step(Step::Meet(self.meeting())),
            vec![compute(Divide, &registers([ACCUMULATORS, SUMS]), &[O_TILE])],
            // Bulk copies read this memory, or write the next Q to it.
            step(Step::FenceProxy),
            vec![Node::If { when: Condition::WholeRows, then: by_copies, otherwise: by_rows }],
        ])
    }
}
