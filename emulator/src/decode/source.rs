//! A parsed module as the decoder reads it: what each name stands for, found once for all entries.

use super::function::FunctionAddresses;
use super::graph::Graph;
use flashpage_ptx::ParseError;
use flashpage_ptx::ast::{Function, Item, Module, Name, Variable};
use flashpage_ptx::words::Space;
use hashbrown::HashMap;

/// See the file's head. Numbers are those of the module's items, but for variables in global and constant memory, which
/// are numbered among themselves.
#[derive(Debug)]
pub struct Source {
    module: Module,
    /// Functions whose bodies could not be read.
    unread: HashMap<usize, ParseError>,
    globals: HashMap<Name, usize>,
    shared: HashMap<Name, usize>,
    pub addresses: FunctionAddresses,
    pub graph: Graph,
}

impl Source {
    /// Looks through a module that [`flashpage_ptx::parse_apart`] gave.
    pub fn new(module: Module, unread: Vec<flashpage_ptx::Unread>) -> Source {
        let (mut globals, mut functions, mut shared) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut number = 0;
        for (at, item) in module.items.iter().enumerate() {
            match item {
                // A definition, wherever it stands, rather than a declaration.
                Item::Function(f) if f.body.is_some() || !functions.contains_key(&f.name) => {
                    functions.insert(f.name.clone(), at);
                }
                Item::Variable(v) if v.space == Space::Shared => {
                    shared.insert(v.name.clone(), at);
                }
                Item::Variable(v) if is_global(v) => {
                    globals.insert(v.name.clone(), number);
                    number += 1;
                }
                _ => {}
            }
        }
        let addresses = FunctionAddresses::of(&module);
        let graph = Graph::of(&module, &functions, &addresses);
        let unread = unread.into_iter().map(|unread| (unread.item, unread.error)).collect();
        Source { module, unread, globals, shared, addresses, graph }
    }

    /// Variables in global and constant memory, by their numbers.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.module.items.iter().filter_map(|item| match item {
            Item::Variable(v) if is_global(v) => Some(v),
            _ => None,
        })
    }

    /// The entries that have a body, by their numbers.
    pub fn entries(&self) -> impl Iterator<Item = (usize, &Function)> {
        self.module.items.iter().enumerate().filter_map(|(at, item)| match item {
            Item::Function(f) if f.is_entry && f.body.is_some() => Some((at, f)),
            _ => None,
        })
    }

    /// The number of a variable in global or constant memory.
    pub fn global(&self, name: &str) -> Option<usize> {
        self.globals.get(name).copied()
    }

    /// A variable in shared memory, outside of functions.
    pub(super) fn shared(&self, name: &str) -> Option<&Variable> {
        match &self.module.items[*self.shared.get(name)?] {
            Item::Variable(variable) => Some(variable),
            _ => None,
        }
    }

    /// The function of this number.
    pub fn function(&self, number: usize) -> Option<&Function> {
        match self.module.items.get(number)? {
            Item::Function(function) => Some(function),
            _ => None,
        }
    }

    /// Why the function of this number could not be read.
    pub(super) fn unread(&self, number: usize) -> Option<&ParseError> {
        self.unread.get(&number)
    }
}

fn is_global(variable: &Variable) -> bool {
    matches!(variable.space, Space::Global | Space::Const)
}
