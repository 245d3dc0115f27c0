//! Head dimensions that differ, and slices. Columns of a product do not depend on each other, so values of fewer numbers give
//! what values filled up with zeros do, in the kernel of one dimension.

use crate::inputs::{near, numbers, stored};
use flashpage_codegen::Program;
use flashpage_codegen::frontend::parse_program_source;
use flashpage_runtime::{
    Argument, DType, Device, Ragged, Row, Starts, Tensor, plain, reference, reference_rows,
};
use half::f16;

const Q_HEADS: usize = 4;
const KV_HEADS: usize = 2;
const LENS: ([i32; 3], [i32; 3]) = ([5, 0, 33], [9, 4, 70]);

fn program(generics: &str, v: &str, o: &str, value: &str) -> Program {
    let source = format!(
        "fn form<T: Element, {generics}>(q: Query<T, D>, k: Keys<T, D>{v}, o: Output<T, {o}>) {{
            let q = q.tile(); let mut softmax = OnlineSoftmax::new(); let mut acc = Tile::zeros();
            for cols in k.tiles() {{
                let kc = k.load(cols); let s = dot(q, kc.t()) * 0.3;
                let p = softmax.step(s.mask(|at| at.col <= at.row), &mut acc);
                acc += dot(p, {value});
            }}
            o.store(softmax.finish(acc));
        }}"
    );
    parse_program_source(&source).unwrap_or_else(|error| panic!("{error}\n{source}"))
}

/// `rows` of `from` numbers each with `to` numbers: the first, or all of them and zeros.
fn resized(data: &[f16], from: usize, to: usize) -> Vec<f16> {
    let resize =
        |row: &[f16]| (0..to).map(|at| row.get(at).copied().unwrap_or(f16::ZERO)).collect::<Vec<_>>();
    data.chunks(from).flat_map(resize).collect()
}

struct Data {
    device: Device,
    starts: [Starts; 2],
}

impl Data {
    fn new() -> Data {
        let device = Device::emulator();
        let starts = [&LENS.0, &LENS.1].map(|lens| Starts::from_lens(&device, lens).unwrap());
        Data { device, starts }
    }

    fn tensor(&self, data: &[f16], heads: usize, width: usize) -> Tensor {
        Tensor::from_slice(&self.device, data, &[data.len() / heads / width, heads, width]).unwrap()
    }

    /// Runs a program both ways on queries and keys of `d` numbers, values and output of `e`.
    fn run(&self, program: &Program, (d, e): (usize, usize), v: Option<&[f16]>) -> [Vec<f64>; 2] {
        let [q_starts, kv_starts] = &self.starts;
        let q = self.tensor(&numbers(1, q_starts.tokens() * Q_HEADS * d), Q_HEADS, d);
        let k = self.tensor(&numbers(2, kv_starts.tokens() * KV_HEADS * d), KV_HEADS, d);
        let v = v.map(|v| self.tensor(v, KV_HEADS, e));
        let o = Tensor::zeros(&self.device, DType::F16, &[q_starts.tokens(), Q_HEADS, e]).unwrap();
        let mut arguments = vec![
            Argument::Ragged(Ragged { tensor: &q, starts: q_starts }),
            Argument::Ragged(Ragged { tensor: &k, starts: kv_starts }),
        ];
        arguments.extend(v.as_ref().map(|v| Argument::Ragged(Ragged { tensor: v, starts: kv_starts })));
        arguments.push(Argument::Output(&o));
        let exact = stored(&reference(program, &arguments).unwrap(), "o").to_vec();
        let row = Row { sequence: 2, head: 3, index: 32 };
        let one = reference_rows(program, &arguments, &[row]).unwrap();
        near("the last row alone", stored(&one, "o"), &exact[exact.len() - e..], 1e-12);
        [exact, stored(&plain(program, &arguments).unwrap(), "o").to_vec()]
    }
}

fn first_numbers(rows: &[f64], from: usize, to: usize) -> Vec<f64> {
    rows.chunks(from).flat_map(|row| row[..to].to_vec()).collect()
}

#[test]
fn values_have_a_dimension_of_their_own() {
    let data = Data::new();
    let two = program("const D: usize, const E: usize", ", v: Values<T, E>", "E", "v.load(cols)");
    let one = program("const D: usize", ", v: Values<T, D>", "D", "v.load(cols)");
    let fixed = parse_program_source(
        &two_source()
            .replace(", const D: usize, const E: usize", "")
            .replace("D>", "48>")
            .replace("E>", "32>"),
    )
    .unwrap();
    let (d, e) = (48, 32);
    let v = numbers(3, data.starts[1].tokens() * KV_HEADS * e);
    let filled = data.run(&one, (d, d), Some(&resized(&v, e, d)));
    for program in [&two, &fixed] {
        let got = data.run(program, (d, e), Some(&v));
        for ((got, filled), bound) in got.iter().zip(&filled).zip([1e-12, 2e-3]) {
            near("48/32", got, &first_numbers(filled, d, e), bound);
        }
    }
    // The wider are the values.
    let v = numbers(3, data.starts[1].tokens() * KV_HEADS * 40);
    let [exact, _] = data.run(&two, (24, 40), Some(&v));
    let [half, _] = data.run(&two, (24, 20), Some(&resized(&v, 40, 20)));
    near("24/20", &half, &first_numbers(&exact, 40, 20), 1e-12);
}

fn two_source() -> String {
    "fn form<T: Element, const D: usize, const E: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, E>, o: Output<T, E>) {
        let q = q.tile(); let mut softmax = OnlineSoftmax::new(); let mut acc: Tile<Rows, Dim<E>> = Tile::zeros();
        for cols in k.tiles() {
            let s = dot(q, k.load(cols).t()) * 0.3;
            let p = softmax.step(s.mask(|at| at.col <= at.row), &mut acc);
            acc += dot(p, v.load(cols));
        }
        o.store(softmax.finish(acc));
    }"
    .into()
}

#[test]
fn slices_are_what_a_tensor_of_fewer_numbers_is() {
    let data = Data::new();
    let (d, e) = (40, 32);
    let k = numbers(2, data.starts[1].tokens() * KV_HEADS * d);
    let two = program("const D: usize, const E: usize", ", v: Values<T, E>", "E", "v.load(cols)");
    let want = data.run(&two, (d, e), Some(&resized(&k, d, e)));
    let slices = [
        "kc.slice::<E>()",
        // Of a transpose of a transpose, and transposed themselves.
        "kc.t().t().slice::<E>()",
        "kc.slice::<E>().t().t()",
        // Of a product: scores times keys, cut afterwards.
        "kc.slice::<E>()); acc += dot(p, kc).slice::<E>(); acc += dot(p * -1.0, kc.slice::<E>()",
    ];
    for slice in slices {
        let latent = program("const D: usize, const E: usize", "", "E", slice);
        let got = data.run(&latent, (d, e), None);
        for ((got, want), bound) in got.iter().zip(&want).zip([1e-12, 2e-3]) {
            near(slice, got, want, bound);
        }
    }
}

#[test]
fn a_dimension_that_tensors_do_not_have_is_an_error() {
    let data = Data::new();
    let [q_starts, kv_starts] = &data.starts;
    let zeros = |tokens: usize, heads: usize, width: usize| {
        Tensor::zeros(&data.device, DType::F16, &[tokens, heads, width]).unwrap()
    };
    let said = |source: &str, [q, k, v, o]: [usize; 4]| {
        let (q, o) = (zeros(q_starts.tokens(), Q_HEADS, q), zeros(q_starts.tokens(), Q_HEADS, o));
        let (k, v) = (zeros(kv_starts.tokens(), KV_HEADS, k), zeros(kv_starts.tokens(), KV_HEADS, v));
        let arguments = [
            Argument::Ragged(Ragged { tensor: &q, starts: q_starts }),
            Argument::Ragged(Ragged { tensor: &k, starts: kv_starts }),
            Argument::Ragged(Ragged { tensor: &v, starts: kv_starts }),
            Argument::Output(&o),
        ];
        let error = reference(&parse_program_source(source).unwrap(), &arguments).unwrap_err().to_string();
        error.split_once("]: ").map_or(error.clone(), |(_, said)| format!("{}: {said}", &error[9..12]))
    };
    let open = two_source();
    let fixed = open.replace("Values<T, E>", "Values<T, 32>").replace("Output<T, E>", "Output<T, 32>");
    let fixed = fixed.replace(", const E: usize", "").replace("Dim<E>", "Dim<32>");
    let sliced = open
        .replace(", v: Values<T, E>", ", v: Keys<T, D>")
        .replace("v.load(cols)", "v.load(cols).slice::<E>()");
    let table: [(&str, [usize; 4], &str); 6] = [
        (&open, [48, 48, 32, 16], "`o`: it takes [tokens, q_heads, head_dim] = [38, 4, 32]"),
        (&open, [48, 32, 32, 32], "`k`: it takes [tokens, kv_heads, head_dim] = [83, 2, 48]"),
        (&fixed, [48, 48, 16, 32], "`v`: kernel `form` is written for head_dim D/32, asked for 48/16"),
        (&fixed, [48, 48, 32, 48], "`o`: it takes [tokens, q_heads, head_dim] = [38, 4, 32]"),
        (
            &open.replace("E>", "D>").replace(", const E: usize", ""),
            [48, 48, 32, 32],
            "`v`: it takes [tokens, kv_heads, head_dim] = [83, 2, 48]",
        ),
        (
            &sliced,
            [16, 16, 16, 32],
            "`o`: kernel `form`: `%8` is the first 32 numbers of rows of 16 at a head_dim of 16/32: a slice is no larger than \
             what it is cut from",
        ),
    ];
    for (source, widths, want) in table {
        assert_eq!(said(source, widths), want, "{widths:?}");
    }
}
