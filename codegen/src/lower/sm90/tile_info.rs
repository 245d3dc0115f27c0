//! What consumers know of a row tile.
//!
//! The producer works out what a row tile covers and which columns it sees, and leaves that in shared memory; consumers
//! read it, divide nothing and read no lengths. There are two places, so that the producer can be a tile ahead, each with
//! a pair of barriers: *full* when it has been written, *empty* when every consumer warp has read it for the last time.
//! Rather than carry what they need late through their loops, consumers read it again.

use super::barrier::PAIR;
use super::{Block, Hopper};
use crate::lower::instance::Extent;
use crate::lower::range::{ColumnRange, Edge};
use crate::plan::roles::INFO;
use crate::schedule::TILE_INFOS;
use flashpage_ptx::ast::Name;
use flashpage_ptx::builder::{Reg, address, space, ty, vector, word};
use flashpage_ptx::words::{Opcode, Space, Type, Word};

/// The words of a place, four at a time as they are written and read. The last four are of kernels whose producer reads rows by
/// address.
const QUADS: [[Field; 4]; 5] = [
    [Field::IsOver, Field::TilesEnd, Field::Edge(Edge::First), Field::Edge(Edge::InnerEnd)],
    [Field::Edge(Edge::InnerFirst), Field::KvLen, Field::QOffset, Field::ColBegin],
    [Field::QBegin, Field::Row0, Field::RowEnd, Field::Head0],
    [Field::Sequence, Field::KvHead, Field::Part, Field::QueryParity],
    [Field::KvBegin, Field::Nothing, Field::Nothing, Field::Nothing],
];

/// One word. What a kernel does not have is 0.
#[derive(Clone, Copy, PartialEq)]
enum Field {
    /// Whether there is no tile: the list is done.
    IsOver,
    /// One past the rightmost tile of columns.
    TilesEnd,
    Edge(Edge),
    KvLen,
    QOffset,
    ColBegin,
    QBegin,
    Row0,
    RowEnd,
    Head0,
    Sequence,
    KvHead,
    Part,
    /// Parity of the phase in which Q comes.
    QueryParity,
    KvBegin,
    Nothing,
}

/// What branches and waits depend on. ptxas must know it to be the same in all lanes: else it takes the lanes of a warp to
/// go separate ways, and has no uniform registers for whatever comes after.
const DECIDE: [Field; 5] =
    [Field::IsOver, Field::TilesEnd, Field::Edge(Edge::First), Field::KvLen, Field::QueryParity];

/// A place as it was read.
pub(super) struct TileInfo(Vec<(Field, Reg)>);

impl TileInfo {
    fn get(&self, field: Field) -> Reg {
        let found = self.0.iter().find(|(f, _)| *f == field);
        found.map(|(_, reg)| reg.clone()).expect("every field of a place is read")
    }

    pub fn is_over(&self) -> Reg {
        self.get(Field::IsOver)
    }

    pub fn tiles_end(&self) -> Reg {
        self.get(Field::TilesEnd)
    }

    pub fn query_parity(&self) -> Reg {
        self.get(Field::QueryParity)
    }

    pub fn first_tile(&self) -> Reg {
        self.get(Field::Edge(Edge::First))
    }
}

/// Where a tile is described: how many have been before it.
pub(super) struct Place(Reg);

impl Hopper<'_> {
    /// The first place. The producer waits for the phase before the first: it begins a turn of the ring ahead.
    pub(super) fn first_place(&mut self, is_producer: bool) -> Place {
        Place(self.b.mov(Type::U32, "told", if is_producer { TILE_INFOS } else { 0 }))
    }

    /// The place that many turns of the ring ahead: where who reads one tells of the next.
    pub(super) fn place_ahead(&mut self, Place(told): &Place) -> Place {
        Place(self.b.add(Type::U32, "told_ahead", told, TILE_INFOS))
    }

    /// The words of a place.
    fn quads(&self) -> &'static [[Field; 4]] {
        &QUADS[..self.roles.tile_info_bytes() / 16]
    }

    /// Which of the places it is.
    fn info_slot(&mut self, Place(told): &Place) -> Reg {
        self.b.rem(Type::U32, "r", told, TILE_INFOS)
    }

    /// Parity of the phase to wait for there.
    pub(super) fn parity(&mut self, Place(told): &Place) -> Reg {
        let turn = self.b.div(Type::U32, "r", told, TILE_INFOS);
        self.b.and(Type::B32, "r", &turn, 1)
    }

    /// The pair of barriers of a place.
    pub(super) fn info_barriers(&mut self, block: &Block, place: &Place) -> Reg {
        let first = self.first_pair(INFO);
        let slot = self.info_slot(place);
        let pair = self.b.mad_lo(Type::U32, "r", &slot, PAIR, &block.barriers);
        self.b.add(Type::U32, "r", &pair, first)
    }

    /// Shared address of a place.
    pub(super) fn info_words(&mut self, block: &Block, place: &Place) -> Reg {
        let first = self.plan.shared(INFO).offset - self.plan.barriers_offset();
        let slot = self.info_slot(place);
        let bytes = self.roles.tile_info_bytes();
        let place = self.b.mad_lo(Type::U32, "r", &slot, bytes, &block.barriers);
        self.b.add(Type::U32, "r", &place, first)
    }

    /// Goes on to the other place.
    pub(super) fn other_place(&mut self, Place(told): &Place) {
        self.b.add(Type::U32, told, told, 1);
    }

    /// What consumers are told of a tile: what it covers and which columns it sees.
    pub(super) fn description(
        &mut self,
        extent: &Extent,
        range: &ColumnRange,
        query_parity: &Reg,
    ) -> Vec<[Reg; 4]> {
        let Extent {
            sequence,
            q_begin,
            col_begin,
            kv_len,
            q_offset,
            kv_head,
            head0,
            row0,
            end,
            part,
            has_sinks,
            kv_begin,
        } = extent;
        // There is no word for a flag: it goes below the number of the part.
        let flagged = part.as_ref().zip(has_sinks.as_ref());
        let flagged = flagged.map(|(part, has_sinks)| self.b.mad_lo(Type::U32, "part", part, 2, has_sinks));
        let part = flagged.as_ref().or(part.as_ref());
        // The producer waits for the phase before.
        let query_parity = self.b.xor(Type::B32, "r", query_parity, 1);
        let value = |field: Field| match field {
            Field::IsOver => None,
            Field::TilesEnd => Some(&range.end),
            Field::Edge(edge) => range.at(edge),
            Field::KvLen => Some(kv_len),
            Field::QOffset => Some(q_offset),
            Field::ColBegin => col_begin.as_ref(),
            Field::QBegin => Some(q_begin),
            Field::Row0 => Some(row0),
            Field::RowEnd => Some(end),
            Field::Head0 => Some(head0),
            Field::Sequence => Some(sequence),
            Field::KvHead => Some(kv_head),
            Field::Part => part,
            Field::QueryParity => Some(&query_parity),
            Field::KvBegin => kv_begin.as_ref(),
            Field::Nothing => None,
        };
        let zero = self.b.mov(Type::U32, "r", 0);
        self.quads().iter().map(|quad| quad.map(|field| value(field).unwrap_or(&zero).clone())).collect()
    }

    /// What consumers are told when no tile is left.
    pub(super) fn description_of_end(&mut self) -> Vec<[Reg; 4]> {
        let [yes, no] = [1, 0].map(|flag| self.b.mov(Type::U32, "r", flag));
        vec![QUADS[0].map(|field| if field == Field::IsOver { yes.clone() } else { no.clone() })]
    }

    /// Writes a description to its place, by the first lane.
    pub(super) fn describe(&mut self, words: &Reg, quads: &[[Reg; 4]], first_lane: &Reg) {
        self.b.set_guard(Some(first_lane));
        for (index, quad) in quads.iter().enumerate() {
            let mods = [space(Space::Shared), word(Word::V4), ty(Type::B32)];
            let to = address(words, 16 * index as i64);
            self.b.emit(Opcode::St, &mods, vec![to, vector(&quad.each_ref())]);
        }
        self.b.set_guard(None);
    }

    /// Reads what is described.
    pub(super) fn read_info(&mut self, block: &Block, place: &Place) -> TileInfo {
        let words_at = self.info_words(block, place);
        let mut words = Vec::new();
        for (index, quad) in self.quads().iter().enumerate() {
            let regs: Vec<Reg> = quad.iter().map(|field| self.b.reg(Type::U32, field.name())).collect();
            let mods = [space(Space::Shared), word(Word::V4), ty(Type::B32)];
            let from = address(&words_at, 16 * index as i64);
            self.b.emit(Opcode::Ld, &mods, vec![vector(&regs.iter().collect::<Vec<_>>()), from]);
            words.extend(quad.iter().copied().zip(regs));
        }
        TileInfo(words)
    }

    /// Makes what branches depend on the same in all lanes, as far as ptxas knows.
    pub(super) fn agree(&mut self, info: &mut TileInfo) {
        self.b.comment("the same in all lanes");
        for (field, value) in &mut info.0 {
            if DECIDE.contains(field) {
                *value = self.same_in_all_lanes(value);
            }
        }
    }

    /// Reads what is told and what that covers; or goes on to `done`, when no tile is left.
    pub(super) fn told_item(&mut self, block: &Block, place: &Place, done: &Name) -> (TileInfo, Extent) {
        let mut info = self.read_info(block, place);
        self.agree(&mut info);
        let over = self.b.setp(Word::Ne, Type::U32, "p", &info.is_over(), 0);
        self.b.guarded(&over, false, |b| b.bra(done));
        let extent = self.extent_of(&info);
        (info, extent)
    }

    /// Reads where a part of the columns begins.
    pub(super) fn read_edge(&mut self, block: &Block, place: &Place, edge: Edge) -> Reg {
        let word = QUADS.iter().flatten().position(|field| *field == Field::Edge(edge));
        let offset = 4 * word.expect("every edge has a word") as i64;
        let mods = [space(Space::Shared), ty(Type::U32)];
        let from = address(&self.info_words(block, place), offset);
        let value = self.b.op(Opcode::Ld, &mods, Type::U32, "r", vec![from]);
        self.same_in_all_lanes(&value)
    }

    /// The extent that is described.
    pub(super) fn extent_of(&mut self, info: &TileInfo) -> Extent {
        let is_planned = self.spec.work.is_planned();
        let is_partial = self.spec.work == crate::spec::Work::Partials;
        let tells_begin = self.roles.converts() && self.attention.table.is_none();
        let mut part = is_partial.then(|| info.get(Field::Part));
        let mut has_sinks = None;
        if let (Some(flagged), true) = (part.clone(), self.attention.counts_once()) {
            has_sinks = Some(self.b.and(Type::B32, "has_sinks", &flagged, 1));
            part = Some(self.b.shr(Type::U32, "part", &flagged, 1));
        }
        Extent {
            sequence: info.get(Field::Sequence),
            q_begin: info.get(Field::QBegin),
            kv_begin: tells_begin.then(|| info.get(Field::KvBegin)),
            col_begin: is_planned.then(|| info.get(Field::ColBegin)),
            kv_len: info.get(Field::KvLen),
            q_offset: info.get(Field::QOffset),
            kv_head: info.get(Field::KvHead),
            head0: info.get(Field::Head0),
            row0: info.get(Field::Row0),
            end: info.get(Field::RowEnd),
            part,
            has_sinks,
        }
    }
}

impl Field {
    /// Group of its registers.
    fn name(self) -> &'static str {
        match self {
            Field::IsOver => "is_over",
            Field::TilesEnd => "tiles_end",
            Field::Edge(Edge::First) => "tiles_first",
            Field::Edge(Edge::InnerEnd) => "inner_end",
            Field::Edge(Edge::InnerFirst) => "inner_first",
            Field::KvLen => "kv_len",
            Field::QOffset => "q_offset",
            Field::ColBegin => "col_begin",
            Field::QBegin => "q_begin",
            Field::Row0 => "row0",
            Field::RowEnd => "end",
            Field::Head0 => "head0",
            Field::Sequence => "sequence",
            Field::KvHead => "kv_head",
            Field::Part => "part",
            Field::QueryParity => "query_parity",
            Field::KvBegin => "kv_begin",
            Field::Nothing => "nothing",
        }
    }
}
