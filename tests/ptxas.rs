//! The whole catalogue through NVIDIA's assembler: no spills, no complaints. Skipped where there is none, but
//! for CI, which must have it.

use std::path::PathBuf;
use std::process::Command;

/// Where `kgen` looks: `$PTXAS`, the path, `$CUDA_HOME`, the usual place.
fn ptxas() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name);
    let on_path: Vec<PathBuf> = variable("PATH")
        .map(|path| std::env::split_paths(&path).map(|folder| folder.join("ptxas")).collect())
        .unwrap_or_default();
    variable("PTXAS")
        .map(PathBuf::from)
        .into_iter()
        .chain(on_path)
        .chain(variable("CUDA_HOME").map(|home| PathBuf::from(home).join("bin/ptxas")))
        .chain([PathBuf::from("/usr/local/cuda/bin/ptxas")])
        .find(|path| path.is_file())
}

#[test]
fn the_catalogue_assembles() {
    let run = Command::new(env!("CARGO_BIN_EXE_kgen")).args(["verify", "--json"]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    if ptxas().is_none() {
        assert_eq!(run.status.code(), Some(2), "{err}");
        let said = err.trim().trim_start_matches("kgen: ");
        assert!(said.starts_with("ptxas is not on this machine"), "{err}");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{said}");
        println!("skipped: {said}");
        return;
    }
    let rows: serde_json::Value =
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let rows = rows.as_array().unwrap();
    // Seven kernels in two types, two head dimensions and three shapes; two of them in four block sizes.
    assert_eq!(rows.len(), (5 + 2 * 4) * 2 * 2 * 3, "{out}");
    for row in rows {
        let what = format!("{row:#}");
        assert_eq!(row["complaints"], serde_json::json!([]), "{what}");
        assert_eq!((row["spill_stores"].as_u64(), row["spill_loads"].as_u64()), (Some(0), Some(0)), "{what}");
        assert!(row["registers"].as_u64().is_some_and(|registers| (1..=255).contains(&registers)), "{what}");
        assert_eq!(row["clean"], true, "{what}");
    }
    assert_eq!(run.status.code(), Some(0), "{err}");
}
