//! Which operators and methods of a function are arithmetic in which Rust may panic and a kernel does not: those of integers, and
//! `clamp`. The macro writes them otherwise for the host run.

use std::collections::HashSet;

/// Places in a function that has been read, by their addresses: they are known as long as it is not moved or changed there.
#[derive(Clone, Debug, Default)]
pub struct Arithmetic(HashSet<usize>);

impl Arithmetic {
    pub(super) fn note<T>(&mut self, node: &T) {
        self.0.insert(std::ptr::from_ref(node).addr());
    }

    /// Whether this expression of the function is such arithmetic.
    pub fn has(&self, expr: &syn::Expr) -> bool {
        let address = match expr {
            syn::Expr::Binary(binary) => std::ptr::from_ref(binary).addr(),
            syn::Expr::Unary(unary) => std::ptr::from_ref(unary).addr(),
            syn::Expr::MethodCall(call) => std::ptr::from_ref(call).addr(),
            _ => return false,
        };
        self.0.contains(&address)
    }
}
