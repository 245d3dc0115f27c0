//! `kgen verify`: the catalogue through the real assembler.

use crate::kernel;
use crate::progress;
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::codegen::program::{DType, Generic, ParamKind, Program};
use flashpage::codegen::schedule::{Tuning, head_dims};
use flashpage::codegen::{Arch, Compiled, ShapeClass, Spec, compile};
use flashpage::kernels;
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
            for spec in specs(&program, self.arch) {
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
        if results.iter().all(Assembled::is_clean) { Ok(()) } else { Err(Failure::Check) }
    }
}

/// Everything a program can be compiled to, without tiles chosen by hand.
fn specs(program: &Program, arch: Arch) -> Vec<Spec> {
    let paged = program.params.iter().any(|param| param.kind == ParamKind::BlockTable);
    let dtypes: Vec<DType> = match program.element {
        Generic::Fixed(dtype) => vec![dtype],
        Generic::Open(_) => vec![DType::F16, DType::Bf16],
    };
    let head_dims: Vec<usize> = match program.head_dim {
        Generic::Fixed(head_dim) => vec![head_dim],
        Generic::Open(_) => head_dims(arch).to_vec(),
    };
    let block_sizes: Vec<Option<usize>> =
        if paged { BLOCK_SIZES.into_iter().map(Some).collect() } else { vec![None] };
    let mut specs = Vec::new();
    for &dtype in &dtypes {
        for &head_dim in &head_dims {
            for &block_size in &block_sizes {
                for shape in ShapeClass::ALL {
                    specs.push(Spec {
                        arch,
                        dtype,
                        head_dim,
                        block_size,
                        shape,
                        tuning: Tuning::default(),
                        fold_scale: true,
                    });
                }
            }
        }
    }
    specs
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
        "shared_bytes": row.compiled.dynamic_shared_bytes, "complaints": result.complaints,
        "clean": result.is_clean(),
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
            if result.is_clean() { "ok" } else { "FAILS" }
        );
        for complaint in &result.complaints {
            println!("    {complaint}");
        }
    }
    let clean = results.iter().filter(|result| result.is_clean()).count();
    println!("{clean} of {} kernels assemble without spills or complaints", results.len());
}
