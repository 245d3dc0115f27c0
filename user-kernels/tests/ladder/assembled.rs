//! What NVIDIA's assembler and disassembler say of the kernels: no spills, no complaints, and
//! exponentials before the wait where the schedule keeps them there. Skipped where the tools are not, but for CI.
//!
//! What was said of kernels that have not changed is in `assembled/`, as `measure::verdicts` writes it; one of 48 of these is
//! assembled again, others each day. `FLASHPAGE_ASSEMBLE=all` assembles everything, `FLASHPAGE_ASSEMBLE=record` what is new, and
//! writes it down.

use crate::sample::{failures, is_taken, kernels, report};
use flashpage::codegen::program::{DType, Generic, StateKind};
use flashpage::codegen::schedule::{Overlap, Tuning};
use flashpage::codegen::{Arch, Compiled, ShapeClass, Spec, Work, compile};
use flashpage::measure::toolchain::Tool;
use flashpage::measure::verdicts::Verdicts;
use std::io::Write;
use std::path::{Path, PathBuf};
use user_kernels::Kernel;

/// One of so many kernels is compiled by a run that is not asked for all; of planned ones, of which there is no record.
const SHARE: usize = 24;
const SHARE_OF_PLANNED: usize = 8 * SHARE;

fn how() -> Option<String> {
    let how = std::env::var("FLASHPAGE_ASSEMBLE").ok();
    if let Some(other) = how.as_deref().filter(|how| !["all", "record"].contains(how)) {
        panic!("FLASHPAGE_ASSEMBLE={other}: write `all` or `record`");
    }
    how
}

/// The folder of the records, which lies beside the kernels whoever builds this.
fn record(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = own.ancestors().map(|folder| folder.join("user-kernels/assembled"));
    folders.into_iter().find(|folder| folder.is_dir()).expect("the folder of the records").join(name)
}

/// The assembler, and what it said before; nothing where it is not and need not be.
fn tools(test: &str, name: &str) -> Option<Verdicts> {
    if let Err(error) = Tool::Ptxas.find().and(Tool::Nvdisasm.find()) {
        assert!(std::env::var_os("CI").is_none(), "{error}");
        // Past the harness, which keeps what a passing test prints to itself.
        let mut terminal = std::io::stderr();
        writeln!(terminal, "skipped {test}: {error}").unwrap();
        return None;
    }
    Some(match how().as_deref() {
        Some("all") => Verdicts::new().unwrap(),
        _ => Verdicts::with_record(&record(name)).unwrap(),
    })
}

/// A kernel to be assembled.
struct Row {
    kernel: &'static Kernel,
    spec: Spec,
}

/// Every kernel for these targets, in 64 and 128 or what its author fixed, in every shape, with and without a plan: those of this run.
fn rows(archs: &[Arch], tuning: Tuning) -> Vec<Row> {
    let mut rows = Vec::new();
    for (number, kernel) in kernels() {
        let program = (kernel.program)();
        let dtype = match program.input_element() {
            Generic::Fixed(dtype) => *dtype,
            Generic::Open(_) => DType::Bf16,
        };
        let mut head_dims = [64, 128].map(|open| program.with_fixed(open.into())).to_vec();
        head_dims.dedup();
        for &arch in archs {
            for (turn, &head_dim) in head_dims.iter().enumerate() {
                for (of_shape, (shape, work)) in shapes().enumerate() {
                    let number = number + 2 * turn + of_shape + usize::from(arch == Arch::Sm90a);
                    let share = if work.is_planned() { SHARE_OF_PLANNED } else { SHARE };
                    let is_taken = match how().as_deref() {
                        None => is_taken(number, share),
                        Some("record") => !work.is_planned(),
                        Some(_) => true,
                    };
                    if !is_taken {
                        continue;
                    }
                    let paged = crate::batches::is_paged(program);
                    let spec = Spec {
                        arch,
                        dtype,
                        kv_dtype: program.kv_type(dtype),
                        output: program.output_type(dtype),
                        head_dim,
                        block_size: paged.then_some(16),
                        shape,
                        tuning,
                        work,
                        values: Default::default(),
                        fold_scale: true,
                    };
                    rows.push(Row { kernel, spec });
                }
            }
        }
    }
    rows
}

fn shapes() -> impl Iterator<Item = (ShapeClass, Work)> {
    Work::ALL.into_iter().flat_map(|work| ShapeClass::ALL.map(|shape| (shape, work)))
}

impl Row {
    fn compile(&self) -> Result<Compiled, String> {
        compile((self.kernel.program)(), &self.spec).map_err(|error| format!("{}: {error}", self.kernel.name))
    }
}

fn finish(verdicts: &Verdicts) {
    if how().as_deref() == Some("record") {
        verdicts.write().unwrap();
    }
}

#[test]
fn kernels_do_not_spill() {
    let Some(verdicts) = tools("kernels_do_not_spill", "usual.txt") else { return };
    let rows = rows(&Arch::ALL, Tuning::default());
    let failures = failures(&rows, |row| {
        let said = verdicts.of(&row.compile()?).map_err(|error| error.to_string())?.assembled;
        let is_silent = said.complaints.is_empty();
        match is_silent && (said.spill_stores, said.spill_loads, said.stack) == (0, 0, 0) {
            true => Ok(()),
            false => Err(format!(
                "{} for {}, {}, {}, work {}: {} and {} bytes of spills, {} of stack: {:?}",
                row.kernel.name,
                row.spec.arch,
                row.spec.head_dim,
                row.spec.shape,
                row.spec.work,
                said.spill_stores,
                said.spill_loads,
                said.stack,
                said.complaints
            )),
        }
    });
    finish(&verdicts);
    report("assembled kernels", rows.len(), &failures);
}

#[test]
fn exponentials_come_before_the_wait() {
    let Some(verdicts) = tools("exponentials_come_before_the_wait", "pinned.txt") else { return };
    let mut rows = rows(&[Arch::Sm90a], Tuning { overlap: Some(Overlap::Pinned), ..Tuning::default() });
    // Products of f32 are no wgmma, and there is no wait to be before. Planned kernels have no record yet.
    rows.retain(|row| row.spec.dtype != DType::F32 && !row.spec.work.is_planned());
    let failures = failures(&rows, |row| {
        let verdict = verdicts.of(&row.compile()?).map_err(|error| error.to_string())?;
        // A softmax has exponentials, of which a share is known.
        let states = &(row.kernel.program)().states;
        let has_softmax = states.iter().any(|state| state.kind == StateKind::OnlineSoftmax);
        match verdict.overlaps() && (verdict.late_exponentials.is_some() || !has_softmax) {
            true => Ok(()),
            false => Err(format!(
                "{}, {}, {}: {:?} of a thousand exponentials stand behind the wait",
                row.kernel.name, row.spec.head_dim, row.spec.shape, verdict.late_exponentials
            )),
        }
    });
    finish(&verdicts);
    report("pinned kernels", rows.len(), &failures);
}
