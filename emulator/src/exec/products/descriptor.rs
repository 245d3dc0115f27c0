//! Where the matrices of `wgmma.mma_async` lie in shared memory (PTX ISA §9.7.15.5).
//!
//! Whatever the type, a row of A or a column of B is 32 bytes deep: two *chunks* of 16 bytes. [`super::operand`] reads
//! them, and [`super::wgmma`] multiplies.
//!
//! A descriptor has a start address, a *leading* and a *stride* byte offset, and a swizzle of `W` = 32, 64 or 128
//! bytes, or none. With `x` for a row of A or a column of B and `k` for the depth, the chunk that holds `(x, k)` is at
//!
//! ```text
//! depth contiguous ("K-major"), j = chunk of the depth, 0 or 1:
//!     none:   start + (x / 8) stride + (x mod 8) 16 + j leading
//!     W:      start + (x / 8) stride + (x mod 8) W  + j 16
//! x contiguous ("MN-major"), 16-bit elements only, c = x / 8, a = W / 16 chunks in a swizzled row:
//!     none:   start + c stride       + (k mod 8) 16 + (k / 8) leading
//!     W:      start + (c / a) leading + (c mod a) 16 + (k mod 8) W + (k / 8) stride
//! ```
//!
//! and a swizzle then exchanges chunks: bits 4 and up of the address are XORed with bits 7 and up, one, two or three
//! of them for 32, 64 and 128 bytes. The address is absolute, so bulk tensor copies swizzle in the same way.
//!
//! A swizzle's pattern is eight rows of `W` bytes. With a base offset of 0, which is the only one supported, patterns
//! begin at multiples of `8 W` (PTX ISA §9.7.15.5.1.2.2); an operand that begins in a later row of one is then another
//! matrix than it looks like, so all its patterns have to begin at their boundary, and it in the first row of one. Within
//! that row it may begin at any chunk from which its depth, or the rows or columns that a pattern has of it, stay in the
//! row: CUTLASS steps along the depth by 32 bytes so, and by whole patterns along everything else.

use crate::address::RANK_SHIFT;
use crate::program::{LeftMatrix, WarpgroupProduct};

/// Rows of D that one warp computes.
pub(crate) const ROWS: usize = WarpgroupProduct::ROWS;
/// Bytes of depth.
pub(crate) const DEEP: usize = WarpgroupProduct::DEEP;
/// Bytes that are never split.
pub(crate) const CHUNK: usize = 16;

/// Where a matrix lies in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    start: u32,
    /// Bits of the address that say which block's shared memory it is in.
    rank: u32,
    leading: u32,
    stride: u32,
    /// Bytes of a swizzled row; 16 for no swizzle.
    width: u32,
    /// Bits of the address that are exchanged, shifted down by 4.
    exchanged: u32,
    /// Rows of A or columns of B are contiguous rather than the depth.
    transposed: bool,
}

impl Layout {
    /// Reads a descriptor of matrix `which`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bits: u64, transposed: bool, which: char) -> Result<Layout, String> {
        const RESERVED: u64 = 0x3ff1_c000_c000_c000;
        let refuse = |what: String| Err(format!("the descriptor of {which}, {bits:#018x}, {what}"));
        if bits & RESERVED != 0 {
            return refuse(format!("has reserved bits set: {:#018x}", bits & RESERVED));
        }
        let field = |at: u32| ((bits >> at) & 0x3fff) as u32 * CHUNK as u32;
        let (width, exchanged) = match bits >> 62 {
            0 => (16, 0),
            1 => (128, 7),
            2 => (64, 3),
            _ => (32, 1),
        };
        match (bits >> 49 & 7, width) {
            (0, _) => {}
            (offset, 16) => {
                return refuse(format!("has a base offset of {offset}, which goes with a swizzle only"));
            }
            // How hardware numbers the rows of a pattern that begins elsewhere is not known well enough.
            (offset, _) => {
                return refuse(format!(
                    "has a base offset of {offset}, which is not supported: let the swizzled pattern begin at a \
                     multiple of {} bytes",
                    8 * width
                ));
            }
        }
        Ok(Layout {
            start: field(0),
            rank: 0,
            leading: field(16),
            stride: field(32),
            width,
            exchanged,
            transposed,
        })
    }

    /// Reads a descriptor of matrix `which` of `count` rows or columns.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn operand(bits: u64, transposed: bool, (which, count): (char, u32)) -> Result<Layout, String> {
        let layout = Layout::decode(bits, transposed, which)?;
        layout
            .fits_patterns(count)
            .map_err(|how| format!("the descriptor of {which}, {bits:#018x}, {how}"))?;
        Ok(layout)
    }

    /// Whether `count` rows or columns from here on lie in their patterns as the swizzle counts them.
    ///
    /// # Errors
    /// Where they do not.
    fn fits_patterns(&self, count: u32) -> Result<(), String> {
        let (width, pattern) = (self.width, 8 * self.width);
        if width == CHUNK as u32 {
            return Ok(());
        }
        let (row, into) = (self.start % pattern / width, self.start % width);
        if row != 0 {
            return Err(format!(
                "begins {} bytes into a pattern of {pattern}: with a base offset of 0 a swizzle of {width} bytes counts \
                 its eight rows from a multiple of {pattern}, so it has to begin in the first of them",
                self.start % pattern
            ));
        }
        let (chunks, per_row) = (count / 8, width / CHUNK as u32);
        let (bytes, steps) = match self.transposed {
            false => (DEEP as u32, [(self.stride, chunks > 1), (0, false)]),
            true => {
                (CHUNK as u32 * chunks.min(per_row), [(self.stride, true), (self.leading, chunks > per_row)])
            }
        };
        if into + bytes > width {
            return Err(format!(
                "begins {into} bytes into a swizzled row of {width}, of which it takes {bytes}: it would go on in the \
                 next row"
            ));
        }
        match steps.into_iter().find(|(step, used)| *used && step % pattern != 0) {
            Some((step, _)) => Err(format!(
                "goes on after {step} bytes, no multiple of the {pattern} of a pattern of its {width}-byte swizzle"
            )),
            None => Ok(()),
        }
    }

    /// The same in the shared memory of the block of this rank.
    pub fn of_block(self, rank: u32) -> Layout {
        Layout { rank: rank << RANK_SHIFT, ..self }
    }

    fn swizzle(self, address: u32) -> u32 {
        (address ^ ((address >> 7) & self.exchanged) << 4) | self.rank
    }

    /// Address of chunk `j` of the depth of row or column `x`.
    #[inline(always)]
    pub fn along_depth(self, x: usize, j: usize) -> u32 {
        let (x, j) = (x as u32, j as u32);
        let step = if self.width == 16 { self.leading } else { 16 };
        self.swizzle(self.start + x / 8 * self.stride + x % 8 * self.width + j * step)
    }

    /// Address of the chunk with rows or columns `8 c .. 8 c + 8` at depth `k`, if those are contiguous.
    #[inline(always)]
    pub fn across_depth(self, c: usize, k: usize) -> u32 {
        let (c, k) = (c as u32, k as u32);
        let at = if self.width == 16 {
            c * self.stride + k / 8 * self.leading
        } else {
            let chunks = self.width / 16;
            c / chunks * self.leading + c % chunks * 16 + k / 8 * self.stride
        };
        self.swizzle(self.start + at + k % 8 * self.width)
    }

    /// First address that `count` rows or columns may touch, and one past the last: not less than they do.
    pub fn reach(self, count: u32) -> (u32, u32) {
        let (repeats, step) = match (self.transposed, self.width) {
            (false, 16) => ((count / 8 - 1) * self.stride, self.leading),
            (false, _) => ((count / 8 - 1) * self.stride, CHUNK as u32),
            (true, 16) => ((count / 8 - 1) * self.stride, self.leading),
            (true, width) => {
                ((count / 8 - 1) / (width / 16) * self.leading, self.stride + width - CHUNK as u32)
            }
        };
        let last = self.start + repeats + step + 7 * self.width;
        // Exchanging chunks does not leave a line of 128 bytes.
        (self.rank | (self.start & !127), self.rank | ((last | 127) + 1))
    }

    /// Addresses of all chunks of rows or columns `from .. from + count`, both multiples of eight: one core matrix of
    /// eight chunks after another.
    pub fn chunks(self, from: usize, count: usize, into: &mut Vec<u32>) {
        for c in from / 8..(from + count) / 8 {
            if self.transposed {
                into.extend((0..DEEP / 2).map(|k| self.across_depth(c, k)));
            } else {
                for j in 0..2 {
                    into.extend((8 * c..8 * c + 8).map(|x| self.along_depth(x, j)));
                }
            }
        }
    }

    /// Whether rows or columns are contiguous rather than the depth.
    pub fn is_transposed(self) -> bool {
        self.transposed
    }
}

/// Addresses in the block's shared memory of the 16-byte chunks that warp `i` of four reads, of A first, core matrix
/// after core matrix.
///
/// # Errors
/// What is wrong with a descriptor.
pub(crate) fn chunks(product: &WarpgroupProduct, i: u32, a: u64, b: u64) -> Result<Vec<u32>, String> {
    let mut all = Vec::with_capacity(2 * (product.n as usize + ROWS));
    if let LeftMatrix::Shared(_) = product.a {
        Layout::operand(a, product.transpose_a, ('A', 64))?.chunks(ROWS * i as usize, ROWS, &mut all);
    }
    let b = Layout::operand(b, product.transpose_b, ('B', product.n as u32))?;
    b.chunks(0, product.n as usize, &mut all);
    Ok(all)
}

/// Of these chunks, those that shared memory gives for warp `i` alone: its rows of A, and for the first warp B, which
/// the four take together.
pub(crate) fn passes(product: &WarpgroupProduct, i: u32, a: u64, b: u64) -> Result<Vec<u32>, String> {
    let mut all = chunks(product, i, a, b)?;
    if i != 0 {
        all.truncate(all.len() - 2 * product.n as usize);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors() {
        type Want = Result<(u32, u32, u32, u32), &'static str>;
        let table: [(u64, Want); 6] = [
            (0x4000_0040_0001_0000, Ok((0, 16, 1024, 128))),
            (0x8000_0020_0001_0002, Ok((32, 16, 512, 64))),
            (0xc000_0010_0080_3fff, Ok((0x3fff0, 2048, 256, 32))),
            (0x0000_0008_0010_0040, Ok((1024, 256, 128, 16))),
            (0x0000_4000_0000_0000, Err("has reserved bits set: 0x0000400000000000")),
            (0x4002_0040_0001_0000, Err("begin at a multiple of 1024 bytes")),
        ];
        for (bits, want) in table {
            match (Layout::decode(bits, false, 'A'), want) {
                (Ok(l), Ok(want)) => assert_eq!((l.start, l.leading, l.stride, l.width), want, "{bits:#x}"),
                (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
                (got, want) => panic!("{bits:#x}: {got:?}, not {want:?}"),
            }
        }
    }

    /// The eight rows of a core matrix lie in eight groups of banks. No descriptor can have it otherwise: without a
    /// swizzle rows are 16 bytes apart, and with one as far as it goes, which it then spreads wherever they begin.
    #[test]
    fn every_core_matrix_takes_one_pass() {
        let descriptor = |mode: u64, leading: u64, stride: u64| mode << 62 | stride << 32 | leading << 16;
        let rows = [
            ("128-byte swizzle, depth contiguous", descriptor(1, 1, 64), false),
            ("128-byte swizzle, rows contiguous", descriptor(1, 512, 64), true),
            ("64-byte swizzle, depth contiguous", descriptor(2, 1, 32), false),
            ("64-byte swizzle, rows contiguous", descriptor(2, 256, 32), true),
            ("32-byte swizzle, depth contiguous", descriptor(3, 1, 16), false),
            ("32-byte swizzle, rows contiguous", descriptor(3, 128, 16), true),
            ("core after core, depth contiguous", descriptor(0, 8, 16), false),
            ("core after core, rows contiguous", descriptor(0, 8, 16), true),
            ("128-byte rows of whole cores", descriptor(0, 1024, 8), false),
            ("cores that begin anywhere", descriptor(0, 13, 7), false),
            ("rows of other lengths", descriptor(2, 13, 96), false),
        ];
        for (name, bits, transposed) in rows {
            for start in 0..64 {
                let mut chunks = Vec::new();
                let layout = Layout::decode(bits | start, transposed, 'B').unwrap();
                if layout.fits_patterns(64).is_err() {
                    continue;
                }
                layout.chunks(0, 64, &mut chunks);
                assert_eq!(chunks.len(), 2 * 64, "{name}");
                for core in chunks.chunks_exact(8) {
                    let mut groups: Vec<u32> = core.iter().map(|at| at / 16 % 8).collect();
                    groups.sort_unstable();
                    assert_eq!(groups, [0, 1, 2, 3, 4, 5, 6, 7], "{name}, from {start}: {core:?}");
                }
            }
        }
    }

    /// Of the starts within the first pattern, these many rows of 16 bytes on, which may be; and what is said of others.
    #[test]
    fn operands_begin_where_a_swizzle_counts_from() {
        let descriptor = |mode: u64, leading: u64, stride: u64| mode << 62 | stride << 32 | leading << 16;
        type Row = (&'static str, u64, bool, u32, &'static [u64], &'static str);
        let rows: [Row; 14] = [
            ("128, depth", descriptor(1, 1, 64), false, 64, &[0, 1, 2, 3, 4, 5, 6], ""),
            ("128, depth, one group", descriptor(1, 1, 9), false, 8, &[0, 1, 2, 3, 4, 5, 6], ""),
            ("128, depth, wider tiles", descriptor(1, 1, 192), false, 64, &[0, 1, 2, 3, 4, 5, 6], ""),
            ("128, rows", descriptor(1, 512, 64), true, 64, &[0], ""),
            ("128, half as many rows", descriptor(1, 512, 64), true, 32, &[0, 1, 2, 3, 4], ""),
            ("128, eight rows", descriptor(1, 512, 64), true, 8, &[0, 1, 2, 3, 4, 5, 6, 7], ""),
            ("128, two patterns of rows", descriptor(1, 512, 64), true, 128, &[0], ""),
            ("64, depth", descriptor(2, 1, 32), false, 64, &[0, 1, 2], ""),
            ("64, rows", descriptor(2, 256, 32), true, 64, &[0], ""),
            ("32, depth", descriptor(3, 1, 16), false, 64, &[0], ""),
            ("32, rows", descriptor(3, 128, 16), true, 64, &[0], ""),
            (
                "128, half a pattern between groups",
                descriptor(1, 1, 32),
                false,
                64,
                &[],
                "goes on after 512 bytes",
            ),
            (
                "128, rows, odd groups of depth",
                descriptor(1, 512, 65),
                true,
                8,
                &[],
                "goes on after 1040 bytes",
            ),
            ("64, rows, odd patterns", descriptor(2, 250, 32), true, 64, &[], "goes on after 4000 bytes"),
        ];
        for (name, bits, transposed, count, want, why) in rows {
            let width = Layout::decode(bits, transposed, 'A').unwrap().width as u64;
            for start in 0..width {
                let layout = Layout::decode(bits | (start & 0x3fff), transposed, 'A').unwrap();
                // Whole patterns come after one another.
                let (at, rows) = (start % (width / 2), start % (width / 2) / (width / 16));
                match layout.fits_patterns(count) {
                    Ok(()) => assert!(want.contains(&at), "{name}: {start}"),
                    Err(how) => {
                        assert!(!want.contains(&at), "{name}: {start}: {how}");
                        let why = match (rows, why) {
                            (1.., _) => "bytes into a pattern of",
                            (_, "") => "it would go on in the next row",
                            (_, why) if how.contains("next row") => {
                                assert_ne!(at, 0, "{why}");
                                "next row"
                            }
                            (_, why) => why,
                        };
                        assert!(how.contains(why), "{name}: {start}: {how}");
                    }
                }
            }
        }
    }

    /// The ISA's examples (§9.7.15.5.1.2.1.3), as functions of the index in elements, before swizzling.
    #[test]
    fn canonical_layouts_of_the_isa() {
        let descriptor = |mode: u64, leading: u64, stride: u64| mode << 62 | stride << 32 | leading << 16;
        let plain = |layout: Layout| Layout { exchanged: 0, ..layout };
        let k_major = |bits| plain(Layout::decode(bits, false, 'A').unwrap());
        let mn_major = |bits| plain(Layout::decode(bits, true, 'A').unwrap());
        for x in 0..16 {
            for j in 0..2 {
                // tf32: ((8,2),(4,4)):((4,32),(1,64)) and ((8,2),(4,4)):((8,64),(1,4))
                let none = 4 * (x % 8) + 32 * (x / 8) + 64 * j;
                assert_eq!(k_major(descriptor(0, 16, 8)).along_depth(x, j), 4 * none as u32);
                let swizzled = 8 * (x % 8) + 64 * (x / 8) + 4 * j;
                assert_eq!(k_major(descriptor(3, 1, 16)).along_depth(x, j), 4 * swizzled as u32);
            }
        }
        for k in 0..16 {
            // bf16: ((8,1,2),(8,2)):((1,8,64),(8,128)), ((8,2,2),(8,2)):((1,8,128),(16,256)) and
            // ((8,4,2),(8,2)):((1,8,256),(32,512))
            for c in 0..2 {
                let none = 64 * c + 8 * (k % 8) + 128 * (k / 8);
                assert_eq!(mn_major(descriptor(0, 16, 8)).across_depth(c, k), 2 * none as u32);
            }
            for c in 0..4 {
                let narrow = 8 * (c % 2) + 128 * (c / 2) + 16 * (k % 8) + 256 * (k / 8);
                assert_eq!(mn_major(descriptor(3, 16, 32)).across_depth(c, k), 2 * narrow as u32);
            }
            for c in 0..8 {
                let middle = 8 * (c % 4) + 256 * (c / 4) + 32 * (k % 8) + 512 * (k / 8);
                assert_eq!(mn_major(descriptor(2, 32, 64)).across_depth(c, k), 2 * middle as u32);
            }
        }
    }
}
