//! `kgen` from outside: what it prints, what it writes, and its exit status: 0 where all holds, 1 where a check
//! failed, 2 for arguments that cannot be used.

use flashpage::kernels::catalogue;
use flashpage::runtime::Device;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// How a run ended.
#[derive(Debug)]
struct Ran {
    status: i32,
    out: String,
    err: String,
}

impl Ran {
    /// Ended with this status, without a panic.
    fn with(self, status: i32) -> Ran {
        assert_eq!(self.status, status, "stdout: {}\nstderr: {}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

fn kgen_in(folder: &Path, args: &[&str]) -> Ran {
    let run = Command::new(env!("CARGO_BIN_EXE_kgen")).args(args).current_dir(folder).output().unwrap();
    Ran {
        status: run.status.code().unwrap_or(-1),
        out: String::from_utf8(run.stdout).unwrap(),
        err: String::from_utf8(run.stderr).unwrap(),
    }
}

fn kgen(args: &[&str]) -> Ran {
    kgen_in(Path::new("."), args)
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn list() {
    let text = kgen(&["list"]).with(0).out;
    let rows = kgen(&["list", "--json"]).with(0).json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), catalogue().len());
    for (stock, row) in catalogue().iter().zip(rows) {
        assert!(text.contains(stock.name) && text.contains(stock.doc), "{text}");
        assert_eq!((row["name"].as_str(), row["doc"].as_str()), (Some(stock.name), Some(stock.doc)));
        assert_eq!(row["params"].as_array().unwrap().len(), (stock.program)().params.len());
    }
}

#[test]
fn help() {
    for command in [
        "list",
        "emit",
        "explain",
        "case",
        "launch",
        "check",
        "verify",
        "cost",
        "tune",
        "parity",
        "bench",
        "experiments",
        "report",
        "doctor",
    ] {
        let said = kgen(&[command, "--help"]).with(0).out;
        assert!(said.contains("Usage: kgen"), "{command}: {said}");
    }
    assert!(kgen(&["--help"]).with(0).out.contains("kgen emit causal_attention"));
    assert!(kgen(&["--version"]).with(0).out.starts_with("kgen "));
    kgen(&[]).with(2);
}

#[test]
fn emit() {
    let folder = TempDir::new().unwrap();
    let args = "emit paged_attention --dtype bf16 --head-dim 64 --block-size 24 --shape append";
    let text = kgen(&words(args)).with(0).out;
    assert!(text.contains(".entry paged_attention_bf16_d64_b24_append"), "{text}");
    assert!(flashpage::ptx::parse(&text).is_ok());
    let file = kgen_in(folder.path(), &words(&format!("{args} -o k.ptx"))).with(0);
    assert_eq!(file.out, "");
    assert_eq!(std::fs::read_to_string(folder.path().join("k.ptx")).unwrap(), text);
    let hopper = kgen(&words(&format!("{args} --arch sm_90a --rescale always --polynomial 4"))).with(0).out;
    assert!(hopper.contains(".target sm_90a") && hopper.contains(" k_map[128]"), "{hopper}");
    assert!(flashpage::ptx::parse(&hopper).is_ok());
    // Other arguments, other kernels.
    assert_ne!(kgen(&words(&args.replace("24", "16"))).with(0).out, text);
    kgen_in(folder.path(), &words(&format!("{args} -o no/such/folder/k.ptx"))).with(2);
}

/// What is emitted is right for any scale; what is emitted for positive ones is shorter, and right for those.
#[test]
fn emitted_kernels_take_any_scale() {
    let folder = TempDir::new().unwrap();
    let written = |scale: &str| format!("emit causal_attention --arch sm_90a {scale} -o case/kernel.ptx");
    for (scale, positive_is_right) in [("-0.4", false), ("0", false), ("0.4", true)] {
        let case = format!(
            "case causal_attention --arch sm_90a --q-len 70 --kv-len 150 --set scale={scale} -o case"
        );
        kgen_in(folder.path(), &words(&case)).with(0);
        kgen_in(folder.path(), &words("launch case/launch.json")).with(0);
        kgen_in(folder.path(), &words(&written(""))).with(0);
        kgen_in(folder.path(), &words("launch case/launch.json")).with(0);
        kgen_in(folder.path(), &words(&written("--positive-scale"))).with(0);
        kgen_in(folder.path(), &words("launch case/launch.json")).with(if positive_is_right { 0 } else { 1 });
    }
    // One that is written in the source is seen.
    let source = std::fs::read_to_string("src/kernels.rs").unwrap();
    let source = source.replace("use flashpage", "use other");
    for (factor, is_folded) in [("0.125", true), ("-0.125", false), ("(1.0 / 8.0)", true), ("0.0", false)] {
        let name = "one.rs:causal_attention";
        let source = source.replace("* scale", &format!("* {factor}"));
        let program = flashpage::codegen::frontend::parse_file(&source, Some("causal_attention")).unwrap();
        let attention = flashpage::codegen::analysis::attention::recognise(&program, true).unwrap();
        assert_eq!(attention.scale.is_some(), is_folded, "{factor}");
        std::fs::write(folder.path().join("one.rs"), source).unwrap();
        let [any, positive] = ["", "--positive-scale"]
            .map(|more| kgen_in(folder.path(), &words(&format!("emit {name} {more}"))).with(0).out);
        assert_eq!(any, positive, "{factor}");
    }
}

#[test]
fn explain() {
    let text = kgen(&words("explain sliding_window_attention --head-dim 128 --shape decode")).with(0).out;
    for part in [
        "mask s { col <= row && row - col < @window }",
        "from        row - @window + 1",
        "to          row",
        "tile        16 rows x 64 columns",
        "of shared memory",
        "warps: 1 warp",
        "tensor cores │",
        "entry sliding_window_attention_f16_d128_decode of 32 threads",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[test]
fn explain_for_hopper() {
    let folder = TempDir::new().unwrap();
    let text = kgen_in(
        folder.path(),
        &words("explain paged_attention --arch sm_90a --tile 128x128 --stages 2 --block-size 16 --svg drawn"),
    )
    .with(0)
    .out;
    for part in [
        "schedule for sm_90a, head_dim 128",
        "1 warp of 4 copies",
        "2 consumer warpgroups",
        "O 64 + scores 64 + probabilities 32 = 160 registers",
        "a tile of K or V: 8 boxes of 16 rows x 256 B",
        "K         full   consumer waits for producer: 1 arrival + 32768 B",
        "          empty  producer waits for consumer: 8 arrivals",
        "turns     named  1, 2: who waits, and who had the turn before, 256 threads",
        "tensor cores │",
        "walk over row tiles",
        "the row of head_dim 128, prefill",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    for name in ["memory.svg", "iteration.svg"] {
        let drawn = std::fs::read_to_string(folder.path().join("drawn").join(name)).unwrap();
        assert!(drawn.starts_with("<svg") && drawn.contains("consumer 1"), "{name}");
    }
    // Warps that are all alike have no memory to draw arrows to.
    kgen_in(folder.path(), &words("explain attention --svg alike")).with(0);
    let alike = folder.path().join("alike");
    assert!(alike.join("iteration.svg").is_file() && !alike.join("memory.svg").exists());
    for line in ["cost --svg drawn/loops.svg", "cost attention causal_attention --svg drawn/loops.svg"] {
        let said = kgen_in(folder.path(), &words(line)).with(2).err;
        assert!(said.contains("--svg draws one kernel"), "{said}");
    }
}

const ONE: &str = "
use flashpage::prelude::*;

fn not_a_kernel() {}

#[attention_kernel]
pub fn mine<T: Element, const D: usize>(
    q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>, scale: f32, bias: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale;
        let s = s.map(|x, at| x + bias * (at.col - at.row) as f32);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}
";

/// A folder with source files.
fn sources() -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("one.rs", ONE);
    write(
        "two.rs",
        &format!("{ONE}{}", ONE.replace("mine", "other").replace("use flashpage::prelude::*;", "")),
    );
    write("none.rs", "fn not_a_kernel() {}\n");
    write("broken.rs", "fn mine() {\n    let x = ;\n}\n");
    write("wrong.rs", &ONE.replace("at.col", "at.column"));
    write("reference.rs", &ONE.replace("[attention_kernel]", "[attention_kernel(reference)]"));
    write("scores.rs", &ONE.replace("        acc += dot(p, v.load(cols));\n", ""));
    folder
}

#[test]
fn user_files() {
    let folder = sources();
    let entry = ".entry mine_f16_d128_prefill";
    assert!(kgen_in(folder.path(), &["emit", "one.rs"]).with(0).out.contains(entry));
    assert!(kgen_in(folder.path(), &["emit", "one.rs:mine"]).with(0).out.contains(entry));
    let other = kgen_in(folder.path(), &["emit", "two.rs:other"]).with(0).out;
    assert!(other.contains(".entry other_f16_d128_prefill"));
    let case = words("case one.rs --head-dim 64 --q-len 9 --kv-len 40 --set bias=0.125 -o d");
    kgen_in(folder.path(), &case).with(0);
    kgen_in(folder.path(), &["launch", "d/launch.json", "--device", "emulator"]).with(0);

    let table: &[(&str, &[&str])] = &[
        ("two.rs", &["two.rs", "`mine`", "`other`"]),
        ("one.rs:yours", &["one.rs", "no kernel `yours`", "`mine`"]),
        ("one.rs:not_a_kernel", &["one.rs", "no kernel `not_a_kernel`", "`mine`"]),
        ("none.rs", &["none.rs", "no function here is marked #[attention_kernel]"]),
        ("broken.rs", &["this is not Rust\n", "broken.rs:2:13: "]),
        ("wrong.rs", &["wrong.rs", "15:46: `at` has no `column`"]),
        ("scores.rs", &["this is not a kernel yet\n", "scores.rs:16:17: nothing is added to `acc`: write"]),
        ("reference.rs", &["kernel `mine` is for the host run and the reference only"]),
        ("absent.rs", &["absent.rs", "No such file"]),
    ];
    for (name, parts) in table {
        let ran = kgen_in(folder.path(), &["emit", name]).with(2);
        assert_eq!(ran.out, "", "{name}");
        for part in *parts {
            assert!(ran.err.contains(part), "{name}: `{part}` is not in\n{}", ran.err);
        }
    }
}

#[test]
fn bad_arguments() {
    let known: Vec<&str> = catalogue().iter().map(|stock| stock.name).collect();
    let known = known.join(", ");
    let table: &[(&str, &[&str])] = &[
        ("emit no_such_kernel", &["no stock kernel `no_such_kernel`", &known]),
        ("check no_such_kernel", &["no stock kernel `no_such_kernel`", &known]),
        ("emit attention --tile 128", &["`128` is no tile: write rows x columns, as in 128x64"]),
        ("emit attention --tile 100x64", &["tile 100x64: rows must be 16, 32, 64 or 128"]),
        ("emit attention --dtype fp8", &["unknown dtype `fp8`: write f16, bf16"]),
        (
            "emit attention --dtype f32 --f32-products fp16",
            &["f32 is not multiplied by `fp16`: write bf16x3 or tf32"],
        ),
        (
            "emit attention --dtype f32 --arch sm_90a --family ring --polynomial 4",
            &["`--polynomial 4` is for sm_90a, not for its kernels whose warps are all alike"],
        ),
        (
            "emit attention --dtype f32 --arch sm_90a --query registers",
            &["Q is read by `wgmma` from shared memory; take --query shared, or --family ring"],
        ),
        (
            "emit attention --dtype f32 --arch sm_90a --tile 192x64",
            &["rows of f32 must be 64 or 128: there are no registers for a third consumer"],
        ),
        (
            "emit attention --dtype f32 --arch sm_90a --f32-products tf32 --family roles",
            &["the family `roles` makes no kernels of f32 for sm_90a by tf32: leave `--family roles` out"],
        ),
        ("emit attention --family both", &["no family of kernels is called `both`: write ring or roles"]),
        ("emit attention --dtype e4m3", &["no kernel stores an output of e4m3: use f16, bf16 or f32"]),
        (
            "emit paged_attention --arch sm_90a --dtype e5m2",
            &["no kernel stores an output of e5m2: use f16, bf16 or f32"],
        ),
        ("emit attention --arch sm_70", &["unknown target `sm_70`: write sm_80 or sm_90a"]),
        (
            "emit attention --arch sm_90a --head-dim 72",
            &[
                "head_dim 72 has no kernels: they are made for multiples of 16 from 32 to 256; heads padded with zeros to 80",
            ],
        ),
        (
            "emit attention --arch sm_90a --tile 100x100",
            &["tile 100x100: rows must be 64, 128 or 192: a consumer warpgroup owns 64"],
        ),
        (
            "emit attention --arch sm_90a --polynomial 17",
            &["at most 16 of every 16 exponentials can be polynomials"],
        ),
        (
            "emit attention --rescale always --polynomial 4",
            &["`--rescale always --polynomial 4` is for sm_90a, not for sm_80: leave it out"],
        ),
        (
            "tune --arch sm_90a --head-dim 80",
            &[
                "the table of sm_90a has no rows of head_dim 80: it has 64, 96, 128, 192, 256, 192/128, 576/512",
            ],
        ),
        (
            "tune --arch sm_90a --carries rows",
            &["--carries tells rows of sm_80 apart, not of sm_90a: leave it out"],
        ),
        ("emit attention --arch sm_90a --rescale never", &["no rescaling `never`: write grown or always"]),
        (
            "emit attention --head-dim 272",
            &["head_dim 272 has no kernels: they are made for multiples of 16 from 32 to 256"],
        ),
        ("emit attention --shape wide", &["unknown shape class `wide`: write prefill, append or decode"]),
        (
            "emit paged_attention --block-size 12",
            &["block size 12 has no kernels: blocks have 1, 2, 4 or a multiple of 8 tokens"],
        ),
        ("check attention --device gpu", &["no device `gpu`: write emulator, or cuda:0"]),
        ("check attention --device cuda:x", &["no device `cuda:x`: write emulator, or cuda:0"]),
        ("check attention --async later", &["unknown policy `later`: write eager, lazy or random:SEED"]),
        ("case attention --q-len 1,2 --kv-len 3 -o d", &["--q-len has 2 sequences and --kv-len 1"]),
        ("case attention --set window=3 -o d", &["no scalar `window`: it has scale"]),
        ("case attention --set window -o d", &["write NAME=VALUE"]),
        ("case attention --heads 3 --kv-heads 2 -o d", &["q_heads must be a multiple of kv_heads"]),
        ("case paged_attention --layout hwn -o d", &["unknown layout `hwn`: write nhd or hnd"]),
    ];
    let folder = TempDir::new().unwrap();
    for (line, parts) in table {
        let ran = kgen_in(folder.path(), &words(line)).with(2);
        assert_eq!(ran.out, "", "{line}");
        for part in *parts {
            assert!(ran.err.contains(part), "{line}: `{part}` is not in\n{}", ran.err);
        }
    }
}

#[test]
fn no_gpu() {
    if Device::cuda(0).is_ok() {
        writeln!(std::io::stderr(), "skipped no_gpu: there is a GPU on this machine").unwrap();
        return;
    }
    let said = kgen(&["check", "attention", "--device", "cuda:0"]).with(2).err;
    assert!(
        said.starts_with("kgen: ") && said.contains("CUDA") && said.contains("use the emulator"),
        "{said}"
    );
}

#[test]
fn check() {
    let text = kgen(&["check", "attention", "--device", "emulator"]).with(0).out;
    assert!(text.contains("60 of 60 hold") && !text.contains("FAILS"), "{text}");
    let text = kgen(&words("check attention --device emulator --arch sm_80 --every 20")).with(0).out;
    assert!(text.contains("3 of 3 hold") && text.contains(" 192 "), "{text}");
    let text = kgen(&words("check attention --device emulator --arch sm_90a --every 15")).with(0).out;
    assert!(text.contains("6 of 6 hold") && text.contains(" 256 "), "{text}");
    let folder = sources();
    let rows =
        kgen_in(folder.path(), &words("check one.rs --device emulator --async lazy --sanitize --json"));
    let rows = rows.with(0).json();
    assert_eq!(rows.as_array().unwrap().len(), 60);
    for row in rows.as_array().unwrap() {
        assert_eq!((row["kernel"].as_str(), row["passed"].as_bool()), (Some("mine"), Some(true)), "{row:#}");
        assert_eq!(row["outputs"][0]["output"], "o", "{row:#}");
    }
}

/// A case in a folder of its own.
fn case(args: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let line = format!("case {args} -o d");
    let said = kgen_in(folder.path(), &words(&line)).with(0).out;
    assert_eq!(said.trim(), "kgen launch d/launch.json");
    let inner = folder.path().join("d");
    (folder, inner)
}

const EMULATOR: [&str; 2] = ["--device", "emulator"];

fn launch(folder: &Path, more: &[&str]) -> Ran {
    kgen_in(folder, &[&["launch", "launch.json"], &EMULATOR[..], more].concat())
}

#[test]
fn cases() {
    let table = [
        "paged_attention --head-dim 64 --q-len 1,33 --kv-len 200,33 --heads 8 --kv-heads 2 --set window=50",
        "alibi_attention --dtype bf16 --q-len 5 --kv-len 70 --shape prefill",
        "causal_attention --q-len 40 --heads 2 --tile 32x64 --seed 9",
        "paged_full_attention --layout hnd --block-size 40 --q-len 1,0 --kv-len 90,3 --head-dim 64",
    ];
    for args in table {
        let (_folder, d) = case(args);
        for file in ["kernel.ptx", "launch.json", "q.npy", "expected_o.npy", "expected_lse.npy"] {
            assert!(d.join(file).is_file(), "{args}: there is no {file}");
        }
        let text = launch(&d, &["--async", "lazy", "--sanitize"]).with(0).out;
        assert!(text.contains("ok     o:") && text.contains("ok     lse:"), "{text}");
        assert!(d.join("out_o.npy").is_file() && d.join("out_lse.npy").is_file());
        let json = launch(&d, &["--json", "--async", "random:3"]).with(0).json();
        assert_eq!(json["passed"], true, "{json:#}");
        assert_eq!(json["comparisons"].as_array().map(Vec::len), Some(2), "{json:#}");
    }
}

/// A case for Hopper: the tensors that bulk copies move are tensor maps over the buffers that they would be the addresses
/// of.
#[test]
fn cases_with_tensor_maps() {
    let (_folder, d) =
        case("paged_attention --arch sm_90a --head-dim 96 --q-len 9,40 --kv-len 60,40 --heads 4");
    let text = std::fs::read_to_string(d.join("launch.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let args = json["args"].as_array().unwrap();
    let over: Vec<&str> = args.iter().filter_map(|arg| arg["tensor_map"]["buffer"].as_str()).collect();
    assert_eq!(over, ["q", "k", "v", "o"], "{text}");
    assert!(args.contains(&serde_json::json!({ "buffer": "o" })), "{text}");
    let names: Vec<&String> = json["buffers"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["k", "lse", "o", "q", "q_starts", "table", "table_seq_lens", "tile_counter", "v"]);
    assert_eq!(
        json["buffers"]["tile_counter"],
        serde_json::json!({ "dtype": "u32", "shape": [1], "fill": 0 })
    );
    let outputs: Vec<&String> = json["expected"].as_object().unwrap().keys().collect();
    assert_eq!(outputs, ["lse", "o"]);

    // As the hardware adds: other bits, as right.
    let outputs = |sums: &str| {
        launch(&d, &["--sums", sums]).with(0);
        std::fs::read(d.join("out_lse.npy")).unwrap()
    };
    assert_ne!(outputs("rounded"), outputs("hopper"));
    let refused = launch(&d, &["--sums", "f32"]).with(2);
    assert!(refused.err.contains("unknown sums `f32`: write rounded or hopper"), "{}", refused.err);
}

/// What a launch did, in words and for machines; a schedule that cannot be; and a kernel without one of its barriers.
#[test]
fn profiles_schedules_and_findings() {
    let (_folder, d) = case("causal_attention --head-dim 64 --q-len 70 --kv-len 70 --heads 2");
    let text = launch(&d, &["--profile"]).with(0).out;
    for part in ["warp instructions", "matrix products: ", " of f16", "different", "least time on A100"] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    let json = launch(&d, &["--profile", "--json"]).with(0).json();
    let profile = &json["profile"];
    assert_eq!(profile["wavefronts"], profile["least_wavefronts"], "our kernels have no bank conflicts");
    assert!(profile["tensor_operations"]["f16"].as_u64() > Some(0), "{profile:#}");
    assert_eq!(profile["roofline"]["target"], "A100");
    assert!(profile["lines"].as_array().is_some_and(|lines| lines.len() > 100));

    let outputs = |more: &[&str]| {
        launch(&d, more).with(0);
        (std::fs::read(d.join("out_o.npy")).unwrap(), std::fs::read(d.join("out_lse.npy")).unwrap())
    };
    let first = outputs(&[]);
    assert_eq!(first, outputs(&["--schedule", "random:3", "--async", "lazy"]));
    let refused = launch(&d, &["--schedule", "backwards"]).with(2);
    assert!(
        refused.err.contains("unknown schedule `backwards`: write in-order or random:SEED"),
        "{}",
        refused.err
    );

    let path = d.join("kernel.ptx");
    let ptx = std::fs::read_to_string(&path).unwrap();
    let (before, after) = ptx.split_once("bar.sync 0;").expect("a barrier");
    std::fs::write(&path, format!("{before}{after}")).unwrap();
    let text = launch(&d, &["--sanitize"]).with(1).out;
    for part in ["of shared memory at 0x", "\n  at line ", "\n  and line ", ", warp ", ", lane "] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    // All of it, one after another.
    let text = launch(&d, &["--sanitize", "--keep-going"]).with(1).out;
    assert!(text.matches("\n  at line ").count() > 1 && text.contains(" times\n"), "{text}");
    let json = launch(&d, &["--sanitize", "--keep-going", "--json"]).with(1).json();
    let findings = json["findings"].as_array().expect("a list");
    assert_eq!(json["passed"], false);
    assert!(findings.len() > 1 && findings.iter().all(|f| f["at"]["line"].as_u64() > Some(0)), "{json:#}");
    assert!(launch(&d, &["--keep-going"]).with(2).err.contains("add that"));
    // Only what is asked for is looked for.
    for (checks, found) in [("strict,fences", true), ("races", true), ("unwritten,fences", false)] {
        let text = launch(&d, &[&format!("--sanitize={checks}")]).with(1).out;
        assert_eq!((text.contains("race: "), text.contains("FAILED o")), (found, !found), "{checks}: {text}");
    }
    let refused = launch(&d, &["--sanitize=fences,race"]).with(2);
    let names = "no check is called `race`: write some of races, unwritten, waits, fences, strict";
    assert!(refused.err.contains(names), "{}", refused.err);
}

#[test]
fn a_wrong_expectation_fails() {
    let (_folder, d) = case("causal_attention --head-dim 64 --q-len 5 --kv-len 20 --heads 2");
    let path = d.join("expected_o.npy");
    let mut bytes = std::fs::read(&path).unwrap();
    // The last element: token 4, head 1, dim 63.
    let header = String::from_utf8_lossy(&bytes[..128]).into_owned();
    assert!(header.contains("(5, 2, 64"), "{header}");
    let width = if header.contains("f8") {
        8
    } else if header.contains("f4") {
        4
    } else {
        2
    };
    let last = bytes.len() - width;
    match width {
        8 => bytes[last..].copy_from_slice(&77f64.to_le_bytes()),
        4 => bytes[last..].copy_from_slice(&77f32.to_le_bytes()),
        _ => bytes[last..].copy_from_slice(&flashpage::prelude::f16::from_f32(77.0).to_le_bytes()),
    }
    std::fs::write(&path, bytes).unwrap();
    let text = launch(&d, &[]).with(1).out;
    assert!(
        text.contains("FAILED o:") && text.contains("[4, 1, 63]") && text.contains("instead of 77"),
        "{text}"
    );
    assert!(text.contains("ok     lse:"), "{text}");
    let json = launch(&d, &["--json"]).with(1).json();
    assert_eq!(json["passed"], false, "{json:#}");
    let o = json["comparisons"].as_array().unwrap().iter().find(|c| c["buffer"] == "o").unwrap();
    assert_eq!(
        (&o["passed"], o["worst"]["expected"].as_f64()),
        (&Value::Bool(false), Some(77.0)),
        "{json:#}"
    );
}

#[test]
fn bad_cases() {
    type Spoil = fn(&Path);
    fn edit(folder: &Path, change: impl Fn(&mut Value)) {
        let path = folder.join("launch.json");
        let mut json: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        change(&mut json);
        std::fs::write(&path, json.to_string()).unwrap();
    }
    let table: &[(&str, Spoil, &[&str])] = &[
        (
            "PTX that does not parse",
            |d| std::fs::write(d.join("kernel.ptx"), ".version 7.0\n.target sm_80\n.entry ???").unwrap(),
            &["kernel.ptx", "3:8", "expected the function's name"],
        ),
        (
            "an unknown buffer",
            |d| edit(d, |json| json["args"][0] = serde_json::json!({ "buffer": "qq" })),
            &["launch.json: args[0]", "`qq`"],
        ),
        (
            "an unknown field",
            |d| edit(d, |json| json["gird"] = serde_json::json!([1, 1, 1])),
            &["launch.json", "gird"],
        ),
        (
            "an unknown entry",
            |d| edit(d, |json| json["entry"] = "forward".into()),
            &["no entry `forward`", "causal_attention_f16_d64_decode"],
        ),
        ("no array", |d| std::fs::remove_file(d.join("k.npy")).unwrap(), &["k.npy"]),
        (
            "no PTX",
            |d| std::fs::remove_file(d.join("kernel.ptx")).unwrap(),
            &["kernel.ptx", "cannot read it"],
        ),
        (
            "no launch.json",
            |d| std::fs::remove_file(d.join("launch.json")).unwrap(),
            &["launch.json: cannot read it"],
        ),
        (
            "no JSON",
            |d| std::fs::write(d.join("launch.json"), "{ \"ptx\": }").unwrap(),
            &["launch.json", "line 1 column 10"],
        ),
        (
            "an argument too few",
            |d| {
                edit(d, |json| {
                    json["args"].as_array_mut().unwrap().pop();
                })
            },
            &["launch.json: args:"],
        ),
    ];
    for (what, spoil, parts) in table {
        let (_folder, d) = case("causal_attention --head-dim 64 --q-len 1 --kv-len 9");
        spoil(&d);
        let ran = launch(&d, &[]).with(2);
        for part in *parts {
            assert!(ran.err.contains(part), "{what}: `{part}` is not in\n{}", ran.err);
        }
        assert!(!d.join("out_o.npy").exists(), "{what}: something was launched");
    }
}

/// A reader that goes away ends the program, and nothing is said.
#[test]
fn closed_pipe() {
    let table: &[&[&str]] = &[
        &["emit", "attention"],
        &["explain", "attention"],
        &["list"],
        &["list", "--json"],
        &["check", "attention", "--device", "emulator"],
    ];
    for args in table {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = Command::new(env!("CARGO_BIN_EXE_kgen")).args(*args).stdout(writer).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&run.stderr), "", "{args:?}");
        assert_eq!(run.status.code(), Some(141), "{args:?}");
    }
}

/// Where there is no GPU, which these machines are without.
#[test]
fn bench_needs_a_gpu() {
    if Device::cuda(0).is_ok() {
        return;
    }
    let said = kgen(&["bench"]).with(2).err;
    for part in ["Timing needs an NVIDIA GPU", "kgen cost", "bench/gpu.sh --dry-run", "kgen doctor"] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
    let said = kgen(&words("bench --device emulator")).with(2).err;
    assert!(said.contains("the emulator has no clock"), "{said}");
    kgen(&words("bench --dry-run --device cuda:0")).with(2);
    let said = kgen(&words("bench --suite huge")).with(2).err;
    assert!(said.contains("unknown suite `huge`: write full, quick or tiny"), "{said}");
    let said = kgen(&words("bench --suite tiny verify")).with(2).err;
    assert!(
        said.contains("no workload of the tiny suite runs `verify`: there are alibi_attention,"),
        "{said}"
    );
}

#[test]
fn bench_lists_and_rehearses() {
    let workloads = kgen(&words("bench --list --json --suite quick")).with(0).json();
    assert!(workloads.as_array().unwrap().len() > 5);
    for workload in workloads.as_array().unwrap() {
        for field in ["kernel", "phase", "mask", "dtype", "head_dim", "heads", "kv_heads", "q_len", "kv_lens"]
        {
            assert!(!workload[field].is_null(), "there is no {field} in {workload:#}");
        }
    }
    let folder = TempDir::new().unwrap();
    let line =
        "bench --dry-run --suite tiny softcap_attention paged_full_attention --append rows.jsonl --json";
    let rows = kgen_in(folder.path(), &words(line)).with(0).json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 6);
    for row in rows {
        assert_eq!((row["right"].as_bool(), row["median_us"].as_f64()), (Some(true), None), "{row:#}");
        assert!(row["checked"].as_str().is_some_and(|said| said.contains("of the error allowed")), "{row:#}");
    }
    let lines = std::fs::read_to_string(folder.path().join("rows.jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(&lines, rows);
}

/// A kernel that reads what it has copied, with or without waiting for the copy.
fn copied(wait: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let ptx = format!(
        ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 x, .param .u64 o) {{
            .reg .b32 %r<4>; .reg .b64 %rd<4>; .shared .align 16 .b8 tile[16];
            ld.param.u64 %rd1, [x]; ld.param.u64 %rd2, [o];
            mov.u32 %r1, tile; mov.u32 %r2, 0; st.shared.u32 [%r1], %r2;
            cp.async.ca.shared.global [%r1], [%rd1], 16; cp.async.commit_group; {wait}
            ld.shared.u32 %r3, [%r1]; st.global.u32 [%rd2], %r3; ret; }}"
    );
    let launch = r#"{ "ptx": "k.ptx", "entry": "k", "grid": [1, 1, 1], "block": [1, 1, 1], "cluster": [1, 1, 1],
        "dynamic_shared_bytes": 0, "buffers": { "x": {"dtype": "u32", "shape": [4], "fill": 7},
        "o": {"dtype": "u32", "shape": [1], "fill": 0} }, "args": [ {"buffer": "x"}, {"buffer": "o"} ] }"#;
    std::fs::write(folder.path().join("k.ptx"), ptx).unwrap();
    std::fs::write(folder.path().join("launch.json"), launch).unwrap();
    folder
}

#[test]
fn parity() {
    let good = copied("cp.async.wait_all;");
    let rows = kgen_in(good.path(), &words("parity . --device emulator --json")).with(0).json();
    assert_eq!(
        (rows[0]["exact"].as_bool(), rows[0]["identical"].as_bool()),
        (Some(true), Some(true)),
        "{rows:#}"
    );
    // Late copies show a wait that is missing.
    let bad = copied("");
    let said = kgen_in(bad.path(), &words("parity launch.json --device emulator")).with(1).out;
    assert!(
        said.contains("o: 1 elements differ, [0] is 0 instead of 7") && said.contains("0 of 1 agree"),
        "{said}"
    );
    let cases = kgen(&words("parity tests/oracle/cases --device emulator")).with(0).out;
    assert!(cases.contains("agree") && !cases.contains("FAILS"), "{cases}");
    let empty = TempDir::new().unwrap();
    let said = kgen_in(empty.path(), &words("parity . --device emulator")).with(2).err;
    assert!(said.contains("no launch.json in it"), "{said}");
}

#[test]
fn doctor() {
    let text = kgen(&["doctor"]).with(0).out;
    for part in ["GPU and driver", "nvidia-smi", "ptxas", "nvdisasm", "Triton", "PyTorch", "rustc for NVPTX"]
    {
        let line =
            text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part} in\n{text}"));
        assert!(line.starts_with("ok ") || line.starts_with("missing "), "{line}");
    }
    assert_eq!(kgen(&["doctor", "--json"]).with(0).json().as_array().unwrap().len(), 7);
    let folder = TempDir::new().unwrap();
    let line = "doctor --record machine.json --emulated --suite dry-run --commit abc";
    assert_eq!(kgen_in(folder.path(), &words(line)).with(0).out, "");
    let text = std::fs::read_to_string(folder.path().join("machine.json")).unwrap();
    let machine: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (machine["emulated"].as_bool(), machine["commit"].as_str()),
        (Some(true), Some("abc")),
        "{text}"
    );
    assert!(machine["date"].as_str().is_some_and(|date| date.len() == 20 && date.ends_with('Z')), "{text}");
}

/// `bench/gpu.sh` from its first step to its report, where there is a shell and a Python to do it with.
#[test]
fn a_whole_run_rehearsed() {
    for tool in ["bash", "python3", "timeout"] {
        if Command::new(tool).arg("--version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "there is no {tool}");
            let mut terminal = std::io::stderr();
            writeln!(terminal, "skipped a_whole_run_rehearsed: there is no {tool}").unwrap();
            return;
        }
    }
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/gpu.sh");
    // As where everything is built elsewhere.
    let built = folder.path().join("built");
    std::fs::create_dir_all(built.join("release")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_kgen"), built.join("release/kgen")).unwrap();
    let gpu = |args: &[&str]| {
        let mut command = Command::new("bash");
        command.env("CARGO_TARGET_DIR", &built).env_remove("KGEN");
        let run = command.arg(&script).args(args).output().unwrap();
        (run.status.code(), String::from_utf8(run.stdout).unwrap() + &String::from_utf8(run.stderr).unwrap())
    };
    for (args, message) in [
        (&["--seconds", "59"][..], "--seconds takes a number, at least 60"),
        (&["--seconds"], "--seconds takes a number"),
        (&["--fast"], "unknown argument `--fast`: bench/gpu.sh [-o DIR] [--seconds N]"),
    ] {
        let (status, said) = gpu(args);
        assert!(status == Some(2) && said.contains(message), "{args:?}: {said}");
    }
    let (status, said) = gpu(&["--dry-run", "-o", run.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{said}");
    let report = std::fs::read_to_string(run.join("report.md")).unwrap();
    for part in ["EMULATED, DRY RUN", "Parity with the emulator", "all 5 ended well"] {
        assert!(report.contains(part), "`{part}` is not in\n{report}");
    }
    // All of them right, and no fewer than there were once.
    let counts = report.lines().find_map(|line| line.strip_prefix("- Correctness: "));
    let counts: Vec<u32> =
        counts.unwrap_or(&report).split(' ').filter_map(|word| word.parse().ok()).take(2).collect();
    assert!(counts.len() == 2 && counts[0] == counts[1] && counts[0] >= 69, "{counts:?} of\n{report}");
    let told = |line: &str| line.starts_with('|') && (line.contains("TFLOP/s") || line.contains("µs"));
    assert!(!report.lines().any(told), "{report}");
    let plots = std::fs::read_dir(&run).unwrap().filter(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|extension| extension == "svg"))
    });
    assert_eq!(plots.count(), 5);
    let results: Value =
        serde_json::from_str(&std::fs::read_to_string(run.join("results.json")).unwrap()).unwrap();
    assert_eq!(results["machine"]["emulated"], true);
    assert!(!results.to_string().contains("\"median_us\":"), "a time in an emulated run");
    // Every schedule of the experiments was tried, and is right.
    let pairs = ["| free, issued |", "| free, scored |", "| pinned, issued |", "| pinned, scored |"];
    for pair in pairs {
        let line = report
            .lines()
            .find(|line| line.starts_with(pair))
            .unwrap_or_else(|| panic!("no {pair} in {report}"));
        assert_eq!(line.matches(" ok |").count(), 7, "{line}");
    }
    // What was there is not written over, and a GPU that is not there is said to be.
    assert_eq!(gpu(&["--dry-run", "-o", run.to_str().unwrap()]).0, Some(2));
    if Device::cuda(0).is_err() {
        let (status, said) = gpu(&["--quick", "-o", folder.path().join("other").to_str().unwrap()]);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains("Timing needs an NVIDIA GPU"), "{said}");
    }
}
