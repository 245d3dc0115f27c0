//! Tiles with their transposes taken off: however an author turns a product, it is read as one.

use crate::program::{Program, TileOp, ValueId};

/// A value that is no transpose, or the transpose of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    /// What is left when every `.t()` is taken off.
    pub value: ValueId,
    /// Whether an odd number of them was.
    pub transposed: bool,
}

impl Tile {
    /// The tile that `id` is.
    pub fn of(program: &Program, id: ValueId) -> Tile {
        match program.values[id.0].op {
            TileOp::Transpose { of } => Tile::of(program, of).t(),
            _ => Tile { value: id, transposed: false },
        }
    }

    pub fn t(self) -> Tile {
        Tile { transposed: !self.transposed, ..self }
    }

    /// The factors of the product that this is, if it is one: `dot(a, b).t()` is `dot(b.t(), a.t())`.
    pub fn factors(self, program: &Program) -> Option<(Tile, Tile)> {
        let TileOp::Dot { a, b } = program.values[self.value.0].op else { return None };
        let (a, b) = (Tile::of(program, a), Tile::of(program, b));
        Some(if self.transposed { (b.t(), a.t()) } else { (a, b) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::parse_program_source;

    /// What a tile is, as one would write it.
    fn text(program: &Program, tile: Tile) -> String {
        if let Some((a, b)) = tile.factors(program) {
            return format!("dot({}, {})", text(program, a), text(program, b));
        }
        let name = match program.values[tile.value.0].op {
            TileOp::Owned { .. } => "q",
            TileOp::Load { source } => &program.params[source.0].name,
            TileOp::SoftmaxStep { .. } => "p",
            _ => "?",
        };
        format!("{name}{}", if tile.transposed { ".t()" } else { "" })
    }

    #[test]
    fn transposes_go_to_the_factors() {
        let table = [
            ("dot(q, k.t())", "dot(q, k.t())"),
            ("dot(k, q.t()).t()", "dot(q, k.t())"),
            ("dot(k.t().t(), q.t().t().t()).t().t().t()", "dot(q, k.t())"),
            ("dot(q.t().t(), k.t()).t().t()", "dot(q, k.t())"),
            ("dot(dot(k, q.t()).t(), dot(v, k.t()))", "dot(dot(q, k.t()), dot(v, k.t()))"),
            ("dot(dot(k, v.t()), dot(k, q.t())).t()", "dot(dot(q, k.t()), dot(v, k.t()))"),
        ];
        for (scores, want) in table {
            let source = format!(
                "fn user<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>) {{
                    let q = q.tile();
                    let mut softmax = OnlineSoftmax::new();
                    let mut acc = Tile::zeros();
                    for cols in k.tiles() {{
                        let k = k.load(cols);
                        let v = v.load(cols);
                        let p = softmax.step({scores}, &mut acc);
                        acc += dot(v.t(), p.t()).t();
                    }}
                    o.store(softmax.finish(acc));
                }}"
            );
            let program = parse_program_source(&source).unwrap();
            let made = |is: fn(&TileOp) -> Option<ValueId>| {
                let id = program.values.iter().find_map(|value| is(&value.op)).unwrap();
                text(&program, Tile::of(&program, id))
            };
            let step = |op: &TileOp| match op {
                TileOp::SoftmaxStep { scores, .. } => Some(*scores),
                _ => None,
            };
            assert_eq!(made(step), want, "{scores}");
            let crate::program::Stmt::Accumulate { value, .. } = program.main_loop.body.last().unwrap()
            else {
                panic!("{program}");
            };
            assert_eq!(text(&program, Tile::of(&program, *value)), "dot(p, v)");
        }
    }
}
