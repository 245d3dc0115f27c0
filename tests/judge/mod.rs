//! Runs a kernel on a problem and says of a failure what a person needs: the worst element by name, both
//! values, and the commands that show it again.

use flashpage::codegen::Program;
use flashpage::runtime::check::Verdict;
use flashpage::runtime::equivalence;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{Device, LaunchOptions};
use std::fmt::Write;

/// Whether `program` gives on `problem` what the reference gives; `kernel` is what `kgen` knows it as.
pub fn judge(
    device: &Device,
    kernel: &str,
    program: &Program,
    problem: &Problem,
    options: &LaunchOptions,
) -> Result<(), String> {
    let arch = options.arch.unwrap_or(device.arch());
    let mut again = format!("kgen case {kernel} {problem} --arch {arch}");
    if let Some(shape) = options.shape {
        write!(again, " --shape {shape}").unwrap();
    }
    write!(again, " {}", options.tuning).unwrap();
    let again = format!("again: {again} -o d && kgen launch d/launch.json");
    let result = equivalence::run(device, program, problem, options)
        .map_err(|error| format!("{kernel}: {error}\n  {again}"))?;
    if result.verdicts.is_empty() {
        return Err(format!("{kernel}: nothing was judged\n  {again}"));
    }
    let mut said = String::new();
    for (name, verdict) in result.verdicts.iter().filter(|(_, verdict)| !verdict.passed) {
        let place = place(verdict, problem, program.params.iter().any(|p| p.name == *name && is_row(p)));
        write!(said, "{kernel}: {name}{place}: {verdict}\n  ").unwrap();
    }
    if said.is_empty() { Ok(()) } else { Err(said + &again) }
}

fn is_row(param: &flashpage::codegen::program::Param) -> bool {
    param.kind == flashpage::codegen::program::ParamKind::RowOutput
}

/// Where the worst element lies in its tensor.
fn place(verdict: &Verdict, problem: &Problem, is_vector: bool) -> String {
    let Some(worst) = verdict.worst else { return String::new() };
    let width = if is_vector { 1 } else { problem.head_dim.v };
    let (row, dim) = (worst.index / width, worst.index % width);
    let (token, head) = (row / problem.q_heads, row % problem.q_heads);
    let mut first = 0;
    let sequence = problem.lens.iter().position(|(q_len, _)| {
        first += q_len;
        token < first
    });
    let sequence = sequence.map_or("no sequence".to_owned(), |sequence| format!("sequence {sequence}"));
    format!(" at token {token} ({sequence}), head {head}, dim {dim}")
}
