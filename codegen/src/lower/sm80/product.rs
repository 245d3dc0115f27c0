//! The two products: S = Q Kᵀ and O += P V, by `ldmatrix` and `mma.sync.m16n8k16`.
//!
//! A lane has one address in each of Q, K and V. Walking rows is an instruction offset, walking chunks of a span an XOR,
//! of which there are four different ones at most.

use super::Ampere;
use super::copy::InRing;
use crate::layout::fragment::{Addressed, B_PAIRS, CHUNKS_FIRST, K, M, ROWS_FIRST};
use crate::layout::swizzle::{CHUNK, Swizzle};
use crate::lower::instance::Instance;
use crate::lower::lane::{Lane, phase_of};
use crate::lower::state::State;
use crate::plan::attention::{KEYS, VALUES};
use crate::program::DType;
use crate::schedule::{QueryIn, ValuesIn};
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::Type;

/// Chunks that one k16 step of a product covers.
const STEP_CHUNKS: usize = 2;

/// Lane addresses for `ldmatrix`, and Q if it stays in registers.
pub(super) struct Fragments {
    /// In the warp's rows of Q, by XOR variant.
    query_at: Vec<Reg>,
    /// In a K slot at offset 0, by XOR variant.
    keys_at: Vec<Reg>,
    /// In a V slot at offset 0, by XOR variant.
    values_at: Vec<Reg>,
    /// `[k16 step][row block]`, when Q stays in registers.
    query: Vec<Vec<[Reg; 4]>>,
}

impl Ampere<'_> {
    /// The lane's addresses.
    pub(super) fn fragments(&mut self, instance: &Instance, ring: &InRing) -> Fragments {
        let (qk, v) = (self.ring.qk_row(), self.ring.v_row());
        let of_values = if self.ring.values == ValuesIn::Keys { qk } else { v };
        self.b.comment("lane addresses for ldmatrix");
        let mut lane = Lane::new(&instance.lane);
        let b = &mut self.b;
        let mut place = |group: &str, swizzle: Swizzle, Addressed { row, chunk }: Addressed| {
            let phase = lane.modulo_eight(b, "r", row);
            let phase = phase_of(b, phase, swizzle.span());
            let row = lane.number(b, "r", row);
            let chunk = lane.number(b, "r", chunk);
            let chunk = b.xor(Type::B32, "r", &chunk, &phase);
            let place = b.mad_lo(Type::U32, "r", &chunk, CHUNK, &ring.shared);
            b.mad_lo(Type::U32, group, &row, swizzle.row_bytes, &place)
        };
        let values = place("values_at", of_values, ROWS_FIRST);
        let keys = place("keys_at", qk, CHUNKS_FIRST);
        // Lanes read Q as they read V.
        let query = if qk == of_values { values.clone() } else { place("r", qk, ROWS_FIRST) };
        let values = self.at_own_columns(instance, values, 2);
        let pitch = self.row_pitch();
        let query = self.b.mad_lo(Type::U32, "query_at", &instance.warp_row, pitch, &query);
        // One for each different XOR of the steps along a row.
        let mut variants = |first: Reg, group: &str, swizzle: Swizzle| -> Vec<Reg> {
            let rest: Vec<Reg> = (1..swizzle.span() / (STEP_CHUNKS * CHUNK))
                .map(|v| self.b.xor(Type::B32, group, &first, swizzle.step(v * STEP_CHUNKS).0))
                .collect();
            [vec![first], rest].concat()
        };
        let values_at = variants(values, "values_at", of_values);
        let keys_at = variants(keys, "keys_at", qk);
        let query_at = variants(query, "query_at", qk);
        Fragments { query_at, keys_at, values_at, query: Vec::new() }
    }

    /// Reads all of Q's fragments.
    pub(super) fn load_query_fragments(&mut self, fragments: &mut Fragments) {
        for step in 0..self.ring.head_dim.qk / K {
            let loaded = self.query_step(fragments, step);
            fragments.query.push(loaded);
        }
    }

    fn query_step(&mut self, fragments: &Fragments, step: usize) -> Vec<[Reg; 4]> {
        let swizzle = self.ring.qk_row();
        let row_bytes = swizzle.row_bytes;
        let (at, offset) =
            (&fragments.query_at[step % fragments.query_at.len()], swizzle.step(step * STEP_CHUNKS).1);
        (0..self.row_blocks())
            .map(|block| self.b.ldmatrix_x4("qf", at, offset + block * M * row_bytes, false))
            .collect()
    }

    /// S = Q Kᵀ for the current tile.
    pub(super) fn product_scores(&mut self, state: &State, fragments: &Fragments, ring: &InRing) {
        let swizzle = self.ring.qk_row();
        let row_bytes = swizzle.row_bytes;
        let slot = self.plan.shared(KEYS).offset;
        self.b.comment("S = Q Kt");
        let tile_at = self.stage_addresses(&fragments.keys_at, ring);
        for step in 0..self.ring.head_dim.qk / K {
            let query = match self.ring.query {
                QueryIn::Registers => fragments.query[step].clone(),
                QueryIn::Shared => self.query_step(fragments, step),
            };
            let (at, along) = (&tile_at[step % tile_at.len()], swizzle.step(step * STEP_CHUNKS).1);
            for pair in 0..self.ring.cols / 16 {
                let keys = self.b.ldmatrix_x4("kf", at, slot + along + pair * 16 * row_bytes, false);
                for (half, (b0, b1)) in B_PAIRS.into_iter().enumerate() {
                    for (rows, a) in query.iter().enumerate() {
                        let d = &state.scores[rows][2 * pair + half];
                        self.mma(d, a, (&keys[b0], &keys[b1]), step == 0);
                    }
                }
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
        let packed = self.packed();
        self.b.comment("O += P V");
        let tile_at = self.stage_addresses(&fragments.values_at, ring);
        for step in 0..self.ring.cols / K {
            let mut probabilities = Vec::new();
            for rows in &state.scores {
                let (left, right) = (&rows[2 * step], &rows[2 * step + 1]);
                let mut pair = |x: &Reg, y: &Reg| self.b.pack(packed, "pf", y, x);
                probabilities.push([
                    pair(&left[0], &left[1]),
                    pair(&left[2], &left[3]),
                    pair(&right[0], &right[1]),
                    pair(&right[2], &right[3]),
                ]);
            }
            for dims in 0..self.ring.output_columns() / 16 {
                let along = swizzle.step(dims * STEP_CHUNKS).1;
                let at = &tile_at[dims % tile_at.len()];
                let values = self.b.ldmatrix_x4("vf", at, slot + along + step * K * row_bytes, true);
                for (half, (b0, b1)) in B_PAIRS.into_iter().enumerate() {
                    for (rows, a) in probabilities.iter().enumerate() {
                        let d = &state.acc[rows][2 * dims + half];
                        self.mma(d, a, (&values[b0], &values[b1]), false);
                    }
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

    /// `d = a b + d`, or `a b` if `fresh`.
    fn mma(&mut self, d: &[Reg; 4], a: &[Reg; 4], b: (&Reg, &Reg), fresh: bool) {
        let element = if self.spec.dtype == DType::Bf16 { Type::Bf16 } else { Type::F16 };
        let zero = self.zero.clone();
        let c = if fresh { [&zero; 4] } else { d.each_ref() };
        self.b.mma_m16n8k16(element, d, a, [b.0, b.1], c);
    }
}
