use super::kernel::Kernel;
use crate::attention::Attention;
use crate::program::Program;
use crate::schedule::Schedule;
use crate::spec::Spec;
use flashpage_ptx::ast::Function;

/// Lowers to an entry function.
pub(super) fn lower(
    entry: &str,
    program: &Program,
    attention: &Attention,
    schedule: &Schedule,
    spec: &Spec,
) -> Function {
    let mut k = Kernel::new(entry, program, attention, schedule, spec);
    k.parameters();
    k.b.ret();
    k.finish()
}
