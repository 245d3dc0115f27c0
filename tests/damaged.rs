//! Launches that were damaged at random, and hostile ones made by hand: whatever `launch.json`, its arrays and its PTX say,
//! `kgen launch` ends with exit 0, 1 or 2, in little time and memory, and what it says names what is wrong.
//!
//! `FLASHPAGE_DAMAGED` is how many are made at random; CI sets it to ten thousand.

use flashpage::runtime::case::Case;
use flashpage::runtime::npy::{Array, NumberType};
use flashpage::runtime::{AsyncPolicy, Device, EmulatorOptions};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A kernel that does a little of everything with what a launch can give it.
const PTX: &str = ".version 8.0
.target sm_90a
.address_size 64
.extern .shared .align 16 .b8 dynamic[];
.visible .entry k(.param .u64 a, .param .u64 b, .param .f32 x, .param .align 8 .b8 s[24], .param .align 64 .b8 m[128])
{
    .reg .b32 %r<16>; .reg .b64 %rd<16>; .reg .f32 %f<4>; .reg .pred %p<4>;
    .local .align 4 .b8 own[16];
    ld.param.u64 %rd1, [a]; ld.param.u64 %rd2, [b]; ld.param.f32 %f1, [x]; ld.param.u32 %r1, [s+8];
    mov.u32 %r2, %tid.x; mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ntid.x; mad.lo.u32 %r5, %r3, %r4, %r2;
    mul.wide.u32 %rd3, %r5, 4; add.u64 %rd4, %rd1, %rd3; add.u64 %rd5, %rd2, %rd3;
    ld.global.f32 %f2, [%rd4]; add.f32 %f2, %f2, %f1; st.local.u32 [own+4], %r5;
    mov.u32 %r6, dynamic; shl.b32 %r7, %r2, 2; add.u32 %r6, %r6, %r7; st.shared.f32 [%r6], %f2; bar.sync 0; ld.shared.f32 %f2, [%r6];
    mov.u32 %r8, 0;
LOOP:
    add.u32 %r8, %r8, 1; setp.lt.u32 %p1, %r8, %r1; @%p1 bra LOOP;
    st.global.f32 [%rd5], %f2;
    ret;
}
";

/// A folder with a case that passes.
fn good() -> (TempDir, Value) {
    let folder = TempDir::new().unwrap();
    let array = |values: &[f64]| {
        let bytes = values.iter().flat_map(|x| NumberType::F32.write(*x)).collect();
        Array { ty: NumberType::F32, shape: vec![values.len() / 8, 8], bytes }
    };
    let values: Vec<f64> = (0..64).map(f64::from).collect();
    array(&values).save(&folder.path().join("a.npy")).unwrap();
    array(&values.iter().map(|x| x + 1.5).collect::<Vec<_>>()).save(&folder.path().join("o.npy")).unwrap();
    fs::write(folder.path().join("k.ptx"), PTX).unwrap();
    let document = json!({
        "ptx": "k.ptx", "entry": "k", "grid": [2, 1, 1], "block": [32, 1, 1], "cluster": [1, 1, 1],
        "dynamic_shared_bytes": 128, "cooperative": false,
        "buffers": {
            "a": { "npy": "a.npy", "dtype": "f32" },
            "o": { "dtype": "f32", "shape": [8, 8], "fill": "nan" },
            "t": { "dtype": "f16", "shape": [16, 64], "fill": 0 },
            "u": { "dtype": "u8", "shape": [3] },
        },
        "args": [
            { "buffer": "a" }, { "buffer": "o", "byte_offset": 0 }, { "f32": 1.5 },
            { "struct": [{ "u8": 1 }, { "i32": 3 }, { "struct": [{ "u32": 5 }], "align": 8 }, { "bytes": "0011" }], "align": 8 },
            { "tensor_map": { "buffer": "t", "dtype": "f16", "dims": [64, 16], "strides": [128], "box": [64, 16],
                "element_strides": [1, 1], "swizzle": "128B", "interleave": "none", "l2_promotion": "none",
                "oob_fill": "zeros" } },
        ],
        "expected": { "o": { "npy": "o.npy", "max_abs": 0.0, "max_rel_l2": 0.0 } },
    });
    (folder, document)
}

/// Numbers and other values that stand at the end of some range.
const EXTREMES: [&str; 24] = [
    "0",
    "1",
    "-1",
    "2",
    "31",
    "33",
    "1023",
    "1025",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "1099511627776",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "1e400",
    "0.5",
    "\"nan\"",
    "null",
    "true",
    "[]",
    "{}",
];

/// Every value of a document, by its way from the root.
fn places(value: &Value, way: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let mut inner = |name: String, value: &Value| {
        way.push(name);
        found.push(way.clone());
        places(value, way, found);
        way.pop();
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| inner(name.clone(), value)),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, value)| inner(i.to_string(), value)),
        _ => {}
    }
}

fn at<'v>(value: &'v mut Value, way: &[String]) -> &'v mut Value {
    way.iter().fold(value, |value, name| match value {
        Value::Array(list) => &mut list[name.parse::<usize>().unwrap()],
        other => &mut other[name.as_str()],
    })
}

/// One piece of damage to a document.
fn damage(document: &mut Value, rng: &mut StdRng) {
    let mut all = Vec::new();
    places(document, &mut Vec::new(), &mut all);
    if all.is_empty() {
        return;
    }
    let way = all[rng.random_range(0..all.len())].clone();
    let other = at(document, &all[rng.random_range(0..all.len())]).clone();
    match rng.random_range(0..8) {
        0..5 => {
            let text = EXTREMES[rng.random_range(0..EXTREMES.len())];
            *at(document, &way) = serde_json::from_str(text).unwrap_or(json!(1e300));
        }
        5 => *at(document, &way) = other,
        _ => match at(document, &way[..way.len() - 1]) {
            Value::Object(map) => drop(map.remove(&way[way.len() - 1])),
            Value::Array(list) => {
                let index = way[way.len() - 1].parse::<usize>().unwrap();
                if rng.random_bool(0.5) {
                    list.remove(index);
                } else {
                    let copy = list[index].clone();
                    list.insert(index, copy);
                }
            }
            _ => {}
        },
    }
}

/// Some bytes of a file changed, or its end cut off.
fn damage_bytes(bytes: &mut Vec<u8>, rng: &mut StdRng) {
    for _ in 0..rng.random_range(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.random_range(0..bytes.len().min(512));
        match rng.random_range(0..4) {
            0 => bytes[at] = rng.random(),
            1 => bytes[at] = b"0123456789,()-"[rng.random_range(0..14)],
            2 => bytes.truncate(at),
            _ => bytes.insert(at, b'9'),
        }
    }
}

/// What became of the damaged ones.
#[derive(Debug, Default)]
struct Counts {
    refused: u32,
    faulted: u32,
    ran: u32,
}

#[test]
fn damaged_launches() {
    let wanted = std::env::var("FLASHPAGE_DAMAGED").ok().and_then(|n| n.parse().ok()).unwrap_or(600u64);
    let mut counts = Counts::default();
    let (folder, good) = good();
    let path = folder.path().join("launch.json");
    let originals: Vec<(&str, Vec<u8>)> =
        ["a.npy", "o.npy", "k.ptx"].map(|name| (name, fs::read(folder.path().join(name)).unwrap())).into();
    fs::write(&path, good.to_string()).unwrap();
    let passed = Case::load(&path).and_then(|case| case.evaluate(&Device::emulator()));
    assert!(passed.as_ref().is_ok_and(|report| report.passed()), "{passed:?}");
    let before = peak_memory();
    for seed in 0..wanted {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut document = good.clone();
        for _ in 0..rng.random_range(1..4) {
            damage(&mut document, &mut rng);
        }
        let mut text = document.to_string().into_bytes();
        if seed % 10 == 9 {
            damage_bytes(&mut text, &mut rng);
        }
        fs::write(&path, &text).unwrap();
        let file = (seed % 5 == 4).then(|| &originals[rng.random_range(0..originals.len())]);
        if let Some((name, bytes)) = file {
            let mut bytes = bytes.clone();
            damage_bytes(&mut bytes, &mut rng);
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let policy = [AsyncPolicy::Eager, AsyncPolicy::Lazy, AsyncPolicy::Random(seed)][seed as usize % 3];
        let options = EmulatorOptions {
            policy,
            sanitize: (seed % 2 == 0).into(),
            instruction_budget: 20_000,
            memory: 256 << 20,
            threads: 1,
            ..EmulatorOptions::default()
        };
        let once = || {
            let start = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                Case::load(&path).and_then(|case| case.evaluate(&Device::emulator_with(options)))
            }));
            (outcome, start.elapsed())
        };
        let (outcome, mut time) = once();
        // The machine may be busy with something else: twice in a row it is not.
        if time > Duration::from_secs(2) {
            time = once().1;
        }
        let told = || format!("seed {seed}: {}", String::from_utf8_lossy(&text));
        assert!(time < Duration::from_secs(2), "{time:?}, {}", told());
        match outcome.unwrap_or_else(|_| panic!("{}", told())) {
            Ok(_) => counts.ran += 1,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                *(if error.is_fault() { &mut counts.faulted } else { &mut counts.refused }) += 1;
            }
        }
        if let Some((name, bytes)) = file {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
    }
    println!("{counts:?}");
    assert!(counts.refused > 0 && counts.faulted > 0 && counts.ran > 0, "{counts:?}");
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        assert!(after - before < 1 << 30, "{} MiB", (after - before) >> 20);
    }
}

/// The most memory that this process has had, where the host tells.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// Runs `kgen` in a folder: how it ended, and all that it said.
fn kgen(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_kgen")).args(args).current_dir(folder).output().unwrap();
    let said = [run.stdout, run.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (run.status.code(), said)
}

const HEAD: &str = ".version 8.0\n.target sm_80\n.address_size 64\n";

/// A document with these fields besides, or instead.
fn with(changes: Value) -> Value {
    let mut document = json!({ "ptx": "k.ptx", "entry": "k", "grid": [1, 1, 1], "block": [32, 1, 1] });
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

/// An array's file that promises more than it has.
fn boastful(shape: &str) -> Vec<u8> {
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()
}

#[test]
fn hostile_launches() {
    let folder = TempDir::new().unwrap();
    let kernel = |body: &str| {
        format!(
            "{HEAD}.visible .entry k() {{ .reg .b32 %r<9>; .reg .b64 %rd<9>; .reg .pred %p<3>;\n{body}\nret; }}"
        )
    };
    let takes = format!("{HEAD}.visible .entry k(.param .u64 p) {{ ret; }}");
    let buffer = |buffer: Value| with(json!({ "buffers": { "b": buffer }, "args": [{ "buffer": "b" }] }));
    let shaped = |shape: Value| buffer(json!({ "dtype": "f32", "shape": shape, "fill": 0 }));
    let flag = format!(
        "{HEAD}.visible .entry k(.param .u64 p) {{ .reg .b32 %r<3>; .reg .b64 %rd<3>; .reg .pred %p; ld.param.u64 %rd1, [p];\nL: ld.volatile.global.u32 %r1, [%rd1];\nsetp.eq.u32 %p, %r1, 0;\n@%p bra L; ret; }}"
    );
    let recursion = format!("{HEAD}.func f() {{ call f; ret; }}\n.visible .entry k() {{ call f; ret; }}");
    let two = format!("{HEAD}.visible .entry k() {{ ret; }}\n.visible .entry bad() {{\nfrob.u32; }}");
    fs::write(folder.path().join("large.npy"), boastful("(1099511627776,)")).unwrap();
    fs::write(folder.path().join("larger.npy"), boastful("(9223372036854775807, 9223372036854775807)"))
        .unwrap();
    fs::write(folder.path().join("deep.json"), "[".repeat(100_000)).unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let late = format!(
        "{HEAD}.global .b32 G;\n.visible .entry k() {{\n.reg .b32 %r1;\nld.global.u32 %r1, [G];\ngriddepcontrol.wait;\nret;\n}}"
    );
    let huge = json!([1u64 << 40]);
    // What runs, how, what more is asked for, how it ends and what is said.
    let rows: Vec<(String, Value, &[&str], i32, &str)> = vec![
        (
            takes.clone(),
            shaped(huge.clone()),
            &[],
            2,
            "buffers.b: it has 4398046511104 bytes: on the emulator",
        ),
        (takes.clone(), buffer(json!({ "dtype": "f32", "shape": huge })), &[], 2, "allow more (`--memory`)"),
        (
            takes.clone(),
            shaped(json!([1u64 << 40, 1u64 << 40])),
            &[],
            2,
            "buffers.b.shape: the buffer would be too large",
        ),
        (takes.clone(), shaped(json!([1000])), &["--memory", "1000"], 2, "buffers.b: it has 4000 bytes"),
        (takes.clone(), shaped(json!([1000])), &["--memory", "64M"], 0, "wrote"),
        (takes.clone(), shaped(json!([0])), &[], 0, "wrote"),
        (
            takes.clone(),
            buffer(json!({ "npy": "large.npy" })),
            &[],
            2,
            "its header says 4398046511104 bytes of data, and it has 0",
        ),
        (takes.clone(), buffer(json!({ "npy": "larger.npy" })), &[], 2, "its shape is too large"),
        (takes.clone(), buffer(json!({ "npy": "folder" })), &[], 2, "it is no file"),
        (takes.clone(), buffer(json!({ "npy": "/dev/zero" })), &[], 2, "it is no file"),
        (takes.clone(), with(json!({ "ptx": "folder" })), &[], 2, "cannot read it"),
        (takes.clone(), with(json!({ "ptx": "/dev/zero" })), &[], 2, "cannot read it"),
        (
            kernel(""),
            with(json!({ "grid": [2147483647, 65535, 65535] })),
            &["--budget", "20000"],
            1,
            "of 9223090559730712575 blocks done",
        ),
        (kernel(""), with(json!({ "grid": [1, 65536, 1] })), &[], 2, "a grid of [1, 65536, 1] blocks"),
        (
            kernel(""),
            with(json!({ "block": [2147483647, 2147483647, 2147483647] })),
            &[],
            2,
            "threads; at most 1024",
        ),
        (
            kernel(""),
            with(json!({ "cluster": [2147483647, 2147483647, 2147483647] })),
            &[],
            2,
            "blocks; at most 16",
        ),
        (
            kernel(""),
            with(json!({ "dynamic_shared_bytes": 4294967295u32 })),
            &[],
            2,
            "of shared memory; at most 232448",
        ),
        (
            kernel("L: bra L;"),
            with(json!({})),
            &["--budget", "1000000"],
            1,
            "with warp 0 at line 5: an endless loop",
        ),
        (
            kernel("L: bra L;"),
            with(json!({ "grid": [1000, 1, 1] })),
            &["--budget", "1000000"],
            1,
            "`--budget N`",
        ),
        (flag.clone(), shaped(json!([1])), &["--budget", "100000"], 1, "with warp 0 at line"),
        (
            kernel(".local .b8 x[524000];"),
            with(json!({ "block": [1024, 1, 1] })),
            &[],
            2,
            "of local memory in a block",
        ),
        (
            kernel(".local .b8 x[100000];"),
            with(json!({ "block": [1024, 1, 1] })),
            &["--memory", "16M"],
            2,
            "`--memory`",
        ),
        (kernel(".reg .b32 %x<4294967295>;"), with(json!({})), &[], 2, "registers in one declaration"),
        (
            kernel(".shared .b8 x[18446744073709551615];"),
            with(json!({})),
            &[],
            2,
            "an array of 18446744073709551615 elements",
        ),
        (kernel(".shared .align 0 .b8 x[8];"), with(json!({})), &[], 2, "an alignment of 0 bytes"),
        (recursion.clone(), with(json!({})), &["--budget", "10000000"], 1, "stack overflow"),
        (kernel("mov.u32 %r1, %envreg1;"), with(json!({})), &[], 1, "`\"cooperative\": true`"),
        (kernel("mov.u32 %r1, %envreg1;"), with(json!({ "cooperative": true })), &[], 0, "k on emulator"),
        (
            kernel(""),
            with(json!({ "cooperative": true, "grid": [100000, 1, 1] })),
            &[],
            2,
            "a cooperative launch of 100000 blocks",
        ),
        (
            kernel(""),
            with(json!({ "cooperative": "yes" })),
            &[],
            2,
            "cooperative: expected true or false, found `yes`",
        ),
        (
            kernel("griddepcontrol.wait;"),
            with(json!({ "programmatic": true })),
            &["--sanitize"],
            0,
            "k on emulator",
        ),
        (
            kernel(""),
            with(json!({ "programmatic": true })),
            &[],
            2,
            "this entry has no `griddepcontrol.wait`: put one before its first access to global memory",
        ),
        (
            kernel("griddepcontrol.wait;"),
            with(json!({ "programmatic": true, "cooperative": true })),
            &[],
            2,
            "a launch is programmatic or cooperative, not both",
        ),
        (late.clone(), with(json!({ "programmatic": true })), &[], 0, "k on emulator"),
        (late.clone(), with(json!({ "programmatic": false })), &["--sanitize"], 0, "k on emulator"),
        (
            late.clone(),
            with(json!({ "programmatic": true })),
            &["--sanitize=waits"],
            1,
            "reads global memory before `griddepcontrol.wait`: the launch before may still be writing",
        ),
        (
            kernel(""),
            with(json!({ "programmatic": 1 })),
            &[],
            2,
            "programmatic: expected true or false, found 1",
        ),
        (two.clone(), with(json!({})), &[], 0, "k on emulator"),
        (
            two.clone(),
            with(json!({ "entry": "bad" })),
            &[],
            2,
            "cannot launch `bad`: PTX text, 6:1: unknown opcode `frob`",
        ),
        (kernel(""), with(json!({})), &["--budget", "0"], 2, "0 is not in 1.."),
        (kernel(""), with(json!({})), &["--memory", "lots"], 2, "`lots` is no amount of memory"),
        (kernel(""), with(json!({})), &["--memory", "99999999T"], 2, "`99999999T` is no amount of memory"),
    ];
    let mut wrong = Vec::new();
    for (ptx, document, more, status, want) in &rows {
        fs::write(folder.path().join("k.ptx"), ptx).unwrap();
        fs::write(folder.path().join("launch.json"), document.to_string()).unwrap();
        let args = [&["launch", "launch.json", "--device", "emulator"][..], more].concat();
        let start = Instant::now();
        let (ended, said) = kgen(folder.path(), &args);
        if ended != Some(*status) || !said.contains(want) || said.contains("panicked") {
            wrong.push(format!("{document} {more:?}: {ended:?}\n{said}not {status}: {want}"));
        }
        if start.elapsed() > Duration::from_secs(20) {
            wrong.push(format!("{document} {more:?}: {:?}", start.elapsed()));
        }
    }
    let (ended, said) = kgen(folder.path(), &["launch", "deep.json"]);
    assert!(ended == Some(2) && said.contains("recursion limit"), "{said}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Both sides of a comparison refuse the same, and run the others.
    fs::write(folder.path().join("k.ptx"), &two).unwrap();
    for (entry, status) in [("k", 0), ("bad", 1)] {
        fs::write(folder.path().join("launch.json"), with(json!({ "entry": entry })).to_string()).unwrap();
        let (ended, said) = kgen(folder.path(), &["parity", "launch.json", "--device", "emulator"]);
        assert_eq!(ended, Some(status), "{said}");
    }
}

/// Problems that no machine has memory for are refused before anything is made.
#[test]
fn hostile_cases() {
    let folder = TempDir::new().unwrap();
    let rows: [(&str, &[&str]); 6] = [
        ("causal_attention", &["--q-len", "1000000000"]),
        ("paged_attention", &["--q-len", "1", "--kv-len", "1000000000000"]),
        ("paged_attention", &["--q-len", "18446744073709551615,18446744073709551615"]),
        ("causal_attention", &["--heads", "1000000000000"]),
        ("paged_attention", &["--block-size", "1000000000000"]),
        ("causal_attention", &["--head-dim", "18446744073709551615"]),
    ];
    for (kernel, args) in rows {
        let args = [&["case", kernel, "-o", "d"], args].concat();
        let (ended, said) = kgen(folder.path(), &args);
        assert!(ended == Some(2) && said.contains("there is memory for"), "{args:?}: {ended:?} {said}");
    }
}

/// Ctrl-C ends a launch, and says where its warps stand; a second one would end the program.
#[cfg(unix)]
#[test]
fn interrupted_launches() {
    let folder = TempDir::new().unwrap();
    let ptx = format!("{HEAD}.visible .entry k() {{\nL: bra L;\n}}");
    fs::write(folder.path().join("k.ptx"), ptx).unwrap();
    fs::write(
        folder.path().join("launch.json"),
        with(json!({ "grid": [5, 1, 1], "block": [64, 1, 1] })).to_string(),
    )
    .unwrap();
    let launch = Command::new(env!("CARGO_BIN_EXE_kgen"))
        .args(["launch", "launch.json", "--device", "emulator"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let sent = Command::new("kill").args(["-INT", &launch.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let ended = launch.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(said.contains("interrupted: 0 of 5 blocks are done; under way are"), "{said}");
    assert!(said.contains("block (0, 0, 0): warps 0 to 1 at line 5"), "{said}");
}
