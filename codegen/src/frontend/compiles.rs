//! Whether a program that was read is one that compiles, whatever it is compiled for; if not, errors at what is in the way.

use super::diagnostics::Errors;
use super::written::Written;
use crate::analysis::attention::recognise;
use crate::analysis::obstacles::{Obstacle, Place};
use crate::choice::{HEAD_DIMS, LATENT, ScheduleError};
use crate::program::{DType, ElementOf, Generic, Param, ParamId, ParamKind, Program};
use crate::spec::HeadDim;
use proc_macro2::TokenStream;
use syn::spanned::Spanned;

/// Said once, after all that is in the way.
const WAY_OUT: &str =
    "; or, for the host run and the reference alone, write `#[attention_kernel(reference)]`";

/// # Errors
/// Everything that is in the way, each thing where it is written, in the order of the source.
pub(super) fn check(function: &syn::ItemFn, program: &Program, written: &Written) -> Result<(), syn::Error> {
    let mut obstacles = fixed_dims(program);
    obstacles.extend(fixed_elements(program));
    if let Err(error) = recognise(program, true) {
        obstacles.extend(error.obstacles);
    }
    let mut found: Vec<(TokenStream, String)> = obstacles
        .into_iter()
        .map(|Obstacle { place, message }| (written.source(place, function), message))
        .collect();
    found.sort_by_key(|(source, _)| {
        let start = source.span().start();
        (start.line, start.column)
    });
    if let Some((_, message)) = found.last_mut() {
        message.push_str(WAY_OUT);
    }
    let mut errors = Errors::default();
    found.into_iter().for_each(|(source, message)| errors.push(source, message));
    errors.take().map_or(Ok(()), Err)
}

/// Element types that the author fixed, and that there are no kernels of.
fn fixed_elements(program: &Program) -> Vec<Obstacle> {
    let of = |element: &Generic<DType>, open: &[DType]| match element {
        Generic::Fixed(fixed) => vec![*fixed],
        Generic::Open(_) => open.to_vec(),
    };
    let outputs = [DType::F16, DType::Bf16, DType::F32];
    let inputs = of(program.input_element(), &outputs);
    let kv = of(program.kv_element(), &[outputs.as_slice(), &[DType::E4m3, DType::E5m2]].concat());
    let tensor = |whose| {
        let is_one = |param: &Param| param.element.is_some() && param.kind.element_of() == whose;
        Place::Param(ParamId(program.params.iter().position(is_one).unwrap_or(0)))
    };
    let mut obstacles = Vec::new();
    if !inputs.iter().any(|input| input.multiplies(*input)) {
        let message = format!(
            "there are no kernels of queries of {}: they are f16, bf16 or f32",
            inputs[0].type_name()
        );
        obstacles.push(Obstacle { place: tensor(ElementOf::Query), message });
    } else if !inputs.iter().any(|input| kv.iter().any(|kv| input.multiplies(*kv))) {
        let [queries, keys] = [program.input_element(), program.kv_element()].map(Generic::<DType>::text);
        let message = format!(
            "there are no kernels of queries of {queries} over keys and values of {keys}: these are as the queries are, or `E4m3` or \
             `E5m2` where the queries have 16 bits"
        );
        obstacles.push(Obstacle { place: tensor(ElementOf::KeysAndValues), message });
    }
    if let Generic::Fixed(output) = program.output_element()
        && !outputs.contains(output)
        && program.output_element() != program.input_element()
    {
        let message = format!("no kernel stores an output of {}: it is f16, bf16 or f32", output.type_name());
        obstacles.push(Obstacle { place: tensor(ElementOf::Outputs), message });
    }
    obstacles
}

/// A head dimension that the author fixed, and that there are no kernels of.
fn fixed_dims(program: &Program) -> Vec<Obstacle> {
    let query = program.params.iter().position(|param| param.kind == ParamKind::Query);
    let place = Place::Param(ParamId(query.unwrap_or(0)));
    let mut obstacles = Vec::new();
    let fixed =
        [(program.qk_dim(), LATENT.qk), (program.v_dim(), LATENT.v)].map(|(dim, of_latent)| match dim {
            Generic::Fixed(number) => *number,
            // Whatever goes with the other.
            Generic::Open(_) => of_latent,
        });
    let fixed = HeadDim { qk: fixed[0], v: fixed[1] };
    let without = |(dim, number): &(&Generic<usize>, usize)| {
        matches!(dim, Generic::Fixed(_)) && !HEAD_DIMS.contains(number) && fixed != LATENT
    };
    let dims = [(program.qk_dim(), fixed.qk), (program.v_dim(), fixed.v)];
    if let Some((_, head_dim)) = dims.into_iter().find(without) {
        let message = ScheduleError::HeadDim { head_dim }.to_string();
        obstacles.push(Obstacle { place, message });
    }
    obstacles
}
