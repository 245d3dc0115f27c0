//! All suites in one binary, which is linked once: `cargo test -p flashpage-emulator-tests races::` runs one of them.

// What they have in common.
mod machine;
mod two_warps;

mod arithmetic;
mod asynchrony;
mod bulk;
mod calls;
mod checks;
mod cluster_order;
mod control;
mod declarations;
mod dependent_launch;
mod division;
mod entries;
mod equal_writes;
mod faults;
mod forms;
mod hopper_decode;
mod limits;
mod matrix;
mod mbarrier_order;
mod memory;
mod profile;
mod races;
mod robustness;
mod rustc;
mod tensor;
mod tiles;
mod unwritten;
mod volatile;
mod warp_order;
mod warpgroup;
mod warpgroup_operands;
mod warpgroup_registers;
