//! Whole-project tests: the files beside this one. They use the public interface alone.
