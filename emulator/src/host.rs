//! The memory of the host: how much there is, and allocations that may fail.

use std::alloc::{Layout, alloc_zeroed};
use std::sync::OnceLock;

/// What the emulator may take where nobody says otherwise: three quarters of the machine's memory, or of the control
/// group's if that is less. Where the host tells neither, 12 GiB.
pub(crate) fn default_limit() -> u64 {
    static LIMIT: OnceLock<u64> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
            line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
        });
        let group = number("/sys/fs/cgroup/memory.max")
            .or_else(|| number("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
        machine.into_iter().chain(group).min().unwrap_or(16 << 30) / 4 * 3
    })
}

/// So many zeros, which take no memory before they are written to; `None` if the host has no room for them.
pub(crate) fn zeros(count: usize) -> Option<Box<[u64]>> {
    if count == 0 {
        return Some(Box::default());
    }
    let layout = Layout::array::<u64>(count).ok()?;
    // SAFETY: the layout is not empty. Zeroed bytes are `u64`s, and a box of a slice frees by the same layout.
    unsafe {
        let start = alloc_zeroed(layout).cast::<u64>();
        (!start.is_null()).then(|| Box::from_raw(std::ptr::slice_from_raw_parts_mut(start, count)))
    }
}

/// So many of a value; `None` if the host has no room for them.
pub(crate) fn filled<T: Clone>(value: T, count: usize) -> Option<Vec<T>> {
    let mut all = Vec::new();
    all.try_reserve_exact(count).ok()?;
    all.resize(count, value);
    Some(all)
}
