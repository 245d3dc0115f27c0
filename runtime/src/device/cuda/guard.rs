//! What the driver's compiler has made of a kernel of ours, held against what the kernel was made for.
//!
//! A driver compiles PTX with an assembler of its own, which need not be the one that the schedules were tried with. Kernels
//! whose warps have roles begin with all the registers that there are: with fewer, the warps that take some (`setmaxnreg`)
//! wait for ever for what nobody gives back. What keeps registers in memory, or products of a warpgroup from overlapping
//! (`C75xx` in the compiler's log), is right and slow, and is refused as well, since somebody would take it for what was
//! meant; [`ALLOW_SLOW`] lets it pass.
//!
//! A module that the driver has in its cache is not compiled, and comes without a log. Registers and local memory are told
//! of any module.

use super::super::CodePlan;

/// What the driver tells of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MachineCode {
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of local memory of a thread.
    pub local_bytes: u32,
    /// Lines of the compiler's log that count: see [`complaints`].
    pub complaints: Vec<String>,
}

/// The lines of a compiler's log with a number of the family `C75xx`: `setmaxnreg` was ignored, or `wgmma` serialised.
pub(super) fn complaints(log: &str) -> Vec<String> {
    let counts = |line: &&str| {
        line.match_indices("C75").any(|(at, _)| {
            let digits = line[at + 3..].chars().take_while(char::is_ascii_digit).count();
            digits == 2
        })
    };
    log.lines().filter(counts).map(|line| line.trim().to_owned()).collect()
}

/// Set to 1, it has kernels run that are right and slow.
pub(super) const ALLOW_SLOW: &str = "FLASHPAGE_ALLOW_SLOW";

/// Why a kernel is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub found: String,
    /// Whether it would come to its end all the same.
    pub ends: bool,
}

impl MachineCode {
    /// What keeps it from being run; nothing of a kernel without roles, which any number of registers serves.
    pub fn misfit(&self, plan: &CodePlan<'_>) -> Option<Misfit> {
        let planned = plan.registers?;
        if self.registers != planned {
            let so = match self.registers < planned {
                true => "so its warps would wait for registers for ever",
                false => "so there would be none for as many threads as there should be",
            };
            let found = format!(
                "the driver's compiler gave its threads {} registers at entry where {planned} were planned, {so}",
                self.registers
            );
            return Some(Misfit { found, ends: false });
        }
        let slow = match (self.complaints.first(), self.local_bytes) {
            (None, 0) => return None,
            (Some(line), _) => format!("the driver's compiler says `{line}`"),
            (None, bytes) => format!(
                "the driver's compiler put {bytes} bytes of a thread into local memory, where all were to be in registers"
            ),
        };
        Some(Misfit { found: format!("{slow} ({ALLOW_SLOW}=1 runs it all the same)"), ends: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs() {
        let said = "ptxas info    : (C7508) Potential Performance Loss: 'setmaxnreg' ignored\n\
                    info: Used 168 registers, C7512\nC751 C75100\n\n";
        let table: [(&str, &[&str]); 2] = [
            ("ptxas info    : Used 168 registers", &[]),
            (
                said,
                &[
                    "ptxas info    : (C7508) Potential Performance Loss: 'setmaxnreg' ignored",
                    "info: Used 168 registers, C7512",
                ],
            ),
        ];
        for (log, expected) in table {
            assert_eq!(complaints(log), expected, "{log}");
        }
    }

    #[test]
    fn what_is_refused() {
        let code = |registers, local_bytes, complaint: &str| MachineCode {
            registers,
            local_bytes,
            complaints: complaints(complaint),
        };
        let table = [
            (code(168, 0, ""), Some(168), None),
            (code(152, 0, ""), Some(168), Some(("152 registers at entry where 168 were planned", false))),
            (code(152, 8, "(C7508) ignored"), Some(168), Some(("152 registers at entry", false))),
            (code(176, 0, ""), Some(168), Some(("176 registers at entry", false))),
            (code(168, 8, ""), Some(168), Some(("8 bytes of a thread into local memory", true))),
            (code(168, 0, "(C7510) serialized"), Some(168), Some(("says `(C7510) serialized`", true))),
            // Without roles anything runs.
            (code(255, 8, "(C7510) serialized"), None, None),
        ];
        for (code, registers, expected) in table {
            let found = code.misfit(&CodePlan { entry: "k", registers });
            assert_eq!(found.as_ref().map(|misfit| misfit.ends), expected.map(|(_, ends)| ends), "{code:?}");
            if let (Some(misfit), Some((part, ends))) = (&found, expected) {
                assert!(misfit.found.contains(part), "{code:?}: {misfit:?}");
                assert_eq!(misfit.found.contains(ALLOW_SLOW), ends, "{code:?}: {misfit:?}");
            }
        }
    }
}
