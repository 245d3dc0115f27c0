//! Into how many items a class's units are cut.
//!
//! An item costs its tiles of columns and something besides: reading Q, filling the ring, storing. The time of a launch
//! is estimated as that of its items dealt out to the blocks that run at once, longest first. Every number of parts of
//! the longest unit is tried; the fewest within [`TOLERANCE`] of the best estimate are taken, since parts cost memory
//! traffic that the estimate does not see. Units that are not cut write their outputs themselves, in a launch of their
//! own, or leave one partial result like the others, in theirs: whichever is shorter.
//!
//! The costs are guesses at a ratio, in tiles of columns, until a GPU says otherwise.

use super::unit::Unit;

/// What an item costs besides its tiles.
const ITEM: u64 = 2;

/// What leaving a partial result costs, and reading it again.
const PARTIAL: u64 = 1;

/// What one more launch costs.
const LAUNCH: u64 = 4;

/// How much longer than the best estimate, in hundredths, a plan with fewer parts may take.
const TOLERANCE: u64 = 105;

/// What a class may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Parts of one unit.
    pub parts: usize,
    /// Items that leave partial results.
    pub items: usize,
    /// Rows of partial results.
    pub rows: usize,
}

/// The items of one launch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Items.
    pub items: u64,
    /// Their cost together.
    pub total: u64,
    /// The most that one costs.
    pub longest: u64,
    /// Items that cost more than half of that: no block does two of them in the time of one.
    long: u64,
}

impl Load {
    /// Of items given as (how many, cost of each).
    fn of(items: impl Iterator<Item = (u64, u64)> + Clone) -> Load {
        let longest = items.clone().map(|(_, cost)| cost).max().unwrap_or(0);
        let mut load = Load { longest, ..Load::default() };
        for (count, cost) in items {
            load.items += count;
            load.total += count * cost;
            load.long += if 2 * cost > longest { count } else { 0 };
        }
        load
    }

    /// Estimated time on so many blocks at once.
    pub(super) fn time(&self, slots: usize) -> u64 {
        let slots = slots.max(1) as u64;
        self.total.div_ceil(slots).max(self.longest * self.long.div_ceil(slots))
    }
}

/// How a class is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Of units that write outputs.
    pub whole: Load,
    /// Of items with partial results.
    pub split: Load,
    /// Most parts of a unit.
    pub parts: usize,
    /// Whether units of one part leave partial results too.
    pub all_partial: bool,
}

impl Choice {
    fn time(&self, slots: usize) -> u64 {
        let launches = u64::from(self.whole.items > 0) + u64::from(self.split.items > 0);
        // Partial results take one more launch to merge.
        let merges = u64::from(self.split.items > 0);
        self.whole.time(slots) + self.split.time(slots) + LAUNCH * (launches + merges)
    }
}

/// Parts of a unit of `tiles` tiles, if none is to have more than `most`.
fn parts(tiles: usize, most: usize) -> usize {
    tiles.div_ceil(most.max(1)).max(1)
}

/// Chooses how to cut `units`, each of which `head_blocks` blocks of heads have. `None` if a budget is too small for
/// what must be partial. `forced` asks for so many parts of every unit that has as many tiles.
pub(super) fn choose(
    units: &mut [Unit],
    head_blocks: usize,
    slots: usize,
    budget: Budget,
    forced: Option<usize>,
) -> Option<Choice> {
    let longest = units.iter().map(|unit| unit.tiles).max().unwrap_or(0);
    if let Some(forced) = forced {
        for unit in units.iter_mut() {
            unit.parts = forced.clamp(1, unit.tiles.max(1));
            unit.is_partial |= unit.parts > 1;
        }
        let choice = weigh(units, head_blocks, |unit| unit.parts, false);
        return fits(units, head_blocks, budget, |unit| unit.parts, false).then_some(choice);
    }
    let mut best: Option<(u64, usize, Choice)> = None;
    let mut tried = usize::MAX;
    let mut candidates = Vec::new();
    for most_parts in 1..=budget.parts.min(longest.max(1)) {
        let most = longest.div_ceil(most_parts).max(1);
        if most == tried {
            continue;
        }
        tried = most;
        for all_partial in [false, true] {
            let parts_of = |unit: &Unit| parts(unit.tiles, most);
            if (all_partial && most_parts == 1) || !fits(units, head_blocks, budget, parts_of, all_partial) {
                continue;
            }
            let choice = weigh(units, head_blocks, parts_of, all_partial);
            let time = choice.time(slots);
            candidates.push((time, most, choice));
            if best.is_none_or(|(least, ..)| time < least) {
                best = Some((time, most, choice));
            }
        }
    }
    let (least, ..) = best?;
    let (_, most, choice) = candidates.into_iter().find(|(time, ..)| time * 100 <= least * TOLERANCE)?;
    for unit in units {
        unit.parts = parts(unit.tiles, most);
        unit.is_partial |= unit.parts > 1 || choice.all_partial;
    }
    Some(choice)
}

fn is_partial(unit: &Unit, parts: usize, all_partial: bool) -> bool {
    unit.is_partial || parts > 1 || all_partial
}

fn weigh(
    units: &[Unit],
    head_blocks: usize,
    parts_of: impl Fn(&Unit) -> usize + Copy,
    all_partial: bool,
) -> Choice {
    let items = |partial: bool| {
        units.iter().filter_map(move |unit| {
            let parts = parts_of(unit);
            if is_partial(unit, parts, all_partial) != partial {
                return None;
            }
            let cost = unit.tiles.div_ceil(parts) as u64 + ITEM + if partial { PARTIAL } else { 0 };
            Some(((parts * head_blocks) as u64, cost))
        })
    };
    let parts = units.iter().map(parts_of).max().unwrap_or(1);
    Choice { whole: Load::of(items(false)), split: Load::of(items(true)), parts, all_partial }
}

fn fits(
    units: &[Unit],
    head_blocks: usize,
    budget: Budget,
    parts_of: impl Fn(&Unit) -> usize,
    all_partial: bool,
) -> bool {
    let (mut items, mut rows, mut most) = (0, 0, 1);
    for unit in units {
        let parts = parts_of(unit);
        most = most.max(parts);
        if is_partial(unit, parts, all_partial) {
            items += parts * head_blocks;
            rows += parts * head_blocks * unit.rows.len();
        }
    }
    most <= budget.parts.max(1) && items <= budget.items && rows <= budget.rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(tiles: &[usize]) -> Vec<Unit> {
        let unit = |(index, tiles): (usize, &usize)| Unit {
            stretch: index,
            row_tile: 0,
            rows: 0..4,
            cols: 0..tiles * 64,
            tiles: *tiles,
            parts: 1,
            is_partial: false,
        };
        tiles.iter().enumerate().map(unit).collect()
    }

    const ROOM: Budget = Budget { parts: 64, items: 1000, rows: 100_000 };

    /// Tiles of each unit, head blocks, slots, budget: parts of each, and whether all are partial.
    #[test]
    fn parts_are_as_few_as_balance_needs() {
        let small = Budget { items: 7, ..ROOM };
        type Row<'a> = (&'a [usize], usize, usize, Budget, &'a [usize], bool);
        let table: [Row; 9] = [
            // Enough units to fill the device: nothing is cut.
            (&[20; 64], 8, 132, ROOM, &[1; 64], false),
            // One long sequence on an idle device.
            (&[1000], 1, 8, ROOM, &[8], false),
            // Too short to be worth a merge.
            (&[4], 1, 8, ROOM, &[1], false),
            (&[0, 1], 1, 8, ROOM, &[1, 1], false),
            // The long one is cut; the short ones go with it rather than in a launch of their own.
            (&[512, 3, 3], 1, 8, ROOM, &[8, 1, 1], true),
            // What there is room for.
            (&[1000], 1, 8, small, &[7], false),
            (&[1000], 2, 8, small, &[3], false),
            (&[1000], 1, 8, Budget { parts: 1, ..ROOM }, &[1], false),
            (&[1000], 1, 8, Budget { rows: 19, ..ROOM }, &[4], false),
        ];
        for (tiles, head_blocks, slots, budget, expected, all_partial) in table {
            let mut units = units(tiles);
            let choice = choose(&mut units, head_blocks, slots, budget, None).unwrap();
            let parts: Vec<usize> = units.iter().map(|unit| unit.parts).collect();
            assert_eq!((&parts[..], choice.all_partial), (expected, all_partial), "{tiles:?} on {slots}");
        }
    }

    #[test]
    fn parts_cover_the_columns() {
        for (tiles, parts, end) in [(7, 3, 7 * 64), (7, 7, 401), (1, 1, 1), (10, 4, 600), (0, 1, 0)] {
            let unit = Unit { parts, cols: 0..end, ..units(&[tiles]).remove(0) };
            let cols = unit.part_cols(64);
            assert_eq!(cols.len(), parts);
            assert_eq!((cols[0].start, cols[parts - 1].end), (0, end));
            for pair in cols.windows(2) {
                assert_eq!(pair[0].end, pair[1].start);
                assert!(!pair[0].is_empty() && !pair[1].is_empty() && pair[1].start.is_multiple_of(64));
            }
        }
    }

    #[test]
    fn forced_parts_fit_or_are_refused() {
        let mut all = units(&[9, 2, 0]);
        assert!(choose(&mut all, 1, 8, ROOM, Some(4)).is_some());
        assert_eq!(all.iter().map(|unit| unit.parts).collect::<Vec<_>>(), [4, 2, 1]);
        assert_eq!(all.iter().map(|unit| unit.is_partial).collect::<Vec<_>>(), [true, true, false]);
        assert!(choose(&mut units(&[9]), 1, 8, Budget { items: 3, ..ROOM }, Some(4)).is_none());
    }
}
