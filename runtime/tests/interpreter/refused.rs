//! What means nothing without a row tile, and what is no part of a program.

use crate::inputs::{Inputs, program};
use flashpage_codegen::program::{TileOp, ValueId};
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

/// A value that no statement defines is none, whatever stands in it.
#[test]
fn what_is_not_defined_is_not_looked_at() {
    let body =
        "let softmax = OnlineSoftmax::new(); for cols in k.tiles() {} o.store(q); lse.store(softmax.lse());";
    let inputs = Inputs::new(&[(2, 3)], |_, _, _| {});
    let good = program("", body);
    let mut odd = good.clone();
    for (a, b) in [(0, 99), (99, 0), (0, 0)] {
        let mut value = odd.values[0].clone();
        value.op = TileOp::Dot { a: ValueId(a), b: ValueId(b) };
        odd.values.push(value);
    }
    let arguments = inputs.arguments(&good);
    assert_eq!(reference(&odd, &arguments).unwrap(), reference(&good, &arguments).unwrap());
}
