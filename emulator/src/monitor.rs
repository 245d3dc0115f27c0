//! A launch seen from another thread: how far it is, and a way to stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// A handle on the launches whose [`Options`](crate::Options) have a clone of it.
///
/// A launch that is interrupted ends soon with [`FaultKind::Interrupted`](crate::FaultKind::Interrupted), which says where
/// every warp stands.
#[derive(Clone, Debug, Default)]
pub struct Monitor(Arc<State>);

#[derive(Debug, Default)]
struct State {
    interrupted: Arc<AtomicBool>,
    /// Blocks of the launch, and those that are done.
    blocks: AtomicU64,
    done: AtomicU64,
}

impl Monitor {
    /// A monitor of no launch yet.
    pub fn new() -> Monitor {
        Monitor::default()
    }

    /// Ends the launch that runs, and every later one as long as the flag stands.
    pub fn interrupt(&self) {
        self.0.interrupted.store(true, Relaxed);
    }

    /// The flag that [`Monitor::interrupt`] sets, for a signal's handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.interrupted.clone()
    }

    /// Blocks of the latest launch that are done, and all its blocks.
    pub fn progress(&self) -> (u64, u64) {
        (self.0.done.load(Relaxed), self.0.blocks.load(Relaxed))
    }

    pub(crate) fn begin(&self, blocks: u64) {
        self.0.done.store(0, Relaxed);
        self.0.blocks.store(blocks, Relaxed);
    }

    pub(crate) fn advance(&self, blocks: u64) {
        self.0.done.fetch_add(blocks, Relaxed);
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.0.interrupted.load(Relaxed)
    }
}

/// Monitors are equal if they are handles on the same launches.
impl PartialEq for Monitor {
    fn eq(&self, other: &Monitor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Monitor {}
