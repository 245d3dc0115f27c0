//! Planning a batch: checks, stretches of the sequences and of the prefixes they share, units, parts, words.

use super::cascade::{self, Group};
use super::error::PlanError;
use super::split::{Budget, choose};
use super::unit::{InGroup, Stretch, Unit, class_of, units};
use super::visible::Visible;
use super::{Capacity, ClassPlan, Plan, Planner, Setup, SharedPrefix, workspace};
use crate::args::{Argument, Ragged};
use crate::batch::Batch;
use crate::launch::may_fold;

impl Planner {
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
        let lens = |sequence: usize| (batch.query.starts.len_of(sequence), batch.kv_lens[sequence]);
        let lens: Vec<(usize, usize)> = (0..batch.sequences()).map(lens).collect();
        let visible = Visible::new(&self.attention, arguments, &lens);
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
        if !self.attention.normalised {
            return Err(PlanError::NoSoftmax { kernel: self.program.name.clone() });
        }
        if self.attention.output.is_none() {
            return Err(PlanError::NoOutput { kernel: self.program.name.clone() });
        }
        // Only parts that were asked for can be too many: one part a unit always fits.
        Err(PlanError::Parts {
            parts: self.setup.options.parts.unwrap_or(1),
            items: self.setup.classes.iter().map(|class| class.split_items).max().unwrap_or(0),
            rows: self.setup.merge.partial_rows,
        })
    }

    pub(super) fn same_make(&self, batch: &Batch<'_>) -> Result<(), PlanError> {
        let setup = &self.setup;
        let same = |what, was: String, is: String| {
            if was == is { Ok(()) } else { Err(PlanError::Changed { what, was, is }) }
        };
        same("the element type", setup.dtype.to_string(), batch.dtype.to_string())?;
        same("the element type of keys and values", setup.kv_dtype.to_string(), batch.kv_dtype.to_string())?;
        same("the element type of the output", setup.output.to_string(), batch.output.to_string())?;
        same("head_dim", setup.head_dim.to_string(), batch.head_dim.to_string())?;
        same("q_heads", setup.q_heads.to_string(), batch.q_heads.to_string())?;
        same("kv_heads", setup.kv_heads.to_string(), batch.kv_heads.to_string())?;
        same("the block size", format!("{:?}", setup.block_size), format!("{:?}", batch.block_size))?;
        let sign = |folds: bool| if folds { "above zero" } else { "not above zero" }.to_owned();
        same("the scale of the scores", sign(setup.folds), sign(may_fold(batch, &self.attention)))
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
        if let Some(why) = cascade::obstacle(batch, &self.attention, visible) {
            notes.push(format!("prefixes of `{}` are not shared: {why}", self.program.name));
            return Vec::new();
        }
        let Setup { packed_heads, head_dim, kv_dtype, ref classes, .. } = self.setup;
        // Values that are the first numbers of keys are read with these.
        let of_values = if self.attention.has_values_in_keys() { 0 } else { head_dim.v };
        let column = (head_dim.qk + of_values) * kv_dtype.bytes();
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
            // Over the prefix, rows count as those of one sequence that has it alone before them.
            let queries: usize = sequences.clone().map(|sequence| starts.len_of(sequence)).sum();
            let together = (*tokens as i64, (tokens + queries) as i64 - 1);
            let sees_alike = |sequence: usize| {
                let (q_len, kv_len) = (starts.len_of(sequence) as i64, batch.kv_lens[sequence] as i64);
                let own = (kv_len - q_len, kv_len - 1);
                q_len == 0 || visible.sees_alike(*tokens, own, sequence)
            };
            if !visible.sees_alike(*tokens, together, sequences.start) || !sequences.clone().all(sees_alike) {
                notes.push(format!("{name} is not shared: the mask keeps rows from seeing all of it"));
                continue;
            }
            let tiles = |rows: usize| rows.div_ceil(classes[class_of(classes, rows)].tile_rows);
            let apart = sequences.clone().map(|sequence| tiles(own(sequence))).sum();
            let pays = cascade::pays(apart, tiles(rows), tokens * column, rows, head_dim.v);
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
        let fits = |(index, class): (usize, &super::ClassSetup)| {
            lists.whole[index].len() <= class.whole_items && lists.split[index].len() <= class.split_items
        };
        if lists.partial_rows > setup.merge.partial_rows
            || lists.merges.len() > setup.merge.rows
            || !setup.classes.iter().enumerate().all(fits)
        {
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
            words: workspace::words(setup, &lists, batch.sequences()),
            starts: batch.query.starts.as_slice().to_vec(),
            kv_lens: batch.kv_lens.clone(),
            scalars: scalars(batch.arguments),
            layout: setup.merge,
        })
    }
}

/// The integers and booleans among arguments.
pub(super) fn scalars(arguments: &[Argument<'_>]) -> Vec<i32> {
    let scalar = |argument: &Argument<'_>| match *argument {
        Argument::I32(value) => Some(value),
        Argument::Bool(value) => Some(i32::from(value)),
        _ => None,
    };
    arguments.iter().filter_map(scalar).collect()
}
