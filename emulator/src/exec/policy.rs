//! What a machine leaves open, and a launch says: when asynchronous work takes effect, and whose turn it is, and how tensor cores add.
//!
//! Nothing asynchronous happens by itself: it is queued, and the launch's [`AsyncPolicy`] decides when it *lands*,
//! which is when its source is read and its destination written. A program that waits where it must cannot tell the
//! policies apart; one that does not, can. [`WarpOrder`] does the same for the turns that warps take: the two ask
//! different questions of a program, and are drawn from seeds of their own.

/// When asynchronous work takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AsyncPolicy {
    /// At once.
    #[default]
    Eager,
    /// Only when a wait forces it.
    Lazy,
    /// At any time in between, drawn from this seed.
    Random(u64),
}

/// How warps and blocks take turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WarpOrder {
    /// Warps in turn, each for a few thousand instructions; blocks in order, on as many threads as there are.
    #[default]
    InOrder,
    /// Warps and a few blocks at a time at random, for a few instructions each, drawn from this seed. One thread of
    /// the host runs it, so that a seed repeats what it did.
    Random(u64),
}

/// How `wgmma` adds the products of floats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProductSums {
    /// One after the other, each sum rounded to nearest in single precision: what the ISA lets a kernel count on.
    #[default]
    Rounded,
    /// As Hopper's tensor cores do, to the bit as far as is known: all products of an instruction and the accumulator at once in
    /// fixed point, cut off after 25 bits, or 13 for 8-bit floats, whose accumulator has a mantissa of 13 bits (arXiv
    /// 2511.10909). Several times slower. Products of other instructions, and of integers, are unchanged.
    Hopper,
}

/// Numbers from a seed (splitmix64).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Random(pub u64);

impl Random {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.draw() % n.max(1)
    }
}

/// Decides when things land.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Landing {
    policy: AsyncPolicy,
    random: Random,
}

impl Landing {
    pub fn new(policy: AsyncPolicy) -> Landing {
        Landing { policy, random: Random::default() }
    }

    /// Makes the draws of one warp, or of one cluster, its own.
    pub fn seed(&mut self, cluster: u64, of: u32) {
        if let AsyncPolicy::Random(seed) = self.policy {
            self.random = Random(seed ^ cluster.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (of as u64) << 48);
        }
    }

    /// Whether what was just issued lands at once.
    pub fn at_once(&mut self) -> bool {
        match self.policy {
            AsyncPolicy::Eager => true,
            AsyncPolicy::Lazy => false,
            AsyncPolicy::Random(_) => self.random.draw() & 3 == 0,
        }
    }

    /// Whether something that is on its way lands now.
    pub fn now(&mut self) -> bool {
        matches!(self.policy, AsyncPolicy::Random(_)) && self.random.draw() & 1 == 0
    }

    /// Whether [`Landing::now`] can ever hold.
    pub fn polls(&self) -> bool {
        matches!(self.policy, AsyncPolicy::Random(_))
    }
}
