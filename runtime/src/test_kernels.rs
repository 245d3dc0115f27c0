//! Kernels for the unit tests, as a user writes them.

use flashpage_codegen::frontend::parse_source;
use flashpage_codegen::program::Program;

/// Attention without a scale, over contiguous keys.
const SOURCE: &str = "#[attention_kernel]
fn bare<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>, lse: RowOutput) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let p = softmax.step(dot(q, k.load(cols).t()), &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}";

/// The same over a paged cache.
const TO_PAGED: [(&str, &str); 5] = [
    (" Keys", " PagedKeys"),
    (" Values<T, D>", " PagedValues<T, D>, table: BlockTable"),
    ("k.tiles(", "table.tiles("),
    ("k.load(", "k.gather(table, "),
    ("v.load(", "v.gather(table, "),
];

pub(crate) fn contiguous() -> Program {
    edited(&[])
}

pub(crate) fn paged() -> Program {
    edited(&TO_PAGED)
}

/// The contiguous one with these words replaced.
pub(crate) fn edited(edits: &[(&str, &str)]) -> Program {
    let source = edits.iter().fold(SOURCE.to_owned(), |text, (from, to)| text.replace(from, to));
    parse_source(&source).expect("a kernel")
}
