//! `kgen verify`: the catalogue through the real assembler.

use crate::kernel::{self, ScheduleChoice};
use crate::progress;
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::codegen::layout::transposed_copy::KEYS_OF_CHUNK;
use flashpage::codegen::program::{DType, Generic, ParamKind, Program};
use flashpage::codegen::schedule::Roles;
use flashpage::codegen::{Arch, Compiled, HeadDim, ShapeClass, Spec, ValueLayout, Work, compile};
use flashpage::kernels;
use flashpage::measure::cost::LATE_ALLOWED;
use flashpage::measure::head_dim;
use flashpage::measure::parallel;
use flashpage::measure::verdicts::{Verdict, Verdicts, is_pinned};
use flashpage::runtime::equivalence;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub struct Verify {
    /// Stock kernels, FILE.rs or FILE.rs:function; the whole catalogue if none is named
    kernels: Vec<String>,
    /// Target: sm_80, or sm_90a for Hopper alone
    #[arg(long, default_value = "sm_80")]
    arch: Arch,
    /// Element types of q; both if absent. Keys and values have every type that the kernel leaves them, and so have outputs
    #[arg(long, value_delimiter = ',')]
    dtype: Vec<DType>,
    /// Element types of o, of kernels that leave it open; every one if absent
    #[arg(long, value_delimiter = ',')]
    output_dtype: Vec<DType>,
    /// Head dimensions; those with rows in the target's table if absent
    #[arg(long, value_delimiter = ',')]
    head_dim: Vec<HeadDim>,
    /// Tokens per block of paged kernels; 1, 8, 16, 24 and 128 if absent
    #[arg(long, value_delimiter = ',')]
    block_size: Vec<usize>,
    /// How values of paged kernels lie: rows, or transposed, as products of 8 bits read them
    #[arg(long, value_delimiter = ',', default_value = "rows")]
    values: Vec<ValueLayout>,
    /// Where tiles come from: grid, or list and partials for planned kernels
    #[arg(long, value_delimiter = ',', default_value = "grid")]
    work: Vec<Work>,
    #[command(flatten)]
    schedule: ScheduleChoice,
    /// A file with what the assembler said of kernels before: of those that have not changed, all but one in 48 are taken
    /// from it. `measure/src/verdicts.rs` says what it holds
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// Write what it says now to the file of `--known`
    #[arg(long, requires = "known")]
    record: bool,
    /// One JSON array
    #[arg(long)]
    json: bool,
}

/// Block sizes that walk a table in different ways: a block for every row, for eight rows, whole blocks in a tile, tiles in
/// a block, and neither.
const BLOCK_SIZES: [usize; 5] = [1, 8, 16, 24, 128];

/// Whether values lie transposed in blocks of this size.
fn fits_transposed(block_size: Option<usize>) -> bool {
    block_size.is_some_and(|size| size.is_multiple_of(KEYS_OF_CHUNK))
}

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
            true => equivalence::head_dims(program, arch, &dtypes),
            false => self.head_dim.clone(),
        };
        let mut head_dims: Vec<HeadDim> = asked.iter().map(|dim| program.with_fixed(*dim)).collect();
        head_dims.dedup();
        let asked = if self.block_size.is_empty() { &BLOCK_SIZES[..] } else { &self.block_size };
        let block_sizes: Vec<Option<usize>> =
            if paged { asked.iter().copied().map(Some).collect() } else { vec![None] };
        let mut specs = Vec::new();
        // Each type of outputs beside the usual one of keys and values, and each of these beside the usual output.
        let types = dtypes.iter().flat_map(|dtype| {
            let is_asked =
                |output: &DType| self.output_dtype.is_empty() || self.output_dtype.contains(output);
            let outputs: Vec<DType> = program.output_types(*dtype).into_iter().filter(is_asked).collect();
            let usual_kv = program.kv_type(*dtype);
            let usual_output = outputs.first().copied().unwrap_or_else(|| program.output_type(*dtype));
            let outputs = outputs.into_iter().map(move |output| (usual_kv, output));
            let others = program.kv_types(*dtype).into_iter().filter(move |kv| *kv != usual_kv);
            outputs.chain(others.map(move |kv| (kv, usual_output))).map(|(kv, output)| (*dtype, kv, output))
        });
        for (dtype, kv_dtype, output) in types {
            for &head_dim in &head_dims {
                for &block_size in &block_sizes {
                    for shape in ShapeClass::ALL {
                        let tuning = self.schedule.tuning();
                        let spec = |work| Spec {
                            arch,
                            dtype,
                            kv_dtype,
                            output,
                            head_dim,
                            block_size,
                            shape,
                            tuning,
                            work,
                            values: ValueLayout::Rows,
                            fold_scale: true,
                        };
                        let specs_of = self.work.iter().copied().map(spec);
                        let lie = |values: &ValueLayout| {
                            *values == ValueLayout::Rows || fits_transposed(block_size)
                        };
                        for values in self.values.iter().copied().filter(lie) {
                            specs.extend(specs_of.clone().map(|spec| Spec { values, ..spec }));
                        }
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

    /// Whether exponentials stay before the wait for the products beside them, where they are to.
    fn overlaps(&self, verdict: &Verdict) -> bool {
        !is_pinned(&self.compiled) || verdict.overlaps()
    }

    fn is_clean(&self, verdict: &Verdict) -> bool {
        let as_planned =
            self.planned_registers().is_none_or(|planned| planned == verdict.assembled.registers);
        verdict.assembled.is_clean() && as_planned && self.overlaps(verdict)
    }
}

impl Verify {
    /// Assembles on all cores what is not known, and reads the machine code where something is to be seen in it.
    fn assemble(&self, rows: &[Row]) -> Result<Vec<Verdict>, Failure> {
        let verdicts = match &self.known {
            Some(path) => Verdicts::with_record(path)?,
            None => Verdicts::new()?,
        };
        let bar = progress::bar(rows.len(), "ptxas");
        let results = parallel::map(rows, |row| {
            let verdict = verdicts.of(&row.compiled);
            bar.inc(1);
            verdict
        });
        bar.finish_and_clear();
        let results = results.into_iter().collect::<Result<_, _>>()?;
        if self.record {
            verdicts.write()?;
        }
        Ok(results)
    }
}

fn json_row(row: &Row, result: &Verdict) -> serde_json::Value {
    let said = &result.assembled;
    json!({
        "kernel": row.kernel, "entry": row.compiled.entry, "arch": row.spec.arch.as_str(),
        "dtype": row.spec.dtype.as_str(), "kv_dtype": row.spec.kv_dtype.as_str(), "head_dim": head_dim::json(row.spec.head_dim), "block_size": row.spec.block_size,
        "shape": row.spec.shape.as_str(), "registers": said.registers,
        "spill_stores": said.spill_stores, "spill_loads": said.spill_loads,
        "planned_registers": row.planned_registers(), "shared_bytes": row.compiled.dynamic_shared_bytes,
        "late_exponentials": result.late_exponentials.map(|late| f64::from(late) / 1000.0),
        "complaints": said.complaints, "clean": row.is_clean(result),
    })
}

fn print_table(rows: &[Row], results: &[Verdict]) {
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
            result.assembled.registers,
            result.assembled.spill_stores + result.assembled.spill_loads,
            row.compiled.dynamic_shared_bytes,
            if row.is_clean(result) { "ok" } else { "FAILS" }
        );
        if let Some(planned) =
            row.planned_registers().filter(|planned| *planned != result.assembled.registers)
        {
            println!("    {planned} registers were planned");
        }
        if let Some(late) = result.late_exponentials.filter(|_| !row.overlaps(result)) {
            println!(
                "    {:.0} % of the exponentials of a main loop stand behind the wait for the products that they \
                 should go on beside, of at most {:.0} %",
                f64::from(late) / 10.0,
                100.0 * LATE_ALLOWED
            );
        }
        for complaint in &result.assembled.complaints {
            println!("    {complaint}");
        }
    }
    let clean = rows.iter().zip(results).filter(|(row, result)| row.is_clean(result)).count();
    println!("{clean} of {} kernels assemble without spills or complaints", results.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use flashpage::codegen::schedule::{Overlap, Tuning};
    use flashpage::measure::cost::Code;
    use flashpage::measure::machine_code::{Listing, inner_loops};
    use flashpage::measure::toolchain::Assembled;

    /// Machine code whose main loop has so many of ten exponentials behind its last wait.
    fn verdict(late: usize, registers: u32) -> Verdict {
        let (exponential, wait) = ("MUFU.EX2 R4, R4", "WARPGROUP.DEPBAR.LE gsb0, 0x0");
        let mut body = vec!["HGMMA.64x128x16.F32 R24, gdesc[UR8], R24", wait];
        body.extend(vec![exponential; 10 - late]);
        body.push(wait);
        body.extend(vec![exponential; late]);
        body.push("@P0 BRA `(.L_x_0)");
        let line = |(index, instruction): (usize, &&str)| format!("/*{:04x}*/ {instruction} ;\n", 16 * index);
        let text = ".L_x_0:\n".to_owned() + &body.iter().enumerate().map(line).collect::<String>();
        let assembled = Assembled { registers, ..Assembled::default() };
        let loops = inner_loops(&Listing::read(&text), HeadDim::from(128).into());
        Verdict::of(&Code { assembled, loops })
    }

    #[test]
    fn a_pinned_kernel_that_loses_its_overlap_fails() {
        let program = (kernels::find("attention").expect("a stock kernel").program)().clone();
        let row = |overlap: Option<Overlap>| {
            let spec = Spec {
                arch: Arch::Sm90a,
                dtype: DType::F16,
                kv_dtype: DType::F16,
                output: DType::F16,
                head_dim: 128.into(),
                block_size: None,
                shape: ShapeClass::Prefill,
                tuning: Tuning { overlap, ..Tuning::default() },
                work: Work::Grid,
                values: Default::default(),
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
            let (row, verdict) = (row(overlap), verdict(late, registers));
            assert_eq!(verdict.late_exponentials, Some(100 * late as u32));
            assert_eq!(row.is_clean(&verdict), expected, "{overlap:?}, {late} late, {registers} registers");
        }
    }
}
