use crate::Outcome;
use clap::Args;
#[derive(Args)]
pub struct MakeCase {}
impl MakeCase {
    pub fn run(&self) -> Outcome {
        Ok(())
    }
}
