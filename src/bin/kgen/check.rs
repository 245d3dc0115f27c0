//! `kgen check`: kernels against the f64 reference over the suite of shapes, as a table.

use crate::kernel;
use crate::rows::{RowArgs, Rows};
use crate::run::DeviceChoice;
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::codegen::program::DType;
use flashpage::codegen::schedule::{F32Products, Tuning};
use flashpage::codegen::{Arch, HeadDim, Program, ShapeClass};
use flashpage::kernels;
use flashpage::measure::check::check;
use flashpage::measure::results::Checked;
use flashpage::runtime::LaunchOptions;
use flashpage::runtime::equivalence;
use flashpage::runtime::problem::Problem;

#[derive(Args)]
pub struct Check {
    /// Stock kernels, FILE.rs or FILE.rs:function; the whole catalogue if none is named
    kernels: Vec<String>,
    #[command(flatten)]
    device: DeviceChoice,
    /// Target: sm_80, or sm_90a for Hopper alone; the best that the device runs if absent
    #[arg(long)]
    arch: Option<Arch>,
    /// Head dimensions; those with rows in the target's table if absent
    #[arg(long, value_delimiter = ',')]
    head_dim: Vec<HeadDim>,
    /// Element types of q, k and v; f16 and bf16 if absent
    #[arg(long, value_delimiter = ',')]
    dtype: Vec<DType>,
    /// How f32 inputs are multiplied: bf16x3 or tf32; bf16x3 if absent
    #[arg(long, value_name = "HOW")]
    f32_products: Option<F32Products>,
    /// Shape class instead of the one each batch calls for: prefill, append or decode
    #[arg(long)]
    shape: Option<ShapeClass>,
    /// Only every Nth problem
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    every: u16,
    /// With --every: begin with this problem, counted from 0
    #[arg(long, value_name = "K", default_value_t = 0, requires = "every")]
    offset: u16,
    #[command(flatten)]
    rows: RowArgs,
}

/// One problem of one kernel.
struct Work {
    program: Program,
    batch: String,
    problem: Problem,
}

impl Check {
    pub fn run(&self) -> Outcome {
        let device = self.device.open()?;
        let arch = self.arch.unwrap_or(device.arch());
        let work = self.work(arch)?;
        let tuning = Tuning { f32_products: self.f32_products, ..Tuning::default() };
        let options = LaunchOptions { arch: Some(arch), shape: self.shape, tuning };
        if !self.rows.json && !self.rows.is_worker() {
            println!("on {}", device.name());
            println!(
                "{:<26} {:<24} {:<5} {:>4} {:>6} {:<8} {:>10} {:>10}  verdict",
                "kernel", "batch", "dtype", "dim", "block", "shape", "error", "allowed"
            );
        }
        let rows = Rows {
            total: work.len(),
            row: |index: usize| {
                let Work { program, batch, problem } = &work[index];
                let mut outcome = check(&device, program, batch, problem, &options);
                outcome.row.problem = self.again(problem, arch);
                outcome
            },
            lost: |index: usize, reason| {
                let problem = self.again(&work[index].problem, arch);
                Checked { problem, ..work[index].lost(reason) }
            },
        };
        let Some(rows) = self.rows.collect("check", &device, rows, print_row)? else { return Ok(()) };
        let passed = rows.iter().filter(|row| row.passed).count();
        if !self.rows.json {
            println!("{passed} of {} hold{}", rows.len(), self.rows.not_begun(rows.len(), work.len()));
        }
        if passed == work.len() { Ok(()) } else { Err(Failure::Check) }
    }

    /// The arguments of `kgen case` that make a problem and its kernel again.
    fn again(&self, problem: &Problem, arch: Arch) -> String {
        let shape = self.shape.map_or(String::new(), |shape| format!(" --shape {shape}"));
        let products = self.f32_products.map_or(String::new(), |how| format!(" --f32-products {how}"));
        format!("{problem} --arch {arch}{shape}{products}")
    }

    fn work(&self, arch: Arch) -> Result<Vec<Work>, Failure> {
        let names: Vec<String> = match self.kernels.is_empty() {
            true => kernels::catalogue().iter().map(|stock| stock.name.to_owned()).collect(),
            false => self.kernels.clone(),
        };
        let mut all = Vec::new();
        for name in &names {
            let program = kernel::program(name)?;
            let dtypes = if self.dtype.is_empty() { &equivalence::DTYPES[..] } else { &self.dtype };
            let head_dims = match self.head_dim.as_slice() {
                [] => equivalence::head_dims(&program, arch, dtypes),
                head_dims => head_dims.to_vec(),
            };
            let suite = equivalence::suite_of(&program, arch, &head_dims, dtypes);
            let work =
                suite.into_iter().map(|(batch, problem)| Work { program: program.clone(), batch, problem });
            all.push(work.collect());
        }
        let work =
            if self.rows.seconds.is_some() { taking_turns(all) } else { all.into_iter().flatten().collect() };
        Ok(work.into_iter().skip(self.offset.into()).step_by(self.every.into()).collect())
    }
}

/// All of these lists, in an order in which a part of it, cut off anywhere, has something of each list and of every part of
/// each: lists take turns, and each goes forward by some three eighths of its length, round and round.
fn taking_turns<T>(lists: Vec<Vec<T>>) -> Vec<T> {
    let mut placed: Vec<(usize, usize, T)> = Vec::new();
    for (turn, list) in lists.into_iter().enumerate() {
        let len = list.len();
        // A step that is prime to the length comes to every place once.
        let divides_both = |n: usize, step: usize| step.is_multiple_of(n) && len.is_multiple_of(n);
        let is_prime_to = |step: &usize| !(2..=*step).any(|n| divides_both(n, *step));
        let step = (len * 3 / 8..len).find(|step| *step > 0 && is_prime_to(step)).unwrap_or(1);
        let mut rank = vec![0; len];
        (0..len).for_each(|nth| rank[nth * step % len] = nth);
        placed.extend(list.into_iter().zip(rank).map(|(item, rank)| (rank, turn, item)));
    }
    placed.sort_by_key(|(rank, turn, _)| (*rank, *turn));
    placed.into_iter().map(|(_, _, item)| item).collect()
}

impl Work {
    /// The row of a problem whose process was lost.
    fn lost(&self, message: String) -> Checked {
        Checked {
            kernel: self.program.name.clone(),
            batch: self.batch.clone(),
            problem: self.problem.to_string(),
            dtype: self.problem.dtype.to_string(),
            head_dim: self.problem.head_dim,
            message: Some(message),
            ..Checked::default()
        }
    }
}

fn print_row(row: &Checked) {
    let worst = row.worst();
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2e}"));
    println!(
        "{:<26} {:<24} {:<5} {:>4} {:>6} {:<8} {:>10} {:>10}  {}",
        row.kernel,
        row.batch,
        row.dtype,
        row.head_dim,
        row.block_size.map_or("-".to_owned(), |size| size.to_string()),
        row.shape.as_deref().unwrap_or("-"),
        number(worst.and_then(|output| output.error)),
        number(worst.and_then(|output| output.allowed)),
        if row.passed { "ok" } else { "FAILS" }
    );
    if let Some(message) = &row.message {
        println!("    {message}");
    }
    for output in row.outputs.iter().filter(|output| !output.passed) {
        println!("    {}: {}", output.output, output.failure);
    }
    if !row.passed {
        println!("    again: kgen case {} {} -o d && kgen launch d/launch.json", row.kernel, row.problem);
    }
}

#[cfg(test)]
mod tests {
    use super::taking_turns;

    #[test]
    fn lists_take_turns() {
        let table: [(&[usize], &[&str]); 4] = [
            (&[], &[]),
            (&[0, 1, 2], &["1.0", "2.0", "2.1"]),
            // Three at a time of eight, and one of two.
            (&[8, 2], &["0.0", "1.0", "0.3", "1.1", "0.6", "0.1", "0.4", "0.7", "0.2", "0.5"]),
            (&[4], &["0.0", "0.1", "0.2", "0.3"]),
        ];
        for (lens, expected) in table {
            let lists =
                lens.iter().enumerate().map(|(list, len)| (0..*len).map(|i| format!("{list}.{i}")).collect());
            assert_eq!(taking_turns(lists.collect()), expected, "{lens:?}");
        }
        // Whatever the lengths, nothing is lost or doubled.
        for len in 1..200 {
            let mut all = taking_turns(vec![(0..len).collect::<Vec<_>>(), (len..2 * len + 1).collect()]);
            all.sort_unstable();
            assert_eq!(all, (0..2 * len + 1).collect::<Vec<_>>());
        }
    }
}
