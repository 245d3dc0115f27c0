//! Which functions an entry reaches, and which of them call one another in a circle.

use super::function::{FunctionAddresses, callee_name};
use flashpage_ptx::ast::{Function, Name, Operand, Statement};
use flashpage_ptx::words::Opcode;
use std::collections::{HashMap, HashSet};

/// Functions of the runtime that the emulator has itself.
pub(super) const RUNTIME: [&str; 2] = ["vprintf", "__assertfail"];

/// Functions that call one another, or one that calls none of itself.
pub(super) struct Group<'m> {
    pub functions: Vec<&'m Function>,
    pub recursive: bool,
}

/// What a call names, or how many results and arguments a call through a register has; and its line.
type Target<'m> = (Result<&'m Name, (usize, usize)>, u32);

fn calls<'m>(body: &'m [Statement], found: &mut Vec<Target<'m>>) {
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

/// `entry` and all that it may call, every group after those that it calls itself. A call through a register may
/// reach any function whose address is taken and whose results and arguments are as many.
///
/// # Errors
/// A line and why: a call, not through a register, of something that has no body. Where only a call through a register
/// leads to it, coming there is a fault instead.
pub(super) fn callees_first<'m>(
    entry: &'m Function,
    functions: &HashMap<Name, &'m Function>,
    addresses: &'m FunctionAddresses,
) -> Result<Vec<Group<'m>>, (u32, String)> {
    let callable = |name: &Name| functions.get(name).filter(|f| !f.is_entry).copied();
    let targets_of = |function: &'m Function| {
        let mut found = Vec::new();
        calls(function.body.as_deref().unwrap_or_default(), &mut found);
        found
    };
    let mut sure = vec![entry];
    let mut seen: HashSet<&Name> = HashSet::from([&entry.name]);
    while let Some(function) = sure.pop() {
        for (name, line) in targets_of(function) {
            let Some(callee) = name.ok().and_then(callable) else { continue };
            if callee.body.is_none() && !RUNTIME.contains(&&*callee.name) {
                return Err((line, format!("`{}` has no body here", callee.name)));
            }
            if seen.insert(&callee.name) {
                sure.push(callee);
            }
        }
    }
    let edges = |function: &'m Function| {
        let mut out: Vec<&'m Function> = Vec::new();
        for (name, _) in targets_of(function) {
            match name {
                Ok(name) => out.extend(callable(name)),
                Err(counts) => out.extend(
                    addresses
                        .taken()
                        .iter()
                        .filter_map(callable)
                        .filter(|f| (f.returns.len(), f.params.len()) == counts),
                ),
            }
        }
        out.retain(|f| f.body.is_some());
        out
    };
    Ok(components(entry, edges))
}

/// Tarjan's algorithm with a stack of its own: text decides how deep it goes.
fn components<'m>(entry: &'m Function, edges: impl Fn(&'m Function) -> Vec<&'m Function>) -> Vec<Group<'m>> {
    struct Visit<'m> {
        function: &'m Function,
        next: Vec<&'m Function>,
        own: usize,
    }
    let mut groups = Vec::new();
    let mut index: HashMap<&Name, usize> = HashMap::new();
    let mut low: HashMap<&Name, usize> = HashMap::new();
    let mut open: Vec<&'m Function> = Vec::new();
    let mut is_open: HashSet<&Name> = HashSet::new();
    let mut loops: HashSet<&Name> = HashSet::new();
    let mut visits = Vec::new();
    let enter = |f: &'m Function, visits: &mut Vec<Visit<'m>>, index: &mut HashMap<&'m Name, usize>| {
        let own = index.len();
        index.insert(&f.name, own);
        visits.push(Visit { function: f, next: edges(f), own });
        own
    };
    let own = enter(entry, &mut visits, &mut index);
    low.insert(&entry.name, own);
    open.push(entry);
    is_open.insert(&entry.name);
    while let Some(visit) = visits.last_mut() {
        let (name, own) = (&visit.function.name, visit.own);
        if let Some(callee) = visit.next.pop() {
            if callee.name == *name {
                loops.insert(name);
            }
            match index.get(&callee.name).copied() {
                None => {
                    let own = enter(callee, &mut visits, &mut index);
                    low.insert(&callee.name, own);
                    open.push(callee);
                    is_open.insert(&callee.name);
                }
                Some(at) if is_open.contains(&callee.name) => {
                    let least = low.get(name).copied().unwrap_or(own).min(at);
                    low.insert(name, least);
                }
                Some(_) => {}
            }
            continue;
        }
        let least = low.get(name).copied().unwrap_or(own);
        if least == own {
            let at = open.iter().rposition(|f| f.name == *name).unwrap_or(0);
            let functions = open.split_off(at);
            is_open.retain(|name| functions.iter().all(|f| f.name != **name));
            let recursive = functions.len() > 1 || loops.contains(name);
            groups.push(Group { functions, recursive });
        }
        visits.pop();
        if let Some(caller) = visits.last() {
            let name = &caller.function.name;
            let least = low.get(name).copied().unwrap_or(caller.own).min(least);
            low.insert(name, least);
        }
    }
    groups
}
