//! Whatever synchronises in a kernel that we emit is needed, and the emulator says so when it is gone.
//!
//! Each synchronising instruction of every stock kernel is deleted or weakened in turn, and the kernel is run: under
//! the sanitizer or some policy the emulator must object, or the results must change. A mutant that survives is
//! either a fault that the emulator cannot see or an instruction that has to go from what we emit.
//!
//! Hopper's instructions are mutated in kernels of the oracle too, which are not ours to mend: what is redundant there
//! is listed with the reason. So is what our own kernels for Hopper have for the sake of speed.

use crate::mutants;

use flashpage::codegen::choice::LATENT;
use flashpage::codegen::schedule::{OutputIn, Tuning};
use flashpage::codegen::{Arch, HeadDim, ShapeClass, ValueLayout};
use flashpage::kernels::{catalogue, find};
use flashpage::runtime::case::{Case, make_case};
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{AsyncPolicy, DType, Device, EmulatorOptions, LaunchOptions, Sanitize, WarpOrder};
use mutants::{Mutant, mutants};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// How a mutant is run until something objects, under these checks: cheap and telling ones first.
fn harnesses(checks: Sanitize) -> Vec<EmulatorOptions> {
    let options = |policy, warp_order, sanitizes| EmulatorOptions {
        policy,
        warp_order,
        sanitize: if sanitizes { checks } else { Sanitize::NONE },
        instruction_budget: 20_000_000,
        ..EmulatorOptions::default()
    };
    let mut all = vec![
        options(AsyncPolicy::Eager, WarpOrder::InOrder, true),
        options(AsyncPolicy::Lazy, WarpOrder::InOrder, true),
        options(AsyncPolicy::Lazy, WarpOrder::InOrder, false),
    ];
    all.extend((0..4).map(|seed| options(AsyncPolicy::Random(seed), WarpOrder::Random(seed), true)));
    all
}

/// A folder that goes when the test is done with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The bytes of every output file of a case.
fn outputs(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("out_")))
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("an output")).collect()
}

/// Who objects to the kernel in `folder`, or to its results, which should be `want`; `None` if nobody does.
fn objection(folder: &Path, want: &[Vec<u8>], checks: Sanitize) -> Option<String> {
    let case = match Case::load(folder.join("launch.json")) {
        Ok(case) => case,
        Err(error) => return Some(format!("not loaded: {error}")),
    };
    harnesses(checks).into_iter().find_map(|options| {
        let report = match case.run(&Device::emulator_with(options)) {
            Ok(report) => report,
            Err(error) => return Some(error.to_string().lines().next().unwrap_or_default().to_string()),
        };
        let same = report.passed() && outputs(folder) == want;
        (!same).then(|| format!("other results under {} and {}", options.policy, options.warp_order))
    })
}

/// Mutants of the oracle's kernels that nobody need object to: case, what stands in the line, why.
const REDUNDANT: &[(&str, &str, &str)] = &[
    (
        "cuda_warp_specialized_sm90",
        "fence.proxy.async.shared::cta",
        "after mbarrier.init: Triton has none there, so hardware does without",
    ),
    (
        "cuda_warp_specialized_sm90",
        "fence.mbarrier_init",
        "there is no cluster: the block's barrier orders, too",
    ),
    ("cuda_multicast_sm90", "fence.mbarrier_init", "the cluster's barrier orders, too"),
    ("cuda_warp_specialized_sm90", "setmaxnreg", "registers are never short on the emulator"),
];

/// Every mutant of a case of the oracle whose line is executed there: how many there are, and which survive.
fn survivors_of_case(name: &str) -> (usize, Vec<String>) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/cases").join(name);
    let folder =
        Folder(std::env::temp_dir().join(format!("flashpage-mutants-{}-hopper-{name}", std::process::id())));
    fs::create_dir_all(&folder.0).expect("a folder");
    for entry in fs::read_dir(from).expect("the case") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), folder.0.join(entry.file_name())).expect("copied");
    }
    let original = Case::load(folder.0.join("launch.json")).expect("the case");
    let counting = EmulatorOptions { sanitize: Sanitize::USUAL, profile: true, ..EmulatorOptions::default() };
    let report = original.run(&Device::emulator_with(counting)).expect("the kernel itself runs");
    assert!(report.passed(), "{name} is wrong before anything is changed");
    let profile = report.emulated.and_then(|emulated| emulated.profile).expect("it was asked for");
    let executed: Vec<usize> =
        profile.lines.iter().filter(|line| line.lanes > 0).map(|line| line.line as usize).collect();
    let want = outputs(&folder.0);
    let (mut survivors, mut count) = (Vec::new(), 0);
    for mutant in mutants(original.ptx()) {
        let known = |(case, text, _): &(&str, &str, &str)| *case == name && mutant.what.contains(text);
        if !executed.contains(&mutant.line) || REDUNDANT.iter().any(known) {
            continue;
        }
        count += 1;
        fs::write(folder.0.join("kernel.ptx"), &mutant.text).expect("written");
        if objection(&folder.0, &want, Sanitize::USUAL).is_none() {
            survivors.push(format!("{name}, line {}: {}", mutant.line, mutant.what));
        }
    }
    (count, survivors)
}

#[test]
fn every_mutant_of_hoppers_instructions_is_caught() {
    let mut table = String::from("mutants caught: case of the oracle, caught of all that are executed\n");
    let mut survivors = Vec::new();
    for name in ["cuda_warp_specialized_sm90", "cuda_multicast_sm90", "cuda_cluster_sm90"] {
        let (count, left) = survivors_of_case(name);
        writeln!(table, "{name:30} {:4} of {count:4}", count - left.len()).unwrap();
        survivors.extend(left);
    }
    let _ = std::io::Write::write_all(&mut std::io::stderr(), table.as_bytes());
    assert!(survivors.is_empty(), "nobody objects to\n  {}", survivors.join("\n  "));
}

/// A kernel of ours for Hopper.
struct Hopper {
    kernel: &'static str,
    dtype: DType,
    /// Of keys and values, where it is another.
    kv_dtype: Option<DType>,
    head_dim: HeadDim,
    /// Of a paged cache, and how values lie there.
    block_size: usize,
    values: ValueLayout,
    shape: ShapeClass,
    lens: &'static [(usize, usize)],
    /// Query and KV heads.
    heads: (usize, usize),
    window: Option<f64>,
    /// Rows and columns of a tile.
    tile: (usize, usize),
    stages: usize,
}

/// A dense prefill, from which the others differ.
fn dense() -> Hopper {
    Hopper {
        kernel: "causal_attention",
        dtype: DType::F16,
        kv_dtype: None,
        head_dim: 64.into(),
        block_size: 16,
        values: ValueLayout::Rows,
        shape: ShapeClass::Prefill,
        lens: &[(150, 640), (3, 0), (70, 200)],
        heads: (2, 1),
        window: None,
        tile: (128, 128),
        stages: 2,
    }
}

/// What may survive in our kernels for Hopper.
struct Exempt {
    /// What the instruction begins with, without its guard.
    instruction: &'static str,
    /// The stage of the kernel, and the comment before the instruction; any if empty.
    place: (&'static str, &'static str),
    /// What the comment after it begins with.
    next: &'static str,
    /// In which of the kernels; in all if empty.
    kernels: &'static [&'static str],
    why: &'static str,
}

const SET_UP: &str = "barriers, and who this thread is";
const OVER: &str = "consumers are told that this was all";
/// Kernels whose consumers take no turns, and wait for V between their two products.
const ALONE: &[&str] = &["paged", "decode", "rows", "packed", "f32, one stage", "e5m2, ahead"];
const ONE_OF_TWO: &str = "a fence before each product of an iteration, as ptxas wants it where a wait stands between them: it puts in what is \
     missing and says so (C7519), which `kgen verify` refuses; on the emulator either does for both";
/// Kernels of a producer whose warps write what they copy.
const WRITTEN: &[&str] = &["f32", "f32, one stage", "e4m3", "e5m2, ahead"];
const WRITTEN_LATER: &str = "before their products consumers wait for Q too, or with turns for V, which the same warps write and fence behind this K";

const EXEMPT: &[Exempt] = &[
    Exempt {
        instruction: "setmaxnreg",
        place: ("", ""),
        next: "",
        kernels: &[],
        why: "registers are never short on the emulator",
    },
    Exempt {
        instruction: "mbarrier.try_wait",
        place: (OVER, "await empty tile info@0"),
        next: "",
        kernels: &["paged", "decode", "rows", "head_dim 256", "packed", "latent"],
        why: "O over Q: the last Q was copied once the tile before it had been stored, when it had been read",
    },
    Exempt {
        instruction: "bar.sync %turn",
        place: ("", ""),
        next: "",
        kernels: &["dense", "one stage", "head_dim 256", "latent"],
        why: "turns are for speed: nothing is handed over with them",
    },
    Exempt {
        instruction: "fence.mbarrier_init",
        place: (SET_UP, ""),
        next: "",
        kernels: &[],
        why: "for the other blocks of a cluster: within the block its barrier orders, too",
    },
    Exempt {
        instruction: "fence.proxy.async",
        place: (SET_UP, ""),
        next: "",
        kernels: &[
            "dense",
            "one stage",
            "paged",
            "decode",
            "rows",
            "head_dim 256",
            "latent",
            "e4m3",
            "e5m2, ahead",
            "transposing",
            "stored transposed",
        ],
        why: "for rows of Q that are zeroed: here the heads packed divide a tile, and there are none",
    },
    Exempt {
        instruction: "mbarrier.try_wait",
        place: ("the rightmost tile", "await empty Q"),
        next: "",
        kernels: &["one stage", "f32, one stage"],
        why: "the only slot of K is free when the last scores of the tile before are there: then Q is, too",
    },
    Exempt {
        instruction: "mbarrier.try_wait",
        place: ("the rightmost tile", "await empty V@0"),
        next: "",
        kernels: &["transposing"],
        why: "its rows are copied behind a Q, which comes when consumers are done with all V of the item before but the last",
    },
    Exempt {
        instruction: "bar.sync %alone",
        place: ("store the log-sum-exp", "meet warpgroup"),
        next: "",
        kernels: &["paged", "decode", "rows", "head_dim 256", "packed", "e5m2, ahead"],
        why: "O over Q: on the emulator a warp reads its own rows alone of the factor A",
    },
    Exempt {
        instruction: "wgmma.fence",
        place: ("tiles on the right boundary, masked", ""),
        next: "",
        kernels: ALONE,
        why: ONE_OF_TWO,
    },
    Exempt {
        instruction: "wgmma.fence",
        place: ("tiles inside, no masks", ""),
        next: "",
        kernels: ALONE,
        why: ONE_OF_TWO,
    },
    Exempt {
        instruction: "wgmma.fence",
        place: ("tiles on the left boundary, masked", ""),
        next: "",
        kernels: ALONE,
        why: ONE_OF_TWO,
    },
    Exempt {
        instruction: "bar.warp.sync",
        place: ("", "meet warp"),
        next: "release",
        kernels: &[],
        why: "before an arrival: what a lane releases is released for its whole warp on the emulator",
    },
    Exempt {
        instruction: "bar.warp.sync",
        place: ("", "meet warp"),
        next: "fill",
        kernels: &["f32", "f32, one stage", "e4m3", "e5m2, ahead", "transposing"],
        why: "the same before an arrival that says that rows have been written",
    },
    Exempt {
        instruction: "mbarrier.try_wait",
        place: ("", "await full K@0"),
        next: "",
        kernels: &["f32", "e4m3"],
        why: WRITTEN_LATER,
    },
    Exempt {
        instruction: "mbarrier.try_wait",
        place: ("the rightmost tile, masked", "await full K"),
        next: "",
        kernels: WRITTEN,
        why: WRITTEN_LATER,
    },
    Exempt {
        instruction: "fence.proxy.async",
        place: ("the rightmost tile", "fence proxy"),
        next: "",
        kernels: WRITTEN,
        why: WRITTEN_LATER,
    },
    Exempt {
        instruction: "fence.proxy.async",
        place: ("right to left", "fence proxy"),
        next: "",
        kernels: &["f32", "e4m3"],
        why: WRITTEN_LATER,
    },
];

/// The stage of a kernel that a line is in, which stands behind an empty line, and the comments before and after it.
fn place(text: &str, line: usize) -> (&str, &str, &str) {
    let lines: Vec<&str> = text.lines().collect();
    let is_comment = |at: &usize| lines[*at].trim().starts_with("// ");
    let last = (0..line).rev().find(is_comment);
    let stage = (1..line).rev().find(|at| is_comment(at) && lines[at - 1].trim().is_empty());
    let next = (line..lines.len()).find(is_comment);
    let text = |at: Option<usize>| at.map_or("", |at| lines[at].trim().trim_start_matches("// "));
    (text(stage), text(last), text(next))
}

/// All mutants of a kernel for Hopper, run by one block that walks every tile.
fn all_are_caught_for_hopper(name: &str, hopper: &Hopper) {
    let Hopper {
        kernel,
        dtype,
        kv_dtype,
        head_dim,
        block_size,
        values,
        shape,
        lens,
        heads: (q_heads, kv_heads),
        window,
        tile,
        stages,
    } = *hopper;
    // What lanes copy is fenced for products to the letter, which is a strict check.
    let checks = if block_size < 8 { Sanitize::ALL } else { Sanitize::USUAL };
    // One consumer alone has its rows stored by its warps: what orders bulk copies of O is two consumers' to show.
    let output = (tile.0 == 64 && !dtype.is_eight_bits()).then_some(OutputIn::OverQuery);
    let problem = Problem {
        dtype,
        kv_dtype,
        head_dim,
        block_size,
        values,
        q_heads,
        kv_heads,
        lens: lens.to_vec(),
        scalars: window.map(|window| ("window".to_string(), window)).into_iter().collect(),
        ..Problem::default()
    };
    let options = LaunchOptions {
        arch: Some(Arch::Sm90a),
        shape: Some(shape),
        tuning: Tuning {
            tile: Some(tile),
            stages: Some(stages),
            blocks_per_sm: Some(1),
            output,
            ..Tuning::default()
        },
    };
    let folder =
        Folder(std::env::temp_dir().join(format!("flashpage-mutants-{}-hopper-{name}", std::process::id())));
    let program = (find(kernel).expect("a stock kernel").program)();
    let path = make_case(&folder.0, program, &problem, &options).expect("a case");
    let mut document: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).expect("the case")).expect("a document");
    document["grid"] = serde_json::json!([1, 1, 1]);
    fs::write(&path, document.to_string()).expect("written");

    let original = Case::load(&path).expect("the case");
    let sane = EmulatorOptions { sanitize: checks, profile: true, ..EmulatorOptions::default() };
    let report = original.run(&Device::emulator_with(sane)).expect("the kernel itself runs");
    assert!(report.passed(), "{name} is wrong before anything is changed");
    let profile = report.emulated.and_then(|emulated| emulated.profile).expect("it was asked for");
    let want = outputs(&folder.0);
    let mut survivors = Vec::new();
    let (mut count, mut exempt, mut not_executed) = (0, 0, 0);
    for Mutant { line, what, text } in mutants(original.ptx()) {
        if !profile.lines.iter().any(|at| at.line as usize == line && at.lanes > 0) {
            not_executed += 1;
            continue;
        }
        count += 1;
        fs::write(folder.0.join("kernel.ptx"), &text).expect("written");
        if objection(&folder.0, &want, checks).is_some() {
            continue;
        }
        let (stage, comment, next) = place(original.ptx(), line);
        let bare = what.trim_start_matches('`');
        let bare =
            if bare.starts_with('@') { bare.split_once(' ').map_or("", |(_, rest)| rest) } else { bare };
        let is_exempt = EXEMPT.iter().any(|known| {
            let same = |want: &str, is: &str| want.is_empty() || want == is;
            bare.starts_with(known.instruction)
                && same(known.place.0, stage)
                && same(known.place.1, comment)
                && next.starts_with(known.next)
                && (known.kernels.is_empty() || known.kernels.contains(&name))
                && !known.why.is_empty()
        });
        if is_exempt {
            exempt += 1;
        } else {
            survivors.push(format!("{name}, line {line}, {stage} / {comment}: {what}"));
        }
    }
    let summary = format!(
        "mutants caught for Hopper: {name}: {} of {count}, and {exempt} that are exempt; {not_executed} are not executed\n",
        count - survivors.len() - exempt,
    );
    let _ = std::io::Write::write_all(&mut std::io::stderr(), summary.as_bytes());
    assert!(survivors.is_empty(), "nobody objects to\n  {}", survivors.join("\n  "));
}

// What makes each instruction needed: tiles on the boundary that have no tail, whose V nobody else waits for; tiles of
// rows with as many tiles of columns as there are stages, after which nothing but its own wait keeps the first K of the
// next from coming too early, with no tile past an end between them, whose telling waits for the one before; and enough to do after each of them for arrivals that are missing to be missed.

/// Two consumers, several tiles of columns, some masked and some not, several tiles of rows; a sequence that is cut
/// short and one that has no key.
#[test]
fn every_mutant_for_hopper_is_caught_dense() {
    all_are_caught_for_hopper("dense", &dense());
}

/// The same with rings of one slot.
#[test]
fn every_mutant_for_hopper_is_caught_one_stage() {
    let hopper = Hopper { lens: &[(140, 512), (3, 0), (64, 200), (70, 100)], stages: 1, ..dense() };
    all_are_caught_for_hopper("one stage", &hopper);
}

/// Tiles that a window cuts on the left, blocks of a cache, the end of a sequence inside a tile.
#[test]
fn every_mutant_for_hopper_is_caught_paged() {
    let hopper = Hopper {
        kernel: "paged_attention",
        shape: ShapeClass::Append,
        lens: &[(70, 384), (3, 0), (20, 91), (5, 200)],
        window: Some(150.0),
        tile: (64, 64),
        ..dense()
    };
    all_are_caught_for_hopper("paged", &hopper);
}

/// A ring that goes round, few rows.
#[test]
fn every_mutant_for_hopper_is_caught_decode() {
    let hopper = Hopper {
        kernel: "paged_full_attention",
        head_dim: 96.into(),
        shape: ShapeClass::Decode,
        lens: &[(3, 0), (1, 20), (1, 410), (1, 64), (1, 180), (1, 300)],
        heads: (8, 1),
        tile: (64, 64),
        stages: 3,
        ..dense()
    };
    all_are_caught_for_hopper("decode", &hopper);
}

/// Rows of small blocks, which the producer's lanes copy, past the ends of sequences too.
#[test]
fn every_mutant_for_hopper_is_caught_rows() {
    let hopper = Hopper {
        kernel: "paged_full_attention",
        block_size: 2,
        shape: ShapeClass::Decode,
        lens: &[(3, 0), (1, 20), (1, 410), (1, 64), (1, 180), (1, 300)],
        heads: (8, 1),
        tile: (64, 64),
        stages: 3,
        ..dense()
    };
    all_are_caught_for_hopper("rows", &hopper);
}

/// Rows of f32 that four warps copy and split, in several pieces a tile, for two consumers.
#[test]
fn every_mutant_for_hopper_is_caught_f32() {
    let hopper = Hopper {
        kernel: "paged_attention",
        dtype: DType::F32,
        head_dim: 128.into(),
        lens: &[(150, 330), (3, 0), (70, 128), (20, 100)],
        window: Some(150.0),
        tile: (128, 64),
        ..dense()
    };
    all_are_caught_for_hopper("f32", &hopper);
}

/// The same with rings of one slot, where nobody takes turns.
#[test]
fn every_mutant_for_hopper_is_caught_f32_one_stage() {
    let hopper = Hopper {
        dtype: DType::F32,
        lens: &[(140, 512), (3, 0), (40, 50), (70, 100)],
        tile: (128, 64),
        stages: 1,
        ..dense()
    };
    all_are_caught_for_hopper("f32, one stage", &hopper);
}

/// Rows of 8 bits that four warps widen, in pieces, for two consumers.
#[test]
fn every_mutant_for_hopper_is_caught_e4m3() {
    let hopper = Hopper {
        kernel: "scaled_paged_attention",
        kv_dtype: Some(DType::E4m3),
        head_dim: 128.into(),
        lens: &[(150, 640), (70, 128), (3, 0), (70, 200)],
        tile: (128, 64),
        ..dense()
    };
    all_are_caught_for_hopper("e4m3", &hopper);
}

/// The same of tiles that are asked for ahead, for one consumer.
#[test]
fn every_mutant_for_hopper_is_caught_e5m2_ahead() {
    let hopper = Hopper {
        kernel: "scaled_paged_attention",
        dtype: DType::Bf16,
        kv_dtype: Some(DType::E5m2),
        block_size: 8,
        shape: ShapeClass::Decode,
        lens: &[(3, 0), (1, 20), (1, 410), (1, 64), (1, 180), (1, 300)],
        heads: (8, 1),
        tile: (64, 64),
        stages: 3,
        ..dense()
    };
    all_are_caught_for_hopper("e5m2, ahead", &hopper);
}

/// Products of 8 bits, of values that a third role transposes.
#[test]
fn every_mutant_for_hopper_is_caught_transposing() {
    let hopper = Hopper {
        kernel: "scaled_attention",
        dtype: DType::E4m3,
        head_dim: 128.into(),
        lens: &[(150, 600), (70, 128), (70, 200), (3, 0), (3, 0), (3, 0)],
        tile: (128, 64),
        ..dense()
    };
    all_are_caught_for_hopper("transposing", &hopper);
}

/// The same of a cache that has values transposed.
#[test]
fn every_mutant_for_hopper_is_caught_stored_transposed() {
    let hopper = Hopper {
        kernel: "scaled_paged_attention",
        dtype: DType::E5m2,
        kv_dtype: Some(DType::E4m3),
        values: ValueLayout::Transposed,
        lens: &[(150, 600), (70, 128), (70, 200), (3, 0), (3, 0), (3, 0)],
        tile: (128, 64),
        ..dense()
    };
    all_are_caught_for_hopper("stored transposed", &hopper);
}

/// O over Q.
#[test]
fn every_mutant_for_hopper_is_caught_head_dim_256() {
    let hopper = Hopper {
        kernel: "attention",
        head_dim: 256.into(),
        lens: &[(130, 250), (128, 140), (128, 70), (3, 0), (64, 400)],
        heads: (1, 1),
        tile: (128, 80),
        ..dense()
    };
    all_are_caught_for_hopper("head_dim 256", &hopper);
}

/// Heads that do not divide a tile's rows, which leave some of them empty.
#[test]
fn every_mutant_for_hopper_is_caught_packed() {
    let hopper = Hopper {
        shape: ShapeClass::Append,
        lens: &[(70, 384), (12, 128), (13, 130), (3, 0), (5, 40), (9, 70)],
        heads: (5, 1),
        tile: (64, 64),
        stages: 1,
        ..dense()
    };
    all_are_caught_for_hopper("packed", &hopper);
}

/// Runs every mutant of every stock kernel at this head dimension and type.
fn survivors(head_dim: HeadDim, dtype: DType, kv_dtype: Option<DType>) -> (String, Vec<String>) {
    let mut table = String::new();
    let mut survivors = Vec::new();
    // Two tables of head dimensions have every kernel in them, the third what is made for it. Of f32, and of keys of 8 bits, what is
    // new is the same in every kernel.
    let kernels = catalogue().iter().filter(|stock| match (head_dim, dtype, kv_dtype) {
        (LATENT, ..) => stock.name == "latent_attention",
        (_, DType::F32, _) => stock.name == "paged_attention",
        (_, _, Some(_)) => stock.name == "scaled_paged_attention",
        // But for scales the kernel without them.
        _ => !stock.name.starts_with("scaled"),
    });
    for stock in kernels {
        for (shape, q_len) in [(ShapeClass::Prefill, 150), (ShapeClass::Append, 20), (ShapeClass::Decode, 3)]
        {
            // Keys enough that every loop goes round, those before and behind a window too (whose left end lies in two
            // tiles even for three rows); and none at all, where nothing was waited for before the end.
            let program = (stock.program)();
            let windowed = program.params.iter().any(|p| p.name == "window");
            let problem = Problem {
                head_dim,
                dtype,
                kv_dtype,
                q_heads: 2,
                kv_heads: 1,
                lens: vec![(q_len, 900), (3, 0)],
                scalars: windowed.then(|| ("window".to_string(), 515.0)).into_iter().collect(),
                ..Problem::default()
            };
            let (id, kernel, width) = (std::process::id(), stock.name, head_dim.qk);
            let name = format!("flashpage-mutants-{id}-{kernel}-{width}-{shape}");
            let folder = Folder(std::env::temp_dir().join(name));
            let options = LaunchOptions { shape: Some(shape), ..LaunchOptions::default() };
            make_case(&folder.0, program, &problem, &options).expect("a case");
            let original = Case::load(folder.0.join("launch.json")).expect("the case");
            let sane = EmulatorOptions { sanitize: Sanitize::USUAL, ..EmulatorOptions::default() };
            let report = original.run(&Device::emulator_with(sane)).expect("the kernel itself runs");
            assert!(report.passed(), "{} is wrong before anything is changed", stock.name);
            let want = outputs(&folder.0);
            let all = mutants(original.ptx());
            let mut caught = 0;
            for mutant in &all {
                fs::write(folder.0.join("kernel.ptx"), &mutant.text).expect("written");
                match objection(&folder.0, &want, Sanitize::USUAL) {
                    Some(_) => caught += 1,
                    None => {
                        let (name, line) = (stock.name, mutant.line);
                        survivors.push(format!("{name} {shape} {head_dim}, line {line}: {}", mutant.what));
                    }
                }
            }
            writeln!(table, "{:26} {shape:8} {head_dim:4} {caught:4} of {:4}", stock.name, all.len())
                .unwrap();
        }
    }
    (table, survivors)
}

fn all_are_caught(head_dim: HeadDim, dtype: DType) {
    all_are_caught_over(head_dim, dtype, None);
}

fn all_are_caught_over(head_dim: HeadDim, dtype: DType, kv_dtype: Option<DType>) {
    let (table, survivors) = survivors(head_dim, dtype, kv_dtype);
    // Past the harness, which keeps what a passing test prints.
    let heading = "mutants caught: kernel, shape class, head dimension, caught of all";
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{heading}\n{table}").as_bytes());
    assert!(survivors.is_empty(), "nobody objects to\n  {}", survivors.join("\n  "));
}

#[test]
fn every_mutant_is_caught_head_dim_64() {
    all_are_caught(64.into(), DType::F16);
}

#[test]
fn every_mutant_is_caught_head_dim_128() {
    all_are_caught(128.into(), DType::Bf16);
}

/// Tiles that are widened between a wait and a meeting.
#[test]
fn every_mutant_is_caught_e4m3() {
    all_are_caught_over(96.into(), DType::Bf16, Some(DType::E4m3));
}

/// Tiles that are narrowed between a wait and a meeting.
#[test]
fn every_mutant_is_caught_f32() {
    all_are_caught(80.into(), DType::F32);
}

/// Warps that share rows, and keys that are values.
#[test]
fn every_mutant_is_caught_latent() {
    all_are_caught(LATENT, DType::F16);
}

/// The same by warpgroups.
#[test]
fn every_mutant_for_hopper_is_caught_latent() {
    let hopper = Hopper {
        kernel: "latent_attention",
        head_dim: LATENT,
        shape: ShapeClass::Append,
        lens: &[(20, 270), (1, 0), (17, 128)],
        heads: (4, 1),
        tile: (64, 64),
        ..dense()
    };
    all_are_caught_for_hopper("latent", &hopper);
}
