//! What NVIDIA's assembler and disassembler say of our kernels: no spills, no complaints, and what the machine code
//! costs. Skipped where they are not, but for CI, which must have them.

mod kernel_source;
mod opaque_masks;
#[allow(dead_code)]
mod user_sources;

use flashpage::codegen::choice::{
    BYTES, Carries, F32, F32_ROLES, HEAD_DIMS, LATENT, MaskClass, RingRow, SM80, SM90, TF32,
    untuned_head_dims,
};
use flashpage::codegen::frontend::parse_file;
use flashpage::codegen::program::{DType, ParamKind};
use flashpage::codegen::schedule::{F32Products, Tuning};
use flashpage::codegen::{Arch, HeadDim, Program, ShapeClass, Spec, Work, compile};
use flashpage::kernels;
use flashpage::measure::cost::Tools;
use flashpage::measure::parallel;
use flashpage::measure::toolchain::{self, Tool};
use flashpage::measure::verdicts::Verdicts;
use kernel_source::{Cache, kernel, program};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// What `kgen` prints as JSON; nothing where a tool is missing.
fn json(test: &str, args: &str) -> Option<(Value, Option<i32>)> {
    let run = Command::new(env!("CARGO_BIN_EXE_kgen")).args(args.split(' ')).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    if run.status.code() == Some(2) && err.contains("is not on this machine") {
        skip(test, err.trim());
        return None;
    }
    let document = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    Some((document, run.status.code()))
}

fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    // Past the harness, which keeps what a passing test prints to itself.
    let mut terminal = std::io::stderr();
    writeln!(terminal, "skipped {test}: {why}").unwrap();
}

/// What `kgen verify` says as JSON. What the assembler said of kernels that have not changed is committed, a file for each
/// line; of those one in 48 is assembled again, others each day, and all with `FLASHPAGE_ASSEMBLE=all`. After a change of
/// kernels: `FLASHPAGE_ASSEMBLE=record cargo test --release --test ptxas`, which assembles what is new.
fn verify(test: &str, record: &str, args: &str) -> Option<(Value, Option<i32>)> {
    let known = format!("--known {}", record_of(record));
    let choice = match how().as_deref() {
        Some("all") => String::new(),
        Some("record") => format!("{known} --record"),
        _ => known,
    };
    json(test, format!("verify {args} --json {choice}").trim())
}

/// `FLASHPAGE_ASSEMBLE`; all, where more kernels are asked for than there is a record of.
fn how() -> Option<String> {
    if std::env::var_os("FLASHPAGE_HEAD_SIZES").is_some() {
        return Some("all".into());
    }
    let how = std::env::var("FLASHPAGE_ASSEMBLE").ok();
    if let Some(other) = how.as_deref().filter(|how| !["all", "record"].contains(how)) {
        panic!("FLASHPAGE_ASSEMBLE={other}: write `all` or `record`");
    }
    how
}

/// The assembler, and what it said before.
fn verdicts(record: &str) -> Verdicts {
    let verdicts = match how().as_deref() {
        Some("all") => Verdicts::new(),
        _ => Verdicts::with_record(Path::new(&record_of(record))),
    };
    verdicts.unwrap()
}

/// Writes what was said, where that is asked for.
fn finish(verdicts: &Verdicts) {
    if how().as_deref() == Some("record") {
        verdicts.write().unwrap();
    }
}

fn record_of(name: &str) -> String {
    format!("{}/tests/assembled/{name}.txt", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_catalogue_assembles() {
    // In one type, as types differ in nothing that takes registers.
    let (test, block_sizes) = ("the_catalogue_assembles", 5);
    let Some((rows, status)) = verify(test, "catalogue_sm_80", "--dtype f16 --output-dtype f16") else {
        return;
    };
    let rows = rows.as_array().unwrap();
    // Nine kernels in four head dimensions and three shapes, latent attention in five; four of them in each block size, two over three types
    // of keys and values.
    assert_eq!(rows.len(), ((5 + 3 + (2 + 3) * block_sizes) * 4 + block_sizes * 5) * 3);
    for row in rows {
        let what = format!("{row:#}");
        assert_eq!(row["complaints"], serde_json::json!([]), "{what}");
        assert_eq!((row["spill_stores"].as_u64(), row["spill_loads"].as_u64()), (Some(0), Some(0)), "{what}");
        assert!(row["registers"].as_u64().is_some_and(|registers| (1..=255).contains(&registers)), "{what}");
        assert_eq!(row["clean"], true, "{what}");
    }
    assert_eq!(status, Some(0));
}

/// Of f32 inputs, for both targets and by both ways to multiply them.
#[test]
fn kernels_of_f32_assemble() {
    // Those of roles in every head dimension that has rows in their table.
    let table = [
        ("sm_80", "bf16x3", "64,128"),
        ("sm_80", "tf32", "64,128"),
        ("sm_90a", "bf16x3", "64,96,128,192,256"),
    ];
    for (arch, products, head_dims) in table {
        let line = format!(
            "--arch {arch} --dtype f32 --output-dtype f32 --f32-products {products} --head-dim {head_dims} --block-size 16"
        );
        let record = format!("f32_{products}_{arch}");
        let Some((rows, status)) = verify("kernels_of_f32_assemble", &record, &line) else { return };
        // Ten kernels in each head dimension and three shapes.
        let count = head_dims.split(',').count();
        assert_eq!(rows.as_array().map(Vec::len), Some(10 * count * 3), "{line}");
        for row in rows.as_array().unwrap() {
            assert_eq!(row["clean"], true, "{row:#}");
        }
        assert_eq!(status, Some(0), "{line}");
    }
}

/// Of products of 8 bits, in every way to get work, and in block sizes of which one lies in a tile whole and one is copied by rows.
#[test]
fn kernels_of_eight_bits_assemble() {
    let line = "scaled_attention scaled_paged_attention --arch sm_90a --dtype e4m3 --block-size 1,16,24 --values rows,transposed --work grid,list,partials";
    let Some((rows, status)) = verify("kernels_of_eight_bits_assemble", "eight_bits_sm_90a", line) else {
        return;
    };
    // In three head dimensions, shapes and ways, with three types of outputs and the other of keys and values.
    assert_eq!(rows.as_array().map(Vec::len), Some((1 + 3 + 1) * 3 * 3 * 3 * 4));
    for row in rows.as_array().unwrap() {
        assert_eq!(
            (row["clean"].as_bool(), &row["registers"]),
            (Some(true), &row["planned_registers"]),
            "{row:#}"
        );
    }
    assert_eq!(status, Some(0));
}

/// In one type, and in block sizes of which one lies in a tile whole and one is copied by rows. Registers are dealt out by roles: the assembler
/// has to take the number that all threads begin with.
#[test]
fn the_catalogue_assembles_for_hopper() {
    let (test, line) = (
        "the_catalogue_assembles_for_hopper",
        "--arch sm_90a --dtype bf16 --output-dtype bf16 --block-size 1,16,24",
    );
    let Some((rows, status)) = verify(test, "catalogue_sm_90a", line) else { return };
    let rows = rows.as_array().unwrap();
    // Nine kernels in six head dimensions and three shapes, latent attention in seven; four of them in three block sizes, two over three types
    // of keys and values.
    assert_eq!(rows.len(), ((5 + 3 + (2 + 3) * 3) * 6 + 3 * 7) * 3);
    for row in rows {
        let what = format!("{row:#}");
        assert_eq!(row["complaints"], serde_json::json!([]), "{what}");
        assert_eq!((row["spill_stores"].as_u64(), row["spill_loads"].as_u64()), (Some(0), Some(0)), "{what}");
        assert_eq!(row["registers"], row["planned_registers"], "{what}");
        // One consumer beside the producer, alone or twice on a multiprocessor; two or three consumers.
        assert!([255, 128, 168].contains(&row["registers"].as_u64().unwrap()), "{what}");
        assert_eq!(row["clean"], true, "{what}");
    }
    assert_eq!(status, Some(0));
}

/// Planned kernels, which carry a range of columns beside what grid kernels carry, and leave partial results. In one
/// type, as types differ in nothing that takes registers.
#[test]
fn planned_kernels_assemble() {
    // Target, rows: nine kernels in four or six head dimensions and three shapes, latent attention in one more; four of them
    // in three block sizes, two over three types of keys and values; of each the one that leaves partial results, which carries the most.
    let rows_of = |head_dims: usize| ((5 + 3 + (2 + 3) * 3) * head_dims + 3 * (head_dims + 1)) * 3;
    for (arch, expected) in [("sm_80", rows_of(4)), ("sm_90a", rows_of(6))] {
        let line =
            format!("--arch {arch} --dtype f16 --output-dtype f16 --block-size 1,16,24 --work partials");
        let record = format!("planned_{arch}");
        let Some((rows, status)) = verify("planned_kernels_assemble", &record, &line) else { return };
        let rows = rows.as_array().unwrap();
        assert_eq!(rows.len(), expected);
        for row in rows {
            let what = format!("{row:#}");
            assert_eq!(row["complaints"], serde_json::json!([]), "{what}");
            assert_eq!(
                (row["spill_stores"].as_u64(), row["spill_loads"].as_u64()),
                (Some(0), Some(0)),
                "{what}"
            );
            assert_eq!(row["clean"], true, "{what}");
        }
        assert_eq!(status, Some(0));
    }
}

/// Head dimensions without rows of their own, and pairs of two: two kernels always, the whole catalogue with every way to come by
/// tiles where `FLASHPAGE_HEAD_SIZES` says so.
#[test]
fn other_head_dims_assemble() {
    let (kernels, work, count) = match std::env::var("FLASHPAGE_HEAD_SIZES") {
        Err(_) => ("causal_attention paged_attention ", "grid", 2),
        // Eight kernels, three of them in two block sizes.
        Ok(_) => ("", "grid,list,partials", 3 * (5 + 3 * 2)),
    };
    let blocks = if kernels.is_empty() { "16,24" } else { "16" };
    for arch in [Arch::Sm80, Arch::Sm90a] {
        let mut head_dims: Vec<String> =
            untuned_head_dims(arch).map(|head_dim| head_dim.to_string()).collect();
        head_dims.extend(["192/128", "96/64", "256/64"].map(str::to_owned));
        let line = format!(
            "{kernels}--arch {arch} --dtype bf16 --block-size {blocks} --work {work} --head-dim {}",
            head_dims.join(",")
        );
        let record = format!("other_head_dims_{arch}");
        let Some((rows, status)) = verify("other_head_dims_assemble", &record, &line) else { return };
        let rows = rows.as_array().unwrap();
        assert_eq!(rows.len(), count * head_dims.len() * 3);
        let unclean: Vec<&Value> = rows.iter().filter(|row| row["clean"] != true).collect();
        assert!(unclean.is_empty(), "{unclean:#?}");
        assert_eq!(status, Some(0));
    }
}

/// Every pair of two head dimensions, once for each target: kernels and shapes by turns.
#[test]
fn every_pair_assembles() {
    let test = "every_pair_assembles";
    if let Err(error) = Tool::Ptxas.find() {
        return skip(test, &error.to_string());
    }
    let verdicts = verdicts(test);
    let pairs = HEAD_DIMS.into_iter().flat_map(|qk| HEAD_DIMS.map(|v| HeadDim { qk, v }));
    let pairs = pairs.filter(|head_dim| head_dim.qk != head_dim.v);
    let specs: Vec<(usize, HeadDim, Arch)> = pairs
        .enumerate()
        .flat_map(|(turn, head_dim)| [Arch::Sm80, Arch::Sm90a].map(|arch| (turn, head_dim, arch)))
        .collect();
    let faults = parallel::map(&specs, |(turn, head_dim, arch)| {
        let name = ["causal_attention", "paged_attention"][turn % 2];
        let spec = Spec {
            arch: *arch,
            dtype: DType::F16,
            kv_dtype: DType::F16,
            output: DType::F16,
            head_dim: *head_dim,
            block_size: (turn % 2 == 1).then_some(16),
            shape: ShapeClass::ALL[turn / 2 % 3],
            tuning: Tuning::default(),
            work: Work::Grid,
            values: Default::default(),
            fold_scale: true,
        };
        let compiled = compile((kernels::find(name).unwrap().program)(), &spec).unwrap();
        let found = verdicts.of(&compiled).unwrap();
        (!found.assembled.is_clean())
            .then(|| format!("{name}, {arch}, {head_dim}, {}: {found:?}", spec.shape))
    });
    finish(&verdicts);
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), specs.len(), faults.join("\n"));
}

/// Exponentials stand where the schedule says, if it says that they stay: of kernels without and with a table, launched by
/// themselves and planned.
#[test]
fn pinned_exponentials_stay_before_the_wait() {
    let test = "pinned_exponentials_stay_before_the_wait";
    let line = "attention paged_attention latent_attention --arch sm_90a --dtype bf16 --block-size 16";
    let line = format!(
        "{line} --overlap pinned --work grid --head-dim 64,96,128,192,256,192/128,96/64,256/64,576/512"
    );
    let Some((rows, status)) = verify(test, "pinned", &line) else { return };
    let pinned: Vec<f64> =
        rows.as_array().unwrap().iter().filter_map(|row| row["late_exponentials"].as_f64()).collect();
    // Three kernels in nine head dimensions and three shapes.
    assert_eq!(pinned.len(), 3 * 9 * 3);
    assert!(pinned.iter().all(|late| *late <= 0.05), "{pinned:?}");
    assert_eq!(status, Some(0));
    // Free ones go where the assembler likes, which `kgen cost` tells and is nobody's failure.
    let line = "cost attention --arch sm_90a --head-dim 128 --shape prefill --json";
    let (rows, status) = json(test, line).unwrap();
    let loops = rows[0]["code"]["loops"].as_array().unwrap();
    let worst = loops.iter().filter_map(|code| code["late_exponentials"].as_f64()).max_by(f64::total_cmp);
    assert!(worst.is_some_and(|late| late > 0.5), "{rows:#}");
    assert_eq!((rows[0]["leader"]["late_exponentials_percent"].as_u64(), status), (Some(85), Some(0)));
}

/// What users write and nobody foresaw assembles without a spill, on both targets, at two head dimensions, for every shape;
/// and at those up to 208 that have no rows of their own where `FLASHPAGE_HEAD_SIZES` says so. At 192 and from 224 on the mask
/// with a branch by row spills, on sm_80 alone.
fn assert_no_spills(test: &str, kernels: &[opaque_masks::Row]) {
    let others = std::env::var("FLASHPAGE_HEAD_SIZES").map_or(0, |_| 208);
    if let Err(error) = Tool::Ptxas.find() {
        return skip(test, &error.to_string());
    }
    let verdicts = verdicts(test);
    let mut specs = Vec::new();
    for (index, row) in kernels.iter().enumerate() {
        for arch in [Arch::Sm80, Arch::Sm90a] {
            let more = untuned_head_dims(arch).filter(|head_dim| *head_dim <= others);
            for head_dim in [64, 128].into_iter().chain(more) {
                specs.extend(ShapeClass::ALL.map(|shape| (index, row, arch, head_dim, shape)));
            }
        }
    }
    let faults = parallel::map(&specs, |(index, (what, params, steps, _), arch, head_dim, shape)| {
        let cache = [Cache::Contiguous, Cache::Paged][index % 2];
        let spec = Spec {
            arch: *arch,
            dtype: DType::Bf16,
            kv_dtype: DType::Bf16,
            output: DType::Bf16,
            head_dim: (*head_dim).into(),
            block_size: (cache == Cache::Paged).then_some(16),
            shape: *shape,
            tuning: Tuning::default(),
            work: Work::Grid,
            values: Default::default(),
            fold_scale: true,
        };
        let compiled = compile(&program(&kernel(cache, params, steps)), &spec).unwrap();
        let said = verdicts.of(&compiled).unwrap().assembled;
        (!said.is_clean()).then(|| {
            format!(
                "{what}, {arch}, head_dim {head_dim}, {shape}: {} bytes stored, {} loaded, {} of stack, {:?}",
                said.spill_stores, said.spill_loads, said.stack, said.complaints
            )
        })
    });
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    finish(&verdicts);
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), specs.len(), faults.join("\n"));
}

#[test]
fn opaque_masks_do_not_spill() {
    assert_no_spills("opaque_masks_do_not_spill", opaque_masks::OPAQUE);
}

/// What asks of sequences, of vectors and of tables; but for indices of all kinds at once, which are there to lie outside, and
/// spill some 40 to 200 bytes.
#[test]
fn tables_do_not_spill() {
    let kernels = [user_sources::SEQUENCES, user_sources::TABLES].concat();
    let usual: Vec<_> = kernels.into_iter().filter(|row| !row.0.ends_with("that there are not")).collect();
    assert_no_spills("tables_do_not_spill", &usual);
}

/// Kernels whose masks are intervals, or that have none, and are not of the catalogue.
#[test]
fn other_kernels_do_not_spill() {
    let kernels: &[opaque_masks::Row] = &[
        (
            "the score in a condition",
            "",
            "let s = (s * scale).map(|x, _| if x > 0.0 { x } else { 0.5 * x });",
            &[],
        ),
        ("anti-causal", "", "let s = (s * scale).mask(|at| at.col > at.row);", &[]),
        ("no scale at all", "", "let s = s.map(|x, _| x * 0.1 + 0.0 * scale);", &[]),
        ("a bound of the sequence", "", "let s = (s * scale).mask(|at| at.col < 100 - 60 * at.seq);", &[]),
        (
            "a mask before a map",
            "",
            "let s = s.mask(|at| at.col % 5 != 0); let s = s.map(|x, at| x * scale - 0.01 * at.col as f32);",
            &[],
        ),
    ];
    assert_no_spills("other_kernels_do_not_spill", kernels);
}

/// The figures of a kernel, each against what it cannot be otherwise.
#[test]
fn what_a_kernel_costs() {
    let line = "cost attention --head-dim 64 --shape prefill --gpu a100 --json";
    let Some((rows, status)) = json("what_a_kernel_costs", line) else { return };
    assert_eq!(status, Some(0));
    let row = &rows[0];
    let loops = row["code"]["loops"].as_array().unwrap();
    let inside = loops.iter().find(|code| code["boundary"] == false).unwrap();
    // 128 rows on 4 warps, 64 columns: 64 scores of a lane; 4 * 64 operations each, in products of 128.
    assert_eq!((inside["scores"].as_f64(), inside["products"].as_u64()), (Some(64.0), Some(128)), "{row:#}");
    let mix = &inside["mix"];
    assert_eq!(mix["HMMA"], 128, "{row:#}");
    // An exponential a score, and little beside.
    assert!((64..=72).contains(&mix["MUFU"].as_u64().unwrap()), "{row:#}");
    let count = |name: &str| inside[name].as_f64().unwrap();
    let executed = count("executed_non_products_per_score");
    assert_eq!(executed, (count("instructions") - count("skippable") - 128.0) / 64.0);
    assert!(executed < 6.5, "{executed} instructions a score: the leaders have 8.3 to 9.7");
    // The tensor cores alone allow what the GPU's data sheet says.
    let bound = row["bounds_flops"]["tensor cores"].as_f64().unwrap();
    assert!((bound / 312e12 - 1.0).abs() < 0.01, "{bound}");
    assert!(row["limit_flops"].as_f64().unwrap() <= bound);
    let counted = &row["counted"];
    assert_eq!(counted["wavefronts"], counted["least_wavefronts"], "bank conflicts: {row:#}");
    assert!(counted["distinct_bytes"].as_f64() <= counted["global_bytes"].as_f64(), "{row:#}");
}

/// Roles have loops of their own; those with products are the consumers'.
#[test]
fn what_a_kernel_for_hopper_costs() {
    let test = "what_a_kernel_for_hopper_costs";
    let line = "cost causal_attention --arch sm_90a --head-dim 128 --shape prefill --gpu h200 --json";
    let Some((rows, status)) = json(test, &format!("{line} --tile 128x128 --polynomial 0")) else { return };
    assert_eq!(status, Some(0));
    let loops = rows[0]["code"]["loops"].as_array().unwrap();
    let of = |boundary: bool| loops.iter().find(|code| code["boundary"] == boundary).unwrap();
    for code in [of(true), of(false)] {
        // 64 rows on 4 warps, 128 columns; eight products of depth 16 for the scores and eight for the output.
        assert_eq!((code["scores"].as_f64(), code["products"].as_u64()), (Some(64.0), Some(16)), "{code:#}");
        assert_eq!(code["mix"]["HGMMA"], 16, "{code:#}");
        // The producer's copies are not in it.
        assert_eq!(code["mix"]["UTMALDG"], Value::Null, "{code:#}");
    }
    let executed = |code: &Value| code["executed_non_products_per_score"].as_f64().unwrap();
    assert!(executed(of(false)) < executed(of(true)), "{loops:#?}");
    let leader = rows[0]["leader"]["non_products_per_score"].as_f64().unwrap();
    assert!(executed(of(false)) < leader, "{} a score; {leader} the leader's", executed(of(false)));
    // The accumulator's rescale is what can be jumped over: a multiplication for each of 64 of its elements.
    let skippable = of(false)["skippable"].as_u64().unwrap();
    assert!((64..90).contains(&skippable), "{skippable} instructions can be jumped over");
    let (always, _) = json(test, &format!("{line} --tile 128x128 --polynomial 0 --rescale always")).unwrap();
    let inside = always[0]["code"]["loops"].as_array().unwrap().iter().find(|code| code["boundary"] == false);
    assert_eq!(inside.unwrap()["skippable"], 0, "{inside:#?}");
    let counted = &rows[0]["counted"];
    assert_eq!(counted["wavefronts"], counted["least_wavefronts"], "bank conflicts: {counted:#}");
}

/// `docs/hopper.md` shows what the assembler leaves of a main loop; here it is drawn again.
#[test]
fn the_picture_of_the_machine_code_is_what_it_was_drawn_from() {
    let test = "the_picture_of_the_machine_code_is_what_it_was_drawn_from";
    let ptxas = match Tool::Ptxas.find() {
        Ok(ptxas) => ptxas,
        Err(error) => return skip(test, &error.to_string()),
    };
    let version = toolchain::version(&ptxas).unwrap();
    if !version.contains("13.0") {
        return skip(test, &format!("the picture was made with ptxas 13.0, and this is {version}"));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assembled.svg");
    let line = "cost causal_attention --arch sm_90a --head-dim 128 --shape prefill --json --svg";
    let Some((_, status)) = json(test, &format!("{line} {}", file.display())) else { return };
    assert_eq!(status, Some(0));
    let drawn = std::fs::read_to_string(&file).unwrap();
    let shown = include_str!("../docs/hopper/assembled.svg");
    assert!(drawn == shown, "draw it again: kgen {} docs/hopper/assembled.svg", line.replace(" --json", ""));
}

/// The machine code of somebody else's kernel: Triton's, from the emulator's corpus.
#[test]
fn what_a_foreign_kernel_costs() {
    let line = "cost tests/emulator/data/corpus/flash_causal_hd64_sm80.ptx --head-dim 64 --json";
    let Some((document, status)) = json("what_a_foreign_kernel_costs", line) else { return };
    assert_eq!(status, Some(0));
    // Tiles of 64 rows on 4 warps and 32 columns: 16 scores of a lane, each of which it masks.
    let loops = document["code"]["loops"].as_array().unwrap();
    assert_eq!(loops.len(), 1, "{document:#}");
    let code = &loops[0];
    assert_eq!((code["scores"].as_f64(), code["products"].as_u64()), (Some(16.0), Some(32)), "{document:#}");
    assert_eq!(code["boundary"], true, "{document:#}");
    let per_score = code["non_products_per_score"].as_f64().unwrap();
    assert_eq!(per_score, (code["instructions"].as_f64().unwrap() - 32.0) / 16.0);
    assert!((15.0..25.0).contains(&per_score), "{per_score} of {document:#}");
}

/// A prediction stands beside what a run on hardware measured, and is of that run's GPU.
#[test]
fn predictions_beside_measurements() {
    let test = "predictions_beside_measurements";
    let Some((rows, _)) = json(test, "cost --predict quick attention --gpu a100 --json") else { return };
    let workload = &rows[0]["workload"];
    assert_eq!((rows[0]["gpu"].as_str(), &rows[0]["measured_us"]), (Some("A100"), &Value::Null), "{rows:#}");
    // What the GPU can do at most bounds what is predicted of it: 4 * 16 * 4096² * 16 heads * 128 at 312 TFLOP/s.
    let least = 4.0 * 4.0 * 4096f64.powi(2) * 16.0 * 128.0 / 312e12 * 1e6;
    let predicted = rows[0]["predicted_us"].as_f64().unwrap();
    assert!((least..2.0 * least).contains(&predicted), "{predicted} µs, {least} at the least");

    let runs = tempfile::TempDir::new().unwrap();
    let run = |name: &str, date: &str, micros: f64| {
        let folder = runs.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let machine = serde_json::json!({ "gpu": "NVIDIA H200 of the test", "date": date });
        std::fs::write(folder.join("machine.json"), machine.to_string()).unwrap();
        let row = serde_json::json!({ "who": "flashpage", "workload": workload, "median_us": micros, "p10_us": micros,
            "p90_us": micros, "samples": 10, "method": "event", "right": true });
        std::fs::write(folder.join("bench.jsonl"), format!("{row}\n")).unwrap();
    };
    run("older", "2026-01-01T00:00:00Z", 1000.0);
    run("newer", "2026-01-02T00:00:00Z", 2000.0);
    let line = format!("cost --predict quick attention --json --results {}", runs.path().display());
    let (rows, _) = json(test, &line).unwrap();
    assert_eq!(
        (rows[0]["gpu"].as_str(), rows[0]["measured_us"].as_f64()),
        (Some("H200"), Some(2000.0)),
        "{rows:#}"
    );
    assert_eq!(rows[1]["measured_us"], Value::Null, "{rows:#}");
}

/// The table is what `kgen tune` finds, here of one row.
#[test]
fn the_schedule_table_is_what_tune_finds() {
    let test = "the_schedule_table_is_what_tune_finds";
    let Some(version) = Tool::Ptxas.find().ok().and_then(|path| toolchain::version(&path).ok()) else {
        return skip(test, "ptxas is not on this machine");
    };
    if !version.contains("13.0") {
        return skip(test, &format!("the table was made with ptxas 13.0, and this is {version}"));
    }
    let Some((slots, _)) = json(test, "tune --head-dim 64 --shape decode --carries little --json") else {
        return;
    };
    let best = &slots[0]["ranking"][0];
    let is_slot = |row: &&RingRow| {
        row.head_dim == 64.into() && row.shape == ShapeClass::Decode && row.carries == Carries::Little
    };
    let row = SM80.iter().find(is_slot).unwrap();
    let found = (
        best["tile"].clone(),
        best["warps"].as_u64(),
        best["stages"].as_u64(),
        best["query"].as_str().map(str::to_owned),
    );
    let table = (
        serde_json::json!([row.rows, row.cols]),
        Some(row.warps as u64),
        Some(row.stages as u64),
        Some(row.query.to_string()),
    );
    assert_eq!(found, table, "{:#}", slots[0]);
    assert_eq!(best["unfit"], serde_json::json!([]), "{best:#}");
}

/// Every row of the schedule table says registers and instructions that the assembler still gives.
#[test]
fn the_schedule_table_says_what_is_so() {
    let test = "the_schedule_table_says_what_is_so";
    let (tools, ptxas) = match (Tools::find(), Tool::Ptxas.find()) {
        (Ok(tools), Ok(ptxas)) => (tools, ptxas),
        (Err(error), _) | (_, Err(error)) => return skip(test, &error.to_string()),
    };
    let version = toolchain::version(&ptxas).unwrap();
    if !version.contains("13.0") {
        return skip(test, &format!("the table was made with ptxas 13.0, and this is {version}"));
    }
    // A kernel, what it is made for, and what its row says.
    type Row = (Program, Arch, DType, HeadDim, ShapeClass, &'static str);
    let of_latent = |head_dim: HeadDim| head_dim == LATENT;
    let stock = |name: &str| (kernels::find(name).unwrap().program)().clone();
    let text = include_str!("../src/bin/kgen/conditions.rs");
    let strided = parse_file(text, Some("strided_attention")).unwrap();
    let mut rows: Vec<Row> = Vec::new();
    // Latent attention's rows are all alike but for conditions.
    for row in SM80.iter().filter(|row| !of_latent(row.head_dim) || row.carries == Carries::Little) {
        let program = match row.carries {
            Carries::Little if of_latent(row.head_dim) => stock("latent_attention"),
            Carries::Little => stock("paged_attention"),
            Carries::Rows => stock("alibi_attention"),
            Carries::Conditions => strided.clone(),
        };
        rows.push((program, Arch::Sm80, DType::F16, row.head_dim, row.shape, row.why));
    }
    for row in SM90 {
        let program = match row.mask {
            None if of_latent(row.head_dim) => stock("latent_attention"),
            // The same kernel with fewer columns, for what stands between.
            Some(MaskClass::Conditions) => continue,
            Some(MaskClass::Full) => stock("attention"),
            Some(MaskClass::Bounded) => stock("causal_attention"),
            Some(MaskClass::Placed) => stock("alibi_attention"),
            None => stock("paged_attention"),
        };
        rows.push((program, Arch::Sm90a, DType::F16, row.head_dim, row.shape, row.why));
    }
    for row in F32_ROLES {
        rows.push((stock("paged_attention"), Arch::Sm90a, DType::F32, row.head_dim, row.shape, row.why));
    }
    for row in BYTES {
        rows.push((
            stock("scaled_paged_attention"),
            Arch::Sm90a,
            DType::E4m3,
            row.head_dim,
            row.shape,
            row.why,
        ));
    }
    let wrong = parallel::map(&rows, |(program, arch, dtype, head_dim, shape, why)| {
        let paged = program.params.iter().any(|param| param.kind == ParamKind::BlockTable);
        let spec = Spec {
            arch: *arch,
            dtype: *dtype,
            kv_dtype: *dtype,
            output: program.output_type(*dtype),
            head_dim: *head_dim,
            block_size: paged.then_some(16),
            shape: *shape,
            tuning: Tuning::default(),
            work: Work::Grid,
            values: Default::default(),
            fold_scale: true,
        };
        let compiled = compile(program, &spec).unwrap();
        let code = tools.read(arch.as_str(), &compiled.text(), compiled.schedule.of_score()).unwrap();
        let executed = code.inside().unwrap().executed_non_products();
        let figures = format!("executed per score {executed:.2}, registers {}", code.assembled.registers);
        let is_there = why.strip_prefix(&figures).is_some_and(|rest| rest.starts_with([',', ';']));
        (!is_there).then(|| {
            format!(
                "{figures} is not what the table says of `{}` for {arch}, {dtype}, {head_dim}, {shape}:\n{why}",
                program.name
            )
        })
    });
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// Every row of the tables for f32 whose warps are all alike says registers that the assembler still gives. Of instructions they say
/// nothing: narrowing is a loop in the loop, and how often that goes round the machine code does not tell.
#[test]
fn the_tables_of_f32_say_what_is_so() {
    let test = "the_tables_of_f32_say_what_is_so";
    let ptxas = match Tool::Ptxas.find() {
        Ok(ptxas) => ptxas,
        Err(error) => return skip(test, &error.to_string()),
    };
    let version = toolchain::version(&ptxas).unwrap();
    if !version.contains("13.0") {
        return skip(test, &format!("the tables were made with ptxas 13.0, and this is {version}"));
    }
    let verdicts = verdicts(test);
    let stock = |name: &str| (kernels::find(name).unwrap().program)().clone();
    let text = include_str!("../src/bin/kgen/conditions.rs");
    let strided = parse_file(text, Some("strided_attention")).unwrap();
    let of_f32 = F32.iter().map(|row| (row, None));
    let of_tf32 = TF32.iter().map(|row| (row, Some(F32Products::Tf32)));
    // Latent attention's rows are all alike but for conditions.
    let rows: Vec<(&RingRow, Option<F32Products>)> = of_f32
        .chain(of_tf32)
        .filter(|(row, _)| row.head_dim != LATENT || row.carries == Carries::Little)
        .collect();
    let wrong = parallel::map(&rows, |(row, f32_products)| {
        let program = match row.carries {
            Carries::Little if row.head_dim == LATENT => stock("latent_attention"),
            Carries::Little => stock("paged_attention"),
            Carries::Rows => stock("alibi_attention"),
            Carries::Conditions => strided.clone(),
        };
        let paged = program.params.iter().any(|param| param.kind == ParamKind::BlockTable);
        let spec = Spec {
            arch: Arch::Sm80,
            dtype: DType::F32,
            kv_dtype: DType::F32,
            output: DType::F32,
            head_dim: row.head_dim,
            block_size: paged.then_some(16),
            shape: row.shape,
            tuning: Tuning { f32_products: *f32_products, ..Tuning::default() },
            work: Work::Grid,
            values: Default::default(),
            fold_scale: true,
        };
        let said = verdicts.of(&compile(&program, &spec).unwrap()).unwrap().assembled;
        let figures = format!("registers {};", said.registers);
        (!row.why.starts_with(&figures)).then(|| format!("{figures} is not what the table says of {row:?}"))
    });
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    finish(&verdicts);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
