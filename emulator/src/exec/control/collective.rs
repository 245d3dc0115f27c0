//! What the lanes of a warp tell each other (PTX ISA §9.7.9.6, §9.7.13).

use crate::alu::lanes::LANES;
use crate::exec::state::Warp;
use crate::exec::{Result, lanes};
use crate::fault::FaultKind;
use crate::program::{Condition, Pred, Reg, Shuffle, Vote};

/// Lanes that execute a collective instruction together: those with the same member mask.
pub(crate) struct Groups {
    left: u32,
    /// Each lane's mask, where they differ.
    members: Option<Box<[u32; LANES]>>,
}

impl Iterator for Groups {
    type Item = u32;

    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        if self.left == 0 {
            return None;
        }
        let group = match &self.members {
            None => self.left,
            Some(members) => self.left & members[self.left.trailing_zeros() as usize],
        };
        self.left &= !group;
        Some(group)
    }
}

/// The groups that lanes of `mask` execute a collective instruction in; none if lanes that a mask names are
/// elsewhere and waited for. Lanes side by side may name different groups.
///
/// # Errors
/// A lane executes it that its mask leaves out, or one named is here and does not, or they never come.
#[inline(always)]
pub(crate) fn groups(warp: &mut Warp, mask: u32, members: Reg) -> Result<Option<Groups>> {
    let row = warp.row(members);
    let first = row[mask.trailing_zeros() as usize];
    if first & mask == mask && first & warp.live == mask {
        return Ok(Some(Groups { left: mask, members: None }));
    }
    groups_slowly(warp, mask, *warp.row(members))
}

#[cold]
fn groups_slowly(warp: &mut Warp, mask: u32, members: [u32; LANES]) -> Result<Option<Groups>> {
    let what = "the member mask names them";
    let mut named = 0;
    for lane in lanes(mask) {
        let mine = members[lane];
        if mine >> lane & 1 == 0 {
            // All lanes that name this mask and are not in it.
            let outsiders = lanes(mask).filter(|l| members[*l] == mine && mine >> l & 1 == 0);
            let outsiders = outsiders.fold(0, |m, l| m | 1 << l);
            return Err(FaultKind::NotMember { lanes: outsiders, members: mine }.into());
        }
        let idle = warp.mask & mine & !mask;
        let others = lanes(mask & mine).filter(|l| members[*l] != mine).fold(idle, |m, l| m | 1 << l);
        if others != 0 {
            return Err(FaultKind::Divergent { missing: others, what }.into());
        }
        named |= mine;
    }
    Ok(warp.gather(named, what)?.then(|| Groups { left: mask, members: Some(Box::new(members)) }))
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
