//! A role's body as a list of steps, for a few items.

use crate::plan::{Condition, Node, Step, Turns};

/// An item to be run: tiles of columns that it sees, and what holds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub tiles: usize,
    /// The sequence ends inside its rightmost tile.
    pub ends_in_tile: bool,
    pub whole_rows: bool,
    pub grows: bool,
}

/// A step with its turns.
#[derive(Clone)]
pub(super) struct Op {
    pub step: Step,
    pub turns: Counts,
    pub item: Item,
    /// The turn of its item's rightmost tile.
    pub rightmost: usize,
}

/// How often rings have turned.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub items: usize,
    pub seen: usize,
    pub columns: usize,
}

pub(super) fn turn(turns: Turns, counts: Counts) -> usize {
    match turns {
        Turns::Items => counts.items,
        Turns::SeenItems => counts.seen,
        Turns::Columns => counts.columns,
    }
}

/// Whether a body asks for something.
pub(super) fn asks(nodes: &[Node], what: Condition) -> bool {
    nodes.iter().any(|node| match node {
        Node::Step(_) => false,
        Node::Items { next, each, last } => [next, each, last].into_iter().any(|nodes| asks(nodes, what)),
        Node::Columns { first, each, last } => {
            first.iter().chain([each, last]).any(|nodes| asks(nodes, what))
        }
        Node::If { when, then, otherwise } => *when == what || asks(then, what) || asks(otherwise, what),
    })
}

/// Where in a body a warp is.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub item: Option<Item>,
    /// The turn of its rightmost tile.
    pub rightmost: usize,
    /// Keeps some score of every tile.
    pub keeps: bool,
    /// The first warp of its role.
    pub is_first: bool,
}

/// A body as a list of steps, for these items.
pub(super) fn flatten(nodes: &[Node], items: &[Item], counts: &mut Counts, at: At, ops: &mut Vec<Op>) {
    let At { item, rightmost, keeps, .. } = at;
    for node in nodes {
        match node {
            Node::Step(step) => {
                let nothing = Item { tiles: 0, ends_in_tile: false, whole_rows: true, grows: false };
                let item = item.unwrap_or(nothing);
                ops.push(Op { step: step.clone(), turns: *counts, item, rightmost });
            }
            Node::Items { next, each, last } => {
                for item in items {
                    let at = At { item: Some(*item), rightmost: counts.columns, ..at };
                    flatten(next, items, counts, at, ops);
                    flatten(each, items, counts, at, ops);
                    counts.items += 1;
                    counts.seen += usize::from(item.tiles > 0);
                }
                let after = At { item: None, rightmost: counts.columns, ..at };
                flatten(next, items, counts, after, ops);
                flatten(last, items, counts, after, ops);
            }
            Node::Columns { first, each, last } => {
                for tile in 0..item.map_or(0, |item| item.tiles) {
                    let body = first.as_ref().filter(|_| tile == 0).unwrap_or(each);
                    flatten(body, items, counts, at, ops);
                    counts.columns += 1;
                }
                flatten(last, items, counts, at, ops);
            }
            Node::If { when, then, otherwise } => {
                let holds = item.is_some_and(|item| match when {
                    Condition::SeesColumns => item.tiles > 0,
                    Condition::EndsInTile => item.ends_in_tile,
                    Condition::KeepsAny => keeps || item.grows || counts.columns.is_multiple_of(2),
                    Condition::MaximumGrew => item.grows,
                    Condition::WholeRows => item.whole_rows,
                    Condition::FirstWarp => false,
                });
                let holds = if *when == Condition::FirstWarp { at.is_first } else { holds };
                flatten(if holds { then } else { otherwise }, items, counts, at, ops);
            }
        }
    }
}
