//! A progress bar on standard error, for work of more than a moment. Silent where nobody looks.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `steps`.
pub fn bar(steps: usize, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}
