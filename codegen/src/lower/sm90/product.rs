//! The two products by `wgmma`: S = Q Kᵀ with both factors in shared memory, O += P V with P in registers.
//!
//! Of 8 bits a product is as deep in bytes, and V is read along its keys, which lie along memory.
//!
//! Of f32 a factor has two parts, and a product is three ([`Products::terms`](crate::schedule::Products::terms)), the small ones first,
//! into the same accumulators.
//!
//! Products are asynchronous. `fence` comes before the first product that uses registers which other instructions
//! have written, `commit` closes a group, `wait` leaves at most so many groups in flight; until then nothing touches
//! what a product reads or writes.

use super::flow::Slot;
use super::{Block, Hopper};
use crate::layout::fragment::{K, K_BYTES};
use crate::layout::key_groups::KeyGroups;
use crate::layout::panel::Panels;
use crate::layout::swizzle::CHUNK;
use crate::lower::state::State;
use crate::plan::attention::{KEYS, PROBABILITIES, PRODUCTS, QUERY, SCORES, VALUES};
use crate::plan::{BufferId, Layout, View};
use crate::program::DType;
use crate::schedule::{Products, ValuesIn, WARPGROUP_ROWS};
use flashpage_ptx::builder::{Reg, WgmmaFactor, ty, vector};
use flashpage_ptx::words::{Opcode, Type, Word};

/// A product: [`crate::plan::Step::Multiply`].
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub into: BufferId,
    pub a: View,
    pub b: View,
    pub transposed: bool,
    pub fresh: bool,
}

/// Descriptors of the factors in shared memory, in halves, and what the products share.
pub(super) struct Factors {
    /// Lower halves, of the first slots.
    low: Vec<(Factor, Reg)>,
    /// Upper halves.
    high: Vec<(Factor, Reg)>,
    /// False: a product that starts from nothing.
    fresh: Reg,
    /// True: one that adds.
    add: Reg,
    /// P as the A factor: `[part][k16 step][register]`.
    probabilities: Vec<Vec<[Reg; 4]>>,
}

/// A factor in a ring, as descriptors have it.
struct SecondFactor {
    along: Along,
    /// Lower half of its descriptors, but for the start.
    low: u32,
    /// Upper half.
    high: u32,
    /// Bytes from one warpgroup's columns of O to the next one's, where they share rows.
    own_columns: usize,
    /// Chunks from one part of a factor to the other.
    part_chunks: usize,
}

/// Along what a product's depth runs.
#[derive(Clone, Copy)]
enum Along {
    /// A row of panels.
    Row(Panels),
    /// The rows of panels: then the factor is read transposed.
    Rows(Panels),
    /// The groups of keys of a number.
    Groups(KeyGroups),
}

impl SecondFactor {
    /// Whether `wgmma` transposes it.
    fn is_transposed(&self) -> bool {
        matches!(self.along, Along::Rows(_))
    }

    /// What a step of a product adds to its start, in chunks.
    fn along(&self, step: usize) -> usize {
        match self.along {
            Along::Row(panels) => panels.along_row(step),
            Along::Rows(panels) => panels.along_rows(step),
            Along::Groups(groups) => groups.along(step),
        }
    }
}

/// A buffer, and whether its rows are contracted over: what is K then is V too.
type Factor = (BufferId, bool);

impl Factors {
    fn of(halves: &[(Factor, Reg)], factor: Factor) -> Reg {
        let found = halves.iter().find(|(of, _)| *of == factor);
        found.map(|(_, half)| half.clone()).expect("every factor in shared memory has a descriptor")
    }
}

impl Hopper<'_> {
    /// Descriptors of this warpgroup's rows of Q, and of the first slots of K and V.
    pub(super) fn factors(&mut self, block: &Block, warpgroup: &Reg) -> Factors {
        let v = if self.roles.values == ValuesIn::Keys { KEYS } else { VALUES };
        let [rows, of_keys] = [QUERY, KEYS].map(|buffer| self.panels(buffer));
        let of_values = self.second_factor(v, true);
        let [keys, values] = [KEYS, v].map(|ring| self.plan.shared(ring).offset);
        let split = self.roles.split;
        self.b.comment("descriptors: Q of this warpgroup, K and V of the first slots");
        let b = &mut self.b;
        let mine = match split {
            1 => b.mad_lo(Type::U32, "r", warpgroup, WARPGROUP_ROWS * rows.span, &block.shared),
            _ => block.shared.clone(),
        };
        let query_low = b.shr(Type::U32, "query_low", &mine, CHUNK.ilog2() as i32);
        // Of V the columns that are this warpgroup's.
        let mut slot = |group: &str, offset: usize, own: usize, leading: u32| {
            let mut at = b.add(Type::U32, "r", &block.shared, offset);
            if split > 1 && own > 0 {
                at = b.mad_lo(Type::U32, "r", warpgroup, own, &at);
            }
            let start = b.shr(Type::U32, "r", &at, CHUNK.ilog2() as i32);
            b.or(Type::B32, group, &start, leading)
        };
        let keys_low = slot("keys_low", keys, 0, 0);
        let values_low = slot("values_low", values, of_values.own_columns, of_values.low);
        // One register for all that lie alike.
        let mut made: Vec<(u32, Reg)> = Vec::new();
        let mut high = |half: u32| {
            let found = made.iter().find(|(other, _)| *other == half).map(|(_, high)| high.clone());
            found.unwrap_or_else(|| {
                let high = self.b.mov(Type::U32, "high", half);
                made.push((half, high.clone()));
                high
            })
        };
        let (q, k, v) = ((QUERY, false), (KEYS, false), (v, true));
        let high = vec![
            (q, high(rows.descriptor_high())),
            (k, high(of_keys.descriptor_high())),
            (v, high(of_values.high)),
        ];
        let fresh = self.b.setp(Word::Ne, Type::S32, "fresh", 0, 0);
        let add = self.b.setp(Word::Eq, Type::S32, "add", 0, 0);
        let (steps, parts) = (self.schedule.cols / self.depth(), self.roles.products.parts());
        let mut part = || (0..steps).map(|_| std::array::from_fn(|_| self.b.reg(Type::B32, "pf"))).collect();
        let probabilities = (0..parts).map(|_| part()).collect();
        let low = vec![(q, query_low), (k, keys_low), (v, values_low)];
        Factors { low, high, fresh, add, probabilities }
    }

    /// Begins a product whose second factor is in a ring's slot, with its first in shared memory or in registers.
    pub(super) fn multiply(&mut self, slot: &Slot, factors: &Factors, state: &State, product: Product) {
        let Product { into, a, b, transposed, fresh } = product;
        let second_factor = self.second_factor(b.buffer, transposed);
        let chunks = self.plan.shared(b.buffer).bytes / CHUNK;
        let b_low = self.b.mad_lo(
            Type::U32,
            "r",
            &slot.at.stage,
            chunks,
            &Factors::of(&factors.low, (b.buffer, transposed)),
        );
        let b_high = Factors::of(&factors.high, (b.buffer, transposed));
        let grid = match into {
            SCORES => &state.scores,
            PRODUCTS => &state.products,
            _ => &state.acc,
        };
        let d = accumulators(grid);
        let elements = self.factor_types(a.buffer);
        // As deep as the factor's other side, which the accumulators do not have.
        let (n, depth) = match transposed {
            true => (self.schedule.output_columns(), self.schedule.cols),
            false => (self.schedule.cols, self.schedule.head_dim.qk),
        };
        // Step by step, for products of one step share descriptors: with a part at a time ptxas keeps all of them in registers.
        let terms = self.roles.products.terms();
        for (step, (term, (of_a, of_b))) in (0..depth / self.depth())
            .flat_map(|step| terms.iter().copied().enumerate().map(move |term| (step, term)))
        {
            let along = second_factor.along(step) + of_b * second_factor.part_chunks;
            let scale = if fresh && (term, step) == (0, 0) { &factors.fresh } else { &factors.add };
            if a.buffer == PROBABILITIES {
                let second = self.descriptor(&b_low, &b_high, along);
                let first = WgmmaFactor::Registers(&factors.probabilities[of_a][step]);
                self.b.wgmma_m64((n, elements), &d, first, (&second, second_factor.is_transposed()), scale);
                continue;
            }
            let a_panels = self.panels(a.buffer);
            let of_a = a_panels.along_row(step) + self.part_chunks(a_panels, of_a);
            let a = (a.buffer, false);
            let (low, high) = (Factors::of(&factors.low, a), Factors::of(&factors.high, a));
            let first = self.descriptor(&low, &high, of_a);
            let second = self.descriptor(&b_low, &b_high, along);
            let first = WgmmaFactor::Shared(&first);
            self.b.wgmma_m64((n, elements), &d, first, (&second, second_factor.is_transposed()), scale);
        }
        self.b.wgmma_commit_group();
    }

    /// Elements of one product's depth: 32 bytes, or of f32 one part of them.
    fn depth(&self) -> usize {
        if self.roles.products == Products::Bytes { K_BYTES } else { K }
    }

    /// The types of a product's factors, of which the first is Q or P.
    fn factor_types(&self, first: BufferId) -> [Type; 2] {
        let of_sixteen = if self.spec.dtype == DType::F16 { Type::F16 } else { Type::Bf16 };
        let of_eight = |dtype| if dtype == DType::E5m2 { Type::E5m2 } else { Type::E4m3 };
        match self.roles.products {
            Products::Bytes if first == PROBABILITIES => [Type::E4m3, of_eight(self.spec.kv_dtype)],
            Products::Bytes => [self.spec.dtype, self.spec.kv_dtype].map(of_eight),
            _ => [of_sixteen; 2],
        }
    }

    /// How `wgmma` is told of a factor in a ring.
    fn second_factor(&self, buffer: BufferId, transposed: bool) -> SecondFactor {
        let layout = self.plan.shared(buffer).layout.expect("a factor is a tile");
        let columns = self.roles.output_columns();
        let of_panels = |along, panels: Panels, low| SecondFactor {
            along,
            low,
            high: panels.descriptor_high(),
            own_columns: self.own_panels(panels) * panels.panel_stride(),
            part_chunks: self.part_chunks(panels, 1),
        };
        match layout {
            Layout::Panels(panels) if transposed => {
                of_panels(Along::Rows(panels), panels, panels.descriptor_low())
            }
            Layout::Panels(panels) => of_panels(Along::Row(panels), panels, 0),
            Layout::Columns(panels) => {
                let own_columns = columns * panels.span;
                SecondFactor { own_columns, ..of_panels(Along::Row(panels), panels, 0) }
            }
            Layout::Groups(groups) => SecondFactor {
                along: Along::Groups(groups),
                low: groups.descriptor_low(),
                high: groups.descriptor_high(),
                own_columns: groups.offset(0, columns),
                part_chunks: 0,
            },
            Layout::Rows(..) => unreachable!("tiles of this family lie in panels"),
        }
    }

    /// Chunks from a factor to its part `part`.
    fn part_chunks(&self, panels: Panels, part: usize) -> usize {
        part * self.roles.converted_copy(panels).part_stride() / CHUNK
    }

    /// Rounds the probabilities into the A factor, or splits them: an accumulator's two blocks of eight columns, in pairs, are a
    /// block of sixteen of it (`fragment`).
    pub(super) fn round_probabilities(&mut self, state: &State, factors: &Factors) {
        let (first, rest) = factors.probabilities.split_first().expect("a factor has a part");
        if self.roles.products == Products::Bytes {
            return self.pack_bytes(state, first);
        }
        let packed = self.packed();
        for (step, a) in first.iter().enumerate() {
            for (block, half) in [(2 * step, 0), (2 * step + 1, 2)] {
                let s = &state.scores[0][block];
                for (pair, register) in [(&s[..2], half), (&s[2..], half + 1)] {
                    match rest {
                        [] => _ = self.b.pack(packed, &a[register], &pair[1], &pair[0]),
                        [low, ..] => {
                            let to = [&a[register], &low[step][register]];
                            self.split_into(to, &pair[0], &pair[1]);
                        }
                    }
                }
            }
        }
    }

    /// Two blocks of eight columns of a row are a word of the factor, in order: V has its keys where that puts them
    /// ([`crate::layout::transposed_copy`]).
    fn pack_bytes(&mut self, state: &State, factor: &[[Reg; 4]]) {
        for (step, a) in factor.iter().enumerate() {
            for (register, to) in a.iter().enumerate() {
                let blocks = &state.scores[0][4 * step + register / 2 * 2..][..2];
                let half = register % 2 * 2;
                let [low, high] = [&blocks[0][half..half + 2], &blocks[1][half..half + 2]];
                self.b.pack_e4m3(to, [&low[0], &low[1], &high[0], &high[1]]);
            }
        }
    }

    /// The descriptor that begins `chunks` behind `low`. The sum stays within the start's bits; added as 64 bits it costs
    /// less in ptxas's code than a new pair of halves.
    fn descriptor(&mut self, low: &Reg, high: &Reg, chunks: usize) -> Reg {
        let halves = vector(&[low, high]);
        let first = self.b.op(Opcode::Mov, &[ty(Type::B64)], Type::B64, "desc", vec![halves]);
        if chunks == 0 { first } else { self.b.add(Type::S64, "desc", &first, chunks) }
    }
}

/// A warp's accumulators of 16 rows as `wgmma` takes them.
fn accumulators(grid: &[Vec<[Reg; 4]>]) -> Vec<&Reg> {
    grid[0].iter().flatten().collect()
}
