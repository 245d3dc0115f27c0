//! Programmatic dependent launch: a kernel that begins while the one before it in the stream is finishing.
//!
//! A launch with [`Launch::programmatic`] may begin once every block of the launch before has executed
//! `griddepcontrol.launch_dependents` or has ended, on a GPU of compute capability 9.0 or later (CUDA C++ Programming Guide,
//! "Programmatic Dependent Launch and Synchronization"; PTX ISA, `griddepcontrol`). Before it touches global memory it
//! executes `griddepcontrol.wait`, which returns when the launch before has ended and its writes are visible. What comes
//! before that, setting up shared memory and fetching tensor maps, costs no time of its own.
//!
//! *Why every kernel of a chain waits.* Let A, B and C follow one another, B and C marked. `griddepcontrol.wait` of C
//! waits for B alone. If B waited for A, B ended after A, and so C is behind both. If B did not wait, B might end before A,
//! and C would read what A is still writing. So a grid that waits ends after all before it, however long the chain, and
//! an entry without the instruction is refused here. The first launch of a chain is not marked: it begins when all that
//! came before it in the stream has ended.

use super::Launch;

/// The compute capability that brought it.
#[cfg_attr(not(feature = "cuda"), expect(dead_code))]
pub(super) const CAPABILITY: (u32, u32) = (9, 0);

/// Holds a launch against an entry that waits for the launch before it, or does not.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn check(launch: &Launch, waits: impl FnOnce() -> bool) -> Result<(), String> {
    if !launch.programmatic {
        return Ok(());
    }
    if launch.cooperative {
        return Err("a launch is programmatic or cooperative, not both: clear `Launch::programmatic` \
                    (`\"programmatic\"` in launch.json) or `Launch::cooperative`"
            .into());
    }
    if !waits() {
        return Err(
            "a programmatic launch may begin before the one before it has ended, and this entry has no \
                    `griddepcontrol.wait`: put one before its first access to global memory, or clear \
                    `Launch::programmatic` (`\"programmatic\"` in launch.json)"
                .into(),
        );
    }
    Ok(())
}
