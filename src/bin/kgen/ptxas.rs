//! The real assembler: where it is, and what it says of a kernel.

use crate::Failure;
use std::path::PathBuf;
use std::process::Command;

/// An assembler that was found.
pub struct Ptxas {
    path: PathBuf,
}

/// What `ptxas -v` says of one entry.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Assembled {
    pub registers: u32,
    pub spill_stores: u32,
    pub spill_loads: u32,
    /// Errors, warnings and `C75xx` notes.
    pub complaints: Vec<String>,
}

impl Assembled {
    pub fn is_clean(&self) -> bool {
        self.registers > 0 && self.spill_stores == 0 && self.spill_loads == 0 && self.complaints.is_empty()
    }
}

impl Ptxas {
    /// `$PTXAS`, then `ptxas` on the path, then in `$CUDA_HOME/bin` and `/usr/local/cuda/bin`.
    pub fn find() -> Result<Ptxas, Failure> {
        let named = std::env::var_os("PTXAS").map(PathBuf::from);
        let on_path = std::env::var_os("PATH")
            .map(|path| std::env::split_paths(&path).map(|dir| dir.join("ptxas")).collect::<Vec<_>>())
            .unwrap_or_default();
        let home = std::env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("bin/ptxas"));
        named
            .into_iter()
            .chain(on_path)
            .chain(home)
            .chain([PathBuf::from("/usr/local/cuda/bin/ptxas")])
            .find(|path| path.is_file())
            .map(|path| Ptxas { path })
            .ok_or_else(|| {
                Failure::Usage(
                    "ptxas is not on this machine: it comes with the CUDA toolkit, or with \
                     `pip install nvidia-cuda-nvcc==13.0.88` as nvidia/cu13/bin/ptxas; \
                     put it on the path or name it in PTXAS"
                        .to_owned(),
                )
            })
    }

    /// Assembles PTX text for `arch`.
    pub fn assemble(&self, arch: &str, text: &str) -> Result<Assembled, Failure> {
        // Threads of one process assemble at once: each its own files.
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let stem = std::env::temp_dir().join(format!("kgen-{}-{number}", std::process::id()));
        let (source, object) = (stem.with_extension("ptx"), stem.with_extension("cubin"));
        let fail = |e: std::io::Error| Failure::Usage(format!("{}: {e}", self.path.display()));
        std::fs::write(&source, text).map_err(fail)?;
        let run = Command::new(&self.path)
            .args(["-v", &format!("-arch={arch}")])
            .arg(&source)
            .arg("-o")
            .arg(&object)
            .output();
        let _ = std::fs::remove_file(&source);
        let _ = std::fs::remove_file(&object);
        let run = run.map_err(fail)?;
        let said = String::from_utf8_lossy(&run.stderr).into_owned() + &String::from_utf8_lossy(&run.stdout);
        let mut assembled = read(&said);
        if !run.status.success() && assembled.complaints.is_empty() {
            assembled.complaints.push(said.trim().to_owned());
        }
        Ok(assembled)
    }
}

/// Reads what `ptxas -v` prints.
fn read(said: &str) -> Assembled {
    let mut assembled = Assembled::default();
    for line in said.lines() {
        let number_before = |what: &str| -> u32 {
            line.split(what)
                .next()
                .and_then(|l| l.split_whitespace().last())
                .and_then(|n| n.parse().ok())
                .unwrap_or(0)
        };
        if line.contains("bytes spill stores") {
            assembled.spill_stores += number_before(" bytes spill stores");
            assembled.spill_loads += number_before(" bytes spill loads");
        }
        if line.contains("Used") && line.contains("registers") {
            assembled.registers = assembled.registers.max(number_before(" registers"));
        }
        let complaint =
            [": error", "error   :", "fatal", "warning", "(C75"].iter().any(|word| line.contains(word));
        if complaint {
            assembled.complaints.push(line.trim().to_owned());
        }
    }
    assembled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_ptxas_prints() {
        let said = "ptxas info    : Compiling entry function 'k' for 'sm_80'\n\
                    ptxas info    : Function properties for k\n    \
                    40 bytes stack frame, 72 bytes spill stores, 84 bytes spill loads\n\
                    ptxas info    : Used 255 registers, used 1 barriers\n\
                    ptxas info    : (C7508) Potential Performance Loss: 'setmaxnreg' ignored";
        let got = read(said);
        assert_eq!(
            (got.registers, got.spill_stores, got.spill_loads, got.complaints.len()),
            (255, 72, 84, 1)
        );
        assert!(!got.is_clean());
    }
}
