//! What a bulk tensor copy moves, and the dimensions of its map.

/// What one bulk copy moves: `rows` rows of one head, and of each `span` bytes of the head dimension, which are also
/// the span of the swizzle in shared memory, or, of a pool, all of it.
///
/// Dimensions of the map, innermost first, and the box along each (elements):
///
/// | parameter | dimensions | box |
/// |---|---|---|
/// | query, output | head_dim, heads, tokens | span, packed heads, rows / packed heads |
/// | keys, values | head_dim, tokens, heads | span, rows, 1 |
/// | paged keys, values | span, 8, head_dim / span, block size / 8, places | span, 8, head_dim / span, rows / 8, 1 |
///
/// A pool's box is whole rows, in the order in which `wgmma` takes them: eight rows of a panel, all panels, the next eight
/// rows. That is four dimensions, and a map has five, so the last is for head and block together. A *place* is one head of
/// one block; places are a head's stride apart. A block's stride is a multiple of a head's in either layout of a pool, so
/// head `h` of block `b` begins at place `b * step + h`, where [`crate::abi::Meaning::BlockStep`] has the step. Where heads are inside
/// tokens (NHD) most places begin at other tokens than a block's first, and are not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CopyBox {
    /// Rows: (token, packed head) pairs of a query or an output, tokens of the rest. Of a pool, a multiple of 8.
    pub rows: u32,
    /// Bytes of a panel of a row: 128, 64 or 32.
    pub span: u32,
}
