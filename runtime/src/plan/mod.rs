//! Planning a batch: which tiles of rows and columns are computed by which launch, so that the device is full, whatever
//! the lengths.
//!
//! ```text
//! lengths ─▶ units (unit) ─▶ parts of each (split) ─▶ items and merges (workspace) ─▶ words ─▶ device
//!   shared prefixes (cascade) ─▲        ▲─ what masks leave (visible)
//! ```
//!
//! - A [`Planner`] is made once, for the largest batch there will be ([`Capacity`]): it compiles the kernels, takes the
//!   memory, and fixes every launch. [`Planner::plan`] then works out a batch, [`Planner::run`] uploads its words and
//!   launches. With captured launches ([`Planner::launches`]) a step is a plan, [`Planner::upload`] and a replay.
//! - A batch may mix prefill, append and decode: each sequence goes to the kernels of its class.
//! - Rows whose keys are cut into parts leave partial results, which are merged in a fixed order: the same batch gives
//!   the same plan and the same bits.
//!
//! Which kernel a class has, which launches there are and what each is given follows from the capacity alone:
//!
//! | launch | items | results |
//! |---|---|---|
//! | decode, append, prefill ([`Work::List`](flashpage_codegen::Work::List)) | row tiles that nothing cuts | the outputs |
//! | decode, append, prefill ([`Work::Partials`](flashpage_codegen::Work::Partials)) | parts of the others | f32, with log-sum-exps |
//! | `merge_states` | rows with several parts | the outputs |
//!
//! All classes pack the same heads into the rows of a tile, so that row `r` of a sequence is the same token and head in
//! each. Launches follow one another; how well one class fills the device does not depend on another's. On Hopper a launch
//! begins while the one before it is finishing, and waits for its end before it reads anything ([`Launch::programmatic`]).
//!
//! [`Launch::programmatic`]: crate::device::Launch::programmatic
//!
//! ```
//! use flashpage_codegen::frontend::parse_source;
//! use flashpage_runtime::problem::Problem;
//! use flashpage_runtime::{Capacity, Device, PlanOptions, Planner};
//!
//! let program = parse_source(
//!     "#[attention_kernel]
//!      fn full<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>) {
//!          let q = q.tile();
//!          let mut softmax = OnlineSoftmax::new();
//!          let mut acc = Tile::zeros();
//!          for cols in k.tiles() {
//!              let p = softmax.step(dot(q, k.load(cols).t()), &mut acc);
//!              acc += dot(p, v.load(cols));
//!          }
//!          o.store(softmax.finish(acc));
//!      }",
//! )?;
//! let device = Device::emulator();
//! // A decode over 900 keys and a prompt of 40, made up.
//! let inputs = Problem { lens: vec![(1, 900), (40, 40)], ..Problem::default() }.inputs(&device, &program)?;
//! let arguments = inputs.arguments();
//! let planner =
//!     Planner::new(&device, &program, &arguments, Capacity::new(64, 8), PlanOptions::default())?;
//! let plan = planner.plan(&arguments, &[])?;
//! println!("{plan}");
//! assert_eq!(plan.merged_rows, 1);
//! planner.run(&plan, &arguments)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants: a plan is made of checked arguments, so its items are good, whatever kernels do with them; an error
//! changes nothing; nothing that a launch is given depends on the batch but the words of the workspace.

mod batch_plan;
mod capacity;
mod cascade;
mod error;
mod make;
mod merge;
mod run;
mod show;
mod split;
mod unit;
mod visible;
mod workspace;

pub use capacity::Capacity;
pub use error::PlanError;
pub use flashpage_cache::SharedPrefix;
pub use run::{PlanReport, PlannedLaunch};

use crate::device::Device;
use crate::kernels::Kernel;
use crate::tensor::Tensor;
use capacity::{ClassSetup, MergeSetup};
use flashpage_codegen::analysis::attention::Attention;
use flashpage_codegen::program::{DType, Program};
use flashpage_codegen::schedule::Tuning;
use flashpage_codegen::{Arch, HeadDim, ShapeClass};
use std::sync::Arc;

/// What a planner may be told beyond its capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// Target, instead of the device's.
    pub arch: Option<Arch>,
    /// What of the schedules is not the table's.
    pub tuning: Tuning,
    /// Into how many parts the keys of every row are cut, as far as there are tiles, instead of what balances.
    pub parts: Option<usize>,
    /// Shares prefixes also where it does not pay.
    pub always_cascade: bool,
}

/// Everything about a planner that is not on a device.
#[derive(Debug)]
struct Setup {
    capacity: Capacity,
    options: PlanOptions,
    dtype: DType,
    /// Of keys and values.
    kv_dtype: DType,
    output: DType,
    head_dim: HeadDim,
    q_heads: usize,
    kv_heads: usize,
    block_size: Option<usize>,
    /// Whether the kernels fold the scale of the scores.
    folds: bool,
    /// Query heads whose rows share a tile, of every class alike.
    packed_heads: usize,
    classes: Vec<ClassSetup>,
    merge: MergeSetup,
}

impl Setup {
    fn head_blocks(&self) -> usize {
        self.q_heads / self.packed_heads.max(1)
    }
}

/// Plans batches of one program on one device, and runs them.
#[derive(Debug)]
pub struct Planner {
    device: Device,
    program: Program,
    attention: Attention,
    setup: Setup,
    /// Of each class: the kernel that writes outputs, and the one that leaves partial results.
    kernels: Vec<[Arc<Kernel>; 2]>,
    workspace: Tensor,
    o_part: Tensor,
    lse_part: Tensor,
    /// Where the log-sum-exp goes of a program that stores none.
    lse_unasked: Tensor,
}

/// A batch worked out: the words of the workspace, and what they say.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// Sequences of the batch.
    pub sequences: usize,
    /// Query tokens of the batch.
    pub q_tokens: usize,
    /// Keys of the batch.
    pub kv_tokens: usize,
    /// What each class's kernels do.
    pub classes: Vec<ClassPlan>,
    /// Prefixes that are computed once.
    pub groups: Vec<SharedPrefix>,
    /// What was asked for and not done, and why.
    pub notes: Vec<String>,
    /// Output rows that are merged.
    pub merged_rows: usize,
    /// Rows of partial results.
    pub partial_rows: usize,
    words: Vec<i32>,
    /// What it was made for: where queries begin, and how many keys there are.
    starts: Vec<i32>,
    kv_lens: Vec<usize>,
    /// The integers and booleans among its arguments: a window says which columns there is work in.
    scalars: Vec<i32>,
    /// The layout of its words.
    layout: MergeSetup,
}

impl Plan {
    /// The words that [`Planner::upload`] writes.
    pub fn words(&self) -> &[i32] {
        &self.words
    }
}

/// What the kernels of a class do in a plan.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClassPlan {
    /// The class.
    pub class: ShapeClass,
    /// Rows and columns of a tile.
    pub tile: (usize, usize),
    /// Query heads whose rows share a tile.
    pub packed_heads: usize,
    /// Items that write outputs.
    pub whole_items: usize,
    /// Items that leave partial results.
    pub split_items: usize,
    /// Most parts into which the keys of a row tile are cut.
    pub parts: usize,
    /// Blocks that run at once.
    pub slots: usize,
    /// How often those are filled.
    pub waves: usize,
    /// The estimated share of the time that blocks are at work.
    pub efficiency: f64,
}
