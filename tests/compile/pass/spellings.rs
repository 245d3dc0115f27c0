//! Spellings of a kernel that are all fine.

use flashpage::prelude::*;

/// Documented, private, with other attributes.
#[flashpage::attention_kernel]
#[inline]
fn attention<'a, T: Element, const D: usize>(
    q: Query<'a, T, D>,
    k: flashpage::dsl::Keys<'a, T, D>,
    v: Values<T, D>,
    o: Output<T, D>,
    #[allow(unused_variables)] unused: bool,
    scale: f32,
) {
    // Scalars have names, and blocks have values.
    let log2_scale = scale * std::f32::consts::LOG2_E;
    const HALF: f32 = 0.5;
    let mut softmax = OnlineSoftmax::new();
    let mut acc: Tile<Rows, Dim<D>> = Tile::zeros();
    for cols in k.tiles() {
        let mut s = {
            let k = k.load(cols);
            dot(q.tile(), k.t())
        };
        s = log2_scale * s / HALF + 1.0 - 2f32;
        let s = s.map(|x, at| {
            let distance = (at.row - at.col).abs();
            if distance % 2 == 0 { x } else { select(distance > 3, x.max(0.0), -x.exp()) }
        });
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc))
}

mod fixed {
    use flashpage::prelude::*;

    #[attention_kernel]
    pub(super) fn paged(
        queries: Query<bf16, 128>,
        keys: PagedKeys<bf16, 128>,
        values: PagedValues<bf16, 128>,
        blocks: BlockTable,
        lse: RowOutput,
        sinks: PerHead<i32>,
    ) {
        let mut softmax = OnlineSoftmax::new();
        let mut acc = Tile::zeros();
        for tokens in blocks.tiles() {
            let s = dot(queries.tile(), keys.gather(blocks, tokens).t());
            let s = s.mask(|at| at.col < sinks[at.head] || at.seq == 0);
            let p = softmax.step(s, &mut acc);
            acc += dot(p, values.gather(blocks, tokens));
        }
        lse.store(softmax.lse());
    }
}

/// A kernel that a macro makes: its expressions come in invisible groups.
macro_rules! kernel {
    ($name:ident, $element:ty, $distance:expr, |$x:ident| $score:expr) => {
        #[attention_kernel]
        pub fn $name<const D: usize>(
            q: Query<$element, D>,
            k: Keys<$element, D>,
            v: Values<$element, D>,
            o: Output<$element, D>,
        ) {
            let mut softmax = OnlineSoftmax::new();
            let mut acc = Tile::zeros();
            for cols in k.tiles() {
                let s = dot(q.tile(), k.load(cols).t()).map(|$x, _| 2.0 * $score);
                let s = s.mask(|at| (at.row - at.col) < 2 * $distance);
                let p = softmax.step(s, &mut acc);
                acc += dot(p, v.load(cols));
            }
            o.store(softmax.finish(acc));
        }
    };
}

kernel!(near, f16, 3 + 4, |x| x + 1.0);

#[test]
fn has_programs() {
    assert_eq!(attention::program().name, "attention");
    let (_, _) = (attention::reference::<f16, 64>, near::reference::<32>);
    let _: fn(&fixed::paged::Args) -> _ = fixed::paged::reference;
    assert_eq!(fixed::paged::program().params.len(), 6);
    let near = near::program().to_string();
    assert!(near.contains("{ 2.0 * (x + 1.0) }"), "{near}");
    assert!(near.contains("{ row - col < 2 * (3 + 4) }"), "{near}");
}
