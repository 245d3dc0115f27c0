//! What a function names of what stands around it, for the module beside it.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use std::collections::HashMap;
use syn::visit::Visit;

/// For each name, the pair of it and what it stands for, as the module beside the function can write it.
pub(crate) fn named(function: &syn::ItemFn, names: &[String]) -> Vec<TokenStream> {
    let mut written = Written::default();
    written.visit_block(&function.block);
    names.iter().map(|name| pair(name, written.paths.get(name))).collect()
}

/// Paths of a function as text, each where it is written first, and whether it is written in capitals.
#[derive(Default)]
struct Written {
    paths: HashMap<String, syn::Path>,
}

impl<'ast> Visit<'ast> for Written {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.paths.entry(segments.join("::")).or_insert_with(|| path.clone());
        syn::visit::visit_path(self, path);
    }
}

fn pair(name: &str, path: Option<&syn::Path>) -> TokenStream {
    let Some(path) = path else {
        let message = format!("`{name}` is named by a macro, and cannot be seen from here");
        return syn::Error::new(Span::call_site(), message).into_compile_error();
    };
    let is_constant = name.rsplit("::").next().is_some_and(|last| !last.contains(char::is_lowercase));
    if is_constant {
        let path = from_beside(path);
        return quote!((#name, ::flashpage::codegen::frontend::Outer::from(#path)));
    }
    let Some(function) = path.get_ident() else {
        let path = from_beside(path);
        return quote!((#name, ::flashpage::__macro_support::function(#path::SCORE_FUNCTION)));
    };
    // The module beside a marked function comes before one of the same name in the block around: what a function without a mark
    // has there, no trait is for, and the error says what to write.
    let span = function.span();
    let function = quote_spanned!(span=> ::flashpage::__macro_support::function(#function::SCORE_FUNCTION));
    let module = path.get_ident();
    quote! {
        (#name, {
            mod #module {
                pub(super) struct Unmarked;
                pub(super) const SCORE_FUNCTION: Unmarked = Unmarked;
            }
            {
                #[allow(unused_imports)]
                use super::*;
                #function
            }
        })
    }
}

/// What stands around the function stands around the module beside it.
fn from_beside(path: &syn::Path) -> TokenStream {
    let span = path.segments.first().map_or_else(Span::call_site, |segment| segment.ident.span());
    if path.leading_colon.is_some() {
        return quote!(#path);
    }
    match path.segments.first().map(|segment| segment.ident.to_string()).as_deref() {
        Some("crate") => quote!(#path),
        Some("self") => {
            let rest = path.segments.iter().skip(1);
            quote_spanned!(span=> super #(::#rest)*)
        }
        _ => {
            let outer = format_ident!("super", span = span);
            quote_spanned!(span=> #outer::#path)
        }
    }
}
