//! `kgen report`: what a run left behind, as a report, one document and plots; the newest run's table in a README.

use crate::{Failure, Outcome};
use clap::Args;
use flashpage_measure::results::merge::Results;
use flashpage_measure::results::read::{ReadError, Run};
use flashpage_measure::results::{markdown, plot, readme, svg, write};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct Report {
    /// Folders of runs; with --readme also folders of such folders, as bench/results
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Put the newest run on hardware between the marks of this file, and write nothing else
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,
    /// Write nothing: exit 1 if the README is not up to date
    #[arg(long, requires = "readme")]
    check: bool,
    /// Print results.json, and write nothing
    #[arg(long, conflicts_with = "readme")]
    json: bool,
}

impl Report {
    pub fn run(&self) -> Outcome {
        if let Some(file) = &self.readme {
            return self.readme(file);
        }
        for folder in &self.folders {
            let results = read(folder)?;
            if self.json {
                print!("{}", results.json()?);
            } else {
                report(folder, &results)?;
            }
        }
        Ok(())
    }

    fn readme(&self, file: &Path) -> Outcome {
        let mut runs = Vec::new();
        for folder in &self.folders {
            for folder in runs_in(folder)? {
                let results = read(&folder)?;
                runs.push((link(file, &folder)?, results));
            }
        }
        let was = std::fs::read_to_string(file).map_err(|error| wrong(file, error))?;
        let block = readme::block(readme::newest(&runs));
        let text = readme::with_results(&was, &block).map_err(|error| wrong(file, error))?;
        match (was == text, self.check) {
            (true, _) => println!("{} is up to date", file.display()),
            (false, false) => {
                write::whole(file, &text)?;
                println!("wrote {}", file.display());
            }
            (false, true) => {
                println!("{} is not up to date: run this again without --check", file.display());
                return Err(Failure::Check);
            }
        }
        Ok(())
    }
}

fn report(folder: &Path, results: &Results) -> Outcome {
    let plots = plot::plots(results);
    let mut files = vec![("results.json".to_owned(), results.json()?)];
    for plot in &plots {
        files.push((plot.file.clone(), svg::draw(plot)?));
    }
    files.push(("report.md".to_owned(), markdown::report(results, &plots)));
    for (name, text) in files {
        let path = folder.join(name);
        write::whole(&path, &text)?;
        println!("wrote {}", path.display());
    }
    for line in markdown::verdict(results) {
        println!("{line}");
    }
    // A rehearsal is not kept.
    if let Some(name) = results.name().filter(|_| !results.emulated()) {
        println!("to keep it, move the folder to bench/results/{name}");
    }
    Ok(())
}

fn read(folder: &Path) -> Result<Results, Failure> {
    match Run::read(folder) {
        Ok(run) => Ok(Results::of(&run)),
        Err(error @ ReadError::TimeInEmulatedRun { .. }) => {
            eprintln!("kgen: {}: {error}", folder.display());
            Err(Failure::Check)
        }
        Err(error) => Err(error.into()),
    }
}

/// The folder itself where a run lies in it, else the runs in its folders.
fn runs_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    if Run::lies_in(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let entries = std::fs::read_dir(folder).map_err(|error| wrong(folder, error))?;
    let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(|error| wrong(folder, error))?;
    let mut folders: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    folders.retain(|folder| Run::lies_in(folder));
    folders.sort();
    Ok(folders)
}

/// A folder as a link in a README names it: from where the README lies, however the two were written.
fn link(readme: &Path, folder: &Path) -> Result<String, Failure> {
    let readme = readme.canonicalize().map_err(|error| wrong(readme, error))?;
    let whole = folder.canonicalize().map_err(|error| wrong(folder, error))?;
    let link = readme.parent().and_then(|beside| whole.strip_prefix(beside).ok());
    let link =
        link.ok_or_else(|| wrong(folder, format!("it does not lie below {}'s folder", readme.display())))?;
    Ok(link.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"))
}

fn wrong(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::Usage(format!("{}: {error}", path.display()))
}
