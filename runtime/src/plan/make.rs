//! Making a planner: which kernels, what fits into each of their lists, and the memory for it.

use super::capacity::{ClassSetup, MOST, lay_out};
use super::error::PlanError;
use super::{Capacity, PlanOptions, Planner, Setup};
use crate::args::Argument;
use crate::batch::Batch;
use crate::device::Device;
use crate::launch::may_fold;
use crate::launch_error::LaunchError;
use crate::tensor::Tensor;
use flashpage_codegen::analysis::attention::recognise;
use flashpage_codegen::program::{DType, Program};
use flashpage_codegen::{ShapeClass, Spec, Work};

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
        let attention = recognise(program, true).map_err(flashpage_codegen::CompileError::from);
        let attention = attention.map_err(LaunchError::from)?;
        let folds = may_fold(&batch, &attention);
        let spec = |shape, work| Spec {
            arch: options.arch.unwrap_or(device.arch()),
            dtype: batch.dtype,
            kv_dtype: batch.kv_dtype,
            output: batch.output,
            head_dim: batch.head_dim,
            block_size: batch.block_size,
            shape,
            tuning: options.tuning,
            work,
            values: batch.values,
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
                // What is added up would have to be added again, and is not merged.
                _ if attention.output.is_none() || !attention.normalised => 0,
                Some(items) => items,
                None => {
                    let shared = match (capacity.cascade, class) {
                        // What each sequence has beyond its prefix, and the prefixes themselves.
                        (true, ShapeClass::Decode) => {
                            2 * capacity.sequences.min(capacity.q_tokens) * head_blocks
                        }
                        _ => 0,
                    };
                    let items = ClassSetup::default_split_items(class, slots) + shared;
                    items.min(all_rows.saturating_mul(capacity.splits + usize::from(capacity.cascade)))
                }
            };
            classes.push(ClassSetup {
                class,
                tile_rows,
                cols: schedule.cols,
                slots,
                walks: schedule.roles().is_some(),
                whole_items: ClassSetup::most_items(class, &capacity, packed_heads, tile_rows, head_blocks),
                split_items,
                whole_list: 0,
                split_list: 0,
            });
            kernels.push(pair);
        }
        let of_items = classes.iter().map(ClassSetup::most_partial_rows).fold(0, usize::saturating_add);
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
            kv_dtype: batch.kv_dtype,
            output: batch.output,
            head_dim: batch.head_dim,
            q_heads: batch.q_heads,
            kv_heads: batch.kv_heads,
            block_size: batch.block_size,
            folds,
            packed_heads,
            classes,
            merge,
        };
        let lse_numbers = attention.partial_lse_numbers();
        let unasked = if attention.lse.is_none() { all_rows } else { 0 };
        Ok(Planner {
            device: device.clone(),
            lse_unasked: Tensor::filled_nan(device, DType::F32, &[unasked])?,
            program: program.clone(),
            attention,
            workspace: Tensor::zeros(device, DType::I32, &[merge.words])?,
            o_part: Tensor::filled_nan(device, DType::F32, &[partial_rows, batch.head_dim.v])?,
            lse_part: Tensor::filled_nan(device, DType::F32, &[partial_rows, lse_numbers])?,
            setup,
            kernels,
        })
    }

    /// What it was made for.
    pub fn capacity(&self) -> &Capacity {
        &self.setup.capacity
    }
}
