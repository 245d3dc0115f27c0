//! Functions and blocks: what they declare, where it lies, and which labels lead where.

use super::{Binding, Decoder, Fixup, Place, Result, Scope, invalid};
use crate::address::FUNCTION_WINDOW;
use crate::program::{Op, Parameter, Reg};
use flashpage_ptx::ast::{Function, Init, Item, Linkage, Module, Name, Operand, Statement, Variable};
use flashpage_ptx::words::{Opcode, Space, Type};
use std::collections::{HashMap, HashSet};

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

/// `entry` and what it calls, every function after those that it calls itself.
///
/// # Errors
/// A line and why: a call of something that has no body, or recursion. A call through a register may reach any
/// function whose address is taken; where that would recurse, or lead out of the module, the call is left out, and coming there is a fault.
pub(super) fn callees_first<'m>(
    entry: &'m Function,
    functions: &HashMap<Name, &'m Function>,
    addresses: &'m FunctionAddresses,
) -> Result<Vec<&'m Function>, (u32, String)> {
    /// What a call names, or how many results and arguments a call through a register has.
    type Target<'m> = Result<&'m Name, (usize, usize)>;
    fn calls<'m>(body: &'m [Statement], found: &mut Vec<(Target<'m>, u32)>) {
        for statement in body {
            match statement {
                Statement::Block(inner) => calls(inner, found),
                Statement::Instruction(i) if i.op == Opcode::Call => {
                    let (mut returns, mut arguments) = (0, 0);
                    for (at, operand) in i.operands.iter().enumerate() {
                        match operand {
                            Operand::List(list) if at == 0 => returns = list.len(),
                            Operand::List(list) => arguments = list.len(),
                            _ => {}
                        }
                    }
                    found.push((callee_name(&i.operands).ok_or((returns, arguments)), i.line));
                }
                _ => {}
            }
        }
    }
    // Depth first with an explicit stack: text decides how deep it goes.
    let mut order = Vec::new();
    let (mut open, mut done) = (HashSet::new(), HashSet::new());
    // A function, whether it is finished, and whether who comes before it surely calls it.
    let mut stack = vec![(entry, false, true)];
    while let Some((function, finished, sure)) = stack.pop() {
        if finished {
            open.remove(&function.name);
            done.insert(&function.name);
            order.push(function);
            continue;
        }
        if done.contains(&function.name) {
            continue;
        }
        open.insert(&function.name);
        stack.push((function, true, sure));
        let mut found = Vec::new();
        calls(function.body.as_deref().unwrap_or_default(), &mut found);
        let reached = found.into_iter().flat_map(|(name, line)| match name {
            Ok(name) => vec![(name, line, true)],
            Err(counts) => {
                let fits = |name: &&Name| {
                    functions.get(*name).is_some_and(|f| (f.returns.len(), f.params.len()) == counts)
                };
                addresses.taken().iter().filter(fits).map(|name| (name, line, false)).collect()
            }
        });
        for (name, line, certain) in reached {
            let callee = match functions.get(name) {
                // A register that has no `%`; the call itself will be refused.
                None => continue,
                Some(f)
                    if f.body.is_none()
                        && !(certain && stack.iter().all(|(_, open, sure)| !*open || *sure)) =>
                {
                    continue;
                }
                Some(f) if f.body.is_none() => return Err((line, format!("`{name}` has no body here"))),
                Some(f) => *f,
            };
            if open.contains(&callee.name) {
                let mut chain = stack.iter().filter(|(_, open, _)| *open);
                chain.by_ref().find(|(f, ..)| f.name == callee.name);
                if !certain || chain.any(|(.., sure)| !sure) {
                    continue;
                }
                return Err((line, format!("`{name}` calls itself, which is not supported")));
            }
            if !done.contains(&callee.name) {
                stack.push((callee, false, certain));
            }
        }
    }
    Ok(order)
}

/// Bytes of a variable; `None` where a dimension is open.
pub(crate) fn variable_bytes(variable: &Variable) -> Option<u64> {
    let element = variable.ty.bytes() as u64 * variable.vector.unwrap_or(1) as u64;
    variable.dims.iter().try_fold(element, |bytes, dim| bytes.checked_mul((*dim)?))
}

/// Alignment of a variable: what it says, or that of its elements.
pub(crate) fn variable_align(variable: &Variable) -> u32 {
    let natural = variable.ty.bytes() * variable.vector.unwrap_or(1);
    variable.align.unwrap_or(natural).max(1).next_power_of_two()
}

/// Offsets stay below this, so that none can overflow.
const LARGEST: u64 = 1 << 24;
/// Local memory of a thread (CUDA C++ Programming Guide, compute capabilities).
const MAX_LOCAL: u64 = 512 << 10;

impl Decoder<'_> {
    pub(super) fn function(&mut self, function: &Function) -> Result<()> {
        (self.line, self.nth, self.in_line) = (function.line, 0, false);
        self.scopes.push(Scope::default());
        let start = self.program.code.len() as u32;
        if function.is_entry {
            self.way_back = None;
            self.program.start = start;
            self.directives(function);
            for param in &function.params {
                self.entry_parameter(param)?;
            }
        } else {
            let way_back = self.new_row(false);
            self.way_back = Some(way_back);
            let returns = self.formals(&function.returns)?;
            let params = self.formals(&function.params)?;
            let callee = Callee { start, way_back, params, returns };
            self.table.callees.insert(function.name.clone(), callee);
        }
        self.body(function.body.as_deref().unwrap_or_default())?;
        // Falling off the end returns.
        self.guard = crate::program::Condition { pred: crate::program::TRUE, negated: false };
        self.opcode = None;
        self.emit(match self.way_back {
            None => Op::Exit,
            Some(way_back) => Op::Return { way_back },
        });
        self.close_scope()?;
        if let Some(fixup) = self.scopes.last_mut().and_then(|outer| outer.fixups.pop()) {
            (self.line, self.nth) = (fixup.line, fixup.nth);
            return invalid(format!("there is no label `{}` in this function", fixup.label));
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
                "reqnctapercluster" => self.program.required_cluster = Some(three(numbers)),
                _ => {}
            }
        }
    }

    fn entry_parameter(&mut self, param: &Variable) -> Result<()> {
        let (bytes, align) = self.layout(param)?;
        let offset = self.program.parameter_bytes.next_multiple_of(align);
        self.program.parameter_bytes = offset + bytes;
        if self.program.parameter_bytes as u64 > LARGEST {
            return invalid("the parameters are too large");
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
                    self.declarations += 1;
                    let binding = Binding::Registers {
                        declaration: self.declarations,
                        ty: v.ty,
                        vector: None,
                        count: None,
                    };
                    self.bind(&v.name, binding);
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
                    self.declarations += 1;
                    let declaration = self.declarations;
                    self.bind(
                        &r.name,
                        Binding::Registers { declaration, ty: r.ty, vector: r.vector, count: r.count },
                    );
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
                Statement::BranchTargets { .. } | Statement::CallPrototype(_) | Statement::Comment(_) => {}
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
