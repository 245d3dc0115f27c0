//! Runs that are made up, on a GPU that there is not, and what is reported of them.

use flashpage_measure::results::comparison::Standing;
use flashpage_measure::results::merge::Results;
use flashpage_measure::results::read::{ReadError, Run};
use flashpage_measure::results::{markdown, plot, readme, svg};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use tempfile::TempDir;

/// A run's folder. A file's text is taken as it is.
fn folder(files: &[(&str, String)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

fn machine(emulated: bool) -> String {
    json!({"emulated": emulated, "date": "2001-02-03T04:05:06Z", "commit": "0123456789", "gpu": "GPU of the test",
        "driver": "1.2.3", "suite": "full"})
    .to_string()
}

fn prefill(len: usize) -> Value {
    json!({"kernel": "causal_attention", "phase": "prefill", "mask": "causal", "dtype": "f16", "head_dim": 64,
        "heads": 2, "kv_heads": 2, "q_len": len, "kv_lens": [len]})
}

fn decode(batch: usize) -> Value {
    json!({"kernel": "paged_full_attention", "phase": "decode", "mask": "full", "dtype": "f16", "head_dim": 64,
        "heads": 8, "kv_heads": 2, "q_len": 1, "kv_lens": vec![256; batch], "block_size": 16})
}

/// A row with p10, median and p90.
fn timed(who: &str, workload: Value, [p10, median, p90]: [f64; 3]) -> Value {
    json!({"who": who, "workload": workload, "p10_us": p10, "median_us": median, "p90_us": p90, "samples": 9,
        "method": "event", "right": true})
}

fn with(mut row: Value, field: &str, value: Value) -> Value {
    row[field] = value;
    row
}

fn untimed(who: &str, workload: Value) -> Value {
    json!({"who": who, "workload": workload, "method": "emulated", "right": true})
}

/// Ours and three peers: a win, a loss, a tie within the spread, failures, a wrong result, a skipped peer.
fn hardware() -> Vec<(&'static str, String)> {
    let bench = [
        json!({"ceiling": "copy", "who": "kgen", "per_second": 2e12, "how": "a copy of the test"}),
        json!({"ceiling": "matmul-f16", "who": "kgen", "per_second": 5e12, "how": "a product of the test"}),
        json!({"ceiling": "matmul-f16", "who": "torch", "per_second": 1e13, "how": "another"}),
        timed("flashpage", prefill(1024), [98.0, 100.0, 102.0]),
        timed("flashpage", prefill(2048), [98.0, 100.0, 102.0]),
        timed("flashpage", prefill(4096), [95.0, 100.0, 105.0]),
        json!({"who": "flashpage", "workload": decode(4), "error": "launch: out of | luck\nof the test"}),
        timed("flashpage", decode(8), [9.0, 10.0, 11.0]),
        timed("flashpage", decode(16), [9.0, 10.0, 11.0]),
        // Alone in its series.
        timed("flashpage", with(decode(8), "window", json!(9)), [9.0, 10.0, 11.0]),
    ];
    let peers = [
        timed("peer-b", prefill(1024), [290.0, 300.0, 310.0]),
        timed("peer-a", prefill(1024), [196.0, 200.0, 204.0]),
        timed("peer-c", prefill(1024), [390.0, 400.0, 410.0]),
        timed("peer-a", prefill(2048), [49.0, 50.0, 51.0]),
        timed("peer-b", prefill(2048), [70.0, 80.0, 110.0]),
        json!({"who": "peer-c", "workload": prefill(2048), "skipped": "no such package"}),
        timed("peer-a", prefill(4096), [70.0, 80.0, 96.0]),
        // The fastest of all, and wrong.
        with(
            with(timed("peer-b", prefill(4096), [1.0, 1.0, 1.0]), "right", json!(false)),
            "checked",
            json!("off by 7"),
        ),
        json!({"who": "peer-c", "workload": prefill(4096), "skipped": "no such package"}),
        timed("peer-a", decode(4), [5.0, 6.0, 7.0]),
    ];
    let check = [
        json!({"kernel": "attention", "batch": "primes", "problem": "--q-len 7", "passed": true}),
        json!({"kernel": "attention", "batch": "ones", "problem": "--q-len 1", "passed": false,
            "outputs": [{"output": "o", "passed": false, "failure": "2 is more than 1"}, {"output": "lse", "passed": true}]}),
    ];
    let parity = [json!({"case": "cases/x", "entry": "fwd", "passed": true, "identical": true})];
    let steps = [
        json!({"step": "check", "status": 1, "seconds": 5.0, "message": "1 of 2 hold"}),
        json!({"step": "bench", "status": 0, "seconds": 9.0}),
        json!({"step": "peers", "status": 124, "seconds": 60.0}),
    ];
    vec![
        ("machine.json", machine(false)),
        ("bench.jsonl", lines(&bench)),
        ("peers.jsonl", lines(&peers)),
        ("check.jsonl", lines(&check)),
        ("parity.jsonl", lines(&parity)),
        ("steps.jsonl", lines(&steps)),
    ]
}

fn emulated() -> Vec<(&'static str, String)> {
    let bench =
        [prefill(64), prefill(128), decode(1), decode(2)].map(|workload| untimed("flashpage", workload));
    let peers =
        [untimed("peer-a", prefill(64)), json!({"who": "fa", "workload": decode(2), "skipped": "no GPU"})];
    vec![("machine.json", machine(true)), ("bench.jsonl", lines(&bench)), ("peers.jsonl", lines(&peers))]
}

fn results(files: &[(&str, String)]) -> Results {
    Results::of(&Run::read(folder(files).path()).unwrap())
}

fn report(results: &Results) -> String {
    markdown::report(results, &plot::plots(results))
}

/// Each of these, in this order.
fn assert_in_order(text: &str, wanted: &[&str]) {
    let mut rest = text;
    for want in wanted {
        let Some(at) = rest.find(want) else { panic!("no `{want}` where it should be in\n{text}") };
        rest = &rest[at + want.len()..];
    }
}

/// The table of schedules, where there is one: the last line of a cell counts, and no time of a rehearsal does.
#[test]
fn experiments_are_a_table() {
    let tried = |schedule: &str, measured: Value| json!({"schedule": schedule, "measured": measured});
    let workload = || with(prefill(4096), "head_dim", json!(128));
    let rows = [
        tried(
            "--tile 128x128 --overlap free --pass-turn issued",
            timed("flashpage", workload(), [1.0, 2.0, 3.0]),
        ),
        tried(
            "--tile 128x128 --overlap free --pass-turn issued",
            timed("flashpage", workload(), [8.0, 9.0, 9.5]),
        ),
        tried(
            "--tile 128x128 --overlap pinned --pass-turn issued",
            timed("flashpage", workload(), [6.0, 7.0, 8.0]),
        ),
    ];
    let file = ("experiments.jsonl", lines(&rows));
    let found = results(&[hardware(), vec![file.clone()]].concat());
    assert_in_order(
        &report(&found),
        &[
            "## Experiments: choices of a schedule, medians in µs",
            "| free, issued | 9.0 | - |",
            "| pinned, issued | **7.0** | - |",
        ],
    );
    assert!(!report(&results(&hardware())).contains("Experiments"));
    let refused = Run::read(folder(&[emulated(), vec![file]].concat()).path());
    assert!(
        matches!(&refused, Err(ReadError::TimeInEmulatedRun { at, .. }) if at.file == "experiments.jsonl"),
        "{refused:?}"
    );
}

#[test]
fn standings() {
    let results = results(&hardware());
    let table = [
        ("prefill causal f16 d64 h2/2 b1 s1024", Standing::Faster, Some("peer-a"), Some(2.0), ""),
        ("prefill causal f16 d64 h2/2 b1 s2048", Standing::Slower, Some("peer-a"), Some(0.5), "peer-a"),
        ("prefill causal f16 d64 h2/2 b1 s4096", Standing::Level, Some("peer-a"), Some(0.8), ""),
        ("decode full f16 d64 h8/2 b4 s256 page16", Standing::NotOurs, Some("peer-a"), None, ""),
        ("decode full f16 d64 h8/2 b8 s256 page16", Standing::NoPeer, None, None, ""),
        ("decode full f16 d64 h8/2 b16 s256 page16", Standing::NoPeer, None, None, ""),
        ("decode full f16 d64 h8/2 b8 s256 page16 window9", Standing::NoPeer, None, None, ""),
    ];
    assert_eq!(results.comparisons.len(), table.len());
    for (comparison, (id, standing, best, ratio, faster)) in results.comparisons.iter().zip(table) {
        assert_eq!(comparison.id, id);
        assert_eq!((comparison.standing, comparison.best_peer.as_deref()), (Some(standing), best), "{id}");
        assert_eq!((comparison.ratio, comparison.faster_peers.join(" ").as_str()), (ratio, faster), "{id}");
    }
    let t = &results.tally;
    assert_eq!((t.timed, t.faster, t.level, t.slower, t.no_peer, t.not_ours), (7, 1, 1, 1, 3, 1));
}

#[test]
fn derived_figures() {
    let document: Value = serde_json::from_str(&results(&hardware()).json().unwrap()).unwrap();
    assert_eq!(document["schema"], 1);
    let figures: BTreeMap<(&str, &str), &Value> = document["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| ((row["who"].as_str().unwrap(), row["id"].as_str().unwrap()), row))
        .collect();
    let near = |value: &Value, wanted: f64| {
        let value = value.as_f64().unwrap();
        assert!((value - wanted).abs() <= 1e-9 * wanted.abs(), "{value} is not {wanted}");
    };
    // 4 * 1024 * 1024 / 2 * 2 heads * 64 operations in 100 µs, of the higher of two measured ceilings.
    let row = figures[&("flashpage", "prefill causal f16 d64 h2/2 b1 s1024")];
    near(&row["flops"], 268_435_456.0);
    near(&row["tflops"], 2.684_354_56);
    near(&row["share_of_ceiling"], 0.268_435_456);
    near(&row["speed_vs_best_peer"], 2.0);
    assert_eq!((&row["ceiling"], &row["status"]), (&json!("matmul-f16"), &json!("timed")));
    near(&figures[&("peer-b", "prefill causal f16 d64 h2/2 b1 s1024")]["speed_vs_best_peer"], 200.0 / 300.0);
    // Q, O: 2 * 64 rows of 64; K, V: 2 * 2048 keys of 2 heads; 2 bytes each; 64 LSE and 128 table entries of 4.
    let row = figures[&("flashpage", "decode full f16 d64 h8/2 b8 s256 page16")];
    let bytes = f64::from(2 * 64 * 64 * 2 + 2 * 2048 * 2 * 64 * 2 + 4 * 64 + 4 * 128);
    near(&row["bytes"], bytes);
    near(&row["gb_per_s"], bytes / 10e-6 / 1e9);
    near(&row["share_of_ceiling"], bytes / 10e-6 / 2e12);
    assert_eq!((&row["ceiling"], &row["speed_vs_best_peer"]), (&json!("copy"), &Value::Null));
    let wrong = figures[&("peer-b", "prefill causal f16 d64 h2/2 b1 s4096")];
    assert_eq!((&wrong["status"], &wrong["tflops"]), (&json!("wrong"), &Value::Null));
}

#[test]
fn the_report_of_a_run_on_hardware() {
    let text = report(&results(&hardware()));
    assert_in_order(
        &text,
        &[
            "# flashpage on GPU of the test\n",
            "| date | 2001-02-03T04:05:06Z |",
            "| driver | 1.2.3 |",
            "## Verdict",
            "Correctness: 1 of 2 problems",
            "Parity with the emulator: 1 of 1 cases, 1 to the bit.",
            "of 7 workloads ours is faster than every peer in 1, level in 1, slower than a peer in 1; no peer has a time \
             in 3, ours has none in 1.",
            "failed: 1 of ours, 1 of peers.",
            "2 of 3 did not end well: `check` ended with 1, `peers` was cut off.",
            "## Ceilings",
            "| copy | kgen | 2000 GB/s | a copy of the test |",
            "## Prefill, TFLOP/s",
            "| workload | **flashpage** | its µs (p10 to p90) | peer-a | peer-b | peer-c | best peer | ratio | ours is |",
            "s1024 | **2.7 (27 %)** | 100.0 (98.0 to 102.0) | 1.3 (13 %) | 0.9 (9 %) | 0.7 (7 %) | peer-a | 2.00 | faster |",
            "s2048 | **10.7 (107 %)** | 100.0 (98.0 to 102.0) | 21.5 (215 %) | 13.4 (134 %) | skipped | peer-a | 0.50 | **slower** |",
            "| wrong | skipped | peer-a | 0.80 | level |",
            "](prefill-causal-f16-d64-h2-2.svg)",
            "## Decode, GB/s",
            "b4 s256 page16 | **failed** | - |",
            "](decode-full-f16-d64-h8-2-s256-page16.svg)",
            "## What loses to a peer\n\n- `prefill causal f16 d64 h2/2 b1 s2048`: to peer-a, at 0.50 of the best peer's \
             speed\n  - cause: not found yet\n\n",
            "## Failures",
            "step `check` ended with 1 after 5 s\n  ```text\n  1 of 2 hold\n",
            "step `peers` was cut off after 60 s",
            "check: `attention`, ones\n  ```text\n  o: 2 is more than 1\n  again: kgen case attention --q-len 1 -o d",
            "peer-b, `prefill causal f16 d64 h2/2 b1 s4096`: its result is wrong\n  ```text\n  off by 7\n",
            "flashpage, `decode full f16 d64 h8/2 b4 s256 page16`: failed\n  ```text\n  launch: out of | luck\n  of the test\n",
            "## Skipped\n\n- peer-c, 2 workloads: no such package\n",
            "(../../README.md)",
        ],
    );
}

#[test]
fn causes() {
    let id = "prefill causal f16 d64 h2/2 b1 s2048";
    let mut files = hardware();
    files.push(("causes.json", json!({id: "a cause of the test", "decode of nobody": "?"}).to_string()));
    let text = report(&results(&files));
    assert_in_order(
        &text,
        &["has a cause for `decode of nobody`, which does not lose", id, "cause: a cause of the test"],
    );
    assert!(!text.contains("not found yet"), "{text}");
}

#[test]
fn plots_of_a_run_on_hardware() {
    let plots = plot::plots(&results(&hardware()));
    let [prefill, decode] = plots.as_slice() else { panic!("{plots:#?}") };
    assert_eq!(prefill.title, "prefill causal f16 d64 h2/2");
    let lines: Vec<(&str, Vec<usize>)> = prefill
        .lines
        .iter()
        .map(|line| (line.who.as_str(), line.points.iter().map(|(x, _)| *x).collect()))
        .collect();
    let all = vec![1024, 2048, 4096];
    assert_eq!(
        lines,
        [("flashpage", all.clone()), ("peer-a", all), ("peer-b", vec![1024, 2048]), ("peer-c", vec![1024])]
    );
    assert!((prefill.lines[0].points[0].1 - 2.684_354_56).abs() < 1e-9);
    assert_eq!((prefill.ceiling.as_ref(), decode.ceiling.as_ref().map(|(_, y)| *y)), (None, Some(2000.0)));
    let drawn = svg::draw(decode).unwrap();
    assert_in_order(
        &drawn,
        &["<svg", "GB/s by batch; GPU of the test, 2001-02-03, commit 0123456", "copy, measured"],
    );
}

#[test]
fn an_emulated_run_says_so_and_holds_no_time() {
    let results = results(&emulated());
    let text = report(&results);
    assert!(text.starts_with("# EMULATED, DRY RUN: no timings\n"), "{text}");
    assert_in_order(
        &text,
        &[
            "`check.jsonl` is not there: that step was not run.",
            "Correctness: not run.",
            "Speed: none, the run is emulated.",
            "| workload | GFLOP | MB | flashpage | peer-a |",
            "| workload | GFLOP | MB | flashpage | fa |",
        ],
    );
    assert_in_order(
        &text,
        &["page16 | 0.001 | 0.", "| right | skipped |", "fa, `decode full f16 d64 h8/2 b2"],
    );
    for unit in ["TFLOP/s\n", "GB/s\n", "µs"] {
        assert!(!text.contains(unit), "{unit} in {text}");
    }
    let plots = plot::plots(&results);
    assert_eq!(plots.len(), 2);
    for plot in &plots {
        assert!(plot.title.ends_with("(emulated: no timings)"), "{plot:?}");
        assert!(svg::draw(plot).unwrap().contains("(emulated: no timings)"));
    }
    assert_eq!(plots[0].lines[1].points, [(64, 4.0 * 64.0 * 64.0 / 2.0 * 2.0 * 64.0 / 1e9)]);
}

#[test]
fn a_time_in_an_emulated_run_is_refused() {
    let late = timed("flashpage", prefill(64), [1.0, 1.0, 1.0]);
    let ceiling = json!({"ceiling": "copy", "who": "kgen", "per_second": 1.0, "how": "x"});
    let table = [
        (late, "bench.jsonl:2: flashpage, prefill causal f16 d64 h2/2 b1 s64: a time in an emulated run"),
        (with(untimed("flashpage", prefill(64)), "p90_us", json!(1.0)), "bench.jsonl:2: flashpage"),
        (ceiling, "bench.jsonl:2: copy by kgen: a time in an emulated run"),
    ];
    for (row, message) in table {
        let bench = lines(&[untimed("flashpage", decode(1)), row]);
        let error =
            Run::read(folder(&[("machine.json", machine(true)), ("bench.jsonl", bench)]).path()).unwrap_err();
        assert!(matches!(error, ReadError::TimeInEmulatedRun { .. }), "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn a_last_line_that_was_cut_off_is_kept_out_and_said() {
    let row = timed("flashpage", prefill(1024), [1.0, 2.0, 3.0]).to_string();
    let whole = lines(&[timed("flashpage", prefill(512), [1.0, 2.0, 3.0])]);
    for cut in [1, row.len() / 2, row.len() - 1] {
        let results = results(&[("bench.jsonl", format!("{whole}{}", &row[..cut]))]);
        assert_eq!((results.rows.len(), results.cut_off.as_slice()), (1, &["bench.jsonl:2".to_owned()][..]));
        assert!(report(&results).contains("`bench.jsonl:2` was cut off, and is kept out."));
    }
    // Cut off after its end, before the line's.
    assert_eq!(results(&[("bench.jsonl", format!("{whole}{row}"))]).rows.len(), 2);
}

#[test]
fn lines_that_cannot_be_understood() {
    let good = timed("flashpage", prefill(1024), [1.0, 2.0, 3.0]);
    let of = |field: &str, value: Value| {
        with(good.clone(), "workload", with(prefill(8), field, value)).to_string()
    };
    let table = [
        ("bench.jsonl", "{\"who\": \"flash".to_owned(), "bench.jsonl:2: no JSON"),
        ("bench.jsonl", "{}".to_owned(), "bench.jsonl:2: neither a measurement nor a ceiling"),
        ("bench.jsonl", "[7]".to_owned(), "bench.jsonl:2: neither"),
        ("bench.jsonl", "\u{fffd}".to_owned(), "bench.jsonl:2: no JSON"),
        (
            "peers.jsonl",
            with(good.clone(), "median_us", json!(-1.0)).to_string(),
            "peers.jsonl:2: median_us is -1",
        ),
        ("peers.jsonl", with(good.clone(), "median_us", json!("fast")).to_string(), "peers.jsonl:2: "),
        ("peers.jsonl", with(good.clone(), "p10_us", json!(2.5)).to_string(), "out of order"),
        ("bench.jsonl", of("heads", json!(0)), "bench.jsonl:2: workload: heads is 0"),
        ("bench.jsonl", of("kv_lens", json!([])), "the number of kv_lens is 0"),
        ("bench.jsonl", of("kv_lens", json!([u64::MAX])), "the longest of kv_lens"),
        ("bench.jsonl", of("block_size", json!(0)), "block_size is 0"),
        ("bench.jsonl", of("window", json!(0)), "window is 0"),
        ("bench.jsonl", of("mask", json!("round")), "bench.jsonl:2: unknown variant `round`"),
        (
            "check.jsonl",
            "{\"passed\": true}".to_owned(),
            "check.jsonl:2: no row of this file: it has no `kernel`",
        ),
        ("parity.jsonl", "{\"passed\": true}".to_owned(), "it has no `case`"),
        ("steps.jsonl", "{\"status\": 0}".to_owned(), "it has no `step`"),
    ];
    for (file, line, message) in table {
        let error = Run::read(folder(&[(file, format!("\n{line}\n"))]).path()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}, not {message}");
    }
    let error = Run::read(folder(&[("machine.json", "{\n\"emulated\": 3}".to_owned())]).path()).unwrap_err();
    assert!(error.to_string().contains("machine.json:2: invalid type"), "{error}");
}

#[test]
fn folders_without_a_run() {
    let empty = TempDir::new().unwrap();
    let error = Run::read(empty.path()).unwrap_err();
    assert!(matches!(error, ReadError::Empty(_)), "{error}");
    let error = Run::read(&empty.path().join("nowhere")).unwrap_err();
    assert!(matches!(error, ReadError::NoFolder(_)), "{error}");
}

#[test]
fn a_later_line_takes_the_place_of_an_earlier() {
    let slow = timed("flashpage", prefill(1024), [7.0, 8.0, 9.0]);
    let fast = timed("flashpage", prefill(1024), [1.0, 2.0, 3.0]);
    let results = results(&[("bench.jsonl", lines(&[slow, fast]))]);
    assert_eq!(results.rows.iter().map(|row| row.measured.median_us).collect::<Vec<_>>(), [Some(2.0)]);
    assert!(report(&results).contains("Lines that a later one took the place of: bench.jsonl:1."));
}

#[test]
fn the_order_of_lines_does_not_matter() {
    let forward = hardware();
    let mut backward = hardware();
    for file in ["bench.jsonl", "peers.jsonl"] {
        let (_, text) = backward.iter_mut().find(|(name, _)| *name == file).unwrap();
        // Ceilings stay where they are: they are told in their order.
        let (ceilings, rows): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.contains("\"ceiling\""));
        let turned: Vec<&str> = ceilings.into_iter().chain(rows.into_iter().rev()).collect();
        *text = turned.join("\n") + "\n";
    }
    assert_eq!(report(&results(&forward)), report(&results(&backward)));
    assert_eq!(results(&forward).json().unwrap(), results(&backward).json().unwrap());
}

#[test]
fn names_of_folders() {
    let table = [
        ("NVIDIA H200", "0123456789", Some("2001-02-03-h200-0123456")),
        ("NVIDIA A100-SXM4-80GB", "0123456789-dirty", Some("2001-02-03-a100-0123456-dirty")),
        ("GPU of the test", "0123456789", Some("2001-02-03-gpu-of-the-test-0123456")),
        ("emulator", "0123456789", Some("2001-02-03-emulator-0123456")),
        ("../..", "0123456789", None),
        ("NVIDIA H200", "../../..", None),
    ];
    for (gpu, commit, name) in table {
        let machine = json!({"date": "2001-02-03T04:05:06Z", "gpu": gpu, "commit": commit}).to_string();
        assert_eq!(results(&[("machine.json", machine)]).name().as_deref(), name, "{gpu}");
    }
}

#[test]
fn the_readme_shows_the_newest_run_on_hardware() {
    let dated = |files: Vec<(&'static str, String)>, date: &str| {
        let mut files = files;
        files[0].1 = files[0].1.replace("2001-02-03", date);
        results(&files)
    };
    let runs = [
        ("results/old".to_owned(), dated(hardware(), "2001-01-01")),
        ("results/new".to_owned(), dated(hardware(), "2001-03-03")),
        ("results/dry".to_owned(), dated(emulated(), "2001-04-04")),
    ];
    let block = readme::block(readme::newest(&runs));
    assert_in_order(
        &block,
        &[
            "On GPU of the test, driver 1.2.3, 2001-03-03, commit 0123456789 ([all of it](results/new/report.md)):",
            "- Correctness: 1 of 2",
            "slower than a peer in 1",
            "| prefill causal f16 d64 h2/2 b1 s4096 | 42.9 TFLOP/s | 429 % | peer-a | 53.7 TFLOP/s | 0.80 |\n",
            "| decode full f16 d64 h8/2 b16 s256 page16 | 213.1 GB/s | 11 % | - | - | - |\n",
        ],
    );
    for left_out in ["s2048", "b8 s256", "window9"] {
        assert!(!block.contains(left_out), "{block}");
    }
    assert!(readme::block(readme::newest(&runs[2..])).starts_with("No results of a GPU are recorded yet."));

    let before = format!("a\n{}\nold\n{}\nz\n", readme::BEGIN, readme::END);
    let after = readme::with_results(&before, &block).unwrap();
    assert!(after.starts_with("a\n<!-- results") && after.ends_with("<!-- /results -->\nz\n"), "{after}");
    assert_eq!(readme::with_results(&after, &block).unwrap(), after);
    for bad in ["", readme::BEGIN, readme::END, "<!-- /results -->\n<!-- results: made by kgen report -->"] {
        assert!(readme::with_results(bad, &block).unwrap_err().to_string().contains(readme::BEGIN));
    }
}
