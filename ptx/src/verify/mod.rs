//! What can be known of a module without running it.
//!
//! This file resolves names: every register, label, variable and function that is used is declared once and
//! visible. The rules of single instructions are in [`operands`] (how many there are and of what class) and
//! [`requires`] (the PTX version and target they need); [`flow`] finds registers that nothing has written.
//!
//! Invariant: no false alarms. What ptxas takes passes here; what passes here may still be refused by ptxas.

mod flow;
mod operands;
mod requires;

use crate::ast::*;
use crate::words::{Opcode, Space, Type};
use hashbrown::{HashMap, HashSet};
use std::fmt;

/// Something wrong with a module.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Line of the text it stands on, from 1; 0 for what was built.
    pub line: u32,
    /// What is wrong and the way out.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Everything found wrong with a module, in the order of its text; nothing for a good one.
pub fn verify(module: &Module) -> Vec<Problem> {
    let mut problems = Vec::new();
    let target = requires::Target::of(module);
    let mut globals: HashMap<&str, bool> = HashMap::new();
    for item in &module.items {
        let (name, is_definition, line) = match item {
            Item::Variable(v) => (&v.name, v.linkage != Linkage::Extern, v.line),
            Item::Function(f) => (&f.name, f.body.is_some(), f.line),
            Item::Comment(_) => continue,
        };
        let defined = globals.entry(name).or_insert(false);
        if *defined && is_definition {
            let message = format!("`{name}` is defined twice: rename one of them");
            problems.push(Problem { line, message });
        }
        *defined |= is_definition;
    }
    for item in &module.items {
        if let Item::Function(function) = item {
            target.check_function(function, &mut problems);
            if let Some(body) = &function.body {
                let mut checker = Checker::new(&globals, &target);
                checker.function(function, body);
                checker.check_flow();
                checker.problems.sort_by_key(|problem| problem.line);
                problems.append(&mut checker.problems);
            }
        }
    }
    problems
}

/// A declared register.
#[derive(Clone, Copy, Debug)]
struct Register {
    /// Numbers the registers of a function.
    id: usize,
    ty: Type,
    vector: Option<u32>,
}

/// What one pair of braces declares.
#[derive(Default)]
struct Scope<'a> {
    /// Registers met so far, one by one.
    registers: HashMap<&'a str, Register>,
    /// `.reg .b32 %r<5>`: the count and the types by prefix.
    families: HashMap<&'a str, &'a RegisterDeclaration>,
    /// Variables and parameters.
    variables: HashSet<&'a str>,
    /// Labels, with the number of the instruction after each.
    labels: HashMap<&'a str, usize>,
    /// `.branchtargets` by name.
    target_lists: HashMap<&'a str, &'a [Name]>,
    /// `.callprototype` by name.
    prototypes: HashSet<&'a str>,
}

/// An instruction with its names resolved.
#[derive(Default)]
struct Step<'a> {
    instruction: Option<&'a Instruction>,
    reads: Vec<usize>,
    writes: Vec<usize>,
    /// Where it may jump to, as numbers of instructions.
    targets: Vec<usize>,
}

struct Checker<'a> {
    globals: &'a HashMap<&'a str, bool>,
    target: &'a requires::Target,
    scopes: Vec<Scope<'a>>,
    /// Names of all registers that were used, by number.
    registers: Vec<&'a str>,
    /// Registers that hold a value when the function begins.
    initial: Vec<usize>,
    steps: Vec<Step<'a>>,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    fn new(globals: &'a HashMap<&'a str, bool>, target: &'a requires::Target) -> Self {
        Checker {
            globals,
            target,
            scopes: Vec::new(),
            registers: Vec::new(),
            initial: Vec::new(),
            steps: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn problem(&mut self, line: u32, message: String) {
        self.problems.push(Problem { line, message });
    }

    fn function(&mut self, function: &'a Function, body: &'a [Statement]) {
        self.scopes.push(Scope::default());
        for param in function.params.iter().chain(&function.returns) {
            self.declare_variable(param);
            if param.space == Space::Reg
                && let Some(register) = self.register(&param.name)
            {
                self.initial.push(register.id);
            }
        }
        let mut next = 0;
        self.block(body, &mut next);
        self.scopes.pop();
    }

    /// Checks a block inside the scope that is already open; `next` counts instructions as they will be numbered.
    fn block(&mut self, statements: &'a [Statement], next: &mut usize) {
        self.find_labels(statements, *next);
        for statement in statements {
            match statement {
                Statement::Registers(declaration) => self.declare_registers(declaration),
                Statement::Variable(variable) => self.declare_variable(variable),
                Statement::Instruction(instruction) => {
                    *next += 1;
                    self.instruction(instruction);
                }
                Statement::Block(inner) => {
                    self.scopes.push(Scope::default());
                    self.block(inner, next);
                    self.scopes.pop();
                }
                Statement::Label(..)
                | Statement::BranchTargets { .. }
                | Statement::CallPrototype(_)
                | Statement::Comment(_)
                | Statement::Pragma(_) => {}
            }
        }
    }

    /// Labels are visible before they stand in the text.
    fn find_labels(&mut self, statements: &'a [Statement], first: usize) {
        fn count(statements: &[Statement]) -> usize {
            statements
                .iter()
                .map(|s| match s {
                    Statement::Instruction(_) => 1,
                    Statement::Block(inner) => count(inner),
                    _ => 0,
                })
                .sum()
        }
        let mut at = first;
        for statement in statements {
            match statement {
                Statement::Label(name, line) => {
                    if self.innermost().labels.insert(name, at).is_some() {
                        self.problem(
                            *line,
                            format!("label `{name}` stands twice in one block: rename one of them"),
                        );
                    }
                }
                Statement::BranchTargets { name, targets } => {
                    self.innermost().target_lists.insert(name, targets);
                }
                Statement::CallPrototype(name) => {
                    self.innermost().prototypes.insert(name);
                }
                other => at += count(std::slice::from_ref(other)),
            }
        }
    }

    fn innermost(&mut self) -> &mut Scope<'a> {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    fn declare_variable(&mut self, variable: &'a Variable) {
        let name: &str = &variable.name;
        if variable.space == Space::Reg {
            return self.new_register(name, variable.ty, variable.vector, variable.line);
        }
        // A parameter whose name is `_` is not meant to be used.
        if name != "_" && !self.innermost().variables.insert(name) {
            self.problem(
                variable.line,
                format!("`{name}` is declared twice in one block: rename one of them"),
            );
        }
    }

    fn declare_registers(&mut self, declaration: &'a RegisterDeclaration) {
        if declaration.count.is_none() {
            return self.new_register(
                &declaration.name,
                declaration.ty,
                declaration.vector,
                declaration.line,
            );
        }
        if self.innermost().families.insert(&declaration.name, declaration).is_some() {
            let message = format!(
                "registers `{}<…>` are declared twice in one block: make it one declaration",
                declaration.name
            );
            self.problem(declaration.line, message);
        }
    }

    fn new_register(&mut self, name: &'a str, ty: Type, vector: Option<u32>, line: u32) {
        let id = self.registers.len();
        self.registers.push(name);
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let in_family = self.innermost().families.get(stem).is_some_and(|family| {
            let number = &name[stem.len()..];
            number.parse::<u32>().is_ok_and(|n| Some(n) < family.count && n.to_string() == number)
        });
        if self.innermost().registers.insert(name, Register { id, ty, vector }).is_some() || in_family {
            self.problem(line, format!("register `{name}` is declared twice in one block: drop one of them"));
        }
    }

    /// The register that `name` means here.
    fn register(&mut self, name: &'a str) -> Option<Register> {
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        for scope in self.scopes.iter_mut().rev() {
            if let Some(register) = scope.registers.get(name) {
                return Some(*register);
            }
            if scope.families.is_empty() {
                continue;
            }
            // A family's own name may end in digits, so every split is tried; numbers have ten digits at most.
            for taken in 1..=digits.min(10) {
                let (prefix, number) = name.split_at(name.len() - taken);
                if taken > 1 && number.starts_with('0') {
                    continue;
                }
                let Some(family) = scope.families.get(prefix) else { continue };
                if number.parse::<u32>().is_ok_and(|n| Some(n) < family.count) {
                    let register =
                        Register { id: self.registers.len(), ty: family.ty, vector: family.vector };
                    self.registers.push(name);
                    scope.registers.insert(name, register);
                    return Some(register);
                }
            }
        }
        None
    }

    fn instruction(&mut self, instruction: &'a Instruction) {
        let line = instruction.line;
        let mut step = Step { instruction: Some(instruction), ..Step::default() };
        if let Some(guard) = &instruction.guard
            && let Some(register) = self.use_register(&guard.predicate, line)
        {
            step.reads.push(register.id);
            if register.ty != Type::Pred {
                let (name, ty) = (&guard.predicate, register.ty);
                self.problem(
                    line,
                    format!("`@{name}` guards with a .{ty} register: it takes a .pred one (setp)"),
                );
            }
        }
        let written = operands::writes(instruction);
        for (index, operand) in instruction.operands.iter().enumerate() {
            self.operand(operand, instruction, index, written == Some(index), &mut step);
        }
        let messages = operands::check(instruction, &|name| self.type_of(name));
        for message in messages {
            self.problem(line, message);
        }
        self.target.check(instruction, &mut self.problems);
        self.steps.push(step);
    }

    /// The declared type of a register that was met before.
    fn type_of(&self, name: &str) -> Option<Type> {
        let register = self.scopes.iter().rev().find_map(|scope| scope.registers.get(name))?;
        // A vector register stands for its components, one of which is of the type.
        register.vector.is_none().then_some(register.ty)
    }

    fn use_register(&mut self, name: &'a str, line: u32) -> Option<Register> {
        let register = self.register(name);
        if register.is_none() {
            self.problem(
                line,
                format!("register `{name}` is not declared: declare it with `.reg` in this block"),
            );
        }
        register
    }

    fn operand(
        &mut self,
        operand: &'a Operand,
        of: &'a Instruction,
        index: usize,
        written: bool,
        step: &mut Step<'a>,
    ) {
        match operand {
            Operand::Register(name, _) | Operand::Lanes(name, _) => {
                if let Some(register) = self.use_register(name, of.line) {
                    if written { step.writes.push(register.id) } else { step.reads.push(register.id) }
                }
            }
            Operand::Special(special, _) => self.target.check_special(*special, of.line, &mut self.problems),
            Operand::Symbol { name, .. } => self.symbol(name, of, index, step),
            // What is written through an address is memory; the address is read.
            Operand::Address { base, .. } => self.operand(base, of, index, false, step),
            Operand::AddressList(items) => {
                for item in items {
                    self.operand(item, of, index, false, step);
                }
            }
            Operand::Vector(items) | Operand::List(items) => {
                for item in items {
                    self.operand(item, of, index, written, step);
                }
            }
            Operand::Pair(first, second) => {
                self.operand(first, of, index, written, step);
                self.operand(second, of, index, written, step);
            }
            Operand::Not(inner) | Operand::Negate(inner) => self.operand(inner, of, index, written, step),
            Operand::Int(_) | Operand::F32(_) | Operand::F64(_) | Operand::Environment(_) | Operand::Sink => {
            }
        }
    }

    fn label(&self, name: &str) -> Option<usize> {
        self.scopes.iter().rev().find_map(|scope| scope.labels.get(name).copied())
    }

    fn symbol(&mut self, name: &'a str, of: &'a Instruction, index: usize, step: &mut Step<'a>) {
        let line = of.line;
        if of.op == Opcode::Bra {
            match self.label(name) {
                Some(at) => step.targets.push(at),
                None => self.problem(line, format!("label `{name}` is not in this block or one around it")),
            }
        } else if of.op == Opcode::Brx && index == 1 {
            let Some(list) = self.scopes.iter().rev().find_map(|s| s.target_lists.get(name).copied()) else {
                return self.problem(
                    line,
                    format!("`{name}` is no `.branchtargets` list: write `{name}: .branchtargets …;`"),
                );
            };
            for target in list {
                match self.label(target) {
                    Some(at) => step.targets.push(at),
                    None => self.problem(
                        line,
                        format!("label `{target}` of `{name}` is not in this block or one around it"),
                    ),
                }
            }
        } else {
            let known = self.globals.contains_key(name)
                || self.scopes.iter().any(|scope| {
                    scope.variables.contains(name)
                        || scope.labels.contains_key(name)
                        || (of.op == Opcode::Call && scope.prototypes.contains(name))
                });
            if !known {
                let what =
                    if of.op == Opcode::Call { "a function, variable or prototype" } else { "a variable" };
                self.problem(
                    line,
                    format!("`{name}` is not declared: declare it as {what}, or as a register with `.reg`"),
                );
            }
        }
    }

    fn check_flow(&mut self) {
        for (register, line) in flow::never_written(&self.steps, self.registers.len(), &self.initial) {
            let name = self.registers[register];
            self.problem(
                line,
                format!("register `{name}` is read, and nothing before it writes it: write it first"),
            );
        }
    }
}

/// Whether control never goes on to the next instruction.
fn ends(instruction: &Instruction) -> bool {
    let leaves =
        matches!(instruction.op, Opcode::Bra | Opcode::Brx | Opcode::Ret | Opcode::Exit | Opcode::Trap);
    leaves && instruction.guard.is_none()
}
