//! `ldmatrix`, `stmatrix`, `movmatrix`: 8x8 matrices of 16-bit elements spread over a warp
//! (PTX ISA §9.7.14.5.15–17).
//!
//! Lane `4 r + c` holds elements `2 c` and `2 c + 1` of row `r`, so that a register's 32 lanes are the matrix
//! row by row: what is 16 bytes in memory is four lanes here.

use super::Result;
use super::access::{Request, address, check_written, locate, watch_matrix};
use super::block::Env;
use super::warp::Warp;
use super::watch::Touching;
use crate::alu::lanes::LANES;
use crate::program::MatrixAccess;

/// Columns for rows.
pub(crate) fn transpose(matrix: &[u32; LANES]) -> [u32; LANES] {
    let half = |row: usize, column: usize| matrix[4 * row + column / 2] >> (16 * (column & 1)) & 0xffff;
    std::array::from_fn(|lane| {
        let (row, pair) = (lane / 4, lane % 4);
        half(2 * pair, row) | half(2 * pair + 1, row) << 16
    })
}

/// `ldmatrix`: matrix `j` has its row addresses in lanes `8 j ..`.
pub(crate) fn load(env: &mut Env, warp: &mut Warp, access: &MatrixAccess) -> Result<()> {
    // Addresses first: a destination may be the address register.
    let mut matrices = [[0u32; LANES]; 4];
    for (j, matrix) in matrices.iter_mut().enumerate().take(access.registers.len()) {
        for row in 0..8 {
            let lane = 8 * j + row;
            let address = address(warp, access.base, lane);
            let request = Request { access: "read", space: access.space, address, count: 16, lane };
            let span = locate(env, warp, request)?;
            watch_matrix(env, warp, request, Touching::Read, &|| false)?;
            if env.sanitize.unwritten {
                check_written(span, request, 16)?;
            }
            let (low, high) = (span.read(0, 8), span.read(8, 8));
            matrix[4 * row] = low as u32;
            matrix[4 * row + 1] = (low >> 32) as u32;
            matrix[4 * row + 2] = high as u32;
            matrix[4 * row + 3] = (high >> 32) as u32;
        }
    }
    for (reg, matrix) in access.registers.iter().zip(&matrices) {
        *warp.row_mut(*reg) = if access.transposed { transpose(matrix) } else { *matrix };
    }
    Ok(())
}

/// `stmatrix`
pub(crate) fn store(env: &mut Env, warp: &mut Warp, access: &MatrixAccess) -> Result<()> {
    for (j, reg) in access.registers.iter().enumerate() {
        let value = *warp.row(*reg);
        let value = if access.transposed { transpose(&value) } else { value };
        for row in 0..8 {
            let lane = 8 * j + row;
            let address = address(warp, access.base, lane);
            let request = Request { access: "write", space: access.space, address, count: 16, lane };
            let span = locate(env, warp, request)?;
            // Warps that all store the same do no harm: what is there does not change.
            let same = |word: usize| span.read(4 * word, 4) == value[4 * row + word] as u64;
            let same = || span.is_written(0, 16) && (0..4).all(same);
            watch_matrix(env, warp, request, Touching::Write, &same)?;
            for word in 0..4 {
                span.write(4 * word, 4, value[4 * row + word] as u64);
            }
            span.mark(16);
        }
    }
    Ok(())
}
