//! All suites in one binary, which is linked once, and in which no suite waits for another to end. `cargo test -p flashpage-tests
//! variants::` runs one of them.

// What they have in common.
mod canonical;
mod drawn;
#[rustfmt::skip]
mod drawn_forms;
#[rustfmt::skip]
mod drawn_kernels;
mod judge;
mod kernel_source;
mod mutants;
mod odd_forms;
mod opaque_masks;
mod paged;
mod planning;
mod programs;
mod targets;
mod user_sources;

mod bad_input;
mod cache_cascade;
mod cache_eight_bits;
mod cache_features;
mod cache_latent;
mod cache_model;
mod eight_bit_products;
mod eight_bits;
mod equivalence;
mod f32_inputs;
mod fuzz_indices;
mod gradients;
mod head_sizes;
mod invariance;
mod kernels;
mod manifest;
mod mutation;
mod oracle;
mod output_types;
mod planned;
mod planned_mutation;
mod plans;
mod ptx_snapshots;
mod random_problems;
mod random_programs;
mod reference;
mod score_functions;
mod traffic;
mod user_kernels;
mod variants;
