//! Maps and masks of the scores of one tile.
//!
//! Every mask becomes a bit for each score, which ptxas moves to predicates several at a time (`R2P`). Where a mask is an
//! interval of columns, its bits are two shifts by how many of a row's scores lie left of its ends. Any other condition is
//! evaluated as written, *before* the tile's scores exist: a lane's scores and accumulators leave few registers free, and
//! what a condition needs on its way (a division has a dozen temporaries) has theirs until the product writes them.

use super::instance::Instance;
use super::kernel::Kernel;
use super::range::{Ends, Extreme, Rows};
use super::scalar::{Place, Uniforms};
use super::state::State;
use crate::analysis::attention::{Attention, ScoreOp};
use crate::analysis::bounds::Bound;
use crate::layout::fragment::{FIRST_COL, slot_col};
use crate::program::Expr;
use flashpage_ptx::ast::Axis;
use flashpage_ptx::builder::{Reg, ty};
use flashpage_ptx::words::{Opcode, Special, Type, Word};

/// What one part of the main loop needs to treat scores, computed before it.
pub(super) struct Masks {
    /// Whether tiles of this part are masked.
    masked: bool,
    /// What maps ask of the lane's rows, and conditions where they are carried.
    rows: RowValues,
    /// Last column that each row slot keeps.
    hi: Vec<Reg>,
    /// First column that each row slot keeps, if the mask has a left end.
    lo: Vec<Reg>,
    /// What conditions ask of rows is worked out for every tile, from the position of this lane's row.
    position: Option<Reg>,
    /// What is the same for the whole block.
    uniforms: Uniforms,
}

/// What expressions ask of the lane's rows.
#[derive(Default)]
struct RowValues {
    /// Position of each row slot, if anything asks for it.
    rows: Vec<Reg>,
    /// Query head of each row slot, if anything asks for it.
    heads: Vec<Reg>,
    /// Row-only subexpressions, per row slot.
    known: Vec<Vec<(Expr, Reg)>>,
}

/// The conditions of a tile that are no interval, evaluated.
#[derive(Default)]
pub(super) struct Kept {
    /// For each condition a bit a score, 32 in a register.
    bits: Vec<Vec<Reg>>,
    /// Whether the last of them is the mask after the last map: what it does not keep is nothing to the softmax.
    is_final: bool,
}

/// Row slots of a lane up to which the values that conditions ask of rows are carried through the main loop. With more,
/// as where a warp owns 32 rows, they are worked out again for every tile.
const CARRIED_SLOTS: usize = 2;

/// From so many operations on, what is worked out of a column alone is not to be kept for the next row: the assembler would, for
/// every column of the tile, and spill. A conversion it does again.
const KEPT_OPERATIONS: usize = 2;

/// Whether more is worked out of the column alone than what is done again.
fn works_by_column(expr: &Expr) -> bool {
    let mut of_column = Vec::new();
    expr.maximal(&|e| e.is_col_only() && !e.is_uniform() && *e != Expr::Col, &mut of_column);
    of_column.iter().map(Expr::operations).sum::<usize>() >= KEPT_OPERATIONS
}

impl Kernel<'_> {
    /// Emits what does not change from tile to tile.
    pub(super) fn prepare_scores(
        &mut self,
        instance: &Instance,
        ends: Ends,
        uniforms: &mut Uniforms,
    ) -> Masks {
        let masked = ends != Ends::None;
        let attention = self.attention;
        let slots = 2 * self.row_blocks();
        let interval = &attention.seen;
        let conditions = conditions(attention, masked);
        let carried = slots <= CARRIED_SLOTS;
        let mut evaluated: Vec<&Expr> = maps(attention).chain(&attention.weights).collect();
        evaluated.extend(conditions.iter().copied().filter(|_| carried));
        let limits = masked
            && interval.exact
            && [&interval.lo, &interval.hi].into_iter().flatten().any(Bound::uses_row);
        let mut rows = RowValues::default();
        if limits || asks_row(&evaluated) || asks(&evaluated, &Expr::Head) {
            for source in self.slot_rows(&instance.lane) {
                let token = self.of_row("r", &instance.lane_token, &source);
                rows.rows.push(self.b.add(Type::S32, "row", &token, &instance.q_offset));
                if asks(&evaluated, &Expr::Head) {
                    rows.heads.push(self.of_row("head", &instance.lane_head, &source));
                }
            }
        }
        let (mut hi, mut lo) = (Vec::new(), Vec::new());
        if masked && interval.exact {
            let last_col = self.b.sub(Type::S32, "last_col", &instance.kv_len, 1);
            for slot in 0..slots {
                let range = rows.rows.get(slot).filter(|_| limits).map(|row| {
                    let wide = self.b.cvt(&[], Type::S64, Type::S32, "rd", row);
                    Rows { first: wide.clone(), last: wide }
                });
                if ends == Ends::Both {
                    hi.push(self.right_end(
                        instance,
                        range.as_ref(),
                        interval,
                        Extreme::Greatest,
                        &last_col,
                        uniforms,
                    ));
                }
                lo.extend(self.left_end(instance, range.as_ref(), interval, Extreme::Least, uniforms));
            }
        }
        self.know_rows(instance, &mut rows, &evaluated, uniforms);
        let asks_row = asks_row(&conditions);
        let position = (!carried && asks_row)
            .then(|| self.b.add(Type::S32, "position", &instance.lane_token, &instance.q_offset));
        Masks { masked, rows, hi, lo, position, uniforms: uniforms.clone() }
    }

    /// Evaluates the row-only subexpressions of these.
    fn know_rows(
        &mut self,
        instance: &Instance,
        rows: &mut RowValues,
        evaluated: &[&Expr],
        uniforms: &Uniforms,
    ) {
        let mut found = Vec::new();
        for expr in evaluated {
            expr.maximal(
                &|e| e.is_row_only() && !e.is_uniform() && !matches!(e, Expr::Row | Expr::Head),
                &mut found,
            );
        }
        let mut tables = Vec::new();
        evaluated.iter().for_each(|expr| expr.rows_of_tables(&mut tables));
        for slot in 0..2 * self.row_blocks() {
            let place = slot_place(instance, rows, slot, uniforms);
            let mut values: Vec<(Expr, Reg)> =
                found.iter().map(|e| (e.clone(), self.evaluate(e, &place))).collect();
            for (param, indices) in &tables {
                let place = Place { known: &values, ..place };
                let row = self.row_of_table(*param, indices, &place);
                values.push((Expr::At(*param, indices.clone()), row));
            }
            rows.known.push(values);
        }
    }

    /// What an expression of rows is for each row slot.
    pub(super) fn of_rows(&mut self, instance: &Instance, expr: &Expr, uniforms: &Uniforms) -> Vec<Reg> {
        let mut rows = RowValues::default();
        for source in self.slot_rows(&instance.lane) {
            if asks_row(&[expr]) {
                let token = self.of_row("r", &instance.lane_token, &source);
                rows.rows.push(self.b.add(Type::S32, "row", &token, &instance.q_offset));
            }
            if asks(&[expr], &Expr::Head) {
                rows.heads.push(self.of_row("head", &instance.lane_head, &source));
            }
        }
        (0..2 * self.row_blocks())
            .map(|slot| {
                let value = self.evaluate(expr, &slot_place(instance, &rows, slot, uniforms));
                self.b.mov(Type::F32, "f", &value)
            })
            .collect()
    }

    /// Evaluates the conditions of tile `tile` that are no interval, column by column.
    pub(super) fn conditions(&mut self, instance: &Instance, masks: &Masks, tile: &Reg) -> Kept {
        let attention = self.attention;
        let conditions = conditions(attention, masks.masked);
        if conditions.is_empty() {
            return Kept { bits: Vec::new(), is_final: false };
        }
        self.b.comment("conditions, a bit for each score: before there are any");
        let slots = 2 * self.row_blocks();
        let mut again = RowValues::default();
        // What a lane is, it can ask again: that costs no register from tile to tile.
        let thread = self.b.special("r", Special::Tid, Some(Axis::X));
        let lane = self.b.and(Type::B32, "r", &thread, 31);
        let mut first_col = self.of_lane("r", &thread, FIRST_COL);
        if let Some(begin) = &instance.col_begin {
            first_col = self.b.add(Type::U32, "r", begin, &first_col);
        }
        let rows = if slots <= CARRIED_SLOTS {
            &masks.rows
        } else {
            for source in self.slot_rows(&lane) {
                if let Some(position) = &masks.position {
                    again.rows.push(self.of_row("row", position, &source));
                }
                if asks(&conditions, &Expr::Head) {
                    again.heads.push(self.of_row("head", &instance.lane_head, &source));
                }
            }
            self.know_rows(instance, &mut again, &conditions, &masks.uniforms);
            &again
        };
        let per_slot = self.schedule.cols / 4;
        let registers = (slots * per_slot).div_ceil(32);
        let bits: Vec<Vec<Reg>> = conditions
            .iter()
            .map(|_| (0..registers).map(|_| self.b.mov(Type::U32, "kept", 0)).collect())
            .collect();
        let col0 = self.b.mad_lo(Type::S32, "r", tile, self.schedule.cols, &first_col);
        // The last condition may be the mask after the last map, which also ends the sequence.
        let end =
            opaque(attention, masks.masked).map(|_| self.b.sub(Type::S32, "r", &instance.kv_len, &col0));
        let mut of_column = Vec::new();
        for expr in &conditions {
            expr.maximal(&|e| e.is_col_only() && !e.is_uniform() && *e != Expr::Col, &mut of_column);
        }
        for n in 0..per_slot {
            let col = asks(&conditions, &Expr::Col).then(|| self.b.add(Type::S32, "col", &col0, slot_col(n)));
            let place = Place {
                sequence: Some(&instance.sequence),
                kv_head: Some(&instance.kv_head),
                col: col.as_ref(),
                uniforms: Some(&masks.uniforms),
                ..Place::default()
            };
            let known: Vec<(Expr, Reg)> =
                of_column.iter().map(|e| (e.clone(), self.evaluate(e, &place))).collect();
            let inside = end.as_ref().map(|end| self.b.setp(Word::Gt, Type::S32, "p", end, slot_col(n)));
            for slot in 0..slots {
                let known = [&known[..], &rows.known[slot]].concat();
                let place = Place {
                    col: col.as_ref(),
                    known: &known,
                    ..slot_place(instance, rows, slot, &masks.uniforms)
                };
                let at = slot * per_slot + n;
                for (index, condition) in conditions.iter().enumerate() {
                    let mut keep = self.evaluate(condition, &place);
                    if let (Some(inside), true) = (&inside, index + 1 == conditions.len()) {
                        keep = self.b.and(Type::Pred, "p", &keep, inside);
                    }
                    let register = &bits[index][at / 32];
                    self.b.guarded(&keep, false, |b| {
                        b.or(Type::B32, register, register, 1u32 << (at % 32));
                    });
                }
            }
        }
        Kept { bits, is_final: end.is_some() }
    }

    /// Whether the warp keeps any score of the tile, where a condition says so.
    pub(super) fn keeps_any(&mut self, kept: &Kept) -> Option<Reg> {
        let bits = kept.bits.last().filter(|_| kept.is_final)?;
        let mut any = bits[0].clone();
        for more in &bits[1..] {
            any = self.b.or(Type::B32, "r", &any, more);
        }
        let own = self.b.setp(Word::Ne, Type::S32, "p", &any, 0);
        Some(self.b.vote_any("keeps_any", &own))
    }

    /// Applies maps and masks to the scores of tile `tile`, of which `kept` has been worked out before.
    pub(super) fn scores(
        &mut self,
        instance: &Instance,
        masks: &Masks,
        kept: &Kept,
        state: &mut State,
        tile: &Reg,
    ) {
        let attention = self.attention;
        if attention.scores.is_empty() && !masks.masked {
            return;
        }
        self.b.comment(if masks.masked { "maps and masks" } else { "maps" });
        let col0 = self.b.mad_lo(Type::S32, "r", tile, self.schedule.cols, &instance.first_col);
        let cols_needed = maps(attention).any(|expr| expr.any(&mut |e| *e == Expr::Col));
        let per_slot = self.schedule.cols / 4;
        let by_columns = maps(attention).any(|expr| expr.reads_by_column() || works_by_column(expr));
        let mut cols: Vec<Reg> = Vec::new();
        if cols_needed && !by_columns {
            cols.extend((0..per_slot).map(|n| self.b.add(Type::S32, "col", &col0, slot_col(n))));
        }

        let slots = 2 * self.row_blocks();
        let inside = !masks.masked;
        let places: Vec<Place> = (0..slots)
            .map(|slot| Place { inside, ..slot_place(instance, &masks.rows, slot, &masks.uniforms) })
            .collect();
        let interval = |k: &mut Self, slot: usize| {
            let relative =
                |k: &mut Self, limit: &[Reg]| limit.get(slot).map(|l| k.b.sub(Type::S32, "r", l, &col0));
            let (hi, lo) = (relative(k, &masks.hi), relative(k, &masks.lo));
            (hi.is_some() || lo.is_some()).then(|| k.interval(hi.as_ref(), lo.as_ref()))
        };
        let mut intervals: Vec<Option<Vec<Reg>>> = Vec::new();
        // What is the same for a column is worked out for one score and not kept for the next row's, so rows come first within
        // a column; where nothing is, a row is done with before the next.
        if by_columns {
            intervals.extend((0..slots).map(|slot| interval(self, slot)));
        }
        let order: Vec<(usize, usize)> = match by_columns {
            true => (0..per_slot).flat_map(|n| (0..slots).map(move |slot| (slot, n))).collect(),
            false => (0..slots).flat_map(|slot| (0..per_slot).map(move |n| (slot, n))).collect(),
        };
        for (slot, n) in order {
            if slot == intervals.len() {
                intervals.push(interval(self, slot));
            }
            if cols_needed && n == cols.len() {
                cols.push(self.b.add(Type::S32, "col", &col0, slot_col(n)));
            }
            let (block, element) = (n / 2, slot % 2 * 2 + n % 2);
            let mut score = state.scores[slot / 2][block][element].clone();
            let mut conditions = kept.bits.iter();
            for op in &attention.scores {
                let known = &masks.rows.known[slot];
                let place = Place { x: Some(&score), col: cols.get(n), known, ..places[slot] };
                score = match op {
                    // The softmax works in place: a value that elements share must not be its register.
                    ScoreOp::Map(expr) if expr.is_row_only() => {
                        let shared = self.evaluate(expr, &place);
                        self.b.mov(Type::F32, "f", &shared)
                    }
                    ScoreOp::Map(expr) => self.evaluate(expr, &place),
                    ScoreOp::Mask(_) => {
                        let bits = conditions.next().expect("every mask before a map is a condition");
                        self.keep(&score, bits, slot * per_slot + n, f32::NEG_INFINITY)
                    }
                };
            }
            // Of columns that there are not, no score and no weight.
            let nothing = if attention.normalised { f32::NEG_INFINITY } else { 0.0 };
            if let Some(bits) = conditions.next() {
                score = self.keep(&score, bits, slot * per_slot + n, nothing);
            }
            if let Some(bits) = &intervals[slot] {
                score = self.keep(&score, bits, n, nothing);
            }
            state.scores[slot / 2][block][element] = score;
        }
    }

    /// Maps probabilities, which have been added up, before they multiply values.
    pub(super) fn weigh(&mut self, instance: &Instance, masks: &Masks, state: &mut State, tile: &Reg) {
        let attention = self.attention;
        if attention.weights.is_empty() {
            return;
        }
        self.b.comment("maps of probabilities");
        let col0 = self.b.mad_lo(Type::S32, "r", tile, self.schedule.cols, &instance.first_col);
        for n in 0..self.schedule.cols / 4 {
            let col = self.b.add(Type::S32, "col", &col0, slot_col(n));
            for slot in 0..2 * self.row_blocks() {
                let (block, element) = (n / 2, slot % 2 * 2 + n % 2);
                let p = state.scores[slot / 2][block][element].clone();
                let mut weighed = p.clone();
                for expr in &attention.weights {
                    let known = &masks.rows.known[slot];
                    let place = Place {
                        x: Some(&weighed),
                        col: Some(&col),
                        inside: !masks.masked,
                        known,
                        ..slot_place(instance, &masks.rows, slot, &masks.uniforms)
                    };
                    weighed = self.evaluate(expr, &place);
                }
                if masks.masked {
                    // Past the end of the sequence a weight may be anything, and infinity times 0 is no number.
                    let is_kept = self.b.setp(Word::Neu, Type::F32, "p", &p, 0.0f32);
                    weighed = self.b.selp(Type::F32, "f", &weighed, 0.0f32, &is_kept);
                }
                self.b.mov(Type::F32, &p, &weighed);
            }
        }
    }

    /// A bit for each score of a row slot, 32 in a register: set where its column is not right of `hi` nor left of `lo`, of
    /// which one may be no end. Both are counted from the lane's first column of the tile.
    fn interval(&mut self, hi: Option<&Reg>, lo: Option<&Reg>) -> Vec<Reg> {
        let last_before = lo.map(|lo| self.b.sub(Type::S32, "r", lo, 1));
        let [up_to, before] = [hi, last_before.as_ref()].map(|last| last.map(|last| self.scores_up_to(last)));
        (0..self.schedule.cols.div_ceil(4 * 32))
            .map(|register| {
                let [mut up_to, before] = [&up_to, &before]
                    .map(|count| count.as_ref().map(|count| self.ones(count, 32 * register)));
                if let Some(before) = before {
                    let mods = [ty(Type::B32)];
                    let right = self.b.op(Opcode::Not, &mods, Type::B32, "kept", vec![(&before).into()]);
                    up_to = Some(match up_to {
                        Some(up_to) => self.b.and(Type::B32, "kept", &up_to, &right),
                        None => right,
                    });
                }
                up_to.expect("an interval has an end")
            })
            .collect()
    }

    /// How many scores of a row slot lie in columns up to `last` ([`slot_col`]).
    fn scores_up_to(&mut self, last: &Reg) -> Reg {
        let cols = self.schedule.cols;
        let b = &mut self.b;
        let last = b.max(Type::S32, "r", last, -1);
        let last = b.min(Type::S32, "r", &last, cols);
        let [even, odd] = [8, 7].map(|more| {
            let past = b.add(Type::S32, "r", &last, more);
            b.shr(Type::U32, "r", &past, 3)
        });
        b.add(Type::U32, "r", &even, &odd)
    }

    /// A register whose lowest bits are set, so many of them as `count` is above `first`.
    fn ones(&mut self, count: &Reg, first: usize) -> Reg {
        let b = &mut self.b;
        let count = if first == 0 {
            count.clone()
        } else {
            let above = b.sub(Type::S32, "r", count, first);
            b.max(Type::S32, "r", &above, 0)
        };
        // A shift by 32 or more leaves nothing, and nothing less one is all bits.
        let end = b.shl(Type::B32, "r", 1, &count);
        b.sub(Type::U32, "kept", &end, 1)
    }

    /// The score, or `nothing` where its bit is 0.
    fn keep(&mut self, score: &Reg, bits: &[Reg], at: usize, nothing: f32) -> Reg {
        let bit = self.b.and(Type::B32, "r", &bits[at / 32], 1u32 << (at % 32));
        let keep = self.b.setp(Word::Ne, Type::S32, "p", &bit, 0);
        self.b.selp(Type::F32, "f", score, nothing, &keep)
    }
}

fn slot_place<'p>(
    instance: &'p Instance,
    rows: &'p RowValues,
    slot: usize,
    uniforms: &'p Uniforms,
) -> Place<'p> {
    Place {
        uniforms: Some(uniforms),
        sequence: Some(&instance.sequence),
        kv_head: Some(&instance.kv_head),
        row: rows.rows.get(slot),
        head: rows.heads.get(slot),
        ..Place::default()
    }
}

fn maps(attention: &Attention) -> impl Iterator<Item = &Expr> {
    attention.scores.iter().filter_map(|op| match op {
        ScoreOp::Map(expr) => Some(expr),
        ScoreOp::Mask(_) => None,
    })
}

/// The mask after the last map, where it is masked at all and is no interval.
fn opaque(attention: &Attention, masked: bool) -> Option<&Expr> {
    attention.keep.as_ref().filter(|_| masked && !attention.seen.exact)
}

/// What is evaluated for every score: masks before maps, in order, and the mask after the last map if it is opaque.
fn conditions(attention: &Attention, masked: bool) -> Vec<&Expr> {
    let before = attention.scores.iter().filter_map(|op| match op {
        ScoreOp::Mask(expr) => Some(expr),
        ScoreOp::Map(_) => None,
    });
    before.chain(opaque(attention, masked)).collect()
}

/// Whether these ask where a row lies in its sequence.
fn asks_row(expressions: &[&Expr]) -> bool {
    asks(expressions, &Expr::Row) || asks(expressions, &Expr::Query)
}

fn asks(expressions: &[&Expr], leaf: &Expr) -> bool {
    expressions.iter().any(|expr| expr.any(&mut |e| e == leaf))
}
