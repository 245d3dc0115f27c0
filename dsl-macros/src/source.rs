//! The function's source as text, which the emitted `program()` reads again.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;

/// Text that parses back to the same function, without its attributes.
pub(crate) fn text(function: &syn::ItemFn) -> String {
    let mut bare = function.clone();
    bare.attrs.clear();
    visible(bare.into_token_stream()).to_string()
}

/// In a function that another macro made, groups without delimiters keep operands together. Text has no such
/// groups: a single token needs none, and more are put in parentheses.
fn visible(tokens: TokenStream) -> TokenStream {
    let one = |token: TokenTree| match token {
        TokenTree::Group(group) => {
            let inner = visible(group.stream());
            let delimiter = match group.delimiter() {
                Delimiter::None if inner.clone().into_iter().nth(1).is_none() => return inner,
                Delimiter::None => Delimiter::Parenthesis,
                other => other,
            };
            let mut shown = Group::new(delimiter, inner);
            shown.set_span(group.span());
            TokenTree::Group(shown).into()
        }
        other => TokenStream::from(other),
    };
    tokens.into_iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn groups_become_visible() {
        let none = |tokens| TokenTree::Group(Group::new(Delimiter::None, tokens));
        let (one, two) = (none(quote!(a)), none(quote!(a + b)));
        let nested = none(TokenStream::from(one.clone()));
        let function = syn::parse2(quote! {
            #[doc = "gone"]
            fn f() { let x = #one * #two * #nested * [c]; }
        });
        let want = quote!(
            fn f() {
                let x = a * (a + b) * a * [c];
            }
        );
        assert_eq!(text(&function.unwrap()), want.to_string());
    }
}
