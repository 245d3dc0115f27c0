//! Which functions an entry reaches, and which of them call one another in a circle.
//!
//! The graph is made once for a module: its nodes are the functions, the variables that may hold their addresses and, for
//! calls through a register, the *classes* of functions that have as many results and arguments. Everything here is linear
//! in the text.

use super::function::{FunctionAddresses, callee_name};
use flashpage_ptx::ast::{Init, Item, Module, Name, Operand, Statement};
use flashpage_ptx::words::Opcode;
use hashbrown::{HashMap, HashSet};

/// Functions of the runtime that the emulator has itself.
pub(super) const RUNTIME: [&str; 2] = ["vprintf", "__assertfail"];

/// Functions that call one another, or one that calls none of itself; each by its number among the module's items.
pub(super) struct Group {
    pub functions: Vec<usize>,
    pub recursive: bool,
}

/// What a function, a variable or a class of functions leads to.
#[derive(Debug, Default)]
struct Node {
    /// Functions that it calls by name, and classes that it calls through a register; each once.
    calls: Vec<usize>,
    /// The first call of something that has no body here: its line, and what it calls.
    nobody: Option<(u32, Name)>,
    /// Functions whose address it takes, and variables that it names.
    takes: Vec<usize>,
    /// Functions that call it by name.
    callers: Vec<usize>,
}

/// See the file's head.
#[derive(Debug, Default)]
pub struct Graph {
    /// Functions and variables have the numbers of their items; classes come after them.
    nodes: Vec<Node>,
    items: usize,
}

/// What a body names.
#[derive(Default)]
struct Mentions<'m> {
    /// Names that are called, and lines.
    called: Vec<(&'m Name, u32)>,
    /// Results and arguments of calls through registers.
    through: Vec<(usize, usize)>,
    /// Symbols that stand anywhere else.
    named: Vec<&'m Name>,
}

impl<'m> Mentions<'m> {
    fn body(&mut self, body: &'m [Statement]) {
        for statement in body {
            match statement {
                Statement::Block(inner) => self.body(inner),
                Statement::Instruction(i) if i.op == Opcode::Call => {
                    let (mut returns, mut arguments) = (0, 0);
                    for (at, operand) in i.operands.iter().enumerate() {
                        if let Operand::List(list) = operand {
                            self.operand(operand);
                            *(if at == 0 { &mut returns } else { &mut arguments }) = list.len();
                        }
                    }
                    match callee_name(&i.operands) {
                        Some(name) => self.called.push((name, i.line)),
                        None => self.through.push((returns, arguments)),
                    }
                }
                Statement::Instruction(i) => i.operands.iter().for_each(|operand| self.operand(operand)),
                _ => {}
            }
        }
    }

    fn operand(&mut self, operand: &'m Operand) {
        match operand {
            Operand::Symbol { name, .. } => self.named.push(name),
            Operand::Address { base, .. } | Operand::Not(base) | Operand::Negate(base) => self.operand(base),
            Operand::List(list) | Operand::Vector(list) | Operand::AddressList(list) => {
                list.iter().for_each(|operand| self.operand(operand));
            }
            Operand::Pair(a, b) => {
                self.operand(a);
                self.operand(b);
            }
            _ => {}
        }
    }

    fn value(&mut self, init: &'m Init) {
        match init {
            Init::List(list) => list.iter().for_each(|init| self.value(init)),
            Init::Value(operand) | Init::MaskedAddress { of: operand, .. } => self.operand(operand),
        }
    }
}

impl Graph {
    /// The graph of `module`, whose functions are `functions` by name.
    pub fn of(module: &Module, functions: &HashMap<Name, usize>, addresses: &FunctionAddresses) -> Graph {
        let items = module.items.len();
        let mut nodes: Vec<Node> = Vec::new();
        nodes.resize_with(items, Node::default);
        let callable = |name: &Name| match functions.get(name).map(|at| (*at, &module.items[*at])) {
            Some((at, Item::Function(f))) if !f.is_entry => Some((at, f)),
            _ => None,
        };
        // Only functions whose address is taken can be called through a register.
        let mut classes: HashMap<(usize, usize), usize> = HashMap::new();
        for name in addresses.taken() {
            if let Some((at, f)) = callable(name)
                && f.body.is_some()
            {
                let class = *classes.entry((f.returns.len(), f.params.len())).or_insert_with(|| {
                    nodes.push(Node::default());
                    nodes.len() - 1
                });
                nodes[class].calls.push(at);
            }
        }
        let variables: HashMap<&Name, usize> = module
            .items
            .iter()
            .enumerate()
            .filter_map(|(at, item)| match item {
                Item::Variable(variable) => Some((&variable.name, at)),
                _ => None,
            })
            .collect();
        for (own, item) in module.items.iter().enumerate() {
            let mut mentions = Mentions::default();
            match item {
                Item::Function(f) => mentions.body(f.body.as_deref().unwrap_or_default()),
                Item::Variable(v) => v.init.iter().for_each(|init| mentions.value(init)),
                Item::Comment(_) => {}
            }
            let mut seen = HashSet::new();
            for (name, line) in mentions.called {
                let Some((at, callee)) = callable(name) else { continue };
                if callee.body.is_none() {
                    if !RUNTIME.contains(&&**name) && nodes[own].nobody.is_none() {
                        nodes[own].nobody = Some((line, name.clone()));
                    }
                } else if seen.insert(at) {
                    nodes[own].calls.push(at);
                    nodes[at].callers.push(own);
                }
            }
            let through = mentions.through.iter().filter_map(|counts| classes.get(counts).copied());
            nodes[own].calls.extend(through.filter(|class| seen.insert(*class)));
            let mut seen = HashSet::new();
            for name in mentions.named {
                let at = callable(name).map(|(at, _)| at).or_else(|| variables.get(name).copied());
                nodes[own].takes.extend(at.filter(|at| seen.insert(*at)));
            }
        }
        Graph { nodes, items }
    }

    /// What `entry` reaches by calls by name and by addresses of functions that it can come by itself; the others that a
    /// call through a register may reach are those whose address only somebody else takes.
    ///
    /// # Errors
    /// A line and why: a call by name of something that has no body.
    pub fn needs(&self, entry: usize) -> Result<HashSet<usize>, (u32, Name)> {
        let mut sure = HashSet::from([entry]);
        let mut next = vec![entry];
        while let Some(at) = next.pop() {
            let node = &self.nodes[at];
            if let Some(nobody) = &node.nobody {
                return Err(nobody.clone());
            }
            let named = node.calls.iter().filter(|callee| **callee < self.items);
            next.extend(named.chain(&node.takes).copied().filter(|callee| sure.insert(*callee)));
        }
        Ok(sure)
    }

    /// These functions and all that call one of them by name, at whatever remove.
    pub fn callers(&self, of: impl IntoIterator<Item = usize>) -> HashSet<usize> {
        let mut next: Vec<usize> = of.into_iter().collect();
        let mut all: HashSet<usize> = next.iter().copied().collect();
        while let Some(at) = next.pop() {
            next.extend(self.nodes[at].callers.iter().copied().filter(|caller| all.insert(*caller)));
        }
        all
    }

    /// `entry` and all that it may call but for `left_out`, every group after those that it calls itself. A call through a
    /// register may reach any function whose address is taken and whose results and arguments are as many.
    ///
    /// This is Tarjan's algorithm with a stack of its own: text decides how deep it goes.
    pub(super) fn callees_first(&self, entry: usize, left_out: &HashSet<usize>) -> Vec<Group> {
        const UNSEEN: u32 = u32::MAX;
        struct Visit {
            node: usize,
            next: usize,
        }
        let mut groups = Vec::new();
        let mut count = 0;
        // In the order of their first visit; `low` is the lowest that a node leads back to.
        let mut index = vec![UNSEEN; self.nodes.len()];
        let mut low = vec![UNSEEN; self.nodes.len()];
        let mut is_open = vec![false; self.nodes.len()];
        let mut open: Vec<usize> = Vec::new();
        let mut visits: Vec<Visit> = vec![Visit { node: entry, next: 0 }];
        while let Some(visit) = visits.last_mut() {
            let node = visit.node;
            if index[node] == UNSEEN {
                (index[node], low[node], is_open[node]) = (count, count, true);
                count += 1;
                open.push(node);
            }
            if let Some(callee) = self.nodes[node].calls.get(visit.next).copied() {
                visit.next += 1;
                if left_out.contains(&callee) {
                    continue;
                }
                if index[callee] == UNSEEN {
                    visits.push(Visit { node: callee, next: 0 });
                } else if is_open[callee] {
                    low[node] = low[node].min(index[callee]);
                }
                continue;
            }
            visits.pop();
            if let Some(caller) = visits.last() {
                low[caller.node] = low[caller.node].min(low[node]);
            }
            if low[node] == index[node] {
                let at = open.iter().rposition(|open| *open == node).unwrap_or(0);
                let members = open.split_off(at);
                members.iter().for_each(|member| is_open[*member] = false);
                // A class leads nowhere but to functions: one that is in a circle has some beside it.
                let recursive = members.len() > 1 || self.nodes[node].calls.contains(&node);
                let functions: Vec<usize> =
                    members.into_iter().filter(|member| *member < self.items).collect();
                if !functions.is_empty() {
                    groups.push(Group { functions, recursive });
                }
            }
        }
        groups
    }
}
