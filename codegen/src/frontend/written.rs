//! Where the parts of a program were written, beside the program: for what is found of it only when it is whole.

use super::body::Body;
use crate::analysis::obstacles::Place;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use std::collections::HashMap;

/// The source of every place in a program.
#[derive(Default)]
pub(super) struct Written {
    places: HashMap<Place, TokenStream>,
    /// Values that have their place.
    values: usize,
}

impl Written {
    /// `place` is written here.
    pub fn at(&mut self, place: Place, tokens: TokenStream) {
        self.places.insert(place, tokens);
    }

    /// The source of `place`; of the function where it has none.
    pub fn source(&self, place: Place, function: &syn::ItemFn) -> TokenStream {
        if let (Place::Param(id), None) = (place, self.places.get(&place)) {
            return match function.sig.inputs.iter().nth(id.0) {
                Some(syn::FnArg::Typed(typed)) => typed.ty.to_token_stream(),
                _ => function.sig.ident.to_token_stream(),
            };
        }
        self.places.get(&place).cloned().unwrap_or_else(|| function.sig.ident.to_token_stream())
    }
}

impl Body<'_> {
    /// `expr` was read: values made since the last that were written are made by it, for its parts were read before it.
    pub fn wrote(&mut self, expr: &syn::Expr) {
        for id in self.written.values..self.values.len() {
            self.written.at(Place::Value(crate::program::ValueId(id)), place_of(expr));
        }
        self.written.values = self.values.len();
    }
}

/// What an expression adds to its parts: of a method of something longer than a name, the call alone.
fn place_of(expr: &syn::Expr) -> TokenStream {
    match expr {
        syn::Expr::MethodCall(call) if !matches!(*call.receiver, syn::Expr::Path(_)) => {
            let mut arguments = TokenStream::new();
            call.paren_token.surround(&mut arguments, |inside| call.args.to_tokens(inside));
            let method = &call.method;
            quote!(#method #arguments)
        }
        _ => expr.to_token_stream(),
    }
}
