//! What of all kernels and batches a run takes.

use std::env;
use user_kernels::{KERNELS, Kernel};

/// The kernels, each with its number; the one that is asked for alone, where one is.
pub fn kernels() -> Vec<(usize, &'static Kernel)> {
    let asked = env::var("FLASHPAGE_USER_KERNEL").ok();
    let is_asked = |kernel: &Kernel| asked.as_ref().is_none_or(|asked| kernel.name.contains(asked.as_str()));
    let kernels: Vec<_> = KERNELS.iter().enumerate().filter(|(_, kernel)| is_asked(kernel)).collect();
    assert!(!kernels.is_empty(), "no kernel has {asked:?} in its name");
    kernels
}

/// Whether everything is asked for.
pub fn is_all() -> bool {
    match env::var("FLASHPAGE_USER_KERNELS").as_deref() {
        Ok("all") => true,
        Ok(other) => panic!("FLASHPAGE_USER_KERNELS={other}: write `all`"),
        Err(_) => env::var_os("FLASHPAGE_USER_KERNEL").is_some(),
    }
}

/// Whether this run takes the thing of that number: one of `share`, another each day.
pub fn is_taken(number: usize, share: usize) -> bool {
    let days = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() / 86_400);
    is_all() || (number + days as usize).is_multiple_of(share)
}

/// Runs `check` on all items on all cores, and gives what it has to say against them.
pub fn failures<T: Sync>(items: &[T], check: impl Fn(&T) -> Result<(), String> + Sync) -> Vec<String> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (next, found) = (AtomicUsize::new(0), std::sync::Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = check(item) {
                        found.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// Fails with all that was found, and says how many things were tried.
pub fn report(what: &str, tried: usize, failures: &[String]) {
    // Past the harness, which keeps what a passing test prints to itself.
    let mut terminal = std::io::stderr();
    let _ = std::io::Write::write_fmt(&mut terminal, format_args!("{what}: {tried} tried\n"));
    // One kernel that was asked for need not be what a test is about.
    let is_one = std::env::var_os("FLASHPAGE_USER_KERNEL").is_some();
    assert!(tried > 0 || is_one, "{what}: nothing was tried");
    assert!(failures.is_empty(), "{} of {tried}:\n{}", failures.len(), failures.join("\n\n"));
}
