//! The signature of a kernel: generics and parameters.

use super::diagnostics::{Errors, did_you_mean};
use crate::program::{Along, Axis, DType, Generic, Param, ParamKind, ScalarType, TileType, Vector};
use quote::ToTokens;
use syn::{FnArg, GenericArgument, GenericParam, Pat, PathArguments, Safety, Type, TypeParamBound};

/// What a signature says. Parameters that could not be read have no kind: uses of them are not errors again.
pub(super) struct Signature {
    pub element: Generic<DType>,
    pub head_dim: Generic<usize>,
    /// The name of the const generic, if there is one.
    pub const_param: Option<String>,
    pub params: Vec<SignatureParam>,
}

pub(super) struct SignatureParam {
    pub name: syn::Ident,
    pub kind: Option<ParamKind>,
}

impl Signature {
    /// The parameters as the program has them. Only right when there were no errors.
    pub fn program_params(&self) -> Vec<Param> {
        let kind = |param: &SignatureParam| param.kind.unwrap_or(ParamKind::Scalar(ScalarType::F32));
        self.params.iter().map(|param| Param { name: param.name.to_string(), kind: kind(param) }).collect()
    }
}

const TENSORS: [(&str, ParamKind); 6] = [
    ("Query", ParamKind::Query),
    ("Keys", ParamKind::Keys),
    ("Values", ParamKind::Values),
    ("PagedKeys", ParamKind::PagedKeys),
    ("PagedValues", ParamKind::PagedValues),
    ("Output", ParamKind::Output),
];

/// Every name that a parameter's type can have.
fn types() -> Vec<&'static str> {
    let tensors = TENSORS.iter().map(|(name, _)| *name);
    let vectors = Along::ALL.into_iter().map(Along::type_name);
    tensors.chain(["BlockTable", "RowOutput"]).chain(vectors).chain(["f32", "i32", "bool"]).collect()
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
    let (type_param, const_param) = generics(&sig.generics, errors);
    let mut reader = Reader { type_param, const_param, element: None, head_dim: None, errors };
    let mut params: Vec<SignatureParam> = Vec::new();
    for input in &sig.inputs {
        let Some(param) = reader.param(input) else { continue };
        if params.iter().any(|other| other.name == param.name) {
            reader.errors.push(&param.name, format!("there is already a parameter `{}`", param.name));
        }
        params.push(param);
    }
    let queries: Vec<&SignatureParam> =
        params.iter().filter(|param| param.kind == Some(ParamKind::Query)).collect();
    if let Some(second) = queries.get(1) {
        reader.errors.push(&second.name, "a kernel has one `Query`: its rows are what an instance owns");
    }
    // A parameter that could not be read may have been meant to be the query.
    if queries.is_empty() && params.iter().all(|param| param.kind.is_some()) {
        let message = "a kernel has a query: add a parameter `q: Query<T, D>`";
        reader.errors.push(&sig.ident, message);
    }
    let element = reader.element.take();
    let head_dim = reader.head_dim.take();
    // Where a parameter could not be read, it may have been the one that uses the generic.
    if params.iter().any(|param| param.kind == Some(ParamKind::Query)) {
        let unused_type = matches!(&element, Some(Generic::Fixed(_))).then_some(&reader.type_param);
        let unused_const = matches!(&head_dim, Some(Generic::Fixed(_))).then_some(&reader.const_param);
        for name in [unused_type, unused_const].into_iter().flatten().flatten() {
            let message = format!("no tensor uses `{name}`: remove it, or write it in the tensors' types");
            reader.errors.push(&sig.generics, message);
        }
    }
    Signature {
        element: element.unwrap_or(Generic::Open("T".into())),
        head_dim: head_dim.unwrap_or(Generic::Open("D".into())),
        const_param: reader.const_param,
        params,
    }
}

/// The names of the one type parameter and the one const parameter.
fn generics(generics: &syn::Generics, errors: &mut Errors) -> (Option<String>, Option<String>) {
    let (mut type_param, mut const_param) = (None, None);
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
                let name = param.ident.to_string();
                if !param.bounds.iter().any(is_element) {
                    errors.push(
                        param,
                        format!("an element type is bound by `Element`: write `{name}: Element`"),
                    );
                }
                if type_param.is_some() {
                    errors.push(param, "a kernel has one element type: all its tensors share it");
                }
                type_param.get_or_insert(name);
            }
            GenericParam::Const(param) => {
                if param.ty.to_token_stream().to_string() != "usize" {
                    let message =
                        format!("the head dimension is a `usize`: write `const {}: usize`", param.ident);
                    errors.push(&param.ty, message);
                }
                if const_param.is_some() {
                    errors.push(param, "a kernel has one const parameter, the head dimension");
                }
                const_param.get_or_insert(param.ident.to_string());
            }
        }
    }
    if let Some(clause) = &generics.where_clause {
        errors
            .push(clause, "write the bound where the parameter is declared: `<T: Element, const D: usize>`");
    }
    (type_param, const_param)
}

struct Reader<'a> {
    type_param: Option<String>,
    const_param: Option<String>,
    element: Option<Generic<DType>>,
    head_dim: Option<Generic<usize>>,
    errors: &'a mut Errors,
}

impl Reader<'_> {
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
        Some(SignatureParam { name, kind: self.kind(&typed.ty) })
    }

    /// What a parameter's type says it is.
    fn kind(&mut self, ty: &Type) -> Option<ParamKind> {
        let path = match ty {
            Type::Paren(inner) => return self.kind(&inner.elem),
            Type::Group(inner) => return self.kind(&inner.elem),
            Type::Path(path) if path.qself.is_none() => &path.path,
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
        let args = self.arguments(segment);
        if let Some((_, kind)) = TENSORS.iter().find(|(tensor, _)| *tensor == name) {
            let [element, head_dim] = args.as_slice() else {
                let usage =
                    format!("`{name}` takes an element type and a head dimension: write `{name}<T, D>`");
                self.errors.push(ty, usage);
                return None;
            };
            let (element, head_dim) = (self.element(element), self.head_dim(head_dim));
            self.share(ty, element?, head_dim?);
            return Some(*kind);
        }
        if let Some(along) = Along::ALL.into_iter().find(|along| along.type_name() == name) {
            let element = match args.as_slice() {
                [GenericArgument::Type(ty)] => scalar_type(ty).filter(|ty| *ty != ScalarType::Bool),
                _ => None,
            };
            if element.is_none() {
                let usage = format!("`{name}` holds numbers: write `{name}<f32>` or `{name}<i32>`");
                self.errors.push(ty, usage);
            }
            return element.map(|element| ParamKind::Vector(Vector { along, element }));
        }
        let plain = match name.as_str() {
            "BlockTable" => ParamKind::BlockTable,
            "RowOutput" => ParamKind::RowOutput,
            "f32" => ParamKind::Scalar(ScalarType::F32),
            "i32" => ParamKind::Scalar(ScalarType::I32),
            "bool" => ParamKind::Scalar(ScalarType::Bool),
            _ => {
                let near = did_you_mean(&name, &types());
                let hint = match name.as_str() {
                    "f64" | "f16" | "bf16" => "scalars are f32; tensors have their element type".to_string(),
                    "u32" | "usize" | "i64" | "u64" | "isize" | "u8" | "i16" | "u16" => {
                        "integers are `i32`".to_string()
                    }
                    _ => format!("those are {}", all_types()),
                };
                self.errors.push(ty, format!("`{name}` is not a parameter type of a kernel{near}; {hint}"));
                return None;
            }
        };
        if !args.is_empty() {
            self.errors.push(ty, format!("`{name}` takes no arguments"));
            return None;
        }
        Some(plain)
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

    fn element(&mut self, arg: &GenericArgument) -> Option<Generic<DType>> {
        let name = match arg {
            GenericArgument::Type(ty) => last_name(ty),
            _ => None,
        };
        match name.as_deref() {
            Some(name) if self.type_param.as_deref() == Some(name) => Some(Generic::Open(name.to_string())),
            Some("f16") => Some(Generic::Fixed(DType::F16)),
            Some("bf16") => Some(Generic::Fixed(DType::Bf16)),
            Some("f32") => Some(Generic::Fixed(DType::F32)),
            _ => {
                let generic = self.type_param.as_deref().unwrap_or("T: Element");
                let message = format!("an element type is the generic `{generic}`, `f16`, `bf16` or `f32`");
                self.errors.push(arg, message);
                None
            }
        }
    }

    fn head_dim(&mut self, arg: &GenericArgument) -> Option<Generic<usize>> {
        let found = match arg {
            GenericArgument::Type(ty) => {
                last_name(ty).filter(|name| self.const_param.as_ref() == Some(name)).map(Generic::Open)
            }
            GenericArgument::Const(syn::Expr::Lit(lit)) => match &lit.lit {
                syn::Lit::Int(n) => n.base10_parse().ok().filter(|n| *n > 0).map(Generic::Fixed),
                _ => None,
            },
            _ => None,
        };
        if found.is_none() {
            let generic = self.const_param.as_deref().unwrap_or("const D: usize");
            self.errors
                .push(arg, format!("a head dimension is the generic `{generic}` or a positive number"));
        }
        found
    }

    /// All tensors have the element type and head dimension of the first.
    fn share(&mut self, ty: &Type, element: Generic<DType>, head_dim: Generic<usize>) {
        if *self.element.get_or_insert(element.clone()) != element {
            self.errors.push(ty, "all tensors of a kernel have the same element type");
        }
        if *self.head_dim.get_or_insert(head_dim.clone()) != head_dim {
            self.errors.push(ty, "all tensors of a kernel have the same head dimension");
        }
    }
}

fn all_types() -> String {
    let vectors: Vec<String> = Along::ALL.map(|along| format!("{}<f32>", along.type_name())).to_vec();
    format!(
        "Query<T, D>, Keys<T, D>, Values<T, D>, PagedKeys<T, D>, PagedValues<T, D>, BlockTable, Output<T, D>, RowOutput, \
         {}, f32, i32 and bool",
        vectors.join(", ")
    )
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

/// `Tile<Rows, Dim<D>>` and its like; none if an axis is left open or the type is another.
pub(super) fn tile_type(ty: &Type) -> Option<TileType> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Tile")?;
    tile_arguments(&last.arguments)
}

/// The axes of `Tile<…>`.
pub(super) fn tile_arguments(arguments: &PathArguments) -> Option<TileType> {
    let PathArguments::AngleBracketed(args) = arguments else { return None };
    let axis = |arg: &GenericArgument| {
        let GenericArgument::Type(ty) = arg else { return None };
        match (last_name(ty).as_deref(), ty) {
            (Some("Rows"), _) => Some(Axis::Rows),
            (Some("Cols"), _) => Some(Axis::Cols),
            (None, Type::Path(path)) if path.path.segments.last()?.ident == "Dim" => Some(Axis::Dim),
            _ => None,
        }
    };
    let mut axes = args.args.iter().map(axis);
    match (axes.next(), axes.next(), axes.next()) {
        (Some(Some(rows)), Some(Some(cols)), None) => Some(TileType { rows, cols }),
        _ => None,
    }
}
