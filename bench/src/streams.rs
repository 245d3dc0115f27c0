//! The token streams on which managers of KV caches are compared, and the numbers that tell whether they are right.
//!
//! Everything comes from one generator, so that whoever times another manager times it on the same streams:
//! `bench/cache_peers.py` does.

/// Output `i` of splitmix64 from state `seed`.
pub fn draw(seed: u64, i: u64) -> u64 {
    let z = seed.wrapping_add((i.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Token `i` of a stream, of a vocabulary of 128,256.
pub fn token(seed: u64, i: u64) -> u32 {
    (draw(seed, i) % 128_256) as u32
}

/// Tokens of the system prompt, and with a template.
const SYSTEM: usize = 1024;
const SHARED: usize = 1536;

/// Prompts with a system prompt of 1,024 tokens, one of 20 templates of 512, and a tail of their own.
#[derive(Debug)]
pub struct Prompts {
    /// The prompts.
    pub all: Vec<Vec<u32>>,
    /// Tokens that are not in a prompt before.
    pub distinct: usize,
}

impl Prompts {
    /// Of 512 to 4,096 tokens: some end inside the shared part.
    pub fn c() -> Prompts {
        Prompts::of(512, 3585)
    }

    /// Of 1,537 to 4,096 tokens: every one has the whole shared part.
    pub fn c_whole() -> Prompts {
        Prompts::of(1537, 2560)
    }

    fn of(shortest: u64, span: u64) -> Prompts {
        let run = |seed, len: usize| -> Vec<u32> { (0..len as u64).map(|i| token(seed, i)).collect() };
        let system = run(1000, SYSTEM);
        let templates: Vec<Vec<u32>> = (0..20).map(|t| run(2000 + t, SHARED - SYSTEM)).collect();
        let mut distinct = SYSTEM + 20 * (SHARED - SYSTEM);
        let all = (0..2000).map(|p| {
            let len = (shortest + draw(42, 2 * p) % span) as usize;
            let template = &templates[(draw(42, 2 * p + 1) % 20) as usize];
            let own = len.saturating_sub(SHARED);
            distinct += own;
            let mut prompt = [&system[..], template, &run(1_000_000 + p, own)].concat();
            prompt.truncate(len);
            prompt
        });
        let all = all.collect();
        Prompts { all, distinct }
    }

    /// FNV-1a 64 over all tokens of the first `prompts`, each as four little-endian bytes.
    pub fn checksum(&self, prompts: usize) -> u64 {
        let bytes = self.all[..prompts].iter().flatten().flat_map(|token| token.to_le_bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }

    /// Blocks of `block_size` tokens that `percent` of the distinct tokens fill.
    pub fn pool(&self, percent: usize, block_size: usize) -> usize {
        self.distinct * percent / 100 / block_size
    }
}

/// Allocating and freeing: a number of blocks to allocate, or which of the live allocations to free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Allocate so many blocks, as a new last allocation.
    Allocate(usize),
    /// Free an allocation; the last takes its place.
    Free(usize),
}

/// Workload A: calls over a pool of 100,000 blocks, until `blocks` blocks have been moved or `calls` calls made.
/// Gives the calls and the blocks that they move.
pub fn allocations(blocks: usize, calls: usize) -> (Vec<Call>, usize) {
    let (mut k, mut free, mut moved) = (0, 100_000usize, 0);
    let mut live: Vec<usize> = Vec::new();
    let mut trace = Vec::new();
    while moved < blocks && trace.len() < calls {
        let wants = draw(7, k) & 1 == 0;
        k += 1;
        if wants || live.is_empty() {
            let n = 1 + (draw(7, k) % 512) as usize;
            k += 1;
            if n <= free {
                free -= n;
                moved += n;
                live.push(n);
                trace.push(Call::Allocate(n));
                continue;
            }
        }
        let j = (draw(7, k) % live.len() as u64) as usize;
        k += 1;
        let n = live.swap_remove(j);
        free += n;
        moved += n;
        trace.push(Call::Free(j));
    }
    (trace, moved)
}

/// Tokens of the prompts of workload B's 256 sequences.
pub fn decode_prompts() -> Vec<usize> {
    (0..256).map(|i| 1 + (draw(11, i) % 512) as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_are_those_that_others_are_timed_on() {
        assert_eq!(draw(0, 0), 0xe220_a839_7b1d_cdaf);
        let first = [105_544, 96_943, 60_241, 111_015, 23_455, 87_138, 50_420, 123_767];
        // Tokens, distinct tokens, the first lengths, checksums of a hundred prompts and of all.
        let table = [
            (
                Prompts::c(),
                4_615_024,
                1_857_307,
                [870, 2540, 3102, 1347],
                0x619753cd2f5c29fd,
                0xa2bbf0187fe94a8e,
                23_216,
            ),
            (
                Prompts::c_whole(),
                5_595_119,
                2_534_383,
                [2710, 1875, 2547, 3422],
                0x6239a8356b858182,
                0xc0ea570142a37e82,
                31_679,
            ),
        ];
        for (prompts, tokens, distinct, lens, hundred, all, pool) in table {
            assert_eq!(prompts.all.iter().map(Vec::len).sum::<usize>(), tokens);
            assert_eq!(prompts.distinct, distinct);
            assert_eq!(prompts.all[..4].iter().map(Vec::len).collect::<Vec<_>>(), lens);
            assert!(prompts.all.iter().all(|prompt| prompt[..8] == first));
            assert_eq!((prompts.checksum(100), prompts.checksum(2000)), (hundred, all));
            assert_eq!(prompts.pool(20, 16), pool);
        }
        let (trace, moved) = allocations(200_000, usize::MAX);
        use Call::{Allocate, Free};
        let begins = [
            Allocate(29),
            Allocate(460),
            Allocate(18),
            Allocate(255),
            Free(1),
            Free(1),
            Allocate(49),
            Allocate(505),
        ];
        assert_eq!((trace.len(), moved, &trace[..8]), (788, 200_066, &begins[..]));
        let lens = decode_prompts();
        assert_eq!(lens.iter().sum::<usize>(), 70_364);
        assert_eq!(lens.iter().map(|len| len.div_ceil(16)).sum::<usize>(), 4_524);
        assert_eq!(lens.iter().map(|len| (len + 2000).div_ceil(16)).sum::<usize>(), 36_524);
    }
}
