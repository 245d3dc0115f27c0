//! What the committed PTX is made of, and how many bytes its accesses move.

use flashpage_device_kernels::PTX;
use flashpage_runtime::device::Launch;
use flashpage_runtime::{Device, EmulatorOptions, Profile};
use std::io::Write;
use std::process::Command;

/// Each entry's name and body.
fn entries() -> Vec<(&'static str, &'static str)> {
    PTX.split(".visible .entry ").skip(1).map(|text| text.split_once('(').unwrap()).collect()
}

#[test]
fn global_memory_and_registers_alone() {
    assert!(PTX.contains(".target sm_80\n"));
    let entries = entries();
    assert_eq!(entries.len(), 47);
    for (name, body) in entries {
        for line in body.lines().map(str::trim) {
            let word = line.split_whitespace().find(|word| !word.starts_with('@')).unwrap_or_default();
            let memory = word.starts_with("ld.") || word.starts_with("st.") || word.starts_with("atom");
            let place = ["ld.param", "ld.global", "st.global"].iter().any(|place| word.starts_with(place));
            assert!(!memory || place, "{name}: {line}");
            for never in ["call", "trap", ".local", ".shared", "bar.", "cvta"] {
                assert!(!word.starts_with(never), "{name}: {line}");
            }
        }
        // Those that move single numbers, and what reads rows and writes words.
        let wide: &[&str] = match name {
            "scatter_i32" | "sum_up_survey" => &[],
            // A number's neighbours in a head lie sixteen bytes apart.
            _ if name.starts_with("append_values") || name.starts_with("gather_values") => &[],
            _ if name.starts_with("survey_rows") => &["ld.global.v4.b32"],
            _ => &["ld.global.v4.b32", "st.global.v4.b32"],
        };
        for wide in wide {
            assert!(body.contains(wide), "{name} has no {wide}");
        }
    }
}

#[test]
fn each_entry_is_a_module_of_its_own() {
    let device = Device::emulator();
    for (name, _) in entries() {
        let text = flashpage_device_kernels::module_of(name).unwrap();
        assert_eq!(text.matches(".visible .entry ").count(), 1);
        device.load(&text).unwrap();
    }
    assert!(
        ["", "copy", "copy_blocks("].iter().all(|name| flashpage_device_kernels::module_of(name).is_none())
    );
}

/// Of a block copied where addresses allow, every access is of 16 bytes; where they do not, none is.
#[test]
fn aligned_rows_move_sixteen_bytes_at_once() {
    let device = Device::emulator_with(EmulatorOptions { profile: true, ..EmulatorOptions::default() });
    let module = device.load(PTX).unwrap();
    let pool = device.alloc(1 << 16).unwrap();
    pool.memset(1).unwrap();
    for (shift, wide) in [(0u64, true), (4, false)] {
        let addresses = device.upload(&(pool.address() + shift).to_le_bytes()).unwrap();
        let pairs = device.upload(&[0, 0, 0, 0, 3, 0, 0, 0]).unwrap();
        let params =
            [addresses.address(), pairs.address(), 4096].map(|value| value.to_le_bytes().to_vec()).to_vec();
        let launch = Launch { grid: [1; 3], block: [128, 1, 1], params, ..Launch::default() };
        let report = device.launch(&module, "copy_blocks", &launch).unwrap().report.unwrap();
        let profile = report.profile.unwrap();
        let mut moved = 0;
        for line in profile.lines.iter().filter(|line| line.global_bytes >= 4096) {
            assert_eq!(line.global_bytes / line.lanes, if wide { 16 } else { 1 }, "{}", line.instruction);
            // No sector twice, where one access has all of it.
            assert!(!wide || line.global_sectors * 32 == line.global_bytes, "{}", line.instruction);
            moved += line.global_bytes;
        }
        assert_eq!(moved, 2 * 4096);
    }
}

/// `append_kv_f16_e4m3` of the keys of one token, 2 heads of 64, to `slot` in blocks of 16: which accesses it makes,
/// in a pool whose first byte is at `pool` and whose blocks are `block_stride` elements apart.
fn append(device: &Device, keys: u64, pool: u64, slot: i64, block_stride: u64, rotary_dim: u32) -> Profile {
    let module = device.load(PTX).unwrap();
    let table = device.upload(&[0; 4 * 64]).unwrap();
    let slots = device.upload(&slot.to_le_bytes()).unwrap();
    let position = device.upload(&1i32.to_le_bytes()).unwrap();
    let mut params: Vec<Vec<u8>> = Vec::new();
    let long = |params: &mut Vec<Vec<u8>>, value: u64| params.push(value.to_le_bytes().to_vec());
    let word = |params: &mut Vec<Vec<u8>>, value: u32| params.push(value.to_le_bytes().to_vec());
    [keys, keys, pool, pool, slots.address()].into_iter().for_each(|value| long(&mut params, value));
    [2, 64, 16].into_iter().for_each(|value| word(&mut params, value));
    [block_stride, 128, 64].into_iter().for_each(|value| long(&mut params, value));
    [1f32.to_bits(); 2].into_iter().for_each(|value| word(&mut params, value));
    // No scales by head.
    [0, 0].into_iter().for_each(|value| long(&mut params, value));
    word(&mut params, 0);
    [position.address(), table.address(), table.address()]
        .into_iter()
        .for_each(|value| long(&mut params, value));
    [2, rotary_dim, 0].into_iter().for_each(|value| word(&mut params, value));
    // One row of blocks: keys alone, so that one pool serves for both.
    let launch = Launch { grid: [1; 3], block: [4, 2, 1], params, ..Launch::default() };
    let report = device.launch(&module, "append_kv_f16_e4m3", &launch).unwrap().report.unwrap();
    report.profile.unwrap()
}

/// Of a row of 64 halves into 64 bytes: loads and stores of 16 bytes, with a rotation and without; element by element
/// where either side is not aligned.
#[test]
fn appended_rows_move_sixteen_bytes_at_once() {
    let device = Device::emulator_with(EmulatorOptions { profile: true, ..EmulatorOptions::default() });
    let keys = device.upload(&[0x3c; 2 * 64 * 2 + 16]).unwrap();
    let pool = device.alloc(4096).unwrap();
    for (from, to, rotary_dim, aligned) in
        [(0, 0, 0, true), (0, 0, 32, true), (2, 0, 0, false), (0, 8, 32, false)]
    {
        let profile = append(&device, keys.address() + from, pool.address() + to, 3, 2048, rotary_dim);
        let moved = |store: bool, each: u64| -> u64 {
            let of = |instruction: &str| instruction.contains(if store { "st.global" } else { "ld.global" });
            let lines = profile.lines.iter().filter(|line| of(&line.instruction) && line.lanes > 0);
            lines.filter(|line| line.global_bytes / line.lanes == each).map(|line| line.global_bytes).sum()
        };
        // Cosines and sines come beside the keys: 16 f32 each for a head.
        let tables = 2 * 2 * 4 * u64::from(rotary_dim / 2);
        let what = format!("{from} {to} {rotary_dim}");
        if aligned {
            assert_eq!((moved(true, 16), moved(false, 16)), (128, 256 + tables), "{what}");
            assert_eq!((moved(true, 1), moved(false, 2)), (0, 0), "{what}");
        } else {
            assert_eq!((moved(true, 16), moved(false, 16)), (0, 0), "{what}");
            assert_eq!((moved(true, 1), moved(false, 2)), (128, 256), "{what}");
        }
    }
}

/// A pool of 10^14 elements, of which the emulator has the one block that is written.
#[test]
fn indices_have_64_bits() {
    let device = Device::emulator_with(EmulatorOptions { profile: true, ..EmulatorOptions::default() });
    let keys = device.upload(&[0x3c; 2 * 64 * 2]).unwrap();
    let memory = device.upload(&[0; 4096]).unwrap();
    let (block, stride) = (100_000_000u64, 1 << 20);
    let first = memory.address().wrapping_sub(block * stride);
    append(&device, keys.address(), first, (block * 16 + 5) as i64, stride, 0);
    let expected: Vec<u8> = (0..4096).map(|at| if (640..768).contains(&at) { 0x38 } else { 0 }).collect();
    assert_eq!(memory.to_bytes().unwrap(), expected);
}

#[test]
fn assembles_without_spills() {
    let ptxas = std::env::var("PTXAS").unwrap_or_else(|_| "ptxas".into());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("k.ptx");
    std::fs::write(&file, PTX).unwrap();
    for arch in ["sm_80", "sm_90"] {
        let run = Command::new(&ptxas)
            .args(["-arch", arch, "-v", "-o"])
            .arg(dir.path().join("k.cubin"))
            .arg(&file)
            .output();
        let Ok(run) = run else {
            assert!(std::env::var_os("CI").is_none(), "{ptxas} cannot be run");
            writeln!(std::io::stderr(), "skipped assembles_without_spills: {ptxas} is not on this machine")
                .unwrap();
            return;
        };
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{said}");
        let frames: Vec<&str> = said.lines().filter(|line| line.contains("bytes stack frame")).collect();
        assert!(frames.len() >= 28, "{said}");
        for line in frames {
            assert_eq!(line.trim(), "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads");
        }
        assert!(!said.contains("warning"), "{said}");
    }
}
