//! The signature of a kernel: generics and parameters.

use super::diagnostics::{Errors, did_you_mean};
use super::dims::Dims;
use super::elements::Elements;
use crate::program::{
    Arguments, DType, Dim, Element, Generic, Param, ParamKind, ParamType, ScalarType, TYPES, Vector,
};
use quote::ToTokens;
use syn::{FnArg, GenericArgument, GenericParam, Pat, PathArguments, Safety, Type, TypeParamBound};

/// What a signature says. Parameters that could not be read have no kind: uses of them are not errors again.
pub(super) struct Signature {
    /// None, where no tensor could be read.
    pub elements: Vec<Generic<DType>>,
    pub dims: Dims,
    pub params: Vec<SignatureParam>,
}

pub(super) struct SignatureParam {
    pub name: syn::Ident,
    pub kind: Option<ParamKind>,
    /// Of a tensor.
    pub element: Option<Element>,
    /// Of a tensor.
    pub dim: Option<Dim>,
}

impl Signature {
    /// The parameters as the program has them. Only right when there were no errors.
    pub fn program_params(&self) -> Vec<Param> {
        let one = |param: &SignatureParam| Param {
            name: param.name.to_string(),
            kind: param.kind.unwrap_or(ParamKind::Scalar(ScalarType::F32)),
            element: param.element,
            dim: param.dim,
        };
        self.params.iter().map(one).collect()
    }
}

pub(super) fn read(item: &syn::ItemFn, errors: &mut Errors) -> Signature {
    let sig = &item.sig;
    if let Some(token) = &sig.constness {
        errors.push(token, "a kernel is not `const`: remove it");
    }
    if let Some(token) = &sig.asyncness {
        errors.push(token, "a kernel is not `async`: remove it");
    }
    match &sig.safety {
        Safety::Unsafe(token) => errors.push(token, "a kernel is not `unsafe`: remove it"),
        Safety::Safe(token) => errors.push(token, "a kernel needs no `safe`: remove it"),
        Safety::Default => {}
    }
    if let Some(abi) = &sig.abi {
        errors.push(abi, "a kernel has no ABI of its own: remove `extern`");
    }
    if let Some(variadic) = &sig.variadic {
        errors.push(variadic, "a kernel names all its parameters");
    }
    if let syn::ReturnType::Type(..) = &sig.output {
        errors.push(&sig.output, "a kernel returns nothing: store results with `o.store(…)`");
    }
    let (types, names) = generics(&sig.generics, errors);
    let dims = Dims { names, used: Vec::new() };
    let mut reader = Reader { elements: Elements::new(types), dims, errors };
    let mut params: Vec<SignatureParam> = Vec::new();
    for input in &sig.inputs {
        let Some(param) = reader.param(input) else { continue };
        if params.iter().any(|other| other.name == param.name) {
            reader.errors.push(&param.name, format!("there is already a parameter `{}`", param.name));
        }
        params.push(param);
    }
    reader.elements.check_alone(reader.errors);
    let has_query = params.iter().any(|param| param.kind == Some(ParamKind::Query));
    // A parameter that could not be read may have been meant to be the query.
    if !has_query && params.iter().all(|param| param.kind.is_some()) {
        let message = "a kernel has a query: add a parameter `q: Query<T, D>`";
        reader.errors.push(&sig.ident, message);
    }
    // Where a parameter could not be read, it may have been the one that uses the generic.
    if params.iter().all(|param| param.kind.is_some()) && !reader.dims.used.is_empty() {
        for name in reader.elements.unused().chain(reader.dims.unused()) {
            let message = format!("no tensor uses `{name}`: remove it, or write it in the tensors' types");
            reader.errors.push(name, message);
        }
    }
    Signature { elements: reader.elements.used, dims: reader.dims, params }
}

/// The names of the type parameters and of the const parameters.
fn generics(generics: &syn::Generics, errors: &mut Errors) -> (Vec<syn::Ident>, Vec<syn::Ident>) {
    let (mut type_params, mut const_params) = (Vec::new(), Vec::new());
    for param in &generics.params {
        match param {
            // Views may be given their lifetime explicitly; it says nothing about the kernel.
            GenericParam::Lifetime(_) => {}
            GenericParam::Type(param) => {
                let is_element = |bound: &TypeParamBound| match bound {
                    TypeParamBound::Trait(bound) => {
                        bound.path.segments.last().is_some_and(|segment| segment.ident == "Element")
                    }
                    _ => false,
                };
                let name = &param.ident;
                if !param.bounds.iter().any(is_element) {
                    errors.push(
                        param,
                        format!("an element type is bound by `Element`: write `{name}: Element`"),
                    );
                }
                match Elements::has_room(&type_params) {
                    true => type_params.push(name.clone()),
                    false => errors.push(
                        param,
                        "a kernel has three element types at most: one of the query, one of keys and values, and one of the output",
                    ),
                }
            }
            GenericParam::Const(param) => {
                if param.ty.to_token_stream().to_string() != "usize" {
                    let message =
                        format!("a head dimension is a `usize`: write `const {}: usize`", param.ident);
                    errors.push(&param.ty, message);
                }
                const_params.push(param.ident.clone());
            }
        }
    }
    if let Some(clause) = &generics.where_clause {
        errors
            .push(clause, "write the bound where the parameter is declared: `<T: Element, const D: usize>`");
    }
    (type_params, const_params)
}

/// Reads parameters.
pub(super) struct Reader<'a> {
    elements: Elements,
    dims: Dims,
    pub errors: &'a mut Errors,
}

impl<'a> Reader<'a> {
    /// One of a function that is called, whose generics are element types.
    pub fn of_function(sig: &syn::Signature, errors: &'a mut Errors) -> Reader<'a> {
        let (types, names) = generics(&sig.generics, errors);
        if let Some(name) = names.first() {
            errors.push(name, "a score function has no head dimension: pass a number");
        }
        Reader { elements: Elements::new(types), dims: Dims { names: Vec::new(), used: Vec::new() }, errors }
    }

    fn param(&mut self, input: &FnArg) -> Option<SignatureParam> {
        let typed = match input {
            FnArg::Typed(typed) => typed,
            FnArg::Receiver(receiver) => {
                self.errors.push(receiver, "a kernel is a free function: it has no `self`");
                return None;
            }
        };
        let name = match &*typed.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => {
                if let Some(token) = &pat.mutability {
                    self.errors.push(token, "parameters do not change: remove `mut`");
                }
                pat.ident.clone()
            }
            pat => {
                self.errors.push(pat, "a parameter is a plain name: its name is its name at launch");
                return None;
            }
        };
        Some(match self.kind(&typed.ty) {
            Some((kind, of_tensor)) => {
                let (element, dim) = of_tensor.unzip();
                SignatureParam { name, kind: Some(kind), element, dim }
            }
            None => SignatureParam { name, kind: None, element: None, dim: None },
        })
    }

    /// What a parameter's type says it is, and a tensor's element type and head dimension.
    pub fn kind(&mut self, ty: &Type) -> Option<(ParamKind, Option<(Element, Dim)>)> {
        let path = match ty {
            Type::Paren(inner) => return self.kind(&inner.elem),
            Type::Group(inner) => return self.kind(&inner.elem),
            Type::Path(path) if path.qself.is_none() => &path.path,
            Type::Reference(_) | Type::Slice(_) | Type::Array(_) if is_list(ty) => {
                self.errors.push(ty, OF_LISTS);
                return None;
            }
            Type::Reference(reference) => {
                let message = "parameters are passed by value: remove the `&`";
                self.errors.push(ty, message);
                self.kind(&reference.elem);
                return None;
            }
            _ => {
                self.errors
                    .push(ty, format!("this is not a parameter type of a kernel; those are {}", all_types()));
                return None;
            }
        };
        let segment = path.segments.last()?;
        let name = segment.ident.to_string();
        let Some(row) = ParamType::named(&name) else {
            let names: Vec<&str> = TYPES.iter().map(|ty| ty.name).collect();
            let near = did_you_mean(&name, &names);
            let hint = match name.as_str() {
                "Vec" => OF_LISTS.to_string(),
                "f64" | "f16" | "bf16" => "scalars are f32; tensors have their element type".to_string(),
                "u32" | "usize" | "i64" | "u64" | "isize" | "u8" | "i16" | "u16" => {
                    "integers are `i32`".to_string()
                }
                _ if near.is_empty() => format!("those are {}", all_types()),
                _ => String::new(),
            };
            let semicolon = if hint.is_empty() { "" } else { "; " };
            let message = format!("`{name}` is not a parameter type of a kernel{near}{semicolon}{hint}");
            self.errors.push(ty, message);
            return None;
        };
        let args = self.arguments(segment);
        let usage = match (row.arguments, args.as_slice()) {
            (Arguments::None, []) => return Some((row.kind, None)),
            (Arguments::None, _) => format!("`{name}` takes no arguments"),
            (Arguments::ElementAndDim, [element, dim]) => {
                let element = self.elements.read(element, ty, row.kind.element_of(), self.errors);
                let dim = self.dims.read(dim, self.errors);
                return Some((row.kind, Some((element?, dim?))));
            }
            (Arguments::ElementAndDim, _) => {
                format!("`{name}` takes an element type and a head dimension: write `{}`", row.usage())
            }
            (Arguments::Element, [element]) => {
                let dtype = self.elements.read_alone(element, self.errors)?;
                return Some((ParamKind::Bias(dtype), None));
            }
            (Arguments::Element, _) => {
                format!("`{name}` takes an element type: write `{}`, or `{name}<f32>`", row.usage())
            }
            (Arguments::Number, args) => {
                let element = match args {
                    [GenericArgument::Type(ty)] => scalar_type(ty).filter(|ty| *ty != ScalarType::Bool),
                    _ => None,
                };
                if let (Some(element), ParamKind::Vector(vector)) = (element, row.kind) {
                    return Some((ParamKind::Vector(Vector { element, ..vector }), None));
                }
                format!("`{name}` holds numbers: write `{name}<f32>` or `{name}<i32>`")
            }
        };
        self.errors.push(ty, usage);
        None
    }

    /// Generic arguments, without lifetimes.
    fn arguments<'t>(&mut self, segment: &'t syn::PathSegment) -> Vec<&'t GenericArgument> {
        match &segment.arguments {
            PathArguments::AngleBracketed(args) => {
                args.args.iter().filter(|arg| !matches!(arg, GenericArgument::Lifetime(_))).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// What to write for lists of numbers.
const OF_LISTS: &str = "numbers by what they are for are `PerKey<i32>` (a number for each position, read as `x[at.col]` or \
                        `x[at.row]`), `PerQuery`, `PerSequence` and `PerHead`, of `i32` or `f32`; by several of these, `Bias<f32>`";

/// `&[T]`, `[T; N]` or what holds such.
fn is_list(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => is_list(&reference.elem),
        Type::Slice(_) | Type::Array(_) => true,
        Type::Path(_) => last_segment(ty).is_some_and(|name| name == "Vec"),
        _ => false,
    }
}

/// The last segment of a path, whatever its arguments.
fn last_segment(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    Some(path.path.segments.last()?.ident.to_string())
}

/// Every type that a parameter can have, as a list.
fn all_types() -> String {
    let types: Vec<String> = TYPES.iter().map(ParamType::usage).collect();
    match types.split_last() {
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// `f32`, `i32` or `bool`.
pub(super) fn scalar_type(ty: &Type) -> Option<ScalarType> {
    match last_name(ty)?.as_str() {
        "f32" => Some(ScalarType::F32),
        "i32" => Some(ScalarType::I32),
        "bool" => Some(ScalarType::Bool),
        _ => None,
    }
}

/// The last segment of a path without arguments.
pub(super) fn last_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Paren(inner) => last_name(&inner.elem),
        Type::Group(inner) => last_name(&inner.elem),
        Type::Path(path) if path.qself.is_none() => {
            let last = path.path.segments.last()?;
            matches!(last.arguments, PathArguments::None).then(|| last.ident.to_string())
        }
        _ => None,
    }
}
