//! What a kernel is for: the arguments of `#[attention_kernel]`.

use super::diagnostics::did_you_mean;
use proc_macro2::TokenStream;

/// What a kernel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `#[attention_kernel]`: to be compiled and launched.
    Launch,
    /// `#[attention_kernel(reference)]`: the host run and the reference alone, which take programs of any form.
    Reference,
}

const REFERENCE: &str = "reference";

impl Purpose {
    /// Reads what stands in the attribute's parentheses.
    ///
    /// # Errors
    /// If it is neither nothing nor `reference`.
    pub fn read(arguments: TokenStream) -> Result<Purpose, syn::Error> {
        if arguments.is_empty() {
            return Ok(Purpose::Launch);
        }
        let word = arguments.to_string();
        if word.trim_end_matches([',', ' ']) == REFERENCE {
            return Ok(Purpose::Reference);
        }
        let near = if word.chars().all(char::is_alphanumeric) {
            did_you_mean(&word, &[REFERENCE])
        } else {
            String::new()
        };
        let message = format!(
            "#[attention_kernel] takes no arguments but `reference`, for a kernel that is never launched{near}: tiles, \
             warps and stages are chosen by the schedule, which can be overridden at launch"
        );
        Err(syn::Error::new_spanned(arguments, message))
    }

    /// The same of a whole attribute.
    pub(super) fn of(attribute: &syn::Attribute) -> Result<Purpose, syn::Error> {
        match &attribute.meta {
            syn::Meta::Path(_) => Ok(Purpose::Launch),
            syn::Meta::List(list) => Purpose::read(list.tokens.clone()),
            syn::Meta::NameValue(pair) => Err(syn::Error::new_spanned(
                pair,
                "write `#[attention_kernel]`, or `#[attention_kernel(reference)]`",
            )),
        }
    }
}
