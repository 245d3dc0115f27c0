//! Where a token lies among sixteen in a pool of values that is transposed: `[blocks, kv_heads, block_size / 16, head_dim, 16]`.

/// Tokens that lie together.
pub const GROUP: u32 = 16;

/// The place of a token among its sixteen: tokens `2t` and `2t + 1` at `4t`, tokens `8 + 2t` and `9 + 2t` at `4t + 2`, as products of 8 bits
/// have their depth.
#[inline(always)]
pub const fn place_of_token(token: u32) -> u32 {
    token % 8 / 2 * 4 + token / 8 * 2 + token % 2
}

/// Elements from the beginning of a head's part of a block to a token's first number.
#[inline(always)]
pub const fn first_number(token: u32, head_dim: u32) -> u64 {
    (token / GROUP) as u64 * (GROUP * head_dim) as u64 + place_of_token(token % GROUP) as u64
}
