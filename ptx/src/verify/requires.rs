//! Which PTX version and target an instruction needs, from the "PTX ISA Notes" and "Target ISA Notes" that
//! end each section of the PTX ISA. Only what attention kernels are made of; the rest passes.

use super::Problem;
use crate::ast::{Function, Instruction, Mod, Module};
use crate::words::{Opcode, Space, Special, Type, Word};

/// What a module says it is for.
pub(super) struct Target {
    version: (u32, u32),
    /// `90` of `sm_90a`; `None` if it is spelled otherwise.
    architecture: Option<u32>,
    /// `sm_90a` rather than `sm_90`.
    is_specific: bool,
}

/// What an instruction needs.
#[derive(Clone, Copy)]
struct Need {
    version: (u32, u32),
    architecture: u32,
    /// Only on that architecture's `a` target.
    is_specific: bool,
}

const fn need(major: u32, minor: u32, architecture: u32) -> Need {
    Need { version: (major, minor), architecture, is_specific: false }
}

const fn specific(major: u32, minor: u32, architecture: u32) -> Need {
    Need { version: (major, minor), architecture, is_specific: true }
}

impl Target {
    pub(super) fn of(module: &Module) -> Target {
        let named = module.target.iter().find_map(|t| t.strip_prefix("sm_")).unwrap_or("");
        let digits = named.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        Target {
            version: module.version,
            architecture: digits.parse().ok(),
            is_specific: named.ends_with('a'),
        }
    }

    /// Holds `what` on `line` against the module's version and target.
    fn hold(&self, what: &str, line: u32, need: Need, problems: &mut Vec<Problem>) {
        let (major, minor) = need.version;
        if self.version < need.version {
            let (has_major, has_minor) = self.version;
            let message = format!(
                "{what} needs PTX {major}.{minor}, and the module says .version {has_major}.{has_minor}: raise it"
            );
            problems.push(Problem { line, message });
        }
        let Some(architecture) = self.architecture else { return };
        let fits = if need.is_specific {
            architecture == need.architecture && self.is_specific
        } else {
            architecture >= need.architecture
        };
        if !fits {
            let suffix = if need.is_specific { "a" } else { "" };
            let own = if self.is_specific { "a" } else { "" };
            let or_higher = if need.is_specific { "" } else { " or higher" };
            let message = format!(
                "{what} needs sm_{}{suffix}{or_higher}, and the module says .target sm_{architecture}{own}",
                need.architecture
            );
            problems.push(Problem { line, message });
        }
    }

    /// One instruction.
    pub(super) fn check(&self, instruction: &Instruction, problems: &mut Vec<Problem>) {
        for (what, need) in needs(instruction) {
            self.hold(&format!("`{}{what}`", instruction.op), instruction.line, need, problems);
        }
    }

    /// A special register.
    pub(super) fn check_special(&self, special: Special, line: u32, problems: &mut Vec<Problem>) {
        use Special::*;
        if matches!(
            special,
            Clusterid
                | Nclusterid
                | ClusterCtaid
                | ClusterNctaid
                | ClusterCtarank
                | ClusterNctarank
                | IsExplicitCluster
        ) {
            self.hold(&format!("`%{special}`"), line, need(7, 8, 90), problems);
        }
    }

    /// A function's directives.
    pub(super) fn check_function(&self, function: &Function, problems: &mut Vec<Problem>) {
        for (word, _) in &function.directives {
            if matches!(word.as_str(), "reqnctapercluster" | "explicitcluster" | "maxclusterrank") {
                self.hold(&format!("`.{word}`"), function.line, need(7, 8, 90), problems);
            }
        }
    }
}

/// What an instruction needs, each with the modifiers that make it so.
fn needs(instruction: &Instruction) -> Vec<(&'static str, Need)> {
    let has = |word| instruction.has(word);
    let ty = instruction.ty(0);
    let is_bf16 = matches!(ty, Some(Type::Bf16 | Type::Bf16x2));
    let is_f16 = matches!(ty, Some(Type::F16 | Type::F16x2));
    let one = match instruction.op {
        Opcode::Mma => mma(instruction),
        Opcode::Ldmatrix => ("", need(6, 5, 75)),
        Opcode::Movmatrix => ("", need(7, 8, 75)),
        Opcode::Stmatrix => ("", need(7, 8, 90)),
        Opcode::Wgmma => ("", specific(8, 0, 90)),
        Opcode::Setmaxnreg => ("", specific(8, 0, 90)),
        Opcode::Cp if has(Word::Bulk) && has(Word::Tensor) => (".async.bulk.tensor", need(8, 0, 90)),
        Opcode::Cp if has(Word::Bulk) => (".async.bulk", need(8, 0, 90)),
        Opcode::Cp if has(Word::L2128B) => (".async.L2::128B", need(7, 4, 80)),
        Opcode::Cp => (".async", need(7, 0, 80)),
        Opcode::Mbarrier if has(Word::TryWait) => (".try_wait", need(7, 8, 90)),
        Opcode::Mbarrier if has(Word::ExpectTx) => (".expect_tx", need(8, 0, 90)),
        Opcode::Mbarrier if has(Word::CompleteTx) => (".complete_tx", need(8, 0, 90)),
        Opcode::Mbarrier => ("", need(7, 0, 80)),
        Opcode::Fence if has(Word::Proxy) && has(Word::Async) => (".proxy.async", need(8, 0, 90)),
        Opcode::Fence if has(Word::MbarrierInit) => (".mbarrier_init", need(8, 0, 90)),
        Opcode::Barrier if has(Word::Cluster) => (".cluster", need(7, 8, 90)),
        Opcode::Elect => ("", need(8, 0, 90)),
        Opcode::Griddepcontrol | Opcode::Mapa | Opcode::Getctarank => ("", need(7, 8, 90)),
        Opcode::Multimem => ("", need(8, 1, 90)),
        Opcode::Redux => ("", need(7, 0, 80)),
        Opcode::Createpolicy => ("", need(7, 4, 80)),
        Opcode::Prefetch if has(Word::Tensormap) => (".tensormap", need(8, 0, 90)),
        Opcode::Tanh => ("", need(7, 0, if is_bf16 { 90 } else { 75 })),
        Opcode::Ex2 if is_bf16 => (".bf16", need(7, 8, 90)),
        Opcode::Ex2 if is_f16 => (".f16", need(7, 0, 75)),
        Opcode::Fma | Opcode::Max | Opcode::Min | Opcode::Abs | Opcode::Neg if is_bf16 => {
            (".bf16", need(7, 0, 80))
        }
        Opcode::Add | Opcode::Sub | Opcode::Mul if is_bf16 => (".bf16", need(7, 8, 90)),
        Opcode::Cvt
            if [ty, instruction.ty(1)].iter().any(|t| matches!(t, Some(Type::Bf16 | Type::Bf16x2))) =>
        {
            (".bf16", need(7, 0, 80))
        }
        Opcode::Shfl | Opcode::Vote if has(Word::Sync) => (".sync", need(6, 0, 30)),
        Opcode::Match => ("", need(6, 0, 70)),
        Opcode::Nanosleep => ("", need(6, 3, 70)),
        Opcode::Lop3 => ("", need(4, 3, 50)),
        _ => return cluster(instruction).into_iter().collect(),
    };
    std::iter::once(one).chain(cluster(instruction)).collect()
}

/// The shared memory of a cluster and the name of a block's own within it are of one version.
fn cluster(instruction: &Instruction) -> Option<(&'static str, Need)> {
    instruction.mods.iter().find_map(|m| match m {
        Mod::Space(Space::SharedCluster) => Some((" with .shared::cluster", need(7, 8, 90))),
        Mod::Space(Space::SharedCta) => Some((" with .shared::cta", need(7, 8, 30))),
        _ => None,
    })
}

fn mma(instruction: &Instruction) -> (&'static str, Need) {
    let shape = instruction.mods.iter().find_map(|m| match m {
        Mod::Shape { m, n, k } => Some((*m, *n, *k)),
        _ => None,
    });
    match (instruction.ty(1), shape) {
        (Some(Type::E4m3 | Type::E5m2), _) => (" with 8-bit floats", need(8, 4, 89)),
        (Some(Type::F64), Some((16, ..))) => (".m16.f64", need(7, 8, 90)),
        (Some(Type::F16), Some((8, 8, 4))) => (".m8n8k4", need(6, 4, 70)),
        (Some(Type::F16), Some((16, 8, 8))) => (".m16n8k8", need(6, 5, 75)),
        (Some(Type::S8 | Type::U8), Some((8, 8, 16))) => (".m8n8k16", need(6, 5, 75)),
        (Some(Type::S4 | Type::U4), Some((8, 8, 32))) => (".m8n8k32", need(6, 5, 75)),
        (Some(Type::B1), Some((8, 8, 128))) => (".m8n8k128", need(7, 0, 75)),
        _ => ("", need(7, 0, 80)),
    }
}
