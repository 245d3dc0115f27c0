//! The parameters that the entries of a module declare.
//!
//! A driver reads as many parameters as the entry has, and as many bytes of each, from wherever it is pointed
//! to: so what it is given is held against the text first.

use flashpage_ptx::ast::{Item, Module, Variable};
use std::collections::BTreeMap;

/// Names and sizes in bytes of the parameters of each entry.
#[derive(Clone, Debug)]
pub(crate) struct Signatures(BTreeMap<String, Vec<(String, u64)>>);

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
        let entries = module.items.iter().filter_map(|item| match item {
            Item::Function(f) if f.is_entry => {
                let params = f.params.iter().map(|param| (param.name.to_string(), bytes(param))).collect();
                Some((f.name.to_string(), params))
            }
            _ => None,
        });
        Signatures(entries.collect())
    }

    /// Holds parameters against an entry.
    pub(crate) fn check(&self, entry: &str, params: &[Vec<u8>]) -> Result<(), Misfit> {
        let Some(signature) = self.0.get(entry) else {
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
}
