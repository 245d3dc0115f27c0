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
//! Invariants: a plan is made of checked arguments, so its items are good, whatever kernels do with them; an error
//! changes nothing; nothing that a launch is given depends on the batch but the words of the workspace.

mod capacity;
mod cascade;
mod error;
mod merge;
mod run;
mod show;
mod split;
mod unit;
mod visible;
mod workspace;

pub use capacity::Capacity;
pub use error::PlanError;
pub use run::{PlanReport, PlannedLaunch};

use crate::args::{Argument, Ragged};
use crate::batch::Batch;
use crate::device::Device;
use crate::kernels::Kernel;
use crate::launch::may_fold;
use crate::launch_error::LaunchError;
use crate::tensor::Tensor;
use capacity::{ClassSetup, MOST, MergeSetup, lay_out};
use cascade::Group;
use flashpage_codegen::attention::{Attention, recognise};
use flashpage_codegen::program::{DType, Program};
use flashpage_codegen::schedule::Tuning;
use flashpage_codegen::{Arch, ShapeClass, Spec, Work};
use split::{Budget, choose};
use std::ops::Range;
use std::sync::Arc;
use unit::{InGroup, Stretch, Unit, class_of, units};
use visible::Visible;

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

/// Sequences of a batch whose first tokens lie in the same blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedPrefix {
    /// Sequences next to each other in the batch.
    pub sequences: Range<usize>,
    /// Tokens they share: whole blocks.
    pub tokens: usize,
}

/// Everything about a planner that is not on a device.
#[derive(Debug)]
struct Setup {
    capacity: Capacity,
    options: PlanOptions,
    dtype: DType,
    head_dim: usize,
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

impl Planner {
    /// A planner for batches of `program` with arguments like these: the same heads, types, block size and layouts.
    /// Compiles the kernels of every class that `capacity` needs and takes memory for the workspace.
    ///
    /// # Errors
    /// A capacity of nothing, arguments that do not fit the program, or a device that fails.
    pub fn new(
        device: &Device,
        program: &Program,
        arguments: &[Argument<'_>],
        capacity: Capacity,
        options: PlanOptions,
    ) -> Result<Planner, PlanError> {
        capacity.check()?;
        let batch = Batch::check(program, arguments)?;
        batch.on_device(device)?;
        let folds = may_fold(&batch);
        let attention = recognise(program, folds).map_err(flashpage_codegen::CompileError::from);
        let attention = attention.map_err(LaunchError::from)?;
        let spec = |shape, work| Spec {
            arch: options.arch.unwrap_or(device.arch()),
            dtype: batch.dtype,
            head_dim: batch.head_dim,
            block_size: batch.block_size,
            shape,
            tuning: options.tuning,
            work,
            fold_scale: folds,
        };
        let kernel = |shape, work| device.kernels().get(device, program, &spec(shape, work));
        // One way of packing for all classes, so that the rows of a token are the same rows in each.
        let group = batch.group();
        let narrowest = kernel(ShapeClass::for_rows(group), Work::List)?;
        let packed_heads = narrowest.compiled.schedule.packed_heads(ShapeClass::Decode, group).max(1);
        let head_blocks = (batch.q_heads / packed_heads).max(1);
        let all_rows = capacity.q_tokens.saturating_mul(batch.q_heads.max(1));
        let (mut kernels, mut classes) = (Vec::new(), Vec::new());
        for class in ClassSetup::classes(&capacity, packed_heads) {
            let pair = [kernel(class, Work::List)?, kernel(class, Work::Partials)?];
            let schedule = &pair[0].compiled.schedule;
            let tile_rows = schedule.rows_per_tile(packed_heads);
            let blocks = device.sms().max(1) as usize * schedule.blocks_per_sm.max(1) as usize;
            let slots = blocks.min(MOST);
            let split_items = match capacity.split_items {
                _ if attention.output.is_none() => 0,
                Some(items) => items,
                None => (4 * slots).min(all_rows.saturating_mul(capacity.splits)),
            };
            classes.push(ClassSetup {
                class,
                tile_rows,
                cols: schedule.cols,
                slots,
                walks: schedule.roles.is_some(),
                whole_items: ClassSetup::most_items(class, &capacity, packed_heads, tile_rows, head_blocks),
                split_items,
                whole_list: 0,
                split_list: 0,
            });
            kernels.push(pair);
        }
        let of_items: usize =
            classes.iter().map(|class| class.split_items.saturating_mul(class.tile_rows)).sum();
        let partial_rows =
            capacity.partial_rows.unwrap_or(of_items).min(all_rows.saturating_mul(capacity.splits));
        let merge = lay_out(&mut classes, all_rows.min(partial_rows), partial_rows);
        let most = i32::MAX as usize;
        for (field, value) in [("partial_rows", partial_rows), ("q_tokens", merge.words)] {
            if value > most {
                let takes =
                    "the workspace must have fewer than 2^31 words and partial rows: plan smaller batches";
                return Err(PlanError::Capacity { field, value, takes });
            }
        }
        let setup = Setup {
            capacity,
            options,
            dtype: batch.dtype,
            head_dim: batch.head_dim,
            q_heads: batch.q_heads,
            kv_heads: batch.kv_heads,
            block_size: batch.block_size,
            folds,
            packed_heads,
            classes,
            merge,
        };
        let unasked = if attention.lse.is_none() { all_rows } else { 0 };
        Ok(Planner {
            device: device.clone(),
            lse_unasked: Tensor::filled_nan(device, DType::F32, &[unasked])?,
            program: program.clone(),
            attention,
            workspace: Tensor::zeros(device, DType::I32, &[merge.words])?,
            o_part: Tensor::filled_nan(device, DType::F32, &[partial_rows, batch.head_dim])?,
            lse_part: Tensor::filled_nan(device, DType::F32, &[partial_rows])?,
            setup,
            kernels,
        })
    }

    /// What it was made for.
    pub fn capacity(&self) -> &Capacity {
        &self.setup.capacity
    }

    /// Works out a batch. `prefixes` names the sequences that begin with the same blocks, in order; each is computed
    /// once where that pays and the program allows it.
    ///
    /// # Errors
    /// Arguments that do not fit, a batch over the capacity, or prefixes that are not shared.
    pub fn plan(&self, arguments: &[Argument<'_>], prefixes: &[SharedPrefix]) -> Result<Plan, PlanError> {
        let batch = Batch::check(&self.program, arguments)?;
        self.same_make(&batch)?;
        self.within_capacity(&batch)?;
        cascade::check(&batch, prefixes)?;
        let visible = Visible::new(&self.attention, arguments);
        let mut notes = Vec::new();
        let groups = self.groups(&batch, prefixes, &visible, &mut notes);
        if let Some(plan) = self.with_groups(&batch, &visible, &groups, &notes) {
            return Ok(plan);
        }
        if !groups.is_empty() {
            notes.push("prefixes are not shared: there is no room for their partial results".into());
            if let Some(plan) = self.with_groups(&batch, &visible, &[], &notes) {
                return Ok(plan);
            }
        }
        // Only parts that were asked for can be too many: one part a unit always fits.
        Err(PlanError::Parts {
            parts: self.setup.options.parts.unwrap_or(1),
            items: self.setup.classes.iter().map(|class| class.split_items).max().unwrap_or(0),
            rows: self.setup.merge.partial_rows,
        })
    }

    fn same_make(&self, batch: &Batch<'_>) -> Result<(), PlanError> {
        let setup = &self.setup;
        let same = |what, was: String, is: String| {
            if was == is { Ok(()) } else { Err(PlanError::Changed { what, was, is }) }
        };
        same("the element type", setup.dtype.to_string(), batch.dtype.to_string())?;
        same("head_dim", setup.head_dim.to_string(), batch.head_dim.to_string())?;
        same("q_heads", setup.q_heads.to_string(), batch.q_heads.to_string())?;
        same("kv_heads", setup.kv_heads.to_string(), batch.kv_heads.to_string())?;
        same("the block size", format!("{:?}", setup.block_size), format!("{:?}", batch.block_size))?;
        let sign = |folds: bool| if folds { "above zero" } else { "not above zero" }.to_owned();
        same("the scale of the scores", sign(setup.folds), sign(may_fold(batch)))
    }

    fn within_capacity(&self, batch: &Batch<'_>) -> Result<(), PlanError> {
        let Capacity { q_tokens, sequences, q_len, .. } = self.setup.capacity;
        let starts = batch.query.starts;
        let table = [
            ("query tokens", starts.tokens(), q_tokens, "q_tokens"),
            ("sequences", batch.sequences(), sequences, "sequences"),
            ("query tokens in one sequence", starts.longest(), q_len, "q_len"),
        ];
        for (what, value, most, field) in table {
            if value > most {
                return Err(PlanError::OverCapacity { what, value, most, field });
            }
        }
        Ok(())
    }

    /// The prefixes that are computed once.
    fn groups(
        &self,
        batch: &Batch<'_>,
        prefixes: &[SharedPrefix],
        visible: &Visible,
        notes: &mut Vec<String>,
    ) -> Vec<Group> {
        if prefixes.is_empty() {
            return Vec::new();
        }
        if !self.setup.capacity.cascade {
            notes.push("prefixes are not shared: set `Capacity::cascade` to have the kernels for it".into());
            return Vec::new();
        }
        if let Some(why) = cascade::obstacle(&self.attention, visible) {
            notes.push(format!("prefixes of `{}` are not shared: {why}", self.program.name));
            return Vec::new();
        }
        let Setup { packed_heads, head_dim, dtype, ref classes, .. } = self.setup;
        let starts = batch.query.starts;
        let mut groups = Vec::new();
        for SharedPrefix { sequences, tokens } in prefixes {
            let own = |sequence: usize| starts.len_of(sequence) * packed_heads;
            let rows: usize = sequences.clone().map(own).sum();
            let name = format!("the prefix of sequences {} to {}", sequences.start, sequences.end - 1);
            let into = sequences.clone().find(|s| batch.kv_lens[*s] < starts.len_of(*s) + tokens);
            if let Some(into) = into {
                notes.push(format!("{name} is not shared: the queries of sequence {into} begin inside it"));
                continue;
            }
            if rows == 0 || *tokens == 0 {
                continue;
            }
            let tiles = |rows: usize| rows.div_ceil(classes[class_of(classes, rows)].tile_rows);
            let apart = sequences.clone().map(|sequence| tiles(own(sequence))).sum();
            let pays = cascade::pays(apart, tiles(rows), *tokens, rows, head_dim, dtype.bytes());
            if !pays && !self.setup.options.always_cascade {
                notes.push(format!("{name} is not shared: merging would cost more than it saves"));
                continue;
            }
            groups.push(Group { sequences: sequences.clone(), tokens: *tokens, rows });
        }
        groups
    }

    fn stretches(&self, batch: &Batch<'_>, groups: &[Group]) -> Vec<Stretch> {
        let starts = batch.query.starts;
        let kv_starts = batch.arguments.iter().zip(&self.program.params).enumerate().find_map(
            |(index, (argument, _))| match argument {
                Argument::Ragged(Ragged { starts, .. }) if index == self.attention.k.0 => Some(*starts),
                _ => None,
            },
        );
        let mut stretches = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            let (first, last) = (group.sequences.start, group.sequences.end - 1);
            let q_begin = starts.start_of(first);
            stretches.push(Stretch {
                q_begin,
                q_len: starts.start_of(last) + starts.len_of(last) - q_begin,
                // Past the prefix: every row sees all of it.
                q_position: group.tokens as i64,
                sequence: first,
                kv_begin: 0,
                cols: 0..group.tokens,
                in_group: Some(InGroup { group: index, row: 0, is_prefix: true }),
            });
        }
        for sequence in 0..batch.sequences() {
            let (q_begin, q_len, kv_len) =
                (starts.start_of(sequence), starts.len_of(sequence), batch.kv_lens[sequence]);
            if q_len == 0 {
                continue;
            }
            let index = groups.iter().position(|group| group.sequences.contains(&sequence));
            let in_group = index.map(|group| {
                let first = starts.start_of(groups[group].sequences.start);
                InGroup { group, row: (q_begin - first) * self.setup.packed_heads, is_prefix: false }
            });
            stretches.push(Stretch {
                q_begin,
                q_len,
                q_position: kv_len as i64 - q_len as i64,
                sequence,
                kv_begin: kv_starts.map_or(0, |starts| starts.start_of(sequence)),
                cols: index.map_or(0, |group| groups[group].tokens)..kv_len,
                in_group,
            });
        }
        stretches
    }

    /// The plan with these prefixes shared; `None` if it does not fit.
    fn with_groups(
        &self,
        batch: &Batch<'_>,
        visible: &Visible,
        groups: &[Group],
        notes: &[String],
    ) -> Option<Plan> {
        let setup = &self.setup;
        let stretches = self.stretches(batch, groups);
        let mut by_class: Vec<Vec<Unit>> = vec![Vec::new(); setup.classes.len()];
        for (index, stretch) in stretches.iter().enumerate() {
            let class = class_of(&setup.classes, stretch.q_len * setup.packed_heads);
            by_class[class].extend(units(index, stretch, &setup.classes[class], setup.packed_heads, visible));
        }
        let mut rows = setup.merge.partial_rows;
        let mut choices = Vec::new();
        for (units, class) in by_class.iter_mut().zip(&setup.classes) {
            let budget = Budget { parts: setup.capacity.splits, items: class.split_items, rows };
            let choice = choose(units, setup.head_blocks(), class.slots, budget, setup.options.parts)?;
            let partial = units.iter().filter(|unit| unit.is_partial);
            let used: usize = partial.map(|unit| unit.parts * unit.rows.len()).sum();
            rows = rows.saturating_sub(used * setup.head_blocks());
            choices.push(choice);
        }
        let lists = workspace::lists(setup, &stretches, &by_class, groups);
        if lists.partial_rows > setup.merge.partial_rows || lists.merges.len() > setup.merge.rows {
            return None;
        }
        let classes = choices.iter().zip(&setup.classes).enumerate().map(|(index, (choice, class))| {
            let (whole_items, split_items) = (lists.whole[index].len(), lists.split[index].len());
            let waves = [choice.whole, choice.split]
                .map(|load| load.items.div_ceil(class.slots as u64))
                .iter()
                .sum::<u64>();
            let time = choice.whole.time(class.slots) + choice.split.time(class.slots);
            let busy = (choice.whole.total + choice.split.total) as f64;
            ClassPlan {
                class: class.class,
                tile: (class.tile_rows, class.cols),
                packed_heads: setup.packed_heads,
                whole_items,
                split_items,
                parts: choice.parts,
                slots: class.slots,
                waves: waves as usize,
                efficiency: if time == 0 { 1.0 } else { busy / (time as f64 * class.slots as f64) },
            }
        });
        Some(Plan {
            sequences: batch.sequences(),
            q_tokens: batch.query.starts.tokens(),
            kv_tokens: batch.kv_lens.iter().sum(),
            classes: classes.collect(),
            groups: groups
                .iter()
                .map(|group| SharedPrefix { sequences: group.sequences.clone(), tokens: group.tokens })
                .collect(),
            notes: notes.to_vec(),
            merged_rows: lists.merges.len(),
            partial_rows: lists.partial_rows,
            words: workspace::words(setup, &lists),
            starts: batch.query.starts.as_slice().to_vec(),
            kv_lens: batch.kv_lens.clone(),
            layout: setup.merge,
        })
    }
}
