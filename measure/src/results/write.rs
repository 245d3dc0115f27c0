//! A file is there whole or as it was before, whenever the process ends.

use std::io::{Error, Result, Write};
use std::path::Path;

/// Writes a file beside the one named, then gives it that name.
///
/// # Errors
///
/// What the file system says, with the path.
pub fn whole(path: &Path, text: &str) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = std::fs::File::create(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        // What is left of it is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
        Error::new(error.kind(), format!("{}: {error}", path.display()))
    })
}
