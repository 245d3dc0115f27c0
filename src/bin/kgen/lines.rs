//! A file that grows by a JSON line for each thing found, so that a run that is cut off keeps what it had.

use crate::Failure;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file, or nowhere.
pub struct Lines(Option<(PathBuf, File)>);

impl Lines {
    /// Appends to `path`, if there is one.
    pub fn open(path: Option<&Path>) -> Result<Lines, Failure> {
        let Some(path) = path else { return Ok(Lines(None)) };
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
        Ok(Lines(Some((path.to_owned(), file))))
    }

    /// Writes a line.
    pub fn push(&mut self, row: &impl Serialize) -> Result<(), Failure> {
        let Some((path, file)) = &mut self.0 else { return Ok(()) };
        let line = serde_json::to_string(row)? + "\n";
        file.write_all(line.as_bytes())
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
    }
}
