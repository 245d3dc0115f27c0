//! `FLASHPAGE_DUMP=program,schedule,ptx`: prints the stages of every compilation to standard error.

use crate::lower::Compiled;
use crate::program::Program;

/// The variable's name.
const VARIABLE: &str = "FLASHPAGE_DUMP";

/// Prints the stages that the environment asks for; nothing if it asks for none.
pub(crate) fn dump(program: &Program, compiled: &Compiled) {
    let Ok(wanted) = std::env::var(VARIABLE) else { return };
    for stage in wanted.split(',').map(str::trim).filter(|stage| !stage.is_empty()) {
        match stage {
            "program" => eprintln!("{program}"),
            "schedule" => eprintln!("{}", compiled.schedule),
            "ptx" => eprintln!("{}", compiled.text()),
            other => eprintln!(
                "{VARIABLE}: no stage `{other}`: write program, schedule or ptx, or several with commas"
            ),
        }
    }
}
