//! Functions and blocks: what they declare, where it lies, and which labels lead where.

use super::graph::Group;
use super::{Binding, Declared, Decoder, Fail, Fixup, Place, Result, Scope, invalid};
use crate::address::FUNCTION_WINDOW;
use crate::program::{ALWAYS, Constant, Op, Parameter, Reg, Region, StackOp, Touch};
use flashpage_ptx::ast::{Function, Init, Item, Linkage, Module, Name, Operand, Statement, Variable};
use flashpage_ptx::words::{Opcode, Space, Type};
use hashbrown::{HashMap, HashSet};

/// What a caller must know of a function.
#[derive(Clone, Debug)]
pub(super) struct Callee {
    /// Its first instruction.
    pub start: u32,
    /// Row of the way back.
    pub way_back: Reg,
    /// Where its parameters lie.
    pub params: Vec<Formal>,
    /// Where its results lie.
    pub returns: Vec<Formal>,
}

/// A parameter or a result inside the callee.
#[derive(Clone, Copy, Debug)]
pub(super) enum Formal {
    /// Offset in the frame, and bytes.
    Frame(u32, u32),
    /// A register, and whether it has 64 bits.
    Register(Reg, bool),
}

/// The functions that are decoded so far.
#[derive(Debug, Default)]
pub struct FunctionTable {
    pub(super) callees: HashMap<Name, Callee>,
}

/// The function that a call names: the first operand, or the second if the first is the list of results.
pub(super) fn callee_name(operands: &[Operand]) -> Option<&Name> {
    let target = match operands.first()? {
        Operand::List(_) => operands.get(1)?,
        other => other,
    };
    match target {
        Operand::Symbol { name, .. } => Some(name),
        _ => None,
    }
}

/// The module's functions as values. A function has the same address in every kernel.
#[derive(Debug, Default)]
pub struct FunctionAddresses {
    by_name: HashMap<Name, u64>,
    /// Those whose address is taken somewhere in the module: what a call through a register may reach.
    taken: Vec<Name>,
}

impl FunctionAddresses {
    /// Numbers the functions of `module`.
    pub fn of(module: &Module) -> FunctionAddresses {
        fn in_body(body: &[Statement], found: &mut impl FnMut(&Operand)) {
            for statement in body {
                match statement {
                    Statement::Block(inner) => in_body(inner, found),
                    Statement::Instruction(i) if i.op == Opcode::Call => {
                        // The callee and the prototype are named, not taken.
                        i.operands.iter().filter(|o| matches!(o, Operand::List(_))).for_each(&mut *found);
                    }
                    Statement::Instruction(i) => i.operands.iter().for_each(&mut *found),
                    _ => {}
                }
            }
        }
        fn in_value(init: &Init, found: &mut impl FnMut(&Operand)) {
            match init {
                Init::List(list) => list.iter().for_each(|i| in_value(i, found)),
                Init::Value(operand) | Init::MaskedAddress { of: operand, .. } => found(operand),
            }
        }
        let mut all = FunctionAddresses::default();
        for item in &module.items {
            if let Item::Function(f) = item
                && !f.is_entry
            {
                let next = FUNCTION_WINDOW + 16 * all.by_name.len() as u64;
                all.by_name.entry(f.name.clone()).or_insert(next);
            }
        }
        let mut seen = HashSet::new();
        let mut found = |operand: &Operand| {
            let inner = match operand {
                Operand::List(list) => &list[..],
                one => std::slice::from_ref(one),
            };
            for operand in inner {
                if let Operand::Symbol { name, .. } = operand
                    && all.by_name.contains_key(name)
                    && seen.insert(name.clone())
                {
                    all.taken.push(name.clone());
                }
            }
        };
        for item in &module.items {
            match item {
                Item::Function(f) => in_body(f.body.as_deref().unwrap_or_default(), &mut found),
                Item::Variable(v) => v.init.iter().for_each(|init| in_value(init, &mut found)),
                Item::Comment(_) => {}
            }
        }
        all
    }

    /// The address of a function, if that is what `name` is.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.by_name.get(name).copied()
    }

    pub(super) fn taken(&self) -> &[Name] {
        &self.taken
    }
}

/// Bytes of a variable; `None` where a dimension is open.
pub(crate) fn variable_bytes(variable: &Variable) -> Option<u64> {
    let element = variable.ty.bytes() as u64 * variable.vector.unwrap_or(1) as u64;
    variable.dims.iter().try_fold(element, |bytes, dim| Some(bytes.saturating_mul((*dim)?)))
}

/// Alignment of a variable: what it says, or that of its elements.
pub(crate) fn variable_align(variable: &Variable) -> u32 {
    let natural = variable.ty.bytes() * variable.vector.unwrap_or(1);
    variable.align.unwrap_or(natural).max(1).checked_next_power_of_two().unwrap_or(1 << 31)
}

fn uses_alloca(body: &[Statement]) -> bool {
    body.iter().any(|statement| match statement {
        Statement::Instruction(i) => i.op == Opcode::Alloca,
        Statement::Block(inner) => uses_alloca(inner),
        _ => false,
    })
}

/// Offsets stay below this, so that none can overflow.
const LARGEST: u64 = 1 << 24;
/// Bytes of an entry's parameters (PTX ISA §5.1.6.4).
const MAX_PARAMETERS: u32 = 32764;
/// Registers of one declaration: more are a slip, and no assembler would take them.
const MAX_REGISTERS: u32 = 1 << 24;
/// Local memory of a thread (CUDA C++ Programming Guide, compute capabilities).
const MAX_LOCAL: u64 = 512 << 10;

impl Decoder<'_> {
    pub(super) fn function(&mut self, function: &Function) -> Result<()> {
        (self.line, self.nth, self.in_line) = (function.line, 0, false);
        self.function = function.name.clone();
        let head = self.heads.remove(&function.name).unwrap_or_default();
        self.scopes.push(head);
        let start = self.program.code.len() as u32;
        if function.is_entry {
            self.way_back = None;
            self.program.start = start;
            self.directives(function);
            for param in &function.params {
                self.entry_parameter(param)?;
            }
        } else {
            self.way_back = self.table.callees.get_mut(&function.name).map(|callee| {
                callee.start = start;
                callee.way_back
            });
        }
        self.stack_at_entry = None;
        if uses_alloca(function.body.as_deref().unwrap_or_default()) {
            let d = self.new_row(false);
            self.stack_at_entry = Some(d);
            self.writes.push(Touch::Row(d));
            self.opcode = None;
            self.guard = ALWAYS;
            self.emit(Op::Stack(StackOp::Save { d, wide: false }));
        }
        self.body(function.body.as_deref().unwrap_or_default())?;
        // Falling off the end returns.
        self.guard = ALWAYS;
        self.opcode = None;
        self.leave();
        self.close_scope()?;
        if let Some(fixup) = self.scopes.last_mut().and_then(|outer| outer.fixups.pop()) {
            (self.line, self.nth) = (fixup.line, fixup.nth);
            return invalid(format!("there is no label `{}` in this function", fixup.label));
        }
        Ok(())
    }

    /// `ret`: what was taken off the stack goes back to it.
    pub(super) fn leave(&mut self) {
        if let Some(a) = self.stack_at_entry {
            self.reads.push(Touch::Row(a));
            self.emit(Op::Stack(StackOp::Restore { a, wide: false }));
        }
        self.emit(match self.way_back {
            None => Op::Exit,
            Some(way_back) => Op::Return { way_back },
        });
    }

    /// What to do about a function that cannot be decoded: the entry cannot either, unless it can do without.
    fn without(&mut self, number: usize, fail: Fail, scopes: usize) -> Result<()> {
        if self.needed.contains(&number) {
            return Err(fail);
        }
        self.broken.push(number);
        self.scopes.truncate(scopes);
        Ok(())
    }

    /// Decodes functions that call one another, or a single one.
    pub(super) fn group(&mut self, group: &Group) -> Result<()> {
        let source = self.source;
        let functions: Vec<(usize, &Function)> =
            group.functions.iter().filter_map(|number| Some((*number, source.function(*number)?))).collect();
        let (first, pred, local) =
            (self.program.registers.len() as u32, self.program.preds, self.program.local_bytes);
        let region = group.recursive.then(|| {
            let frame = self.new_row(true);
            // Outside of the group's calls, frames are where they were laid out.
            self.program.constants.push((frame, Constant::Value(0), true));
            frame
        });
        self.frame = region;
        self.members = functions.iter().map(|(_, f)| f.name.clone()).collect();
        let scopes = self.scopes.len();
        // A member may be called before its body is decoded.
        for (number, function) in functions.iter().filter(|(_, f)| !f.is_entry) {
            self.announce(function).or_else(|fail| self.without(*number, fail, scopes))?;
        }
        for (number, function) in &functions {
            let done = match source.unread(*number) {
                Some(error) => {
                    self.function = function.name.clone();
                    Err(Fail::Unread(error.clone()))
                }
                None => self.function(function),
            };
            done.or_else(|fail| self.without(*number, fail, scopes))?;
        }
        if let Some(frame) = region {
            let whole = Region {
                registers: (first, self.program.registers.len() as u32),
                preds: (pred, self.program.preds),
                frame,
                start: local,
                bytes: self.program.local_bytes - local,
                align: self.frame_align.max(16),
            };
            for at in self.recursions.drain(..) {
                match &mut self.program.code[at].op {
                    Op::Recurse(call) => call.region = whole,
                    Op::Unwind(unwind) => unwind.region = whole,
                    _ => {}
                }
            }
            self.program.uses_stack = true;
        }
        self.frame = None;
        Ok(())
    }

    /// Lays out what callers must know of a function.
    fn announce(&mut self, function: &Function) -> Result<()> {
        (self.line, self.nth, self.in_line) = (function.line, 0, false);
        self.function = function.name.clone();
        self.scopes.push(Scope::default());
        let way_back = self.new_row(false);
        let returns = self.formals(&function.returns)?;
        let params = self.formals(&function.params)?;
        let callee = Callee { start: u32::MAX, way_back, params, returns };
        self.table.callees.insert(function.name.clone(), callee);
        if let Some(head) = self.scopes.pop() {
            self.heads.insert(function.name.clone(), head);
        }
        Ok(())
    }

    fn directives(&mut self, function: &Function) {
        let three = |n: &[u32]| [0, 1, 2].map(|i| n.get(i).copied().unwrap_or(1));
        for (word, numbers) in &function.directives {
            match word.as_str() {
                "reqntid" => self.program.required_block = Some(three(numbers)),
                "maxntid" => {
                    let product = numbers.iter().fold(1u32, |p, n| p.saturating_mul(*n));
                    self.program.max_threads = Some(product);
                }
                // Zero is what assemblers take for "none".
                "reqnctapercluster" if !numbers.contains(&0) => {
                    self.program.required_cluster = Some(three(numbers));
                }
                _ => {}
            }
        }
    }

    fn entry_parameter(&mut self, param: &Variable) -> Result<()> {
        let (bytes, align) = self.layout(param)?;
        let offset = self.program.parameter_bytes.next_multiple_of(align);
        self.program.parameter_bytes = offset + bytes;
        if self.program.parameter_bytes > MAX_PARAMETERS {
            return invalid(format!("more than {MAX_PARAMETERS} bytes of parameters"));
        }
        let parameter = Parameter { name: param.name.to_string(), offset, bytes, align };
        self.program.parameters.push(parameter);
        self.bind(&param.name, Binding::Variable(Place::Parameter(offset)));
        Ok(())
    }

    fn formals(&mut self, variables: &[Variable]) -> Result<Vec<Formal>> {
        variables
            .iter()
            .map(|v| {
                if v.space == Space::Reg {
                    self.declare(&v.name, v.ty, None, None);
                    let slot = self.slot(&v.name, None)?;
                    if slot.is_pred() || slot.ty == Type::B128 {
                        return invalid(format!("a .{} register cannot be a parameter here", slot.ty));
                    }
                    return Ok(Formal::Register(slot.reg(), slot.wide()));
                }
                let (offset, bytes) = self.frame(v)?;
                self.bind(&v.name, Binding::Variable(Place::Frame(offset, bytes)));
                Ok(Formal::Frame(offset, bytes))
            })
            .collect()
    }

    fn layout(&self, variable: &Variable) -> Result<(u32, u32)> {
        match variable_bytes(variable) {
            Some(bytes) if bytes <= LARGEST => {
                Ok((bytes as u32, variable_align(variable).min(LARGEST as u32)))
            }
            Some(_) => invalid(format!("`{}` is too large", variable.name)),
            None => invalid(format!("`{}` has no size", variable.name)),
        }
    }

    /// Room in the thread's memory.
    fn frame(&mut self, variable: &Variable) -> Result<(u32, u32)> {
        let (bytes, align) = self.layout(variable)?;
        // Offset zero is left free: a pointer to a variable is not null.
        let offset = self.program.local_bytes.max(16).next_multiple_of(align);
        self.frame_align = self.frame_align.max(align);
        self.program.local_bytes = offset + bytes;
        if self.program.local_bytes as u64 > MAX_LOCAL {
            return invalid("local memory is too large");
        }
        Ok((offset, bytes))
    }

    pub(super) fn shared_variable(&mut self, variable: &Variable) -> Result<Place> {
        let open = variable_bytes(variable).is_none() || variable.linkage == Linkage::Extern;
        if open {
            return Ok(Place::DynamicShared);
        }
        let (bytes, align) = self.layout(variable)?;
        let offset = self.program.shared_bytes.next_multiple_of(align);
        self.program.shared_bytes = offset + bytes;
        if self.program.shared_bytes as u64 > LARGEST {
            return invalid("shared memory is too large");
        }
        Ok(Place::Shared(offset))
    }

    fn bind(&mut self, name: &Name, binding: Binding) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.names.insert(name.clone(), binding);
        }
    }

    fn declare(&mut self, name: &Name, ty: Type, vector: Option<u32>, count: Option<u32>) {
        self.declarations += 1;
        let declared = Declared { number: self.declarations, ty, vector };
        match (count, self.scopes.last_mut()) {
            (Some(count), Some(scope)) => {
                scope.families.insert(name.clone(), (declared, count));
            }
            _ => self.bind(name, Binding::Register(declared)),
        }
    }

    fn body(&mut self, statements: &[Statement]) -> Result<()> {
        for statement in statements {
            if let Statement::BranchTargets { name, targets } = statement {
                self.bind(name, Binding::Targets(targets.clone()));
            }
        }
        for statement in statements {
            match statement {
                Statement::Label(name, line) => {
                    let here = self.program.code.len() as u32;
                    let scope = self.scopes.last_mut().expect("a body is inside a function's scope");
                    if scope.labels.insert(name.clone(), here).is_some() {
                        (self.line, self.nth) = (*line, 0);
                        return invalid(format!("label `{name}` is there twice"));
                    }
                }
                Statement::Registers(r) => {
                    if r.count.is_some_and(|count| count > MAX_REGISTERS) {
                        (self.line, self.nth, self.in_line) = (r.line, 0, false);
                        return invalid(format!("more than {MAX_REGISTERS} registers in one declaration"));
                    }
                    self.declare(&r.name, r.ty, r.vector, r.count);
                }
                Statement::Variable(v) => {
                    (self.line, self.nth, self.in_line) = (v.line, 0, false);
                    let place = match v.space {
                        Space::Shared => self.shared_variable(v)?,
                        Space::Local => Place::Local(self.frame(v)?.0),
                        Space::Param => {
                            let (offset, bytes) = self.frame(v)?;
                            Place::Frame(offset, bytes)
                        }
                        _ => return invalid(format!("a .{} variable inside a function", v.space)),
                    };
                    self.bind(&v.name, Binding::Variable(place));
                }
                Statement::Instruction(inst) => self.instruction(inst)?,
                Statement::Block(inner) => {
                    self.scopes.push(Scope::default());
                    self.body(inner)?;
                    self.close_scope()?;
                }
                Statement::BranchTargets { .. } | Statement::CallPrototype(_) => {}
                Statement::Comment(_) | Statement::Pragma(_) => {}
            }
        }
        Ok(())
    }

    /// Fills in the branches to this scope's labels; the others may lead out of it.
    fn close_scope(&mut self) -> Result<()> {
        let scope = self.scopes.pop().expect("opened by the caller");
        for fixup in scope.fixups {
            match scope.labels.get(&fixup.label) {
                Some(target) => match &mut self.program.code[fixup.inst].op {
                    Op::Branch { target: t } => *t = *target,
                    Op::BranchIndexed { targets, .. } => targets[fixup.slot] = *target,
                    _ => {}
                },
                None => {
                    if let Some(outer) = self.scopes.last_mut() {
                        outer.fixups.push(fixup);
                    }
                }
            }
        }
        Ok(())
    }

    /// Notes that slot `slot` of instruction `inst` is to become the place of `label`.
    pub(super) fn refer(&mut self, inst: usize, slot: usize, label: &Name) {
        let fixup = Fixup { inst, slot, label: label.clone(), line: self.line, nth: self.nth };
        if let Some(scope) = self.scopes.last_mut() {
            scope.fixups.push(fixup);
        }
    }

    /// The list of targets of this name.
    pub(super) fn branch_targets(&self, name: &Name) -> Option<Vec<Name>> {
        self.scopes.iter().rev().find_map(|scope| match scope.names.get(name) {
            Some(Binding::Targets(targets)) => Some(targets.clone()),
            _ => None,
        })
    }
}
