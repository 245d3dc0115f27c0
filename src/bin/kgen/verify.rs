//! `kgen verify`: the catalogue through the real assembler.

use crate::kernel::{self, ScheduleChoice};
use crate::progress;
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::codegen::program::{DType, Generic, ParamKind, Program};
use flashpage::codegen::schedule::{Overlap, Roles};
use flashpage::codegen::{Arch, Compiled, HeadDim, ShapeClass, Spec, Work, compile};
use flashpage::kernels;
use flashpage::measure::cost::{Code, LATE_ALLOWED, Tools};
use flashpage::measure::head_dim;
use flashpage::measure::parallel;
use flashpage::measure::toolchain::Ptxas;
use flashpage::runtime::equivalence;
use serde_json::json;

#[derive(Args)]
pub struct Verify {
    /// Stock kernels, FILE.rs or FILE.rs:function; the whole catalogue if none is named
    kernels: Vec<String>,
    /// Target: sm_80, or sm_90a for Hopper alone
    #[arg(long, default_value = "sm_80")]
    arch: Arch,
    /// Element types of q, k and v; both if absent. Outputs have every type that the kernel leaves them
    #[arg(long, value_delimiter = ',')]
    dtype: Vec<DType>,
    /// Head dimensions; those with rows in the target's table if absent
    #[arg(long, value_delimiter = ',')]
    head_dim: Vec<HeadDim>,
    /// Tokens per block of paged kernels; 8, 16, 24 and 128 if absent
    #[arg(long, value_delimiter = ',')]
    block_size: Vec<usize>,
    /// Where tiles come from: grid, or list and partials for planned kernels
    #[arg(long, value_delimiter = ',', default_value = "grid")]
    work: Vec<Work>,
    #[command(flatten)]
    schedule: ScheduleChoice,
    /// One JSON array
    #[arg(long)]
    json: bool,
}

/// Block sizes that walk a table in different ways: blocks smaller than eight rows' granule allows none, whole
/// blocks in a tile, tiles in a block, and neither.
const BLOCK_SIZES: [usize; 4] = [8, 16, 24, 128];

struct Row {
    kernel: String,
    spec: Spec,
    compiled: Compiled,
}

impl Verify {
    pub fn run(&self) -> Outcome {
        let names: Vec<String> = match self.kernels.is_empty() {
            true => kernels::catalogue().iter().map(|stock| stock.name.to_owned()).collect(),
            false => self.kernels.clone(),
        };
        let mut rows = Vec::new();
        for name in &names {
            let program = kernel::program(name)?;
            for spec in self.specs(&program) {
                let compiled = compile(&program, &spec)?;
                rows.push(Row { kernel: program.name.clone(), spec, compiled });
            }
        }
        let results = self.assemble(&rows)?;
        if self.json {
            let rows: Vec<_> = rows.iter().zip(&results).map(|(row, result)| json_row(row, result)).collect();
            println!("{:#}", json!(rows));
        } else {
            print_table(&rows, &results);
        }
        let are_clean = rows.iter().zip(&results).all(|(row, code)| row.is_clean(code));
        if are_clean { Ok(()) } else { Err(Failure::Check) }
    }

    /// Everything a program can be compiled to, without tiles chosen by hand, of what was asked for.
    fn specs(&self, program: &Program) -> Vec<Spec> {
        let arch = self.arch;
        let paged = program.params.iter().any(|param| param.kind == ParamKind::BlockTable);
        let dtypes: Vec<DType> = match program.input_element() {
            Generic::Fixed(dtype) => vec![*dtype],
            Generic::Open(_) if self.dtype.is_empty() => vec![DType::F16, DType::Bf16],
            Generic::Open(_) => self.dtype.clone(),
        };
        let asked = match self.head_dim.is_empty() {
            true => equivalence::head_dims(program, arch),
            false => self.head_dim.clone(),
        };
        let mut head_dims: Vec<HeadDim> = asked.iter().map(|dim| program.with_fixed(*dim)).collect();
        head_dims.dedup();
        let asked = if self.block_size.is_empty() { &BLOCK_SIZES[..] } else { &self.block_size };
        let block_sizes: Vec<Option<usize>> =
            if paged { asked.iter().copied().map(Some).collect() } else { vec![None] };
        let mut specs = Vec::new();
        let types = dtypes
            .iter()
            .flat_map(|dtype| program.output_types(*dtype).into_iter().map(|output| (*dtype, output)));
        for (dtype, output) in types {
            for &head_dim in &head_dims {
                for &block_size in &block_sizes {
                    for shape in ShapeClass::ALL {
                        let tuning = self.schedule.tuning();
                        let spec = |work| Spec {
                            arch,
                            dtype,
                            output,
                            head_dim,
                            block_size,
                            shape,
                            tuning,
                            work,
                            fold_scale: true,
                        };
                        specs.extend(self.work.iter().copied().map(spec));
                    }
                }
            }
        }
        specs
    }
}

impl Row {
    fn planned_registers(&self) -> Option<u32> {
        self.compiled.schedule.roles().map(Roles::registers_at_entry)
    }

    /// Whether exponentials are to stay before the wait for the products beside them.
    fn is_pinned(&self) -> bool {
        self.compiled.schedule.roles().is_some_and(|roles| roles.overlap == Overlap::Pinned)
    }

    /// Whether they do, where they are to.
    fn overlaps(&self, code: &Code) -> bool {
        !self.is_pinned() || code.overlaps()
    }

    fn is_clean(&self, code: &Code) -> bool {
        let assembled = &code.assembled;
        let as_planned = self.planned_registers().is_none_or(|planned| planned == assembled.registers);
        assembled.is_clean() && as_planned && self.overlaps(code)
    }
}

impl Verify {
    /// Assembles on all cores, and reads the machine code where something is to be seen in it.
    fn assemble(&self, rows: &[Row]) -> Result<Vec<Code>, Failure> {
        let ptxas = Ptxas::find()?;
        let tools = rows.iter().any(Row::is_pinned).then(Tools::find).transpose()?;
        let bar = progress::bar(rows.len(), "ptxas");
        let results = parallel::map(rows, |row| {
            let (arch, text) = (row.spec.arch.as_str(), row.compiled.text());
            let code = match &tools {
                Some(tools) => tools.read(arch, &text, row.compiled.schedule.of_score()),
                None => ptxas.assemble(arch, &text).map(|assembled| Code { assembled, loops: Vec::new() }),
            };
            bar.inc(1);
            code
        });
        bar.finish_and_clear();
        Ok(results.into_iter().collect::<Result<_, _>>()?)
    }
}

fn json_row(row: &Row, code: &Code) -> serde_json::Value {
    let result = &code.assembled;
    json!({
        "kernel": row.kernel, "entry": row.compiled.entry, "arch": row.spec.arch.as_str(),
        "dtype": row.spec.dtype.as_str(), "head_dim": head_dim::json(row.spec.head_dim), "block_size": row.spec.block_size,
        "shape": row.spec.shape.as_str(), "registers": result.registers,
        "spill_stores": result.spill_stores, "spill_loads": result.spill_loads,
        "planned_registers": row.planned_registers(), "shared_bytes": row.compiled.dynamic_shared_bytes,
        "late_exponentials": code.late_exponentials(),
        "complaints": result.complaints, "clean": row.is_clean(code),
    })
}

fn print_table(rows: &[Row], results: &[Code]) {
    println!(
        "{:<26} {:<5} {:>4} {:>6} {:<8} {:>9} {:>7} {:>7}  verdict",
        "kernel", "dtype", "dim", "block", "shape", "registers", "spills", "shared"
    );
    for (row, code) in rows.iter().zip(results) {
        let result = &code.assembled;
        let block = row.spec.block_size.map_or("-".to_owned(), |size| size.to_string());
        println!(
            "{:<26} {:<5} {:>4} {:>6} {:<8} {:>9} {:>7} {:>7}  {}",
            row.kernel,
            row.spec.dtype.as_str(),
            row.spec.head_dim,
            block,
            row.spec.shape.as_str(),
            result.registers,
            result.spill_stores + result.spill_loads,
            row.compiled.dynamic_shared_bytes,
            if row.is_clean(code) { "ok" } else { "FAILS" }
        );
        if let Some(planned) = row.planned_registers().filter(|planned| *planned != result.registers) {
            println!("    {planned} registers were planned");
        }
        if let Some(late) = code.late_exponentials().filter(|_| !row.overlaps(code)) {
            println!(
                "    {:.0} % of the exponentials of a main loop stand behind the wait for the products that they \
                 should go on beside, of at most {:.0} %",
                100.0 * late,
                100.0 * LATE_ALLOWED
            );
        }
        for complaint in &result.complaints {
            println!("    {complaint}");
        }
    }
    let clean = rows.iter().zip(results).filter(|(row, code)| row.is_clean(code)).count();
    println!("{clean} of {} kernels assemble without spills or complaints", results.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use flashpage::codegen::schedule::Tuning;
    use flashpage::measure::machine_code::{Listing, inner_loops};
    use flashpage::measure::toolchain::Assembled;

    /// Machine code whose main loop has so many of ten exponentials behind its last wait.
    fn code(late: usize, registers: u32) -> Code {
        let (exponential, wait) = ("MUFU.EX2 R4, R4", "WARPGROUP.DEPBAR.LE gsb0, 0x0");
        let mut body = vec!["HGMMA.64x128x16.F32 R24, gdesc[UR8], R24", wait];
        body.extend(vec![exponential; 10 - late]);
        body.push(wait);
        body.extend(vec![exponential; late]);
        body.push("@P0 BRA `(.L_x_0)");
        let line = |(index, instruction): (usize, &&str)| format!("/*{:04x}*/ {instruction} ;\n", 16 * index);
        let text = ".L_x_0:\n".to_owned() + &body.iter().enumerate().map(line).collect::<String>();
        let assembled = Assembled { registers, ..Assembled::default() };
        Code { assembled, loops: inner_loops(&Listing::read(&text), HeadDim::from(128).into()) }
    }

    #[test]
    fn a_pinned_kernel_that_loses_its_overlap_fails() {
        let program = (kernels::find("attention").expect("a stock kernel").program)().clone();
        let row = |overlap: Option<Overlap>| {
            let spec = Spec {
                arch: Arch::Sm90a,
                dtype: DType::F16,
                output: DType::F16,
                head_dim: 128.into(),
                block_size: None,
                shape: ShapeClass::Prefill,
                tuning: Tuning { overlap, ..Tuning::default() },
                work: Work::Grid,
                fold_scale: true,
            };
            let compiled = compile(&program, &spec).expect("a kernel");
            Row { kernel: program.name.clone(), spec, compiled }
        };
        // What was asked for, late exponentials of ten, registers; whether all is well.
        let table = [
            (Some(Overlap::Pinned), 0, 168, true),
            (Some(Overlap::Pinned), 1, 168, false),
            (Some(Overlap::Pinned), 0, 152, false),
            (Some(Overlap::Free), 10, 168, true),
            (None, 10, 168, true),
            (None, 10, 152, false),
        ];
        for (overlap, late, registers, expected) in table {
            let (row, code) = (row(overlap), code(late, registers));
            assert_eq!(code.late_exponentials(), Some(late as f64 / 10.0));
            assert_eq!(row.is_clean(&code), expected, "{overlap:?}, {late} late, {registers} registers");
        }
    }
}
