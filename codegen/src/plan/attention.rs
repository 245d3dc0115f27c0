//! What the families of attention have in common: the buffers by name, what of a kernel a plan depends on, and small
//! constructors.

use super::Function::{AddToSums, Exponentials};
use super::{BufferId, Condition, Node, Place, Step, Turns, View, compute};
use crate::analysis::attention::Attention;
use crate::spec::{Spec, Work};

/// Q in shared memory.
pub const QUERY: BufferId = BufferId(0);
/// O on its way to device memory.
pub const OUTPUT: BufferId = BufferId(1);
/// The ring of K.
pub const KEYS: BufferId = BufferId(2);
/// The ring of V.
pub const VALUES: BufferId = BufferId(3);
/// What a family has of its own.
pub const OWN: BufferId = BufferId(4);
/// Scores, then exponentials.
pub const SCORES: BufferId = BufferId(5);
/// Rounded exponentials: P.
pub const PROBABILITIES: BufferId = BufferId(6);
/// Accumulators of O.
pub const ACCUMULATORS: BufferId = BufferId(7);
/// Running row maxima.
pub const MAXIMA: BufferId = BufferId(8);
/// A lane's part of the row sums.
pub const SUMS: BufferId = BufferId(9);
/// Row maxima of a tile.
pub const TILE_MAXIMA: BufferId = BufferId(10);
/// By what a row's past shrinks.
pub const GROWTH: BufferId = BufferId(11);
/// A bit a score, of conditions.
pub const BITS: BufferId = BufferId(12);
/// An item, as it was described.
pub const ITEM: BufferId = BufferId(13);
/// Where the columns of a tile lie in the pool, for the producer's lanes.
pub const BLOCKS: BufferId = BufferId(14);
/// Tensors: the query, keys, values, the output.
pub const TENSORS: [BufferId; 4] = [BufferId(15), BufferId(16), BufferId(17), BufferId(18)];

/// Tiles of K and of V on their way to be converted, in registers of those who do.
pub const COMING: [BufferId; 2] = [BufferId(19), BufferId(20)];

/// The ring of V by rows, where it is transposed for products.
pub const VALUE_ROWS: BufferId = BufferId(23);

/// Products of one tile, where these are added to the accumulators of O once the tile is done.
pub const PRODUCTS: BufferId = BufferId(22);

/// Where the rows of V that are asked for next lie in the pool, where K and V are asked for by turns.
pub const BLOCKS_OF_VALUES: BufferId = BufferId(21);

/// What of a kernel its plan depends on, beside its schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Keys and values lie in blocks.
    pub paged: bool,
    /// The output is stored.
    pub output: bool,
    /// The output is of 32 bits, and stored straight from the accumulators. Not of what is partial.
    pub direct: bool,
    /// The log-sum-exp is stored.
    pub lse: bool,
    /// Items come from a list, and the launch may begin before the one before it has ended.
    pub planned: bool,
    /// Results are partial, in f32.
    pub partial: bool,
    /// Some condition of the mask is no interval, or stands before a map.
    pub conditions: bool,
    /// What the last one does not keep is nothing to the softmax.
    pub ends_with_condition: bool,
}

impl Form {
    /// Of a recognised program, made for `spec`.
    pub fn of(attention: &Attention, spec: &Spec) -> Form {
        Form {
            paged: attention.table.is_some(),
            output: attention.output.is_some(),
            direct: attention.output.is_some() && spec.output.bytes() == 4 && spec.work != Work::Partials,
            lse: attention.lse.is_some(),
            planned: spec.work.is_planned(),
            partial: spec.work == Work::Partials,
            conditions: attention.has_conditions(),
            ends_with_condition: !attention.seen.exact,
        }
    }
}

/// Where a buffer is that a kernel has no use for.
pub(super) const NOWHERE: Place = Place::Registers { each: 0, slots: 1, turns: Turns::Columns };

/// Nodes put together.
pub(super) fn nodes<const N: usize>(parts: [Vec<Node>; N]) -> Vec<Node> {
    parts.into_iter().flatten().collect()
}

pub(super) fn step(step: Step) -> Vec<Node> {
    vec![Node::Step(step)]
}

pub(super) fn steps<const N: usize>(all: [Step; N]) -> Vec<Node> {
    all.into_iter().map(Node::Step).collect()
}

pub(super) fn only_if(holds: bool, nodes: Vec<Node>) -> Vec<Node> {
    if holds { nodes } else { Vec::new() }
}

pub(super) fn when(when: Condition, then: Vec<Node>) -> Vec<Node> {
    vec![Node::If { when, then, otherwise: Vec::new() }]
}

/// These registers, of this iteration.
pub(super) fn registers<const N: usize>(ids: [BufferId; N]) -> [View; N] {
    ids.map(View::now)
}

/// Scores become exponentials, relative to the running maxima, and are summed.
pub(super) fn exponentials(polynomials: usize) -> Vec<Node> {
    vec![
        compute(Exponentials { polynomials }, &registers([SCORES, MAXIMA]), &registers([SCORES])),
        compute(AddToSums, &registers([SCORES, SUMS]), &registers([SUMS])),
    ]
}
