//! Programs of any form, drawn as source text: instances that own rows or columns, vectors, operations of several tiles, sums,
//! several accumulators and outputs. No kernel is made of them; the host run and the reference are held to each other.
//!
//! What is drawn is the same however axes are cut into tiles: only what is summed over the axis of the loop is accumulated, and
//! nothing is made of such a sum before the loop ends.

use super::draw::Draw;
use super::host::Source;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{DType, HeadDim};
use std::fmt::Write;

/// Head dimensions: small, for what is drawn runs on the host.
const DIMS: [usize; 4] = [8, 16, 24, 40];
/// How large numbers of a tile may get before something bounds them.
const LARGE: f64 = 6.0;

/// A program and a batch.
pub struct Form {
    pub seed: u64,
    pub problem: Problem,
    pub source: String,
    name: String,
    generics: String,
    params: Vec<(String, String)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Axis {
    Rows,
    Cols,
    /// The query's head dimension, and the other.
    D,
    E,
    One,
}

/// A tile that has a name, or is written out.
#[derive(Clone)]
struct Tile {
    text: String,
    rows: Axis,
    cols: Axis,
    /// About how large its numbers are.
    size: f64,
}

impl Tile {
    fn has(&self, axis: Axis) -> bool {
        self.rows == axis || self.cols == axis
    }

    fn t(&self) -> Tile {
        Tile { text: format!("{}.t()", self.text), rows: self.cols, cols: self.rows, ..*self }
    }
}

struct Writer {
    draw: Draw,
    /// What an instance owns, and what its loop runs over.
    owned: Axis,
    looped: Axis,
    dims: (usize, usize),
    /// Those that can be used here.
    tiles: Vec<Tile>,
    lines: Vec<String>,
    names: usize,
    is_in_loop: bool,
}

pub fn form(seed: u64) -> Form {
    let mut draw = Draw::new(seed ^ 0xf0_4a5);
    let owns_rows = draw.percent(50);
    let (owned, looped) = if owns_rows { (Axis::Rows, Axis::Cols) } else { (Axis::Cols, Axis::Rows) };
    let has_two = draw.percent(60);
    let qk = draw.pick(&DIMS);
    let v = if has_two { draw.pick(&DIMS) } else { qk };
    let (group, kv_heads) = draw.pick(&[(1, 1), (2, 1), (3, 2), (1, 3)]);
    let length = |draw: &mut Draw| draw.pick(&[0, 1, 2, 5, 13, 37, 64, 71, 130]);
    let problem = Problem {
        dtype: draw.pick(&[DType::F16, DType::Bf16]),
        head_dim: HeadDim { qk, v },
        q_heads: group * kv_heads,
        kv_heads,
        lens: (0..1 + draw.below(3)).map(|_| (length(&mut draw), length(&mut draw))).collect(),
        block_size: draw.pick(&[8, 16, 24, 1, 2, 4]),
        seed: draw.bits() % 1000,
        ..Problem::default()
    };

    let is_paged = owns_rows && draw.percent(30);
    let other = if has_two { "E" } else { "D" };
    let mut params: Vec<(String, String)> = Vec::new();
    let mut param = |name: &str, ty: String| params.push((name.to_owned(), ty));
    let paged = if is_paged { "Paged" } else { "" };
    param("q", "Query<T, D>".into());
    param("k", format!("{paged}Keys<T, D>"));
    param("v", format!("{paged}Values<T, {other}>"));
    let second = draw.percent(50);
    if second {
        param("g", format!("Query<T, {other}>"));
    }
    let vector = draw.percent(60);
    if vector {
        param("r", "RowInput".into());
    }
    if is_paged {
        param("table", "BlockTable".into());
    }
    param("scale", "f32".into());

    // A head dimension has a type, whichever number it is.
    let e = if has_two { Axis::E } else { Axis::D };
    let all = [("q", Axis::Rows, Axis::D), ("k", Axis::Cols, Axis::D), ("v", Axis::Cols, e)];
    let further = [("g", Axis::Rows, e), ("r", Axis::Rows, Axis::One)].into_iter().zip([second, vector]);
    let all: Vec<_> = all.into_iter().chain(further.filter(|(_, is)| *is).map(|(of, _)| of)).collect();
    let mut writer = Writer {
        draw,
        owned,
        looped,
        dims: (qk, v),
        tiles: Vec::new(),
        lines: Vec::new(),
        names: 0,
        is_in_loop: false,
    };
    for (name, rows, cols) in all.iter().filter(|of| of.1 == owned) {
        writer.name(Tile { text: format!("{name}.tile()"), rows: *rows, cols: *cols, size: 1.5 });
    }
    for _ in 0..writer.draw.below(3) {
        writer.step();
    }
    let before = std::mem::take(&mut writer.lines);
    let outside = writer.tiles.clone();

    let variable = if owns_rows { "cols" } else { "rows" };
    writer.is_in_loop = true;
    for (name, rows, cols) in all.iter().filter(|of| of.1 == looped) {
        let text = match is_paged {
            true => format!("{name}.gather(table, cols)"),
            false => format!("{name}.load({variable})"),
        };
        writer.name(Tile { text, rows: *rows, cols: *cols, size: 1.5 });
    }
    writer.scores();
    for _ in 0..1 + writer.draw.below(6) {
        writer.step();
    }
    let mut states = Vec::new();
    let mut results = Vec::new();
    let has_softmax = owns_rows && writer.draw.percent(50);
    if has_softmax {
        let scores = writer.owned_by_looped();
        states.extend(
            ["let mut softmax = OnlineSoftmax::new();", "let mut acc = Tile::zeros();"].map(str::to_owned),
        );
        let keep = writer.condition();
        writer.lines.push(format!("let p = softmax.step({}.mask(|at| {keep}), &mut acc);", scores.text));
        let values = writer.looped_by_dim();
        writer.lines.push(format!("acc += dot(p, {});", values.text));
        let (rows, cols) = (Axis::Rows, values.cols);
        results.push(Tile { text: "softmax.finish(acc)".into(), rows, cols, size: 1.5 });
        results.push(Tile { text: "softmax.lse()".into(), rows, cols: Axis::One, size: LARGE });
    }
    for number in 0..1 + writer.draw.below(3) {
        let name = format!("sum{number}");
        let of = writer.owned_by_looped();
        let (text, cols) = match writer.draw.percent(65) {
            true => {
                let values = writer.looped_by_dim();
                (format!("dot({}, {})", of.text, values.text), values.cols)
            }
            false => (format!("{}.sum()", of.text), Axis::One),
        };
        let zeros = match (cols, owned, writer.draw.percent(40)) {
            (Axis::One, Axis::Rows, true) => "RowVector::zeros()",
            (Axis::One, _, true) => "ColVector::zeros()",
            _ => "Tile::zeros()",
        };
        states.push(format!("let mut {name} = {zeros};"));
        writer.lines.push(format!("{name} += {text};"));
        results.push(Tile { text: name, rows: owned, cols, size: 40.0 });
    }
    let body = std::mem::take(&mut writer.lines);

    // After the loop: what was summed, and what was there before.
    writer.is_in_loop = false;
    writer.tiles = outside;
    writer.tiles.retain(|tile| tile.rows == owned);
    if !writer.tiles.is_empty() && writer.draw.percent(25) {
        let tile = writer.pick(|tile| tile.cols != owned);
        results.extend(tile);
    }
    for (number, result) in results.into_iter().enumerate() {
        let result = writer.after(result);
        let name = format!("out{number}");
        let ty = match (owned, result.cols) {
            (Axis::Rows, Axis::One) => "RowOutput".to_owned(),
            (_, Axis::One) => "ColOutput".to_owned(),
            (of, dim) => {
                let kind = if of == Axis::Rows { "Output" } else { "KeyOutput" };
                format!("{kind}<f32, {}>", if dim == Axis::E { "E" } else { "D" })
            }
        };
        params.push((name.clone(), ty));
        writer.lines.push(format!("{name}.store({});", result.text));
    }

    let name = format!("form_{seed}");
    let generics =
        if has_two { "T: Element, const D: usize, const E: usize" } else { "T: Element, const D: usize" };
    let over = if is_paged {
        "table"
    } else if owns_rows {
        "k"
    } else {
        "q"
    };
    let mut source = format!("#[attention_kernel(reference)]\npub fn {name}<{generics}>(\n");
    params.iter().for_each(|(name, ty)| writeln!(source, "    {name}: {ty},").unwrap());
    source += ") {\n";
    before.iter().chain(&states).for_each(|line| writeln!(source, "    {line}").unwrap());
    writeln!(source, "    for {variable} in {over}.tiles() {{").unwrap();
    body.iter().for_each(|line| writeln!(source, "        {line}").unwrap());
    source += "    }\n";
    writer.lines.iter().for_each(|line| writeln!(source, "    {line}").unwrap());
    source += "}\n";
    let generics = match has_two {
        true => format!("::<{}, {qk}, {v}>", problem.dtype),
        false => format!("::<{}, {qk}>", problem.dtype),
    };
    Form { seed, problem, source, name, generics, params }
}

impl Form {
    /// For rustc.
    pub fn source(&self) -> Source {
        Source {
            seed: self.seed,
            name: self.name.clone(),
            text: self.source.clone(),
            generics: self.generics.clone(),
            params: self.params.clone(),
        }
    }
}

impl Writer {
    /// Gives a tile a name, bounded if it is large.
    fn name(&mut self, tile: Tile) -> Tile {
        let tile = match tile.size > LARGE {
            true => Tile { text: format!("({}).map(|x, _| x.tanh())", tile.text), size: 1.0, ..tile },
            false => tile,
        };
        let text = format!("t{}", self.names);
        self.names += 1;
        self.lines.push(format!("let {text} = {};", tile.text));
        let named = Tile { text, ..tile };
        self.tiles.push(named.clone());
        named
    }

    fn pick(&mut self, is: impl Fn(&Tile) -> bool) -> Option<Tile> {
        let all: Vec<Tile> = self.tiles.iter().filter(|tile| is(tile)).cloned().collect();
        if all.is_empty() { None } else { Some(all[self.draw.below(all.len())].clone()) }
    }

    /// Turned so that this axis is its first.
    fn turned(&self, tile: Tile, first: Axis) -> Tile {
        if tile.rows == first { tile } else { tile.t() }
    }

    /// The product of queries with keys, turned or not.
    fn scores(&mut self) -> Tile {
        let (owned, looped) = (self.owned, self.looped);
        let a = self.pick(|tile| tile.has(owned) && tile.has(Axis::D)).expect("queries, or keys");
        let b = self.pick(|tile| tile.has(looped) && tile.has(Axis::D)).expect("keys, or queries");
        let (a, b) = (self.turned(a, owned), self.turned(b, Axis::D));
        let product = Tile {
            text: format!("dot({}, {}) * scale", a.text, b.text),
            rows: owned,
            cols: looped,
            size: 2.0,
        };
        match self.draw.percent(70) {
            true => self.name(product),
            false => self
                .name(Tile { text: format!("(dot({}, {}) * scale)", b.t().text, a.t().text), ..product.t() }),
        }
    }

    /// A tile of the owned axis by that of the loop.
    fn owned_by_looped(&mut self) -> Tile {
        let (owned, looped) = (self.owned, self.looped);
        let tile = self.pick(|tile| tile.has(owned) && tile.has(looped)).expect("scores");
        self.turned(tile, owned)
    }

    /// A tile of the loop's axis by a head dimension.
    fn looped_by_dim(&mut self) -> Tile {
        let looped = self.looped;
        let tile = self.pick(|tile| tile.has(looped) && (tile.has(Axis::D) || tile.has(Axis::E)));
        self.turned(tile.expect("keys, or queries"), looped)
    }

    /// One more tile, of those that there are.
    fn step(&mut self) {
        let tile = self.pick(|_| true).expect("some tile");
        let made = match self.draw.below(10) {
            0..=2 => self.mapped(tile),
            3..=5 => self.zipped(tile),
            6 if matches!(tile.cols, Axis::D | Axis::E) => Some(Tile {
                text: format!("({} * 0.25).sum()", tile.text),
                cols: Axis::One,
                size: 1.5 * tile.size,
                ..tile
            }),
            7 => Some(tile.t()),
            8 if self.is_in_loop => {
                self.scores();
                None
            }
            _ => self.product(),
        };
        if let Some(made) = made {
            self.name(made);
        }
    }

    /// Where an element of a tile lies, as a small number.
    fn place(&mut self, tile: &Tile) -> String {
        let mut places = vec!["at.seq"];
        places.extend(tile.has(Axis::Rows).then_some("at.row"));
        places.extend(tile.has(Axis::Cols).then_some("at.col"));
        // Outside the loop an instance that owns columns has no query head.
        // It counts twice, for there are few.
        if self.is_in_loop || self.owned == Axis::Rows {
            places.extend(["at.head"; 2]);
        }
        format!("({} % {}) as f32", self.draw.pick(&places), self.draw.between(2, 9))
    }

    fn condition(&mut self) -> String {
        self.draw
            .pick(&[
                "at.col <= at.row",
                "at.col % 3 != 1",
                "at.row - at.col < 40",
                "at.col >= at.row - 7 * at.head",
            ])
            .to_owned()
    }

    fn mapped(&mut self, tile: Tile) -> Option<Tile> {
        let text = &tile.text;
        let (text, size) = match self.draw.below(6) {
            0 => (format!("{text} * 0.5"), tile.size * 0.5),
            1 => (format!("1.5 * {text}"), tile.size * 1.5),
            2 => (format!("{text}.map(|x, _| (x * 0.5).tanh())"), 1.0),
            3 => {
                let place = self.place(&tile);
                (format!("{text}.map(|x, at| x + 0.125 * {place})"), tile.size + 1.0)
            }
            4 if tile.has(Axis::Rows) && tile.has(Axis::Cols) => {
                let condition = self.condition();
                (format!("{text}.map(|x, at| if {condition} {{ x.min(1.0).exp() }} else {{ 0.0 }})"), 3.0)
            }
            _ => (format!("{text} - 0.25"), tile.size + 0.25),
        };
        Some(Tile { text, size, ..tile })
    }

    /// With a tile of the same axes, or one that is spread along it.
    fn zipped(&mut self, tile: Tile) -> Option<Tile> {
        let Tile { rows, cols, .. } = tile;
        let fits = |(r, c): (Axis, Axis)| {
            (r, c) == (rows, cols) || (r, c) == (rows, Axis::One) || (r, c) == (Axis::One, cols)
        };
        let other = self.pick(|other| fits((other.rows, other.cols)) || fits((other.cols, other.rows)))?;
        let other = if fits((other.rows, other.cols)) { other } else { other.t() };
        let (a, b) = (&tile.text, &other.text);
        let is_same = (other.rows, other.cols) == (rows, cols);
        let sum = tile.size + other.size;
        let (text, size) = match self.draw.below(5) {
            0 => (format!("{a} + {b}"), sum),
            1 => (format!("{a} - {b}"), sum),
            2 => (format!("{a} * {b}"), tile.size * other.size),
            3 if is_same => (format!("{a}.zip({b}, |x, y, _| x * 0.5 + y.max(x))"), sum),
            _ => (format!("{a} / ({b}).map(|x, _| x * x + 1.0)"), tile.size),
        };
        Some(Tile { text, size, ..tile })
    }

    /// A product over a head dimension, or over nothing but one number.
    fn product(&mut self) -> Option<Tile> {
        let is_inner = |axis: Axis| matches!(axis, Axis::D | Axis::E | Axis::One);
        let a = self.pick(|tile| is_inner(tile.cols) || is_inner(tile.rows))?;
        let a = if is_inner(a.cols) { a } else { a.t() };
        let inner = a.cols;
        let b = self.pick(|tile| tile.has(inner))?;
        let b = self.turned(b, inner);
        // Of one axis twice an instance has a tile by a tile; and a product of two head dimensions is not a tile of anything.
        let is_twice = [self.owned, self.looped].contains(&a.rows) && a.rows == b.cols;
        if is_twice
            || matches!(a.rows, Axis::D | Axis::E | Axis::One)
                && matches!(b.cols, Axis::D | Axis::E | Axis::One)
        {
            return None;
        }
        let count = match inner {
            Axis::D => self.dims.0,
            Axis::E => self.dims.1,
            _ => 1,
        };
        let size = a.size * b.size * (count as f64).sqrt();
        Some(Tile { text: format!("dot({}, {})", a.text, b.text), rows: a.rows, cols: b.cols, size })
    }

    /// What is stored of what the loop gave. Sums are not multiplied with sums: each has lost what f32 loses of its parts, which
    /// may be all of it where they cancel.
    fn after(&mut self, result: Tile) -> Tile {
        match self.draw.below(5) {
            0 => Tile { text: format!("{} * 0.5", result.text), ..result },
            1 => {
                let text = format!("less{}", self.names);
                self.names += 1;
                self.lines.push(format!("let {text} = {} - 0.25;", result.text));
                Tile { text, ..result }
            }
            2 => {
                let (owned, cols) = (self.owned, result.cols);
                let fits = |tile: &Tile| tile.rows == owned && (tile.cols == cols || tile.cols == Axis::One);
                match self.pick(|tile| fits(tile) && tile.size <= 2.0) {
                    Some(by) => Tile { text: format!("{} * {}", result.text, by.text), ..result },
                    None => result,
                }
            }
            _ => result,
        }
    }
}
