//! Warps of two roles, FlashAttention-3's: one producer warpgroup that copies, one to three consumer warpgroups that
//! multiply.
//!
//! Of inputs of 16 bits one warp of the producer asks for bulk copies. Of f32 all four read rows, split each number into two of bf16
//! and write these to where bulk copies would have put them; K and V of 8 bits they widen.
//!
//! Every tile is cut into panels of a span of the head dimension, swizzled within eight rows, as bulk copies write it and `wgmma` reads it ([`crate::layout::panel`]).

use super::{OutputIn, Overlap, PassTurn, Products, Rescale, Sizes, Sums, ValuesIn};
use crate::layout::converted_copy::{Conversion, ConvertedCopy, WORDS};
use crate::layout::copy_box::CopyBox;
use crate::layout::key_groups::KeyGroups;
use crate::layout::panel::{Order, Panels};
use crate::layout::swizzle::{CHUNK, Swizzle, widest_span};
use crate::layout::transposed_copy::TransposedCopy;
use crate::plan::Layout;
use crate::program::ParamKind;
use std::fmt;
use std::ops::Deref;

/// Warps of a warpgroup.
pub const WARPGROUP_WARPS: usize = 4;
/// Threads of a warpgroup.
pub const WARPGROUP: usize = 32 * WARPGROUP_WARPS;
/// Rows that one warpgroup multiplies: `m64` of `wgmma`.
pub const WARPGROUP_ROWS: usize = 64;
/// Places where the producer tells consumers of a row tile: it is one ahead.
pub const TILE_INFOS: usize = 2;
/// Warps of the producer's warpgroup that transpose V, the last of it.
pub const TRANSPOSERS: usize = 2;
/// Registers of a multiprocessor.
pub const REGISTERS: usize = 64 * 1024;

/// The numbers of [`crate::plan::roles`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roles {
    /// What every family is told.
    pub sizes: Sizes,
    /// Of every 16 exponentials, how many are polynomials on the FMA pipe and not `ex2` on the special-function unit.
    pub polynomial: usize,
    /// Where O is before it is stored.
    pub output: OutputIn,
    /// Whether the assembler may move exponentials behind the wait for O.
    pub overlap: Overlap,
    /// When the next consumer's turn begins.
    pub pass: PassTurn,
    /// How K and V come.
    pub kv_box: KvBox,
    /// How O += P V adds up.
    pub sums: Sums,
    /// Whether V, of 8 bits, is transposed in shared memory, by a role of its own: `wgmma` reads factors of 8 bits along their depth alone.
    pub transposes: bool,
}

/// How K and V come: what one bulk copy of them moves, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvBox {
    /// Of contiguous keys, which may begin anywhere: one panel of all rows of a tile.
    Panel,
    /// Of paged keys: whole rows of the head dimension, as many as lie in one block and belong to one tile. Their number
    /// divides the block size and the tile's columns, and is a multiple of eight.
    Run {
        /// How many.
        rows: usize,
    },
    /// Of paged keys in blocks of fewer than eight rows, which are no whole piece of a tile, and of what is converted: each row by
    /// itself, by lanes of the producer.
    Rows,
}

/// The copies of one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// Rows of a box.
    pub rows: usize,
    /// Bytes of the head dimension of a box.
    pub row_bytes: usize,
    /// Boxes of a tile.
    pub boxes: usize,
}

impl Deref for Roles {
    type Target = Sizes;

    fn deref(&self) -> &Sizes {
        &self.sizes
    }
}

impl Roles {
    /// Consumer warpgroups.
    pub fn consumers(&self) -> usize {
        self.warps / WARPGROUP_WARPS
    }

    /// Threads of a block: a producer warpgroup beside the consumers.
    pub fn threads(&self) -> usize {
        WARPGROUP * (1 + self.consumers())
    }

    /// Whether consumers take turns: one issues its products while the others are in their softmax. Not where the producer converts for
    /// rings of one slot: then both have their scores while V comes, and both O += P V while the next K does.
    pub fn take_turns(&self) -> bool {
        self.consumers() > 1 && !(self.converts() && self.stages == 1)
    }

    /// Whether the producer makes factors of all that it copies, Q too: its inputs are f32.
    pub fn splits(&self) -> bool {
        self.products.are_of_f32()
    }

    /// Whether the producer makes factors of the K and V that it copies: they are f32, or of 8 bits.
    pub fn converts(&self) -> bool {
        self.splits() || self.widens
    }

    /// Warps of the producer that do something.
    pub fn producer_warps(&self) -> usize {
        if self.converts() { WARPGROUP_WARPS } else { 1 }
    }

    /// Registers of (producer, consumer) threads. A multiprocessor has 65536; `setmaxnreg` deals in eights and gives a
    /// thread at most 256, of which 255 can be used. A producer that splits has numbers on their way in registers: with 72 of them a planned
    /// one of 256 columns spilled 20 bytes in blocks of 24, and with 208 a consumer of 192 spilled 4.
    pub fn registers(&self) -> (u32, u32) {
        match (self.consumers(), self.blocks_per_sm) {
            (1, 1) if self.splits() => (128, 256),
            (1, _) if self.splits() => (88, 168),
            (_, _) if self.splits() && self.output_columns() > 192 => (88, 208),
            (_, _) if self.splits() && self.consumer_holds().iter().sum::<usize>() > 160 => (72, 216),
            (_, _) if self.splits() => (96, 200),
            (1, 1) if self.widens => (168, 256),
            (1, _) if self.widens => (80, 176),
            // Beside the warp that copies two transpose, with a word of each of sixteen keys.
            (1, 2) if self.transposes => (56, 200),
            (2, _) if self.transposes && self.consumer_holds().iter().sum::<usize>() > 192 => (48, 232),
            (2, _) if self.transposes => (64, 224),
            // A row's chunks, one of each panel, are on their way together.
            (_, _) if self.widens => match self.panels_of_row() {
                0..5 if self.consumer_holds().iter().sum::<usize>() > 160 => (72, 216),
                0..5 if self.consumer_holds().iter().sum::<usize>() < 140 => (104, 200),
                0..10 => (88, 208),
                _ => (112, 192),
            },
            (1, 1) => (56, 256),
            (1, _) => (40, 216),
            (2, _) => (40, 232),
            _ => (32, 160),
        }
    }

    /// Panels of a row of K or V.
    pub(crate) fn panels_of_row(&self) -> usize {
        self.key_panels().count.max(self.value_panels().count)
    }

    /// Registers of a thread that the kernel is launched with, before its roles give and take: all that there are, by the
    /// threads of as many blocks as should fit. With fewer its consumers wait for registers that nobody gives back.
    pub fn registers_at_entry(&self) -> u32 {
        let threads = self.threads() * self.blocks_per_sm as usize;
        (REGISTERS / threads / 8 * 8).min(255) as u32
    }

    /// Chunks of sixteen bytes that a thread of a producer that converts has on their way at once: of its registers what is left
    /// beside addresses and what it makes of a chunk.
    pub fn chunks_on_their_way(&self) -> usize {
        let others = if self.splits() { 40 } else { 52 };
        (self.registers().0 as usize - others) / WORDS
    }

    /// Whether lanes that widen have registers for a tile of K and one of V at once, so that both are asked for before they are needed.
    pub fn asks_ahead(&self) -> bool {
        let of = |panels| self.converted_copy(panels).chunks();
        let of_values = if self.values == ValuesIn::Own { of(self.value_panels()) } else { 0 };
        // Two chunks' registers are left for the blocks of both.
        self.widens && of(self.key_panels()) + of_values + 2 <= self.chunks_on_their_way()
    }

    /// The first of a block's warps that transpose.
    pub fn first_transposer(&self) -> usize {
        self.warps + WARPGROUP_WARPS - TRANSPOSERS
    }

    /// How a tile of V is transposed.
    pub fn transposed_copy(&self) -> Option<TransposedCopy> {
        let span = widest_span(self.cols);
        let tile = Panels { rows: self.head_dim.v, span, count: self.cols / span, order: Order::ByPanel };
        let (rows, warps) = (self.value_panels(), TRANSPOSERS);
        self.transposes.then_some(TransposedCopy { rows, tile, warps })
    }

    /// How the V that products read lies in shared memory.
    pub fn value_layout(&self) -> Layout {
        match self.transposed_copy() {
            Some(copy) => Layout::Columns(copy.tile),
            None if self.copies_groups() => {
                Layout::Groups(KeyGroups { keys: self.cols, numbers: self.head_dim.v })
            }
            None => Layout::Panels(self.value_panels()),
        }
    }

    /// Bytes of K and V that a producer which converts has asked for at once.
    pub fn bytes_on_their_way(&self) -> usize {
        let each = |panels| {
            let copy = self.converted_copy(panels);
            copy.chunks() / if self.asks_ahead() { 1 } else { copy.pieces(self.chunks_on_their_way()) }
        };
        let keys = each(self.key_panels());
        let chunks = match (self.asks_ahead(), self.values) {
            (true, ValuesIn::Own) => keys + each(self.value_panels()),
            _ => keys,
        };
        chunks * CHUNK * WARPGROUP
    }

    /// How a producer that converts copies a tile.
    pub fn converted_copy(&self, panels: Panels) -> ConvertedCopy {
        let how = if self.splits() { Conversion::Split } else { Conversion::Widen };
        ConvertedCopy { panels, warps: self.producer_warps(), how }
    }

    /// Bytes of a place where a row tile is described. Who reads rows by address asks where the sequence's keys begin, too.
    pub fn tile_info_bytes(&self) -> usize {
        if self.converts() { 80 } else { 64 }
    }

    /// Registers of a consumer thread for (O, the products of a tile, scores, probabilities): f32 thrice, then factors. Products of a tile
    /// have registers of their own where they add up at two levels.
    pub fn consumer_holds(&self) -> [usize; 4] {
        let of = |columns: usize| WARPGROUP_ROWS * columns / WARPGROUP;
        let (output, scores) = (of(self.output_columns()), of(self.cols));
        let products = if self.sums == Sums::TwoLevels { output } else { 0 };
        [output, products, scores, self.products.factor_registers(scores)]
    }

    /// The Q tile in shared memory.
    pub fn query_panels(&self) -> Panels {
        panels(self.rows, self.qk_row(), self.query_span(), Order::ByPanel)
    }

    /// The O tile in shared memory.
    pub fn output_panels(&self) -> Panels {
        panels(self.rows, self.o_row(), self.output_span(), Order::ByPanel)
    }

    /// The span of a tile of Q. Where O goes over Q both have the narrower: so each consumer's rows of O lie over its own of
    /// Q, while another still multiplies its.
    fn query_span(&self) -> usize {
        match self.output {
            OutputIn::Own => self.factor_span(self.head_dim.qk),
            OutputIn::OverQuery => self.narrower_span(),
        }
    }

    fn output_span(&self) -> usize {
        match self.output {
            OutputIn::Own => span(self.head_dim.v),
            OutputIn::OverQuery => self.narrower_span(),
        }
    }

    fn narrower_span(&self) -> usize {
        self.factor_span(self.head_dim.qk).min(span(self.head_dim.v))
    }

    /// The span of so many elements, of 8 bits or of 16: one part of them, of f32.
    fn factor_span(&self, columns: usize) -> usize {
        if self.products == Products::Bytes { widest_span(columns) } else { span(columns) }
    }

    /// A K tile in shared memory, as its boxes come. Where V is in it, V is whole panels too: `wgmma` reads no part of one over
    /// its rows.
    pub fn key_panels(&self) -> Panels {
        let span = match self.values {
            ValuesIn::Own => self.factor_span(self.head_dim.qk),
            ValuesIn::Keys => self.narrower_span(),
        };
        panels(self.cols, self.qk_row(), span, self.column_order())
    }

    /// A V tile in shared memory, as its boxes come.
    pub fn value_panels(&self) -> Panels {
        panels(self.cols, self.v_row(), self.factor_span(self.head_dim.v), self.column_order())
    }

    fn column_order(&self) -> Order {
        match self.kv_box {
            KvBox::Panel | KvBox::Rows => Order::ByPanel,
            KvBox::Run { .. } => Order::ByGroup,
        }
    }

    /// Whether V is copied as a cache holds it that has it transposed, by groups of keys.
    pub fn copies_groups(&self) -> bool {
        self.products == Products::Bytes && !self.transposes
    }

    /// Whether lanes copy K and V row by row, without bulk copies.
    pub fn copies_rows(&self) -> bool {
        self.kv_box == KvBox::Rows
    }

    /// The copies of a tile of K: bulk copies, each a lane's, or rows.
    pub fn key_copies(&self) -> Copies {
        self.column_copies(self.key_panels())
    }

    /// The copies of a tile of V, alike.
    pub fn value_copies(&self) -> Copies {
        self.column_copies(self.value_panels())
    }

    fn column_copies(&self, Panels { span, count, .. }: Panels) -> Copies {
        match self.kv_box {
            KvBox::Panel => Copies { rows: self.cols, row_bytes: span, boxes: count },
            KvBox::Run { rows } => Copies { rows, row_bytes: span * count, boxes: self.cols / rows.max(1) },
            KvBox::Rows => {
                let row_bytes = span * count / if self.widens { 2 } else { 1 };
                Copies { rows: 1, row_bytes, boxes: self.cols }
            }
        }
    }

    /// The bulk copies of Q.
    pub fn query_copies(&self) -> Copies {
        let Panels { rows, span, count, .. } = self.query_panels();
        Copies { rows, row_bytes: span, boxes: count }
    }

    /// The bulk copies of O by each warpgroup, of its own rows.
    pub fn output_copies(&self) -> Copies {
        let Panels { span, count, .. } = self.output_panels();
        Copies { rows: WARPGROUP_ROWS, row_bytes: span, boxes: count }
    }

    /// What one bulk copy of a parameter moves.
    pub(crate) fn copy_box(&self, kind: ParamKind) -> CopyBox {
        let (copies, panels) = match kind {
            ParamKind::Query => (self.query_copies(), self.query_panels()),
            ParamKind::Output => (self.output_copies(), self.output_panels()),
            ParamKind::Values | ParamKind::PagedValues => (self.value_copies(), self.value_panels()),
            _ => (self.key_copies(), self.key_panels()),
        };
        CopyBox { rows: copies.rows as u32, span: panels.span as u32 }
    }
}

/// The span of so many numbers of 16 bits: an element, or one part of it.
fn span(columns: usize) -> usize {
    Swizzle { row_bytes: 2 * columns }.span()
}

/// A tile of so many rows.
fn panels(rows: usize, row: Swizzle, span: usize, order: Order) -> Panels {
    Panels { rows, span, count: row.row_bytes / span, order }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (producer, consumer) = self.registers();
        let consumers = self.consumers();
        let by = match () {
            () if self.splits() => format!("{WARPGROUP_WARPS} warps copy and split"),
            () if self.widens => format!("{WARPGROUP_WARPS} warps copy and widen"),
            () => format!("1 warp of {WARPGROUP_WARPS} copies"),
        };
        writeln!(f, "  roles       1 producer warpgroup, {producer} registers a thread: {by}")?;
        if self.transposes {
            writeln!(
                f,
                "              {TRANSPOSERS} more transpose: V by rows becomes V by columns, in shared memory"
            )?;
        }
        let plural = if consumers == 1 { "" } else { "s" };
        let of = match self.split {
            1 => format!("{WARPGROUP_ROWS} rows each"),
            split => format!("the same rows, and 1/{split} of O's columns each"),
        };
        writeln!(
            f,
            "              {consumers} consumer warpgroup{plural}, {consumer} registers a thread: {of}"
        )?;
        let [output, products, scores, probabilities] = self.consumer_holds();
        let held = output + products + scores + probabilities;
        let of_tile = if products > 0 { format!(" + products of a tile {products}") } else { String::new() };
        writeln!(
            f,
            "  a consumer  holds O {output}{of_tile} + scores {scores} + probabilities {probabilities} = {held} registers, beside \
             addresses and limits"
        )?;
        if self.sums == Sums::TwoLevels {
            writeln!(
                f,
                "  sums        of a tile on tensor cores, which keep 13 bits behind the point; of tiles in f32: {output} additions a thread"
            )?;
        }
        match self.take_turns() {
            false => writeln!(f, "  turns       none")?,
            true => writeln!(
                f,
                "  turns       consumers issue products one after another; a turn is passed on when {}",
                match self.pass {
                    PassTurn::Issued => "they are issued",
                    PassTurn::Scored => "the scores are there",
                }
            )?,
        }
        match self.rescale {
            Rescale::Always => {
                writeln!(f, "  rescale     every column tile: {output} multiplications a thread")?;
            }
            Rescale::Grown { threshold } => writeln!(
                f,
                "  rescale     when a row maximum has grown by a factor of more than 2^{threshold}: spares {output} \
                 multiplications a thread\n              for most tiles, and is exact: O and the row sum keep the same factor"
            )?,
        }
        match self.polynomial {
            0 => writeln!(f, "  exp2        on the special-function unit")?,
            n => writeln!(
                f,
                "  exp2        of 16, {n} by polynomial, {} on the special-function unit",
                16 - n
            )?,
        }
        match self.output {
            OutputIn::Own => {
                writeln!(f, "  O           leaves through memory of its own: the next Q comes meanwhile")?;
            }
            OutputIn::OverQuery => {
                writeln!(f, "  O           leaves through Q's memory: the next Q waits for it")?;
            }
        }
        let boxes = |count: usize| format!("{count} box{}", if count == 1 { "" } else { "es" });
        let (keys, values) = (self.key_copies(), self.value_copies());
        let of_tile = |Copies { rows, row_bytes, boxes: count }: Copies| match self.copies_rows() {
            true => format!("{count} rows of {row_bytes} B"),
            false => format!("{} of {rows} rows x {row_bytes} B", boxes(count)),
        };
        let tiles = match (self.values, keys == values) {
            (ValuesIn::Keys, _) => format!("a tile of K, which is V too: {}", of_tile(keys)),
            (_, true) => format!("a tile of K or V: {}", of_tile(keys)),
            (_, false) => format!("a tile of K: {}, of V: {}", of_tile(keys), of_tile(values)),
        };
        let by = if self.copies_rows() { "16 bytes of them a lane at once" } else { "a lane each" };
        writeln!(f, "  copies      {tiles}, {by}")?;
        let (query, output) = (self.query_copies(), self.output_copies());
        let of_query = match self.splits() {
            true => format!("{} rows of {} B", query.rows, self.qk_row().row_bytes),
            false => format!("{} of whole tokens x {} B", boxes(query.boxes), query.row_bytes),
        };
        writeln!(
            f,
            "              Q: {of_query}; O: {} a warpgroup, of {WARPGROUP_ROWS} rows",
            boxes(output.boxes)
        )?;
        if self.converts() {
            let pieces = self.converted_copy(self.key_panels()).pieces(self.chunks_on_their_way());
            let how = if self.splits() { "split into two of bf16" } else { "widened to 16 bits" };
            writeln!(
                f,
                "              a tile of K in {pieces} piece{}, each on its way at once; a row is {how}, {} B",
                if pieces == 1 { "" } else { "s" },
                self.qk_row().row_bytes
            )?;
        }
        let blocks = self.blocks_per_sm;
        let plural = if blocks == 1 { "" } else { "s" };
        writeln!(f, "  walk over row tiles")?;
        writeln!(f, "    {blocks} block{plural} on each multiprocessor, until the list ends")?;
        writeln!(
            f,
            "    in sections of heads and sequences, of which the L2 cache holds the K and V of two"
        )?;
        writeln!(
            f,
            "    longest first: in a section row tiles from the end of the sequences, heads next to each other"
        )?;
        writeln!(f, "    block b begins with tile b, and takes every other from a counter in memory")?;
        writeln!(f, "    a planned kernel's block b takes the items b, n+b, 2n+b, … of its list, of n blocks")
    }
}
