//! A plan's words: every unit becomes items in the lists of its class, and rows with several partial results become
//! entries of the merge list.
//!
//! Partial results are laid out so that those of one row lie a fixed stride apart: part `p` of a unit follows part
//! `p - 1`, row by row. A group that shares a prefix has one plane of all its rows for each part, first the prefix's
//! parts, then each sequence's own.
//!
//! Lists are in order of cost, the longest first. Where blocks walk them in rounds, every second round is turned round,
//! so that who had the longest of one has the shortest of the next.

use super::Setup;
use super::capacity::ClassSetup;
use super::cascade::Group;
use super::unit::{Stretch, Unit};
use flashpage_codegen::work_list::{HEADER_WORDS, ITEM_WORDS, WorkItem, header};

/// What a batch became.
pub(super) struct Lists {
    /// Items that write outputs, by class.
    pub whole: Vec<Vec<(usize, WorkItem)>>,
    /// Items that leave partial results, by class.
    pub split: Vec<Vec<(usize, WorkItem)>>,
    pub merges: Vec<Merge>,
    pub partial_rows: usize,
}

/// An output row and its partial results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Merge {
    pub first: usize,
    pub parts: usize,
    pub stride: usize,
    /// Token times query heads plus head.
    pub out_row: usize,
}

/// Items and merges of the units of each class.
pub(super) fn lists(setup: &Setup, stretches: &[Stretch], units: &[Vec<Unit>], groups: &[Group]) -> Lists {
    let classes = setup.classes.len();
    let mut lists = Lists {
        whole: vec![Vec::new(); classes],
        split: vec![Vec::new(); classes],
        merges: Vec::new(),
        partial_rows: 0,
    };
    let planes = Planes::of(stretches, units, groups);
    let head_blocks = setup.head_blocks();
    let first_of_group: Vec<usize> = planes
        .iter()
        .zip(groups)
        .map(|(planes, group)| {
            let first = lists.partial_rows;
            lists.partial_rows += head_blocks * (planes.prefix + planes.own) * group.rows;
            first
        })
        .collect();
    for (class, units) in units.iter().enumerate() {
        for unit in units {
            let stretch = &stretches[unit.stretch];
            let cols = unit.part_cols(setup.classes[class].cols);
            for head_block in 0..head_blocks {
                // Where the unit's first row goes, and how far its parts lie apart.
                let (first, stride, parts_before) = match stretch.in_group {
                    Some(place) => {
                        let (planes, rows) = (&planes[place.group], groups[place.group].rows);
                        let all = planes.prefix + planes.own;
                        let first = first_of_group[place.group] + head_block * all * rows;
                        let before = if place.is_prefix { 0 } else { planes.prefix };
                        (first + place.row + unit.rows.start, rows, before)
                    }
                    None if unit.is_partial => {
                        let first = lists.partial_rows;
                        lists.partial_rows += unit.parts * unit.rows.len();
                        (first, unit.rows.len(), 0)
                    }
                    None => (0, 0, 0),
                };
                // A prefix's rows have parts of their own besides.
                let is_own = stretch.in_group.is_none_or(|place| !place.is_prefix);
                for (part, cols) in cols.iter().enumerate() {
                    let item = WorkItem {
                        q_begin: stretch.q_begin as i32,
                        q_len: stretch.q_len as i32,
                        q_position: stretch.q_position as i32,
                        sequence: stretch.sequence as i32,
                        kv_begin: stretch.kv_begin as i32,
                        col_begin: cols.start as i32,
                        col_end: cols.end as i32,
                        head_block: head_block as i32,
                        row_tile: unit.row_tile as i32,
                        part: (first + (parts_before + part) * stride) as i32,
                        has_sinks: i32::from(is_own && part == 0),
                    };
                    let list = if unit.is_partial { &mut lists.split } else { &mut lists.whole };
                    list[class].push((cols.len(), item));
                }
                let is_prefix = stretch.in_group.is_some_and(|place| place.is_prefix);
                if unit.is_partial && !is_prefix {
                    for row in unit.rows.clone() {
                        let token = stretch.q_begin + row / setup.packed_heads;
                        let head = head_block * setup.packed_heads + row % setup.packed_heads;
                        lists.merges.push(Merge {
                            first: first + row - unit.rows.start,
                            parts: parts_before + unit.parts,
                            stride,
                            out_row: token * setup.q_heads + head,
                        });
                    }
                }
            }
        }
    }
    for (class, setup) in setup.classes.iter().enumerate() {
        arrange(&mut lists.whole[class], setup);
        arrange(&mut lists.split[class], setup);
    }
    lists
}

/// Parts of a group's results.
struct Planes {
    /// Of the prefix.
    prefix: usize,
    /// Of what follows it, at most.
    own: usize,
}

impl Planes {
    fn of(stretches: &[Stretch], units: &[Vec<Unit>], groups: &[Group]) -> Vec<Planes> {
        let mut planes: Vec<Planes> = groups.iter().map(|_| Planes { prefix: 0, own: 0 }).collect();
        for unit in units.iter().flatten() {
            let Some(place) = stretches[unit.stretch].in_group else { continue };
            let group = &mut planes[place.group];
            let most = if place.is_prefix { &mut group.prefix } else { &mut group.own };
            *most = unit.parts.max(*most);
        }
        planes
    }
}

/// The longest first; equals by their words, for one batch has one plan.
fn arrange(items: &mut [(usize, WorkItem)], setup: &ClassSetup) {
    items.sort_by(|(a_cols, a), (b_cols, b)| b_cols.cmp(a_cols).then(a.cmp(b)));
    if setup.walks {
        items.chunks_mut(setup.slots.max(1)).skip(1).step_by(2).for_each(<[_]>::reverse);
    }
}

/// The workspace with these lists in it, of so many sequences. All of them fit: that was checked.
pub(super) fn words(setup: &Setup, lists: &Lists, sequences: usize) -> Vec<i32> {
    let mut words = vec![0; setup.merge.words];
    let mut list = |first: usize, items: &[(usize, WorkItem)]| {
        words[first..first + HEADER_WORDS].copy_from_slice(&header(items.len() as i32, sequences as i32));
        let places = words[first + HEADER_WORDS..].chunks_exact_mut(ITEM_WORDS);
        for (place, (_, item)) in places.zip(items) {
            place.copy_from_slice(&item.words());
        }
    };
    for (class, setup) in setup.classes.iter().enumerate() {
        list(setup.whole_list, &lists.whole[class]);
        list(setup.split_list, &lists.split[class]);
    }
    words[setup.merge.count] = lists.merges.len() as i32;
    let arrays: [fn(&Merge) -> usize; 4] =
        [|merge| merge.first, |merge| merge.parts, |merge| merge.stride, |merge| merge.out_row];
    for (index, of) in arrays.into_iter().enumerate() {
        for (word, merge) in words[setup.merge.array(index)].iter_mut().zip(&lists.merges) {
            *word = of(merge) as i32;
        }
    }
    words
}
