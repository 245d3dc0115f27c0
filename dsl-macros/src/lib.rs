//! `#[attention_kernel]`.
