//! The files that a case names: ordinary ones, and none so large that reading it would take the memory.

use crate::case::CaseError;
use flashpage_emulator::Memory;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

/// The longest text, of PTX or JSON. Reading PTX takes some twenty times its size.
const LONGEST: u64 = 256 << 20;

/// A text.
pub(super) fn text(path: &Path) -> Result<String, CaseError> {
    let fail = |error| CaseError::Read { path: path.to_path_buf(), error };
    // What has no size, as a pipe, is read to its end all the same.
    let file = std::fs::File::open(path).map_err(fail)?;
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(fail)?;
    if text.len() as u64 > LONGEST {
        let message = format!("it has more than {LONGEST} bytes, which is no text of ours");
        return Err(fail(Error::new(ErrorKind::FileTooLarge, message)));
    }
    Ok(text)
}

/// Whether an array's file can be read.
pub(super) fn check_array(path: &Path) -> Result<(), String> {
    let found = std::fs::metadata(path).map_err(|error| format!("cannot read it: {error}"))?;
    if !found.is_file() {
        return Err("cannot read it: it is no file".to_owned());
    }
    let most = Memory::default_limit();
    if found.len() > most {
        let bytes = found.len();
        return Err(format!("it has {bytes} bytes, and this machine has memory for {most}"));
    }
    Ok(())
}
