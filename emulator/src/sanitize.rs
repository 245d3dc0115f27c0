//! Which checks of the sanitizer run, by name.

use crate::fault::FaultKind;
use std::fmt;
use std::str::FromStr;

/// One of the checks.
type Flag = fn(&mut Sanitize) -> &mut bool;

/// What a launch is checked for, beyond what is a fault always.
///
/// ```
/// use flashpage_emulator::Sanitize;
///
/// let some: Sanitize = "races,unwritten".parse()?;
/// assert_eq!(some, Sanitize { races: true, unwritten: true, ..Sanitize::NONE });
/// assert_eq!(some.to_string(), "races,unwritten");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sanitize {
    /// Accesses to shared memory that nothing orders, between warps and between the lanes of one.
    pub races: bool,
    /// Values that come of memory or registers that nobody wrote, where they are used.
    pub unwritten: bool,
    /// Uses of what a copy or a `wgmma` may still be working at, shared memory that is given up before that is over or
    /// used before its block has begun, and barriers and mbarriers whose phase ends before all that it waits for has come,
    /// or is counted for before the last is over. In a launch that may begin before the one before it has ended
    /// ([`Launch::programmatic`](crate::Launch::programmatic)), also what touches global memory before
    /// `griddepcontrol.wait`.
    pub waits: bool,
    /// A missing `fence.proxy.async` or `wgmma.fence`, and what makes the assembler serialise a `wgmma`.
    pub fences: bool,
    /// With [`Sanitize::races`], which it brings along: a racing write counts even if it stores the value that is there
    /// already. Compilers let every warp store the same constants, which does no harm; but in a kernel of one's own it
    /// is mostly the data that happened to be equal, as when all of it is zero.
    ///
    /// With [`Sanitize::fences`], what lanes copied (`cp.async`) needs a `fence.proxy.async` before it is read through the async
    /// proxy, as ordinary writes do. FlashAttention-3 and CUTLASS have none there, and hardware gives them what they want.
    pub strict: bool,
}

impl Sanitize {
    /// No check.
    pub const NONE: Sanitize =
        Sanitize { races: false, unwritten: false, waits: false, fences: false, strict: false };
    /// Every check that right programs pass: all but [`Sanitize::strict`].
    pub const USUAL: Sanitize =
        Sanitize { races: true, unwritten: true, waits: true, fences: true, strict: false };
    /// Every check.
    pub const ALL: Sanitize = Sanitize { strict: true, ..Sanitize::USUAL };

    /// Each check with its name.
    const NAMES: [(&'static str, Flag); 5] = [
        ("races", |set| &mut set.races),
        ("unwritten", |set| &mut set.unwritten),
        ("waits", |set| &mut set.waits),
        ("fences", |set| &mut set.fences),
        ("strict", |set| &mut set.strict),
    ];

    /// Whether any check runs.
    pub fn is_any(self) -> bool {
        self != Sanitize::NONE
    }

    /// Whether one runs that has to know who touched shared memory, and in what order.
    pub(crate) fn watches(self) -> bool {
        self.races || self.strict || self.waits || self.fences
    }

    /// Whether one runs that has to know which registers a `wgmma` uses.
    pub(crate) fn holds_registers(self) -> bool {
        self.waits || self.fences
    }

    /// Whether this is looked for. What no check is for is a fault always.
    pub(crate) fn finds(self, kind: &FaultKind) -> bool {
        match kind {
            FaultKind::Race { .. } | FaultKind::WarpRace { .. } => self.races || self.strict,
            FaultKind::NeverWritten(_) => self.unwritten,
            FaultKind::InFlight { .. }
            | FaultKind::RegisterInFlight(_)
            | FaultKind::Abandoned(_)
            | FaultKind::NotStarted(_)
            | FaultKind::Prerequisites { .. } => self.waits,
            FaultKind::Unfenced { .. } | FaultKind::WarpgroupFence(_) | FaultKind::WarpgroupSerialised(_) => {
                self.fences
            }
            _ => true,
        }
    }
}

impl From<bool> for Sanitize {
    /// The usual checks, or none.
    fn from(on: bool) -> Sanitize {
        if on { Sanitize::USUAL } else { Sanitize::NONE }
    }
}

impl FromStr for Sanitize {
    type Err = String;

    /// Names with commas between them, `all` for every one.
    fn from_str(text: &str) -> Result<Sanitize, String> {
        let mut set = Sanitize::NONE;
        for name in text.split(',').map(str::trim) {
            if name == "all" {
                set = Sanitize::ALL;
                continue;
            }
            let Some((_, flag)) = Sanitize::NAMES.iter().find(|(known, _)| *known == name) else {
                let names = Sanitize::NAMES.map(|(known, _)| known).join(", ");
                return Err(format!(
                    "no check is called `{name}`: write some of {names} with commas between, or all"
                ));
            };
            *flag(&mut set) = true;
        }
        set.races |= set.strict;
        Ok(set)
    }
}

impl fmt::Display for Sanitize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = *self;
        let on = Sanitize::NAMES.iter().filter(|(_, flag)| *flag(&mut set)).map(|(name, _)| *name);
        let names: Vec<&str> = on.collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let none = Sanitize::NONE;
        let table = [
            ("races", Sanitize { races: true, ..none }, "races"),
            ("waits, fences", Sanitize { waits: true, fences: true, ..none }, "waits,fences"),
            ("strict", Sanitize { races: true, strict: true, ..none }, "races,strict"),
            ("fences,waits,unwritten,races", Sanitize::USUAL, "races,unwritten,waits,fences"),
            ("all", Sanitize::ALL, "races,unwritten,waits,fences,strict"),
        ];
        for (text, set, shown) in table {
            assert_eq!(text.parse(), Ok(set));
            assert_eq!(set.to_string(), shown);
        }
        assert_eq!(none.to_string(), "none");
        for (text, wrong) in
            [("", "``"), ("race", "`race`"), ("races,,fences", "``"), ("all,Waits", "`Waits`")]
        {
            let error = text.parse::<Sanitize>().unwrap_err();
            assert!(
                error.contains(wrong) && error.contains("races, unwritten, waits, fences, strict"),
                "{error}"
            );
        }
    }
}
