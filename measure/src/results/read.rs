//! A run's folder as it lies on disk, read into one value: every line with the file and line that it came from.
//!
//! A last line without its end belongs to a run that was cut off: it is kept out and said. Everything else that
//! cannot be understood is an error that names the file and the line. What rows mean together is [`merge`]'s.
//!
//! [`merge`]: super::merge

use super::{Ceiling, Checked, Machine, Measured, Parity, Step};
use crate::experiments::Tried;
use crate::workload::Workload;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The files that a run's steps write; a folder with none of them is no run.
pub const FILES: [&str; 6] =
    ["machine.json", "check.jsonl", "parity.jsonl", "bench.jsonl", "peers.jsonl", "steps.jsonl"];

/// Why a folder cannot be reported on.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is not there.
    #[error("{}: there is no such folder", .0.display())]
    NoFolder(PathBuf),
    /// It holds none of [`FILES`].
    #[error("{}: no run lies here: there is none of {}", .0.display(), FILES.join(", "))]
    Empty(PathBuf),
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line cannot be understood.
    #[error("{}:{line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// A row holds a time, or a ceiling, although nothing ran on hardware.
    #[error("{at}: {what}: a time in an emulated run; refused")]
    TimeInEmulatedRun {
        /// The row's place.
        at: Place,
        /// The row.
        what: String,
    },
}

/// Where a line lies: `bench.jsonl:12`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: &'static str,
    /// Counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A run: what each file holds, `None` where there is no such file.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// `machine.json`
    pub machine: Option<Machine>,
    /// `check.jsonl`
    pub check: Option<Vec<Checked>>,
    /// `parity.jsonl`
    pub parity: Option<Vec<Parity>>,
    /// The workloads of `bench.jsonl` and `peers.jsonl`, in the order of their lines.
    pub measured: Vec<(Place, Measured)>,
    /// The ceilings of both.
    pub ceilings: Vec<(Place, Ceiling)>,
    /// `steps.jsonl`
    pub steps: Option<Vec<Step>>,
    /// `experiments.jsonl`, which is only made for Hopper
    pub experiments: Vec<(Place, Tried)>,
    /// Files that are not there.
    pub missing: Vec<&'static str>,
    /// Last lines that were cut off, and kept out.
    pub cut_off: Vec<Place>,
    /// `causes.json`: why a workload loses, by its id, as a person found it.
    pub causes: BTreeMap<String, String>,
}

impl Run {
    /// Whether a run lies in this folder: one of [`FILES`].
    pub fn lies_in(folder: &Path) -> bool {
        FILES.iter().any(|file| folder.join(file).is_file())
    }

    /// Reads a folder.
    ///
    /// # Errors
    ///
    /// Where there is no such folder or no run in it, a line but a cut-off last one cannot be understood, or a run
    /// that was emulated holds a time.
    pub fn read(folder: &Path) -> Result<Run, ReadError> {
        if !folder.is_dir() {
            return Err(ReadError::NoFolder(folder.to_owned()));
        }
        if !Run::lies_in(folder) {
            return Err(ReadError::Empty(folder.to_owned()));
        }
        let missing = FILES.into_iter().filter(|file| !folder.join(file).exists()).collect();
        let mut run = Run { missing, ..Run::default() };
        run.machine = document(folder, "machine.json")?;
        run.check = run.lines(folder, "check.jsonl", |_, line| row(line, "kernel"))?;
        run.parity = run.lines(folder, "parity.jsonl", |_, line| row(line, "case"))?;
        run.steps = run.lines(folder, "steps.jsonl", |_, line| row(line, "step"))?;
        run.experiments = run.lines(folder, "experiments.jsonl", tried)?.unwrap_or_default();
        for file in ["bench.jsonl", "peers.jsonl"] {
            for timed in run.lines(folder, file, timed)?.into_iter().flatten() {
                match timed {
                    Timed::Workload(place, measured) => run.measured.push((place, *measured)),
                    Timed::Ceiling(place, ceiling) => run.ceilings.push((place, ceiling)),
                }
            }
        }
        run.causes = document(folder, "causes.json")?.unwrap_or_default();
        run.refuse_emulated_times()?;
        Ok(run)
    }

    /// A file of a JSON value a line.
    fn lines<T>(
        &mut self,
        folder: &Path,
        file: &'static str,
        parse: impl Fn(Place, Value) -> Result<T, String>,
    ) -> Result<Option<Vec<T>>, ReadError> {
        let Some(bytes) = bytes(folder, file)? else { return Ok(None) };
        let mut rows = Vec::new();
        for (index, text) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let place = Place { file, line: index + 1 };
            if text.trim_ascii().is_empty() {
                continue;
            }
            let wrong =
                |message: String| ReadError::Line { path: folder.join(file), line: index + 1, message };
            match serde_json::from_slice(text) {
                Ok(value) => rows.push(parse(place, value).map_err(wrong)?),
                // Without its end it was being written when the run was cut off.
                Err(_) if !text.ends_with(b"\n") => self.cut_off.push(place),
                Err(error) => return Err(wrong(format!("no JSON: {error}"))),
            }
        }
        Ok(Some(rows))
    }

    fn refuse_emulated_times(&self) -> Result<(), ReadError> {
        if !self.machine.as_ref().is_some_and(|machine| machine.emulated) {
            return Ok(());
        }
        let timed = |row: &Measured| [row.median_us, row.p10_us, row.p90_us].iter().any(Option::is_some);
        let tried = self.experiments.iter().map(|(place, tried)| (place, &tried.measured));
        let rows = self.measured.iter().map(|(place, row)| (place, row)).chain(tried);
        let rows = rows
            .filter(|(_, row)| timed(row))
            .map(|(place, row)| (place, format!("{}, {}", row.who, row.workload)));
        let ceilings = self.ceilings.iter().map(|(place, c)| (place, format!("{} by {}", c.ceiling, c.who)));
        match rows.chain(ceilings).next() {
            None => Ok(()),
            Some((place, what)) => Err(ReadError::TimeInEmulatedRun { at: place.clone(), what }),
        }
    }
}

/// A file that is one JSON value.
fn document<T: DeserializeOwned>(folder: &Path, file: &'static str) -> Result<Option<T>, ReadError> {
    let Some(bytes) = bytes(folder, file)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| ReadError::Line {
        path: folder.join(file),
        line: error.line(),
        message: error.to_string(),
    })
}

fn bytes(folder: &Path, file: &'static str) -> Result<Option<Vec<u8>>, ReadError> {
    let path = folder.join(file);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ReadError::Io { path, error }),
    }
}

/// A line of `bench.jsonl` or `peers.jsonl`.
enum Timed {
    Workload(Place, Box<Measured>),
    Ceiling(Place, Ceiling),
}

/// A line that must have this field: the types fill in what is not there, so anything would pass for a row.
fn row<T: DeserializeOwned>(line: Value, field: &str) -> Result<T, String> {
    if line.get(field).is_none() {
        return Err(format!("no row of this file: it has no `{field}`"));
    }
    serde_json::from_value(line).map_err(|error| error.to_string())
}

fn timed(place: Place, line: Value) -> Result<Timed, String> {
    if line.get("ceiling").is_some() {
        let ceiling: Ceiling = row(line, "ceiling")?;
        positive("per_second", Some(ceiling.per_second))?;
        return Ok(Timed::Ceiling(place, ceiling));
    }
    if line.get("workload").is_none() {
        return Err("neither a measurement nor a ceiling: it has no `workload` and no `ceiling`".to_owned());
    }
    let measured: Measured = row(line, "who")?;
    sensible(&measured)?;
    Ok(Timed::Workload(place, Box::new(measured)))
}

fn tried(place: Place, line: Value) -> Result<(Place, Tried), String> {
    let tried: Tried = row(line, "schedule")?;
    sensible(&tried.measured)?;
    Ok((place, tried))
}

/// Whether work can be counted, and times are some.
fn sensible(measured: &Measured) -> Result<(), String> {
    countable(&measured.workload)?;
    let times = [("p10_us", measured.p10_us), ("median_us", measured.median_us), ("p90_us", measured.p90_us)];
    for (name, time) in times {
        positive(name, time)?;
    }
    let known: Vec<f64> = times.iter().filter_map(|(_, time)| *time).collect();
    if !known.is_sorted() {
        return Err(format!("p10, median and p90 are out of order: {known:?}"));
    }
    Ok(())
}

fn positive(name: &str, value: Option<f64>) -> Result<(), String> {
    match value {
        Some(value) if !(value.is_finite() && value > 0.0) => Err(format!("{name} is {value}: not positive")),
        _ => Ok(()),
    }
}

/// Whether operations and bytes of a workload can be counted without an overflow.
fn countable(workload: &Workload) -> Result<(), String> {
    let within = |name: &str, value: usize, most: usize| match value {
        value if value == 0 || value > most => {
            Err(format!("workload: {name} is {value}: it must be 1 to {most}"))
        }
        _ => Ok(()),
    };
    within("head_dim", workload.head_dim.larger(), 1 << 10)?;
    within("heads", workload.heads, 1 << 10)?;
    within("kv_heads", workload.kv_heads, 1 << 10)?;
    within("q_len", workload.q_len, 1 << 24)?;
    within("the number of kv_lens", workload.kv_lens.len(), 1 << 16)?;
    within("the longest of kv_lens", workload.longest(), 1 << 24)?;
    within("block_size", workload.block_size.unwrap_or(1), 1 << 24)?;
    // A window may be as good as none.
    within("window", workload.window.unwrap_or(1), u32::MAX as usize)
}
