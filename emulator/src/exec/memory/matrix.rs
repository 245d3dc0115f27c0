//! `ldmatrix`, `stmatrix`, `movmatrix`: 8x8 matrices of 16-bit elements spread over a warp
//! (PTX ISA §9.7.14.5.15–17).
//!
//! Lane `4 r + c` holds elements `2 c` and `2 c + 1` of row `r`, so that a register's 32 lanes are the matrix
//! row by row: what is 16 bytes in memory is four lanes here.

use super::access::{keep_unknown, locate, watch_matrix};
use crate::alu::lanes::LANES;
use crate::exec::order::Touching;
use crate::exec::request::Request;
use crate::exec::state::{Env, Warp};
use crate::exec::unknown::{Lanes, Unknown};
use crate::exec::{FULL, Result};
use crate::program::{MatrixAccess, Touch};

/// What is not known of a matrix, columns for rows.
pub(crate) fn transposed(matrix: &Lanes) -> Lanes {
    let half = |row: usize, column: usize| {
        let pair = matrix[4 * row + column / 2];
        pair.cut(pair.bits >> (16 * (column & 1)) & 0xffff)
    };
    std::array::from_fn(|lane| {
        let (row, pair) = (lane / 4, lane % 4);
        let high = half(2 * pair + 1, row);
        half(2 * pair, row).with(high.cut(high.bits << 16))
    })
}

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
    warp.pending.clear();
    for (j, matrix) in matrices.iter_mut().enumerate().take(access.registers.len()) {
        for row in 0..8 {
            let lane = 8 * j + row;
            let address = warp.address(access.base, lane);
            let request = Request { access: "read", space: access.space, address, count: 16, lane };
            let span = locate(env, warp, request)?;
            let outcome = watch_matrix(env, warp, request, Touching::Read, &|| false);
            env.note(warp, outcome)?;
            if env.sanitize.unwritten && span.unwritten(16).is_some() {
                let reg = Touch::Row(access.registers[j]);
                if warp.pending.last().is_none_or(|(last, _)| *last != reg) {
                    warp.pending.push((reg, Box::new([Unknown::default(); LANES])));
                }
                for word in 0..4 {
                    let bits = span.unknown(4 * word, 4);
                    let byte = 4 * word as u32 + bits.trailing_zeros() / 8;
                    let origin = Some(env.origins.of(warp, request, byte));
                    if let Some((_, lanes)) = warp.pending.last_mut() {
                        lanes[4 * row + word] = Unknown { bits, origin };
                    }
                }
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
    if access.transposed {
        warp.pending.iter_mut().for_each(|(_, lanes)| **lanes = transposed(lanes));
    }
    Ok(())
}

/// `stmatrix`
pub(crate) fn store(env: &mut Env, warp: &mut Warp, access: &MatrixAccess) -> Result<()> {
    for (j, reg) in access.registers.iter().enumerate() {
        let value = *warp.row(*reg);
        let value = if access.transposed { transpose(&value) } else { value };
        let touch = Touch::Row(*reg);
        let unknown = (env.sanitize.unwritten && warp.known(touch) != FULL).then(|| {
            let unknown = std::array::from_fn(|lane| warp.unknown(touch, lane));
            if access.transposed { transposed(&unknown) } else { unknown }
        });
        for row in 0..8 {
            let lane = 8 * j + row;
            let address = warp.address(access.base, lane);
            let request = Request { access: "write", space: access.space, address, count: 16, lane };
            let span = locate(env, warp, request)?;
            // Warps that all store the same do no harm: what is there does not change.
            let same = |word: usize| span.read(4 * word, 4) == value[4 * row + word] as u64;
            let same = || span.is_written(0, 16) && (0..4).all(same);
            let outcome = watch_matrix(env, warp, request, Touching::Write, &same);
            env.note(warp, outcome)?;
            for word in 0..4 {
                span.write(4 * word, 4, value[4 * row + word] as u64);
            }
            span.mark(16);
            if let Some(unknown) = &unknown {
                for word in 0..4 {
                    let value = (Touch::Row(*reg), unknown[4 * row + word]);
                    keep_unknown(env, warp, value, request, (span, (4 * word, 4)))?;
                }
            }
        }
    }
    Ok(())
}
