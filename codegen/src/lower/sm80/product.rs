//! The two products: S = Q Kᵀ and O += P V, by `ldmatrix` and `mma.sync`.
//!
//! A lane has one address in each of Q, K and V. Walking rows is an instruction offset, walking chunks of a span an XOR,
//! of which there are four different ones at most.
//!
//! Tiles of f32 have been made into factors where they lie ([`crate::layout::converted`]). Split, each factor is two fragments of
//! bf16, and a product three ([`Products::terms`]). Rounded to tf32, a step of the same bytes is half as deep, and V is read
//! number by number.

use super::Ampere;
use super::copy::InRing;
use crate::layout::converted::{KEY_PAIR, N_CHUNKS, NUMBER, NUMBER_OF};
use crate::layout::fragment::{Addressed, B_PAIRS, CHUNKS_FIRST, K, K_TF32, M, N, ROWS_FIRST};
use crate::layout::swizzle::{CHUNK, Swizzle, phase};
use crate::lower::instance::Instance;
use crate::lower::lane::{Lane, phase_of};
use crate::lower::state::State;
use crate::plan::attention::{KEYS, VALUES};
use crate::program::DType;
use crate::schedule::{F32Products, Products, QueryIn, ValuesIn};
use flashpage_ptx::builder::{Reg, address, space, ty};
use flashpage_ptx::words::{Opcode, Space, Type};

/// Chunks of a row that a step of a product covers, of each part of a factor.
const STEP_CHUNKS: usize = 2;

/// A block of 16 rows of a step's first factor, by part.
type Factor = Vec<[Reg; 4]>;

/// Lane addresses for `ldmatrix`, and Q if it stays in registers.
pub(super) struct Fragments {
    /// In the warp's rows of Q, by XOR variant.
    query_at: Vec<Reg>,
    /// In a K slot at offset 0, by XOR variant.
    keys_at: Vec<Reg>,
    /// In a V slot at offset 0, by XOR variant.
    values_at: Vec<Reg>,
    /// The same of the second of two keys, where V is read number by number: less a row.
    second_values_at: Vec<Reg>,
    /// `[step][row block]`, when Q stays in registers.
    query: Vec<Vec<Factor>>,
}

impl Ampere<'_> {
    /// The lane's addresses.
    pub(super) fn fragments(&mut self, instance: &Instance, ring: &InRing) -> Fragments {
        let (qk, v) = (self.ring.qk_row(), self.ring.v_row());
        let of_values = if self.ring.values == ValuesIn::Keys { qk } else { v };
        self.b.comment("lane addresses for ldmatrix");
        let mut lane = Lane::new(&instance.lane);
        let (parts, bytes) = (self.ring.products.parts(), self.ring.products.element_bytes());
        let b = &mut self.b;
        let mut place = |group: &str, swizzle: Swizzle, Addressed { row, chunk }: Addressed| {
            let phase = lane.modulo_eight(b, "r", row);
            let phase = phase_of(b, phase, swizzle.span());
            let row = lane.number(b, "r", row);
            let chunk = lane.number(b, "r", chunk);
            let chunk = if parts == 1 { chunk } else { b.mul_lo(Type::U32, "r", &chunk, parts) };
            let chunk = b.xor(Type::B32, "r", &chunk, &phase);
            let place = b.mad_lo(Type::U32, "r", &chunk, CHUNK, &ring.shared);
            b.mad_lo(Type::U32, group, &row, swizzle.row_bytes, &place)
        };
        let values = place("values_at", of_values, ROWS_FIRST);
        let keys = place("keys_at", qk, CHUNKS_FIRST);
        // Lanes read Q as they read V.
        let query = if qk == of_values { values.clone() } else { place("r", qk, ROWS_FIRST) };
        let values = match self.reads_numbers() {
            true => self.number_address(instance, of_values, ring),
            false => values,
        };
        let values = self.at_own_columns(instance, values, bytes);
        let pitch = self.row_pitch();
        let query = self.b.mad_lo(Type::U32, "query_at", &instance.warp_row, pitch, &query);
        // One for each different XOR of the steps along a row, and of the parts of each.
        let mut variants = |first: Reg, group: &str, swizzle: Swizzle| -> Vec<Reg> {
            let steps = (0..swizzle.span()).step_by(STEP_CHUNKS * parts * CHUNK);
            let others = steps.flat_map(|along| (0..parts).map(move |part| along + part * CHUNK)).skip(1);
            let rest: Vec<Reg> = others.map(|along| self.b.xor(Type::B32, group, &first, along)).collect();
            [vec![first], rest].concat()
        };
        let values_at = variants(values, "values_at", of_values);
        let keys_at = variants(keys, "keys_at", qk);
        let query_at = variants(query, "query_at", qk);
        let second_values_at = match (self.reads_numbers(), phase(1, of_values.span()) * CHUNK) {
            (false, _) => Vec::new(),
            (true, 0) => values_at.clone(),
            (true, apart) => {
                let second = |at: &Reg| self.b.xor(Type::B32, "second_at", at, apart);
                values_at.iter().map(second).collect()
            }
        };
        Fragments { query_at, keys_at, values_at, second_values_at, query: Vec::new() }
    }

    /// Whether V is read number by number.
    fn reads_numbers(&self) -> bool {
        self.ring.products == Products::F32(F32Products::Tf32)
    }

    /// Where a lane reads the first of two keys' numbers in a V slot at offset 0.
    fn number_address(&mut self, instance: &Instance, swizzle: Swizzle, ring: &InRing) -> Reg {
        let (chunk, number) = NUMBER_OF;
        let mut lane = Lane::new(&instance.lane);
        let b = &mut self.b;
        let row = lane.number(b, "r", KEY_PAIR);
        let phase = phase_of(b, row.clone(), swizzle.span());
        let chunk = lane.number(b, "r", chunk);
        let chunk = b.xor(Type::B32, "r", &chunk, &phase);
        let place = b.mad_lo(Type::U32, "r", &chunk, CHUNK, &ring.shared);
        let number = lane.number(b, "r", number);
        let place = b.mad_lo(Type::U32, "r", &number, NUMBER, &place);
        b.mad_lo(Type::U32, "values_at", &row, swizzle.row_bytes, &place)
    }

    /// Steps of a product whose factors have rows of so many bytes.
    fn steps(&self, row_bytes: usize) -> usize {
        row_bytes / (STEP_CHUNKS * self.ring.products.parts() * CHUNK)
    }

    /// Of the addresses of a row, those of step `step` along it, one for each part of a factor, and the offset behind them.
    fn along<'a>(&self, at: &'a [Reg], swizzle: Swizzle, step: usize) -> (&'a [Reg], usize) {
        let parts = self.ring.products.parts();
        let variant = step * parts % at.len();
        (&at[variant..variant + parts], swizzle.step(step * STEP_CHUNKS * parts).1)
    }

    /// Reads all of Q's fragments.
    pub(super) fn load_query_fragments(&mut self, fragments: &mut Fragments) {
        for step in 0..self.steps(self.ring.qk_row().row_bytes) {
            let loaded = self.query_step(fragments, step);
            fragments.query.push(loaded);
        }
    }

    fn query_step(&mut self, fragments: &Fragments, step: usize) -> Vec<Factor> {
        let swizzle = self.ring.qk_row();
        let row_bytes = swizzle.row_bytes;
        let (at, offset) = self.along(&fragments.query_at, swizzle, step);
        (0..self.row_blocks())
            .map(|block| self.load_factor("qf", at, offset + block * M * row_bytes, false))
            .collect()
    }

    /// Four registers of each part of a factor.
    fn load_factor(&mut self, group: &str, at: &[Reg], offset: usize, transposed: bool) -> Factor {
        at.iter().map(|at| self.b.ldmatrix_x4(group, at, offset, transposed)).collect()
    }

    /// S = Q Kᵀ for the current tile.
    pub(super) fn product_scores(&mut self, state: &State, fragments: &Fragments, ring: &InRing) {
        let swizzle = self.ring.qk_row();
        let row_bytes = swizzle.row_bytes;
        let slot = self.plan.shared(KEYS).offset;
        self.b.comment("S = Q Kt");
        let tile_at = self.stage_addresses(&fragments.keys_at, ring);
        for step in 0..self.steps(row_bytes) {
            let query = match self.ring.query {
                QueryIn::Registers => fragments.query[step].clone(),
                QueryIn::Shared => self.query_step(fragments, step),
            };
            let (at, along) = self.along(&tile_at, swizzle, step);
            for pair in 0..self.ring.cols / 16 {
                let keys = self.load_factor("kf", at, slot + along + pair * 16 * row_bytes, false);
                self.multiply_pair(&query, &keys, step == 0, |rows, half| {
                    &state.scores[rows][2 * pair + half]
                });
            }
        }
    }

    /// O += P V for the current tile; P is taken from the score registers.
    pub(super) fn product_output(&mut self, state: &State, fragments: &Fragments, ring: &InRing) {
        let (swizzle, tiles) = match self.ring.values {
            ValuesIn::Own => (self.ring.v_row(), VALUES),
            ValuesIn::Keys => (self.ring.qk_row(), KEYS),
        };
        let row_bytes = swizzle.row_bytes;
        let slot = self.plan.shared(tiles).offset;
        self.b.comment("O += P V");
        let tile_at = self.stage_addresses(&fragments.values_at, ring);
        if self.reads_numbers() {
            let second_at = self.stage_addresses(&fragments.second_values_at, ring);
            return self.product_of_numbers(state, [&tile_at, &second_at], swizzle, slot);
        }
        for step in 0..self.ring.cols / K {
            let blocks = state.scores.iter().map(|rows| [&rows[2 * step], &rows[2 * step + 1]]);
            let probabilities: Vec<Factor> = blocks.map(|blocks| self.probabilities(blocks)).collect();
            for dims in 0..self.ring.output_columns() / 16 {
                let (at, along) = self.along(&tile_at, swizzle, dims);
                let values = self.load_factor("vf", at, slot + along + step * K * row_bytes, true);
                self.multiply_pair(&probabilities, &values, false, |rows, half| {
                    &state.acc[rows][2 * dims + half]
                });
            }
        }
    }

    /// Sixteen columns of probabilities as a factor.
    fn probabilities(&mut self, [left, right]: [&[Reg; 4]; 2]) -> Factor {
        let pairs = [(left, 0), (left, 2), (right, 0), (right, 2)];
        if self.ring.products.parts() == 1 {
            let packed = self.packed();
            return vec![pairs.map(|(of, n)| self.b.pack(packed, "pf", &of[n + 1], &of[n]))];
        }
        let split = pairs.map(|(of, n)| self.split_pair("pf", &of[n], &of[n + 1]));
        [0, 1].map(|part| split.each_ref().map(|of| of[part].clone())).to_vec()
    }

    /// O += P V of tf32: each lane loads the numbers of two keys of eight, of which it has the scores too.
    fn product_of_numbers(&mut self, state: &State, at: [&[Reg]; 2], swizzle: Swizzle, slot: usize) {
        let row_bytes = swizzle.row_bytes;
        for step in 0..self.ring.cols / K_TF32 {
            let mut probabilities = Vec::new();
            for rows in &state.scores {
                // Rows g and g + 8 of the first key, then of the second.
                probabilities.push([0, 2, 1, 3].map(|n: usize| self.round_to_tf32("pf", &rows[step][n])));
            }
            for dims in 0..self.ring.output_columns() / N {
                let along = slot + swizzle.step(dims * N_CHUNKS).1 + step * K_TF32 * row_bytes;
                let values = [0, 1].map(|key| {
                    let at = &at[key][dims % at[key].len()];
                    let value = self.b.reg(Type::B32, "vf");
                    let from = address(at, (along + key * row_bytes) as i64);
                    let mods = [space(Space::Shared), ty(Type::B32)];
                    self.b.emit(Opcode::Ld, &mods, vec![(&value).into(), from]);
                    value
                });
                for (rows, a) in probabilities.iter().enumerate() {
                    self.mma(&state.acc[rows][dims], a, (&values[0], &values[1]), false);
                }
            }
        }
    }

    /// The lane's tile addresses in the current stage.
    fn stage_addresses(&mut self, tile_at: &[Reg], ring: &InRing) -> Vec<Reg> {
        match &ring.stage {
            None => tile_at.to_vec(),
            Some(stage) => tile_at.iter().map(|at| self.b.add(Type::U32, "r", at, stage)).collect(),
        }
    }

    /// Multiplies each block of rows with two blocks of eight columns. Products into the same accumulators are as far apart as
    /// may be: each waits for the one before it.
    fn multiply_pair<'d>(
        &mut self,
        a: &[Factor],
        b: &Factor,
        fresh: bool,
        d: impl Fn(usize, usize) -> &'d [Reg; 4],
    ) {
        for (term, (of_a, of_b)) in self.ring.products.terms().iter().enumerate() {
            for (half, (b0, b1)) in B_PAIRS.into_iter().enumerate() {
                for (rows, a) in a.iter().enumerate() {
                    let b = (&b[*of_b][b0], &b[*of_b][b1]);
                    self.mma(d(rows, half), &a[*of_a], b, fresh && term == 0);
                }
            }
        }
    }

    /// `d = a b + d`, or `a b` if `fresh`.
    fn mma(&mut self, d: &[Reg; 4], a: &[Reg; 4], b: (&Reg, &Reg), fresh: bool) {
        let element = match (self.ring.products, self.spec.dtype) {
            (Products::F32(F32Products::Tf32), _) => Type::Tf32,
            (Products::F32(F32Products::Bf16x3), _) | (_, DType::Bf16) => Type::Bf16,
            _ => Type::F16,
        };
        let zero = self.zero.clone();
        let c = if fresh { [&zero; 4] } else { d.each_ref() };
        self.b.mma_m16n8(element, d, a, [b.0, b.1], c);
    }
}
