//! Head dimensions: what stands in the angle brackets of tensors, of `Dim<…>` and of `slice::<…>`.

use super::diagnostics::Errors;
use super::signature::last_name;
use crate::program::{Axis, Dim, Generic, MOST_DIMS, TileType};
use quote::ToTokens;
use syn::{GenericArgument, PathArguments, Type};

/// The head dimensions that a kernel has used so far, and the names that it can use.
#[derive(Clone)]
pub(super) struct Dims {
    /// The const generics.
    pub names: Vec<syn::Ident>,
    pub used: Vec<Generic<usize>>,
}

impl Dims {
    /// The dimension that an argument names, a new one if no tensor has had it before.
    pub fn read(&mut self, arg: &GenericArgument, errors: &mut Errors) -> Option<Dim> {
        let Some(dim) = self.parse(arg) else {
            let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
            let generic = if names.is_empty() { "`const D: usize`".into() } else { names.join(" or ") };
            errors.push(arg, format!("a head dimension is the generic {generic} or a positive number"));
            return None;
        };
        if let Some(known) = self.find(&dim) {
            return Some(known);
        }
        if self.used.len() == MOST_DIMS {
            let used: Vec<String> = self.used.iter().map(|dim| format!("`{}`", dim.text())).collect();
            let message = format!(
                "a kernel has two head dimensions at most, one of queries and keys and one of values and output: those are \
                 {}, and `{}` is a third",
                used.join(" and "),
                dim.text()
            );
            errors.push(arg, message);
            return None;
        }
        self.used.push(dim);
        Some(Dim(self.used.len() - 1))
    }

    fn find(&self, dim: &Generic<usize>) -> Option<Dim> {
        self.used.iter().position(|used| used == dim).map(Dim)
    }

    /// A const generic or a positive number.
    fn parse(&self, arg: &GenericArgument) -> Option<Generic<usize>> {
        match arg {
            GenericArgument::Type(ty) => {
                last_name(ty).filter(|name| self.names.iter().any(|known| known == name)).map(Generic::Open)
            }
            GenericArgument::Const(syn::Expr::Lit(lit)) => match &lit.lit {
                syn::Lit::Int(n) => n.base10_parse().ok().filter(|n| *n > 0).map(Generic::Fixed),
                _ => None,
            },
            _ => None,
        }
    }

    /// The const generics that no tensor has used.
    pub fn unused(&self) -> impl Iterator<Item = &syn::Ident> {
        self.names.iter().filter(|name| self.find(&Generic::Open(name.to_string())).is_none())
    }

    pub fn text(&self, dim: Dim) -> String {
        self.used.get(dim.0).map_or_else(|| "_".into(), Generic::<usize>::text)
    }

    /// A tile's type as the author writes it.
    pub fn spelled(&self, TileType { rows, cols }: TileType) -> String {
        let axis = |axis| match axis {
            Axis::Rows => "Rows".into(),
            Axis::Cols => "Cols".into(),
            Axis::One => "One".into(),
            Axis::Dim(dim) => format!("Dim<{}>", self.text(dim)),
        };
        format!("Tile<{}, {}>", axis(rows), axis(cols))
    }

    /// `Tile<Rows, Dim<D>>`, `RowVector` and their like; none if an axis is left open or the type is another.
    pub fn tile_type(&self, ty: &Type, errors: &mut Errors) -> Option<TileType> {
        let Type::Path(path) = ty else { return None };
        let last = path.path.segments.last()?;
        self.named_tile(last, errors)
    }

    /// The type that `Tile<…>`, `RowVector` or `ColVector` is.
    pub fn named_tile(&self, segment: &syn::PathSegment, errors: &mut Errors) -> Option<TileType> {
        match segment.ident.to_string().as_str() {
            "Tile" => self.tile_arguments(&segment.arguments, errors),
            "RowVector" => Some(TileType::of_each(Axis::Rows)),
            "ColVector" => Some(TileType::of_each(Axis::Cols)),
            _ => None,
        }
    }

    /// The axes of `Tile<…>`.
    fn tile_arguments(&self, arguments: &PathArguments, errors: &mut Errors) -> Option<TileType> {
        let PathArguments::AngleBracketed(args) = arguments else { return None };
        let axis = |arg: &GenericArgument| {
            let GenericArgument::Type(ty) = arg else { return None };
            match (last_name(ty).as_deref(), ty) {
                (Some("Rows"), _) => Some(Axis::Rows),
                (Some("Cols"), _) => Some(Axis::Cols),
                (Some("One"), _) => Some(Axis::One),
                (None, Type::Path(path)) => self.axis(path.path.segments.last()?, errors),
                _ => None,
            }
        };
        match args.args.iter().map(axis).collect::<Vec<_>>()[..] {
            [Some(rows), Some(cols)] => Some(TileType { rows, cols }),
            _ => None,
        }
    }

    /// `Dim<D>`; `Dim<_>` is left open.
    fn axis(&self, segment: &syn::PathSegment, errors: &mut Errors) -> Option<Axis> {
        let PathArguments::AngleBracketed(args) = &segment.arguments else { return None };
        let arg = args.args.first().filter(|_| segment.ident == "Dim")?;
        if let GenericArgument::Type(Type::Infer(_)) = arg {
            return None;
        }
        let known = self.parse(arg).and_then(|dim| self.find(&dim));
        if known.is_none() {
            let used: Vec<String> = self.used.iter().map(|dim| format!("`{}`", dim.text())).collect();
            let written = arg.to_token_stream();
            errors.push(
                arg,
                format!("no tensor has a head dimension of `{written}`: there is {}", used.join(" and ")),
            );
        }
        known.map(Axis::Dim)
    }
}
