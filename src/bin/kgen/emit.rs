//! `kgen list`, `kgen emit`, `kgen explain`: what can be read without running anything.

use crate::kernel::{Target, program};
use crate::{Failure, Outcome, picture};
use clap::Args;
use flashpage::codegen::choice::RolesRow;
use flashpage::codegen::schedule::Schedule;
use flashpage::codegen::{Compiled, Spec, compile};
use flashpage::kernels;
use flashpage::measure::cost::Tools;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub struct List {
    /// One JSON array
    #[arg(long)]
    json: bool,
}

impl List {
    pub fn run(&self) -> Outcome {
        if self.json {
            let rows: Vec<_> = kernels::catalogue()
                .iter()
                .map(|stock| {
                    let params: Vec<_> = (stock.program)()
                        .params
                        .iter()
                        .map(|p| json!({ "name": p.name, "kind": format!("{:?}", p.kind) }))
                        .collect();
                    json!({ "name": stock.name, "doc": stock.doc, "params": params })
                })
                .collect();
            println!("{:#}", json!(rows));
            return Ok(());
        }
        for stock in kernels::catalogue() {
            println!("{:<26} {}", stock.name, stock.doc);
            let program = (stock.program)();
            let params: Vec<String> =
                program.params.iter().map(|param| format!("{}: {:?}", param.name, param.kind)).collect();
            println!("{:<26} {}", "", params.join(", "));
        }
        Ok(())
    }
}

#[derive(Args)]
pub struct Emit {
    /// A stock kernel, FILE.rs or FILE.rs:function
    kernel: String,
    #[command(flatten)]
    target: Target,
    /// The score scale that the kernel will be given is above zero: it is folded into the exponential, which saves an
    /// instruction a score. A launch sees for itself
    #[arg(long)]
    positive_scale: bool,
    /// Where to write; standard output if absent
    #[arg(short, long)]
    output: Option<PathBuf>,
}

impl Emit {
    pub fn run(&self) -> Outcome {
        let program = program(&self.kernel)?;
        let spec = self.target.spec(&program);
        let folded = compile(&program, &spec)?;
        let compiled = match self.positive_scale || folded.attention.has_literal_scale() {
            true => folded,
            false => compile(&program, &Spec { fold_scale: false, ..spec })?,
        };
        let text = compiled.text();
        match &self.output {
            None => print!("{text}"),
            Some(path) => {
                std::fs::write(path, text).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?
            }
        }
        Ok(())
    }
}

#[derive(Args)]
pub struct Explain {
    /// A stock kernel, FILE.rs or FILE.rs:function
    kernel: String,
    #[command(flatten)]
    target: Target,
    /// Also draws the main loop in time into this folder, as iteration.svg, and for sm_90a shared memory as memory.svg
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
}

impl Explain {
    pub fn run(&self) -> Outcome {
        let (program, compiled) = self.target.compile(&self.kernel)?;
        println!("{program}");
        let attention = &compiled.attention;
        let interval = &attention.seen;
        let end = |bound: &Option<flashpage::codegen::analysis::bounds::Bound>, none: &str| match bound {
            Some(bound) => bound.show(&program),
            None => none.to_owned(),
        };
        println!("columns seen by a row");
        println!("  from        {}", end(&interval.lo, "the first"));
        println!("  to          {}", end(&interval.hi, "the last"));
        let inside = if interval.exact {
            "all kept: tiles inside run without a mask"
        } else {
            "kept where the mask says, element by element"
        };
        println!("  between     {inside}");
        println!();
        print!("{}", compiled.schedule);
        if let Some(said) = overlap(&compiled) {
            println!("  overlap     {said}");
        }
        if let Some(row) = RolesRow::of(&self.target.spec(&program), attention) {
            let larger = if row.head_dim == compiled.schedule.head_dim {
                ""
            } else {
                ", the next larger that has one"
            };
            println!("  chosen by   the row of {row}{larger}");
            if !row.why.is_empty() {
                println!("              {}", row.why);
            }
        }
        println!();
        if let Some(path) = &self.svg {
            let pictures = [
                ("memory.svg", picture::memory(&compiled.schedule, &compiled.plan)),
                ("iteration.svg", picture::iteration(&compiled.schedule, &compiled.plan)),
            ];
            for (name, drawn) in pictures {
                let Some(drawn) = drawn else { continue };
                let file = path.join(name);
                std::fs::create_dir_all(path)
                    .and_then(|()| std::fs::write(&file, drawn))
                    .map_err(|e| Failure::Usage(format!("{}: {e}", file.display())))?;
            }
        }
        println!(
            "plan, which the PTX follows step by step: X@0 is of this tile of columns, X@1 of the one before it"
        );
        for line in compiled.plan.to_string().lines() {
            println!("  {line}");
        }
        println!();
        if let Some(timeline) = compiled.plan.timeline() {
            println!("the same plan, run");
            for line in timeline.to_string().lines() {
                println!("  {line}");
            }
            println!();
        }
        println!("entry {} of {} threads", compiled.entry, compiled.block[0]);
        for arg in &compiled.abi {
            println!("  {:<20} {}", arg.name, arg.meaning.describe(&program));
        }
        Ok(())
    }
}

/// What the assembler makes of the main loop's overlap, which the timeline draws as the source has it. `None` of a kernel
/// that has none.
fn overlap(compiled: &Compiled) -> Option<String> {
    let Schedule::Roles(roles) = compiled.schedule else { return None };
    let schedule = compiled.schedule;
    let read = || -> Result<Option<f64>, String> {
        let tools = Tools::find().map_err(|error| error.to_string())?;
        let code = tools.read(schedule.arch().as_str(), &compiled.text(), schedule.of_score());
        Ok(code.map_err(|error| error.to_string())?.late_exponentials())
    };
    Some(match read() {
        Ok(Some(late)) => format!(
            "in the machine code {:.0} % of the worst loop's exponentials stand behind the wait for O += P V:\n              \
             {}",
            100.0 * late,
            match roles.consumers() {
                1 => "no products go on beside these",
                _ => "products of the other consumers alone go on beside these",
            }
        ),
        Ok(None) => "the machine code has no loop that waits for products twice".to_owned(),
        Err(why) => format!("as the source has it; what the assembler makes of it is not known here: {why}"),
    })
}
