//! Launch cases: a PTX file, what to launch it with and what should come out, as files in one folder.
//!
//! `launch.json` is read by `document.rs`, which says what is wrong with one by field. A case does not know who
//! made its PTX. [`Case::run`] writes every output next to `launch.json` as `out_NAME.npy`.
//!
//! | field | |
//! |---|---|
//! | `ptx`, `entry` | the text's file, and which of its kernels |
//! | `grid`, `block`, `cluster`, `dynamic_shared_bytes` | the shape; the last two may be absent |
//! | `cooperative` | `true` where blocks wait for one another at the grid's barrier ([`Launch::cooperative`]) |
//! | `programmatic` | `true` for a launch that may begin before the one before it has ended ([`Launch::programmatic`]): its entry must wait by `griddepcontrol.wait`, and the emulator's sanitizer finds what touches global memory before that |
//! | `buffers`, `args`, `expected` | memory, parameters in order, and what should come out |

mod compare;
mod document;
mod files;
mod make;

pub use compare::Comparison;
pub use make::{MakeCaseError, make_case, make_case_watched};

use crate::device::signature::{Misfit, Signatures};
use crate::device::{Buffer, Device, DeviceError, Finding, Launch, Report, TensorMap};
use crate::npy::{Array, NpyError, NumberType};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What is wrong with a case, or with running it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// A file that cannot be read.
    #[error("{}: cannot read it: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// No JSON.
    #[error("{}: {error}", .path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and what.
        error: serde_json::Error,
    },
    /// A field of `launch.json`.
    #[error("{}: {field}: {message}", .path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field, as in `args[2].buffer`.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// PTX that cannot be read.
    #[error("{}:{error}", .path.display())]
    Ptx {
        /// The file.
        path: PathBuf,
        /// Where and what.
        error: flashpage_ptx::ParseError,
    },
    /// PTX that the device does not take.
    #[error("{}: {error}", .path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: DeviceError,
    },
    /// An array that cannot be read or written.
    #[error(transparent)]
    Npy(#[from] NpyError),
    /// The device refused or failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl CaseError {
    /// Whether the kernel started and failed, rather than being refused.
    pub fn is_fault(&self) -> bool {
        matches!(self, CaseError::Device(DeviceError::Fault { .. }))
    }
}

/// A case, read and checked but for what only a device can know.
#[derive(Clone, Debug)]
pub struct Case {
    path: PathBuf,
    ptx_path: PathBuf,
    ptx: String,
    entry: String,
    grid: [u32; 3],
    block: [u32; 3],
    cluster: [u32; 3],
    dynamic_shared_bytes: u32,
    cooperative: bool,
    programmatic: bool,
    buffers: BTreeMap<String, BufferSource>,
    args: Vec<Arg>,
    expected: BTreeMap<String, Expectation>,
}

/// What a buffer holds before the launch.
#[derive(Clone, Debug)]
enum BufferSource {
    Array(Array),
    /// `fill` absent: never written.
    Filled {
        ty: NumberType,
        shape: Vec<usize>,
        fill: Option<f64>,
    },
}

/// One kernel parameter, or a field of a struct parameter.
#[derive(Clone, Debug)]
enum Arg {
    Address {
        buffer: String,
        byte_offset: u64,
    },
    /// A number, aligned to its size.
    Scalar(Vec<u8>),
    /// Bytes as they are.
    Bytes(Vec<u8>),
    Struct {
        fields: Vec<Arg>,
        align: usize,
    },
    TensorMap {
        buffer: String,
        byte_offset: u64,
        map: TensorMap,
    },
}

/// What a buffer should hold after the launch.
#[derive(Clone, Debug)]
struct Expectation {
    array: Array,
    max_abs: Option<f64>,
    max_rel_l2: Option<f64>,
}

/// What a run of a case gave.
#[derive(Debug)]
#[non_exhaustive]
pub struct CaseReport {
    /// One for each buffer under `expected`.
    pub comparisons: Vec<Comparison>,
    /// Every output by its buffer's name, as the launch left it.
    pub arrays: BTreeMap<String, Array>,
    /// The files written; none by [`Case::evaluate`].
    pub outputs: Vec<PathBuf>,
    /// Those that could not be, as in a folder that is read-only: no reason not to compare.
    pub unwritten: Vec<NpyError>,
    /// The emulator's report, if the case ran there.
    pub emulated: Option<Report>,
}

impl CaseReport {
    /// Whether every expectation was met, and nothing was found.
    pub fn passed(&self) -> bool {
        self.comparisons.iter().all(|comparison| comparison.passed) && self.findings().is_empty()
    }

    /// What the emulator found, where it was to keep going.
    pub fn findings(&self) -> &[Finding] {
        self.emulated.as_ref().map_or(&[], |report| &report.findings)
    }
}

impl fmt::Display for CaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for comparison in &self.comparisons {
            writeln!(f, "{comparison}")?;
        }
        for error in &self.unwritten {
            writeln!(f, "{error}")?;
        }
        Ok(())
    }
}

impl BufferSource {
    fn ty(&self) -> NumberType {
        match self {
            BufferSource::Array(array) => array.ty,
            BufferSource::Filled { ty, .. } => *ty,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            BufferSource::Array(array) => &array.shape,
            BufferSource::Filled { shape, .. } => shape,
        }
    }

    fn bytes(&self) -> usize {
        self.shape().iter().product::<usize>() * self.ty().bytes()
    }

    fn upload(&self, device: &Device) -> Result<Buffer, DeviceError> {
        match self {
            BufferSource::Array(array) => device.upload(&array.bytes),
            BufferSource::Filled { fill: None, .. } => device.alloc(self.bytes()),
            BufferSource::Filled { ty, fill: Some(value), .. } => {
                device.filled(self.bytes(), &ty.write(*value))
            }
        }
    }
}

impl Case {
    /// Reads `launch.json` and every file that it names.
    ///
    /// # Errors
    /// The first file or field that is not as it should be, by name.
    pub fn load(path: impl AsRef<Path>) -> Result<Case, CaseError> {
        document::load(path.as_ref())
    }

    /// The PTX, as text.
    pub fn ptx(&self) -> &str {
        &self.ptx
    }

    /// The entry that is launched.
    pub fn entry(&self) -> &str {
        &self.entry
    }

    fn field_error(&self, field: impl Into<String>, message: impl Into<String>) -> CaseError {
        CaseError::Field { path: self.path.clone(), field: field.into(), message: message.into() }
    }

    /// [`Case::evaluate`], and writes each output next to `launch.json` as `out_NAME.npy`.
    ///
    /// # Errors
    /// As [`Case::evaluate`].
    pub fn run(&self, device: &Device) -> Result<CaseReport, CaseError> {
        let mut report = self.evaluate(device)?;
        let folder = self.path.parent().unwrap_or(Path::new(""));
        for (name, array) in &report.arrays {
            let path = folder.join(format!("out_{name}.npy"));
            match array.save(&path) {
                Ok(()) => report.outputs.push(path),
                Err(error) => report.unwritten.push(error),
            }
        }
        Ok(report)
    }

    /// Launches the case on `device` and compares what is expected, without a file being written.
    ///
    /// Outputs are the buffers that do not come from a file and those under `expected`.
    ///
    /// # Errors
    /// Arguments that are not the entry's, a launch that the device refuses, a fault while the kernel runs.
    /// A wrong result is no error: see [`CaseReport::passed`].
    pub fn evaluate(&self, device: &Device) -> Result<CaseReport, CaseError> {
        self.check_memory(device)?;
        let module =
            device.load(&self.ptx).map_err(|error| CaseError::Load { path: self.ptx_path.clone(), error })?;
        let buffers = self
            .buffers
            .iter()
            .map(|(name, source)| Ok((name.as_str(), source.upload(device)?)))
            .collect::<Result<BTreeMap<&str, Buffer>, DeviceError>>()?;
        let params = self
            .args
            .iter()
            .map(|arg| Ok(encode(arg, device, &buffers)?.0))
            .collect::<Result<Vec<_>, DeviceError>>()?;
        self.check_params(&params)?;
        let launch = Launch {
            grid: self.grid,
            block: self.block,
            cluster: self.cluster,
            dynamic_shared_bytes: self.dynamic_shared_bytes,
            cooperative: self.cooperative,
            programmatic: self.programmatic,
            params,
        };
        let run = device.launch(&module, &self.entry, &launch)?;
        let mut report = CaseReport {
            comparisons: Vec::new(),
            arrays: BTreeMap::new(),
            outputs: Vec::new(),
            unwritten: Vec::new(),
            emulated: run.report,
        };
        for (name, source) in &self.buffers {
            let expectation = self.expected.get(name);
            if matches!(source, BufferSource::Array(_)) && expectation.is_none() {
                continue;
            }
            let bytes = buffers.get(name.as_str()).map_or_else(|| Ok(Vec::new()), Buffer::to_bytes)?;
            let array = Array { ty: source.ty(), shape: source.shape().to_vec(), bytes };
            if let Some(Expectation { array: expected, max_abs, max_rel_l2 }) = expectation {
                report.comparisons.push(compare::compare(name, &array, expected, *max_abs, *max_rel_l2));
            }
            report.arrays.insert(name.clone(), array);
        }
        Ok(report)
    }

    /// Whether the device, and here the copies of what comes out, have room for all buffers.
    fn check_memory(&self, device: &Device) -> Result<(), CaseError> {
        let bytes = |source: &BufferSource| source.bytes() as u64;
        let total = self.buffers.values().map(bytes).fold(0, u64::saturating_add);
        let copies = |(name, source): (&String, &BufferSource)| match source {
            BufferSource::Array(_) if self.expected.contains_key(name) => 2 * bytes(source),
            _ => bytes(source),
        };
        let copied = self.buffers.iter().map(copies).fold(0, u64::saturating_add);
        let most = device.memory_bytes();
        // The emulator's memory is the host's, and so are the copies.
        let (need, has) = match device.is_emulator() {
            true => (total.saturating_mul(2).saturating_add(copied), most.saturating_mul(2)),
            false => (total, most),
        };
        let largest = self.buffers.iter().max_by_key(|(_, source)| source.bytes());
        match largest {
            Some((name, source)) if need > has => {
                let why = match device.is_emulator() {
                    true => format!(
                        "on the emulator all buffers and the copies of what comes out take {need} bytes of the host's \
                         memory, and {has} are allowed: make it smaller, or allow more (`--memory`)"
                    ),
                    false => format!("all buffers take {need} bytes of memory, and the GPU has {has}"),
                };
                let message = format!("it has {} bytes: {why}", source.bytes());
                Err(self.field_error(format!("buffers.{name}"), message))
            }
            _ => Ok(()),
        }
    }

    /// Arguments that do not fit the entry are named by their place in `launch.json`.
    fn check_params(&self, params: &[Vec<u8>]) -> Result<(), CaseError> {
        let (module, _) = flashpage_ptx::parse_apart(&self.ptx)
            .map_err(|error| CaseError::Ptx { path: self.ptx_path.clone(), error })?;
        Signatures::of(&module).check(&self.entry, params).map_err(|misfit| match misfit {
            Misfit::NoEntry(known) => DeviceError::NoEntry { entry: self.entry.clone(), known }.into(),
            Misfit::Count(message) => self.field_error("args", message),
            Misfit::Size(index, message) => self.field_error(format!("args[{index}]"), message),
        })
    }
}

/// The bytes of an argument and what they are aligned to.
fn encode(
    arg: &Arg,
    device: &Device,
    buffers: &BTreeMap<&str, Buffer>,
) -> Result<(Vec<u8>, usize), DeviceError> {
    let address = |name: &str, offset: u64| buffers.get(name).map_or(0, |buffer| buffer.address() + offset);
    Ok(match arg {
        Arg::Address { buffer, byte_offset } => (address(buffer, *byte_offset).to_le_bytes().to_vec(), 8),
        Arg::Scalar(bytes) => (bytes.clone(), bytes.len().max(1)),
        Arg::Bytes(bytes) => (bytes.clone(), 1),
        Arg::TensorMap { buffer, byte_offset, map } => {
            (device.encode_tensor_map(address(buffer, *byte_offset), map)?.to_vec(), 64)
        }
        Arg::Struct { fields, align } => {
            let mut bytes = Vec::new();
            let mut own = *align;
            for field in fields {
                let (field, align) = encode(field, device, buffers)?;
                bytes.resize(bytes.len().next_multiple_of(align), 0);
                bytes.extend(field);
                own = own.max(align);
            }
            bytes.resize(bytes.len().next_multiple_of(own), 0);
            (bytes, own)
        }
    })
}

#[cfg(test)]
mod tests;
