//! Timings. What is timed on the host is in `benches/`; on a GPU, `gpu.sh` runs everything and `peers.py` times what
//! others have; results with their machine are in `results/`. `README.md` says how each figure is taken.

pub mod streams;
