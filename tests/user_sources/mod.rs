//! Masks and maps that users write: `user_kernels.rs` holds them against the reference, `manifest.rs` what they compile to.

use crate::kernel_source::{Cache, kernel};

/// What it is, further parameters, the steps from products to the softmax's scores, values of parameters.
pub type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, f64)]);

/// Masks of every form.
pub const MASKS: &[Row] = &[
    (
        "prefix-LM",
        "prefix: i32",
        "let s = (s * scale).mask(|at| at.col < prefix || at.col <= at.row);",
        &[("prefix", 70.0)],
    ),
    (
        "window on both sides",
        "w: i32",
        "let s = (s * scale).mask(|at| at.col - at.row < w && at.row - at.col < w);",
        &[("w", 33.0)],
    ),
    ("causal, negated", "", "let s = (s * scale).mask(|at| !(at.col > at.row));", &[]),
    ("anti-causal", "", "let s = (s * scale).mask(|at| !(at.col <= at.row));", &[]),
    ("the diagonal", "", "let s = (s * scale).mask(|at| at.col == at.row);", &[]),
    ("all but the diagonal", "", "let s = (s * scale).mask(|at| at.col != at.row);", &[]),
    ("block-diagonal", "", "let s = (s * scale).mask(|at| at.col / 16 == at.row / 16);", &[]),
    (
        "strided",
        "stride: i32",
        "let s = (s * scale).mask(|at| at.col <= at.row && (at.row - at.col) % stride == 0);",
        &[("stride", 7.0)],
    ),
    (
        "a window that grows with the head",
        "",
        "let s = (s * scale).mask(|at| at.col <= at.row && at.row - at.col < 8 * (at.head + 1));",
        &[],
    ),
    (
        "a window per head",
        "windows: PerHead<i32>",
        "let s = (s * scale).mask(|at| at.col <= at.row && at.row - at.col < 10 * windows[at.head] + 3);",
        &[],
    ),
    (
        "causal for one sequence, full for the others",
        "",
        "let s = (s * scale).mask(|at| at.seq != 0 || at.col <= at.row);",
        &[],
    ),
    (
        "a bound that depends on the sequence",
        "",
        "let s = (s * scale).mask(|at| at.col < 100 - 60 * at.seq);",
        &[],
    ),
    (
        "twice the row, which is no interval of unit slope",
        "",
        "let s = (s * scale).mask(|at| 2 * at.col <= at.row);",
        &[],
    ),
    (
        "attention sink and window",
        "w: i32",
        "let s = (s * scale).mask(|at| at.col <= at.row && (at.col < 4 || at.row - at.col < w));",
        &[("w", 20.0)],
    ),
    (
        "minima and maxima of bounds",
        "w: i32",
        "let s = (s * scale).mask(|at| at.col >= 5 && at.col > at.row - w && at.col <= at.row + 3 && at.col < 140);",
        &[("w", 50.0)],
    ),
    (
        "an empty window",
        "w: i32",
        "let s = (s * scale).mask(|at| at.row - at.col < w && at.col <= at.row);",
        &[("w", 0.0)],
    ),
    ("nothing", "", "let s = (s * scale).mask(|_at| false);", &[]),
    ("everything", "", "let s = (s * scale).mask(|_at| true);", &[]),
    (
        "nothing or everything, by a flag",
        "full: bool",
        "let s = (s * scale).mask(|at| full || at.col <= at.row);",
        &[("full", 1.0)],
    ),
    (
        "a branch",
        "",
        "let s = (s * scale).mask(|at| if at.row % 2 == 0 { at.col <= at.row } else { at.col < 10 });",
        &[],
    ),
    (
        "two masks",
        "w: i32",
        "let s = s * scale; let s = s.mask(|at| at.col <= at.row); let s = s.mask(|at| at.row - at.col < w);",
        &[("w", 45.0)],
    ),
    (
        "a mask before a map",
        "",
        "let s = s.mask(|at| at.col <= at.row); let s = s.map(|x, at| x * scale - 0.01 * at.col as f32);",
        &[],
    ),
    (
        "mask, map, mask",
        "",
        "let s = s.mask(|at| at.col % 5 != 0); let s = s * scale; let s = s.mask(|at| at.col <= at.row);",
        &[],
    ),
];

/// Maps of scores.
pub const MAPS: &[Row] = &[
    (
        "softcap after scale",
        "cap: f32",
        "let s = (s * scale).map(|x, _| cap * (x / cap).tanh()); let s = s.mask(|at| at.col <= at.row);",
        &[("cap", 3.0)],
    ),
    (
        "a relative bias through select",
        "",
        "let s = (s * scale).map(|x, at| x + select(at.col < at.row, 0.5, -0.25));",
        &[],
    ),
    (
        "a relative bias through if",
        "",
        "let s = (s * scale).map(|x, at| if at.row - at.col < 10 { x } else { x - 1.0 });",
        &[],
    ),
    (
        "the score in a condition",
        "",
        "let s = (s * scale).map(|x, _| if x > 0.0 { x } else { 0.5 * x });",
        &[],
    ),
    (
        "slopes and positions",
        "slopes: PerHead<f32>",
        "let s = s.map(|x, at| x * scale + slopes[at.head] * (at.col - at.row) as f32);",
        &[],
    ),
    (
        "a temperature per head, after the scale",
        "temperature: PerHead<f32>",
        "let s = (s * scale).map(|x, at| x * temperature[at.head]);",
        &[],
    ),
    (
        "every function",
        "",
        "let s = (s * scale).map(|x, _| (x.abs() + 1.0).ln() + (x.abs() + 0.5).sqrt() + (x.min(1.0).max(-1.0)).exp());",
        &[],
    ),
    (
        "lets, casts and constants",
        "",
        "let s = s.map(|x, at| { const SLOPE: f32 = 0.125; let distance = (at.row - at.col).abs().min(20); x * scale - SLOPE * distance as f32 });",
        &[],
    ),
    (
        "a mask written as a low score",
        "",
        "let s = (s * scale).map(|x, at| select(at.col <= at.row && at.col < 200, x, -10000.0));",
        &[],
    ),
    (
        "a mask written as a very low score",
        "",
        "let s = (s * scale).map(|x, at| select(at.col < 3 || (at.col - at.row).abs() < 7, x, -1e9));",
        &[],
    ),
    (
        "a mask written as the lowest score",
        "",
        "let s = (s * scale).map(|x, at| if at.col < 3 || (at.col - at.row).abs() < 7 { x } else { f32::MIN });",
        &[],
    ),
    ("no scale at all", "", "let s = s.map(|x, _| x * 0.1 + 0.0 * scale);", &[]),
    ("one score for all", "", "let s = s.map(|_, _| scale + 0.5);", &[]),
    (
        "one score for a row",
        "slopes: PerHead<f32>",
        "let s = s.map(|_, at| slopes[at.head] * scale + 0.01 * at.row as f32);",
        &[],
    ),
    ("a constant score", "", "let s = s.map(|_, at| at.col as f32 * 0.01 * scale);", &[]),
];

/// What numbers can do.
pub const NUMBERS: &[Row] = &[
    (
        "functions of angles and powers",
        "",
        "let s = (s * scale).map(|x, at| {
            let (angle, turn) = (0.3 * at.col as f32 - at.row as f32, 6.25f32);
            x.clamp(-2.5, 2.5) + angle.sin() + (angle * turn).cos() * 0.5 + (x * 0.3).exp2() + (x.abs() + 1.0).log2()
                + (x.abs() + 0.5).powf(1.5) * 0.1 + x.powi(3) * 0.02 + (x * x + 1.0).recip()
                + (at.col as f32 * 0.37).floor() * 0.01 + (at.col as f32 * 0.37).ceil() * 0.01
                + (at.row as f32 * 0.37).trunc() * 0.01 + (at.row as f32 * 0.31).round_ties_even() * 0.01
                + (-1.5f32).powf(3.0) * 0.01 + x.mul_add(0.1, 0.2)
        });",
        &[],
    ),
    (
        "bits and euclidean remainders",
        "n: i32, m: i32",
        "let s = (s * scale).map(|x, at| {
            let hash = (at.row * 73856093) ^ (at.col << 7) ^ (at.col * 19349663 >> 3);
            let ring = (at.row - at.col).rem_euclid(n) + (at.col - 90).div_euclid(m) - (at.row - 90).rem_euclid(-7);
            x + (hash & 31) as f32 * 0.01 + (ring.clamp(-20, 20) | 1) as f32 * 0.02 + (!at.col).signum() as f32 * 0.1
                + ((at.col - 20).pow(2) % 50) as f32 * 0.01 + (1 << (at.col & 37)) as f32 * 1e-9
        });
        let s = s.mask(|at| (at.row - at.col).rem_euclid(5) != 3 && (at.col - 7).div_euclid(4) % m != 2);",
        &[("n", 12.0), ("m", -5.0)],
    ),
];

/// Numbers that stand for minus infinity, in rows that hold nothing else.
pub const HUGE: &[Row] = &[
    (
        "rows of -1e9",
        "",
        "let s = (s * scale).map(|x, at| select(at.row % 3 == 0 || at.col % 2 == 0, -1e9, x));",
        &[],
    ),
    (
        "rows of -3e38, before the scale",
        "",
        "let s = s.map(|x, at| select(at.row % 3 == 0, -3e38, x)) * scale; let s = s.mask(|at| at.col <= at.row);",
        &[],
    ),
    (
        "rows of the lowest number, and others that a parameter masks",
        "low: f32",
        "let s = (s * scale).map(|x, at| if at.row % 3 == 0 { f32::MIN } else { select(at.row % 3 == 1 || at.col > 40, low, x) });",
        &[("low", -2.5e8)],
    ),
    (
        "a row of huge numbers above the others",
        "",
        "let s = (s * scale).map(|x, at| select(at.col % 7 == 0, 3e9, x));",
        &[],
    ),
];

/// Vectors read at numbers outside, which are clamped.
pub const INDICES: &[Row] = &[
    (
        "a window per head, read at numbers that are no heads",
        "windows: PerHead<i32>",
        "let s = (s * scale).mask(|at| at.col <= at.row && at.row - at.col < 9 * windows[7 * at.seq - 3] + 5);",
        &[],
    ),
    (
        "slopes of heads that there are not, of which most are not chosen",
        "slopes: PerHead<f32>",
        "let s = s.map(|x, at| x * scale + slopes[at.col - 40] + slopes[at.head + 1] * 0.5 + slopes[at.head % 3]
            + select(at.row < 0, slopes[at.row * 1000000], slopes[1 - at.row]));",
        &[],
    ),
];

/// What kernels ask of their sequence, and vectors that have numbers of each.
pub const SEQUENCES: &[Row] = &[
    (
        "documents",
        "documents: PerKey<i32>",
        "let s = (s * scale).mask(|at| at.col <= at.row && documents[at.col] == documents[at.row]);",
        &[],
    ),
    (
        "a bias of keys and a temperature of queries",
        "bias: PerKey<f32>, temperature: PerQuery<f32>",
        "let s = s.map(|x, at| x * scale * temperature[at.query].abs() + bias[at.col]);",
        &[],
    ),
    (
        "a prefix of each sequence",
        "prefixes: PerSequence<i32>",
        "let s = (s * scale).mask(|at| at.col < 40 * prefixes[at.seq] + 3 || at.col <= at.row);",
        &[],
    ),
    (
        "types of tokens, in a map before the mask",
        "keys: PerKey<i32>, queries: PerQuery<i32>, by: PerSequence<f32>",
        "let s = s.map(|x, at| x * scale + by[at.seq] * (keys[at.col] - queries[at.query] % 3) as f32);
        let s = s.mask(|at| at.col <= at.row && keys[at.col] % 5 != 4);",
        &[],
    ),
    ("causal, aligned at the first", "", "let s = (s * scale).mask(|at| at.col <= at.query);", &[]),
    (
        "the last keys of a sequence, and a bias by how long it is",
        "w: i32",
        "let s = (s * scale).map(|x, at| x - 0.01 * (at.kv_len + 2 * at.q_len - at.col) as f32);
        let s = s.mask(|at| at.col >= at.kv_len - w - at.q_len);",
        &[("w", 25.0)],
    ),
    (
        "numbers of tokens that there are not",
        "keys: PerKey<f32>, queries: PerQuery<f32>, ids: PerKey<i32>, by: PerSequence<i32>",
        "let s = s.map(|x, at| x * scale + 0.1 * keys[at.row * 1000 - 7] + 0.1 * queries[at.col] + 0.1 * keys[at.query - 2]);
        let s = s.mask(|at| ids[at.col - at.row] <= ids[at.col + 1] + by[at.col] && by[at.query + 1] + at.col > ids[0]);",
        &[],
    ),
];

/// Tables of numbers and of bits.
pub const TABLES: &[Row] = &[
    (
        "a bias of every head, query and key",
        "bias: Bias<T>",
        "let s = s.map(|x, at| x * scale + bias.at(at.head, at.query, at.col)); let s = s.mask(|at| at.col <= at.row);",
        &[],
    ),
    (
        "buckets of distances, as T5 has them",
        "buckets: Bias<f32>",
        "let s = s.map(|x, at| {
            let distance = (at.row - at.col).max(0);
            let far = 8 + ((distance.max(8) as f32 / 8.0).ln() * 4.0) as i32;
            x * scale + buckets.at(at.head, 0, if distance < 8 { distance } else { far.min(31) })
        });",
        &[],
    ),
    ("a tree", "tree: BitMask", "let s = (s * scale).mask(|at| tree.at(at.query, at.col));", &[]),
    (
        "a tree behind all that came before",
        "tree: BitMask",
        "let s = (s * scale).mask(|at| {
            let first = at.kv_len - at.q_len;
            at.col < first || tree.at(at.query, at.col - first)
        });",
        &[],
    ),
    (
        "elements that there are not",
        "bias: Bias<bf16>, tree: BitMask",
        "let s = s.map(|x, at| x * scale + bias.at(at.col, at.row - 5, at.col * 2) - bias.at(at.head + 1, at.query + 3, at.col - at.row));
        let s = s.mask(|at| tree.at(at.col, at.row * 1000000) || tree.at(at.row, at.col + 3));",
        &[],
    ),
];

/// Steps that divide by a scalar `n: i32`.
pub const DIVIDED: &str =
    "let s = (s * scale).mask(|at| (at.row - at.col) % n != 1 && at.col / n <= at.row / n + 3);
        let s = s.map(|x, at| x + 0.01 * ((at.col - 40) / n % 7) as f32 + 0.02 * (100 / n) as f32);";

/// What it is, where keys lie, edits of a causal kernel's text, and how many tensors it then stores.
pub type Form = (&'static str, Cache, &'static [(&'static str, &'static str)], usize);

/// Edits of a whole kernel: what it stores, and what its author fixed.
pub const FORMS: &[Form] = &[
    (
        "only o",
        Cache::Contiguous,
        &[("    lse: RowOutput,\n", ""), ("    lse.store(softmax.lse());\n", "")],
        1,
    ),
    (
        "only lse",
        Cache::Paged,
        &[("    o: Output<T, D>,\n", ""), ("    o.store(softmax.finish(acc));\n", "")],
        1,
    ),
    (
        "lse first",
        Cache::Contiguous,
        &[(
            "o.store(softmax.finish(acc));\n    lse.store(softmax.lse());",
            "lse.store(softmax.lse());\n    o.store(softmax.finish(acc));",
        )],
        2,
    ),
    (
        "bf16",
        Cache::Paged,
        &[("<T: Element, const D: usize>", "<const D: usize>"), ("<T, D>", "<bf16, D>")],
        2,
    ),
    (
        "head_dim 128",
        Cache::Contiguous,
        &[("<T: Element, const D: usize>", "<T: Element>"), ("<T, D>", "<T, 128>")],
        2,
    ),
    ("f16, head_dim 64", Cache::Paged, &[("<T: Element, const D: usize>", ""), ("<T, D>", "<f16, 64>")], 2),
];

/// Edits of a whole kernel: what becomes of its softmax.
pub const SOFTMAXES: &[Form] = &[
    (
        "sinks",
        Cache::Paged,
        &[
            ("    scale: f32,\n", "    scale: f32,\n    sinks: PerHead<f32>,\n"),
            ("    o.store(", "    softmax.sink(|at| 4.0 * sinks[at.head]);\n    o.store("),
        ],
        2,
    ),
    (
        "dropout",
        Cache::Contiguous,
        &[
            ("    scale: f32,\n", "    scale: f32,\n    seed: i32,\n"),
            (
                "        acc += dot(p, ",
                "        let p = p.map(|p, at| select(at.random(seed) < 0.8, p / 0.8, 0.0));\n        acc += dot(p, ",
            ),
        ],
        2,
    ),
    (
        "weights of keys",
        Cache::Paged,
        &[
            ("    scale: f32,\n", "    scale: f32,\n    weights: PerKey<f32>,\n"),
            (
                "        acc += dot(p, ",
                "        let p = p.map(|p, at| 0.5 * p - p * weights[at.col]) * 2.0;\n        acc += dot(p, ",
            ),
        ],
        2,
    ),
    (
        "sigmoid",
        Cache::Paged,
        &[
            ("    lse: RowOutput,\n", ""),
            ("    lse.store(softmax.lse());\n", ""),
            ("    let mut softmax = OnlineSoftmax::new();\n", ""),
            ("softmax.step(s, &mut acc)", "s.map(|x, at| 1.0 / (1.0 + (0.02 * at.head as f32 - x).exp()))"),
            ("softmax.finish(acc)", "acc"),
        ],
        1,
    ),
    (
        "squares above zero, over keys that are divided by their number",
        Cache::Contiguous,
        &[
            ("    lse: RowOutput,\n", ""),
            ("    lse.store(softmax.lse());\n", ""),
            ("    let mut softmax = OnlineSoftmax::new();\n", ""),
            ("(s * scale).mask(|at| at.col <= at.row)", "s * scale"),
            (
                "softmax.step(s, &mut acc)",
                "s.map(|x, at| if at.col <= at.row { x.max(0.0).powi(2) / at.kv_len as f32 } else { 0.0 })",
            ),
            ("softmax.finish(acc)", "acc"),
        ],
        1,
    ),
    (
        "softmax plus one",
        Cache::Contiguous,
        &[("    o.store(", "    softmax.sink(|_| 0.0);\n    o.store(")],
        2,
    ),
    (
        "sinks of rows and sequences, far above and far below all scores",
        Cache::Contiguous,
        &[(
            "    o.store(",
            "    softmax.sink(|at| if at.row % 3 == 0 { -300.0 } else { (at.query % 5 - at.seq) as f32 * 30.0 });\n    o.store(",
        )],
        2,
    ),
    ("base 2", Cache::Paged, &[("softmax.lse()", "softmax.lse_base2()")], 2),
    (
        "base 2 of scores that may be huge, with a sink",
        Cache::Contiguous,
        &[
            (
                "(s * scale).mask(|at| at.col <= at.row)",
                "(s * scale).map(|x, at| if at.col <= at.row { x } else { -1e9 })",
            ),
            ("    o.store(", "    softmax.sink(|at| 0.5 * at.head as f32);\n    o.store("),
            ("softmax.lse()", "softmax.lse_base2()"),
        ],
        2,
    ),
    (
        "from where another kernel ended",
        Cache::Paged,
        &[
            ("    scale: f32,\n", "    scale: f32,\n    lse_before: RowInput,\n    o_before: Input<T, D>,\n"),
            ("OnlineSoftmax::new()", "OnlineSoftmax::resume(lse_before)"),
            ("Tile::zeros()", "Tile::resume(o_before)"),
        ],
        2,
    ),
    (
        "from a log-sum-exp of base 2 and an output of f32, with a sink",
        Cache::Contiguous,
        &[
            (
                "    scale: f32,\n",
                "    scale: f32,\n    o_before: Input<f32, D>,\n    lse_before: RowInput,\n",
            ),
            ("    o: Output<T, D>", "    o: Output<f32, D>"),
            ("OnlineSoftmax::new()", "OnlineSoftmax::resume_base2(lse_before)"),
            ("Tile::zeros()", "Tile::resume(o_before)"),
            ("    o.store(", "    softmax.sink(|at| (at.row % 7) as f32);\n    o.store("),
            ("softmax.lse()", "softmax.lse_base2()"),
        ],
        2,
    ),
    (
        "scores that may be huge, from where another kernel ended",
        Cache::Contiguous,
        &[
            ("    scale: f32,\n", "    scale: f32,\n    lse_before: RowInput,\n    o_before: Input<T, D>,\n"),
            (
                "(s * scale).mask(|at| at.col <= at.row)",
                "(s * scale).map(|x, at| if at.col <= at.row { x } else { f32::MIN })",
            ),
            ("OnlineSoftmax::new()", "OnlineSoftmax::resume(lse_before)"),
            ("Tile::zeros()", "Tile::resume(o_before)"),
        ],
        2,
    ),
    (
        "a log-sum-exp of keys without values",
        Cache::Paged,
        &[
            ("    scale: f32,\n", "    scale: f32,\n    of_others: RowInput,\n"),
            ("OnlineSoftmax::new()", "OnlineSoftmax::resume(of_others)"),
        ],
        2,
    ),
    (
        "sigmoid, from where another kernel ended",
        Cache::Paged,
        &[
            ("    lse: RowOutput,\n", "    o_before: Input<T, D>,\n"),
            ("    lse.store(softmax.lse());\n", ""),
            ("    let mut softmax = OnlineSoftmax::new();\n", ""),
            ("Tile::zeros()", "Tile::resume(o_before)"),
            ("softmax.step(s, &mut acc)", "s.map(|x, at| 1.0 / (1.0 + (-x).exp()))"),
            ("softmax.finish(acc)", "acc"),
        ],
        1,
    ),
];

/// A form as source text.
pub fn form_source((what, cache, edits, _): &Form) -> String {
    let mut source = kernel(*cache, "", "let s = (s * scale).mask(|at| at.col <= at.row);");
    for (from, to) in *edits {
        assert!(source.contains(from), "{what}: `{from}` is not in the kernel");
        source = source.replace(from, to);
    }
    source
}
