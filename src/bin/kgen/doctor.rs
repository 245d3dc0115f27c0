//! `kgen doctor`: what this machine has, what each is for, and how to get what it lacks.

use crate::{Failure, Outcome};
use clap::Args;
use flashpage::measure::doctor::{Finding, examine, machine};
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub struct Doctor {
    /// One JSON array
    #[arg(long)]
    json: bool,
    /// Write what results are recorded with to this file, and print nothing: a run's machine.json
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// With --record: the run is on the emulator
    #[arg(long, requires = "record")]
    emulated: bool,
    /// With --record: how the run was asked for
    #[arg(long, requires = "record", default_value = "full")]
    suite: String,
    /// With --record: the commit of flashpage
    #[arg(long, requires = "record", default_value = "unknown")]
    commit: String,
    /// With --record: a file of lines about clocks, power and temperature during the run
    #[arg(long, requires = "record", value_name = "FILE")]
    samples: Option<PathBuf>,
}

impl Doctor {
    pub fn run(&self) -> Outcome {
        if let Some(path) = &self.record {
            let fail = |path: &PathBuf, error: std::io::Error| {
                Failure::Usage(format!("{}: {error}", path.display()))
            };
            let samples = match &self.samples {
                None => Vec::new(),
                Some(path) => std::fs::read_to_string(path)
                    .map_err(|error| fail(path, error))?
                    .lines()
                    .map(str::to_owned)
                    .collect(),
            };
            let machine = machine(self.emulated, &self.suite, &self.commit, samples);
            let text = serde_json::to_string_pretty(&machine)? + "\n";
            return std::fs::write(path, text).map_err(|error| fail(path, error));
        }
        let findings = examine();
        if self.json {
            let rows: Vec<_> = findings
                .iter()
                .map(|f| {
                    json!({
                        "what": f.what, "found": f.found.as_ref().ok(), "missing": f.found.as_ref().err(),
                        "needed_for": f.needed_for, "how_to_get_it": f.how_to_get_it,
                    })
                })
                .collect();
            println!("{:#}", json!(rows));
            return Ok(());
        }
        for Finding { what, found, needed_for, how_to_get_it } in &findings {
            match found {
                Ok(found) => println!("ok      {what:<16} {found}"),
                Err(why) => println!("missing {what:<16} {why}"),
            }
            println!("        {:<16} for {needed_for}", "");
            if found.is_err() {
                println!("        {:<16} get it: {how_to_get_it}", "");
            }
        }
        println!();
        println!("Compiling, emulating, checking and testing need none of these: only cargo and a C linker.");
        Ok(())
    }
}
