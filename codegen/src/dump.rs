//! `FLASHPAGE_DUMP=program,schedule,plan,ptx`: prints the stages of every compilation to standard error.

use crate::plan::Plan;
use crate::program::Program;
use crate::schedule::Schedule;
use flashpage_ptx::ast::Module;

/// The variable's name.
const VARIABLE: &str = "FLASHPAGE_DUMP";

/// Prints the stages that the environment asks for; nothing if it asks for none.
pub(crate) fn dump(program: &Program, schedule: &Schedule, plan: &Plan, module: &Module) {
    let Ok(wanted) = std::env::var(VARIABLE) else { return };
    for stage in wanted.split(',').map(str::trim).filter(|stage| !stage.is_empty()) {
        match stage {
            "program" => eprintln!("{program}"),
            "schedule" => eprintln!("{schedule}"),
            "plan" => eprintln!("{plan}"),
            "ptx" => eprintln!("{}", flashpage_ptx::print(module)),
            other => eprintln!(
                "{VARIABLE}: no stage `{other}`: write program, schedule, plan or ptx, or several with commas"
            ),
        }
    }
}
