//! What means nothing without a row tile.

use crate::inputs::{Inputs, program};
use flashpage_runtime::reference;

/// What rows are multiplied with each other for depends on how they are cut into tiles.
#[test]
fn products_of_rows_are_refused() {
    let inputs = Inputs::new(&[(2, 3)], |_, _, _| {});
    let table = [
        ("let r = dot(q, q.t()); o.store(dot(r, q)); lse.store(softmax.lse());", "r"),
        ("let m = dot(q.t(), q); o.store(dot(q, m)); lse.store(softmax.lse());", "m"),
    ];
    for (after, value) in table {
        let body = format!("let softmax = OnlineSoftmax::new(); for cols in k.tiles() {{}} {after}");
        let program = program("", &body);
        let said = reference(&program, &inputs.arguments(&program)).unwrap_err().to_string();
        assert!(said.starts_with(&format!("kernel `form`: `{value}` multiplies rows with rows")), "{said}");
    }
}
