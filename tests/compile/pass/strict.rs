//! What the macro adds passes a strict crate's lints.
#![deny(missing_docs, unused, rust_2018_idioms, clippy::all)]

/// Kernels.
pub mod kernels {
    // No prelude: what is emitted names everything by its full path.
    use flashpage::attention_kernel;
    use flashpage::dsl::{Element, OnlineSoftmax, Output, PagedKeys, PagedValues, Query, Tile, dot};

    /// Parameters may have any name, those that the macro uses among them.
    #[attention_kernel]
    pub(crate) fn shapes<Held: Element, const N: usize>(
        args: Query<Held, N>,
        shapes: PagedKeys<Held, N>,
        held_0: PagedValues<Held, N>,
        view_1: flashpage::dsl::BlockTable,
        program: Output<Held, N>,
        r#type: f32,
    ) {
        let args = args.tile();
        let mut softmax = OnlineSoftmax::new();
        let mut acc = Tile::zeros();
        for cols in view_1.tiles() {
            let s = dot(args, shapes.gather(view_1, cols).t()) * r#type;
            let p = softmax.step(s, &mut acc);
            acc += dot(p, held_0.gather(view_1, cols));
        }
        program.store(softmax.finish(acc));
    }
}

#[test]
fn has_programs() {
    assert_eq!(kernels::shapes::program().name, "shapes");
    let _ = kernels::shapes::reference::<flashpage::dsl::f16, 64>;
}
