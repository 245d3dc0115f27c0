//! What a GPU can do and hold, a multiprocessor at a time.
//!
//! Rates of the whole chip are the emulator's ([`Target`]). Results a cycle by kind of operation are those of the CUDA
//! C++ programming guide's table of arithmetic throughput; sizes are those of its table of technical specifications.
//! A multiprocessor has four schedulers, each with a quarter of every unit but shared memory, which all four use.

use flashpage_runtime::Target;

/// A GPU, by its published figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gpu {
    /// Rates of the chip; its name is the GPU's.
    pub rates: Target,
    /// As in (9, 0).
    pub compute_capability: (u32, u32),
    /// What part of the tensor cores' rate `mma.sync` reaches; `wgmma` reaches all of it.
    pub mma_sync: f64,
    /// Bytes of shared memory of a multiprocessor.
    pub shared_bytes: usize,
    /// Most blocks of a multiprocessor.
    pub blocks: usize,
    /// Bytes of the L2 cache.
    pub l2_bytes: u64,
    /// Seconds from asking device memory for something to having it, with memory busy. An assumption: idle GPUs answer
    /// in 0.3 to 0.6 µs, and a queue comes on top.
    pub memory_latency: f64,
    /// The same from the L2 cache. An assumption too: idle caches answer in 0.15 to 0.2 µs.
    pub cache_latency: f64,
}

/// Schedulers of a multiprocessor.
pub const SCHEDULERS: usize = 4;

/// Registers of a multiprocessor; threads get them by eight, warps by 256.
pub const REGISTERS: usize = 64 * 1024;

/// Shared memory that the driver takes for itself in each block.
const RESERVED_SHARED: usize = 1024;

/// Most warps of a multiprocessor.
const WARPS: usize = 64;

impl Gpu {
    /// A100 SXM, 80 GB.
    pub const A100: Gpu = Gpu {
        rates: Target::A100,
        compute_capability: (8, 0),
        mma_sync: 1.0,
        shared_bytes: 164 * 1024,
        blocks: 32,
        l2_bytes: 40 << 20,
        memory_latency: 0.7e-6,
        cache_latency: 0.3e-6,
    };
    /// H100 SXM. `mma.sync` was measured at 62 % of the tensor cores' rate (Luo et al., arXiv 2402.13499, §IV).
    pub const H100: Gpu = Gpu {
        rates: Target::H100,
        compute_capability: (9, 0),
        mma_sync: 0.62,
        shared_bytes: 228 * 1024,
        l2_bytes: 50 << 20,
        ..Gpu::A100
    };
    /// H200 SXM: the H100's chip with faster memory.
    pub const H200: Gpu = Gpu { rates: Target::H200, ..Gpu::H100 };

    /// All of them.
    pub const ALL: [Gpu; 3] = [Gpu::A100, Gpu::H100, Gpu::H200];

    /// The one whose name is part of `name`, in any case: `H200` of `NVIDIA H200`.
    pub fn named(name: &str) -> Option<Gpu> {
        let name = name.to_ascii_uppercase();
        Gpu::ALL.into_iter().find(|gpu| name.contains(gpu.rates.name))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.rates.name
    }

    /// Cycles a second of all schedulers together.
    pub fn scheduler_cycles(&self) -> f64 {
        self.rates.sms * self.rates.clock * SCHEDULERS as f64
    }

    /// How many blocks fit on a multiprocessor together, and what keeps more away.
    pub fn occupancy(&self, registers: u32, shared_bytes: usize, threads: usize) -> Occupancy {
        let warps = threads.div_ceil(32).max(1);
        let per_warp = (registers.max(1) as usize).next_multiple_of(8) * 32;
        let limits = [
            ("registers", REGISTERS / per_warp / warps),
            ("shared memory", self.shared_bytes / (shared_bytes + RESERVED_SHARED)),
            ("warps", WARPS / warps),
            ("blocks", self.blocks),
        ];
        let (limited_by, blocks) = limits.into_iter().min_by_key(|(_, blocks)| *blocks).unwrap_or(("", 0));
        Occupancy { blocks, limited_by }
    }
}

/// Blocks of a multiprocessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// How many fit together.
    pub blocks: usize,
    /// What keeps more away.
    pub limited_by: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits() {
        let table = [
            // 255 registers are 256: 32 KiB a block of 128 threads, two of which fill the file.
            (Gpu::A100, 255, 64 * 1024, 128, 2, "registers"),
            (Gpu::A100, 128, 64 * 1024, 128, 2, "shared memory"),
            (Gpu::A100, 128, 82 * 1024, 128, 1, "shared memory"),
            (Gpu::H100, 128, 64 * 1024, 128, 3, "shared memory"),
            (Gpu::A100, 16, 0, 1024, 2, "warps"),
            (Gpu::A100, 16, 0, 32, 32, "blocks"),
            (Gpu::A100, 255, 0, 512, 0, "registers"),
        ];
        for (gpu, registers, shared, threads, blocks, limited_by) in table {
            let got = gpu.occupancy(registers, shared, threads);
            assert_eq!(
                got,
                Occupancy { blocks, limited_by },
                "{} {registers} {shared} {threads}",
                gpu.name()
            );
        }
        assert_eq!(Gpu::named("NVIDIA H200").map(|gpu| gpu.name()), Some("H200"));
        assert_eq!(Gpu::named("nvidia a100-sxm4-80gb").map(|gpu| gpu.name()), Some("A100"));
        assert_eq!(Gpu::named("flashpage stand-in driver"), None);
    }
}
