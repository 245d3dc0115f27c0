//! The parameters that the entries of a module declare, and whether they wait for the launch before them.
//!
//! A driver reads as many parameters as the entry has, and as many bytes of each, from wherever it is pointed
//! to: so what it is given is held against the text first.

use flashpage_ptx::ast::{Function, Item, Module, Statement, Variable};
use flashpage_ptx::words::{Opcode, Word};
use std::collections::BTreeMap;

/// What is known of each entry.
#[derive(Clone, Debug)]
pub(crate) struct Signatures(BTreeMap<String, Signature>);

#[derive(Clone, Debug)]
struct Signature {
    /// Names and sizes in bytes.
    params: Vec<(String, u64)>,
    /// Whether there is a `griddepcontrol.wait` in it, or in a function that it may call.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code))]
    waits: bool,
}

/// Why parameters do not fit an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// There is no such entry; these are there.
    NoEntry(Vec<String>),
    /// Of all parameters.
    Count(String),
    /// Of one parameter.
    Size(usize, String),
}

impl Signatures {
    pub(crate) fn of(module: &Module) -> Signatures {
        let functions = || {
            module.items.iter().filter_map(|item| match item {
                Item::Function(f) => Some(f),
                _ => None,
            })
        };
        let waits = |f: &Function| waits(f.body.as_deref().unwrap_or_default());
        let called = functions().any(|f| !f.is_entry && waits(f));
        let entries = functions().filter(|f| f.is_entry).map(|f| {
            let params = f.params.iter().map(|param| (param.name.to_string(), bytes(param))).collect();
            (f.name.to_string(), Signature { params, waits: called || waits(f) })
        });
        Signatures(entries.collect())
    }

    /// Whether an entry waits for the launch before it.
    #[cfg(feature = "cuda")]
    pub(crate) fn waits(&self, entry: &str) -> bool {
        self.0.get(entry).is_some_and(|signature| signature.waits)
    }

    /// Holds parameters against an entry.
    pub(crate) fn check(&self, entry: &str, params: &[Vec<u8>]) -> Result<(), Misfit> {
        let Some(Signature { params: signature, .. }) = self.0.get(entry) else {
            return Err(Misfit::NoEntry(self.0.keys().cloned().collect()));
        };
        if signature.len() != params.len() {
            let (takes, given) = (signature.len(), params.len());
            return Err(Misfit::Count(format!("`{entry}` takes {takes} parameters, and {given} are given")));
        }
        for (index, ((name, size), bytes)) in signature.iter().zip(params).enumerate() {
            if *size != bytes.len() as u64 {
                let given = bytes.len();
                return Err(Misfit::Size(
                    index,
                    format!("parameter `{name}` has {size} bytes, and {given} are given"),
                ));
            }
        }
        Ok(())
    }
}

/// Whether `griddepcontrol.wait` is among these statements.
fn waits(statements: &[Statement]) -> bool {
    statements.iter().any(|statement| match statement {
        Statement::Instruction(i) => i.op == Opcode::Griddepcontrol && i.has(Word::Wait),
        Statement::Block(inner) => waits(inner),
        _ => false,
    })
}

/// Size of a parameter.
fn bytes(param: &Variable) -> u64 {
    let elements = param.dims.iter().fold(1u64, |product, dim| product.saturating_mul(dim.unwrap_or(0)));
    elements.saturating_mul(u64::from(param.ty.bytes()) * u64::from(param.vector.unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_held_against_the_text() {
        let text = ".version 7.0\n.target sm_80\n.address_size 64\n\
            .entry k(.param .u64 a, .param .v2 .f32 n, .param .align 8 .b8 s[4][4]) { ret; }\n.entry none { ret; }";
        let signatures = Signatures::of(&flashpage_ptx::parse(text).unwrap());
        let table = [
            ("k", vec![8, 8, 16], Ok(())),
            ("none", vec![], Ok(())),
            ("k", vec![8], Err(Misfit::Count("`k` takes 3 parameters, and 1 are given".into()))),
            ("k", vec![8, 4, 16], Err(Misfit::Size(1, "parameter `n` has 8 bytes, and 4 are given".into()))),
            ("m", vec![], Err(Misfit::NoEntry(vec!["k".into(), "none".into()]))),
        ];
        for (entry, sizes, expected) in table {
            let params: Vec<Vec<u8>> = sizes.iter().map(|size| vec![0; *size]).collect();
            assert_eq!(signatures.check(entry, &params), expected, "{entry} {sizes:?}");
        }
    }

    #[test]
    #[cfg(feature = "cuda")]
    fn entries_that_wait() {
        let wait = "griddepcontrol.wait;";
        let table = [
            (format!(".entry k {{ {wait} ret; }}"), true),
            (format!(".entry k {{ ret; }} .entry m {{ {wait} ret; }}"), false),
            (format!(".entry k {{ {{ {wait} }} ret; }}"), true),
            (format!(".func f {{ {wait} ret; }} .entry k {{ call f; ret; }}"), true),
            (".entry k { griddepcontrol.launch_dependents; ret; }".to_string(), false),
            (".entry m { ret; }".to_string(), false),
        ];
        for (text, expected) in table {
            let module = format!(".version 8.0\n.target sm_90\n.address_size 64\n{text}");
            let signatures = Signatures::of(&flashpage_ptx::parse(&module).unwrap());
            assert_eq!(signatures.waits("k"), expected, "{text}");
        }
    }
}
