//! Tensor maps: how a tensor lies in global memory, and which box of it a bulk copy moves.

/// A field of a tensor map, as `tensormap.replace` names it; the number says which of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Field {
    GlobalAddress,
    Rank,
    BoxDim(u8),
    GlobalDim(u8),
    GlobalStride(u8),
    ElementStride(u8),
    Elemtype,
    InterleaveLayout,
    SwizzleMode,
    FillMode,
}
