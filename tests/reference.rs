//! `kernel::reference`, which runs the kernel's own source on the host, tile by tile, against the runtime's reference,
//! which executes its program over all columns at once. The two share no code after the tokens.

use crate::odd_forms;

use flashpage::codegen::frontend::{FrontendError, kernel_names, parse_file};
use flashpage::dsl::host::HostError;
use flashpage::kernels;
use flashpage::prelude::*;
use flashpage::runtime::{self, Argument};
use flashpage::{HostRunError, codegen::Program};

const D: usize = 16;

/// q_len and kv_len of each sequence, query heads, KV heads.
struct Shape(&'static [(i32, i32)], usize, usize);

const SHAPES: &[Shape] = &[
    Shape(&[(1, 1)], 1, 1),
    Shape(&[(67, 131), (0, 9), (9, 0), (1, 70)], 4, 2),
    Shape(&[(13, 5), (64, 64), (3, 65)], 6, 1),
    Shape(&[], 2, 1),
];

/// Numbers in -2..2 that are the same on every run.
fn numbers(seed: u64, n: usize) -> Vec<f16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        f16::from_f32((state >> 40) as f32 / (1u64 << 22) as f32 - 2.0)
    };
    (0..n).map(|_| next()).collect()
}

fn tensor(device: &Device, seed: u64, shape: &[usize]) -> Tensor {
    Tensor::from_slice(device, &numbers(seed, shape.iter().product()), shape).unwrap()
}

/// What every kernel takes, on a device.
struct Inputs {
    q: Tensor,
    q_starts: Starts,
    k: Tensor,
    v: Tensor,
    kv_starts: Starts,
    k_pool: Tensor,
    v_pool: Tensor,
    table: DeviceBlockTable,
    slopes: Tensor,
    o: Tensor,
    lse: Tensor,
}

impl Inputs {
    fn new(device: &Device, &Shape(seqs, q_heads, kv_heads): &Shape) -> Inputs {
        let q_starts = Starts::from_lens(device, &seqs.iter().map(|s| s.0).collect::<Vec<_>>()).unwrap();
        let kv_lens: Vec<i32> = seqs.iter().map(|s| s.1).collect();
        let kv_starts = Starts::from_lens(device, &kv_lens).unwrap();
        let (tokens, kv_tokens) = (q_starts.tokens(), kv_starts.tokens());
        // Blocks of 8 from the end of the pool backwards; rows end in nonsense.
        let width = kv_lens.iter().max().map_or(0, |len| (*len as usize).div_ceil(8)) + 1;
        let blocks = width * seqs.len().max(1);
        let mut entries = vec![-1; width * seqs.len()];
        let mut next = blocks as i32;
        for (row, len) in entries.chunks_mut(width).zip(&kv_lens) {
            for entry in &mut row[..(*len as usize).div_ceil(8)] {
                next -= 1;
                *entry = next;
            }
        }
        let slopes: Vec<f32> = (0..q_heads).map(|h| 0.5f32.powi(h as i32 + 1)).collect();
        Inputs {
            q: tensor(device, 1, &[tokens, q_heads, D]),
            q_starts,
            k: tensor(device, 2, &[kv_tokens, kv_heads, D]),
            v: tensor(device, 3, &[kv_tokens, kv_heads, D]),
            kv_starts,
            k_pool: tensor(device, 4, &[blocks, 8, kv_heads, D]),
            v_pool: tensor(device, 5, &[blocks, kv_heads, 8, D]),
            table: DeviceBlockTable::new(device, &entries, width, &kv_lens).unwrap(),
            slopes: Tensor::from_slice(device, &slopes, &[q_heads]).unwrap(),
            o: Tensor::zeros(device, DType::F16, &[tokens, q_heads, D]).unwrap(),
            lse: Tensor::zeros(device, DType::F32, &[tokens, q_heads]).unwrap(),
        }
    }
}

/// Runs a kernel both ways.
macro_rules! both {
    (kernels::$kernel:ident, $args:expr) => { both!(kernels::$kernel::<f16, D, D>, $args) };
    ($module:ident::$kernel:ident, $args:expr) => { both!($module::$kernel::<f16, D>, $args) };
    ($module:ident::$kernel:ident::<$($generic:ident),*>, $args:expr) => {{
        use $module::$kernel::{Args, reference};
        let args: Args = $args;
        let got = reference::<$($generic),*>(&args).unwrap();
        compare(stringify!($kernel), $module::$kernel::program(), &args.arguments(), [&got.o, &got.lse]);
    }};
}

fn compare(what: &str, program: &Program, arguments: &[Argument], got: [&Vec<f32>; 2]) {
    let want = runtime::reference(program, arguments).unwrap();
    for (want, got) in want.iter().zip(got) {
        assert_eq!(want.values.len(), got.len(), "{what}: {}", want.name);
        for (index, (&want_value, &value)) in want.values.iter().zip(got).enumerate() {
            let value = f64::from(value);
            let same = value == want_value || value.is_nan() && want_value.is_nan();
            let near = same || (value - want_value).abs() <= 3e-6 * (1.0 + want_value.abs());
            assert!(near, "{what}: {}[{index}] is {value}, not {want_value}", want.name);
        }
    }
}

#[test]
fn the_source_and_the_program_agree() {
    let device = Device::emulator();
    for shape in SHAPES {
        let i = Inputs::new(&device, shape);
        let (q, k) =
            (Ragged { tensor: &i.q, starts: &i.q_starts }, Ragged { tensor: &i.k, starts: &i.kv_starts });
        let v = Ragged { tensor: &i.v, starts: &i.kv_starts };
        let (o, lse, table, slopes, scale) = (&i.o, &i.lse, &i.table, &i.slopes, 0.3);
        both!(kernels::attention, Args { q, k, v, o, lse, scale });
        both!(kernels::causal_attention, Args { q, k, v, o, lse, scale });
        both!(kernels::sliding_window_attention, Args { q, k, v, o, lse, scale, window: 10 });
        both!(kernels::softcap_attention, Args { q, k, v, o, lse, scale, cap: 5.0 });
        both!(kernels::alibi_attention, Args { q, k, v, o, lse, slopes, scale });
        let k = Pool { tensor: &i.k_pool, layout: PoolLayout::Nhd };
        let v = Pool { tensor: &i.v_pool, layout: PoolLayout::Hnd };
        both!(kernels::paged_attention, Args { q, k, v, table, o, lse, scale, window: 40 });
        both!(kernels::paged_full_attention, Args { q, k, v, table, o, lse, scale });
    }
}

/// Kernels that are not compiled, of which the language still says what they mean; with a key and a query that are NaN too.
#[test]
fn the_source_and_the_program_agree_on_other_forms() {
    let device = Device::emulator();
    for (shape, has_nan) in SHAPES.iter().flat_map(|shape| [(shape, false), (shape, true)]) {
        let i = Inputs::new(&device, shape);
        if has_nan && !shape.0.is_empty() {
            i.k.write(0, &[f16::NAN]).unwrap();
            i.q.write(0, &[f16::NAN]).unwrap();
        }
        let (q, k) =
            (Ragged { tensor: &i.q, starts: &i.q_starts }, Ragged { tensor: &i.k, starts: &i.kv_starts });
        let v = Ragged { tensor: &i.v, starts: &i.kv_starts };
        let (o, lse, slopes) = (&i.o, &i.lse, &i.slopes);
        both!(odd_forms::mapped_probabilities, Args { q, k, v, o, lse, slopes });
        both!(odd_forms::transposed_scores, Args { q, k, v, o, lse });
        both!(odd_forms::keys_and_values, Args { q, k, v, o, lse });
        both!(odd_forms::linear, Args { q, k, v, o, lse });
        both!(odd_forms::crossed, Args { q, k, v, o, lse, wide: 1_999_999_999 });
        both!(odd_forms::strayed, Args { q, k, v, o, lse });
        both!(odd_forms::shared, Args { q, k, v, o, lse });
    }
}

/// Head dimensions that differ, and a slice.
#[test]
fn the_source_and_the_program_agree_on_dimensions() {
    let device = Device::emulator();
    for shape @ Shape(_, q_heads, kv_heads) in SHAPES {
        let i = Inputs::new(&device, shape);
        let (tokens, kv_tokens, blocks) = (i.q_starts.tokens(), i.kv_starts.tokens(), i.k_pool.shape()[0]);
        let (q, k) =
            (tensor(&device, 1, &[tokens, *q_heads, 48]), tensor(&device, 2, &[kv_tokens, *kv_heads, 48]));
        let v = tensor(&device, 3, &[kv_tokens, *kv_heads, 32]);
        let o = Tensor::zeros(&device, DType::F16, &[tokens, *q_heads, 32]).unwrap();
        let args = odd_forms::two_dims::Args {
            q: Ragged { tensor: &q, starts: &i.q_starts },
            k: Ragged { tensor: &k, starts: &i.kv_starts },
            v: Ragged { tensor: &v, starts: &i.kv_starts },
            o: &o,
            lse: &i.lse,
        };
        let got = odd_forms::two_dims::reference::<32, f16, 48>(&args).unwrap();
        let program = odd_forms::two_dims::program();
        compare("two_dims", program, &args.arguments(), [&got.o, &got.lse]);
        let said = odd_forms::two_dims::reference::<48, f16, 32>(&args).map_err(|error| error.to_string());
        let want = format!("`v` has shape [{kv_tokens}, {kv_heads}, 32], and takes [tokens, heads, 48]");
        assert_eq!(said, Err(want));

        let q = tensor(&device, 4, &[tokens, *q_heads, 40]);
        let cache = tensor(&device, 5, &[blocks, 8, *kv_heads, 40]);
        let args = odd_forms::latent::Args {
            q: Ragged { tensor: &q, starts: &i.q_starts },
            cache: Pool { tensor: &cache, layout: PoolLayout::Nhd },
            table: &i.table,
            o: &o,
            lse: &i.lse,
        };
        let got = odd_forms::latent::reference::<f16, 40>(&args).unwrap();
        compare("latent", odd_forms::latent::program(), &args.arguments(), [&got.o, &got.lse]);
    }
}

/// Values and output of another dimension than queries and keys, and keys that are values too.
#[test]
fn kernels_of_two_dimensions_are_launched() {
    let device = Device::emulator();
    let i = Inputs::new(&device, &Shape(&[(3, 20)], 2, 1));
    for (d, e) in [(128, 64), (128, 128)] {
        let (q, k) = (tensor(&device, 1, &[3, 2, d]), tensor(&device, 2, &[20, 1, d]));
        let (v, o) = (tensor(&device, 3, &[20, 1, e]), tensor(&device, 4, &[3, 2, e]));
        let args = odd_forms::two_dims::Args {
            q: Ragged { tensor: &q, starts: &i.q_starts },
            k: Ragged { tensor: &k, starts: &i.kv_starts },
            v: Ragged { tensor: &v, starts: &i.kv_starts },
            o: &o,
            lse: &i.lse,
        };
        args.launch(&device).unwrap();
        let want = runtime::reference(odd_forms::two_dims::program(), &args.arguments()).unwrap();
        for (got, want) in o.to_f32_vec().unwrap().iter().zip(&want[0].values) {
            assert!((f64::from(*got) - want).abs() <= 4e-3, "{d}/{e}: {got}, not {want}");
        }
    }

    let cache = tensor(&device, 5, &[i.k_pool.shape()[0], 8, 1, 64]);
    let (q, o) = (tensor(&device, 4, &[3, 2, 64]), tensor(&device, 4, &[3, 2, 32]));
    let args = odd_forms::latent::Args {
        q: Ragged { tensor: &q, starts: &i.q_starts },
        cache: Pool { tensor: &cache, layout: PoolLayout::Nhd },
        table: &i.table,
        o: &o,
        lse: &i.lse,
    };
    args.launch(&device).unwrap();
    let want = runtime::reference(odd_forms::latent::program(), &args.arguments()).unwrap();
    for (got, want) in o.to_f32_vec().unwrap().iter().zip(&want[0].values) {
        assert!((f64::from(*got) - want).abs() <= 4e-3, "latent: {got}, not {want}");
    }
}

/// What of each odd form keeps it from being compiled: where the errors stand, in order.
const IN_THE_WAY: &[(&str, &[&str])] = &[
    ("mapped_probabilities", &["p.map(|x, at|"]),
    ("transposed_scores", &[]),
    ("keys_and_values", &["softmax.step(dot(q, v.t())", "acc += dot(over_values, k)"]),
    ("linear", &["acc += dot(q, dot(k,", "o.store(count.finish(acc))"]),
    ("crossed", &["two.step(", "b += dot(r,", "lse.store(two.lse())"]),
    ("shared", &["acc += dot(p, k)"]),
    (
        "strayed",
        &["map(|x, at|", "two.step(", "unused += dot(r,", "o.store(two.finish(a))", "lse.store(two.lse())"],
    ),
    ("two_dims", &[]),
    ("latent", &[]),
];

/// Without `reference` in its attribute, a form that does not compile is an error at whatever is in the way.
#[test]
fn odd_forms_are_refused_where_they_are_odd() {
    let source = include_str!("odd_forms/mod.rs");
    let plain = source.replace("#[attention_kernel(reference)]", "#[attention_kernel]");
    assert_eq!(kernel_names(source).unwrap(), IN_THE_WAY.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, places) in IN_THE_WAY {
        let found = match parse_file(&plain, Some(name)) {
            Ok(_) => Vec::new(),
            Err(FrontendError::Kernel(all)) => all,
            Err(other) => panic!("{name}: {other}"),
        };
        let text = |line: usize, column: usize| &plain.lines().nth(line - 1).unwrap()[column - 1..];
        assert_eq!(found.len(), places.len(), "{name}: {found:?}");
        for (error, place) in found.iter().zip(*places) {
            assert!(text(error.line, error.column).starts_with(place), "{name}: {error}");
        }
        let marked = parse_file(source, Some(name));
        let wanted = match places {
            [] => marked.is_ok(),
            _ => matches!(marked, Err(FrontendError::ReferenceOnly { .. })),
        };
        assert!(wanted, "{name}: {marked:?}");
    }
}

#[test]
fn bad_arguments_are_errors() {
    let device = Device::emulator();
    let i = Inputs::new(&device, &Shape(&[(3, 20)], 2, 1));
    let q = Ragged { tensor: &i.q, starts: &i.q_starts };
    let (nhd, hnd) = (
        Pool { tensor: &i.k_pool, layout: PoolLayout::Nhd },
        Pool { tensor: &i.v_pool, layout: PoolLayout::Hnd },
    );
    let good = kernels::paged_full_attention::Args {
        q,
        k: nhd,
        v: hnd,
        table: &i.table,
        o: &i.o,
        lse: &i.lse,
        scale: 1.0,
    };
    use kernels::paged_full_attention::reference;
    assert!(reference::<f16, D, D>(&good).is_ok());

    let message = |error: HostRunError| error.to_string();
    let said = reference::<bf16, D, D>(&good).map_err(message).unwrap_err();
    assert_eq!(said, "`q` holds f16, and the reference is of bf16: call `reference::<f16, …>`");
    let said = reference::<f16, 32, 32>(&good).map_err(message).unwrap_err();
    assert_eq!(said, "`q` has shape [3, 2, 16], and takes [tokens, heads, 32]");
    let misread = Pool { tensor: &i.k_pool, layout: PoolLayout::Hnd };
    let said = reference::<f16, D, D>(&kernels::paged_full_attention::Args { k: misread, ..good });
    assert_eq!(
        said.map_err(message).unwrap_err(),
        "`v` has shape [4, 1, 8, 16], and takes 8 heads, as the keys or values before it"
    );

    let table = DeviceBlockTable::new(&device, &[0, 1, 99, 0], 4, &[20]).unwrap();
    let bad = reference::<f16, D, D>(&kernels::paged_full_attention::Args { table: &table, ..good });
    let want = HostError::BlockOutOfRange { seq: 0, block: 2, entry: 99, blocks: 4 };
    assert!(matches!(bad, Err(HostRunError::Host(error)) if error == want));
}

/// Launches a kernel on the emulator and compares what it stores with `reference`.
#[test]
fn a_launch_gives_what_the_reference_gives() {
    use flashpage::kernels::{causal_attention, paged_attention};
    let device = Device::emulator();
    let i = Inputs::new(&device, &Shape(&[(5, 21), (2, 40)], 4, 2));
    // The schedules take head dimensions of at least 64; the inputs' tensors are cut anew.
    let (tokens, kv_tokens) = (i.q_starts.tokens(), i.kv_starts.tokens());
    let q = tensor(&device, 1, &[tokens, 4, 64]);
    let (k, v) = (tensor(&device, 2, &[kv_tokens, 2, 64]), tensor(&device, 3, &[kv_tokens, 2, 64]));
    let blocks = i.k_pool.shape()[0];
    let (k_pool, v_pool) = (tensor(&device, 4, &[blocks, 8, 2, 64]), tensor(&device, 5, &[blocks, 2, 8, 64]));
    let o = Tensor::filled_nan(&device, DType::F16, &[tokens, 4, 64]).unwrap();
    let lse = Tensor::filled_nan(&device, DType::F32, &[tokens, 4]).unwrap();
    let stored = |want_o: &[f32], want_lse: &[f32]| {
        for (got, want, bound) in [(&o, want_o, 4e-3), (&lse, want_lse, 1e-4)] {
            for (index, (got, want)) in got.to_f32_vec().unwrap().into_iter().zip(want).enumerate() {
                assert!((got - want).abs() <= bound, "element {index} is {got}, not {want}");
            }
        }
    };

    let q = Ragged { tensor: &q, starts: &i.q_starts };
    let args = causal_attention::Args {
        q,
        k: Ragged { tensor: &k, starts: &i.kv_starts },
        v: Ragged { tensor: &v, starts: &i.kv_starts },
        o: &o,
        lse: &lse,
        scale: 0.125,
    };
    args.launch(&device).unwrap();
    let want = causal_attention::reference::<f16, 64, 64>(&args).unwrap();
    stored(&want.o, &want.lse);

    let args = paged_attention::Args {
        q,
        k: Pool { tensor: &k_pool, layout: PoolLayout::Nhd },
        v: Pool { tensor: &v_pool, layout: PoolLayout::Hnd },
        table: &i.table,
        o: &o,
        lse: &lse,
        scale: 0.125,
        window: 9,
    };
    args.launch(&device).unwrap();
    let want = paged_attention::reference::<f16, 64, 64>(&args).unwrap();
    stored(&want.o, &want.lse);
}
