//! What the assembler said of kernels before, so that those which have not changed need not be assembled again.
//!
//! A record is a text file: the tools it was made with, then a line for each kernel that was found clean: a hash of its PTX,
//! registers, bytes of shared memory that the entry declares, and the share of late exponentials in per mille, or `-`. It holds
//! for those very tools. One kernel in [`SAMPLE`] is assembled in spite of it, others each day, and has to come out as it says.

use crate::cost::{Code, LATE_ALLOWED, Tools};
use crate::toolchain::{Assembled, Nvdisasm, Ptxas, Tool, ToolError, version};
use flashpage_codegen::Compiled;
use flashpage_codegen::schedule::Overlap;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// One in so many kernels of a record is assembled again.
pub const SAMPLE: u64 = 48;

/// What is said of one kernel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// By the assembler, without the machine code.
    pub assembled: Assembled,
    /// Per mille of the exponentials of the worst main loop that stand behind the wait for the products beside them.
    pub late_exponentials: Option<u32>,
}

impl Verdict {
    /// What there is to say of machine code.
    pub fn of(code: &Code) -> Verdict {
        Verdict {
            assembled: Assembled { cubin: Vec::new(), ..code.assembled.clone() },
            late_exponentials: code.late_exponentials().map(|late| (late * 1000.0).round() as u32),
        }
    }

    /// Whether the exponentials stand before the wait for the products beside them, but for [`LATE_ALLOWED`] of them.
    pub fn overlaps(&self) -> bool {
        self.late_exponentials.is_none_or(|late| f64::from(late) <= 1000.0 * LATE_ALLOWED)
    }

    /// A line of a record, of a clean kernel, behind its hash.
    fn line(&self) -> String {
        let late = self.late_exponentials.map_or("-".into(), |late| late.to_string());
        format!("{} {} {late}", self.assembled.registers, self.assembled.static_shared)
    }

    fn parse(line: &str) -> Option<Verdict> {
        let mut words = line.split(' ');
        let registers = words.next()?.parse().ok()?;
        let static_shared = words.next()?.parse().ok()?;
        let late_exponentials = match words.next()? {
            "-" => None,
            late => Some(late.parse().ok()?),
        };
        let assembled = Assembled { registers, static_shared, ..Assembled::default() };
        Some(Verdict { assembled, late_exponentials })
    }
}

/// Why a record is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The assembler, or the disassembler.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The file could not be written.
    #[error("{}: {error}", .path.display())]
    Write {
        /// The record.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The record says something else than the assembler.
    #[error("{} says of entry `{entry}` `{recorded}`, and the assembler `{found}`: record it anew", .path.display())]
    Differs {
        /// The record.
        path: PathBuf,
        /// The kernel.
        entry: String,
        /// Of the record.
        recorded: String,
        /// What came out now.
        found: String,
    },
}

/// Whether exponentials are to stay before the wait for the products beside them: machine code is read to see it.
pub fn is_pinned(compiled: &Compiled) -> bool {
    compiled.schedule.roles().is_some_and(|roles| roles.overlap == Overlap::Pinned)
}

/// The tools, and what they said before.
#[derive(Debug)]
pub struct Verdicts {
    ptxas: Ptxas,
    /// Where it is not, of kernels that are pinned nothing can be said.
    nvdisasm: Result<Nvdisasm, ToolError>,
    record: Option<Record>,
}

#[derive(Debug)]
struct Record {
    path: PathBuf,
    /// The tools, as the file's first line has them.
    header: String,
    known: BTreeMap<u64, String>,
    /// Of the kernels of this run.
    seen: Mutex<BTreeMap<u64, String>>,
    /// Another each day.
    turn: u64,
}

impl Verdicts {
    /// Without a record.
    ///
    /// # Errors
    /// There is no assembler.
    pub fn new() -> Result<Verdicts, RecordError> {
        Ok(Verdicts { ptxas: Ptxas::find()?, nvdisasm: Nvdisasm::find(), record: None })
    }

    /// With the record at `path`; one of other tools, or none, knows nothing.
    ///
    /// # Errors
    /// There is no assembler, or it does not say which it is.
    pub fn with_record(path: &Path) -> Result<Verdicts, RecordError> {
        let mut verdicts = Verdicts::new()?;
        let nvdisasm =
            verdicts.nvdisasm.as_ref().map_or(Ok("none".to_owned()), |tool| version(tool.path()))?;
        let header = format!("ptxas: {}; nvdisasm: {nvdisasm}", version(verdicts.ptxas.path())?);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut lines = text.lines();
        let known = match lines.next() == Some(&header) {
            true => lines.filter_map(entry).collect(),
            false => BTreeMap::new(),
        };
        let days = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() / 86_400);
        let record = Record { path: path.to_owned(), header, known, seen: Mutex::default(), turn: days };
        verdicts.record = Some(record);
        Ok(verdicts)
    }

    /// What is to be said of a kernel: what the record says, or the tools.
    ///
    /// # Errors
    /// A tool that cannot be run, or that says something else than the record.
    pub fn of(&self, compiled: &Compiled) -> Result<Verdict, RecordError> {
        let text = compiled.text();
        let hash = hash(&text);
        let recorded = self.record.as_ref().and_then(|record| record.known.get(&hash));
        let is_sampled =
            self.record.as_ref().is_some_and(|record| (hash >> 20) % SAMPLE == record.turn % SAMPLE);
        let verdict = match recorded.and_then(|line| Verdict::parse(line)).filter(|_| !is_sampled) {
            Some(verdict) => verdict,
            None => self.read(compiled, &text)?,
        };
        if let (Some(record), true) = (&self.record, verdict.assembled.is_clean()) {
            let mut seen = record.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            seen.insert(hash, verdict.line());
        }
        match (recorded, &self.record) {
            (Some(recorded), Some(record))
                if !verdict.assembled.is_clean() || verdict.line() != *recorded =>
            {
                let (path, entry, found) = (record.path.clone(), compiled.entry.clone(), verdict.line());
                Err(RecordError::Differs { path, entry, recorded: recorded.clone(), found })
            }
            _ => Ok(verdict),
        }
    }

    fn read(&self, compiled: &Compiled, text: &str) -> Result<Verdict, RecordError> {
        let (ptxas, schedule) = (self.ptxas.clone(), &compiled.schedule);
        let arch = schedule.arch().as_str();
        let code = match (&self.nvdisasm, is_pinned(compiled)) {
            (Ok(nvdisasm), true) => {
                Tools { ptxas, nvdisasm: nvdisasm.clone() }.read(arch, text, schedule.of_score())?
            }
            (Err(_), true) => return Err(ToolError::Missing(Tool::Nvdisasm).into()),
            (_, false) => Code { assembled: ptxas.assemble(arch, text)?, loops: Vec::new() },
        };
        Ok(Verdict::of(&code))
    }

    /// Writes the record of the clean kernels that this was asked of, and of no others.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self) -> Result<(), RecordError> {
        let Some(record) = &self.record else { return Ok(()) };
        let mut text = format!("{}\n", record.header);
        let seen = record.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (hash, line) in seen.iter() {
            let _ = writeln!(text, "{hash:016x} {line}");
        }
        let write = |error| RecordError::Write { path: record.path.clone(), error };
        if let Some(folder) = record.path.parent() {
            std::fs::create_dir_all(folder).map_err(write)?;
        }
        std::fs::write(&record.path, text).map_err(write)
    }
}

/// The hash and the rest of a line.
fn entry(line: &str) -> Option<(u64, String)> {
    let (hash, rest) = line.split_once(' ')?;
    Some((u64::from_str_radix(hash, 16).ok()?, rest.to_owned()))
}

/// FNV-1a of 64 bits.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let table = [
            ("00000000000000ff 168 0 -", 0xff, 168, 0, None, true),
            ("0123456789abcdef 255 1024 50", 0x0123_4567_89ab_cdef, 255, 1024, Some(50), true),
            ("fedcba9876543210 255 1024 51", 0xfedc_ba98_7654_3210, 255, 1024, Some(51), false),
        ];
        for (line, hash, registers, static_shared, late_exponentials, overlaps) in table {
            let (read, rest) = entry(line).unwrap();
            let verdict = Verdict::parse(&rest).unwrap();
            let assembled = Assembled { registers, static_shared, ..Assembled::default() };
            let want = Verdict { assembled, late_exponentials };
            assert_eq!((read, &verdict, verdict.overlaps()), (hash, &want, overlaps));
            assert_eq!(format!("{hash:016x} {}", verdict.line()), line);
        }
        for broken in ["", "12", "xyz 168 0 -", "12 168 0", "12 many 0 -"] {
            assert!(entry(broken).and_then(|(_, rest)| Verdict::parse(&rest)).is_none(), "{broken}");
        }
    }
}
