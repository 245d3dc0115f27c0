//! Merging partial results: one launch of the helper kernel over the merge list in the workspace.

use super::error::PlanError;
use super::{PlannedLaunch, Planner};
use crate::args::Argument;
use crate::device_kernels::{DeviceArray, MergeStates, merge_launch};
use crate::tensor::Tensor;
use flashpage_codegen::program::ParamId;

impl Planner {
    /// The launch that merges; `None` where nothing is ever cut.
    pub(super) fn merge_launch(
        &self,
        arguments: &[Argument<'_>],
    ) -> Result<Option<PlannedLaunch>, PlanError> {
        let merge = &self.setup.merge;
        let output = |param: Option<ParamId>| -> Option<&Tensor> {
            match arguments.get(param?.0) {
                Some(Argument::Output(tensor)) => Some(tensor),
                _ => None,
            }
        };
        let Some(o) = output(self.attention.output).filter(|_| merge.rows > 0) else { return Ok(None) };
        let words = |first: usize| DeviceArray { buffer: self.workspace.buffer(), byte_offset: 4 * first };
        let array = |index: usize| words(merge.array(index).start);
        let states = MergeStates {
            o_part: (&self.o_part).into(),
            lse_part: (&self.lse_part).into(),
            lse_numbers: self.attention.partial_lse_numbers(),
            partial_rows: merge.partial_rows,
            first: array(0),
            count: array(1),
            stride: array(2),
            out_row: array(3),
            rows_in_use: words(merge.count),
            capacity: merge.rows,
            o,
            // The kernel writes a log-sum-exp, whether the program asks for it or not.
            lse: output(self.attention.lse).unwrap_or(&self.lse_unasked),
            base: self.attention.lse_base,
        };
        let Some((module, entry, launch)) = merge_launch(&self.device, &states)? else { return Ok(None) };
        Ok(Some(PlannedLaunch { entry, launch, module, count: merge.count }))
    }
}
