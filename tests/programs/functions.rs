//! Score functions that are written beside the kernel, for what others write in place.

use super::draw::Draw;
use std::fmt::Write;

/// Takes a closure behind a tile out into a function: gives its text, and what goes behind the tile then. Nothing of what is no
/// closure. `known` are the names and types of what the kernel has.
pub fn taken_out(
    draw: &mut Draw,
    name: &str,
    behind: &str,
    known: &[(String, String)],
) -> Option<(String, String)> {
    let (method, gives) = match behind.split_once("(|")?.0 {
        ".mask" => ("mask", "bool"),
        ".map" => ("map", "f32"),
        _ => return None,
    };
    let (names, body) = behind.split_once("(|")?.1.strip_suffix(')')?.split_once("| ")?;
    let own: Vec<&str> = names.split(", ").collect();
    let words: Vec<&str> = body.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let used =
        known.iter().filter(|(known, _)| words.contains(&known.as_str()) && !own.contains(&known.as_str()));
    let used: Vec<&(String, String)> = used.collect();
    let open = if used.iter().any(|(_, ty)| ty.contains("<T>")) { "<T: Element>" } else { "" };
    let types = if method == "map" { &["f32", "At"][..] } else { &["At"] };
    let mut params: Vec<String> = own.iter().zip(types).map(|(name, ty)| format!("{name}: {ty}")).collect();
    params.extend(used.iter().map(|(name, ty)| format!("{}: {ty}", name.to_lowercase())));
    let body = if used.iter().any(|(name, _)| name == "LIMIT") {
        body.replace("LIMIT", "limit")
    } else {
        body.to_owned()
    };
    let mut text = format!("#[score_function]\nfn {name}{open}({}) -> {gives} {{\n", params.join(", "));
    match (draw.below(3), method) {
        (0, "mask") => {
            writeln!(text, "    if !({body}) {{\n        return false;\n    }}\n    true").unwrap()
        }
        (1, "mask") => writeln!(text, "    if {body} {{ return true; }} else {{ return false; }}").unwrap(),
        (0, _) => writeln!(text, "    let result = {body};\n    return result;").unwrap(),
        _ => writeln!(text, "    {body}").unwrap(),
    }
    text += "}\n\n";
    // A function of what every element has may stand for the closure.
    if used.is_empty() && draw.percent(60) {
        return Some((text, format!(".{method}({name})")));
    }
    let inner = ["a", "b"];
    let given = &inner[..own.len()];
    let mut passed: Vec<String> = given.iter().map(|name| (*name).to_owned()).collect();
    passed.extend(used.iter().map(|(name, _)| name.clone()));
    Some((text, format!(".{method}(|{}| {name}({}))", given.join(", "), passed.join(", "))))
}
