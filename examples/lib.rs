//! Programs to copy: each file beside this one is an example.
