//! Driving a cache from several threads without a lock on it.
//!
//! One thread owns the cache, runs the steps, and between them does what others have asked for:
//!
//! ```
//! use flashpage_cache::{BlockManager, ManagerOptions, handle};
//!
//! let options = ManagerOptions { blocks: 64, block_size: 16, host_blocks: 0, eviction: Default::default() };
//! let mut cache = BlockManager::new(options)?;
//! let (handle, inbox) = handle::channel();
//! let server = std::thread::spawn(move || handle.call(|cache: &mut BlockManager| cache.admit("", &[1, 2, 3])));
//! while !server.is_finished() {
//!     inbox.run(&mut cache);
//!     // ... a decode step on `&mut cache`: nothing to lock, nobody to wait for
//! }
//! let admitted = server.join().expect("the server's thread")??;
//! assert_eq!(cache.len(admitted.id)?, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The owner never waits: an empty inbox costs it one look at a queue.

use std::sync::mpsc::{self, Receiver, Sender};

type Task<C> = Box<dyn FnOnce(&mut C) + Send>;

/// The owner of the cache is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the thread that owns the cache has gone: nobody runs what is asked of it")]
pub struct Closed;

/// Asks the owner of a cache for things. Clones ask the same one.
#[derive(Debug)]
pub struct Handle<C> {
    tasks: Sender<Task<C>>,
}

impl<C> Clone for Handle<C> {
    fn clone(&self) -> Self {
        Handle { tasks: self.tasks.clone() }
    }
}

/// The owner's end.
#[derive(Debug)]
pub struct Inbox<C> {
    tasks: Receiver<Task<C>>,
}

/// Both ends, for a cache of type `C`.
pub fn channel<C: 'static>() -> (Handle<C>, Inbox<C>) {
    let (sender, receiver) = mpsc::channel();
    (Handle { tasks: sender }, Inbox { tasks: receiver })
}

impl<C: 'static> Handle<C> {
    /// Has the owner run `task`, and waits for what it gives. Not to be called by the owner, who would wait for itself.
    ///
    /// # Errors
    /// The owner is gone.
    pub fn call<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut C) -> T + Send + 'static,
    ) -> Result<T, Closed> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.post(move |cache| {
            // Whoever asked may have gone.
            let _ = reply.send(task(cache));
        })?;
        answer.recv().map_err(|_| Closed)
    }

    /// Has the owner run `task` some time.
    ///
    /// # Errors
    /// The owner is gone.
    pub fn post(&self, task: impl FnOnce(&mut C) + Send + 'static) -> Result<(), Closed> {
        self.tasks.send(Box::new(task)).map_err(|_| Closed)
    }
}

impl<C> Inbox<C> {
    /// Runs what has been asked for so far, in order; gives how many tasks that were. Never waits.
    pub fn run(&self, cache: &mut C) -> usize {
        self.tasks.try_iter().map(|task| task(cache)).count()
    }

    /// Waits for one task and runs it; for an owner with nothing else to do. `false` when nobody can ask any more.
    pub fn run_one(&self, cache: &mut C) -> bool {
        self.tasks.recv().map(|task| task(cache)).is_ok()
    }
}
