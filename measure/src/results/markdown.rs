//! `report.md`: where a run was made, what came of it, and everything that did not go well, in full.

use super::comparison::Comparison;
use super::merge::{Results, Row, Status};
use super::plot::Plot;
use super::table::{Table, of_phase};
use super::{Machine, Step};
use crate::bench::OURS;
use crate::experiments::table as table_of_experiments;
use crate::workload::Phase;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The report as Markdown, with links to these plots beside it.
pub fn report(results: &Results, plots: &[Plot]) -> String {
    let mut text = String::new();
    text += &title(results.machine.as_ref());
    text += &where_and_what(results);
    text += &format!(
        "## Verdict\n\n{}\n",
        verdict(results).iter().map(|l| format!("- {l}\n")).collect::<String>()
    );
    text += &ceilings(results);
    for (heading, phase) in
        [("Prefill", Phase::Prefill), ("Append", Phase::Append), ("Decode", Phase::Decode)]
    {
        text += &workloads(results, heading, phase, plots);
    }
    text += &losses(results);
    text += &experiments(results);
    text += &failures(results);
    text += &skipped(results);
    text + &HOW.replace("METHODS", &methods(results))
}

const HOW: &str = "\
## How each figure is taken

- Times are medians of launches on the device, by events around a launch or around the replay of a captured one, which \
leaves out what the host takes to launch; here: METHODS. The spread is p10 to p90.
- TFLOP/s counts `4 · Σ (q_len · kv_len) · heads · head_dim`, halved for a causal prefill, for everybody; GB/s counts every \
tensor once. Neither is what a kernel really executes or moves.
- The share in brackets is of the highest ceiling measured in this run: `matmul-` of the element type for prefill and \
append, `copy` for decode.
- The ratio is the best peer's median over ours: above 1 ours is faster. *Slower* is a workload where a peer's p90 lies \
below our p10, *faster* one where our p90 lies below every peer's p10, *level* anything between. A result that was \
found wrong has no speed.

[`bench/README.md`](../../README.md) says more.
";

fn title(machine: Option<&Machine>) -> String {
    match machine {
        Some(machine) if machine.emulated => {
            "# EMULATED, DRY RUN: no timings\n\nKernels ran on the emulator. Nothing \
             here says how fast anything is: the tables and plots show operations and bytes as counted.\n\n"
                .to_owned()
        }
        Some(machine) => format!("# flashpage on {}\n\n", machine.gpu),
        None => "# flashpage, on a machine that was not recorded\n\n".to_owned(),
    }
}

fn where_and_what(results: &Results) -> String {
    let mut text = String::new();
    if let Some(m) = &results.machine {
        let mut table = Table::new(&["", ""]);
        let mut line = |name: &str, value: String| {
            if !value.is_empty() {
                table.row(&[name, &value]);
            }
        };
        let number =
            |value: u64, unit: &str| if value == 0 { String::new() } else { format!("{value}{unit}") };
        line("date", m.date.clone());
        line("commit", m.commit.clone());
        line("suite", m.suite.clone());
        line("GPU", m.gpu.clone());
        line("compute capability", m.compute_capability.clone());
        line("multiprocessors", number(m.sms.into(), ""));
        line("memory", number(m.memory_bytes >> 20, " MiB"));
        line("L2", number(m.l2_bytes >> 20, " MiB"));
        line("driver", m.driver.clone());
        line("highest clock, multiprocessors", number(m.max_sm_clock_mhz.into(), " MHz"));
        line("highest clock, memory", number(m.max_memory_clock_mhz.into(), " MHz"));
        line(
            "power limit",
            if m.power_limit_w > 0.0 { format!("{} W", m.power_limit_w) } else { String::new() },
        );
        line("host", m.host.clone());
        line("software", m.software.join(", "));
        text += &format!("{}\n", table.finish());
        if !m.samples.is_empty() {
            text += "Clocks while it went on:\n\n";
            text += &fenced(&m.samples.join("\n"), "");
            text += "\n";
        }
    }
    for file in &results.missing {
        let means = match *file {
            "machine.json" => "where this was run is not recorded",
            "steps.jsonl" => "how the steps ended is not recorded",
            _ => "that step was not run",
        };
        let _ = writeln!(text, "- `{file}` is not there: {means}.");
    }
    for place in &results.cut_off {
        let _ = writeln!(text, "- `{place}` was cut off, and is kept out.");
    }
    if !results.superseded.is_empty() {
        let places = results.superseded.join(", ");
        let _ = writeln!(text, "- Lines that a later one took the place of: {places}.");
    }
    for id in &results.needless_causes {
        let _ = writeln!(text, "- `causes.json` has a cause for `{id}`, which does not lose.");
    }
    text.trim_end().to_owned() + "\n\n"
}

/// The run in a few lines.
pub fn verdict(results: &Results) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(match &results.check {
        None => "Correctness: not run.".to_owned(),
        Some(rows) => {
            let passed = rows.iter().filter(|row| row.passed).count();
            format!("Correctness: {passed} of {} problems equal the f64 reference.", rows.len())
        }
    });
    lines.push(match &results.parity {
        None => "Parity with the emulator: not run.".to_owned(),
        Some(rows) => {
            let passed = rows.iter().filter(|row| row.passed).count();
            let identical = rows.iter().filter(|row| row.identical).count();
            format!("Parity with the emulator: {passed} of {} cases, {identical} to the bit.", rows.len())
        }
    });
    let t = &results.tally;
    lines.push(match (results.emulated(), t.timed) {
        (true, _) => "Speed: none, the run is emulated.".to_owned(),
        (false, 0) => "Speed: nothing was timed.".to_owned(),
        (false, timed) => format!(
            "Speed: of {timed} workloads ours is faster than every peer in {}, level in {}, slower than a peer in {}; \
             no peer has a time in {}, ours has none in {}.",
            t.faster, t.level, t.slower, t.no_peer, t.not_ours
        ),
    });
    let unchecked =
        results.rows.iter().filter(|row| row.status == Status::Timed && row.measured.right.is_none());
    match unchecked.count() {
        0 => {}
        count => lines.push(format!("Of {count} timed rows nobody checked the result.")),
    }
    let failed = results.rows.iter().filter(|row| is_failure(row));
    let (ours, peers): (Vec<&Row>, Vec<&Row>) = failed.partition(|row| row.measured.who == OURS);
    if ours.len() + peers.len() > 0 {
        lines.push(format!("Measurements that failed: {} of ours, {} of peers.", ours.len(), peers.len()));
    }
    lines.push(match &results.steps {
        None => "Steps: how they ended was not recorded.".to_owned(),
        Some(steps) => {
            let bad: Vec<String> = steps.iter().filter(|step| step.status != 0).map(ended).collect();
            match bad.is_empty() {
                true => format!("Steps: all {} ended well.", steps.len()),
                false => {
                    format!("Steps: {} of {} did not end well: {}.", bad.len(), steps.len(), bad.join(", "))
                }
            }
        }
    });
    lines
}

fn ended(step: &Step) -> String {
    match step.status {
        124 => format!("`{}` was cut off", step.step),
        status => format!("`{}` ended with {status}", step.step),
    }
}

fn ceilings(results: &Results) -> String {
    let mut text = "## Ceilings\n\n".to_owned();
    if results.ceilings.is_empty() {
        return text + "None were measured.\n\n";
    }
    let mut table = Table::new(&["ceiling", "by", "measured:", "how"]);
    for c in &results.ceilings {
        let measured = match c.ceiling.as_str() {
            "copy" => format!("{:.0} GB/s", c.per_second / 1e9),
            _ => format!("{:.1} TFLOP/s", c.per_second / 1e12),
        };
        table.row(&[&c.ceiling, &c.who, &measured, &c.how]);
    }
    text += &table.finish();
    text + "\n"
}

fn workloads(results: &Results, heading: &str, phase: Phase, plots: &[Plot]) -> String {
    let Some(table) = of_phase(results, phase) else { return String::new() };
    let unit = match (results.emulated(), phase) {
        (true, _) => "counted",
        (false, Phase::Decode) => "GB/s",
        (false, _) => "TFLOP/s",
    };
    let mut text = format!("## {heading}, {unit}\n\n{table}\n");
    for plot in plots.iter().filter(|plot| plot.file.starts_with(&heading.to_lowercase())) {
        let _ = write!(text, "![{}]({})\n\n", plot.title, plot.file);
    }
    text
}

fn losses(results: &Results) -> String {
    let mut text = "## What loses to a peer\n\n".to_owned();
    let losses: Vec<&Comparison> = results.comparisons.iter().filter(|c| c.loses()).collect();
    if losses.is_empty() {
        return text + if results.tally.timed == 0 { "Nothing was timed.\n\n" } else { "Nothing.\n\n" };
    }
    for loss in losses {
        let ratio =
            loss.ratio.map_or(String::new(), |ratio| format!(", at {ratio:.2} of the best peer's speed"));
        let _ = writeln!(text, "- `{}`: to {}{ratio}", loss.id, loss.faster_peers.join(", "));
        let _ = writeln!(text, "  - cause: {}", loss.cause.as_deref().unwrap_or("not found yet"));
    }
    text + "\n"
}

fn experiments(results: &Results) -> String {
    if results.experiments.is_empty() {
        return String::new();
    }
    let what = if results.emulated() { "whether each is right" } else { "medians in µs" };
    format!(
        "## Experiments: choices of a schedule, {what}\n\n{}\n",
        table_of_experiments(&results.experiments)
    )
}

fn is_failure(row: &Row) -> bool {
    matches!(row.status, Status::Failed | Status::Wrong)
}

fn failures(results: &Results) -> String {
    let mut text = "## Failures\n\n".to_owned();
    let mut failure = |what: String, message: &str| {
        let _ = writeln!(text, "- {what}");
        if !message.trim().is_empty() {
            text += &fenced(message, "  ");
        }
    };
    for step in results.steps.iter().flatten().filter(|step| step.status != 0) {
        let took = if results.emulated() { String::new() } else { format!(" after {:.0} s", step.seconds) };
        failure(format!("step {}{took}", ended(step)), &step.message);
    }
    for row in results.check.iter().flatten().filter(|row| !row.passed) {
        let mut said: Vec<String> = row.message.iter().cloned().collect();
        let wrong = row.outputs.iter().filter(|output| !output.passed);
        said.extend(wrong.map(|output| format!("{}: {}", output.output, output.failure)));
        let again = format!("kgen case {} {} -o d && kgen launch d/launch.json", row.kernel, row.problem);
        said.push(format!("again: {again}"));
        failure(format!("check: `{}`, {}", row.kernel, row.batch), &said.join("\n"));
    }
    for row in results.parity.iter().flatten().filter(|row| !row.passed) {
        let largest = row.max_abs.map_or(String::new(), |value| format!(", largest difference {value:e}"));
        let message = row.message.as_deref().unwrap_or("no message");
        failure(format!("parity: `{}`, `{}`{largest}", row.case, row.entry), message);
    }
    for row in results.rows.iter().filter(|row| is_failure(row)) {
        let (what, message) = match row.status {
            Status::Wrong => ("its result is wrong", row.measured.checked.as_deref().unwrap_or("")),
            _ => ("failed", row.measured.error.as_deref().unwrap_or("")),
        };
        failure(format!("{}, `{}`: {what}", row.measured.who, row.id), message);
    }
    if !results.emulated() {
        for row in results.rows.iter().filter(|row| row.status == Status::Untimed) {
            failure(format!("{}, `{}`: no time was taken", row.measured.who, row.id), "");
        }
    }
    if text.ends_with("\n\n") {
        text += "None.\n";
    }
    text + "\n"
}

fn skipped(results: &Results) -> String {
    let mut groups: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for row in &results.rows {
        if let Some(why) = &row.measured.skipped {
            groups.entry((&row.measured.who, why)).or_default().push(&row.id);
        }
    }
    let mut text = "## Skipped\n\n".to_owned();
    for ((who, why), ids) in &groups {
        let which = match ids.as_slice() {
            [one] => format!("`{one}`"),
            many => format!("{} workloads", many.len()),
        };
        let _ = writeln!(text, "- {who}, {which}: {}", why.replace(['\n', '\r'], " "));
    }
    text + if groups.is_empty() { "Nothing.\n\n" } else { "\n" }
}

/// `flashpage event; fa3 graph`
fn methods(results: &Results) -> String {
    let methods = |who: &str| {
        let timed = results.rows.iter().filter(|row| row.status == Status::Timed && row.measured.who == who);
        let methods: BTreeSet<&str> = timed.map(|row| row.measured.method.as_str()).collect();
        let methods = methods.into_iter().collect::<Vec<_>>().join(" and ");
        (!methods.is_empty()).then(|| format!("{who} {methods}"))
    };
    let all: Vec<String> = results.implementations().into_iter().filter_map(methods).collect();
    if all.is_empty() { "nothing was timed".to_owned() } else { all.join("; ") }
}

/// Text in a fence that nothing in it can close.
fn fenced(text: &str, indent: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let mut block = format!("{indent}{fence}text\n");
    for line in text.trim_end().lines() {
        let _ = writeln!(block, "{indent}{line}");
    }
    block + indent + &fence + "\n"
}
