//! What names and expressions stand for.

use crate::program::{Axis, Expr, ParamId, Resumed, ScalarType, StateId, TileType, ValueId};
use std::collections::HashMap;

/// What an expression evaluates to at compile time.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Tile(ValueId, TileType),
    Scalar(Expr, ScalarType),
    /// A parameter that is not a scalar.
    Param(ParamId),
    Accumulator(StateId),
    Softmax(StateId),
    /// `Tile::zeros()`, its type where it is written out.
    Zeros(Option<TileType>),
    /// `Tile::resume(o)`, an accumulator of this type.
    ResumedTile(Resumed, TileType),
    /// `OnlineSoftmax::new()`, `OnlineSoftmax::resume(lse)`
    NewSoftmax(Option<Resumed>),
    /// `k.tiles()`, `q.tiles()`
    Tiles(ParamId),
    /// The loop's variable.
    LoopTile,
    /// A closure's `at`.
    At,
    /// A const generic.
    HeadDim,
    Unit,
    /// An error has been reported: say no more.
    Broken,
}

/// The three parts of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Prologue,
    Loop,
    Epilogue,
}

#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub operand: Operand,
    pub mutable: bool,
    /// Where it was declared.
    pub part: Part,
}

/// Names in scope, innermost last.
#[derive(Default)]
pub(super) struct Scopes {
    stack: Vec<HashMap<String, Binding>>,
    /// How many scopes lie outside the closure that is being read.
    outside_closure: Option<usize>,
}

impl Scopes {
    /// Those of a function, which sees none of its caller's.
    pub fn of_function() -> Scopes {
        Scopes { stack: vec![HashMap::new()], outside_closure: None }
    }

    pub fn push(&mut self) {
        self.stack.push(HashMap::new());
    }

    pub fn pop(&mut self) {
        self.stack.pop();
    }

    /// From here on, names are those of a closure.
    pub fn enter_closure(&mut self) {
        self.outside_closure = Some(self.stack.len());
        self.push();
    }

    pub fn leave_closure(&mut self) {
        self.pop();
        self.outside_closure = None;
    }

    pub fn in_closure(&self) -> bool {
        self.outside_closure.is_some()
    }

    pub fn bind(&mut self, name: &str, binding: Binding) {
        if let Some(scope) = self.stack.last_mut() {
            scope.insert(name.to_string(), binding);
        }
    }

    pub fn get(&self, name: &str) -> Option<&Binding> {
        self.stack.iter().rev().find_map(|scope| scope.get(name))
    }

    /// Is there such a name?
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Binding> {
        self.stack.iter_mut().rev().find_map(|scope| scope.get_mut(name))
    }

    /// Is the name one of the closure's own?
    pub fn is_local(&self, name: &str) -> bool {
        let outside = self.outside_closure.unwrap_or(0);
        self.stack[outside..].iter().any(|scope| scope.contains_key(name))
    }

    /// Every name in scope, for guesses at misspellings.
    pub fn names(&self) -> Vec<&str> {
        self.stack.iter().flat_map(|scope| scope.keys().map(String::as_str)).collect()
    }
}

pub(super) const SCORES: TileType = TileType { rows: Axis::Rows, cols: Axis::Cols };
