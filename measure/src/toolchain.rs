//! NVIDIA's assembler and disassembler: where they are, and what they say of a kernel.
//!
//! Both are public: they come with the CUDA toolkit, and as the PyPI packages `nvidia-cuda-nvcc` and
//! `nvidia-cuda-nvdisasm`. Neither needs a GPU.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A tool that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The assembler.
    Ptxas,
    /// The disassembler.
    Nvdisasm,
}

impl Tool {
    /// Its file's name.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Ptxas => "ptxas",
            Tool::Nvdisasm => "nvdisasm",
        }
    }

    /// The variable that may name it.
    pub fn variable(self) -> &'static str {
        match self {
            Tool::Ptxas => "PTXAS",
            Tool::Nvdisasm => "NVDISASM",
        }
    }

    /// How to get it.
    pub fn how_to_get_it(self) -> &'static str {
        match self {
            Tool::Ptxas => {
                "it comes with the CUDA toolkit, or with `pip install nvidia-cuda-nvcc==13.0.88` as \
                 nvidia/cu13/bin/ptxas; put it on the path or name it in PTXAS"
            }
            Tool::Nvdisasm => {
                "it comes with the CUDA toolkit, or with `pip install nvidia-cuda-nvdisasm` as \
                 nvidia/cu13/bin/nvdisasm; put it on the path or name it in NVDISASM"
            }
        }
    }

    /// `$PTXAS` or `$NVDISASM`, then the path, then `$CUDA_HOME/bin` and `/usr/local/cuda/bin`.
    ///
    /// # Errors
    /// It is in none of these.
    pub fn find(self) -> Result<PathBuf, ToolError> {
        let named = std::env::var_os(self.variable()).map(PathBuf::from);
        let on_path = std::env::var_os("PATH")
            .map(|path| std::env::split_paths(&path).map(|dir| dir.join(self.name())).collect::<Vec<_>>())
            .unwrap_or_default();
        let home =
            std::env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("bin").join(self.name()));
        named
            .into_iter()
            .chain(on_path)
            .chain(home)
            .chain([Path::new("/usr/local/cuda/bin").join(self.name())])
            .find(|path| path.is_file())
            .ok_or(ToolError::Missing(self))
    }
}

/// Why a tool said nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// It is not there.
    #[error("{} is not on this machine: {}", .0.name(), .0.how_to_get_it())]
    Missing(Tool),
    /// It cannot be run, or its files cannot be written or read.
    #[error("{}: {error}", .path.display())]
    Run {
        /// The tool or file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// It does not take its input.
    #[error("{} does not take it: {said}", .tool.name())]
    Refused {
        /// The tool.
        tool: Tool,
        /// Its words.
        said: String,
    },
}

fn run(path: &Path, args: &[&OsStr]) -> Result<Output, ToolError> {
    Command::new(path).args(args).output().map_err(|error| ToolError::Run { path: path.to_path_buf(), error })
}

/// The first line of `tool --version` that names a version.
pub fn version(path: &Path) -> Result<String, ToolError> {
    let run = run(path, &["--version".as_ref()])?;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let line = said.lines().find(|line| line.contains("release")).or(said.lines().next());
    Ok(line.unwrap_or("no version").trim().to_owned())
}

/// An assembler that was found.
#[derive(Clone, Debug)]
pub struct Ptxas {
    path: PathBuf,
}

/// What `ptxas -v` says of one entry.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Assembled {
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of registers put to memory, a thread.
    pub spill_stores: u32,
    /// Bytes of registers taken from memory.
    pub spill_loads: u32,
    /// Bytes of local memory, a thread: spilled registers, and arrays.
    pub stack: u32,
    /// Bytes of shared memory that the entry declares itself.
    pub static_shared: u32,
    /// Errors, warnings and `C75xx` notes.
    pub complaints: Vec<String>,
    /// The machine code, as an ELF file.
    pub cubin: Vec<u8>,
}

impl Assembled {
    /// Whether nothing is to be said against it.
    pub fn is_clean(&self) -> bool {
        let in_memory = self.spill_stores + self.spill_loads + self.stack;
        self.registers > 0 && in_memory == 0 && self.complaints.is_empty()
    }
}

/// Files of a run of a tool, removed when dropped. Threads of one process run tools at once: each its own files.
struct Files {
    source: PathBuf,
    object: PathBuf,
}

impl Files {
    fn new(extension: &str, content: &[u8]) -> Result<Files, ToolError> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let stem = std::env::temp_dir().join(format!("kgen-{}-{number}", std::process::id()));
        let files = Files {
            source: stem.with_extension(extension),
            object: stem.with_extension(format!("{extension}.out")),
        };
        std::fs::write(&files.source, content)
            .map_err(|error| ToolError::Run { path: files.source.clone(), error })?;
        Ok(files)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.source);
        let _ = std::fs::remove_file(&self.object);
    }
}

impl Ptxas {
    /// See [`Tool::find`].
    ///
    /// # Errors
    /// There is none.
    pub fn find() -> Result<Ptxas, ToolError> {
        Tool::Ptxas.find().map(|path| Ptxas { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Assembles PTX text for `arch`. What the assembler does not take is among the complaints.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn assemble(&self, arch: &str, text: &str) -> Result<Assembled, ToolError> {
        let files = Files::new("ptx", text.as_bytes())?;
        let arch = format!("-arch={arch}");
        let run = run(
            &self.path,
            &[
                "-v".as_ref(),
                arch.as_ref(),
                files.source.as_os_str(),
                "-o".as_ref(),
                files.object.as_os_str(),
            ],
        )?;
        let said = String::from_utf8_lossy(&run.stderr).into_owned() + &String::from_utf8_lossy(&run.stdout);
        let mut assembled = read(&said);
        if run.status.success() {
            assembled.cubin = std::fs::read(&files.object)
                .map_err(|error| ToolError::Run { path: files.object.clone(), error })?;
        } else if assembled.complaints.is_empty() {
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
            let before = line.split_once(what).map(|(before, _)| before);
            before.and_then(|l| l.split_whitespace().last()).and_then(|n| n.parse().ok()).unwrap_or(0)
        };
        if line.contains("bytes spill stores") {
            assembled.stack += number_before(" bytes stack frame");
            assembled.spill_stores += number_before(" bytes spill stores");
            assembled.spill_loads += number_before(" bytes spill loads");
        }
        if line.contains("Used") && line.contains("registers") {
            assembled.registers = assembled.registers.max(number_before(" registers"));
            assembled.static_shared = assembled.static_shared.max(number_before(" bytes smem"));
        }
        let complaint =
            [": error", "error   :", "fatal", "warning", "(C75"].iter().any(|word| line.contains(word));
        if complaint {
            assembled.complaints.push(line.trim().to_owned());
        }
    }
    assembled
}

/// A disassembler that was found.
#[derive(Clone, Debug)]
pub struct Nvdisasm {
    path: PathBuf,
}

impl Nvdisasm {
    /// See [`Tool::find`].
    ///
    /// # Errors
    /// There is none.
    pub fn find() -> Result<Nvdisasm, ToolError> {
        Tool::Nvdisasm.find().map(|path| Nvdisasm { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text of `nvdisasm -c`: instructions with their addresses, and labels.
    ///
    /// # Errors
    /// It cannot be run, or this is no machine code.
    pub fn disassemble(&self, cubin: &[u8]) -> Result<String, ToolError> {
        let files = Files::new("cubin", cubin)?;
        let run = run(&self.path, &["-c".as_ref(), files.source.as_os_str()])?;
        if run.status.success() {
            return Ok(String::from_utf8_lossy(&run.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&run.stderr).trim().to_owned();
        Err(ToolError::Refused { tool: Tool::Nvdisasm, said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spills_or_is_complained_of_is_not_clean() {
        let clean = Assembled { registers: 128, ..Assembled::default() };
        assert!(clean.is_clean());
        let complaints = vec!["warning".to_owned()];
        let others = [
            Assembled { registers: 0, ..clean.clone() },
            Assembled { spill_stores: 4, ..clean.clone() },
            Assembled { spill_loads: 4, ..clean.clone() },
            Assembled { stack: 8, ..clean.clone() },
            Assembled { complaints, ..clean },
        ];
        assert!(others.iter().all(|said| !said.is_clean()));
    }

    #[test]
    fn reads_what_ptxas_prints() {
        let said = "ptxas info    : Compiling entry function 'k' for 'sm_80'\n\
                    ptxas info    : Function properties for k\n    \
                    40 bytes stack frame, 72 bytes spill stores, 84 bytes spill loads\n\
                    ptxas info    : Used 255 registers, used 1 barriers, 2048 bytes smem, 464 bytes cmem[0]\n\
                    ptxas info    : (C7508) Potential Performance Loss: 'setmaxnreg' ignored";
        let got = read(said);
        assert_eq!(
            (
                got.registers,
                got.spill_stores,
                got.spill_loads,
                got.stack,
                got.static_shared,
                got.complaints.len()
            ),
            (255, 72, 84, 40, 2048, 1)
        );
        assert!(!got.is_clean());
    }
}
