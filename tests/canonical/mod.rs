//! A kernel in a form that does not change where nothing changes that runs: registers and labels are numbered as they
//! first appear, comments and parameters that nobody reads are gone.

use flashpage::codegen::Compiled;
use flashpage::codegen::abi::SHARED_TILES;
use flashpage::ptx::ast::{Function, Instruction, Item, Name, Operand, Statement};
use flashpage::ptx::print;
use flashpage::ptx::words::Type;
use std::collections::{BTreeSet, HashMap};

/// The text of a kernel in canonical form: what it is launched with, the parameters that it reads, its PTX.
pub fn canonical(compiled: &Compiled) -> String {
    let mut module = compiled.module.clone();
    module.items.retain(|item| !matches!(item, Item::Comment(_)));
    let mut read = BTreeSet::new();
    for item in &mut module.items {
        if let Item::Function(function) = item {
            read = renumber(function);
        }
    }
    let mut text = format!("{:?} threads, {} bytes\n", compiled.block, compiled.dynamic_shared_bytes);
    for arg in compiled.abi.iter().filter(|arg| read.contains(arg.name.as_str())) {
        text += &format!("{:?} {:?}\n", arg.ty, arg.meaning);
    }
    text + &print(&module)
}

/// The first 64 bits of what tells two texts apart: FNV-1a, as its authors give it.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// New names for old.
#[derive(Default)]
struct Names {
    types: HashMap<String, Type>,
    new: HashMap<Name, Name>,
    counts: HashMap<String, usize>,
    /// Names that are parameters, and those of them that something reads.
    params: BTreeSet<String>,
    read: BTreeSet<String>,
}

/// Renumbers a function, and gives the names of the parameters that it reads.
fn renumber(function: &mut Function) -> BTreeSet<String> {
    let mut names =
        Names { params: function.params.iter().map(|p| p.name.to_string()).collect(), ..Names::default() };
    let body = function.body.get_or_insert_default();
    for statement in body.iter() {
        if let Statement::Registers(registers) = statement {
            match registers.count {
                None => _ = names.types.insert(registers.name.to_string(), registers.ty),
                Some(count) => {
                    names.types.extend((0..count).map(|n| (format!("{}{n}", registers.name), registers.ty)))
                }
            }
        }
    }
    body.retain(|statement| {
        !matches!(statement, Statement::Comment(_) | Statement::Pragma(_) | Statement::Registers(_))
    });
    for statement in body {
        match statement {
            Statement::Label(name, _) => names.label(name),
            Statement::Instruction(instruction) => names.instruction(instruction),
            other => panic!("no kernel of ours has {other:?}"),
        }
    }
    function.params.retain(|param| names.read.contains(&*param.name));
    names.read
}

impl Names {
    fn rename(&mut self, name: &mut Name, kind: &str) {
        let counts = &mut self.counts;
        let new = self.new.entry(name.clone()).or_insert_with(|| {
            let count = counts.entry(kind.to_owned()).or_default();
            *count += 1;
            format!("{kind}{}", *count - 1).into()
        });
        *name = new.clone();
    }

    fn label(&mut self, name: &mut Name) {
        self.rename(name, "label");
    }

    fn register(&mut self, name: &mut Name) {
        let ty = self.types.get(&**name).unwrap_or_else(|| panic!("{name} is not declared"));
        let kind = format!("%{}_", ty.as_str());
        self.rename(name, &kind);
    }

    fn instruction(&mut self, instruction: &mut Instruction) {
        if let Some(guard) = &mut instruction.guard {
            self.register(&mut guard.predicate);
        }
        instruction.operands.iter_mut().for_each(|operand| self.operand(operand));
    }

    fn operand(&mut self, operand: &mut Operand) {
        match operand {
            Operand::Register(name, _) | Operand::Lanes(name, _) => self.register(name),
            Operand::Symbol { name, .. } if self.params.contains(&**name) => {
                self.read.insert(name.to_string());
            }
            // Shared memory keeps its name; any other symbol is a label.
            Operand::Symbol { name, .. } if **name == *SHARED_TILES => {}
            Operand::Symbol { name, .. } => self.label(name),
            Operand::Address { base, .. } | Operand::Not(base) | Operand::Negate(base) => self.operand(base),
            Operand::AddressList(list) | Operand::Vector(list) | Operand::List(list) => {
                list.iter_mut().for_each(|operand| self.operand(operand));
            }
            Operand::Pair(a, b) => {
                self.operand(a);
                self.operand(b);
            }
            Operand::Special(..)
            | Operand::Environment(_)
            | Operand::Int(_)
            | Operand::F32(_)
            | Operand::F64(_)
            | Operand::Sink => {}
        }
    }
}
