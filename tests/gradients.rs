//! Attention's gradients, written by hand: programs that no kernel is made of yet, one of which owns columns and loops over
//! rows. Their host run and the reference are held to the derivative of attention itself, by differences in f64.

use flashpage::prelude::*;
use flashpage::runtime::{Expected, reference};

/// How large scores get: `CAP * tanh(s / CAP)`.
const CAP: f32 = 4.0;
/// What scores of a head are multiplied with: another number for each.
fn scale(head: usize) -> f64 {
    0.25 + 0.0625 * head as f64
}

/// What the backward pass needs of the forward one: the log-sum-exp of each row. It is compiled.
#[attention_kernel]
fn forward<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    o: Output<T, E>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t());
        let s = s.map(|x, at| (x * (0.25 + 0.0625 * at.head as f32) / 4.0).tanh() * 4.0);
        let p = softmax.step(s.mask(|at| at.col <= at.row), &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// An instance owns rows: dQ, and of each row the product of O and its gradient.
#[attention_kernel(reference)]
fn of_rows<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    o: Query<T, E>,
    g: Query<T, E>,
    lse: RowInput,
    dq: Output<f32, D>,
    delta: RowOutput,
) {
    let q = q.tile();
    let g = g.tile();
    let lse: RowVector = lse.tile();
    let products = (g * o.tile()).sum();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let k = k.load(cols);
        let t = dot(q, k.t()).map(|x, at| (x * (0.25 + 0.0625 * at.head as f32) / 4.0).tanh());
        let p = (t * 4.0 - lse).map(|x, at| if at.col <= at.row { x.exp() } else { 0.0 });
        let ds = p * (dot(g, v.load(cols).t()) - products);
        let ds = ds.zip(t, |x, t, at| x * (1.0 - t * t) * (0.25 + 0.0625 * at.head as f32));
        acc += dot(ds, k);
    }
    dq.store(acc);
    delta.store(products);
}

/// An instance owns columns: dK and dV, summed over the query heads that share a KV head, and what attention a key gets.
#[attention_kernel(reference)]
fn of_columns<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, E>,
    g: Query<T, E>,
    lse: RowInput,
    delta: RowInput,
    dk: KeyOutput<f32, D>,
    dv: KeyOutput<f32, E>,
    seen: ColOutput,
) {
    let k = k.tile();
    let v = v.tile();
    let mut dk_sum = Tile::zeros();
    let mut dv_sum = Tile::zeros();
    let mut total = ColVector::zeros();
    for rows in q.tiles() {
        let q = q.load(rows);
        let g = g.load(rows);
        // Transposed, as a kernel would have it.
        let t = dot(k, q.t()).map(|x, at| (x * (0.25 + 0.0625 * at.head as f32) / 4.0).tanh());
        let p = t * 4.0 - lse.load(rows).t();
        let p = p.map(|x, at| if at.col <= at.row { x.exp() } else { 0.0 });
        let ds = p * (dot(v, g.t()) - delta.load(rows).t());
        let ds = ds.zip(t, |x, t, at| x * (1.0 - t * t) * (0.25 + 0.0625 * at.head as f32));
        dv_sum += dot(p, g);
        dk_sum += dot(ds, q);
        total += p.sum();
    }
    dk.store(dk_sum);
    dv.store(dv_sum);
    seen.store(total);
}

const D: usize = 8;
const E: usize = 12;
const Q_HEADS: usize = 6;
const KV_HEADS: usize = 2;
const GROUP: usize = Q_HEADS / KV_HEADS;

/// Queries and keys of each sequence: rows that see nothing, none of the one or of the other, more than a tile of each.
const LENS: [(usize, usize); 6] = [(5, 9), (9, 4), (0, 7), (3, 0), (1, 1), (70, 75)];

/// Numbers between -1 and 1 that are the same on every run.
fn numbers(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        f64::from((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
    };
    (0..n).map(|_| next()).collect()
}

/// Numbers of a batch as `[tokens, heads, D]`, sequences end to end.
struct Numbers {
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    g: Vec<f64>,
}

/// Where a sequence begins among the queries, and among the keys.
fn starts(seq: usize) -> (usize, usize) {
    LENS[..seq].iter().fold((0, 0), |sum, lens| (sum.0 + lens.0, sum.1 + lens.1))
}

fn tokens() -> (usize, usize) {
    starts(LENS.len())
}

impl Numbers {
    fn new() -> Numbers {
        let (rows, cols) = tokens();
        Numbers {
            q: numbers(1, rows * Q_HEADS * D),
            k: numbers(2, cols * KV_HEADS * D),
            v: numbers(3, cols * KV_HEADS * E),
            g: numbers(4, rows * Q_HEADS * E),
        }
    }

    /// Of each row, in order: its output, log-sum-exp, and the probability of each key.
    fn rows(&self) -> Vec<(Vec<f64>, f64, Vec<f64>)> {
        let mut rows = Vec::new();
        for (seq, (q_len, kv_len)) in LENS.into_iter().enumerate() {
            let (q_first, kv_first) = starts(seq);
            for index in 0..q_len {
                for head in 0..Q_HEADS {
                    let q = &self.q[((q_first + index) * Q_HEADS + head) * D..][..D];
                    let line = |col: usize| (kv_first + col) * KV_HEADS + head / GROUP;
                    let score = |col: usize| {
                        let k = &self.k[line(col) * D..][..D];
                        let s: f64 = q.iter().zip(k).map(|(q, k)| q * k).sum();
                        f64::from(CAP) * (s * scale(head) / f64::from(CAP)).tanh()
                    };
                    let seen = |col: &usize| *col as i64 <= kv_len as i64 - q_len as i64 + index as i64;
                    let exps: Vec<f64> =
                        (0..kv_len).map(|col| if seen(&col) { score(col).exp() } else { 0.0 }).collect();
                    let sum: f64 = exps.iter().sum();
                    let p: Vec<f64> = exps.iter().map(|x| if sum == 0.0 { 0.0 } else { x / sum }).collect();
                    let o = (0..E)
                        .map(|e| p.iter().enumerate().map(|(col, p)| p * self.v[line(col) * E + e]).sum())
                        .collect();
                    rows.push((o, sum.ln(), p));
                }
            }
        }
        rows
    }

    /// What is differentiated: all outputs, each by the number that `g` has for it.
    fn loss(&self) -> f64 {
        let outputs = self.rows().into_iter().flat_map(|row| row.0);
        outputs.zip(&self.g).map(|(o, g)| o * g).sum()
    }

    /// What attention each key gets, of all rows of the query heads that share its head.
    fn seen(&self) -> Vec<f64> {
        let mut seen = vec![0.0; tokens().1 * KV_HEADS];
        let mut rows = self.rows().into_iter();
        for (seq, (q_len, _)) in LENS.into_iter().enumerate() {
            let first = starts(seq).1;
            for head in (0..q_len).flat_map(|_| 0..Q_HEADS) {
                let (_, _, p) = rows.next().unwrap();
                for (col, p) in p.iter().enumerate() {
                    seen[(first + col) * KV_HEADS + head / GROUP] += p;
                }
            }
        }
        seen
    }

    /// The derivative of [`Numbers::loss`] by number `index` of what `of` says.
    fn slope(&mut self, of: fn(&mut Numbers) -> &mut Vec<f64>, index: usize) -> f64 {
        const STEP: f64 = 1e-4;
        let at = of(self)[index];
        of(self)[index] = at + STEP;
        let above = self.loss();
        of(self)[index] = at - STEP;
        let below = self.loss();
        of(self)[index] = at;
        (above - below) / (2.0 * STEP)
    }
}

/// A batch's tensors, in f32, and where its sequences begin.
struct Batch {
    device: Device,
    starts: [Starts; 2],
}

impl Batch {
    fn tensor(&self, numbers: &[f64], shape: &[usize]) -> Tensor {
        let numbers: Vec<f32> = numbers.iter().map(|x| *x as f32).collect();
        Tensor::from_slice(&self.device, &numbers, shape).unwrap()
    }

    fn zeros(&self, shape: &[usize]) -> Tensor {
        Tensor::zeros(&self.device, DType::F32, shape).unwrap()
    }

    fn rows<'a>(&'a self, tensor: &'a Tensor) -> Ragged<'a> {
        Ragged { tensor, starts: &self.starts[0] }
    }

    fn cols<'a>(&'a self, tensor: &'a Tensor) -> Ragged<'a> {
        Ragged { tensor, starts: &self.starts[1] }
    }
}

fn of_name<'a>(expected: &'a [Expected], name: &str) -> &'a [f64] {
    &expected.iter().find(|expected| expected.name == name).unwrap().values
}

/// Both within `bound` of what is wanted, relative to numbers above 1.
fn near(what: &str, reference: &[f64], host: &[f32], want: &[f64], bound: f64) {
    assert_eq!((reference.len(), host.len()), (want.len(), want.len()), "{what}");
    for (index, want) in want.iter().enumerate() {
        for (who, got) in [("reference", reference[index]), ("host", f64::from(host[index]))] {
            let near = got == *want || (got - want).abs() <= bound * (1.0 + want.abs());
            assert!(near, "{what}, {who}: number {index} is {got}, not {want}");
        }
    }
}

/// A batch's numbers, and what loops make of them.
struct Case {
    numbers: Numbers,
    batch: Batch,
    outputs: Vec<f64>,
    lse: Vec<f64>,
    /// Of each row, its output by the gradient of that.
    products: Vec<f64>,
}

impl Case {
    fn new() -> Case {
        let numbers = Numbers::new();
        let device = Device::emulator();
        let lens =
            |of: fn(&(usize, usize)) -> usize| LENS.iter().map(|pair| of(pair) as i32).collect::<Vec<_>>();
        let starts =
            [lens(|pair| pair.0), lens(|pair| pair.1)].map(|lens| Starts::from_lens(&device, &lens).unwrap());
        let rows = numbers.rows();
        let outputs: Vec<f64> = rows.iter().flat_map(|row| row.0.clone()).collect();
        let product = |(o, g): (&[f64], &[f64])| o.iter().zip(g).map(|(o, g)| o * g).sum();
        let products = outputs.chunks(E).zip(numbers.g.chunks(E)).map(product).collect();
        Case {
            batch: Batch { device, starts },
            lse: rows.iter().map(|row| row.1).collect(),
            numbers,
            outputs,
            products,
        }
    }

    /// Queries and their gradient's numbers, keys, values.
    fn inputs(&self) -> [Tensor; 4] {
        let (rows, cols) = tokens();
        let Numbers { q, k, v, g } = &self.numbers;
        [
            self.batch.tensor(q, &[rows, Q_HEADS, D]),
            self.batch.tensor(g, &[rows, Q_HEADS, E]),
            self.batch.tensor(k, &[cols, KV_HEADS, D]),
            self.batch.tensor(v, &[cols, KV_HEADS, E]),
        ]
    }

    /// A number for each row.
    fn row_numbers(&self, numbers: &[f64]) -> Tensor {
        self.batch.tensor(numbers, &[tokens().0, Q_HEADS])
    }

    /// A gradient against the slopes by every `step`th of the numbers that it is by.
    fn slopes(
        &mut self,
        what: &str,
        got: (&[f64], &[f32]),
        by: fn(&mut Numbers) -> &mut Vec<f64>,
        step: usize,
    ) {
        let picked: Vec<usize> = (0..by(&mut self.numbers).len()).step_by(step).collect();
        let want: Vec<f64> = picked.iter().map(|index| self.numbers.slope(by, *index)).collect();
        let exact: Vec<f64> = picked.iter().map(|index| got.0[*index]).collect();
        let host: Vec<f32> = picked.iter().map(|index| got.1[*index]).collect();
        near(what, &exact, &host, &want, 2e-5);
    }
}

#[test]
fn the_forward_pass_is_what_is_differentiated() {
    let case = Case::new();
    let (rows, batch) = (tokens().0, &case.batch);
    let [q, _, k, v] = case.inputs();
    let (o, lse) = (batch.zeros(&[rows, Q_HEADS, E]), batch.zeros(&[rows, Q_HEADS]));
    let args = forward::Args { q: batch.rows(&q), k: batch.cols(&k), v: batch.cols(&v), o: &o, lse: &lse };
    let exact = reference(forward::program(), &args.arguments()).unwrap();
    let host = forward::reference::<f32, D, E>(&args).unwrap();
    near("o", of_name(&exact, "o"), &host.o, &case.outputs, 1e-5);
    near("lse", of_name(&exact, "lse"), &host.lse, &case.lse, 1e-5);
}

#[test]
fn instances_that_own_rows() {
    let mut case = Case::new();
    let (rows, batch) = (tokens().0, &case.batch);
    let [q, g, k, v] = case.inputs();
    let o = batch.tensor(&case.outputs, &[rows, Q_HEADS, E]);
    let (dq, delta) = (batch.zeros(&[rows, Q_HEADS, D]), batch.zeros(&[rows, Q_HEADS]));
    let args = of_rows::Args {
        q: batch.rows(&q),
        k: batch.cols(&k),
        v: batch.cols(&v),
        o: batch.rows(&o),
        g: batch.rows(&g),
        lse: &case.row_numbers(&case.lse),
        dq: &dq,
        delta: &delta,
    };
    let exact = reference(of_rows::program(), &args.arguments()).unwrap();
    let host = of_rows::reference::<f32, D, E>(&args).unwrap();
    near("delta", of_name(&exact, "delta"), &host.delta, &case.products, 1e-5);
    case.slopes("dq", (of_name(&exact, "dq"), &host.dq), |numbers| &mut numbers.q, 61);
}

#[test]
fn instances_that_own_columns() {
    let mut case = Case::new();
    let (cols, batch) = (tokens().1, &case.batch);
    let [q, g, k, v] = case.inputs();
    let (dk, dv) = (batch.zeros(&[cols, KV_HEADS, D]), batch.zeros(&[cols, KV_HEADS, E]));
    let args = of_columns::Args {
        q: batch.rows(&q),
        k: batch.cols(&k),
        v: batch.cols(&v),
        g: batch.rows(&g),
        lse: &case.row_numbers(&case.lse),
        delta: &case.row_numbers(&case.products),
        dk: &dk,
        dv: &dv,
        seen: &batch.zeros(&[cols, KV_HEADS]),
    };
    let exact = reference(of_columns::program(), &args.arguments()).unwrap();
    let host = of_columns::reference::<f32, D, E>(&args).unwrap();
    near("seen", of_name(&exact, "seen"), &host.seen, &case.numbers.seen(), 1e-5);
    case.slopes("dk", (of_name(&exact, "dk"), &host.dk), |numbers| &mut numbers.k, 23);
    case.slopes("dv", (of_name(&exact, "dv"), &host.dv), |numbers| &mut numbers.v, 23);
}
