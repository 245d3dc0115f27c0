//! `kgen report` from outside: the files that it writes, its exit status, and the README of this project. What is in
//! the files is tested in `measure/tests/report.rs`.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

fn report(args: &[&str], status: i32) -> (String, String) {
    let kgen = Command::new(env!("CARGO_BIN_EXE_kgen")).arg("report").args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let Output { stdout, stderr, .. } = &kgen;
    let (out, err) = (text(stdout), text(stderr));
    assert_eq!(kgen.status.code(), Some(status), "{args:?}\nstdout: {out}\nstderr: {err}");
    assert!(!err.contains("panicked"), "{err}");
    (out, err)
}

/// A run that is made up: two prefills, with times or without.
fn run_in(folder: &Path, emulated: bool, time: Option<f64>) {
    let row = |len: usize| {
        let workload = json!({"kernel": "causal_attention", "phase": "prefill", "mask": "causal", "dtype": "f16",
            "head_dim": 64, "heads": 2, "kv_heads": 2, "q_len": len, "kv_lens": [len]});
        json!({"who": "flashpage", "workload": workload, "median_us": time, "method": "event"})
    };
    let machine = json!({"emulated": emulated, "date": "2001-02-03T04:05:06Z", "gpu": "GPU of the test",
        "commit": "0123456789"});
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("machine.json"), machine.to_string()).unwrap();
    fs::write(folder.join("bench.jsonl"), format!("{}\n{}\n", row(1024), row(512))).unwrap();
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn writes_the_same_files_each_time() {
    for (emulated, time) in [(false, Some(100.0)), (true, None)] {
        let folder = TempDir::new().unwrap();
        run_in(folder.path(), emulated, time);
        let (out, _) = report(&[path(folder.path())], 0);
        // Where to keep it; what was emulated is not kept.
        assert_eq!(out.ends_with("bench/results/2001-02-03-gpu-of-the-test-0123456\n"), !emulated, "{out}");
        let first = files(folder.path());
        let names: Vec<&str> = first.keys().map(String::as_str).collect();
        let made =
            ["bench.jsonl", "machine.json", "prefill-causal-f16-d64-h2-2.svg", "report.md", "results.json"];
        assert_eq!(names, made);
        let markdown = String::from_utf8_lossy(&first["report.md"]);
        assert_eq!(markdown.starts_with("# EMULATED, DRY RUN: no timings\n"), emulated, "{markdown}");
        report(&[path(folder.path())], 0);
        assert_eq!(first, files(folder.path()));
    }
}

#[test]
fn json_writes_nothing() {
    let folder = TempDir::new().unwrap();
    run_in(folder.path(), false, Some(100.0));
    let document: Value = serde_json::from_str(&report(&[path(folder.path()), "--json"], 0).0).unwrap();
    assert_eq!((&document["schema"], &document["rows"][1]["median_us"]), (&json!(1), &json!(100.0)));
    assert_eq!(files(folder.path()).len(), 2);
}

#[test]
fn what_cannot_be_reported() {
    let folder = TempDir::new().unwrap();
    let of = |name: &str| folder.path().join(name);
    let (nowhere, empty, damaged, timed) = (of("nowhere"), of("empty"), of("damaged"), of("timed"));
    fs::create_dir(&empty).unwrap();
    run_in(&damaged, false, None);
    fs::write(damaged.join("steps.jsonl"), "{}\n").unwrap();
    run_in(&timed, true, Some(100.0));
    let table = [
        (&nowhere, 2, "nowhere: there is no such folder"),
        (&empty, 2, "empty: no run lies here"),
        (&damaged, 2, "steps.jsonl:1: no row of this file"),
        (
            &timed,
            1,
            "bench.jsonl:1: flashpage, prefill causal f16 d64 h2/2 b1 s1024: a time in an emulated run",
        ),
    ];
    for (folder, status, message) in table {
        let (_, err) = report(&[path(folder)], status);
        assert!(err.contains(message), "{err}");
        assert!(!folder.join("report.md").exists());
    }
    report(&[], 2);
    report(&[path(&damaged), "--check"], 2);
}

#[test]
fn the_table_in_a_readme() {
    let folder = TempDir::new().unwrap();
    let (readme, runs) = (folder.path().join("README.md"), folder.path().join("results"));
    let args = [path(&runs), "--readme", path(&readme)];
    let check = [args.as_slice(), &["--check"]].concat();
    fs::create_dir(&runs).unwrap();
    report(&args, 2);
    fs::write(&readme, "no marks\n").unwrap();
    let (_, err) = report(&args, 2);
    assert!(err.contains("add these two lines") && err.contains("<!-- /results -->"), "{err}");
    fs::write(&readme, "before\n<!-- results: made by kgen report -->\n<!-- /results -->\nafter\n").unwrap();
    // The runs that there are, and what the README then says; each first found to be missing from it.
    let steps: [(Option<bool>, &str); 3] = [
        (None, "No results of a GPU are recorded yet."),
        (Some(true), "No results of a GPU are recorded yet."),
        (Some(false), "([all of it](results/hardware/report.md))"),
    ];
    for (run, says) in steps {
        match run {
            None => {}
            Some(true) => run_in(&runs.join("dry"), true, None),
            Some(false) => run_in(&runs.join("hardware"), false, Some(100.0)),
        }
        let was = fs::read_to_string(&readme).unwrap();
        if !was.contains(says) {
            report(&check, 1);
            assert_eq!(fs::read_to_string(&readme).unwrap(), was);
        }
        report(&args, 0);
        let text = fs::read_to_string(&readme).unwrap();
        assert!(text.contains(says) && text.starts_with("before\n") && text.ends_with("\nafter\n"), "{text}");
        report(&check, 0);
    }
    assert!(fs::read_to_string(&readme).unwrap().contains("2.7 TFLOP/s"));
}

/// After a new run: `kgen report bench/results --readme README.md`.
#[test]
fn the_readme_of_this_project_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    report(&[path(&root.join("bench/results")), "--readme", path(&root.join("README.md")), "--check"], 0);
}
