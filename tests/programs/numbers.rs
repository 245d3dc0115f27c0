//! Expressions of numbers, drawn as text.
//!
//! What a kernel decides by (integers, conditions, the floats that conditions compare) is exact in f32 and knows nothing of
//! scores, so that it comes out the same in any precision. Functions of a score are continuous, steep nowhere and of a
//! bounded size, so that the checker's rule means something.

use super::draw::Draw;

/// Names that expressions may use.
#[derive(Clone, Default)]
pub struct Scope {
    /// Of `i32`: small numbers.
    pub ints: Vec<String>,
    /// Of `f32`: numbers that a few bits hold.
    pub floats: Vec<String>,
    /// Of `bool`.
    pub flags: Vec<String>,
    /// Vectors of `f32`, and the place that each has a number for.
    pub slopes: Vec<(String, &'static str)>,
    /// Vectors of `i32`, likewise.
    pub ids: Vec<(String, &'static str)>,
    /// Of `Bias`.
    pub bias: Option<String>,
    /// Of `BitMask`.
    pub bits: Option<String>,
    /// An `i32` that may be as large or small as there are: integers may wrap, and divide by nothing.
    pub wide: Option<String>,
    /// What a closure calls its place, inside one.
    pub at: Option<&'static str>,
    /// What a closure calls its score, inside one.
    pub x: Option<&'static str>,
}

/// A function of a score: its text, how steep it is, and how large for scores of a size.
#[derive(Clone)]
pub struct Score {
    pub text: String,
    pub steep: f64,
    pub size: f64,
}

/// Sizes and slopes that a drawn function may have in the end.
const MOST: f64 = 24.0;
const STEEPEST: f64 = 3.0;

impl Draw {
    fn int_leaf(&mut self, scope: &Scope) -> String {
        if let Some(at) = scope.at
            && self.percent(65)
        {
            let places =
                ["row", "row", "row", "col", "col", "col", "head", "seq", "query", "q_len", "kv_len"];
            return format!("{at}.{}", self.pick(&places));
        }
        match self.below(10) {
            0..=3 if !scope.ints.is_empty() => scope.ints[self.below(scope.ints.len())].clone(),
            4 if !scope.flags.is_empty() => format!("({} as i32)", self.flag(scope)),
            5 if !scope.ids.is_empty() => self.element(scope, &scope.ids),
            _ => format!("{}i32", self.between(0, 99)),
        }
    }

    fn flag(&mut self, scope: &Scope) -> String {
        scope.flags[self.below(scope.flags.len())].clone()
    }

    /// An element of one of these vectors.
    fn element(&mut self, scope: &Scope, vectors: &[(String, &'static str)]) -> String {
        let (name, place) = &vectors[self.below(vectors.len())];
        format!("{name}[{}]", self.index(scope, place))
    }

    /// A place, or a number that need not be one.
    fn index(&mut self, scope: &Scope, place: &str) -> String {
        match scope.at {
            Some(at) if self.percent(70) => format!("{at}.{place}"),
            Some(at) => self
                .pick(&[
                    "{}.head + 1",
                    "3 - {}.col",
                    "{}.seq * 2",
                    "{}.row % 5",
                    "{}.row",
                    "{}.col - 1",
                    "{}.query + 2",
                ])
                .replace("{}", at),
            None => self.between(0, 3).to_string(),
        }
    }

    /// An `i32` of moderate size.
    pub fn int(&mut self, scope: &Scope, depth: usize) -> String {
        if depth == 0 || self.percent(25) {
            return self.int_leaf(scope);
        }
        let deeper = depth - 1;
        match self.below(18) {
            15 => {
                let (a, method) = (self.int(scope, deeper), self.pick(&["rem_euclid", "div_euclid"]));
                format!("({a}).{method}({})", self.pick(&["2", "3", "7", "16", "-5"]))
            }
            16 => {
                let (a, op) = (self.int(scope, deeper), self.pick(&["& 63", "| 5", "^ 21", "<< 2", ">> 1"]));
                format!("(({a}) {op})")
            }
            17 => {
                let a = self.int(scope, deeper);
                let method = self.pick(&["clamp(-40, 70)", "signum()", "min(90).max(-90).pow(2)"]);
                format!("({a}).{method}")
            }
            0..=3 => {
                let (a, op, b) = (self.int(scope, deeper), self.pick(&["+", "-"]), self.int(scope, deeper));
                format!("({a} {op} {b})")
            }
            4 => format!("({} * {})", self.int(scope, deeper), self.pick(&["2", "3", "(-1)", "(-2)"])),
            5 | 6 => {
                let (a, op) = (self.int(scope, deeper), self.pick(&["/", "%"]));
                format!("({a} {op} {})", self.pick(&["2", "3", "5", "7", "16", "32", "(-4)", "1"]))
            }
            7 => {
                let (a, b) = (self.int(scope, deeper), self.int(scope, deeper));
                format!("({a}).{}({b})", self.pick(&["min", "max"]))
            }
            8 => format!("({}).abs()", self.int(scope, deeper)),
            9 => format!("(-{})", self.int(scope, deeper)),
            10 => {
                let (c, a, b) =
                    (self.condition(scope, deeper), self.int(scope, deeper), self.int(scope, deeper));
                match self.below(2) {
                    0 => format!("select({c}, {a}, {b})"),
                    _ => format!("(if {c} {{ {a} }} else {{ {b} }})"),
                }
            }
            11 => format!("({} as i32)", self.float(scope, deeper)),
            12 => {
                let name = self.pick(&["t", "held", "part"]);
                let (held, add) = (self.int(scope, deeper), self.between(0, 9));
                format!("{{ let {name} = {held}; {name} + {add} }}")
            }
            _ => self.wide(scope, deeper),
        }
    }

    /// What is left of integers that wrap and of divisions by nothing, where there may be such.
    fn wide(&mut self, scope: &Scope, depth: usize) -> String {
        let Some(wide) = scope.wide.clone() else { return self.int(scope, depth) };
        let (a, b) = (self.int(scope, depth), self.int_leaf(scope));
        let n = self.pick(&["3", "7", "16", "(-5)"]);
        // By a parameter, division is another path: the host makes the numbers to divide with.
        let by = match scope.ints.is_empty() {
            false if self.percent(70) => scope.ints[self.below(scope.ints.len())].clone(),
            _ => wide.clone(),
        };
        match self.below(9) {
            7 => format!("({a} / {by})"),
            8 => format!("(({wide} + {a} * 3) % {by} % {n})"),
            0 => format!("(({a} * {wide} + {b}) % {n})"),
            1 => format!("(({wide} - {a}).abs() % {n})"),
            2 => format!("({a} / ({b} % 3))"),
            3 => format!("({a} % ({b} / 40))"),
            4 => format!("((({wide} + {a}) / ({b} % 2)) % {n})"),
            5 => format!("((i32::MAX - {a} * i32::MIN) % {n})"),
            _ => format!("((-({wide} + {a})).max({wide}) % {n})"),
        }
    }

    /// An `f32` that a few bits hold, of moderate size.
    pub fn float(&mut self, scope: &Scope, depth: usize) -> String {
        match self.below(if depth == 0 { 4 } else { 10 }) {
            9 => {
                let a = self.float(scope, depth - 1);
                let method = self.pick(&[
                    "floor()",
                    "ceil()",
                    "trunc()",
                    "round_ties_even()",
                    "clamp(-20.0, 30.5)",
                    "powi(1)",
                ]);
                format!("({a}).{method}")
            }
            0 | 1 => format!("{:?}f32", self.between(-24, 24) as f32 / 8.0),
            2 if !scope.floats.is_empty() => scope.floats[self.below(scope.floats.len())].clone(),
            2 | 3 => format!("(({}).max(-90).min(90) as f32)", self.int(scope, depth.min(1))),
            4 | 5 => {
                let (a, b) = (self.float(scope, depth - 1), self.float(scope, depth - 1));
                format!("({a} {} {b})", self.pick(&["+", "-"]))
            }
            6 => format!("({} * {})", self.float(scope, depth - 1), self.pick(&["0.5", "2.0", "(-1.0)"])),
            7 => {
                let (a, b) = (self.float(scope, depth - 1), self.float(scope, depth - 1));
                format!("({a}).{}({b})", self.pick(&["min", "max"]))
            }
            _ => {
                let (c, a, b) = (
                    self.condition(scope, depth - 1),
                    self.float(scope, depth - 1),
                    self.float(scope, depth - 1),
                );
                format!("select({c}, {a}, {b})")
            }
        }
    }

    /// A condition on a place and parameters.
    pub fn condition(&mut self, scope: &Scope, depth: usize) -> String {
        if depth > 0 && self.percent(55) {
            let deeper = depth - 1;
            let (a, b) = (self.condition(scope, deeper), self.condition(scope, deeper));
            return match self.below(10) {
                0..=2 => format!("({a} && {b})"),
                3..=5 => format!("({a} || {b})"),
                6 | 7 => format!("!{a}"),
                8 => {
                    let c = self.condition(scope, deeper);
                    match self.below(2) {
                        0 => format!("(if {c} {{ {a} }} else {{ {b} }})"),
                        _ => format!("select({c}, {a}, {b})"),
                    }
                }
                _ => format!("({a} {} {b})", self.pick(&["==", "!="])),
            };
        }
        if let Some(at) = scope.at
            && self.percent(25)
        {
            return self.pattern(scope, at);
        }
        if let Some(at) = scope.at
            && self.percent(50)
        {
            // Intervals of columns.
            let bound = match scope.ints.is_empty() {
                false if self.percent(50) => scope.ints[self.below(scope.ints.len())].clone(),
                _ => self.between(0, 90).to_string(),
            };
            let form = self.pick(&[
                "({at}.col <= {at}.row)",
                "({at}.row - {at}.col < {n})",
                "({at}.col < {n})",
                "({at}.col >= {n})",
                "({at}.col + {n} > {at}.row)",
                "!({at}.col > {at}.row + {n})",
                "({at}.row >= {at}.col - {n})",
                "({at}.col == {at}.row)",
                "(2 * {at}.col <= {at}.row + {n})",
            ]);
            return form.replace("{at}", at).replace("{n}", &bound);
        }
        match self.below(12) {
            0 if !scope.flags.is_empty() => self.flag(scope),
            5 | 6 if scope.bits.is_some() => {
                let (row, column) = (self.index(scope, "query"), self.index(scope, "col"));
                format!("{}.at({row}, {column})", scope.bits.as_deref().unwrap_or_default())
            }
            1 => self.pick(&["true", "false"]).to_owned(),
            2 | 3 => {
                let compare = self.pick(&["<", "<=", ">", ">="]);
                format!("({} {compare} {})", self.float(scope, 1), self.float(scope, 1))
            }
            4 if !scope.slopes.is_empty() => {
                // Never near a slope that a map of `problem.rs` makes.
                let slope = self.element(scope, &scope.slopes);
                format!("({slope} * 4.0 < {})", self.pick(&["0.3", "1.1"]))
            }
            _ => {
                let compare = self.pick(&["<", "<=", ">", ">=", "==", "!="]);
                let a = self.placed(scope, 2);
                format!("({a} {compare} {})", self.int(scope, 1))
            }
        }
    }

    /// An integer that is not the same everywhere, where there are places.
    fn placed(&mut self, scope: &Scope, depth: usize) -> String {
        let mut int = self.int(scope, depth);
        for _ in 0..4 {
            if scope
                .at
                .is_none_or(|at| int.contains(&format!("{at}.row")) || int.contains(&format!("{at}.col")))
            {
                break;
            }
            int = self.int(scope, depth);
        }
        int
    }

    /// A mask that is no interval: blocks, strides, and what is decided by remainders.
    fn pattern(&mut self, scope: &Scope, at: &str) -> String {
        let by = match (&scope.wide, scope.ints.is_empty()) {
            (Some(_), false) if self.percent(60) => scope.ints[self.below(scope.ints.len())].clone(),
            _ => self.pick(&["2", "3", "5", "16", "(-7)"]).to_owned(),
        };
        let n = self.between(0, 4).to_string();
        let compare = self.pick(&["==", "!=", "<", "<=", ">"]);
        self.pick(&[
            "({at}.col / {by} {op} {at}.row / {by})",
            "({at}.row / {by} + {n} {op} {at}.col)",
            "(({at}.row - {at}.col) % {by} {op} {n})",
            "({at}.row % {by} {op} {at}.col % {by})",
            "(({at}.col - 40) / {by} {op} {n})",
            "(({at}.row * {at}.col) % {by} {op} {n})",
            "(({at}.col + {at}.head) % {by} {op} {n})",
        ])
        .replace("{at}", at)
        .replace("{by}", &by)
        .replace("{n}", &n)
        .replace("{op}", compare)
    }

    /// A function of a score of this size.
    pub fn score(&mut self, scope: &Scope, size: f64, depth: usize) -> Score {
        let drawn = self.score_part(scope, size, depth);
        let Score { mut text, mut steep, mut size } = drawn;
        if steep > STEEPEST {
            let factor = (STEEPEST / steep).log2().floor().exp2();
            text = format!("({text} * {:?})", factor as f32);
            (steep, size) = (steep * factor, size * factor);
        }
        if size > MOST {
            text = match self.below(3) {
                0 => format!("(({text}) / 16.0).tanh() * 16.0"),
                1 => format!("({text}).max(-12.0).min(18.0)"),
                _ => format!("{{ const CAP: f32 = 15.0; ({text}).min(CAP).max(-CAP) }}"),
            };
            size = 18.0;
        }
        Score { text, steep, size }
    }

    /// Something that no score is in.
    pub fn offset(&mut self, scope: &Scope) -> Score {
        let (text, size) = match self.below(6) {
            0 => (format!("{:?}f32", self.between(-20, 20) as f32 / 8.0), 2.5),
            // Of tokens they are normal numbers.
            1 if !scope.slopes.is_empty() => (self.element(scope, &scope.slopes), 4.0),
            5 if scope.bias.is_some() => {
                let (head, row, column) =
                    (self.index(scope, "head"), self.index(scope, "query"), self.index(scope, "col"));
                (format!("{}.at({head}, {row}, {column})", scope.bias.as_deref().unwrap_or_default()), 4.0)
            }
            2 if !scope.floats.is_empty() => (scope.floats[self.below(scope.floats.len())].clone(), 4.0),
            3 => (format!("({} * 0.03125)", self.float(scope, 1)), 8.0),
            _ => (format!("((({}) % 50) as f32 * 0.02)", self.int(scope, 2)), 1.0),
        };
        Score { text, steep: 0.0, size }
    }

    fn score_part(&mut self, scope: &Scope, size: f64, depth: usize) -> Score {
        let x = scope.x.unwrap_or("x");
        if depth == 0 || self.percent(15) {
            return match self.percent(65) {
                true => Score { text: x.to_owned(), steep: 1.0, size },
                false => self.offset(scope),
            };
        }
        let a = self.score_part(scope, size, depth - 1);
        let of = |text: String, steep: f64, size: f64| Score { text, steep, size };
        match self.below(21) {
            18 => {
                let f = self.pick(&["sin", "cos"]);
                of(format!("({}).{f}()", a.text), a.steep, 1.0)
            }
            19 => of(format!("(({}).min(1.0)).exp2()", a.text), a.steep * 1.4, 2.0),
            20 => match self.below(3) {
                0 => of(format!("(({}).abs() + 1.0).log2()", a.text), a.steep * 1.5, (a.size + 1.0).log2()),
                1 => of(format!("({}).clamp(-4.0, 5.5)", a.text), a.steep, a.size.min(5.5)),
                _ => of(format!("(({}).abs() + 0.5).powf(-0.5)", a.text), a.steep * 1.5, 1.5),
            },
            0..=2 => {
                let b = self.score_part(scope, size, depth - 1);
                let op = self.pick(&["+", "-"]);
                of(format!("({} {op} {})", a.text, b.text), a.steep + b.steep, a.size + b.size)
            }
            3 | 4 => {
                let n = self.between(-12, 12) as f32 / 8.0;
                of(
                    format!("({} * ({n:?}))", a.text),
                    a.steep * f64::from(n.abs()),
                    a.size * f64::from(n.abs()),
                )
            }
            5 => of(format!("({0} / (1.5 + ({0}).abs()))", a.text), a.steep, 1.0),
            6 => of(format!("({}).tanh()", a.text), a.steep, 1.0),
            7 => of(format!("(({}).tanh()).exp()", a.text), a.steep * 2.8, 2.8),
            8 => of(format!("(({}).min(1.0)).exp()", a.text), a.steep * 2.8, 2.8),
            9 => of(format!("(({}).abs() + 1.0).ln()", a.text), a.steep, (a.size + 1.0).ln()),
            10 => of(format!("(({}).abs() + 0.25).sqrt()", a.text), a.steep, (a.size + 0.25).sqrt()),
            11 => {
                let b = self.score_part(scope, size, depth - 1);
                let f = self.pick(&["min", "max"]);
                of(format!("({}).{f}({})", a.text, b.text), a.steep.max(b.steep), a.size.max(b.size))
            }
            12 | 13 => {
                let b = self.score_part(scope, size, depth - 1);
                let c = self.condition(scope, 2);
                let text = match self.below(2) {
                    0 => format!("select({c}, {}, {})", a.text, b.text),
                    _ => format!("(if {c} {{ {} }} else {{ {} }})", a.text, b.text),
                };
                of(text, a.steep.max(b.steep), a.size.max(b.size))
            }
            14 => {
                // A bend where both sides meet.
                let n = self.between(-8, 8) as f32 / 4.0;
                let text = format!(
                    "{{ let y = {}; if y > {n:?} {{ y }} else {{ {n:?} + (y - {n:?}) * 0.25 }} }}",
                    a.text
                );
                of(text, a.steep, a.size + 2.0)
            }
            15 => of(format!("(-{})", a.text), a.steep, a.size),
            16 => {
                let b = self.offset(scope);
                of(format!("({} * {})", a.text, b.text), a.steep * b.size, a.size * b.size)
            }
            _ => of(format!("({}).abs()", a.text), a.steep, a.size),
        }
    }
}
