//! Making a case of one of our own kernels: a made-up problem, compiled, its inputs and the reference's results
//! as files.

use super::CaseError;
use crate::args::Argument;
use crate::batch::Batch;
use crate::bulk_copy::tensor_map;
use crate::check::{LSE_TOLERANCE, check_output, judged_as, lse_allowance};
use crate::device::{Device, TensorMap};
use crate::equivalence::EquivalenceError;
use crate::launch::{LaunchError, LaunchOptions, Ready, plan};
use crate::npy::{Array, NumberType};
use crate::problem::Problem;
use crate::reference::{Expected, Progress, plain_watched, reference_watched};
use crate::rounding::Factors;
use crate::tensor::Tensor;
use flashpage_codegen::abi::{AbiArg, AbiType, Meaning};
use flashpage_codegen::program::{DType, ParamId, Program};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Why a case could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeCaseError {
    /// The problem cannot be made or launched.
    #[error(transparent)]
    Problem(#[from] EquivalenceError),
    /// A batch in which there is nothing to compute.
    #[error("nothing is launched for this batch: give at least one query token (`--q-len 1`)")]
    Empty,
    /// A file that cannot be written.
    #[error("{}: {error}", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// An array that cannot be written.
    #[error(transparent)]
    Case(#[from] CaseError),
}

impl From<LaunchError> for MakeCaseError {
    fn from(error: LaunchError) -> Self {
        MakeCaseError::Problem(error.into())
    }
}

/// Writes `launch.json`, `kernel.ptx`, the inputs and the expected outputs of `program` on `problem` into `folder`,
/// which is made if it is not there. Gives the path of `launch.json`.
///
/// # Errors
/// A problem that cannot be launched, or files that cannot be written.
pub fn make_case(
    folder: &Path,
    program: &Program,
    problem: &Problem,
    options: &LaunchOptions,
) -> Result<PathBuf, MakeCaseError> {
    make_case_watched(folder, program, problem, options, &Progress::default())
}

/// [`make_case`], of whose reference another thread sees how far it is.
///
/// # Errors
/// As [`make_case`].
pub fn make_case_watched(
    folder: &Path,
    program: &Program,
    problem: &Problem,
    options: &LaunchOptions,
    progress: &Progress,
) -> Result<PathBuf, MakeCaseError> {
    // Only memory is asked of the device: nothing runs.
    let device = Device::emulator();
    let inputs = problem.inputs(&device, program).map_err(EquivalenceError::from)?;
    let arguments = inputs.arguments();
    let batch = Batch::check(program, &arguments)?;
    let ready = plan(&device, &batch, options)?.ready.ok_or(MakeCaseError::Empty)?;
    let expected = reference_watched(program, &arguments, progress).map_err(EquivalenceError::from)?;
    let products = options.tuning.f32_products();
    let plain = plain_watched(program, &arguments, products, progress).map_err(EquivalenceError::from)?;

    fs::create_dir_all(folder).map_err(|error| MakeCaseError::Write { path: folder.to_path_buf(), error })?;
    let mut maker = Maker { folder, batch: &batch, buffers: Map::new(), args: Vec::new() };
    for (arg, bytes) in ready.kernel.compiled.abi.iter().zip(&ready.launch.params) {
        maker.arg(arg, bytes, ready.tiles.packed_heads)?;
    }
    let factors = Factors::of(batch.dtype, products);
    let outputs = maker.expected(&expected, &plain, (factors, judged_as(factors, batch.output)))?;
    let document = maker.document(&ready, outputs);
    maker.write("kernel.ptx", ready.kernel.compiled.text().as_bytes())?;
    maker.write("launch.json", format!("{document:#}\n").as_bytes())?;
    Ok(folder.join("launch.json"))
}

struct Maker<'a> {
    folder: &'a Path,
    batch: &'a Batch<'a>,
    buffers: Map<String, Value>,
    args: Vec<Value>,
}

impl Maker<'_> {
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), MakeCaseError> {
        let path = self.folder.join(name);
        fs::write(&path, bytes).map_err(|error| MakeCaseError::Write { path, error })
    }

    fn arg(&mut self, arg: &AbiArg, bytes: &[u8], packed_heads: usize) -> Result<(), MakeCaseError> {
        let value = match arg.meaning {
            Meaning::Pointer(param) | Meaning::Starts(param) | Meaning::SeqLens(param) => {
                json!({ "buffer": self.buffer(arg, param)? })
            }
            Meaning::TensorMap(param, copy) => {
                let map = tensor_map(self.batch, param, copy, packed_heads);
                json!({ "tensor_map": json_map(&self.buffer(arg, param)?, &map) })
            }
            Meaning::TileCounter => {
                let name = self.name_beside_params(&arg.name);
                self.buffers.insert(name.clone(), json!({ "dtype": "u32", "shape": [1], "fill": 0 }));
                json!({ "buffer": name })
            }
            _ => number(arg.ty, bytes),
        };
        self.args.push(value);
        Ok(())
    }

    /// The buffer behind a parameter, made where it is not there yet: a tensor's goes by the name that the kernel has for
    /// it, and a map of it shares it.
    fn buffer(&mut self, arg: &AbiArg, param: ParamId) -> Result<String, MakeCaseError> {
        let argument = &self.batch.arguments[param.0];
        let name = match arg.meaning {
            Meaning::Pointer(_) | Meaning::TensorMap(..) => self.batch.name(param).to_owned(),
            _ => self.name_beside_params(&arg.name),
        };
        if let Some(tensor) = tensor_of(arg.meaning, argument)
            && !self.buffers.contains_key(&name)
        {
            self.add_buffer(&name, tensor, matches!(argument, Argument::Output(_)))?;
        }
        Ok(name)
    }

    /// The name of what no parameter of the kernel is, as `q_starts`: another one where a parameter has it.
    fn name_beside_params(&self, name: &str) -> String {
        let mut name = name.to_owned();
        while self.batch.program.params.iter().any(|param| param.name == name) {
            name.push('_');
        }
        name
    }

    fn add_buffer(&mut self, name: &str, tensor: &Tensor, is_output: bool) -> Result<(), MakeCaseError> {
        let dtype = tensor.dtype().as_str();
        if is_output {
            let buffer = json!({ "dtype": dtype, "shape": tensor.shape(), "fill": "nan" });
            self.buffers.insert(name.to_owned(), buffer);
            return Ok(());
        }
        let ty = match tensor.dtype() {
            DType::F16 => NumberType::F16,
            DType::Bf16 => NumberType::Bf16,
            DType::F32 => NumberType::F32,
            DType::I32 => NumberType::I32,
            DType::E4m3 => NumberType::E4m3,
            DType::E5m2 => NumberType::E5m2,
        };
        let bytes = tensor.buffer().to_bytes().map_err(CaseError::from)?;
        let file = self.save(name, Array { ty, shape: tensor.shape().to_vec(), bytes })?;
        self.buffers.insert(name.to_owned(), json!({ "npy": file, "dtype": dtype }));
        Ok(())
    }

    fn save(&self, name: &str, array: Array) -> Result<String, MakeCaseError> {
        let file = format!("{name}.npy");
        array.save(&self.folder.join(&file)).map_err(CaseError::from)?;
        Ok(file)
    }

    /// Expected outputs with the tolerances of the acceptance rule.
    fn expected(
        &self,
        expected: &[Expected],
        plain: &[Expected],
        (factors, judged): (Factors, Factors),
    ) -> Result<Value, MakeCaseError> {
        let mut outputs = Map::new();
        for (expected, plain) in expected.iter().zip(plain) {
            let shape = match self.buffers.get(&expected.name).and_then(|b| b["shape"].as_array()) {
                Some(dims) => dims.iter().filter_map(Value::as_u64).map(|dim| dim as usize).collect(),
                None => vec![expected.values.len()],
            };
            let (max_abs, max_rel_l2) = if expected.is_vector {
                let finite = expected.values.iter().filter(|x| x.is_finite());
                let largest = finite.fold(0.0, |m: f64, x| m.max(x.abs()));
                let beside = lse_allowance(&plain.values, &expected.values, factors);
                (LSE_TOLERANCE * (1.0 + largest) + beside, LSE_TOLERANCE.max(beside))
            } else {
                let allowed = check_output(&plain.values, &expected.values, &plain.values, judged);
                (allowed.worst.map_or(0.0, |worst| worst.allowed), judged.max_relative_l2())
            };
            let bytes = expected.values.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
            let array = Array { ty: NumberType::F32, shape, bytes };
            let file = self.save(&format!("expected_{}", expected.name), array)?;
            let entry = json!({ "npy": file, "max_abs": max_abs, "max_rel_l2": max_rel_l2 });
            outputs.insert(expected.name.clone(), entry);
        }
        Ok(Value::Object(outputs))
    }

    fn document(&self, ready: &Ready, expected: Value) -> Value {
        let launch = &ready.launch;
        json!({
            "ptx": "kernel.ptx",
            "entry": ready.kernel.compiled.entry,
            "grid": launch.grid,
            "block": launch.block,
            "cluster": launch.cluster,
            "dynamic_shared_bytes": launch.dynamic_shared_bytes,
            "buffers": self.buffers,
            "args": self.args,
            "expected": expected,
        })
    }
}

fn tensor_of<'a>(meaning: Meaning, argument: &Argument<'a>) -> Option<&'a Tensor> {
    match (meaning, argument) {
        (Meaning::Starts(_), Argument::Ragged(ragged)) => Some(ragged.starts.tensor()),
        (Meaning::Starts(_), Argument::BitMask(mask)) => Some(mask.starts_tensor()),
        (Meaning::Widths(_), Argument::BitMask(mask)) => Some(mask.widths_tensor()),
        (_, Argument::BitMask(mask)) => Some(mask.words_tensor()),
        (Meaning::SeqLens(_), Argument::Table(table)) => Some(table.seq_lens_tensor()),
        (_, Argument::Ragged(ragged)) => Some(ragged.tensor),
        (_, Argument::Pool(pool)) => Some(pool.tensor),
        (_, Argument::Table(table)) => Some(table.entries_tensor()),
        (_, Argument::Output(tensor) | Argument::Vector(tensor)) => Some(tensor),
        _ => None,
    }
}

/// A tensor map over a buffer, with every field.
fn json_map(buffer: &str, map: &TensorMap) -> Value {
    json!({
        "buffer": buffer, "dtype": map.ty.as_str(), "dims": map.dims, "strides": map.strides, "box": map.box_dims,
        "element_strides": map.element_strides, "swizzle": map.swizzle.as_str(),
        "interleave": map.interleave.as_str(), "l2_promotion": map.l2_promotion.as_str(),
        "oob_fill": map.oob_fill.as_str(),
    })
}

/// A parameter's bytes as a number of its type.
fn number(ty: AbiType, bytes: &[u8]) -> Value {
    let mut wide = [0; 8];
    wide[..bytes.len().min(8)].copy_from_slice(&bytes[..bytes.len().min(8)]);
    let bits = u64::from_le_bytes(wide);
    match ty {
        AbiType::U64 => json!({ "u64": bits }),
        AbiType::U32 => json!({ "u32": bits as u32 }),
        AbiType::I32 => json!({ "i32": bits as u32 as i32 }),
        AbiType::F32 => json!({ "f32": f32::from_bits(bits as u32) }),
        // No number: the bytes as they are.
        AbiType::TensorMap => {
            json!({ "bytes": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() })
        }
    }
}
