//! What the committed PTX is made of, and how many bytes its accesses move.

use flashpage_device_kernels::PTX;
use flashpage_runtime::device::Launch;
use flashpage_runtime::{Device, EmulatorOptions};
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
    assert_eq!(entries.len(), 28);
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
        if name != "scatter_i32" {
            for wide in ["ld.global.v4.b32", "st.global.v4.b32"] {
                assert!(body.contains(wide), "{name} has no {wide}");
            }
        }
    }
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
        let launch =
            Launch { grid: [1; 3], block: [128, 1, 1], cluster: [1; 3], dynamic_shared_bytes: 0, params };
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
