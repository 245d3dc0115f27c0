//! Merging partial results: `o = Σ wᵢ oᵢ / Σ wᵢ` with `wᵢ = exp(lseᵢ - max)`, and `lse = max + ln Σ wᵢ`.

use super::error::PlanError;
use super::{Plan, Planner};
use crate::args::Argument;
use crate::tensor::Tensor;
use flashpage_codegen::program::DType;
use half::{bf16, f16};

impl Planner {
    /// Merges on the host.
    pub(super) fn merge(&self, plan: &Plan, arguments: &[Argument<'_>]) -> Result<(), PlanError> {
        if plan.merged_rows == 0 {
            return Ok(());
        }
        let tensor = |param: Option<flashpage_codegen::program::ParamId>| -> Option<&Tensor> {
            match arguments.get(param?.0) {
                Some(Argument::Output(tensor)) => Some(tensor),
                _ => None,
            }
        };
        let (o, lse) = (tensor(self.attention.output), tensor(self.attention.lse));
        let (o_part, lse_part) = (self.o_part.to_f32_vec()?, self.lse_part.to_f32_vec()?);
        let dim = self.setup.head_dim;
        let word = |array: usize, index: usize| plan.words[self.setup.merge.array(array)][index] as usize;
        for index in 0..plan.merged_rows {
            let (first, parts, stride, to) = (word(0, index), word(1, index), word(2, index), word(3, index));
            let rows: Vec<usize> = (0..parts).map(|part| first + part * stride).collect();
            let largest = rows.iter().map(|row| lse_part[*row]).fold(f32::NEG_INFINITY, f32::max);
            let weights: Vec<f32> = rows
                .iter()
                .map(|row| if largest == f32::NEG_INFINITY { 0.0 } else { (lse_part[*row] - largest).exp() })
                .collect();
            let sum: f32 = weights.iter().sum();
            if let Some(lse) = lse {
                lse.write(to, &[if sum > 0.0 { largest + sum.ln() } else { f32::NEG_INFINITY }])?;
            }
            let Some(o) = o else { continue };
            let element = |d: usize| {
                let total: f32 = rows.iter().zip(&weights).map(|(row, w)| w * o_part[row * dim + d]).sum();
                if sum > 0.0 { total / sum } else { 0.0 }
            };
            match o.dtype() {
                DType::Bf16 => {
                    let row: Vec<bf16> = (0..dim).map(|d| bf16::from_f32(element(d))).collect();
                    o.write(to * dim, &row)?;
                }
                _ => {
                    let row: Vec<f16> = (0..dim).map(|d| f16::from_f32(element(d))).collect();
                    o.write(to * dim, &row)?;
                }
            }
        }
        Ok(())
    }
}
