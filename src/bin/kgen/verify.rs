//! `kgen verify`: the catalogue through the real assembler.

use crate::kernel;
use crate::progress;
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::codegen::program::{DType, Generic, ParamKind, Program};
use flashpage::codegen::schedule::{Tuning, head_dims};
use flashpage::codegen::{Arch, Compiled, ShapeClass, Spec, Work, compile};
use flashpage::kernels;
use flashpage::measure::gpu::REGISTERS;
use flashpage::measure::parallel;
use flashpage::measure::toolchain::{Assembled, Ptxas};
use serde_json::json;

#[derive(Args)]
pub struct Verify {
    /// Stock kernels, FILE.rs or FILE.rs:function; the whole catalogue if none is named
    kernels: Vec<String>,
    /// Target: sm_80, or sm_90a for Hopper alone
    #[arg(long, default_value = "sm_80")]
    arch: Arch,
    /// Element types; both if absent
    #[arg(long, value_delimiter = ',')]
    dtype: Vec<DType>,
    /// Tokens per block of paged kernels; 8, 16, 24 and 128 if absent
    #[arg(long, value_delimiter = ',')]
    block_size: Vec<usize>,
    /// Where tiles come from: grid, or list and partials for planned kernels
    #[arg(long, value_delimiter = ',', default_value = "grid")]
    work: Vec<Work>,
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
        let ptxas = Ptxas::find()?;
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
        let results = assemble(&ptxas, &rows)?;
        if self.json {
            let rows: Vec<_> = rows.iter().zip(&results).map(|(row, result)| json_row(row, result)).collect();
            println!("{:#}", json!(rows));
        } else {
            print_table(&rows, &results);
        }
        let are_clean = rows.iter().zip(&results).all(|(row, result)| row.is_clean(result));
        if are_clean { Ok(()) } else { Err(Failure::Check) }
    }

    /// Everything a program can be compiled to, without tiles chosen by hand, of what was asked for.
    fn specs(&self, program: &Program) -> Vec<Spec> {
        let arch = self.arch;
        let paged = program.params.iter().any(|param| param.kind == ParamKind::BlockTable);
        let dtypes: Vec<DType> = match program.element {
            Generic::Fixed(dtype) => vec![dtype],
            Generic::Open(_) if self.dtype.is_empty() => vec![DType::F16, DType::Bf16],
            Generic::Open(_) => self.dtype.clone(),
        };
        let head_dims: Vec<usize> = match program.head_dim {
            Generic::Fixed(head_dim) => vec![head_dim],
            Generic::Open(_) => head_dims(arch).to_vec(),
        };
        let asked = if self.block_size.is_empty() { &BLOCK_SIZES[..] } else { &self.block_size };
        let block_sizes: Vec<Option<usize>> =
            if paged { asked.iter().copied().map(Some).collect() } else { vec![None] };
        let mut specs = Vec::new();
        for &dtype in &dtypes {
            for &head_dim in &head_dims {
                for &block_size in &block_sizes {
                    for shape in ShapeClass::ALL {
                        let tuning = Tuning::default();
                        let spec = |work| Spec {
                            arch,
                            dtype,
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
    /// Registers of a thread that a kernel with roles is launched with, before its roles give and take: all that there
    /// are, by the threads of as many blocks as should fit.
    fn planned_registers(&self) -> Option<u32> {
        let schedule = &self.compiled.schedule;
        let threads = schedule.threads() * schedule.blocks_per_sm as usize;
        schedule.roles.map(|_| (REGISTERS / threads / 8 * 8).min(255) as u32)
    }

    fn is_clean(&self, result: &Assembled) -> bool {
        result.is_clean() && self.planned_registers().is_none_or(|planned| planned == result.registers)
    }
}

/// Assembles on all cores.
fn assemble(ptxas: &Ptxas, rows: &[Row]) -> Result<Vec<Assembled>, Failure> {
    let bar = progress::bar(rows.len(), "ptxas");
    let results = parallel::map(rows, |row| {
        let result = ptxas.assemble(row.spec.arch.as_str(), &row.compiled.text());
        bar.inc(1);
        result
    });
    bar.finish_and_clear();
    Ok(results.into_iter().collect::<Result<_, _>>()?)
}

fn json_row(row: &Row, result: &Assembled) -> serde_json::Value {
    json!({
        "kernel": row.kernel, "entry": row.compiled.entry, "arch": row.spec.arch.as_str(),
        "dtype": row.spec.dtype.as_str(), "head_dim": row.spec.head_dim, "block_size": row.spec.block_size,
        "shape": row.spec.shape.as_str(), "registers": result.registers,
        "spill_stores": result.spill_stores, "spill_loads": result.spill_loads,
        "planned_registers": row.planned_registers(), "shared_bytes": row.compiled.dynamic_shared_bytes,
        "complaints": result.complaints, "clean": row.is_clean(result),
    })
}

fn print_table(rows: &[Row], results: &[Assembled]) {
    println!(
        "{:<26} {:<5} {:>4} {:>6} {:<8} {:>9} {:>7} {:>7}  verdict",
        "kernel", "dtype", "dim", "block", "shape", "registers", "spills", "shared"
    );
    for (row, result) in rows.iter().zip(results) {
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
            if row.is_clean(result) { "ok" } else { "FAILS" }
        );
        if let Some(planned) = row.planned_registers().filter(|planned| *planned != result.registers) {
            println!("    {planned} registers were planned");
        }
        for complaint in &result.complaints {
            println!("    {complaint}");
        }
    }
    let clean = rows.iter().zip(results).filter(|(row, result)| row.is_clean(result)).count();
    println!("{clean} of {} kernels assemble without spills or complaints", results.len());
}
