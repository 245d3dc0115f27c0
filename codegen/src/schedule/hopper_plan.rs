//! What a Hopper kernel keeps where, and who waits for whom: the buffers of its plan ([`crate::plan::roles`]) one by one,
//! for people to read.

use super::hopper::WARPGROUP_WARPS;
use super::{KvBox, OutputIn, Roles, Schedule, WARPGROUP_ROWS};
use crate::layout::panel::{Order, Panels};
use crate::layout::swizzle::PERIOD;
use crate::plan::attention::{OUTPUT, QUERY};
use crate::plan::roles::{self, CONSUMERS, FIRST_ALONE, FIRST_TURN, INFO, WHOLE_BLOCK};
use crate::plan::{BARRIER_BYTES, BufferId, Layout, Place};

/// Threads of a warpgroup.
const WARPGROUP: usize = WARPGROUP_WARPS * 32;

/// A piece of shared memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// What is there: `Q`, `K stage 0`, `V0 full`, `tile info 0`.
    pub name: String,
    /// Byte offset from the start of dynamic shared memory.
    pub offset: usize,
    /// Bytes.
    pub bytes: usize,
    /// How its rows lie; `None` for a barrier, and for what describes a row tile.
    pub layout: Option<Panels>,
    /// Whether an `mbarrier` is there.
    pub is_barrier: bool,
    /// What ends a phase of it: arrivals, and bytes of bulk copies.
    pub awaits: (usize, usize),
}

/// A barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarrierAt {
    /// An `mbarrier` at this byte offset from the start of dynamic shared memory.
    Shared(usize),
    /// A named barrier (`bar.sync`, `bar.arrive`).
    Named(usize),
}

/// Who meets at a barrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// The barrier's name: of a region for an `mbarrier`.
    pub name: String,
    /// Where it is.
    pub at: BarrierAt,
    /// Who waits, and for what.
    pub waits: String,
    /// Who arrives, and when.
    pub arrives: String,
    /// Arrivals of a phase. For a named barrier these are threads, those that wait among them.
    pub arrivals: usize,
    /// Bytes of bulk copies that a phase waits for as well. Fewer where a tile is cut short.
    pub bytes: usize,
}

/// The bulk copies of one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// Rows of a box.
    pub rows: usize,
    /// Bytes of the head dimension of a box.
    pub row_bytes: usize,
    /// Boxes of a tile.
    pub boxes: usize,
}

impl Schedule {
    /// Shared memory from its start to its end, in order; empty without roles.
    pub fn regions(&self) -> Vec<Region> {
        let Some(roles) = self.roles else { return Vec::new() };
        let over_query = roles.output == OutputIn::OverQuery;
        let mut regions = Vec::new();
        for (index, buffer) in roles::buffers(self, roles).0.into_iter().enumerate() {
            let Place::Shared(shared) = buffer.place else { continue };
            let id = BufferId(index);
            if id == OUTPUT && over_query {
                continue;
            }
            for slot in 0..shared.slots {
                let name = match id {
                    QUERY if over_query => "Q, then O".to_owned(),
                    QUERY => "Q".to_owned(),
                    OUTPUT => "O".to_owned(),
                    INFO => format!("{} {slot}", buffer.name),
                    _ => format!("{} stage {slot}", buffer.name),
                };
                let (offset, bytes, layout) = (
                    shared.offset + slot * shared.stride,
                    shared.bytes,
                    shared.layout.and_then(Layout::panels),
                );
                regions.push(Region { name, offset, bytes, layout, is_barrier: false, awaits: (0, 0) });
                let Some(barriers) = shared.barriers else { continue };
                let of = match id {
                    QUERY => "Q".to_owned(),
                    INFO => format!("info{slot}"),
                    _ => format!("{}{slot}", buffer.name),
                };
                let pair = barriers.offset + slot * 2 * BARRIER_BYTES;
                let full = ("full", pair, (barriers.fills, barriers.bytes));
                let empty = ("empty", pair + BARRIER_BYTES, (barriers.empties, 0));
                for (side, offset, awaits) in [full, empty] {
                    let name = format!("{of} {side}");
                    regions.push(Region {
                        name,
                        offset,
                        bytes: BARRIER_BYTES,
                        layout: None,
                        is_barrier: true,
                        awaits,
                    });
                }
            }
        }
        regions.sort_by_key(|region| region.offset);
        regions
    }

    /// Every barrier: the `mbarrier`s in order, then the named ones. Empty without roles.
    pub fn meetings(&self) -> Vec<Meeting> {
        let Some(roles) = self.roles else { return Vec::new() };
        let mut meetings: Vec<Meeting> =
            self.regions().into_iter().filter(|region| region.is_barrier).map(|r| self.slot(r)).collect();
        meetings.extend(self.named(roles));
        meetings
    }

    fn slot(&self, Region { name, offset, awaits: (arrivals, bytes), .. }: Region) -> Meeting {
        let full = name.ends_with("full");
        let (waits, arrives) = match (name.chars().next(), full) {
            (Some('Q'), true) => ("consumers, before a tile's first S = Q Kᵀ", "copies of Q"),
            (Some('Q'), false) => ("producer, before the next Q", "each consumer warp"),
            (Some('i'), true) => ("consumers, before a row tile", "producer, who describes it"),
            (Some('i'), false) => ("producer, before it describes the next", "each consumer warp"),
            (Some('K'), true) => ("consumers, before S = Q Kᵀ", "copies of K"),
            (Some('K'), false) => ("producer, before the next K here", "each consumer warp, S there"),
            (_, true) => ("consumers, before O += P V", "copies of V"),
            (_, false) => ("producer, before the next V here", "each consumer warp, O there"),
        };
        let arrives = match (full, name.starts_with('Q'), self.output_over_query()) {
            (true, ..) if name.starts_with('i') => arrives.to_owned(),
            (true, ..) => format!("producer and the {arrives}"),
            (false, true, true) => format!("{arrives}, O gone"),
            (false, true, false) => format!("{arrives}, last S there"),
            (false, false, _) => arrives.to_owned(),
        };
        Meeting { name, at: BarrierAt::Shared(offset), waits: waits.to_owned(), arrives, arrivals, bytes }
    }

    fn named(&self, roles: Roles) -> Vec<Meeting> {
        let consumers = self.consumers();
        let meeting = |name: &str, number: usize, waits: String, arrives: String, arrivals: usize| Meeting {
            name: name.to_owned(),
            at: BarrierAt::Named(number),
            waits,
            arrives,
            arrivals,
            bytes: 0,
        };
        let all = "those who wait".to_owned();
        let mut meetings = vec![meeting(
            "whole block",
            WHOLE_BLOCK,
            "every thread, once: barriers are initialised".to_owned(),
            all.clone(),
            self.threads(),
        )];
        if roles.take_turns {
            for mine in 0..consumers {
                let before = (mine + consumers - 1) % consumers;
                meetings.push(meeting(
                    &format!("turn {mine}"),
                    FIRST_TURN + mine,
                    format!("consumer {mine}, before it issues products"),
                    format!("consumer {before}, its products issued"),
                    2 * WARPGROUP,
                ));
            }
        }
        meetings.push(meeting(
            "consumers",
            CONSUMERS,
            "consumers: a tail has been zeroed".to_owned(),
            all.clone(),
            consumers * WARPGROUP,
        ));
        for alone in 0..consumers {
            meetings.push(meeting(
                &format!("alone {alone}"),
                FIRST_ALONE + alone,
                format!("consumer {alone}, before and after it writes O"),
                all.clone(),
                WARPGROUP,
            ));
        }
        meetings
    }

    fn output_over_query(&self) -> bool {
        self.roles.is_some_and(|roles| roles.output == OutputIn::OverQuery)
    }

    /// The bulk copies of a tile of K or V, each a lane's.
    pub fn kv_copies(&self) -> Copies {
        match self.kv_box() {
            KvBox::Panel => Copies { rows: self.cols, row_bytes: self.span(), boxes: self.panels() },
            KvBox::Run { rows } => {
                Copies { rows, row_bytes: self.head_dim * 2, boxes: self.cols / rows.max(1) }
            }
        }
    }

    /// The bulk copies of Q. O leaves in as many for each warpgroup, of its own rows.
    pub fn query_copies(&self) -> Copies {
        Copies { rows: self.rows, row_bytes: self.span(), boxes: self.panels() }
    }

    /// Registers of a consumer thread for (O, scores, probabilities): f32 twice, then 16 bits in pairs.
    pub fn consumer_holds(&self) -> [usize; 3] {
        let of = |columns: usize| WARPGROUP_ROWS * columns / WARPGROUP;
        [of(self.head_dim), of(self.cols), of(self.cols) / 2]
    }
}

impl std::fmt::Display for Panels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Panels { rows, span, count, order } = *self;
        match order {
            Order::ByPanel => write!(f, "{count} x [{rows} rows][{span} B]")?,
            Order::ByGroup => write!(f, "{} x {count} x [{PERIOD} rows][{span} B]", rows / PERIOD)?,
        }
        write!(f, ", swizzled within {PERIOD} rows")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::SM90;

    #[test]
    fn regions_cover_shared_memory_once() {
        for row in SM90 {
            let schedule = Schedule::of_hopper_row(row);
            let mut end = 0;
            for region in schedule.regions() {
                assert_eq!(region.offset, end, "{row:?}: {region:?}");
                assert!(region.bytes > 0);
                if let Some(tile) = region.layout {
                    // The swizzle is bits of the address.
                    assert_eq!(region.offset % tile.period_bytes(), 0, "{row:?}: {region:?}");
                    assert_eq!(region.offset % 1024, 0, "{row:?}: {region:?}");
                }
                end += region.bytes;
            }
            assert_eq!(end, schedule.shared_bytes(), "{row:?}");
            assert!(end <= schedule.shared_limit(), "{row:?}");
        }
    }

    #[test]
    fn barriers_are_where_the_map_has_them() {
        for row in SM90 {
            let schedule = Schedule::of_hopper_row(row);
            let meetings = schedule.meetings();
            let regions = schedule.regions();
            let barriers: Vec<&Region> = regions.iter().filter(|region| region.is_barrier).collect();
            let shared: Vec<(&str, usize)> = meetings
                .iter()
                .filter_map(|meeting| match meeting.at {
                    BarrierAt::Shared(offset) => Some((meeting.name.as_str(), offset)),
                    BarrierAt::Named(_) => None,
                })
                .collect();
            assert_eq!(shared, barriers.iter().map(|r| (r.name.as_str(), r.offset)).collect::<Vec<_>>());
            assert_eq!(shared.len(), barriers.len());
            // No two named barriers share a number, of the sixteen that there are.
            let mut numbers: Vec<usize> = meetings
                .iter()
                .filter_map(|meeting| match meeting.at {
                    BarrierAt::Named(number) => Some(number),
                    BarrierAt::Shared(_) => None,
                })
                .collect();
            numbers.sort_unstable();
            assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]) && numbers.iter().all(|n| *n < 16));
        }
    }
}
