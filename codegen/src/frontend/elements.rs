//! Element types: the first of what stands in the angle brackets of tensors.

use super::diagnostics::Errors;
use super::signature::last_name;
use crate::program::{DType, Element, ElementOf, Generic, MOST_ELEMENTS};
use syn::{GenericArgument, Type};

/// The element types that a kernel has used so far, and the names that it can use.
pub(super) struct Elements {
    /// The generics that are types.
    pub names: Vec<syn::Ident>,
    pub used: Vec<Generic<DType>>,
    /// Of queries, of keys and values, and of outputs, each of which have the type of the first.
    firsts: [(ElementOf, Option<Element>); 3],
    /// Generics that stand for themselves, in what is no query, keys or values, and is to be as the query is.
    alone: Vec<syn::GenericArgument>,
}

impl Elements {
    pub fn new(names: Vec<syn::Ident>) -> Elements {
        let firsts = ElementOf::ALL.map(|whose| (whose, None));
        Elements { names, used: Vec::new(), firsts, alone: Vec::new() }
    }

    /// The element type that an argument names, a new one if no tensor has had it before. `ty` is the whole type, of a
    /// parameter that has the type of these.
    pub fn read(
        &mut self,
        arg: &GenericArgument,
        ty: &Type,
        whose: ElementOf,
        errors: &mut Errors,
    ) -> Option<Element> {
        let Some(element) = self.parse(arg) else {
            errors.push(arg, self.expected());
            return None;
        };
        let next = Element(self.find(&element).unwrap_or(self.used.len()));
        if next.0 == self.used.len() {
            self.used.push(element.clone());
        }
        let of_all = self.firsts.iter_mut().find(|(known, _)| *known == whose).map(|(_, of_all)| of_all)?;
        let first = *of_all.get_or_insert(next);
        if first != next {
            let (of_first, here) = (self.used[first.0].text(), element.text());
            let owners = whose.owners();
            let message = format!(
                "all {owners} have one element type: it is `{of_first}` of the first of them, and `{here}` here"
            );
            errors.push(ty, message);
        }
        Some(first)
    }

    /// The type that a parameter has whatever others have; none, where it is that of query, keys and values, which
    /// [`Elements::check_alone`] looks into when all are known.
    pub fn read_alone(&mut self, arg: &GenericArgument, errors: &mut Errors) -> Option<Option<DType>> {
        match self.parse(arg) {
            Some(Generic::Fixed(dtype)) => Some(Some(dtype)),
            Some(Generic::Open(_)) => {
                self.alone.push(arg.clone());
                Some(None)
            }
            None => {
                errors.push(arg, self.expected());
                None
            }
        }
    }

    /// A generic that stands alone is that of the query.
    pub fn check_alone(&self, errors: &mut Errors) {
        let of_query = self.firsts.iter().find(|(whose, _)| *whose == ElementOf::Query);
        let Some(of_inputs) = of_query.and_then(|(_, first)| *first).map(|first| &self.used[first.0]) else {
            return;
        };
        for arg in self.alone.iter().filter(|arg| self.parse(arg).as_ref() != Some(of_inputs)) {
            let message = format!(
                "a bias has the type of the query, `{}`, or one of its own: `f16`, `bf16` or `f32`",
                of_inputs.text()
            );
            errors.push(arg, message);
        }
    }

    /// What an element type is, in a message.
    fn expected(&self) -> String {
        format!("an element type is {}, `f16`, `bf16`, `f32`, `E4m3` or `E5m2`", self.generics())
    }

    /// The generics, in a message.
    fn generics(&self) -> String {
        let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        format!("the generic {}", if names.is_empty() { "`T: Element`".into() } else { names.join(" or ") })
    }

    fn find(&self, element: &Generic<DType>) -> Option<usize> {
        self.used.iter().position(|used| used == element)
    }

    /// A generic, or one of those that tensors have.
    fn parse(&self, arg: &GenericArgument) -> Option<Generic<DType>> {
        let GenericArgument::Type(ty) = arg else { return None };
        let name = last_name(ty)?;
        if self.names.iter().any(|known| *known == name) {
            return Some(Generic::Open(name));
        }
        match name.as_str() {
            "f16" => Some(Generic::Fixed(DType::F16)),
            "bf16" => Some(Generic::Fixed(DType::Bf16)),
            "f32" => Some(Generic::Fixed(DType::F32)),
            "E4m3" => Some(Generic::Fixed(DType::E4m3)),
            "E5m2" => Some(Generic::Fixed(DType::E5m2)),
            _ => None,
        }
    }

    /// The generics that no tensor has used.
    pub fn unused(&self) -> impl Iterator<Item = &syn::Ident> {
        self.names.iter().filter(|name| self.find(&Generic::Open(name.to_string())).is_none())
    }

    /// Whether a kernel can have one more.
    pub fn has_room(names: &[syn::Ident]) -> bool {
        names.len() < MOST_ELEMENTS
    }
}
