//! What kernels for Hopper move, counted on the emulator: every byte of global memory once where once is enough, and no
//! pass over shared memory lost to bank conflicts, whether lanes, products or bulk copies access it.
//! `cargo test -p flashpage-tests traffic:: -- --nocapture` shows the figures.

use crate::targets;

use flashpage::codegen::choice::{LATENT, tuned_head_dims};
use flashpage::codegen::schedule::Tuning;
use flashpage::codegen::{Arch, ShapeClass};
use flashpage::emulator::Line;
use flashpage::kernels::find;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{
    AsyncPolicy, Device, EmulatorOptions, LaunchOptions, LaunchReport, PoolLayout, Profile, WarpOrder, launch,
};

/// Launches a kernel for Hopper and counts.
fn count(kernel: &str, problem: &Problem, shape: Option<ShapeClass>) -> (Profile, LaunchReport) {
    count_with(kernel, problem, LaunchOptions { shape, ..LaunchOptions::default() })
}

fn count_with(kernel: &str, problem: &Problem, options: LaunchOptions) -> (Profile, LaunchReport) {
    let emulator = targets::options(Arch::Sm90a, AsyncPolicy::Eager, WarpOrder::InOrder);
    let device = Device::emulator_with(EmulatorOptions { profile: true, ..emulator });
    let program = (find(kernel).unwrap().program)();
    let inputs = problem.inputs(&device, program).unwrap();
    let mut report = launch(&device, program, &inputs.arguments(), &options).unwrap();
    let profile = report.emulated.as_mut().and_then(|emulated| emulated.profile.take()).unwrap();
    (profile, report)
}

#[test]
fn no_bank_conflicts() {
    println!(
        "{:26} {:>4} {:8} {:>10} {:>10} {:>14} {:>10}",
        "kernel", "dim", "shape", "passes", "at least", "core matrices", "conflicts"
    );
    let mut lost = Vec::new();
    // Latent attention is in `head_sizes`.
    for head_dim in tuned_head_dims(Arch::Sm90a).iter().copied().filter(|head_dim| *head_dim != LATENT) {
        // Tiles inside and on the mask's boundary, rows stored whole and one by one, heads that leave rows empty, ends
        // inside a tile.
        for (kernel, shape, lens, (q_heads, kv_heads)) in [
            ("causal_attention", ShapeClass::Prefill, vec![(150, 600), (30, 77)], (2, 1)),
            ("paged_attention", ShapeClass::Prefill, vec![(150, 600), (30, 77)], (3, 1)),
            ("causal_attention", ShapeClass::Append, vec![(11, 300), (4, 77)], (5, 1)),
            ("paged_attention", ShapeClass::Append, vec![(8, 300), (4, 77)], (8, 1)),
            ("attention", ShapeClass::Decode, vec![(1, 400), (1, 64)], (7, 1)),
            ("paged_full_attention", ShapeClass::Decode, vec![(1, 400), (1, 77)], (8, 1)),
        ] {
            let problem = Problem { head_dim, lens, q_heads, kv_heads, ..Problem::default() };
            let (profile, _) = count(kernel, &problem, Some(shape));
            let (passes, least) = (profile.totals.wavefronts, profile.totals.least_wavefronts);
            // `wgmma` reads its factors as core matrices of 128 bytes.
            let products =
                profile.lines.iter().filter(|line| line.instruction.starts_with("wgmma.mma_async"));
            let (bytes, conflicts) = products.fold((0, 0), |(bytes, conflicts), line| {
                (bytes + line.shared_bytes, conflicts + line.wavefronts - line.least_wavefronts)
            });
            let cores = bytes / 128;
            println!("{kernel:26} {head_dim:4} {shape:8} {passes:10} {least:10} {cores:14} {conflicts:10}");
            assert!(cores > 0, "{kernel} reads no factor from shared memory?");
            assert!(passes > cores, "{kernel} does not touch shared memory otherwise?");
            assert_eq!(conflicts, 0, "{kernel} {head_dim} {shape}: passes that products lose");
            for (line, passes) in profile.bank_conflicts() {
                let (number, text) = (line.line, &line.instruction);
                lost.push(format!("{kernel} {head_dim} {shape}: {passes} passes at line {number}: {text}"));
            }
        }
    }
    assert!(lost.is_empty(), "lost to bank conflicts:\n  {}", lost.join("\n  "));
}

/// Bytes of global memory that lines read and write.
fn read_and_written(profile: &Profile) -> (u64, u64) {
    let writes = |text: &str| text.contains("st.global") || text.contains(".global.shared::cta");
    let (written, read): (Vec<_>, Vec<_>) = profile.lines.iter().partition(|line| writes(&line.instruction));
    let bytes = |lines: Vec<&Line>| lines.iter().map(|line| line.global_bytes).sum();
    (bytes(read), bytes(written))
}

/// Q, O and the log-sum-exp move once; K and V once for each KV head and tile of rows. What else there is (where
/// sequences start, block tables, the rows of Q that fill a tile) is little.
#[test]
fn every_byte_once() {
    let base = |head_dim: &str, lens: &[(usize, usize)], q_heads, kv_heads, block_size| Problem {
        head_dim: head_dim.parse().unwrap(),
        lens: lens.to_vec(),
        q_heads,
        kv_heads,
        block_size,
        ..Problem::default()
    };
    // The kernel, the problem, and how many tiles of rows a KV head has together.
    let table = [
        ("attention", base("128", &[(256, 1024)], 2, 2, 16), 2),
        ("attention", base("128", &[(256, 1024)], 4, 2, 16), 4),
        ("paged_full_attention", base("128", &[(256, 1024)], 2, 2, 16), 2),
        ("paged_full_attention", base("128", &[(256, 1024)], 4, 2, 16), 4),
        ("attention", base("128", &[(1, 2048)], 8, 1, 16), 1),
        ("paged_full_attention", base("128", &[(1, 2048)], 8, 1, 16), 1),
        ("paged_full_attention", base("64", &[(1, 2048)], 8, 1, 16), 1),
        // Of every token its entry as well, for K and for V.
        ("paged_full_attention", base("128", &[(1, 2048)], 8, 1, 1), 1),
        ("paged_full_attention", base("128", &[(1, 2048); 4], 8, 1, 16), 4),
        ("attention", base("192/128", &[(256, 1024)], 2, 2, 16), 2),
        ("paged_full_attention", base("192/128", &[(1, 2048)], 8, 1, 16), 1),
        ("attention", base("96/64", &[(256, 1024)], 2, 2, 16), 2),
        ("paged_full_attention", base("256/64", &[(1, 2048)], 8, 1, 16), 1),
        // A row of the cache is loaded once, for K and for V, by whoever has columns of O.
        ("latent_attention", base("576/512", &[(1, 2048)], 64, 1, 16), 1),
        ("latent_attention", base("192/128", &[(1, 2048)], 8, 1, 16), 1),
    ];
    println!(
        "{:22} {:>7} {:>18} {:>5} {:>10} {:>10} {:>7} {:>9} {:>9}",
        "kernel", "dim", "lens", "heads", "read", "expected", "", "written", "expected"
    );
    for (kernel, problem, row_tiles) in table {
        let (profile, report) = count(kernel, &problem, None);
        let Problem { head_dim, q_heads, kv_heads, ref lens, .. } = problem;
        let (of_keys, of_values) = (2 * head_dim.qk as u64, 2 * head_dim.v as u64);
        let of_both = if kernel == "latent_attention" { of_keys } else { of_keys + of_values };
        let q_rows = (lens.iter().map(|(q, _)| q).sum::<usize>() * q_heads) as u64;
        // Every tile of rows is of one sequence, and these are alike.
        let kv_rows = (lens[0].1 * kv_heads * row_tiles) as u64;
        let expected = (q_rows * of_keys + kv_rows * of_both, q_rows * of_values + 4 * q_rows);
        let (read, written) = read_and_written(&profile);
        let share = read as f64 / expected.0 as f64;
        let shown = format!("{}x {:?}", lens.len(), lens[0]);
        let heads = format!("{q_heads}/{kv_heads}");
        println!(
            "{kernel:22} {head_dim:>7} {shown:>18} {heads:>5} {read:10} {:10} {share:7.4} {written:9} {:9}",
            expected.0, expected.1
        );
        let what = format!("{kernel} {problem}, a grid of {:?}", report.grid);
        assert!((1.0..1.03).contains(&share), "{what}: read {read}, {} at the least", expected.0);
        assert_eq!(written, expected.1, "{what}: written");
    }
}

/// A paged tile of K or V is copied in a box for each block, whatever the head dimension and the pool's layout; of blocks
/// of fewer than eight rows by 16 bytes a lane.
#[test]
fn a_block_is_one_copy() {
    // The head dimension, the block size, the tile, and the copies of a tile of columns: boxes, or chunks.
    let table = [
        (64, 16, (128, 128), 8),
        (96, 16, (128, 128), 8),
        (128, 16, (128, 128), 8),
        (128, 8, (128, 128), 16),
        (128, 64, (128, 128), 2),
        (128, 256, (128, 128), 1),
        (192, 16, (128, 112), 7),
        (256, 8, (128, 80), 10),
        (256, 16, (128, 80), 5),
        // Blocks that do not divide a tile: runs of eight rows.
        (128, 24, (128, 128), 16),
        (128, 1, (128, 128), 128 * 16),
        (96, 4, (128, 128), 128 * 12),
    ];
    for (head_dim, block_size, tile, copies) in table {
        for layout in [PoolLayout::Nhd, PoolLayout::Hnd] {
            // One tile of rows, three of columns.
            let (rows, cols) = tile;
            let lens = vec![(rows, 3 * cols)];
            let problem = Problem {
                head_dim: head_dim.into(),
                block_size,
                layout,
                lens,
                q_heads: 1,
                kv_heads: 1,
                ..Problem::default()
            };
            let tuning = Tuning { tile: Some(tile), ..Tuning::default() };
            let shape = Some(ShapeClass::Prefill);
            let options = LaunchOptions { shape, tuning, ..LaunchOptions::default() };
            let (profile, _) = count_with("paged_full_attention", &problem, options);
            let by = if block_size < 8 { "cp.async.cg" } else { "cp.async.bulk.tensor.5d" };
            let is_box = |line: &&Line| line.instruction.contains(by);
            let boxes: u64 = profile.lines.iter().filter(is_box).map(|line| line.lanes).sum();
            assert_eq!(boxes, 3 * 2 * copies, "head_dim {head_dim}, blocks of {block_size}, {layout:?}");
        }
    }
}
