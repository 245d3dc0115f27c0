//! What a warp's registers hold before its first instruction: constants, and what is special of a thread.

use super::setting::Setting;
use super::warp::Warp;
use crate::address::RANK_SHIFT;
use crate::alu::lanes::{LANES, Row};
use crate::exec::FULL;
use crate::program::{Constant, Reg};
use flashpage_ptx::ast::Axis;
use flashpage_ptx::words::Special;

/// Fills a warp's constants and special registers, of the cluster whose first block is at `origin`.
pub(crate) fn prepare(warp: &mut Warp, setting: &Setting, cluster: u64, origin: [u32; 3]) {
    let lanes = (setting.threads() - warp.index * LANES as u32).min(LANES as u32);
    let mask = if lanes == LANES as u32 { FULL } else { (1 << lanes) - 1 };
    warp.reset(setting.program.start, mask, setting.sanitize);
    warp.copies.seed(cluster, warp.agent);
    warp.products.seed(cluster, warp.agent);
    fill_constants(warp, setting);
    fill_specials(warp, setting, setting.block_at(origin, warp.rank));
}

fn fill_constants(warp: &mut Warp, setting: &Setting) {
    // A block's own shared memory lies at its rank.
    let own = (warp.rank as u64) << RANK_SHIFT;
    for (reg, constant, wide) in &setting.program.constants {
        let value = match *constant {
            Constant::Value(value) => value,
            Constant::Global(index, offset) => setting.globals[index].wrapping_add_signed(offset),
            Constant::Shared(at) => at as u64 | own,
            Constant::DynamicShared(offset) => {
                (setting.program.dynamic_shared as u64).wrapping_add_signed(offset) | own
            }
        };
        fill(warp, *reg, *wide, |_| value);
    }
}

/// Sets every lane of a register that instructions only read.
fn fill(warp: &mut Warp, reg: Reg, wide: bool, value: impl Fn(u32) -> u64) {
    if wide {
        *warp.wide_mut(reg) = std::array::from_fn(|l| value(l as u32));
    } else {
        // SAFETY: `row_ptr` is in bounds.
        unsafe { *warp.row_ptr(reg) = Row(std::array::from_fn(|l| value(l as u32) as u32)) };
    }
    if !warp.written_rows.is_empty() {
        warp.written_rows[reg.0 as usize] = FULL;
    }
}

fn fill_specials(warp: &mut Warp, setting: &Setting, at: [u32; 3]) {
    use Special::*;
    let [bx, by, _] = setting.block;
    let first = warp.index * LANES as u32;
    let warps = setting.warps();
    let rank_of = |i: usize| at[i] % setting.cluster[i];
    let rank = warp.rank;
    for (reg, special, axis, wide) in &setting.program.specials {
        let i = axis.map_or(0, |a| a as usize);
        let three = |v: [u32; 3]| if matches!(axis, Some(Axis::W)) { 0 } else { v[i] as u64 };
        let value = |lane: u32| -> u64 {
            let thread = first + lane;
            let mask = 1u64 << lane;
            match special {
                Tid => three([thread % bx, thread / bx % by, thread / (bx * by)]),
                Ntid => three(setting.block),
                Ctaid => three(at),
                Nctaid => three(setting.grid),
                Clusterid => three([0, 1, 2].map(|i| at[i] / setting.cluster[i])),
                Nclusterid => three([0, 1, 2].map(|i| setting.grid[i].div_ceil(setting.cluster[i]))),
                ClusterCtaid => three([0, 1, 2].map(rank_of)),
                ClusterNctaid => three(setting.cluster),
                ClusterCtarank => rank as u64,
                ClusterNctarank => setting.blocks() as u64,
                IsExplicitCluster => (setting.blocks() > 1) as u64,
                Laneid => lane as u64,
                Warpid => warp.index as u64,
                Nwarpid => warps as u64,
                Nsmid => 1,
                LanemaskEq => mask,
                LanemaskLt => mask - 1,
                LanemaskLe => mask | (mask - 1),
                LanemaskGt => u32::MAX as u64 & !(mask | (mask - 1)),
                LanemaskGe => u32::MAX as u64 & !(mask - 1),
                DynamicSmemSize => setting.dynamic_shared_bytes as u64,
                TotalSmemSize | AggrSmemSize => setting.shared_bytes as u64,
                _ => 0,
            }
        };
        let row: [u64; LANES] = std::array::from_fn(|l| value(l as u32));
        fill(warp, *reg, *wide, |l| row[l as usize]);
    }
}
