//! Every kernel of the crate on every rung: what its function gives on the host, what its kernels give on the emulator of both
//! targets, planned, in parts and with shared prefixes, under every policy, and what the assembler says of them.
//!
//! A run takes a share of all that, another each day, and everything where `FLASHPAGE_USER_KERNELS=all` is set;
//! `FLASHPAGE_USER_KERNEL=gpt_oss` takes one kernel alone.

mod assembled;
mod batches;
mod constructs;
mod devices;
mod eight_bits;
mod grid;
mod host;
mod planned;
mod policies;
mod sample;
