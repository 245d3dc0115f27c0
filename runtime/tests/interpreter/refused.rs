//! What is no part of a program.

use crate::inputs::{Inputs, program};
use flashpage_codegen::program::{TileOp, ValueId};
use flashpage_runtime::reference;

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
