//! Timings. The benchmarks are in `benches/`, what is measured without running a kernel in `inner_loop.py`, and
//! results with their machine in `results/`; `README.md` says how each figure is taken.
