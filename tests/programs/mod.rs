//! Kernels drawn as source text, over what the grammar of kernels that compile allows, each with a batch to run it on.
//!
//! What is drawn by a seed is the same everywhere and always, until the grammar changes.
#![allow(dead_code)]

pub mod draw;
pub mod forms;
mod functions;
pub mod host;
mod numbers;

use draw::Draw;
use flashpage::codegen::choice::HEAD_DIMS;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{DType, HeadDim, PoolLayout};
use numbers::Scope;
use std::fmt::Write;

/// A kernel and a batch.
#[derive(Clone)]
pub struct Drawn {
    pub seed: u64,
    pub name: String,
    pub problem: Problem,
    /// How `reference` is called: its generic arguments, as text.
    generics: String,
    /// The head dimension of the output as its types have it.
    head_dim: String,
    /// Where values come from.
    values: ValuesOf,
    /// Names and types of the parameters, in order.
    params: Vec<(String, String)>,
    /// From products to the scores of the softmax: each something that goes behind a tile.
    pub steps: Vec<Step>,
    /// From probabilities to the factors of values, likewise.
    weights: Vec<String>,
    style: Style,
    /// `let`s of numbers before the loop.
    lets: Vec<String>,
    stores: Vec<String>,
    /// What the softmax and the accumulator begin as, if not anew.
    begins: [Option<&'static str>; 2],
    /// Functions beside the kernel, as text.
    functions: String,
    paged: bool,
    /// What the loop runs over.
    loops: &'static str,
}

/// Where the values of a kernel come from.
#[derive(Clone, Copy, PartialEq)]
enum ValuesOf {
    /// A parameter of their own, of the keys' head dimension.
    Own,
    /// One of another head dimension.
    Another,
    /// The keys.
    Keys,
    /// The first numbers of the keys.
    Slice,
}

/// A step of scores.
#[derive(Clone)]
pub struct Step {
    /// What goes before the tile, as in `scale * s`.
    before: String,
    /// What goes behind it.
    after: String,
}

/// How a kernel is spelt, which changes nothing of what it computes.
#[derive(Clone)]
struct Style {
    seed: u64,
    q: &'static str,
    k: &'static str,
    v: &'static str,
    p: &'static str,
    s: &'static str,
    softmax: &'static str,
    acc: &'static str,
    cols: &'static str,
}

pub fn drawn(seed: u64) -> Drawn {
    let mut draw = Draw::new(seed);
    let mut scope = Scope::default();
    let paged = draw.percent(40);
    let style = Style {
        seed: draw.bits(),
        q: draw.pick(&["q", "queries", "x0"]),
        k: draw.pick(&["k", "keys"]),
        v: draw.pick(&["v", "values"]),
        p: draw.pick(&["p", "weights"]),
        s: draw.pick(&["s", "scores"]),
        softmax: draw.pick(&["softmax", "online"]),
        acc: draw.pick(&["acc", "sum"]),
        cols: draw.pick(&["cols", "tile", "block"]),
    };
    let outputs = draw.below(5);
    let mut values_of =
        draw.pick(&[ValuesOf::Own, ValuesOf::Own, ValuesOf::Another, ValuesOf::Keys, ValuesOf::Slice]);
    // What cuts a slice has to have a name, or to be a number: an output gives it one.
    if outputs == 0 && values_of == ValuesOf::Slice {
        values_of = ValuesOf::Keys;
    }
    let mut problem = problem(&mut draw, values_of);

    // Parameters: what is always there, and what some expressions may use.
    let element_is_fixed = draw.percent(25);
    let head_dim_is_fixed = draw.percent(25);
    let element = match (element_is_fixed, problem.dtype) {
        (false, _) => "T".to_owned(),
        (true, dtype) => dtype.to_string(),
    };
    let HeadDim { qk, v } = problem.head_dim;
    let has_two = matches!(values_of, ValuesOf::Another | ValuesOf::Slice);
    let of_output_is_fixed = if has_two { draw.percent(25) } else { head_dim_is_fixed };
    let of_query = if head_dim_is_fixed { qk.to_string() } else { "D".to_owned() };
    let head_dim = match (of_output_is_fixed, has_two) {
        (true, _) => v.to_string(),
        (false, true) => "E".to_owned(),
        (false, false) => of_query.clone(),
    };
    let stored_as = draw.percent(20).then(|| draw.pick(&["f32", "f16", "bf16"]));
    let tensor = |name: &str| {
        let element = stored_as.filter(|_| name == "Output").unwrap_or(&element);
        let dim = if name.ends_with("Values") || name == "Output" { &head_dim } else { &of_query };
        format!("{name}<{element}, {dim}>")
    };
    let (keys, values) = if paged { ("PagedKeys", "PagedValues") } else { ("Keys", "Values") };
    let mut params = vec![("q".to_owned(), tensor("Query")), ("k".to_owned(), tensor(keys))];
    if matches!(values_of, ValuesOf::Own | ValuesOf::Another) {
        params.push(("v".to_owned(), tensor(values)));
    }
    if paged {
        params.push(("table".to_owned(), "BlockTable".to_owned()));
    }
    // Tensors that nothing is read from; the loop may run over such keys.
    let mut loops = if paged { "table" } else { "k" };
    if draw.percent(12) {
        match paged {
            true => params.push(("other_table".to_owned(), "BlockTable".to_owned())),
            false => params.push(("other_keys".to_owned(), tensor("Keys"))),
        }
        if !paged && draw.percent(50) {
            loops = "other_keys";
        }
    }
    if draw.percent(8) {
        params.push(("other_values".to_owned(), tensor(values)));
    }
    let mut stores = Vec::new();
    if outputs != 0 {
        params.push(("o".to_owned(), tensor("Output")));
        let result = format!("{}.finish({})", style.softmax, style.acc);
        stores.push(match draw.percent(70) {
            true => format!("o.store({result});"),
            false => format!("let result = {result};\n    o.store(result);"),
        });
    }
    if outputs != 1 {
        params.push(("lse".to_owned(), "RowOutput".to_owned()));
        stores.push(format!("lse.store({}.lse());", style.softmax));
    }
    draw.shuffle(&mut stores);
    if draw.percent(15) {
        let logit = draw.pick(&[
            "0.0",
            "-2.5 + at.head as f32",
            "(at.row % 7) as f32 * 0.5",
            "(at.seq - at.query % 3) as f32",
        ]);
        stores.insert(0, format!("{}.sink(|at| {logit});", style.softmax));
    }
    let mut scalar = |name: &str, ty: &str, value: f64| {
        params.push((name.to_owned(), ty.to_owned()));
        problem.scalars.insert(name.to_owned(), value);
    };
    let scale = f64::from(draw.pick(&[1.0f32, 1.5, 0.5, 0.25])) / (qk as f64).sqrt();
    scalar("scale", "f32", scale);
    for name in ["n", "m"] {
        if draw.percent(60) {
            let value = draw.pick(&[0, 1, 5, 17, 40, 64, 90, -3]);
            scalar(name, "i32", f64::from(value));
            scope.ints.push(name.to_owned());
        }
    }
    if draw.percent(40) {
        let value = f64::from(draw.between(-16, 16) as f32 / 8.0);
        scalar("shift", "f32", value);
        scope.floats.push("shift".to_owned());
    }
    if draw.percent(40) {
        let value = draw.below(2) as f64;
        scalar("flag", "bool", value);
        scope.flags.push("flag".to_owned());
    }
    if draw.percent(60) {
        let value = draw.pick(&[i32::MAX, i32::MIN, i32::MIN + 1, 2_000_000_011, -1_500_000_007]);
        scalar("wide", "i32", f64::from(value));
        scope.wide = Some("wide".to_owned());
    }
    for (name, ty, place) in [
        ("slopes", "PerHead", "head"),
        ("ids", "PerHead", "head"),
        ("worths", "PerKey", "col"),
        ("documents", "PerKey", "col"),
        ("lifts", "PerQuery", "query"),
        ("kinds", "PerQuery", "query"),
        ("prefixes", "PerSequence", "seq"),
    ] {
        let is_float = matches!(name, "slopes" | "worths" | "lifts");
        if draw.percent(if ty == "PerHead" { 40 } else { 15 }) {
            params.push((name.to_owned(), format!("{ty}<{}>", if is_float { "f32" } else { "i32" })));
            let vectors = if is_float { &mut scope.slopes } else { &mut scope.ids };
            vectors.push((name.to_owned(), place));
        }
    }
    if draw.percent(15) {
        params.push(("bias".to_owned(), format!("Bias<{}>", draw.pick(&[element.as_str(), "f32", "bf16"]))));
        scope.bias = Some("bias".to_owned());
    }
    if draw.percent(15) {
        params.push(("tree".to_owned(), "BitMask".to_owned()));
        scope.bits = Some("tree".to_owned());
    }
    draw.shuffle(&mut params);

    // Numbers that have names.
    let mut lets = Vec::new();
    if draw.percent(40) {
        let value = draw.int(&Scope { slopes: vec![], ids: vec![], wide: None, ..scope.clone() }, 2);
        lets.push(match draw.percent(70) {
            true => format!("let reach = ({value}) % 100;"),
            false => format!("let reach: i32 = ({value}).max(-50).min(80);"),
        });
        scope.ints.push("reach".to_owned());
    }
    if draw.percent(30) {
        lets.push(format!("const LIMIT: i32 = {};", draw.between(-5, 70)));
        scope.ints.push("LIMIT".to_owned());
    }
    if draw.percent(25) {
        lets.push(format!("let lift = {};", draw.float(&Scope { ids: vec![], ..scope.clone() }, 0)));
        scope.floats.push("lift".to_owned());
    }

    let mut steps = steps(&mut draw, &scope);
    let mut weights = Vec::new();
    if draw.percent(20) {
        let inside = Scope { at: Some("at"), ..scope.clone() };
        let (keep, lift) = (draw.condition(&inside, 1), draw.pick(&["w", "w * 1.5", "-w"]));
        weights.push(match draw.below(4) {
            0 => format!(".map(|w, at| select({keep}, {lift}, 0.0))"),
            1 => format!(
                ".map(|w, at| if at.random({}) < 0.75 {{ w / 0.75 }} else {{ 0.0 }})",
                draw.int(&scope, 1)
            ),
            2 => format!(".map(|w, at| w * 0.5 - {} * w)", draw.offset(&inside).text),
            _ => " * 0.5".to_owned(),
        });
    }
    let mut generics = Vec::new();
    generics.extend((!element_is_fixed).then(|| problem.dtype.to_string()));
    generics.extend((!head_dim_is_fixed).then(|| qk.to_string()));
    generics.extend((has_two && !of_output_is_fixed).then(|| v.to_string()));
    let generics = if generics.is_empty() { String::new() } else { format!("::<{}>", generics.join(", ")) };
    let name = format!("drawn_{seed}");

    // What came into the language later is drawn last: kernels from before stay what they are.
    let to_base2 = draw.percent(20);
    if to_base2 {
        stores.iter_mut().for_each(|store| *store = store.replace(".lse()", ".lse_base2()"));
    }
    let mut begins = [None; 2];
    if draw.percent(20) {
        begins[0] = Some(if to_base2 { "resume_base2(before)" } else { "resume(before)" });
        params.insert(draw.below(params.len()), ("before".to_owned(), "RowInput".to_owned()));
        let output = params.iter().find(|(name, _)| name == "o").map(|(_, ty)| ty.replace("Output", "Input"));
        if let Some(ty) = output.filter(|_| draw.percent(70)) {
            params.insert(draw.below(params.len()), ("earlier".to_owned(), ty));
            begins[1] = Some("Tile::resume(earlier)");
        }
    }
    let mut known = params.clone();
    known.extend(
        [("reach", "i32"), ("LIMIT", "i32"), ("lift", "f32")]
            .map(|(name, ty)| (name.to_owned(), ty.to_owned())),
    );
    let mut functions = String::new();
    for (index, step) in steps.iter_mut().enumerate() {
        let function = format!("{name}_{index}");
        if draw.percent(20)
            && let Some((text, call)) = functions::taken_out(&mut draw, &function, &step.after, &known)
        {
            functions += &text;
            step.after = call;
        }
    }
    Drawn {
        seed,
        name,
        problem,
        generics,
        head_dim,
        values: values_of,
        params,
        steps,
        weights,
        style,
        lets,
        stores,
        begins,
        functions,
        paged,
        loops,
    }
}

/// A small batch: lengths of nothing, of one, primes; grouped heads.
fn problem(draw: &mut Draw, values: ValuesOf) -> Problem {
    let length = |draw: &mut Draw| draw.pick(&[0, 1, 2, 3, 5, 7, 13, 23, 37, 53, 67, 71, 97]);
    let decode = draw.percent(20);
    let lens = (0..1 + draw.below(3))
        .map(|_| (if decode { 1 } else { length(draw).min(71) }, length(draw)))
        .collect();
    let (group, kv_heads) =
        draw.pick(&[(1, 1), (2, 1), (4, 1), (8, 1), (1, 2), (2, 2), (3, 1), (5, 1), (1, 3), (3, 2)]);
    let mut dim = || match draw.below(10) {
        0..=3 => 64,
        4 | 5 => 128,
        6 | 7 => 32,
        _ => draw.pick(&HEAD_DIMS),
    };
    let (qk, other) = (dim(), dim());
    let v = match values {
        ValuesOf::Own | ValuesOf::Keys => qk,
        ValuesOf::Another => other,
        ValuesOf::Slice => other.min(qk),
    };
    Problem {
        dtype: draw.pick(&[DType::F16, DType::Bf16]),
        head_dim: HeadDim { qk, v },
        q_heads: group * kv_heads,
        kv_heads,
        lens,
        block_size: draw.pick(&[8, 16, 24, 40, 64, 128, 1, 2, 4]),
        layout: draw.pick(&[PoolLayout::Nhd, PoolLayout::Hnd]),
        seed: draw.bits() % 1000,
        ..Problem::default()
    }
}

fn steps(draw: &mut Draw, scope: &Scope) -> Vec<Step> {
    let after = |after: String| Step { before: String::new(), after };
    // Of products, before anything else: they grow with the head dimension.
    let mut steps = vec![match draw.below(10) {
        0..=4 => after(" * scale".to_owned()),
        5 | 6 => Step { before: "scale * ".to_owned(), after: String::new() },
        7 => after(".map(|x, _| x * scale)".to_owned()),
        8 => after(".map(|dot, at| if at.head % 2 == 0 { dot * scale } else { dot * 0.0625 })".to_owned()),
        _ => after(" / 8.0".to_owned()),
    }];
    let mut size = 8.0;
    let mut steep: f64 = 1.0;
    // Whether scores may be minus infinity, which some functions make something else of.
    let mut masked = false;
    for _ in 0..draw.pick(&[0, 1, 1, 2, 2, 3, 4]) {
        let at = draw.pick(&["at", "place"]);
        let x = draw.pick(&["x", "score"]);
        if draw.percent(50) {
            let inside = Scope { at: Some(at), ..scope.clone() };
            let depth = draw.pick(&[0, 0, 1, 1, 2, 3]);
            let keep = draw.condition(&inside, depth);
            steps.push(after(format!(".mask(|{at}| {keep})")));
            masked = true;
            continue;
        }
        if draw.percent(20) {
            let number = format!("{:?}", draw.between(1, 16) as f32 / 8.0);
            let op = draw.pick(&["*", "+", "-"]);
            steps.push(match op {
                "*" if draw.percent(40) => Step { before: format!("{number} * "), after: String::new() },
                _ => after(format!(" {op} {number}")),
            });
            size = if op == "*" { size * 2.0 } else { size + 2.0 };
            steep *= 2.0;
            continue;
        }
        let inside = Scope { at: Some(at), x: Some(x), ..scope.clone() };
        if masked {
            let condition = draw.condition(&inside, 1);
            let (body, is_finite) = draw.pick(&[
                ("{x} * 0.75 + select({c}, 0.5, -0.25)", false),
                ("if {c} { {x} } else { {x} * 0.5 - 1.0 }", false),
                ("{x}.min(3.0)", false),
                ("{ let y = {x} + 0.5; y * 0.5 }", false),
                ("{x}.max(-6.0)", true),
                ("({x} * 0.25).tanh() * 4.0", true),
                ("{x}.min(1.0).exp()", true),
            ]);
            let body = body.replace("{x}", x).replace("{c}", &condition);
            steps.push(after(format!(".map(|{x}, {at}| {body})")));
            masked = !is_finite;
            continue;
        }
        let score = draw.score(&inside, size, 3);
        (size, steep) = (score.size, steep * score.steep.max(0.1));
        steps.push(after(format!(".map(|{x}, {at}| {})", score.text)));
        if steep > 6.0 {
            steps.push(after(format!(" * {:?}", (4.0 / steep).log2().floor().exp2() as f32)));
            steep = 4.0;
        }
    }
    steps
}

impl Drawn {
    /// For rustc.
    pub fn for_rustc(&self) -> host::Source {
        host::Source {
            seed: self.seed,
            name: self.name.clone(),
            text: self.source(),
            generics: self.generics.clone(),
            params: self.params.clone(),
        }
    }

    /// The kernel as its author would write it.
    pub fn source(&self) -> String {
        let Style { q, k, v, p, s, softmax, acc, cols, .. } = self.style;
        let mut draw = Draw::new(self.style.seed);
        let open = |name: &str| self.params.iter().any(|(_, ty)| ty.contains(name));
        let generics = [("<T", "T: Element"), (", D>", "const D: usize"), (", E>", "const E: usize")]
            .into_iter()
            .filter(|(used, _)| open(used))
            .map(|(_, text)| text)
            .collect::<Vec<_>>()
            .join(", ");
        let generics = if generics.is_empty() { generics } else { format!("<{generics}>") };
        let mut text = format!("{}#[attention_kernel]\npub fn {}{generics}(\n", self.functions, self.name);
        for (name, ty) in &self.params {
            writeln!(text, "    {name}: {ty},").unwrap();
        }
        text += ") {\n";

        // Before the loop, in any order.
        let turned = draw.percent(20);
        let mut before = self.lets.clone();
        let query = if turned { "q.tile().t()" } else { "q.tile()" };
        before.push(format!("let {q} = {query};"));
        before.push(format!("let mut {softmax} = OnlineSoftmax::{};", self.begins[0].unwrap_or("new()")));
        before.push(format!(
            "let mut {acc} = {};",
            match (self.begins[1], draw.percent(70)) {
                (Some(begins), _) => begins.to_owned(),
                (None, true) => "Tile::zeros()".to_owned(),
                (None, false) => format!("Tile::<Rows, Dim<{}>>::zeros()", self.head_dim),
            }
        ));
        // A constant or a number may be used by the one behind it.
        let lets = self.lets.len();
        before[lets..].reverse();
        let place = draw.below(4);
        before.rotate_left(if lets == 0 { place % 3 } else { 0 });
        for line in before {
            writeln!(text, "    {line}").unwrap();
        }
        writeln!(text, "    for {cols} in {}.tiles() {{", self.loops).unwrap();
        let load = |name: &str| match self.paged {
            true => format!("{name}.gather(table, {cols})"),
            false => format!("{name}.load({cols})"),
        };
        let mut line = |line: String| writeln!(text, "        {line}").unwrap();
        let of_keys = |keys: &str| match self.values {
            ValuesOf::Slice => format!("{keys}.slice::<{}>()", self.head_dim),
            _ => keys.to_owned(),
        };
        let in_keys = matches!(self.values, ValuesOf::Keys | ValuesOf::Slice);
        let mut keys = load("k");
        let mut values = if in_keys { of_keys(&keys) } else { load("v") };
        let (name_keys, name_values, values_first) = (draw.percent(50), draw.percent(40), draw.percent(50));
        if name_values && values_first {
            line(format!("let {v} = {values};"));
        }
        if name_keys {
            line(format!("let {k} = {keys};"));
            keys = k.to_owned();
            values = if in_keys { of_keys(k) } else { values };
        }
        if name_values {
            if !values_first {
                line(format!("let {v} = {values};"));
            }
            values = v.to_owned();
        }
        let (straight, back) =
            if turned { (format!("{q}.t()"), q.to_owned()) } else { (q.to_owned(), format!("{q}.t()")) };
        let mut scores = match draw.below(10) {
            0..=5 => format!("dot({straight}, {keys}.t())"),
            6 | 7 => format!("dot({keys}, {back}).t()"),
            8 => format!("dot({straight}, {keys}.t()).t().t()"),
            _ => format!("dot({straight}.t().t(), {keys}.t())"),
        };
        // A step has a statement, or stands behind the one before.
        let mut is_mutable = false;
        for step in &self.steps {
            let tight = |scores: &str| match scores.contains(' ') {
                true => format!("({scores})"),
                false => scores.to_owned(),
            };
            scores = format!("{}{}{}", step.before, tight(&scores), step.after);
            match draw.below(10) {
                0..=3 => {}
                4 if is_mutable => {
                    line(format!("{s} = {scores};"));
                    scores = s.to_owned();
                }
                5 => {
                    line(format!("let {s}: Tile<Rows, Cols> = {{\n            {scores}\n        }};"));
                    (scores, is_mutable) = (s.to_owned(), false);
                }
                6 | 7 => {
                    line(format!("let mut {s} = {scores};"));
                    (scores, is_mutable) = (s.to_owned(), true);
                }
                _ => {
                    line(format!("let {s} = {scores};"));
                    (scores, is_mutable) = (s.to_owned(), false);
                }
            }
        }
        line(format!("let {p} = {softmax}.step({scores}, &mut {acc});"));
        for weigh in &self.weights {
            line(format!("let {p} = {p}{weigh};"));
        }
        line(match draw.below(10) {
            0..=6 => format!("{acc} += dot({p}, {values});"),
            7 | 8 => format!("{acc} += dot({values}.t(), {p}.t()).t();"),
            _ => format!("let more = dot({p}.t().t(), {values});\n        {acc} += more;"),
        });
        text += "    }\n";
        for store in &self.stores {
            writeln!(text, "    {store}").unwrap();
        }
        text += "}\n";
        text
    }
}
