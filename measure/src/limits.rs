//! How fast a main loop can be at most, unit by unit.
//!
//! Each unit alone gives a bound: the products of a turn over the cycles that the unit is busy with it. Were
//! everything to overlap, the narrowest would be the limit. A warp's own instructions do not overlap, though: a
//! softmax waits for its products, and the next product for the softmax. So beside the units there is *overlap*: as
//! many turns are under way on a scheduler as it has warps, each as long as all its parts in sequence. Products of a
//! warpgroup (`wgmma`) are asynchronous and left out of that sequence, and so is what they read of shared memory.
//!
//! What this leaves out: latencies but for [`TURN_LATENCY`], instruction fetch, power. A kernel can only be slower.

use crate::gpu::{Gpu, SCHEDULERS};
use crate::machine_code::{InnerLoop, Unit};

/// Cycles of a scheduler, or of a whole multiprocessor, that one turn of a warp keeps something busy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cycles {
    /// Matrix products.
    pub tensor: f64,
    /// Floats, and integer multiplications, which share the unit.
    pub fma: f64,
    /// Integers, comparisons, minima and conversions.
    pub alu: f64,
    /// Exponentials and the like.
    pub special: f64,
    /// Issue slots.
    pub issue: f64,
    /// Passes over shared memory: of the multiprocessor, which has one way in for all schedulers.
    pub shared: f64,
    /// All of it in sequence, as one warp goes through it.
    pub sequence: f64,
}

/// Results a cycle and multiprocessor of what does not differ between the GPUs known here.
const ALU: f64 = 64.0;
const INTEGER_MULTIPLY: f64 = 64.0;
const SPECIAL: f64 = 16.0;

/// Cycles of a turn in which a warp waits for itself alone, however little it has to do: two barriers, the first
/// fragments and products behind each, the shuffles of a row maximum; a dozen steps of some 33 cycles. An assumption,
/// which keeps tiles from being cut ever smaller.
pub const TURN_LATENCY: f64 = 400.0;

impl Cycles {
    /// Of a turn of the loop, the rescale jumped over.
    pub fn of(code: &InnerLoop, gpu: &Gpu) -> Cycles {
        let count = |unit: Unit| code.executed.get(&unit).copied().unwrap_or(0) as f64;
        // A warp's 32 results at so many a cycle and multiprocessor, of which a scheduler has a quarter.
        let each = |rate: f64| 32.0 / (rate / SCHEDULERS as f64);
        let share = if code.is_warpgroup { 1.0 } else { gpu.mma_sync };
        let tensor = 2.0 * code.tensor_work * 32.0 / (gpu.rates.tensor * share / SCHEDULERS as f64);
        let fma =
            count(Unit::Fma) * each(gpu.rates.fp32) + count(Unit::IntegerMultiply) * each(INTEGER_MULTIPLY);
        let alu = count(Unit::Alu) * each(ALU);
        let special = count(Unit::Special) * each(SPECIAL);
        let issue = code.executed.values().sum::<usize>() as f64;
        let shared = code.shared_passes;
        let own = if code.is_warpgroup { 0.0 } else { tensor + shared };
        Cycles {
            tensor,
            fma,
            alu,
            special,
            issue,
            shared,
            sequence: own + fma + alu + special + TURN_LATENCY,
        }
    }

    /// The units' names and what each is busy for with `warps` turns, one a warp, of the warps of a multiprocessor.
    pub fn busy(&self, warps: f64) -> [(&'static str, f64); 7] {
        // Fewer warps than schedulers leave some idle.
        let turns = (warps / SCHEDULERS as f64).max(1.0);
        [
            ("tensor cores", self.tensor * turns),
            ("fma", self.fma * turns),
            ("alu", self.alu * turns),
            ("special functions", self.special * turns),
            ("issue", self.issue * turns),
            ("shared memory", self.shared * warps),
            ("overlap", self.sequence),
        ]
    }
}

/// A unit and the speed that it allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The unit.
    pub unit: &'static str,
    /// Operations a second of the whole chip.
    pub flops: f64,
}

/// Bounds of a loop with `warps` warps on every multiprocessor, in the order of [`Cycles::busy`]; and of reading its
/// tiles, `bytes_per_flop` of them, from the L2 cache. Of what warps multiply `useful_share` counts: the rest others do too.
pub fn bounds(
    code: &InnerLoop,
    gpu: &Gpu,
    warps: usize,
    useful_share: f64,
    bytes_per_flop: Option<f64>,
) -> Vec<Bound> {
    let per_turn = 2.0 * code.multiply_adds * 32.0 * useful_share;
    let chip = gpu.rates.sms * gpu.rates.clock;
    let warps = warps.max(1) as f64;
    let mut bounds: Vec<Bound> = Cycles::of(code, gpu)
        .busy(warps)
        .into_iter()
        .filter(|(_, cycles)| *cycles > 0.0)
        .map(|(unit, cycles)| Bound { unit, flops: warps * per_turn / cycles * chip })
        .collect();
    if let Some(bytes) = bytes_per_flop.filter(|bytes| *bytes > 0.0) {
        bounds.push(Bound { unit: "L2 cache", flops: L2_BYTES * chip / bytes });
    }
    bounds
}

/// Bytes between a multiprocessor and the L2 cache, a cycle.
pub const L2_BYTES: f64 = 64.0;

/// The narrowest bound.
pub fn limit(bounds: &[Bound]) -> Option<Bound> {
    bounds.iter().copied().min_by(|a, b| a.flops.total_cmp(&b.flops))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine_code::{Listing, inner_loops};
    use flashpage_codegen::HeadDim;
    use std::fmt::Write;

    /// A loop of these instructions, each as often as said.
    fn code(mix: &[(&str, usize)], head_dim: usize) -> InnerLoop {
        let mut text = ".L_x_0:\n".to_owned();
        let all = mix.iter().flat_map(|(instruction, n)| std::iter::repeat_n(*instruction, *n));
        for (index, instruction) in all.chain(["@P0 BRA `(.L_x_0)"]).enumerate() {
            writeln!(text, "/*{:04x}*/ {instruction} ;", 16 * index).unwrap();
        }
        inner_loops(&Listing::read(&text), HeadDim::from(head_dim).into()).remove(0)
    }

    const HMMA: &str = "HMMA.16816.F32 R4, R8, R12, R4";

    #[test]
    fn units() {
        // 64 scores of a thread at head_dim 64: 128 products of 64 multiply-adds.
        let mix =
            [(HMMA, 128), ("FFMA R1, R2, R3, R4", 64), ("FMNMX R1, R2, R3, PT", 64), ("MUFU.EX2 R1, R2", 64)];
        let code = code(&mix, 64);
        assert_eq!(code.scores, 64.0);
        // m16n8k16 is 4096 operations: 8 cycles of a quarter of an A100's 2048 a cycle.
        let a100 = Cycles::of(&code, &Gpu::A100);
        assert_eq!((a100.tensor, a100.fma, a100.alu, a100.special), (1024.0, 128.0, 128.0, 512.0));
        assert_eq!((a100.issue, a100.sequence), (321.0, 1792.0 + TURN_LATENCY));
        let h100 = Cycles::of(&code, &Gpu::H100);
        assert_eq!((h100.tensor.round(), h100.fma, h100.alu), ((512.0f64 / 0.62).round(), 64.0, 128.0));
    }

    #[test]
    fn warps_overlap_each_other() {
        let code = code(&[(HMMA, 128), ("MUFU.EX2 R1, R2", 64)], 64);
        let limit_of = |warps| limit(&bounds(&code, &Gpu::A100, warps, 1.0, None)).unwrap();
        // One warp a scheduler: 1024 cycles of products, 512 of exponentials, and the latency of a turn.
        assert_eq!(limit_of(4).unit, "overlap");
        assert!((limit_of(4).flops / 312e12 - 1024.0 / (1536.0 + TURN_LATENCY)).abs() < 0.01);
        // Two hide the exponentials behind the products.
        assert_eq!(limit_of(8).unit, "tensor cores");
        assert!((limit_of(8).flops / 312e12 - 1.0).abs() < 0.01);
        // A single warp leaves three schedulers idle.
        assert!((limit_of(1).flops / limit_of(4).flops - 0.25).abs() < 1e-9);
    }

    #[test]
    fn a_slow_cache_is_the_limit() {
        let code = code(&[(HMMA, 128)], 64);
        let found = limit(&bounds(&code, &Gpu::A100, 8, 1.0, Some(1.0))).unwrap();
        assert_eq!(found.unit, "L2 cache");
        assert_eq!(found.flops, 64.0 * 108.0 * 1.41e9);
    }
}
