//! V of 8 bits as a cache may hold it for products of 8 bits: keys along memory in groups of sixteen, in the places of
//! [`super::transposed_copy`].
//!
//! ```text
//! a block of a pool, one head     [block size / 16][head_dim][16]
//! a tile of shared memory         [keys / 16][head_dim][16]
//! ```
//!
//! So the groups of a block that belong to a tile are one piece of either, copied untyped. Eight numbers of a group are a core matrix of
//! `wgmma` as it lies without a swizzle (PTX ISA §9.7.15.5.1): the *stride* offset of its descriptor is from eight numbers to the next
//! eight, the *leading* one from a group to the next, and a product's depth is two groups.

use super::swizzle::{CHUNK, PERIOD};
use super::transposed_copy::KEYS_OF_CHUNK;

/// A tile of so many keys, a multiple of 32, and so many numbers of each, a multiple of eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyGroups {
    /// Keys.
    pub keys: usize,
    /// Numbers of a key.
    pub numbers: usize,
}

impl KeyGroups {
    /// Bytes of the tile.
    pub fn bytes(self) -> usize {
        self.keys * self.numbers
    }

    /// Groups of keys.
    pub fn groups(self) -> usize {
        self.keys / KEYS_OF_CHUNK
    }

    /// Bytes from a group to the next.
    pub fn group_stride(self) -> usize {
        self.numbers * CHUNK
    }

    /// Byte offset of a number's keys of a group.
    pub fn offset(self, group: usize, number: usize) -> usize {
        group * self.group_stride() + number * CHUNK
    }

    /// Upper half of the descriptor: the stride from eight numbers to the next, and no swizzle.
    pub fn descriptor_high(self) -> u32 {
        (PERIOD * CHUNK / CHUNK) as u32
    }

    /// Lower half, but for the start: the stride from a group to the next.
    pub fn descriptor_low(self) -> u32 {
        ((self.group_stride() / CHUNK) as u32) << 16
    }

    /// What product step `step` adds to the start, in chunks.
    pub fn along(self, step: usize) -> usize {
        2 * step * self.group_stride() / CHUNK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where `wgmma` looks for a number's chunk of the depth, without a swizzle, is where it lies: for every number and key.
    #[test]
    fn products_find_every_chunk() {
        for (keys, numbers) in [(32, 64), (96, 128), (160, 64), (128, 256)] {
            let tile = KeyGroups { keys, numbers };
            let mut seen = vec![false; tile.bytes() / CHUNK];
            let leading = (tile.descriptor_low() >> 16) as usize * CHUNK;
            let stride = tile.descriptor_high() as usize * CHUNK;
            for (step, half) in (0..keys / 32).flat_map(|step| [(step, 0), (step, 1)]) {
                for number in 0..numbers {
                    let at = tile.along(step) * CHUNK
                        + number / PERIOD * stride
                        + number % PERIOD * CHUNK
                        + half * leading;
                    assert_eq!(at, tile.offset(2 * step + half, number), "{tile:?} {step} {number}");
                    assert!(!std::mem::replace(&mut seen[at / CHUNK], true));
                }
            }
            assert!(seen.into_iter().all(|seen| seen) && tile.groups() * KEYS_OF_CHUNK == keys);
        }
    }
}
