//! What the sanitizer found while a launch went on: one of each kind and place, with a count.

use crate::fault::{Fault, FaultKind, Place, Trouble};
use crate::sanitize::Sanitize;
use hashbrown::HashMap;
use std::fmt;
use std::mem::Discriminant;

/// Something that the sanitizer found and that did not end the launch; see [`Options::keep_going`](crate::Options).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// The first of its kind at these instructions: of the lowest cluster, and of that as its warps came to it.
    pub fault: Fault,
    /// How often there was the like, over the whole launch; where that ended in a fault, in that cluster.
    pub count: u64,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault)?;
        if self.count > 1 { write!(f, "\n  {} times", self.count) } else { Ok(()) }
    }
}

/// The most that a launch lists.
pub(crate) const MOST: usize = 256;
/// The most that are kept, of which the first are listed.
const KEPT: usize = 16 * MOST;

/// What makes two findings alike: their kind and the instructions.
pub(crate) type Key = (Discriminant<FaultKind>, u32, Option<u32>);

/// Those of one cluster.
#[derive(Default)]
pub(crate) struct Found {
    numbers: HashMap<Key, usize>,
    pub all: Vec<(Key, Trouble, u64)>,
}

impl Found {
    /// Takes one with its place, if the run may go on after it.
    ///
    /// # Errors
    /// It may not.
    pub fn take(&mut self, trouble: Box<Trouble>, here: Place) -> Result<(), Box<Trouble>> {
        if !Sanitize::NONE.finds(&trouble.kind) {
            let place = trouble.place.unwrap_or(here);
            let key = (std::mem::discriminant(&trouble.kind), place.pc, trouble.other.map(|other| other.pc));
            if let Some(number) = self.numbers.get(&key) {
                self.all[*number].2 += 1;
            } else if self.all.len() < MOST {
                self.numbers.insert(key, self.all.len());
                self.all.push((key, Trouble { place: Some(place), ..*trouble }, 1));
            }
            return Ok(());
        }
        Err(trouble)
    }
}

/// The first of its kind, and what is counted.
struct First {
    cluster: u64,
    /// Which of the cluster's.
    number: usize,
    fault: Fault,
    /// In that cluster, and in all.
    own: u64,
    total: u64,
}

/// Those of a launch.
#[derive(Default)]
pub(crate) struct Findings {
    all: HashMap<Key, First>,
}

impl Findings {
    /// Adds what a cluster had.
    pub fn add(&mut self, cluster: u64, found: Vec<(Key, Fault, u64)>) {
        for (number, (key, fault, count)) in found.into_iter().enumerate() {
            let has_room = self.all.len() < KEPT;
            match self.all.get_mut(&key) {
                Some(first) => {
                    first.total += count;
                    if cluster < first.cluster {
                        *first = First { cluster, number, fault, own: count, total: first.total };
                    }
                }
                None if has_room => {
                    self.all.insert(key, First { cluster, number, fault, own: count, total: count });
                }
                None => {}
            }
        }
    }

    /// In the order of clusters; of a launch that a cluster ended, up to that one.
    pub fn list(self, last: Option<u64>) -> Vec<Finding> {
        let mut all: Vec<First> = self.all.into_values().collect();
        all.retain(|first| last.is_none_or(|last| first.cluster <= last));
        all.sort_by_key(|first| (first.cluster, first.number));
        all.truncate(MOST);
        let count = |first: &First| if last.is_some() { first.own } else { first.total };
        all.into_iter().map(|first| Finding { count: count(&first), fault: first.fault }).collect()
    }
}
