//! Helper kernels for devices with programmatic launches: each waits for the launch before it, and lets the one after it
//! begin.
//!
//! The committed PTX is for compute capability 8.0 and all after it, where `griddepcontrol` is unknown. What is loaded on
//! later devices is the same module, edited as data: another target and version, and two instructions before the first of
//! each entry.

use flashpage_ptx::ast::{Instruction, Item, Mod, Module, Statement};
use flashpage_ptx::words::{Opcode, Word};
use flashpage_ptx::{ParseError, parse};

/// The PTX version and the target that `griddepcontrol` came with (PTX ISA §9.7.13).
const VERSION: (u32, u32) = (7, 8);
const TARGET: &str = "sm_90";

/// The text of a module whose entries begin with `griddepcontrol.wait` and `griddepcontrol.launch_dependents`.
///
/// # Errors
/// It is no PTX.
pub(crate) fn dependent(text: &str) -> Result<String, ParseError> {
    let mut module = parse(text)?;
    edit(&mut module);
    Ok(module.to_string())
}

fn edit(module: &mut Module) {
    module.version = module.version.max(VERSION);
    module.target = vec![TARGET.to_string()];
    let entries = module.items.iter_mut().filter_map(|item| match item {
        Item::Function(function) if function.is_entry => function.body.as_mut(),
        _ => None,
    });
    for body in entries {
        let first = body.iter().position(|statement| matches!(statement, Statement::Instruction(_)));
        let first = first.unwrap_or(body.len());
        let both = [Word::Wait, Word::LaunchDependents].map(|word| {
            Statement::Instruction(Instruction {
                guard: None,
                op: Opcode::Griddepcontrol,
                mods: vec![Mod::Word(word)],
                operands: Vec::new(),
                line: 0,
            })
        });
        body.splice(first..first, both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two instructions come first, and nothing else is changed.
    #[test]
    fn only_the_head_of_each_entry_differs() {
        let committed = parse(flashpage_device_kernels::PTX).unwrap();
        let edited = parse(&dependent(flashpage_device_kernels::PTX).unwrap()).unwrap();
        assert_eq!((edited.version, edited.target.as_slice()), ((7, 8), &["sm_90".to_string()][..]));
        assert!(flashpage_ptx::verify(&edited).is_empty());
        let bodies = |module: &Module| -> Vec<(String, Vec<String>)> {
            let bodies = module.items.iter().filter_map(|item| match item {
                Item::Function(f) => {
                    let instructions = f.body.iter().flatten().filter_map(|statement| match statement {
                        Statement::Instruction(i) => {
                            Some(format!("{:?}", Instruction { line: 0, ..i.clone() }))
                        }
                        _ => None,
                    });
                    Some((f.name.to_string(), instructions.collect()))
                }
                _ => None,
            });
            bodies.collect()
        };
        let (before, after) = (bodies(&committed), bodies(&edited));
        assert!(before.len() > 20 && before.len() == after.len());
        for ((name, before), (other, after)) in before.iter().zip(&after) {
            assert_eq!((name, &before[..]), (other, &after[2..]));
            assert!(
                after[0].contains("[Word(Wait)]") && after[1].contains("[Word(LaunchDependents)]"),
                "{name}"
            );
        }
    }

    #[test]
    fn a_wait_comes_before_the_first_instruction_and_behind_declarations() {
        let text = ".version 8.1\n.target sm_80\n.address_size 64\n.visible .entry k()\n{\n.reg .b32 %r<2>;\nmov.u32 %r1, 0;\nret;\n}\n";
        let edited = dependent(text).unwrap();
        let lines: Vec<&str> = edited.lines().map(str::trim).collect();
        let at = |line: &str| lines.iter().position(|found| found.starts_with(line)).unwrap();
        assert!(lines.contains(&".version 8.1") && lines.contains(&".target sm_90"), "{edited}");
        assert!(at(".reg") < at("griddepcontrol.wait;"), "{edited}");
        assert_eq!(at("griddepcontrol.wait;") + 1, at("griddepcontrol.launch_dependents;"));
        assert_eq!(at("griddepcontrol.launch_dependents;") + 1, at("mov.u32"));
        assert!(dependent("no PTX").is_err());
    }
}
