//! What stands beside an accepted kernel function: a module of its name.

use flashpage_codegen::Program;
use flashpage_codegen::frontend::{ForHost, Purpose};
use flashpage_codegen::program::{
    Access, Axis, DType, Dim, ElementOf, Generic, ParamKind, ScalarType, Storage, Vector,
};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{FnArg, GenericParam, Ident};

/// The module. Paths in it are absolute, since nothing is known of where it stands.
pub(crate) fn beside(function: &syn::ItemFn, read: &ForHost<Program>, purpose: Purpose) -> TokenStream {
    let program = &read.read;
    let around = crate::around::named(function, &read.around);
    let (vis, name) = (&function.vis, &function.sig.ident);
    let source = crate::source::text(function);
    let program_doc = match purpose {
        Purpose::Launch => "The tile program that is compiled.",
        Purpose::Reference => "The tile program, which is for the reference only.",
    };
    let module_doc = format!("What the compiler makes of the kernel [`{name}`](fn@{name}).");
    let args = args(function, program);
    let launch = (purpose == Purpose::Launch).then(launch);
    let reference = reference(function, program);
    quote! {
        #[doc = #module_doc]
        #[allow(dead_code)]
        #vis mod #name {
            #[doc = #program_doc]
            pub fn program() -> &'static ::flashpage::codegen::Program {
                static PROGRAM: ::std::sync::OnceLock<::flashpage::codegen::Program> =
                    ::std::sync::OnceLock::new();
                PROGRAM.get_or_init(|| ::flashpage::__macro_support::program(#source, &[#(#around),*]))
            }
            #args
            #launch
            #reference
        }
    }
}

/// The module beside a function that kernels call.
pub(crate) fn beside_score_function(function: &syn::ItemFn, around: &[String]) -> TokenStream {
    let (vis, name) = (&function.vis, &function.sig.ident);
    let source = crate::source::text(function);
    let around = crate::around::named(function, around);
    let module_doc = format!("What kernels see of the score function [`{name}`](fn@{name}).");
    quote! {
        #[doc = #module_doc]
        #[allow(dead_code)]
        #vis mod #name {
            /// Its source, and what stands around it.
            pub const SCORE_FUNCTION: fn() -> ::flashpage::codegen::frontend::ScoreFunction =
                || ::flashpage::codegen::frontend::ScoreFunction {
                    source: #source,
                    around: ::std::vec![#(#around),*],
                };
        }
    }
}

/// A parameter as the function has it and as the program has it.
struct Param<'a> {
    name: &'a Ident,
    kind: ParamKind,
    dim: Option<Dim>,
    /// A variable for what the host run holds for it. Hygienic: parameters may have any name.
    held: Ident,
}

fn params<'a>(function: &'a syn::ItemFn, program: &Program) -> Vec<Param<'a>> {
    let names = function.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => match &*typed.pat {
            syn::Pat::Ident(pat) => Some(&pat.ident),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    let pair = |(index, (name, param)): (usize, (&'a Ident, &flashpage_codegen::program::Param))| Param {
        name,
        kind: param.kind,
        dim: param.dim,
        held: format_ident!("held_{index}", span = Span::mixed_site()),
    };
    names.zip(&program.params).enumerate().map(pair).collect()
}

impl Param<'_> {
    /// The type of its field in `Args`.
    fn field(&self) -> TokenStream {
        match (self.kind.ty().storage, self.kind) {
            (Storage::Ragged, _) => quote!(::flashpage::runtime::args::Ragged<'a>),
            (Storage::Pool, _) => quote!(::flashpage::runtime::args::Pool<'a>),
            (Storage::Table, _) => quote!(&'a ::flashpage::runtime::args::BlockTable),
            (Storage::Bits, _) => quote!(&'a ::flashpage::runtime::args::BitMask),
            (Storage::Scalar, ParamKind::Scalar(ty)) => scalar(ty),
            (Storage::Plain | Storage::Scalar, _) => quote!(&'a ::flashpage::runtime::tensor::Tensor),
        }
    }

    /// Its variant of `Argument`.
    fn variant(&self) -> TokenStream {
        let ty = self.kind.ty();
        match (ty.storage, ty.access, self.kind) {
            (Storage::Ragged, ..) => quote!(Ragged),
            (Storage::Pool, ..) => quote!(Pool),
            (Storage::Table, ..) => quote!(Table),
            (Storage::Bits, ..) => quote!(BitMask),
            (_, _, ParamKind::Scalar(ScalarType::F32)) => quote!(F32),
            (_, _, ParamKind::Scalar(ScalarType::I32)) => quote!(I32),
            (_, _, ParamKind::Scalar(ScalarType::Bool)) => quote!(Bool),
            (_, Access::Write, _) => quote!(Output),
            (_, Access::Read, _) => quote!(Vector),
        }
    }

    /// What an argument for it is, in a message.
    fn takes(&self) -> &'static str {
        match (self.kind.ty().storage, self.kind.ty().access, self.kind) {
            (Storage::Ragged, ..) => "a ragged tensor",
            (Storage::Pool, ..) => "a pool",
            (Storage::Table, ..) => "a block table",
            (Storage::Bits, ..) => "a bit mask",
            (_, _, ParamKind::Scalar(ScalarType::F32)) => "an f32",
            (_, _, ParamKind::Scalar(ScalarType::I32)) => "an i32",
            (_, _, ParamKind::Scalar(ScalarType::Bool)) => "a bool",
            (_, Access::Write, _) => "an output",
            (_, Access::Read, _) => "a vector",
        }
    }

    /// Its shape, where it has one that does not depend on a layout.
    fn shape(&self, program: &Program) -> Option<String> {
        let dim = self.dim.map_or_else(String::new, |dim| program.dim_text(dim));
        let ty = self.kind.ty();
        matches!(ty.storage, Storage::Ragged | Storage::Plain).then(|| ty.shape(&dim))
    }

    fn doc(&self, program: &Program) -> String {
        let of = match self.kind {
            ParamKind::Vector(Vector { element, .. }) => format!(" of {element}"),
            ParamKind::RowInput | ParamKind::RowOutput | ParamKind::ColOutput => " of f32".into(),
            ParamKind::Bias(Some(own)) => format!(" of {own}"),
            // Of an element type of its own.
            ParamKind::Input | ParamKind::Output | ParamKind::KeyOutput
                if program.output_element() != program.input_element() =>
            {
                format!(" of {}", program.output_element().text())
            }
            kind if kind.element_of() == ElementOf::KeysAndValues
                && self.dim.is_some()
                && program.kv_element() != program.input_element() =>
            {
                format!(" of {}", program.kv_element().text())
            }
            _ => String::new(),
        };
        let shape = self.shape(program).map_or_else(String::new, |shape| format!(", `{shape}`{of}"));
        format!("{}{shape}.", self.kind.ty().doc)
    }
}

/// `struct Args`.
fn args(function: &syn::ItemFn, program: &Program) -> TokenStream {
    let kernel = &function.sig.ident;
    let params = params(function, program);
    let fields = params.iter().map(|param| {
        let (name, ty, doc) = (param.name, param.field(), param.doc(program));
        quote!(#[doc = #doc] pub #name: #ty,)
    });
    let arguments = params.iter().map(|param| {
        let (name, variant) = (param.name, param.variant());
        quote!(::flashpage::runtime::args::Argument::#variant(self.#name))
    });
    let from = params.iter().map(|param| {
        let (name, held, variant) = (param.name, &param.held, param.variant());
        let (text, takes) = (name.to_string(), param.takes());
        quote!(#name: match *#held {
            ::flashpage::runtime::args::Argument::#variant(value) => value,
            ref other => return ::std::result::Result::Err(::flashpage::__macro_support::kind_error(#text, #takes, other)),
        })
    });
    let held = params.iter().map(|param| &param.held);
    let doc = format!("The arguments of a launch of `{kernel}`, a field for each parameter.");
    quote! {
        #[doc = #doc]
        #[derive(Clone, Copy, Debug)]
        pub struct Args<'a> {
            #(#fields)*
        }

        impl<'a> Args<'a> {
            /// The arguments in the order of the parameters.
            pub fn arguments(&self) -> ::std::vec::Vec<::flashpage::runtime::args::Argument<'a>> {
                ::std::vec![#(#arguments),*]
            }
        }

        impl<'a> ::std::convert::TryFrom<&[::flashpage::runtime::args::Argument<'a>]> for Args<'a> {
            type Error = ::flashpage::runtime::launch::LaunchError;

            /// The way back from [`Args::arguments`].
            fn try_from(
                arguments: &[::flashpage::runtime::args::Argument<'a>],
            ) -> ::std::result::Result<Args<'a>, Self::Error> {
                let [#(#held),*] = arguments else {
                    return ::std::result::Result::Err(::flashpage::__macro_support::count_error(program(), arguments));
                };
                ::std::result::Result::Ok(Args { #(#from),* })
            }
        }
    }
}

/// How `Args` is launched, of a kernel that is.
fn launch() -> TokenStream {
    quote! {
        impl Args<'_> {
            /// Compiles the kernel for this device and these arguments, if that has not been done, and runs it.
            ///
            /// # Errors
            /// If an argument does not fit the others or the kernel, or the device fails.
            pub fn launch(
                &self,
                device: &::flashpage::runtime::device::Device,
            ) -> ::std::result::Result<
                ::flashpage::runtime::launch::LaunchReport,
                ::flashpage::runtime::launch::LaunchError,
            > {
                self.launch_with(device, &::std::default::Default::default())
            }

            /// As `launch`, with a say in how.
            ///
            /// # Errors
            /// As `launch`.
            pub fn launch_with(
                &self,
                device: &::flashpage::runtime::device::Device,
                options: &::flashpage::runtime::launch::LaunchOptions,
            ) -> ::std::result::Result<
                ::flashpage::runtime::launch::LaunchReport,
                ::flashpage::runtime::launch::LaunchError,
            > {
                ::flashpage::runtime::launch::launch(device, program(), &self.arguments(), options)
            }
        }
    }
}

/// The host's type of elements.
fn element_type(dtype: DType) -> TokenStream {
    match dtype {
        DType::F16 => quote!(::flashpage::dsl::f16),
        DType::Bf16 => quote!(::flashpage::dsl::bf16),
        DType::E4m3 => quote!(::flashpage::dsl::E4m3),
        DType::E5m2 => quote!(::flashpage::dsl::E5m2),
        _ => quote!(f32),
    }
}

fn scalar(ty: ScalarType) -> TokenStream {
    match ty {
        ScalarType::F32 => quote!(f32),
        ScalarType::I32 => quote!(i32),
        ScalarType::Bool => quote!(bool),
    }
}

/// `fn reference` and what it gives.
fn reference(function: &syn::ItemFn, program: &Program) -> TokenStream {
    let kernel = &function.sig.ident;
    let params = params(function, program);
    // `T: Element, const D: usize` as the kernel has them, and how they are passed on.
    let mut generics = Vec::new();
    let mut passed = Vec::new();
    for param in &function.sig.generics.params {
        match param {
            GenericParam::Lifetime(_) => {}
            GenericParam::Type(param) => {
                let name = &param.ident;
                generics.push(quote!(#name: ::flashpage::dsl::Element));
                passed.push(name);
            }
            GenericParam::Const(param) => {
                let name = &param.ident;
                generics.push(quote!(const #name: usize));
                passed.push(name);
            }
        }
    }
    let element_of = |element: &Generic<DType>| match element {
        Generic::Open(name) => {
            let name = Ident::new(name, kernel.span());
            quote!(#name)
        }
        Generic::Fixed(dtype) => element_type(*dtype),
    };
    let (element, stored) = (element_of(program.input_element()), element_of(program.output_element()));
    let of_kv = element_of(program.kv_element());
    let dims = program.dims.iter().map(|dim| match dim {
        Generic::Open(name) => {
            let name = Ident::new(name, kernel.span());
            quote!(#name)
        }
        Generic::Fixed(n) => quote!(#n),
    });
    let dims: Vec<TokenStream> = dims.collect();
    // What instances own decides how the host goes through them.
    let run =
        Ident::new(if program.owned() == Axis::Rows { "run" } else { "run_columns" }, Span::mixed_site());
    let shapes = Ident::new("shapes", Span::mixed_site());
    let hold = params.iter().filter_map(|Param { name, kind, dim, held }| {
        let (text, ty) = (name.to_string(), kind.ty());
        Some(match (ty.storage, ty.access, kind) {
            (Storage::Ragged, _, ParamKind::Vector(Vector { element, .. })) => {
                let ty = scalar(*element);
                quote!(let #held = #shapes.ragged_vector::<#ty>(&args.#name)?;)
            }
            (Storage::Ragged, ..) if *kind == ParamKind::Query => {
                quote!(let #held = #shapes.tokens::<#element>(#text, &args.#name)?;)
            }
            (Storage::Ragged, ..) => quote!(let #held = #shapes.tokens::<#of_kv>(#text, &args.#name)?;),
            (Storage::Pool, ..) => quote!(let #held = #shapes.blocks::<#of_kv>(#text, &args.#name)?;),
            (Storage::Table, ..) => quote!(let #held = #shapes.table(args.#name);),
            (Storage::Bits, ..) => quote!(let #held = #shapes.bits(args.#name);),
            (Storage::Scalar, ..) => return None,
            (Storage::Plain, Access::Read, ParamKind::Vector(Vector { element, .. })) => {
                let ty = scalar(*element);
                quote!(let #held = #shapes.vector::<#ty>(args.#name)?;)
            }
            (Storage::Plain, Access::Read, ParamKind::Bias(own)) => {
                let ty = own.map_or_else(|| element.clone(), element_type);
                quote!(let #held = #shapes.bias::<#ty>(#text, args.#name)?;)
            }
            (Storage::Plain, Access::Read, ParamKind::Input) => {
                let width = dim.map_or_else(|| quote!(1), |dim| dims[dim.0].clone());
                quote!(let #held = #shapes.earlier::<#stored>(#text, args.#name, #width)?;)
            }
            (Storage::Plain, Access::Read, _) => quote!(let #held = #shapes.row_numbers(#text, args.#name)?;),
            (Storage::Plain, Access::Write, _) => {
                let width = dim.map_or_else(|| quote!(1), |dim| dims[dim.0].clone());
                match ty.along {
                    Some(Axis::Cols) => quote!(let mut #held = #shapes.key_output(#width);),
                    _ => quote!(let mut #held = #shapes.output(#width);),
                }
            }
        })
    });
    // Views are `Copy`, so they are made once and given to every instance.
    let view = params.iter().map(|Param { name, kind, held, .. }| {
        let ty = kind.ty();
        let view = Ident::new(ty.name, Span::mixed_site());
        match (ty.storage, ty.access) {
            (Storage::Ragged, _) if matches!(kind, ParamKind::Vector(_)) => {
                quote!(::flashpage::dsl::#view::new(&#held.0, &#held.1))
            }
            // What is held has a method for each: `query`, `keys`, `values`.
            (Storage::Ragged | Storage::Pool, _) => {
                let method = Ident::new(ty.noun, Span::mixed_site());
                quote!(#held.#method())
            }
            (Storage::Table, _) => quote!(#held.view()),
            (Storage::Bits, _) => quote!(::flashpage::dsl::#view::new(&#held.0, &#held.1, &#held.2)),
            (Storage::Plain, _) if matches!(kind, ParamKind::Bias(_)) => {
                quote!(::flashpage::dsl::#view::new(&#held.0, #held.1))
            }
            (Storage::Scalar, _) => quote!(args.#name),
            (Storage::Plain, Access::Read) => match ty.along {
                Some(_) => quote!(::flashpage::dsl::#view::new(&#held, #shapes.q_heads())),
                None => quote!(::flashpage::dsl::#view::new(&#held)),
            },
            (Storage::Plain, Access::Write) => match ty.along {
                Some(Axis::Cols) => quote!(::flashpage::dsl::#view::new(&mut #held, #shapes.kv_heads())),
                _ => quote!(::flashpage::dsl::#view::new(&mut #held, #shapes.q_heads())),
            },
        }
    });
    let views: Vec<Ident> =
        (0..params.len()).map(|index| format_ident!("view_{index}", span = Span::mixed_site())).collect();
    let is_output = |param: &&Param| param.kind.ty().access == Access::Write;
    let outputs: Vec<&Param> = params.iter().filter(is_output).collect();
    let fields = outputs.iter().map(|param| {
        let (name, shape) = (param.name, param.shape(program).unwrap_or_default());
        let doc = format!("`{shape}`");
        quote!(#[doc = #doc] pub #name: ::std::vec::Vec<f32>,)
    });
    let results = outputs.iter().map(|Param { name, held, .. }| quote!(#name: #held));
    let count = outputs.len();
    let named = outputs.iter().map(|Param { name, .. }| {
        let text = name.to_string();
        quote!((#text, self.#name.as_slice()))
    });
    let doc = format!("What `{kernel}` gives on the host: its outputs, unrounded.");
    quote! {
        #[doc = #doc]
        #[derive(Clone, Debug, PartialEq)]
        pub struct Reference {
            #(#fields)*
        }

        impl Reference {
            /// The outputs by name, in the order of the parameters.
            pub fn outputs(&self) -> [(&'static str, &[f32]); #count] {
                [#(#named),*]
            }
        }

        /// Runs the kernel's own source on the CPU, over the tensors of a launch. Sums are taken in f64 and
        /// nothing is rounded to an element type. Tokens that belong to no sequence stay NaN.
        ///
        /// # Errors
        /// If the tensors are of other types or shapes than the kernel takes, or the kernel runs into bad data
        /// such as a table entry that names no block.
        pub fn reference<#(#generics),*>(
            args: &Args<'_>,
        ) -> ::std::result::Result<Reference, ::flashpage::HostRunError> {
            let #shapes = ::flashpage::__macro_support::Shapes::of::<#element, #of_kv>(
                program(),
                &args.arguments(),
                &[#(#dims),*],
            )?;
            #(#hold)*
            {
                #(let #views = #view;)*
                #shapes.batch().#run(|| super::#kernel::<#(#passed),*>(#(#views),*))?;
            }
            ::std::result::Result::Ok(Reference { #(#results),* })
        }
    }
}
