//! Plans: shared prefixes against computing them for each sequence, launches that do not change from batch to batch, what
//! a plan says and what it refuses.

use crate::planning;
use crate::targets;

use flashpage::codegen::Arch;
use flashpage::codegen::frontend::parse_program_source;
use flashpage::prelude::*;
use flashpage::runtime::device::Launch;
use flashpage::runtime::plan::PlannedLaunch;
use flashpage::runtime::problem::{Inputs, Problem};
use flashpage::runtime::{
    Argument, AsyncPolicy, Capacity, EmulatorOptions, PlanOptions, Planner, Sanitize, SharedPrefix, WarpOrder,
};
use planning::{capacity, forced, judge_arguments, stock, wrong};
use targets::{ARCHS, harsh, plain};

/// The arguments with another table.
fn with_table<'a>(inputs: &'a Inputs, table: &'a DeviceBlockTable) -> Vec<Argument<'a>> {
    let mut arguments = inputs.arguments();
    for argument in &mut arguments {
        if matches!(argument, Argument::Table(_)) {
            *argument = Argument::Table(table);
        }
    }
    arguments
}

fn table(inputs: &Inputs) -> DeviceBlockTable {
    let found = inputs.arguments().into_iter().find_map(|argument| match argument {
        Argument::Table(table) => Some(table.clone()),
        _ => None,
    });
    found.expect("a paged kernel")
}

/// A table in which the sequences of each prefix begin with the blocks of its first.
fn shared(
    device: &Device,
    inputs: &Inputs,
    block_size: usize,
    prefixes: &[SharedPrefix],
) -> DeviceBlockTable {
    let own = table(inputs);
    let mut entries = Vec::new();
    for sequence in 0..own.sequences() {
        let mut row = own.row(sequence).to_vec();
        for prefix in prefixes.iter().filter(|prefix| prefix.sequences.contains(&sequence)) {
            let blocks = prefix.tokens / block_size;
            row[..blocks].copy_from_slice(&own.row(prefix.sequences.start)[..blocks]);
        }
        entries.extend(row);
    }
    DeviceBlockTable::new(device, &entries, own.width(), own.seq_lens()).unwrap()
}

fn prefix(sequences: std::ops::Range<usize>, tokens: usize) -> SharedPrefix {
    SharedPrefix { sequences, tokens }
}

fn cascading(problem: &Problem) -> Capacity {
    Capacity { cascade: true, ..capacity(problem) }
}

#[test]
fn shared_prefixes_are_computed_once() {
    // Kernel, lengths, query heads, KV heads, block size, prefixes, parts.
    type Case<'a> = (&'a str, &'a [(usize, usize)], usize, usize, usize, &'a [SharedPrefix], Option<usize>);
    let decode: &[(usize, usize)] = &[(1, 200), (1, 193), (1, 260), (1, 224), (1, 77)];
    let mixed: &[(usize, usize)] = &[(1, 40), (40, 300), (1, 210), (0, 200), (7, 240), (3, 90), (2, 64)];
    let table: [Case; 15] = [
        ("paged_full_attention", decode, 4, 2, 16, &[prefix(0..4, 192)], None),
        ("paged_full_attention", decode, 3, 1, 4, &[prefix(0..4, 132)], Some(3)),
        ("paged_attention", decode, 8, 1, 24, &[prefix(0..4, 168)], None),
        ("paged_full_attention", decode, 8, 2, 24, &[prefix(0..4, 192), prefix(4..5, 72)], Some(2)),
        ("paged_full_attention", mixed, 4, 2, 16, &[prefix(1..5, 192)], None),
        ("paged_full_attention", mixed, 6, 2, 24, &[prefix(1..5, 192), prefix(5..7, 48)], Some(4)),
        ("causal_paged", mixed, 4, 2, 16, &[prefix(1..5, 192)], None),
        ("causal_paged", mixed, 2, 2, 8, &[prefix(1..5, 200)], Some(3)),
        ("causal_paged", decode, 5, 1, 1, &[prefix(0..4, 101)], Some(1)),
        // Each row's sink is counted once, whatever parts it has.
        ("sunk_paged", mixed, 4, 2, 16, &[prefix(1..5, 192)], Some(3)),
        ("sunk_paged", decode, 4, 2, 16, &[prefix(0..4, 192)], None),
        // What is dropped goes by row and sequence, which a prefix of several has not.
        ("dropping_paged", decode, 4, 2, 16, &[prefix(0..4, 192)], None),
        // Windows that all of a prefix lies in, and of which it does not.
        ("paged_attention, a window of 261", decode, 4, 2, 16, &[prefix(0..4, 192)], None),
        ("paged_attention, a window of 259", decode, 4, 2, 16, &[prefix(0..4, 192)], None),
        // What is asked of the column alone, and a bias that all sequences have.
        ("biased_paged", mixed, 4, 2, 16, &[prefix(1..5, 192)], Some(3)),
    ];
    let causal = causal_paged::program();
    // Of f32 for the target that has a family of kernels of its own for it.
    for (arch, dtype) in ARCHS.map(|arch| (arch, DType::F16)).into_iter().chain([(Arch::Sm90a, DType::F32)]) {
        let device = harsh(arch);
        for (seed, (kernel, lens, q_heads, kv_heads, block_size, prefixes, parts)) in table.iter().enumerate()
        {
            let program = match *kernel {
                "causal_paged" => causal,
                "sunk_paged" => sunk_paged::program(),
                "dropping_paged" => dropping_paged::program(),
                "biased_paged" => biased_paged::program(),
                kernel => stock(kernel.split(',').next().unwrap()),
            };
            let problem = Problem {
                dtype,
                lens: lens.to_vec(),
                q_heads: *q_heads,
                kv_heads: *kv_heads,
                block_size: *block_size,
                seed: seed as u64,
                scalars: kernel
                    .split("window of ")
                    .skip(1)
                    .map(|window| ("window".to_owned(), window.parse().unwrap()))
                    .collect(),
                ..Problem::default()
            };
            let inputs = problem.inputs(&device, program).unwrap();
            let table = shared(&device, &inputs, *block_size, prefixes);
            let mut arguments = with_table(&inputs, &table);
            let bias: Vec<f32> = (0..4 * 300).map(|index| (index % 13) as f32 * 0.2).collect();
            let bias = Tensor::from_slice(&device, &bias, &[1, 4, 1, 300]).unwrap();
            if let (Some(Argument::Vector(own)), "biased_paged") = (arguments.last_mut(), *kernel) {
                *own = &bias;
            }
            let options = PlanOptions { parts: *parts, always_cascade: true, ..PlanOptions::default() };
            let how = (cascading(&problem), options);
            let plan = judge_arguments(&device, program, &arguments, how, prefixes).unwrap();
            let is_refused = matches!(*kernel, "paged_attention, a window of 259" | "dropping_paged");
            let expected = if is_refused { 0 } else { 1 };
            assert!(plan.groups.len() >= expected, "{plan}");
            assert_eq!(plan.groups.is_empty(), expected == 0, "{plan}");
        }
    }
}

/// Causal attention over a paged cache, without a window.
#[attention_kernel]
pub fn causal_paged<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// The same from where another kernel ended, with a sink of each row.
#[attention_kernel]
pub fn sunk_paged<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    o_before: Input<T, D>,
    lse_before: RowInput,
    sinks: PerHead<f32>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::resume(lse_before);
    let mut acc = Tile::resume(o_before);
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    softmax.sink(|at| sinks[at.head] + (at.row % 5) as f32 + at.seq as f32);
    o.store(softmax.finish(acc));
}

/// Causal attention to some of the columns, with a bias of each.
#[attention_kernel]
pub fn biased_paged<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    scale: f32,
    bias: Bias<f32>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.mask(|at| at.col <= at.row).map(|x, at| x + bias.at(at.head, 0, at.col));
        let s = s.mask(|at| at.col % 5 != 3);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// Full attention with dropout.
#[attention_kernel]
pub fn dropping_paged<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let p = softmax.step(dot(q, k.gather(table, cols).t()) * scale, &mut acc);
        let p = p.map(|p, at| select(at.random(7) < 0.5, p * 2.0, 0.0));
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// One planner, and batches that have nothing in common: the launches are the same to the byte, only the words differ.
#[test]
fn launches_do_not_depend_on_the_batch() {
    for arch in ARCHS {
        let device = plain(arch);
        let program = stock("paged_attention");
        let room = Problem { lens: vec![(40, 400); 6], q_heads: 4, kv_heads: 2, ..Problem::default() };
        let inputs = room.inputs(&device, program).unwrap();
        let (all, mut table) = (inputs.arguments(), table(&inputs));
        let Argument::Ragged(Ragged { tensor: q, starts }) = all[0] else { panic!("the query comes first") };
        let (mut starts, entries) =
            (starts.clone(), (0..6).flat_map(|s| table.row(s).to_vec()).collect::<Vec<_>>());
        let capacity = Capacity { cascade: true, ..capacity(&room) };
        let planner = Planner::new(&device, program, &all, capacity, PlanOptions::default()).unwrap();
        let batches: [&[(i32, i32)]; 4] = [
            &[(1, 400), (1, 3), (1, 77), (1, 130), (1, 1), (1, 399)],
            &[(40, 40), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)],
            &[(3, 200), (40, 390), (0, 17), (1, 64), (17, 17), (2, 0)],
            &[(0, 0); 6],
        ];
        // Captured once, before anybody knows of a batch.
        let captured = planner.launches(&all).unwrap();
        let say = |launches: &[PlannedLaunch]| -> Vec<(String, Launch)> {
            launches.iter().map(|launch| (launch.entry.clone(), launch.launch.clone())).collect()
        };
        let mut words = Vec::new();
        for batch in batches {
            let (q_lens, kv_lens): (Vec<i32>, Vec<i32>) = batch.iter().copied().unzip();
            starts.set_lens(&q_lens).unwrap();
            table.set(&entries, &kv_lens).unwrap();
            let mut arguments = with_table(&inputs, &table);
            arguments[0] = Argument::Ragged(Ragged { tensor: q, starts: &starts });
            let launches = planner.launches(&arguments).unwrap();
            assert_eq!(say(&launches), say(&captured), "{arch}");
            let plan = planner.plan(&arguments, &[]).unwrap();
            planner.upload(&plan).unwrap();
            for launch in &captured {
                launch.run(&device).unwrap();
            }
            assert_eq!(wrong(program, &arguments), None, "{arch}\n{plan}");
            words.push(plan.words().to_vec());
        }
        for (index, one) in words.iter().enumerate() {
            assert!(words[index + 1..].iter().all(|other| other != one && other.len() == one.len()));
        }
    }
}

/// On Hopper every launch of a step but the first may begin before the one before it has ended, and is as right alone and
/// under every order of what goes on; `Planner::run` begins with the first that has items.
#[test]
fn launches_of_a_step_may_begin_early() {
    let program = stock("paged_attention");
    let problem =
        Problem { lens: vec![(1, 700), (70, 131), (5, 200)], q_heads: 4, kv_heads: 2, ..Problem::default() };
    for arch in ARCHS {
        for (policy, warp_order) in [
            (AsyncPolicy::Eager, WarpOrder::InOrder),
            (AsyncPolicy::Lazy, WarpOrder::InOrder),
            (AsyncPolicy::Random(5), WarpOrder::Random(6)),
            (AsyncPolicy::Random(7), WarpOrder::Random(8)),
        ] {
            let options =
                EmulatorOptions { arch, policy, warp_order, sanitize: Sanitize::ALL, ..Default::default() };
            let device = Device::emulator_with(options);
            let inputs = problem.inputs(&device, program).unwrap();
            let arguments = inputs.arguments();
            let planner = Planner::new(&device, program, &arguments, capacity(&problem), forced(2)).unwrap();
            let plan = planner.plan(&arguments, &[]).unwrap();
            planner.run(&plan, &arguments).unwrap();
            assert_eq!(wrong(program, &arguments), None, "{arch}, {policy}, {warp_order}\n{plan}");

            let launches = planner.launches(&arguments).unwrap();
            assert!(launches.len() > 3 && launches.last().unwrap().entry.starts_with("merge_states"));
            for (index, launch) in launches.iter().enumerate() {
                let expected = arch == Arch::Sm90a && index > 0;
                assert_eq!(launch.launch.programmatic, expected, "{arch}: {}", launch.entry);
            }
            planner.upload(&plan).unwrap();
            for launch in &launches {
                launch.run(&device).unwrap();
            }
            assert_eq!(
                wrong(program, &arguments),
                None,
                "{arch}, {policy}, {warp_order}: one by one\n{plan}"
            );
        }
    }
}

/// What is said of batches on a device of 132 multiprocessors. Nothing is run.
#[test]
fn plans_read_well() {
    let device =
        Device::emulator_with(EmulatorOptions { sms: 132, arch: Arch::Sm90a, ..EmulatorOptions::default() });
    let program = stock("paged_full_attention");
    let problem = |lens: Vec<(usize, usize)>| Problem {
        lens,
        q_heads: 8,
        kv_heads: 2,
        head_dim: 128.into(),
        ..Problem::default()
    };
    let plan = |problem: &Problem, prefixes: &[SharedPrefix]| {
        let inputs = problem.inputs(&device, program).unwrap();
        let table = shared(&device, &inputs, problem.block_size, prefixes);
        let arguments = with_table(&inputs, &table);
        let capacity = Capacity { cascade: true, ..Capacity::new(600, 40) };
        let planner = Planner::new(&device, program, &arguments, capacity, PlanOptions::default()).unwrap();
        planner.plan(&arguments, prefixes).unwrap().to_string()
    };
    insta::assert_snapshot!("one_long_decode", plan(&problem(vec![(1, 16_000)]), &[]));
    insta::assert_snapshot!("mixed", plan(&problem(vec![(1, 3000), (300, 300), (8, 2000), (1, 100)]), &[]));
    let prompt: Vec<(usize, usize)> = (0..32).map(|extra| (1, 1030 + 10 * extra)).collect();
    insta::assert_snapshot!("shared_prompt", plan(&problem(prompt), &[prefix(0..32, 1024)]));
    let short: Vec<(usize, usize)> = vec![(1, 64); 2];
    insta::assert_snapshot!("shared_in_vain", plan(&problem(short), &[prefix(0..2, 16)]));
}

#[test]
fn refusals_name_the_way_out() {
    let device = plain(flashpage::codegen::Arch::Sm80);
    let program = stock("paged_full_attention");
    let problem = Problem { lens: vec![(2, 290), (3, 300)], ..Problem::default() };
    let inputs = problem.inputs(&device, program).unwrap();
    let own = table(&inputs);
    let arguments = inputs.arguments();
    let planner = |capacity, options| Planner::new(&device, program, &arguments, capacity, options);
    let room = capacity(&problem);
    let with = |capacity, options| {
        planner(capacity, options).unwrap().plan(&arguments, &[]).unwrap_err().to_string()
    };
    let none = PlanOptions::default();
    let table = [
        (
            with(Capacity { q_tokens: 4, ..room }, none),
            "the batch has 5 query tokens, and the planner was made for 4: raise `Capacity::q_tokens`",
        ),
        (
            with(Capacity { sequences: 1, ..room }, none),
            "the batch has 2 sequences, and the planner was made for 1: raise `Capacity::sequences`",
        ),
        (
            with(Capacity { q_len: 2, ..room }, none),
            "the batch has 3 query tokens in one sequence, and the planner was made for 2: raise `Capacity::q_len`",
        ),
        (
            with(Capacity { split_items: Some(1), ..room }, forced(2)),
            "2 parts of every row, as `PlanOptions::parts` asks, are more than 1 items of a kernel or 320 rows of partial \
             results: raise `Capacity::split_items` or `Capacity::partial_rows`, or ask for fewer",
        ),
        (
            planner(Capacity { splits: 0, ..room }, none).unwrap_err().to_string(),
            "`Capacity::splits` is 0: it must be from 1 to 2^24",
        ),
        (
            planner(Capacity { q_tokens: usize::MAX, ..room }, none).unwrap_err().to_string(),
            "`Capacity::q_tokens` is 18446744073709551615: it must be from 1 to 2^24",
        ),
    ];
    for (got, expected) in table {
        assert_eq!(got, expected);
    }
    let planner = Planner::new(&device, program, &arguments, cascading(&problem), none).unwrap();
    let refuse = |prefixes: &[SharedPrefix]| planner.plan(&arguments, prefixes).unwrap_err().to_string();
    let table = [
        (
            refuse(&[prefix(0..2, 16)]),
            "the prefix of 16 tokens shared by sequences 0 to 1: sequence 1 has other blocks there: share what is the same",
        ),
        (
            refuse(&[prefix(0..2, 20)]),
            "the prefix of 20 tokens shared by sequences 0 to 1: blocks have 16 tokens: share whole blocks",
        ),
        (
            refuse(&[prefix(0..2, 304)]),
            "the prefix of 304 tokens shared by sequences 0 to 1: sequence 0 has 290 tokens: share no more",
        ),
        (
            refuse(&[prefix(1..3, 16)]),
            "the prefix of 16 tokens shared by sequences 1 to 2: the batch has 2 sequences: name some of them",
        ),
        (
            refuse(&[prefix(0..1, 16), prefix(0..1, 16)]),
            "the prefix of 16 tokens shared by sequences 0 to 0: sequence 0 is in a prefix before it: list prefixes \
             in order, each sequence in one at most",
        ),
    ];
    for (got, expected) in table {
        assert_eq!(got, expected);
    }
    // A table that is too narrow, and other heads.
    let narrow = DeviceBlockTable::new(&device, &[own.row(0)[0], own.row(1)[0]], 1, &[90, 100]).unwrap();
    let error = planner.plan(&with_table(&inputs, &narrow), &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "sequence 0 has 90 tokens, which are 6 blocks of 16, and the table has 1 entries per sequence: widen the table"
    );
    let other = Problem { q_heads: 2, ..problem.clone() }.inputs(&device, program).unwrap();
    let error = planner.plan(&other.arguments(), &[]).unwrap_err().to_string();
    assert_eq!(error, "q_heads was 1 when the planner was made, and is 2 now: make a planner for each");
    let plan = planner.plan(&arguments, &[]).unwrap();
    let small = Planner::new(&device, program, &arguments, Capacity::new(5, 2), none).unwrap();
    let error = small.run(&plan, &arguments).unwrap_err().to_string();
    assert!(error.contains("run it with its own"), "{error}");
    let longer =
        Problem { lens: vec![(2, 91), (3, 100)], ..problem.clone() }.inputs(&device, program).unwrap();
    assert_eq!(
        planner.run(&plan, &longer.arguments()).unwrap_err().to_string(),
        "the plan is for 5 query tokens and 590 keys in other sequences than these, which have 5 and 191: plan them"
    );
    // Parts of a row are merged into its output.
    let sums = parse_program_source(
        "fn sums<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, lse: RowOutput) {
             let q = q.tile();
             let mut softmax = OnlineSoftmax::new();
             let mut acc = Tile::zeros();
             for cols in k.tiles() {
                 let p = softmax.step(dot(q, k.load(cols).t()), &mut acc);
                 acc += dot(p, v.load(cols));
             }
             lse.store(softmax.lse());
         }",
    )
    .unwrap();
    let of_sums = problem.inputs(&device, &sums).unwrap();
    let whole = Planner::new(&device, &sums, &of_sums.arguments(), room, forced(1)).unwrap();
    assert!(whole.plan(&of_sums.arguments(), &[]).is_ok());
    let parts = Planner::new(&device, &sums, &of_sums.arguments(), room, forced(2)).unwrap();
    assert_eq!(
        parts.plan(&of_sums.arguments(), &[]).unwrap_err().to_string(),
        "kernel `sums` stores no `Output`, and partial results are merged into one: its rows are computed whole; leave \
         `PlanOptions::parts` out, or ask for 1"
    );
    // Nothing of a size that a person may write panics.
    for capacity in [
        Capacity { split_items: Some(usize::MAX), ..room },
        Capacity { partial_rows: Some(usize::MAX), splits: 1 << 24, q_tokens: 1 << 24, ..room },
    ] {
        let error = Planner::new(&device, program, &arguments, capacity, none).unwrap_err().to_string();
        assert!(error.starts_with("`Capacity::"), "{error}");
    }
}
