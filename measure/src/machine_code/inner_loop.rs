//! The loops over tiles of keys: what a score costs in them beside its products.
//!
//! The figure that kernels are compared by is *instructions that are no products, per score*: the loop's instructions
//! less its matrix products, over the scores of a tile that one thread holds. How many these are is told by the
//! products themselves: a score takes as many multiply-adds as a head has numbers, of the keys for Q Kᵀ and of the values for P V.
//! A score that several warps compute counts once ([`ScoreProducts`]), and each of them holds a part of it: the figure is what
//! it costs all of them together.
//!
//! *Static* counts every instruction of the loop. *Executed* leaves out what a forward branch inside the loop can jump
//! over: the accumulator's rescale, while no row maximum grows. Instructions of a loop inside the loop, as those that narrow a
//! tile of f32 are, count once: how often it goes round is not told by the code.
//!
//! Products of a warpgroup go on beside the exponentials that stand before the wait for them. How many of a loop's stand
//! behind its last wait ([`InnerLoop::late_exponentials`]) is where the assembler has put them, whatever the source says.

use super::{Instruction, Listing, Unit, products, shared_passes, tensor_work, unit};
use flashpage_codegen::schedule::ScoreProducts;
use std::collections::{BTreeMap, VecDeque};

/// A loop that holds matrix products, and none that does.
#[derive(Clone, Debug, PartialEq)]
pub struct InnerLoop {
    /// Its instructions, in the order of the code.
    pub code: Vec<Instruction>,
    /// Which of them can be jumped over.
    pub skipped: Vec<bool>,
    /// Addresses of its first and last instruction.
    pub addresses: (u64, u64),
    /// Matrix products.
    pub products: usize,
    /// Scores of a tile that a thread holds; a half of one that another warp computes too, and so on.
    pub scores: f64,
    /// Instructions of every kind, by name without modifiers.
    pub mix: BTreeMap<String, usize>,
    /// All instructions.
    pub instructions: usize,
    /// How many can be jumped over.
    pub skippable: usize,
    /// What is executed when that is jumped over, by unit.
    pub executed: BTreeMap<Unit, usize>,
    /// Passes over shared memory of a warp, jumps taken.
    pub shared_passes: f64,
    /// Multiply-adds of a thread in one turn.
    pub multiply_adds: f64,
    /// The same in multiply-adds of 16 bits that take tensor cores as long.
    pub tensor_work: f64,
    /// Whether the products are of a warpgroup (`wgmma`), which its warps do not wait for at once.
    pub is_warpgroup: bool,
    /// Whether it masks: it has a selection for most scores that a thread computes.
    pub is_boundary: bool,
    /// What share of its exponentials stands behind the last wait for products, which then go on beside none of them;
    /// `None` of a loop that does not wait twice: for the scores, and for the products that go on beside the softmax.
    pub late_exponentials: Option<f64>,
}

impl InnerLoop {
    /// Instructions that are no products, per score.
    pub fn non_products(&self) -> f64 {
        (self.instructions - self.products) as f64 / self.scores
    }

    /// Of these, the ones executed while the rescale is jumped over.
    pub fn executed_non_products(&self) -> f64 {
        (self.instructions - self.products - self.skippable) as f64 / self.scores
    }

    /// The groups of warpgroup products that the loop begins, in order: the places of a group's first product, of its last,
    /// and of the wait that ends it; `None` where no wait of the loop does.
    pub fn groups(&self) -> Vec<(usize, usize, Option<usize>)> {
        let (mut groups, mut open, mut under_way) = (Vec::new(), None, VecDeque::new());
        for (at, instruction) in self.code.iter().enumerate() {
            if instruction.base().ends_with("GMMA") {
                let first = *open.get_or_insert(at);
                // The last product of a group names the counter that waits look at.
                if instruction.operands.contains("gsb0") {
                    under_way.push_back(groups.len());
                    groups.push((first, at, None));
                    open = None;
                }
            } else if instruction.opcode.starts_with("WARPGROUP.DEPBAR") {
                let left =
                    instruction.operands.rsplit("0x").next().and_then(|n| usize::from_str_radix(n, 16).ok());
                while under_way.len() > left.unwrap_or(0) {
                    let Some(group) = under_way.pop_front() else { break };
                    groups[group].2 = Some(at);
                }
            }
        }
        groups
    }

    /// The mix, most frequent first.
    pub fn by_frequency(&self) -> Vec<(&str, usize)> {
        let mut mix: Vec<(&str, usize)> = self.mix.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        mix.sort_by_key(|(name, n)| (std::cmp::Reverse(*n), *name));
        mix
    }
}

/// The loops over tiles of a kernel whose scores take these products, in the order of the code.
pub fn inner_loops(listing: &Listing, of_score: ScoreProducts) -> Vec<InnerLoop> {
    // A loop is a branch back to where everybody who reaches it has been: blocks that the assembler puts behind the
    // kernel's end, to try a barrier again, also branch back, into the middle of things. Several branches to one label
    // are one loop.
    let mut last_of: BTreeMap<usize, usize> = BTreeMap::new();
    for index in 0..listing.instructions.len() {
        let back = listing.target(index).filter(|first| *first <= index);
        if let Some(first) = back.filter(|first| *first == index || !listing.reached(*first)[index]) {
            let last = last_of.entry(first).or_insert(index);
            *last = (*last).max(index);
        }
    }
    let has_products = |first: usize, last: usize| {
        listing.instructions[first..=last].iter().any(|instruction| products(instruction) > 0.0)
    };
    let loops: Vec<(usize, usize)> =
        last_of.into_iter().filter(|(first, last)| has_products(*first, *last)).collect();
    let innermost = |(first, last): &(usize, usize)| {
        !loops.iter().any(|(f, l)| (f, l) != (first, last) && f >= first && l <= last)
    };
    loops
        .iter()
        .filter(|range| innermost(range))
        .map(|(first, last)| read(listing, *first, *last, of_score))
        .collect()
}

fn read(listing: &Listing, first: usize, last: usize, of_score: ScoreProducts) -> InnerLoop {
    let code = &listing.instructions[first..=last];
    // Where a conditional forward branch lands inside the loop, what lies between can be jumped over.
    let mut skipped = vec![false; code.len()];
    for index in first..=last {
        let to = listing.target(index).filter(|to| *to > index && *to <= last);
        if let Some(to) = to.filter(|_| listing.instructions[index].is_conditional()) {
            skipped[index + 1 - first..to - first].fill(true);
        }
    }
    let executed = || code.iter().zip(&skipped).filter(|(_, skipped)| !**skipped).map(|(i, _)| i);
    let multiply_adds: f64 = code.iter().map(products).sum();
    let scores = multiply_adds / of_score.multiply_adds() as f64;
    let computed = scores * of_score.computed as f64;
    let mut mix = BTreeMap::new();
    for instruction in code {
        *mix.entry(instruction.base().to_owned()).or_insert(0) += 1;
    }
    let mut by_unit = BTreeMap::new();
    for instruction in executed() {
        *by_unit.entry(unit(instruction)).or_insert(0) += 1;
    }
    let is_product = |instruction: &&Instruction| unit(instruction) == Unit::Tensor;
    InnerLoop {
        addresses: (code[0].address, code[code.len() - 1].address),
        products: code.iter().filter(is_product).count(),
        scores,
        instructions: code.len(),
        skippable: skipped.iter().filter(|skipped| **skipped).count(),
        executed: by_unit,
        shared_passes: executed().map(shared_passes).sum(),
        multiply_adds,
        tensor_work: code.iter().map(tensor_work).sum(),
        is_warpgroup: code.iter().any(|i| i.base().ends_with("GMMA")),
        is_boundary: mix.get("FSEL").is_some_and(|n| *n as f64 > computed / 2.0),
        late_exponentials: late_exponentials(code),
        mix,
        code: code.to_vec(),
        skipped,
    }
}

/// Fewer exponentials than this are no softmax.
const SOFTMAX: usize = 8;

/// See [`InnerLoop::late_exponentials`].
fn late_exponentials(code: &[Instruction]) -> Option<f64> {
    let places = |opcode: &str| -> Vec<usize> {
        (0..code.len()).filter(|index| code[*index].opcode.starts_with(opcode)).collect()
    };
    let (waits, exponentials) = (places("WARPGROUP.DEPBAR"), places("MUFU.EX2"));
    let last = waits.last().filter(|_| waits.len() > 1 && exponentials.len() >= SOFTMAX)?;
    let late = exponentials.iter().filter(|index| *index > last).count();
    Some(late as f64 / exponentials.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flashpage_codegen::HeadDim;

    fn loops_of(text: &str, head_dim: usize) -> Vec<InnerLoop> {
        inner_loops(&Listing::read(text), HeadDim::from(head_dim).into())
    }

    /// A loop of two products with a rescale that is jumped over, inside a loop over tiles of rows.
    const TEXT: &str = "
.L_x_0:
        /*0000*/ MOV R1, R2 ;
.L_x_1:
        /*0010*/ HMMA.16816.F32 R4, R8, R12, R4 ;
        /*0020*/ FSETP.GT P0, PT, R1, R2, PT ;
        /*0030*/ @!P0 BRA `(.L_x_2) ;
        /*0040*/ FMUL R4, R4, R1 ;
        /*0050*/ FMUL R5, R5, R1 ;
.L_x_2:
        /*0060*/ MUFU.EX2 R4, R4 ;
        /*0070*/ HMMA.16816.F32 R4, R8, R12, R4 ;
        /*0080*/ @P1 BRA `(.L_x_1) ;
        /*0090*/ LDS.128 R4, [R1] ;
        /*00a0*/ @P2 BRA `(.L_x_0) ;
.L_x_3:
        /*00b0*/ BRA `(.L_x_3) ;";

    /// A loop that waits for a barrier, whose second try lies behind the end and comes back into the loop's middle.
    const RETRY: &str = "
        /*0000*/ MOV R1, R2 ;
.L_x_0:
        /*0010*/ SYNCS.PHASECHK.TRANS64.TRYWAIT P0, [UR4], R2 ;
        /*0020*/ @!P0 BRA `(.L_x_2) ;
.L_x_1:
        /*0030*/ HGMMA.64x128x16.F32 R24, gdesc[UR8], R24 ;
        /*0040*/ BRA.U UP0, `(.L_x_0) ;
        /*0050*/ HGMMA.64x128x16.F32 R24, gdesc[UR8], R24 ;
        /*0060*/ EXIT ;
.L_x_2:
        /*0070*/ SYNCS.PHASECHK.TRANS64.TRYWAIT P0, [UR4], R2 ;
        /*0080*/ @!P0 BRA `(.L_x_2) ;
        /*0090*/ BRA `(.L_x_1) ;";

    #[test]
    fn exponentials_behind_the_last_wait() {
        const WAIT: &str = "WARPGROUP.DEPBAR.LE gsb0, 0x0";
        const PRODUCT: &str = "HGMMA.64x128x16.F32 R24, gdesc[UR8], R24";
        const EXPONENTIAL: &str = "MUFU.EX2 R4, R4";
        // What the loop holds, each as often as said, and the share that is late.
        type Mix<'a> = &'a [(&'a str, usize)];
        let table: [(Mix, Option<f64>); 5] = [
            (&[(PRODUCT, 2), (WAIT, 1), (EXPONENTIAL, 6), (WAIT, 1), (EXPONENTIAL, 2)], Some(0.25)),
            (&[(PRODUCT, 2), (WAIT, 1), (EXPONENTIAL, 8), (WAIT, 1)], Some(0.0)),
            (&[(PRODUCT, 2), (WAIT, 2), (EXPONENTIAL, 8)], Some(1.0)),
            // One wait is for everything; a few exponentials are the rescale's.
            (&[(PRODUCT, 2), (WAIT, 1), (EXPONENTIAL, 8)], None),
            (&[(PRODUCT, 2), (WAIT, 2), (EXPONENTIAL, 7)], None),
        ];
        for (mix, late) in table {
            let mut text = ".L_x_0:\n".to_owned();
            let all = mix.iter().flat_map(|(instruction, n)| std::iter::repeat_n(*instruction, *n));
            for (index, instruction) in all.chain(["@P0 BRA `(.L_x_0)"]).enumerate() {
                text += &format!("/*{:04x}*/ {instruction} ;\n", 16 * index);
            }
            assert_eq!(loops_of(&text, 64)[0].late_exponentials, late, "{mix:?}");
        }
    }

    #[test]
    fn groups_of_products_end_at_their_wait() {
        let text = "
.L_x_0:
        /*0000*/ HGMMA.64x128x16.F32 R24, gdesc[UR8], R24 ;
        /*0010*/ HGMMA.64x128x16.F32 R24, gdesc[UR8], R24, gsb0 ;
        /*0020*/ HGMMA.64x128x16.F32 R88, R4, gdesc[UR8], R88, gsb0 ;
        /*0030*/ WARPGROUP.DEPBAR.LE gsb0, 0x1 ;
        /*0040*/ HGMMA.64x128x16.F32 R88, R4, gdesc[UR8], R88, gsb0 ;
        /*0050*/ @P0 BRA `(.L_x_0) ;";
        let found = &loops_of(text, 64)[0];
        assert_eq!(found.groups(), [(0, 1, Some(3)), (2, 2, None), (4, 4, None)]);
    }

    #[test]
    fn a_second_try_behind_the_end_is_no_loop() {
        let loops = loops_of(RETRY, 64);
        assert_eq!(loops.iter().map(|code| code.addresses).collect::<Vec<_>>(), [(0x10, 0x40)]);
        assert_eq!((loops[0].scores, loops[0].is_warpgroup), (8.0, true));
    }

    #[test]
    fn the_innermost_loop_with_products_is_counted() {
        // Two products of 64 multiply-adds a thread, for a head_dim of 32: two scores.
        let loops = loops_of(TEXT, 32);
        assert_eq!(loops.len(), 1);
        let found = &loops[0];
        assert_eq!(found.addresses, (0x10, 0x80));
        assert_eq!((found.products, found.scores, found.instructions, found.skippable), (2, 2.0, 8, 2));
        assert_eq!((found.non_products(), found.executed_non_products()), (3.0, 2.0));
        assert_eq!(found.executed.get(&Unit::Fma), None);
        assert_eq!(found.executed[&Unit::Tensor], 2);
        assert_eq!(found.by_frequency()[0], ("BRA", 2));
        assert!(!found.is_boundary && !found.is_warpgroup);
    }

    #[test]
    fn a_score_that_several_warps_compute_counts_once() {
        // 128 multiply-adds a thread: 16 of keys for each warp that computes a score, and 32 of values in all.
        let head_dim = HeadDim { qk: 16, v: 32 };
        // A mask is applied wherever a score is computed: two selections are most of the first's, and half of the second's.
        let masked = TEXT.replace("FMUL", "FSEL");
        for (computed, scores, masks) in [(1, 128.0 / 48.0, true), (2, 2.0, false), (6, 1.0, false)] {
            let found =
                &inner_loops(&Listing::read(&masked), ScoreProducts { head_dim, computed, terms: 1 })[0];
            let figures = (found.scores, found.non_products(), found.executed_non_products());
            assert_eq!(figures, (scores, 6.0 / scores, 4.0 / scores), "{computed} warps");
            assert_eq!((found.multiply_adds, found.is_boundary), (128.0, masks), "{computed} warps");
        }
    }
}
