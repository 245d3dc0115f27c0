//! The host's types against the compiler's table of parameter types: a type that one of them has and the other has not, or
//! has with other generics, is a kernel that runs in one place and not in the other.

use flashpage_codegen::program::{Arguments, ParamType, Storage, TYPES};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::{GenericParam, Item, UseTree, Visibility};

/// The files of `dsl/src` that hold parameters.
const FILES: [&str; 5] = ["params", "outputs", "pages", "tables", "vectors"];

fn parsed(path: &str) -> syn::File {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A struct's generics: `'_` for a lifetime, `type` and `const`.
fn generics(item: &syn::ItemStruct) -> Vec<&'static str> {
    let one = |param: &GenericParam| match param {
        GenericParam::Lifetime(_) => "'_",
        GenericParam::Type(_) => "type",
        GenericParam::Const(_) => "const",
    };
    item.generics.params.iter().map(one).collect()
}

/// The public structs of `dsl/src/params.rs` and its neighbours that borrow something, and their file.
fn structs() -> BTreeMap<String, (&'static str, syn::ItemStruct)> {
    let mut found = BTreeMap::new();
    for file in FILES {
        for item in parsed(&format!("dsl/src/{file}.rs")).items {
            let Item::Struct(item) = item else { continue };
            let borrows = item.generics.lifetimes().next().is_some();
            if borrows && matches!(item.vis, Visibility::Public(_)) {
                found.insert(item.ident.to_string(), (file, item));
            }
        }
    }
    found
}

/// What a row's type is on the host. Scalars are Rust's own.
fn wanted(ty: &ParamType) -> Option<Vec<&'static str>> {
    if ty.storage == Storage::Scalar {
        return None;
    }
    Some(match ty.arguments {
        Arguments::None => vec!["'_"],
        Arguments::ElementAndDim => vec!["'_", "type", "const"],
        Arguments::Number | Arguments::Element => vec!["'_", "type"],
    })
}

#[test]
fn every_row_is_a_type_of_the_host() {
    let structs = structs();
    for ty in TYPES {
        let Some(wanted) = wanted(ty) else { continue };
        let name = ty.name;
        let Some((file, item)) = structs.get(name) else {
            panic!("`{name}` is in the table, and no `pub struct {name}<'a, …>` is in {FILES:?} of dsl/src");
        };
        assert_eq!(generics(item), wanted, "`{name}` of dsl/src/{file}.rs and its row differ");
    }
}

#[test]
fn every_parameter_of_the_host_is_a_row() {
    for (name, (file, _)) in structs() {
        assert!(ParamType::named(&name).is_some(), "`{name}` of dsl/src/{file}.rs has no row in the table");
    }
}

/// What a `use` of the prelude brings: names, and of `dsl::file::*` those of the file.
fn names(tree: &UseTree, path: &str, out: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(step) => names(&step.tree, &format!("{path}::{}", step.ident), out),
        UseTree::Group(group) => group.items.iter().for_each(|tree| names(tree, path, out)),
        UseTree::Name(name) if path == "::crate::dsl" => drop(out.insert(name.ident.to_string())),
        UseTree::Glob(_) => {
            let of_file = |file: &str| path == format!("::crate::dsl::{file}");
            let structs = structs().into_iter().filter(|(_, (file, _))| of_file(file));
            out.extend(structs.map(|(name, _)| name));
        }
        _ => {}
    }
}

#[test]
fn the_prelude_has_every_type() {
    let is_prelude = |item: Item| match item {
        Item::Mod(item) if item.ident == "prelude" => item.content.map(|(_, items)| items),
        _ => None,
    };
    let items = parsed("src/lib.rs").items.into_iter().find_map(is_prelude).expect("`mod prelude`");
    let mut brought = BTreeSet::new();
    for item in items {
        if let Item::Use(item) = item {
            names(&item.tree, "", &mut brought);
        }
    }
    for ty in TYPES.iter().filter(|ty| ty.storage != Storage::Scalar) {
        assert!(brought.contains(ty.name), "the prelude of src/lib.rs does not export `{}`", ty.name);
    }
}
