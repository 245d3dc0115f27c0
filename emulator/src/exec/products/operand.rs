//! The factors of a `wgmma`, read from shared memory or from registers.

use super::descriptor::{CHUNK, DEEP, Layout, ROWS};
use crate::address::RANK_SHIFT;
use crate::exec::Result;
use crate::exec::in_flight::LeftRows;
use crate::exec::state::{Shared, Warp};
use crate::fault::{FaultKind, Trouble};
use crate::memory::Span;
use crate::program::Reg;

/// A matrix in shared memory, to be read.
pub(crate) struct Matrix<'e> {
    shared: &'e Shared,
    pub layout: Layout,
    /// All of it, from this address on, if that is in shared memory: one check instead of one a chunk.
    whole: Option<(u32, Span)>,
}

impl<'e> Matrix<'e> {
    /// `count` rows of A or columns of B.
    pub fn new(shared: &'e Shared, layout: Layout, count: usize) -> Matrix<'e> {
        let (first, last) = layout.reach(count as u32);
        let whole = shared.span(first as u64, last - first).map(|span| (first, span));
        Matrix { shared, layout, whole }
    }

    /// The sixteen bytes at this address.
    #[inline(always)]
    pub fn chunk(&self, address: u32) -> Result<[u64; 2]> {
        if let Some((first, span)) = self.whole {
            let at = (address - first) as usize;
            return Ok([span.read(at, 8), span.read(at + 8, 8)]);
        }
        match self.shared.span(address as u64, CHUNK as u32) {
            Some(span) => Ok([span.read(0, 8), span.read(8, 8)]),
            None => Err(outside(address)),
        }
    }

    /// Rows of A or columns of B from `from` on, byte for byte.
    #[inline(always)]
    pub fn rows(&self, from: usize, rows: &mut [[u8; DEEP]]) -> Result<()> {
        if self.layout.is_transposed() {
            for (c, eight) in rows.chunks_exact_mut(8).enumerate() {
                for k in 0..DEEP / 2 {
                    let words = self.chunk(self.layout.across_depth(from / 8 + c, k))?;
                    for (x, row) in eight.iter_mut().enumerate() {
                        let half = (words[x / 4] >> (16 * (x % 4))) as u16;
                        row[2 * k..2 * k + 2].copy_from_slice(&half.to_le_bytes());
                    }
                }
            }
        } else {
            for (x, row) in rows.iter_mut().enumerate() {
                for j in 0..2 {
                    let words = self.chunk(self.layout.along_depth(from + x, j))?;
                    row[CHUNK * j..CHUNK * j + 8].copy_from_slice(&words[0].to_le_bytes());
                    row[CHUNK * j + 8..CHUNK * (j + 1)].copy_from_slice(&words[1].to_le_bytes());
                }
            }
        }
        Ok(())
    }
}

#[cold]
fn outside(address: u32) -> Box<Trouble> {
    let (rank, at) = (address >> RANK_SHIFT, address & ((1 << RANK_SHIFT) - 1));
    let message = format!(
        "a matrix descriptor leads to the 16 bytes at {at:#x} of block {rank} of the cluster, which are not all in its \
         shared memory"
    );
    FaultKind::Operand(message).into()
}

/// The warp's 16 rows of A from its registers, byte for byte.
pub(crate) fn fragment(warp: &Warp, registers: &[Reg; 4]) -> LeftRows {
    let mut rows = [[0; DEEP]; ROWS];
    for (r, reg) in registers.iter().enumerate() {
        for (lane, word) in warp.row(*reg).iter().enumerate() {
            let at = CHUNK * (r / 2) + 4 * (lane % 4);
            rows[lane / 4 + 8 * (r % 2)][at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
    }
    rows
}
