//! Masks of users that are no interval of columns, each by what it makes a lane work out for every score: remainders,
//! quotients, distances, products of row and column, floats, tables by head, branches.

/// What it is, further parameters, the steps from products to the softmax's scores, values of parameters.
pub type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, f64)]);

pub const OPAQUE: &[Row] = &[
    (
        "causal, every nth key",
        "stride: i32",
        "let s = (s * scale).mask(|at| at.col <= at.row && (at.row - at.col) % stride == 0);",
        &[("stride", 7.0)],
    ),
    (
        "dilated on both sides",
        "w: i32",
        "let s = (s * scale).mask(|at| (at.row - at.col).abs() < w && (at.row - at.col).abs() % 3 != 1);",
        &[("w", 90.0)],
    ),
    (
        "documents of one length",
        "length: i32",
        "let s = (s * scale).mask(|at| at.col <= at.row && at.col / length == at.row / length);",
        &[("length", 50.0)],
    ),
    (
        "blocks, and the first columns of each",
        "block: i32,\n    first: i32",
        "let s = (s * scale).mask(|at| at.col / block == at.row / block || at.col % block < first);",
        &[("block", 24.0), ("first", 3.0)],
    ),
    (
        "a window of each head's own",
        "windows: PerHead<i32>",
        "let s = (s * scale).mask(|at| at.col <= at.row && at.row - at.col < 10 * windows[at.head] + 3);",
        &[],
    ),
    (
        "strides and offsets by head",
        "strides: PerHead<i32>,\n    offsets: PerHead<i32>",
        "let s = (s * scale).mask(|at| (at.col + offsets[at.head]) % (strides[at.head] + 2) == 0 || at.col == at.row);",
        &[],
    ),
    ("a product of row and column", "", "let s = (s * scale).mask(|at| (at.row * at.col) % 5 != 3);", &[]),
    (
        "a chessboard that turns with the head",
        "",
        "let s = (s * scale).mask(|at| (at.row / 8 + at.col / 12 + at.head) % 2 == 0);",
        &[],
    ),
    (
        "sinks, a window and far landmarks",
        "sinks: i32,\n    w: i32",
        "let s = (s * scale).mask(|at| at.col <= at.row && (at.col < sinks || at.row - at.col < w || at.col % 64 == 63));",
        &[("sinks", 4.0), ("w", 40.0)],
    ),
    (
        "a slanted band in floats",
        "ratio: f32,\n    width: f32",
        "let s = (s * scale).mask(|at| (at.col as f32 - at.row as f32 * ratio).abs() / (1.0 + at.row as f32) < width);",
        &[("ratio", 0.7), ("width", 0.3)],
    ),
    (
        "a branch by row",
        "n: i32",
        "let s = (s * scale).mask(|at| if at.row % 2 == 0 { at.col <= at.row } else { at.col % n == at.row % n || at.col < 10 });",
        &[("n", 6.0)],
    ),
    (
        "rings whose width depends on head and sequence",
        "period: i32,\n    widths: PerHead<i32>",
        "let s = (s * scale).mask(|at| { let d = (at.col - at.row + at.seq) % period; (d + period) % period <= widths[at.head].abs() + at.head });",
        &[("period", 31.0)],
    ),
];
