//! What stands beside an accepted kernel function: a module of its name.

use flashpage_codegen::Program;
use proc_macro2::TokenStream;
use quote::quote;

/// The module. Paths in it are absolute, since nothing is known of where it stands.
pub(crate) fn beside(function: &syn::ItemFn, program: &Program) -> TokenStream {
    let _ = program;
    let (vis, name) = (&function.vis, &function.sig.ident);
    let source = crate::source::text(function);
    let module_doc = format!("What the compiler makes of the kernel [`{name}`](fn@{name}).");
    quote! {
        #[doc = #module_doc]
        #[allow(dead_code)]
        #vis mod #name {
            /// The tile program that is compiled.
            pub fn program() -> &'static ::flashpage::codegen::Program {
                static PROGRAM: ::std::sync::OnceLock<::flashpage::codegen::Program> =
                    ::std::sync::OnceLock::new();
                PROGRAM.get_or_init(|| ::flashpage::__macro_support::program(#source))
            }
        }
    }
}
