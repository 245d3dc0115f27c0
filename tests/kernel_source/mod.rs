//! Kernels as a user writes them: the text of a function around its score steps.

use flashpage::codegen::{Program, frontend};

/// Where keys and values lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    Contiguous,
    Paged,
}

/// A kernel named `user` with these further parameters, whose scores `s` (the bare products) go through
/// `steps` before the softmax. It has a `scale: f32`.
pub fn kernel(cache: Cache, params: &str, steps: &str) -> String {
    let (keys, values, table, tiles, k, v) = match cache {
        Cache::Contiguous => ("Keys", "Values", "", "k.tiles()", "k.load(cols)", "v.load(cols)"),
        Cache::Paged => (
            "PagedKeys",
            "PagedValues",
            "\n    table: BlockTable,",
            "table.tiles()",
            "k.gather(table, cols)",
            "v.gather(table, cols)",
        ),
    };
    format!(
        "#[attention_kernel]
pub fn user<T: Element, const D: usize>(
    q: Query<T, D>,
    k: {keys}<T, D>,
    v: {values}<T, D>,{table}
    o: Output<T, D>,
    lse: RowOutput,
    scale: f32,
    {params}
) {{
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in {tiles} {{
        let s = dot(q, {k}.t());
        {steps}
        let p = softmax.step(s, &mut acc);
        acc += dot(p, {v});
    }}
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}}
"
    )
}

/// The program of a source text that must be good.
pub fn program(source: &str) -> Program {
    frontend::parse_source(source).unwrap_or_else(|error| panic!("{error}\n{source}"))
}
