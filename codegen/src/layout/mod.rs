//! Layouts as values: where an element of a tile lies in shared memory ([`swizzle`]) or in a warp's
//! registers ([`fragment`]). Lowerings take every such number from here; those that go by lane are
//! data ([`lane`]) from which the emitter makes instructions.

pub mod converted;
pub mod converted_copy;
pub mod copy_box;
pub mod fragment;
pub mod key_groups;
pub mod lane;
pub mod panel;
pub mod swizzle;
pub mod transposed_copy;
