//! What the lanes of a warp tell each other (PTX ISA §9.7.9.6, §9.7.13).

use super::warp::Warp;
use super::{Result, lanes};
use crate::alu::lanes::LANES;
use crate::fault::FaultKind;
use crate::program::{Condition, Pred, Reg, Shuffle, Vote};

/// Whether every lane that the member mask names executes this; lanes that are elsewhere are waited for.
///
/// # Errors
/// A lane executes it that the mask leaves out, or one named is here and does not, or they never come.
pub(crate) fn members(warp: &mut Warp, mask: u32, members: Reg) -> Result<bool> {
    let members = warp.row(members)[mask.trailing_zeros() as usize];
    if members & mask == mask && members & warp.live == mask {
        return Ok(true);
    }
    members_slowly(warp, mask, members)
}

#[cold]
fn members_slowly(warp: &mut Warp, mask: u32, members: u32) -> Result<bool> {
    let outsiders = mask & !members;
    if outsiders != 0 {
        return Err(FaultKind::NotMember { lanes: outsiders, members }.into());
    }
    let idle = warp.mask & members & !mask;
    let what = "the member mask names them";
    if idle != 0 {
        return Err(FaultKind::Divergent { missing: idle, what }.into());
    }
    warp.gather(members, what)
}

/// The lane that each lane of a `shfl` reads, and the lanes whose source is inside their segment; the others
/// read themselves. The segment's bounds come from `c` (§9.7.9.6).
pub(crate) fn sources(mode: Shuffle, b: &[u32; LANES], c: &[u32; LANES]) -> ([u8; LANES], u32) {
    let mut sources = [0; LANES];
    let mut in_range = 0;
    for lane in 0..LANES as u32 {
        let (by, control) = (b[lane as usize] & 31, c[lane as usize]);
        let (clamp, segment) = (control & 31, control >> 8 & 31);
        let max_lane = lane & segment | clamp & !segment;
        let min_lane = lane & segment;
        let (source, inside) = match mode {
            Shuffle::Up => (lane.wrapping_sub(by), lane as i32 - by as i32 >= max_lane as i32),
            Shuffle::Down => (lane + by, lane + by <= max_lane),
            Shuffle::Butterfly => (lane ^ by, lane ^ by <= max_lane),
            Shuffle::Index => {
                let source = min_lane | by & !segment;
                (source, source <= max_lane)
            }
        };
        sources[lane as usize] = if inside { source & 31 } else { lane } as u8;
        in_range |= (inside as u32) << lane;
    }
    (sources, in_range)
}

/// `shfl`
pub(crate) fn shuffle(
    warp: &mut Warp,
    mask: u32,
    mode: Shuffle,
    (d, p): (Reg, Option<Pred>),
    (a, b, c): (Reg, Reg, Reg),
) {
    let (sources, in_range) = sources(mode, warp.row(b), warp.row(c));
    let a = warp.row(a);
    let value = sources.map(|lane| a[lane as usize & 31]);
    warp.write_row(d, &value, mask);
    if let Some(p) = p {
        warp.write_pred(p, in_range, mask);
    }
}

/// `vote.all`, `.any`, `.uni`
pub(crate) fn vote(warp: &mut Warp, mask: u32, mode: Vote, d: Pred, a: Condition) {
    let votes = warp.condition(a) & mask;
    let holds = match mode {
        Vote::All => votes == mask,
        Vote::Any => votes != 0,
        Vote::Uni => votes == mask || votes == 0,
    };
    warp.write_pred(d, 0u32.wrapping_sub(holds as u32), mask);
}

/// `match.any`: who has my value; `match.all`: everyone, if all have it.
pub(crate) fn matching(
    warp: &mut Warp,
    mask: u32,
    d: Reg,
    all: Option<Option<Pred>>,
    (a, wide): (Reg, bool),
) {
    let values: [u64; LANES] = std::array::from_fn(|l| warp.get(a, wide, l));
    let same = |value: u64| lanes(mask).filter(|l| values[*l] == value).fold(0u32, |m, l| m | 1 << l);
    match all {
        None => {
            let found = std::array::from_fn(|l| same(values[l]));
            warp.write_row(d, &found, mask);
        }
        Some(p) => {
            let everyone = same(values[mask.trailing_zeros() as usize]) == mask;
            warp.write_row(d, &[if everyone { mask } else { 0 }; LANES], mask);
            if let Some(p) = p {
                warp.write_pred(p, 0u32.wrapping_sub(everyone as u32), mask);
            }
        }
    }
}
