//! Mutants of a PTX text: each lacks one synchronising instruction, or has one that asks for less.

/// One mutant.
pub struct Mutant {
    /// Line of the text that was changed, from 1.
    pub line: usize,
    /// What stood there and what stands there now.
    pub what: String,
    /// The whole text.
    pub text: String,
}

/// What becomes of a statement that synchronises: every way to weaken it. Empty for all other statements.
fn weakened(statement: &str) -> Vec<String> {
    let (guard, bare) = match statement.strip_prefix('@').and_then(|s| s.split_once(char::is_whitespace)) {
        Some((_, rest)) => (&statement[..statement.len() - rest.len()], rest.trim()),
        None => ("", statement),
    };
    let gone = String::new();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|p| bare.starts_with(p));
    let waits = ["cp.async.wait_group", "cp.async.bulk.wait_group", "wgmma.wait_group"];
    if starts(&waits) {
        let more = bare.rsplit_once(char::is_whitespace).and_then(|(head, n)| {
            let n: u32 = n.trim_end_matches(';').parse().ok()?;
            Some(format!("{guard}{head} {};", n + 1))
        });
        return [Some(gone), more].into_iter().flatten().collect();
    }
    // A wait that does not wait says that its phase is over.
    if starts(&["mbarrier.try_wait", "mbarrier.test_wait"]) {
        let done = bare.split_whitespace().nth(1).unwrap_or_default().trim_end_matches(',');
        return vec![format!("{guard}setp.eq.u32 {done}, 0, 0;")];
    }
    if bare.contains("expect_tx") {
        let fewer = bare.rsplit_once(',').map(|(head, bytes)| {
            let bytes = bytes.trim().trim_end_matches(';');
            match bytes.parse::<u32>() {
                Ok(n) => format!("{guard}{head}, {};", n / 2),
                Err(_) => format!("{guard}{head}, 16;"),
            }
        });
        return [Some(gone), fewer].into_iter().flatten().collect();
    }
    // One that no thread executes is there all the same: a launch is not refused for having none.
    if starts(&["griddepcontrol.wait"]) {
        return vec![gone, format!("{{ .reg .pred %never; setp.ne.u32 %never, 0, 0; @%never {bare} }}")];
    }
    let deleted = [
        "bar.sync",
        "bar.arrive",
        "bar.warp.sync",
        "barrier.sync",
        "barrier.arrive",
        "barrier.cta",
        "barrier.cluster",
        "cp.async.commit_group",
        "cp.async.wait_all",
        "cp.async.mbarrier.arrive",
        "cp.async.bulk.commit_group",
        "mbarrier.init",
        "mbarrier.arrive",
        "fence.mbarrier_init",
        "fence.proxy.async",
        "wgmma.fence",
        "wgmma.commit_group",
        "setmaxnreg",
        "griddepcontrol.launch_dependents",
    ];
    if starts(&deleted) { vec![gone] } else { Vec::new() }
}

/// All mutants of a text that has one statement a line.
pub fn mutants(text: &str) -> Vec<Mutant> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let statement = line.split("//").next().unwrap_or_default().trim();
        for replacement in weakened(statement) {
            let mut changed = lines.clone();
            changed[at] = &replacement;
            let now = if replacement.is_empty() { "nothing" } else { &replacement };
            let what = format!("`{statement}` became `{now}`");
            found.push(Mutant { line: at + 1, what, text: changed.join("\n") + "\n" });
        }
    }
    found
}
