//! Is a program well-typed?

/// Why a program is not well-formed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct ProgramError(pub String);
