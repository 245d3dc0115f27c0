//! `#[attention_kernel]`: a thin shell over the compiler's front end.
//!
//! Invariant: what is a kernel, and what is said of one that is not, is decided in
//! `flashpage_codegen::frontend` alone, so that `kgen` says the same without this macro. Here is only what
//! stands beside the function once it is accepted.

mod around;
mod expand;
mod source;
mod wrapping;

use flashpage_codegen::frontend::{ForHost, Purpose, parse_for_host, parse_score_function};
use proc_macro::TokenStream;
use proc_macro2::Span;
use quote::quote;

/// Makes an attention kernel of a function over the types of `flashpage::dsl`.
///
/// The function stays as it is, but that its integers wrap and divide by zero as a kernel's do: rustc checks its body, and it
/// runs on the host. Beside it comes a module of the same name and visibility:
///
/// - `program()`: the tile program that is compiled,
/// - `Args`: the arguments of a launch, a field for each parameter, with `launch(&device)`; `args.arguments()` lists them, and
///   `Args::try_from(&list[..])` is the way back,
/// - `reference(&args)`: runs the function itself on the CPU, over the same tensors, and gives its outputs
///   unrounded, each by its field, or all by name with `outputs()`.
///
/// A kernel is what the compiler takes, for every target: anything else is an error here, at what is in the way. The module
/// `flashpage::codegen::frontend` says what that is.
///
/// `#[attention_kernel(reference)]` marks a function of any form, for the host run and the f64 reference alone: nothing is
/// made of it for a device, and its `Args` have no `launch`.
///
/// A kernel stands in a module, not in the body of another function: the module beside it could not name it
/// there.
///
/// ```ignore
/// use flashpage::prelude::*;
///
/// #[attention_kernel]
/// pub fn attention<T: Element, const D: usize>(
///     q: Query<T, D>,
///     k: Keys<T, D>,
///     v: Values<T, D>,
///     o: Output<T, D>,
///     scale: f32,
/// ) {
///     let q = q.tile();
///     let mut softmax = OnlineSoftmax::new();
///     let mut acc = Tile::zeros();
///     for cols in k.tiles() {
///         let s = dot(q, k.load(cols).t()) * scale;
///         let p = softmax.step(s, &mut acc);
///         acc += dot(p, v.load(cols));
///     }
///     o.store(softmax.finish(acc));
/// }
/// ```
#[proc_macro_attribute]
pub fn attention_kernel(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    let Ok(function) = syn::parse2::<syn::ItemFn>(item.clone()) else {
        // If it is a function with a mistake in it, rustc says so better than we could.
        let message = "#[attention_kernel] goes on a function with a body";
        let error = syn::Error::new(Span::call_site(), message).into_compile_error();
        return quote!(#error #item).into();
    };
    let mut errors = None;
    let purpose = match Purpose::read(proc_macro2::TokenStream::from(arguments)) {
        Ok(purpose) => purpose,
        Err(error) => {
            errors = Some(error);
            // Whatever was meant, what is no kernel at all is one no more.
            Purpose::Reference
        }
    };
    let mut function = function;
    let beside = match parse_for_host(&function, purpose) {
        Ok(read) => {
            let beside = expand::beside(&function, &read, purpose);
            wrapping::wrap(&mut function, &read.arithmetic);
            beside
        }
        Err(error) => {
            match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            }
            quote!()
        }
    };
    let errors = errors.map(syn::Error::into_compile_error);
    quote! {
        #errors
        // Elided lifetimes are the point of the signature, and every parameter is a parameter of the launch.
        #[allow(elided_lifetimes_in_paths, clippy::too_many_arguments)]
        #function
        #beside
    }
    .into()
}

/// Makes of a function of numbers one that kernels, and other such functions, call.
///
/// It takes numbers (`f32`, `i32`, `bool`), [`At`](../flashpage/prelude/struct.At.html), and what is indexed (`PerHead<f32>` and its
/// like, `Bias<T>`, `BitMask`), and gives one number. What it says is read as a score function's body is; `return` may stand in it,
/// and at the end of the branches of an `if`. It stays a function of Rust besides, whose integers wrap as a kernel's do.
///
/// ```ignore
/// use flashpage::prelude::*;
///
/// /// Columns of the last `window` positions.
/// #[score_function]
/// pub fn is_near(at: At, window: i32) -> bool {
///     at.col <= at.row && at.row - at.col < window
/// }
///
/// // In a kernel: s.mask(|at| is_near(at, window))
/// ```
///
/// Beside it comes a module of the same name, by which kernels read its source: who names the function by `use` has both.
#[proc_macro_attribute]
pub fn score_function(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    let Ok(mut function) = syn::parse2::<syn::ItemFn>(item.clone()) else {
        let message = "#[score_function] goes on a function with a body";
        let error = syn::Error::new(Span::call_site(), message).into_compile_error();
        return quote!(#error #item).into();
    };
    let arguments = proc_macro2::TokenStream::from(arguments);
    let mut errors = (!arguments.is_empty())
        .then(|| syn::Error::new_spanned(arguments, "#[score_function] takes no arguments: remove this"));
    let read = match parse_score_function(&function) {
        Ok(read) => read,
        Err(error) => {
            match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            }
            // A module is there all the same: that there is none is no mistake of those who call it.
            ForHost { read: (), arithmetic: Default::default(), around: Vec::new() }
        }
    };
    let beside = expand::beside_score_function(&function, &read.around);
    wrapping::wrap(&mut function, &read.arithmetic);
    let errors = errors.map(syn::Error::into_compile_error);
    quote! {
        #errors
        #[allow(elided_lifetimes_in_paths, clippy::too_many_arguments)]
        #function
        #beside
    }
    .into()
}
