//! What may not change a single bit: when copies complete, which warp comes first, how often a kernel runs, how many
//! multiprocessors share its tiles, where the blocks of a cache lie, in which layout, and of what size they are, as
//! long as tiles are the same.

use crate::targets;

use flashpage::codegen::schedule::Tuning;
use flashpage::codegen::{Arch, Program};
use flashpage::kernels::{self, catalogue};
use flashpage::prelude::*;
use flashpage::runtime::args::PoolShape;
use flashpage::runtime::equivalence::suite;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{self, Argument, AsyncPolicy, EmulatorOptions, WarpOrder};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Attention within blocks of 16: a mask that is no interval, evaluated element by element.
#[attention_kernel]
pub fn block_diagonal<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    lse: RowOutput,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| at.col / 16 == at.row / 16);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// The bytes of every output.
fn outputs(device: &Device, program: &Program, problem: &Problem) -> Vec<Vec<u8>> {
    let inputs = problem.inputs(device, program).unwrap();
    runtime::launch(device, program, &inputs.arguments(), &LaunchOptions::default())
        .unwrap_or_else(|error| panic!("{}: {error}\n  again: kgen case {0} {problem}", program.name));
    let outputs = (0..program.params.len()).filter_map(|index| inputs.output(index));
    outputs.map(|tensor| tensor.buffer().to_bytes().unwrap()).collect()
}

/// The same kernel on the same problem on each of these devices, the first of them twice: nothing of the first run may
/// be left over.
fn all_agree(arch: Arch, names: &[&str], ways: &[(AsyncPolicy, WarpOrder, u32)]) {
    let devices: Vec<Device> = ways
        .iter()
        .enumerate()
        .map(|(number, &(policy, warp_order, sms))| {
            Device::emulator_with(EmulatorOptions {
                arch,
                policy,
                warp_order,
                sms,
                // All pairs of a sequence and a head in one section of tiles, one in each, and some.
                l2_bytes: [50 << 20, 0, 1 << 17][number % 3],
                ..EmulatorOptions::default()
            })
        })
        .collect();
    let stock = catalogue().iter().map(|stock| (stock.program)());
    for (number, program) in stock.chain([block_diagonal::program()]).enumerate() {
        let problems = suite(program, arch);
        for (turn, name) in names.iter().enumerate() {
            let named: Vec<&Problem> =
                problems.iter().filter(|(n, _)| n == name).map(|(_, problem)| problem).collect();
            let problem = named[(number + turn) % named.len()];
            let expected = outputs(&devices[0], program, problem);
            for ((policy, warp_order, sms), device) in ways.iter().zip(&devices) {
                assert!(
                    outputs(device, program, problem) == expected,
                    "{} differs under {policy} and {warp_order} on {sms} multiprocessors: \
                     kgen case {0} --arch {arch} {problem}",
                    program.name
                );
            }
        }
    }
}

#[test]
fn policies_and_repetitions() {
    use AsyncPolicy::*;
    let ways =
        [Eager, Eager, Lazy, Random(1), Random(2), Random(3)].map(|policy| (policy, WarpOrder::InOrder, 4));
    all_agree(Arch::Sm80, &["long and short", "decode", "speculative"], &ways);
}

/// Where warps have roles, and blocks walk as many tiles as their number leaves each.
#[test]
fn policies_orders_and_multiprocessors_for_hopper() {
    use AsyncPolicy::*;
    let ways = [
        (Eager, WarpOrder::InOrder, 2),
        (Lazy, WarpOrder::InOrder, 1),
        (Lazy, WarpOrder::Random(1), 3),
        (Random(2), WarpOrder::Random(2), 2),
        (Eager, WarpOrder::Random(3), 132),
    ];
    all_agree(Arch::Sm90a, &["long and short", "decode", "five of a group"], &ways);
}

/// Keys and values by sequence, position, head and dimension, whatever holds them.
struct Logical {
    /// Query and key length of each sequence.
    lens: Vec<(usize, usize)>,
    q_heads: usize,
    kv_heads: usize,
    head_dim: usize,
    q: Vec<f16>,
    k: Vec<f16>,
    v: Vec<f16>,
}

impl Logical {
    fn new(lens: &[(usize, usize)], q_heads: usize, kv_heads: usize, head_dim: usize) -> Logical {
        let mut rng = StdRng::seed_from_u64(7);
        let mut numbers = |tokens: usize, heads: usize| -> Vec<f16> {
            (0..tokens * heads * head_dim).map(|_| f16::from_f32(rng.random_range(-2.0..2.0))).collect()
        };
        let q_tokens = lens.iter().map(|pair| pair.0).sum();
        let kv_tokens = lens.iter().map(|pair| pair.1).sum();
        Logical {
            lens: lens.to_vec(),
            q_heads,
            kv_heads,
            head_dim,
            q: numbers(q_tokens, q_heads),
            k: numbers(kv_tokens, kv_heads),
            v: numbers(kv_tokens, kv_heads),
        }
    }

    fn starts(&self, device: &Device, of: fn(&(usize, usize)) -> usize) -> Starts {
        let lens: Vec<i32> = self.lens.iter().map(|pair| of(pair) as i32).collect();
        Starts::from_lens(device, &lens).unwrap()
    }

    fn outputs(&self, device: &Device) -> (Tensor, Tensor) {
        let tokens = self.q.len() / self.q_heads / self.head_dim;
        (
            Tensor::filled_nan(device, DType::F16, &[tokens, self.q_heads, self.head_dim]).unwrap(),
            Tensor::filled_nan(device, DType::F32, &[tokens, self.q_heads]).unwrap(),
        )
    }

    /// A table for blocks of this size in an order drawn from `seed`, and the number of blocks of the pool.
    fn table(&self, device: &Device, block_size: usize, seed: u64) -> (DeviceBlockTable, usize) {
        let needs = |pair: &(usize, usize)| pair.1.div_ceil(block_size);
        let blocks = self.lens.iter().map(needs).sum::<usize>() + seed as usize % 4;
        let width = self.lens.iter().map(needs).max().unwrap() + 1;
        let mut order: Vec<i32> = (0..blocks as i32).collect();
        order.shuffle(&mut StdRng::seed_from_u64(seed));
        let mut entries = vec![i32::MIN; width * self.lens.len()];
        let mut order = order.into_iter();
        for (row, pair) in entries.chunks_mut(width).zip(&self.lens) {
            for entry in &mut row[..needs(pair)] {
                *entry = order.next().unwrap();
            }
        }
        let seq_lens: Vec<i32> = self.lens.iter().map(|pair| pair.1 as i32).collect();
        (DeviceBlockTable::new(device, &entries, width, &seq_lens).unwrap(), blocks)
    }

    /// `from` laid out in a pool; NaN wherever no token lies.
    fn pool(
        &self,
        device: &Device,
        from: &[f16],
        (table, blocks): (&DeviceBlockTable, usize),
        block_size: usize,
        layout: PoolLayout,
    ) -> Tensor {
        let (heads, dim) = (self.kv_heads, self.head_dim);
        let shape = PoolShape { blocks, block_size, kv_heads: heads, head_dim: dim, layout };
        let mut pool = vec![f16::NAN; blocks * block_size * heads * dim];
        let mut token = 0;
        for (sequence, pair) in self.lens.iter().enumerate() {
            for position in 0..pair.1 {
                let (block, within) =
                    (table.row(sequence)[position / block_size] as usize, position % block_size);
                for head in 0..heads {
                    let (first, step) = shape.numbers(block, within, head);
                    let source = (token * heads + head) * dim;
                    for number in 0..dim {
                        pool[first + number * step] = from[source + number];
                    }
                }
                token += 1;
            }
        }
        Tensor::from_slice(device, &pool, &shape.dims()).unwrap()
    }

    /// What `paged_attention` gives with everything in such a pool.
    fn paged(&self, arch: Arch, place: &Place, tile: (usize, usize), window: i32) -> Vec<Vec<u8>> {
        let device = targets::plain(arch);
        let (block_size, (k_layout, v_layout)) = (place.block_size, place.layouts);
        let (table, blocks) = self.table(&device, block_size, place.seed);
        let k = self.pool(&device, &self.k, (&table, blocks), block_size, k_layout);
        let v = self.pool(&device, &self.v, (&table, blocks), block_size, v_layout);
        let q_starts = self.starts(&device, |pair| pair.0);
        let q =
            Tensor::from_slice(&device, &self.q, &[q_starts.tokens(), self.q_heads, self.head_dim]).unwrap();
        let (o, lse) = self.outputs(&device);
        let args = kernels::paged_attention::Args {
            q: Ragged { tensor: &q, starts: &q_starts },
            k: Pool { tensor: &k, layout: k_layout },
            v: Pool { tensor: &v, layout: v_layout },
            table: &table,
            o: &o,
            lse: &lse,
            scale: 0.125,
            window,
        };
        let options = LaunchOptions { tuning: tuning(tile), ..LaunchOptions::default() };
        args.launch_with(&device, &options).unwrap();
        vec![o.buffer().to_bytes().unwrap(), lse.buffer().to_bytes().unwrap()]
    }

    /// What `sliding_window_attention` gives with keys and values laid end to end.
    fn contiguous(&self, arch: Arch, tile: (usize, usize), window: i32) -> Vec<Vec<u8>> {
        let device = targets::plain(arch);
        let (q_starts, kv_starts) =
            (self.starts(&device, |pair| pair.0), self.starts(&device, |pair| pair.1));
        let tensor = |data: &[f16], tokens, heads| {
            Tensor::from_slice(&device, data, &[tokens, heads, self.head_dim]).unwrap()
        };
        let q = tensor(&self.q, q_starts.tokens(), self.q_heads);
        let k = tensor(&self.k, kv_starts.tokens(), self.kv_heads);
        let v = tensor(&self.v, kv_starts.tokens(), self.kv_heads);
        let (o, lse) = self.outputs(&device);
        let arguments = [
            Argument::Ragged(Ragged { tensor: &q, starts: &q_starts }),
            Argument::Ragged(Ragged { tensor: &k, starts: &kv_starts }),
            Argument::Ragged(Ragged { tensor: &v, starts: &kv_starts }),
            Argument::Output(&o),
            Argument::Output(&lse),
            Argument::F32(0.125),
            Argument::I32(window),
        ];
        let options = LaunchOptions { tuning: tuning(tile), ..LaunchOptions::default() };
        let program = kernels::sliding_window_attention::program();
        runtime::launch(&device, program, &arguments, &options).unwrap();
        vec![o.buffer().to_bytes().unwrap(), lse.buffer().to_bytes().unwrap()]
    }
}

/// A tile, and nothing beside it that follows from which kernel it is.
fn tuning(tile: (usize, usize)) -> Tuning {
    Tuning { tile: Some(tile), blocks_per_sm: Some(1), ..Tuning::default() }
}

/// How a cache holds its tokens.
#[derive(Debug)]
struct Place {
    block_size: usize,
    /// Of keys and of values.
    layouts: (PoolLayout, PoolLayout),
    seed: u64,
}

#[test]
fn where_tokens_lie() {
    use PoolLayout::{Hnd, Nhd};
    let place = |block_size, k, v, seed| Place { block_size, layouts: (k, v), seed };
    let places = [
        place(16, Nhd, Nhd, 1),
        // Other blocks
        place(16, Nhd, Nhd, 2),
        place(16, Nhd, Nhd, 3),
        // Other layouts
        place(16, Hnd, Hnd, 1),
        place(16, Nhd, Hnd, 4),
        // Other sizes, down to one token
        place(8, Nhd, Nhd, 5),
        place(24, Nhd, Hnd, 6),
        place(40, Hnd, Nhd, 7),
        place(64, Hnd, Hnd, 8),
        place(128, Nhd, Nhd, 9),
        place(256, Hnd, Nhd, 10),
        place(1, Nhd, Hnd, 11),
        place(2, Hnd, Hnd, 12),
        place(4, Nhd, Nhd, 13),
    ];
    type Case = (Arch, &'static [(usize, usize)], usize, usize, usize, (usize, usize), i32);
    use Arch::{Sm80, Sm90a};
    let table: &[Case] = &[
        (Sm80, &[(70, 150), (0, 3), (1, 129)], 2, 1, 64, (128, 64), i32::MAX),
        (Sm80, &[(40, 200), (17, 90)], 2, 2, 128, (64, 32), 70),
        (Sm80, &[(1, 200), (1, 64), (1, 1)], 8, 2, 64, (16, 64), i32::MAX),
        (Sm80, &[(3, 150), (2, 33)], 4, 1, 128, (16, 128), 40),
        (Sm90a, &[(70, 150), (0, 3), (1, 129)], 2, 1, 64, (128, 128), i32::MAX),
        (Sm90a, &[(40, 200), (17, 90)], 3, 1, 128, (128, 128), 70),
        (Sm90a, &[(1, 300), (1, 64), (1, 1)], 8, 1, 96, (64, 64), i32::MAX),
        (Sm90a, &[(3, 150), (2, 33)], 5, 1, 192, (128, 96), 40),
        (Sm90a, &[(3, 250), (20, 33)], 2, 2, 256, (128, 80), i32::MAX),
    ];
    for &(arch, lens, q_heads, kv_heads, head_dim, tile, window) in table {
        let logical = Logical::new(lens, q_heads, kv_heads, head_dim);
        // The contiguous kernel adds in the same order, so it too agrees to the bit.
        let expected = logical.contiguous(arch, tile, window);
        assert!(expected[0].iter().any(|byte| *byte != 0), "{lens:?}: nothing was computed");
        for place in &places {
            assert!(
                logical.paged(arch, place, tile, window) == expected,
                "{lens:?}, {arch}, head_dim {head_dim}, tile {tile:?}: another result with {place:?}"
            );
        }
    }
}
