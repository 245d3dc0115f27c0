//! The compiler that makes PTX: a rustc that knows NVPTX and has its standard library's source.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The version whose output is committed: another prints another text.
const VERSION: &str = "1.96";

/// Where Debian's package puts it.
const DEBIAN: &str = "/usr/bin/rustc";

const HOW: &str = "on Debian `apt-get install rustc-web rust-web-src`; elsewhere name in RUSTC_NVPTX a rustc 1.96 \
     that lists nvptx64-nvidia-cuda among its targets and has the component rust-src";

pub struct Compiler {
    path: PathBuf,
    /// As `--version` prints it.
    version: String,
}

impl Compiler {
    /// `RUSTC_NVPTX`, or Debian's.
    pub fn find() -> Result<Compiler, String> {
        let path = match std::env::var_os("RUSTC_NVPTX") {
            Some(path) => PathBuf::from(path),
            None if Path::new(DEBIAN).exists() => PathBuf::from(DEBIAN),
            None => {
                return Err(format!(
                    "no rustc for NVPTX here (RUSTC_NVPTX is not set and there is no {DEBIAN}): {HOW}"
                ));
            }
        };
        let print = |what: &[&str]| -> Result<String, String> {
            let output = Command::new(&path)
                .args(what)
                .output()
                .map_err(|error| format!("{} cannot be run ({error}): {HOW}", path.display()))?;
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let version = print(&["--version"])?;
        let number = version.split(' ').nth(1).unwrap_or_default().to_owned();
        if !number.starts_with(&format!("{VERSION}.")) {
            return Err(format!(
                "{} is `{version}`, and the PTX is made by {VERSION}: {HOW}",
                path.display()
            ));
        }
        if !print(&["--print", "target-list"])?.lines().any(|target| target == "nvptx64-nvidia-cuda") {
            return Err(format!("{} has no target nvptx64-nvidia-cuda: {HOW}", path.display()));
        }
        let source =
            Path::new(&print(&["--print", "sysroot"])?).join("lib/rustlib/src/rust/library/core/src/lib.rs");
        if !source.exists() {
            return Err(format!(
                "{} has no source of `core` ({} is missing): {HOW}",
                path.display(),
                source.display()
            ));
        }
        Ok(Compiler { path, version: format!("rustc {number}") })
    }

    /// The PTX of `device-kernels/`, without the comments that the compiler puts in.
    pub fn ptx_of(&self, root: &Path) -> Result<String, String> {
        let folder = root.join("target/device-kernels");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Names that rustup and the outer cargo put there are about another compiler.
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
            cargo.env_remove(name);
        }
        cargo
            .current_dir(root)
            .env("RUSTC", &self.path)
            .env("RUSTC_BOOTSTRAP", "1")
            .args([
                "rustc",
                "--quiet",
                "--package",
                "flashpage-device-kernels",
                "--lib",
                "--crate-type",
                "cdylib",
            ])
            .args(["--release", "-Zbuild-std=core", "--target", "nvptx64-nvidia-cuda", "--target-dir"])
            .arg(&folder)
            // One module of the kernels and what they need of `core`, in which everything is inlined.
            .args(["--config", "profile.release.lto='fat'", "--config", "profile.release.codegen-units=1"])
            .args([
                "--config",
                "profile.release.opt-level=3",
                "--config",
                "profile.release.package.'*'.opt-level=3",
            ])
            .args(["--", "--emit", "asm", "-C", "target-cpu=sm_80"])
            // Whole chunks stay in registers only where every loop over one is unrolled.
            .args(["-C", "llvm-args=-unroll-threshold=20000"])
            // The program is in the assembly already: nothing is to be linked.
            .args(["-C", "linker=true"])
            .arg(format!("--remap-path-prefix={}=", root.display()));
        let output = cargo.output().map_err(|error| format!("cargo cannot be run: {error}"))?;
        if !output.status.success() {
            return Err(format!(
                "device-kernels does not compile:\n{}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        let made = folder.join("nvptx64-nvidia-cuda/release/deps/flashpage_device_kernels.s");
        let text = std::fs::read_to_string(&made).map_err(|error| format!("{}: {error}", made.display()))?;
        Ok(self.cleaned(&text))
    }

    fn cleaned(&self, text: &str) -> String {
        let head = format!(
            "// Made from device-kernels/src by `cargo xtask device-kernels` with {}.\n",
            self.version
        );
        let lines = text.lines().map(str::trim_end).filter(|line| {
            let line = line.trim_start();
            !line.is_empty() && !line.starts_with("//")
        });
        lines.fold(head, |text, line| text + line + "\n")
    }
}
