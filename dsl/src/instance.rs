//! The instance that is running on this thread, and the tiles it owns.
//!
//! Tiles are handed around as `Copy` handles, so that a kernel may use `q` in every iteration. What a handle
//! stands for lies here and goes when the instance ends. So that a long sequence does not fill the memory, a
//! tile made in the loop also goes when its iteration ends, unless a variable that outlives the iteration
//! holds it: that is what [`Instance::keep`] is told by `acc += …` and `softmax.step(…, &mut acc)`.

use crate::host::HostError;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

/// A stretch of an axis: the logical position of its first element, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub(crate) first: i32,
    pub(crate) len: usize,
}

/// A tile's numbers, row-major.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    pub rows: Span,
    pub cols: Span,
    pub data: Vec<f32>,
}

impl Grid {
    pub fn zeros(rows: Span, cols: Span) -> Grid {
        Grid { rows, cols, data: vec![0.0; rows.len * cols.len] }
    }
}

/// What an instance has a tile of for all its run; of the other it sees tile by tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owns {
    Rows,
    Cols,
}

/// One run of a kernel function: a query head of a sequence and a tile of its rows, or a KV head and a tile of its columns.
#[derive(Debug)]
pub struct Instance {
    pub(crate) owns: Owns,
    pub(crate) seq: usize,
    /// The query head; of one that owns columns, that of the current row tile.
    pub(crate) head: usize,
    pub(crate) kv_head: usize,
    pub(crate) kv_heads: usize,
    /// The sequence's first token among all the queries.
    pub(crate) q_start: usize,
    /// The queries of this tile, or of the current one, counted from the sequence's first.
    pub(crate) rows: Range<usize>,
    /// Query heads that share the KV head.
    pub(crate) group: usize,
    pub(crate) q_len: usize,
    /// The logical position of the sequence's first query: `kv_len - q_len`.
    pub(crate) row_origin: i32,
    pub(crate) kv_len: usize,
    /// The sequence's first token among those that keys and values laid end to end have.
    pub(crate) kv_start: usize,
    /// Rows or columns of the tiles that it sees.
    pub(crate) tile_len: usize,
    pub(crate) cols: Range<usize>,
    fault: Option<HostError>,
    tiles: HashMap<u64, Grid>,
    next_tile: u64,
    /// The first tile made in the loop; none before it.
    loop_begin: Option<u64>,
    /// Tiles made in the loop that a variable of the enclosing scope holds.
    kept: Vec<u64>,
}

thread_local! {
    static CURRENT: RefCell<Option<Instance>> = const { RefCell::new(None) };
}

impl Instance {
    pub(crate) fn new(owns: Owns, seq: usize, head: usize, kv_head: usize) -> Instance {
        Instance {
            owns,
            seq,
            head,
            kv_head,
            kv_heads: 0,
            q_start: 0,
            rows: 0..0,
            group: 1,
            q_len: 0,
            row_origin: 0,
            kv_len: 0,
            kv_start: 0,
            tile_len: 1,
            cols: 0..0,
            fault: None,
            tiles: HashMap::new(),
            next_tile: 0,
            loop_begin: None,
            kept: Vec::new(),
        }
    }

    pub(crate) fn row_span(&self) -> Span {
        Span { first: self.row_origin.wrapping_add(self.rows.start as i32), len: self.rows.len() }
    }

    pub(crate) fn col_span(&self) -> Span {
        Span { first: self.cols.start as i32, len: self.cols.len() }
    }

    /// Remembers an error for the driver.
    pub(crate) fn check(&mut self, result: Result<(), HostError>) {
        if let Err(error) = result {
            self.fault(error);
        }
    }

    /// Remembers what went wrong, if nothing had: the driver returns it.
    pub(crate) fn fault(&mut self, error: HostError) {
        self.fault.get_or_insert(error);
    }

    /// Stores a tile and gives its handle.
    pub(crate) fn put(&mut self, grid: Grid) -> u64 {
        let id = self.next_tile;
        self.next_tile += 1;
        self.tiles.insert(id, grid);
        id
    }

    /// A copy of a tile's numbers; a fault and zeros if its iteration is over.
    pub(crate) fn get(&mut self, id: u64, rows: Span, cols: Span) -> Grid {
        match self.tiles.get(&id) {
            Some(grid) => grid.clone(),
            None => {
                self.fault(HostError::StaleTile);
                Grid::zeros(rows, cols)
            }
        }
    }

    /// `new` takes the place of `old` in a variable that may outlive the iteration.
    pub(crate) fn keep(&mut self, old: u64, new: u64) {
        // A copy of `old` may still be read in this iteration, so it goes with the iteration, not now.
        self.kept.retain(|&id| id != old);
        self.kept.push(new);
    }

    /// Begins the next iteration over `tile`, which is of `head` where it is rows, or ends the loop with an empty range.
    pub(crate) fn begin_iteration(&mut self, tile: Range<usize>, head: usize) {
        let begin = *self.loop_begin.get_or_insert(self.next_tile);
        self.tiles.retain(|id, _| *id < begin || self.kept.contains(id));
        match self.owns {
            Owns::Rows => self.cols = tile,
            Owns::Cols => (self.rows, self.head) = (tile, head),
        }
    }

    /// Notes it if the kernel does what only one can whose instances own something else than this one.
    pub(crate) fn expect(&mut self, owns: Owns) {
        if self.owns != owns {
            self.fault(HostError::Owner { owns_rows: self.owns == Owns::Rows });
        }
    }
}

/// Runs `kernel` as this instance and gives what went wrong, if anything.
pub(crate) fn run(instance: Instance, kernel: &mut dyn FnMut()) -> Result<(), HostError> {
    /// Puts back what was current, even when the kernel panics.
    struct Restore(Option<Instance>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.with(|current| current.replace(self.0.take()));
        }
    }

    let restore = Restore(CURRENT.with(|current| current.replace(Some(instance))));
    kernel();
    let done = CURRENT.with(|current| current.take());
    drop(restore);
    match done.and_then(|instance| instance.fault) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Lends the current instance. User closures never run inside, so this cannot be entered twice.
///
/// # Panics
/// When no instance is running: tiles mean nothing outside [`crate::host::Batch::run`].
pub(crate) fn with<R>(f: impl FnOnce(&mut Instance) -> R) -> R {
    CURRENT.with(|current| match current.borrow_mut().as_mut() {
        Some(instance) => f(instance),
        None => panic!("a kernel function runs on the host inside `flashpage::dsl::host::Batch::run`"),
    })
}
